package watch

import (
	"context"
	"fmt"
	"time"

	"crosscheck/conflict"
)

// The key space of a table is looked at seldom: it takes weeks to run out.
const (
	headroomEvery = 10 * time.Minute
	// With less than this part of its keys left, a table is reported.
	lowHeadroom = 0.2
)

// keySpace is what is known of a side's key spaces.
type keySpace struct {
	asked time.Time
	busy  bool
	low   []string // one line per table that runs out
}

// measureKeys asks a side how far its generated keys are.
func (e *engine) measureKeys(ctx context.Context, s conflict.Side, now time.Time) {
	k := &e.keys[s]
	if k.busy || !k.asked.IsZero() && now.Sub(k.asked) < headroomEvery {
		return
	}
	k.busy, k.asked = true, now
	e.spawn(ctx, func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		next, err := e.servers[s].AutoIncrements(ctx)
		return func() {
			k.busy = false
			if err != nil {
				e.opt.Log.Debug("key spaces were not measured", "cause", err)
				return
			}
			k.low = e.lowKeys(s, next)
		}
	})
}

// lowKeys names the tables that have few keys left with the step of the side.
func (e *engine) lowKeys(s conflict.Side, next map[string]uint64) []string {
	var out []string
	for _, d := range e.det.Definitions(s) {
		for _, c := range d.Table.Columns {
			current, ok := next[d.Table.FullName()]
			highest := conflict.MaxKey(c.DataType, c.Unsigned)
			if !c.AutoIncrement || !ok || highest == 0 {
				continue
			}
			in := e.mem.Watermarks[s].Seen
			left := conflict.HeadroomOf(current, highest, in, 0, 0).Keys
			all := conflict.HeadroomOf(0, highest, in, 0, 0).Keys
			if float64(left) < lowHeadroom*float64(all) {
				out = append(out, fmt.Sprintf("%s.%s: %d keys left of %d with %s", d.Table.FullName(), c.Name, left, all, in))
			}
		}
	}
	return out
}

// maxHighest bounds the tables whose highest key is read at the start; the others' keys that the application gives are
// told apart from generated ones by the sessions only.
const maxHighest = 2000

// readHighest tells the detector the highest keys that a side's tables hold, so that lower ones are known to be given.
func (e *engine) readHighest(ctx context.Context, s conflict.Side) {
	type column struct{ schema, table, full, name string }
	var list []column
	for _, d := range e.det.Definitions(s) {
		for _, c := range d.Table.Columns {
			if c.AutoIncrement && len(list) < maxHighest {
				list = append(list, column{d.Table.Schema, d.Table.Name, d.Table.FullName(), c.Name})
			}
		}
	}
	e.spawn(ctx, func(ctx context.Context) func() {
		var found []conflict.TopKey
		for _, c := range list {
			begin := time.Now()
			key, at, ok, err := e.servers[s].HighestKey(ctx, c.schema, c.table, c.name)
			at += int64(time.Since(begin)/time.Second) + 1 // the key was there when the reading ended, not when it began
			if err != nil && ctx.Err() != nil {
				break
			}
			if err == nil && ok {
				found = append(found, conflict.TopKey{Table: c.full, Key: key, At: at})
			}
		}
		return func() {
			for _, k := range found {
				e.det.Feed(s, k)
			}
		}
	})
}
