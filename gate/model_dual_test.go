package gate

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crosscheck/gate/plan"
)

// dual is what is really true of a migration in which both sides take writes, and what looks, checks and watches find of it.
type dual struct {
	walk
	book     Book // of the first known of list
	known    int
	lost     bool      // a transaction of old is not on new
	harm     bool      // somebody changed a row of new behind the log
	found    bool      // the newest check found differences
	collided time.Time // when both sides changed one row in two ways, and it differs since; zero: none does
	failed   time.Time // the newest of such that a watch saw
	since    time.Time // old→new runs without a break since
	steps    bool      // the steps are disjoint
	restored bool      // new has a step of 1
	onOld    bool      // the application writes on old
	onNew    bool      // and on new
	wrote    time.Time // old was last written
	looked   time.Time // the last look at its writes
	drained  time.Time // no look saw a write since
	reads    time.Time
	said     time.Time

	base    string    // the newest check, if it found all the same, and when it began
	began   time.Time //
	watch   time.Time // the account began; zero: there is none
	sees    time.Time // it knows of all since
	on      string    // the check that it builds on
	running bool
	died    time.Time
	sign    bool
}

func newDual() *dual {
	m := &dual{since: t0.Add(-time.Hour), onOld: true}
	m.p, m.now = testPlan(plan.DualWrite), t0
	m.p.Ages.State, m.p.Limits.QuietPeriod = time.Hour, time.Minute
	m.wrote, m.drained = m.now, m.now
	m.take(good(m.p, KindPreflight, m.now))
	return m
}

func (m *dual) differs() bool { return m.lost || m.harm || !m.collided.IsZero() }

func (m *dual) check(ends bool) {
	from := m.now
	m.later(time.Second)
	c := good(m.p, KindCheck, m.now).(Check)
	c.Run = strconv.Itoa(len(m.list))
	switch {
	case m.differs():
		c.Verdict, m.base, m.found = Different, "", true
	case !ends: // killed: it proves nothing
		return
	default:
		m.base, m.began, m.found = c.Run, from, false
	}
	e := made(m.p, m.now, c)
	if e.From = from; !ends { // what it has proven, and no more
		e.From = time.Time{}
	}
	m.list = append(m.list, e)
}

func (m *dual) look() Status {
	m.later(time.Second)
	if m.onOld {
		m.wrote = m.now
	}
	s := good(m.p, KindSync, m.now).(Sync)
	for i := range s.Links {
		s.Links[i].Since = m.since
	}
	traffic := Traffic{SessionsSeen: true, WritesSeen: true, Window: time.Minute}
	if m.onOld {
		traffic.AppOnOld, traffic.OldWrites = []Session{{ID: 1}}, 1
	}
	if m.onNew {
		traffic.AppOnNew, traffic.NewWrites = 1, 1
	}
	said := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return "ann"
	}
	d := Drained{Since: m.drained, SessionsSeen: true, AppOnOld: traffic.AppOnOld, EchoesComplete: true, OldThrough: "b.1:1"}
	if m.wrote.After(m.looked) {
		d.OldWrites = 1
		m.drained = m.now
	}
	m.looked = m.now
	steps := good(m.p, KindSteps, m.now).(Steps)
	if !m.steps {
		steps.New.Global, steps.New.Persisted = Step{2, 1}, &Step{2, 1}
	}
	restored := good(m.p, KindStepRestored, m.now).(StepRestored)
	if !m.restored {
		restored.New.Global = Step{2, 2}
	}
	m.take(s)
	m.take(steps)
	m.take(restored)
	m.take(ReadsSwitch{By: said(m.reads), Switched: m.reads, Traffic: traffic})
	m.take(WritesSwitch{By: said(m.said), Switched: m.said, Traffic: traffic})
	m.take(d)
	if !m.watch.IsZero() {
		w := Watch{Running: m.running, Since: m.watch, BaseRun: m.on, LastFailure: m.failed}
		if m.running && !m.collided.Before(m.sees) && !m.collided.IsZero() || m.running && m.lost && m.since.After(m.sees) {
			w.LastFailure, m.failed = m.now, m.now
			w.Differ = 1
		}
		at := m.now
		if !m.running {
			at = m.died
		}
		m.list = append(m.list, made(m.p, at, w))
	}
	if m.sign {
		m.measure(KindSignOff)
	}
	for _, e := range m.list[m.known:] {
		m.book.Add(e)
	}
	m.known = len(m.list)
	st := m.book.Judge(m.p, m.now)
	for _, r := range st.Gates {
		m.take(Decision{Gate: r.Gate, State: r.State, Rested: r.Rested})
	}
	return st
}

func (m *dual) moves() map[string]func() {
	return map[string]func(){
		"look":         func() {},
		"wait":         func() { m.later(2 * time.Minute) },
		"check":        func() { m.check(true) },
		"killed check": func() { m.check(false) },
		"skip a transaction": func() {
			if m.onOld {
				m.lost, m.since = true, m.now
			}
		},
		"restart replication": func() { m.since = m.now },
		"collide": func() {
			if m.onOld && m.onNew {
				m.collided = m.now
			}
		},
		"lose one and leave": func() { // nobody looked in between
			m.lost, m.since, m.wrote, m.onOld = true, m.now, m.now, false
		},
		"somebody changes new": func() { m.harm = true },
		"repair":               func() { m.lost, m.harm, m.collided = false, false, time.Time{} },
		"watch": func() {
			m.watch, m.sees, m.on, m.running, m.failed = m.now, m.now, m.base, true, time.Time{}
			if m.base != "" {
				m.sees = m.began
			}
		},
		"watch for a while": func() {
			m.moves()["watch"]()
			m.later(2 * time.Minute)
		},
		"watch without a base": func() { // its logs are gone
			m.base = ""
			m.moves()["watch for a while"]()
		},
		"kill the watch": func() {
			if m.running {
				m.running, m.died = false, m.now
			}
		},
		"resume the watch": func() { m.running = !m.watch.IsZero() },
		"set steps":        func() { m.steps, m.restored = true, false },
		"lose steps":       func() { m.steps = false },
		"reads":            func() { m.reads, m.onNew = m.now, true },
		"writes":           func() { m.said, m.onNew = m.now, true },
		"leave old":        func() { m.onOld = false },
		"back on old":      func() { m.onOld = true },
		"somebody writes on old": func() {
			m.wrote = m.now
		},
		"sign":             func() { m.sign = true },
		"restore the step": func() { m.restored, m.steps = true, false },
	}
}

// TestWalksOfDualWrite: over any walk no gate passes whose claim is false, and a migration that was mended comes to its end by what
// the gates advise.
func TestWalksOfDualWrite(t *testing.T) {
	passed := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := newDual()
		var told []string
		do := func(name string) Status {
			told = append(told, name)
			m.later(2 * time.Second)
			m.moves()[name]()
			st := m.look()
			for _, r := range st.Gates {
				if !r.State.Open() {
					continue
				}
				passed[r.Gate]++
				wrong := func(why string) { t.Fatalf("%s passes, and %s: %v\n%s", r.Gate, why, told, states(st)) }
				drained := mustGateOf(st, plan.GateOldDrained).State.Open()
				switch {
				case r.Gate == plan.GateReplicaInSync && (m.lost || m.found && m.differs()):
					wrong("a transaction of old is lost")
				case r.Gate == plan.GateReadsSwitched && (m.reads.IsZero() || !m.onNew):
					wrong("nobody reads from new")
				case r.Gate == plan.GateStepsSet && !m.steps && !drained:
					wrong("the steps meet")
				case r.Gate == plan.GateWritesSwitched && (m.said.IsZero() || m.lost || !m.collided.IsZero() || m.found && m.differs()):
					wrong("not all that was written is on both sides")
				case r.Gate == plan.GateOldDrained && (m.onOld || m.wrote.After(m.now.Add(-m.p.Limits.QuietPeriod)) || !m.collided.IsZero()):
					wrong("old is in use, or rows differ")
				case r.Gate == plan.GateStepRestored && !m.restored:
					wrong("new's step is not restored")
				}
			}
			return st
		}
		names := []string{
			"look", "wait", "check", "check", "killed check", "skip a transaction", "restart replication", "collide", "repair", "watch", "watch",
			"kill the watch", "resume the watch", "set steps", "set steps", "lose steps", "reads", "writes", "writes", "leave old", "back on old",
			"somebody writes on old", "restore the step", "lose one and leave", "somebody changes new", "watch for a while", "watch without a base",
			"watch without a base", "lose one and leave", "collide",
		}
		forward := []string{"check", "reads", "set steps", "watch", "writes", "wait", "leave old", "look", "wait", "restore the step"}
		for _, name := range forward[:rapid.SampledFrom([]int{0, 6, 9, 9, 10}).Draw(t, "forward")] {
			do(name)
		}
		for range rapid.IntRange(1, 16).Draw(t, "length") {
			name := rapid.SampledFrom(names).Draw(t, "step")
			if do(name); name == "lose one and leave" && rapid.Bool().Draw(t, "unseen") {
				do("watch without a base")
			}
		}
		// Mended, what the gates advise leads to the end.
		want := func(st Status, gate string) {
			for _, r := range st.Gates {
				if !r.State.Open() {
					t.Fatalf("mended, and %s is shut: %v\n%s", r.Gate, told, states(st))
				}
				if r.Gate == gate {
					break
				}
			}
		}
		for _, name := range []string{"back on old", "repair", "set steps"} {
			do(name)
		}
		want(do("check"), plan.GateReplicaInSync)
		want(do("reads"), plan.GateStepsSet)
		do("watch")
		do("writes")
		want(do("wait"), plan.GateWritesSwitched)
		do("leave old")
		do("look")
		want(do("wait"), plan.GateOldDrained)
		want(do("restore the step"), plan.GateStepRestored)
		want(do("sign"), plan.GateSignedOff)
	})
	for _, name := range plan.DualWrite.Gates() {
		if passed[name] == 0 {
			t.Errorf("%s never passed: the test proves nothing of it", name)
		}
	}
}

func mustGateOf(s Status, name string) Result {
	r, _ := s.Gate(name)
	return r
}
