package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate"
	"crosscheck/gate/plan"
	"crosscheck/internal/ledger"
)

var gateNow = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func shopPlan() plan.Plan { return plan.Plan{Path: plan.DualWrite, Include: []string{"shop.*"}} }

func shopRun() (ledger.RunSummary, checksum.Result) {
	run := ledger.RunSummary{
		ID: 7, Started: gateNow.Add(-time.Hour), Finished: gateNow.Add(-time.Minute), Verdict: checksum.Same,
		Old: checksum.EndpointInfo{ServerUUID: "old-uuid", Position: "u:1-5"}, New: checksum.EndpointInfo{ServerUUID: "new-uuid"},
		Scope: &ledger.Scope{Include: []string{"shop.*"}},
	}
	return run, checksum.Result{Tables: []checksum.TableResult{
		{Table: "shop.a", Verdict: checksum.Same, Counts: checksum.Counts{RowsOld: 5}},
		{Table: "shop.b", Verdict: checksum.Same, Counts: checksum.Counts{RowsOld: 7}},
	}}
}

func TestCheckEvidence(t *testing.T) {
	run, result := shopRun()
	e := checkEvidence(run, result)
	want := gate.Check{
		Run: "7 of 2026-01-31T11:59:00Z", Verdict: gate.Same,
		Coverage: gate.Coverage{Include: []string{"shop.*"}, Tables: 2, Rows: 12, Complete: true, Names: []string{"shop.a", "shop.b"}},
	}
	if diff := cmp.Diff(want, e.Content); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if e.Problem() != "" || e.Old != "old-uuid" || e.New != "new-uuid" || !e.Taken.Equal(run.Finished) || !e.From.Equal(run.Started) ||
		e.Positions["old"] != "u:1-5" {
		t.Errorf("%+v: %s", e, e.Problem())
	}
	for _, c := range []struct {
		name     string
		change   func(*ledger.RunSummary, *checksum.Result)
		verdict  string
		complete bool
	}{
		{"different", func(r *ledger.RunSummary, _ *checksum.Result) { r.Verdict = checksum.Different }, gate.Different, true},
		{"undecided", func(r *ledger.RunSummary, x *checksum.Result) {
			r.Verdict, x.Tables[0].Verdict = checksum.Undecided, checksum.Undecided
		}, gate.Undecided, true},
		{"interrupted", func(r *ledger.RunSummary, _ *checksum.Result) { r.Interrupted = true }, gate.Undecided, false},
		{"interrupted, different", func(r *ledger.RunSummary, _ *checksum.Result) {
			r.Interrupted, r.Verdict = true, checksum.Different
		}, gate.Different, false},
		{"of an earlier version", func(r *ledger.RunSummary, _ *checksum.Result) { r.Scope = nil }, gate.Same, false},
		{"tables that the account cannot see", func(r *ledger.RunSummary, _ *checksum.Result) { r.Scope.Unseen = "old" }, gate.Same, false},
	} {
		run, result := shopRun()
		c.change(&run, &result)
		e := checkEvidence(run, result)
		got, _ := e.Content.(gate.Check)
		if got.Verdict != c.verdict || got.Complete != c.complete || e.Problem() != "" {
			t.Errorf("%s: %+v %s", c.name, got, e.Problem())
		}
	}
}

func TestChooseRun(t *testing.T) {
	p := shopPlan()
	filter, err := cluster.NewFilter(p.Include, nil)
	if err != nil {
		t.Fatal(err)
	}
	of := func(id int64, v checksum.Verdict, differs string, include ...string) finishedRun {
		r := finishedRun{RunSummary: ledger.RunSummary{ID: id, Verdict: v, Scope: &ledger.Scope{Include: include}}}
		if differs != "" {
			r.result.Tables = []checksum.TableResult{{Table: differs, Verdict: checksum.Different}}
		}
		return r
	}
	interrupted := of(5, checksum.Undecided, "", "shop.*")
	interrupted.Interrupted = true
	foundIt := of(6, checksum.Different, "shop.a", "shop.*")
	foundIt.Interrupted = true
	full, all := of(1, checksum.Same, "", "shop.*"), of(2, checksum.Same, "")
	for _, c := range []struct {
		name string
		list []finishedRun // newest first
		want int64
	}{
		{"none", nil, 0},
		{"the newest", []finishedRun{all, full}, 2},
		{"a narrower one does not hide it", []finishedRun{of(3, checksum.Same, "", "shop.a"), full}, 1},
		{"one that found a difference does", []finishedRun{of(3, checksum.Different, "shop.a", "shop.a"), full}, 3},
		{"elsewhere it does not", []finishedRun{of(3, checksum.Different, "blog.a", "blog.*"), full}, 1},
		{"an interrupted one does not", []finishedRun{interrupted, full}, 1},
		{"interrupted, but it found a difference", []finishedRun{foundIt, full}, 6},
		{"only a narrower one", []finishedRun{of(3, checksum.Same, "", "shop.a")}, 3},
	} {
		got, ok := chooseRun(p, filter, c.list)
		if got.ID != c.want || ok != (c.want != 0) {
			t.Errorf("%s: run %d, want %d", c.name, got.ID, c.want)
		}
	}
}

func shopAccount() account {
	return account{
		WatchSummary: ledger.WatchSummary{
			Old: checksum.EndpointInfo{ServerUUID: "old-uuid"}, New: checksum.EndpointInfo{ServerUUID: "new-uuid"},
			Scope: &ledger.Scope{Include: []string{"shop.*"}},
		},
		status: watch.Status{
			At: gateNow.Add(-2 * time.Second), Since: gateNow.Add(-time.Hour), Verdict: watch.Clean,
			Sides: [2]watch.SideStatus{{Label: "old", Position: "u:1-9"}, {Label: "new", Position: "v:1-9"}},
			Base:  &watch.Base{Run: 7, Finished: gateNow.Add(-2 * time.Hour)},
		},
	}
}

func TestWatchEvidence(t *testing.T) {
	e := watchEvidence(shopAccount(), shopPlan(), gateNow)
	want := gate.Watch{
		Running: true, Since: gateNow.Add(-time.Hour), BaseRun: "7 of 2026-01-31T10:00:00Z", OldThrough: "u:1-9", NewThrough: "v:1-9",
	}
	if diff := cmp.Diff(want, e.Content); diff != "" || e.Problem() != "" || !e.Taken.Equal(gateNow.Add(-2*time.Second)) {
		t.Errorf("%s at %s (-want +got)\n%s", e.Problem(), e.Taken, diff)
	}
	failed := gateNow.Add(-time.Second)
	for _, c := range []struct {
		name   string
		change func(*account)
		check  func(gate.Watch) bool
	}{
		{"ended", func(a *account) { a.status.Final = true }, func(w gate.Watch) bool { return !w.Running }},
		{"killed", func(a *account) { a.status.At = gateNow.Add(-16 * time.Second) }, func(w gate.Watch) bool { return !w.Running }},
		{"of a time to come", func(a *account) { a.status.At = gateNow.Add(time.Minute) }, func(w gate.Watch) bool { return !w.Running }},
		{"collisions", func(a *account) {
			a.counts, a.lastFailure = map[conflict.Kind]uint64{conflict.UpdateUpdate: 2, conflict.DeleteDelete: 5, conflict.StaleSession: 1}, failed
		}, func(w gate.Watch) bool {
			return w.LastFailure.Equal(failed) && cmp.Equal(w.Failures, map[string]int{"update_update": 2})
		}},
		{
			"a collision that is not stored yet", func(a *account) { a.status.Findings = map[conflict.Kind]uint64{conflict.MissingEcho: 1} },
			func(w gate.Watch) bool { return !w.LastFailure.IsZero() && w.Failures["missing_echo"] == 1 },
		},
		{
			"rows", func(a *account) { a.status.Rows = watch.Rechecks{Open: 2, Differ: 3, Unknown: 4, Equal: 5} },
			func(w gate.Watch) bool { return w.Open == 6 && w.Differ == 3 },
		},
		{"unjudged", func(a *account) { a.counts = map[conflict.Kind]uint64{conflict.Unjudged: 1} }, func(w gate.Watch) bool { return len(w.Blind) == 1 }},
		{"blind", func(a *account) { a.status.Blind = []string{"old: blind"} }, func(w gate.Watch) bool { return cmp.Equal(w.Blind, []string{"old: blind"}) }},
		{"other tables", func(a *account) { a.Scope.Include = []string{"shop.a"} }, func(w gate.Watch) bool { return len(w.Blind) == 1 }},
		{"unknown tables", func(a *account) { a.Scope = nil }, func(w gate.Watch) bool { return len(w.Blind) == 1 }},
		{"all tables", func(a *account) { a.Scope = &ledger.Scope{} }, func(w gate.Watch) bool { return len(w.Blind) == 0 }},
		{
			"undecided for another reason", func(a *account) { a.status.Verdict, a.status.Reason = watch.Undecided, "servers have not said yet" },
			func(w gate.Watch) bool { return cmp.Equal(w.Blind, []string{"now: servers have not said yet"}) },
		},
		{"a base that is not reached", func(a *account) {
			a.status.Verdict, a.status.Reason, a.status.Base.Gap = watch.Undecided, "no base: purged", "purged"
		}, func(w gate.Watch) bool { return w.BaseRun == "" && len(w.Blind) == 0 }},
		{"stopped", func(a *account) { a.status.Health = []watch.Trouble{{ID: watch.TroubleStopped}} }, func(w gate.Watch) bool { return len(w.Troubles) == 1 }},
		{
			"steps are another gate's", func(a *account) {
				a.status.Health = []watch.Trouble{{ID: watch.TroubleStepOverlap}, {ID: watch.TroubleStepLost}}
			},
			func(w gate.Watch) bool { return len(w.Troubles) == 0 },
		},
	} {
		a := shopAccount()
		c.change(&a)
		e := watchEvidence(a, shopPlan(), gateNow)
		w, _ := e.Content.(gate.Watch)
		if !c.check(w) || e.Problem() != "" {
			t.Errorf("%s: %+v %s", c.name, w, e.Problem())
		}
	}
}

func TestReads(t *testing.T) {
	shop := []string{"shop.*"}
	for _, c := range []struct {
		name    string
		seen    cluster.Scope
		include []string
		want    bool
	}{
		{"everything", cluster.Scope{Global: true}, nil, true},
		{"a schema, of all", cluster.Scope{Schemas: []string{"shop"}}, nil, false},
		{"that schema", cluster.Scope{Schemas: []string{"shop"}}, shop, true},
		{"an escaped name", cluster.Scope{Schemas: []string{`my\_shop`}}, []string{"my_shop.*"}, true},
		{"another schema", cluster.Scope{Schemas: []string{"blog"}}, shop, false},
		{"a table of it", cluster.Scope{Tables: []string{"shop.a"}}, shop, false},
		{"that table", cluster.Scope{Tables: []string{"shop.a"}}, []string{"shop.a"}, true},
		{"all but another", cluster.Scope{Global: true, Revoked: []string{"blog"}}, shop, true},
		{"all but it", cluster.Scope{Global: true, Revoked: []string{"shop"}}, shop, false},
		{"all but one, of many", cluster.Scope{Global: true, Revoked: []string{"shop"}}, []string{"s*.*"}, false},
	} {
		if got := reads(c.seen, c.include); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
