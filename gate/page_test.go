package gate

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPageHasEveryReason keeps docs/what-if-gates.md and the registry equal, both ways and in order.
func TestPageHasEveryReason(t *testing.T) {
	text, err := os.ReadFile("../docs/what-if-gates.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, r := range Reasons() {
		want = append(want, r.ID)
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1])
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the registry and docs/what-if-gates.md: %s", d)
	}
	sections := strings.Split(string(text), "\n## ")[1:]
	for i, r := range Reasons() {
		if i >= len(sections) {
			break
		}
		section := strings.Join(strings.Fields(sections[i]), " ")
		word := map[State]string{Fail: "*Fail.*", Unknown: "*Unknown.*"}[r.State]
		meaning := strings.ToUpper(r.Meaning[:1]) + r.Meaning[1:] + "."
		if !strings.HasPrefix(section, r.ID+" "+word+" "+meaning) || len(section) < len(r.ID+word+meaning)+30 {
			t.Errorf("the section of %s does not say what it is and what to do: %s", r.ID, section)
		}
	}
}
