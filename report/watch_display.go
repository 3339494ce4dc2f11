package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"crosscheck/conflict/watch"
)

// liveDisplay shows a watch on a terminal.
type liveDisplay struct {
	frames
	options WatchOptions
	begun   time.Time
	recent  []WatchFinding
	above   []string // lines to be written above the frame
}

func newLiveDisplay(w io.Writer, o WatchOptions, now time.Time) *liveDisplay {
	return &liveDisplay{frames: frames{w: w, terminal: o.Size}, options: o, begun: now}
}

func (d *liveDisplay) event(e watchEvent) {
	if e.finding == nil {
		d.above = append(d.above, e.text)
		return
	}
	d.recent = append(d.recent, *e.finding)
	if n := len(d.recent) - recentKept; n > 0 {
		d.recent = slices.Delete(d.recent, 0, n)
	}
}

func (d *liveDisplay) tick(now time.Time, sum *WatchSummary) {
	width, height := d.size()
	screen := watchScreen{
		paint: newPaint(d.options.Color), width: width, height: height, now: now, begun: d.begun, sum: sum, recent: d.recent,
	}
	d.draw(d.above, screen.frame())
	d.above = nil
}

// plainDisplay writes plain lines, each with its time: per finding, per trouble that comes or goes, and once a minute,
// or when the verdict changes, about the whole.
type plainDisplay struct {
	w        io.Writer
	now      time.Time
	reported time.Time // of the last status line; zero before the first
	verdict  watch.Verdict
	troubles map[string]string // side and id → detail
}

// verdictEvery bounds the lines of a verdict that goes to and fro.
const verdictEvery = 5 * time.Second

func newPlainDisplay(w io.Writer, now time.Time) *plainDisplay {
	return &plainDisplay{w: w, now: now, troubles: map[string]string{}}
}

// line drops errors: a closed stderr is no reason to stop a watch.
func (d *plainDisplay) line(at time.Time, text string) {
	fmt.Fprintf(d.w, "%s  %s\n", at.UTC().Format("2006-01-02 15:04:05Z"), text)
}

func (d *plainDisplay) event(e watchEvent) {
	if e.finding == nil {
		fmt.Fprintln(d.w, e.text)
		return
	}
	at := d.now
	if e.finding.Found != nil {
		at = *e.finding.Found
	}
	d.line(at, e.finding.line())
}

func (d *plainDisplay) tick(now time.Time, sum *WatchSummary) {
	d.now = now
	if sum == nil {
		return
	}
	d.health(now, sum)
	age := now.Sub(d.reported)
	if d.reported.IsZero() || age >= statusEvery || sum.Verdict != d.verdict && age >= verdictEvery {
		d.reported, d.verdict = now, sum.Verdict
		d.line(now, sum.line())
	}
}

func (d *plainDisplay) health(now time.Time, sum *WatchSummary) {
	seen := map[string]string{}
	for _, t := range sum.Health {
		id := t.Side + " " + t.ID
		seen[id] = t.Detail
		if _, known := d.troubles[id]; known {
			continue
		}
		text := "! " + id + ": " + t.Detail
		if t.Advice != "" {
			text += " → " + t.Advice
		}
		d.line(now, visible(text))
	}
	for _, id := range slices.Sorted(maps.Keys(d.troubles)) {
		if _, still := seen[id]; !still {
			d.line(now, visible("✓ "+id+" is over"))
		}
	}
	d.troubles = seen
}

func (d *plainDisplay) close() error { return nil }

// line is a finding as one line without its time.
func (f *WatchFinding) line() string {
	sign := "✗"
	if f.Benign {
		sign = "="
	}
	parts := []string{sign + " " + f.Kind.String()}
	if f.Table != "" {
		parts = append(parts, visible(f.Table))
	}
	parts = append(parts, shorten(f.subject(), 120))
	for _, side := range []struct {
		name string
		act  *WatchAct
	}{{"old", f.Old}, {"new", f.New}} {
		if side.act != nil {
			parts = append(parts, "· "+side.name+" "+visible(side.act.place()))
		}
	}
	if f.Advice != "" && !f.Benign {
		parts = append(parts, "→ "+visible(f.Advice))
	}
	return strings.Join(parts, " ")
}

// place says what a side did and where it stands.
func (a *WatchAct) place() string {
	s := strings.TrimSpace(a.Op + " at " + orElse(a.Position, orElse(a.GTID, "a place not known")))
	if a.Thread != 0 {
		s += fmt.Sprintf(" by thread %d", a.Thread)
	}
	return s
}

// line is the status as one line without its time.
func (d *WatchSummary) line() string {
	v := same(d.Verdict)
	parts := []string{mark(v) + " " + d.Summary(), plural(int64(d.Total), "finding")}
	if d.Verdict == watch.Failed {
		parts = parts[:1] // says it
	}
	for _, side := range []struct {
		name string
		WatchSide
	}{{"old", d.Old}, {"new", d.New}} {
		text := side.name + " " + rateOf(side.ChangesPerSecond) + " rows/s"
		if side.Reading {
			text += fmt.Sprintf(", lag %.1f s", side.LagSeconds)
		} else {
			text += ", not reading"
		}
		parts = append(parts, text)
	}
	return visible(strings.Join(parts, " · "))
}
