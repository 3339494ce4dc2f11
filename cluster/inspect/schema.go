package inspect

import (
	"context"
	"database/sql"
	"strings"

	"crosscheck/cluster"
)

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

func (r *reader) readForeignKeys(ctx context.Context) error {
	return r.each(ctx, "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, DELETE_RULE, UPDATE_RULE "+
		"FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA "+notSystem, func(rows *sql.Rows) error {
		var k ForeignKey
		var schema, table string
		err := rows.Scan(&k.Schema, &k.Table, &k.Name, &schema, &table, &k.OnDelete, &k.OnUpdate)
		k.References = schema + "." + table
		if r.filter.Match(k.Schema, k.Table) {
			r.side.ForeignKeys = append(r.side.ForeignKeys, k)
		}
		return err
	})
}
