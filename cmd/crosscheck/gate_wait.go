package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"crosscheck/gate"
	"crosscheck/report"
)

// waitPause is the time between two looks of gate wait.
const waitPause = time.Second

// gateWaitFlags are the flags of gate wait.
type gateWaitFlags struct {
	gateFlags
	gateOutput
	timeout time.Duration
}

func newGateWaitCommand(g *globals) *cobra.Command {
	var o gateWaitFlags
	c := &cobra.Command{
		Use:   "wait NAME --plan FILE",
		Short: "Wait until a gate is open",
		Long: `Measure and judge again and again until a gate is open or the time is over. How it stands is on stderr, the
end's result on stdout.

Exit codes: 0 open, 1 it still fails, 2 still unknown, 3 could not run, 64 usage or plan error.`,
		Example: `  crosscheck gate wait old-drained --plan migration.toml --timeout 2h`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return runGateWait(c.Context(), g, &o, args[0]) },
	}
	o.gateFlags.register(c.Flags())
	o.gateOutput.register(c.Flags())
	durationVar(c.Flags(), &o.timeout, "timeout", time.Hour, "how long to wait")
	return c
}

func runGateWait(ctx context.Context, g *globals, o *gateWaitFlags, name string) error {
	if o.timeout <= 0 {
		return usageError("--timeout %s: a time above 0 is needed, as 10m or 2h", o.timeout)
	}
	if err := o.validate(); err != nil {
		return err
	}
	p, _, err := readPlan(o.gateFlags.file)
	if err != nil {
		return err
	}
	if err = knownGate(p, name); err != nil {
		return err
	}
	m, err := openMigration(ctx, g, o.gateFlags)
	if err != nil {
		return err
	}
	defer m.close()
	limited, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	view := newWaitView(g, m, name, o.timeout)
	s, err := m.waitFor(limited, name, view)
	view.close()
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		// The last look was broken off. What it took before is evidence all the same.
		if s.At.IsZero() {
			s = m.judge()
		}
	case err != nil:
		return err
	}
	if err = m.decide(ctx, s, name); err != nil {
		return err
	}
	if ctx.Err() != nil { // interrupted: what it came to is not what was waited for
		return errors.Join(&exitError{code: exitUndecided}, m.show(&o.gateOutput, s, name, nil))
	}
	return m.show(&o.gateOutput, s, name, nil)
}

// waitFor looks until the gate is open, and returns the last state. What a look takes is recorded where it makes another
// state than the one before, else at the end: hours of the same are said once.
func (m *migration) waitFor(ctx context.Context, name string, view *waitView) (last gate.Status, err error) {
	before := ""
	for {
		if err := m.measure(ctx, name, ""); err != nil {
			return last, err
		}
		s, err := m.settle(ctx, name)
		if err != nil {
			return last, err
		}
		last = s
		r, _ := s.Gate(name)
		text := waitText(s, r, m.notes)
		if text != before {
			if err := m.decide(ctx, s, name); err != nil {
				return last, err
			}
		}
		view.show(s, text, text != before)
		before = text
		if r.State.Open() && len(m.notes) == 0 {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(waitPause):
		}
		m.thin()
	}
}

// thin forgets what was taken by looks that changed nothing, but for the newest of each kind: the pending list would grow
// by every look.
func (m *migration) thin() {
	newest := make(map[gate.Kind]int)
	sort := func(e gate.Evidence) gate.Kind {
		if c, ok := e.Content.(gate.Unmeasured); ok {
			return e.Kind() + " " + c.Of
		}
		return e.Kind()
	}
	for i, e := range m.pending {
		newest[sort(e)] = i
	}
	drop := make(map[gate.EvidenceID]bool)
	kept := m.pending[:0:0]
	for i, e := range m.pending {
		if newest[sort(e)] == i || len(e.Reset) > 0 || slices.Contains([]gate.Kind{gate.KindHook, gate.KindDecision, gate.KindAction}, e.Kind()) {
			kept = append(kept, e)
			continue
		}
		drop[e.ID()] = true
	}
	if len(drop) == 0 {
		return
	}
	m.pending = kept
	m.evidence.Remove(drop)
}

// waitText is how a gate stands in one line.
func waitText(s gate.Status, r gate.Result, notes []string) string {
	if len(notes) > 0 {
		return fmt.Sprintf("%s: %s", r.Gate, notes[0])
	}
	if next, ok := s.Next(); ok && next.Gate != r.Gate && !r.State.Open() {
		return fmt.Sprintf("%s waits for %s: %s", r.Gate, next.Gate, next.ReasonIDs())
	}
	if r.State.Open() {
		return fmt.Sprintf("%s: %s", r.Gate, r.State)
	}
	return fmt.Sprintf("%s: %s: %s", r.Gate, r.State, r.ReasonIDs())
}

// waitView shows on stderr how it stands: on a terminal a picture that changes, else a line per change.
type waitView struct {
	g       *globals
	m       *migration
	name    string
	timeout time.Duration
	started time.Time
	picture *report.GatesView // nil where there is no room for one
}

func newWaitView(g *globals, m *migration, name string, timeout time.Duration) *waitView {
	w := &waitView{g: g, m: m, name: name, timeout: timeout, started: time.Now()}
	if width(g.std.err) >= report.MinGatesWidth {
		w.picture = report.NewGatesView(g.std.err, g.color(g.std.err), func() (int, int) { return size(g.std.err) })
	}
	return w
}

func (w *waitView) show(s gate.Status, text string, changed bool) {
	switch {
	case w.g.quiet:
	case w.picture != nil:
		title := fmt.Sprintf("waiting for %s  %s of %s", w.name, time.Since(w.started).Round(time.Second), w.timeout)
		s.Gates = s.Gates[:1+slices.IndexFunc(s.Gates, func(r gate.Result) bool { return r.Gate == w.name })]
		w.picture.Show(title, report.NewGates(s, w.m.showing("", nil)))
	case changed:
		fmt.Fprintf(w.g.std.err, "%s  %s\n", time.Now().Format(time.TimeOnly), text)
	}
}

func (w *waitView) close() {
	if w.picture != nil {
		_ = w.picture.Close() // a closed terminal is no reason to fail
	}
}
