package report

import (
	"strings"

	"github.com/olekukonko/tablewriter/tw"

	"crosscheck/checksum"
)

// The forms of a check of several nodes: a list of the nodes with their verdicts, and a matrix of tables and nodes.

// nodes writes one line for each node, and its position or why it has its verdict below it.
func (t *terminal) nodes() {
	labels, words := 0, 0
	for i := range t.doc.Nodes {
		n := &t.doc.Nodes[i]
		labels, words = max(labels, width(visible(n.Label))), max(words, width(n.word()))
	}
	labels = min(labels, 16)
	for i := range t.doc.Nodes {
		n := &t.doc.Nodes[i]
		label, word := shorten(visible(n.Label), labels), n.word()
		facts := []string{visible(orElse(n.Addr, "address unknown"))}
		for _, more := range []string{n.Role, n.product(), n.Relation} {
			if more != "" {
				facts = append(facts, visible(more))
			}
		}
		head := "  " + t.paint.in(t.paint.bold, label) + strings.Repeat(" ", labels-width(label)+2) +
			t.paint.in(t.nodeStyle(n), word) + strings.Repeat(" ", words-width(word)+2)
		room := t.width - labels - words - 6
		for len(facts) > 1 && width(strings.Join(facts, " · ")) > room { // the last fact matters least
			facts = facts[:len(facts)-1]
		}
		t.line(head + shorten(strings.Join(facts, " · "), room))
		indent := strings.Repeat(" ", labels+4)
		switch at := whereabouts(n.Position); {
		case n.Reason != "":
			t.wrapped(indent, t.nodeStyle(n), n.Reason)
		case at != "":
			t.line(indent + t.paint.in(t.paint.dim, "at "+shorten(visible(at), t.width-width(indent)-3)))
		}
	}
}

func (t *terminal) nodeStyle(n *NodeEntry) string {
	switch n.Verdict {
	case IsReference:
		return t.paint.dim
	case NotCompared:
		return t.paint.yellow
	default:
		return t.paint.verdict(n.Verdict.verdict())
	}
}

// word is a node's verdict with its sign.
func (n *NodeEntry) word() string {
	switch n.Verdict {
	case IsReference:
		return "= reference"
	case NotCompared:
		return "– not compared"
	default:
		return mark(n.Verdict.verdict()) + " " + string(n.Verdict)
	}
}

// shortWord is a verdict for a narrow column.
func shortWord(v checksum.Verdict) string {
	switch v {
	case checksum.Same:
		return "same"
	case checksum.Different:
		return "diff"
	default:
		return "open"
	}
}

// matrix writes the tables against the nodes. Words are shortened where that makes the nodes fit beside each other; what
// still does not fit goes on below, with the names again.
func (t *terminal) matrix() {
	nodes := t.doc.compared()
	names := column{head: []string{"Table"}, left: true, style: func(int) string { return "" }}
	rows := column{head: []string{"Rows"}, style: names.style}
	for i := range t.doc.Tables {
		table := &t.doc.Tables[i]
		names.cells = append(names.cells, visible(table.Table))
		rows.cells = append(rows.cells, table.read(table.passRows()))
	}
	if len(t.doc.Tables) > 1 {
		names.cells = append(names.cells, "total")
		rows.cells = append(rows.cells, number(t.doc.Totals.RowsOld))
	}
	want := min(names.width(), max(minNameWidth, t.width/4))
	room := t.width - want - rows.width() - gap - 2
	columns := t.nodeColumns(nodes, false)
	if !fits(columns, room) {
		columns = t.nodeColumns(nodes, true)
	}
	for len(columns) > 0 {
		n := 1
		for n < len(columns) && fits(columns[:n+1], room) {
			n++
		}
		block := append([]column{names, rows}, columns[:n]...)
		used := 0
		for i := range block[1:] {
			used += block[i+1].width() + gap
		}
		block[0].cells = append([]string{}, names.cells...)
		if left := t.width - 2 - used; left < names.width() {
			t.breakNames(&block[0], max(left, 8))
		}
		t.listed(block, len(t.doc.Tables))
		if columns = columns[n:]; len(columns) > 0 {
			t.line("")
		}
	}
}

func fits(columns []column, room int) bool {
	for i := range columns {
		room -= columns[i].width() + gap
	}
	return room >= 0
}

// nodeColumns builds one column for each node.
func (t *terminal) nodeColumns(nodes []*NodeEntry, short bool) []column {
	out := make([]column, 0, len(nodes))
	for _, n := range nodes {
		var verdicts []checksum.Verdict
		for i := range t.doc.Tables {
			v := checksum.Undecided
			if c := t.doc.Tables[i].copyOf(n.Label); c != nil {
				v = c.Verdict
			}
			verdicts = append(verdicts, v)
		}
		if len(verdicts) > 1 {
			verdicts = append(verdicts, n.Verdict.verdict())
		}
		c := column{left: true, style: func(i int) string { return t.paint.verdict(verdicts[i]) }}
		for _, v := range verdicts {
			word := v.String()
			if short {
				word = shortWord(v)
			}
			c.cells = append(c.cells, mark(v)+" "+word)
		}
		c.head = breakWord(visible(n.Label), max(c.width(), 6))
		out = append(out, c)
	}
	return out
}

// listed writes columns of n rows and, where there are more cells, a footer.
func (t *terminal) listed(columns []column, n int) {
	header := make([]string, len(columns))
	aligns := make([]tw.Align, len(columns))
	lines := 1
	for _, c := range columns {
		lines = max(lines, len(c.head))
	}
	for i, c := range columns {
		header[i] = strings.Repeat("\n", lines-len(c.head)) // stands on the rule below it
		for l, text := range c.head {
			if l > 0 {
				header[i] += "\n"
			}
			header[i] += t.paint.in(t.paint.dim, text)
		}
		aligns[i] = tw.AlignRight
		if c.left {
			aligns[i] = tw.AlignLeft
		}
	}
	table := ruledTable(lineWriter{t}, aligns)
	table.Header(header)
	for i := range n {
		t.keep(table.Append(row(columns, i, t.paint)))
	}
	if len(columns[0].cells) > n {
		table.Footer(row(columns, n, t.paint))
	}
	t.keep(table.Render())
}

// copies writes a line for each copy of a table that is not the same, or has something to say.
func (t *terminal) copies(table *Table) {
	for i := range table.Copies {
		c := &table.Copies[i]
		if c.Verdict == checksum.Same && c.Reason == "" {
			continue
		}
		text := c.outcome()
		if c.Reason != "" {
			text += ": " + c.Reason
		}
		t.wrapped(detailIndent+shorten(visible(c.Node), 16)+"  ", t.paint.verdict(c.Verdict), mark(c.Verdict)+" "+text)
	}
}

// where says on which copies a row differs in this way; of a pair, on which side alone it is.
func (f *Form) where(d *CheckDocument) string {
	ref, on := "old", "new"
	if !d.single() {
		ref, on = visible(d.reference().Label), visible(strings.Join(f.Nodes, ", "))
	}
	switch {
	case f.Kind == checksum.Missing && d.single():
		return "only on " + ref
	case f.Kind == checksum.Extra && d.single():
		return "only on " + on
	case d.single():
		return ""
	default:
		return "on " + on
	}
}

// omittedLines says how many differing rows are not listed. Where a copy's list is cut, a row that is listed for another
// copy may differ there too.
func (t *Table) omittedLines(single bool) []string {
	if t.DifferencesOmitted == 0 {
		return nil
	}
	if single {
		return []string{plural(t.DifferencesOmitted, "row") + " not listed"}
	}
	var out []string
	for i := range t.Copies {
		if c := &t.Copies[i]; c.DifferencesOmitted > 0 {
			out = append(out, plural(c.DifferencesOmitted, "row")+" of "+c.Node+
				" not listed; rows listed for other nodes may be among them")
		}
	}
	return out
}
