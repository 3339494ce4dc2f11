package conflict

import (
	"encoding/binary"
	"unsafe"
)

const slabChunk = 1024

// slab holds many small pointer-free records by number, so that a million of
// them cost the garbage collector nothing. Number 0 is none.
type slab[T any] struct {
	chunks []*[slabChunk]T
	free   []uint32
	next   uint32 // never used before
	live   int
}

func (s *slab[T]) alloc() uint32 {
	s.live++
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		var zero T
		*s.at(i) = zero
		return i
	}
	if s.next == 0 {
		s.next = 1
	}
	i := s.next
	if int(i/slabChunk) == len(s.chunks) {
		s.chunks = append(s.chunks, new([slabChunk]T))
	}
	s.next++
	return i
}

func (s *slab[T]) at(i uint32) *T { return &s.chunks[i/slabChunk][i%slabChunk] }

// release gives a record back. When the last one goes, so does the memory that a
// burst left behind.
func (s *slab[T]) release(i uint32) {
	s.live--
	if s.live == 0 && len(s.chunks) > 16 {
		*s = slab[T]{}
		return
	}
	s.free = append(s.free, i)
}

// bytes is the memory of the live records.
func (s *slab[T]) bytes() int {
	var t T
	return s.live * int(unsafe.Sizeof(t))
}

// blockSize is both the size of a block and the range of offsets in a reference.
const blockSize = 1 << 16

// blocks holds byte strings by reference in blocks that are dropped as a whole
// when all of their strings are released. Reference 0 is none.
type blocks struct {
	list  []block
	free  []uint32 // empty slots of list
	cur   uint32   // the slot that is being filled; 0 none
	spare [][]byte
	held  int // bytes of all blocks
}

type block struct {
	buf     []byte
	live    int
	dropped bool
	order   uint64
}

// put stores a copy. It returns 0 where all slots are taken.
func (b *blocks) put(data []byte, order uint64) uint32 {
	if len(b.list) == 0 {
		b.list = append(b.list, block{})
	}
	need := len(data) + binary.MaxVarintLen32
	if b.cur == 0 || len(b.list[b.cur].buf)+need > cap(b.list[b.cur].buf) || len(b.list[b.cur].buf) >= blockSize {
		if !b.open(need, order) {
			return 0
		}
	}
	blk := &b.list[b.cur]
	off := len(blk.buf)
	blk.buf = append(binary.AppendUvarint(blk.buf, uint64(len(data))), data...)
	blk.live++
	return b.cur<<16 | uint32(off)
}

func (b *blocks) open(size int, order uint64) bool {
	if b.cur != 0 && b.list[b.cur].live == 0 {
		b.drop(b.cur)
	}
	b.cur = 0
	var slot uint32
	if n := len(b.free); n > 0 {
		slot, b.free = b.free[n-1], b.free[:n-1]
	} else {
		if len(b.list) >= 1<<16 {
			return false
		}
		slot = uint32(len(b.list))
		b.list = append(b.list, block{})
	}
	var buf []byte
	if n := len(b.spare); n > 0 && size <= blockSize {
		buf, b.spare = b.spare[n-1][:0], b.spare[:n-1]
	} else {
		buf = make([]byte, 0, max(blockSize, size))
	}
	b.held += cap(buf)
	b.list[slot] = block{buf: buf, order: order}
	b.cur = slot
	return true
}

// get returns the stored bytes; nil if dropped.
func (b *blocks) get(ref uint32) []byte {
	if ref == 0 || b.list[ref>>16].dropped {
		return nil
	}
	data := b.list[ref>>16].buf[ref&0xffff:]
	n, size := binary.Uvarint(data)
	return data[size : size+int(n)]
}

func (b *blocks) release(ref uint32) {
	if ref == 0 {
		return
	}
	slot := ref >> 16
	blk := &b.list[slot]
	blk.live--
	if blk.live == 0 && slot != b.cur {
		b.drop(slot)
	}
}

// drop frees an empty block.
func (b *blocks) drop(slot uint32) {
	blk := &b.list[slot]
	b.discard(blk)
	*blk = block{}
	b.free = append(b.free, slot)
}

func (b *blocks) discard(blk *block) {
	if blk.buf == nil {
		return
	}
	b.held -= cap(blk.buf)
	if cap(blk.buf) == blockSize && len(b.spare) < 4 {
		b.spare = append(b.spare, blk.buf)
	}
	blk.buf = nil
}

// dropOldest discards the bytes of the oldest block that is not being filled.
// Its references stay valid and yield nil.
func (b *blocks) dropOldest() bool {
	best := uint32(0)
	for i := 1; i < len(b.list); i++ {
		blk := &b.list[i]
		if blk.buf != nil && uint32(i) != b.cur && (best == 0 || blk.order < b.list[best].order) {
			best = uint32(i)
		}
	}
	if best == 0 {
		return false
	}
	blk := &b.list[best]
	b.discard(blk)
	blk.dropped = true
	return true
}
