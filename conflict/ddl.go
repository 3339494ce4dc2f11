package conflict

import (
	"maps"
	"slices"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/binlog"
)

// ddl is a schema change in a window.
type ddl struct {
	Txn    uint32
	Text   binlog.DDL
	Met    []string // tables of which a race was found
	Void   []string // tables that it would have made had they not been there
	Made   []string // and those that it made, as they were not
	effect *binlog.Effect
}

// touches tells what a statement does to a table.
func (x *ddl) touches(full string) binlog.Touch {
	schema, table, ok := splitName(full)
	switch {
	case !ok:
		return binlog.Defines | binlog.Races
	case slices.Contains(x.Void, full):
		return 0
	case slices.Contains(x.Made, full):
		return binlog.Defines | binlog.Races | binlog.Renews | binlog.Empties
	}
	return x.read().Touches(schema, table)
}

// beside tells what a statement does to a table beside a statement of the other side: what made none, because it was
// there, makes it on a side where the other statement took it away before.
func (x *ddl) beside(o *ddl, full string) binlog.Touch {
	schema, table, _ := splitName(full)
	if slices.Contains(x.Void, full) && o.touches(full)&binlog.Defines != 0 && !o.read().Stands(schema, table) {
		return binlog.Defines
	}
	return x.touches(full)
}

func (x *ddl) read() *binlog.Effect {
	if x.effect == nil {
		e := x.Text.Effect()
		x.effect = &e
	}
	return x.effect
}

// ddlText notes the schema changes of an original.
func (d *Detector) ddlText(s Side, tx *binlog.Transaction) {
	st := d.streams[s]
	for _, text := range tx.DDL {
		t := st.win.txns.at(st.cur)
		t.content += xxh3.HashString(text.Statement) | 1
		if t.flags&txnDDL == 0 {
			t.flags |= txnDDL
			st.win.ddl++
		}
		if x := (&ddl{Txn: st.cur, Text: text}); !x.read().Nothing() {
			st.ddls = append(st.ddls, x)
			d.voids(s, x)
		}
	}
}

// voids notes which tables a statement made, of those that it would not if they were there: CREATE TABLE IF NOT EXISTS.
func (d *Detector) voids(s Side, x *ddl) {
	for name, t := range d.tables {
		switch {
		case x.touches(name) != binlog.Defines:
		case t.gone[s]:
			x.Made = append(x.Made, name)
		case t.defs[s] != nil:
			x.Void = append(x.Void, name)
		}
	}
}

// lives notes which tables are there behind the statements of a side's log, whoever made them first.
func (d *Detector) lives(s Side, tx *binlog.Transaction) {
	for _, text := range tx.DDL {
		effect := text.Effect()
		for name, t := range d.tables {
			if schema, table, ok := splitName(name); ok && effect.Touches(schema, table)&binlog.Defines != 0 {
				t.gone[s] = !effect.Stands(schema, table)
			}
		}
	}
}

// meetDDL looks for schema changes and rows of one table on both sides.
func (d *Detector) meetDDL(s Side, i uint32) {
	st, o := d.streams[s], d.streams[s.Other()]
	if len(o.ddls) > 0 {
		last, bits := ^uint32(0), uint32(0)
		var by *ddl
		for c := st.win.txns.at(i).first; c != 0; c = st.win.changes.at(c).next {
			if n := st.win.changes.at(c).layout; n != last {
				last, bits, by = n, 0, nil
				for _, x := range o.ddls {
					if table := d.layouts.list[n].table.name; d.race(s.Other(), x, table, c) {
						by, bits = x, bits|x.mark(table)
					}
				}
			}
			if by != nil {
				d.raced(s, c, by, bits)
			}
		}
	}
	if st.win.txns.at(i).flags&txnDDL == 0 {
		return
	}
	for _, x := range st.ddls {
		if x.Txn == i {
			d.raceRows(s, x)
			d.raceDDL(s, x)
		}
	}
}

// emptied marks a change beside which the other side took rows of the table away by a statement. It is the bit of a kind
// that no two changes make.
const emptied = 1 << MissingEcho

// mark is the bits of a row change beside a statement.
func (x *ddl) mark(table string) uint32 {
	if x.touches(table)&binlog.Empties != 0 {
		return 1<<DDLRace | emptied
	}
	return 1 << DDLRace
}

// emptiedBefore tells whether one of two changes is an update of a row that the other side's statement took away before
// the other change: it is no wonder that the row is on one side only. theirs was read before mine, of side s.
func (d *Detector) emptiedBefore(s Side, mine, theirs uint32) bool {
	w, o := d.streams[s].win, d.streams[s.Other()]
	cm, ct := w.changes.at(mine), o.win.changes.at(theirs)
	if ct.bits&emptied != 0 && binlog.Kind(ct.kind) == binlog.Update {
		return true
	}
	table, seq := d.layouts.list[cm.layout].table.name, o.win.txns.at(ct.txn).seq
	return binlog.Kind(cm.kind) == binlog.Update && slices.ContainsFunc(o.ddls, func(x *ddl) bool {
		return o.win.txns.at(x.Txn).seq < seq && x.touches(table)&binlog.Empties != 0
	})
}

// raced marks a row change beside a schema change: what becomes of it on the other side has a cause that is known.
func (d *Detector) raced(s Side, c uint32, by *ddl, bits uint32) {
	w := d.streams[s].win
	p := w.changes.at(c)
	p.bits |= bits
	var cause [2]uint64
	cause[s], cause[s.Other()] = w.txns.at(p.txn).seq, d.streams[s.Other()].win.txns.at(by.Txn).seq
	d.suspectRow(w, c, cause)
}

// raceRows finds the row changes of each table in the other window.
func (d *Detector) raceRows(s Side, x *ddl) {
	o := d.streams[s.Other()].win
	wanted := map[uint32]bool{}
	for n := range o.perTable {
		if x.touches(d.layouts.list[n].table.name)&binlog.Races != 0 {
			wanted[n] = true
		}
	}
	for i := o.head; i != 0 && len(wanted) > 0; i = o.txns.at(i).next {
		if o.txns.at(i).flags&txnOpen != 0 {
			continue
		}
		for c := o.txns.at(i).first; c != 0; c = o.changes.at(c).next {
			if n := o.changes.at(c).layout; wanted[n] {
				table := d.layouts.list[n].table.name
				d.race(s, x, table, c)
				d.raced(s.Other(), c, x, x.mark(table))
			}
		}
	}
}

// race reports a schema change of side s and a row change of the other side, the first of each table. It returns false
// if the one does not concern the other.
func (d *Detector) race(s Side, x *ddl, table string, c uint32) bool {
	if slices.Contains(x.Met, table) {
		return true
	}
	if x.touches(table)&binlog.Races == 0 {
		return false
	}
	x.Met = append(x.Met, table)
	o := d.streams[s.Other()].win
	var acts [2]*Act
	acts[s], acts[s.Other()] = d.txnAct(d.streams[s].win, x.Txn), d.act(o, c)
	d.emitRace(s, x, table, acts)
	return true
}

// raceDDL reports schema changes of one table on both sides.
func (d *Detector) raceDDL(s Side, x *ddl) {
	o := d.streams[s.Other()]
	for _, name := range slices.Sorted(maps.Keys(d.tables)) {
		for _, y := range o.ddls {
			mark := "ddl " + name
			a, b := x.beside(y, name), y.beside(x, name)
			if o.cur == y.Txn || a == 0 || b == 0 || (a|b)&(binlog.Defines|binlog.Renews) == 0 ||
				slices.Contains(x.Met, mark) || slices.Contains(y.Met, mark) {
				continue
			}
			x.Met, y.Met = append(x.Met, mark), append(y.Met, mark)
			var acts [2]*Act
			acts[s], acts[s.Other()] = d.txnAct(d.streams[s].win, x.Txn), d.txnAct(o.win, y.Txn)
			d.emitRace(Old, map[Side]*ddl{s: x, s.Other(): y}[Old], name, acts)
		}
	}
}

func (d *Detector) emitRace(s Side, x *ddl, table string, acts [2]*Act) {
	d.count.Pairs[DDLRace]++
	f := Finding{Kind: DDLRace, Table: table, Old: acts[Old], New: acts[New], Detail: s.String() + " ran " + x.read().Words, Untold: true}
	f.ID = findingID(DDLRace, table, acts[Old].Place.id(), acts[New].Place.id())
	d.emit(f)
}
