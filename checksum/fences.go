package checksum

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crosscheck/cluster"
)

// fence proves that what one side had committed at a moment has arrived on the other.
type fence interface {
	// pass may be called by several goroutines. It takes the positions, waits until they are applied, and returns nil. A *cluster.FenceError says that it
	// was not proven; other errors are those of reaching the servers.
	pass(ctx context.Context) error
	// committed waits until each side shows itself what it has logged and the other may show: a row of the other side is
	// read before, this side's after it. Errors are those of pass.
	committed(ctx context.Context) error
	// reversed tells that changes flow from new to old only: then new is the source.
	reversed() bool
	// bothSides tells that either side may change on its own.
	bothSides() bool
	// proof is what a difference found through this fence is proven by.
	proof() Proof
}

// newFence builds the fence that the servers' relation allows.
func newFence(old, new *cluster.Server, rel cluster.Relation, timeout time.Duration) fence {
	opt := cluster.WaitOptions{Timeout: timeout, FailFast: true} // whoever waits tries again
	switch rel.Mode {
	case cluster.OneWay:
		return &replicated{hops: []hop{{old, rel.OldToNew}}, opt: opt}
	case cluster.Reverse:
		return &replicated{hops: []hop{{new, rel.NewToOld}}, opt: opt, back: true}
	case cluster.TwoWay:
		return &replicated{hops: []hop{{old, rel.OldToNew}, {new, rel.NewToOld}}, opt: opt}
	default:
		return unreplicated{}
	}
}

// hop is one direction of replication.
type hop struct {
	from *cluster.Server
	link *cluster.Link
}

// replicated waits for replication in one or both directions.
type replicated struct {
	hops []hop
	opt  cluster.WaitOptions
	back bool
}

func (f *replicated) pass(ctx context.Context) error {
	for _, h := range f.hops {
		p, err := h.from.Position(ctx)
		if err != nil {
			return fmt.Errorf("read the position of %s: %w", h.from.Label(), err)
		}
		if err := h.link.Wait(ctx, p, f.opt); err != nil {
			return err
		}
	}
	return nil
}

func (f *replicated) committed(ctx context.Context) error {
	for _, h := range f.hops {
		if err := h.link.WaitCommitted(ctx, f.opt); err != nil {
			return err
		}
	}
	return nil
}

func (f *replicated) reversed() bool  { return f.back }
func (f *replicated) bothSides() bool { return len(f.hops) == 2 }
func (f *replicated) proof() Proof    { return ProofRounds }

// unreplicated stands for servers that do not replicate from each other: nothing can be waited for, and a difference
// is what stays on both sides across the rounds' delays.
type unreplicated struct{}

func (unreplicated) pass(context.Context) error      { return nil }
func (unreplicated) committed(context.Context) error { return nil }
func (unreplicated) reversed() bool                  { return false }
func (unreplicated) bothSides() bool                 { return true }
func (unreplicated) proof() Proof                    { return ProofGrace }

// fenceFailure returns why a fence did not arrive, "" for other errors.
func fenceFailure(err error) string {
	var failed *cluster.FenceError
	if errors.As(err, &failed) {
		return failed.Error()
	}
	return ""
}
