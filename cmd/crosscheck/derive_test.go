package main

import (
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/conflict/watch"
	"crosscheck/gate"
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
	run, _ := shopRun()
	account, err := book.OpenWatch(t.Context(), ledger.WatchInfo{Old: run.Old, New: run.New, Scope: run.Scope})
	if err != nil {
		t.Fatal(err)
	}
	status := func() watch.Status { return watch.Status{At: time.Now(), Since: account.Since()} }
	if err = account.SaveStatus(t.Context(), status()); err != nil {
		t.Fatal(err)
	}
	p := shopPlan()
	p.Old.ServerUUID, p.New.ServerUUID = run.Old.ServerUUID, run.New.ServerUUID
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
