package rowstream

import (
	"encoding/binary"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Stmt is a prepared statement of one connection.
type Stmt struct {
	conn    *Conn
	id      uint32
	params  int
	columns []Column // of the last execution
	out     []byte   // the execute packet, reused
}

// Param is one parameter of an execution: a value in the binary protocol's encoding, which is also how a row packet
// holds it, so that a key taken from a packet can be sent back without being decoded.
type Param struct {
	Type     byte // a MYSQL_TYPE_* that the server accepts for parameters; see Column.ParamType
	Unsigned bool
	Value    []byte // encoded, with its length prefix where the type has one; nil means NULL
}

// TypeTextBytes is the type of a parameter that holds the bytes of text in the charset of its column. To a server it is
// one of the types of byte strings, so that nothing is converted.
const TypeTextBytes = mysql.MYSQL_TYPE_LONG_BLOB

// Uint64 returns v as a parameter.
func Uint64(v uint64) Param {
	return Param{Type: mysql.MYSQL_TYPE_LONGLONG, Unsigned: true, Value: binary.LittleEndian.AppendUint64(nil, v)}
}

// Prepare prepares query on the server.
func (c *Conn) Prepare(query string) (*Stmt, error) {
	msg := make([]byte, 4, 5+len(query))
	msg = append(msg, mysql.COM_STMT_PREPARE)
	msg = append(msg, query...)
	if err := c.command(msg); err != nil {
		return nil, err
	}
	p, err := c.shortPacket()
	if err != nil {
		return nil, err
	}
	if len(p) < 9 || p[0] != mysql.OK_HEADER {
		return nil, c.fail("prepare", ErrProtocol)
	}
	s := &Stmt{conn: c, id: binary.LittleEndian.Uint32(p[1:]), params: int(binary.LittleEndian.Uint16(p[7:]))}
	columns := int(binary.LittleEndian.Uint16(p[5:]))
	for _, n := range []int{s.params, columns} {
		if n == 0 {
			continue
		}
		for range n + 1 { // the definitions and the EOF packet behind them
			if _, err := c.shortPacket(); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// Close frees the statement on the server. The protocol has no answer to it.
func (s *Stmt) Close() error {
	msg := append(make([]byte, 4, 9), mysql.COM_STMT_CLOSE)
	return s.conn.command(binary.LittleEndian.AppendUint32(msg, s.id))
}

// Query executes the statement. The rows must be read to their end, or the connection closed, before anything else is
// done with the connection. An error of the server is a *mysql.MyError; others break the connection.
func (s *Stmt) Query(params ...Param) (*Rows, error) {
	if len(params) != s.params {
		return nil, fmt.Errorf("statement has %d parameters, %d given", s.params, len(params))
	}
	if err := s.conn.command(s.encode(params)); err != nil {
		return nil, err
	}
	return s.conn.rows(s)
}

// encode builds the execute packet, with four bytes in front for the packet header.
func (s *Stmt) encode(params []Param) []byte {
	s.out = append(s.out[:0], 0, 0, 0, 0, mysql.COM_STMT_EXECUTE)
	msg := binary.LittleEndian.AppendUint32(s.out, s.id)
	msg = append(msg, 0, 1, 0, 0, 0) // no cursor, one iteration
	if len(params) > 0 {
		bitmap := len(msg)
		msg = append(msg, make([]byte, (len(params)+7)/8)...)
		msg = append(msg, 1) // types follow
		for i, p := range params {
			flag := byte(0)
			if p.Unsigned {
				flag = mysql.PARAM_UNSIGNED
			}
			if p.Value == nil {
				msg[bitmap+i/8] |= 1 << (i % 8)
			}
			msg = append(msg, p.Type, flag)
		}
		for _, p := range params {
			msg = append(msg, p.Value...)
		}
	}
	s.out = msg
	return msg
}

// Exec runs a statement without rows, such as SET.
func (c *Conn) Exec(query string) error {
	msg := append(make([]byte, 4, 5+len(query)), mysql.COM_QUERY)
	if err := c.command(append(msg, query...)); err != nil {
		return err
	}
	p, err := c.shortPacket()
	if err != nil {
		return err
	}
	if p[0] != mysql.OK_HEADER {
		return c.fail("exec", ErrProtocol)
	}
	return nil
}
