package checksum

import (
	"context"
	"strings"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// A row is compared by its projection, which may hold less than the columns do. What a repair writes and what it looks for
// are the columns' own values, so rows that are proven to differ are read once more with these behind the projected ones.

// stored is a value as its column holds it.
type stored struct {
	cellValue
	wire     rowstream.Column
	text     []byte // in utf8mb4, as the server writes it; nil where it was not selected, or has no form in utf8mb4
	numbered bool   // of an ENUM or SET: it is the number, not the label
}

// The columns that are selected besides: of old the value and its text, of new the value.
const extraOld, extraNew = 2, 1

// converted reports whether what is compared of a column does not tell what a repair needs to know.
func (c planColumn) converted() bool {
	o, n := c.old, c.new
	if c.proj.old != cluster.Quote(o.Name) || c.proj.new != cluster.Quote(n.Name) || classOf(o) != classOf(n) {
		return true
	}
	return !equalLabels(o.Labels, n.Labels) || n.CharLen < o.CharLen && multiByte(charset(o))
}

// bare returns the plan that selects the columns' own values, too; nil where the compared ones are these.
func (p *tablePlan) bare() *tablePlan {
	q := &tablePlan{
		name: p.name, method: p.method, columns: p.columns, nKey: p.nKey, old: p.old, new: p.new,
		textKey: p.textKey, mixedKey: p.mixedKey, unpaged: p.unpaged, folded: p.folded, doubted: p.doubted,
	}
	var olds, news []string
	for i, c := range p.columns {
		if c.converted() {
			q.extra = append(q.extra, i)
			olds = append(olds, bareValue(c.old), bareText(c.old))
			news = append(news, bareValue(c.new))
		}
	}
	if q.extra == nil {
		return nil
	}
	q.old.list += "," + strings.Join(olds, ",")
	q.new.list += "," + strings.Join(news, ",")
	q.types.Store(p.types.Load())
	return q
}

// bareValue selects what a column holds; of ENUM and SET the number, which no charset changes.
func bareValue(c *cluster.Column) string {
	if k := classOf(c); k == classEnum || k == classSet {
		return wholeNumber(c)
	}
	return cluster.Quote(c.Name)
}

// bareText selects what a column holds as text in utf8mb4, or NULL where bareValue tells it.
func bareText(c *cluster.Column) string {
	col := cluster.Quote(c.Name)
	switch classOf(c) {
	case classInt, classBit, classYear, classDecimal, classFloat, classDate, classTime, classOther:
		return "CAST(" + col + " AS CHAR)"
	case classText, classJSON:
		if cs := charset(c); cs != "" && cs != "binary" && !utf8Bytes(cs) {
			text, whole := convertedText(col)
			return "IF(" + whole + "," + text + ",NULL)"
		}
	default:
	}
	return "CAST(NULL AS CHAR)"
}

// storedValues cuts a packet that bare's plan selected, or p's own where that is all there is, into what the columns hold.
func (p *tablePlan) storedValues(values []cellValue, columns []rowstream.Column, newSide bool) []stored {
	out := make([]stored, len(p.columns))
	for i := range out {
		out[i] = stored{cellValue: values[i], wire: columns[i]}
	}
	at, step := len(p.columns), extraOld
	if newSide {
		step = extraNew
	}
	for e, i := range p.extra {
		c, k := p.columns[i].old, at+e*step
		if newSide {
			c = p.columns[i].new
		}
		out[i] = stored{cellValue: values[k], wire: columns[k], numbered: classOf(c) == classEnum || classOf(c) == classSet}
		if !newSide && !values[k+1].null {
			out[i].text = lengthPrefixed(values[k+1].raw)
		}
	}
	return out
}

// readBare reads the rows' own values on one side. Of a row that no longer has the packet that was read before, moved is
// set.
func (s *settler) readBare(ctx context.Context, from *session, b *batch, rows []rowImage) error {
	bare := b.plan.bare()
	if bare == nil {
		return nil
	}
	for i := range rows {
		rows[i].moved = rows[i].packet != nil
	}
	_, err := s.rows(ctx, from, &batch{plan: bare, suspects: b.suspects, rng: b.rng},
		func(i int, _ bool, head []byte, more *rowstream.Rows) error {
			if rows[i].packet == nil {
				return nil
			}
			packet, err := more.Whole(head)
			if err != nil {
				return err
			}
			return rows[i].takeBare(bare, packet, more.Columns())
		})
	return err
}

// takeBare keeps what the columns hold if the row is still the one that was compared.
func (r *rowImage) takeBare(bare *tablePlan, packet []byte, columns []rowstream.Column) error {
	was, err := r.values()
	if err != nil {
		return err
	}
	columns = append([]rowstream.Column{}, columns...)
	values, err := splitRow(packet, columns)
	if err != nil {
		return err
	}
	for i := range was {
		if !bare.equalValue(i, was[i], values[i]) {
			return nil
		}
	}
	r.moved, r.bare = false, &bareRow{plan: bare, packet: packet, columns: columns}
	return nil
}

// bareRow is a row as bare's plan selected it.
type bareRow struct {
	plan    *tablePlan
	packet  []byte
	columns []rowstream.Column
}

// storedIn returns what the columns of a row hold, given its compared values; nil for a row without values.
func (p *tablePlan) storedIn(r rowImage, values []cellValue, newSide bool) ([]stored, error) {
	if values == nil {
		return nil, nil
	}
	if r.bare == nil {
		return p.storedValues(values, r.columns, newSide), nil
	}
	all, err := splitRow(r.bare.packet, r.bare.columns)
	if err != nil {
		return nil, err
	}
	return r.bare.plan.storedValues(all, r.bare.columns, newSide), nil
}

// asks reports whether new's server may have to be asked what its columns can hold: nothing but a server knows the
// characters of its charsets, and which UUIDs it takes.
func (p *tablePlan) asks() bool {
	for _, c := range p.columns {
		if classOf(c.new) == classUUID && classOf(c.old) != classUUID {
			return true
		}
		if k, cs := classOf(c.new), charset(c.new); (k == classText || k == classJSON) && cs != "" && !utf8Bytes(cs) &&
			(multiByte(cs) || charset(c.old) != cs) {
			return true
		}
	}
	return false
}

// projected hashes the compared columns of a packet that bare's plan selected.
func (h *rowHasher) projected(bare *tablePlan, packet []byte, columns []rowstream.Column) (xxh3.Uint128, error) {
	n := len(bare.columns)
	values, err := splitRow(packet, columns)
	if err != nil {
		return xxh3.Uint128{}, err
	}
	out := make([]byte, valuesStart(n), len(packet))
	for i, v := range values[:n] {
		if v.null {
			out[1+(i+2)/8] |= 1 << ((i + 2) % 8)
		}
		out = append(out, v.raw...)
	}
	if len(h.plan.json) > 0 {
		out, err = canonicalPacket(nil, out, columns[:n], h.plan.json)
	}
	return xxh3.Hash128(out), err
}
