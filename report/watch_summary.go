package report

import (
	"slices"
	"strings"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// NewWatchSummary builds the document of s. listed are findings to list, oldest first, as many as the caller sees fit.
// A status that calls itself clean although a part of it is not becomes what that part is.
func NewWatchSummary(s watch.Status, listed []WatchFinding) WatchSummary {
	a := &s.Account
	d := WatchSummary{
		Schema: WatchSummarySchema, Verdict: s.Verdict, Reason: s.Reason, At: whenKnown(s.At), Started: whenKnown(s.Started),
		Since: whenKnown(s.Since), Resumed: s.Resumed, Final: s.Final, Findings: KindCounts(s.Findings), Pairs: KindCounts(s.Pairs),
		Old: newWatchSide(&s, conflict.Old), New: newWatchSide(&s, conflict.New), Questions: a.Questions, Doubts: a.Doubts,
		WindowBytes: a.Memory, Health: make([]WatchTrouble, 0, len(s.Health)), Forecast: orEmpty(s.Forecast),
		Rechecks: WatchRechecks{Open: s.Rows.Open, Equal: s.Rows.Equal, Differ: s.Rows.Differ, Unknown: s.Rows.Unknown},
		Blind:    orEmpty(s.Blind), Listed: listed, Scopes: make([]WatchScope, 0, len(s.Scopes)), Unverified: orEmpty(s.Unverified),
		Sequences: s.Sequences,
	}
	for _, x := range s.Scopes {
		d.Scopes = append(d.Scopes, WatchScope{Since: whenKnown(x.Since), Include: orEmpty(x.Include), Exclude: orEmpty(x.Exclude)})
	}
	for k, n := range s.Findings {
		d.Total += n
		switch {
		case k.Benign():
			d.Benign += n
		case k != conflict.Unjudged && k != conflict.StaleSession: // the one decides nothing, the other may end
			d.Failing += n
		}
	}
	d.Changes, d.Verified = d.Old.Changes+d.New.Changes, d.Old.Verified+d.New.Verified
	d.Waiting = d.Old.Waiting + d.New.Waiting
	if b := s.Base; b != nil {
		d.Base = &WatchBase{Run: b.Run, Finished: whenKnown(b.Finished), Tables: b.Tables, Rows: b.Rows, Gap: b.Gap}
	}
	d.Nodes = make([]WatchNode, 0, len(s.Nodes))
	for _, n := range s.Nodes {
		d.Nodes = append(d.Nodes, WatchNode{
			Node: n.Label, Side: n.Side.String(), Addr: n.Addr, ServerUUID: n.UUID, Version: n.Version, Watched: n.Watched, Reached: n.Reached,
			Trouble: n.Trouble, LagSeconds: n.Lag, ReadOnly: n.ReadOnly, Filters: orEmpty(n.Filters), Errant: n.Errant, Sessions: n.Sessions,
			Position: n.Position,
		})
	}
	d.Copies = make([]WatchCopy, 0, len(s.Copies))
	for i := range s.Copies {
		d.Copies = append(d.Copies, newWatchCopy(&s.Copies[i]))
	}
	for _, t := range s.Health {
		d.Health = append(d.Health, WatchTrouble{
			ID: t.ID, Side: orElse(t.Node, t.Side.String()), Detail: t.Detail, Advice: t.Advice, Since: when(t.Since),
		})
	}
	d.weaken()
	d.Statement = d.statement()
	return d
}

func whenKnown(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func newWatchSide(s *watch.Status, side conflict.Side) WatchSide {
	x, n := &s.Sides[side], &s.Account.Sides[side]
	d := WatchSide{
		Addr: x.Addr, ServerUUID: x.UUID, Version: x.Version, Position: x.Position, Reading: x.Read, LagSeconds: seconds(x.Lag),
		TransactionsPerSecond: finite(x.TransactionsPerSecond), ChangesPerSecond: finite(x.ChangesPerSecond),
		Reconnects: x.Reconnects, Step: newStep(x.Step), Sessions: x.Sessions, Stale: make([]WatchSession, 0, len(x.Stale)),
		Applier: x.Applier, ApplierLagSeconds: x.ApplierLag, Waiting: s.Account.Waiting[side],
		Transactions: n.Transactions, Changes: n.Changes, Verified: n.Verified, Explained: n.Explained, Unjudged: n.Unjudged,
		Echoes: n.Echoes, EchoedChanges: n.Echoed, ThirdSource: n.Third, ForeignEchoes: n.Foreign,
	}
	if p := s.Account.Through[side]; !p.IsZero() {
		d.Through = p.String()
	}
	for _, one := range x.Stale {
		d.Stale = append(d.Stale, newSession(one))
	}
	return d
}

// finite makes a rate fit for JSON, which has no words for one without a span.
func finite(f float64) float64 {
	if f-f != 0 {
		return 0
	}
	return f
}

// weaken takes a "clean" back that the document's own parts do not support: a wrong yes costs data.
func (d *WatchSummary) weaken() {
	if d.Verdict != watch.Clean {
		return
	}
	switch {
	case d.Failing > 0:
		d.Verdict, d.Reason = watch.Failed, plural(int64(d.Failing), "finding")+" fail"
	case d.Rechecks.Differ > 0:
		d.Verdict, d.Reason = watch.Failed, plural(int64(d.Rechecks.Differ), "row")+" proven to differ"
	case len(d.Blind) > 0:
		d.Verdict, d.Reason = watch.Undecided, d.Blind[0]
	case d.Findings[conflict.Unjudged] > 0:
		d.Verdict, d.Reason = watch.Undecided, plural(int64(d.Findings[conflict.Unjudged]), "thing")+" could not be judged"
	case slices.ContainsFunc(d.Copies, func(c WatchCopy) bool { return c.State == watch.CopyDoubted }):
		d.Verdict, d.Reason = watch.Undecided, "rows of a replica are under doubt"
	case len(d.Unverified) > 0:
		d.Verdict, d.Reason = watch.Undecided, plural(int64(len(d.Unverified)), "table")+" not verified"
	}
}

// Summary is the verdict in one sentence that begins with its word. Names and positions in it are not yet fit for a
// terminal.
func (d *WatchSummary) Summary() string {
	switch d.Verdict {
	case watch.Clean:
		return "CLEAN: " + d.Statement
	case watch.Failed:
		s := "COLLISIONS: "
		if counts := d.kinds(func(k conflict.Kind) bool { return !k.Benign() }); counts != "" {
			s += counts
			if d.Failing > 0 && !strings.Contains(d.Reason, "finding") {
				s += "; " + d.Reason
			}
			return s
		}
		return s + orElse(d.Reason, "rows differ")
	case watch.Undecided:
	}
	s := "UNDECIDED: " + orElse(d.Reason, "nothing is judged yet")
	if d.Verified > 0 {
		s += "; so far " + d.Statement
	}
	return s
}

// statement says what is proven and through where.
func (d *WatchSummary) statement() string {
	var parts []string
	if d.Base != nil && d.Base.Gap == "" {
		rows := "all " + grouped(d.Base.Rows) + " rows"
		switch n := len(d.Unverified); {
		case n > 0:
			rows = "the rows of all watched tables but " + grouped(int64(n))
		case len(d.Scopes) > 1: // of what the check compared, some may be watched no more
			rows = "all rows of the watched tables"
		}
		rows += d.ofCopies()
		parts = append(parts, rows+" verified")
	}
	since := " changes since"
	if len(parts) == 0 {
		since += " " + d.Since.Format("2006-01-02 15:04:05 UTC") + d.ofCopies()
	}
	changes := "all " + grouped(int64(d.Verified)) + since + " verified"
	if d.Verified < d.Changes && d.Verdict != watch.Clean { // of a clean account the others are in flight
		changes = grouped(int64(d.Verified)) + " of " + grouped(int64(d.Changes)) + since + " verified"
	}
	var through []string
	for _, side := range []struct{ name, at string }{{"old", d.Old.Through}, {"new", d.New.Through}} {
		if side.at != "" {
			through = append(through, side.name+":"+side.at)
		}
	}
	if len(through) > 0 {
		changes += " through " + strings.Join(through, ", ")
	}
	changes += d.copiesThrough()
	parts = append(parts, changes)
	s := strings.Join(parts, ", ")
	if d.Waiting > 0 {
		s += " (" + grouped(int64(d.Waiting)) + " more in flight)"
	}
	s += d.excepted() + d.otherCopies()
	switch {
	case d.Base == nil:
		s += "; the rows before are not verified: no check to build on"
	case d.Base.Gap != "":
		s += "; the rows before are not verified: " + d.Base.Gap
	}
	if n := len(d.Sequences); n > 0 {
		s += "; not judged: what " + plural(int64(n), "sequence") + " will give next"
	}
	return s
}

// excepted names the rows that the statement does not speak for: what arrived once may have met something since.
func (d *WatchSummary) excepted() string {
	var parts []string
	if n := d.Rechecks.Differ; n > 0 {
		parts = append(parts, plural(int64(n), "row")+" proven to differ")
	}
	if n := d.Rechecks.Open + d.Rechecks.Unknown; n > 0 {
		parts = append(parts, plural(int64(n), "row")+" under doubt")
	}
	if len(parts) == 0 {
		return ""
	}
	return "; except " + strings.Join(parts, " and ")
}

// kinds lists the counts that are not zero: "12 update_update, 3 insert_insert_pk".
func (d *WatchSummary) kinds(match func(conflict.Kind) bool) string {
	var parts []string
	for _, k := range conflict.Kinds() {
		if n := d.Findings[k]; n > 0 && match(k) {
			parts = append(parts, number(int64(n))+" "+k.String())
		}
	}
	return strings.Join(parts, ", ")
}

// same maps a watch's verdict to that of a check, for signs and colours.
func same(v watch.Verdict) checksum.Verdict {
	switch v {
	case watch.Clean:
		return checksum.Same
	case watch.Failed:
		return checksum.Different
	case watch.Undecided:
	}
	return checksum.Undecided
}
