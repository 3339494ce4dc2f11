package checksum

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"crosscheck/checksum/packet"
	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

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
	text := packet.Content(raw)
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
