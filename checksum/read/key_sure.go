package read

import (
	"context"
	"strings"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
)

// A key value that is sent back to a server need not be read there as the value that it was: bytes that are no text of
// their charset, or text that has another form in it. Rows with such keys are not found by them, and a bound made of one
// stands elsewhere. So finding no row counts only for keys that are sure, and only these are bounds. Parameters of
// numbers, times and byte strings are exact by construction, UTF-8 where it is valid; of text that is sent as its bytes
// the server tells how it reads them.

// unsureKeys returns those of the keys that the side cannot be asked for.
func (s *Session) unsureKeys(ctx context.Context, p *plan.Table, keys [][]byte, which []int) ([]int, error) {
	var out, ask []int
	for _, i := range which {
		switch s.sureBound(p, p.KeyBound(keys[i])) {
		case plan.Unsure:
			out = append(out, i)
		case plan.AskServer:
			ask = append(ask, i)
		case plan.Sure:
		}
	}
	for len(ask) > 0 {
		part := ask[:min(len(ask), keysPerStatement)]
		ask = ask[len(part):]
		bounds := make([]chunker.Bound, len(part))
		for j, i := range part {
			bounds[j] = p.KeyBound(keys[i])
		}
		same, err := s.readBack(ctx, p, bounds)
		if err != nil {
			return nil, err
		}
		for j, i := range part {
			if !same[j] {
				out = append(out, i)
			}
		}
	}
	return out, nil
}

// sureBound is plan.Column.sure for all values of a bound.
func (s *Session) sureBound(p *plan.Table, b chunker.Bound) plan.Sureness {
	all := plan.Sure
	for i, v := range b {
		switch p.Columns[i].Sure(s.NewSide, v.Value) {
		case plan.Unsure:
			return plan.Unsure
		case plan.AskServer:
			all = plan.AskServer
		case plan.Sure:
		}
	}
	return all
}

// Certain reports whether the side reads the bound as what it is.
func (s *Session) Certain(ctx context.Context, p *plan.Table, b chunker.Bound) (bool, error) {
	how := s.sureBound(p, b)
	if how != plan.AskServer {
		return how == plan.Sure, nil
	}
	same, err := s.readBack(ctx, p, []chunker.Bound{b})
	return err == nil && same[0], err
}

// readBack reports for each bound whether the server, asked for the values that are sent as bytes, gives these bytes.
func (s *Session) readBack(ctx context.Context, p *plan.Table, bounds []chunker.Bound) ([]bool, error) {
	marks := p.Side(s.NewSide).Marks
	var list []string
	var params []rowstream.Param
	var of []int
	for i, b := range bounds {
		for j, v := range b {
			if p.Columns[j].Proj.Bytes {
				list, params, of = append(list, marks[j]), append(params, v), append(of, i)
			}
		}
	}
	same := make([]bool, len(bounds))
	err := s.Do(ctx, "read keys of "+p.Name+" back", func() error {
		st, err := s.stmt(p.Name, "SELECT "+strings.Join(list, ","))
		if err != nil {
			return err
		}
		rows, err := st.Query(params...)
		if err != nil {
			return err
		}
		for {
			head, err := rows.Next()
			if err != nil {
				return ignoreEOF(err)
			}
			whole, err := rows.Whole(head)
			if err != nil {
				return err
			}
			values, err := packet.Split(whole, rows.Columns())
			if err != nil {
				return err
			}
			for i := range same {
				same[i] = true
			}
			for k, v := range values {
				if v.Null || string(packet.Content(v.Raw)) != string(packet.Content(params[k].Value)) {
					same[of[k]] = false
				}
			}
		}
	})
	if NotInCharset(err) && len(bounds) == 1 {
		return same, nil
	}
	if NotInCharset(err) {
		for i := range bounds {
			one, oerr := s.readBack(ctx, p, bounds[i:i+1])
			if oerr != nil {
				return nil, oerr
			}
			same[i] = one[0]
		}
		return same, nil
	}
	return same, err
}

// maxUnsure bounds how many rows before a list's end are asked about as its bound.
const maxUnsure = 256

// cutSure shortens a list that a limit ended so that it ends with a key that is sure, and returns that key; nil if there
// is none.
func (s *Session) cutSure(ctx context.Context, p *plan.Table, list *List) (chunker.Bound, error) {
	asked := 0
	for n := list.Len(); n > 0; n-- {
		b := p.KeyBound(list.Key(n - 1))
		how := s.sureBound(p, b)
		if how == plan.AskServer {
			if asked++; asked > maxUnsure {
				return nil, nil
			}
			ok, err := s.Certain(ctx, p, b)
			if err != nil {
				return nil, err
			}
			if ok {
				how = plan.Sure
			}
		}
		if how == plan.Sure {
			list.truncate(n)
			return b, nil
		}
	}
	return nil, nil
}
