package read

import (
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Digest is the order-free digest of a set of rows: the sum of their 128-bit hashes modulo 2^128, and their number.
// A sum, unlike an XOR, does not cancel when a row occurs twice; and since each row is hashed as a whole, neither
// swapping values between rows nor changing an even number of rows alike leaves it unchanged.
type Digest struct {
	Hi, Lo uint64
	Rows   int64
}

// Add adds one row's hash.
func (d *Digest) Add(h xxh3.Uint128) {
	var carry uint64
	d.Lo, carry = bits.Add64(d.Lo, h.Lo, 0)
	d.Hi, _ = bits.Add64(d.Hi, h.Hi, carry)
	d.Rows++
}
