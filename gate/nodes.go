package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

// ClusterNode is a node of one side besides old and new themselves, at a moment.
type ClusterNode struct {
	Name      string `json:"name"` // as plan.Plan.Replicas names it, or its address if the plan does not
	Side      string `json:"side"` // "old" or "new"
	UUID      string `json:"uuid,omitempty"`
	Version   string `json:"version,omitempty"`
	Planned   bool   `json:"planned"` // the plan names it
	Reachable bool   `json:"reachable"`
	Trouble   string `json:"trouble,omitempty"` // why it was not reached, or how it was found
	Position  string `json:"position,omitempty"`
	// Link is the replication to the node from its source: old or new, as its side is, or another replica. nil: it was not seen.
	Link     *Link         `json:"link,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"` // that its applier is told to keep
	Filters  []string      `json:"filters,omitempty"`
	ReadOnly bool          `json:"read_only"`
	// Readers are the application's sessions on a node that a rolling upgrade goes through, the most at once; ReadersSeen: all
	// sessions there were seen.
	Readers     int  `json:"readers,omitempty"`
	ReadersSeen bool `json:"readers_seen,omitempty"`
	// Errant are transactions that no node above it has; "" also where nobody can tell, as without GTIDs.
	Errant string `json:"errant,omitempty"`
}

// Nodes are the nodes of both sides besides old and new themselves, those that the plan names and those that were found.
type Nodes struct {
	Nodes []ClusterNode `json:"nodes"`
	// OldVersion and NewVersion are those of old and new themselves, where a rolling upgrade goes through the nodes.
	OldVersion string `json:"old_version,omitempty"`
	NewVersion string `json:"new_version,omitempty"`
	// Unknown says what the servers did not tell, one line each: there may be nodes besides.
	Unknown []string `json:"unknown,omitempty"`
	// Grants are the statements after which servers tell it, in order; where they run stands before: "on new-1: …".
	Grants []string `json:"grants,omitempty"`
}

// Copy is a full check of one node besides old and new themselves.
type Copy struct {
	Node string `json:"node"` // as the plan names it
	UUID string `json:"uuid"`
	Check
}

// Kind is KindNodes.
func (Nodes) Kind() Kind { return KindNodes }

// Kind is KindCopy.
func (Copy) Kind() Kind { return KindCopy }

func (c Nodes) problem(taken time.Time) string {
	names := make([]string, 0, len(c.Nodes))
	for _, n := range c.Nodes {
		names = append(names, n.Name)
		switch {
		case n.Side != "old" && n.Side != "new":
			return "a node is of no side"
		case n.Link != nil && n.Link.Since.After(taken):
			return "a link runs from a later moment on"
		}
	}
	return namesProblem(names)
}

func (c Copy) problem(taken time.Time) string {
	if c.UUID == "" || c.Node == "" {
		return "it does not say which node it is about"
	}
	return c.Check.problem(taken)
}

// nodeProofs are what gates need besides where the plan names replicas: of each gate, the sides whose nodes must be well,
// and whether those of new must have been compared.
func nodeProofs(p plan.Path) map[string][]proof {
	of := func(side string) proof {
		return proof{kind: KindNodes, age: ageState, judge: func(j *judge, e Evidence) []Reason { return judgeNodes(j, e, side) }}
	}
	copies := proof{kind: KindCopy, judge: judgeCopies}
	switch p {
	case plan.DualWrite:
		return map[string][]proof{
			plan.GateReplicaInSync: {copies, of("new")}, plan.GateReadsSwitched: {of("new")}, plan.GateWritesSwitched: {of("new")},
			plan.GateOldDrained: {of("old")},
		}
	case plan.GTIDRestart:
		return map[string][]proof{plan.GateCaughtUp: {copies, of("new")}, plan.GateSwitched: {of("new")}}
	case plan.GTIDConverter:
		return map[string][]proof{plan.GateChainInSync: {copies, of("new")}, plan.GateSwitched: {of("new")}}
	case plan.RollingUpgrade:
		return map[string][]proof{plan.GateRestoredCopy: {copies}, plan.GateHealth: {of("new")}, plan.GateSwitched: {of("new")}}
	}
	return nil
}

// specsOf are the gates of a plan: those of its path, and what its replicas add to them.
func specsOf(p plan.Plan) []spec {
	out := gates(p.Path)
	if i := slices.IndexFunc(out, func(s spec) bool { return s.name == plan.GateHealth }); p.Rolling != nil && i >= 0 {
		out = slices.Insert(out, i+1, nodesUpgraded())
	}
	if len(p.Replicas()) == 0 {
		return out
	}
	for i := range out {
		out[i].proofs = append(out[i].proofs, nodeProofs(p.Path)[out[i].name]...)
	}
	for i := range out { // without replicas of new none can have been compared
		if len(p.New.Replicas) == 0 {
			out[i].proofs = slices.DeleteFunc(out[i].proofs, func(x proof) bool { return x.kind == KindCopy })
		}
	}
	return out
}

// Acceptable tells whether a plan may accept a name, "id:node", that a gate gives as a reason: of nodes, and not of data.
func Acceptable(name string) bool {
	id, node, _ := strings.Cut(name, ":")
	return node != "" && (id == ReasonNodeUnplanned || id == ReasonReplicationLag)
}

// node is what is known of a replica that the plan names.
func (c Nodes) node(name string) (ClusterNode, bool) {
	i := slices.IndexFunc(c.Nodes, func(n ClusterNode) bool { return n.Name == name && n.Planned })
	if i < 0 {
		return ClusterNode{}, false
	}
	return c.Nodes[i], true
}

// judgeNodes judges the nodes of one side.
func judgeNodes(j *judge, e Evidence, side string) []Reason {
	c, ok := e.Content.(Nodes)
	if !ok {
		return j.wrongType(e)
	}
	var out []Reason
	for _, r := range j.plan.Replicas() {
		if r.Side != side {
			continue
		}
		n, there := c.node(r.Name)
		if !there || !n.Reachable {
			out = append(out, *j.unreached(r, n.Trouble))
			continue
		}
		out = append(out, j.nodeReasons(n)...)
	}
	for _, n := range c.Nodes {
		if n.Side == side && !n.Planned && !j.plan.Accepts(ReasonNodeUnplanned, n.Name) {
			out = append(out, *j.unknown(ReasonNodeUnplanned, colon("the plan does not name the node "+n.Name+" of "+side, n.Trouble),
				j.name(n)))
		}
	}
	if len(c.Unknown) > 0 {
		next := "mend its cause"
		if len(c.Grants) > 0 {
			next = strings.Join(c.Grants, Then)
		}
		out = append(out, *j.unknown(ReasonNodesUnseen, "there may be nodes that nobody saw: "+Some(c.Unknown), next))
	}
	return out
}

// name is how a node that was found comes into the plan.
func (j *judge) name(n ClusterNode) string {
	list := j.plan.New.Replicas
	if n.Side == "old" {
		list = j.plan.Old.Replicas
	}
	var b strings.Builder
	for _, dsn := range list {
		fmt.Fprintf(&b, "%q, ", dsn)
	}
	return fmt.Sprintf("write it in the plan: [%s] with replicas = [%s%q], or, if nobody reads from it, [[accept]] with name = %q, reason",
		n.Side, b.String(), "USER@tcp("+n.Name+")/", ReasonNodeUnplanned+":"+n.Name)
}

func (j *judge) unreached(r plan.Replica, why string) *Reason {
	return j.unknown(ReasonNodeMissing, colon(fmt.Sprintf("%s (%s) was not reached", r.Name, r.DSN), why),
		"see that it runs and lets crosscheck's account in; a node that is gone for good: take it out of the plan")
}

// nodeReasons judges one replica of a side.
func (j *judge) nodeReasons(n ClusterNode) []Reason {
	if n.Link == nil {
		return []Reason{*j.unknown(ReasonReplicationMissing, fmt.Sprintf("replication %s→%s was not seen", n.Side, n.Name), "on "+n.Name+": "+Words("").show())}
	}
	l := *n.Link
	delayed := ReasonReplicationLag + ":" + n.Name
	if n.Delay > 0 && j.plan.Accepts(ReasonReplicationLag, n.Name) {
		l.Lag, l.LagKnown = max(l.Lag-n.Delay, 0), true
	}
	out := j.linkReasons([2]string{l.From, n.Name}, l)
	for i := range out {
		if out[i].ID == ReasonReplicationLag && n.Delay > 0 {
			out[i].Text += fmt.Sprintf(" (it is told to stay %s behind)", n.Delay)
			out[i].Next = fmt.Sprintf("take it out of those that are read%saccept it in the plan: [[accept]] with name = %q, reason, or end its delay", Then, delayed)
		}
	}
	if len(n.Filters) > 0 {
		out = append(out, *j.fail(ReasonReplicationFiltered, fmt.Sprintf("%s leaves out changes: %s", n.Name, Some(n.Filters)),
			j.unfilter(n)))
	}
	if n.Errant != "" {
		out = append(out, *j.fail(ReasonNodeErrant, fmt.Sprintf("%s has transactions that %s does not have: %s", n.Name, l.From, n.Errant),
			j.mendErrant(n, l.From)))
	}
	return out
}

// judgeCopies judges the checks of new's replicas.
func judgeCopies(j *judge, _ Evidence) []Reason {
	seen, _ := j.newest(KindNodes)
	nodes, _ := seen.Content.(Nodes)
	var out []Reason
	for _, r := range j.plan.Replicas() {
		if r.Side != "new" {
			continue
		}
		n, there := nodes.node(r.Name)
		if !there || n.UUID == "" { // which server it is decides which checks are of it
			out = append(out, *j.unreached(r, n.Trouble))
			continue
		}
		out = append(out, j.copyReasons(n, j.measure("", KindCheck), j.plan.Ages.Check)...)
	}
	return out
}

// copyReasons judges the newest check of a node, which may be of an age. again is what compares it anew.
func (j *judge) copyReasons(n ClusterNode, again string, oldest time.Duration) []Reason {
	p, c, ok := j.copyOf(n.UUID)
	if !ok {
		return []Reason{*j.unknown(ReasonEvidenceMissing, fmt.Sprintf("nobody compared %s with old", n.Name), again)}
	}
	out := j.compared(p.from(), c.Verdict, c.Reason, c.Coverage, again, "rows differ between old and the node")
	for i := range out {
		out[i].Text = n.Name + ": " + out[i].Text
	}
	if age := j.now.Sub(p.from()); age > oldest {
		out = append(out, *j.unknown(ReasonEvidenceStale, fmt.Sprintf("the check of %s is %s old; the plan allows %s", n.Name, age.Round(time.Second), oldest), again))
	}
	if l := n.Link; l != nil && l.Running && (l.Since.IsZero() || l.Since.After(p.from())) {
		out = append(out, *j.unknown(ReasonReplicationBroken, fmt.Sprintf("replication %s→%s is known to run without a break only since %s, its check began at %s",
			l.From, n.Name, moment(l.Since), moment(p.from())), again))
	}
	return out
}

// copyOf is the newest check of a node that counts.
func (j *judge) copyOf(uuid string) (Evidence, Copy, bool) {
	for _, p := range j.pieces[KindCopy] {
		if c, ok := p.Content.(Copy); ok && j.rejects(p) == "" && c.UUID == uuid {
			return p.Evidence, c, true
		}
	}
	return Evidence{}, Copy{}, false
}

// copiesDiffer tells that the newest check of a node found differences, after a moment.
func (j *judge) copiesDiffer(after time.Time) bool {
	told := make(map[string]bool)
	for _, p := range j.pieces[KindCopy] {
		c, ok := p.Content.(Copy)
		if !ok || j.rejects(p) != "" || told[c.UUID] {
			continue
		}
		told[c.UUID] = true
		if c.Verdict == Different && p.Taken.After(after) {
			return true
		}
	}
	return false
}

// onNodes are sessions by the node that they are on, "" for old or new itself, the nodes in order.
func onNodes(list []Session) (nodes []string, by map[string][]Session) {
	by = make(map[string][]Session)
	for _, s := range list {
		if _, ok := by[s.Node]; !ok {
			nodes = append(nodes, s.Node)
		}
		by[s.Node] = append(by[s.Node], s)
	}
	slices.Sort(nodes)
	return nodes, by
}

// ends is the statements that end sessions, by node.
func ends(list []Session, side string) string {
	nodes, by := onNodes(list)
	out := make([]string, 0, len(nodes))
	for _, n := range nodes {
		name := n
		if name == "" {
			name = side
		}
		out = append(out, "on "+name+": "+kill(by[n]))
	}
	return strings.Join(out, "; ")
}

// readers are the sessions that are on replicas.
func readers(list []Session) []Session {
	return slices.DeleteFunc(slices.Clone(list), func(s Session) bool { return s.Node == "" })
}

// unreachedNodes says of which nodes the sessions are not known.
func (j *judge) unreachedNodes(names []string) []Reason {
	if len(names) == 0 {
		return nil
	}
	return []Reason{*j.unknown(ReasonNodeMissing, "the sessions on "+Some(names)+" are not known: they were not reached",
		"see that they run and let crosscheck's account in; a node that is gone for good: take it out of the plan")}
}
