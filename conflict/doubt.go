package conflict

import (
	"slices"

	"crosscheck/cluster/binlog"
)

// Doubt is a row that may differ between the sides until it is checked again or
// a later change of it is seen to arrive.
type Doubt struct {
	Table   string
	Columns []string
	Key     []binlog.Value
	// Since are the ends of the two streams when it arose.
	Since [2]Place
	// Hash is the row in the detector's own memory, whatever becomes of its table's key meanwhile.
	Hash  uint64
	Plain bool // as Row.Plain
	// Stamp tells the states of a doubt apart, and the doubt from an earlier one of the row: it grows with each cause.
	Stamp uint64
}

// suspect is a row under doubt with its causes: per cause the number of the last
// transaction of each side that had a part in it. Only later transactions can be
// explained by it, and only later ones can show that the row is equal again; with
// that rule it does not matter how far one stream is ahead.
type suspect struct {
	Row    Doubt
	Causes [][2]uint64
	told   bool // in the list of fresh ones
}

const (
	maxSuspects = 1 << 17
	maxCauses   = 32
)

// suspectRow puts the row of a change under doubt.
func (d *Detector) suspectRow(w *window, c uint32, cause [2]uint64) {
	_, _, rest := prints(w.data.get(w.changes.at(c).data))
	for len(rest) > 0 {
		var e entry
		if e, rest = nextEntry(rest); e.role&(roleBefore|roleAfter|roleTransit) == 0 {
			continue
		}
		d.suspect(e.ns, e.tuple, cause)
	}
}

func (d *Detector) suspect(ns uint32, tuple []byte, cause [2]uint64) {
	h := rowHash(ns, tuple)
	x := d.suspects[h]
	if x == nil {
		if len(d.suspects) >= maxSuspects {
			d.count.Untracked++
			return
		}
		x = &suspect{Row: Doubt{
			Table: d.namespaces[ns].Table, Columns: d.columnsOf(ns), Key: values(tuple),
			Since: [2]Place{d.streams[Old].place, d.streams[New].place}, Hash: h, Plain: d.namespaces[ns].Plain,
		}}
		d.suspects[h] = x
	}
	d.stamp++
	x.Row.Stamp = d.stamp
	if !x.told {
		x.told = true
		d.fresh = append(d.fresh, x.Row)
	}
	switch {
	case slices.Contains(x.Causes, cause):
	case len(x.Causes) < maxCauses:
		x.Causes = append(x.Causes, cause)
	default:
		x.Causes[maxCauses-1] = cause
	}
}

// explains tells whether a row was under doubt when a side's transaction came.
func (d *Detector) explains(row uint64, s Side, seq uint64) bool {
	x := d.suspects[row]
	return x != nil && slices.ContainsFunc(x.Causes, func(c [2]uint64) bool { return c[s] < seq })
}

// explainsStart tells the same of the row that a change moved to another key.
func (d *Detector) explainsStart(w *window, p *change, s Side, seq uint64) bool {
	if len(d.suspects) == 0 || binlog.Kind(p.kind) != binlog.Update {
		return false
	}
	from, to := rowEntries(w.data.get(p.data))
	return from.role != 0 && string(from.tuple) != string(to.tuple) && d.explains(rowHash(from.ns, from.tuple), s, seq)
}

// clear takes the doubt off a row that a side's transaction showed to be equal.
func (d *Detector) clear(row uint64, s Side, seq uint64) {
	x := d.suspects[row]
	if x == nil {
		return
	}
	x.Causes = slices.DeleteFunc(x.Causes, func(c [2]uint64) bool { return c[s] < seq })
	if len(x.Causes) == 0 {
		delete(d.suspects, row)
		d.cleared = append(d.cleared, x.Row)
	}
}

// TakeDoubts returns the rows that came under doubt, or did so again, since the last call, to be checked again on both
// servers.
func (d *Detector) TakeDoubts() []Doubt {
	out := d.fresh
	d.fresh = nil
	for i := range out {
		if x := d.suspects[out[i].Hash]; x != nil {
			x.told = false
		}
	}
	return out
}

// TakeCleared returns the rows that a later change was seen to make equal since the last call; they may be under doubt again.
func (d *Detector) TakeCleared() []Doubt {
	out := d.cleared
	d.cleared = nil
	return out
}

// Doubts lists all rows under doubt, in no order.
func (d *Detector) Doubts() []Doubt {
	out := make([]Doubt, 0, len(d.suspects))
	for _, x := range d.suspects {
		out = append(out, x.Row)
	}
	return out
}

// Doubt returns a row's doubt as it is now; ok is false if there is none any more.
func (d *Detector) Doubt(x Doubt) (now Doubt, ok bool) {
	have := d.suspects[x.Hash]
	if have == nil {
		return x, false
	}
	return have.Row, true
}

// Row names the row.
func (x Doubt) Row() Row { return Row{x.Table, x.Columns, x.Key, x.Plain} }

// Settled takes the doubt off a row that a check found equal, unless it grew
// after Doubt gave x: the check may have been before that.
func (d *Detector) Settled(x Doubt) bool {
	now, ok := d.Doubt(x)
	if ok && now.Stamp != x.Stamp {
		return false
	}
	if ok {
		delete(d.suspects, x.Hash)
	}
	return true
}

// Rearm makes an unjudged finding that is made once, and that turned out not to be one, possible again.
func (d *Detector) Rearm(f Finding) { delete(d.once, f.ID) }
