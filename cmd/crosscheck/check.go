package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"crosscheck/checksum"
	"crosscheck/cluster"
	"crosscheck/gate"
	"crosscheck/gate/measure"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// checkFlags are the flags of check.
type checkFlags struct {
	endpoints
	output
	replicas            replicaFlags
	readOldFrom         string
	tables, exclude     []string
	workers             int
	state               string
	resume              bool
	strict, virtual     bool
	retryFor, fenceWait time.Duration
	maxRows, maxBytes   int64
	maxThreads          int
	maxLag              time.Duration
	passing             bool // the state folder is gone at the end: nobody need know of it
}

func newCheckCommand(g *globals) *cobra.Command {
	var o checkFlags
	c := &cobra.Command{
		Use:   "check --old DSN --new DSN",
		Short: "Compare the tables of both sides exactly, while they are live",
		Long: `Compare the tables of both sides exactly, while they are live.

All user tables of old are compared unless --table says otherwise. The account needs SELECT,
REPLICATION CLIENT, REPLICATION SLAVE and PROCESS (on MariaDB also SLAVE MONITOR), nothing else.

With --old-replica and --new-replica the other nodes of both clusters are compared in the same pass:
old is read once, and each node has a verdict of its own.`,
		Example: `  crosscheck check --old @old --new @new
  crosscheck check --old 'ro@tcp(10.0.0.1:3306)/' --new 'ro@tcp(10.0.1.1:3306)/' --table 'shop.*' --exclude 'shop.tmp_*'
  crosscheck check --old @old --new @new --old-replica auto --new-replica @new1 --new-replica @new2
  crosscheck check --old @old --new @new --state /var/lib/crosscheck --resume --format json --output result.json`,
		RunE: func(c *cobra.Command, _ []string) error { return runCheck(c.Context(), g, &o) },
	}
	f := c.Flags()
	o.endpoints.register(f)
	o.replicas.register(f)
	f.StringVar(&o.readOldFrom, "read-old-from", "", "replica of old that is read in its place, as the reference; old itself is compared only with --old-replica auto")
	f.StringArrayVar(&o.tables, "table", nil, "compare only tables that match this glob, db.table; may be repeated")
	f.StringArrayVar(&o.exclude, "exclude", nil, "leave out tables that match this glob; may be repeated")
	f.IntVar(&o.workers, "workers", 2, "key ranges compared at a time")
	f.StringVar(&o.state, "state", "", "folder that keeps what is proven (default below ~/.local/state/crosscheck)")
	f.BoolVar(&o.resume, "resume", false, "go on with the last run of the same servers that did not come to its end")
	f.BoolVar(&o.strict, "strict", false, "undecided instead of same where a conversion between column types loses information")
	f.BoolVar(&o.virtual, "virtual", false, "compare virtual generated columns too")
	durationVar(f, &o.retryFor, "retry-for", time.Minute, "how long a server that is gone is tried again")
	durationVar(f, &o.fenceWait, "fence-timeout", 2*time.Minute, "how long replication may take to arrive before rows are undecided")
	f.Int64Var(&o.maxRows, "max-rows-per-second", 0, "read no more rows a second from each side")
	f.Int64Var(&o.maxBytes, "max-bytes-per-second", 0, "read no more bytes a second from each side")
	f.IntVar(&o.maxThreads, "max-threads-running", 0, "pause while a side has more threads running than this")
	durationVar(f, &o.maxLag, "max-lag", 0, "pause while replication is further behind than this")
	o.output.register(f)
	return c
}

// checkMemory is the memory that a check tries to stay within, as watchMemory is for a watch. What the runtime does not count,
// such as the program itself, is 20 MiB more. Where all rows differ, or large ones do, collecting takes some CPU.
const checkMemory = 44 << 20

// runCheck executes check and ends with the verdict's exit code.
func runCheck(ctx context.Context, g *globals, o *checkFlags) error {
	filter, err := cluster.NewFilter(o.tables, o.exclude)
	if err != nil {
		return usageError("%w", err)
	}
	if err = o.validate(); err != nil {
		return err
	}
	if g.std.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(checkMemory)
	}
	view := newProgressView(g)
	defer view.Close()
	log := g.logger(view)
	started := time.Now()
	old, new, err := o.endpoints.open(ctx, g, log, o.retryFor)
	if err != nil {
		return fail(ctx, err)
	}
	defer old.Close()
	defer new.Close()
	result, err := o.check(ctx, g, started, old, new, filter, view, log)
	view.Close()
	if err != nil {
		return fail(ctx, err)
	}
	if err := o.output.write(g, result); err != nil {
		return err
	}
	if ctx.Err() != nil || len(result.Copies) == 1 && result.Copies[0].Result.Interrupted {
		return &exitError{code: exitUndecided} // even if a difference is proven: the rest is not
	}
	return verdictExit(verdictOf(result))
}

// check compares two servers, or with further nodes all of them.
func (o *checkFlags) check(ctx context.Context, g *globals, started time.Time, old, new *cluster.Server, filter cluster.Filter, view progressView,
	log *slog.Logger,
) (report.Check, error) {
	if !o.several() {
		result, unread, err := checkServers(ctx, g, started, old, new, filter, o, view, log)
		c := report.Pair(result)
		c.Unread = unreadNodes(unread)
		return c, err
	}
	all, err := o.openClusters(ctx, g, log, old, new)
	if err != nil {
		return report.Check{}, err
	}
	defer all.close()
	return checkClusters(ctx, started, old, new, all, filter, o, view, log)
}

// maxWorkers is as many connections as no server that also works for others should give one program.
const maxWorkers = 256

// validate refuses numbers that mean nothing; they would be taken for the default in silence.
func (o *checkFlags) validate() error {
	if o.workers < 1 {
		return usageError("--workers %d: at least one is needed", o.workers)
	}
	if o.workers > maxWorkers {
		return usageError("--workers %d: no more than %d can be of use", o.workers, maxWorkers)
	}
	for name, d := range map[string]time.Duration{"retry-for": o.retryFor, "fence-timeout": o.fenceWait} {
		if d <= 0 {
			return usageError("--%s %s: a time above 0 is needed, as 30s or 2m", name, d)
		}
	}
	if o.maxLag < 0 {
		return usageError("--max-lag %s: a time is needed, as 30s, 0 for no limit", o.maxLag)
	}
	for name, n := range map[string]int64{
		"max-rows-per-second": o.maxRows, "max-bytes-per-second": o.maxBytes, "max-threads-running": int64(o.maxThreads),
	} {
		if n < 0 {
			return usageError("--%s %d: a number is needed, 0 for no limit", name, n)
		}
	}
	return o.output.validate()
}

// fail gives errors of the user's making the usage exit code, and an interrupt that came before there was anything to
// show the code of an interrupted run.
func fail(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return &exitError{code: exitUndecided, err: errors.New("interrupted before anything was compared")}
	}
	var filter *cluster.FilterError
	if errors.As(err, &filter) || errors.Is(err, checksum.ErrNoTables) {
		return usageError("%w", err)
	}
	return err
}

// checkServers compares two connected servers and keeps what is proven in the ledger. started is when the first
// connection was begun. Nodes besides the two that were seen are named.
func checkServers(ctx context.Context, g *globals, started time.Time, old, new *cluster.Server, filter cluster.Filter, o *checkFlags, view progressView,
	log *slog.Logger,
) (checksum.Result, []ledger.Unread, error) {
	for _, s := range []*cluster.Server{old, new} {
		if err := s.CheckPrivileges(ctx, cluster.PrivReplicationClient, cluster.PrivReplicaMonitor); err != nil {
			return checksum.Result{}, nil, err
		}
	}
	survey, err := checksum.Look(ctx, old, new)
	if err != nil {
		return checksum.Result{}, nil, err
	}
	dir, err := stateDir(o.state, survey)
	if err != nil {
		return checksum.Result{}, nil, err
	}
	book, err := ledger.Open(ctx, dir, ledger.Options{Log: log})
	if err != nil {
		return checksum.Result{}, nil, err
	}
	defer book.Close()
	scope, err := scopeOf(ctx, old, new, o.tables, o.exclude)
	if err != nil {
		return checksum.Result{}, nil, err
	}
	links := linksNow(ctx, old, new, log)
	run, err := book.StartRun(ctx, ledger.RunInfo{
		Old: survey.Old, New: survey.New, Relation: survey.Relation.Mode.String(), Scope: scope, Resume: o.resume,
	})
	if err != nil {
		return checksum.Result{}, nil, err
	}
	if o.resume {
		view.Notice(trustText(run.Trusted()))
	}
	if !run.Trusted().Resumed { // of what was compared first, nothing is proven that came before its threads
		if err = run.SetLinks(ctx, links); err != nil {
			return checksum.Result{}, nil, err
		}
	}
	keep := run.SetKeySpaces
	if run.Trusted().Resumed { // a watch must know those of when the run began
		keep = nil
	}
	seen := o.seenNodes(ctx, g, log, old, new)
	opt := o.runOptions(filter, started, view, log)
	opt.Journal, opt.Keys = run, keep
	result, err := checksum.Run(ctx, old, new, survey, opt)
	unread := seen()
	if len(unread) > 0 {
		err = cmp.Or(err, run.SetUnread(context.WithoutCancel(ctx), unread))
	}
	err = cmp.Or(err, closeRun(ctx, run, &result, err))
	if err == nil && result.Verdict == checksum.Different && !o.passing {
		view.Notice("differences are kept in " + dir + "; guarded SQL for new: crosscheck repair --state " + dir)
	}
	return result, unread, err
}

// linksNow is how replication runs before anything is compared. Where it cannot be read, gates have to see by themselves since
// when it runs.
func linksNow(ctx context.Context, old, new *cluster.Server, log *slog.Logger) []gate.Link {
	links, err := measure.Links(ctx, old, new)
	if err != nil {
		log.Debug("how replication runs is not recorded", "error", err)
	}
	return links
}

// runOptions are the flags as package checksum takes them.
func (o *checkFlags) runOptions(filter cluster.Filter, started time.Time, view progressView, log *slog.Logger) checksum.Options {
	return checksum.Options{
		Filter: filter, Workers: o.workers, Strict: o.strict, Virtual: o.virtual, MaxDifferences: o.maxDifferences,
		RetryFor: o.retryFor, FenceTimeout: o.fenceWait, MaxRows: o.maxRows, MaxBytes: o.maxBytes,
		MaxThreads: o.maxThreads, MaxLag: o.maxLag, Observer: view, Log: log, Started: started,
	}
}

// trustText says what a resumed run takes over.
func trustText(t ledger.Trust) string {
	if !t.Resumed {
		return "nothing to resume for these servers: starting anew"
	}
	tables := "1 table"
	if n := t.Recorded.Tables; n != 1 {
		tables = fmt.Sprintf("%d tables", n)
	}
	return fmt.Sprintf("resuming run %d of %s: trusting %d proven chunks of %s, %d rows", t.Run,
		t.Started.Local().Format(time.DateTime), t.Recorded.Chunks, tables, t.Recorded.Rows)
}

// verdictExit turns a verdict into the process's end.
func verdictExit(v checksum.Verdict) error {
	switch v {
	case checksum.Same:
		return nil
	case checksum.Different:
		return &exitError{code: exitDifferent}
	default:
		return &exitError{code: exitUndecided}
	}
}

// progressView is what a command shows on stderr while it runs; log lines go there as well.
type progressView interface {
	checksum.Observer
	io.Writer
	Close()
}

func newProgressView(g *globals) progressView {
	if g.quiet {
		return quietView{g.std.err}
	}
	return report.NewProgress(g.std.err, report.ProgressOptions{Terminal: isTerminal(g.std.err), Color: g.color(g.std.err)})
}

// quietView shows nothing but warnings.
type quietView struct{ io.Writer }

func (quietView) TableStarted(string, int64, int64) {}
func (quietView) Progress(string, int64, int64)     {}
func (quietView) TableDone(checksum.TableResult)    {}
func (quietView) Notice(string)                     {}
func (quietView) Close()                            {}
