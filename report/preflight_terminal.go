package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"crosscheck/gate/preflight"
)

const (
	// preflightRows of one id are listed; a schema of a thousand tables that
	// all lack something says so in a line, and JSON has them all.
	preflightRows = 8
	maxNameWidth  = 34
)

// preflightTerminal writes a preflight for people, by the rules of terminal.go.
type preflightTerminal struct {
	terminal
	doc   *PreflightDocument
	names int // width of the first column, the same in all groups
}

func renderPreflightTerminal(w io.Writer, doc *PreflightDocument, opt TermOptions) error {
	t := &preflightTerminal{terminal: terminal{w: w, paint: newPaint(opt.Color), width: max(opt.Width, minWidth)}, doc: doc}
	t.header()
	for i := range doc.Findings {
		t.names = max(t.names, width(doc.Findings[i].ID), width(visible(doc.Findings[i].object())))
	}
	t.names = min(t.names, maxNameWidth)
	for _, s := range preflight.Severities() {
		t.group(s, false)
	}
	for _, s := range preflight.Severities() {
		t.group(s, true)
	}
	t.closing()
	return t.err
}

func (t *preflightTerminal) header() {
	d := t.doc
	facts := []string{d.Taken.Format("2006-01-02 15:04:05 UTC"), d.Path, "planned for " + preflightDays(d.DurationSeconds)}
	t.line(t.paint.in(t.paint.bold, "crosscheck preflight") + t.paint.in(t.paint.dim, "  "+strings.Join(facts, " · ")))
	t.line("")
	labels := 3
	for _, s := range d.Nodes {
		labels = max(labels, width(visible(s.Node)))
	}
	for _, s := range d.servers() {
		facts := []string{visible(s.Addr), visible(s.product()), fmt.Sprintf("server_id %d", s.ServerID), plural(int64(s.Tables), "table") + ", " + preflightBytes(s.Bytes)}
		if s.Lost != "" {
			facts = []string{visible(s.Addr), "not judged: " + visible(s.Lost)}
		}
		label := visible(s.Node)
		t.line("  " + t.paint.in(t.paint.bold, label) + strings.Repeat(" ", labels-width(label)+2) + shorten(strings.Join(facts, " · "), t.width-labels-4))
	}
	if d.Relation != "" {
		t.wrapped("  ", t.paint.dim, d.Relation)
	}
}

// object is what stands beside the id: a variable's name that the id has already says nothing.
func (f *PreflightFinding) object() string {
	if strings.Contains(f.ID, f.Object) {
		return ""
	}
	return f.Object
}

// product is the program with its version, as "MySQL 9.7.4".
func (s *PreflightServer) product() string {
	name := "MySQL"
	if s.Flavor == "mariadb" {
		name = "MariaDB"
	}
	v, _, _ := strings.Cut(s.Version, "-")
	return name + " " + v
}

func preflightDays(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	if n := int64(d / (24 * time.Hour)); d%(24*time.Hour) == 0 && n > 0 {
		return plural(n, "day")
	}
	return duration(d.Seconds())
}

func preflightBytes(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	return fmt.Sprintf("%.3g %s", f, unit)
}

func (t *preflightTerminal) style(s preflight.Severity) (mark, style string) {
	switch s {
	case preflight.Fatal, preflight.Lossy:
		return "✗", t.paint.red
	case preflight.Warning:
		return "!", t.paint.yellow
	case preflight.Info:
	}
	return "·", t.paint.dim
}

// group writes the findings of one severity as a table.
func (t *preflightTerminal) group(s preflight.Severity, accepted bool) {
	var rows [][]string
	mark, style := t.style(s)
	if accepted {
		mark, style = "✓", t.paint.dim
	}
	n, same, last := 0, map[string]int{}, ""
	for i := range t.doc.Findings {
		f := &t.doc.Findings[i]
		if f.Severity != string(s) || f.Accepted != accepted {
			continue
		}
		n++
		if same[f.ID]++; same[f.ID] <= preflightRows {
			rows = append(rows, t.row(f, style, accepted || s == preflight.Info, f.ID == last))
		}
		last = f.ID
		if rest := t.count(f.ID, s, accepted) - preflightRows; same[f.ID] == preflightRows+1 {
			rows = append(rows, []string{"", t.paint.in(t.paint.dim, fmt.Sprintf("… and %d more like these (--format json lists all)", rest))})
		}
	}
	if n == 0 {
		return
	}
	t.line("")
	title := fmt.Sprintf("%s %s %d", mark, strings.ToUpper(string(s)), n)
	tail := severityTitle(s)
	if accepted {
		title, tail = fmt.Sprintf("%s ACCEPTED %d", mark, n), string(s)+", accepted by name"
	}
	t.line(t.paint.in(style+t.paint.bold, title) + t.paint.in(t.paint.dim, "  "+tail))
	t.table(rows)
}

func (t *preflightTerminal) count(id string, s preflight.Severity, accepted bool) int {
	n := 0
	for i := range t.doc.Findings {
		if f := &t.doc.Findings[i]; f.ID == id && f.Severity == string(s) && f.Accepted == accepted {
			n++
		}
	}
	return n
}

// row is one finding: its id with what it is about below, and what was found
// with the way to mend it below. quiet ones need none; of several with one id
// the first says it.
func (t *preflightTerminal) row(f *PreflightFinding, style string, quiet, again bool) []string {
	room := max(t.width-t.names-2-gap, 24)
	lines := wrap(visible(f.Found), room)
	fix := func(s string) {
		for i, l := range wrap(visible(s), room-2) {
			head := "→ "
			if i > 0 {
				head = "  "
			}
			lines = append(lines, t.paint.in(t.paint.dim, head)+l)
		}
	}
	switch {
	case quiet && !f.Unseen:
	case len(f.Fixes) > 0:
		for _, x := range f.Fixes {
			fix(x.On + ": " + x.SQL + ";")
		}
	default:
		fix(f.Do)
	}
	name := t.painted(style, breakWord(f.ID, t.names))
	if o := visible(f.object()); o != "" {
		if again {
			name = nil
		}
		name = append(name, t.painted("", breakWord(o, t.names))...)
	}
	return []string{strings.Join(name, "\n"), strings.Join(lines, "\n")}
}

func (t *preflightTerminal) painted(style string, lines []string) []string {
	for i, l := range lines {
		lines[i] = t.paint.in(style, l)
	}
	return lines
}

func (t *preflightTerminal) table(rows [][]string) {
	table := tablewriter.NewTable(lineWriter{&t.terminal},
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off},
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.Off, ShowFooterLine: tw.Off},
			},
		})),
		tablewriter.WithRowAutoWrap(tw.WrapNone), tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithAlignment([]tw.Align{tw.AlignLeft, tw.AlignLeft}),
	)
	for _, r := range rows {
		first, rest, more := strings.Cut(r[0], "\n") // the same columns in every group
		first += strings.Repeat(" ", max(t.names-width(first), 0))
		if more {
			first += "\n" + rest
		}
		t.keep(table.Append([]string{first, r[1]}))
	}
	t.keep(table.Render())
}

func (t *preflightTerminal) closing() {
	d := t.doc
	t.line("")
	for _, name := range d.Unused {
		t.wrapped("note:  ", "", fmt.Sprintf("--accept %s fits no finding: it is mended, or mistyped", name))
	}
	style, sign := t.paint.green, "✓"
	switch preflight.Verdict(d.Verdict) {
	case preflight.Fail:
		style, sign = t.paint.red, "✗"
	case preflight.Unknown:
		style, sign = t.paint.yellow, "?"
	case preflight.Pass:
	}
	word, rest, _ := strings.Cut(d.Summary(), ":")
	label := sign + " " + word + ":"
	for i, l := range wrap(strings.TrimSpace(rest), t.width-width(label)-1) {
		if i == 0 {
			t.line(t.paint.in(style+t.paint.bold, label) + " " + l)
			continue
		}
		t.line(strings.Repeat(" ", width(label)+1) + l)
	}
	if d.Verdict != string(preflight.Pass) {
		t.wrapped("  ", t.paint.dim, "each id is explained in docs/what-if-preflight.md; what is known and wanted: --accept ID[:OBJECT]")
	}
}
