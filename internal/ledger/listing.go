package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"

	"crosscheck/checksum"
	"crosscheck/gate/record"
)

// maxListedKeys bounds the keys of differences that a Lister holds in memory. Of tables beyond that it does not tell.
const maxListedKeys = 200_000

// Lister tells whether a run lists a row among the differences of its table, by keys of integers: other values may have
// another form in a log than in a query. It keeps what it has read.
func (l *Ledger) Lister(ctx context.Context) func(run int64, table, key string) (record.Listing, error) {
	type name struct {
		run   int64
		table string
	}
	read, room := map[name]listed{}, maxListedKeys
	return func(run int64, table, key string) (record.Listing, error) {
		n := name{run, table}
		x, ok := read[n]
		if !ok {
			var err error
			if x, err = l.listed(ctx, run, table, room); err != nil {
				return record.NotKnown, err
			}
			room -= len(x.keys)
			read[n] = x
		}
		var values map[string]*string
		if err := json.Unmarshal([]byte(key), &values); err != nil {
			return record.NotKnown, nil //nolint:nilerr // a key that cannot be compared
		}
		fields := make([]checksum.Field, 0, len(values))
		for column, v := range values {
			if v == nil {
				return record.NotKnown, nil
			}
			fields = append(fields, checksum.Field{Column: column, Value: checksum.Value{Text: *v}})
		}
		switch id, ok := plainKey(fields); {
		case ok && x.keys[id]:
			return record.Listed, nil
		case ok && x.whole && (x.columns == "" || x.columns == columnsOf(fields)):
			return record.NotListed, nil
		}
		return record.NotKnown, nil
	}
}

// listed are the keys that a run found different in a table.
type listed struct {
	keys    map[string]bool
	whole   bool   // they are all
	columns string // of the keys; "" if there are none
}

func (l *Ledger) listed(ctx context.Context, run int64, table string, room int) (out listed, err error) {
	const op = "read which rows differ"
	var id, all int64
	err = l.read.QueryRowContext(ctx, `SELECT t.id, x.missing + x.extra + x.changed FROM tables t JOIN table_results x ON x.table_id = t.id
		WHERE t.run_id = ? AND t.name = ?`, run, table).Scan(&id, &all)
	if errors.Is(err, sql.ErrNoRows) || err == nil && all > int64(room) {
		return out, nil
	}
	if err != nil {
		return out, classify(l.path, op, err)
	}
	rows, err := l.read.QueryContext(ctx, `SELECT key_json FROM differences WHERE table_id = ? LIMIT ?`, id, room+1)
	if err != nil {
		return out, classify(l.path, op, err)
	}
	defer rows.Close()
	out = listed{keys: map[string]bool{}, whole: true}
	for rows.Next() {
		var stored any
		var fields []checksum.Field
		if err = rows.Scan(&stored); err == nil {
			err = decodeJSON(stored, &fields)
		}
		if err != nil {
			return out, classify(l.path, op, err)
		}
		key, ok := plainKey(fields)
		if columns := columnsOf(fields); out.columns == "" {
			out.columns = columns
		} else if out.columns != columns {
			ok = false
		}
		if ok {
			out.keys[key] = true
		}
		out.whole = out.whole && ok
	}
	out.whole = out.whole && all > 0 && int64(len(out.keys)) == all
	return out, classify(l.path, op, rows.Err())
}

func columnsOf(fields []checksum.Field) string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, strings.ToLower(f.Column))
	}
	slices.Sort(names)
	return strings.Join(names, "\x00")
}

// plainKey writes a key of integers in one form; ok is false for others.
func plainKey(fields []checksum.Field) (key string, ok bool) {
	parts := make([]string, 0, len(fields))
	for _, f := range fields {
		n, ok := new(big.Int).SetString(f.Value.Text, 10)
		if !ok || f.Value.Null {
			return "", false
		}
		parts = append(parts, strings.ToLower(f.Column)+"\x00"+n.String())
	}
	slices.Sort(parts)
	return strings.Join(parts, "\x00"), len(parts) > 0
}
