package rowstream

import (
	"encoding/binary"
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// binaryCharset is the id of the pseudo charset of byte strings and of everything that is no string.
const binaryCharset = 63

// Column is what a result's column definition says about how values of the column stand in a row packet.
type Column struct {
	Type     byte // MYSQL_TYPE_*
	Unsigned bool
	Binary   bool // bytes rather than characters
	Decimals uint8
}

// parseColumn reads a column definition packet (six length-prefixed names, then the fixed part).
func parseColumn(p []byte) (Column, error) {
	for range 6 {
		n, _, head := mysql.LengthEncodedInt(p)
		if uint64(len(p)) < n+uint64(head) {
			return Column{}, fmt.Errorf("%w: truncated column definition", ErrProtocol)
		}
		p = p[uint64(head)+n:]
	}
	if len(p) < 11 {
		return Column{}, fmt.Errorf("%w: truncated column definition", ErrProtocol)
	}
	flags := binary.LittleEndian.Uint16(p[8:])
	return Column{
		Type:     p[7],
		Unsigned: flags&mysql.UNSIGNED_FLAG != 0,
		Binary:   binary.LittleEndian.Uint16(p[1:]) == binaryCharset,
		Decimals: p[10],
	}, nil
}

// Size returns the number of bytes that a value of the column occupies at the start of p, its length prefix included.
// p must begin with the value. It returns -1 where p is too short to tell or the type is unknown.
func (c Column) Size(p []byte) int {
	if n := c.FixedSize(); n > 0 {
		return n
	}
	if len(p) == 0 {
		return -1
	}
	switch c.Type {
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIME:
		return 1 + int(p[0])
	case mysql.MYSQL_TYPE_NULL:
		return -1
	}
	if p[0] == 0xfe && len(p) < 9 || p[0] == 0xfd && len(p) < 4 || p[0] == 0xfc && len(p) < 3 {
		return -1
	}
	n, _, head := mysql.LengthEncodedInt(p)
	return head + int(n)
}

// FixedSize returns the number of bytes of every value of the column's type, or 0 where it varies.
func (c Column) FixedSize() int {
	switch c.Type {
	case mysql.MYSQL_TYPE_TINY:
		return 1
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		return 2
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_FLOAT:
		return 4
	case mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_DOUBLE:
		return 8
	}
	return 0
}

// Param returns value, which stands encoded in a row packet's column c, as a parameter that compares equal to it.
// Types that a server does not take for parameters are sent as the nearest one with the same encoding.
func (c Column) Param(value []byte) Param {
	t := c.Type
	switch t {
	case mysql.MYSQL_TYPE_YEAR:
		return Param{Type: mysql.MYSQL_TYPE_SHORT, Unsigned: true, Value: value}
	case mysql.MYSQL_TYPE_INT24:
		t = mysql.MYSQL_TYPE_LONG
	case mysql.MYSQL_TYPE_TIMESTAMP:
		t = mysql.MYSQL_TYPE_DATETIME // the session's zone is UTC on both sides
	case mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_ENUM,
		mysql.MYSQL_TYPE_SET, mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_TINY_BLOB, mysql.MYSQL_TYPE_MEDIUM_BLOB,
		mysql.MYSQL_TYPE_LONG_BLOB, mysql.MYSQL_TYPE_BIT, mysql.MYSQL_TYPE_GEOMETRY:
		t = mysql.MYSQL_TYPE_VAR_STRING
		if c.Binary {
			t = mysql.MYSQL_TYPE_BLOB // a string parameter would be taken as text of the connection's charset
		}
	}
	return Param{Type: t, Unsigned: c.Unsigned, Value: value}
}
