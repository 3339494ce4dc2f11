package checksum

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster/rowstream"
)

// canonicalPacket appends a copy of a row packet in which the JSON text of the given columns stands in canonical form.
func canonicalPacket(dst, packet []byte, columns []rowstream.Column, jsonColumns []int) ([]byte, error) {
	at := valuesStart(len(columns))
	dst = append(dst, packet[:at]...)
	for i, c := range columns {
		if isNull(packet, i) {
			continue
		}
		size := c.Size(packet[at:])
		if size < 0 || at+size > len(packet) {
			return dst, fmt.Errorf("%w: value reaches beyond the packet", rowstream.ErrProtocol)
		}
		value := packet[at : at+size]
		at += size
		if !slices.Contains(jsonColumns, i) {
			dst = append(dst, value...)
			continue
		}
		_, _, head := mysql.LengthEncodedInt(value)
		text := canonicalJSON(value[head:])
		dst = append(dst, mysql.PutLengthEncodedInt(uint64(len(text)))...)
		dst = append(dst, text...)
	}
	return dst, nil
}

// isNull reads a column's bit in a row packet's NULL bitmap.
func isNull(packet []byte, column int) bool {
	return packet[1+(column+2)/8]&(1<<((column+2)%8)) != 0
}

// canonicalJSON rewrites a JSON text so that two texts of the same document become the same bytes: members sorted by
// name with the last of equal names kept, as servers do; no white space; numbers by value within their kind: integers
// by their digits, others as the nearest DOUBLE, which is what MySQL's JSON type holds. Text that is not valid JSON
// is returned as it is.
func canonicalJSON(text []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.More() {
		return text
	}
	return appendJSON(nil, v)
}

func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		dst = append(dst, '{')
		for i, name := range names {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(strconv.AppendQuote(dst, name), ':')
			dst = appendJSON(dst, v[name])
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e)
		}
		return append(dst, ']')
	case json.Number:
		return appendNumber(dst, string(v))
	case string:
		return strconv.AppendQuote(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	default:
		return append(dst, "null"...)
	}
}

// appendNumber writes integers of up to 64 bits exactly and everything else as the nearest double, marked by an
// exponent so that 1 and 1.0, which MySQL keeps apart, stay apart.
func appendNumber(dst []byte, n string) []byte {
	if !strings.ContainsAny(n, ".eE") {
		if i, ok := new(big.Int).SetString(n, 10); ok && (i.IsInt64() || i.IsUint64()) {
			return i.Append(dst, 10)
		}
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil {
		return append(dst, n...)
	}
	return strconv.AppendFloat(dst, f, 'e', -1, 64)
}
