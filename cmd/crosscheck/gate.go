package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"crosscheck/cluster"
	"crosscheck/gate"
	"crosscheck/gate/measure"
	"crosscheck/gate/plan"
	"crosscheck/report"
)

func newGateCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "gate",
		Short: "Judge the gates of a migration by evidence",
		Long: `Judge the gates of a plan's migration by evidence: what a preflight, checks and a running watch have
recorded, and what is measured on the servers now. A gate opens only on proof that is fresh, complete, and of
the plan's own servers; what is not known keeps it shut.

Exit codes: 0 pass (or opened by an override), 1 fail, 2 unknown, 3 could not run, 64 usage or plan error.`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newGateStatusCommand(g), newGateCheckCommand(g), newGateWaitCommand(g), newGateOverrideCommand(g), newGateCertifyCommand(g))
	return c
}

func (o *gateFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.file, "plan", "", "the migration's plan, as plan init writes it")
	f.StringVar(&o.state, "state", "", "folder that keeps the evidence (default that of check and watch)")
}

// gateOutput says how gates are shown.
type gateOutput struct{ format, file string }

func (o *gateOutput) register(f *pflag.FlagSet) {
	f.StringVar(&o.format, "format", string(report.FormatTable), "table, json or markdown")
	f.StringVar(&o.file, "output", "", "write the result to this file instead of stdout")
}

func (o *gateOutput) validate() error {
	if !slices.Contains(report.GatesFormats(), report.Format(o.format)) {
		return usageError("unknown format %q: use table, json or markdown", o.format)
	}
	return nil
}

// show renders gates, and ends with the exit code of the state.
func (m *migration) show(o *gateOutput, s gate.Status, name string, actions []gate.Action) error {
	doc := report.NewGates(s, m.showing(name, actions))
	var err error
	if o.file == "" {
		err = report.RenderGates(m.g.std.out, report.Format(o.format), doc, report.TermOptions{Color: m.g.color(m.g.std.out), Width: width(m.g.std.out)})
	} else {
		err = report.WriteFile(o.file, func(w io.Writer) error {
			return report.RenderGates(w, report.Format(o.format), doc, report.TermOptions{})
		})
	}
	if err != nil {
		return err
	}
	return m.exit(gate.State(doc.State))
}

// showing says how gates are shown: the named one, or all.
func (m *migration) showing(name string, actions []gate.Action) report.GatesOptions {
	return report.GatesOptions{
		Plan: m.flags.file, OldDSN: m.plan.Old.DSN, NewDSN: m.plan.New.DSN, Gate: name, Offline: m.flags.offline, Command: m.command,
		Actions: actions, Notes: slices.Concat(m.notes, m.remarks),
	}
}

// exit is the end of a command by a state. What could not be measured is not known to pass, however fresh the evidence is
// that was taken before.
func (m *migration) exit(s gate.State) error {
	switch {
	case s == gate.Fail:
		return &exitError{code: exitDifferent}
	case !s.Open() || len(m.notes) > 0:
		return &exitError{code: exitUndecided}
	}
	return nil
}

// command completes the command lines that a reason names, so that each can be pasted. What is to be done comes in parts.
func (m *migration) command(next string) string {
	next = strings.ReplaceAll(next, "--plan PLAN", "--plan "+shellWord(m.flags.file))
	next = strings.ReplaceAll(next, "--state DIR", "--state "+shellWord(m.dir))
	parts := strings.Split(next, gate.Then)
	for i, part := range parts {
		if !strings.Contains(part, "crosscheck ") {
			continue
		}
		if m.g.defaultsFile != "" {
			parts[i] += " --defaults-file " + shellWord(m.g.defaultsFile)
		}
		if m.flags.state != "" && !strings.Contains(part, "--state ") {
			parts[i] += " --state " + shellWord(m.flags.state)
		}
	}
	return strings.Join(parts, gate.Then)
}

func newGateStatusCommand(g *globals) *cobra.Command {
	var o gateFlags
	var out gateOutput
	c := &cobra.Command{
		Use:   "status --plan FILE",
		Short: "Measure what can be measured now, and show all gates",
		Long: `Measure what can be measured now, and show all gates: their states, the age of the evidence, why they are
shut, and the exact statement or command to go on with. Hooks of the plan are run where nothing else is missing.

Exit codes: 0 all are open, 1 one fails, 2 one is unknown, 3 could not run, 64 usage or plan error.`,
		Example: `  crosscheck gate status --plan migration.toml
  crosscheck gate status --plan migration.toml --offline --format markdown --output gates.md`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.validate(); err != nil {
				return err
			}
			m, err := openMigration(c.Context(), g, o)
			var server *cluster.ServerError
			if errors.As(err, &server) && !o.offline {
				return fmt.Errorf("%w; --offline judges by what is recorded", err)
			}
			if err != nil {
				return err
			}
			defer m.close()
			s, err := m.look(c.Context(), "", "")
			if err != nil {
				return err
			}
			return m.show(&out, s, "", nil)
		},
	}
	o.register(c.Flags())
	out.register(c.Flags())
	c.Flags().BoolVar(&o.offline, "offline", false, "ask no server: judge by what is recorded")
	return c
}

// look measures, runs hooks, judges and records: for all gates, or up to the named one.
func (m *migration) look(ctx context.Context, name, by string) (gate.Status, error) {
	if err := m.measure(ctx, name, by); err != nil {
		return gate.Status{}, err
	}
	s, err := m.settle(ctx, name)
	if err != nil {
		return s, err
	}
	return s, m.decide(ctx, s, name)
}

// settle judges, and runs the hooks that the state asks for until none is left.
func (m *migration) settle(ctx context.Context, name string) (gate.Status, error) {
	for {
		s := m.judge()
		if m.flags.offline {
			return s, nil
		}
		again, err := m.runHooks(ctx, s, name)
		if err != nil || !again {
			return s, err
		}
	}
}

// known refuses a gate that the plan's path does not have.
func knownGate(p plan.Plan, name string) error {
	if gates := p.Gates(); !slices.Contains(gates, name) {
		return usageError("the path %s has no gate %s: use one of %s", p.Path, name, strings.Join(gates, ", "))
	}
	return nil
}

// gateCheckFlags are the flags of gate check.
type gateCheckFlags struct {
	gateFlags
	gateOutput
	by, note    string
	apply       string
	certificate string
}

func newGateCheckCommand(g *globals) *cobra.Command {
	var o gateCheckFlags
	c := &cobra.Command{
		Use:   "check NAME --plan FILE",
		Short: "Judge one gate, and end by its state",
		Long: `Measure what one gate and those before it need, judge it, and end by its state. With --by somebody declares
that the application was switched (reads-switched, writes-switched, switched), or signs (signed-off).

A server is changed only by --apply, which takes one of: set-steps (both sides' auto_increment steps, the
offset first), kill-stale-sessions (live sessions that have another step than their server; never those of
the system, of replication, or our own), restore-step (new's step, after old was drained). Without it the
statements are shown where the gate asks for them.

Exit codes: 0 pass (or opened by an override), 1 fail, 2 unknown, 3 could not run, 64 usage or plan error.`,
		Example: `  crosscheck gate check replica-in-sync --plan migration.toml
  crosscheck gate check steps-set --plan migration.toml --apply set-steps
  crosscheck gate check writes-switched --plan migration.toml --by ann`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runGateCheck(c.Context(), g, &o, args[0]) },
	}
	f := c.Flags()
	o.gateFlags.register(f)
	o.gateOutput.register(f)
	f.StringVar(&o.by, "by", "", "who declares that the application was switched, or signs")
	f.StringVar(&o.note, "note", "", "with --by at signed-off: a note that is kept with the signature")
	f.StringVar(&o.apply, "apply", "", "change the servers: set-steps, kill-stale-sessions or restore-step")
	f.StringVar(&o.certificate, "certificate", "", "at rehearsal: the certificate of the rehearsal")
	return c
}

// validate refuses flags that mean nothing for the gate.
func (o *gateCheckFlags) validate(p plan.Plan, name string) error {
	if err := knownGate(p, name); err != nil {
		return err
	}
	needs := gate.Needs(p, name)
	declares := slices.ContainsFunc(needs, func(k gate.Kind) bool {
		return k == gate.KindReadsSwitch || k == gate.KindWritesSwitch || k == gate.KindSignOff
	})
	switch {
	case o.by != "" && strings.TrimSpace(o.by) == "":
		return usageError("--by: a name is needed")
	case o.by != "" && !declares:
		return usageError("--by: nobody needs to declare anything for the gate %s", name)
	case o.note != "" && (o.by == "" || !slices.Contains(needs, gate.KindSignOff)):
		return usageError("--note: only a signature has one: gate check signed-off --by NAME")
	case o.apply != "" && !slices.Contains(measure.Actions(), o.apply):
		return usageError("--apply %s: use %s", o.apply, strings.Join(measure.Actions(), ", "))
	case o.apply != "" && !slices.Contains(actionsOf(name), o.apply):
		return usageError("--apply %s does nothing for the gate %s", o.apply, name)
	case o.certificate != "" && !slices.Contains(needs, gate.KindRehearsal):
		return usageError("--certificate: only the gate rehearsal needs one")
	}
	return nil
}

// actionsOf lists what --apply may do for a gate.
func actionsOf(name string) []string {
	switch name {
	case plan.GateStepsSet:
		return []string{measure.ActionSetSteps, measure.ActionKillStale}
	case plan.GateStepRestored:
		return []string{measure.ActionRestoreStep}
	}
	return nil
}

func runGateCheck(ctx context.Context, g *globals, o *gateCheckFlags, name string) error {
	p, _, err := readPlan(o.gateFlags.file)
	if err != nil {
		return err
	}
	if err = o.validate(p, name); err != nil {
		return err
	}
	if err = o.gateOutput.validate(); err != nil {
		return err
	}
	m, err := openMigration(ctx, g, o.gateFlags)
	if err != nil {
		return err
	}
	defer m.close()
	if o.certificate != "" {
		if err = m.rehearsal(o.certificate); err != nil {
			return err
		}
	}
	var done []gate.Action
	if o.apply != "" {
		if done, err = m.apply(ctx, name, o.apply); err != nil {
			return err
		}
	}
	s, err := m.look(ctx, name, o.by)
	if err != nil {
		return err
	}
	if o.by != "" && slices.Contains(gate.Needs(p, name), gate.KindSignOff) {
		if s, err = m.sign(ctx, s, name, o); err != nil {
			return err
		}
	}
	if len(done) == 0 {
		done = m.proposals(ctx, s, name)
	}
	return m.show(&o.gateOutput, s, name, done)
}

// sign records a signature, but none under a migration whose gates are not all open before it.
func (m *migration) sign(ctx context.Context, s gate.Status, name string, o *gateCheckFlags) (gate.Status, error) {
	for _, r := range s.Gates {
		if r.Gate != name && !r.State.Open() {
			m.remarks = append(m.remarks, fmt.Sprintf("not signed: the gate %s is %s", r.Gate, r.State))
			return s, nil
		}
		if r.Gate == name {
			break
		}
	}
	e, err := m.make(s, gate.SignOff{By: o.by, Note: o.note})
	if err != nil {
		return s, err
	}
	m.keep(e, false)
	if s, err = m.settle(ctx, name); err != nil {
		return s, err
	}
	return s, m.decide(ctx, s, name)
}

func newGateOverrideCommand(g *globals) *cobra.Command {
	var o gateFlags
	var out gateOutput
	var by, reason string
	c := &cobra.Command{
		Use:   "override NAME --plan FILE --by NAME --reason TEXT",
		Short: "Open one gate without its proof; who and why stay visible for good",
		Long: `Open one gate without its proof. The override is recorded with who and why, is shown by every status and
stands in the certificate; it cannot be taken back. It ends with the plan: a changed plan is another one.

Exit codes: 0 recorded, 3 could not run, 64 usage or plan error.`,
		Example: `  crosscheck gate override replica-in-sync --plan migration.toml --by ann --reason 'table log is thrown away'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if strings.TrimSpace(by) == "" || strings.TrimSpace(reason) == "" {
				return usageError("an override needs --by NAME and --reason TEXT")
			}
			if err := out.validate(); err != nil {
				return err
			}
			o.offline = true // what is known of the servers is recorded
			m, err := openMigration(c.Context(), g, o)
			if err != nil {
				return err
			}
			defer m.close()
			return m.override(c.Context(), &out, args[0], gate.Override{Gate: args[0], By: by, Why: reason})
		},
	}
	o.register(c.Flags())
	out.register(c.Flags())
	c.Flags().StringVar(&by, "by", "", "who opens the gate")
	c.Flags().StringVar(&reason, "reason", "", "why")
	return c
}

func (m *migration) override(ctx context.Context, out *gateOutput, name string, o gate.Override) error {
	if err := knownGate(m.plan, name); err != nil {
		return err
	}
	e, err := m.make(m.judge(), o)
	if err != nil {
		return err
	}
	m.keep(e, false)
	s := m.judge()
	if err = m.decide(ctx, s, name); err != nil {
		return err
	}
	err = m.show(out, s, name, nil)
	if exit, ok := err.(*exitError); ok && exit.err == nil { //nolint:errorlint // show's own, not wrapped
		return nil // recorded it is, whatever stands before the gate
	}
	return err
}
