package packet

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCanonicalJSONKeepsDocumentsApart(t *testing.T) {
	for _, texts := range [][]string{
		{`1`, `1.0`, `-1`, `"1"`, `true`, `null`, `[1]`, `{"1":1}`, ``, ` `},
		{`"\ud800"`, `"\udfff"`, `"\ud801"`, `"�"`, `"?"`, `"𐀀"`}, // halves of surrogate pairs are not one character
		{"\"\xff\"", "\"\xfe\"", `"�"`},                           // not UTF-8: only equal to itself
		{`{"a":1}`, `{"a":1}}`, `{"a":1}]`, `{"a":1} 2`, `{"a":1},`, `{"A":1}`, `{"a":1,"b":1}`},
		{`0.1`, `0.10000000000000002`, `-0.0`, `0`, `0.0`},
		{`18446744073709551615`, `18446744073709551614`, `18446744073709551616`, `9223372036854775807`, `-9223372036854775808`},
		{`"a\"b"`, `"ab"`, `"a\\\"b"`, `"a\\b"`, `"a\b"`},
		{`"\u0000"`, `""`, `" "`},
		{`01`, `1`, `1.`, `.1`, `+1`, `1e`, `-`},
		{`["a","b"]`, `["a,b"]`, `["b","a"]`, `["a\",\"b"]`},
		{`{"a":{"b":1}}`, `{"a":{},"b":1}`, `{"a":[{"b":1}]}`},
		{`{"a":1,"a":2}`, `{"a":1}`},
		{`tru`, `true`, `truee`},
		{`[1,]`, `[1]`, `[,1]`, `[`, `]`, `{`, `{"a"}`, `{"a":}`},
		{`"\x7f"`, "\"\u007f\""},
		{`1e400`, `1e401`, `-1e400`},
	} {
		seen := make(map[string]string)
		for _, text := range texts {
			c := string(CanonicalJSON([]byte(text)))
			if other, twice := seen[c]; twice {
				t.Errorf("%q and %q have one canonical form %q", text, other, c)
			}
			seen[c] = text
		}
	}
}

func TestCanonicalJSONOfOneDocument(t *testing.T) {
	for _, texts := range [][]string{
		{`{"a":1,"b":[1,2]}`, "{ \"b\" :\t[1 , 2],\r\n\"a\":1 } "},
		{`"é\/𝄞"`, `"\u00e9/\ud834\udd1e"`, `"\u00E9\/\uD834\uDD1E"`},
		{`100.0`, `1e2`, `1E+2`, `1.0e2`},
		{`18446744073709551616`, `1.8446744073709552e19`},
		{`{"a":2}`, `{"a":1,"a":2}`},
		{`-0`, `0`},
		{`"\n\t\b\f\r"`, `"\u000a\u0009\u0008\u000c\u000d"`},
		{`[]`, `[ ]`},
		{`{}`, ` { } `},
		{strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat("[ ", 100) + strings.Repeat("]", 100)},
	} {
		want := string(CanonicalJSON([]byte(texts[0])))
		for _, text := range texts[1:] {
			if got := string(CanonicalJSON([]byte(text))); got != want {
				t.Errorf("%q gives %q, %q gives %q", text, got, texts[0], want)
			}
		}
	}
}

// What encoding/json takes for valid, CanonicalJSON must not take for invalid, and the other way round, except where
// encoding/json replaces bytes that are not UTF-8.
func TestCanonicalJSONJudgesLikeTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune(`{}[]",:\u0a1.eE+-tnrfalsé `))).Draw(t, "text")
		valid := CanonicalJSON([]byte(text))[0] != 0xff
		if valid != json.Valid([]byte(text)) {
			t.Fatalf("%q: valid %v, encoding/json says %v", text, valid, !valid)
		}
	})
}

func TestDeepJSONIsOnlyEqualToItself(t *testing.T) {
	deep := strings.Repeat("[", 1<<20)
	if c := CanonicalJSON([]byte(deep)); c[0] != 0xff || string(c[1:]) != deep {
		t.Error("a text of a million brackets got a canonical form")
	}
}
