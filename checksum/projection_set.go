package checksum

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// sets compares two SET columns whose member lists differ: a value is the sorted list of the members it holds, so that
// the order of the definition does not count.
func sets(o, n *cluster.Column) projection {
	all := slices.Concat(o.Labels, n.Labels)
	slices.Sort(all)
	all = slices.Compact(all)
	one := func(c *cluster.Column) string {
		col := cluster.Quote(c.Name)
		var parts []string
		for _, label := range all {
			if slices.Contains(c.Labels, label) {
				lit := textLiteral(label)
				parts = append(parts, fmt.Sprintf("IF(FIND_IN_SET(%s,CONVERT(%s USING utf8mb4)),%s,NULL)", lit, col, lit))
			}
		}
		if len(parts) == 0 {
			return "CONVERT(" + col + " USING utf8mb4)"
		}
		return fmt.Sprintf("IF(%s IS NULL,NULL,CONCAT_WS(',',%s))", col, strings.Join(parts, ","))
	}
	return projection{old: one(o), new: one(n)}
}

// textLiteral writes a string constant that is independent of sql_mode: hexadecimal, with its charset named.
func textLiteral(s string) string { return fmt.Sprintf("_utf8mb4 X'%x'", s) }
