package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
	"crosscheck/cluster/topology"
	"crosscheck/gate"
	"crosscheck/gate/measure"
	"crosscheck/gate/plan"
	"crosscheck/gate/preflight"
	"crosscheck/gate/record"
	"crosscheck/report"
)

// preflightFlags are the flags of preflight.
type preflightFlags struct {
	endpoints
	replicas        replicaFlags
	path            string
	duration        spanFlag
	accept          []string
	tables, exclude []string
	format, file    string
	plan            gateFlags
}

// spanFlag is a time that may be given in days.
type spanFlag time.Duration

func (d *spanFlag) String() string {
	if day := 24 * time.Hour; time.Duration(*d) >= day && time.Duration(*d)%day == 0 {
		return fmt.Sprintf("%dd", time.Duration(*d)/day)
	}
	return time.Duration(*d).String()
}

func (d *spanFlag) Type() string { return "duration" }

func (d *spanFlag) Set(s string) error {
	v, err := plan.Duration(s)
	if n, days := strings.CutSuffix(s, "d"); days {
		var f float64
		f, err = strconv.ParseFloat(n, 64)
		if v = time.Duration(f * 24 * float64(time.Hour)); f > 40_000 {
			err = plan.ErrTooLong
		}
	}
	if errors.Is(err, plan.ErrTooLong) {
		return err
	}
	if err != nil || v <= 0 {
		return errors.New("a time above 0 is needed, as 7d or 36h")
	}
	*d = spanFlag(v)
	return nil
}

func newPreflightCommand(g *globals) *cobra.Command {
	o := preflightFlags{duration: spanFlag(preflight.DefaultDuration)}
	c := &cobra.Command{
		Use:   "preflight --old DSN --new DSN",
		Short: "Say what stands in the way of a migration between two servers",
		Long: `Ask both servers what stands in the way of a migration: privileges, versions, binary logs, GTIDs,
steps, schemas, stored programs, settings, accounts. Nothing is changed on either. Each replica that is
named (--old-replica, --new-replica) is held against its side's own server, too.

Every finding has an id that never changes, and a severity: fatal (replication stops), lossy (data is
lost without an error), warning (mend it or accept it by name), info. The page
docs/what-if-preflight.md explains each id.

Exit codes: 0 nothing is left but info and what is accepted, 1 something is, 2 nothing else, but
something could not be found out (the GRANT is named), 3 could not run, 64 usage error.`,
		Example: `  crosscheck preflight --old @old --new @new
  crosscheck preflight --old @old --new @new --path rolling-upgrade --duration 14d --accept config_sql_mode
  crosscheck preflight --old @old --new @new --accept table_without_key:shop.log --format markdown --output preflight.md
  crosscheck preflight --plan migration.toml`,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.plan.file == "" {
				if o.plan.state != "" {
					return usageError("--state: only a preflight for a --plan is recorded")
				}
				return runPreflight(c.Context(), g, &o)
			}
			for _, name := range []string{"old", "new", "old-replica", "new-replica", "path", "duration", "accept", "table", "exclude"} {
				if c.Flags().Changed(name) {
					return usageError("--%s: the plan says it; change the plan", name)
				}
			}
			return runPlannedPreflight(c.Context(), g, &o)
		},
	}
	f := c.Flags()
	o.endpoints.register(f)
	o.replicas.register(f)
	f.StringVar(&o.path, "path", string(preflight.DualWrite), "way to migrate: dual-write, gtid-restart, gtid-converter or rolling-upgrade")
	f.Var(&o.duration, "duration", "how long the migration is to last; binary logs must be kept that long")
	f.StringArrayVar(&o.accept, "accept", nil, "accept a finding, ID or ID:OBJECT; it stays listed; may be repeated")
	f.StringArrayVar(&o.tables, "table", nil, "look only at tables that match this glob, db.table; may be repeated")
	f.StringArrayVar(&o.exclude, "exclude", nil, "leave out tables that match this glob; may be repeated")
	f.StringVar(&o.plan.file, "plan", "", "take servers, path, tables and what is accepted from this plan, and record the result for its gates")
	f.StringVar(&o.plan.state, "state", "", "with --plan: folder that keeps the evidence (default that of check and watch)")
	f.StringVar(&o.format, "format", string(report.FormatTable), "table, json or markdown")
	f.StringVar(&o.file, "output", "", "write the result to this file instead of stdout")
	return c
}

// options reads the flags; every error is a usage error.
func (o *preflightFlags) options() (preflight.Options, cluster.Filter, error) {
	path, err := preflight.ParsePath(o.path)
	if err != nil {
		return preflight.Options{}, cluster.Filter{}, usageError("--path: %w", err)
	}
	if err = preflight.CheckAccept(o.accept); err != nil {
		return preflight.Options{}, cluster.Filter{}, usageError("--accept: %w", err)
	}
	if !slices.Contains(report.PreflightFormats(), report.Format(o.format)) {
		return preflight.Options{}, cluster.Filter{}, usageError("unknown format %q: use table, json or markdown", o.format)
	}
	filter, err := cluster.NewFilter(o.tables, o.exclude)
	if err != nil {
		return preflight.Options{}, filter, usageError("%w", err)
	}
	return preflight.Options{Path: path, Duration: time.Duration(o.duration), Accept: o.accept}, filter, nil
}

// runPreflight executes preflight and ends with the verdict's exit code.
func runPreflight(ctx context.Context, g *globals, o *preflightFlags) error {
	opt, filter, err := o.options()
	if err != nil {
		return err
	}
	log := g.logger(g.std.err)
	old, new, err := o.endpoints.open(ctx, g, log, connectFor)
	if err != nil {
		return err
	}
	defer old.Close()
	defer new.Close()
	look := inspect.Options{Filter: filter, Log: log}
	if !oneIdentity(old, new) {
		var found *nodes
		if found, err = o.replicas.open(ctx, g, log, old, new, connectFor); err != nil {
			return err
		}
		defer found.close()
		look.Nodes, opt.Unnamed = judgedNodes(found.Topology, found.auto, nil)
	}
	pair, err := inspect.Collect(ctx, old, new, look)
	if err != nil {
		return err
	}
	return showPreflight(g, o, preflight.Judge(pair, opt))
}

// oneIdentity: both sides call themselves one server, which preflight says itself, and which has no two clusters.
func oneIdentity(old, new *cluster.Server) bool {
	return old.Facts().ServerUUID == new.Facts().ServerUUID
}

// judgedNodes are the nodes besides old and new that were named, or that are all meant; and those that were found and that
// nobody named. Of these, one that does not answer may be a named one that does not. The converter is no node of a cluster.
func judgedNodes(t *topology.Topology, auto map[topology.Side]bool, converter *cluster.Server) (judged []inspect.NodeServer, unnamed []preflight.Node) {
	for _, side := range []topology.Side{topology.Old, topology.New} {
		c := t.Side(side)
		lost := slices.ContainsFunc(c.Nodes, func(n *topology.Node) bool { return n.Named && !n.Reached() })
		for _, n := range c.Others(true) {
			switch {
			case converter != nil && n.Server == converter:
			case n.Named || auto[side] && (n.Reached() || !lost):
				x := inspect.NodeServer{Label: n.Label, Cluster: string(side), Addr: n.Addr, Server: n.Server}
				if !n.Reached() {
					x.Err = errors.New(n.Why())
				}
				judged = append(judged, x)
			case n.Reached() || !lost:
				unnamed = append(unnamed, preflight.Node{Side: string(side), Addr: n.Addr, Found: n.Found})
			}
		}
	}
	return judged, unnamed
}

// showPreflight renders a result and ends with its verdict's exit code.
func showPreflight(g *globals, o *preflightFlags, result preflight.Result) error {
	doc := report.NewPreflight(result)
	var err error
	if o.file == "" {
		err = report.RenderPreflight(g.std.out, report.Format(o.format), doc, report.TermOptions{Color: g.color(g.std.out), Width: width(g.std.out)})
	} else {
		err = report.WriteFile(o.file, func(w io.Writer) error {
			return report.RenderPreflight(w, report.Format(o.format), doc, report.TermOptions{})
		})
	}
	if err != nil {
		return err
	}
	switch result.Verdict {
	case preflight.Pass:
		return nil
	case preflight.Fail:
		return &exitError{code: exitDifferent}
	case preflight.Unknown:
	}
	return &exitError{code: exitUndecided}
}

// runPlannedPreflight takes a preflight for a plan, records it, and shows it.
func runPlannedPreflight(ctx context.Context, g *globals, o *preflightFlags) error {
	if !slices.Contains(report.PreflightFormats(), report.Format(o.format)) {
		return usageError("unknown format %q: use table, json or markdown", o.format)
	}
	m, err := openMigration(ctx, g, o.plan)
	if err != nil {
		return err
	}
	defer m.close()
	result, err := plannedPreflight(ctx, m.servers, m.plan, m.filter, m.log)
	if err != nil {
		return err
	}
	m.keep(record.Preflight(result, m.hash), false)
	if err := m.decide(ctx, m.judge(), plan.GatePreflight); err != nil {
		return err
	}
	return showPreflight(g, o, result)
}

// plannedPreflight judges a plan's servers by what the plan says.
func plannedPreflight(ctx context.Context, s measure.Servers, p plan.Plan, filter cluster.Filter, log *slog.Logger) (preflight.Result, error) {
	accept := slices.DeleteFunc(p.AcceptNames(), gate.Acceptable) // what no preflight finds
	if err := preflight.CheckAccept(accept); err != nil {
		return preflight.Result{}, usageError("the plan accepts what no preflight finds: %w", err)
	}
	opt := preflight.Options{Path: preflight.Path(p.Path), Duration: p.Limits.Duration, Accept: accept, Accounts: p.Accounts}
	look := inspect.Options{Filter: filter, Log: log}
	if !oneIdentity(s.Old, s.New) {
		found, err := topology.Discover(ctx, s.Named(), topology.Options{Log: log})
		if err != nil {
			return preflight.Result{}, err
		}
		defer found.Close()
		look.Nodes, opt.Unnamed = judgedNodes(found, nil, s.Converter)
	}
	pair, err := inspect.Collect(ctx, s.Old, s.New, look)
	if err != nil {
		return preflight.Result{}, err
	}
	return preflight.Judge(pair, opt), nil
}

// takePreflight is evidence of a plan's preflight.
func takePreflight(ctx context.Context, s measure.Servers, p plan.Plan, filter cluster.Filter, log *slog.Logger) (gate.Evidence, error) {
	result, err := plannedPreflight(ctx, s, p, filter, log)
	if err != nil {
		return gate.Evidence{}, err
	}
	return record.Preflight(result, p.Hash()), nil
}
