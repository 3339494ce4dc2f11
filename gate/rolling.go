package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

// A rolling upgrade goes through the nodes of one cluster: new, a replica that got the new version first, is proven by the gates
// before; then the replicas of old one after another, in the plan's order; old itself last, after the switch to new.

// NodeLine is how one node of a rolling upgrade stands.
type NodeLine struct {
	Name    string     `json:"name"`
	UUID    string     `json:"uuid,omitempty"`
	Version string     `json:"version,omitempty"`
	State   State      `json:"state"`
	Text    string     `json:"text"`
	Check   EvidenceID `json:"check,omitempty"` // that it was compared by

	reasons []Reason
}

// nodesUpgraded is the gate of the nodes between new and old.
func nodesUpgraded() spec {
	return spec{
		name: plan.GateNodesUpgraded, kept: []keep{{by: plan.GateSwitched, while: sameSwitch}, {by: plan.GateSignedOff}},
		proofs: []proof{{kind: KindNodes, age: ageState, judge: judgeRolling}},
	}
}

func judgeRolling(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Nodes)
	if !ok {
		return j.wrongType(e)
	}
	var out []Reason
	for _, l := range j.rolling(c) {
		out = append(out, l.reasons...)
	}
	return out
}

// lines are the nodes that a gate is about, as of the newest look.
func (j *judge) lines(gate string) []NodeLine {
	if gate != plan.GateNodesUpgraded || j.why != nil {
		return nil
	}
	e, _ := j.newest(KindNodes)
	c, ok := e.Content.(Nodes)
	if !ok {
		return nil
	}
	return j.rolling(c)
}

// rolling judges each node by the newest look and those before it.
func (j *judge) rolling(c Nodes) []NodeLine {
	out := []NodeLine{j.firstLine(c)}
	waitsFor := "" // the first node that has not passed
	if out[0].State != Pass {
		waitsFor = "new"
	}
	for _, r := range j.plan.Replicas() {
		if !r.Rolling {
			continue
		}
		l := j.rollingLine(c, r, waitsFor)
		if l.settle(); l.State != Pass && waitsFor == "" {
			waitsFor = l.Name
		}
		out = append(out, l)
	}
	return append(out, NodeLine{Name: "old", UUID: j.old, Version: shown(c.OldVersion), State: Pass, Text: "comes last, after the switch"})
}

func (l *NodeLine) settle() {
	l.State = Pass
	texts := make([]string, 0, len(l.reasons))
	for _, r := range l.reasons {
		l.State = worseState(l.State, r.State)
		texts = append(texts, r.Text)
	}
	if len(texts) > 0 {
		l.Text = strings.Join(texts, "; ")
	}
}

// firstLine is that of new: the gates before prove all of it but that its version is the newer one.
func (j *judge) firstLine(c Nodes) NodeLine {
	l := NodeLine{Name: "new", UUID: j.new, Version: shown(c.NewVersion), Text: "was upgraded first, and is switched to"}
	if !newer(c.NewVersion, c.OldVersion) {
		was := ""
		for _, p := range j.pieces[KindNodes] {
			if n, ok := p.Content.(Nodes); ok && j.rejects(p) == "" && newer(c.OldVersion, n.OldVersion) {
				was = n.OldVersion
				break
			}
		}
		if was != "" {
			l.reasons = append(l.reasons, *j.fail(ReasonNodeEarly, fmt.Sprintf("old was upgraded from %s to %s: it comes last, after the switch to new", shown(was), shown(c.OldVersion)),
				"put old back to "+shown(was)+" while a node of that version is left"))
		} else {
			l.reasons = append(l.reasons, *j.unknown(ReasonNodeNotUpgraded, fmt.Sprintf("new runs %s, old %s: new is not the newer one", shown(c.NewVersion), shown(c.OldVersion)),
				"upgrade new first"))
		}
	}
	l.settle()
	return l
}

func (j *judge) rollingLine(c Nodes, r plan.Replica, waitsFor string) NodeLine {
	n, there := c.node(r.Name)
	l := NodeLine{Name: r.Name, UUID: n.UUID, Version: shown(n.Version), Text: "upgraded, compared, and read from"}
	if !there || !n.Reachable {
		l.reasons = append(l.reasons, *j.unreached(r, n.Trouble))
		return l
	}
	if !AtLeast(n.Version, c.NewVersion) {
		l.reasons = append(l.reasons, j.notUpgraded(c, n, r, waitsFor))
		return l
	}
	since := j.lastOther(n)
	l.reasons = append(l.reasons, j.nodeReasons(n)...)
	again := "crosscheck check " + j.pair() + fmt.Sprintf(" --new-replica '%s'", r.DSN)
	l.reasons = append(l.reasons, j.copyReasons(n, again, j.plan.Ages.RestoredCopy)...)
	if p, _, ok := j.copyOf(n.UUID); ok {
		if l.Check = p.ID(); !p.from().After(since) {
			l.reasons = append(l.reasons, *j.unknown(ReasonNodeEarlier, fmt.Sprintf("%s was compared before it got its version: it was seen without at %s", n.Name, moment(since)), again))
		}
	}
	l.reasons = append(l.reasons, j.parity(n, since)...)
	l.reasons = append(l.reasons, j.readFrom(c, n)...)
	if waitsFor != "" {
		l.reasons = append(l.reasons, *j.fail(ReasonNodeEarly, fmt.Sprintf("%s was upgraded before %s had passed", n.Name, waitsFor),
			"upgrade no further node; let "+waitsFor+" pass"))
	}
	return l
}

// notUpgraded says of a node of the old version whether it is its turn, and whether it had been further.
func (j *judge) notUpgraded(c Nodes, n ClusterNode, r plan.Replica, waitsFor string) Reason {
	for _, p := range j.pieces[KindNodes] {
		seen, ok := p.Content.(Nodes)
		was, there := seen.node(n.Name)
		if ok && there && was.Reachable && j.rejects(p) == "" && AtLeast(was.Version, c.NewVersion) {
			return *j.fail(ReasonNodeBack, fmt.Sprintf("%s ran %s at %s, and runs %s again", n.Name, shown(was.Version), moment(p.Taken), shown(n.Version)),
				"find out why it went back; then upgrade it again, and prove it anew")
		}
	}
	if waitsFor != "" {
		return *j.unknown(ReasonNodeNotUpgraded, fmt.Sprintf("%s runs %s, and waits until %s has passed", n.Name, shown(n.Version), waitsFor), "wait")
	}
	return *j.unknown(ReasonNodeNotUpgraded, fmt.Sprintf("%s runs %s: it is its turn to be upgraded to %s", n.Name, shown(n.Version), shown(c.NewVersion)),
		fmt.Sprintf("upgrade %s and let it replicate from new", n.Name)+Then+"crosscheck preflight --plan PLAN"+Then+"crosscheck check "+j.pair()+fmt.Sprintf(" --new-replica '%s'", r.DSN))
}

// lastOther is the newest look that found another server at a node's place, or it in an earlier version: what was proven before
// is not of what runs there now. Zero: there is none.
func (j *judge) lastOther(n ClusterNode) time.Time {
	for _, p := range j.pieces[KindNodes] {
		c, ok := p.Content.(Nodes)
		was, there := c.node(n.Name)
		if ok && there && j.rejects(p) == "" && was.UUID != "" && (was.UUID != n.UUID || newer(n.Version, was.Version)) {
			return p.Taken
		}
	}
	return time.Time{}
}

// parity asks for a preflight since a node runs its version: it holds the node's tables and settings against those of new.
func (j *judge) parity(n ClusterNode, since time.Time) []Reason {
	if l := n.Link; l != nil && l.Threads != nil && l.Threads.Started.After(since) {
		since = l.Threads.Started
	}
	e, ok := j.newest(KindPreflight)
	if ok && e.Taken.After(since) {
		return nil
	}
	return []Reason{*j.unknown(ReasonNodeUnjudged, "no preflight has judged "+n.Name+" since it runs its version: its tables and settings were not held against those of new",
		"crosscheck preflight --plan PLAN")}
}

// readFrom tells whether the application has read from a node for as long as the plan wants, by looks at its sessions without a
// gap longer than the plan's age of health.
func (j *judge) readFrom(c Nodes, n ClusterNode) []Reason {
	want, gap := j.plan.Rolling.ReadsFor, j.plan.Ages.Health
	if len(j.plan.Accounts) == 0 || !n.ReadersSeen {
		return j.sessions(n.ReadersSeen, nil)
	}
	last := j.now // of the looks so far, the oldest that saw a session
	var since time.Time
	for _, p := range j.pieces[KindNodes] {
		seen, ok := p.Content.(Nodes)
		if !ok || j.rejects(p) != "" {
			continue
		}
		was, there := seen.node(n.Name)
		if last.Sub(p.Taken) > gap || there && was.UUID != "" && (was.UUID != n.UUID || !AtLeast(was.Version, c.NewVersion)) ||
			was.Link != nil && (!was.Link.Running || was.Link.Error != "") {
			break
		}
		if was.Readers > 0 && was.ReadersSeen {
			last, since = p.Taken, p.Taken
		}
	}
	next := fmt.Sprintf("let the application read from %s; look at least every %s: crosscheck gate check %s --plan PLAN", n.Name, gap, plan.GateNodesUpgraded)
	switch {
	case since.IsZero():
		return []Reason{*j.unknown(ReasonNodeReads, fmt.Sprintf("no session of the application was seen on %s within %s; the plan wants %s of reads", n.Name, gap, want), next)}
	case j.now.Sub(since) < want:
		return []Reason{*j.unknown(ReasonNodeReads, fmt.Sprintf("the application was seen to read from %s for %s; the plan wants %s", n.Name, j.now.Sub(since).Round(time.Second), want), next)}
	}
	return nil
}

// shown is a version for people: "10.11.19-MariaDB" of "10.11.19-MariaDB-0+deb12u1-log".
func shown(version string) string {
	if version == "" {
		return "a version that is not known"
	}
	r, ok := releaseOf(version)
	if !ok {
		return version
	}
	out := fmt.Sprintf("%d.%d.%d", r.number[0], r.number[1], r.number[2])
	if r.maria {
		out += "-MariaDB"
	}
	return out
}

// release is a version that can be compared: versions of two makers cannot.
type release struct {
	maria  bool
	number [3]int
}

func releaseOf(version string) (r release, ok bool) {
	if rest, prefixed := strings.CutPrefix(version, "5.5.5-"); prefixed && strings.Contains(version, "MariaDB") {
		version = rest // as MariaDB greets
	}
	n, _ := fmt.Sscanf(version, "%d.%d.%d", &r.number[0], &r.number[1], &r.number[2])
	r.maria = strings.Contains(version, "MariaDB")
	return r, n >= 2
}

// newer tells that a version is known to be later than another one of the same maker.
func newer(a, b string) bool {
	x, okA := releaseOf(a)
	y, okB := releaseOf(b)
	return okA && okB && x.maria == y.maria && slices.Compare(x.number[:], y.number[:]) > 0
}

// AtLeast tells that a version is known to be another one of the same maker, or later.
func AtLeast(a, b string) bool {
	x, okA := releaseOf(a)
	y, okB := releaseOf(b)
	return okA && okB && x.maria == y.maria && slices.Compare(x.number[:], y.number[:]) >= 0
}
