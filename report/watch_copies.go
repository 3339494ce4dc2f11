package report

import (
	"fmt"
	"strings"
	"time"

	"crosscheck/conflict/watch"
)

func newWatchCopy(c *watch.CopyStatus) WatchCopy {
	d := WatchCopy{
		Node: c.Label, Side: c.Side.String(), State: c.State, Reason: c.Reason, Base: c.Base, Verified: c.Verified, Waiting: c.Waiting,
		Through: when(c.Through), Doubts: make([]WatchCopyDoubt, 0, len(c.Doubts)), Doubted: c.Doubted, Unverified: orEmpty(c.Unverified),
	}
	for _, x := range c.Doubts {
		one := WatchCopyDoubt{Table: x.Table, Key: Key{}, What: x.What, GTID: x.Tx, Rows: x.Rows}
		for i := range x.Key {
			text := printable(x.Key[i])
			one.Key = append(one.Key, KeyPart{Column: x.Columns[i], Text: &text})
		}
		d.Doubts = append(d.Doubts, one)
	}
	return d
}

// verifiedCopies are those of the replicas that count.
func (d *WatchSummary) verifiedCopies() []*WatchCopy {
	var out []*WatchCopy
	for i := range d.Copies {
		if d.Copies[i].State == watch.CopyVerified {
			out = append(out, &d.Copies[i])
		}
	}
	return out
}

// ofCopies says how many copies the statement speaks for, where replicas are watched: old, new, and those of the replicas that
// are verified.
func (d *WatchSummary) ofCopies() string {
	if len(d.Copies) == 0 {
		return ""
	}
	return fmt.Sprintf(" of %d copies", 2+len(d.verifiedCopies()))
}

// copiesThrough says up to when the replicas' copies are verified: the earliest.
func (d *WatchSummary) copiesThrough() string {
	var first *time.Time
	for _, c := range d.verifiedCopies() {
		if first == nil || c.Through != nil && c.Through.Before(*first) {
			first = c.Through
		}
	}
	if first == nil {
		return ""
	}
	return ", of the replicas through " + first.Format("15:04:05 UTC")
}

// otherCopies names the nodes that the statement does not speak for.
func (d *WatchSummary) otherCopies() string {
	by := map[watch.CopyState][]string{}
	for i := range d.Copies {
		c := &d.Copies[i]
		by[c.State] = append(by[c.State], c.Node+" ("+c.Reason+")")
	}
	s := ""
	for _, state := range []watch.CopyState{watch.CopyDoubted, watch.CopyPending, watch.CopyNotVerified} {
		if list := by[state]; len(list) > 0 {
			s += "; " + state.String() + ": " + strings.Join(list, ", ")
		}
	}
	var left []string
	for i := range d.Nodes {
		if n := &d.Nodes[i]; !n.Watched {
			left = append(left, strings.TrimSpace(n.Node+" "+n.Addr))
		}
	}
	if len(left) > 0 {
		s += "; not watched: " + strings.Join(left, ", ")
	}
	return s
}

// line is a copy as a line.
func (c *WatchCopy) line() string {
	s := c.Node + " " + c.State.String()
	switch {
	case c.State == watch.CopyVerified:
		s += ", " + plural(int64(c.Verified), "row change")
		if c.Through != nil {
			s += " through " + c.Through.Format("15:04:05 UTC")
		}
	case c.Reason != "":
		s += ": " + c.Reason
	}
	return s
}
