package plan

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// sets compares two SET columns by the names of their members: a value is the sorted list of the members that it holds,
// so that the order of the definition does not count. Members are told by their bit, since a collation may call the names
// of two members equal; the empty name stands as a zero byte, so that a set that holds it is not the empty set.
func sets(o, n *cluster.Column) Projection {
	all := slices.Concat(o.Labels, n.Labels)
	slices.Sort(all)
	all = slices.Compact(all)
	one := func(c *cluster.Column) string {
		col := cluster.Quote(c.Name)
		var parts []string
		for _, label := range all {
			if bit := slices.Index(c.Labels, label); bit >= 0 {
				parts = append(parts, fmt.Sprintf("IF(%s&%d,%s,NULL)", col, uint64(1)<<bit, textLiteral(label)))
			}
		}
		return fmt.Sprintf("IF(%s IS NULL,NULL,CONCAT_WS(',',%s))", col, strings.Join(parts, ","))
	}
	return Projection{Old: one(o), New: one(n)}
}

// membersTold reports whether the definitions of two SET columns say which members of both are one. Where the columns
// agree in all that can be seen the values are compared as text, which needs no names.
func membersTold(o, n *cluster.Column) bool {
	return labelsTold(o) && labelsTold(n) || equalLabels(o.Labels, n.Labels) && !slices.Contains(o.Labels, "")
}

// textLiteral writes a string constant that is independent of sql_mode: hexadecimal, with its charset named.
func textLiteral(s string) string {
	if s == "" {
		s = "\x00"
	}
	return fmt.Sprintf("_utf8mb4 X'%x'", s)
}
