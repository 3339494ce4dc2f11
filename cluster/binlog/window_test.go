package binlog

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/fixtures"
)

// now is a server's present position as a check would read it.
func now(t *testing.T, srv *cluster.Server) gtid.Position {
	t.Helper()
	sess, err := dial(context.Background(), srv)
	if err != nil {
		t.Fatal(err)
	}
	defer sess.close(false)
	p, err := sess.now()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func textKey(parts ...string) []Value {
	key := make([]Value, len(parts))
	for i, p := range parts {
		key[i] = Value{Text: []byte(p)}
	}
	return key
}

func TestWindow(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		db, name := database(t, s)
		exec(t, db, "SET NAMES utf8mb4", "CREATE TABLE t (name VARCHAR(50), n INT, v INT, PRIMARY KEY (name, n))", "CREATE TABLE other (id INT PRIMARY KEY)",
			"INSERT INTO t VALUES ('Zoë', 1, 0), ('kap', 1, 0), ('b', 1, 0)")
		srv := open(t, s)
		def, err := cluster.LoadTable(ctx, srv, name, "t")
		if err != nil {
			t.Fatal(err)
		}
		w, err := OpenWindow(ctx, srv, gtid.Position{}, []WindowTable{{Table: *def, Key: []string{"name", "n"}}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		for _, k := range []string{"zoe", "b", "kap"} {
			if err := w.Watch(name, "t", textKey(k, "1")); err != nil {
				t.Fatal(err)
			}
		}
		ask := func(key string, from, to gtid.Position) Answer {
			t.Helper()
			a, err := w.Changed(ctx, name, "t", textKey(key, "1"), from, to)
			if err != nil {
				t.Fatalf("Changed(%s): %v", key, err)
			}
			return a
		}
		p0 := now(t, srv)
		exec(t, db, "UPDATE t SET v = 1 WHERE name = 'ZOE'")
		p1 := now(t, srv)
		exec(t, db, "UPDATE t SET n = 2 WHERE name = 'b'", "INSERT INTO other VALUES (1)")
		p2 := now(t, srv)
		if a := ask("zoe", p0, p1); a.Count != 1 || len(a.Unjudged) > 0 || string(a.Changes[0].Change.After[2].Text) != "1" {
			t.Errorf("zoe was changed once: %+v", a)
		}
		if a := ask("zoe", p1, p2); !a.Quiet() {
			t.Errorf("zoe was not changed after p1: %+v", a)
		}
		if a := ask("kap", p0, p2); !a.Quiet() {
			t.Errorf("kap was not changed: %+v", a)
		}
		if a := ask("b", p0, p1); !a.Quiet() {
			t.Errorf("b was not changed before p1: %+v", a)
		}
		if a := ask("b", p0, p2); a.Count != 1 {
			t.Errorf("b's key was changed: %+v", a)
		}
		if _, err := w.Changed(ctx, name, "t", textKey("c", "1"), p0, p2); !errors.Is(err, ErrNotWatched) {
			t.Errorf("a key that is not watched: %v", err)
		}
		w.Forget(p2)
		if a := ask("b", p0, p2); a.Count != 0 {
			t.Errorf("forgotten, but there: %+v", a)
		}
		for i := range 40 {
			exec(t, db, fmt.Sprintf("UPDATE t SET v = %d WHERE name = 'zoe'", 10+i))
		}
		p3 := now(t, srv)
		if a := ask("zoe", p2, p3); a.Count != 40 || len(a.Changes) != maxSeen {
			t.Errorf("40 changes: count %d, kept %d", a.Count, len(a.Changes))
		}
		exec(t, db, "TRUNCATE TABLE t")
		p4 := now(t, srv)
		if a := ask("kap", p3, p4); len(a.Unjudged) != 1 {
			t.Errorf("TRUNCATE touches every key: %+v", a)
		}
		xa(t, ctx, db, name, w, srv, ask)
		if s.Family() != fixtures.MySQL56 { // statement format needs the admin's session
			exec(t, db, "SET SESSION binlog_format = 'STATEMENT'")
		} else {
			exec(t, db, "SET SESSION binlog_format = STATEMENT")
		}
		p5 := now(t, srv)
		exec(t, db, "INSERT INTO other VALUES (77)", "SET SESSION binlog_format = ROW")
		p6 := now(t, srv)
		if a := ask("kap", p5, p6); len(a.Unjudged) != 1 || a.Unjudged[0].Kind != StatementDML {
			t.Errorf("a statement may touch any key: %+v", a)
		}
		exec(t, db, "ALTER TABLE t ADD COLUMN w INT")
		p7 := now(t, srv)
		exec(t, db, "INSERT INTO t VALUES ('kap', 1, 1, 1)")
		p8 := now(t, srv)
		if a := ask("kap", p7, p8); len(a.Unjudged) == 0 {
			t.Errorf("after ALTER nothing is sure: %+v", a)
		}
		short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		defer stop()
		if err := w.Wait(short, later(p8)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for what never comes: %v", err)
		}
	})
}

// later is a position that the server has not reached.
func later(p gtid.Position) gtid.Position {
	switch p.Kind {
	case gtid.MySQLGTID:
		p.MySQL = p.MySQL.Clone()
		p.MySQL.Add(gtid.GTID{Source: p.MySQL.Sources()[0], Number: 1 << 40})
	case gtid.MariaDBGTID:
		g, _ := p.MariaDB.Last(p.MariaDB.Domains()[0])
		g.Seq += 1000
		p.MariaDB = p.MariaDB.With(g)
	default:
		p.File.Pos += 100000
	}
	return p
}
