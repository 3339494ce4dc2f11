package ledger

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crosscheck/checksum"
)

func TestResumeReturnsWhatWasProven(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "shop.orders", "f1")
	mustBegin(t, r, "shop.items", "f2")
	mustBegin(t, r, "shop.empty", "f3")
	want := []checksum.ProvenChunk{chunk(0, 2), chunk(1, 0), chunk(2, 1)}
	mustRecord(t, r, "shop.orders", want...)
	mustRecord(t, r, "shop.items", chunk(7, 0))
	open := chunk(3, 1)
	open.Counts.Undecided = 1
	mustRecord(t, r, "shop.orders", open)
	if err := r.Finish(t.Context(), checksum.TableResult{Table: "shop.orders", Verdict: checksum.Different}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, l, "differences"); n != 4 {
		t.Errorf("%d differences: those of the undecided chunk are stored as well", n)
	}
	l.Close() // without Run.Close, as if killed

	l = mustOpen(t, dir, Options{})
	r = mustStart(t, l, true)
	trust := r.Trusted()
	if !trust.Resumed || trust.Run != 1 || trust.Recorded != (TrustCount{2, 4, 4000}) {
		t.Errorf("trust: %+v", trust)
	}
	got, why := mustBegin(t, r, "shop.orders", "f1")
	if why != "" {
		t.Error(why)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(checksum.Difference{}, "OldRow", "NewRow")); diff != "" {
		t.Error(diff)
	}
	if n := count(t, l, "differences"); n != 3 {
		t.Errorf("%d differences: that of the undecided chunk must be gone", n)
	}
	got, why = mustBegin(t, r, "shop.items", "changed")
	if len(got) != 0 || !strings.Contains(why, "1 proven chunk") {
		t.Errorf("changed identity: %v, %q", got, why)
	}
	mustBegin(t, r, "shop.empty", "changed too")
	trust = r.Trusted()
	if trust.Tables != 1 || trust.Chunks != 3 || trust.Rows != 3000 || len(trust.Refused) != 1 ||
		trust.Refused[0].Table != "shop.items" || trust.Refused[0].Chunks != 1 {
		t.Errorf("trust: %+v", trust)
	}
	if got, _ = mustBegin(t, r, "shop.items", "changed"); len(got) != 0 {
		t.Error("a refused chunk came back")
	}
}

func TestResumeOfOtherServers(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	mustRecord(t, r, "a.a", chunk(0, 0))

	info := servers()
	info.Resume = true
	info.New.ServerUUID = "cccccccc-0000-0000-0000-000000000003"
	_, err := l.StartRun(t.Context(), info)
	var e *ServerChangedError
	if !errors.As(err, &e) || e.Old != nil || e.New == nil || e.Run != 1 {
		t.Fatalf("got %v", err)
	}
	oneLine(t, err, "new is another server", "bbbbbbbb", "cccccccc", "--resume")

	// The refused attempt has left no trace, and another address of the same servers is no change.
	info = servers()
	info.Resume, info.Old.Addr = true, "vip:3306"
	if r, err = l.StartRun(t.Context(), info); err != nil || r.ID() != 1 {
		t.Fatalf("%v, %v", r, err)
	}
}

func TestResumeWhenThereIsNothing(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, true)
	if trust := r.Trusted(); trust.Resumed || r.ID() != 1 {
		t.Errorf("%+v", trust)
	}
	if err := r.Close(t.Context(), checksum.Result{Verdict: checksum.Same}); err != nil {
		t.Fatal(err)
	}
	if r = mustStart(t, l, true); r.Trusted().Resumed || r.ID() != 2 {
		t.Error("a run that came to its end was resumed")
	}
}

func TestResumeTakesInterruptedAndUndecidedRuns(t *testing.T) {
	for name, result := range map[string]checksum.Result{
		"interrupted": {Verdict: checksum.Different, Interrupted: true},
		"undecided":   {Verdict: checksum.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			l := mustOpen(t, t.TempDir(), Options{})
			r := mustStart(t, l, false)
			mustBegin(t, r, "a.a", "f")
			mustRecord(t, r, "a.a", chunk(0, 1))
			if err := r.Close(t.Context(), result); err != nil {
				t.Fatal(err)
			}
			mustStart(t, l, false) // started without --resume by mistake: it must not cost the work of before
			l2 := l
			r = mustStart(t, l2, true)
			if r.ID() != 2 {
				t.Errorf("resumed run %d, want the newest", r.ID())
			}
			if n := count(t, l, "row_images"); n != 1 {
				t.Errorf("%d images", n)
			}
		})
	}
}

// closeRun stores a run with one chunk of one difference, decided.
func closeRun(t *testing.T, l *Ledger, id int) {
	t.Helper()
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	mustRecord(t, r, "a.a", chunk(id, 1))
	err := r.Close(t.Context(), checksum.Result{
		Verdict: checksum.Different,
		Tables:  []checksum.TableResult{{Table: "a.a", Verdict: checksum.Different, Counts: chunk(id, 1).Counts}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRetention(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	images := func() (runs []int64) {
		for run := range int64(70) {
			withImage := false
			err := l.EachDifference(t.Context(), run, nil, func(_ string, d checksum.Difference) error {
				withImage = withImage || d.OldRow != nil
				return nil
			})
			if err != nil && !errors.Is(err, ErrNoRun) {
				t.Fatal(err)
			}
			if withImage {
				runs = append(runs, run)
			}
		}
		return runs
	}
	closeRun(t, l, 1)
	closeRun(t, l, 2)
	if got := images(); !cmp.Equal(got, []int64{2}) {
		t.Errorf("images of runs %v, want of the newest decided one", got)
	}
	killed := mustStart(t, l, false) // run 3
	mustBegin(t, killed, "a.a", "f")
	mustRecord(t, killed, "a.a", chunk(0, 1))
	running := mustStart(t, l, false) // run 4
	mustBegin(t, running, "a.a", "f")
	mustRecord(t, running, "a.a", chunk(0, 1))
	if got := images(); !cmp.Equal(got, []int64{2, 3, 4}) {
		t.Errorf("images of runs %v", got)
	}
	if err := running.Close(t.Context(), checksum.Result{Verdict: checksum.Same}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, l, "row_images"); n != 1 {
		t.Errorf("%d images after the end of run 4", n)
	}
	if n := count(t, l, "differences"); n != 4 {
		t.Errorf("%d differences: those of older runs stay, without images", n)
	}
	for i := range 60 {
		closeRun(t, l, i)
	}
	if n := count(t, l, "runs"); n != keepRuns {
		t.Errorf("%d runs", n)
	}
	if n := count(t, l, "chunks"); n != 1 {
		t.Errorf("%d chunks", n)
	}
}

func TestBoundsOfImagesAndDifferences(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{MaxImageBytes: 1000, MaxDifferences: 30})
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	mustRecord(t, r, "a.a", chunk(0, 20), chunk(1, 20))
	noImage, dropped := r.Dropped()
	if noImage == 0 || dropped != 10 {
		t.Errorf("dropped %d images, %d differences", noImage, dropped)
	}
	var stored, images int64
	err := l.EachDifference(t.Context(), r.ID(), nil, func(_ string, d checksum.Difference) error {
		stored++
		if d.OldRow != nil {
			images++
		}
		return nil
	})
	if err != nil || stored != 30 || images != 30-noImage || images == 0 {
		t.Errorf("%d stored, %d with image, %v", stored, images, err)
	}
	proven, _ := mustBegin(t, r, "a.a", "f")
	if proven[1].Counts.Missing != 20 || len(proven[1].Differences) != 10 {
		t.Errorf("counts must be complete, differences as far as stored: %+v", proven[1].Counts)
	}
	if s, err := l.LastRun(t.Context()); err != nil || !s.RepairCapped || s.ImagesDropped != noImage || s.ImageBytes > 1000 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestBoundOfValues: of a table in which more rows differ than values are kept of, the others' keys are kept, also when the run
// is continued; another table's values are not those that are missing.
func TestBoundOfValues(t *testing.T) {
	dir := t.TempDir()
	opt := Options{MaxImages: 25}
	l := mustOpen(t, dir, opt)
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	mustBegin(t, r, "a.b", "f")
	mustRecord(t, r, "a.a", chunk(0, 20))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, dir, opt)
	r = mustStart(t, l, true)
	mustBegin(t, r, "a.a", "f")
	mustBegin(t, r, "a.b", "f")
	mustRecord(t, r, "a.a", chunk(1, 20))
	mustRecord(t, r, "a.b", chunk(0, 20))
	if images, dropped := r.Dropped(); images != 15 || dropped != 0 {
		t.Errorf("dropped %d images, %d differences", images, dropped)
	}
	got := map[string][3]int{}
	err := l.EachDifference(t.Context(), r.ID(), nil, func(table string, d checksum.Difference) error {
		n := got[table]
		n[0]++
		if d.OldRow != nil {
			n[1]++
		}
		if len(d.Key) > 0 {
			n[2]++
		}
		got[table] = n
		return nil
	})
	if want := map[string][3]int{"a.a": {40, 25, 40}, "a.b": {20, 20, 20}}; err != nil || !maps.Equal(got, want) {
		t.Errorf("stored, with values, with keys: %v, want %v; %v", got, want, err)
	}
}

func TestLoadResult(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "shop.orders", "f")
	mustBegin(t, r, "shop.half", "f")
	c := chunk(0, 2)
	c.Differences[1] = checksum.Difference{
		Kind: checksum.Changed, Proof: checksum.ProofRounds, Count: 1, Key: c.Differences[0].Key,
		Columns: []checksum.ColumnDiff{
			{Column: "note", Old: checksum.Value{Text: strings.Repeat("ä", 10_000)}, New: checksum.Value{Null: true}},
		},
	}
	mustRecord(t, r, "shop.orders", c)
	mustRecord(t, r, "shop.half", chunk(0, 0), chunk(1, 1))

	open, err := l.LoadResult(t.Context(), r.ID(), -1)
	if err != nil || !open.Interrupted || open.Verdict != checksum.Different || len(open.Tables) != 2 {
		t.Fatalf("of a run that goes on: %+v, %v", open, err)
	}
	if half := open.Tables[0]; half.Counts.RowsOld != 2000 || half.Counts.Missing != 1 || len(half.Differences) != 1 {
		t.Errorf("%+v", half)
	}
	want := checksum.Result{
		Old: servers().Old, New: servers().New, Relation: "old → new", Verdict: checksum.Different, Reason: "why",
		Tables: []checksum.TableResult{{
			Table: "shop.orders", Verdict: checksum.Different, Counts: c.Counts, Method: "key chunks",
			Lossy: []string{"a"}, Reason: "r", Notes: []string{"n"}, Resumed: 3, FirstChunk: time.Second, Elapsed: time.Hour,
			Differences: c.Differences,
		}},
		Notes: []string{"note <1>"}, Elapsed: time.Minute, FirstChunk: time.Millisecond, RepairCapped: true, WithoutValues: 1,
	}
	if err = r.Finish(t.Context(), want.Tables[0]); err != nil {
		t.Fatal(err)
	}
	if err = r.Close(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := l.LoadResult(t.Context(), r.ID(), -1)
	if err != nil {
		t.Fatal(err)
	}
	diff := cmp.Diff(want, got, cmpopts.IgnoreFields(checksum.Difference{}, "OldRow", "NewRow"),
		cmpopts.IgnoreFields(checksum.Result{}, "Started"))
	if diff != "" {
		t.Error(diff)
	}
	if got, err = l.LoadResult(t.Context(), r.ID(), 1); err != nil || len(got.Tables[0].Differences) != 1 {
		t.Errorf("%v, %v", got.Tables, err)
	}
	if _, err = l.LoadResult(t.Context(), 99, 1); !errors.Is(err, ErrNoRun) {
		t.Errorf("got %v", err)
	}
}

func TestEachDifferenceWithImages(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	for _, table := range []string{"a.one", "b.two"} {
		mustBegin(t, r, table, "f")
	}
	small, large := difference(1), difference(2)
	large.Kind = checksum.Changed
	large.NewRow = []checksum.Cell{{Column: "blob", Literal: "x'" + strings.Repeat("00ff", 50_000) + "'", Guard: "g", Generated: true}}
	broken := difference(3)
	broken.OldRow = []checksum.Cell{{Column: "c", Literal: "'\xff'", Guard: "g"}}
	c := chunk(0, 0)
	c.Differences = []checksum.Difference{small, large, broken}
	mustRecord(t, r, "a.one", c)
	mustRecord(t, r, "b.two", chunk(5, 1))
	var got []checksum.Difference
	err := l.EachDifference(t.Context(), r.ID(), func(table string) bool { return table == "a.one" },
		func(_ string, d checksum.Difference) error {
			got = append(got, d)
			_, err := l.LastRun(t.Context()) // the ledger can be read meanwhile
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	broken.OldRow = nil
	if diff := cmp.Diff([]checksum.Difference{small, large, broken}, got); diff != "" {
		t.Error(diff)
	}
	var bytes int64
	if err = l.read.QueryRow("SELECT max(bytes) FROM row_images").Scan(&bytes); err != nil || bytes > 10_000 {
		t.Errorf("a large image is not compressed: %d bytes, %v", bytes, err)
	}
	stop := fmt.Errorf("enough")
	err = l.EachDifference(t.Context(), r.ID(), nil, func(string, checksum.Difference) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// TestDifferencesTakenBack: what a table's outcome does not stand by is neither shown nor repaired.
func TestDifferencesTakenBack(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	stands, taken := chunk(0, 1), chunk(5, 1)
	var result checksum.Result
	for table, c := range map[string]checksum.ProvenChunk{"a.stands": stands, "b.taken": taken} {
		mustBegin(t, r, table, "f")
		mustRecord(t, r, table, c)
		tr := checksum.TableResult{Table: table, Verdict: checksum.Different, Counts: c.Counts}
		if table == "b.taken" {
			tr.Verdict, tr.Counts.Undecided = checksum.Undecided, c.Counts.Differences()
			tr.Counts.Missing, tr.Counts.Extra, tr.Counts.Changed = 0, 0, 0
		}
		result.Tables = append(result.Tables, tr)
	}
	if stands.Counts.Differences() == 0 || len(stands.Differences) == 0 {
		t.Fatal("the chunks hold no differences: the test tests nothing")
	}
	if err := r.Close(t.Context(), result); err != nil {
		t.Fatal(err)
	}
	err := l.EachDifference(t.Context(), r.ID(), nil, func(table string, _ checksum.Difference) error {
		if table != "a.stands" {
			t.Errorf("a difference of %s", table)
		}
		return nil
	})
	shown, lerr := l.LoadResult(t.Context(), r.ID(), -1)
	if err != nil || lerr != nil || len(shown.Tables[0].Differences) == 0 || len(shown.Tables[1].Differences) != 0 {
		t.Errorf("%v %v %+v", err, lerr, shown.Tables)
	}
}
