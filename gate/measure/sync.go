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
		if l.Quiet, err = m.quiet(ctx, h, l); err != nil {
			return nil, err
		}
		out.Links = append(out.Links, l)
	}
	return out, nil
}

// maxLagWait bounds how long a replica is watched catching up. A lag beyond it is known to be beyond it.
const maxLagWait = 10 * time.Second

func (m *measurement) link(ctx context.Context, h hop) (gate.Link, error) {
	f := h.to.server.Facts()
	l := gate.Link{From: h.from.name, To: h.to.name, Words: words(f), Logs: f.LogBin && f.LogReplicaUpdates}
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
	if l.Strict, err = strict(ctx, h); err != nil {
		return l, err
	}
	if l.Skips = len(l.Strict) > 0; !l.Running {
		return l, err
	}
	if l.Since, l.Threads, err = m.unbroken(ctx, h); err != nil || l.Threads != nil {
		return l, err
	}
	all, err := seesAll(ctx, h.to.server)
	if err == nil && !all {
		l.Grant = h.to.server.Grant("PROCESS")
	}
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

// strict is what ends that the applier passes over errors or transactions, or overwrites what does not fit; none if it does not.
func strict(ctx context.Context, h hop) ([]string, error) {
	list, err := h.to.server.Channels(ctx)
	if err != nil {
		return nil, err
	}
	if h.link.Direct() {
		c, channelErr := h.link.Channel(ctx)
		var gone *cluster.FenceError
		if errors.As(channelErr, &gone) {
			return nil, nil
		}
		if channelErr != nil {
			return nil, channelErr
		}
		list = []cluster.ReplicaChannel{c}
	}
	var out []string
	prefix := "replica_"
	if words(h.to.server.Facts()) != gate.WordsReplica {
		prefix = "slave_"
	}
	if slices.ContainsFunc(list, func(c cluster.ReplicaChannel) bool { return strings.EqualFold(c.ExecMode, "IDEMPOTENT") }) {
		out = append(out, "SET GLOBAL "+prefix+"exec_mode = 'STRICT'")
	}
	got, err := variables(ctx, h.to.server, "sql_slave_skip_counter", "sql_replica_skip_counter")
	for _, name := range sortedKeys(got) {
		if n := got[name]; n != "0" && n != "" {
			out = append(out, "SET GLOBAL "+name+" = 0")
			break
		}
	}
	if slices.ContainsFunc(list, func(c cluster.ReplicaChannel) bool { return len(c.SkipErrors) > 0 }) {
		out = append(out, "remove "+prefix+"skip_errors from the option file and restart it")
	}
	return out, err
}

// passesOver tells whether a channel's applier goes on after errors, or overwrites what does not fit.
func passesOver(c cluster.ReplicaChannel) bool {
	return len(c.SkipErrors) > 0 || strings.EqualFold(c.ExecMode, "IDEMPOTENT")
}

// unbroken is from when on a running link is known to have run without a break: since its threads began, and before that
// as far as earlier evidence goes. Where the age of the threads is not told, it is since the first look that saw the same
// ones. Zero: not known.
func (m *measurement) unbroken(ctx context.Context, h hop) (time.Time, *gate.Threads, error) {
	// Servers in between are not asked. Replicas of a side are nodes themselves, each judged by the channel that it has.
	if !h.link.Direct() && !m.isReplica(h.to) {
		return time.Time{}, nil, nil
	}
	age, known, ids, err := linkAge(ctx, h)
	if err != nil {
		return time.Time{}, nil, err
	}
	now := m.now()
	floor := now.Add(-age)
	if !known {
		floor = now
	}
	since := floor
	for _, seen := range m.sights() {
		l, ok := linkOf(seen.links, h)
		same := ok && sameThreads(l.Threads, ids)
		switch {
		case !ok || !same && seen.at.Before(floor): // the threads began later: there was a break
		case !l.Running || l.Error != "" || l.Skips: // what was passed over is missing as after a break
			floor, since = seen.at, seen.at
		case !l.Since.IsZero() && l.Since.Before(since):
			since = l.Since
		}
	}
	return since, ids, nil
}

// linkAge is threadsAge for a link. A Galera cluster brings changes to a node by no threads that tell: what stands for them is
// the number of the cluster's view, which is another one after each coming and going of a node.
func linkAge(ctx context.Context, h hop) (age time.Duration, known bool, ids *gate.Threads, err error) {
	if h.link.Proof() != cluster.ByGalera {
		c, channelErr := h.link.Channel(ctx)
		if channelErr != nil {
			return 0, false, nil, fmt.Errorf("see since when %s→%s runs: %w", h.from.name, h.to.name, channelErr)
		}
		return threadsAge(ctx, h.to.server, c)
	}
	g, err := h.to.server.GaleraNode(ctx)
	if err != nil {
		return 0, false, nil, err
	}
	up, err := uptime(ctx, h.to.server)
	return 0, false, &gate.Threads{Receiver: g.View, Applier: g.View, Started: time.Now().Add(-up).UTC().Truncate(time.Second)}, err
}

// sight is what was seen of replication at a moment.
type sight struct {
	at    time.Time
	links []gate.Link
}

// sights are those of earlier evidence, oldest first: of looks at replication, and of checks when they began.
func (m *measurement) sights() []sight {
	var out []sight
	for _, e := range m.earlier {
		switch c := e.Content.(type) {
		case gate.Sync:
			out = append(out, sight{e.Taken, c.Links})
		case gate.Check:
			out = append(out, sight{e.From, c.Links})
		case gate.Nodes:
			out = append(out, sight{e.Taken, m.linksOf(c)})
		}
	}
	slices.SortStableFunc(out, func(a, b sight) int { return a.at.Compare(b.at) })
	return out
}

// linksOf are the links to those replicas that are the same servers still.
func (m *measurement) linksOf(c gate.Nodes) []gate.Link {
	var out []gate.Link
	for _, n := range c.Nodes {
		same := slices.ContainsFunc(m.replicas, func(r Replica) bool {
			return r.Name == n.Name && r.Server != nil && r.Server.Facts().ServerUUID == n.UUID
		})
		if same && n.Link != nil {
			out = append(out, *n.Link)
		}
	}
	return out
}

// Links are both ways of replication between two servers as they are now, for what begins now: whether they run, and by which
// threads since when. Lag is not waited for. A way that is not there, or cannot be seen, is left out.
func Links(ctx context.Context, old, new *cluster.Server) ([]gate.Link, error) {
	m, err := begin(ctx, Servers{Old: old, New: new}, Request{})
	if err != nil {
		return nil, err
	}
	hops, err := m.hops(ctx)
	if err != nil {
		return nil, err
	}
	var out []gate.Link
	for _, h := range hops {
		if h.link == nil {
			continue
		}
		st, err := h.link.State(ctx)
		if err != nil {
			return nil, err
		}
		l := gate.Link{From: h.from.name, To: h.to.name, Running: st.Running, Error: st.Trouble, Words: words(h.to.server.Facts())}
		if l.Running {
			if l.Since, l.Threads, err = m.unbroken(ctx, h); err != nil {
				return nil, err
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// linkOf is what is said of a hop.
func linkOf(links []gate.Link, h hop) (gate.Link, bool) {
	for _, l := range links {
		if l.From == h.from.name && l.To == h.to.name {
			return l, true
		}
	}
	return gate.Link{}, false
}
