package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// endpoints are the flags that name the two sides.
type endpoints struct{ old, new string }

// connectFor is how long a server that is lost while a command connects is tried again, where no flag says so.
const connectFor = 30 * time.Second

// connect opens a server. One that was reached and then lost is tried again like one that is lost later; where nothing
// listens the first time, the address is wrong or the server is down, and whoever waits should know at once.
func connect(ctx context.Context, config cluster.Config, log *slog.Logger, retry time.Duration) (*cluster.Server, error) {
	began, reached := time.Now(), false
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 3*time.Second) {
		s, err := cluster.Open(ctx, config, log)
		reached = reached || cluster.IsLost(err)
		if err == nil || !reached || !cluster.IsTransient(err) || ctx.Err() != nil {
			return s, err
		}
		if time.Since(began) > retry {
			return nil, fmt.Errorf("gave up after %s: %w", retry, err)
		}
		log.Warn("lost the server while connecting, trying again", "side", config.Label, "err", err, "for", retry)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (e *endpoints) register(f *pflag.FlagSet) {
	f.StringVar(&e.old, "old", "", "old side: user@tcp(host:port)/, mysql://user@host:port/, or @group of an option file (env CROSSCHECK_OLD_DSN)")
	f.StringVar(&e.new, "new", "", "new side, likewise (env CROSSCHECK_NEW_DSN)")
}

// open connects to both sides.
func (e *endpoints) open(ctx context.Context, g *globals, log *slog.Logger, retry time.Duration) (old, new *cluster.Server, err error) {
	oldConfig, err := g.config("old", e.old)
	if err != nil {
		return nil, nil, err
	}
	newConfig, err := g.config("new", e.new)
	if err != nil {
		return nil, nil, err
	}
	if oldConfig.Prompt == nil && newConfig.Prompt == nil {
		return openBoth(ctx, oldConfig, newConfig, log, retry)
	}
	// Two questions for passwords at once would be one too many.
	if old, err = connect(ctx, oldConfig, log, retry); err != nil {
		return nil, nil, err
	}
	if new, err = connect(ctx, newConfig, log, retry); err != nil {
		_ = old.Close()
		return nil, nil, err
	}
	return old, new, nil
}

// openBoth connects to both sides at once. If both fail, old's error is the one to tell.
func openBoth(ctx context.Context, oldConfig, newConfig cluster.Config, log *slog.Logger, retry time.Duration) (old, new *cluster.Server, err error) {
	var newErr error
	done := make(chan struct{})
	go func() {
		defer fault.Guard()
		defer close(done)
		new, newErr = connect(ctx, newConfig, log, retry)
	}()
	old, err = connect(ctx, oldConfig, log, retry)
	<-done
	if err == nil && newErr == nil {
		return old, new, nil
	}
	if err == nil {
		err = newErr
		_ = old.Close()
	} else if newErr == nil {
		_ = new.Close()
	}
	return nil, nil, err
}

// config reads one side's address from its flag, or from the environment.
func (g *globals) config(label, dsn string) (cluster.Config, error) {
	env := "CROSSCHECK_" + strings.ToUpper(label) + "_DSN"
	fromEnv := dsn == ""
	if fromEnv {
		dsn = g.std.getenv(env)
	}
	if dsn == "" {
		return cluster.Config{}, usageError("no address of the %s side: give --%s user@tcp(host:port)/ or set %s", label, label, env)
	}
	config, err := cluster.ParseDSN(dsn, cluster.DSNOptions{
		Label: label, DefaultsFile: g.defaultsFile, HomeDir: g.std.getenv("HOME"), Getenv: g.std.getenv,
		Prompt: g.prompt(), AllowPassword: fromEnv,
	})
	var bad *cluster.ConfigError
	if errors.As(err, &bad) {
		return config, usageError("%w", err)
	}
	if text := g.std.getenv("CROSSCHECK_QUIET_TIME"); text != "" { // for tests, which cannot wait so long
		if config.Quiet, err = time.ParseDuration(text); err != nil {
			return config, usageError("CROSSCHECK_QUIET_TIME: %w", err)
		}
	}
	return config, err
}

// prompt asks for a password on the terminal; without a terminal there is nobody to ask.
func (g *globals) prompt() func(user, addr string) (string, error) {
	in, ok := g.std.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return func(user, addr string) (string, error) {
		fmt.Fprintf(g.std.err, "Password of %s at %s: ", user, addr)
		defer fmt.Fprintln(g.std.err)
		password, err := term.ReadPassword(int(in.Fd()))
		return string(password), err
	}
}

// logger writes to w: warnings always, everything else with --verbose.
func (g *globals) logger(w io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if g.verbose {
		level = slog.LevelDebug
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: !g.color(g.std.err),
	}))
}

// color reports whether w is a terminal that shows colour; NO_COLOR turns it off.
func (g *globals) color(w io.Writer) bool {
	return g.std.getenv("NO_COLOR") == "" && g.std.getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width returns the number of columns of the terminal w, 0 if it is none.
func width(w io.Writer) int {
	columns, _ := size(w)
	return columns
}

// size returns columns and lines of the terminal w, zeros if it is none.
func size(w io.Writer) (columns, lines int) {
	if !isTerminal(w) {
		return 0, 0
	}
	columns, lines, err := term.GetSize(int(w.(*os.File).Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, lines
}
