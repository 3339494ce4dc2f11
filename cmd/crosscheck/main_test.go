package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"crosscheck/fixtures"
)

// TestMain lets the test binary be crosscheck itself: scripts and tests run it as a process of its own, found on PATH.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", raceOptions)
	testscript.Main(guarded{m}, map[string]func(){"crosscheck": main})
}

// raceOptions keeps the race detector from sleeping for a second at the end of each of the processes that tests start.
const raceOptions = "atexit_sleep_ms=0"

// guarded runs the tests, ends the servers that they share, and looks for goroutines left behind.
type guarded struct{ m *testing.M }

func (g guarded) Run() int {
	code := g.m.Run()
	if err := pool.close(); err != nil {
		fmt.Fprintln(os.Stderr, "close the fixtures:", err)
		code = max(code, 1)
	}
	err := goleak.Find()
	for begin := time.Now(); err != nil && time.Since(begin) < 30*time.Second; err = goleak.Find() {
		time.Sleep(100 * time.Millisecond) // on a busy machine what is about to end may take a while
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// setPool holds the sets of servers that several tests share; each starts when it is first asked for.
type setPool struct {
	mu     sync.Mutex
	sets   map[string]*fixtures.Set
	failed map[string]error
}

var pool = &setPool{sets: make(map[string]*fixtures.Set), failed: make(map[string]error)}

// The sets of servers that tests share.
var (
	mariaPair = fixtures.Spec{Name: "maria", Topology: fixtures.Pair, Old: fixtures.MariaDB}
	mysqlPair = fixtures.Spec{Name: "mysql", Topology: fixtures.Pair, Old: fixtures.MySQL}
	oldToNew  = fixtures.Spec{Name: "56-maria", Topology: fixtures.Pair, Old: fixtures.MySQL56, New: fixtures.MariaDB118}
	mariaDual = fixtures.Spec{Name: "dual", Topology: fixtures.Dual, Old: fixtures.MariaDB}
)

// restartable is a pair of servers for tests that stop or kill them.
func restartable(t testing.TB, family fixtures.Family) *fixtures.Set {
	t.Helper()
	set := pool.get(t, fixtures.Spec{Name: "restarted-" + string(family), Topology: fixtures.Pair, Old: family})
	for _, s := range []*fixtures.Server{set.Old, set.New} {
		if s.Running() {
			continue
		}
		if err := s.Restart(t.Context()); err != nil { // a test that failed has left it so
			t.Fatal(err)
		}
	}
	caughtUp(t, set)
	return set
}

func (p *setPool) get(t testing.TB, spec fixtures.Spec) *fixtures.Set {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sets[spec.Name]; s != nil {
		return s
	}
	err := p.failed[spec.Name]
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		var set *fixtures.Set
		if set, err = fixtures.Up(ctx, spec); err == nil {
			p.sets[spec.Name] = set
			return set
		}
		p.failed[spec.Name] = err
	}
	var none *fixtures.UnavailableError
	if errors.As(err, &none) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
	return nil
}

func (p *setPool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for name, s := range p.sets {
		if err := s.Close(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	clear(p.sets)
	return errors.Join(errs...)
}
