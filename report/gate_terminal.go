package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter/tw"

	"crosscheck/gate"
)

// gateReasons of one gate are listed on a terminal; JSON has all.
const gateReasons = 6

// gatesTerminal writes gates for people, by the rules of terminal.go.
type gatesTerminal struct {
	terminal
	doc *GatesDocument
}

func renderGatesTerminal(w io.Writer, doc *GatesDocument, opt TermOptions) error {
	t := &gatesTerminal{terminal: terminal{w: w, paint: newPaint(opt.Color), width: max(opt.Width, minWidth)}, doc: doc}
	t.header()
	t.gates()
	for i := range doc.Gates {
		t.nodes(&doc.Gates[i])
		t.reasons(&doc.Gates[i], i)
	}
	t.actions()
	t.closing()
	return t.err
}

func (t *gatesTerminal) header() {
	d := t.doc
	facts := []string{d.At.Format("2006-01-02 15:04:05 UTC"), d.Path, "plan " + visible(d.Plan)}
	if d.Offline {
		facts = append(facts, "judged by what is recorded")
	}
	title := "crosscheck gate"
	t.line(t.paint.in(t.paint.bold, title) + t.paint.in(t.paint.dim, "  "+shorten(strings.Join(facts, " · "), t.width-width(title)-2)))
	t.line("")
	for _, s := range []struct {
		side string
		GatesServer
	}{{"old", d.Old}, {"new", d.New}} {
		line := visible(s.DSN) + " · " + visible(orElse(s.ServerUUID, "not known yet"))
		t.line("  " + t.paint.in(t.paint.bold, s.side) + "  " + shorten(line, t.width-7))
	}
	t.line("")
}

func (t *gatesTerminal) style(state string) (mark, style string) {
	switch gate.State(state) {
	case gate.Pass:
		return "✓", t.paint.green
	case gate.Fail:
		return "✗", t.paint.red
	case gate.Overridden:
		return "!", t.paint.yellow
	case gate.Unknown:
	}
	return "?", t.paint.yellow
}

// gates writes the list.
func (t *gatesTerminal) gates() {
	table := ruledTable(gatesWriter{t}, []tw.Align{tw.AlignLeft, tw.AlignLeft, tw.AlignRight, tw.AlignLeft})
	head := []string{"gate", "state", "evidence", "reasons"}
	names, states, ages := width(head[0]), width(head[1]), width(head[2])
	for i := range t.doc.Gates {
		r := &t.doc.Gates[i]
		names, states, ages = max(names, width(r.Gate)), max(states, width(r.State)+2), max(ages, width(r.age()))
	}
	room := max(t.width-names-states-ages-5*gap, 20)
	for i := range head {
		head[i] = t.paint.in(t.paint.dim, head[i])
	}
	table.Header(head)
	for i := range t.doc.Gates {
		r := &t.doc.Gates[i]
		mark, style := t.style(r.State)
		why := strings.Join(wrap(t.why(r), room), "\n")
		t.keep(table.Append([]string{r.Gate, t.paint.in(style, mark+" "+r.State), r.age(), why}))
	}
	t.keep(table.Render())
}

// why is the last cell of a gate.
func (t *gatesTerminal) why(r *GateResult) string {
	switch {
	case r.By != "":
		return "opened by " + visible(r.By) + ": " + strings.Join(r.ids(), ", ")
	case r.OpenSince != nil:
		return "proven at " + r.OpenSince.Format("2006-01-02 15:04:05")
	}
	return strings.Join(r.ids(), ", ")
}

func (t *gatesTerminal) keep(err error) {
	if t.err == nil {
		t.err = err
	}
}

// gatesWriter lets the table keep the first error, without blanks at the ends of its lines.
type gatesWriter struct{ t *gatesTerminal }

// Write implements io.Writer.
func (g gatesWriter) Write(p []byte) (int, error) {
	lines := strings.Split(string(p), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	if _, err := io.WriteString(g.t.w, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// nodes writes a line of each node that a rolling upgrade goes through.
func (t *gatesTerminal) nodes(r *GateResult) {
	if len(r.Nodes) == 0 {
		return
	}
	t.line("")
	for _, n := range r.Nodes {
		mark, style := t.style(string(n.State))
		t.wrapped("  "+t.paint.in(style, mark+" "+visible(n.Name))+"  ", "", strings.TrimPrefix(n.Version+": "+n.Text, ": "))
	}
}

// reasons writes why a gate is shut. Of gates behind the first one that is, the list says enough.
func (t *gatesTerminal) reasons(r *GateResult, at int) {
	list := r.Reasons
	if len(list) == 0 || !t.first(at) || t.doc.Gate == "" && r.open() {
		return
	}
	t.line("")
	mark, style := t.style(r.State)
	t.line(t.paint.in(style+t.paint.bold, mark+" "+r.Gate))
	for i, x := range list {
		if i == gateReasons {
			t.line(detailIndent + t.paint.in(t.paint.dim, fmt.Sprintf("… and %d more reasons (--format json lists all)", len(list)-i)))
			break
		}
		_, style := t.style(x.State)
		t.wrapped("  "+t.paint.in(style, x.ID)+"  ", "", x.Text)
		if x.Next != "" {
			t.wrapped(detailIndent+"→ ", t.paint.dim, x.Next)
		}
	}
}

// first tells whether a gate is the first that is not open, or the only one shown.
func (t *gatesTerminal) first(at int) bool {
	for i := range t.doc.Gates[:at] {
		if !t.doc.Gates[i].open() {
			return false
		}
	}
	return true
}

func (t *gatesTerminal) actions() {
	for i := range t.doc.Actions {
		a := &t.doc.Actions[i]
		t.line("")
		t.line(t.paint.in(t.paint.bold, actionTitle(a)))
		for _, s := range a.Statements {
			t.wrapped(detailIndent, "", s)
		}
		if a.Error != "" {
			t.wrapped(detailIndent, t.paint.red, a.Error)
		}
	}
}

func actionTitle(a *GateAction) string {
	switch {
	case a.Error != "":
		return "failed: " + a.Name
	case a.Applied:
		return "done: " + a.Name
	}
	return "--apply " + a.Name + " would run"
}

func overrideLine(o *GateWaiving) string {
	line := fmt.Sprintf("override of %s by %s at %s: %s", o.Gate, o.By, o.When.Format("2006-01-02 15:04:05 UTC"), o.Why)
	if !o.InForce {
		line += " (not in force: of another plan or of other servers)"
	}
	return line
}

func (t *gatesTerminal) closing() {
	t.line("")
	for i := range t.doc.Override {
		t.wrapped("  ! ", t.paint.yellow, overrideLine(&t.doc.Override[i]))
	}
	for _, n := range t.doc.Notes {
		t.wrapped("  · ", t.paint.dim, n)
	}
	if w := t.doc.WayBack; w != nil {
		t.wrapped("  ↩ ", t.paint.dim, w.Line())
	}
	_, style := t.style(t.doc.State)
	t.line(t.paint.in(style+t.paint.bold, t.doc.Summary()))
}
