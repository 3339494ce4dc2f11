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
	if r := d.relation(); r != "" && d.single() {
		fmt.Fprintf(&b, " · %s", md(r))
	}
	if d.single() {
		markdownPair(&b, d)
	} else {
		markdownMatrix(&b, d)
	}
	for i := range d.Tables {
		if !d.Tables[i].silent() {
			markdownDetails(&b, d, &d.Tables[i])
		}
	}
	markdownNotes(&b, d)
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownPair(b *strings.Builder, d *CheckDocument) {
	b.WriteString("\n\n| | address | server | uuid | encryption | position at start |\n|---|---|---|---|---|---|\n")
	for _, s := range d.shown() {
		fmt.Fprintf(b, "| **%s** | %s | %s | %s | %s | %s |\n", s.Side, md(s.Addr), md(s.product()), md(s.ServerUUID),
			md(s.encryption()), md(whereabouts(s.Position)))
	}
	if len(d.Tables) > 0 {
		b.WriteString("\n| table | verdict | rows old | rows new | missing | extra | changed | undecided | in flight | rows/s |\n" +
			"|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
		for i := range d.Tables {
			t := &d.Tables[i]
			markdownRow(b, md(t.Table), t)
		}
		if len(d.Tables) > 1 {
			markdownRow(b, "**total**", d.total())
		}
	}
}

// markdownMatrix writes the nodes, and the tables against them.
func markdownMatrix(b *strings.Builder, d *CheckDocument) {
	b.WriteString("\n\n| node | role | verdict | address | server | uuid | replication | position at start |\n|---|---|---|---|---|---|---|---|\n")
	for i := range d.Nodes {
		n := &d.Nodes[i]
		fmt.Fprintf(b, "| **%s** | %s | %s | %s | %s | %s | %s | %s |\n", md(n.Label), md(n.Role), markdownNode(n), md(n.Addr),
			md(n.product()), md(n.ServerUUID), md(n.Relation), md(whereabouts(n.Position)))
	}
	nodes := d.compared()
	if len(d.Tables) == 0 || len(nodes) == 0 {
		return
	}
	b.WriteString("\n| table | rows |")
	for _, n := range nodes {
		fmt.Fprintf(b, " %s |", md(n.Label))
	}
	b.WriteString("\n|---|--:|" + strings.Repeat("---|", len(nodes)) + "\n")
	for i := range d.Tables {
		t := &d.Tables[i]
		fmt.Fprintf(b, "| %s | %s |", md(t.Table), t.read(t.passRows()))
		for _, n := range nodes {
			v := checksum.Undecided
			if c := t.copyOf(n.Label); c != nil {
				v = c.Verdict
			}
			fmt.Fprintf(b, " %s %s |", markdownMark(v), v)
		}
		b.WriteString("\n")
	}
}

func markdownNode(n *NodeEntry) string {
	word := string(n.Verdict)
	if n.compared() {
		word = markdownMark(n.Verdict.verdict()) + " " + word
	}
	if n.Reason != "" {
		word += ": " + md(n.Reason)
	}
	return word
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

func markdownDetails(b *strings.Builder, d *CheckDocument, t *Table) {
	fmt.Fprintf(b, "\n## %s %s (%s)\n\n", markdownMark(t.Verdict), md(t.Table), t.outcome())
	if d.single() {
		if t.Reason != "" {
			fmt.Fprintf(b, "%s\n\n", md(t.Reason))
		}
	} else {
		markdownCopies(b, t)
	}
	if len(t.Differences) > 0 {
		on, rule := "", ""
		if !d.single() {
			on, rule = " on |", "---|"
		}
		fmt.Fprintf(b, "| kind | key |%s column | old | new | |\n|---|---|%s---|---|---|---|\n", on, rule)
		for i := range t.Differences {
			for _, f := range t.Differences[i].forms() {
				markdownForm(b, d, t.Differences[i].Key, &f)
			}
		}
		b.WriteString("\n")
	}
	for _, l := range t.omittedLines(d.single()) {
		fmt.Fprintf(b, "- %s\n", md(l))
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

// markdownCopies lists the copies that are not the same, or have something to say.
func markdownCopies(b *strings.Builder, t *Table) {
	n := 0
	for i := range t.Copies {
		c := &t.Copies[i]
		if c.Verdict == checksum.Same && c.Reason == "" {
			continue
		}
		n++
		fmt.Fprintf(b, "- %s **%s** %s", markdownMark(c.Verdict), md(c.Node), c.outcome())
		if c.Reason != "" {
			fmt.Fprintf(b, ": %s", md(c.Reason))
		}
		b.WriteString("\n")
	}
	if n > 0 {
		b.WriteString("\n")
	}
}

func markdownForm(b *strings.Builder, d *CheckDocument, of Key, f *Form) {
	key := md(shorten(keyText(of), 120))
	if f.Count > 1 {
		key += " × " + number(f.Count)
	}
	if !d.single() {
		key += " | " + md(strings.Join(f.Nodes, ", "))
	}
	line := func(column, old, new_, nature string) {
		old, new_ = shortenPair(old, new_, 120)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", f.Kind, key, md(column), md(old), md(new_), md(nature))
	}
	if len(f.Values)+len(f.Masked) == 0 {
		line("", "", "", "")
	}
	for _, v := range f.Values {
		line(v.Column, f.oldText(v), f.newText(v), v.Nature)
	}
	for _, m := range f.Masked {
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
