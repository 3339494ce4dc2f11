package conflict

import (
	"cmp"
	"slices"
	"time"

	"crosscheck/cluster/binlog"
)

// Changes whose keys may be equal are put aside until servers have said which values are. Such pairs can be very many,
// where a collation tells little about a script to us: so the changes are kept once each, by the values of a key, and the
// servers are asked about values. A crowd holds the values of one key that the prefilter throws together; the crowds that
// are asked about together are a batch, in which all keys that two changes share are known when they are judged.

// crowd are values of a key that may be equal, and the changes that have them.
type crowd struct {
	NS      uint32
	Values  [2][][]byte
	Members [2][]member
	places  [2]map[string]uint32 // in Values
}

// member is a change in a crowd.
type member struct {
	Waiter uint64
	Value  uint32
	Role   role
	At     uint64 // tick when it came: its own, or that of the partner by which it was found
}

// batch are the crowds that are asked about together.
type batch struct {
	Opened uint64 // the tick before its first change
	Crowds []*crowd
	// Sure are the keys that two of its changes share for certain, beside those that may be equal.
	Sure []surePair

	byHash map[uint64]*crowd
	joined map[joining]bool
	asks   []asking
	left   int
	equal  []equalValues
}

type joining struct {
	waiter uint64
	crowd  *crowd
	value  uint32
}

type surePair struct {
	Waiters [2]uint64
	Keys    []sharedKey
}

type equalValues struct {
	crowd    *crowd
	old, new uint32
}

// waiter is a change that is asked about. It outlives the change's stay in the window.
type waiter struct {
	ID           uint64
	Side         Side
	Seq          uint64 // of its transaction
	Ord          uint32
	Enter, Leave uint64 // ticks: when it was read, 0 if it had no partner then; when it left the window, 0 not yet
	Place        Place
	Thread       uint64
	Commit       int64
	Layout       uint32
	Kind         uint8
	Unfenced     bool
	Data, Image  []byte
	Bits         uint32 // as change.bits, of pairs that were asked about
	change       uint32 // in the window, 0 not any more
}

const (
	// maxWaiterBytes bounds what is held of changes that are asked about, and maxPairs how many pairs of them are judged at
	// once. Beyond it they are unjudged.
	maxWaiterBytes = 24 << 20
	maxPairs       = 1 << 18
)

// waiterOf is the waiter of a change in the window, made if there is none; nil if there is no room.
func (d *Detector) waiterOf(s Side, c uint32) *waiter {
	if id, ok := d.waiting[s][c]; ok {
		return d.waiters[id]
	}
	w := d.streams[s].win
	p := w.changes.at(c)
	t := w.txns.at(p.txn)
	data, image := w.data.get(p.data), w.images.get(p.image)
	size := len(data) + len(image) + 256
	if d.waiterBytes+size > maxWaiterBytes {
		return nil
	}
	d.waiterBytes += size
	d.lastWaiter++
	x := &waiter{
		ID: d.lastWaiter, Side: s, Seq: t.seq, Ord: p.ord, Place: d.placeOf(t), Thread: t.thread, Commit: t.commit, Layout: p.layout,
		Kind: p.kind, Unfenced: t.flags&txnUnfenced != 0, Data: slices.Clone(data), Image: slices.Clone(image), change: c,
	}
	d.waiters[x.ID] = x
	d.waiting[s][c] = x.ID
	return x
}

func (x *waiter) size() int { return len(x.Data) + len(x.Image) + 256 }

// left notes that a change has left the window.
func (d *Detector) left(s Side, c uint32) {
	id, ok := d.waiting[s][c]
	if !ok {
		return
	}
	delete(d.waiting[s], c)
	x := d.waiters[id]
	x.Leave, x.change = d.tick, 0
}

// put puts two changes with the keys that they share, or may share, aside. hits are mine with theirs.
func (d *Detector) put(s Side, mine, theirs uint32, hits []hit) {
	w, o := d.streams[s].win, d.streams[s.Other()].win
	seqs := [2]uint64{}
	seqs[s], seqs[s.Other()] = w.txns.at(w.changes.at(mine).txn).seq, o.txns.at(o.changes.at(theirs).txn).seq
	w.changes.at(mine).bits |= collided
	o.changes.at(theirs).bits |= collided
	// The rows are under doubt at once: when the answer comes must not matter.
	d.suspectRow(w, mine, seqs)
	d.suspectRow(o, theirs, seqs)
	x, y := d.waiterOf(s, mine), d.waiterOf(s.Other(), theirs)
	if x == nil || y == nil {
		d.crowded(s, mine, hits[0].mine.ns)
		return
	}
	if x.Enter == 0 {
		d.tick++
		x.Enter = d.tick
	}
	var sure []sharedKey
	for _, h := range hits {
		if h.sure {
			sure = append(sure, d.sharedOf(s, h))
			continue
		}
		c := d.open.crowd(h.mine.ns, h.hash)
		d.open.join(c, s, x.ID, h.mine, d.tick)
		d.open.join(c, s.Other(), y.ID, h.theirs, d.tick)
	}
	if len(sure) > 0 {
		pair := surePair{Keys: sure}
		pair.Waiters[s], pair.Waiters[s.Other()] = x.ID, y.ID
		d.open.Sure = append(d.open.Sure, pair)
	}
}

func (b *batch) crowd(ns, hash uint32) *crowd {
	id := uint64(ns)<<32 | uint64(hash)
	if c := b.byHash[id]; c != nil {
		return c
	}
	c := &crowd{NS: ns, places: [2]map[string]uint32{{}, {}}}
	if b.byHash == nil {
		b.byHash, b.joined = map[uint64]*crowd{}, map[joining]bool{}
	}
	b.byHash[id] = c
	b.Crowds = append(b.Crowds, c)
	return c
}

func (b *batch) join(c *crowd, s Side, id uint64, e entry, tick uint64) {
	at, ok := c.places[s][string(e.tuple)]
	if !ok {
		at = uint32(len(c.Values[s]))
		tuple := slices.Clone(e.tuple)
		c.Values[s] = append(c.Values[s], tuple)
		c.places[s][string(tuple)] = at
	}
	j := joining{id, c, at}
	if !b.joined[j] {
		b.joined[j] = true
		c.Members[s] = append(c.Members[s], member{id, at, e.role, tick})
	}
}

// settle judges the pairs of the batch that has been asked about.
func (d *Detector) settle() {
	b := d.asked
	d.asked = nil
	pairs := map[[2]uint64]*pairCase{}
	pair := func(ids [2]uint64) *pairCase {
		p := pairs[ids]
		if p == nil && len(pairs) < maxPairs {
			p = &pairCase{}
			pairs[ids] = p
		}
		return p
	}
	for _, x := range b.Sure {
		if p := pair(x.Waiters); p != nil {
			p.Hits = append(p.Hits, x.Keys...)
		}
	}
	for _, e := range b.equal {
		d.meetEqual(b, e, pair)
	}
	list := make([][2]uint64, 0, len(pairs))
	for ids := range pairs {
		list = append(list, ids)
	}
	slices.SortFunc(list, func(x, y [2]uint64) int { return cmp.Or(d.before(x[Old], y[Old]), d.before(x[New], y[New])) })
	for _, ids := range list {
		d.judgeAsked(ids, pairs[ids])
	}
	d.sweep()
}

// before orders changes of a side by its log.
func (d *Detector) before(a, b uint64) int {
	x, y := d.waiters[a], d.waiters[b]
	return cmp.Or(cmp.Compare(x.Seq, y.Seq), cmp.Compare(x.Ord, y.Ord))
}

// meetEqual adds the pairs of changes that have two values which turned out equal.
func (d *Detector) meetEqual(b *batch, e equalValues, pair func([2]uint64) *pairCase) {
	c := e.crowd
	old, new := c.Values[Old][e.old], c.Values[New][e.new]
	if d.surelyEqual(entry{ns: c.NS, tuple: old}, entry{ns: c.NS, tuple: new}) {
		return // known without asking
	}
	if d.namespaces[c.NS].Period && !overlap(old, new) {
		return // only the other parts were asked about
	}
	of := func(s Side, value uint32) (out []member) {
		for _, m := range c.Members[s] {
			if m.Value == value {
				out = append(out, m)
			}
		}
		return out
	}
	news := of(New, e.new)
	for _, m := range of(Old, e.old) {
		for _, n := range news {
			x, y := d.waiters[m.Waiter], d.waiters[n.Waiter]
			if !meets(m.Role, n.Role) || !b.concurrent(x, y, m.At, n.At) {
				continue
			}
			p := pair([2]uint64{x.ID, y.ID})
			if p == nil {
				d.crowdedAt(x, c.NS)
				return
			}
			if len(p.Hits) < maxHits {
				p.Hits = append(p.Hits, sharedKey{NS: c.NS, Role: [2]role{m.Role, n.Role}, Tuple: [2][]byte{c.Values[Old][e.old], c.Values[New][e.new]}})
			}
		}
	}
}

// concurrent tells whether one of two changes was in its window when the other was read, in this batch: earlier pairs
// were judged before.
func (b *batch) concurrent(x, y *waiter, xAt, yAt uint64) bool {
	there := func(late, early *waiter, earlyAt uint64) bool {
		return late.Enter > b.Opened && earlyAt <= late.Enter && (early.Leave == 0 || late.Enter <= early.Leave)
	}
	return there(x, y, yAt) || there(y, x, xAt)
}

// judgeAsked classifies a pair whose keys are known to be equal, and reports it if it is the first of its kind for both of
// the changes among those that were asked about.
func (d *Detector) judgeAsked(ids [2]uint64, p *pairCase) {
	x, y := d.waiters[ids[Old]], d.waiters[ids[New]]
	if shareRow(x.Data, y.Data) {
		return // judged by that, without asking: they met others in the crowd
	}
	p.sort()
	p.Ops = [2]binlog.Kind{binlog.Kind(x.Kind), binlog.Kind(y.Kind)}
	_, a, _ := prints(x.Data)
	_, c, _ := prints(y.Data)
	p.Same, p.Possible = a != 0 && a == c, x.Unfenced || y.Unfenced
	for _, v := range p.verdicts() {
		d.count.Pairs[v.kind]++
		bx, by := d.bit(x.Layout, v), d.bit(y.Layout, v)
		report := x.Bits&bx == 0 && y.Bits&by == 0
		x.Bits |= bx
		y.Bits |= by
		if report {
			p.Acts = [2]*Act{d.actOf(x), d.actOf(y)}
			d.emit(d.finding(p, v))
		}
	}
}

// shareRow tells whether two changes have a key of their rows in common, byte by byte.
func shareRow(a, b []byte) bool {
	_, _, a = prints(a)
	_, _, b = prints(b)
	const row = roleBefore | roleAfter | roleTransit
	for len(a) > 0 {
		var x entry
		if x, a = nextEntry(a); x.role&row == 0 {
			continue
		}
		for rest := b; len(rest) > 0; {
			var y entry
			if y, rest = nextEntry(rest); y.role&row != 0 && y.ns == x.ns && string(y.tuple) == string(x.tuple) {
				return true
			}
		}
	}
	return false
}

// actOf materialises a waiter's part.
func (d *Detector) actOf(x *waiter) *Act {
	l := d.layouts.list[x.Layout]
	a := &Act{
		Place: x.Place, Thread: x.Thread, CommitTime: time.UnixMicro(x.Commit).UTC(),
		Table: l.table.name, Op: binlog.Kind(x.Kind), Columns: l.names, Dropped: x.Image == nil,
	}
	if x.Image != nil {
		a.Before, a.After = readImages(x.Image, len(l.def.Columns))
	}
	if e, ok := rowEntry(x.Data); ok && len(l.keys) > 0 && l.keys[0].roles == classRow {
		a.KeyColumns, a.Key = d.namespaces[e.ns].Columns, values(e.tuple)
		a.PlainKey, a.OtherKeys = d.namespaces[e.ns].Plain, otherKeys(x.Data, e)
	}
	return a
}

// sweep forgets the waiters that have left the window and are in no batch, and frees what the others hold.
func (d *Detector) sweep() {
	needed := map[uint64]bool{}
	for _, c := range d.open.Crowds {
		for s := range c.Members {
			for _, m := range c.Members[s] {
				needed[m.Waiter] = true
			}
		}
	}
	for id, x := range d.waiters {
		if x.Leave > 0 && !needed[id] {
			d.waiterBytes -= x.size()
			delete(d.waiters, id)
		}
	}
}

// unanswered reports values of which no server could say whether they are equal, by one pair of changes that have them.
func (d *Detector) unanswered(a *asking) {
	var acts [2]*Act
	var tuples [2][]byte
	for s := range acts {
		i := slices.IndexFunc(a.crowd.Members[s], func(m member) bool { return int(m.Value) >= a.from[s] && int(m.Value) < a.to[s] })
		if i < 0 {
			return
		}
		m := a.crowd.Members[s][i]
		acts[s], tuples[s] = d.actOf(d.waiters[m.Waiter]), a.crowd.Values[s][m.Value]
	}
	ns := &d.namespaces[a.crowd.NS]
	f := Finding{
		Kind: Unjudged, Reason: ReasonCollation, Table: ns.Table, Index: d.columnsOf(a.crowd.NS), Key: values(tuples[Old]),
		Old: acts[Old], New: acts[New], Detail: "no server could say whether the two keys are equal",
	}
	d.obscure(f.Reason, f.Table)
	f.ID = findingID(Unjudged, string(f.Reason), f.Table, string(tuples[Old]), string(tuples[New]), f.Old.Place.id(), f.New.Place.id())
	d.emit(f)
}

// crowded reports, once per key and side, that not all concurrent changes of it could be compared.
func (d *Detector) crowded(s Side, c, ns uint32) {
	d.crowdedBy(s, d.act(d.streams[s].win, c), ns)
}

func (d *Detector) crowdedAt(x *waiter, ns uint32) { d.crowdedBy(x.Side, d.actOf(x), ns) }

func (d *Detector) crowdedBy(s Side, a *Act, ns uint32) {
	table := d.namespaces[ns].Table
	id := findingID(Unjudged, string(ReasonCrowded), s.String(), table, string(rune(ns)))
	if d.once[id] {
		return
	}
	d.once[id] = true
	d.obscure(ReasonCrowded, table)
	f := Finding{
		ID: id, Kind: Unjudged, Reason: ReasonCrowded, Table: table, Index: d.columnsOf(ns),
		Untold: true,
		Detail: "more concurrent changes than are compared touch this key, or values that may be equal: from here on not all pairs were",
	}
	if s == Old {
		f.Old = a
	} else {
		f.New = a
	}
	d.emit(f)
}
