package cluster

import (
	"database/sql"
	"regexp"
	"strings"
)

// columnRow is a row of information_schema.COLUMNS.
type columnRow struct {
	name                       string
	ordinal                    int
	def                        sql.NullString
	nullable, dataType         string
	charLen, octetLen          sql.Null[uint64]
	precision, scale, frac     sql.NullInt64
	charset, collation         sql.NullString
	columnType, extra, comment string
	expr                       sql.NullString
	srid                       sql.Null[uint32]
}

// column interprets the row. Every server writes some of it its own way.
func (r *columnRow) column(f Facts) Column {
	c := Column{
		Name: r.name, Ordinal: r.ordinal, DataType: strings.ToLower(r.dataType), ColumnType: r.columnType,
		Nullable: r.nullable == "YES", Charset: canonicalCharset(r.charset.String), Collation: r.collation.String,
		CharLen: int64(r.charLen.V), OctetLen: int64(r.octetLen.V),
		Precision: int(r.precision.Int64), Scale: int(r.scale.Int64), FracSeconds: int(r.frac.Int64), Comment: r.comment,
	}
	// ENUM and SET labels may hold any word, so only what precedes them counts.
	head, _, _ := strings.Cut(strings.ToLower(r.columnType), "'")
	c.Unsigned = strings.Contains(head, "unsigned") || strings.Contains(head, "zerofill")
	if c.DataType == "enum" || c.DataType == "set" {
		c.Labels = parseLabels(r.columnType)
	}
	if r.srid.Valid {
		srid := r.srid.V
		c.SRID = &srid
	}
	extra := strings.ToUpper(r.extra)
	c.AutoIncrement = strings.Contains(extra, "AUTO_INCREMENT")
	c.Invisible = hasWord(extra, "INVISIBLE")
	c.OnUpdate = onUpdate(extra)
	c.GenerationExpr = r.expr.String
	switch {
	case c.GenerationExpr == "ROW START" || c.GenerationExpr == "ROW END":
		c.System = true
	case hasWord(extra, "VIRTUAL"):
		c.Generated = GeneratedVirtual
	case hasWord(extra, "STORED"), hasWord(extra, "PERSISTENT"):
		c.Generated = GeneratedStored
	}
	if c.Generated == GeneratedNone && !c.System {
		c.Default, c.DefaultExpr = parseDefault(r.def, extra, c.DataType, f)
	}
	return c
}

func hasWord(s, word string) bool {
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || r == ',' }) {
		if w == word {
			return true
		}
	}
	return false
}

// onUpdate reads "… ON UPDATE CURRENT_TIMESTAMP(3)" of an upper-case EXTRA.
func onUpdate(extra string) string {
	_, what, ok := strings.Cut(extra, "ON UPDATE ")
	if !ok {
		return ""
	}
	what, _, _ = strings.Cut(what, " ")
	return currentTimestamp(what)
}

// currentTimestamp writes the function one way: MariaDB has it in lower case
// and with empty parentheses.
func currentTimestamp(s string) string {
	return strings.TrimSuffix(strings.ToUpper(s), "()")
}

var isCurrentTimestamp = regexp.MustCompile(`(?i)^current_timestamp(\(\d*\))?$`)

// parseDefault returns the default as a literal or an expression; nil for none.
func parseDefault(def sql.NullString, extra, dataType string, f Facts) (value *string, expr bool) {
	if !def.Valid {
		return nil, false
	}
	s := def.String
	temporal := dataType == "timestamp" || dataType == "datetime"
	if isCurrentTimestamp.MatchString(s) && (temporal || strings.Contains(extra, "DEFAULT_GENERATED")) {
		s = currentTimestamp(s)
		return &s, true
	}
	if !f.IsMariaDB() {
		return &s, strings.Contains(extra, "DEFAULT_GENERATED")
	}
	if !f.AtLeast(10, 2, 7) {
		return &s, false
	}
	// Since then MariaDB shows SQL: quoted literals, NULL, expressions.
	switch {
	case s == "NULL":
		return nil, false
	case len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'':
		if literal, rest, ok := readLabel(s); ok && rest == "" {
			return &literal, false
		}
		return &s, true
	case isNumber.MatchString(s):
		return &s, false
	}
	return &s, true
}

// isNumber knows bit literals, too, which every family writes as they are.
var isNumber = regexp.MustCompile(`^(-?[0-9.]+([eE][-+]?[0-9]+)?|b'[01]*')$`)

// parseLabels reads the members of "enum('a','it”s')". Servers double quotes
// and put a backslash before some characters.
func parseLabels(columnType string) []string {
	_, s, ok := strings.Cut(columnType, "(")
	if !ok {
		return nil
	}
	var out []string
	for {
		label, rest, ok := readLabel(s)
		if !ok {
			return out
		}
		out = append(out, label)
		if !strings.HasPrefix(rest, ",") {
			return out
		}
		s = rest[1:]
	}
}

// escaped returns the character that a backslash and c stand for.
func escaped(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'Z':
		return 26
	}
	return c
}

// readLabel reads one quoted string at the head of s.
func readLabel(s string) (label, rest string, ok bool) {
	if !strings.HasPrefix(s, "'") {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case s[i] == '\'':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(escaped(s[i]))
		default:
			b.WriteByte(s[i])
		}
	}
	return "", s, false
}
