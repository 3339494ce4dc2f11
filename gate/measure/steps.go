package measure

import (
	"context"
	"strings"

	"crosscheck/cluster"
	"crosscheck/gate"
)

func (m *measurement) steps(ctx context.Context) (gate.Content, error) {
	var out gate.Steps
	var err error
	if out.Old, err = stepSide(ctx, m.old); err != nil {
		return nil, err
	}
	out.New, err = stepSide(ctx, m.new)
	return out, err
}

func (m *measurement) stepRestored(ctx context.Context) (gate.Content, error) {
	side, err := stepSide(ctx, m.new)
	return gate.StepRestored{New: side}, err
}

func stepSide(ctx context.Context, s *cluster.Server) (gate.StepSide, error) {
	v, err := lookAtSteps(ctx, s)
	if err != nil {
		return gate.StepSide{}, err
	}
	out := gate.StepSide{Global: v.global, Overridden: v.driver, SessionsSeen: v.seen}
	for _, c := range v.stale {
		out.Stale = append(out.Stale, session(c))
	}
	out.Persisted, out.PersistedKnown, err = persisted(ctx, s, v.global)
	return out, err
}

func session(c cluster.Session) gate.Session {
	return gate.Session{ID: c.ID, User: c.User, Host: c.Host}
}

// stepView is a server's step, and the sessions that have another one.
type stepView struct {
	global gate.Step
	driver string
	seen   bool // the step of each session is known
	stale  []cluster.Session
	steps  map[uint64]cluster.StepPair
}

func stepOf(p cluster.StepPair) gate.Step {
	return gate.Step{Increment: int(p.Increment), Offset: int(p.Offset)}
}

// lookAtSteps asks for the sessions before and after their steps: one that is there both times must have shown its step.
func lookAtSteps(ctx context.Context, s *cluster.Server) (stepView, error) {
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
	v := stepView{global: stepOf(st.Global), driver: st.Driver, steps: st.Sessions}
	all, err := seesAll(ctx, s)
	if err != nil {
		return v, err
	}
	v.seen = all && st.Sessions != nil
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
		}
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
