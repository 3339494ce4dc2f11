package checksum

import (
	"context"

	"github.com/zeebo/xxh3"

	"crosscheck/checksum/plan"
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
	err = s.do(ctx, "scan "+p.Name, func() error {
		if n > 0 {
			w.anew()
			n, bytes = 0, 0
		}
		if xerr := s.liftTimeLimit(); xerr != nil {
			return xerr
		}
		return s.query(ctx, p, p.Side(s.newSide).ScanQuery(), nil, func(key, head []byte, rows *rowstream.Rows) error {
			large := rows.More()
			if large { // hashing the remainder overwrites the buffer that key lies in
				key = bytesOf(key)
			}
			sum, size, herr := h.hash(head, rows)
			if herr != nil {
				return herr
			}
			w.visit(key, sum, func() ([]byte, []rowstream.Column) {
				if large {
					return nil, nil
				}
				return bytesOf(head), rows.Columns()
			})
			bytes += size
			if n++; n >= shown+maxChunkRows {
				w.progress(maxChunkRows)
				shown += maxChunkRows
			}
			return nil
		})
	})
	return bytes, err
}

func bytesOf(b []byte) []byte { return append([]byte{}, b...) }

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
