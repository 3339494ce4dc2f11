package main

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// silentAfter stops a relay's way from the server for ever, once so many bytes have come over all connections: for the
// connection that brought them, or for all.
func silentAfter(relay *fixtures.Relay, limit int64, all bool) (silent *atomic.Bool, come *atomic.Int64) {
	silent, come = &atomic.Bool{}, &atomic.Int64{}
	relay.Set(func(_ int, down bool, _ int64, p []byte) ([]byte, bool) {
		if !down {
			return p, false
		}
		before := come.Add(int64(len(p))) - int64(len(p))
		switch {
		case all && silent.Load():
			return nil, true
		case limit >= 0 && before+int64(len(p)) > limit && silent.CompareAndSwap(false, true):
			return p[:max(limit-before, 0)], true
		}
		return p, false
	})
	return silent, come
}

// TestServerFallsSilent: wherever in its answers a server falls silent while its connections stay open, each command ends
// and says so in one line; an interrupt ends it at once; and a connection that is lost alone is replaced.
func TestServerFallsSilent(t *testing.T) {
	set := pool.get(t, mariaPair)
	fill(t, set, "silent", 3000, "a", "b")
	unlogged(t, set.New, "DELETE FROM silent.b WHERE id < 20")
	relay := fixtures.NewRelay(t, set.Old.Addr())
	t.Setenv("CROSSCHECK_OLD_PASSWORD", set.Old.Password(fixtures.Crosscheck))
	for _, c := range []struct {
		args    []string
		retries bool
		at      []int64 // tenths of what an undisturbed run brings
	}{
		{[]string{"check", "--format", "json"}, true, []int64{1, 5, 9}},
		{[]string{"watch", "--for", "10s", "--settle-for", "1s"}, true, []int64{0, 5}},
		{[]string{"preflight", "--path", "dual-write"}, false, []int64{5}},
	} {
		begin := func(t *testing.T, quiet, retry string) *process {
			t.Helper()
			t.Setenv("CROSSCHECK_QUIET_TIME", quiet)
			args := append(slices.Clone(c.args), "--table", "silent.*", "--old", fmt.Sprintf("%s@tcp(%s)/", fixtures.Crosscheck, relay.Addr()), "--new", "@new")
			if c.retries {
				args = append(args, "--retry-for", retry, "--state", t.TempDir())
			}
			return start(t, set, args...)
		}
		name := c.args[0]
		_, come := silentAfter(relay, -1, false)
		p := begin(t, "10s", "1m")
		if name == "watch" { // what it has read after a moment will do
			until(t, patience, "it reads the log", func() bool { return come.Load() > 80_000 })
			_ = p.cmd.Process.Signal(syscall.SIGINT)
		}
		p.wait(patience)
		total := come.Load()
		for _, tenth := range c.at {
			at := total*tenth/10 + 10
			t.Run(fmt.Sprintf("%s %d0%%", name, tenth), func(t *testing.T) {
				silent, _ := silentAfter(relay, at, true)
				p := begin(t, "500ms", "500ms")
				if code := p.wait(time.Minute); code != exitFailed || !silent.Load() {
					t.Errorf("exit code %d\n%s\n%s", code, p.stdout.String(), p.stderr.String())
				}
				p.oneLineError()
			})
			t.Run(fmt.Sprintf("%s interrupted %d0%%", name, tenth), func(t *testing.T) {
				silent, _ := silentAfter(relay, at, true)
				p := begin(t, "1h", "1h")
				until(t, patience, "it is silent", silent.Load)
				_ = p.cmd.Process.Signal(syscall.SIGTERM)
				took := timed(func() { p.wait(patience) })
				if took > promptly {
					t.Errorf("it took %s to end", took)
				}
				t.Logf("it took %s to end", took)
			})
		}
		if name != "check" {
			continue
		}
		t.Run("one connection", func(t *testing.T) {
			silent, _ := silentAfter(relay, total/2, false)
			d := begin(t, "500ms", "1m").document(exitDifferent)
			if d.Totals.Missing != 17 || d.Totals.RowsOld != 6000 || !silent.Load() {
				t.Errorf("%d rows of old, %d missing", d.Totals.RowsOld, d.Totals.Missing)
			}
		})
	}
}
