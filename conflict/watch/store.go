package watch

import (
	"context"
	"io"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/onerow"
	"crosscheck/conflict"
)

// Store keeps the account. What a method stored before it returned nil survives the death of the process. Calls come
// from one goroutine.
type Store interface {
	// AddFindings keeps findings and tells which of them were not known before: a piece of the logs that is read twice
	// makes the same findings, with the same IDs, again.
	AddFindings(ctx context.Context, list []conflict.Finding, at time.Time) (fresh []bool, err error)
	// SaveFates keeps what became of rows under doubt, in this order. Doubts are kept before the findings that they come of.
	SaveFates(ctx context.Context, list []Fate) error
	// SaveCheckpoint replaces the last checkpoint.
	SaveCheckpoint(ctx context.Context, c Checkpoint) error
	// SaveStatus keeps the newest status, as evidence for the gates.
	SaveStatus(ctx context.Context, s Status) error
}

// Checkpoint is all that another process needs to go on.
type Checkpoint struct {
	At       time.Time
	Snapshot []byte // of the detector
	// Write, where it is set, writes the snapshot instead: SaveCheckpoint calls it once, so that one of a large window is
	// never in memory as a whole. It is not set in what a store returns.
	Write     func(w io.Writer) error
	Positions [2]string // gtid.Position texts from where each side is read again
	Identity  [2]string // of the servers, as binlog.Tailer.Identity
	Engine    []byte    // JSON of what the watcher itself remembers
}

// Outcome says how it stands with a row that came under doubt.
type Outcome string

// The outcomes.
const (
	OutcomeOpen       Outcome = "open"       // it waits for a check, or one came to no decision
	OutcomeEqual      Outcome = "equal"      // a check of the row found it equal
	OutcomeDiffers    Outcome = "differs"    // a check of the row proved it different
	OutcomeSuperseded Outcome = "superseded" // a later change of it was seen to arrive unchanged
)

// Settled tells whether the row needs no further look.
func (o Outcome) Settled() bool { return o == OutcomeEqual || o == OutcomeSuperseded }

// Fate is the outcome of a row.
type Fate struct {
	conflict.Row
	Outcome Outcome
	// Again says of an open row that it is one of an earlier process's: what is known of it stays.
	Again bool
	Tried bool   // of an open row: a check came to no decision
	Proof *Proof // shared by the rows of a batch
}

// Proof is when and by what an outcome became known.
type Proof struct {
	// At is a moment from which on nothing was looked at that the outcome rests on but the rows themselves: it says nothing
	// of what was found later.
	At        time.Time
	Positions [2]string // ends of what had been read of the sides by then
	Reason    string    // of an open row: why there is no decision
}

// RowKey names a row by the columns of its key. Values are in the text form of package binlog.
type RowKey = onerow.Key

// RowVerdict says what became of a row that was checked again.
type RowVerdict = onerow.Verdict

// The verdicts of a row.
const (
	RowUnknown = onerow.Unknown
	RowEqual   = onerow.Equal
	RowDiffers = onerow.Differs
)

// Rechecker compares single rows of both sides by the fence rule.
type Rechecker interface {
	// Recheck returns one verdict per row, and why where it is RowUnknown. It blocks until all are decided or given up.
	Recheck(ctx context.Context, table string, rows []RowKey) (verdicts []RowVerdict, reason string, err error)
}

// Sides are the two servers.
type Sides [2]*cluster.Server
