package checksum

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"crosscheck/checksum/read"
	"crosscheck/chunker"
	"crosscheck/internal/fault"
)

// How long a copy may keep the others waiting over one chunk, and how often that is looked at.
const (
	stallAfter = 5 * time.Second
	stallLook  = 250 * time.Millisecond
)

// errLeft ends what a copy does that leaves the others.
var errLeft = errors.New("the copy left the others")

// chunkJob is a chunk that the reference has been read for. Its list is free again when all copies have been compared.
type chunkJob struct {
	rng   chunker.Range
	list  *read.List
	took  time.Duration
	full  bool // the chunk ended at its row limit
	size  *sharedSizer
	lists chan<- *read.List

	mu      sync.Mutex
	left    int
	slowest time.Duration
}

// done ends one copy's part of the job; took is 0 if it was not compared.
func (j *chunkJob) done(took time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.left--
	j.slowest = max(j.slowest, took)
	if j.left > 0 {
		return
	}
	if j.full && j.slowest > 0 {
		j.size.observe(j.list, max(j.took, j.slowest))
	}
	j.lists <- j.list
}

// feed is one copy's part of a lane that is being walked.
type feed struct {
	table *tableRun
	side  *copyWorker
	jobs  chan *chunkJob

	mu      sync.Mutex
	ctx     context.Context //nolint:containedctx // ends when the copy leaves the others, anew when it has come back
	cancel  context.CancelCauseFunc
	pending int
	since   time.Time // when it came to the job at hand
	dead    bool      // its table is not compared to its end
	off     bool      // it has left the others

	missed  from // what it was handed and has not compared begins there
	skipped from // what it was not handed begins there, behind missed
}

// from is where a part of a lane begins, if there is one.
type from struct {
	some bool
	lo   chunker.Bound
}

// note keeps the first place.
func (m *from) note(lo chunker.Bound) {
	if !m.some {
		m.some, m.lo = true, lo
	}
}

// uncompared is where what the copy has not compared of the lane begins.
func (f *feed) uncompared() from {
	if f.missed.some {
		return f.missed
	}
	return f.skipped
}

// feeds are all copies of a lane.
type feeds struct {
	pass *pass
	list []*feed
	stop func() // ends the reading, when nobody needs it any more
	read bool   // the reference was read to the lane's end
}

func (w *worker) newFeeds(l *lane, tables []*tableRun, stop func()) *feeds {
	fs := &feeds{pass: w.pass, stop: stop}
	for _, t := range tables {
		f := &feed{table: t, side: w.side(t.check), jobs: make(chan *chunkJob, listsForMany)}
		f.ctx, f.cancel = context.WithCancelCause(t.check.ctx)
		if f.off = len(tables) > 1 && t.check.isAway(); f.off {
			f.skipped.note(l.rng.Lo)
		}
		fs.list = append(fs.list, f)
	}
	return fs
}

// any reports whether the reference is still read for somebody.
func (fs *feeds) any() bool {
	for _, f := range fs.list {
		f.mu.Lock()
		on := !f.dead && !f.off
		f.mu.Unlock()
		if on {
			return true
		}
	}
	return false
}

// hand gives a chunk to all copies that are with the others.
func (fs *feeds) hand(j *chunkJob) {
	j.left = 1 // ours, so that it does not end before all have it
	for _, f := range fs.list {
		f.mu.Lock()
		if !f.dead && !f.off {
			j.mu.Lock()
			j.left++
			j.mu.Unlock()
			if f.pending++; f.pending == 1 {
				f.since = time.Now()
			}
			f.jobs <- j // has room for all lists
		} else {
			f.skipped.note(j.rng.Lo)
		}
		f.mu.Unlock()
	}
	j.done(0)
}

// close says that no more chunks will come.
func (fs *feeds) close() {
	for _, f := range fs.list {
		close(f.jobs)
	}
}

// run compares what is handed until close.
func (fs *feeds) run() {
	var g sync.WaitGroup
	for _, f := range fs.list {
		g.Go(func() {
			defer fault.Guard()
			for j := range f.jobs {
				f.do(fs, j)
				f.mu.Lock()
				f.pending--
				f.since = time.Now()
				f.mu.Unlock()
			}
		})
	}
	g.Wait()
}

// do compares one chunk.
func (f *feed) do(fs *feeds, j *chunkJob) {
	f.mu.Lock()
	ctx, skip := f.ctx, f.dead || f.off
	if f.off {
		f.missed.note(j.rng.Lo)
	}
	f.mu.Unlock()
	if skip {
		j.done(0)
		return
	}
	begun := time.Now()
	f.table.plan.ShareTypes(fs.list[0].table.plan)
	lo, err := j.rng.Lo, error(nil)
	if len(fs.list) > 1 {
		err = f.side.check.throttle.ready(ctx)
	}
	if err == nil {
		lo, err = f.side.compare(ctx, f.table, j)
	}
	if err == nil {
		j.done(time.Since(begun))
		return
	}
	if f.side.check.ctx.Err() == nil && errors.Is(context.Cause(ctx), errLeft) {
		f.mu.Lock()
		f.missed.note(lo)
		f.mu.Unlock()
	} else {
		f.fail(err)
	}
	if !fs.any() {
		fs.stop()
	}
	j.done(0)
}

// fail ends the table for this copy, and the copy if the error is not the table's.
func (f *feed) fail(err error) {
	f.table.failed(err)
	f.mu.Lock()
	f.dead = true
	f.mu.Unlock()
}

// leaveBehind makes copies leave that have kept the others waiting for too long, while one of those has nothing to do.
func (fs *feeds) leaveBehind() {
	idle := false
	for _, f := range fs.list {
		f.mu.Lock()
		idle = idle || !f.dead && !f.off && f.pending == 0
		f.mu.Unlock()
	}
	if !idle {
		return
	}
	for _, f := range fs.list {
		f.mu.Lock()
		if !f.dead && !f.off && f.pending > 0 && time.Since(f.since) > stallAfter {
			f.off = true
			f.cancel(errLeft)
			f.side.check.leave()
		}
		f.mu.Unlock()
	}
}

// rejoin takes copies back in that can go on, from lo on; what they missed becomes a lane of their own.
func (fs *feeds) rejoin(lo chunker.Bound) {
	for _, f := range fs.list {
		f.mu.Lock()
		back := f.off && !f.dead && f.pending == 0 && !f.side.check.isAway()
		part := f.uncompared()
		if back {
			f.off, f.missed, f.skipped = false, from{}, from{}
			f.ctx, f.cancel = context.WithCancelCause(f.side.check.ctx)
		}
		f.mu.Unlock()
		if back && part.some && lo != nil && !bytes.Equal(part.lo.Encode(), lo.Encode()) {
			fs.pass.schedule.later(newLane([]*tableRun{f.table}, chunker.Range{Lo: part.lo, Hi: lo}))
		}
	}
}

// later makes lanes of what copies have not compared of a lane, when all of them have come to their end. One that came back
// just when the reading was ended, because nobody needed it, has something left over, too.
func (fs *feeds) later(l *lane) {
	for _, f := range fs.list {
		f.cancel(nil)
		if f.dead {
			continue
		}
		if !fs.read {
			f.skipped.note(l.rng.Lo)
		}
		if part := f.uncompared(); part.some && !f.table.ended() {
			fs.pass.schedule.later(newLane([]*tableRun{f.table}, chunker.Range{Lo: part.lo, Hi: l.rng.Hi}))
		}
	}
}
