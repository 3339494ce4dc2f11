package preflight_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
	"crosscheck/fixtures"
	"crosscheck/gate/preflight"
)

// clusterRig is two clusters of real servers: a replica of old, one of new, and
// one of that.
type clusterRig struct {
	rig
	nodes map[string]*fixtures.Server
	named []inspect.NodeServer
}

func newClusterRig(t *testing.T, family fixtures.Family) *clusterRig {
	r := &clusterRig{rig: *newRig(t, fixtures.Spec{
		Topology: fixtures.Clusters, Old: family, New: family,
		OldReplicas: []fixtures.ReplicaSpec{{}}, NewReplicas: []fixtures.ReplicaSpec{{}, {Of: 1}},
	}, preflight.RollingUpgrade)}
	r.nodes = map[string]*fixtures.Server{"old": r.set.Old, "new": r.set.New}
	for _, side := range []fixtures.Side{fixtures.Old, fixtures.New} {
		for i, srv := range r.set.Replicas(side) {
			label := string(fixtures.Replica(side, i+1))
			s, err := cluster.Open(t.Context(), cluster.Config{
				Label: label, Net: "tcp", Addr: srv.Addr(), User: string(fixtures.Crosscheck), Password: cluster.Secret(srv.Password(fixtures.Crosscheck)),
			}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			r.nodes[label] = srv
			r.named = append(r.named, inspect.NodeServer{Label: label, Cluster: string(side), Addr: srv.Addr(), Server: s})
		}
	}
	return r
}

func (r *clusterRig) judge() preflight.Result {
	r.Helper()
	pair, err := inspect.Collect(r.Context(), r.old, r.new, inspect.Options{Nodes: r.named})
	if err != nil {
		r.Fatal(err)
	}
	return preflight.Judge(pair, preflight.Options{Path: r.path})
}

// openOn lists what counts, with its nodes.
func openOn(res preflight.Result) []string {
	out := []string{}
	for i := range res.Findings {
		if f := &res.Findings[i]; f.Counts() {
			out = append(out, f.Name()+" "+f.Side+" "+strings.Join(f.Nodes, ","))
		}
	}
	return out
}

// nodeFlip is one wrong thing on nodes, and how it is undone where no finding says so.
type nodeFlip struct {
	name string
	on   []string
	do   []string
	undo []string
	want string
}

// mend are the statements that undo it, by node.
func (f nodeFlip) mend(res preflight.Result) map[string][]string {
	out := map[string][]string{}
	for i := range res.Findings {
		if x := &res.Findings[i]; f.undo == nil && x.Counts() && len(x.Nodes) > 0 {
			for _, fix := range x.Fixes {
				out[fix.On] = append(out[fix.On], fix.SQL)
			}
		}
	}
	for _, n := range f.on {
		if f.undo != nil {
			out[n] = f.undo
		}
	}
	return out
}

// TestNodesOfClusters plants faults on replicas: each is found on its nodes and nowhere else, and mended by the statements
// that the finding names.
func TestNodesOfClusters(t *testing.T) {
	for _, family := range []fixtures.Family{fixtures.MySQL, fixtures.MariaDB} {
		t.Run(string(family), func(t *testing.T) {
			t.Parallel()
			r := newClusterRig(t, family)
			r.run(r.set.Old, true, "CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", sampleTable,
				"CREATE TABLE shop.log (a INT, b INT, KEY a (a)) ENGINE=MyISAM", "CREATE VIEW shop.busy AS SELECT id, v FROM shop.t WHERE n > 5",
				"CREATE TRIGGER shop.tr BEFORE INSERT ON shop.t FOR EACH ROW SET NEW.n = 2", "CREATE EVENT shop.ev ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t WHERE id < 0")
			// The replicas may be behind: what comes by replication is waited for.
			healthy := r.judge()
			for i := range healthy.Findings {
				if f := &healthy.Findings[i]; f.Counts() && len(f.Nodes) > 0 {
					t.Fatalf("healthy clusters: %s %q: %s", f.Name(), f.Nodes, f.Found)
				}
			}
			base := openOn(healthy)
			for _, f := range nodeFlips(family) {
				for _, n := range f.on {
					r.run(r.nodes[n], false, f.do...)
				}
				res := r.judge()
				got := slices.DeleteFunc(openOn(res), func(s string) bool { return slices.Contains(base, s) })
				if !slices.Equal(got, []string{f.want}) {
					t.Errorf("%s: got %q, want %q", f.name, got, f.want)
				}
				for on, statements := range f.mend(res) {
					r.run(r.nodes[on], true, statements...)
				}
			}
			if got := openOn(r.judge()); !slices.Equal(got, base) {
				t.Errorf("after all was mended: %q, before: %q", got, base)
			}
			r.lostNode()
		})
	}
}

func nodeFlips(family fixtures.Family) []nodeFlip {
	word, filter, noFilter := "REPLICA", "CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=(tmp)", "CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=()"
	if family == fixtures.MariaDB {
		word, filter, noFilter = "SLAVE", "SET GLOBAL replicate_ignore_db='tmp'", "SET GLOBAL replicate_ignore_db=''"
	}
	stop, start := "STOP "+word, "START "+word
	one := []string{"new-2"}
	return []nodeFlip{
		{"mode", one, []string{"SET GLOBAL sql_mode='ANSI_QUOTES'"}, nil, "config_sql_mode:sql_mode new new-2"},
		{"writable", []string{"new-1", "new-2"}, []string{"SET GLOBAL read_only=OFF"}, nil, "replica_writable:read_only new new-1,new-2"},
		{"writable replica of old", []string{"old-1"}, []string{"SET GLOBAL read_only=OFF"}, nil, "replica_writable:read_only old old-1"},
		{"index", one, []string{"ALTER TABLE shop.t DROP KEY n"}, nil, "index_missing:shop.t.n new new-2"},
		{"column", one, []string{"ALTER TABLE shop.log DROP COLUMN b"}, nil, "column_missing:shop.log.b new new-2"},
		{"type", one, []string{"ALTER TABLE shop.log MODIFY b SMALLINT NULL"}, nil, "column_type:shop.log.b new new-2"},
		{"steps", one, []string{"SET GLOBAL auto_increment_increment=7"}, nil, "step_differs:auto_increment_increment new new-2"},
		{"image", one, []string{"SET GLOBAL binlog_row_image=MINIMAL"}, nil, "binlog_row_image:binlog_row_image new new-2"},
		{"filter", one, []string{stop, filter, start}, []string{stop, noFilter, start}, "replication_filter:replicate-ignore-db=tmp new new-2"},
		{"retention", one, []string{"SET GLOBAL binlog_expire_logs_seconds=3600"}, nil, "binlog_retention:binlog_expire_logs_seconds new new-2"},
		{"account", []string{"new-1"}, []string{"REVOKE DELETE ON *.* FROM 'app'@'%'"}, nil, "account_privilege_missing:app@% new new-1"},
		{"replication account", one, []string{"REVOKE REPLICATION SLAVE ON *.* FROM 'repl'@'%'"}, nil, "account_privilege_missing:repl@% new new-2"},
		{"stopped", one, []string{stop}, []string{start}, "replication_stopped:new→replicas new new-2"},
		{"privilege", []string{"old-1"}, []string{"REVOKE PROCESS ON *.* FROM 'crosscheck'@'%'"}, nil, "privilege_missing:PROCESS old old-1"},
	}
}

// lostNode stops a server: it is not judged, which is said, and the others are.
func (r *clusterRig) lostNode() {
	r.Helper()
	gone := r.nodes["new-2"]
	if err := gone.Kill(); err != nil {
		r.Fatal(err)
	}
	res := r.judge()
	if got := openOn(res); !slices.Contains(got, "node_not_reached:new-2 new new-2") {
		r.Errorf("with a server killed: %q", got)
	}
	for i := range res.Nodes {
		if n := &res.Nodes[i]; (n.Lost != "") != (n.Label == "new-2") {
			r.Errorf("%s: lost %q", n.Label, n.Lost)
		}
	}
}
