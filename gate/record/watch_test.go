package record

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

var gateNow = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func shopPlan() plan.Plan { return plan.Plan{Path: plan.DualWrite, Include: []string{"shop.*"}} }

func shopAccount() Account {
	return Account{
		Old: checksum.EndpointInfo{ServerUUID: "old-uuid"}, New: checksum.EndpointInfo{ServerUUID: "new-uuid"},
		Scope: &Scope{Include: []string{"shop.*"}},
		Status: watch.Status{
			At: gateNow.Add(-2 * time.Second), Since: gateNow.Add(-time.Hour), Verdict: watch.Clean,
			Sides: [2]watch.SideStatus{{Label: "old", Position: "u:1-9"}, {Label: "new", Position: "v:1-9"}},
			Base:  &watch.Base{Run: 7, Finished: gateNow.Add(-2 * time.Hour)},
		},
	}
}

func TestWatchEvidence(t *testing.T) {
	e := Watch(shopAccount(), shopPlan(), gateNow)
	want := gate.Watch{
		Running: true, Since: gateNow.Add(-time.Hour), BaseRun: "7 of 2026-01-31T10:00:00Z", OldThrough: "u:1-9", NewThrough: "v:1-9",
	}
	if diff := cmp.Diff(want, e.Content); diff != "" || e.Problem() != "" || !e.Taken.Equal(gateNow.Add(-2*time.Second)) {
		t.Errorf("%s at %s (-want +got)\n%s", e.Problem(), e.Taken, diff)
	}
	failed := gateNow.Add(-time.Second)
	for _, c := range []struct {
		name   string
		change func(*Account)
		check  func(gate.Watch) bool
	}{
		{"ended", func(a *Account) { a.Status.Final = true }, func(w gate.Watch) bool { return !w.Running }},
		{"killed", func(a *Account) { a.Status.At = gateNow.Add(-16 * time.Second) }, func(w gate.Watch) bool { return !w.Running }},
		{"of a time to come", func(a *Account) { a.Status.At = gateNow.Add(time.Minute) }, func(w gate.Watch) bool { return !w.Running }},
		{"collisions", func(a *Account) {
			a.Counts, a.LastFailure = map[conflict.Kind]uint64{conflict.UpdateUpdate: 2, conflict.DeleteDelete: 5, conflict.StaleSession: 1}, failed
		}, func(w gate.Watch) bool {
			return w.LastFailure.Equal(failed) && cmp.Equal(w.Failures, map[string]int{"update_update": 2})
		}},
		{
			"a collision that is not stored yet", func(a *Account) { a.Status.Findings = map[conflict.Kind]uint64{conflict.MissingEcho: 1} },
			func(w gate.Watch) bool { return !w.LastFailure.IsZero() && w.Failures["missing_echo"] == 1 },
		},
		{
			"rows", func(a *Account) { a.Status.Rows = watch.Rechecks{Open: 2, Differ: 3, Unknown: 4, Equal: 5} },
			func(w gate.Watch) bool { return w.Open == 6 && w.Differ == 3 },
		},
		{"unjudged", func(a *Account) { a.Counts = map[conflict.Kind]uint64{conflict.Unjudged: 1} }, func(w gate.Watch) bool { return len(w.Blind) == 1 }},
		{"blind", func(a *Account) { a.Status.Blind = []string{"old: blind"} }, func(w gate.Watch) bool { return cmp.Equal(w.Blind, []string{"old: blind"}) }},
		{"other tables", func(a *Account) { a.Scope.Include = []string{"shop.a"} }, func(w gate.Watch) bool { return len(w.Blind) == 1 }},
		{"unknown tables", func(a *Account) { a.Scope = nil }, func(w gate.Watch) bool { return len(w.Blind) == 1 }},
		{"all tables", func(a *Account) { a.Scope = &Scope{} }, func(w gate.Watch) bool { return len(w.Blind) == 0 }},
		{
			"undecided for other reasons", func(a *Account) {
				a.Status.Verdict, a.Status.Rows.Open = watch.Undecided, 1
				for _, id := range []string{watch.ReasonNoBase, watch.ReasonSchema, watch.ReasonKeysWait, watch.ReasonOpen, watch.ReasonQuestions, watch.ReasonOverdue} {
					a.Status.Reasons = append(a.Status.Reasons, watch.Reason{ID: id, Text: id})
				}
			},
			func(w gate.Watch) bool {
				return w.Open == 1 && cmp.Equal(w.Blind, []string{"now: uncertain_schema", "now: keys_wait", "now: questions", "now: arrival_unknown"})
			},
		},
		{"undecided, and why is not told", func(a *Account) { a.Status.Verdict, a.Status.Reason = watch.Undecided, "no base: purged" }, func(w gate.Watch) bool { return len(w.Blind) == 1 }},
		{"a base that is not reached", func(a *Account) {
			a.Status.Verdict, a.Status.Reasons, a.Status.Base.Gap = watch.Undecided, []watch.Reason{{ID: watch.ReasonNoBase, Text: "no base: purged"}}, "purged"
		}, func(w gate.Watch) bool { return w.BaseRun == "" && len(w.Blind) == 0 }},
		{"stopped", func(a *Account) { a.Status.Health = []watch.Trouble{{ID: watch.TroubleStopped}} }, func(w gate.Watch) bool { return len(w.Troubles) == 1 }},
		{
			"steps are another gate's", func(a *Account) {
				a.Status.Health = []watch.Trouble{{ID: watch.TroubleStepOverlap}, {ID: watch.TroubleStepLost}}
			},
			func(w gate.Watch) bool { return len(w.Troubles) == 0 },
		},
	} {
		a := shopAccount()
		c.change(&a)
		e := Watch(a, shopPlan(), gateNow)
		w, _ := e.Content.(gate.Watch)
		if !c.check(w) || e.Problem() != "" {
			t.Errorf("%s: %+v %s", c.name, w, e.Problem())
		}
	}
}
