package gate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/gate/plan"
)

// clustered is a plan with two replicas on each side.
func clustered(path plan.Path) plan.Plan {
	p := windowed(testPlan(path))
	p.Old.Replicas, p.New.Replicas = []string{"@o1", "@o2"}, []string{"@n1", "@n2"}
	return p
}

func nodeUUID(name string) string { return "eeeeeeee-0000-0000-0000-00000000" + name }

// goodNodes are four replicas that are well.
func goodNodes() Nodes {
	var out Nodes
	for _, name := range []string{"old-1", "old-2", "new-1", "new-2"} {
		side := name[:3]
		out.Nodes = append(out.Nodes, ClusterNode{
			Name: name, Side: side, UUID: nodeUUID(name), Planned: true, Reachable: true, ReadOnly: true,
			Link: &Link{From: side, To: name, Running: true, LagKnown: true, Since: t0.Add(-9000 * time.Hour)},
		})
	}
	return out
}

// clusterWorld is evidence that opens every gate of a plan with replicas at t0.
func clusterWorld(p plan.Plan) []Evidence {
	at := t0.Add(-2 * time.Second)
	out := append(world(p), made(p, at, goodNodes()))
	check, _ := good(p, KindCheck, at).(Check)
	for _, n := range []string{"new-1", "new-2"} {
		e := made(p, at, Copy{Node: n, UUID: nodeUUID(n), Check: check})
		e.From = at.Add(-10 * time.Minute)
		out = append(out, e)
	}
	for i := range out { // a plan with replicas has another hash
		out[i].Plan = p.Hash()
	}
	return out
}

func TestNodesOpen(t *testing.T) {
	for _, path := range plan.Paths() {
		p := clustered(path)
		if s := Judge(p, clusterWorld(p), t0); s.State != Pass {
			t.Errorf("%s: %s\n%s", path, s.State, states(s))
		}
		if s := Judge(p, replaced(clusterWorld(p), KindNodes), t0); s.State == Pass {
			t.Errorf("%s passes though nobody looked at the replicas", path)
		}
		p.Old.Replicas, p.New.Replicas = nil, nil
		if s := Judge(p, world(p), t0); s.State != Pass {
			t.Errorf("%s without replicas: %s\n%s", path, s.State, states(s))
		}
	}
}

// nodeFault changes one replica, or its check; the gates of a dual-write that it shuts.
type nodeFault struct {
	name, want string
	gates      []string
	node       func(n *ClusterNode)
	copied     func(c *Copy, e *Evidence) bool // false: there is none
}

func nodeFaults() []nodeFault {
	all, first := []string{plan.GateReplicaInSync, plan.GateReadsSwitched, plan.GateWritesSwitched}, []string{plan.GateReplicaInSync}
	return []nodeFault{
		{"stopped", ReasonReplicationStopped, all, func(n *ClusterNode) { n.Link.Running = false }, nil},
		{"late", ReasonReplicationLag, all, func(n *ClusterNode) { n.Link.Lag = 273 * time.Second }, nil},
		{"delayed", ReasonReplicationLag, all, func(n *ClusterNode) { n.Link.Lag, n.Delay = time.Minute, time.Minute }, nil},
		{"lag unknown", ReasonReplicationLagUnseen, all, func(n *ClusterNode) { n.Link.LagKnown = false }, nil},
		{"skips", ReasonReplicationSkips, all, func(n *ClusterNode) { n.Link.Skips = true }, nil},
		{"no link", ReasonReplicationMissing, all, func(n *ClusterNode) { n.Link = nil }, nil},
		{"filters", ReasonReplicationFiltered, all, func(n *ClusterNode) { n.Filters = []string{"replicate-ignore-table=shop.log"} }, nil},
		{"errant", ReasonNodeErrant, all, func(n *ClusterNode) { n.Errant = "u:5" }, nil},
		{"dead", ReasonNodeMissing, all, func(n *ClusterNode) { n.Reachable, n.Trouble = false, "connection refused" }, nil},
		{"unplanned", ReasonNodeUnplanned, all, func(n *ClusterNode) { n.Planned, n.Name = false, "10.0.0.9:3306" }, nil},
		{"restarted since its check", ReasonReplicationBroken, first, func(n *ClusterNode) { n.Link.Since = t0.Add(-time.Minute) }, nil},
		{"another server", ReasonEvidenceMissing, first, func(n *ClusterNode) { n.UUID = uuidElse }, nil},
		{"not compared", ReasonEvidenceMissing, first, nil, func(*Copy, *Evidence) bool { return false }},
		{"different", ReasonCheckDifferent, first, nil, func(c *Copy, _ *Evidence) bool { c.Verdict = Different; return true }},
		{"undecided", ReasonCheckUndecided, first, nil, func(c *Copy, _ *Evidence) bool { c.Verdict = Undecided; return true }},
		{"not whole", ReasonCheckIncomplete, first, nil, func(c *Copy, _ *Evidence) bool { c.Complete = false; return true }},
		{"stale", ReasonEvidenceStale, first, nil, func(_ *Copy, e *Evidence) bool { e.From = t0.Add(-25 * time.Hour); return true }},
	}
}

// TestNodesShut has one replica of new be at fault: each gate that is about it must say so, and name it.
func TestNodesShut(t *testing.T) {
	for _, f := range nodeFaults() {
		t.Run(f.name, func(t *testing.T) {
			p := clustered(plan.DualWrite)
			var list []Evidence
			for _, e := range clusterWorld(p) {
				switch c := e.Content.(type) {
				case Nodes:
					if f.node != nil {
						f.node(&c.Nodes[3])
					}
					e.Content = c
				case Copy:
					if f.copied != nil && c.Node == "new-2" {
						if !f.copied(&c, &e) {
							continue
						}
						e.Content = c
					}
				}
				list = append(list, e)
			}
			s := Judge(p, list, t0)
			for _, name := range f.gates {
				r := mustGate(t, s, name)
				i := slices.IndexFunc(r.Reasons, func(x Reason) bool { return x.ID == f.want })
				switch {
				case r.State.Open():
					t.Errorf("%s is %s", name, r.State)
				case i < 0:
					t.Errorf("%s has no reason %s: %+v", name, f.want, r.Reasons)
				case f.name != "unplanned" && !strings.Contains(r.Reasons[i].Text, "new-2"):
					t.Errorf("%s does not name the node: %s", name, r.Reasons[i].Text)
				case r.Reasons[i].Next == "":
					t.Errorf("%s does not say what to do", name)
				}
			}
			if r := mustGate(t, s, plan.GatePreflight); r.State != Pass {
				t.Errorf("preflight is %s", r.State)
			}
		})
	}
}

// TestNodesAccepted has a plan accept what it may.
func TestNodesAccepted(t *testing.T) {
	p := clustered(plan.DualWrite)
	p.Accept = []plan.Accepted{{Name: ReasonReplicationLag + ":new-2", Reason: "for backups"}, {Name: ReasonNodeUnplanned + ":10.0.0.9:3306", Reason: "statistics"}}
	nodes := goodNodes()
	nodes.Nodes[3].Link.Lag, nodes.Nodes[3].Delay = time.Minute+time.Second, time.Minute
	nodes.Nodes = append(nodes.Nodes, ClusterNode{Name: "10.0.0.9:3306", Side: "new"})
	list := replaced(clusterWorld(p), KindNodes, made(p, t0.Add(-2*time.Second), nodes))
	if s := Judge(p, list, t0); s.State != Pass {
		t.Errorf("%s\n%s", s.State, states(s))
	}
	nodes.Nodes[3].Link.Lag = 2 * time.Minute // late beyond its delay
	list = replaced(clusterWorld(p), KindNodes, made(p, t0.Add(-2*time.Second), nodes))
	if r := mustGate(t, Judge(p, list, t0), plan.GateReplicaInSync); r.State != Fail {
		t.Errorf("a delayed replica that is late besides: %s", r.State)
	}
}

// TestReadersOnReplicas has the application read from replicas.
func TestReadersOnReplicas(t *testing.T) {
	p := clustered(plan.DualWrite)
	try := func(c Content) Status {
		return Judge(p, replaced(clusterWorld(p), c.Kind(), made(p, t0.Add(-2*time.Second), c)), t0)
	}
	reads, _ := good(p, KindReadsSwitch, t0).(ReadsSwitch)

	reads.AppOnNew, reads.ReadersOnNew = 0, 4
	if r := mustGate(t, try(reads), plan.GateReadsSwitched); r.State != Pass {
		t.Errorf("an application that reads from new's replicas: %+v", r.Reasons)
	}
	reads.AppOnOld = []Session{{ID: 3, User: "app", Host: "h"}}
	if r := mustGate(t, try(reads), plan.GateReadsSwitched); r.State != Pass {
		t.Errorf("an application that writes to old still: %+v", r.Reasons)
	}
	reads.AppOnOld = []Session{{ID: 3, User: "app", Host: "h", Node: "old-2"}}
	r := mustGate(t, try(reads), plan.GateReadsSwitched)
	if r.State != Fail || !has(r, ReasonAppOnOld) || !strings.Contains(r.Reasons[0].Next, "on old-2: KILL 3") {
		t.Errorf("readers left on a replica of old: %s %+v", r.State, r.Reasons)
	}
	reads.AppOnOld, reads.Unreached = nil, []string{"old-1"}
	if r = mustGate(t, try(reads), plan.GateReadsSwitched); r.State != Unknown {
		t.Errorf("a replica whose sessions nobody saw: %s %+v", r.State, r.Reasons)
	}

	writes, _ := good(p, KindWritesSwitch, t0).(WritesSwitch)
	writes.AppOnNew, writes.ReadersOnNew = 0, 4
	if r = mustGate(t, try(writes), plan.GateWritesSwitched); r.State.Open() {
		t.Error("readers on replicas are no writers on new")
	}
	drained, _ := good(p, KindDrained, t0).(Drained)
	drained.AppOnOld = []Session{{ID: 3, User: "app", Host: "h"}, {ID: 3, User: "app", Host: "h", Node: "old-1"}}
	r = mustGate(t, try(drained), plan.GateOldDrained)
	if r.State != Fail || !strings.Contains(r.Reasons[0].Next, "on old: KILL 3; on old-1: KILL 3") {
		t.Errorf("readers left on old: %+v", r.Reasons)
	}
}

// TestEachGTID lists what a set of GTIDs holds, as statements need it.
func TestEachGTID(t *testing.T) {
	for set, want := range map[string]string{
		"a:1":                   "a:1",
		"a:1-3:7, b:2":          "a:1 a:2 a:3 a:7 b:2",
		"a:2:tag:1-2:other:5":   "a:2 a:tag:1 a:tag:2 a:other:5",
		"a:1-18446744073709551": "more",
	} {
		list, more := eachGTID(set)
		if got := strings.Join(list, " "); more != (want == "more") || !more && got != want {
			t.Errorf("%s: %s, %t", set, got, more)
		}
	}
}

// TestStepsOfFurtherNodes: each node of a Galera cluster takes writes, so its step is judged as its side's is, and must keep clear
// of the other side's; one whose step is not known leaves the gate undecided.
func TestStepsOfFurtherNodes(t *testing.T) {
	p := testPlan(plan.DualWrite)
	j := &judge{plan: p, hash: p.Hash(), now: t0, old: uuidOld, new: uuidNew}
	kept := func(s Step) StepSide {
		return StepSide{Global: s, Persisted: &s, PersistedKnown: true, SessionsSeen: true}
	}
	for _, c := range []struct {
		name string
		node StepNode
		more []string // Unplanned
		id   string   // "" for none
		next string
	}{
		{"as new's own", StepNode{StepSide: kept(Step{2, 2})}, nil, "", ""},
		{"another rest that old does not have", StepNode{StepSide: kept(Step{4, 4})}, nil, "", ""},
		{"old's", StepNode{StepSide: kept(Step{2, 1})}, nil, ReasonStepOverlap, "on new-1: SET PERSIST auto_increment_offset = 2; SET PERSIST auto_increment_increment = 2"},
		{"none", StepNode{StepSide: kept(Step{1, 1})}, nil, ReasonStepWrong, "on new-1: SET PERSIST auto_increment_offset = 2; SET PERSIST auto_increment_increment = 2"},
		{"set by Galera", StepNode{StepSide: StepSide{Global: Step{2, 2}, Persisted: &Step{2, 2}, SessionsSeen: true, Overridden: "wsrep_auto_increment_control=ON"}}, nil, ReasonStepOverridden, "on new-1: turn its control of the step off"},
		{"set by a group", StepNode{StepSide: StepSide{Global: Step{7, 2}, PersistedKnown: true, SessionsSeen: true, Overridden: "group_replication_auto_increment_increment=7"}}, nil, ReasonStepOverridden, "on new-1: SET PERSIST auto_increment_offset = 2; SET PERSIST auto_increment_increment = 2; a group leaves"},
		{"dead", StepNode{Trouble: "refused"}, nil, ReasonNodeMissing, "see that it runs"},
		{"one more", StepNode{StepSide: kept(Step{2, 2})}, []string{"the Galera cluster of new has 3 nodes, and the plan names 2 of them"}, ReasonNodeUnplanned, "name them in the plan"},
	} {
		c.node.Name, c.node.Side = "new-1", "new"
		got := judgeSteps(j, made(p, t0, Steps{Old: kept(Step{2, 1}), New: kept(Step{2, 2}), Nodes: []StepNode{c.node}, Unplanned: c.more}))
		switch {
		case c.id == "" && len(got) == 0:
		case len(got) != 1 || got[0].ID != c.id || !strings.HasPrefix(got[0].Next, c.next):
			t.Errorf("%s: %+v, want %s", c.name, got, c.id)
		}
	}
}

// TestStepsOfAllNodesAreRestored: a node that may be promoted goes on with its own step, and nodes that all take writes may have
// the step that their cluster gives them.
func TestStepsOfAllNodesAreRestored(t *testing.T) {
	p := testPlan(plan.DualWrite)
	j := &judge{plan: p, hash: p.Hash(), now: t0, old: uuidOld, new: uuidNew}
	one, two := Step{1, 1}, Step{2, 2}
	for _, c := range []struct {
		name string
		node StepNode
		more []string // Unplanned
		id   string   // "" for none
		next string
	}{
		{"restored", StepNode{StepSide: StepSide{Global: one}}, nil, "", ""},
		{"its own still", StepNode{StepSide: StepSide{Global: two}}, nil, ReasonStepNotRestored, "on new-1: SET GLOBAL auto_increment_increment = 1"},
		{"a restart brings it back", StepNode{StepSide: StepSide{Global: one, Persisted: &two}}, nil, ReasonStepNotRestored, "on new-1: RESET PERSIST"},
		{"its cluster gives it", StepNode{StepSide: StepSide{Global: Step{7, 21}, Persisted: &one, Overridden: "group_replication_auto_increment_increment=7"}}, nil, "", ""},
		{"dead", StepNode{Trouble: "refused"}, nil, ReasonNodeMissing, "see that it runs"},
		{"one more", StepNode{StepSide: StepSide{Global: one}}, []string{"the replication group of new has 3 members, and the plan names 2 of them"}, ReasonNodeUnplanned, "name them in the plan"},
	} {
		c.node.Name, c.node.Side = "new-1", "new"
		got := judgeRestored(j, made(p, t0, StepRestored{New: StepSide{Global: one}, Nodes: []StepNode{c.node}, Unplanned: c.more}))
		switch {
		case c.id == "" && len(got) == 0:
		case len(got) != 1 || got[0].ID != c.id || !strings.HasPrefix(got[0].Next, c.next):
			t.Errorf("%s: %+v, want %s", c.name, got, c.id)
		}
	}
}

// TestReplicasThatWereStartedAnew: while both sides take part, what a replica of new passed over ends what was kept, until it is compared.
func TestReplicasThatWereStartedAnew(t *testing.T) {
	w := &walk{T: t, p: clustered(plan.DualWrite), now: t0}
	w.list = replaced(clusterWorld(w.p), KindSignOff)
	w.open("all is well", plan.GateReplicaInSync, plan.GateOldDrained)
	nodes := func(since time.Time, side string, running bool) {
		w.later(time.Second)
		c := goodNodes()
		for i := range c.Nodes {
			if l := c.Nodes[i].Link; c.Nodes[i].Side == side {
				l.Since, l.Running = since, running
			}
		}
		w.take(c)
		w.measure(KindDrained)
	}
	nodes(w.now, "old", true)
	w.open("a replica of old is of no matter", plan.GateReplicaInSync)
	nodes(t0.Add(-9000*time.Hour), "new", false)
	w.open("one of new stands", plan.GateReplicaInSync)
	again := w.now.Add(time.Millisecond)
	nodes(again, "new", true)
	w.shut("and goes on", plan.GateReplicaInSync)
	nodes(again, "new", true)
	w.shut("and later", plan.GateReplicaInSync)
	w.later(time.Second)
	w.measure(KindCheck)
	for _, n := range []string{"new-1", "new-2"} {
		check, _ := good(w.p, KindCheck, w.now).(Check)
		e := made(w.p, w.now, Copy{Node: n, UUID: nodeUUID(n), Check: check})
		e.From = w.now
		w.list = append(w.list, e)
	}
	nodes(again, "new", true)
	w.measure(KindSync)
	w.open("and compared", plan.GateReplicaInSync, plan.GateOldDrained)
}

// TestNothingUndoesTheApplication: once the application writes to new, no advice puts old's rows back unread.
func TestNothingUndoesTheApplication(t *testing.T) {
	for _, path := range []plan.Path{plan.GTIDRestart, plan.GTIDConverter, plan.RollingUpgrade} {
		for _, switched := range []bool{true, false} {
			p := clustered(path)
			nodes := goodNodes()
			nodes.Nodes[2].Errant = uuidNew + ":5"
			list := replaced(clusterWorld(p), KindNodes, made(p, t0.Add(-2*time.Second), nodes))
			if !switched {
				list = replaced(list, KindWritesSwitch)
			}
			check, _ := good(p, KindCheck, t0).(Check)
			check.Verdict = Different
			list = append(list, made(p, t0.Add(-time.Second), check))
			seen := map[string]bool{}
			for _, g := range Judge(p, list, t0).Gates {
				for _, r := range g.Reasons {
					if !strings.Contains(r.Next, "repair") {
						continue
					}
					seen[r.ID] = true
					apart := strings.Contains(r.Next, "crosscheck check --old '"+p.New.DSN+"' --new '") && strings.Contains(r.Next, "repair --state APART")
					if r.ID != ReasonNodeErrant {
						apart = strings.HasPrefix(r.Next, "read what this writes, and run only what undoes no write of the application on new: ")
					}
					if apart != switched {
						t.Errorf("%s, switched %v: %s %s: %s", path, switched, g.Gate, r.ID, r.Next)
					}
				}
			}
			if !seen[ReasonNodeErrant] {
				t.Errorf("%s, switched %v: %v", path, switched, seen)
			}
		}
	}
}
