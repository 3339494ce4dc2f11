package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
	"github.com/spf13/cobra"

	"crosscheck/fixtures"
)

func newFixtureCommand(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "fixture",
		Short: "Start and stop real server pairs on this machine, for tests and CI",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newFixtureUp(g), newFixtureDown(g), newFixtureList(g))
	return c
}

// fixtureFlags are the flags of fixture up.
type fixtureFlags struct {
	name, topology, server, old, new, format string
	gtid                                     string
	replicas                                 []string
	multiPrimary                             bool
}

func newFixtureUp(g *globals) *cobra.Command {
	var o fixtureFlags
	c := &cobra.Command{
		Use:   "up",
		Short: "Start a set of servers and print how to connect to them",
		Long: `Start a set of servers on free loopback ports and print how to connect to them, as lines for
eval or as JSON. The servers go on running until "crosscheck fixture down". Programs that the machine
does not have are fetched once, without root, into ~/.cache/crosscheck.`,
		Example: `  eval "$(crosscheck fixture up --topology pair --server mariadb)"
  crosscheck check --defaults-file "$CROSSCHECK_DEFAULTS_FILE" --old @old --new @new
  crosscheck fixture down`,
		RunE: func(c *cobra.Command, _ []string) error { return fixtureUp(c, g, &o) },
	}
	f := c.Flags()
	f.StringVar(&o.name, "name", "default", "name of the set")
	f.StringVar(&o.topology, "topology", "pair", "pair (old→new), dual (both ways, steps set), chain (A→C→B), independent,\nclusters (a pair with two replicas on each side), group (MySQL; new is a replication group of two),\nor galera (MariaDB; new is a Galera cluster of two)")
	f.StringArrayVar(&o.replicas, "replica", nil, "a replica of a side, repeatable: old or new, with options behind a colon:\nnew:of=1,delay=60s,no-log-updates,server=mariadb118")
	f.BoolVar(&o.multiPrimary, "multi-primary", false, "all members of a group take writes")
	f.StringVar(&o.server, "server", "", "family of all servers: "+familyNames()+" (default mariadb; of a group mysql)")
	f.StringVar(&o.old, "old", "", "family of the old side, if another")
	f.StringVar(&o.new, "new", "", "family of the new side, if another")
	f.StringVar(&o.gtid, "gtid", "default", "default, on or off")
	f.StringVar(&o.format, "format", "env", "env (lines for eval) or json")
	return c
}

func familyNames() string {
	var names []string
	for _, f := range fixtures.AllFamilies() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// spec reads the flags of fixture up.
func (o *fixtureFlags) spec(g *globals) (fixtures.Spec, error) {
	spec := fixtures.Spec{Name: o.name, Detached: true, Provision: g.provision(), MultiPrimary: o.multiPrimary}
	var err error
	if spec.Topology, err = fixtures.ParseTopology(o.topology); err != nil {
		return spec, usageError("--topology: %w", err)
	}
	for _, side := range []struct {
		flag string
		to   *fixtures.Family
	}{{o.old, &spec.Old}, {o.new, &spec.New}} {
		name := side.flag
		if name == "" {
			name = o.server
		}
		if name == "" && spec.Topology == fixtures.Group {
			name = string(fixtures.MySQL)
		} else if name == "" {
			name = string(fixtures.MariaDB)
		}
		if *side.to, err = fixtures.ParseFamily(name); err != nil {
			return spec, usageError("%w", err)
		}
	}
	// As on most servers of users: without it neither the error log nor the sessions' steps can be seen, and gates stay shut.
	spec.OldOptions.PerformanceSchema = spec.Old == fixtures.MySQL
	spec.NewOptions.PerformanceSchema = spec.New == fixtures.MySQL
	spec.MiddleOptions = spec.NewOptions // its family is that of new
	for _, text := range o.replicas {
		side, r, err := parseReplica(text)
		if err != nil {
			return spec, usageError("--replica %s: %w", text, err)
		}
		if side == fixtures.Old {
			spec.OldReplicas = append(spec.OldReplicas, r)
		} else {
			spec.NewReplicas = append(spec.NewReplicas, r)
		}
	}
	switch o.gtid {
	case "default":
	case "on":
		spec.GTID = fixtures.GTIDOn
	case "off":
		spec.GTID = fixtures.GTIDOff
	default:
		return spec, usageError("--gtid %q: default, on or off", o.gtid)
	}
	if o.format != "env" && o.format != "json" {
		return spec, usageError("--format %q: env or json", o.format)
	}
	return spec, nil
}

// parseReplica reads SIDE[:OPTION[,OPTION…]].
func parseReplica(text string) (side fixtures.Side, r fixtures.ReplicaSpec, err error) {
	name, options, _ := strings.Cut(text, ":")
	if side = fixtures.Side(name); side != fixtures.Old && side != fixtures.New {
		return side, r, fmt.Errorf("%q is no side: old or new", name)
	}
	for o := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "":
		case "of":
			if r.Of, err = strconv.Atoi(value); err != nil {
				err = fmt.Errorf("%q is no number of a replica", value)
			}
		case "delay":
			if r.Delay, err = time.ParseDuration(value); err != nil {
				err = fmt.Errorf("%q is no duration, as 60s", value)
			}
		case "no-log-updates":
			r.Options.NoLogUpdates = true
		case "server":
			r.Family, err = fixtures.ParseFamily(value)
		default:
			err = fmt.Errorf("%q is no option: of=N, delay=60s, no-log-updates or server=FAMILY", o)
		}
		if err != nil {
			return side, r, err
		}
	}
	return side, r, nil
}

// provision tells what is fetched and started, on stderr.
func (g *globals) provision() fixtures.Options {
	o := fixtures.Options{CacheDir: g.std.getenv("CROSSCHECK_CACHE")}
	if !g.quiet {
		o.Progress = func(line string) { fmt.Fprintln(g.std.err, line) }
	}
	return o
}

func fixtureUp(c *cobra.Command, g *globals, o *fixtureFlags) error {
	spec, err := o.spec(g)
	if err != nil {
		return err
	}
	set, err := fixtures.Up(c.Context(), spec)
	if err != nil {
		return err
	}
	if o.format == "json" {
		enc := json.NewEncoder(g.std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(set.Info())
	}
	for _, line := range set.Env() {
		name, value, _ := strings.Cut(line, "=")
		fmt.Fprintf(g.std.out, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	return nil
}

func newFixtureDown(g *globals) *cobra.Command {
	name, all := "default", false
	c := &cobra.Command{
		Use:   "down",
		Short: "Stop a set of servers and remove everything of it",
		RunE: func(c *cobra.Command, _ []string) error {
			names := []string{name}
			if all {
				sets, err := fixtures.List(g.provision())
				if err != nil {
					return err
				}
				names = nil
				for _, s := range sets {
					names = append(names, s.Name)
				}
			}
			for _, n := range names {
				err := fixtures.Down(c.Context(), n, g.provision())
				if errors.Is(err, fixtures.ErrNoSet) {
					return usageError("%q: %w", n, err)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", name, "name of the set")
	c.Flags().BoolVar(&all, "all", false, "all sets")
	return c
}

func newFixtureList(g *globals) *cobra.Command {
	format := "table"
	c := &cobra.Command{
		Use:   "list",
		Short: "List the sets that were started",
		RunE: func(*cobra.Command, []string) error {
			sets, err := fixtures.List(g.provision())
			if err != nil {
				return err
			}
			switch format {
			case "json":
				enc := json.NewEncoder(g.std.out)
				enc.SetIndent("", "  ")
				return enc.Encode(append([]fixtures.SetInfo{}, sets...))
			case "table":
				return listSets(g, sets)
			default:
				return usageError("--format %q: table or json", format)
			}
		},
	}
	c.Flags().StringVar(&format, "format", format, "table, or json (holds passwords)")
	return c
}

// listSets prints the sets without their passwords.
func listSets(g *globals, sets []fixtures.SetInfo) error {
	if len(sets) == 0 {
		fmt.Fprintln(g.std.out, "no fixture is up; start one with: crosscheck fixture up")
		return nil
	}
	t := tablewriter.NewTable(g.std.out, tablewriter.WithRendition(tw.Rendition{Symbols: tw.NewSymbols(tw.StyleLight)}),
		tablewriter.WithHeaderAutoFormat(tw.Off))
	t.Header("name", "topology", "side", "server", "address", "pid", "state")
	for _, s := range sets {
		for i, srv := range s.Servers {
			name, topology := s.Name, string(s.Topology)
			if i > 0 {
				name, topology = "", ""
			}
			state := "stopped"
			if srv.Running {
				state = "running"
			}
			if err := t.Append(name, topology, string(srv.Side), string(srv.Family)+" "+srv.Version, srv.Addr, fmt.Sprint(srv.Pid), state); err != nil {
				return err
			}
		}
		if s.Broken != "" {
			if err := t.Append(s.Name, "", "", s.Broken, "", "", "broken"); err != nil {
				return err
			}
		}
	}
	return t.Render()
}
