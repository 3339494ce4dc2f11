package checksum

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/chunker"
	"crosscheck/internal/fault"
)

// Sizes of a chunk. Its rows' keys and hashes are kept until both sides are compared, three lists per worker, so that
// maxChunkRows bounds the memory of a run whatever a table's size; maxKeyBytes does so for long keys. maxChunkBytes
// bounds what a statement reads when rows are large.
const (
	maxChunkRows  = 16384
	maxKeyBytes   = 1 << 20
	maxChunkBytes = 64 << 20
	chunkTarget   = 300 * time.Millisecond
)

// worker walks lanes: one goroutine reads old, one chunk ahead of the other one that reads new and compares.
type worker struct {
	check    *checker
	old, new *session
	aside    *session // old again, for the rare chunk that new holds far more rows of
	lists    chan *rowList
	newList  rowList
}

// compareJob is a chunk that old has been read for.
type compareJob struct {
	rng  chunker.Range
	list *rowList
	took time.Duration
	full bool // the chunk ended at its row limit
}

func (c *checker) newWorker() *worker {
	w := &worker{
		check: c,
		old:   c.session(false), new: c.session(true), aside: c.session(false),
		lists: make(chan *rowList, 2),
	}
	w.lists <- &rowList{}
	w.lists <- &rowList{}
	return w
}

func (w *worker) close() {
	w.old.close()
	w.new.close()
	w.aside.close()
}

// walk compares one lane to its end.
func (w *worker) walk(ctx context.Context, l *lane) error {
	size := &sharedSizer{Sizer: chunker.Sizer{
		Target: chunkTarget, MaxRows: w.old.pace.maxRows(maxChunkRows), MaxBytes: maxChunkBytes,
	}}
	jobs := make(chan compareJob)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer fault.Guard()
		defer close(jobs)
		return w.readOld(ctx, l, size, jobs)
	})
	g.Go(func() error {
		defer fault.Guard()
		for {
			select {
			case job, ok := <-jobs:
				if !ok {
					return nil
				}
				err := w.compare(ctx, l.table, job, size)
				w.lists <- job.list
				if err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return g.Wait()
}

// readOld cuts the lane into chunks by reading old, and hands them on.
func (w *worker) readOld(ctx context.Context, l *lane, size *sharedSizer, jobs chan<- compareJob) error {
	for !l.table.ended() {
		if err := w.check.throttle.ready(ctx); err != nil {
			return err
		}
		if w.check.schedule.wanted() {
			if err := w.share(ctx, l, size.rows()); err != nil {
				return err
			}
		}
		var list *rowList
		select {
		case list = <-w.lists:
		case <-ctx.Done():
			return ctx.Err()
		}
		start := time.Now()
		hi, full, err := w.old.readRange(ctx, l.table.plan, l.rng, size.rows(), list)
		if err != nil {
			w.lists <- list
			if errors.Is(err, errTimeLimit) && size.shrink() {
				continue
			}
			return err
		}
		job := compareJob{rng: chunker.Range{Lo: l.rng.Lo, Hi: hi}, list: list, took: time.Since(start), full: full}
		select {
		case jobs <- job:
		case <-ctx.Done():
			w.lists <- list
			return ctx.Err()
		}
		if !full {
			return nil
		}
		if bytes.Equal(hi.Encode(), l.rng.Lo.Encode()) {
			return l.table.plan.unsureKey(reasonNoBound)
		}
		l.rng.Lo = hi
	}
	return nil
}

// compare reads new for a chunk and judges it. If new holds so many more rows than old that their keys would not fit
// into memory, the chunk is compared in pieces that end where new's rows fill a list.
func (w *worker) compare(ctx context.Context, t *tableRun, job compareJob, size *sharedSizer) error {
	start := time.Now()
	if ok, err := w.new.certain(ctx, t.plan, job.rng.Hi); err != nil || !ok {
		return cmp.Or[error](err, t.plan.unsureKey(reasonNoBound))
	}
	limit := 2*job.list.len() + maxChunkRows
	rest, list := job.rng, job.list
	for {
		hi, full, err := w.new.readRange(ctx, t.plan, rest, limit, &w.newList)
		if err != nil {
			return err
		}
		if !full {
			w.judge(ctx, t, rest, list, &w.newList)
			break
		}
		if ok, err := w.aside.certain(ctx, t.plan, hi); err != nil || !ok {
			return cmp.Or[error](err, t.plan.unsureKey(reasonNoBound))
		}
		piece := chunker.Range{Lo: rest.Lo, Hi: hi}
		var own rowList
		if _, _, err := w.aside.readRange(ctx, t.plan, piece, 0, &own); err != nil {
			return err
		}
		w.judge(ctx, t, piece, &own, &w.newList)
		rest.Lo = hi
		list = &own
		if _, _, err := w.aside.readRange(ctx, t.plan, rest, 0, list); err != nil {
			return err
		}
	}
	if job.full {
		size.observe(job.list, max(job.took, time.Since(start)))
	}
	return nil
}

// judge turns two lists of a range into a chunk: proven at once if they agree, else on its way to the settler.
func (w *worker) judge(ctx context.Context, t *tableRun, r chunker.Range, old, new *rowList) {
	c := t.newChunk(r)
	c.counts = Counts{
		RowsOld: int64(old.len()), RowsNew: int64(new.len()), BytesOld: old.bytes, BytesNew: new.bytes,
	}
	t.compared(c)
	w.check.opt.Observer.Progress(t.plan.name, c.counts.RowsOld, c.counts.BytesOld+c.counts.BytesNew)
	if !old.equal(new) {
		var rows []rowSeen
		diff(old, new, func(kind Kind, key []byte) { rows = append(rows, rowSeen{append([]byte{}, key...), kind}) })
		w.check.settler.submit(ctx, c, rows, old.len()+new.len())
	}
	c.drop(ctx)
}

// share cuts the lane in two and gives the upper part away, if it is long enough for that to be worth a statement.
func (w *worker) share(ctx context.Context, l *lane, rows int) error {
	if l.rng.Lo == nil || rows < maxChunkRows/8 && l.table.plan.old.table.EstRows < maxChunkRows {
		return nil // the first chunk is not read yet, or the table is too small to share
	}
	hi := l.rng.Hi
	if hi == nil {
		last, err := w.lastKey(ctx, l.table)
		if err != nil || last == nil {
			return err
		}
		hi = last
	}
	cut, err := w.cut(ctx, l.table.plan, l.rng.Lo, hi)
	if err != nil || cut == nil {
		return err
	}
	l.table.hold()
	w.check.schedule.offer(&lane{table: l.table, rng: chunker.Range{Lo: cut, Hi: l.rng.Hi}})
	l.rng.Hi = cut
	return nil
}

// cut finds a bound between lo and hi. Where arithmetic cannot be sure of the server's order, the server confirms
// that rows lie on both sides of it.
func (w *worker) cut(ctx context.Context, p *tablePlan, lo, hi chunker.Bound) (chunker.Bound, error) {
	proposals, sure := chunker.Cuts(lo, hi)
	for _, cut := range proposals {
		if sure {
			return cut, nil
		}
		if ok, err := w.old.certain(ctx, p, cut); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		below, err := w.old.anyRow(ctx, p, chunker.Range{Lo: lo, Hi: cut})
		var above bool
		if err == nil && below {
			above, err = w.old.anyRow(ctx, p, chunker.Range{Lo: cut, Hi: hi})
		}
		if notInCharset(err) { // of hi, which is only near the lane's end
			continue
		}
		if err != nil {
			return nil, err
		}
		if below && above {
			return cut, nil
		}
	}
	return nil, nil
}

// lastKey returns the table's last key, read once.
func (w *worker) lastKey(ctx context.Context, t *tableRun) (chunker.Bound, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lastRead {
		return t.last, nil
	}
	last, err := w.old.lastKey(ctx, t.plan)
	if err != nil {
		return nil, fmt.Errorf("find the last key of %s: %w", t.plan.name, err)
	}
	t.last, t.lastRead = last, true
	return last, nil
}

// sharedSizer is a chunker.Sizer that a worker's two goroutines share.
type sharedSizer struct {
	mu sync.Mutex
	chunker.Sizer
}

func (s *sharedSizer) rows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Rows()
}

func (s *sharedSizer) shrink() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Shrink()
}

// observe learns from a compared chunk; long keys count against the memory of its lists.
func (s *sharedSizer) observe(l *rowList, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if perKey := len(l.arena) / l.len(); perKey > 0 {
		s.MaxRows = min(s.MaxRows, max(1, maxKeyBytes/perKey))
	}
	s.Observe(l.len(), l.bytes, took)
}
