package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"crosscheck/fixtures"
)

// TestClusterScripts runs the scripts about clusters. new-2 has registered with new under a port where nobody listens.
func TestClusterScripts(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MySQL, fixtures.MariaDB} {
		t.Run(string(f), func(t *testing.T) {
			set := fixtures.ForTest(t, fixtures.Spec{
				Topology: fixtures.Clusters, Old: f, OldReplicas: []fixtures.ReplicaSpec{{}},
				NewReplicas: []fixtures.ReplicaSpec{{}, {Options: fixtures.ServerOptions{Variables: map[string]string{"report_port": "1"}}}},
			})
			testscript.Run(t, testscript.Params{
				Dir: "testdata/clusters", RequireExplicitExec: true, Cmds: scriptCommands(set), Setup: setUpScript(set),
			})
		})
	}
}

// TestGroupScripts runs the scripts about a replication group as new.
func TestGroupScripts(t *testing.T) {
	set := fixtures.ForTest(t, fixtures.Spec{Topology: fixtures.Group})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/group", RequireExplicitExec: true, Cmds: scriptCommands(set), Setup: setUpScript(set),
	})
}

// TestGaleraScripts runs the scripts about a Galera cluster as new.
func TestGaleraScripts(t *testing.T) {
	t.Parallel()
	set := fixtures.ForTest(t, fixtures.Spec{Topology: fixtures.Galera})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/galera", RequireExplicitExec: true, Cmds: scriptCommands(set), Setup: setUpScript(set),
	})
}
