package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster/gtid"
)

// Mode says which way changes flow between two servers.
type Mode int

// The modes, seen from the migration: old to new is the usual way.
const (
	Independent Mode = iota // no replication between them
	OneWay                  // old → new
	Reverse                 // new → old only
	TwoWay                  // both
	Siblings                // both get them from one writer, neither through the other
)

// String is the mode's name in messages.
func (m Mode) String() string {
	switch m {
	case OneWay:
		return "old→new"
	case Reverse:
		return "new→old"
	case TwoWay:
		return "old⇄new"
	case Siblings:
		return "siblings"
	default:
		return "independent"
	}
}

// Relation is how two servers replicate. A configured channel counts, whether
// it runs or not: Link.State tells.
type Relation struct {
	Mode     Mode
	OldToNew *Link // nil where changes do not flow that way
	NewToOld *Link
	ToOld    []Way    // by which the changes of each writer, old itself apart, get to old
	ToNew    []Way    // and to new
	Reason   string   // one line: how the relation was found
	Notes    []string // what a reader should know: filters, skipped errors, group membership
}

// ErrSameServer: both sides are one and the same server.
var ErrSameServer = errors.New("old and new are the same server")

// Relate finds out how old and new replicate. It asks both servers and changes
// nothing. Errors are those of reaching and reading the servers, and
// ErrSameServer.
func Relate(ctx context.Context, oldSide, newSide *Server) (Relation, error) {
	o, n := reader{oldSide}, reader{newSide}
	oid, err := o.identity(ctx)
	if err != nil {
		return Relation{}, err
	}
	nid, err := n.identity(ctx)
	if err != nil {
		return Relation{}, err
	}
	if oid.unique == nid.unique {
		return Relation{}, fmt.Errorf("%w (%s): check the two addresses", ErrSameServer, oid.unique)
	}
	var rel Relation
	var why [2]string
	if rel.OldToNew, why[0], err = connect(ctx, o, n, oid, nid); err != nil {
		return Relation{}, err
	}
	if rel.NewToOld, why[1], err = connect(ctx, n, o, nid, oid); err != nil {
		return Relation{}, err
	}
	switch {
	case rel.OldToNew != nil && rel.NewToOld != nil:
		rel.Mode, rel.Reason = TwoWay, why[0]+"; "+why[1]
	case rel.OldToNew != nil:
		rel.Mode, rel.Reason = OneWay, why[0]
	case rel.NewToOld != nil:
		rel.Mode, rel.Reason = Reverse, why[1]
	default:
		rel.Reason = why[0] + "; " + why[1]
	}
	if rel.OldToNew != nil {
		rel.ToNew = []Way{{rel.OldToNew}}
	}
	if rel.NewToOld != nil {
		rel.ToOld = []Way{{rel.NewToOld}}
	}
	rel.Notes = append(notes(o.Label(), oid), notes(n.Label(), nid)...)
	for _, l := range []*Link{rel.OldToNew, rel.NewToOld} {
		if l != nil {
			rel.Notes = append(rel.Notes, l.notes...)
		}
	}
	return rel, nil
}

// connect finds the way by which what from commits gets to to, if there is one.
func connect(ctx context.Context, from, to reader, fid, tid identity) (*Link, string, error) {
	if l, why := direct(ctx, from, to, fid, tid); l != nil {
		return l, why, nil
	}
	if l, why := inGroup(from, to, fid, tid); l != nil {
		return l, why, nil
	}
	if l, why := inGalera(from, to, fid, tid, entered(fid.galeraUUID, fid, tid)); l != nil {
		return l, why, nil
	}
	l := &Link{from: from, to: to, fromID: fid, toID: tid}
	why, err := unproven(ctx, from, to, fid, tid)
	if l.unproven = why; why != "" || err != nil {
		return l, why, err
	}
	if len(tid.channels) > 0 {
		why, err := l.throughOthers(ctx)
		if err != nil {
			return nil, "", err
		}
		if why != "" {
			return l, why, nil
		}
		return nil, fmt.Sprintf("%s replicates from %s, which is not %s, and has none of %s's own GTIDs", to.Label(), sources(tid.channels), from.Label(), from.Label()), nil
	}
	return nil, to.Label() + " has no replication channel", nil
}

// inGroup finds the way by which a member of a replication group gets what another one commits, if there is one.
func inGroup(from, to reader, fid, tid identity) (*Link, string) {
	group := together(fid, tid)
	if group == "" {
		return nil, ""
	}
	l := &Link{from: from, to: to, fromID: fid, toID: tid, proof: ByMySQLGTID, group: true}
	return l, fmt.Sprintf("%s and %s are members of the replication group %s", from.Label(), to.Label(), group)
}

// direct finds the channel by which to replicates from from itself, if there is one.
func direct(ctx context.Context, from, to reader, fid, tid identity) (*Link, string) {
	for _, c := range tid.channels {
		kin := c.leadsTo(ctx, fid, tid)
		if kin == stranger || (kin == likely && !sitsAtEnd(ctx, from.Server, to.Server, c.Name)) {
			continue
		}
		l := &Link{from: from, to: to, fromID: fid, toID: tid, direct: true, channel: c.Name, source: c.Source()}
		l.chooseProof(ctx, c)
		return l, fmt.Sprintf("%s replicates from %s (%s%s), proof by %s", to.Label(), from.Label(), c.Source(), named(c), l.proof)
	}
	return nil, ""
}

func named(c ReplicaChannel) string {
	if c.Name == "" {
		return ""
	}
	return ", channel " + c.Name
}

func sources(list []ReplicaChannel) string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.Source() + named(c)
	}
	return strings.Join(out, " and ")
}

// chooseProof takes the strongest proof that a direct channel allows.
//
// By GTID only if the channel itself finds its place by GTID. A MySQL replica
// that was copied without gtid_purged and runs with AUTO_POSITION=0 never gets
// the GTIDs from before the copy, so its gtid_executed never holds all of the
// source's; its place in the source's binary log is exact. MariaDB with
// MASTER_USE_GTID=no is alike. Two MariaDB primaries that share a domain
// number their transactions alike, so there the place decides as well. So do the
// nodes of a Galera cluster without wsrep_gtid_mode.
func (l *Link) chooseProof(ctx context.Context, c ReplicaChannel) {
	shared := l.fromID.maria && l.toID.maria && l.fromID.domain == l.toID.domain &&
		slices.ContainsFunc(l.fromID.channels, func(back ReplicaChannel) bool { return back.leadsTo(ctx, l.toID, l.fromID) != stranger })
	switch {
	case l.fromID.maria != l.toID.maria || !c.AutoPosition:
		l.proof = ByFilePos
	case l.fromID.maria && shared:
		l.proof = ByFilePos
		l.note("both primaries write GTIDs of domain %d: positions in it prove nothing, so the fence uses file and position; give each its own gtid_domain_id", l.fromID.domain)
	case l.fromID.maria && l.fromID.galera != "" && !l.fromID.galeraGTID:
		l.proof = ByFilePos
		l.note("the nodes of the Galera cluster %s number their transactions each by itself: a position proves nothing, so the fence uses file and position", l.fromID.galera)
	case l.fromID.maria:
		l.proof = ByMariaDBGTID
	case l.fromID.gtidMode == gtidOn:
		l.proof = ByMySQLGTID
	default:
		l.proof = ByFilePos
	}
	if len(c.Filters) > 0 {
		l.note("the channel filters: %s", strings.Join(c.Filters, ", "))
	}
	if len(c.IgnoreServers) > 0 {
		l.note("the channel drops transactions of the server ids %v", c.IgnoreServers)
	}
	if len(c.DoDomains)+len(c.IgnoreDomains) > 0 {
		l.note("the channel filters domains (do %v, ignore %v)", c.DoDomains, c.IgnoreDomains)
	}
	if c.DelaySeconds > 0 {
		l.note("the applier is delayed by %d s on purpose", c.DelaySeconds)
	}
	if len(c.SkipErrors) > 0 {
		l.note("the applier skips errors (%s): differences arise unseen", strings.Join(c.SkipErrors, ", "))
	}
	if strings.EqualFold(c.ExecMode, "IDEMPOTENT") {
		l.note("the applier is in IDEMPOTENT mode: differences arise unseen")
	}
}

func (l *Link) note(format string, args ...any) {
	l.notes = append(l.notes, l.from.Label()+"→"+l.to.Label()+": "+fmt.Sprintf(format, args...))
}

// throughOthers looks for a way over servers in between, or from a source that
// both share. Only GTIDs survive such a way. It says how it was found, or "".
func (l *Link) throughOthers(ctx context.Context) (string, error) {
	if upstream, ok := commonSource(l.fromID, l.toID); ok {
		switch {
		case l.bothOn():
			l.proof = ByMySQLGTID
		case l.fromID.maria && l.toID.maria:
			l.proof = ByMariaDBGTID
		default:
			return "", nil
		}
		return fmt.Sprintf("%s and %s both replicate from %s, proof by %s", l.from.Label(), l.to.Label(), upstream, l.proof), nil
	}
	var seen bool
	var err error
	switch {
	case l.bothOn():
		l.proof = ByMySQLGTID
		seen, err = l.holdsOwnGTIDs(ctx)
	case l.fromID.maria && l.toID.maria:
		l.proof = ByMariaDBGTID
		seen, err = l.holdsOwnDomain(ctx)
	}
	if err != nil || !seen {
		return "", err
	}
	return fmt.Sprintf("%s holds transactions of %s and replicates from %s, so through servers in between, proof by %s",
		l.to.Label(), l.from.Label(), sources(l.toID.channels), l.proof), nil
}

func (l *Link) bothOn() bool {
	return !l.fromID.maria && !l.toID.maria && l.fromID.gtidMode == gtidOn && l.toID.gtidMode == gtidOn
}

func commonSource(a, b identity) (string, bool) {
	for _, x := range a.channels {
		for _, y := range b.channels {
			if (x.SourceUUID != "" && x.SourceUUID == y.SourceUUID) ||
				(a.maria && x.Source() == y.Source() && x.SourceServerID == y.SourceServerID && !isLoopback(x.SourceHost)) {
				return x.Source(), true
			}
		}
	}
	return "", false
}

// holdsOwnGTIDs tells whether to has executed transactions that from numbered
// with its own UUID.
func (l *Link) holdsOwnGTIDs(ctx context.Context) (bool, error) {
	u, err := gtid.ParseUUID(l.fromID.uuid)
	if err != nil {
		return false, nil //nolint:nilerr // a server without a UUID has no GTIDs of its own
	}
	have, err := l.to.executed(ctx)
	return err == nil && !have.Of(u).IsEmpty(), err
}

// holdsOwnDomain tells whether to has applied transactions of some domain that
// from writes into, and not more of them than from has. MariaDB's GTIDs carry
// no identity but server_id, and two clusters that never met may both write
// 0-1-n; so a source of to with from's own server_id speaks against it, and
// what remains is noted.
func (l *Link) holdsOwnDomain(ctx context.Context) (bool, error) {
	if slices.ContainsFunc(l.toID.channels, func(c ReplicaChannel) bool { return c.SourceServerID == l.fromID.serverID }) {
		return false, nil
	}
	// In this order from's numbers cannot be behind to's.
	_, slave, err := l.to.mariaPositions(ctx)
	if err != nil {
		return false, err
	}
	state, err := l.from.binlogState(ctx)
	if err != nil {
		return false, err
	}
	last := gtid.MariaPosOf(state...)
	for _, d := range slave.Domains() {
		g, _ := slave.Last(d)
		end, _ := last.Last(d)
		if state.Wrote(d, g.Server) && state.Wrote(d, l.fromID.serverID) && g.Seq <= end.Seq {
			l.note("that changes come through servers in between is judged by domain %d and server_id %d alone", d, g.Server)
			return true, nil
		}
	}
	return false, nil
}

func (r reader) binlogState(ctx context.Context) (gtid.MariaState, error) {
	text, err := r.strings(ctx, "SELECT @@global.gtid_binlog_state")
	if err != nil {
		return nil, r.fail(opPosition, err)
	}
	return gtid.ParseMariaState(text[0])
}

// notes tells what makes a server special.
func notes(label string, id identity) []string {
	var out []string
	switch state := id.view.state(); {
	case id.group == "":
	case id.view == nil:
		out = append(out, fmt.Sprintf("%s is configured for the replication group %s, and does not show its state in it (performance_schema)", label, id.group))
	case state != memberOnline:
		out = append(out, fmt.Sprintf("%s is configured for the replication group %s, and its state in it is %s", label, id.group, state))
	default:
		out = append(out, fmt.Sprintf("%s is a member of the replication group %s: a channel from outside may run on another member", label, id.group))
	}
	if id.galera != "" {
		out = append(out, fmt.Sprintf("%s is a node of the Galera cluster %s: a channel from outside may run on another node", label, id.galera))
	}
	return out
}
