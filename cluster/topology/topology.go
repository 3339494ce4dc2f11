// Package topology finds the nodes of the two clusters that a migration has,
// tells which side each belongs to and what its part there is, and reads their
// state. It only reads.
package topology

import (
	"slices"
	"strconv"
	"strings"

	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// Side is one of the two clusters.
type Side string

// The sides.
const (
	Old Side = "old"
	New Side = "new"
)

// Role is a node's part in its cluster.
type Role string

// The roles.
const (
	Writer  Role = "writer"  // the cluster's own writes enter here
	Replica Role = "replica" // it gets them by replication
	Member  Role = "member"  // of a group, and it takes no writes
)

// Node is one server of a cluster.
type Node struct {
	Label string // "old", "old-1", "new-2", …
	Side  Side
	Role  Role
	// Server is nil where the node could not be reached; Err says why.
	Server *cluster.Server
	Err    error
	Facts  cluster.Facts // of the moment of the connection; zero where it was not reached
	// Addr is where it was reached, or was looked for.
	Addr string
	// Found says how it was found first: "named", "replica of old", …
	Found string
	Named bool // by the user, and not only found
	// Sources are the nodes that it replicates from, of either side.
	Sources []*Node
	State   State

	opened  bool  // by Discover, which closes it
	login   *Node // the named node whose login reached it
	group   groupRole
	members []*Node // the others of its group that one of the two named
}

// UUID identifies the node: Facts.ServerUUID, "" where it was not reached.
func (n *Node) UUID() string { return n.Facts.ServerUUID }

// Members are the other nodes of its group that it or they named.
func (n *Node) Members() []*Node {
	out := []*Node{}
	for _, x := range n.members {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// Reached tells whether the node answers.
func (n *Node) Reached() bool { return n.Server != nil }

// Why says in a line why the node could not be reached; "" where it was.
func (n *Node) Why() string {
	if n.Err == nil {
		return ""
	}
	text := fault.Line(n.Err.Error())
	if i := strings.Index(text, n.Addr); i >= 0 && i <= len("converter (") { // whose address it is, is known
		text = strings.TrimLeft(text[i+len(n.Addr):], "): ")
	}
	return text
}

// Cluster is one side.
type Cluster struct {
	Side  Side
	Nodes []*Node // the named one first
	// Unknown says what could not be found out, one line each: there may be
	// nodes besides.
	Unknown []string
	// Grants are the statements after which it can be found out, in order; where they run stands before: "on new-1: …".
	Grants []string
}

// Writers are the nodes that take the cluster's own writes.
func (c *Cluster) Writers() []*Node {
	var out []*Node
	for _, n := range c.Nodes {
		if n.Role == Writer {
			out = append(out, n)
		}
	}
	return out
}

// Others are the nodes besides the one that stands for the side: those that are named, or with auto all.
func (c *Cluster) Others(auto bool) []*Node {
	var out []*Node
	for _, n := range c.Nodes {
		if n.Label != string(c.Side) && (n.Named || auto) {
			out = append(out, n)
		}
	}
	return out
}

// Topology is both clusters.
type Topology struct{ Old, New Cluster }

// Side is the cluster of a side.
func (t *Topology) Side(s Side) *Cluster {
	if s == New {
		return &t.New
	}
	return &t.Old
}

// Nodes are those of both sides, old's first.
func (t *Topology) Nodes() []*Node { return slices.Concat(t.Old.Nodes, t.New.Nodes) }

// ByUUID is the node that answers with an identity, nil if there is none.
func (t *Topology) ByUUID(uuid string) *Node {
	for _, n := range t.Nodes() {
		if uuid != "" && n.UUID() == uuid {
			return n
		}
	}
	return nil
}

// Gaps says what the topology lacks, one line each: nodes that do not answer,
// and what the servers did not tell. Without gaps all nodes are known.
func (t *Topology) Gaps() []string {
	var out []string
	for _, c := range []*Cluster{&t.Old, &t.New} {
		for _, n := range c.Nodes {
			if !n.Reached() {
				out = append(out, n.Label+" ("+n.Addr+", "+n.Found+") could not be reached: "+n.Why())
			}
		}
		out = append(out, c.Unknown...)
	}
	return out
}

// Close closes the connections that Discover made; those that it was given are
// their owners'.
func (t *Topology) Close() {
	for _, n := range t.Nodes() {
		if n.opened {
			_ = n.Server.Close()
		}
	}
}

// label gives a side's nodes their labels: what is named has its own.
func (c *Cluster) label() {
	taken := map[string]bool{}
	for _, n := range c.Nodes {
		taken[n.Label] = true
	}
	next := 1
	for _, n := range c.Nodes {
		if n.Label != "" {
			continue
		}
		for taken[string(c.Side)+"-"+strconv.Itoa(next)] {
			next++
		}
		n.Label = string(c.Side) + "-" + strconv.Itoa(next)
		taken[n.Label] = true
	}
}
