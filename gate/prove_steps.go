package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

func judgeSteps(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Steps)
	if !ok {
		return j.wrongType(e)
	}
	out := j.stepSide("old", c.Old, Step{2, 1})
	out = append(out, j.stepSide("new", c.New, Step{2, 2})...)
	// Where a step by itself is wrong, that is the reason to tell.
	ownFault := slices.ContainsFunc(out, func(r Reason) bool {
		return r.ID == ReasonStepWrong || r.ID == ReasonStepIgnored || r.ID == ReasonStepOverridden
	})
	if !ownFault && overlap(c.Old.Global, c.New.Global) {
		out = append(out, *j.fail(ReasonStepOverlap, fmt.Sprintf("old's step %s and new's %s make common keys", c.Old.Global, c.New.Global),
			"on new: "+c.New.set(c.Old.Global.beside())))
	}
	return append(out, j.stepNodes(c)...)
}

// stepNodes judges the further nodes that take writes: each one's step must keep clear of the other side's.
func (j *judge) stepNodes(c Steps) []Reason {
	var out []Reason
	for _, n := range c.Nodes {
		own, other, name, advice := c.New, c.Old, "old", Step{2, 2}
		if n.Side == "old" {
			own, other, name, advice = c.Old, c.New, "new", Step{2, 1}
		}
		if n.Trouble != "" {
			out = append(out, *j.unknown(ReasonNodeMissing, colon("the step of "+n.Name+", which takes writes or may, is not known", n.Trouble), mendMissingStep))
			continue
		}
		reasons := j.stepSide(n.Name, n.StepSide, advice)
		if !slices.ContainsFunc(reasons, func(r Reason) bool {
			return r.ID == ReasonStepWrong || r.ID == ReasonStepIgnored || r.ID == ReasonStepOverridden
		}) &&
			overlap(n.Global, other.Global) {
			to := own.Global
			if overlap(to, other.Global) {
				to = advice
			}
			reasons = append(reasons, *j.fail(ReasonStepOverlap, fmt.Sprintf("%s's step %s and %s's %s make common keys", n.Name, n.Global, name, other.Global),
				"on "+n.Name+": "+n.set(to)))
		}
		out = append(out, reasons...)
	}
	return append(out, j.unplannedSteps(c.Unplanned)...)
}

// String is the step as increment and offset.
func (s Step) String() string { return fmt.Sprintf("%d, offset %d", s.Increment, s.Offset) }

// beside is a step that makes no key of this one, which must be at least 2 with an offset within it.
func (s Step) beside() Step { return Step{Increment: s.Increment, Offset: s.Offset%s.Increment + 1} }

// set is the statement that gives a side a step, for good where its server keeps it: the offset first, so that no session
// starts in between with a pair that the other side has.
func (s StepSide) set(to Step) string {
	set := "SET GLOBAL"
	if s.PersistedKnown {
		set = "SET PERSIST"
	}
	return fmt.Sprintf("%s auto_increment_offset = %d; %s auto_increment_increment = %d", set, to.Offset, set, to.Increment)
}

// overlap tells whether two steps can make one key: their offsets agree modulo the greatest common divisor of the
// increments.
func overlap(a, b Step) bool {
	m, n := a.Increment, b.Increment
	for n != 0 {
		m, n = n, m%n
	}
	return m == 0 || (a.Offset-b.Offset)%m == 0
}

func (j *judge) stepSide(side string, s StepSide, advice Step) []Reason {
	var out []Reason
	on := "on " + side + ": "
	want := s.Global // what is wrong must not be persisted
	switch {
	case s.Overridden != "":
		next := on + "turn its control of the step off"
		if strings.HasPrefix(s.Overridden, "group_replication_") {
			next = on + s.set(advice) + "; a group leaves a step alone that is not 1, offset 1"
		}
		return append([]Reason{*j.fail(ReasonStepOverridden, side+"'s step is set by "+s.Overridden, next)}, j.staleSessions(side, s)...)
	case s.Global.Increment < 2 || s.Global.Offset < 1:
		want = advice
		out = append(out, *j.fail(ReasonStepWrong, side+"'s step is "+s.Global.String(), on+s.set(want)))
	case s.Global.Offset > s.Global.Increment:
		want = advice
		out = append(out, *j.fail(ReasonStepIgnored, side+"'s step is "+s.Global.String()+": the server ignores the offset", on+s.set(want)))
	}
	out = append(out, j.persisted(side, s, want)...)
	return append(out, j.staleSessions(side, s)...)
}

// persisted judges whether a restart keeps the step that is wanted.
func (j *judge) persisted(side string, s StepSide, want Step) []Reason {
	if s.Persisted != nil && *s.Persisted == s.Global || j.plan.Acknowledges(plan.AckNotPersisted) {
		return nil
	}
	next := "on " + side + ": " + s.set(want)
	text := side + "'s step is not persisted: a restart loses it"
	if !s.PersistedKnown {
		next = fmt.Sprintf("write auto_increment_offset = %d and auto_increment_increment = %d into %s's option file; acknowledge it in the plan: "+
			`[[acknowledge]] with id = "step_not_persisted", by, reason`, want.Offset, want.Increment, side)
		text = side + " cannot tell whether its step is persisted"
	}
	return []Reason{*j.fail(ReasonStepNotPersisted, text, next)}
}

func (j *judge) staleSessions(side string, s StepSide) []Reason {
	var out []Reason
	if len(s.Stale) > 0 {
		text := Many(len(s.Stale), "session on "+side+" has", "sessions on "+side+" have") + " another step than the server: "
		if s.Hidden {
			text = Many(len(s.Stale), "session", "sessions") + " on " + side + " began before its step was seen to be what it is, and may have another one: "
		}
		out = append(out, *j.fail(ReasonStaleSessions, text+people(s.Stale), "on "+side+": "+kill(s.Stale)))
	}
	if !s.SessionsSeen && !j.plan.Acknowledges(plan.AckSessionsUnseen) {
		text, next := "the steps of the live sessions on "+side+" are not known", "on "+side+": "+cmp.Or(s.Grant, "SHOW PROCESSLIST")
		if len(s.Busy) > 0 {
			var names []string
			var list []Session
			for _, b := range s.Busy {
				names = append(names, fmt.Sprintf("%d %s@%s for %s", b.ID, b.User, b.Host, time.Duration(b.Seconds)*time.Second))
				list = append(list, b.Session)
			}
			text = Many(len(list), "session on "+side+" does not show its step, since it is at a statement: ", "sessions on "+side+
				" do not show their step, since they are at a statement: ") + Some(names)
			next = "wait until it has ended, or end it; on " + side + ": " + kill(list)
		}
		if s.Hidden && s.Grant == "" {
			text = side + " does not show its sessions' steps: whether one of them set its own is not known"
			next = `see that the application sets none; acknowledge it in the plan: [[acknowledge]] with id = "stale_sessions_unseen", by, reason`
		}
		out = append(out, *j.unknown(ReasonStaleSessionsUnseen, text, next))
	}
	return out
}

// people lists the accounts of sessions.
func people(list []Session) string {
	names := make([]string, 0, len(list))
	for _, s := range list {
		name := fmt.Sprintf("%d %s@%s", s.ID, s.User, s.Host)
		if s.Node != "" {
			name += " on " + s.Node
		}
		names = append(names, name)
	}
	return Some(names)
}

// kill is the statements that end sessions.
func kill(list []Session) string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if len(out) == listed {
			out = append(out, "…")
			break
		}
		out = append(out, fmt.Sprintf("KILL %d", s.ID))
	}
	return strings.Join(out, "; ")
}

// judgeRestored wants all nodes of new to make keys in steps of one, or in those that their own cluster gives them.
func judgeRestored(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(StepRestored)
	if !ok {
		return j.wrongType(e)
	}
	out := j.restored("new", c.New)
	for _, n := range c.Nodes {
		if n.Trouble != "" {
			out = append(out, *j.unknown(ReasonNodeMissing, colon("the step of "+n.Name+" is not known", n.Trouble), mendMissingStep))
			continue
		}
		out = append(out, j.restored(n.Name, n.StepSide)...)
	}
	return append(out, j.unplannedSteps(c.Unplanned)...)
}

func (j *judge) restored(name string, s StepSide) []Reason {
	if s.Overridden != "" {
		return nil // by the nodes that take writes: nobody else does
	}
	var out []Reason
	on := "on " + name + ": "
	if s.Global != (Step{1, 1}) {
		out = append(out, *j.fail(ReasonStepNotRestored, name+"'s step is "+s.Global.String(),
			on+"SET GLOBAL auto_increment_increment = 1; SET GLOBAL auto_increment_offset = 1"))
	}
	if s.Persisted != nil && *s.Persisted != (Step{1, 1}) {
		out = append(out, *j.fail(ReasonStepNotRestored, name+"'s persisted step is "+s.Persisted.String()+": a restart brings it back",
			on+"RESET PERSIST auto_increment_increment; RESET PERSIST auto_increment_offset"))
	}
	return out
}

const mendMissingStep = "see that it runs and lets crosscheck's account in; a node that is gone for good: take it out of the plan"

func (j *judge) unplannedSteps(list []string) []Reason {
	var out []Reason
	for _, text := range list {
		out = append(out, *j.unknown(ReasonNodeUnplanned, text+": their steps are not known", "name them in the plan, as replicas of their side"))
	}
	return out
}
