package checksum

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// A key value that is sent back to a server need not be read there as the value that it was: bytes that are no text of
// their charset, or text that has another form in it. Rows with such keys are not found by them, and a bound made of one
// stands elsewhere. So finding no row counts only for keys that are sure, and only these are bounds. Parameters of
// numbers, times and byte strings are exact by construction, UTF-8 where it is valid; of text that is sent as its bytes
// the server tells how it reads them.

// keyError is why a table's rows could not be told apart by its key; it is the table's own.
type keyError struct {
	table  string
	column string
	what   string
}

func (e *keyError) Error() string {
	return fmt.Sprintf("%s: key column %s: %s", e.table, e.column, e.what)
}

const (
	reasonNoText  = "the server reads its values in another form than it stores them, such as bytes that are no text of the column's character set"
	reasonNoBound = reasonNoText + ", for so many rows that they cannot be read in pieces"
)

// unsureKey is the error for keys that no server can be asked for.
func (p *tablePlan) unsureKey(what string) *keyError {
	e := &keyError{table: p.name, column: p.columns[0].old.Name, what: what}
	for i := range p.nKey {
		if c := &p.columns[i]; c.proj.folded || classOf(c.old) == classText {
			e.column = c.old.Name
			break
		}
	}
	return e
}

// sureness is what is known without asking the server.
type sureness int

const (
	unsure sureness = iota
	sure
	askServer
)

// sure tells whether a side reads an encoded value, sent as a parameter, as what it is.
func (c *planColumn) sure(newSide bool, raw []byte) sureness {
	col := c.old
	if newSide {
		col = c.new
	}
	switch {
	case c.proj.folded:
		return unsure
	case classOf(col) != classText:
		return sure
	}
	text := lengthPrefixed(raw)
	cs := charset(col)
	switch {
	case c.proj.bytes && (cs != "ascii" || !isASCII(text)):
		return askServer
	case !utf8.Valid(text), cs == "ascii" && !isASCII(text):
		return unsure
	case cs == "utf8mb3" && strings.ContainsFunc(string(text), func(r rune) bool { return r > 0xffff }):
		return unsure
	}
	return sure
}

// unsureKeys returns those of the keys that the side cannot be asked for.
func (s *session) unsureKeys(ctx context.Context, p *tablePlan, keys [][]byte, which []int) ([]int, error) {
	var out, ask []int
	for _, i := range which {
		switch s.sureBound(p, p.keyBound(keys[i])) {
		case unsure:
			out = append(out, i)
		case askServer:
			ask = append(ask, i)
		case sure:
		}
	}
	for len(ask) > 0 {
		part := ask[:min(len(ask), keysPerStatement)]
		ask = ask[len(part):]
		bounds := make([]chunker.Bound, len(part))
		for j, i := range part {
			bounds[j] = p.keyBound(keys[i])
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

// sureBound is planColumn.sure for all values of a bound.
func (s *session) sureBound(p *tablePlan, b chunker.Bound) sureness {
	all := sure
	for i, v := range b {
		switch p.columns[i].sure(s.newSide, v.Value) {
		case unsure:
			return unsure
		case askServer:
			all = askServer
		case sure:
		}
	}
	return all
}

// certain reports whether the side reads the bound as what it is.
func (s *session) certain(ctx context.Context, p *tablePlan, b chunker.Bound) (bool, error) {
	how := s.sureBound(p, b)
	if how != askServer {
		return how == sure, nil
	}
	same, err := s.readBack(ctx, p, []chunker.Bound{b})
	return err == nil && same[0], err
}

// readBack reports for each bound whether the server, asked for the values that are sent as bytes, gives these bytes.
func (s *session) readBack(ctx context.Context, p *tablePlan, bounds []chunker.Bound) ([]bool, error) {
	marks := p.side(s.newSide).marks
	var list []string
	var params []rowstream.Param
	var of []int
	for i, b := range bounds {
		for j, v := range b {
			if p.columns[j].proj.bytes {
				list, params, of = append(list, marks[j]), append(params, v), append(of, i)
			}
		}
	}
	same := make([]bool, len(bounds))
	err := s.do(ctx, "read keys of "+p.name+" back", func() error {
		st, err := s.stmt(p.name, "SELECT "+strings.Join(list, ","))
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
			values, err := splitRow(whole, rows.Columns())
			if err != nil {
				return err
			}
			for i := range same {
				same[i] = true
			}
			for k, v := range values {
				if v.null || string(lengthPrefixed(v.raw)) != string(lengthPrefixed(params[k].Value)) {
					same[of[k]] = false
				}
			}
		}
	})
	if notInCharset(err) && len(bounds) == 1 {
		return same, nil
	}
	if notInCharset(err) {
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
func (s *session) cutSure(ctx context.Context, p *tablePlan, list *rowList) (chunker.Bound, error) {
	asked := 0
	for n := list.len(); n > 0; n-- {
		b := p.keyBound(list.key(n - 1))
		how := s.sureBound(p, b)
		if how == askServer {
			if asked++; asked > maxUnsure {
				return nil, nil
			}
			ok, err := s.certain(ctx, p, b)
			if err != nil {
				return nil, err
			}
			if ok {
				how = sure
			}
		}
		if how == sure {
			list.truncate(n)
			return b, nil
		}
	}
	return nil, nil
}

// storedText is the placeholder of text that is sent as the bytes that a column stores. The charset is named because a
// server takes a byte string's bytes as they are, and the collation because else it could not compare the two.
func storedText(c *cluster.Column) string {
	return fmt.Sprintf("CONVERT(? USING %s) COLLATE %s", charset(c), c.Collation)
}

// param returns an encoded key value as the parameter that stands for it.
func (c *planColumn) param(wire rowstream.Column, raw []byte) rowstream.Param {
	p := wire.Param(raw)
	if c.proj.bytes {
		p.Type = rowstream.TypeTextBytes
	}
	return p
}

// keyBound turns a sliced key into a bound that shares no memory with it. Keys exist only once rows were read.
func (p *tablePlan) keyBound(key []byte) chunker.Bound {
	b := make(chunker.Bound, 0, p.nKey)
	for i, wire := range p.keyTypes() {
		size := wire.Size(key)
		b = append(b, p.columns[i].param(wire, append([]byte{}, key[:size]...)))
		key = key[size:]
	}
	return b
}
