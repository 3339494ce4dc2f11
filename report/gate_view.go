package report

import (
	"bytes"
	"io"
	"strings"
)

// MinGatesWidth is how many columns a terminal must have for a GatesView.
const MinGatesWidth = minWidth + 1

// GatesView shows on a terminal how gates stand, again and again.
type GatesView struct {
	frames
	color bool
}

// NewGatesView draws on w, a terminal of this size.
func NewGatesView(w io.Writer, color bool, size func() (columns, lines int)) *GatesView {
	return &GatesView{frames: frames{w: w, terminal: size}, color: color}
}

// Show draws the gates below a line that says what is waited for.
func (v *GatesView) Show(title string, doc GatesDocument) {
	width, height := v.size()
	var b bytes.Buffer
	t := &gatesTerminal{terminal: terminal{w: &b, paint: newPaint(v.color), width: max(width-1, minWidth)}, doc: &doc}
	t.line(t.paint.in(t.paint.bold, shorten(title, t.width)))
	t.line("")
	t.gates()
	for i := range doc.Gates {
		t.nodes(&doc.Gates[i])
		t.reasons(&doc.Gates[i], i)
	}
	for _, n := range doc.Notes {
		t.wrapped("  · ", t.paint.dim, n)
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if room := max(height-1, 1); len(lines) > room {
		lines = append(lines[:room-1], t.paint.in(t.paint.dim, "…"))
	}
	v.draw(nil, lines)
}

// Close takes the picture away.
func (v *GatesView) Close() error { return v.close() }
