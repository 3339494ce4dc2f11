package report

import (
	"fmt"
	"io"
	"strings"

	"crosscheck/checksum"
)

// renderMarkdown writes GitHub's dialect: a heading, the servers, the list of tables, then details.
func renderMarkdown(w io.Writer, d *CheckDocument) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n", markdownMark(d.Verdict), md(d.Summary()))
	fmt.Fprintf(&b, "%s · %s", d.Started.Format("2006-01-02 15:04:05 UTC"), duration(d.ElapsedSeconds))
	if d.Relation != "" {
		fmt.Fprintf(&b, " · %s", md(d.Relation))
	}
	b.WriteString("\n\n| | address | server | uuid | encryption | position at start |\n|---|---|---|---|---|---|\n")
	for _, s := range []struct {
		side string
		Server
	}{{"old", d.Old}, {"new", d.New}} {
		fmt.Fprintf(&b, "| **%s** | %s | %s | %s | %s | %s |\n", s.side, md(s.Addr), md(s.product()), md(s.ServerUUID),
			md(s.encryption()), md(whereabouts(s.Position)))
	}
	if len(d.Tables) > 0 {
		b.WriteString("\n| table | verdict | rows old | rows new | missing | extra | changed | undecided | in flight | rows/s |\n" +
			"|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
		for i := range d.Tables {
			t := &d.Tables[i]
			markdownRow(&b, md(t.Table), t)
		}
		if len(d.Tables) > 1 {
			markdownRow(&b, "**total**", d.total())
		}
	}
	for i := range d.Tables {
		if !d.Tables[i].silent() {
			markdownDetails(&b, &d.Tables[i])
		}
	}
	markdownNotes(&b, d)
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownMark(v checksum.Verdict) string {
	switch v {
	case checksum.Same:
		return "✅"
	case checksum.Different:
		return "❌"
	default:
		return "❓"
	}
}

func markdownRow(b *strings.Builder, name string, t *Table) {
	fmt.Fprintf(b, "| %s | %s %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", name, markdownMark(t.Verdict), t.Verdict,
		t.read(t.RowsOld), t.read(t.RowsNew), number(t.Missing), number(t.Extra), number(t.Changed),
		number(t.Undecided), number(t.InFlight), rate(t.RowsPerSecond))
}

func markdownDetails(b *strings.Builder, t *Table) {
	fmt.Fprintf(b, "\n## %s %s (%s)\n\n", markdownMark(t.Verdict), md(t.Table), t.outcome())
	if t.Reason != "" {
		fmt.Fprintf(b, "%s\n\n", md(t.Reason))
	}
	if len(t.Differences) > 0 {
		b.WriteString("| kind | key | column | old | new | |\n|---|---|---|---|---|---|\n")
		for i := range t.Differences {
			markdownDifference(b, &t.Differences[i])
		}
		b.WriteString("\n")
	}
	if t.DifferencesOmitted > 0 {
		fmt.Fprintf(b, "- %s not listed\n", plural(t.DifferencesOmitted, "row"))
	}
	for _, p := range t.proofs() {
		fmt.Fprintf(b, "- Proof: %s\n", md(p))
	}
	for _, l := range t.Lossy {
		fmt.Fprintf(b, "- Lossy: %s\n", md(l))
	}
	for _, n := range t.Notes {
		fmt.Fprintf(b, "- %s\n", md(n))
	}
	if t.ResumedChunks > 0 {
		fmt.Fprintf(b, "- %s of %s proven by an earlier run\n", plural(t.ResumedChunks, "chunk"), number(t.Chunks))
	}
}

func markdownDifference(b *strings.Builder, d *Difference) {
	key := md(shorten(keyText(d.Key), 120))
	if d.Count > 1 {
		key += " × " + number(d.Count)
	}
	line := func(column, old, new_, nature string) {
		old, new_ = shortenPair(old, new_, 120)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", d.Kind, key, md(column), md(old), md(new_), md(nature))
	}
	if len(d.Values)+len(d.Masked) == 0 {
		line("", "", "", "")
	}
	for _, v := range d.Values {
		line(v.Column, d.oldText(v), d.newText(v), v.Nature)
	}
	for _, m := range d.Masked {
		line(m.Column, m.Old, m.New, m.Nature)
	}
}

func markdownNotes(b *strings.Builder, d *CheckDocument) {
	notes := d.runNotes()
	if len(notes) == 0 {
		return
	}
	b.WriteString("\n## Notes\n\n")
	for _, n := range notes {
		fmt.Fprintf(b, "- %s\n", md(n))
	}
}

// md escapes text for a line or a table cell. HTML's characters become entities, because not every renderer honours a
// backslash before them; an underscore inside a word means nothing to Markdown and stays readable.
func md(s string) string {
	s = visible(s)
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '_':
			if i == 0 || i == len(runes)-1 || !wordRune(runes[i-1]) || !wordRune(runes[i+1]) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		case '\\', '`', '*', '[', ']', '|', '~', '#', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func wordRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f
}
