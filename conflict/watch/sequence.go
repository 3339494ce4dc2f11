package watch

import (
	"fmt"
	"maps"
	"slices"

	"crosscheck/cluster/binlog"
	"crosscheck/conflict"
)

// A sequence of MariaDB is a row that says from where values are given next. A server applies the other's row if that
// leads forwards, and logs nothing otherwise, so that the two sides' rows say little of each other and are not judged. Values
// that both sides gave meet as keys of ordinary rows. That they will is said as soon as both sides draw.

// draw is what was seen of a sequence.
type draw struct {
	by   [2]bool // a side has drawn
	step string  // INCREMENT BY, as the newest row has it
}

// drawn notes which sequences a side's own transaction draws from.
func (e *engine) drawn(s conflict.Side, tx *binlog.Transaction) {
	var last *binlog.Table
	for i := range tx.Changes {
		c := &tx.Changes[i]
		if c.Def == last {
			continue
		}
		last = c.Def
		if len(c.Def.Columns) != 8 || c.Def.Columns[0].Name != "next_not_cached_value" || c.Def.Columns[4].Name != "increment" || len(c.After) != 8 {
			continue
		}
		name := fullName(binlog.TableName{Schema: c.Schema, Table: c.Table})
		if !e.defs[s].sequences[name] {
			continue
		}
		x := e.draws[name]
		if x == nil {
			if e.draws == nil {
				e.draws = map[string]*draw{}
			}
			x = &draw{}
			e.draws[name] = x
		}
		x.by[s], x.step = true, string(c.After[4].Text)
	}
}

// sequences names those that are watched.
func (e *engine) sequences() []string {
	all := map[string]bool{}
	for _, d := range e.defs {
		if d != nil {
			for name, is := range d.sequences {
				all[name] = all[name] || is
			}
		}
	}
	maps.DeleteFunc(all, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(all))
}

// sequenceTrouble tells of the first sequence from which both sides draw with a step of its own.
func (e *engine) sequenceTrouble(add func(s conflict.Side, id, detail, advice string)) {
	for _, name := range slices.Sorted(maps.Keys(e.draws)) {
		if x := e.draws[name]; x.by[conflict.Old] && x.by[conflict.New] && x.step != "0" {
			add(conflict.New, TroubleSequence, fmt.Sprintf("both sides draw from sequence %s, INCREMENT BY %s: what one draws before the other's draw has arrived is given twice", name, x.step),
				"ALTER SEQUENCE "+name+" INCREMENT BY 0, so that it follows auto_increment_increment and auto_increment_offset, or draw on one side only")
			return
		}
	}
}
