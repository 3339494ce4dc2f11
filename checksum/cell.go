package checksum

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// cells writes a row's values as SQL for repairing the new side: a literal that stores the value there, and a guard
// that only a row of new with this value passes. With differs only the key, the columns marked in it and those that an
// UPDATE would set by itself are written: all that an UPDATE needs. A row without values has no cells.
func (p *tablePlan) cells(values []cellValue, columns []rowstream.Column, differs []bool) []Cell {
	out := make([]Cell, 0, len(values))
	for i, v := range values {
		c := p.columns[i]
		if differs != nil && !differs[i] && !c.key && c.new.OnUpdate == "" {
			continue
		}
		lit := literal(c, columns[i], v)
		out = append(out, Cell{
			Column: c.new.Name, Literal: lit, Key: c.key,
			Guard:     guard(c, columns[i], v, lit),
			Generated: c.new.Generated != cluster.GeneratedNone,
			Lax:       !v.null && lit == "0" && classOf(c.new) == classEnum,
		})
	}
	return out
}

// literal writes a value so that new's column stores exactly it.
func literal(c planColumn, wire rowstream.Column, v cellValue) string {
	if v.null {
		return "NULL"
	}
	switch wire.Type {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR, mysql.MYSQL_TYPE_INT24,
		mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_NEWDECIMAL:
		return v.text
	case mysql.MYSQL_TYPE_FLOAT:
		// The nearest double of the float, so that comparing with a FLOAT column is exact.
		return exponent(float64(math.Float32frombits(binary.LittleEndian.Uint32(v.raw))))
	case mysql.MYSQL_TYPE_DOUBLE:
		return exponent(math.Float64frombits(binary.LittleEndian.Uint64(v.raw)))
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIME:
		return "'" + v.text + "'"
	}
	content := lengthPrefixed(v.raw)
	switch classOf(c.new) {
	case classJSON:
		if c.new.DataType == "json" {
			return fmt.Sprintf("CAST(CONVERT(X'%x' USING utf8mb4) AS JSON)", content)
		}
	case classBytes, classFixedBytes, classGeometry, classOther:
		return fmt.Sprintf("X'%x'", content)
	case classSet:
		if set, ok := setNumber(c, content); ok {
			return strconv.FormatUint(set, 10)
		}
	case classEnum:
		converted := c.proj.new != cluster.Quote(c.new.Name)
		if string(content) == "\x00" && converted || len(content) == 0 && !slices.Contains(c.new.Labels, "") {
			return "0" // the value that is no label
		}
	case classBit:
		var n uint64
		for _, b := range content {
			n = n<<8 | uint64(b)
		}
		return strconv.FormatUint(n, 10)
	default:
	}
	cs := charset(c.new)
	if cs == "" || utf8Bytes(cs) || c.proj.new != cluster.Quote(c.new.Name) {
		cs = "utf8mb4" // selected through a conversion
	}
	return fmt.Sprintf("_%s X'%x'", cs, content)
}

// setNumber returns the number of a SET value that was selected as the list of its members' names.
func setNumber(c planColumn, content []byte) (n uint64, ok bool) {
	if c.proj.new == cluster.Quote(c.new.Name) {
		return 0, false // selected as stored
	}
	if len(content) == 0 {
		return 0, true
	}
	for name := range strings.SplitSeq(string(content), ",") {
		bit := slices.Index(c.new.Labels, strings.ReplaceAll(name, "\x00", ""))
		if bit < 0 {
			return 0, false
		}
		n |= 1 << bit
	}
	return n, true
}

// exponent writes a double so that the server reads back the same bits.
func exponent(f float64) string { return strconv.FormatFloat(f, 'e', -1, 64) }

// guard writes a predicate on new's row. Strings are compared by their bytes, since collations call different ones
// equal; key columns are compared as such too, so that the index finds the row.
func guard(c planColumn, wire rowstream.Column, v cellValue, lit string) string {
	col := cluster.Quote(c.new.Name)
	expr := c.proj.new
	if v.null {
		return expr + " IS NULL"
	}
	if len(v.raw) == 0 || wire.FixedSize() > 0 || !stringType(wire.Type) {
		if c.key {
			return col + " = " + lit
		}
		return expr + " <=> " + lit
	}
	if classOf(c.new) == classBit {
		return col + " <=> " + lit
	}
	switch classOf(c.new) {
	case classJSON: // as JSON, 1 and 1.0 would be equal
		expr = "CAST(" + expr + " AS CHAR CHARACTER SET utf8mb4)"
	case classUUID, classInet: // as BINARY they would be something else than what was selected
		if expr == col {
			expr = "CAST(" + expr + " AS CHAR)"
		}
	default:
	}
	exact := fmt.Sprintf("CAST(%s AS BINARY) <=> X'%x'", expr, lengthPrefixed(v.raw))
	if c.key {
		return col + " = " + lit + " AND " + exact
	}
	return exact
}

// stringType reports whether values of a wire type are byte or character strings.
func stringType(t byte) bool {
	switch t {
	case mysql.MYSQL_TYPE_NEWDECIMAL, mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP,
		mysql.MYSQL_TYPE_TIME:
		return false
	}
	return true
}
