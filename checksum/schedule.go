package checksum

import (
	"context"
	"slices"
	"sync"

	"crosscheck/chunker"
)

// lane is a slice of a table's key space that one worker walks, for one or more copies. Its walker alone reads and writes
// it.
type lane struct {
	tables []*tableRun   // of the copies that it is walked for; each is held by the lane
	rng    chunker.Range // what is left of it
}

func newLane(tables []*tableRun, r chunker.Range) *lane {
	for _, t := range tables {
		t.hold()
	}
	return &lane{tables: tables, rng: r}
}

// release ends what the lane holds.
func (l *lane) release() {
	for _, t := range l.tables {
		t.release()
	}
}

// schedule hands work to workers: lanes that others cut off first, then lanes of the tables in turn. A worker that
// finds neither takes what a copy has left over that stayed behind, or waits until a walker, at its next chunk boundary,
// gives it half of what it has left.
type schedule struct {
	mu      sync.Mutex
	cond    *sync.Cond
	lanes   []*lane
	left    []*lane                               // of copies that stayed behind
	next    func(context.Context) ([]*lane, bool) // begins the next table; false when there is none
	walking int
	waiting int
	closed  bool
}

func newSchedule(next func(context.Context) ([]*lane, bool)) *schedule {
	s := &schedule{next: next}
	s.cond = sync.NewCond(&s.mu)
	return s
}

// take returns a lane to walk, or nil when all work is done or the schedule was closed. The caller calls done after.
func (s *schedule) take(ctx context.Context) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed || ctx.Err() != nil:
			return nil
		case len(s.lanes) > 0:
			l := s.lanes[0]
			s.lanes = s.lanes[1:]
			s.walking++
			return l
		case s.next != nil:
			s.begin(ctx)
		case s.ready() >= 0:
			i := s.ready()
			l := s.left[i]
			s.left = slices.Delete(s.left, i, i+1)
			s.walking++
			return l
		case s.walking == 0:
			s.closed = true
			s.cond.Broadcast()
			return nil
		default:
			s.waiting++
			s.cond.Wait()
			s.waiting--
		}
	}
}

// ready finds a lane that a copy has left over and can go on with, -1 if there is none. Those of copies that are away wait
// as long as there is anything else.
func (s *schedule) ready() int {
	i := slices.IndexFunc(s.left, func(l *lane) bool { return !l.tables[0].check.isAway() })
	if i < 0 && s.walking == 0 && len(s.left) > 0 {
		return 0
	}
	return i
}

// later takes what a copy has left over.
func (s *schedule) later(l *lane) {
	s.mu.Lock()
	s.left = append(s.left, l)
	s.mu.Unlock()
	s.cond.Broadcast()
}

// wake makes those who wait look again.
func (s *schedule) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cond.Broadcast()
}

// begin starts the next table without the lock, while other workers go on; s.walking keeps the schedule open.
func (s *schedule) begin(ctx context.Context) {
	s.walking++
	next := s.next
	s.mu.Unlock()
	lanes, more := next(ctx)
	s.mu.Lock()
	s.walking--
	if !more {
		s.next = nil
	}
	s.lanes = append(s.lanes, lanes...)
	s.cond.Broadcast()
}

// done tells that a lane taken was walked to its end.
func (s *schedule) done() {
	s.mu.Lock()
	s.walking--
	s.mu.Unlock()
	s.cond.Broadcast()
}

// wanted reports whether a worker waits that nothing but a cut can help.
func (s *schedule) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting > len(s.lanes)
}

// offer gives a cut-off lane to a waiting worker.
func (s *schedule) offer(l *lane) {
	s.mu.Lock()
	s.lanes = append(s.lanes, l)
	s.mu.Unlock()
	s.cond.Broadcast()
}

// rest returns the lanes that nobody walks any more, when all workers have come to their end.
func (s *schedule) rest() []*lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := slices.Concat(s.lanes, s.left)
	s.lanes, s.left = nil, nil
	return left
}

// close wakes all waiting workers and lets none begin anything new.
func (s *schedule) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cond.Broadcast()
}
