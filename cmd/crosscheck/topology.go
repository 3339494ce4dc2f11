package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crosscheck/cluster"
	"crosscheck/cluster/topology"
	"crosscheck/gate/plan"
	"crosscheck/report"
)

// topologyFlags are the flags of topology.
type topologyFlags struct {
	endpoints
	replicas     replicaFlags
	plan         string
	format, file string
}

func newTopologyCommand(g *globals) *cobra.Command {
	var o topologyFlags
	c := &cobra.Command{
		Use:   "topology --old DSN --new DSN",
		Short: "Find the nodes of both clusters, and draw them",
		Long: `Ask both servers, and the nodes that they name in turn, for the nodes of their clusters: replicas, sources and members of
groups. Draw them as trees, each with its role, version, lag, read_only, threads and sessions. Nodes that are found
are connected to with the login of their side. Nothing is changed on any.

A replica that does not fetch the binary log, since it was stopped, is known to nobody: name it.

Exit codes: 0 drawn, 2 drawn, but a node could not be reached or a server did not tell who replicates from it,
3 could not run, 64 usage error.`,
		Example: `  crosscheck topology --old @old --new @new
  crosscheck topology --old @old --new @new --new-replica @n1 --new-replica @n2
  crosscheck topology --plan migration.toml --format mermaid --output clusters.mmd`,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range []string{"old", "new", "old-replica", "new-replica"} {
				if o.plan != "" && c.Flags().Changed(name) {
					return usageError("--%s: the plan says it; change the plan", name)
				}
			}
			return runTopology(c.Context(), g, &o)
		},
	}
	f := c.Flags()
	o.endpoints.register(f)
	o.replicas.register(f)
	f.StringVar(&o.plan, "plan", "", "take servers, replicas and the application's accounts from this plan")
	f.StringVar(&o.format, "format", string(report.FormatText), "text, json, dot or mermaid")
	f.StringVar(&o.file, "output", "", "write the result to this file instead of stdout")
	return c
}

func runTopology(ctx context.Context, g *globals, o *topologyFlags) error {
	if !slices.Contains(report.TopologyFormats(), report.Format(o.format)) {
		return usageError("unknown format %q: use text, json, dot or mermaid", o.format)
	}
	var p plan.Plan
	if o.plan != "" {
		var err error
		if p, _, err = readPlan(o.plan); err != nil {
			return err
		}
		o.old, o.new, o.replicas = p.Old.DSN, p.New.DSN, plannedReplicas(p)
	}
	log := g.logger(g.std.err)
	old, new, err := o.endpoints.open(ctx, g, log, connectFor)
	if err != nil {
		return err
	}
	defer old.Close()
	defer new.Close()
	var extra []topology.Named
	if p.Converter != nil {
		config, confErr := g.config("converter", p.Converter.DSN)
		if confErr != nil {
			return confErr
		}
		middle := topology.Named{Side: topology.Old, Label: "converter", Addr: config.Addr}
		if middle.Server, middle.Err = connect(ctx, config, log, connectFor); middle.Server != nil {
			defer middle.Server.Close()
		}
		extra = append(extra, middle)
	}
	found, err := o.replicas.open(ctx, g, log, old, new, connectFor, extra...)
	if err != nil {
		return err
	}
	defer found.close()
	doc := topologyDocument(found.Topology, p)
	render := func(w io.Writer, term report.TermOptions) error {
		return report.RenderTopology(w, report.Format(o.format), doc, term)
	}
	if o.file == "" {
		err = render(g.std.out, report.TermOptions{Color: g.color(g.std.out), Width: width(g.std.out)})
	} else {
		err = report.WriteOpenFile(o.file, func(w io.Writer) error { return render(w, report.TermOptions{}) })
	}
	if err == nil && len(doc.Gaps) > 0 {
		return &exitError{code: exitUndecided}
	}
	return err
}

// topologyDocument is what was found, as it is published.
func topologyDocument(t *topology.Topology, p plan.Plan) report.TopologyDocument {
	d := report.TopologyDocument{
		Schema: report.TopologySchema, Taken: time.Now().UTC().Truncate(time.Second), Gaps: t.Gaps(), Application: len(p.Accounts) > 0,
	}
	for _, side := range []topology.Side{topology.Old, topology.New} {
		c := report.TopologyCluster{Side: string(side), Unknown: t.Side(side).Unknown}
		for _, n := range t.Side(side).Nodes {
			c.Nodes = append(c.Nodes, topologyNode(n, p))
		}
		d.Clusters = append(d.Clusters, c)
	}
	return d
}

func topologyNode(n *topology.Node, p plan.Plan) report.TopologyNode {
	out := report.TopologyNode{
		Label: n.Label, Role: string(n.Role), Addr: n.Addr, Found: n.Found, Named: n.Named, Reached: n.Reached(),
	}
	for _, s := range n.Sources {
		out.Sources = append(out.Sources, s.Label)
	}
	if !n.Reached() {
		out.Error = n.Why()
		return out
	}
	s := &n.State
	out.ServerUUID, out.Product = n.UUID(), product(n.Facts)
	out.ReadOnly = readOnlyWord(s)
	out.LogBin, out.LogsUpdates, out.GTIDMode = s.LogBin, s.LogsUpdates, s.GTIDMode
	if !s.Position.IsZero() {
		out.Position = s.Position.String()
	}
	out.Step = fmt.Sprintf("%d/%d", s.Steps.Increment, s.Steps.Offset)
	if lag, known := s.Lag(); known && len(s.Channels) > 0 {
		out.LagSeconds = &lag
	}
	for i := range s.Channels {
		out.Channels = append(out.Channels, topologyChannel(&s.Channels[i]))
	}
	if n.Role != topology.Writer {
		out.Errant = &report.TopologyErrant{Known: s.Errant.Known, Why: s.Errant.Why, Set: s.Errant.Set}
	}
	if s.Galera.Cluster != "" {
		out.Galera = &report.TopologyGalera{Cluster: s.Galera.Cluster, State: s.Galera.State}
		for _, m := range n.Members() {
			out.Galera.Others = append(out.Galera.Others, m.Label)
		}
	}
	out.Unknown = s.Unknown
	if s.SessionsKnown {
		all, application := countSessions(s.Sessions, p)
		out.Sessions = &all
		if len(p.Accounts) > 0 {
			out.ApplicationSessions = &application
		}
	}
	return out
}

func topologyChannel(c *cluster.ReplicaChannel) report.TopologyChannel {
	word := func(running, connecting bool) string {
		switch {
		case running:
			return "runs"
		case connecting:
			return "connecting"
		}
		return "stopped"
	}
	return report.TopologyChannel{
		Name: c.Name, Source: c.Source(), Receiver: word(c.IORunning, c.IOConnecting), Applier: word(c.SQLRunning, false),
		Trouble: c.Trouble(), LagSeconds: c.LagSeconds, DelaySeconds: c.DelaySeconds, Filters: c.LeavesOut(), SkipErrors: c.SkipErrors,
		ExecMode: c.ExecMode,
	}
}

// product is a server's program with its version.
func product(f cluster.Facts) string {
	name, _, _ := strings.Cut(f.String(), " (")
	return name
}

func readOnlyWord(s *topology.State) string {
	switch {
	case s.SuperReadOnly:
		return "super"
	case s.ReadOnly:
		return "on"
	}
	return "off"
}

// countSessions counts connections of clients, and those of the application by the plan's accounts.
func countSessions(list []cluster.Session, p plan.Plan) (all, application int) {
	for _, x := range list {
		if x.FetchesLog() || x.MayBeOwn {
			continue
		}
		all++
		if p.Application(x.User, x.Host) {
			application++
		}
	}
	return all, application
}
