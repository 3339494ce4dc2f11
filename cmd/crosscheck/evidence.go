package main

import (
	"fmt"
	"slices"
	"time"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate"
	"crosscheck/gate/plan"
	"crosscheck/gate/preflight"
	"crosscheck/internal/ledger"
)

// watchAlive is how old the last status of a watch may be for the watch to count as running. It stores one every
// statusKept; the rest is for a busy machine.
const watchAlive = 15 * time.Second

// runName names a check for evidence. The number alone would mean another check in another state folder.
func runName(id int64, finished time.Time) string {
	return fmt.Sprintf("%d of %s", id, finished.UTC().Format(time.RFC3339Nano))
}

// checkEvidence is what a check that ended says.
func checkEvidence(run ledger.RunSummary, r checksum.Result) gate.Evidence {
	c := gate.Check{Run: runName(run.ID, run.Finished), Verdict: run.Verdict.String(), Reason: run.Reason}
	c.Tables = len(r.Tables)
	for _, t := range r.Tables {
		c.Rows += t.Counts.RowsOld
		c.Names = append(c.Names, t.Table)
		for _, l := range t.Lossy {
			c.Lossy = append(c.Lossy, t.Table+": "+l)
		}
		if t.Verdict == checksum.Undecided && c.Reason == "" {
			c.Reason = t.Table + ": " + t.Reason
		}
	}
	if run.Scope == nil {
		c.Missed = append(c.Missed, "what the check was to compare is not recorded")
	} else {
		c.Include, c.Exclude = run.Scope.Include, run.Scope.Exclude
		if run.Scope.Unseen != "" {
			c.Missed = append(c.Missed, run.Scope.Unseen)
		}
	}
	if run.Interrupted {
		c.Missed = append(c.Missed, "it was interrupted")
		if c.Verdict == gate.Same { // of what it came to
			c.Verdict = gate.Undecided
		}
	}
	c.Complete = len(c.Missed) == 0
	return gate.Evidence{
		Taken: run.Finished, From: run.Started, Old: run.Old.ServerUUID, New: run.New.ServerUUID,
		Positions: positions(run.Old.Position, run.New.Position), Content: c,
	}
}

func positions(old, new string) map[string]string {
	out := make(map[string]string)
	for side, pos := range map[string]string{"old": old, "new": new} {
		if pos != "" {
			out[side] = pos
		}
	}
	return out
}

// finishedRun is a check that ended, with what it found.
type finishedRun struct {
	ledger.RunSummary
	result checksum.Result
}

// chooseRun returns the check that counts for a plan, of checks of its servers that ended, newest first: the newest that
// compared what the plan names, or a newer one of other tables that found one of the plan's different.
func chooseRun(p plan.Plan, filter cluster.Filter, list []finishedRun) (finishedRun, bool) {
	for _, r := range list {
		if !r.Interrupted && covers(r.Scope, p) || r.Verdict == checksum.Different && touches(filter, r.result) {
			return r, true
		}
	}
	for _, r := range list {
		if !r.Interrupted {
			return r, true
		}
	}
	return finishedRun{}, false
}

// covers tells whether a scope holds at least what a plan names.
func covers(s *ledger.Scope, p plan.Plan) bool {
	if s == nil {
		return false
	}
	all := len(s.Include) == 0 && len(s.Exclude) == 0
	return all || sameGlobs(s.Include, p.Include) && sameGlobs(s.Exclude, p.Exclude)
}

func sameGlobs(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// touches tells whether a table that the filter chooses was found different.
func touches(filter cluster.Filter, r checksum.Result) bool {
	return slices.ContainsFunc(r.Tables, func(t checksum.TableResult) bool {
		schema, name, ok := cluster.SplitFullName(t.Table)
		return t.Verdict == checksum.Different && (!ok || filter.Match(schema, name))
	})
}

// account is what the ledger holds of a watch.
type account struct {
	ledger.WatchSummary
	status      watch.Status
	counts      map[conflict.Kind]uint64 // findings stored; status may be some seconds behind
	lastFailure time.Time                // of kinds that failing lists
}

// failing are the kinds of findings that fail a watch. Stale sessions pass, and are judged as they are now.
func failing() []conflict.Kind {
	return slices.DeleteFunc(conflict.Kinds(), func(k conflict.Kind) bool {
		return k.Benign() || k == conflict.Unjudged || k == conflict.StaleSession
	})
}

// watchEvidence is what a watch says that stored its last status a while ago.
func watchEvidence(a account, p plan.Plan, now time.Time) gate.Evidence {
	s := a.status
	w := gate.Watch{
		Since: s.Since, Running: !s.Final && a.Finished.IsZero() && now.Sub(s.At) <= watchAlive && !s.At.After(now),
		LastFailure: a.lastFailure, Differ: s.Rows.Differ, Open: s.Rows.Open + s.Rows.Unknown,
		Blind: slices.Clone(s.Blind), OldThrough: s.Sides[conflict.Old].Position, NewThrough: s.Sides[conflict.New].Position,
	}
	taken := s.At
	if a.lastFailure.After(taken) { // stored after the status
		taken = a.lastFailure
	}
	for _, k := range failing() {
		if n := max(a.counts[k], s.Findings[k]); n > 0 {
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
		w.BaseRun = runName(s.Base.Run, s.Base.Finished)
	}
	w.Troubles = troubles(s)
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
			watch.TroubleNoChannel, watch.TroubleTail, watch.TroubleBlindWriter:
			out = append(out, fmt.Sprintf("%s on %s: %s", t.ID, t.Side, t.Detail))
		}
	}
	return out
}

// unproven lists why the account does not speak for all that the plan names, besides pieces of the logs.
func unproven(a account, p plan.Plan) []string {
	var out []string
	if n := max(a.counts[conflict.Unjudged], a.status.Findings[conflict.Unjudged]); n > 0 {
		out = append(out, fmt.Sprintf("%d things that the watch could not judge", n))
	}
	switch {
	case a.Scope == nil:
		out = append(out, "which tables are watched is not recorded")
	case !covers(a.Scope, p):
		out = append(out, "the watch does not cover all tables of the plan")
	}
	s := a.status
	if n := len(s.Unverified); n > 0 {
		out = append(out, fmt.Sprintf("%d watched tables that are not verified, among them %s", n, s.Unverified[0]))
	}
	told := len(out)+len(s.Blind)+s.Rows.Open+s.Rows.Unknown+len(troubles(s)) > 0
	based := s.Base == nil || s.Base.Gap == "" // a base that is not reached is no base, and nothing worse
	if s.Verdict == watch.Undecided && !told && based && !s.Final {
		out = append(out, "now: "+s.Reason)
	}
	return out
}

// preflightEvidence is what a preflight for a plan says.
func preflightEvidence(r preflight.Result, hash string) gate.Evidence {
	c := gate.Preflight{Path: string(r.Path), Duration: r.Duration, Findings: []gate.Finding{}, Tables: r.Tables, Folds: r.Folds}
	for _, f := range r.Findings {
		out := gate.Finding{
			ID: f.ID, Object: f.Object, Side: f.Side, Severity: string(f.Severity), Found: f.Found, Unseen: f.Unseen, Accepted: f.Accepted,
		}
		if len(f.Fixes) == 1 { // several are on both sides: the preflight itself lists them
			out.Fix, out.Side = f.Fixes[0].SQL, f.Fixes[0].On
		}
		c.Findings = append(c.Findings, out)
	}
	return gate.Evidence{Taken: r.Taken, Old: r.Old.UUID, New: r.New.UUID, Plan: hash, Content: c}
}
