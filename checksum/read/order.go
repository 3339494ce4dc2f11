package read

import (
	"context"
	"fmt"
	"strings"

	"crosscheck/checksum/plan"
	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
)

// SortBounds lets old sort bounds of a table by their place in its key order. An empty selection of the table itself
// gives the columns of the list their types and collations. A bound on fewer columns than the key has lies behind
// all rows that begin with it, so that missing values sort last.
func (s *Session) SortBounds(ctx context.Context, p *plan.Table, bounds []chunker.Bound) ([]chunker.Bound, error) {
	side := p.Side(s.NewSide)
	var b strings.Builder
	var names, order []string
	for i := range side.Keys {
		names = append(names, fmt.Sprintf("k%d", i))
		order = append(order, fmt.Sprintf("k%d IS NULL, k%d", i, i))
	}
	b.WriteString("SELECT CAST(i AS UNSIGNED) FROM (SELECT 0 AS i")
	for i, k := range side.Keys {
		b.WriteString(", " + k + " AS " + names[i])
	}
	b.WriteString(" FROM " + side.Table.QuotedName() + " WHERE 1=0")
	var params []rowstream.Param
	for i, bound := range bounds {
		fmt.Fprintf(&b, " UNION ALL SELECT %d", i)
		for j := range side.Keys {
			if j < len(bound) {
				b.WriteString(", " + side.Marks[j])
				params = append(params, bound[j])
			} else {
				b.WriteString(", NULL")
			}
		}
	}
	b.WriteString(") x ORDER BY " + strings.Join(order, ", "))

	var sorted []chunker.Bound
	err := s.Do(ctx, "sort the recorded key bounds of "+p.Name, func() error {
		sorted = sorted[:0]
		st, err := s.stmt(p.Name, b.String())
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
		err = fmt.Errorf("sort the recorded key bounds of %s: %d of %d came back", p.Name, len(sorted), len(bounds))
	}
	return sorted, err
}

// LearnTypes asks how the selected columns stand in row packets, before any row was read.
func (s *Session) LearnTypes(ctx context.Context, p *plan.Table) error {
	if p.TypesKnown() {
		return nil
	}
	return s.Do(ctx, "read columns of "+p.Name, func() error {
		return s.query(ctx, p, p.Side(s.NewSide).ScanQuery()+" WHERE 1=0", nil, nil)
	})
}
