package main

import (
	"context"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"crosscheck/fixtures"
)

// TestClusterMigrations walks migrations of clusters with replicas, the same story on each family.
func TestClusterMigrations(t *testing.T) {
	for _, family := range []fixtures.Family{fixtures.MySQL, fixtures.MariaDB} {
		t.Run(string(family), func(t *testing.T) {
			t.Parallel()
			seen := fixtures.ServerOptions{PerformanceSchema: family == fixtures.MySQL}
			set := fixtures.ForTest(t, fixtures.Spec{
				Topology: fixtures.Clusters, Old: family, OldOptions: seen, NewOptions: seen,
				OldReplicas: []fixtures.ReplicaSpec{{}}, NewReplicas: []fixtures.ReplicaSpec{{}, {}},
			})
			app := &application{set: set, sessions: make(map[string]*session), writers: make(map[string]*writer)}
			commands := scriptCommands(set)
			commands["app"], commands["session"], commands["writer"] = app.run, app.session, app.write
			commands["replication"], commands["caughtup"], commands["node"], commands["errant"] = app.replication, app.caughtUp, app.node, app.errant
			testscript.Run(t, testscript.Params{
				Dir: "testdata/migrations", RequireExplicitExec: true, Cmds: commands,
				Setup: func(env *testscript.Env) error {
					env.Defer(app.close)
					return setUpScript(set)(env)
				},
			})
		})
	}
}

// node kills or starts a server: node new-1 kill|start
func (a *application) node(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: node NODE kill|start")
	}
	s := a.server(ts, args[0])
	if args[1] == "kill" {
		ts.Check(s.Kill())
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(s.Restart(ctx))
}

// errant writes to a replica, and logs it: errant NODE
func (a *application) errant(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: errant NODE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := a.server(ts, args[0]).DB().ExecContext(ctx, "INSERT INTO shop.orders (id, v) VALUES (999999, 'stray')")
	ts.Check(err)
}
