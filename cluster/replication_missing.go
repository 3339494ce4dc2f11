package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"crosscheck/cluster/gtid"
)

const hintMissing = "clone again, or make the transactions known on that side (gtid_purged) once you know that its data has them"

// checkMissing looks for transactions that never come: those that `from` has
// purged from its binary logs, or never logged, and that its only replica has
// not received. They must stay so for the grace time, since both servers are
// asked one after the other.
func (w *waiter) checkMissing(ctx context.Context, list []ReplicaChannel) error {
	l := w.l
	if l.proof != ByMySQLGTID || !l.direct || len(l.toID.channels) != 1 {
		return nil
	}
	lost, err := l.neverComes(ctx, w.left.MySQL, list)
	if err != nil || lost.IsEmpty() {
		// That `from` cannot be asked says nothing about what arrives.
		w.missing = time.Time{}
		return nil //nolint:nilerr // see above
	}
	if w.missing.IsZero() {
		w.missing = time.Now()
	}
	if time.Since(w.missing) < w.opt.StopGrace {
		return nil
	}
	return &FenceError{
		From: l.From(), To: l.To(), Cause: FenceMissing, Hint: hintMissing,
		Detail: fmt.Sprintf("%s is purged from the binary logs of %s (or was never in them) and not on %s: it never arrives", brief(lost), l.From(), l.To()),
	}
}

// neverComes is the part of left that `from` can no longer send.
func (l *Link) neverComes(ctx context.Context, left gtid.Set, list []ReplicaChannel) (gtid.Set, error) {
	text, err := l.from.strings(ctx, "SELECT @@global.gtid_purged")
	if err != nil {
		return gtid.Set{}, err
	}
	purged, err := gtid.ParseSet(text[0])
	if err != nil {
		return gtid.Set{}, err
	}
	lost := left.Intersect(purged)
	for _, c := range list {
		lost = lost.Subtract(c.Retrieved.MySQL)
	}
	return lost, nil
}

// explain says where what is left hangs, in one phrase.
func (l *Link) explain(ctx context.Context, left gtid.Position) (string, FenceCause) {
	list, err := l.onTheWay(ctx)
	if err != nil {
		return fmt.Sprintf("%s is still missing (%v)", what(left, l.proof), err), FenceTimeout
	}
	var parts []string
	for _, c := range list {
		s := c.Source()
		switch {
		case !c.Running():
			s += " " + c.Trouble()
		case c.received(left, l.proof):
			s += " has sent it, it is not applied yet"
		default:
			s += " has not sent all of it yet"
		}
		if c.LagSeconds != nil {
			s += fmt.Sprintf(", lag %d s", *c.LagSeconds)
		}
		parts = append(parts, s)
	}
	if l.proof == ByMySQLGTID {
		if lost, lostErr := l.neverComes(ctx, left.MySQL, list); lostErr == nil && !lost.IsEmpty() {
			return fmt.Sprintf("%s is still missing; of it %s is no longer in the binary logs of %s", brief(left.MySQL), brief(lost), l.From()), FenceMissing
		}
	}
	where := strings.Join(parts, "; ")
	if where == "" {
		where = "no channel is configured"
	}
	return fmt.Sprintf("%s is still missing: %s", what(left, l.proof), where), FenceTimeout
}

// what names the missing part of a position.
func what(left gtid.Position, by Proof) string {
	switch by {
	case ByMySQLGTID:
		return brief(left.MySQL)
	case ByGalera:
		return "what the cluster has committed"
	case ByMariaDBGTID:
		return left.MariaDB.String()
	default:
		return "all up to " + left.File.String()
	}
}

// brief prints a set so that it fits into a line.
func brief(s gtid.Set) string {
	const limit = 200
	text := s.String()
	if len(text) <= limit {
		return text
	}
	return fmt.Sprintf("%s… (%d transactions of %d servers)", text[:limit], s.Count(), len(s.UUIDs()))
}
