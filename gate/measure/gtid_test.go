package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/fixtures"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// readOnlyWindow opens and shuts the window, with a write and a session that may write in it.
func readOnlyWindow(r *rig, shut, open string) {
	if c := measured[gate.ReadOnly](r, ""); c.ReadOnly || !c.T1.IsZero() || !c.Since.IsZero() {
		r.Errorf("old takes writes, and: %+v", c)
	}
	r.run(r.set.Old, shut)
	r.set.Old.DB().SetMaxIdleConns(0) // the fixture's admin has SUPER
	defer r.set.Old.DB().SetMaxIdleConns(2)
	r.left(r.servers.Old, fixtures.Admin)
	first := becomes(r, "shut", func(c gate.ReadOnly) bool {
		return c.ReadOnly && c.SuperReadOnly && !c.Since.IsZero() && !c.Since.After(c.T1) && c.OldT1 != "" && c.OldT1 == c.OldT2 && c.NewApplied == c.OldT2 && c.Extra == ""
	})
	time.Sleep(time.Second)
	second := becomes(r, "the same window", func(c gate.ReadOnly) bool {
		return c.T1.Equal(first.T1) && c.Since.Equal(first.Since) && c.OldT1 == first.OldT1 && c.NewApplied == c.OldT2
	})
	// A setting that is made again changes nothing.
	r.run(r.set.Old, shut)
	r.left(r.servers.Old, fixtures.Admin)
	if c := measured[gate.ReadOnly](r, ""); !c.T1.Equal(first.T1) || !c.Since.Equal(first.Since) {
		r.Errorf("set to what it was, and: %+v", c)
	}
	r.run(r.set.New, r.row())
	// In a two-way pair it comes to old, which then has moved.
	if c := measured[gate.ReadOnly](r, ""); c.Extra == "" && c.OldT1 == c.OldT2 {
		r.Errorf("an extra row on new, and: %+v", c)
	}
	r.run(r.set.Old, open)
	r.run(r.set.Old, r.row())
	if c := measured[gate.ReadOnly](r, ""); c.ReadOnly || !c.Since.IsZero() {
		r.Errorf("open again, and: %+v", c)
	}
	r.run(r.set.Old, shut)
	r.left(r.servers.Old, fixtures.Admin)
	if c := measured[gate.ReadOnly](r, ""); c.T1.Equal(first.T1) || !c.T1.After(second.T1) {
		r.Errorf("another window, and: %+v", c)
	}
	r.run(r.set.Old, open)
}

const (
	shutMySQL = "SET GLOBAL super_read_only = ON"
	openMySQL = "SET GLOBAL read_only = OFF"
)

func TestPairByFile(t *testing.T) {
	r := newRig(t, fixtures.Spec{Topology: fixtures.Pair, Old: fixtures.MySQL, GTID: fixtures.GTIDOff}, plan.GTIDRestart)
	r.shop()
	r.on("quiet", quietByFile)
	r.on("read only", func(r *rig) { readOnlyWindow(r, shutMySQL, openMySQL) })
	r.on("opened in between", func(r *rig) {
		r.run(r.set.Old, shutMySQL)
		first := measured[gate.ReadOnly](r, "")
		time.Sleep(2 * time.Second) // a setting that was made within a second of another one is taken for it
		// Nobody measured while it was open.
		r.run(r.set.Old, openMySQL, r.row(), shutMySQL)
		if c := measured[gate.ReadOnly](r, ""); !c.T1.After(first.T1) || !c.Since.After(first.T1) {
			r.Errorf("opened after %s, and: %+v", first.T1, c)
		}
		if err := r.set.StopReplication(r.Context(), fixtures.New); err != nil {
			r.Fatal(err)
		}
		r.run(r.set.Old, openMySQL, r.row(), shutMySQL)
		if c := measured[gate.ReadOnly](r, ""); c.NewApplied == c.OldT2 {
			r.Errorf("new is behind, and: %+v", c)
		}
		if err := r.set.StartReplication(r.Context(), fixtures.New); err != nil {
			r.Fatal(err)
		}
		r.caughtUp()
		r.run(r.set.Old, openMySQL)
	})
	r.on("who goes back", goesBack)
	r.on("gtid modes", func(r *rig) {
		becomes(r, "nothing is on its way", func(c gate.GTID) bool {
			return len(c.Nodes) == 2 && c.Nodes[0].Mode == "OFF" && c.Nodes[1].Mode == "OFF" && c.Nodes[1].Anonymous == 0 && c.Nodes[1].Reachable
		})
		conn, err := r.set.New.DB().Conn(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		defer conn.Close()
		if err := r.set.StopReplication(r.Context(), fixtures.New); err != nil {
			r.Fatal(err)
		}
		r.run(r.set.Old, r.row())
		if c := measured[gate.GTID](r, ""); c.Nodes[1].Anonymous != -1 {
			r.Errorf("an anonymous transaction is on its way, and: %+v", c)
		}
		if err := r.set.StartReplication(r.Context(), fixtures.New); err != nil {
			r.Fatal(err)
		}
		r.caughtUp()
		r.run(r.set.New, "SET GLOBAL enforce_gtid_consistency = ON", "SET GLOBAL gtid_mode = OFF_PERMISSIVE")
		if c := measured[gate.GTID](r, ""); c.Nodes[1].Mode != "OFF_PERMISSIVE" || !c.Nodes[1].Enforced {
			r.Errorf("%+v", c)
		}
	})
	r.on("steps without instruments", func(r *rig) {
		if c := measured[gate.Steps](r, ""); c.Old.SessionsSeen || c.New.SessionsSeen {
			r.Errorf("performance_schema is off, and: %+v", c)
		}
	})
	r.on("health without instruments", func(r *rig) {
		measured[gate.Health](r, "")
		if m := metric(measured[gate.Health](r, ""), metricErrors); m.Measured || !strings.Contains(m.Need, "performance_schema = ON") {
			r.Errorf("performance_schema is off, and: %+v", m)
		}
	})
	r.on("health behind", func(r *rig) {
		r.plan.Limits.MaxLag = time.Second
		lock := r.app(r.set.New, "LOCK TABLES shop.t WRITE")
		r.run(r.set.Old, r.row())
		var m gate.Metric
		r.until("the server says that it is behind", func() bool {
			m = metric(measured[gate.Health](r, ""), metricLag)
			return m.New >= 2
		})
		if !m.Bad || m.Limit != 1 {
			r.Errorf("new is behind, and: %+v", m)
		}
		r.exec(lock, "UNLOCK TABLES")
		r.caughtUp()
		becomes(r, "caught up", func(c gate.Health) bool { m := metric(c, metricLag); return !m.Bad && m.Measured })
	})
	r.on("blind", blind)
	r.on("parity", parity)
	r.on("unsupported", func(r *rig) {
		for _, k := range []gate.Kind{gate.KindPreflight, gate.KindCheck, gate.KindWatch, gate.KindRehearsal, gate.KindSignOff, gate.KindOverride, gate.KindHook, gate.KindAction, gate.KindDecision, "odd"} {
			if _, err := Take(r.Context(), r.servers, k, r.request()); !errors.Is(err, ErrUnsupported) {
				r.Errorf("%s: %v", k, err)
			}
		}
	})
	r.on("another server", anotherServer)
}

// goesBack: what the application wrote to new after its switch is new's own once it went back to old. Writes are counted again
// once a log began anew.
func goesBack(r *rig) {
	r.earlier = nil
	r.run(r.set.Old, shutMySQL)
	becomes(r, "shut", func(c gate.ReadOnly) bool { return c.Extra == "" && c.NewThrough != "" })
	on := r.app(r.set.New)
	measured[gate.WritesSwitch](r, "ann")
	r.exec(on, r.row())
	written := 1000 + *r.next
	becomes(r, "the application is on new", func(c gate.WritesSwitch) bool { return c.NewByApp > 0 || c.NewWrites > 0 && !c.WritersTold })
	if c := measured[gate.ReadOnly](r, ""); c.Extra != "" {
		r.Errorf("the application wrote after its switch, and: %+v", c)
	}
	on.Close()
	r.run(r.set.Old, openMySQL)
	back := r.app(r.set.Old, r.row())
	becomes(r, "it is back on old", func(c gate.WritesSwitch) bool { return len(c.AppOnOld) > 0 })
	becomes(r, "its word is void", func(c gate.WritesSwitch) bool { return c.By == "" })
	back.Close()
	r.caughtUp()
	r.run(r.set.Old, shutMySQL)
	if c := measured[gate.ReadOnly](r, ""); c.Extra == "" {
		r.Errorf("the application went back to old, and what it wrote to new is not told: %+v", c)
	}
	measured[gate.WritesSwitch](r, "ann")
	r.run(r.set.New, fmt.Sprintf("DELETE FROM shop.t WHERE id = %d", written), "RESET BINARY LOGS AND GTIDS")
	if c := measured[gate.WritesSwitch](r, ""); !c.WritesSeen {
		r.Errorf("new's log began anew, and: %+v", c)
	}
	r.run(r.set.Old, openMySQL)
}

func parity(r *rig) {
	r.plan.Path = plan.RollingUpgrade
	// A trigger that only old has, and that the account may not see.
	r.run(r.set.Old, "CREATE TRIGGER shop.tr BEFORE INSERT ON shop.t FOR EACH ROW SET NEW.v = NEW.v")
	r.caughtUp()
	r.run(r.set.New, "DROP TRIGGER shop.tr")
	if c := measured[gate.Schema](r, ""); !slices.ContainsFunc(c.Differences, func(f gate.Finding) bool { return f.Object == "triggers" && f.Unseen && f.Fix != "" }) {
		r.Errorf("triggers are hidden, and: %+v", c)
	}
	r.run(r.set.Old, "GRANT TRIGGER, EVENT ON *.* TO 'crosscheck'@'%'")
	r.caughtUp()
	// Live sessions go on without it; a look has new ones.
	if c := measured[gate.Schema](r, ""); !found(c.Differences, "trigger_missing") || found(c.Differences, "not_visible") {
		r.Errorf("a trigger is missing on new, and: %+v", c)
	}
	r.run(r.set.Old, "DROP TRIGGER IF EXISTS shop.tr")
	if c := measured[gate.Schema](r, ""); len(c.Differences) > 0 || !c.Complete || c.Tables != 1 {
		r.Errorf("%+v", c)
	}
	if c := measured[gate.Config](r, ""); !c.Complete || c.Variables < 100 {
		r.Errorf("%+v", c)
	}
	r.run(r.set.New, "ALTER TABLE shop.t MODIFY v SMALLINT", "SET GLOBAL innodb_lock_wait_timeout = 7")
	if c := measured[gate.Schema](r, ""); !found(c.Differences, "column_type") || found(c.Differences, "config_innodb_lock_wait_timeout") {
		r.Errorf("%+v", c)
	}
	if c := measured[gate.Config](r, ""); !found(c.Differences, "config_innodb_lock_wait_timeout") || found(c.Differences, "column_type") {
		r.Errorf("%+v", c)
	}
	asked := func(kind gate.Kind) (out []string) { // what a look reads besides tables and settings
		r.run(r.set.New, "TRUNCATE mysql.general_log", "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON")
		r.take(kind, "")
		r.run(r.set.New, "SET GLOBAL general_log = OFF")
		for _, t := range []string{"mysql.time_zone_name", "mysql.user", "mysql.db"} {
			var n int
			if err := r.set.New.DB().QueryRowContext(r.Context(), "SELECT COUNT(*) FROM mysql.general_log WHERE command_type IN ('Query', 'Execute') "+
				"AND CONVERT(argument USING utf8mb4) LIKE ? AND CONVERT(argument USING utf8mb4) NOT LIKE '%LIMIT 0'", "%FROM "+t+"%").Scan(&n); err != nil {
				r.Fatal(err)
			}
			if n > 0 {
				out = append(out, t)
			}
		}
		return out
	}
	if got := asked(gate.KindSchema); !slices.Equal(got, []string{"mysql.user"}) {
		r.Errorf("the schema needs how accounts log in, not what they may do: %v was read", got)
	}
	if got := asked(gate.KindConfig); !slices.Equal(got, []string{"mysql.time_zone_name"}) {
		r.Errorf("the configuration needs time zones, not accounts: %v was read", got)
	}
	if _, err := Take(r.Context(), r.servers, gate.KindRestoredCopy, r.request()); err == nil {
		r.Error("nothing was checked, and the copy was")
	}
	taken := time.Now().Add(-time.Hour)
	f, g := r.servers.Old.Facts(), r.servers.New.Facts()
	r.earlier = append(r.earlier, gate.Evidence{
		Taken: taken, From: taken.Add(-time.Minute), Old: f.ServerUUID, New: g.ServerUUID,
		Content: gate.Check{Run: "1", Verdict: gate.Same, Coverage: gate.Coverage{Tables: 1, Rows: 3, Complete: true}},
	})
	e := r.take(gate.KindRestoredCopy, "")
	c, _ := e.Content.(gate.RestoredCopy)
	if c.Copy != g.ServerUUID || c.Version == "" || c.Verdict != gate.Same || !e.Taken.Equal(taken) {
		r.Errorf("%+v", e)
	}
}

func found(list []gate.Finding, id string) bool {
	for _, f := range list {
		if f.ID == id {
			return true
		}
	}
	return false
}

// door is a TCP forwarder whose far end can be exchanged.
type door struct {
	net.Listener
	mu    sync.Mutex
	to    string
	conns []net.Conn
	wg    sync.WaitGroup
}

func newDoor(t *testing.T, to string) *door {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{Listener: l, to: to}
	d.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			d.pass(in)
		}
	})
	t.Cleanup(func() { l.Close(); d.lead(""); d.wg.Wait() })
	return d
}

func (d *door) pass(in net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", d.to)
	if err != nil {
		in.Close()
		return
	}
	d.conns = append(d.conns, in, out)
	for _, p := range [][2]net.Conn{{in, out}, {out, in}} {
		d.wg.Go(func() { _, _ = io.Copy(p[0], p[1]); p[0].Close(); p[1].Close() })
	}
}

// lead sends whoever connects from now on elsewhere, and ends what is connected.
func (d *door) lead(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
	for _, c := range d.conns {
		c.Close()
	}
	d.conns = nil
}

func anotherServer(r *rig) {
	d := newDoor(r.T, r.set.Old.Addr())
	same := cluster.Secret(r.set.Old.Password(fixtures.Crosscheck))
	// Both sides take one password, so that the exchange is not noticed by it.
	r.run(r.set.New, "SET sql_log_bin = 0", "ALTER USER 'crosscheck'@'%' IDENTIFIED BY '"+same.Reveal()+"'")
	s := Servers{New: r.servers.New, Old: r.dial(cluster.Config{Label: "old", Net: "tcp", Addr: d.Addr().String(), User: "crosscheck", Password: same})}
	s.New = r.dial(cluster.Config{Label: "new", Net: "tcp", Addr: r.set.New.Addr(), User: "crosscheck", Password: same})
	if _, err := Take(r.Context(), s, gate.KindGTID, r.request()); err != nil {
		r.Fatal(err)
	}
	change, err := Prepare(r.Context(), s, ActionSetSteps, r.request())
	if err != nil {
		r.Fatal(err)
	}
	d.lead(r.set.New.Addr())
	for _, k := range []gate.Kind{gate.KindGTID, gate.KindSteps, gate.KindReadOnly, gate.KindRestoredCopy} {
		if e, err := Take(r.Context(), s, k, r.request()); !cluster.IsServerChanged(err) {
			r.Errorf("%s of another server: %+v, %v", k, e, err)
		}
	}
	if done, err := change.Apply(r.Context()); !cluster.IsServerChanged(err) || done.Applied {
		r.Errorf("change of another server: %+v, %v", done, err)
	}
}

func TestChain(t *testing.T) {
	r := newRig(t, fixtures.Spec{
		Topology: fixtures.Chain, Old: fixtures.MySQL, OldOptions: fixtures.ServerOptions{GTID: fixtures.GTIDOff},
	}, plan.GTIDConverter)
	r.shop()
	r.on("sync", func(r *rig) {
		becomes(r, "all is well", func(c gate.Sync) bool {
			return !slices.ContainsFunc([][2]string{{"old", "converter"}, {"converter", "new"}}, func(ends [2]string) bool {
				l := linkBetween(r, c, ends[0], ends[1])
				return !l.Running || !l.LagKnown || l.Skips
			})
		})
		if err := r.set.StopReplication(r.Context(), fixtures.Middle); err != nil {
			r.Fatal(err)
		}
		if l := linkBetween(r, measured[gate.Sync](r, ""), "old", "converter"); l.Running {
			r.Errorf("stopped, and: %+v", l)
		}
		if err := r.set.StartReplication(r.Context(), fixtures.Middle); err != nil {
			r.Fatal(err)
		}
		r.caughtUp()
	})
	r.on("read only and drained", func(r *rig) {
		r.run(r.set.Old, shutMySQL)
		becomes(r, "shut", func(c gate.ReadOnly) bool {
			return c.SuperReadOnly && c.OldT1 == c.OldT2 && c.NewApplied == c.OldT2 && c.Extra == ""
		})
		becomes(r, "shut", func(d gate.Drained) bool { return d.EchoesComplete && !d.Since.IsZero() && d.OldWrites == 0 })
		if g := measured[gate.GTID](r, ""); len(g.Nodes) != 3 || g.Nodes[2].Mode != "ON" || g.Nodes[2].Anonymous != 0 || !g.Nodes[2].Enforced {
			r.Errorf("%+v", g)
		}
		if err := r.set.StopReplication(r.Context(), fixtures.New); err != nil {
			r.Fatal(err)
		}
		r.run(r.set.Old, openMySQL, r.row(), shutMySQL)
		if c := measured[gate.ReadOnly](r, ""); c.NewApplied == c.OldT2 {
			r.Errorf("new is behind the converter, and: %+v", c)
		}
		if d := measured[gate.Drained](r, ""); d.EchoesComplete || d.OldWrites != 1 {
			r.Errorf("new is behind the converter, and: %+v", d)
		}
		if err := r.set.StartReplication(r.Context(), fixtures.New); err != nil {
			r.Fatal(err)
		}
		r.caughtUp()
		r.run(r.set.Middle, r.row())
		r.caughtUp()
		becomes(r, "written on the converter", func(c gate.ReadOnly) bool { return strings.Contains(c.Extra, "converter") })
		r.run(r.set.New, r.row())
		own := r.servers.New.Facts().ServerUUID
		becomes(r, "written on new", func(c gate.ReadOnly) bool {
			return strings.Contains(c.Extra, own) && strings.Contains(c.Extra, "converter")
		})
		// A check that came later and finds all the same has found them harmless; one that finds differences, or that compared
		// less, has not.
		check := func(verdict string, include ...string) gate.Evidence {
			p, err := r.servers.New.Position(r.Context())
			if err != nil {
				r.Fatal(err)
			}
			now := time.Now()
			return gate.Evidence{
				Taken: now, From: now, Old: r.servers.Old.Facts().ServerUUID, New: r.servers.New.Facts().ServerUUID,
				Positions: map[string]string{"new": p.String()},
				Content:   gate.Check{Run: "1", Verdict: verdict, Coverage: gate.Coverage{Include: include, Tables: 1, Rows: 3, Complete: true}},
			}
		}
		for _, c := range []gate.Evidence{check(gate.Different), check(gate.Undecided), check(gate.Same, "shop.other")} {
			r.earlier = append(r.earlier, c)
			if got := measured[gate.ReadOnly](r, ""); !strings.Contains(got.Extra, own) || !strings.Contains(got.Extra, "converter") {
				r.Errorf("after %+v: %+v", c.Content, got)
			}
		}
		r.earlier = append(r.earlier, check(gate.Same))
		becomes(r, "found harmless", func(c gate.ReadOnly) bool { return c.Extra == "" && c.NewApplied == c.OldT2 })
		r.run(r.set.New, r.row())
		becomes(r, "written on new once more", func(c gate.ReadOnly) bool { return strings.Contains(c.Extra, own) })
		r.run(r.set.Old, openMySQL)
	})
	r.on("converter", oneConverter)
	r.on("anonymous in the log", func(r *rig) {
		before := becomes(r, "compared", func(c gate.Converter) bool { return c.Compared > 0 })
		conn, err := r.set.New.DB().Conn(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		defer conn.Close()
		r.exec(conn, "SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET gtid_next = 'ANONYMOUS'", r.row(), "SET gtid_next = 'AUTOMATIC'", "SET GLOBAL gtid_mode = ON")
		r.run(r.set.Old, r.row())
		r.caughtUp()
		// New does not send the anonymous one: what is behind it is compared all the same.
		becomes(r, "compared behind it", func(c gate.Converter) bool {
			return c.Compared > 0 && c.Compared != before.Compared && c.From["new"] != ""
		})
		if c := measured[gate.Converter](r, ""); c.Compared == 0 || c.From["new"] == "" {
			r.Errorf("looked at again: %+v", c)
		}
	})
	r.on("converter gone", func(r *rig) {
		if err := r.set.Middle.Stop(r.Context()); err != nil {
			r.Fatal(err)
		}
		for _, k := range []gate.Kind{gate.KindGTID, gate.KindConverter, gate.KindSync} {
			e := r.take(k, "")
			switch c := e.Content.(type) {
			case gate.GTID:
				if len(c.Nodes) != 3 || c.Nodes[2].Name != "converter" || c.Nodes[2].Reachable {
					r.Errorf("%+v", c)
				}
			case gate.Converter:
				if len(c.Nodes) != 3 || c.Nodes[2].Reachable || c.Compared != 0 {
					r.Errorf("%+v", c)
				}
			case gate.Sync:
				if len(c.Links) != 0 {
					r.Errorf("%+v", c)
				}
			}
		}
	})
}

// oneConverter proves it, and then makes new convert as well: by itself, straight from old.
func oneConverter(r *rig) {
	c := measured[gate.Converter](r, "")
	if len(c.Nodes) != 3 || c.Nodes[0].Assigns || !c.Nodes[1].Assigns || c.Nodes[1].Name != "converter" || c.Nodes[2].Assigns || c.Compared < 3 || len(c.Alarms) > 0 {
		r.Errorf("%+v", c)
	}
	old := r.set.Old
	var file string
	var pos int64
	var rest [3]any
	if err := old.DB().QueryRowContext(r.Context(), "SHOW BINARY LOG STATUS").Scan(&file, &pos, &rest[0], &rest[1], &rest[2]); err != nil {
		r.Fatal(err)
	}
	host, port, err := net.SplitHostPort(old.Addr())
	if err != nil {
		r.Fatal(err)
	}
	if _, err := r.set.New.DB().ExecContext(r.Context(), "CHANGE REPLICATION SOURCE TO SOURCE_HOST='"+host+"', SOURCE_PORT="+port+", SOURCE_USER='repl', SOURCE_PASSWORD='"+
		old.Password(fixtures.Replicator)+"', GET_SOURCE_PUBLIC_KEY=1, SOURCE_LOG_FILE='"+file+"', SOURCE_LOG_POS="+itoa(pos)+
		", SOURCE_AUTO_POSITION=0, ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS=LOCAL FOR CHANNEL 'second'"); err != nil {
		r.Fatal("a second channel could not be made")
	}
	// The transaction must not be refused where it comes the second time: it has no key.
	r.run(r.set.New, "SET GLOBAL replica_exec_mode = 'IDEMPOTENT'", "START REPLICA FOR CHANNEL 'second'")
	// What new names itself shows that the channel has brought it.
	own := func() (text string) {
		q := "SELECT IF(LOCATE(@@server_uuid, @@global.gtid_executed) = 0, '', SUBSTRING_INDEX(SUBSTRING(@@global.gtid_executed, LOCATE(@@server_uuid, @@global.gtid_executed)), ',', 1))"
		if err := r.set.New.DB().QueryRowContext(r.Context(), q).Scan(&text); err != nil {
			r.Fatal(err)
		}
		return text
	}
	before := own()
	r.run(old, "UPDATE shop.t SET v = 80 ORDER BY id LIMIT 1")
	r.until("the second channel has brought a transaction", func() bool { return own() != before })
	r.caughtUp()
	c = measured[gate.Converter](r, "")
	if !c.Nodes[2].Assigns || len(c.Alarms) == 0 || !slices.Equal(c.Nodes[2].FromOld, []string{"second"}) {
		r.Errorf("a second converter, and: %+v", c)
	}
	r.Log(c.Alarms)
	r.run(r.set.New, "STOP REPLICA FOR CHANNEL 'second'", "RESET REPLICA ALL FOR CHANNEL 'second'", "SET GLOBAL replica_exec_mode = 'STRICT'")
	r.earlier = nil
	// The channel is gone; its traces stay.
	if c = measured[gate.Converter](r, ""); c.Nodes[2].Assigns || len(c.Alarms) == 0 {
		r.Errorf("after the second converter: %+v", c)
	}
}

// blind is an account that may not see other accounts' sessions, nor the place in the log.
func blind(r *rig) {
	r.app(r.set.Old)
	s := r.servers
	r.run(r.set.Old, "CREATE USER 'blind'@'%' IDENTIFIED BY 'x'", "GRANT SELECT ON shop.* TO 'blind'@'%'")
	r.caughtUp()
	for _, x := range []struct {
		srv   *fixtures.Server
		label string
		into  **cluster.Server
	}{{r.set.Old, "old", &s.Old}, {r.set.New, "new", &s.New}} {
		*x.into = r.dial(cluster.Config{Label: x.label, Net: "tcp", Addr: x.srv.Addr(), User: "blind", Password: "x"})
	}
	req := Request{Plan: r.plan, By: "ann"}
	e, err := Take(r.Context(), s, gate.KindWritesSwitch, req)
	if c, ok := e.Content.(gate.WritesSwitch); err != nil || !ok || c.SessionsSeen || c.WritesSeen || len(e.Positions) > 0 {
		r.Errorf("%+v, %v", e, err)
	}
	if e, err = Take(r.Context(), s, gate.KindSteps, req); err != nil || e.Content.(gate.Steps).Old.SessionsSeen {
		r.Errorf("%+v, %v", e, err)
	}
	e, err = Take(r.Context(), s, gate.KindDrained, req)
	if c, ok := e.Content.(gate.Drained); err != nil || !ok || c.SessionsSeen || !c.Since.IsZero() || c.EchoesComplete || c.OldThrough != "" {
		r.Errorf("%+v, %v", e, err)
	}
	for _, k := range []gate.Kind{gate.KindSync, gate.KindConverter} {
		if e, err := Take(r.Context(), s, k, req); !cluster.IsPermission(err) {
			r.Errorf("%s: %+v, %v", k, e, err)
		}
	}
	r.run(r.set.Old, "DROP USER 'blind'@'%'")
	r.caughtUp()
}

// TestPair56 is a pair of servers without super_read_only, whose gtid_mode only a restart changes.
func TestPair56(t *testing.T) {
	r := newRig(t, fixtures.Spec{Topology: fixtures.Pair, Old: fixtures.MySQL56, GTID: fixtures.GTIDOff}, plan.GTIDRestart)
	r.shop()
	time.Sleep(2100 * time.Millisecond)
	first := linkBetween(r, measured[gate.Sync](r, ""), "old", "new")
	if !first.Running || time.Since(first.Since) < time.Second || first.Words != gate.WordsSlave {
		r.Errorf("an idle applier's state is longer than the list of threads shows, and: %+v", first)
	}
	r.run(r.set.Old, r.row()) // anonymous in new's log, which new refuses to send later
	r.caughtUp()
	r.root.Old.DB().SetMaxIdleConns(0)
	r.set.Old.DB().SetMaxIdleConns(0)
	r.run(r.set.Old, "SET GLOBAL read_only = ON")
	// The replica's connection only fetches the log, whatever its account may do.
	r.run(r.set.Old, "GRANT SUPER ON *.* TO 'repl'@'%'")
	above, err := r.set.Old.DB().Conn(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	id := r.connID(above)
	r.left(r.servers.Old, fixtures.Admin, id)
	w := measured[gate.ReadOnly](r, "")
	if !w.ReadOnly || w.SuperReadOnly || !w.NoSuper || len(w.Above) != 1 || w.Above[0].ID != id || w.AboveUnseen != "" {
		r.Errorf("the session %d may write, and: %+v", id, w)
	}
	if err = above.Close(); err != nil {
		r.Fatal(err)
	}
	r.left(r.servers.Old, fixtures.Admin)
	becomes(r, "nobody is above", func(w gate.ReadOnly) bool {
		return w.SuperReadOnly && len(w.Above) == 0 && w.OldT1 == w.OldT2 && w.NewApplied == w.OldT2
	})
	if g := measured[gate.GTID](r, ""); g.Nodes[1].Ladder != gate.LadderRestart || g.Nodes[1].Mode != "OFF" || g.Nodes[1].Anonymous != -1 {
		r.Errorf("%+v", g)
	}
	before := linkBetween(r, measured[gate.Sync](r, ""), "old", "new")
	r.restartWith(r.set.New, "gtid_mode=ON", "enforce_gtid_consistency=ON")
	// What is read only and has arrived stays so; a source without GTIDs is refused from now on.
	becomes(r, "restarted", func(g gate.GTID) bool {
		return g.Nodes[1].Mode == "ON" && g.Nodes[1].Enforced && g.Nodes[1].Anonymous == 0
	})
	becomes(r, "restarted", func(w gate.ReadOnly) bool { return w.SuperReadOnly && w.NewApplied == w.OldT2 })
	last := linkBetween(r, measured[gate.Sync](r, ""), "old", "new")
	if later := linkBetween(r, measured[gate.Sync](r, ""), "old", "new"); later.Running || !later.Quiet.Equal(before.Since) || !last.Quiet.Equal(before.Since) {
		r.Errorf("restarted with its GTIDs, and: %+v, %+v, before: %+v", last, later, before)
	}
	r.run(r.set.Old, "SET GLOBAL read_only = OFF", r.row())
	if g := measured[gate.GTID](r, ""); g.Nodes[1].Anonymous != -1 {
		r.Errorf("a transaction is on its way, and: %+v", g)
	}
	r.on("reset", resets("old", r.set.Old, "RESET MASTER"))
}

// restartWith restarts a server with further lines in its option file.
func (r *rig) restartWith(s *fixtures.Server, lines ...string) {
	r.Helper()
	f, err := os.OpenFile(filepath.Join(s.Dir(), "my.cnf"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.Fatal(err)
	}
	if _, err = f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		r.Fatal(err)
	}
	if err = f.Close(); err != nil {
		r.Fatal(err)
	}
	if err = s.Restart(r.Context()); err != nil {
		r.Fatal(err)
	}
}

func TestOldToMariaDB(t *testing.T) {
	r := newRig(t, fixtures.Spec{Topology: fixtures.Pair, Old: fixtures.MySQL56, New: fixtures.MariaDB}, plan.DualWrite)
	r.shop()
	time.Sleep(2100 * time.Millisecond)
	becomes(r, "all is well", func(c gate.Sync) bool {
		l := linkBetween(r, c, "old", "new")
		return l.Running && l.LagKnown && len(c.Links) == 1 && time.Since(l.Since) >= time.Second && l.Words == gate.WordsSlave
	})
	if s := measured[gate.Steps](r, ""); s.Old.SessionsSeen || s.Old.Persisted != nil || s.Old.PersistedKnown || s.Old.Global != (gate.Step{Increment: 1, Offset: 1}) {
		r.Errorf("%+v", s)
	}
	becomes(r, "nobody writes", func(d gate.Drained) bool { return d.EchoesComplete && !d.Since.IsZero() })
	r.run(r.set.Old, r.row())
	if d := measured[gate.Drained](r, ""); d.OldWrites != 1 {
		r.Errorf("%+v", d)
	}
	r.root.Old.DB().SetMaxIdleConns(0)
	r.run(r.set.Old, "SET GLOBAL read_only = ON")
	r.set.Old.DB().SetMaxIdleConns(0)
	r.left(r.servers.Old, fixtures.Admin)
	becomes(r, "shut", func(w gate.ReadOnly) bool {
		return w.ReadOnly && w.SuperReadOnly && w.NewApplied == w.OldT2 && w.Extra == "" && !w.T1.IsZero()
	})
	if g := measured[gate.GTID](r, ""); g.Nodes[0].Mode != "OFF" || g.Nodes[0].Anonymous != -1 {
		r.Errorf("%+v", g)
	}
	if h := measured[gate.Health](r, ""); metric(h, metricDeadlocks).Name == "" {
		r.Errorf("%+v", h)
	}
}
