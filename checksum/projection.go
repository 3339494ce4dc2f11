package checksum

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// projection says how one column of the old and its counterpart of the new table are selected so that equal values give
// equal packet bytes. Where both columns agree it is the bare column on both sides: no conversion costs the server
// anything or hides anything.
type projection struct {
	old, new string // SQL expressions
	lossy    string // what the comparison cannot tell apart, "" for nothing
	note     string // what a reader should know although nothing is lost
	json     bool   // values are JSON text that must be brought to a canonical form on our side
	ordered  bool   // both columns sort the same way, so that bounds of one side hold on the other
	number   bool   // values are the numbers of BIT, ENUM or SET

	// Of keys only.
	oldMark, newMark string // placeholders of values that are sent back, "" for ?
	bytes            bool   // text is sent back as the bytes that it is stored in
	folded           bool   // several keys may be selected alike, or a selected key finds no row: only reading the table finds its rows
}

// class groups data types that convert alike.
type class int

const (
	classOther class = iota
	classInt
	classBit
	classYear
	classDecimal
	classFloat
	classText
	classBytes
	classFixedBytes
	classDate
	classTime
	classEnum
	classSet
	classJSON
	classGeometry
	classUUID
	classInet
)

func classOf(c *cluster.Column) class {
	switch c.DataType {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
		return classInt
	case "bit":
		return classBit
	case "year":
		return classYear
	case "decimal", "numeric":
		return classDecimal
	case "float", "double", "real":
		return classFloat
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		if c.JSONText {
			return classJSON
		}
		return classText
	case "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector":
		return classBytes
	case "binary":
		return classFixedBytes
	case "date", "datetime", "timestamp":
		return classDate
	case "time":
		return classTime
	case "enum":
		return classEnum
	case "set":
		return classSet
	case "json":
		return classJSON
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geometrycollection", "geomcollection":
		return classGeometry
	case "uuid":
		return classUUID
	case "inet4", "inet6":
		return classInet
	}
	return classOther
}

// project builds the projection of one column pair.
func project(o, n *cluster.Column) projection {
	co, cn := classOf(o), classOf(n)
	if co == cn {
		return projectSame(co, o, n)
	}
	p := bare(o, n)
	switch pair := [2]class{min(co, cn), max(co, cn)}; pair {
	case [2]class{classInt, classDecimal}, [2]class{classYear, classDecimal}:
		p = decimals(o, n)
		p.ordered = true
	case [2]class{classInt, classYear}, [2]class{classInt, classBit}, [2]class{classBit, classYear}:
		p = numbers(o, n)
		p.ordered = true
	case [2]class{classInt, classFloat}, [2]class{classDecimal, classFloat}, [2]class{classYear, classFloat}:
		p = doubles(o, n)
		p.lossy = fmt.Sprintf("%s: %s and %s are compared as floating point numbers", o.Name, o.ColumnType, n.ColumnType)
	case [2]class{classText, classEnum}, [2]class{classText, classSet}, [2]class{classEnum, classSet}:
		p = texts(o, n)
	case [2]class{classText, classUUID}, [2]class{classText, classInet}:
		p = canonicalTexts(o, n)
	case [2]class{classText, classJSON}:
		if p = texts(o, n); !o.JSONText && !n.JSONText { // MariaDB's JSON is text: against plain text its bytes count
			p = documents(o, n, p)
		}
	case [2]class{classText, classBytes}, [2]class{classBytes, classGeometry}, [2]class{classBytes, classEnum}:
		p.note = fmt.Sprintf("%s: %s and %s are compared byte by byte", o.Name, o.ColumnType, n.ColumnType)
	case [2]class{classText, classFixedBytes}, [2]class{classBytes, classFixedBytes}:
		p = trimmed(o, n)
	case [2]class{classBytes, classUUID}, [2]class{classFixedBytes, classUUID}, [2]class{classBytes, classInet},
		[2]class{classFixedBytes, classInet}:
		p.old, p.new = addressBytes(o), addressBytes(n)
	case [2]class{classInt, classText}, [2]class{classDecimal, classText}, [2]class{classYear, classText},
		[2]class{classText, classDate}, [2]class{classText, classTime}, [2]class{classDate, classTime}:
		p.old, p.new = asText(o), asText(n)
		p.note = fmt.Sprintf("%s: %s and %s are compared as text", o.Name, o.ColumnType, n.ColumnType)
	default:
		p.old, p.new = asText(o), asText(n)
		p.lossy = fmt.Sprintf("%s: %s and %s are compared as text", o.Name, o.ColumnType, n.ColumnType)
	}
	return p
}

// projectSame handles two columns of one class.
func projectSame(c class, o, n *cluster.Column) projection {
	p := bare(o, n)
	p.ordered = true
	switch c {
	case classInt:
		if o.Unsigned != n.Unsigned || wireSize(o) != wireSize(n) {
			p = integers(o, n)
		}
	case classBit:
		if o.ColumnType != n.ColumnType {
			p = projection{old: wholeNumber(o), new: wholeNumber(n), ordered: true, number: true}
		}
	case classDecimal:
		if o.Scale != n.Scale || zerofill(o) != zerofill(n) {
			p = decimals(o, n)
			p.ordered = true
		}
	case classFloat:
		if isFloat32(o) != isFloat32(n) {
			p = doubles(o, n)
			p.ordered = true
		}
	case classText:
		p = texts(o, n)
	case classEnum:
		p = enums(o, n)
	case classSet:
		p = texts(o, n)
		if !equalLabels(o.Labels, n.Labels) || slices.Contains(o.Labels, "") {
			p = sets(o, n)
		}
	case classFixedBytes:
		if o.CharLen != n.CharLen {
			p = padded(o, n)
		}
	case classDate:
		if (o.DataType == "timestamp") != (n.DataType == "timestamp") {
			p.note = fmt.Sprintf("%s: %s and %s are compared in UTC", o.Name, o.ColumnType, n.ColumnType)
		}
	case classJSON:
		if o.DataType != "json" || n.DataType != "json" {
			p = texts(o, n)
		}
		if (o.DataType == "json") != (n.DataType == "json") { // MySQL's own type against text
			p = documents(o, n, p)
		}
		p.ordered = false
	case classGeometry, classInet, classOther, classUUID:
		p.ordered = o.DataType == n.DataType
		if c == classInet && !p.ordered {
			p.old, p.new = mappedAddress(addressBytes(o)), mappedAddress(addressBytes(n))
		}
	case classYear:
		if shortYear(o) != shortYear(n) {
			p.old, p.new = fullYear(o), fullYear(n)
		}
	case classBytes, classTime:
	}
	return p
}

// shortYear reports whether a column is a YEAR(2).
func shortYear(c *cluster.Column) bool { return strings.HasPrefix(c.ColumnType, "year(2)") }

// fullYear selects a YEAR with all its digits.
func fullYear(c *cluster.Column) string {
	col := cluster.Quote(c.Name)
	if !shortYear(c) {
		return wholeNumber(c)
	}
	return fmt.Sprintf("(%s|0)+IF((%s|0)<70,2000,1900)", col, col)
}

func bare(o, n *cluster.Column) projection {
	return projection{old: cluster.Quote(o.Name), new: cluster.Quote(n.Name)}
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
func integers(o, n *cluster.Column) projection {
	p := projection{old: wholeNumber(o), new: wholeNumber(n), ordered: true}
	switch {
	case o.Unsigned && n.Unsigned:
	case o.Unsigned && o.DataType == "bigint", n.Unsigned && n.DataType == "bigint":
		p = numbers(o, n)
		p.ordered = true
	default:
		p.old, p.new = signedNumber(o), signedNumber(n)
	}
	return p
}

// wholeNumber selects a column as BIGINT UNSIGNED: an integer that is not negative, BIT, or the number of an ENUM or
// SET value.
func wholeNumber(c *cluster.Column) string {
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
func numbers(o, n *cluster.Column) projection {
	one := func(c *cluster.Column) string { return "CAST(" + cluster.Quote(c.Name) + "+0 AS DECIMAL(20,0))" }
	return projection{old: one(o), new: one(n)}
}

// maxDigits is the precision of the servers' widest decimal type.
const maxDigits = 65

// decimals selects both columns with the larger scale and all integer digits.
func decimals(o, n *cluster.Column) projection {
	scale := max(o.Scale, n.Scale)
	whole := max(integerDigits(o), integerDigits(n))
	as := fmt.Sprintf("DECIMAL(%d,%d)", whole+scale, scale)
	one := func(c *cluster.Column) string { return "CAST(" + cluster.Quote(c.Name) + " AS " + as + ")" }
	if whole+scale > maxDigits { // no decimal type holds all values of both
		one = decimalText
	}
	return projection{old: one(o), new: one(n)}
}

// decimalText selects a decimal as text without zeros behind its last digit.
func decimalText(c *cluster.Column) string {
	text := "CAST(" + cluster.Quote(c.Name) + " AS CHAR)"
	if classOf(c) == classDecimal && c.Scale > 0 {
		text = "TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM " + text + "))"
	}
	return text
}

func integerDigits(c *cluster.Column) int {
	if classOf(c) == classDecimal {
		return c.Precision - c.Scale
	}
	return 20
}

// doubles selects both columns as DOUBLE. Multiplying keeps the sign of −0.0, which adding 0 would lose.
func doubles(o, n *cluster.Column) projection {
	one := func(c *cluster.Column) string {
		if c.DataType == "double" || c.DataType == "real" {
			return cluster.Quote(c.Name)
		}
		return cluster.Quote(c.Name) + "*1e0"
	}
	return projection{old: one(o), new: one(n)}
}

func isFloat32(c *cluster.Column) bool { return c.DataType == "float" }

func zerofill(c *cluster.Column) bool { return strings.Contains(c.ColumnType, "zerofill") }
