package measure

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"crosscheck/fixtures"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// TestGaleraNodes: new is a Galera cluster, all of whose nodes take writes. Each one's step is measured, and one that the plan
// does not name is told; a node that is desynced is no node that runs.
func TestGaleraNodes(t *testing.T) {
	r := newRig(t, fixtures.Spec{Topology: fixtures.Galera}, plan.DualWrite)
	r.plan.New.Replicas = []string{"@new-1"}
	other := r.set.Replicas(fixtures.New)[0]
	s := r.open(other, "new-1", fixtures.Crosscheck)
	named := []Replica{{Replica: r.plan.Replicas()[0], Server: s}}

	c := measured[gate.Steps](r, "")
	if len(c.Nodes) != 0 || len(c.Unplanned) != 1 || !strings.Contains(c.Unplanned[0], "has 2 nodes, and the plan names 1") {
		r.Errorf("the plan does not name the second node: %+v", c)
	}
	r.servers.Replicas = named
	c = measured[gate.Steps](r, "")
	if len(c.Nodes) != 1 || len(c.Unplanned) > 0 || c.New.Overridden == "" || c.Nodes[0].Overridden == "" {
		r.Errorf("Galera sets the steps of both: %+v", c)
	}
	r.run(other, "SET GLOBAL wsrep_auto_increment_control = OFF", "SET GLOBAL auto_increment_offset = 5", "SET GLOBAL auto_increment_increment = 6")
	c = measured[gate.Steps](r, "")
	if n := c.Nodes[0]; n.Name != "new-1" || n.Side != "new" || n.Overridden != "" || n.Global != (gate.Step{Increment: 6, Offset: 5}) || !n.Hidden {
		r.Errorf("its step: %+v", n)
	}
	r.servers.Replicas = []Replica{{Replica: r.plan.Replicas()[0], Err: errors.New("refused")}}
	if c = measured[gate.Steps](r, ""); len(c.Nodes) != 1 || c.Nodes[0].Trouble == "" {
		r.Errorf("a node that does not answer: %+v", c)
	}
	r.servers.Replicas = named

	state := func() gate.ClusterNode {
		list := measured[gate.Nodes](r, "").Nodes
		i := slices.IndexFunc(list, func(n gate.ClusterNode) bool { return n.Name == "new-1" })
		if i < 0 || len(list) != 1 {
			r.Fatalf("%+v", list)
		}
		return list[i]
	}
	if n := state(); n.Link == nil || !n.Link.Running || n.Link.From != "new" || !n.Link.LagKnown || n.Errant != "" {
		r.Errorf("a node that is well: %+v, %+v", n, n.Link)
	}
	r.run(other, "SET GLOBAL wsrep_desync = ON")
	if n := state(); n.Link == nil || n.Link.Running || !strings.Contains(n.Link.Error, "Desynced") {
		r.Errorf("a node that is desynced: %+v, %+v", n, n.Link)
	}
	r.run(other, "SET GLOBAL wsrep_desync = OFF")
}
