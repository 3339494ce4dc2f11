package conflict

import (
	"slices"
	"strings"

	"crosscheck/cluster/binlog"
)

// compareRow compares what an original and its echo say of one row, before and
// after the change. Fingerprints decide where both have one over the same columns;
// else the images do, by the columns that both know: a log may hold only what
// changed (MINIMAL), and a column may have come between the two.
func (d *Detector) compareRow(w *window, p *change, r *echoRow) (before, after Equality) {
	mine, theirs := d.layouts.list[p.layout], d.layouts.list[r.layout]
	same := mine.shape == theirs.shape
	b, a, _ := prints(w.data.get(p.data))
	before, after = comparePrints(b, r.before, same), comparePrints(a, r.after, same)
	var old, new binlog.Row
	if image := w.images.get(p.image); image != nil && (before == Unknown || after == Unknown) {
		old, new = readImages(image, len(mine.def.Columns))
	}
	kind := binlog.Kind(p.kind)
	switch {
	case (kind == binlog.Insert) != (r.kind == binlog.Insert):
		before = Different
	case kind == binlog.Insert:
		before = Equal // no row on either side
	case before == Unknown && r.first != nil:
		before = compareValues(mine, old, theirs, r.first.Before)
	}
	switch {
	case kind == binlog.Delete:
		after = Equal
	case r.kind == binlog.Delete:
		after = Different
	case after == Unknown && r.last != nil:
		after = compareValues(mine, new, theirs, r.last.After)
	}
	return before, after
}

// endsWhole tells whether both logs hold all shared columns of a row as it is after the change: one that holds only what was
// changed (MINIMAL) says nothing of the others, which may differ still.
func (d *Detector) endsWhole(w *window, p *change, r *echoRow) bool {
	if binlog.Kind(p.kind) == binlog.Delete {
		return true
	}
	mine, theirs := d.layouts.list[p.layout], d.layouts.list[r.layout]
	if _, a, _ := prints(w.data.get(p.data)); comparePrints(a, r.after, mine.shape == theirs.shape) == Equal {
		return true
	}
	image := w.images.get(p.image)
	if image == nil || r.last == nil || mine.table == nil {
		return false
	}
	_, new := readImages(image, len(mine.def.Columns))
	return !slices.ContainsFunc(mine.table.shared, func(name string) bool {
		i, j := mine.column(name), theirs.column(name)
		return i < 0 || j < 0 || i >= len(new) || j >= len(r.last.After) || !new[i].Known() || !r.last.After[j].Known()
	})
}

func comparePrints(a, b uint64, sameShape bool) Equality {
	switch {
	case a == 0 || b == 0 || !sameShape:
		return Unknown
	case a == b:
		return Equal
	}
	return Different
}

// compareValues compares the columns that both rows know and whose types can be
// compared.
func compareValues(a *layout, x binlog.Row, b *layout, y binlog.Row) Equality {
	if x == nil || y == nil || a.table == nil {
		return Unknown
	}
	verdict := Unknown
	for _, name := range a.table.shared {
		i, j := a.column(name), b.column(name)
		if i < 0 || j < 0 || i >= len(x) || j >= len(y) || !x[i].Known() || !y[j].Known() {
			continue
		}
		if !x[i].Equal(y[j]) {
			return Different
		}
		verdict = Equal
	}
	return verdict
}

// column is the place of a column, given in lower case, or -1.
func (l *layout) column(name string) int {
	return slices.IndexFunc(l.names, func(n string) bool { return strings.EqualFold(n, name) })
}

// sameRows tells whether an anonymous original and an echo, whose contents cannot
// be compared because a table changed between the two or a log holds only a part of
// the rows, concern the same rows.
func (d *Detector) sameRows(w *window, i uint32, e *echo) bool {
	if n := w.txns.at(i).rows; n == 0 || uint32(len(e.rows)) != n {
		return false
	}
	var mine, theirs []uint64
	for c := w.txns.at(i).first; c != 0; c = w.changes.at(c).next {
		p := w.changes.at(c)
		r, ok := rowEntry(w.data.get(p.data))
		if !ok || len(mine) == 0 && !d.incomparable(w, p, e) {
			return false // the first row decides: this is asked of every candidate
		}
		mine = append(mine, rowHash(r.ns, r.tuple))
	}
	for at := range e.rows {
		theirs = append(theirs, e.rows[at].hash)
	}
	slices.Sort(mine)
	slices.Sort(theirs)
	return slices.Equal(mine, theirs)
}

// incomparable tells whether a row's content says nothing about an echo's.
func (d *Detector) incomparable(w *window, p *change, e *echo) bool {
	l := d.layouts.list[p.layout]
	if _, after, _ := prints(w.data.get(p.data)); after == 0 && binlog.Kind(p.kind) != binlog.Delete {
		return true
	}
	for at := range e.rows {
		r := &e.rows[at]
		if o := d.layouts.list[r.layout]; o.table == l.table && (o.shape != l.shape || r.after == 0 && r.kind != binlog.Delete) {
			return true
		}
	}
	return false
}
