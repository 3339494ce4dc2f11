package preflight_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
	"crosscheck/fixtures"
	"crosscheck/gate/preflight"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a pair of real servers, seen with the account that crosscheck is
// given and with one that may see everything.
type rig struct {
	*testing.T
	set              *fixtures.Set
	old, new         *cluster.Server
	oldRoot, newRoot *cluster.Server
	path             preflight.Path
}

func newRig(t *testing.T, spec fixtures.Spec, path preflight.Path) *rig {
	t.Helper()
	if testing.Short() {
		t.Skip("starts servers")
	}
	set := fixtures.ForTest(t, spec)
	r := &rig{T: t, set: set, path: path}
	r.old, r.oldRoot = openBoth(t, set.Old, "old")
	r.new, r.newRoot = openBoth(t, set.New, "new")
	return r
}

func openBoth(t *testing.T, srv *fixtures.Server, label string) (plain, root *cluster.Server) {
	t.Helper()
	var out [2]*cluster.Server
	for i, c := range []cluster.Config{
		{Net: "tcp", Addr: srv.Addr(), User: string(fixtures.Crosscheck), Password: cluster.Secret(srv.Password(fixtures.Crosscheck))},
		{Net: "unix", Addr: srv.Socket(), User: string(fixtures.Admin), Password: cluster.Secret(srv.Password(fixtures.Admin))},
	} {
		c.Label = label
		s, err := cluster.Open(t.Context(), c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		out[i] = s
	}
	return out[0], out[1]
}

// run executes statements in one session that does not write to the binary
// log, unless logged.
func (r *rig) run(srv *fixtures.Server, logged bool, statements ...string) {
	r.Helper()
	ctx := context.WithoutCancel(r.Context())
	conn, err := srv.DB().Conn(ctx)
	if err != nil {
		r.Fatal(err)
	}
	defer conn.Close()
	value := map[bool]int{true: 1}[logged]
	for _, q := range append([]string{fmt.Sprintf("SET SESSION sql_log_bin=%d, SESSION sql_mode=''", value)}, append(statements, "SET SESSION sql_log_bin=1")...) {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			r.Fatalf("%s: %v", q, err)
		}
	}
}

func (r *rig) value(srv *fixtures.Server, query string) string {
	r.Helper()
	var s string
	if err := srv.DB().QueryRowContext(r.Context(), query).Scan(&s); err != nil {
		r.Fatalf("%s: %v", query, err)
	}
	return s
}

func (r *rig) judge(root bool, opt preflight.Options) preflight.Result {
	r.Helper()
	o, n := r.old, r.new
	if root {
		o, n = r.oldRoot, r.newRoot
	}
	pair, err := inspect.Collect(r.Context(), o, n, inspect.Options{})
	if err != nil {
		r.Fatal(err)
	}
	if opt.Path == "" {
		opt.Path = r.path
	}
	return preflight.Judge(pair, opt)
}

// open lists what is above info, as "severity name side".
func open(res preflight.Result) []string {
	out := []string{}
	for i := range res.Findings {
		if f := &res.Findings[i]; f.Counts() {
			out = append(out, fmt.Sprintf("%s %s %s", f.Severity, f.Name(), f.Side))
		}
	}
	return out
}

// flip is one wrong setting on a healthy pair.
type flip struct {
	name     string
	only     fixtures.Family // empty: all
	not      fixtures.Family
	old, new []string // statements, unlogged
	logged   []string // on old, replicated
	undoOld  []string
	undoNew  []string
	root     bool // look with the account that sees everything
	want     []string
	keep     string // why the statements that findings name do not mend it by themselves
}

// grants tells whether it changes what crosscheck may do.
func (f flip) grants() bool {
	return slices.ContainsFunc(slices.Concat(f.old, f.new), func(q string) bool { return strings.HasPrefix(q, "REVOKE ") })
}

func (r *rig) try(f flip) {
	r.Run(f.name, func(t *testing.T) {
		sub := *r
		sub.T = t
		defer func() {
			sub.run(r.set.Old, false, f.undoOld...)
			sub.run(r.set.New, false, f.undoNew...)
			if f.grants() {
				sub.reconnect()
			}
			if err := r.set.WaitCaughtUp(t.Context()); err != nil { // replication that was started anew connects
				t.Error(err)
			}
		}()
		sub.run(r.set.Old, true, f.logged...)
		sub.run(r.set.Old, false, f.old...)
		if len(f.logged) > 0 && len(f.new) > 0 { // what is done on new builds on it
			if err := r.set.WaitCaughtUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sub.run(r.set.New, false, f.new...)
		if f.grants() {
			sub.reconnect()
		}
		if slices.ContainsFunc(slices.Concat(f.old, f.new), func(q string) bool { return strings.HasPrefix(q, "START ") }) {
			if err := r.set.WaitCaughtUp(t.Context()); err != nil { // until its receiver is connected
				t.Fatal(err)
			}
		}
		res := sub.judge(f.root, preflight.Options{})
		if got := open(res); !slices.Equal(got, f.want) {
			t.Errorf("got %q, want %q", got, f.want)
			for i := range res.Findings {
				if x := &res.Findings[i]; x.Counts() {
					t.Logf("%s: %s", x.Name(), x.Found)
				}
			}
			return
		}
		if f.keep == "" {
			sub.mend(f, res)
		}
	})
}

// reconnect ends the sessions that look: one that began while a privilege was taken away lacks it to its end.
func (r *rig) reconnect() {
	for _, s := range []*cluster.Server{r.old, r.new} {
		s.DB().SetMaxIdleConns(0)
		s.DB().SetMaxIdleConns(2)
	}
}

// mend runs the statements that findings name, where they name any that change
// something, and looks again: nothing may be left.
func (r *rig) mend(f flip, res preflight.Result) {
	r.Helper()
	root := f.root
	statements := map[string][]string{}
	for i := range res.Findings {
		found := &res.Findings[i]
		if !found.Counts() {
			continue
		}
		if len(found.Fixes) == 0 || strings.HasPrefix(found.Fixes[0].SQL, "SHOW ") {
			return
		}
		for _, x := range found.Fixes {
			statements[x.On] = append(statements[x.On], x.SQL)
		}
	}
	r.run(r.set.Old, true, statements["old"]...)
	r.run(r.set.New, true, statements["new"]...)
	if err := r.set.WaitCaughtUp(r.Context()); err != nil {
		r.Errorf("after %q: %v", statements, err)
	}
	if f.grants() {
		r.reconnect()
	}
	if left := open(r.judge(root, preflight.Options{})); len(left) > 0 {
		r.Errorf("after %q there is still %q", statements, left)
	}
}

const sampleTable = "CREATE TABLE shop.t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) NOT NULL, v VARCHAR(50) NULL, n INT NOT NULL DEFAULT 1, " +
	"e ENUM('a','b') NOT NULL DEFAULT 'a', at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE KEY code (code), KEY n (n)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"

// base makes what a shop has, on both sides by replication.
func (r *rig) base(replicated bool) {
	r.Helper()
	statements := []string{
		"CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", sampleTable,
		"CREATE TABLE shop.child (id INT PRIMARY KEY, t INT NULL, KEY t (t), CONSTRAINT child_t FOREIGN KEY (t) REFERENCES shop.t (id)) ENGINE=InnoDB",
		"CREATE VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 5",
		"INSERT INTO shop.t (code, v) VALUES ('x', 'y')",
	}
	r.run(r.set.Old, replicated, statements...)
	if !replicated {
		r.run(r.set.New, false, statements...)
	}
	for _, kind := range []fixtures.Kind{fixtures.Orders, fixtures.AllTypes, fixtures.Composite, fixtures.Partitioned, fixtures.VarcharKey} {
		for _, s := range []*fixtures.Server{r.set.Old, r.set.New} {
			if replicated && s == r.set.New {
				continue
			}
			if err := fixtures.Generate(r.Context(), s.DB(), fixtures.TableSpec{Kind: kind, Database: "shop", Unlogged: !replicated}, 20, 1); err != nil {
				r.Fatal(err)
			}
		}
	}
	if err := r.set.WaitCaughtUp(r.Context()); err != nil {
		r.Fatal(err)
	}
}

func TestOneWrongSetting(t *testing.T) {
	for _, family := range fixtures.Families() {
		t.Run(string(family), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, fixtures.Spec{Topology: fixtures.Dual, Old: family, New: family}, preflight.DualWrite)
			r.base(true)
			for _, root := range []bool{false, true} {
				for _, path := range preflight.Paths() {
					res := r.judge(root, preflight.Options{Path: path})
					if got := open(res); len(got) > 0 || res.Verdict != preflight.Pass {
						t.Fatalf("a healthy pair on the path %s (admin %v): %s %q", path, root, res.Verdict, got)
					}
				}
			}
			for _, f := range slices.Concat(r.settingFlips(family), r.onOld(r.settingFlips(family)), r.schemaFlips(), unlikeFlips(family), r.programFlips(family)) {
				if (f.only == "" || f.only == family) && f.not != family {
					r.try(f)
				}
			}
			if got := open(r.judge(true, preflight.Options{})); len(got) > 0 {
				t.Errorf("after all cases were undone: %q", got)
			}
			r.accounts(family)
			r.chosen()
			r.asApplication()
		})
	}
}

// chosen looks at some tables only: what is wrong in other schemas is not told.
func (r *rig) chosen() {
	r.run(r.set.New, false, "CREATE DATABASE other CHARACTER SET latin1", "CREATE TABLE other.t (id INT)", "CREATE PROCEDURE other.p() SELECT 1")
	r.run(r.set.Old, false, "CREATE DATABASE other CHARACTER SET utf8mb4", "CREATE TABLE other.t (id INT)")
	for _, c := range []struct {
		include, exclude []string
		open             bool
	}{{nil, nil, true}, {[]string{"shop.*"}, nil, false}, {[]string{"shop.t"}, nil, false}, {nil, []string{"other.*"}, false}} {
		filter, err := cluster.NewFilter(c.include, c.exclude)
		if err != nil {
			r.Fatal(err)
		}
		pair, err := inspect.Collect(r.Context(), r.oldRoot, r.newRoot, inspect.Options{Filter: filter})
		if err != nil {
			r.Fatal(err)
		}
		for _, s := range []*inspect.Side{&pair.Old, &pair.New} {
			r.namesPrivileges(s)
		}
		if got := open(preflight.Judge(pair, preflight.Options{})); (len(got) > 0) != c.open {
			r.Errorf("tables %q but %q: %q", c.include, c.exclude, got)
		}
	}
	for _, s := range []*fixtures.Server{r.set.Old, r.set.New} {
		r.run(s, false, "DROP DATABASE other")
	}
}

// namesPrivileges: what root holds is read by the names that the version lists; one under another name would never be compared.
func (r *rig) namesPrivileges(s *inspect.Side) {
	r.Helper()
	i := slices.IndexFunc(s.Accounts, func(a inspect.Account) bool { return a.Name() == "root@localhost" })
	if i < 0 || len(s.Accounts[i].Grants) < 25 {
		r.Fatalf("%s: root's privileges were not read", s.Label)
	}
	for _, g := range s.Accounts[i].Grants {
		if g.Schema == "" && !s.Privileges[g.Privilege] {
			r.Errorf("%s: %s is not among the privileges that the server lists", s.Label, g.Privilege)
		}
	}
}

// asApplication looks with an account that has other rights than crosscheck's:
// what is missing is named with its GRANT, and nothing else goes wrong.
func (r *rig) asApplication() {
	r.run(r.set.Old, true, "CREATE TRIGGER shop.tr BEFORE INSERT ON shop.t FOR EACH ROW SET NEW.n = 2",
		"CREATE EVENT shop.ev ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t WHERE id < 0", "CREATE PROCEDURE shop.p() SELECT 1")
	for _, x := range []struct {
		server **cluster.Server
		srv    *fixtures.Server
		label  string
	}{{&r.old, r.set.Old, "old"}, {&r.new, r.set.New, "new"}} {
		s, err := cluster.Open(r.Context(), cluster.Config{
			Label: x.label, Net: "tcp", Addr: x.srv.Addr(), User: string(fixtures.App), Password: cluster.Secret(x.srv.Password(fixtures.App)),
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			r.Fatal(err)
		}
		r.Cleanup(func() { s.Close() })
		*x.server = s
	}
	// The application may not see how the two replicate, so nothing waits for it.
	if err := r.set.WaitCaughtUp(r.Context()); err != nil {
		r.Fatal(err)
	}
	res := r.judge(false, preflight.Options{})
	missing := 0
	for i := range res.Findings {
		switch f := &res.Findings[i]; {
		case f.ID == "privilege_missing" && len(f.Fixes) == 1 && strings.HasPrefix(f.Fixes[0].SQL, "GRANT "):
			missing++
		case f.ID == "trigger_present": // MariaDB shows it to whoever may write to the table
		case f.Counts():
			r.Errorf("as the application: %s: %s", f.Name(), f.Found)
		}
	}
	if missing < 6 || res.Verdict == preflight.Pass {
		r.Errorf("as the application: %s, %d privileges missing", res.Verdict, missing)
	}
}

// global is a case that sets a variable on new, and back.
func (r *rig) global(name, value string, want ...string) flip {
	was := r.value(r.set.New, "SELECT @@GLOBAL."+name)
	quote := func(v string) string {
		if v != "" && strings.Trim(v, "0123456789.") == "" {
			return v
		}
		return "'" + v + "'"
	}
	return flip{
		name: name, new: []string{"SET GLOBAL " + name + "=" + quote(value)}, undoNew: []string{"SET GLOBAL " + name + "=" + quote(was)}, want: want,
	}
}

// onOld is the same wrong on the other side, for the cases that are alike there.
func (r *rig) onOld(flips []flip) []flip {
	var out []flip
	for _, f := range flips {
		// These are about the two sides' own numbers, or about new alone.
		if len(f.want) == 0 || strings.Contains(f.want[0], "server_id") || strings.Contains(f.want[0], "step_") || strings.Contains(f.want[0], "_domain_") || f.name == "wait_timeout" {
			continue
		}
		m := flip{name: f.name + " on old", old: f.new, undoOld: f.undoNew, keep: f.keep}
		if strings.Contains(f.want[0], " config_") { // what mends it gives new the value of old
			m.undoNew = f.undoNew
		}
		for _, w := range f.want {
			if name, ok := strings.CutSuffix(w, " new"); ok {
				w = strings.Replace(name, "old→new", "new→old", 1) + " old"
			}
			m.want = append(m.want, w)
		}
		out = append(out, m)
	}
	return out
}

func (r *rig) settingFlips(family fixtures.Family) []flip {
	replica, isolation := "slave", "tx_isolation"
	if family == fixtures.MySQL {
		replica, isolation = "replica", "transaction_isolation"
	}
	strict := "ON"
	if r.value(r.set.New, "SELECT @@GLOBAL.innodb_strict_mode") == "1" {
		strict = "OFF"
	}
	warn := func(name string) string { return "warning config_" + name + ":" + name + " both" }
	format := r.global("binlog_format", "STATEMENT", "lossy binlog_format:binlog_format new")
	if family == fixtures.MySQL { // refuses while it replicates
		format.new = append([]string{"STOP REPLICA SQL_THREAD"}, append(format.new, "START REPLICA SQL_THREAD")...)
		format.undoNew = append([]string{"STOP REPLICA SQL_THREAD"}, append(format.undoNew, "START REPLICA SQL_THREAD")...)
	}
	out := []flip{
		format,
		r.global("binlog_row_image", "MINIMAL", "lossy binlog_row_image:binlog_row_image new"),
		r.global("sql_mode", "ANSI_QUOTES", warn("sql_mode")),
		r.global("time_zone", "+02:00", warn("time_zone")),
		r.global("character_set_server", "latin1", warn("character_set_server")),
		r.global("collation_server", "utf8mb4_unicode_ci", warn("collation_server")),
		r.global(isolation, "READ-COMMITTED", warn("transaction_isolation")),
		r.global("max_allowed_packet", "33554432", warn("max_allowed_packet")),
		r.global("innodb_strict_mode", strict, warn("innodb_strict_mode")),
		r.global("innodb_lock_wait_timeout", "7", warn("innodb_lock_wait_timeout")),
		r.global("group_concat_max_len", "8192", warn("group_concat_max_len")),
		r.global("wait_timeout", "60", warn("wait_timeout")),
		r.global("local_infile", "OFF", warn("local_infile")),
		r.global("max_join_size", "1000", warn("max_join_size")),
		r.global("sql_select_limit", "100", warn("sql_select_limit")),
		r.global("lock_wait_timeout", "5", warn("lock_wait_timeout")),
		r.global(replica+"_max_allowed_packet", "1048576", "warning replica_max_allowed_packet:"+replica+"_max_allowed_packet new"),
		r.global(replica+"_exec_mode", "IDEMPOTENT", "lossy replica_exec_mode:"+replica+"_exec_mode new"),
		r.global("server_id", r.value(r.set.Old, "SELECT @@GLOBAL.server_id"), "fatal server_id_same:server_id both"),
		r.global("auto_increment_offset", "1", "warning step_overlap:auto_increment_offset both"),
		r.global("auto_increment_offset", "3", "warning step_offset_ignored:auto_increment_offset new"),
		r.global("auto_increment_increment", "3", "warning step_overlap:auto_increment_offset both"),
	}
	switch family {
	case fixtures.MySQL:
		out = append(out,
			flip{
				name: "delay", new: []string{"STOP REPLICA", "CHANGE REPLICATION SOURCE TO SOURCE_DELAY=60", "START REPLICA"},
				undoNew: []string{"STOP REPLICA", "CHANGE REPLICATION SOURCE TO SOURCE_DELAY=0", "START REPLICA"}, want: []string{"warning replication_delay:channel new"},
			},
			r.global("binlog_expire_logs_seconds", "86400", "warning binlog_retention:binlog_expire_logs_seconds new"),
			r.global("binlog_row_value_options", "PARTIAL_JSON", "warning binlog_row_value_options:binlog_row_value_options new"),
			r.global("default_collation_for_utf8mb4", "utf8mb4_general_ci", warn("default_collation_for_utf8mb4")),
			r.global("sql_require_primary_key", "ON", warn("sql_require_primary_key")),
			flip{
				name: "filter", new: []string{"STOP REPLICA SQL_THREAD", "CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=(tmp)", "START REPLICA SQL_THREAD"},
				undoNew: []string{"STOP REPLICA SQL_THREAD", "CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=()", "START REPLICA SQL_THREAD"},
				want:    []string{"lossy replication_filter:replicate-ignore-db=tmp new"},
			},
			flip{name: "stopped", new: []string{"STOP REPLICA"}, undoNew: []string{"START REPLICA"}, want: []string{"warning replication_stopped:old→new new"}})
	case fixtures.MariaDB, fixtures.MariaDB105, fixtures.MariaDB118:
		domain := r.global("gtid_domain_id", "1", "fatal gtid_domain_same:gtid_domain_id both")
		out = append(out,
			domain,
			r.global("max_statement_time", "5.5", warn("max_statement_time")),
			flip{
				name: "delay", new: []string{"STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=60", "START SLAVE"},
				undoNew: []string{"STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=0", "START SLAVE"}, want: []string{"warning replication_delay:channel new"},
			},
			r.global("expire_logs_days", "2", "warning binlog_retention:binlog_expire_logs_seconds new"),
			flip{
				name: "filter", new: []string{"STOP SLAVE", "SET GLOBAL replicate_ignore_db='tmp'", "START SLAVE"},
				undoNew: []string{"STOP SLAVE", "SET GLOBAL replicate_ignore_db=''", "START SLAVE"},
				want:    []string{"lossy replication_filter:replicate-ignore-db=tmp new"},
			},
			flip{name: "stopped", new: []string{"STOP SLAVE"}, undoNew: []string{"START SLAVE"}, want: []string{"warning replication_stopped:old→new new"}})
	case fixtures.MySQL56:
		out = append(out, r.global("expire_logs_days", "2", "warning binlog_retention:expire_logs_days new"))
	}
	account := "'crosscheck'@'%'"
	client := "REPLICATION CLIENT"
	return append(out, flip{
		name: "privilege to read", new: []string{"REVOKE SELECT ON *.* FROM " + account, "GRANT SELECT ON shop.* TO " + account},
		undoNew: []string{"GRANT SELECT ON *.* TO " + account, "REVOKE SELECT ON shop.* FROM " + account},
		want:    []string{"warning not_found_out:accounts new", "warning not_found_out:time zones new", "warning privilege_missing:SELECT on everything new"},
		keep:    "hiddenAccounts looks with the narrower grants alone",
	}, flip{
		name: "privilege to tail", new: []string{"REVOKE REPLICATION SLAVE ON *.* FROM " + account}, undoNew: []string{"GRANT REPLICATION SLAVE ON *.* TO " + account},
		want: []string{"warning privilege_missing:REPLICATION SLAVE new"},
	}, flip{
		name: "privilege to see positions", new: []string{"REVOKE " + client + " ON *.* FROM " + account}, undoNew: []string{"GRANT " + client + " ON *.* TO " + account},
		want: []string{"warning privilege_missing:REPLICATION CLIENT new"},
	}, flip{
		name: "privilege", new: []string{"REVOKE PROCESS ON *.* FROM " + account}, undoNew: []string{"GRANT PROCESS ON *.* TO " + account},
		want: []string{"warning privilege_missing:PROCESS new"},
	})
}

// TestAcrossFamilies has the same tables on servers of two families: what each
// server shows in its own way is no difference, and what differs by nature is
// named once.
func TestAcrossFamilies(t *testing.T) {
	const unsupported = "fatal replication_unsupported:old→new new"
	warn := func(names ...string) []string {
		for i, n := range names {
			names[i] = "warning config_" + n + ":" + n + " both"
		}
		return names
	}
	noPassword := "warning account_password_unknown:app@% new" // by a plugin that new does not have
	for _, c := range []struct {
		topology fixtures.Topology
		old, new fixtures.Family
		want     []string
	}{
		{fixtures.Pair, fixtures.MySQL56, fixtures.MariaDB118, warn("group_concat_max_len", "innodb_snapshot_isolation", "innodb_strict_mode", "sql_mode")},
		{fixtures.Independent, fixtures.MySQL56, fixtures.MySQL, append([]string{unsupported, noPassword},
			warn("collation_server", "innodb_autoinc_lock_mode", "innodb_strict_mode", "restrict_fk_on_non_standard_key", "sql_mode")...)},
		{fixtures.Independent, fixtures.MariaDB118, fixtures.MySQL, append([]string{unsupported, noPassword},
			warn("collation_server", "group_concat_max_len", "innodb_autoinc_lock_mode", "innodb_snapshot_isolation", "restrict_fk_on_non_standard_key", "sql_mode")...)},
	} {
		t.Run(string(c.old)+" "+string(c.new), func(t *testing.T) {
			r := newRig(t, fixtures.Spec{Topology: c.topology, Old: c.old, New: c.new}, preflight.RollingUpgrade)
			r.base(c.topology == fixtures.Pair)
			for _, kind := range []fixtures.Kind{fixtures.Narrow, fixtures.Wide, fixtures.UUIDBinary, fixtures.UUIDChar, fixtures.UniqueOnly, fixtures.OddNames, fixtures.UnsignedKey} {
				for _, s := range []*fixtures.Server{r.set.Old, r.set.New} {
					if c.topology == fixtures.Pair && s == r.set.New {
						continue
					}
					if err := fixtures.Generate(t.Context(), s.DB(), fixtures.TableSpec{Kind: kind, Database: "shop", Unlogged: c.topology != fixtures.Pair}, 5, 1); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, s := range []*fixtures.Server{r.set.Old, r.set.New} {
				if c.topology != fixtures.Pair || s == r.set.Old {
					r.run(s, c.topology == fixtures.Pair, partitioned()...)
				}
			}
			if err := r.set.WaitCaughtUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i, s := range []*fixtures.Server{r.set.Old, r.set.New} { // one may everything, as far as its version goes, the other less on new
				r.run(s, false, "CREATE USER 'boss'@'%' IDENTIFIED BY 'Its own 1'", "GRANT ALL ON *.* TO 'boss'@'%' WITH GRANT OPTION",
					"CREATE USER 'clerk'@'10.%' IDENTIFIED BY 'Its own 1'", []string{"GRANT SELECT, INSERT, TRIGGER", "GRANT SELECT, INSERT"}[i]+" ON shop.* TO 'clerk'@'10.%'")
			}
			opt := preflight.Options{Accept: []string{"account_password_unknown:boss@%", "account_password_unknown:clerk@10.%"}}
			res := r.judge(true, opt)
			got := open(res)
			r.follow(res)
			if left := open(r.judge(true, opt)); !slices.Equal(left, c.want) {
				t.Errorf("after what findings of accounts say: %q, want %q", left, c.want)
			}
			const clerk = "warning account_privilege_missing:clerk@10.% new"
			if i := slices.Index(got, clerk); i < 0 {
				t.Errorf("%q lacks %s", got, clerk)
			} else if got = slices.Delete(got, i, i+1); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
				for i := range res.Findings {
					if x := &res.Findings[i]; x.Counts() {
						t.Logf("%s: %s", x.Name(), x.Found)
					}
				}
			}
		})
	}
}

// partitioned are tables in ways that each server writes as it likes.
func partitioned() []string {
	return []string{
		"CREATE TABLE shop.p1 (a INT NOT NULL, d DATE NOT NULL, PRIMARY KEY (a, d)) COLLATE utf8mb4_general_ci PARTITION BY RANGE (TO_DAYS(d)) SUBPARTITION BY HASH (a) SUBPARTITIONS 2 " +
			"(PARTITION p0 VALUES LESS THAN (TO_DAYS('2020-01-01')), PARTITION p1 VALUES LESS THAN MAXVALUE)",
		"CREATE TABLE shop.p2 (a VARCHAR(10) NOT NULL PRIMARY KEY) COLLATE utf8mb4_general_ci PARTITION BY LIST COLUMNS (a) (PARTITION p0 VALUES IN ('x', 'Y z'), PARTITION p1 VALUES IN ('Z'))",
		"CREATE TABLE shop.p3 (a DATETIME NOT NULL PRIMARY KEY) COLLATE utf8mb4_general_ci PARTITION BY RANGE COLUMNS (a) (PARTITION p0 VALUES LESS THAN ('2020-01-01 00:00:00'), PARTITION p1 VALUES LESS THAN (MAXVALUE))",
		"CREATE TABLE shop.p4 (a INT PRIMARY KEY) COLLATE utf8mb4_general_ci PARTITION BY KEY () PARTITIONS 3",
	}
}
