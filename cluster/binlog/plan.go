package binlog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// plan is how to decode the rows that follow one table map.
type plan struct {
	def     *Table
	columns []column
	json    int // number of JSON columns, for partial updates
	// complete says that the binlog itself carried all that was needed.
	complete bool
	// fits says that the definition given agrees with the table map, so that
	// names, signs, character sets and labels could be taken from it.
	fits bool
}

// collations maps a server's collation ids to character set names.
type collations map[uint64]string

// newPlan combines the table map, which is always right about the layout, with
// the optional metadata and, where that is missing, with a table definition
// (nil: none).
func newPlan(tm *tableMap, def *Table, names collations) *plan {
	p := &plan{columns: make([]column, len(tm.types)), complete: tm.names != nil}
	p.fits = def != nil && fits(tm, def)
	p.def = &Table{Schema: tm.schema, Name: tm.table, Columns: make([]Column, len(tm.types)), layout: tm.layout}
	for i := range tm.types {
		c, info := &p.columns[i], &p.def.Columns[i]
		if p.fits {
			*info = def.Columns[i]
		} else {
			info.Name = fmt.Sprintf("@%d", i+1)
		}
		if tm.names != nil {
			info.Name = tm.names[i]
		}
		c.typ, c.meta = tm.types[i], tm.meta[i]
		if c.typ == mysql.MYSQL_TYPE_JSON {
			p.json++
		}
	}
	p.setSigns(tm)
	p.setCharsets(tm, names)
	p.setLabels(tm)
	for i := range p.columns {
		p.columns[i].finish(&p.def.Columns[i], tm.mariaDB)
	}
	return p
}

// certain tells whether rows decoded by the plan carry the right names, signs,
// character sets and labels, given whether the definition is the valid one.
func (p *plan) certain(defValid bool) bool { return p.complete || p.fits && defValid }

func (p *plan) setSigns(tm *tableMap) {
	n := 0
	for i, t := range tm.types {
		if !isNumeric(t) {
			continue
		}
		if tm.signedness == nil {
			p.complete = false
		} else if n>>3 < len(tm.signedness) {
			p.def.Columns[i].Unsigned = tm.signedness[n>>3]&(0x80>>(n&7)) != 0
		}
		n++
		p.columns[i].unsigned = p.def.Columns[i].Unsigned
	}
}

func (p *plan) setCharsets(tm *tableMap, names collations) {
	chars, enums := 0, 0
	for i, t := range tm.types {
		var ids []uint64
		var n *int
		switch {
		case tm.isCharacter(t):
			ids, n = tm.charsets, &chars
		case isLabelled(t):
			ids, n = tm.enumCharsets, &enums
		default:
			continue
		}
		if *n < len(ids) {
			if cs := names[ids[*n]]; cs != "" && cs != p.def.Columns[i].Charset {
				p.def.Columns[i].Charset, p.def.Columns[i].Collation = cs, ""
			}
		} else {
			p.complete = false
		}
		*n++
	}
}

func (p *plan) setLabels(tm *tableMap) {
	enums, sets := 0, 0
	for i, t := range tm.types {
		var list [][]string
		var n *int
		switch t {
		case mysql.MYSQL_TYPE_ENUM:
			list, n = tm.enumLabels, &enums
		case mysql.MYSQL_TYPE_SET:
			list, n = tm.setLabels, &sets
		default:
			continue
		}
		if *n < len(list) {
			p.columns[i].convertLabels(list[*n], p.def.Columns[i].Charset)
			p.def.Columns[i].Labels = p.columns[i].labelTexts()
		} else {
			p.complete = false
			p.columns[i].convertLabels(p.def.Columns[i].Labels, "") // the server gave them in utf8mb4
		}
		*n++
	}
}

// convertLabels keeps labels in utf8mb4; nil stays nil: unknown.
func (c *column) convertLabels(labels []string, charsetName string) {
	if labels == nil {
		return
	}
	cs, known := lookupCharset(charsetName)
	if charsetName != "" && !known {
		return
	}
	c.labels = make([][]byte, len(labels))
	for i, l := range labels {
		c.labels[i] = []byte(l)
		if cs != nil {
			c.labels[i] = cs.appendUTF8(nil, c.labels[i])
		}
	}
}

func (c *column) labelTexts() []string {
	out := make([]string, len(c.labels))
	for i, l := range c.labels {
		out[i] = string(l)
	}
	return out
}

// finish settles how strings are converted.
func (c *column) finish(info *Column, mariaDB bool) {
	if isLabelled(c.typ) {
		return
	}
	if mariaDB && c.typ == mysql.MYSQL_TYPE_STRING {
		switch info.DataType {
		case "uuid":
			c.special = specialUUID
		case "inet4":
			c.special = specialINET4
		case "inet6":
			c.special = specialINET6
		}
		if c.special != plain {
			return
		}
	}
	switch c.typ {
	case mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_BLOB,
		typeBlobCompressed, typeVarcharCompressed:
	default:
		return
	}
	cs, known := lookupCharset(info.Charset)
	c.cs, c.opaque = cs, !known
	if info.Charset == "binary" && c.typ == mysql.MYSQL_TYPE_STRING {
		c.pad = int(c.meta)
	}
}

// fits tells whether a definition can be that of the table map: the same number
// of columns, each of a type that is logged so.
func fits(tm *tableMap, def *Table) bool {
	if len(def.Columns) != len(tm.types) {
		return false
	}
	for i, t := range tm.types {
		if tm.names != nil && tm.names[i] != def.Columns[i].Name {
			return false
		}
		if !slices.Contains(loggedTypes(def.Columns[i].DataType), t) {
			return false
		}
	}
	return true
}

// loggedTypes are the binlog's types of a DATA_TYPE.
func loggedTypes(dataType string) []byte {
	switch dataType {
	case "tinyint":
		return []byte{mysql.MYSQL_TYPE_TINY}
	case "smallint":
		return []byte{mysql.MYSQL_TYPE_SHORT}
	case "mediumint":
		return []byte{mysql.MYSQL_TYPE_INT24}
	case "int":
		return []byte{mysql.MYSQL_TYPE_LONG}
	case "bigint":
		return []byte{mysql.MYSQL_TYPE_LONGLONG}
	case "decimal":
		return []byte{mysql.MYSQL_TYPE_NEWDECIMAL}
	case "float":
		return []byte{mysql.MYSQL_TYPE_FLOAT}
	case "double":
		return []byte{mysql.MYSQL_TYPE_DOUBLE}
	case "bit":
		return []byte{mysql.MYSQL_TYPE_BIT}
	case "year":
		return []byte{mysql.MYSQL_TYPE_YEAR}
	case "date":
		return []byte{mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE}
	case "time":
		return []byte{mysql.MYSQL_TYPE_TIME, mysql.MYSQL_TYPE_TIME2}
	case "datetime":
		return []byte{mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_DATETIME2}
	case "timestamp":
		return []byte{mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIMESTAMP2}
	case "char", "binary", "uuid", "inet4", "inet6":
		return []byte{mysql.MYSQL_TYPE_STRING}
	case "varchar", "varbinary":
		return []byte{mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, typeVarcharCompressed}
	case "enum":
		return []byte{mysql.MYSQL_TYPE_ENUM}
	case "set":
		return []byte{mysql.MYSQL_TYPE_SET}
	case "json":
		return []byte{mysql.MYSQL_TYPE_JSON, mysql.MYSQL_TYPE_BLOB}
	case "vector":
		return []byte{mysql.MYSQL_TYPE_VECTOR, mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_VARCHAR}
	}
	if strings.HasSuffix(dataType, "blob") || strings.HasSuffix(dataType, "text") {
		return []byte{mysql.MYSQL_TYPE_BLOB, typeBlobCompressed}
	}
	if isSpatial(dataType) {
		return []byte{mysql.MYSQL_TYPE_GEOMETRY}
	}
	return nil
}

func isSpatial(dataType string) bool {
	switch dataType {
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
		"geometrycollection", "geomcollection":
		return true
	}
	return false
}

// decodeRow reads one row image. present says which columns it carries; row
// has one value per column. It returns how many bytes the image took.
func (p *plan) decodeRow(b, present []byte, after, partialEvent bool, row Row, a *arena) (n int, partial bool, err error) {
	r := &reader{b: b}
	var jsonBits []byte
	if partialEvent && after && r.lenenc()&1 != 0 {
		jsonBits = r.bytes((p.json + 7) / 8)
	}
	count := 0
	for i := range p.columns {
		if bit(present, i) {
			count++
		}
	}
	nulls := r.bytes((count + 7) / 8)
	if r.err != nil {
		return 0, false, r.err
	}
	pos, seen, json := len(b)-len(r.b), 0, 0
	for i := range p.columns {
		c := &p.columns[i]
		isDiff := false
		if c.typ == mysql.MYSQL_TYPE_JSON {
			isDiff = jsonBits != nil && bit(jsonBits, json)
			json++
		}
		if !bit(present, i) {
			row[i].State = Missing
			partial = true
			continue
		}
		if bit(nulls, seen) {
			row[i].State = Null
			seen++
			continue
		}
		seen++
		var used int
		if isDiff {
			used, err = skipBlob(b[pos:], int(c.meta))
			row[i].State, partial = Partial, true
		} else {
			used, err = c.decode(b[pos:], &row[i], a)
		}
		if err != nil {
			return 0, false, fmt.Errorf("column %d (%s): %w", i+1, p.def.Columns[i].Name, err)
		}
		pos += used
	}
	return pos, partial, nil
}

func skipBlob(b []byte, n int) (int, error) {
	if n < 1 || n > 4 || len(b) < n {
		return 0, errShort
	}
	size := littleEndian(b[:n])
	if size > uint64(len(b)-n) {
		return 0, errShort
	}
	return n + int(size), nil
}
