package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/cluster/topology"
	"crosscheck/internal/fault"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// clusters are the nodes that a check takes in: the reference, and the copies that are compared with it.
type clusters struct {
	*nodes
	reference *topology.Node
	copies    []*topology.Node // those that can be compared
	unread    []ledger.Unread
	reader    *cluster.Server // of --read-old-from, which is ours to close
}

// several tells whether more is named than one old and one new server.
func (o *checkFlags) several() bool {
	return len(o.replicas.old)+len(o.replicas.new) > 0 || o.readOldFrom != ""
}

// readerLabel names the replica of old that is read in its place.
const readerLabel = "old-read"

// openClusters connects to all nodes that are named or, where that is asked for, found.
func (o *checkFlags) openClusters(ctx context.Context, g *globals, log *slog.Logger, old, new *cluster.Server) (*clusters, error) {
	c := &clusters{}
	var extra []topology.Named
	if o.readOldFrom != "" {
		config, err := g.config(readerLabel, o.readOldFrom)
		if err != nil {
			return nil, err
		}
		if c.reader, err = connect(ctx, old.Lend(config), log, o.retryFor); err != nil {
			return nil, err
		}
		extra = append(extra, topology.Named{Side: topology.Old, Label: readerLabel, Server: c.reader})
	}
	var err error
	if c.nodes, err = o.replicas.open(ctx, g, log, old, new, o.retryFor, extra...); err != nil {
		c.close()
		return nil, err
	}
	if err := c.choose(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *clusters) close() {
	if c.nodes != nil {
		c.nodes.close()
	}
	if c.reader != nil {
		_ = c.reader.Close()
	}
}

// choose takes the nodes that are to be compared from those that are known. One that cannot be read is undecided.
func (c *clusters) choose(ctx context.Context) error {
	side := func(s topology.Side) *topology.Node {
		list := c.Side(s).Nodes
		i := slices.IndexFunc(list, func(n *topology.Node) bool { return n.Label == string(s) })
		return list[i]
	}
	old, now := side(topology.Old), side(topology.New)
	c.reference = old
	wanted := []*topology.Node{now}
	if c.reader != nil {
		c.reference = c.Side(topology.Old).Nodes[slices.IndexFunc(c.Side(topology.Old).Nodes, func(n *topology.Node) bool { return n.Server == c.reader })]
		if c.auto[topology.Old] {
			wanted = append(wanted, old)
		}
	}
	wanted = slices.Concat(wanted, c.Old.Others(c.auto[topology.Old]), c.New.Others(c.auto[topology.New]))
	for _, n := range c.Nodes() {
		if n == c.reference {
			continue
		}
		u := ledger.Unread{Node: nodeName(n), Addr: n.Addr, UUID: n.UUID(), Why: "it was not named, and no auto took it in"}
		switch {
		case !slices.Contains(wanted, n):
			if !n.Reached() {
				u.Why = "it was not named, and it could not be reached: " + n.Why()
			}
			c.unread = append(c.unread, u)
			continue
		case !n.Reached():
			u.Why, u.Undecided = "it could not be reached: "+n.Why(), true
			c.unread = append(c.unread, u)
			continue
		}
		err := n.Server.CheckPrivileges(ctx, cluster.PrivReplicationClient, cluster.PrivReplicaMonitor)
		if err == nil {
			continue
		}
		if n == now || ctx.Err() != nil {
			return err
		}
		u.Why, u.Undecided = fault.Line(err.Error()), true
		c.unread = append(c.unread, u)
	}
	for _, n := range wanted {
		if n != c.reference && !slices.ContainsFunc(c.unread, func(u ledger.Unread) bool { return u.Label == n.Label }) {
			c.copies = append(c.copies, n)
		}
	}
	return c.reference.Server.CheckPrivileges(ctx, cluster.PrivReplicationClient, cluster.PrivReplicaMonitor)
}

func nodeName(n *topology.Node) ledger.Node {
	return ledger.Node{Label: n.Label, Side: string(n.Side), Role: string(n.Role)}
}

// checkClusters compares all copies with the reference in one pass, and keeps what is proven of each in the ledger.
func checkClusters(ctx context.Context, started time.Time, old, new *cluster.Server, all *clusters, filter cluster.Filter, o *checkFlags,
	view progressView, log *slog.Logger,
) (report.Check, error) {
	check := report.Check{Reference: reportNode(nodeName(all.reference), checksum.EndpointInfo{}), Unread: unreadNodes(all.unread)}
	debugMemory(len(all.copies))
	named, err := checksum.Look(ctx, old, new)
	if err != nil {
		return check, err
	}
	surveys, err := all.look(ctx)
	if err != nil {
		return check, err
	}
	dir, err := stateDir(o.state, named)
	if err != nil {
		return check, err
	}
	book, err := ledger.Open(ctx, dir, ledger.Options{Log: log})
	if err != nil {
		return check, err
	}
	defer book.Close()
	runs, copies, err := all.begin(ctx, book, surveys, o, new, view, log)
	if err != nil {
		return check, err
	}
	results, err := checksum.RunCopies(ctx, all.reference.Server, copies, o.runOptions(filter, started, view, log))
	verdict := checksum.Same
	for i := range results {
		cerr := closeRun(ctx, runs[i], &results[i], err)
		err = cmp.Or(err, cerr)
		verdict = verdict.And(results[i].Verdict)
		check.Copies = append(check.Copies, report.Copy{Node: reportNode(nodeName(all.copies[i]), results[i].New), Result: results[i]})
	}
	check.Reference.Server = results[0].Old
	check.Copies = append(check.Copies, undecidedNodes(all.unread, results[0])...)
	if err == nil && verdict == checksum.Different {
		view.Notice("differences are kept in " + dir + "; guarded SQL for each node: crosscheck repair --state " + dir)
	}
	return check, err
}

// begin begins a run in the ledger for each copy.
func (c *clusters) begin(ctx context.Context, book *ledger.Ledger, surveys []checksum.Survey, o *checkFlags, new *cluster.Server, view progressView, log *slog.Logger) (
	runs []*ledger.Run, copies []checksum.Copy, err error,
) {
	for i, n := range c.copies {
		info := ledger.RunInfo{
			Old: surveys[i].Old, New: surveys[i].New, Relation: surveys[i].Relation.Mode.String(), Resume: o.resume,
			Place: i, Node: nodeName(n), Reference: nodeName(c.reference), Unread: c.unread,
		}
		if info.Scope, err = scopeOf(ctx, c.reference.Server, n.Server, o.tables, o.exclude); err != nil {
			return nil, nil, err
		}
		if i > 0 {
			info.Group = runs[0].Group()
		}
		run, err := book.StartRun(ctx, info)
		if err != nil {
			return nil, nil, err
		}
		if o.resume {
			view.Notice(n.Label + ": " + trustText(run.Trusted()))
		}
		copied := checksum.Copy{Server: n.Server, Survey: surveys[i], Label: n.Label, Twin: n.Side == c.reference.Side, Journal: run}
		if !run.Trusted().Resumed && n.Server == new && c.reader == nil { // a watch and gates must know those of when the run began
			copied.Keys = run.SetKeySpaces
			if err = run.SetLinks(ctx, linksNow(ctx, c.reference.Server, new, log)); err != nil {
				return nil, nil, err
			}
		}
		runs, copies = append(runs, run), append(copies, copied)
	}
	return runs, copies, nil
}

// debugMemory gives each further copy its share of memory.
func debugMemory(copies int) {
	if limit := debug.SetMemoryLimit(-1); limit == checkMemory {
		debug.SetMemoryLimit(checkMemory + int64(copies-1)*copyMemory)
	}
}

// copyMemory is what each copy besides the first may add to checkMemory.
const copyMemory = 16 << 20

// look finds out how the reference and each copy replicate.
func (c *clusters) look(ctx context.Context) ([]checksum.Survey, error) {
	var copies, others []*cluster.Server
	for _, n := range c.copies {
		copies = append(copies, n.Server)
	}
	for _, n := range c.Nodes() {
		if n.Reached() && n != c.reference && !slices.Contains(c.copies, n) {
			others = append(others, n.Server)
		}
	}
	surveys, err := checksum.LookAround(ctx, c.reference.Server, copies, others)
	if err != nil {
		return nil, err
	}
	for i, n := range c.copies {
		s := &surveys[i]
		if s.Relation.Mode == cluster.Independent && (n.Label != string(topology.New) || c.reader != nil) {
			s.Untold = fmt.Sprintf("nothing tells what %s has applied: %s", n.Label, s.Relation.Reason)
		}
	}
	return surveys, nil
}

// closeRun stores what became of a run. failed is why the whole could not be carried out.
func closeRun(ctx context.Context, run *ledger.Run, result *checksum.Result, failed error) error {
	if t := run.Trusted(); t.Resumed {
		result.ResumedFrom = fmt.Sprint(t.Run)
		// What earlier processes proved is not proven through where this one began.
		result.Old.Position, result.New.Position = t.OldPosition, t.NewPosition
	}
	images, differences := run.Dropped()
	result.WithoutValues = images + differences
	result.RepairCapped = result.WithoutValues > 0
	if failed != nil { // whatever is proven, the run did not come to its end and can be resumed
		result.Interrupted, result.Reason = true, failed.Error()
	}
	return run.Close(context.WithoutCancel(ctx), *result)
}

// seenNodes looks, beside a check of one old and one new server, for the other nodes of their clusters. The returned
// function waits for what was found: nobody compares these nodes, and whoever reads the result should know.
func (o *checkFlags) seenNodes(ctx context.Context, g *globals, log *slog.Logger, old, new *cluster.Server) func() []ledger.Unread {
	found := make(chan []ledger.Unread, 1)
	ctx, cancel := context.WithTimeout(ctx, seenFor)
	go func() {
		defer fault.Guard()
		defer cancel()
		n, err := (&replicaFlags{}).open(ctx, g, log, old, new, 0)
		if err != nil {
			log.Debug("the other nodes of the clusters were not found", "err", err)
			found <- nil
			return
		}
		defer n.close()
		var list []ledger.Unread
		for _, x := range n.Nodes() {
			if x.Label == string(x.Side) {
				continue
			}
			why := "it was not named: --" + string(x.Side) + "-replica compares it in the same pass"
			if !x.Reached() {
				why = "it was not named, and it could not be reached: " + x.Why()
			}
			list = append(list, ledger.Unread{Node: nodeName(x), Addr: x.Addr, UUID: x.UUID(), Why: why})
		}
		found <- list
	}()
	return func() []ledger.Unread { return <-found }
}

// seenFor bounds the search for nodes that a check does not compare.
const seenFor = 20 * time.Second

// verdictOf is that of all copies, and of the nodes that could not be compared.
func verdictOf(c report.Check) (v checksum.Verdict) {
	v = checksum.Same
	for _, copied := range c.Copies {
		v = v.And(copied.Result.Verdict)
	}
	if len(c.Copies) == 0 {
		v = checksum.Undecided
	}
	return v
}

func reportNode(n ledger.Node, server checksum.EndpointInfo) report.Node {
	return report.Node{Label: n.Label, Side: n.Side, Role: n.Role, Server: server}
}

// unreadNodes are the nodes that were seen only, and undecidedNodes those that should have been compared.
func unreadNodes(list []ledger.Unread) (out []report.Unread) {
	for _, u := range list {
		if !u.Undecided {
			out = append(out, report.Unread{Node: reportNode(u.Node, checksum.EndpointInfo{Addr: u.Addr, ServerUUID: u.UUID}), Why: u.Why})
		}
	}
	return out
}

func undecidedNodes(list []ledger.Unread, like checksum.Result) (out []report.Copy) {
	for _, u := range list {
		if u.Undecided {
			now := checksum.EndpointInfo{Addr: u.Addr, ServerUUID: u.UUID}
			out = append(out, report.Copy{Node: reportNode(u.Node, now), Result: checksum.Result{
				Label: u.Label, Old: like.Old, New: now, Relation: cluster.Independent.String(), Reason: u.Why, Started: like.Started, Elapsed: like.Elapsed,
			}})
		}
	}
	return out
}
