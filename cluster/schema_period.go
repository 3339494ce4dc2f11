package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// readPeriods learns which unique keys are WITHOUT OVERLAPS. Catalogs of MariaDB before 11.4 do not tell, the
// statement that makes the table does. Few tables have a key that can be one.
func (l *loader) readPeriods(string) error {
	if f := l.server.facts; !f.IsMariaDB() || !f.AtLeast(10, 5, 3) {
		return nil
	}
	for _, t := range l.tables {
		if !slices.ContainsFunc(t.Keys, t.mayBePeriod) {
			continue
		}
		text, err := l.showCreate(t)
		switch ErrorNumber(err) {
		case errNoSuchTable, errUnknownDatabase, errTableAccessDenied, errColumnAccessDenied:
			continue // it went meanwhile, or the account sees some columns only
		}
		if err != nil {
			return err
		}
		for i := range t.Keys {
			t.Keys[i].Overlaps = periodKey(text, &t.Keys[i])
		}
	}
	return nil
}

// mayBePeriod tells whether a key ends with two times of one type that are never NULL.
func (t *Table) mayBePeriod(k Key) bool {
	if !k.Unique || len(k.Parts) < 3 {
		return false
	}
	end, start := t.Column(k.Parts[len(k.Parts)-2].Column), t.Column(k.Parts[len(k.Parts)-1].Column)
	if end == nil || start == nil || end.Nullable || start.Nullable || end.ColumnType != start.ColumnType {
		return false
	}
	return end.DataType == "date" || end.DataType == "datetime" || end.DataType == "timestamp"
}

func (l *loader) showCreate(t *Table) (text string, err error) {
	var name string
	rows, err := l.server.db.QueryContext(l.ctx, "SHOW CREATE TABLE "+t.QuotedName())
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&name, &text); err != nil {
			return "", fmt.Errorf("read the statement that makes %s: %w", t.FullName(), err)
		}
	}
	return text, rows.Err()
}

// periodKey tells whether the line of a key in SHOW CREATE TABLE says WITHOUT OVERLAPS. A text within a line cannot be
// taken for one: servers write line breaks of texts in another way.
func periodKey(create string, k *Key) bool {
	heads := []string{"UNIQUE KEY " + Quote(k.Name) + " (", "UNIQUE KEY " + k.Name + " ("} // without quotes where sql_quote_show_create is off
	if k.Primary {
		heads = []string{"PRIMARY KEY ("}
	}
	for line := range strings.Lines(create) {
		line = strings.TrimSpace(line)
		for _, head := range heads {
			if strings.HasPrefix(line, head) {
				list, _, _ := strings.Cut(line, ") COMMENT ")
				return strings.Contains(list, " WITHOUT OVERLAPS)") || strings.HasSuffix(list, " WITHOUT OVERLAPS")
			}
		}
	}
	return false
}
