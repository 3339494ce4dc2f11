package checksum

import (
	"context"
	"fmt"
	"sync"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

func (p *pass) newChecker(of Copy) *checker {
	c := &checker{
		pass: p, label: of.Label, twin: of.Twin, opt: p.opt, old: p.ref, new: of.Server, folds: plan.FoldingOf(p.ref, of.Server), started: p.opt.Started,
		paceOld: p.pace, paceNew: read.NewPace(p.opt.MaxRows, p.opt.MaxBytes),
	}
	c.opt.Journal, c.opt.Keys = of.Journal, of.Keys
	if len(p.copies) > 0 {
		c.opt.Observer = copyObserver{of.Label, p.opt.Observer}
	}
	c.result.Started = c.started
	var cancel context.CancelCauseFunc
	c.ctx, cancel = context.WithCancelCause(p.ctx)
	c.abort = func(err error) {
		if err != nil {
			p.copyEnded(c, err)
		}
		cancel(err)
	}
	return c
}

// copyObserver shows of a further copy what the first one's tables do not show.
type copyObserver struct {
	label string
	Observer
}

func (o copyObserver) TableStarted(string, int64, int64) {}

func (o copyObserver) Progress(string, int64, int64) {}

func (o copyObserver) Notice(text string) { o.Observer.Notice(o.label + ": " + text) }

// TableDone says what is not the same.
func (o copyObserver) TableDone(r TableResult) {
	if r.Verdict != Same {
		o.Notice(fmt.Sprintf("%s %s", r.Table, r.Verdict))
	}
}

// copyEnded notes why a copy is not compared any further; the last one ends the pass.
func (p *pass) copyEnded(c *checker, err error) {
	c.mu.Lock()
	first := c.cause == nil
	if first {
		c.cause = err
	}
	c.mu.Unlock()
	if !first {
		return
	}
	p.mu.Lock()
	p.ended = append(p.ended, err)
	all := len(p.ended) == len(p.copies)
	p.mu.Unlock()
	if all {
		p.abort(err)
	}
	if len(p.copies) > 1 && p.ctx.Err() == nil {
		p.opt.Log.Warn("a copy cannot be compared to its end; the others go on", "copy", c.label, "err", err)
	}
}

// ended returns why the copy is not compared any further, nil if it is.
func (c *checker) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// lost returns the first copy's error if all copies have ended.
func (p *pass) lost() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ended) == len(p.copies) {
		return p.ended[0]
	}
	return nil
}

// start begins what goes on beside the walking of one copy, and returns a function that waits until it is done.
func (c *checker) start() (finish func()) {
	ctx := c.ctx
	stop, cancel := context.WithCancel(ctx)
	c.away.ctx = stop
	var throttled sync.WaitGroup
	throttled.Go(func() {
		defer fault.Guard()
		c.throttle.watch(stop, []*cluster.Server{c.new}, c.links, c.opt.Observer.Notice)
	})
	kept := c.keepKeys(ctx)
	confirmed := make(chan error, 1)
	var settled, judged sync.WaitGroup
	if c.settler == nil { // it could not be prepared
		cancel()
		throttled.Wait()
		return func() { _ = kept() }
	}
	go func() {
		defer fault.Guard()
		confirmed <- c.confirm.run(ctx)
	}()
	settled.Go(func() {
		defer fault.Guard()
		if err := c.settler.Run(ctx); err != nil {
			c.abort(err) // what differs from now on would be settled by nobody
		}
	})
	judged.Go(func() {
		defer fault.Guard()
		if err := c.judges.run(func(pair tablePair) error { return c.judge(ctx, pair) }); err != nil {
			c.abort(err)
		}
	})
	return func() {
		c.judges.finish()
		judged.Wait()
		c.settler.Finish()
		settled.Wait()
		c.settler.Abandon(ctx) // what was submitted when it had just ended
		c.confirm.finish()
		if err := <-confirmed; err != nil {
			c.abort(err)
		}
		if err := kept(); err != nil {
			c.abort(err)
		}
		cancel()
		throttled.Wait()
		c.away.wait.Wait()
	}
}
