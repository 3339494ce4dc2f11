package cluster

import (
	"context"
	"database/sql"
	"math"
	"strconv"
)

// AutoIncrements returns the next key of each table with an AUTO_INCREMENT
// column, by Table.FullName, as the server's statistics have it: on MySQL 8 and
// newer it may be as old as information_schema_stats_expiry (a day).
func (s *Server) AutoIncrements(ctx context.Context) (map[string]uint64, error) {
	const op = "read the AUTO_INCREMENT counters"
	rows, err := s.db.QueryContext(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES "+
		"WHERE AUTO_INCREMENT IS NOT NULL AND TABLE_SCHEMA "+notSystem)
	if err != nil {
		return nil, s.Explain(op, err)
	}
	defer rows.Close()
	out := map[string]uint64{}
	for rows.Next() {
		var t Table
		var next sql.Null[uint64]
		if err := rows.Scan(&t.Schema, &t.Name, &next); err != nil {
			return nil, s.Explain(op, err)
		}
		if next.Valid && next.V < math.MaxUint64 {
			out[t.FullName()] = next.V
		}
	}
	return out, s.Explain(op, rows.Err())
}

// HighestKey returns the highest value of an indexed integer column, and the
// server's time in Unix seconds when the reading began. ok is false for an
// empty table and for a negative highest key.
func (s *Server) HighestKey(ctx context.Context, schema, table, column string) (key uint64, at int64, ok bool, err error) {
	var highest sql.NullString
	q := "SELECT UNIX_TIMESTAMP(), MAX(" + Quote(column) + ") FROM " + Quote(schema) + "." + Quote(table)
	if err := s.db.QueryRowContext(ctx, q).Scan(&at, &highest); err != nil {
		return 0, 0, false, s.Explain("read the highest key of "+schema+"."+table, err)
	}
	key, perr := strconv.ParseUint(highest.String, 10, 64)
	return key, at, perr == nil && highest.Valid, nil
}
