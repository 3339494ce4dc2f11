package checksum

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// Copy is a node whose rows are compared with the reference's.
type Copy struct {
	Server  *cluster.Server
	Survey  Survey // of the reference and this copy
	Label   string // names it beside others
	Twin    bool   // of the reference's own cluster: its tables have no columns that the reference has not
	Journal Journal
	// Keys keeps what both sides say of generated keys when the check begins; nil: they are not asked.
	Keys func(ctx context.Context, old, new cluster.KeySpace) error
}

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

// Run compares the tables of old and new that opt.Filter selects and returns what was proven. When ctx ends early the
// result holds what is proven so far, marked as interrupted, and no error. An error means that the check could not be
// carried out: a server lost for too long, a privilege missing, the journal not writable.
func Run(ctx context.Context, old, new *cluster.Server, v Survey, opt Options) (Result, error) {
	list, err := RunCopies(ctx, old, []Copy{{Server: new, Survey: v, Label: new.Label(), Journal: opt.Journal, Keys: opt.Keys}}, opt)
	return list[0], err
}

// RunCopies is Run for several copies: the reference is read once, and each copy has a result of its own, in the order of
// copies. A copy that is lost, locked or late ends or delays nothing but its own comparison; its result is marked as
// interrupted then, with the reason. An error means that no copy could be compared to its end. Options.Journal and
// Options.Keys are not used.
func RunCopies(ctx context.Context, ref *cluster.Server, copies []Copy, opt Options) ([]Result, error) {
	opt.defaults()
	p := &pass{opt: opt, ref: ref, pace: read.NewPace(opt.MaxRows, opt.MaxBytes)}
	p.throttle.threads = opt.MaxThreads
	p.ctx, p.abort = context.WithCancelCause(ctx)
	defer p.abort(nil)
	for _, copied := range copies {
		p.copies = append(p.copies, p.newChecker(copied))
	}
	err := p.prepare(copies)
	if err == nil {
		err = p.compare()
	}
	for _, c := range p.copies {
		if err == nil && c.ended() == nil {
			if late := c.addLate(ctx); late != nil {
				c.abort(late)
			}
		}
	}
	if err == nil {
		err = p.lost()
	}
	if ctx.Err() != nil {
		opt.Log.Info("interrupted", "cause", context.Cause(ctx))
		err = nil
	}
	results := make([]Result, 0, len(p.copies))
	for _, c := range p.copies {
		c.result.Interrupted = ctx.Err() != nil
		results = append(results, c.conclude(err == nil && ctx.Err() == nil))
	}
	p.nowhere(results)
	return results, err
}

// nowhere adds to each copy's result the tables that only other copies have: the reference does not have them either.
// That holds only for accounts that are shown all tables.
func (p *pass) nowhere(results []Result) {
	seen := map[string]bool{}
	for _, r := range results {
		for _, t := range r.Tables {
			seen[strings.ToLower(t.Table)] = true
		}
	}
	for i := range results {
		r := &results[i]
		if r.Interrupted || len(r.Tables) == 0 {
			continue
		}
		left := maps.Clone(seen)
		for _, t := range r.Tables {
			delete(left, strings.ToLower(t.Table))
		}
		for j := range results {
			for _, t := range results[j].Tables {
				name := strings.ToLower(t.Table)
				if !left[name] {
					continue
				}
				delete(left, name)
				own := TableResult{Table: t.Table, Verdict: Same, Method: string(plan.Definition), Reason: reasonNowhere}
				if !p.copies[i].seesAll {
					own.Verdict, own.Reason = Undecided, reasonUnseen
					r.Verdict = r.Verdict.And(Undecided)
				}
				r.Tables = append(r.Tables, own)
			}
		}
		slices.SortFunc(r.Tables, func(a, b TableResult) int { return strings.Compare(a.Table, b.Table) })
	}
}

const (
	reasonNowhere = "neither the reference nor this copy has it; another copy does"
	reasonUnseen  = "another copy has it; the accounts on the reference and on this copy are not shown all tables"
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
func (o copyObserver) Progress(string, int64, int64)     {}
func (o copyObserver) Notice(text string)                { o.Observer.Notice(o.label + ": " + text) }

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
		if err := c.settler.run(ctx); err != nil {
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
		c.settler.finish()
		settled.Wait()
		c.settler.abandon(ctx) // what was submitted when it had just ended
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

// catalog keeps the reference's definitions, which are read once for all copies.
type catalog struct {
	mu   sync.Mutex
	read map[bool]map[cluster.TableName]*cluster.Table // by whether the patterns were widened
}

// tables returns the reference's tables that a filter names.
func (l *catalog) tables(ctx context.Context, s *cluster.Server, f cluster.Filter, wide bool) (map[cluster.TableName]*cluster.Table, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.read[wide]; have != nil {
		return have, nil
	}
	have, err := loadByName(ctx, s, f)
	if err == nil {
		if l.read == nil {
			l.read = map[bool]map[cluster.TableName]*cluster.Table{}
		}
		l.read[wide] = have
	}
	return have, err
}
