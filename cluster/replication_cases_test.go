package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster/gtid"
	"crosscheck/fixtures"
)

// follow points a modern MySQL replica at a source with the options given.
func follow(t *testing.T, replica, source *fixtures.Server, options string) {
	t.Helper()
	run(t, replica, fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%d, SOURCE_USER='%s', SOURCE_PASSWORD='%s', "+
		"SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1, %s", source.Port(), fixtures.Replicator, source.Password(fixtures.Replicator), options), "START REPLICA")
}

func serverPair(t *testing.T, family fixtures.Family) (*fixtures.Set, *Server, *Server) {
	t.Helper()
	set := fixtures.ForTest(t, fixtures.Spec{Old: family, Topology: fixtures.Independent})
	return set, open(t, set.Old, "old"), open(t, set.New, "new")
}

// A common real case: new was copied without gtid_purged, and replicates by
// place although both sides have GTIDs. Old's whole set never gets to new.
func TestFenceMySQLAutoPositionOff(t *testing.T) {
	t.Parallel()
	set, o, n := serverPair(t, fixtures.MySQL)
	relate(t, o, n, Independent)
	run(t, set.Old, "CREATE DATABASE before_copy", "CREATE DATABASE before_copy_2")
	at := positionOf(t, o)
	follow(t, set.New, set.Old, fmt.Sprintf("SOURCE_AUTO_POSITION=0, SOURCE_LOG_FILE='%s', SOURCE_LOG_POS=%d", at.File.File, at.File.Pos))
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	if at.MySQL.Count() != 2 {
		t.Fatalf("old has executed %s", at.MySQL)
	}
	checkFence(t, rel.OldToNew, o, set.Old, set.New,
		func() { run(t, set.New, "STOP REPLICA") }, func() { run(t, set.New, "START REPLICA") })
	if p := positionOf(t, n); p.MySQL.Contains(at.MySQL) {
		t.Fatalf("the case is not what it should be: new has %s", p.MySQL)
	}
}

// Old's GTIDs that new lacks and that are purged on old never arrive.
func TestFenceMySQLMissing(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	rel := relate(t, o, n, OneWay)
	const lost = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-7"
	run(t, set.Old, "SET GLOBAL gtid_purged='+"+lost+"'", "CREATE DATABASE after_purge")
	err := rel.OldToNew.Wait(t.Context(), positionOf(t, o), stopOpt)
	var fe *FenceError
	if !errors.As(err, &fe) || fe.Cause != FenceMissing || !strings.Contains(fe.Detail, lost) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	// Seeding new with gtid_purged, as a dump does, mends it.
	run(t, set.New, "STOP REPLICA", "SET GLOBAL gtid_purged='+"+lost+"'", "START REPLICA")
	if err = rel.OldToNew.Wait(t.Context(), positionOf(t, o), waitOpt); err != nil {
		t.Fatal(err)
	}
	checkTimeout(t, set, rel.OldToNew, o)
	checkRestart(t, set, rel.OldToNew, o)
	checkDenied(t, set.New)
}

// A lock that the applier waits for: replication runs, and does not arrive.
func checkTimeout(t *testing.T, set *fixtures.Set, l *Link, o *Server) {
	t.Helper()
	run(t, set.Old, "CREATE TABLE after_purge.t (id INT PRIMARY KEY)")
	if err := l.Wait(t.Context(), positionOf(t, o), waitOpt); err != nil {
		t.Fatal(err)
	}
	conn, err := set.New.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err = conn.ExecContext(t.Context(), "LOCK TABLES after_purge.t READ"); err != nil {
		t.Fatal(err)
	}
	run(t, set.Old, "INSERT INTO after_purge.t VALUES (1)")
	p := positionOf(t, o)
	// A second is enough for it to be received, or it is tried again.
	var fe *FenceError
	for late := time.Now().Add(waitOpt.Timeout); ; {
		err = l.Wait(t.Context(), p, WaitOptions{Timeout: time.Second})
		if !errors.As(err, &fe) || fe.Cause != FenceTimeout {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(fe.Detail, "not applied yet") {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("it is not said to be received: %v", err)
		}
	}
	t.Log(err)
	if _, err = conn.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	if err = l.Wait(t.Context(), p, waitOpt); err != nil {
		t.Fatal(err)
	}
}

// A restart of new during a Wait is survived; a server that stays away is
// said to be unreachable; a canceled context is the context's error.
func checkRestart(t *testing.T, set *fixtures.Set, l *Link, o *Server) {
	t.Helper()
	ctx := t.Context()
	if err := set.New.Kill(); err != nil {
		t.Fatal(err)
	}
	run(t, set.Old, "INSERT INTO after_purge.t VALUES (2)")
	p := positionOf(t, o)
	var fe *FenceError
	// Within a second a busy machine may not have found out at all.
	for limit := time.Second; ; limit *= 2 {
		err := l.Wait(ctx, p, WaitOptions{Timeout: limit})
		if errors.As(err, &fe) && fe.Cause == FenceUnreachable {
			t.Log(err)
			break
		}
		if !errors.As(err, &fe) || fe.Cause != FenceTimeout || limit > stopOpt.Timeout {
			t.Fatalf("new is down, yet Wait says %v", err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if err := l.Wait(short, p, waitOpt); !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &fe) && fe.Cause != FenceUnreachable {
		t.Errorf("canceled, yet Wait says %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Wait(ctx, p, waitOpt) }()
	if err := set.New.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("new came back, yet Wait says %v", err)
	}
	if got := count(t, set.New, "SELECT COUNT(*) FROM after_purge.t"); got != 2 {
		t.Errorf("%d rows", got)
	}
}

// Without privileges the errors name them.
func checkDenied(t *testing.T, srv *fixtures.Server) {
	t.Helper()
	poor := openAs(t, srv, "new", fixtures.App)
	var pe *PrivilegeError
	_, err := poor.Channels(t.Context())
	if !errors.As(err, &pe) || !strings.Contains(pe.Grant, "GRANT "+string(pe.Missing)+" ON") {
		t.Errorf("without privileges: %v", err)
	}
	t.Log(err)
	// GTIDs are for everybody to see, their place in the log is not.
	if p, err := poor.Position(t.Context()); err != nil || p.Kind == gtid.File || !p.File.IsZero() {
		t.Errorf("without privileges: %s, %v", p, err)
	}
}

// old → middle → new: only GTIDs tell, and a stop in the middle is a timeout.
func TestFenceMySQLChain(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MySQL, Topology: fixtures.Chain})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	run(t, set.Old, "CREATE DATABASE chained")
	if err := set.WaitCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByMySQLGTID, false)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)

	if err := set.StopReplication(t.Context(), fixtures.Middle); err != nil {
		t.Fatal(err)
	}
	run(t, set.Old, "CREATE TABLE chained.t (id INT PRIMARY KEY)")
	var fe *FenceError
	err := rel.OldToNew.Wait(t.Context(), positionOf(t, o), WaitOptions{Timeout: 500 * time.Millisecond})
	if !errors.As(err, &fe) || fe.Cause != FenceTimeout {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	// The nodes side by side: middle and new.
	m := open(t, set.Middle, "middle")
	relate(t, m, n, OneWay)
}

func TestFenceMariaDBChain(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MariaDB, Topology: fixtures.Chain})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	run(t, set.Old, "CREATE DATABASE chained")
	if err := set.WaitCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByMariaDBGTID, false)
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
	// Seen from the other end it is the reverse, and a stopped channel counts.
	run(t, set.New, "STOP ALL SLAVES")
	rev := relate(t, n, o, Reverse)
	if st, err := rev.NewToOld.State(t.Context()); err != nil || st.Running || st.Source == "" {
		t.Errorf("state %+v, %v", st, err)
	}
	m := open(t, set.Middle, "middle")
	direct := relate(t, m, n, OneWay)
	wantProof(t, direct.OldToNew, ByMariaDBGTID, true)
	// Once the channel is gone, so is the relation.
	run(t, set.New, "RESET SLAVE ALL")
	relate(t, m, n, Independent)
	var fe *FenceError
	if err := rel.OldToNew.Wait(t.Context(), gtid.Position{}, waitOpt); !errors.As(err, &fe) || fe.Cause != FenceIncomparable {
		t.Errorf("a fence for an unknown position: %v", err)
	}
}

// Two MariaDB primaries that share a domain: positions lie, places do not.
func TestFenceMariaDBSharedDomain(t *testing.T) {
	t.Parallel()
	shared := map[string]string{"gtid_domain_id": "0", "gtid_strict_mode": "0"}
	set := fixtures.ForTest(t, fixtures.Spec{
		Old: fixtures.MariaDB, Topology: fixtures.Dual,
		OldOptions: fixtures.ServerOptions{Variables: shared}, NewOptions: fixtures.ServerOptions{Variables: shared},
	})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	rel := relate(t, o, n, TwoWay)
	wantProof(t, rel.OldToNew, ByFilePos, true)
	if !strings.Contains(strings.Join(rel.Notes, " "), "gtid_domain_id") {
		t.Errorf("notes: %q", rel.Notes)
	}
	// New writes ahead in the same domain while its applier is stopped.
	run(t, set.New, "STOP ALL SLAVES")
	for i := range 5 {
		run(t, set.New, fmt.Sprintf("CREATE DATABASE ahead_%d", i))
	}
	run(t, set.Old, "CREATE DATABASE behind")
	p := positionOf(t, o)
	if ok, err := rel.OldToNew.Applied(t.Context(), p); err != nil || ok {
		t.Errorf("new is ahead in numbers only, yet Applied says %v, %v", ok, err)
	}
	run(t, set.New, "START ALL SLAVES")
	if err := rel.OldToNew.Wait(t.Context(), p, waitOpt); err != nil {
		t.Fatal(err)
	}
	if got := count(t, set.New, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='behind'"); got != 1 {
		t.Error("the fence is true and the database is not there")
	}
}

// Domains that cannot arrive do not hold the fence up: one that new drops, and
// one that old only remembers from an earlier life as a replica.
func TestFenceMariaDBForeignDomains(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Old: fixtures.MariaDB})
	o, n := open(t, set.Old, "old"), open(t, set.New, "new")
	run(t, set.New, "STOP ALL SLAVES", "CHANGE MASTER TO IGNORE_DOMAIN_IDS=(7)", "START ALL SLAVES")
	run(t, set.Old, "SET GLOBAL gtid_slave_pos='9-5-1000'")
	rel := relate(t, o, n, OneWay)
	wantProof(t, rel.OldToNew, ByMariaDBGTID, true)
	conn, err := set.Old.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range []string{"SET SESSION gtid_domain_id=7", "CREATE DATABASE dropped", "SET SESSION gtid_domain_id=3", "CREATE DATABASE kept"} {
		if _, err = conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	p := positionOf(t, o)
	if len(p.MariaDB.Domains()) < 3 {
		t.Fatalf("the case is not what it should be: %s", p)
	}
	if err = rel.OldToNew.Wait(t.Context(), p, waitOpt); err != nil {
		t.Fatal(err)
	}
	if got := count(t, set.New, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name IN ('kept','dropped')"); got != 1 {
		t.Errorf("%d databases arrived", got)
	}
	checkLink(t, set, rel.OldToNew, o, fixtures.Old, fixtures.New)
	checkDenied(t, set.New)
	checkSessions(t, set.Old, o)
}

func checkSessions(t *testing.T, srv *fixtures.Server, s *Server) {
	t.Helper()
	db, err := srv.Open(fixtures.App, "fence")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var id uint64
	if err = conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	// A session sleeps only some moments after its client has got what it asked for.
	var app, dump bool
	var list []Session
	for late := time.Now().Add(waitOpt.Timeout); (!app || !dump) && time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		if list, err = s.Sessions(t.Context()); err != nil {
			t.Fatal(err)
		}
		app = slices.ContainsFunc(list, func(x Session) bool {
			return x.ID == id && x.User == "app" && x.DB == "fence" && x.Command == "Sleep" && x.Host == "127.0.0.1" && !x.MayBeOwn
		})
		dump = slices.ContainsFunc(list, func(x Session) bool { return strings.HasPrefix(x.Command, "Binlog Dump") })
	}
	for _, x := range list {
		if x.User == "system user" || (x.User == "crosscheck" && !x.MayBeOwn) {
			t.Errorf("it should not be listed: %+v", x)
		}
	}
	if !app || !dump {
		t.Errorf("app %v, dump %v in %+v", app, dump, list)
	}
	if running, err := s.ThreadsRunning(t.Context()); err != nil || running < 1 {
		t.Errorf("threads running: %d, %v", running, err)
	}
	if _, ok, err := s.HistoryLength(t.Context()); err != nil || !ok {
		t.Errorf("history length: %v, %v", ok, err)
	}
}

func TestRelateSameServer(t *testing.T) {
	t.Parallel()
	srv := fixtures.ServerForTest(t, fixtures.MySQL, fixtures.ServerOptions{PerformanceSchema: true})
	a, b := open(t, srv, "old"), open(t, srv, "new")
	if rel, err := Relate(t.Context(), a, b); !errors.Is(err, ErrSameServer) {
		t.Errorf("got %+v, %v", rel, err)
	}
	list, err := a.Sessions(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, x := range list {
		if x.User == "crosscheck" || x.MayBeOwn {
			t.Errorf("an own session is listed: %+v", x)
		}
	}
	if n, ok, err := a.HistoryLength(t.Context()); err != nil || !ok {
		t.Errorf("history length: %d %v, %v", n, ok, err)
	}
	checkSetForms(t, srv)
	p := positionOf(t, a)
	if p.Kind != gtid.MySQLGTID || p.File.IsZero() {
		t.Errorf("position %s", p)
	}
	for _, mode := range []string{"ON_PERMISSIVE", "OFF_PERMISSIVE"} {
		run(t, srv, "SET GLOBAL gtid_mode="+mode)
		if p = positionOf(t, a); p.Kind != gtid.File || p.File.IsZero() {
			t.Errorf("with gtid_mode=%s the position is %s", mode, p)
		}
	}
}

// The server and package gtid must agree on every form of a set.
func checkSetForms(t *testing.T, srv *fixtures.Server) {
	t.Helper()
	const a, b = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "AAAAFA47-71CA-11E1-9E33-C80AA9429562"
	for _, in := range []string{
		"", a + ":1", a + ":5-7:1-3:4", b + ":1-3," + a + ":9:tag2:1-3:5:tag1:7", a + ":1,\n" + b + ":x:1, " + a + ":3-4",
		a + ":5-3", a + ":TAG:1", a + ":1:t:1:t:3", a + ":9223372036854775806", a + ":_a1:2", " " + a + " : 1 - 2 : 4 ",
		a, a + ":tag", a + ":1:tag", a + ":a:b:1",
		// The server refuses these.
		a + ":", a + ":0", a + ":9223372036854775807", a + ":1tag:1", "x", a + ":" + strings.Repeat("t", 33) + ":1",
		a + ":1-2-3",
	} {
		var want *string
		err := srv.DB().QueryRowContext(t.Context(), "SELECT GTID_SUBTRACT(?, '')", in).Scan(&want)
		set, ours := gtid.ParseSet(in)
		switch {
		case (err == nil && want != nil) != (ours == nil):
			t.Errorf("%q: the server says %v, we say %v", in, err, ours)
		case ours == nil && strings.ReplaceAll(*want, "\n", "") != set.String():
			t.Errorf("%q: the server prints %q, we print %q", in, *want, set)
		}
	}
}
