package gate_test

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// TestWalks: over any walk of any path, forward and back, no gate passes whose claim is false, and a gate whose claim is true opens
// within one round of following its advice.
//
// Without flags they are few, and the same each time. "make soak" walks many, from a seed that is printed.
func TestWalks(t *testing.T) {
	for name, value := range map[string]string{"rapid.checks": "30", "rapid.seed": "1"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := f.Value.Set(value); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
		}
	}
	for _, path := range plan.Paths() {
		t.Run(string(path), func(t *testing.T) {
			passed := map[string]int{}
			rapid.Check(t, func(t *rapid.T) { walk(t, path, passed) })
			for _, name := range path.Gates() {
				if passed[name] == 0 {
					t.Errorf("%s never passed: the test proves nothing of it", name)
				}
			}
			if path == plan.RollingUpgrade && passed[plan.GateNodesUpgraded] == 0 {
				t.Errorf("%s never passed: the test proves nothing of it", plan.GateNodesUpgraded)
			}
		})
	}
}

func walk(t *rapid.T, path plan.Path, passed map[string]int) {
	w := newWorld(t, path)
	gates := w.p.Gates()
	look := func(name, by string) gate.Status {
		s := w.look(name, by)
		for _, r := range s.Gates {
			if r.State.Open() {
				passed[r.Gate]++
				if why := w.untrue(r.Gate, s); why != "" {
					t.Fatalf("%s: %s passes, and %s:\n%s\n%s", path, r.Gate, why, strings.Join(w.told, ", "), gate.Shown(s))
				}
			}
			if r.Gate == name {
				break
			}
		}
		if r, _ := s.Gate(plan.GateSignedOff); r.State.Open() {
			w.over = true
		}
		return s
	}
	s := look("", "")
	for range rapid.SampledFrom([]int{0, 0, 3, 6, 9, 12}).Draw(t, "forward") {
		s, _ = w.round(t, look, s)
	}
	moves := w.moves()
	names := slices.Sorted(maps.Keys(moves))
	var kinds []gate.Kind
	for _, g := range gates {
		kinds = append(kinds, w.needs(g)...)
	}
	for range rapid.IntRange(1, 12).Draw(t, "length") {
		name := rapid.SampledFrom(names).Draw(t, "move")
		w.pass(2 * time.Second)
		seen := rapid.SampledFrom([]string{"all", "all", "all", "gate", "said", "unseen", "follow", "within", "failing"}).Draw(t, "seen")
		w.tell(name + " (" + seen + ")")
		switch seen {
		case "failing": // such a look is undecided, whatever it says
			moves[name]()
			w.fails = rapid.SampledFrom(kinds).Draw(t, "kind")
			w.tell("without " + string(w.fails))
			w.look("", "")
			seen = "all"
		case "within":
			w.stage.at, w.stage.do = rapid.IntRange(0, 20).Draw(t, "at"), moves[name]
			w.look("", "") // what was measured before it happened is true of before
			seen = "all"
		default:
			moves[name]()
		}
		switch seen {
		case "all":
			look("", "")
		case "gate":
			look(rapid.SampledFrom(gates).Draw(t, "gate"), "")
		case "said":
			look(rapid.SampledFrom(switchesOf(path)).Draw(t, "gate"), "ann")
		case "follow":
			w.round(t, look, look("", ""))
		}
	}
	w.end(t, look)
}

func (w *world) tell(what string) { w.told = append(w.told, w.now.Format("15:04:05 ")+what) }

func switchesOf(path plan.Path) []string {
	if path == plan.DualWrite {
		return []string{plan.GateReadsSwitched, plan.GateWritesSwitched}
	}
	return []string{plan.GateSwitched}
}

// round follows the advice of the first gate that is shut, and looks again; false: none is.
func (w *world) round(t *rapid.T, look func(name, by string) gate.Status, s gate.Status) (gate.Status, bool) {
	r, ok := s.Next()
	if !ok {
		return s, false
	}
	w.tell("advice of " + r.Gate + ": " + r.ReasonIDs())
	if what := w.follow(r); what != "" {
		t.Fatalf("nobody knows how to follow: %s", what)
	}
	return look("", ""), true
}

// end goes to the end of the migration by what the gates advise. Each gate opens in one round once its claim is true.
func (w *world) end(t *rapid.T, look func(name, by string) gate.Status) {
	s := look("", "")
	for range 4 * len(w.p.Gates()) {
		r, shut := s.Next()
		if !shut {
			return
		}
		if w.app.onNew && w.p.Path != plan.DualWrite && w.damaged("new") { // new has what old lacks, for good
			w.tell("all back")
			w.moves()["all back"]()
			s = look("", "")
			continue
		}
		ready := w.untrue(r.Gate, s) == "" && w.ripe()
		s, _ = w.round(t, look, s)
		if again, _ := s.Next(); ready && again.Gate == r.Gate {
			t.Fatalf("%s: the claim of %s is true, and it stays shut:\n%s\n%s", w.p.Path, r.Gate, strings.Join(w.told, ", "), gate.Shown(s))
		}
	}
	t.Fatalf("%s: the advice goes round in a circle:\n%s\n%s", w.p.Path, strings.Join(w.told, ", "), gate.Shown(s))
}

// ripe tells that nothing is wrong but what a check would show, and nothing has to be waited for.
func (w *world) ripe() bool {
	for _, t := range tables[:2] {
		if w.differ("new", t) || w.differ(replica, t) {
			return false
		}
	}
	d := &w.dual
	window, _, _ := newest[gate.ReadOnly](w)
	_, said, _ := w.word(gate.KindWritesSwitch)
	switch {
	case slices.ContainsFunc(w.ways, func(x *way) bool { return !x.running }):
		return false
	case w.p.Rolling != nil && !w.wasOpen(plan.GateNodesUpgraded): // its reads take several looks
		return false
	case w.replicas != replicas{}, w.app.onNew && !w.app.writesNew:
		return false
	case window.ReadOnly && w.now.Sub(window.Since) > w.p.Limits.ReadOnlyWindow:
		return false
	case w.p.Path == plan.DualWrite && d.watch.After(said) && (d.base == nil || d.base.Began.Before(said)):
		return false
	case w.p.Path == plan.DualWrite:
		return d.running && !d.blind && w.now.Sub(d.watch) >= w.p.Limits.QuietPeriod && w.now.Sub(d.failed) >= w.p.Limits.QuietPeriod
	}
	return !w.toggles.healthy.IsZero() && w.now.Sub(w.toggles.healthy) >= w.p.Limits.WatchPeriod
}
