package measure

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

const (
	// liveWindow is how long a measurement itself watches sessions and writes. Applications that connect for each
	// statement are not there at every moment.
	liveWindow  = time.Second
	lookEvery   = 100 * time.Millisecond
	echoTimeout = 5 * time.Second
)

// users are the application's sessions, over all looks of a measurement.
type users struct {
	seen      bool
	grants    []string // that let the account see them, each with its side
	onOld     map[gate.Session]bool
	onNew     int             // the most at once
	readers   int             // the same, of new's replicas
	ids       map[uint64]bool // of all that were seen on new
	unreached []string        // replicas whose sessions are not known
}

func (u *users) list() []gate.Session {
	out := slices.SortedFunc(maps.Keys(u.onOld), func(a, b gate.Session) int { return cmp.Or(strings.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID)) })
	return append([]gate.Session{}, out...)
}

// watchSessions looks at the application's sessions again and again for a time.
func (m *measurement) watchSessions(ctx context.Context, d time.Duration) (users, error) {
	u := users{seen: true, onOld: map[gate.Session]bool{}, ids: map[uint64]bool{}}
	for _, n := range []node{{nodeOld, m.old}, {nodeNew, m.new}} {
		ok, err := seesAll(ctx, n.server)
		if err != nil {
			return u, err
		}
		if !ok {
			u.seen, u.grants = false, append(u.grants, "on "+n.name+": "+n.server.Grant("PROCESS"))
		}
	}
	for begin := time.Now(); ; {
		if err := m.look(ctx, &u); err != nil {
			return u, err
		}
		if err := m.lookAtReplicas(ctx, &u); err != nil {
			return u, err
		}
		if time.Since(begin) >= d {
			return u, nil
		}
		if err := pause(ctx, lookEvery); err != nil {
			return u, err
		}
	}
}

// look adds one look. A session that may be ours counts where it speaks against the switch, not where it speaks for it.
func (m *measurement) look(ctx context.Context, u *users) error {
	list, err := m.old.Sessions(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if m.r.Plan.Application(c.User, c.Host) {
			u.onOld[session(c)] = true
		}
	}
	if list, err = m.new.Sessions(ctx); err != nil {
		return err
	}
	n := 0
	for _, c := range list {
		if m.r.Plan.Application(c.User, c.Host) && !c.MayBeOwn {
			n++
			u.ids[c.ID] = true
		}
	}
	u.onNew = max(u.onNew, n)
	return nil
}

// lookAtReplicas adds the sessions on the plan's replicas. One that does not answer, or does not show all sessions, is named.
func (m *measurement) lookAtReplicas(ctx context.Context, u *users) error {
	readers := 0
	for _, r := range m.replicas {
		if slices.Contains(u.unreached, r.Name) {
			continue
		}
		list, err := sessionsOn(ctx, r.Server)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil || list == nil:
			u.unreached = append(u.unreached, r.Name)
			continue
		}
		for _, c := range list {
			s := session(c)
			s.Node = r.Name
			switch app := m.r.Plan.Application(c.User, c.Host); {
			case app && r.Side == nodeOld:
				u.onOld[s] = true
			case app && !c.MayBeOwn:
				readers++
			}
		}
	}
	u.readers = max(u.readers, readers)
	return nil
}

// sessionsOn are a server's sessions; nil if it is not connected or does not show all of them.
func sessionsOn(ctx context.Context, s *cluster.Server) ([]cluster.Session, error) {
	if s == nil {
		return nil, nil
	}
	if ok, err := seesAll(ctx, s); err != nil || !ok {
		return nil, err
	}
	list, err := s.Sessions(ctx)
	return append([]cluster.Session{}, list...), err
}

// unreachedOf are the replicas of one side whose sessions are not known.
func (m *measurement) unreachedOf(u users, sides ...string) []string {
	var out []string
	for _, r := range m.replicas {
		if slices.Contains(u.unreached, r.Name) && slices.Contains(sides, r.Side) {
			out = append(out, r.Name)
		}
	}
	return out
}

// start is where the counting of writes begins.
type start struct {
	old, new gtid.Position
	when     time.Time
}

// traffic measures who uses the servers, after since. The window reaches back to earlier evidence if there is any that is
// fresh enough, so that an application that writes seldom is seen as well.
func (m *measurement) traffic(ctx context.Context, since time.Time) (gate.Traffic, error) {
	live, err := m.startNow(ctx)
	if err != nil {
		return gate.Traffic{}, err
	}
	from, ok := m.earlierStart(since, live)
	if !ok {
		from = live
	}
	u, err := m.watchSessions(ctx, liveWindow)
	if err != nil {
		return gate.Traffic{}, err
	}
	t := gate.Traffic{
		SessionsSeen: u.seen, Grants: u.grants, AppOnOld: u.list(), AppOnNew: u.onNew, ReadersOnNew: u.readers,
		Unreached: m.unreachedOf(u, nodeOld, nodeNew),
	}
	to, err := m.startNow(ctx)
	if err != nil {
		return t, err
	}
	var read bool
	t.NewByApp, t.WritersTold, read, err = writtenBy(ctx, m.new, from.new, to.new, u.ids)
	if err == nil && !read { // what is too much to read is read from the looks on
		t.NewByApp, t.WritersTold, _, err = writtenBy(ctx, m.new, live.new, to.new, u.ids)
	}
	if err != nil {
		return t, err
	}
	t.NewByApp = max(t.NewByApp, m.writtenBefore(since))
	var okOld, okNew bool
	// What old took up to the look before was told by that one: a writer that has ended since shuts nothing.
	if _, e, ok := newest[gate.WritesSwitch](m); ok && e.Taken.After(from.when) && !at(e, nodeOld).IsZero() {
		from.old = at(e, nodeOld)
	}
	if t.OldWrites, okOld, err = ownWrites(ctx, m.old, from.old, to.old); err != nil {
		return t, err
	}
	if t.NewWrites, okNew, err = ownWrites(ctx, m.new, from.new, to.new); err != nil {
		return t, err
	}
	t.WritesSeen, t.Window = okOld && okNew, m.now().Sub(from.when)
	for _, n := range []struct {
		node
		ok bool
	}{{node{nodeOld, m.old}, okOld}, {node{nodeNew, m.new}, okNew}} {
		if n.ok {
			continue
		}
		how, err := countable(ctx, n.server)
		if err != nil {
			return t, err
		}
		if how != "" {
			t.Count = append(t.Count, "on "+n.name+": "+how)
		}
	}
	return t, nil
}

// countable is what lets a server's writes be counted; "" if nothing is known to be missing.
func countable(ctx context.Context, s *cluster.Server) (string, error) {
	if !s.Facts().LogBin {
		return "write log_bin into its option file and restart it", nil
	}
	err := s.CheckPrivileges(ctx, cluster.PrivReplicationClient, cluster.PrivReplicationSlave)
	var missing *cluster.PrivilegeError
	if errors.As(err, &missing) {
		return s.Grant("REPLICATION CLIENT, REPLICATION SLAVE"), nil
	}
	return "", err
}

// writtenBefore is what the application was seen to write on new after a moment, by the newest look that is as fresh as the
// state of servers must be: one that writes seldom need not write at each look.
func (m *measurement) writtenBefore(since time.Time) int64 {
	c, e, ok := newest[gate.WritesSwitch](m)
	if !ok || since.IsZero() || e.Taken.Before(since) || e.Taken.Before(m.now().Add(-m.r.Plan.Ages.State)) {
		return 0
	}
	return c.NewByApp
}

func (m *measurement) startNow(ctx context.Context) (start, error) {
	out := start{when: m.now()}
	var err error
	if out.old, _, err = position(ctx, m.old); err != nil {
		return out, err
	}
	out.new, _, err = position(ctx, m.new)
	return out, err
}

// earlierStart is the oldest evidence after a moment that is as fresh as the state of servers must be. Writes are not counted over
// a log that began anew.
func (m *measurement) earlierStart(since time.Time, now start) (start, bool) {
	if since.IsZero() {
		return start{}, false
	}
	oldest := m.now().Add(-m.r.Plan.Ages.State)
	for _, e := range m.earlier {
		o, n := at(e, nodeOld), at(e, nodeNew)
		if !e.From.IsZero() || e.Taken.Before(since) || e.Taken.Before(oldest) || o.IsZero() || n.IsZero() ||
			now.old.Shrank(o) || now.new.Shrank(n) {
			continue
		}
		// The positions were read a little before the evidence was done. The window is said to be as long as it is
		// known to be.
		return start{old: o, new: n, when: e.Taken}, true
	}
	return start{}, false
}

// declaration is somebody's word that the application was switched.
type declaration struct {
	by   string
	when time.Time
}

// declared finds out since when the switch is declared. A word stays the same while it is repeated, so that repeating it
// does not move the switch; a word that was given too early, before anything was seen on new or before the window that is
// open now, is replaced by a later one.
func (m *measurement) declared(kind gate.Kind) declaration {
	d, confirmed := m.word(kind)
	if by := strings.TrimSpace(m.r.By); by != "" && (!confirmed || m.beforeWindow(kind, d.when)) {
		if m.r.Said.IsZero() {
			return declaration{by, m.now()}
		}
		return declaration{by, m.r.Said.UTC().Round(0)}
	}
	return d
}

// word is the declaration that counts of those of before, and whether the application was seen to follow it. Where it came
// back to old after it had left it, it needs a new word; while both sides take writes, being on old is no coming back. So does a
// word that is older than the window that is open now. What was said for another plan is no word for this one.
func (m *measurement) word(kind gate.Kind) (d declaration, confirmed bool) {
	left := false
	var back time.Time   // when the application was last seen back on old: words of before are void
	var window time.Time // since when old is read only, by the last look
	for _, e := range m.earlier {
		if c, isWindow := e.Content.(gate.ReadOnly); isWindow && kind == gate.KindWritesSwitch {
			window = c.Since
		}
		if e.Kind() != kind {
			continue
		}
		by, when, seen := switchOf(e)
		if e.Plan != m.r.Plan.Hash() {
			by = ""
		}
		late := d.when.Before(window) && !when.Before(window)
		if by != "" && when.After(back) && (d.when.IsZero() || (!confirmed || late) && when.After(d.when)) {
			d, confirmed, left = declaration{by, when}, false, false
		}
		confirmed = confirmed || !d.when.IsZero() && seen
		c, isSwitch := e.Content.(gate.WritesSwitch)
		if !isSwitch || m.r.Plan.Path == plan.DualWrite || !confirmed {
			continue
		}
		onOld := len(c.AppOnOld) > 0 || c.OldWrites > 0
		if left = left || !onOld; left && onOld {
			d, confirmed, left, back = declaration{}, false, false, e.Taken
		}
	}
	return d, confirmed
}

// beforeWindow tells whether a word was given before old was read only, on a path that switches within such a window.
func (m *measurement) beforeWindow(kind gate.Kind, when time.Time) bool {
	c, _, ok := newest[gate.ReadOnly](m)
	return ok && kind == gate.KindWritesSwitch && when.Before(c.Since)
}

// switchOf reads an earlier declaration, and whether the application was seen on new then.
func switchOf(e gate.Evidence) (by string, when time.Time, seen bool) {
	switch c := e.Content.(type) {
	case gate.ReadsSwitch:
		return c.By, c.Switched, c.SessionsSeen && c.AppOnNew+c.ReadersOnNew > 0
	case gate.WritesSwitch:
		return c.By, c.Switched, c.SessionsSeen && c.AppOnNew > 0 && c.WritesSeen && c.NewWrites > 0 && (!c.WritersTold || c.NewByApp > 0)
	}
	return "", time.Time{}, false
}

func (m *measurement) readsSwitch(ctx context.Context) (gate.Content, error) {
	d := m.declared(gate.KindReadsSwitch)
	t, err := m.traffic(ctx, d.when)
	return gate.ReadsSwitch{By: d.by, Switched: d.when, Traffic: t}, err
}

func (m *measurement) writesSwitch(ctx context.Context) (gate.Content, error) {
	d := m.declared(gate.KindWritesSwitch)
	t, err := m.traffic(ctx, d.when)
	return gate.WritesSwitch{By: d.by, Switched: d.when, Traffic: t}, err
}

// drained measures since when old takes no write of its own. Each measurement goes on where the one before it ended, so
// that the time without writes adds up.
func (m *measurement) drained(ctx context.Context) (gate.Content, error) {
	from, since, ok := m.drainedBefore()
	if !ok {
		p, known, err := position(ctx, m.old)
		if err != nil {
			return nil, err
		}
		if from = p; known {
			since = m.now() // after the position was read: what is written from now on will be counted
		}
	}
	window := liveWindow
	if m.r.Plan.Path == plan.GTIDConverter {
		window = 0 // old is read only: nobody can begin to write
	}
	u, err := m.watchSessions(ctx, window)
	if err != nil {
		return nil, err
	}
	out := gate.Drained{SessionsSeen: u.seen, Grants: u.grants, AppOnOld: u.list(), Unreached: m.unreachedOf(u, nodeOld), Since: since}
	to, known, err := position(ctx, m.old)
	if err != nil || !known {
		out.Since = time.Time{}
		return out, err
	}
	out.OldThrough = to.String()
	n, counted, err := ownWrites(ctx, m.old, from, to)
	if err != nil {
		return nil, err
	}
	if out.OldWrites = n; !counted {
		out.Since = time.Time{}
	}
	if out.EchoesComplete, err = m.arrived(ctx, to, echoTimeout); err != nil || out.EchoesComplete || !counted || n > 0 {
		return out, err
	}
	out.EchoesComplete, err = m.arrivedBefore(ctx)
	return out, err
}

// arrivedBefore tells, of an old that wrote nothing since the look before, that all had arrived then: after the switch of a rolling
// upgrade, replication from old may be taken away.
func (m *measurement) arrivedBefore(ctx context.Context) (bool, error) {
	c, _, ok := newest[gate.Drained](m)
	if !ok || !c.EchoesComplete || m.r.Plan.Path != plan.RollingUpgrade {
		return false, nil
	}
	rel, err := cluster.Relate(ctx, m.old, m.new)
	return err == nil && rel.OldToNew == nil, err
}

// drainedBefore is where the last measurement ended, and since when old takes no writes by it.
func (m *measurement) drainedBefore() (from gtid.Position, since time.Time, ok bool) {
	c, e, there := newest[gate.Drained](m)
	if !there || c.OldThrough == "" {
		return from, since, false
	}
	from, err := gtid.ParsePosition(c.OldThrough)
	if err != nil || from.IsZero() {
		return from, since, false
	}
	switch {
	case c.OldWrites > 0, c.Since.IsZero():
		return from, e.Taken, true // its writes came before its position was read
	default:
		return from, c.Since, true
	}
}

// arrived tells whether everything up to a position of old is known to have been applied on new, over all hops.
func (m *measurement) arrived(ctx context.Context, p gtid.Position, limit time.Duration) (bool, error) {
	hops, err := m.forward(ctx)
	if err != nil || len(hops) == 0 {
		return false, err
	}
	for i, h := range hops {
		if i > 0 {
			// What the node before had applied is in its own log by now.
			var known bool
			if p, known, err = position(ctx, h.from.server); err != nil || !known {
				return false, err
			}
		}
		done, err := reaches(ctx, h.link, p, limit)
		if err != nil || !done {
			return false, err
		}
	}
	return true, nil
}
