package binlog

import (
	"encoding/binary"
	"errors"
)

// errShort reports an event that ends before its content does.
var errShort = errors.New("event is shorter than its content")

// reader walks over an event's bytes; after the first overrun it yields zeros
// and remembers the error, so that callers check once.
type reader struct {
	b   []byte
	err error
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.err = errShort
		r.b = nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint(n int) uint64 { return littleEndian(r.bytes(n)) }

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// lenenc reads the protocol's length-encoded integer.
func (r *reader) lenenc() uint64 {
	switch c := r.byte(); c {
	case 0xfb, 0xff:
		r.err = errShort
		return 0
	case 0xfc:
		return r.uint(2)
	case 0xfd:
		return r.uint(3)
	case 0xfe:
		return r.uint(8)
	default:
		return uint64(c)
	}
}

// count is a lenenc that must not exceed what is left, at min bytes each.
func (r *reader) count(minSize int) int {
	n := r.lenenc()
	if n > uint64(len(r.b)/minSize) {
		r.err = errShort
		return 0
	}
	return int(n)
}

func (r *reader) lenencBytes() []byte { return r.bytes(r.count(1)) }

// littleEndian reads up to eight bytes.
func littleEndian(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	var v uint64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// bigEndian reads up to eight bytes.
func bigEndian(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}
