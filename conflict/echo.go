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
	ahead   bool           // of an anonymous one: its table has another key than the definitions say
	loose   bool           // it has rows of a table whose changes keep no order
	filled  bool           // there is anything in it
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
	if e.ahead && e.version == d.version && !st.orphan {
		return false
	}
	if again := e.ahead || e.ended && single && e.version != d.version; again || !e.ended {
		if again { // definitions came while it waited
			d.count.Sides[s].Echoed -= uint64(len(tx.Changes))
			*e = echo{id: e.id, filled: e.filled}
		} else {
			d.incidents(s, tx, true)
		}
		e.version = d.version
		e.filled = e.filled || len(tx.Changes)+len(tx.DDL)+len(tx.Incidents) > 0
		for i := range tx.Changes {
			d.echoRow(s, e, &tx.Changes[i], single)
		}
		for _, x := range tx.DDL {
			e.ddl += xxh3.HashString(x.Statement) | 1
		}
		if e.ahead = e.ahead && tx.Part == 0 && st.keyless != d.version; e.ahead {
			if !st.orphan {
				return false // as above; nothing names its original
			}
			e.ahead, st.keyless = false, d.version
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
	c, ok := l.current(c)
	if !ok {
		return
	}
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
		e.ahead = e.ahead || e.id.source == 0 && l.foreign()
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
	if i == 0 && !st.orphan {
		return false
	}
	if i == 0 && e.id.source == 0 {
		if !o.fenced {
			d.count.Sides[s].Foreign++
			return true // of a transaction before the start
		}
		i = d.matchCollided(s.Other(), e)
	}
	if i == 0 {
		d.count.Sides[s].Unjudged += uint64(len(e.rows))
		d.unjudgedAt(s, ReasonNoOriginal, "", "the other side's log holds no original of this echo", elsewhere(tx))
		return true
	}
	d.count.Sides[s].Echoes++
	if !e.filled && e.id.source != 0 {
		d.skipped(s.Other(), i)
		return true
	}
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

// skipped handles a transaction whose echo is empty: the applier skipped all of it, or somebody put its name there. The
// latter may have been done ahead of its turn, so nothing follows for those before it.
func (d *Detector) skipped(s Side, i uint32) {
	st := d.streams[s]
	if st.first == 0 {
		st.first = st.win.txns.at(i).seq
	}
	if st.win.txns.at(i).rows == 0 && !slices.ContainsFunc(st.ddls, func(x *ddl) bool { return x.Txn == i }) {
		d.leave(s, i) // a statement that touches no table
		return
	}
	d.passed(s, i)
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
