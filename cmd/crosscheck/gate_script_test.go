package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crosscheck/fixtures"
)

// gateSets are the servers of the scripts in testdata/gates. Each script has a set of its own: it walks a whole migration.
func gateSets() map[string]fixtures.Spec {
	seen := fixtures.ServerOptions{PerformanceSchema: true}
	off := fixtures.ServerOptions{PerformanceSchema: true, GTID: fixtures.GTIDOff}
	return map[string]fixtures.Spec{
		"dual-write.txtar":         {Topology: fixtures.Dual, Old: fixtures.MySQL, OldOptions: seen, NewOptions: seen},
		"dual-write-mariadb.txtar": {Topology: fixtures.Dual, Old: fixtures.MariaDB},
		"rolling-upgrade.txtar":    {Topology: fixtures.Pair, Old: fixtures.MySQL, OldOptions: seen, NewOptions: seen},
		"gtid-restart.txtar":       {Topology: fixtures.Pair, Old: fixtures.MySQL, GTID: fixtures.GTIDOff, OldOptions: seen, NewOptions: seen},
		"gtid-restart-56.txtar":    {Topology: fixtures.Pair, Old: fixtures.MySQL56, GTID: fixtures.GTIDOff},
		"gtid-converter.txtar": {
			Topology: fixtures.Chain, Old: fixtures.MySQL, OldOptions: off, NewOptions: seen, MiddleOptions: seen,
		},
	}
}

// rehearsalSets are further servers of a script, on which it rehearses first: $REHEARSAL is their option file.
func rehearsalSets() map[string]fixtures.Spec {
	seen := fixtures.ServerOptions{PerformanceSchema: true}
	return map[string]fixtures.Spec{
		"rolling-upgrade.txtar": {Topology: fixtures.Pair, Old: fixtures.MySQL, OldOptions: seen, NewOptions: seen},
	}
}

// TestGateScripts walks migrations on real servers, every gate from shut to open.
func TestGateScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/gates/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".txtar"), func(t *testing.T) {
			spec, ok := gateSets()[name]
			if !ok {
				t.Fatalf("no servers are known for %s", name)
			}
			t.Parallel() // they mostly wait
			set := fixtures.ForTest(t, spec)
			set.Old.DB().SetMaxIdleConns(0) // the test's own sessions may write in spite of read_only
			app := &application{set: set, sessions: make(map[string]*session), writers: make(map[string]*writer)}
			if spec, ok := rehearsalSets()[name]; ok {
				app.rehearsal = fixtures.ForTest(t, spec)
			}
			commands := scriptCommands(set)
			commands["app"], commands["session"], commands["writer"] = app.run, app.session, app.write
			commands["replication"], commands["caughtup"], commands["restart"] = app.replication, app.caughtUp, app.restart
			commands["collide"] = app.collide
			commands["admin"] = app.admin
			commands["follow"], commands["watching"] = app.follow, app.watching
			for _, name := range []string{"sql", "caughtup"} {
				commands[name] = app.leaving(commands[name])
			}
			testscript.Run(t, testscript.Params{
				Files: []string{file}, RequireExplicitExec: true, Cmds: commands,
				Setup: func(env *testscript.Env) error {
					env.Defer(app.close)
					if app.rehearsal != nil {
						env.Setenv("REHEARSAL", app.rehearsal.DefaultsFile())
					}
					return setUpScript(set)(env)
				},
			})
		})
	}
}

// application plays the application whose clusters migrate.
type application struct {
	set       *fixtures.Set
	rehearsal *fixtures.Set // nil in most scripts
	sessions  map[string]*session
	writers   map[string]*writer
	watch     *exec.Cmd // that an advice began; nil if none
}

// session is one that stays.
type session struct {
	db     *sql.DB
	server *fixtures.Server
	id     uint64
}

// ended waits until nobody that a condition on the list of sessions names is on a server: a server takes a moment to see that
// one has gone.
func (a *application) ended(ts *testscript.TestScript, s *fixtures.Server, where string, args ...any) {
	db, err := s.Open(fixtures.Crosscheck, "")
	ts.Check(err)
	defer db.Close()
	until(scriptT{ts: ts}, patience, "the session has ended", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		n := 0
		ts.Check(db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.processlist WHERE "+where, args...).Scan(&n))
		return n == 0
	})
}

// leaving is a command after which the test's own sessions have left old: on a server without super_read_only they may write.
func (a *application) leaving(run func(*testscript.TestScript, bool, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		run(ts, neg, args)
		if a.set.Old.Family() == fixtures.MySQL56 {
			a.ended(ts, a.set.Old, "user = ?", string(fixtures.Admin))
		}
	}
}

func (a *application) server(ts *testscript.TestScript, side string) *fixtures.Server {
	servers := map[string]*fixtures.Server{"old": a.set.Old, "new": a.set.New, "middle": a.set.Middle}
	if a.rehearsal != nil {
		servers["rehearsal-old"], servers["rehearsal-new"] = a.rehearsal.Old, a.rehearsal.New
	}
	if s := servers[side]; s != nil {
		return s
	}
	s := a.set.Server(fixtures.Side(side)) // a replica
	if s == nil {
		ts.Fatalf("no side %s", side)
	}
	return s
}

func (a *application) open(ts *testscript.TestScript, side string) *sql.DB {
	db, err := a.server(ts, side).Open(fixtures.App, "")
	ts.Check(err)
	db.SetMaxOpenConns(1)
	return db
}

func (a *application) close() {
	if a.watch != nil {
		_ = a.watch.Process.Kill()
		_ = a.watch.Wait()
	}
	for _, s := range a.sessions {
		_ = s.db.Close()
	}
	for _, w := range a.writers {
		_ = w.end()
	}
}

// run runs statements that are logged, in a session that ends: app old STATEMENT…
func (a *application) run(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: app SIDE STATEMENT…")
	}
	db := a.open(ts, args[0])
	defer db.Close()
	for _, q := range args[1:] {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, err := db.ExecContext(ctx, q)
		cancel()
		ts.Check(err)
	}
}

// session opens or closes a session that stays: session NAME old|new|close
func (a *application) session(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: session NAME SIDE|close")
	}
	if args[1] == "close" {
		s := a.sessions[args[0]]
		delete(a.sessions, args[0])
		ts.Check(s.db.Close())
		a.ended(ts, s.server, "id = ?", s.id)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &session{db: a.open(ts, args[1]), server: a.server(ts, args[1])}
	a.sessions[args[0]] = s
	ts.Check(s.db.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&s.id))
}

// writer writes until it is ended, and connects again where its session is killed.
type writer struct {
	db     *sql.DB
	cancel context.CancelFunc
	done   chan struct{}
	wrote  atomic.Int64
}

func (w *writer) end() error {
	w.cancel()
	<-w.done
	return w.db.Close()
}

// write begins or ends to write on a side: writer old|new start|stop. It has begun when something was written.
func (a *application) write(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: writer SIDE start|stop")
	}
	if args[1] == "stop" {
		w := a.writers[args[0]]
		delete(a.writers, args[0])
		ts.Check(w.end())
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &writer{db: a.open(ts, args[0]), cancel: cancel, done: make(chan struct{})}
	a.writers[args[0]] = w
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			if _, err := w.db.ExecContext(ctx, "INSERT INTO shop.orders (v) VALUES ('"+args[0]+"')"); err == nil {
				w.wrote.Add(1)
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	until(scriptT{ts: ts}, patience, "the writer on "+args[0]+" writes", func() bool { return w.wrote.Load() > 0 })
}

// collide makes a collision until a program has seen it and ends with a code: a busy machine may look when it is quiet again.
// The row is the same on both sides at the end: collide 1 collision_recent crosscheck gate check writes-switched
func (a *application) collide(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: collide CODE PATTERN PROGRAM [ARGUMENT…]")
	}
	for begin := time.Now(); ; {
		a.replication(ts, false, []string{"old", "stop"})
		a.replication(ts, false, []string{"new", "stop"})
		a.run(ts, false, []string{"old", "UPDATE shop.orders SET v = 'both' WHERE id = 1"})
		a.run(ts, false, []string{"new", "UPDATE shop.orders SET v = 'sides' WHERE id = 1"})
		a.replication(ts, false, []string{"old", "start"})
		a.replication(ts, false, []string{"new", "start"})
		a.caughtUp(ts, false, nil)
		for _, s := range []*fixtures.Server{a.set.Old, a.set.New} {
			unlogged(scriptT{ts: ts}, s, "UPDATE shop.orders SET v = 'mended' WHERE id = 1")
		}
		got := exitCode(ts, args[2:])
		if strconv.Itoa(got) == args[0] && strings.Contains(ts.ReadFile("stdout"), args[1]) {
			return
		}
		if time.Since(begin) > patience {
			ts.Fatalf("exit code %d, want %s with %s", got, args[0], args[1])
		}
	}
}

// replication stops or starts the applier of a side: replication new stop|start
func (a *application) replication(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: replication old|new stop|start")
	}
	do := a.set.StartReplication
	if args[1] == "stop" {
		do = a.set.StopReplication
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(do(ctx, fixtures.Side(args[0])))
}

// caughtUp waits until replication has arrived.
func (a *application) caughtUp(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(a.set.WaitCaughtUp(ctx))
	if a.rehearsal != nil {
		ts.Check(a.rehearsal.WaitCaughtUp(ctx))
	}
}

// restart writes lines into a server's option file and restarts it: restart new gtid_mode=ON…
func (a *application) restart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: restart old|new LINE…")
	}
	s := a.server(ts, args[0])
	f, err := os.OpenFile(filepath.Join(s.Dir(), "my.cnf"), os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString(strings.Join(args[1:], "\n") + "\n")
	ts.Check(errors.Join(err, f.Close()))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(s.Restart(ctx))
}
