package main

import (
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/conflict/watch"
	"crosscheck/gate"
	"crosscheck/gate/plan"
	"crosscheck/internal/ledger"
)

// TestWatchThatGoesOnIsRunning reads a ledger to which a watch writes at every moment: what it stores while it is read is
// not of a time to come.
func TestWatchThatGoesOnIsRunning(t *testing.T) {
	dir := t.TempDir()
	book, err := ledger.OpenForWatch(t.Context(), dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	old, new := checksum.EndpointInfo{ServerUUID: "old-uuid"}, checksum.EndpointInfo{ServerUUID: "new-uuid"}
	account, err := book.OpenWatch(t.Context(), ledger.WatchInfo{Old: old, New: new, Scope: &ledger.Scope{Include: []string{"shop.*"}}})
	if err != nil {
		t.Fatal(err)
	}
	status := func() watch.Status { return watch.Status{At: time.Now(), Since: account.Since()} }
	if err = account.SaveStatus(t.Context(), status()); err != nil {
		t.Fatal(err)
	}
	p := plan.Plan{Path: plan.DualWrite, Include: []string{"shop.*"}}
	p.Old.ServerUUID, p.New.ServerUUID = old.ServerUUID, new.ServerUUID
	filter, err := cluster.NewFilter(p.Include, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if serr := account.SaveStatus(t.Context(), status()); serr != nil {
					t.Error(serr)
					return
				}
			}
		}
	})
	defer writer.Wait()
	defer close(stop)
	shared, err := ledger.OpenShared(t.Context(), dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	for range 50 {
		m := &migration{plan: p, filter: filter, book: shared, log: slog.New(slog.DiscardHandler)}
		if err := m.derive(t.Context()); err != nil {
			t.Fatal(err)
		}
		list := m.evidence.All()
		i := slices.IndexFunc(list, func(e gate.Evidence) bool { return e.Kind() == gate.KindWatch })
		if i < 0 || !list[i].Content.(gate.Watch).Running {
			t.Fatalf("a watch that writes all the time does not run: %+v", list)
		}
	}
}

// TestKilledCheckShutsTheGate: a check that was killed with a difference in the ledger outweighs the one before it.
func TestKilledCheckShutsTheGate(t *testing.T) {
	book, err := ledger.Open(t.Context(), t.TempDir(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	info := ledger.RunInfo{
		Old: checksum.EndpointInfo{ServerUUID: "old-uuid", Position: "mysql-bin.000001:4"}, New: checksum.EndpointInfo{ServerUUID: "new-uuid", Position: "mysql-bin.000001:4"},
		Scope: &ledger.Scope{Include: []string{"shop.*"}},
	}
	start := func() *ledger.Run {
		t.Helper()
		run, serr := book.StartRun(t.Context(), info)
		if serr == nil {
			_, _, serr = run.Begin(t.Context(), checksum.TableIdentity{Table: "shop.a", Fingerprint: "f"})
		}
		if serr != nil {
			t.Fatal(serr)
		}
		return run
	}
	p := plan.Plan{Path: plan.GTIDRestart, Include: []string{"shop.*"}, Ages: plan.DefaultAges(), Limits: plan.DefaultLimits()}
	p.Old.ServerUUID, p.New.ServerUUID = "old-uuid", "new-uuid"
	filter, err := cluster.NewFilter(p.Include, nil)
	if err != nil {
		t.Fatal(err)
	}
	different := func() bool {
		t.Helper()
		m := &migration{plan: p, filter: filter, book: book, log: slog.New(slog.DiscardHandler)}
		if derr := m.derive(t.Context()); derr != nil {
			t.Fatal(derr)
		}
		r, _ := m.judge().Gate(plan.GateCaughtUp)
		return slices.ContainsFunc(r.Reasons, func(x gate.Reason) bool { return x.ID == gate.ReasonCheckDifferent })
	}
	same := checksum.Result{Verdict: checksum.Same, Tables: []checksum.TableResult{{Table: "shop.a", Verdict: checksum.Same}}}
	if err = start().Close(t.Context(), same); err != nil {
		t.Fatal(err)
	}
	if different() {
		t.Error("different after a check that says same")
	}
	killed := start()
	if different() {
		t.Error("different although the check under way has found nothing")
	}
	err = killed.Record(t.Context(), "shop.a", checksum.ProvenChunk{
		Counts:      checksum.Counts{RowsOld: 2, RowsNew: 1, Missing: 1, Chunks: 1},
		Differences: []checksum.Difference{{Kind: checksum.Missing, Count: 1, Proof: checksum.ProofBinlog}}, At: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !different() {
		t.Error("a check that was killed holds a difference, and the one before it counts")
	}
	if err = start().Close(t.Context(), same); err != nil {
		t.Fatal(err)
	}
	if different() {
		t.Error("different although another check has found all the same since")
	}
}
