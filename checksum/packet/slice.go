package packet

import (
	"fmt"

	"crosscheck/cluster/rowstream"
)

// KeySlicer cuts the key, the first n column values, out of row packets. Key columns are never NULL.
type KeySlicer struct {
	columns []rowstream.Column
	start   int // behind the packet's header and NULL bitmap
	fixed   int // total size where all key columns have a fixed one, else 0
}

func NewKeySlicer(columns []rowstream.Column, n int) KeySlicer {
	k := KeySlicer{columns: columns[:n], start: valuesStart(len(columns))}
	for _, c := range k.columns {
		size := c.FixedSize()
		if size == 0 {
			k.fixed = 0
			break
		}
		k.fixed += size
	}
	return k
}

// valuesStart is where values begin in a row packet: behind a header byte and the NULL bitmap, which the binary
// protocol shifts by two bits.
func valuesStart(columns int) int { return 1 + (columns+9)/8 }

// Slice returns the key's bytes within the packet that begins with head.
func (k KeySlicer) Slice(head []byte) ([]byte, error) {
	if k.fixed > 0 && len(head) >= k.start+k.fixed {
		return head[k.start : k.start+k.fixed], nil
	}
	at := k.start
	for _, c := range k.columns {
		if at > len(head) {
			return nil, fmt.Errorf("%w: key reaches beyond the packet", rowstream.ErrProtocol)
		}
		size := c.Size(head[at:])
		if size < 0 || at+size > len(head) {
			return nil, fmt.Errorf("%w: key reaches beyond the packet", rowstream.ErrProtocol)
		}
		at += size
	}
	return head[k.start:at], nil
}
