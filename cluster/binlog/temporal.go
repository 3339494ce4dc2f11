package binlog

import (
	"encoding/binary"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// decodeTemporal reads dates and times, in the packed forms of MySQL 5.6 and
// later and in the older ones, which tables made before still have.
func decodeTemporal(typ byte, fsp int, b []byte, v *Value, a *arena) (int, error) {
	n := temporalSize(typ, fsp)
	switch {
	case n == 0:
		return 0, errType{typ}
	case len(b) < n || fsp > 6:
		return 0, errShort
	}
	at := a.start()
	switch typ {
	case mysql.MYSQL_TYPE_YEAR:
		year := uint32(b[0])
		if year > 0 {
			year += 1900
		}
		a.buf = appendPadded(a.buf, year, 4)
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE:
		u := uint32(littleEndian(b[:3]))
		a.buf = appendDate(a.buf, u>>9, u>>5&15, u&31)
	case mysql.MYSQL_TYPE_TIMESTAMP:
		a.buf = appendTimestamp(a.buf, binary.LittleEndian.Uint32(b))
	case mysql.MYSQL_TYPE_TIMESTAMP2:
		a.buf = appendTimestamp(a.buf, binary.BigEndian.Uint32(b))
		a.buf = appendFraction(a.buf, micros(b[4:n]), fsp)
	case mysql.MYSQL_TYPE_DATETIME:
		a.buf = appendOldDatetime(a.buf, binary.LittleEndian.Uint64(b))
	case mysql.MYSQL_TYPE_DATETIME2:
		u := bigEndian(b[:5]) - 0x8000000000
		ym := uint32(u >> 22)
		a.buf = appendDate(a.buf, ym/13, ym%13, uint32(u>>17&31))
		a.buf = append(a.buf, ' ')
		a.buf = appendClock(a.buf, uint32(u>>12&31), uint32(u>>6&63), uint32(u&63))
		a.buf = appendFraction(a.buf, micros(b[5:n]), fsp)
	case mysql.MYSQL_TYPE_TIME:
		a.buf = appendOldTime(a.buf, b)
	case mysql.MYSQL_TYPE_TIME2:
		a.buf = appendTime2(a.buf, b[:n], fsp)
	}
	v.Text = a.since(at)
	return n, nil
}

// temporalSize is the number of bytes of a value, 0 for other types.
func temporalSize(typ byte, fsp int) int {
	frac := (fsp + 1) / 2
	switch typ {
	case mysql.MYSQL_TYPE_YEAR:
		return 1
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE, mysql.MYSQL_TYPE_TIME:
		return 3
	case mysql.MYSQL_TYPE_TIMESTAMP:
		return 4
	case mysql.MYSQL_TYPE_DATETIME:
		return 8
	case mysql.MYSQL_TYPE_TIMESTAMP2:
		return 4 + frac
	case mysql.MYSQL_TYPE_DATETIME2:
		return 5 + frac
	case mysql.MYSQL_TYPE_TIME2:
		return 3 + frac
	}
	return 0
}

// micros turns one to three bytes of fraction into microseconds: they count
// hundredths, ten-thousandths or millionths.
func micros(b []byte) uint32 {
	u := uint32(bigEndian(b))
	switch len(b) {
	case 1:
		return u * 10000
	case 2:
		return u * 100
	}
	return u
}

func appendDate(b []byte, year, month, day uint32) []byte {
	b = appendPadded(b, year, 4)
	b = append(b, '-')
	b = appendPadded(b, month, 2)
	b = append(b, '-')
	return appendPadded(b, day, 2)
}

func appendClock(b []byte, hour, minute, second uint32) []byte {
	if hour > 99 {
		b = appendPadded(b, hour, 3)
	} else {
		b = appendPadded(b, hour, 2)
	}
	b = append(b, ':')
	b = appendPadded(b, minute, 2)
	b = append(b, ':')
	return appendPadded(b, second, 2)
}

func appendFraction(b []byte, us uint32, fsp int) []byte {
	if fsp == 0 {
		return b
	}
	b = append(b, '.')
	all := appendPadded(b, us, 6)
	return all[:len(b)+fsp]
}

func appendTimestamp(b []byte, sec uint32) []byte {
	if sec == 0 {
		return append(b, "0000-00-00 00:00:00"...)
	}
	t := time.Unix(int64(sec), 0).UTC()
	y, m, d := t.Date()
	b = appendDate(b, uint32(y), uint32(m), uint32(d))
	b = append(b, ' ')
	return appendClock(b, uint32(t.Hour()), uint32(t.Minute()), uint32(t.Second()))
}

func appendOldDatetime(b []byte, u uint64) []byte {
	d, t := uint32(u/1000000), uint32(u%1000000)
	b = appendDate(b, d/10000, d/100%100, d%100)
	b = append(b, ' ')
	return appendClock(b, t/10000, t/100%100, t%100)
}

func appendOldTime(b, raw []byte) []byte {
	n := int32(littleEndian(raw[:3])<<8) >> 8
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	u := uint32(n)
	return appendClock(b, u/10000, u/100%100, u%100)
}

// appendTime2 prints a TIME, which is one signed number over all its bytes with
// an offset of half the range, its fraction counted in the type's own unit.
func appendTime2(b, raw []byte, fsp int) []byte {
	frac := len(raw) - 3
	n := int64(bigEndian(raw)) - 1<<(8*len(raw)-1)
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	hms := uint32(n >> (8 * frac))
	var rest [3]byte
	for i := range frac {
		rest[i] = byte(n >> (8 * (frac - 1 - i)))
	}
	b = appendClock(b, hms>>12&1023, hms>>6&63, hms&63)
	return appendFraction(b, micros(rest[:frac]), fsp)
}
