package checksum

import (
	"context"
	"fmt"
	"strings"

	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
)

// sortBounds lets old sort bounds of a table by their place in its key order. An empty selection of the table itself
// gives the columns of the list their types and collations. A bound on fewer columns than the key has lies behind
// all rows that begin with it, so that missing values sort last.
func (s *session) sortBounds(ctx context.Context, p *tablePlan, bounds []chunker.Bound) ([]chunker.Bound, error) {
	side := p.side(s.newSide)
	var b strings.Builder
	var names, order []string
	for i := range side.keys {
		names = append(names, fmt.Sprintf("k%d", i))
		order = append(order, fmt.Sprintf("k%d IS NULL, k%d", i, i))
	}
	b.WriteString("SELECT CAST(i AS UNSIGNED) FROM (SELECT 0 AS i")
	for i, k := range side.keys {
		b.WriteString(", " + k + " AS " + names[i])
	}
	b.WriteString(" FROM " + side.table.QuotedName() + " WHERE 1=0")
	var params []rowstream.Param
	for i, bound := range bounds {
		fmt.Fprintf(&b, " UNION ALL SELECT %d", i)
		for j := range side.keys {
			if j < len(bound) {
				b.WriteString(", " + side.marks[j])
				params = append(params, bound[j])
			} else {
				b.WriteString(", NULL")
			}
		}
	}
	b.WriteString(") x ORDER BY " + strings.Join(order, ", "))

	var sorted []chunker.Bound
	err := s.do(ctx, "sort the recorded key bounds of "+p.name, func() error {
		sorted = sorted[:0]
		st, err := s.stmt(p.name, b.String())
		if err != nil {
			return err
		}
		rows, err := st.Query(params...)
		if err != nil {
			return err
		}
		return eachUint(rows, func(i uint64) { sorted = append(sorted, bounds[i]) })
	})
	if err == nil && len(sorted) != len(bounds) {
		err = fmt.Errorf("sort the recorded key bounds of %s: %d of %d came back", p.name, len(sorted), len(bounds))
	}
	return sorted, err
}

// learnTypes asks how the selected columns stand in row packets, before any row was read.
func (s *session) learnTypes(ctx context.Context, p *tablePlan) error {
	if p.types.Load() != nil {
		return nil
	}
	return s.do(ctx, "read columns of "+p.name, func() error {
		return s.query(ctx, p, p.side(s.newSide).scanQuery()+" WHERE 1=0", nil, nil)
	})
}
