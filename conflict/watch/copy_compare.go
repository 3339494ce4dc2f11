package watch

import (
	"fmt"
	"slices"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
)

// compare holds what a copy logged of a transaction against what its writer did. One of the two may be empty.
func (c *followed) compare(w, r *logged) {
	if len(c.mem.Doubts) == 0 && slices.EqualFunc(w.Parts, r.Parts, func(a, b part) bool { return a == b && a.Odd == "" }) {
		c.mem.Verified += uint64(w.rows())
		return
	}
	var tables []string
	for _, l := range []*logged{w, r} {
		for i := range l.Parts {
			if t := l.Parts[i].Table; t != "" && !slices.Contains(tables, t) {
				tables = append(tables, t)
			}
		}
	}
	for _, t := range tables {
		c.compareTable(t, w, r)
	}
	c.compareStatements(w, r)
}

// of are the parts of a transaction about a table.
func (l *logged) of(table string) []part {
	var out []part
	for i := range l.Parts {
		if l.Parts[i].Table == table {
			out = append(out, l.Parts[i])
		}
	}
	slices.SortFunc(out, func(a, b part) int {
		if a.Layout < b.Layout {
			return -1
		}
		return 1
	})
	return out
}

func (c *followed) compareTable(table string, w, r *logged) {
	a, b := w.of(table), r.of(table)
	rows := 0
	for _, p := range a {
		rows += p.Rows
	}
	if odd := oddOf(a, b); odd != "" {
		c.unverified(table, odd+", in "+nameOf(w, r))
		return
	}
	if slices.EqualFunc(a, b, func(x, y part) bool { return x.Layout == y.Layout && x.Rows == y.Rows && x.Sum == y.Sum }) {
		c.mem.Verified += uint64(rows)
		c.heal(table, w)
		return
	}
	if len(a) > 0 && len(b) > 0 && !slices.EqualFunc(a, b, func(x, y part) bool { return x.Layout == y.Layout }) {
		c.unverified(table, "its columns have other types there, in "+nameOf(w, r))
		return
	}
	c.differ(table, w, r, a, b)
}

func oddOf(lists ...[]part) string {
	for _, list := range lists {
		for _, p := range list {
			if p.Odd != "" {
				return p.Odd
			}
		}
	}
	return ""
}

func nameOf(w, r *logged) string {
	if w.GTID == "" && w.mark.File.IsZero() {
		return r.name()
	}
	return w.name()
}

// compareStatements compares what is no change of rows.
func (c *followed) compareStatements(w, r *logged) {
	left := r.of("")
	for _, p := range w.of("") {
		at := slices.IndexFunc(left, func(q part) bool { return q.Statement == p.Statement && q.Sum == p.Sum && q.Odd == p.Odd })
		if at >= 0 {
			left = slices.Delete(left, at, at+1)
		}
		switch {
		case p.Odd != "":
			c.doubt(CopyDoubt{What: p.Odd, Tx: nameOf(w, r)})
		case at < 0:
			c.doubt(CopyDoubt{What: "missing: " + p.Statement, Tx: nameOf(w, r)})
		}
	}
	for _, p := range left {
		what := "extra: " + p.Statement
		if p.Odd != "" {
			what = p.Odd
		}
		c.doubt(CopyDoubt{What: what, Tx: nameOf(w, r)})
	}
}

// differ names the rows of a table in which two logs differ, as far as they are at hand.
func (c *followed) differ(table string, w, r *logged, a, b []part) {
	rows := 0
	for _, p := range slices.Concat(a, b) {
		rows = max(rows, p.Rows)
	}
	tx := nameOf(w, r)
	mine, theirs, ok := rowsLeft(c.kin.tables[table], table, w, r)
	if !ok {
		what := "differs"
		switch {
		case len(b) == 0:
			what = "missing"
		case len(a) == 0:
			what = "extra"
		}
		c.doubt(CopyDoubt{Table: table, What: what, Tx: tx, Rows: rows})
		return
	}
	def := c.kin.tables[table]
	doubt := func(what string, changes ...*binlog.Change) {
		for _, x := range changes {
			columns, keys, _ := rowKeys(def, x)
			for _, key := range keys {
				c.doubt(CopyDoubt{Table: table, Columns: columns, Key: key, What: what, Tx: tx, Rows: 1})
			}
		}
	}
	for _, x := range mine {
		_, keys, _ := rowKeys(def, x)
		at := slices.IndexFunc(theirs, func(y *binlog.Change) bool {
			_, others, _ := rowKeys(def, y)
			return y.Kind == x.Kind && slices.Equal(keys[0], others[0])
		})
		if at < 0 {
			doubt("missing", x)
			continue
		}
		y := theirs[at]
		theirs = slices.Delete(theirs, at, at+1)
		if rowEqual(x.Before, y.Before) && rowEqual(x.After, y.After) {
			c.mem.Verified++
			continue
		}
		doubt("differs", x, y)
	}
	doubt("extra", theirs...)
	same := 0
	for _, p := range a {
		same += p.Rows
	}
	c.mem.Verified += uint64(max(same-len(mine), 0))
}

// rowsLeft are the changes of a table that only one of two logs has, decoded; ok is false where they are not at hand.
func rowsLeft(known *cluster.Table, table string, w, r *logged) (mine, theirs []*binlog.Change, ok bool) {
	if len(w.of(table)) > 0 && w.changes == nil || len(r.of(table)) > 0 && r.changes == nil {
		return nil, nil, false
	}
	of := func(l *logged) []*binlog.Change {
		var out []*binlog.Change
		for i := range l.changes {
			x := &l.changes[i]
			if fullName(binlog.TableName{Schema: x.Schema, Table: x.Table}) == table {
				out = append(out, x)
			}
		}
		return out
	}
	theirs = of(r)
	var def *binlog.Table
	for _, x := range of(w) {
		def = x.Def
		if at := slices.IndexFunc(theirs, func(y *binlog.Change) bool { return y.Sum == x.Sum }); at >= 0 {
			theirs = slices.Delete(theirs, at, at+1)
		} else {
			mine = append(mine, x)
		}
	}
	if def == nil && known != nil {
		def = binlog.TableOf(known)
	}
	for _, y := range theirs {
		if y.Decode(def) != nil {
			return nil, nil, false
		}
	}
	return mine, theirs, true
}

// rowKeys are the keys under which a change touches a row: as it was before, and as it is after where the key changed. sure tells
// that no two rows of the table can have one. A table without such a key has all columns as one, cut to be shown.
func rowKeys(def *cluster.Table, x *binlog.Change) (columns []string, keys [][]string, sure bool) {
	if def != nil {
		if k := rowKey(def); k != nil {
			columns, keys, sure = keysOf(k, x)
		}
	}
	if len(keys) > 0 {
		return columns, keys, sure
	}
	row := x.Before
	if row == nil {
		row = x.After
	}
	var key []string
	for i, v := range row {
		columns, key = append(columns, x.Def.Columns[i].Name), append(key, fmt.Sprintf("%.60s", v.String()))
	}
	return columns, [][]string{key}, false
}

// keysOf are a change's values of a key; sure tells that none is NULL, which a unique key takes of any number of rows.
func keysOf(k *cluster.Key, x *binlog.Change) (columns []string, keys [][]string, sure bool) {
	for i := range k.Parts {
		columns = append(columns, k.Parts[i].Column)
	}
	sure = !k.Overlaps
	for _, row := range []binlog.Row{x.Before, x.After} {
		if row == nil {
			continue
		}
		tuple, ok := binlog.KeyTuple(x.Def, k, row)
		if !ok && len(keys) > 0 { // the log leaves out what did not change
			return columns, keys, false
		}
		if !ok {
			return nil, nil, false
		}
		var key []string
		for _, v := range tuple {
			key, sure = append(key, v.String()), sure && !v.IsNull()
		}
		if len(keys) == 0 || !slices.Equal(keys[0], key) {
			keys = append(keys, key)
		}
	}
	return columns, keys, sure
}

// rowKey is the key that names a row: the primary one, or else the first that is unique.
func rowKey(t *cluster.Table) *cluster.Key {
	var out *cluster.Key
	for i := range t.Keys {
		switch k := &t.Keys[i]; {
		case k.Primary:
			return k
		case k.Unique && out == nil:
			out = k
		}
	}
	return out
}

func rowEqual(a, b binlog.Row) bool {
	return slices.EqualFunc(a, b, binlog.Value.Equal)
}

// heal takes rows from under doubt of which a change was seen to arrive as it was made: a copy logs what it held before. That
// proves of each key of the change what is there now, and of no other: a row that no key names stays under doubt.
func (c *followed) heal(table string, w *logged) {
	named := func(d CopyDoubt) bool { return d.Table == table && d.Key != nil }
	if !slices.ContainsFunc(c.mem.Doubts, named) {
		return
	}
	def := c.kin.tables[table]
	for i := range w.changes {
		x := &w.changes[i]
		if def == nil || x.Partial || fullName(binlog.TableName{Schema: x.Schema, Table: x.Table}) != table {
			continue
		}
		columns, keys, sure := rowKeys(def, x)
		if !sure {
			continue
		}
		c.mem.Doubts = slices.DeleteFunc(c.mem.Doubts, func(d CopyDoubt) bool {
			return named(d) && slices.Equal(d.Columns, columns) && slices.ContainsFunc(keys, func(key []string) bool { return slices.Equal(d.Key, key) })
		})
	}
}
