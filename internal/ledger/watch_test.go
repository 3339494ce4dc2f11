package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate"
	"crosscheck/gate/record"
)

func watchInfo() WatchInfo {
	s := servers()
	return WatchInfo{Old: s.Old, New: s.New, Args: []string{"watch", "--old", "root:geheim@tcp(127.0.0.1:3306)/"}}
}

func mustWatch(t testing.TB, l *Ledger, info WatchInfo) *Watch {
	t.Helper()
	w, err := l.OpenWatch(t.Context(), info)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// finding is the nth finding of a test: equal numbers make equal findings.
func finding(n int) conflict.Finding {
	return conflict.Finding{
		ID: fmt.Sprintf("%032x", n), Kind: conflict.UpdateUpdate, Table: "shop.orders", Index: []string{"id"},
		Key: []binlog.Value{{Text: fmt.Append(nil, n)}},
		Old: act("binlog.000001", n, "1"), New: act("binlog.000007", n, "2"),
	}
}

func act(file string, n int, after string) *conflict.Act {
	return &conflict.Act{
		Place:  conflict.Place{File: gtid.FilePos{File: file, Pos: uint64(n)}, GTID: fmt.Sprintf("u:%d", n)},
		Thread: 42, CommitTime: time.Date(2026, 1, 31, 23, 59, 59, 123456789, time.UTC), Table: "shop.orders", Op: binlog.Update,
		Columns: []string{"id", "näme"},
		Before:  binlog.Row{{Text: fmt.Append(nil, n)}, {State: binlog.Null}},
		After:   binlog.Row{{Text: fmt.Append(nil, n)}, {Text: []byte(after)}},
	}
}

func walk(t testing.TB, w *Watch) []conflict.Finding {
	t.Helper()
	var list []conflict.Finding
	err := w.EachFinding(t.Context(), func(_ time.Time, f conflict.Finding) error {
		list = append(list, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAccountGoesOn(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	w := mustWatch(t, l, watchInfo())
	if w.Resumed() {
		t.Error("the first account is resumed")
	}
	first := w.ID()
	if _, err := w.AddFindings(t.Context(), []conflict.Finding{finding(1), finding(2)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(t.Context()), l.Close()); err != nil {
		t.Fatal(err)
	}
	if err := w.SaveStatus(t.Context(), watch.Status{}); !errors.Is(err, ErrWatchClosed) {
		t.Errorf("after Close: %v", err)
	}

	l = mustOpen(t, dir, Options{})
	moved := watchInfo()
	moved.Old.Addr = "10.0.0.9:3306" // the same server at another address
	again := mustWatch(t, l, moved)
	if !again.Resumed() || again.ID() != first || !again.Since().Equal(w.Since()) {
		t.Errorf("resumed %v as %d since %v, want %d since %v", again.Resumed(), again.ID(), again.Since(), first, w.Since())
	}
	counts, err := again.FindingCounts(t.Context())
	if err != nil || counts[conflict.UpdateUpdate] != 2 {
		t.Errorf("counts %v, %v", counts, err)
	}

	fresh := watchInfo()
	fresh.Fresh = true
	other := mustWatch(t, l, fresh)
	if other.Resumed() || other.ID() == first || len(walk(t, other)) != 0 || len(walk(t, again)) != 2 {
		t.Error("a fresh account is not apart from the one before")
	}
	if next := mustWatch(t, l, watchInfo()); next.ID() != other.ID() {
		t.Errorf("account %d goes on, not the newest, %d", next.ID(), other.ID())
	}
}

func TestAccountOfOtherServers(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	mine := mustWatch(t, l, watchInfo())
	info := watchInfo()
	info.New.ServerUUID = "cccccccc-0000-0000-0000-000000000003"
	_, err := l.OpenWatch(t.Context(), info)
	var changed *AccountChangedError
	if !errors.As(err, &changed) || changed.Old != nil || changed.New == nil || !strings.Contains(err.Error(), "cccccccc") {
		t.Fatalf("%v", err)
	}
	info.Fresh = true
	mustWatch(t, l, info)
	if w := mustWatch(t, l, watchInfo()); w.ID() != mine.ID() {
		t.Errorf("account %d, not %d, goes on when its servers are back", w.ID(), mine.ID())
	}
}

func TestOldAccountsAreDeleted(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	info := watchInfo()
	info.Fresh = true
	for i := range keepWatches + 5 {
		w := mustWatch(t, l, info)
		if _, err := w.AddFindings(t.Context(), []conflict.Finding{finding(i)}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := w.SaveCheckpoint(t.Context(), watch.Checkpoint{Snapshot: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	for table, want := range map[string]int{
		"watches": keepWatches, "watch_findings": keepWatches, "watch_checkpoints": 1, "watch_snapshots": 1,
	} {
		if n := count(t, l, table); n != want {
			t.Errorf("%d %s, want %d", n, table, want)
		}
	}
}

func TestFindingsAreKeptOnce(t *testing.T) {
	w := mustWatch(t, mustOpen(t, t.TempDir(), Options{}), watchInfo())
	for _, c := range []struct {
		list []int
		want []bool
	}{
		{[]int{1, 2, 1}, []bool{true, true, false}},
		{[]int{2, 3}, []bool{false, true}},
		{nil, nil},
	} {
		var list []conflict.Finding
		for _, n := range c.list {
			list = append(list, finding(n))
		}
		fresh, err := w.AddFindings(t.Context(), list, time.Now())
		if err != nil || !cmp.Equal(fresh, c.want) {
			t.Errorf("%v: %v, %v; want %v", c.list, fresh, err, c.want)
		}
	}
	if d := cmp.Diff([]conflict.Finding{finding(1), finding(2), finding(3)}, walk(t, w)); d != "" {
		t.Error(d)
	}
	for n, want := range map[int][]int{-1: nil, 0: nil, 2: {2, 3}, 9: {1, 2, 3}} {
		var got, list []conflict.Finding
		for _, x := range want {
			list = append(list, finding(x))
		}
		err := w.EachOfLast(t.Context(), n, func(_ time.Time, f conflict.Finding) error {
			got = append(got, f)
			return nil
		})
		if d := cmp.Diff(list, got); d != "" || err != nil {
			t.Errorf("the last %d: %v\n%s", n, err, d)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.AddFindings(cancelled, []conflict.Finding{finding(4)}, time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	mine := errors.New("mine")
	if err := w.EachFinding(t.Context(), func(time.Time, conflict.Finding) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the walk's own error came back as %v", err)
	}
}

// fill sets everything in v that can be set, also what nobody has thought of when this was written: a field that the
// stored form lacks does not come back.
func fill(rng *rand.Rand, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(rng.Int64N(1<<32), rng.Int64N(1e9)).UTC()))
		return
	case conflict.Kind:
		kinds := conflict.Kinds()
		v.Set(reflect.ValueOf(kinds[rng.IntN(len(kinds))]))
		return
	case []byte:
		v.SetBytes(randomBytes(rng))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(string(randomBytes(rng)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(rng.Uint64N(1<<8-1) + 1)
		if v.Kind() == reflect.Uint64 {
			v.SetUint(math.MaxUint64 - rng.Uint64N(1000))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rng, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(3), 3))
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(rng, v.Field(i))
		}
	default:
		panic("a kind of field that the test does not know: " + v.Type().String())
	}
}

// randomBytes are often no UTF-8, sometimes long enough to be compressed, and never nil.
func randomBytes(rng *rand.Rand) []byte {
	n := rng.IntN(12)
	if rng.IntN(200) == 0 {
		n = 10_000
	}
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rng.Uint32())
		if rng.IntN(3) > 0 {
			out[i] &= 0x7f
		}
	}
	return out
}

func TestFindingsComeBackAsTheyWere(t *testing.T) {
	w := mustWatch(t, mustOpen(t, t.TempDir(), Options{}), watchInfo())
	rng := rand.New(rand.NewPCG(1, 2))
	var list []conflict.Finding
	for i := range 500 {
		var f conflict.Finding
		fill(rng, reflect.ValueOf(&f).Elem())
		f.ID = fmt.Sprintf("%032x", i)
		switch i % 4 { // also what is not set
		case 0:
			f.Old, f.Session = nil, nil
		case 1:
			f.New, f.Index, f.Key = nil, nil, nil
		case 2:
			f.Old.Before, f.Old.CommitTime = nil, time.Time{}
			f.New.After[0] = binlog.Value{State: binlog.Null}
			f.Key = []binlog.Value{{}, {Text: []byte{}}, {State: binlog.Missing}, {State: binlog.Opaque, Text: []byte{0xff}}}
		}
		list = append(list, f)
	}
	if _, err := w.AddFindings(t.Context(), list, time.Now()); err != nil {
		t.Fatal(err)
	}
	got := walk(t, w)
	if len(got) != len(list) {
		t.Fatalf("%d of %d findings", len(got), len(list))
	}
	for i := range list {
		if !reflect.DeepEqual(list[i], got[i]) { // cmp would ask binlog.Value.Equal, which calls unknown values different
			t.Fatalf("finding %d:\n%+v\n%+v", i, list[i], got[i])
		}
	}
}

func TestFindingsCanBeQueried(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	w := mustWatch(t, l, watchInfo())
	f := finding(7)
	f.Index, f.Key = []string{"a", "b", "c"}, []binlog.Value{{Text: []byte("x\"y")}, {State: binlog.Null}, {Text: []byte{0xff, 0}}}
	f.New = nil
	if _, err := w.AddFindings(t.Context(), []conflict.Finding{f}, time.Now()); err != nil {
		t.Fatal(err)
	}
	var key, position, at string
	var thread int64
	var other sql.NullString
	err := l.read.QueryRowContext(t.Context(), `SELECT "key", old_position, old_thread, old_time, new_op FROM finding_list
		WHERE kind = 'update_update' AND NOT benign AND json_extract("key", '$.a') = 'x"y'`).Scan(&key, &position, &thread, &at, &other)
	if err != nil {
		t.Fatal(err)
	}
	if key != `{"a":"x\"y","b":null,"c":"0xff00"}` || position != "binlog.000001:7" || thread != 42 || other.Valid ||
		at != "2026-01-31T23:59:59.123456Z" {
		t.Errorf("%s %s %d %s %v", key, position, thread, at, other)
	}
}

func TestStatusComesBack(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	w := mustWatch(t, l, watchInfo())
	if _, ok, err := w.LastStatus(t.Context()); ok || err != nil {
		t.Fatalf("a status before there was one: %v, %v", ok, err)
	}
	lag := int64(3)
	s := watch.Status{
		At: time.Unix(1_800_000_000, 5000).UTC(), Verdict: watch.Failed, Reason: "2 collisions",
		Findings: map[conflict.Kind]uint64{conflict.UpdateUpdate: 2}, Pairs: map[conflict.Kind]uint64{conflict.UpdateUpdate: 9},
		Base:   &watch.Base{Run: 1, Rows: 10},
		Health: []watch.Trouble{{ID: watch.TroubleLag, Side: conflict.New, Detail: "d"}},
	}
	s.Sides[1].ApplierLag, s.Sides[1].Position, s.Sides[1].Lag = &lag, "u:1-9", time.Second
	s.Account.Blind = []conflict.Blind{{Side: conflict.New, Gap: true}}
	want := s
	s.Sides[0].ChangesPerSecond = math.NaN()
	if err := w.SaveStatus(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	l.Close()
	w = mustWatch(t, mustOpen(t, dir, Options{}), watchInfo())
	got, ok, err := w.LastStatus(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	var verdict, position string
	var finished sql.NullString
	read := func() {
		err := w.l.read.QueryRowContext(t.Context(), `SELECT verdict, new_position, finished FROM watches`).Scan(&verdict, &position, &finished)
		if err != nil || verdict != "collisions" || position != "u:1-9" {
			t.Error(verdict, position, err)
		}
	}
	if read(); finished.Valid {
		t.Error("finished before its end")
	}
	s.Final = true
	if err := w.SaveStatus(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if read(); !finished.Valid {
		t.Error("not finished at its end")
	}
}

func TestCheckpointComesBack(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	w := mustWatch(t, l, watchInfo())
	if _, ok, err := w.Checkpoint(t.Context()); ok || err != nil {
		t.Fatalf("a checkpoint before there was one: %v, %v", ok, err)
	}
	noise := make([]byte, 3*pieceBytes+1)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for i, snapshot := range [][]byte{
		noise, nil,
		{},
		[]byte("x"), bytes.Repeat([]byte("crosscheck"), pieceBytes/4), noise[:pieceBytes], noise[:pieceBytes+1],
		append(make([]byte, pieceBytes), noise...),
	} {
		c := watch.Checkpoint{
			At: time.Unix(1_800_000_000, 0).UTC(), Snapshot: snapshot, Positions: [2]string{"a:1", fmt.Sprint(i)},
			Identity: [2]string{"x", "y"}, Engine: []byte(`{"fence": 3}`),
		}
		if i == 1 {
			c.Engine = nil
		}
		if err := w.SaveCheckpoint(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		got, ok, err := w.Checkpoint(t.Context())
		if err != nil || !ok || !reflect.DeepEqual(c, got) { // cmp takes seconds for megabytes
			t.Errorf("checkpoint %d with %d bytes: %v, %v, %d bytes came back", i, len(snapshot), ok, err, len(got.Snapshot))
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.SaveCheckpoint(cancelled, watch.Checkpoint{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	l.Close()
	w = mustWatch(t, mustOpen(t, dir, Options{}), watchInfo())
	if got, ok, err := w.Checkpoint(t.Context()); err != nil || !ok || len(got.Snapshot) != 4*pieceBytes+1 {
		t.Errorf("the next process: %v, %v, %d bytes", ok, err, len(got.Snapshot))
	}
	if _, err := w.l.write.ExecContext(t.Context(), `DELETE FROM watch_snapshots WHERE piece = 2`); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, _, err := w.Checkpoint(t.Context()); !errors.As(err, &e) || e.Kind != Corrupt {
		t.Errorf("a missing piece: %v", err)
	}
}

// finish ends a run with a verdict over so many rows.
func finishRun(t *testing.T, r *Run, v checksum.Verdict, interrupted bool) {
	t.Helper()
	err := r.Close(t.Context(), checksum.Result{
		Verdict: v, Interrupted: interrupted,
		Tables: []checksum.TableResult{
			{Table: "a.a", Verdict: v, Counts: checksum.Counts{RowsOld: 5, RowsNew: 5}},
			{Table: "a.b", Verdict: v, Counts: checksum.Counts{RowsOld: 7, RowsNew: 7}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBaseCheck(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	s := servers()
	base := func() (BaseRun, bool) {
		t.Helper()
		b, ok, err := l.BaseCheck(t.Context(), s.Old, s.New)
		if err != nil {
			t.Fatal(err)
		}
		return b, ok
	}
	if _, ok := base(); ok {
		t.Error("a base in an empty ledger")
	}
	r := mustStart(t, l, false)
	if _, ok := base(); ok {
		t.Error("a base of a run that goes on")
	}
	keys := KeySpaces{
		Old: cluster.KeySpace{Step: cluster.StepPair{Increment: 2, Offset: 1}, Marks: []cluster.KeyMark{{Table: "s.t", Key: math.MaxUint64, At: 1700000000}}},
		New: cluster.KeySpace{Marks: []cluster.KeyMark{{Table: "s.t", Key: 2, At: 1}}},
	}
	if err := r.SetKeySpaces(t.Context(), keys.Old, keys.New); err != nil {
		t.Fatal(err)
	}
	finishRun(t, r, checksum.Undecided, true)
	if _, ok := base(); ok {
		t.Error("a base of an interrupted run")
	}
	info := servers()
	info.Resume, info.Old.Position, info.New.Position = true, "binlog.000009:4", "u:1-99"
	r, err := l.StartRun(t.Context(), info)
	if err != nil || !r.Trusted().Resumed {
		t.Fatal(err)
	}
	finishRun(t, r, checksum.Same, false)
	b, ok := base()
	if !ok || b.Tables != 2 || b.Rows != 12 || b.Run != r.ID() || b.Finished.IsZero() ||
		b.OldPosition != s.Old.Position || b.NewPosition != s.New.Position {
		t.Errorf("%v %+v: want 12 rows of 2 tables as of where the first process began", ok, b)
	}
	if !reflect.DeepEqual(b.Keys, keys) {
		t.Errorf("highest keys %+v, want %+v", b.Keys, keys)
	}
	elsewhere := s.New
	elsewhere.ServerUUID = "cccccccc-0000-0000-0000-000000000003"
	if _, ok, err := l.BaseCheck(t.Context(), s.Old, elsewhere); ok || err != nil {
		t.Errorf("a base of other servers: %v, %v", ok, err)
	}
	finishRun(t, mustStart(t, l, false), checksum.Undecided, false)
	if next, ok := base(); !ok || next.Run != b.Run {
		t.Error("a run without a decision hides the one before")
	}
	finishRun(t, mustStart(t, l, false), checksum.Different, false)
	if _, ok := base(); ok {
		t.Error("a base although a later check found differences")
	}
}

// TestKilledRunThatDiffers: a run whose process died, or that goes on, is no base and hides the one before once it holds a
// difference, however that is kept.
func TestKilledRunThatDiffers(t *testing.T) {
	undecided := chunk(0, 1)
	undecided.Counts.Undecided = 1 // its differences are kept beside it
	for name, c := range map[string]checksum.ProvenChunk{"in a proven chunk": chunk(0, 1), "beside an undecided one": undecided} {
		l := mustOpen(t, t.TempDir(), Options{})
		finishRun(t, mustStart(t, l, false), checksum.Same, false)
		r := mustStart(t, l, false)
		mustBegin(t, r, "shop.orders", "f")
		mustRecord(t, r, "shop.orders", chunk(1, 0))
		if _, ok, err := l.BaseCheck(t.Context(), servers().Old, servers().New); !ok || err != nil {
			t.Errorf("%s: a run that found nothing hides the base: %v", name, err)
		}
		mustRecord(t, r, "shop.orders", c)
		if b, ok, err := l.BaseCheck(t.Context(), servers().Old, servers().New); ok || err != nil {
			t.Errorf("%s: base %+v, %v", name, b, err)
		}
		runs, err := l.Stored(t.Context(), servers().Old, servers().New, record.Run.Decided)
		if err != nil || len(runs) != 2 || runs[0].Ended() || len(runs[0].Differs) != 1 || runs[0].Differs[0].Table != "shop.orders" ||
			len(runs[1].Differs) != 0 || !runs[1].Decided() {
			t.Errorf("%s: %+v, %v", name, runs, err)
		}
	}
}

// TestDifferenceOutlivesResuming: what was found before a run was resumed is not forgotten when its rows are to be read again, nor
// when the resumed run is killed too, was begun with another definition, or is given up for newer runs. It ends with a proof that all rows of the table are the same.
func TestDifferenceOutlivesResuming(t *testing.T) {
	undecided := chunk(0, 1)
	undecided.Counts.Undecided = 1
	for _, c := range []struct {
		name string
		next func(*testing.T, *Ledger, *Run)
		base bool
	}{
		{"resumed and killed again", func(t *testing.T, _ *Ledger, r *Run) { mustBegin(t, r, "shop.orders", "f") }, false},
		{"with another definition", func(t *testing.T, _ *Ledger, r *Run) { mustBegin(t, r, "shop.orders", "g") }, false},
		{"of other tables", func(t *testing.T, _ *Ledger, r *Run) { finishRun(t, r, checksum.Same, false) }, false},
		{"interrupted, and given up for newer ones", func(t *testing.T, l *Ledger, r *Run) {
			mustBegin(t, r, "shop.orders", "f")
			finishRun(t, r, checksum.Undecided, true)
			mustStart(t, l, false)
			mustStart(t, l, false)
		}, false},
		{"found the same then", func(t *testing.T, _ *Ledger, r *Run) {
			mustBegin(t, r, "shop.orders", "f")
			if err := r.Finish(t.Context(), checksum.TableResult{Table: "shop.orders", Verdict: checksum.Same}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"undecided then", func(t *testing.T, _ *Ledger, r *Run) {
			mustBegin(t, r, "shop.orders", "f")
			if err := r.Finish(t.Context(), checksum.TableResult{Table: "shop.orders", Verdict: checksum.Undecided}); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		l := mustOpen(t, t.TempDir(), Options{})
		finishRun(t, mustStart(t, l, false), checksum.Same, false)
		r := mustStart(t, l, false)
		mustBegin(t, r, "shop.orders", "f")
		mustRecord(t, r, "shop.orders", undecided)
		c.next(t, l, mustStart(t, l, true))
		if b, ok, err := l.BaseCheck(t.Context(), servers().Old, servers().New); ok != c.base || err != nil {
			t.Errorf("%s: base %+v, %v, %v", c.name, b, ok, err)
		}
	}
}

// TestResumedRunIsProvenAsOfItsBeginning: where the sides stand when another process goes on says nothing of what was
// compared before.
func TestResumedRunIsProvenAsOfItsBeginning(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	links := []gate.Link{{From: "old", To: "new", Running: true, Since: aMoment, Threads: &gate.Threads{Receiver: 8, Applier: 9, Started: aMoment}}}
	if err := mustStart(t, l, false).SetLinks(t.Context(), links); err != nil { // and killed
		t.Fatal(err)
	}
	info := servers()
	info.Resume, info.Old.Position, info.New.Position = true, "binlog.000009:4", "u:1-99"
	r, err := l.StartRun(t.Context(), info)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Trusted(); got.OldPosition != servers().Old.Position || got.NewPosition != servers().New.Position {
		t.Errorf("trusted: %+v", got)
	}
	finishRun(t, r, checksum.Same, false)
	run, err := l.StoredRun(t.Context(), r.ID())
	if err != nil || run.Old.Position != servers().Old.Position || run.New.Position != servers().New.Position || !run.Attempt.After(run.Began) {
		t.Errorf("%+v, %v", run, err)
	}
	if diff := cmp.Diff(links, run.Links); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	result, err := l.LoadResult(t.Context(), r.ID(), 0)
	if err != nil || result.Old.Position != servers().Old.Position || result.New.Position != servers().New.Position {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestLayoutOneIsBroughtUp(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	insert := `INSERT INTO runs (started, attempt_started, attempts, finished, args_json, relation, old_uuid, old_addr,
		old_version, old_flavor, old_position, old_tls, new_uuid, new_addr, new_version, new_flavor, new_position, new_tls, verdict)
		VALUES ('2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', %d, '2026-01-01T00:00:00Z', '[]', '', '%s', '', '', '', 'p', '',
		'%s', '', '', '', 'q', '', 'same')`
	s := servers()
	err = migrateOne(t.Context(), db, schemaV1+fmt.Sprintf(insert, 1, s.Old.ServerUUID, s.New.ServerUUID)+";"+
		fmt.Sprintf(insert, 2, s.New.ServerUUID, s.Old.ServerUUID)+";", 1)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir, Options{})
	b, ok, err := l.BaseCheck(t.Context(), s.Old, s.New)
	if err != nil || !ok || b.OldPosition != "p" || b.NewPosition != "q" {
		t.Errorf("%+v, %v, %v", b, ok, err)
	}
	if _, ok, err := l.BaseCheck(t.Context(), s.New, s.Old); ok || err != nil {
		t.Errorf("a resumed run of which nobody knows where it began: %v, %v", ok, err)
	}
	mustWatch(t, l, watchInfo())
}
