package binlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/fixtures"
)

// killDumps ends every connection that reads the server's log.
func killDumps(t *testing.T, s *fixtures.Server) {
	t.Helper()
	ids := firstColumn(t, s.DB(), "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
	if len(ids) == 0 {
		t.Error("no dump connection to kill")
	}
	for _, id := range ids {
		_, _ = s.DB().Exec("KILL " + id) // it may be gone
	}
}

// fill makes n rows of about size bytes in one transaction.
func fill(t testing.TB, db *sql.DB, n, size int) {
	t.Helper()
	exec(t, db, "SET SESSION sql_log_bin = 0", "CREATE DATABASE IF NOT EXISTS seeds", "CREATE TABLE IF NOT EXISTS seeds.seed (id INT PRIMARY KEY)",
		"INSERT IGNORE INTO seeds.seed VALUES (0)")
	have := 0
	if err := db.QueryRow("SELECT COUNT(*) FROM seeds.seed").Scan(&have); err != nil {
		t.Fatal(err)
	}
	for ; have < n; have *= 2 {
		exec(t, db, fmt.Sprintf("INSERT INTO seeds.seed SELECT id + %d FROM seeds.seed", have))
	}
	exec(t, db, "SET SESSION sql_log_bin = 1",
		fmt.Sprintf("INSERT INTO t (id, v) SELECT id, CONCAT(id, REPEAT('x', %d)) FROM seeds.seed WHERE id < %d", size, n))
}

// TestReconnectInsideLargeTransaction kills the connection while parts of one
// transaction have been delivered: each row must come exactly once.
func TestReconnectInsideLargeTransaction(t *testing.T) {
	const n = 40000
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		db, name := database(t, s)
		exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(2000))", "CREATE TABLE fin (id INT)")
		srv := open(t, s)
		first := tail(t, srv, name, Options{})
		from := first.Position()
		first.Close()
		fill(t, db, n, 1000)
		exec(t, db, "INSERT INTO fin VALUES (1)")
		tl := tailFrom(t, srv, name, from, Options{})
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		seen, parts, kills := make([]byte, n), 0, 0
		for done := false; !done; {
			tx, err := tl.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if tx.Aborted {
				t.Fatal("aborted")
			}
			for _, c := range tx.Changes {
				switch c.Table {
				case "t":
					id := 0
					fmt.Sscan(string(c.After[0].Text), &id)
					seen[id]++
				case "fin":
					done = true
				}
			}
			if len(tx.Changes) > 0 && tx.Changes[0].Table == "t" {
				if tx.Part != parts {
					t.Fatalf("part %d, want %d", tx.Part, parts)
				}
				parts++
				if parts == 2 || parts == 22 {
					killDumps(t, s)
					kills++
				}
			}
		}
		if parts < 30 || tl.Stats().Reconnects == 0 {
			t.Errorf("%d parts, %d reconnects after %d kills", parts, tl.Stats().Reconnects, kills)
		}
		for id, k := range seen {
			if k != 1 {
				t.Fatalf("row %d came %d times", id, k)
			}
		}
	})
}

// TestReconnectBetweenTransactions kills and rotates under a running writer.
func TestReconnectBetweenTransactions(t *testing.T) {
	eachFamily(t, func(t *testing.T, s *fixtures.Server) {
		db, name := database(t, s)
		exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE fin (id INT)")
		tl := tail(t, open(t, s), name, Options{})
		for i := range 60 {
			exec(t, db, fmt.Sprintf("INSERT INTO t VALUES (%d), (%d)", 2*i, 2*i+1))
			switch i % 20 {
			case 7:
				killDumps(t, s)
				time.Sleep(100 * time.Millisecond)
			case 13:
				exec(t, s.DB(), "FLUSH LOGS")
			}
			if i%20 == 7 || i%20 == 8 { // let the tail notice
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				for want := now(t, tl.srv); ; {
					if ok, err := tl.CaughtUpTo(want); err != nil || ok {
						break
					}
					tx, err := tl.Next(ctx)
					if err != nil {
						t.Fatal(err)
					}
					checkOrder(t, tx)
				}
				cancel()
			}
		}
		exec(t, db, "INSERT INTO fin VALUES (1)")
		for _, tx := range until(t, tl, "fin") {
			checkOrder(t, tx)
		}
		if tl.Stats().Reconnects == 0 {
			t.Error("no reconnect happened")
		}
		if order.next[name] != 120 {
			t.Errorf("the next id would be %d, want 120", order.next[name])
		}
	})
}

// order remembers per schema which id must come next.
var order = struct{ next map[string]int }{map[string]int{}}

func checkOrder(t *testing.T, tx *Transaction) {
	t.Helper()
	for _, c := range tx.Changes {
		if got := string(c.After[0].Text); got != fmt.Sprint(order.next[c.Schema]) {
			t.Fatalf("id %s came, want %d", got, order.next[c.Schema])
		}
		order.next[c.Schema]++
	}
}

// ownServer starts a server that the test may break.
func ownServer(t *testing.T, f fixtures.Family, opts fixtures.ServerOptions) *fixtures.Server {
	t.Helper()
	return fixtures.ServerForTest(t, f, opts)
}

func TestRestartPurgeReset(t *testing.T) {
	for _, f := range fixtures.Families() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel() // it mostly waits
			s := ownServer(t, f, fixtures.ServerOptions{BufferPoolMB: 64})
			db := s.DB()
			exec(t, db, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "CREATE TABLE d.fin (id INT)")
			srv := open(t, s)
			tl := tail(t, srv, "d", Options{MaxOutage: patience, ReadTimeout: 4 * time.Second})
			from := tl.Position()
			exec(t, db, "INSERT INTO d.t VALUES (1)")
			restarted := make(chan error, 1)
			go func() { restarted <- s.Restart(context.Background()) }()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			tx, err := tl.Next(ctx)
			for err == nil && tx.Heartbeat {
				tx, err = tl.Next(ctx)
			}
			if err != nil || len(tx.Changes) != 1 {
				t.Fatalf("%+v, %v", tx, err)
			}
			got := make(chan error, 1)
			go func() {
				for {
					next, nextErr := tl.Next(ctx)
					if nextErr != nil || len(next.Changes) > 0 {
						got <- nextErr
						return
					}
				}
			}()
			if err = <-restarted; err != nil {
				t.Fatal(err)
			}
			db = s.DB()
			exec(t, db, "INSERT INTO d.t VALUES (2)")
			if err = <-got; err != nil {
				t.Fatalf("after a restart: %v", err)
			}

			exec(t, db, "FLUSH LOGS", "INSERT INTO d.t VALUES (3)")
			purge(t, db)
			_, err = Tail(ctx, srv, from, Options{})
			var purged *PurgedError
			if !errors.As(err, &purged) {
				t.Errorf("reading purged logs: %v", err)
			} else {
				t.Log(purged)
			}

			reset := "RESET MASTER"
			if f == fixtures.MySQL {
				reset = "RESET BINARY LOGS AND GTIDS"
			}
			at := now(t, srv)
			exec(t, db, reset)
			_, err = Tail(ctx, srv, at, Options{})
			var gone *ResetError
			if !errors.As(err, &gone) {
				t.Errorf("after a reset: %v", err)
			} else {
				t.Log(err)
			}
			for err = error(nil); err == nil; {
				_, err = tl.Next(ctx)
			}
			if !errors.As(err, &gone) {
				t.Errorf("a running tail after a reset: %v", err)
			}
			tl.Close()
		})
	}
}

// firstColumn is the first column of a result.
func firstColumn(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		vals := make([]any, len(names))
		for i := range vals {
			vals[i] = new(sql.RawBytes)
		}
		var first string
		vals[0] = &first
		if err := rows.Scan(vals...); err != nil {
			t.Fatal(err)
		}
		out = append(out, first)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// purge removes all logs but the newest.
func purge(t *testing.T, db *sql.DB) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		logs := firstColumn(t, db, "SHOW BINARY LOGS")
		if len(logs) == 1 {
			return
		}
		exec(t, db, "PURGE BINARY LOGS TO '"+logs[len(logs)-1]+"'") // a dump that still reads a file holds it
	}
	t.Fatal("the logs were not purged")
}

func TestTailRefusals(t *testing.T) {
	s := sharedServer(t, fixtures.MySQL)
	cfg := cluster.Config{Label: "old", Net: "tcp", Addr: s.Addr(), User: "app", Password: cluster.Secret(s.Password(fixtures.App))}
	srv, err := cluster.Open(context.Background(), cfg, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	p := now(t, open(t, s))
	_, err = Tail(context.Background(), srv, p, Options{})
	var priv *PrivilegeError
	if !errors.As(err, &priv) {
		t.Errorf("without REPLICATION SLAVE: %v", err)
	} else if want := "old: reading the binary log needs REPLICATION SLAVE: GRANT REPLICATION SLAVE ON *.* TO 'app'@'%'"; err.Error() != want {
		t.Errorf("got %q", err)
	}
	_, err = Tail(context.Background(), open(t, s), gtid.Position{}, Options{Identity: "another"})
	if !errors.As(err, new(*IdentityError)) {
		t.Errorf("another server: %v", err)
	}
	off := ownServer(t, fixtures.MySQL56, fixtures.ServerOptions{Variables: map[string]string{"log_bin": "OFF", "skip_log_bin": "", "log_slave_updates": "OFF"}})
	_, err = Tail(context.Background(), open(t, off), gtid.Position{}, Options{})
	if !errors.As(err, new(*UnusableError)) {
		t.Errorf("binary log off: %v", err)
	}
}

// TestLargeTransactionMemory reads a transaction of a million rows in little
// memory, plain and compressed.
func TestLargeTransactionMemory(t *testing.T) {
	s := sharedServer(t, fixtures.MySQL)
	for _, compressed := range []string{"OFF", "ON"} {
		t.Run(compressed, func(t *testing.T) {
			db, name := database(t, s)
			exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(2000))", "CREATE TABLE fin (id INT)")
			srv := open(t, s)
			from := now(t, srv)
			exec(t, db, "SET SESSION binlog_transaction_compression = "+compressed)
			fill(t, db, 1<<20, 10)
			exec(t, db, "INSERT INTO fin VALUES (1)")
			tl := tailFrom(t, srv, name, from, Options{})
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			var base, m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&base)
			peak, rows := uint64(0), 0
			for parts := 0; rows <= 1<<20; parts++ {
				tx, err := tl.Next(ctx)
				if err != nil {
					t.Fatal(err)
				}
				rows += len(tx.Changes)
				if parts%8 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapAlloc)
				}
			}
			if used := (max(peak, base.HeapAlloc) - base.HeapAlloc) >> 20; used > 40 {
				t.Errorf("%d MiB live while reading", used)
			} else {
				t.Logf("%d MiB live at most", used)
			}
		})
	}
}
