package preflight

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// Servers of the tests, by version.
func mysql(major, minor, patch int) cluster.Facts {
	return cluster.Facts{Flavor: cluster.FlavorMySQL, Major: major, Minor: minor, Patch: patch, Version: fmt.Sprintf("%d.%d.%d", major, minor, patch)}
}

func maria(major, minor, patch int) cluster.Facts {
	f := mysql(major, minor, patch)
	f.Flavor = cluster.FlavorMariaDB
	return f
}

func ptr[T any](v T) *T { return &v }

// sampleColumns are those of a table that both sides have.
func sampleColumns() []cluster.Column {
	return []cluster.Column{
		{Name: "id", Ordinal: 1, DataType: "int", ColumnType: "int(11)", AutoIncrement: true},
		{Name: "code", Ordinal: 2, DataType: "varchar", ColumnType: "varchar(20)", CharLen: 20, OctetLen: 80, Charset: "utf8mb4", Collation: "utf8mb4_general_ci"},
		{Name: "n", Ordinal: 3, DataType: "int", ColumnType: "int(11)", Default: ptr("1")},
		{Name: "at", Ordinal: 4, DataType: "timestamp", ColumnType: "timestamp", Nullable: true},
	}
}

func sampleSide(label string, id int, f cluster.Facts) inspect.Side {
	f.ServerUUID, f.Hostname, f.Port, f.DataDir = "uuid-"+label, "h", id, "/"+label
	vars := map[string]string{}
	for _, st := range settings() { // every variable that somebody may compare
		vars[st.names[0]] = "1000"
	}
	for k, v := range map[string]string{
		"server_id": fmt.Sprint(id), "log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "log_replica_updates": "ON",
		"binlog_expire_logs_seconds": "2592000", "gtid_mode": "ON", "enforce_gtid_consistency": "ON", "auto_increment_increment": "2",
		"auto_increment_offset": fmt.Sprint(id), "lower_case_table_names": "0", "replica_exec_mode": "STRICT", "replica_skip_errors": "OFF",
		"sql_mode": "STRICT_TRANS_TABLES", "time_zone": "SYSTEM", "system_time_zone": "UTC", "event_scheduler": "ON", "read_only": "OFF",
		"character_set_server": "utf8mb4", "collation_server": "utf8mb4_general_ci",
	} {
		vars[k] = v
	}
	if f.IsMariaDB() {
		delete(vars, "gtid_mode")
		delete(vars, "enforce_gtid_consistency")
		vars["gtid_domain_id"] = fmt.Sprint(id)
	}
	return inspect.Side{
		Label: label, Facts: f, Variables: vars, Set: map[string]bool{}, SetKnown: true,
		Schemas: []inspect.Schema{{Name: "shop", Charset: "utf8mb4", Collation: "utf8mb4_general_ci"}},
		Tables: []inspect.Table{{
			Table: cluster.Table{
				Schema: "shop", Name: "t", Kind: cluster.TableBase, Engine: "InnoDB", Charset: "utf8mb4", Collation: "utf8mb4_general_ci", Columns: sampleColumns(),
				Keys: []cluster.Key{
					{Name: "PRIMARY", Primary: true, Unique: true, Visible: true, Type: "BTREE", Parts: []cluster.KeyPart{{Column: "id"}}},
					{Name: "code", Unique: true, Visible: true, Type: "BTREE", Parts: []cluster.KeyPart{{Column: "code"}}},
					{Name: "n", Visible: true, Type: "BTREE", Parts: []cluster.KeyPart{{Column: "n"}}},
				},
				Partitions: []string{"p0", "p1"},
			},
			NextAutoIncrement: 100,
		}},
		ForeignKeys: []inspect.ForeignKey{{Schema: "shop", Table: "t", Name: "fk", References: "shop.p", OnDelete: "RESTRICT", OnUpdate: "NO ACTION"}},
		Programs: []inspect.Program{
			{Kind: inspect.View, Schema: "shop", Name: "v", Body: "select 1"},
			{Kind: inspect.Function, Schema: "shop", Name: "f", Body: "return crc32(1)"},
			{Kind: inspect.Event, Schema: "shop", Name: "e", Body: "do 1", Status: map[string]string{"old": "ENABLED", "new": "REPLICA_SIDE_DISABLED"}[label]},
			{Kind: inspect.Check, Schema: "shop", Table: "t", Name: "c", Body: "(n > 0)"},
		},
		Sees: map[inspect.ProgramKind]bool{
			inspect.Trigger: true, inspect.Event: true, inspect.Procedure: true, inspect.Function: true, inspect.View: true, inspect.Check: true,
		},
		Accounts: sampleAccounts(f.IsMariaDB()), AccountsKnown: true,
		AuthPlugins: map[string]bool{"caching_sha2_password": true},
		Reserved:    map[string]bool{}, Lacks: map[string]bool{},
	}
}

func samplePair(o, n cluster.Facts) inspect.Pair {
	return inspect.Pair{
		Old: sampleSide("old", 1, o), New: sampleSide("new", 2, n),
		Relation: inspect.Relation{Known: true, Mode: cluster.TwoWay, Links: []inspect.Link{{From: "old", To: "new", Running: true}, {From: "new", To: "old", Running: true}}},
		Clock:    inspect.Clock{Known: true, Offset: 2 * time.Millisecond, Bound: time.Millisecond},
	}
}

// names lists the findings but for the one about sizes, which is always there.
func names(r Result) []string {
	out := []string{}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.ID != "size" {
			out = append(out, fmt.Sprintf("%s %s %s", f.Severity, f.Name(), f.Side))
		}
	}
	return out
}

func TestHealthyPairs(t *testing.T) {
	for _, f := range []cluster.Facts{mysql(5, 6, 24), mysql(5, 7, 44), mysql(8, 0, 40), mysql(8, 4, 3), mysql(9, 7, 4), maria(10, 6, 20), maria(10, 11, 14), maria(11, 8, 2)} {
		for _, path := range Paths() {
			r := Judge(samplePair(f, f), Options{Path: path})
			if got := names(r); len(got) > 0 || r.Verdict != Pass {
				t.Errorf("%s %s, %s: %s %q", f.Flavor, f.Version, path, r.Verdict, got)
			}
		}
	}
}

// wrong is one cause and what must be found, and nothing else.
type wrong struct {
	name     string
	old, new cluster.Facts // zero: MySQL 9.7
	path     Path
	accounts []string // of the plan
	do       func(p *inspect.Pair)
	want     []string
}

func newTable(p *inspect.Pair) *inspect.Table { return &p.New.Tables[0] }

func newColumn(p *inspect.Pair, name string) *cluster.Column { return newTable(p).Column(name) }

// variable sets one on new.
func variable(name, value string) func(*inspect.Pair) {
	return func(p *inspect.Pair) { p.New.Variables[name] = value }
}

func cases() []wrong {
	m80, m57, m56 := mysql(8, 0, 40), mysql(5, 7, 44), mysql(5, 6, 24)
	ma := maria(10, 11, 14)
	out := []wrong{
		{name: "privilege", do: func(p *inspect.Pair) {
			p.New.Missing = []inspect.Missing{{Privilege: cluster.PrivProcess, Grant: "GRANT PROCESS"}}
		}, want: []string{"warning privilege_missing:PROCESS new"}},
		{name: "not found out", do: func(p *inspect.Pair) { p.Old.Unknown = []inspect.Gap{{What: "tables", Why: "error 1"}} }, want: []string{"warning not_found_out:tables old"}},
		{name: "hidden on both", do: func(p *inspect.Pair) {
			p.Old.Hidden = []inspect.Gap{{What: "events"}}
			p.New.Hidden = []inspect.Gap{{What: "events"}}
		}, want: []string{"info not_visible:events both"}},
		{name: "same server", do: func(p *inspect.Pair) { p.New.Facts, p.Same = p.Old.Facts, true }, want: []string{"fatal same_server:uuid-old both"}},
		{name: "copied data directory", do: func(p *inspect.Pair) { p.New.Facts.ServerUUID, p.Same = "uuid-old", true }, want: []string{"fatal server_uuid_same:uuid-old both"}},
		{name: "server_id, and replication stopped by it", do: func(p *inspect.Pair) {
			p.New.Variables["server_id"] = "1"
			p.Relation.Links[0].Running = false
		}, want: []string{"fatal server_id_same:server_id both"}},
		{name: "server_id 0", do: variable("server_id", "0"), want: []string{"fatal server_id_zero:server_id new"}},
		{name: "clock ahead", do: func(p *inspect.Pair) { p.Clock.Offset = 3 * time.Second }, want: []string{"warning clock_skew:clock both"}},
		{name: "clock behind", do: func(p *inspect.Pair) { p.Clock.Offset = -3 * time.Second }, want: []string{"warning clock_skew:clock both"}},
		{name: "clock within its bound", do: func(p *inspect.Pair) {
			p.Clock = inspect.Clock{Known: true, Offset: 3 * time.Second, Bound: 3 * time.Second}
		}},
		{name: "disk", do: func(p *inspect.Pair) { p.Old.Tables[0].DataBytes, p.New.FreeBytes = 1<<40, 1<<30 }, want: []string{"warning disk_space:data new"}},

		{name: "5.6 to 9.7", old: m56, do: func(p *inspect.Pair) { p.Old.Variables["gtid_mode"] = "OFF" }, want: []string{"fatal replication_unsupported:old→new both"}},
		{name: "5.6 to 9.7 through a converter", old: m56, path: GTIDConverter, do: func(p *inspect.Pair) { p.Old.Variables["gtid_mode"] = "OFF" }, want: []string{"warning replication_skips_series:old→new new"}},
		{name: "MariaDB to MySQL", old: ma, path: RollingUpgrade, want: []string{"fatal replication_unsupported:old→new new"}},
		{name: "MySQL 9 to MariaDB", new: ma, path: RollingUpgrade, want: []string{"fatal replication_unsupported:old→new new"}},
		{name: "5.6 to MariaDB and back", old: m56, new: ma, want: []string{"info replication_between_families:old→new both"}},
		{name: "5.7 to 8.4", old: m57, new: mysql(8, 4, 0), path: RollingUpgrade, want: []string{"warning replication_skips_series:old→new new"}},
		{name: "5.7 to 8.0, one way", old: m57, new: m80, path: RollingUpgrade},
		{name: "5.7 to 8.0 and back", old: m57, new: m80, want: []string{"warning replication_newer_to_older:new→old old"}},
		{name: "downgrade", old: m80, new: m57, path: RollingUpgrade, want: []string{"warning replication_newer_to_older:old→new new"}},
		{name: "MariaDB 10.6 to 10.11 and back", old: maria(10, 6, 1), new: ma, want: []string{"warning replication_newer_to_older:new→old old"}},
		{name: "no replication", do: func(p *inspect.Pair) { p.Relation = inspect.Relation{Known: true} }, want: []string{"info replication_absent:old→new both"}},
		{name: "no way back", do: func(p *inspect.Pair) { p.Relation.Mode = cluster.OneWay }, want: []string{"info replication_absent:new→old both"}},
		{name: "no way back needed", path: RollingUpgrade, do: func(p *inspect.Pair) { p.Relation.Mode = cluster.OneWay }},
		{name: "stopped", do: func(p *inspect.Pair) { p.Relation.Links[1].Running = false }, want: []string{"warning replication_stopped:new→old old"}},
		{name: "no binlog", do: func(p *inspect.Pair) {
			for _, n := range []string{"log_bin", "log_replica_updates"} {
				p.New.Variables[n] = "OFF"
			}
			p.New.Variables["binlog_format"] = "STATEMENT"
		}, want: []string{"fatal binlog_off:log_bin new"}},
		{name: "no binlog on new, one way", path: RollingUpgrade, do: variable("log_bin", "OFF"), want: []string{"warning binlog_off:log_bin new"}},
		{name: "format", do: variable("binlog_format", "MIXED"), want: []string{"lossy binlog_format:binlog_format new"}},
		{name: "image", do: variable("binlog_row_image", "NOBLOB"), want: []string{"lossy binlog_row_image:binlog_row_image new"}},
		{name: "image FULL_NODUP", do: variable("binlog_row_image", "FULL_NODUP")},
		{name: "partial JSON", do: variable("binlog_row_value_options", "PARTIAL_JSON"), want: []string{"warning binlog_row_value_options:binlog_row_value_options new"}},
		{name: "updates", do: variable("log_replica_updates", "OFF"), want: []string{"lossy log_replica_updates:log_replica_updates new"}},
		{name: "updates on old, one way", path: RollingUpgrade, do: func(p *inspect.Pair) { p.Old.Variables["log_replica_updates"] = "OFF" }},
		{name: "retention", do: variable("binlog_expire_logs_seconds", "86400"), want: []string{"warning binlog_retention:binlog_expire_logs_seconds new"}},
		{name: "retention for ever", do: variable("binlog_expire_logs_seconds", "0")},
		{name: "retention in days", old: m57, new: m57, do: func(p *inspect.Pair) {
			delete(p.New.Variables, "binlog_expire_logs_seconds")
			p.New.Variables["expire_logs_days"] = "3"
		}, want: []string{"warning binlog_retention:expire_logs_days new"}},
		{name: "binlog filter", do: func(p *inspect.Pair) { p.Old.BinlogFilters = []string{"binlog-do-db=a"} }, want: []string{"lossy binlog_filter:binlog-do-db=a old"}},
		{name: "filter", do: func(p *inspect.Pair) {
			p.New.Channels = []cluster.ReplicaChannel{{Filters: []string{"replicate-do-db=a"}}}
		}, want: []string{"lossy replication_filter:replicate-do-db=a new"}},
		{name: "filter of channels to come", do: func(p *inspect.Pair) { p.New.GlobalFilters = []string{"replicate-do-db=a"} }, want: []string{"lossy replication_filter:replicate-do-db=a new"}},
		{name: "delay", do: func(p *inspect.Pair) { p.New.Channels = []cluster.ReplicaChannel{{DelaySeconds: 3600}} }, want: []string{"warning replication_delay:channel new"}},
		{name: "small packets", do: variable("replica_max_allowed_packet", "999"), want: []string{"warning replica_max_allowed_packet:replica_max_allowed_packet new"}},
		{name: "compressed, for one of its kind", do: variable("binlog_transaction_compression", "ON")},
		{name: "compressed, for MariaDB", old: m80, new: maria(10, 11, 14), path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.Old.Variables["binlog_transaction_compression"] = "ON"
		}, want: []string{"fatal binlog_compression:binlog_transaction_compression old", "info replication_between_families:old→new new"}},
		{name: "ends of a chain", path: GTIDConverter, do: func(p *inspect.Pair) {
			p.Relation = inspect.Relation{Known: true}
			p.New.Channels = []cluster.ReplicaChannel{{}}
		}},
		{name: "ignored servers", do: func(p *inspect.Pair) { p.New.Channels = []cluster.ReplicaChannel{{IgnoreServers: []uint32{3, 4}}} }, want: []string{"lossy replication_filter:ignore-server-ids=3,4 new"}},
		{name: "filter of old, one way", path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.Old.Channels = []cluster.ReplicaChannel{{Filters: []string{"replicate-do-db=a"}}}
		}},
		{name: "skip", do: func(p *inspect.Pair) {
			p.New.Variables["replica_skip_errors"] = "1062"
			p.New.Channels = []cluster.ReplicaChannel{{SkipErrors: []string{"1062"}}}
		}, want: []string{"lossy replica_skip_errors:replica_skip_errors new"}},
		{name: "idempotent", do: func(p *inspect.Pair) {
			p.New.Variables["replica_exec_mode"] = "IDEMPOTENT"
			p.New.Channels = []cluster.ReplicaChannel{{ExecMode: "IDEMPOTENT"}}
		}, want: []string{"lossy replica_exec_mode:replica_exec_mode new"}},
		{name: "conversions", do: variable("replica_type_conversions", "ALL_LOSSY,ALL_NON_LOSSY"), want: []string{"lossy replica_type_conversions:replica_type_conversions new"}},
		{name: "triggers of appliers", old: ma, new: ma, do: variable("slave_run_triggers_for_rbr", "ENFORCE"), want: []string{"lossy replica_runs_triggers:slave_run_triggers_for_rbr new"}},
		{name: "domains", old: ma, new: ma, do: variable("gtid_domain_id", "1"), want: []string{"fatal gtid_domain_same:gtid_domain_id both"}},
		{name: "domains, one way", old: ma, new: ma, path: RollingUpgrade, do: variable("gtid_domain_id", "1")},

		{name: "steps overlap", do: variable("auto_increment_offset", "1"), want: []string{"warning step_overlap:auto_increment_offset both"}},
		{name: "steps of two and three overlap", do: variable("auto_increment_increment", "3"), want: []string{"warning step_overlap:auto_increment_offset both"}},
		{name: "offset ignored", do: variable("auto_increment_offset", "5"), want: []string{"warning step_offset_ignored:auto_increment_offset new"}},
		{name: "steps not set yet", do: func(p *inspect.Pair) {
			unset(p)
			p.Relation = inspect.Relation{}
		}, want: []string{"info step_overlap:auto_increment_offset both"}},
		{name: "steps not set, both written to", do: unset, want: []string{"warning step_overlap:auto_increment_offset both"}},
		{name: "another step, other path", path: RollingUpgrade, do: variable("auto_increment_increment", "3"), want: []string{"warning step_differs:auto_increment_increment both"}},
		{name: "offset ignored, other path", path: RollingUpgrade, do: variable("auto_increment_offset", "5"), want: []string{"warning step_offset_ignored:auto_increment_offset new"}},
		{name: "steps not set, other path", path: RollingUpgrade, do: unset},
		{name: "Galera", old: ma, new: ma, do: func(p *inspect.Pair) {
			p.New.Variables["wsrep_on"], p.New.Variables["wsrep_auto_increment_control"] = "ON", "ON"
		}, want: []string{"warning galera_step_control:wsrep_auto_increment_control new"}},
		{name: "group", do: func(p *inspect.Pair) { p.New.Facts.GroupReplication = true }, want: []string{"warning group_replication_step_control:group_replication_auto_increment_increment new"}},
		{name: "group with one primary", do: func(p *inspect.Pair) {
			p.New.Facts.GroupReplication = true
			p.New.Variables["group_replication_single_primary_mode"] = "ON"
		}},
		{name: "headroom", do: func(p *inspect.Pair) {
			p.Old.Tables[0].NextAutoIncrement, p.New.Tables[0].NextAutoIncrement = 1700000000, 1700000000
		}, want: []string{"warning auto_increment_headroom:shop.t old"}},
		{name: "end of the keys", do: func(p *inspect.Pair) { newTable(p).NextAutoIncrement = 2147483647 }, want: []string{"fatal auto_increment_headroom:shop.t new"}},
	}
	return slices.Concat(out, gtidCases(), schemaCases(), programCases(), configCases())
}

func unset(p *inspect.Pair) {
	for _, s := range []*inspect.Side{&p.Old, &p.New} {
		s.Variables["auto_increment_increment"], s.Variables["auto_increment_offset"] = "1", "1"
	}
}

func gtidCases() []wrong {
	var out []wrong
	levels := []string{"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"}
	// What old writes and new takes, and back.
	fine := map[string]bool{
		"OFF OFF": true, "OFF OFF_PERMISSIVE": true, "OFF_PERMISSIVE OFF": true, "OFF_PERMISSIVE OFF_PERMISSIVE": true, "OFF_PERMISSIVE ON_PERMISSIVE": true,
		"ON_PERMISSIVE OFF_PERMISSIVE": true, "ON_PERMISSIVE ON_PERMISSIVE": true, "ON_PERMISSIVE ON": true, "ON ON_PERMISSIVE": true, "ON ON": true,
	}
	for _, o := range levels {
		for _, n := range levels {
			w := wrong{name: "gtid_mode " + o + " and " + n, do: func(p *inspect.Pair) { p.Old.Variables["gtid_mode"], p.New.Variables["gtid_mode"] = o, n }}
			if !fine[o+" "+n] {
				w.want = []string{"fatal gtid_mode:gtid_mode both"}
			}
			out = append(out, w)
		}
	}
	enforce := func(o, n, mode string) func(*inspect.Pair) {
		return func(p *inspect.Pair) {
			p.Old.Variables["enforce_gtid_consistency"], p.New.Variables["enforce_gtid_consistency"] = o, n
			p.Old.Variables["gtid_mode"], p.New.Variables["gtid_mode"] = mode, mode
		}
	}
	return append(out,
		wrong{name: "return channel not needed", path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.Old.Variables["gtid_mode"], p.New.Variables["gtid_mode"] = "OFF", "ON_PERMISSIVE"
		}},
		wrong{name: "one enforces", do: enforce("OFF", "ON", "OFF"), want: []string{"warning enforce_gtid_consistency:enforce_gtid_consistency old"}},
		wrong{name: "none enforces", do: enforce("WARN", "WARN", "OFF_PERMISSIVE"), want: []string{"warning enforce_gtid_consistency:enforce_gtid_consistency both"}},
		wrong{name: "none enforces yet", path: GTIDRestart, do: enforce("OFF", "OFF", "OFF"), want: []string{"info enforce_gtid_consistency:enforce_gtid_consistency both"}},
		wrong{name: "no GTIDs wanted", do: enforce("OFF", "OFF", "OFF")},
		wrong{name: "converter", path: GTIDConverter, do: func(p *inspect.Pair) {
			p.Old.Variables["enforce_gtid_consistency"], p.Old.Variables["gtid_mode"] = "OFF", "OFF"
		}, want: []string{"info enforce_gtid_consistency:enforce_gtid_consistency old"}},
	)
}

func TestOneCauseOneFinding(t *testing.T) {
	covered := map[string]bool{"size": true, "node_not_named": true, "node_not_reached": true, "node_version": true, "replica_writable": true} // TestNodes has these
	for _, c := range slices.Concat(cases(), accountCases()) {
		if c.old.Version == "" {
			c.old = mysql(9, 7, 4)
		}
		if c.new.Version == "" {
			c.new = mysql(9, 7, 4)
		}
		pair := samplePair(c.old, c.new)
		if c.do != nil {
			c.do(&pair)
		}
		r := Judge(pair, Options{Path: c.path, Accounts: c.accounts})
		if got := names(r); !slices.Equal(got, append([]string{}, c.want...)) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		for i := range r.Findings {
			f := &r.Findings[i]
			covered[f.ID] = true
			if f.Found == "" || f.Why == "" || f.Do == "" || f.Side == "" || strings.Contains(f.Found, "\n") {
				t.Errorf("%s: incomplete: %+v", c.name, *f)
			}
		}
		if len(c.want) > 0 && !strings.HasPrefix(c.want[0], "info") {
			if want := map[bool]Verdict{true: Unknown, false: Fail}[r.Findings[0].Unseen]; r.Verdict != want {
				t.Errorf("%s: verdict %s, want %s", c.name, r.Verdict, want)
			}
		} else if r.Verdict != Pass {
			t.Errorf("%s: verdict %s", c.name, r.Verdict)
		}
	}
	for _, e := range Catalog() {
		if !covered[e.ID] && e.ID != "galera_changes_return" { // of clusters: TestChangesOfGaleraNodesReturn
			t.Errorf("no case brings %s about", e.ID)
		}
	}
}

func TestAccept(t *testing.T) {
	pair := samplePair(mysql(9, 7, 4), mysql(9, 7, 4))
	pair.New.Variables["sql_mode"], pair.New.Variables["time_zone"] = "", "+02:00"
	for _, c := range []struct {
		accept []string
		want   Verdict
		unused int
	}{
		{nil, Fail, 0},
		{[]string{"config_sql_mode"}, Fail, 0},
		{[]string{"config_sql_mode", "config_time_zone:time_zone"}, Pass, 0},
		{[]string{"config_sql_mode", "config_time_zone:other"}, Fail, 1},
		{[]string{"config_sql_mode", "config_time_zone", "engine"}, Pass, 1},
	} {
		r := Judge(pair, Options{Accept: c.accept})
		if r.Verdict != c.want || len(r.Unused) != c.unused || len(r.Findings) != 3 {
			t.Errorf("%q: %s, unused %q, %d findings", c.accept, r.Verdict, r.Unused, len(r.Findings))
		}
	}
	if CheckAccept([]string{"config_sql_mode", "engine:shop.t"}) != nil || CheckAccept([]string{"config_sqlmode"}) == nil {
		t.Error("names are checked by their ids")
	}
	pair.New.Missing = []inspect.Missing{{Privilege: cluster.PrivProcess}}
	if r := Judge(pair, Options{Accept: []string{"config_sql_mode", "config_time_zone"}}); r.Verdict != Unknown {
		t.Errorf("with a privilege missing: %s", r.Verdict)
	}
}
