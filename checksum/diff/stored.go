package diff

import (
	"encoding/binary"
	"math"
	"math/big"
	"unicode/utf8"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster"
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
func storedIn(p *plan.Table, r Row, values []packet.Value, newSide bool) ([]stored, error) {
	if values == nil {
		return nil, nil
	}
	if r.bare == nil {
		return storedValues(p, values, r.Columns, newSide), nil
	}
	all, err := packet.Split(r.bare.packet, r.bare.columns)
	if err != nil {
		return nil, err
	}
	return storedValues(r.bare.plan, all, r.bare.columns, newSide), nil
}

// TakeBare keeps what the columns hold if the row is still the one that was compared.
func (r *Row) TakeBare(bare *plan.Table, row []byte, columns []rowstream.Column) error {
	was, err := r.Values()
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
	r.Moved, r.bare = false, &bareRow{plan: bare, packet: row, columns: columns}
	return nil
}

// number returns a value of a numeric column.
func (v stored) number(c *cluster.Column) (*big.Rat, bool) {
	switch plan.ClassOf(c) {
	case plan.ClassInt, plan.ClassYear, plan.ClassDecimal:
		return new(big.Rat).SetString(v.Value.Text)
	case plan.ClassBit:
		return new(big.Rat).SetInt(new(big.Int).SetBytes(packet.Content(v.Raw))), true
	case plan.ClassFloat:
		r := new(big.Rat).SetFloat64(v.float())
		return r, r != nil
	default:
		return nil, false
	}
}

// float returns the value of a FLOAT or DOUBLE column.
func (v stored) float() float64 {
	if len(v.Raw) == 4 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.Raw)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v.Raw))
}

// utf8 returns a value as text in utf8mb4; ok is false where it has no exact form there.
func (v stored) utf8(c *cluster.Column) (text []byte, ok bool) {
	switch cs := plan.Charset(c); plan.ClassOf(c) {
	case plan.ClassEnum, plan.ClassSet:
		if v.numbered {
			return []byte(plan.Labels(c.Labels, plan.ClassOf(c) == plan.ClassSet, v.Value.Text)), true
		}
		return packet.Content(v.Raw), plan.UTF8Bytes(cs)
	case plan.ClassText, plan.ClassJSON:
		raw := packet.Content(v.Raw)
		if cs == "" || plan.UTF8Bytes(cs) {
			return raw, utf8.Valid(raw)
		}
		return v.text, v.text != nil
	case plan.ClassBytes, plan.ClassFixedBytes, plan.ClassGeometry, plan.ClassUUID, plan.ClassInet:
		return packet.Content(v.Raw), true
	default:
		return v.text, v.text != nil
	}
}
