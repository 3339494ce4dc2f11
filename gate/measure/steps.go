package measure

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/gate"
	"crosscheck/internal/fault"
)

func (m *measurement) steps(ctx context.Context) (gate.Content, error) {
	var out gate.Steps
	var err error
	if out.Old, err = m.stepSide(ctx, m.old); err != nil {
		return nil, err
	}
	if out.New, err = m.stepSide(ctx, m.new); err != nil {
		return nil, err
	}
	for _, n := range []node{{nodeOld, m.old}, {nodeNew, m.new}} {
		nodes, unplanned, err := m.stepNodes(ctx, n)
		if err != nil {
			return nil, err
		}
		out.Nodes, out.Unplanned = append(out.Nodes, nodes...), append(out.Unplanned, unplanned...)
	}
	return out, nil
}

// stepNodes measures the other nodes of a side's Galera cluster or replication group, which take writes with steps of their own,
// now or as soon as the group chooses another primary. Nodes of theirs that the plan does not name are told.
func (m *measurement) stepNodes(ctx context.Context, side node) (nodes []gate.StepNode, unplanned []string, err error) {
	f := side.server.Facts()
	if !f.Galera && !f.GroupReplication {
		return nil, nil, nil
	}
	named := []*cluster.Server{side.server}
	for _, r := range m.replicas {
		if r.Side != side.name || r.Server != nil && !r.Server.Facts().Galera && !r.Server.Facts().GroupReplication {
			continue
		}
		var n gate.StepNode
		if n, err = m.stepNode(ctx, r); err != nil {
			return nil, nil, err
		}
		if nodes = append(nodes, n); r.Server != nil {
			named = append(named, r.Server)
		}
	}
	unplanned, err = unplannedMembers(ctx, side, named)
	return nodes, unplanned, err
}

// stepNode measures the step of a node that the plan names; that it does not answer is evidence itself.
func (m *measurement) stepNode(ctx context.Context, r Replica) (n gate.StepNode, err error) {
	n = gate.StepNode{Name: r.Name, Side: r.Side}
	trouble := r.Err
	if r.Server != nil {
		n.StepSide, trouble = m.stepSide(ctx, r.Server)
	}
	if ctx.Err() != nil {
		return n, ctx.Err()
	}
	if trouble != nil {
		n = gate.StepNode{Name: r.Name, Side: r.Side, Trouble: fault.Line(trouble.Error())}
	}
	return n, nil
}

// unplannedMembers says that a side's cluster has nodes besides those that are named. A node that is named and has left the
// cluster stands for none that is in it.
func unplannedMembers(ctx context.Context, side node, named []*cluster.Server) ([]string, error) {
	if !side.server.Facts().Galera {
		return unplannedOfGroup(ctx, side, named)
	}
	g, err := side.server.GaleraNode(ctx)
	if err != nil {
		return nil, err
	}
	inside := 1
	for _, s := range named[1:] {
		if n, err := s.GaleraNode(ctx); err == nil && n.Cluster == g.Cluster && n.View == g.View {
			inside++
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if g.Nodes > inside {
		return []string{fmt.Sprintf("the Galera cluster of %s has %d nodes, and the plan names %d of them", side.name, g.Nodes, inside)}, nil
	}
	return nil, nil
}

func unplannedOfGroup(ctx context.Context, side node, named []*cluster.Server) ([]string, error) {
	members, shown, err := side.server.GroupMembers(ctx)
	switch {
	case err != nil:
		return nil, err
	case !shown:
		return []string{side.name + " does not show the members of its replication group"}, nil
	}
	inside := 0
	for _, uuid := range members {
		if slices.ContainsFunc(named, func(s *cluster.Server) bool { return strings.EqualFold(s.Facts().ServerUUID, uuid) }) {
			inside++
		}
	}
	if len(members) > inside {
		return []string{fmt.Sprintf("the replication group of %s has %d members, and the plan names %d of them", side.name, len(members), inside)}, nil
	}
	return nil, nil
}

// stepName is what the steps' evidence calls a server.
func (m *measurement) stepName(s *cluster.Server) string {
	uuid := s.Facts().ServerUUID
	for _, r := range m.replicas {
		if r.Server != nil && r.Server.Facts().ServerUUID == uuid {
			return r.Name
		}
	}
	if uuid == m.new.Facts().ServerUUID {
		return nodeNew
	}
	return nodeOld
}

// stepRestored measures new and all of its nodes: those that take writes besides it, and those that may be promoted.
func (m *measurement) stepRestored(ctx context.Context) (gate.Content, error) {
	side, err := m.stepSide(ctx, m.new)
	if err != nil {
		return nil, err
	}
	out := gate.StepRestored{New: side}
	if _, out.Unplanned, err = m.stepNodes(ctx, node{nodeNew, m.new}); err != nil {
		return nil, err
	}
	for _, r := range m.replicas {
		if r.Side != nodeNew {
			continue
		}
		n, err := m.stepNode(ctx, r)
		if err != nil {
			return nil, err
		}
		out.Nodes = append(out.Nodes, n)
	}
	return out, nil
}

func (m *measurement) stepSide(ctx context.Context, s *cluster.Server) (gate.StepSide, error) {
	v, err := lookAtSteps(ctx, s)
	if err != nil {
		return gate.StepSide{}, err
	}
	out := gate.StepSide{Global: v.global, Overridden: v.driver, SessionsSeen: v.seen, Hidden: v.hidden}
	f := s.Facts()
	switch {
	case !v.all:
		out.Grant = s.Grant("PROCESS")
	case v.hidden && !f.IsMariaDB() && f.AtLeast(5, 7, 0) && f.PerformanceSchema:
		out.Grant = s.Grant("SELECT") // performance_schema is hidden from the account
	}
	if out.Persisted, out.PersistedKnown, err = persisted(ctx, s, v.global); err != nil {
		return out, err
	}
	if v.hidden && v.all {
		if out.Mark, err = m.mark(ctx, s, v, out.Persisted); err != nil {
			return out, err
		}
		v.stale = m.older(s, v, out.Mark)
	}
	for _, c := range v.busy {
		out.Busy = append(out.Busy, gate.BusySession{Session: session(c), Seconds: int64(c.Time.Seconds())})
	}
	for _, c := range v.stale {
		out.Stale = append(out.Stale, session(c))
	}
	return out, nil
}

// mark is a connection id that every session has exceeded that surely began with the present step. Where a server shows
// no session's step, that is all there is to know, and it needs the looks before: connection ids only rise.
func (m *measurement) mark(ctx context.Context, s *cluster.Server, v stepView, kept *gate.Step) (uint64, error) {
	if s.Facts().IsMariaDB() && kept != nil && *kept == v.global {
		return 0, nil // it comes from the option file, and was not set since the server started
	}
	up, err := uptime(ctx, s)
	if err != nil {
		return 0, err
	}
	if c, e, ok := newest[gate.Steps](m); ok {
		before, global, known := c.Mark(m.stepName(s))
		// After a restart the ids begin anew. The age is given in whole seconds.
		if known && before > 0 && global == v.global && m.now().Sub(e.Taken)+time.Second < up {
			return before, nil
		}
	}
	top := uint64(1)
	for _, c := range v.sessions {
		top = max(top, c.ID)
	}
	return top, nil
}

// older are the sessions up to a mark. One that may be ours, from whatever host, is not, unless the application has the same
// account.
func (m *measurement) older(s *cluster.Server, v stepView, mark uint64) []cluster.Session {
	var out []cluster.Session
	for _, c := range v.sessions {
		own := c.MayBeOwn || c.User == s.Config().User
		if c.ID <= mark && !replicaCommand(c.Command) && (!own || m.r.Plan.Application(c.User, c.Host)) {
			out = append(out, c)
		}
	}
	return out
}

func session(c cluster.Session) gate.Session {
	return gate.Session{ID: c.ID, User: c.User, Host: c.Host}
}

// stepView is a server's step, and the sessions that have another one.
type stepView struct {
	global   gate.Step
	driver   string
	all      bool // all sessions are visible
	seen     bool // the step of each session is known
	hidden   bool // the server shows no session's step
	sessions []cluster.Session
	stale    []cluster.Session
	busy     []cluster.Session // did not show their step
}

func stepOf(p cluster.StepPair) gate.Step {
	return gate.Step{Increment: int(p.Increment), Offset: int(p.Offset)}
}

// lookAtSteps looks at the steps of a server and its sessions. One that is about to end is in the lists and shows no step any
// more: then it looks again.
func lookAtSteps(ctx context.Context, s *cluster.Server) (stepView, error) {
	const tries, between = 5, 50 * time.Millisecond
	for i := 1; ; i++ {
		v, err := lookOnce(ctx, s)
		if err != nil || v.seen || v.hidden || !v.all || i == tries {
			return v, err
		}
		if err := pause(ctx, between); err != nil {
			return v, err
		}
	}
}

// lookOnce asks for the sessions before and after their steps: one that is there both times must have shown its step.
func lookOnce(ctx context.Context, s *cluster.Server) (stepView, error) {
	before, err := s.Sessions(ctx)
	if err != nil {
		return stepView{}, err
	}
	st, err := s.Steps(ctx)
	if err != nil {
		return stepView{}, err
	}
	after, err := s.Sessions(ctx)
	if err != nil {
		return stepView{}, err
	}
	v := stepView{global: stepOf(st.Global), driver: st.Driver, hidden: st.Sessions == nil, sessions: after}
	if v.all, err = seesAll(ctx, s); err != nil {
		return v, err
	}
	v.seen = v.all && !v.hidden
	was := map[uint64]bool{}
	for _, c := range before {
		was[c.ID] = true
	}
	for _, c := range after {
		if replicaCommand(c.Command) {
			continue // it writes nothing
		}
		step, known := st.Sessions[c.ID]
		switch {
		case known && step != st.Global:
			v.stale = append(v.stale, c)
		case !known && was[c.ID]:
			v.seen = false
			v.busy = append(v.busy, c)
		}
	}
	if slices.ContainsFunc(v.busy, func(c cluster.Session) bool { return c.Command == "Sleep" }) || !v.all || v.hidden {
		v.busy = nil // that is not why
	}
	return v, nil
}

// persisted is what the step is after a restart, as far as the server tells: nil where it does not, or where nothing but
// the running server has it. can tells whether the server keeps values itself.
//
// A value that was set at run time hides what the option file says, so nothing is known then.
func persisted(ctx context.Context, s *cluster.Server, now gate.Step) (step *gate.Step, can bool, err error) {
	f := s.Facts()
	const op = "read whether the step is persisted"
	var list []row
	switch {
	case f.IsMariaDB():
		list, err = optional(ctx, s, op, "SELECT VARIABLE_NAME AS name, GLOBAL_VALUE_ORIGIN AS source, '' AS persisted FROM information_schema.SYSTEM_VARIABLES "+
			"WHERE VARIABLE_NAME IN ('AUTO_INCREMENT_INCREMENT', 'AUTO_INCREMENT_OFFSET')")
	case f.AtLeast(8, 0, 0):
		list, err = optional(ctx, s, op, "SELECT i.VARIABLE_NAME AS name, i.VARIABLE_SOURCE AS source, COALESCE(p.VARIABLE_VALUE, '') AS persisted "+
			"FROM performance_schema.variables_info i LEFT JOIN performance_schema.persisted_variables p ON p.VARIABLE_NAME = i.VARIABLE_NAME "+
			"WHERE i.VARIABLE_NAME IN ('auto_increment_increment', 'auto_increment_offset')")
	}
	if err != nil || len(list) != 2 {
		return nil, false, err
	}
	out := now
	for _, r := range list {
		value, kept := r.int("persisted")
		if !kept && strings.EqualFold(r["source"], "COMPILED") {
			value, kept = 1, true // if it is another one, a group has set it
		}
		switch atRunTime := strings.EqualFold(r["source"], "DYNAMIC") || strings.EqualFold(r["source"], "SQL"); {
		case kept && strings.EqualFold(r["name"], "auto_increment_increment"):
			out.Increment = int(value)
		case kept:
			out.Offset = int(value)
		case atRunTime:
			return nil, !f.IsMariaDB(), nil
		}
	}
	return &out, !f.IsMariaDB(), nil
}
