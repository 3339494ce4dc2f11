package measure

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"crosscheck/fixtures"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// TestRollingMariaDB upgrades a cluster of MariaDB 10.11 node by node, as far as looks see it: old-1 is rebuilt in the version of
// new; then old follows new, as the way back, until new holds what old cannot read.
func TestRollingMariaDB(t *testing.T) {
	r := newRig(t, fixtures.Spec{
		Topology: fixtures.Clusters, Old: fixtures.MariaDB, New: fixtures.MariaDB118,
		OldReplicas: []fixtures.ReplicaSpec{{}}, NewReplicas: []fixtures.ReplicaSpec{{}},
	}, plan.RollingUpgrade)
	r.plan.Old.Replicas, r.plan.Rolling = []string{"@old-1"}, &plan.Rolling{ReadsFor: 1}
	place := r.plan.Replicas()[0]
	r.servers.Replicas = []Replica{{Replica: place, Server: r.open(r.set.Server("old-1"), "old-1", fixtures.Crosscheck)}}
	r.shop()
	c := becomes(r, "old-1 follows old", func(c gate.Nodes) bool { return well(c.Nodes[0]) })
	if n := c.Nodes[0]; n.Side != "old" || n.Link.From != "old" || gate.AtLeast(n.Version, c.NewVersion) || !gate.AtLeast(c.NewVersion, c.OldVersion) || gate.AtLeast(c.OldVersion, c.NewVersion) {
		t.Errorf("old-1 of the old version: %+v", c)
	}

	place.Side = "new"
	r.servers.Replicas[0] = Replica{Replica: place, Server: r.open(r.set.Server("new-1"), "old-1", fixtures.Crosscheck)}
	reader := r.app(r.set.Server("new-1"), "SELECT 1")
	c = becomes(r, "old-1 follows new", func(c gate.Nodes) bool { return well(c.Nodes[0]) })
	if n := c.Nodes[0]; n.Side != "new" || n.Link.From != "new" || !gate.AtLeast(n.Version, c.NewVersion) || n.Readers != 1 || !n.ReadersSeen {
		t.Errorf("old-1 of the new version: %+v", n)
	}
	reader.Close()

	if w := measured[gate.WayBackSeen](r, ""); w.Nodes[0].Link != nil || len(w.Unreadable) > 0 || w.Unread != "" || len(w.Nodes) != 2 {
		t.Errorf("old follows nobody yet: %+v", w)
	}
	host, port, _ := net.SplitHostPort(r.set.New.Addr())
	r.run(r.set.Old, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%s, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_USE_GTID=slave_pos",
		host, port, fixtures.Replicator, r.set.New.Password(fixtures.Replicator)), "SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos", "START SLAVE")
	way := func(what string, ok func(w *gate.WayBack) bool) {
		t.Helper()
		var got *gate.WayBack
		seen := becomes(r, what, func(c gate.WayBackSeen) bool {
			got = gate.JudgeWayBack([]gate.WayLook{{At: r.earlier[len(r.earlier)-1].Taken, Written: true, WaySeen: c.WaySeen}}, r.plan.Limits.MaxLag)
			return ok(got)
		})
		t.Logf("%s: %s: %+v", what, got.Line(), seen)
	}
	r.exec(r.app(r.set.New), r.row())
	way("old follows new", func(w *gate.WayBack) bool { return w.State == gate.WayOpen && slices.Equal(w.Over, []string{"old"}) })
	becomes(r, "all of old has arrived", func(c gate.Drained) bool { return c.EchoesComplete && c.OldWrites == 0 })
	r.run(r.set.New, "STOP SLAVE", "RESET SLAVE ALL")
	if c := measured[gate.Drained](r, ""); !c.EchoesComplete {
		t.Errorf("replication from old was taken away after all had arrived: %+v", c)
	}
	r.exec(r.app(r.set.Old), r.row())
	if c := measured[gate.Drained](r, ""); c.EchoesComplete || c.OldWrites != 1 {
		t.Errorf("old was written without a way to new: %+v", c)
	}
	r.run(r.set.New, "CREATE TABLE shop.apart (id BIGINT PRIMARY KEY, v VECTOR(3)) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_uca1400_ai_ci")
	way("old cannot read it", func(w *gate.WayBack) bool {
		return w.State == gate.WayShut && slices.ContainsFunc(w.Causes, func(s string) bool { return strings.Contains(s, "shop.apart: type vector") }) &&
			slices.ContainsFunc(w.Causes, func(s string) bool { return strings.Contains(s, "replication new→old does not run") })
	})
}
