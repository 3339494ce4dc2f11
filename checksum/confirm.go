package checksum

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
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
func (s *settler) confirm(ctx context.Context, b *batch, proven []*suspect) ([]*suspect, error) {
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
		from *session
		rows []rowImage
	}{{s.old, oldRows}, {s.new, newRows}} {
		if err := s.readBare(ctx, side.from, view, side.rows); err != nil {
			return nil, err
		}
	}
	now := s.sourcePosition(ctx)
	to := s.new.target(ctx, b.plan)
	var open []*suspect
	for i, sp := range proven {
		o, n := oldRows[i], newRows[i]
		wasOld, wasNew := sp.state.source, sp.state.replica
		if s.fence.reversed() {
			wasOld, wasNew = wasNew, wasOld
		}
		proof, still := s.proof(ctx, b.plan, sp, now)
		if !still || o.image != wasOld || n.image != wasNew || o.moved || n.moved {
			sp.state.disturbed()
			proof = ""
		}
		if proof == "" {
			open = append(open, sp)
			continue
		}
		d, err := b.plan.packed(to, o, n, sp.key)
		s.forget(b.plan, sp)
		if err != nil {
			sp.owner.undecided(ctx, err.Error())
			continue
		}
		d.Proof = proof
		sp.owner.different(ctx, d)
	}
	return open, nil
}

// sourcePosition is where the tail's source is now, if there is a tail.
func (s *settler) sourcePosition(ctx context.Context) gtid.Position {
	if s.tail == nil || s.tail.window == nil || s.tail.err != nil {
		return gtid.Position{}
	}
	return s.tail.position(ctx)
}

// proof returns what a difference is proven by, "" if it is not yet. An observed row must not have changed while it was
// observed; if it did, it is not still, and its observation begins anew. Where the log neither shows a change of the row
// nor excludes one (statements instead of rows, a schema change), rounds prove as they do without a log: those that the
// row has stood still through count on.
func (s *settler) proof(ctx context.Context, p *tablePlan, sp *suspect, now gtid.Position) (proof Proof, still bool) {
	if sp.watched == nil || s.tail.err != nil {
		if sp.state.agreed < ruleFor(false, false).agree {
			return "", false
		}
		return s.fence.proof(), true
	}
	a, ok := s.tail.changes(ctx, p, sp, now)
	switch {
	case !ok:
		return "", false
	case a.Quiet():
		return ProofBinlog, true
	case a.Count > 0:
		sp.from = &now
		return "", false
	case sp.state.agreed >= ruleFor(false, false).agree:
		return s.fence.proof(), true
	}
	sp.unclear = true
	return "", true
}

// cool settles rows that change too often to be still across rounds: if the replica's row equals a value that the
// source's row had since its observation began, it is on its way. It returns the rows that this settled.
func (s *settler) cool(ctx context.Context, b *batch, hot []*suspect) (map[*suspect]bool, error) {
	if len(hot) == 0 {
		return nil, nil
	}
	replica := s.new
	if s.fence.reversed() {
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
		values, err := rows[i].values()
		if err != nil {
			continue
		}
		for _, seen := range a.Changes {
			if same, _ := b.plan.matches(replica.newSide, rows[i].columns, values, seen.Change); same {
				calmed[sp] = true
				s.forget(b.plan, sp)
				sp.owner.same(ctx)
				break
			}
		}
	}
	return calmed, nil
}

// count adds a difference. Two suspects whose keys differ in bytes but are equal to the server are one row.
func (c *chunkRun) count(d Difference) {
	if c.table.plan.textKey {
		if d.Kind == Changed && c.countedBefore(d.Key) {
			return
		}
	}
	switch d.Kind {
	case Missing:
		c.counts.Missing += d.Count
	case Extra:
		c.counts.Extra += d.Count
	case Changed:
		c.counts.Changed += d.Count
	}
	c.differences = append(c.differences, d)
}

// countedBefore reports whether a changed row with this key was counted, and remembers it.
func (c *chunkRun) countedBefore(key []Field) bool {
	var b strings.Builder
	for _, f := range key {
		fmt.Fprintf(&b, "%d:%s", len(f.Value.Text), f.Value.Text)
	}
	if c.changed[b.String()] {
		return true
	}
	if c.changed == nil {
		c.changed = make(map[string]bool)
	}
	c.changed[b.String()] = true
	return false
}

// rowImage is a row read in full.
type rowImage struct {
	image   image
	packet  []byte // nil where there is no row or it is larger than maxImage
	columns []rowstream.Column
	bare    *bareRow // what its columns hold, where that is more than what is compared
	moved   bool     // it changed before that was read
}

// packets reads the rows of a batch in full.
func (s *settler) packets(ctx context.Context, from *session, b *batch) ([]rowImage, error) {
	out := make([]rowImage, len(b.suspects))
	h := newRowHasher(b.plan)
	var columns []rowstream.Column
	kept := 0
	blind, err := s.rows(ctx, from, b, func(i int, more bool, head []byte, rows *rowstream.Rows) error {
		sum, packet, err := h.hashKeep(head, rows, max(0, min(maxImage, maxImages-kept)))
		kept += len(packet)
		if columns == nil {
			columns = append(columns, rows.Columns()...)
		}
		if more { // which of the rows a difference lies in cannot be told
			packet = nil
		}
		out[i].image.add(more, sum)
		out[i].packet, out[i].columns = packet, columns
		return err
	})
	for i := range out {
		if out[i].image.sight == unseen && !slices.Contains(blind, i) {
			out[i].image.sight = absent
		}
	}
	return out, err
}

// packed is a difference that still holds its rows as they came: written as SQL they are ten to fifty times as large.
func (p *tablePlan) packed(to *target, o, n rowImage, key []byte) (Difference, error) {
	d := Difference{Kind: Changed, Count: 1, Key: p.keyFields(key)}
	switch {
	case n.image.sight != present:
		d.Kind = Missing
	case o.image.sight != present:
		d.Kind = Extra
	default:
		values, err := o.values()
		if err != nil {
			return d, err
		}
		if values != nil && n.packet != nil {
			d.Key = p.keyFieldsOf(values)
		}
	}
	d.Packed = &PackedRows{plan: p, to: to, old: o, now: n}
	return d, nil
}

// PackedRows are both sides' rows of a difference as they came.
type PackedRows struct {
	plan     *tablePlan
	to       *target
	old, now rowImage
}

// Unpack returns the difference with Columns, OldRow and NewRow, as far as its rows are known. It may ask new's server what
// a column can hold.
func (d Difference) Unpack() (Difference, error) {
	if d.Packed == nil {
		return d, nil
	}
	r := d.Packed
	d.Packed = nil
	oldValues, err := r.old.values()
	if err != nil {
		return d, err
	}
	newValues, err := r.now.values()
	if err != nil {
		return d, err
	}
	var differs []bool
	switch d.Kind {
	case Missing:
		newValues = nil
	case Extra:
		oldValues = nil
	case Changed:
		if oldValues == nil || newValues == nil {
			return d, nil
		}
		differs = make([]bool, len(oldValues))
		for i := range oldValues {
			if differs[i] = !r.plan.equalValue(i, oldValues[i], newValues[i]); differs[i] {
				d.Columns = append(d.Columns, ColumnDiff{
					Column: r.plan.columns[i].old.Name, Old: oldValues[i].value(), New: newValues[i].value(),
				})
			}
		}
	}
	o, err := r.plan.storedIn(r.old, oldValues, false)
	if err != nil {
		return d, err
	}
	n, err := r.plan.storedIn(r.now, newValues, true)
	if err != nil {
		return d, err
	}
	to := *r.to // errors are each call's own
	return d, r.plan.images(&to, &d, o, n, differs)
}

func (r rowImage) values() ([]cellValue, error) {
	if r.packet == nil {
		return nil, nil
	}
	return splitRow(r.packet, r.columns)
}

func (p *tablePlan) equalValue(column int, a, b cellValue) bool {
	if a.null || b.null {
		return a.null == b.null
	}
	if p.columns[column].proj.json {
		return string(canonicalJSON(lengthPrefixed(a.raw))) == string(canonicalJSON(lengthPrefixed(b.raw)))
	}
	return string(a.raw) == string(b.raw)
}

func (v cellValue) value() Value { return Value{Text: v.text, Null: v.null} }

// keyFields writes a sliced key.
func (p *tablePlan) keyFields(key []byte) []Field {
	fields := make([]Field, 0, p.nKey)
	for i, c := range p.keyTypes() {
		size := c.Size(key)
		fields = append(fields, p.keyField(i, c, key[:size]))
		key = key[size:]
	}
	return fields
}

func (p *tablePlan) keyFieldsOf(values []cellValue) []Field {
	fields := make([]Field, 0, p.nKey)
	for i, c := range p.keyTypes() {
		fields = append(fields, p.keyField(i, c, values[i].raw))
	}
	return fields
}

// keyField names a key value; members of ENUM and SET keys, which are selected by number, get their labels back. Text that
// is selected as stored is shown in hexadecimal where its charset is not known here: two keys never look alike.
func (p *tablePlan) keyField(i int, wire rowstream.Column, raw []byte) Field {
	c := p.columns[i].old
	text, _ := decode(wire, raw)
	switch {
	case p.columns[i].proj.number && classOf(c) != classBit:
		text = labels(c.Labels, classOf(c) == classSet, text)
	case (p.columns[i].proj.bytes || classOf(c) == classEnum && p.columns[i].proj.old == cluster.Quote(c.Name)) &&
		(wideUnits(charset(c)) || !isASCII(lengthPrefixed(raw))):
		text = fmt.Sprintf("0x%X", lengthPrefixed(raw))
		if known, ok := binlog.LogText(charset(c), lengthPrefixed(raw)); ok {
			text = string(known)
		}
	}
	return Field{Column: c.Name, Value: Value{Text: text}}
}

// labels writes the number of an ENUM or SET value as its label or labels.
func labels(all []string, set bool, number string) string {
	var n uint64
	for _, r := range number {
		if r < '0' || r > '9' {
			return number
		}
		n = n*10 + uint64(r-'0')
	}
	if !set {
		if n == 0 || n > uint64(len(all)) {
			return ""
		}
		return all[n-1]
	}
	var held []string
	for i, l := range all {
		if n&(1<<i) != 0 {
			held = append(held, l)
		}
	}
	return strings.Join(held, ",")
}
