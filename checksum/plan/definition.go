package plan

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// DefinitionChanged compares the definitions that a table was compared by with those of now, nil for a table that is gone,
// and says what happened; "" if nothing that matters did. p is nil where rows were not compared.
func DefinitionChanged(was, now [2]*cluster.Table, p *Table, names [2]string, opt Options) string {
	const again = " while it was compared: run again"
	if now[0] == nil || now[1] == nil {
		return "it was dropped or renamed, or hidden from the account, on " + sidesOf(now[0] == nil, now[1] == nil, names) + again
	}
	oldChanged, newChanged := columnsText(was[0]) != columnsText(now[0]), columnsText(was[1]) != columnsText(now[1])
	if !oldChanged && !newChanged {
		if p == nil || p.Fingerprint() == New(now[0], now[1], opt).Fingerprint() {
			return ""
		}
		oldChanged, newChanged = keysText(was[0]) != keysText(now[0]), keysText(was[1]) != keysText(now[1])
	}
	return "its definition changed on " + sidesOf(oldChanged, newChanged, names) + again
}

// sidesOf names the sides that are meant; none known means that it may be either.
func sidesOf(old, new bool, names [2]string) string {
	switch {
	case old && !new:
		return names[0]
	case new && !old:
		return names[1]
	case old && new:
		return names[0] + " and " + names[1]
	}
	return names[0] + " or " + names[1]
}

// columnsText writes all of a table's definition that rows are compared by, its keys apart. Defaults, comments and the
// order of columns are not: changing them changes no row.
func columnsText(t *cluster.Table) string {
	lines := make([]string, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		srid := int64(-1)
		if c.SRID != nil {
			srid = int64(*c.SRID)
		}
		lines[i] = fmt.Sprintf("%q %q %q %q %t %q %q %d %t %t", strings.ToLower(c.Name), c.ColumnType, c.Charset, c.Collation,
			c.Nullable, c.Generated, c.GenerationExpr, srid, c.System, c.JSONText)
	}
	slices.Sort(lines)
	return fmt.Sprintf("%q %q\n%s", KindOf(t), strings.ToUpper(t.Engine), strings.Join(lines, "\n"))
}

// keysText writes the keys that rows can be matched by.
func keysText(t *cluster.Table) string {
	var lines []string
	for i := range t.Keys {
		if k := &t.Keys[i]; identifies(t, k) {
			lines = append(lines, fmt.Sprintf("%q %t %q %+v", k.Name, k.Visible, k.Type, k.Parts))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func NameOf(t *cluster.Table) cluster.TableName {
	return cluster.TableName{Schema: t.Schema, Name: t.Name}
}
