package topology

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// settleReaders makes nodes of connections that fetch a binary log and that no known node has, where a server does not
// list its replicas.
func (d *discovery) settleReaders(ctx context.Context) {
	for _, n := range slices.Clone(d.nodes) {
		a := d.asked[n]
		if a == nil || a.replicaErr == nil {
			continue
		}
		if a.readersErr != nil || !cluster.IsPermission(a.replicaErr) {
			d.unknown[n] = append(d.unknown[n], "which servers replicate from it is not known: "+fault.Line(a.replicaErr.Error()))
			continue
		}
		left := map[string]int{}
		var hosts []string
		for _, x := range a.readers {
			if !x.MayBeOwn { // a tail of another crosscheck, where the server does not know programs
				left[n.seen(x.Host)]++
				hosts = appendNew(hosts, n.seen(x.Host))
			}
		}
		for _, r := range d.nodes {
			if r.Reached() && slices.Contains(r.Sources, n) && d.fetches(r, n) {
				if i := slices.IndexFunc(hosts, func(h string) bool { return left[h] > 0 && sameHost(ctx, h, r) }); i >= 0 {
					left[hosts[i]]--
				}
			}
		}
		for _, h := range hosts {
			for range left[h] {
				d.unnamed(n, h, a.replicaErr)
			}
		}
	}
}

// fetches tells whether a replica's receiver is connected to a source.
func (d *discovery) fetches(r, source *Node) bool {
	return slices.ContainsFunc(d.asked[r].channels, func(c cluster.ReplicaChannel) bool { return c.IORunning && leadsTo(c, source.Facts) })
}

// unnamed adds a node of which only the host is known.
func (d *discovery) unnamed(source *Node, host string, why error) {
	text := "its port is not known"
	var p *cluster.PrivilegeError
	if errors.As(why, &p) {
		text += fmt.Sprintf("; name it by a flag or in the plan, or let the account list the replicas: %s", p.Grant)
	}
	n := &Node{Addr: host, Err: errors.New(text)}
	d.nodes = append(d.nodes, n)
	d.relate(n, claim{via: source, peer: cluster.Peer{Kin: cluster.KinReplica}})
}

// sameHost tells whether a host is the one that a node is reached at, or calls itself.
func sameHost(ctx context.Context, host string, n *Node) bool {
	at := n.dialHost()
	if host == at || host == n.Facts.Hostname || (cluster.IsLoopback(host) && cluster.IsLoopback(at)) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	a, errA := net.DefaultResolver.LookupHost(ctx, host)
	b, errB := net.DefaultResolver.LookupHost(ctx, at)
	return errA == nil && errB == nil && slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// place gives every node its side, label and the words of how it was found.
func (d *discovery) place() *Topology {
	d.sides()
	t := &Topology{Old: Cluster{Side: Old}, New: Cluster{Side: New}}
	for _, n := range d.nodes {
		c := t.Side(n.Side)
		c.Nodes = append(c.Nodes, n)
	}
	for _, c := range []*Cluster{&t.Old, &t.New} {
		slices.SortStableFunc(c.Nodes, inOrder)
		c.label()
	}
	for _, n := range d.nodes {
		if n.opened {
			n.Server.Rename(n.Label, d.opt.Log)
		}
		if f, ok := d.found[n]; ok && !n.Named {
			n.Found = describe(f.kin, f.via.Label)
		} else {
			n.Found = "named"
		}
		c := t.Side(n.Side)
		var p *cluster.PrivilegeError
		if a := d.asked[n]; a != nil && len(d.unknown[n]) > 0 && errors.As(errors.Join(errors.Join(a.errs...), a.replicaErr), &p) {
			if n.Label == string(n.Side) {
				c.Grants = append(c.Grants, "on "+n.Label+": "+p.Grant)
			} else { // logged, it would be a transaction of the replica's own
				c.Grants = append(c.Grants, "on "+n.Label+": SET sql_log_bin = 0", p.Grant, "SET sql_log_bin = 1")
			}
		}
		for _, text := range d.unknown[n] {
			c.Unknown = append(c.Unknown, n.Label+": "+strings.TrimPrefix(strings.TrimPrefix(text, n.Label+" "), "("+n.Addr+"): "))
		}
	}
	return t
}

// inOrder sorts named nodes first, as they were named; then those that were found, by their server ids: servers list their
// replicas in any order, and a node is to have one label in every run.
func inOrder(a, b *Node) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 || a.Named {
		return c
	}
	return cmp.Or(cmp.Compare(a.Facts.ServerID, b.Facts.ServerID), strings.Compare(a.Addr, b.Addr))
}

// rank is lower for named nodes, and for those that answer.
func rank(n *Node) int {
	switch {
	case n.Named:
		return 0
	case n.Reached():
		return 1
	default:
		return 2
	}
}

// sides tells which cluster each node is of. Named nodes are what they were named as. What replicates from a node, or is of
// one group with it, is of its side, by the nearest named node above. What is only above is of the side that it feeds,
// old's if it feeds both: new replicates from old, so old's source feeds both.
func (d *discovery) sides() {
	var queue []*Node
	for _, n := range d.nodes {
		if n.Side != "" {
			queue = append(queue, n)
		}
	}
	d.spread(d.withMembers(queue))
	for {
		var above []*Node
		for _, side := range []Side{Old, New} {
			for _, n := range d.nodes {
				if n.Side == side {
					for _, s := range n.Sources {
						if s.Side == "" {
							s.Side = side
							above = append(above, s)
						}
					}
				}
			}
			if len(above) > 0 {
				break
			}
		}
		if len(above) == 0 {
			return
		}
		d.spread(d.withMembers(above))
	}
}

// withMembers adds the other members of the nodes' groups: they are of the side of the first of theirs that has one, whatever
// they replicate from.
func (d *discovery) withMembers(list []*Node) []*Node {
	for i := 0; i < len(list); i++ {
		for _, x := range d.nodes {
			if x.Side == "" && (slices.Contains(d.members, [2]*Node{list[i], x}) || slices.Contains(d.members, [2]*Node{x, list[i]})) {
				x.Side = list[i].Side
				list = append(list, x)
			}
		}
	}
	return list
}

// spread gives nodes below those of the queue, and beside them, their side: the nearest decides.
func (d *discovery) spread(queue []*Node) {
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, x := range d.nodes {
			if x.Side == "" && slices.Contains(x.Sources, n) {
				x.Side = n.Side
				queue = append(queue, d.withMembers([]*Node{x})...)
			}
		}
	}
}

// role is a node's part in its cluster.
func (n *Node) role() Role {
	switch n.group {
	case groupSecondary:
		return Member
	case groupPrimary:
		return Writer
	}
	readOnly := n.Facts.ReadOnly
	if !n.State.Time.IsZero() {
		readOnly = n.State.ReadOnly
	}
	inside := slices.DeleteFunc(slices.Clone(n.Sources), func(s *Node) bool { return s.Side != n.Side })
	switch {
	case (n.Facts.Galera || n.Facts.GroupReplication) && readOnly: // of a group, too, if it is out of it for now
		return Member
	case n.State.Galera.Cluster != "" && !n.State.Galera.Writes: // outside of the majority
		return Member
	case len(inside) == 0:
		return Writer
	case n.Reached() && !readOnly && !slices.ContainsFunc(inside, func(s *Node) bool { return !s.Below(n) }):
		return Writer // two primaries that replicate from each other
	}
	return Replica
}

// Below tells whether a node gets another's changes, directly or through others.
func (n *Node) Below(top *Node) bool { return slices.Contains(n.ancestors(), top) }

// above are the nodes whose changes get to a node: its sources, and the primary of its group.
func (n *Node) above() []*Node {
	out := slices.Clone(n.Sources)
	for _, x := range n.members {
		if n.group == groupSecondary && x.group == groupPrimary && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// ancestors are all nodes whose changes may reach a node, of both sides.
func (n *Node) ancestors() []*Node {
	var out []*Node
	queue := n.above()
	for len(queue) > 0 {
		x := queue[0]
		queue = queue[1:]
		if !slices.Contains(out, x) {
			out = append(out, x)
			queue = append(queue, x.above()...)
		}
	}
	return out
}
