package cluster

import (
	"cmp"
	"database/sql"
	"slices"
	"strings"
)

func (l *loader) readKeys(where string) error {
	visible := "'YES'"
	switch {
	case l.has["STATISTICS.IS_VISIBLE"]:
		visible = "IS_VISIBLE"
	case l.has["STATISTICS.IGNORED"]:
		visible = "IF(IGNORED = 'YES', 'NO', 'YES')"
	}
	type part struct {
		seq int
		KeyPart
	}
	parts := map[*Table]map[string][]part{}
	query := "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART, INDEX_TYPE, " +
		visible + ", " + l.orNull("STATISTICS", "EXPRESSION") + " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA " + where
	err := l.each(query, func(r *sql.Rows) error {
		var name TableName
		var key Key
		var p part
		var nonUnique, prefix sql.NullInt64
		var column, order, show, expr sql.NullString
		if err := r.Scan(&name.Schema, &name.Name, &key.Name, &nonUnique, &p.seq, &column, &order, &prefix, &key.Type, &show, &expr); err != nil {
			return err
		}
		t := l.tables[name]
		if t == nil {
			return nil
		}
		if parts[t] == nil {
			parts[t] = map[string][]part{}
		}
		if parts[t][key.Name] == nil {
			key.Primary = key.Name == "PRIMARY" // no other key may have that name
			key.Unique, key.Visible = nonUnique.Int64 == 0, show.String == "YES"
			t.Keys = append(t.Keys, key)
		}
		p.Column, p.Prefix, p.Descending, p.Expression = column.String, int(prefix.Int64), order.String == "D", expr.String
		parts[t][key.Name] = append(parts[t][key.Name], p)
		return nil
	})
	for t, keys := range parts {
		for i := range t.Keys {
			k := &t.Keys[i]
			ps := keys[k.Name]
			slices.SortFunc(ps, func(a, b part) int { return a.seq - b.seq })
			for _, p := range ps {
				k.Parts = append(k.Parts, p.KeyPart)
			}
			t.withoutPeriod(k)
		}
		slices.SortFunc(t.Keys, func(a, b Key) int {
			return cmp.Or(keyRank(a)-keyRank(b), strings.Compare(a.Name, b.Name))
		})
	}
	return err
}

// withoutPeriod takes the end of the row's system period out of a unique key. MariaDB adds it, so that history may hold
// a value often; among the rows of now, the key is unique without it.
func (t *Table) withoutPeriod(k *Key) {
	for k.Unique && len(k.Parts) > 1 {
		last := len(k.Parts) - 1
		if c := t.Column(k.Parts[last].Column); c == nil || !c.System {
			return
		}
		k.Parts = k.Parts[:last]
	}
}

func keyRank(k Key) int {
	switch {
	case k.Primary:
		return 0
	case k.Unique:
		return 1
	}
	return 2
}

// orderKeys brings the keys of tables without a primary key into the server's
// own order, which information_schema does not promise: WalkKey wants the key
// that the rows are stored by. Few tables need it.
func (l *loader) orderKeys() error {
	for name, t := range l.tables {
		candidates := 0
		for i := range t.Keys {
			if t.Keys[i].Unique && t.walkable(&t.Keys[i]) {
				candidates++
			}
		}
		if t.PrimaryKey() != nil || candidates < 2 {
			continue
		}
		rank := map[string]int{}
		if err := l.showIndex(t, rank); err != nil {
			if n := ErrorNumber(err); n == errNoSuchTable || n == errUnknownDatabase { // it went meanwhile
				delete(l.tables, name)
				continue
			}
			return err
		}
		slices.SortStableFunc(t.Keys, func(a, b Key) int { return rank[a.Name] - rank[b.Name] })
	}
	return nil
}

// showIndex notes the place of each key in SHOW INDEX.
func (l *loader) showIndex(t *Table, rank map[string]int) error {
	rows, err := l.server.db.QueryContext(l.ctx, "SHOW INDEX FROM "+t.QuotedName())
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]sql.RawBytes, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		const keyName = 2 // Table, Non_unique, Key_name
		if name := string(values[keyName]); rank[name] == 0 {
			rank[name] = len(rank) + 1
		}
	}
	return rows.Err()
}
