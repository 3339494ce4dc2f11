package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter/tw"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// WatchFormats lists the formats that a watch's summary can be rendered in; JSON is one line, the last of a watch's.
func WatchFormats() []Format { return []Format{FormatTable, FormatJSON, FormatMarkdown} }

// RenderWatch writes the summary in one of WatchFormats.
func RenderWatch(w io.Writer, format Format, doc WatchSummary, opt TermOptions) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case FormatTable:
		err = renderWatchTable(out, &doc, opt)
	case FormatJSON:
		err = writeLine(out, doc)
	case FormatMarkdown:
		err = renderWatchMarkdown(out, &doc)
	case FormatHTML, FormatJUnit:
		err = fmt.Errorf("a watch has no such form: use one of %v", WatchFormats())
	default:
		_, err = ParseFormat(string(format))
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("render watch as %s: %w", format, err)
	}
	return nil
}

func renderWatchTable(w io.Writer, d *WatchSummary, opt TermOptions) error {
	t := &terminal{w: w, paint: newPaint(opt.Color), width: max(opt.Width, minWidth)}
	const title = "crosscheck watch"
	t.line(t.paint.in(t.paint.bold, title) + t.paint.in(t.paint.dim, "  "+shorten(d.when(), t.width-width(title)-2)))
	t.line("")
	t.watchSides(d)
	if d.Total > 0 {
		t.line("")
		t.watchKinds(d)
	}
	if len(d.Listed) > 0 {
		t.line("")
		for i := range d.Listed {
			t.watchFinding(&d.Listed[i])
		}
		if more := d.Total; more > uint64(len(d.Listed)) {
			t.line(t.paint.in(t.paint.dim, "… and "+plural(int64(more-uint64(len(d.Listed))), "finding")+" not listed"))
		}
	}
	t.watchNotes(d)
	t.line("")
	word, rest, _ := strings.Cut(d.Summary(), ":")
	v := same(d.Verdict)
	t.labelled(mark(v)+" "+word+": ", t.paint.verdict(v)+t.paint.bold, rest)
	return t.err
}

// labelled writes text behind a label in a style of its own, with further lines under the text's start.
func (t *terminal) labelled(label, style, text string) {
	for i, l := range wrap(visible(text), max(t.width-width(label), 20)) {
		if i == 0 {
			word := strings.TrimRight(label, " ")
			t.line(t.paint.in(style, word) + label[len(word):] + l)
		} else {
			t.line(strings.Repeat(" ", width(label)) + l)
		}
	}
}

// when says when and for how long was watched.
func (d *WatchSummary) when() string {
	facts := []string{d.Started.Format("2006-01-02 15:04:05 UTC"), duration(d.At.Sub(d.Started).Seconds())}
	if d.Resumed {
		facts = append(facts, "since "+d.Since.Format("2006-01-02 15:04 UTC"))
	}
	return strings.Join(facts, " · ")
}

// fact is one line about both sides.
type fact struct{ label, old, new string }

// facts are what is said of the sides, in the order of the table.
func (d *WatchSummary) facts() []fact {
	var out []fact
	add := func(label string, of func(s *WatchSide) string) {
		out = append(out, fact{label, of(&d.Old), of(&d.New)})
	}
	add("server", func(s *WatchSide) string { return orElse(s.Addr, "address unknown") })
	add("version", func(s *WatchSide) string { return s.Version })
	add("changes made here", func(s *WatchSide) string { return number(int64(s.Changes)) })
	add("… verified on the other side", func(s *WatchSide) string { return number(int64(s.Verified)) })
	if d.Old.Explained+d.New.Explained > 0 {
		add("… met by a collision", func(s *WatchSide) string { return number(int64(s.Explained)) })
	}
	if d.Old.Unjudged+d.New.Unjudged > 0 {
		add("… not judged", func(s *WatchSide) string { return number(int64(s.Unjudged)) })
	}
	if d.Waiting > 0 {
		add("… in flight", func(s *WatchSide) string { return number(int64(s.Waiting)) })
	}
	if d.Old.ThirdSource+d.New.ThirdSource > 0 {
		add("changes of other servers", func(s *WatchSide) string { return number(int64(s.ThirdSource)) })
	}
	add("applier", func(s *WatchSide) string { return orElse(s.Applier, "not known") })
	add("step", func(s *WatchSide) string { return stepText(s.Step) })
	add("sessions", func(s *WatchSide) string {
		if len(s.Stale) > 0 {
			return fmt.Sprintf("%s, %s stale", number(int64(s.Sessions)), number(int64(len(s.Stale))))
		}
		return number(int64(s.Sessions))
	})
	add("verified through", func(s *WatchSide) string { return orElse(s.Through, "–") })
	add("read to", func(s *WatchSide) string { return orElse(s.Position, "–") })
	return out
}

func (t *terminal) watchSides(d *WatchSummary) {
	facts := d.facts()
	labels := 0
	for _, f := range facts {
		labels = max(labels, width(f.label))
	}
	column := (t.width - labels - 2 - 2*gap) / 2
	left := []tw.Align{tw.AlignLeft, tw.AlignLeft, tw.AlignLeft}
	table := ruledTable(lineWriter{t}, left)
	table.Header([]string{"", t.paint.in(t.paint.bold, "old"), t.paint.in(t.paint.bold, "new")})
	for _, f := range facts {
		t.keep(table.Append([]string{
			t.paint.in(t.paint.dim, f.label), strings.Join(wrap(visible(f.old), column), "\n"),
			strings.Join(wrap(visible(f.new), column), "\n"),
		}))
	}
	t.keep(table.Render())
}

func (t *terminal) watchKinds(d *WatchSummary) {
	table := ruledTable(lineWriter{t}, []tw.Align{tw.AlignLeft, tw.AlignRight, tw.AlignRight, tw.AlignLeft})
	table.Header([]string{
		t.paint.in(t.paint.dim, "Kind"), t.paint.in(t.paint.dim, "Findings"), t.paint.in(t.paint.dim, "Pairs"), "",
	})
	for _, k := range conflict.Kinds() {
		n := d.Findings[k]
		if n == 0 {
			continue
		}
		style, note := t.paint.red, ""
		if k.Benign() {
			style, note = "", "benign: both sides ended equal"
		}
		t.keep(table.Append([]string{
			k.String(), t.paint.in(style, number(int64(n))), number(int64(d.Pairs[k])), t.paint.in(t.paint.dim, note),
		}))
	}
	t.keep(table.Render())
}

func (t *terminal) watchFinding(f *WatchFinding) {
	style := t.paint.red
	if f.Benign {
		style = ""
	}
	head := f.Kind.String()
	what := shorten(strings.TrimSpace(visible(f.Table)+"  "+f.subject()), max(t.width-width(head)-2, 20))
	t.line(t.paint.in(style, head) + "  " + what)
	for _, side := range []struct {
		name string
		act  *WatchAct
	}{{"old", f.Old}, {"new", f.New}} {
		if side.act == nil {
			continue
		}
		text := side.act.place()
		if side.act.Time != nil {
			text = side.act.Time.Format("2006-01-02 15:04:05.000") + " " + text
		}
		t.wrapped(detailIndent+side.name+" ", t.paint.dim, text)
	}
	for _, note := range f.notes() {
		t.wrapped(detailIndent, "", note)
	}
}

// writers are the sessions that had a part in it, as far as they were seen.
func (f *WatchFinding) writers() []string {
	var out []string
	add := func(whose string, s *WatchSession) {
		text := fmt.Sprintf("%sthread %d was seen alive: %s@%s", whose, s.Thread, s.User, s.Host)
		if s.Step.Increment > 0 {
			text += " with " + stepText(s.Step)
		}
		out = append(out, text)
	}
	for _, side := range []struct {
		whose string
		act   *WatchAct
	}{{"old's ", f.Old}, {"new's ", f.New}} {
		if side.act != nil && side.act.Session != nil {
			add(side.whose, side.act.Session)
		}
	}
	if len(out) == 0 && f.Session != nil {
		add("", f.Session)
	}
	return out
}

// notes are what is to be said of a finding besides what collided.
func (f *WatchFinding) notes() []string {
	var out []string
	if f.Reason != "" || f.Detail != "" && f.Detail != f.subject() {
		out = append(out, strings.TrimPrefix(string(f.Reason)+": "+f.Detail, ": "))
	}
	for _, index := range f.More {
		out = append(out, "the same rows also collide in ("+strings.Join(index, ", ")+")")
	}
	out = append(out, f.writers()...)
	if f.Possible {
		out = append(out, "possible only: without GTIDs the echo cannot be tied to one original for sure")
	}
	if f.Advice != "" {
		out = append(out, "→ "+f.Advice)
	}
	return out
}

// remark is a line below the tables with its label.
type remark struct {
	label, text string
	warn        bool
}

// more says how many are not named.
func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d others", n)
}

func (d *WatchSummary) remarks() []remark {
	var out []remark
	if b := d.Base; b != nil {
		text := fmt.Sprintf("check run %d of %s, %s in %s", b.Run, b.Finished.Format("2006-01-02 15:04:05 UTC"),
			plural(b.Rows, "row"), plural(int64(b.Tables), "table"))
		if b.Gap != "" {
			text += ", not used: " + b.Gap
		}
		out = append(out, remark{"base", text, b.Gap != ""})
	}
	if n := len(d.Unverified); n > 0 {
		const most = 20
		out = append(out, remark{"unverified", strings.Join(d.Unverified[:min(n, most)], ", ") + more(n-most), true})
	}
	if n := len(d.Sequences); n > 0 {
		out = append(out, remark{"sequences", "what they will give next is not judged: " + strings.Join(d.Sequences[:min(n, 5)], ", ") + more(n-5), false})
	}
	for i, x := range d.Scopes {
		if len(d.Scopes) > 1 {
			out = append(out, remark{"scope", x.Since.Format("2006-01-02 15:04:05 UTC") + ": " + (&watch.Scope{Include: x.Include, Exclude: x.Exclude}).String(), i > 0})
		}
	}
	if line := recheckText(d.Rechecks); line != "" {
		out = append(out, remark{"doubts", line, d.Rechecks.Differ+d.Rechecks.Unknown > 0})
	}
	for _, n := range d.Nodes {
		out = append(out, remark{"node", n.Node + " " + n.Addr + ": " + n.state(), false})
	}
	for i := range d.Copies {
		c := &d.Copies[i]
		out = append(out, remark{"copy", c.line(), c.State != watch.CopyVerified})
		for _, x := range c.Doubts {
			text := c.Node + " " + x.Table
			if len(x.Key) > 0 {
				text += " " + keyText(x.Key)
			}
			out = append(out, remark{"doubt", text + ": " + x.What + " in " + x.GTID, true})
		}
	}
	for _, h := range d.Health {
		text := h.Side + " " + h.ID + ": " + h.Detail
		if h.Advice != "" {
			text += " → " + h.Advice
		}
		out = append(out, remark{"health", text, true})
	}
	for _, f := range d.Forecast {
		out = append(out, remark{"forecast", f, true})
	}
	for _, b := range d.Blind {
		out = append(out, remark{"not judged", b, true})
	}
	if d.NotWritten > 0 {
		out = append(out, remark{"output", plural(int64(d.NotWritten), "finding") + " not written; they are in the ledger", true})
	}
	return out
}

func (t *terminal) watchNotes(d *WatchSummary) {
	for i, r := range d.remarks() {
		if i == 0 {
			t.line("")
		}
		style := ""
		if r.warn {
			style = t.paint.yellow
		}
		t.labelled(fmt.Sprintf("%-12s", r.label+":"), style, r.text)
	}
}

func renderWatchMarkdown(w io.Writer, d *WatchSummary) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n%s\n\n| | old | new |\n|---|---|---|\n", markdownMark(same(d.Verdict)), md(d.Summary()), md(d.when()))
	for _, f := range d.facts() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.label, md(f.old), md(f.new))
	}
	if d.Total > 0 {
		b.WriteString("\n| kind | findings | pairs | |\n|---|--:|--:|---|\n")
		for _, k := range conflict.Kinds() {
			if n := d.Findings[k]; n > 0 {
				note := ""
				if k.Benign() {
					note = "benign"
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", k, number(int64(n)), number(int64(d.Pairs[k])), note)
			}
		}
	}
	markdownWatchFindings(&b, d)
	if list := d.remarks(); len(list) > 0 {
		b.WriteString("\n## Notes\n\n")
		for _, r := range list {
			fmt.Fprintf(&b, "- %s: %s\n", r.label, md(r.text))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownWatchFindings(b *strings.Builder, d *WatchSummary) {
	if len(d.Listed) == 0 {
		return
	}
	b.WriteString("\n## Findings\n\n| kind | table | key | old | new | |\n|---|---|---|---|---|---|\n")
	for i := range d.Listed {
		f := &d.Listed[i]
		place := func(a *WatchAct) string {
			if a == nil {
				return ""
			}
			return a.place()
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", f.Kind, md(f.Table), md(shorten(f.subject(), 120)), md(place(f.Old)),
			md(place(f.New)), md(strings.Join(f.notes(), "; ")))
	}
	if more := d.Total; more > uint64(len(d.Listed)) {
		fmt.Fprintf(b, "\n%s not listed\n", plural(int64(more-uint64(len(d.Listed))), "finding"))
	}
}
