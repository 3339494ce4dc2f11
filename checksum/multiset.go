package checksum

import (
	"context"
	"time"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/rowstream"
)

// rowCount is a row value that occurs so many times on each side.
type rowCount struct {
	hash  xxh3.Uint128
	state fenceState
}

// tally counts the occurrences of some row values in one scan of one side.
type tally map[xxh3.Uint128]int64

// settleMultiset finds the row values whose numbers differ in some buckets of a table without a key, and settles
// them by the fence rule: a value's image is the number of its occurrences, and each read is a scan.
func (w *copyWorker) settleMultiset(ctx context.Context, t *tableRun, c *chunkRun, group map[int]bool) error {
	suspects, err := w.suspectValues(ctx, t, group)
	if err != nil {
		return err
	}
	f := w.check.settler.fence
	r := ruleFor(false, f.bothSides())
	for len(suspects) > 0 {
		looks, err := w.tallies(ctx, t, suspects)
		if reason := fenceFailure(err); reason != "" {
			t.because(reason)
			c.add(Counts{Undecided: int64(len(suspects))})
			return nil
		}
		if err != nil {
			return err
		}
		var again, proven []*rowCount
		for _, v := range suspects {
			switch v.state.judge(r, looks.round(v.hash, f.bothSides())) {
			case rowSame:
				c.add(Counts{InFlight: 1})
			case rowUnseen: // a scan sees all rows
			case rowDifferent:
				proven = append(proven, v)
			case rowHot:
				t.because("rows change faster than they can be compared")
				c.add(Counts{Undecided: 1})
			case rowAgain:
				again = append(again, v)
			}
		}
		if err := w.provenValues(ctx, t, c, looks, proven); err != nil {
			return err
		}
		suspects = again
		if len(again) > 0 {
			if err := sleep(ctx, again[0].state.delay(r)); err != nil {
				return err
			}
		}
	}
	return nil
}

// suspectValues returns the row values of some buckets whose numbers differ.
func (w *copyWorker) suspectValues(ctx context.Context, t *tableRun, group map[int]bool) ([]*rowCount, error) {
	var counts [2]tally
	err := w.both(ctx, func(ctx context.Context, s *session) error {
		n := make(tally)
		counts[sideIndex(s)] = n
		_, err := s.scan(ctx, t, func() { clear(n) }, func(b int, _ []byte, sum xxh3.Uint128) {
			if group[b] {
				n[sum]++
			}
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []*rowCount
	for sum, n := range counts[0] {
		if counts[1][sum] != n {
			out = append(out, &rowCount{hash: sum})
		}
		delete(counts[1], sum)
	}
	for sum := range counts[1] {
		out = append(out, &rowCount{hash: sum})
	}
	return out, nil
}

// multisetRound is one round's scans, as read from the source and the replica of the fence.
type multisetRound struct {
	source, replica, sourceAgain, replicaAgain tally
	samples                                    map[xxh3.Uint128]rowImage
	reversed                                   bool
}

func (m *multisetRound) round(h xxh3.Uint128, bothSides bool) round {
	im := func(t tally) image { return image{sight: present, hash: xxh3.Uint128{Lo: uint64(t[h])}} }
	r := round{source: im(m.source), replica: im(m.replica), sourceAgain: im(m.sourceAgain)}
	if bothSides {
		r.replicaAgain = im(m.replicaAgain)
	}
	return r
}

// tallies leads the values through one round of the fence rule.
func (w *copyWorker) tallies(ctx context.Context, t *tableRun, values []*rowCount) (*multisetRound, error) {
	f := w.check.settler.fence
	source, replica := w.old, w.new
	if f.reversed() {
		source, replica = w.new, w.old
	}
	m := &multisetRound{samples: make(map[xxh3.Uint128]rowImage), reversed: f.reversed()}
	var err error
	if m.source, err = m.scan(ctx, source, t, values); err != nil {
		return nil, err
	}
	if err = replica.do(ctx, "wait for replication", func() error { return f.pass(ctx) }); err != nil {
		return nil, err
	}
	if m.replica, err = m.scan(ctx, replica, t, values); err != nil {
		return nil, err
	}
	if err = source.do(ctx, "wait for commits", func() error { return f.committed(ctx) }); err != nil {
		return nil, err
	}
	if m.sourceAgain, err = m.scan(ctx, source, t, values); err != nil || !f.bothSides() {
		return m, err
	}
	m.replicaAgain, err = m.scan(ctx, replica, t, values)
	return m, err
}

// maxSamples bounds the row images of one round of a table without a key.
const maxSamples = 10000

// scan counts the values on one side and keeps an image of each.
func (m *multisetRound) scan(ctx context.Context, s *session, t *tableRun, values []*rowCount) (tally, error) {
	n := make(tally, len(values))
	for _, v := range values {
		n[v.hash] = 0
	}
	anew := func() {
		for h := range n {
			n[h] = 0
		}
	}
	_, err := s.scanWhole(ctx, t, anew, func(_ []byte, sum xxh3.Uint128, whole func() ([]byte, []rowstream.Column)) {
		if _, wanted := n[sum]; !wanted {
			return
		}
		n[sum]++
		if _, have := m.samples[sum]; !have && len(m.samples) < maxSamples {
			packet, columns := whole()
			m.samples[sum] = rowImage{image: image{sight: present, hash: sum}, packet: packet, columns: append([]rowstream.Column{}, columns...)}
		}
	})
	return n, err
}

// provenValues counts values that are proven to occur a different number of times.
func (w *copyWorker) provenValues(ctx context.Context, t *tableRun, c *chunkRun, m *multisetRound, proven []*rowCount) error {
	if err := w.bareSamples(ctx, t, m, proven); err != nil {
		return err
	}
	to := w.new.target(ctx, t.plan)
	for _, v := range proven {
		onOld, onNew := m.source[v.hash], m.replica[v.hash]
		if m.reversed {
			onOld, onNew = onNew, onOld
		}
		d := Difference{Kind: Missing, Count: onOld - onNew, Proof: w.check.settler.fence.proof()}
		if onNew > onOld {
			d.Kind, d.Count = Extra, onNew-onOld
		}
		sample := m.samples[v.hash]
		values, err := sample.values()
		if err != nil {
			return err
		}
		if values != nil {
			t.plan.describe(&d, values)
			if err := t.plan.imagesOf(to, &d, sample, values); err != nil {
				return err
			}
		}
		c.mu.Lock()
		c.count(d)
		c.mu.Unlock()
	}
	return nil
}

// add adds to a chunk's numbers.
func (c *chunkRun) add(n Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Add(n)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// describe names a row of a table without a key by all its values.
func (p *tablePlan) describe(d *Difference, values []cellValue) {
	none := Value{Null: true}
	for i, v := range values {
		c := ColumnDiff{Column: p.columns[i].old.Name, Old: v.value(), New: none}
		if d.Kind == Extra {
			c.Old, c.New = none, v.value()
		}
		d.Columns = append(d.Columns, c)
	}
}

// imagesOf writes the rows of a table without a key as SQL.
func (p *tablePlan) imagesOf(to *target, d *Difference, sample rowImage, values []cellValue) error {
	extra := d.Kind == Extra
	was, err := p.storedIn(sample, values, extra)
	if err != nil {
		return err
	}
	var now []stored
	if extra {
		was, now = nil, was
	}
	if err := p.images(to, d, was, now, nil); err != nil {
		return err
	}
	for _, cells := range [][]Cell{d.OldRow, d.NewRow} {
		if sample.moved && len(cells) > 0 {
			cells[0].Why = "it has no key, and rows that compare equal to it are stored in several forms"
		}
	}
	return nil
}

// bareSamples reads what the columns of proven values hold, on the side that has more of each, where that is not what is
// compared. Where rows of one value hold several, or none has it any more, its sample is marked as moved.
func (w *copyWorker) bareSamples(ctx context.Context, t *tableRun, m *multisetRound, proven []*rowCount) error {
	bare := t.plan.bare()
	if bare == nil || len(proven) == 0 {
		return nil
	}
	var wanted [2]map[xxh3.Uint128]bool
	wanted[0], wanted[1] = make(map[xxh3.Uint128]bool), make(map[xxh3.Uint128]bool)
	for _, v := range proven {
		onOld, onNew := m.source[v.hash], m.replica[v.hash]
		if m.reversed {
			onOld, onNew = onNew, onOld
		}
		side := 0
		if onNew > onOld {
			side = 1
		}
		if sample, ok := m.samples[v.hash]; ok && sample.packet != nil {
			sample.moved = true
			m.samples[v.hash] = sample
			wanted[side][v.hash] = true
		}
	}
	for _, s := range []*session{w.old, w.new} {
		if err := s.scanBare(ctx, t, bare, wanted[sideIndex(s)], m.samples); err != nil {
			return err
		}
	}
	return nil
}

// scanBare reads a side once more for what the rows of some values hold.
func (s *session) scanBare(ctx context.Context, t *tableRun, bare *tablePlan, wanted map[xxh3.Uint128]bool, samples map[xxh3.Uint128]rowImage) error {
	if len(wanted) == 0 {
		return nil
	}
	packets := make(map[xxh3.Uint128][]byte)
	var columns []rowstream.Column
	h := newRowHasher(t.plan)
	err := s.do(ctx, "scan "+t.plan.name, func() error {
		clear(packets)
		if err := s.liftTimeLimit(); err != nil {
			return err
		}
		return s.query(ctx, bare, bare.side(s.newSide).scanQuery(), nil, func(_, head []byte, rows *rowstream.Rows) error {
			if rows.More() { // none of those that samples are kept of
				return rows.Rest(func([]byte) {})
			}
			columns = append(columns[:0], rows.Columns()...)
			sum, err := h.projected(bare, head, columns)
			if err != nil || !wanted[sum] {
				return err
			}
			if was, ok := packets[sum]; ok && string(was) != string(head) {
				packets[sum] = nil // several forms
			} else if !ok {
				packets[sum] = bytesOf(head)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for sum, packet := range packets {
		if packet == nil {
			continue
		}
		sample := samples[sum]
		if err := sample.takeBare(bare, packet, columns); err != nil {
			return err
		}
		samples[sum] = sample
	}
	return nil
}
