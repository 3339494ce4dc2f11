package watch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
	"crosscheck/internal/fault"
)

// How often things are done.
const (
	tickEvery       = 250 * time.Millisecond
	statusEvery     = 500 * time.Millisecond
	fenceEvery      = 2 * time.Second
	checkpointEvery = 5 * time.Second
	// A checkpoint of a large window takes memory and time. Without one, another process reads again from the last, and
	// finds the same again.
	smallWindow          = 24 << 20
	largeCheckpointEvery = 2 * time.Minute
)

// How much of a side's stream may wait for the other side's.
const (
	maxHeldEvents = 2048
	maxHeldBytes  = 8 << 20
	// While the other stream waits for this one to come to a place, it must be read on, or the two wait for each other:
	// without GTIDs that is so where the logs hold echoes of what was made before the account's beginning.
	maxSoughtEvents = 1 << 15
	maxSoughtBytes  = 16 << 20
)

// engine is the one goroutine that owns the detector. Others read the logs and ask the servers; they hand over what
// they found by items and by functions that the engine calls.
type engine struct {
	servers Sides
	opt     Options
	det     *conflict.Detector
	mem     memory
	resumed bool
	saved   bool // there is a checkpoint

	readers  [2]*reader
	start    [2]gtid.Position
	begins   gtid.Position // memory.Begin
	identity [2]string
	origins  origins
	defs     [2]*definitions
	fed      [2]uint64 // events that the detector was given, those of earlier processes included
	boundary [2]bool   // no transaction is half read
	held     [2]int64  // bytes of what waits in the detector

	links  [2]*cluster.Link // links[s] leads from s to the other side
	fences [2]fence
	alone  [2]alone
	// uncertain findings wait to be confirmed; released ones are findings now.
	uncertain []*uncertain
	released  []conflict.Finding
	// unsureSince tells when a table's definition came out as not known.
	unsureSince map[string]moment
	told        [2]uint64       // fences up to these had passed when findings were last taken
	collided    map[string]bool // keys of collisions, see toldByCollision
	wrong       []wrongKey      // keys outside of the step wait for a look at the sessions
	calm        bool            // nothing is read until the keys that wait are decided: a checkpoint is due

	oracle oracle
	rows   rechecks
	sights [2]sight
	health health
	nodes  nodes
	found  map[string]*found // tables that were found at the start, by FullName
	// kins are the sides' writers with their copies, nil where none is followed; tails read the copies' logs.
	kins  [2]*kin
	tails []*copyTail
	keys  [2]keySpace
	draws map[string]*draw // by the sequence's name

	async   chan func()
	workers sync.WaitGroup
	stop    context.CancelFunc

	started   time.Time
	counts    map[conflict.Kind]uint64
	lastFound time.Time
	kept      struct {
		at    time.Time
		dirty bool
	}
	rates  [2]rate
	shown  time.Time
	ending *ending
}

// close ends what the engine began.
func (e *engine) close() {
	if e.stop != nil {
		e.stop()
	}
	for _, r := range e.readers {
		if r != nil {
			r.close()
		}
	}
	e.workers.Wait()
	e.nodes.close()
}

// run is the engine's loop.
func (e *engine) run(outer context.Context) (Status, error) {
	// What the engine began ends after it, not before: the end needs a last look at the servers.
	ctx, stop := context.WithCancel(context.WithoutCancel(outer))
	e.stop = stop
	for _, r := range e.readers {
		e.workers.Go(func() {
			defer fault.Guard()
			r.run(ctx)
		})
	}
	for s, k := range e.kins {
		if k != nil {
			k.tables, k.seen = maps.Clone(e.defs[s].last), e.defs[s].version
		}
	}
	for _, t := range e.tails {
		e.workers.Go(func() {
			defer fault.Guard()
			t.run(ctx)
		})
	}
	if err := e.begin(ctx, outer); err != nil {
		return e.fail(ctx, err)
	}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case it := <-e.input(conflict.Old):
			if err := e.take(ctx, outer, conflict.Old, it); err != nil {
				return e.end(ctx, outer, err)
			}
		case it := <-e.input(conflict.New):
			if err := e.take(ctx, outer, conflict.New, it); err != nil {
				return e.end(ctx, outer, err)
			}
		case fn := <-e.async:
			fn()
		case <-tick.C:
			if err := e.tick(ctx); err != nil {
				return e.fail(ctx, err)
			}
			if e.ending != nil && e.settled() {
				e.ending.ready = true
			}
			if e.ending.over() {
				return e.finish(ctx, lookTimeout)
			}
		case <-outer.Done():
			return e.finish(ctx, hastyLook)
		}
	}
}

// end ends the watch by an error, or as it is wanted to if the error only says that.
func (e *engine) end(ctx, outer context.Context, err error) (Status, error) {
	if outer.Err() != nil && errors.Is(err, outer.Err()) {
		return e.finish(ctx, hastyLook)
	}
	return e.fail(ctx, err)
}

// input is a side's stream, or nothing while too much of it waits for the other side's, or a checkpoint for what was read.
func (e *engine) input(s conflict.Side) <-chan item {
	if e.calm {
		return nil
	}
	events, bytes := maxHeldEvents, int64(maxHeldBytes)
	if e.alone[s.Other()].asked {
		events, bytes = maxSoughtEvents, maxSoughtBytes
	}
	if e.det.Held(s) > events || e.held[s] > bytes {
		return nil
	}
	return e.readers[s].out
}

// begin sets the account going. The place where it begins is kept before anything is read: a process that dies at once
// must not leave findings behind of what the next one does not read.
func (e *engine) begin(ctx, outer context.Context) error {
	if !e.resumed {
		e.firstKeys(outer)
	}
	if !e.saved {
		if err := e.checkpoint(ctx); err != nil {
			return err
		}
	}
	for i := range e.servers {
		e.sample(ctx, conflict.Side(i))
		if e.resumed || e.mem.Base != nil {
			e.readHighest(ctx, conflict.Side(i))
		}
	}
	if e.mem.Base != nil && e.mem.Base.Gap != "" {
		e.opt.Observer.Notice("the last check cannot be built on: " + e.mem.Base.Gap)
	}
	return nil
}

// take feeds one item.
func (e *engine) take(ctx, outer context.Context, s conflict.Side, it item) error {
	switch {
	case it.err != nil:
		return it.err
	case it.mark != nil:
		it.mark()
	case it.gap != nil:
		e.lose(s, *it.gap)
	default:
		if err := e.transaction(outer, s, it); err != nil {
			return err
		}
	}
	return e.drain(ctx)
}

func (e *engine) transaction(ctx context.Context, s conflict.Side, it item) error {
	tx := it.tx
	defer e.readers[s].budget.Release(it.bytes)
	if len(tx.Changes) > 0 {
		defs, err := e.defs[s].need(ctx, tx)
		for _, d := range defs {
			e.feed(s, d)
		}
		if err != nil {
			return err
		}
	}
	e.copied(s, it)
	origin := e.origins.of(tx)
	if s == conflict.Old && e.tooEarly() {
		if origin == conflict.FromOld && !tx.Aborted {
			tx = &binlog.Transaction{Heartbeat: true, Last: true, Position: tx.Position, DDL: tx.DDL}
			if !it.tx.Last {
				return nil
			}
		}
		if it.tx.Last {
			defer e.comeTo(it.tx.Position)
		}
	}
	if origin == conflict.Origin(s) {
		e.drawn(s, tx)
	}
	e.feed(s, conflict.Transaction{Origin: origin, Tx: tx})
	if len(tx.DDL) > 0 {
		e.defs[s].changed(tx.DDL)
		if origin == conflict.Origin(s) { // its echo is the same statement again
			e.follow(s, tx)
		}
	}
	if len(tx.DDL) > 0 || !tx.Started.IsZero() {
		e.renewKeys(ctx, s, tx)
	}
	e.boundary[s] = tx.Last || tx.Heartbeat || tx.Aborted
	for i := range e.held {
		if e.det.Held(conflict.Side(i)) == 0 {
			e.held[i] = 0
		}
	}
	if e.det.Held(s) > 0 {
		e.held[s] += it.bytes
	}
	if !tx.Heartbeat {
		e.kept.dirty = true
	}
	return nil
}

// tooEarly tells whether a transaction of old's stands before the account's beginning. None stands on both sides of it.
func (e *engine) tooEarly() bool { return e.begins.Kind == gtid.File }

// comeTo notes that old's stream has come to the account's beginning, if it has.
func (e *engine) comeTo(pos gtid.Position) {
	if in, err := pos.Contains(e.begins); e.tooEarly() && err == nil && in {
		e.begins = gtid.Position{}
	}
}

// feed gives the detector an event and counts it as the detector does.
func (e *engine) feed(s conflict.Side, ev conflict.Event) {
	switch ev.(type) {
	case conflict.SessionsSeen, conflict.NoOriginal:
	default:
		e.fed[s]++
	}
	e.det.Feed(s, ev)
}

// drain keeps and reports what the detector has found.
func (e *engine) drain(ctx context.Context) error {
	list := e.det.Take()
	defer func(passed [2]uint64) { e.told = passed }([2]uint64{e.fences[conflict.Old].passed, e.fences[conflict.New].passed})
	e.doubts()
	if len(list)+len(e.released) == 0 {
		if len(e.rows.fates) > manyFates {
			return e.saveFates(ctx)
		}
		return nil
	}
	if err := e.saveFates(ctx); err != nil { // a finding whose rows were not under doubt yet could pass for settled
		return err
	}
	now := time.Now()
	kept := list[:0]
	for _, f := range list {
		e.collidedKey(f)
		switch {
		case f.Reason == conflict.ReasonUncertain:
			e.holdBack(ctx, f)
		case f.Reason == conflict.ReasonMisfit:
			e.unsureFrom(f.Table, now)
			kept = append(kept, f)
		case f.Kind == conflict.WrongStepKey:
			e.holdKey(f)
		case aboutArrival(f.Kind) && e.unsure(f):
		default:
			kept = append(kept, f)
		}
	}
	list = slices.Concat(kept, e.released)
	e.released = nil
	e.nameAll(ctx, list)
	fresh, err := e.opt.Store.AddFindings(ctx, list, now)
	if err != nil {
		return err
	}
	e.kept.dirty = true
	for i, f := range list {
		if !fresh[i] {
			continue
		}
		e.counts[f.Kind]++
		if !f.Kind.Benign() {
			e.lastFound = now
		}
		e.opt.Observer.Found(f)
	}
	return nil
}

// tick does what is due.
func (e *engine) tick(ctx context.Context) error {
	now := time.Now()
	for i := range e.servers {
		s := conflict.Side(i)
		e.fence(ctx, s, now)
		e.looseEcho(ctx, s, now)
		e.measureKeys(ctx, s, now)
		if now.Sub(e.sights[s].asked) >= e.sights[s].every() {
			e.sample(ctx, s)
		}
	}
	e.lookAtNodes(ctx, now)
	e.pressKeys(ctx, now)
	if err := e.drain(ctx); err != nil { // with it the collisions are known of all that was read
		return err
	}
	if e.arrivedKeys(); len(e.released) > 0 {
		if err := e.drain(ctx); err != nil {
			return err
		}
	}
	e.ask(ctx)
	e.recheck(ctx, now)
	if err := e.saveFates(ctx); err != nil {
		return err
	}
	if e.opt.For > 0 && e.ending == nil && now.Sub(e.started) >= e.opt.For {
		e.beginEnding(ctx, now)
	}
	if now.Sub(e.shown) >= statusEvery {
		e.shown = now
		e.opt.Observer.Status(e.status(now))
	}
	return e.keep(ctx, now)
}

// keep makes a checkpoint when one is due.
func (e *engine) keep(ctx context.Context, now time.Time) error {
	e.calm = len(e.wrong) > 0 && now.Sub(e.kept.at) >= calmAfter
	if len(e.uncertain)+len(e.wrong) > 0 {
		return nil
	}
	due := checkpointEvery
	if e.det.Summary().Memory > smallWindow || e.copiesWait() > manyCopied {
		due = largeCheckpointEvery
	}
	if !e.kept.dirty && now.Sub(e.kept.at) < 6*due || now.Sub(e.kept.at) < due {
		return nil
	}
	begin := time.Now()
	if err := e.checkpoint(ctx); err != nil {
		return err
	}
	// A checkpoint that takes long is made seldom: at most a twentieth of the time goes into them.
	e.kept.at, e.kept.dirty = now.Add(20*time.Since(begin)), false
	return e.opt.Store.SaveStatus(ctx, e.status(now))
}

// spawn runs fn beside the engine; what it returns, the engine calls.
func (e *engine) spawn(ctx context.Context, fn func(ctx context.Context) func()) {
	e.workers.Go(func() {
		defer fault.Guard()
		then := fn(ctx)
		select {
		case e.async <- then:
		case <-ctx.Done():
		}
	})
}
