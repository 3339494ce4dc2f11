package binlog

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Type tags of MySQL's binary JSON.
const (
	jsonbSmallObject = 0x00
	jsonbLargeObject = 0x01
	jsonbSmallArray  = 0x02
	jsonbLargeArray  = 0x03
	jsonbLiteral     = 0x04
	jsonbInt16       = 0x05
	jsonbUint16      = 0x06
	jsonbInt32       = 0x07
	jsonbUint32      = 0x08
	jsonbInt64       = 0x09
	jsonbUint64      = 0x0a
	jsonbDouble      = 0x0b
	jsonbString      = 0x0c
	jsonbOpaque      = 0x0f
)

// jsonbText turns MySQL's binary JSON into the text of CanonicalJSON. The
// empty document, which a server stores for NULL in a NOT NULL column outside
// strict mode, prints as null, as the server does.
func jsonbText(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return []byte("null"), nil
	}
	d := &jsonbDecoder{budget: 64*len(b) + 1024}
	out, err := d.value(make([]byte, 0, 2*len(b)), b[0], b[1:], 0)
	if err != nil {
		return nil, fmt.Errorf("binary JSON: %w", err)
	}
	return out, nil
}

// jsonbDecoder bounds its work: offsets in a broken document may share parts,
// so that a few bytes describe an endless text.
type jsonbDecoder struct{ budget int }

func (d *jsonbDecoder) value(out []byte, typ byte, b []byte, depth int) ([]byte, error) {
	if d.budget--; depth > jsonDepth || d.budget < 0 || len(out) > 64<<20+d.budget {
		return nil, errJSON
	}
	switch typ {
	case jsonbSmallObject, jsonbLargeObject:
		return d.container(out, b, typ == jsonbLargeObject, true, depth)
	case jsonbSmallArray, jsonbLargeArray:
		return d.container(out, b, typ == jsonbLargeArray, false, depth)
	case jsonbString:
		s, err := jsonbBytes(b)
		return appendJSONString(out, s), err
	case jsonbOpaque:
		return appendOpaque(out, b)
	}
	return appendScalar(out, typ, b)
}

func appendScalar(out []byte, typ byte, b []byte) ([]byte, error) {
	size := map[byte]int{
		jsonbLiteral: 1, jsonbInt16: 2, jsonbUint16: 2, jsonbInt32: 4, jsonbUint32: 4,
		jsonbInt64: 8, jsonbUint64: 8, jsonbDouble: 8,
	}[typ]
	if size == 0 || len(b) < size {
		return nil, errJSON
	}
	u := littleEndian(b[:size])
	switch typ {
	case jsonbLiteral:
		if u > 2 {
			return nil, errJSON
		}
		return append(out, []string{"null", "true", "false"}[u]...), nil
	case jsonbInt16:
		return strconv.AppendInt(out, int64(int16(u)), 10), nil
	case jsonbInt32:
		return strconv.AppendInt(out, int64(int32(u)), 10), nil
	case jsonbInt64:
		return strconv.AppendInt(out, int64(u), 10), nil
	case jsonbDouble:
		f := math.Float64frombits(u)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, errJSON
		}
		out, _ = appendCanonicalNumber(out, strconv.AppendFloat(nil, f, 'e', -1, 64))
		return out, nil
	}
	return strconv.AppendUint(out, u, 10), nil
}

// jsonbBytes reads a string: its length in groups of seven bits, then itself.
func jsonbBytes(b []byte) ([]byte, error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || used > 5 || n > uint64(len(b)-used) {
		return nil, errJSON
	}
	return b[used : used+int(n)], nil
}

// container reads an object or array: count, size, key entries (offset and
// length), value entries (type and offset, or the value itself if it is
// small), then the data that the offsets point to.
func (d *jsonbDecoder) container(out, b []byte, large, object bool, depth int) ([]byte, error) {
	w := 2
	if large {
		w = 4
	}
	if len(b) < 2*w {
		return nil, errJSON
	}
	count, size := littleEndian(b[:w]), littleEndian(b[w:2*w])
	keyEntry, head := 0, uint64(2*w)
	if object {
		keyEntry = w + 2
	}
	if size > uint64(len(b)) || head+count*uint64(keyEntry+w+1) > size {
		return nil, errJSON
	}
	b = b[:size]
	values := int(head) + int(count)*keyEntry
	members := make([]member, 0, min(count, 64))
	open, closing := byte('['), byte(']')
	if !object {
		out = append(out, open)
	}
	for i := range int(count) {
		var key []byte
		if object {
			e := int(head) + i*keyEntry
			at, n := littleEndian(b[e:e+w]), littleEndian(b[e+w:e+w+2])
			if at+n > size {
				return nil, errJSON
			}
			key = b[at : at+n]
		} else if i > 0 {
			out = append(out, ',')
		}
		e := values + i*(w+1)
		item, err := jsonbItem(b, e, w)
		if err != nil {
			return nil, err
		}
		if !object {
			if out, err = d.value(out, b[e], item, depth+1); err != nil {
				return nil, err
			}
			continue
		}
		val, err := d.value(nil, b[e], item, depth+1)
		if err != nil {
			return nil, err
		}
		d.budget -= len(val) // nested objects copy their text upward
		members = append(members, member{key, val})
	}
	if object {
		return appendMembers(out, members), nil
	}
	return append(out, closing), nil
}

// jsonbItem is the bytes of the value whose entry stands at e.
func jsonbItem(b []byte, e, w int) ([]byte, error) {
	switch typ := b[e]; {
	case typ == jsonbLiteral, typ == jsonbInt16, typ == jsonbUint16, w == 4 && (typ == jsonbInt32 || typ == jsonbUint32):
		return b[e+1 : e+1+w], nil
	}
	at := littleEndian(b[e+1 : e+1+w])
	if at >= uint64(len(b)) {
		return nil, errJSON
	}
	return b[at:], nil
}

// appendOpaque prints values that JSON has no type for as the server does.
func appendOpaque(out, b []byte) ([]byte, error) {
	if len(b) < 2 {
		return nil, errJSON
	}
	typ := b[0]
	data, err := jsonbBytes(b[1:])
	if err != nil {
		return nil, err
	}
	switch typ {
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		if len(data) < 2 {
			return nil, errJSON
		}
		var v Value
		if _, err = decodeDecimal(data[2:], int(data[0]), int(data[1]), &v, &arena{}); err != nil {
			return nil, err
		}
		out, _ = appendCanonicalNumber(out, v.Text)
		return out, nil
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIME:
		if len(data) != 8 {
			return nil, errJSON
		}
		out = append(out, '"')
		out = appendPackedTime(out, typ, int64(littleEndian(data)))
		return append(out, '"'), nil
	}
	out = append(out, `"base64:type`...)
	out = strconv.AppendUint(out, uint64(typ), 10)
	out = append(out, ':')
	out = base64.StdEncoding.AppendEncode(out, data)
	return append(out, '"'), nil
}

// appendPackedTime prints MySQL's 64-bit form of dates and times in memory.
func appendPackedTime(out []byte, typ byte, n int64) []byte {
	neg := n < 0
	if neg {
		n = -n
	}
	hms, us := uint32(n>>24), uint32(n&(1<<24-1))
	if typ == mysql.MYSQL_TYPE_TIME {
		if neg {
			out = append(out, '-')
		}
		out = appendClock(out, hms>>12&1023, hms>>6&63, hms&63)
		return appendFraction(out, us, 6)
	}
	ymd := uint64(n) >> 41
	ym := uint32(ymd >> 5)
	out = appendDate(out, ym/13, ym%13, uint32(ymd&31))
	if typ == mysql.MYSQL_TYPE_DATE {
		return out
	}
	out = append(out, ' ')
	out = appendClock(out, hms>>12&31, hms>>6&63, hms&63)
	return appendFraction(out, us, 6)
}
