package checksum

import (
	"fmt"
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
		p = numbers(o, n, "DECIMAL(20,0)")
		p.ordered = true
	case [2]class{classInt, classFloat}, [2]class{classDecimal, classFloat}, [2]class{classYear, classFloat}:
		p = doubles(o, n)
		p.lossy = fmt.Sprintf("%s: %s and %s are compared as floating point numbers", o.Name, o.ColumnType, n.ColumnType)
	case [2]class{classText, classEnum}, [2]class{classText, classSet}, [2]class{classEnum, classSet},
		[2]class{classText, classUUID}, [2]class{classText, classInet}, [2]class{classEnum, classUUID}:
		p = texts(o, n)
	case [2]class{classText, classJSON}:
		if o.JSONText || n.JSONText { // MariaDB's JSON is text: against plain text its bytes count
			p = texts(o, n)
			break
		}
		p.json = true
	case [2]class{classText, classBytes}, [2]class{classBytes, classGeometry}, [2]class{classBytes, classEnum}:
		p.note = fmt.Sprintf("%s: %s and %s are compared byte by byte", o.Name, o.ColumnType, n.ColumnType)
	case [2]class{classText, classFixedBytes}, [2]class{classBytes, classFixedBytes}:
		p = trimmed(o, n)
	case [2]class{classBytes, classUUID}, [2]class{classFixedBytes, classUUID}:
		p.old, p.new = uuidBytes(o, co), uuidBytes(n, cn)
	default:
		p.old, p.new = "CAST("+p.old+" AS CHAR)", "CAST("+p.new+" AS CHAR)"
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
		if o.Unsigned != n.Unsigned {
			p = numbers(o, n, "DECIMAL(20,0)")
			p.ordered = true
		} else if wireSize(o) != wireSize(n) {
			p.old, p.new = widen(o), widen(n)
		}
	case classBit:
		if o.ColumnType != n.ColumnType {
			p = numbers(o, n, "DECIMAL(20,0)")
			p.ordered = true
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
	case classText, classEnum:
		p = texts(o, n)
	case classSet:
		if equalLabels(o.Labels, n.Labels) {
			p = texts(o, n)
		} else {
			p = sets(o, n)
		}
	case classFixedBytes:
		if o.CharLen != n.CharLen {
			p = trimmed(o, n)
		}
	case classDate:
		if (o.DataType == "timestamp") != (n.DataType == "timestamp") {
			p.note = fmt.Sprintf("%s: %s and %s are compared in UTC", o.Name, o.ColumnType, n.ColumnType)
		}
	case classJSON:
		p.json = o.DataType != n.DataType // MySQL's own type against text
		p.ordered = false
	case classGeometry, classInet, classOther, classUUID:
		p.ordered = o.DataType == n.DataType
	case classYear, classBytes, classTime:
	}
	return p
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

// widen selects an integer column as BIGINT of its signedness.
func widen(c *cluster.Column) string {
	if c.DataType == "bigint" {
		return cluster.Quote(c.Name)
	}
	// The constant makes the sum a BIGINT on every server; a CAST to SIGNED stays an INT on MariaDB when the values fit.
	if c.Unsigned {
		return "CAST(" + cluster.Quote(c.Name) + " AS UNSIGNED)"
	}
	return "CAST(" + cluster.Quote(c.Name) + " AS SIGNED)"
}

// numbers selects both columns as the given decimal type; adding 0 turns a BIT into a number first.
func numbers(o, n *cluster.Column, as string) projection {
	one := func(c *cluster.Column) string { return "CAST(" + cluster.Quote(c.Name) + "+0 AS " + as + ")" }
	return projection{old: one(o), new: one(n)}
}

// decimals selects both columns with the larger scale, keeping all integer digits as far as 65 digits allow.
func decimals(o, n *cluster.Column) projection {
	scale := max(o.Scale, n.Scale)
	whole := max(integerDigits(o), integerDigits(n))
	as := fmt.Sprintf("DECIMAL(%d,%d)", min(65, whole+scale), scale)
	one := func(c *cluster.Column) string { return "CAST(" + cluster.Quote(c.Name) + " AS " + as + ")" }
	p := projection{old: one(o), new: one(n)}
	if whole+scale > 65 {
		p.lossy = fmt.Sprintf("%s: %s and %s have no common decimal type", o.Name, o.ColumnType, n.ColumnType)
	}
	return p
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

// trimmed compares byte strings without the zero bytes with which BINARY(n) is padded.
func trimmed(o, n *cluster.Column) projection {
	one := func(c *cluster.Column) string { return "TRIM(TRAILING X'00' FROM " + cluster.Quote(c.Name) + ")" }
	return projection{
		old: one(o), new: one(n),
		lossy: fmt.Sprintf("%s: %s and %s are compared without zero bytes at the end", o.Name, o.ColumnType, n.ColumnType),
	}
}

// uuidBytes selects a UUID as its 16 bytes.
func uuidBytes(c *cluster.Column, k class) string {
	if k == classUUID {
		return "UNHEX(REPLACE(CAST(" + cluster.Quote(c.Name) + " AS CHAR),'-',''))"
	}
	return cluster.Quote(c.Name)
}

// texts selects character columns as stored where their charsets agree, else both as utf8mb4.
func texts(o, n *cluster.Column) projection {
	p := bare(o, n)
	so, sn := charset(o), charset(n)
	p.ordered = classOf(o) == classOf(n) && sameOrder(o, n)
	if so == sn || utf8Bytes(so) && utf8Bytes(sn) {
		return p
	}
	for _, side := range []struct {
		c    *cluster.Column
		expr *string
	}{{o, &p.old}, {n, &p.new}} {
		cs := charset(side.c)
		if cs == "binary" || utf8Bytes(cs) {
			continue
		}
		*side.expr = "CONVERT(" + *side.expr + " USING utf8mb4)"
		if !losslessInUTF8(cs) {
			p.lossy = fmt.Sprintf("%s: characters of %s that Unicode lacks compare equal", o.Name, cs)
		}
	}
	return p
}

// charset returns the charset of a column's stored characters, with MySQL's old name of utf8mb3 made new.
func charset(c *cluster.Column) string {
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

// utf8Bytes reports whether text of the charset is stored as UTF-8.
func utf8Bytes(cs string) bool { return cs == "utf8mb4" || cs == "utf8mb3" || cs == "ascii" }

// losslessInUTF8 reports whether every byte string that a column of the charset can hold has its own UTF-8 form.
func losslessInUTF8(cs string) bool {
	switch cs {
	case "latin1", "ucs2", "utf16", "utf16le", "utf32":
		return true
	}
	return utf8Bytes(cs)
}

// sameOrder reports whether two character columns sort alike. utf8mb3 and utf8mb4 collations of one name do, for
// all characters that both can hold.
func sameOrder(o, n *cluster.Column) bool {
	if classOf(o) == classEnum {
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

func equalLabels(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
