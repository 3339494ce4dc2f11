package record

import (
	"strings"
	"testing"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate/certificate"
)

// hour is a moment of the story: shop collides at 10, and at 20 again.
func hour(h int) time.Time { return gateNow.Add(time.Duration(h-100) * time.Hour) }

// during is a check that ran from one hour to another.
func during(id int64, from, to int, change ...func(*Run)) Run {
	r := shopRun()
	r.ID, r.Began, r.Attempt, r.Finished = id, hour(from), hour(from), hour(to)
	for _, f := range change {
		f(&r)
	}
	return r
}

// lists has a check find some rows of shop.a different.
func lists(n int64) func(*Run) {
	return func(r *Run) {
		r.Verdict, r.Tables[0].Verdict = checksum.Different, checksum.Different
		r.Tables[0].Counts.Changed = n
		r.Differs = []Differing{{Table: "shop.a", At: r.Finished}}
	}
}

// knows is a row of shop.a with an outcome that was known at some hour.
func knows(o watch.Outcome, h int, change ...func(*Fate)) Fate {
	f := Fate{Table: "shop.a", Key: `{"id":"1"}`, Plain: true, Outcome: o, Doubted: hour(10), At: hour(h), Old: "u:1-9", New: "v:1-9"}
	for _, c := range change {
		c(&f)
	}
	return f
}

func differedAt(h int) func(*Fate) { return func(f *Fate) { f.Differed = hour(h) } }

// TestEachFindingHasItsOwnEnd: one row of a kind says nothing of another, and of the watch and the checks the later one counts.
func TestEachFindingHasItsOwnEnd(t *testing.T) {
	other := Fate{Table: "shop.b", Key: `{"id":"1"}`, Plain: true, Outcome: watch.OutcomeEqual, Doubted: hour(10), At: hour(11)}
	text := func(f *Fate) { f.Plain = false }
	interrupted := func(r *Run) { r.Interrupted = true }
	undecided := func(r *Run) { r.Tables[0].Verdict, r.Tables[0].Counts.Undecided = checksum.Undecided, 1 }
	narrow := func(r *Run) { r.Tables = r.Tables[1:] }
	listed := map[int64]Listing{}
	for _, c := range []struct {
		name    string
		rows    []Fate
		runs    []Run
		lists   map[int64]Listing
		untold  bool
		kind    conflict.Kind
		want    end
		by, why string
	}{
		{name: "found equal", rows: []Fate{knows(watch.OutcomeEqual, 11)}, want: endEqual, by: "watch"},
		{name: "found equal after it differed", rows: []Fate{knows(watch.OutcomeEqual, 13, differedAt(12))}, want: endRepaired, by: "watch, which found it different before"},
		{name: "differed long before", rows: []Fate{knows(watch.OutcomeEqual, 13, differedAt(5))}, want: endEqual, by: "watch"},
		{name: "superseded", rows: []Fate{knows(watch.OutcomeSuperseded, 11)}, want: endSuperseded, by: "watch"},
		{name: "one of two rows is open", rows: []Fate{knows(watch.OutcomeEqual, 11), knows(watch.OutcomeOpen, 10)}, want: endOpen, why: "not checked again"},
		{name: "one of two rows differs", rows: []Fate{knows(watch.OutcomeDiffers, 11), other}, want: endDiffers, why: "proved it different"},
		{name: "without a decision", rows: []Fate{knows(watch.OutcomeOpen, 11, func(f *Fate) { f.Reason = "too large" })}, want: endOpen, why: "too large"},
		{name: "never under doubt, for there were too many", rows: []Fate{knows(FateUnknown, 0)}, want: endUnknown},
		{name: "equal before it was found", rows: []Fate{knows(watch.OutcomeEqual, 10)}, want: endUnknown},
		{name: "of an earlier version", want: endUnknown},
		{name: "more rows than are named", rows: []Fate{knows(watch.OutcomeEqual, 11)}, untold: true, want: endUnknown},
		{name: "benign", kind: conflict.DeleteDelete, rows: []Fate{knows(watch.OutcomeOpen, 10)}, want: endHarmless},
		{name: "benign and different", kind: conflict.DeleteDelete, rows: []Fate{knows(watch.OutcomeDiffers, 11)}, want: endDiffers},
		{name: "no row is under doubt because of it", kind: conflict.WrongStepKey, want: endHarmless},
		{name: "unjudged", kind: conflict.Unjudged, want: endUnknown},

		{name: "a later check: the same", rows: []Fate{knows(watch.OutcomeOpen, 10)}, runs: []Run{during(3, 12, 13)}, want: endEqual, by: "check 3"},
		{name: "a later check, of an earlier version's finding", runs: []Run{during(3, 12, 13)}, want: endEqual, by: "check 3"},
		{name: "a later check: the same after it differed", rows: []Fate{knows(watch.OutcomeDiffers, 11, differedAt(11))}, runs: []Run{during(3, 12, 13)}, want: endRepaired, by: "check 3, after the watch found it different"},
		{name: "different once the check had begun", rows: []Fate{knows(watch.OutcomeDiffers, 13, differedAt(13))}, runs: []Run{during(3, 12, 14)}, want: endDiffers},
		{name: "a check that had begun before", rows: []Fate{knows(watch.OutcomeOpen, 10)}, runs: []Run{during(3, 9, 13)}, want: endOpen},
		{name: "a later check of other tables", rows: []Fate{knows(watch.OutcomeOpen, 10)}, runs: []Run{during(3, 12, 13, narrow)}, want: endOpen},
		{name: "a later check without a decision", rows: []Fate{knows(watch.OutcomeOpen, 10)}, runs: []Run{during(3, 12, 13, undecided)}, want: endOpen},
		{name: "a later check that was interrupted behind the table", rows: []Fate{knows(watch.OutcomeOpen, 10)}, runs: []Run{during(3, 12, 13, interrupted)}, want: endEqual, by: "check 3"},
		{name: "a later check lists it", rows: []Fate{knows(watch.OutcomeEqual, 11)}, runs: []Run{during(3, 12, 13, lists(1))}, lists: map[int64]Listing{3: Listed}, want: endDiffers, why: "check 3"},
		{name: "a later check lists another", rows: []Fate{knows(watch.OutcomeOpen, 11)}, runs: []Run{during(3, 12, 13, lists(1))}, lists: map[int64]Listing{3: NotListed}, want: endEqual, by: "check 3"},
		{name: "a later check lists another and did not decide on all", rows: []Fate{knows(watch.OutcomeEqual, 11)}, runs: []Run{during(3, 12, 13, lists(1), func(r *Run) { r.Tables[0].Counts.Undecided = 1 })}, lists: map[int64]Listing{3: NotListed}, want: endOpen, why: "does not tell"},
		{name: "a later check finds the definitions different", rows: []Fate{knows(watch.OutcomeEqual, 11)}, runs: []Run{during(3, 12, 13, lists(0), func(r *Run) { r.Tables[0].Reason = "a column is missing" })}, lists: map[int64]Listing{3: NotListed}, want: endOpen},
		{name: "a later check, by a key of text", rows: []Fate{knows(watch.OutcomeEqual, 11, text)}, runs: []Run{during(3, 12, 13, lists(1))}, lists: map[int64]Listing{3: NotListed}, want: endOpen, why: "does not tell"},
		{name: "equal after the check that listed it", rows: []Fate{knows(watch.OutcomeEqual, 15)}, runs: []Run{during(3, 12, 13, lists(1))}, lists: map[int64]Listing{3: Listed}, want: endRepaired, by: "watch, after check 3 found it different"},
		{name: "listed, then the same", rows: []Fate{knows(watch.OutcomeOpen, 10)}, runs: []Run{during(4, 14, 15), during(3, 12, 13, lists(1))}, lists: map[int64]Listing{3: Listed}, want: endRepaired, by: "check 4, after check 3 found it different"},
		{name: "the same, then listed", rows: []Fate{knows(watch.OutcomeOpen, 10)}, runs: []Run{during(4, 14, 15, lists(1)), during(3, 12, 13)}, lists: map[int64]Listing{4: Listed}, want: endDiffers},
		{name: "listed before it collided", rows: []Fate{knows(watch.OutcomeOpen, 10)}, runs: []Run{during(4, 14, 15), during(3, 8, 9, lists(1))}, lists: map[int64]Listing{3: Listed}, want: endEqual, by: "check 4"},
	} {
		listed = c.lists
		d := Damage{Runs: c.runs, Whole: Run.Whole, Lists: func(run int64, _, _ string) (Listing, error) { return listed[run], nil }}
		if c.kind == 0 {
			c.kind = conflict.UpdateUpdate
		}
		got, err := d.found(Found{Kind: c.kind, Table: "shop.a", At: hour(10), Told: !c.untold && len(c.rows) > 0, Rows: c.rows})
		if err != nil || got.end != c.want || got.settled() && got.by.By != c.by || !strings.Contains(got.why, c.why) {
			t.Errorf("%s: %s by %q, why %q %v; want %s by %q, why %q", c.name, got.end, got.by.By, got.why, err, c.want, c.by, c.why)
		}
	}
	// What is of no table is settled by a check of all only.
	for whole, want := range map[bool]end{true: endEqual, false: endUnknown} {
		d := Damage{Runs: []Run{during(3, 12, 13)}, Whole: func(Run) bool { return whole }}
		if got, err := d.found(Found{Kind: conflict.Unjudged, At: hour(10)}); err != nil || got.end != want {
			t.Errorf("a gap, %v: %s %v", whole, got.end, err)
		}
	}
}

// TestTally: of two collisions of a kind one is mended. The certificate says so of each, names the open one, and counts the rows.
func TestTally(t *testing.T) {
	mended, open := knows(watch.OutcomeEqual, 11), knows(watch.OutcomeDiffers, 11, func(f *Fate) { f.Key = `{"id":"2"}` })
	a := shopAccount()
	a.Counts = map[conflict.Kind]uint64{conflict.UpdateUpdate: 2, conflict.DeleteDelete: 1}
	a.Status.Account.Untracked = 3
	tally := Tally{Account: a, Damage: &Damage{}}
	for i, f := range []Found{
		{ID: "f1", Kind: conflict.UpdateUpdate, Table: "shop.a", Key: mended.Key, At: hour(10), Told: true, Rows: []Fate{mended}},
		{ID: "f2", Kind: conflict.UpdateUpdate, Table: "shop.a", Key: open.Key, At: hour(10), Told: true, Rows: []Fate{open}},
		{ID: "f3", Kind: conflict.DeleteDelete, Table: "shop.a", At: hour(10), Told: true, Rows: []Fate{mended}},
	} {
		if err := tally.Found(f); err != nil {
			t.Fatal(i, err)
		}
	}
	named := Fate{Table: "shop.a", Outcome: FateUnknown} // of a finding only
	for _, r := range []Fate{mended, open, named, knows(watch.OutcomeSuperseded, 10)} {
		if err := tally.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	a.Status.Account.Waiting = [2]int{1, 2}
	a.Status.Account.Sides[0].Unjudged = 5
	a.Status.At = hour(10)
	tally.Account, tally.Damage = a, &Damage{Runs: []Run{during(4, 12, 13)}, Whole: Run.Whole}
	w := tally.Watched()
	if w.Waiting != 3 || w.Unjudged != 5 || w.LaterCheck != "check 4" {
		t.Errorf("%+v", w)
	}
	tally.Damage = &Damage{Runs: []Run{during(4, 9, 13)}, Whole: Run.Whole} // it had begun before
	if later := tally.Watched().LaterCheck; later != "" {
		t.Error(later)
	}
	if len(w.Findings) != 2 || w.Rows.Equal != 1 || w.Rows.Superseded != 1 || w.Rows.Differs != 1 || w.Rows.NotKnown != 3 || len(w.Rows.Named) != 1 {
		t.Fatalf("%+v", w)
	}
	f := w.Findings[0]
	if f.Count != 2 || f.Unsettled != 1 || len(f.Open) != 1 || f.Open[0].ID != "f2" || f.Open[0].Key != `{"id":"2"}` || f.Open[0].Outcome != "differs" ||
		len(f.SettledBy) != 1 || f.SettledBy[0].By != "watch" || f.SettledBy[0].Count != 1 || f.SettledBy[0].Old != "u:1-9" ||
		!strings.HasPrefix(f.Settled, "1 settled (1 found equal again), 1 open (1 different still)") {
		t.Errorf("%+v", f)
	}
	if same := w.Findings[1]; same.Unsettled != 0 || same.Outcomes.Harmless != 1 {
		t.Errorf("%+v", same)
	}
	// What is named is bounded, what is counted is not.
	tally.Damage = &Damage{}
	for range 2 * certificate.MaxNamed {
		if err := tally.Found(Found{ID: "x", Kind: conflict.UpdateUpdate, Told: true, Rows: []Fate{open}, At: hour(10)}); err != nil {
			t.Fatal(err)
		}
	}
	if f := tally.Watched().Findings[0]; f.Unsettled != 1+2*certificate.MaxNamed || len(f.Open) != certificate.MaxNamed {
		t.Errorf("%d open, %d named", f.Unsettled, len(f.Open))
	}
}
