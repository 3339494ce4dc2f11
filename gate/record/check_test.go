package record

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/checksum"
	"crosscheck/gate"
)

// shopRun is a run of the plan's tables that found them the same.
func shopRun() Run {
	return Run{
		ID: 7, Began: gateNow.Add(-time.Hour), Attempt: gateNow.Add(-time.Hour), Finished: gateNow.Add(-time.Minute), Verdict: checksum.Same,
		Old: checksum.EndpointInfo{ServerUUID: "old-uuid", Position: "u:1-5"}, New: checksum.EndpointInfo{ServerUUID: "new-uuid", Position: "u:1-4"},
		Scope: &Scope{Include: []string{"shop.*"}},
		Tables: []checksum.TableResult{
			{Table: "shop.a", Verdict: checksum.Same, Counts: checksum.Counts{RowsOld: 5}},
			{Table: "shop.b", Verdict: checksum.Same, Counts: checksum.Counts{RowsOld: 7}},
		},
	}
}

func TestCheck(t *testing.T) {
	e := Check(shopRun())
	want := gate.Check{
		Run: "7 of 2026-01-31T11:59:00Z", Verdict: gate.Same,
		Coverage: gate.Coverage{Include: []string{"shop.*"}, Tables: 2, Rows: 12, Complete: true, Names: []string{"shop.a", "shop.b"}},
	}
	if diff := cmp.Diff(want, e.Content); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if e.Problem() != "" || e.Old != "old-uuid" || e.New != "new-uuid" || !e.Taken.Equal(shopRun().Finished) || !e.From.Equal(shopRun().Began) ||
		e.Positions["old"] != "u:1-5" || e.Positions["new"] != "u:1-4" {
		t.Errorf("%+v: %s", e, e.Problem())
	}
	for _, c := range []struct {
		name     string
		change   func(*Run)
		verdict  string
		complete bool
	}{
		{"different", func(r *Run) { r.Verdict = checksum.Different }, gate.Different, true},
		{"undecided", func(r *Run) { r.Verdict, r.Tables[0].Verdict = checksum.Undecided, checksum.Undecided }, gate.Undecided, true},
		{"interrupted", func(r *Run) { r.Interrupted = true }, gate.Undecided, false},
		{"interrupted, different", func(r *Run) { r.Interrupted, r.Verdict = true, checksum.Different }, gate.Different, false},
		{"of an earlier version", func(r *Run) { r.Scope = nil }, gate.Same, false},
		{"tables that the account cannot see", func(r *Run) { r.Scope.Unseen = "old" }, gate.Same, false},
	} {
		run := shopRun()
		c.change(&run)
		e := Check(run)
		got, _ := e.Content.(gate.Check)
		if got.Verdict != c.verdict || got.Complete != c.complete || e.Problem() != "" {
			t.Errorf("%s: %+v %s", c.name, got, e.Problem())
		}
	}
}

// at makes a run the nth one in time.
func at(n int, change ...func(*Run)) Run {
	r := shopRun()
	r.ID = int64(n)
	r.Began = gateNow.Add(time.Duration(n-100) * time.Hour)
	r.Attempt, r.Finished = r.Began, r.Began.Add(time.Minute)
	for _, f := range change {
		f(&r)
	}
	return r
}

func of(include ...string) func(*Run) {
	return func(r *Run) { r.Scope = &Scope{Include: include} }
}

func differs(tables ...string) func(*Run) {
	return func(r *Run) {
		for _, name := range tables {
			r.Differs = append(r.Differs, Differing{Table: name, At: r.Began.Add(time.Second)})
		}
	}
}

func verdict(v checksum.Verdict) func(*Run) { return func(r *Run) { r.Verdict = v } }

func cut(r *Run) { r.Interrupted, r.Verdict = true, checksum.Undecided }

// killed is a run whose process died, or that goes on.
func killed(r *Run) { r.Finished, r.Verdict, r.Tables = time.Time{}, checksum.Undecided, r.Tables[:1] }

// resumed is a run that another process took up an hour later.
func resumed(r *Run) {
	r.Attempt = r.Began.Add(time.Hour)
	if r.Ended() {
		r.Finished = r.Attempt.Add(time.Minute)
	}
}

// TestWhatRunsProve: which run counts, which speaks against it, and what a watch may build on.
func TestWhatRunsProve(t *testing.T) {
	inShop := func(table string) bool { return strings.HasPrefix(table, "shop.") }
	full, all := at(1), at(2, of())
	seen := gate.Preflight{Tables: []string{"shop.a", "shop.b"}}
	narrow := func(r *Run) { of("shop.a")(r); r.Tables = r.Tables[:1] }
	for _, c := range []struct {
		name    string
		list    []Run // newest first
		want    int64 // whose word is the newest, 0: there is none
		verdict string
		base    int64
	}{
		{"none", nil, 0, "", 0},
		{"the newest", []Run{all, full}, 2, gate.Same, 2},
		{"a narrower one does not hide it", []Run{at(3, narrow), full}, 1, gate.Same, 3},
		{"one of other patterns that holds all tables does", []Run{at(3, of("shop.?", "blog.*")), full}, 3, gate.Same, 3},
		{"only a narrower one", []Run{at(3, narrow)}, 3, gate.Same, 3},
		{"an interrupted one does not", []Run{at(3, cut), full}, 1, gate.Same, 1},
		{"nor does a killed one", []Run{at(3, killed), full}, 1, gate.Same, 1},
		{"nor one that could not decide, for a watch", []Run{at(3, verdict(checksum.Undecided)), full}, 3, gate.Undecided, 1},
		{"a narrower one that found a difference does", []Run{at(3, narrow, verdict(checksum.Different), differs("shop.a")), full}, 3, gate.Different, 0},
		{"elsewhere it does not, but a watch sees it", []Run{at(3, of("blog.*"), func(r *Run) { r.Tables = []checksum.TableResult{{Table: "blog.a"}} }, verdict(checksum.Different), differs("blog.a")), full}, 1, gate.Same, 0},
		{"an interrupted one that found it", []Run{at(3, cut, differs("shop.a")), full}, 3, gate.Different, 0},
		{"a killed one that found it", []Run{at(3, killed, differs("shop.a")), full}, 3, gate.Different, 0},
		{"a killed one that was taken up", []Run{at(3, killed, resumed, differs("shop.a")), full}, 3, gate.Different, 0},
		{"a killed one of all tables that found it elsewhere", []Run{at(3, of(), killed, differs("blog.a")), full}, 1, gate.Same, 0},
		{"behind others that found nothing", []Run{at(5, killed), at(4, narrow), at(3, killed, differs("shop.b")), full}, 3, gate.Different, 4},
		{"one of an attempt that another scope left behind", []Run{at(3, of("shop.b"), resumed, differs("shop.a")), full}, 3, gate.Different, 0},
		{"before the one that counts", []Run{full, at(0, killed, differs("shop.a"))}, 1, gate.Same, 1},
		{"one that was taken up after the one that counts", []Run{at(0, killed, differs("shop.a"), func(r *Run) { r.Attempt = full.Finished.Add(time.Hour) }), full}, 0, gate.Different, 0},
		{"between the beginning of the one that counts and its end", []Run{at(1, func(r *Run) { resumed(r); r.Finished = r.Began.Add(4 * time.Hour); r.Attempt = r.Finished }), at(3, cut, differs("shop.a"))}, 3, gate.Different, 0},
		{"nothing but a killed one", []Run{at(3, killed, differs("shop.a"))}, 3, gate.Different, 0},
		{"one of which nothing is known but that it differs", []Run{at(3, killed, func(r *Run) { r.Differs = []Differing{{Table: "shop.a"}} }), full}, 3, gate.Different, 0},
	} {
		got := Aim{Plan: shopPlan(), Chooses: inShop, Seen: seen}.Checks(c.list)
		if len(got) == 0 {
			if c.verdict != "" {
				t.Errorf("%s: nothing", c.name)
			}
			continue
		}
		check, _ := got[0].Content.(gate.Check)
		if !strings.HasPrefix(check.Run, string(rune('0'+c.want))+" of ") || check.Verdict != c.verdict {
			t.Errorf("%s: %+v", c.name, check)
		}
		for i, e := range got {
			if e.Problem() != "" || i > 0 && !got[0].Taken.After(e.Taken) {
				t.Errorf("%s: %+v %s", c.name, e, e.Problem())
			}
		}
		if base, ok := Base(c.list); ok != (c.base != 0) || ok && base.ID != c.base {
			t.Errorf("%s: a watch builds on %d, %v; want %d", c.name, base.ID, ok, c.base)
		}
	}
}
