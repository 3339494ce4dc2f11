package checksum

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"crosscheck/chunker"
)

// rangeQuery is the statement that reads a key range in key order; nLo and nHi are the lengths of its bounds. limited
// adds a LIMIT parameter.
func (s *sidePlan) rangeQuery(nLo, nHi int, limited bool) string {
	var b strings.Builder
	b.WriteString("SELECT " + s.list + " FROM " + s.from)
	glue := " WHERE "
	if nLo > 0 {
		b.WriteString(glue + chunker.Below(s.keys, s.marks, nLo))
		glue = " AND "
	}
	if nHi > 0 {
		b.WriteString(glue + chunker.Above(s.keys, s.marks, nHi))
	}
	b.WriteString(" ORDER BY " + strings.Join(s.keys, ","))
	if limited {
		b.WriteString(" LIMIT ?")
	}
	return b.String()
}

// keysQuery is the statement that reads n rows by their keys.
func (s *sidePlan) keysQuery(n int) string {
	var b strings.Builder
	b.WriteString("SELECT " + s.list + " FROM " + s.from + " WHERE ")
	if len(s.keys) == 1 {
		b.WriteString(s.keys[0] + " IN (" + s.marks[0] + strings.Repeat(","+s.marks[0], n-1) + ")")
		return b.String()
	}
	equal := make([]string, len(s.keys))
	for i, k := range s.keys {
		equal[i] = k + "=" + s.marks[i]
	}
	one := "(" + strings.Join(equal, " AND ") + ")"
	b.WriteString(one + strings.Repeat(" OR "+one, n-1))
	return b.String()
}

// scanQuery is the statement that reads the whole table in whatever order is cheapest.
func (s *sidePlan) scanQuery() string { return "SELECT " + s.list + " FROM " + s.from }

// fingerprint identifies everything that decides which bytes are compared: recorded chunks are trusted only under the
// same one.
func (p *tablePlan) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s|%s|%s|%s|%d|%v", p.method, p.old.rangeText(), p.new.rangeText(), p.schema, p.nKey, p.json)
	for _, c := range p.columns {
		fmt.Fprintf(h, "|%s %s %s|%s %s %s", c.old.Name, c.old.ColumnType, c.old.Collation,
			c.new.Name, c.new.ColumnType, c.new.Collation)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

func (s *sidePlan) rangeText() string {
	return s.scanQuery() + strings.Join(s.keys, ",") + strings.Join(s.marks, ",")
}

// reading says what decides how the reference is read: copies with the same one can share it.
func (p *tablePlan) reading() string {
	text := fmt.Sprintf("%s|%s|%d|%v", p.method, p.old.rangeText(), p.nKey, p.json)
	for _, c := range p.columns[:p.nKey] {
		text += fmt.Sprintf("|%v %v", c.proj.bytes, c.proj.folded)
	}
	return text
}
