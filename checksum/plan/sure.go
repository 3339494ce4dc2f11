package plan

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"crosscheck/checksum/packet"
	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// KeyError is why a table's rows could not be told apart by its key; it is the table's own.
type KeyError struct {
	table  string
	column string
	what   string
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("%s: key column %s: %s", e.table, e.column, e.what)
}

const (
	ReasonNoText  = "the server reads its values in another form than it stores them, such as bytes that are no text of the column's character set"
	ReasonNoBound = ReasonNoText + ", for so many rows that they cannot be read in pieces"
)

// UnsureKey is the error for keys that no server can be asked for.
func (p *Table) UnsureKey(what string) *KeyError {
	e := &KeyError{table: p.Name, column: p.Columns[0].Old.Name, what: what}
	for i := range p.NKey {
		if c := &p.Columns[i]; c.Proj.folded || ClassOf(c.Old) == ClassText {
			e.column = c.Old.Name
			break
		}
	}
	return e
}

// Sureness is what is known without asking the server.
type Sureness int

const (
	Unsure Sureness = iota
	Sure
	AskServer
)

// Sure tells whether a side reads an encoded value, sent as a parameter, as what it is.
func (c *Column) Sure(newSide bool, raw []byte) Sureness {
	col := c.Old
	if newSide {
		col = c.New
	}
	switch {
	case c.Proj.folded:
		return Unsure
	case ClassOf(col) != ClassText:
		return Sure
	}
	text := packet.Content(raw)
	cs := Charset(col)
	switch {
	case c.Proj.Bytes && (cs != "ascii" || !IsASCII(text)):
		return AskServer
	case !utf8.Valid(text), cs == "ascii" && !IsASCII(text):
		return Unsure
	case cs == "utf8mb3" && strings.ContainsFunc(string(text), func(r rune) bool { return r > 0xffff }):
		return Unsure
	}
	return Sure
}

// storedText is the placeholder of text that is sent as the bytes that a column stores. The charset is named because a
// server takes a byte string's bytes as they are, and the collation because else it could not compare the two.
func storedText(c *cluster.Column) string {
	return fmt.Sprintf("CONVERT(? USING %s) COLLATE %s", Charset(c), c.Collation)
}

// param returns an encoded key value as the parameter that stands for it.
func (c *Column) param(wire rowstream.Column, raw []byte) rowstream.Param {
	p := wire.Param(raw)
	if c.Proj.Bytes {
		p.Type = rowstream.TypeTextBytes
	}
	return p
}

// KeyBound turns a sliced key into a bound that shares no memory with it. Keys exist only once rows were read.
func (p *Table) KeyBound(key []byte) chunker.Bound {
	b := make(chunker.Bound, 0, p.NKey)
	for i, wire := range p.KeyTypes() {
		size := wire.Size(key)
		b = append(b, p.Columns[i].param(wire, append([]byte{}, key[:size]...)))
		key = key[size:]
	}
	return b
}
