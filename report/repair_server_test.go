package report

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"crosscheck/checksum"
	"crosscheck/fixtures"
)

// rowCells writes a row of the table in TestRepairOnServers as the check does.
func rowCells(id, note, at string) []checksum.Cell {
	idCell := textCell("id", id)
	idCell.Key, idCell.Guard = true, "`id` = "+idCell.Literal+" AND "+idCell.Guard
	atCell := checksum.Cell{Column: "at", Literal: at, Guard: "`at` <=> " + at}
	return []checksum.Cell{idCell, textCell("note", note), atCell}
}

// withGenerated adds the table's generated column.
func withGenerated(row []checksum.Cell, note string) []checksum.Cell {
	g := textCell("g", note+"!")
	g.Generated = true
	return append(row, g)
}

func TestRepairOnServers(t *testing.T) {
	for _, family := range fixtures.Families() {
		t.Run(string(family), func(t *testing.T) {
			t.Parallel()
			s := fixtures.ServerForTest(t, family, fixtures.ServerOptions{})
			c := s.Config(fixtures.Admin)
			c.MultiStatements = true
			connector, err := mysql.NewConnector(c)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(connector)
			defer db.Close()
			db.SetMaxOpenConns(1)
			repairOneServer(t, db, family)
		})
	}
}

const repairNow = "'2020-01-01 00:00:00'"

func repairOneServer(t *testing.T, db *sql.DB, family fixtures.Family) {
	generated := ", g VARCHAR(20) AS (CONCAT(note, '!')) STORED"
	cells := func(id, note, at string) []checksum.Cell { return withGenerated(rowCells(id, note, at), note) }
	if family == fixtures.MySQL56 {
		generated, cells = "", rowCells
	}
	run(t, db, "CREATE DATABASE `re``pair` CHARACTER SET utf8mb4; USE `re``pair`; SET time_zone = '+00:00';"+
		"CREATE TABLE `t``1` (id VARCHAR(20) PRIMARY KEY, note VARCHAR(20) UNIQUE, "+
		"at TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"+generated+");"+
		"CREATE TABLE nokey (note VARCHAR(20), n INT);"+
		"CREATE TABLE members (id INT PRIMARY KEY, e ENUM('a','b')); INSERT INTO members VALUES (1,'a');"+
		"INSERT INTO `t``1` (id, note, at) VALUES ('same', 's', "+repairNow+"), ('change', 'new', "+repairNow+"), ('B', 'case', "+repairNow+"), "+
		"('extra', 'taken', "+repairNow+"), ('moved', 'since', "+repairNow+"), ('nulls', NULL, NULL);"+
		"INSERT INTO nokey VALUES ('a', 1), ('a', 1), ('a', 1), ('b', NULL)")
	null := cells("nulls", "", "NULL")
	null[1] = checksum.Cell{Column: "note", Literal: "NULL", Guard: "`note` IS NULL"}
	list := []tableDifference{
		// It takes the unique value of the extra row, and one that the changed row has to give up first.
		{"t1", checksum.Difference{Kind: checksum.Missing, Count: 1, OldRow: cells("gone", "taken", repairNow)}},
		{"t1", checksum.Difference{Kind: checksum.Missing, Count: 1, OldRow: cells("zero", "new", "NULL")}},
		{"t1", checksum.Difference{Kind: checksum.Missing, Count: 1, OldRow: cells("same", "s", repairNow)}}, // arrived meanwhile
		{"t1", checksum.Difference{Kind: checksum.Extra, Count: 1, NewRow: cells("extra", "taken", repairNow)}},
		{"t1", checksum.Difference{Kind: checksum.Extra, Count: 1, NewRow: cells("moved", "before", repairNow)}}, // has changed since
		{"t1", checksum.Difference{
			Kind: checksum.Changed, Count: 1, Columns: []checksum.ColumnDiff{{Column: "note"}},
			OldRow: cells("change", "old", repairNow), NewRow: cells("change", "new", repairNow),
		}},
		{"t1", checksum.Difference{
			Kind: checksum.Changed, Count: 1, Columns: []checksum.ColumnDiff{{Column: "id"}},
			OldRow: cells("b", "case", repairNow), NewRow: cells("B", "case", repairNow),
		}},
		{"t1", checksum.Difference{
			Kind: checksum.Changed, Count: 1, Columns: []checksum.ColumnDiff{{Column: "note"}},
			OldRow: cells("nulls", "filled", "NULL"), NewRow: null,
		}},
		{"nokey", checksum.Difference{Kind: checksum.Extra, Count: 2, NewRow: []checksum.Cell{
			textCell("note", "a"), {Column: "n", Literal: "1", Guard: "`n` <=> 1"},
		}}},
		{"nokey", checksum.Difference{Kind: checksum.Missing, Count: 2, OldRow: []checksum.Cell{
			textCell("note", "c"), {Column: "n", Literal: "NULL", Guard: "`n` IS NULL"},
		}}},
	}
	// A value that is no label, which strict mode refuses.
	member := func(id, e string) []checksum.Cell {
		return []checksum.Cell{keyCell(id), {Column: "e", Literal: e, Guard: "`e` = " + e, Lax: e == "0"}}
	}
	list = append(list, tableDifference{"members", checksum.Difference{
		Kind: checksum.Changed, Count: 1, Columns: []checksum.ColumnDiff{{Column: "e"}}, OldRow: member("1", "0"), NewRow: member("1", "1"),
	}}, tableDifference{"members", checksum.Difference{Kind: checksum.Missing, Count: 1, OldRow: member("2", "0")}})
	opts := RepairOptions{BatchSize: 2, SplitTable: func(table string) (string, string, bool) {
		return "re`pair", strings.ReplaceAll(table, "t1", "t`1"), true
	}}
	if family != fixtures.MariaDB {
		opts.New.Flavor = "mysql"
		if err := db.QueryRowContext(t.Context(), "SELECT @@server_uuid").Scan(&opts.New.ServerUUID); err != nil {
			t.Fatal(err)
		}
	}
	repair, _ := repairOf(t, opts, list...)
	run(t, db, repair)
	want := "b|case|1577836800 change|old|1577836800 gone|taken|1577836800 moved|since|1577836800 nulls|filled|NULL " +
		"same|s|1577836800 zero|new|NULL"
	const query = "SELECT GROUP_CONCAT(id, '|', note, '|', IFNULL(UNIX_TIMESTAMP(at), 'NULL') ORDER BY id SEPARATOR ' ') FROM `re``pair`.`t``1`"
	if diff := cmp.Diff(want, scalar(t, db, query)); diff != "" {
		t.Error(diff)
	}
	const noKey = "SELECT GROUP_CONCAT(note, IFNULL(n, 'N') ORDER BY note SEPARATOR ' ') FROM `re``pair`.nokey"
	if got := scalar(t, db, noKey); got != "a1 bN cN cN" {
		t.Errorf("table without a key: %s", got)
	}
	if got := scalar(t, db, "SELECT GROUP_CONCAT(id, ':', e+0 ORDER BY id) FROM `re``pair`.members"); got != "1:0,2:0" {
		t.Errorf("values that are no labels: %s", got)
	}
	if got := scalar(t, db, "SELECT @@sql_mode LIKE '%STRICT_ALL_TABLES%'"); got != "1" {
		t.Error("the repair left strict mode")
	}
	// A second run finds nothing left to do in the table with a key.
	again, _ := repairOf(t, opts, list[:8]...)
	run(t, db, again)
	if diff := cmp.Diff(want, scalar(t, db, query)); diff != "" {
		t.Errorf("second run: %s", diff)
	}
	if opts.New.Flavor == "mysql" {
		refusesOtherServer(t, db, opts)
	}
}

func refusesOtherServer(t *testing.T, db *sql.DB, opts RepairOptions) {
	t.Helper()
	opts.New.ServerUUID = "00000000-0000-0000-0000-000000000000"
	other, _ := repairOf(t, opts)
	_, err := db.ExecContext(t.Context(), other)
	var me *mysql.MySQLError
	if !errors.As(err, &me) || me.Number != 1242 {
		t.Errorf("run on another server: %v", err)
	}
}

func run(t *testing.T, db *sql.DB, statements string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatalf("%v\n%s", err, statements)
	}
}

func scalar(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var text sql.NullString
	if err := db.QueryRowContext(t.Context(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text.String
}
