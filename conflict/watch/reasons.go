package watch

import (
	"cmp"
	"fmt"
	"time"

	"crosscheck/conflict"
)

// Reason is one of the things that keep an account from being clean.
type Reason struct {
	ID    string // one of ReasonIDs
	Fails bool   // something is proven to be wrong; else something is not known
	Text  string // one line
}

// The ids of reasons.
const (
	ReasonFindings   = "findings"
	ReasonDiffer     = "rows_differ"
	ReasonStale      = "stale_sessions"
	ReasonBlind      = "blind"
	ReasonUnjudged   = "unjudged"
	ReasonSchema     = "uncertain_schema" // whether a definition is that of the rows is not known yet
	ReasonKeysWait   = "keys_wait"        // keys outside of the step wait for a look at the sessions, or to arrive
	ReasonNoBase     = "no_base"
	ReasonUnverified = "tables_not_verified" // that the check behind the account did not compare
	ReasonUnknown    = "rows_unknown"
	ReasonOpen       = "rows_open"
	ReasonQuestions  = "questions"       // of which texts are equal
	ReasonNoChannel  = "no_channel"      // a side does not replicate from the other
	ReasonArrival    = "not_arriving"    // what a side wrote does not arrive on the other
	ReasonOverdue    = "arrival_unknown" // or is not known to have arrived for some time
	ReasonUnasked    = "server_unasked"  // a side does not answer
	ReasonUnsettled  = "unsettled"       // the watch ended before all had arrived
	ReasonEnded      = "ended"           // by an error
	ReasonCopies     = "copies_doubted"  // a replica's log shows rows that are not those of its writer
)

// ReasonIDs lists the ids of all reasons.
func ReasonIDs() []string {
	return []string{
		ReasonFindings, ReasonDiffer, ReasonStale, ReasonBlind, ReasonUnjudged, ReasonSchema, ReasonKeysWait, ReasonNoBase, ReasonUnverified, ReasonUnknown,
		ReasonOpen, ReasonQuestions, ReasonNoChannel, ReasonArrival, ReasonOverdue, ReasonUnasked, ReasonUnsettled, ReasonEnded,
		ReasonCopies,
	}
}

// because adds reasons and sets the verdict that follows from all of them.
func (st *Status) because(list ...Reason) {
	st.Reasons = append(st.Reasons, list...)
	st.Verdict, st.Reason = Clean, ""
	for _, r := range st.Reasons {
		switch {
		case r.Fails && st.Verdict != Failed:
			st.Verdict, st.Reason = Failed, r.Text
		case !r.Fails && st.Verdict == Clean:
			st.Verdict, st.Reason = Undecided, r.Text
		}
	}
}

// freshFor is how old the last proof of a direction may be for the account to count as current.
const freshFor = 20 * time.Second

// reasons lists all that keeps the account from being clean, the most telling of each sort first.
func (e *engine) reasons(st *Status, now time.Time) []Reason {
	var out []Reason
	fails := func(n uint64, id, format, what string) {
		if n > 0 {
			out = append(out, Reason{ID: id, Fails: true, Text: fmt.Sprintf(format, plural(n, what))})
		}
	}
	fails(e.failures(), ReasonFindings, "%s fail", "finding")
	fails(uint64(st.Rows.Differ), ReasonDiffer, "%s proven to differ", "row")
	stale := len(e.sights[conflict.Old].stale) + len(e.sights[conflict.New].stale)
	fails(uint64(stale), ReasonStale, "%s with another step than the global one", "live session")

	open := func(is bool, id string, text func() string) {
		if is {
			out = append(out, Reason{ID: id, Text: text()})
		}
	}
	open(len(st.Blind) > 0, ReasonBlind, func() string { return st.Blind[0] })
	open(e.counts[conflict.Unjudged] > 0, ReasonUnjudged, func() string {
		return plural(e.counts[conflict.Unjudged], "thing") + " could not be judged"
	})
	open(len(e.uncertain) > 0, ReasonSchema, func() string {
		return "the log has not shown yet whether " + e.uncertain[0].finding.Table + " was changed since its rows were written"
	})
	open(len(e.wrong) > 0, ReasonKeysWait, func() string { return "keys outside of the step wait for a look at the sessions, or to arrive" })
	open(st.Base != nil && st.Base.Gap != "", ReasonNoBase, func() string { return "no base: " + st.Base.Gap })
	open(len(st.Unverified) > 0, ReasonUnverified, func() string { return notVerified(st.Unverified) })
	open(st.Rows.Unknown > 0, ReasonUnknown, func() string {
		return fmt.Sprintf("%s under doubt could not be checked again: %s", plural(uint64(st.Rows.Unknown), "row"),
			cmp.Or(e.rows.reason, "more are under doubt at a time than are kept; begin a fresh watch behind a check of all"))
	})
	open(st.Rows.Open > 0, ReasonOpen, func() string { return plural(uint64(st.Rows.Open), "row") + " under doubt" })
	open(st.Account.Questions > 0, ReasonQuestions, func() string { return "servers have not said yet which texts are equal" })
	for i := range st.Copies {
		c := &st.Copies[i]
		open(c.State == CopyDoubted, ReasonCopies, func() string { return c.Label + ": " + c.Reason })
	}
	for i := range e.servers {
		s := conflict.Side(i)
		f := &e.fences[s]
		open(e.links[s] == nil, ReasonNoChannel, func() string { return fmt.Sprintf("%s does not replicate from %s", s.Other(), s) })
		open(e.links[s] != nil && f.trouble != "", ReasonArrival, func() string {
			return fmt.Sprintf("what %s wrote does not arrive on %s: %s", s, s.Other(), f.trouble)
		})
		open(e.links[s] != nil && f.trouble == "" && now.Sub(f.reached) > freshFor, ReasonOverdue, func() string {
			return fmt.Sprintf("what %s wrote is not known to have arrived on %s for %s", s, s.Other(), since(now, f.reached, e.started))
		})
		open(e.sights[s].trouble != "", ReasonUnasked, func() string { return s.String() + " could not be asked: " + e.sights[s].trouble })
	}
	return out
}
