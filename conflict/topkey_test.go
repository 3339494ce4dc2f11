package conflict

import "testing"

func TestGivenKeys(t *testing.T) {
	st := &stream{}
	st.topKey("s.t", 100, 1000, true) // read at the start
	for _, c := range []struct {
		name             string
		began, committed int64
		key              uint64
		want, maybe      bool
	}{
		{"below what was there", 101, 101, 999, true, false},
		{"in the second of the reading", 100, 101, 999, false, true},
		{"of a statement that began before", 99, 200, 999, false, true},
		{"above", 101, 101, 1001, false, false},
		{"above, in the second of the reading", 100, 101, 1001, false, false},
		{"the same key, deleted meanwhile", 101, 101, 1000, true, false},
		{"a session's own clock in the future", 300, 200, 999, false, false},
		{"no time", 0, 200, 999, false, false},
	} {
		if got := st.given("s.t", c.began, c.committed, c.key); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if got := st.maybeGiven("s.t", c.began, c.key); got != c.maybe {
			t.Errorf("%s: maybe %v", c.name, got)
		}
	}
	st.topKey("s.v", 100, 1000, false)
	if st.given("s.u", 101, 101, 1) || st.maybeGiven("s.u", 99, 1) || st.maybeGiven("s.v", 99, 999) {
		t.Error("nothing is known of what these tables held")
	}
	for i := range int64(200) {
		st.topKey("s.t", 110+i, uint64(1001+i), false)
	}
	if !st.given("s.t", 101, 400, 999) || st.given("s.t", 101, 400, 1001) {
		t.Error("what was forgotten makes a key given that is not, or the reading is forgotten")
	}
	if n := len(*st.tops["s.t"]); n > maxTops {
		t.Errorf("%d steps are kept", n)
	}
}
