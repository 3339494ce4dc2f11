package prove

import (
	"context"
	"slices"

	"crosscheck/checksum/diff"
	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/cluster/gtid"
	"crosscheck/cluster/rowstream"
)

// maxImage is the size up to which a differing row is kept and shown column by column, in bytes. The difference
// counts whatever the size.
const maxImage = 64 << 20

// maxImages bounds the images that one round keeps in memory.
const maxImages = 4 * maxImage

// confirm turns rows that the rounds prove different into differences. Their images are read once more; rows that no
// longer show what the rounds saw are returned, to go through further rounds.
func (s *Settler) confirm(ctx context.Context, b *batch, proven []*suspect) ([]*suspect, error) {
	if len(proven) == 0 {
		return nil, nil
	}
	view := &batch{plan: b.plan, suspects: proven, rng: b.rng}
	oldRows, err := s.packets(ctx, s.old, view)
	if err != nil {
		return nil, err
	}
	newRows, err := s.packets(ctx, s.new, view)
	if err != nil {
		return nil, err
	}
	for _, side := range []struct {
		from *read.Session
		rows []rowImage
	}{{s.old, oldRows}, {s.new, newRows}} {
		if err := s.readBare(ctx, side.from, view, side.rows); err != nil {
			return nil, err
		}
	}
	now := s.sourcePosition(ctx)
	to := diff.NewTarget(ctx, s.new.Server, b.plan)
	var open []*suspect
	for i, sp := range proven {
		o, n := oldRows[i], newRows[i]
		wasOld, wasNew := sp.state.source, sp.state.replica
		if s.fence.Reversed() {
			wasOld, wasNew = wasNew, wasOld
		}
		proof, still := s.proof(ctx, b.plan, sp, now)
		if !still || o.image != wasOld || n.image != wasNew || o.Moved || n.Moved {
			sp.state.disturbed()
			proof = ""
		}
		if proof == "" {
			open = append(open, sp)
			continue
		}
		d, err := diff.Pack(b.plan, to, kindOfRows(o.image, n.image), o.Row, n.Row, sp.key)
		s.forget(b.plan, sp)
		if err != nil {
			sp.owner.Undecided(ctx, err.Error())
			continue
		}
		d.Proof = proof
		sp.owner.Different(ctx, d)
	}
	return open, nil
}

// sourcePosition is where the tail's source is now, if there is a tail.
func (s *Settler) sourcePosition(ctx context.Context) gtid.Position {
	if s.tail == nil || s.tail.window == nil || s.tail.err != nil {
		return gtid.Position{}
	}
	return s.tail.position(ctx)
}

// proof returns what a difference is proven by, "" if it is not yet. An observed row must not have changed while it was
// observed; if it did, it is not still, and its observation begins anew. Where the log neither shows a change of the row
// nor excludes one (statements instead of rows, a schema change), rounds prove as they do without a log: those that the
// row has stood still through count on.
func (s *Settler) proof(ctx context.Context, p *plan.Table, sp *suspect, now gtid.Position) (proof diff.Proof, still bool) {
	if sp.watched == nil || s.tail.err != nil {
		if sp.state.agreed < ruleFor(false, false).agree {
			return "", false
		}
		return s.fence.Proof(), true
	}
	a, ok := s.tail.changes(ctx, p, sp, now)
	switch {
	case !ok:
		return "", false
	case a.Quiet():
		return diff.ProofBinlog, true
	case a.Count > 0:
		sp.from = &now
		return "", false
	case sp.state.agreed >= ruleFor(false, false).agree:
		return s.fence.Proof(), true
	}
	sp.unclear = true
	return "", true
}

// cool settles rows that change too often to be still across rounds: if the replica's row equals a value that the
// source's row had since its observation began, it is on its way. It returns the rows that this settled.
func (s *Settler) cool(ctx context.Context, b *batch, hot []*suspect) (map[*suspect]bool, error) {
	if len(hot) == 0 {
		return nil, nil
	}
	replica := s.new
	if s.fence.Reversed() {
		replica = s.old
	}
	rows, err := s.packets(ctx, replica, &batch{plan: b.plan, suspects: hot, rng: b.rng})
	if err != nil {
		return nil, err
	}
	now := s.sourcePosition(ctx)
	calmed := make(map[*suspect]bool)
	for i, sp := range hot {
		if rows[i].image.sight == unseen {
			continue
		}
		a, ok := s.tail.changes(ctx, b.plan, sp, now)
		if !ok {
			break
		}
		values, err := rows[i].Values()
		if err != nil {
			continue
		}
		for _, seen := range a.Changes {
			if same, _ := b.plan.Matches(replica.NewSide, rows[i].Columns, values, seen.Change); same {
				calmed[sp] = true
				s.forget(b.plan, sp)
				sp.owner.Same(ctx)
				break
			}
		}
	}
	return calmed, nil
}

// rowImage is what one read of a row saw, and the row.
type rowImage struct {
	image image
	diff.Row
}

// kindOfRows tells how two rows that differ do so.
func kindOfRows(o, n image) diff.Kind {
	switch {
	case n.sight != present:
		return diff.Missing
	case o.sight != present:
		return diff.Extra
	}
	return diff.Changed
}

// packets reads the rows of a batch in full.
func (s *Settler) packets(ctx context.Context, from *read.Session, b *batch) ([]rowImage, error) {
	out := make([]rowImage, len(b.suspects))
	h := read.NewHasher(b.plan)
	var columns []rowstream.Column
	kept := 0
	blind, err := s.rows(ctx, from, b, func(i int, more bool, head []byte, rows *rowstream.Rows) error {
		sum, packet, err := h.HashKeep(head, rows, max(0, min(maxImage, maxImages-kept)))
		kept += len(packet)
		if columns == nil {
			columns = append(columns, rows.Columns()...)
		}
		if more { // which of the rows a difference lies in cannot be told
			packet = nil
		}
		out[i].image.add(more, sum)
		out[i].Packet, out[i].Columns = packet, columns
		return err
	})
	for i := range out {
		if out[i].image.sight == unseen && !slices.Contains(blind, i) {
			out[i].image.sight = absent
		}
	}
	return out, err
}

// readBare reads the rows' own values on one side. Of a row that no longer has the packet that was read before, moved is
// set.
func (s *Settler) readBare(ctx context.Context, from *read.Session, b *batch, rows []rowImage) error {
	bare := b.plan.Bare()
	if bare == nil {
		return nil
	}
	for i := range rows {
		rows[i].Moved = rows[i].Packet != nil
	}
	_, err := s.rows(ctx, from, &batch{plan: bare, suspects: b.suspects, rng: b.rng},
		func(i int, _ bool, head []byte, more *rowstream.Rows) error {
			if rows[i].Packet == nil {
				return nil
			}
			packet, err := more.Whole(head)
			if err != nil {
				return err
			}
			return rows[i].TakeBare(bare, packet, more.Columns())
		})
	return err
}
