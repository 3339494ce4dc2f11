// Package watch follows the binary logs of both sides of a migration while both take writes, and keeps an account that
// is always current: what was changed since, what of it has arrived unchanged on the other side, and what collided. It
// feeds the pure detector of package conflict with what it reads from real servers: transactions, table definitions,
// fences, sessions and their steps, and the servers' own judgment of equal texts.
package watch

import (
	"time"

	"crosscheck/conflict"
)

// Verdict is the state of the account. Its zero value is Undecided: what nobody proved is not clean.
type Verdict uint8

// The verdicts.
const (
	Undecided Verdict = iota
	Clean             // everything read was judged, and nothing failed
	Failed            // there are findings that fail
)

// String returns the verdict's word as reports show it.
func (v Verdict) String() string {
	switch v {
	case Clean:
		return "clean"
	case Failed:
		return "collisions"
	case Undecided:
	}
	return "undecided"
}

// MarshalText is String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Status is how things stand at a moment; the last one of a run is its result.
type Status struct {
	At      time.Time
	Started time.Time // of this process's watching
	Since   time.Time // of the first watching that the account covers; Started unless it was continued
	Verdict Verdict
	Reason  string // one line: why it is not clean, the first of Reasons that its verdict follows from; "" if it is
	// Reasons are all that keep it from being clean. The verdict follows from them: there is one exactly if it is not clean.
	Reasons []Reason
	Sides   [2]SideStatus
	Base    *Base // nil: no check that the account could build on
	// Findings counts by kind all findings of the account, those of earlier processes included.
	Findings map[conflict.Kind]uint64
	Pairs    map[conflict.Kind]uint64 // concurrent pairs of changes; a run of them makes one finding
	Account  conflict.Summary
	Rows     Rechecks
	Health   []Trouble // what is wrong with replication now
	// Nodes are those besides old and new: the replicas that are watched, and others that were found. Unasked says what the
	// servers do not tell: there may be more.
	Nodes    []Node
	Unasked  []string
	Copies   []CopyStatus // of the replicas, one for each of Options.Replicas
	Forecast []string     // one line each: what will happen if nothing is done
	Blind    []string     // pieces of the logs that were not judged, "old: blind from … to …"
	// Scopes are what was watched over time, the newest last, and Unverified the tables for whose rows the account does not
	// speak: the check that it builds on did not compare them, or they were not watched all the time.
	Scopes     []Scope
	Unverified []string
	Sequences  []string // sequences in the scope: what they give next is not judged, the rows that have their values are
	Resumed    bool     // the account goes on from an earlier process's checkpoint
	Final      bool
}

// SideStatus is one side.
type SideStatus struct {
	Label    string // "old" or "new"
	Addr     string
	UUID     string
	Version  string
	Position string        // end of what was read
	Lag      time.Duration // how far reading is behind the server
	Read     bool          // the tail is connected and reading
	// Arrived is a time: what had been read of this side by then has arrived on the other, and was read there too. Zero:
	// not known yet.
	Arrived time.Time

	TransactionsPerSecond, ChangesPerSecond float64
	Reconnects                              int

	Step     conflict.Step // global
	Sessions int           // live client sessions
	Stale    []conflict.Session
	// Applier tells how the other side's changes arrive here: "running", or what is wrong.
	Applier    string
	ApplierLag *int64 // seconds, as the server says
}

// Base is the check that the account builds on: "all N rows verified".
type Base struct {
	Run      int64
	Finished time.Time
	Tables   int
	Rows     int64
	// Gap is why the account does not reach back to the check; "" if the logs were read from its beginning.
	Gap string
}

// Rechecks counts the rows that came under doubt.
type Rechecks struct {
	Open    int // waiting to be checked again
	Equal   int // found equal
	Differ  int // proven different
	Unknown int // could not be decided
}

// Trouble is one thing that is wrong with replication or with the steps. It is no collision; some of it only makes
// collisions silent.
type Trouble struct {
	ID     string // stable name: replication_stopped, replication_lag, errors_skipped, idempotent, filtered …
	Side   conflict.Side
	Node   string // the label of a node besides old and new; "" for these
	Detail string // one line
	Advice string
	Since  time.Time
}

// The troubles' names.
const (
	TroubleStopped     = "replication_stopped"
	TroubleLag         = "replication_lag"
	TroubleSkipped     = "errors_skipped"
	TroubleIdempotent  = "idempotent"
	TroubleFiltered    = "replication_filtered"
	TroubleNoChannel   = "no_channel"
	TroubleStepIgnored = "step_offset_ignored" // offset above increment
	TroubleStepOverlap = "step_overlap"        // both sides can make one key
	TroubleStepDriven  = "step_overridden"     // Galera or Group Replication sets it
	TroubleStepLost    = "step_not_persisted"
	TroubleHeadroom    = "key_space_low"
	TroubleTail        = "tail_disconnected"
	TroubleWorkerOrder = "commit_order_not_kept"
	TroubleSequence    = "sequence_shared" // both sides draw from a sequence that gives both the same
	TroubleBlindWriter = "log_updates_off" // the side does not log what it applies: no echoes
	TroubleErrant      = "errant_transactions"
)

// TroubleIDs lists the names of all troubles.
func TroubleIDs() []string {
	return []string{
		TroubleStopped, TroubleLag, TroubleSkipped, TroubleIdempotent, TroubleFiltered, TroubleNoChannel, TroubleStepIgnored,
		TroubleStepOverlap, TroubleStepDriven, TroubleStepLost, TroubleHeadroom, TroubleTail, TroubleWorkerOrder, TroubleSequence, TroubleBlindWriter,
		TroubleErrant,
	}
}

// Observer is told how the watch goes on. Calls come from one goroutine and must not block for long.
type Observer interface {
	Found(f conflict.Finding)
	Status(s Status)
	Notice(text string)
}
