package conflict

import (
	"testing"
	"time"

	"crosscheck/cluster/binlog"
)

func TestGivenKeys(t *testing.T) {
	st := &stream{}
	st.topsOf("s.t").read(topAt{100, 1000}, false) // read at the start
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
	st.topsOf("s.v").Log.add(topAt{At: 100, Key: 1000})
	if st.given("s.u", 101, 101, 1) || st.maybeGiven("s.u", 99, 1) || st.maybeGiven("s.v", 99, 999) {
		t.Error("nothing is known of what these tables held")
	}
	for i := range int64(200) {
		st.topsOf("s.t").Log.add(topAt{At: 110 + i, Key: uint64(1001 + i)})
	}
	if !st.given("s.t", 101, 400, 999) || st.given("s.t", 101, 400, 1001) {
		t.Error("what was forgotten makes a key given that is not, or the reading is forgotten")
	}
	if n := len(st.tops["s.t"].Log); n > maxTops {
		t.Errorf("%d steps are kept", n)
	}
}

// What was read in a table belongs to the life that it had then, wherever the reading of the log is.
func TestLivesOfKeys(t *testing.T) {
	statement := func(second int64, text string) *binlog.Transaction {
		return &binlog.Transaction{CommitTime: time.Unix(second, 0), DDL: []binlog.DDL{{Schema: "s", Statement: text, Known: true, Charset: "utf8mb4"}}}
	}
	st := &stream{}
	st.topsOf("s.t").read(topAt{1000, 50}, false) // the log is read from 100 on
	st.topsOf("s.t").Log.add(topAt{At: 100, Key: 60})
	if !st.given("s.t", 101, 101, 55) {
		t.Error("what the log told is hidden by what was read later")
	}
	st.renew(statement(101, "TRUNCATE t"))
	if st.given("s.t", 1005, 1005, 55) || !st.given("s.t", 1005, 1005, 45) {
		t.Error("a key of the life before makes one given, or the reading is forgotten")
	}
	st = &stream{}
	st.topsOf("s.a").read(topAt{1000, 5000}, false)
	st.topsOf("s.b").Log.add(topAt{At: 100, Key: 70})
	st.renew(statement(101, "RENAME TABLE a TO x, b TO a, x TO b"))
	if st.given("s.b", 1005, 1005, 60) || !st.given("s.a", 102, 102, 60) || !st.given("s.a", 1005, 1005, 4000) {
		t.Error("keys did not follow the tables, or what was read of one behind the statement did")
	}
}
