package conflict

import (
	"maps"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/binlog"
)

// ddl is a schema change in a window.
type ddl struct {
	Txn       uint32
	Schema    string
	Statement string   // without comments
	Met       []string // tables of which a race was found
}

// ddlText notes the schema changes of an original.
func (d *Detector) ddlText(s Side, tx *binlog.Transaction) {
	st := d.streams[s]
	for _, x := range tx.DDL {
		t := st.win.txns.at(st.cur)
		t.content += xxh3.HashString(x.Statement) | 1
		if t.flags&txnDDL == 0 {
			t.flags |= txnDDL
			st.win.ddl++
		}
		if q := uncommented(x.Statement); !harmless(q) {
			st.ddls = append(st.ddls, &ddl{Txn: st.cur, Schema: x.Schema, Statement: q})
		}
	}
}

// meetDDL looks for schema changes and rows of one table on both sides.
func (d *Detector) meetDDL(s Side, i uint32) {
	st, o := d.streams[s], d.streams[s.Other()]
	if len(o.ddls) > 0 {
		last := ^uint32(0)
		var by *ddl
		for c := st.win.txns.at(i).first; c != 0; c = st.win.changes.at(c).next {
			if n := st.win.changes.at(c).layout; n != last {
				last, by = n, nil
				for _, x := range o.ddls {
					if d.race(s.Other(), x, d.layouts.list[n].table.name, c) {
						by = x
					}
				}
			}
			if by != nil {
				d.raced(s, c, by)
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

// raced marks a row change beside a schema change: what becomes of it on the other side has a cause that is known.
func (d *Detector) raced(s Side, c uint32, by *ddl) {
	w := d.streams[s].win
	p := w.changes.at(c)
	p.bits |= collided
	var cause [2]uint64
	cause[s], cause[s.Other()] = w.txns.at(p.txn).seq, d.streams[s.Other()].win.txns.at(by.Txn).seq
	d.suspectRow(w, c, cause)
}

// raceRows finds the row changes of each table in the other window.
func (d *Detector) raceRows(s Side, x *ddl) {
	o := d.streams[s.Other()].win
	wanted := map[uint32]bool{}
	for n := range o.perTable {
		if touches(x, d.layouts.list[n].table.name) {
			wanted[n] = true
		}
	}
	for i := o.head; i != 0 && len(wanted) > 0; i = o.txns.at(i).next {
		if o.txns.at(i).flags&txnOpen != 0 {
			continue
		}
		for c := o.txns.at(i).first; c != 0; c = o.changes.at(c).next {
			if n := o.changes.at(c).layout; wanted[n] {
				d.race(s, x, d.layouts.list[n].table.name, c)
				d.raced(s.Other(), c, x)
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
	if !touches(x, table) {
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
			if o.cur == y.Txn || !touches(x, name) || !touches(y, name) ||
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
	word, rest := firstWord(x.Statement)
	what, _ := firstWord(rest)
	f := Finding{Kind: DDLRace, Table: table, Old: acts[Old], New: acts[New], Detail: s.String() + " ran " + word + " " + what}
	f.ID = findingID(DDLRace, table, acts[Old].Place.id(), acts[New].Place.id())
	d.emit(f)
}

// harmless tells statements apart that change no table.
func harmless(q string) bool {
	word, rest := firstWord(q)
	what, _ := firstWord(rest)
	switch word {
	case "GRANT", "REVOKE", "FLUSH", "ANALYZE", "OPTIMIZE", "REPAIR", "SET":
		return true
	case "CREATE", "DROP", "ALTER":
		return what == "USER" || what == "ROLE" || word == "CREATE" && (what == "DATABASE" || what == "SCHEMA")
	}
	return false
}

// uncommented is a statement without its comments, whose quotes would be taken for those of the statement. What stands in
// version comments stays, as servers may execute it.
func uncommented(q string) string {
	var out strings.Builder
	for q != "" {
		switch {
		case q[0] == '\'' || q[0] == '"' || q[0] == '`':
			n := quotedEnd(q)
			out.WriteString(q[:n])
			q = q[n:]
			continue
		case strings.HasPrefix(q, "/*!"), strings.HasPrefix(q, "/*M!"):
			_, q, _ = strings.Cut(q, "!")
			q = strings.TrimLeft(q, "0123456789")
		case strings.HasPrefix(q, "*/"):
			q = q[2:]
		case strings.HasPrefix(q, "/*"):
			_, q, _ = strings.Cut(q[2:], "*/")
		case q[0] == '#', strings.HasPrefix(q, "-- "), strings.HasPrefix(q, "--\t"), strings.HasPrefix(q, "--\n"):
			_, q, _ = strings.Cut(q, "\n")
		default:
			out.WriteByte(q[0])
			q = q[1:]
			continue
		}
		out.WriteByte(' ')
	}
	return out.String()
}

// quotedEnd is where a quoted text at the beginning of q ends. A quote that nothing closes stands for itself.
func quotedEnd(q string) int {
	for i := 1; i < len(q); i++ {
		switch {
		case q[i] == q[0]:
			return i + 1
		case q[i] == '\\' && q[0] != '`':
			i++
		}
	}
	return 1
}

// firstWord skips spaces and returns a word in upper case.
func firstWord(q string) (word, rest string) {
	q = strings.TrimLeft(q, " \t\r\n;(")
	i := 0
	for i < len(q) && isNameByte(q[i]) {
		i++
	}
	return strings.ToUpper(q[:i]), q[i:]
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// touches tells whether a statement names a table, or its whole schema. The
// statement is not parsed: a column of the table's name counts, too.
func touches(x *ddl, full string) bool {
	schema, table, ok := splitName(full)
	if !ok {
		return true
	}
	_, rest := firstWord(x.Statement)
	what, _ := firstWord(rest)
	wholeSchema := what == "DATABASE" || what == "SCHEMA"
	qualifier, dot := "", false
	found := false
	eachName(x.Statement, func(name string, next byte) {
		in := x.Schema
		if dot {
			in = qualifier
		}
		if strings.EqualFold(name, table) && strings.EqualFold(in, schema) || wholeSchema && strings.EqualFold(name, schema) {
			found = true
		}
		qualifier, dot = name, next == '.'
	})
	return found
}

// eachName calls f for each identifier of a statement, and the byte after it.
// Quoted strings are no identifiers.
func eachName(q string, f func(name string, next byte)) {
	for i := 0; i < len(q); {
		start, end := i, i
		switch c := q[i]; {
		case c == '`' || c == '\'' || c == '"':
			n := quotedEnd(q[i:])
			start, end = i+1, i+n-1
			i += n
			if c == '\'' || n == 1 {
				continue
			}
		case isNameByte(c):
			for end < len(q) && isNameByte(q[end]) {
				end++
			}
			i = end
		default:
			i++
			continue
		}
		rest := strings.TrimLeft(q[i:], " \t\r\n")
		next := byte(0)
		if rest != "" {
			next = rest[0]
		}
		f(q[start:end], next)
	}
}
