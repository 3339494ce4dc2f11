package ledger

import (
	"fmt"
	"slices"
	"testing"

	"crosscheck/checksum"
)

// startCopies begins the runs of one check of some copies.
func startCopies(t *testing.T, l *Ledger, resume bool, labels ...string) map[string]*Run {
	t.Helper()
	runs := map[string]*Run{}
	var group int64
	for i, label := range labels {
		info := servers()
		info.New.ServerUUID, info.Resume = "uuid-of-"+label, resume
		info.Group, info.Place, info.Node = group, i, Node{Label: label, Side: "new", Role: "replica"}
		info.Reference = Node{Label: "old", Side: "old"}
		info.Unread = []Unread{{Node: Node{Label: "new-9"}, Why: "nobody named it"}}
		r, err := l.StartRun(t.Context(), info)
		if err != nil {
			t.Fatal(err)
		}
		group = r.Group()
		runs[label] = r
	}
	return runs
}

func closeCopy(t *testing.T, r *Run, v checksum.Verdict, interrupted bool) {
	t.Helper()
	table := checksum.TableResult{Table: "a.b", Verdict: v}
	if err := r.Close(t.Context(), checksum.Result{Verdict: v, Interrupted: interrupted, Tables: []checksum.TableResult{table}}); err != nil {
		t.Fatal(err)
	}
}

// The runs of one check are one group: read, resumed and kept together. A copy that came to its decision is not read again
// when another one is resumed; one that is left out is no part of the result any more.
func TestCopiesAreAGroup(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	runs := startCopies(t, l, false, "new", "new-1", "new-2")
	for label, r := range runs {
		mustBegin(t, r, "a.b", "f")
		mustRecord(t, r, "a.b", chunk(0, 0))
		closeCopy(t, r, map[bool]checksum.Verdict{true: checksum.Undecided, false: checksum.Same}[label == "new-1"], label == "new-1")
	}
	members := func() (out []string) {
		t.Helper()
		last, err := l.LastRun(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list, err := l.GroupOf(t.Context(), last)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			out = append(out, fmt.Sprintf("%s %s %s %s", s.Reference.Label, s.Node.Label, s.Verdict, s.Unread[0].Label))
		}
		return out
	}
	if got, want := members(), []string{"old new same new-9", "old new-1 undecided new-9", "old new-2 same new-9"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	// new-3 is a new one; new-2 is left out.
	runs = startCopies(t, l, true, "new", "new-1", "new-3")
	for label, r := range runs {
		proven, _ := mustBegin(t, r, "a.b", "f")
		if want := map[bool]int{true: 0, false: 1}[label == "new-3"]; len(proven) != want || r.Trusted().Resumed != (want == 1) {
			t.Errorf("%s: %d chunks trusted, resumed %v", label, len(proven), r.Trusted().Resumed)
		}
		closeCopy(t, r, checksum.Same, false)
	}
	if got, want := members(), []string{"old new same new-9", "old new-1 same new-9", "old new-3 same new-9"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := count(t, l, "chunks"); n == 0 {
		t.Error("the chunks of the last check's copies are gone")
	}
	// All have come to a decision: nothing is left to resume.
	if r := startCopies(t, l, true, "new")["new"]; r.Trusted().Resumed {
		t.Error("a check that came to its end was resumed")
	}
}
