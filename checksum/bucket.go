package checksum

import (
	"context"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/prove"
	"crosscheck/checksum/read"
	"crosscheck/chunker"
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
type buckets [nBuckets]read.Digest

// rowVisit is called with a row's bucket, its key (empty without one) and its hash.
type rowVisit func(bucket int, key []byte, sum xxh3.Uint128)

// bucket compares a table by buckets.
func (w *copyWorker) bucket(ctx context.Context, t *tableRun) error {
	c := t.newChunk(chunker.Range{})
	defer c.drop(ctx)
	olds, news := new(buckets), new(buckets)
	err := w.both(ctx, func(ctx context.Context, s *read.Session) error {
		into, rows, bytes := olds, &c.counts.RowsOld, &c.counts.BytesOld
		if s.NewSide {
			into, rows, bytes = news, &c.counts.RowsNew, &c.counts.BytesNew
		}
		n, err := scan(ctx, s, t, func() { clear(into[:]); *rows = 0 }, func(b int, _ []byte, sum xxh3.Uint128) {
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
func (w *copyWorker) both(ctx context.Context, read func(context.Context, *read.Session) error) error {
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
	if t.plan.Method == plan.RowMultiset {
		values, err := w.suspectValues(ctx, t, group)
		if err != nil {
			return err
		}
		m := &prove.Multiset{Old: w.old, New: w.new, Fence: w.check.fence, Plan: t.plan, Progress: t.scanned}
		return m.Settle(ctx, values, valuesOf{c})
	}
	var lists [2]map[string]read.Digest // by key: several rows of a side may have keys that are selected alike
	err := w.both(ctx, func(ctx context.Context, s *read.Session) error {
		seen := make(map[string]read.Digest)
		lists[sideIndex(s)] = seen
		_, err := scan(ctx, s, t, func() { clear(seen) }, func(b int, key []byte, sum xxh3.Uint128) {
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
	var rows []prove.RowSeen
	for k, sum := range lists[0] {
		other, ok := lists[1][k]
		switch {
		case !ok:
			rows = append(rows, prove.RowSeen{Key: []byte(k), Kind: Missing})
		case other != sum:
			rows = append(rows, prove.RowSeen{Key: []byte(k), Kind: Changed})
		}
		delete(lists[1], k)
	}
	for k := range lists[1] {
		rows = append(rows, prove.RowSeen{Key: []byte(k), Kind: Extra})
	}
	if len(rows) > 0 {
		w.check.settler.Submit(ctx, c.suspects(rows, 0))
	}
	return nil
}

func sideIndex(s *read.Session) int {
	if s.NewSide {
		return 1
	}
	return 0
}

func bucketOf(h uint64) int { return int(h >> (64 - bucketBits)) }

// pageRows is how many rows one statement of a paged scan reads.
const pageRows = read.MaxChunkRows

// scan reads the whole table in the side's own order, in pages where it has a key, else in one statement, and returns
// the bytes read. anew is called when all rows visited so far are going to be visited once more.
func scan(ctx context.Context, s *read.Session, t *tableRun, anew func(), visit rowVisit) (bytes int64, err error) {
	if whole := t.plan.Method == plan.RowMultiset; whole || t.plan.Unpaged {
		each := func(key []byte, sum xxh3.Uint128, _ func() ([]byte, []rowstream.Column)) {
			if whole {
				visit(bucketOf(sum.Lo), nil, sum)
			} else {
				visit(bucketOf(xxh3.Hash(key)), key, sum)
			}
		}
		return s.ScanWhole(ctx, t.plan, read.Scan{Anew: anew, Progress: t.scanned(s), Visit: each})
	}
	var list read.List
	r := chunker.Range{}
	for {
		if err := t.check.ready(ctx); err != nil {
			return bytes, err
		}
		hi, full, err := s.ReadRange(ctx, t.plan, r, pageRows, &list)
		if err != nil {
			return bytes, err
		}
		for i, sum := range list.Hashes {
			key := list.Key(i)
			visit(bucketOf(xxh3.Hash(key)), key, sum)
		}
		bytes += list.Bytes
		if !s.NewSide {
			t.check.opt.Observer.Progress(t.plan.Name, int64(list.Len()), list.Bytes)
		}
		if !full {
			return bytes, nil
		}
		r.Lo = hi
	}
}

// scanned returns what shows that a session has read rows of the table: the reference's count.
func (t *tableRun) scanned(s *read.Session) func(rows int64) {
	return func(rows int64) {
		if !s.NewSide {
			t.check.opt.Observer.Progress(t.plan.Name, rows, 0)
		}
	}
}

// suspectValues returns the row values of some buckets whose numbers differ.
func (w *copyWorker) suspectValues(ctx context.Context, t *tableRun, group map[int]bool) ([]xxh3.Uint128, error) {
	var counts [2]map[xxh3.Uint128]int64
	err := w.both(ctx, func(ctx context.Context, s *read.Session) error {
		n := make(map[xxh3.Uint128]int64)
		counts[sideIndex(s)] = n
		_, err := scan(ctx, s, t, func() { clear(n) }, func(b int, _ []byte, sum xxh3.Uint128) {
			if group[b] {
				n[sum]++
			}
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []xxh3.Uint128
	for sum, n := range counts[0] {
		if counts[1][sum] != n {
			out = append(out, sum)
		}
		delete(counts[1], sum)
	}
	for sum := range counts[1] {
		out = append(out, sum)
	}
	return out, nil
}

// valuesOf is told what became of row values of a table without a key: the chunk does not wait for them one by one.
type valuesOf struct{ chunk *chunkRun }

func (v valuesOf) Same(context.Context) { v.chunk.note(func() { v.chunk.counts.InFlight++ }) }
func (v valuesOf) Different(_ context.Context, d Difference) {
	v.chunk.note(func() { v.chunk.count(d) })
}

func (v valuesOf) Undecided(_ context.Context, reason string) {
	v.chunk.table.because(reason)
	v.chunk.note(func() { v.chunk.counts.Undecided++ })
}
