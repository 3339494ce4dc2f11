package plan

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"crosscheck/chunker"
)

// RangeQuery is the statement that reads a key range in key order; nLo and nHi are the lengths of its bounds. limited
// adds a LIMIT parameter.
func (s *Side) RangeQuery(nLo, nHi int, limited bool) string {
	var b strings.Builder
	b.WriteString("SELECT " + s.List + " FROM " + s.From)
	glue := " WHERE "
	if nLo > 0 {
		b.WriteString(glue + chunker.Below(s.Keys, s.Marks, nLo))
		glue = " AND "
	}
	if nHi > 0 {
		b.WriteString(glue + chunker.Above(s.Keys, s.Marks, nHi))
	}
	b.WriteString(" ORDER BY " + strings.Join(s.Keys, ","))
	if limited {
		b.WriteString(" LIMIT ?")
	}
	return b.String()
}

// KeysQuery is the statement that reads n rows by their keys.
func (s *Side) KeysQuery(n int) string {
	var b strings.Builder
	b.WriteString("SELECT " + s.List + " FROM " + s.From + " WHERE ")
	if len(s.Keys) == 1 {
		b.WriteString(s.Keys[0] + " IN (" + s.Marks[0] + strings.Repeat(","+s.Marks[0], n-1) + ")")
		return b.String()
	}
	equal := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		equal[i] = k + "=" + s.Marks[i]
	}
	one := "(" + strings.Join(equal, " AND ") + ")"
	b.WriteString(one + strings.Repeat(" OR "+one, n-1))
	return b.String()
}

// ScanQuery is the statement that reads the whole table in whatever order is cheapest.
func (s *Side) ScanQuery() string { return "SELECT " + s.List + " FROM " + s.From }

// Fingerprint identifies everything that decides which bytes are compared: recorded chunks are trusted only under the
// same one.
func (p *Table) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s|%s|%s|%s|%d|%v", p.Method, p.Old.rangeText(), p.New.rangeText(), p.Schema, p.NKey, p.JSON)
	for _, c := range p.Columns {
		fmt.Fprintf(h, "|%s %s %s|%s %s %s", c.Old.Name, c.Old.ColumnType, c.Old.Collation,
			c.New.Name, c.New.ColumnType, c.New.Collation)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

func (s *Side) rangeText() string {
	return s.ScanQuery() + strings.Join(s.Keys, ",") + strings.Join(s.Marks, ",")
}

// Reading says what decides how the reference is read: copies with the same one can share it.
func (p *Table) Reading() string {
	text := fmt.Sprintf("%s|%s|%d|%v", p.Method, p.Old.rangeText(), p.NKey, p.JSON)
	for _, c := range p.Columns[:p.NKey] {
		text += fmt.Sprintf("|%v %v", c.Proj.Bytes, c.Proj.folded)
	}
	return text
}
