package diff

import (
	"fmt"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/rowstream"
)

// Row is a row read in full.
type Row struct {
	Packet  []byte // nil where there is no row or it is too large to keep
	Columns []rowstream.Column
	bare    *bareRow // what its columns hold, where that is more than what is compared
	Moved   bool     // it changed before that was read
}

// Pack is a difference that still holds its rows as they came: written as SQL they are ten to fifty times as large.
func Pack(p *plan.Table, to *Target, kind Kind, o, n Row, key []byte) (Difference, error) {
	d := Difference{Kind: kind, Count: 1, Key: keyFields(p, key)}
	if kind == Changed {
		values, err := o.Values()
		if err != nil {
			return d, err
		}
		if values != nil && n.Packet != nil {
			d.Key = keyFieldsOf(p, values)
		}
	}
	d.Packed = &PackedRows{plan: p, to: to, old: o, now: n}
	return d, nil
}

// PackedRows are both sides' rows of a difference as they came.
type PackedRows struct {
	plan     *plan.Table
	to       *Target
	old, now Row
}

// Unpack returns the difference with Columns, OldRow and NewRow, as far as its rows are known. It may ask new's server what
// a column can hold.
func (d Difference) Unpack() (Difference, error) {
	if d.Packed == nil {
		return d, nil
	}
	r := d.Packed
	d.Packed = nil
	oldValues, err := r.old.Values()
	if err != nil {
		return d, err
	}
	newValues, err := r.now.Values()
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
			if differs[i] = !equalValue(r.plan, i, oldValues[i], newValues[i]); differs[i] {
				d.Columns = append(d.Columns, ColumnDiff{
					Column: r.plan.Columns[i].Old.Name, Old: valueOf(oldValues[i]), New: valueOf(newValues[i]),
				})
			}
		}
	}
	o, err := storedIn(r.plan, r.old, oldValues, false)
	if err != nil {
		return d, err
	}
	n, err := storedIn(r.plan, r.now, newValues, true)
	if err != nil {
		return d, err
	}
	to := *r.to // errors are each call's own
	return d, images(r.plan, &to, &d, o, n, differs)
}

func (r Row) Values() ([]packet.Value, error) {
	if r.Packet == nil {
		return nil, nil
	}
	return packet.Split(r.Packet, r.Columns)
}

func equalValue(p *plan.Table, column int, a, b packet.Value) bool {
	if a.Null || b.Null {
		return a.Null == b.Null
	}
	if p.Columns[column].Proj.JSON {
		return string(packet.CanonicalJSON(packet.Content(a.Raw))) == string(packet.CanonicalJSON(packet.Content(b.Raw)))
	}
	return string(a.Raw) == string(b.Raw)
}

func valueOf(v packet.Value) Value { return Value{Text: v.Text, Null: v.Null} }

// keyFields writes a sliced key.
func keyFields(p *plan.Table, key []byte) []Field {
	fields := make([]Field, 0, p.NKey)
	for i, c := range p.KeyTypes() {
		size := c.Size(key)
		fields = append(fields, keyField(p, i, c, key[:size]))
		key = key[size:]
	}
	return fields
}

func keyFieldsOf(p *plan.Table, values []packet.Value) []Field {
	fields := make([]Field, 0, p.NKey)
	for i, c := range p.KeyTypes() {
		fields = append(fields, keyField(p, i, c, values[i].Raw))
	}
	return fields
}

// keyField names a key value; members of ENUM and SET keys, which are selected by number, get their labels back. Text that
// is selected as stored is shown in hexadecimal where its charset is not known here: two keys never look alike.
func keyField(p *plan.Table, i int, wire rowstream.Column, raw []byte) Field {
	c := p.Columns[i].Old
	text, _ := packet.Decode(wire, raw)
	switch {
	case p.Columns[i].Proj.Number && plan.ClassOf(c) != plan.ClassBit:
		text = plan.Labels(c.Labels, plan.ClassOf(c) == plan.ClassSet, text)
	case (p.Columns[i].Proj.Bytes || plan.ClassOf(c) == plan.ClassEnum && p.Columns[i].Proj.Old == cluster.Quote(c.Name)) &&
		(plan.WideUnits(plan.Charset(c)) || !plan.IsASCII(packet.Content(raw))):
		text = fmt.Sprintf("0x%X", packet.Content(raw))
		if known, ok := binlog.LogText(plan.Charset(c), packet.Content(raw)); ok {
			text = string(known)
		}
	}
	return Field{Column: c.Name, Value: Value{Text: text}}
}

// WithoutKey adds to a difference of a table without a key what is known of the row.
func WithoutKey(p *plan.Table, to *Target, d *Difference, sample Row) error {
	values, err := sample.Values()
	if err != nil || values == nil {
		return err
	}
	describe(p, d, values)
	return imagesOf(p, to, d, sample, values)
}

// describe names a row of a table without a key by all its values.
func describe(p *plan.Table, d *Difference, values []packet.Value) {
	none := Value{Null: true}
	for i, v := range values {
		c := ColumnDiff{Column: p.Columns[i].Old.Name, Old: valueOf(v), New: none}
		if d.Kind == Extra {
			c.Old, c.New = none, valueOf(v)
		}
		d.Columns = append(d.Columns, c)
	}
}

// imagesOf writes the rows of a table without a key as SQL.
func imagesOf(p *plan.Table, to *Target, d *Difference, sample Row, values []packet.Value) error {
	extra := d.Kind == Extra
	was, err := storedIn(p, sample, values, extra)
	if err != nil {
		return err
	}
	var now []stored
	if extra {
		was, now = nil, was
	}
	if err := images(p, to, d, was, now, nil); err != nil {
		return err
	}
	for _, cells := range [][]Cell{d.OldRow, d.NewRow} {
		if sample.Moved && len(cells) > 0 {
			cells[0].Why = "it has no key, and rows that compare equal to it are stored in several forms"
		}
	}
	return nil
}
