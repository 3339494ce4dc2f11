package prove

import (
	"context"
	"slices"
	"time"

	"crosscheck/checksum/diff"
	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
)

// maxGroup bounds the rows of which the images of one round are kept.
const maxGroup = maxSuspects

// round leads a batch, and others that are due, through one round of the fence rule, and queues again what is not
// decided. If it returns an error, all that was still open is undecided.
func (s *Settler) round(ctx context.Context, first *batch) error {
	group, err := s.images(ctx, first)
	if failed := fenceFailure(err); failed != "" {
		for _, b := range group {
			s.park(ctx, b, failed)
		}
		return nil
	}
	for _, b := range group {
		if err == nil {
			err = s.spare(ctx, b, s.judge(ctx, b))
		}
	}
	if err != nil {
		for _, b := range group {
			s.giveUp(ctx, b, reasonInterrupted)
		}
	}
	return err
}

// spare keeps a table's own error from the other tables: its batch is given up, and nil is returned. So are its later
// batches: others need not wait for the same lock once more with each.
func (s *Settler) spare(ctx context.Context, b *batch, err error) error {
	if err == nil || ctx.Err() != nil || s.single || read.EndsRun(err) {
		return err
	}
	s.spoilt[b.plan] = err
	s.free(b, 0)
	s.giveUp(ctx, b, err.Error())
	return nil
}

// images reads every row of a batch before and after the fence, and of further batches that are due, which it returns
// with the first. One fence serves all of them: where replication is minutes behind, it takes minutes. No more are read
// than there is time for while the last fence was waited for, so that where replication is quick rows are judged soon.
func (s *Settler) images(ctx context.Context, first *batch) (group []*batch, err error) {
	source, replica := s.old, s.new
	if s.fence.Reversed() {
		source, replica = s.new, s.old
	}
	one := func(b *batch, from *read.Session, at func(*round) *image) error {
		if len(b.suspects) == 0 { // given up
			return nil
		}
		if was := s.spoilt[b.plan]; was != nil {
			return s.spare(ctx, b, was)
		}
		return s.spare(ctx, b, s.read(ctx, from, b, func(i int, im image) { *at(&b.rounds[i]) = im }))
	}
	all := func(from *read.Session, at func(*round) *image) error {
		for _, b := range group {
			if err = one(b, from, at); err != nil {
				return err
			}
		}
		return nil
	}
	begun, rows := time.Now(), 0
	for b := first; b != nil; {
		group = append(group, b)
		b.rounds, b.observed = make([]round, len(b.suspects)), make([]bool, len(b.suspects))
		if s.tail != nil {
			b.observed = s.tail.watch(ctx, b.plan, b.suspects)
		}
		if err = one(b, source, func(r *round) *image { return &r.source }); err != nil {
			return group, err
		}
		rows += len(b.suspects)
		if b = nil; time.Since(begun) < s.waited && rows < maxGroup {
			b, _ = s.next()
		}
	}
	err = replica.Do(ctx, "wait for replication", func() error {
		begun := time.Now()
		defer func() { s.waited = time.Since(begun) }()
		return s.fence.Pass(ctx)
	})
	if err != nil {
		return group, err
	}
	if err = all(replica, func(r *round) *image { return &r.replica }); err != nil {
		return group, err
	}
	if err = s.committed(ctx, source, group); err != nil {
		return group, err
	}
	if err = all(source, func(r *round) *image { return &r.sourceAgain }); err != nil || !s.fence.BothSides() {
		return group, err
	}
	return group, all(replica, func(r *round) *image { return &r.replicaAgain })
}

// committed waits until the source shows what the replica was read with, should any row look different. If it does not,
// the rows that look alike are settled all the same.
func (s *Settler) committed(ctx context.Context, source *read.Session, group []*batch) error {
	for _, b := range group {
		for i := range b.suspects {
			if !s.apart(b, i) {
				continue
			}
			err := source.Do(ctx, "wait for commits", func() error { return s.fence.Committed(ctx) })
			if fenceFailure(err) != "" {
				s.keep(ctx, group)
			}
			return err
		}
	}
	return nil
}

// apart reports whether a suspect is not shown to be alike by the first reads of its round: different, or not seen.
func (s *Settler) apart(b *batch, i int) bool {
	r := b.rounds[i]
	if b.doubts(b.suspects[i]) {
		s.doubt(b.suspects[i], &r)
	}
	return r.source != r.replica || r.source.sight == unseen
}

// keep settles the suspects that are not apart as the same.
func (s *Settler) keep(ctx context.Context, group []*batch) {
	for _, b := range group {
		var left []*suspect
		for i, sp := range b.suspects {
			if s.apart(b, i) {
				left = append(left, sp)
				continue
			}
			s.forget(b.plan, sp)
			sp.owner.Same(ctx)
		}
		b.suspects, b.rounds, b.observed = left, nil, nil
	}
}

// judge settles what a round decides of a batch, and queues the rest again.
func (s *Settler) judge(ctx context.Context, b *batch) error {
	var again, proven, hot, blind []*suspect
	for i, sp := range b.suspects {
		doubted := b.doubts(sp)
		if doubted {
			s.doubt(sp, &b.rounds[i])
		}
		switch sp.state.judge(ruleFor(b.observed[i] && !sp.unclear, s.fence.BothSides()), b.rounds[i]) {
		case rowSame:
			s.forget(b.plan, sp)
			sp.owner.Same(ctx)
		case rowDifferent:
			if doubted && sp.state.source.sight != sp.state.replica.sight {
				blind = append(blind, sp) // found on one side only, by keys: a range read has the last word
				continue
			}
			proven = append(proven, sp)
		case rowHot:
			s.forget(b.plan, sp)
			sp.owner.Undecided(ctx, reasonHot(s.tail))
		case rowUnseen:
			blind = append(blind, sp)
		case rowAgain:
			again = append(again, sp)
			if b.observed[i] && sp.state.restless() {
				hot = append(hot, sp)
			}
		}
	}
	b.rounds, b.observed = nil, nil
	s.readInstead(ctx, b, blind)
	b.suspects = append(append([]*suspect{}, proven...), again...) // all that is still open, should an error end the run
	open, err := s.confirm(ctx, b, proven)
	if err != nil {
		return err
	}
	b.suspects = append(slices.Clone(again), open...)
	calmed, err := s.cool(ctx, b, hot)
	if err != nil {
		return err
	}
	again = slices.DeleteFunc(again, func(sp *suspect) bool { return calmed[sp] })
	again = append(again, open...)
	s.free(b, len(again))
	b.suspects = again
	if len(again) > 0 {
		tailed := s.tail != nil && s.tail.err == nil && !slices.ContainsFunc(again, func(sp *suspect) bool { return sp.unclear })
		b.due = time.Now().Add(again[0].state.delay(ruleFor(tailed, s.fence.BothSides())))
		s.push(b)
	}
	return nil
}

// read hashes the rows of a batch on one side; rows that do not exist are not reported.
func (s *Settler) read(ctx context.Context, from *read.Session, b *batch, see func(i int, im image)) error {
	h := read.NewHasher(b.plan)
	images := make([]image, len(b.suspects))
	blind, err := s.rows(ctx, from, b, func(i int, more bool, head []byte, rows *rowstream.Rows) error {
		sum, _, err := h.Hash(head, rows)
		images[i].add(more, sum)
		return err
	})
	if err != nil {
		return err
	}
	for i, im := range images {
		if im.sight == unseen && !slices.Contains(blind, i) {
			im.sight = absent
		}
		see(i, im)
	}
	return nil
}

// doubts reports whether a range read has the last word on a suspect that its key does not find.
func (b *batch) doubts(sp *suspect) bool { return b.plan.Doubted && b.rng == nil && sp.rng != nil }

// doubt takes back that a lookup found no row where a range read had shown one: that the row is gone since only another
// such read tells. Of numbers and text nothing is doubted that unsureKeys lets pass.
func (s *Settler) doubt(sp *suspect, r *round) {
	onSource, onReplica := sp.kind != diff.Extra, sp.kind != diff.Missing
	if s.fence.Reversed() {
		onSource, onReplica = onReplica, onSource
	}
	if onSource && r.source.sight == absent {
		r.source.sight = unseen
	}
	if onReplica && r.replica.sight == absent {
		r.replica.sight = unseen
	}
}

// readInstead has rows that their keys do not find read with the part of the table in which they were seen.
func (s *Settler) readInstead(ctx context.Context, b *batch, blind []*suspect) {
	byRange := make(map[*chunker.Range][]*suspect)
	for _, sp := range blind {
		if sp.rng == nil || b.rng != nil {
			s.forget(b.plan, sp)
			sp.owner.Undecided(ctx, b.plan.UnsureKey(plan.ReasonNoText).Error())
			continue
		}
		byRange[sp.rng] = append(byRange[sp.rng], sp)
	}
	for rng, suspects := range byRange {
		held := min(len(suspects), b.held)
		b.held -= held
		s.push(&batch{plan: b.plan, suspects: suspects, rng: rng, due: time.Now(), parked: b.parked, held: held})
	}
}

// rows reads the rows of a batch on one side, by range or by key. It returns the suspects that it can say nothing of.
func (s *Settler) rows(ctx context.Context, from *read.Session, b *batch, visit read.Found) (blind []int, err error) {
	if b.rng == nil {
		return from.Lookup(ctx, b.plan, b.keys(), visit)
	}
	index := make(map[string]int, len(b.suspects))
	for i, sp := range b.suspects {
		index[string(sp.key)] = i
	}
	seen := make([]bool, len(b.suspects))
	err = from.EachRowOf(ctx, b.plan, *b.rng, func() { clear(seen) }, func(key, head []byte, rows *rowstream.Rows) error {
		i, ok := index[string(key)]
		if !ok {
			return nil
		}
		more := seen[i]
		seen[i] = true
		return visit(i, more, head, rows)
	})
	if err != nil || !b.plan.TextKey {
		return nil, err
	}
	var unseen []int
	for i := range b.suspects { // keys that only the server can match
		if !seen[i] {
			unseen = append(unseen, i)
		}
	}
	_, err = from.LookupAll(ctx, b.plan, b.keys(), unseen, visit)
	return nil, err
}

func (b *batch) keys() [][]byte {
	keys := make([][]byte, len(b.suspects))
	for i, sp := range b.suspects {
		keys[i] = sp.key
	}
	return keys
}
