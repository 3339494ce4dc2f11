package binlog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// TestCompressedTransactions: what a server packs comes out like what it does
// not pack.
func TestCompressedTransactions(t *testing.T) {
	for f, statement := range map[fixtures.Family]string{
		fixtures.MySQL:   "SET SESSION binlog_transaction_compression = ON",
		fixtures.MariaDB: "SET GLOBAL log_bin_compress = ON, log_bin_compress_min_len = 10",
	} {
		t.Run(string(f), func(t *testing.T) {
			s := sharedServer(t, f)
			db, name := database(t, s)
			exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)", "CREATE TABLE fin (id INT)")
			tl, raw := tail(t, open(t, s), name, Options{Sums: true}), tail(t, open(t, s), name, Options{Raw: true})
			exec(t, db, statement)
			if f == fixtures.MariaDB {
				defer exec(t, s.DB(), "SET GLOBAL log_bin_compress = OFF, log_bin_compress_min_len = DEFAULT")
			}
			exec(t, db, "BEGIN", "INSERT INTO t VALUES (1, REPEAT('abc', 1000)), (2, 'x')", "UPDATE t SET v = REPEAT('def', 1000)",
				"DELETE FROM t WHERE id = 1", "COMMIT", "ALTER TABLE t COMMENT '"+strings.Repeat("c", 500)+"'", "INSERT INTO t VALUES (3, REPEAT('y', 5000))", "INSERT INTO fin VALUES (1)")
			txs := until(t, tl, "fin")
			if len(txs) != 3 || len(txs[0].Changes) != 5 || len(txs[1].DDL) != 1 || len(txs[2].Changes) != 1 {
				t.Fatalf("%+v", txs)
			}
			sameRaw(t, changes(txs), changes(until(t, raw, "fin")))
			c := txs[0].Changes
			if got := texts(c[4].Before); c[4].Kind != Delete || got != "1|"+strings.Repeat("def", 1000) {
				t.Errorf("got %.100q", got)
			}
			if got := string(txs[2].Changes[0].After[1].Text); got != strings.Repeat("y", 5000) {
				t.Errorf("got %.100q", got)
			}
			for _, tx := range txs {
				if tx.GTID == "" || tx.Position.IsZero() {
					t.Errorf("%+v", tx)
				}
			}
		})
	}
}

// TestMinimalImages: what an image leaves out is missing, not NULL.
func TestMinimalImages(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		db, name := database(t, s)
		exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)", "CREATE TABLE fin (id INT)", "SET SESSION binlog_row_image = 'MINIMAL'")
		tl := tail(t, open(t, s), name, Options{})
		exec(t, db, "INSERT INTO t (id, a) VALUES (1, NULL)", "UPDATE t SET b = 7 WHERE id = 1", "DELETE FROM t", "INSERT INTO fin VALUES (1)")
		got := []string{}
		for _, c := range changes(until(t, tl, "fin")) {
			got = append(got, fmt.Sprint(c.Kind, " ", texts(c.Before), " ", texts(c.After), " ", c.Partial))
		}
		want := "insert  1|<null>|<missing> true\nupdate 1|<missing>|<missing> <missing>|<missing>|7 true\ndelete 1|<missing>|<missing>  true"
		if strings.Join(got, "\n") != want {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
	})
}

// TestDDLInTheStream: rows after a DDL are decoded with the new definition, and
// are uncertain until the definition is surely theirs.
func TestDDLInTheStream(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		db, name := database(t, s)
		exec(t, db, "SET NAMES utf8mb4", "CREATE TABLE t (id INT PRIMARY KEY, a INT UNSIGNED)", "CREATE TABLE fin (id INT)")
		tl := tail(t, open(t, s), name, Options{})
		exec(t, db, "INSERT INTO t VALUES (1, 4000000000)", "ALTER TABLE t ADD COLUMN s VARCHAR(10) CHARACTER SET latin1 FIRST, MODIFY a INT",
			"INSERT INTO t VALUES ('é', 2, -1)", "INSERT INTO fin VALUES (1)")
		txs := until(t, tl, "fin")
		if len(txs) != 3 || len(txs[1].DDL) != 1 {
			t.Fatalf("%+v", txs)
		}
		first, second := txs[0].Changes[0], txs[2].Changes[0]
		if texts(first.After) != "1|4000000000" || first.Uncertain || first.Def.Columns[1].Name != "a" {
			t.Errorf("before the DDL: %s %+v", texts(first.After), first)
		}
		if texts(second.After) != "é|2|-1" || second.Def.Columns[0].Name != "s" {
			t.Errorf("after the DDL: %s %+v", texts(second.After), second)
		}
		// All was written before the tail read the definition anew, so it cannot
		// know that the definition is the one of that row.
		if !second.Uncertain {
			t.Error("the row after the DDL is not marked")
		}
		exec(t, db, "INSERT INTO t VALUES ('b', 3, -2)", "INSERT INTO fin VALUES (2)")
		if c := changes(until(t, tl, "fin")); len(c) != 1 || c[0].Uncertain || texts(c[0].After) != "b|3|-2" {
			t.Errorf("later: %+v", c)
		}
		exec(t, db, "CREATE TABLE u AS SELECT id FROM t WHERE id = 3", "INSERT INTO u VALUES (9)", "INSERT INTO fin VALUES (3)")
		var all []string
		for _, c := range changes(until(t, tl, "fin")) {
			all = append(all, c.Table+texts(c.After))
		}
		if strings.Join(all, " ") != "u3 u9" {
			t.Errorf("CREATE … SELECT: %v", all)
		}
	})
}

// A statement that waited for another session's transaction bears the time at which it was done, not begun.
func TestWaitingStatement(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL56} { // MySQL has its own clock for it
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			waitingStatement(t, sharedServer(t, f))
		})
	}
}

func waitingStatement(t *testing.T, s *fixtures.Server) {
	db, name := database(t, s)
	exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE fin (id INT)")
	tl := tail(t, open(t, s), name, Options{})
	tx, err := s.DB().Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err = tx.Exec("INSERT INTO " + name + ".t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, failed := db.Exec("TRUNCATE TABLE t")
		done <- failed
	}()
	waited := 0 // seconds, by the server's clock
	for begin := time.Now(); waited < 2 && time.Since(begin) < time.Minute; {
		if err = tx.QueryRow("SELECT COALESCE(MAX(time), 0) FROM information_schema.processlist WHERE info = 'TRUNCATE TABLE t'").Scan(&waited); err != nil {
			t.Fatal(err)
		}
	}
	if err = tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err = <-done; err != nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO fin VALUES (1)")
	txs := until(t, tl, "fin")
	if len(txs) != 2 || len(txs[1].DDL) != 1 || txs[1].CommitTime.Unix() < txs[0].CommitTime.Unix() {
		t.Errorf("the statement behind %s is of %s", txs[0].CommitTime, txs[1].CommitTime)
	}
}

// TestTaggedGTID: positions with tags are sent to the server and come back.
func TestTaggedGTID(t *testing.T) {
	s := sharedServer(t, fixtures.MySQL)
	db, name := database(t, s)
	exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE fin (id INT)", "SET SESSION gtid_next = 'AUTOMATIC:blue'", "INSERT INTO t VALUES (1)")
	srv := open(t, s)
	tl := tail(t, srv, name, Options{})
	if !strings.Contains(tl.Position().String(), "blue") {
		t.Fatalf("position %s", tl.Position())
	}
	exec(t, db, "INSERT INTO t VALUES (2)", "SET SESSION gtid_next = 'AUTOMATIC'", "INSERT INTO t VALUES (3)", "INSERT INTO fin VALUES (1)")
	txs := until(t, tl, "fin")
	if len(txs) != 2 || !strings.Contains(txs[0].GTID, ":blue:") || texts(txs[0].Changes[0].After) != "2" {
		t.Fatalf("%+v", txs)
	}
	again := tailFrom(t, srv, name, txs[0].Position, Options{})
	if txs := until(t, again, "fin"); len(txs) != 1 || texts(txs[0].Changes[0].After) != "3" {
		t.Errorf("from a tagged position: %+v", txs)
	}
}

// TestCharsetsEqualTheServers compares each byte of the single-byte sets.
func TestCharsetsEqualTheServers(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		db, _ := database(t, s)
		exec(t, db, "SET NAMES utf8mb4")
		for _, name := range []string{"latin1", "latin2", "latin5", "hebrew", "cp850", "cp852", "cp866", "cp1250", "cp1251", "cp1256", "koi8r"} {
			cs, known := lookupCharset(name)
			if !known {
				t.Errorf("%s is not known", name)
				continue
			}
			var bad []string
			for i := 1; i < 256; i++ {
				var want []byte
				if err := db.QueryRow(fmt.Sprintf("SELECT CONVERT(_%s x'%02x' USING utf8mb4)", name, i)).Scan(&want); err != nil {
					t.Fatal(err)
				}
				if got := cs.appendUTF8(nil, []byte{byte(i)}); string(got) != string(want) {
					bad = append(bad, fmt.Sprintf("%02x: %q, server %q", i, got, want))
				}
			}
			if bad != nil {
				t.Errorf("%s: %d bytes differ: %v", name, len(bad), bad[:min(8, len(bad))])
			}
		}
	})
}

// TestUnloggedDomain: a MariaDB position may hold what the server applied
// without logging it; the tail must start there and reach such positions.
func TestUnloggedDomain(t *testing.T) {
	s := sharedServer(t, fixtures.MariaDB)
	db, name := database(t, s)
	exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE fin (id INT)")
	var before string
	if err := db.QueryRow("SELECT @@global.gtid_slave_pos").Scan(&before); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "SET GLOBAL gtid_slave_pos = '5-9-100'")
	defer exec(t, db, "SET GLOBAL gtid_slave_pos = '"+before+"'")
	srv := open(t, s)
	tl := tailFrom(t, srv, name, now(t, srv), Options{})
	exec(t, db, "INSERT INTO t VALUES (1)")
	want := now(t, srv)
	if !strings.Contains(want.String(), "5-9-100") {
		t.Fatalf("position %s", want)
	}
	exec(t, db, "INSERT INTO fin VALUES (1)")
	if txs := until(t, tl, "fin"); len(txs) != 1 {
		t.Fatalf("%+v", txs)
	}
	if ok, err := tl.CaughtUpTo(want); !ok || err != nil {
		t.Errorf("at %s, not at %s: %v", tl.Position(), want, err)
	}
}
