package diff

import "crosscheck/checksum/plan"

// Whole returns two rows as they stand side by side, with images of all columns, whether they differ or not: a mend may
// change a row only if it is still what was read in all of them. Kind is "" for rows that are equal, and where there is none.
func Whole(p *plan.Table, to *Target, o, n Row, key []byte) (Difference, error) {
	d := Difference{Kind: Changed, Count: 1, Whole: true, Key: keyFields(p, key)}
	switch {
	case o.Packet == nil && n.Packet == nil:
		d.Kind = ""
		return d, nil
	case o.Packet == nil:
		d.Kind = Extra
	case n.Packet == nil:
		d.Kind = Missing
	}
	oldValues, err := o.Values()
	if err != nil {
		return d, err
	}
	newValues, err := n.Values()
	if err != nil {
		return d, err
	}
	same := d.Kind == Changed
	for i := range p.Columns {
		c := ColumnDiff{Column: p.Columns[i].Old.Name, Old: Value{Null: true}, New: Value{Null: true}}
		if oldValues != nil {
			c.Old = valueOf(oldValues[i])
		}
		if newValues != nil {
			c.New = valueOf(newValues[i])
		}
		if d.Kind != Changed || !equalValue(p, i, oldValues[i], newValues[i]) {
			same = false
			d.Columns = append(d.Columns, c)
		}
	}
	if same {
		d.Kind = ""
	}
	was, err := storedIn(p, o, oldValues, false)
	if err != nil {
		return d, err
	}
	now, err := storedIn(p, n, newValues, true)
	if err != nil {
		return d, err
	}
	own := *to // errors are each call's own
	return d, images(p, &own, &d, was, now, nil)
}
