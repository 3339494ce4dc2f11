package gate

import (
	"strings"
	"testing"
	"time"

	"crosscheck/gate/plan"
)

const (
	oldRelease = "10.11.14-MariaDB-log"
	newRelease = "11.8.3-MariaDB-log"
)

// rollingPlan upgrades two replicas of old between new and old.
func rollingPlan() plan.Plan {
	p := testPlan(plan.RollingUpgrade)
	p.Old.Replicas, p.Rolling = []string{"@o1", "@o2"}, &plan.Rolling{ReadsFor: time.Hour}
	return p
}

// rolled are looks at the nodes every five minutes over two hours before t0, with both replicas upgraded all along.
func rolled(p plan.Plan) []Evidence {
	var out []Evidence
	for at := t0.Add(-2*time.Hour - time.Second); at.Before(t0); at = at.Add(5 * time.Minute) {
		c := Nodes{OldVersion: oldRelease, NewVersion: newRelease}
		for _, name := range []string{"old-1", "old-2"} {
			c.Nodes = append(c.Nodes, ClusterNode{
				Name: name, Side: "new", UUID: nodeUUID(name), Version: newRelease, Planned: true, Reachable: true, Readers: 3, ReadersSeen: true,
				Link: &Link{From: "new", To: name, Running: true, LagKnown: true, Since: t0.Add(-9000 * time.Hour)},
			})
		}
		out = append(out, made(p, at, c))
	}
	check, _ := good(p, KindCheck, t0).(Check)
	for _, name := range []string{"old-1", "old-2"} {
		e := made(p, t0.Add(-5*time.Hour), Copy{Node: name, UUID: nodeUUID(name), Check: check})
		e.From = e.Taken.Add(-time.Minute)
		out = append(out, e)
	}
	return out
}

// rollingWorld opens all gates at t0.
func rollingWorld(p plan.Plan) []Evidence {
	out := append(world(p), rolled(p)...)
	for i := range out {
		out[i].Plan = p.Hash()
	}
	return out
}

// TestRolling has one thing be wrong with a node at a time: the gate says which node, and the others stay as they are.
func TestRolling(t *testing.T) {
	p := rollingPlan()
	s := Judge(p, rollingWorld(p), t0)
	if s.State != Pass {
		t.Fatalf("all is well: %s\n%s", s.State, states(s))
	}
	if r := mustGate(t, s, plan.GateNodesUpgraded); len(r.Nodes) != 4 || r.Nodes[0].Name != "new" || r.Nodes[2].Check == "" || r.Nodes[3].Name != "old" {
		t.Errorf("the nodes' lines: %+v", r.Nodes)
	}
	// node changes one node in the looks that are younger than an age.
	node := func(name string, younger time.Duration, change func(n *ClusterNode)) func(e *Evidence) bool {
		return func(e *Evidence) bool {
			c, ok := e.Content.(Nodes)
			if !ok || t0.Sub(e.Taken) > younger {
				return true
			}
			for i := range c.Nodes {
				if c.Nodes[i].Name == name {
					change(&c.Nodes[i])
				}
			}
			return true
		}
	}
	before := func(name string, older time.Duration, change func(n *ClusterNode)) func(e *Evidence) bool {
		inner := node(name, 9999*time.Hour, change)
		return func(e *Evidence) bool { return t0.Sub(e.Taken) <= older || inner(e) }
	}
	drop := func(k Kind, name string) func(e *Evidence) bool {
		return func(e *Evidence) bool {
			c, isCopy := e.Content.(Copy)
			return e.Kind() != k || isCopy && c.Node != name
		}
	}
	isOld := func(n *ClusterNode) { n.Version, n.Side = oldRelease, "old" }
	for _, c := range []struct {
		name   string
		change func(e *Evidence) bool
		states string // of new, old-1, old-2, old
		id     string
	}{
		{"nobody began", node("old-1", 9999*time.Hour, isOld), "pass unknown fail pass", ReasonNodeNotUpgraded},
		{"the second's turn", node("old-2", 9999*time.Hour, isOld), "pass pass unknown pass", ReasonNodeNotUpgraded},
		{"the second went before the first", node("old-1", 9999*time.Hour, isOld), "pass unknown fail pass", ReasonNodeEarly},
		{"the first went back", node("old-1", time.Minute, isOld), "pass fail fail pass", ReasonNodeBack},
		{"upgraded after its check", before("old-2", time.Minute, isOld), "pass pass unknown pass", ReasonNodeReads},
		{"compared before it was upgraded", func(e *Evidence) bool {
			if c, ok := e.Content.(Copy); ok && c.Node == "old-2" {
				e.From, e.Taken = t0.Add(-100*time.Minute), t0.Add(-99*time.Minute)
			}
			return before("old-2", 90*time.Minute, isOld)(e)
		}, "pass pass unknown pass", ReasonNodeEarlier},
		{"rebuilt", node("old-2", time.Minute, func(n *ClusterNode) { n.UUID = uuidElse }), "pass pass unknown pass", ReasonEvidenceMissing},
		{"nobody compared it", drop(KindCopy, "old-1"), "pass unknown fail pass", ReasonEvidenceMissing},
		{"its rows differ", func(e *Evidence) bool {
			if c, ok := e.Content.(Copy); ok && c.Node == "old-2" {
				c.Verdict = Different
				e.Content = c
			}
			return true
		}, "pass pass fail pass", ReasonCheckDifferent},
		{"it stands", node("old-2", time.Minute, func(n *ClusterNode) { n.Link = &Link{From: "new", To: n.Name} }), "pass pass fail pass", ReasonReplicationStopped},
		{"nobody read from it half an hour ago", func(e *Evidence) bool {
			if age := t0.Sub(e.Taken); age > 25*time.Minute && age < 45*time.Minute {
				return node("old-2", 9999*time.Hour, func(n *ClusterNode) { n.Readers = 0 })(e)
			}
			return true
		}, "pass pass unknown pass", ReasonNodeReads},
		{"nobody looked half an hour ago", func(e *Evidence) bool {
			age := t0.Sub(e.Taken)
			return e.Kind() != KindNodes || age < 25*time.Minute || age > 45*time.Minute
		}, "pass unknown fail pass", ReasonNodeReads},
		{"its sessions are hidden", node("old-2", time.Minute, func(n *ClusterNode) { n.ReadersSeen = false }), "pass pass unknown pass", ReasonSessionsUnseen},
		{"it is gone", node("old-2", time.Minute, func(n *ClusterNode) { n.Reachable = false }), "pass pass unknown pass", ReasonNodeMissing},
		{"no preflight since", func(e *Evidence) bool {
			if e.Kind() == KindPreflight {
				e.Taken = t0.Add(-3 * time.Hour)
			}
			return before("old-2", 110*time.Minute, isOld)(e)
		}, "pass pass unknown pass", ReasonNodeUnjudged},
		{"old was upgraded", func(e *Evidence) bool {
			if c, ok := e.Content.(Nodes); ok && t0.Sub(e.Taken) < time.Minute {
				c.OldVersion = newRelease
				e.Content = c
			}
			return true
		}, "fail fail fail pass", ReasonNodeEarly},
		{"new runs old's version", func(e *Evidence) bool {
			if c, ok := e.Content.(Nodes); ok {
				c.NewVersion = oldRelease
				e.Content = c
			}
			return true
		}, "unknown fail fail pass", ReasonNodeNotUpgraded},
	} {
		var list []Evidence
		for _, e := range rollingWorld(p) {
			if nodes, ok := e.Content.(Nodes); ok {
				nodes.Nodes = append([]ClusterNode{}, nodes.Nodes...)
				e.Content = nodes
			}
			if c.change(&e) {
				list = append(list, e)
			}
		}
		r := mustGate(t, Judge(p, list, t0), plan.GateNodesUpgraded)
		var got []string
		for _, l := range r.Nodes {
			got = append(got, string(l.State))
		}
		if strings.Join(got, " ") != c.states || !has(r, c.id) || r.State.Open() {
			t.Errorf("%s: %s, %v, want %s with %s: %s", c.name, r.State, got, c.states, c.id, r.ReasonIDs())
		}
		for _, x := range r.Reasons {
			if x.Next == "" {
				t.Errorf("%s: %s does not say what to do", c.name, x.ID)
			}
		}
	}
}

// TestRollingStays: once the application is on new, old may be upgraded, and the nodes need no readers any more.
func TestRollingStays(t *testing.T) {
	w := &walk{T: t, p: rollingPlan(), now: t0}
	w.list = replaced(rollingWorld(w.p), KindSignOff)
	w.open("all is well", plan.GateNodesUpgraded, plan.GateSwitched)
	w.later(time.Second)
	c, _ := rolled(w.p)[0].Content.(Nodes)
	c.OldVersion = newRelease
	c.Nodes[0].Readers = 0
	w.take(c)
	w.measure(KindWritesSwitch)
	w.measure(KindDrained)
	w.measure(KindSync)
	w.open("old is upgraded last", plan.GateNodesUpgraded)
}

// TestWatchPeriodFallsBack: a write on old after the switch fails the watch period until there is a new word.
func TestWatchPeriodFallsBack(t *testing.T) {
	p := testPlan(plan.RollingUpgrade)
	word := func(ago, switched time.Duration, writes int64) Evidence {
		c, _ := good(p, KindWritesSwitch, t0).(WritesSwitch)
		if c.Switched, c.OldWrites = t0.Add(-switched), writes; switched == 0 {
			c.By, c.Switched = "", time.Time{}
		}
		return made(p, t0.Add(-ago), c)
	}
	minute := time.Minute
	for _, c := range []struct {
		name  string
		words []Evidence
		want  State
		id    string
	}{
		{"it stands", []Evidence{word(90*minute, 100*minute, 0), word(minute, 100*minute, 0)}, Pass, ""},
		{"writers left late", []Evidence{word(90*minute, 100*minute, 3), word(minute, 100*minute, 0)}, Pass, ""},
		{"writers left half an hour ago", []Evidence{word(30*minute, 100*minute, 3), word(minute, 100*minute, 0)}, Unknown, ReasonHealthShort},
		{"it was written, and the word is void", []Evidence{word(30*minute, 100*minute, 3), word(minute, 0, 0)}, Fail, ReasonOldWritten},
		{"a new word", []Evidence{word(90*minute, 100*minute, 3), word(80*minute, 0, 0), word(minute, 70*minute, 0)}, Pass, ""},
		{"a new word a while ago", []Evidence{word(90*minute, 100*minute, 3), word(minute, 10*minute, 0)}, Unknown, ReasonHealthShort},
	} {
		j := &judge{plan: p, hash: p.Hash(), now: t0, old: uuidOld, new: uuidNew, pieces: map[Kind][]piece{}}
		for _, e := range c.words {
			j.pieces[KindWritesSwitch] = append([]piece{newPiece(e)}, j.pieces[KindWritesSwitch]...)
		}
		r := Result{Reasons: judgeWatchPeriod(j, made(p, t0, good(p, KindHealth, t0)))}
		if r.settle(); r.State != c.want || c.id != "" && !has(r, c.id) {
			t.Errorf("%s: %s %+v", c.name, r.State, r.Reasons)
		}
	}
}
