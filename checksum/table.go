package checksum

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"crosscheck/checksum/plan"
	"crosscheck/checksum/prove"
	"crosscheck/chunker"
)

// tableRun is one table on its way: what its finished chunks add up to, and what is still missing.
type tableRun struct {
	check   *checker
	plan    *plan.Table
	started time.Time

	mu       sync.Mutex
	open     int // lanes and chunks that are not finished
	cover    chunker.Cover
	result   TableResult
	last     chunker.Bound // the table's last key when it was first asked for, to cut lanes by
	lastRead bool
	err      error
}

// chunkRun is one compared chunk, alive until all its suspect rows are settled.
type chunkRun struct {
	table  *tableRun
	rng    chunker.Range
	counts Counts

	mu          sync.Mutex
	pending     int // suspects not settled, and the walker while it is at it
	differences []Difference
	changed     map[string]bool // keys of changed rows, where two suspects may be one row
}

// newChunk begins a chunk of a table; drop ends the walker's part of it.
func (t *tableRun) newChunk(r chunker.Range) *chunkRun {
	t.hold()
	return &chunkRun{table: t, rng: r, pending: 1}
}

// expect adds n rows that must be settled before the chunk is.
func (c *chunkRun) expect(n int) {
	c.mu.Lock()
	c.pending += n
	c.mu.Unlock()
}

// drop ends what one suspect, or the walker, has to do with the chunk; the last one settles it.
func (c *chunkRun) drop(ctx context.Context) {
	c.mu.Lock()
	c.pending--
	done := c.pending == 0
	c.mu.Unlock()
	if done {
		c.settled(ctx)
	}
}

// suspects are rows of the chunk that the settler is to decide; see prove.Suspects. The chunk waits for them.
func (c *chunkRun) suspects(rows []prove.RowSeen, read int) prove.Suspects {
	c.expect(len(rows))
	return prove.Suspects{Plan: c.table.plan, Range: &c.rng, Rows: rows, Read: read, Owner: c}
}

// Same ends the way of a suspect of the chunk that was only in flight.
func (c *chunkRun) Same(ctx context.Context) { c.conclude(ctx, func() { c.counts.InFlight++ }) }

// Different ends the way of a suspect that is proven to differ.
func (c *chunkRun) Different(ctx context.Context, d Difference) {
	c.conclude(ctx, func() { c.count(d) })
}

// Undecided ends the way of a suspect that is given up.
func (c *chunkRun) Undecided(ctx context.Context, reason string) {
	c.table.because(reason)
	c.conclude(ctx, func() { c.counts.Undecided++ })
}

// conclude counts what became of a suspect; the last one ends the chunk's way.
func (c *chunkRun) conclude(ctx context.Context, count func()) {
	c.note(count)
	c.drop(ctx)
}

// note changes the chunk's numbers.
func (c *chunkRun) note(count func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count()
}

// hold keeps the table from finishing until release is called once.
func (t *tableRun) hold() {
	t.mu.Lock()
	t.open++
	t.mu.Unlock()
}

// release ends a hold; the last one finishes the table.
func (t *tableRun) release() {
	t.mu.Lock()
	t.open--
	done := t.open == 0
	t.mu.Unlock()
	if done {
		t.finish()
	}
}

// fail keeps the first reason why the table could not be compared to the end.
func (t *tableRun) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// ended reports whether the table is known not to be compared to its end.
func (t *tableRun) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err != nil
}

// compared takes in a chunk that both sides have been read for.
func (t *tableRun) compared(c *chunkRun) {
	t.check.firstChunk()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.result.FirstChunk == 0 {
		t.result.FirstChunk = time.Since(t.started)
	}
	t.cover.Add(c.rng)
}

// settled takes in a chunk whose rows are all decided or given up, and keeps in the journal what was proven.
func (c *chunkRun) settled(ctx context.Context) {
	t := c.table
	c.counts.Chunks = 1
	if c.counts.Undecided == 0 || len(c.differences) > 0 {
		done := ProvenChunk{Range: c.rng, Counts: c.counts, Differences: c.differences, At: time.Now()}
		if err := t.check.opt.Journal.Record(context.WithoutCancel(ctx), t.plan.Name, done); err != nil {
			t.check.abort(err)
		}
	}
	t.take(c.counts, c.differences)
	t.release()
}

// take adds a finished chunk's numbers and as many of its differences as samples are kept.
func (t *tableRun) take(counts Counts, differences []Difference) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Counts.Add(counts)
	for _, d := range differences {
		if len(t.result.Differences) >= t.check.opt.MaxDifferences {
			break
		}
		sample, err := d.Unpack()
		if err != nil { // it counts all the same, and is told by its key
			sample.Columns = nil
		}
		sample.OldRow, sample.NewRow = nil, nil
		t.result.Differences = append(t.result.Differences, sample)
	}
}

// because keeps the first reason for undecided rows.
func (t *tableRun) because(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.result.Reason == "" {
		t.result.Reason = reason
	}
}

// finish judges the table: the numbers, the proof that the chunks cover the key space, and what the schemas say. The
// last word has the confirmer.
func (t *tableRun) finish() {
	t.mu.Lock()
	r := &t.result
	r.Elapsed = time.Since(t.started)
	r.Verdict = r.Counts.Verdict()
	switch {
	case t.err != nil:
		r.Verdict = r.Verdict.And(Undecided)
		if r.Reason == "" {
			r.Reason = t.err.Error()
		}
	case t.plan.Method == plan.KeyChunks:
		if err := t.cover.Complete(); err != nil {
			r.Verdict = r.Verdict.And(Undecided)
			r.Reason = err.Error()
		}
	}
	if t.plan.Schema != "" {
		r.Verdict = Different
		r.Reason = t.check.label + strings.TrimPrefix(t.plan.Schema, "new")
	}
	if t.plan.Untold != "" {
		r.Verdict = r.Verdict.And(Undecided)
		if r.Reason == "" {
			r.Reason = t.plan.Untold
		}
	}
	if t.check.opt.Strict && len(r.Lossy) > 0 {
		r.Verdict = r.Verdict.And(Undecided)
		if r.Reason == "" {
			r.Reason = "compared through a conversion that loses information (--strict)"
		}
	}
	slices.SortStableFunc(r.Differences, func(a, b Difference) int { return compareKeys(a.Key, b.Key) })
	result := *r
	t.mu.Unlock()
	t.check.confirm.submit(unconfirmed{old: t.plan.Old.Table, new: t.plan.New.Table, plan: t.plan, result: result})
}

// compareKeys puts keys into the order in which a person looks for them: numbers by value, then
// text by its bytes.
func compareKeys(a, b []Field) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i].Value.Text, b[i].Value.Text
		fx, errX := strconv.ParseFloat(x, 64)
		fy, errY := strconv.ParseFloat(y, 64)
		c := 0
		switch {
		case errX == nil && errY == nil: // large numbers that a float does not tell apart differ in their digits
			c = cmp.Or(cmp.Compare(fx, fy), cmp.Compare(len(x), len(y)))
		case errX == nil:
			c = -1
		case errY == nil:
			c = 1
		}
		if c = cmp.Or(c, strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// count adds a difference. Two suspects whose keys differ in bytes but are equal to the server are one row.
func (c *chunkRun) count(d Difference) {
	if c.table.plan.TextKey {
		if d.Kind == Changed && c.countedBefore(d.Key) {
			return
		}
	}
	switch d.Kind {
	case Missing:
		c.counts.Missing += d.Count
	case Extra:
		c.counts.Extra += d.Count
	case Changed:
		c.counts.Changed += d.Count
	}
	c.differences = append(c.differences, d)
}

// countedBefore reports whether a changed row with this key was counted, and remembers it.
func (c *chunkRun) countedBefore(key []Field) bool {
	var b strings.Builder
	for _, f := range key {
		fmt.Fprintf(&b, "%d:%s", len(f.Value.Text), f.Value.Text)
	}
	if c.changed[b.String()] {
		return true
	}
	if c.changed == nil {
		c.changed = make(map[string]bool)
	}
	c.changed[b.String()] = true
	return false
}
