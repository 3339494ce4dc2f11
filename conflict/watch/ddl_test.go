package watch

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"crosscheck/conflict"
)

// Schemas change on old while old's rows flow: nothing is invented, and collisions after it are found by the new keys.
// The watcher is restarted after each change, so that it goes on with the definitions of that place.
func TestSchemaChanges(t *testing.T) {
	for _, k := range some("mysql-file", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWork(t, sharedDual(t, k))
			side := w.another(w.set.Old)
			store := &memoryStore{}
			seen := watchSet(t, w.set, w.name, store, nil)
			var id atomic.Int64
			id.Store(10000)
			var want []string
			// during runs a statement while rows are written before, beside and after it; rows says how they are written.
			during := func(statement string, table string, key string) {
				end, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					for {
						select {
						case <-end:
							return
						default:
							n := id.Add(1)
							// The statement may take the table away for a moment.
							_, _ = side.Exec(fmt.Sprintf("INSERT INTO %s (%s, n) VALUES (%d, 0)", table, key, n))
							_, _ = side.Exec(fmt.Sprintf("UPDATE %s SET n = n + 1 WHERE %s = %d", table, key, n))
						}
					}
				}()
				time.Sleep(100 * time.Millisecond)
				mustExec(t, w.old, statement)
				time.Sleep(100 * time.Millisecond)
				close(end)
				<-done
				w.settle()
				seen.quiet() // two statements on one table within the moment of one look would leave its rows unjudged
			}
			// collide writes on both sides while neither applies.
			collide := func(old, new string, found string) {
				seen.quiet()
				seen.end()
				seen = watchSet(t, w.set, w.name, store, nil)
				stopAppliers(t, w.set)
				mustExec(t, w.old, old)
				mustExec(t, w.new, new)
				startAppliers(t, w.set)
				w.settle()
				want = append(want, found)
				seen.quiet() // what an applier skipped without a trace counts as not arrived until then
			}
			during("ALTER TABLE t ADD COLUMN c2 INT NULL AFTER email", "t", "id")
			collide("INSERT INTO t (id, c2, n) VALUES (1, 5, 1)", "INSERT INTO t (id, c2, n) VALUES (1, 6, 1)", "insert_insert_pk t 1")
			// No row follows before the watcher is restarted: the definition in its checkpoint is the one before.
			mustExec(t, w.old, "ALTER TABLE t ADD UNIQUE KEY c2 (c2)")
			w.settle()
			collide("INSERT INTO t (id, c2, n) VALUES (2, 77, 1)", "INSERT INTO t (id, c2, n) VALUES (3, 77, 1)", "insert_insert_unique t 77")
			during("ALTER TABLE t DROP KEY code, MODIFY n BIGINT NOT NULL", "t", "id")
			collide("INSERT INTO t (id, code, n) VALUES (4, 9, 1), (100, 1, 1)", "INSERT INTO t (id, code, n) VALUES (5, 9, 1), (100, 1, 2)", "insert_insert_pk t 100")
			during("RENAME TABLE t TO u", "t", "id")
			mustExec(t, w.old, "INSERT INTO u (id, n) VALUES (50, 0)") // whose definition is read before u is changed again
			w.settle()
			seen.quiet()
			during("ALTER TABLE u ADD COLUMN c3 INT", "u", "id")
			mustExec(t, w.old, "INSERT INTO u (id, n) VALUES (6, 0)")
			w.settle()
			collide("UPDATE u SET n = 1 WHERE id = 6", "UPDATE u SET n = 2 WHERE id = 6", "update_update u 6")
			mustExec(t, w.old, "DROP TABLE u", "CREATE TABLE u (name VARCHAR(20) NOT NULL PRIMARY KEY, n INT, x INT UNIQUE) DEFAULT CHARACTER SET utf8 COLLATE utf8_general_ci",
				"INSERT INTO u VALUES ('a', 1, 1), ('b', 2, 2)")
			w.settle()
			collide("UPDATE u SET x = 50 WHERE name = 'a'", "UPDATE u SET x = 50 WHERE name = 'B'", "update_unique u 50")
			during("TRUNCATE TABLE u", "u", "name")
			collide("INSERT INTO u VALUES ('Q', 1, 1)", "INSERT INTO u VALUES ('q', 2, 2)", "insert_insert_pk u Q")
			seen.quiet()
			seen.end()
			w.want = want
			// On a slow machine the definition may be read when the table has been changed again: that is said, and is all
			// that may be found besides.
			store.mu.Lock()
			store.list = slices.DeleteFunc(store.list, func(f conflict.Finding) bool { return f.Reason == conflict.ReasonUncertain })
			store.mu.Unlock()
			w.exactly(store)
		})
	}
}

// What a schema change on one side is to rows of the other depends on what its text does to their table, whatever quotes
// stand in the names, not on which names stand in it.
func TestSchemaChangesBesideRows(t *testing.T) {
	for _, k := range some("mysql", "mysql56", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, new, name := database(t, set)
			for _, table := range []string{"`a``b`", "`it's \\`", "t", "u", "U", "v", "p"} {
				mustExec(t, old, "CREATE TABLE "+table+" (id INT PRIMARY KEY, n INT)", "INSERT INTO "+table+" VALUES (1, 0)")
			}
			caughtUp(t, set)
			w := watchSet(t, set, name, &memoryStore{}, nil)
			w.until("both sides are seen", func(s Status) bool { return s.Verdict == Clean })
			stopAppliers(t, set)
			mustExec(
				t, old, "TRUNCATE `a``b`", "CREATE VIEW w AS SELECT * FROM t", "CREATE TABLE t2 LIKE t",
				"ALTER DATABASE "+name+" CHARACTER SET latin1", "ALTER TABLE u ADD COLUMN t INT", "CREATE TABLE IF NOT EXISTS t (x INT)",
				"CREATE TRIGGER g BEFORE DELETE ON u FOR EACH ROW UPDATE v SET n = 1 WHERE id = 5", "RENAME TABLE p TO p2, p2 TO p",
				"SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", `ALTER TABLE "it's \" COMMENT 'it''s "v" \'`,
			)
			for _, table := range []string{"`a``b`", "`it's \\`", "t", "U", "v", "p"} {
				mustExec(t, new, "INSERT INTO "+table+" (id, n) VALUES (2, 0)")
			}
			startAppliers(t, set)
			caughtUp(t, set)
			st := w.until("the races are found", func(s Status) bool { return s.Findings[conflict.DDLRace] == 3 })
			w.end()
			want := []string{"ddl_race a`b", "ddl_race it's \\", "ddl_race p"}
			if got := w.store.lines(); !slices.Equal(got, want) || st.Verdict != Failed {
				t.Errorf("%s, found %q, want %q", st.Verdict, got, want)
			}
		})
	}
}
