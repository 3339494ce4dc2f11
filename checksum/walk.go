package checksum

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/prove"
	"crosscheck/checksum/read"
	"crosscheck/chunker"
	"crosscheck/internal/fault"
)

// Lists of the reference that a worker has for one copy, and for several: so many chunks a slow one may be behind.
const (
	listsForOne  = 2
	listsForMany = 4
)

// Sizes of a chunk. maxKeyBytes bounds the memory of long keys, maxChunkBytes what a statement reads when rows are large;
// for the number of rows see read.MaxChunkRows.
const (
	maxKeyBytes   = 1 << 20
	maxChunkBytes = 64 << 20
	chunkTarget   = 300 * time.Millisecond
)

// worker walks lanes: one goroutine reads the reference, a chunk ahead of those that read a copy each and compare.
type worker struct {
	pass  *pass
	old   *read.Session
	lists chan *read.List
	made  int
	sides map[*checker]*copyWorker
}

// copyWorker is a worker's part of one copy.
type copyWorker struct {
	check    *checker
	old, new *read.Session
	aside    *read.Session // old again, for the rare chunk that new holds far more rows of
	newList  read.List
}

func (p *pass) newWorker() *worker {
	w := &worker{pass: p, old: p.session(), lists: make(chan *read.List, listsForMany), sides: map[*checker]*copyWorker{}}
	w.want(listsForOne)
	return w
}

// want makes lists until there are n.
func (w *worker) want(n int) {
	for ; w.made < n; w.made++ {
		w.lists <- &read.List{}
	}
}

// side returns the worker's part of a copy.
func (w *worker) side(c *checker) *copyWorker {
	s := w.sides[c]
	if s == nil {
		s = &copyWorker{check: c, old: w.old, new: c.session(true), aside: c.session(false)}
		w.sides[c] = s
	}
	return s
}

func (w *worker) close() {
	w.old.Close()
	for _, s := range w.sides {
		s.new.Close()
		s.aside.Close()
	}
}

// walkAny compares a lane by its table's method.
func (w *worker) walkAny(ctx context.Context, l *lane) {
	var open []*tableRun // else the other lanes of a table would wait for the same lock, one after the other
	for _, t := range l.tables {
		switch {
		case t.check.ctx.Err() != nil:
			t.fail(errInterrupted)
		case !t.ended():
			open = append(open, t)
		}
	}
	switch {
	case len(open) == 0:
	case open[0].plan.Method == plan.KeyChunks:
		w.walk(ctx, l, open)
	default:
		t := open[0]
		if err := w.side(t.check).bucket(t.check.ctx, t); err != nil {
			t.failed(err)
		}
	}
}

// walk compares one lane to its end with those copies that keep up; what the others have not compared of it becomes lanes
// of their own.
func (w *worker) walk(ctx context.Context, l *lane, tables []*tableRun) {
	size := &sharedSizer{Sizer: chunker.Sizer{
		Target: chunkTarget, MaxRows: w.old.AtMost(read.MaxChunkRows), MaxBytes: maxChunkBytes,
	}}
	if len(tables) > 1 {
		w.want(listsForMany)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	fs := w.newFeeds(l, tables, stop)
	done := make(chan struct{})
	go func() {
		defer fault.Guard()
		defer close(done)
		fs.run()
	}()
	err := w.readOld(ctx, l, size, fs)
	fs.close()
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-time.After(stallLook):
			fs.leaveBehind()
		}
	}
	switch {
	case err == nil, w.pass.ctx.Err() == nil && (ctx.Err() != nil || !fs.any()): // nobody was left to read for
	default:
		w.pass.failed(tables, err)
	}
	fs.later(l)
}

// readOld cuts the lane into chunks by reading the reference, and hands them on.
func (w *worker) readOld(ctx context.Context, l *lane, size *sharedSizer, fs *feeds) error {
	p := fs.list[0].table.plan
	for fs.any() {
		if err := w.ready(ctx, fs); err != nil {
			return err
		}
		if w.pass.schedule.wanted() {
			if err := w.share(ctx, l, size.rows()); err != nil {
				return err
			}
		}
		list, err := w.list(ctx, fs)
		if err != nil {
			return err
		}
		start := time.Now()
		hi, full, err := w.old.ReadRange(ctx, p, l.rng, size.rows(), list)
		if err != nil {
			w.lists <- list
			if errors.Is(err, read.ErrTimeLimit) && size.shrink() {
				continue
			}
			return err
		}
		fs.rejoin(l.rng.Lo)
		fs.hand(&chunkJob{
			rng: chunker.Range{Lo: l.rng.Lo, Hi: hi}, list: list, took: time.Since(start), full: full,
			size: size, lists: w.lists,
		})
		if !full {
			fs.read = true
			return nil
		}
		if bytes.Equal(hi.Encode(), l.rng.Lo.Encode()) {
			return p.UnsureKey(plan.ReasonNoBound)
		}
		l.rng.Lo = hi
	}
	return nil
}

// ready waits until the reference, and a copy that is walked alone, are not too busy.
func (w *worker) ready(ctx context.Context, fs *feeds) error {
	if err := w.pass.throttle.ready(ctx); err != nil {
		return err
	}
	if len(fs.list) == 1 {
		t := fs.list[0].table
		if err := t.check.ready(ctx); err != nil {
			if t.check.ctx.Err() == nil {
				fs.list[0].fail(err)
			}
			return err
		}
	}
	return nil
}

// list waits for a list that no copy needs any more.
func (w *worker) list(ctx context.Context, fs *feeds) (*read.List, error) {
	select {
	case list := <-w.lists:
		return list, nil
	default:
	}
	for {
		select {
		case list := <-w.lists:
			return list, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(stallLook):
			fs.leaveBehind()
		}
	}
}

// compare reads the copy for a chunk and judges it. If the copy holds so many more rows than the reference that their keys
// would not fit into memory, the chunk is compared in pieces that end where the copy's rows fill a list. With an error it
// returns where the part begins that was not compared.
func (w *copyWorker) compare(ctx context.Context, t *tableRun, job *chunkJob) (chunker.Bound, error) {
	rest, list := job.rng, job.list
	if ok, err := w.new.Certain(ctx, t.plan, job.rng.Hi); err != nil || !ok {
		return rest.Lo, cmp.Or[error](err, t.plan.UnsureKey(plan.ReasonNoBound))
	}
	limit := 2*job.list.Len() + read.MaxChunkRows
	for {
		hi, full, err := w.new.ReadRange(ctx, t.plan, rest, limit, &w.newList)
		if err != nil {
			return rest.Lo, err
		}
		if !full {
			return rest.Lo, w.judge(ctx, t, rest, list, &w.newList)
		}
		if ok, err := w.aside.Certain(ctx, t.plan, hi); err != nil || !ok {
			return rest.Lo, cmp.Or[error](err, t.plan.UnsureKey(plan.ReasonNoBound))
		}
		piece := chunker.Range{Lo: rest.Lo, Hi: hi}
		var own read.List
		if _, _, err := w.aside.ReadRange(ctx, t.plan, piece, 0, &own); err != nil {
			return rest.Lo, err
		}
		if err := w.judge(ctx, t, piece, &own, &w.newList); err != nil {
			return rest.Lo, err
		}
		rest.Lo = hi
		list = &own
		if _, _, err := w.aside.ReadRange(ctx, t.plan, rest, 0, list); err != nil {
			return rest.Lo, err
		}
	}
}

// judge turns two lists of a range into a chunk: proven at once if they agree, else on its way to the settler. It returns
// an error, and makes no chunk, if the copy left the others before there was room for the rows that differ.
func (w *copyWorker) judge(ctx context.Context, t *tableRun, r chunker.Range, old, new *read.List) error {
	var rows []prove.RowSeen
	var full error
	if !old.Equal(new) {
		compareLists(old, new, func(kind Kind, key []byte) { rows = append(rows, prove.RowSeen{Key: slices.Clone(key), Kind: kind}) })
		if full = w.check.settler.Reserve(ctx, len(rows)); full != nil && w.check.ctx.Err() == nil {
			return full
		}
	}
	ctx = w.check.ctx
	c := t.newChunk(r)
	c.counts = Counts{
		RowsOld: int64(old.Len()), RowsNew: int64(new.Len()), BytesOld: old.Bytes, BytesNew: new.Bytes,
	}
	t.compared(c)
	w.check.opt.Observer.Progress(t.plan.Name, c.counts.RowsOld, c.counts.BytesOld+c.counts.BytesNew)
	if len(rows) > 0 {
		w.check.settler.Take(ctx, c.suspects(rows, old.Len()+new.Len()), full)
	}
	c.drop(ctx)
	return nil
}

// share cuts the lane in two and gives the upper part away, if it is long enough for that to be worth a statement.
func (w *worker) share(ctx context.Context, l *lane, rows int) error {
	lead := l.tables[0]
	if l.rng.Lo == nil || rows < read.MaxChunkRows/8 && lead.plan.Old.Table.EstRows < read.MaxChunkRows {
		return nil // the first chunk is not read yet, or the table is too small to share
	}
	hi := l.rng.Hi
	if hi == nil {
		last, err := w.lastKey(ctx, lead)
		if err != nil || last == nil {
			return err
		}
		hi = last
	}
	cut, err := w.cut(ctx, lead.plan, l.rng.Lo, hi)
	if err != nil || cut == nil {
		return err
	}
	w.pass.schedule.offer(newLane(l.tables, chunker.Range{Lo: cut, Hi: l.rng.Hi}))
	l.rng.Hi = cut
	return nil
}

// cut finds a bound between lo and hi. Where arithmetic cannot be sure of the server's order, the server confirms
// that rows lie on both sides of it.
func (w *worker) cut(ctx context.Context, p *plan.Table, lo, hi chunker.Bound) (chunker.Bound, error) {
	proposals, sure := chunker.Cuts(lo, hi)
	for _, cut := range proposals {
		if sure {
			return cut, nil
		}
		if ok, err := w.old.Certain(ctx, p, cut); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		below, err := w.old.AnyRow(ctx, p, chunker.Range{Lo: lo, Hi: cut})
		var above bool
		if err == nil && below {
			above, err = w.old.AnyRow(ctx, p, chunker.Range{Lo: cut, Hi: hi})
		}
		if read.NotInCharset(err) { // of hi, which is only near the lane's end
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
	last, err := w.old.LastKey(ctx, t.plan)
	if err != nil {
		return nil, fmt.Errorf("find the last key of %s: %w", t.plan.Name, err)
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
func (s *sharedSizer) observe(l *read.List, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if perKey := l.KeyBytes() / l.Len(); perKey > 0 {
		s.MaxRows = min(s.MaxRows, max(1, maxKeyBytes/perKey))
	}
	s.Observe(l.Len(), l.Bytes, took)
}
