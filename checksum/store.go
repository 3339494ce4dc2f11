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
	"crosscheck/checksum/plan"
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
func newTarget(ctx context.Context, s *cluster.Server, p *plan.Table) *target {
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
	case !plan.MultiByte(cs):
		return true
	}
	return t.holds(fmt.Sprintf("CONVERT(X'%x' USING %s)", content, cs), content)
}

// spells reports whether a charset of new's server has all characters of a text in utf8mb4.
func (t *target) spells(cs string, text []byte) bool {
	if plan.UTF8Bytes(cs) || !utf8.Valid(text) {
		return t.encodes(cs, text)
	}
	return t.holds(fmt.Sprintf("CONVERT(CONVERT(_utf8mb4 X'%x' USING %s) USING utf8mb4)", text, cs), text)
}

// literal writes old's value so that new's column stores it; why says that it cannot. lax tells that strict mode refuses
// the literal.
func (t *target) literal(c plan.Column, v stored) (lit string, lax bool, why string) {
	if v.Null {
		if !c.New.Nullable && c.New.Generated == cluster.GeneratedNone {
			return "", false, "it allows no NULL"
		}
		return "NULL", false, ""
	}
	switch plan.ClassOf(c.New) {
	case plan.ClassInt, plan.ClassBit, plan.ClassYear:
		lit, why = integerLiteral(c, v)
	case plan.ClassDecimal:
		lit, why = decimalLiteral(c, v)
	case plan.ClassFloat:
		lit, why = t.floatLiteral(c, v)
	case plan.ClassText, plan.ClassJSON:
		lit, why = t.textLiteral(c, v)
	case plan.ClassBytes, plan.ClassFixedBytes:
		lit, why = t.bytesLiteral(c, v)
	case plan.ClassDate, plan.ClassTime:
		lit, why = t.timeLiteral(c, v)
	case plan.ClassEnum, plan.ClassSet:
		lit, why = memberLiteral(c, v)
		lax = lit == "0" && plan.ClassOf(c.New) == plan.ClassEnum
	case plan.ClassUUID, plan.ClassInet:
		lit, why = t.addressLiteral(c, v)
	case plan.ClassGeometry:
		lit, why = geometryLiteral(c, v)
	case plan.ClassOther:
		if why = "crosscheck does not know how it stores values"; c.Old.DataType == c.New.DataType {
			lit, why = hexLiteral(packet.Content(v.Raw)), ""
		}
	}
	return lit, lax, why
}

func hexLiteral(b []byte) string { return "X'" + hex.EncodeToString(b) + "'" }

// number returns a value of a numeric column.
func (v stored) number(c *cluster.Column) (*big.Rat, bool) {
	switch plan.ClassOf(c) {
	case plan.ClassInt, plan.ClassYear, plan.ClassDecimal:
		return new(big.Rat).SetString(v.Value.Text)
	case plan.ClassBit:
		return new(big.Rat).SetInt(new(big.Int).SetBytes(packet.Content(v.Raw))), true
	case plan.ClassFloat:
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
	switch cs := plan.Charset(c); plan.ClassOf(c) {
	case plan.ClassEnum, plan.ClassSet:
		if v.numbered {
			return []byte(plan.Labels(c.Labels, plan.ClassOf(c) == plan.ClassSet, v.Value.Text)), true
		}
		return packet.Content(v.Raw), plan.UTF8Bytes(cs)
	case plan.ClassText, plan.ClassJSON:
		raw := packet.Content(v.Raw)
		if cs == "" || plan.UTF8Bytes(cs) {
			return raw, utf8.Valid(raw)
		}
		return v.text, v.text != nil
	case plan.ClassBytes, plan.ClassFixedBytes, plan.ClassGeometry, plan.ClassUUID, plan.ClassInet:
		return packet.Content(v.Raw), true
	default:
		return v.text, v.text != nil
	}
}

func integerLiteral(c plan.Column, v stored) (lit, why string) {
	n := new(big.Int)
	if r, ok := v.number(c.Old); ok {
		if !r.IsInt() {
			return "", "the value is no integer"
		}
		n = r.Num()
	} else {
		text, ok := v.utf8(c.Old)
		digits := string(text)
		if trimmed := strings.TrimLeft(digits, "0"); plan.ZeroFill(c.New) || c.New.DataType == "year" && len(digits) == 4 {
			digits = max(trimmed, "0")
		}
		if _, isNumber := n.SetString(digits, 10); !ok || !isNumber || n.String() != digits || plan.ClassOf(c.New) == plan.ClassBit {
			return "", "the value is no integer as the server writes it"
		}
	}
	if c.Same() && c.New.ColumnType == "year(2)" { // 70 stands for 1970
		return n.String(), ""
	}
	if !integerFits(c.New, n) {
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

func decimalLiteral(c plan.Column, v stored) (lit, why string) {
	r, ok := v.number(c.Old)
	text, _ := v.utf8(c.Old)
	if !ok {
		if r, ok = new(big.Rat).SetString(string(text)); !ok || r.FloatString(c.New.Scale) != string(text) {
			return "", "the value is no number as the server writes it there"
		}
	}
	lit = r.FloatString(c.New.Scale)
	if back, _ := new(big.Rat).SetString(lit); back.Cmp(r) != 0 && plan.ClassOf(c.Old) != plan.ClassFloat {
		return "", "the value has more digits behind the point"
	}
	whole, _, _ := strings.Cut(strings.TrimLeft(lit, "-0"), ".")
	if len(whole) > c.New.Precision-c.New.Scale || c.New.Unsigned && r.Sign() < 0 {
		return "", "the value is out of its range"
	}
	if plan.ClassOf(c.Old) == plan.ClassFloat { // they are compared as DOUBLE
		if back, _ := strconv.ParseFloat(lit, 64); back != v.float() {
			return "", "the value has more digits behind the point"
		}
	}
	return lit, ""
}

func (t *target) floatLiteral(c plan.Column, v stored) (lit, why string) {
	var f float64
	if plan.ClassOf(c.Old) == plan.ClassFloat {
		f = v.float()
	} else if r, ok := v.number(c.Old); ok {
		f, _ = r.Float64()
	} else {
		text, ok := v.utf8(c.Old)
		var err error
		if f, err = strconv.ParseFloat(string(text), 64); !ok || err != nil || strconv.FormatFloat(f, 'f', -1, 64) != string(text) {
			return "", "the value is no number as the server writes it there"
		}
	}
	minus := math.Signbit(f)
	switch {
	case plan.IsFloat32(c.New) && float64(float32(f)) != f, math.IsInf(f, 0):
		return "", "the value has more digits"
	case minus && c.New.Unsigned:
		return "", "the value is out of its range"
	case minus && f == 0 && t.facts.Flavor == cluster.FlavorMariaDB:
		return "", "MariaDB stores no -0"
	case !fitsDigits(c.New, f) && !c.Same():
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
	if plan.IsFloat32(c) {
		size = 32
	}
	text := strconv.FormatFloat(f, 'f', scale, size)
	back, _ := strconv.ParseFloat(text, size)
	whole, _, _ := strings.Cut(strings.TrimLeft(text, "-0"), ".")
	return back == f && len(whole) <= digits-scale
}

func (t *target) bytesLiteral(c plan.Column, v stored) (lit, why string) {
	var content []byte
	switch raw := packet.Content; plan.ClassOf(c.Old) {
	case plan.ClassText, plan.ClassBytes, plan.ClassFixedBytes, plan.ClassGeometry:
		content = raw(v.Raw)
	case plan.ClassUUID, plan.ClassInet:
		text, _ := v.utf8(c.Old)
		if content = addressOf(c.Old, text); content == nil {
			return "", "the value cannot be read"
		}
	default:
		text, ok := v.utf8(c.Old)
		if content = text; !ok || plan.ClassOf(c.Old) == plan.ClassBit || plan.ClassOf(c.New) == plan.ClassFixedBytes && int64(len(content)) != c.New.OctetLen {
			return "", "the value has no form that it gives back"
		}
	}
	switch {
	case c.Same():
	case c.New.DataType == "vector":
		if len(content) == 0 || len(content)%4 != 0 || !vectorFits(t.facts, c.New, len(content)/4) {
			return "", "the value is no vector of its size"
		}
	case int64(len(content)) > c.New.OctetLen:
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
func memberLiteral(c plan.Column, v stored) (lit, why string) {
	if !v.numbered && plan.ClassOf(c.Old) == plan.ClassOf(c.New) { // compared by the bytes of one list of labels
		content := packet.Content(v.Raw)
		if plan.ClassOf(c.New) == plan.ClassEnum && len(content) == 0 && !slices.Contains(c.New.Labels, "") {
			return "0", "" // the value that is no label
		}
		return ownText(plan.Charset(c.New), content), ""
	}
	text, ok := v.utf8(c.Old)
	const none = "the value is none of its labels"
	if !ok {
		return "", none
	}
	if plan.ClassOf(c.New) == plan.ClassEnum {
		if plan.ClassOf(c.Old) == plan.ClassEnum && v.Value.Text == "0" {
			return "0", ""
		}
		if i := slices.Index(c.New.Labels, string(text)); i >= 0 {
			return strconv.Itoa(i + 1), ""
		}
		if len(text) == 0 && !slices.Contains(c.Old.Labels, "") {
			return "0", ""
		}
		return "", none
	}
	return setLiteral(c, v, string(text), none)
}

func setLiteral(c plan.Column, v stored, text, none string) (lit, why string) {
	var held []string
	switch {
	case plan.ClassOf(c.Old) == plan.ClassSet:
		all, err := strconv.ParseUint(v.Value.Text, 10, 64)
		if err != nil {
			return "", none
		}
		for i, l := range c.Old.Labels {
			if all&(1<<i) != 0 {
				held = append(held, l)
			}
		}
	case text != "":
		held = strings.Split(text, ",")
	}
	n := uint64(0)
	for _, l := range held {
		i := slices.Index(c.New.Labels, l)
		if i < 0 {
			return "", none
		}
		n |= 1 << i
	}
	number := strconv.FormatUint(n, 10)
	if plan.ClassOf(c.Old) != plan.ClassSet && plan.Labels(c.New.Labels, true, number) != text {
		return "", "it writes the members of the value in another order"
	}
	return number, ""
}

// ownText writes text in the bytes of a charset.
func ownText(cs string, content []byte) string {
	if cs == "" || plan.UTF8Bytes(cs) {
		cs = "utf8mb4"
	}
	return "_" + cs + " " + hexLiteral(content)
}

// addressLiteral writes a UUID or an address as text.
func (t *target) addressLiteral(c plan.Column, v stored) (lit, why string) {
	content, ok := v.utf8(c.Old)
	if !ok {
		return "", "the value is no text of utf8mb4"
	}
	if k := plan.ClassOf(c.Old); k != plan.ClassBytes && k != plan.ClassFixedBytes {
		content = addressOf(c.New, content)
	}
	if c.New.DataType == "uuid" {
		if len(content) != 16 {
			return "", "the value is no UUID"
		}
		text := fmt.Sprintf("%x-%x-%x-%x-%x", content[:4], content[4:6], content[6:8], content[8:10], content[10:])
		if !c.Same() && !t.holds("CAST(CAST('"+text+"' AS UUID) AS CHAR)", []byte(text)) { // of some versions it takes only those of one variant
			return "", "new's server takes it for no UUID"
		}
		return "'" + text + "'", ""
	}
	a, ok := netip.AddrFromSlice(content)
	switch {
	case !ok:
		return "", "the value is no address"
	case c.New.DataType == "inet4":
		if a = a.Unmap(); !a.Is4() {
			return "", "the value is no IPv4 address"
		}
	case a.Is4():
		if k := plan.ClassOf(c.Old); k == plan.ClassBytes || k == plan.ClassFixedBytes {
			return "", "the value is no IPv6 address"
		}
		return "'::ffff:" + a.String() + "'", ""
	}
	return "'" + a.String() + "'", ""
}

// addressOf reads the text of a UUID or an address; nil if it is none.
func addressOf(c *cluster.Column, text []byte) []byte {
	if plan.ClassOf(c) == plan.ClassUUID {
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

func geometryLiteral(c plan.Column, v stored) (lit, why string) {
	content := packet.Content(v.Raw)
	const head = 9 // the SRID, the order of bytes, the kind
	if plan.ClassOf(c.Old) != plan.ClassGeometry || len(content) < head || content[4] != 1 {
		return "", "the value is not known to be a geometry"
	}
	kinds := []string{"point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"}
	kind := int(binary.LittleEndian.Uint32(content[5:])) - 1
	if srid := c.New.SRID; srid != nil && binary.LittleEndian.Uint32(content) != *srid {
		return "", "the value has another SRID"
	}
	if want := strings.Replace(c.New.DataType, "geomcollection", "geometrycollection", 1); want != "geometry" &&
		(kind < 0 || kind >= len(kinds) || kinds[kind] != want) {
		return "", "the value is of another kind"
	}
	return hexLiteral(content), ""
}
