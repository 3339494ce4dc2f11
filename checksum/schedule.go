package checksum

import (
	"context"
	"sync"

	"crosscheck/chunker"
)

// lane is a slice of a table's key space that one worker walks. Its walker alone reads and writes it.
type lane struct {
	table *tableRun
	rng   chunker.Range // what is left of it
}

// schedule hands work to workers: lanes that others cut off first, then lanes of the tables in turn. A worker that
// finds neither waits until a walker, at its next chunk boundary, gives it half of what it has left.
type schedule struct {
	mu      sync.Mutex
	cond    *sync.Cond
	lanes   []*lane
	next    func(context.Context) ([]*lane, bool, error) // begins the next table; false when there is none
	walking int
	waiting int
	closed  bool
}

func newSchedule(next func(context.Context) ([]*lane, bool, error)) *schedule {
	s := &schedule{next: next}
	s.cond = sync.NewCond(&s.mu)
	return s
}

// take returns a lane to walk, or nil when all work is done or the schedule was closed. The caller calls done after.
func (s *schedule) take(ctx context.Context) (*lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed || ctx.Err() != nil:
			return nil, ctx.Err()
		case len(s.lanes) > 0:
			l := s.lanes[0]
			s.lanes = s.lanes[1:]
			s.walking++
			return l, nil
		case s.next != nil:
			if err := s.begin(ctx); err != nil {
				return nil, err
			}
		case s.walking == 0:
			s.closed = true
			s.cond.Broadcast()
			return nil, nil
		default:
			s.waiting++
			s.cond.Wait()
			s.waiting--
		}
	}
}

// begin starts the next table without the lock, while other workers go on; s.walking keeps the schedule open.
func (s *schedule) begin(ctx context.Context) error {
	s.walking++
	next := s.next
	s.mu.Unlock()
	lanes, more, err := next(ctx)
	s.mu.Lock()
	s.walking--
	if !more {
		s.next = nil
	}
	s.lanes = append(s.lanes, lanes...)
	s.cond.Broadcast()
	return err
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
	left := s.lanes
	s.lanes = nil
	return left
}

// close wakes all waiting workers and lets none begin anything new.
func (s *schedule) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cond.Broadcast()
}
