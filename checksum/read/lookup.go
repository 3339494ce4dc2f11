package read

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crosscheck/checksum/plan"
	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// LastKey returns the last key of the table in this side's order, nil if it is empty.
func (s *Session) LastKey(ctx context.Context, p *plan.Table) (chunker.Bound, error) {
	side := p.Side(s.NewSide)
	query := "SELECT " + side.List + " FROM " + side.From + " ORDER BY " + strings.Join(side.Keys, " DESC,") + " DESC LIMIT 1"
	var last chunker.Bound
	err := s.Do(ctx, "find the last key of "+p.Name, func() error {
		last = nil
		return s.query(ctx, p, query, nil, func(key, _ []byte, _ *rowstream.Rows) error {
			last = p.KeyBound(key)
			return nil
		})
	})
	return last, err
}

// AnyRow reports whether the range holds a row.
func (s *Session) AnyRow(ctx context.Context, p *plan.Table, r chunker.Range) (bool, error) {
	side := p.Side(s.NewSide)
	query := side.RangeQuery(len(r.Lo), len(r.Hi), true)
	params := append(r.Hi.Params(r.Lo.Params(nil)), rowstream.Uint64(1))
	found := false
	err := s.Do(ctx, "look for rows of "+p.Name, func() error {
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

// Found is called with the index of the key that found a row, and the row. more tells that the key had found another row
// before, in the same reading: keys that are selected alike.
type Found func(i int, more bool, head []byte, rows *rowstream.Rows) error

// Lookup reads the rows with the given keys and hands each to visit. A key of a case- or accent-insensitive collation
// may find a row whose key has other bytes. Which key such a row belongs to only the server can say: where keys that
// are found nowhere byte for byte still find rows, they are asked for one by one. It returns the keys that found no row
// although there may be one.
func (s *Session) Lookup(ctx context.Context, p *plan.Table, keys [][]byte, visit Found) (blind []int, err error) {
	unseen := make([]int, len(keys))
	for i := range unseen {
		unseen[i] = i
	}
	if !p.Folded {
		if unseen, err = s.LookupAll(ctx, p, keys, unseen, visit); err != nil {
			return nil, err
		}
	}
	return s.unsureKeys(ctx, p, keys, unseen)
}

// LookupAll is lookup for some of the keys, and returns those that found no row.
func (s *Session) LookupAll(ctx context.Context, p *plan.Table, keys [][]byte, which []int, visit Found) ([]int, error) {
	seen := make(map[int]bool, len(which))
	note := func(i int, more bool, head []byte, rows *rowstream.Rows) error {
		seen[i] = true
		return visit(i, more, head, rows)
	}
	for part := range slices.Chunk(which, keysPerStatement) {
		before := len(seen)
		strays, err := s.lookupSome(ctx, p, keys, part, note)
		if err != nil {
			return nil, err
		}
		unseen := slices.DeleteFunc(slices.Clone(part), func(i int) bool { return seen[i] })
		if !p.TextKey || len(unseen) == 0 || len(seen)-before+strays == 0 {
			continue
		}
		if len(seen) > before { // a row found byte for byte may be what another key means, too
			strays, err = s.lookupSome(ctx, p, keys, unseen, func(int, bool, []byte, *rowstream.Rows) error { return nil })
			if err != nil {
				return nil, err
			}
		}
		for _, i := range unseen {
			if strays == 0 {
				break
			}
			if err := s.lookupLoose(ctx, p, keys, i, note); err != nil {
				return nil, err
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(which), func(i int) bool { return seen[i] }), nil
}

// lookupLoose reads the row whose key equals keys[i] to the server although it has other bytes. If the collations of
// the two sides differ, both servers must call the keys equal: else each side would match other rows.
func (s *Session) lookupLoose(ctx context.Context, p *plan.Table, keys [][]byte, i int, visit Found) error {
	err := s.Do(ctx, "read single rows of "+p.Name, func() error {
		query := p.Side(s.NewSide).KeysQuery(1)
		return s.query(ctx, p, query, p.KeyBound(keys[i]), func(key, head []byte, rows *rowstream.Rows) error {
			if p.MixedKey && s.peer != nil {
				if same, err := s.peer.equalKeys(ctx, p, keys[i], key); err != nil || !same {
					return err
				}
			}
			return visit(i, false, head, rows)
		})
	})
	if NotInCharset(err) {
		return nil
	}
	return err
}

// equalKeys asks the server whether two keys are equal under the collations of its columns.
func (s *Session) equalKeys(ctx context.Context, p *plan.Table, a, b []byte) (bool, error) {
	side := p.Side(s.NewSide)
	query, where := "SELECT CAST(1 AS UNSIGNED) FROM (SELECT ", ""
	for i, k := range side.Keys {
		if i > 0 {
			query += ","
			where += " AND "
		}
		query += fmt.Sprintf("%s AS k%d", k, i)
		where += fmt.Sprintf("k%d=%s", i, side.Marks[i])
	}
	query += " FROM " + side.Table.QuotedName() + " WHERE 1=0 UNION ALL SELECT " + strings.Join(side.Marks, ",") + ") x WHERE " + where
	equal := false
	err := s.Do(ctx, "compare keys of "+p.Name, func() error {
		equal = false
		st, err := s.stmt(p.Name, query)
		if err != nil {
			return err
		}
		rows, err := st.Query(append(p.KeyBound(a), p.KeyBound(b)...)...)
		if err != nil {
			return err
		}
		return eachUint(rows, func(uint64) { equal = true })
	})
	return equal, err
}

// lookupSome reads the rows of some of the keys in one statement. It returns the number of rows whose key none of them
// is byte for byte.
func (s *Session) lookupSome(ctx context.Context, p *plan.Table, keys [][]byte, which []int, visit Found) (strays int, err error) {
	index := make(map[string]int, len(which))
	var params []rowstream.Param
	for _, i := range which {
		index[string(keys[i])] = i
		params = append(params, p.KeyBound(keys[i])...)
	}
	query := p.Side(s.NewSide).KeysQuery(len(which))
	err = s.Do(ctx, "read single rows of "+p.Name, func() error {
		strays = 0
		return s.query(ctx, p, query, params, func(key, head []byte, rows *rowstream.Rows) error {
			i, ok := index[string(key)]
			if !ok {
				strays++
				return nil
			}
			return visit(i, false, head, rows)
		})
	})
	if !NotInCharset(err) {
		s.Strays += int64(strays)
		return strays, err
	}
	if len(which) == 1 { // lookup tells whether there may be a row with it all the same
		return 0, nil
	}
	strays = 0
	for _, i := range which {
		n, lerr := s.lookupSome(ctx, p, keys, []int{i}, visit)
		if lerr != nil {
			return strays, lerr
		}
		strays += n
	}
	return strays, nil
}

// NotInCharset reports whether a server refused text because a column's charset lacks its characters.
func NotInCharset(err error) bool {
	switch cluster.ErrorNumber(err) {
	case 1267, 1270, 1271, 1300, 1366, 3854, 3988: // illegal mix of collations of two, three, several; invalid string; no conversion
		return true
	}
	return false
}
