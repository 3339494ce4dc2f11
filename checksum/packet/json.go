package packet

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is more than any server stores (MySQL 100, MariaDB 32 levels).
const maxJSONDepth = 1000

// CanonicalJSON rewrites a JSON text so that two texts become the same bytes exactly if they are the same document:
// members sorted by name with the last of equal names kept, as servers do; no white space; strings without needless
// escapes; integers of up to 64 bits by their digits, other numbers as the nearest DOUBLE, which is what MySQL's JSON
// type holds. Text that is not valid JSON is only equal to itself.
//
// It is another form than binlog.CanonicalJSON on purpose. Here 1 and 1.0 stay apart, since a check must not call two
// documents the same that MySQL keeps apart, and decimals meet in a DOUBLE, which a MySQL server has stored them as. There
// the form must be the one that MySQL's binary JSON can be turned into, decimals exact, and invalid text is an error.
func CanonicalJSON(text []byte) []byte {
	r := jsonReader{in: text}
	out, ok := r.value(make([]byte, 0, len(text)), 0)
	r.space()
	if !ok || r.at != len(r.in) {
		return append([]byte{0xff}, text...) // no canonical form begins with this byte
	}
	return out
}

// jsonReader reads one JSON text. Its methods append canonical forms and report whether the text was valid.
type jsonReader struct {
	in []byte
	at int
}

func (r *jsonReader) space() {
	for r.at < len(r.in) && (r.in[r.at] == ' ' || r.in[r.at] == '\t' || r.in[r.at] == '\n' || r.in[r.at] == '\r') {
		r.at++
	}
}

// take skips c behind white space, if it is next.
func (r *jsonReader) take(c byte) bool {
	r.space()
	if r.at < len(r.in) && r.in[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) value(dst []byte, depth int) ([]byte, bool) {
	r.space()
	if r.at >= len(r.in) || depth > maxJSONDepth {
		return dst, false
	}
	switch c := r.in[r.at]; {
	case c == '{':
		return r.object(dst, depth)
	case c == '[':
		return r.array(dst, depth)
	case c == '"':
		return r.text(dst)
	case c == '-' || c >= '0' && c <= '9':
		return r.number(dst)
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(r.in[r.at:], []byte(word)) {
			r.at += len(word)
			return append(dst, word...), true
		}
	}
	return dst, false
}

func (r *jsonReader) array(dst []byte, depth int) ([]byte, bool) {
	r.at++
	dst = append(dst, '[')
	if r.take(']') {
		return append(dst, ']'), true
	}
	for {
		var ok bool
		if dst, ok = r.value(dst, depth+1); !ok {
			return dst, false
		}
		switch {
		case r.take(','):
			dst = append(dst, ',')
		case r.take(']'):
			return append(dst, ']'), true
		default:
			return dst, false
		}
	}
}

func (r *jsonReader) object(dst []byte, depth int) ([]byte, bool) {
	type member struct{ name, value []byte }
	var members []member
	r.at++
	for more := !r.take('}'); more; {
		r.space()
		if r.at >= len(r.in) || r.in[r.at] != '"' {
			return dst, false
		}
		name, ok := r.text(nil)
		if !ok || !r.take(':') {
			return dst, false
		}
		value, ok := r.value(nil, depth+1)
		if !ok {
			return dst, false
		}
		members = append(members, member{name, value})
		if more = r.take(','); !more && !r.take('}') {
			return dst, false
		}
	}
	slices.SortStableFunc(members, func(a, b member) int { return cmp.Compare(string(a.name), string(b.name)) })
	dst = append(dst, '{')
	first := true
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.name, members[i+1].name) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, m.name...), ':'), m.value...)
	}
	return append(dst, '}'), true
}

// text reads a string. A surrogate that has no other half is kept as the three bytes it would have as a character: valid
// UTF-8 has no such bytes.
func (r *jsonReader) text(dst []byte) ([]byte, bool) {
	r.at++
	dst = append(dst, '"')
	for r.at < len(r.in) {
		switch c := r.in[r.at]; {
		case c == '"':
			r.at++
			return append(dst, '"'), true
		case c < 0x20:
			return dst, false
		case c == '\\':
			char, ok := r.escape()
			if !ok {
				return dst, false
			}
			if char == '"' || char == '\\' {
				dst = append(dst, '\\')
			}
			if utf16.IsSurrogate(char) {
				dst = append(dst, 0xe0|byte(char>>12), 0x80|byte(char>>6)&0x3f, 0x80|byte(char)&0x3f)
			} else {
				dst = utf8.AppendRune(dst, char)
			}
		default:
			char, size := utf8.DecodeRune(r.in[r.at:])
			if char == utf8.RuneError && size < 2 {
				return dst, false
			}
			dst = append(dst, r.in[r.at:r.at+size]...)
			r.at += size
		}
	}
	return dst, false
}

// escape reads a backslash and what belongs to it; two halves of a surrogate pair are one character.
func (r *jsonReader) escape() (rune, bool) {
	r.at++
	if r.at >= len(r.in) {
		return 0, false
	}
	c := r.in[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		char, ok := r.hex()
		if !ok || !utf16.IsSurrogate(char) || !bytes.HasPrefix(r.in[r.at:], []byte(`\u`)) {
			return char, ok
		}
		back := r.at
		r.at += 2
		low, ok := r.hex()
		if pair := utf16.DecodeRune(char, low); ok && pair != utf8.RuneError {
			return pair, true
		}
		r.at = back
		return char, true
	}
	return 0, false
}

func (r *jsonReader) hex() (rune, bool) {
	if r.at+4 > len(r.in) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.in[r.at:r.at+4]), 16, 16)
	r.at += 4
	return rune(n), err == nil
}

// number reads a number: integers of up to 64 bits exactly and everything else as the nearest double, marked by an
// exponent so that 1 and 1.0, which MySQL keeps apart, stay apart.
func (r *jsonReader) number(dst []byte) ([]byte, bool) {
	start := r.at
	digits := func() bool {
		from := r.at
		for r.at < len(r.in) && r.in[r.at] >= '0' && r.in[r.at] <= '9' {
			r.at++
		}
		return r.at > from
	}
	next := func(chars string) bool {
		if r.at < len(r.in) && bytes.IndexByte([]byte(chars), r.in[r.at]) >= 0 {
			r.at++
			return true
		}
		return false
	}
	next("-")
	zero := next("0")
	if !zero && !digits() {
		return dst, false
	}
	whole := true
	if next(".") {
		if whole = false; !digits() {
			return dst, false
		}
	}
	if next("eE") {
		whole = false
		next("+-")
		if !digits() {
			return dst, false
		}
	}
	n := string(r.in[start:r.at])
	if whole {
		if i, ok := new(big.Int).SetString(n, 10); ok && (i.IsInt64() || i.IsUint64()) {
			return i.Append(dst, 10), true
		}
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil { // beyond a double: its digits
		return append(dst, n...), true
	}
	return strconv.AppendFloat(dst, f, 'e', -1, 64), true
}
