package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"crosscheck/checksum"
)

// The rules of the terminal form: it fits the width it is given; colour only where asked, and never as the only sign;
// everything that came from a server passes through visible before it is written.

const (
	minWidth     = 80 // of most forms, and where no terminal says its own; a narrower terminal breaks the lines itself
	narrowWidth  = 60 // of the list of tables
	detailIndent = "    "
)

// paint holds the escape sequences in use; all are empty without colour.
type paint struct{ reset, bold, dim, red, green, yellow, banner string }

func newPaint(color bool) paint {
	if !color {
		return paint{}
	}
	return paint{
		reset: "\x1b[0m", bold: "\x1b[1m", dim: "\x1b[2m", red: "\x1b[31m", green: "\x1b[32m", yellow: "\x1b[33m",
		banner: "\x1b[1;7m",
	}
}

func (p paint) in(style, s string) string {
	if style == "" || s == "" {
		return s
	}
	return style + s + p.reset
}

func (p paint) verdict(v checksum.Verdict) string {
	switch v {
	case checksum.Same:
		return p.green
	case checksum.Different:
		return p.red
	default:
		return p.yellow
	}
}

// terminal writes one document; its methods keep the first error of w.
type terminal struct {
	w     io.Writer
	err   error
	paint paint
	width int
	doc   *CheckDocument

	proof string // of most tables: said once, at the end
}

func renderTerminal(w io.Writer, doc *CheckDocument, opt TermOptions) error {
	t := &terminal{w: w, paint: newPaint(opt.Color), width: tableWidth(opt.Width), doc: doc, proof: doc.usualProof()}
	t.header()
	if len(doc.Tables) > 0 {
		t.line("")
		if doc.single() {
			t.tables()
		} else {
			t.matrix()
		}
	}
	for i := range doc.Tables {
		if !doc.Tables[i].silent() {
			t.line("")
			t.details(&doc.Tables[i])
		}
	}
	t.closing()
	return t.err
}

func (t *terminal) line(s string) {
	if t.err == nil {
		_, t.err = fmt.Fprintln(t.w, s)
	}
}

// wrapped writes text behind label, with further lines under the text's start.
func (t *terminal) wrapped(label, style, text string) {
	room := max(t.width-width(label), 20)
	for i, l := range wrap(visible(text), room) {
		if i > 0 {
			label = strings.Repeat(" ", width(label))
		}
		t.line(label + t.paint.in(style, l))
	}
}

func (t *terminal) header() {
	d := t.doc
	const title = "crosscheck check"
	facts := []string{d.Started.Format("2006-01-02 15:04:05 UTC"), duration(d.ElapsedSeconds)}
	if d.FirstChunkSeconds > 0 {
		facts = append(facts, "first chunk "+duration(d.FirstChunkSeconds))
	}
	if d.Totals.RowsPerSecond > 0 && d.Totals.RowsOld >= minRated {
		facts = append(facts, number(d.Totals.RowsPerSecond)+" rows/s")
	}
	when := "  " + strings.Join(facts, " · ")
	for width(title+when) > t.width { // the last fact matters least
		when = when[:strings.LastIndex(when, " · ")]
	}
	t.line(t.paint.in(t.paint.bold, title) + t.paint.in(t.paint.dim, when))
	t.line("")
	if !d.single() {
		t.nodes()
		return
	}
	t.server("old", d.reference().Server)
	for _, n := range d.compared() {
		t.server("new", n.Server)
	}
	if r := d.relation(); r != "" {
		t.line("  " + t.paint.in(t.paint.dim, shorten(visible(r), t.width-2)))
	}
}

func (t *terminal) server(side string, s Server) {
	facts := []string{visible(orElse(s.Addr, "address unknown")), visible(s.product()), visible(s.encryption())}
	t.line("  " + t.paint.in(t.paint.bold, side) + "  " + shorten(strings.Join(facts, " · "), t.width-7))
	if at := whereabouts(s.Position); at != "" {
		t.line("       " + t.paint.in(t.paint.dim, "at "+shorten(visible(at), t.width-10)))
	}
}

// details writes what the list has no room for: differences, conversions that lose information, notes.
func (t *terminal) details(table *Table) {
	head := fmt.Sprintf("%s %s", mark(table.Verdict), visible(table.Table))
	t.line(t.paint.in(t.paint.verdict(table.Verdict), shorten(head, t.width)) +
		t.paint.in(t.paint.dim, fitBehind(head, "  "+table.outcome(), t.width)))
	if t.doc.single() {
		if table.Reason != "" {
			t.wrapped(detailIndent, t.paint.verdict(table.Verdict), table.Reason)
		}
	} else {
		t.copies(table)
	}
	for i := range table.Differences {
		t.difference(&table.Differences[i])
	}
	for _, l := range table.omittedLines(t.doc.single()) {
		t.wrapped(detailIndent, t.paint.dim, "… and "+l+" (--max-differences)")
	}
	if own := table.proofs(); len(own) > 0 && !slices.Equal(own, []string{t.proof}) {
		for _, p := range own {
			t.wrapped(detailIndent+"proof: ", t.paint.dim, p)
		}
	}
	for _, l := range table.Lossy {
		t.wrapped(detailIndent+"lossy: ", t.paint.yellow, l)
	}
	for _, n := range table.Notes {
		t.wrapped(detailIndent+"note:  ", "", n)
	}
	if table.ResumedChunks > 0 {
		t.line(detailIndent + "note:  " + plural(table.ResumedChunks, "chunk") + " of " + number(table.Chunks) +
			" proven by an earlier run")
	}
}

func tableWidth(terminal int) int {
	if terminal <= 0 {
		return minWidth
	}
	return max(terminal, narrowWidth)
}

func fitBehind(head, tail string, n int) string {
	if width(head)+width(tail) > n {
		return ""
	}
	return tail
}

func (t *terminal) difference(d *Difference) {
	for i, f := range d.forms() {
		t.form(d, &f, i == 0)
	}
}

// form writes how a row differs, on the copies that hold the same of it.
func (t *terminal) form(d *Difference, f *Form, first bool) {
	where := f.where(t.doc)
	key := where // of a further form: the row is named above
	if first {
		key = shorten(keyText(d.Key), t.width-len(detailIndent)-12)
	}
	if f.Count > 1 {
		key += fmt.Sprintf(" × %s", number(f.Count))
	}
	head := fmt.Sprintf("%s%-9s", detailIndent, f.Kind)
	tail := ""
	if first && where != "" {
		tail = fitBehind(head+key, "  "+where, t.width)
	}
	t.line(detailIndent + t.paint.in(t.paint.red, head[len(detailIndent):]) + shorten(key, t.width-width(head)) + t.paint.in(t.paint.dim, tail))
	if first && tail == "" && !t.doc.single() {
		t.wrapped(strings.Repeat(" ", width(head)), t.paint.dim, where)
	}
	names := 0
	for _, c := range f.Columns {
		names = max(names, width(visible(c)))
	}
	names = min(names, 24)
	for _, v := range f.Values {
		t.values(v.Column, names, f.oldText(v), f.newText(v), v.Nature)
	}
	for _, m := range f.Masked {
		t.values(m.Column, names, m.Old, m.New, m.Nature)
	}
}

// values writes one column of a changed row: on one line if both values fit beside each other.
func (t *terminal) values(column string, names int, old, new_, nature string) {
	indent := strings.Repeat(" ", len(detailIndent)+9)
	column = shorten(visible(column), names)
	head := indent + column + strings.Repeat(" ", names-width(column)) + "  "
	if nature != "" {
		nature = "  (" + nature + ")"
	}
	if old == "" || new_ == "" { // the row is on one side only, and texts are never empty
		t.line(head + shorten(old+new_, max(t.width-width(head), 12)))
		return
	}
	if width(head)+width(old)+3+width(new_) <= t.width {
		one := old + " → " + new_
		t.line(head + old + t.paint.in(t.paint.dim, " → ") + new_ +
			t.paint.in(t.paint.dim, fitBehind(head+one, nature, t.width)))
		if fitBehind(head+one, nature, t.width) == "" && nature != "" {
			t.line(strings.Repeat(" ", width(head)) + t.paint.in(t.paint.dim, nature[2:]))
		}
		return
	}
	room := max(t.width-width(head)-4, 12)
	old, new_ = shortenPair(old, new_, room)
	t.line(head + t.paint.in(t.paint.dim, "old ") + old)
	t.line(strings.Repeat(" ", width(head)) + t.paint.in(t.paint.dim, "new ") + new_)
	if nature != "" {
		t.line(strings.Repeat(" ", width(head)) + t.paint.in(t.paint.dim, nature[2:]))
	}
}

func (t *terminal) closing() {
	d := t.doc
	notes := d.runNotes()
	if len(notes) > 0 || t.proof != "" {
		t.line("")
	}
	if t.proof != "" {
		text := t.proof
		if slices.ContainsFunc(d.Tables, func(x Table) bool { own := x.proofs(); return len(own) > 0 && !slices.Equal(own, []string{t.proof}) }) {
			text += ", unless said otherwise above"
		}
		t.wrapped("proof: ", t.paint.dim, text)
	}
	for _, n := range notes {
		t.wrapped("note:  ", "", n)
	}
	t.line("")
	word, rest, _ := strings.Cut(d.Summary(), ":")
	label := mark(d.Verdict) + " " + word
	lines := wrap(visible(strings.TrimSpace(rest)), t.width-width(label)-3)
	for i, l := range lines {
		if i == 0 {
			t.line(t.paint.in(t.paint.verdict(d.Verdict)+t.paint.bold, label+":") + " " + l)
		} else {
			t.line(strings.Repeat(" ", width(label)+2) + l)
		}
	}
}

// keyText writes a key as a condition would: id=42, region='eu west'.
func keyText(k Key) string {
	if len(k) == 0 {
		return "(row of a table without a key)"
	}
	parts := make([]string, 0, len(k))
	for _, p := range k {
		parts = append(parts, visible(p.Column)+"="+textOf(p.Text))
	}
	return strings.Join(parts, ", ")
}

// textOf writes a value so that NULL, ” and 'NULL' cannot be taken for each other: text is quoted, numbers are not.
func textOf(v *string) string {
	switch {
	case v == nil:
		return "NULL"
	case isNumber(*v) || len(*v) > 2 && hexText.MatchString(*v):
		return *v
	default:
		return "'" + visible(*v) + "'"
	}
}
