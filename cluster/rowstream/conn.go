// Package rowstream reads rows from a server as the binary protocol sends them, without decoding them.
//
// A row packet's bytes are the row's identity: MySQL 5.6 to 9.7 and MariaDB send the same bytes for the same values of
// all classic types, and no other representation costs the server less. The package prepares statements, executes them
// with parameters that are themselves slices of earlier packets, and hands out packets as slices of its read buffer.
package rowstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// bufferSize is the read buffer of a connection, in bytes. The largest primary key (3072 bytes, times four in utf8mb4)
// fits many times, and twice what a read is meant to return.
const bufferSize = 512 << 10

// A server writes 16 KiB at a time. A reader that takes each of them at once is woken, and scheduled away again, for
// every hundred rows, and the server with it: on a machine that both share that cost a tenth of all CPU time. So a long
// answer is read batchBytes at a time: the reader sleeps for as long as so much takes at the rate seen so far, but at
// most maxBatchWait. What comes meanwhile waits in the socket, whose window the kernel widens as it sees it emptied.
const (
	batchBytes   = 256 << 10
	maxBatchWait = 4 * time.Millisecond
)

// maxPayload is the largest payload of one protocol packet; a payload of exactly this size is continued in the next.
const maxPayload = 1<<24 - 1

// ErrProtocol reports bytes that the client/server protocol does not allow where they stood. The connection is
// unusable afterwards.
var ErrProtocol = errors.New("the server sent a malformed packet")

// Conn is one connection on which rows are streamed. It is not safe for concurrent use; Close and the cancellation of
// a context given to its methods may happen at any time.
type Conn struct {
	client *client.Conn
	net    net.Conn
	buf    []byte
	r, w   int   // unread bytes are buf[r:w]
	seq    uint8 // sequence number expected next
	broken error // first error after which the stream's position is unknown
	nRead  int64
	batch  batch
}

// batch tells how long to wait before the next read of an answer.
type batch struct {
	began time.Time // of the first read
	got   int       // bytes since
	last  int       // of the last read
}

// wait returns how long batchBytes take, and 0 as long as that is not known or if the last read left more to be read.
func (b *batch) wait(now time.Time) time.Duration {
	if b.got < batchBytes || b.last >= batchBytes {
		return 0
	}
	return min(maxBatchWait, time.Duration(float64(now.Sub(b.began))*batchBytes/float64(b.got)))
}

// add counts a read.
func (b *batch) add(n int) {
	if b.began.IsZero() {
		b.began = time.Now()
		return // what had come before its time was taken
	}
	b.got += n
	b.last = n
}

// Configure is a client.Option: it turns off the protocol extensions that rowstream does not speak, so that every
// server answers in the same form.
func Configure(c *client.Conn) error {
	c.UnsetCapability(mysql.CLIENT_DEPRECATE_EOF)
	c.UnsetCapability(mysql.CLIENT_QUERY_ATTRIBUTES)
	return nil
}

// New takes over an idle connection that was dialled with Configure. The caller must not use c afterwards.
func New(c *client.Conn) *Conn {
	return &Conn{client: c, net: c.Conn.Conn, buf: make([]byte, bufferSize)}
}

// Close closes the connection without ceremony; a statement that is still running ends when the server next writes.
func (c *Conn) Close() error {
	if c.broken == nil {
		c.broken = net.ErrClosed
	}
	return c.client.Close()
}

// Broken reports whether the connection can no longer be used.
func (c *Conn) Broken() bool { return c.broken != nil }

// BytesRead returns the number of bytes of row payload received so far.
func (c *Conn) BytesRead() int64 { return c.nRead }

// ID returns the server's id of this connection.
func (c *Conn) ID() uint32 { return c.client.GetConnectionID() }

// Guard makes ctx's end interrupt reads and writes of the connection until release is called. An interrupted
// connection is broken.
func (c *Conn) Guard(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() { _ = c.net.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

func (c *Conn) fail(op string, err error) error {
	err = fmt.Errorf("%s: %w", op, err)
	if c.broken == nil {
		c.broken = err
	}
	return err
}

// command sends one command packet and makes the connection ready to read its answer.
func (c *Conn) command(payload []byte) error {
	if c.broken != nil {
		return c.broken
	}
	if c.r != c.w {
		return c.fail("send command", fmt.Errorf("%w: %d bytes of an earlier answer were left unread", ErrProtocol, c.w-c.r))
	}
	c.client.ResetSequence()
	if err := c.client.WritePacket(payload); err != nil {
		return c.fail("send command", err)
	}
	c.seq = c.client.Sequence
	c.batch = batch{}
	return nil
}

// fill makes at least n unread bytes available, n ≤ len(c.buf).
func (c *Conn) fill(n int) error {
	if c.w-c.r >= n {
		return nil
	}
	if c.r > 0 {
		copy(c.buf, c.buf[c.r:c.w])
		c.w -= c.r
		c.r = 0
	}
	if c.batch.got >= batchBytes {
		time.Sleep(c.batch.wait(time.Now()))
	}
	for c.w < n {
		m, err := c.net.Read(c.buf[c.w:])
		c.w += m
		c.batch.add(m)
		if err != nil && c.w < n {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return c.fail("read", err)
		}
	}
	return nil
}

// packetHeader consumes a packet's four header bytes and returns its payload's length.
func (c *Conn) packetHeader() (int, error) {
	if err := c.fill(4); err != nil {
		return 0, err
	}
	h := binary.LittleEndian.Uint32(c.buf[c.r:])
	if uint8(h>>24) != c.seq {
		return 0, c.fail("read", fmt.Errorf("%w: packet number %d where %d was due", ErrProtocol, h>>24, c.seq))
	}
	c.seq++
	c.r += 4
	return int(h & maxPayload), nil
}

// shortPacket reads a whole packet that is known to be small (an answer's head, a column definition). The slice is
// valid until the next read.
func (c *Conn) shortPacket() ([]byte, error) {
	n, err := c.packetHeader()
	if err != nil {
		return nil, err
	}
	if n > len(c.buf) || n == 0 {
		return nil, c.fail("read", fmt.Errorf("%w: packet of %d bytes where a short one was due", ErrProtocol, n))
	}
	if err := c.fill(n); err != nil {
		return nil, err
	}
	p := c.buf[c.r : c.r+n]
	c.r += n
	if p[0] == mysql.ERR_HEADER {
		return nil, serverError(p)
	}
	return p, nil
}

// serverError turns an ERR packet into the error type that cluster's error mapping knows.
func serverError(p []byte) error {
	if len(p) < 3 {
		return ErrProtocol
	}
	e := &mysql.MyError{Code: binary.LittleEndian.Uint16(p[1:])}
	p = p[3:]
	if len(p) >= 6 && p[0] == '#' {
		e.State = string(p[1:6])
		p = p[6:]
	}
	e.Message = string(p)
	return e
}

func isEOF(p []byte) bool { return len(p) > 0 && len(p) < 9 && p[0] == mysql.EOF_HEADER }

// serverBuffer is how large Widen makes the server's buffer, in bytes.
const serverBuffer = 256 << 10

// Widen makes the server send rows in larger pieces. A server collects what it sends in a buffer of net_buffer_length
// (16 KiB), and keeps that buffer as large as the largest packet that it has received on the connection; so one long
// ping saves it most of its writes, and the wake-ups that each of them causes on both ends. It costs the server a quarter
// of a megabyte per connection. maxAllowedPacket is the server's; where that is too small, nothing is done, and a server
// that refuses is left as it is. An error means that the connection is lost: what stands between may not like long pings.
func (c *Conn) Widen(maxAllowedPacket int64) error {
	if maxAllowedPacket < 2*serverBuffer {
		return nil
	}
	msg := make([]byte, 4+serverBuffer)
	msg[4] = mysql.COM_PING
	if err := c.command(msg); err != nil {
		return err
	}
	p, err := c.shortPacket()
	var refused *mysql.MyError
	switch {
	case errors.As(err, &refused):
		return nil
	case err != nil:
		return err
	case p[0] != mysql.OK_HEADER:
		return c.fail("widen", ErrProtocol)
	}
	return nil
}
