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

// readForeignKeys goes by information_schema, which on MariaDB hides
// constraints from accounts that may only read. InnoDB's own list, open to
// PROCESS, tells how many there are; if some are hidden, the tables' own
// statements have them.
func (r *reader) readForeignKeys(ctx context.Context) error {
	err := r.each(ctx, "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, DELETE_RULE, UPDATE_RULE "+
		"FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA "+notSystem, func(rows *sql.Rows) error {
		var k ForeignKey
		var schema, table string
		err := rows.Scan(&k.Schema, &k.Table, &k.Name, &schema, &table, &k.OnDelete, &k.OnUpdate)
		k.References = schema + "." + table
		r.side.ForeignKeys = append(r.side.ForeignKeys, k)
		return err
	})
	if err != nil {
		return err
	}
	if r.side.Facts.IsMariaDB() {
		n, err := r.strings(ctx, "SELECT COUNT(*) FROM information_schema.INNODB_SYS_FOREIGN WHERE ID NOT LIKE 'mysql/%'")
		if err != nil || len(n) != 1 || n[0] != strconv.Itoa(len(r.side.ForeignKeys)) {
			if err := r.foreignKeysOfStatements(ctx); err != nil {
				return err
			}
		}
	}
	r.side.ForeignKeys = slices.DeleteFunc(r.side.ForeignKeys, func(k ForeignKey) bool { return !r.filter.Match(k.Schema, k.Table) })
	return nil
}

// constraint reads a foreign key of SHOW CREATE TABLE, where a backquote in a
// name is doubled and names of other schemas are qualified.
var constraint = regexp.MustCompile("(?m)^ *CONSTRAINT (`(?:[^`]|``)+`) FOREIGN KEY \\(.*?\\) REFERENCES (?:(`(?:[^`]|``)+`)\\.)?(`(?:[^`]|``)+`) \\(.*?\\)" +
	"(?: ON DELETE (CASCADE|SET NULL|SET DEFAULT|NO ACTION|RESTRICT))?(?: ON UPDATE (CASCADE|SET NULL|SET DEFAULT|NO ACTION|RESTRICT))?,?$")

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
			if m[2] != "" {
				schema = unquote(m[2])
			}
			r.side.ForeignKeys = append(r.side.ForeignKeys, ForeignKey{
				Schema: t.Schema, Table: t.Name, Name: unquote(m[1]), References: schema + "." + unquote(m[3]), OnDelete: m[4], OnUpdate: m[5],
			})
		}
	}
	return nil
}

func unquote(s string) string { return strings.ReplaceAll(s[1:len(s)-1], "``", "`") }
