package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed check.html.tmpl
var checkPage string

// pageSide is a server with the name of its side.
type pageSide struct {
	Side string
	Server
}

// pageDifference is a difference of which one column is written; the first column's line names the row.
type pageDifference struct {
	First bool
	Difference
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
		"outcome":     func(t Table) string { return t.outcome() },
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
		"side":        func(name string, s Server) pageSide { return pageSide{name, s} },
		"first":       func(i int, d Difference) pageDifference { return pageDifference{i == 0, d} },
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
