package certificate

import (
	"fmt"
	"slices"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// nodesOf lists all nodes that the plan names or that were found, each with what is proven of it.
func nodesOf(p plan.Plan, s gate.Status, evidence []gate.Evidence) []Node {
	out := []Node{}
	var seen gate.Nodes
	ofPlan := func(e gate.Evidence) bool { return e.Old == s.Old && e.New == s.New && !e.Taken.After(s.At) }
	var last time.Time
	for _, e := range evidence {
		if c, ok := e.Content.(gate.Nodes); ok && ofPlan(e) && e.Plan == s.PlanHash && e.Taken.After(last) {
			seen, last = c, e.Taken
		}
	}
	replicas := p.Replicas()
	for _, r := range replicas {
		n := gate.ClusterNode{Name: r.Name, Side: r.Side}
		if i := slices.IndexFunc(seen.Nodes, func(x gate.ClusterNode) bool { return x.Planned && x.Name == r.Name }); i >= 0 {
			n = seen.Nodes[i]
		}
		out = append(out, nodeOf(n, r.DSN, slices.DeleteFunc(slices.Clone(evidence), func(e gate.Evidence) bool { return !ofPlan(e) })))
	}
	for _, n := range seen.Nodes {
		if !n.Planned {
			x := nodeOf(n, "", nil)
			x.Check = "the plan does not name it: nobody compared it"
			out = append(out, x)
		}
	}
	return out
}

// nodeOf is one node with its newest check.
func nodeOf(n gate.ClusterNode, dsn string, evidence []gate.Evidence) Node {
	out := Node{Name: n.Name, Side: n.Side, Server: Server{ServerUUID: n.UUID, DSN: dsn, Version: n.Version, Position: n.Position}, Check: "nobody compared it"}
	var last time.Time
	for _, e := range evidence {
		c, ok := e.Content.(gate.Copy)
		if !ok || n.UUID == "" || c.UUID != n.UUID || !e.Taken.After(last) {
			continue
		}
		last, out.Verdict, out.Began = e.Taken, c.Verdict, e.From.UTC().Round(0)
		out.Check = fmt.Sprintf("check %s: %s, %d tables, %d rows, complete: %v", c.Run, c.Verdict, c.Tables, c.Rows, c.Complete)
	}
	return out
}
