package binlog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

var errJSON = errors.New("malformed JSON")

// jsonDepth is above MySQL's own limit of nesting (100).
const jsonDepth = 256

// CanonicalJSON brings a JSON text as servers print it into the form in which
// JSON values of the binary log are delivered: no spaces, object keys ordered
// by length and then bytes with the last of duplicates kept, strings with the
// fewest escapes, numbers as integer or as digits and a power of ten, so that
// 1.50, 1.5 and 15e-1 are one text. Integers and equal decimals are not told
// apart.
//
// Package checksum has a form of its own, on purpose: it compares the texts of two
// servers, where 1 and 1.0 are two documents and invalid text must be equal to
// itself. Here texts meet binary JSON, whose object keys are ordered by length and
// whose decimals are exact.
func CanonicalJSON(text []byte) ([]byte, error) {
	p := &jsonParser{in: text}
	out, err := p.value(make([]byte, 0, len(text)), 0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(p.in) {
		return nil, fmt.Errorf("%w: more text after the value at byte %d", errJSON, p.pos)
	}
	return out, nil
}

type jsonParser struct {
	in  []byte
	pos int
}

func (p *jsonParser) space() {
	for p.pos < len(p.in) && bytes.IndexByte([]byte(" \t\r\n"), p.in[p.pos]) >= 0 {
		p.pos++
	}
}

// peek is the next byte after spaces, 0 at the end.
func (p *jsonParser) peek() byte {
	p.space()
	if p.pos == len(p.in) {
		return 0
	}
	return p.in[p.pos]
}

func (p *jsonParser) fail() error { return fmt.Errorf("%w at byte %d", errJSON, p.pos) }

func (p *jsonParser) take(c byte) bool {
	if p.peek() != c || p.pos == len(p.in) {
		return false
	}
	p.pos++
	return true
}

func (p *jsonParser) value(out []byte, depth int) ([]byte, error) {
	if depth > jsonDepth {
		return nil, fmt.Errorf("%w: nested too deep", errJSON)
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(out, depth)
	case c == '[':
		return p.array(out, depth)
	case c == '"':
		s, err := p.str()
		return appendJSONString(out, s), err
	case c == '-' || c >= '0' && c <= '9':
		return p.number(out)
	}
	for _, word := range []string{"null", "true", "false"} {
		if bytes.HasPrefix(p.in[p.pos:], []byte(word)) {
			p.pos += len(word)
			return append(out, word...), nil
		}
	}
	return nil, p.fail()
}

func (p *jsonParser) array(out []byte, depth int) (_ []byte, err error) {
	p.pos++
	out = append(out, '[')
	if p.take(']') {
		return append(out, ']'), nil
	}
	for {
		if out, err = p.value(out, depth+1); err != nil {
			return nil, err
		}
		if p.take(']') {
			return append(out, ']'), nil
		}
		if !p.take(',') {
			return nil, p.fail()
		}
		out = append(out, ',')
	}
}

// member is one of an object; its value is canonical already.
type member struct{ key, value []byte }

func (p *jsonParser) object(out []byte, depth int) ([]byte, error) {
	p.pos++
	var members []member
	if p.take('}') {
		return append(out, "{}"...), nil
	}
	for {
		if p.peek() != '"' {
			return nil, p.fail()
		}
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		if !p.take(':') {
			return nil, p.fail()
		}
		val, err := p.value(nil, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, member{key, val})
		if p.take('}') {
			return appendMembers(out, members), nil
		}
		if !p.take(',') {
			return nil, p.fail()
		}
	}
}

func appendMembers(out []byte, members []member) []byte {
	slices.SortStableFunc(members, func(a, b member) int {
		if len(a.key) != len(b.key) {
			return len(a.key) - len(b.key)
		}
		return bytes.Compare(a.key, b.key)
	})
	out = append(out, '{')
	wrote := false
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.key, members[i+1].key) {
			continue // a later duplicate wins
		}
		if wrote {
			out = append(out, ',')
		}
		wrote = true
		out = append(appendJSONString(out, m.key), ':')
		out = append(out, m.value...)
	}
	return append(out, '}')
}

// str reads a string and undoes its escapes.
func (p *jsonParser) str() ([]byte, error) {
	p.pos++
	out := []byte{}
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		p.pos++
		switch c {
		case '"':
			return out, nil
		case '\\':
			var err error
			if out, err = p.escape(out); err != nil {
				return nil, err
			}
		default:
			out = append(out, c)
		}
	}
	return nil, p.fail()
}

func (p *jsonParser) escape(out []byte) ([]byte, error) {
	if p.pos == len(p.in) {
		return nil, p.fail()
	}
	c := p.in[p.pos]
	p.pos++
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 {
		return append(out, "\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return nil, p.fail()
	}
	r, err := p.hex4()
	if err != nil {
		return nil, err
	}
	if utf16.IsSurrogate(r) && bytes.HasPrefix(p.in[p.pos:], []byte(`\u`)) {
		back := p.pos
		p.pos += 2
		low, err := p.hex4()
		if err != nil {
			return nil, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), nil
		}
		p.pos = back
	}
	return utf8.AppendRune(out, r), nil
}

func (p *jsonParser) hex4() (rune, error) {
	if p.pos+4 > len(p.in) {
		return 0, p.fail()
	}
	u, err := strconv.ParseUint(string(p.in[p.pos:p.pos+4]), 16, 16)
	if err != nil {
		return 0, p.fail()
	}
	p.pos += 4
	return rune(u), nil
}

func (p *jsonParser) number(out []byte) ([]byte, error) {
	start := p.pos
	for p.pos < len(p.in) && bytes.IndexByte([]byte("+-0123456789.eE"), p.in[p.pos]) >= 0 {
		p.pos++
	}
	out, ok := appendCanonicalNumber(out, p.in[start:p.pos])
	if !ok {
		p.pos = start
		return nil, p.fail()
	}
	return out, nil
}

// integerDigits is how many digits the largest BIGINT UNSIGNED has: integers up
// to there are printed in full.
const integerDigits = 20

// appendCanonicalNumber prints a decimal literal exactly, without a float in
// between.
func appendCanonicalNumber(out, lit []byte) ([]byte, bool) {
	neg := len(lit) > 0 && lit[0] == '-'
	if neg {
		lit = lit[1:]
	}
	mantissa, exp, hasExp := lit, 0, false
	if i := bytes.IndexAny(lit, "eE"); i >= 0 {
		e, err := strconv.ParseInt(string(lit[i+1:]), 10, 32)
		if err != nil {
			return nil, false
		}
		mantissa, exp, hasExp = lit[:i], int(e), true
	}
	whole, frac, dotted := bytes.Cut(mantissa, []byte{'.'})
	if len(whole) == 0 || dotted && len(frac) == 0 || !allDigits(whole) || !allDigits(frac) {
		return nil, false
	}
	digits := append(slices.Clone(whole), frac...)
	exp -= len(frac)
	digits = bytes.TrimLeft(digits, "0")
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
		exp++
	}
	if len(digits) == 0 {
		// Minus zero is a double only; as an integer it is zero.
		if neg && (dotted || hasExp) {
			return append(out, "-0.0"...), true
		}
		return append(out, '0'), true
	}
	if neg {
		out = append(out, '-')
	}
	out = append(out, digits...)
	switch {
	case exp == 0:
	case exp > 0 && len(digits)+exp <= integerDigits:
		out = append(out, bytes.Repeat([]byte{'0'}, exp)...)
	default:
		out = strconv.AppendInt(append(out, 'e'), int64(exp), 10)
	}
	return out, true
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func appendJSONString(out, s []byte) []byte {
	out = append(out, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = append(out, `\u00`...)
			out = append(out, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
