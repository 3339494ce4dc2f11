package packet

import (
	"fmt"
	"slices"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster/rowstream"
)

// Canonical appends a copy of a row packet in which the JSON text of the given columns stands in canonical form.
func Canonical(dst, packet []byte, columns []rowstream.Column, jsonColumns []int) ([]byte, error) {
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
		text := CanonicalJSON(value[head:])
		dst = append(dst, mysql.PutLengthEncodedInt(uint64(len(text)))...)
		dst = append(dst, text...)
	}
	return dst, nil
}

// isNull reads a column's bit in a row packet's NULL bitmap.
func isNull(packet []byte, column int) bool {
	return packet[1+(column+2)/8]&(1<<((column+2)%8)) != 0
}
