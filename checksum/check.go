package checksum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/prove"
	"crosscheck/checksum/read"
	"crosscheck/chunker"
	"crosscheck/cluster"
)

// checker compares one copy with the reference: what is proven of it, and all that may make it wait or end, is its own.
// The reading of the reference it shares with the other copies of its pass.
type checker struct {
	pass     *pass
	label    string
	twin     bool // see Copy
	opt      Options
	old, new *cluster.Server // the reference and the copy
	paceOld  *read.Pace
	paceNew  *read.Pace
	throttle throttle
	fence    prove.Fence
	settler  *prove.Settler
	confirm  *confirmer
	judges   judges
	arrival  prove.Arrival
	folds    plan.Folding
	tables   []tablePair
	links    []*cluster.Link
	ctx      context.Context //nolint:containedctx // of this copy: it may end while the others go on
	abort    context.CancelCauseFunc
	started  time.Time
	away     away
	// uncompared says what the patterns name and nobody could see, which makes the run undecided.
	uncompared []string

	seesAll   bool        // both accounts are shown all tables
	outwaited atomic.Bool // it was waited for in vain, and is as busy as it was

	mu     sync.Mutex
	cause  error // why it is not compared any further
	result Result
}

// ErrNoTables reports that the filter and the accounts leave nothing to compare: that is never "the same".
var ErrNoTables = errors.New("no table to compare")

// prepare lists what there is to compare and builds the fence.
func (c *checker) prepare(ctx context.Context, v Survey) error {
	c.result.Old, c.result.New, c.result.Label = v.Old, v.New, c.label
	c.result.Relation = v.Relation.Mode.String()
	c.result.Notes = append(c.result.Notes, v.Relation.Notes...)
	if v.Relation.Mode == cluster.Independent && v.Untold == "" {
		c.result.Notes = append(c.result.Notes, "the servers do not replicate from each other ("+v.Relation.Reason+
			"): a difference is what stays on both sides across a grace time")
	}
	var err error
	if c.tables, err = c.pairTables(ctx); err != nil {
		return err
	}
	for _, w := range slices.Concat(v.Relation.ToNew, v.Relation.ToOld) {
		c.links = append(c.links, w...)
	}
	c.throttle.threads, c.throttle.lag = c.opt.MaxThreads, c.opt.MaxLag
	c.fence = prove.NewFence(c.old, c.new, v.Relation, c.opt.FenceTimeout)
	if v.Untold != "" {
		c.fence = prove.Untold{From: c.old.Label(), To: c.label, Why: v.Untold}
	}
	log := prove.NewTail(ctx, c.old, c.new, v.Relation.Mode, c.compared(), c.planOptions(), c.opt.Log)
	c.settler = prove.NewSettler(c.session(false), c.session(true), c.fence, log)
	c.confirm = newConfirmer(c)
	c.judges = newJudges()
	return nil
}

// compared are the pairs of tables whose rows are compared.
func (c *checker) compared() (pairs [][2]*cluster.Table) {
	for _, p := range c.tables {
		if p.verdict == nil {
			pairs = append(pairs, [2]*cluster.Table{p.old, p.new})
		}
	}
	return pairs
}

// failed decides whether an error ends the table or this copy. What one table's definition, data or lock causes ends
// the table.
func (t *tableRun) failed(err error) {
	c := t.check
	if c.ctx.Err() != nil {
		t.fail(errInterrupted)
		return
	}
	t.fail(err)
	if read.EndsRun(err) {
		c.abort(err)
		return
	}
	c.opt.Log.Warn("a table cannot be compared to its end", "table", t.plan.Name, "on", c.label, "err", err)
}

// errInterrupted is why a table is undecided whose comparison the end of the run cut short.
var errInterrupted = errors.New("interrupted before the whole table was compared")

// judge decides a table whose rows are not compared.
func (c *checker) judge(ctx context.Context, pair tablePair) error {
	r, err := pair.verdict(ctx)
	if err != nil && ctx.Err() == nil && !read.EndsRun(err) {
		r = TableResult{Table: pair.name, Method: string(plan.Definition), Reason: err.Error()}
		err = nil
	}
	if err != nil {
		return err
	}
	c.opt.Observer.TableStarted(r.Table, 0, 0)
	if pair.old != nil && pair.new != nil {
		c.confirm.submit(unconfirmed{old: pair.old, new: pair.new, result: r})
	} else {
		c.tableDone(ctx, r)
	}
	return nil
}

func (c *checker) planOptions() plan.Options {
	return plan.Options{Virtual: c.opt.Virtual, Twin: c.twin}
}

// beginTable asks the journal what is proven of a table already. It returns the table, held, with the ranges that are
// left; nil where there is nothing to walk.
func (c *checker) beginTable(ctx context.Context, pair tablePair) (t *tableRun, gaps []chunker.Range, err error) {
	p := plan.New(pair.old, pair.new, c.planOptions())
	p.Name, p.Shared = pair.name, pair.shared
	t = &tableRun{check: c, plan: p, started: time.Now()}
	t.result = TableResult{Table: p.Name, Method: string(p.Method), Lossy: p.Lossy, Notes: p.Notes}
	proven, changed, err := c.opt.Journal.Begin(ctx, TableIdentity{Table: p.Name, Fingerprint: p.Fingerprint()})
	if err != nil {
		return nil, nil, err
	}
	if changed != "" {
		t.result.Notes = append(t.result.Notes, changed)
		c.opt.Observer.Notice(p.Name + ": " + changed)
	}
	for _, chunk := range proven {
		t.cover.Add(chunk.Range)
		t.take(chunk.Counts, chunk.Differences)
	}
	t.result.Resumed = int64(len(proven))
	t.hold() // until the lanes are made
	if p.None != "" {
		t.fail(errors.New(p.None))
		return t, nil, nil
	}
	c.opt.Observer.TableStarted(p.Name, p.Old.Table.EstRows, t.result.Counts.RowsOld)

	gaps = []chunker.Range{{}}
	if len(proven) > 0 {
		s := c.session(false)
		defer s.Close()
		gaps, err = t.cover.Gaps(func(b []chunker.Bound) ([]chunker.Bound, error) { return s.SortBounds(ctx, p, b) })
		if err != nil {
			t.failed(err)
			return t, nil, nil
		}
	}
	return t, gaps, nil
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
func (c *checker) session(newSide bool) *read.Session {
	if newSide {
		return read.NewSession(c.new, true, c.paceNew, c.opt.RetryFor, c.opt.Log)
	}
	return read.NewSession(c.old, false, c.paceOld, c.opt.RetryFor, c.opt.Log)
}

// ready waits until neither the reference nor the copy is too busy. A copy that others do not wait for any more does so
// for no longer than for replication: its rows are undecided then.
func (c *checker) ready(ctx context.Context) error {
	if err := c.pass.throttle.ready(ctx); err != nil {
		return err
	}
	if len(c.pass.copies) == 1 {
		return c.throttle.ready(ctx)
	}
	patience := c.opt.FenceTimeout
	if c.outwaited.Load() {
		patience = throttleEvery
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := c.throttle.ready(limited)
	c.outwaited.Store(err != nil && ctx.Err() == nil)
	if err == nil || ctx.Err() != nil {
		return err
	}
	why := "the server is too busy"
	if reason := c.throttle.reason.Load(); reason != nil {
		why = *reason
	}
	return &pausedError{fmt.Sprintf("not compared: %s, for longer than %s", why, c.opt.FenceTimeout)}
}

// pausedError is why a copy was not walked that the user's limits kept from it.
type pausedError struct{ why string }

func (e *pausedError) Error() string { return e.why }

// conclude puts the whole together. Tables that were never begun make the run undecided. apart tells that the pass went on
// when this copy could not.
func (c *checker) conclude(apart bool) Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.result
	r.Elapsed = time.Since(c.started)
	for _, pair := range c.tables {
		if !pair.begun {
			r.Tables = append(r.Tables, TableResult{Table: pair.name, Method: string(plan.Definition), Reason: "not compared: the run ended before"})
		}
	}
	slices.SortFunc(r.Tables, func(a, b TableResult) int { return strings.Compare(a.Table, b.Table) })
	r.Verdict = Same
	for _, t := range r.Tables {
		r.Verdict = r.Verdict.And(t.Verdict)
	}
	if len(r.Tables) != len(c.tables) || len(r.Tables) == 0 || r.Interrupted || c.cause != nil {
		r.Verdict = r.Verdict.And(Undecided)
	}
	if len(c.uncompared) > 0 {
		r.Verdict = r.Verdict.And(Undecided)
		r.Reason = strings.Join(c.uncompared, "; ")
	}
	if r.Interrupted {
		r.Reason = strings.Join(append([]string{"interrupted: what was proven until then is kept and can be resumed"}, c.uncompared...), "; ")
	}
	if apart && c.cause != nil {
		r.Interrupted = true
		r.Reason = strings.Join(append([]string{c.cause.Error()}, c.uncompared...), "; ")
	}
	return *r
}
