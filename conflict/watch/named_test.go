package watch

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crosscheck/conflict"
	"crosscheck/fixtures"
)

// Each finding says what to do, and names the sessions that made it where the log has their threads: of rows, logs of
// MariaDB before 11.5 have not; of statements they have.
func TestWhoAndWhatToDo(t *testing.T) {
	for _, k := range some("mysql", "mysql56", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, new, name := database(t, set)
			mustExec(t, old, scenarioTables, "CREATE TABLE q (id INT PRIMARY KEY, p INT)", "CREATE TABLE p (id INT PRIMARY KEY)", "INSERT INTO p VALUES (1)",
				"CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id))", "CREATE TABLE a (id INT PRIMARY KEY)",
				"CREATE TABLE nokey (id INT)")
			for id := 1; id < 30; id += 2 {
				mustExec(t, old, fmt.Sprintf("INSERT INTO t (id, n) VALUES (%d, 0)", id))
			}
			caughtUp(t, set)
			w := watchSet(t, set, name, &memoryStore{}, nil)
			w.until("both sides are seen", func(s Status) bool { return s.Verdict == Clean })
			// Sessions that no look has shown when they write.
			var threads [2]uint64
			var pools [2]*sql.DB
			for i, s := range []*fixtures.Server{set.Old, set.New} {
				db, err := s.Open(fixtures.Admin, name) // which may log statements
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				db.SetMaxOpenConns(1)
				if err := db.QueryRow("SELECT CONNECTION_ID()").Scan(&threads[i]); err != nil {
					t.Fatal(err)
				}
				pools[i] = db
			}
			mustExec(t, new, "SET sql_log_bin = 0", "DELETE FROM t WHERE id = 17", "UPDATE t SET n = 7 WHERE id = 19", "SET sql_log_bin = 1")
			stopAppliers(t, set)
			mustExec(t, pools[0], "INSERT INTO t (id, n) VALUES (51, 1), (53, 1)", "UPDATE t SET n = 1 WHERE id = 1", "UPDATE t SET n = 1 WHERE id = 3", "UPDATE t SET n = 1 WHERE id = 5",
				"DELETE FROM t WHERE id = 7", "DELETE FROM t WHERE id = 9", "INSERT INTO t (id, code, n) VALUES (61, 1, 1)", "UPDATE t SET code = 2 WHERE id = 11",
				"UPDATE t SET id = 71 WHERE id = 13", "INSERT INTO t (id, code, email, n) VALUES (63, 3, 'x', 1)", "DELETE FROM p WHERE id = 1", "UPDATE t SET n = 1 WHERE id = 17",
				"UPDATE t SET n = 1 WHERE id = 19", "ALTER TABLE a ADD x INT", "INSERT INTO nokey VALUES (1)")
			mustExec(t, pools[1], "INSERT INTO t (id, n) VALUES (51, 2)", "UPDATE t SET n = 2 WHERE id = 1", "UPDATE t SET n = 1 WHERE id = 3", "DELETE FROM t WHERE id = 5",
				"UPDATE t SET n = 1 WHERE id = 7", "DELETE FROM t WHERE id = 9", "INSERT INTO t (id, code, n) VALUES (62, 1, 1)", "UPDATE t SET code = 2 WHERE id = 15",
				"INSERT INTO t (id, n) VALUES (71, 1)", "INSERT INTO t (id, code, email, n) VALUES (64, 3, 'x', 1)", "INSERT INTO c VALUES (1, 1)",
				"INSERT INTO a (id) VALUES (1)")
			startAppliers(t, set)
			caughtUp(t, set)
			w.quiet()
			mustExec(t, pools[0], "SET SESSION binlog_format = 'STATEMENT'", "UPDATE q SET p = 1 WHERE id = 1", "SET SESSION binlog_format = 'ROW'",
				"SET SESSION auto_increment_increment = 1, auto_increment_offset = 1", "INSERT INTO t (n) VALUES (1), (1)")
			caughtUp(t, set)
			w.quiet()
			w.end()
			got := map[string]bool{}
			for _, f := range w.store.list {
				kind := strings.TrimSpace(f.Kind.String() + " " + string(f.Reason))
				if f.Advice == "" {
					t.Errorf("%s has no advice", kind)
				}
				named := ""
				for s, act := range []*conflict.Act{f.Old, f.New} {
					switch {
					case act == nil || act.Session == nil:
					case act.Session.Thread != threads[s] || act.Session.User == "":
						t.Errorf("%s: made by %+v, want thread %d", kind, act.Session, threads[s])
					default:
						named += " " + conflict.Side(s).String()
					}
				}
				if named != "" && f.Session == nil {
					t.Errorf("%s has no session", kind)
				}
				got[kind+":"+named] = true
			}
			var want []string
			for _, kind := range []conflict.Kind{
				conflict.InsertInsertPK, conflict.InsertInsertUnique, conflict.UpdateUnique, conflict.MultipleUnique, conflict.UpdatePK, conflict.UpdateUpdate,
				conflict.UpdateUpdateSame, conflict.UpdateDelete, conflict.DeleteUpdate, conflict.DeleteDelete, conflict.ForeignKeyOrphan,
			} {
				want = append(want, kind.String()+": old new")
			}
			// An echo's thread is one of the other side's.
			want = append(want, "ddl_race: old new", "missing_echo: old", "echo_mismatch: old", "unjudged no_key: old", "unjudged statement: old", "wrong_step_key: old", "stale_session: old")
			if k.family == fixtures.MariaDB {
				for i := range want {
					want[i] = strings.NewReplacer(": old new", ":", "missing_echo: old", "missing_echo:", "mismatch: old", "mismatch:", "no_key: old", "no_key:", "key: old", "key:").Replace(want[i])
				}
				want[slices.Index(want, "ddl_race:")] = "ddl_race: old"
			}
			if k.family != fixtures.MySQL {
				want = slices.DeleteFunc(want, func(x string) bool { return strings.HasPrefix(x, "stale_session") })
			}
			slices.Sort(want)
			var have []string
			for x := range got {
				have = append(have, x)
			}
			slices.Sort(have)
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("findings and the sides whose sessions are named (-want +got):\n%s", diff)
			}
		})
	}
}
