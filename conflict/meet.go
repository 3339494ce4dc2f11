package conflict

import (
	"cmp"
	"slices"
	"strings"

	"crosscheck/cluster/binlog"
)

// hit is one key value that two concurrent changes share, or may share.
type hit struct {
	partner uint32 // the change in the other window
	mine    entry
	theirs  entry
	sure    bool // equal bytes; else a server must say
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
	d.hits = d.hits[:0]
	for n := w.changes.at(c).nodes; n != 0; n = w.keys.at(n).sibling {
		nd := w.keys.at(n)
		first := o.keys.first(nd.hash)
		if first == 0 {
			continue
		}
		mine := entryAt(w.data.get(w.changes.at(c).data), nd.entry)
		d.collect(o, first, mine)
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
}

// collect adds the hits of one key value.
func (d *Detector) collect(o *window, first uint32, mine entry) {
	steps := 0
	for n := first; n != 0 && steps < maxChain; n = o.keys.at(n).next {
		steps++
		nd := o.keys.at(n)
		p := o.changes.at(nd.change)
		if o.txns.at(p.txn).flags&txnOpen != 0 {
			continue
		}
		theirs := entryAt(o.data.get(p.data), nd.entry)
		if theirs.ns != mine.ns || !meets(mine.role, theirs.role) {
			continue
		}
		switch sure := string(mine.tuple) == string(theirs.tuple); {
		case sure:
			d.hits = append(d.hits, hit{nd.change, mine, theirs, true})
		case d.mayEqual(mine, theirs):
			d.hits = append(d.hits, hit{nd.change, mine, theirs, false})
		}
	}
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

// judge decides on one pair of row changes.
func (d *Detector) judge(s Side, mine, theirs uint32, hits []hit) {
	sureRow := slices.ContainsFunc(hits, func(h hit) bool { return h.sure && h.mine.role&(roleBefore|roleAfter|roleTransit) != 0 })
	doubtful := slices.ContainsFunc(hits, func(h hit) bool { return !h.sure })
	w, o := d.streams[s].win, d.streams[s.Other()].win
	p := pairCase{}
	for _, h := range hits {
		if sureRow && !h.sure {
			continue
		}
		p.Hits = append(p.Hits, d.sharedOf(s, h))
	}
	slices.SortStableFunc(p.Hits, func(a, b sharedKey) int { return cmp.Compare(a.NS, b.NS) })
	p.Hits = p.Hits[:min(len(p.Hits), maxHits)]
	cm, ct := w.changes.at(mine), o.changes.at(theirs)
	p.Ops = [2]binlog.Kind{binlog.Kind(cm.kind), binlog.Kind(ct.kind)}
	_, am, _ := prints(w.data.get(cm.data))
	_, at, _ := prints(o.data.get(ct.data))
	p.Same = am != 0 && am == at
	p.Possible = w.txns.at(cm.txn).flags&txnUnfenced != 0 || o.txns.at(ct.txn).flags&txnUnfenced != 0
	p.Seqs[s], p.Seqs[s.Other()] = w.txns.at(cm.txn).seq, o.txns.at(ct.txn).seq
	if s == New {
		p.Ops[0], p.Ops[1] = p.Ops[1], p.Ops[0]
	}
	if doubtful && !sureRow {
		d.ask(s, mine, theirs, &p)
		return
	}
	for _, v := range p.verdicts() {
		d.head(s, mine, theirs, &p, v)
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
	bm, bt := d.bit(cm, v), d.bit(ct, v)
	if v.aftermath && (cm.bits|ct.bits)&rows != 0 {
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
func (d *Detector) bit(c *change, v verdict) uint32 {
	plain := uint32(1) << v.kind
	which := slices.Index([]Kind{InsertInsertUnique, UpdateUnique, MultipleUnique, ForeignKeyOrphan}, v.kind)
	if which < 0 {
		return plain
	}
	n := 0
	for _, k := range d.layouts.list[c.layout].keys {
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
