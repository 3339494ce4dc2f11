package ledger

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"crosscheck/checksum"
	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
)

// gzipFrom is the size in bytes from which JSON is compressed; below it stays readable in the sqlite3 shell.
const gzipFrom = 4 << 10

// encodeJSON returns v as JSON: a string if it is short, else gzipped bytes. SQLite stores the one as TEXT, the other as
// BLOB, and so a reader can tell them apart.
func encodeJSON(v any) (any, int, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, 0, err
	}
	plain := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if len(plain) < gzipFrom {
		return string(plain), len(plain), nil
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, 0, err
	}
	if _, err := z.Write(plain); err != nil {
		return nil, 0, err
	}
	if err := z.Close(); err != nil {
		return nil, 0, err
	}
	return packed.Bytes(), packed.Len(), nil
}

// decodeJSON reads what encodeJSON stored. A NULL or an empty list leaves v as it is.
func decodeJSON(stored, v any) error {
	switch s := stored.(type) {
	case nil:
		return nil
	case string:
		if s == "[]" {
			return nil // an empty list, as most rows have it, costs nothing and is the nil one again
		}
		return json.Unmarshal([]byte(s), v)
	case []byte:
		z, err := gzip.NewReader(bytes.NewReader(s))
		if err != nil {
			return err
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			return err
		}
		return json.Unmarshal(plain, v)
	default:
		return fmt.Errorf("stored value of unexpected type %T", stored)
	}
}

// encodeImage returns a row for row_images, or nil for no row. JSON cannot hold bytes that are not UTF-8; an image with
// such is refused rather than changed, because it is to be executed one day.
func encodeImage(row []checksum.Cell) (any, int, error) {
	if row == nil {
		return nil, 0, nil
	}
	for _, c := range row {
		if !utf8.ValidString(c.Column) || !utf8.ValidString(c.Literal) || !utf8.ValidString(c.Guard) {
			return nil, 0, fmt.Errorf("SQL of column %q is not UTF-8", c.Column)
		}
	}
	return encodeJSON(row)
}

// maxBoundText keeps a bound of long strings readable, in characters per column.
const maxBoundText = 64

// boundText shows a bound to a person: its values with commas, "" for none.
func boundText(b chunker.Bound) string {
	parts := make([]string, 0, len(b))
	for _, p := range b {
		parts = append(parts, paramText(p))
	}
	return strings.Join(parts, ", ")
}

// The parameter types that bounds are made of besides strings, by their numbers in the protocol.
const (
	typeTiny, typeShort, typeLong, typeFloat, typeDouble, typeLongLong = 1, 2, 3, 4, 5, 8
)

func paramText(p rowstream.Param) string {
	v := p.Value
	switch {
	case v == nil:
		return "NULL"
	case p.Type == typeFloat && len(v) == 4:
		return strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(v))), 'g', -1, 32)
	case p.Type == typeDouble && len(v) == 8:
		return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(v)), 'g', -1, 64)
	case p.Type == typeTiny && len(v) == 1, p.Type == typeShort && len(v) == 2,
		p.Type == typeLong && len(v) == 4, p.Type == typeLongLong && len(v) == 8:
		return integerText(v, p.Unsigned)
	}
	if s, ok := lengthEncoded(v); ok && utf8.Valid(s) {
		text := []rune(string(s))
		if len(text) > maxBoundText {
			return strconv.Quote(string(text[:maxBoundText])) + "…"
		}
		return strconv.Quote(string(s))
	}
	return "0x" + hex.EncodeToString(v[:min(len(v), maxBoundText/2)])
}

func integerText(v []byte, unsigned bool) string {
	var u uint64
	for i := range v {
		u |= uint64(v[i]) << (8 * i)
	}
	if unsigned {
		return strconv.FormatUint(u, 10)
	}
	shift := 64 - 8*len(v)
	return strconv.FormatInt(int64(u<<shift)>>shift, 10)
}

// lengthEncoded strips a parameter's length prefix; ok is false if the rest has another length.
func lengthEncoded(v []byte) (s []byte, ok bool) {
	if len(v) == 0 {
		return nil, false
	}
	head, n := 1, uint64(v[0])
	switch v[0] {
	case 0xfc:
		head = 3
	case 0xfd:
		head = 4
	case 0xfe:
		head = 9
	case 0xfb, 0xff:
		return nil, false
	}
	if head > 1 {
		if len(v) < head {
			return nil, false
		}
		n = 0
		for i := 1; i < head; i++ {
			n |= uint64(v[i]) << (8 * (i - 1))
		}
	}
	return v[head:], uint64(len(v)-head) == n
}
