package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// frames draws frames over each other on a terminal. A frame is one write and erases only what it does not overwrite,
// which is why nothing flickers; the cursor stays below it, so a process that is killed leaves a usable terminal.
type frames struct {
	w             io.Writer
	terminal      func() (columns, lines int) // nil: not known
	last          []string                    // the frame on the screen
	width, height int
}

// size is that of the terminal, as large as any where it does not tell.
func (f *frames) size() (width, height int) {
	if f.terminal != nil {
		width, height = f.terminal()
	}
	if width <= 0 {
		width = 80
	}
	if height <= 0 {
		height = 24
	}
	return width, height
}

// draw writes lines above the frame, which stay, and the frame. It must be narrower and lower than the terminal.
func (f *frames) draw(above, frame []string) {
	width, height := f.size()
	resized := f.last != nil && (width != f.width || height != f.height)
	f.width, f.height = width, height
	if !resized && len(above) == 0 && slices.Equal(frame, f.last) {
		return
	}
	var b bytes.Buffer
	if resized { // the terminal has broken the old lines anew: nobody knows where they are now
		b.WriteString("\x1b[2J\x1b[H")
	} else {
		f.up(&b)
	}
	for _, l := range above {
		fmt.Fprintf(&b, "%s\x1b[K\n", strings.ReplaceAll(l, "\n", "\x1b[K\n"))
	}
	for _, l := range frame {
		fmt.Fprintf(&b, "%s\x1b[K\n", l)
	}
	b.WriteString("\x1b[J")
	f.last = frame
	f.w.Write(b.Bytes()) //nolint:errcheck // a closed terminal is no reason to stop
}

// up moves the cursor to the frame's first line.
func (f *frames) up(b *bytes.Buffer) {
	if n := len(f.last); n > 0 {
		fmt.Fprintf(b, "\r\x1b[%dA", n)
	}
}

// close takes the frame away.
func (f *frames) close() error {
	var b bytes.Buffer
	f.up(&b)
	// Line by line: some terminals take an erasure of the whole screen for a reason to keep it in their history.
	b.WriteString(strings.Repeat("\x1b[K\n", len(f.last)))
	f.up(&b)
	f.last = nil
	_, err := f.w.Write(b.Bytes())
	return err
}
