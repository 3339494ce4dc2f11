package binlog

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// StoredText returns the bytes in which a column of the charset stores text, which is in the form of this package. ok is
// false where other bytes would have been written as the same text, or where the charset is not known.
func StoredText(charset string, text []byte) (stored []byte, ok bool) {
	cs, known := lookupCharset(charset)
	if !known || !utf8.Valid(text) || bytes.ContainsRune(text, utf8.RuneError) {
		return nil, false
	}
	if cs == nil {
		return text, true
	}
	stored = []byte{}
	for _, r := range string(text) {
		if stored, ok = cs.appendStored(stored, r); !ok {
			return nil, false
		}
	}
	return stored, bytes.Equal(cs.appendUTF8(nil, stored), text)
}

// LogText returns stored text of the charset in the form of this package, if StoredText leads back.
func LogText(charset string, stored []byte) (text []byte, ok bool) {
	cs, known := lookupCharset(charset)
	if !known {
		return nil, false
	}
	if text = stored; cs != nil {
		text = cs.appendUTF8([]byte{}, stored) // nil would be NULL
	}
	back, ok := StoredText(charset, text)
	return text, ok && bytes.Equal(back, stored)
}

// appendStored appends a character. ok is false where several codes, or none, stand for it.
func (c *charset) appendStored(dst []byte, r rune) (_ []byte, ok bool) {
	switch {
	case c.one != nil && r < utf8.RuneSelf:
		return append(dst, byte(r)), true
	case c.one != nil:
		at, n := 0, 0
		for i := utf8.RuneSelf; i < len(c.one); i++ {
			if c.one[i] == r {
				at = i
				n++
			}
		}
		return append(dst, byte(at)), n == 1
	case c.name == "utf32":
		return binary.BigEndian.AppendUint32(dst, uint32(r)), true
	case c.name == "ucs2":
		return binary.BigEndian.AppendUint16(dst, uint16(r)), r <= 0xffff
	case c.name == "utf16le":
		for _, unit := range utf16.Encode([]rune{r}) {
			dst = binary.LittleEndian.AppendUint16(dst, unit)
		}
		return dst, true
	}
	for _, unit := range utf16.Encode([]rune{r}) {
		dst = binary.BigEndian.AppendUint16(dst, unit)
	}
	return dst, true
}
