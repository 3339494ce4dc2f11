package conflict

import (
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// Side is one of the two clusters.
type Side uint8

// The sides.
const (
	Old Side = iota
	New
)

// Other is the other side.
func (s Side) Other() Side { return 1 - s }

// String is "old" or "new".
func (s Side) String() string {
	if s == Old {
		return "old"
	}
	return "new"
}

// Origin is where a transaction was first made.
type Origin uint8

// The origins.
const (
	FromOld Origin = iota
	FromNew
	FromOther // a server that belongs to neither side
)

// Event is one piece of a side's stream. The order of the events within a
// side counts; that between the sides does not.
type Event interface{ event() }

// Transaction is one transaction of the side's log, or a part of a large one,
// as binlog.Tailer delivers it. The origin is the caller's to decide, by server
// UUID, GTID domain or server id. Identity is taken from Tx.Mark; a transaction
// without a GTID is matched with its echo by content and order. The rows'
// memory may be reused once Feed has returned and nothing is Held.
type Transaction struct {
	Origin Origin
	Tx     *binlog.Transaction
}

// Definition gives a table as it is from here on in the side's stream. It must
// come before the table's first rows. Foreign keys are those of the table as
// a child.
type Definition struct {
	Table       *cluster.Table
	ForeignKeys []ForeignKey
}

// ForeignKey is a reference from a table to another.
type ForeignKey struct {
	Name                string
	Columns             []string
	RefSchema, RefTable string
	RefColumns          []string
}

// FenceTaken marks a place in a side's log: fence N. Fences of a side must be
// taken and reached in rising order.
type FenceTaken struct{ N uint64 }

// FenceReached stands in the other side's stream at a place where that server
// is known to have applied and logged all that stands before FenceTaken(N) in the
// first side's log: the caller waited for the position, read the server's own
// position after that, and let the tail come so far.
type FenceReached struct{ N uint64 }

// Gap says that a piece of the side's log was not read (purged, lost). Reading
// goes on at To.
type Gap struct {
	From, To gtid.Position
	Detail   string
	// Reset says that the log was begun anew: its transactions' names may be used
	// again, and positions of before and after cannot be compared.
	Reset bool
	// Other is a position of the other side that was asked for after To: what that
	// side made up to there may have its echo in the gap. Only without GTIDs, where
	// nothing else tells.
	Other gtid.Position
}

// NoOriginal answers Detector.Blocked: the other side's log, up to a moment after
// the echo was read, holds no original of it. Head is that of Blocked.
type NoOriginal struct{ Head uint64 }

// StepInForce says that the side's sessions should have this step from here on.
type StepInForce struct{ Step Step }

// SessionsSeen are the live sessions with their steps, as just observed on the
// side's server. It is not bound to a place in the log.
type SessionsSeen struct {
	At       time.Time
	Global   Step
	Sessions []Session
}

// Session is one live connection and its step.
type Session struct {
	Thread     uint64
	User, Host string
	Step       Step
}

func (Transaction) event()  {}
func (Definition) event()   {}
func (FenceTaken) event()   {}
func (FenceReached) event() {}
func (Gap) event()          {}
func (NoOriginal) event()   {}
func (StepInForce) event()  {}
func (SessionsSeen) event() {}

// Place is where a transaction stands in a log.
type Place struct {
	File gtid.FilePos // after the transaction's last event
	GTID string       // "" for an anonymous transaction
}

// IsZero tells whether nothing is known.
func (p Place) IsZero() bool { return p.File.IsZero() && p.GTID == "" }

// String prints "binlog.000003:157 (uuid:5)".
func (p Place) String() string {
	switch {
	case p.GTID == "":
		return p.File.String()
	case p.File.IsZero():
		return p.GTID
	}
	return p.File.String() + " (" + p.GTID + ")"
}
