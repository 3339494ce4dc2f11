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
