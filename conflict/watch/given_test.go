package watch

import (
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// Highest keys belong to one life of a table: when it is emptied or made anew, or its next key is set back, lower keys may be
// generated ones again, and those of a stale session are found.
func TestKeysOfANewLife(t *testing.T) {
	for _, k := range some("mysql", "mysql56", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, _, name := database(t, set)
			lives := map[string][]string{
				"a": {"TRUNCATE a"}, "b": {"DROP TABLE b", "CREATE TABLE b LIKE like_b"}, "c": {"DELETE FROM c", "ALTER TABLE c AUTO_INCREMENT = 1"},
				"d": {"RENAME TABLE d TO d2, like_d TO d"},
			}
			for table := range lives {
				mustExec(t, old, "CREATE TABLE "+table+" (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT)", "CREATE TABLE like_"+table+" LIKE "+table,
					"INSERT INTO "+table+" VALUES (100001, 0)")
			}
			caughtUp(t, set)
			stale, err := set.Old.Open(fixtures.App, name)
			if err != nil {
				t.Fatal(err)
			}
			defer stale.Close()
			stale.SetMaxOpenConns(1)
			mustExec(t, stale, "SET SESSION auto_increment_increment = 1, auto_increment_offset = 1")
			w := watchSet(t, set, name, &memoryStore{}, nil)
			w.until("both sides are seen", func(s Status) bool { return s.Sides[0].Sessions > 0 && s.Sides[1].Sessions > 0 })
			mustExec(t, old, "DO SLEEP(1.1)") // servers tell whole seconds: what was read in that of a RENAME may be of either life
			for _, statements := range lives {
				mustExec(t, old, statements...)
			}
			mustExec(t, old, "DO SLEEP(1.1)", "INSERT INTO d2 VALUES (10, 0)") // the last is given
			for table := range lives {
				mustExec(t, stale, "INSERT INTO "+table+" (n) VALUES (1)", "INSERT INTO "+table+" (n) VALUES (2)")
			}
			caughtUp(t, set)
			w.quiet()
			w.end()
			if got := wrongKeys(w); !slices.Equal(got, []string{"2", "2", "2", "2"}) {
				t.Errorf("wrong keys %v, want the second of each table: %v", got, w.store.lines())
			}
		})
	}
}

// MySQL 5.6 forgets the next keys when it is restarted.
func TestKeysAfterARestart(t *testing.T) {
	k := kinds()[2]
	set := roughDual(t, k)
	old, _, name := database(t, set)
	mustExec(t, old, "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT)", "INSERT INTO t VALUES (100001, 0)")
	caughtUp(t, set)
	store := &memoryStore{}
	w := watchSet(t, set, name, store, nil)
	w.quiet()
	mustExec(t, old, "DELETE FROM t")
	caughtUp(t, set)
	if err := set.Old.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	stale, err := set.Old.Open(fixtures.App, name)
	if err != nil {
		t.Fatal(err)
	}
	defer stale.Close()
	stale.SetMaxOpenConns(1)
	mustExec(t, stale, "SET SESSION auto_increment_increment = 1, auto_increment_offset = 1", "DO SLEEP(1.1)",
		"INSERT INTO t (n) VALUES (1)", "INSERT INTO t (n) VALUES (2)")
	caughtUp(t, set)
	w.quiet()
	w.end()
	if got := wrongKeys(w); !slices.Equal(got, []string{"2"}) {
		t.Errorf("wrong keys %v, want 2: %v", got, store.lines())
	}
}

// A key that the application gave is told by the collision on it alone, whichever is read first: no session has the wrong
// step. One that collides with nothing is told as soon as it has arrived.
func TestCollisionBehindTheKey(t *testing.T) {
	for _, k := range some("mysql56", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, new, name := database(t, set)
			mustExec(t, old, "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, n INT)", "CREATE TABLE u (id BIGINT PRIMARY KEY, a INT AUTO_INCREMENT, UNIQUE (a))")
			caughtUp(t, set)
			w := watchSet(t, set, name, &memoryStore{}, nil)
			w.until("both sides are seen", func(s Status) bool { return s.Sides[0].Sessions > 0 && s.Sides[1].Sessions > 0 })
			stopAppliers(t, set)
			mustExec(t, old, "INSERT INTO t VALUES (202, 1), (204, 1), (206, 1)", "INSERT INTO u VALUES (1, 202)")
			before := w.until("the keys are read", func(s Status) bool { return s.Account.Waiting[0] == 4 })
			more := make([]*sql.Conn, 5) // that they are counted shows that a look began after the keys were read
			for i := range more {
				c, err := set.Old.DB().Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				more[i] = c
				defer c.Close()
			}
			w.until("the sessions were looked at again", func(s Status) bool { return s.Sides[0].Sessions >= before.Sides[0].Sessions+3 })
			mustExec(t, new, "INSERT INTO t VALUES (202, 2), (208, 1)", "UPDATE t SET id = 204 WHERE id = 208", "INSERT INTO u VALUES (2, 202)")
			startAppliers(t, set)
			caughtUp(t, set)
			w.quiet()
			w.end()
			want := []string{"insert_insert_pk t 202", "insert_insert_unique u 202", "update_pk t 204", "wrong_step_key t 206"}
			if diff := cmp.Diff(want, w.store.lines()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
