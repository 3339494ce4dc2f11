package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"crosscheck/checksum"
)

// Why a difference has no statement.
var (
	errNoImage     = errors.New("the ledger has no image of the row")
	errNotWritable = errors.New("only generated columns differ, which no statement can set")
	errUnclear     = errors.New("the row's images do not show what differs")
)

// refusal is the reason that the check gives for a row that must not be repaired.
type refusal string

func (r refusal) Error() string { return string(r) }

// quoteName quotes an identifier.
func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// repeated is a statement that is to be run count times.
type repeated struct {
	sql   string
	count int64
	lax   bool // strict mode would refuse it
}

// repairStatements returns what makes new's rows like old's for one difference. unguarded is true where a second run
// would do it again, because the rows have no key that tells whether it was done.
func repairStatements(table string, d checksum.Difference) (stmts repeated, unguarded bool, err error) {
	switch {
	case d.Kind == checksum.Missing && d.OldRow != nil:
		return insertRow(table, d)
	case d.Kind == checksum.Extra && d.NewRow != nil:
		return deleteRow(table, d)
	case d.Kind == checksum.Changed && d.OldRow != nil && d.NewRow != nil:
		stmts, err = updateRow(table, d)
		return stmts, false, err
	default:
		return repeated{}, false, errNoImage
	}
}

// insertRow inserts the row unless one with its key, or with one of its unique values, is there.
func insertRow(table string, d checksum.Difference) (repeated, bool, error) {
	var columns, literals []string
	lax := false
	for _, c := range d.OldRow {
		if c.Why != "" {
			return repeated{}, false, refusal(c.Why)
		}
		if !c.Generated {
			lax = lax || c.Lax
			columns = append(columns, quoteName(c.Column))
			literals = append(literals, c.Literal)
		}
	}
	if len(columns) == 0 {
		return repeated{}, false, errNotWritable
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM DUAL", table, strings.Join(columns, ", "), strings.Join(literals, ", "))
	key := guards(d.OldRow, func(c checksum.Cell) bool { return c.Key })
	stmt := repeated{sql: sql, count: max(1, d.Count), lax: lax}
	free := uniqueValues(d.OldRow, nil)
	if key != "" {
		free, stmt.count = slices.Insert(free, 0, key), 1
	}
	glue := " WHERE "
	for _, taken := range free {
		stmt.sql += glue + "NOT EXISTS (SELECT 1 FROM " + table + " WHERE " + taken + ")"
		glue = " AND "
	}
	return stmt, key == "", nil
}

// uniqueValues returns, for each unique key besides the one that rows are matched by, the predicate that a row with the
// row's values in it passes. With differs only keys with a column marked in it count.
func uniqueValues(row []checksum.Cell, differs map[string]bool) []string {
	var names []string
	wanted, parts := map[string]bool{}, map[string][]string{}
	null := map[string]bool{}
	for _, c := range row {
		for _, u := range c.Unique {
			if parts[u.Key] == nil {
				names = append(names, u.Key)
			}
			column, literal := quoteName(c.Column), c.Literal
			if u.Prefix > 0 {
				column, literal = fmt.Sprintf("LEFT(%s, %d)", column, u.Prefix), fmt.Sprintf("LEFT(%s, %d)", literal, u.Prefix)
			}
			parts[u.Key] = append(parts[u.Key], column+" = "+literal)
			wanted[u.Key] = wanted[u.Key] || differs == nil || differs[strings.ToLower(c.Column)]
			null[u.Key] = null[u.Key] || c.Literal == "NULL" || c.Literal == ""
		}
	}
	var out []string
	for _, name := range names {
		if wanted[name] && !null[name] {
			out = append(out, strings.Join(parts[name], " AND "))
		}
	}
	return out
}

// deleteRow deletes the row if it is still what was proven to be extra.
func deleteRow(table string, d checksum.Difference) (repeated, bool, error) {
	for _, c := range d.NewRow {
		if c.Why != "" {
			return repeated{}, false, refusal(c.Why)
		}
	}
	key := guards(d.NewRow, func(c checksum.Cell) bool { return c.Key })
	rest := guards(d.NewRow, func(c checksum.Cell) bool { return !c.Key })
	where := both(key, rest)
	if where == "" {
		return repeated{}, false, errUnclear
	}
	limit := int64(1)
	if key == "" {
		limit = max(1, d.Count)
	}
	sql := fmt.Sprintf("DELETE FROM %s WHERE %s LIMIT %d", table, where, limit)
	return repeated{sql: sql, count: 1}, key == "", nil
}

// updateRow sets the columns that differ, if they still hold what was proven to differ.
func updateRow(table string, d checksum.Difference) (repeated, error) {
	differs := differing(d)
	var set, keep []string
	generatedOnly, lax := len(differs) > 0, false
	for _, c := range d.NewRow {
		if c.Why != "" {
			return repeated{}, refusal(c.Why)
		}
	}
	for _, c := range d.OldRow {
		switch name := quoteName(c.Column); {
		case c.Generated:
		case differs[strings.ToLower(c.Column)]:
			if c.Why != "" {
				return repeated{}, refusal(c.Why)
			}
			generatedOnly = false
			lax = lax || c.Lax
			set = append(set, name+" = "+c.Literal)
		case maybeTime(c.Literal):
			keep = append(keep, name+" = "+name)
		}
	}
	key := guards(d.NewRow, func(c checksum.Cell) bool { return c.Key })
	values := guards(d.NewRow, func(c checksum.Cell) bool { return !c.Key && (d.Whole || differs[strings.ToLower(c.Column)]) })
	switch {
	case generatedOnly:
		return repeated{}, errNotWritable
	case len(set) == 0 || key == "" || !allThere(differs, d.NewRow):
		return repeated{}, errUnclear
	}
	sql := fmt.Sprintf("UPDATE %s SET %s WHERE %s", table, strings.Join(append(set, keep...), ", "), both(key, values))
	for _, taken := range uniqueValues(d.OldRow, differs) {
		// A statement may not ask the table that it changes, but for what was read before into a table of its own: LIMIT
		// keeps servers from merging the two.
		sql += " AND NOT EXISTS (SELECT 1 FROM (SELECT 1 FROM " + table + " WHERE " + taken + " AND NOT (" + key + ") LIMIT 1) AS held)"
	}
	return repeated{sql: sql, count: 1, lax: lax}, nil
}

// maybeTime reports whether a literal can be one of a point in time. A column that has ON UPDATE CURRENT_TIMESTAMP is
// changed by each UPDATE that does not set it; setting it to itself keeps it. Numbers, hexadecimal constants, with a
// charset or without, and JSON are no times; NULL may be one.
func maybeTime(literal string) bool {
	if literal == "" {
		return true
	}
	first := literal[0]
	number := first >= '0' && first <= '9' || first == '-'
	return !number && first != 'X' && first != '_' && !strings.HasPrefix(literal, "CAST(")
}

// differing returns the columns that differ, in lower case, since servers do not tell column names by case and the two
// sides may write them differently: those that the check names, or all whose images differ where it names none.
func differing(d checksum.Difference) map[string]bool {
	differs := map[string]bool{}
	for _, c := range d.Columns {
		differs[strings.ToLower(c.Column)] = true
	}
	now := map[string]checksum.Cell{}
	for _, c := range d.NewRow {
		now[strings.ToLower(c.Column)] = c
	}
	for _, c := range d.OldRow {
		name := strings.ToLower(c.Column)
		if n, ok := now[name]; ok && n.Literal != c.Literal && len(d.Columns) == 0 {
			differs[name] = true
		}
	}
	return differs
}

// allThere reports whether each of the columns has a cell, without which it could be neither set nor guarded.
func allThere(columns map[string]bool, row []checksum.Cell) bool {
	n := 0
	for _, c := range row {
		if columns[strings.ToLower(c.Column)] {
			n++
		}
	}
	return n == len(columns)
}

// guards joins the guards of some cells.
func guards(row []checksum.Cell, wanted func(checksum.Cell) bool) string {
	var list []string
	for _, c := range row {
		if wanted(c) {
			list = append(list, c.Guard)
		}
	}
	return strings.Join(list, " AND ")
}

func both(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " AND " + b
}
