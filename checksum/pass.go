package checksum

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"crosscheck/checksum/read"
	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// pass is one reading of the reference, with which all copies are compared. It has the schedule and the workers; whatever
// concerns one copy is its checker's.
type pass struct {
	opt      Options
	ref      *cluster.Server
	pace     *read.Pace
	throttle throttle // by the reference's load
	schedule *schedule
	copies   []*checker
	turns    []turn
	ctx      context.Context //nolint:containedctx // ends with the reference, or with the last copy
	abort    context.CancelCauseFunc
	catalog  catalog

	mu    sync.Mutex
	next  int     // of turns
	ended []error // why copies ended, in that order
}

// turn is a table of the reference or of a copy, with those copies that are to be compared in it.
type turn struct{ pairs []copyPair }

type copyPair struct {
	check *checker
	pair  *tablePair
}

// prepare lists what there is to compare with each copy.
func (p *pass) prepare(copies []Copy) error {
	errs := make([]error, len(copies))
	var g errgroup.Group
	for i, c := range p.copies {
		g.Go(func() error {
			defer fault.Guard()
			errs[i] = c.prepare(c.ctx, copies[i].Survey)
			return nil
		})
	}
	_ = g.Wait()
	for i, err := range errs {
		var filter *cluster.FilterError
		switch {
		case err == nil:
		case len(copies) == 1 || errors.As(err, &filter) || errors.Is(err, ErrNoTables) || p.ctx.Err() != nil:
			return err
		default:
			p.copies[i].abort(err)
		}
	}
	if err := p.lost(); err != nil {
		return err
	}
	p.turns = p.merge()
	return nil
}

// merge makes one list of the tables of all copies, in the order of the first one's.
func (p *pass) merge() []turn {
	var turns []turn
	at := map[string]int{}
	for _, c := range p.copies {
		for i := range c.tables {
			pair := &c.tables[i]
			k, ok := at[pair.name]
			if !ok {
				k, at[pair.name] = len(turns), len(turns)
				turns = append(turns, turn{})
			}
			turns[k].pairs = append(turns[k].pairs, copyPair{c, pair})
		}
	}
	return turns
}

// compare walks all tables with all workers and settles what differs.
func (p *pass) compare() error {
	ctx := p.ctx
	stop, cancel := context.WithCancel(ctx)
	var throttled sync.WaitGroup
	throttled.Go(func() {
		defer fault.Guard()
		p.throttle.watch(stop, []*cluster.Server{p.ref}, nil, p.opt.Observer.Notice)
	})
	defer throttled.Wait()
	defer cancel()
	p.schedule = newSchedule(p.begin)
	defer context.AfterFunc(ctx, p.schedule.close)()

	var finish []func()
	for _, c := range p.copies {
		finish = append(finish, c.start())
	}
	var workers sync.WaitGroup
	for range p.opt.Workers {
		workers.Go(func() {
			defer fault.Guard()
			p.work(ctx)
		})
	}
	workers.Wait()
	for _, l := range p.schedule.rest() { // else their tables would never finish, and be missing from the result
		for _, t := range l.tables {
			t.fail(errInterrupted)
		}
		l.release()
	}
	var finished sync.WaitGroup
	for _, f := range finish {
		finished.Go(func() {
			defer fault.Guard()
			f()
		})
	}
	finished.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// work walks lanes until there are none.
func (p *pass) work(ctx context.Context) {
	w := p.newWorker()
	defer w.close()
	for {
		l := p.schedule.take(ctx)
		if l == nil {
			return
		}
		w.walkAny(ctx, l)
		p.schedule.done()
		l.release()
	}
}

// begin starts the next table: it returns the lanes that are to be walked.
func (p *pass) begin(context.Context) (lanes []*lane, more bool) {
	p.mu.Lock()
	if p.next >= len(p.turns) {
		p.mu.Unlock()
		return nil, false
	}
	now := p.turns[p.next]
	p.next++
	more = p.next < len(p.turns)
	p.mu.Unlock()

	groups := newLaneGroups()
	for _, cp := range now.pairs {
		c := cp.check
		if c.ctx.Err() != nil {
			continue
		}
		cp.pair.begun = true
		if cp.pair.verdict != nil {
			c.judges.add(*cp.pair)
			continue
		}
		t, gaps, err := c.beginTable(c.ctx, *cp.pair)
		if err != nil {
			c.abort(err)
			continue
		}
		if len(gaps) == 0 {
			t.release()
			continue
		}
		groups.add(t, gaps)
	}
	for _, g := range groups.list {
		lanes = append(lanes, p.lanes(g)...)
		for _, t := range g.tables {
			t.release()
		}
	}
	return lanes, more
}

// failed is for errors of the reference's: they end the table for all copies, or the pass.
func (p *pass) failed(tables []*tableRun, err error) {
	ended := p.ctx.Err() != nil
	for _, t := range tables {
		if ended || t.check.ctx.Err() != nil {
			t.fail(errInterrupted)
			continue
		}
		t.fail(err)
	}
	switch {
	case ended:
	case read.EndsRun(err):
		p.abort(err)
	default:
		p.opt.Log.Warn("a table cannot be compared to its end", "table", tables[0].plan.Name, "err", err)
	}
}

// session returns a session of the reference.
func (p *pass) session() *read.Session {
	return read.NewSession(p.ref, false, p.pace, p.opt.RetryFor, p.opt.Log)
}
