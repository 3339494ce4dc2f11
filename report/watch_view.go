package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/internal/fault"
)

const (
	watchFrame  = 500 * time.Millisecond
	watchDrain  = 100 * time.Millisecond
	statusEvery = time.Minute // between status lines where nobody watches live
	// maxQueuedJSON bounds the lines that wait for a reader that does not take them. They are in the ledger anyway.
	maxQueuedJSON = 64 << 20
	recentKept    = 100
)

// WatchOptions say where and how a watch is shown.
type WatchOptions struct {
	// JSON writes a line of JSON per finding, and one when a trouble begins or ends, and nothing else; the rest does not matter then but ShowValues.
	JSON bool
	// ShowValues puts row values into the JSON lines.
	ShowValues bool
	// Terminal draws a live view in place; otherwise there is a plain line per finding and one a minute with the status.
	Terminal bool
	Color    bool
	// Size tells the terminal's columns and lines; it is asked before each frame. Nil, and zeros, mean 80 × 24.
	Size func() (width, height int)
}

// WatchView shows how a watch goes on. It also is an io.Writer for the log, whose lines then appear above the live view
// instead of in the middle of it. No method but Close ever waits for the output, so a stopped terminal, or a reader that
// takes nothing, cannot stop the watch.
type WatchView struct {
	options  WatchOptions
	maxBytes int           // of JSON lines that wait
	patience time.Duration // of Close, for a blocked output

	mu      sync.Mutex
	events  []watchEvent
	bytes   int // of the JSON lines among them
	dropped int // lines that did not find room
	lost    int // findings among them, in all
	status  *watch.Status
	closed  bool
	failed  error // the first of the output

	quit, done chan struct{}
}

var (
	_ watch.Observer = (*WatchView)(nil)
	_ io.Writer      = (*WatchView)(nil)
)

// watchEvent is one of a finding, a line of text and an encoded line.
type watchEvent struct {
	finding *WatchFinding
	text    string
	encoded []byte
}

// watchDisplay draws. Its methods are called from one goroutine.
type watchDisplay interface {
	event(e watchEvent)
	tick(now time.Time, status *WatchSummary) // status is nil before there is one
	close() error                             // returns the first error of the output
}

// NewWatchView shows a watch on w until Close.
func NewWatchView(w io.Writer, o WatchOptions) *WatchView {
	v := &WatchView{
		options: o, maxBytes: maxQueuedJSON, patience: closeWait, quit: make(chan struct{}), done: make(chan struct{}),
	}
	now := time.Now()
	switch {
	case o.JSON:
		go v.run(&jsonDisplay{w: w}, watchDrain)
	case o.Terminal:
		go v.run(newLiveDisplay(w, o, now), watchFrame)
	default:
		go v.run(newPlainDisplay(w, now), watchDrain)
	}
	return v
}

// Found implements watch.Observer.
func (v *WatchView) Found(f conflict.Finding) {
	doc := NewWatchFinding(f, time.Now(), Options{ShowValues: v.options.ShowValues})
	if !v.options.JSON {
		doc.Old, doc.New = withoutImages(doc.Old), withoutImages(doc.New) // may be large, and are not shown here
		v.push(watchEvent{finding: &doc})
		return
	}
	line, err := jsonLine(doc)
	if err == nil {
		v.push(watchEvent{encoded: line})
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lost++
	v.failed = firstError(v.failed, err)
}

func withoutImages(a *WatchAct) *WatchAct {
	if a != nil {
		a.Before, a.After = nil, nil
	}
	return a
}

// Status implements watch.Observer.
func (v *WatchView) Status(s watch.Status) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.status = &s
}

// Notice implements watch.Observer. JSON has no place for it.
func (v *WatchView) Notice(text string) {
	if !v.options.JSON {
		v.push(watchEvent{text: "note: " + visible(text)})
	}
}

// Write shows whole lines, such as those of a log, above the live view. Escape sequences in them are kept: the caller
// decides about the color of its log. It never fails; lines written after Close are lost, and with JSON, whose output is
// for machines, all are.
func (v *WatchView) Write(text []byte) (int, error) {
	if !v.options.JSON {
		v.push(watchEvent{text: strings.TrimSuffix(string(text), "\n")})
	}
	return len(text), nil
}

func (v *WatchView) push(e watchEvent) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.closed:
		return
	case e.encoded != nil && v.bytes+len(e.encoded) <= v.maxBytes, e.encoded == nil && len(v.events) < maxQueued:
		v.bytes += len(e.encoded)
		v.events = append(v.events, e)
		return
	}
	v.dropped++
	if e.text == "" {
		v.lost++
	}
}

// Close draws what is still waiting, removes the live view and ends the display; calling it again does nothing more. It
// waits for a blocked output only shortly. The error is the first of the output: with JSON, findings were not written.
func (v *WatchView) Close() error {
	v.mu.Lock()
	if !v.closed {
		v.closed = true
		close(v.quit)
	}
	v.mu.Unlock()
	timeout := time.NewTimer(v.patience)
	defer timeout.Stop()
	blocked := false
	select {
	case <-v.done:
	case <-timeout.C:
		blocked = true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case !v.options.JSON:
		return nil // a closed terminal is no reason to call a watch failed
	case v.failed != nil:
		return fmt.Errorf("write findings: %w", v.failed)
	case blocked:
		return fmt.Errorf("write findings: the reader did not take them within %v", v.patience)
	case v.lost > 0:
		return fmt.Errorf("write findings: %d were not taken in time; they are in the ledger", v.lost)
	}
	return nil
}

// Lost is how many findings were not written because the output did not take them in time.
func (v *WatchView) Lost() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lost
}

func (v *WatchView) run(display watchDisplay, every time.Duration) {
	defer fault.Guard()
	defer close(v.done)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			v.draw(display)
		case <-v.quit:
			v.draw(display)
			err := display.close()
			v.mu.Lock()
			v.failed = firstError(v.failed, err)
			v.mu.Unlock()
			return
		}
	}
}

func (v *WatchView) draw(display watchDisplay) {
	v.mu.Lock()
	events, dropped, status := v.events, v.dropped, v.status
	v.events, v.bytes, v.dropped = nil, 0, 0
	v.mu.Unlock()
	for _, e := range events {
		display.event(e)
	}
	if dropped > 0 && !v.options.JSON {
		display.event(watchEvent{text: plural(int64(dropped), "line") + " lost: the terminal did not take them in time"})
	}
	var sum *WatchSummary
	if status != nil {
		d := NewWatchSummary(*status, nil)
		sum = &d
	}
	display.tick(time.Now(), sum)
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// jsonDisplay writes encoded lines, and one for each trouble that begins or ends.
type jsonDisplay struct {
	w     io.Writer
	err   error
	known map[string]WatchTroubleLine
}

func (d *jsonDisplay) event(e watchEvent) { d.write(e.encoded) }

func (d *jsonDisplay) write(line []byte) {
	if d.err == nil && len(line) > 0 {
		_, d.err = d.w.Write(line)
	}
}

func (d *jsonDisplay) tick(now time.Time, sum *WatchSummary) {
	if sum == nil {
		return
	}
	seen := make(map[string]WatchTroubleLine, len(sum.Health))
	for _, t := range sum.Health {
		line := WatchTroubleLine{
			Schema: WatchTroubleSchema, Kind: t.ID, State: "begins", At: now.UTC(), Side: t.Side, Detail: t.Detail, Advice: t.Advice,
		}
		id := t.Side + " " + t.ID
		if _, ok := d.known[id]; !ok {
			d.trouble(line)
		}
		seen[id] = line
	}
	for _, id := range slices.Sorted(maps.Keys(d.known)) {
		if _, ok := seen[id]; !ok {
			line := d.known[id]
			line.State, line.At, line.Advice = "ends", now.UTC(), ""
			d.trouble(line)
		}
	}
	d.known = seen
}

func (d *jsonDisplay) trouble(t WatchTroubleLine) {
	line, err := jsonLine(t)
	d.err = firstError(d.err, err)
	d.write(line)
}

func (d *jsonDisplay) close() error { return d.err }
