package conflict

// node ties one key value of one change into the index. Nodes of equal hash
// form a list in the order in which they came, whose first is in a bucket's list.
type node struct {
	hash    uint32
	bucket  uint32 // next list in the bucket; of first nodes only
	next    uint32 // in the list
	prev    uint32 // in the list; a first node's is the last
	change  uint32
	sibling uint32 // next node of the same change
	entry   uint16 // which of the change's entries
}

// keyIndex finds nodes by hash.
type keyIndex struct {
	slab[node]
	heads []uint32
	lists int
}

// first is the oldest node of a hash, or 0.
func (x *keyIndex) first(hash uint32) uint32 {
	if len(x.heads) == 0 {
		return 0
	}
	i := x.heads[hash&uint32(len(x.heads)-1)]
	for i != 0 {
		n := x.at(i)
		if n.hash == hash {
			return i
		}
		i = n.bucket
	}
	return 0
}

func (x *keyIndex) insert(hash, change uint32, entry uint16) uint32 {
	i := x.alloc()
	n := x.at(i)
	n.hash, n.change, n.entry = hash, change, entry
	if f := x.first(hash); f != 0 {
		first := x.at(f)
		n.prev = first.prev
		x.at(first.prev).next = i
		first.prev = i
		return i
	}
	if x.lists >= len(x.heads) {
		x.grow()
	}
	b := &x.heads[hash&uint32(len(x.heads)-1)]
	n.bucket, n.prev = *b, i
	*b = i
	x.lists++
	return i
}

func (x *keyIndex) grow() {
	old := x.heads
	x.heads = make([]uint32, max(1024, 2*len(old)))
	for _, i := range old {
		for i != 0 {
			n := x.at(i)
			next := n.bucket
			b := &x.heads[n.hash&uint32(len(x.heads)-1)]
			n.bucket = *b
			*b = i
			i = next
		}
	}
}

func (x *keyIndex) remove(i uint32) {
	n := *x.at(i)
	first := x.first(n.hash)
	switch {
	case first != i:
		x.at(n.prev).next = n.next
		if n.next != 0 {
			x.at(n.next).prev = n.prev
		} else {
			x.at(first).prev = n.prev
		}
	case n.next != 0:
		next := x.at(n.next)
		next.bucket = n.bucket
		next.prev = n.prev
		*x.link(n.hash, i) = n.next
	default:
		*x.link(n.hash, i) = n.bucket
		x.lists--
	}
	x.release(i)
	if x.live == 0 && len(x.heads) > 1<<16 {
		x.heads = nil // a burst is over
	}
}

// link is the place that refers to list i within its bucket.
func (x *keyIndex) link(hash, i uint32) *uint32 {
	p := &x.heads[hash&uint32(len(x.heads)-1)]
	for *p != i {
		p = &x.at(*p).bucket
	}
	return p
}

func (x *keyIndex) memory() int { return x.bytes() + 4*len(x.heads) }
