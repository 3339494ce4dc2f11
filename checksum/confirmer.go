package checksum

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// A table is compared by the definitions that were read when the run began. Whatever changes one of them meanwhile
// leaves a hole that the rows do not show: a new column is not selected, a row read under a wider type has other bytes.
// So each table's definitions are read once more after its last row, and the outcome counts only if they still are
// what it was compared by. The last reading proves what was compared in this run and, since recorded chunks are
// trusted under the same fingerprint only, what an earlier run compared.

// confirmShare bounds the part of the time that the definitions are being read: after each reading so many times its
// length passes. Tables that end meanwhile share the next one, so that thousands of small ones cost few statements.
const confirmShare = 4

// lastWord is how long an interrupted run may take to confirm the tables that were compared to their end.
const lastWord = time.Second

// unconfirmed is a compared table whose definitions are to be read again.
type unconfirmed struct {
	old, new *cluster.Table
	plan     *plan.Table // nil where rows are not compared
	result   TableResult
}

// reasonNotArrived is why definitions that differ prove nothing once the run was interrupted.
const reasonNotArrived = "the run was interrupted before replication was known to have brought new's definition"

// byDefinition reports whether the definitions alone make the table different: new's may be on its way.
func (u unconfirmed) byDefinition() bool {
	return u.result.Verdict == Different && (u.plan == nil || u.plan.Schema != "")
}

// confirmer holds back the outcomes of tables until their definitions have been read again. submit may be called
// concurrently; run by one goroutine.
type confirmer struct {
	check    *checker
	old, new *read.Session
	wake     chan struct{} // holds a token while there is something to take
	closed   chan struct{}

	mu      sync.Mutex
	pending []unconfirmed
}

func newConfirmer(c *checker) *confirmer {
	return &confirmer{
		check: c, old: c.session(false), new: c.session(true),
		wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// submit hands over a table that was read to its end.
func (d *confirmer) submit(u unconfirmed) {
	d.mu.Lock()
	d.pending = append(d.pending, u)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// finish says that no more tables will come.
func (d *confirmer) finish() { close(d.closed) }

// run confirms tables until finish was called and none is left. After an error, which is its result, the tables that
// remain are delivered unconfirmed.
func (d *confirmer) run(ctx context.Context) error {
	defer d.old.Close()
	defer d.new.Close()
	var failed error
	for more := true; more; {
		select {
		case <-d.wake:
		case <-d.closed:
			more = false
		}
		d.mu.Lock()
		batch := d.pending
		d.pending = nil
		d.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		began := time.Now()
		err := failed
		if err == nil {
			err = d.confirm(ctx, batch)
		}
		if err != nil && ctx.Err() == nil && !read.EndsRun(err) {
			err = d.apart(ctx, batch)
		}
		if err != nil {
			d.unread(batch, err)
			if failed = err; ctx.Err() == nil {
				d.check.abort(err)
			}
		}
		for _, u := range batch {
			d.check.tableDone(ctx, u.result)
		}
		select {
		case <-time.After(confirmShare * time.Since(began)):
		case <-d.closed:
		}
	}
	return failed
}

// apart confirms tables one by one, after one of them kept the definitions of all from being read.
func (d *confirmer) apart(ctx context.Context, batch []unconfirmed) error {
	for i := range batch {
		one := batch[i : i+1]
		if err := d.confirm(ctx, one); err != nil {
			if ctx.Err() != nil || read.EndsRun(err) {
				return err
			}
			d.unread(one, err)
		}
	}
	return nil
}

// unread marks tables whose definitions could not be read again.
func (d *confirmer) unread(batch []unconfirmed, err error) {
	for i := range batch {
		r := &batch[i].result
		r.Verdict = r.Verdict.And(Undecided)
		if r.Reason == "" {
			r.Reason = "its definition could not be read again: " + err.Error()
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				r.Reason = "interrupted before its definition was read again"
			}
		}
	}
}

// confirm reads the definitions of a batch again and takes the outcome from those tables that changed. When ctx ends,
// what was read to its end still gets its word.
func (d *confirmer) confirm(ctx context.Context, batch []unconfirmed) error {
	late, err := d.arrived(ctx, batch)
	if err != nil {
		return err
	}
	olds, news, err := d.load(ctx, batch)
	if err != nil && ctx.Err() != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		defer cancel()
		olds, news, err = d.load(last, batch)
	}
	if err != nil {
		return err
	}
	for i := range batch {
		u := &batch[i]
		was, now := [2]*cluster.Table{u.old, u.new}, [2]*cluster.Table{olds[plan.NameOf(u.old)], news[plan.NameOf(u.new)]}
		switch what := plan.DefinitionChanged(was, now, u.plan, d.check.names(), d.check.planOptions()); {
		case what != "":
			u.result.distrust(what)
		case u.plan != nil && u.plan.Shared != "" && u.result.Verdict == Different:
			u.result.distrust(u.plan.Shared)
		case late != "" && u.byDefinition():
			u.result.distrust(u.result.Reason + ", but " + late)
		}
	}
	return nil
}

// arrived waits for new's definitions where a table differs by them, and returns why they may be late, "" if they are not.
func (d *confirmer) arrived(ctx context.Context, batch []unconfirmed) (late string, err error) {
	if !slices.ContainsFunc(batch, unconfirmed.byDefinition) {
		return "", nil
	}
	late, err = d.check.arrival.Wait(ctx, d.new, d.check.fence)
	if err != nil && ctx.Err() != nil {
		return reasonNotArrived, nil
	}
	return late, err
}

// load reads both sides' definitions at the same time.
func (d *confirmer) load(ctx context.Context, batch []unconfirmed) (olds, news map[cluster.TableName]*cluster.Table, err error) {
	var names [2][]cluster.TableName
	for _, u := range batch {
		names[0], names[1] = append(names[0], plan.NameOf(u.old)), append(names[1], plan.NameOf(u.new))
	}
	var found [2]map[cluster.TableName]*cluster.Table
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range []*read.Session{d.old, d.new} {
		g.Go(func() error {
			defer fault.Guard()
			return s.Do(ctx, "read definitions again", func() (err error) {
				found[i], err = cluster.LoadNamed(ctx, s.Server, names[i])
				return err
			})
		})
	}
	err = g.Wait()
	return found[0], found[1], err
}

// names are the labels of the reference and the copy.
func (c *checker) names() [2]string { return [2]string{c.old.Label(), c.label} }

// distrust takes the outcome from a table. What was found to differ is not proven to: it was read under definitions
// that no longer stand side by side.
func (r *TableResult) distrust(reason string) {
	if r.Verdict == Undecided && r.Reason != "" {
		reason += " (" + r.Reason + ")"
	}
	r.Verdict, r.Reason = Undecided, reason
	r.Counts.Undecided += r.Counts.Differences()
	r.Counts.Missing, r.Counts.Extra, r.Counts.Changed = 0, 0, 0
	r.Differences = nil
}
