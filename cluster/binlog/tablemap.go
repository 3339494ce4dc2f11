package binlog

import (
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Types that MariaDB writes for COMPRESSED columns; go-mysql has no names.
const (
	typeBlobCompressed    = 140
	typeVarcharCompressed = 141
)

// Fields of a table map's optional metadata.
const (
	metaSignedness     = 1
	metaDefaultCharset = 2
	metaColumnCharset  = 3
	metaColumnName     = 4
	metaSetLabels      = 5
	metaEnumLabels     = 6
	metaGeometryType   = 7
	metaEnumDefault    = 10
	metaEnumCharset    = 11
)

// maxColumns is far above any server's limit (4096); it bounds what a broken
// event can make us allocate.
const maxColumns = 1 << 16

// tableMap is a TABLE_MAP event: how the rows that follow are laid out, and as
// much of the definition as the server chose to log.
type tableMap struct {
	id            uint64
	mariaDB       bool
	schema, table string
	types         []byte   // column types, ENUM and SET resolved out of STRING
	meta          []uint16 // per column, as the type defines it
	signedness    []byte   // bit per numeric column, high bit first; nil: not logged
	charsets      []uint64 // collation id per character column; nil: not logged
	enumCharsets  []uint64 // collation id per ENUM or SET column; nil: not logged
	names         []string // nil: not logged
	enumLabels    [][]string
	setLabels     [][]string
	layout        uint64 // a hash of types and meta
}

// parseTableMap reads the body of a TABLE_MAP event. idSize is 4 or 6.
func parseTableMap(body []byte, idSize int, mariaDB bool) (*tableMap, error) {
	r := &reader{b: body}
	tm := &tableMap{id: r.uint(idSize), mariaDB: mariaDB}
	r.bytes(2) // flags
	tm.schema = string(r.bytes(int(r.byte())))
	r.bytes(1)
	tm.table = string(r.bytes(int(r.byte())))
	r.bytes(1)
	n := r.count(1)
	if n > maxColumns {
		return nil, fmt.Errorf("table map with %d columns", n)
	}
	tm.types = append([]byte(nil), r.bytes(n)...)
	if err := tm.parseMeta(r.lenencBytes()); err != nil {
		return nil, err
	}
	r.bytes((n + 7) / 8) // which columns may be NULL; each row says it again
	if r.err != nil {
		return nil, fmt.Errorf("table map: %w", r.err)
	}
	if err := tm.parseOptional(r.b); err != nil {
		return nil, fmt.Errorf("table map of %s.%s: optional metadata: %w", tm.schema, tm.table, err)
	}
	return tm, nil
}

func (tm *tableMap) parseMeta(b []byte) error {
	r := &reader{b: b}
	tm.meta = make([]uint16, len(tm.types))
	for i, t := range tm.types {
		switch t {
		case mysql.MYSQL_TYPE_STRING:
			tm.types[i], tm.meta[i] = stringMeta(r.byte(), r.byte())
		case mysql.MYSQL_TYPE_NEWDECIMAL:
			tm.meta[i] = uint16(r.byte())<<8 | uint16(r.byte())
		case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_BIT, typeVarcharCompressed:
			tm.meta[i] = uint16(r.uint(2))
		case mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_DOUBLE, mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_GEOMETRY,
			mysql.MYSQL_TYPE_VECTOR, mysql.MYSQL_TYPE_JSON, mysql.MYSQL_TYPE_TIME2, mysql.MYSQL_TYPE_DATETIME2,
			mysql.MYSQL_TYPE_TIMESTAMP2, typeBlobCompressed:
			tm.meta[i] = uint16(r.byte())
		}
	}
	if r.err != nil {
		return fmt.Errorf("table map of %s.%s: column metadata: %w", tm.schema, tm.table, r.err)
	}
	return nil
}

// stringMeta undoes the packing of STRING's two bytes: the real type, with two
// bits of lengths above 255 hidden in it, and the low byte of the length.
func stringMeta(b0, b1 byte) (typ byte, meta uint16) {
	if b0&0x30 != 0x30 {
		return mysql.MYSQL_TYPE_STRING, uint16(b1) | uint16(b0&0x30^0x30)<<4
	}
	if b0 == mysql.MYSQL_TYPE_ENUM || b0 == mysql.MYSQL_TYPE_SET {
		return b0, uint16(b1)
	}
	return mysql.MYSQL_TYPE_STRING, uint16(b1)
}

func (tm *tableMap) parseOptional(b []byte) error {
	r := &reader{b: b}
	var def, enumDef []uint64
	for len(r.b) > 0 && r.err == nil {
		kind := r.byte()
		v := &reader{b: r.lenencBytes()}
		switch kind {
		case metaSignedness:
			tm.signedness = append([]byte{}, v.b...)
		case metaDefaultCharset:
			def = v.numbers()
		case metaColumnCharset:
			tm.charsets = v.numbers()
		case metaEnumDefault:
			enumDef = v.numbers()
		case metaEnumCharset:
			tm.enumCharsets = v.numbers()
		case metaColumnName:
			for len(v.b) > 0 {
				tm.names = append(tm.names, string(v.bytes(int(v.byte()))))
			}
		case metaSetLabels:
			tm.setLabels = v.labels()
		case metaEnumLabels:
			tm.enumLabels = v.labels()
		}
		if v.err != nil {
			return v.err
		}
	}
	if tm.names != nil && len(tm.names) != len(tm.types) {
		return fmt.Errorf("%d names for %d columns", len(tm.names), len(tm.types))
	}
	tm.charsets = expandCharsets(tm.charsets, def, tm.countOf(tm.isCharacter))
	tm.enumCharsets = expandCharsets(tm.enumCharsets, enumDef, tm.countOf(isLabelled))
	return r.err
}

// numbers reads length-encoded integers up to the end.
func (r *reader) numbers() []uint64 {
	out := []uint64{}
	for len(r.b) > 0 {
		out = append(out, r.lenenc())
	}
	return out
}

func (r *reader) labels() [][]string {
	var out [][]string
	for len(r.b) > 0 {
		list := make([]string, r.count(1))
		for i := range list {
			list[i] = string(r.lenencBytes())
		}
		out = append(out, list)
	}
	return out
}

// expandCharsets turns "default, (index, id)…" into one id per column.
func expandCharsets(each, def []uint64, n int) []uint64 {
	if each != nil || len(def) == 0 {
		return each
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = def[0]
	}
	for i := 1; i+1 < len(def); i += 2 {
		if def[i] < uint64(n) {
			out[def[i]] = def[i+1]
		}
	}
	return out
}

func (tm *tableMap) countOf(is func(byte) bool) int {
	n := 0
	for _, t := range tm.types {
		if is(t) {
			n++
		}
	}
	return n
}

func isNumeric(t byte) bool {
	switch t {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_LONG,
		mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_NEWDECIMAL, mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_DOUBLE,
		mysql.MYSQL_TYPE_YEAR:
		return true
	}
	return false
}

// isCharacter tells which columns the character set list counts. MariaDB's
// geometries are strings to it.
func (tm *tableMap) isCharacter(t byte) bool {
	switch t {
	case mysql.MYSQL_TYPE_GEOMETRY:
		return tm.mariaDB
	case mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_BLOB,
		typeBlobCompressed, typeVarcharCompressed:
		return true
	}
	return false
}

func isLabelled(t byte) bool { return t == mysql.MYSQL_TYPE_ENUM || t == mysql.MYSQL_TYPE_SET }
