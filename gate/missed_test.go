package gate

import (
	"testing"
	"time"

	"crosscheck/gate/plan"
)

// TestAFailedLookProvesNothing: what was to be measured and could not be is not proven by the look before, however young, and keeps
// nothing later.
func TestAFailedLookProvesNothing(t *testing.T) {
	for _, path := range plan.Paths() {
		p := windowed(testPlan(path))
		for _, gate := range path.Gates() {
			for _, k := range needs(path)[gate] {
				switch k { //nolint:exhaustive // all others are looks
				case KindPreflight, KindCheck, KindWatch, KindRehearsal, KindSignOff, KindRestoredCopy:
					continue // they are not looks
				}
				taken := t0.Add(-time.Second)
				list := append(world(p), made(p, taken, Unmeasured{Of: k, Why: "cut off", Do: "on old: GRANT"}))
				r := mustGate(t, Judge(p, list, t0), gate)
				if r.State != Unknown || !has(r, ReasonEvidenceStale) || r.Reasons[0].Next != "on old: GRANT" {
					t.Errorf("%s: %s was not measured, and %s is %s %+v", path, k, gate, r.State, r.Reasons)
				}
				again := t0.Add(time.Second)
				list = append(list, made(p, again, good(p, k, t0.Add(-2*time.Second))))
				if r := mustGate(t, Judge(p, list, again), gate); has(r, ReasonEvidenceStale) {
					t.Errorf("%s: %s was measured again, and %s is %s %+v", path, k, gate, r.State, r.Reasons)
				}
			}
		}
	}

	// A transaction is skipped, old is set read only, and replication could not be looked at.
	w := &walk{T: t, p: windowed(testPlan(plan.GTIDRestart)), now: t0}
	w.measure(KindPreflight, KindCheck, KindSync)
	w.open("before", "caught-up")
	w.later(2 * time.Second)
	skipped, shut := w.now.Add(-time.Second), w.now
	w.later(time.Second)
	w.take(Unmeasured{Of: KindSync})
	window := ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: shut, T1: shut, OldT1: "b.1:9", OldT2: "b.1:9", NewApplied: "b.1:9"}
	w.take(window)
	w.shut("replication was not looked at", "caught-up", "positions-equal")
	w.later(time.Second)
	s := good(w.p, KindSync, w.now).(Sync)
	for i := range s.Links {
		s.Links[i].Since = skipped
	}
	w.take(s)
	w.take(window)
	w.shut("it was interrupted", "caught-up", "positions-equal")
}
