package inspect

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"crosscheck/cluster"
)

const errNoTable = 1146

// notSystem leaves out the servers' own schemas.
const notSystem = "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"

func (r *reader) readSchemas(ctx context.Context) error {
	return r.each(ctx, "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA "+
		"WHERE SCHEMA_NAME "+notSystem+" ORDER BY SCHEMA_NAME", func(rows *sql.Rows) error {
		var s Schema
		err := rows.Scan(&s.Name, &s.Charset, &s.Collation)
		if strings.EqualFold(s.Charset, "utf8") {
			s.Charset = "utf8mb3"
		}
		r.side.Schemas = append(r.side.Schemas, s)
		return err
	})
}

// readTables reads the schema and what the statistics say. Those are cached on
// MySQL 8.0 and newer, so the next keys are asked for past the cache.
func (r *reader) readAside(ctx context.Context) error {
	all, err := cluster.ListTables(ctx, r.Server)
	if err != nil {
		return err
	}
	r.side.Aside = slices.DeleteFunc(append([]cluster.TableName{}, all...), func(n cluster.TableName) bool { return r.filter.Match(n.Schema, n.Name) })
	return nil
}

func (r *reader) readTables(ctx context.Context) error {
	tables, err := cluster.LoadTables(ctx, r.Server, r.filter)
	if err != nil {
		return err
	}
	for _, t := range tables {
		r.side.Tables = append(r.side.Tables, Table{Table: t})
	}
	conn, err := r.DB().Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, cached := r.side.Variables["information_schema_stats_expiry"]; cached {
		if _, err = conn.ExecContext(ctx, "SET SESSION information_schema_stats_expiry = 0"); err != nil {
			return err
		}
		defer func() {
			// The session goes back to the pool; a failure ends it there.
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SET SESSION information_schema_stats_expiry = DEFAULT")
		}()
	}
	rows, err := conn.QueryContext(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, AUTO_INCREMENT, INDEX_LENGTH FROM information_schema.TABLES "+
		"WHERE TABLE_SCHEMA "+notSystem)
	if err != nil {
		return err
	}
	defer rows.Close()
	type numbers struct{ next, index sql.Null[uint64] }
	found := map[cluster.TableName]numbers{}
	for rows.Next() {
		var name cluster.TableName
		var n numbers
		if err := rows.Scan(&name.Schema, &name.Name, &n.next, &n.index); err != nil {
			return err
		}
		found[name] = n
	}
	for i := range r.side.Tables {
		t := &r.side.Tables[i]
		n := found[cluster.TableName{Schema: t.Schema, Name: t.Name}]
		t.NextAutoIncrement, t.IndexBytes = n.next.V, int64(n.index.V)
	}
	return rows.Err()
}

// readSchemes reads how tables are partitioned, where any is.
func (r *reader) readSchemes(ctx context.Context) error {
	if !slices.ContainsFunc(r.side.Tables, func(t Table) bool { return len(t.Partitions) > 0 }) {
		return nil
	}
	at := map[cluster.TableName]*Table{}
	for i := range r.side.Tables {
		t := &r.side.Tables[i]
		at[cluster.TableName{Schema: t.Schema, Name: t.Name}] = t
	}
	return r.each(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, PARTITION_NAME, SUBPARTITION_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, "+
		"SUBPARTITION_METHOD, SUBPARTITION_EXPRESSION, PARTITION_DESCRIPTION FROM information_schema.PARTITIONS WHERE PARTITION_NAME IS NOT NULL AND TABLE_SCHEMA "+
		notSystem+" ORDER BY TABLE_SCHEMA, TABLE_NAME, PARTITION_ORDINAL_POSITION, SUBPARTITION_ORDINAL_POSITION", func(rows *sql.Rows) error {
		var name cluster.TableName
		var part string
		var sub, method, by, subMethod, subBy, holds sql.NullString
		if err := rows.Scan(&name.Schema, &name.Name, &part, &sub, &method, &by, &subMethod, &subBy, &holds); err != nil {
			return err
		}
		t := at[name]
		if t == nil {
			return nil
		}
		if t.Scheme == nil {
			t.Scheme, t.PartitionBy = []string{method.String + " (" + by.String + ")"}, []string{by.String, subBy.String}
			if subMethod.String != "" {
				t.Scheme[0] += ", then " + subMethod.String + " (" + subBy.String + ")"
			}
		}
		if sub.String != "" {
			part += "/" + sub.String
		}
		if holds.String != "" {
			part += " " + holds.String
		}
		t.Scheme = append(t.Scheme, part)
		return nil
	})
}

// readForeignKeys goes by information_schema, which on MariaDB hides
// constraints from accounts that may only read. InnoDB's own list, open to
// PROCESS, tells how many there are; if some are hidden, the tables' own
// statements have them.
func (r *reader) readForeignKeys(ctx context.Context) error {
	all, err := cluster.ForeignKeys(ctx, r.Server, cluster.Filter{})
	if err != nil {
		return err
	}
	for full, keys := range all {
		schema, table, _ := cluster.SplitFullName(full)
		for _, k := range keys {
			r.side.ForeignKeys = append(r.side.ForeignKeys, ForeignKey{
				Schema: schema, Table: table, Name: k.Name, Columns: k.Columns, References: k.RefSchema + "." + k.RefTable, RefColumns: k.RefColumns,
				OnDelete: k.OnDelete, OnUpdate: k.OnUpdate,
			})
		}
	}
	if r.side.Facts.IsMariaDB() {
		n, err := r.strings(ctx, "SELECT COUNT(*) FROM information_schema.INNODB_SYS_FOREIGN WHERE ID NOT LIKE 'mysql/%'")
		half := slices.ContainsFunc(r.side.ForeignKeys, func(k ForeignKey) bool { return k.OnDelete == "" }) // the columns show, the rules do not
		if err != nil || half || len(n) != 1 || n[0] != strconv.Itoa(len(r.side.ForeignKeys)) {
			if err := r.foreignKeysOfStatements(ctx); err != nil {
				return err
			}
		}
	}
	r.side.ForeignKeys = slices.DeleteFunc(r.side.ForeignKeys, func(k ForeignKey) bool { return !r.filter.Match(k.Schema, k.Table) })
	slices.SortFunc(r.side.ForeignKeys, func(a, b ForeignKey) int {
		return strings.Compare(a.Schema+"\x00"+a.Table+"\x00"+a.Name, b.Schema+"\x00"+b.Table+"\x00"+b.Name)
	})
	return nil
}

// constraint reads a foreign key of SHOW CREATE TABLE, where a backquote in a
// name is doubled and names of other schemas are qualified.
var constraint = regexp.MustCompile("(?m)^ *CONSTRAINT (`(?:[^`]|``)+`) FOREIGN KEY \\((.*?)\\) REFERENCES (?:(`(?:[^`]|``)+`)\\.)?(`(?:[^`]|``)+`) \\((.*?)\\)" +
	"(?: ON DELETE (CASCADE|SET NULL|SET DEFAULT|NO ACTION|RESTRICT))?(?: ON UPDATE (CASCADE|SET NULL|SET DEFAULT|NO ACTION|RESTRICT))?,?$")

// quotedName is one name of a list of them.
var quotedName = regexp.MustCompile("`(?:[^`]|``)+`")

func (r *reader) foreignKeysOfStatements(ctx context.Context) error {
	r.side.ForeignKeys = nil
	for i := range r.side.Tables {
		t := &r.side.Tables[i]
		if !strings.EqualFold(t.Engine, "InnoDB") {
			continue
		}
		var name, text string
		if err := r.DB().QueryRowContext(ctx, "SHOW CREATE TABLE "+t.QuotedName()).Scan(&name, &text); err != nil {
			if cluster.ErrorNumber(err) == errNoTable { // dropped meanwhile
				continue
			}
			return err
		}
		for _, m := range constraint.FindAllStringSubmatch(text, -1) {
			schema := t.Schema
			if m[3] != "" {
				schema = unquote(m[3])
			}
			r.side.ForeignKeys = append(r.side.ForeignKeys, ForeignKey{
				Schema: t.Schema, Table: t.Name, Name: unquote(m[1]), Columns: unquoteAll(m[2]),
				References: schema + "." + unquote(m[4]), RefColumns: unquoteAll(m[5]), OnDelete: m[6], OnUpdate: m[7],
			})
		}
	}
	return nil
}

func unquoteAll(list string) []string {
	var out []string
	for _, name := range quotedName.FindAllString(list, -1) {
		out = append(out, unquote(name))
	}
	return out
}

func unquote(s string) string { return strings.ReplaceAll(s[1:len(s)-1], "``", "`") }
