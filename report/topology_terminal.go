package report

import (
	"fmt"
	"io"
	"strings"
)

// topologyTerminal draws a topology for people, by the rules of terminal.go.
type topologyTerminal struct {
	terminal
	doc *TopologyDocument
}

func renderTopologyTerminal(w io.Writer, doc *TopologyDocument, opt TermOptions) error {
	t := &topologyTerminal{terminal: terminal{w: w, paint: newPaint(opt.Color), width: max(opt.Width, minWidth)}, doc: doc}
	t.line(t.paint.in(t.paint.bold, "crosscheck topology") + t.paint.in(t.paint.dim, "  "+doc.Taken.Format("2006-01-02 15:04:05 UTC")))
	for i := range doc.Clusters {
		t.line("")
		t.cluster(&doc.Clusters[i])
	}
	t.line("")
	t.closing()
	return t.err
}

// Columns that may have to give way.
const (
	addressColumn = 1
	versionColumn = 3
)

// product is the program of all nodes that were reached; "" where they differ.
func (c *TopologyCluster) product() string {
	out := ""
	for i := range c.Nodes {
		if p := c.Nodes[i].Product; p != "" && out != "" && p != out {
			return ""
		} else if p != "" {
			out = p
		}
	}
	return out
}

// topologyCell is a value with the colour of its line's part.
type topologyCell struct{ text, style string }

// cluster writes a table of nodes, the first column drawn as a tree, and below it what is to be said of them.
func (t *topologyTerminal) cluster(c *TopologyCluster) {
	tree := c.tree()
	sessions := "sessions"
	if t.doc.Application {
		sessions = "application"
	}
	title := t.paint.in(t.paint.bold, c.Side)
	product := c.product()
	if product != "" {
		title += t.paint.in(t.paint.dim, "  "+visible(product))
	}
	t.line("  " + title)
	rows := [][]topologyCell{{{text: "node"}, {text: "address"}, {text: "role"}, {text: "version"}, {text: "read_only"}, {text: "lag"}, {text: "threads"}, {text: sessions}}}
	for i := range rows[0] {
		rows[0][i].style = t.paint.dim
	}
	for i := range tree {
		rows = append(rows, t.row(&tree[i]))
	}
	if product != "" {
		for _, row := range rows {
			row[versionColumn] = topologyCell{}
		}
	}
	widths := t.fit(rows)
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if widths[i] == 0 {
				continue
			}
			text := shorten(cell.text, widths[i])
			b.WriteString("  " + t.paint.in(cell.style, text) + strings.Repeat(" ", widths[i]-width(text)))
		}
		t.line(strings.TrimRight(b.String(), " "))
	}
	for i := range tree {
		if p := tree[i].Product; p != "" && product == "" && widths[versionColumn] == 0 {
			t.wrapped("  · "+visible(tree[i].Label)+" ", t.paint.dim, p)
		}
		texts, bad := tree[i].remarks(tree[i].parent)
		for j, text := range texts {
			mark, style := "·", t.paint.dim
			if j < bad {
				mark, style = "!", t.paint.yellow
			}
			t.wrapped("  "+mark+" "+visible(tree[i].Label)+" ", style, text)
		}
	}
}

func (t *topologyTerminal) row(n *treeNode) []topologyCell {
	plain := func(s string) topologyCell { return topologyCell{text: visible(s)} }
	cells := []topologyCell{{text: n.branch + visible(n.Label)}, plain(n.Addr), plain(n.Role), plain(n.Product), plain(n.ReadOnly), plain(n.lag()), plain(n.threads()), plain(n.sessions(t.doc.Application))}
	switch {
	case !n.Reached:
		cells[0].style, cells[6] = t.paint.yellow, topologyCell{"not reached", t.paint.yellow}
	case n.threads() == "run":
		cells[6].style = t.paint.green
	case n.threads() != "":
		cells[6].style = t.paint.red
	}
	return cells
}

// sessions is the number of connections for people: the application's where its accounts are known.
func (n *TopologyNode) sessions(application bool) string {
	count := n.Sessions
	if application {
		count = n.ApplicationSessions
	}
	switch {
	case !n.Reached:
		return ""
	case count == nil:
		return "?"
	}
	return fmt.Sprint(*count)
}

// fit gives each column a width, 0 for one that there is no room for: first the programs' names go, then long addresses, then
// versions.
func (t *topologyTerminal) fit(rows [][]topologyCell) []int {
	const shortAddress = 16
	widths := make([]int, len(rows[0]))
	measure := func() {
		clear(widths)
		for _, row := range rows {
			for i, cell := range row {
				widths[i] = max(widths[i], width(cell.text))
			}
		}
	}
	measure()
	total := func() int {
		sum := 0
		for _, w := range widths {
			if w > 0 {
				sum += w + 2
			}
		}
		return sum
	}
	if total() > t.width {
		for _, row := range rows {
			row[versionColumn].text = row[versionColumn].text[strings.LastIndexByte(row[versionColumn].text, ' ')+1:]
		}
		measure()
	}
	if over := total() - t.width; over > 0 {
		widths[addressColumn] = max(min(widths[addressColumn], shortAddress), widths[addressColumn]-over)
	}
	if total() > t.width {
		widths[versionColumn] = 0
	}
	if over := total() - t.width; over > 0 { // deep trees and long labels
		widths[0] = max(widths[0]-over, shortAddress)
	}
	return widths
}

// closing sums up. Nodes that were not reached have said so below their cluster.
func (t *topologyTerminal) closing() {
	all, lost := 0, 0
	var unknown []string
	for i := range t.doc.Clusters {
		for j := range t.doc.Clusters[i].Nodes {
			all++
			if !t.doc.Clusters[i].Nodes[j].Reached {
				lost++
			}
		}
		unknown = append(unknown, t.doc.Clusters[i].Unknown...)
	}
	if len(t.doc.Gaps) == 0 {
		t.line(t.paint.in(t.paint.green, "✓ "+plural(int64(all), "node")+", all reached"))
		return
	}
	text := fmt.Sprintf("? %s, %d not reached", plural(int64(all), "node"), lost)
	if len(unknown) > 0 {
		text += "; there may be more"
	}
	t.line(t.paint.in(t.paint.yellow, text))
	for _, u := range unknown {
		t.wrapped("  ", "", u)
	}
}
