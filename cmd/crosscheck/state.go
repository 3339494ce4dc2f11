package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// stateFlags choose a run of a state directory.
type stateFlags struct {
	dir string
	run int64
}

func (s *stateFlags) register(f *pflag.FlagSet) {
	f.StringVar(&s.dir, "state", "", "state folder of the check")
	f.Int64Var(&s.run, "run", 0, "id of the run (default: the last one)")
}

// open opens the ledger and finds the run.
func (s *stateFlags) open(ctx context.Context, g *globals) (*ledger.Ledger, ledger.RunSummary, error) {
	if s.dir == "" {
		return nil, ledger.RunSummary{}, usageError("--state DIR is needed: the folder that check printed or was given")
	}
	if s.run < 0 {
		return nil, ledger.RunSummary{}, usageError("--run %d: the id of a run is needed, 1 or above", s.run)
	}
	book, err := ledger.Open(ctx, s.dir, ledger.Options{Log: g.logger(g.std.err), MustExist: true})
	if err != nil {
		return nil, ledger.RunSummary{}, err
	}
	var sum ledger.RunSummary
	if s.run > 0 {
		sum, err = book.FindRun(ctx, s.run)
	} else {
		sum, err = book.LastRun(ctx)
	}
	if err != nil {
		_ = book.Close()
	}
	return book, sum, err
}

func newReportCommand(g *globals) *cobra.Command {
	var state stateFlags
	var out output
	c := &cobra.Command{
		Use:   "report --state DIR",
		Short: "Render the result of a check again, in another format",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.validate(); err != nil {
				return err
			}
			book, sum, err := state.open(c.Context(), g)
			if err != nil {
				return err
			}
			defer book.Close()
			group, err := groupOf(c.Context(), book, sum)
			if err != nil {
				return err
			}
			result, err := group.check(c.Context(), out.maxDifferences)
			if err != nil {
				return err
			}
			return out.write(g, result)
		},
	}
	state.register(c.Flags())
	out.register(c.Flags())
	return c
}

func newRepairCommand(g *globals) *cobra.Command {
	var state stateFlags
	var tables, exclude []string
	var file, node string
	c := &cobra.Command{
		Use:   "repair --state DIR",
		Short: "Write guarded SQL that makes new like old; nothing is executed",
		Long: `Write SQL that makes new like old, from the differences that a check has proven. Each statement
acts only on a row that is still as the check saw it. Read it, then run it on new yourself.

Of a check of several nodes it writes a file for each node that differs into the folder --output,
numbered in the order in which they are to be run, or with --node the file of one node.`,
		RunE: func(c *cobra.Command, _ []string) error {
			filter, err := cluster.NewFilter(tables, exclude)
			if err != nil {
				return usageError("%w", err)
			}
			book, sum, err := state.open(c.Context(), g)
			if err != nil {
				return noRun(c.Context(), g, state.dir, err)
			}
			defer book.Close()
			if err = leadToMend(c.Context(), g, book, state.dir); err != nil {
				return err
			}
			group, err := groupOf(c.Context(), book, sum)
			if err != nil {
				return err
			}
			if node != "" && !slices.Contains(group.labels(), node) {
				return usageError("--node %s: this check compared %s", node, strings.Join(group.labels(), ", "))
			}
			if !group.pair() {
				return repairNodes(c.Context(), g, group, filter, node, file)
			}
			var done report.RepairSummary
			write := func(w io.Writer) error {
				done, err = writeRepair(c.Context(), w, book, sum, group.unreadNodes(), filter)
				return err
			}
			if file != "" {
				err = report.WriteFile(file, func(w io.Writer) error {
					if own := ownFile(w); own != nil {
						return own
					}
					return write(w)
				})
			} else {
				err = write(g.std.out)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(g.std.err, "%d statements for %d tables; %d differing rows have none\n", done.Statements(), done.Tables, done.Skipped)
			left, err := unrepairable(c.Context(), book, sum.ID, filter)
			if err != nil {
				return err
			}
			for _, t := range left {
				fmt.Fprintf(g.std.err, "%s has no statements: %s\n", t.Table, t.Reason)
			}
			if done.Skipped > 0 || len(left) > 0 {
				return &exitError{code: exitUndecided}
			}
			return nil
		},
	}
	state.register(c.Flags())
	c.Flags().StringArrayVar(&tables, "table", nil, "only tables that match this glob, db.table; may be repeated")
	c.Flags().StringArrayVar(&exclude, "exclude", nil, "leave out tables that match this glob; may be repeated")
	c.Flags().StringVar(&node, "node", "", "only the statements for this node of the check, as new-1")
	c.Flags().StringVar(&file, "output", "", "write to this file instead of stdout; of several nodes the folder for their files")
	return c
}

// repairNodes writes the repair of a check of several nodes.
func repairNodes(ctx context.Context, g *globals, group runGroup, filter cluster.Filter, node, output string) error {
	plan, err := group.plan(ctx, matcher(filter))
	if err != nil {
		return err
	}
	files := nodesRepair{g: g, plan: plan, node: node, output: output}
	skipped, err := files.write()
	if err != nil {
		return err
	}
	for _, c := range group.copies {
		if node != "" && c.node.Label != node {
			continue
		}
		left, err := unrepairable(ctx, c.book, c.run.ID, filter)
		if err != nil {
			return err
		}
		for _, t := range left {
			skipped++
			fmt.Fprintf(g.std.err, "%s of %s has no statements: %s\n", t.Table, c.node.Label, t.Reason)
		}
	}
	if skipped > 0 {
		return &exitError{code: exitUndecided}
	}
	return nil
}

func matcher(filter cluster.Filter) func(table string) bool {
	return func(table string) bool {
		schema, name, ok := cluster.SplitFullName(table)
		return ok && filter.Match(schema, name)
	}
}

// ownFile keeps a regular file that is about to hold values from everybody else, whatever the umask and its former mode.
func ownFile(w io.Writer) error {
	f, ok := w.(interface {
		Stat() (os.FileInfo, error)
		Chmod(mode os.FileMode) error
	})
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return f.Chmod(0o600)
}

// writeRepair writes the repair of one run.
func writeRepair(ctx context.Context, w io.Writer, book *ledger.Ledger, sum ledger.RunSummary, unread []report.Node, filter cluster.Filter,
) (report.RepairSummary, error) {
	return report.WriteRepair(w, report.RepairOptions{
		Run: fmt.Sprint(sum.ID), Checked: sum.Started, Written: time.Now(), Old: sum.Old, New: sum.New,
		TwoWay: replicatesBack(sum), Unread: unread, SplitTable: cluster.SplitFullName,
	}, func(fn func(table string, d checksum.Difference) error) error {
		return book.EachDifference(ctx, sum.ID, matcher(filter), fn)
	})
}

// unrepairable lists the tables of a run that differ as a whole, or are undecided: no statement can mend them.
func unrepairable(ctx context.Context, book *ledger.Ledger, run int64, filter cluster.Filter) ([]checksum.TableResult, error) {
	result, err := book.LoadResult(ctx, run, 0)
	if err != nil {
		return nil, err
	}
	var left []checksum.TableResult
	for _, t := range result.Tables {
		schema, name, ok := cluster.SplitFullName(t.Table)
		if ok && filter.Match(schema, name) && t.Verdict != checksum.Same && t.Reason != "" {
			left = append(left, t)
		}
	}
	return left, nil
}

// tempState makes a state folder that is removed at the end.
func tempState() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "crosscheck-state-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
