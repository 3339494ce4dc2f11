package binlog

import (
	"errors"
	"testing"
	"time"

	"crosscheck/fixtures"
)

func TestTailDeliversRowChanges(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		db, name := database(t, s)
		exec(t, db, "CREATE TABLE t (id INT UNSIGNED PRIMARY KEY, v VARCHAR(20))", "CREATE TABLE fin (id INT)")
		tl := tail(t, open(t, s), name, Options{})
		exec(t, db, "INSERT INTO t VALUES (4000000000,'a'),(2,NULL)", "UPDATE t SET v='b' WHERE id=2", "DELETE FROM t WHERE id=2",
			"INSERT INTO fin VALUES (1)")
		txs := until(t, tl, "fin")
		if len(txs) != 3 {
			t.Fatalf("%d transactions, want 3", len(txs))
		}
		got := []string{}
		for _, c := range changes(txs) {
			if c.Schema != name || c.Table != "t" || c.Uncertain || c.Partial {
				t.Errorf("unexpected change %+v", c)
			}
			got = append(got, c.Kind.String()+" "+texts(c.Before)+" "+texts(c.After))
		}
		want := []string{"insert  4000000000|a", "insert  2|<null>", "update 2|<null> 2|b", "delete 2|b "}
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Errorf("change %d: got %q, want %q", i, got, want[i])
			}
		}
		for _, tx := range txs {
			if !tx.Last || tx.Position.IsZero() || tx.ServerID != 7 || tx.CommitTime.IsZero() {
				t.Errorf("transaction %+v", tx)
			}
			if s.Family() != fixtures.MariaDB && tx.ThreadID == 0 {
				t.Error("no thread id")
			}
		}
	})
}

// A definition that rows need is asked for again while its server takes nobody in: without it they would be unjudged for
// good. What a server refuses for good is not asked twice.
func TestDefinitionIsWaitedFor(t *testing.T) {
	s := sharedServer(t, fixtures.MySQL)
	db, name := database(t, s)
	exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY)")
	tl := tail(t, open(t, s), name, Options{MaxOutage: patience})
	exec(t, s.DB(), "SET GLOBAL offline_mode = ON")
	t.Cleanup(func() { exec(t, s.DB(), "SET GLOBAL offline_mode = OFF") })
	type result struct {
		def *Table
		err error
	}
	got := make(chan result, 1)
	go func() {
		def, _, err := tl.loadTable(name, "t")
		got <- result{def, err}
	}()
	select {
	case r := <-got:
		t.Errorf("the server took us in, or was given up: %+v, %v", r.def, r.err)
	case <-time.After(300 * time.Millisecond):
		exec(t, s.DB(), "SET GLOBAL offline_mode = OFF")
		if r := <-got; r.err != nil || len(r.def.Columns) != 1 {
			t.Errorf("a server that takes us in again: %+v, %v", r.def, r.err)
		}
	}
	asked := 0
	refused := errors.New("refused")
	if err := untilDone(t.Context(), patience, func() error { asked++; return refused }); !errors.Is(err, refused) || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}
