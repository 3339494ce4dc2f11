package watch

import (
	"testing"
	"time"

	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// A fence counts when the detector has consumed it: what stands behind an echo whose original has not come is not judged.
func TestFenceBehindAnEcho(t *testing.T) {
	name := gtid.GTID{Source: gtid.Source{UUID: [16]byte{1}}, Number: 1}
	var set gtid.Set
	set.Add(name)
	made := conflict.Transaction{Origin: conflict.FromOld, Tx: &binlog.Transaction{
		Last: true, GTID: name.String(), Mark: binlog.Mark{MySQL: name}, Position: gtid.Position{Kind: gtid.MySQLGTID, MySQL: set},
	}}
	e := &engine{det: conflict.NewDetector(conflict.Config{})}
	f := &e.fences[conflict.Old]
	began := time.Now()
	*f = fence{busy: true, since: began, number: 1}
	e.feed(conflict.Old, conflict.FenceTaken{N: 1})
	e.feed(conflict.New, made)
	e.fenceSeen(conflict.Old, 2)
	e.fenceSeen(conflict.Old, 1)
	if e.fenceJudged(conflict.Old); !f.busy || f.passed != 0 || !f.reached.IsZero() {
		t.Errorf("behind an echo that is held: %+v", *f)
	}
	e.feed(conflict.Old, made)
	if e.fenceJudged(conflict.Old); f.busy || f.passed != 1 || !f.reached.Equal(began) {
		t.Errorf("after its original was read: %+v", *f)
	}
}

// Behind a gap nothing stands before the account's beginning, of a log that was begun anew neither: the next process must
// not take what it reads there for older than the account.
func TestBeginningBeforeAGap(t *testing.T) {
	at := func(text string) gtid.Position {
		p, err := gtid.ParsePosition(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	begin, end := at("file:binlog.000002:44718"), at("file:binlog.000001:158")
	for _, side := range []conflict.Side{conflict.Old, conflict.New} {
		e := &engine{det: conflict.NewDetector(conflict.Config{}), defs: [2]*definitions{{}, {}}, begins: begin}
		e.mem.Begin = begin.String()
		e.lose(side, conflict.Gap{From: begin, To: end, Reset: true})
		if gone := side == conflict.Old; e.tooEarly() == gone || (e.mem.Begin == "") != gone {
			t.Errorf("a gap of %s: too early %v, the next process begins at %q", side, e.tooEarly(), e.mem.Begin)
		}
	}
}
