package cluster

import (
	"context"
	"database/sql"
)

// ForeignKey is a reference from a table to another.
type ForeignKey struct {
	Name                string
	Columns             []string
	RefSchema, RefTable string
	RefColumns          []string
	OnUpdate, OnDelete  string // "CASCADE", "SET NULL", "RESTRICT", "NO ACTION", …
}

// ForeignKeys returns the references of the tables that the filter chooses, by
// Table.FullName of the child.
func ForeignKeys(ctx context.Context, s *Server, f Filter) (map[string][]ForeignKey, error) {
	f = f.FoldCase(s.facts.LowerCaseTableNames != 0)
	return s.foreignKeys(ctx, "k.TABLE_SCHEMA "+notSystem, f.Match)
}

// ForeignKeysOf returns the references of one table.
func ForeignKeysOf(ctx context.Context, s *Server, schema, table string) ([]ForeignKey, error) {
	all, err := s.foreignKeys(ctx, "k.TABLE_SCHEMA = "+quoteText(schema)+" AND k.TABLE_NAME = "+quoteText(table),
		func(string, string) bool { return true })
	for _, list := range all {
		return list, err
	}
	return nil, err
}

func (s *Server) foreignKeys(ctx context.Context, where string, keep func(schema, table string) bool) (map[string][]ForeignKey, error) {
	const op = "read the foreign keys"
	rows, err := s.db.QueryContext(ctx, "SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, "+
		"k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.UPDATE_RULE, r.DELETE_RULE "+
		"FROM information_schema.KEY_COLUMN_USAGE k LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS r "+
		"ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME "+
		"WHERE k.REFERENCED_TABLE_NAME IS NOT NULL AND "+where+
		" ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION")
	if err != nil {
		return nil, s.Explain(op, err)
	}
	defer rows.Close()
	out := map[string][]ForeignKey{}
	for rows.Next() {
		var schema, table, column, refColumn string
		var k ForeignKey
		var onUpdate, onDelete sql.NullString
		if err := rows.Scan(&schema, &table, &k.Name, &column, &k.RefSchema, &k.RefTable, &refColumn, &onUpdate, &onDelete); err != nil {
			return nil, s.Explain(op, err)
		}
		if !keep(schema, table) {
			continue
		}
		name := (&Table{Schema: schema, Name: table}).FullName()
		list := out[name]
		if n := len(list); n > 0 && list[n-1].Name == k.Name {
			list[n-1].Columns = append(list[n-1].Columns, column)
			list[n-1].RefColumns = append(list[n-1].RefColumns, refColumn)
			continue
		}
		k.OnUpdate, k.OnDelete = onUpdate.String, onDelete.String
		k.Columns, k.RefColumns = []string{column}, []string{refColumn}
		out[name] = append(list, k)
	}
	return out, s.Explain(op, rows.Err())
}
