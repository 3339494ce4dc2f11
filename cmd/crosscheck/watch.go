package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// watchMemory is the memory that a watch tries to stay within, with a window of a million changes; the Go runtime
// collects more often instead of growing beyond it. Each replica may take watchCopyMemory more.
const (
	watchMemory     = 225 << 20
	watchCopyMemory = 16 << 20
)

// watchFlags are the command line of watch.
type watchFlags struct {
	endpoints
	replicas               replicaFlags
	tables, exclude        []string
	state                  string
	fresh                  bool
	span, settle, retryFor time.Duration
	maxLag                 time.Duration
	oldMembers, newMembers []string
	format, file           string
	showValues             bool
}

func newWatchCommand(g *globals) *cobra.Command {
	var o watchFlags
	c := &cobra.Command{
		Use:   "watch --old DSN --new DSN",
		Short: "Follow both binary logs during dual-write and catch every collision",
		Long: `Follow the binary logs of both sides while both take writes. Changes of the two sides that did not
know of each other and touch one key are collisions, and are reported at once, with the sessions that made them. All
other changes are verified as they arrive on the other side. After a check that found both sides the same, in the same
state folder, the account covers all rows: those that were compared and all that was changed since. Of nodes that
--old-replica and --new-replica name the state is looked at and the log is read: each copy has a verdict of its own.

The watch goes on until it is interrupted, or for the time of --for. A watch that was killed goes on where its proof
ended. The account needs SELECT, REPLICATION CLIENT, REPLICATION SLAVE and PROCESS (on MariaDB also SLAVE MONITOR).

Exit codes: 0 everything was judged and nothing collided, 1 collisions, 2 undecided, 3 could not run, 64 usage error.`,
		Example: `  crosscheck watch --old @old --new @new
  crosscheck watch --old @old --new @new --for 2h --format json > findings.jsonl
  crosscheck watch --old @old --new @new --table 'shop.*' --state /var/lib/crosscheck`,
		RunE: func(c *cobra.Command, _ []string) error { return runWatch(c.Context(), g, &o) },
	}
	f := c.Flags()
	o.endpoints.register(f)
	o.replicas.register(f)
	f.StringArrayVar(&o.tables, "table", nil, "watch only tables that match this glob, db.table; may be repeated")
	f.StringArrayVar(&o.exclude, "exclude", nil, "leave out tables that match this glob; may be repeated")
	f.StringVar(&o.state, "state", "", "folder that keeps the account (default below ~/.local/state/crosscheck, that of check)")
	f.BoolVar(&o.fresh, "fresh", false, "begin a new account instead of going on with the last one of these servers")
	durationVar(f, &o.span, "for", 0, "how long to watch (default until interrupted)")
	durationVar(f, &o.settle, "settle-for", 30*time.Second, "how long the end of --for may wait for what is still on its way")
	durationVar(f, &o.retryFor, "retry-for", 10*time.Minute, "how long a server that is gone is tried again")
	durationVar(f, &o.maxLag, "max-lag", 30*time.Second, "an applier that is further behind than this is reported")
	f.StringArrayVar(&o.oldMembers, "old-member", nil, "server_uuid or server_id of a further server of the old side; may be repeated")
	f.StringArrayVar(&o.newMembers, "new-member", nil, "likewise of the new side")
	f.StringVar(&o.format, "format", "", "table, json (one object a line) or markdown (default: table on a terminal, else json)")
	f.StringVar(&o.file, "output", "", "write the summary, or with json the findings, to this file instead of stdout")
	f.BoolVar(&o.showValues, "show-values", false, "show the values of rows that collide; they are masked otherwise")
	return c
}

func (o *watchFlags) validate() error {
	for name, d := range map[string]time.Duration{"settle-for": o.settle, "retry-for": o.retryFor, "max-lag": o.maxLag} {
		if d <= 0 {
			return usageError("--%s %s: a time above 0 is needed, as 30s or 2m", name, d)
		}
	}
	if o.span < 0 {
		return usageError("--for %s: a time is needed, as 2h", o.span)
	}
	if o.format == "" {
		return nil
	}
	for _, f := range report.WatchFormats() {
		if string(f) == o.format {
			return nil
		}
	}
	return usageError("--format %s: use table, json or markdown", o.format)
}

// runWatch executes watch and ends with the verdict's exit code.
func runWatch(ctx context.Context, g *globals, o *watchFlags) error {
	filter, err := cluster.NewFilter(o.tables, o.exclude)
	if err != nil {
		return usageError("%w", err)
	}
	if err = o.validate(); err != nil {
		return err
	}
	out, err := newWatchOutput(g, o)
	if err != nil {
		return err
	}
	defer out.close()
	log := g.logger(out.log)
	old, new, err := o.endpoints.open(ctx, g, log, o.retryFor)
	if err != nil {
		return failWatch(ctx, err)
	}
	defer old.Close()
	defer new.Close()
	replicas, err := o.replicas.watched(ctx, g, log, old, new)
	if err != nil {
		return failWatch(ctx, err)
	}
	if g.std.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(watchMemory + int64(len(replicas))*watchCopyMemory)
	}
	status, listed, err := watchServers(ctx, old, new, replicas, filter, o, out, log)
	if err = failWatch(ctx, err); err != nil && status.At.IsZero() {
		return err
	}
	if werr := out.finish(g, o, status, listed); werr != nil && err == nil {
		err = werr
	}
	switch {
	case err != nil:
		return err
	case status.Verdict == watch.Clean:
		return nil
	case status.Verdict == watch.Failed:
		return &exitError{code: exitDifferent}
	}
	return &exitError{code: exitUndecided}
}

// failWatch gives errors of the user's making the usage exit code.
func failWatch(ctx context.Context, err error) error {
	var filter *cluster.FilterError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return &exitError{code: exitUndecided, err: errors.New("interrupted before anything was watched")}
	case errors.As(err, &filter), errors.Is(err, watch.ErrNothingToWatch):
		return usageError("%w", err)
	}
	return err
}

// watchServers watches two connected servers and keeps the account in the ledger.
func watchServers(ctx context.Context, old, new *cluster.Server, replicas []watch.Replica, filter cluster.Filter, o *watchFlags, out *watchOutput,
	log *slog.Logger,
) (status watch.Status, listed []report.WatchFinding, err error) {
	survey, err := checksum.Look(ctx, old, new)
	if err != nil {
		return status, nil, err
	}
	dir, err := stateDir(o.state, survey)
	if err != nil {
		return status, nil, err
	}
	book, err := ledger.OpenForWatch(ctx, dir, ledger.Options{Log: log})
	if err != nil {
		return status, nil, err
	}
	defer book.Close()
	scope, err := scopeOf(ctx, old, new, o.tables, o.exclude)
	if err != nil {
		return status, nil, err
	}
	account, err := book.OpenWatch(ctx, ledger.WatchInfo{Old: survey.Old, New: survey.New, Args: os.Args[1:], Scope: scope, Fresh: o.fresh})
	if err != nil {
		return status, nil, err
	}
	rows := checksum.NewRechecker(old, new, survey, checksum.RecheckOptions{}) // by the rule by which a check compares them
	defer rows.Close()
	opt := watch.Options{
		Filter: filter, Scope: watch.Scope{Include: o.tables, Exclude: o.exclude}, Store: account, Observer: &statusKeeper{Observer: out.view, ctx: ctx, account: account, log: log}, Rechecker: rows, For: o.span, SettleFor: o.settle,
		RetryFor: o.retryFor, MaxLag: o.maxLag, Members: o.members(ctx, old, new, replicas), Replicas: replicas, Since: account.Since(), Log: log,
	}
	for i := range replicas {
		replicas[i].Base = copyBase(book, foldsCase(old, new))
	}
	if err = resumeAccount(ctx, book, account, survey, foldsCase(old, new), &opt); err != nil {
		return status, nil, err
	}
	if err = out.catchUp(ctx, account, o); err != nil {
		return status, nil, err
	}
	switch {
	case opt.From != nil:
		out.view.Notice(fmt.Sprintf("going on with the account of %s", opt.Since.Local().Format(time.DateTime)))
	case opt.Base != nil:
		out.view.Notice(fmt.Sprintf("building on check %d, which found %d rows of %d tables the same", opt.Base.Run, opt.Base.Rows, opt.Base.Tables))
	}
	status, err = watch.Run(ctx, old, new, opt)
	ctx = context.WithoutCancel(ctx)
	lerr := account.EachOfLast(ctx, listedFindings, func(at time.Time, f conflict.Finding) error {
		listed = append(listed, report.NewWatchFinding(f, at, report.Options{ShowValues: o.showValues}))
		return nil
	})
	if err == nil {
		err = errors.Join(lerr, account.Close(ctx))
	}
	return status, listed, err
}

// resumeAccount fills in where the account goes on: its last checkpoint, or the check that it builds on.
func resumeAccount(ctx context.Context, book *ledger.Ledger, account *ledger.Watch, survey checksum.Survey, fold bool, opt *watch.Options) error {
	c, ok, err := account.Checkpoint(ctx)
	if err != nil {
		return err
	}
	if opt.Known, err = account.FindingCounts(ctx); err != nil {
		return err
	}
	if ok {
		opt.From = &c
		return nil
	}
	opt.Since = time.Time{} // an earlier process died before it had kept where it began: nothing was watched
	base, ok, err := book.BaseCheck(ctx, survey.Old, survey.New)
	if err != nil || !ok {
		return err
	}
	for s, text := range map[conflict.Side]string{conflict.Old: base.OldPosition, conflict.New: base.NewPosition} {
		if opt.BaseStart[s], err = gtid.ParsePosition(text); err != nil {
			return fmt.Errorf("the check's position in the state folder: %w", err)
		}
	}
	opt.Base, opt.BaseKeys = &base.Base, [2]cluster.KeySpace{base.Keys.Old, base.Keys.New}
	return coverBase(ctx, book, fold, opt)
}

// foldsCase tells whether the case of letters in names does not count on one of the sides.
func foldsCase(old, new *cluster.Server) bool {
	return old.Facts().LowerCaseTableNames != 0 || new.Facts().LowerCaseTableNames != 0
}

// coverBase says which of the watched tables the check compared, and counts those only.
func coverBase(ctx context.Context, book *ledger.Ledger, fold bool, opt *watch.Options) error {
	covered, tables, err := coverageOf(ctx, book, opt.Base.Run, fold)
	if err != nil {
		return err
	}
	opt.Covered = &covered
	opt.Base.Tables, opt.Base.Rows = 0, 0
	for _, t := range tables {
		if schema, name, ok := cluster.SplitFullName(t.Name); ok && opt.Filter.FoldCase(fold).Match(schema, name) {
			opt.Base.Tables++
			opt.Base.Rows += t.Rows
		}
	}
	return nil
}

// copyBase finds what the check of a run says of another node.
func copyBase(book *ledger.Ledger, fold bool) func(context.Context, int64, *cluster.Server) (*watch.CopyBase, error) {
	return func(ctx context.Context, run int64, node *cluster.Server) (*watch.CopyBase, error) {
		copied, ok, err := book.CopyRun(ctx, run, checksum.EndpointInfo{ServerUUID: node.Facts().ServerUUID, Addr: node.Config().Addr})
		if err != nil || !ok {
			return nil, err
		}
		base := &watch.CopyBase{Run: copied.ID}
		if base.Start, err = gtid.ParsePosition(copied.New.Position); err != nil {
			return nil, fmt.Errorf("the check's position in the state folder: %w", err)
		}
		base.Coverage, _, err = coverageOf(ctx, book, copied.ID, fold)
		return base, err
	}
}

// coverageOf says what a run compared, and lists the tables that it found the same.
func coverageOf(ctx context.Context, book *ledger.Ledger, id int64, fold bool) (covered watch.Coverage, tables []ledger.SameTable, err error) {
	run, err := book.FindRun(ctx, id)
	if err != nil {
		return covered, nil, err
	}
	if tables, err = book.SameTables(ctx, id); err != nil {
		return covered, nil, err
	}
	covered = watch.Coverage{Tables: map[string]bool{}}
	for _, t := range tables {
		name := t.Name
		if fold {
			name = strings.ToLower(name)
		}
		covered.Tables[name] = true
	}
	if run.Scope != nil && run.Scope.Unseen == "" {
		covered.Scope = &watch.Scope{Include: run.Scope.Include, Exclude: run.Scope.Exclude}
	}
	return covered, tables, nil
}
