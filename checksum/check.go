package checksum

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// checker is one run of a check.
type checker struct {
	opt      Options
	old, new *cluster.Server
	paceOld  *pace
	paceNew  *pace
	throttle throttle
	schedule *schedule
	settler  *settler
	confirm  *confirmer
	arrival  arrival
	folds    folding
	tables   []tablePair
	links    []*cluster.Link
	abort    context.CancelCauseFunc
	started  time.Time
	// uncompared says what the patterns name and nobody could see, which makes the run undecided.
	uncompared []string

	mu     sync.Mutex
	next   int // of tables
	result Result
}

// ErrNoTables reports that the filter and the accounts leave nothing to compare: that is never "the same".
var ErrNoTables = errors.New("no table to compare")

// Run compares the tables of old and new that opt.Filter selects and returns what was proven. When ctx ends early the
// result holds what is proven so far, marked as interrupted, and no error. An error means that the check could not be
// carried out: a server lost for too long, a privilege missing, the journal not writable.
func Run(ctx context.Context, old, new *cluster.Server, v Survey, opt Options) (Result, error) {
	opt.defaults()
	c := &checker{
		opt: opt, old: old, new: new, folds: foldingOf(old, new), started: opt.Started,
		paceOld: newPace(opt.MaxRows, opt.MaxBytes), paceNew: newPace(opt.MaxRows, opt.MaxBytes),
	}
	c.result.Started = c.started
	if err := c.prepare(ctx, v); err != nil {
		return c.result, err
	}
	err := c.compare(ctx)
	if err == nil {
		err = c.addLate(ctx)
	}
	if cause := context.Cause(ctx); ctx.Err() != nil {
		c.opt.Log.Info("interrupted", "cause", cause)
		c.result.Interrupted = true
		err = nil
	}
	return c.conclude(), err
}

// prepare lists what there is to compare and builds the fence.
func (c *checker) prepare(ctx context.Context, v Survey) error {
	c.result.Old, c.result.New = v.Old, v.New
	c.result.Relation = v.Relation.Mode.String()
	c.result.Notes = append(c.result.Notes, v.Relation.Notes...)
	if v.Relation.Mode == cluster.Independent {
		c.result.Notes = append(c.result.Notes, "the servers do not replicate from each other ("+v.Relation.Reason+
			"): a difference is what stays on both sides across a grace time")
	}
	var err error
	if c.tables, err = c.pairTables(ctx); err != nil {
		return err
	}
	c.links = []*cluster.Link{v.Relation.OldToNew, v.Relation.NewToOld}
	c.throttle.threads, c.throttle.lag = c.opt.MaxThreads, c.opt.MaxLag
	f := newFence(c.old, c.new, v.Relation, c.opt.FenceTimeout)
	c.settler = newSettler(c, f, c.newTail(ctx, v.Relation.Mode))
	return nil
}

// newTail returns the tail of the side that changes come from. With changes from both sides, or none between them, one
// side's log proves nothing of the other's row.
func (c *checker) newTail(ctx context.Context, m cluster.Mode) *tail {
	t := &tail{source: c.old, log: c.opt.Log}
	switch m {
	case cluster.OneWay:
	case cluster.Reverse:
		t.source, t.newIs = c.new, true
	default:
		return nil
	}
	f := t.source.Facts()
	if !f.LogBin {
		return nil
	}
	if !f.LogReplicaUpdates { // then what it replicates itself would not be in its log
		if channels, err := t.source.Channels(ctx); err != nil || len(channels) > 0 {
			return nil
		}
	}
	t.plans = windowTables(c.tables, t.newIs, planOptions{virtual: c.opt.Virtual})
	return t
}

// compare walks all tables with all workers and settles what differs.
func (c *checker) compare(ctx context.Context) error {
	ctx, c.abort = context.WithCancelCause(ctx)
	var throttled sync.WaitGroup
	throttled.Go(func() {
		defer fault.Guard()
		c.throttle.watch(ctx, []*cluster.Server{c.old, c.new}, c.links, c.opt.Observer.Notice)
	})
	defer throttled.Wait()
	defer c.abort(nil)
	c.schedule = newSchedule(c.begin)
	defer context.AfterFunc(ctx, c.schedule.close)()

	kept := c.keepKeys(ctx)
	c.confirm = newConfirmer(c)
	confirmed := make(chan error, 1)
	go func() {
		defer fault.Guard()
		confirmed <- c.confirm.run(ctx)
	}()
	settled := make(chan error, 1)
	go func() {
		defer fault.Guard()
		err := c.settler.run(ctx)
		if err != nil {
			c.abort(err) // what differs from now on would be settled by nobody
		}
		settled <- err
	}()
	workers, wctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(wctx, c.schedule.close)()
	for range c.opt.Workers {
		workers.Go(func() error {
			defer fault.Guard()
			return c.work(wctx)
		})
	}
	err := workers.Wait()
	if err != nil {
		c.abort(err)
	}
	for _, l := range c.schedule.rest() { // else their tables would never finish, and be missing from the result
		l.table.fail(errInterrupted)
		l.table.release()
	}
	c.settler.finish()
	if serr := <-settled; err == nil {
		err = serr
	}
	c.settler.abandon(ctx) // what was submitted when it had just ended
	c.confirm.finish()
	if cerr := <-confirmed; err == nil {
		err = cerr
	}
	if kerr := kept(); err == nil {
		err = kerr
	}
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	return err
}

// work walks lanes until there are none.
func (c *checker) work(ctx context.Context) error {
	w := c.newWorker()
	defer w.close()
	for {
		l, err := c.schedule.take(ctx)
		if l == nil {
			return err
		}
		if !l.table.ended() { // else its other lanes would wait for the same lock, one after the other
			err = w.walkAny(ctx, l)
		}
		if err != nil {
			err = l.table.failed(ctx, err)
		}
		c.schedule.done()
		l.table.release()
		if err != nil {
			return err
		}
	}
}

// walkAny compares a lane by its table's method.
func (w *worker) walkAny(ctx context.Context, l *lane) error {
	if l.table.plan.method == methodChunks {
		return w.walk(ctx, l)
	}
	return w.bucket(ctx, l.table)
}

// failed decides whether an error ends the table or, returned, the run. What one table's definition, data or lock
// causes ends the table.
func (t *tableRun) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		t.fail(errInterrupted)
		return err
	}
	t.fail(err)
	if endsRun(err) {
		return err
	}
	t.check.opt.Log.Warn("a table cannot be compared to its end", "table", t.plan.name, "err", err)
	return nil
}

// errInterrupted is why a table is undecided whose comparison the end of the run cut short.
var errInterrupted = errors.New("interrupted before the whole table was compared")

// endsRun reports whether an error, met while one table was read, ends the run: the server or the account is lost, or the
// run itself has ended. Every other one is the table's own.
func endsRun(err error) bool {
	return cluster.EndsRun(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// begin starts the next table: it returns the lanes that are to be walked.
func (c *checker) begin(ctx context.Context) ([]*lane, bool, error) {
	c.mu.Lock()
	if c.next >= len(c.tables) {
		c.mu.Unlock()
		return nil, false, nil
	}
	pair := c.tables[c.next]
	c.next++
	more := c.next < len(c.tables)
	c.mu.Unlock()

	if pair.verdict != nil {
		r, err := pair.verdict(ctx)
		if err != nil && ctx.Err() == nil && !endsRun(err) {
			r = TableResult{Table: pair.name, Method: string(methodNone), Reason: err.Error()}
			err = nil
		}
		if err == nil {
			c.opt.Observer.TableStarted(r.Table, 0, 0)
			if pair.old != nil && pair.new != nil {
				c.confirm.submit(unconfirmed{old: pair.old, new: pair.new, result: r})
			} else {
				c.tableDone(ctx, r)
			}
		}
		return nil, more, err
	}
	plan := newPlan(pair.old, pair.new, planOptions{virtual: c.opt.Virtual})
	plan.name, plan.shared = pair.name, pair.shared
	lanes, err := c.beginTable(ctx, plan)
	return lanes, more, err
}

// beginTable asks the journal what is proven of a table already and makes lanes of the rest.
func (c *checker) beginTable(ctx context.Context, plan *tablePlan) ([]*lane, error) {
	t := &tableRun{check: c, plan: plan, started: time.Now()}
	t.result = TableResult{Table: plan.name, Method: string(plan.method), Lossy: plan.lossy, Notes: plan.notes}
	proven, changed, err := c.opt.Journal.Begin(ctx, TableIdentity{Table: plan.name, Fingerprint: plan.fingerprint()})
	if err != nil {
		return nil, err
	}
	if changed != "" {
		t.result.Notes = append(t.result.Notes, changed)
		c.opt.Observer.Notice(plan.name + ": " + changed)
	}
	for _, p := range proven {
		t.cover.Add(p.Range)
		t.take(p.Counts, p.Differences)
	}
	t.result.Resumed = int64(len(proven))
	t.hold() // until the lanes are made
	defer t.release()
	if plan.none != "" {
		t.fail(errors.New(plan.none))
		return nil, nil
	}
	c.opt.Observer.TableStarted(plan.name, plan.old.table.EstRows, t.result.Counts.RowsOld)

	gaps := []chunker.Range{{}}
	if len(proven) > 0 {
		s := c.session(false)
		defer s.close()
		gaps, err = t.cover.Gaps(func(b []chunker.Bound) ([]chunker.Bound, error) { return s.sortBounds(ctx, plan, b) })
		if err != nil {
			return nil, t.failed(ctx, err)
		}
	}
	var lanes []*lane
	for _, g := range gaps {
		t.hold()
		lanes = append(lanes, &lane{table: t, rng: g})
	}
	return lanes, nil
}

// tableDone takes in a table's outcome.
func (c *checker) tableDone(ctx context.Context, r TableResult) {
	if err := c.opt.Journal.Finish(context.WithoutCancel(ctx), r); err != nil {
		c.abort(err)
	}
	c.mu.Lock()
	c.result.Tables = append(c.result.Tables, r)
	c.mu.Unlock()
	c.opt.Observer.TableDone(r)
}

// firstChunk notes when the first chunk was compared.
func (c *checker) firstChunk() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.result.FirstChunk == 0 {
		c.result.FirstChunk = time.Since(c.started)
	}
}

// session returns a session of one side that connects when it is first used.
func (c *checker) session(newSide bool) *session {
	s := &session{server: c.old, pace: c.paceOld, newSide: newSide, log: c.opt.Log, retry: c.opt.RetryFor}
	if newSide {
		s.server, s.pace = c.new, c.paceNew
	}
	return s
}

// conclude puts the whole together. Tables that were never begun make the run undecided.
func (c *checker) conclude() Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.result
	r.Elapsed = time.Since(c.started)
	for _, pair := range c.tables[min(c.next, len(c.tables)):] {
		r.Tables = append(r.Tables, TableResult{Table: pair.name, Method: string(methodNone), Reason: "not compared: the run ended before"})
	}
	slices.SortFunc(r.Tables, func(a, b TableResult) int { return strings.Compare(a.Table, b.Table) })
	r.Verdict = Same
	for _, t := range r.Tables {
		r.Verdict = r.Verdict.And(t.Verdict)
	}
	if len(r.Tables) != len(c.tables) || len(r.Tables) == 0 || r.Interrupted {
		r.Verdict = r.Verdict.And(Undecided)
	}
	if len(c.uncompared) > 0 {
		r.Verdict = r.Verdict.And(Undecided)
		r.Reason = strings.Join(c.uncompared, "; ")
	}
	if r.Interrupted {
		r.Reason = strings.Join(append([]string{"interrupted: what was proven until then is kept and can be resumed"}, c.uncompared...), "; ")
	}
	return *r
}
