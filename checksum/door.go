package checksum

import (
	"crosscheck/checksum/diff"
	"crosscheck/checksum/plan"
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
	RowKey     = plan.RowKey     // a row by the columns of its key
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
