package watch

import (
	"slices"
	"testing"

	"crosscheck/cluster"
	"crosscheck/cluster/topology"
)

// TestNodesNameEveryFilter tests that a node's trouble names all that its channels leave out.
func TestNodesNameEveryFilter(t *testing.T) {
	n := nodeOf(&topology.Node{Label: "new-1", Side: topology.New, Server: new(cluster.Server), State: topology.State{Channels: []cluster.ReplicaChannel{
		{IORunning: true, SQLRunning: true, Filters: []string{"replicate-do-db=shop"}, IgnoreServers: []uint32{3, 4}},
		{IORunning: true, SQLRunning: true, DoDomains: []uint32{0}, IgnoreDomains: []uint32{7}},
	}}})
	want := []string{"replicate-do-db=shop", "ignore-server-ids=3,4", "do-domain-ids=0", "ignore-domain-ids=7"}
	if !slices.Equal(n.Filters, want) {
		t.Errorf("the node leaves out %q, want %q", n.Filters, want)
	}
}
