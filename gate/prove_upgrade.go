package gate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"crosscheck/gate/plan"
)

func judgeRehearsal(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Rehearsal)
	if !ok {
		return j.wrongType(e)
	}
	var out []Reason
	again := "rehearse again on other servers until every gate but rehearsal passes without an override, then there: " +
		"crosscheck gate certify --plan REHEARSED-PLAN --key KEY --output FILE"
	if !c.Verified {
		out = append(out, *j.fail(ReasonRehearsalUnverified, "the rehearsal's certificate is not genuine", "crosscheck verify FILE"))
	}
	if !slices.Contains(j.plan.RehearsalKeys, c.Key) {
		out = append(out, *j.unknown(ReasonRehearsalKey, "the plan does not trust the key "+c.Key,
			fmt.Sprintf("if it is your own, write into the plan: [rehearsal] with keys = [%q]", c.Key)))
	}
	if c.Path != string(j.plan.Path) {
		out = append(out, *j.unknown(ReasonRehearsalOther, fmt.Sprintf("the rehearsal was of the path %s, not %s", c.Path, j.plan.Path), again))
	}
	if c.Verdict != string(Pass) || c.Overrides > 0 {
		out = append(out, *j.fail(ReasonRehearsalNotPassed, fmt.Sprintf("the rehearsal ended with %s and %s besides that of its own gate rehearsal", c.Verdict, Many(c.Overrides, "override", "overrides")), again))
	}
	if age := j.now.Sub(c.Issued); age > j.plan.Ages.Rehearsal {
		out = append(out, *j.unknown(ReasonEvidenceStale, fmt.Sprintf("the rehearsal's certificate is %s old; the plan allows %s",
			age.Round(time.Hour), j.plan.Ages.Rehearsal), again))
	}
	return out
}

func judgeHealth(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Health)
	if !ok {
		return j.wrongType(e)
	}
	return append(j.metrics(c), j.period(e.Taken.Sub(c.Since), "")...)
}

// judgeWatchPeriod judges health since the switch alone.
func judgeWatchPeriod(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Health)
	if !ok {
		return j.wrongType(e)
	}
	out := j.metrics(c)
	written, back := j.writtenSince()
	if back != nil {
		return append(out, *back)
	}
	s, there := j.newest(KindWritesSwitch)
	switched, isSwitch := s.Content.(WritesSwitch)
	if !there || !isSwitch || switched.Switched.IsZero() {
		return append(out, *j.unknown(ReasonNotDeclared, "nobody said when the writes were switched", j.measure(plan.GateSwitched, KindWritesSwitch)))
	}
	since := c.Since
	for _, t := range []time.Time{switched.Switched, written} {
		if t.After(since) {
			since = t
		}
	}
	return append(out, j.period(e.Taken.Sub(since), " since the switch")...)
}

// writtenSince tells when a look found that old had taken writes in spite of a switch that was declared. Where the word stands, as
// while the application was on its way, the period begins there; where it does not, the migration fell back, whatever later looks
// found, until there is a new word.
func (j *judge) writtenSince() (at time.Time, back *Reason) {
	newest, _ := j.newest(KindWritesSwitch)
	now, _ := newest.Content.(WritesSwitch)
	for _, p := range j.pieces[KindWritesSwitch] {
		c, ok := p.Content.(WritesSwitch)
		if !ok || j.rejects(p) != "" || c.OldWrites == 0 || c.Switched.IsZero() {
			continue
		}
		if now.Switched.IsZero() {
			return p.Taken, j.fail(ReasonOldWritten, fmt.Sprintf("old took %s of its own after the switch, by the look of %s: the watch period begins anew with the next switch",
				Many(c.OldWrites, "write", "writes"), moment(p.Taken)), "find who writes to old, and end it"+Then+j.measure(plan.GateSwitched, KindWritesSwitch))
		}
		if now.Switched.Equal(c.Switched) {
			return p.Taken, nil
		}
		break
	}
	return time.Time{}, nil
}

func (j *judge) metrics(c Health) []Reason {
	var out []Reason
	if len(c.Metrics) == 0 {
		out = append(out, *j.unknown(ReasonHealthUnseen, "nothing of new's health was measured", j.measure(plan.GateHealth, KindHealth)))
	}
	for _, m := range c.Metrics {
		switch {
		case !m.Measured:
			out = append(out, *j.unknown(ReasonHealthUnseen, m.Name+" was not measured", cmp.Or(m.Need, j.measure(plan.GateHealth, KindHealth))))
		case m.Bad:
			out = append(out, *j.fail(ReasonHealthRegressed, fmt.Sprintf("%s is %g on new; it was %g on old, and %g is the limit", m.Name, m.New, m.Old, m.Limit),
				"find its cause on new; wait for a watch period without it"))
		}
	}
	return out
}

func (j *judge) period(lasted time.Duration, since string) []Reason {
	if lasted >= j.plan.Limits.WatchPeriod {
		return nil
	}
	return []Reason{*j.unknown(ReasonHealthShort, fmt.Sprintf("new's health was measured for %s%s; the plan's watch period is %s",
		lasted.Round(time.Second), since, j.plan.Limits.WatchPeriod), "wait")}
}
