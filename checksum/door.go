package checksum

import (
	"log/slog"
	"time"

	"crosscheck/checksum/diff"
	"crosscheck/checksum/prove"
	"crosscheck/cluster"
	"crosscheck/cluster/onerow"
)

// What the packages below say is told by the names of this one: nobody else imports them.
type (
	Difference = diff.Difference // one proven difference
	Kind       = diff.Kind       // in which way a row differs
	Proof      = diff.Proof      // by which rule a difference was proven
	Value      = diff.Value      // a column's value in a report
	Field      = diff.Field      // a named value
	ColumnDiff = diff.ColumnDiff // one column of a changed row
	Cell       = diff.Cell       // a column's value in SQL, for repair
	UniquePart = diff.UniquePart // that a column belongs to a unique key
	RowKey     = onerow.Key      // a row by the columns of its key
	RowVerdict = onerow.Verdict  // what became of a row that was compared on its own
	Rechecker  = prove.Rechecker // compares single rows
	Beside     = prove.Beside    // what two servers hold of a row at a moment
)

// The kinds of difference, and the proofs, strongest first.
const (
	Missing = diff.Missing
	Extra   = diff.Extra
	Changed = diff.Changed

	ProofBinlog = diff.ProofBinlog
	ProofRounds = diff.ProofRounds
	ProofGrace  = diff.ProofGrace
)

// The verdicts of a row. A row that neither side has is equal.
const (
	RowUnknown = onerow.Unknown
	RowEqual   = onerow.Equal
	RowDiffers = onerow.Differs
)

// RecheckOptions are what a Rechecker needs besides the two servers. The zero value of a duration means its default.
type RecheckOptions struct {
	Virtual      bool          // compare virtual generated columns too
	Strict       bool          // rows compared through a conversion that loses information are never equal
	RetryFor     time.Duration // how long a lost server is tried again within one call; default 15 s
	FenceTimeout time.Duration // how long replication may take to arrive; default 30 s
	Log          *slog.Logger  // nil: none
}

// NewRechecker returns a Rechecker for two servers that replicate as v says. It connects when it is first used.
func NewRechecker(old, new *cluster.Server, v Survey, opt RecheckOptions) *Rechecker {
	if opt.FenceTimeout <= 0 {
		opt.FenceTimeout = 30 * time.Second
	}
	f := prove.NewFence(old, new, v.Relation, opt.FenceTimeout)
	return prove.NewRechecker(old, new, f, prove.RecheckerOptions{Virtual: opt.Virtual, Strict: opt.Strict, RetryFor: opt.RetryFor, Log: opt.Log})
}
