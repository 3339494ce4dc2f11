package record

import (
	"slices"
	"strings"
	"testing"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate"
	"crosscheck/gate/certificate"
	"crosscheck/gate/plan"
)

// TestHistoryLeavesNothingOut: what was found on the way is told at the end, however well that is.
func TestHistoryLeavesNothingOut(t *testing.T) {
	damaged := at(3, verdict(checksum.Different), differs("shop.a"))
	damaged.Tables[0].Counts.Extra, damaged.Tables[0].Counts.Missing = 84, 2
	cutShort := at(2, cut, differs("shop.b"))
	got := Checked([]Run{at(5, of("shop.b")), at(4, of("shop.a"), func(r *Run) { r.Tables = r.Tables[:1] }), damaged, cutShort, at(1)})
	if len(got) != 5 || got[2].Extra != 84 || got[2].Missing != 2 || got[2].Verdict != gate.Different || !strings.Contains(got[2].Settled, "check 5 found them the same") ||
		!strings.Contains(got[2].Settled, "84 rows") || got[3].Settled == "" || got[4].Settled != "" {
		t.Errorf("%+v", got)
	}
	if got = Checked([]Run{damaged, at(1)}); got[0].Settled != "no later check found them the same" {
		t.Errorf("%+v", got)
	}
	if got = Checked([]Run{at(4, func(r *Run) { r.Tables = r.Tables[1:] }), damaged}); !strings.Contains(got[1].Settled, "did not compare shop.a") {
		t.Errorf("%+v", got)
	}

	a := shopAccount()
	a.Counts = map[conflict.Kind]uint64{conflict.UpdateUpdate: 84, conflict.DeleteDelete: 1, conflict.Unjudged: 3}
	a.Status.Verdict, a.Status.Rows = watch.Failed, watch.Rechecks{Equal: 80, Unknown: 4}
	a.Status.Reasons = []watch.Reason{{ID: watch.ReasonFindings, Fails: true, Text: "84 findings fail"}, {ID: watch.ReasonNoBase, Text: "no base: purged"}}
	a.Status.Account.Sides = [2]conflict.SideCount{{Changes: 100, Verified: 50, Explained: 40}, {Changes: 40, Verified: 6, Explained: 34}}
	w := (&Tally{Account: a}).Watched() // as an earlier version kept it: nothing but the numbers
	if w.Changes != 140 || w.Unverified != 84 || w.Explained != 74 || len(w.Findings) != 3 || len(w.Reasons) != 2 || w.Rows.NotKnown != 4 || w.Rows.Equal != 80 {
		t.Errorf("%+v", w)
	}
	for _, f := range w.Findings {
		if f.Settled == "" || f.Unsettled != f.Count || f.Kind == conflict.UpdateUpdate.String() && (f.Count != 84 || !strings.Contains(f.Settled, "84 not known")) {
			t.Errorf("%+v", f)
		}
	}

	// The certificate has it, and its summary says it.
	d := certificate.New(gate.Judge(shopPlan(), nil, gateNow), plan.Plan{}, nil, certificate.Options{Checks: Checked([]Run{at(5), damaged}), Watches: []certificate.Watched{w}})
	for _, want := range []string{"84 extra", "84 of 140 changes not verified", "84 update_update", "3 unjudged: 0 settled, 3 open (3 not known)", "no_base: no base: purged"} {
		if !slices.ContainsFunc(strings.Split(d.Summary(), "\n"), func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("the summary lacks %q:\n%s", want, d.Summary())
		}
	}
}
