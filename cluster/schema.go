package cluster

import "strings"

// TableKind tells what a name in a schema stands for.
type TableKind string

// The kinds. Versioned is a MariaDB table with system versioning; Sequence is
// MariaDB's, too.
const (
	TableBase      TableKind = "base"
	TableView      TableKind = "view"
	TableSequence  TableKind = "sequence"
	TableVersioned TableKind = "versioned"
)

// GeneratedKind tells whether and how the server computes a column.
type GeneratedKind string

// The kinds of generation.
const (
	GeneratedNone    GeneratedKind = ""
	GeneratedVirtual GeneratedKind = "virtual"
	GeneratedStored  GeneratedKind = "stored"
)

// Table is one table, view or sequence with its columns and keys.
type Table struct {
	Schema, Name  string
	Kind          TableKind
	Engine        string // as the server spells it; "" for a view
	Charset       string // of new columns; canonical, see Column.Charset
	Collation     string
	EstRows       int64 // the server's estimate; may be far off
	DataBytes     int64 // of the clustered index, an estimate
	Columns       []Column
	Keys          []Key    // the primary key first, then unique ones, by name; but see WalkKey
	Partitions    []string // in order; subpartitions not listed
	RowFormat     string
	CreateOptions string
	Comment       string
}

// Column is one column. Lengths and precisions are 0 where the type has none.
type Column struct {
	Name          string
	Ordinal       int    // from 1
	DataType      string // lower case, without length: "bigint", "varchar", "json"
	ColumnType    string // as the server writes it: "bigint(20) unsigned"
	Unsigned      bool
	Nullable      bool
	AutoIncrement bool
	Invisible     bool // not in SELECT *; a generated invisible primary key, too
	Generated     GeneratedKind
	// GenerationExpr is the expression as the server writes it; "" on servers
	// that do not tell it.
	GenerationExpr string
	// Charset is canonical: servers write MySQL's three-byte charset as utf8 or
	// utf8mb3, here it is always utf8mb3. Empty for types without characters.
	Charset string
	// Collation is spelled as this server spells it, so that it can be used in
	// statements to it; compare two servers' with CanonicalCollation.
	Collation   string
	CharLen     int64 // characters
	OctetLen    int64 // bytes
	Precision   int   // digits; for BIT, bits
	Scale       int
	FracSeconds int // of temporal types
	// Default is the literal default, unquoted, or an expression when
	// DefaultExpr is set; nil for none or NULL.
	Default     *string
	DefaultExpr bool
	OnUpdate    string   // "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP(6)" or ""
	Labels      []string // of ENUM and SET, unescaped
	SRID        *uint32  // where MySQL 8 restricts the column to one
	Comment     string
	System      bool // MariaDB: start or end of the row's system period
	JSONText    bool // MariaDB: text with a json_valid check, which is its JSON type
}

// Key is one index of any kind.
type Key struct {
	Name    string
	Primary bool
	Unique  bool
	Visible bool   // false: the optimizer may not use it, FORCE INDEX included
	Type    string // "BTREE", "HASH", "FULLTEXT", "SPATIAL"
	Parts   []KeyPart
	// Overlaps says of a unique key of MariaDB that it is WITHOUT OVERLAPS: its last two parts are the end and the start of
	// a period, and of two rows with equal values of the others the periods may not overlap.
	Overlaps bool
}

// KeyPart is one column, prefix or expression of a key.
type KeyPart struct {
	Column     string // "" for an expression
	Prefix     int    // 0: the whole column; else characters, or bytes for binary types
	Descending bool
	Expression string
}

// Quote returns ident as a quoted identifier.
func Quote(ident string) string { return "`" + strings.ReplaceAll(ident, "`", "``") + "`" }

// FullName returns "schema.name", for people and documents. A part that holds a
// dot or a backtick is quoted, so that the name can be read in one way only;
// SplitFullName reads it.
func FullName(schema, name string) string { return namePart(schema) + "." + namePart(name) }

func namePart(s string) string {
	if strings.ContainsAny(s, ".`") {
		return Quote(s)
	}
	return s
}

// SplitFullName returns the parts of a FullName; ok is false for other texts.
func SplitFullName(full string) (schema, name string, ok bool) {
	schema, rest, ok := cutNamePart(full)
	if !ok || !strings.HasPrefix(rest, ".") {
		return "", "", false
	}
	name, rest, ok = cutNamePart(rest[1:])
	return schema, name, ok && rest == ""
}

// cutNamePart cuts a quoted or plain part off the front of a full name.
func cutNamePart(s string) (part, rest string, ok bool) {
	if !strings.HasPrefix(s, "`") {
		part, _, _ = strings.Cut(s, ".")
		return part, s[len(part):], part != ""
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '`':
		case i+1 < len(s) && s[i+1] == '`':
			i++
		default:
			return strings.ReplaceAll(s[1:i], "``", "`"), s[i+1:], true
		}
	}
	return "", "", false
}

// FullName is the function FullName of the table's name.
func (t *Table) FullName() string { return FullName(t.Schema, t.Name) }

// QuotedName returns "`schema`.`name`", for statements.
func (t *Table) QuotedName() string { return Quote(t.Schema) + "." + Quote(t.Name) }

// Column returns the column of that name (letter case does not matter in
// column names), or nil.
func (t *Table) Column(name string) *Column {
	var found *Column
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Name == name {
			return c
		}
		if found == nil && strings.EqualFold(c.Name, name) {
			found = c
		}
	}
	return found
}

// PrimaryKey returns the primary key, or nil.
func (t *Table) PrimaryKey() *Key {
	for i := range t.Keys {
		if t.Keys[i].Primary {
			return &t.Keys[i]
		}
	}
	return nil
}

// WalkKey returns the key by which all rows can be read in order, each exactly
// once: the primary key, else the first unique key that can serve. Such a key
// is a usable BTREE without NULLs, prefixes, expressions or mixed directions.
// The result is nil if there is none.
//
// The first one counts because InnoDB stores the rows of a table without a
// primary key in the order of its first unique key without NULLs; where that
// makes a difference, Keys has the server's own order.
func (t *Table) WalkKey() *Key {
	if k := t.PrimaryKey(); k != nil && t.walkable(k) {
		return k
	}
	for i := range t.Keys {
		if k := &t.Keys[i]; k.Unique && t.walkable(k) {
			return k
		}
	}
	return nil
}

func (t *Table) walkable(k *Key) bool {
	if !k.Visible || len(k.Parts) == 0 || (k.Type != "BTREE" && k.Type != "LSMTREE") {
		return false
	}
	for _, p := range k.Parts {
		c := t.Column(p.Column)
		if p.Expression != "" || p.Prefix != 0 || p.Descending != k.Parts[0].Descending || c == nil || c.Nullable {
			return false
		}
	}
	return true
}

// CanonicalCollation returns the collation's newest name, in which MySQL's
// three-byte charset is utf8mb3.
func CanonicalCollation(name string) string {
	if rest, ok := strings.CutPrefix(name, "utf8_"); ok {
		return "utf8mb3_" + rest
	}
	return name
}

func canonicalCharset(name string) string {
	if name == "utf8" {
		return "utf8mb3"
	}
	return name
}
