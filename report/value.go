package report

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"crosscheck/checksum"
)

const (
	// maxValueBytes bounds a value in a document: a 20 MB blob helps nobody there, the bytes around its change do.
	maxValueBytes = 16 << 10
	// maxNatureBytes bounds the texts that are compared by case, accent and Unicode form; those copies are for hints only.
	maxNatureBytes = 64 << 10

	bullets = "••••"
	cutMark = "…"
)

var hexText = regexp.MustCompile(`^0x(?:[0-9A-Fa-f]{2})*$`)

// printable returns text that JSON can hold: bytes that are no UTF-8 would silently become U+FFFD there, and two values
// that differ could then look alike.
func printable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return "0x" + strings.ToUpper(hex.EncodeToString([]byte(s)))
}

func showDiff(c checksum.ColumnDiff) ValueDiff {
	old, new_, cut := cutPair(c.Old.Text, c.New.Text)
	d := ValueDiff{Column: c.Column, Nature: nature(c.Old, c.New), Cut: cut}
	if !c.Old.Null {
		old = printable(old)
		d.Old = &old
	}
	if !c.New.Null {
		new_ = printable(new_)
		d.New = &new_
	}
	return d
}

func maskDiff(c checksum.ColumnDiff) MaskedDiff {
	return MaskedDiff{Column: c.Column, Old: mask(c.Old), New: mask(c.New), Nature: nature(c.Old, c.New)}
}

// mask says what a value is without any part of it.
func mask(v checksum.Value) string {
	switch {
	case v.Null:
		return "NULL"
	case !utf8.ValidString(v.Text):
		return fmt.Sprintf("%s (%s)", bullets, plural(int64(len(v.Text)), "byte"))
	case hexText.MatchString(v.Text):
		return fmt.Sprintf("%s (%s)", bullets, plural(int64(len(v.Text)-2), "hex digit"))
	}
	n := plural(int64(utf8.RuneCountInString(v.Text)), "char")
	if isNumber(v.Text) {
		return fmt.Sprintf("%s (number, %s)", bullets, n)
	}
	return fmt.Sprintf("%s (%s)", bullets, n)
}

func isNumber(s string) bool {
	if s == "" || strings.ContainsAny(s, "xX_nNpP") { // ParseFloat also takes hex, Inf and NaN
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// nature names a difference that the eye misses, or that masking hides; "" if there is nothing to add.
func nature(a, b checksum.Value) string {
	x, y := a.Text, b.Text
	switch {
	case a.Null || b.Null:
		return ""
	case x == y:
		return "same text, different bytes"
	case len(x) > maxNatureBytes || len(y) > maxNatureBytes, hexText.MatchString(x) && hexText.MatchString(y):
		return ""
	case strings.TrimRight(x, " ") == strings.TrimRight(y, " "):
		return "trailing spaces only"
	case isNumber(x) && isNumber(y):
		return numberNature(x, y)
	case strings.EqualFold(x, y):
		return "letter case only"
	case norm.NFC.String(x) == norm.NFC.String(y):
		return "Unicode form only"
	case strings.EqualFold(withoutMarks(x), withoutMarks(y)):
		return "accents or case only"
	}
	return ""
}

func numberNature(x, y string) string {
	a, okA := parseDecimal(x)
	b, okB := parseDecimal(y)
	switch {
	case !okA || !okB:
	case a.digits == "" && b.digits == "" && a.negative != b.negative:
		return "sign of zero only"
	case a == b:
		return "same number, written differently"
	}
	return ""
}

// decimal is a number as 0.digits · 10^exponent, without zeros at either end of digits: equal numbers are equal values,
// however many digits they have.
type decimal struct {
	negative bool
	digits   string // "" for zero
	exponent int
}

// parseDecimal reads a number of any length exactly; an exponent beyond all that servers write is not read.
func parseDecimal(s string) (d decimal, ok bool) {
	s, d.negative = strings.CutPrefix(s, "-")
	s = strings.TrimPrefix(s, "+")
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		n, err := strconv.Atoi(s[at+1:])
		if err != nil || n < -1e6 || n > 1e6 {
			return d, false
		}
		s, d.exponent = s[:at], n
	}
	whole, fraction, _ := strings.Cut(s, ".")
	d.exponent += len(whole)
	all := whole + fraction
	d.digits = strings.TrimLeft(all, "0")
	d.exponent -= len(all) - len(d.digits)
	if d.digits = strings.TrimRight(d.digits, "0"); d.digits == "" {
		d.exponent = 0
	}
	return d, strings.Trim(d.digits, "0123456789") == ""
}

func withoutMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(s))
}

// cutPair shortens both texts to the same stretch around the first byte that differs, if one of them is too long.
func cutPair(a, b string) (_, _ string, cut bool) {
	if len(a) <= maxValueBytes && len(b) <= maxValueBytes {
		return a, b, false
	}
	from := max(0, firstDifference(a, b)-maxValueBytes/2)
	return window(a, from, maxValueBytes), window(b, from, maxValueBytes), true
}

func firstDifference(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// window returns about n bytes of s from byte from on, with whole characters and marks where it was cut.
func window(s string, from, n int) string {
	from = min(from, len(s))
	to := min(from+n, len(s))
	for from > 0 && from < len(s) && !utf8.RuneStart(s[from]) {
		from--
	}
	for to > from && to < len(s) && !utf8.RuneStart(s[to]) {
		to--
	}
	out := s[from:to]
	if from > 0 {
		out = cutMark + out
	}
	if to < len(s) {
		out += cutMark
	}
	return out
}
