package conflict

import (
	"bytes"
	"slices"
	"time"

	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// original takes a part of a transaction that was made on this side.
func (d *Detector) original(s Side, tx *binlog.Transaction) {
	st, o := d.streams[s], d.streams[s.Other()]
	// What the other side had applied before its stream began has no echo in it,
	// and everything that is read there was made knowing of it. After a gap the
	// same holds for the echo only.
	early := !st.renumbered && arrived(o.start, tx.Mark)
	if early && !o.hasGap() {
		return
	}
	if st.cur == 0 {
		id := d.identityOf(tx.Mark)
		st.seq++
		st.cur = st.win.open(txn{source: id.source, number: id.number, seq: st.seq, flags: txnOpen})
	}
	d.incidents(s, tx, false)
	for i := range tx.Changes {
		d.store(s, &tx.Changes[i], tx)
	}
	d.enforce()
	d.ddlText(s, tx)
	if !tx.Last {
		return
	}
	i := st.cur
	st.cur = 0
	t := st.win.txns.at(i)
	t.thread, t.commit = tx.ThreadID, tx.CommitTime.UnixMicro()
	t.pos = tx.Mark.File.Pos
	if t.pos > 0 {
		t.file = d.file(tx.Mark.File.File)
	}
	if t.source == 0 && !st.fenced {
		t.flags |= txnUnfenced
	}
	if early || t.source == 0 && st.isBlurred(tx.Position) {
		t.flags |= txnGapped
	}
	if t.rows == 0 && t.flags&(txnDDL|txnBlind) == 0 {
		st.win.close(i)
		st.raw = contents{}
		return
	}
	d.count.Sides[s].Transactions++
	if t.source == 0 {
		t.content += st.raw.sum
		t.contents = st.win.data.put(st.raw.bytes(), st.seq)
	}
	st.raw = contents{}
	t.flags &^= txnOpen
	d.meet(s, i)
}

// arrived tells whether a transaction's echo surely stands before a position.
// MariaDB's domains are compared only where the same server wrote to them last.
func arrived(start gtid.Position, m binlog.Mark) bool {
	if m.MySQL.Number > 0 {
		return start.MySQL.Has(m.MySQL)
	}
	last, ok := start.MariaDB.Last(m.MariaDB.Domain)
	return m.MariaDB.Seq > 0 && ok && last.Server == m.MariaDB.Server && last.Seq >= m.MariaDB.Seq
}

// isBlurred tells whether a transaction's echo may stand in a gap.
func (st *stream) isBlurred(end gtid.Position) bool {
	in, err := st.blurred.Contains(end)
	if err != nil || !in {
		st.blurred = gtid.Position{}
	}
	return err == nil && in
}

// hasGap tells whether a piece of the stream was not read, so that its start is
// not where the account began.
func (st *stream) hasGap() bool {
	return slices.ContainsFunc(st.blinds, func(b Blind) bool { return b.Gap })
}

// store puts a row change into the window.
func (d *Detector) store(s Side, c *binlog.Change, tx *binlog.Transaction) {
	st := d.streams[s]
	l := d.layoutOf(c.Def)
	c, ok := l.current(c)
	if !ok {
		return
	}
	if l.table != nil && l.table.sequence {
		d.keepSequence(st, l, c)
		return
	}
	d.count.Sides[s].Changes++
	if l.table == nil {
		d.count.Sides[s].Unjudged++
		d.unjudgedOnce(s, ReasonNoTable, fullName(c.Schema, c.Table), "", "the table's definition was not given", tx)
		return
	}
	switch {
	case l.misfit:
		d.count.Sides[s].Unjudged++
		d.unjudgedOnce(s, ReasonMisfit, l.table.name, "", "the log has other columns than the server shows: hidden ones, or those of another time", tx)
	case c.Uncertain:
		d.unjudgedOnce(s, ReasonUncertain, l.table.name, "", "decoded with a definition that may not be the one of that moment", tx)
	}
	x := &d.x
	x.extract(l, c)
	if st.win.txns.at(st.cur).source == 0 {
		st.raw.add(x, c.Kind)
	}
	d.keyless(s, l, c, tx)
	d.stepKey(s, l, c, tx)
	if st.win.txns.at(st.cur).flags&txnBlind != 0 {
		return
	}
	if d.merge(st, l, c) {
		d.count.Sides[s].Changes-- // the two count as one
		return
	}
	d.keep(st, l, c)
}

// keepSequence keeps a row of a sequence, so that its transaction is known to arrive and to meet schema changes. Servers
// apply such rows forwards only, each with its own step: two that say otherwise are no collision.
func (d *Detector) keepSequence(st *stream, l *layout, c *binlog.Change) {
	if st.win.txns.at(st.cur).flags&txnBlind != 0 {
		return
	}
	d.x.extract(l, c)
	if st.win.txns.at(st.cur).source == 0 {
		st.raw.add(&d.x, c.Kind)
	}
	d.keep(st, l, c)
}

// keep stores what the extractor holds as a new change of the open transaction.
func (d *Detector) keep(st *stream, l *layout, c *binlog.Change) {
	n := st.win.add(st.cur, change{layout: l.id})
	d.fill(st, n, c)
}

// fill gives a change its content.
func (d *Detector) fill(st *stream, n uint32, c *binlog.Change) {
	w := st.win
	rec := w.changes.at(n)
	rec.kind, rec.data = uint8(c.Kind), w.data.put(d.x.data, st.seq)
	if rec.data == 0 {
		d.goBlind(st, st.cur)
		return
	}
	d.x.row = appendImages(d.x.row[:0], c)
	rec.image = w.images.put(d.x.row, st.seq)
	w.link(n, d.x.hashes)
}

// keyless reports what cannot be judged because of its keys.
func (d *Detector) keyless(s Side, l *layout, c *binlog.Change, tx *binlog.Transaction) {
	x := &d.x
	switch {
	case l.misfit: // told already
	case x.partial && l.absent:
		d.count.Sides[s].Unjudged++
		if l.table.lacking[s] == nil {
			l.table.lacking[s] = placeOnly(tx)
		}
	case x.partial && opaqueKey(l, c):
		d.count.Sides[s].Unjudged++
		d.unjudgedOnce(s, ReasonCharset, l.table.name, "", "a key's text is in a character set that cannot be read from the log", tx)
	case x.partial:
		d.count.Sides[s].Unjudged++
		d.unjudgedOnce(s, ReasonImage, l.table.name, "", "a row image lacks a part of a key", tx)
	case !l.table.hasID:
		d.count.Sides[s].Unjudged++
		d.unjudgedOnce(s, ReasonNoKey, l.table.name, "", "no primary or non-null unique key tells its rows apart", tx)
	}
	if l.table.expression != "" && c.Kind != binlog.Delete {
		d.count.Sides[s].Unjudged++
		d.unjudgedOnce(s, ReasonExpression, l.table.name, l.table.expression, "unique key "+l.table.expression+" has an expression", tx)
	}
}

// opaqueKey tells whether a value of a key is there and cannot be read.
func opaqueKey(l *layout, c *binlog.Change) bool {
	return slices.ContainsFunc(l.keys, func(k keyPlan) bool {
		return slices.ContainsFunc(k.columns, func(at int) bool {
			opaque := func(row binlog.Row) bool { return at >= 0 && at < len(row) && row[at].State == binlog.Opaque }
			return opaque(c.Before) || opaque(c.After)
		})
	})
}

// placeOnly is what a finding needs of a transaction.
func placeOnly(tx *binlog.Transaction) *binlog.Transaction {
	return &binlog.Transaction{GTID: tx.GTID, Mark: tx.Mark, ThreadID: tx.ThreadID, CommitTime: tx.CommitTime}
}

// elsewhere is what a finding needs of a transaction that another server made: a thread's number means nothing here.
func elsewhere(tx *binlog.Transaction) *binlog.Transaction {
	out := placeOnly(tx)
	out.ThreadID = 0
	return out
}

// settleLacking reports a row that lacks columns of a key if, now that a replicated
// row of the table was read on the other side with that side's definition, the
// definitions still differ.
func (d *Detector) settleLacking(origin Side, t *table) {
	tx := t.lacking[origin]
	t.lacking[origin] = nil
	def := t.defs[origin]
	if def == nil {
		return
	}
	for _, k := range t.keys {
		for _, c := range k.columns {
			if def.Column(c) == nil {
				d.unjudgedOnce(origin, ReasonImage, t.name, "", "the table lacks a column of a key of the other side", tx)
				return
			}
		}
	}
}

// merge makes one change of two changes of one row in one transaction. It
// returns false where the new one stays apart.
func (d *Detector) merge(st *stream, l *layout, c *binlog.Change) bool {
	if !d.x.identity {
		return false
	}
	w := st.win
	n := d.sameRow(st, c)
	if n == 0 || w.changes.at(n).layout != l.id {
		return false
	}
	p := w.changes.at(n)
	kind, ok := net(binlog.Kind(p.kind), c.Kind)
	image := w.images.get(p.image)
	if !ok || image == nil {
		return false
	}
	before, _ := readImages(image, len(l.def.Columns))
	m := binlog.Change{Schema: c.Schema, Table: c.Table, Def: c.Def, Kind: kind, Before: before, After: c.After}
	d.between = append(append(d.between[:0], w.data.get(p.data)...), d.x.data...)
	first := len(w.data.get(p.data))
	w.empty(p)
	d.x.extract(l, &m)
	d.x.transits(l, &m, d.between[:first], d.between[first:])
	d.fill(st, n, &m)
	return true
}

// net is the one operation that two on a row come to. An insert and a delete
// stay two: an applier that overwrites feels both.
func net(first, second binlog.Kind) (binlog.Kind, bool) {
	switch {
	case first == binlog.Insert && second == binlog.Update:
		return binlog.Insert, true
	case first == binlog.Update && second == binlog.Update, first == binlog.Delete && second == binlog.Insert:
		return binlog.Update, true
	case first == binlog.Update && second == binlog.Delete:
		return binlog.Delete, true
	}
	return 0, false
}

// sameRow finds the newest change of the open transaction if it left the row as
// the change in the extractor finds it; else 0.
func (d *Detector) sameRow(st *stream, c *binlog.Change) uint32 {
	w := st.win
	_, _, rest := prints(d.x.data)
	e, _ := nextEntry(rest) // the row's own key comes first
	first := w.keys.first(d.x.hashes[0])
	if first == 0 || c.Kind != binlog.Insert && e.role&roleBefore == 0 {
		return 0
	}
	n := w.keys.at(w.keys.at(first).prev) // the newest of that hash
	p := w.changes.at(n.change)
	if p.txn != st.cur {
		return 0
	}
	have := entryAt(w.data.get(p.data), n.entry)
	want := roleAfter
	if c.Kind == binlog.Insert {
		want = roleBefore
		if binlog.Kind(p.kind) != binlog.Delete {
			return 0
		}
	}
	if have.ns != e.ns || have.role&want == 0 || string(have.tuple) != string(e.tuple) {
		return 0
	}
	return n.change
}

// act materialises one side's part.
func (d *Detector) act(w *window, c uint32) *Act {
	p := w.changes.at(c)
	a := d.txnAct(w, p.txn)
	l := d.layouts.list[p.layout]
	a.Table, a.Op, a.Columns = l.table.name, binlog.Kind(p.kind), l.names
	if image := w.images.get(p.image); image != nil {
		a.Before, a.After = readImages(image, len(l.def.Columns))
	} else {
		a.Dropped = true
	}
	if e, ok := rowEntry(w.data.get(p.data)); ok && len(l.keys) > 0 && l.keys[0].roles == classRow {
		a.KeyColumns, a.Key = d.namespaces[e.ns].Columns, values(e.tuple)
		a.PlainKey, a.OtherKeys = d.namespaces[e.ns].Plain, otherKeys(w.data.get(p.data), e)
	}
	return a
}

// otherKeys are the keys of the row's own besides the one after its change.
func otherKeys(data []byte, own entry) (out [][]binlog.Value) {
	_, _, rest := prints(data)
	for len(rest) > 0 {
		var e entry
		if e, rest = nextEntry(rest); e.role&(roleBefore|roleAfter|roleTransit) != 0 && !bytes.Equal(e.tuple, own.tuple) {
			out = append(out, values(e.tuple))
		}
	}
	return out
}

func (d *Detector) txnAct(w *window, i uint32) *Act {
	t := w.txns.at(i)
	return &Act{Place: d.placeOf(t), Thread: t.thread, CommitTime: time.UnixMicro(t.commit).UTC()}
}

// rowEntry is the entry of the row's own key, after the change where there is one.
func rowEntry(data []byte) (found entry, ok bool) {
	_, found = rowEntries(data)
	return found, found.role != 0
}

// rowEntries are the entries of the row's own key before and after the change;
// both are the same unless the key was changed.
func rowEntries(data []byte) (before, after entry) {
	_, _, rest := prints(data)
	for len(rest) > 0 {
		var e entry
		if e, rest = nextEntry(rest); e.role&(roleBefore|roleAfter) == 0 {
			break
		}
		if before.role == 0 {
			before = e
		}
		after = e
	}
	return before, after
}

// columnsOf copies a namespace's columns for a finding.
func (d *Detector) columnsOf(ns uint32) []string { return slices.Clone(d.namespaces[ns].Columns) }
