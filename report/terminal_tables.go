package report

import (
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"crosscheck/checksum"
)

const (
	gap          = 2      // cells between columns
	minRated     = 10_000 // rows: over fewer, a speed is that of starting and settling
	minNameWidth = 16     // a narrower column breaks names too often; other columns give way first
)

// column is one column of the table list: plain cells, and how each is painted.
type column struct {
	head  []string // lines
	cells []string
	style func(i int) string
	left  bool
	quiet bool // holds zeros only: the first to go where room is short
}

func (c *column) width() int {
	w := 0
	for _, s := range append(append([]string{}, c.head...), c.cells...) {
		w = max(w, width(s))
	}
	return w
}

// tables writes the list of tables with a line of totals.
func (t *terminal) tables() {
	columns := t.columns()
	room := t.width - 2
	for i := range columns[1:] {
		room -= columns[i+1].width() + gap
	}
	if room < columns[0].width() {
		t.breakNames(&columns[0], max(room, 8))
	}
	t.listed(columns, len(t.doc.Tables))
}

// ruledTable has a rule below its header and above its footer, and no other lines.
func ruledTable(w io.Writer, aligns []tw.Align) *tablewriter.Table {
	return tablewriter.NewTable(w,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off},
			Symbols: tw.NewSymbolCustom("rule").WithRow("─").WithCenter("─").WithHeaderMid("─").WithMidLeft("─").WithMidRight("─"),
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.On, ShowFooterLine: tw.On},
			},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone), tablewriter.WithFooterAutoWrap(tw.WrapNone),
		tablewriter.WithFooterAutoFormat(tw.Off),
		tablewriter.WithAlignment(aligns), tablewriter.WithTrimSpace(tw.Off),
	)
}

func (t *terminal) keep(err error) {
	if t.err == nil {
		t.err = err
	}
}

func row(columns []column, i int, p paint) []string {
	out := make([]string, len(columns))
	for c := range columns {
		lines := strings.Split(columns[c].cells[i], "\n")
		for l := range lines {
			lines[l] = p.in(columns[c].style(i), lines[l])
		}
		out[c] = strings.Join(lines, "\n")
	}
	return out
}

// columns builds all columns and drops those that say least until the rest fits beside a name of usable width.
func (t *terminal) columns() []column {
	rows := t.doc.Tables
	if len(rows) > 1 { // the totals
		rows = append(append([]Table{}, rows...), *t.doc.total())
	}
	none := func(int) string { return "" }
	names := column{head: []string{"Table"}, left: true, style: none}
	read := column{head: []string{"Rows"}, style: none}
	speed := column{head: []string{"Rows/s"}, style: func(int) string { return t.paint.dim }}
	verdicts := column{head: []string{"Verdict"}, left: true, style: func(i int) string { return t.paint.verdict(rows[i].Verdict) }}
	marks := column{head: []string{""}, left: true, style: verdicts.style} // says the same in one sign
	fast := false
	for _, r := range rows {
		names.cells = append(names.cells, visible(r.Table))
		read.cells = append(read.cells, r.read(max(r.RowsOld, r.RowsNew)))
		if max(r.RowsOld, r.RowsNew) < minRated {
			r.RowsPerSecond = 0
		}
		speed.cells = append(speed.cells, rate(r.RowsPerSecond))
		fast = fast || r.RowsPerSecond > 0
		verdicts.cells = append(verdicts.cells, mark(r.Verdict)+" "+r.Verdict.String())
		marks.cells = append(marks.cells, mark(r.Verdict))
	}
	missing := t.counts(rows, "Missing", t.paint.red, func(c checksum.Counts) int64 { return c.Missing })
	extra := t.counts(rows, "Extra", t.paint.red, func(c checksum.Counts) int64 { return c.Extra })
	changed := t.counts(rows, "Changed", t.paint.red, func(c checksum.Counts) int64 { return c.Changed })
	undecided := t.counts(rows, "Un-\ndecided", t.paint.yellow, func(c checksum.Counts) int64 { return c.Undecided })
	flight := t.counts(rows, "In\nflight", t.paint.dim, func(c checksum.Counts) int64 { return c.InFlight })

	build := func(withSpeed, withFlight, withUndecided bool) []column {
		out := []column{names, read, missing, extra, changed}
		if withUndecided {
			out = append(out, undecided)
		}
		if withFlight {
			out = append(out, flight)
		}
		if withSpeed && fast {
			out = append(out, speed)
		}
		return append(out, verdicts)
	}
	want := min(names.width(), max(minNameWidth, t.width/4))
	for _, c := range [][]column{
		build(true, true, true), build(true, !flight.quiet, true), build(false, !flight.quiet, true),
		build(false, !flight.quiet, !undecided.quiet),
	} {
		rest := 2
		for i := range c[1:] {
			rest += c[i+1].width() + gap
		}
		if rest+want <= t.width {
			return c
		}
	}
	if t.width >= minWidth {
		return build(false, !flight.quiet, !undecided.quiet)
	}
	narrow := build(false, false, !undecided.quiet)
	narrow[len(narrow)-1] = marks
	return narrow
}

func (t *terminal) counts(rows []Table, head, style string, of func(checksum.Counts) int64) column {
	c := column{head: strings.Split(head, "\n"), quiet: true}
	for _, r := range rows {
		if n := of(r.Counts); n > 0 {
			c.cells = append(c.cells, number(n))
			c.quiet = false
		} else {
			c.cells = append(c.cells, "·")
		}
	}
	c.style = func(i int) string {
		if of(rows[i].Counts) == 0 {
			return t.paint.dim
		}
		return style
	}
	return c
}

// breakNames wraps names over lines of at most n cells: a name cut short could be mistaken for another table's.
func (t *terminal) breakNames(c *column, n int) {
	for i, name := range c.cells {
		c.cells[i] = strings.Join(breakWord(name, n), "\n")
	}
}

func rate(n int64) string {
	if n <= 0 {
		return "–"
	}
	return number(n)
}

// lineWriter gives tablewriter's output to the terminal, without the spaces it leaves at the ends of lines.
type lineWriter struct{ t *terminal }

func (w lineWriter) Write(p []byte) (int, error) {
	for l := range strings.SplitSeq(strings.TrimSuffix(string(p), "\n"), "\n") {
		w.t.line(strings.TrimRight(l, " "))
	}
	return len(p), w.t.err
}
