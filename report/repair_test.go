package report

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crosscheck/checksum"
)

// tableDifference is a difference as an iterator hands it over.
type tableDifference struct {
	table string
	d     checksum.Difference
}

func over(list ...tableDifference) func(func(string, checksum.Difference) error) error {
	return func(fn func(string, checksum.Difference) error) error {
		for _, e := range list {
			if err := fn(e.table, e.d); err != nil {
				return err
			}
		}
		return nil
	}
}

func keyCell(id string) checksum.Cell {
	return checksum.Cell{Column: "id", Literal: id, Guard: "`id` = " + id, Key: true}
}

func textCell(column, text string) checksum.Cell {
	return checksum.Cell{
		Column: column, Literal: fmt.Sprintf("_utf8mb4 X'%x'", text),
		Guard: fmt.Sprintf("CAST(%s AS BINARY) <=> X'%x'", quoteName(column), text),
	}
}

func rowKey(id string) []checksum.Field {
	return []checksum.Field{{Column: "id", Value: checksum.Value{Text: id}}}
}

func repairOf(t *testing.T, opts RepairOptions, list ...tableDifference) (string, RepairSummary) {
	t.Helper()
	var out bytes.Buffer
	sum, err := WriteRepair(&out, opts, over(list...))
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), sum
}

// statementsOf returns the lines that are no comments, without the settings of the session.
func statementsOf(sql string) []string {
	var lines []string
	for line := range strings.Lines(sql) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && !strings.HasPrefix(line, "--") && !strings.HasPrefix(line, "SET ") && !strings.HasPrefix(line, "  SESSION") && !strings.HasPrefix(line, "/*M!") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestRepairStatements(t *testing.T) {
	sum := checksum.Cell{Column: "sum", Literal: "7", Guard: "`sum` <=> 7", Generated: true}
	touched := checksum.Cell{Column: "touched", Literal: "'2026-01-01 00:00:00'", Guard: "`touched` <=> '2026-01-01 00:00:00'"}
	weird := "x`; DROP TABLE y"
	upperKey := checksum.Cell{Column: "id", Literal: "'A'", Guard: "`id` = 'A' AND CAST(`id` AS BINARY) <=> 'A'", Key: true}
	lowerKey := checksum.Cell{Column: "id", Literal: "'a'", Guard: "`id` = 'a' AND CAST(`id` AS BINARY) <=> 'a'", Key: true}
	for _, c := range []struct {
		name string
		d    checksum.Difference
		want []string
	}{
		{"missing: guarded by the key, generated columns left out", checksum.Difference{
			Kind: checksum.Missing, Count: 1, OldRow: []checksum.Cell{keyCell("5"), textCell("note", "ab"), sum},
		}, []string{"INSERT INTO `s`.`t` (`id`, `note`) SELECT 5, _utf8mb4 X'6162' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `s`.`t` WHERE `id` = 5);"}},
		{"extra: guarded by all values, the generated ones as well", checksum.Difference{
			Kind: checksum.Extra, Count: 1, NewRow: []checksum.Cell{textCell("note", "ab"), keyCell("5"), sum},
		}, []string{"DELETE FROM `s`.`t` WHERE `id` = 5 AND CAST(`note` AS BINARY) <=> X'6162' AND `sum` <=> 7 LIMIT 1;"}},
		{"changed: only what differs is set and guarded, a time that may update itself is kept", checksum.Difference{
			Kind: checksum.Changed, Count: 1, Columns: []checksum.ColumnDiff{{Column: "NOTE"}},
			OldRow: []checksum.Cell{keyCell("5"), textCell("note", "old"), textCell("other", "x"), touched},
			NewRow: []checksum.Cell{keyCell("5"), textCell("note", "new"), textCell("other", "y"), touched},
		}, []string{"UPDATE `s`.`t` SET `note` = _utf8mb4 X'6f6c64', `touched` = `touched` WHERE `id` = 5 AND CAST(`note` AS BINARY) <=> X'6e6577';"}},
		{"changed: a key that differs by case is set, and found as new has it", checksum.Difference{
			Kind: checksum.Changed, Count: 1, Columns: []checksum.ColumnDiff{{Column: "id"}, {Column: "note"}},
			OldRow: []checksum.Cell{upperKey, textCell("note", "old")}, NewRow: []checksum.Cell{lowerKey, textCell("note", "new")},
		}, []string{"UPDATE `s`.`t` SET `id` = 'A', `note` = _utf8mb4 X'6f6c64' WHERE " + lowerKey.Guard + " AND CAST(`note` AS BINARY) <=> X'6e6577';"}},
		{"changed: generated columns guard and are not set", checksum.Difference{
			Kind: checksum.Changed, Count: 1, Columns: []checksum.ColumnDiff{{Column: "note"}, {Column: "sum"}},
			OldRow: []checksum.Cell{keyCell("5"), textCell("note", "old"), sum},
			NewRow: []checksum.Cell{keyCell("5"), textCell("note", "new"), {Column: "sum", Literal: "8", Guard: "`sum` <=> 8", Generated: true}},
		}, []string{"UPDATE `s`.`t` SET `note` = _utf8mb4 X'6f6c64' WHERE `id` = 5 AND CAST(`note` AS BINARY) <=> X'6e6577' AND `sum` <=> 8;"}},
		{"names are quoted", checksum.Difference{
			Kind: checksum.Missing, Count: 1, OldRow: []checksum.Cell{{Column: weird, Literal: "1", Guard: "g", Key: true}},
		}, []string{"INSERT INTO `s`.`t` (`x``; DROP TABLE y`) SELECT 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `s`.`t` WHERE g);"}},
		{"no key, missing: so many times", checksum.Difference{
			Kind: checksum.Missing, Count: 2, OldRow: []checksum.Cell{textCell("note", "ab")},
		}, []string{"INSERT INTO `s`.`t` (`note`) SELECT _utf8mb4 X'6162' FROM DUAL;", "INSERT INTO `s`.`t` (`note`) SELECT _utf8mb4 X'6162' FROM DUAL;"}},
		{"no key, extra: no more than proven", checksum.Difference{
			Kind: checksum.Extra, Count: 3, NewRow: []checksum.Cell{textCell("note", "ab")},
		}, []string{"DELETE FROM `s`.`t` WHERE CAST(`note` AS BINARY) <=> X'6162' LIMIT 3;"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sql, _ := repairOf(t, RepairOptions{}, tableDifference{"s.t", c.d})
			want := append(append([]string{"START TRANSACTION;"}, c.want...), "COMMIT;")
			if diff := cmp.Diff(want, statementsOf(sql)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func missingRow(id string) checksum.Difference {
	return checksum.Difference{Kind: checksum.Missing, Count: 1, Key: rowKey(id), OldRow: []checksum.Cell{keyCell(id)}}
}

func TestRepairOrderAndTransactions(t *testing.T) {
	extra := checksum.Difference{Kind: checksum.Extra, Count: 1, NewRow: []checksum.Cell{keyCell("9")}}
	change := checksum.Difference{
		Kind: checksum.Changed, Count: 1,
		OldRow: []checksum.Cell{keyCell("8"), textCell("a", "1")}, NewRow: []checksum.Cell{keyCell("8"), textCell("a", "2")},
	}
	sql, sum := repairOf(t, RepairOptions{BatchSize: 2},
		tableDifference{"s.a", missingRow("1")}, tableDifference{"s.a", extra}, tableDifference{"s.a", missingRow("2")},
		tableDifference{"s.a", missingRow("3")}, tableDifference{"s.a", change}, tableDifference{"s.b", missingRow("4")})
	var got []string
	for _, s := range statementsOf(sql) {
		got = append(got, strings.Join(strings.Fields(s)[:min(3, len(strings.Fields(s)))], " "))
	}
	want := []string{
		"START TRANSACTION;", "DELETE FROM `s`.`a`", "COMMIT;",
		"START TRANSACTION;", "UPDATE `s`.`a` SET", "COMMIT;",
		"START TRANSACTION;", "INSERT INTO `s`.`a`", "INSERT INTO `s`.`a`", "COMMIT;",
		"START TRANSACTION;", "INSERT INTO `s`.`a`", "COMMIT;",
		"START TRANSACTION;", "INSERT INTO `s`.`b`", "COMMIT;",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := (RepairSummary{Tables: 2, Deletes: 1, Updates: 1, Inserts: 4, Transactions: 5}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
}

func TestRepairNamesWhatItLeavesOut(t *testing.T) {
	evil := "5\nDROP TABLE users;\r\n"
	generated := checksum.Difference{
		Kind: checksum.Changed, Count: 1, Key: rowKey("6"), Columns: []checksum.ColumnDiff{{Column: "g"}},
		OldRow: []checksum.Cell{keyCell("6"), {Column: "g", Literal: "1", Guard: "g1", Generated: true}},
		NewRow: []checksum.Cell{keyCell("6"), {Column: "g", Literal: "2", Guard: "g2", Generated: true}},
	}
	refused := missingRow("8")
	refused.OldRow = append(refused.OldRow, checksum.Cell{Column: "n", Why: "new's column n cannot\nhold it"})
	absent := generated
	absent.Columns = []checksum.ColumnDiff{{Column: "not there"}}
	sql, sum := repairOf(t, RepairOptions{},
		tableDifference{"s.t", checksum.Difference{Kind: checksum.Missing, Count: 2, Key: rowKey(evil)}},
		tableDifference{"s.t", checksum.Difference{Kind: checksum.Changed, Count: 1, Key: rowKey("7"), OldRow: []checksum.Cell{keyCell("7")}}},
		tableDifference{"s.t", generated}, tableDifference{"s.t", absent}, tableDifference{"s.t", refused},
		tableDifference{"a.b.c\nDROP", missingRow("1")},
	)
	want := RepairSummary{Skipped: 7, NoImage: 3, NotWritable: 3, Ambiguous: 1}
	if sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	if got := statementsOf(sql); len(got) != 0 {
		t.Errorf("a comment became a statement: %q", got)
	}
	for _, part := range []string{`"5\nDROP TABLE users;\r\n"`, `"id" = "6"`, "NOT in it: 7", "new's column n cannot", "two ways", "generated"} {
		if !strings.Contains(sql, part) {
			t.Errorf("the trailer does not say %s:\n%s", part, sql)
		}
	}
	split := func(string) (string, string, bool) { return "a.b", "c`\nDROP", true }
	sql, sum = repairOf(t, RepairOptions{SplitTable: split}, tableDifference{"a.b.c\nDROP", missingRow("1")})
	if sum.Inserts != 1 || !strings.Contains(sql, "INSERT INTO `a.b`.`c``\nDROP` (") {
		t.Errorf("%+v\n%s", sum, sql)
	}
}

func TestRepairNamesOnlySoMany(t *testing.T) {
	list := make([]tableDifference, maxRepairSkips+5)
	for i := range list {
		list[i] = tableDifference{"s.t", checksum.Difference{Kind: checksum.Extra, Count: 1, Key: rowKey(fmt.Sprint(i))}}
	}
	sql, sum := repairOf(t, RepairOptions{}, list...)
	if sum.NoImage != int64(len(list)) || strings.Count(sql, "\n--   \"s.t\"") != maxRepairSkips || !strings.Contains(sql, "only the first") {
		t.Errorf("%+v, %d lines", sum, strings.Count(sql, "\n"))
	}
}

func TestRepairHeader(t *testing.T) {
	opts := RepairOptions{
		Run: "7", Checked: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), TwoWay: true,
		Old: checksum.EndpointInfo{Addr: "old:3306", ServerUUID: "u1", Version: "5.6\n; DROP"},
		New: checksum.EndpointInfo{Addr: "new:3306", ServerUUID: "0123abcd-0000-0000-0000-000000000002", Flavor: "mysql"},
	}
	sql, _ := repairOf(t, opts)
	for _, part := range []string{"WARNING", "2026-01-02 03:04:05 UTC", "0123abcd", "@@server_uuid <> '0123abcd", "SET NAMES utf8mb4;"} {
		if !strings.Contains(sql, part) {
			t.Errorf("no %q in\n%s", part, sql)
		}
	}
	if got := statementsOf(sql); len(got) != 0 {
		t.Errorf("%q", got)
	}
	opts.New.ServerUUID, opts.TwoWay = "0' OR '1", false
	if sql, _ = repairOf(t, opts); strings.Contains(sql, "@@server_uuid") || strings.Contains(sql, "WARNING") {
		t.Errorf("got\n%s", sql)
	}
}

type brokenPipe struct{ left int }

var errPipe = errors.New("broken pipe")

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errPipe
	}
	return len(p), nil
}

func TestRepairStopsWhenItsReaderDoes(t *testing.T) {
	calls := 0
	_, err := WriteRepair(&brokenPipe{left: 100_000}, RepairOptions{}, func(fn func(string, checksum.Difference) error) error {
		calls = 0
		for range 100_000 {
			calls++
			if err := fn("s.t", missingRow("1")); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, errPipe) || calls > 5000 {
		t.Errorf("%v after %d differences of the last step", err, calls)
	}
}
