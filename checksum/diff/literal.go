package diff

import (
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/cluster"
)

// literal writes old's value so that new's column stores it; why says that it cannot. lax tells that strict mode refuses
// the literal.
func (t *Target) literal(c plan.Column, v stored) (lit string, lax bool, why string) {
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

func (t *Target) floatLiteral(c plan.Column, v stored) (lit, why string) {
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
