package checksum

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"crosscheck/checksum/packet"
	"crosscheck/cluster"
)

// target is the server that a repair is for, as far as it decides what it can store. Several goroutines may ask it, each
// with a copy of its own.
type target struct {
	facts cluster.Facts
	ask   func(expr string) ([]byte, error) // the value of an expression, nil for NULL or where the server refuses it; see asks
	err   error                             // of ask, the first
}

// newTarget returns new's server for the statements of a repair of p's table.
func newTarget(ctx context.Context, s *cluster.Server, p *tablePlan) *target {
	t := &target{facts: s.Facts()}
	if !asks(p) {
		return t
	}
	t.ask = func(expr string) ([]byte, error) {
		var digits sql.NullString // what is no text in utf8mb4 would come changed
		err := s.DB().QueryRowContext(ctx, "SELECT HEX("+expr+")").Scan(&digits)
		switch {
		case cluster.ErrorNumber(err) != 0 && !cluster.IsTransient(err), err == nil && !digits.Valid:
			return nil, nil
		case err != nil:
			return nil, s.Explain("ask what a column can hold", err)
		}
		return hex.DecodeString(digits.String)
	}
	return t
}

// holds reports whether the value of an expression is what is wanted.
func (t *target) holds(expr string, want []byte) bool {
	if t.err != nil || t.ask == nil || int64(len(expr)) > t.facts.MaxAllowedPacket/2-packetSpare { // HEX doubles what is within it
		return false
	}
	got, err := t.ask(expr)
	t.err = err
	return err == nil && got != nil && bytes.Equal(got, want)
}

// encodes reports whether bytes are text of a charset of new's server.
func (t *target) encodes(cs string, content []byte) bool {
	switch {
	case cs == "utf8mb4":
		return utf8.Valid(content)
	case cs == "utf8mb3":
		return utf8.Valid(content) && !slices.ContainsFunc([]rune(string(content)), func(r rune) bool { return r > 0xffff })
	case cs == "ascii":
		return !slices.ContainsFunc(content, func(b byte) bool { return b >= utf8.RuneSelf })
	case !multiByte(cs):
		return true
	}
	return t.holds(fmt.Sprintf("CONVERT(X'%x' USING %s)", content, cs), content)
}

// spells reports whether a charset of new's server has all characters of a text in utf8mb4.
func (t *target) spells(cs string, text []byte) bool {
	if utf8Bytes(cs) || !utf8.Valid(text) {
		return t.encodes(cs, text)
	}
	return t.holds(fmt.Sprintf("CONVERT(CONVERT(_utf8mb4 X'%x' USING %s) USING utf8mb4)", text, cs), text)
}

// multiByte reports whether not every byte is a character of the charset.
func multiByte(cs string) bool {
	switch cs {
	case "sjis", "cp932", "gbk", "gb2312", "gb18030", "big5", "ujis", "eucjpms", "euckr", "ucs2", "utf16", "utf16le", "utf32":
		return true
	}
	return false
}

// literal writes old's value so that new's column stores it; why says that it cannot. lax tells that strict mode refuses
// the literal.
func (t *target) literal(c planColumn, v stored) (lit string, lax bool, why string) {
	if v.Null {
		if !c.new.Nullable && c.new.Generated == cluster.GeneratedNone {
			return "", false, "it allows no NULL"
		}
		return "NULL", false, ""
	}
	switch classOf(c.new) {
	case classInt, classBit, classYear:
		lit, why = integerLiteral(c, v)
	case classDecimal:
		lit, why = decimalLiteral(c, v)
	case classFloat:
		lit, why = t.floatLiteral(c, v)
	case classText, classJSON:
		lit, why = t.textLiteral(c, v)
	case classBytes, classFixedBytes:
		lit, why = t.bytesLiteral(c, v)
	case classDate, classTime:
		lit, why = t.timeLiteral(c, v)
	case classEnum, classSet:
		lit, why = memberLiteral(c, v)
		lax = lit == "0" && classOf(c.new) == classEnum
	case classUUID, classInet:
		lit, why = t.addressLiteral(c, v)
	case classGeometry:
		lit, why = geometryLiteral(c, v)
	case classOther:
		if why = "crosscheck does not know how it stores values"; c.old.DataType == c.new.DataType {
			lit, why = hexLiteral(packet.Content(v.Raw)), ""
		}
	}
	return lit, lax, why
}

func hexLiteral(b []byte) string { return "X'" + hex.EncodeToString(b) + "'" }

// number returns a value of a numeric column.
func (v stored) number(c *cluster.Column) (*big.Rat, bool) {
	switch classOf(c) {
	case classInt, classYear, classDecimal:
		return new(big.Rat).SetString(v.Value.Text)
	case classBit:
		return new(big.Rat).SetInt(new(big.Int).SetBytes(packet.Content(v.Raw))), true
	case classFloat:
		r := new(big.Rat).SetFloat64(v.float())
		return r, r != nil
	default:
		return nil, false
	}
}

// float returns the value of a FLOAT or DOUBLE column.
func (v stored) float() float64 {
	if len(v.Raw) == 4 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.Raw)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v.Raw))
}

// utf8 returns a value as text in utf8mb4; ok is false where it has no exact form there.
func (v stored) utf8(c *cluster.Column) (text []byte, ok bool) {
	switch cs := charset(c); classOf(c) {
	case classEnum, classSet:
		if v.numbered {
			return []byte(labels(c.Labels, classOf(c) == classSet, v.Value.Text)), true
		}
		return packet.Content(v.Raw), utf8Bytes(cs)
	case classText, classJSON:
		raw := packet.Content(v.Raw)
		if cs == "" || utf8Bytes(cs) {
			return raw, utf8.Valid(raw)
		}
		return v.text, v.text != nil
	case classBytes, classFixedBytes, classGeometry, classUUID, classInet:
		return packet.Content(v.Raw), true
	default:
		return v.text, v.text != nil
	}
}

// same reports whether both columns have one type, which holds whatever is in old's.
func (c planColumn) same() bool {
	return c.old.ColumnType == c.new.ColumnType && charset(c.old) == charset(c.new)
}

func integerLiteral(c planColumn, v stored) (lit, why string) {
	n := new(big.Int)
	if r, ok := v.number(c.old); ok {
		if !r.IsInt() {
			return "", "the value is no integer"
		}
		n = r.Num()
	} else {
		text, ok := v.utf8(c.old)
		digits := string(text)
		if trimmed := strings.TrimLeft(digits, "0"); zerofill(c.new) || c.new.DataType == "year" && len(digits) == 4 {
			digits = max(trimmed, "0")
		}
		if _, isNumber := n.SetString(digits, 10); !ok || !isNumber || n.String() != digits || classOf(c.new) == classBit {
			return "", "the value is no integer as the server writes it"
		}
	}
	if c.same() && c.new.ColumnType == "year(2)" { // 70 stands for 1970
		return n.String(), ""
	}
	if !integerFits(c.new, n) {
		return "", "the value is out of its range"
	}
	return n.String(), ""
}

func integerFits(c *cluster.Column, n *big.Int) bool {
	bits := uint(64)
	switch c.DataType {
	case "bit":
		return n.Sign() >= 0 && n.BitLen() <= c.Precision
	case "year":
		return n.Sign() == 0 || n.IsInt64() && n.Int64() >= 1901 && n.Int64() <= 2155
	case "tinyint":
		bits = 8
	case "smallint":
		bits = 16
	case "mediumint":
		bits = 24
	case "int", "integer":
		bits = 32
	}
	if c.Unsigned {
		return n.Sign() >= 0 && n.BitLen() <= int(bits)
	}
	least := new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), bits-1))
	return n.Cmp(least) >= 0 && n.BitLen() <= int(bits-1) || n.Cmp(least) == 0
}

func decimalLiteral(c planColumn, v stored) (lit, why string) {
	r, ok := v.number(c.old)
	text, _ := v.utf8(c.old)
	if !ok {
		if r, ok = new(big.Rat).SetString(string(text)); !ok || r.FloatString(c.new.Scale) != string(text) {
			return "", "the value is no number as the server writes it there"
		}
	}
	lit = r.FloatString(c.new.Scale)
	if back, _ := new(big.Rat).SetString(lit); back.Cmp(r) != 0 && classOf(c.old) != classFloat {
		return "", "the value has more digits behind the point"
	}
	whole, _, _ := strings.Cut(strings.TrimLeft(lit, "-0"), ".")
	if len(whole) > c.new.Precision-c.new.Scale || c.new.Unsigned && r.Sign() < 0 {
		return "", "the value is out of its range"
	}
	if classOf(c.old) == classFloat { // they are compared as DOUBLE
		if back, _ := strconv.ParseFloat(lit, 64); back != v.float() {
			return "", "the value has more digits behind the point"
		}
	}
	return lit, ""
}

func (t *target) floatLiteral(c planColumn, v stored) (lit, why string) {
	var f float64
	if classOf(c.old) == classFloat {
		f = v.float()
	} else if r, ok := v.number(c.old); ok {
		f, _ = r.Float64()
	} else {
		text, ok := v.utf8(c.old)
		var err error
		if f, err = strconv.ParseFloat(string(text), 64); !ok || err != nil || strconv.FormatFloat(f, 'f', -1, 64) != string(text) {
			return "", "the value is no number as the server writes it there"
		}
	}
	minus := math.Signbit(f)
	switch {
	case isFloat32(c.new) && float64(float32(f)) != f, math.IsInf(f, 0):
		return "", "the value has more digits"
	case minus && c.new.Unsigned:
		return "", "the value is out of its range"
	case minus && f == 0 && t.facts.Flavor == cluster.FlavorMariaDB:
		return "", "MariaDB stores no -0"
	case !fitsDigits(c.new, f) && !c.same():
		return "", "the value has more digits"
	}
	return strconv.FormatFloat(f, 'e', -1, 64), ""
}

// fitsDigits reports whether FLOAT(m,d) or DOUBLE(m,d) holds a value without rounding it.
func fitsDigits(c *cluster.Column, f float64) bool {
	_, rest, ok := strings.Cut(c.ColumnType, "(")
	m, d, two := strings.Cut(strings.SplitN(rest, ")", 2)[0], ",")
	if !ok || !two {
		return true
	}
	digits, err := strconv.Atoi(m)
	scale, err2 := strconv.Atoi(d)
	if err != nil || err2 != nil {
		return false
	}
	size := 64
	if isFloat32(c) {
		size = 32
	}
	text := strconv.FormatFloat(f, 'f', scale, size)
	back, _ := strconv.ParseFloat(text, size)
	whole, _, _ := strings.Cut(strings.TrimLeft(text, "-0"), ".")
	return back == f && len(whole) <= digits-scale
}

func (t *target) bytesLiteral(c planColumn, v stored) (lit, why string) {
	var content []byte
	switch raw := packet.Content; classOf(c.old) {
	case classText, classBytes, classFixedBytes, classGeometry:
		content = raw(v.Raw)
	case classUUID, classInet:
		text, _ := v.utf8(c.old)
		if content = addressOf(c.old, text); content == nil {
			return "", "the value cannot be read"
		}
	default:
		text, ok := v.utf8(c.old)
		if content = text; !ok || classOf(c.old) == classBit || classOf(c.new) == classFixedBytes && int64(len(content)) != c.new.OctetLen {
			return "", "the value has no form that it gives back"
		}
	}
	switch {
	case c.same():
	case c.new.DataType == "vector":
		if len(content) == 0 || len(content)%4 != 0 || !vectorFits(t.facts, c.new, len(content)/4) {
			return "", "the value is no vector of its size"
		}
	case int64(len(content)) > c.new.OctetLen:
		return "", "the value is too long"
	}
	return hexLiteral(content), ""
}

// vectorFits reports whether a VECTOR column takes so many numbers.
func vectorFits(f cluster.Facts, c *cluster.Column, n int) bool {
	_, rest, _ := strings.Cut(c.ColumnType, "(")
	size, err := strconv.Atoi(strings.SplitN(rest, ")", 2)[0])
	if err != nil {
		return false
	}
	return n == size || n < size && f.Flavor != cluster.FlavorMariaDB
}

// memberLiteral writes a value of ENUM or SET as its number.
func memberLiteral(c planColumn, v stored) (lit, why string) {
	if !v.numbered && classOf(c.old) == classOf(c.new) { // compared by the bytes of one list of labels
		content := packet.Content(v.Raw)
		if classOf(c.new) == classEnum && len(content) == 0 && !slices.Contains(c.new.Labels, "") {
			return "0", "" // the value that is no label
		}
		return ownText(charset(c.new), content), ""
	}
	text, ok := v.utf8(c.old)
	const none = "the value is none of its labels"
	if !ok {
		return "", none
	}
	if classOf(c.new) == classEnum {
		if classOf(c.old) == classEnum && v.Value.Text == "0" {
			return "0", ""
		}
		if i := slices.Index(c.new.Labels, string(text)); i >= 0 {
			return strconv.Itoa(i + 1), ""
		}
		if len(text) == 0 && !slices.Contains(c.old.Labels, "") {
			return "0", ""
		}
		return "", none
	}
	return setLiteral(c, v, string(text), none)
}

func setLiteral(c planColumn, v stored, text, none string) (lit, why string) {
	var held []string
	switch {
	case classOf(c.old) == classSet:
		all, err := strconv.ParseUint(v.Value.Text, 10, 64)
		if err != nil {
			return "", none
		}
		for i, l := range c.old.Labels {
			if all&(1<<i) != 0 {
				held = append(held, l)
			}
		}
	case text != "":
		held = strings.Split(text, ",")
	}
	n := uint64(0)
	for _, l := range held {
		i := slices.Index(c.new.Labels, l)
		if i < 0 {
			return "", none
		}
		n |= 1 << i
	}
	number := strconv.FormatUint(n, 10)
	if classOf(c.old) != classSet && labels(c.new.Labels, true, number) != text {
		return "", "it writes the members of the value in another order"
	}
	return number, ""
}

// ownText writes text in the bytes of a charset.
func ownText(cs string, content []byte) string {
	if cs == "" || utf8Bytes(cs) {
		cs = "utf8mb4"
	}
	return "_" + cs + " " + hexLiteral(content)
}

// addressLiteral writes a UUID or an address as text.
func (t *target) addressLiteral(c planColumn, v stored) (lit, why string) {
	content, ok := v.utf8(c.old)
	if !ok {
		return "", "the value is no text of utf8mb4"
	}
	if k := classOf(c.old); k != classBytes && k != classFixedBytes {
		content = addressOf(c.new, content)
	}
	if c.new.DataType == "uuid" {
		if len(content) != 16 {
			return "", "the value is no UUID"
		}
		text := fmt.Sprintf("%x-%x-%x-%x-%x", content[:4], content[4:6], content[6:8], content[8:10], content[10:])
		if !c.same() && !t.holds("CAST(CAST('"+text+"' AS UUID) AS CHAR)", []byte(text)) { // of some versions it takes only those of one variant
			return "", "new's server takes it for no UUID"
		}
		return "'" + text + "'", ""
	}
	a, ok := netip.AddrFromSlice(content)
	switch {
	case !ok:
		return "", "the value is no address"
	case c.new.DataType == "inet4":
		if a = a.Unmap(); !a.Is4() {
			return "", "the value is no IPv4 address"
		}
	case a.Is4():
		if k := classOf(c.old); k == classBytes || k == classFixedBytes {
			return "", "the value is no IPv6 address"
		}
		return "'::ffff:" + a.String() + "'", ""
	}
	return "'" + a.String() + "'", ""
}

// addressOf reads the text of a UUID or an address; nil if it is none.
func addressOf(c *cluster.Column, text []byte) []byte {
	if classOf(c) == classUUID {
		b, err := hex.DecodeString(strings.ReplaceAll(string(text), "-", ""))
		if err != nil || len(b) != 16 {
			return nil
		}
		return b
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil || a.Zone() != "" {
		return nil
	}
	return a.AsSlice()
}

func geometryLiteral(c planColumn, v stored) (lit, why string) {
	content := packet.Content(v.Raw)
	const head = 9 // the SRID, the order of bytes, the kind
	if classOf(c.old) != classGeometry || len(content) < head || content[4] != 1 {
		return "", "the value is not known to be a geometry"
	}
	kinds := []string{"point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}
	kind := int(binary.LittleEndian.Uint32(content[5:])) - 1
	if srid := c.new.SRID; srid != nil && binary.LittleEndian.Uint32(content) != *srid {
		return "", "the value has another SRID"
	}
	if want := strings.Replace(c.new.DataType, "geomcollection", "geometrycollection", 1); want != "geometry" &&
		(kind < 0 || kind >= len(kinds) || kinds[kind] != want) {
		return "", "the value is of another kind"
	}
	return hexLiteral(content), ""
}
