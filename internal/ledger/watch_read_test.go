package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

func TestAccountsAreReadWithoutBeingContinued(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	for _, id := range []int64{0, 7} {
		if _, err := l.ReadWatch(t.Context(), id); !errors.Is(err, ErrNoWatch) {
			t.Errorf("account %d of an empty ledger: %v", id, err)
		}
	}
	w := mustWatch(t, l, watchInfo())
	if _, err := w.AddFindings(t.Context(), []conflict.Finding{finding(1)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := watch.Status{At: time.Now(), Final: true, Verdict: watch.Failed, Reason: "1 finding fail"}
	if err := w.SaveStatus(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	fresh := watchInfo()
	fresh.Fresh, fresh.Old.Addr = true, "10.0.0.9:3306"
	second := mustWatch(t, l, fresh)

	list, err := l.Watches(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	a, b := list[1], list[0]
	if a.ID != w.ID() || a.Verdict != watch.Failed || a.Reason != s.Reason || a.Findings != 1 || a.Finished.IsZero() ||
		a.StatusAt.IsZero() || a.Attempts != 1 || a.Old != watchInfo().Old || a.New != watchInfo().New {
		t.Errorf("%+v", a)
	}
	if b.ID != second.ID() || b.Verdict != watch.Undecided || !b.Finished.IsZero() || !b.StatusAt.IsZero() || b.Old.Addr != "10.0.0.9:3306" {
		t.Errorf("%+v", b)
	}
	if strings.Contains(strings.Join(a.Args, " "), "geheim") {
		t.Errorf("a password was stored: %q", a.Args)
	}

	read, err := l.ReadWatch(t.Context(), a.ID)
	if err != nil || len(walk(t, read)) != 1 {
		t.Fatal(err)
	}
	if got, ok, err := read.LastStatus(t.Context()); err != nil || !ok || got.Verdict != watch.Failed {
		t.Errorf("%v %v %v", got.Verdict, ok, err)
	}
	if _, err := read.AddFindings(t.Context(), []conflict.Finding{finding(2)}, time.Now()); !errors.Is(err, ErrWatchClosed) {
		t.Errorf("stored into an account that is only read: %v", err)
	}
	if newest, err := l.ReadWatch(t.Context(), 0); err != nil || newest.ID() != second.ID() {
		t.Errorf("%v", err)
	}
	if again, err := l.Watches(t.Context()); err != nil || again[1].Attempts != 1 || again[1].Finished.IsZero() {
		t.Errorf("reading continued the account: %+v, %v", again, err)
	}
}
