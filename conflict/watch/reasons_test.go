package watch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crosscheck/cluster"
	"crosscheck/conflict"
)

// TestNoReasonHidesAnother: whatever is open, each of it is told, and the verdict follows from all.
func TestNoReasonHidesAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		e := &engine{counts: map[conflict.Kind]uint64{}, started: now}
		e.links = [2]*cluster.Link{{}, {}}
		e.fences[0].reached, e.fences[1].reached = now, now
		st := Status{}
		var want []string
		may := func(id string, f func()) {
			if rapid.Bool().Draw(t, id) {
				f()
				want = append(want, id)
			}
		}
		may(ReasonFindings, func() { e.counts[conflict.UpdateUpdate] = 2 })
		may(ReasonDiffer, func() { st.Rows.Differ = 1 })
		may(ReasonStale, func() { e.sights[1].stale = []conflict.Session{{}} })
		may(ReasonBlind, func() { st.Blind = []string{"old: blind"} })
		may(ReasonUnjudged, func() { e.counts[conflict.Unjudged] = 1 })
		may(ReasonSchema, func() { e.uncertain = []*uncertain{{}} })
		may(ReasonKeysWait, func() { e.wrong = []wrongKey{{}} })
		may(ReasonNoBase, func() { st.Base = &Base{Gap: "purged"} })
		may(ReasonUnknown, func() { st.Rows.Unknown = 1 })
		may(ReasonOpen, func() { st.Rows.Open = 1 })
		may(ReasonQuestions, func() { st.Account.Questions = 1 })
		may(ReasonNoChannel, func() { e.links[0] = nil })
		may(ReasonArrival, func() { e.fences[1].trouble = "stopped" })
		if e.links[0] != nil {
			may(ReasonOverdue, func() { e.fences[0].reached = now.Add(-time.Hour) })
		}
		may(ReasonUnasked, func() { e.sights[0].trouble = "gone" })
		st.because(e.reasons(&st, now)...)
		var got []string
		for _, r := range st.Reasons {
			got = append(got, r.ID)
			if r.Text == "" || r.Fails != slices.Contains([]string{ReasonFindings, ReasonDiffer, ReasonStale}, r.ID) {
				t.Errorf("%+v", r)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		verdict := Clean
		for _, r := range st.Reasons {
			if r.Fails {
				verdict = Failed
			} else if verdict == Clean {
				verdict = Undecided
			}
		}
		if !slices.Equal(got, want) || st.Verdict != verdict || (st.Verdict == Clean) != (len(st.Reasons) == 0) || (st.Reason == "") != (len(want) == 0) {
			t.Fatalf("%s (%s) of %v, want %v", st.Verdict, st.Reason, got, want)
		}
		for _, id := range got {
			if !slices.Contains(ReasonIDs(), id) {
				t.Errorf("%s is not listed", id)
			}
		}
	})
}
