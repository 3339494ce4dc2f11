package topology

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// errOwnReader: what registered with its source's own address is a program that reads the log.
var errOwnReader = errors.New("a program that reads the binary log, no server")

// resolve finds the servers behind claims: those that are known already, and new ones by connecting.
func (d *discovery) resolve(ctx context.Context, claims []claim) error {
	var groups [][]claim
	index := map[string]int{}
	for _, c := range claims {
		if n := d.known(c); n != nil {
			d.relate(n, c)
			continue
		}
		k := c.key()
		if i, ok := index[k]; ok {
			groups[i] = append(groups[i], c)
			continue
		}
		index[k] = len(groups)
		groups = append(groups, []claim{c})
	}
	opened := make([]*Node, len(groups))
	errs := make([]error, len(groups))
	end := each(ctx, len(groups), func(i int) { opened[i], errs[i] = d.open(ctx, groups[i]) })
	for i, g := range groups {
		if opened[i] == nil {
			for _, c := range g {
				c.err = errs[i]
				d.lost = append(d.lost, c)
			}
			continue
		}
		n := d.adopt(opened[i])
		for _, c := range g {
			d.relate(n, c)
		}
	}
	return end
}

// key is what tells claims of different servers apart before they are connected to.
func (c claim) key() string {
	if c.peer.UUID != "" {
		return c.peer.UUID
	}
	return fmt.Sprintf("%d@%s:%d", c.peer.ServerID, strings.Join(c.hosts, ","), c.peer.Port)
}

// known is the node that a claim means, if it was found before.
func (d *discovery) known(c claim) *Node {
	if n := d.byID[c.peer.UUID]; n != nil && c.peer.UUID != "" {
		return n
	}
	if c.peer.UUID != "" {
		return nil
	}
	for _, h := range c.hosts {
		if n := d.byAddr[addrKey(join(h, c.peer.Port))]; n != nil && c.fits(n.Facts) == nil && (c.peer.Kin != cluster.KinReplica || d.replicates(n, c.via)) {
			return n
		}
	}
	return nil
}

// replicates tells whether a node that was asked says so, or may not say.
func (d *discovery) replicates(n, source *Node) bool {
	a := d.asked[n]
	return a != nil && n != source && (a.channelsErr != nil || slices.ContainsFunc(a.channels, func(x cluster.ReplicaChannel) bool { return leadsTo(x, source.Facts) }))
}

// fits tells whether a server is the one that a claim describes.
func (c claim) fits(f cluster.Facts) error {
	switch {
	case c.peer.UUID != "" && f.ServerUUID != c.peer.UUID:
		return fmt.Errorf("another server answers there: %s and not %s", f.ServerUUID, c.peer.UUID)
	case c.peer.ServerID != 0 && f.ServerID != c.peer.ServerID:
		return fmt.Errorf("another server answers there: its server_id is %d and not %d", f.ServerID, c.peer.ServerID)
	}
	return nil
}

// open connects to the server of some claims that mean the same one. The error is of the first address.
func (d *discovery) open(ctx context.Context, group []claim) (*Node, error) {
	type attempt struct {
		login *Node
		addr  string
	}
	var first error
	tried := map[attempt]bool{}
	for _, c := range group {
		for _, h := range c.hosts {
			this := attempt{c.via.login, join(h, c.peer.Port)}
			if tried[this] {
				continue
			}
			tried[this] = true
			n, err := d.openAt(ctx, c, h, c.via.login)
			if other := d.otherSide(c.via.login); cluster.IsPermission(err) && c.peer.Kin == cluster.KinSource && other != nil {
				n, err = d.openAt(ctx, c, h, other) // new's source is old's, as a rule
			}
			if err == nil {
				return n, nil
			}
			if first == nil || errors.Is(err, errOwnReader) {
				first = err
			}
		}
	}
	return nil, first
}

// otherSide is a named node of the side that a login is not of.
func (d *discovery) otherSide(login *Node) *Node {
	for _, n := range d.nodes {
		if n.Named && n.Reached() && n.Side != login.Side {
			return n
		}
	}
	return nil
}

// openAt connects to one address with a named node's login, and makes sure of who answers.
func (d *discovery) openAt(ctx context.Context, c claim, host string, login *Node) (*Node, error) {
	octx, cancel := context.WithTimeout(ctx, d.opt.Timeout)
	defer cancel()
	s, err := cluster.Open(octx, login.Server.ConfigAt(login.Label, host, c.peer.Port), d.opt.Log)
	if err != nil {
		return nil, err
	}
	err = c.fits(s.Facts())
	if err != nil && s.Facts().ServerUUID == c.via.UUID() && c.peer.Kin == cluster.KinReplica && c.peer.Host != "" {
		err = errOwnReader
	}
	if err == nil && c.peer.Kin == cluster.KinReplica && c.peer.UUID == "" {
		channels, chErr := s.Channels(octx)
		if chErr == nil && !slices.ContainsFunc(channels, func(x cluster.ReplicaChannel) bool { return leadsTo(x, c.via.Facts) }) {
			err = fmt.Errorf("another server answers there: it does not replicate from %s", c.via.Addr)
		}
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return &Node{Server: s, Facts: s.Facts(), Addr: s.Config().Addr, opened: true, login: login}, nil
}

// leadsTo tells whether a channel's source may be a server, by what it says of its identity.
func leadsTo(c cluster.ReplicaChannel, source cluster.Facts) bool {
	if c.SourceUUID != "" && !source.IsMariaDB() {
		return c.SourceUUID == source.ServerUUID
	}
	return c.SourceServerID == 0 || c.SourceServerID == source.ServerID
}

// adopt takes in a node, unless it is one that is known by another address.
func (d *discovery) adopt(n *Node) *Node {
	if same := d.byID[n.UUID()]; same != nil {
		_ = n.Server.Close()
		d.byAddr[addrKey(n.Addr)] = same
		return same
	}
	d.add(n)
	return n
}

// relate notes what a claim says of a node.
func (d *discovery) relate(n *Node, c claim) {
	if n == c.via {
		return
	}
	if _, ok := d.found[n]; !ok {
		d.found[n] = finding{c.peer.Kin, c.via}
	}
	switch c.peer.Kin {
	case cluster.KinReplica:
		n.follows(c.via)
	case cluster.KinSource:
		c.via.follows(n)
	case cluster.KinMember:
		d.members = append(d.members, [2]*Node{c.via, n})
		c.via.members, n.members = append(c.via.members, n), append(n.members, c.via)
	}
}

func (n *Node) follows(source *Node) {
	if !slices.Contains(n.Sources, source) {
		n.Sources = append(n.Sources, source)
	}
}

// settle makes nodes of the claims that led to no server, but for those that mean one that was found by another way.
func (d *discovery) settle(ctx context.Context) {
	missing := map[string]*Node{}
	for _, c := range d.lost {
		if c.guess || errors.Is(c.err, errOwnReader) {
			continue
		}
		n := d.known(c)
		if n == nil {
			n = d.relative(ctx, c)
		}
		if n == nil {
			n = missing[c.key()]
		}
		if n == nil {
			host := strings.Join(c.hosts, " or ")
			if len(c.hosts) == 1 || c.peer.Host != "" {
				host = c.hosts[0]
			}
			n = &Node{Addr: join(host, c.peer.Port), Err: c.err}
			missing[c.key()] = n
			d.nodes = append(d.nodes, n)
		}
		d.relate(n, c)
	}
}

// relative is the node that a claim means although its address led nowhere: one with its server_id that has to do with the
// same node, or that is on the same machine and port under another name.
func (d *discovery) relative(ctx context.Context, c claim) *Node {
	if c.peer.UUID != "" || c.peer.ServerID == 0 {
		return nil
	}
	for _, n := range d.nodes {
		if !n.Reached() || n.Facts.ServerID != c.peer.ServerID || n == c.via {
			continue
		}
		if (c.peer.Kin == cluster.KinReplica && slices.Contains(n.Sources, c.via)) || (c.peer.Kin == cluster.KinSource && slices.Contains(c.via.Sources, n)) {
			return n
		}
		if c.peer.Kin == cluster.KinReplica && !d.replicates(n, c.via) {
			continue
		}
		if n.Facts.Port == c.peer.Port && slices.ContainsFunc(c.hosts, func(h string) bool { return sameHost(ctx, h, n) }) {
			return n
		}
	}
	return nil
}

// addrKey is an address as it is looked up: all names of this machine's own are one.
func addrKey(addr string) string {
	if host, port, err := net.SplitHostPort(addr); err == nil && cluster.IsLoopback(host) {
		return "loopback:" + port
	}
	return addr
}
