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

// TestReplicationBrokenSinceTheCheckBegan: what was compared before the break is not known to be so after it, and what
// replication passed over after the copy was checked, nobody has compared.
func TestReplicationBrokenSinceTheCheckBegan(t *testing.T) {
	for _, c := range []struct {
		path         plan.Path
		kind         Kind
		gate         string
		began, ended time.Duration // before now
		unbroken     map[time.Duration]State
	}{
		{
			plan.RollingUpgrade, KindRestoredCopy, "health", 51 * time.Hour, 50 * time.Hour,
			map[time.Duration]State{49 * time.Hour: Unknown, 50*time.Hour + time.Minute: Unknown, 52 * time.Hour: Pass},
		},
		{
			plan.DualWrite, KindCheck, "replica-in-sync", 40 * time.Minute, 10 * time.Minute,
			map[time.Duration]State{9 * time.Minute: Unknown, 11 * time.Minute: Unknown, 39 * time.Minute: Unknown, 40 * time.Minute: Pass},
		},
	} {
		p := windowed(testPlan(c.path))
		check := made(p, t0.Add(-c.ended), good(p, c.kind, t0))
		check.From = t0.Add(-c.began)
		for since, want := range c.unbroken {
			sync := good(p, KindSync, t0).(Sync)
			sync.Links[0].Since = t0.Add(-since)
			list := replaced(replaced(world(p), c.kind, check), KindSync, made(p, t0, sync))
			if r := mustGate(t, Judge(p, list, t0), c.gate); r.State != want || want == Unknown && !has(r, ReasonReplicationBroken) {
				t.Errorf("%s: unbroken for %s, the check began %s ago and ended %s ago: %s %+v", c.gate, since, c.began, c.ended, r.State, r.Reasons)
			}
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

// TestWatchOnACheckAfterTheSwitch: a watch that began late knows of all by the check that it builds on, if that began after the
// switch, also once there is a newer one.
func TestWatchOnACheckAfterTheSwitch(t *testing.T) {
	p := windowed(testPlan(plan.DualWrite))
	switched := t0.Add(-5 * time.Hour)
	sw := good(p, KindWritesSwitch, t0).(WritesSwitch)
	sw.Switched = switched
	w := good(p, KindWatch, t0).(Watch)
	w.BaseRun = "1"
	again := good(p, KindCheck, t0).(Check)
	again.Run = "2"
	for began, want := range map[time.Time]State{switched.Add(time.Second): Pass, switched.Add(-time.Second): Unknown} {
		list := replaced(replaced(world(p), KindWritesSwitch, made(p, t0, sw)), KindWatch, made(p, t0, w))
		list = append(replaced(list, KindCheck, made(p, began, good(p, KindCheck, began))), made(p, t0.Add(-time.Minute), again))
		if r := mustGate(t, Judge(p, list, t0), "writes-switched"); r.State != want || has(r, ReasonWatchLate) != (want == Unknown) {
			t.Errorf("switched at %s, the watch builds on a check of %s: %s %+v", moment(switched), moment(began), r.State, r.Reasons)
		}
	}
}

// TestResumedCheckIsAsOldAsItsBeginning: what its first process compared is proven as of then, whenever the last one ended.
func TestResumedCheckIsAsOldAsItsBeginning(t *testing.T) {
	p := windowed(testPlan(plan.GTIDRestart))
	check := made(p, t0.Add(-time.Minute), good(p, KindCheck, t0))
	for _, c := range []struct {
		began time.Duration
		want  State
	}{{time.Hour, Pass}, {p.Ages.Check + time.Second, Unknown}} {
		check.From = t0.Add(-c.began)
		r := mustGate(t, Judge(p, replaced(world(p), KindCheck, check), t0), "caught-up")
		if r.State != c.want || has(r, ReasonEvidenceStale) != (c.want == Unknown) || !r.Taken.Equal(check.From) {
			t.Errorf("begun %s ago: %s, as of %s %+v", c.began, r.State, r.Taken, r.Reasons)
		}
	}
}
