package report

import (
	"io"
	"strings"
	"sync"
	"time"

	"crosscheck/checksum"
	"crosscheck/internal/fault"
)

const (
	progressTick = 200 * time.Millisecond
	// plainEvery bounds the lines per table where nobody watches live: a log is read later.
	plainEvery = 5 * time.Second
	// maxQueued bounds what waits for a terminal that does not take it (stopped with Ctrl-S).
	maxQueued = 4096
	// closeWait bounds Close for the same reason; Ctrl-C must end within two seconds.
	closeWait = time.Second
)

// ProgressOptions say where progress is shown.
type ProgressOptions struct {
	Terminal bool // bars; otherwise plain lines
	Color    bool
}

// Progress shows how a check goes on: a bar per running table on a terminal, plain lines elsewhere. It also is an
// io.Writer for the log, whose lines then appear above the bars instead of between them. No method but Close ever
// waits for the output, so a stopped terminal cannot stop the check.
type Progress struct {
	meters sync.Map // table name → *meter

	mu      sync.Mutex
	queue   []progressEvent
	dropped int
	closed  bool

	patience time.Duration // of Close, for a blocked output
	quit     chan struct{}
	done     chan struct{}
}

var _ checksum.Observer = (*Progress)(nil)

// progressEvent is a table's start (meter only), its end (both), or a line of text.
type progressEvent struct {
	meter  *meter
	result *checksum.TableResult
	line   string
	at     time.Time
}

// progressView draws. Its methods are called from one goroutine.
type progressView interface {
	start(m *meter)
	finish(m *meter, r *Table, at time.Time) // m is nil for a table that never started
	line(text string)
	tick(now time.Time)
	close()
}

// NewProgress shows progress on w until Close.
func NewProgress(w io.Writer, o ProgressOptions) *Progress {
	var view progressView
	if o.Terminal {
		view = newBarView(w, newPaint(o.Color), time.Now())
	} else {
		view = newLineView(w, time.Now(), plainEvery)
	}
	return showProgress(view, closeWait)
}

func showProgress(view progressView, patience time.Duration) *Progress {
	p := &Progress{patience: patience, quit: make(chan struct{}), done: make(chan struct{})}
	go p.run(view)
	return p
}

// TableStarted implements checksum.Observer.
func (p *Progress) TableStarted(table string, estimatedRows, resumedRows int64) {
	m := newMeter(table, estimatedRows, resumedRows, time.Now())
	p.meters.Store(table, m)
	p.push(progressEvent{meter: m})
}

// Progress implements checksum.Observer.
func (p *Progress) Progress(table string, rows, _ int64) {
	if m, ok := p.meters.Load(table); ok {
		m.(*meter).add(rows)
	}
}

// TableDone implements checksum.Observer. A table that never started, such as one that exists on one side only, is
// shown too.
func (p *Progress) TableDone(r checksum.TableResult) {
	r.Differences = nil // may be large, and are not shown here
	var m *meter
	if v, ok := p.meters.LoadAndDelete(r.Table); ok {
		m = v.(*meter)
	}
	p.push(progressEvent{meter: m, result: &r})
}

// Notice implements checksum.Observer.
func (p *Progress) Notice(text string) { p.push(progressEvent{line: "note: " + visible(text)}) }

// Write shows whole lines, such as those of a log, above the bars. Escape sequences in them are kept: the caller
// decides about the color of its log. It never fails; lines written after Close are lost.
func (p *Progress) Write(text []byte) (int, error) {
	p.push(progressEvent{line: strings.TrimSuffix(string(text), "\n")})
	return len(text), nil
}

// Close draws what is still waiting, removes the bars and ends the display; calling it again does nothing. It waits
// for a blocked output only shortly.
func (p *Progress) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.quit)
	}
	p.mu.Unlock()
	timeout := time.NewTimer(p.patience)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
	}
}

func (p *Progress) push(e progressEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.at = time.Now()
	switch {
	case p.closed:
	case len(p.queue) >= maxQueued && e.result == nil && e.meter == nil:
		p.dropped++
	default:
		p.queue = append(p.queue, e)
	}
}

func (p *Progress) take() (events []progressEvent, dropped int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	events, dropped = p.queue, p.dropped
	p.queue, p.dropped = nil, 0
	return events, dropped
}

func (p *Progress) run(view progressView) {
	defer fault.Guard()
	defer close(p.done)
	ticker := time.NewTicker(progressTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.draw(view)
			now := time.Now()
			p.meters.Range(func(_, m any) bool {
				m.(*meter).tick(now)
				return true
			})
			view.tick(now)
		case <-p.quit:
			p.draw(view)
			view.close()
			return
		}
	}
}

func (p *Progress) draw(view progressView) {
	events, dropped := p.take()
	for _, e := range events {
		switch {
		case e.result != nil:
			t := newTable(e.result.Table, Pair(checksum.Result{}), []*checksum.TableResult{e.result}, Options{})
			view.finish(e.meter, &t, e.at)
		case e.meter != nil:
			view.start(e.meter)
		default:
			view.line(e.line)
		}
	}
	if dropped > 0 {
		view.line(plural(int64(dropped), "line") + " lost: the terminal did not take them in time")
	}
}

// finished says of a table that ended what the final report will say, with the time it took.
func finished(t *Table) string {
	var b strings.Builder
	b.WriteString(visible(t.Table))
	if n := max(t.RowsOld, t.RowsNew); n > 0 {
		b.WriteString("  " + plural(n, "row") + " in " + duration(t.ElapsedSeconds))
	}
	b.WriteString("  " + t.outcome())
	if t.Reason != "" {
		b.WriteString(" (" + visible(t.Reason) + ")")
	}
	return b.String()
}
