package conflict

import (
	"math/rand/v2"
	"strings"
)

// simText is a text with its place among those that its collation tells apart: two texts of one class are equal to a
// server. The detector sees the text alone and learns of the class by asking. Class 0 is NULL.
type simText struct {
	text  string
	class int
}

// simAlphabet is a collation, and letters of a script as it takes them: the forms of one letter are equal, those of two
// are not.
type simAlphabet struct {
	charset, collation string
	letters            [][]string
}

func letters(list ...string) (out [][]string) {
	for _, forms := range list {
		out = append(out, strings.Fields(forms))
	}
	return out
}

// The equalities are what MySQL 9.7 said when asked, and MariaDB 10.11 of the collations that it has; of the others its
// utf8mb4_uca1400_ai_ci says the same, but takes decomposed Hangul for other texts.
var simAlphabets = []simAlphabet{
	{"utf8mb4", "utf8mb4_general_ci", letters("b B", "e E é É", "s S ß", "o O ö")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("b B ｂ", "ae Ae æ Æ", "ss SS ß ſs", "z Z ž ⓩ")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("α Α ά Ά", "σ Σ ς", "β Β ϐ", "ω Ω ώ")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("а А", "ж Ж", "д Д", "е Е ё Ё")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("ب بَ بِ", "ت تُ", "س سّ", "ا اَ", "أ", "إ")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("א אָ", "ב בּ", "ש שׁ שׂ", "מ ם")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("か カ が ガ ｶ", "は ハ ば ぱ", "の ノ", "き キ ぎ")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("가 \u1100\u1161", "한 \u1112\u1161\u11ab", "글 \u1100\u1173\u11af", "나 \u1102\u1161")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("ก ก่ ก้", "ข ข่", "ค ค้", "ง ง๋")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("क क़ क\u093c", "ख ख़", "ग ग़", "न ऩ")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("😀", "🐟", "🍀", "🚲")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("𐐀 𐐨", "𐐁 𐐩", "𐐂 𐐪", "𐐃 𐐫")},
	{"utf8mb4", "utf8mb4_0900_ai_ci", letters("中", "文", "字", "漢")},
	{"utf8mb4", "utf8mb4_unicode_ci", letters("😀 🐟 🍀 𐐀", "x X", "p P", "g G ğ")},
	{"utf8mb4", "utf8mb4_unicode_520_ci", letters("ⴰ", "ⴱ", "ⴳ", "ⴷ")},
	{"utf8mb4", "utf8mb4_bin", letters("a", "A", "ä", "a\u0308")},
}

// word is the text of a class, in one of its forms.
func (a *simAlphabet) word(rng *rand.Rand, class int) simText {
	if class == 0 {
		return simText{}
	}
	out := simText{class: class}
	for n := class; n > 0 || out.text == ""; n /= len(a.letters) {
		forms := a.letters[n%len(a.letters)]
		out.text += forms[rng.IntN(len(forms))]
	}
	return out
}

// asks tells whether a server is asked about two texts. Pairs that are asked about are reported apart from others, each
// with its first; that is all that the truth knows of the prefilter.
func (a *simAlphabet) asks(x, y string) bool {
	mode := foldOf([2]textType{{a.charset, a.collation}, {a.charset, a.collation}})
	fold := func(s string) string { return string(appendFolded(nil, mode, []byte(s))) }
	return x != y && fold(x) == fold(y) && !surelyDifferent(mode, []byte(x), []byte(y))
}
