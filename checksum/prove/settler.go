// Package prove decides on rows that looked different once, or that somebody doubts: the same, different, or undecided with
// a reason, by rounds of reads before and behind a fence (docs/design.md, "The fence rule"). Whoever hands rows to it is told
// of each through an Owner.
package prove

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"crosscheck/checksum/diff"
	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/chunker"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// Bounds of the recheck queue: rows it holds before workers must wait for it, rows parked until the end of the run
// because the fence failed, and rows of one round.
const (
	maxSuspects = 1 << 15
	maxParked   = 1 << 16
	roundKeys   = 1024
)

// dense is the share of a range's rows above which suspects are read by range rather than by key.
const dense = 1.0 / 16

// reasonInterrupted is why rows are undecided that were still to be settled when the run ended.
const reasonInterrupted = "interrupted before the rows that differed at first could be settled"

// Owner is told once what became of each suspect of its, by the goroutine that settles.
type Owner interface {
	Same(ctx context.Context)
	Different(ctx context.Context, d diff.Difference)
	Undecided(ctx context.Context, reason string)
}

// suspect is a row that looked different once.
type suspect struct {
	key   []byte
	owner Owner
	rng   *chunker.Range // where a range read showed it; nil for a row that was named
	kind  diff.Kind      // and on which sides
	state fenceState

	watched []binlog.Value // the key in the tail's form, while the tail observes it
	from    *gtid.Position // where its observation began, or was begun anew
	unclear bool           // the log cannot tell whether the row changed: rounds prove as if there were none
}

// batch is a group of suspects of one table that go through rounds together.
type batch struct {
	plan     *plan.Table
	suspects []*suspect
	rng      *chunker.Range // read by range instead of by key
	due      time.Time
	parked   bool // the fence failed once: this is the last attempt
	held     int  // of the settler's capacity

	observed []bool  // by the tail, in this round
	rounds   []round // what this round saw, in the order of suspects
}

// Settler takes rows that looked different and settles each: the same, different, or undecided with a reason.
type Settler struct {
	old, new *read.Session
	fence    Fence
	tail     *Tail // nil where there is no source to follow
	capacity *semaphore.Weighted
	waited   time.Duration         // how long the last fence took
	spoilt   map[*plan.Table]error // tables whose rows cannot be read any more
	single   bool                  // it serves one table at a time, whose own error, as when it was dropped, is drain's; else its rows are undecided

	mu     sync.Mutex
	queue  []*batch
	parked []*batch
	wake   chan struct{}
	nPark  int
	closed bool // no more submissions
}

// NewSettler returns a settler that reads on two sessions of its own. t is nil where no log is to be followed.
func NewSettler(old, new *read.Session, f Fence, t *Tail) *Settler {
	s := &Settler{
		fence: f, tail: t, old: old, new: new,
		capacity: semaphore.NewWeighted(maxSuspects), wake: make(chan struct{}, 1),
		spoilt: make(map[*plan.Table]error),
	}
	read.LinkPeers(old, new)
	return s
}

// RowSeen is a row that reading a range showed to differ.
type RowSeen struct {
	Key  []byte
	Kind diff.Kind
}

// Suspects are rows of one part of a table that looked different.
type Suspects struct {
	Plan  *plan.Table
	Range *chunker.Range // the part
	Rows  []RowSeen
	Read  int   // the number of rows that both sides' reads of the part returned, 0 if it cannot be read as a key range
	Owner Owner // is told once of each row
}

// Submit queues rows that differed. It waits while the queue is full. If ctx ends the rows are undecided.
func (s *Settler) Submit(ctx context.Context, of Suspects) {
	s.Take(ctx, of, s.Reserve(ctx, len(of.Rows)))
}

// Reserve waits until there is room for so many rows, before memory is taken for them.
func (s *Settler) Reserve(ctx context.Context, rows int) error {
	return s.capacity.Acquire(ctx, int64(min(rows, maxSuspects)))
}

// Take is Submit for rows that room was reserved for, or could not be.
func (s *Settler) Take(ctx context.Context, of Suspects, full error) {
	b := &batch{plan: of.Plan, due: time.Now()}
	for _, r := range of.Rows {
		b.suspects = append(b.suspects, &suspect{key: r.Key, owner: of.Owner, rng: of.Range, kind: r.Kind})
	}
	if n := float64(len(b.suspects)); of.Read > 0 && n > roundKeys/8 && n > dense*float64(of.Read) {
		b.rng = of.Range
	}
	if b.plan.Folded {
		b.rng = of.Range
	}
	if full != nil {
		s.giveUp(ctx, b, reasonInterrupted)
		return
	}
	b.held = min(len(of.Rows), maxSuspects)
	s.push(b)
}

// free gives back what a batch holds of the capacity beyond n.
func (s *Settler) free(b *batch, n int) {
	if b.held > n {
		s.capacity.Release(int64(b.held - n))
		b.held = n
	}
}

func (s *Settler) push(b *batch) {
	s.mu.Lock()
	s.queue = append(s.queue, b)
	s.mu.Unlock()
	s.signal()
}

func (s *Settler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Finish tells that nothing more will be submitted: parked rows get their last attempt, and run returns when the
// queue is empty.
func (s *Settler) Finish() {
	s.mu.Lock()
	s.closed = true
	s.queue = append(s.queue, s.parked...)
	s.parked = nil
	s.mu.Unlock()
	s.signal()
}

// Run is drain, and closes what the settler opened.
func (s *Settler) Run(ctx context.Context) error {
	defer s.old.Close()
	defer s.new.Close()
	if s.tail != nil {
		defer s.tail.close()
	}
	return s.drain(ctx)
}

// drain settles batches until finish was called and none is left, or until ctx ends; then what is left is undecided.
func (s *Settler) drain(ctx context.Context) error {
	for {
		b, wait := s.next()
		switch {
		case b == nil && wait < 0:
			return nil
		case b == nil:
			select {
			case <-time.After(wait):
			case <-s.wake:
			case <-ctx.Done():
			}
		default:
			if err := s.round(ctx, b); err != nil {
				s.Abandon(ctx)
				return err
			}
		}
		if ctx.Err() != nil {
			s.Abandon(ctx)
			return ctx.Err()
		}
	}
}

// next takes the batch that is due, joined with other due batches of its table; or says how long to wait, negative
// when there will be nothing more.
func (s *Settler) next() (*batch, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	wait := time.Second
	var take *batch
	rest := s.queue[:0]
	for _, b := range s.queue {
		switch {
		case b.due.After(now):
			wait = min(wait, b.due.Sub(now))
		case take == nil:
			take = b
			continue
		case take.rng == nil && b.rng == nil && b.plan == take.plan && len(take.suspects) < roundKeys && b.parked == take.parked:
			take.suspects = append(take.suspects, b.suspects...)
			take.held += b.held
			continue
		}
		rest = append(rest, b)
	}
	clear(s.queue[len(rest):])
	s.queue = rest
	if take == nil && len(rest) == 0 && s.closed {
		wait = -1
	}
	return take, wait
}

// Abandon gives up everything that is queued or parked.
func (s *Settler) Abandon(ctx context.Context) {
	s.mu.Lock()
	left := slices.Concat(s.queue, s.parked)
	s.queue, s.parked = nil, nil
	s.mu.Unlock()
	for _, b := range left {
		s.giveUp(ctx, b, reasonInterrupted)
	}
}

// giveUp makes all rows of a batch undecided.
func (s *Settler) giveUp(ctx context.Context, b *batch, reason string) {
	for _, sp := range b.suspects {
		s.forget(b.plan, sp)
		sp.owner.Undecided(ctx, reason)
	}
	b.suspects = nil
}

// forget ends what is done for a suspect that is settled.
func (s *Settler) forget(p *plan.Table, sp *suspect) {
	if s.tail != nil {
		s.tail.unwatch(p, sp)
	}
}

// park puts a batch aside until the end of the run, when replication may have come back; a batch that was parked
// before is given up.
func (s *Settler) park(ctx context.Context, b *batch, reason string) {
	s.free(b, 0)
	s.mu.Lock()
	if b.parked || s.closed || s.nPark+len(b.suspects) > maxParked {
		s.mu.Unlock()
		s.giveUp(ctx, b, reason)
		return
	}
	for _, sp := range b.suspects {
		s.forget(b.plan, sp)
	}
	b.parked = true
	s.nPark += len(b.suspects)
	s.parked = append(s.parked, b)
	s.mu.Unlock()
}
