package watch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/conflict"
	"crosscheck/internal/fault"
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

// firstKeysWithin bounds how long reading waits for the highest keys at the beginning of a new account.
const firstKeysWithin = 10 * time.Second

// firstKeys tells the detector of a new account the highest keys that the tables held where it begins, so that lower ones
// are known to be given. Behind a check it tells the steps of that time as well: keys are judged by them up to the first look.
func (e *engine) firstKeys(ctx context.Context) {
	spaces := e.opt.BaseKeys
	if e.mem.Base == nil {
		limited, cancel := context.WithTimeout(ctx, firstKeysWithin)
		defer cancel()
		var both sync.WaitGroup
		for i := range e.servers {
			tables := e.tables(conflict.Side(i))
			both.Go(func() {
				defer fault.Guard()
				spaces[i].Marks = e.servers[i].KeyMarks(limited, tables)
			})
		}
		both.Wait()
	}
	for i, k := range spaces {
		s := conflict.Side(i)
		if k.Step.Increment > 0 {
			e.feed(s, conflict.StepInForce{Step: step(k.Step)})
		}
		e.knowKeys(s, k.Marks)
	}
}

// readHighest tells the detector the highest keys that a side's tables hold now: later ones that are lower are given.
func (e *engine) readHighest(ctx context.Context, s conflict.Side) {
	tables := e.tables(s)
	e.spawn(ctx, func(ctx context.Context) func() {
		marks := e.servers[s].KeyMarks(ctx, tables)
		return func() { e.knowKeys(s, marks) }
	})
}

// renewKeys takes note of what ends one life of a table's generated keys and leaves its rows there: the highest of them
// are read again. Servers that do not keep the next key forget it when they are started.
func (e *engine) renewKeys(ctx context.Context, s conflict.Side, tx *binlog.Transaction) {
	f := e.servers[s].Facts()
	keeps := f.AtLeast(8, 0, 0)
	if f.IsMariaDB() {
		keeps = f.AtLeast(10, 2, 4)
	}
	restarted := !tx.Started.IsZero() && !keeps
	if restarted {
		e.feed(s, conflict.Restarted{At: tx.Started.Unix()})
	}
	var tables []*cluster.Table
	for _, t := range e.tables(s) {
		renewed := restarted
		for i := range tx.DDL {
			effect := tx.DDL[i].Effect()
			renewed = renewed || effect.Touches(t.Schema, t.Name)&binlog.Renews != 0 && !effect.Begins(t.Schema, t.Name)
		}
		if renewed {
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		return
	}
	e.spawn(ctx, func(ctx context.Context) func() {
		marks := e.servers[s].KeyMarks(ctx, tables)
		return func() {
			for _, k := range marks {
				e.det.Feed(s, conflict.TopKey{Table: k.Table, Key: k.Key, At: k.At, Again: true})
			}
		}
	})
}

func (e *engine) tables(s conflict.Side) []*cluster.Table {
	var out []*cluster.Table
	for _, d := range e.det.Definitions(s) {
		out = append(out, d.Table)
	}
	return out
}

func (e *engine) knowKeys(s conflict.Side, marks []cluster.KeyMark) {
	for _, k := range marks {
		e.det.Feed(s, conflict.TopKey{Table: k.Table, Key: k.Key, At: k.At})
	}
}
