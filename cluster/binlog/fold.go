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
		out = AppendFold(out, v.Text, KeepPlain)
	}
	return append(out, 0)
}

// Keep says how much of a text its fold keeps, by the collations that may compare it.
type Keep uint8

const (
	KeepPlain   Keep = iota // what no collation of any server ignores or mixes up
	KeepLetters             // the consonants of more scripts, too
	KeepSymbols             // and symbols beyond the basic plane
)

// KeepFor tells what may be kept of texts that a collation compares. Some orders for single languages mix up letters of
// others, and older ones give all characters beyond the basic plane one weight.
func KeepFor(collation string) Keep {
	has := func(part string) bool { return strings.Contains(collation, part) }
	switch {
	case has("persian") || has("sinhala") || has("myanmar"):
		return KeepPlain
	case has("_0900_") || has("_520_") || has("uca1400"):
		return KeepSymbols
	}
	return KeepLetters
}

// AppendFold appends a form of a text in which all texts are equal that any
// server could call equal by any collation. Different texts may share it. It is
// what keys are put into buckets by, here and in package conflict, before a
// server is asked.
//
// With KeepPlain it keeps what no collation ignores or mixes up: digits and most consonants of
// ASCII after compatibility decomposition, each once in a row, and the letters of
// the large scripts without case. Vowels and half vowels go (ä may be ae, v may be
// w), and all marks, spaces, signs and characters beyond the basic plane, which
// some collations give one common weight.
func AppendFold(out, s []byte, keep Keep) []byte {
	last := rune(-1)
	if ascii(s) {
		for _, c := range s {
			if r := looseASCII[c&0x7f]; r != 0 && rune(r) != last {
				out = append(out, r)
				last = rune(r)
			}
		}
		return out
	}
	if !utf8.Valid(s) {
		return out // what a server makes of it is open: may equal anything
	}
	add := func(r rune) {
		if r = looseRune(r, keep); r != 0 && r != last {
			out = utf8.AppendRune(out, r)
			last = r
		}
	}
	for _, r := range string(norm.NFKD.Bytes(s)) {
		if r < utf8.RuneSelf {
			add(r)
			continue
		}
		lower := unicode.ToLower(unicode.ToUpper(r))
		base, odd := oddLetters[r]
		if !odd {
			base, odd = oddLetters[lower]
		}
		if !odd {
			add(r)
			continue
		}
		for _, b := range base {
			add(b)
		}
	}
	return out
}

// looseASCII maps an ASCII character to what is kept of it; 0 drops it.
var looseASCII = func() (m [128]byte) {
	for c := byte('0'); c <= '9'; c++ {
		m[c] = c
	}
	for c := byte('a'); c <= 'z'; c++ {
		if !strings.ContainsRune("aeiouyvwjh", rune(c)) {
			m[c], m[c-'a'+'A'] = c, c
		}
	}
	// h goes, too: þ is th in some orders.
	return m
}()

func looseRune(r rune, keep Keep) rune {
	switch {
	case r < 0x80:
		return rune(looseASCII[r])
	case r > 0xffff:
		if keep == KeepSymbols && r >= 0x1f300 && unicode.Is(unicode.So, r) {
			return r
		}
		return 0
	case unicode.Is(unicode.Nd, r):
		return '0' + digitValue(r)
	case unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hangul, r):
		return r
	case r >= 0x3041 && r <= 0x3096, r >= 0x30a1 && r <= 0x30f6:
		return looseKana(r)
	case unicode.Is(unicode.Cyrillic, r) || unicode.Is(unicode.Greek, r):
		if !unicode.IsLetter(r) || unicode.Is(unicode.Lm, r) {
			return 0
		}
		return unicode.ToLower(unicode.ToUpper(r)) // final sigma is sigma
	}
	if letter := letterOf(r); letter != 0 && keep != KeepPlain {
		return letter
	}
	return strokeLetters[r] // others, and other scripts, are dropped: rules differ from version to version
}

// plainLetters are ranges of letters that no order ignores, takes for others or puts behind what follows them: consonants
// and syllables of scripts without case. Vowels and marks of these scripts are dropped.
var plainLetters = [][2]rune{
	{0x05d0, 0x05ea},
	{0x0628, 0x063a},
	{0x0641, 0x0644},
	{0x0646, 0x0647},
	{0x0915, 0x0939},
	{0x0995, 0x09b9},
	{0x0a15, 0x0a39},
	{0x0a95, 0x0ab9},
	{0x0b15, 0x0b39},
	{0x0b95, 0x0bb9},
	{0x0c15, 0x0c39},
	{0x0c95, 0x0cb9},
	{0x0d15, 0x0d39},
	{0x0e01, 0x0e2e},
	{0x0e81, 0x0eae},
	{0x10d0, 0x10f0},
	{0x1200, 0x135a},
	{0x1780, 0x17a2},
	{0xa000, 0xa48c},
}

// letterOf is a letter of one of these scripts, or 0.
func letterOf(r rune) rune {
	switch {
	case r < 0x0531:
		return 0
	case r <= 0x0586: // Armenian, whose capitals stand 48 before its small letters
		if r <= 0x0556 {
			r += 0x30
		}
		return r
	case r >= 0x10a0 && r <= 0x10c5: // Georgian in its older forms
		r += 0x30
	case r >= 0x1c90 && r <= 0x1cb0:
		r -= 0x1c90 - 0x10d0
	case r >= 0x2d00 && r <= 0x2d25:
		r -= 0x2d00 - 0x10d0
	}
	switch r { // final forms
	case 0x05da, 0x05dd, 0x05df, 0x05e3, 0x05e5:
		r++
	}
	for _, p := range plainLetters {
		if r >= p[0] && r <= p[1] {
			return r
		}
	}
	return 0
}

// strokeLetters are those without a decomposition that older versions of the
// Unicode order take for the plain letter.
var strokeLetters = func() map[rune]rune {
	m := map[rune]rune{}
	for plain, list := range map[rune]string{
		'b': "ƀƁƂƃɃɓ", 'c': "ƇƈȻȼ", 'd': "ĐđÐðƉƊƋƌɖɗ", 'f': "Ƒƒ", 'g': "ƓǤǥɠ", 'k': "ĸƘƙ", 'l': "ŁłƚȽɫ", 'm': "ɱ",
		'n': "ŊŋƝƞȠɲ", 'p': "Ƥƥ", 'r': "Ɍɍɽ", 's': "ßẞſ", 't': "ŦŧÞþƫƬƭƮʈ", 'z': "ƵƶȤȥ",
	} {
		for _, r := range list {
			m[r] = plain
		}
	}
	return m
}()

// looseKana folds katakana onto hiragana and small forms onto full ones.
func looseKana(r rune) rune {
	if r >= 0x30a1 {
		r -= 0x60
	}
	switch r {
	case 0x3041, 0x3043, 0x3045, 0x3047, 0x3049, 0x3063, 0x3083, 0x3085, 0x3087, 0x308e:
		return r + 1
	case 0x3095:
		return 0x304b
	case 0x3096:
		return 0x3051
	}
	return r
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

// SurelyDifferent tells two texts apart without asking a server: plain ASCII
// that differs in more than case, trailing spaces, control characters and letters
// that some language's order takes for one another.
func SurelyDifferent(a, b []byte) bool {
	return ascii(a) && ascii(b) && !bytes.Equal(plainASCII(a), plainASCII(b))
}

// mayEqual tells apart what a fold throws together and no server calls equal.
func mayEqual(how comparison, a, b Value) bool {
	return how != loose || a.State != b.State || !SurelyDifferent(a.Text, b.Text)
}

func plainASCII(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		switch {
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
