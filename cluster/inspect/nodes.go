package inspect

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// NodeServer is a node of one of the two clusters besides old and new.
type NodeServer struct {
	Label, Cluster string // "new-1" of "new"
	Addr           string
	Server         *cluster.Server // nil: it was not reached
	Err            error           // why
}

// Node is what was found on one. Of its Side the words and functions of the
// version are not asked for.
type Node struct {
	Side
	Cluster string // "old" or "new"
	// Lost says in a line why it was not seen, or not to the end; "" where it was.
	Lost string
}

// nodesAtOnce are nodes that are read at the same time.
const nodesAtOnce = 8

// nodeReader reads one node. Whatever happens to it ends nothing else.
type nodeReader struct {
	*reader
	node    *Node
	primary *reader
}

// nodeReaders begins with the nodes of a collection; pair.Nodes holds them all.
func nodeReaders(opt Options, pair *Pair, oldSide, newSide *reader) []*nodeReader {
	pair.Nodes = make([]Node, len(opt.Nodes))
	var out []*nodeReader
	for i, n := range opt.Nodes {
		node := &pair.Nodes[i]
		node.Label, node.Cluster, node.Addr = n.Label, n.Cluster, n.Addr
		if n.Server == nil {
			node.Lost = "it was not reached"
			if n.Err != nil {
				node.Lost = fault.Line(n.Err.Error())
			}
			continue
		}
		primary := oldSide
		if n.Cluster == newSide.side.Label {
			primary = newSide
		}
		r := &reader{Server: n.Server, side: &node.Side, filter: folded(opt.Filter, n.Server), log: opt.Log, nonce: primary.nonce, without: opt.Without}
		out = append(out, &nodeReader{reader: r, node: node, primary: primary})
	}
	return out
}

// readNodes reads a part of all nodes. The error is the context's.
func readNodes(ctx context.Context, nodes []*nodeReader, read func(*nodeReader, context.Context) error) error {
	var g errgroup.Group
	g.SetLimit(nodesAtOnce)
	for _, n := range nodes {
		if n.node.Lost != "" {
			continue
		}
		g.Go(func() error {
			defer fault.Guard()
			if err := read(n, ctx); err != nil && ctx.Err() == nil {
				n.node.Lost = fault.Line(err.Error())
			}
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
	return ctx.Err()
}

// begin reads what the rest depends on, and gives replication the time to bring
// over what the primary had when we came.
func (n *nodeReader) begin(ctx context.Context) error {
	label := n.side.Label
	if err := n.readFirst(ctx); err != nil {
		return err
	}
	n.side.Label, n.side.Addr = label, n.Config().Addr // one that was found has the label of the node that led to it
	if n.lacks(cluster.PrivReplicaMonitor) || n.lacks(cluster.PrivReplicationClient) {
		return nil // it does not show how it replicates
	}
	if err := n.connected(ctx); err != nil {
		return err
	}
	rel, err := cluster.Relate(ctx, n.primary.Server, n.Server)
	switch {
	case err != nil:
		n.log.Debug("schemas are compared without waiting for replication", "node", label, "error", err)
	case rel.OldToNew != nil:
		n.primary.settle(ctx, rel.OldToNew)
	}
	return nil
}

// connected waits for receivers that were started a moment ago and have met no
// error yet.
func (n *nodeReader) connected(ctx context.Context) error {
	const tries, pause = 100, 100 * time.Millisecond
	for range tries {
		channels, err := n.Channels(ctx)
		if err != nil {
			if cluster.IsTransient(err) || cluster.IsServerChanged(err) {
				return err
			}
			return nil // what reads the channels says so
		}
		if !slices.ContainsFunc(channels, func(c cluster.ReplicaChannel) bool { return c.IOConnecting && c.IOErrno == 0 }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return nil
}
