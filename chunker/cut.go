package chunker

import (
	"encoding/binary"
	"math/big"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster/rowstream"
)

// Cuts proposes bounds strictly between lo and hi, best first, by arithmetic on the first key column in which they
// differ. lo and hi are whole keys (not prefixes) of one table. Whether a proposal really lies between, in the order
// of the server, is certain for integers (sure is true) and must be asked of the server for everything else; no
// proposal means that the two are too close or that the column's type has no midpoint worth guessing.
func Cuts(lo, hi Bound) (proposals []Bound, sure bool) {
	for i := 0; i < len(lo) && i < len(hi); i++ {
		a, b := lo[i], hi[i]
		if string(a.Value) == string(b.Value) {
			continue
		}
		prefix := lo[:i].Clone()
		if mid, ok := cutInteger(a, b); ok {
			return []Bound{append(prefix, mid)}, true
		}
		for _, mid := range cutBytes(a, b) {
			proposals = append(proposals, append(prefix[:i:i], mid))
		}
		return proposals, false
	}
	return nil, false
}

// integerSize returns the width of an integer parameter in bytes, 0 for other types.
func integerSize(t byte) int {
	switch t {
	case mysql.MYSQL_TYPE_TINY:
		return 1
	case mysql.MYSQL_TYPE_SHORT:
		return 2
	case mysql.MYSQL_TYPE_LONG:
		return 4
	case mysql.MYSQL_TYPE_LONGLONG:
		return 8
	}
	return 0
}

// cutInteger returns the middle of two integers of the same width, if there is one strictly between them.
func cutInteger(a, b rowstream.Param) (rowstream.Param, bool) {
	size := integerSize(a.Type)
	if size == 0 || len(a.Value) != size || len(b.Value) != size {
		return rowstream.Param{}, false
	}
	x, y := orderPreserving(a, size), orderPreserving(b, size)
	if x >= y || y-x < 2 {
		return rowstream.Param{}, false
	}
	mid := x + (y-x)/2
	if !a.Unsigned {
		mid ^= 1 << (8*size - 1)
	}
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], mid)
	return rowstream.Param{Type: a.Type, Unsigned: a.Unsigned, Value: raw[:size:size]}, true
}

// orderPreserving maps an integer to an unsigned one of the same order: signed values are shifted by half the range.
func orderPreserving(p rowstream.Param, size int) uint64 {
	var raw [8]byte
	copy(raw[:], p.Value)
	v := binary.LittleEndian.Uint64(raw[:])
	if !p.Unsigned {
		v ^= 1 << (8*size - 1)
	}
	return v
}

// cutBytes proposes strings between two length-prefixed strings: it keeps their common prefix and takes points of the
// interval that the next bytes span. For text these are mapped to characters that every charset and collation has;
// the server judges whether they lie between.
func cutBytes(a, b rowstream.Param) []rowstream.Param {
	text := a.Type == mysql.MYSQL_TYPE_VAR_STRING || a.Type == rowstream.TypeTextBytes
	if !text && a.Type != mysql.MYSQL_TYPE_BLOB {
		return nil
	}
	x, okX := unprefix(a.Value)
	y, okY := unprefix(b.Value)
	if !okX || !okY {
		return nil
	}
	common := 0
	for common < len(x) && common < len(y) && x[common] == y[common] {
		common++
	}
	for text && common > 0 && (common < len(x) && !utf8.RuneStart(x[common]) || common < len(y) && !utf8.RuneStart(y[common])) {
		common-- // half a character is no text, and servers refuse it
	}
	var out []rowstream.Param
	for _, quarter := range []int64{2, 1, 3} {
		mid := between(x[common:], y[common:], quarter)
		if text {
			mid = printable(mid)
		}
		value := append(append([]byte{}, x[:common]...), mid...)
		out = append(out, rowstream.Param{Type: a.Type, Value: prefixed(value)})
	}
	return out
}

// cutWidth is how many bytes behind the common prefix a cut looks at: 2^32 steps are finer than any lane needs.
const cutWidth = 4

// between returns x + (y−x)·quarter/4, both read as fractions of cutWidth bytes.
func between(x, y []byte, quarter int64) []byte {
	read := func(s []byte) *big.Int {
		var pad [cutWidth]byte
		copy(pad[:], s)
		return new(big.Int).SetBytes(pad[:])
	}
	lo, hi := read(x), read(y)
	d := new(big.Int).Sub(hi, lo)
	d.Mul(d, big.NewInt(quarter)).Quo(d, big.NewInt(4))
	return lo.Add(lo, d).FillBytes(make([]byte, cutWidth))
}

// printable maps bytes to the digit or lower-case letter nearest in ASCII order; the string ends at the first byte
// that had to be changed, since what follows it no longer means anything.
func printable(s []byte) []byte {
	for i, c := range s {
		n := c
		switch {
		case c < '0':
			n = '0'
		case c > '9' && c < 'A':
			n = '9'
		case c > 'Z' && c < 'a':
			n = 'a'
		case c > 'z':
			n = 'z'
		}
		s[i] = n
		if n != c {
			return s[:i+1]
		}
	}
	return s
}

func unprefix(v []byte) ([]byte, bool) {
	if len(v) == 0 || v[0] >= 0xfb && len(v) < 3 {
		return nil, false
	}
	n, null, head := mysql.LengthEncodedInt(v)
	if null || uint64(len(v)) != uint64(head)+n {
		return nil, false
	}
	return v[head:], true
}

func prefixed(s []byte) []byte {
	return append(mysql.PutLengthEncodedInt(uint64(len(s))), s...)
}
