package measure

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"crosscheck/cluster"
	"crosscheck/fixtures"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a set of real servers, seen with the account that crosscheck is given.
type rig struct {
	*testing.T
	set     *fixtures.Set
	servers Servers
	root    Servers
	plan    plan.Plan
	next    *int // keys of rows: not the servers' to make, for tests change their steps
	earlier []gate.Evidence
}

func newRig(t *testing.T, spec fixtures.Spec, path plan.Path) *rig {
	t.Helper()
	if testing.Short() {
		t.Skip("starts servers")
	}
	t.Parallel()
	r := &rig{T: t, set: fixtures.ForTest(t, spec), next: new(int)}
	r.plan = plan.Plan{Path: path, Ages: plan.DefaultAges(), Limits: plan.DefaultLimits(), Accounts: []string{"app@%"}}
	// Who wants to see these exceeded sets them; a busy machine shall not exceed them by itself.
	r.plan.Limits.MaxLag, r.plan.Ages.State = time.Minute, time.Hour
	r.servers.Old, r.root.Old = r.open(r.set.Old, "old", fixtures.Crosscheck), r.open(r.set.Old, "old", fixtures.Admin)
	r.servers.New, r.root.New = r.open(r.set.New, "new", fixtures.Crosscheck), r.open(r.set.New, "new", fixtures.Admin)
	if r.set.Middle != nil {
		r.servers.Converter = r.open(r.set.Middle, "converter", fixtures.Crosscheck)
		r.plan.Converter = &plan.Node{DSN: "@middle"}
	}
	return r
}

func (r *rig) open(srv *fixtures.Server, label string, u fixtures.User) *cluster.Server {
	r.Helper()
	c := cluster.Config{Label: label, Net: "tcp", Addr: srv.Addr(), User: string(u), Password: cluster.Secret(srv.Password(u))}
	if u == fixtures.Admin {
		c.Net, c.Addr = "unix", srv.Socket()
	}
	return r.dial(c)
}

func (r *rig) dial(c cluster.Config) *cluster.Server {
	r.Helper()
	s, err := cluster.Open(r.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { s.Close() })
	return s
}

// run executes statements as the admin.
func (r *rig) run(srv *fixtures.Server, statements ...string) {
	r.Helper()
	for _, q := range statements {
		if _, err := srv.DB().ExecContext(context.WithoutCancel(r.Context()), q); err != nil {
			r.Fatalf("%s: %v", q, err)
		}
	}
}

// app is one session of the application.
func (r *rig) app(srv *fixtures.Server, statements ...string) *sql.Conn {
	r.Helper()
	db, err := srv.Open(fixtures.App, "")
	if err != nil {
		r.Fatal(err)
	}
	db.SetMaxIdleConns(0) // who closes it, leaves
	conn, err := db.Conn(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close(); db.Close() })
	r.exec(conn, statements...)
	return conn
}

func (r *rig) exec(conn *sql.Conn, statements ...string) {
	r.Helper()
	for _, q := range statements {
		if _, err := conn.ExecContext(r.Context(), q); err != nil {
			r.Fatalf("%s: %v", q, err)
		}
	}
}

// patience is how long a test waits for what must come. It costs nothing where it comes, and the machine may be busy.
const patience = 3 * time.Minute

// until polls a condition.
func (r *rig) until(what string, ok func() bool) {
	r.Helper()
	for late := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			r.Fatalf("not so after %s: %s", patience, what)
		}
	}
}

// left waits until no session of an account is on a server but the named ones: a server takes a moment to see that one has gone.
func (r *rig) left(s *cluster.Server, u fixtures.User, but ...uint64) {
	r.Helper()
	if u == fixtures.Admin {
		r.root.Old.DB().SetMaxIdleConns(0)
		r.root.New.DB().SetMaxIdleConns(0)
	}
	r.until(string(u)+" has left", func() bool {
		list, err := query(r.Context(), s.DB(), "SELECT id AS id FROM information_schema.processlist WHERE user = ?", string(u))
		if err != nil {
			r.Fatal(err)
		}
		return !slices.ContainsFunc(list, func(x row) bool {
			id, _ := x.int("id")
			return !slices.Contains(but, uint64(id))
		})
	})
}

func (r *rig) connID(conn *sql.Conn) uint64 {
	r.Helper()
	var id uint64
	if err := conn.QueryRowContext(r.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		r.Fatal(err)
	}
	return id
}

func (r *rig) request() Request { return Request{Plan: r.plan, By: "", Earlier: r.earlier} }

// take measures and checks that the evidence can be stored and used.
func (r *rig) take(kind gate.Kind, by string) gate.Evidence {
	r.Helper()
	req := r.request()
	req.By = by
	e, err := Take(r.Context(), r.servers, kind, req)
	if err != nil {
		r.Fatal(err)
	}
	if p := e.Problem(); p != "" {
		r.Errorf("%s: %s", kind, p)
	}
	text, err := json.Marshal(e)
	var back gate.Evidence
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || back.ID() != e.ID() {
		r.Errorf("%s cannot be stored: %v", kind, err)
	}
	r.earlier = append(r.earlier, e)
	return e
}

// measured takes evidence of the content's kind.
func measured[T gate.Content](r *rig, by string) T {
	r.Helper()
	var c T
	c, ok := r.take(c.Kind(), by).Content.(T)
	if !ok {
		r.Fatalf("the content is no %T", c)
	}
	return c
}

// becomes measures until the evidence is as it must become: what takes its time on a busy machine is waited for. Where it does
// not come, the last evidence is shown.
func becomes[T gate.Content](r *rig, what string, ok func(T) bool) T {
	r.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c := measured[T](r, "")
		if ok(c) {
			return c
		}
		if time.Now().After(late) {
			r.Errorf("%s, and: %+v", what, c)
			return c
		}
	}
}

// on runs a subtest that shares the rig and its evidence so far.
func (r *rig) on(name string, f func(r *rig)) {
	r.Run(name, func(t *testing.T) {
		sub := *r
		sub.T = t
		f(&sub)
		r.earlier = sub.earlier
	})
}

func (r *rig) caughtUp() {
	r.Helper()
	if err := r.set.WaitCaughtUp(r.Context()); err != nil {
		r.Fatal(err)
	}
}

func linkBetween(r *rig, s gate.Sync, from, to string) gate.Link {
	r.Helper()
	for _, l := range s.Links {
		if l.From == from && l.To == to {
			return l
		}
	}
	r.Fatalf("no link %s→%s in %s", from, to, fmt.Sprint(s))
	return gate.Link{}
}

// row is a statement that inserts a row of its own.
func (r *rig) row() string {
	*r.next++
	return fmt.Sprintf("INSERT INTO shop.t VALUES (%d, %d)", 1000+*r.next, *r.next)
}
