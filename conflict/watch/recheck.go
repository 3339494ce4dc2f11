package watch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"crosscheck/conflict"
)

// How rows under doubt are checked again.
const (
	// A row that was just written by both sides is left alone until replication had a moment to arrive.
	recheckAfter = 2 * time.Second
	// A row that differs, or cannot be decided, is looked at again later: it may be mended, replication may go on.
	recheckAgain = 20 * time.Second
	recheckBatch = 100
)

// doubted is a row under doubt.
type doubted struct {
	conflict.Doubt
	due     time.Time
	verdict RowVerdict
	tried   bool
}

// rechecks is the queue of rows under doubt.
type rechecks struct {
	list   map[string]*doubted
	busy   bool
	reason string // why rows could not be decided
}

func doubtID(x conflict.Doubt) string {
	var b strings.Builder
	b.WriteString(x.Table)
	for _, v := range x.Key {
		fmt.Fprintf(&b, "\x00%d%s", v.State, v.Text)
	}
	return b.String()
}

func (r *rechecks) add(x conflict.Doubt, due time.Time) {
	if r.list == nil {
		r.list = map[string]*doubted{}
	}
	id := doubtID(x)
	if have := r.list[id]; have != nil {
		have.Doubt, have.due = x, due
		return
	}
	r.list[id] = &doubted{Doubt: x, due: due}
}

// adopt takes over the doubts of a restored detector.
func (r *rechecks) adopt(list []conflict.Doubt) {
	for _, x := range list {
		r.add(x, time.Now())
	}
}

// recheck queues new doubts, drops those that the logs have settled, and sends the next batch of one table.
func (e *engine) recheck(ctx context.Context, now time.Time) {
	for _, x := range e.det.TakeDoubts() {
		e.rows.add(x, now.Add(recheckAfter))
	}
	if e.rows.busy || e.opt.Rechecker == nil || len(e.rows.list) == 0 {
		e.dropSettled()
		return
	}
	e.dropSettled()
	var batch []*doubted
	for _, x := range e.rows.list {
		due := now.After(x.due) || e.ending != nil && !x.tried
		if due && (len(batch) == 0 || batch[0].Table == x.Table) && len(batch) < recheckBatch {
			batch = append(batch, x)
		}
	}
	if len(batch) == 0 {
		return
	}
	table, keys := batch[0].Table, make([]RowKey, len(batch))
	asked := make([]conflict.Doubt, len(batch))
	for i, x := range batch {
		asked[i], _ = e.det.Doubt(x.Doubt)
		keys[i] = RowKey{Columns: x.Columns, Values: x.Key}
	}
	e.rows.busy = true
	e.spawn(ctx, func(ctx context.Context) func() {
		verdicts, reason, err := e.opt.Rechecker.Recheck(ctx, table, keys)
		return func() {
			e.rows.busy = false
			if err != nil {
				reason, verdicts = err.Error(), make([]RowVerdict, len(batch))
			}
			e.rows.reason = reason
			for i, x := range batch {
				e.rechecked(x, asked[i], verdicts[i])
			}
		}
	})
}

// dropSettled forgets rows that a later change was seen to make equal.
func (e *engine) dropSettled() {
	for id, x := range e.rows.list {
		if _, ok := e.det.Doubt(x.Doubt); !ok {
			delete(e.rows.list, id)
			e.mem.Rows.Equal++
			e.kept.dirty = true
		}
	}
}

func (e *engine) rechecked(x *doubted, asked conflict.Doubt, v RowVerdict) {
	x.tried, x.verdict = true, v
	x.due = time.Now().Add(recheckAgain)
	e.kept.dirty = true
	if v != RowEqual {
		return
	}
	if !e.det.Settled(asked) {
		x.due, x.tried = time.Now().Add(recheckAfter), false // it was written again meanwhile
		return
	}
	delete(e.rows.list, doubtID(x.Doubt))
	e.mem.Rows.Equal++
}

// count tells how the rows under doubt stand.
func (r *rechecks) count(done Rechecks) Rechecks {
	done.Open, done.Differ, done.Unknown = 0, 0, 0
	for _, x := range r.list {
		switch {
		case !x.tried:
			done.Open++
		case x.verdict == RowDiffers:
			done.Differ++
		default:
			done.Unknown++
		}
	}
	return done
}
