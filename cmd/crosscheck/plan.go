package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
	"crosscheck/gate/plan"
	"crosscheck/gate/preflight"
	"crosscheck/internal/fault"
	"crosscheck/report"
)

func newPlanCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "plan",
		Short: "Write the plan of a migration, and keep it",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPlanInitCommand(g), newPlanReplaceCommand(g))
	return c
}

// planInitFlags are the flags of plan init.
type planInitFlags struct {
	endpoints
	replicas        replicaFlags
	converter       string
	path            string
	tables, exclude []string
	file            string
	force           bool
}

func newPlanInitCommand(g *globals) *cobra.Command {
	var o planInitFlags
	c := &cobra.Command{
		Use:   "init --old DSN --new DSN",
		Short: "Ask both servers, and write a plan of the migration to begin with",
		Long: `Ask both servers, and write a plan of the migration: TOML with comments, to be read, changed and kept. It
names the two servers by their server_uuid, the other nodes of both clusters, given or found, the tables with
their sizes, what preflight found, and all limits with their defaults. It never holds a password. Nothing is
changed on any server.

Exit codes: 0 written, 3 could not run, 64 usage error, also where the file is there already.`,
		Example: `  crosscheck plan init --old @old --new @new
  crosscheck plan init --old @old --new @new --path rolling-upgrade --table 'shop.*' --output shop.toml`,
		RunE: func(c *cobra.Command, _ []string) error { return runPlanInit(c.Context(), g, &o) },
	}
	f := c.Flags()
	o.endpoints.register(f)
	o.replicas.register(f)
	f.StringVar(&o.converter, "converter", "", "server in the middle of the path gtid-converter, likewise")
	f.StringVar(&o.path, "path", "", "way to migrate: dual-write, gtid-restart, gtid-converter or rolling-upgrade (default: what the servers look like)")
	f.StringArrayVar(&o.tables, "table", nil, "plan only tables that match this glob, db.table; may be repeated")
	f.StringArrayVar(&o.exclude, "exclude", nil, "leave out tables that match this glob; may be repeated")
	f.StringVar(&o.file, "output", "migration.toml", "file to write; - for stdout")
	f.BoolVar(&o.force, "force", false, "overwrite the file")
	return c
}

// validate refuses what cannot work before a server is asked.
func (o *planInitFlags) validate() (cluster.Filter, error) {
	filter, err := cluster.NewFilter(o.tables, o.exclude)
	if err != nil {
		return filter, usageError("%w", err)
	}
	if o.path != "" && !slices.Contains(plan.Paths(), plan.Path(o.path)) {
		return filter, usageError("--path %s: use dual-write, gtid-restart, gtid-converter or rolling-upgrade", o.path)
	}
	if o.converter != "" && o.path != string(plan.GTIDConverter) {
		return filter, usageError("--converter: only --path gtid-converter has one")
	}
	if _, err := os.Lstat(o.file); o.file != "-" && !o.force && !errors.Is(err, os.ErrNotExist) {
		return filter, usageError("%s is there already: name another file with --output, or overwrite it with --force", o.file)
	}
	return filter, nil
}

func runPlanInit(ctx context.Context, g *globals, o *planInitFlags) error {
	filter, err := o.validate()
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
	pair, err := inspect.Collect(ctx, old, new, inspect.Options{Filter: filter, Log: log})
	if err != nil {
		return err
	}
	path, why := plan.Path(o.path), "as --path says"
	if path == "" {
		path, why = likelyPath(&pair)
	}
	facts := planFacts(&pair, path)
	facts.Old.DSN, facts.New.DSN = planDSN(o.old, old), planDSN(o.new, new)
	if o.converter != "" {
		if facts.Converter, err = converterFacts(ctx, g, o.converter); err != nil {
			return err
		}
	}
	if err = planNodes(ctx, g, o, old, new, &facts); err != nil {
		return err
	}
	write := func(w io.Writer) error { return writePlan(w, facts, o.tables, o.exclude) }
	if o.file == "-" {
		return write(g.std.out)
	}
	if err := createFile(o.file, o.force, write); err != nil {
		return err
	}
	if !g.quiet {
		next := "crosscheck preflight --plan " + shellWord(o.file)
		if g.defaultsFile != "" {
			next += " --defaults-file " + shellWord(g.defaultsFile)
		}
		fmt.Fprintf(g.std.err, "%s: path %s, %s; tables: %d, findings of preflight: %d. Read it, then: %s\n",
			o.file, path, why, len(facts.Tables), len(facts.Findings), next)
	}
	return nil
}

// createFile writes a file that is not there yet, also if somebody makes it meanwhile.
func createFile(file string, force bool, write func(io.Writer) error) error {
	if force {
		return report.WriteOpenFile(file, write)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // a plan is no secret
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// planDSN is the address as it was given, or without its password where the environment gave it.
func planDSN(given string, s *cluster.Server) string {
	if given != "" {
		return given
	}
	c := s.Config()
	return fmt.Sprintf("%s@%s(%s)/", c.User, c.Net, c.Addr)
}

// likelyPath guesses the way to migrate; the plan says it in its second line, where it can be changed.
func likelyPath(pair *inspect.Pair) (path plan.Path, why string) {
	o, n := pair.Old.Facts, pair.New.Facts
	switch {
	case pair.Relation.Known && pair.Relation.Mode == cluster.TwoWay:
		return plan.DualWrite, "since the two replicate from each other"
	case !o.IsMariaDB() && !n.IsMariaDB() && o.GTIDMode != "ON":
		return plan.GTIDRestart, "since old has no GTIDs"
	case o.IsMariaDB() == n.IsMariaDB() && (o.Major != n.Major || o.Minor != n.Minor):
		return plan.RollingUpgrade, "since the versions differ"
	}
	return plan.DualWrite, "since nothing speaks for another one"
}

// planFacts are the facts of a pair as a plan tells them.
func planFacts(pair *inspect.Pair, path plan.Path) plan.Facts {
	f := plan.Facts{
		Path: path,
		Old:  plan.NodeFacts{ServerUUID: pair.Old.Facts.ServerUUID, Version: pair.Old.Facts.String()},
		New:  plan.NodeFacts{ServerUUID: pair.New.Facts.ServerUUID, Version: pair.New.Facts.String()},
	}
	onNew, onOld := tableNames(pair.New.Tables), tableNames(pair.Old.Tables)
	for _, t := range pair.Old.Tables {
		f.Tables = append(f.Tables, plan.TableFacts{
			Name: t.FullName(), Rows: t.EstRows, Bytes: t.DataBytes + t.IndexBytes, Missing: absent(onNew, t.FullName(), "not on new"),
		})
	}
	for _, t := range pair.New.Tables {
		if !onOld[strings.ToLower(t.FullName())] {
			f.Tables = append(f.Tables, plan.TableFacts{Name: t.FullName(), Rows: t.EstRows, Bytes: t.DataBytes + t.IndexBytes, Missing: "not on old"})
		}
	}
	for _, side := range []*inspect.Side{&pair.Old, &pair.New} {
		for _, m := range side.Missing {
			f.Missing = append(f.Missing, fmt.Sprintf("privilege %s on %s: %s", m.Privilege, side.Label, m.Grant))
		}
		for _, u := range side.Unknown {
			f.Missing = append(f.Missing, fmt.Sprintf("%s on %s: %s", u.What, side.Label, fault.Line(u.Why)))
		}
	}
	if pair.Relation.Known && pair.Relation.Mode == cluster.Independent {
		f.Missing = append(f.Missing, "replication: neither side replicates from the other")
	}
	judged := preflight.Judge(*pair, preflight.Options{Path: preflight.Path(path)})
	for i := range judged.Findings {
		if x := &judged.Findings[i]; x.Counts() {
			f.Findings = append(f.Findings, plan.FindingFacts{Name: x.Name(), Severity: string(x.Severity), Found: x.Found})
		}
	}
	return f
}

func tableNames(list []inspect.Table) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, t := range list {
		out[strings.ToLower(t.FullName())] = true
	}
	return out
}

func absent(there map[string]bool, name, text string) string {
	if there[strings.ToLower(name)] {
		return ""
	}
	return text
}

// writePlan writes the plan, with the tables of the command line where it names any.
func writePlan(w io.Writer, f plan.Facts, include, exclude []string) error {
	var b bytes.Buffer
	if err := plan.Write(&b, f); err != nil {
		return err
	}
	text := b.String()
	for key, globs := range map[string][]string{"include": include, "exclude": exclude} {
		if len(globs) == 0 {
			continue
		}
		quoted := make([]string, len(globs))
		for i, glob := range globs {
			quoted[i] = strconv.Quote(glob)
		}
		line := regexp.MustCompile(`(?m)^` + key + ` = \[.*\]$`)
		text = line.ReplaceAllLiteralString(text, key+" = ["+strings.Join(quoted, ", ")+"]")
	}
	if _, err := plan.Parse([]byte(text)); err != nil {
		return usageError("--table, --exclude: %w", err)
	}
	_, err := io.WriteString(w, text)
	return err
}

// converterFacts asks the server in the middle.
func converterFacts(ctx context.Context, g *globals, dsn string) (*plan.NodeFacts, error) {
	config, err := g.config("converter", dsn)
	if err != nil {
		return nil, err
	}
	s, err := connect(ctx, config, g.logger(g.std.err), connectFor)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	f := s.Facts()
	return &plan.NodeFacts{DSN: dsn, ServerUUID: f.ServerUUID, Version: f.String()}, nil
}

// shellWord quotes a word for a shell where it needs that.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,", c)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
