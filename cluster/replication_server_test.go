package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster/gtid"
	"crosscheck/fixtures"
)

// side is a fixture server seen with the rights that crosscheck may have.
type side struct {
	db    *sql.DB
	label string
}

func (s side) DB() *sql.DB   { return s.db }
func (s side) Label() string { return s.label }

func sideOf(t testing.TB, srv *fixtures.Server, label string) side {
	t.Helper()
	db, err := srv.Open(fixtures.Crosscheck, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return side{db, label}
}

func (s side) position(t testing.TB) gtid.Position {
	t.Helper()
	r := reader{s}
	v, err := r.vocabulary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPosition(t.Context(), r, v)
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

// waitOpt is short enough for tests, and long enough for a busy machine.
var waitOpt = WaitOptions{Timeout: 20 * time.Second, StopGrace: 300 * time.Millisecond}

// checkFence is the test that each link must pass: while the applier is
// stopped, what is written on `from` is not applied and Wait says so soon;
// once it runs, the fence comes true and the row is there at that moment.
func checkFence(t *testing.T, l *Link, a side, from, to *fixtures.Server, stop, start func()) {
	t.Helper()
	ctx := t.Context()
	table := strings.ReplaceAll("t_"+l.From()+"_"+l.To(), " ", "_")
	run(t, from, "CREATE DATABASE IF NOT EXISTS fence", "CREATE TABLE fence."+table+" (id INT PRIMARY KEY, v INT)")
	if err := l.Wait(ctx, a.position(t), waitOpt); err != nil {
		t.Fatalf("while all is well: %v", err)
	}
	stop()
	run(t, from, "INSERT INTO fence."+table+" VALUES (1, 1)")
	p := a.position(t)
	if ok, err := l.Applied(ctx, p); err != nil || ok {
		t.Fatalf("stopped, yet Applied says %v, %v", ok, err)
	}
	st, err := l.State(ctx)
	if err != nil || st.Running || st.Trouble == "" {
		t.Errorf("state of a stopped link: %+v, %v", st, err)
	}
	begin := time.Now()
	err = l.Wait(ctx, p, waitOpt)
	var fe *FenceError
	if !errors.As(err, &fe) || fe.Cause != FenceStopped {
		t.Fatalf("stopped, yet Wait says %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %s to see that replication is stopped", took)
	}
	t.Logf("stopped: %v", err)
	begin = time.Now()
	if err = l.Wait(ctx, p, waitOpt); !errors.As(err, &fe) || fe.Cause != FenceStopped || time.Since(begin) > 2*time.Second {
		t.Errorf("a second Wait on a dead link took %s: %v", time.Since(begin), err)
	}
	start()
	if err = l.Wait(ctx, p, waitOpt); err != nil {
		t.Fatalf("started again: %v", err)
	}
	if n := count(t, to, "SELECT COUNT(*) FROM fence."+table); n != 1 {
		t.Fatalf("the fence is true and there are %d rows", n)
	}
	if ok, err := l.Applied(ctx, p); err != nil || !ok {
		t.Errorf("after Wait, Applied says %v, %v", ok, err)
	}
	if st, err = l.State(ctx); err != nil || !st.Running {
		t.Errorf("state of a running link: %+v, %v", st, err)
	}
	// The fence must never run ahead of the rows.
	rounds := 100
	if l.Proof() == ByFilePos && !l.toID.maria && !l.bothOn() {
		rounds = 10 // each waits for a checkpoint of the applier
	}
	for i := 2; i < 2+rounds; i++ {
		run(t, from, fmt.Sprintf("INSERT INTO fence.%s VALUES (%d, %d)", table, i, i))
		if err = l.Wait(ctx, a.position(t), waitOpt); err != nil {
			t.Fatal(err)
		}
		if n := count(t, to, fmt.Sprintf("SELECT COUNT(*) FROM fence.%s WHERE id=%d", table, i)); n != 1 {
			t.Fatalf("the fence is true and row %d is not there", i)
		}
	}
}

func checkLink(t *testing.T, set *fixtures.Set, l *Link, a side, from, to fixtures.Side) {
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

func relate(t *testing.T, o, n side, want Mode) Relation {
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

func TestFenceMariaDBPair(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MariaDB})
	o, n := sideOf(t, set.Old, "old"), sideOf(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByMariaDBGTID, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
}

func TestFenceMariaDBDual(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MariaDB, Topology: fixtures.Dual})
	o, n := sideOf(t, set.Old, "old"), sideOf(t, set.New, "new")
	rel := relate(t, o, n, TwoWay)
	wantProof(t, rel.OldToNew, ByMariaDBGTID, true)
	wantProof(t, rel.NewToOld, ByMariaDBGTID, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
	checkLink(t, set, rel.NewToOld, n, fixtures.New, fixtures.Old)
}

func TestFenceMariaDBFilePos(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MariaDB, GTID: fixtures.GTIDOff})
	o, n := sideOf(t, set.Old, "old"), sideOf(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
}

func TestFenceMySQLPair(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL})
	o, n := sideOf(t, set.Old, "old"), sideOf(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByMySQLGTID, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
}

func TestFenceMySQLWithoutGTID(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL, GTID: fixtures.GTIDOff})
	o, n := sideOf(t, set.Old, "old"), sideOf(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
}

func TestFenceMySQL56ToMariaDB(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL56, New: fixtures.MariaDB})
	o, n := sideOf(t, set.Old, "old"), sideOf(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
}
