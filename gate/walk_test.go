package gate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/gate/plan"
)

// walk is a migration as it goes: time passes, evidence comes, decisions are recorded.
type walk struct {
	*testing.T
	p    plan.Plan
	now  time.Time
	list []Evidence
}

func (w *walk) later(d time.Duration) { w.now = w.now.Add(d) }

// measure takes good evidence of kinds now.
func (w *walk) measure(kinds ...Kind) {
	for _, k := range kinds {
		w.list = append(w.list, made(w.p, w.now, good(w.p, k, w.now)))
	}
}

func (w *walk) take(c Content) { w.list = append(w.list, made(w.p, w.now, c)) }

// want demands a gate's state, and records the decision.
func (w *walk) want(gate string, state State) Result {
	w.Helper()
	s := Judge(w.p, w.list, w.now)
	r := mustGate(w, s, gate)
	if r.State != state {
		w.Fatalf("at %s %s is %s, want %s\n%s", w.now.Format(time.TimeOnly), gate, r.State, state, states(s))
	}
	w.take(Decision{Gate: gate, State: r.State, Rested: r.Rested})
	return r
}

func TestWalkDualWrite(t *testing.T) {
	w := &walk{T: t, p: testPlan(plan.DualWrite), now: t0}
	w.want("preflight", Unknown)
	w.measure(KindPreflight)
	w.want("preflight", Pass)
	w.later(time.Hour)
	w.measure(KindCheck, KindSync)
	w.want("replica-in-sync", Pass)
	w.measure(KindReadsSwitch)
	w.want("reads-switched", Pass)
	w.take(Steps{Old: StepSide{Global: Step{2, 1}}, New: StepSide{Global: Step{2, 1}}})
	w.want("steps-set", Fail)
	w.later(time.Second)
	w.measure(KindSteps)
	w.want("steps-set", Pass)
	w.measure(KindWatch, KindWritesSwitch)
	w.want("writes-switched", Pass)
	w.later(3 * time.Hour)
	w.want("writes-switched", Unknown) // nothing was measured since
	w.measure(KindSync, KindReadsSwitch, KindSteps, KindWatch, KindWritesSwitch, KindDrained)
	w.want("old-drained", Pass)
	w.later(time.Minute)
	// From here on new's step is 1: what the steps gate proved is over, and stays passed as long as old is drained.
	w.measure(KindDrained, KindWatch, KindStepRestored)
	w.take(Steps{Old: StepSide{Global: Step{1, 1}}, New: StepSide{Global: Step{1, 1}}})
	if r := w.want("steps-set", Pass); r.Stays.IsZero() {
		t.Error("steps-set passes on steps that are not set")
	}
	w.want("step-restored", Pass)
	w.later(2 * time.Minute)
	w.measure(KindStepRestored, KindDrained)
	w.want("old-drained", Pass) // the watch may end now
	w.measure(KindSignOff)
	back := &walk{T: t, p: w.p, now: w.now.Add(time.Second), list: slices.Clone(w.list)}
	w.want("signed-off", Pass)

	// Before it is signed: somebody comes back to old, and everything that rested on its being drained falls.
	d := good(back.p, KindDrained, back.now).(Drained)
	d.AppOnOld = []Session{{ID: 4, User: "app", Host: "x"}}
	back.take(d)
	back.want("old-drained", Fail)
	for name, id := range map[string]string{"steps-set": ReasonKeeper, "signed-off": ReasonEarlierGate} {
		for _, r := range back.want(name, map[string]State{"steps-set": Fail, "signed-off": Unknown}[name]).Reasons {
			if r.ID == id && strings.Contains(r.Text, "old-drained is: that is fail: application_on_old") && r.Next == "crosscheck gate check old-drained --plan PLAN" {
				id = ""
			}
		}
		if id != "" {
			t.Errorf("%s does not say that it waits for old-drained:\n%s", name, states(Judge(back.p, back.list, back.now)))
		}
	}

	w.later(1000 * time.Hour)
	if s := Judge(w.p, w.list, w.now); s.State != Pass {
		t.Errorf("long after it was signed:\n%s", states(s))
	}
	other := w.p
	other.Accept = []plan.Accepted{{Name: "a", Reason: "b"}}
	if s := Judge(other, w.list, w.now); s.State.Open() {
		t.Errorf("with another plan:\n%s", states(s))
	}
}

func TestWalkGTIDRestart(t *testing.T) {
	w := &walk{T: t, p: testPlan(plan.GTIDRestart), now: t0}
	window := func(t1 time.Time, oldT2 string) ReadOnly {
		return ReadOnly{
			ReadOnly: true, SuperReadOnly: true, Since: t1, T1: t1, OldT1: "b.1:9", OldT2: oldT2, NewApplied: "b.1:9",
		}
	}
	w.measure(KindPreflight, KindCheck, KindSync)
	w.want("caught-up", Pass)
	t1 := w.now
	w.take(window(t1, "b.1:9"))
	w.want("read-only", Pass)
	w.want("positions-equal", Pass)
	w.later(2 * time.Minute) // new restarts: replication stands, and new tells no position
	halted := window(t1, "b.1:9")
	halted.NewApplied = ""
	w.take(halted)
	w.take(Sync{})
	aborted := &walk{T: t, p: w.p, now: w.now.Add(time.Second), list: slices.Clone(w.list)}
	w.measure(KindGTID)
	if r := w.want("positions-equal", Pass); !r.Stays.Equal(t1) {
		t.Errorf("positions-equal stays since %s", r.Stays)
	}
	w.want("gtid-on", Pass)
	w.later(time.Second)
	sw := good(w.p, KindWritesSwitch, w.now).(WritesSwitch)
	sw.Switched = w.now
	w.take(sw)
	w.want("switched", Pass)
	w.later(time.Hour)
	if s := Judge(w.p, w.list, w.now); s.State != Pass {
		t.Errorf("long after:\n%s", states(s))
	}

	// Old takes writes again, and the clock goes backwards behind that.
	back := &walk{T: t, p: w.p, now: aborted.now, list: slices.Clone(aborted.list)}
	back.take(ReadOnly{OldT1: "b.1:9", OldT2: "b.1:9"})
	back.later(-500 * time.Millisecond)
	if r := mustGate(t, Judge(back.p, back.list, back.now), "positions-equal"); r.State.Open() {
		t.Errorf("with a newer look at old that is of a time to come, positions-equal is %s", r.State)
	}

	// Aborted: old took writes in between. The equal positions are worth nothing any more.
	moved := window(t1, "b.1:10") // measured anew, so that it does not know of the old position
	moved.T1, moved.OldT1 = aborted.now, "b.1:10"
	for _, c := range []ReadOnly{moved, window(t1, "b.1:10"), window(aborted.now, "b.1:9"), {OldT1: "b.1:9", OldT2: "b.1:9"}} {
		c.NewApplied = ""
		a := &walk{T: t, p: w.p, now: aborted.now, list: slices.Clone(aborted.list)}
		a.take(c)
		if r := mustGate(t, Judge(a.p, a.list, a.now), "positions-equal"); r.State.Open() {
			t.Errorf("after %+v positions-equal is %s", c, r.State)
		}
	}
}

// TestKeptBehindAShutGate: what a later gate keeps open stays so also while its own proof is still fresh and only a gate
// before it would be shut: here, the newest check is of another server.
func TestKeptBehindAShutGate(t *testing.T) {
	p := windowed(testPlan(plan.GTIDRestart))
	foreign := made(p, t0.Add(time.Second), good(p, KindCheck, t0))
	foreign.Old = uuidElse
	list := append(world(p), made(p, t0, Decision{Gate: "switched", State: Pass}), foreign)
	s := Judge(p, list, t0.Add(2*time.Second))
	for _, name := range p.Path.Gates() {
		if r := mustGate(t, s, name); !r.State.Open() || name == "caught-up" && r.Stays.IsZero() {
			t.Errorf("%s is shut:\n%s", name, states(s))
		}
	}
}

// TestDecisionsProveNothing: a decision without the evidence that it rested on opens nothing.
func TestDecisionsProveNothing(t *testing.T) {
	for _, path := range plan.Paths() {
		p := windowed(testPlan(path))
		var list []Evidence
		for _, name := range path.Gates() {
			list = append(list, made(p, t0.Add(-time.Minute), Decision{Gate: name, State: Pass, Rested: []EvidenceID{"1"}}))
		}
		for _, r := range Judge(p, list, t0).Gates {
			if r.State != Unknown {
				t.Errorf("%s %s is %s by a decision alone", path, r.Gate, r.State)
			}
		}
	}
}

// TestSingleFaults are those that only some gates of a kind know.
func TestSingleFaults(t *testing.T) {
	taken := t0.Add(-2 * time.Second)
	for _, c := range []struct {
		path   plan.Path
		gate   string
		c      Content
		want   string
		state  State
		change func(p *plan.Plan)
	}{
		{plan.GTIDRestart, "positions-equal", ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: taken, T1: taken, OldT1: "b:1", OldT2: "b:1", NewApplied: "b:0"}, ReasonPositionsDiffer, Fail, nil},
		{plan.GTIDRestart, "positions-equal", ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: taken, T1: taken, OldT1: "b:1", OldT2: "b:1", NewApplied: "b:1", Extra: "u:1"}, ReasonExtraTransactions, Fail, nil},
		{plan.DualWrite, "old-drained", Drained{Since: taken.Add(-time.Minute), SessionsSeen: true, EchoesComplete: true, OldThrough: "x"}, ReasonDrainedShort, Unknown, nil},
		{plan.DualWrite, "writes-switched", WritesSwitch{By: "a", Switched: taken.Add(-5 * time.Hour), Traffic: Traffic{SessionsSeen: true, AppOnNew: 1, WritesSeen: true, NewWrites: 1, Window: 1}}, ReasonWatchLate, Unknown, nil},
		{plan.DualWrite, "reads-switched", nil, ReasonAccountsUnknown, Unknown, func(p *plan.Plan) { p.Accounts = nil }},
		{plan.RollingUpgrade, "watch-period", WritesSwitch{By: "a", Switched: taken.Add(-time.Minute)}, ReasonHealthShort, Unknown, nil},
		{plan.RollingUpgrade, "switched", WritesSwitch{By: "a", Switched: taken, Traffic: Traffic{SessionsSeen: true, AppOnNew: 1, WritesSeen: true, NewWrites: 1, OldWrites: 1, Window: 1}}, ReasonOldWritten, Fail, nil},
		{plan.RollingUpgrade, "switched", WritesSwitch{By: "a", Switched: taken, Traffic: Traffic{SessionsSeen: true, AppOnNew: 1, AppOnOld: []Session{{ID: 1}}, WritesSeen: true, NewWrites: 1, Window: 1}}, ReasonAppOnOld, Fail, nil},
	} {
		p := windowed(testPlan(c.path))
		if c.change != nil {
			c.change(&p)
		}
		list := world(p)
		if c.c != nil {
			list = replaced(list, c.c.Kind(), made(p, taken, c.c))
		}
		if r := mustGate(t, Judge(p, list, t0), c.gate); r.State != c.state || !has(r, c.want) {
			t.Errorf("%s %s: %s %+v, want %s", c.path, c.gate, r.State, r.Reasons, c.want)
		}
	}
}

// fork is the same migration, to be continued in another way.
func (w *walk) fork() *walk {
	return &walk{T: w.T, p: w.p, now: w.now, list: slices.Clone(w.list)}
}

// look judges all gates and records that, as a command does each time.
func (w *walk) look() Status {
	s := Judge(w.p, w.list, w.now)
	for _, r := range s.Gates {
		w.take(Decision{Gate: r.Gate, State: r.State, Rested: r.Rested})
	}
	return s
}

func (w *walk) shut(what string, names ...string) {
	w.Helper()
	s := w.look()
	for _, name := range names {
		if r := mustGate(w, s, name); r.State.Open() {
			w.Errorf("%s: %s is %s\n%s", what, name, r.State, states(s))
		}
	}
}

func (w *walk) open(what string, names ...string) {
	w.Helper()
	s := w.look()
	for _, name := range names {
		if r := mustGate(w, s, name); !r.State.Open() {
			w.Errorf("%s: %s is %s\n%s", what, name, r.State, states(s))
		}
	}
}

// TestWindowsAreEpisodes: what a read-only window kept is gone once it was opened, whatever the next one looks like.
func TestWindowsAreEpisodes(t *testing.T) {
	for path, names := range map[plan.Path][2]string{plan.GTIDRestart: {"caught-up", "positions-equal"}, plan.GTIDConverter: {"chain-in-sync", "drained"}} {
		w := &walk{T: t, p: windowed(testPlan(path)), now: t0}
		shut := func(since time.Time, at string) ReadOnly {
			return ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: since, T1: since, OldT1: at, OldT2: at, NewApplied: at}
		}
		broken := func() Sync { // in between, somebody skipped a transaction
			c := good(w.p, KindSync, w.now).(Sync)
			for i := range c.Links {
				c.Links[i].Since = w.now
			}
			return c
		}
		w.measure(KindPreflight, KindCheck, KindSync, KindConverter, KindGTID)
		t1 := w.now
		w.later(time.Second)
		w.take(shut(t1, "b.1:9"))
		w.measure(KindDrained)
		w.open("the first window", names[:]...)
		w.later(time.Second)
		inside := w.fork()
		inside.take(shut(t1, "b.1:9"))
		quiet := broken() // but new's log tells that it brought nothing
		for i := range quiet.Links {
			quiet.Links[i].Quiet = t0
		}
		inside.take(quiet)
		inside.open("the window goes on, replication does not", names[:]...)

		w.take(ReadOnly{OldT2: "b.1:9"}) // old takes writes again, and somebody looks
		w.shut("old is open", names[1])
		w.later(time.Second)
		again := w.now
		w.take(shut(again, "b.1:10"))
		w.take(broken())
		w.measure(KindDrained)
		w.shut("another window", names[:]...)
		w.later(time.Second)
		w.measure(KindCheck) // and what is advised: it is worth what came behind it
		w.later(time.Second)
		w.take(shut(again, "b.1:10"))
		next := broken()
		for i := range next.Links {
			next.Links[i].Since = again
		}
		w.take(next)
		w.open("another window, checked", names[:]...)

		// New's own writes within the window, and a check that finds them.
		written := shut(t1, "b.1:9")
		written.Extra = "u:1"
		for what, c := range map[string]Content{"written on new": written, "a check that differs": Check{Run: "2", Verdict: Different, Coverage: good(w.p, KindCheck, t0).(Check).Coverage}} {
			x := inside.fork()
			x.later(time.Second)
			x.take(shut(t1, "b.1:9"))
			x.take(c)
			x.shut(what, names[1])
			if c.Kind() == KindCheck {
				x.shut(what, names[0])
			}
		}
		reset := inside.fork() // whatever new's position is now, it does not tell what was there before
		reset.later(time.Second)
		reset.take(shut(t1, "b.1:9"))
		reset.list[len(reset.list)-1].Reset = []string{"new"}
		reset.shut("new's log was reset", names[1])
		reset.later(time.Second)
		reset.take(shut(t1, "b.1:9"))
		reset.shut("new's log was reset before", names[1])
		reset.later(time.Second)
		reset.measure(KindCheck, KindDrained)
		reset.open("and it was checked", names[:]...)
		said := inside.fork()
		sw := good(said.p, KindWritesSwitch, said.now).(WritesSwitch)
		sw.Switched = said.now
		said.take(sw)
		said.later(time.Second)
		said.take(written)
		said.open("written by the application, after its switch was declared", names[:]...)
		said.later(time.Hour)
		said.open("long after the switch", said.p.Path.Gates()...)
		for what, c := range map[string]Content{
			"the application is back on old": WritesSwitch{By: "ann", Switched: sw.Switched, Traffic: Traffic{SessionsSeen: true, AppOnOld: []Session{{ID: 1}}}},
			"old is written":                 WritesSwitch{By: "ann", Switched: sw.Switched, Traffic: Traffic{SessionsSeen: true, OldWrites: 1}},
			"another word":                   WritesSwitch{By: "ann", Switched: said.now, Traffic: sw.Traffic},
			"old was open and moved":         ReadOnly{OldT2: "b.1:11"},
		} {
			x := said.fork()
			x.take(c)
			x.shut(what, names[:]...)
			x.later(time.Second)
			x.take(sw)
			x.shut(what+", and gone again", names[:]...)
		}
	}
}

// TestWordsEndWithWhoGoesBack: what is written on new is the application's only while the word stands that it was switched.
func TestWordsEndWithWhoGoesBack(t *testing.T) {
	for path, name := range map[plan.Path]string{plan.GTIDRestart: "positions-equal", plan.GTIDConverter: "drained"} {
		w := &walk{T: t, p: windowed(testPlan(path)), now: t0}
		t1 := w.now
		window := func(extra string) {
			w.later(time.Second)
			w.take(ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: t1, T1: t1, OldT1: "b.1:9", OldT2: "b.1:9", NewApplied: "b.1:9", Extra: extra})
			w.later(time.Second)
		}
		w.measure(KindPreflight, KindCheck, KindSync, KindConverter, KindGTID, KindDrained)
		window("")
		w.open("nobody wrote to new", name)
		sw := good(w.p, KindWritesSwitch, w.now).(WritesSwitch)
		sw.Switched = w.now
		early := sw // its sessions on old have not ended yet
		early.AppOnOld, early.AppOnNew = []Session{{ID: 1}}, 0
		w.take(early)
		window("u:1")
		w.take(sw)
		w.open("switched", name)
		back := sw
		back.AppOnOld = []Session{{ID: 2}}
		for what, c := range map[string]WritesSwitch{"it is seen on old again": back, "its word is void": {Traffic: back.Traffic}} {
			x := w.fork()
			x.later(time.Second)
			x.take(ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: t1, T1: t1, OldT1: "b.1:9", OldT2: "b.1:9", NewApplied: "b.1:9", Extra: "u:1-2"})
			x.later(time.Second)
			x.take(c)
			x.shut(what, name)
			x.later(time.Second)
			x.take(sw)
			x.shut(what+", and the same word is said", name)
		}
	}
}

// TestSwitchesAreEpisodes: what was proven before a switch is gone once the application went back to old.
func TestSwitchesAreEpisodes(t *testing.T) {
	w := &walk{T: t, p: windowed(testPlan(plan.RollingUpgrade)), now: t0}
	w.list = replaced(world(w.p), KindSignOff)
	w.open("switched", "schema-parity", "config-parity", "restored-copy-checked", "rehearsal", "health", "switched")
	first := w.fork()
	worse := func(w *walk) { // what happened on new while nobody needed it
		w.take(Schema{Tables: 3, Complete: true, Differences: []Finding{{ID: "column_extra", Severity: "fatal"}}})
		w.take(Config{Variables: 50, Complete: true, Differences: []Finding{{ID: "config_sql_mode", Severity: "warning"}}})
	}
	first.later(time.Second)
	worse(first)
	first.open("new is in use, and goes its own way", "schema-parity", "config-parity", "health", "switched")

	names := []string{"preflight", "schema-parity", "config-parity", "restored-copy-checked", "rehearsal", "health"}
	for what, c := range map[string]Content{
		"a check that differs":           Check{Run: "2", Verdict: Different},
		"a check of the copy":            RestoredCopy{Copy: uuidNew, Version: "9", Verdict: Different},
		"a watch that holds differences": Watch{Since: t0.Add(-time.Hour), Differ: 1},
	} {
		x := first.fork() // new replicates nothing back: who knows whose the rows are that differ?
		x.take(Sync{Links: []Link{{From: "old", To: "new", Running: true, LagKnown: true}}})
		x.later(time.Second)
		x.measure(KindSchema, KindConfig)
		worse(x)
		x.take(c)
		x.shut(what, names[1:3]...)
		x.later(time.Hour)
		x.take(good(x.p, KindWritesSwitch, t0))
		x.shut(what+", long ago", names[1:3]...)
	}
	for what, c := range map[string]Drained{
		"old's writes are not known": {SessionsSeen: true, EchoesComplete: true, OldThrough: "b.1:5"},
		"nor those of a while":       {SessionsSeen: true, EchoesComplete: true, OldThrough: "b.1:5", Since: first.now},
	} {
		x := first.fork()
		x.later(time.Second)
		x.take(c)
		x.shut(what, names[1:3]...)
		x.later(time.Second)
		c.Since = first.now
		x.take(c)
		x.shut(what+", and counted again", names[1:3]...)
	}

	w.later(time.Second)
	w.take(WritesSwitch{By: "ann", Switched: t0.Add(-time.Hour), Traffic: Traffic{SessionsSeen: true, AppOnOld: []Session{{ID: 1}}, WritesSeen: true, OldWrites: 3, Window: 1}})
	w.shut("back on old", "switched")
	w.later(time.Second)
	worse(w)
	again := good(w.p, KindWritesSwitch, w.now).(WritesSwitch)
	again.Switched = w.now
	w.take(again)
	w.measure(KindDrained)
	w.shut("switched again", "schema-parity", "config-parity", "switched")
	w.later(time.Second)
	w.measure(KindSchema, KindConfig, KindSync, KindHealth, KindDrained)
	w.open("and mended", "schema-parity", "config-parity", "restored-copy-checked", "health", "switched")
}
