package watch

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crosscheck/conflict"
)

// What MariaDB alone has: rows of history, periods that may not overlap, sequences. Each collision has its kind, and what
// goes well is clean.
func TestTablesOfMariaDB(t *testing.T) {
	set := sharedDual(t, some("mariadb")[0])
	old, new, name := database(t, set)
	const period = "s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END"
	const hidden = "s TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE"
	rows := func(table string) string {
		return "INSERT INTO " + table + " (id, n, u) VALUES (1,0,1),(2,0,2),(3,0,3),(4,0,4),(5,0,5),(6,0,6),(7,0,7)"
	}
	versioned := func(table, columns string) string {
		return "CREATE TABLE " + table + " (id INT PRIMARY KEY, n INT, u INT UNIQUE, " + columns + ", PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING"
	}
	mustExec(t, old, versioned("v", period), versioned("h", hidden), rows("v"), rows("h"),
		"CREATE TABLE x (id INT PRIMARY KEY, n INT, u INT UNIQUE) WITH SYSTEM VERSIONING", rows("x"),
		"CREATE TABLE o (k INT PRIMARY KEY, id INT, s DATE NOT NULL, e DATE NOT NULL, PERIOD FOR p (s, e), UNIQUE u (id, p WITHOUT OVERLAPS))",
		`CREATE TABLE r (room VARCHAR(9) COLLATE utf8mb4_general_ci, s DATETIME(3) NOT NULL, e DATETIME(3) NOT NULL, n INT, PERIOD FOR p (s, e),
			PRIMARY KEY (room, p WITHOUT OVERLAPS))`,
		"INSERT INTO o VALUES (1, 1, '2020-01-01', '2020-12-31'), (3, 3, '2020-01-01', '2020-02-01'), (5, 5, '2020-01-01', '2020-12-31')",
		"INSERT INTO r VALUES ('q', '2020-01-01', '2020-12-31', 0)",
		"CREATE SEQUENCE sq INCREMENT BY 0 CACHE 10", "CREATE SEQUENCE sr NOCACHE", "CREATE TABLE d (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(sq), n INT)",
		"CREATE TABLE g (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(sr), n INT)")
	caughtUp(t, set)
	w := watchSet(t, set, name, &memoryStore{}, nil)
	w.until("both sides are seen", func(s Status) bool { return s.Verdict == Clean })

	// Nothing collides: rows have histories that are cut, periods touch, and a sequence's values are each side's own.
	stopAppliers(t, set)
	mustExec(t, old, "UPDATE v SET n = 1 WHERE id = 7", "UPDATE v SET n = 2 WHERE id = 7", "DELETE FROM h WHERE id = 7", "REPLACE INTO v (id, n, u) VALUES (6, 1, 6)",
		"INSERT INTO o VALUES (11, 11, '2021-01-01', '2021-06-01')", "INSERT INTO d (n) VALUES (1), (2), (3)", "DELETE HISTORY FROM v")
	mustExec(t, new, "UPDATE h SET n = 1 WHERE id = 6", "INSERT INTO o VALUES (12, 11, '2021-06-01', '2021-07-01'), (14, 12, '2021-01-01', '2021-06-01'), (16, NULL, '2021-01-01', '2021-06-01')",
		"INSERT INTO d (n) VALUES (4)", "INSERT INTO r VALUES ('p', '2020-01-01', '2020-12-31', 0)")
	startAppliers(t, set)
	caughtUp(t, set)
	w.quiet()
	st := w.until("it is clean again", func(s Status) bool { return s.Verdict == Clean })
	if got := w.store.lines(); len(got) > 0 || !slices.Equal(st.Sequences, []string{name + ".sq", name + ".sr"}) || troubled(st, TroubleSequence) {
		t.Errorf("found %v, sequences %v, troubles %v", got, st.Sequences, st.Health)
	}

	stopAppliers(t, set)
	for _, table := range []string{"v", "h", "x"} {
		mustExec(t, old, "DELETE FROM "+table+" WHERE id = 1", "UPDATE "+table+" SET n = 2 WHERE id = 2", "DELETE FROM "+table+" WHERE id = 3",
			"UPDATE "+table+" SET n = 2 WHERE id = 4", "UPDATE "+table+" SET n = 5 WHERE id = 5", "INSERT INTO "+table+" (id, n, u) VALUES (10, 1, 10), (11, 1, 77)")
		mustExec(t, new, "UPDATE "+table+" SET n = 3 WHERE id = 1", "DELETE FROM "+table+" WHERE id = 2", "DELETE FROM "+table+" WHERE id = 3",
			"UPDATE "+table+" SET n = 3 WHERE id = 4", "UPDATE "+table+" SET n = 5 WHERE id = 5", "INSERT INTO "+table+" (id, n, u) VALUES (10, 2, 12), (12, 1, 77)")
	}
	mustExec(t, old, "INSERT INTO o VALUES (21, 20, '2021-01-01', '2021-06-01')", "UPDATE o SET e = '2020-05-01' WHERE k = 3",
		"DELETE FROM r FOR PORTION OF p FROM '2020-03-01' TO '2020-04-01' WHERE room = 'q'",
		"INSERT INTO r VALUES ('Blue', '2021-01-01', '2021-06-01', 1), ('red', '2021-01-01', '2021-06-01', 1)", "INSERT INTO g (n) VALUES (1), (2)")
	mustExec(t, new, "INSERT INTO o VALUES (22, 20, '2021-05-31', '2021-07-01'), (24, 3, '2020-04-01', '2020-06-01')",
		"UPDATE r SET n = 1 WHERE room = 'q'",
		"INSERT INTO r VALUES ('blue', '2021-05-01', '2021-07-01', 1), ('Red', '2021-06-01', '2021-07-01', 1)", "INSERT INTO g (n) VALUES (1)")
	startAppliers(t, set)
	caughtUp(t, set)
	st = w.quiet()
	if !troubled(st, TroubleSequence) {
		t.Errorf("that both sides draw the same is not told: %v", st.Health)
	}
	st = w.end()
	want := []string{
		"insert_insert_pk g 1", "insert_insert_unique o 20,2021-01-01,2021-06-01", "update_unique o 3,2020-01-01,2020-05-01",
		"insert_insert_unique r Blue,2021-01-01 00:00:00.000,2021-06-01 00:00:00.000", "update_update r q,2020-12-31 00:00:00.000,2020-01-01 00:00:00.000",
	}
	for _, table := range []string{"v", "h", "x"} {
		want = append(want, "delete_update "+table+" 1", "update_delete "+table+" 2", "delete_delete "+table+" 3", "update_update "+table+" 4",
			"update_update_same "+table+" 5", "insert_insert_pk "+table+" 10", "insert_insert_unique "+table+" 77")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, w.store.lines()); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if st.Verdict != Failed || st.Findings[conflict.Unjudged] > 0 {
		t.Errorf("%s, %v", st.Verdict, st.Findings)
	}
}

func troubled(st Status, id string) bool {
	return slices.ContainsFunc(st.Health, func(x Trouble) bool { return x.ID == id })
}
