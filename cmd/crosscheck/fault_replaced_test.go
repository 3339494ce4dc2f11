package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// relay is an address that leads to one server and can be turned to another, as a load balancer's or a virtual address.
type relay struct {
	listener net.Listener
	mu       sync.Mutex
	target   string
	open     map[net.Conn]bool
	work     sync.WaitGroup
}

func newRelay(t testing.TB, target string) *relay {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, target: target, open: make(map[net.Conn]bool)}
	r.work.Go(r.serve)
	t.Cleanup(func() {
		_ = l.Close()
		r.turn("")
		r.work.Wait()
	})
	return r
}

func (r *relay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// turn cuts all connections; new ones go to target.
func (r *relay) turn(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
	for c := range r.open {
		_ = c.Close()
	}
	clear(r.open)
}

func (r *relay) serve() {
	for {
		in, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.mu.Lock()
		out, err := (&net.Dialer{Timeout: 20 * time.Second}).DialContext(context.Background(), "tcp4", r.target)
		if err != nil {
			_ = in.Close()
			r.mu.Unlock()
			continue
		}
		r.open[in], r.open[out] = true, true
		r.mu.Unlock()
		for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
			r.work.Go(func() {
				_, _ = io.Copy(way[0], way[1]) // it ends when either side does
				_ = in.Close()
				_ = out.Close()
			})
		}
	}
}

// TestServerReplaced: what was proven of one server says nothing of another that answers at its address.
func TestServerReplaced(t *testing.T) {
	set := pool.get(t, mariaPair)
	fill(t, set, "replaced", faultRows, faultTables...)
	stranger := fixtures.ServerForTest(t, fixtures.MariaDB, fixtures.ServerOptions{ServerID: 77})
	for _, side := range []fixtures.Side{fixtures.Old, fixtures.New} {
		t.Run(string(side), func(t *testing.T) {
			// The same account with the same password, as behind one virtual address.
			password := set.Server(side).Password(fixtures.Crosscheck)
			exec1(t, stranger, fmt.Sprintf("SET PASSWORD FOR 'crosscheck'@'%%' = PASSWORD('%s')", password))
			r := newRelay(t, set.Server(side).Addr())
			options := filepath.Join(t.TempDir(), "my.cnf")
			text := fmt.Sprintf("[moving]\nhost=127.0.0.1\nport=%d\nuser=crosscheck\npassword=%s\n", r.port(), password)
			for _, s := range []fixtures.Side{fixtures.Old, fixtures.New} {
				text += fmt.Sprintf("[%s]\nhost=127.0.0.1\nport=%d\nuser=crosscheck\npassword=%s\n",
					s, set.Server(s).Port(), set.Server(s).Password(fixtures.Crosscheck))
			}
			if err := os.WriteFile(options, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			state := t.TempDir()
			args := []string{
				"check", "--defaults-file", options, "--old", "@old", "--new", "@new", "--table", "replaced.*",
				"--state", state, "--max-rows-per-second", "500", // far from its end whenever it is disturbed
			}
			args = append(args, "--"+string(side), "@moving")
			p := start(t, nil, args...)
			underWay(t, p, state)
			r.turn(stranger.Addr())
			if code := p.wait(patience); code != exitFailed {
				t.Errorf("exit code %d\n%s", code, p.stderr.String())
			}
			if line := p.oneLineError(); !strings.Contains(line, "another server answers now") {
				t.Errorf("it says %s", line)
			}
			// Nor may another day's resume trust the ledger.
			p = start(t, nil, append(args, "--resume")...)
			if code := p.wait(patience); code != exitFailed {
				t.Errorf("resumed: exit code %d\n%s", code, p.stderr.String())
			}
			if line := p.oneLineError(); !strings.Contains(line, string(side)+" is another server") {
				t.Errorf("resumed: it says %s", line)
			}
			// Back at the right server it goes on.
			r.turn(set.Server(side).Addr())
			p = start(t, nil, append(args[:len(args):len(args)], "--resume", "--max-rows-per-second", "0", "--format", "json")...)
			if d := p.document(exitSame); d.Totals.ResumedChunks == 0 {
				t.Error("nothing was taken over")
			}
		})
	}
}
