package binlog

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"io"
	"net/netip"
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

// swappedUUID mirrors the server's rule on the stored bytes: those with the
// RFC 4122 variant and a version of 6 or 7 at their printed place are unswapped.
func swappedUUID(s [16]byte) bool {
	return s[6] == 0 || s[6]&0xf0 > 0x70 || s[8]&0x80 == 0
}

// appendINET6 prints an address as the servers' INET6 does, which differs from
// Go in the mapped and compatible IPv4 forms.
func appendINET6(out []byte, b [16]byte) []byte {
	addr := netip.AddrFrom16(b)
	if addr.Is4In6() {
		return append(append(out, "::ffff:"...), addr.Unmap().String()...)
	}
	if bytes.Equal(b[:12], make([]byte, 12)) && (b[12] != 0 || b[13] != 0) {
		return append(append(out, "::"...), netip.AddrFrom4([4]byte(b[12:])).String()...)
	}
	return addr.AppendTo(out)
}

// compressed reads a value of a MariaDB COMPRESSED column: one byte that tells
// the method and how many bytes hold the length, the length, the zlib data.
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
	body := raw[1+sizeBytes:]
	var src io.Reader = bytes.NewReader(body)
	if raw[0]&8 == 0 { // the zlib header is left out only where this bit says so
		z, err := zlib.NewReader(src)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		src = z
	}
	out := make([]byte, size)
	_, err := io.ReadFull(src, out)
	return out, err
}
