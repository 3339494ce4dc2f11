package checksum

import (
	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster/rowstream"
)

// stored is a value as its column holds it.
type stored struct {
	packet.Value
	wire     rowstream.Column
	text     []byte // in utf8mb4, as the server writes it; nil where it was not selected, or has no form in utf8mb4
	numbered bool   // of an ENUM or SET: it is the number, not the label
}

// storedValues cuts a packet that bare's plan selected, or p's own where that is all there is, into what the columns hold.
func storedValues(p *plan.Table, values []packet.Value, columns []rowstream.Column, newSide bool) []stored {
	out := make([]stored, len(p.Columns))
	for i := range out {
		out[i] = stored{Value: values[i], wire: columns[i]}
	}
	at, step := len(p.Columns), plan.ExtraOld
	if newSide {
		step = plan.ExtraNew
	}
	for e, i := range p.Extra {
		c, k := p.Columns[i].Old, at+e*step
		if newSide {
			c = p.Columns[i].New
		}
		out[i] = stored{Value: values[k], wire: columns[k], numbered: plan.ClassOf(c) == plan.ClassEnum || plan.ClassOf(c) == plan.ClassSet}
		if !newSide && !values[k+1].Null {
			out[i].text = packet.Content(values[k+1].Raw)
		}
	}
	return out
}

// bareRow is a row as bare's plan selected it.
type bareRow struct {
	plan    *plan.Table
	packet  []byte
	columns []rowstream.Column
}

// storedIn returns what the columns of a row hold, given its compared values; nil for a row without values.
func storedIn(p *plan.Table, r keptRow, values []packet.Value, newSide bool) ([]stored, error) {
	if values == nil {
		return nil, nil
	}
	if r.bare == nil {
		return storedValues(p, values, r.columns, newSide), nil
	}
	all, err := packet.Split(r.bare.packet, r.bare.columns)
	if err != nil {
		return nil, err
	}
	return storedValues(r.bare.plan, all, r.bare.columns, newSide), nil
}

// asks reports whether new's server may have to be asked what its columns can hold: nothing but a server knows the
// characters of its charsets, and which UUIDs it takes.
func asks(p *plan.Table) bool {
	for _, c := range p.Columns {
		if plan.ClassOf(c.New) == plan.ClassUUID && plan.ClassOf(c.Old) != plan.ClassUUID {
			return true
		}
		if k, cs := plan.ClassOf(c.New), plan.Charset(c.New); (k == plan.ClassText || k == plan.ClassJSON) && cs != "" && !plan.UTF8Bytes(cs) &&
			(plan.MultiByte(cs) || plan.Charset(c.Old) != cs) {
			return true
		}
	}
	return false
}

// takeBare keeps what the columns hold if the row is still the one that was compared.
func (r *keptRow) takeBare(bare *plan.Table, row []byte, columns []rowstream.Column) error {
	was, err := r.values()
	if err != nil {
		return err
	}
	columns = append([]rowstream.Column{}, columns...)
	values, err := packet.Split(row, columns)
	if err != nil {
		return err
	}
	for i := range was {
		if !equalValue(bare, i, was[i], values[i]) {
			return nil
		}
	}
	r.moved, r.bare = false, &bareRow{plan: bare, packet: row, columns: columns}
	return nil
}
