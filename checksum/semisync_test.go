package checksum

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/checksum/prove"
	"crosscheck/fixtures"
)

// stall is a server whose commits wait for a semi-sync acknowledgement that nobody gives, after they are logged.
type stall struct {
	t    *testing.T
	on   *fixtures.Server
	word string
	over sync.WaitGroup
}

func newStall(t *testing.T, s *fixtures.Server) *stall {
	st := &stall{t: t, on: s, word: "rpl_semi_sync_master_"}
	if s.Family() == fixtures.MySQL {
		st.word = "rpl_semi_sync_source_"
		st.exec("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
	}
	st.exec("SET GLOBAL "+st.word+"timeout=3600000", "SET GLOBAL "+st.word+"wait_point=AFTER_SYNC")
	return st
}

func (st *stall) exec(statements ...string) {
	st.t.Helper()
	for _, q := range statements {
		if _, err := st.on.DB().ExecContext(st.t.Context(), q); err != nil {
			st.t.Fatalf("%s: %v", q, err)
		}
	}
}

// begin runs statements that hang in their commit, one after the other, and returns when other shows the first one's
// work, which a query asks for, and all hang.
func (st *stall) begin(other *fixtures.Server, arrived string, statements ...string) {
	st.t.Helper()
	st.exec("SET GLOBAL " + st.word + "enabled=1")
	st.t.Cleanup(st.end)
	for i, q := range statements {
		st.over.Go(func() {
			if _, err := st.on.DB().ExecContext(context.WithoutCancel(st.t.Context()), q); err != nil {
				st.t.Errorf("%s: %v", q, err)
			}
		})
		if i == 0 {
			until(st.t, other, arrived)
		}
		until(st.t, st.on, "SELECT COUNT(*) > 0 FROM information_schema.processlist WHERE state <> '' AND info = '"+q+"'")
	}
}

func (st *stall) end() {
	if _, err := st.on.DB().ExecContext(context.Background(), "SET GLOBAL "+st.word+"enabled=0"); err != nil {
		st.t.Error(err)
	}
	st.over.Wait()
}

// until waits until a query says 1.
func until(t *testing.T, s *fixtures.Server, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for yes := 0; yes != 1; {
		if err := s.DB().QueryRowContext(ctx, query).Scan(&yes); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// releasing ends a stall when the rule waits for it.
type releasing struct {
	prove.Fence
	end func()
}

func (f releasing) Committed(ctx context.Context) error {
	go f.end()
	return f.Fence.Committed(ctx)
}

// TestShownBeforeItIsCommitted: while a commit of old waits for its acknowledgement, new shows the row and old does not.
// That is never a difference, however long it takes and by whatever old's transactions are named; a difference beside it is found.
func TestShownBeforeItIsCommitted(t *testing.T) {
	for _, c := range []struct {
		name   string
		family fixtures.Family
		gtid   fixtures.GTIDMode
		also   int // commits that hang behind the first one
	}{
		{"mysql", fixtures.MySQL, fixtures.GTIDOn, 1},
		{"mysql without gtids", fixtures.MySQL, fixtures.GTIDOff, 1},
		{"mariadb", fixtures.MariaDB, fixtures.GTIDOn, 0},
		{"mariadb, two hang", fixtures.MariaDB, fixtures.GTIDOn, 1}, // then it does not answer where its log ends
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set := fixtures.ForTest(t, fixtures.Spec{Old: c.family, GTID: c.gtid})
			st := newStall(t, set.Old)
			st.exec("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE d.nokey (id INT, v INT)",
				"INSERT INTO d.t VALUES (1,1),(2,2),(3,3),(4,4),(5,5)", "INSERT INTO d.nokey SELECT * FROM d.t")
			if err := set.WaitCaughtUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := set.New.DB().ExecContext(t.Context(), "SET STATEMENT sql_log_bin=0 FOR UPDATE d.t SET v=-2 WHERE id=2"); err != nil {
				if _, err = set.New.DB().ExecContext(t.Context(), "UPDATE d.t SET v=-2 WHERE id=2"); err != nil {
					t.Fatal(err)
				}
			}
			p := pair{name: c.name, old: set.Old, new: set.New}
			statements := []string{
				"UPDATE d.t, d.nokey SET t.v=t.v*10, nokey.v=nokey.v*10 WHERE t.id IN (1,5) AND nokey.id=t.id", "INSERT INTO d.t VALUES (9,9)",
			}
			st.begin(set.New, "SELECT v=50 FROM d.t WHERE id=5", statements[:1+c.also]...)
			results, _ := check(t, p, Options{FenceTimeout: time.Second}, "d.*")
			for _, res := range results {
				if res.Verdict == Same || res.Counts.Changed > 1 || res.Counts.Missing+res.Counts.Extra > 0 || res.Counts.Undecided == 0 ||
					!strings.Contains(res.Reason, "old has not committed all that it has logged") {
					t.Errorf("while old waits: %s is %s, %+v: %s", res.Table, res.Verdict, res.Counts, res.Reason)
				}
			}
			old, new := openSide(t, set.Old, "old"), openSide(t, set.New, "new")
			survey, err := Look(t.Context(), old, new)
			if err != nil {
				t.Fatal(err)
			}
			f := releasing{prove.NewFence(old, new, survey.Relation, time.Minute), sync.OnceFunc(st.end)}
			r := prove.NewRechecker(old, new, f, prove.RecheckerOptions{})
			t.Cleanup(r.Close)
			expect(t, r, "d.t", "=x=====", ids("1", "2", "3", "4", "5", "9", "10")...)
			results, _ = check(t, p, Options{}, "d.*")
			if a, b := results["d.t"], results["d.nokey"]; a.Verdict != Different || a.Counts.Changed != 1 || b.Verdict != Same {
				t.Errorf("after it: %s %+v, %s %+v", a.Verdict, a.Counts, b.Verdict, b.Counts)
			}
		})
	}
}

// TestShownBeforeItIsCommittedTwoWay is the same with replication both ways, on either side.
func TestShownBeforeItIsCommittedTwoWay(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Topology: fixtures.Dual, Old: fixtures.MariaDB})
	for i, s := range []*fixtures.Server{set.Old, set.New} {
		st, other := newStall(t, s), []*fixtures.Server{set.New, set.Old}[i]
		st.exec("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1,1),(2,2)")
		if err := set.WaitCaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := openRechecker(t, set.Old, set.New, RecheckOptions{FenceTimeout: time.Second})
		st.begin(other, "SELECT v=10 FROM d.t WHERE id=1", "UPDATE d.t SET v=10 WHERE id=1")
		expect(t, r, "d.t", "?=", ids("1", "2")...)
		st.end()
		expect(t, r, "d.t", "==", ids("1", "2")...)
		st.exec("DROP DATABASE d")
		if err := set.WaitCaughtUp(t.Context()); err != nil { // the next side makes it anew
			t.Fatal(err)
		}
	}
}
