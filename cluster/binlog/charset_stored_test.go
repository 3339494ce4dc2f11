package binlog

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Text leads back to the bytes that it came from, or is said not to.
func TestStoredText(t *testing.T) {
	for _, c := range []struct {
		charset, stored string
		ok              bool
	}{
		{"cp1251", "\xcf\xf0", true},
		{"cp1251", "\x98", false}, // has no character
		{"koi8r", "\x80a", true},
		{"ucs2", "\x00a\xd8\x00", false}, // half a surrogate pair
		{"ucs2", "\x04\x16", true},
		{"utf16", "\xd8\x34\xdd\x1e", true},
		{"utf16le", "\x34\xd8\x1e\xdd", true},
		{"utf32", "\x00\x01\xd1\x1e", true},
		{"utf8mb4", "\xe9", false},
		{"cp932", "a", false}, // not known
	} {
		text, ok := LogText(c.charset, []byte(c.stored))
		if ok != c.ok {
			t.Errorf("%s %X: %q, %v", c.charset, c.stored, text, ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		cs := rapid.SampledFrom([]string{"latin1", "latin2", "latin5", "hebrew", "cp850", "cp852", "cp866", "cp1250", "cp1251", "cp1256", "koi8r", "ucs2", "utf16", "utf16le", "utf32"}).Draw(t, "charset")
		stored := rapid.SliceOf(rapid.Byte()).Draw(t, "stored")
		text, ok := LogText(cs, stored)
		if !ok {
			return
		}
		if back, sure := StoredText(cs, text); !sure || !bytes.Equal(back, stored) {
			t.Fatalf("%X became %q became %X", stored, text, back)
		}
	})
}
