package checksum

import (
	"context"
	"slices"

	"github.com/zeebo/xxh3"

	"crosscheck/checksum/plan"
	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// wholeScan is what becomes of the rows of scanWhole.
type wholeScan struct {
	anew     func()           // all rows visited so far are going to be visited once more
	progress func(rows int64) // so many more rows were read
	// visit is called for each row. whole, valid during the call, gives the row's packet if it is not larger than the read
	// buffer.
	visit func(key []byte, sum xxh3.Uint128, whole func() ([]byte, []rowstream.Column))
}

// scanWhole reads a table without a usable key in one statement, which may take long: the time limit is lifted. After a
// lost connection nothing says where to go on, so all rows are visited again.
func (s *session) scanWhole(ctx context.Context, p *plan.Table, w wholeScan) (bytes int64, err error) {
	n, shown := int64(0), int64(0)
	h := newRowHasher(p)
	anew := func() {
		if n > 0 {
			w.anew()
			n, bytes = 0, 0
		}
	}
	err = s.eachRow(ctx, p, anew, func(key, head []byte, rows *rowstream.Rows) error {
		large := rows.More()
		if large { // hashing the remainder overwrites the buffer that key lies in
			key = slices.Clone(key)
		}
		sum, size, herr := h.hash(head, rows)
		if herr != nil {
			return herr
		}
		w.visit(key, sum, func() ([]byte, []rowstream.Column) {
			if large {
				return nil, nil
			}
			return slices.Clone(head), rows.Columns()
		})
		bytes += size
		if n++; n >= shown+maxChunkRows {
			w.progress(maxChunkRows)
			shown += maxChunkRows
		}
		return nil
	})
	return bytes, err
}

// eachRow hands all rows of a table to visit, in the order that is cheapest for the server. anew is called before the first
// one, and again when all are going to be visited once more.
func (s *session) eachRow(ctx context.Context, p *plan.Table, anew func(), visit visitor) error {
	return s.do(ctx, "scan "+p.Name, func() error {
		anew()
		if err := s.liftTimeLimit(); err != nil {
			return err
		}
		return s.query(ctx, p, p.Side(s.newSide).ScanQuery(), nil, visit)
	})
}

// eachRowOf is eachRow for the rows of a range, or for all where the table cannot be read in ranges.
func (s *session) eachRowOf(ctx context.Context, p *plan.Table, r chunker.Range, anew func(), visit visitor) error {
	if p.Method != plan.KeyChunks {
		return s.eachRow(ctx, p, anew, visit)
	}
	query := p.Side(s.newSide).RangeQuery(len(r.Lo), len(r.Hi), false)
	params := r.Hi.Params(r.Lo.Params(nil))
	return s.do(ctx, "read rows of "+p.Name, func() error {
		anew()
		return s.query(ctx, p, query, params, visit)
	})
}

// liftTimeLimit takes the limit off the statements of the connection.
func (s *session) liftTimeLimit() error {
	if err := s.conn.Exec(noTimeLimit(s.server.Facts().Flavor)); err != nil && cluster.IsTransient(err) {
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

// countRows counts a table's rows, however long that takes.
func (s *session) countRows(ctx context.Context, t *cluster.Table) (int64, error) {
	var n int64
	err := s.do(ctx, "count the rows of "+t.FullName(), func() error {
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
