package binlog

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/hex"
	"io"
	"net/netip"
	"strconv"
)

// formatSpecial prints MariaDB's UUID, INET4 and INET6, which are stored as
// bytes and lose trailing zero bytes in the log.
func formatSpecial(kind byte, s []byte, v *Value) {
	var b [16]byte
	copy(b[:], s)
	switch kind {
	case specialINET4:
		v.Text = netip.AddrFrom4([4]byte(b[:4])).AppendTo(nil)
	case specialINET6:
		v.Text = appendINET6(nil, b)
	default:
		v.Text = appendUUID(nil, b)
	}
}

// appendUUID prints a UUID from its stored form: MariaDB stores versions 1 to 5
// with the groups in reverse order, so that they sort by node and time, and
// others as they are printed. Which one it is shows in the variant bits.
func appendUUID(out []byte, s [16]byte) []byte {
	// Swapped storage is node(6) clock(2) time_hi(2) time_mid(2) time_low(4).
	var b [16]byte
	copy(b[0:], s[12:16])
	copy(b[4:], s[10:12])
	copy(b[6:], s[8:10])
	copy(b[8:], s[6:8])
	copy(b[10:], s[0:6])
	if !swappedUUID(s) {
		b = s
	}
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			out = append(out, '-')
		}
		out = hex.AppendEncode(out, part)
	}
	return out
}

// swappedUUID mirrors the server's rule on the stored bytes: those that, swapped
// back, have the RFC 4122 variant and a version of 1 to 5. (Servers before
// 10.10.6 and 10.11.5 swapped all; their tables keep to it until rebuilt.)
func swappedUUID(s [16]byte) bool {
	return s[6]&0x80 != 0 && s[8] > 0 && s[8] < 0x60
}

// appendINET6 prints an address as the servers' INET6 does: unlike Go, they
// shorten a single zero group, too, and print compatible IPv4 addresses with
// dots.
func appendINET6(out []byte, b [16]byte) []byte {
	var groups [8]uint16
	for i := range groups {
		groups[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	gap, gapLen := -1, 0
	for i := 0; i < 8; i++ {
		n := 0
		for i+n < 8 && groups[i+n] == 0 {
			n++
		}
		if n > gapLen {
			gap, gapLen = i, n
		}
	}
	for i := 0; i < 8; i++ {
		if i == gap {
			if i == 0 {
				out = append(out, ':')
			}
			out = append(out, ':')
			i += gapLen - 1
			continue
		}
		if i == 6 && gap == 0 && (gapLen == 6 || gapLen == 5 && groups[5] == 0xffff) {
			return netip.AddrFrom4([4]byte(b[12:])).AppendTo(out)
		}
		out = strconv.AppendUint(out, uint64(groups[i]), 16)
		if i < 7 {
			out = append(out, ':')
		}
	}
	return out
}

// compressed reads a value of a MariaDB COMPRESSED column: one byte that holds
// the method (0: not compressed), whether zlib's own frame is left out, and how
// many bytes the length takes; then the length and the data.
func (c *column) compressed(b []byte, v *Value, a *arena) (int, error) {
	n := int(c.meta)
	if c.typ == typeVarcharCompressed {
		n = 1
		if c.meta > 255 {
			n = 2
		}
	}
	end, err := skipBlob(b, n)
	if err != nil {
		return 0, err
	}
	raw := b[n:end:end]
	if len(raw) == 0 {
		v.Text = raw
		return end, nil
	}
	plainText, err := inflateColumn(raw)
	if err != nil {
		return 0, err
	}
	c.convert(plainText, v, a)
	return end, nil
}

func inflateColumn(raw []byte) ([]byte, error) {
	method, sizeBytes := raw[0]>>4, int(raw[0]&7)
	if method == 0 {
		return raw[1:], nil
	}
	if len(raw) < 1+sizeBytes {
		return nil, errShort
	}
	size := bigEndian(raw[1 : 1+sizeBytes])
	if size > uint64(len(raw))*maxRatio {
		return nil, errShort
	}
	body := bytes.NewReader(raw[1+sizeBytes:])
	src := flate.NewReader(body)
	if raw[0]&8 == 0 { // column_compression_zlib_wrap was on
		var err error
		if src, err = zlib.NewReader(body); err != nil {
			return nil, err
		}
	}
	defer src.Close()
	out := make([]byte, size)
	_, err := io.ReadFull(src, out)
	return out, err
}
