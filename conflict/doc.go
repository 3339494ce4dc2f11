// Package conflict finds the collisions of two servers that replicate to each
// other: transactions of the two sides that did not know of each other and
// touch one key. It is pure: events of both binary logs go in, findings come
// out. There is no I/O, no clock and no goroutine in it.
//
// # Concurrency without clocks
//
// Each side logs what it applies. The copy of a transaction in the other side's
// log is its echo. T(old) and T(new) are concurrent exactly if neither had seen
// the other: T(new)'s echo stands after T(old) in old's log, and T(old)'s echo
// stands after T(new) in new's log.
//
// The Detector keeps one window per side: the transactions made there whose echo
// has not been read. A stream waits at an echo until its original has been read
// from the other stream; causality guarantees that it comes. With that rule two
// transactions are concurrent exactly if, when the later one is read, the
// earlier one is still in its window:
//
//   - If B(new) is in its window when A(old) is read, B's echo was not read, so
//     it stands after A in old's log; and A's echo cannot have been read before
//     A, so it stands after B in new's log.
//   - If B has left its window, its echo stands before A: A had seen B.
//
// Neither depends on how far one tail is ahead of the other, so every
// interleaving of the two streams gives the same findings. Windows are sets:
// echoes may come in any order.
//
// # When an echo never comes
//
// An applier that skips a row (IDEMPOTENT) or a filter may log nothing. A
// transaction without an echo leaves its window when that is proven: by the echo
// of a later transaction, where the applier keeps the order of commits
// (Config.InOrder), or by a fence: FenceReached(n) in one stream says that all
// that stood before FenceTaken(n) in the other has been applied. Until then it
// counts as not seen, which may report a collision too many, never one too few.
//
// # What a finding stands for
//
// Changes of one row within one transaction count as one change, from the first
// before-image to the last after-image (but an insert and a delete stay two).
// The values that a row's keys had in between still count, because an applier
// executes each change. Of a run of overlapping changes of one key, a finding is
// made for each pair that is, within its kind (and, for unique keys and
// references, within the key), the first concurrent partner of each other. Every
// run has at least one such pair, and a complete run of n × m changes has one
// finding. The other pairs are counted in Summary.Pairs. The table of kinds is at
// type Kind.
package conflict
