package checksum

import (
	"context"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
	"crosscheck/internal/fault"
)

// Buckets for tables whose rows do not stand in the same order on both sides. Each side streams in its own order and
// adds its rows to the bucket that the hash of the key (of the whole row where there is no key) chooses; buckets that
// differ are read again for their rows.
const (
	bucketBits = 16
	nBuckets   = 1 << bucketBits
	maxDrill   = 1 << 17 // rows of differing buckets that one pass keeps per side
)

// buckets are one side's digests.
type buckets [nBuckets]Digest

// pageRows is how many rows one statement of a paged scan reads.
const pageRows = maxChunkRows

// rowVisit is called with a row's bucket, its key (empty without one) and its hash.
type rowVisit func(bucket int, key []byte, sum xxh3.Uint128)

// bucket compares a table by buckets.
func (w *copyWorker) bucket(ctx context.Context, t *tableRun) error {
	c := t.newChunk(chunker.Range{})
	defer c.drop(ctx)
	olds, news := new(buckets), new(buckets)
	err := w.both(ctx, func(ctx context.Context, s *session) error {
		into, rows, bytes := olds, &c.counts.RowsOld, &c.counts.BytesOld
		if s.newSide {
			into, rows, bytes = news, &c.counts.RowsNew, &c.counts.BytesNew
		}
		n, err := s.scan(ctx, t, func() { clear(into[:]); *rows = 0 }, func(b int, _ []byte, sum xxh3.Uint128) {
			into[b].Add(sum)
			*rows++
		})
		*bytes = n
		return err
	})
	if err != nil {
		c.counts.Undecided++
		return err
	}
	t.compared(c)
	for group := range drillGroups(olds, news) {
		if err := w.drill(ctx, t, c, group); err != nil {
			c.mu.Lock()
			c.counts.Undecided++ // what was not drilled into is not decided
			c.mu.Unlock()
			return err
		}
	}
	return nil
}

// both runs read for both sides at the same time.
func (w *copyWorker) both(ctx context.Context, read func(context.Context, *session) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer fault.Guard()
		return read(ctx, w.old)
	})
	g.Go(func() error {
		defer fault.Guard()
		return read(ctx, w.new)
	})
	return g.Wait()
}

// drillGroups yields sets of differing buckets that hold no more rows than one pass keeps.
func drillGroups(olds, news *buckets) func(yield func(map[int]bool) bool) {
	return func(yield func(map[int]bool) bool) {
		group, rows := make(map[int]bool), int64(0)
		for b := range olds {
			if olds[b] == news[b] {
				continue
			}
			n := max(olds[b].Rows, news[b].Rows)
			if rows+n > maxDrill && len(group) > 0 {
				if !yield(group) {
					return
				}
				group, rows = make(map[int]bool), 0
			}
			group[b] = true
			rows += n
		}
		if len(group) > 0 {
			yield(group)
		}
	}
}

// drill finds the differing rows of some buckets and has them settled.
func (w *copyWorker) drill(ctx context.Context, t *tableRun, c *chunkRun, group map[int]bool) error {
	if t.plan.method == methodMultiset {
		return w.settleMultiset(ctx, t, c, group)
	}
	var lists [2]map[string]Digest // by key: several rows of a side may have keys that are selected alike
	err := w.both(ctx, func(ctx context.Context, s *session) error {
		seen := make(map[string]Digest)
		lists[sideIndex(s)] = seen
		_, err := s.scan(ctx, t, func() { clear(seen) }, func(b int, key []byte, sum xxh3.Uint128) {
			if group[b] {
				d := seen[string(key)]
				d.Add(sum)
				seen[string(key)] = d
			}
		})
		return err
	})
	if err != nil {
		return err
	}
	var rows []rowSeen
	for k, sum := range lists[0] {
		other, ok := lists[1][k]
		switch {
		case !ok:
			rows = append(rows, rowSeen{[]byte(k), Missing})
		case other != sum:
			rows = append(rows, rowSeen{[]byte(k), Changed})
		}
		delete(lists[1], k)
	}
	for k := range lists[1] {
		rows = append(rows, rowSeen{[]byte(k), Extra})
	}
	if len(rows) > 0 {
		w.check.settler.submit(ctx, c, rows, 0)
	}
	return nil
}

func sideIndex(s *session) int {
	if s.newSide {
		return 1
	}
	return 0
}

// scan reads the whole table in the side's own order, in pages where it has a key, else in one statement, and returns
// the bytes read. anew is called when all rows visited so far are going to be visited once more.
func (s *session) scan(ctx context.Context, t *tableRun, anew func(), visit rowVisit) (bytes int64, err error) {
	if t.plan.method == methodMultiset {
		return s.scanWhole(ctx, t, anew, func(_ []byte, sum xxh3.Uint128, _ func() ([]byte, []rowstream.Column)) {
			visit(bucketOf(sum.Lo), nil, sum)
		})
	}
	if t.plan.unpaged {
		return s.scanWhole(ctx, t, anew, func(key []byte, sum xxh3.Uint128, _ func() ([]byte, []rowstream.Column)) {
			visit(bucketOf(xxh3.Hash(key)), key, sum)
		})
	}
	var list rowList
	r := chunker.Range{}
	for {
		if err := t.check.ready(ctx); err != nil {
			return bytes, err
		}
		hi, full, err := s.readRange(ctx, t.plan, r, pageRows, &list)
		if err != nil {
			return bytes, err
		}
		for i, sum := range list.hashes {
			key := list.key(i)
			visit(bucketOf(xxh3.Hash(key)), key, sum)
		}
		bytes += list.bytes
		if !s.newSide {
			t.check.opt.Observer.Progress(t.plan.name, int64(list.len()), list.bytes)
		}
		if !full {
			return bytes, nil
		}
		r.Lo = hi
	}
}

func bucketOf(h uint64) int { return int(h >> (64 - bucketBits)) }

// scanWhole reads a table without a usable key in one statement, which may take long: the time limit is lifted. After a
// lost connection nothing says where to go on, so anew is called and all rows are visited again. whole, valid during the
// call, gives the row's packet if it is not larger than the read buffer.
func (s *session) scanWhole(ctx context.Context, t *tableRun, anew func(),
	visit func(key []byte, sum xxh3.Uint128, whole func() ([]byte, []rowstream.Column)),
) (bytes int64, err error) {
	n, shown := int64(0), int64(0)
	h := newRowHasher(t.plan)
	err = s.do(ctx, "scan "+t.plan.name, func() error {
		if n > 0 {
			anew()
			n, bytes = 0, 0
		}
		if xerr := s.liftTimeLimit(); xerr != nil {
			return xerr
		}
		return s.query(ctx, t.plan, t.plan.side(s.newSide).scanQuery(), nil, func(key, head []byte, rows *rowstream.Rows) error {
			large := rows.More()
			if large { // hashing the remainder overwrites the buffer that key lies in
				key = bytesOf(key)
			}
			sum, size, herr := h.hash(head, rows)
			if herr != nil {
				return herr
			}
			visit(key, sum, func() ([]byte, []rowstream.Column) {
				if large {
					return nil, nil
				}
				return bytesOf(head), rows.Columns()
			})
			bytes += size
			if n++; n >= shown+pageRows && !s.newSide {
				t.check.opt.Observer.Progress(t.plan.name, pageRows, 0)
				shown += pageRows
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
