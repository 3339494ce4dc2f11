package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/gate"
	"crosscheck/internal/fault"
)

// clusterNodes measures the replicas that the plan names. One that does not answer is evidence itself.
func (m *measurement) clusterNodes(ctx context.Context) (gate.Content, error) {
	out := gate.Nodes{Nodes: []gate.ClusterNode{}}
	for _, r := range m.replicas {
		n := gate.ClusterNode{Name: r.Name, Side: r.Side, Planned: true}
		err := r.Err
		if err == nil {
			err = m.replica(ctx, r, &n)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			n = gate.ClusterNode{Name: r.Name, Side: r.Side, Planned: true, UUID: n.UUID, Version: n.Version, Trouble: fault.Line(err.Error())}
		}
		out.Nodes = append(out.Nodes, n)
	}
	return out, nil
}

// replica measures one node. An error says that it cannot be measured.
func (m *measurement) replica(ctx context.Context, r Replica, n *gate.ClusterNode) error {
	s := r.Server
	n.UUID, n.Version = s.Facts().ServerUUID, s.Facts().Version
	if err := s.SameServer(ctx); err != nil {
		return err
	}
	switch n.UUID {
	case m.old.Facts().ServerUUID, m.new.Facts().ServerUUID:
		return fmt.Errorf("%s (%s) is the server that the plan names old or new: take it out of replicas", r.Name, r.DSN)
	}
	h, err := m.sourceOf(ctx, r)
	if err != nil {
		return err
	}
	if h.link != nil {
		l, err := m.link(ctx, h)
		if err != nil {
			return err
		}
		n.Link = &l
		if n.Delay, n.Filters, err = channelOptions(ctx, h); err != nil {
			return err
		}
		if n.Errant, n.ErrantUnseen, err = errant(ctx, h); err != nil {
			return err
		}
	}
	if p, known, err := position(ctx, s); err != nil {
		return err
	} else if known {
		n.Position = p.String()
	}
	got, err := variables(ctx, s, "read_only")
	n.ReadOnly, n.Reachable = isOn(got["read_only"]), err == nil
	return err
}

// sourceOf is the hop by which a replica gets its changes: from the node of its side that is its source, else from the writer
// over servers in between. Its link is nil where there is none.
func (m *measurement) sourceOf(ctx context.Context, r Replica) (hop, error) {
	sources := []node{{nodeOld, m.old}}
	if r.Side == nodeNew {
		sources = []node{{nodeNew, m.new}}
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

// channelOptions are the delay and the filters of all channels by which changes arrive at the end of a hop.
func channelOptions(ctx context.Context, h hop) (delay time.Duration, filters []string, err error) {
	list, err := h.to.server.Channels(ctx)
	for _, c := range list {
		delay = max(delay, time.Duration(c.DelaySeconds)*time.Second)
		filters = append(filters, c.Filters...)
		for _, x := range []struct {
			what string
			ids  []uint32
		}{{"IGNORE_SERVER_IDS", c.IgnoreServers}, {"DO_DOMAIN_IDS", c.DoDomains}, {"IGNORE_DOMAIN_IDS", c.IgnoreDomains}} {
			if len(x.ids) > 0 {
				filters = append(filters, x.what+"="+strings.Trim(fmt.Sprint(x.ids), "[]"))
			}
		}
	}
	return delay, filters, err
}

// errantTimeout is how long a source may take to commit what its replica shows already.
const errantTimeout = 5 * time.Second

// errant are transactions that the end of a hop has and its source has not. Without GTIDs nobody can tell: both texts are "".
// The source is asked last, and once more when it has committed what it had logged: a transaction reaches a replica before its
// source shows it.
func errant(ctx context.Context, h hop) (text, unseen string, err error) {
	mine, err := transactions(ctx, h.to.server)
	if err != nil {
		return errantFailed(err)
	}
	for try := 0; ; try++ {
		theirs, err := transactions(ctx, h.from.server)
		if err != nil {
			return errantFailed(err)
		}
		text = mine.without(theirs)
		if text == "" || try > 0 {
			return text, "", nil
		}
		err = h.link.WaitCommitted(ctx, cluster.WaitOptions{Timeout: errantTimeout})
		var fence *cluster.FenceError
		switch {
		case errors.As(err, &fence):
			return "", fault.Line(fence.Error()), nil
		case err != nil:
			return errantFailed(err)
		}
	}
}

// errantFailed tells what the account may not see from what went wrong.
func errantFailed(err error) (text, unseen string, _ error) {
	if cluster.IsPermission(err) {
		return "", fault.Line(err.Error()), nil
	}
	return "", "", err
}

// executed are the transactions of a server that have GTIDs: MySQL's set, or MariaDB's last numbers by domain and server.
type executed struct {
	set   gtid.Set
	state gtid.MariaState
}

func transactions(ctx context.Context, s *cluster.Server) (out executed, err error) {
	f := s.Facts()
	q := "SELECT @@global.gtid_executed AS x"
	switch {
	case f.IsMariaDB():
		q = "SELECT @@global.gtid_binlog_state AS x"
	case !f.AtLeast(5, 6, 5):
		return out, nil
	}
	list, err := query(ctx, s.DB(), q)
	if err != nil || len(list) == 0 {
		return out, s.Explain("read its transactions", err)
	}
	if f.IsMariaDB() {
		out.state, err = gtid.ParseMariaState(list[0]["x"])
		return out, s.Explain("read gtid_binlog_state", err)
	}
	out.set, err = gtid.ParseSet(list[0]["x"])
	return out, s.Explain("read gtid_executed", err)
}

// without names the transactions that another server lacks.
func (x executed) without(y executed) string {
	if left := x.set.Subtract(y.set); !left.IsEmpty() {
		return left.String()
	}
	var out []string
	for _, g := range x.state {
		i := slices.IndexFunc(y.state, func(o gtid.MariaGTID) bool { return o.Domain == g.Domain && o.Server == g.Server && o.Seq >= g.Seq })
		if i < 0 {
			out = append(out, "up to "+g.String())
		}
	}
	return strings.Join(out, ", ")
}
