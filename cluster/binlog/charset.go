package binlog

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// charset turns a column's bytes into utf8mb4 as the server does for a session
// with character_set_results=utf8mb4. A nil *charset stands for bytes that
// need no change.
type charset struct {
	name string
	one  *[256]rune // of single-byte character sets
	wide func(dst, src []byte) []byte
}

// lookupCharset finds the conversion of a character set by its server name.
// known is false where there is none: values are then delivered as Opaque.
func lookupCharset(name string) (cs *charset, known bool) {
	switch name {
	case "utf8mb4", "utf8mb3", "utf8", "ascii", "binary":
		return nil, true
	case "ucs2":
		return &charset{name: name, wide: appendUCS2}, true
	case "utf16":
		return &charset{name: name, wide: appendUTF16BE}, true
	case "utf16le":
		return &charset{name: name, wide: appendUTF16LE}, true
	case "utf32":
		return &charset{name: name, wide: appendUTF32}, true
	}
	if cm := singleByte(name); cm != nil {
		return &charset{name: name, one: runesOf(name, cm)}, true
	}
	return nil, false
}

// singleByte lists the character sets whose tables equal the servers' own; a
// test compares every byte of each with a real server.
func singleByte(name string) *charmap.Charmap {
	switch name {
	case "latin1":
		return charmap.Windows1252 // what MySQL calls latin1
	case "latin2":
		return charmap.ISO8859_2
	case "latin5":
		return charmap.ISO8859_9
	case "hebrew":
		return charmap.ISO8859_8
	case "cp850":
		return charmap.CodePage850
	case "cp852":
		return charmap.CodePage852
	case "cp866":
		return charmap.CodePage866
	case "cp1250":
		return charmap.Windows1250
	case "cp1251":
		return charmap.Windows1251
	case "cp1256":
		return charmap.Windows1256
	case "koi8r":
		return charmap.KOI8R
	}
	return nil
}

// runesOf builds the table. Bytes that have no character print as '?', or as
// control characters where the servers' tables have them. Some of the servers'
// tables are older than ours.
func runesOf(name string, cm *charmap.Charmap) *[256]rune {
	var t [256]rune
	for i := range t {
		t[i] = cm.DecodeByte(byte(i))
		if t[i] == utf8.RuneError {
			t[i] = '?'
			if i < 0xa0 && (name == "latin1" || name == "latin2" || name == "hebrew") {
				t[i] = rune(i)
			}
		}
	}
	switch name {
	case "hebrew":
		t[0xaf] = '‾'
	case "cp866":
		t[0xfc], t[0xfd] = 'ⁿ', '²'
	case "cp1256":
		for _, b := range []byte{0x8a, 0x8f, 0x98, 0x9a, 0x9f, 0xaa, 0xc0, 0xff} {
			t[b] = '?'
		}
	}
	return &t
}

func (c *charset) appendUTF8(dst, src []byte) []byte {
	if c.wide != nil {
		return c.wide(dst, src)
	}
	for _, b := range src {
		if b < utf8.RuneSelf {
			dst = append(dst, b)
			continue
		}
		dst = utf8.AppendRune(dst, c.one[b])
	}
	return dst
}

func appendUCS2(dst, src []byte) []byte {
	for len(src) >= 2 {
		dst = utf8.AppendRune(dst, rune(binary.BigEndian.Uint16(src)))
		src = src[2:]
	}
	return dst
}

func appendUTF16BE(dst, src []byte) []byte { return appendUTF16(dst, src, binary.BigEndian) }

func appendUTF16LE(dst, src []byte) []byte { return appendUTF16(dst, src, binary.LittleEndian) }

func appendUTF16(dst, src []byte, order binary.ByteOrder) []byte {
	for len(src) >= 2 {
		r := rune(order.Uint16(src))
		src = src[2:]
		if utf16.IsSurrogate(r) && len(src) >= 2 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(src))); pair != utf8.RuneError {
				r, src = pair, src[2:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func appendUTF32(dst, src []byte) []byte {
	for len(src) >= 4 {
		dst = utf8.AppendRune(dst, rune(binary.BigEndian.Uint32(src)))
		src = src[4:]
	}
	return dst
}
