package report

import (
	"fmt"
	"io"
	"time"
)

// lineView writes plain lines, each with the time since the start of the run.
type lineView struct {
	w       io.Writer
	begun   time.Time
	every   time.Duration
	running []*lineTable // in the order they started
}

type lineTable struct {
	*meter
	last time.Time
}

func newLineView(w io.Writer, now time.Time, every time.Duration) *lineView {
	return &lineView{w: w, begun: now, every: every}
}

// write drops errors: a closed stderr is no reason to stop a check.
func (v *lineView) write(now time.Time, text string) {
	fmt.Fprintf(v.w, "[%s] %s\n", duration(now.Sub(v.begun).Seconds()), text)
}

func (v *lineView) line(text string) { fmt.Fprintln(v.w, text) }

func (v *lineView) start(m *meter) {
	text := visible(m.table) + "  started"
	if m.estimate > 0 {
		text += ", about " + plural(m.estimate, "row")
	}
	if m.resumed > 0 {
		text += ", " + number(m.resumed) + " proven by an earlier run"
	}
	v.write(m.started, text)
	v.running = append(v.running, &lineTable{meter: m, last: m.started})
}

func (v *lineView) finish(m *meter, r *Table, at time.Time) {
	for i, t := range v.running {
		if t.meter == m {
			v.running = append(v.running[:i], v.running[i+1:]...)
			break
		}
	}
	v.write(at, mark(r.Verdict)+" "+finished(r))
}

func (v *lineView) tick(now time.Time) {
	for _, t := range v.running {
		if now.Sub(t.last) < v.every {
			continue
		}
		t.last = now
		r := t.read()
		text := visible(t.table) + "  " + plural(r.rows, "row")
		if r.percent >= 0 {
			text += fmt.Sprintf(" (%d %%)", r.percent)
		}
		text += ", " + number(r.speed) + " rows/s"
		if r.left > 0 {
			text += ", about " + roughly(r.left) + " left"
		}
		v.write(now, text)
	}
}

func (v *lineView) close() {}

// roughly writes a time left without digits that nobody can know.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds())+1)
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
}
