package cluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// checkUnderLoad runs writers on `from` while fences are taken: a row that was
// seen on `from` before its position was read must be on `to` when the fence
// is true. early is how many may be missed: with MySQL's GTIDs a row can be
// seen a moment before its transaction is in gtid_executed.
func checkUnderLoad(t *testing.T, l *Link, a, b *Server, from *fixtures.Server, rounds, early int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	db := fmt.Sprintf("load_%s", l.From())
	run(t, from, "CREATE DATABASE "+db, "CREATE TABLE "+db+".t (id BIGINT PRIMARY KEY, pad VARCHAR(100))")
	var next atomic.Int64
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for ctx.Err() == nil {
				_, err := from.DB().ExecContext(ctx, fmt.Sprintf("INSERT INTO %s.t VALUES (%d, REPEAT('x', 80))", db, next.Add(1)))
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				time.Sleep(4 * time.Millisecond) // appliers must keep up on a small machine
			}
		})
	}
	defer writers.Wait()
	defer cancel()
	missed := 0
	var waited time.Duration
	for range rounds {
		var id int64
		// Not MAX alone: ids are committed out of order.
		if err := a.DB().QueryRowContext(ctx, "SELECT COALESCE(MAX(id),0) FROM "+db+".t").Scan(&id); err != nil {
			t.Fatal(err)
		}
		p := positionOf(t, a)
		begin := time.Now()
		if err := l.Wait(ctx, p, waitOpt); err != nil {
			t.Fatal(err)
		}
		waited += time.Since(begin)
		var n int
		if err := b.DB().QueryRowContext(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s.t WHERE id=%d", db, id)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 0 && id > 0 {
			missed++
		}
	}
	t.Logf("%s: %d rounds during %d inserts, %d early, %s a fence", l.Proof(), rounds, next.Load(), missed, waited/time.Duration(rounds))
	if missed > early {
		t.Errorf("%d of %d fences were true before the row was there, at most %d may be", missed, rounds, early)
	}
}

func TestFenceMariaDBDual(t *testing.T) {
	t.Parallel()
	parallel := map[string]string{"slave_parallel_threads": "4", "slave_parallel_mode": "optimistic"}
	set := fixtures.ForTest(t, fixtures.Spec{
		Old: fixtures.MariaDB, Topology: fixtures.Dual,
		OldOptions: fixtures.ServerOptions{Variables: parallel}, NewOptions: fixtures.ServerOptions{Variables: parallel},
	})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	rel := relate(t, o, n, TwoWay)
	wantProof(t, rel.OldToNew, ByMariaDBGTID, true)
	wantProof(t, rel.NewToOld, ByMariaDBGTID, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
	checkLink(t, set, rel.NewToOld, n, fixtures.New, fixtures.Old)
	checkUnderLoad(t, rel.OldToNew, o, n, set.Old, 300, 0)
	checkUnderLoad(t, rel.NewToOld, n, o, set.New, 300, 0)
}

func TestFenceMySQLDual(t *testing.T) {
	t.Parallel()
	const rounds = 300
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL, Topology: fixtures.Dual})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	rel := relate(t, o, n, TwoWay)
	wantProof(t, rel.OldToNew, ByMySQLGTID, true)
	wantProof(t, rel.NewToOld, ByMySQLGTID, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
	checkLink(t, set, rel.NewToOld, n, fixtures.New, fixtures.Old)
	checkUnderLoad(t, rel.OldToNew, o, n, set.Old, rounds, rounds/4)
	checkUnderLoad(t, rel.NewToOld, n, o, set.New, rounds, rounds/4)
}

// Both ways without GTIDs: each receiver drops what it wrote itself, and its
// place moves on past it.
func TestFenceMySQLDualWithoutGTID(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL, Topology: fixtures.Dual, GTID: fixtures.GTIDOff})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	rel := relate(t, o, n, TwoWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	wantProof(t, rel.NewToOld, ByFilePos, true)
	run(t, set.New, "CREATE DATABASE echoed", "CREATE TABLE echoed.t (id INT PRIMARY KEY)", "INSERT INTO echoed.t VALUES (1)")
	for range 3 {
		if err := rel.NewToOld.Wait(t.Context(), positionOf(t, n), waitOpt); err != nil {
			t.Fatal(err)
		}
		if err := rel.OldToNew.Wait(t.Context(), positionOf(t, o), waitOpt); err != nil {
			t.Fatal(err)
		}
	}
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
	checkUnderLoad(t, rel.OldToNew, o, n, set.Old, 5, 0)
}

// The single-threaded applier of 5.6 shows its place before its commit.
func TestFenceMySQL56Pair(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL56, New: fixtures.MySQL56})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
	checkUnderLoad(t, rel.OldToNew, o, n, set.Old, 300, 0)
}
