package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

// listed bounds how many reasons or names of one sort a result lists.
const listed = 20

// Some joins the first few of a list.
func Some(items []string) string {
	if len(items) > listed {
		return strings.Join(items[:listed], ", ") + fmt.Sprintf(" and %d more", len(items)-listed)
	}
	return strings.Join(items, ", ")
}

// findings judges findings that the plan may accept.
func (j *judge) findings(list []Finding, bad, unseen, next string) []Reason {
	var out []Reason
	left := 0
	for _, f := range list {
		if f.Severity == "info" || j.plan.Accepts(f.ID, f.Object) {
			continue
		}
		if len(out) == listed {
			left++
			// The state must not hang on which findings are listed.
			if f.Unseen || out[0].State == Fail {
				continue
			}
			out[0] = *j.fail(bad, f.name()+": "+f.Found, next)
			continue
		}
		do := fmt.Sprintf("mend it, or accept it in the plan: [[accept]] with name = %q, reason%s%s", f.name(), Then, next)
		if f.Fix != "" {
			do = f.Fix
			if f.Side != "" {
				do = "on " + f.Side + ": " + f.Fix
			}
		}
		if f.Unseen {
			out = append(out, *j.unknown(unseen, f.name()+": "+f.Found, do))
		} else {
			out = append([]Reason{*j.fail(bad, f.name()+": "+f.Found, do)}, out...)
		}
	}
	if left > 0 {
		out[len(out)-1].Text += " (and " + Many(left, "more finding", "more findings") + ")"
	}
	return out
}

func judgePreflight(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Preflight)
	if !ok {
		return j.wrongType(e)
	}
	next := "crosscheck preflight --plan PLAN"
	out := j.findings(c.Findings, ReasonPreflightFinding, ReasonPreflightUnseen, next)
	if c.Path != string(j.plan.Path) {
		out = append(out, *j.unknown(ReasonPreflightOther, fmt.Sprintf("preflight was made for the path %s, not %s", c.Path, j.plan.Path), next))
	}
	if c.Duration < j.plan.Limits.Duration {
		out = append(out, *j.unknown(ReasonPreflightOther,
			fmt.Sprintf("preflight judged a migration of %s, the plan says %s", c.Duration, j.plan.Limits.Duration), next))
	}
	return out
}

// wrongType is for content whose type is not that of its kind: only another package's could be.
func (j *judge) wrongType(e Evidence) []Reason {
	return []Reason{*j.unknown(ReasonEvidenceMalformed, fmt.Sprintf("the evidence of %s holds a %T", describe(e.Kind()), e.Content), "")}
}

func judgeCheck(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Check)
	if !ok {
		return j.wrongType(e)
	}
	return j.compared(e.from(), c.Verdict, c.Reason, c.Coverage, j.measure("", KindCheck), "rows differ between old and new")
}

// Proves tells whether a check proves by itself, beside other evidence, that all that the plan names is the same. Its age is not
// looked at.
func Proves(p plan.Plan, check Evidence, beside []Evidence) bool {
	if c, ok := check.Content.(Check); !ok || c.Verdict != Same {
		return false
	}
	j := &judge{plan: p, hash: p.Hash(), now: check.Taken, old: check.Old, new: check.New, pieces: make(map[Kind][]piece)}
	for _, e := range beside {
		if e.Kind() == KindPreflight { // what a check is held against
			j.pieces[KindPreflight] = append(j.pieces[KindPreflight], newPiece(e))
			j.now = later(j.now, e.Taken)
		}
	}
	slices.SortStableFunc(j.pieces[KindPreflight], func(a, b piece) int { return b.Taken.Compare(a.Taken) })
	return len(judgeCheck(j, check)) == 0
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func judgeCopy(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(RestoredCopy)
	if !ok {
		return j.wrongType(e)
	}
	return j.compared(e.from(), c.Verdict, c.Reason, c.Coverage, j.measure(plan.GateRestoredCopy, KindRestoredCopy), "rows differ between old and the restored copy")
}

// compared judges what a check compared, and its verdict.
func (j *judge) compared(began time.Time, verdict, why string, c Coverage, again, differ string) []Reason {
	var out []Reason
	switch verdict {
	case Same:
	case Different:
		out = append(out, *j.fail(ReasonCheckDifferent, colon(differ, why), j.mend(again)))
	default:
		out = append(out, *j.unknown(ReasonCheckUndecided, colon("the check could not decide about all rows", why), again))
	}
	switch {
	case !c.Complete || len(c.Missed) > 0:
		out = append(out, *j.unknown(ReasonCheckIncomplete, colon("not all tables in scope were compared to their ends", Some(c.Missed)), again))
	case c.Tables == 0:
		out = append(out, *j.unknown(ReasonCheckIncomplete, "no table was compared", again))
	}
	left, seen := j.uncovered(c)
	switch {
	case len(left) > 0:
		out = append(out, *j.unknown(ReasonCheckScope, "the plan's tables that the check did not compare: "+Some(left), again))
	case SameSet(c.Include, j.plan.Include) && SameSet(c.Exclude, j.plan.Exclude):
	case len(c.Include) == 0 && len(c.Exclude) == 0: // all tables are more than the plan asks for
	case seen.IsZero():
		out = append(out, *j.unknown(ReasonCheckScope, fmt.Sprintf("the check compared %s without %s; the plan names %s without %s",
			scope(c.Include, "all"), scope(c.Exclude, "nothing"), scope(j.plan.Include, "all"), scope(j.plan.Exclude, "nothing")), again))
	case seen.Before(began): // its patterns would have passed over a table that was made in between
		out = append(out, *j.unknown(ReasonCheckScope, fmt.Sprintf("the check compared %s without %s, all of the plan's tables that were there at %s; which there were when it began is not known",
			scope(c.Include, "all"), scope(c.Exclude, "nothing"), moment(seen)), j.measure("", KindPreflight)))
	}
	if len(c.Lossy) > 0 && !j.plan.Acknowledges(plan.AckCheckLossy) {
		out = append(out, *j.unknown(ReasonCheckLossy, "compared through a conversion that loses information: "+Some(c.Lossy),
			`acknowledge it in the plan: [[acknowledge]] with id = "check_lossy", by, reason`))
	}
	return out
}

// uncovered lists the tables that the newest preflight saw in the plan's scope and that a check did not compare: patterns
// that look alike may have chosen other tables at another time. It also returns when that was seen; zero where the tables are
// not known.
func (j *judge) uncovered(c Coverage) (left []string, seen time.Time) {
	for _, e := range j.pieces[KindPreflight] {
		p, ok := e.Content.(Preflight)
		if !ok || j.rejects(e) != "" {
			continue
		}
		if len(c.Names) == 0 || len(p.Tables) == 0 {
			return nil, time.Time{}
		}
		return p.without(c.Names), e.Taken
	}
	return nil, time.Time{}
}

// without lists the tables that are not among names.
func (c Preflight) without(names []string) (left []string) {
	compared := make(map[string]bool, len(names))
	for _, n := range names {
		if c.Folds {
			n = strings.ToLower(n)
		}
		compared[n] = true
	}
	for _, n := range c.Tables {
		if !compared[n] {
			left = append(left, n)
		}
	}
	return left
}

// Holds tells whether names hold all tables that the plan had by a preflight. One that saw none says nothing.
func (c Preflight) Holds(names []string) bool { return len(c.Tables) > 0 && len(c.without(names)) == 0 }

func scope(globs []string, none string) string {
	if len(globs) == 0 {
		return none
	}
	return Some(globs)
}

func colon(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}

// SameSet tells whether two lists hold the same, in whatever order.
func SameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// watched tells that a clean, fresh watch builds without a gap on the check, or on an earlier one that is as good: then
// what the check proved is still proven.
func watched(j *judge, e Evidence) bool {
	c, ok := e.Content.(Check)
	chosen, why := j.choose("", proof{kind: KindWatch, age: ageWatch})
	if !ok || c.Verdict != Same || why != nil || len(chosen) == 0 {
		return false
	}
	for _, w := range chosen {
		if content, isWatch := w.Content.(Watch); !isWatch || !j.based(content.BaseRun, e) || len(j.watch(w.Evidence, content)) > 0 {
			return false
		}
	}
	return true
}

// based tells that a run is a check that proved all that it was to prove, and is not later than another one.
func (j *judge) based(run string, newest Evidence) bool {
	for _, p := range j.pieces[KindCheck] {
		c, ok := p.Content.(Check)
		if ok && run != "" && c.Run == run && j.rejects(p) == "" && !p.Taken.After(newest.Taken) {
			return len(judgeCheck(j, p.Evidence)) == 0
		}
	}
	return false
}

// judgeSync judges replication that has to have run since the newest check, which is evidence of the kind base.
func judgeSync(j *judge, e Evidence, base Kind, links [][2]string) []Reason {
	out := judgeLinks(j, e, links)
	check, ok := j.newest(base)
	if !ok || watched(j, check) {
		return out
	}
	c, isSync := e.Content.(Sync)
	if !isSync {
		return out
	}
	for _, want := range links {
		// What the check compared first it knows since it began: a break after that may have passed over a change of it.
		if l, there := c.link(want); there && l.Running && (l.Since.IsZero() || l.Since.After(check.from())) {
			next := j.measure("", base)
			if l.Grant != "" { // else no check would help
				next = "on " + l.To + ": " + l.Grant + Then + next
			}
			out = append(out, *j.unknown(ReasonReplicationBroken, fmt.Sprintf("replication %s→%s is known to run without a break only since %s, the check began at %s",
				l.From, l.To, moment(l.Since), moment(check.from())), next))
		}
	}
	return out
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}

func (c Sync) link(ends [2]string) (Link, bool) {
	for _, l := range c.Links {
		if l.From == ends[0] && l.To == ends[1] {
			return l, true
		}
	}
	return Link{}, false
}

func judgeLinks(j *judge, e Evidence, links [][2]string) []Reason {
	c, ok := e.Content.(Sync)
	if !ok {
		return j.wrongType(e)
	}
	var out []Reason
	for _, want := range links {
		l, there := c.link(want)
		if !there {
			out = append(out, *j.unknown(ReasonReplicationMissing, "replication "+want[0]+"→"+want[1]+" was not seen", "set up replication "+want[0]+"→"+want[1]+"; on "+want[1]+": "+l.Words.show()))
			continue
		}
		out = append(out, j.linkReasons(want, l)...)
	}
	return out
}

// linkReasons judges one direction of replication, which was seen.
func (j *judge) linkReasons(want [2]string, l Link) []Reason {
	var out []Reason
	name := want[0] + "→" + want[1]
	switch {
	case !l.Running || l.Error != "":
		out = append(out, *j.fail(ReasonReplicationStopped, colon("replication "+name+" does not run", l.Error), "on "+want[1]+": "+j.yields(want)+l.Words.start()))
	case !l.LagKnown:
		out = append(out, *j.unknown(ReasonReplicationLagUnseen, "how far "+want[1]+" is behind "+want[0]+" is not known", "on "+want[1]+": "+l.Words.show()))
	case l.Lag > j.plan.Limits.MaxLag:
		out = append(out, *j.fail(ReasonReplicationLag, fmt.Sprintf("%s is %s behind %s; the plan allows %s", want[1], l.Lag, want[0], j.plan.Limits.MaxLag),
			"wait until it has caught up"))
	}
	if l.Skips {
		out = append(out, *j.fail(ReasonReplicationSkips, "replication "+name+" skips errors, transactions or rows",
			l.strict()))
	}
	return out
}

// strict is what ends that a link's applier passes over something.
func (l Link) strict() string {
	if len(l.Strict) > 0 {
		return "on " + l.To + ": " + strings.Join(l.Strict, Then)
	}
	return fmt.Sprintf("on %s: SET GLOBAL %s = 'STRICT'; remove %s from the option file and restart it", l.To, l.Words.variable("exec_mode"), l.Words.variable("skip_errors"))
}

// yields is the statement after which new takes transactions of old that have no GTID; "" where it takes them, or old has GTIDs.
func (j *judge) yields(ends [2]string) string {
	e, _ := j.newest(KindGTID)
	c, _ := e.Content.(GTID)
	modes := make(map[string]string, len(c.Nodes))
	for _, n := range c.Nodes {
		modes[n.Name] = n.Mode
	}
	if ends != [2]string{"old", "new"} || modes["new"] != "ON" || modes["old"] == "ON" || modes["old"] == "ON_PERMISSIVE" {
		return ""
	}
	return "SET GLOBAL gtid_mode = ON_PERMISSIVE; "
}

func judgeWatch(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Watch)
	if !ok {
		return j.wrongType(e)
	}
	out := j.watch(e, c)
	if lasted := e.Taken.Sub(c.Since); lasted < j.plan.Limits.QuietPeriod {
		out = append(out, *j.unknown(ReasonWatchShort, fmt.Sprintf("the watch has run for %s; the plan's quiet period is %s",
			lasted.Round(time.Second), j.plan.Limits.QuietPeriod), "wait"))
	}
	return out
}

// afresh are the commands after which a watch knows of all that it did not see: it must build on a check that came later.
func (j *judge) afresh() string {
	return j.measure("", KindCheck) + Then + "end the watch and begin a new account: " + j.measure("", KindWatch) + " --fresh"
}

// watch judges all of a watch but its length.
func (j *judge) watch(e Evidence, c Watch) []Reason {
	var out []Reason
	again := j.measure("", KindWatch)
	if !c.Running {
		out = append(out, *j.unknown(ReasonWatchNotRunning, "the watch has ended", again))
	}
	if len(c.Blind) > 0 {
		out = append(out, *j.unknown(ReasonWatchBlind, "not judged: "+Some(c.Blind), j.afresh()))
	}
	if len(c.Troubles) > 0 {
		out = append(out, *j.fail(ReasonReplicationTrouble, "the watch sees: "+Some(c.Troubles), cmp.Or(strings.Join(c.Mend, Then), "see the watch's page for what mends it")))
	}
	if quiet := e.Taken.Sub(c.LastFailure); !c.LastFailure.IsZero() && quiet < j.plan.Limits.QuietPeriod {
		out = append(out, *j.fail(ReasonCollision, fmt.Sprintf("the last finding that fails is %s old; the plan's quiet period is %s (%s)",
			quiet.Round(time.Second), j.plan.Limits.QuietPeriod, counts(c.Failures)), "mend its cause; wait"))
	}
	if c.Differ > 0 {
		out = append(out, *j.fail(ReasonRowsDiffer, Many(c.Differ, "row is proven different", "rows are proven different"), "choose which version stays and run what this writes: crosscheck mend --plan PLAN --state DIR; wait until the watch has checked them again"))
	}
	if c.Open > 0 {
		out = append(out, *j.unknown(ReasonRowsUndecided, Many(c.Open, "row is under doubt", "rows are under doubt"), "wait until the watch has checked them again"))
	}
	return out
}

func counts(m map[string]int) string {
	names := make([]string, 0, len(m))
	for name, n := range m {
		names = append(names, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(names)
	return Some(names)
}

func judgeSchema(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Schema)
	if !ok {
		return j.wrongType(e)
	}
	next := j.measure(plan.GateSchemaParity, KindSchema)
	out := j.findings(c.Differences, ReasonSchemaDifference, ReasonSchemaUnseen, next)
	if !c.Complete || c.Tables == 0 {
		out = append(out, *j.unknown(ReasonSchemaUnseen, "only "+Many(c.Tables, "table was compared", "tables were compared"), next))
	}
	return out
}

func judgeConfig(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Config)
	if !ok {
		return j.wrongType(e)
	}
	next := j.measure(plan.GateConfigParity, KindConfig)
	out := j.findings(c.Differences, ReasonConfigDifference, ReasonConfigUnseen, next)
	if !c.Complete || c.Variables == 0 {
		out = append(out, *j.unknown(ReasonConfigUnseen, "only "+Many(c.Variables, "variable was compared", "variables were compared"), next))
	}
	return out
}
