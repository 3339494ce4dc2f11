package prove

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crosscheck/checksum/diff"
	"crosscheck/cluster"
)

// Fence proves that what one side had committed at a moment has arrived on the other.
type Fence interface {
	// Pass takes the positions, waits until they are applied, and returns nil. A *cluster.FenceError says that it was not
	// proven; other errors are those of reaching the servers. It may be called by several goroutines.
	Pass(ctx context.Context) error
	// Committed waits until each side shows itself what it has logged and the other may show: a row of the other side is
	// read before, this side's after it. Errors are those of Pass.
	Committed(ctx context.Context) error
	// Reversed tells that changes flow from new to old only: then new is the source.
	Reversed() bool
	// BothSides tells that either side may change on its own.
	BothSides() bool
	// Proof is what a difference found through this fence is proven by.
	Proof() diff.Proof
}

// NewFence builds the fence that the servers' relation allows.
func NewFence(old, new *cluster.Server, rel cluster.Relation, timeout time.Duration) Fence {
	if rel.Mode == cluster.Independent {
		return unreplicated{}
	}
	opt := cluster.WaitOptions{Timeout: timeout, FailFast: true} // whoever waits tries again
	return &replicated{mode: rel.Mode, old: old, new: new, toOld: rel.ToOld, toNew: rel.ToNew, opt: opt}
}

// replicated waits for replication: by the ways on which what each writer commits gets to old and to new.
//
// One-way and reverse there is one way, from the source to the replica. Of siblings, a replica is read before and after
// the other, and both are fed by one writer: then what was read first is covered by a position of the writer that is taken
// once the writer has committed whatever the first one shows, and the second reading of it is covered likewise against
// what the other has shown. So the three readings stand in the order of the writer's commits, as they do when the writer
// itself is read. With several writers nothing orders them, and both sides must be still.
type replicated struct {
	mode         cluster.Mode
	old, new     *cluster.Server
	toOld, toNew []cluster.Way
	opt          cluster.WaitOptions
}

func (f *replicated) Pass(ctx context.Context) error {
	if f.mode == cluster.Siblings {
		if err := f.up(ctx, f.toOld); err != nil {
			return err
		}
		return f.down(ctx, f.toNew)
	}
	if err := f.down(ctx, f.toNew); err != nil {
		return err
	}
	return f.down(ctx, f.toOld)
}

func (f *replicated) Committed(ctx context.Context) error {
	if err := f.up(ctx, f.toNew); err != nil {
		return err
	}
	if f.mode == cluster.Siblings {
		return f.down(ctx, f.toOld)
	}
	if err := f.up(ctx, f.toOld); err != nil || f.mode != cluster.TwoWay || !f.long() {
		return err
	}
	return f.Pass(ctx) // what a writer has committed by now is not yet where others stand between
}

// long tells whether a way leads over more than one link.
func (f *replicated) long() bool {
	for _, w := range append(append([]cluster.Way{}, f.toOld...), f.toNew...) {
		if len(w) > 1 {
			return true
		}
	}
	return false
}

// down waits until what the writers have committed has come to the ends of their ways.
func (f *replicated) down(ctx context.Context, ways []cluster.Way) error {
	for _, w := range ways {
		for _, l := range w {
			p, err := l.Source().Position(ctx)
			if err != nil {
				return f.third(ctx, l, fmt.Errorf("read the position of %s: %w", l.From(), err))
			}
			if err := l.Wait(ctx, p, f.opt); err != nil {
				return f.third(ctx, l, err)
			}
		}
	}
	return nil
}

// up waits until the servers on the ways, the writers last, show all that has come further down.
func (f *replicated) up(ctx context.Context, ways []cluster.Way) error {
	for _, w := range ways {
		for _, l := range slices.Backward(w) {
			if err := l.WaitCommitted(ctx, f.opt); err != nil {
				return f.third(ctx, l, err)
			}
		}
	}
	return nil
}

// third makes the loss of a server that is neither side's a fence that does not pass: it is not one that is compared.
func (f *replicated) third(ctx context.Context, l *cluster.Link, err error) error {
	own := func(s *cluster.Server) bool { return s == f.old || s == f.new }
	if ctx.Err() != nil || own(l.Source()) && own(l.Replica()) || !cluster.EndsRun(err) || fenceFailure(err) != "" {
		return err
	}
	return &cluster.FenceError{
		From: l.From(), To: l.To(), Cause: cluster.FenceUnreachable,
		Detail: "a server on the way between them does not answer: " + err.Error(),
	}
}

func (f *replicated) Reversed() bool    { return f.mode == cluster.Reverse }
func (f *replicated) BothSides() bool   { return f.mode == cluster.TwoWay }
func (f *replicated) Proof() diff.Proof { return diff.ProofRounds }

// unreplicated stands for servers that do not replicate from each other: nothing can be waited for, and a difference
// is what stays on both sides across the rounds' delays.
type unreplicated struct{}

func (unreplicated) Pass(context.Context) error      { return nil }
func (unreplicated) Committed(context.Context) error { return nil }
func (unreplicated) Reversed() bool                  { return false }
func (unreplicated) BothSides() bool                 { return true }
func (unreplicated) Proof() diff.Proof               { return diff.ProofGrace }

// Untold stands for a copy of which nothing tells what it has applied: its rows may be on their way.
type Untold struct {
	unreplicated
	From, To, Why string
}

func (u Untold) Pass(context.Context) error {
	return &cluster.FenceError{
		From: u.From, To: u.To, Cause: cluster.FenceIncomparable, Detail: u.Why,
		Hint: "set up its replication, or compare it as a side of its own: --new",
	}
}

// fenceFailure returns why a fence did not arrive, "" for other errors.
func fenceFailure(err error) string {
	var failed *cluster.FenceError
	if errors.As(err, &failed) {
		return failed.Error()
	}
	return ""
}
