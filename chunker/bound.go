// Package chunker turns a table's key space into lanes and lanes into chunks: it knows bounds, predicates, sizes and
// cuts, and it proves that finished chunks tile the key space. It does no hashing and no I/O.
package chunker

import (
	"encoding/binary"
	"errors"
	"fmt"

	"crosscheck/cluster/rowstream"
)

// Bound is a point in a table's key space: the values of the first one or more key columns, each as a parameter in the
// binary protocol's encoding. A bound on fewer columns than the key has lies behind every row that begins with these
// values, both as an upper and as a lower bound. The nil Bound is −∞ as a lower and +∞ as an upper bound.
type Bound []rowstream.Param

// Range is the half-open part (Lo, Hi] of a table's key space.
type Range struct{ Lo, Hi Bound }

// errBound reports a recorded bound that cannot be read back.
var errBound = errors.New("malformed key bound")

// Encode returns a form of b that Decode reads back, byte for byte the same for equal bounds. The nil Bound gives nil.
func (b Bound) Encode() []byte {
	if b == nil {
		return nil
	}
	out := []byte{byte(len(b))}
	for _, p := range b {
		flag := byte(0)
		if p.Unsigned {
			flag = 1
		}
		out = append(out, p.Type, flag)
		out = binary.AppendUvarint(out, uint64(len(p.Value)))
		out = append(out, p.Value...)
	}
	return out
}

// DecodeBound reads what Encode wrote.
func DecodeBound(in []byte) (Bound, error) {
	if len(in) == 0 {
		return nil, nil
	}
	b := make(Bound, 0, in[0])
	rest := in[1:]
	for range in[0] {
		if len(rest) < 3 {
			return nil, fmt.Errorf("%w: truncated", errBound)
		}
		p := rowstream.Param{Type: rest[0], Unsigned: rest[1] == 1}
		n, head := binary.Uvarint(rest[2:])
		if head <= 0 || uint64(len(rest)-2-head) < n {
			return nil, fmt.Errorf("%w: truncated value", errBound)
		}
		rest = rest[2+head:]
		p.Value = append([]byte{}, rest[:n]...)
		rest = rest[n:]
		b = append(b, p)
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", errBound, len(rest))
	}
	return b, nil
}

// Clone returns a copy that shares no memory with b.
func (b Bound) Clone() Bound {
	if b == nil {
		return nil
	}
	c := make(Bound, len(b))
	for i, p := range b {
		p.Value = append([]byte{}, p.Value...)
		c[i] = p
	}
	return c
}
