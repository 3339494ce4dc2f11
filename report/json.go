package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// renderJSON writes v as indented JSON. Characters that could steer a terminal are escaped: JSON demands it only below
// U+0020, yet U+009B starts an escape sequence too, and people do look at JSON in terminals.
func renderJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeHidden(b.Bytes()))
	return err
}

// escapeHidden works on encoded JSON, where such characters can stand in strings only.
func escapeHidden(doc []byte) []byte {
	out := make([]byte, 0, len(doc))
	for len(doc) > 0 {
		plain := 0 // most of it is ASCII, for which asking about each character is slow
		for plain < len(doc) && doc[plain] >= 0x20 && doc[plain] < 0x7f {
			plain++
		}
		out, doc = append(out, doc[:plain]...), doc[plain:]
		if len(doc) == 0 {
			break
		}
		r, n := utf8.DecodeRune(doc)
		switch {
		case r == '\n' || !hidden(r):
			out = append(out, doc[:n]...)
		case r > 0xFFFF:
			hi, lo := (r-0x10000)>>10+0xD800, (r-0x10000)&0x3FF+0xDC00
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		doc = doc[n:]
	}
	return out
}
