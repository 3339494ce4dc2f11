package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"crosscheck/cluster/gtid"
)

// galeraChannel is what we call the way by which a Galera cluster brings changes to a node: no server lists it.
const galeraChannel = "galera"

const (
	galeraSynced  = "Synced"
	galeraPrimary = "Primary"

	errLockWaitTimeout = 1205 // what a causal read ends with when the node did not get there in its time
	errNotReady        = 1047 // "WSREP has not yet prepared node for application use"
)

// galeraView is a Galera cluster as one of its nodes sees it.
type galeraView struct {
	uuid      string // of the cluster's history
	committed uint64 // the cluster's number of the last transaction that the node has committed
	state     string // the node's own: Synced, Donor/Desynced, Joined, …
	nodes     int    // that take clients
	view      int64  // the number of the membership
	status    string // that of the part of the cluster that the node is in: Primary, non-Primary
	ready     bool   // it takes statements
}

// galeraView asks a node; nil for a server that is none. A node that is not ready answers this, too.
func (r reader) galeraView(ctx context.Context) (*galeraView, error) {
	if !r.facts.Galera {
		return nil, nil
	}
	list, err := r.rows(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_state_uuid','wsrep_last_committed',"+
		"'wsrep_local_state_comment','wsrep_cluster_status','wsrep_ready','wsrep_incoming_addresses','wsrep_cluster_conf_id')")
	if err != nil {
		return nil, r.fail(opChannels, err)
	}
	v := &galeraView{}
	for _, x := range list {
		value := x.str("value")
		switch strings.ToLower(x.str("variable_name")) {
		case "wsrep_cluster_state_uuid":
			v.uuid = value
		case "wsrep_last_committed":
			v.committed, _ = strconv.ParseUint(value, 10, 64) // "-1" or so before the first one
		case "wsrep_local_state_comment":
			v.state = value
		case "wsrep_cluster_conf_id":
			v.view, _ = strconv.ParseInt(value, 10, 64)
		case "wsrep_incoming_addresses":
			for addr := range strings.SplitSeq(value, ",") {
				if strings.TrimSpace(addr) != "" {
					v.nodes++
				}
			}
		case "wsrep_cluster_status":
			v.status = value
		case "wsrep_ready":
			v.ready = isOn(value)
		}
	}
	return v, nil
}

// GaleraNode is a node of a Galera cluster at a moment.
type GaleraNode struct {
	Cluster string // its name; "" for a server that is of none
	State   string // "Synced", "Donor/Desynced", …; "non-Primary" outside of the majority
	Writes  bool   // it takes writes
	View    int64  // the number of the cluster's membership as it is now
	Nodes   int    // how many nodes it sees that take clients, itself among them; arbiters do not
}

// GaleraNode asks how a server stands with its Galera cluster. Errors are *ServerError.
func (s *Server) GaleraNode(ctx context.Context) (GaleraNode, error) {
	r := reader{s}
	v, err := r.galeraView(ctx)
	if v == nil || err != nil {
		return GaleraNode{}, err
	}
	vars, err := r.some(ctx, "wsrep_cluster_name")
	out := GaleraNode{Cluster: vars["wsrep_cluster_name"], State: v.state, Writes: v.ready && v.status == galeraPrimary, Nodes: v.nodes, View: v.view}
	if v.status != galeraPrimary {
		out.State = v.status
	}
	return out, err
}

// withGalera adds the way from the cluster to the channels of a node that gets nothing by it. While it is well none is
// listed: then it has no threads, and never lags by more than flow control lets it.
func (r reader) withGalera(ctx context.Context, list []ReplicaChannel) ([]ReplicaChannel, error) {
	v, err := r.galeraView(ctx)
	if v == nil || err != nil {
		return list, err
	}
	if why := v.trouble(); why != "" {
		list = append(list, ReplicaChannel{Name: galeraChannel, Group: true, GroupTrouble: why})
	}
	return list, nil
}

// trouble says what keeps the cluster from bringing changes to the node; "" if nothing does. A donor and a node that was
// desynced take part, but may fall behind without bound.
func (v *galeraView) trouble() string {
	switch {
	case v == nil:
		return "it is no node of a Galera cluster now"
	case v.status != galeraPrimary:
		return "it is not in the part of its Galera cluster that has the majority (wsrep_cluster_status " + v.status + ")"
	case v.state != galeraSynced:
		return "its state in its Galera cluster is " + v.state
	case !v.ready:
		return "it is not ready for its Galera cluster (wsrep_ready OFF)"
	}
	return ""
}

// inGalera finds the way by which a node of a Galera cluster gets what another one commits, if there is one. All nodes may
// take writes. Where a channel leads into the cluster, changes enter at the nodes that have one, and go from these to the others.
func inGalera(from, to reader, fid, tid identity, entries bool) (*Link, string) {
	if fid.galeraUUID == "" || fid.galeraUUID != tid.galeraUUID || entries && len(fid.channels) == 0 {
		return nil, ""
	}
	l := &Link{from: from, to: to, fromID: fid, toID: tid, proof: ByGalera}
	return l, fmt.Sprintf("%s and %s are nodes of the Galera cluster %s", from.Label(), to.Label(), fid.galera)
}

// entered tells whether any of the servers that are nodes of a Galera cluster has a channel into it.
func entered(galeraUUID string, ids ...identity) bool {
	for _, id := range ids {
		if id.galeraUUID == galeraUUID && len(id.channels) > 0 {
			return true
		}
	}
	return false
}

// missingGalera tells whether `to` has all that `from` has committed by now, which is no less than what it had at p. GTIDs do
// not tell: the nodes number the cluster's own transactions each by itself, unless wsrep_gtid_mode is on.
//
// Each transaction has one number in the whole cluster, so `to` must have committed up to the number of `from`. A node shows a
// transaction a moment before it counts it. So a causal read follows on `to`: it returns when everything that the cluster
// had ordered by then is committed there. It alone would not do: it believes the node's own view of the cluster.
func (l *Link) missingGalera(ctx context.Context, p gtid.Position) (*gtid.Position, error) {
	at, err := l.from.galeraView(ctx)
	if err != nil {
		return nil, err
	}
	if has, err := l.galeraHas(ctx, at); err != nil || !has {
		return &p, err
	}
	if caught, err := l.to.causal(ctx); err != nil || !caught {
		return &p, err
	}
	if has, err := l.galeraHas(ctx, at); err != nil || !has { // it has left its cluster meanwhile
		return &p, err
	}
	return nil, nil
}

// galeraHas tells whether `to` is well and has committed what `from` has at a view.
func (l *Link) galeraHas(ctx context.Context, at *galeraView) (bool, error) {
	now, err := l.to.galeraView(ctx)
	if err != nil {
		return false, err
	}
	well := at.trouble() == "" && now.trouble() == "" && at.uuid == l.fromID.galeraUUID && now.uuid == at.uuid
	return well && now.committed >= at.committed, nil
}

// causal waits on a node of a Galera cluster until it shows what the cluster had committed when it was asked. False says that
// the node could not make sure of it.
func (r reader) causal(ctx context.Context) (bool, error) {
	conn, err := r.DB().Conn(ctx)
	if err != nil {
		return false, r.fail(opFence, err)
	}
	defer func() { _ = conn.Close() }()
	if _, err = conn.ExecContext(ctx, "SET SESSION wsrep_sync_wait = 1"); err != nil {
		return false, r.fail(opFence, err)
	}
	var wait, on int
	err = conn.QueryRowContext(ctx, "SELECT @@session.wsrep_sync_wait & 1, @@session.wsrep_on").Scan(&wait, &on)
	if n := ErrorNumber(err); n == errLockWaitTimeout || n == errNotReady {
		err, wait = nil, 0
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "SET SESSION wsrep_sync_wait = DEFAULT")
	}
	return err == nil && wait == 1 && on == 1, r.fail(opFence, err)
}

// galera is ongoing.look for a link within a Galera cluster: what `to` shows the cluster has ordered, so `from` is up to it.
func (o *ongoing) galera(ctx context.Context) (string, error) {
	v, err := o.l.from.galeraView(ctx)
	if err != nil {
		return "", err
	}
	if why := v.trouble(); why != "" {
		return why, nil
	}
	if caught, err := o.l.from.causal(ctx); err != nil || !caught {
		return "what its Galera cluster has ordered", err
	}
	return "", nil
}

// fromGalera is the state of a link within a Galera cluster, as that of a channel.
func (l *Link) fromGalera(ctx context.Context) (ReplicaChannel, error) {
	c := ReplicaChannel{Name: galeraChannel, Group: true}
	at, err := l.from.galeraView(ctx)
	if err != nil {
		return c, err
	}
	now, err := l.to.galeraView(ctx)
	if err != nil {
		return c, err
	}
	c.GroupTrouble = now.trouble()
	if why := at.trouble(); c.GroupTrouble == "" && why != "" {
		c.GroupTrouble = "of " + l.From() + ": " + why
	}
	if c.GroupTrouble == "" && (now.uuid != at.uuid || at.uuid != l.fromID.galeraUUID) {
		c.GroupTrouble = fmt.Sprintf("it and %s are nodes of two Galera clusters now (%s, %s)", l.From(), now.uuid, at.uuid)
	}
	c.IORunning, c.SQLRunning = c.GroupTrouble == "", c.GroupTrouble == ""
	return c, nil
}

// unproven says why nothing tells what a node of a Galera cluster has got of another server's changes: they come to it from a
// node that has the channel; "" where none come.
func unproven(ctx context.Context, from, to reader, fid, tid identity) (string, error) {
	if tid.galera == "" || !fid.maria || !tid.maria || len(tid.channels) > 0 {
		return "", nil
	}
	theirs, err := to.binlogState(ctx)
	if ErrorNumber(err) == errNotReady {
		return to.Label() + " is not ready for its Galera cluster", nil
	}
	if err != nil {
		return "", err
	}
	ours, err := from.binlogState(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range ours.Domains() {
		if ours.Wrote(d, fid.serverID) && theirs.Wrote(d, fid.serverID) {
			return fmt.Sprintf("%s gets what %s commits through another node of the Galera cluster %s", to.Label(), from.Label(), tid.galera), nil
		}
	}
	return "", nil
}

// errUnproven is what the fence of a link says of which the way is not known.
func (l *Link) errUnproven() error {
	return &FenceError{
		From: l.From(), To: l.To(), Cause: FenceIncomparable, Err: errors.New(l.unproven),
		Detail: l.unproven + ", and no position tells how far it is",
		Hint:   "name the node that has the channel, too: as a further node of its side",
	}
}
