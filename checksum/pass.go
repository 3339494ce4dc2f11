package checksum

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/chunker"
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
	pace     *pace
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
	p := &pass{opt: opt, ref: ref, pace: newPace(opt.MaxRows, opt.MaxBytes)}
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
	nowhere(results)
	return results, err
}

// nowhere adds to each copy's result the tables that only other copies have: the reference does not have them either.
func nowhere(results []Result) {
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
				if name := strings.ToLower(t.Table); left[name] {
					delete(left, name)
					r.Tables = append(r.Tables, TableResult{Table: t.Table, Verdict: Same, Method: string(methodNone), Reason: reasonNowhere})
				}
			}
		}
		slices.SortFunc(r.Tables, func(a, b TableResult) int { return strings.Compare(a.Table, b.Table) })
	}
}

const reasonNowhere = "neither the reference nor this copy has it; another copy does"

func (p *pass) newChecker(of Copy) *checker {
	c := &checker{
		pass: p, label: of.Label, twin: of.Twin, opt: p.opt, old: p.ref, new: of.Server, folds: foldingOf(p.ref, of.Server), started: p.opt.Started,
		paceOld: p.pace, paceNew: newPace(p.opt.MaxRows, p.opt.MaxBytes),
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
	settled := make(chan error, 1)
	judged := make(chan error, 1)
	if c.settler == nil { // it could not be prepared
		cancel()
		throttled.Wait()
		return func() { _ = kept() }
	}
	go func() {
		defer fault.Guard()
		confirmed <- c.confirm.run(ctx)
	}()
	go func() {
		defer fault.Guard()
		err := c.settler.run(ctx)
		if err != nil {
			c.abort(err) // what differs from now on would be settled by nobody
		}
		settled <- err
	}()
	go func() {
		defer fault.Guard()
		err := c.judges.run(func(pair tablePair) error { return c.judge(ctx, pair) })
		if err != nil {
			c.abort(err)
		}
		judged <- err
	}()
	return func() {
		c.judges.finish()
		<-judged
		c.settler.finish()
		<-settled
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

// laneGroup are copies of one table that share the reading of the reference, each with the ranges that it still needs.
type laneGroup struct {
	tables []*tableRun
	gaps   [][]chunker.Range
}

// laneGroups puts those together for which the reference is asked the same.
type laneGroups struct {
	list []*laneGroup
	by   map[string]*laneGroup
}

func newLaneGroups() *laneGroups { return &laneGroups{by: map[string]*laneGroup{}} }

func (g *laneGroups) add(t *tableRun, gaps []chunker.Range) {
	group := g.by[t.plan.reading()]
	if group == nil || t.plan.method != methodChunks {
		group = &laneGroup{}
		g.list = append(g.list, group)
		if t.plan.method == methodChunks {
			g.by[t.plan.reading()] = group
		}
	}
	group.tables, group.gaps = append(group.tables, t), append(group.gaps, gaps)
}

// reading says what decides how the reference is read: copies with the same one can share it.
func (p *tablePlan) reading() string {
	text := fmt.Sprintf("%s|%s|%d|%v", p.method, p.old.rangeText(), p.nKey, p.json)
	for _, c := range p.columns[:p.nKey] {
		text += fmt.Sprintf("|%v %v", c.proj.bytes, c.proj.folded)
	}
	return text
}

// lanes cuts a group's ranges into lanes, each for those copies that need the whole of it.
func (p *pass) lanes(g *laneGroup) []*lane {
	bounds, alike := g.bounds()
	if alike {
		var lanes []*lane
		for _, r := range g.gaps[0] {
			lanes = append(lanes, newLane(g.tables, r))
		}
		return lanes
	}
	s := p.session()
	defer s.close()
	sorted, err := s.sortBounds(p.ctx, g.tables[0].plan, bounds)
	if err != nil {
		p.failed(g.tables, err)
		return nil
	}
	return g.sweep(sorted)
}

// bounds are all bounds of the group's ranges; alike tells that all copies need the same ranges.
func (g *laneGroup) bounds() (bounds []chunker.Bound, alike bool) {
	alike = true
	seen := map[string]bool{}
	for _, gaps := range g.gaps {
		alike = alike && slices.EqualFunc(gaps, g.gaps[0], func(a, b chunker.Range) bool {
			return string(a.Lo.Encode()) == string(b.Lo.Encode()) && string(a.Hi.Encode()) == string(b.Hi.Encode())
		})
		for _, r := range gaps {
			for _, b := range []chunker.Bound{r.Lo, r.Hi} {
				if b != nil && !seen[string(b.Encode())] {
					seen[string(b.Encode())] = true
					bounds = append(bounds, b)
				}
			}
		}
	}
	return bounds, alike
}

// sweep goes over the sorted bounds and makes a lane wherever the set of copies that need a range changes.
func (g *laneGroup) sweep(sorted []chunker.Bound) []*lane {
	place := map[string]int{}
	for i, b := range sorted {
		place[string(b.Encode())] = i + 1
	}
	// Interval i lies between bounds i-1 and i of sorted; the first begins and the last ends nowhere.
	needs := make([][]bool, len(sorted)+1)
	for i := range needs {
		needs[i] = make([]bool, len(g.tables))
	}
	for k, gaps := range g.gaps {
		for _, r := range gaps {
			from, to := 0, len(sorted)
			if r.Lo != nil {
				from = place[string(r.Lo.Encode())]
			}
			if r.Hi != nil {
				to = place[string(r.Hi.Encode())] - 1
			}
			for i := from; i <= to; i++ {
				needs[i][k] = true
			}
		}
	}
	var lanes []*lane
	for i := 0; i < len(needs); {
		end := i + 1
		for end < len(needs) && slices.Equal(needs[end], needs[i]) {
			end++
		}
		var r chunker.Range
		if i > 0 {
			r.Lo = sorted[i-1]
		}
		if end < len(needs) {
			r.Hi = sorted[end-1]
		}
		var who []*tableRun
		for k, need := range needs[i] {
			if need {
				who = append(who, g.tables[k])
			}
		}
		if len(who) > 0 {
			lanes = append(lanes, newLane(who, r))
		}
		i = end
	}
	return lanes
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
	case endsRun(err):
		p.abort(err)
	default:
		p.opt.Log.Warn("a table cannot be compared to its end", "table", tables[0].plan.name, "err", err)
	}
}

// session returns a session of the reference.
func (p *pass) session() *session {
	return &session{server: p.ref, pace: p.pace, log: p.opt.Log, retry: p.opt.RetryFor}
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

// judges are the tables of a copy whose rows are not compared, judged one after the other beside the walking.
type judges struct {
	wake   chan struct{}
	closed chan struct{}
	mu     *sync.Mutex
	queue  *[]tablePair
}

func newJudges() judges {
	return judges{wake: make(chan struct{}, 1), closed: make(chan struct{}), mu: new(sync.Mutex), queue: new([]tablePair)}
}

func (j judges) add(pair tablePair) {
	j.mu.Lock()
	*j.queue = append(*j.queue, pair)
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j judges) finish() { close(j.closed) }

// run judges tables until finish was called and none is left, or until an error, after which the rest stays unjudged.
func (j judges) run(judge func(tablePair) error) (failed error) {
	for more := true; more; {
		select {
		case <-j.wake:
		case <-j.closed:
			more = false
		}
		j.mu.Lock()
		batch := *j.queue
		*j.queue = nil
		j.mu.Unlock()
		for _, pair := range batch {
			if failed == nil {
				failed = judge(pair)
			}
		}
	}
	return failed
}

// away tells that a copy is not walked with the others for now.
type away struct {
	ctx   context.Context //nolint:containedctx // while there is something to walk
	mu    sync.Mutex
	gone  bool
	times int
	wait  sync.WaitGroup
}

// Bounds of how long a copy that left the others stays away at least.
const (
	firstAway = 5 * time.Second
	maxAway   = 2 * time.Minute
)

// leave makes the copy stay away until a while has passed, longer each time, and its server answers and may be read.
func (c *checker) leave() {
	a := &c.away
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return
	}
	a.gone = true
	pause := min(firstAway<<min(a.times, 8), maxAway)
	a.times++
	c.opt.Log.Warn("a copy keeps the others waiting: it is compared later", "copy", c.label)
	a.wait.Go(func() {
		defer fault.Guard()
		for sleep(a.ctx, pause) == nil {
			pause = time.Second
			ask, cancel := context.WithTimeout(a.ctx, 5*time.Second)
			_, err := c.new.ThreadsRunning(ask)
			cancel()
			if err == nil && c.throttle.reason.Load() == nil {
				break
			}
		}
		a.mu.Lock()
		a.gone = false
		a.mu.Unlock()
		c.pass.schedule.wake()
	})
}

func (c *checker) isAway() bool {
	c.away.mu.Lock()
	defer c.away.mu.Unlock()
	return c.away.gone
}
