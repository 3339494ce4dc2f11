package watch

import (
	"context"
	"errors"
	"time"

	"crosscheck/cluster"
	"crosscheck/conflict"
)

// A fence proves that the other side has applied all of a side's log up to a place. fenceTimeout bounds one try; the
// next one is taken further on.
const (
	fenceTimeout = 30 * time.Second
	// A mark is reached at the latest with the next heartbeat, unless the stream is far behind or was cut.
	markTimeout = 2 * time.Minute
)

// fence is the state of one direction.
type fence struct {
	busy    bool
	since   time.Time // of the try
	number  uint64
	tried   time.Time
	reached time.Time // when the last one that was reached had been taken
	passed  uint64    // its number
	fed     bool      // reached in the other log, but the detector may still hold that back
	at      uint64    // its place in what the detector is fed
	trouble string    // why the last try failed
	cause   cluster.FenceCause
}

// fence takes the next fence of side s's log if it is time.
func (e *engine) fence(ctx context.Context, s conflict.Side, now time.Time) {
	f := &e.fences[s]
	e.fenceJudged(s)
	if f.busy && now.Sub(f.since) > fenceTimeout+markTimeout {
		f.busy = false // its mark was lost in a gap
	}
	if f.busy || !e.boundary[s] || e.links[s] == nil || now.Sub(f.tried) < fenceEvery && e.ending == nil {
		return
	}
	at := e.readers[s].current().Position() // here or further on than the engine: that proves no less
	e.mem.Fences++
	n := e.mem.Fences
	f.busy, f.fed, f.since, f.tried, f.number = true, false, now, now, n
	e.feed(s, conflict.FenceTaken{N: n})
	link, other := e.links[s], s.Other()
	e.spawn(ctx, func(ctx context.Context) func() {
		err := link.Wait(ctx, at, cluster.WaitOptions{Timeout: fenceTimeout})
		if err != nil {
			return func() { e.fenceFailed(s, n, err) }
		}
		q, err := e.servers[other].Position(ctx)
		if err != nil {
			return func() { e.fenceFailed(s, n, err) }
		}
		return func() {
			e.readers[other].when(q, func() { e.fenceSeen(s, n) })
		}
	})
}

// fenceSeen gives the detector a fence of side s that was reached in the other log, unless it was given up since.
func (e *engine) fenceSeen(s conflict.Side, n uint64) {
	f, other := &e.fences[s], s.Other()
	if f.number != n {
		return
	}
	f.fed, f.at = true, e.fed[other]
	e.feed(other, conflict.FenceReached{N: n})
	e.fenceJudged(s)
}

// fenceJudged takes a fence as passed when the detector has consumed it, and with it all that stands before it in the other
// log: behind an echo whose original has not come, nothing is judged.
func (e *engine) fenceJudged(s conflict.Side) {
	f := &e.fences[s]
	head, _, held := e.det.Blocked(s.Other())
	if !f.fed || held && head <= f.at {
		return
	}
	f.busy, f.fed, f.reached, f.passed, f.trouble, f.cause = false, false, f.since, f.number, "", ""
}

func (e *engine) fenceFailed(s conflict.Side, n uint64, err error) {
	f := &e.fences[s]
	if f.number != n {
		return
	}
	f.busy, f.trouble, f.cause = false, err.Error(), ""
	var why *cluster.FenceError
	if errors.As(err, &why) {
		f.cause = why.Cause
		f.trouble = why.Detail
	}
}

// alone is an echo whose original has not been found.
type alone struct {
	head  uint64
	since time.Time
	asked bool
}

// looseEchoAfter is how long an echo may wait for its original before the other side's log is read to a place behind
// any where it can stand.
const looseEchoAfter = 300 * time.Millisecond

// looseEcho tells the detector which echoes have no original, once the other log was read far enough to know: the
// original of an echo was committed before the echo was read, so it stands before a position that is asked for after
// that.
func (e *engine) looseEcho(ctx context.Context, s conflict.Side, now time.Time) {
	head, isEcho, ok := e.det.Blocked(s)
	a := &e.alone[s]
	if !ok || !isEcho {
		*a = alone{}
		return
	}
	if a.since.IsZero() || a.head != head && !a.asked {
		*a = alone{head: head, since: now}
		return
	}
	if a.asked && now.Sub(a.since) < markTimeout || now.Sub(a.since) < looseEchoAfter {
		return
	}
	a.asked, a.since = true, now
	known := e.fed[s] // what was read by now
	e.spawn(ctx, func(ctx context.Context) func() {
		q, err := e.servers[s.Other()].Position(ctx)
		if err != nil {
			return func() { *a = alone{} }
		}
		return func() {
			e.readers[s.Other()].when(q, func() {
				*a = alone{}
				for {
					h, isEcho, ok := e.det.Blocked(s)
					if !ok || !isEcho || h >= known || e.det.OriginalHeld(s) {
						return // where its original is held, the other stream must be freed first
					}
					e.feed(s, conflict.NoOriginal{Head: h})
				}
			})
		}
	})
}
