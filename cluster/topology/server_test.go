package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// connect opens a server as crosscheck.
func connect(t *testing.T, srv *fixtures.Server, label string) *cluster.Server {
	t.Helper()
	return connectAt(t, srv, label, srv.Addr())
}

func connectAt(t *testing.T, srv *fixtures.Server, label, addr string) *cluster.Server {
	t.Helper()
	s, err := cluster.Open(t.Context(), cluster.Config{
		Label: label, Net: "tcp", Addr: addr, User: string(fixtures.Crosscheck), Password: cluster.Secret(srv.Password(fixtures.Crosscheck)),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func discover(t *testing.T, named ...Named) *Topology {
	t.Helper()
	top, err := Discover(t.Context(), named, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(top.Close)
	return top
}

func exec(t *testing.T, srv *fixtures.Server, statements ...string) {
	t.Helper()
	for _, q := range statements {
		if _, err := srv.DB().ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// replicaWord is a family's word for a replica in statements.
func replicaWord(f fixtures.Family) string {
	if f == fixtures.MySQL {
		return "REPLICA"
	}
	return "SLAVE"
}

// drawn is a topology in lines: side, address's place in the set, role, sources, how it was found.
func drawn(top *Topology, set *fixtures.Set) string {
	place := map[string]string{}
	for _, side := range []fixtures.Side{fixtures.Old, fixtures.New} {
		place[set.Server(side).Addr()] = string(side)
		for i, r := range set.Replicas(side) {
			place[r.Addr()] = string(fixtures.Replica(side, i+1))
		}
	}
	var b strings.Builder
	for _, n := range top.Nodes() {
		var from []string
		for _, s := range n.Sources {
			from = append(from, s.Label)
		}
		at := place[n.Addr]
		if !n.Reached() {
			at = "lost"
		}
		fmt.Fprintf(&b, "%s %s is %s, %s from %s: %s\n", n.Side, n.Label, at, n.Role, strings.Join(from, ","), n.Found)
	}
	return b.String()
}

// TestClusters finds the nodes of clusters with a replica of a replica, one that is late, one whose applier stands, one that
// cannot be reached and one that somebody wrote to.
func TestClusters(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MySQL, fixtures.MariaDB, fixtures.MySQL56} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			wrongPort := fixtures.ServerOptions{Variables: map[string]string{"report_port": "1"}}
			set := fixtures.ForTest(t, fixtures.Spec{
				Topology: fixtures.Clusters, Old: f,
				OldReplicas: []fixtures.ReplicaSpec{{}, {Of: 1}},
				NewReplicas: []fixtures.ReplicaSpec{{Delay: time.Minute}, {Options: wrongPort}},
			})
			old1, old2 := set.Replicas(fixtures.Old)[0], set.Replicas(fixtures.Old)[1]
			exec(t, old2, "STOP "+replicaWord(f)+" SQL_THREAD")
			exec(t, set.Old, "CREATE DATABASE d")
			if err := set.WaitApplied(t.Context(), fixtures.Link{From: fixtures.Old, To: fixtures.Replica(fixtures.Old, 1)}); err != nil {
				t.Fatal(err)
			}
			exec(t, old1, "CREATE DATABASE stray")
			oldSide := Named{Side: Old, Label: "old", Server: connect(t, set.Old, "old")}
			newSide := Named{Side: New, Label: "new", Server: connect(t, set.New, "new")}

			top := discover(t, oldSide, newSide)
			want := `old old is old, writer from : named
old old-1 is old-1, replica from old: replica of old
old old-2 is old-2, replica from old-1: replica of old-1
new new is new, writer from old: named
new new-1 is new-1, replica from new: replica of new
new new-2 is lost, replica from new: replica of new
`
			if got := drawn(top, set); got != want {
				t.Fatalf("found:\n%s\nwant:\n%s", got, want)
			}
			if gaps := top.Gaps(); len(gaps) != 1 || !strings.Contains(gaps[0], "new-2 (127.0.0.1:1, replica of new) could not be reached") {
				t.Errorf("gaps: %q", gaps)
			}
			checkStates(t, top, f)
			checkNamed(t, set, oldSide, newSide)
			checkImpostor(t, set, oldSide, newSide)
			if f == fixtures.MariaDB {
				checkUnlisted(t, set, oldSide, newSide)
			}
			checkReceiverStopped(t, set, oldSide, newSide)
		})
	}
}

func node(t *testing.T, top *Topology, label string) *Node {
	t.Helper()
	for _, n := range top.Nodes() {
		if n.Label == label {
			return n
		}
	}
	t.Fatalf("no node %s", label)
	return nil
}

func checkStates(t *testing.T, top *Topology, f fixtures.Family) {
	t.Helper()
	for label, want := range map[string]string{
		"old": "rw=true log=true delay=0 trouble=\"\"", "new": "rw=true log=true delay=0 trouble=\"\"",
		"old-1": "rw=false log=true delay=0 trouble=\"\"", "new-1": "rw=false log=true delay=60 trouble=\"\"",
		"old-2": "rw=false log=true delay=0 trouble=\"applier stopped\"",
	} {
		n := node(t, top, label)
		var delay int64
		for _, c := range n.State.Channels {
			delay = max(delay, c.DelaySeconds)
		}
		got := fmt.Sprintf("rw=%t log=%t delay=%d trouble=%q", !n.State.ReadOnly, n.State.LogBin && n.State.LogsUpdates, delay, n.State.Trouble())
		if got != want || len(n.State.Unknown) > 0 {
			t.Errorf("%s: %s, want %s; unknown %q", label, got, want, n.State.Unknown)
		}
		if n.Server.Label() != label {
			t.Errorf("the server of %s calls itself %s", label, n.Server.Label())
		}
		stray := n.State.Errant
		switch {
		case f == fixtures.MySQL56:
			if stray.Known || stray.Why == "" {
				t.Errorf("%s: errant transactions without GTIDs: %+v", label, stray)
			}
		case label == "old" || label == "new":
			if stray.Known {
				t.Errorf("%s is a writer, and yet %+v", label, stray)
			}
		default:
			if !stray.Known || (stray.Set != "") != (label == "old-1") {
				t.Errorf("%s: errant transactions %+v", label, stray)
			}
			if label == "old-1" && f == fixtures.MySQL && stray.Set != n.UUID()+":1" {
				t.Errorf("errant: %s", stray.Set)
			}
		}
	}
}

// checkNamed: a node that is named is found once, whatever address it has registered with; named twice it is refused.
func checkNamed(t *testing.T, set *fixtures.Set, oldSide, newSide Named) {
	t.Helper()
	lost := Named{Side: New, Label: "new-1", Server: connect(t, set.Replicas(fixtures.New)[1], "new-1")}
	top := discover(t, oldSide, newSide, lost)
	if gaps := top.Gaps(); len(gaps) > 0 || len(top.New.Nodes) != 3 {
		t.Errorf("named: %d nodes of new, gaps %q", len(top.New.Nodes), gaps)
	}
	if named, all := top.New.Others(false), top.New.Others(true); len(named) != 1 || len(all) != 2 || named[0].Label != "new-1" {
		t.Errorf("others of new: %d named, %d in all", len(named), len(all))
	}
	if n := top.New.Nodes[1]; n.Label != "new-1" || !n.Named || n.Role != Replica || n.Addr != lost.Server.Config().Addr {
		t.Errorf("new-1 is %+v", n)
	}
	again := set.Replicas(fixtures.New)[1]
	twice := Named{Side: New, Label: "new-2", Server: connectAt(t, again, "new-2", fmt.Sprintf("localhost:%d", again.Port()))}
	if _, err := Discover(t.Context(), []Named{oldSide, newSide, lost, twice}, Options{}); !errors.Is(err, cluster.ErrSameServer) ||
		!strings.HasPrefix(err.Error(), "new-1 (") || !strings.HasSuffix(err.Error(), ") are the same server: name each node once") {
		t.Errorf("named twice: %v", err)
	}
}

// checkImpostor: who answers at an address counts only if it is the server that was meant.
func checkImpostor(t *testing.T, set *fixtures.Set, oldSide, newSide Named) {
	t.Helper()
	at := set.Replicas(fixtures.Old)[1] // of old-1, not of old
	peers := map[string]cluster.Peer{
		"server_id is": {Kin: cluster.KinReplica, Host: "127.0.0.1", Port: at.Port(), ServerID: 999},
		"and not 0-0":  {Kin: cluster.KinReplica, Host: "127.0.0.1", Port: at.Port(), UUID: "0-0"},
		"it does not replicate from " + oldSide.Server.Config().Addr: {Kin: cluster.KinReplica, Host: "127.0.0.1", Port: at.Port()},
	}
	for want, p := range peers {
		finder := func(_ context.Context, s *cluster.Server) ([]cluster.Peer, error) {
			if s.Label() == "old" {
				return []cluster.Peer{p}, nil
			}
			return nil, nil
		}
		top, err := Discover(t.Context(), []Named{oldSide, newSide}, Options{Finders: []Finder{finder}})
		if err != nil {
			t.Fatal(err)
		}
		// old-2 is found by way of old-1 all the same.
		if gaps := strings.Join(top.Gaps(), "\n"); !strings.Contains(gaps, "another server answers there") || !strings.Contains(gaps, want) {
			t.Errorf("%+v: gaps %q, want %q in them", p, gaps, want)
		}
		for _, n := range top.Nodes() {
			if n.Addr == at.Addr() && n.Reached() && len(n.Sources) != 1 {
				t.Errorf("%+v: %s replicates from %d nodes", p, n.Label, len(n.Sources))
			}
		}
		top.Close()
	}
}

// checkUnlisted: where the account may not list the replicas, connections that no known node has are named as nodes.
func checkUnlisted(t *testing.T, set *fixtures.Set, oldSide, newSide Named) {
	t.Helper()
	grant := func(verb, word string) {
		exec(t, set.Old, verb+" REPLICATION MASTER ADMIN ON *.* "+word+" crosscheck@'%'", "FLUSH PRIVILEGES")
	}
	grant("REVOKE", "FROM")
	defer grant("GRANT", "TO")
	label := string(fixtures.Replica(fixtures.Old, 1))
	oldSide.Server = connectAt(t, set.Old, "old", fmt.Sprintf("localhost:%d", set.Old.Port())) // new knows it by another address
	top := discover(t, oldSide, newSide)
	gaps := strings.Join(top.Gaps(), "\n")
	if !strings.Contains(gaps, "old-1 (localhost, replica of old) could not be reached: its port is not known; name it by a flag or in the plan, or "+
		"let the account list the replicas: GRANT REPLICATION MASTER ADMIN") || strings.Count(gaps, "port is not known") != 1 {
		t.Errorf("gaps: %s", gaps)
	}
	top = discover(t, oldSide, newSide, Named{Side: Old, Label: label, Server: connect(t, set.Replicas(fixtures.Old)[0], label)})
	if gaps := strings.Join(top.Gaps(), "\n"); strings.Contains(gaps, "replica of old)") {
		t.Errorf("although it is named: %s", gaps)
	}
}

// checkReceiverStopped: who does not fetch the log is not found from above; named it is placed by its own channel.
func checkReceiverStopped(t *testing.T, set *fixtures.Set, oldSide, newSide Named) {
	t.Helper()
	at := fixtures.Replica(fixtures.Old, 2)
	if err := set.StopReplication(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for { // the source's thread ends when it next has something to send
		top := discover(t, oldSide, newSide)
		if len(top.Old.Nodes) == 2 {
			break
		}
		exec(t, set.Replicas(fixtures.Old)[0], "CREATE DATABASE IF NOT EXISTS more", "DROP DATABASE more")
		if ctx.Err() != nil {
			t.Fatalf("still found: %s", drawn(top, set))
		}
	}
	top := discover(t, oldSide, newSide, Named{Side: Old, Label: "old-1", Server: connect(t, set.Server(at), "old-1")})
	got := drawn(top, set)
	if !strings.Contains(got, "old old-1 is old-2, replica from old-2: named\n") || !strings.Contains(got, "old old-2 is old-1, replica from old:") {
		t.Errorf("found:\n%s", got)
	}
}
