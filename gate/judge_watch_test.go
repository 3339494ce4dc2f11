package gate

import (
	"testing"
	"time"

	"crosscheck/gate/plan"
)

func TestReplicationBrokenForASecond(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	base := world(p)
	sync := good(p, KindSync, t0).(Sync)
	sync.Links[0].Since = t0.Add(-time.Second)
	broken := replaced(base, KindSync, made(p, t0.Add(-time.Second), sync))
	r := mustGate(t, Judge(p, broken, t0), "replica-in-sync")
	if r.State != Unknown || !has(r, ReasonReplicationBroken) {
		t.Fatalf("%s %+v", r.State, r.Reasons)
	}
	w := good(p, KindWatch, t0).(Watch)
	w.BaseRun = "1"
	watched := replaced(broken, KindWatch, made(p, t0, w))
	if r := mustGate(t, Judge(p, watched, t0), "replica-in-sync"); r.State != Pass {
		t.Errorf("with a watch that builds on the check: %s %+v", r.State, r.Reasons)
	}
}

// TestCopyFollowsSinceItWasChecked: what replication passed over after the copy was checked, nobody has compared.
func TestCopyFollowsSinceItWasChecked(t *testing.T) {
	p := testPlan(plan.RollingUpgrade)
	copied := made(p, t0.Add(-50*time.Hour), good(p, KindRestoredCopy, t0))
	copied.From = t0.Add(-51 * time.Hour)
	for since, want := range map[time.Duration]State{-49 * time.Hour: Unknown, -50*time.Hour - time.Minute: Unknown, -52 * time.Hour: Pass} {
		sync := good(p, KindSync, t0).(Sync)
		sync.Links[0].Since = t0.Add(since)
		list := replaced(replaced(world(p), KindRestoredCopy, copied), KindSync, made(p, t0, sync))
		if r := mustGate(t, Judge(p, list, t0), "health"); r.State != want || want == Unknown && !has(r, ReasonReplicationBroken) {
			t.Errorf("unbroken for %s, the copy's check began 51h ago: %s %+v", -since, r.State, r.Reasons)
		}
	}
}

// TestReplicationBrokenDuringTheCheck: what was compared before the break is not known to be so after it.
func TestReplicationBrokenDuringTheCheck(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	check := made(p, t0.Add(-10*time.Minute), good(p, KindCheck, t0))
	check.From = t0.Add(-40 * time.Minute)
	for since, want := range map[time.Duration]State{-9 * time.Minute: Unknown, -11 * time.Minute: Unknown, -39 * time.Minute: Unknown, -40 * time.Minute: Pass} {
		sync := good(p, KindSync, t0).(Sync)
		sync.Links[0].Since = t0.Add(since)
		list := replaced(replaced(world(p), KindCheck, check), KindSync, made(p, t0, sync))
		if r := mustGate(t, Judge(p, list, t0), "replica-in-sync"); r.State != want || want == Unknown && !has(r, ReasonReplicationBroken) {
			t.Errorf("unbroken for %s, the check began 40m ago and ended 10m ago: %s %+v", -since, r.State, r.Reasons)
		}
	}
}

func TestWatchKeepsTheCheckFresh(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	old := t0.Add(-50 * time.Hour)
	base := replaced(world(p), KindCheck, made(p, old, good(p, KindCheck, old)))
	if r := mustGate(t, Judge(p, base, t0), "replica-in-sync"); r.State != Unknown || !has(r, ReasonEvidenceStale) {
		t.Fatalf("%s %+v", r.State, r.Reasons)
	}
	for run, want := range map[string]State{"1": Pass, "2": Unknown, "": Unknown} {
		w := good(p, KindWatch, t0).(Watch)
		w.BaseRun = run
		if r := mustGate(t, Judge(p, replaced(base, KindWatch, made(p, t0, w)), t0), "replica-in-sync"); r.State != want {
			t.Errorf("watch on run %q: %s %+v", run, r.State, r.Reasons)
		}
		for id, bad := range bads(p, KindWatch, t0) {
			b := bad.(Watch)
			b.BaseRun = "1"
			if r := mustGate(t, Judge(p, replaced(base, KindWatch, made(p, t0, b)), t0), "replica-in-sync"); r.State.Open() && id != ReasonWatchShort {
				t.Errorf("a watch with %s keeps the check fresh", id)
			}
		}
	}
}

// TestWatchOnAnEarlierCheck: a check that is made beside a watch does not end what the watch keeps proven, unless it is
// worse.
func TestWatchOnAnEarlierCheck(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	first, second := t0.Add(-90*time.Hour), t0.Add(-50*time.Hour)
	w := good(p, KindWatch, t0).(Watch)
	w.BaseRun = "1"
	base := replaced(replaced(world(p), KindWatch, made(p, t0, w)), KindCheck, made(p, first, good(p, KindCheck, first)))
	again := good(p, KindCheck, second).(Check)
	again.Run = "2"
	if r := mustGate(t, Judge(p, append(base, made(p, second, again)), t0), "replica-in-sync"); r.State != Pass {
		t.Errorf("two good checks: %s %+v", r.State, r.Reasons)
	}
	worse := again
	worse.Verdict = Undecided
	if r := mustGate(t, Judge(p, append(base, made(p, second, worse)), t0), "replica-in-sync"); r.State != Unknown {
		t.Errorf("the second is undecided: %s %+v", r.State, r.Reasons)
	}
	bad := good(p, KindCheck, first).(Check)
	bad.Complete = false
	base = append(replaced(base, KindCheck, made(p, first, bad)), made(p, second, again))
	if r := mustGate(t, Judge(p, base, t0), "replica-in-sync"); r.State != Unknown || !has(r, ReasonEvidenceStale) {
		t.Errorf("the first is incomplete: %s %+v", r.State, r.Reasons)
	}
}
