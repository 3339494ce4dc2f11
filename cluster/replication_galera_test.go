package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// TestFenceGalera: new and new-1 are a Galera cluster, into which new's channel from old leads. What gets to new-1 is proven by
// the cluster's numbers and a causal read; a node that is cut off, or desynced, stops the fence. Named without new, nothing
// tells how far new-1 is.
func TestFenceGalera(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Topology: fixtures.Galera})
	node := fixtures.Replica(fixtures.New, 1)
	o, n, m := open(t, set.Old, "old"), open(t, set.New, "new"), open(t, set.Server(node), "new1")
	web, err := NewWeb(t.Context(), []*Server{o, n, m})
	if err != nil {
		t.Fatal(err)
	}
	rel, err := web.Relate(t.Context(), o, m)
	if err != nil || rel.Mode != OneWay || len(rel.ToNew) != 1 || len(rel.ToNew[0]) != 2 {
		t.Fatalf("old and new-1: %+v, %v", rel, err)
	}
	if rel, err = web.Relate(t.Context(), o, n); err != nil || rel.Mode != OneWay || !rel.OldToNew.Direct() {
		t.Fatalf("old and new: %+v, %v", rel, err)
	}
	in := relate(t, n, m, OneWay)
	wantProof(t, in.OldToNew, ByGalera, false)
	causalFence(t, set, in.OldToNew, n, m)

	run(t, set.Old, "CREATE DATABASE own", "CREATE TABLE own.t (id INT PRIMARY KEY)")
	if err := set.WaitCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	var fe *FenceError
	alone := relate(t, o, m, OneWay)
	if err := alone.OldToNew.Wait(t.Context(), positionOf(t, o), stopOpt); !errors.As(err, &fe) || fe.Cause != FenceIncomparable {
		t.Errorf("without the node that has the channel: %v", err)
	}
	checkFence(t, in.OldToNew, n, set.New, set.Server(node), func() {
		if err := set.StopReplication(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if err := set.StartReplication(t.Context(), node); err != nil {
			t.Fatal(err)
		}
	})
	run(t, set.Server(node), "SET GLOBAL wsrep_desync = ON")
	if err := in.OldToNew.Wait(t.Context(), positionOf(t, n), stopOpt); !errors.As(err, &fe) || fe.Cause != FenceStopped || !strings.Contains(fe.Detail, "Desynced") {
		t.Errorf("to a node that is desynced: %v", err)
	}
	run(t, set.Server(node), "SET GLOBAL wsrep_desync = OFF")

	// What both nodes write bears the same numbers: out of the cluster the place decides.
	run(t, set.Old, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_USE_GTID=slave_pos",
		set.New.Port(), fixtures.Replicator, set.New.Password(fixtures.Replicator)), "START SLAVE")
	out := relate(t, o, n, TwoWay).NewToOld
	wantProof(t, out, ByFilePos, true)
	if err := out.Wait(t.Context(), positionOf(t, n), waitOpt); err != nil {
		t.Error(err)
	}
}

// causalFence: a row is on its way while a lock holds the applier of new-1 up, though the cluster has ordered it. Neither the
// fence nor the one in the other direction passes before.
func causalFence(t *testing.T, set *fixtures.Set, l *Link, n, m *Server) {
	t.Helper()
	to := set.Server(fixtures.Replica(fixtures.New, 1))
	run(t, set.New, "CREATE DATABASE own0", "CREATE TABLE own0.t (id INT PRIMARY KEY)")
	if err := l.Wait(t.Context(), positionOf(t, n), waitOpt); err != nil {
		t.Fatal(err)
	}
	conn, err := to.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK"); err != nil {
		t.Fatal(err)
	}
	run(t, set.New, "INSERT INTO own0.t VALUES (1)")
	if ok, err := l.Applied(t.Context(), positionOf(t, n)); ok || err != nil {
		t.Errorf("held up, yet Applied says %v, %v", ok, err)
	}
	back := relate(t, m, n, Reverse).NewToOld
	if back == nil || back.From() != n.Label() {
		t.Fatalf("%+v", back)
	}
	type answer struct {
		caught bool
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		caught, err := reader{m}.causal(t.Context())
		answered <- answer{caught, err}
	}()
	waiting := "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT @@session.wsrep_sync_wait%'"
	for count(t, to, waiting) == 0 {
		select {
		case a := <-answered:
			t.Fatalf("a causal read returned before the row was there: %+v", a)
		case <-time.After(time.Millisecond):
		}
	}
	if _, err := conn.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	if a := <-answered; !a.caught || a.err != nil {
		t.Errorf("a causal read: %+v", a)
	}
	if rows := count(t, to, "SELECT COUNT(*) FROM own0.t"); rows != 1 {
		t.Errorf("behind a causal read there are %d rows", rows)
	}
}
