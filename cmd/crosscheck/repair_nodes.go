package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// nodeRun is a copy's run in the ledger.
type nodeRun struct {
	node report.Node
	run  ledger.RunSummary
	book *ledger.Ledger
}

// runGroup are the runs of one check: one for each copy that was compared with the reference.
type runGroup struct {
	reference report.Node
	copies    []nodeRun
	unread    []report.Unread
	undecided []ledger.Unread // these, and nodes that should have been compared
}

// groupOf returns the runs that belong together with run: those of all copies of one check.
func groupOf(ctx context.Context, book *ledger.Ledger, run ledger.RunSummary) (runGroup, error) {
	runs, err := book.GroupOf(ctx, run)
	if err != nil {
		return runGroup{}, err
	}
	if len(runs) == 0 { // another attempt of the check has left this run out
		runs = []ledger.RunSummary{run}
	}
	group := runGroup{reference: nodeOf(runs[0].Reference, report.SideOld, runs[0].Old)}
	for _, r := range runs {
		group.copies = append(group.copies, nodeRun{node: nodeOf(r.Node, report.SideNew, r.New), run: r, book: book})
		group.undecided = append(group.undecided, r.Unread...) // they are with the first one
	}
	group.unread = unreadNodes(group.undecided)
	return group, nil
}

// nodeOf is a node as the ledger keeps it; a run of a pair has the names of its sides only.
func nodeOf(n ledger.Node, side string, server checksum.EndpointInfo) report.Node {
	if n == (ledger.Node{}) {
		n = ledger.Node{Label: side, Side: side}
	}
	return reportNode(n, server)
}

// pair tells a check of one old and one new server, whose repair is one file that goes through new's binary log.
func (r *runGroup) pair() bool {
	if len(r.copies) != 1 || r.reference.Role == report.RoleReplica {
		return false
	}
	n := r.copies[0].node
	return n.Side == report.SideNew && (n.Role == "" || n.Role == report.RoleWriter)
}

func (r *runGroup) labels() []string {
	var out []string
	for _, c := range r.copies {
		out = append(out, c.node.Label)
	}
	return out
}

// check loads the results of all copies.
func (r *runGroup) check(ctx context.Context, maxDifferences int) (report.Check, error) {
	c := report.Check{Reference: r.reference, Unread: r.unread}
	for _, copied := range r.copies {
		result, err := copied.book.LoadResult(ctx, copied.run.ID, maxDifferences)
		if err != nil {
			return c, err
		}
		c.Copies = append(c.Copies, report.Copy{Node: copied.node, Result: result})
	}
	if len(c.Copies) > 0 {
		c.Copies = append(c.Copies, undecidedNodes(r.undecided, c.Copies[0].Result)...)
	}
	return c, nil
}

// replicatesBack tells whether old is fed by new, so that what new logs arrives on old.
func replicatesBack(run ledger.RunSummary) bool {
	return run.Relation == cluster.TwoWay.String() || run.Relation == cluster.Reverse.String()
}

// plan decides which row is mended on which node.
func (r *runGroup) plan(ctx context.Context, match func(table string) bool) (*report.RepairPlan, error) {
	in := &report.CopiesRepair{
		RepairOptions: report.RepairOptions{Written: time.Now(), SplitTable: cluster.SplitFullName}, Reference: r.reference,
	}
	for _, c := range r.copies {
		in.Old, in.Checked = c.run.Old, c.run.Started
		in.TwoWay = in.TwoWay || c.node.Side == report.SideNew && replicatesBack(c.run)
		node := c.node
		node.Server = c.run.New
		in.Copies = append(in.Copies, report.RepairCopy{
			Node: node, Run: fmt.Sprint(c.run.ID),
			Each: func(fn func(table string, d checksum.Difference) error) error {
				return c.book.EachDifference(ctx, c.run.ID, match, fn)
			},
		})
	}
	in.Unread = r.unreadNodes()
	return report.PlanRepair(in)
}

func (r *runGroup) unreadNodes() []report.Node {
	var out []report.Node
	for _, u := range r.undecided {
		out = append(out, nodeOf(u.Node, report.SideNew, checksum.EndpointInfo{Addr: u.Addr, ServerUUID: u.UUID}))
	}
	return out
}

// nodesRepair writes a file for each node, or that of one node.
type nodesRepair struct {
	g      *globals
	plan   *report.RepairPlan
	node   string // "" for all
	output string
}

// write returns the number of differing rows that have no statement.
func (n *nodesRepair) write() (skipped int64, err error) {
	files := n.plan.Files
	if n.node != "" {
		files = nil
		for _, f := range n.plan.Files {
			if f.Node.Label == n.node {
				files = append(files, f)
			}
		}
	}
	switch {
	case len(files) == 0:
		fmt.Fprintln(n.g.std.err, "no node needs statements")
		return 0, nil
	case n.node == "" && n.output == "" && len(files) > 1:
		return 0, usageError("%d nodes need statements: give --output DIR for a file for each, or --node with one of %s", len(files), fileNodes(files))
	case n.node == "" && n.output != "":
		if err = repairFolder(n.output, files); err != nil {
			return 0, err
		}
	}
	for i := range files {
		to := n.output
		if n.node == "" && to != "" {
			to = filepath.Join(n.output, files[i].Name)
		}
		sum, err := n.writeOne(&files[i], to)
		if err != nil {
			return skipped, err
		}
		skipped += sum.Skipped
		fmt.Fprintf(n.g.std.err, "%s: %d statements for %d tables; %d differing rows have none\n", files[i].Node.Label, sum.Statements(), sum.Tables, sum.Skipped)
	}
	if n.node == "" && n.output != "" {
		var names []string
		for _, f := range files {
			names = append(names, f.Name+" on "+f.Node.Label)
		}
		fmt.Fprintf(n.g.std.err, "run them in this order, each on its own node: %s\n", strings.Join(names, ", "))
	}
	return skipped, nil
}

func fileNodes(files []report.RepairFile) string {
	var out []string
	for _, f := range files {
		out = append(out, f.Node.Label)
	}
	return strings.Join(out, ", ")
}

func (n *nodesRepair) writeOne(f *report.RepairFile, to string) (sum report.RepairSummary, err error) {
	write := func(w io.Writer) error {
		sum, err = n.plan.Write(w, f)
		return err
	}
	if to == "" {
		return sum, write(n.g.std.out)
	}
	err = report.WriteFile(to, func(w io.Writer) error {
		if own := ownFile(w); own != nil {
			return own
		}
		return write(w)
	})
	return sum, err
}

// repairFolder makes the folder for the files. One that holds SQL of another repair is refused: somebody would run it too.
func repairFolder(dir string, files []report.RepairFile) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return usageError("--output %s: a folder is needed, for %d nodes need statements: %w", dir, len(files), err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".sql") && !slices.ContainsFunc(files, func(f report.RepairFile) bool { return f.Name == e.Name() }) {
			return usageError("--output %s holds %s, which this repair does not write: give another folder, or take that file away", dir, e.Name())
		}
	}
	return nil
}
