package measure

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/fixtures"
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

func TestNodesMySQL(t *testing.T)   { testNodes(t, fixtures.MySQL) }
func TestNodesMariaDB(t *testing.T) { testNodes(t, fixtures.MariaDB) }

// testNodes has each replica of new be at fault in one way after the other; the others stay well.
func testNodes(t *testing.T, family fixtures.Family) {
	r := newRig(t, fixtures.Spec{Topology: fixtures.Clusters, Old: family, OldReplicas: []fixtures.ReplicaSpec{{}}, NewReplicas: []fixtures.ReplicaSpec{
		{Options: fixtures.ServerOptions{PerformanceSchema: true}}, {Of: 1},
	}}, plan.DualWrite)
	r.plan.Old.Replicas, r.plan.New.Replicas = []string{"@old-1"}, []string{"@new-1", "@new-2"}
	for _, x := range r.plan.Replicas() {
		s := r.open(r.set.Server(fixtures.Side(x.Name)), x.Name, fixtures.Crosscheck)
		r.servers.Replicas = append(r.servers.Replicas, Replica{Replica: x, Server: s})
	}
	r.shop()
	r.on("well", func(r *rig) {
		c := becomes(r, "all are well", func(c gate.Nodes) bool {
			return !slices.ContainsFunc(c.Nodes, func(n gate.ClusterNode) bool { return !well(n) })
		})
		if r.Failed() {
			r.FailNow()
		}
		for i, want := range []string{"old-1", "new-1", "new-2"} {
			if n := c.Nodes[i]; n.Name != want || n.UUID != r.servers.Replicas[i].Server.Facts().ServerUUID || !n.ReadOnly || n.Link.Since.IsZero() || n.Position == "" {
				r.Errorf("%s: %+v", want, n)
			}
		}
	})
	r.on("not planned", func(r *rig) {
		r.servers.Replicas = r.servers.Replicas[:2]
		c := measured[gate.Nodes](r, "")
		want := r.set.Replicas(fixtures.New)[1].Addr()
		if len(c.Nodes) != 3 || c.Nodes[2].Planned || c.Nodes[2].Name != want || c.Nodes[2].Side != "new" || len(c.Unknown) > 0 {
			r.Errorf("the plan does not name %s: %+v", want, c)
		}
	})
	r.on("readers", readersOnReplicas)
	first, second := r.set.Replicas(fixtures.New)[0], r.set.Replicas(fixtures.New)[1]
	r.on("errant", func(r *rig) {
		r.run(second, "SET GLOBAL read_only = OFF", r.row(), "SET GLOBAL read_only = ON")
		c := measured[gate.Nodes](r, "")
		if n := c.Nodes[2]; n.Errant == "" || strings.Contains(n.Errant, ",") {
			r.Errorf("somebody wrote to it: %+v", n)
		}
		if !well(c.Nodes[0]) || !well(c.Nodes[1]) {
			r.Errorf("the others: %+v", c.Nodes)
		}
	})
	r.on("stopped", func(r *rig) {
		stop, start := "STOP SLAVE SQL_THREAD", "START SLAVE SQL_THREAD"
		r.run(first, stopWords(family, stop))
		r.run(r.set.Old, r.row())
		c := measured[gate.Nodes](r, "")
		if n := c.Nodes[1]; n.Link == nil || n.Link.Running || n.Link.Error == "" {
			r.Errorf("stopped: %+v", n)
		}
		if !well(c.Nodes[0]) {
			r.Errorf("old's replica: %+v", c.Nodes[0])
		}
		stopped := time.Now()
		r.run(first, stopWords(family, start))
		r.caughtUp()
		if n := measured[gate.Nodes](r, "").Nodes[1]; !well(n) || n.Link.Since.Before(stopped.Add(-time.Second)) {
			r.Errorf("started again after %s: %+v", stopped, n)
		}
	})
	r.on("dead", func(r *rig) {
		if err := second.Kill(); err != nil {
			r.Fatal(err)
		}
		c := measured[gate.Nodes](r, "")
		if n := c.Nodes[2]; n.Reachable || n.Trouble == "" || n.UUID == "" {
			r.Errorf("killed: %+v", n)
		}
		if !well(c.Nodes[0]) || !well(c.Nodes[1]) {
			r.Errorf("the others: %+v", c.Nodes)
		}
		if d := measured[gate.Drained](r, ""); len(d.Unreached) > 0 {
			r.Errorf("a replica of new says nothing of old's sessions: %+v", d)
		}
		if w := measured[gate.ReadsSwitch](r, "ann"); !slices.Equal(w.Unreached, []string{"new-2"}) {
			r.Errorf("a replica is dead: %+v", w)
		}
	})
}

func well(n gate.ClusterNode) bool {
	return n.Reachable && n.Link != nil && n.Link.Running && n.Link.LagKnown && n.Link.Error == "" && !n.Link.Skips && n.Errant == "" && len(n.Filters) == 0
}

func stopWords(f fixtures.Family, sql string) string {
	if f == fixtures.MySQL {
		return strings.Replace(sql, "SLAVE", "REPLICA", 1)
	}
	return sql
}

// readersOnReplicas has the application read from replicas of both sides.
func readersOnReplicas(r *rig) {
	onOld := r.app(r.set.Replicas(fixtures.Old)[0], "SELECT 1")
	onNew := r.app(r.set.Replicas(fixtures.New)[1], "SELECT 1")
	c := measured[gate.ReadsSwitch](r, "ann")
	want := gate.Session{ID: r.connID(onOld), User: string(fixtures.App), Host: "127.0.0.1", Node: "old-1"}
	if !c.SessionsSeen || len(c.Unreached) > 0 || c.ReadersOnNew != 1 || c.AppOnNew != 0 || len(c.AppOnOld) != 1 {
		r.Fatalf("readers on old-1 and new-2: %+v", c)
	}
	if got := c.AppOnOld[0]; got.ID != want.ID || got.Node != want.Node || got.User != want.User {
		r.Errorf("got %+v, want %+v", got, want)
	}
	if d := measured[gate.Drained](r, ""); len(d.AppOnOld) != 1 || d.AppOnOld[0].Node != "old-1" {
		r.Errorf("old is not drained: %+v", d)
	}
	onOld.Close()
	onNew.Close()
}
