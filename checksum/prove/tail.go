package prove

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"crosscheck/checksum/plan"
	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// Tail follows the binary log of the side that changes come from, while there are suspects: it tells whether a row was
// changed between two reads, which the reads alone cannot exclude, and which values a row that never rests went
// through. It opens with the first suspect; once it fails it is not tried again, and rounds alone prove.
type Tail struct {
	source *cluster.Server
	newIs  bool // the source is the new side
	plans  []binlog.WindowTable
	log    *slog.Logger

	window *binlog.Window
	err    error
}

// NewTail returns the tail of the side that changes come from. With changes from both sides, or none between them, one
// side's log proves nothing of the other's row.
func NewTail(ctx context.Context, old, new *cluster.Server, m cluster.Mode, pairs [][2]*cluster.Table, opt plan.Options, log *slog.Logger) *Tail {
	t := &Tail{source: old, log: log}
	switch m {
	case cluster.OneWay:
	case cluster.Reverse:
		t.source, t.newIs = new, true
	default:
		return nil
	}
	f := t.source.Facts()
	if !f.LogBin {
		return nil
	}
	if !f.LogReplicaUpdates { // then what it replicates itself would not be in its log
		if channels, err := t.source.Channels(ctx); err != nil || len(channels) > 0 {
			return nil
		}
	}
	t.plans = windowTables(pairs, t.newIs, opt)
	return t
}

// windowTables lists the tables whose keys may be watched in the log of one side, each with the columns of the key that
// its rows are matched by: that need not be the key that the side stores its rows in.
func windowTables(pairs [][2]*cluster.Table, newSide bool, opt plan.Options) []binlog.WindowTable {
	var out []binlog.WindowTable
	for _, pair := range pairs {
		key := plan.MatchedBy(pair[0], pair[1], opt)
		if key == nil {
			continue
		}
		w := binlog.WindowTable{Table: *pair[0]}
		if newSide {
			w.Table = *pair[1]
		}
		for _, c := range key {
			name := c.Old.Name
			if newSide {
				name = c.New.Name
			}
			w.Key = append(w.Key, name)
		}
		out = append(out, w)
	}
	return out
}

// watch begins to observe those of the suspects that a first round did not settle (most are settled by then), and
// resets their rounds, which count only under observation. It reports for each suspect whether it is observed.
func (t *Tail) watch(ctx context.Context, p *plan.Table, suspects []*suspect) []bool {
	observed := make([]bool, len(suspects))
	var from gtid.Position
	table := p.Side(t.newIs).Table
	for i, sp := range suspects {
		if sp.watched != nil || sp.state.rounds == 0 {
			observed[i] = sp.watched != nil && t.err == nil
			continue
		}
		if from.IsZero() {
			if from = t.position(ctx); t.err != nil || !t.open(ctx, from) {
				return make([]bool, len(suspects))
			}
		}
		key, ok := p.WatchKey(sp.key, t.newIs)
		if !ok {
			continue
		}
		err := t.window.Watch(table.Schema, table.Name, key)
		if errors.Is(err, binlog.ErrNotWatched) { // this table's rows go without the log, not all others' too
			continue
		}
		if err != nil {
			t.fail(err)
			return make([]bool, len(suspects))
		}
		sp.watched, sp.from = key, &from
		sp.state.disturbed()
		observed[i] = true
	}
	return observed
}

// position returns where the source is now; a failure ends the tail.
func (t *Tail) position(ctx context.Context) gtid.Position {
	p, err := t.source.Position(ctx)
	if err != nil && ctx.Err() == nil {
		t.fail(err)
	}
	return p
}

func (t *Tail) open(ctx context.Context, from gtid.Position) bool {
	if t.window == nil && t.err == nil {
		w, err := binlog.OpenWindow(ctx, t.source, from, t.plans, binlog.Options{Log: t.log})
		if err != nil && ctx.Err() == nil {
			t.fail(err)
		}
		if err != nil {
			return false
		}
		t.window = w
	}
	return t.err == nil
}

func (t *Tail) fail(err error) {
	t.err = err
	t.log.Warn("the binary log cannot be followed; differences are proven by more rounds instead", "side", t.source.Label(), "err", err)
}

// unwatch ends the observation of a suspect.
func (t *Tail) unwatch(p *plan.Table, sp *suspect) {
	if sp.watched != nil {
		table := p.Side(t.newIs).Table
		t.window.Unwatch(table.Schema, table.Name, sp.watched)
		sp.watched = nil
	}
}

func (t *Tail) close() {
	if t.window != nil {
		t.window.Close()
	}
}

// changes tells what happened to an observed row from the start of its observation up to now. ok is false if that is
// not known.
func (t *Tail) changes(ctx context.Context, p *plan.Table, sp *suspect, now gtid.Position) (a binlog.Answer, ok bool) {
	if sp.watched == nil || t.err != nil {
		return a, false
	}
	table := p.Side(t.newIs).Table
	a, err := t.window.Changed(ctx, table.Schema, table.Name, sp.watched, *sp.from, now)
	if err != nil && ctx.Err() == nil {
		t.fail(err)
	}
	return a, err == nil
}

// reasonHot says why a row that never rests stayed undecided.
func reasonHot(t *Tail) string {
	if t != nil && t.err != nil {
		return fmt.Sprintf("rows change faster than they can be compared, and the binary log of %s cannot be followed: %v", t.source.Label(), t.err)
	}
	return "rows change faster than they can be compared"
}
