package watch

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crosscheck/conflict"
)

// The page that says what to do has a section for each name that a watch can print, and no other.
func TestWhatIfPageIsComplete(t *testing.T) {
	page, err := os.ReadFile("../../docs/what-if-watch.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, k := range conflict.Kinds() {
		want = append(want, k.String())
	}
	want = append(want, TroubleIDs()...)
	for _, m := range regexp.MustCompile(`(?m)^### (\S+)$`).FindAllSubmatch(page, -1) {
		got = append(got, string(m[1]))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-in the code +on the page):\n%s", diff)
	}
	var reasons []conflict.Reason
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\S+)` \\|").FindAllSubmatch(page, -1) {
		reasons = append(reasons, conflict.Reason(m[1]))
	}
	if diff := cmp.Diff(conflict.Reasons(), reasons); diff != "" {
		t.Errorf("reasons (-in the code +on the page):\n%s", diff)
	}
}
