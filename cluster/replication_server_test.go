package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster/gtid"
	"crosscheck/fixtures"
)

// open connects to a fixture server with the rights that crosscheck may have.
func open(t testing.TB, srv *fixtures.Server, label string) *Server {
	return openAs(t, srv, label, fixtures.Crosscheck)
}

func openAs(t testing.TB, srv *fixtures.Server, label string, user fixtures.User) *Server {
	t.Helper()
	s, err := Open(t.Context(), Config{
		Label: label, Net: "tcp", Addr: srv.Addr(), User: string(user), Password: Secret(srv.Password(user)),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func positionOf(t testing.TB, s *Server) gtid.Position {
	t.Helper()
	p, err := s.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t testing.TB, srv *fixtures.Server, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if _, err := srv.DB().ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func count(t testing.TB, srv *fixtures.Server, q string) int {
	t.Helper()
	var n int
	if err := srv.DB().QueryRowContext(t.Context(), q).Scan(&n); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return n
}

// waitOpt is for what must come: on a busy machine a channel may take its time to connect. stopOpt is for what must not.
var (
	waitOpt = WaitOptions{Timeout: 3 * time.Minute, StopGrace: 3 * time.Minute}
	stopOpt = WaitOptions{Timeout: time.Minute, StopGrace: 300 * time.Millisecond}
)

// checkFence is the test that each link must pass: while the applier is
// stopped, what is written on `from` is not applied and Wait says so soon;
// once it runs, the fence comes true and the row is there at that moment.
func checkFence(t *testing.T, l *Link, a *Server, from, to *fixtures.Server, stop, start func()) {
	t.Helper()
	ctx := t.Context()
	table := strings.ReplaceAll("t_"+l.From()+"_"+l.To(), " ", "_")
	run(t, from, "CREATE DATABASE IF NOT EXISTS fence", "CREATE TABLE fence."+table+" (id INT PRIMARY KEY, v INT)")
	if err := l.Wait(ctx, positionOf(t, a), waitOpt); err != nil {
		t.Fatalf("while all is well: %v", err)
	}
	stop()
	run(t, from, "INSERT INTO fence."+table+" VALUES (1, 1)")
	p := positionOf(t, a)
	if ok, err := l.Applied(ctx, p); err != nil || ok {
		t.Fatalf("stopped, yet Applied says %v, %v", ok, err)
	}
	st, err := l.State(ctx)
	if err != nil || st.Running || st.Trouble == "" {
		t.Errorf("state of a stopped link: %+v, %v", st, err)
	}
	begin := time.Now()
	err = l.Wait(ctx, p, stopOpt)
	var fe *FenceError
	if !errors.As(err, &fe) || fe.Cause != FenceStopped {
		t.Fatalf("stopped, yet Wait says %v", err)
	}
	if took := time.Since(begin); took > stopOpt.Timeout/2 {
		t.Errorf("took %s to see that replication is stopped", took)
	}
	t.Logf("stopped: %v", err)
	begin = time.Now()
	if err = l.Wait(ctx, p, stopOpt); !errors.As(err, &fe) || fe.Cause != FenceStopped || time.Since(begin) > stopOpt.Timeout/2 {
		t.Errorf("a second Wait on a dead link took %s: %v", time.Since(begin), err)
	}
	start()
	if err = l.Wait(ctx, p, waitOpt); err != nil {
		t.Fatalf("started again: %v", err)
	}
	if n := count(t, to, "SELECT COUNT(*) FROM fence."+table); n != 1 {
		t.Fatalf("the fence is true and there are %d rows", n)
	}
	if ok, appliedErr := l.Applied(ctx, p); appliedErr != nil || !ok {
		t.Errorf("after Wait, Applied says %v, %v", ok, appliedErr)
	}
	if st, err = l.State(ctx); err != nil || !st.Running {
		t.Errorf("state of a running link: %+v, %v", st, err)
	}
	// The fence must never run ahead of the rows.
	rounds := 50
	if l.Proof() == ByFilePos && !l.toID.maria && !l.bothOn() {
		rounds = 4 // each waits for a checkpoint of the applier
	}
	for i := 2; i < 2+rounds; i++ {
		run(t, from, fmt.Sprintf("INSERT INTO fence.%s VALUES (%d, %d)", table, i, i))
		if err = l.Wait(ctx, positionOf(t, a), waitOpt); err != nil {
			t.Fatal(err)
		}
		if n := count(t, to, fmt.Sprintf("SELECT COUNT(*) FROM fence.%s WHERE id=%d", table, i)); n != 1 {
			t.Fatalf("the fence is true and row %d is not there", i)
		}
	}
}

func checkLink(t *testing.T, set *fixtures.Set, l *Link, a *Server, from, to fixtures.Side) {
	t.Helper()
	checkFence(t, l, a, set.Server(from), set.Server(to), func() {
		if err := set.StopReplication(context.Background(), to); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if err := set.StartReplication(context.Background(), to); err != nil {
			t.Fatal(err)
		}
	})
}

func relate(t *testing.T, o, n *Server, want Mode) Relation {
	t.Helper()
	rel, err := Relate(t.Context(), o, n)
	if err != nil {
		t.Fatal(err)
	}
	if rel.Mode != want {
		t.Fatalf("the relation is %s (%s), want %s", rel.Mode, rel.Reason, want)
	}
	t.Logf("%s: %s; %q", rel.Mode, rel.Reason, rel.Notes)
	return rel
}

func wantProof(t *testing.T, l *Link, p Proof, direct bool) {
	t.Helper()
	if l.Proof() != p || l.Direct() != direct {
		t.Errorf("the link goes by %s, direct %v; want %s, %v", l.Proof(), l.Direct(), p, direct)
	}
}

func TestFenceMariaDBFilePos(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MariaDB, GTID: fixtures.GTIDOff})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
}

func TestFenceMySQL56ToMariaDB(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL56, New: fixtures.MariaDB})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
}

// waitCount waits until a counting query gives more than nothing.
func waitCount(t testing.TB, srv *fixtures.Server, q string) error {
	t.Helper()
	deadline := time.Now().Add(waitOpt.Timeout)
	for count(t, srv, q) == 0 {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s stays 0", q)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}
