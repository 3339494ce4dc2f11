package cluster

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// LoadTables returns all user tables, views and sequences that the filter
// chooses and the account may see, by schema and name. The server's own
// schemas (mysql, information_schema, performance_schema, sys) are left out.
// Letter case of names counts unless the server or the filter ignores it. A
// pattern that matches nothing is no error here; see Filter.Unmatched.
func LoadTables(ctx context.Context, s *Server, f Filter) ([]Table, error) {
	f = f.FoldCase(f.fold || s.facts.LowerCaseTableNames != 0)
	l := loader{server: s, ctx: ctx, keep: f.Match}
	if schemas, ok := f.schemas(); ok && !f.fold {
		for _, name := range schemas {
			if err := l.load("= " + quoteText(name)); err != nil {
				return nil, s.Explain("read the tables of "+name, err)
			}
		}
		return l.done(), nil
	}
	if err := l.load(notSystem); err != nil {
		return nil, s.Explain("read the tables", err)
	}
	return l.done(), nil
}

// LoadTable returns one table, or nil if there is none or the account may not
// see it; TableAccess tells which.
func LoadTable(ctx context.Context, s *Server, schema, name string) (*Table, error) {
	fold := s.facts.LowerCaseTableNames != 0
	l := loader{server: s, ctx: ctx, keep: func(haveSchema, have string) bool {
		if fold {
			return strings.EqualFold(haveSchema, schema) && strings.EqualFold(have, name)
		}
		return haveSchema == schema && have == name
	}}
	if s.facts.LowerCaseTableNames == 1 { // stored in lower case
		schema, name = strings.ToLower(schema), strings.ToLower(name)
	}
	err := l.load(fmt.Sprintf("= %s AND TABLE_NAME = %s", quoteText(schema), quoteText(name)))
	if err != nil {
		return nil, s.Explain("read table "+schema+"."+name, err)
	}
	tables := l.done()
	if len(tables) == 0 {
		return nil, nil //nolint:nilnil // absence is an answer, documented above
	}
	return &tables[0], nil
}

// LoadNamed returns those of the named tables that there are and the account
// may see, by name. Names are taken as the server's own, letter case included.
// A few tables of a schema are read singly, many with their whole schema.
func LoadNamed(ctx context.Context, s *Server, names []TableName) (map[TableName]*Table, error) {
	wanted := make(map[TableName]bool, len(names))
	bySchema := map[string][]string{}
	for _, n := range names {
		if !wanted[n] {
			wanted[n] = true
			bySchema[n.Schema] = append(bySchema[n.Schema], n.Name)
		}
	}
	l := loader{server: s, ctx: ctx, keep: func(schema, name string) bool { return wanted[TableName{schema, name}] }}
	for schema, tables := range bySchema {
		of := "= " + quoteText(schema)
		conditions := []string{of}
		if len(tables) <= maxSingleTables {
			conditions = conditions[:0]
			for _, t := range tables {
				conditions = append(conditions, of+" AND TABLE_NAME = "+quoteText(t))
			}
		}
		for _, where := range conditions {
			if err := l.load(where); err != nil {
				return nil, s.Explain("read the tables of "+schema, err)
			}
		}
	}
	if l.tables == nil {
		return map[TableName]*Table{}, nil
	}
	return l.tables, nil
}

// ListTables returns the names of all user tables, views and sequences that the
// account may see: what patterns are checked against.
func ListTables(ctx context.Context, s *Server) ([]TableName, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA "+notSystem)
	if err != nil {
		return nil, s.Explain("list the tables", err)
	}
	defer rows.Close()
	var out []TableName
	for rows.Next() {
		var n TableName
		if err := rows.Scan(&n.Schema, &n.Name); err != nil {
			return nil, s.Explain("list the tables", err)
		}
		out = append(out, n)
	}
	return out, s.Explain("list the tables", rows.Err())
}

const (
	// As binary strings: a collation would leave out a user's schema MySQL.
	notSystem = "NOT IN (CAST('mysql' AS BINARY), CAST('information_schema' AS BINARY), " +
		"CAST('performance_schema' AS BINARY), CAST('sys' AS BINARY))"
	// maxSchemaQueries is up to how many schemas are read one by one. Older
	// servers open every table of a schema for information_schema, so reading
	// only those that are asked for saves much; reading many singly does not.
	maxSchemaQueries = 8
	// maxSingleTables is up to how many tables of a schema are read one by one,
	// for the same reason.
	maxSingleTables = 4
)

// schemas returns the schemas that the include patterns name outright, if all
// of them do.
func (f Filter) schemas() ([]string, bool) {
	var out []string
	for _, p := range f.include {
		name, ok := p.schema.literal()
		if !ok {
			return nil, false
		}
		if !slices.Contains(out, name) && !isSystemSchema(name) {
			out = append(out, name)
		}
	}
	return out, len(f.include) > 0 && len(out) <= maxSchemaQueries
}

// loader collects tables from information_schema in one statement per kind of
// thing, whatever their number.
type loader struct {
	server *Server
	ctx    context.Context
	keep   func(schema, table string) bool
	tables map[TableName]*Table
	has    map[string]bool // columns of information_schema, "STATISTICS.EXPRESSION"
}

// load adds what matches a condition on TABLE_SCHEMA.
func (l *loader) load(where string) error {
	if l.has == nil {
		l.tables = map[TableName]*Table{}
		if err := l.readDictionary(); err != nil {
			return err
		}
	}
	for _, step := range []func(string) error{l.readTables, l.readColumns, l.readKeys, l.readPeriods, l.readPartitions, l.readJSONChecks} {
		if err := step(where); err != nil {
			return err
		}
	}
	return l.orderKeys()
}

func (l *loader) done() []Table {
	out := make([]Table, 0, len(l.tables))
	for _, t := range l.tables {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b Table) int {
		return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Name, b.Name))
	})
	return out
}

// each runs a query and calls scan for each row.
func (l *loader) each(query string, scan func(*sql.Rows) error) error {
	rows, err := l.server.db.QueryContext(l.ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readDictionary learns which columns this server's information_schema has:
// surer than version numbers of three families.
func (l *loader) readDictionary() error {
	l.has = map[string]bool{}
	return l.each("SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' "+
		"AND TABLE_NAME IN ('COLUMNS', 'STATISTICS', 'CHECK_CONSTRAINTS')", func(r *sql.Rows) error {
		var table, column string
		err := r.Scan(&table, &column)
		l.has[strings.ToUpper(table+"."+column)] = true
		return err
	})
}

// orNull returns the column of an information_schema table where it exists.
func (l *loader) orNull(table, column string) string {
	if l.has[table+"."+column] {
		return column
	}
	return "NULL"
}

func (l *loader) readTables(where string) error {
	return l.each("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, ROW_FORMAT, TABLE_ROWS, DATA_LENGTH, TABLE_COLLATION, "+
		"CREATE_OPTIONS, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA "+where, func(r *sql.Rows) error {
		var t Table
		var kind string
		var engine, format, collation, options, comment sql.NullString
		var count, size sql.Null[uint64]
		if err := r.Scan(&t.Schema, &t.Name, &kind, &engine, &format, &count, &size, &collation, &options, &comment); err != nil {
			return err
		}
		var ok bool
		if t.Kind, ok = tableKind(kind); !ok || isSystemSchema(t.Schema) || !l.keep(t.Schema, t.Name) {
			return nil
		}
		t.Engine, t.RowFormat, t.Collation = engine.String, format.String, collation.String
		t.CreateOptions, t.Comment = options.String, comment.String
		t.EstRows, t.DataBytes = int64(count.V), int64(size.V)
		t.Charset, _, _ = strings.Cut(t.Collation, "_")
		t.Charset = canonicalCharset(t.Charset)
		l.tables[TableName{t.Schema, t.Name}] = &t
		return nil
	})
}

func tableKind(s string) (TableKind, bool) {
	switch s {
	case "BASE TABLE":
		return TableBase, true
	case "VIEW":
		return TableView, true
	case "SEQUENCE":
		return TableSequence, true
	case "SYSTEM VERSIONED":
		return TableVersioned, true
	}
	return "", false // SYSTEM VIEW, TEMPORARY
}

func (l *loader) readColumns(where string) error {
	query := "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE, DATA_TYPE, " +
		"CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, " +
		l.orNull("COLUMNS", "DATETIME_PRECISION") + ", CHARACTER_SET_NAME, COLLATION_NAME, COLUMN_TYPE, EXTRA, COLUMN_COMMENT, " +
		l.orNull("COLUMNS", "GENERATION_EXPRESSION") + ", " + l.orNull("COLUMNS", "SRS_ID") +
		" FROM information_schema.COLUMNS WHERE TABLE_SCHEMA " + where
	err := l.each(query, func(r *sql.Rows) error {
		var name TableName
		var c columnRow
		if err := r.Scan(&name.Schema, &name.Name, &c.name, &c.ordinal, &c.def, &c.nullable, &c.dataType, &c.charLen, &c.octetLen,
			&c.precision, &c.scale, &c.frac, &c.charset, &c.collation, &c.columnType, &c.extra, &c.comment, &c.expr, &c.srid); err != nil {
			return err
		}
		if t := l.tables[name]; t != nil {
			t.Columns = append(t.Columns, c.column(l.server.facts))
		}
		return nil
	})
	for _, t := range l.tables {
		slices.SortFunc(t.Columns, func(a, b Column) int { return a.Ordinal - b.Ordinal })
	}
	return err
}

// readPartitions reads names where a table has partitions at all; the view is
// dear on older servers.
func (l *loader) readPartitions(where string) error {
	any := false
	for _, t := range l.tables {
		any = any || strings.Contains(t.CreateOptions, "partitioned")
	}
	if !any {
		return nil
	}
	type place struct {
		name    string
		ordinal int64
	}
	places := map[*Table][]place{}
	err := l.each("SELECT TABLE_SCHEMA, TABLE_NAME, PARTITION_NAME, PARTITION_ORDINAL_POSITION FROM information_schema.PARTITIONS "+
		"WHERE PARTITION_NAME IS NOT NULL AND TABLE_SCHEMA "+where, func(r *sql.Rows) error {
		var name TableName
		var p place
		if err := r.Scan(&name.Schema, &name.Name, &p.name, &p.ordinal); err != nil {
			return err
		}
		if t := l.tables[name]; t != nil && !slices.Contains(places[t], p) { // subpartitions repeat it
			places[t] = append(places[t], p)
		}
		return nil
	})
	for t, ps := range places {
		slices.SortFunc(ps, func(a, b place) int { return int(a.ordinal - b.ordinal) })
		t.Partitions = nil
		for _, p := range ps {
			t.Partitions = append(t.Partitions, p.name)
		}
	}
	return err
}
