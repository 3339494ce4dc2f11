// Package onerow names single rows, and says what became of them when they were compared on their own: what a watch asks and a
// check answers, without either knowing the other.
package onerow

import "crosscheck/cluster/binlog"

// Key names a row by the columns of its key. Values are in the text form of package binlog. Columns may stand in any order.
type Key struct {
	Columns []string
	Values  []binlog.Value
}

// Verdict says what became of a row that was compared on its own. Its zero value is Unknown.
type Verdict uint8

// The verdicts. A row that neither side has is equal.
const (
	Unknown Verdict = iota
	Equal
	Differs
)

// String returns the verdict's word.
func (v Verdict) String() string {
	return [...]string{"unknown", "equal", "differs"}[min(v, Differs)]
}
