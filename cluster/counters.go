package cluster

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"time"
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

// KeySpace is what a server says of generated keys at a time.
type KeySpace struct {
	Step  StepPair  `json:"step"` // global; zero if it was not told
	Marks []KeyMark `json:"marks"`
}

// KeyMark says that a table held a generated key at a time: the highest one, as read.
type KeyMark struct {
	Table string `json:"table"` // Table.FullName
	Key   uint64 `json:"key"`
	At    int64  `json:"at"` // Unix seconds of the server; the key was there at the end of this second
}

// maxKeyMarks bounds the tables that one call of KeyMarks reads.
const maxKeyMarks = 2000

// KeySpace reads the global step and the KeyMarks of tables.
func (s *Server) KeySpace(ctx context.Context, tables []*Table) KeySpace {
	var out KeySpace
	if steps, err := s.Steps(ctx); err == nil {
		out.Step = steps.Global
	}
	out.Marks = s.KeyMarks(ctx, tables)
	return out
}

// KeyMarks reads the highest AUTO_INCREMENT values of tables, of the first 2,000 that have such a column. Tables that are
// empty, whose highest key is negative or that cannot be read are left out; when ctx ends, so is the rest.
func (s *Server) KeyMarks(ctx context.Context, tables []*Table) []KeyMark {
	var out []KeyMark
	asked := 0
	for _, t := range tables {
		for _, c := range t.Columns {
			if !c.AutoIncrement || asked == maxKeyMarks || ctx.Err() != nil {
				continue
			}
			asked++
			began := time.Now()
			key, at, ok := s.highestKey(ctx, t, c.Name)
			if ok {
				out = append(out, KeyMark{Table: t.FullName(), Key: key, At: at + 1 + int64(time.Since(began)/time.Second)})
			}
		}
	}
	return out
}

// highestKey returns the highest value of an indexed integer column, and the server's time when the reading began.
func (s *Server) highestKey(ctx context.Context, t *Table, column string) (key uint64, at int64, ok bool) {
	var highest sql.NullString
	q := "SELECT UNIX_TIMESTAMP(), MAX(" + Quote(column) + ") FROM " + t.QuotedName()
	if err := s.db.QueryRowContext(ctx, q).Scan(&at, &highest); err != nil {
		return 0, 0, false
	}
	key, err := strconv.ParseUint(highest.String, 10, 64)
	return key, at, err == nil && highest.Valid
}
