package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"crosscheck/cluster"
	"crosscheck/internal/fault"
)

// Named is a node that the user named: old and new themselves, and replicas.
type Named struct {
	Side   Side
	Label  string          // "old", "new-1"
	Server *cluster.Server // nil where it could not be reached
	Addr   string          // of one that could not be reached
	Err    error           // why
}

// Options are those of Discover; the zero value will do.
type Options struct {
	Log     *slog.Logger
	Finders []Finder      // nil: Finders
	Timeout time.Duration // for a connection to a node that was found; 0: 5 s
}

const (
	connectLimit = 5 * time.Second
	atOnce       = 8 // servers that are asked or connected to
)

// Discover finds the nodes of both clusters, from the nodes that were named:
// their replicas, their sources, and the members of their groups, and those
// nodes' in turn. It connects with the login of the named node that led there.
//
// A node of which only the address is known is in the result all the same, with
// what went wrong. Errors are those of the context, of the fixed rules
// (cluster.ErrSameServer), and of having no named node that answers.
func Discover(ctx context.Context, named []Named, o Options) (*Topology, error) {
	d := newDiscovery(o)
	defer d.closeUnused()
	for _, n := range named {
		if err := d.name(n); err != nil {
			return nil, err
		}
	}
	for {
		fresh := d.unasked()
		if len(fresh) == 0 {
			break
		}
		claims, err := d.askAll(ctx, fresh)
		if err != nil {
			return nil, err
		}
		if err = d.resolve(ctx, claims); err != nil {
			return nil, err
		}
	}
	d.settle(ctx)
	d.settleReaders(ctx)
	t := d.place()
	d.kept = true
	if err := Measure(ctx, t); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// discovery is one Discover at work.
type discovery struct {
	opt     Options
	nodes   []*Node
	byID    map[string]*Node
	byAddr  map[string]*Node
	asked   map[*Node]*answer
	lost    []claim           // that led to no server
	found   map[*Node]finding // the first one of each
	members [][2]*Node
	unknown map[*Node][]string
	kept    bool // the result is handed over
}

// finding is one way by which a node was found.
type finding struct {
	kin cluster.Kin
	via *Node
}

// answer is what a node told of others.
type answer struct {
	claims      []claim
	channels    []cluster.ReplicaChannel
	channelsErr error
	replicaErr  error // it does not list its replicas
	readers     []cluster.Session
	readersErr  error
	errs        []error
	group       groupRole
}

// claim is a peer with where to look for it.
type claim struct {
	via   *Node
	peer  cluster.Peer
	hosts []string // to be tried in this order
	guess bool     // the port is a guess
	err   error    // why it led nowhere
}

func newDiscovery(o Options) *discovery {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Finders == nil {
		o.Finders = Finders()
	}
	if o.Timeout == 0 {
		o.Timeout = connectLimit
	}
	return &discovery{
		opt: o, byID: map[string]*Node{}, byAddr: map[string]*Node{}, asked: map[*Node]*answer{}, found: map[*Node]finding{},
		unknown: map[*Node][]string{},
	}
}

// closeUnused ends the connections of a discovery that failed.
func (d *discovery) closeUnused() {
	for _, n := range d.nodes {
		if n.opened && !d.kept {
			_ = n.Server.Close()
		}
	}
}

// namedTwiceError is a cluster.ErrSameServer that says which two names are meant: they need not be old and new.
type namedTwiceError struct{ first, second *Node }

func (e *namedTwiceError) Error() string {
	return fmt.Sprintf("%s (%s) and %s (%s) are the same server: name each node once", e.first.Label, e.first.Addr, e.second.Label, e.second.Addr)
}

func (e *namedTwiceError) Unwrap() error { return cluster.ErrSameServer }

// name takes in a node that the user named.
func (d *discovery) name(n Named) error {
	node := &Node{Label: n.Label, Side: n.Side, Named: true, Server: n.Server, Addr: n.Addr, Err: n.Err}
	node.login = node
	if n.Server == nil {
		if node.Err == nil {
			node.Err = errors.New("it was not connected to")
		}
		d.nodes = append(d.nodes, node)
		return nil
	}
	if node.Label == "" {
		node.Label = n.Server.Label()
	}
	node.Addr, node.Facts = n.Server.Config().Addr, n.Server.Facts()
	if same := d.byID[node.UUID()]; same != nil {
		return &namedTwiceError{same, node}
	}
	d.add(node)
	return nil
}

// add takes in a node that answers.
func (d *discovery) add(n *Node) {
	d.nodes = append(d.nodes, n)
	d.byID[n.UUID()] = n
	d.byAddr[addrKey(n.Addr)] = n
}

func (d *discovery) unasked() []*Node {
	var out []*Node
	for _, n := range d.nodes {
		if n.Reached() && d.asked[n] == nil {
			out = append(out, n)
		}
	}
	return out
}

// each runs f for some indices at a time. Only the context's end is an error.
func each(ctx context.Context, count int, f func(i int)) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range count {
		g.Go(func() error {
			defer fault.Guard()
			if ctx.Err() == nil {
				f(i)
			}
			return nil
		})
	}
	_ = g.Wait() // none of them returns an error
	return ctx.Err()
}

// askAll asks nodes for their peers.
func (d *discovery) askAll(ctx context.Context, nodes []*Node) ([]claim, error) {
	answers := make([]*answer, len(nodes))
	if err := each(ctx, len(nodes), func(i int) { answers[i] = d.ask(ctx, nodes[i]) }); err != nil {
		return nil, err
	}
	var out []claim
	for i, n := range nodes {
		a := answers[i]
		d.asked[n] = a
		n.group = a.group
		for _, err := range a.errs {
			d.unknown[n] = append(d.unknown[n], fault.Line(err.Error()))
		}
		out = append(out, a.claims...)
	}
	return out, nil
}

// ask asks one node.
func (d *discovery) ask(ctx context.Context, n *Node) *answer {
	a := &answer{group: roleInGroup(ctx, n.Server)}
	var list []cluster.Peer
	list, a.replicaErr = n.Server.Replicas(ctx)
	a.readers, a.readersErr = n.Server.LogReaders(ctx)
	var hosts []string
	for _, x := range a.readers {
		hosts = appendNew(hosts, n.seen(x.Host))
	}
	for _, p := range list {
		c := claim{via: n, peer: p, hosts: hosts}
		switch {
		case p.Host != "":
			c.hosts = appendNew([]string{n.seen(p.Host)}, hosts...)
		case len(hosts) == 0:
			c.hosts = []string{n.dialHost()}
		}
		a.claims = append(a.claims, c)
	}
	if a.replicaErr != nil {
		a.claims = append(a.claims, guesses(n, hosts)...)
	}
	for _, f := range d.opt.Finders {
		peers, err := f(ctx, n.Server)
		if err != nil {
			a.errs = append(a.errs, err)
		}
		for _, p := range peers {
			a.claims = append(a.claims, claim{via: n, peer: p, hosts: []string{n.seen(p.Host)}})
		}
	}
	a.channels, a.channelsErr = n.Server.Channels(ctx)
	return a
}

// guesses are the servers that may be behind connections of which only the host is known.
func guesses(n *Node, hosts []string) []claim {
	ports := []int{n.Facts.Port}
	if n.Facts.Port != usualPort {
		ports = append(ports, usualPort)
	}
	var out []claim
	for _, h := range hosts {
		for _, port := range ports {
			out = append(out, claim{via: n, peer: cluster.Peer{Kin: cluster.KinReplica, Port: port}, hosts: []string{h}, guess: true})
		}
	}
	return out
}

// dialHost is the host that the node is reached at.
func (n *Node) dialHost() string {
	if n.Server.Config().Net == "tcp" {
		if host, _, err := net.SplitHostPort(n.Addr); err == nil {
			return host
		}
	}
	return "127.0.0.1"
}

// seen is a host, as the node knows it, for us: its own machine is where we
// reach it.
func (n *Node) seen(host string) string {
	if host == "" || cluster.IsLoopback(host) {
		return n.dialHost()
	}
	return host
}

func appendNew(list []string, more ...string) []string {
	for _, s := range more {
		known := false
		for _, have := range list {
			known = known || have == s
		}
		if !known {
			list = append(list, s)
		}
	}
	return list
}

func join(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
