// Command crosscheck proves that two MySQL clusters hold the same data while both are live.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"crosscheck/internal/fault"
)

// The exit codes are an interface: scripts branch on them.
const (
	exitSame      = 0              // same, or a gate that passes
	exitDifferent = 1              // different, or a gate that fails
	exitUndecided = 2              // undecided, or a gate whose state is unknown
	exitFailed    = fault.ExitCode // could not run
	exitUsage     = 64             // a mistake in the command line or in a file it names
)

// stdio is a process's surroundings, passed in so that tests can run commands in their own process.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

// exitError ends a command with a code; a nil err was reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func main() {
	defer fault.Guard()
	os.Exit(run(context.Background(), os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv})) //nolint:gocritic // Guard is for panics
}

// run executes one command line and returns its exit code. The first interrupt ends it with what is proven so far, a
// second one at once.
func run(ctx context.Context, args []string, std stdio) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitSame
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: exitFailed, err: err}
	}
	if exit.err != nil {
		fmt.Fprintf(std.err, "crosscheck: %s\n", fault.Line(exit.err.Error()))
	}
	return exit.code
}

// globals are the flags of every command.
type globals struct {
	std          stdio
	defaultsFile string
	verbose      bool
	quiet        bool
}

func newRoot(std stdio) *cobra.Command {
	g := &globals{std: std}
	root := &cobra.Command{
		Use:   "crosscheck",
		Short: "Prove that two MySQL clusters hold the same data while both are live",
		Long: `crosscheck compares two MySQL or MariaDB clusters exactly while both are live, and says
same, different, or undecided: what nobody proved is never the same.

Exit codes: 0 same, 1 different, 2 undecided, 3 could not run, 64 usage error.`,
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%w; see %s --help", err, c.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&g.defaultsFile, "defaults-file", "", "option file for @group addresses (default ~/.my.cnf)")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "log what is done, on stderr")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "no progress, only the result and errors")
	root.AddCommand(newCheckCommand(g), newWatchCommand(g), newPreflightCommand(g), newPlanCommand(g), newGateCommand(g), newRepairCommand(g), newMendCommand(g), newReportCommand(g), newFixtureCommand(g), newDemoCommand(g),
		newKeygenCommand(g), newVerifyCommand(g), newTopologyCommand(g))
	root.CompletionOptions.HiddenDefaultCmd = true
	wrapArgs(root)
	return root
}

// suggestions are the subcommands that the first argument may have meant.
func suggestions(c *cobra.Command, args []string) []string {
	if len(args) == 0 || !c.HasSubCommands() {
		return nil
	}
	c.SuggestionsMinimumDistance = 2 // as cobra does where it suggests itself
	return c.SuggestionsFor(args[0])
}

// wrapArgs turns complaints about arguments into usage errors.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			if near := suggestions(c, args); len(near) > 0 {
				return usageError("%w; did you mean %s?", err, strings.Join(near, " or "))
			}
			return usageError("%w; see %s --help", err, c.CommandPath())
		}
		return nil
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}
