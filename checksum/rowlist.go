package checksum

import (
	"github.com/zeebo/xxh3"
)

// maxChunkRows bounds the rows of a chunk. Their keys and hashes are kept until both sides are compared, three lists per
// worker, so that this bounds the memory of a run whatever a table's size.
const maxChunkRows = 16384

// rowList holds what a chunk's rows leave behind on one side: digest, and each row's key and hash in the order of the
// stream. It is reused from chunk to chunk.
type rowList struct {
	digest Digest
	bytes  int64
	arena  []byte   // the keys, end to end
	ends   []uint32 // where each key ends in arena
	hashes []xxh3.Uint128
}

func (l *rowList) reset() {
	l.digest, l.bytes = Digest{}, 0
	l.arena, l.ends, l.hashes = l.arena[:0], l.ends[:0], l.hashes[:0]
}

func (l *rowList) len() int { return len(l.ends) }

// add appends a row.
func (l *rowList) add(key []byte, h xxh3.Uint128, bytes int64) {
	l.digest.Add(h)
	l.bytes += bytes
	l.arena = append(l.arena, key...)
	l.ends = append(l.ends, uint32(len(l.arena)))
	l.hashes = append(l.hashes, h)
}

// truncate keeps the first n rows.
func (l *rowList) truncate(n int) {
	if n == l.len() {
		return
	}
	l.bytes = l.bytes * int64(n) / int64(l.len()) // rows' sizes are not kept
	l.ends, l.hashes = l.ends[:n], l.hashes[:n]
	l.arena = l.arena[:l.ends[n-1]]
	l.digest = Digest{}
	for _, h := range l.hashes {
		l.digest.Add(h)
	}
}

// key returns row i's key, valid until the next add or reset.
func (l *rowList) key(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.arena[from:l.ends[i]]
}

// equal reports whether both lists hold the same rows.
func (l *rowList) equal(m *rowList) bool { return l.digest == m.digest }

// keyBytes is what all keys together take.
func (l *rowList) keyBytes() int { return len(l.arena) }
