package watch

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// A replica that logs what it applies holds in its own log each transaction of its writer's log, with the same rows. So its
// copy is followed by a comparison of two logs, transaction by transaction: that the writer's rows are right is what the
// detector finds out. Which transaction is which is told by its GTID, without GTIDs by what it did. What comes in one log only
// is missing on the copy, or is its own, once both logs were read so far that the other must have held it.

// Bounds of what waits for the other log.
const (
	// maxWaiting is how many transactions of the writer may wait for one copy, about 16 MiB. A copy further behind is not
	// verified any more.
	maxWaiting = 1 << 18
	// While so much of a copy's log waits for its writer's, the copy's is not read on.
	maxEarly      = 4096
	maxEarlyBytes = 1 << 20
	// keptBytes is how much of a writer's log is kept with its rows, to name those that differ.
	keptBytes = 2 << 20
	// maxDoubts is how many rows of a copy are named.
	maxDoubts = 1000
)

// CopyDoubt is a row, or a table, of a copy that did not get what its writer logged.
type CopyDoubt struct {
	Table   string   // "db.t"; "" where it is not known
	Columns []string // of its key; nil where the row is not known
	Key     []string
	What    string // "missing", "differs", "extra", or why it could not be compared
	Tx      string // the transaction
	Rows    int    // how many, where they are not named
}

// copyMemory is what is remembered of a copy across processes.
type copyMemory struct {
	Label    string `json:"label"`
	Identity string `json:"identity"` // binlog.Tailer.Identity
	Server   uint32 `json:"server"`   // its server_id
	Base     int64  `json:"base,omitempty"`
	// Writer and Start are where the two logs begin to be compared, Read is how far the copy's was.
	Writer gtid.Position `json:"writer"`
	Start  gtid.Position `json:"start"`
	Read   gtid.Position `json:"read"`
	// Lost is why the copy is not verified, whatever comes; a new account may be begun.
	Lost       string            `json:"lost,omitempty"`
	Unverified map[string]string `json:"unverified,omitempty"` // tables, with why
	Verified   uint64            `json:"verified"`             // rows that were seen to arrive
	Doubts     []CopyDoubt       `json:"doubts,omitempty"`
	More       int               `json:"more,omitempty"` // doubts that are not named
	Begun      bool              `json:"begun"`          // Start is known
	Whole      bool              `json:"whole"`          // the writer's log was taken from the account's beginning on
	Tied       bool              `json:"tied,omitempty"` // without GTIDs: a transaction has been found in both logs
	Waiting    []*logged         `json:"waiting,omitempty"`
	Early      []*logged         `json:"early,omitempty"`
}

// followed is one copy, compared with its writer's log.
type followed struct {
	kin     *kin
	mem     copyMemory
	waiting map[txKey]*logged
	early   map[txKey]*logged
	bytes   int64  // of early
	seq     uint64 // of the copy's log
	// Without GTIDs, what the copy had applied when its log began to be read stands up to applied in the writer's log, and up
	// to level in its own.
	applied, level gtid.FilePos
	proven         time.Time // what the writer had logged by then was compared
}

// kin is a side's writer with its copies.
type kin struct {
	mu     sync.Mutex
	digest digester
	read   gtid.Position // how far the writer's log was compared by an earlier process, or begins to be
	at     gtid.Position // and how far now
	seq    uint64
	kept   int64 // bytes of the log whose rows are kept
	copies []*followed
	// tables are the writer's, by FullName, to name rows by their keys; seen is definitions.version of then.
	tables map[string]*cluster.Table
	seen   int
}

// fromWriter takes the next of the writer's log.
func (k *kin) fromWriter(tx *binlog.Transaction, bytes int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.digest.add(tx, bytes)
	if tx.Last || tx.Heartbeat {
		k.at = tx.Position
	}
	if l == nil || contains(k.read, l.mark) {
		return
	}
	k.seq++
	l.seq = k.seq
	if k.kept+l.bytes > keptBytes {
		l.changes = nil
	}
	for _, c := range k.copies {
		k.expect(c, l)
	}
	if l.holders > 0 && l.changes != nil {
		k.kept += l.bytes
	}
}

// expect says that a copy must have a transaction in its log.
func (k *kin) expect(c *followed, l *logged) {
	switch {
	case c.mem.Lost != "" || c.mem.Begun && c.before(l):
		return
	case len(c.waiting) >= maxWaiting:
		k.lose(c, fmt.Sprintf("it was more than %d transactions behind", maxWaiting))
		return
	}
	if r := find(c.early, l.Key); r != nil {
		c.dropEarly(r)
		c.compare(l, r)
		return
	}
	put(c.waiting, l)
	l.holders++
}

// before tells whether the copy had a transaction of the writer when its log began to be compared.
func (c *followed) before(l *logged) bool {
	if anonymous(l.mark) {
		at, err := l.mark.File.Compare(c.applied)
		return !c.applied.IsZero() && err == nil && at <= 0
	}
	return contains(c.mem.Start, l.mark)
}

// begin says where the copy's log begins: what it had by then does not come.
func (k *kin) begin(c *followed) {
	c.mem.Begun = true
	for _, l := range c.waiting {
		if c.before(l) {
			k.arrived(c, l)
		}
	}
}

// fromCopy takes the next of a copy's log.
func (k *kin) fromCopy(c *followed, l *logged, at gtid.Position) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.mem.Read = at
	if l == nil || c.mem.Lost != "" || c.ofBefore(l) {
		return
	}
	c.seq++
	l.seq = c.seq
	if w := find(c.waiting, l.Key); w != nil {
		k.arrived(c, w)
		c.mem.Tied = true
		c.compare(w, l)
		return
	}
	if anonymous(l.mark) && !c.mem.Tied {
		if at, err := l.mark.File.Compare(c.level); err == nil && at <= 0 {
			return // it was on its way when the account began
		}
	}
	put(c.early, l)
	c.bytes += l.bytes
}

// ofBefore tells whether the writer had a transaction of the copy's log when its own began to be compared. On MariaDB the copy's own
// may be numbered below the writer's.
func (c *followed) ofBefore(l *logged) bool {
	own := l.mark.MariaDB.Seq > 0 && l.mark.MariaDB.Server == c.mem.Server
	return !anonymous(l.mark) && !own && contains(c.mem.Writer, l.mark)
}

// full tells whether the copy's log must wait for its writer's.
func (k *kin) full(c *followed) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(c.early) >= maxEarly || c.bytes >= maxEarlyBytes
}

// place is how far the copy's log was read, before a place of the writer's is asked for.
func (k *kin) place(c *followed) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return c.seq
}

// allKnown says that the writer's log was read to a place that was asked for when the copy's had been read to own: what the
// copy had by then and the writer's log has not is its own. It returns the writer's place.
func (k *kin) allKnown(c *followed, own uint64) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range inOrder(c.early) {
		if l.seq <= own {
			c.dropEarly(l)
			c.compare(&logged{Key: l.Key, GTID: l.GTID, mark: l.mark}, l)
		}
	}
	return k.seq
}

// allArrived says that the copy had applied and logged all up to a place of its writer's log, and that its own was read so far:
// what it does not hold is missing. The place was asked for at a time.
func (k *kin) allArrived(c *followed, writer uint64, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range inOrder(c.waiting) {
		if l.seq <= writer {
			k.arrived(c, l)
			c.compare(l, &logged{})
		}
	}
	c.proven = at
}

func inOrder(m map[txKey]*logged) []*logged {
	out := make([]*logged, 0, len(m))
	for _, l := range m {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *logged) int { return int(int64(a.seq) - int64(b.seq)) })
	return out
}

// arrived ends the wait for a transaction.
func (k *kin) arrived(c *followed, l *logged) {
	remove(c.waiting, l)
	if l.holders--; l.holders == 0 && l.changes != nil {
		k.kept -= l.bytes
	}
}

func (c *followed) dropEarly(l *logged) {
	remove(c.early, l)
	c.bytes -= l.bytes
}

// lose gives a copy up: what it lacks is not known any more.
func (k *kin) lose(c *followed, why string) {
	if c.mem.Lost != "" {
		return
	}
	c.mem.Lost = why
	for _, l := range c.waiting {
		k.arrived(c, l)
	}
	clear(c.early)
	c.bytes = 0
}

// loseAll gives all copies up.
func (k *kin) loseAll(why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.digest.cur = nil
	for _, c := range k.copies {
		k.lose(c, why)
	}
}

// Transactions that did the same in the same second have one key, if they have no name: further ones stand at the next numbers.
// put, find and remove keep to that.
func put(m map[txKey]*logged, l *logged) {
	for l.GTID == "" && m[l.Key] != nil {
		l.Key.Number++
	}
	m[l.Key] = l
}

func find(m map[txKey]*logged, key txKey) *logged { return m[key] }

func remove(m map[txKey]*logged, l *logged) {
	delete(m, l.Key)
	if l.GTID != "" {
		return
	}
	last := l.Key
	for next := last; ; last = next {
		next.Number++
		if m[next] == nil {
			break
		}
	}
	if last != l.Key { // none may be left behind a gap
		moved := m[last]
		delete(m, last)
		moved.Key = l.Key
		m[l.Key] = moved
	}
}

// remember is what another process needs to go on.
func (k *kin) remember(c *followed) copyMemory {
	m := c.mem
	m.Doubts, m.Unverified = slices.Clone(m.Doubts), cloneMap(m.Unverified)
	m.Waiting, m.Early = inOrder(c.waiting), inOrder(c.early)
	return m
}

func cloneMap(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// unverified notes that a table of the copy is not verified.
func (c *followed) unverified(table, why string) {
	if c.mem.Unverified == nil {
		c.mem.Unverified = map[string]string{}
	}
	if c.mem.Unverified[table] == "" {
		c.mem.Unverified[table] = why
	}
}

func (c *followed) doubt(d CopyDoubt) {
	same := func(have CopyDoubt) bool {
		return have.Table == d.Table && slices.Equal(have.Key, d.Key) && (d.Key != nil || have.Tx == d.Tx)
	}
	switch {
	case slices.ContainsFunc(c.mem.Doubts, same):
	case len(c.mem.Doubts) < maxDoubts:
		c.mem.Doubts = append(c.mem.Doubts, d)
	default:
		c.mem.More++
	}
}

// String is "db.t id=5: missing (0-1-100)".
func (d CopyDoubt) String() string {
	what := d.Table
	for i, v := range d.Key {
		sep := ","
		if i == 0 {
			sep = " "
		}
		if i < len(d.Columns) {
			v = d.Columns[i] + "=" + v
		}
		what += sep + v
	}
	if what = strings.TrimSpace(what); what != "" {
		what += ": "
	}
	return what + d.What + " (" + d.Tx + ")"
}
