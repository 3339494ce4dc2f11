package preflight

import (
	"fmt"
	"math"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// step is which numbers a side generates: offset, offset+increment, …
type step struct{ increment, offset int64 }

func stepOf(s *inspect.Side) step {
	return step{max(number(s, "auto_increment_increment"), 1), max(number(s, "auto_increment_offset"), 1)}
}

// effective is the step that the server really uses: an offset beyond the
// increment is ignored.
func (s step) effective() step {
	if s.offset > s.increment {
		return step{s.increment, 1}
	}
	return s
}

func (s step) String() string { return fmt.Sprintf("increment %d, offset %d", s.increment, s.offset) }

// meets tells whether two steps ever give the same number.
func (s step) meets(t step) bool {
	a, b := s.increment, t.increment
	for b != 0 {
		a, b = b, a%b
	}
	return (s.offset-t.offset)%a == 0
}

// steps judges generated keys. Where nobody has set steps yet, that is what
// the path's own gate is for; it is a hazard only once both sides replicate to
// each other and can be written to.
func (j *judge) steps() {
	o, n := stepOf(j.old), stepOf(j.new)
	ignored := false
	for _, s := range j.sides() {
		if st := stepOf(s); st.offset > st.increment {
			ignored = true
			j.add(Finding{
				ID: "step_offset_ignored", Side: s.Label, Object: "auto_increment_offset", Found: s.Label + ": " + st.String(),
				Fixes: []Fix{ownRest(s, st, stepOf(j.other(s)))},
			})
		}
	}
	if j.path != DualWrite {
		// Steps that never meet were set for two writers, on purpose.
		if !ignored && o != n && o.meets(n) {
			j.add(Finding{ID: "step_differs", Side: SideBoth, Object: "auto_increment_increment", Found: j.both(o.String(), n.String())})
		}
		j.headroom(1)
		return
	}
	if !ignored && o.effective().meets(n.effective()) {
		f := Finding{
			ID: "step_overlap", Side: SideBoth, Object: "auto_increment_offset", Found: j.both(o.String(), n.String()),
			Fixes: []Fix{
				set(j.old, "auto_increment_offset", "1"), set(j.old, "auto_increment_increment", "2"),
				set(j.new, "auto_increment_offset", "2"), set(j.new, "auto_increment_increment", "2"),
			},
		}
		unset := o == step{1, 1} && n == step{1, 1}
		if unset && (j.pair.Relation.Mode != cluster.TwoWay || on(j.new, "read_only")) {
			f.Severity = Info
			f.Do = "Nothing yet: the gate steps-set asks for these statements before both sides are written to."
		}
		j.add(f)
	}
	j.controlled()
	j.headroom(2)
}

// ownRest gives a side whose offset is ignored one that counts and is not the
// other's; a side that goes in steps of one needs an increment for that.
func ownRest(s *inspect.Side, st, other step) Fix {
	if st.increment < 2 || st.increment != other.increment {
		return set(s, "auto_increment_increment", fmt.Sprint(max(st.offset, other.increment)))
	}
	offset := int64(1)
	if other.effective().offset == 1 {
		offset = 2
	}
	return set(s, "auto_increment_offset", fmt.Sprint(offset))
}

// controlled: cluster software that sets the step by itself.
func (j *judge) controlled() {
	for _, s := range j.sides() {
		if on(s, "wsrep_on") && on(s, "wsrep_auto_increment_control") {
			j.stepControl(s)
		}
		if s.Facts.GroupReplication && !on(s, "group_replication_single_primary_mode") {
			j.add(Finding{
				ID: "group_replication_step_control", Side: s.Label, Object: "group_replication_auto_increment_increment",
				Found: fmt.Sprintf("%s: group_replication_auto_increment_increment %s", s.Label, text(s, "group_replication_auto_increment_increment")),
			})
		}
	}
}

func (j *judge) stepControl(s *inspect.Side) {
	j.add(Finding{
		ID: "galera_step_control", Side: s.Label, Object: "wsrep_auto_increment_control",
		Found: s.Label + ": wsrep_auto_increment_control ON", Fixes: []Fix{set(s, "wsrep_auto_increment_control", "OFF")},
	})
}

const (
	// headroomShare of a key's range used up is worth a word: with doubled
	// steps the rest goes twice as fast.
	headroomShare = 0.75
	// headroomEnd is where inserts are about to fail.
	headroomEnd = 0.98
)

// headroom judges how far generated keys are from the end of their type.
func (j *judge) headroom(step uint64) {
	for _, s := range j.sides() {
		for i := range s.Tables {
			t := &s.Tables[i]
			limit, column := keyLimit(t)
			if limit == 0 || t.NextAutoIncrement == 0 {
				continue
			}
			// The two sides mostly stand at the same place: said once, for the fuller.
			if o := j.other(s).Table(t.Schema, t.Name); o != nil {
				if l, _ := keyLimit(o); l == limit && (o.NextAutoIncrement > t.NextAutoIncrement || o.NextAutoIncrement == t.NextAutoIncrement && s == j.new) {
					continue
				}
			}
			share := float64(t.NextAutoIncrement) / float64(limit)
			if share < headroomShare || (step == 1 && share < 0.9) {
				continue
			}
			f := Finding{
				ID: "auto_increment_headroom", Side: s.Label, Object: t.FullName(),
				Found: fmt.Sprintf("%s: %s.%s is at %d of %d: %d keys left in steps of %d", s.Label, t.FullName(), column.Name, t.NextAutoIncrement, limit,
					left(limit, t.NextAutoIncrement)/step, step),
			}
			switch by := referring(s, t); {
			case limit == math.MaxUint64:
				f.Do = "There is no wider type: renumber the rows, or find out why the keys stand so high."
			case len(by) > 0:
				f.Do = "Widen the column and those that refer to it (" + list(by, "") + ") on both sides before the migration: drop the constraints, alter all, make them again."
			default:
				f.Fixes = []Fix{{On: s.Label, SQL: fmt.Sprintf("ALTER TABLE %s MODIFY %s BIGINT UNSIGNED NOT NULL AUTO_INCREMENT", t.QuotedName(), cluster.Quote(column.Name))}}
			}
			if share >= headroomEnd {
				f.Severity = Fatal
			}
			j.add(f)
		}
	}
}

func left(limit, next uint64) uint64 {
	if next > limit {
		return 0
	}
	return limit - next + 1
}

// keyLimit is the highest key that the table can generate; 0 if it makes none.
func keyLimit(t *inspect.Table) (uint64, *cluster.Column) {
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.AutoIncrement {
			continue
		}
		bits := map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}[c.DataType]
		switch {
		case c.DataType == "float": // beyond, not every whole number can be written
			return 1 << 24, c
		case c.DataType == "double":
			return 1 << 53, c
		case bits == 0:
			return 0, nil
		case !c.Unsigned:
			return 1<<(bits-1) - 1, c
		case bits == 64:
			return math.MaxUint64, c
		}
		return 1<<bits - 1, c
	}
	return 0, nil
}
