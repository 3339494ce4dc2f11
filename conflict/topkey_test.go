package conflict

import "testing"

func TestGivenKeys(t *testing.T) {
	st := &stream{}
	st.topKey("s.t", 100, 1000) // read at the start
	for _, c := range []struct {
		name             string
		began, committed int64
		key              uint64
		want             bool
	}{
		{"below what was there", 101, 101, 999, true},
		{"in the second of the reading", 100, 101, 999, false},
		{"of a statement that began before", 99, 200, 999, false},
		{"above", 101, 101, 1001, false},
		{"the same key, deleted meanwhile", 101, 101, 1000, true},
		{"a session's own clock in the future", 300, 200, 999, false},
		{"no time", 0, 200, 999, false},
	} {
		if got := st.given("s.t", c.began, c.committed, c.key); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if st.given("s.u", 101, 101, 1) {
		t.Error("nothing is known of this table")
	}
	for i := range int64(200) {
		st.topKey("s.t", 110+i, uint64(1001+i))
	}
	if !st.given("s.t", 101, 400, 999) || st.given("s.t", 101, 400, 1001) {
		t.Error("what was forgotten makes a key given that is not, or the reading is forgotten")
	}
	if n := len(*st.tops["s.t"]); n > maxTops {
		t.Errorf("%d steps are kept", n)
	}
}
