package watch

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
	"crosscheck/fixtures"
)

// The watcher dies at random moments and goes on from whatever checkpoint was the last: it finds what one that never
// died finds, which is what was planted.
func TestWatcherDies(t *testing.T) {
	for _, k := range some("mysql", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, sharedDual(t, k))
			seed := uint64(time.Now().UnixNano())
			t.Log("seed", seed)
			rng := rand.New(rand.NewPCG(seed, 1))
			whole := watchSet(t, w.set, w.name, &memoryStore{}, nil)
			store := &memoryStore{}
			m := &mortalStore{memoryStore: store}
			part := watchSet(t, w.set, w.name, store, func(o *Options) { o.Store = m })
			part.until("there is a checkpoint", func(Status) bool { return m.checkpoints.Load() > 0 })
			end := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := 0; ; i++ {
					w.flow(20)
					w.burst(func() { time.Sleep(time.Duration(i%3) * 400 * time.Millisecond) })
					select {
					case <-end:
						return
					default:
					}
				}
			}()
			deaths, stored := 0, int64(0)
			for deadline := time.Now().Add(14 * time.Second); deaths < 2 || time.Now().Before(deadline); deaths++ {
				time.Sleep(time.Duration(200+rng.IntN(5000)) * time.Millisecond)
				part.kill9(m)
				stored += m.checkpoints.Load()
				m = &mortalStore{memoryStore: store}
				part = watchSet(t, w.set, w.name, store, func(o *Options) { o.Store = m })
			}
			close(end)
			<-done
			last := part
			whole.quiet()
			st := last.quiet()
			whole.end()
			last.end()
			t.Logf("%d deaths, %d checkpoints, %d planted", deaths, stored, len(w.want))
			if !st.Resumed {
				t.Errorf("not resumed after %d deaths", deaths)
			}
			w.exactly(whole.store)
			w.exactly(store)
			if whole.final.Account.Sides[0].Verified != last.final.Account.Sides[0].Verified {
				t.Errorf("verified %+v, and by the one that died %+v", whole.final.Account.Sides, last.final.Account.Sides)
			}
		})
	}
}

// A second watcher that reads the same logs from the same places later, and so with another interleaving of the two
// streams, finds the same under the same names.
func TestReadingAgainFindsTheSame(t *testing.T) {
	for _, k := range some("mysql-file") {
		t.Run(k.name, func(t *testing.T) {
			w := newWork(t, sharedDual(t, k))
			var from [2]gtid.Position
			for i, s := range []*fixtures.Server{w.set.Old, w.set.New} {
				srv := open(t, s, "x")
				p, err := srv.Position(context.Background())
				srv.Close()
				if err != nil {
					t.Fatal(err)
				}
				from[i] = p
			}
			first := watchSet(t, w.set, w.name, &memoryStore{}, nil)
			w.flow(20)
			w.burst(nil)
			first.quiet()
			first.end()
			again := watchSet(t, w.set, w.name, &memoryStore{}, func(o *Options) {
				o.Base, o.BaseStart = &Base{Run: 1, Tables: 1}, from
			})
			again.quiet()
			again.end()
			w.exactly(first.store)
			w.exactly(again.store)
			if diff := cmp.Diff(ids(first.store), ids(again.store)); diff != "" {
				t.Errorf("names of findings (-first +again):\n%s", diff)
			}
		})
	}
}

func ids(m *memoryStore) []string {
	var out []string
	for _, f := range m.list {
		out = append(out, f.ID)
	}
	slices.Sort(out)
	return out
}

// Either server is restarted, in order and by SIGKILL, while both are written to and watched.
func TestServerRestarts(t *testing.T) {
	for _, k := range some("mysql56", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, roughDual(t, k))
			seen := watchSet(t, w.set, w.name, &memoryStore{}, nil)
			w.burst(nil)
			for i, s := range []*fixtures.Server{w.set.Old, w.set.New} {
				ctx, cancel := context.WithTimeout(context.Background(), 2*longWait)
				defer cancel()
				done := make(chan struct{})
				go func() {
					defer close(done)
					w.flow(150)
				}()
				time.Sleep(100 * time.Millisecond)
				restart(ctx, t, seen, s, i, false)
				<-done
				w.burst(nil)
				if k.name == "mysql" || k.name == "mariadb" {
					killed := make(chan struct{})
					go func() {
						defer close(killed)
						time.Sleep(100 * time.Millisecond)
						restart(ctx, t, seen, s, i, true)
					}()
					w.flow(150)
					<-killed
					w.settle()
					w.burst(nil)
				}
			}
			seen.quiet()
			st := seen.end()
			w.exactly(seen.store)
			if st.Sides[0].Reconnects == 0 || st.Sides[1].Reconnects == 0 || len(st.Blind) > 0 {
				t.Errorf("reconnects %d and %d, blind %v", st.Sides[0].Reconnects, st.Sides[1].Reconnects, st.Blind)
			}
		})
	}
}

// restart restarts a server; while it is down the status must not call the account clean and current.
func restart(ctx context.Context, t *testing.T, w *watching, s *fixtures.Server, side int, kill bool) {
	t.Helper()
	stop := s.Stop
	if kill {
		stop = func(context.Context) error { return s.Kill() }
	}
	if err := stop(ctx); err != nil {
		t.Error(err)
	}
	w.until("the server is seen to be gone", func(st Status) bool {
		return !st.Sides[side].Read && slices.ContainsFunc(st.Health, func(x Trouble) bool { return x.ID == TroubleTail && int(x.Side) == side })
	})
	if err := s.Restart(ctx); err != nil {
		t.Error(err)
	}
}

// A server's log is purged while the watcher is down, and reset while it runs: what was not read is said, and reading
// goes on behind it. The set is of no use after that.
func TestLogsAreLost(t *testing.T) {
	for _, k := range some("mysql", "mysql-file") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, roughDual(t, k))
			t.Cleanup(func() { ruined(t, "rough "+k.name) })
			for side, s := range []*fixtures.Server{w.set.Old, w.set.New} {
				store := &memoryStore{}
				first := watchSet(t, w.set, w.name, store, nil)
				first.until("it reads", func(s Status) bool { return s.Verdict == Clean })
				w.flow(10)
				first.quiet()
				if st := first.end(); st.Verdict != Clean {
					t.Errorf("%s: %s", st.Verdict, st.Reason)
				}
				w.flow(10)
				purge(t, s)
				again := watchSet(t, w.set, w.name, store, nil)
				st := again.until("the gap is told", func(s Status) bool { return len(s.Blind) > 0 })
				again.quiet()
				blind(t, st, store, side)
				w.want = nil
				w.burst(nil)
				w.flow(10)
				again.quiet()
				again.end()
				w.exactly(store, "unjudged")
			}
			// Replication does not survive a reset: it is stopped.
			w.settle()
			stopAppliers(t, w.set)
			store := &memoryStore{}
			seen := watchSet(t, w.set, w.name, store, nil)
			mustExec(t, w.old, "INSERT INTO t (id, n) VALUES (1, 1), (2, 1), (3, 1)")
			seen.until("it reads", func(s Status) bool { return s.Account.Sides[0].Changes == 3 })
			reset := "RESET MASTER"
			if k.family == fixtures.MySQL {
				reset = "RESET BINARY LOGS AND GTIDS"
			}
			beginAnew(t, w.set.Old, reset)
			st := seen.until("the gap is told", func(s Status) bool { return len(s.Blind) > 0 })
			blind(t, st, store, 0)
			mustExec(t, w.old, "INSERT INTO t (id, n) VALUES (4, 1), (5, 1)")
			seen.until("it reads on", func(s Status) bool { return s.Account.Sides[0].Changes == 5 })
			seen.end()
			beginAnew(t, w.set.Old, reset)
			mustExec(t, w.old, "INSERT INTO t (id, n) VALUES (6, 1)")
			again := watchSet(t, w.set, w.name, store, nil)
			// Where the first process ended before it could confirm a definition, its checkpoint is from before the first gap,
			// and one gap is told for both.
			st = again.until("the gap is told", func(s Status) bool { return len(s.Blind) > 0 })
			mustExec(t, w.old, "INSERT INTO t (id, n) VALUES (7, 1)")
			again.until("it reads on", func(s Status) bool { return s.Account.Sides[0].Changes > st.Account.Sides[0].Changes })
			again.end()
			for _, line := range store.lines() {
				// The names of transactions are used again after a reset: the replica passes over what it thinks it has.
				if !strings.HasPrefix(line, "unjudged") && !slices.Contains([]string{"missing_echo t 4", "missing_echo t 6", "missing_echo t 7"}, line) {
					t.Errorf("found %s", line)
				}
			}
		})
	}
}

// blind checks how a gap of a side is told.
func blind(t *testing.T, st Status, store *memoryStore, side int) {
	t.Helper()
	name := conflict.Side(side).String()
	if st.Verdict != Undecided || !strings.HasPrefix(st.Reason, name+": blind from ") {
		t.Errorf("%s: %s", st.Verdict, st.Reason)
	}
	store.mu.Lock()
	defer store.mu.Unlock()
	if n := len(store.list); n != 1 || store.list[0].Kind != conflict.Unjudged || store.list[0].Reason != conflict.ReasonGap {
		t.Errorf("findings: %+v", store.list)
	}
}

// beginAnew begins a server's log anew. MySQL 9.7 can lock itself up in that while others ask for its places and
// variables, until it answers no new connection either: such a server is killed, and does it after its restart.
func beginAnew(t testing.TB, s *fixtures.Server, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := s.DB().ExecContext(ctx, statement)
	if !errors.Is(err, context.DeadlineExceeded) {
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		return
	}
	t.Logf("the server does not come back from %s: killed and started again", statement)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustExec(t, s.DB(), statement)
}

// purge removes all of a server's log but the file that it writes to.
func purge(t *testing.T, s *fixtures.Server) {
	t.Helper()
	mustExec(t, s.DB(), "FLUSH BINARY LOGS")
	for deadline := time.Now().Add(longWait); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		last, count := logs(t, s)
		if count == 1 {
			return
		}
		mustExec(t, s.DB(), "PURGE BINARY LOGS TO '"+last+"'") // files that are being sent stay
	}
	t.Fatal("more than one log file is left")
}

// logs tells a server's newest log file, and how many there are.
func logs(t *testing.T, s *fixtures.Server) (last string, count int) {
	t.Helper()
	rows, err := s.DB().Query("SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for ; rows.Next(); count++ {
		into := []any{&last}
		for range columns[1:] {
			into = append(into, new(any))
		}
		if err = rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
	}
	if err = rows.Err(); err != nil {
		t.Fatal(err)
	}
	return last, count
}

// ruined takes down a shared set that is of no use any more.
func ruined(t *testing.T, name string) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if s := shared.sets[name]; s != nil {
		delete(shared.sets, name)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
