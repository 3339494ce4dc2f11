package read

import (
	"github.com/zeebo/xxh3"
)

// MaxChunkRows bounds the rows of a chunk. Their keys and hashes are kept until both sides are compared, three lists per
// worker, so that this bounds the memory of a run whatever a table's size.
const MaxChunkRows = 16384

// List holds what a chunk's rows leave behind on one side: digest, and each row's key and hash in the order of the
// stream. It is reused from chunk to chunk.
type List struct {
	digest Digest
	Bytes  int64
	arena  []byte   // the keys, end to end
	ends   []uint32 // where each key ends in arena
	Hashes []xxh3.Uint128
}

func (l *List) reset() {
	l.digest, l.Bytes = Digest{}, 0
	l.arena, l.ends, l.Hashes = l.arena[:0], l.ends[:0], l.Hashes[:0]
}

func (l *List) Len() int { return len(l.ends) }

// Add appends a row.
func (l *List) Add(key []byte, h xxh3.Uint128, bytes int64) {
	l.digest.Add(h)
	l.Bytes += bytes
	l.arena = append(l.arena, key...)
	l.ends = append(l.ends, uint32(len(l.arena)))
	l.Hashes = append(l.Hashes, h)
}

// truncate keeps the first n rows.
func (l *List) truncate(n int) {
	if n == l.Len() {
		return
	}
	l.Bytes = l.Bytes * int64(n) / int64(l.Len()) // rows' sizes are not kept
	l.ends, l.Hashes = l.ends[:n], l.Hashes[:n]
	l.arena = l.arena[:l.ends[n-1]]
	l.digest = Digest{}
	for _, h := range l.Hashes {
		l.digest.Add(h)
	}
}

// Key returns row i's key, valid until the next add or reset.
func (l *List) Key(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.arena[from:l.ends[i]]
}

// Equal reports whether both lists hold the same rows.
func (l *List) Equal(m *List) bool { return l.digest == m.digest }

// KeyBytes is what all keys together take.
func (l *List) KeyBytes() int { return len(l.arena) }
