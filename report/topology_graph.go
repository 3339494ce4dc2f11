package report

import (
	"fmt"
	"io"
	"strings"
)

// edge is one source of a node, for drawings.
type edge struct {
	from, to, label string
	broken          bool
}

func (d *TopologyDocument) edges() []edge {
	var out []edge
	for i := range d.Clusters {
		for j := range d.Clusters[i].Nodes {
			n := &d.Clusters[i].Nodes[j]
			for _, s := range n.Sources {
				e := edge{from: s, to: n.Label}
				switch {
				case !n.Reached:
					e.label, e.broken = "not reached", true
				case n.threads() != "run":
					e.label, e.broken = n.threads(), true
				default:
					e.label = n.lag()
				}
				out = append(out, e)
			}
		}
	}
	return out
}

// lines are what stands in a node's box.
func (n *TopologyNode) lines(application bool) []string {
	out := []string{n.Label + " · " + n.Role, n.Addr}
	if !n.Reached {
		return append(out, "not reached")
	}
	out = append(out, n.Product, "read_only "+n.ReadOnly)
	if s := n.sessions(application); application {
		out = append(out, "application: "+s)
	} else {
		out = append(out, "sessions: "+s)
	}
	if n.Errant != nil && n.Errant.Set != "" {
		out = append(out, "errant transactions")
	}
	return out
}

func renderTopologyDOT(w io.Writer, d *TopologyDocument) error {
	escape := func(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(visible(s)) }
	quote := func(s string) string { return `"` + escape(s) + `"` }
	var b strings.Builder
	b.WriteString("digraph topology {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\"];\n")
	for i := range d.Clusters {
		c := &d.Clusters[i]
		fmt.Fprintf(&b, "  subgraph %s {\n    label=%s;\n", quote("cluster_"+c.Side), quote(c.Side))
		for j := range c.Nodes {
			n := &c.Nodes[j]
			lines := n.lines(d.Application)
			for k := range lines {
				lines[k] = escape(lines[k])
			}
			style := ""
			switch {
			case !n.Reached:
				style = ", style=dashed"
			case n.Role == "writer":
				style = ", penwidth=2"
			}
			fmt.Fprintf(&b, "    %s [label=\"%s\"%s];\n", quote(n.Label), strings.Join(lines, `\n`), style)
		}
		b.WriteString("  }\n")
	}
	for _, e := range d.edges() {
		style := ""
		if e.broken {
			style = ", style=dashed"
		}
		fmt.Fprintf(&b, "  %s -> %s [label=%s%s];\n", quote(e.from), quote(e.to), quote(e.label), style)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func renderTopologyMermaid(w io.Writer, d *TopologyDocument) error {
	// Mermaid reads entities in quoted texts, with # for &.
	quote := func(s string) string {
		return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;").Replace(visible(s))
	}
	// Some words, such as "end", are no names of nodes in Mermaid.
	id := func(label string) string {
		return "n_" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, label)
	}
	var b strings.Builder
	b.WriteString("flowchart TB\n")
	for i := range d.Clusters {
		c := &d.Clusters[i]
		fmt.Fprintf(&b, "  subgraph side_%s[\"%s\"]\n", c.Side, quote(c.Side))
		for j := range c.Nodes {
			lines := c.Nodes[j].lines(d.Application)
			for k := range lines {
				lines[k] = quote(lines[k])
			}
			fmt.Fprintf(&b, "    %s[\"%s\"]\n", id(c.Nodes[j].Label), strings.Join(lines, "<br/>"))
		}
		b.WriteString("  end\n")
	}
	for _, e := range d.edges() {
		arrow := "-->"
		if e.broken {
			arrow = "-.->"
		}
		label := ""
		if e.label != "" {
			label = `|"` + quote(e.label) + `"|`
		}
		fmt.Fprintf(&b, "  %s %s%s %s\n", id(e.from), arrow, label, id(e.to))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
