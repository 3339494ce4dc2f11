package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/topology"
	"crosscheck/gate/plan"
	"crosscheck/internal/fault"
)

// planNodes finds the other nodes of both clusters for a plan, and the accounts of the application by the sessions on all.
func planNodes(ctx context.Context, g *globals, o *planInitFlags, old, new *cluster.Server, facts *plan.Facts) error {
	found, err := o.replicas.open(ctx, g, g.logger(g.std.err), old, new, connectFor)
	if err != nil {
		return err
	}
	defer found.close()
	given := map[string]string{}
	for _, side := range []topology.Side{topology.Old, topology.New} {
		dsns, _ := o.replicas.of(side)
		for i, dsn := range dsns {
			given[fmt.Sprintf("%s-%d", side, i+1)] = dsn
		}
	}
	facts.Old.Replicas = planReplicas(found.Side(topology.Old), given, facts.Converter)
	facts.New.Replicas = planReplicas(found.Side(topology.New), given, facts.Converter)
	for _, c := range []*topology.Cluster{&found.Old, &found.New} {
		facts.Missing = append(facts.Missing, c.Unknown...)
	}
	servers := []*cluster.Server{}
	for _, n := range found.Nodes() {
		if n.Reached() {
			servers = append(servers, n.Server)
		}
	}
	if facts.Accounts, err = applicationAccounts(ctx, servers); err != nil {
		facts.Missing = append(facts.Missing, "the accounts of the application: "+fault.Line(err.Error()))
	}
	return nil
}

// planReplicas are the nodes of a cluster besides the side itself, as a plan has them.
func planReplicas(c *topology.Cluster, given map[string]string, converter *plan.NodeFacts) []plan.ReplicaFacts {
	var out []plan.ReplicaFacts
	for _, n := range c.Others(true) {
		if converter != nil && n.UUID() == converter.ServerUUID {
			continue
		}
		r := plan.ReplicaFacts{DSN: given[n.Label], About: n.Found}
		switch {
		case !n.Reached():
			r.About = fmt.Sprintf("%s, %s: %s", n.Addr, n.Found, n.Why())
		case r.DSN == "":
			r.About = fmt.Sprintf("%s, %s", n.Found, product(n.Facts))
			r.DSN = addressOf(n.Server)
			if r.DSN == "" {
				r.About = fmt.Sprintf("%s, %s: an address cannot hold the user's name; give it a group of the option file", n.Addr, n.Found)
			}
		default:
			r.About = product(n.Facts)
		}
		out = append(out, r)
	}
	return out
}

// addressOf is a server's address without the password, which its side lends; "" where the user's name has no place in one.
func addressOf(s *cluster.Server) string {
	c := s.Config()
	if strings.ContainsAny(c.User, "@ \t") {
		return ""
	}
	return fmt.Sprintf("%s@%s(%s)/", c.User, c.Net, c.Addr)
}

// applicationAccounts are the accounts of live sessions, as patterns of a plan; without our own and replication's.
func applicationAccounts(ctx context.Context, servers []*cluster.Server) ([]string, error) {
	var out []string
	for _, s := range servers {
		sessions, err := s.Sessions(ctx)
		if err != nil {
			return out, err
		}
		for _, x := range sessions {
			own := x.MayBeOwn || x.User == s.Config().User
			if name := x.User + "@%"; !own && x.User != "" && !x.FetchesLog() && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
