package conflict

import (
	"slices"

	"crosscheck/cluster/binlog"
)

// compareEcho compares an echo with its original, row by row. What a collision
// explains is no finding of its own.
func (d *Detector) compareEcho(s Side, e *echo, i uint32, tx *binlog.Transaction) {
	w := d.streams[s.Other()].win
	n := &d.count.Sides[s.Other()]
	blocked := d.blocked(w, i)
	for c := w.txns.at(i).first; c != 0; c = w.changes.at(c).next {
		p := w.changes.at(c)
		from, r := rowEntries(w.data.get(p.data))
		if r.role == 0 {
			continue
		}
		hash := rowHash(r.ns, r.tuple)
		at, found := e.take(hash)
		if !found && e.vague {
			n.Unjudged++
			continue
		}
		explained := p.bits != 0 || d.explains(hash, s.Other(), w.txns.at(i).seq) || d.explainsStart(w, p, s.Other(), w.txns.at(i).seq)
		if !explained && slices.Contains(blocked, d.layouts.list[p.layout].table) {
			explained = true
			if found && d.differs(w, p, &e.rows[at]) {
				d.suspectRow(w, c, d.causeNow(s.Other(), i))
			}
		}
		if !found {
			d.suspectRow(w, c, d.causeNow(s.Other(), i)) // under both keys of a row that moved, of which one may be so already
			d.mismatch(s, e, i, c, nil, explained, "the row is missing in the echo", tx)
			continue
		}
		before, after := d.compareRow(w, p, &e.rows[at])
		elsewhere := e.rows[at].start != rowHash(from.ns, from.tuple) // it moved there from another key, and left this one alone
		if after == Different || elsewhere {
			d.suspectRow(w, c, d.causeNow(s.Other(), i))
		}
		switch {
		case before == Different:
			d.mismatch(s, e, i, c, &e.rows[at], explained, "the replica's row was another before the change", tx)
		case after == Different:
			d.mismatch(s, e, i, c, &e.rows[at], explained, "the change had another result on the replica", tx)
		case before == Unknown || after == Unknown:
			n.Unjudged++
		case p.bits&^collided != 0: // it arrived, and the other side's change or statement may undo it yet
			n.Explained++
		default:
			n.Verified++
		}
		if p.bits == 0 && after == Equal && !elsewhere && d.suspects[hash] != nil && d.endsWhole(w, p, &e.rows[at]) {
			d.clear(hash, s.Other(), w.txns.at(i).seq) // the row is known to be equal again
		}
	}
	d.surplus(s, e, i, tx)
}

// blocked are the tables in which a transaction collided. An applier that passes over one of its changes there may
// leave a value in the way of the next, so what becomes of the others has a cause that is known.
func (d *Detector) blocked(w *window, i uint32) []*table {
	var out []*table
	for c := w.txns.at(i).first; c != 0; c = w.changes.at(c).next {
		p := w.changes.at(c)
		if t := d.layouts.list[p.layout].table; p.bits != 0 && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func (d *Detector) differs(w *window, p *change, r *echoRow) bool {
	before, after := d.compareRow(w, p, r)
	return before == Different || after == Different
}

// surplus handles rows of an echo that its original lacks: an applier that
// overwrites deletes what is in the way.
func (d *Detector) surplus(s Side, e *echo, i uint32, tx *binlog.Transaction) {
	w := d.streams[s.Other()].win
	if w.txns.at(i).flags&(txnBlind|txnGapped) != 0 {
		return
	}
	collided := false
	for c := w.txns.at(i).first; c != 0; c = w.changes.at(c).next {
		_, known := rowEntry(w.data.get(w.changes.at(c).data))
		collided = collided || !known || w.changes.at(c).bits != 0 // what is not known may be this row
	}
	for at := range e.rows {
		r := &e.rows[at]
		switch {
		case r.met:
		case collided: // the row that was in the way may have moved there since the collision
			d.suspect(d.layouts.list[r.layout].keys[0].ns, r.tuple, d.causeNow(s.Other(), i))
		default:
			d.mismatch(s, e, i, 0, r, false, "the echo changed a row that its original did not", tx)
		}
	}
}

// mismatch reports a row whose echo differs, or notes that it is explained.
func (d *Detector) mismatch(s Side, e *echo, i, c uint32, r *echoRow, explained bool, why string, tx *binlog.Transaction) {
	o := d.streams[s.Other()]
	table := ""
	switch {
	case c != 0:
		table = d.layouts.list[o.win.changes.at(c).layout].table.name
	case r != nil:
		table = d.layouts.list[r.layout].table.name
	}
	if !explained && d.obscured[table] {
		explained = true
		if c != 0 {
			d.suspectRow(o.win, c, d.causeNow(s.Other(), i))
		} else {
			d.suspect(d.layouts.list[r.layout].keys[0].ns, r.tuple, d.causeNow(s.Other(), i))
		}
	}
	if explained {
		d.count.Sides[s.Other()].Explained++
		return
	}
	f := Finding{Kind: EchoMismatch, Detail: why, Possible: e.id.source == 0}
	acts := [2]*Act{}
	if c != 0 {
		acts[s.Other()] = d.act(o.win, c)
		f.Table = d.layouts.list[o.win.changes.at(c).layout].table.name
		f.Index, f.Key = acts[s.Other()].KeyColumns, acts[s.Other()].Key
		d.suspectRow(o.win, c, d.causeNow(s.Other(), i))
	} else {
		acts[s.Other()] = d.txnAct(o.win, i)
	}
	acts[s] = &Act{Place: Place{File: tx.Mark.File, GTID: tx.GTID}, CommitTime: tx.CommitTime}
	if r != nil {
		l := d.layouts.list[r.layout]
		f.Table = l.table.name
		if f.Key == nil {
			f.Index, f.Key = d.columnsOf(l.keys[0].ns), values(r.tuple)
			d.suspect(l.keys[0].ns, r.tuple, d.causeNow(s.Other(), i))
		}
		a := acts[s]
		a.Table, a.Op, a.Columns = f.Table, r.kind, l.names
		a.PlainKey = d.namespaces[l.keys[0].ns].Plain
		a.KeyColumns, a.Key, a.Dropped = f.Index, f.Key, r.first == nil
		if r.first != nil {
			a.Before, a.After = r.first.Before.Clone(), r.last.After.Clone()
		}
	}
	f.Old, f.New = acts[Old], acts[New]
	f.ID = findingID(EchoMismatch, f.Table, joined(f.Key), acts[s.Other()].Place.id(), acts[s.Other()].Op.String(), acts[s].Op.String(), s.String())
	d.emit(f)
}
