package report

import (
	"fmt"
	"io"
	"strings"

	"crosscheck/gate"
)

// renderGatesMarkdown writes GitHub's dialect: the outcome, a table of gates, and the reasons of those that are shut.
func renderGatesMarkdown(w io.Writer, d *GatesDocument) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n", gateSign(d.State), md(d.Summary()))
	fmt.Fprintf(&b, "%s · %s · plan %s", d.At.Format("2006-01-02 15:04:05 UTC"), md(d.Plan), md(d.PlanHash))
	if d.Offline {
		b.WriteString(" · judged by what is recorded")
	}
	fmt.Fprintf(&b, "\n\n| | address | uuid |\n|---|---|---|\n| **old** | %s | %s |\n| **new** | %s | %s |\n",
		md(d.Old.DSN), md(d.Old.ServerUUID), md(d.New.DSN), md(d.New.ServerUUID))
	b.WriteString("\n| gate | state | evidence | reasons |\n|---|---|--:|---|\n")
	for i := range d.Gates {
		r := &d.Gates[i]
		fmt.Fprintf(&b, "| %s | %s %s | %s | %s |\n", md(r.Gate), gateSign(r.State), md(r.State), md(r.age()), md(strings.Join(r.ids(), ", ")))
	}
	for i := range d.Gates {
		r := &d.Gates[i]
		if len(r.Reasons) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s: %s\n\n| reason | what | what to do |\n|---|---|---|\n", md(r.Gate), md(r.State))
		for _, x := range r.Reasons {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", md(x.ID), md(x.Text), md(x.Next))
		}
	}
	for _, a := range d.Actions {
		fmt.Fprintf(&b, "\n- %s: %s\n", md(actionTitle(&a)), md(strings.Join(a.Statements, "; ")))
	}
	for _, o := range d.Override {
		fmt.Fprintf(&b, "\n- %s\n", md(overrideLine(&o)))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "\n- %s\n", md(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func gateSign(state string) string {
	sign, ok := map[gate.State]string{gate.Pass: "✅", gate.Fail: "❌", gate.Overridden: "⚠️"}[gate.State(state)]
	if !ok {
		return "❓"
	}
	return sign
}
