package prove

import (
	"context"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"crosscheck/checksum/diff"
	"crosscheck/checksum/plan"
	"crosscheck/checksum/read"
	"crosscheck/cluster/rowstream"
)

// Multiset settles row values of a table without a key by the fence rule: a value's image is the number of its
// occurrences, and each read is a scan.
type Multiset struct {
	Old, New *read.Session
	Fence    Fence
	Plan     *plan.Table
	Progress func(*read.Session) func(rows int64) // what shows that rows were read by a session
}

// rowCount is a row value that occurs so many times on each side.
type rowCount struct {
	hash  xxh3.Uint128
	state fenceState
}

// tally counts the occurrences of some row values in one scan of one side.
type tally map[xxh3.Uint128]int64

// Settle settles values whose numbers differ; o is told of each. With an error it was not told of those that are left.
func (m *Multiset) Settle(ctx context.Context, values []xxh3.Uint128, o Owner) error {
	suspects := make([]*rowCount, len(values))
	for i, h := range values {
		suspects[i] = &rowCount{hash: h}
	}
	r := ruleFor(false, m.Fence.BothSides())
	for len(suspects) > 0 {
		looks, err := m.look(ctx, suspects)
		if reason := fenceFailure(err); reason != "" {
			for range suspects {
				o.Undecided(ctx, reason)
			}
			return nil
		}
		if err != nil {
			return err
		}
		var again, proven []*rowCount
		for _, v := range suspects {
			switch v.state.judge(r, looks.round(v.hash, m.Fence.BothSides())) {
			case rowSame:
				o.Same(ctx)
			case rowUnseen: // a scan sees all rows
			case rowDifferent:
				proven = append(proven, v)
			case rowHot:
				o.Undecided(ctx, reasonHot(nil))
			case rowAgain:
				again = append(again, v)
			}
		}
		if err := m.proven(ctx, looks, proven, o); err != nil {
			return err
		}
		suspects = again
		if len(again) > 0 {
			select {
			case <-time.After(again[0].state.delay(r)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// multisetLooks is one round's scans, as read from the source and the replica of the fence.
type multisetLooks struct {
	source, replica, sourceAgain, replicaAgain tally
	samples                                    map[xxh3.Uint128]diff.Row
	reversed                                   bool
}

func (m *multisetLooks) round(h xxh3.Uint128, bothSides bool) round {
	im := func(t tally) image { return image{sight: present, hash: xxh3.Uint128{Lo: uint64(t[h])}} }
	r := round{source: im(m.source), replica: im(m.replica), sourceAgain: im(m.sourceAgain)}
	if bothSides {
		r.replicaAgain = im(m.replicaAgain)
	}
	return r
}

// numbers are those of a value's occurrences on old and on new.
func (m *multisetLooks) numbers(h xxh3.Uint128) (onOld, onNew int64) {
	if m.reversed {
		return m.replica[h], m.source[h]
	}
	return m.source[h], m.replica[h]
}

// look leads the values through one round of the fence rule.
func (m *Multiset) look(ctx context.Context, values []*rowCount) (*multisetLooks, error) {
	source, replica := m.Old, m.New
	if m.Fence.Reversed() {
		source, replica = m.New, m.Old
	}
	looks := &multisetLooks{samples: make(map[xxh3.Uint128]diff.Row), reversed: m.Fence.Reversed()}
	var err error
	if looks.source, err = m.scan(ctx, source, looks, values); err != nil {
		return nil, err
	}
	if err = replica.Do(ctx, "wait for replication", func() error { return m.Fence.Pass(ctx) }); err != nil {
		return nil, err
	}
	if looks.replica, err = m.scan(ctx, replica, looks, values); err != nil {
		return nil, err
	}
	if err = source.Do(ctx, "wait for commits", func() error { return m.Fence.Committed(ctx) }); err != nil {
		return nil, err
	}
	if looks.sourceAgain, err = m.scan(ctx, source, looks, values); err != nil || !m.Fence.BothSides() {
		return looks, err
	}
	looks.replicaAgain, err = m.scan(ctx, replica, looks, values)
	return looks, err
}

// maxSamples bounds the row images of one round of a table without a key.
const maxSamples = 10000

// scan counts the values on one side and keeps a row of each.
func (m *Multiset) scan(ctx context.Context, s *read.Session, looks *multisetLooks, values []*rowCount) (tally, error) {
	n := make(tally, len(values))
	for _, v := range values {
		n[v.hash] = 0
	}
	anew := func() {
		for h := range n {
			n[h] = 0
		}
	}
	visit := func(_ []byte, sum xxh3.Uint128, whole func() ([]byte, []rowstream.Column)) {
		if _, wanted := n[sum]; !wanted {
			return
		}
		n[sum]++
		if _, have := looks.samples[sum]; !have && len(looks.samples) < maxSamples {
			packet, columns := whole()
			looks.samples[sum] = diff.Row{Packet: packet, Columns: append([]rowstream.Column{}, columns...)}
		}
	}
	_, err := s.ScanWhole(ctx, m.Plan, read.Scan{Anew: anew, Progress: m.Progress(s), Visit: visit})
	return n, err
}

// proven tells of values that are proven to occur a different number of times.
func (m *Multiset) proven(ctx context.Context, looks *multisetLooks, proven []*rowCount, o Owner) error {
	if err := m.bareSamples(ctx, looks, proven); err != nil {
		return err
	}
	to := diff.NewTarget(ctx, m.New.Server, m.Plan)
	for _, v := range proven {
		d := diff.Difference{Kind: diff.Missing, Proof: m.Fence.Proof()}
		onOld, onNew := looks.numbers(v.hash)
		if d.Count = onOld - onNew; d.Count < 0 {
			d.Kind, d.Count = diff.Extra, -d.Count
		}
		if err := diff.WithoutKey(m.Plan, to, &d, looks.samples[v.hash]); err != nil {
			return err
		}
		o.Different(ctx, d)
	}
	return nil
}

// bareSamples reads what the columns of proven values hold, on the side that has more of each, where that is not what is
// compared. Where rows of one value hold several, or none has it any more, its sample is marked as moved.
func (m *Multiset) bareSamples(ctx context.Context, looks *multisetLooks, proven []*rowCount) error {
	bare := m.Plan.Bare()
	if bare == nil || len(proven) == 0 {
		return nil
	}
	onlyOld, onlyNew := make(map[xxh3.Uint128]bool), make(map[xxh3.Uint128]bool)
	for _, v := range proven {
		wanted := onlyOld
		if onOld, onNew := looks.numbers(v.hash); onNew > onOld {
			wanted = onlyNew
		}
		if sample, ok := looks.samples[v.hash]; ok && sample.Packet != nil {
			sample.Moved = true
			looks.samples[v.hash] = sample
			wanted[v.hash] = true
		}
	}
	if err := m.scanBare(ctx, m.Old, bare, onlyOld, looks.samples); err != nil {
		return err
	}
	return m.scanBare(ctx, m.New, bare, onlyNew, looks.samples)
}

// scanBare reads a side once more for what the rows of some values hold.
func (m *Multiset) scanBare(ctx context.Context, s *read.Session, bare *plan.Table, wanted map[xxh3.Uint128]bool, samples map[xxh3.Uint128]diff.Row) error {
	if len(wanted) == 0 {
		return nil
	}
	packets := make(map[xxh3.Uint128][]byte)
	var columns []rowstream.Column
	h := read.NewHasher(m.Plan)
	err := s.EachRow(ctx, bare, func() { clear(packets) }, func(_, head []byte, rows *rowstream.Rows) error {
		if rows.More() { // none of those that samples are kept of
			return rows.Rest(func([]byte) {})
		}
		columns = append(columns[:0], rows.Columns()...)
		sum, err := h.Projected(bare, head, columns)
		if err != nil || !wanted[sum] {
			return err
		}
		if was, ok := packets[sum]; ok && string(was) != string(head) {
			packets[sum] = nil // several forms
		} else if !ok {
			packets[sum] = slices.Clone(head)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for sum, packet := range packets {
		if packet == nil {
			continue
		}
		sample := samples[sum]
		if err := sample.TakeBare(bare, packet, columns); err != nil {
			return err
		}
		samples[sum] = sample
	}
	return nil
}
