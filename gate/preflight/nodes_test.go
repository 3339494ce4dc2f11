package preflight

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// sampleCluster is a healthy pair with a replica of old and two of new.
func sampleCluster(f cluster.Facts) inspect.Pair {
	p := samplePair(f, f)
	for i, label := range []string{"old-1", "new-1", "new-2"} {
		from := &p.Old
		if label != "old-1" {
			from = &p.New
		}
		n := inspect.Node{Side: sampleSide(label, 11+i, f), Cluster: from.Label}
		n.Variables = maps.Clone(from.Variables)
		n.Variables["server_id"], n.Variables["read_only"] = []string{"11", "12", "13"}[i], "ON"
		n.Channels = []cluster.ReplicaChannel{{IORunning: true, SQLRunning: true}}
		n.Programs = slices.Clone(n.Programs)
		n.Programs[2].Status = "REPLICA_SIDE_DISABLED"
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

func TestHealthyClusters(t *testing.T) {
	for _, f := range []cluster.Facts{mysql(5, 6, 24), mysql(8, 0, 40), mysql(9, 7, 4), maria(10, 11, 14)} {
		for _, path := range Paths() {
			p := sampleCluster(f)
			r := Judge(p, Options{Path: path})
			if got := names(r); len(got) > 0 || r.Verdict != Pass || len(r.Nodes) != 3 {
				t.Errorf("%s %s, %s: %s %q", f.Flavor, f.Version, path, r.Verdict, got)
			}
		}
	}
}

// TestNodes has one cause each, on one node or several.
func TestNodes(t *testing.T) {
	variable := func(name, value string, nodes ...int) func(*inspect.Pair) {
		return func(p *inspect.Pair) {
			for _, i := range nodes {
				p.Nodes[i].Variables[name] = value
			}
		}
	}
	channel := func(c cluster.ReplicaChannel) func(*inspect.Pair) {
		return func(p *inspect.Pair) { p.Nodes[1].Channels = []cluster.ReplicaChannel{c} }
	}
	runs := cluster.ReplicaChannel{IORunning: true, SQLRunning: true}
	late, filtered := runs, runs
	late.DelaySeconds, filtered.Filters = 60, []string{"replicate-ignore-table=shop.t"}
	galera := func(p *inspect.Pair) {
		for _, s := range []*inspect.Side{&p.New, &p.Nodes[1].Side, &p.Nodes[2].Side} {
			s.Variables["wsrep_on"], s.Variables["wsrep_auto_increment_control"], s.Variables["innodb_autoinc_lock_mode"] = "ON", "OFF", "2"
		}
	}
	for _, c := range []struct {
		name  string
		do    func(*inspect.Pair)
		want  string // id:object of the one finding above info, its severity, side and nodes
		found string
		fix   string // "on: SQL" of the last statement
	}{
		{name: "none"},
		{"writable", variable("read_only", "OFF", 1), "warning replica_writable:read_only new new-1", "new-1: read_only OFF", "new-1: SET PERSIST read_only = ON"},
		{"both writable", variable("read_only", "0", 1, 2), "warning replica_writable:read_only new new-1 new-2", "new-1, new-2: read_only OFF", "new-2: SET PERSIST read_only = ON"},
		{"read_only in MariaDB 12's words", variable("read_only", "NO_LOCK", 1), "", "", ""},
		{"mode", variable("sql_mode", "ANSI_QUOTES", 0), "warning config_sql_mode:sql_mode old old-1", "only old: STRICT_TRANS_TABLES; only old-1: ANSI_QUOTES", "old-1: SET PERSIST sql_mode = 'STRICT_TRANS_TABLES'"},
		{"limits", variable("max_connections", "10", 2), "warning config_max_connections:max_connections new new-2", "new: 1000; new-2: 10", "new-2: SET PERSIST max_connections = 1000"},
		{"start only", variable("innodb_autoinc_lock_mode", "9", 2), "warning config_innodb_autoinc_lock_mode:innodb_autoinc_lock_mode new new-2", "new: 1000; new-2: 9", ""},
		{"unlike values", func(p *inspect.Pair) {
			p.Nodes[1].Variables["time_zone"], p.Nodes[2].Variables["time_zone"] = "+02:00", "+03:00"
		}, "warning config_time_zone:time_zone new new-1 new-2", "new: SYSTEM (UTC); new-1: +02:00; new: SYSTEM (UTC); new-2: +03:00", "new-2: SET PERSIST time_zone = 'SYSTEM'"},
		{"steps", variable("auto_increment_offset", "1", 2), "warning step_differs:auto_increment_increment new new-2", "new: increment 2, offset 2; new-2: increment 2, offset 1", "new-2: SET PERSIST auto_increment_increment = 2"},
		{"index", func(p *inspect.Pair) { p.Nodes[1].Tables[0].Keys = p.Nodes[1].Tables[0].Keys[:2] }, "warning index_missing:shop.t.n new new-1", "new-1: no KEY `n` (`n`)", "new-1: ALTER TABLE `shop`.`t` ADD KEY `n` (`n`)"},
		{"index of a replica alone", func(p *inspect.Pair) {
			p.New.Tables[0].Keys, p.Old.Tables[0].Keys = p.New.Tables[0].Keys[:2], p.Old.Tables[0].Keys[:2]
			p.Nodes[0].Tables[0].Keys, p.Nodes[1].Tables[0].Keys = p.Nodes[0].Tables[0].Keys[:2], p.Nodes[1].Tables[0].Keys[:2]
		}, "warning index_missing:shop.t.n new new-2", "new: no KEY `n` (`n`), which new-2 has", ""},
		{"column", func(p *inspect.Pair) { p.Nodes[1].Tables[0].Columns = p.Nodes[1].Tables[0].Columns[:3] }, "lossy column_missing:shop.t.at new new-1", "new-1: no column at timestamp", "new-1: ALTER TABLE `shop`.`t` ADD COLUMN `at` timestamp NULL AFTER `n`"},
		{"type", func(p *inspect.Pair) {
			c := p.Nodes[1].Tables[0].Column("n")
			c.DataType, c.ColumnType = "bigint", "bigint(20)"
		}, "fatal column_type:shop.t.n new new-1", "new: int(11); new-1: bigint(20) (replication to new-1 stops, 1677)", "new-1: ALTER TABLE `shop`.`t` MODIFY COLUMN `n` int(11) NOT NULL DEFAULT '1'"},
		{"trigger", func(p *inspect.Pair) { p.Nodes[1].Programs[1].Body = "return 1" }, "warning routine_differs:shop.f new new-1", "new-1 and new: both have the function shop.f, with different texts", ""},
		{"table", func(p *inspect.Pair) {
			p.Nodes[1].Tables = nil
			p.Nodes[1].ForeignKeys, p.Nodes[1].Programs = nil, nil
			p.Nodes[1].Sees = nil
		}, "fatal table_missing:shop.t new new-1", "new-1: no table shop.t", "new: SHOW CREATE TABLE `shop`.`t`"},
		{"stopped", channel(cluster.ReplicaChannel{IORunning: true}), "warning replication_stopped:new→replicas new new-1", "new-1: applier stopped", ""},
		{"no channel", func(p *inspect.Pair) { p.Nodes[1].Channels = nil }, "warning replication_absent:new→replicas new new-1", "new-1: it replicates from no server", ""},
		{"delay", channel(late), "warning replication_delay:channel new new-1", "new-1: applies what it receives 1m later", "new-1: START REPLICA SQL_THREAD"},
		{"filter", channel(filtered), "lossy replication_filter:replicate-ignore-table=shop.t new new-1", "new-1: replicate-ignore-table=shop.t", ""},
		{"skips", variable("replica_skip_errors", "1062", 1), "lossy replica_skip_errors:replica_skip_errors new new-1", "new-1: errors skipped: 1062", ""},
		{"idempotent", variable("replica_exec_mode", "IDEMPOTENT", 0), "lossy replica_exec_mode:replica_exec_mode old old-1", "old-1: replica_exec_mode IDEMPOTENT", "old-1: SET PERSIST replica_exec_mode = STRICT"},
		{"converts", variable("replica_type_conversions", "ALL_LOSSY", 1), "lossy replica_type_conversions:replica_type_conversions new new-1", "new-1: replica_type_conversions ALL_LOSSY", "new-1: SET PERSIST replica_type_conversions = ''"},
		{"image", variable("binlog_row_image", "MINIMAL", 1), "warning binlog_row_image:binlog_row_image new new-1", "new-1: binlog_row_image MINIMAL", "new-1: SET PERSIST binlog_row_image = FULL"},
		{"image of a log that nothing enters", func(p *inspect.Pair) {
			p.Nodes[1].Variables["log_replica_updates"], p.Nodes[1].Variables["binlog_row_image"] = "OFF", "MINIMAL"
		}, "", "", ""},
		{"retention", variable("binlog_expire_logs_seconds", "3600", 1), "warning binlog_retention:binlog_expire_logs_seconds new new-1", "new-1: kept for 1h, the migration is to last 7 days", "new-1: SET PERSIST binlog_expire_logs_seconds = 604800"},
		{"older", func(p *inspect.Pair) { f := &p.Nodes[1].Facts; f.Major, f.Minor = 8, 4 }, "warning replication_newer_to_older:new→replicas new new-1", "new: MySQL 9.7.4; new-1: MySQL 8.4.4: new may write what new-1 cannot read", ""},
		{"newer", func(p *inspect.Pair) {
			p.Old.Facts.Major, p.Old.Facts.Minor = 8, 4
			p.New.Facts.Major, p.New.Facts.Minor = 8, 4
		}, "warning node_version:version new new-1 new-2|warning node_version:version old old-1", "old-1: MySQL 9.7.4; old: MySQL 8.4.4", ""},
		{"another patch", func(p *inspect.Pair) { p.Nodes[1].Facts.Patch = 3 }, "", "", ""},
		{
			"account", func(p *inspect.Pair) { p.Nodes[1].Accounts = p.Nodes[1].Accounts[1:] }, "warning account_missing:app@% new new-1", "new-1: no account app@%",
			"new-1: GRANT INSERT, SELECT, UPDATE ON `shop`.* TO 'app'@'%'",
		},
		{"account that others replicate by", func(p *inspect.Pair) {
			p.New.Accounts = append(p.New.Accounts, inspect.Account{User: "repl", Host: "%", Plugins: []string{"caching_sha2_password"}, Grants: []inspect.Grant{{Privilege: "REPLICATION SLAVE"}}})
			p.Nodes[1].Accounts = append(p.Nodes[1].Accounts, p.New.Accounts[2])
		}, "warning account_missing:repl@% new new-2", "new-2: no account repl@%", "new-2: GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%'"},
		{"same server_id", variable("server_id", "12", 0), "fatal server_id_same:server_id both old-1 new-1", "old-1, new-1: server_id 12", "new-1: SET PERSIST server_id = 14"},
		{"server_id of the primary", variable("server_id", "2", 2), "fatal server_id_same:server_id new new-2", "new, new-2: server_id 2", "new-2: SET PERSIST server_id = 13"},
		{"copied data directory", func(p *inspect.Pair) { p.Nodes[2].Facts.ServerUUID = "uuid-new-1" }, "fatal server_uuid_same:uuid-new-1 new new-1 new-2", "new-1, new-2: server_uuid uuid-new-1", ""},
		{"privilege", func(p *inspect.Pair) {
			p.Nodes[1].Missing = []inspect.Missing{{Privilege: cluster.PrivProcess, Grant: "GRANT PROCESS"}}
		}, "warning privilege_missing:PROCESS new new-1", "new-1:  lacks PROCESS", "new-1: GRANT PROCESS"},
		{"privilege of the whole cluster", func(p *inspect.Pair) {
			m := []inspect.Missing{{Privilege: cluster.PrivProcess, Grant: "GRANT PROCESS"}}
			p.New.Missing, p.Nodes[1].Missing, p.Nodes[2].Missing = m, m, m
		}, "warning privilege_missing:PROCESS new ", "new:  lacks PROCESS", "new: GRANT PROCESS"},
		{"lost", func(p *inspect.Pair) {
			p.Nodes[1] = inspect.Node{Side: inspect.Side{Label: "new-1", Addr: "h:1"}, Cluster: "new", Lost: "refused"}
		}, "warning node_not_reached:new-1 new new-1", "new-1 (h:1): refused", ""},
		{"member of a group", func(p *inspect.Pair) {
			n := &p.Nodes[1]
			n.Facts.GroupReplication, n.Channels = true, nil
			n.Variables["read_only"], n.Variables["auto_increment_offset"] = "OFF", "1"
		}, "", "", ""},
		{"node that Galera has cut off", func(p *inspect.Pair) {
			galera(p)
			p.Nodes[1].Channels = []cluster.ReplicaChannel{{Name: "galera", Group: true, GroupTrouble: "its state is Joining"}}
		}, "warning replication_stopped:new→replicas new new-1", "new-1: galera: its state is Joining", ""},
		{"steps of a Galera node", func(p *inspect.Pair) {
			galera(p)
			p.Nodes[1].Variables["auto_increment_offset"] = "1"
		}, "warning step_overlap:auto_increment_offset new new-1", "new-1: increment 2, offset 1; old: increment 2, offset 1", "new-1: SET PERSIST auto_increment_increment = 2"},
		{"Galera nodes of one server_id", func(p *inspect.Pair) {
			galera(p)
			p.Nodes[1].Variables["server_id"], p.Nodes[2].Variables["server_id"] = "2", "2"
		}, "", "", ""},
		{"Galera node that sets its steps", func(p *inspect.Pair) {
			galera(p)
			p.Nodes[2].Variables["wsrep_auto_increment_control"] = "ON"
		}, "warning galera_step_control:wsrep_auto_increment_control new new-2", "new-2: wsrep_auto_increment_control ON", "new-2: SET PERSIST wsrep_auto_increment_control = OFF"},
	} {
		p := sampleCluster(mysql(9, 7, 4))
		if c.do != nil {
			c.do(&p)
		}
		path := RollingUpgrade
		if strings.Contains(c.name, "Galera") {
			path = DualWrite
		}
		r := Judge(p, Options{Path: path})
		var got []string
		var last Finding
		for i := range r.Findings {
			f := r.Findings[i]
			if strings.Contains(f.Found+f.Why+f.Do+f.Object, "\x00") || f.Why == "" || f.Do == "" {
				t.Errorf("%s: %+v", c.name, f)
			}
			if f.Severity == Info || f.Nodes == nil && f.ID != "privilege_missing" {
				continue
			}
			last = f
			got = append(got, string(f.Severity)+" "+f.Name()+" "+f.Side+" "+strings.Join(f.Nodes, " "))
		}
		if strings.Join(got, "|") != c.want || last.Found != c.found {
			t.Errorf("%s: got %q, %q, want %q, %q", c.name, got, last.Found, c.want, c.found)
			continue
		}
		fix := ""
		if n := len(last.Fixes); n > 0 {
			fix = last.Fixes[n-1].On + ": " + last.Fixes[n-1].SQL
			if strings.HasPrefix(last.Fixes[n-1].SQL, "ALTER ") && last.Fixes[0] != (Fix{On: "new-1", SQL: "SET SESSION sql_log_bin = 0"}) {
				t.Errorf("%s: %q", c.name, last.Fixes)
			}
		}
		if fix != c.fix {
			t.Errorf("%s: fix %q, want %q", c.name, fix, c.fix)
		}
		if want := map[bool]Verdict{true: Pass, false: Fail}[c.want == ""]; r.Verdict != want && !last.Unseen {
			t.Errorf("%s: %s", c.name, r.Verdict)
		} else if last.Unseen && r.Verdict != Unknown {
			t.Errorf("%s: %s", c.name, r.Verdict)
		}
	}
}

// TestAlikeInACluster: what a side's own server has wrong and its replicas have alike is found once, on the side.
func TestAlikeInACluster(t *testing.T) {
	p := sampleCluster(mysql(9, 7, 4))
	sides := []*inspect.Side{&p.Old, &p.New}
	for i := range p.Nodes {
		sides = append(sides, &p.Nodes[i].Side)
	}
	for _, s := range sides {
		s.Tables[0].Engine, s.Tables[0].Keys = "MyISAM", nil
		s.ForeignKeys[0].OnDelete = "CASCADE"
		s.Programs = append(s.Programs, inspect.Program{Kind: inspect.Trigger, Schema: "shop", Name: "tr", Table: "t", Detail: "BEFORE INSERT", Body: "set @a = 1"})
		s.Hidden = []inspect.Gap{{What: "events"}}
	}
	r := Judge(p, Options{})
	for i := range r.Findings {
		if f := &r.Findings[i]; len(f.Nodes) > 0 {
			t.Errorf("%s: %s", f.Name(), f.Found)
		}
	}
	if len(r.Findings) < 5 {
		t.Errorf("%q", names(r))
	}
}

// TestNodesAreNamed: a node that nobody named is a finding, and what is found on nodes is accepted as all else.
func TestNodesAreNamed(t *testing.T) {
	p := sampleCluster(mysql(9, 7, 4))
	p.Nodes[1].Variables["read_only"], p.Nodes[2].Variables["read_only"] = "OFF", "OFF"
	opt := Options{Unnamed: []Node{{Side: "new", Addr: "h:3", Found: "replica of new"}}}
	if got := names(Judge(p, opt)); !slices.Equal(got, []string{"warning node_not_named:h:3 new", "warning replica_writable:read_only new"}) {
		t.Errorf("%q", got)
	}
	opt.Accept = []string{"node_not_named:h:3", "replica_writable:read_only"}
	if r := Judge(p, opt); r.Verdict != Pass || len(r.Unused) > 0 {
		t.Errorf("%s, unused %q", r.Verdict, r.Unused)
	}
}

// TestChangesOfGaleraNodesReturn: two-way, the channel into the cluster must drop what the cluster's other nodes have written.
// To drop it is no filter.
func TestChangesOfGaleraNodesReturn(t *testing.T) {
	for _, c := range []struct {
		name    string
		ignored []uint32
		domains []uint32
		galera  bool
		path    Path
		want    string
	}{
		{"nothing is ignored", nil, nil, true, DualWrite, "CHANGE MASTER TO IGNORE_SERVER_IDS = (12, 13)"},
		{"one is not ignored", []uint32{12}, nil, true, DualWrite, "CHANGE MASTER TO IGNORE_SERVER_IDS = (12, 13)"},
		{"all are ignored", []uint32{13, 12}, nil, true, DualWrite, ""},
		{"the domain is ignored", nil, []uint32{2}, true, DualWrite, ""},
		{"nothing flows back", nil, nil, true, RollingUpgrade, ""},
		{"no Galera", nil, nil, false, DualWrite, ""},
	} {
		p := sampleCluster(maria(10, 11, 14))
		p.New.Channels = []cluster.ReplicaChannel{{SourceHost: "old", SourcePort: 3306, IORunning: true, SQLRunning: true, IgnoreServers: c.ignored, IgnoreDomains: c.domains}}
		p.New.Variables["gtid_domain_id"] = "2"
		for _, s := range []*inspect.Side{&p.New, &p.Nodes[1].Side, &p.Nodes[2].Side} {
			if c.galera {
				s.Variables["wsrep_on"], s.Variables["wsrep_auto_increment_control"] = "ON", "OFF"
			}
		}
		got := ""
		for _, f := range Judge(p, Options{Path: c.path}).Findings {
			if f.ID == "galera_changes_return" {
				got = f.Fixes[1].SQL
			}
			if f.ID == "replication_filter" && c.domains == nil {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
