package certificate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// TestComplete: a certificate is complete only if nothing that was found on the way is left open, however well the gates stand.
func TestComplete(t *testing.T) {
	p := plan.Plan{
		Path: plan.DualWrite, Old: plan.Node{DSN: "@old", ServerUUID: "u-old"}, New: plan.Node{DSN: "@new", ServerUUID: "u-new"},
		Ages: plan.DefaultAges(), Limits: plan.DefaultLimits(),
	}
	found := func(o Outcomes) []Watched {
		f := Found{Kind: "update_update", Count: 2, Outcomes: o, Unsettled: o.Unsettled(), Settled: "in words"}
		for range min(o.Unsettled(), MaxNamed) {
			f.Open = append(f.Open, Open{ID: "f1", Table: "shop.a", Key: `{"id":"1"}`, Outcome: "open", Why: "nobody looked"})
		}
		return []Watched{{Since: issued, Findings: []Found{f}}}
	}
	whole := gate.Coverage{Tables: 2, Rows: 10, Complete: true}
	for _, c := range []struct {
		name     string
		state    gate.State
		coverage gate.Coverage
		opt      Options
		want     string // "" if it is complete
	}{
		{name: "nothing was found", state: gate.Pass, coverage: whole},
		{name: "all is settled", state: gate.Pass, coverage: whole, opt: Options{Watches: found(Outcomes{Equal: 1, Repaired: 1, Superseded: 1, Harmless: 1})}},
		{name: "one is open", state: gate.Pass, coverage: whole, opt: Options{Watches: found(Outcomes{Equal: 1, Open: 1})}, want: "1 of 2 update_update"},
		{name: "one is different", state: gate.Pass, coverage: whole, opt: Options{Watches: found(Outcomes{Equal: 1, Differs: 1})}, want: "1 of 2 update_update"},
		{name: "one is not known", state: gate.Pass, coverage: whole, opt: Options{Watches: found(Outcomes{Equal: 1, NotKnown: 1})}, want: "1 of 2 update_update"},
		{name: "a row is open", state: gate.Pass, coverage: whole, opt: Options{Watches: []Watched{{Rows: Rows{Outcomes: Outcomes{NotKnown: 3}}}}}, want: "3 rows under doubt"},
		{name: "a check is open", state: gate.Pass, coverage: whole, opt: Options{Checks: []Checked{{Run: 4, Open: true}}}, want: "check 4"},
		{name: "a gate is shut", state: gate.Fail, coverage: whole, want: "the verdict is fail"},
		{name: "a gate is overridden", state: gate.Overridden, coverage: whole, want: "the verdict is overridden"},
		{name: "the check is not complete", state: gate.Pass, coverage: gate.Coverage{Tables: 1, Missed: []string{"shop.b"}}, want: "shop.b"},
	} {
		e := gate.Evidence{Taken: issued, Old: "u-old", New: "u-new", Content: gate.Check{Run: "1", Verdict: gate.Same, Coverage: c.coverage}}
		s := gate.Status{At: issued, Path: p.Path, Old: "u-old", New: "u-new", PlanHash: p.Hash(), State: c.state, Gates: []gate.Result{{Gate: "replica-in-sync", Rested: []gate.EvidenceID{e.ID()}}}}
		d := New(s, p, []gate.Evidence{e}, c.opt)
		text := d.Summary()
		if d.Complete != (c.want == "") || d.Coverage.Complete != d.Complete || !strings.Contains(strings.Join(d.Incomplete, "; "), c.want) ||
			!strings.Contains(text, fmt.Sprintf("complete    %v\n", d.Complete)) || c.want != "" && !strings.Contains(strings.Join(d.Coverage.Missed, "; "), c.want) {
			t.Errorf("%s: complete %v, %q; coverage %+v\n%s", c.name, d.Complete, d.Incomplete, d.Coverage, text)
		}
		if e.Content.(gate.Check).Complete != c.coverage.Complete {
			t.Errorf("%s: the evidence itself was changed", c.name)
		}
	}
	// A node that was replaced is told, and what was lost with it keeps the document incomplete.
	p.Replaced = []plan.Replaced{{Node: "new-1", By: "u-2", At: issued, Proof: "it has all"}, {Node: "new", ServerUUID: "u-1", By: "u-new", At: issued, Lost: "u-1:5", Reason: "it burnt"}}
	replaced := New(gate.Judge(p, nil, issued), p, nil, Options{})
	if text := replaced.Summary(); !strings.Contains(text, "u-2 took the place of a server that the plan did not name; proof: it has all") ||
		!strings.Contains(text, "u-new took the place of u-1; lost: u-1:5; reason: it burnt") || !strings.Contains(strings.Join(replaced.Incomplete, "\n"), "lost when new was replaced") ||
		strings.Contains(strings.Join(replaced.Incomplete, "\n"), "new-1") {
		t.Errorf("%q\n%s", replaced.Incomplete, text)
	}
	p.Replaced = nil
	// What is open is named up to a bound, and the total is told.
	many := found(Outcomes{Open: MaxNamed + 7})
	text := New(gate.Judge(p, nil, issued), p, nil, Options{Watches: many}).Summary()
	if n := strings.Count(text, `open: f1 shop.a {"id":"1"} open: nobody looked`); n != MaxNamed || !strings.Contains(text, "and 7 more") {
		t.Errorf("%d are named:\n%s", n, text)
	}
	if d := New(gate.Judge(p, nil, issued), p, nil, Options{}); d.Complete || d.Coverage != nil || !slices.Contains(d.Incomplete, "no check compared what the plan names") {
		t.Errorf("without a check: %v %q", d.Complete, d.Incomplete)
	}
}

// TestNotLookedAt: the tables that the plan does not choose are those of its newest preflight.
func TestNotLookedAt(t *testing.T) {
	p := plan.Plan{
		Path: plan.DualWrite, Old: plan.Node{DSN: "@old", ServerUUID: "u-old"}, New: plan.Node{DSN: "@new", ServerUUID: "u-new"},
		Ages: plan.DefaultAges(), Limits: plan.DefaultLimits(),
	}
	seen := func(ago time.Duration, hash, old string, aside *gate.Aside) gate.Evidence {
		return gate.Evidence{Taken: issued.Add(-ago), Old: old, New: "u-new", Plan: hash, Content: gate.Preflight{Path: "dual-write", Duration: p.Limits.Duration, Aside: aside}}
	}
	list := []gate.Evidence{
		seen(time.Minute, p.Hash(), "u-old", &gate.Aside{Total: 70, Tables: []string{"other.a", "other.b"}}),
		seen(time.Hour, p.Hash(), "u-old", &gate.Aside{Total: 1, Tables: []string{"before.a"}}),
		seen(time.Second, "another plan", "u-old", &gate.Aside{Total: 1, Tables: []string{"another.plan"}}),
		seen(time.Second, p.Hash(), "u-else", &gate.Aside{Total: 1, Tables: []string{"another.server"}}),
		seen(2*time.Second, p.Hash(), "u-old", nil), // of an earlier version, or a side did not tell
	}
	s := gate.Judge(p, list, issued)
	s.Old, s.New = "u-old", "u-new"
	d := New(s, p, list, Options{})
	if d.NotLookedAt == nil || d.NotLookedAt.Total != 70 || !d.NotLookedAt.Seen.Equal(issued.Add(-time.Minute)) ||
		!strings.Contains(d.Summary(), "70 tables and views that the plan does not choose: other.a, other.b and 68 more") {
		t.Errorf("%+v\n%s", d.NotLookedAt, d.Summary())
	}
	if d = New(s, p, list[2:], Options{}); d.NotLookedAt != nil {
		t.Errorf("%+v", d.NotLookedAt)
	}
}
