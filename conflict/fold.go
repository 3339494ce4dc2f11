package conflict

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// foldMode says how coarsely a key part is bucketed. Values that any server
// could call equal fall into one bucket; others may share it.
type foldMode uint8

const (
	foldExact foldMode = iota // numbers, times, bytes
	foldPad                   // binary collations: only trailing spaces may not count
	foldLoose                 // all other collations
)

func foldOf(t [2]textType) foldMode {
	mode := foldExact
	for _, x := range t {
		switch {
		case x.Charset == "":
		case strings.HasSuffix(x.Collation, "_bin"):
			mode = max(mode, foldPad)
		default:
			mode = foldLoose
		}
	}
	return mode
}

// appendFolded appends the bucket form of a value.
func appendFolded(out []byte, mode foldMode, s []byte) []byte {
	switch mode {
	case foldExact:
		if len(s) == 2 && s[0] == '-' && s[1] == '0' {
			return append(out, '0')
		}
		return append(out, s...)
	case foldPad:
		return append(out, bytes.TrimRight(s, " ")...)
	case foldLoose:
		return appendLoose(out, s)
	}
	return append(out, s...)
}

// appendLoose keeps what no collation ignores or mixes up: digits and most
// consonants of ASCII after compatibility decomposition, each once in a row, and
// the letters of the large scripts without case. Vowels and half vowels go (ä may
// be ae, v may be w), and all marks, spaces, signs and characters beyond the
// basic plane, which some collations give one common weight.
func appendLoose(out, s []byte) []byte {
	last := rune(-1)
	if isASCII(s) {
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
	for _, r := range string(norm.NFKD.Bytes(s)) {
		if r = looseRune(r); r != 0 && r != last {
			out = utf8.AppendRune(out, r)
			last = r
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

func looseRune(r rune) rune {
	switch {
	case r < 0x80:
		return rune(looseASCII[r])
	case r > 0xffff:
		return 0
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
	return strokeLetters[r] // others, and other scripts, are dropped: rules differ from version to version
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

func isASCII(s []byte) bool {
	for _, c := range s {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// surelyDifferent tells two values apart without asking a server: plain ASCII
// texts that differ in more than case, trailing spaces, control characters and
// letters that some language's order takes for one another.
func surelyDifferent(mode foldMode, a, b []byte) bool {
	switch mode {
	case foldExact:
		return !bytes.Equal(appendFolded(nil, mode, a), appendFolded(nil, mode, b))
	case foldPad:
		return !bytes.Equal(bytes.TrimRight(a, " "), bytes.TrimRight(b, " "))
	case foldLoose:
	}
	return isASCII(a) && isASCII(b) && !bytes.Equal(plainASCII(a), plainASCII(b))
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
