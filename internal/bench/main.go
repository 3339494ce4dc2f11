// Command bench compares crosscheck with what else reads both sides of a table whole: CHECKSUM TABLE on both servers at
// once, and pt-table-checksum. All of it happens on one machine, on the same servers and rows, in turns within one run,
// so that the ratios mean something where absolute times do not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"crosscheck/fixtures"
)

// options are the command line.
type options struct {
	rows, secondRows int64
	families         []fixtures.Family
	reps             int
	json             bool
	noTLS            bool
	binary           string
	only             string   // one of the parts; "" all of them
	checkArgs        []string // further arguments of crosscheck check
}

// The parts that --only names.
const (
	onlyCheck  = "check"
	onlyCopies = "copies"
	onlyWatch  = "watch"
)

// measures says whether a part is to be measured.
func (o options) measures(part string) bool { return o.only == "" || o.only == part }

const (
	exitFailed = 3
	exitUsage  = 64
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program; its result is the exit code. A missed goal is a result like any other: only a benchmark
// that could not be done, or that caught crosscheck in a wrong answer, fails.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == launcherArg {
		return launcher(ctx, args[1:], stdout, stderr)
	}
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	say := func(line string) { fmt.Fprintln(stderr, line) }
	rep, err := benchmark(ctx, o, say)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if o.json {
		err = rep.writeJSON(stdout)
	} else {
		err = rep.writeTable(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var families string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Int64Var(&o.rows, "rows", 1_500_000, "rows of the table, about 145 bytes each")
	f.Int64Var(&o.secondRows, "second-rows", 0, "rows of a second table, to see whether memory grows with the table (default: a quarter of --rows)")
	f.StringVar(&families, "families", "mysql,mariadb", "server families, by comma: mariadb, mysql, mysql56")
	f.IntVar(&o.reps, "reps", 5, "repetitions of each measurement, in turns")
	f.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	f.BoolVar(&o.noTLS, "no-tls", false, "servers that offer no TLS, to see what encryption costs")
	f.StringVar(&o.only, "only", "", "measure only check, only copies or only watch")
	f.StringVar(&o.binary, "binary", "", "measure this crosscheck instead of building one")
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: bench [flags] [-- arguments for crosscheck check]")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.checkArgs = f.Args()
	if o.secondRows == 0 {
		o.secondRows = o.rows / 4
	}
	if o.rows < 1000 || o.secondRows < 100 || o.reps < 1 {
		return o, errors.New("at least 1000 --rows, 100 --second-rows and 1 of --reps are needed")
	}
	if !slices.Contains([]string{"", onlyCheck, onlyCopies, onlyWatch}, o.only) {
		return o, fmt.Errorf("--only %s: use check, copies or watch", o.only)
	}
	for name := range strings.SplitSeq(families, ",") {
		family, err := fixtures.ParseFamily(strings.TrimSpace(name))
		if err != nil {
			return o, err
		}
		o.families = append(o.families, family)
	}
	return o, nil
}

// benchmark measures one family after the other.
func benchmark(ctx context.Context, o options, say func(string)) (report, error) {
	work, err := os.MkdirTemp("", "crosscheck-bench-")
	if err != nil {
		return report{}, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if o.binary == "" {
		o.binary = filepath.Join(work, "crosscheck")
		say("building crosscheck")
		out, err := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "crosscheck/cmd/crosscheck").CombinedOutput()
		if err != nil {
			return report{}, fmt.Errorf("build crosscheck: %w: %s", err, out)
		}
	}
	rep := newReport(o)
	for _, family := range o.families {
		r, err := benchFamily(ctx, o, family, work, say)
		if err != nil {
			return rep, fmt.Errorf("%s: %w", family, err)
		}
		rep.Families = append(rep.Families, r)
	}
	rep.LoadAfter = loadAverage()
	return rep, nil
}
