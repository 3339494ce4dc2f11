package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"crosscheck/cluster"
	"crosscheck/cluster/topology"
	"crosscheck/gate/plan"
	"crosscheck/internal/fault"
)

// autoReplicas stands for all nodes of a cluster that are found.
const autoReplicas = "auto"

// replicaFlags name the nodes of both clusters besides old and new.
type replicaFlags struct{ old, new []string }

func (r *replicaFlags) register(f *pflag.FlagSet) {
	const usage = "another node of %s's cluster, an address as --%s has it, or auto for all that are found; may be repeated"
	f.StringArrayVar(&r.old, "old-replica", nil, fmt.Sprintf(usage, "old", "old"))
	f.StringArrayVar(&r.new, "new-replica", nil, fmt.Sprintf(usage, "new", "new"))
}

// plannedReplicas are those that a plan names.
func plannedReplicas(p plan.Plan) replicaFlags {
	return replicaFlags{old: p.Old.Replicas, new: p.New.Replicas}
}

// of is a side's list without the word auto, and whether that was in it.
func (r *replicaFlags) of(side topology.Side) (dsns []string, auto bool) {
	list := r.old
	if side == topology.New {
		list = r.new
	}
	dsns = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == autoReplicas })
	return dsns, len(dsns) < len(list)
}

// nodes are both clusters, with the connections to all their nodes.
type nodes struct {
	*topology.Topology
	auto  map[topology.Side]bool // all that are found of the side are meant: see topology.Cluster.Others
	named []topology.Named
}

// open connects to the nodes that are named, and finds those that are not. One that cannot be reached is in the result, with
// the reason. extra are further named nodes, which their owner closes.
func (r *replicaFlags) open(ctx context.Context, g *globals, log *slog.Logger, old, new *cluster.Server, retry time.Duration, extra ...topology.Named) (*nodes, error) {
	n := &nodes{auto: map[topology.Side]bool{}}
	var configs []cluster.Config
	for _, side := range []struct {
		topology.Side
		server *cluster.Server
	}{{topology.Old, old}, {topology.New, new}} {
		dsns, auto := r.of(side.Side)
		n.auto[side.Side] = auto
		for i, dsn := range dsns {
			label := fmt.Sprintf("%s-%d", side.Side, i+1)
			config, err := g.replicaConfig(label, dsn, side.server)
			if err != nil {
				return nil, err
			}
			configs = append(configs, config)
			n.named = append(n.named, topology.Named{Side: side.Side, Label: label, Addr: config.Addr})
		}
	}
	if err := n.connect(ctx, configs, log, retry); err != nil {
		n.close()
		return nil, err
	}
	sides := []topology.Named{{Side: topology.Old, Label: "old", Server: old}, {Side: topology.New, Label: "new", Server: new}}
	var err error
	n.Topology, err = topology.Discover(ctx, slices.Concat(sides, n.named, extra), topology.Options{Log: log})
	if errors.Is(err, cluster.ErrSameServer) {
		err = usageError("%w", err)
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// replicaConfig reads the address of a further node. One without a password has its side's, if the user is the same.
func (g *globals) replicaConfig(label, dsn string, side *cluster.Server) (cluster.Config, error) {
	if dsn == "" {
		return cluster.Config{}, usageError("a replica of %s has no address: give user@tcp(host:port)/, @group, or %s", side.Label(), autoReplicas)
	}
	config, err := g.config(label, dsn)
	if err != nil {
		return config, err
	}
	return side.Lend(config), nil
}

// connect opens the named nodes, at the same time unless somebody may have to be asked for passwords. The error is the
// context's: a node that cannot be reached says so itself.
func (n *nodes) connect(ctx context.Context, configs []cluster.Config, log *slog.Logger, retry time.Duration) error {
	var group errgroup.Group
	group.SetLimit(8)
	if slices.ContainsFunc(configs, func(c cluster.Config) bool { return c.Prompt != nil && c.Password == "" }) {
		group.SetLimit(1)
	}
	for i, config := range configs {
		group.Go(func() error {
			defer fault.Guard()
			n.named[i].Server, n.named[i].Err = connect(ctx, config, log, retry)
			return nil
		})
	}
	_ = group.Wait() // none of them returns an error
	return ctx.Err()
}

// close ends all connections but those of old and new.
func (n *nodes) close() {
	if n.Topology != nil {
		n.Close()
	}
	for _, x := range n.named {
		if x.Server != nil {
			_ = x.Server.Close()
		}
	}
}
