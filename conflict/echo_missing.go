package conflict

import "slices"

// passBefore takes all transactions before i out of the window: the applier has
// passed them without an echo. Where several domains are applied beside each other, those of its own domain.
func (d *Detector) passBefore(s Side, i uint32) {
	w := d.streams[s].win
	domain := d.sources[w.txns.at(i).source].Domain
	for at := w.head; at != i; {
		next := w.txns.at(at).next
		if !d.cfg.PerDomain[s.Other()] || d.sources[w.txns.at(at).source].Domain == domain {
			d.passed(s, at)
		}
		at = next
	}
}

// passed handles one transaction that was passed without an echo.
func (d *Detector) passed(s Side, i uint32) {
	w := d.streams[s].win
	t := w.txns.at(i)
	explained := t.flags&(txnBlind|txnGapped) != 0
	one, others, untold := uint32(0), []Row(nil), t.flags&txnDDL != 0
	blocked := d.blocked(w, i)
	before := d.cfg.Apart && t.source == 0 && t.flags&txnUnfenced != 0 &&
		(d.streams[s].first == 0 || t.seq < d.streams[s].first)
	for c := t.first; c != 0; c = w.changes.at(c).next {
		p := w.changes.at(c)
		r, ok := rowEntry(w.data.get(p.data))
		if p.bits != 0 || ok && d.explains(rowHash(r.ns, r.tuple), s, t.seq) || d.explainsStart(w, p, s, t.seq) {
			d.count.Sides[s].Explained++
			d.suspectRow(w, c, d.causeNow(s, i))
			continue
		}
		if !ok && (t.source == 0 || d.layouts.list[p.layout].table.sequence) {
			continue // nothing tells an echo of such rows; a sequence that is ahead is not set back, and not logged
		}
		if before { // its echo may stand before the other stream's start
			d.count.Sides[s].Unjudged++
			d.suspectRow(w, c, d.causeNow(s, i))
			continue
		}
		if t := d.layouts.list[p.layout].table; slices.Contains(blocked, t) || d.obscured[t.name] {
			d.count.Sides[s].Explained++
			d.suspectRow(w, c, d.causeNow(s, i))
			continue
		}
		if !explained {
			d.suspectRow(w, c, d.causeNow(s, i))
		}
		switch {
		case one == 0:
			one = c
		case ok && !explained && len(others) < maxOthers:
			others = append(others, d.rowsOf(w, c)...)
		default:
			untold = true
		}
	}
	if !explained && !before && (one != 0 || t.flags&txnDDL != 0) {
		a := d.txnAct(w, i)
		f := Finding{Kind: MissingEcho, Possible: t.source == 0, Detail: "the other side's applier passed this transaction and logged nothing"}
		if one != 0 {
			a = d.act(w, one)
			f.Table = d.layouts.list[w.changes.at(one).layout].table.name
			f.Index, f.Key = a.KeyColumns, a.Key
		}
		if s == Old {
			f.Old = a
		} else {
			f.New = a
		}
		f.Others, f.Untold = others, untold
		f.ID = findingID(MissingEcho, a.Place.id(), s.String())
		d.emit(f)
	}
	d.leave(s, i)
}

// rowsOf names the row of a change by each of its keys.
func (d *Detector) rowsOf(w *window, c uint32) (out []Row) {
	_, _, rest := prints(w.data.get(w.changes.at(c).data))
	for len(rest) > 0 {
		var e entry
		if e, rest = nextEntry(rest); e.role&(roleBefore|roleAfter|roleTransit) != 0 {
			out = append(out, Row{d.namespaces[e.ns].Table, d.columnsOf(e.ns), values(e.tuple), d.namespaces[e.ns].Plain})
		}
	}
	return out
}

// fenceReached passes everything that stood before a fence of the other side.
// false: that fence has not been read there.
func (d *Detector) fenceReached(s Side, n uint64) bool {
	o := d.streams[s.Other()]
	at := slices.IndexFunc(o.fences, func(f fence) bool { return f.N == n })
	if at < 0 {
		return n <= o.voided
	}
	seq := o.fences[at].Seq
	o.fences = slices.Delete(o.fences, 0, at+1)
	for w := o.win; w.head != 0 && w.head != o.cur && w.txns.at(w.head).seq <= seq; {
		d.passed(s.Other(), w.head)
	}
	o.fenced = true
	if seq >= o.lost {
		o.lost = 0
	}
	o.sees(s.Other())
	return true
}

// gap handles a piece of a side's log that was not read.
func (d *Detector) gap(s Side, g Gap) {
	st, o := d.streams[s], d.streams[s.Other()]
	d.abort(s)
	f := Finding{Kind: Unjudged, Reason: ReasonGap, Detail: "not read from " + g.From.String() + " to " + g.To.String()}
	if g.Detail != "" {
		f.Detail += ": " + g.Detail
	}
	act := &Act{Place: Place{File: g.From.File}}
	if s == Old {
		f.Old = act
	} else {
		f.New = act
	}
	f.ID = findingID(Unjudged, string(f.Reason), s.String(), g.From.String(), g.To.String())
	d.emit(f)
	// Echoes of what is in the other window may stand in the gap.
	o.win.markGapped()
	o.blurred = g.Other
	if g.Reset { // no fence of this side says any more that what was there before has arrived
		st.win.markGapped()
		st.renumbered = true
		for _, f := range st.fences {
			st.voided = f.N
		}
		st.fences = nil
	}
	st.start, st.pos, st.fenced = g.To, g.To, false
	st.place = Place{File: g.To.File}
	st.blinds = append(st.blinds, Blind{Side: s, From: Place{File: g.From.File}, To: Place{File: g.To.File}, Gap: true})
}

// causeNow names a transaction whose echo is wrong, and the other side's stream
// at that moment.
func (d *Detector) causeNow(s Side, i uint32) (cause [2]uint64) {
	cause[s], cause[s.Other()] = d.streams[s].win.txns.at(i).seq, d.streams[s.Other()].seq
	return cause
}
