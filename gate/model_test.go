package gate

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crosscheck/gate/plan"
)

// model is what is really true of a migration without both sides taking writes, and what a look or a check finds of it.
type model struct {
	walk
	book        Book // of the first known of list
	known       int
	data, close string // the gates of the data and of the end of the window; "" on a path without one

	lost      bool      // a transaction of old is not on new
	foreign   bool      // somebody else wrote to new, and no check has found that harmless
	harm      bool      // and it did harm
	since     time.Time // replication runs without a break since
	place     int       // of old
	shut      time.Time // old is read only since; zero: it is not
	t1        time.Time // of the window, and where old stood
	t1Place   int
	onNew     bool // the application is on new, not on old
	said      time.Time
	worse     bool // new's schema differs
	moved     bool // the application wrote to new
	everMoved bool // and went back at some time, so that new has what old lacks
}

func newModel(path plan.Path) *model {
	m := &model{since: t0.Add(-time.Hour)}
	m.p, m.now = windowed(testPlan(path)), t0
	m.p.Ages.State, m.p.Limits.ReadOnlyWindow, m.p.Limits.WatchPeriod = time.Hour, 24*time.Hour, time.Minute
	m.data, m.close = map[plan.Path]string{plan.GTIDRestart: "caught-up", plan.GTIDConverter: "chain-in-sync", plan.RollingUpgrade: "health"}[path],
		map[plan.Path]string{plan.GTIDRestart: "positions-equal", plan.GTIDConverter: "drained"}[path]
	m.take(good(m.p, KindPreflight, m.now))
	return m
}

func (m *model) same() bool { return !m.lost && !m.harm && !m.everMoved }

// check compares the data. It ends later than it began.
func (m *model) check() {
	from := m.now
	m.later(time.Second)
	c := good(m.p, KindCheck, m.now).(Check)
	c.Run = strconv.Itoa(len(m.list))
	if !m.same() || m.moved {
		c.Verdict = Different
	} else {
		m.foreign = false
	}
	e := made(m.p, m.now, c)
	e.From = from
	m.list = append(m.list, e)
}

// look measures everything and judges.
func (m *model) look() Status {
	m.later(time.Second)
	pos := "b.1:" + strconv.Itoa(m.place)
	ro := ReadOnly{OldT2: pos}
	if !m.shut.IsZero() {
		if m.t1.IsZero() {
			m.t1, m.t1Place = m.now, m.place
		}
		ro = ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: m.shut, T1: m.t1, OldT1: "b.1:" + strconv.Itoa(m.t1Place), OldT2: pos, NewApplied: pos}
	}
	if m.foreign || m.moved && !m.onNew || m.moved && m.said.IsZero() {
		ro.Extra = "u:1"
	}
	s := good(m.p, KindSync, m.now).(Sync)
	for i := range s.Links {
		s.Links[i].Since = m.since
	}
	sw := good(m.p, KindWritesSwitch, m.now).(WritesSwitch)
	sw.By, sw.Switched = "", m.said
	if !m.said.IsZero() {
		sw.By = "ann"
	}
	d := Drained{Since: m.shut, SessionsSeen: true, EchoesComplete: true, OldThrough: pos}
	if !m.onNew {
		sw.AppOnNew, sw.NewWrites = 0, 0
		if m.shut.IsZero() {
			sw.AppOnOld, sw.OldWrites = []Session{{ID: 1}}, 1
			d.AppOnOld, d.OldWrites = sw.AppOnOld, 1
		}
	}
	if d.Since.IsZero() {
		d.Since = m.now
	}
	schema := good(m.p, KindSchema, m.now).(Schema)
	if m.worse {
		schema.Differences = []Finding{{ID: "column_extra", Severity: "fatal"}}
	}
	for _, c := range []Content{ro, s, sw, d, schema} {
		if slices.Contains(allKinds(m.p.Path), c.Kind()) {
			m.take(c)
		}
	}
	m.measure(KindGTID)
	for _, k := range []Kind{KindConverter, KindConfig, KindRehearsal, KindHealth} {
		if slices.Contains(allKinds(m.p.Path), k) {
			m.measure(k)
		}
	}
	for _, e := range slices.Backward(m.list) { // new, as it was checked last, is the restored copy
		if c, ok := e.Content.(Check); ok && m.p.Path == plan.RollingUpgrade {
			e.Content = RestoredCopy{Copy: uuidNew, Version: "9", Verdict: c.Verdict, Coverage: c.Coverage}
			m.list = append(m.list, e)
			break
		}
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

// steps are what may happen.
func (m *model) steps() map[string]func() {
	back := func() {
		if m.onNew {
			m.onNew, m.said, m.everMoved = false, time.Time{}, m.everMoved || m.moved
		}
		m.shut, m.t1 = time.Time{}, time.Time{}
		m.place++
	}
	return map[string]func(){
		"look":  func() {},
		"check": m.check,
		"skip a transaction": func() {
			m.since = m.now
			if !m.onNew && m.shut.IsZero() { // else there is none: all has arrived
				m.place++
				m.lost = true
			}
		},
		"restart replication": func() { m.since = m.now },
		"somebody writes on new": func() {
			if !m.onNew {
				m.foreign, m.harm = true, true
			}
		},
		"repair": func() {
			if !m.onNew && (m.lost || m.harm || m.everMoved) {
				m.lost, m.harm, m.everMoved, m.moved, m.foreign = false, false, false, false, true // a repair writes on new, too
			}
		},
		"shut": func() {
			if m.shut.IsZero() {
				m.shut = m.now
			}
		},
		"open, and written": back,
		"new's schema":      func() { m.worse = !m.worse },
		"switch": func() {
			if (m.shut.IsZero() && m.close != "") || m.onNew {
				return
			}
			m.said = m.now
			m.later(time.Second)
			m.onNew, m.moved = true, true
			if m.shut.IsZero() {
				m.shut = m.now
			}
		},
	}
}

// TestWalksForwardAndBack: over any walk no gate passes whose claim is false, and a migration that was mended comes to its
// switch by what the gates advise.
func TestWalksForwardAndBack(t *testing.T) {
	passed := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(rapid.SampledFrom([]plan.Path{plan.GTIDRestart, plan.GTIDConverter, plan.RollingUpgrade}).Draw(t, "path"))
		var told []string
		do := func(name string) Status {
			told = append(told, name)
			m.later(2 * time.Second)
			m.steps()[name]()
			return m.look()
		}
		wrong := func(st Status, g, why string) {
			t.Fatalf("%s: %s passes, and %s: %v\n%s", m.p.Path, g, why, told, states(st))
		}
		names := []string{
			"look", "check", "check", "skip a transaction", "restart replication", "somebody writes on new", "repair", "shut", "shut",
			"open, and written", "new's schema", "switch", "switch",
		}
		verify := func(st Status) {
			for _, r := range st.Gates {
				if !r.State.Open() {
					continue
				}
				passed[r.Gate]++
				switch {
				case r.Gate == m.data && m.lost && !m.onNew:
					wrong(st, r.Gate, "a transaction is lost")
				case r.Gate == m.close && !m.onNew && (!m.same() || m.foreign || m.shut.IsZero()):
					wrong(st, r.Gate, "new is not what old is")
				case r.Gate == "schema-parity" && m.worse && !m.onNew:
					wrong(st, r.Gate, "the schemas differ")
				case r.Gate == "switched" && (!m.onNew || m.said.IsZero()):
					wrong(st, r.Gate, "the application is not on new")
				}
			}
		}
		for range rapid.IntRange(1, 14).Draw(t, "length") {
			verify(do(rapid.SampledFrom(names).Draw(t, "step")))
		}
		// Back on old and mended: what the gates advise opens them again, one after the other.
		do("open, and written")
		m.worse = false
		do("repair")
		do("check")
		verify(do("shut"))
		st := do("switch")
		verify(st)
		for _, r := range st.Gates {
			if r.Gate == "watch-period" {
				break
			}
			if !r.State.Open() {
				t.Fatalf("%s: mended, and %s is shut: %v\n%s", m.p.Path, r.Gate, told, states(st))
			}
		}
	})
	for _, name := range []string{"caught-up", "chain-in-sync", "restored-copy-checked", "positions-equal", "drained", "schema-parity", "health", "switched"} {
		if passed[name] == 0 {
			t.Errorf("%s never passed: the test proves nothing of it", name)
		}
	}
}
