package watch

import (
	"context"
	"slices"
	"time"

	"crosscheck/conflict"
)

// A table's definition is read from the server when its rows come and the log does not carry it. When the watch reads
// what was written a while ago, that definition is younger than the rows; it is theirs all the same if the log, read on
// to a place behind the reading of the definition, holds no statement that may have changed the table. Until then the
// finding that says "uncertain" is kept back, the account is not clean, and no checkpoint is made.

// uncertain is a finding that is kept back.
type uncertain struct {
	finding conflict.Finding
	side    conflict.Side
	changes int // of the table's definition, when it was made
	// echoes are findings about arrivals of the table's rows. If the one side was read by another definition than the
	// other, they say nothing: the uncertain finding stands for them, and the rows are checked again anyway.
	echoes []conflict.Finding
}

// unsureFor is how long after an uncertain finding came true arrivals of the table's rows say nothing, at least: those that
// were on their way, which is all that stands before the next fences.
const unsureFor = time.Minute

// moment is when something was seen, by the clock and by the fences taken till then.
type moment struct {
	at    time.Time
	fence uint64
}

// aboutArrival tells findings apart that come of comparing an original with its echo.
func aboutArrival(k conflict.Kind) bool {
	return k == conflict.MissingEcho || k == conflict.EchoMismatch
}

// unsure takes a finding about an arrival if the definition of its table was not certain. It returns false if it was.
func (e *engine) unsure(f conflict.Finding) bool {
	for _, u := range e.uncertain {
		if u.finding.Table == f.Table {
			u.echoes = append(u.echoes, f)
			return true
		}
	}
	then, ok := e.unsureSince[f.Table]
	if !ok {
		return false
	}
	for i := range e.fences {
		if e.links[i] != nil && e.told[i] <= then.fence {
			return true
		}
	}
	return time.Since(then.at) < unsureFor
}

// holdBack keeps an uncertain finding until the log has shown whether it is one.
func (e *engine) holdBack(ctx context.Context, f conflict.Finding) {
	u := &uncertain{finding: f, side: conflict.Old}
	if f.New != nil {
		u.side = conflict.New
	}
	u.changes = e.defs[u.side].touched[f.Table]
	e.uncertain = append(e.uncertain, u)
	e.spawn(ctx, func(ctx context.Context) func() {
		q, err := e.endOf(ctx, u.side)
		if err != nil {
			return func() { e.release(u, false) }
		}
		return func() { e.readers[u.side].when(q, func() { e.release(u, true) }) }
	})
}

// release decides on a finding that was kept back, by the log if that is known to have been read far enough.
func (e *engine) release(u *uncertain, read bool) {
	for i, x := range e.uncertain {
		if x != u {
			continue
		}
		e.uncertain = append(e.uncertain[:i], e.uncertain[i+1:]...)
		if read && e.defs[u.side].touched[u.finding.Table] == u.changes {
			e.det.Rearm(u.finding)
			e.released = append(e.released, u.echoes...)
			return
		}
		e.cameTrue(u)
		return
	}
}

// cameTrue reports a definition that is not known.
func (e *engine) cameTrue(u *uncertain) {
	e.released = append(e.released, u.finding)
	e.unsureFrom(u.finding.Table, time.Now())
}

// unsureFrom notes that a table's definition came out as not known.
func (e *engine) unsureFrom(table string, now time.Time) {
	if e.unsureSince == nil {
		e.unsureSince = map[string]moment{}
	}
	e.unsureSince[table] = moment{now, e.mem.Fences}
}

// releaseSide gives up waiting for a side's log: a piece of it was not read.
func (e *engine) releaseSide(s conflict.Side) {
	e.uncertain = slices.DeleteFunc(e.uncertain, func(u *uncertain) bool {
		if u.side == s {
			e.cameTrue(u)
		}
		return u.side == s
	})
}

// releaseAll gives up waiting, at the end.
func (e *engine) releaseAll() {
	for _, u := range e.uncertain {
		e.cameTrue(u)
	}
	e.uncertain = nil
	e.releaseKeys()
}
