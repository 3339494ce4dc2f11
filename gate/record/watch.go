package record

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// watchAlive is how old the last status of a watch may be for the watch to count as running. It stores one every second or
// so; the rest is for a busy machine.
const watchAlive = 15 * time.Second

// Account is a stored watch.
type Account struct {
	ID          int64
	Old, New    checksum.EndpointInfo
	Scope       *Scope
	Finished    time.Time // zero while it goes on or if it was killed
	Status      watch.Status
	Counts      map[conflict.Kind]uint64 // findings stored; the status may be some seconds behind
	LastFailure time.Time                // of kinds that Failing lists
}

// Failing are the kinds of findings that fail a watch. Stale sessions pass, and are judged as they are now.
func Failing() []conflict.Kind {
	return slices.DeleteFunc(conflict.Kinds(), func(k conflict.Kind) bool {
		return k.Benign() || k == conflict.Unjudged || k == conflict.StaleSession
	})
}

// Watch is what a watch proves that stored its last status a while ago.
func Watch(a Account, p plan.Plan, now time.Time) gate.Evidence {
	s := a.Status
	w := gate.Watch{
		Since: s.Since, Running: !s.Final && a.Finished.IsZero() && now.Sub(s.At) <= watchAlive && !s.At.After(now),
		LastFailure: a.LastFailure, Differ: s.Rows.Differ, Open: s.Rows.Open + s.Rows.Unknown,
		Blind: slices.Clone(s.Blind), OldThrough: s.Sides[conflict.Old].Position, NewThrough: s.Sides[conflict.New].Position,
	}
	taken := s.At
	if a.LastFailure.After(taken) { // stored after the status
		taken = a.LastFailure
	}
	for _, k := range Failing() {
		if n := max(a.Counts[k], s.Findings[k]); n > 0 {
			if w.Failures == nil {
				w.Failures = make(map[string]int)
			}
			w.Failures[k.String()] = int(n) //nolint:gosec // a count of stored rows
		}
	}
	if len(w.Failures) > 0 && w.LastFailure.IsZero() { // the status knows of one that is not stored yet
		w.LastFailure = taken
	}
	if s.Base != nil && s.Base.Gap == "" {
		w.BaseRun = RunName(s.Base.Run, s.Base.Finished)
	}
	w.Troubles = troubles(s)
	w.Mend = mends(s)
	w.Blind = append(w.Blind, unproven(a, p)...)
	return gate.Evidence{
		Taken: taken, Old: a.Old.ServerUUID, New: a.New.ServerUUID, Positions: positions(w.OldThrough, w.NewThrough), Content: w,
	}
}

// troubles lists what is wrong with replication now. Steps and their sessions are not among it: the gate of the steps
// judges them, and rightly ends to do so once old is drained and the step restored. What a preflight judges for good, as
// the room that a key has left, is left to it.
func troubles(s watch.Status) []string {
	var out []string
	for _, t := range s.Health {
		switch t.ID {
		case watch.TroubleStopped, watch.TroubleLag, watch.TroubleSkipped, watch.TroubleIdempotent, watch.TroubleFiltered,
			watch.TroubleNoChannel, watch.TroubleTail, watch.TroubleBlindWriter, watch.TroubleErrant:
			on := t.Side.String()
			if t.Node != "" {
				on = t.Node
			}
			out = append(out, fmt.Sprintf("%s on %s: %s", t.ID, on, t.Detail))
		}
	}
	return out
}

// mends lists the statements that the watch advises for what is wrong with replication.
func mends(s watch.Status) []string {
	var out []string
	for _, t := range s.Health {
		statement := strings.TrimPrefix(t.Advice, "find the cause, then ")
		if t.ID == watch.TroubleStopped && statement != "" || t.ID == watch.TroubleIdempotent {
			out = append(out, fmt.Sprintf("on %s: %s", t.Side, statement))
		}
	}
	return out
}

// unproven lists why the account does not speak for all that the plan names, besides pieces of the logs.
func unproven(a Account, p plan.Plan) []string {
	var out []string
	if n := max(a.Counts[conflict.Unjudged], a.Status.Findings[conflict.Unjudged]); n > 0 {
		out = append(out, gate.Many(n, "thing", "things")+" that the watch could not judge")
	}
	switch {
	case a.Scope == nil:
		out = append(out, "which tables are watched is not recorded")
	case !Covers(a.Scope, p):
		out = append(out, "the watch does not cover all tables of the plan")
	}
	if list := a.Status.Unverified; len(list) > 0 {
		out = append(out, gate.Many(len(list), "watched table that is", "watched tables that are")+" not verified, among them "+list[0])
	}
	if a.Status.Final { // it is not running, and that is told
		return out
	}
	open := a.Status.Reasons
	if len(open) == 0 && a.Status.Verdict != watch.Clean { // of an earlier version
		open = []watch.Reason{{ID: watch.ReasonEnded, Text: "the watch says " + a.Status.Verdict.String() + " and not why"}}
	}
	for _, r := range open {
		if !judgedElsewhere(r.ID) {
			out = append(out, "now: "+r.Text)
		}
	}
	return out
}

// judgedElsewhere tells whether evidence says of itself what a reason says: it counts rows and findings, lists what is blind, and
// names the check that it builds on. A base that is not reached is no base, and nothing worse; steps and their sessions are the
// matter of another gate.
func judgedElsewhere(id string) bool {
	switch id {
	case watch.ReasonFindings, watch.ReasonDiffer, watch.ReasonStale, watch.ReasonBlind, watch.ReasonUnjudged, watch.ReasonNoBase,
		watch.ReasonUnverified, watch.ReasonUnknown, watch.ReasonOpen:
		return true
	}
	return false
}
