package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crosscheck/cluster/binlog"
	"crosscheck/conflict"
)

// ending is the last part of a watch with an end: everything that was written by then has to arrive, or the patience
// ends.
type ending struct {
	since, until time.Time
	from         [2]uint64 // fences up to this number were taken before both were read
	done         [2]bool
	ready        bool
}

func (x *ending) over() bool { return x != nil && (x.ready || time.Now().After(x.until)) }

// beginEnding takes both servers' positions; the fences that follow prove that all up to them has arrived.
func (e *engine) beginEnding(ctx context.Context, now time.Time) {
	x := &ending{since: now, until: now.Add(e.opt.SettleFor)}
	e.ending = x
	e.pokeCopies()
	for i := range e.servers {
		s := conflict.Side(i)
		e.spawn(ctx, func(ctx context.Context) func() {
			pos, err := e.endOf(ctx, s)
			if err != nil {
				return func() {}
			}
			return func() {
				e.readers[s].when(pos, func() { e.awaitArrival(s) })
			}
		})
	}
}

// awaitArrival waits for a fence that is taken from now on, when all that counts has been read.
func (e *engine) awaitArrival(s conflict.Side) {
	e.ending.from[s] = e.mem.Fences
	e.ending.done[s] = true
}

// settled tells whether the end may come: all that counts has been read, has arrived, and is judged. Where one side does
// not replicate from the other, nothing arrives however long the end waits: that is a trouble of its own.
func (e *engine) settled() bool {
	x := e.ending
	for i := range e.servers {
		f := &e.fences[i]
		if !x.done[i] || e.links[i] != nil && f.passed <= x.from[i] {
			return false
		}
	}
	rows := e.rows.count(e.mem.Rows, 0)
	return e.copiesSettled(x.since) && rows.Open == 0 && e.det.Summary().Questions == 0 && !e.rows.busy && len(e.uncertain)+len(e.wrong) == 0
}

// finish ends the watch with what is judged, after a last look at sessions that may take so long.
func (e *engine) finish(ctx context.Context, patience time.Duration) (Status, error) {
	e.lastLook(ctx, patience)
	// A finding that waits to be confirmed is not one yet: another process goes on from the last checkpoint, before it.
	e.releaseSure()
	wait := len(e.uncertain)+len(e.wrong) > 0 && e.saved && (e.ending == nil || e.ending.ready)
	if !wait {
		e.releaseAll()
	}
	if err := e.drain(ctx); err != nil {
		return e.fail(ctx, err)
	}
	now := time.Now()
	st := e.status(now)
	if e.ending != nil && !e.ending.ready {
		st.because(Reason{ID: ReasonUnsettled, Text: "what was written when the watch was to end had not arrived " + e.opt.SettleFor.String() + " later"})
	}
	st.Final = true
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if !wait {
		if err := e.checkpoint(ctx); err != nil {
			return st, err
		}
	} else if err := e.saveFates(ctx); err != nil {
		return st, err
	}
	if err := e.opt.Store.SaveStatus(ctx, st); err != nil {
		return st, err
	}
	e.opt.Observer.Status(st)
	return st, nil
}

// fail ends the watch by an error, with what was judged so far.
func (e *engine) fail(ctx context.Context, cause error) (Status, error) {
	e.releaseAll()
	if err := e.drain(context.WithoutCancel(ctx)); err != nil {
		cause = errors.Join(cause, err)
	}
	st := e.status(time.Now())
	st.Final = true
	text := cause.Error()
	var identity *binlog.IdentityError
	answer := errors.As(cause, &identity) // no failure: what is behind the address is another server now
	if answer {
		text = fmt.Sprintf("%v; blind from %s on", cause, e.det.Summary().At[sideOf(e.servers, identity.Server)])
	}
	st.because(Reason{ID: ReasonEnded, Text: text})
	st.Reason = text // what ended it is what to say in one line
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	keep := errors.Join(e.checkpoint(ctx), e.opt.Store.SaveStatus(ctx, st))
	e.opt.Observer.Status(st)
	if answer {
		return st, keep
	}
	return st, errors.Join(cause, keep)
}

func sideOf(servers Sides, label string) conflict.Side {
	if servers[conflict.New].Label() == label {
		return conflict.New
	}
	return conflict.Old
}
