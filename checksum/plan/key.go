package plan

import (
	"slices"
	"strings"

	"crosscheck/cluster"
)

// rowKey is a key that both sides have, so that rows can be matched by it.
type rowKey struct {
	old, new *cluster.Key
	columns  []Column // projected, in the order of old's key
	ordered  bool     // both sides sort by it alike: bounds of one side hold on the other
	paged    bool     // each side can read its rows in the key's order by an index
	loose    bool     // keys that differ in bytes may be equal to a server
	mixed    bool     // and the two servers need not agree on which are
	folded   bool     // rows are found by it only by reading the table
	doubted  bool     // that a lookup finds nothing is doubted of a row that was seen
}

// findKey returns the key that rows are matched by: of old's keys without NULLs, the primary key first, the first one
// over whose columns new has such a key too, and whose values can be sent back as parameters. It returns nil if there
// is none.
func findKey(o, n *cluster.Table, pairs []Column) *rowKey {
	walk := o.WalkKey()
	keys := make([]*cluster.Key, 0, len(o.Keys)+1)
	if walk != nil {
		keys = append(keys, walk) // where a table has no primary key, its rows are stored in this one's order
	}
	for i := range o.Keys {
		if k := &o.Keys[i]; k != walk && identifies(o, k) {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		if columns := keyColumns(k, pairs); columns != nil {
			if found := matchKey(n, k, columns); found != nil {
				return found
			}
		}
	}
	return nil
}

// MatchedBy returns the columns of the key that rows of two tables are matched by, nil if there is none.
func MatchedBy(o, n *cluster.Table, opt Options) []Column {
	var p Table
	if key := findKey(o, n, p.pair(o, n, opt)); key != nil {
		return key.columns
	}
	return nil
}

// identifies reports whether a key names each row of its table: it is unique over whole columns without NULLs.
func identifies(t *cluster.Table, k *cluster.Key) bool {
	if !k.Unique && !k.Primary || len(k.Parts) == 0 {
		return false
	}
	for _, part := range k.Parts {
		if part.Prefix != 0 || part.Expression != "" || !notNull(t, part.Column) {
			return false
		}
	}
	return true
}

func notNull(t *cluster.Table, column string) bool {
	c := t.Column(column)
	return c != nil && !c.Nullable && !c.System
}

// keyColumns returns the column pairs of a key, nil if one of them is not compared.
func keyColumns(k *cluster.Key, pairs []Column) []Column {
	out := make([]Column, 0, len(k.Parts))
	for _, part := range k.Parts {
		i := slices.IndexFunc(pairs, func(c Column) bool { return strings.EqualFold(c.Old.Name, part.Column) })
		if i < 0 {
			return nil
		}
		out = append(out, pairs[i])
	}
	return out
}

// matchKey finds new's key over the same columns, in the same order if there is one.
func matchKey(n *cluster.Table, k *cluster.Key, columns []Column) *rowKey {
	found := &rowKey{old: k, columns: columns, ordered: true, paged: indexed(k)}
	sameOrder := false
	for i := range n.Keys {
		c := &n.Keys[i]
		if !identifies(n, c) || len(c.Parts) != len(columns) {
			continue
		}
		switch {
		case slices.EqualFunc(c.Parts, columns, isColumn):
			if !sameOrder || !indexed(found.new) {
				found.new, sameOrder = c, true
			}
		case found.new == nil && sameColumns(c.Parts, columns):
			found.new = c
		}
	}
	if found.new == nil {
		return nil
	}
	found.paged = found.paged && sameOrder && indexed(found.new)
	for i := range found.columns {
		c := &found.columns[i]
		c.Key = true
		lookup, pages := keyProjection(c, i == 0)
		if !lookup {
			return nil
		}
		found.paged = found.paged && pages
		found.ordered = found.ordered && c.Proj.ordered
		found.folded = found.folded || c.Proj.folded
		k := ClassOf(c.Old)
		found.doubted = found.doubted || k != ClassInt && k != ClassText || ClassOf(c.New) != k
		switch {
		case k == ClassText || ClassOf(c.New) == ClassText:
			found.loose = true
			found.mixed = found.mixed || !sameOrderOf(c)
		case k == ClassFloat: // −0.0 = 0.0
			found.loose = true
		}
	}
	if found.folded {
		found.loose, found.mixed, found.paged = false, false, false
	}
	return found
}

func isColumn(part cluster.KeyPart, c Column) bool {
	return strings.EqualFold(part.Column, c.New.Name)
}

// sameColumns reports whether a key consists of the columns in whatever order.
func sameColumns(parts []cluster.KeyPart, columns []Column) bool {
	for _, part := range parts {
		if !slices.ContainsFunc(columns, func(c Column) bool { return isColumn(part, c) }) {
			return false
		}
	}
	return true
}

func sameOrderOf(c *Column) bool {
	return ClassOf(c.Old) == ClassText && ClassOf(c.New) == ClassText && sameOrder(c.Old, c.New)
}

// indexed reports whether an index can be forced and read in key order.
func indexed(k *cluster.Key) bool {
	oneWay := !slices.ContainsFunc(k.Parts, func(p cluster.KeyPart) bool { return p.Descending != k.Parts[0].Descending })
	return oneWay && k.Visible && k.Type != "HASH" && k.Type != "RTREE"
}

// keyProjection projects a key column so that a selected value, sent back as a parameter, finds the rows that have it
// (lookup) and compares with the bare column in the column's own order (pages).
func keyProjection(c *Column, first bool) (lookup, pages bool) {
	o, n := c.Old, c.New
	co, cn := ClassOf(o), ClassOf(n)
	c.Proj = Project(o, n)
	switch {
	case co != cn:
		return keyOfTwoClasses(c, co, cn)
	case co == ClassEnum || co == ClassSet:
		return keyMembers(c, first)
	case co == ClassBit:
		c.Proj = Projection{Old: WholeNumber(o), New: WholeNumber(n), ordered: true, Number: true}
	case co == ClassText:
		keyText(c)
	case co == ClassInet && o.DataType != n.DataType, co == ClassYear && (shortYear(o) || shortYear(n)):
		c.Proj.folded = true // a server compares them in a way of its own
	case co == ClassFixedBytes:
		return o.CharLen == n.CharLen, true
	case co == ClassDate && o.DataType != n.DataType && (o.DataType == "date" || n.DataType == "date"):
		// One type of parameter must suit both columns; a selected DATE would make it lose the time of day.
		as := func(c *cluster.Column) string { return "CAST(" + cluster.Quote(c.Name) + " AS DATETIME(6))" }
		c.Proj.Old, c.Proj.New = as(o), as(n)
	case co == ClassDecimal && max(integerDigits(o), integerDigits(n))+max(o.Scale, n.Scale) > maxDigits:
		return false, false // selected as text, which compares with a decimal as floating point
	case co == ClassJSON || co == ClassGeometry || co == ClassOther:
		return false, false
	}
	return true, !c.Proj.folded
}

// keyMembers projects an ENUM or SET of a key. Members sort by their number, but no server finds its place in an index by
// a number: behind other columns that does not matter, while a key that begins with one is better read in one statement
// and its rows found by label, if a label is the same text in every character set.
func keyMembers(c *Column, first bool) (lookup, pages bool) {
	o, n := c.Old, c.New
	same := equalLabels(o.Labels, n.Labels)
	set := ClassOf(o) == ClassSet
	told := labelsTold(o) && labelsTold(n)
	switch {
	case set && (!told || !same || len(o.Labels) > 63): // servers take the number of a SET for a signed one when they compare it
		return false, false
	case slices.Contains(o.Labels, "") || slices.Contains(n.Labels, ""): // the label and number 0 read alike
		if !same {
			return false, false
		}
	case first || !same || !told:
		c.Proj.ordered = false
		c.Proj.folded = !plainLabels(o) || !plainLabels(n)
		return true, false
	}
	const number = "CAST(? AS UNSIGNED)" // MySQL 5.6 takes a parameter for a label where labels are in UCS-2 and its kin
	c.Proj = Projection{Old: WholeNumber(o), New: WholeNumber(n), ordered: true, Number: true, oldMark: number, newMark: number}
	return true, true
}

// keyOfTwoClasses tells which pairs of different classes can be keys: those whose values have one form that both
// columns compare with exactly.
func keyOfTwoClasses(c *Column, co, cn Class) (lookup, pages bool) {
	switch [2]Class{min(co, cn), max(co, cn)} {
	case [2]Class{ClassInt, ClassDecimal}, [2]Class{ClassInt, ClassBit}:
		return true, true
	case [2]Class{ClassText, ClassUUID}, [2]Class{ClassText, ClassInet}:
		c.Proj.folded = true
		return true, false
	case [2]Class{ClassFixedBytes, ClassUUID}:
		return true, false
	}
	return false, false
}

// keyText selects the text of a key so that it can be sent back. A text parameter is taken for UTF-8, which is as good as
// the stored bytes where every text of the column has one form in it. Else the stored bytes are sent, which needs columns
// of one character set: between others, keys that look alike in UTF-8 may be several.
func keyText(c *Column) {
	o, n := c.Old, c.New
	so, sn := Charset(o), Charset(n)
	switch {
	case so == sn && (so == "ascii" || !oneFormInUTF8(so)): // columns of ASCII may hold other bytes
		c.Proj.oldMark, c.Proj.newMark = storedText(o), storedText(n)
		c.Proj.Bytes = true
	case UTF8Bytes(so) && UTF8Bytes(sn):
	case oneFormInUTF8(so) && oneFormInUTF8(sn):
		c.Proj.Old, c.Proj.New = inUTF8(o), inUTF8(n)
	default:
		c.Proj.folded = true
	}
}

// oneFormInUTF8 reports whether each text of the charset has one form in UTF-8, from which the server leads back to it.
func oneFormInUTF8(cs string) bool { return cs == "latin1" || UTF8Bytes(cs) }

// labelsTold reports whether the labels of an ENUM or SET tell which is which. The catalogs of servers hold a question
// mark for each character that they have no room for, such as those outside the BMP.
func labelsTold(c *cluster.Column) bool {
	seen := make(map[string]bool, len(c.Labels))
	for _, l := range c.Labels {
		if seen[l] || strings.Contains(l, "?") && !narrow(Charset(c)) {
			return false
		}
		seen[l] = true
	}
	return true
}

// narrow reports whether the catalogs have room for every character of the charset.
func narrow(cs string) bool {
	return cs == "ascii" || cs == "latin1" || cs == "utf8mb3" || cs == "ucs2"
}

// WideUnits reports whether the charset has several bytes for each character of ASCII.
func WideUnits(cs string) bool {
	return strings.HasPrefix(cs, "utf16") || cs == "utf32" || cs == "ucs2"
}

// plainLabels reports whether a server finds each label of an ENUM by its text.
func plainLabels(c *cluster.Column) bool {
	if WideUnits(Charset(c)) {
		return false // not as the text of the labels arrives
	}
	seen := make(map[string]bool, len(c.Labels))
	for _, l := range c.Labels {
		folded := strings.TrimRight(strings.ToLower(l), " ")
		if seen[folded] || !IsASCII([]byte(l)) {
			return false
		}
		seen[folded] = true
	}
	return true
}

// learn keeps what new's definition, beyond the columns that are compared, says of rows that a repair writes: the unique
// keys besides the one that rows are matched by, and columns that old lacks.
func (p *Table) learn(key *rowKey) {
	n := p.New.Table
	compared := make(map[string]bool, len(p.Columns))
	for _, c := range p.Columns {
		compared[strings.ToLower(c.New.Name)] = true
	}
	for i := range n.Columns {
		c := &n.Columns[i]
		if c.System || c.Generated != cluster.GeneratedNone || compared[strings.ToLower(c.Name)] {
			continue
		}
		p.NewOnly = true
		if c.Default == nil && !c.DefaultExpr && !c.Nullable && !c.AutoIncrement && p.Needs == "" {
			p.Needs = c.Name
		}
	}
	for i := range n.Keys {
		k := &n.Keys[i]
		whole := !slices.ContainsFunc(k.Parts, func(part cluster.KeyPart) bool { return !compared[strings.ToLower(part.Column)] })
		if !k.Unique && !k.Primary || key != nil && k == key.new || !whole {
			continue
		}
		if p.Uniques == nil {
			p.Uniques = make(map[string][]KeyShare)
		}
		for _, part := range k.Parts {
			name := strings.ToLower(part.Column)
			p.Uniques[name] = append(p.Uniques[name], KeyShare{Key: k.Name, Prefix: part.Prefix})
		}
	}
}

// IsUnique reports whether a column is part of a unique key of new, besides the one that rows are matched by.
func (p *Table) IsUnique(c *cluster.Column) bool {
	return p.Uniques[strings.ToLower(c.Name)] != nil
}
