package plan

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// Projection says how one column of the old and its counterpart of the new table are selected so that equal values give
// equal packet bytes. Where both columns agree it is the bare column on both sides: no conversion costs the server
// anything or hides anything.
type Projection struct {
	Old, New string // SQL expressions
	lossy    string // what the comparison cannot tell apart, "" for nothing
	note     string // what a reader should know although nothing is lost
	JSON     bool   // values are JSON text that must be brought to a canonical form on our side
	ordered  bool   // both columns sort the same way, so that bounds of one side hold on the other
	Number   bool   // values are the numbers of BIT, ENUM or SET

	// Of keys only.
	oldMark, newMark string // placeholders of values that are sent back, "" for ?
	Bytes            bool   // text is sent back as the bytes that it is stored in
	folded           bool   // several keys may be selected alike, or a selected key finds no row: only reading the table finds its rows
}

// Class groups data types that convert alike.
type Class int

const (
	ClassOther Class = iota
	ClassInt
	ClassBit
	ClassYear
	ClassDecimal
	ClassFloat
	ClassText
	ClassBytes
	ClassFixedBytes
	ClassDate
	ClassTime
	ClassEnum
	ClassSet
	ClassJSON
	ClassGeometry
	ClassUUID
	ClassInet
)

func ClassOf(c *cluster.Column) Class {
	switch c.DataType {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
		return ClassInt
	case "bit":
		return ClassBit
	case "year":
		return ClassYear
	case "decimal", "numeric":
		return ClassDecimal
	case "float", "double", "real":
		return ClassFloat
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		if c.JSONText {
			return ClassJSON
		}
		return ClassText
	case "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector":
		return ClassBytes
	case "binary":
		return ClassFixedBytes
	case "date", "datetime", "timestamp":
		return ClassDate
	case "time":
		return ClassTime
	case "enum":
		return ClassEnum
	case "set":
		return ClassSet
	case "json":
		return ClassJSON
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geometrycollection", "geomcollection":
		return ClassGeometry
	case "uuid":
		return ClassUUID
	case "inet4", "inet6":
		return ClassInet
	}
	return ClassOther
}

// Project builds the projection of one column pair.
func Project(o, n *cluster.Column) Projection {
	co, cn := ClassOf(o), ClassOf(n)
	if co == cn {
		return projectSame(co, o, n)
	}
	p := bare(o, n)
	switch pair := [2]Class{min(co, cn), max(co, cn)}; pair {
	case [2]Class{ClassInt, ClassDecimal}, [2]Class{ClassYear, ClassDecimal}:
		p = decimals(o, n)
		p.ordered = true
	case [2]Class{ClassInt, ClassYear}, [2]Class{ClassInt, ClassBit}, [2]Class{ClassBit, ClassYear}:
		p = numbers(o, n)
		p.ordered = true
	case [2]Class{ClassInt, ClassFloat}, [2]Class{ClassDecimal, ClassFloat}, [2]Class{ClassYear, ClassFloat}:
		p = doubles(o, n)
		p.lossy = fmt.Sprintf("%s: %s and %s are compared as floating point numbers", o.Name, o.ColumnType, n.ColumnType)
	case [2]Class{ClassText, ClassEnum}, [2]Class{ClassText, ClassSet}, [2]Class{ClassEnum, ClassSet}:
		p = texts(o, n)
	case [2]Class{ClassText, ClassUUID}, [2]Class{ClassText, ClassInet}:
		p = canonicalTexts(o, n)
	case [2]Class{ClassText, ClassJSON}:
		if p = texts(o, n); !o.JSONText && !n.JSONText { // MariaDB's JSON is text: against plain text its bytes count
			p = documents(o, n, p)
		}
	case [2]Class{ClassText, ClassBytes}, [2]Class{ClassBytes, ClassGeometry}, [2]Class{ClassBytes, ClassEnum}:
		p.note = fmt.Sprintf("%s: %s and %s are compared byte by byte", o.Name, o.ColumnType, n.ColumnType)
	case [2]Class{ClassText, ClassFixedBytes}, [2]Class{ClassBytes, ClassFixedBytes}:
		p = trimmed(o, n)
	case [2]Class{ClassBytes, ClassUUID}, [2]Class{ClassFixedBytes, ClassUUID}, [2]Class{ClassBytes, ClassInet},
		[2]Class{ClassFixedBytes, ClassInet}:
		p.Old, p.New = addressBytes(o), addressBytes(n)
	case [2]Class{ClassInt, ClassText}, [2]Class{ClassDecimal, ClassText}, [2]Class{ClassYear, ClassText},
		[2]Class{ClassText, ClassDate}, [2]Class{ClassText, ClassTime}, [2]Class{ClassDate, ClassTime}:
		p.Old, p.New = asText(o), asText(n)
		p.note = fmt.Sprintf("%s: %s and %s are compared as text", o.Name, o.ColumnType, n.ColumnType)
	default:
		p.Old, p.New = asText(o), asText(n)
		p.lossy = fmt.Sprintf("%s: %s and %s are compared as text", o.Name, o.ColumnType, n.ColumnType)
	}
	return p
}

// projectSame handles two columns of one class.
func projectSame(c Class, o, n *cluster.Column) Projection {
	p := bare(o, n)
	p.ordered = true
	switch c {
	case ClassInt:
		if o.Unsigned != n.Unsigned || wireSize(o) != wireSize(n) {
			p = integers(o, n)
		}
	case ClassBit:
		if o.ColumnType != n.ColumnType {
			p = Projection{Old: WholeNumber(o), New: WholeNumber(n), ordered: true, Number: true}
		}
	case ClassDecimal:
		if o.Scale != n.Scale || ZeroFill(o) != ZeroFill(n) {
			p = decimals(o, n)
			p.ordered = true
		}
	case ClassFloat:
		if IsFloat32(o) != IsFloat32(n) {
			p = doubles(o, n)
			p.ordered = true
		}
	case ClassText:
		p = texts(o, n)
	case ClassEnum:
		p = enums(o, n)
	case ClassSet:
		p = texts(o, n)
		if !equalLabels(o.Labels, n.Labels) || slices.Contains(o.Labels, "") {
			p = sets(o, n)
		}
	case ClassFixedBytes:
		if o.CharLen != n.CharLen {
			p = padded(o, n)
		}
	case ClassDate:
		if (o.DataType == "timestamp") != (n.DataType == "timestamp") {
			p.note = fmt.Sprintf("%s: %s and %s are compared in UTC", o.Name, o.ColumnType, n.ColumnType)
		}
	case ClassJSON:
		if o.DataType != "json" || n.DataType != "json" {
			p = texts(o, n)
		}
		if (o.DataType == "json") != (n.DataType == "json") { // MySQL's own type against text
			p = documents(o, n, p)
		}
		p.ordered = false
	case ClassGeometry, ClassInet, ClassOther, ClassUUID:
		p.ordered = o.DataType == n.DataType
		if c == ClassInet && !p.ordered {
			p.Old, p.New = mappedAddress(addressBytes(o)), mappedAddress(addressBytes(n))
		}
	case ClassYear:
		if shortYear(o) != shortYear(n) {
			p.Old, p.New = fullYear(o), fullYear(n)
		}
	case ClassBytes, ClassTime:
	}
	return p
}

// shortYear reports whether a column is a YEAR(2).
func shortYear(c *cluster.Column) bool { return strings.HasPrefix(c.ColumnType, "year(2)") }

// fullYear selects a YEAR with all its digits.
func fullYear(c *cluster.Column) string {
	col := cluster.Quote(c.Name)
	if !shortYear(c) {
		return WholeNumber(c)
	}
	return fmt.Sprintf("(%s|0)+IF((%s|0)<70,2000,1900)", col, col)
}

func bare(o, n *cluster.Column) Projection {
	return Projection{Old: cluster.Quote(o.Name), New: cluster.Quote(n.Name)}
}

// wireSize is the number of bytes of an integer column in a row packet.
func wireSize(c *cluster.Column) int {
	switch c.DataType {
	case "tinyint":
		return 1
	case "smallint":
		return 2
	case "bigint":
		return 8
	default:
		return 4
	}
}

// integers selects two integer columns of different sizes or signedness as the narrowest type that holds both. A CAST
// alone would not do: MariaDB sends its result as an INT where the column's values fit one.
func integers(o, n *cluster.Column) Projection {
	p := Projection{Old: WholeNumber(o), New: WholeNumber(n), ordered: true}
	switch {
	case o.Unsigned && n.Unsigned:
	case o.Unsigned && o.DataType == "bigint", n.Unsigned && n.DataType == "bigint":
		p = numbers(o, n)
		p.ordered = true
	default:
		p.Old, p.New = signedNumber(o), signedNumber(n)
	}
	return p
}

// WholeNumber selects a column as BIGINT UNSIGNED: an integer that is not negative, BIT, or the number of an ENUM or
// SET value.
func WholeNumber(c *cluster.Column) string {
	if c.DataType == "bigint" {
		return cluster.Quote(c.Name)
	}
	return "(" + cluster.Quote(c.Name) + "|0)"
}

// signedNumber selects an integer column as BIGINT; BIGINT UNSIGNED is not for it.
func signedNumber(c *cluster.Column) string {
	if c.DataType == "bigint" {
		return cluster.Quote(c.Name)
	}
	return "CAST(" + cluster.Quote(c.Name) + "|0 AS SIGNED)"
}

// numbers selects both columns as integers of whatever signedness; adding 0 turns a BIT into a number first.
func numbers(o, n *cluster.Column) Projection {
	one := func(c *cluster.Column) string { return "CAST(" + cluster.Quote(c.Name) + "+0 AS DECIMAL(20,0))" }
	return Projection{Old: one(o), New: one(n)}
}

// maxDigits is the precision of the servers' widest decimal type.
const maxDigits = 65

// decimals selects both columns with the larger scale and all integer digits.
func decimals(o, n *cluster.Column) Projection {
	scale := max(o.Scale, n.Scale)
	whole := max(integerDigits(o), integerDigits(n))
	as := fmt.Sprintf("DECIMAL(%d,%d)", whole+scale, scale)
	one := func(c *cluster.Column) string { return "CAST(" + cluster.Quote(c.Name) + " AS " + as + ")" }
	if whole+scale > maxDigits { // no decimal type holds all values of both
		one = decimalText
	}
	return Projection{Old: one(o), New: one(n)}
}

// decimalText selects a decimal as text without zeros behind its last digit.
func decimalText(c *cluster.Column) string {
	text := "CAST(" + cluster.Quote(c.Name) + " AS CHAR)"
	if ClassOf(c) == ClassDecimal && c.Scale > 0 {
		text = "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM " + text + "))"
	}
	return text
}

func integerDigits(c *cluster.Column) int {
	if ClassOf(c) == ClassDecimal {
		return c.Precision - c.Scale
	}
	return 20
}

// doubles selects both columns as DOUBLE. Multiplying keeps the sign of −0.0, which adding 0 would lose.
func doubles(o, n *cluster.Column) Projection {
	one := func(c *cluster.Column) string {
		if c.DataType == "double" || c.DataType == "real" {
			return cluster.Quote(c.Name)
		}
		return cluster.Quote(c.Name) + "*1e0"
	}
	return Projection{Old: one(o), New: one(n)}
}

func IsFloat32(c *cluster.Column) bool { return c.DataType == "float" }

func ZeroFill(c *cluster.Column) bool { return strings.Contains(c.ColumnType, "zerofill") }
