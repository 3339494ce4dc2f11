package watch

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
	"crosscheck/fixtures"
)

// Keys that the application gives, before the watch begins, while it begins and after that, are no wrong steps on any
// server; those that a stale session generates between them are.
func TestGivenKeysAroundTheStart(t *testing.T) {
	for _, k := range some("mysql", "mysql56", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, _, name := database(t, set)
			const top = 100001
			mustExec(t, old, scenarioTables, fmt.Sprintf("INSERT INTO t (id, n) VALUES (%d, 0)", top))
			caughtUp(t, set)
			base := &Base{Run: 1, Tables: 1}
			var from [2]gtid.Position
			var keys [2]cluster.KeySpace
			for i, s := range []*fixtures.Server{set.Old, set.New} {
				srv := open(t, s, "x")
				table, err := cluster.LoadTable(t.Context(), srv, name, "t")
				if err != nil {
					t.Fatal(err)
				}
				if from[i], err = srv.Position(t.Context()); err != nil {
					t.Fatal(err)
				}
				keys[i] = srv.KeySpace(t.Context(), []*cluster.Table{table})
				srv.Close()
				if m := keys[i].Marks; len(m) != 1 || m[0].Key != top || m[0].Table != table.FullName() || keys[i].Step.Increment != 2 {
					t.Fatalf("%+v", keys[i])
				}
			}
			give := func(id int) { mustExec(t, old, fmt.Sprintf("INSERT INTO t (id, n) VALUES (%d, 0)", id)) }
			give(10) // in the second in which the highest key was read
			for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(500 * time.Millisecond) {
				give(20 + 2*int(time.Since(began)/time.Millisecond))
			}
			stale, err := set.Old.Open(fixtures.App, name)
			if err != nil {
				t.Fatal(err)
			}
			defer stale.Close()
			stale.SetMaxOpenConns(1)
			insert := "INSERT INTO t (n) VALUES (1)"
			mustExec(t, stale, "SET SESSION auto_increment_increment = 1, auto_increment_offset = 1", insert, insert)
			wrong := fmt.Sprint(top + 1)
			w := watchSet(t, set, name, &memoryStore{}, func(o *Options) { o.Base, o.BaseStart, o.BaseKeys = base, from, keys })
			w.quiet()
			w.end()
			if got := wrongKeys(w); !slices.Equal(got, []string{wrong}) {
				t.Errorf("behind a check: wrong keys %v, want %s", got, wrong)
			}
			// Without a check, while keys are given all the time.
			stop := make(chan struct{})
			var giver sync.WaitGroup
			giver.Go(func() {
				for id := 20000; ; id += 2 {
					select {
					case <-stop:
						return
					case <-time.After(2 * time.Millisecond):
						give(id)
					}
				}
			})
			w = watchSet(t, set, name, &memoryStore{}, nil)
			w.until("given keys were read", func(s Status) bool { return s.Account.Sides[0].Changes > 100 })
			close(stop)
			giver.Wait()
			mustExec(t, stale, insert, insert)
			w.quiet()
			w.end()
			if got := wrongKeys(w); !slices.Equal(got, []string{fmt.Sprint(top + 3)}) {
				t.Errorf("without a check: wrong keys %v, want %d", got, top+3)
			}
		})
	}
}

// wrongKeys lists the keys that were found not to fit their side's step.
func wrongKeys(w *watching) []string {
	var out []string
	for _, f := range w.store.list {
		if f.Kind == conflict.WrongStepKey {
			out = append(out, f.Key[0].String())
		}
	}
	slices.Sort(out)
	return out
}
