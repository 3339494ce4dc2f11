package certificate

import (
	"strings"
	"testing"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// TestNodes: the certificate lists every node, each with what its newest check proved, and says of whom nobody compared.
func TestNodes(t *testing.T) {
	p := plan.Plan{
		Path: plan.DualWrite, Old: plan.Node{DSN: "@old", ServerUUID: "u-old", Replicas: []string{"@o1"}},
		New:  plan.Node{DSN: "@new", ServerUUID: "u-new", Replicas: []string{"@n1", "@n2"}},
		Ages: plan.DefaultAges(), Limits: plan.DefaultLimits(),
	}
	at := func(ago time.Duration, c gate.Content) gate.Evidence {
		return gate.Evidence{Taken: issued.Add(-ago), From: issued.Add(-ago - time.Minute), Old: "u-old", New: "u-new", Plan: p.Hash(), Content: c}
	}
	check := func(verdict string) gate.Check {
		return gate.Check{Run: "7", Verdict: verdict, Coverage: gate.Coverage{Tables: 2, Rows: 10, Complete: true}}
	}
	list := []gate.Evidence{
		at(time.Minute, gate.Nodes{Nodes: []gate.ClusterNode{
			{Name: "old-1", Side: "old", UUID: "u-o1", Planned: true, Reachable: true},
			{Name: "new-1", Side: "new", UUID: "u-n1", Version: "9.7.0", Position: "u-new:1-9", Planned: true, Reachable: true},
			{Name: "10.0.0.9:3306", Side: "new", UUID: "u-x"},
		}}),
		at(time.Hour, gate.Copy{Node: "new-1", UUID: "u-n1", Check: check(gate.Different)}),
		at(2*time.Minute, gate.Copy{Node: "new-1", UUID: "u-n1", Check: check(gate.Same)}),
		at(2*time.Minute, gate.Copy{Node: "new-2", UUID: "u-n2", Check: check(gate.Same)}), // of a server that nobody saw as new-2
	}
	d := New(gate.Judge(p, list, issued), p, list, Options{})
	want := map[string][2]string{
		"old-1": {"", "nobody compared it"}, "new-1": {gate.Same, "check 7: same, 2 tables, 10 rows"}, "new-2": {"", "nobody compared it"},
		"10.0.0.9:3306": {"", "the plan does not name it"},
	}
	if len(d.Nodes) != len(want) {
		t.Errorf("%d nodes: %+v", len(d.Nodes), d.Nodes)
	}
	for _, n := range d.Nodes {
		if w := want[n.Name]; n.Verdict != w[0] || !strings.HasPrefix(n.Check, w[1]) {
			t.Errorf("%s: %q, %q", n.Name, n.Verdict, n.Check)
		}
		if !strings.Contains(d.Summary(), n.Name) {
			t.Errorf("the summary lacks %s", n.Name)
		}
	}
}
