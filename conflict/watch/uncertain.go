package watch

import (
	"context"
	"slices"

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
		q, err := e.servers[u.side].Position(ctx)
		if err != nil {
			return func() { e.release(u) }
		}
		return func() { e.readers[u.side].when(q, func() { e.release(u) }) }
	})
}

// release decides on a finding that was kept back.
func (e *engine) release(u *uncertain) {
	for i, x := range e.uncertain {
		if x != u {
			continue
		}
		e.uncertain = append(e.uncertain[:i], e.uncertain[i+1:]...)
		if e.defs[u.side].touched[u.finding.Table] == u.changes {
			e.det.Rearm(u.finding)
			return
		}
		e.released = append(e.released, u.finding)
		return
	}
}

// releaseSide gives up waiting for a side's log: a piece of it was not read.
func (e *engine) releaseSide(s conflict.Side) {
	e.uncertain = slices.DeleteFunc(e.uncertain, func(u *uncertain) bool {
		if u.side == s {
			e.released = append(e.released, u.finding)
		}
		return u.side == s
	})
}

// releaseAll gives up waiting, at the end.
func (e *engine) releaseAll() {
	for _, u := range e.uncertain {
		e.released = append(e.released, u.finding)
	}
	e.uncertain = nil
	e.releaseKeys()
}
