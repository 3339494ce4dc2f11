package prove

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/onerow"
	"crosscheck/fixtures"
)

// counted is a fence that counts how often it was waited for, and drops what it is told to when it was.
type counted struct {
	unreplicated
	passes int
	after  func()
	err    error
}

func (f *counted) Pass(context.Context) error {
	f.passes++
	if f.after != nil {
		f.after()
	}
	return f.err
}

// TestOneFenceForAllThatIsDue: where the last fence took long, the next one serves all tables' rows; where it did not,
// nobody's rows wait until others' are read. A table that goes meanwhile takes none of the others with it.
func TestOneFenceForAllThatIsDue(t *testing.T) {
	srv := fixtures.ServerForTest(t, fixtures.MariaDB, fixtures.ServerOptions{BufferPoolMB: 32, RedoMB: 64})
	const database = "onefence"
	const tables = 4
	exec := func(q string) {
		t.Helper()
		if _, err := srv.DB().ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE DATABASE " + database)
	for i := range tables {
		exec(fmt.Sprintf("CREATE TABLE %s.t%d (id INT PRIMARY KEY)", database, i))
		exec(fmt.Sprintf("INSERT INTO %s.t%d VALUES (1)", database, i))
	}
	r := NewRechecker(connect(t, srv, "old"), connect(t, srv, "new"), unreplicated{}, RecheckerOptions{}) // of one server with itself
	t.Cleanup(r.Close)
	r.settler.single = false // as for the tables of a run
	for _, c := range []struct {
		name     string
		waited   time.Duration
		drop     bool
		err      error
		least    int // passes
		most     int
		verdicts [tables]onerow.Verdict
	}{
		{"a quick fence", 0, false, nil, 2, tables, [tables]onerow.Verdict{onerow.Equal, onerow.Equal, onerow.Equal, onerow.Equal}},
		{"a slow fence", time.Hour, false, nil, 1, 1, [tables]onerow.Verdict{onerow.Equal, onerow.Equal, onerow.Equal, onerow.Equal}},
		{"one that fails", time.Hour, false, &cluster.FenceError{Cause: cluster.FenceTimeout}, 1, 1, [tables]onerow.Verdict{}},
		{"a table goes", time.Hour, true, nil, 1, 1, [tables]onerow.Verdict{onerow.Equal, onerow.Equal, onerow.Equal, onerow.Unknown}},
	} {
		f := &counted{err: c.err}
		if c.drop {
			f.after = func() { exec(fmt.Sprintf("DROP TABLE %s.t%d", database, tables-1)) }
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
			key, err := p.EncodeKey(onerow.Key{Columns: []string{"id"}, Values: []binlog.Value{{Text: []byte("1")}}})
			if err != nil {
				t.Fatal(err)
			}
			r.settler.push(&batch{plan: p, suspects: []*suspect{{key: key, owner: &rows[i]}}})
		}
		r.settler.Finish()
		if err := r.settler.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.settler.reopen()
		if f.passes < c.least || f.passes > c.most {
			t.Errorf("%s was waited for %d times, want %d to %d", c.name, f.passes, c.least, c.most)
		}
		for i, row := range rows {
			if row.verdict != c.verdicts[i] || (row.verdict == onerow.Unknown) == (row.reason == "") {
				t.Errorf("%s: row of table %d is %s: %s", c.name, i, row.verdict, row.reason)
			}
		}
	}
}

// connect opens a server as the check's account.
func connect(t *testing.T, s *fixtures.Server, label string) *cluster.Server {
	t.Helper()
	c, err := cluster.Open(t.Context(), cluster.Config{
		Label: label, Net: "tcp", Addr: s.Addr(), User: string(fixtures.Crosscheck),
		Password: cluster.Secret(s.Password(fixtures.Crosscheck)),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
