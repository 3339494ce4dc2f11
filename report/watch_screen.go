package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// The rules of the live view: a frame is never wider or higher than the terminal, so that it can be drawn over the one
// before; all text passes through visible in one place, span.show; what says why the account is not clean comes first
// and is cut last.

const (
	watchLabel   = 10 // cells of the labels on the left
	staleStatus  = 10 * time.Second
	maxTroubles  = 6
	roomyScreen  = 20 // lines from which sections are set apart by blank lines
	verdictLines = 3
)

// span is a piece of a line in one style.
type span struct{ style, text string }

func (s span) show() string { return visible(s.text) }

type screenLine []span

// render cuts the line to n cells.
func (l screenLine) render(p paint, n int) string {
	var b strings.Builder
	for _, s := range l {
		text := s.show()
		if w := width(text); w > n {
			if n > 0 {
				b.WriteString(p.in(s.style, firstCells(text, n-1)+cutMark))
			}
			break
		} else if w > 0 {
			b.WriteString(p.in(s.style, text))
			n -= w
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// watchScreen is all that a frame shows.
type watchScreen struct {
	paint         paint
	width, height int
	now, begun    time.Time
	sum           *WatchSummary  // nil before the first status
	recent        []WatchFinding // the newest last
}

// section is a block of lines. Where room is short, all sections first get what they need at least, then what is good
// to have, then the rest; each time those of the lowest rank first.
type section struct {
	lines       []screenLine
	rank        int
	least, good int
	apart       bool // a blank line above it where there is room
	tell        bool // says how many lines were cut
}

// frame draws at most height-1 lines of at most width-1 cells: a cursor behind the last cell of a line, or below the
// last line, makes some terminals wrap or scroll.
func (s *watchScreen) frame() []string {
	room := max(s.height-1, 1)
	sections := s.sections()
	given := shareLines(sections, room)
	var out []string
	for i, x := range sections {
		n := given[i]
		if n == 0 {
			continue
		}
		if room >= roomyScreen && x.apart {
			out = append(out, "")
		}
		for _, l := range x.lines[:n] {
			out = append(out, l.render(s.paint, s.width-1))
		}
		if cut := len(x.lines) - n; cut > 0 && x.tell {
			more := screenLine{{s.paint.yellow, fmt.Sprintf("… and %s more", plural(int64(cut+1), "line"))}}
			out[len(out)-1] = more.render(s.paint, s.width-1)
		}
	}
	return out[:min(len(out), room)]
}

// shareLines gives each section a number of lines, blank ones not counted, of which there are room in all.
func shareLines(sections []section, room int) []int {
	order := make([]int, len(sections))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return sections[a].rank - sections[b].rank })
	blanks := room >= roomyScreen
	given := make([]int, len(sections))
	for step := range 3 {
		for _, i := range order {
			x := &sections[i]
			want := min([]int{x.least, x.good, len(x.lines)}[step], len(x.lines)) - given[i]
			if blanks && x.apart && given[i] == 0 && want > 0 && room > 1 {
				room--
			}
			more := max(min(want, room), 0)
			given[i] += more
			room -= more
		}
	}
	return given
}

// sections are in the order of the screen.
func (s *watchScreen) sections() []section {
	if s.sum == nil {
		return []section{{lines: []screenLine{
			{{s.paint.bold, "crosscheck watch"}, {s.paint.dim, "  " + roughly(s.now.Sub(s.begun))}},
			{{s.paint.yellow, "connecting to both servers and their binary logs …"}},
		}}}
	}
	head := append([]screenLine{s.title()}, s.verdict()...)
	return []section{
		{lines: head, rank: 0, least: len(head)},
		{lines: s.sides(), rank: 3, least: 3, good: 7, apart: true},
		{lines: s.health(), rank: 2, least: 2, good: 4, apart: true, tell: true},
		{lines: s.counts(), rank: 1, least: 1, good: 3, apart: true},
		{lines: s.recentLines(), rank: 4, least: 2, good: 4},
	}
}

func (s *watchScreen) title() screenLine {
	d := s.sum
	facts := []string{roughly(s.now.Sub(s.begun)), "window " + humanize.IBytes(uint64(max(d.WindowBytes, 0)))}
	if d.Resumed {
		facts = append(facts, "since "+d.Since.Format("2006-01-02 15:04 UTC"))
	}
	l := screenLine{{s.paint.bold, "crosscheck watch"}, {s.paint.dim, "  " + strings.Join(facts, " · ")}}
	if age := s.now.Sub(d.At); age > staleStatus && !d.Final {
		l = append(l, span{s.paint.yellow, "  no news for " + roughly(age)})
	}
	return l
}

func (s *watchScreen) verdict() []screenLine {
	word, rest, _ := strings.Cut(s.sum.Summary(), ":")
	if s.sum.Verdict == watch.Failed && s.sum.Reason != "" { // the kinds stand further below
		rest = s.sum.Reason
	}
	v := same(s.sum.Verdict)
	label := mark(v) + " " + word + ": "
	lines := wrap(visible(rest), max(s.width-1-width(label), 10))
	if len(lines) > verdictLines {
		last := lines[verdictLines-1]
		lines = append(lines[:verdictLines-1], firstCells(last, max(s.width-3-width(label), 0))+cutMark)
	}
	out := make([]screenLine, 0, len(lines))
	for i, l := range lines {
		if i == 0 {
			out = append(out, screenLine{{s.paint.verdict(v) + s.paint.bold, label}, {"", l}})
		} else {
			out = append(out, screenLine{{"", strings.Repeat(" ", width(label)) + l}})
		}
	}
	return out
}

// cell cuts and fills text to n cells.
func cell(text string, n int) string {
	text = shorten(visible(text), n)
	return text + strings.Repeat(" ", max(n-width(text), 0))
}

// sides are two columns, one line per fact.
func (s *watchScreen) sides() []screenLine {
	column := max((s.width-1-watchLabel-2)/2, 1)
	var out []screenLine
	row := func(label string, of func(w *WatchSide) span) {
		a, b := of(&s.sum.Old), of(&s.sum.New)
		out = append(out, screenLine{
			{s.paint.dim, cell(label, watchLabel)}, {a.style, cell(a.text, column)}, {"", "  "}, {b.style, cell(b.text, column)},
		})
	}
	name := func(side string, w *WatchSide) string {
		return strings.TrimSuffix(side+" "+orElse(w.Addr, "address unknown")+" · "+w.Version, " · ")
	}
	out = append(out, screenLine{
		{"", cell("", watchLabel)},
		{s.paint.bold, cell(name("old", &s.sum.Old), column)},
		{"", "  "},
		{s.paint.bold, cell(name("new", &s.sum.New), column)},
	})
	row("lag", s.lag)
	row("rate", func(w *WatchSide) span {
		return span{"", rateOf(w.TransactionsPerSecond) + " tx/s · " + rateOf(w.ChangesPerSecond) + " rows/s"}
	})
	row("applier", s.applier)
	row("step", func(w *WatchSide) span { return span{"", stepText(w.Step)} })
	row("sessions", func(w *WatchSide) span {
		if n := len(w.Stale); n > 0 {
			return span{s.paint.red, fmt.Sprintf("%s, %s stale", number(int64(w.Sessions)), number(int64(n)))}
		}
		return span{"", number(int64(w.Sessions))}
	})
	row("in flight", func(w *WatchSide) span { return span{"", plural(int64(w.Waiting), "change")} })
	row("verified", func(w *WatchSide) span {
		return span{"", fmt.Sprintf("%s of %s", number(int64(w.Verified)), plural(int64(w.Changes), "change"))}
	})
	row("read to", func(w *WatchSide) span { return span{s.paint.dim, w.Position} })
	return out
}

func (s *watchScreen) lag(w *WatchSide) span {
	again := ""
	if w.Reconnects > 0 {
		again = ", " + plural(int64(w.Reconnects), "reconnect")
	}
	switch {
	case !w.Reading:
		return span{s.paint.red, "not reading" + again}
	case w.LagSeconds >= 10:
		return span{s.paint.yellow, duration(w.LagSeconds) + again}
	default:
		return span{"", fmt.Sprintf("%.1f s", w.LagSeconds) + again}
	}
}

// applierRunning is what watch.SideStatus.Applier says when nothing is wrong.
const applierRunning = "running"

func (s *watchScreen) applier(w *WatchSide) span {
	if w.Applier != applierRunning {
		return span{s.paint.red, orElse(w.Applier, "not known")}
	}
	text, style := w.Applier, ""
	if lag := w.ApplierLagSeconds; lag != nil {
		text += fmt.Sprintf(", %s s behind", number(*lag))
		if *lag >= 60 {
			style = s.paint.yellow
		}
	}
	return span{style, text}
}

func stepText(s WatchStep) string {
	if s.Increment == 0 {
		return "not known"
	}
	return conflict.Step{Increment: s.Increment, Offset: s.Offset}.String()
}

func rateOf(f float64) string { return number(threeDigits(max(f, 0))) }

// health are the troubles with what to do, then the forecasts and what was not judged.
func (s *watchScreen) health() []screenLine {
	var out []screenLine
	for i, t := range s.sum.Health {
		if i == maxTroubles {
			out = append(out, screenLine{{s.paint.yellow, fmt.Sprintf("! … and %d more", len(s.sum.Health)-i)}})
			break
		}
		since := ""
		if t.Since != nil && s.now.Sub(*t.Since) >= time.Second {
			since = " for " + roughly(s.now.Sub(*t.Since))
		}
		out = append(out, screenLine{{s.paint.yellow, "! " + t.Side + " " + t.ID}, {s.paint.dim, since}, {"", ": " + t.Detail}})
		if t.Advice != "" {
			out = append(out, screenLine{{s.paint.bold, "  → "}, {"", t.Advice}})
		}
	}
	var nodes []string
	for i := range s.sum.Nodes {
		nodes = append(nodes, s.sum.Nodes[i].Node+" "+s.sum.Nodes[i].state())
	}
	if len(nodes) > 0 {
		out = append(out, screenLine{{s.paint.dim, "nodes "}, {"", strings.Join(nodes, " · ")}})
	}
	for i := range s.sum.Copies {
		c, style := &s.sum.Copies[i], s.paint.yellow
		if c.State == watch.CopyVerified {
			style = s.paint.dim
		}
		out = append(out, screenLine{{style, "copy "}, {"", c.line()}})
	}
	for _, f := range s.sum.Forecast {
		out = append(out, screenLine{{s.paint.yellow, "forecast "}, {"", f}})
	}
	for _, b := range s.sum.Blind {
		out = append(out, screenLine{{s.paint.yellow, "not judged "}, {"", b}})
	}
	return out
}

// counts are the kinds that were found, and what became of rows under doubt.
func (s *watchScreen) counts() []screenLine {
	d := s.sum
	text := d.kinds(func(k conflict.Kind) bool { return !k.Benign() })
	if benign := d.kinds(conflict.Kind.Benign); benign != "" {
		text = strings.TrimPrefix(text+", "+benign+" (benign)", ", ")
	}
	style := s.paint.red
	if text == "" {
		text, style = "none", ""
	} else if d.Failing == 0 {
		style = ""
	}
	var out []screenLine
	for i, l := range wrap(text, max(s.width-1-watchLabel, 8)) {
		label := ""
		if i == 0 {
			label = "findings"
		}
		out = append(out, screenLine{{s.paint.dim, cell(label, watchLabel)}, {style, l}})
	}
	if line := recheckText(d.Rechecks); line != "" {
		out = append(out, screenLine{{s.paint.dim, cell("doubts", watchLabel)}, {"", line}})
	}
	return out
}

// recheckText says what became of the rows under doubt; "" if there were none.
func recheckText(r WatchRechecks) string {
	var parts []string
	for _, x := range []struct {
		n    int
		word string
	}{{r.Open, "to be checked again"}, {r.Equal, "found equal"}, {r.Differ, "proven different"}, {r.Unknown, "not decided"}} {
		if x.n > 0 {
			parts = append(parts, number(int64(x.n))+" "+x.word)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "rows: " + strings.Join(parts, ", ")
}

// recentLines are the last findings, the newest first.
func (s *watchScreen) recentLines() []screenLine {
	const clock = 10
	kinds, tables := 0, 0
	for i := range s.recent {
		kinds = max(kinds, width(s.recent[i].Kind.String()))
		tables = max(tables, width(visible(s.recent[i].Table)))
	}
	tables = min(tables, max((s.width-clock-kinds-4)/2, 8))
	var out []screenLine
	for i := len(s.recent) - 1; i >= 0; i-- {
		f := &s.recent[i]
		style := s.paint.red
		if f.Benign {
			style = ""
		}
		at := ""
		if f.Found != nil {
			at = f.Found.Format(time.TimeOnly)
		}
		room := max(s.width-1-clock-kinds-tables-4, 4)
		out = append(out, screenLine{
			{s.paint.dim, cell(at, clock)},
			{style, cell(f.Kind.String(), kinds)},
			{"", "  " + cell(f.Table, tables) + "  "},
			{"", shorten(f.subject(), room)},
		})
	}
	return out
}

// subject is what a finding is about besides its table: its key, or who, or why.
func (f *WatchFinding) subject() string {
	switch {
	case len(f.Key) > 0:
		return keyText(f.Key)
	case f.Session != nil && (f.Kind == conflict.StaleSession || f.Detail == ""):
		return visible(fmt.Sprintf("thread %d of %s@%s", f.Session.Thread, f.Session.User, f.Session.Host))
	case f.Detail != "":
		return visible(f.Detail)
	}
	return visible(string(f.Reason))
}
