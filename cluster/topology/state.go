package topology

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/internal/fault"
)

// State is what a node said of itself at a moment.
type State struct {
	Time                    time.Time // zero: nothing was asked
	ReadOnly, SuperReadOnly bool
	LogBin, LogsUpdates     bool // it has a binary log; what it applies is in it, too
	GTIDMode                string
	Channels                []cluster.ReplicaChannel
	Galera                  cluster.GaleraNode
	Position                gtid.Position
	Steps                   cluster.StepPair
	Errant                  Errant
	// Sessions are all connections of clients, without crosscheck's own; SessionsKnown tells whether the node showed them.
	Sessions      []cluster.Session
	SessionsKnown bool
	// Unknown says what it did not tell, one line each. What is not told is zero.
	Unknown []string

	logged gtid.MariaState
	told   bool // logged was read
}

// Errant are transactions of a node that none of those has that it replicates from: somebody wrote to it.
type Errant struct {
	// Known tells whether it could be found out; Why says why not.
	Known bool
	Why   string
	// Set are the transactions: a GTID set of MySQL; of MariaDB the last one of each server and domain. "" for none.
	Set string
}

// Lag is the largest lag of a node's channels in seconds. known is false where a channel does not say: it has stopped, or
// the account may not see it. A node without channels lags behind nobody.
func (s State) Lag() (seconds int64, known bool) {
	for _, c := range s.Channels {
		if c.LagSeconds == nil {
			return 0, false
		}
		seconds = max(seconds, *c.LagSeconds)
	}
	return seconds, true
}

// Trouble says what keeps the node from replicating; "" where all its threads run.
func (s State) Trouble() string {
	var out []string
	for _, c := range s.Channels {
		if t := c.Trouble(); t != "" && c.Name != "" {
			out = append(out, "channel "+c.Name+": "+t)
		} else if t != "" {
			out = append(out, t)
		}
	}
	return strings.Join(out, "; ")
}

// Measure reads the state of all nodes that answer, and with it their roles: who takes writes may have changed. A node that
// is lost meanwhile says so in State.Unknown. The error is the context's.
func Measure(ctx context.Context, t *Topology) error {
	nodes := t.Nodes()
	if err := each(ctx, len(nodes), func(i int) {
		if nodes[i].Reached() {
			nodes[i].State = measure(ctx, nodes[i].Server)
		}
	}); err != nil {
		return err
	}
	for _, n := range nodes {
		n.Role = n.role()
	}
	return measureErrant(ctx, nodes)
}

// measure reads one node's state, but for errant transactions.
func measure(ctx context.Context, s *cluster.Server) State {
	out := State{Time: time.Now()}
	note := func(err error) bool {
		if err != nil && ctx.Err() == nil {
			out.Unknown = append(out.Unknown, fault.Line(err.Error()))
		}
		return err == nil
	}
	v, err := s.Variables(ctx)
	if note(err) {
		out.variables(v)
	}
	out.Channels, err = s.Channels(ctx)
	note(err)
	out.Galera, err = s.GaleraNode(ctx)
	note(err)
	out.Position, err = s.Position(ctx)
	if out.LogBin || out.GTIDMode != "" { // else it has none to tell
		note(err)
	}
	if s.Facts().IsMariaDB() && out.LogBin {
		out.logged, err = s.LogState(ctx)
		out.told = note(err)
	}
	out.Sessions, err = s.Sessions(ctx)
	out.SessionsKnown = note(err)
	return out
}

func (s *State) variables(v map[string]string) {
	on := func(names ...string) bool {
		for _, n := range names {
			if x, ok := v[n]; ok {
				return !strings.EqualFold(x, "OFF") && x != "0" && x != "" // MariaDB 12 spells read_only's values out
			}
		}
		return false
	}
	s.ReadOnly, s.SuperReadOnly = on("read_only"), on("super_read_only")
	s.LogBin, s.LogsUpdates = on("log_bin"), on("log_bin") && on("log_replica_updates", "log_slave_updates")
	s.GTIDMode = strings.ToUpper(v["gtid_mode"])
	s.Steps.Increment, _ = strconv.ParseUint(v["auto_increment_increment"], 10, 64) // every server has both
	s.Steps.Offset, _ = strconv.ParseUint(v["auto_increment_offset"], 10, 64)
}

// measureErrant compares each node's transactions with those of the nodes above it. These are read once more, after the
// node's own: what it got from them, they have.
func measureErrant(ctx context.Context, nodes []*Node) error {
	again := map[*Node]State{}
	var above []*Node
	for _, n := range nodes {
		for _, a := range n.ancestors() {
			if _, ok := again[a]; !ok {
				again[a] = State{}
				above = append(above, a)
			}
		}
	}
	states := make([]State, len(above))
	if err := each(ctx, len(above), func(i int) {
		if !above[i].Reached() {
			return
		}
		s, st := above[i].Server, State{}
		var err error
		if s.Facts().IsMariaDB() {
			st.logged, err = s.LogState(ctx)
		} else {
			st.Position, err = s.Position(ctx)
		}
		if err == nil {
			st.Time = time.Now()
			states[i] = st
		}
	}); err != nil {
		return err
	}
	for i, a := range above {
		again[a] = states[i]
	}
	for _, n := range nodes {
		if n.Reached() {
			n.State.Errant = n.errant(again)
		}
	}
	return nil
}

// errant tells what of a node's transactions those above it lack.
func (n *Node) errant(later map[*Node]State) Errant {
	if n.Role == Writer {
		return Errant{Why: "it is a writer"}
	}
	above := n.kindred()
	if len(above) == 0 {
		return Errant{Why: "it replicates from no node that is known and shares its GTIDs"}
	}
	for _, a := range above {
		switch {
		case !a.Reached():
			return Errant{Why: a.Label + " could not be reached"}
		case later[a].Time.IsZero():
			return Errant{Why: a.Label + " did not say which transactions it has"}
		}
	}
	if n.Facts.IsMariaDB() {
		return n.errantMaria(above, later)
	}
	return n.errantMySQL(above, later)
}

// kindred are the nodes above one that number transactions as it does: between families they get new GTIDs.
func (n *Node) kindred() []*Node {
	var out []*Node
	queue := []*Node{n}
	for len(queue) > 0 {
		x := queue[0]
		queue = queue[1:]
		for _, s := range x.above() {
			if s != n && !slices.Contains(out, s) && (!s.Reached() || s.Facts.Flavor == n.Facts.Flavor) {
				out = append(out, s)
				queue = append(queue, s)
			}
		}
	}
	return out
}

func (n *Node) errantMySQL(above []*Node, later map[*Node]State) Errant {
	for _, x := range append([]*Node{n}, above...) {
		if x.State.GTIDMode != "ON" {
			return Errant{Why: x.Label + " writes transactions without GTIDs"}
		}
	}
	if n.State.Position.IsZero() {
		return Errant{Why: "it did not say which transactions it has"}
	}
	left := n.State.Position.MySQL
	for _, a := range above {
		left = left.Subtract(later[a].Position.MySQL)
	}
	return Errant{Known: true, Set: left.String()}
}

// errantMaria goes by the last transaction that a server's log holds of each server and domain: GTIDs of MariaDB are no
// sets.
func (n *Node) errantMaria(above []*Node, later map[*Node]State) Errant {
	switch {
	case !n.State.LogBin:
		return Errant{Why: "it keeps no binary log"}
	case !n.State.told:
		return Errant{Why: "it did not say which transactions it has"}
	}
	type writer struct{ domain, server uint32 }
	have := map[writer]uint64{}
	for _, a := range above {
		for _, g := range later[a].logged {
			w := writer{g.Domain, g.Server}
			have[w] = max(have[w], g.Seq)
		}
	}
	var left []string
	for _, g := range n.State.logged {
		if have[writer{g.Domain, g.Server}] < g.Seq {
			left = append(left, g.String())
		}
	}
	return Errant{Known: true, Set: strings.Join(left, ",")}
}
