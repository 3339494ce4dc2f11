package conflict

import (
	"slices"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/binlog"
)

// echo is what is kept of a replicated transaction until its last part has come
// and its original has been found.
type echo struct {
	id      identity
	ended   bool
	rows    []echoRow
	byRow   map[uint64]int // the newest row of a key while it is assembled, then the first that is not met
	ddl     uint64         // hash of its statements, 0 none
	raw     contents       // of an anonymous one
	scanned uint64         // originals up to this number do not fit
	version uint64         // of the definitions by which the rows were read
	vague   bool           // some of its rows could not be read
	loose   bool           // it has rows of a table whose changes keep no order
}

// echoRow is the net effect of an echo on a row.
type echoRow struct {
	hash          uint64 // of the row's key, after the change where there is one
	start         uint64 // of the row's key before it
	before, after uint64 // fingerprints; 0 unknown or none
	kind          binlog.Kind
	layout        uint32
	tuple, from   []byte         // of the row's key after and before
	first, last   *binlog.Change // only of an echo in one part
	met           bool
	next          int // row of the same key, 0 none
}

// echoed takes a part of an echo. false: its original has not come.
func (d *Detector) echoed(s Side, tx *binlog.Transaction) bool {
	st := d.streams[s]
	if st.echo == nil {
		st.echo = &echo{id: d.identityOf(tx.Mark)}
	}
	e := st.echo
	single := tx.Part == 0 && tx.Last
	if tx.Part == 0 && !e.ended && e.id.source != 0 && !st.orphan && !d.originalRead(s, e.id, tx.Mark) {
		return false // definitions that the rows need may stand before the original
	}
	if again := e.ended && single && e.version != d.version; again || !e.ended {
		if again { // definitions came while it waited
			d.count.Sides[s].Echoed -= uint64(len(tx.Changes))
			*e = echo{id: e.id}
		} else {
			d.incidents(s, tx, true)
		}
		e.version = d.version
		for i := range tx.Changes {
			d.echoRow(s, e, &tx.Changes[i], single)
		}
		for _, x := range tx.DDL {
			e.ddl += xxh3.HashString(x.Statement) | 1
		}
	}
	if !tx.Last {
		return true
	}
	if !e.ended {
		e.ended = true
		e.link()
	}
	done := d.match(s, e, tx)
	if done {
		st.echo = nil
	}
	return done
}

// echoRow adds a row change of an echo.
func (d *Detector) echoRow(s Side, e *echo, c *binlog.Change, single bool) {
	l := d.layoutOf(c.Def)
	d.count.Sides[s].Echoed++
	if l.table != nil && l.table.lacking[s.Other()] != nil {
		d.settleLacking(s.Other(), l.table)
	}
	if l.table == nil {
		return
	}
	if e.loose = e.loose || !l.ordered; !l.table.hasID {
		return
	}
	x := &d.x
	x.extract(l, c)
	if !x.identity {
		e.vague = true
		return
	}
	if e.id.source == 0 {
		e.raw.add(x, c.Kind)
	}
	_, _, rest := prints(x.data)
	first, rest := nextEntry(rest)
	r := echoRow{start: rowHash(first.ns, first.tuple), hash: x.rowHash, before: x.before, after: x.after, kind: c.Kind, layout: l.id}
	last := first
	if first.role == roleBefore && len(rest) > 0 {
		if next, _ := nextEntry(rest); next.role == roleAfter {
			last = next
		}
	}
	r.tuple, r.from = append([]byte{}, last.tuple...), append([]byte{}, first.tuple...)
	if single {
		r.first, r.last = c, c
	}
	if e.byRow == nil {
		e.byRow = map[uint64]int{}
	}
	if i, ok := e.byRow[r.start]; ok { // the same row again
		have := &e.rows[i]
		if kind, ok := net(have.kind, r.kind); ok {
			delete(e.byRow, r.start)
			have.kind, have.hash, have.after, have.last, have.tuple = kind, r.hash, r.after, r.last, r.tuple
			if kind == binlog.Delete { // what is gone is the row as it was at first
				have.hash, have.tuple = have.start, have.from
			}
			e.byRow[have.hash] = i
			return
		}
	}
	e.byRow[r.hash] = len(e.rows)
	e.rows = append(e.rows, r)
}

// link makes byRow lead to the rows of a key in their order.
func (e *echo) link() {
	clear(e.byRow)
	for i := len(e.rows) - 1; i >= 0; i-- {
		if n, ok := e.byRow[e.rows[i].hash]; ok {
			e.rows[i].next = n
		}
		e.byRow[e.rows[i].hash] = i
	}
}

// take is the next row of a key.
func (e *echo) take(hash uint64) (at int, ok bool) {
	if at, ok = e.byRow[hash]; !ok {
		return 0, false
	}
	e.rows[at].met = true
	if n := e.rows[at].next; n > 0 {
		e.byRow[hash] = n
	} else {
		delete(e.byRow, hash)
	}
	return at, true
}

// match finds the original of a complete echo and compares the two. false: the
// original has not been read.
func (d *Detector) match(s Side, e *echo, tx *binlog.Transaction) bool {
	st, o := d.streams[s], d.streams[s.Other()]
	var i uint32
	switch {
	case e.id.source != 0:
		if i = o.win.find(e.id); i != 0 && o.cur == i {
			return false // its last part has not come
		}
		if i == 0 {
			if d.hasRead(o, e.id, tx.Mark) {
				return true // read before, with nothing to keep, or made before the start
			}
		}
	case len(e.rows) == 0 && e.ddl == 0:
		return true
	default:
		i = d.matchContent(s.Other(), e)
	}
	if i == 0 {
		if !st.orphan {
			return false
		}
		if e.id.source == 0 && !o.fenced {
			d.count.Sides[s].Foreign++
			return true // of a transaction before the start
		}
		d.count.Sides[s].Unjudged += uint64(len(e.rows))
		d.unjudgedAt(s, ReasonNoOriginal, "", "the other side's log holds no original of this echo", tx)
		return true
	}
	d.count.Sides[s].Echoes++
	// Without GTIDs, and with positions that are not of one moment, an echo of what was made before the start may have been
	// taken for a later one's with the same rows: it passes nothing.
	if d.cfg.InOrder[s] && !e.loose && (e.id.source != 0 || o.fenced || !d.cfg.Apart) {
		d.passBefore(s.Other(), i)
		if o.win.txns.at(i).seq > o.lost {
			o.lost = 0
		}
	}
	if o.first == 0 {
		o.first = o.win.txns.at(i).seq
	}
	d.compareEcho(s, e, i, tx)
	d.leave(s.Other(), i)
	return true
}

// originalRead tells whether the original of a named echo was read completely.
func (d *Detector) originalRead(s Side, id identity, m binlog.Mark) bool {
	o := d.streams[s.Other()]
	if i := o.win.find(id); i != 0 {
		return o.cur != i
	}
	return d.hasRead(o, id, m)
}

// hasRead tells whether a stream is past a transaction of that name. MariaDB's
// numbers rise per server; what came before the start is known by domain only.
func (d *Detector) hasRead(o *stream, id identity, m binlog.Mark) bool {
	if m.MySQL.Number > 0 {
		return o.pos.MySQL.Has(m.MySQL)
	}
	last, ok := o.start.MariaDB.Last(m.MariaDB.Domain)
	return o.read[id.source] >= id.number || ok && last.Seq >= m.MariaDB.Seq
}

// leave takes a transaction out of its window.
func (d *Detector) leave(s Side, i uint32) {
	st := d.streams[s]
	t := st.win.txns.at(i)
	if i == st.win.head {
		st.through = d.placeOf(t)
	}
	if t.flags&txnDDL != 0 {
		st.dropDDL(i)
	}
	st.win.close(i)
	if st.win.count == 0 {
		st.through = st.place
	}
	st.sees(s)
}

// compareEcho compares an echo with its original, row by row. What a collision
// explains is no finding of its own.
func (d *Detector) compareEcho(s Side, e *echo, i uint32, tx *binlog.Transaction) {
	w := d.streams[s.Other()].win
	n := &d.count.Sides[s.Other()]
	blocked := d.blocked(w, i)
	for c := w.txns.at(i).first; c != 0; c = w.changes.at(c).next {
		p := w.changes.at(c)
		r, ok := rowEntry(w.data.get(p.data))
		if !ok {
			continue
		}
		hash := rowHash(r.ns, r.tuple)
		at, found := e.take(hash)
		if !found && e.vague {
			n.Unjudged++
			continue
		}
		explained := p.bits != 0 || d.explains(hash, s.Other(), w.txns.at(i).seq)
		if !explained && slices.Contains(blocked, d.layouts.list[p.layout].table) {
			explained = true
			if !found || d.differs(w, p, &e.rows[at]) {
				d.suspectRow(w, c, d.causeNow(s.Other(), i))
			}
		}
		if !found {
			d.mismatch(s, e, i, c, nil, explained, "the row is missing in the echo", tx)
			continue
		}
		before, after := d.compareRow(w, p, &e.rows[at])
		switch {
		case before == Different:
			d.mismatch(s, e, i, c, &e.rows[at], explained, "the replica's row was another before the change", tx)
		case after == Different:
			d.mismatch(s, e, i, c, &e.rows[at], explained, "the change had another result on the replica", tx)
		case before == Unknown || after == Unknown:
			n.Unjudged++
		default:
			n.Verified++
		}
		if p.bits == 0 && after == Equal {
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
		if !r.met && !collided {
			d.mismatch(s, e, i, 0, r, false, "the echo changed a row that its original did not", tx)
		}
	}
}

// mismatch reports a row whose echo differs, or notes that it is explained.
func (d *Detector) mismatch(s Side, e *echo, i, c uint32, r *echoRow, explained bool, why string, tx *binlog.Transaction) {
	o := d.streams[s.Other()]
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
	acts[s] = &Act{Place: Place{File: tx.Mark.File, GTID: tx.GTID}, Thread: tx.ThreadID, CommitTime: tx.CommitTime}
	if r != nil {
		l := d.layouts.list[r.layout]
		f.Table = l.table.name
		if f.Key == nil {
			f.Index, f.Key = d.columnsOf(l.keys[0].ns), values(r.tuple)
			d.suspect(l.keys[0].ns, r.tuple, d.causeNow(s.Other(), i))
		}
		a := acts[s]
		a.Table, a.Op, a.Columns = f.Table, r.kind, l.names
		a.KeyColumns, a.Key, a.Dropped = f.Index, f.Key, r.first == nil
		if r.first != nil {
			a.Before, a.After = r.first.Before.Clone(), r.last.After.Clone()
		}
	}
	f.Old, f.New = acts[Old], acts[New]
	f.ID = findingID(EchoMismatch, f.Table, joined(f.Key), acts[s.Other()].Place.id(), acts[s.Other()].Op.String(), acts[s].Op.String(), s.String())
	d.emit(f)
}

// passBefore takes all transactions before i out of the window: the applier has
// passed them without an echo.
func (d *Detector) passBefore(s Side, i uint32) {
	w := d.streams[s].win
	for w.head != i {
		d.passed(s, w.head)
	}
}

// passed handles one transaction that was passed without an echo.
func (d *Detector) passed(s Side, i uint32) {
	w := d.streams[s].win
	t := w.txns.at(i)
	explained := t.flags&(txnBlind|txnGapped) != 0
	one := uint32(0)
	blocked := d.blocked(w, i)
	before := d.cfg.Apart && t.source == 0 && t.flags&txnUnfenced != 0 &&
		(d.streams[s].first == 0 || t.seq < d.streams[s].first)
	for c := t.first; c != 0; c = w.changes.at(c).next {
		p := w.changes.at(c)
		r, ok := rowEntry(w.data.get(p.data))
		if p.bits != 0 || ok && d.explains(rowHash(r.ns, r.tuple), s, t.seq) {
			d.count.Sides[s].Explained++
			continue
		}
		if !ok && t.source == 0 {
			continue // nothing tells an echo of such rows
		}
		if before { // its echo may stand before the other stream's start
			d.count.Sides[s].Unjudged++
			d.suspectRow(w, c, d.causeNow(s, i))
			continue
		}
		if slices.Contains(blocked, d.layouts.list[p.layout].table) {
			d.count.Sides[s].Explained++
			d.suspectRow(w, c, d.causeNow(s, i))
			continue
		}
		if one == 0 {
			one = c
		}
		if !explained {
			d.suspectRow(w, c, d.causeNow(s, i))
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
		f.ID = findingID(MissingEcho, a.Place.id(), s.String())
		d.emit(f)
	}
	d.leave(s, i)
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
