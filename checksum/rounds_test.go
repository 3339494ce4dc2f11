package checksum

import (
	"context"
	"fmt"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// counted is a fence that counts how often it was waited for, and drops what it is told to when it was.
type counted struct {
	unreplicated
	passes int
	after  func()
	err    error
}

func (f *counted) pass(context.Context) error {
	f.passes++
	if f.after != nil {
		f.after()
	}
	return f.err
}

// TestOneFenceForAllThatIsDue: where the last fence took long, the next one serves all tables' rows; where it did not,
// nobody's rows wait until others' are read. A table that goes meanwhile takes none of the others with it.
func TestOneFenceForAllThatIsDue(t *testing.T) {
	p := pair{name: "mariadb", old: pool.get(t, fixtures.MariaDB, "old"), new: pool.get(t, fixtures.MariaDB, "new")}
	const database = "onefence"
	old, new := dataSession(t, p.old, database), dataSession(t, p.new, database)
	const tables = 4
	for i := range tables {
		for _, exec := range []func(string) error{old, new} {
			for _, q := range []string{"CREATE TABLE t%d (id INT PRIMARY KEY)", "INSERT INTO t%d VALUES (1)"} {
				if err := exec(fmt.Sprintf(q, i)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	r := openRechecker(t, p.old, p.new, RecheckOptions{})
	r.settler.single = false // as for the tables of a run
	for _, c := range []struct {
		name     string
		waited   time.Duration
		drop     bool
		err      error
		least    int // passes
		most     int
		verdicts [tables]RowVerdict
	}{
		{"a quick fence", 0, false, nil, 2, tables, [tables]RowVerdict{RowEqual, RowEqual, RowEqual, RowEqual}},
		{"a slow fence", time.Hour, false, nil, 1, 1, [tables]RowVerdict{RowEqual, RowEqual, RowEqual, RowEqual}},
		{"one that fails", time.Hour, false, &cluster.FenceError{Cause: cluster.FenceTimeout}, 1, 1, [tables]RowVerdict{}},
		{"a table goes", time.Hour, true, nil, 1, 1, [tables]RowVerdict{RowEqual, RowEqual, RowEqual, RowUnknown}},
	} {
		f := &counted{err: c.err}
		if c.drop {
			f.after = func() {
				if err := old(fmt.Sprintf("DROP TABLE t%d", tables-1)); err != nil {
					t.Error(err)
				}
			}
		}
		r.settler.fence, r.settler.waited = f, c.waited
		rows := make([]recheckRow, tables)
		for i := range rows {
			p, why, err := r.plan(t.Context(), fmt.Sprintf("%s.t%d", database, i))
			if err != nil || why != "" {
				t.Fatal(why, err)
			}
			if err = r.settler.old.LearnTypes(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			key, err := p.EncodeKey(keyOf("id", "1"))
			if err != nil {
				t.Fatal(err)
			}
			r.settler.push(&batch{plan: p, suspects: []*suspect{{key: key, owner: &rows[i]}}})
		}
		r.settler.finish()
		if err := r.settler.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.settler.reopen()
		if f.passes < c.least || f.passes > c.most {
			t.Errorf("%s was waited for %d times, want %d to %d", c.name, f.passes, c.least, c.most)
		}
		for i, row := range rows {
			if row.verdict != c.verdicts[i] || (row.verdict == RowUnknown) == (row.reason == "") {
				t.Errorf("%s: row of table %d is %s: %s", c.name, i, row.verdict, row.reason)
			}
		}
	}
}
