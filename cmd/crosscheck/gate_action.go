package main

import (
	"context"
	"errors"
	"fmt"

	"crosscheck/cluster"
	"crosscheck/gate"
	"crosscheck/gate/measure"
	"crosscheck/internal/fault"
)

// apply makes the change of --apply, and records it, also where it failed half-way.
func (m *migration) apply(ctx context.Context, name, action string) ([]gate.Action, error) {
	if err := m.meant(); err != nil {
		return nil, fmt.Errorf("%s was not applied: %w", action, err)
	}
	change, err := measure.Prepare(ctx, m.servers, action, measure.Request{Plan: m.plan, Gate: name, Earlier: m.evidence.All()})
	if err != nil {
		return nil, err
	}
	m.remarks = append(m.remarks, change.Notes...)
	if len(change.Statements) == 0 {
		m.remarks = append(m.remarks, action+": there is nothing to do")
		return nil, nil
	}
	done, err := change.Apply(ctx)
	e := m.stamp(m.servers.Old.Facts().ServerUUID, m.servers.New.Facts().ServerUUID, done)
	m.keep(e, false)
	return []gate.Action{done}, errors.Join(err, m.record(ctx, name))
}

// meant refuses servers that the plan is not about: another one may answer at an address.
func (m *migration) meant() error {
	s := m.judge()
	if s.Old == "" || s.New == "" {
		return usageError("it is not known which two servers the plan is about: crosscheck preflight --plan %s", shellWord(m.flags.file))
	}
	for _, side := range []struct {
		label, want string
		server      *cluster.Server
	}{{"old", s.Old, m.servers.Old}, {"new", s.New, m.servers.New}} {
		if got := side.server.Facts().ServerUUID; got != side.want {
			return fmt.Errorf("%s is the server %s now, the plan is about %s", side.label, got, side.want)
		}
	}
	return nil
}

// proposals are the changes that --apply would make where a gate asks for them.
func (m *migration) proposals(ctx context.Context, s gate.Status, name string) []gate.Action {
	r, _ := s.Gate(name)
	var out []gate.Action
	for _, action := range actionsOf(name) {
		if !asksFor(r, action) {
			continue
		}
		change, err := measure.Prepare(ctx, m.servers, action, measure.Request{Plan: m.plan, Gate: name, Earlier: m.evidence.All()})
		if err != nil {
			m.remarks = append(m.remarks, "what --apply "+action+" would do is not known: "+fault.Line(err.Error()))
			continue
		}
		m.remarks = append(m.remarks, change.Notes...)
		would := gate.Action{Name: action}
		for _, st := range change.Statements {
			would.Statements = append(would.Statements, st.Side+": "+st.SQL)
		}
		if len(would.Statements) > 0 {
			out = append(out, would)
		}
	}
	return out
}

// asksFor tells whether a reason of the gate is mended by an action.
func asksFor(r gate.Result, action string) bool {
	mends := map[string]string{
		gate.ReasonStepWrong: measure.ActionSetSteps, gate.ReasonStepOverlap: measure.ActionSetSteps,
		gate.ReasonStepIgnored: measure.ActionSetSteps, gate.ReasonStepNotPersisted: measure.ActionSetSteps,
		gate.ReasonStaleSessions: measure.ActionKillStale, gate.ReasonStepNotRestored: measure.ActionRestoreStep,
	}
	for _, x := range r.Reasons {
		if mends[x.ID] == action {
			return true
		}
	}
	return false
}
