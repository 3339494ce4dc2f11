package watch

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crosscheck/conflict"
	"crosscheck/fixtures"
)

const scenarioTables = `CREATE TABLE t (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(80), code INT, n INT NOT NULL,
	UNIQUE KEY email (email), UNIQUE KEY code (code)) DEFAULT CHARACTER SET utf8 COLLATE utf8_general_ci`

// Both sides write while neither applies, then both apply and overwrite whatever is in the way: replication itself says
// nothing, and exactly the real collisions are found.
func TestCollisionsWhileAppliersStop(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, new, name := database(t, set)
			mustExec(t, old, scenarioTables,
				"CREATE TABLE s (k VARCHAR(10) NOT NULL PRIMARY KEY, n INT) DEFAULT CHARACTER SET utf8 COLLATE utf8_general_ci", "INSERT INTO s VALUES ('b', 0)",
				"CREATE TABLE p (id INT PRIMARY KEY)", "INSERT INTO p VALUES (2)",
				"CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id) ON UPDATE CASCADE)", "INSERT INTO c VALUES (7, 2)")
			mustExec(t, old, "INSERT INTO t (id, email, code, n) VALUES (101,'a101',101,0),(103,'a103',103,0),(105,'a105',105,0),(107,'a107',107,0),(109,'a109',109,0),"+
				"(111,'a111',111,0),(113,'a113',113,0),(115,'a115',115,0),(117,NULL,NULL,0),(119,NULL,NULL,0)")
			caughtUp(t, set)
			w := watchSet(t, set, name, &memoryStore{}, nil)
			w.until("both sides are seen", func(s Status) bool { return s.Verdict == Clean })

			stopAppliers(t, set)
			mustExec(t, old,
				"INSERT INTO t VALUES (201,'x@a',NULL,1)",                           // insert_insert_pk with new's
				"UPDATE t SET n = 1 WHERE id = 101",                                 // update_update
				"UPDATE t SET n = 7 WHERE id = 103",                                 // update_update_same
				"UPDATE t SET n = 1 WHERE id = 105",                                 // update_delete
				"DELETE FROM t WHERE id = 107",                                      // delete_update
				"DELETE FROM t WHERE id = 109",                                      // delete_delete
				"INSERT INTO t (email, n) VALUES ('Straße@x', 0)",                   // no collision: no partner
				"INSERT INTO t (id, email, code, n) VALUES (301, 'Bob@X', NULL, 1)", // insert_insert_unique by collation
				"UPDATE t SET code = 555 WHERE id = 111",                            // update_unique
				"INSERT INTO t (email, code, n) VALUES (NULL, NULL, 1)",             // NULL never collides
				"UPDATE t SET n = 1 WHERE id = 117",
				"UPDATE s SET k = 'B' WHERE k = 'b'", // update_delete: new's delete finds the row by collation only
				"UPDATE p SET id = 3 WHERE id = 2",   // foreign_key_orphan: the cascade meets a child of new's
			)
			mustExec(t, new,
				"INSERT INTO t VALUES (201,'y@a',NULL,2)",
				"UPDATE t SET n = 2 WHERE id = 101",
				"UPDATE t SET n = 7 WHERE id = 103",
				"DELETE FROM t WHERE id = 105",
				"UPDATE t SET n = 2 WHERE id = 107",
				"DELETE FROM t WHERE id = 109",
				"INSERT INTO t (id, email, code, n) VALUES (302, 'bob@x ', NULL, 2)",
				"UPDATE t SET code = 555 WHERE id = 113",
				"INSERT INTO t (email, code, n) VALUES (NULL, NULL, 2)",
				"UPDATE t SET n = 2 WHERE id = 119", // another row at the same time
				"DELETE FROM s WHERE k = 'b'",
				"INSERT INTO c VALUES (12, 2)",
			)
			startAppliers(t, set)
			caughtUp(t, set)
			w.quiet()
			// Seconds apart, on the same keys: normal flow.
			mustExec(t, old, "UPDATE t SET n = 20 WHERE id = 115")
			caughtUp(t, set)
			mustExec(t, new, "UPDATE t SET n = 21 WHERE id = 115")
			caughtUp(t, set)
			mustExec(t, old, "DELETE FROM t WHERE id = 115")
			w.quiet()
			st := w.end()
			want := []string{
				"delete_delete t 109", "delete_update t 107", "foreign_key_orphan p 2", "insert_insert_pk t 201", "insert_insert_unique t Bob@X",
				"update_delete s b", "update_delete t 105", "update_unique t 555", "update_update t 101", "update_update_same t 103",
			}
			if diff := cmp.Diff(want, w.store.lines()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if st.Verdict != Failed || w.err != nil {
				t.Errorf("verdict %s, %v", st.Verdict, w.err)
			}
			if st.Findings[conflict.UpdateUpdate] != 1 {
				t.Errorf("counts %v", st.Findings)
			}
		})
	}
}

// Normal flow in both directions, as fast as it goes: nothing is found, and all of it is verified.
func TestNormalFlow(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, new, name := database(t, set)
			mustExec(t, old, scenarioTables, "INSERT INTO t (id, email, n) VALUES (1,'a',0),(2,'b',0)")
			caughtUp(t, set)
			w := watchSet(t, set, name, &memoryStore{}, nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 300 {
					mustExec(t, new, "INSERT INTO t (n) VALUES (1)", "UPDATE t SET n = n + 1 WHERE id = 2")
				}
			}()
			for range 300 {
				mustExec(t, old, "INSERT INTO t (n) VALUES (1)", "UPDATE t SET n = n + 1 WHERE id = 1")
			}
			<-done
			caughtUp(t, set)
			st := w.until("all is verified", func(s Status) bool {
				return s.Verdict == Clean && s.Account.Sides[0].Verified >= 600 && s.Account.Sides[1].Verified >= 600 && s.Account.Waiting == [2]int{}
			})
			if len(w.store.lines()) > 0 {
				t.Errorf("found %v", w.store.lines())
			}
			if st.Account.Sides[0].Changes != 600 || st.Account.Sides[1].Changes != 600 {
				t.Errorf("changes: %+v", st.Account.Sides)
			}
			if last := w.end(); last.Verdict != Clean || w.err != nil {
				t.Errorf("at the end: %s (%s) %v", last.Verdict, last.Reason, w.err)
			}
		})
	}
}

// A session that still has the step from before makes keys of the other side's: they are found, and tied to it.
func TestWrongStepOfAStaleSession(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, new, name := database(t, set)
			mustExec(t, old, scenarioTables)
			caughtUp(t, set)
			stale, err := set.Old.Open(fixtures.App, "")
			if err != nil {
				t.Fatal(err)
			}
			defer stale.Close()
			stale.SetMaxOpenConns(1)
			var thread uint64
			if err = stale.QueryRow("SELECT CONNECTION_ID()").Scan(&thread); err != nil {
				t.Fatal(err)
			}
			mustExec(t, stale, "SET SESSION auto_increment_increment = 1, auto_increment_offset = 1")
			w := watchSet(t, set, name, &memoryStore{}, nil)
			w.until("both sides are seen", func(s Status) bool { return s.Sides[0].Sessions > 0 && s.Sides[1].Sessions > 0 })
			for range 3 {
				mustExec(t, new, "INSERT INTO t (n) VALUES (1)")
				caughtUp(t, set)
				mustExec(t, old, "INSERT INTO t (n) VALUES (1)")
				insert := "INSERT INTO " + name + ".t (n) VALUES (1)"
				mustExec(t, stale, insert, insert)
				caughtUp(t, set)
			}
			w.quiet()
			w.end()
			var keys []string
			named := 0
			for _, f := range w.store.list {
				switch f.Kind {
				case conflict.WrongStepKey:
					keys = append(keys, f.Key[0].String())
					if f.Session != nil && f.Session.Thread == thread && f.Advice == fmt.Sprintf("KILL %d", thread) {
						named++
					}
				case conflict.StaleSession:
					if f.Session.Thread != thread || k.family != fixtures.MySQL {
						t.Errorf("stale session %+v, want only %d on servers that tell", f.Session, thread)
					}
				default:
					t.Errorf("found %s %v", f.Kind, f.Key)
				}
			}
			var even int
			if err := old.QueryRow("SELECT COUNT(*) FROM t WHERE id % 2 = 0").Scan(&even); err != nil {
				t.Fatal(err)
			}
			if len(keys) != even-3 { // three even keys are new's own
				t.Errorf("wrong keys %v, want %d of them", keys, even-3)
			}
			if len(keys) == 0 {
				t.Error("the stale session made no wrong key: the test shows nothing")
			}
			if k.family != fixtures.MariaDB && named != len(keys) {
				t.Errorf("%d of %d keys are tied to session %d", named, len(keys), thread)
			}
		})
	}
}

// A watcher that dies before its first periodic checkpoint leaves one behind all the same: what it found and what it did
// not see is found by the next.
func TestDeathRightAfterTheStart(t *testing.T) {
	k := kinds()[3]
	set := sharedDual(t, k)
	old, new, name := database(t, set)
	mustExec(t, old, scenarioTables, "INSERT INTO t (id, n) VALUES (1, 0)")
	caughtUp(t, set)
	store := &memoryStore{}
	w := watchSet(t, set, name, store, nil)
	store.mu.Lock()
	first := store.checkpoint
	store.mu.Unlock()
	if first == nil {
		t.Fatal("no checkpoint at the start")
	}
	stopAppliers(t, set)
	mustExec(t, old, "UPDATE t SET n = 1 WHERE id = 1")
	mustExec(t, new, "UPDATE t SET n = 2 WHERE id = 1")
	startAppliers(t, set)
	caughtUp(t, set)
	w.quiet()
	w.end()
	again := &memoryStore{checkpoint: first} // as if only the first had been kept
	w = watchSet(t, set, name, again, nil)
	w.quiet()
	if st := w.end(); st.Verdict != Failed || len(again.lines()) != 1 {
		t.Errorf("%s, found %v", st.Verdict, again.lines())
	}
}
