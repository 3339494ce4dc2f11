package ledger

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/conflict"
	"crosscheck/gate"
)

func anOverride(n int, at time.Time) gate.Evidence {
	return gate.Evidence{
		Taken: at.Add(time.Duration(n) * time.Millisecond), Old: "old-uuid", New: "new-uuid", Plan: "hash",
		Content: gate.Override{Gate: "preflight", By: "ann", Why: strings.Repeat("<&> ", n%3+1)},
	}
}

var aMoment = time.Date(2026, 1, 31, 23, 59, 59, 123456789, time.UTC)

func TestEvidenceComesBackAsItWas(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	check := gate.Evidence{
		Taken: aMoment, From: aMoment.Add(-time.Hour), Old: "old-uuid", New: "new-uuid", Positions: map[string]string{"old": "u:1-5"},
		Content: gate.Check{Run: "1", Verdict: gate.Same, Coverage: gate.Coverage{Include: []string{"shop.*"}, Tables: 2, Rows: 5, Complete: true}},
	}
	foreign := anOverride(1, aMoment)
	foreign.New = "other"
	for range 2 { // what is there already is not added again
		if err := l.AddEvidence(t.Context(), "preflight", anOverride(0, aMoment), foreign); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.AddEvidence(t.Context(), "", check); err != nil {
		t.Fatal(err)
	}
	list := func(f EvidenceFilter) (out []gate.EvidenceID) {
		t.Helper()
		stored, err := l.ListEvidence(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range stored {
			out = append(out, e.ID())
		}
		return out
	}
	all := []gate.EvidenceID{anOverride(0, aMoment).ID(), foreign.ID(), check.ID()}
	for _, c := range []struct {
		f    EvidenceFilter
		want []gate.EvidenceID
	}{
		{EvidenceFilter{}, all},
		{EvidenceFilter{Old: "old-uuid", New: "new-uuid"}, []gate.EvidenceID{all[0], all[2]}},
		{EvidenceFilter{Gate: "preflight"}, all[:2]},
		{EvidenceFilter{Kinds: []gate.Kind{gate.KindCheck, gate.KindSteps}}, all[2:]},
		{EvidenceFilter{Old: "nobody"}, nil},
	} {
		if diff := cmp.Diff(c.want, list(c.f)); diff != "" {
			t.Errorf("%+v: (-want +got)\n%s", c.f, diff)
		}
	}
	if err := l.AddEvidence(t.Context(), "", anOverride(9, aMoment), gate.Evidence{}); err == nil {
		t.Error("evidence without content was stored")
	}
	if got := list(EvidenceFilter{}); len(got) != 3 {
		t.Errorf("%d pieces after a refusal: a part of it was stored", len(got))
	}
}

func TestEvidenceIsNeverChanged(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	if err := l.AddEvidence(t.Context(), "", anOverride(0, aMoment)); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE evidence SET taken = ''", "DELETE FROM evidence"} {
		if _, err := l.write.Exec(statement); err == nil {
			t.Errorf("%s: no error", statement)
		}
	}
	raw, err := sql.Open("sqlite", filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_, err = raw.Exec(`DROP TRIGGER evidence_unchanged; UPDATE evidence SET json = replace(json, 'ann', 'bob')`)
	if err != nil {
		t.Fatal(err)
	}
	var bad *Error
	if _, err = l.ListEvidence(t.Context(), EvidenceFilter{}); !errors.As(err, &bad) || bad.Kind != Corrupt {
		t.Errorf("changed evidence: %v", err)
	}
}

// TestEvidenceBesideAWatch adds evidence by another handle while a process writes its account as fast as it can: neither
// loses anything, and the reader sees the account grow.
func TestEvidenceBesideAWatch(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, Options{}).Close()
	ctx, kill := context.WithTimeout(t.Context(), 3*time.Minute)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer kill()
	beside.Go(func() {
		if _, err := runUntil(ctx, watcherDir+"="+dir, func(bool) {}); err != nil {
			t.Error(err)
		}
	})
	shared, err := OpenShared(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	n, grown, seen := 0, 0, uint64(0)
	for ; n < 20 || grown < 5; n++ {
		if ctx.Err() != nil {
			t.Fatalf("%d pieces beside %d findings, seen to grow %d times: the test has not tested", n, seen, grown)
		}
		if err = shared.AddEvidence(t.Context(), "steps-set", anOverride(n, aMoment)); err != nil {
			t.Fatal(err)
		}
		var w *Watch
		if w, err = shared.ReadWatch(t.Context(), 0); err == nil {
			var counts map[conflict.Kind]uint64
			counts, err = w.FindingCounts(t.Context())
			if err != nil || counts[conflict.UpdateUpdate] < seen {
				t.Fatalf("%d findings after %d, %v", counts[conflict.UpdateUpdate], seen, err)
			}
			if counts[conflict.UpdateUpdate] > seen {
				grown++
			}
			seen = counts[conflict.UpdateUpdate]
		} else if !errors.Is(err, ErrNoWatch) {
			t.Fatal(err)
		}
	}
	kill()
	beside.Wait()
	got, err := shared.ListEvidence(t.Context(), EvidenceFilter{})
	if err != nil || len(got) != n {
		t.Fatalf("%d pieces of %d, %v", len(got), n, err)
	}
	t.Logf("%d pieces beside %d findings", n, seen)
}

// TestSharedOpensMigrateOnce opens a file of an earlier layout by several handles at a time.
func TestSharedOpensMigrateOnce(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				l, err := OpenShared(t.Context(), dir, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(l.AddEvidence(t.Context(), "", anOverride(0, aMoment)), l.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func TestLastFound(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	w := mustWatch(t, l, watchInfo())
	if at, err := w.LastFound(t.Context(), conflict.UpdateUpdate); err != nil || !at.IsZero() {
		t.Errorf("an empty account: %v, %v", at, err)
	}
	for i := range 3 {
		if _, err := w.AddFindings(t.Context(), []conflict.Finding{finding(i)}, aMoment.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	at, err := w.LastFound(t.Context(), conflict.InsertInsertPK, conflict.UpdateUpdate)
	if want := aMoment.Add(2 * time.Second).Truncate(time.Microsecond); err != nil || !at.Equal(want) {
		t.Errorf("%v, %v; want %v", at, err, want)
	}
	if at, err := w.LastFound(t.Context(), conflict.InsertInsertPK); err != nil || !at.IsZero() {
		t.Errorf("another kind: %v, %v", at, err)
	}
}

func TestScopeIsKept(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	info := servers()
	info.Scope = &Scope{Include: []string{"shop.*"}, Exclude: []string{"shop.tmp"}, Unseen: "old: SELECT on shop"}
	if _, err := l.StartRun(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	run, err := l.LastRun(t.Context())
	if diff := cmp.Diff(info.Scope, run.Scope); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err = l.StartRun(t.Context(), servers()); err != nil {
		t.Fatal(err)
	}
	if run, err = l.LastRun(t.Context()); err != nil || run.Scope != nil {
		t.Errorf("%v, %v", run.Scope, err)
	}
	watched := watchInfo()
	watched.Scope = &Scope{Include: []string{"shop.*"}}
	mustWatch(t, l, watched)
	list, err := l.Watches(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if diff := cmp.Diff(watched.Scope, list[0].Scope); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
