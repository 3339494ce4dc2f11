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
	testscript.Main(guarded{m}, map[string]func(){"crosscheck": main})
}

// guarded runs the tests, ends the servers that they share, and looks for goroutines left behind.
type guarded struct{ m *testing.M }

func (g guarded) Run() int {
	code := g.m.Run()
	if err := pool.close(); err != nil {
		fmt.Fprintln(os.Stderr, "close the fixtures:", err)
		code = max(code, 1)
	}
	if err := goleak.Find(); err != nil && code == 0 {
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

// The sets of servers that tests share. Tests that stop or replace servers start their own.
var (
	mariaPair = fixtures.Spec{Name: "maria", Topology: fixtures.Pair, Old: fixtures.MariaDB}
	mysqlPair = fixtures.Spec{Name: "mysql", Topology: fixtures.Pair, Old: fixtures.MySQL}
	oldToNew  = fixtures.Spec{Name: "56-maria", Topology: fixtures.Pair, Old: fixtures.MySQL56, New: fixtures.MariaDB}
	mariaDual = fixtures.Spec{Name: "dual", Topology: fixtures.Dual, Old: fixtures.MariaDB}
)

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
