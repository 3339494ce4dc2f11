package binlog

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"crosscheck/cluster"
)

// KeyTuple takes a key's values out of a row, prefix parts cut to their length.
// ok is false where they cannot be had: a functional part, or a value that the
// image does not carry.
func KeyTuple(def *Table, key *cluster.Key, row Row) (tuple []Value, ok bool) {
	if row == nil {
		return nil, false
	}
	tuple = make([]Value, 0, len(key.Parts))
	for _, p := range key.Parts {
		i := def.index(p.Column)
		if p.Expression != "" || i < 0 || i >= len(row) || !row[i].Known() {
			return nil, false
		}
		v := row[i]
		if p.Prefix > 0 {
			v.Text = prefix(v.Text, p.Prefix, def.Columns[i].Charset != "binary" && def.Columns[i].Charset != "")
		}
		tuple = append(tuple, v)
	}
	return tuple, true
}

// index is Index, but letter case does not matter, as in servers.
func (t *Table) index(name string) int {
	if i := t.Index(name); i >= 0 {
		return i
	}
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// prefix is the first n characters or bytes.
func prefix(s []byte, n int, characters bool) []byte {
	if !characters {
		return s[:min(n, len(s))]
	}
	end := 0
	for range n {
		if end == len(s) {
			break
		}
		_, size := utf8.DecodeRune(s[end:])
		end += size
	}
	return s[:end]
}

// NormalizeText brings a value's text, as a server prints it to a utf8mb4
// session in UTC or as it stands in a row packet, into the form of this
// package. Bytes, strings, labels, dates and times are in it already.
func NormalizeText(c *cluster.Column, text []byte) ([]byte, error) {
	switch c.DataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return stripZeros(text), nil
	case "decimal":
		return stripZeros(text), nil
	case "year":
		for len(text) < 4 {
			text = append([]byte{'0'}, text...)
		}
		return text, nil
	case "float":
		f, err := strconv.ParseFloat(string(text), 32)
		return []byte(FormatFloat32(float32(f))), err
	case "double":
		f, err := strconv.ParseFloat(string(text), 64)
		return []byte(FormatFloat64(f)), err
	case "json":
		if c.Charset != "" { // MariaDB's JSON is text
			return text, nil
		}
		return CanonicalJSON(text)
	}
	return text, nil
}

// stripZeros takes the zeros of ZEROFILL off the front.
func stripZeros(text []byte) []byte {
	sign, digits := []byte(nil), text
	if len(text) > 0 && text[0] == '-' {
		sign, digits = text[:1], text[1:]
	}
	n := 0
	for n+1 < len(digits) && digits[n] == '0' && digits[n+1] != '.' {
		n++
	}
	if n == 0 {
		return text
	}
	return append(bytes.Clone(sign), digits[n:]...)
}
