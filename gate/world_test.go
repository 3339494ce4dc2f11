package gate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/gate/plan"
)

const (
	uuidOld  = "aaaaaaaa-0000-0000-0000-000000000001"
	uuidNew  = "bbbbbbbb-0000-0000-0000-000000000002"
	uuidConv = "cccccccc-0000-0000-0000-000000000003"
	uuidElse = "dddddddd-0000-0000-0000-000000000004"
)

var (
	t0   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	aKey = "SHA256:" + strings.Repeat("k", 43)
)

func testPlan(p plan.Path) plan.Plan {
	out := plan.Plan{
		Path: p, Old: plan.Node{DSN: "@old", ServerUUID: uuidOld}, New: plan.Node{DSN: "@new", ServerUUID: uuidNew},
		Include: []string{"shop.*"}, Ages: plan.DefaultAges(), Limits: plan.DefaultLimits(), Accounts: []string{"app@%"},
		RehearsalKeys: []string{aKey},
	}
	if p == plan.GTIDConverter {
		out.Converter = &plan.Node{DSN: "@c", ServerUUID: uuidConv}
	}
	return out
}

// made is evidence of the plan's servers, as of a time.
func made(p plan.Plan, taken time.Time, c Content) Evidence {
	return Evidence{Taken: taken, Old: uuidOld, New: uuidNew, Plan: p.Hash(), Content: c}
}

// good is content that proves what its kind is for, as of a time.
func good(p plan.Plan, k Kind, at time.Time) Content {
	covered := Coverage{Include: p.Include, Exclude: p.Exclude, Tables: 3, Rows: 1000, Complete: true}
	traffic := Traffic{SessionsSeen: true, AppOnNew: 5, WritesSeen: true, NewWrites: 10, Window: time.Minute}
	links := [][2]string{{"old", "new"}, {"new", "old"}}
	if p.Path == plan.GTIDConverter {
		links = [][2]string{{"old", "converter"}, {"converter", "new"}}
	}
	switch k {
	case KindPreflight:
		return Preflight{Path: string(p.Path), Duration: p.Limits.Duration}
	case KindCheck:
		return Check{Run: "1", Verdict: Same, Coverage: covered}
	case KindSync:
		var s Sync
		for _, l := range links {
			s.Links = append(s.Links, Link{From: l[0], To: l[1], Running: true, LagKnown: true, Since: t0.Add(-9000 * time.Hour)})
		}
		return s
	case KindSteps:
		return Steps{
			Old: StepSide{Global: Step{2, 1}, Persisted: &Step{2, 1}, PersistedKnown: true, SessionsSeen: true},
			New: StepSide{Global: Step{2, 2}, Persisted: &Step{2, 2}, PersistedKnown: true, SessionsSeen: true},
		}
	case KindStepRestored:
		return StepRestored{New: StepSide{Global: Step{1, 1}, PersistedKnown: true, SessionsSeen: true}}
	case KindWatch:
		return Watch{Running: true, Since: at.Add(-2 * time.Hour)}
	case KindReadsSwitch:
		return ReadsSwitch{By: "ann", Switched: at.Add(-time.Hour), Traffic: traffic}
	case KindWritesSwitch:
		return WritesSwitch{By: "ann", Switched: at.Add(-time.Hour), Traffic: traffic}
	case KindDrained:
		return Drained{Since: at.Add(-30 * time.Minute), SessionsSeen: true, EchoesComplete: true, OldThrough: "b.1:5"}
	case KindReadOnly:
		return ReadOnly{
			ReadOnly: true, SuperReadOnly: true, Since: at.Add(-61 * time.Minute), T1: at.Add(-60 * time.Minute),
			OldT1: "b.1:9", OldT2: "b.1:9", NewApplied: "b.1:9",
		}
	case KindGTID:
		g := GTID{Nodes: []GTIDNode{
			{Name: "old", UUID: uuidOld, Reachable: true, Mode: "OFF", Anonymous: -1},
			{Name: "new", UUID: uuidNew, Reachable: true, Mode: "ON", Enforced: true},
		}}
		if p.Converter != nil {
			g.Nodes = append(g.Nodes, GTIDNode{Name: "converter", UUID: uuidConv, Reachable: true, Mode: "ON", Enforced: true})
		}
		return g
	case KindConverter:
		return Converter{Compared: 9, Nodes: []ConverterNode{
			{Name: "old", UUID: uuidOld, Reachable: true},
			{Name: "new", UUID: uuidNew, Reachable: true},
			{Name: "converter", UUID: uuidConv, Reachable: true, Assigns: true},
		}}
	case KindSchema:
		return Schema{Tables: 3, Complete: true}
	case KindConfig:
		return Config{Variables: 50, Complete: true}
	case KindRestoredCopy:
		return RestoredCopy{Copy: uuidElse, Version: "9.7", Verdict: Same, Coverage: covered}
	case KindRehearsal:
		return Rehearsal{Certificate: "ab", Key: aKey, Verified: true, Path: string(p.Path), Verdict: "pass", Issued: at.Add(-time.Hour)}
	case KindHealth:
		return Health{Since: at.Add(-2 * time.Hour), Metrics: []Metric{{Name: "errors", Measured: true}}}
	case KindSignOff:
		return SignOff{By: "ann"}
	default:
		return nil
	}
}

// bads are contents of a kind that prove a fault or nothing, each with the reason that it must give.
func bads(p plan.Plan, k Kind, at time.Time) map[string]Content {
	out := map[string]Content{}
	switch c := good(p, k, at).(type) {
	case Preflight:
		f := c
		f.Findings = []Finding{{ID: "no_key", Severity: "fatal"}}
		out[ReasonPreflightFinding] = f
		f.Findings = []Finding{{ID: "no_key", Severity: "warning", Unseen: true, Accepted: true}}
		out[ReasonPreflightUnseen] = f
		c.Path = "sideways"
		out[ReasonPreflightOther] = c
	case Check:
		for id, cov := range badCoverage(c.Coverage) {
			x := c
			x.Coverage = cov
			out[id] = x
		}
		d := c
		d.Verdict = Different
		out[ReasonCheckDifferent] = d
		d.Verdict = Undecided
		out[ReasonCheckUndecided] = d
	case RestoredCopy:
		for id, cov := range badCoverage(c.Coverage) {
			x := c
			x.Coverage = cov
			out[id] = x
		}
		c.Verdict = Different
		out[ReasonCheckDifferent] = c
	case Sync:
		change := func(id string, f func(l *Link)) {
			x := Sync{Links: slices.Clone(c.Links)}
			f(&x.Links[0])
			out[id] = x
		}
		change(ReasonReplicationStopped, func(l *Link) { l.Running = false })
		change(ReasonReplicationLag, func(l *Link) { l.Lag = time.Hour })
		change(ReasonReplicationLagUnseen, func(l *Link) { l.LagKnown = false })
		change(ReasonReplicationSkips, func(l *Link) { l.Skips = true })
		out[ReasonReplicationMissing] = Sync{}
	case Steps:
		change := func(id string, f func(s *Steps)) {
			x := c
			f(&x)
			out[id] = x
		}
		change(ReasonStepWrong, func(s *Steps) { s.Old.Global = Step{1, 1}; s.Old.Persisted = &Step{1, 1} })
		change(ReasonStepOverlap, func(s *Steps) { s.Old.Global = Step{4, 2}; s.Old.Persisted = &Step{4, 2} })
		change(ReasonStepIgnored, func(s *Steps) { s.New.Global = Step{2, 3}; s.New.Persisted = &Step{2, 3} })
		change(ReasonStepOverridden, func(s *Steps) { s.New.Overridden = "Galera" })
		change(ReasonStepNotPersisted, func(s *Steps) { s.New.Persisted = nil })
		change(ReasonStaleSessions, func(s *Steps) { s.Old.Stale = []Session{{ID: 7, User: "app", Host: "h"}} })
		change(ReasonStaleSessionsUnseen, func(s *Steps) { s.New.SessionsSeen = false })
	case StepRestored:
		c.New.Global = Step{2, 2}
		out[ReasonStepNotRestored] = c
	case Watch:
		change := func(id string, f func(w *Watch)) {
			x := c
			f(&x)
			out[id] = x
		}
		change(ReasonWatchNotRunning, func(w *Watch) { w.Running = false })
		change(ReasonWatchBlind, func(w *Watch) { w.Blind = []string{"old: …"} })
		change(ReasonWatchShort, func(w *Watch) { w.Since = at.Add(-time.Minute) })
		change(ReasonCollision, func(w *Watch) { w.LastFailure = at.Add(-time.Minute); w.Failures = map[string]int{"update_update": 1} })
		change(ReasonRowsDiffer, func(w *Watch) { w.Differ = 1 })
		change(ReasonRowsUndecided, func(w *Watch) { w.Open = 1 })
		change(ReasonReplicationTrouble, func(w *Watch) { w.Troubles = []string{"replication_stopped"} })
	default:
		badOthers(c, at, out)
	}
	return out
}

func badCoverage(c Coverage) map[string]Coverage {
	incomplete, scope, lossy := c, c, c
	incomplete.Complete = false
	scope.Include = []string{"shop.a"}
	lossy.Lossy = []string{"shop.a.f"}
	return map[string]Coverage{ReasonCheckIncomplete: incomplete, ReasonCheckScope: scope, ReasonCheckLossy: lossy}
}

func badOthers(content Content, at time.Time, out map[string]Content) {
	switch c := content.(type) {
	case ReadsSwitch:
		x := c
		x.By = " "
		out[ReasonNotDeclared] = x
		x = c
		x.AppOnNew = 0
		out[ReasonNoAppOnNew] = x
		c.SessionsSeen = false
		out[ReasonSessionsUnseen] = c
	case WritesSwitch:
		x := c
		x.Switched = time.Time{}
		out[ReasonNotDeclared] = x
		x = c
		x.AppOnNew = 0
		out[ReasonNoAppOnNew] = x
		x = c
		x.NewWrites = 0
		out[ReasonNoWritesOnNew] = x
		x = c
		x.WritesSeen = false
		out[ReasonWritesUnseen] = x
		c.SessionsSeen = false
		out[ReasonSessionsUnseen] = c
	case Drained:
		x := c
		x.AppOnOld = []Session{{ID: 9, User: "app", Host: "h"}}
		out[ReasonAppOnOld] = x
		x = c
		x.OldWrites = 1
		out[ReasonOldWritten] = x
		x = c
		x.EchoesComplete = false
		out[ReasonEchoes] = x
		x = c
		x.Since = time.Time{}
		out[ReasonWritesUnseen] = x
		c.SessionsSeen = false
		out[ReasonSessionsUnseen] = c
	case ReadOnly:
		x := c
		x.SuperReadOnly = false
		out[ReasonNotReadOnly] = x
		x = c
		x.Since = x.T1.Add(time.Second)
		out[ReasonWindowUnmeasured] = x
		x = c
		x.Since, x.T1 = at.Add(-100*time.Hour), at.Add(-99*time.Hour)
		out[ReasonWindowExceeded] = x
		x = c
		x.OldT1 = "b.1:8"
		out[ReasonPositionMoved] = x
		c.OldT2, c.OldT1 = "", ""
		out[ReasonPositionsUnknown] = c
	case GTID:
		change := func(id string, i int, f func(n *GTIDNode)) {
			x := GTID{Nodes: slices.Clone(c.Nodes)}
			f(&x.Nodes[i])
			out[id] = x
		}
		change(ReasonGTIDOff, 1, func(n *GTIDNode) { n.Mode = "ON_PERMISSIVE" })
		change(ReasonAnonymous, 0, func(n *GTIDNode) { n.Anonymous = 1 })
		change(ReasonAnonymousUnseen, 1, func(n *GTIDNode) { n.Anonymous = -1 })
		change(ReasonForeignServer, 1, func(n *GTIDNode) { n.UUID = uuidElse })
		out[ReasonNodeMissing] = GTID{Nodes: c.Nodes[:1]}
	case Converter:
		change := func(id string, f func(x *Converter)) {
			x := c
			x.Nodes = slices.Clone(c.Nodes)
			f(&x)
			out[id] = x
		}
		change(ReasonConverterMissing, func(x *Converter) { x.Nodes[2].Assigns = false })
		change(ReasonConverterSecond, func(x *Converter) { x.Nodes[1].Assigns = true })
		change(ReasonConverterWrong, func(x *Converter) { x.Nodes[1].Assigns, x.Nodes[2].Assigns = true, false })
		change(ReasonConverterAlarm, func(x *Converter) { x.Alarms = []string{"u:5 names two"} })
		change(ReasonConverterUnseen, func(x *Converter) { x.Compared = 0 })
		change(ReasonNodeMissing, func(x *Converter) { x.Nodes[0].Reachable = false })
		change(ReasonForeignServer, func(x *Converter) { x.Nodes[2].UUID = uuidElse })
	case Schema:
		c.Differences = []Finding{{ID: "column_type", Object: "shop.a.b", Severity: "lossy"}}
		out[ReasonSchemaDifference] = c
		out[ReasonSchemaUnseen] = Schema{Tables: 3}
	case Config:
		c.Differences = []Finding{{ID: "sql_mode", Severity: "warning"}}
		out[ReasonConfigDifference] = c
		out[ReasonConfigUnseen] = Config{Complete: true}
	case Rehearsal:
		x := c
		x.Verified = false
		out[ReasonRehearsalUnverified] = x
		x = c
		x.Key = "SHA256:other"
		out[ReasonRehearsalKey] = x
		x = c
		x.Path = "sideways"
		out[ReasonRehearsalOther] = x
		x = c
		x.Overrides = 1
		out[ReasonRehearsalNotPassed] = x
		c.Issued = at.Add(-1000 * time.Hour)
		out[ReasonEvidenceStale] = c
	case Health:
		x := c
		x.Since = at.Add(-time.Minute)
		out[ReasonHealthShort] = x
		x = c
		x.Metrics = []Metric{{Name: "errors", Measured: true, Bad: true}}
		out[ReasonHealthRegressed] = x
		x.Metrics = nil
		out[ReasonHealthUnseen] = x
	}
}

// needs is what each gate rests on, written down a second time: the tests' own word against the code's.
func needs(p plan.Path) map[string][]Kind {
	switch p {
	case plan.DualWrite:
		return map[string][]Kind{
			"preflight": {KindPreflight}, "replica-in-sync": {KindCheck, KindSync}, "reads-switched": {KindReadsSwitch},
			"steps-set": {KindSteps}, "writes-switched": {KindWatch, KindWritesSwitch, KindSync},
			"old-drained": {KindDrained, KindWatch}, "step-restored": {KindStepRestored}, "signed-off": {KindSignOff},
		}
	case plan.GTIDRestart:
		return map[string][]Kind{
			"preflight": {KindPreflight}, "caught-up": {KindCheck, KindSync}, "read-only": {KindReadOnly},
			"positions-equal": {KindReadOnly}, "gtid-on": {KindGTID}, "switched": {KindWritesSwitch},
		}
	case plan.GTIDConverter:
		return map[string][]Kind{
			"preflight": {KindPreflight}, "chain-in-sync": {KindCheck, KindSync}, "single-converter": {KindConverter},
			"read-only": {KindReadOnly}, "drained": {KindReadOnly, KindDrained, KindGTID}, "switched": {KindWritesSwitch},
		}
	case plan.RollingUpgrade:
		return map[string][]Kind{
			"preflight": {KindPreflight}, "schema-parity": {KindSchema}, "config-parity": {KindConfig},
			"restored-copy-checked": {KindRestoredCopy}, "rehearsal": {KindRehearsal}, "health": {KindHealth, KindSync},
			"switched": {KindWritesSwitch, KindDrained}, "watch-period": {KindHealth}, "signed-off": {KindSignOff},
		}
	}
	return nil
}

// allKinds are the kinds that a path's gates rest on.
func allKinds(p plan.Path) []Kind {
	var out []Kind
	for _, list := range needs(p) {
		out = append(out, list...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// world is evidence that opens every gate of a path at t0.
func world(p plan.Plan) []Evidence {
	var out []Evidence
	for _, k := range allKinds(p.Path) {
		taken := t0.Add(-2 * time.Second)
		if k == KindSignOff {
			taken = t0.Add(-time.Second)
		}
		out = append(out, made(p, taken, good(p, k, taken)))
	}
	return out
}

// windowed shortens what the tests' contents would take too long for.
func windowed(p plan.Plan) plan.Plan {
	p.Limits.ReadOnlyWindow = 2 * time.Hour
	return p
}

func states(s Status) string {
	var b strings.Builder
	for _, r := range s.Gates {
		b.WriteString(r.Gate + "=" + string(r.State))
		for _, reason := range r.Reasons {
			b.WriteString(" [" + reason.ID + ": " + reason.Text + "]")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func has(r Result, id string) bool {
	return slices.ContainsFunc(r.Reasons, func(x Reason) bool { return x.ID == id })
}

func mustGate(t testing.TB, s Status, name string) Result {
	t.Helper()
	r, ok := s.Gate(name)
	if !ok {
		t.Fatalf("no gate %s", name)
	}
	return r
}
