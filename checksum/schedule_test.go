package checksum

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
	"crosscheck/fixtures"
)

// Whatever is begun or offered is walked exactly once, and all workers come to their end.
func TestScheduleHandsOutEverythingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tables := rapid.IntRange(0, 20).Draw(t, "tables")
		workers := rapid.IntRange(1, 6).Draw(t, "workers")
		cuts := int64(rapid.IntRange(0, 20).Draw(t, "cuts"))
		var begun atomic.Int64
		s := newSchedule(func(context.Context) ([]*lane, bool) {
			n := begun.Add(1)
			if n > int64(tables) {
				return nil, false
			}
			return []*lane{{rng: chunker.Range{}}}, n < int64(tables)
		})
		var walked, offered atomic.Int64
		var seen sync.Map
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for {
					l := s.take(context.Background())
					if l == nil {
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

func TestAClosedScheduleEnds(t *testing.T) {
	s := newSchedule(func(context.Context) ([]*lane, bool) { return []*lane{{}}, true })
	if s.take(t.Context()) == nil {
		t.Error("an open schedule gave nothing")
	}
	s.close()
	if l := s.take(t.Context()); l != nil {
		t.Errorf("a closed schedule gave %v", l)
	}
}

// halfJournal says that an earlier run has proven the middle of each table, with a row that new lacks.
type halfJournal struct{ *memoryJournal }

func (halfJournal) Begin(context.Context, TableIdentity) ([]ProvenChunk, string, error) {
	bound := func(n uint64) chunker.Bound { return chunker.Bound{rowstream.Uint64(n)} }
	return []ProvenChunk{{
		Range: chunker.Range{Lo: bound(100), Hi: bound(200)}, Counts: Counts{RowsOld: 100, RowsNew: 99, Chunks: 1, Missing: 1},
		Differences: []Difference{{Kind: Missing, Key: []Field{{Column: "n", Value: Value{Text: "150"}}}, Proof: ProofBinlog, Count: 1}},
		At:          time.Now(),
	}}, "", nil
}

// interrupting ends the run as soon as a chunk was compared.
type interrupting struct {
	quietObserver
	end context.CancelFunc
}

func (i interrupting) Progress(string, int64, int64) { i.end() }

// TestInterruptedBeforeALane: a run that ends while a part of a table waits for a worker tells of the table all the same,
// and of what is proven of it.
func TestInterruptedBeforeALane(t *testing.T) {
	p := pair{name: "mariadb", old: pool.get(t, fixtures.MariaDB, "old"), new: pool.get(t, fixtures.MariaDB, "new")}
	const database = "halfway"
	dataSession(t, p.old, database)
	dataSession(t, p.new, database)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	opt := Options{Workers: 1, Journal: halfJournal{newJournal()}, Observer: interrupting{end: end}}
	r, err := checkPairUntil(ctx, t, p, opt, database+".seq")
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Verdict != Different || len(r.Tables) != 1 {
		t.Fatalf("interrupted %v, %s: %+v", r.Interrupted, r.Verdict, r.Tables)
	}
	if got := r.Tables[0]; got.Counts.Missing != 1 || len(got.Differences) != 1 || got.Reason != errInterrupted.Error() {
		t.Errorf("%+v", got)
	}
}
