// Package record says what stored results prove: checks, watches, preflights
// and the certificates of rehearsals go in, evidence comes out. It is pure, and
// it alone judges that: who reads the ledger or measures derives nothing itself.
package record

import (
	"fmt"
	"slices"
	"time"

	"crosscheck/checksum"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// Scope is what a check or a watch covers.
type Scope struct {
	Include []string `json:"include"` // globs "db.name"; empty: all tables
	Exclude []string `json:"exclude"`
	// Unseen says what of it the accounts cannot see; "" if they see all tables.
	Unseen string `json:"unseen,omitempty"`
}

// Covers tells whether a scope holds at least what a plan names.
func Covers(s *Scope, p plan.Plan) bool {
	if s == nil {
		return false
	}
	all := len(s.Include) == 0 && len(s.Exclude) == 0
	return all || gate.SameSet(s.Include, p.Include) && gate.SameSet(s.Exclude, p.Exclude)
}

// Run is a stored check. It may go on, or its process was killed: then Finished is zero.
type Run struct {
	ID int64
	// Began is when its first process began, Attempt when its last one did, and Finished when that came to an end.
	Began, Attempt, Finished time.Time
	Interrupted              bool
	Verdict                  checksum.Verdict
	Reason                   string
	// Old and New are the servers. Their positions are those of when the first process began: of what was compared first
	// nothing later is proven. "" if they are not known.
	Old, New checksum.EndpointInfo
	Scope    *Scope
	// Links are the ways of replication of when its first process began; nil: not known.
	Links  []gate.Link
	Tables []checksum.TableResult
	// Differs are the tables of which it holds a proven difference, be it one of an attempt before the last.
	Differs []Differing
}

// Differing is a table with a proven difference.
type Differing struct {
	Table string    // "db.name"
	At    time.Time // when the newest of its key ranges that differ was proven; zero: not known
}

// Ended tells whether the run came to an end, be it an interruption.
func (r Run) Ended() bool { return !r.Finished.IsZero() }

// Whole tells whether the run came to the end of its tables.
func (r Run) Whole() bool { return r.Ended() && !r.Interrupted }

// Decided tells whether the run came to a decision.
func (r Run) Decided() bool { return r.Whole() && r.Verdict != checksum.Undecided }

// Name names a check for evidence. The number alone would mean another check in another state folder.
func (r Run) Name() string { return RunName(r.ID, r.Finished) }

// RunName is the name of a run that ended at a moment.
func RunName(id int64, finished time.Time) string {
	return fmt.Sprintf("%d of %s", id, finished.UTC().Format(time.RFC3339Nano))
}

// Base is the run that a watch may build on, of runs of its two servers, newest first: the newest that came to a
// decision, if that was "same" and no run holds a difference that is newer than what it proved first, whatever became of it.
func Base(runs []Run) (Run, bool) {
	i := slices.IndexFunc(runs, Run.Decided)
	if i < 0 {
		return Run{}, false
	}
	base := runs[i]
	for _, r := range runs {
		if list, _ := r.differing(everything, base.Began); len(list) > 0 {
			return Run{}, false
		}
	}
	return base, base.Verdict == checksum.Same && base.Old.Position != "" && base.New.Position != ""
}

func everything(string) bool { return true }

// Aim is what runs are to prove.
type Aim struct {
	Plan    plan.Plan
	Chooses func(table string) bool // tells whether the plan names a table
	// Seen is the newest preflight of the two servers, which saw the plan's tables.
	Seen gate.Preflight
}

// Enough tells that what is older than a run says nothing more: it came to its end, and compared all that the plan names, by its
// patterns or by what tables there are.
func (a Aim) Enough(r Run) bool {
	if !r.Whole() {
		return false
	}
	names := make([]string, 0, len(r.Tables))
	for _, t := range r.Tables {
		names = append(names, t.Table)
	}
	return Covers(r.Scope, a.Plan) || r.Scope != nil && a.Seen.Holds(names)
}

// Checks is what runs of the plan's two servers prove for it, newest first. The run that counts is the newest that compared
// what the plan names, or where there is none, the newest that came to its end. Whatever run since, be it of other tables,
// killed, or still under way, holds a difference of a table that the plan chooses, speaks against it.
func (a Aim) Checks(runs []Run) []gate.Evidence {
	counts := slices.IndexFunc(runs, a.Enough)
	if counts < 0 {
		counts = slices.IndexFunc(runs, Run.Whole)
	}
	var out []gate.Evidence
	var began time.Time
	if counts >= 0 {
		began = runs[counts].Began
	}
	for _, r := range runs {
		if tables, at := r.differing(a.Chooses, began); len(tables) > 0 {
			out = append(out, different(r, tables, at))
			break
		}
	}
	if counts >= 0 {
		// What a resumed run found the same before the difference was found is no later proof.
		if e := Check(runs[counts]); len(out) == 0 || out[0].Taken.After(e.Taken) {
			out = append(out, e)
		}
	}
	return out
}

// Copies is what runs of a replica prove, newest first, as Checks does it of old and new. The evidence is of the plan's two
// servers, and names the replica.
func (a Aim) Copies(n gate.ClusterNode, runs []Run, newUUID string) []gate.Evidence {
	out := a.Checks(runs)
	for i := range out {
		c, _ := out[i].Content.(gate.Check)
		out[i].New, out[i].Positions = newUUID, map[string]string{n.Name: out[i].Positions["new"]}
		out[i].Content = gate.Copy{Node: n.Name, UUID: n.UUID, Check: c}
	}
	return out
}

// differing lists the run's different tables among those that are chosen, and when the newest difference was proven. Where no
// process worked on the run since a moment, it says nothing against what was proven from then on.
func (r Run) differing(chooses func(table string) bool, since time.Time) (tables []string, at time.Time) {
	if r.Attempt.Before(since) {
		return nil, at
	}
	for _, d := range r.Differs {
		if !chooses(d.Table) {
			continue
		}
		tables = append(tables, d.Table)
		if d.At.After(at) {
			at = d.At
		}
	}
	return tables, at
}

// different is the evidence of a run that holds differences.
func different(r Run, tables []string, at time.Time) gate.Evidence {
	e := Check(r)
	c, _ := e.Content.(gate.Check)
	c.Verdict = gate.Different
	if !r.Ended() {
		c.Run = RunName(r.ID, r.Began)
		if e.Taken = at; at.Before(r.Attempt) { // proven by an attempt before, and not taken back since
			e.Taken = r.Attempt
		}
	}
	if r.Verdict != checksum.Different || !r.Whole() {
		c.Reason = fmt.Sprintf("check %d, which %s, has proven it of %s", r.ID, r.fate(), gate.Some(tables))
	}
	e.Content = c
	return e
}

// fate says what became of a run that does not say "different" itself.
func (r Run) fate() string {
	switch {
	case !r.Ended():
		return "goes on or was killed"
	case r.Interrupted:
		return "was interrupted"
	}
	return "ended with " + r.Verdict.String()
}

// Check is what one run proves. It is as old as when its first process began.
func Check(r Run) gate.Evidence {
	c := gate.Check{Run: r.Name(), Verdict: r.Verdict.String(), Reason: r.Reason, Links: r.Links}
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
	if r.Scope == nil {
		c.Missed = append(c.Missed, "what the check was to compare is not recorded")
	} else {
		c.Include, c.Exclude = r.Scope.Include, r.Scope.Exclude
		if r.Scope.Unseen != "" {
			c.Missed = append(c.Missed, r.Scope.Unseen)
		}
	}
	if !r.Whole() {
		c.Missed = append(c.Missed, "it "+r.fate())
		if c.Verdict == gate.Same { // of what it came to
			c.Verdict = gate.Undecided
		}
	}
	c.Complete = len(c.Missed) == 0
	return gate.Evidence{
		Taken: r.Finished, From: r.Began, Old: r.Old.ServerUUID, New: r.New.ServerUUID,
		Positions: positions(r.Old.Position, r.New.Position), Content: c,
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
