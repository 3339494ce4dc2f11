package checksum

import (
	"strings"

	"crosscheck/cluster"
)

// A row is compared by its projection, which may hold less than the columns do. What a repair writes and what it looks for
// are the columns' own values, so rows that are proven to differ are read once more with these behind the projected ones.

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
