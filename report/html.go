package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"crosscheck/checksum"
)

//go:embed check.html.tmpl
var checkPage string

// pageSide is a node with what its card is called.
type pageSide struct {
	Side   string
	Matrix bool // one of several nodes
	NodeEntry
}

// pageForm is how a row differs on some copies, of which one column is written; the first column's line names the row.
type pageForm struct {
	First, Matrix bool
	Key           Key
	Form
}

func pageForms(d *CheckDocument, row Difference) []pageForm {
	var out []pageForm
	for _, f := range row.forms() {
		out = append(out, pageForm{Matrix: !d.single(), Key: row.Key, Form: f})
	}
	return out
}

func pageNode(d *CheckDocument, n NodeEntry) pageSide {
	if d.single() {
		return pageSide{Side: n.Side, NodeEntry: n}
	}
	return pageSide{Side: n.Label, Matrix: true, NodeEntry: n}
}

// nodeClass is the colour of a node's verdict; what nobody compared is as undecided.
func nodeClass(n NodeEntry) string {
	if n.Verdict == IsReference {
		return "reference"
	}
	return n.Verdict.verdict().String()
}

// renderHTML writes one page that needs nothing else: no script, no font, no request leaves the reader's machine.
func renderHTML(w io.Writer, d *CheckDocument) error {
	page, err := template.New("check").Funcs(template.FuncMap{
		"number":      number,
		"bytes":       bytesOf,
		"duration":    duration,
		"visible":     visible,
		"mark":        mark,
		"rate":        rate,
		"key":         keyText,
		"plural":      plural,
		"product":     Server.product,
		"security":    Server.encryption,
		"outcome":     func(c CopyEntry) string { return c.outcome() },
		"silent":      func(t Table) bool { return t.silent() },
		"proofs":      func(t Table) []string { return t.proofs() },
		"whereabouts": whereabouts,
		"read":        func(t Table, n int64) string { return t.read(n) },
		"runNotes":    (*CheckDocument).runNotes,
		"summary":     summaryParts,
		"count":       func(n int) string { return number(int64(n)) },
		"short":       func(s string) string { return shorten(s, 240) },
		"pair":        func(a, b *string) [2]string { x, y := shortenPair(textOf(a), textOf(b), 240); return [2]string{x, y} },
		"share":       share,
		"side":        pageNode,
		"class":       nodeClass,
		"word":        func(n NodeEntry) string { return n.word() },
		"single":      (*CheckDocument).single,
		"compared":    (*CheckDocument).compared,
		"shown":       (*CheckDocument).shown,
		"relation":    (*CheckDocument).relation,
		"reference":   func(d *CheckDocument) string { return visible(d.reference().Label) },
		"others":      othersName,
		"passed":      func(t Table) int64 { return t.passRows() },
		"cell":        tableCell,
		"forms":       pageForms,
		"omitted":     func(d *CheckDocument, t Table) []string { return t.omittedLines(d.single()) },
		"first":       func(i int, f pageForm) pageForm { f.First = i == 0; return f },
	}).Parse(checkPage)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	return page.Execute(w, d)
}

// summaryParts splits the sentence into the verdict's word and the rest.
func summaryParts(d *CheckDocument) [2]string {
	word, rest, _ := strings.Cut(d.Summary(), ": ")
	return [2]string{word, visible(rest)}
}

// share is n of all in percent, for the bar of verdicts; what exists is never too thin to be seen.
func share(n, all int) string {
	if all <= 0 || n <= 0 {
		return "0"
	}
	return fmt.Sprintf("%.2f", max(float64(n)/float64(all)*100, 1))
}

// othersName is what the nodes are called that were compared with the reference.
func othersName(d *CheckDocument) string {
	if d.single() {
		return "new"
	}
	return "the nodes"
}

func tableCell(t Table, label string) checksum.Verdict {
	if c := t.copyOf(label); c != nil {
		return c.Verdict
	}
	return checksum.Undecided
}
