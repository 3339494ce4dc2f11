package watch

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"crosscheck/conflict"
	"crosscheck/fixtures"
)

// both are the servers of a set with the sides' pools.
func (w *work) both(do func(s *fixtures.Server, db *sql.DB)) {
	do(w.set.Old, w.old)
	do(w.set.New, w.new)
}

// Both servers begin new log files all the time.
func TestRotation(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, sharedDual(t, k))
			seen := watchSet(t, w.set, w.name, &memoryStore{}, nil)
			end, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				for {
					select {
					case <-end:
						return
					case <-time.After(150 * time.Millisecond):
						w.both(func(s *fixtures.Server, _ *sql.DB) { mustExec(t, s.DB(), "FLUSH BINARY LOGS") })
					}
				}
			}()
			for range 2 {
				w.burst(func() { time.Sleep(400 * time.Millisecond) })
				w.flow(60)
			}
			close(end)
			<-done
			seen.quiet()
			if st := seen.end(); len(st.Blind) > 0 || st.Account.Sides[0].Verified < 120 {
				t.Errorf("blind %v, %+v", st.Blind, st.Account.Sides)
			}
			w.exactly(seen.store)
		})
	}
}

// A session that logs its statements instead of rows: what they did is not known, and that is said.
func TestStatements(t *testing.T) {
	for _, k := range some("mysql56") {
		t.Run(k.name, func(t *testing.T) {
			w := newWork(t, sharedDual(t, k))
			mustExec(t, w.old, "INSERT INTO t (id, n) VALUES (1, 0), (2, 0)")
			w.settle()
			seen := watchSet(t, w.set, w.name, &memoryStore{}, nil)
			seen.until("it reads", func(s Status) bool { return s.Verdict == Clean })
			mustExec(t, w.old, "SET SESSION binlog_format = 'STATEMENT'")
			mustExec(t, w.old, "UPDATE t SET n = n + 1 WHERE id = 1", "SET SESSION binlog_format = 'ROW'")
			w.settle()
			w.flow(5)
			seen.quiet()
			st := seen.end()
			statements := 0
			for _, f := range seen.store.list {
				if f.Kind != conflict.Unjudged {
					t.Errorf("found %s %v", f.Kind, f.Key)
				}
				if f.Reason == conflict.ReasonStatement {
					statements++
				}
			}
			if statements != 1 || st.Verdict != Undecided || st.Reason == "" {
				t.Errorf("%d unjudged statements, %s: %s", statements, st.Verdict, st.Reason)
			}
		})
	}
}

// A server that logs only what changed, and servers that compress their logs.
func TestUnusualLogs(t *testing.T) {
	for _, k := range some("mysql", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, roughDual(t, k))
			seen := watchSet(t, w.set, w.name, &memoryStore{}, nil)
			set := func(s *fixtures.Server, name, value string) {
				var was [2]string
				if err := s.DB().QueryRow("SHOW GLOBAL VARIABLES LIKE '"+name+"'").Scan(&was[0], &was[1]); err != nil {
					t.Fatal(err)
				}
				mustExec(t, s.DB(), "SET GLOBAL "+name+" = "+value)
				t.Cleanup(func() { mustExec(t, s.DB(), "SET GLOBAL "+name+" = "+was[1]) })
			}
			afresh := func() { // sessions and appliers have the settings from when they began
				w.settle()
				stopAppliers(t, w.set)
				startAppliers(t, w.set)
				w.both(func(_ *fixtures.Server, db *sql.DB) { db.SetMaxIdleConns(0); db.SetMaxIdleConns(1) })
				w.settle()
			}
			for _, s := range []*fixtures.Server{w.set.Old, w.set.New} {
				if k.family == fixtures.MySQL {
					set(s, "binlog_transaction_compression", "1")
				}
				if k.family == fixtures.MariaDB {
					set(s, "log_bin_compress", "1")
					set(s, "log_bin_compress_min_len", "10")
				}
			}
			afresh()
			w.flow(20)
			w.burst(nil)
			w.flow(5)
			seen.quiet()
			w.exactly(seen.store)
			// The applier of 5.6 stops at minimal images of unique keys (error 1610). Without GTIDs an echo of which rows were
			// skipped may be tied to no original, which is told as unjudged.
			if k.family == fixtures.MySQL56 || k.gtid == fixtures.GTIDOff {
				return
			}
			set(w.set.New, "binlog_row_image", "'MINIMAL'")
			afresh()
			w.flow(20)
			w.burst(nil)
			w.flow(5)
			seen.quiet()
			st := seen.end()
			// That an image lacks a key's value is said, and equal results are not known to be equal.
			same := slices.IndexFunc(w.want, func(x string) bool { return strings.HasPrefix(x, "update_update_same") && x != w.want[2] })
			w.want[same] = strings.Replace(w.want[same], "_same", "", 1)
			w.exactly(seen.store, "unjudged t")
			if k.family == fixtures.MySQL {
				var n int
				if err := w.set.Old.DB().QueryRow("SELECT COUNT(*) FROM performance_schema.binary_log_transaction_compression_stats WHERE log_type = 'BINARY' AND compression_type = 'ZSTD'").Scan(&n); err == nil && n == 0 {
					t.Error("nothing was compressed: the test shows nothing")
				}
			}
			t.Logf("%+v", st.Account.Sides)
		})
	}
}

const digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"

// numbers is a statement's FROM clause with 10^n rows, whose number is in the expression x.
func numbers(n int) (x, from string) {
	var sum, tables []string
	for i, place := 0, 1; i < n; i, place = i+1, 10*place {
		tables = append(tables, fmt.Sprintf("%s d%d", digits, i))
		sum = append(sum, fmt.Sprintf("%d * d%d.d", place, i))
	}
	return "(" + strings.Join(sum, " + ") + ")", strings.Join(tables, ", ")
}

// A transaction of 100,000 rows on one side while the other changes some of them, and others.
func TestLargeTransaction(t *testing.T) {
	for _, k := range some("mysql", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, sharedDual(t, k))
			seen := watchSet(t, w.set, w.name, &memoryStore{}, nil)
			stopAppliers(t, w.set)
			x, from := numbers(5)
			mustExec(t, w.old, "INSERT INTO t (id, code, n) SELECT 1000000 + "+x+", "+x+", 0 FROM "+from)
			mustExec(t, w.new, "INSERT INTO t (id, n) VALUES (1077777, 1), (999999, 1)", "INSERT INTO t (id, code, n) VALUES (1, 55555, 1)")
			startAppliers(t, w.set)
			w.settle()
			mustExec(t, w.new, "UPDATE t SET n = 1 WHERE id >= 1050000 AND id < 1077777")
			w.settle()
			seen.until("the large transactions have arrived", func(s Status) bool {
				return s.Account.Sides[1].Verified >= 27770 && s.Account.Waiting == [2]int{}
			})
			seen.quiet()
			st := seen.end()
			want := []string{"insert_insert_pk t 1077777", "insert_insert_unique t 55555"}
			if diff := cmp.Diff(want, seen.store.lines()); diff != "" {
				t.Errorf("findings (-planted +found):\n%s", diff)
			}
			if a := st.Account.Sides; a[0].Changes != 100000 || a[1].Verified < 27770 {
				t.Errorf("account %+v", a)
			}
		})
	}
}

// Another server answers at an address: the account does not go on with it.
func TestAnotherServer(t *testing.T) {
	for _, k := range some("mysql", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, sharedDual(t, k))
			third := fixtures.ServerForTest(t, k.family, fixtures.ServerOptions{ServerID: 77, GTID: k.gtid})
			password := fmt.Sprintf("ALTER USER '%s'@'%%' IDENTIFIED BY '%s'", fixtures.Crosscheck, w.set.New.Password(fixtures.Crosscheck))
			if k.family == fixtures.MySQL56 {
				password = fmt.Sprintf("SET PASSWORD FOR '%s'@'%%' = PASSWORD('%s')", fixtures.Crosscheck, w.set.New.Password(fixtures.Crosscheck))
			}
			mustExec(t, third.DB(), password)
			p := newProxy(t, w.set.New)
			store := &memoryStore{}
			seen := watchServers(t, through(t, w.set, [2]*proxy{1: p}), w.name, store, nil)
			seen.until("it reads", func(s Status) bool { return s.Verdict == Clean })
			if err := p.Update(&toxiproxy.Proxy{Listen: p.Listen, Upstream: third.Addr(), Enabled: true}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-seen.done:
			case <-time.After(longWait):
				t.Fatal("the watch goes on with another server")
			}
			plain := func(when string, w *watching) {
				if w.err != nil || w.final.Verdict != Undecided || !strings.Contains(w.final.Reason, "another server answers") || !w.final.Final {
					t.Errorf("%s: %s (%s), error %v", when, w.final.Verdict, w.final.Reason, w.err)
				}
			}
			plain("while it ran", seen)
			if len(store.lines()) > 0 {
				t.Errorf("found %v", store.lines())
			}
			again := watchServers(t, Sides{open(t, w.set.Old, "old"), openAt(t, w.set.New, "new", p.Listen)}, w.name, store, nil)
			select {
			case <-again.done:
			case <-time.After(longWait):
				t.Fatal("the watch goes on with another server")
			}
			plain("after a restart", again)
			if store.status.Verdict != Undecided || store.status.Reason == "" {
				t.Errorf("stored: %s %s", store.status.Verdict, store.status.Reason)
			}
		})
	}
}
