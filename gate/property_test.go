package gate

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crosscheck/gate/plan"
)

// drawn is a piece of evidence together with what the test knows of it.
type drawn struct {
	Evidence
	good  bool // its content proves what its kind is for
	bound bool // of the plan's servers and plan
}

func draw(t *rapid.T, p plan.Plan) []drawn {
	kinds := append(allKinds(p.Path), KindDecision, KindAction, KindOverride)
	var out []drawn
	for range rapid.IntRange(0, 40).Draw(t, "pieces") {
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		taken := t0.Add(-time.Duration(rapid.SampledFrom([]int{-5, 0, 0, 1, 2, 2, 3, 10, 100, 5000}).Draw(t, "age")) * time.Second)
		d := drawn{good: true, bound: true}
		c := good(p, k, taken)
		switch k {
		case KindDecision:
			c = Decision{Gate: rapid.SampledFrom(p.Path.Gates()).Draw(t, "decided"), State: Pass}
		case KindAction:
			c = Action{Name: "set-steps", Applied: rapid.Bool().Draw(t, "applied")}
		case KindOverride: // of nobody: it opens nothing
			c = Override{Gate: rapid.SampledFrom(p.Path.Gates()).Draw(t, "overridden"), By: ""}
		default:
			list := bads(p, k, taken)
			ids := make([]string, 0, len(list))
			for id := range list {
				if id != ReasonContradicting {
					ids = append(ids, id)
				}
			}
			slices.Sort(ids)
			if len(ids) > 0 && rapid.IntRange(0, 2).Draw(t, "bad") == 0 {
				c, d.good = list[rapid.SampledFrom(ids).Draw(t, "fault")], false
			}
		}
		d.Evidence = made(p, taken, c)
		switch rapid.IntRange(0, 9).Draw(t, "binding") {
		case 0:
			d.Old, d.bound = uuidElse, false
		case 1:
			d.Plan, d.bound = "another", false
		}
		out = append(out, d)
	}
	return out
}

func plain(list []drawn) []Evidence {
	out := make([]Evidence, 0, len(list))
	for _, d := range list {
		out = append(out, d.Evidence)
	}
	return out
}

// proven is the tests' own word on whether a kind was proven at a moment: some good piece, bound and not of the future, and
// within the greatest age that any kind may have.
func proven(list []drawn, k Kind, at time.Time, oldest time.Duration) bool {
	return slices.ContainsFunc(list, func(d drawn) bool {
		return d.Kind() == k && d.good && d.bound && !d.Taken.After(at) && at.Sub(d.Taken) <= oldest
	})
}

func oldest(p plan.Plan, k Kind) time.Duration {
	switch k {
	case KindCheck, KindPreflight, KindSchema, KindConfig:
		return p.Ages.Check
	case KindRestoredCopy, KindRehearsal, KindSignOff:
		return 10000 * time.Hour
	case KindHealth:
		return p.Ages.Health
	default:
		return p.Ages.State
	}
}

// TestNoPassWithoutProof: whatever evidence there is, a gate that passes now has a proof of each kind that it needs, its
// earlier gates are open, and one that stays had all that at the moment that it names.
func TestNoPassWithoutProof(t *testing.T) {
	passes, stayed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := windowed(testPlan(rapid.SampledFrom(plan.Paths()).Draw(t, "path")))
		list := draw(t, p)
		if rapid.Bool().Draw(t, "from a whole world") {
			for _, e := range world(p) {
				if rapid.IntRange(0, 15).Draw(t, "kept") > 0 {
					list = append(list, drawn{Evidence: e, good: true, bound: true})
				}
			}
		}
		if rapid.Bool().Draw(t, "with a past") { // in which every gate was judged
			then := t0.Add(-200 * time.Second)
			for _, e := range world(p) {
				if rapid.IntRange(0, 15).Draw(t, "kept") > 0 {
					past := made(p, then.Add(e.Taken.Sub(t0)), good(p, e.Kind(), then.Add(e.Taken.Sub(t0))))
					list = append(list, drawn{Evidence: past, good: true, bound: true})
				}
			}
			for _, name := range p.Path.Gates() {
				list = append(list, drawn{Evidence: made(p, then, Decision{Gate: name, State: Pass}), good: true, bound: true})
			}
		}
		now := t0.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 30, 90}).Draw(t, "later")) * time.Second)
		s := Judge(p, plain(list), now)
		for i, r := range s.Gates {
			if r.State == Overridden {
				t.Fatalf("an override of nobody opened %s", r.Gate)
			}
			if r.State != Pass {
				if len(r.Reasons) == 0 {
					t.Fatalf("%s is %s without a reason", r.Gate, r.State)
				}
				continue
			}
			passes++
			at := now
			if !r.Stays.IsZero() {
				at = r.Stays
				stayed++
			} else {
				for _, e := range s.Gates[:i] {
					if !e.State.Open() {
						t.Fatalf("%s passes, %s before it does not", r.Gate, e.Gate)
					}
				}
			}
			for _, k := range needs(p.Path)[r.Gate] {
				if !proven(list, k, at, oldest(p, k)) {
					t.Fatalf("%s passes without proof of %s:\n%s", r.Gate, k, states(s))
				}
			}
			if len(r.Rested) == 0 {
				t.Fatalf("%s rests on nothing", r.Gate)
			}
		}
	})
	if passes == 0 || stayed == 0 {
		t.Errorf("the test saw %d passes, %d that stayed: it proves nothing", passes, stayed)
	}
}

// TestLessIsNeverMore: without all evidence of a kind, or at a later time, no gate passes that did not before. Actions are
// left out: they make evidence worthless, so their absence is no loss.
func TestLessIsNeverMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := windowed(testPlan(rapid.SampledFrom(plan.Paths()).Draw(t, "path")))
		list := plain(draw(t, p))
		for _, e := range world(p) {
			if rapid.IntRange(0, 7).Draw(t, "kept") > 0 {
				list = append(list, e)
			}
		}
		// The future is its own test: time makes it present.
		list = slices.DeleteFunc(list, func(e Evidence) bool { return e.Taken.After(t0) })
		before := Judge(p, list, t0)
		k := rapid.SampledFrom(allKinds(p.Path)).Draw(t, "removed")
		// A kind that a gate does not rest on may still speak against it, such as a writes switch that came before the watch.
		never(t, before, Judge(p, replaced(list, k), t0), "without "+string(k), func(gate string) bool {
			return slices.Contains(needs(p.Path)[gate], k)
		})
		never(t, before, Judge(p, list, t0.Add(time.Duration(rapid.IntRange(1, 1<<20).Draw(t, "later"))*time.Second)), "later", func(string) bool { return true })
	})
}

func never(t *rapid.T, before, after Status, what string, concerned func(gate string) bool) {
	for i, r := range after.Gates {
		if concerned(r.Gate) && r.State.Open() && !before.Gates[i].State.Open() {
			t.Fatalf("%s %s passes:\nbefore\n%s\nafter\n%s", what, r.Gate, states(before), states(after))
		}
	}
}

// TestOrderDoesNotCount: evidence is a set.
func TestOrderDoesNotCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := windowed(testPlan(rapid.SampledFrom(plan.Paths()).Draw(t, "path")))
		list := append(plain(draw(t, p)), world(p)...)
		if a, b := Judge(p, list, t0), Judge(p, rapid.Permutation(list).Draw(t, "order"), t0); states(a) != states(b) {
			t.Fatalf("one order\n%s\nanother\n%s", states(a), states(b))
		}
	})
}
