package conflict

import (
	"slices"
	"strings"

	"crosscheck/cluster/binlog"
)

// hit is one key value that two concurrent changes share, or may share.
type hit struct {
	partner uint32 // the change in the other window
	mine    entry
	theirs  entry
	sure    bool   // equal for certain; else a server must say
	hash    uint32 // of their bucket
}

// meet looks for concurrent partners of a transaction that has just been read
// completely. Everything in the other window is concurrent with it.
func (d *Detector) meet(s Side, i uint32) {
	w, o := d.streams[s].win, d.streams[s.Other()].win
	if o.blind > 0 || d.streams[s.Other()].lost > 0 {
		d.count.Sides[s].Unjudged += uint64(w.txns.at(i).rows)
	}
	if w.txns.at(i).flags&txnBlind != 0 && o.count > 0 {
		d.count.Sides[s].Unjudged++
	}
	for c := w.txns.at(i).first; c != 0; c = w.changes.at(c).next {
		d.meetChange(s, c)
	}
	d.meetDDL(s, i)
}

func (d *Detector) meetChange(s Side, c uint32) {
	w, o := d.streams[s].win, d.streams[s.Other()].win
	d.hits, d.runs = d.hits[:0], d.runs[:0]
	for n := w.changes.at(c).nodes; n != 0; n = w.keys.at(n).sibling {
		nd := w.keys.at(n)
		mine := entryAt(w.data.get(w.changes.at(c).data), nd.entry)
		first := o.keys.first(partners(nd.hash, mine.role))
		if first != 0 && !d.collect(o, first, mine) {
			d.crowded(s, c, mine.ns)
		}
	}
	if len(d.hits) == 0 {
		return
	}
	slices.SortStableFunc(d.hits, func(a, b hit) int { return o.compare(a.partner, b.partner) })
	for from := 0; from < len(d.hits); {
		to := from + 1
		for to < len(d.hits) && d.hits[to].partner == d.hits[from].partner {
			to++
		}
		d.judge(s, c, d.hits[from].partner, d.hits[from:to])
		from = to
	}
	d.endRuns(s, c)
}

// collect adds the hits of one key value. It returns false if there are more partners than are looked at.
func (d *Detector) collect(o *window, first uint32, mine entry) bool {
	steps := 0
	exact := d.needsNoServer(mine.ns)
	for n := first; n != 0; n = o.keys.at(n).next {
		if steps++; steps > maxChain {
			return false
		}
		nd := o.keys.at(n)
		p := o.changes.at(nd.change)
		if o.txns.at(p.txn).flags&txnOpen != 0 {
			continue
		}
		theirs := entryAt(o.data.get(p.data), nd.entry)
		if theirs.ns != mine.ns || !meets(mine.role, theirs.role) {
			continue
		}
		switch {
		case d.surelyEqual(mine, theirs):
			d.hits = append(d.hits, hit{nd.change, mine, theirs, true, nd.hash})
		case d.mayEqual(mine, theirs): // numbers that are equal but for the sign of zero need no server
			d.hits = append(d.hits, hit{nd.change, mine, theirs, exact, nd.hash})
		}
	}
	return true
}

// referring sets the buckets of values that rows refer to apart from those that rows give up: only the one meets the
// other.
const referring = 0x9e3779b9

// bucketOf is where a key value stands in the index.
func bucketOf(hash uint32, r role) uint32 {
	if r&roleRefer != 0 {
		return hash ^ referring
	}
	return hash
}

// partners is the bucket of those that a key value in its own bucket can meet.
func partners(bucket uint32, r role) uint32 {
	if r&(roleRefer|roleGone) != 0 {
		return bucket ^ referring
	}
	return bucket
}

// meets tells whether two roles in one key matter to each other.
func meets(a, b role) bool {
	return a&(roleGone|roleRefer) == 0 || a|b == roleGone|roleRefer
}

// compare orders two changes of the window.
func (w *window) compare(a, b uint32) int {
	ca, cb := w.changes.at(a), w.changes.at(b)
	if ca.txn != cb.txn {
		if w.txns.at(ca.txn).seq < w.txns.at(cb.txn).seq {
			return -1
		}
		return 1
	}
	return int(ca.ord) - int(cb.ord)
}

// run are partners of one change that write the same row in the same way: all behind the first come to the same.
type run struct {
	class runClass
	kind  Kind
	bit   uint32 // of the partners
	last  uint32 // partner behind the first, 0 none
	seqs  [2]uint64
}

type runClass struct {
	layout, ns   uint32
	kind         uint8
	mine, theirs role
	same         bool
}

// goesOn adds a pair to a run, if there is one that it goes on.
func (d *Detector) goesOn(class runClass, theirs uint32, ct *change, seqs [2]uint64) bool {
	i := slices.IndexFunc(d.runs, func(r run) bool { return r.class == class })
	if i < 0 {
		return false
	}
	r := &d.runs[i]
	ct.bits |= r.bit
	d.count.Pairs[r.kind]++
	r.last, r.seqs = theirs, seqs
	return true
}

// endRuns puts the rows of the runs under doubt for their last pairs, too.
func (d *Detector) endRuns(s Side, mine uint32) {
	for _, r := range d.runs {
		if r.last != 0 {
			d.suspectRow(d.streams[s].win, mine, r.seqs)
			d.suspectRow(d.streams[s.Other()].win, r.last, r.seqs)
		}
	}
}

// judge decides on one pair of row changes.
func (d *Detector) judge(s Side, mine, theirs uint32, hits []hit) {
	sureRow := slices.ContainsFunc(hits, func(h hit) bool { return h.sure && h.mine.role&(roleBefore|roleAfter|roleTransit) != 0 })
	if !sureRow && slices.ContainsFunc(hits, func(h hit) bool { return !h.sure }) {
		d.put(s, mine, theirs, hits)
		return
	}
	w, o := d.streams[s].win, d.streams[s.Other()].win
	cm, ct := w.changes.at(mine), o.changes.at(theirs)
	_, am, _ := prints(w.data.get(cm.data))
	_, at, _ := prints(o.data.get(ct.data))
	p := pairCase{Same: am != 0 && am == at}
	p.Seqs[s], p.Seqs[s.Other()] = w.txns.at(cm.txn).seq, o.txns.at(ct.txn).seq
	h := &hits[0]
	class := runClass{ct.layout, h.mine.ns, ct.kind, h.mine.role, h.theirs.role, p.Same}
	// One row, that the partner neither moves here nor away.
	plain := len(hits) == 1 && h.theirs.role&(roleBefore|roleAfter) != 0 &&
		(binlog.Kind(ct.kind) != binlog.Update || h.theirs.role == roleBefore|roleAfter)
	if plain && d.goesOn(class, theirs, ct, p.Seqs) {
		return
	}
	for _, h := range hits {
		if h.sure {
			p.Hits = append(p.Hits, d.sharedOf(s, h))
		}
	}
	p.sort()
	p.Hits = p.Hits[:min(len(p.Hits), maxHits)]
	p.Ops = [2]binlog.Kind{binlog.Kind(cm.kind), binlog.Kind(ct.kind)}
	p.Possible = w.txns.at(cm.txn).flags&txnUnfenced != 0 || o.txns.at(ct.txn).flags&txnUnfenced != 0
	if s == New {
		p.Ops[0], p.Ops[1] = p.Ops[1], p.Ops[0]
	}
	list := p.verdicts()
	for _, v := range list {
		d.head(s, mine, theirs, &p, v)
	}
	if plain && len(list) == 1 && !list[0].aftermath {
		d.runs = append(d.runs, run{class: class, kind: list[0].kind, bit: d.bit(ct.layout, list[0])})
	}
}

// head reports a pair if it is the first of its kind for both changes.
func (d *Detector) head(s Side, mine, theirs uint32, p *pairCase, v verdict) {
	w, o := d.streams[s].win, d.streams[s.Other()].win
	cm, ct := w.changes.at(mine), o.changes.at(theirs)
	const rows = 1<<InsertInsertPK | 1<<UpdatePK | 1<<UpdateUpdate | 1<<UpdateDelete | 1<<DeleteUpdate | 1<<InsertDelete
	d.count.Pairs[v.kind]++
	d.suspectRow(w, mine, p.Seqs)
	d.suspectRow(o, theirs, p.Seqs)
	bm, bt := d.bit(cm.layout, v), d.bit(ct.layout, v)
	if v.aftermath && ((cm.bits|ct.bits)&rows != 0 || d.emptiedBefore(s, mine, theirs)) {
		cm.bits |= collided
		ct.bits |= collided
		return
	}
	report := cm.bits&bm == 0 && ct.bits&bt == 0
	cm.bits |= bm
	ct.bits |= bt
	if report {
		p.Acts[s], p.Acts[s.Other()] = d.act(w, mine), d.act(o, theirs)
		d.emit(d.finding(p, v))
	}
}

// bit marks a change that has a partner in a kind. A change takes part in as many collisions of unique keys and of
// references as it has such keys, each with partners of its own: those behind the first have bits of their own.
func (d *Detector) bit(layout uint32, v verdict) uint32 {
	plain := uint32(1) << v.kind
	which := slices.Index([]Kind{InsertInsertUnique, UpdateUnique, MultipleUnique, ForeignKeyOrphan}, v.kind)
	if which < 0 {
		return plain
	}
	n := 0
	for _, k := range d.layouts.list[layout].keys {
		switch {
		case k.ns == v.by.NS && n > 0 && n <= maxKeyBits:
			return 1 << (int(kinds) + 4*(n-1) + which)
		case k.ns == v.by.NS:
			return plain
		case k.roles != classRow && (k.roles == classRef) == (v.kind == ForeignKeyOrphan):
			n++
		}
	}
	return plain
}

// maxKeyBits is for how many keys beyond the first there are bits left; further ones share that of the first, so that
// of two collisions of one row in two of those one may go untold.
const maxKeyBits = 3

// collided marks a change whose row takes part in a collision of a kind that
// its other bits do not name, or may take part in one.
const collided = 1 << 31

// finding makes the finding of a pair.
func (d *Detector) finding(p *pairCase, v verdict) Finding {
	f := Finding{
		Kind: v.kind, Index: d.columnsOf(v.by.NS), Key: values(v.by.Tuple[Old]), Old: p.Acts[Old], New: p.Acts[New],
		Possible: p.Possible, Table: d.namespaces[v.by.NS].Table,
	}
	for _, ns := range v.more {
		f.More = append(f.More, d.columnsOf(ns))
	}
	f.ID = findingID(v.kind, f.Table, strings.Join(f.Index, ","), string(v.by.Tuple[Old]),
		f.Old.Place.id(), f.New.Place.id(), joined(f.Old.Key), joined(f.New.Key), f.Old.Op.String(), f.New.Op.String())
	return f
}

// id names a transaction the same way whenever it is read.
func (p Place) id() string {
	if p.GTID != "" {
		return p.GTID
	}
	return p.File.String()
}

func joined(key []binlog.Value) string {
	var b strings.Builder
	for _, v := range key {
		b.Write(v.Text)
		b.WriteByte(0)
	}
	return b.String()
}
