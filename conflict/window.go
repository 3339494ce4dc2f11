package conflict

// identity names a transaction across both logs: its source's number in
// Detector.sources, and its number there. Zero: anonymous.
type identity struct {
	source uint32
	number uint64
}

// Flags of a txn.
const (
	txnOpen     = 1 << iota // its last part has not come
	txnDDL                  // it has statements that change schemas
	txnBlind                // its keys were dropped
	txnGapped               // its echo may stand in a piece of the log that was not read
	txnUnfenced             // anonymous, and the other side's stream may still bring echoes from before the start
)

// txn is a transaction in a window.
type txn struct {
	number     uint64
	seq        uint64 // order within the side's stream
	pos        uint64 // end in the log file
	commit     int64  // microseconds since 1970
	thread     uint64
	content    uint64 // sum of contents and statements; of anonymous ones
	source     uint32
	file       uint32 // number in Detector.files
	first      uint32 // changes
	last       uint32
	prev, next uint32 // in the window, by seq
	bucket     uint32 // of the identity
	rows       uint32
	contents   uint32 // in window.data; of anonymous ones
	flags      uint8
}

// change is the net change of one row in a transaction.
type change struct {
	txn    uint32
	next   uint32 // in the transaction
	nodes  uint32
	data   uint32 // in window.data, see entries
	image  uint32 // in window.images
	layout uint32
	bits   uint32 // kinds in which a concurrent partner was found
	ord    uint32 // within the transaction
	kind   uint8
}

// window holds the transactions of one side whose echo has not been read.
type window struct {
	txns    slab[txn]
	changes slab[change]
	keys    keyIndex
	data    blocks // fingerprints and keys
	images  blocks

	head, tail uint32 // by seq
	count      int
	rows       int
	ids        []uint32 // identity → txn, chained by txn.bucket
	named      int
	blind      int    // transactions with txnBlind
	dim        uint32 // the last of those that stand together at the head, 0 none
	ddl        int    // transactions with txnDDL
	perTable   map[uint32]int
	gone       func(c uint32) // is told of changes with collided that leave
}

func newWindow() *window { return &window{perTable: map[uint32]int{}} }

// memory is the bytes held, images apart.
func (w *window) memory() int {
	return w.txns.bytes() + w.changes.bytes() + w.keys.memory() + w.data.held + 4*len(w.ids)
}

func (id identity) bucket(n int) uint64 {
	h := (id.number + uint64(id.source)*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	return (h >> 32) & uint64(n-1)
}

// open appends a transaction to the window.
func (w *window) open(t txn) uint32 {
	i := w.txns.alloc()
	p := w.txns.at(i)
	*p = t
	p.prev = w.tail
	if w.tail != 0 {
		w.txns.at(w.tail).next = i
	} else {
		w.head = i
	}
	w.tail = i
	w.count++
	if t.source != 0 {
		w.name(i)
	}
	return i
}

func (w *window) name(i uint32) {
	if w.named >= len(w.ids) {
		old := w.ids
		w.ids = make([]uint32, max(1024, 2*len(old)))
		for _, j := range old {
			for j != 0 {
				t := w.txns.at(j)
				next := t.bucket
				b := &w.ids[identity{t.source, t.number}.bucket(len(w.ids))]
				t.bucket = *b
				*b = j
				j = next
			}
		}
	}
	t := w.txns.at(i)
	b := &w.ids[identity{t.source, t.number}.bucket(len(w.ids))]
	t.bucket = *b
	*b = i
	w.named++
}

// find is the transaction of that name, or 0.
func (w *window) find(id identity) uint32 {
	if len(w.ids) == 0 || id.source == 0 {
		return 0
	}
	i := w.ids[id.bucket(len(w.ids))]
	for i != 0 {
		t := w.txns.at(i)
		if t.number == id.number && t.source == id.source {
			return i
		}
		i = t.bucket
	}
	return 0
}

// markGapped notes that the echoes of all that is in the window may never be seen.
func (w *window) markGapped() {
	for i := w.head; i != 0; i = w.txns.at(i).next {
		w.txns.at(i).flags |= txnGapped
	}
}

// close takes a transaction out of the window.
func (w *window) close(i uint32) {
	t := w.txns.at(i)
	w.dropRows(i)
	w.data.release(t.contents)
	if t.flags&txnBlind != 0 {
		w.blind--
	}
	if t.flags&txnDDL != 0 {
		w.ddl--
	}
	if w.dim == i {
		w.dim = t.prev
	}
	if t.prev != 0 {
		w.txns.at(t.prev).next = t.next
	} else {
		w.head = t.next
	}
	if t.next != 0 {
		w.txns.at(t.next).prev = t.prev
	} else {
		w.tail = t.prev
	}
	if t.source != 0 {
		p := &w.ids[identity{t.source, t.number}.bucket(len(w.ids))]
		for *p != i {
			p = &w.txns.at(*p).bucket
		}
		*p = t.bucket
		w.named--
		if w.named == 0 && len(w.ids) > 1<<16 {
			w.ids = nil
		}
	}
	w.count--
	w.txns.release(i)
}

// dropRows frees the changes of a transaction and keeps the transaction.
func (w *window) dropRows(i uint32) {
	t := w.txns.at(i)
	for c := t.first; c != 0; {
		next := w.changes.at(c).next
		w.forget(c)
		c = next
	}
	t.first, t.last, t.rows = 0, 0, 0
}

// add appends a change to a transaction.
func (w *window) add(i uint32, c change) uint32 {
	t := w.txns.at(i)
	n := w.changes.alloc()
	c.txn, c.ord = i, t.rows
	*w.changes.at(n) = c
	if t.last != 0 {
		w.changes.at(t.last).next = n
	} else {
		t.first = n
	}
	t.last = n
	t.rows++
	w.rows++
	w.perTable[c.layout]++
	return n
}

// forget frees what a change holds. Its place in the transaction's list is
// the caller's.
func (w *window) forget(c uint32) {
	p := w.changes.at(c)
	if p.bits&collided != 0 {
		w.gone(c)
	}
	w.empty(p)
	w.rows--
	if w.perTable[p.layout]--; w.perTable[p.layout] == 0 {
		delete(w.perTable, p.layout)
	}
	w.changes.release(c)
}

// empty takes a change out of the index and frees its bytes.
func (w *window) empty(p *change) {
	w.data.release(p.data)
	w.images.release(p.image)
	p.data, p.image = 0, 0
	for n := p.nodes; n != 0; {
		next := w.keys.at(n).sibling
		w.keys.remove(n)
		n = next
	}
	p.nodes = 0
}

// link puts a change's keys into the index.
func (w *window) link(c uint32, hashes []uint32) {
	p := w.changes.at(c)
	last := uint32(0)
	for e, h := range hashes {
		n := w.keys.insert(h, c, uint16(e))
		if last == 0 {
			p.nodes = n
		} else {
			w.keys.at(last).sibling = n
		}
		last = n
	}
}

// sighted is the oldest transaction that has its keys, or 0. Keys are dropped from
// the oldest on, so that it follows those that have lost them.
func (w *window) sighted() uint32 {
	i := w.head
	if w.dim != 0 {
		i = w.txns.at(w.dim).next
	}
	for ; i != 0 && w.txns.at(i).flags&txnBlind != 0; i = w.txns.at(i).next {
		w.dim = i
	}
	return i
}
