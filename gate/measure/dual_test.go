package measure

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/fixtures"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// shop makes a table of the application.
func (r *rig) shop() {
	r.Helper()
	r.run(r.set.Old, "CREATE DATABASE shop", "CREATE TABLE shop.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT)",
		"INSERT INTO shop.t (v) VALUES (1), (2)", "UPDATE shop.t SET v = v + 1", "DELETE FROM shop.t WHERE v = 2")
	r.caughtUp()
}

func TestDualMySQL(t *testing.T) {
	r := newRig(t, fixtures.Spec{Topology: fixtures.Dual, Old: fixtures.MySQL}, plan.DualWrite)
	r.shop()
	r.on("sync", syncBroken)
	r.on("steps", stepsOf)
	r.on("steps in DDL", stepsInDDL)
	r.on("actions", actions)
	r.on("switches", switches)
	r.on("drained", drains)
	r.on("health", health)
	r.on("reset", resets("new", r.set.New, "RESET BINARY LOGS AND GTIDS"))
}

func TestDualMariaDB(t *testing.T) {
	r := newRig(t, fixtures.Spec{Topology: fixtures.Dual}, plan.DualWrite)
	r.shop()
	r.on("sync", syncBroken)
	r.on("quiet", quietByGTID)
	r.on("steps", func(r *rig) {
		c := measured[gate.Steps](r, "")
		// Its option file has the step, and it shows nobody else's.
		if c.Old.SessionsSeen || c.Old.PersistedKnown || c.Old.Persisted == nil || *c.Old.Persisted != c.Old.Global {
			r.Errorf("steps: %+v", c.Old)
		}
		r.run(r.set.New, "SET GLOBAL auto_increment_offset = 2")
		if c = measured[gate.Steps](r, ""); c.New.Persisted != nil {
			r.Errorf("set at run time, and said to be kept: %+v", c.New.Persisted)
		}
		olderSessions(r)
		r.run(r.set.Old, "SET GLOBAL auto_increment_increment = 1")
		change := r.prepare(ActionSetSteps, r.root)
		if want := []string{"old: SET GLOBAL auto_increment_offset = 1", "old: SET GLOBAL auto_increment_increment = 2"}; !slices.Equal(change.Texts(), want) || len(change.Notes) != 2 {
			r.Errorf("got %q, %q", change.Texts(), change.Notes)
		}
		r.refused(ActionSetSteps, "GRANT SUPER ON *.* TO 'crosscheck'@'%'")
		if done, err := change.Apply(r.Context()); err != nil || !done.Applied {
			r.Errorf("%+v, %v", done, err)
		}
		if c = measured[gate.Steps](r, ""); c.Old.Global != (gate.Step{Increment: 2, Offset: 1}) {
			r.Errorf("after set-steps: %+v", c.Old)
		}
	})
	r.on("switches", switches)
	r.on("drained", drains)
	r.on("read only", func(r *rig) {
		r.root.Old.DB().SetMaxIdleConns(0)
		readOnlyWindow(r, "SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF")
		conn, err := r.set.Old.DB().Conn(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		defer conn.Close()
		r.exec(conn, "SET GLOBAL read_only = ON")
		if c := measured[gate.ReadOnly](r, ""); !c.ReadOnly || c.SuperReadOnly || !c.T1.IsZero() {
			r.Errorf("root is connected, and: %+v", c)
		}
		r.exec(conn, "SET GLOBAL read_only = OFF")
	})
	r.on("domain", oldsDomain)
	r.on("reset", resets("new", r.set.New, "RESET MASTER"))
}

// oldsDomain writes on new in old's domain: it is new's own until a check finds that it did no harm, and never hides what came from old.
func oldsDomain(r *rig) {
	r.caughtUp()
	if err := r.set.StopReplication(r.Context(), fixtures.Old); err != nil {
		r.Fatal(err)
	}
	var domain int
	if err := r.set.Old.DB().QueryRowContext(r.Context(), "SELECT @@global.gtid_domain_id").Scan(&domain); err != nil {
		r.Fatal(err)
	}
	r.run(r.set.New, fmt.Sprintf("SET STATEMENT gtid_domain_id = %d FOR %s", domain, r.row()))
	if c := measured[gate.ReadOnly](r, ""); c.NewApplied != c.OldT2 || c.Extra == "" {
		r.Errorf("new wrote in old's domain, and: %+v", c)
	}
	last := r.earlier[len(r.earlier)-1]
	check := gate.Evidence{
		Taken: time.Now(), From: last.Taken, Old: last.Old, New: last.New, Positions: last.Positions,
		Content: gate.Check{Run: "1", Verdict: gate.Same, Coverage: gate.Coverage{Tables: 1, Complete: true}},
	}
	r.earlier = append(r.earlier, check)
	if c := measured[gate.ReadOnly](r, ""); c.NewApplied != c.OldT2 || c.Extra != "" {
		r.Errorf("it was checked, and: %+v", c)
	}
}

// resets resets the log of a node, by the statement of its server, and sees it once.
func resets(name string, node *fixtures.Server, statement string) func(*rig) {
	return func(r *rig) {
		r.run(node, "FLUSH LOGS", r.row())
		if e := r.take(gate.KindGTID, ""); len(e.Reset) > 0 {
			r.Errorf("nothing was reset, and: %v", e.Reset)
		}
		for _, side := range []*fixtures.Server{r.set.Old, r.set.New} { // a 9.7 may lock itself up while replication runs
			stop := "STOP SLAVE"
			if side.Family() == fixtures.MySQL {
				stop = "STOP REPLICA"
			}
			r.run(side, stop)
		}
		r.run(node, statement)
		if e := r.take(gate.KindGTID, ""); !slices.Equal(e.Reset, []string{name}) {
			r.Errorf("reset, and: %v at %v", e.Reset, e.Positions)
		}
		if e := r.take(gate.KindGTID, ""); len(e.Reset) > 0 {
			r.Errorf("reset before, and: %v", e.Reset)
		}
	}
}

// syncBroken breaks both directions in all ways that matter, and sees each.
func syncBroken(r *rig) {
	ctx := r.Context()
	time.Sleep(2100 * time.Millisecond) // ages are told in seconds
	good := becomes(r, "all is well", func(c gate.Sync) bool {
		return len(c.Links) == 2 && !slices.ContainsFunc(c.Links, func(l gate.Link) bool {
			return !l.Running || !l.LagKnown || l.Lag > time.Second || l.Skips || l.Since.IsZero() || l.Error != ""
		})
	})
	time.Sleep(500 * time.Millisecond)
	if l := linkBetween(r, measured[gate.Sync](r, ""), "old", "new"); l.Since.After(linkBetween(r, good, "old", "new").Since) {
		r.Errorf("nothing broke, and since moved to %s", l.Since)
	}
	if err := r.set.StopReplication(ctx, fixtures.New); err != nil {
		r.Fatal(err)
	}
	r.run(r.set.Old, r.row())
	c := measured[gate.Sync](r, "")
	if l := linkBetween(r, c, "old", "new"); l.Running || l.Error == "" || !l.Since.IsZero() {
		r.Errorf("stopped, and: %+v", l)
	}
	if l := linkBetween(r, c, "new", "old"); !l.Running {
		r.Errorf("the other way runs, and: %+v", l)
	}
	stopped := time.Now()
	if err := r.set.StartReplication(ctx, fixtures.New); err != nil {
		r.Fatal(err)
	}
	r.caughtUp()
	if l := linkBetween(r, measured[gate.Sync](r, ""), "old", "new"); !l.Running || l.Since.Before(stopped) {
		r.Errorf("started again after %s, and: %+v", stopped, l)
	}
	// Stopped and started between two measurements, and of the applier alone: it must be seen all the same.
	stop, start := "STOP REPLICA SQL_THREAD", "START REPLICA SQL_THREAD"
	if r.set.New.Family() == fixtures.MariaDB {
		stop, start = "STOP SLAVE SQL_THREAD", "START SLAVE SQL_THREAD"
	}
	time.Sleep(2100 * time.Millisecond)
	r.run(r.set.New, stop)
	stopped = time.Now()
	r.run(r.set.New, start)
	r.caughtUp()
	if l := linkBetween(r, measured[gate.Sync](r, ""), "old", "new"); !l.Running || l.Since.Before(stopped) {
		r.Errorf("the applier was stopped until %s, and: %+v", stopped, l)
	}
	// The same threads are one run, also where nothing else tells their age; others are not.
	seen := linkBetween(r, measured[gate.Sync](r, ""), "old", "new")
	if seen.Threads == nil {
		r.Fatalf("no threads: %+v", seen)
	}
	before := r.earlier
	for _, other := range []int64{0, 1} {
		l, then := seen, *seen.Threads
		then.Applier += other
		l.Threads, l.Since = &then, stopped.Add(-time.Hour)
		r.earlier = []gate.Evidence{{
			Taken: stopped.Add(-time.Minute), Old: r.servers.Old.Facts().ServerUUID, New: r.servers.New.Facts().ServerUUID,
			Content: gate.Sync{Links: []gate.Link{l}},
		}}
		if now := linkBetween(r, measured[gate.Sync](r, ""), "old", "new"); now.Since.Before(stopped) != (other == 0) {
			r.Errorf("threads %+v before, and since: %+v", then, now)
		}
	}
	// A check that saw them when it began knows as much, with no look besides; not one that saw others.
	links, err := Links(ctx, r.servers.Old, r.servers.New)
	if err != nil || len(links) != 2 || !sameThreads(links[0].Threads, seen.Threads) || !links[0].Running || links[0].Since.IsZero() {
		r.Fatalf("%+v, %v, want the threads %+v", links, err, seen.Threads)
	}
	links[0].Since = stopped.Add(-time.Hour)
	began := gate.Evidence{
		Taken: time.Now(), From: stopped.Add(-time.Minute), Old: r.servers.Old.Facts().ServerUUID, New: r.servers.New.Facts().ServerUUID,
		Content: gate.Check{Verdict: gate.Same, Links: links},
	}
	for _, other := range []int64{0, 1} {
		then := *seen.Threads
		then.Receiver += other
		links[0].Threads = &then
		r.earlier = []gate.Evidence{began}
		if now := linkBetween(r, measured[gate.Sync](r, ""), "old", "new"); now.Since.Before(stopped) != (other == 0) {
			r.Errorf("a check began with the threads %+v, and since: %+v", then, now)
		}
	}
	r.earlier = before
	r.run(r.set.New, "SET GLOBAL slave_exec_mode = 'IDEMPOTENT'")
	if l := linkBetween(r, measured[gate.Sync](r, ""), "old", "new"); !l.Skips {
		r.Errorf("IDEMPOTENT, and: %+v", l)
	}
	r.run(r.set.New, "SET GLOBAL slave_exec_mode = 'STRICT'")
	slow(r)
}

// slow holds the applier back by a lock, so that it runs and gets nowhere.
func slow(r *rig) {
	r.plan.Limits.MaxLag = time.Second
	conn, err := r.set.New.DB().Conn(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	defer conn.Close()
	r.exec(conn, "LOCK TABLES shop.t READ")
	r.run(r.set.Old, r.row())
	l := linkBetween(r, measured[gate.Sync](r, ""), "old", "new")
	if !l.Running || l.LagKnown && l.Lag <= time.Second {
		r.Errorf("the applier is held back for longer than the plan allows, and: %+v", l)
	}
	r.exec(conn, "UNLOCK TABLES")
	r.caughtUp()
}

// olderSessions: a server that shows no session's step tells by the connection ids who may have another one.
func olderSessions(r *rig) {
	late := r.app(r.set.New)
	r.run(r.set.New, "SET GLOBAL auto_increment_increment = 4")
	if change := r.prepare(ActionKillStale, r.root); len(change.Statements) != 0 || len(change.Notes) != 1 {
		r.Errorf("nobody has judged these steps yet: %+v", change)
	}
	c := measured[gate.Steps](r, "")
	if c.Old.Mark != 0 || len(c.Old.Stale) > 0 || !c.Old.Hidden {
		r.Errorf("old's step comes from its option file: %+v", c.Old)
	}
	want := gate.Session{ID: r.connID(late), User: "app"}
	has := func(list []gate.Session) bool {
		return slices.ContainsFunc(list, func(s gate.Session) bool { return s.ID == want.ID && s.User == want.User })
	}
	if c.New.Mark < want.ID || !has(c.New.Stale) {
		r.Errorf("a session that began before the step was seen: %+v, want %+v", c.New, want)
	}
	time.Sleep(2 * time.Second) // a server tells its age in whole seconds
	young := r.app(r.set.New)
	defer young.Close()
	again := measured[gate.Steps](r, "")
	if again.New.Mark != c.New.Mark || !has(again.New.Stale) || slices.ContainsFunc(again.New.Stale, func(s gate.Session) bool { return s.ID == r.connID(young) }) {
		r.Errorf("a session that began later counts: %+v", again.New)
	}
	change := r.prepare(ActionKillStale, r.root)
	i := slices.IndexFunc(change.Statements, func(s Statement) bool { return s.Session.ID == want.ID })
	if i < 0 {
		r.Fatalf("%+v", change)
	}
	change.Statements = change.Statements[i : i+1]
	if done, err := change.Apply(r.Context()); err != nil || len(done.Statements) != 1 {
		r.Errorf("%+v, %v", done, err)
	}
	if err := late.PingContext(r.Context()); err == nil {
		r.Error("the session was not ended")
	}
	late.Close()
	if done, err := change.Apply(r.Context()); err != nil || len(done.Statements) != 0 {
		r.Errorf("a session that is gone is killed again: %+v, %v", done, err)
	}
	r.run(r.set.New, "SET GLOBAL auto_increment_increment = 2")
	if other := measured[gate.Steps](r, ""); other.New.Mark < r.connID(young) {
		r.Errorf("another step, and the mark stays: %+v", other.New)
	}
}

func stepsOf(r *rig) {
	c := measured[gate.Steps](r, "")
	for name, s := range map[string]gate.StepSide{"old": c.Old, "new": c.New} {
		if !s.SessionsSeen || !s.PersistedKnown || s.Persisted == nil || *s.Persisted != s.Global || len(s.Stale) > 0 || s.Overridden != "" {
			r.Errorf("%s: %+v", name, s)
		}
	}
	if c.Old.Global != (gate.Step{Increment: 2, Offset: 1}) || c.New.Global != (gate.Step{Increment: 2, Offset: 2}) {
		r.Errorf("steps: %+v", c)
	}
	stale := r.app(r.set.Old)
	r.run(r.set.Old, "SET GLOBAL auto_increment_increment = 4")
	c = measured[gate.Steps](r, "")
	want := []gate.Session{{ID: r.connID(stale), User: "app"}}
	// The fixture's own idle sessions of root are stale as well.
	users := slices.DeleteFunc(slices.Clone(c.Old.Stale), func(s gate.Session) bool { return s.User == "root" })
	if !sameSessions(users, want) || len(c.New.Stale) > 0 {
		r.Errorf("stale: %+v, want %+v", c.Old.Stale, want)
	}
	if c.Old.Persisted != nil {
		r.Errorf("set at run time, and said to be kept: %+v", c.Old.Persisted)
	}
	r.run(r.set.Old, "SET PERSIST auto_increment_increment = 4")
	r.run(r.set.Old, "SET GLOBAL auto_increment_increment = 2")
	if c = measured[gate.Steps](r, ""); c.Old.Persisted == nil || c.Old.Persisted.Increment != 4 {
		r.Errorf("persisted 4, and: %+v", c.Old.Persisted)
	}
	r.run(r.set.Old, "RESET PERSIST auto_increment_increment")
	stale.Close()
}

// sameSessions compares ids and users; the host is localhost or its address.
func sameSessions(a, b []gate.Session) bool {
	return slices.EqualFunc(a, b, func(x, y gate.Session) bool { return x.ID == y.ID && x.User == y.User })
}

func (r *rig) prepare(action string, s Servers) Change {
	r.Helper()
	c, err := Prepare(r.Context(), s, action, r.request())
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// refused applies an action with the account that may only read.
func (r *rig) refused(action, grant string) {
	r.Helper()
	done, err := r.prepare(action, r.servers).Apply(r.Context())
	var right *RightError
	if !errors.As(err, &right) || right.Grant != grant || done.Applied || len(done.Statements) > 0 || strings.Contains(err.Error(), "\n") {
		r.Errorf("%s: %+v, %v", action, done, err)
	}
}

func (r *rig) step(srv *fixtures.Server) gate.Step {
	r.Helper()
	var s gate.Step
	if err := srv.DB().QueryRowContext(r.Context(), "SELECT @@global.auto_increment_increment, @@global.auto_increment_offset").Scan(&s.Increment, &s.Offset); err != nil {
		r.Fatal(err)
	}
	return s
}

func alive(r *rig, conn *sql.Conn) bool { return conn.PingContext(r.Context()) == nil }

func actions(r *rig) {
	ctx := r.Context()
	one := gate.Step{Increment: 1, Offset: 1}
	for _, s := range []*fixtures.Server{r.set.Old, r.set.New} {
		r.run(s, "SET GLOBAL auto_increment_increment = 1", "SET GLOBAL auto_increment_offset = 1")
	}
	stale, gone := r.app(r.set.Old), r.app(r.set.Old)
	change := r.prepare(ActionSetSteps, r.root)
	want := []string{
		"old: SET PERSIST auto_increment_offset = 1", "old: SET PERSIST auto_increment_increment = 2",
		"new: SET PERSIST auto_increment_offset = 2", "new: SET PERSIST auto_increment_increment = 2",
	}
	if !slices.Equal(change.Texts(), want) {
		r.Errorf("got %q", change.Texts())
	}
	r.refused(ActionSetSteps, "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO 'crosscheck'@'%'")
	if r.step(r.set.Old) != one || r.step(r.set.New) != one {
		r.Error("a dry run or a refused one changed something")
	}
	if done, err := change.Apply(ctx); err != nil || !done.Applied || !slices.Equal(done.Statements, want) {
		r.Errorf("%+v, %v", done, err)
	}
	c := measured[gate.Steps](r, "")
	if c.Old.Global != (gate.Step{Increment: 2, Offset: 1}) || c.New.Global != (gate.Step{Increment: 2, Offset: 2}) ||
		c.Old.Persisted == nil || *c.Old.Persisted != c.Old.Global || c.New.Persisted == nil || *c.New.Persisted != c.New.Global {
		r.Errorf("after set-steps: %+v", c)
	}
	if again := r.prepare(ActionSetSteps, r.root); len(again.Statements) != 0 {
		r.Errorf("done already, and would run %q", again.Texts())
	}
	killsStale(r, stale, gone)

	change = r.prepare(ActionRestoreStep, r.root)
	want = []string{"new: SET PERSIST auto_increment_increment = 1", "new: SET PERSIST auto_increment_offset = 1"}
	if done, err := change.Apply(ctx); err != nil || !slices.Equal(done.Statements, want) {
		r.Errorf("%+v, %v", done, err)
	}
	restored := measured[gate.StepRestored](r, "")
	if restored.New.Global != one || restored.New.Persisted == nil || *restored.New.Persisted != one || r.step(r.set.Old) == one {
		r.Errorf("after restore-step: %+v, old %s", restored, r.step(r.set.Old))
	}
	for _, s := range []*fixtures.Server{r.set.Old, r.set.New} {
		r.run(s, "RESET PERSIST", "SET GLOBAL auto_increment_increment = 2")
	}
	r.run(r.set.New, "SET GLOBAL auto_increment_offset = 2")
	if _, err := Prepare(ctx, r.root, "drop-everything", r.request()); !errors.Is(err, ErrUnknownAction) {
		r.Errorf("unknown action: %v", err)
	}
}

// killsStale ends exactly the session that is stale still when its turn comes.
func killsStale(r *rig, stale, gone *sql.Conn) {
	fresh := r.app(r.set.Old)
	mended := r.app(r.set.Old, "SET SESSION auto_increment_increment = 7")
	change := r.prepare(ActionKillStale, r.root)
	ids := map[uint64]bool{}
	for _, st := range change.Statements {
		if st.Session != nil && st.Session.User == "app" {
			ids[st.Session.ID] = true
		}
	}
	if !ids[r.connID(stale)] || !ids[r.connID(gone)] || !ids[r.connID(mended)] || ids[r.connID(fresh)] {
		r.Errorf("would kill %q", change.Texts())
	}
	if !alive(r, stale) {
		r.Error("a dry run killed a session")
	}
	r.refused(ActionKillStale, "GRANT CONNECTION_ADMIN ON *.* TO 'crosscheck'@'%'")
	ended := r.connID(gone)
	gone.Close()
	back := r.app(r.set.Old) // the application's pool connects again
	r.left(r.servers.Old, fixtures.App, r.connID(stale), r.connID(fresh), r.connID(mended), r.connID(back))
	r.exec(mended, "SET SESSION auto_increment_increment = 2, SESSION auto_increment_offset = 1")
	// Another session in the place of the one that was meant: the same id, another account.
	for i := range change.Statements {
		if s := change.Statements[i].Session; s != nil && s.ID == r.connID(fresh) {
			r.Errorf("a fresh session is in the list: %+v", s)
		}
	}
	done, err := change.Apply(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	if slices.Contains(done.Statements, fmt.Sprintf("old: KILL %d", ended)) {
		r.Errorf("a session that had ended was killed: %q", done.Statements)
	}
	if alive(r, stale) || !alive(r, fresh) || !alive(r, back) || !alive(r, mended) {
		r.Errorf("alive: stale %v, fresh %v, back %v, mended %v; done: %+v", alive(r, stale), alive(r, fresh), alive(r, back), alive(r, mended), done)
	}
	if c := measured[gate.Sync](r, ""); !c.Links[0].Running || !c.Links[1].Running {
		r.Errorf("replication was hit: %+v", c)
	}
	wrong := change
	wrong.Statements = []Statement{{Side: nodeOld, SQL: "KILL 1", Session: &gate.Session{ID: r.connID(back), User: "somebody", Host: "else"}}}
	if done, err := wrong.Apply(r.Context()); err != nil || len(done.Statements) != 0 || !alive(r, back) {
		r.Errorf("another's session: %+v, %v", done, err)
	}
}

func switches(r *rig) {
	r.left(r.servers.Old, fixtures.App)
	r.left(r.servers.New, fixtures.App)
	if c := measured[gate.ReadsSwitch](r, ""); c.By != "" || !c.Switched.IsZero() || c.AppOnNew != 0 || len(c.AppOnOld) != 0 {
		r.Errorf("nobody said so, nobody is there, and: %+v", c)
	}
	onOld, onNew := r.app(r.set.Old), r.app(r.set.New)
	reads := measured[gate.ReadsSwitch](r, "ann")
	if reads.By != "ann" || reads.Switched.IsZero() || !reads.SessionsSeen || reads.AppOnNew != 1 ||
		!sameSessions(reads.AppOnOld, []gate.Session{{ID: r.connID(onOld), User: "app"}}) {
		r.Errorf("reads: %+v", reads)
	}
	// Saying it again does not move the switch.
	if again := measured[gate.ReadsSwitch](r, "bob"); !again.Switched.Equal(reads.Switched) || again.By != "ann" {
		r.Errorf("said again: %+v", again)
	}
	first := measured[gate.WritesSwitch](r, "ann")
	if !first.WritesSeen || first.NewWrites != 0 || first.OldWrites != 0 || first.Window <= 0 {
		r.Errorf("nobody writes, and: %+v", first)
	}
	r.exec(onNew, r.row(), r.row())
	r.exec(onOld, r.row())
	r.caughtUp()
	second := measured[gate.WritesSwitch](r, "")
	if second.NewWrites != 2 || second.OldWrites != 1 || !second.WritesSeen || !second.Switched.Equal(first.Switched) || second.By != "ann" {
		r.Errorf("two writes on new, one on old, and: %+v", second)
	}
	// New's log tells who wrote, on MySQL, and on MariaDB from 11.5 on.
	told := !r.servers.New.Facts().IsMariaDB() || r.servers.New.Facts().AtLeast(11, 5, 0)
	if second.WritersTold != told || told && second.NewByApp != 2 {
		r.Errorf("two writes of the application on new, and: %+v", second)
	}
	// Its session idles, and somebody else writes.
	idle, earlier := r.app(r.set.New), r.earlier
	r.earlier = nil
	onNew.Close()
	r.left(r.servers.New, fixtures.App, r.connID(idle))
	measured[gate.WritesSwitch](r, "ann")
	r.run(r.set.New, r.row())
	if c := measured[gate.WritesSwitch](r, ""); c.NewWrites != 1 || c.AppOnNew != 1 || c.WritersTold != told || c.NewByApp != 0 {
		r.Errorf("somebody else writes on new, and: %+v", c)
	}
	r.caughtUp()
	r.earlier = earlier
	onOld.Close()
	idle.Close()
}

func drains(r *rig) {
	r.left(r.servers.Old, fixtures.App)
	first := becomes(r, "nobody is on old", func(c gate.Drained) bool {
		return !c.Since.IsZero() && c.SessionsSeen && len(c.AppOnOld) == 0 && c.OldWrites == 0 && c.EchoesComplete && c.OldThrough != ""
	})
	// What new writes comes to old as an echo and is none of its own.
	r.run(r.set.New, r.row())
	r.caughtUp()
	if c := measured[gate.Drained](r, ""); !c.Since.Equal(first.Since) || c.OldWrites != 0 {
		r.Errorf("quiet since %s, and: %+v", first.Since, c)
	}
	late := r.app(r.set.Old, r.row())
	wrote := time.Now()
	r.caughtUp()
	c := measured[gate.Drained](r, "")
	if c.OldWrites != 1 || len(c.AppOnOld) != 1 {
		r.Errorf("a write and a session on old, and: %+v", c)
	}
	late.Close()
	r.left(r.servers.Old, fixtures.App)
	if c = measured[gate.Drained](r, ""); c.OldWrites != 0 || !c.Since.After(wrote) || len(c.AppOnOld) != 0 {
		r.Errorf("quiet again after %s, and: %+v", wrote, c)
	}
	if err := r.set.StopReplication(r.Context(), fixtures.New); err != nil {
		r.Fatal(err)
	}
	r.run(r.set.Old, r.row())
	if c = measured[gate.Drained](r, ""); c.EchoesComplete || c.OldWrites != 1 {
		r.Errorf("new is behind, and: %+v", c)
	}
	if err := r.set.StartReplication(r.Context(), fixtures.New); err != nil {
		r.Fatal(err)
	}
	r.caughtUp()
}

func metric(h gate.Health, name string) gate.Metric {
	for _, m := range h.Metrics {
		if m.Name == name {
			return m
		}
	}
	return gate.Metric{}
}

func health(r *rig) {
	first := measured[gate.Health](r, "")
	if metric(first, metricSlow).Measured || !metric(first, metricReplication).Measured {
		r.Errorf("rates need two measurements: %+v", first)
	}
	r.run(r.set.New, "DO 1", "DO 2")
	quiet := measured[gate.Health](r, "")
	for _, name := range []string{metricSlow, metricDeadlocks, metricReplication, metricThreads, metricErrors} {
		if m := metric(quiet, name); !m.Measured || m.Bad {
			r.Errorf("%s: %+v", name, m)
		}
	}
	if !quiet.Since.Equal(r.earlier[len(r.earlier)-2].Taken) {
		r.Errorf("since %s", quiet.Since)
	}
	conn := r.app(r.set.New, "SET SESSION long_query_time = 0")
	for range 50 {
		r.exec(conn, "DO 3")
	}
	if err := r.set.StopReplication(r.Context(), fixtures.New); err != nil {
		r.Fatal(err)
	}
	bad := measured[gate.Health](r, "")
	if !metric(bad, metricSlow).Bad || !metric(bad, metricReplication).Bad {
		r.Errorf("slow and stopped, and: %+v", bad)
	}
	if err := r.set.StartReplication(r.Context(), fixtures.New); err != nil {
		r.Fatal(err)
	}
	if c := measured[gate.Health](r, ""); !metric(c, metricReplication).Bad {
		r.Errorf("it was stopped within the period, and: %+v", c)
	}
	r.caughtUp()
	for _, c := range []struct {
		mode string
		want float64
	}{{"IDEMPOTENT", 1}, {"STRICT", 0}} {
		r.run(r.set.New, "SET GLOBAL replica_exec_mode = '"+c.mode+"'")
		if broken, _, known, err := channelHealth(r.Context(), r.servers.New); err != nil || !known || broken != c.want {
			r.Errorf("while the applier is %s: %v channels are not well (known: %v): %v", c.mode, broken, known, err)
		}
	}
}
