package checksum

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"crosscheck/chunker"
)

// Whatever is begun or offered is walked exactly once, and all workers come to their end.
func TestScheduleHandsOutEverythingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tables := rapid.IntRange(0, 20).Draw(t, "tables")
		workers := rapid.IntRange(1, 6).Draw(t, "workers")
		cuts := int64(rapid.IntRange(0, 20).Draw(t, "cuts"))
		var begun atomic.Int64
		s := newSchedule(func(context.Context) ([]*lane, bool, error) {
			n := begun.Add(1)
			if n > int64(tables) {
				return nil, false, nil
			}
			return []*lane{{rng: chunker.Range{}}}, n < int64(tables), nil
		})
		var walked, offered atomic.Int64
		var seen sync.Map
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for {
					l, err := s.take(context.Background())
					if err != nil || l == nil {
						return
					}
					if _, twice := seen.LoadOrStore(l, true); twice {
						panic("a lane was handed out twice")
					}
					walked.Add(1)
					if s.wanted() && offered.Add(1) <= cuts {
						s.offer(&lane{})
					}
					s.done()
				}
			})
		}
		wg.Wait()
		if want := int64(tables) + min(offered.Load(), cuts); walked.Load() != want {
			t.Fatalf("%d lanes walked of %d", walked.Load(), want)
		}
	})
}

func TestScheduleEndsOnAnError(t *testing.T) {
	failure := errors.New("no")
	s := newSchedule(func(context.Context) ([]*lane, bool, error) { return nil, true, failure })
	if _, err := s.take(t.Context()); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	s.close()
	if l, err := s.take(t.Context()); l != nil || err != nil {
		t.Errorf("a closed schedule gave %v, %v", l, err)
	}
}
