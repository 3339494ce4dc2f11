package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"crosscheck/checksum"
	"crosscheck/fixtures"
	"crosscheck/report"
)

// sysbench prepares tables on old, lets replication bring them to new, and then runs the standard read-write load on
// old until the test ends.
func sysbench(t testing.TB, set *fixtures.Set, database string, tables, rows int) {
	t.Helper()
	tool, err := fixtures.ProvisionTools(t.Context(), "sysbench", fixtures.Options{}, "sysbench")
	if err != nil {
		t.Skip(err)
	}
	exec1(t, set.Old, "DROP DATABASE IF EXISTS "+database, "CREATE DATABASE "+database)
	config, err := set.Old.SysbenchConfig(fixtures.App, database)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--config-file=" + config, fmt.Sprintf("--tables=%d", tables), fmt.Sprintf("--table-size=%d", rows), "--threads=2",
		"--mysql-ignore-errors=1213,1205,1020,1062", tool.Path("usr/share/sysbench/oltp_read_write.lua"),
	}
	prepare, err := tool.Command(t.Context(), "sysbench", append(args, "prepare")...)
	if err != nil {
		t.Fatal(err)
	}
	if said, perr := prepare.CombinedOutput(); perr != nil {
		t.Fatalf("sysbench prepare: %v\n%s", perr, said)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run, err := tool.Command(ctx, "sysbench", append(args, "--time=0", "--rate=150", "run")...)
	if err != nil {
		t.Fatal(err)
	}
	var out buffer
	run.Stdout, run.Stderr = &out, &out
	run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	caughtUp(t, set)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	var stopping atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run.Wait(); err != nil && !stopping.Load() {
			t.Errorf("sysbench ended: %v\n%s", err, out.String())
		}
	}()
	t.Cleanup(func() {
		stopping.Store(true)
		cancel()
		<-done
		exec1(t, set.Old, "DROP DATABASE "+database)
		caughtUp(t, set)
	})
	before := writes(t, set.Old)
	until(t, patience, "sysbench writes", func() bool { return writes(t, set.Old) > before+200 })
}

func caughtUp(t testing.TB, set *fixtures.Set) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := set.WaitCaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
}

// writes is how many rows a server has changed since it started.
func writes(t testing.TB, s *fixtures.Server) int64 {
	t.Helper()
	var name string
	var sum int64
	for _, counter := range []string{"Handler_update", "Handler_write", "Handler_delete"} {
		var n int64
		if err := s.DB().QueryRowContext(context.Background(), "SHOW GLOBAL STATUS LIKE '"+counter+"'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// sbDifference is a row that a test tampered with.
type sbDifference struct{ table, kind, id, column string }

func (d sbDifference) String() string {
	return fmt.Sprintf("%s %s %s %s", d.table, d.kind, d.id, d.column)
}

// demandRows demands exactly these differences.
func demandRows(t testing.TB, d report.CheckDocument, want ...sbDifference) {
	t.Helper()
	left := make(map[string]bool)
	for _, w := range want {
		left[w.String()] = true
	}
	for _, table := range d.Tables {
		if table.Undecided > 0 {
			t.Errorf("%s: %d rows undecided: %s", table.Table, table.Undecided, table.Reason)
		}
		for _, diff := range table.Differences {
			got := sbDifference{table.Table, string(diff.Kind), *diff.Key[0].Text, strings.Join(diff.Columns, ",")}.String()
			if !left[got] {
				t.Errorf("reported but not planted: %s (%s)", got, diff.Proof)
			}
			delete(left, got)
		}
		if n := table.Missing + table.Extra + table.Changed; n != int64(len(table.Differences)) {
			t.Errorf("%s: %d differences counted, %d listed", table.Table, n, len(table.Differences))
		}
	}
	for w := range left {
		t.Errorf("planted but not found: %s", w)
	}
}

// TestLive is the promise of the whole: under a load, three runs in a row say the same; of seven planted differences
// exactly those seven are found; with replication stopped nothing is called different.
func TestLive(t *testing.T) {
	mysqlByFile := fixtures.Spec{Name: "mysql-file", Topology: fixtures.Pair, Old: fixtures.MySQL, GTID: fixtures.GTIDOff}
	for _, spec := range []fixtures.Spec{mysqlPair, mariaPair, oldToNew, mysqlByFile} {
		t.Run(spec.Name, func(t *testing.T) {
			set := pool.get(t, spec)
			const rows = 20_000
			sysbench(t, set, "sb", 2, rows)
			args := []string{"--table", "sb.*"}
			for i := range 3 {
				d := check(t, set, exitSame, args...)
				demandRows(t, d)
				if d.Nodes[1].Relation != "old→new" {
					t.Errorf("relation %q", d.Nodes[1].Relation)
				}
				t.Logf("run %d: %d in flight, %.2f s", i+1, d.Totals.InFlight, d.ElapsedSeconds)
			}
			if !t.Run("seven differences", func(t *testing.T) { liveDifferences(t, set, args) }) {
				return
			}
			t.Run("replication stopped", func(t *testing.T) { liveStopped(t, set, args) })
		})
	}
}

// liveDifferences plants on rows that sysbench's keys, spread around the middle, seldom or never touch: those before
// the first and after the last, and pad columns, which only a delete and insert of the row would heal.
func liveDifferences(t *testing.T, set *fixtures.Set, args []string) {
	unlogged(t, set.New,
		"INSERT INTO sb.sbtest1 (id, k, c, pad) VALUES (-7, 1, 'before', 'x'), (90000001, 1, 'after', 'x')",
		"INSERT INTO sb.sbtest2 (id, k, c, pad) VALUES (90000002, 1, 'after', 'x')")
	planted := []sbDifference{
		{"sb.sbtest1", "extra", "-7", ""}, {"sb.sbtest1", "extra", "90000001", ""}, {"sb.sbtest2", "extra", "90000002", ""},
	}
	// Rows that no load touches: they come through replication and are tampered with then.
	exec1(t, set.Old,
		"INSERT INTO sb.sbtest1 (id, k, c, pad) VALUES (80000001, 1, 'kept', 'abcdef'), (80000002, 1, 'kept', 'fedcba'), (80000003, 1, 'gone', '')",
		"INSERT INTO sb.sbtest2 (id, k, c, pad) VALUES (80000004, 5, 'kept', '')")
	caughtUp(t, set)
	unlogged(t, set.New, "UPDATE sb.sbtest1 SET pad='fedcba' WHERE id=80000001", "UPDATE sb.sbtest1 SET pad='abcdef' WHERE id=80000002",
		"DELETE FROM sb.sbtest1 WHERE id=80000003", "UPDATE sb.sbtest2 SET pad='tampered' WHERE id=80000004")
	planted = append(planted, sbDifference{"sb.sbtest1", "changed", "80000001", "pad"}, sbDifference{"sb.sbtest1", "changed", "80000002", "pad"},
		sbDifference{"sb.sbtest1", "missing", "80000003", ""}, sbDifference{"sb.sbtest2", "changed", "80000004", "pad"})
	demandRows(t, check(t, set, exitDifferent, args...), planted...)
	stop := logStatements(t, set) // which may have changed any row, for all that the log shows
	byRounds := false
	for try := 0; try < 5 && !byRounds; try++ { // while rows were looked at, the writer may have stood still
		d := check(t, set, exitDifferent, args...)
		demandRows(t, d, planted...)
		byRounds = slices.ContainsFunc(d.Tables, func(r report.Table) bool {
			return slices.ContainsFunc(r.Differences, func(x report.Difference) bool { return x.Proof == checksum.ProofRounds })
		})
	}
	stop()
	if !byRounds {
		t.Error("no difference was proven without the log, although it held statements")
	}
	unlogged(t, set.New, "DELETE FROM sb.sbtest1 WHERE id=-7 OR id=90000001", "DELETE FROM sb.sbtest2 WHERE id=90000002",
		"REPLACE INTO sb.sbtest1 (id, k, c, pad) VALUES (80000001, 1, 'kept', 'abcdef'), (80000002, 1, 'kept', 'fedcba'), (80000003, 1, 'gone', '')",
		"UPDATE sb.sbtest2 SET pad='' WHERE id=80000004")
	demandRows(t, check(t, set, exitSame, args...))
}

func liveStopped(t *testing.T, set *fixtures.Set, args []string) {
	exec1(t, set.Old, "DROP DATABASE IF EXISTS sbheld", "CREATE DATABASE sbheld", "CREATE TABLE sbheld.t (id INT PRIMARY KEY)")
	defer exec1(t, set.Old, "DROP DATABASE sbheld")
	caughtUp(t, set)
	if err := set.StopReplication(t.Context(), fixtures.New); err != nil {
		t.Fatal(err)
	}
	before := writes(t, set.Old)
	until(t, patience, "sysbench writes", func() bool { return writes(t, set.Old) > before+100 })
	d := check(t, set, exitUndecided, args...)
	for _, table := range d.Tables {
		if n := table.Missing + table.Extra + table.Changed; n > 0 || table.Verdict == checksum.Different {
			t.Errorf("%s: %s, %d rows different", table.Table, table.Verdict, n)
		}
		if table.Undecided == 0 || !strings.Contains(table.Reason, "replication") {
			t.Errorf("%s: %d rows undecided: %q", table.Table, table.Undecided, table.Reason)
		}
	}
	t.Logf("stopped: %d undecided: %s", d.Totals.Undecided, d.Tables[0].Reason)
	// It comes back while a run is on its way: what was in flight arrives. One worker comes to the smallest table when it
	// has read the others.
	_, free := hold(t, set.New, "sbheld.t")
	p := startCheck(t, set, append(args, "--table", "sbheld.t", "--workers", "1")...)
	until(t, patience, "all else is read", func() bool { return kept(t, set.New, "sbheld.t") })
	if err := set.StartReplication(t.Context(), fixtures.New); err != nil {
		t.Fatal(err)
	}
	free()
	d = p.document(exitSame)
	demandRows(t, d)
	if d.Totals.InFlight == 0 {
		t.Error("no row was in flight although replication had stood still")
	}
	demandRows(t, check(t, set, exitSame, args...))
}

// TestLagging: rows that are late are in flight, not different, and a planted one is still found.
func TestLagging(t *testing.T) {
	for _, spec := range []fixtures.Spec{mysqlPair, mariaPair} {
		t.Run(spec.Name, func(t *testing.T) {
			set := pool.get(t, spec)
			specs := fill(t, set, "lagging", 5000)
			load, err := fixtures.Load{Rate: 200, Tables: specs}.Start(context.Background(), set.Old.DB())
			if err != nil {
				t.Fatal(err)
			}
			stop := sync.OnceFunc(func() {
				if lerr := load.Stop().Err(); lerr != nil {
					t.Error(lerr)
				}
				caughtUp(t, set)
			})
			defer stop()
			// A lock on new holds the applier up for as long as the first reads take.
			conn, err := set.New.DB().Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err = conn.ExecContext(t.Context(), "LOCK TABLES lagging.orders READ"); err != nil {
				t.Fatal(err)
			}
			at := load.Stats().Rows
			until(t, patience, "new falls behind", func() bool { return load.Stats().Rows > at+100 })
			unlogged(t, set.New) // nothing: only proves that new still answers
			read := readNext(t, set.New)
			p := startCheck(t, set, "--table", "lagging.*")
			until(t, patience, "new was read while it lags", func() bool { return readNext(t, set.New) >= read+4900 })
			time.Sleep(500 * time.Millisecond) // a lag that the fence has to wait for
			if _, err = conn.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
				t.Fatal(err)
			}
			d := p.document(exitSame)
			if d.Totals.InFlight < 50 {
				t.Errorf("%d rows in flight", d.Totals.InFlight)
			}
			faults, err := fixtures.Plant(t.Context(), set.New.DB(), specs[0], 3, fixtures.MissingRow, fixtures.ChangedColumn, fixtures.ExtraGap)
			if err != nil {
				t.Fatal(err)
			}
			demandFaults(t, check(t, set, exitDifferent, "--table", "lagging.*"), faults)
			stop()
		})
	}
}

// TestRestless: rows that go A → X → A hundreds of times a second, and rows that never hold still, are never called
// different; the rows beside them still are.
func TestRestless(t *testing.T) {
	for _, spec := range []fixtures.Spec{mysqlPair, mariaPair} {
		t.Run(spec.Name, func(t *testing.T) {
			set := pool.get(t, spec)
			exec1(t, set.Old, "DROP DATABASE IF EXISTS hot", "CREATE DATABASE hot", "CREATE TABLE hot.t (id INT PRIMARY KEY, v BIGINT, s VARCHAR(20))",
				"INSERT INTO hot.t VALUES (1,0,'a'),(2,0,'a'),(3,0,'a'),(4,0,'a'),(5,0,'a'),(6,0,'a')")
			caughtUp(t, set)
			unlogged(t, set.New, "UPDATE hot.t SET s='b' WHERE id=5")
			ctx, cancel := context.WithCancel(context.Background())
			var group sync.WaitGroup
			defer func() {
				cancel()
				group.Wait()
				caughtUp(t, set)
				exec1(t, set.Old, "DROP DATABASE hot")
				caughtUp(t, set)
			}()
			for _, statements := range [][]string{
				{"UPDATE hot.t SET s='x' WHERE id=1", "UPDATE hot.t SET s='a' WHERE id=1"}, // A → X → A
				{"DELETE FROM hot.t WHERE id=2", "INSERT INTO hot.t VALUES (2,0,'a')"},
				{"UPDATE hot.t SET v=v+1 WHERE id=3"}, // never the same again
				{"UPDATE hot.t SET v=v+1 WHERE id=4", "UPDATE hot.t SET v=v-1 WHERE id=4"},
			} {
				group.Go(func() {
					for i := 0; ctx.Err() == nil; i++ {
						_, err := set.Old.DB().ExecContext(context.Background(), statements[i%len(statements)])
						if err != nil {
							t.Error(err)
							return
						}
						time.Sleep(time.Millisecond) // so that the replica, which has one core to apply it all, keeps up
					}
				})
			}
			for range 4 {
				d := check(t, set, exitDifferent, "--table", "hot.*")
				demandRows(t, d, sbDifference{"hot.t", "changed", "5", "s"})
				t.Logf("%.2f s", d.ElapsedSeconds)
			}
		})
	}
}

// TestTwoWay: both sides write, on keys of their own, and replicate to each other.
func TestTwoWay(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaDual, {Name: "mysql-dual", Topology: fixtures.Dual, Old: fixtures.MySQL}} {
		t.Run(spec.Name, func(t *testing.T) {
			set := pool.get(t, spec)
			specs := fill(t, set, "twoway", 5000)
			var loads []*fixtures.RunningLoad
			for i, s := range []*fixtures.Server{set.Old, set.New} {
				l, err := fixtures.Load{Rate: 150, Tables: specs, Seed: uint64(i), Modulus: 2, Rest: int64(i)}.Start(context.Background(), s.DB())
				if err != nil {
					t.Fatal(err)
				}
				loads = append(loads, l)
			}
			stop := sync.OnceFunc(func() {
				for _, l := range loads {
					if err := l.Stop().Err(); err != nil {
						t.Error(err)
					}
				}
				caughtUp(t, set)
			})
			defer stop()
			for range 3 {
				d := check(t, set, exitSame, "--table", "twoway.*")
				if d.Nodes[1].Relation != "old⇄new" {
					t.Errorf("relation %q", d.Nodes[1].Relation)
				}
			}
			faults, err := fixtures.Plant(t.Context(), set.New.DB(), specs[0], 3, fixtures.FaultKinds()...)
			if err != nil {
				t.Fatal(err)
			}
			demandFaults(t, check(t, set, exitDifferent, "--table", "twoway.*"), faults)
			stop()
		})
	}
}

// TestReverse: new is the source, as after a cut-over.
func TestReverse(t *testing.T) {
	set := pool.get(t, mysqlPair)
	specs := fill(t, set, "reverse", 5000)
	load, err := fixtures.Load{Rate: 200, Tables: specs}.Start(context.Background(), set.Old.DB())
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		if lerr := load.Stop().Err(); lerr != nil {
			t.Error(lerr)
		}
		caughtUp(t, set)
	})
	defer stop()
	swapped := func(want int) report.CheckDocument {
		return start(t, set, "check", "--old", "@new", "--new", "@old", "--format", "json", "--table", "reverse.*").document(want)
	}
	for range 3 {
		swapped(exitSame)
	}
	faults, err := fixtures.Plant(t.Context(), set.New.DB(), specs[0], 3, fixtures.FaultKinds()...)
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]string{"missing": "extra", "extra": "missing", "changed": "changed"}
	for i := range faults { // seen from the other side
		faults[i].Effect = other[faults[i].Effect]
	}
	demandFaults(t, swapped(exitDifferent), faults)
	stop()
}

// TestIndependent: without replication a difference is what stays.
func TestIndependent(t *testing.T) {
	set := pool.get(t, fixtures.Spec{Name: "independent", Topology: fixtures.Independent, Old: fixtures.MariaDB, New: fixtures.MySQL})
	specs := fill(t, set, "apart", 5000)
	check(t, set, exitSame, "--table", "apart.*")
	faults, err := fixtures.Plant(t.Context(), set.New.DB(), specs[0], 3, fixtures.FaultKinds()...)
	if err != nil {
		t.Fatal(err)
	}
	d := check(t, set, exitDifferent, "--table", "apart.*")
	demandFaults(t, d, faults)
	for _, diff := range d.Tables[0].Differences {
		if diff.Proof != checksum.ProofGrace {
			t.Errorf("%v is proven by %s", diff.Key, diff.Proof)
		}
	}
	if len(d.Notes) == 0 || !strings.Contains(strings.Join(d.Notes, " "), "grace") {
		t.Errorf("no note says how differences are proven: %q", d.Notes)
	}
}
