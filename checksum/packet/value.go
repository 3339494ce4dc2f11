// Package packet reads and writes row packets of the binary protocol: their values, keys cut out of them, the text of a value,
// and the canonical form of JSON. It knows nothing of tables, and is pure.
package packet

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster/rowstream"
)

// Value is one value cut out of a row packet.
type Value struct {
	Null  bool
	Raw   []byte // encoded, with its length prefix
	Text  string // as a person would write it
	bytes bool   // text is a byte string that is no readable text: it is shown in hexadecimal
}

// Split cuts a whole row packet into its values.
func Split(packet []byte, columns []rowstream.Column) ([]Value, error) {
	at := valuesStart(len(columns))
	out := make([]Value, len(columns))
	for i, c := range columns {
		if isNull(packet, i) {
			out[i].Null = true
			continue
		}
		if at > len(packet) {
			return nil, fmt.Errorf("%w: value reaches beyond the packet", rowstream.ErrProtocol)
		}
		size := c.Size(packet[at:])
		if size < 0 || at+size > len(packet) {
			return nil, fmt.Errorf("%w: value reaches beyond the packet", rowstream.ErrProtocol)
		}
		out[i].Raw = packet[at : at+size]
		out[i].Text, out[i].bytes = Decode(c, out[i].Raw)
		at += size
	}
	return out, nil
}

// Join is the inverse of Split.
func Join(values []Value) []byte {
	packet := make([]byte, valuesStart(len(values)))
	for i, v := range values {
		if v.Null {
			packet[1+(i+2)/8] |= 1 << ((i + 2) % 8)
		}
		packet = append(packet, v.Raw...)
	}
	return packet
}

// Decode writes an encoded value as text; bytes tells that it is hexadecimal of a byte string.
func Decode(c rowstream.Column, raw []byte) (text string, bytes bool) {
	switch c.Type {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR, mysql.MYSQL_TYPE_INT24,
		mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG:
		return decodeInteger(c, raw), false
	case mysql.MYSQL_TYPE_FLOAT:
		return strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), 'g', -1, 32), false
	case mysql.MYSQL_TYPE_DOUBLE:
		return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(raw)), 'g', -1, 64), false
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP:
		return decodeDate(c, raw[1:]), false
	case mysql.MYSQL_TYPE_TIME:
		return decodeTime(c, raw[1:]), false
	}
	content := Content(raw)
	if c.Binary && c.Type != mysql.MYSQL_TYPE_NEWDECIMAL && c.Type != mysql.MYSQL_TYPE_JSON || !utf8.Valid(content) {
		return fmt.Sprintf("0x%X", content), true
	}
	return string(content), false
}

// Content returns what stands behind a value's length.
func Content(raw []byte) []byte {
	_, _, head := mysql.LengthEncodedInt(raw)
	return raw[head:]
}

func decodeInteger(c rowstream.Column, raw []byte) string {
	var buf [8]byte
	copy(buf[:], raw)
	v := binary.LittleEndian.Uint64(buf[:])
	if c.Unsigned || c.Type == mysql.MYSQL_TYPE_YEAR {
		return strconv.FormatUint(v, 10)
	}
	shift := 64 - 8*len(raw)
	return strconv.FormatInt(int64(v<<shift)>>shift, 10)
}

func decodeDate(c rowstream.Column, b []byte) string {
	var year, month, day, hour, minute, second, micro int
	if len(b) >= 4 {
		year, month, day = int(binary.LittleEndian.Uint16(b)), int(b[2]), int(b[3])
	}
	if len(b) >= 7 {
		hour, minute, second = int(b[4]), int(b[5]), int(b[6])
	}
	if len(b) >= 11 {
		micro = int(binary.LittleEndian.Uint32(b[7:]))
	}
	date := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
	if c.Type == mysql.MYSQL_TYPE_DATE {
		return date
	}
	return date + fmt.Sprintf(" %02d:%02d:%02d", hour, minute, second) + fraction(c, micro)
}

func decodeTime(c rowstream.Column, b []byte) string {
	if len(b) < 8 {
		return "00:00:00" + fraction(c, 0)
	}
	sign := ""
	if b[0] != 0 {
		sign = "-"
	}
	hours := int(binary.LittleEndian.Uint32(b[1:]))*24 + int(b[5])
	micro := 0
	if len(b) >= 12 {
		micro = int(binary.LittleEndian.Uint32(b[8:]))
	}
	return fmt.Sprintf("%s%02d:%02d:%02d", sign, hours, b[6], b[7]) + fraction(c, micro)
}

// fraction writes microseconds with the column's number of digits, or as many as they need.
func fraction(c rowstream.Column, micro int) string {
	digits := int(c.Decimals)
	if digits > 6 {
		digits = 0
	}
	s := fmt.Sprintf("%06d", micro)
	if kept := len(strings.TrimRight(s, "0")); kept > digits {
		digits = kept
	}
	if digits == 0 {
		return ""
	}
	return "." + s[:digits]
}
