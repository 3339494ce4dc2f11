package watch

import (
	"context"
	"slices"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// sampleEvery is how often a server is asked about sessions, steps and replication. A server with very many sessions
// is asked less often: at most a twentieth of its time per connection goes into that.
const (
	sampleEvery = time.Second
	lookTimeout = 15 * time.Second
	hastyLook   = 500 * time.Millisecond // where somebody who has interrupted waits
)

// watermark tells, on servers that do not show sessions' variables, which connections are older than the last change
// of the global step: they still have the one before.
type watermark struct {
	ID     uint64        `json:"id"` // connections up to this id
	Before conflict.Step `json:"before"`
	Seen   conflict.Step `json:"seen"`  // the global step
	First  uint64        `json:"first"` // connections up to this id are older than the watch: their step is not known
	// Looked is when the last look began, and Uptime for how long the server had been up: ids begin anew with a start.
	Looked time.Time     `json:"looked"`
	Uptime time.Duration `json:"uptime"`
}

// sight is what was last seen of a server.
type sight struct {
	asked, seen  time.Time
	took, before time.Duration // of the last look and the one before it
	busy         bool
	trouble      string

	steps    cluster.Steps
	sessions []cluster.Session
	stale    []conflict.Session
	fitting  map[uint64]bool   // threads that have had the global step in every look since they connected
	unknown  []cluster.Session // whose step the server does not tell
	channel  *cluster.ReplicaChannel
	gone     string // why there is no channel from the other side
	// began is when a look began; uptime is for how long the server was up then, in whole seconds, as told at upAt.
	began, upAt time.Time
	uptime      time.Duration
	// first is the end of the log at the first look, of the log and the server as they are now: whoever wrote behind it was
	// seen before, or connected later.
	first gtid.Position
	// places are positions of the server with the time they were read, oldest first: how far reading is behind.
	places []place
	heard  time.Time // when the log was last being read
	// met are the sessions that were seen since the server's start; named is when they were last asked for beside the looks,
	// and naming how long that took.
	met    map[uint64]cluster.Session
	named  time.Time
	naming time.Duration
}

type place struct {
	pos gtid.Position
	at  time.Time
}

// every is the time from one look to the next. One look that took long was held up; a server that is slow is so again.
func (x *sight) every() time.Duration { return max(sampleEvery, 20*min(x.took, x.before)) }

func step(p cluster.StepPair) conflict.Step {
	return conflict.Step{Increment: p.Increment, Offset: p.Offset}
}

// sample asks a server how it is.
func (e *engine) sample(ctx context.Context, s conflict.Side) {
	x := &e.sights[s]
	if x.busy {
		return
	}
	x.busy, x.asked = true, time.Now()
	server, link := e.servers[s], e.links[s.Other()]
	e.spawn(ctx, func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		begin := time.Now()
		got, err := look(ctx, server, link)
		took := time.Since(begin)
		return func() {
			x.busy = false
			if err != nil { // a look that waited in vain says nothing of the server's time
				x.trouble = err.Error()
				return
			}
			x.trouble, x.took, x.before = "", took, x.took
			e.saw(s, got)
			e.decideKeys(s, begin)
		}
	})
}

func look(ctx context.Context, server *cluster.Server, link *cluster.Link) (got sight, err error) {
	got.began = time.Now()
	if got.steps, err = server.Steps(ctx); err != nil {
		return got, err
	}
	if got.sessions, err = server.Sessions(ctx); err != nil {
		return got, err
	}
	if got.uptime, err = uptime(ctx, server); err != nil {
		return got, err
	}
	got.upAt = time.Now()
	if link != nil {
		c, cerr := link.Channel(ctx)
		if cerr == nil {
			got.channel = &c
		} else if ctx.Err() == nil {
			got.gone = cerr.Error()
		}
	}
	pos, err := server.Position(ctx)
	got.places = []place{{pos, time.Now()}}
	return got, err
}

// uptime is for how long a server is up, in whole seconds.
func uptime(ctx context.Context, server *cluster.Server) (time.Duration, error) {
	var name string
	var seconds int64
	err := server.DB().QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Uptime'").Scan(&name, &seconds)
	if err != nil {
		return 0, server.Explain("read the uptime", err)
	}
	return time.Duration(seconds) * time.Second, nil
}

// saw takes a new sight.
func (e *engine) saw(s conflict.Side, got sight) {
	x := &e.sights[s]
	x.seen, x.steps, x.sessions, x.channel, x.gone = time.Now(), got.steps, got.sessions, got.channel, got.gone
	if len(x.places) < 512 {
		x.places = append(x.places, got.places...)
	}
	if x.channel != nil {
		e.det.SetInOrder(s, ordered(*x.channel), e.perDomain(s, *x.channel))
	}
	now := step(got.steps.Global)
	w := &e.mem.Watermarks[s]
	anew := w.restarted(got)
	if anew {
		x.fitting, x.met = nil, nil
	}
	x.began, x.upAt, x.uptime = got.began, got.upAt, got.uptime
	x.meet(got.sessions)
	if anew || x.first.IsZero() {
		x.first = got.places[0].pos
	}
	if w.Seen != now {
		e.newStep(s, w, now, anew, got)
	}
	sessions := x.judge(w)
	x.stale = nil
	fitting := make(map[uint64]bool, len(sessions))
	for _, one := range sessions {
		before, known := x.fitting[one.Thread]
		fitting[one.Thread] = one.Step == now && (before || !known)
		if one.Step != now && now.Increment > 1 {
			x.stale = append(x.stale, one)
		}
	}
	x.fitting = fitting
	e.feed(s, conflict.SessionsSeen{At: x.seen, Global: now, Sessions: sessions})
}

// newStep takes note of a changed global step. What a Galera or a group sets itself is in force all the same.
func (e *engine) newStep(s conflict.Side, w *watermark, now conflict.Step, anew bool, got sight) {
	switch {
	case w.Seen == (conflict.Step{}):
		w.First = got.newest()
	case !anew: // else the server came up with it: nobody has the one before
		w.ID, w.Before = got.newest(), w.Seen
	}
	e.setBack(s, w.Seen, now, anew)
	w.Seen = now
	e.feed(s, conflict.StepInForce{Step: now})
	e.kept.dirty = true
}

// setBack takes note that new's step was set back to 1 from one that was apart from old's, as a migration ends: both sides can
// generate one key from then on only if old is written to again.
func (e *engine) setBack(s conflict.Side, before, now conflict.Step, anew bool) {
	e.mem.SetBack = nil
	old := e.mem.Watermarks[conflict.Old].Seen
	if s == conflict.New && !anew && now.Increment == 1 && before.Increment > 1 && old.Increment > 0 && !conflict.Overlap(old, before) {
		n := e.det.Summary().Sides[conflict.Old].Transactions
		e.mem.SetBack = &n
	}
}

// restarted tells whether the server was started since the last look. The ids of its connections begin anew then, and
// those that are there already came before anyone saw their step. A look that was held up counts the server younger than it
// is: only one that cannot have been there at the last look was started since.
func (w *watermark) restarted(got sight) bool {
	looked, up := w.Looked, w.Uptime
	w.Looked, w.Uptime = got.began, got.uptime
	started := got.upAt.Add(-got.uptime - time.Second) // at the earliest but for delays: the server tells whole seconds
	if looked.IsZero() || got.uptime >= up && !started.After(looked) {
		return false
	}
	w.ID, w.Before, w.First = 0, conflict.Step{}, got.newest()
	return true
}

// newest is the highest id of a connection.
func (x *sight) newest() uint64 {
	n := uint64(0)
	for _, c := range x.sessions {
		n = max(n, c.ID)
	}
	return n
}

// judge gives the sessions with their steps; those whose step nobody knows are left out.
func (x *sight) judge(w *watermark) []conflict.Session {
	x.unknown = x.unknown[:0]
	out := make([]conflict.Session, 0, len(x.sessions))
	for _, c := range x.sessions {
		if isReplica(c) {
			continue
		}
		one := conflict.Session{Thread: c.ID, User: c.User, Host: c.Host, Step: w.Seen}
		own, known := x.steps.Sessions[c.ID]
		switch {
		case known:
			one.Step = step(own)
		case x.steps.Sessions != nil:
			continue // it came or went meanwhile
		case c.MayBeOwn:
			continue // crosscheck's own inserts nothing
		case c.ID <= w.ID:
			one.Step = w.Before
		case c.ID <= w.First:
			x.unknown = append(x.unknown, c)
			continue
		}
		out = append(out, one)
	}
	return out
}

// isReplica tells connections apart that only read the log.
func isReplica(c cluster.Session) bool {
	return slices.Contains([]string{"Binlog Dump", "Binlog Dump GTID"}, c.Command)
}

// ordered tells whether a channel's applier commits in its source's order.
func ordered(c cluster.ReplicaChannel) bool { return c.Workers <= 1 || c.CommitOrder }

// perDomain tells whether it does so within a domain only: MariaDB's workers apply several beside each other.
func (e *engine) perDomain(s conflict.Side, c cluster.ReplicaChannel) bool {
	return e.servers[s].Facts().IsMariaDB() && c.Workers > 1
}

// inOrder asks that before the first event.
func (e *engine) inOrder(ctx context.Context, s conflict.Side) (inOrder, perDomain bool) {
	link := e.links[s.Other()]
	if link == nil {
		return false, false
	}
	c, err := link.Channel(ctx)
	return err == nil && ordered(c), e.perDomain(s, c)
}

// lag is how far the reading of a side is behind: since when the oldest place that was not read is known, or since when
// the log is not being read.
func (e *engine) lag(s conflict.Side, now time.Time) time.Duration {
	x := &e.sights[s]
	for len(x.places) > 0 && e.readers[s].reached(x.places[0].pos) {
		x.places = x.places[1:]
	}
	if e.readers[s].current().Connected() || x.heard.IsZero() {
		x.heard = now
	}
	since := x.heard
	if len(x.places) > 0 && x.places[0].at.Before(since) {
		since = x.places[0].at
	}
	return now.Sub(since)
}
