package conflict

import "testing"

// Each kind and each reason says what to do, in one line.
func TestAdviceForAll(t *testing.T) {
	for _, k := range Kinds() {
		if f := (Finding{Kind: k}); k != Unjudged && advice(&f) == "" {
			t.Errorf("%s has no advice", k)
		}
	}
	for _, r := range Reasons() {
		if f := (Finding{Kind: Unjudged, Reason: r}); advice(&f) == "" {
			t.Errorf("unjudged %s has no advice", r)
		}
	}
}
