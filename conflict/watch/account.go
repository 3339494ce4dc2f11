package watch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"crosscheck/conflict"
)

func killStatement(thread uint64) string { return "KILL " + strconv.FormatUint(thread, 10) }

// maxNamed bounds the sessions that are named together.
const maxNamed = 8

// suspects names the sessions that may have made a key, where the log does not name the thread: those with another
// step, or else those whose step is not known.
func (x *sight) suspects(f *conflict.Finding) {
	var names []string
	only := conflict.Session{}
	for _, one := range x.stale {
		names = append(names, fmt.Sprintf("%d (%s@%s)", one.Thread, one.User, one.Host))
		only = one
	}
	for _, c := range x.unknown {
		if len(x.stale) > 0 {
			break
		}
		names = append(names, fmt.Sprintf("%d (%s@%s)", c.ID, c.User, c.Host))
		only = conflict.Session{Thread: c.ID, User: c.User, Host: c.Host}
	}
	switch {
	case len(names) == 0:
		f.Detail += "; this server's log does not name the session"
	case len(names) == 1:
		f.Session, f.Advice = &only, killStatement(only.Thread)
		f.Detail += "; the log does not name the session, but only this one can have made it"
	default:
		more := ""
		if len(names) > maxNamed {
			more = fmt.Sprintf(" and %d others", len(names)-maxNamed)
			names = names[:maxNamed]
		}
		f.Detail += "; the log does not name the session, it is one of " + strings.Join(names, ", ") + more
	}
}

// rate counts changes per second over some seconds.
type rate struct {
	at            time.Time
	txs, changes  uint64
	perTx, perRow float64
}

const rateOver = 2 * time.Second

func (r *rate) add(now time.Time, txs, changes uint64) {
	if r.at.IsZero() {
		r.at, r.txs, r.changes = now, txs, changes
		return
	}
	if d := now.Sub(r.at); d >= rateOver {
		r.perTx, r.perRow = float64(txs-min(txs, r.txs))/d.Seconds(), float64(changes-min(changes, r.changes))/d.Seconds()
		r.at, r.txs, r.changes = now, txs, changes
	}
}

// status is how things stand.
func (e *engine) status(now time.Time) Status {
	st := Status{
		At: now, Started: e.started, Since: e.opt.Since, Base: e.mem.Base, Findings: map[conflict.Kind]uint64{},
		Account: e.det.Summary(), Rows: e.rows.count(e.mem.Rows, e.det.Summary().Untracked), Resumed: e.resumed,
		Scopes: slices.Clone(e.mem.Scopes), Unverified: slices.Clone(e.mem.Unverified), // readers keep the status
		Sequences: e.sequences(),
	}
	st.Pairs = st.Account.Pairs
	for k, n := range e.counts {
		st.Findings[k] = n
	}
	for i := range e.servers {
		st.Sides[i] = e.sideStatus(conflict.Side(i), now)
	}
	st.Health = e.troubles(now)
	st.Nodes, st.Unasked = slices.Clone(e.nodes.list), slices.Clone(e.nodes.unknown)
	st.Copies = e.copyStatus(now)
	st.Forecast = e.forecast()
	for _, b := range st.Account.Blind {
		to := b.To.String()
		if b.To.IsZero() {
			to = "now"
		}
		st.Blind = append(st.Blind, fmt.Sprintf("%s: blind from %s to %s", b.Side, b.From, to))
	}
	st.because(e.reasons(&st, now)...)
	return st
}

func (e *engine) sideStatus(s conflict.Side, now time.Time) SideStatus {
	server, x := e.servers[s], &e.sights[s]
	f := server.Facts()
	n := e.readers[s].stats()
	e.rates[s].add(now, n.Transactions, n.Changes)
	pos, _ := e.det.Checkpoint(s)
	out := SideStatus{
		Label: server.Label(), Addr: server.Config().Addr, UUID: f.ServerUUID, Version: f.Version, Position: pos.String(),
		Lag: e.lag(s, now), Read: e.readers[s].current().Connected(),
		Arrived:               e.fences[s].reached,
		TransactionsPerSecond: e.rates[s].perTx, ChangesPerSecond: e.rates[s].perRow, Reconnects: n.Reconnects,
		Step: e.mem.Watermarks[s].Seen, Sessions: len(x.sessions), Stale: x.stale,
	}
	switch {
	case e.links[s.Other()] == nil:
		out.Applier = "does not replicate from " + s.Other().String()
	case x.channel == nil:
		out.Applier = x.gone
	case x.channel.Running():
		out.Applier, out.ApplierLag = "running", x.channel.LagSeconds
	default:
		out.Applier = x.channel.Trouble()
	}
	return out
}

// failures counts the findings that fail the account.
func (e *engine) failures() uint64 { return failures(e.counts) }

func failures(counts map[conflict.Kind]uint64) uint64 {
	n := uint64(0)
	for k, c := range counts {
		if !k.Benign() && k != conflict.Unjudged && k != conflict.StaleSession {
			n += c
		}
	}
	return n
}

func since(now, t, started time.Time) time.Duration {
	if t.IsZero() {
		t = started
	}
	return now.Sub(t).Round(time.Second)
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.FormatUint(n, 10) + " " + what + "s"
}

// forecast says what will happen if nothing is done.
func (e *engine) forecast() []string {
	var out []string
	for i := range e.servers {
		s := conflict.Side(i)
		x := &e.sights[s]
		if len(x.stale) == 0 {
			continue
		}
		in := step(x.steps.Global)
		var writers []conflict.StaleWriter
		for _, one := range x.stale {
			// What a session writes is not told apart: each is taken to write an equal part of the side's.
			share := e.rates[s].perRow / float64(max(len(x.sessions), 1))
			writers = append(writers, conflict.StaleWriter{Session: one, PerSecond: share})
		}
		f := conflict.ForecastOf(in, writers)
		line := fmt.Sprintf("%s: %s will go on making keys of another step", s, plural(uint64(f.Sessions), "stale session"))
		if f.WrongPerSecond > 0 {
			line += fmt.Sprintf(", about %.2g a second, the next within %s", f.WrongPerSecond, f.First.Round(time.Second))
		}
		out = append(out, line)
	}
	return out
}

// health remembers since when things are wrong.
type health struct{ since map[string]time.Time }

// troubles lists what is wrong with replication and with the steps.
func (e *engine) troubles(now time.Time) []Trouble {
	var out []Trouble
	add := func(s conflict.Side, id, detail, advice string) {
		out = append(out, Trouble{ID: id, Side: s, Detail: detail, Advice: advice})
	}
	for i := range e.servers {
		s := conflict.Side(i)
		e.channelTroubles(s, add)
		e.stepTroubles(s, add)
		if x := &e.sights[s]; x.trouble != "" {
			add(s, TroubleTail, "not answering: "+x.trouble, "")
		} else if !e.readers[s].current().Connected() {
			add(s, TroubleTail, "the binary log is not being read: reconnecting", "")
		}
	}
	a, b := e.mem.Watermarks[conflict.Old].Seen, e.mem.Watermarks[conflict.New].Seen
	// Where new's step was set back, nothing is wrong until old makes a transaction again.
	over := e.mem.SetBack != nil && e.det.Summary().Sides[conflict.Old].Transactions <= *e.mem.SetBack
	if a.Increment > 0 && b.Increment > 0 && conflict.Overlap(a, b) && !over {
		add(conflict.New, TroubleStepOverlap, fmt.Sprintf("both sides can generate one key: old has %s, new has %s", a, b),
			"set auto_increment_increment = 2 on both, auto_increment_offset = 1 on old and 2 on new, the offset first; not needed once old takes no more writes")
	}
	e.sequenceTrouble(add)
	e.nodeTroubles(func(t Trouble) { out = append(out, t) })
	have := map[string]time.Time{}
	for i := range out {
		id := out[i].ID + out[i].Side.String() + out[i].Node
		t, ok := e.health.since[id]
		if !ok {
			t = now
		}
		have[id], out[i].Since = t, t
	}
	e.health.since = have
	return out
}

func (e *engine) channelTroubles(s conflict.Side, add func(s conflict.Side, id, detail, advice string)) {
	x := &e.sights[s]
	from := s.Other()
	if e.links[from] == nil {
		add(s, TroubleNoChannel, fmt.Sprintf("%s does not replicate from %s", s, from), "set up replication in both directions before both take writes")
		return
	}
	if !e.servers[s].Facts().LogReplicaUpdates {
		add(s, TroubleBlindWriter, s.String()+" does not log what it applies, so that arrivals are not seen", "log_replica_updates = ON (restart)")
	}
	if x.channel == nil {
		if x.gone != "" {
			add(s, TroubleStopped, x.gone, "")
		}
		return
	}
	c := *x.channel
	words := e.servers[s].Facts().Words()
	replica := words.Replica
	if !c.Running() {
		add(s, TroubleStopped, fmt.Sprintf("%s's replication from %s does not run: %s", s, from, c.Trouble()), "find the cause, then START "+replica)
	} else if c.LagSeconds != nil && time.Duration(*c.LagSeconds)*time.Second > e.opt.MaxLag+time.Duration(c.DelaySeconds)*time.Second {
		add(s, TroubleLag, fmt.Sprintf("%s's applier is %d s behind", s, *c.LagSeconds), "")
	}
	if strings.EqualFold(c.ExecMode, "IDEMPOTENT") {
		add(s, TroubleIdempotent, s.String()+"'s applier hides missing rows and duplicate keys (IDEMPOTENT)", "SET GLOBAL "+words.Prefix+"exec_mode = 'STRICT'")
	}
	if len(c.SkipErrors) > 0 {
		add(s, TroubleSkipped, s.String()+"'s applier passes over errors "+strings.Join(c.SkipErrors, ", "), "remove the setting and restart")
	}
	if len(c.Filters) > 0 {
		add(s, TroubleFiltered, s.String()+"'s applier has filters: "+strings.Join(c.Filters, ", "), "")
	}
	if !ordered(c) {
		add(s, TroubleWorkerOrder, s.String()+"'s applier does not keep the order of commits: a missing echo is known by fences only", "")
	}
}

func (e *engine) stepTroubles(s conflict.Side, add func(s conflict.Side, id, detail, advice string)) {
	x := &e.sights[s]
	if x.seen.IsZero() {
		return
	}
	now := step(x.steps.Global)
	if now.IgnoredOffset() {
		add(s, TroubleStepIgnored, fmt.Sprintf("%s's offset is ignored by the server: %s", s, now), "SET GLOBAL auto_increment_increment to more than the offset")
	}
	if x.steps.Driver != "" {
		add(s, TroubleStepDriven, s.String()+"'s step is set by its cluster software: "+x.steps.Driver, "turn that off, then set the step")
	}
	for _, line := range e.keys[s].low {
		add(s, TroubleHeadroom, line, "make the column larger before the dual-write begins")
	}
	if d := x.steps.Durable; d != nil && step(*d) != now {
		add(s, TroubleStepLost, fmt.Sprintf("%s's step is %s, but %s after a restart", s, now, step(*d)), "write it to the option file, or SET PERSIST it where the server has that")
	}
}
