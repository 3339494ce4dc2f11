package binlog

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// FormatFloat32 is the comparable text of a FLOAT: the shortest decimal that
// reads back as the same bits.
func FormatFloat32(f float32) string { return strconv.FormatFloat(float64(f), 'g', -1, 32) }

// FormatFloat64 is the same for a DOUBLE.
func FormatFloat64(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// arena hands out memory for texts, so that a value costs no allocation of its
// own. Slices stay valid: a full chunk is left to its users.
type arena struct{ buf []byte }

const (
	arenaChunk = 32 << 10
	arenaRoom  = 128 // longest text of any number or time, with much to spare
)

func (a *arena) start() int {
	if cap(a.buf)-len(a.buf) < arenaRoom {
		a.buf = make([]byte, 0, arenaChunk)
	}
	return len(a.buf)
}

func (a *arena) since(start int) []byte { return a.buf[start:len(a.buf):len(a.buf)] }

// column is how to decode one column of a table's rows.
type column struct {
	typ      byte
	meta     uint16
	unsigned bool
	pad      int      // BINARY(n): bytes to pad to
	cs       *charset // nil: bytes as they are
	opaque   bool     // the character set is unknown
	labels   [][]byte // ENUM and SET, in utf8mb4; nil: unknown
	special  byte     // MariaDB types that are stored as fixed bytes
}

// MariaDB types that look like BINARY in the log.
const (
	plain byte = iota
	specialUUID
	specialINET4
	specialINET6
)

// errType is a column type of which the layout is unknown, so that the rest of
// the row cannot be found either.
type errType struct{ typ byte }

func (e errType) Error() string { return fmt.Sprintf("column type %d is not known", e.typ) }

// decode reads one value that is not NULL from the start of b and returns how
// many bytes it took.
func (c *column) decode(b []byte, v *Value, a *arena) (int, error) {
	switch c.typ {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG:
		return c.integer(b, v, a)
	case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING:
		n := 1
		if c.meta > 255 {
			n = 2
		}
		return c.text(b, n, v, a)
	case mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_GEOMETRY, mysql.MYSQL_TYPE_VECTOR:
		return c.text(b, int(c.meta), v, a)
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		return decodeDecimal(b, int(c.meta>>8), int(c.meta&0xff), v, a)
	case mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_DOUBLE:
		return c.float(b, v, a)
	case mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET:
		return c.labelled(b, v, a)
	case mysql.MYSQL_TYPE_BIT:
		n := (int(c.meta>>8)*8 + int(c.meta&0xff) + 7) / 8
		if len(b) < n {
			return 0, errShort
		}
		v.Text = b[:n:n]
		return n, nil
	case mysql.MYSQL_TYPE_JSON:
		return c.json(b, v)
	case typeBlobCompressed, typeVarcharCompressed:
		return c.compressed(b, v, a)
	}
	return decodeTemporal(c.typ, int(c.meta), b, v, a)
}

// integerLen is how many bytes an integer of a type takes.
func integerLen(typ byte) int {
	switch typ {
	case mysql.MYSQL_TYPE_TINY:
		return 1
	case mysql.MYSQL_TYPE_SHORT:
		return 2
	case mysql.MYSQL_TYPE_INT24:
		return 3
	case mysql.MYSQL_TYPE_LONG:
		return 4
	}
	return 8
}

func (c *column) integer(b []byte, v *Value, a *arena) (int, error) {
	n := integerLen(c.typ)
	if len(b) < n {
		return 0, errShort
	}
	u := littleEndian(b[:n])
	at := a.start()
	if c.unsigned {
		a.buf = strconv.AppendUint(a.buf, u, 10)
	} else {
		shift := 64 - 8*n
		a.buf = strconv.AppendInt(a.buf, int64(u<<shift)>>shift, 10)
	}
	v.Text = a.since(at)
	return n, nil
}

func (c *column) float(b []byte, v *Value, a *arena) (int, error) {
	if c.typ == mysql.MYSQL_TYPE_FLOAT {
		if len(b) < 4 {
			return 0, errShort
		}
		at := a.start()
		a.buf = strconv.AppendFloat(a.buf, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 'g', -1, 32)
		v.Text = a.since(at)
		return 4, nil
	}
	if len(b) < 8 {
		return 0, errShort
	}
	at := a.start()
	a.buf = strconv.AppendFloat(a.buf, math.Float64frombits(binary.LittleEndian.Uint64(b)), 'g', -1, 64)
	v.Text = a.since(at)
	return 8, nil
}

// text reads a string or blob with a length of n bytes in front.
func (c *column) text(b []byte, n int, v *Value, a *arena) (int, error) {
	if n < 1 || n > 4 || len(b) < n {
		return 0, errShort
	}
	size := littleEndian(b[:n])
	if size > uint64(len(b)-n) {
		return 0, errShort
	}
	end := n + int(size)
	c.convert(b[n:end:end], v, a)
	return end, nil
}

// convert brings a string's bytes into comparable form. Bytes that need no
// change are not copied.
func (c *column) convert(s []byte, v *Value, a *arena) {
	switch {
	case c.special != plain:
		formatSpecial(c.special, s, v)
	case c.opaque:
		v.Text, v.State = s, Opaque
	case c.cs != nil:
		at := a.start()
		a.buf = c.cs.appendUTF8(a.buf, s)
		v.Text = a.since(at)
	case len(s) < c.pad:
		padded := make([]byte, c.pad)
		copy(padded, s)
		v.Text = padded
	default:
		v.Text = s
	}
}

func (c *column) json(b []byte, v *Value) (int, error) {
	n := int(c.meta)
	if n < 1 || n > 4 || len(b) < n {
		return 0, errShort
	}
	size := littleEndian(b[:n])
	if size > uint64(len(b)-n) {
		return 0, errShort
	}
	end := n + int(size)
	text, err := jsonbText(b[n:end])
	v.Text = text
	return end, err
}

// labelled reads an ENUM's number or a SET's bits and prints their labels.
func (c *column) labelled(b []byte, v *Value, a *arena) (int, error) {
	n := int(c.meta & 0xff)
	if n < 1 || n > 8 || len(b) < n {
		return 0, errShort
	}
	u := littleEndian(b[:n])
	if c.labels == nil {
		at := a.start()
		a.buf = strconv.AppendUint(a.buf, u, 10)
		v.Text, v.State = a.since(at), Opaque
		return n, nil
	}
	if c.typ == mysql.MYSQL_TYPE_ENUM {
		switch {
		case u == 0: // what servers store for an invalid label outside strict mode
			v.Text = []byte{}
		case u <= uint64(len(c.labels)):
			v.Text = c.labels[u-1]
		default:
			v.State = Opaque
		}
		return n, nil
	}
	at := a.start()
	for i, label := range c.labels {
		if i < 64 && u&(1<<i) != 0 {
			if len(a.buf) > at {
				a.buf = append(a.buf, ',')
			}
			a.buf = append(a.buf, label...)
		}
	}
	v.Text = a.since(at)
	return n, nil
}

// decGroups is how many bytes the 0…9 leading or trailing digits of a DECIMAL
// take; full groups of nine take four.
var decGroups = [10]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

// decodeDecimal reads the packed form: big-endian groups of nine digits, the
// sign in the inverted high bit, all bits inverted for negative numbers.
func decodeDecimal(b []byte, precision, scale int, v *Value, a *arena) (int, error) {
	whole := precision - scale
	if whole < 0 || precision == 0 {
		return 0, fmt.Errorf("DECIMAL(%d,%d) is none", precision, scale)
	}
	n := whole/9*4 + decGroups[whole%9] + scale/9*4 + decGroups[scale%9]
	if len(b) < n || n == 0 {
		return 0, errShort
	}
	at := a.start()
	var mask uint32
	if b[0]&0x80 == 0 {
		mask = math.MaxUint32
		a.buf = append(a.buf, '-')
	}
	first := true // the sign bit stands in the first byte only
	pos := 0
	group := func(size int) uint32 {
		var g uint32
		for _, c := range b[pos : pos+size] {
			if first {
				c ^= 0x80
				first = false
			}
			g = g<<8 | uint32(c)
		}
		pos += size
		return (g ^ mask) & (math.MaxUint32 >> (32 - 8*size))
	}
	significant := false
	digits := func(count int) {
		if count == 0 {
			return
		}
		g := group(decGroups[count])
		switch {
		case significant:
			a.buf = appendPadded(a.buf, g, count)
		case g > 0:
			a.buf = strconv.AppendUint(a.buf, uint64(g), 10)
			significant = true
		}
	}
	digits(whole % 9)
	for range whole / 9 {
		digits(9)
	}
	if !significant {
		a.buf = append(a.buf, '0')
		significant = true
	}
	if scale > 0 {
		a.buf = append(a.buf, '.')
		for range scale / 9 {
			digits(9)
		}
		digits(scale % 9)
	}
	v.Text = a.since(at)
	return n, nil
}

// appendPadded prints g with leading zeros to width digits.
func appendPadded(b []byte, g uint32, width int) []byte {
	var d [10]byte
	for i := width - 1; i >= 0; i-- {
		d[i] = byte('0' + g%10)
		g /= 10
	}
	return append(b, d[:width]...)
}
