package binlog

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// comparison says how a key column's values are told apart.
type comparison uint8

const (
	exact comparison = iota // numbers, dates, bytes
	loose                   // strings, by some collation
)

// howOf is how a table's key columns compare. Binary collations are treated
// like the others: trailing spaces may not count in them either.
func howOf(def *Table, key []string) []comparison {
	how := make([]comparison, len(key))
	for k, name := range key {
		if i := def.index(name); i >= 0 && def.Columns[i].Charset != "" && def.Columns[i].Charset != "binary" {
			how[k] = loose
		}
	}
	return how
}

// foldKey is the bucket of a key.
func foldKey(key []Value, how []comparison) string {
	var out []byte
	for i, v := range key {
		out = appendFold(out, how[i], v)
	}
	return string(out)
}

// appendFold appends a form of v in which all values are equal that any
// collation could call equal. Different values may share it.
func appendFold(out []byte, how comparison, v Value) []byte {
	if v.IsNull() {
		return append(out, 0, 0)
	}
	out = append(out, 1)
	switch how {
	case exact:
		if string(v.Text) == "-0" {
			return append(out, "0\x00"...)
		}
		out = append(out, v.Text...)
	case loose:
		out = appendSkeleton(out, v.Text)
	}
	return append(out, 0)
}

// appendSkeleton keeps of a string what no collation ignores or mixes up: it
// drops marks, vowels and half vowels (ä may be a or ae, ü may be y, v may be
// w, å may be aa), spaces and control characters, folds case, width, kana and
// digits, and collapses repeated letters (ß may be s or ss). Characters beyond
// the basic plane all count the same in older collations, so they are dropped.
func appendSkeleton(out, s []byte) []byte {
	var last rune = -1
	emit := func(r rune) {
		if r != last {
			out = utf8.AppendRune(out, r)
			last = r
		}
	}
	if !utf8.Valid(s) {
		return out // what a server makes of it is anybody's guess: may equal all
	}
	for _, r := range string(norm.NFKD.Bytes(s)) {
		for _, base := range baseLetters(r) {
			emit(base)
		}
	}
	return out
}

// baseLetters maps one character to those that count; an empty string drops it.
func baseLetters(r rune) string {
	switch {
	case r < 0x20 || r == 0x7f || r > 0xffff:
		return ""
	case r < utf8.RuneSelf:
		return asciiBase(byte(r))
	case unicode.IsOneOf([]*unicode.RangeTable{unicode.M, unicode.Z, unicode.C, unicode.No, unicode.Lm, unicode.Sk}, r):
		return ""
	case unicode.Is(unicode.Nd, r):
		return string('0' + digitValue(r))
	case unicode.Is(unicode.Latin, r):
		return latinBase(unicode.ToLower(r))
	case r >= 0x30a1 && r <= 0x30f6: // katakana
		return kana(r - 0x60)
	case r >= 0x3041 && r <= 0x3096:
		return kana(r)
	case unicode.IsOneOf([]*unicode.RangeTable{unicode.Han, unicode.Hangul}, r):
		return string(r)
	case unicode.IsOneOf([]*unicode.RangeTable{unicode.Cyrillic, unicode.Greek}, r):
		return string(unicode.ToLower(unicode.ToUpper(r))) // final sigma is sigma
	}
	return "" // rare scripts and symbols: weights differ from version to version
}

func asciiBase(c byte) string {
	switch {
	case c >= 'A' && c <= 'Z':
		c |= 0x20
	case c == ' ':
		return ""
	}
	if strings.IndexByte("aeiouyvwj", c) >= 0 {
		return ""
	}
	return string(rune(c))
}

// latinBase maps letters that have no decomposition. Unknown ones are dropped.
func latinBase(r rune) string {
	switch r {
	case 'ß':
		return "s"
	case 'ł':
		return "l"
	case 'đ', 'ð':
		return "d"
	case 'ħ':
		return "h"
	case 'ŧ':
		return "t"
	}
	return ""
}

// kana maps small forms to full ones; voicing marks were split off before.
func kana(r rune) string {
	switch r {
	case 0x3041, 0x3043, 0x3045, 0x3047, 0x3049, 0x3063, 0x3083, 0x3085, 0x3087, 0x308e:
		r++
	case 0x3095:
		r = 0x304b
	case 0x3096:
		r = 0x3051
	}
	return string(r)
}

// digitValue relies on every script's digits standing in order in blocks of ten.
func digitValue(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}

// mayEqual tells apart what a fold throws together and no server calls equal:
// two strings of plain ASCII differ unless they are the same but for case,
// trailing spaces, control characters and the letters that some language's
// order mixes up.
func mayEqual(how comparison, a, b Value) bool {
	if how != loose || a.State != b.State || !ascii(string(a.Text)) || !ascii(string(b.Text)) {
		return true
	}
	return bytes.Equal(plainFold(a.Text), plainFold(b.Text))
}

func plainFold(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for _, c := range bytes.TrimRight(s, " ") {
		switch c |= 0x20 * b2u(c >= 'A' && c <= 'Z'); {
		case c < 0x20 || c == 0x7f:
		case c == 'j' || c == 'y':
			out = append(out, 'i')
		case c == 'u' || c == 'w':
			out = append(out, 'v')
		default:
			out = append(out, c)
		}
	}
	return bytes.TrimRight(out, " ")
}

func b2u(b bool) byte {
	if b {
		return 1
	}
	return 0
}
