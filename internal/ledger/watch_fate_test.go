package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"crosscheck/checksum"
	"crosscheck/cluster/binlog"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate/record"
)

// keyed is a finding of rows of shop.orders.
func keyed(n int, ids ...int) conflict.Finding {
	f := finding(n)
	for i, id := range ids {
		key := []binlog.Value{{Text: fmt.Append(nil, id)}}
		if i == 0 {
			f.Key = key
			for _, a := range []*conflict.Act{f.Old, f.New} {
				a.KeyColumns, a.Key, a.PlainKey = []string{"id"}, key, true
			}
			continue
		}
		f.New.OtherKeys = append(f.New.OtherKeys, key)
	}
	return f
}

func fateOf(id int, o watch.Outcome, p *watch.Proof) watch.Fate {
	return watch.Fate{Row: conflict.Row{
		Table: "shop.orders", Columns: []string{"id"}, Key: []binlog.Value{{Text: fmt.Append(nil, id)}}, Plain: true,
	}, Outcome: o, Proof: p}
}

func proofAt(second int) *watch.Proof {
	return &watch.Proof{At: aMoment.Add(time.Duration(second) * time.Second), Positions: [2]string{fmt.Sprintf("u:1-%d", second), "v:1"}}
}

// outcomes are those of each finding's rows, by its place.
func outcomes(t *testing.T, w *Watch) (out [][]string) {
	t.Helper()
	err := w.EachFound(t.Context(), func(f record.Found) error {
		list := []string{}
		for _, r := range f.Rows {
			list = append(list, r.Key+" "+string(r.Outcome)+" "+r.Old)
		}
		out = append(out, list)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEachFindingKeepsItsOutcome: what becomes of a row is of the findings that were there; a later one starts anew.
func TestEachFindingKeepsItsOutcome(t *testing.T) {
	w := mustWatch(t, mustOpen(t, t.TempDir(), Options{}), watchInfo())
	add := func(second int, list ...conflict.Finding) {
		t.Helper()
		if _, err := w.AddFindings(t.Context(), list, aMoment.Add(time.Duration(second)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	save := func(list ...watch.Fate) {
		t.Helper()
		if err := w.SaveFates(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	check := func(step string, want ...[]string) {
		t.Helper()
		if got := outcomes(t, w); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n%q, want\n%q", step, got, want)
		}
	}
	begin := proofAt(1)
	save(fateOf(1, watch.OutcomeOpen, begin), fateOf(2, watch.OutcomeOpen, begin))
	add(2, keyed(1, 1), keyed(2, 2, 3)) // row 3 is one too many to be under doubt
	check("found", []string{`{"id":"1"} open u:1-1`}, []string{`{"id":"2"} open u:1-1`, `{"id":"3"} unknown `})
	save(fateOf(1, watch.OutcomeEqual, proofAt(4)), fateOf(2, watch.OutcomeDiffers, proofAt(4)))
	check("one mended", []string{`{"id":"1"} equal u:1-4`}, []string{`{"id":"2"} differs u:1-4`, `{"id":"3"} unknown `})
	// The row collides again: that is open, and the first finding stays as it was.
	save(fateOf(1, watch.OutcomeOpen, proofAt(5)))
	add(6, keyed(3, 1))
	check("again", []string{`{"id":"1"} equal u:1-4`}, []string{`{"id":"2"} differs u:1-4`, `{"id":"3"} unknown `}, []string{`{"id":"1"} open u:1-5`})
	// What a check of a row saw before a finding came says nothing of that.
	save(fateOf(1, watch.OutcomeEqual, proofAt(6)))
	save(fateOf(1, watch.OutcomeOpen, proofAt(7)))
	check("older than the finding", []string{`{"id":"1"} equal u:1-4`}, []string{`{"id":"2"} differs u:1-4`, `{"id":"3"} unknown `}, []string{`{"id":"1"} open u:1-7`})
	// A restart reads the same again, and tells what it goes on with: nothing is forgotten.
	again := fateOf(2, watch.OutcomeOpen, proofAt(8))
	again.Again = true
	more := fateOf(4, watch.OutcomeOpen, proofAt(8))
	more.Again = true
	save(again, more)
	add(9, keyed(1, 1), keyed(3, 1))
	check("restarted", []string{`{"id":"1"} equal u:1-4`}, []string{`{"id":"2"} differs u:1-4`, `{"id":"3"} unknown `}, []string{`{"id":"1"} open u:1-7`})
	save(fateOf(2, watch.OutcomeEqual, proofAt(10)), fateOf(1, watch.OutcomeSuperseded, proofAt(10)))
	check("mended", []string{`{"id":"1"} equal u:1-4`}, []string{`{"id":"2"} equal u:1-10`, `{"id":"3"} unknown `}, []string{`{"id":"1"} superseded u:1-10`})

	rows := map[string]record.Fate{}
	if err := w.EachFate(t.Context(), func(f record.Fate) error { rows[f.Key] = f; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 4 || !rows[`{"id":"3"}`].Doubted.IsZero() || !rows[`{"id":"1"}`].Doubted.Equal(proofAt(7).At.Truncate(time.Microsecond)) ||
		!rows[`{"id":"2"}`].Differed.Equal(proofAt(4).At.Truncate(time.Microsecond)) || rows[`{"id":"4"}`].Outcome != watch.OutcomeOpen || !rows[`{"id":"2"}`].Plain {
		t.Errorf("%+v", rows)
	}
	var n int
	if err := w.l.read.QueryRowContext(t.Context(), "SELECT count(*) FROM finding_outcomes WHERE outcome = 'equal' AND at <> ''").Scan(&n); err != nil || n != 2 {
		t.Errorf("the view shows %d equal rows of findings: %v", n, err)
	}
	// Findings that name no row, or not all, say so.
	bare := finding(9)
	if bare.Tells() || !(&conflict.Finding{Old: keyed(1, 1).Old}).Tells() {
		t.Error("which findings tell all of their rows")
	}
}

// TestFindingsOfLayoutFive: of findings that an earlier version kept nothing is known but what they are.
func TestFindingsOfLayoutFive(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range migrations()[:5] {
		if err = migrateOne(t.Context(), db, step, i+1); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []string{
		`INSERT INTO watches (since, attempt_started, args_json, old_uuid, old_addr, old_version, old_flavor, old_start, old_tls,
			new_uuid, new_addr, new_version, new_flavor, new_start, new_tls) VALUES ('2026-01-31T00:00:00.000000Z', '2026-01-31T00:00:00.000000Z',
			'[]', '', '', '', '', '', '', '', '', '', '', '', '')`,
		`INSERT INTO watch_findings (watch_id, id, found_at, kind, benign, possible, table_name, index_json, key_json, reason, detail, advice,
			finding_json) VALUES (1, 'a', '2026-01-31T00:00:00.000000Z', 'update_update', 0, 0, 'shop.orders', '[]', '{"id":"1"}', '', '', '', '{}')`,
	} {
		if _, err = db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err = db.Close(); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir, Options{})
	w, err := l.ReadWatch(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err = w.EachFound(t.Context(), func(f record.Found) error {
		if n++; f.Told || len(f.Rows) > 0 || f.Table != "shop.orders" || f.Kind != conflict.UpdateUpdate {
			t.Errorf("%+v", f)
		}
		return nil
	}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
}

// TestLister: whether a check lists a row is known by keys of integers, and where all differences are kept.
func TestLister(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{MaxDifferences: 5})
	r := mustStart(t, l, false)
	list := func(table string, keys ...string) {
		t.Helper()
		mustBegin(t, r, table, "f")
		p := checksum.ProvenChunk{Counts: checksum.Counts{Changed: int64(len(keys))}}
		for _, k := range keys {
			p.Differences = append(p.Differences, checksum.Difference{
				Kind: checksum.Changed, Key: []checksum.Field{{Column: "ID", Value: checksum.Value{Text: k}}}, Count: 1,
			})
		}
		mustRecord(t, r, table, p)
		if err := r.Finish(t.Context(), checksum.TableResult{Table: table, Verdict: checksum.Different, Counts: p.Counts}); err != nil {
			t.Fatal(err)
		}
	}
	list("shop.a", "1", "0002")
	list("shop.text", "1", "x")
	list("shop.many", "1", "2") // one is dropped
	lists := l.Lister(context.WithoutCancel(t.Context()))
	for _, c := range []struct {
		table, key string
		want       record.Listing
	}{
		{"shop.a", `{"id":"1"}`, record.Listed},
		{"shop.a", `{"id":"2"}`, record.Listed},
		{"shop.a", `{"id":"3"}`, record.NotListed},
		{"shop.a", `{"other":"3"}`, record.NotKnown},
		{"shop.a", `{"id":"x"}`, record.NotKnown},
		{"shop.a", `{"id":null}`, record.NotKnown},
		{"shop.text", `{"id":"1"}`, record.Listed},
		{"shop.text", `{"id":"3"}`, record.NotKnown},
		{"shop.many", `{"id":"2"}`, record.NotKnown},
		{"shop.none", `{"id":"1"}`, record.NotKnown},
	} {
		if got, err := lists(r.ID(), c.table, c.key); err != nil || got != c.want {
			t.Errorf("%s %s: %d %v, want %d", c.table, c.key, got, err, c.want)
		}
	}
}
