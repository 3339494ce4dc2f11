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
