package watch

import (
	"context"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// A server counts as started anew if it cannot have been there at the last look, however long a look takes.
func TestRestartIsTold(t *testing.T) {
	base := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return base.Add(time.Duration(seconds * float64(time.Second))) }
	for _, c := range []struct {
		name        string
		up          time.Duration // at the last look, which began at 0
		began, upAt float64
		uptime      time.Duration
		want        bool
	}{
		{"one second later", 100 * time.Second, 1, 1.1, 101 * time.Second, false},
		{"its answer took ten seconds", 100 * time.Second, 1, 11.1, 101 * time.Second, false},
		{"the look took ten seconds", 100 * time.Second, 1, 11.1, 111 * time.Second, false},
		{"started between the looks", 100 * time.Second, 5, 5.1, 2 * time.Second, true},
		{"its answer took ten seconds, and it was started", 100 * time.Second, 5, 15.1, 2 * time.Second, true},
		{"started while nobody looked, long ago", 100 * time.Second, 10000, 10000.1, 5000 * time.Second, true},
		{"up all the time while nobody looked", 100 * time.Second, 10000, 10000.1, 10100 * time.Second, false},
	} {
		w := watermark{ID: 7, Before: conflict.Step{Increment: 1, Offset: 1}, Looked: at(0), Uptime: c.up}
		got := sight{began: at(c.began), upAt: at(c.upAt), uptime: c.uptime}
		if w.restarted(got) != c.want || (w.ID == 0) != c.want || w.Looked != got.began || w.Uptime != got.uptime {
			t.Errorf("%s: %+v", c.name, w)
		}
	}
	first := watermark{}
	if first.restarted(sight{began: at(0), upAt: at(0.1), uptime: time.Second}) {
		t.Error("nothing is known of a server before the first look")
	}
}

// One look that was held up does not make looks rare.
func TestLooksStayFrequent(t *testing.T) {
	x := sight{took: 5 * time.Second, before: 10 * time.Millisecond}
	if x.every() != sampleEvery {
		t.Errorf("after one slow look the next comes in %s", x.every())
	}
	if x.before = 4 * time.Second; x.every() != 80*time.Second {
		t.Errorf("a slow server is looked at every %s", x.every())
	}
}

// keyEngine has looked at old's sessions where its log ended at 1000: thread 7 has the global step, thread 8 another.
func keyEngine() *engine {
	e := &engine{det: conflict.NewDetector(conflict.Config{})}
	for i := range e.readers {
		e.readers[i] = &reader{out: make(chan item)}
	}
	e.sights[conflict.Old] = sight{
		first: gtid.Position{Kind: gtid.File, File: gtid.FilePos{File: "binlog.000002", Pos: 1000}}, fitting: map[uint64]bool{7: true, 8: false},
		steps: cluster.Steps{Sessions: map[uint64]cluster.StepPair{}},
	}
	return e
}

func wrongKeyAt(thread, pos uint64) conflict.Finding {
	place := conflict.Place{File: gtid.FilePos{File: "binlog.000002", Pos: pos}}
	return conflict.Finding{Kind: conflict.WrongStepKey, Table: "s.t", Old: &conflict.Act{Thread: thread, Place: place}}
}

// Whether a key was given is told by looks before and after it was written, by its place in the log: neither by how long
// ago they were, nor by how long reading took.
func TestKeysThatWereGiven(t *testing.T) {
	for _, c := range []struct {
		name         string
		thread, pos  uint64
		given, known bool
	}{
		{"a session with the step, behind the look", 7, 1100, true, true},
		{"a session with the step, before anybody looked", 7, 900, false, true},
		{"a session with another step", 8, 1100, false, true},
		{"a session that came after the look", 9, 1100, true, false},
		{"a session that came after the look, by its number, in an older log", 9, 900, false, false},
	} {
		e := keyEngine()
		e.holdKey(wrongKeyAt(c.thread, c.pos))
		looked := time.Now().Add(time.Second)
		e.decideKeys(conflict.New, looked)
		if len(e.wrong) != 1 {
			t.Errorf("%s: decided by a look at the other side", c.name)
		}
		e.sights[conflict.Old].fitting[9] = true // the look after it
		e.decideKeys(conflict.Old, looked)
		if got := e.mem.Given[conflict.Old] == 1; got != c.given || len(e.released) == 1 == c.given || len(e.wrong) != 0 {
			t.Errorf("%s: given %v, told %v", c.name, got, e.released)
		}
	}
	// When the watch ends without a last look, what is not known to be wrong is left to the next process.
	e := keyEngine()
	e.holdKey(wrongKeyAt(7, 1100))
	e.holdKey(wrongKeyAt(8, 1100))
	if e.releaseSure(); len(e.wrong) != 1 || !e.wrong[0].had || len(e.released) != 1 || e.released[0].Old.Thread != 8 {
		t.Errorf("at the end: told %v, left %v", e.released, e.wrong)
	}
	// Of a part of a transaction, the place is that behind the one before it.
	e = keyEngine()
	part := wrongKeyAt(7, 0)
	part.Old.Place.File = gtid.FilePos{}
	if e.holdKey(part); e.wrong[0].had {
		t.Error("a part of a transaction that may stand before the look")
	}
	e.det = conflict.NewDetector(conflict.Config{Start: [2]gtid.Position{e.sights[conflict.Old].first}})
	if e.holdKey(part); !e.wrong[1].had {
		t.Error("a part of a transaction behind the look")
	}
}

// Where keys are given all the time, some always wait for a look. When a checkpoint is long overdue, nothing is read until
// they are decided; they are not told as if nobody could know.
func TestCheckpointWaitsForKeys(t *testing.T) {
	e, now := keyEngine(), time.Now()
	e.kept.at = now
	e.holdKey(wrongKeyAt(7, 1100))
	keep := func(after time.Duration) {
		t.Helper()
		if err := e.keep(context.Background(), now.Add(after)); err != nil || len(e.released) > 0 {
			t.Fatalf("%v, told %v", err, e.released)
		}
	}
	if keep(calmAfter / 2); e.input(conflict.Old) == nil || e.input(conflict.New) == nil {
		t.Error("nothing is read although no checkpoint is overdue")
	}
	if keep(calmAfter); e.input(conflict.Old) != nil || e.input(conflict.New) != nil {
		t.Error("what is read goes on making keys wait")
	}
	e.decideKeys(conflict.Old, time.Now().Add(time.Second))
	e.uncertain = []*uncertain{{}} // which keeps from a checkpoint here
	if keep(calmAfter); e.mem.Given[conflict.Old] != 1 || e.input(conflict.Old) == nil || e.input(conflict.New) == nil {
		t.Errorf("%d keys given; the logs are not read on", e.mem.Given[conflict.Old])
	}
}

// Where a table's definition came out as not known, arrivals of its rows say nothing until what was on its way then has
// arrived, however long that takes.
func TestUnsureUntilArrived(t *testing.T) {
	e := &engine{det: conflict.NewDetector(conflict.Config{}), links: [2]*cluster.Link{{}, {}}}
	e.mem.Fences = 4
	f := conflict.Finding{Kind: conflict.EchoMismatch, Table: "s.t"}
	e.unsureFrom(f.Table, time.Now().Add(-2*unsureFor))
	sure := func(what string, want bool) {
		t.Helper()
		if err := e.drain(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e.unsure(f) == want {
			t.Errorf("%s: sure is %v", what, !want)
		}
	}
	e.fences[conflict.Old].passed, e.fences[conflict.New].passed = 3, 4
	sure("fences that were taken before", false)
	e.fences[conflict.Old].passed = 5
	sure("one direction", false)
	if e.fences[conflict.New].passed = 6; !e.unsure(f) {
		t.Error("what was found when the fence was passed stood before it")
	}
	sure("both directions", true)
	e.unsureFrom(f.Table, time.Now())
	e.fences = [2]fence{{passed: 7}, {passed: 8}}
	sure("within the minute", false)
}
