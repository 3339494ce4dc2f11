package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/fixtures"
	"crosscheck/report"
)

// process is crosscheck running as its users run it.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdout buffer
	stderr buffer
	done   chan struct{}
	err    error
}

// buffer can be read while the process still writes.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs crosscheck against a set's servers, named by the set's option file.
func start(t testing.TB, set *fixtures.Set, args ...string) *process {
	t.Helper()
	p := &process{t: t, done: make(chan struct{})}
	if set != nil {
		args = append(args, "--defaults-file", set.DefaultsFile())
	}
	p.cmd = exec.Command("crosscheck", args...)
	p.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended by now, or the test has failed
		<-p.done
	})
	return p
}

// startCheck runs check of the set's two sides with its result as JSON.
func startCheck(t testing.TB, set *fixtures.Set, args ...string) *process {
	t.Helper()
	return start(t, set, append([]string{"check", "--old", "@old", "--new", "@new", "--format", "json"}, args...)...)
}

// wait waits for the end and returns the exit code; a process killed by a signal has -1.
func (p *process) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.t.Errorf("crosscheck still runs after %s\nstderr: %s", limit, p.stderr.String())
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines go to stderr
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
		}
		p.t.Fatalf("stderr: %s", p.stderr.String())
	}
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return 0
	case errors.As(p.err, &exit):
		return exit.ExitCode()
	}
	p.t.Fatal(p.err)
	return -1
}

// document waits for the end, demands the exit code and decodes the result.
func (p *process) document(want int) report.CheckDocument {
	p.t.Helper()
	got := p.wait(patience)
	var d report.CheckDocument
	if err := json.Unmarshal([]byte(p.stdout.String()), &d); err != nil && want != exitFailed {
		p.t.Fatalf("exit code %d, want %d; no document: %v\nstdout: %s\nstderr: %s", got, want, err, p.stdout.String(), p.stderr.String())
	}
	if got != want {
		p.t.Errorf("exit code %d, want %d\n%s\nstderr: %s", got, want, p.stdout.String(), p.stderr.String())
	}
	return d
}

// check runs a whole check and demands its exit code.
func check(t testing.TB, set *fixtures.Set, want int, args ...string) report.CheckDocument {
	t.Helper()
	return startCheck(t, set, args...).document(want)
}

// maxRSS is the highest amount of memory that an ended process had resident.
func (p *process) maxRSS() int64 {
	p.t.Helper()
	usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		p.t.Fatal("the system does not tell the memory of an ended process")
	}
	return usage.Maxrss * 1024 // Linux counts kilobytes
}

// oneLineError demands that a failed run said why in one line, and returns it.
func (p *process) oneLineError() string {
	p.t.Helper()
	var lines []string
	for line := range strings.Lines(p.stderr.String()) {
		if strings.HasPrefix(line, "crosscheck: ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) != 1 {
		p.t.Fatalf("%d lines say what went wrong, want one:\n%s", len(lines), p.stderr.String())
	}
	return lines[0]
}

// patience is how long a test waits for what must come. It costs nothing where it comes, and the machine may be busy.
const patience = 3 * time.Minute

// until polls a condition; the tests wait for what they need to see, never for a time to pass.
func until(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > limit {
			t.Fatalf("%s: not so after %s", what, limit)
		}
	}
}

func exec1(t testing.TB, s *fixtures.Server, statements ...string) {
	t.Helper()
	for _, q := range statements {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, err := s.DB().ExecContext(ctx, q)
		cancel()
		if err != nil {
			t.Fatalf("%s: %.300s: %v", s.Family(), q, err)
		}
	}
}

// unlogged runs statements that stay out of the binary log: a change that replication does not know.
func unlogged(t testing.TB, s *fixtures.Server, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := s.DB().Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range append(append([]string{"SET sql_log_bin=0"}, statements...), "SET sql_log_bin=1") {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			t.Fatalf("%s: %.300s: %v", s.Family(), q, err)
		}
	}
}

// errDeadlock is what a server may answer to bulk writers of one table.
const errDeadlock = 1213

// fill makes an orders table with the same rows on both sides, past the binary log, in a database of the test's own.
func fill(t testing.TB, set *fixtures.Set, database string, rows int64, tables ...string) []fixtures.TableSpec {
	t.Helper()
	if len(tables) == 0 {
		tables = []string{"orders"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	t.Cleanup(func() {
		for _, s := range []*fixtures.Server{set.Old, set.New} {
			if s.Running() {
				unlogged(t, s, "DROP DATABASE IF EXISTS "+database)
			}
		}
	})
	var specs []fixtures.TableSpec
	for _, name := range tables {
		specs = append(specs, fixtures.TableSpec{Kind: fixtures.Orders, Database: database, Table: name})
	}
	var group sync.WaitGroup
	for _, s := range []*fixtures.Server{set.Old, set.New} {
		group.Go(func() {
			for i, spec := range specs {
				spec.Unlogged = true
				err := fixtures.Generate(ctx, s.DB(), spec, rows, uint64(i)+1)
				for try := 0; cluster.ErrorNumber(err) == errDeadlock && try < 5; try++ {
					unlogged(t, s, "DROP TABLE "+spec.Quoted())
					err = fixtures.Generate(ctx, s.DB(), spec, rows, uint64(i)+1)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return specs
}
