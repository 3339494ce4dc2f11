package read

import (
	"context"
	"slices"

	"github.com/zeebo/xxh3"

	"crosscheck/checksum/plan"
	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// Scan is what becomes of the rows of ScanWhole.
type Scan struct {
	Anew     func()           // all rows visited so far are going to be visited once more
	Progress func(rows int64) // so many more rows were read
	// Visit is called for each row. whole, valid during the call, gives the row's packet if it is not larger than the read
	// buffer.
	Visit func(key []byte, sum xxh3.Uint128, whole func() ([]byte, []rowstream.Column))
}

// ScanWhole reads a table without a usable key in one statement, which may take long: the time limit is lifted. After a
// lost connection nothing says where to go on, so all rows are visited again.
func (s *Session) ScanWhole(ctx context.Context, p *plan.Table, w Scan) (bytes int64, err error) {
	n, shown := int64(0), int64(0)
	h := NewHasher(p)
	anew := func() {
		if n > 0 {
			w.Anew()
			n, bytes = 0, 0
		}
	}
	err = s.EachRow(ctx, p, anew, func(key, head []byte, rows *rowstream.Rows) error {
		large := rows.More()
		if large { // hashing the remainder overwrites the buffer that key lies in
			key = slices.Clone(key)
		}
		sum, size, herr := h.Hash(head, rows)
		if herr != nil {
			return herr
		}
		w.Visit(key, sum, func() ([]byte, []rowstream.Column) {
			if large {
				return nil, nil
			}
			return slices.Clone(head), rows.Columns()
		})
		bytes += size
		if n++; n >= shown+MaxChunkRows {
			w.Progress(MaxChunkRows)
			shown += MaxChunkRows
		}
		return nil
	})
	return bytes, err
}

// EachRow hands all rows of a table to visit, in the order that is cheapest for the server. anew is called before the first
// one, and again when all are going to be visited once more.
func (s *Session) EachRow(ctx context.Context, p *plan.Table, anew func(), visit Visitor) error {
	return s.Do(ctx, "scan "+p.Name, func() error {
		anew()
		if err := s.liftTimeLimit(); err != nil {
			return err
		}
		return s.query(ctx, p, p.Side(s.NewSide).ScanQuery(), nil, visit)
	})
}

// EachRowOf is EachRow for the rows of a range, or for all where the table cannot be read in ranges.
func (s *Session) EachRowOf(ctx context.Context, p *plan.Table, r chunker.Range, anew func(), visit Visitor) error {
	if p.Method != plan.KeyChunks {
		return s.EachRow(ctx, p, anew, visit)
	}
	query := p.Side(s.NewSide).RangeQuery(len(r.Lo), len(r.Hi), false)
	params := r.Hi.Params(r.Lo.Params(nil))
	return s.Do(ctx, "read rows of "+p.Name, func() error {
		anew()
		return s.query(ctx, p, query, params, visit)
	})
}

// liftTimeLimit takes the limit off the statements of the connection.
func (s *Session) liftTimeLimit() error {
	if err := s.conn.Exec(noTimeLimit(s.Server.Facts().Flavor)); err != nil && cluster.IsTransient(err) {
		return err
	}
	return nil
}

// noTimeLimit lifts the limit on the session's statements; servers before MySQL 5.7 have none and say so.
func noTimeLimit(f cluster.Flavor) string {
	if f == cluster.FlavorMariaDB {
		return "SET SESSION max_statement_time=0"
	}
	return "SET SESSION max_execution_time=0"
}

// CountRows counts a table's rows, however long that takes.
func (s *Session) CountRows(ctx context.Context, t *cluster.Table) (int64, error) {
	var n int64
	err := s.Do(ctx, "count the rows of "+t.FullName(), func() error {
		if err := s.liftTimeLimit(); err != nil {
			return err
		}
		st, err := s.stmt(t.FullName(), "SELECT CAST(COUNT(*) AS UNSIGNED) FROM "+t.QuotedName())
		if err != nil {
			return err
		}
		rows, err := st.Query()
		if err != nil {
			return err
		}
		return eachUint(rows, func(v uint64) { n = int64(v) })
	})
	return n, err
}
