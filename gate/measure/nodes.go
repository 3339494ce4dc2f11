package measure

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/topology"
	"crosscheck/gate"
	"crosscheck/internal/fault"
)

// clusterNodes measures the replicas that the plan names, and finds those that it does not name. One that does not answer is
// evidence itself.
func (m *measurement) clusterNodes(ctx context.Context) (gate.Content, error) {
	t, err := topology.Discover(ctx, Servers{Old: m.old, New: m.new, Converter: m.conv, Replicas: m.replicas}.Named(), topology.Options{})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	out := gate.Nodes{Nodes: []gate.ClusterNode{}, Unknown: slices.Concat(t.Old.Unknown, t.New.Unknown), Grants: slices.Concat(t.Old.Grants, t.New.Grants)}
	if out.OldVersion, out.NewVersion, err = m.versions(ctx); err != nil {
		return nil, err
	}
	for _, r := range m.replicas {
		n := gate.ClusterNode{Name: r.Name, Side: r.Side, Planned: true}
		err := r.Err
		if err == nil {
			err = m.replica(ctx, r, t, &n)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			n = gate.ClusterNode{Name: r.Name, Side: r.Side, Planned: true, UUID: n.UUID, Version: n.Version, Trouble: fault.Line(err.Error())}
		}
		out.Nodes = append(out.Nodes, n)
	}
	for _, x := range t.Nodes() {
		// A node that was found and does not answer may be the one that the plan names and that does not: that one tells.
		missing := slices.ContainsFunc(out.Nodes, func(n gate.ClusterNode) bool { return n.Planned && !n.Reachable && n.Side == string(x.Side) })
		if !x.Named && (x.Reached() || !missing) {
			n := gate.ClusterNode{Name: x.Addr, Side: string(x.Side), UUID: x.UUID(), Version: x.Facts.Version, Reachable: x.Reached(), Trouble: x.Found}
			out.Nodes = append(out.Nodes, n)
		}
	}
	return out, nil
}

// replica measures one node. An error says that it cannot be measured.
func (m *measurement) replica(ctx context.Context, r Replica, t *topology.Topology, n *gate.ClusterNode) error {
	s := r.Server
	n.UUID, n.Version = s.Facts().ServerUUID, s.Facts().Version
	if err := s.SameServer(ctx); err != nil {
		return err
	}
	h, err := m.sourceOf(ctx, r)
	if err != nil {
		return err
	}
	if h.link != nil {
		var l gate.Link
		if l, err = m.link(ctx, h); err != nil {
			return err
		}
		n.Link = &l
		if n.Errant, err = m.errant(ctx, h, t); err != nil {
			return err
		}
	}
	st := t.ByUUID(n.UUID).State
	n.ReadOnly = st.ReadOnly
	if !st.Position.IsZero() {
		n.Position = st.Position.String()
	}
	for _, c := range st.Channels {
		n.Delay = max(n.Delay, time.Duration(c.DelaySeconds)*time.Second)
		n.Filters = append(n.Filters, c.LeavesOut()...)
	}
	n.Reachable = len(st.Unknown) == 0
	n.Trouble = strings.Join(st.Unknown, "; ")
	if m.r.Plan.Rolling == nil {
		return nil
	}
	if n.Version, err = versionNow(ctx, s); err != nil {
		return err
	}
	n.Readers, n.ReadersSeen, err = m.readersOn(ctx, s)
	return err
}

// versions are those of old and new now, where a rolling upgrade goes through the nodes: a server may be upgraded under an open
// pool of connections, whose facts are of before.
func (m *measurement) versions(ctx context.Context) (old, fresh string, err error) {
	if m.r.Plan.Rolling == nil {
		return "", "", nil
	}
	if old, err = versionNow(ctx, m.old); err != nil {
		return "", "", err
	}
	fresh, err = versionNow(ctx, m.new)
	return old, fresh, err
}

func versionNow(ctx context.Context, s *cluster.Server) (string, error) {
	list, err := query(ctx, s.DB(), "SELECT VERSION() AS v")
	if err != nil || len(list) != 1 {
		return "", s.Explain("ask for the version", err)
	}
	return list[0]["v"], nil
}

// readersOn counts the application's sessions on a node, the most at once; who connects for each statement is waited for a moment.
func (m *measurement) readersOn(ctx context.Context, s *cluster.Server) (n int, seen bool, err error) {
	for begin := time.Now(); ; {
		list, err := sessionsOn(ctx, s)
		if err != nil || list == nil {
			return 0, false, err
		}
		for _, c := range list {
			if m.r.Plan.Application(c.User, c.Host) && !c.MayBeOwn {
				n++
			}
		}
		if n > 0 || time.Since(begin) >= liveWindow {
			return n, true, nil
		}
		if err := pause(ctx, lookEvery); err != nil {
			return 0, false, err
		}
	}
}

// sourceOf is the hop by which a replica gets its changes: from the node of its side that is its source, else from the writer
// over servers in between. Its link is nil where there is none.
func (m *measurement) sourceOf(ctx context.Context, r Replica) (hop, error) {
	sources := []node{{nodeOld, m.old}}
	if r.Side == nodeNew {
		sources = []node{{nodeNew, m.new}}
	}
	if m.r.Plan.Rolling != nil { // until the switch, old may feed all of them
		sources = []node{{nodeOld, m.old}, {nodeNew, m.new}}
	}
	for _, x := range m.replicas {
		if x.Side == r.Side && x.Server != nil && x.Server != r.Server {
			sources = append(sources, node{x.Name, x.Server})
		}
	}
	out := hop{from: sources[0], to: node{r.Name, r.Server}}
	for i, from := range sources {
		rel, err := cluster.Relate(ctx, from.server, r.Server)
		if err != nil {
			if i == 0 {
				return out, err
			}
			continue // another replica: it tells of itself
		}
		if l := rel.OldToNew; l != nil && (l.Direct() || i == 0) {
			if out = (hop{from: from, to: out.to, link: l}); l.Direct() {
				return out, nil
			}
		}
	}
	return out, nil
}

// isReplica tells whether a node is one of the plan's replicas.
func (m *measurement) isReplica(n node) bool {
	return slices.ContainsFunc(m.replicas, func(r Replica) bool { return r.Server == n.server })
}

// errantTimeout is how long a source may take to commit what its replica shows already.
const errantTimeout = 5 * time.Second

// errant are transactions of the end of a hop that no node above it has; "" also where nobody can tell, as without GTIDs. A
// transaction may reach a replica before its source shows it: so what looks errant is looked at again once the source has
// committed what it had logged.
func (m *measurement) errant(ctx context.Context, h hop, t *topology.Topology) (string, error) {
	uuid := h.to.server.Facts().ServerUUID
	if t.ByUUID(uuid).State.Errant.Set == "" {
		return "", nil
	}
	err := h.link.WaitCommitted(ctx, cluster.WaitOptions{Timeout: errantTimeout})
	var fence *cluster.FenceError
	if err != nil && !errors.As(err, &fence) {
		return "", err
	}
	if err := topology.Measure(ctx, t); err != nil {
		return "", err
	}
	return t.ByUUID(uuid).State.Errant.Set, nil
}
