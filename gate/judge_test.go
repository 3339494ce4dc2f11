package gate

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/gate/plan"
)

// replaced is evidence in which the pieces of a kind are others.
func replaced(list []Evidence, k Kind, with ...Evidence) []Evidence {
	out := slices.DeleteFunc(slices.Clone(list), func(e Evidence) bool { return e.Kind() == k })
	return append(out, with...)
}

func of(list []Evidence, k Kind) Evidence {
	return list[slices.IndexFunc(list, func(e Evidence) bool { return e.Kind() == k })]
}

func TestEveryGateOpensOnItsProof(t *testing.T) {
	for _, path := range plan.Paths() {
		p := windowed(testPlan(path))
		s := Judge(p, world(p), t0)
		if s.State != Pass {
			t.Errorf("%s: %s\n%s", path, s.State, states(s))
		}
		var names []string
		for _, r := range s.Gates {
			names = append(names, r.Gate)
			if len(r.Rested) == 0 {
				t.Errorf("%s %s rests on nothing", path, r.Gate)
			}
		}
		if d := cmp.Diff(path.Gates(), names); d != "" {
			t.Errorf("%s: the plan's gates and ours: %s", path, d)
		}
		for name, kinds := range needs(path) {
			if d := cmp.Diff(kinds, Needs(p, name)); d != "" {
				t.Errorf("%s %s rests on other kinds: %s", path, name, d)
			}
		}
		if s := Judge(p, nil, t0); s.State != Unknown || slices.ContainsFunc(s.Gates, func(r Result) bool { return r.State != Unknown }) {
			t.Errorf("%s without evidence:\n%s", path, states(s))
		}
	}
}

// TestEveryGateRefuses tries, for each gate and each kind that it rests on, every way in which evidence may be no proof.
func TestEveryGateRefuses(t *testing.T) {
	for _, path := range plan.Paths() {
		p := windowed(testPlan(path))
		base := world(p)
		for name, kinds := range needs(path) {
			for _, k := range kinds {
				piece := of(base, k)
				for _, c := range refusals(p, k, piece) {
					t.Run(fmt.Sprintf("%s/%s/%s/%s", path, name, k, c.name), func(t *testing.T) {
						r := mustGate(t, Judge(p, replaced(base, k, c.with...), t0), name)
						if r.State.Open() {
							t.Fatalf("it is %s", r.State)
						}
						if !has(r, c.want) {
							t.Errorf("no reason %s:\n%+v", c.want, r.Reasons)
						}
						if c.unknown && r.State != Unknown {
							t.Errorf("it is %s for want of proof: %+v", r.State, r.Reasons)
						}
						for _, reason := range r.Reasons {
							if reason.Text == "" || reason.Next == "" {
								t.Errorf("%s does not say what or what next: %+v", reason.ID, reason)
							}
						}
					})
				}
			}
		}
	}
}

type refusal struct {
	name, want string
	unknown    bool // and not fail
	with       []Evidence
}

func refusals(p plan.Plan, k Kind, piece Evidence) []refusal {
	change := func(f func(e *Evidence)) Evidence {
		e := piece
		f(&e)
		return e
	}
	foreign := change(func(e *Evidence) { e.New = uuidElse; e.Taken = e.Taken.Add(time.Millisecond) })
	future := change(func(e *Evidence) { e.Taken = t0.Add(time.Second) })
	malformed := change(func(e *Evidence) { e.From = e.Taken.Add(time.Second); e.Taken = e.Taken.Add(time.Millisecond) })
	malformed.From = malformed.Taken.Add(time.Second)
	otherPlan := change(func(e *Evidence) { e.Plan = "another" })
	noPlan := change(func(e *Evidence) { e.Plan = "" })
	out := []refusal{
		{"missing", ReasonEvidenceMissing, true, nil},
		{"foreign server", ReasonForeignServer, true, []Evidence{foreign}},
		{"foreign server answers now", ReasonForeignServer, true, []Evidence{piece, foreign}},
		{"foreign plan", ReasonForeignPlan, true, []Evidence{otherPlan}},
		{"future", ReasonEvidenceFuture, true, []Evidence{future}},
		{"clock went backwards", ReasonEvidenceFuture, true, []Evidence{piece, future}},
		{"malformed", ReasonEvidenceMalformed, true, []Evidence{malformed}},
		{"malformed after", ReasonEvidenceMalformed, true, []Evidence{piece, malformed}},
	}
	switch k {
	case KindSignOff, KindReadsSwitch, KindWritesSwitch:
		out = append(out, refusal{"no plan", ReasonForeignPlan, true, []Evidence{noPlan}})
	default:
	}
	if k == KindSignOff {
		return append(out, refusal{"early", ReasonSignOffEarly, true, []Evidence{change(func(e *Evidence) { e.Taken = t0.Add(-time.Hour) })}})
	}
	if k != KindRehearsal { // its age is the certificate's, among bads
		at := t0.Add(-2000 * time.Hour)
		stale := made(p, at, good(p, k, at))
		out = append(out, refusal{"stale", ReasonEvidenceStale, true, []Evidence{stale}})
	}
	if k == KindSteps || k == KindStepRestored {
		out = append(out, refusal{"before an action", ReasonInvalidated, true, []Evidence{piece, made(p, piece.Taken, Action{Name: "set-steps", Applied: true})}})
	}
	return out
}

// manyOfOne is a plural of one.
var manyOfOne = regexp.MustCompile(`(^|[ (])1 (anonymous |more )?(sessions|rows|writes|transactions|tables|variables|overrides|findings|things)\b`)

// TestEveryFaultIsNamed tries every bad content of each kind, alone and beside good evidence of the same time.
func TestEveryFaultIsNamed(t *testing.T) {
	// Some faults of a kind are none for each gate that rests on the kind.
	harmless := map[string]string{
		"read-only": ReasonPositionsDiffer, "drained": ReasonDrainedShort, "switched": ReasonDrainedShort, "watch-period": "",
	}
	for _, path := range plan.Paths() {
		p := windowed(testPlan(path))
		base := world(p)
		for name, kinds := range needs(path) {
			for _, k := range kinds {
				piece := of(base, k)
				for id, c := range bads(p, k, piece.Taken) {
					if harmless[name] == id {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%s", path, name, k, id), func(t *testing.T) {
						bad := made(p, piece.Taken, c)
						if bad.Problem() != "" {
							t.Fatalf("the test's own evidence: %s", bad.Problem())
						}
						r := mustGate(t, Judge(p, replaced(base, k, bad), t0), name)
						if r.State.Open() || !has(r, id) {
							t.Errorf("%s, reasons %+v", r.State, r.Reasons)
						}
						for _, reason := range r.Reasons {
							if manyOfOne.MatchString(reason.Text) {
								t.Errorf("%q", reason.Text)
							}
						}
						for _, order := range [][]Evidence{{piece, bad}, {bad, piece}} {
							both := mustGate(t, Judge(p, replaced(base, k, order...), t0), name)
							if both.State != r.State || !has(both, id) || !has(both, ReasonContradicting) {
								t.Errorf("beside good evidence: %s, reasons %+v", both.State, both.Reasons)
							}
						}
						// What was mended since is no contradiction.
						before := bad
						before.Taken = piece.Taken.Add(-time.Millisecond)
						if before.Problem() == "" {
							if mended := mustGate(t, Judge(p, replaced(base, k, piece, before), t0), name); mended.State != Pass {
								t.Errorf("after it was mended: %s %+v", mended.State, mended.Reasons)
							}
						}
					})
				}
			}
		}
	}
}

// TestRegistry demands that the registry has each reason once, with the state that gates give it.
func TestRegistry(t *testing.T) {
	known := map[string]State{}
	for _, r := range Reasons() {
		if _, twice := known[r.ID]; twice || r.Meaning == "" || r.State.Open() {
			t.Errorf("entry %+v", r)
		}
		known[r.ID] = r.State
	}
	for _, path := range plan.Paths() {
		p := windowed(testPlan(path))
		base := world(p)
		for _, k := range allKinds(path) {
			for _, c := range bads(p, k, t0.Add(-2*time.Second)) {
				for _, r := range Judge(p, replaced(base, k, made(p, t0.Add(-2*time.Second), c)), t0).Gates {
					for _, reason := range r.Reasons {
						if known[reason.ID] != reason.State {
							t.Errorf("%s is %q, the registry says %q", reason.ID, reason.State, known[reason.ID])
						}
					}
				}
			}
		}
	}
}

func TestEarlierGateMustBeOpen(t *testing.T) {
	for _, path := range plan.Paths() {
		p := windowed(testPlan(path))
		base := replaced(world(p), KindPreflight)
		for i, r := range Judge(p, base, t0).Gates {
			if r.State != Unknown || i > 0 && !has(r, ReasonEarlierGate) {
				t.Errorf("%s %s without preflight: %s %+v", path, r.Gate, r.State, r.Reasons)
			}
		}
	}
}

func TestServersAreBound(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	p.Old.ServerUUID, p.New.ServerUUID = "", ""
	base := world(p)
	if s := Judge(p, base, t0); s.State != Pass || s.Old != uuidOld {
		t.Errorf("bound by preflight: %s", states(s))
	}
	if r := mustGate(t, Judge(p, replaced(base, KindPreflight), t0), "signed-off"); r.State != Unknown || !has(r, ReasonServersUnknown) {
		t.Errorf("bound by nothing: %+v", r)
	}
	other := of(base, KindPreflight)
	other.New, other.Taken = uuidElse, t0.Add(-time.Second)
	for _, r := range Judge(p, append(slices.Clone(base), other), t0).Gates[1:] {
		if r.State != Unknown {
			t.Errorf("%s is %s with another server at the address", r.Gate, r.State)
		}
	}
	p.Old.ServerUUID, p.New.ServerUUID = uuidOld, uuidOld
	if s := Judge(p, nil, t0); s.State != Fail || !has(s.Gates[0], ReasonSameServer) {
		t.Errorf("one server twice: %s", states(s))
	}
}

// TestOlderSessions: that nobody sees the sessions' steps may be acknowledged, not that some are older than the step.
func TestOlderSessions(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	c := good(p, KindSteps, t0).(Steps)
	c.Old.SessionsSeen, c.Old.Hidden, c.Old.Mark = false, true, 9
	judged := func() Result {
		return mustGate(t, Judge(p, replaced(world(p), KindSteps, made(p, t0, c)), t0), "steps-set")
	}
	if r := judged(); r.State != Unknown || !has(r, ReasonStaleSessionsUnseen) {
		t.Errorf("%s %+v", r.State, r.Reasons)
	}
	p.Acknowledge = []plan.Acknowledgement{{ID: plan.AckSessionsUnseen, By: "ann", Reason: "r"}}
	if r := judged(); r.State != Pass {
		t.Errorf("acknowledged: %s %+v", r.State, r.Reasons)
	}
	c.Old.Stale = []Session{{ID: 8, User: "app", Host: "h"}}
	if r := judged(); r.State != Fail || !has(r, ReasonStaleSessions) {
		t.Errorf("with an older session: %s %+v", r.State, r.Reasons)
	}
}

func TestAcceptedAndAcknowledged(t *testing.T) {
	p := windowed(testPlan(plan.RollingUpgrade))
	p.Accept = []plan.Accepted{{Name: "sql_mode", Reason: "r"}, {Name: "column_type:shop.a.b", Reason: "r"}}
	base := world(p)
	for _, k := range []Kind{KindSchema, KindConfig} {
		for _, id := range []string{ReasonSchemaDifference, ReasonConfigDifference} {
			if c, ok := bads(p, k, t0)[id]; ok {
				if s := Judge(p, replaced(base, k, made(p, t0.Add(-time.Second), c)), t0); s.State != Pass {
					t.Errorf("%s accepted: %s", k, states(s))
				}
			}
		}
	}
	d := windowed(testPlan(plan.DualWrite))
	d.Acknowledge = []plan.Acknowledgement{{ID: plan.AckCheckLossy, By: "a", Reason: "r"}, {ID: plan.AckNotPersisted, By: "a", Reason: "r"}}
	base = world(d)
	base = replaced(base, KindCheck, made(d, t0.Add(-time.Second), bads(d, KindCheck, t0)[ReasonCheckLossy]))
	base = replaced(base, KindSteps, made(d, t0.Add(-time.Second), bads(d, KindSteps, t0)[ReasonStepNotPersisted]))
	if s := Judge(d, base, t0); s.State != Pass {
		t.Errorf("acknowledged: %s", states(s))
	}
	base = replaced(world(d), KindSteps, made(d, t0.Add(-time.Second), bads(d, KindSteps, t0)[ReasonStaleSessionsUnseen]))
	if s := Judge(d, base, t0); s.State != Unknown {
		t.Errorf("not acknowledged: %s", states(s))
	}
	d.Acknowledge = append(d.Acknowledge, plan.Acknowledgement{ID: plan.AckSessionsUnseen, By: "a", Reason: "r"})
	base = world(d)
	base = replaced(base, KindSteps, made(d, t0.Add(-time.Second), bads(d, KindSteps, t0)[ReasonStaleSessionsUnseen]))
	if s := Judge(d, base, t0); s.State != Pass {
		t.Errorf("acknowledged that sessions are not seen: %s", states(s))
	}
}

func TestOverrides(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	base := replaced(world(p), KindCheck)
	o := made(p, t0.Add(-3*time.Hour), Override{Gate: "replica-in-sync", By: "ann", Why: "checked by hand"})
	s := Judge(p, append(slices.Clone(base), o), t0)
	r := mustGate(t, s, "replica-in-sync")
	if s.State != Overridden || r.State != Overridden || r.Override == nil || r.Override.By != "ann" || !has(r, ReasonEvidenceMissing) {
		t.Errorf("%s\n%+v", states(s), r)
	}
	if later := mustGate(t, s, "signed-off"); later.State != Pass {
		t.Errorf("behind an overridden gate: %+v", later)
	}
	s = Judge(p, append(world(p), o), t0)
	if r := mustGate(t, s, "replica-in-sync"); r.State != Pass || r.Override == nil || len(s.Overrides) != 1 {
		t.Errorf("with its proof the override must stay visible: %+v", r)
	}
	for name, change := range map[string]func(e *Evidence){
		"nobody":       func(e *Evidence) { e.Content = Override{Gate: "replica-in-sync", By: " ", Why: "w"} },
		"no reason":    func(e *Evidence) { e.Content = Override{Gate: "replica-in-sync", By: "ann"} },
		"future":       func(e *Evidence) { e.Taken = t0.Add(time.Hour) },
		"other plan":   func(e *Evidence) { e.Plan = "x" },
		"no plan":      func(e *Evidence) { e.Plan = "" },
		"other server": func(e *Evidence) { e.Old = uuidElse },
		"other gate":   func(e *Evidence) { e.Content = Override{Gate: "preflight", By: "ann", Why: "w"} },
	} {
		bad := o
		change(&bad)
		s := Judge(p, append(slices.Clone(base), bad), t0)
		if r := mustGate(t, s, "replica-in-sync"); r.State.Open() {
			t.Errorf("%s: %s", name, r.State)
		}
		if len(s.Overrides) != 1 {
			t.Errorf("%s: the override is not visible", name)
		}
	}
}

func TestHooks(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	p.Hooks = map[string]plan.Hook{"steps-set": {Command: []string{"ask"}, Timeout: time.Second, Veto: true}}
	base := world(p)
	r := mustGate(t, Judge(p, base, t0), "steps-set")
	if r.State != Unknown || !r.WantsHook() {
		t.Errorf("not run: %+v", r)
	}
	at := func(d time.Duration, h Hook) Evidence { h.Gate = "steps-set"; return made(p, t0.Add(d), h) }
	for _, c := range []struct {
		name  string
		hooks []Evidence
		want  State
	}{
		{"allowed", []Evidence{at(-time.Second, Hook{})}, Pass},
		{"vetoed", []Evidence{at(-time.Second, Hook{Exit: 1})}, Fail},
		{"killed", []Evidence{at(-time.Second, Hook{Exit: -1, Output: "signal: killed"})}, Fail},
		{"timed out", []Evidence{at(-time.Second, Hook{TimedOut: true})}, Unknown},
		{"stale", []Evidence{at(-time.Hour, Hook{})}, Unknown},
		{"future", []Evidence{at(time.Hour, Hook{})}, Unknown},
		{"allowed after a veto", []Evidence{at(-2*time.Second, Hook{Exit: 1}), at(-time.Second, Hook{})}, Pass},
		{"vetoed after", []Evidence{at(-2*time.Second, Hook{}), at(-time.Second, Hook{Exit: 1})}, Fail},
		{"contradicting", []Evidence{at(-time.Second, Hook{}), at(-time.Second, Hook{Exit: 1})}, Fail},
		{"of another gate", []Evidence{made(p, t0, Hook{Gate: "preflight"})}, Unknown},
		{"vetoed, then the clock went backwards", []Evidence{at(-time.Second, Hook{}), at(time.Minute, Hook{Exit: 1})}, Unknown},
	} {
		if r := mustGate(t, Judge(p, append(slices.Clone(base), c.hooks...), t0), "steps-set"); r.State != c.want {
			t.Errorf("%s: %s %+v", c.name, r.State, r.Reasons)
		}
	}
}

func TestEvidenceJSON(t *testing.T) {
	for _, path := range plan.Paths() {
		p := testPlan(path)
		list := append(world(p), made(p, t0, Override{Gate: "a", By: "b", Why: "c"}), made(p, t0, Hook{Gate: "a"}),
			made(p, t0, Action{Name: "x"}), made(p, t0, Decision{Gate: "a", State: Pass, Rested: []EvidenceID{"1"}}))
		for _, e := range list {
			e.From = e.Taken.Add(-time.Hour)
			e.Positions = map[string]string{"old": "b.1:4"}
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var back Evidence
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if back.ID() != e.ID() || back.ID() == "" {
				t.Errorf("%s reads back as another: %s", text, cmp.Diff(e.Content, back.Content))
			}
		}
	}
	var e Evidence
	for _, text := range []string{
		`{"kind":"later","taken":"2026-01-01T00:00:00Z","old":"a","new":"b","content":{}}`,
		`{"kind":"sign_off","taken":"2026-01-01T00:00:00Z","old":"a","new":"b","content":{"by":"a","but":"b"}}`,
		`{"kind":"sign_off","taken":"2026-01-01T00:00:00Z","old":"a","new":"b","content":{"by":"a"},"void":true}`,
	} {
		if err := json.Unmarshal([]byte(text), &e); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// BenchmarkJudge judges a migration that was judged once a minute for a week.
func BenchmarkJudge(b *testing.B) {
	p := windowed(testPlan(plan.DualWrite))
	list := world(p)
	for i := range 10000 {
		at := t0.Add(-time.Duration(i) * time.Minute)
		list = append(list, made(p, at, good(p, KindSteps, at)), made(p, at, Decision{Gate: "old-drained", State: Pass}))
	}
	list = replaced(list, KindCheck) // so that something must be looked up in the past
	for b.Loop() {
		Judge(p, list, t0)
	}
}

// TestCheckCoversWhatIsThere: what counts is which tables a check compared; patterns that look alike are not enough.
func TestCheckCoversWhatIsThere(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	base := world(p)
	check, before := of(base, KindCheck), of(base, KindPreflight)
	for _, c := range []struct {
		name            string
		there, compared []string
		folds           bool
		include         []string
		earlier         time.Duration // that the preflight was taken
		want            bool
	}{
		{name: "as before", include: p.Include, want: true},
		{name: "all", there: []string{"shop.a", "shop.b"}, compared: []string{"shop.b", "shop.a", "shop.c"}, include: p.Include, want: true},
		{name: "one is left", there: []string{"shop.a", "shop.b"}, compared: []string{"shop.a"}, include: p.Include},
		{name: "one of all is left", there: []string{"shop.a", "shop.b"}, compared: []string{"shop.a"}},
		{name: "letter case", there: []string{"shop.a"}, compared: []string{"Shop.A"}, include: p.Include},
		{name: "letter case that does not count", there: []string{"shop.a"}, compared: []string{"Shop.A"}, folds: true, include: p.Include, want: true},
		{name: "other patterns that hold all", there: []string{"shop.a"}, compared: []string{"shop.a", "blog.a"}, include: []string{"shop.?", "blog.*"}, want: true},
		{name: "narrower ones", there: []string{"shop.a", "shop.b"}, compared: []string{"shop.a"}, include: []string{"shop.a"}},
		{name: "other patterns, and a table may have come since it was looked", there: []string{"shop.a"}, compared: []string{"shop.a"}, include: []string{"shop.a"}, earlier: time.Second},
		{name: "other patterns, and no preflight that tells the tables", compared: []string{"shop.a"}, include: []string{"shop.a"}},
	} {
		seen, pre := check, before
		content, _ := check.Content.(Check)
		content.Names, content.Include = c.compared, c.include
		seen.Content = content
		pf, _ := before.Content.(Preflight)
		pf.Tables, pf.Folds = c.there, c.folds
		pre.Content, pre.Taken = pf, pre.Taken.Add(-c.earlier)
		s := Judge(p, replaced(replaced(base, KindCheck, seen), KindPreflight, pre), t0)
		refused := slices.ContainsFunc(s.Gates, func(r Result) bool { return has(r, ReasonCheckScope) })
		if refused == c.want {
			t.Errorf("%s: refused %v\n%s", c.name, refused, states(s))
		}
	}
}
