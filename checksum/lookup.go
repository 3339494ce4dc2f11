package checksum

import (
	"context"
	"slices"
	"strings"

	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
)

// lastKey returns the last key of the table in this side's order, nil if it is empty.
func (s *session) lastKey(ctx context.Context, p *tablePlan) (chunker.Bound, error) {
	side := p.side(s.newSide)
	query := "SELECT " + side.list + " FROM " + side.from + " ORDER BY " + strings.Join(side.keys, " DESC,") + " DESC LIMIT 1"
	var last chunker.Bound
	err := s.do(ctx, "find the last key of "+p.name, func() error {
		last = nil
		return s.query(ctx, p, query, nil, func(key, _ []byte, rows *rowstream.Rows) error {
			last = keyBound(rows.Columns()[:p.nKey], key)
			return nil
		})
	})
	return last, err
}

// anyRow reports whether the range holds a row.
func (s *session) anyRow(ctx context.Context, p *tablePlan, r chunker.Range) (bool, error) {
	side := p.side(s.newSide)
	query := side.rangeQuery(len(r.Lo), len(r.Hi), true)
	params := append(r.Hi.Params(r.Lo.Params(nil)), rowstream.Uint64(1))
	found := false
	err := s.do(ctx, "look for rows of "+p.name, func() error {
		found = false
		return s.query(ctx, p, query, params, func([]byte, []byte, *rowstream.Rows) error {
			found = true
			return nil
		})
	})
	return found, err
}

// keysPerStatement bounds a lookup by keys: enough that the round trip no longer counts.
const keysPerStatement = 64

// found is called with the index of the key that found a row, and the row.
type found func(i int, head []byte, rows *rowstream.Rows) error

// lookup reads the rows with the given keys and hands each to visit. A key of a case- or accent-insensitive collation
// may find a row whose key has other bytes; such keys are asked for one by one, so that the server says which row a
// key means.
func (s *session) lookup(ctx context.Context, p *tablePlan, types []rowstream.Column, keys [][]byte, visit found) error {
	all := make([]int, len(keys))
	for i := range all {
		all[i] = i
	}
	seen := make([]bool, len(keys))
	mark := func(i int, head []byte, rows *rowstream.Rows) error {
		seen[i] = true
		return visit(i, head, rows)
	}
	for part := range slices.Chunk(all, keysPerStatement) {
		if err := s.lookupSome(ctx, p, types, keys, part, mark); err != nil {
			return err
		}
	}
	if !p.textKey {
		return nil
	}
	for i := range keys {
		if !seen[i] {
			if err := s.lookupSome(ctx, p, types, keys, []int{i}, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookupSome reads the rows of some of the keys in one statement.
func (s *session) lookupSome(ctx context.Context, p *tablePlan, types []rowstream.Column, keys [][]byte, which []int,
	visit found,
) error {
	index := make(map[string]int, len(which))
	var params []rowstream.Param
	for _, i := range which {
		index[string(keys[i])] = i
		params = append(params, keyBound(types, keys[i])...)
	}
	query := p.side(s.newSide).keysQuery(len(which))
	return s.do(ctx, "read single rows of "+p.name, func() error {
		return s.query(ctx, p, query, params, func(key, head []byte, rows *rowstream.Rows) error {
			i, ok := index[string(key)]
			if !ok && len(which) == 1 {
				i, ok = which[0], true
			}
			if !ok {
				return nil
			}
			return visit(i, head, rows)
		})
	})
}
