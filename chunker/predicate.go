package chunker

import (
	"strings"

	"crosscheck/cluster/rowstream"
)

// Below returns the predicate "the key lies behind the first n values of a lower bound", over quoted key columns.
// It is spelt out instead of written as a row comparison, because servers use no index range for the latter:
//
//	n = 2:  (a > ? OR (a = ? AND b > ?))
//
// LowerParams gives the parameters in the same order.
func Below(columns []string, n int) string { return spell(columns[:n], " > ", " > ") }

// Above returns the predicate "the key does not lie behind the first n values of an upper bound".
func Above(columns []string, n int) string { return spell(columns[:n], " < ", " <= ") }

// spell writes the nested comparison; strict compares all columns but the last, last compares that one.
func spell(columns []string, strict, last string) string {
	if len(columns) == 1 {
		return columns[0] + last + "?"
	}
	var b strings.Builder
	for i, c := range columns[:len(columns)-1] {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString("(" + c + strict + "? OR (" + c + " = ?")
	}
	b.WriteString(" AND " + columns[len(columns)-1] + last + "?")
	b.WriteString(strings.Repeat("))", len(columns)-1))
	return b.String()
}

// Params appends the parameters of Below or Above for bound b: each value but the last twice.
func (b Bound) Params(to []rowstream.Param) []rowstream.Param {
	for i, p := range b {
		if i < len(b)-1 {
			to = append(to, p)
		}
		to = append(to, p)
	}
	return to
}
