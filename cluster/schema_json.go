package cluster

import (
	"database/sql"
	"strings"
)

// readJSONChecks finds MariaDB's JSON columns, which are text with a check
// json_valid(column).
func (l *loader) readJSONChecks(where string) error {
	if !l.server.facts.IsMariaDB() || !l.has["CHECK_CONSTRAINTS.TABLE_NAME"] {
		return nil
	}
	return l.each("SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA "+where,
		func(r *sql.Rows) error {
			var name TableName
			var clause string
			if err := r.Scan(&name.Schema, &name.Name, &clause); err != nil {
				return err
			}
			t := l.tables[name]
			if t == nil {
				return nil
			}
			if c := t.Column(jsonChecked(clause)); c != nil {
				c.JSONText = true
			}
			return nil
		})
}

// jsonChecked returns the column of a clause "json_valid(`column`)", or "".
func jsonChecked(clause string) string {
	clause = strings.TrimSpace(clause)
	const head = "json_valid(`"
	if len(clause) < len(head)+2 || !strings.EqualFold(clause[:len(head)], head) || !strings.HasSuffix(clause, "`)") {
		return ""
	}
	inner := clause[len(head) : len(clause)-2]
	name := strings.ReplaceAll(inner, "``", "`")
	if Quote(name) != "`"+inner+"`" {
		return "" // something more than one column's name
	}
	return name
}
