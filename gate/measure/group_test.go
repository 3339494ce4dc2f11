package measure

import (
	"strings"
	"testing"

	"crosscheck/fixtures"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// TestGroupMembers: new is a group all of whose members take writes, with steps that the group gives to those that have none.
func TestGroupMembers(t *testing.T) {
	r := newRig(t, fixtures.Spec{Topology: fixtures.Group, MultiPrimary: true}, plan.DualWrite)
	r.plan.New.Replicas = []string{"@new-1"}
	other := r.set.Replicas(fixtures.New)[0]
	named := []Replica{{Replica: r.plan.Replicas()[0], Server: r.open(other, "new-1", fixtures.Crosscheck)}}

	c := measured[gate.Steps](r, "")
	if len(c.Nodes) != 0 || len(c.Unplanned) != 1 || !strings.Contains(c.Unplanned[0], "has 2 members, and the plan names 1") {
		r.Errorf("the plan does not name the second member: %+v", c)
	}
	r.servers.Replicas = named
	one := gate.Step{Increment: 1, Offset: 1}
	c = measured[gate.Steps](r, "")
	if len(c.Nodes) != 1 || len(c.Unplanned) > 0 || c.New.Overridden == "" || c.Nodes[0].Overridden == "" || c.Nodes[0].Global.Increment != 7 ||
		c.Nodes[0].Persisted == nil || *c.Nodes[0].Persisted != one {
		r.Errorf("the group gives both their steps: %+v", c)
	}
	if left := measured[gate.StepRestored](r, ""); len(left.Nodes) != 1 || left.Nodes[0].Overridden == "" || len(left.Unplanned) > 0 {
		r.Errorf("that is how they shall be in the end: %+v", left)
	}
	r.run(other, "SET PERSIST auto_increment_offset = 2", "SET PERSIST auto_increment_increment = 2")
	own := gate.Step{Increment: 2, Offset: 2}
	c = measured[gate.Steps](r, "")
	if n := c.Nodes[0]; n.Name != "new-1" || n.Side != "new" || n.Overridden != "" || n.Global != own || n.Persisted == nil || *n.Persisted != own {
		r.Errorf("a step of its own: %+v", n)
	}
	if left := measured[gate.StepRestored](r, ""); left.Nodes[0].Overridden != "" || left.Nodes[0].Global != own {
		r.Errorf("it is not restored: %+v", left)
	}
	// A member that has left its group, and comes back, keeps it.
	if err := r.set.StopReplication(t.Context(), fixtures.Replica(fixtures.New, 1)); err != nil {
		r.Fatal(err)
	}
	if c = measured[gate.Steps](r, ""); len(c.Nodes) != 1 || len(c.Unplanned) > 0 || c.Nodes[0].Global != own {
		r.Errorf("it may come back: %+v", c)
	}
}
