package cluster

import (
	"fmt"
)

// FenceCause says why a fence has not been reached.
type FenceCause string

// The causes.
const (
	// FenceStopped: the channel that leads from one side to the other is
	// stopped, or gone; nothing more arrives until somebody acts.
	FenceStopped FenceCause = "stopped"
	// FenceTimeout: replication runs, but did not get there in time.
	FenceTimeout FenceCause = "timeout"
	// FenceUnreachable: the server that should tell could not be asked.
	FenceUnreachable FenceCause = "unreachable"
	// FenceMissing: some of what was asked for never arrives this way.
	FenceMissing FenceCause = "missing"
	// FenceIncomparable: the position is not of the kind that this link can
	// prove, such as a GTID set for a link by file and position.
	FenceIncomparable FenceCause = "incomparable"
	// FenceUncommitted: From has written to its binary log, and To may have
	// applied, what From itself has not committed.
	FenceUncommitted FenceCause = "uncommitted"
)

// FenceError says on one line why one side is not known to have applied what
// the other had committed, and what to do.
type FenceError struct {
	From, To string // labels of the servers
	Cause    FenceCause
	Detail   string
	Hint     string
	Err      error // what lies behind it, where there is something
}

func (e *FenceError) Error() string {
	s := fmt.Sprintf("%s has not applied what %s had committed (%s): %s", e.To, e.From, e.Cause, e.Detail)
	if e.Cause == FenceUncommitted {
		s = fmt.Sprintf("%s has not committed all that it has logged and %s may show: %s", e.From, e.To, e.Detail)
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

func (e *FenceError) Unwrap() error { return e.Err }
