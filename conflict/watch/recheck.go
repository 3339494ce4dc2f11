package watch

import (
	"context"
	"math"
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
	told    Outcome // as it was kept since the row came under doubt last; "" if only that was
}

// rechecks is the queue of rows under doubt.
type rechecks struct {
	list   map[string]*doubted
	busy   bool
	reason string // why rows could not be decided
	fates  []Fate // to be kept
}

func (r *rechecks) add(x conflict.Doubt, due time.Time) {
	if r.list == nil {
		r.list = map[string]*doubted{}
	}
	id := x.Row().ID()
	have := r.list[id]
	if have == nil {
		r.list[id] = &doubted{Doubt: x, due: due}
		return
	}
	if have.Since != x.Since || have.Hash != x.Hash { // it was settled meanwhile
		have.due = due
	}
	have.Doubt, have.told = x, ""
}

// adopt takes over the doubts of a restored detector.
func (r *rechecks) adopt(list []conflict.Doubt) {
	p := &Proof{At: time.Now()}
	for _, x := range list {
		r.add(x, p.At)
		r.fates = append(r.fates, Fate{Row: x.Row(), Outcome: OutcomeOpen, Again: true, Proof: p})
	}
}

// proof is of now.
func (e *engine) proof() *Proof {
	p := &Proof{At: time.Now()}
	for i := range e.servers {
		pos, _ := e.det.Checkpoint(conflict.Side(i))
		p.Positions[i] = pos.String()
	}
	return p
}

// doubts queues the rows that came under doubt, and drops those that the logs have settled.
func (e *engine) doubts() {
	fresh, cleared := e.det.TakeDoubts(), e.det.TakeCleared()
	if len(fresh)+len(cleared) == 0 {
		return
	}
	e.kept.dirty = true
	p := e.proof()
	for _, x := range fresh {
		e.rows.add(x, p.At.Add(recheckAfter))
		e.rows.fates = append(e.rows.fates, Fate{Row: x.Row(), Outcome: OutcomeOpen, Proof: p})
	}
	for _, x := range cleared {
		if _, ok := e.det.Doubt(x); ok {
			continue
		}
		id := x.Row().ID()
		if have := e.rows.list[id]; have != nil && have.Hash == x.Hash {
			delete(e.rows.list, id)
			e.mem.Rows.Equal++
			e.rows.fates = append(e.rows.fates, Fate{Row: x.Row(), Outcome: OutcomeSuperseded, Proof: p})
		}
	}
}

// manyFates may wait until the next tick.
const manyFates = 1024

// saveFates keeps what became of rows.
func (e *engine) saveFates(ctx context.Context) error {
	if len(e.rows.fates) == 0 {
		return nil
	}
	list := e.rows.fates
	e.rows.fates = nil
	return e.opt.Store.SaveFates(ctx, list)
}

// recheck sends the next batch of one table.
func (e *engine) recheck(ctx context.Context, now time.Time) {
	e.doubts()
	if e.rows.busy || e.opt.Rechecker == nil || len(e.rows.list) == 0 {
		return
	}
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
	proof := e.proof()
	e.spawn(ctx, func(ctx context.Context) func() {
		verdicts, reason, err := e.opt.Rechecker.Recheck(ctx, table, keys)
		return func() {
			e.rows.busy = false
			if err != nil {
				reason, verdicts = err.Error(), make([]RowVerdict, len(batch))
			}
			e.rows.reason, proof.Reason = reason, reason
			for i, x := range batch {
				e.rechecked(x, asked[i], verdicts[i], proof)
			}
		}
	})
}

func (e *engine) rechecked(x *doubted, asked conflict.Doubt, v RowVerdict, proof *Proof) {
	e.doubts()
	id := x.Row().ID()
	if e.rows.list[id] != x { // the logs have settled it meanwhile
		return
	}
	x.tried, x.verdict = true, v
	x.due = time.Now().Add(recheckAgain)
	e.kept.dirty = true
	if v != RowEqual {
		outcome := OutcomeOpen
		if v == RowDiffers {
			outcome = OutcomeDiffers
		}
		if x.told != outcome {
			x.told = outcome
			e.rows.fates = append(e.rows.fates, Fate{Row: x.Row(), Outcome: outcome, Tried: true, Proof: proof})
		}
		return
	}
	if !e.det.Settled(asked) {
		x.due, x.tried = time.Now().Add(recheckAfter), false // it was written again meanwhile
		return
	}
	delete(e.rows.list, id)
	e.mem.Rows.Equal++
	e.rows.fates = append(e.rows.fates, Fate{Row: x.Row(), Outcome: OutcomeEqual, Proof: proof})
}

// count tells how the rows under doubt stand. Nobody looks at those again that are not kept.
func (r *rechecks) count(done Rechecks, untracked uint64) Rechecks {
	done.Open, done.Differ, done.Unknown = 0, 0, int(min(untracked, math.MaxInt32))
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
