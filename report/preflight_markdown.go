package report

import (
	"fmt"
	"io"
	"strings"

	"crosscheck/gate/preflight"
)

// renderPreflightMarkdown writes GitHub's dialect: the outcome, the servers,
// and a table per severity.
func renderPreflightMarkdown(w io.Writer, d *PreflightDocument) error {
	var b strings.Builder
	sign := map[preflight.Verdict]string{preflight.Pass: "✅", preflight.Fail: "❌", preflight.Unknown: "❓"}[preflight.Verdict(d.Verdict)]
	fmt.Fprintf(&b, "# %s preflight %s\n\n", sign, md(d.Summary()))
	fmt.Fprintf(&b, "%s · %s · planned for %s", d.Taken.Format("2006-01-02 15:04:05 UTC"), md(d.Path), preflightDays(d.DurationSeconds))
	if d.Relation != "" {
		fmt.Fprintf(&b, " · %s", md(d.Relation))
	}
	b.WriteString("\n\n| | address | server | uuid | server\\_id | tables | size |\n|---|---|---|---|--:|--:|--:|\n")
	for _, s := range d.servers() {
		if s.Lost != "" {
			fmt.Fprintf(&b, "| **%s** | %s | %s | | | | |\n", md(s.Node), md(s.Addr), md("not judged: "+s.Lost))
			continue
		}
		fmt.Fprintf(&b, "| **%s** | %s | %s | %s | %d | %d | %s |\n", md(s.Node), md(s.Addr), md(s.product()), md(s.ServerUUID), s.ServerID, s.Tables, preflightBytes(s.Bytes))
	}
	for _, accepted := range []bool{false, true} {
		for _, s := range preflight.Severities() {
			preflightMarkdown(&b, d, s, accepted)
		}
	}
	for i, n := range d.Unused {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "- accepted, but found no longer: %s\n", md(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func preflightMarkdown(b *strings.Builder, d *PreflightDocument, s preflight.Severity, accepted bool) {
	head := false
	for i := range d.Findings {
		f := &d.Findings[i]
		if f.Severity != string(s) || f.Accepted != accepted {
			continue
		}
		if !head {
			head = true
			if accepted {
				fmt.Fprintf(b, "\n## Accepted (%s)\n", s)
			} else {
				fmt.Fprintf(b, "\n## %s: %s\n", s, severityTitle(s))
			}
			b.WriteString("\n| finding | object | side | found | why it matters | what to do |\n|---|---|---|---|---|---|\n")
		}
		do := []string{md(f.Do)}
		for _, x := range f.Fixes {
			do = append(do, fmt.Sprintf("%s: %s;", x.On, md(x.SQL)))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", md(f.ID), md(f.Object), md(f.where()), md(f.Found), md(f.Why), strings.Join(do, "<br>"))
	}
}
