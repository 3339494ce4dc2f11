package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// hop is one direction of replication that may exist.
type hop struct {
	from, to node
	link     *cluster.Link // nil: nothing flows that way
}

// hops are the links between the nodes: both ways between old and new, or along the chain over the converter.
func (m *measurement) hops(ctx context.Context) ([]hop, error) {
	o, n := node{nodeOld, m.old}, node{nodeNew, m.new}
	if m.r.Plan.Path != plan.GTIDConverter {
		rel, err := cluster.Relate(ctx, m.old, m.new)
		if err != nil {
			return nil, err
		}
		return []hop{{o, n, rel.OldToNew}, {n, o, rel.NewToOld}}, nil
	}
	if m.conv == nil {
		return nil, nil
	}
	c := node{nodeConverter, m.conv}
	first, err := cluster.Relate(ctx, m.old, m.conv)
	if err != nil {
		return nil, err
	}
	second, err := cluster.Relate(ctx, m.conv, m.new)
	if err != nil {
		return nil, err
	}
	return []hop{{o, c, first.OldToNew}, {c, n, second.OldToNew}}, nil
}

// forward are the hops from old to new, in order; nil where there is no way.
func (m *measurement) forward(ctx context.Context) ([]hop, error) {
	hops, err := m.hops(ctx)
	if err != nil {
		return nil, err
	}
	if m.r.Plan.Path != plan.GTIDConverter {
		hops = hops[:1]
	}
	for _, h := range hops {
		if h.link == nil {
			return nil, nil
		}
	}
	return hops, nil
}

func (m *measurement) sync(ctx context.Context) (gate.Content, error) {
	hops, err := m.hops(ctx)
	if err != nil {
		return nil, err
	}
	out := gate.Sync{Links: []gate.Link{}}
	for _, h := range hops {
		if h.link == nil {
			continue // evidence without the link says that it was not seen
		}
		l, err := m.link(ctx, h)
		if err != nil {
			return nil, err
		}
		out.Links = append(out.Links, l)
	}
	return out, nil
}

// maxLagWait bounds how long a replica is watched catching up. A lag beyond it is known to be beyond it.
const maxLagWait = 10 * time.Second

func (m *measurement) link(ctx context.Context, h hop) (gate.Link, error) {
	l := gate.Link{From: h.from.name, To: h.to.name, Words: words(h.to.server.Facts())}
	lag, known, err := m.lag(ctx, h)
	var fence *cluster.FenceError
	missing := ""
	switch {
	case errors.As(err, &fence) && fence.Cause == cluster.FenceMissing:
		missing = fence.Error()
	case errors.As(err, &fence):
	case err != nil:
		return l, err
	}
	// The state comes after the wait, so that a channel that stops meanwhile is seen.
	st, err := h.link.State(ctx)
	if err != nil {
		return l, err
	}
	l.Running, l.Error = st.Running, st.Trouble
	if missing != "" {
		l.Error = missing
	}
	if l.Running {
		l.Lag, l.LagKnown = lag, known
		if !known && fence != nil && fence.Cause == cluster.FenceTimeout {
			if st.Lag != nil {
				l.Lag = max(lag, time.Duration(*st.Lag)*time.Second)
			}
			// It is at least that; whether it is more is not known, and matters only below the limit.
			l.LagKnown = l.Lag > m.r.Plan.Limits.MaxLag
		}
	}
	if l.Skips, err = skips(ctx, h); err != nil || !l.Running {
		return l, err
	}
	l.Since, l.Threads, err = m.unbroken(ctx, h)
	return l, err
}

// words are a server's words for replication.
func words(f cluster.Facts) gate.Words {
	switch w := f.Words(); {
	case w.Replica == "SLAVE":
		return gate.WordsSlave
	case w.Prefix == "slave_":
		return gate.WordsMixed
	}
	return gate.WordsReplica
}

// lag is how long the replica takes to reach where its source stands now. What the server says of its lag is 0 while it
// does not know that there is more. Without an answer in time known is false, and lag is how long that was.
func (m *measurement) lag(ctx context.Context, h hop) (lag time.Duration, known bool, err error) {
	p, ok, err := position(ctx, h.from.server)
	if err != nil || !ok {
		return 0, false, err
	}
	limit := min(m.r.Plan.Limits.MaxLag+time.Second, maxLagWait)
	begin := time.Now()
	err = h.link.Wait(ctx, p, cluster.WaitOptions{Timeout: limit, StopGrace: time.Millisecond})
	lag = time.Since(begin).Round(time.Millisecond)
	return lag, err == nil, err
}

// skips tells whether the applier passes over errors or transactions, or overwrites what does not fit.
func skips(ctx context.Context, h hop) (bool, error) {
	list, err := h.to.server.Channels(ctx)
	if err != nil {
		return false, err
	}
	if h.link.Direct() {
		c, channelErr := h.link.Channel(ctx)
		var gone *cluster.FenceError
		if errors.As(channelErr, &gone) {
			return false, nil
		}
		if channelErr != nil {
			return false, channelErr
		}
		list = []cluster.ReplicaChannel{c}
	}
	if slices.ContainsFunc(list, passesOver) {
		return true, nil
	}
	got, err := variables(ctx, h.to.server, "sql_slave_skip_counter", "sql_replica_skip_counter")
	for _, n := range got {
		if n != "0" && n != "" {
			return true, err
		}
	}
	return false, err
}

// passesOver tells whether a channel's applier goes on after errors, or overwrites what does not fit.
func passesOver(c cluster.ReplicaChannel) bool {
	return len(c.SkipErrors) > 0 || strings.EqualFold(c.ExecMode, "IDEMPOTENT")
}

// unbroken is from when on a running link is known to have run without a break: since its threads began, and before that
// as far as earlier evidence goes. Where the age of the threads is not told, it is since the first look that saw the same
// ones. Zero: not known.
func (m *measurement) unbroken(ctx context.Context, h hop) (time.Time, *gate.Threads, error) {
	if !h.link.Direct() {
		return time.Time{}, nil, nil // servers in between are not asked
	}
	c, err := h.link.Channel(ctx)
	if err != nil {
		return time.Time{}, nil, fmt.Errorf("see since when %s→%s runs: %w", h.from.name, h.to.name, err)
	}
	age, known, ids, err := threadsAge(ctx, h.to.server, c)
	if err != nil {
		return time.Time{}, nil, err
	}
	now := m.now()
	floor := now.Add(-age)
	if !known {
		floor = now
	}
	since := floor
	for _, e := range m.past(gate.KindSync) {
		l, ok := linkOf(e, h)
		same := ok && sameThreads(l.Threads, ids)
		switch {
		case !ok || !same && e.Taken.Before(floor): // the threads began later: there was a break
		case !l.Running || l.Error != "":
			floor, since = e.Taken, e.Taken
		case !l.Since.IsZero() && l.Since.Before(since):
			since = l.Since
		}
	}
	return since, ids, nil
}

// linkOf is what earlier evidence says of a hop.
func linkOf(e gate.Evidence, h hop) (gate.Link, bool) {
	s, _ := e.Content.(gate.Sync)
	for _, l := range s.Links {
		if l.From == h.from.name && l.To == h.to.name {
			return l, true
		}
	}
	return gate.Link{}, false
}
