package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"crosscheck/cluster"
	"crosscheck/cluster/topology"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// watched are the nodes besides old and new whose state a watch keeps an eye on: those that are named, and with auto all that
// are found when it begins. Each is connected to when it is looked at first, and again where it was gone.
func (r *replicaFlags) watched(ctx context.Context, g *globals, log *slog.Logger, old, new *cluster.Server) ([]watch.Replica, error) {
	var out []watch.Replica
	add := func(side topology.Side, label string, config cluster.Config) {
		w := watch.Replica{Label: label, Addr: config.Addr, Open: func(ctx context.Context) (*cluster.Server, error) { return cluster.Open(ctx, config, log) }}
		if side == topology.New {
			w.Side = conflict.New
		}
		out = append(out, w)
	}
	anyAuto := false
	for _, side := range []topology.Side{topology.Old, topology.New} {
		server := old
		if side == topology.New {
			server = new
		}
		dsns, auto := r.of(side)
		anyAuto = anyAuto || auto
		for i, dsn := range dsns {
			label := fmt.Sprintf("%s-%d", side, i+1)
			config, err := g.replicaConfig(label, dsn, server)
			if err != nil {
				return nil, err
			}
			add(side, label, config)
		}
	}
	if !anyAuto {
		return out, nil
	}
	found, err := r.open(ctx, g, log, old, new, connectFor)
	if err != nil {
		return nil, err
	}
	defer found.close()
	for _, side := range []topology.Side{topology.Old, topology.New} {
		for _, n := range found.Side(side).Others(found.auto[side]) {
			if !n.Named && n.Reached() {
				add(side, n.Label, n.Server.Config())
			}
		}
	}
	return out, nil
}

// members are the further servers of each side whose transactions count as the side's: those that were named as such, and the
// other nodes of its Galera cluster or replication group, since a node's log holds their transactions under their own server_ids. Those of one that
// does not answer now are not judged, which the watch tells.
func (o *watchFlags) members(ctx context.Context, old, new *cluster.Server, replicas []watch.Replica) [2][]string {
	out := [2][]string{slices.Clone(o.oldMembers), slices.Clone(o.newMembers)}
	for _, r := range replicas {
		own := [2]*cluster.Server{old, new}[r.Side].Facts()
		if !own.Galera && !own.GroupReplication {
			continue
		}
		s, err := r.Open(ctx)
		if err != nil {
			continue
		}
		if f := s.Facts(); f.Galera || f.GroupReplication {
			out[r.Side] = append(out[r.Side], strconv.FormatUint(uint64(f.ServerID), 10))
		}
		_ = s.Close()
	}
	return out
}
