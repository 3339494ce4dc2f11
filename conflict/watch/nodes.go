package watch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/cluster/topology"
	"crosscheck/conflict"
	"crosscheck/internal/fault"
)

// Replica is a node that is watched besides old and new: its threads, its lag, its transactions, and where it logs what it
// applies, its log.
type Replica struct {
	Side  conflict.Side
	Label string // "new-1"
	Addr  string
	// Open connects to it. It is called again, from another goroutine, as long as it fails.
	Open func(ctx context.Context) (*cluster.Server, error)
	// Base is what the check of a run, on which the account builds, says of the node; nil if it did not compare it. It may be
	// called from another goroutine. A nil function: of none.
	Base func(ctx context.Context, run int64, node *cluster.Server) (*CopyBase, error)
}

// CopyBase is what a check says of a copy: where the node was when the check began, and which of its tables it found the same.
type CopyBase struct {
	Run   int64
	Start gtid.Position
	Coverage
}

// Node is what was last seen of a node besides old and new.
type Node struct {
	Label, Addr   string
	Side          conflict.Side
	Watched       bool // it is one of Options.Replicas; others were found, and are only named
	Reached       bool
	UUID, Version string
	// Trouble is why it was not reached, or what stops its replication; "" if all is well.
	Trouble  string
	Lag      *int64 // in seconds, as the server says; nil: not known
	ReadOnly bool
	Filters  []string
	// Errant are transactions that no node above it has, seen in two looks; "" for none, or where nobody can tell.
	Errant   string
	Sessions int // of clients
	Position string
}

// nodesEvery is how often nodes are looked at, unnamedEvery how often where none is named, to name those that are found, and
// nodesTimeout how long a look may take.
const (
	nodesEvery   = 10 * time.Second
	unnamedEvery = time.Minute
	nodesTimeout = 30 * time.Second
)

// nodes is what the engine knows of the nodes besides old and new.
type nodes struct {
	busy    bool
	asked   time.Time
	servers map[string]*cluster.Server // by label; only the look that is under way uses them
	list    []Node
	unknown []string          // what the servers do not tell of others
	errant  map[string]string // by label, of the look before
}

// lookAtNodes looks at them when that is due.
func (e *engine) lookAtNodes(ctx context.Context, now time.Time) {
	n := &e.nodes
	every := nodesEvery
	if len(e.opt.Replicas) == 0 {
		every = unnamedEvery
	}
	if n.busy || now.Sub(n.asked) < every {
		return
	}
	n.busy, n.asked = true, now
	e.spawn(ctx, func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
		defer cancel()
		list, unknown, err := e.seeNodes(ctx)
		return func() {
			if n.busy = false; err == nil {
				n.saw(list, unknown)
			}
		}
	})
}

// seeNodes asks the nodes, and finds those that were not named.
func (e *engine) seeNodes(ctx context.Context) ([]Node, []string, error) {
	named := []topology.Named{
		{Side: topology.Old, Label: "old", Server: e.servers[conflict.Old]}, {Side: topology.New, Label: "new", Server: e.servers[conflict.New]},
	}
	for _, r := range e.opt.Replicas {
		x := topology.Named{Side: topology.Side(r.Side.String()), Label: r.Label, Addr: r.Addr}
		if e.nodes.servers[r.Label] == nil {
			s, err := r.Open(ctx)
			if x.Err = err; err == nil {
				e.nodes.servers[r.Label] = s
			}
		}
		if s := e.nodes.servers[r.Label]; s != nil {
			if x.Err = s.SameServer(ctx); x.Err == nil {
				x.Server = s
			}
		}
		named = append(named, x)
	}
	t, err := topology.Discover(ctx, named, topology.Options{Log: e.opt.Log})
	if err != nil {
		return nil, nil, err
	}
	defer t.Close()
	var out []Node
	for _, x := range t.Nodes() {
		if x.UUID() != "" && (x.UUID() == e.servers[conflict.Old].Facts().ServerUUID || x.UUID() == e.servers[conflict.New].Facts().ServerUUID) {
			continue
		}
		out = append(out, nodeOf(x))
	}
	return out, slices.Concat(t.Old.Unknown, t.New.Unknown), nil
}

func nodeOf(x *topology.Node) Node {
	n := Node{Label: x.Label, Addr: x.Addr, Watched: x.Named, Reached: x.Reached(), UUID: x.UUID(), Version: x.Facts.Version}
	if x.Side == topology.New {
		n.Side = conflict.New
	}
	if !n.Reached {
		n.Trouble = fault.Line(x.Err.Error())
		return n
	}
	st := x.State
	n.ReadOnly, n.Errant, n.Sessions = st.ReadOnly, st.Errant.Set, len(st.Sessions)
	n.Trouble = st.Trouble()
	if lag, known := st.Lag(); known && len(st.Channels) > 0 {
		n.Lag = &lag
	}
	for _, c := range st.Channels {
		n.Filters = append(n.Filters, c.LeavesOut()...)
	}
	if len(st.Channels) == 0 && x.Role == topology.Replica {
		n.Trouble = "it replicates from nowhere"
	}
	if len(st.Unknown) > 0 {
		n.Trouble = strings.Join(st.Unknown, "; ")
	}
	if !st.Position.IsZero() {
		n.Position = st.Position.String()
	}
	return n
}

// saw takes a look. A transaction may reach a replica a moment before its source shows it: only what was errant in the look
// before, too, is.
func (n *nodes) saw(list []Node, unknown []string) {
	errant := map[string]string{}
	for i := range list {
		x := &list[i]
		if errant[x.Label] = x.Errant; n.errant[x.Label] == "" {
			x.Errant = ""
		}
	}
	n.list, n.unknown, n.errant = list, unknown, errant
}

// close closes what looks have opened.
func (n *nodes) close() {
	for _, s := range n.servers {
		_ = s.Close()
	}
}

// nodeTroubles lists what is wrong with nodes that are watched.
func (e *engine) nodeTroubles(add func(t Trouble)) {
	for _, n := range e.nodes.list {
		if !n.Watched {
			continue
		}
		t := Trouble{Side: n.Side, Node: n.Label}
		say := func(id, detail, advice string) {
			t.ID, t.Detail, t.Advice = id, detail, advice
			add(t)
		}
		switch {
		case !n.Reached:
			say(TroubleTail, n.Label+" does not answer: "+n.Trouble, "")
		case n.Trouble != "":
			say(TroubleStopped, n.Label+": "+n.Trouble, "see its error, mend it on "+n.Label+", then start its replication")
		case n.Lag != nil && *n.Lag > int64(e.opt.MaxLag/time.Second):
			say(TroubleLag, fmt.Sprintf("%s is %d s behind", n.Label, *n.Lag), "who reads from it sees old rows")
		}
		if len(n.Filters) > 0 {
			say(TroubleFiltered, n.Label+" leaves out changes: "+strings.Join(n.Filters, ", "), "end its filters, and compare it")
		}
		if n.Errant != "" {
			say(TroubleErrant, n.Label+" has transactions that no node above it has: "+n.Errant, "find who writes to it; then build it anew from its source")
		}
	}
}
