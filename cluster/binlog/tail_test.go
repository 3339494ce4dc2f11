package binlog

import (
	"testing"

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
