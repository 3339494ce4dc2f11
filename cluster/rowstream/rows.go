package rowstream

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Rows is the answer to one execution.
type Rows struct {
	conn    *Conn
	columns []Column
	rest    int  // bytes of the current row that are still on the wire in the current packet
	split   bool // the current packet is continued in another one
	done    bool
}

// rows reads the head of an answer. Column definitions are parsed again only when their number changed: a prepared
// statement's types stay the same as long as the server does not re-prepare it, and then the packets tell.
func (c *Conn) rows(s *Stmt) (*Rows, error) {
	p, err := c.shortPacket()
	if err != nil {
		return nil, err
	}
	n, _, _ := mysql.LengthEncodedInt(p)
	if p[0] == mysql.OK_HEADER || n == 0 || n > 1<<16 {
		return nil, c.fail("execute", ErrProtocol)
	}
	cols := s.columns[:0]
	for range n {
		if p, err = c.shortPacket(); err != nil {
			return nil, err
		}
		col, cerr := parseColumn(p)
		if cerr != nil {
			return nil, c.fail("execute", cerr)
		}
		cols = append(cols, col)
	}
	s.columns = cols
	p, err = c.shortPacket()
	if err != nil {
		return nil, err
	}
	if !isEOF(p) {
		return nil, c.fail("execute", ErrProtocol)
	}
	return &Rows{conn: c, columns: cols}, nil
}

// Columns returns the columns of the answer; the slice is reused by the statement's next execution.
func (r *Rows) Columns() []Column { return r.columns }

// Next returns the next row packet's payload, valid until the next call of any method, or io.EOF after the last row.
// If the row is larger than the read buffer, only its first bytes (at least half a buffer) are returned and More
// reports true; Rest then yields the remaining ones.
func (r *Rows) Next() ([]byte, error) {
	c := r.conn
	if r.done {
		return nil, io.EOF
	}
	if r.rest > 0 || r.split {
		if err := r.Rest(func([]byte) {}); err != nil {
			return nil, err
		}
	}
	if c.w-c.r < 4 {
		if err := c.fill(4); err != nil {
			return nil, err
		}
	}
	h := binary.LittleEndian.Uint32(c.buf[c.r:])
	n := int(h & maxPayload)
	if n > len(c.buf)-4 {
		return r.nextLarge()
	}
	if uint8(h>>24) != c.seq {
		_, err := c.packetHeader() // reports it
		return nil, err
	}
	if c.w-c.r < n+4 {
		if err := c.fill(n + 4); err != nil {
			return nil, err
		}
	}
	c.seq++
	p := c.buf[c.r+4 : c.r+4+n]
	c.r += n + 4
	if n > 0 && p[0] != mysql.OK_HEADER {
		return nil, r.end(p)
	}
	c.nRead += int64(n)
	return p, nil
}

// end handles the packet behind the last row.
func (r *Rows) end(p []byte) error {
	r.done = true
	switch {
	case isEOF(p):
		return io.EOF
	case p[0] == mysql.ERR_HEADER:
		return serverError(p)
	}
	return r.conn.fail("read row", ErrProtocol)
}

// nextLarge begins a row that does not fit into the buffer.
func (r *Rows) nextLarge() ([]byte, error) {
	c := r.conn
	n, err := c.packetHeader()
	if err != nil {
		return nil, err
	}
	head := len(c.buf) / 2
	if err := c.fill(head); err != nil {
		return nil, err
	}
	p := c.buf[c.r : c.r+head]
	c.r += head
	c.nRead += int64(head)
	r.rest, r.split = n-head, n == maxPayload
	return p, nil
}

// More reports whether Next returned only the beginning of a row.
func (r *Rows) More() bool { return r.rest > 0 || r.split }

// Rest hands the remaining bytes of a large row to visit, piece by piece; a piece is valid during the call only.
func (r *Rows) Rest(visit func(part []byte)) error {
	c := r.conn
	for {
		for r.rest > 0 {
			if err := c.fill(1); err != nil {
				return err
			}
			n := min(r.rest, c.w-c.r)
			visit(c.buf[c.r : c.r+n])
			c.r += n
			c.nRead += int64(n)
			r.rest -= n
		}
		if !r.split {
			return nil
		}
		n, err := c.packetHeader()
		if err != nil {
			return err
		}
		r.rest, r.split = n, n == maxPayload
	}
}

// maxRow bounds a row in memory: a server's largest packet is a gigabyte.
const maxRow = 1<<30 + maxPayload

// Whole returns a copy of the current row, given what Next returned for it.
func (r *Rows) Whole(head []byte) ([]byte, error) {
	row := append(make([]byte, 0, len(head)+r.rest), head...)
	err := r.Rest(func(part []byte) {
		if len(row) <= maxRow {
			row = append(row, part...)
		}
	})
	if err == nil && len(row) > maxRow {
		err = r.conn.fail("read row", fmt.Errorf("%w: a row of more than %d MiB", ErrProtocol, maxRow>>20))
	}
	return row, err
}
