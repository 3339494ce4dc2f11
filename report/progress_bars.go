package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"crosscheck/checksum"
)

const (
	barSteps     = 1000 // a bar's own scale: estimates of rows may be missing or wrong, percent are not
	barNameCells = 24
)

// barView draws a bar per running table, lines of finished ones above, and a line with the state of the run below.
type barView struct {
	container *mpb.Progress
	paint     paint
	begun     time.Time
	bars      map[*meter]*mpb.Bar
	status    *mpb.Bar
	tables    [3]atomic.Int64 // finished, by verdict; mpb reads them from goroutines of its own
}

func newBarView(w io.Writer, p paint, now time.Time) *barView {
	v := &barView{
		container: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(progressTick)),
		paint:     p, begun: now, bars: map[*meter]*mpb.Bar{},
	}
	v.status = v.container.New(0, mpb.NopStyle(), mpb.BarPriority(math.MaxInt),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return v.statusText(time.Since(v.begun)) })))
	return v
}

func (v *barView) statusText(elapsed time.Duration) string {
	different, undecided := v.tables[checksum.Different].Load(), v.tables[checksum.Undecided].Load()
	parts := []string{plural(v.tables[checksum.Same].Load()+different+undecided, "table") + " done"}
	if different > 0 {
		parts = append(parts, v.paint.in(v.paint.red, number(different)+" different"))
	}
	if undecided > 0 {
		parts = append(parts, v.paint.in(v.paint.yellow, number(undecided)+" undecided"))
	}
	return "  " + strings.Join(append(parts, roughly(elapsed)), " · ")
}

func (v *barView) start(m *meter) {
	name := shorten(visible(m.table), barNameCells)
	name += strings.Repeat(" ", barNameCells-width(name))
	style := mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─").
		FillerMeta(func(s string) string { return v.paint.in(v.paint.green, s) }).
		TipMeta(func(s string) string { return v.paint.in(v.paint.green, s) }).
		PaddingMeta(func(s string) string { return v.paint.in(v.paint.dim, s) })
	bar, err := v.container.Add(barSteps, style.Build(),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return "  " + name + " " })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return barText(m.read()) })),
	)
	if err == nil {
		v.bars[m] = bar
	}
}

// barText has columns of fixed width, so that numbers stay where they are while they change.
func barText(r reading) string {
	percent := "    "
	if r.percent >= 0 {
		percent = fmt.Sprintf("%2d %%", r.percent)
	}
	left := number(r.rows) + " rows"
	switch {
	case r.left > 0:
		left = roughly(r.left) + " left"
	case r.percent >= 99:
		left = "past estimate"
	}
	return fmt.Sprintf(" %s %9s rows/s  %-13s", percent, number(r.speed), left)
}

func (v *barView) finish(m *meter, r *Table, _ time.Time) {
	if bar := v.bars[m]; m != nil && bar != nil {
		bar.Abort(true)
		delete(v.bars, m)
	}
	if int(r.Verdict) < len(v.tables) {
		v.tables[r.Verdict].Add(1)
	}
	v.line(v.paint.in(v.paint.verdict(r.Verdict), mark(r.Verdict)) + " " + finished(r))
}

// line drops errors: a closed stderr is no reason to stop a check.
func (v *barView) line(text string) { fmt.Fprintln(v.container, text) }

func (v *barView) tick(time.Time) {
	for m, bar := range v.bars {
		bar.SetCurrent(int64(max(m.read().percent, 0)) * barSteps / 100)
	}
}

func (v *barView) close() {
	for _, bar := range v.bars {
		bar.Abort(true)
	}
	v.status.Abort(true)
	v.container.Wait()
}
