package binlog

import (
	"context"
	"database/sql"
	"testing"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
)

// xa proves that an XA transaction counts at its commit, too.
func xa(t *testing.T, _ context.Context, db *sql.DB, name string, _ *Window, srv *cluster.Server, ask func(string, gtid.Position, gtid.Position) Answer) {
	t.Helper()
	p0 := now(t, srv)
	exec(t, db, "XA START 'a','b',3", "INSERT INTO "+name+".t VALUES ('kap', 1, 5)", "XA END 'a','b',3", "XA PREPARE 'a','b',3")
	p1 := now(t, srv)
	exec(t, db, "XA COMMIT 'a','b',3")
	p2 := now(t, srv)
	if a := ask("kap", p0, p2); a.Quiet() {
		t.Errorf("an XA transaction changed kap: %+v", a)
	}
	if a := ask("kap", p1, p2); a.Quiet() {
		t.Errorf("XA COMMIT made kap's change visible: %+v", a)
	}
	if a := ask("b", p0, p2); !a.Quiet() {
		t.Errorf("XA did not touch b: %+v", a)
	}
	exec(t, db, "XA START 'c'", "DELETE FROM "+name+".t WHERE name = 'kap'", "XA END 'c'", "XA COMMIT 'c' ONE PHASE")
	p3 := now(t, srv)
	if a := ask("kap", p2, p3); a.Count != 1 || len(a.Unjudged) > 0 {
		t.Errorf("one-phase XA: %+v", a)
	}
}
