package gate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/gate/plan"
)

// TestReplicationEndsAnEpisode: what was proven while all of old had arrived on new is gone once replication may have brought
// something of it again: by other threads, without a log that tells the contrary. A link that stands brings nothing.
func TestReplicationEndsAnEpisode(t *testing.T) {
	for path, name := range map[plan.Path]string{
		plan.GTIDRestart: "caught-up", plan.GTIDConverter: "chain-in-sync", plan.RollingUpgrade: "health", plan.DualWrite: "replica-in-sync",
	} {
		w := &walk{T: t, p: windowed(testPlan(path)), now: t0}
		w.list = replaced(world(w.p), KindSignOff)
		if path != plan.DualWrite && path != plan.RollingUpgrade {
			w.list = replaced(w.list, KindWritesSwitch)
		}
		w.open("all is proven", name)
		proven := w.now
		w.later(time.Second)
		link := func(change func(l *Link)) Sync { // all links of new's way, later
			s := good(w.p, KindSync, w.now).(Sync)
			for i := range s.Links {
				if s.Links[i].From != "new" {
					change(&s.Links[i])
				}
			}
			return s
		}
		ended := func(l *Link) { l.Running, l.Since, l.LagKnown, l.Error = false, time.Time{}, false, "stopped" }
		for _, step := range []struct {
			what   string
			ends   bool
			change func(l *Link)
		}{
			{"it runs on", false, func(l *Link) {}},
			{"it stands", false, ended},
			{"it stands, and nothing came", false, func(l *Link) { ended(l); l.Quiet = proven }},
			{"it stands, and something came", true, func(l *Link) { ended(l); l.Quiet = w.now }},
			{"it runs by other threads", true, func(l *Link) { l.Since = w.now }},
			{"it runs, nobody knows since when", true, func(l *Link) { l.Since = time.Time{} }},
			{"it runs by other threads, and nothing came", false, func(l *Link) { l.Since, l.Quiet = w.now, proven }},
			{"it runs by other threads, and something came", true, func(l *Link) { l.Since, l.Quiet = w.now, w.now }},
		} {
			x := w.fork()
			x.take(link(step.change))
			x.later(time.Second)
			x.measure(KindReadOnly, KindDrained, KindGTID) // the keepers
			if step.ends {
				x.shut(string(path)+": "+step.what, name)
			} else {
				x.open(string(path)+": "+step.what, name)
			}
		}
	}
}

// TestAppliedOnlyGrows: new's place in old's log that was seen to be before that of the window was set back, and whatever came
// from there came twice.
func TestAppliedOnlyGrows(t *testing.T) {
	w := &walk{T: t, p: windowed(testPlan(plan.GTIDRestart)), now: t0}
	look := func(applied string) {
		w.later(time.Second)
		w.take(ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: t0, T1: t0, OldT1: "b.1:9", OldT2: "b.1:9", NewApplied: applied})
	}
	w.measure(KindPreflight, KindCheck, KindSync)
	look("b.1:9")
	w.open("in the window", "caught-up", "positions-equal")
	w.later(time.Second)
	w.take(Sync{}) // new has no channel any more
	look("")
	w.open("new's place is not known", "caught-up", "positions-equal")
	look("b.1:4")
	w.shut("it is behind that of the window", "caught-up", "positions-equal")
	look("b.1:9")
	w.shut("and at the end again", "caught-up")
	w.later(time.Second)
	w.measure(KindCheck, KindSync)
	look("b.1:9")
	w.open("and checked", "caught-up", "positions-equal")
}

// TestKeeperThatCannotBeMeasured: a keeper keeps by what is known of it now. Where it could not be measured it keeps nothing, until
// it is measured again.
func TestKeeperThatCannotBeMeasured(t *testing.T) {
	for path, c := range map[plan.Path]struct {
		kept, keeper string
		of           Kind
	}{
		plan.GTIDRestart:    {"caught-up", "positions-equal", KindReadOnly},
		plan.GTIDConverter:  {"chain-in-sync", "drained", KindDrained},
		plan.RollingUpgrade: {"schema-parity", "switched", KindWritesSwitch},
		plan.DualWrite:      {"replica-in-sync", "old-drained", KindDrained},
	} {
		w := &walk{T: t, p: windowed(testPlan(path)), now: t0}
		w.list = replaced(world(w.p), KindSignOff)
		if path == plan.GTIDRestart || path == plan.GTIDConverter { // where it keeps besides
			w.list = replaced(w.list, KindWritesSwitch)
		}
		keeper := of(w.list, c.of).Content
		w.open("all is proven", c.kept, c.keeper)
		w.later(time.Second)
		stopped := good(w.p, KindSync, w.now).(Sync)
		for i := range stopped.Links {
			stopped.Links[i].Running, stopped.Links[i].Since = false, time.Time{}
		}
		w.take(stopped)
		if path == plan.RollingUpgrade {
			w.take(Schema{Tables: 3, Complete: true, Differences: []Finding{{ID: "column_extra", Severity: "fatal"}}})
		}
		w.open("it is kept", c.kept, c.keeper)
		for _, of := range []Kind{c.of, KindSync} {
			x := w.fork()
			x.later(time.Second)
			x.take(Unmeasured{Of: of, Why: "the server said no"})
			x.shut("not measured: "+string(of), c.kept)
			if r := mustGate(t, Judge(x.p, x.list, x.now), c.kept); !slices.ContainsFunc(r.Reasons, func(r Reason) bool {
				return r.ID == ReasonKeeper && strings.Contains(r.Text, "could not be measured for that: the server said no")
			}) && of == c.of {
				t.Errorf("%s does not say why:\n%s", c.kept, states(Judge(x.p, x.list, x.now)))
			}
			x.later(time.Second)
			for _, k := range []Kind{KindReadOnly, KindDrained, KindGTID} {
				x.measure(k)
			}
			x.take(keeper)
			x.take(stopped)
			x.open("measured again: "+string(of), c.kept)
		}
		over := w.fork()
		over.take(Unmeasured{Of: KindHealth})
		over.open("what it does not rest on was not measured", c.kept)
	}
}
