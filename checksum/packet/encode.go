package packet

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster/rowstream"
)

// ErrForm is the error for text that is no value of the column it is encoded for.
var ErrForm = errors.New("its value is not of the column's type")

// Encode is the inverse of decode.
func Encode(wire rowstream.Column, text []byte) ([]byte, error) {
	s := string(text)
	switch wire.Type {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR, mysql.MYSQL_TYPE_INT24,
		mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return EncodeInteger(wire, uint64(n))
		}
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, ErrForm
		}
		return EncodeInteger(wire, n)
	case mysql.MYSQL_TYPE_FLOAT:
		f, err := strconv.ParseFloat(s, 32)
		if err != nil {
			return nil, ErrForm
		}
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(f))), nil
	case mysql.MYSQL_TYPE_DOUBLE:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, ErrForm
		}
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)), nil
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP:
		return encodeDate(s)
	case mysql.MYSQL_TYPE_TIME:
		return encodeTime(s)
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		return encodeDecimal(s, int(wire.Decimals))
	}
	return WithLength(text), nil
}

// EncodeInteger writes an integer, negative ones as their two's complement, in the column's size. A value that the column
// cannot hold is an error: cut off it would name another row.
func EncodeInteger(wire rowstream.Column, v uint64) ([]byte, error) {
	full := binary.LittleEndian.AppendUint64(nil, v)
	size := wire.FixedSize()
	if size <= 0 || size > 8 {
		return nil, ErrForm
	}
	for _, b := range full[size:] {
		if b != 0 && b != 0xff {
			return nil, ErrForm
		}
	}
	if got := decodeInteger(wire, full[:size]); got != strconv.FormatUint(v, 10) && got != strconv.FormatInt(int64(v), 10) {
		return nil, ErrForm
	}
	return full[:size], nil
}

// encodeDecimal writes a decimal with so many digits behind the point; only zeros may be dropped.
func encodeDecimal(s string, scale int) ([]byte, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > scale {
		if strings.Trim(fraction[scale:], "0") != "" {
			return nil, ErrForm
		}
		fraction = fraction[:scale]
	}
	if fraction += strings.Repeat("0", scale-len(fraction)); fraction != "" {
		whole += "." + fraction
	}
	return WithLength([]byte(whole)), nil
}

// encodeDate writes a date or a date with time as the binary protocol does: without what is zero at its end.
func encodeDate(s string) ([]byte, error) {
	date, clock, _ := strings.Cut(s, " ")
	d, err := numbersOf(date, "-", 3)
	if err != nil {
		return nil, err
	}
	t, micro := []int{0, 0, 0}, 0
	if clock != "" {
		if t, micro, err = clockOf(clock); err != nil {
			return nil, err
		}
	}
	out := binary.LittleEndian.AppendUint16([]byte{0}, uint16(d[0]))
	out = append(out, byte(d[1]), byte(d[2]), byte(t[0]), byte(t[1]), byte(t[2]))
	out = binary.LittleEndian.AppendUint32(out, uint32(micro))
	switch {
	case micro != 0:
	case t[0]+t[1]+t[2] != 0:
		out = out[:8]
	case d[0]+d[1]+d[2] != 0:
		out = out[:5]
	default:
		out = out[:1]
	}
	out[0] = byte(len(out) - 1)
	return out, nil
}

// encodeTime is encodeDate for a TIME.
func encodeTime(s string) ([]byte, error) {
	positive := strings.TrimPrefix(s, "-")
	t, micro, err := clockOf(positive)
	if err != nil {
		return nil, err
	}
	if t[0]+t[1]+t[2]+micro == 0 {
		return []byte{0}, nil
	}
	out := []byte{0, 0}
	if positive != s {
		out[1] = 1
	}
	out = binary.LittleEndian.AppendUint32(out, uint32(t[0]/24))
	out = append(out, byte(t[0]%24), byte(t[1]), byte(t[2]))
	if micro != 0 {
		out = binary.LittleEndian.AppendUint32(out, uint32(micro))
	}
	out[0] = byte(len(out) - 1)
	return out, nil
}

// clockOf reads "hours:minutes:seconds.fraction".
func clockOf(s string) (parts []int, micro int, err error) {
	s, fraction, _ := strings.Cut(s, ".")
	if parts, err = numbersOf(s, ":", 3); err != nil {
		return nil, 0, err
	}
	if fraction != "" {
		if len(fraction) > 6 {
			return nil, 0, ErrForm
		}
		micro, err = strconv.Atoi(fraction + strings.Repeat("0", 6-len(fraction)))
	}
	if err != nil {
		return nil, 0, ErrForm
	}
	return parts, micro, nil
}

func numbersOf(s, separator string, n int) ([]int, error) {
	parts := strings.Split(s, separator)
	if len(parts) != n {
		return nil, ErrForm
	}
	out := make([]int, n)
	for i, p := range parts {
		v, err := strconv.Atoi(p)
		if err != nil || v < 0 || v > math.MaxUint16 {
			return nil, ErrForm
		}
		out[i] = v
	}
	return out, nil
}

func WithLength(content []byte) []byte { return mysql.PutLengthEncodedString(content) }
