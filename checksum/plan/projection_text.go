package plan

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"crosscheck/cluster"
)

// trimmed compares byte strings without the zero bytes with which BINARY(n) is padded.
func trimmed(o, n *cluster.Column) Projection {
	one := func(c *cluster.Column) string { return "TRIM(TRAILING X'00' FROM " + cluster.Quote(c.Name) + ")" }
	return Projection{
		Old: one(o), New: one(n),
		lossy: fmt.Sprintf("%s: %s and %s are compared without zero bytes at the end", o.Name, o.ColumnType, n.ColumnType),
	}
}

// padded compares BINARY of two lengths: the shorter value as the longer column would hold it.
func padded(o, n *cluster.Column) Projection {
	p := bare(o, n)
	if o.CharLen < n.CharLen {
		p.Old = fmt.Sprintf("RPAD(%s,%d,X'00')", p.Old, n.CharLen)
	} else {
		p.New = fmt.Sprintf("RPAD(%s,%d,X'00')", p.New, o.CharLen)
	}
	return p
}

// asText selects a column as the server writes it in utf8mb4, and one of bytes as these: as text, a server would change those
// that are none. Of a VECTOR no server makes text: it says so, and the table is undecided.
func asText(c *cluster.Column) string {
	switch k := ClassOf(c); {
	case k == ClassText:
		return inUTF8(c)
	case k == ClassFixedBytes, k == ClassBytes && c.DataType != "vector":
		return cluster.Quote(c.Name)
	case k == ClassBit:
		return "CAST(" + cluster.Quote(c.Name) + " AS BINARY)"
	}
	return "CAST(" + cluster.Quote(c.Name) + " AS CHAR)"
}

// addressBytes selects a UUID or an address as its bytes, and other columns as they are.
func addressBytes(c *cluster.Column) string {
	text := "CAST(" + cluster.Quote(c.Name) + " AS CHAR)"
	switch ClassOf(c) {
	case ClassUUID:
		return "UNHEX(REPLACE(" + text + ",'-',''))"
	case ClassInet:
		return "INET6_ATON(" + text + ")"
	default:
		return cluster.Quote(c.Name)
	}
}

// mappedAddress writes an address of IPv4 as the address of IPv6 that stands for it, which INET6 has for it.
func mappedAddress(address string) string {
	return "IF(LENGTH(" + address + ")=4,CONCAT(X'00000000000000000000FFFF'," + address + ")," + address + ")"
}

// canonicalTexts compares text with a UUID or an address, which the server writes in its own way: without regard to
// case and dashes, and addresses by the bytes that they stand for. Text that is no address stays itself.
func canonicalTexts(o, n *cluster.Column) Projection {
	inet := ClassOf(o) == ClassInet || ClassOf(n) == ClassInet
	one := func(c *cluster.Column) string {
		text := asText(c)
		if inet {
			return "COALESCE(HEX(" + mappedAddress("INET6_ATON("+text+")") + ")," + text + ")"
		}
		return "REPLACE(LOWER(" + text + "),'-','')"
	}
	return Projection{
		Old: one(o), New: one(n),
		lossy: fmt.Sprintf("%s: %s and %s are compared without regard to how the value is written", o.Name, o.ColumnType, n.ColumnType),
	}
}

// documents compares MySQL's JSON type, which keeps neither spaces nor the order of members, with JSON text.
func documents(o, n *cluster.Column, p Projection) Projection {
	p.JSON = true
	p.lossy = fmt.Sprintf("%s: %s and %s are compared as JSON: numbers that are no integers as floating point numbers, the last of "+
		"several members of one name", o.Name, o.ColumnType, n.ColumnType)
	return p
}

// texts selects character columns as stored where their charsets agree, else both as utf8mb4.
func texts(o, n *cluster.Column) Projection {
	p := bare(o, n)
	so, sn := Charset(o), Charset(n)
	p.ordered = ClassOf(o) == ClassOf(n) && sameOrder(o, n)
	if so == sn || UTF8Bytes(so) && UTF8Bytes(sn) {
		return p
	}
	p.Old, p.New = inUTF8(o), inUTF8(n)
	for _, c := range []*cluster.Column{o, n} {
		if cs := Charset(c); !UTF8Bytes(cs) && !LosslessInUTF8(cs) {
			p.lossy = lossyCharset(c, cs)
		}
	}
	return p
}

func lossyCharset(c *cluster.Column, cs string) string {
	return fmt.Sprintf("%s: characters that %s has more than once compare equal", c.Name, cs)
}

// inUTF8 selects a character column in UTF-8; text that UTF-8 does not hold becomes its bytes in hexadecimal, behind a zero
// byte.
func inUTF8(c *cluster.Column) string {
	col := cluster.Quote(c.Name)
	cs := Charset(c)
	if cs == "binary" || UTF8Bytes(cs) {
		return col
	}
	text, whole := convertedText(col)
	if cs == "latin1" { // has a character for each byte
		return text
	}
	return fmt.Sprintf("IF(%s,%s,CONCAT(_utf8mb4 X'00',HEX(%s)))", whole, text, col)
}

// convertedText is a character column in UTF-8, and the condition on which that is all of it: for what UTF-8 does not hold (lone
// surrogates, bytes that stand for no character of Unicode) servers put a question mark, or cut the text short.
func convertedText(col string) (text, whole string) {
	text = "CONVERT(" + col + " USING utf8mb4)"
	rest := func(s string) string { return "CHAR_LENGTH(REPLACE(" + s + ",'?',''))" }
	return text, fmt.Sprintf("CHAR_LENGTH(%[1]s)=CHAR_LENGTH(%[2]s) AND %[3]s=%[4]s", text, col, rest(text), rest(col))
}

// enums compares ENUM columns by label. The value that strict servers refuse, number 0, reads as the empty string: it is
// kept apart where that is a label, too.
func enums(o, n *cluster.Column) Projection {
	p := texts(o, n)
	if !slices.Contains(o.Labels, "") && !slices.Contains(n.Labels, "") {
		return p
	}
	one := func(c *cluster.Column) string {
		return fmt.Sprintf("IF(%s=0,_utf8mb4 X'00',CONVERT(%s USING utf8mb4))", WholeNumber(c), cluster.Quote(c.Name))
	}
	p.Old, p.New = one(o), one(n)
	return p
}

// Charset returns the charset of a column's stored characters, with MySQL's old name of utf8mb3 made new.
func Charset(c *cluster.Column) string {
	switch {
	case c.DataType == "uuid" || c.DataType == "inet4" || c.DataType == "inet6":
		return "ascii"
	case c.DataType == "json":
		return "utf8mb4"
	case c.Charset == "utf8":
		return "utf8mb3"
	}
	return c.Charset
}

// UTF8Bytes reports whether text of the charset is stored as UTF-8.
func UTF8Bytes(cs string) bool { return cs == "utf8mb4" || cs == "utf8mb3" || cs == "ascii" }

// LosslessInUTF8 reports whether inUTF8 gives every text of the charset its own bytes.
func LosslessInUTF8(cs string) bool {
	switch cs {
	case "latin1", "ucs2", "utf16", "utf16le", "utf32":
		return true
	}
	return UTF8Bytes(cs)
}

// sameOrder reports whether two character columns sort alike. utf8mb3 and utf8mb4 collations of one name do, for
// all characters that both can hold.
func sameOrder(o, n *cluster.Column) bool {
	if ClassOf(o) == ClassEnum {
		return equalLabels(o.Labels, n.Labels) // by position in the list
	}
	family := func(collation string) string {
		for _, prefix := range []string{"utf8mb4_", "utf8mb3_", "utf8_"} {
			if rest, ok := strings.CutPrefix(collation, prefix); ok {
				return "utf8_" + rest
			}
		}
		return collation
	}
	return family(o.Collation) == family(n.Collation)
}

func equalLabels(a, b []string) bool { return slices.Equal(a, b) }

func IsASCII(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c >= utf8.RuneSelf })
}

// MultiByte reports whether not every byte is a character of the charset.
func MultiByte(cs string) bool {
	switch cs {
	case "sjis", "cp932", "gbk", "gb2312", "gb18030", "big5", "ujis", "eucjpms", "euckr", "ucs2", "utf16", "utf16le", "utf32":
		return true
	}
	return false
}
