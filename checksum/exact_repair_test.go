package checksum

import (
	"fmt"
	"strings"
	"testing"

	"crosscheck/cluster"
)

// maxRepairs is how many statements a table's repair may take: more of a kind prove nothing more.
const maxRepairs = 120

// repairCases makes new like old by the cells of the differences that were found, one guarded statement for each, and
// compares again. Each statement must hit exactly the rows of its difference: a guard that no row or several rows pass
// is as wrong as a literal that stores another value.
func repairCases(t *testing.T, p pair, database string, cases []exactCase, j *memoryJournal, exec func(string) error) {
	t.Helper()
	var repaired []exactCase
	var patterns []string
	for _, c := range cases {
		table := cluster.Table{Schema: database, Name: c.name}
		differences := j.differences(table.FullName())
		if len(differences) == 0 || len(differences) > maxRepairs || c.fixed {
			continue
		}
		repaired = append(repaired, c)
		patterns = append(patterns, table.QuotedName())
		if err := exec("CREATE TABLE IF NOT EXISTS zz_hits (n BIGINT)"); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []Kind{Extra, Changed, Missing} {
			for _, d := range differences {
				if d.Kind != kind {
					continue
				}
				if err := repairOne(exec, table.QuotedName(), d); err != nil {
					t.Errorf("%s: repair %s %v: %.400s", c.name, d.Kind, d.Key, err)
				}
			}
		}
	}
	if len(repaired) == 0 {
		return
	}
	results, _ := check(t, p, Options{}, patterns...)
	for _, c := range repaired {
		table := cluster.Table{Schema: database, Name: c.name}
		if r := results[table.FullName()]; r.Verdict != Same {
			t.Errorf("%s is still %s after its repair: %+v", c.name, r.Verdict, r.Differences[:min(2, len(r.Differences))])
		}
	}
}

func repairOne(exec func(string) error, table string, d Difference) error {
	var names, literals, sets, guards []string
	differs := map[string]bool{}
	for _, c := range d.Columns {
		differs[c.Column] = true
	}
	for _, c := range d.OldRow {
		if c.Why != "" && (d.Kind == Missing || differs[c.Column]) {
			return fmt.Errorf("not repaired: %s", c.Why)
		}
		if c.Generated || d.Kind == Changed && !differs[c.Column] {
			continue
		}
		names = append(names, cluster.Quote(c.Column))
		literals = append(literals, c.Literal)
		sets = append(sets, cluster.Quote(c.Column)+"="+c.Literal)
	}
	for _, c := range d.NewRow {
		if c.Why != "" {
			return fmt.Errorf("not repaired: %s", c.Why)
		}
		guards = append(guards, c.Guard)
	}
	var statement string
	rows := int64(1)
	switch d.Kind {
	case Missing:
		rows = d.Count
		statement = "INSERT INTO " + table + " (" + strings.Join(names, ",") + ") VALUES " +
			strings.Repeat("("+strings.Join(literals, ",")+"),", int(d.Count))
		statement = strings.TrimSuffix(statement, ",")
	case Extra:
		rows = d.Count
		statement = fmt.Sprintf("DELETE FROM %s WHERE %s LIMIT %d", table, strings.Join(guards, " AND "), d.Count)
	case Changed:
		statement = "UPDATE " + table + " SET " + strings.Join(sets, ",") + " WHERE " + strings.Join(guards, " AND ")
	}
	if err := exec(statement); err != nil {
		return fmt.Errorf("%w in %s", err, statement)
	}
	if err := exec(fmt.Sprintf("INSERT INTO zz_hits SELECT IF(ROW_COUNT()=%d,1,(SELECT n FROM (SELECT 1 AS n UNION ALL SELECT 2) x))", rows)); err != nil {
		return fmt.Errorf("not %d rows hit by %s", rows, statement)
	}
	return nil
}
