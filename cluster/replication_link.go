package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"crosscheck/cluster/gtid"
)

// Proof names what a Link goes by.
type Proof int

// The proofs.
const (
	ByFilePos Proof = iota
	ByMySQLGTID
	ByMariaDBGTID
	ByGalera
)

// String is the proof's name in messages.
func (p Proof) String() string {
	switch p {
	case ByMySQLGTID:
		return "MySQL GTID set"
	case ByMariaDBGTID:
		return "MariaDB GTID position"
	case ByGalera:
		return "Galera sequence number"
	default:
		return "file and position"
	}
}

// Link is one direction of replication between two servers, and the fence on
// it: it proves that `to` has applied everything that `from` had committed at
// a position. Make one with Relate. Its methods may be called concurrently.
//
// What each proof goes by, and how sure it is:
//
//   - MySQL GTID set: GTID_SUBSET of the position in gtid_executed of `to`. A
//     GTID is there only after its rows are visible. Exact in any topology.
//   - MariaDB GTID position: gtid_slave_pos of `to` for what arrives by
//     replication (it moves after the commit); gtid_binlog_pos of `to` for a
//     domain whose last transaction `to` wrote itself, so that echoes in a
//     two-way pair need not come back. Domains that cannot arrive, because
//     from's binary log has none of them or the channel filters them, are left
//     out: nothing of them is in flight.
//   - Galera sequence number: within a Galera cluster, see missingGalera.
//   - file and position: the applier's place in the binary log of `from`, for a
//     direct channel only. With parallel appliers it is a low-water mark, moved
//     at checkpoints (every 300 ms on MySQL): late, never early, whether commit
//     order is preserved or not. A single-threaded MySQL applier moves it just
//     before the commit, so there the fence also waits for the applier to move
//     on or to fall idle. Where the transactions carry
//     GTIDs all the same (AUTO_POSITION=0), the first fence goes by place, and
//     later ones by what the set has gained since: that spares the wait for a
//     checkpoint, and GTIDs from before the copy do not matter.
type Link struct {
	from, to     reader
	fromID, toID identity
	proof        Proof
	direct       bool
	group        bool   // both are members of one replication group
	channel      string // of a direct link
	source       string // host:port of that channel when the link was made
	notes        []string
	unproven     string // why no fence tells what has come over it; "" where one does

	mu           sync.Mutex
	stoppedSince time.Time       // zero while the channel runs
	trouble      string          // what it has been stopped by since then
	binlogged    map[uint32]bool // MariaDB: domains in from's binary log, once needed
	settledSet   gtid.Set        // MySQL by file: a set that an earlier fence has covered
	hasSettled   bool
}

// Proof is what the link goes by.
func (l *Link) Proof() Proof { return l.proof }

// Direct tells whether `to` replicates from `from` itself.
func (l *Link) Direct() bool { return l.direct }

// Source is the server whose changes travel over the link.
func (l *Link) Source() *Server { return l.from.Server }

// Replica is the server that applies what travels over the link.
func (l *Link) Replica() *Server { return l.to.Server }

// From is the label of the server whose changes travel over the link.
func (l *Link) From() string { return l.from.Label() }

// To is the label of the server that applies them.
func (l *Link) To() string { return l.to.Label() }

// Applied tells whether `to` has applied everything up to p, a position read
// from `from`. It asks once and does not wait. The error is a *FenceError if p
// is of a kind that this link cannot prove or the channel is gone; otherwise
// that of the query.
func (l *Link) Applied(ctx context.Context, p gtid.Position) (bool, error) {
	left, err := l.missing(ctx, p)
	return err == nil && left == nil, err
}

// missing asks how much of p `to` lacks; nil is nothing. What is returned may
// stand in for p from then on, since servers do not lose transactions.
func (l *Link) missing(ctx context.Context, p gtid.Position) (*gtid.Position, error) {
	if l.unproven != "" {
		return nil, l.errUnproven()
	}
	switch l.proof {
	case ByGalera:
		return l.missingGalera(ctx, p)
	case ByMySQLGTID:
		return l.missingMySQL(ctx, p)
	case ByMariaDBGTID:
		return l.missingMaria(ctx, p)
	default:
		return l.missingFile(ctx, p)
	}
}

func (l *Link) missingMySQL(ctx context.Context, p gtid.Position) (*gtid.Position, error) {
	if p.Kind != gtid.MySQLGTID {
		return nil, l.incomparable(p)
	}
	if p.MySQL.IsEmpty() {
		return nil, nil
	}
	// The set's text is safe in the statement, and unlike a parameter it needs
	// no second round trip to prepare.
	text, err := l.to.strings(ctx, "SELECT GTID_SUBTRACT('"+p.MySQL.String()+"', @@global.gtid_executed)")
	if err != nil {
		return nil, l.to.fail(opFence, err)
	}
	left, err := gtid.ParseSet(text[0])
	if err != nil {
		return nil, l.to.fail(opFence, err)
	}
	if left.IsEmpty() {
		return nil, nil
	}
	return &gtid.Position{Kind: gtid.MySQLGTID, MySQL: left}, nil
}

func (l *Link) missingMaria(ctx context.Context, p gtid.Position) (*gtid.Position, error) {
	if p.Kind != gtid.MariaDBGTID {
		return nil, l.incomparable(p)
	}
	binlog, slave, err := l.to.mariaPositions(ctx)
	if err != nil {
		return nil, err
	}
	var left []gtid.MariaGTID
	for _, d := range p.MariaDB.Domains() {
		want, _ := p.MariaDB.Last(d)
		if has, ok := slave.Last(d); ok && has.Seq >= want.Seq {
			continue
		}
		if has, ok := binlog.Last(d); ok && want.Server == l.toID.serverID && has.Seq >= want.Seq {
			continue
		}
		arrives, err := l.canArrive(ctx, d)
		if err != nil {
			return nil, err
		}
		if arrives {
			left = append(left, want)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	return &gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: gtid.MariaPosOf(left...)}, nil
}

// canArrive tells whether transactions of a domain can come over the link. A
// domain that is in gtid_slave_pos of `from` only, such as a leftover of an
// earlier life, is in no binary log and so on no way. With more than one
// channel on `to` it may come by another one.
func (l *Link) canArrive(ctx context.Context, domain uint32) (bool, error) {
	if !l.direct || len(l.toID.channels) != 1 {
		return true, nil
	}
	c := l.toID.channels[0]
	if slices.Contains(c.IgnoreDomains, domain) || (len(c.DoDomains) > 0 && !slices.Contains(c.DoDomains, domain)) {
		return false, nil
	}
	l.mu.Lock()
	known := l.binlogged[domain]
	l.mu.Unlock()
	if known {
		return true, nil
	}
	state, err := l.from.binlogState(ctx)
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.binlogged = map[uint32]bool{}
	for _, d := range state.Domains() {
		l.binlogged[d] = true
	}
	return l.binlogged[domain], nil
}

// Numbers that a receiver shows when its source cannot serve its place.
const errnoSourceFatal = 1236

func (l *Link) missingFile(ctx context.Context, p gtid.Position) (*gtid.Position, error) {
	if p.File.IsZero() {
		return nil, l.incomparable(p)
	}
	if done, err := l.gainedMySQL(ctx, p); err != nil || done {
		return nil, err
	}
	c, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	order, err := c.Exec.Compare(p.File)
	switch {
	case c.Exec.IsZero():
		return &p, nil // configured, and nothing applied yet
	case err != nil:
		return nil, &FenceError{
			From: l.From(), To: l.To(), Cause: FenceIncomparable, Err: err,
			Detail: fmt.Sprintf("the applier is at %s, which is not in the binary log that %s writes now (%s)", c.Exec, l.From(), p.File),
			Hint:   "did log_bin's name change? point the channel at the new files and begin again",
		}
	case order < 0 || c.IOErrno == errnoSourceFatal:
		// After RESET MASTER file numbers begin again; the receiver then has
		// this error, and the applier's old, higher place proves nothing.
		return &p, nil
	case order == 0 && !l.settled(c):
		return &p, nil
	}
	l.remember(p)
	return nil, nil
}

// gainedMySQL tells, for a link by place whose transactions carry GTIDs,
// whether all that the set has gained since an earlier fence is applied. False
// only means that the place must decide.
//
// The set of a position is read before its place, so a fence reached by place
// covers the set: whatever of it `to` still lacks then, never comes.
func (l *Link) gainedMySQL(ctx context.Context, p gtid.Position) (bool, error) {
	if p.Kind != gtid.MySQLGTID || !l.bothOn() {
		return false, nil
	}
	l.mu.Lock()
	known, gained := l.hasSettled, p.MySQL.Subtract(l.settledSet)
	l.mu.Unlock()
	if !known {
		return false, nil
	}
	left, err := l.missingMySQL(ctx, gtid.Position{Kind: gtid.MySQLGTID, MySQL: gained})
	return err == nil && left == nil, err
}

func (l *Link) remember(p gtid.Position) {
	if p.Kind != gtid.MySQLGTID || !l.bothOn() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settledSet, l.hasSettled = l.settledSet.Union(p.MySQL), true
}

// settled tells whether the transaction before the applier's place is surely
// committed, when the place is all that says so: the applier has nothing to do,
// or waits for the time of the next one. While it works the fence waits until
// it has moved on; how long a commit takes nobody can say.
func (l *Link) settled(c ReplicaChannel) bool {
	return l.toID.maria || c.Workers > 0 || !c.SQLRunning ||
		strings.Contains(c.SQLState, "has read all relay log") || strings.HasPrefix(c.SQLState, "Waiting until ")
}

func (l *Link) incomparable(p gtid.Position) error {
	e := &FenceError{
		From: l.From(), To: l.To(), Cause: FenceIncomparable, Err: gtid.ErrIncomparable,
		Detail: fmt.Sprintf("the link goes by %s, the position is of kind %s", l.proof, p.Kind),
		Hint:   "read both servers' state again: gtid_mode or the channel's settings may have changed",
	}
	if l.proof == ByFilePos && p.Kind != gtid.None {
		e.Detail = "the link goes by file and position, and the position has none"
		e.Hint = fmt.Sprintf("turn log_bin on, or run on %s: %s", l.From(), l.from.grantFor(PrivReplicationClient))
	}
	return e
}

// current reads the state of a direct link's channel.
func (l *Link) current(ctx context.Context) (ReplicaChannel, error) {
	list, err := l.to.Channels(ctx)
	if err != nil {
		return ReplicaChannel{}, err
	}
	c, ok := findChannel(list, l.channel)
	// After a restart without a connection the server_id reads 0.
	elsewhere := c.Source() != l.source || (c.SourceUUID != "" && l.fromID.uuid != "" && c.SourceUUID != l.fromID.uuid) ||
		(c.SourceServerID != 0 && c.SourceServerID != l.fromID.serverID)
	if !ok || elsewhere {
		return c, &FenceError{
			From: l.From(), To: l.To(), Cause: FenceStopped,
			Detail: fmt.Sprintf("the replication channel %q of %s is gone or leads elsewhere now", l.channel, l.To()),
			Hint:   "set replication up again",
		}
	}
	return c, nil
}

// LinkState is how a link is doing now.
type LinkState struct {
	Proof   Proof
	Direct  bool
	Source  string // "host:port" of the channel, or of all channels on the way in
	Running bool
	Trouble string // why it does not run: threads, error numbers and texts
	Errno   int    // the applier's, else the receiver's error number
	Lag     *int64 // seconds, as the server says; nil: unknown
	Delay   int64  // seconds of configured delay
	Notes   []string
}

// State asks `to` how replication is doing. A stopped channel is not an error.
func (l *Link) State(ctx context.Context) (LinkState, error) {
	st := LinkState{Proof: l.proof, Direct: l.direct, Notes: l.notes, Running: true}
	list, err := l.onTheWay(ctx)
	var gone *FenceError
	if errors.As(err, &gone) {
		st.Running, st.Trouble = false, gone.Detail
		return st, nil
	}
	if err != nil {
		return st, err
	}
	st.Source = sources(list)
	var troubles []string
	for _, c := range list {
		if c.LagSeconds != nil && (st.Lag == nil || *c.LagSeconds > *st.Lag) {
			st.Lag = c.LagSeconds
		}
		st.Delay = max(st.Delay, c.DelaySeconds)
		if !c.Running() {
			st.Running = false
			troubles = append(troubles, c.Trouble())
			if st.Errno == 0 {
				st.Errno = c.SQLErrno
			}
			if st.Errno == 0 {
				st.Errno = c.IOErrno
			}
		}
	}
	st.Trouble = strings.Join(troubles, "; ")
	return st, nil
}
