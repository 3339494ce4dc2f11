package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"crosscheck/fixtures"
)

// TestRollingNodes upgrades the replica of a cluster on real servers of two versions. new-1 stands for what old-1 becomes.
func TestRollingNodes(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{
		Topology: fixtures.Clusters, Old: fixtures.MariaDB, New: fixtures.MariaDB118,
		OldReplicas: []fixtures.ReplicaSpec{{}}, NewReplicas: []fixtures.ReplicaSpec{{}},
	})
	app := &application{set: set, sessions: make(map[string]*session), writers: make(map[string]*writer)}
	commands := scriptCommands(set)
	commands["app"], commands["session"], commands["caughtup"] = app.run, app.session, app.caughtUp
	testscript.Run(t, testscript.Params{
		Dir: "testdata/rolling", RequireExplicitExec: true, Cmds: commands,
		Setup: func(env *testscript.Env) error {
			env.Defer(app.close)
			return setUpScript(set)(env)
		},
	})
}
