package plan

import (
	"strings"

	"crosscheck/cluster"
)

// A row is compared by its projection, which may hold less than the columns do. What a repair writes and what it looks for
// are the columns' own values, so rows that are proven to differ are read once more with these behind the projected ones.

// ExtraOld and ExtraNew are how many columns Bare selects besides for each of Extra: of old the value and its text, of new
// the value.
const ExtraOld, ExtraNew = 2, 1

// converted reports whether what is compared of a column does not tell what a repair needs to know.
func (c Column) converted() bool {
	o, n := c.Old, c.New
	if c.Proj.Old != cluster.Quote(o.Name) || c.Proj.New != cluster.Quote(n.Name) || ClassOf(o) != ClassOf(n) {
		return true
	}
	return !equalLabels(o.Labels, n.Labels) || n.CharLen < o.CharLen && MultiByte(Charset(o))
}

// Bare returns the plan that selects the columns' own values, too; nil where the compared ones are these.
func (p *Table) Bare() *Table {
	q := &Table{
		Name: p.Name, Method: p.Method, Columns: p.Columns, NKey: p.NKey, Old: p.Old, New: p.New,
		TextKey: p.TextKey, MixedKey: p.MixedKey, Unpaged: p.Unpaged, Folded: p.Folded, Doubted: p.Doubted,
	}
	var olds, news []string
	for i, c := range p.Columns {
		if c.converted() {
			q.Extra = append(q.Extra, i)
			olds = append(olds, bareValue(c.Old), bareText(c.Old))
			news = append(news, bareValue(c.New))
		}
	}
	if q.Extra == nil {
		return nil
	}
	q.Old.List += "," + strings.Join(olds, ",")
	q.New.List += "," + strings.Join(news, ",")
	q.types.Store(p.types.Load())
	return q
}

// bareValue selects what a column holds; of ENUM and SET the number, which no charset changes.
func bareValue(c *cluster.Column) string {
	if k := ClassOf(c); k == ClassEnum || k == ClassSet {
		return WholeNumber(c)
	}
	return cluster.Quote(c.Name)
}

// bareText selects what a column holds as text in utf8mb4, or NULL where bareValue tells it.
func bareText(c *cluster.Column) string {
	col := cluster.Quote(c.Name)
	switch ClassOf(c) {
	case ClassInt, ClassBit, ClassYear, ClassDecimal, ClassFloat, ClassDate, ClassTime, ClassOther:
		return "CAST(" + col + " AS CHAR)"
	case ClassText, ClassJSON:
		if cs := Charset(c); cs != "" && cs != "binary" && !UTF8Bytes(cs) {
			text, whole := convertedText(col)
			return "IF(" + whole + "," + text + ",NULL)"
		}
	default:
	}
	return "CAST(NULL AS CHAR)"
}

// Same reports whether both columns have one type, which holds whatever is in old's.
func (c Column) Same() bool {
	return c.Old.ColumnType == c.New.ColumnType && Charset(c.Old) == Charset(c.New)
}
