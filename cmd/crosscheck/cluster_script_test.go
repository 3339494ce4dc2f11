package main

import (
	"context"
	"fmt"
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
			commands["follow"], commands["filter"], commands["delay"] = app.follow, app.filter, app.delay
			testscript.Run(t, testscript.Params{
				Dir: "testdata/migrations", RequireExplicitExec: true, Cmds: commands,
				Condition: func(c string) (bool, error) {
					if c == "maria" {
						return family == fixtures.MariaDB, nil
					}
					return false, fmt.Errorf("unknown condition %q", c)
				},
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

// filter makes a replica leave out a table: filter NODE TABLE
func (a *application) filter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: filter NODE TABLE")
	}
	filterTable(scriptT{ts: ts}, a.server(ts, args[0]), "'"+args[1]+"'")
}

// filterTable makes a replica leave out a table, which stands in quotes, or none.
func filterTable(t testing.TB, s *fixtures.Server, quoted string) {
	t.Helper()
	list := []string{"STOP REPLICA SQL_THREAD", "CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE = (" + quoted + ")", "START REPLICA SQL_THREAD"}
	if s.Family() == fixtures.MariaDB {
		if quoted == "" {
			quoted = "''"
		}
		list = []string{"STOP SLAVE", "SET GLOBAL replicate_wild_ignore_table = " + quoted, "START SLAVE"}
	}
	unlogged(t, s, list...)
}

// delay tells a replica to stay behind: delay NODE SECONDS
func (a *application) delay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: delay NODE SECONDS")
	}
	s := a.server(ts, args[0])
	list := []string{"STOP REPLICA SQL_THREAD", "CHANGE REPLICATION SOURCE TO SOURCE_DELAY = " + args[1], "START REPLICA SQL_THREAD"}
	if s.Family() == fixtures.MariaDB {
		list = []string{"STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = " + args[1], "START SLAVE"}
	}
	unlogged(scriptT{ts: ts}, s, list...)
}
