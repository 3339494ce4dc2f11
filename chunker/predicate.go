package chunker

import (
	"strings"

	"crosscheck/cluster/rowstream"
)

// Below returns the predicate "the key lies behind the first n values of a lower bound", over quoted key columns and the
// placeholders of their values. It is spelt out instead of written as a row comparison, because servers use no index range for the latter:
//
//	n = 2:  (a > ? OR (a = ? AND b > ?))
//
// LowerParams gives the parameters in the same order.
func Below(columns, values []string, n int) string { return spell(columns[:n], values, " > ", " > ") }

// Above returns the predicate "the key does not lie behind the first n values of an upper bound".
func Above(columns, values []string, n int) string { return spell(columns[:n], values, " < ", " <= ") }

// spell writes the nested comparison; strict compares all columns but the last, last compares that one.
func spell(columns, values []string, strict, last string) string {
	end := len(columns) - 1
	if end == 0 {
		return columns[0] + last + values[0]
	}
	var b strings.Builder
	for i, c := range columns[:end] {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString("(" + c + strict + values[i] + " OR (" + c + " = " + values[i])
	}
	b.WriteString(" AND " + columns[end] + last + values[end])
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
