package preflight

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// columns compares the columns of one table and returns the lower-case names
// of those that both sides have.
func (j *judge) columns(o, n *inspect.Table) map[string]bool {
	common := map[string]bool{}
	var charset, collation []pairOf
	var oldOrder, newOrder []string
	for i := range o.Columns {
		a := &o.Columns[i]
		b := n.Column(a.Name)
		if b == nil {
			j.missingColumn(j.new, o, n, a)
			continue
		}
		low := strings.ToLower(a.Name)
		common[low] = true
		oldOrder = append(oldOrder, low)
		p := pairOf{a, b}
		switch {
		case a.Charset != b.Charset && a.Charset != "" && b.Charset != "":
			charset = append(charset, p)
		case a.JSONText != b.JSONText: // the type is what differs
		case cluster.CanonicalCollation(a.Collation) != cluster.CanonicalCollation(b.Collation) && a.Charset != "" && b.Charset != "":
			collation = append(collation, p)
		}
		j.column(o.FullName()+"."+a.Name, o, n, p)
	}
	for i := range n.Columns {
		b := &n.Columns[i]
		if o.Column(b.Name) == nil {
			j.missingColumn(j.old, n, o, b)
			continue
		}
		newOrder = append(newOrder, strings.ToLower(b.Name))
	}
	if !slices.Equal(oldOrder, newOrder) {
		j.add(Finding{ID: "column_order", Side: SideBoth, Object: o.FullName(), Found: j.both(list(oldOrder, ""), list(newOrder, ""))})
	}
	j.charsets(o, n, charset, collation)
	return common
}

// pairOf is one column on old and on new.
type pairOf struct{ old, new *cluster.Column }

func (j *judge) missingColumn(lack *inspect.Side, has, without *inspect.Table, c *cluster.Column) {
	if lack == j.new && j.unusable["the column "+has.FullName()+"."+c.Name] {
		return
	}
	// Row events go by place: a column at the end can be left out in silence,
	// one before others shifts them.
	last := true
	for i := range has.Columns {
		if has.Columns[i].Ordinal > c.Ordinal && without.Column(has.Columns[i].Name) != nil {
			last = false
		}
	}
	f := Finding{
		ID: "column_missing", Side: lack.Label, Object: has.FullName() + "." + c.Name, Found: lack.Label + ": no column " + c.Name + " " + c.ColumnType,
		Fixes: []Fix{{On: lack.Label, SQL: fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s%s", without.QuotedName(), cluster.Quote(c.Name), definition(c, lack), place(has, without, c))}},
	}
	switch {
	case !last:
		f.Severity = Fatal
	case lack == j.old && !j.twoWay():
		f.Severity = Warning // new fills it with its default
	}
	j.add(f)
}

// place says where a column stands in the table that has it: behind the nearest
// one before it that the other has, too.
func place(has, without *inspect.Table, c *cluster.Column) string {
	after := " FIRST"
	for i := range has.Columns {
		if x := &has.Columns[i]; x.Ordinal < c.Ordinal {
			if y := without.Column(x.Name); y != nil {
				after = " AFTER " + cluster.Quote(y.Name)
			}
		}
	}
	return after
}

// column compares one column that both sides have.
func (j *judge) column(object string, o, n *inspect.Table, p pairOf) {
	a, b := p.old, p.new
	define := func(c *cluster.Column) []Fix {
		if !j.sameFamily() && (c.JSONText || slices.Contains([]string{"json", "inet4", "inet6", "uuid", "vector"}, c.DataType)) {
			return nil // a type that the other family has not, or not like this
		}
		return j.altering(j.new, n, fmt.Sprintf("ALTER TABLE %s MODIFY COLUMN %s %s", n.QuotedName(), cluster.Quote(b.Name), definition(c, j.new)))
	}
	if j.unusable["the column "+object] {
		return // it cannot be the same
	}
	if a.Generated != b.Generated || j.sameFamily() && !j.sameExpr(a.GenerationExpr, b.GenerationExpr) {
		j.add(Finding{ID: "column_generated", Side: SideBoth, Object: object, Found: j.both(generation(a), generation(b))})
		return
	}
	if typeText(a) != typeText(b) || a.JSONText != b.JSONText {
		severity, why := j.judgeType(p)
		j.add(Finding{ID: "column_type", Severity: severity, Side: SideBoth, Object: object, Found: j.both(typeShown(a), typeShown(b)) + why, Fixes: define(a)})
	}
	switch {
	case inPrimary(o, a) != inPrimary(n, b): // the primary keys differ, which makes one of them NOT NULL
	case a.Nullable != b.Nullable && !a.AutoIncrement:
		f := Finding{ID: "column_null", Side: SideBoth, Object: object, Found: j.both(nullText(a), nullText(b)), Fixes: define(a)}
		if b.Nullable && !j.twoWay() {
			f.Severity = Warning
		}
		j.add(f)
	case a.Generated == "" && !j.sameDefault(a, b):
		j.add(Finding{ID: "column_default", Side: SideBoth, Object: object, Found: j.both(defaultText(a), defaultText(b)), Fixes: define(a)})
	}
	if a.OnUpdate != b.OnUpdate {
		j.add(Finding{ID: "column_on_update", Side: SideBoth, Object: object, Found: j.both(orNone(a.OnUpdate), orNone(b.OnUpdate)), Fixes: define(a)})
	}
	if a.AutoIncrement != b.AutoIncrement {
		j.add(Finding{ID: "column_auto_increment", Side: SideBoth, Object: object, Found: j.both(yesNo(a.AutoIncrement), yesNo(b.AutoIncrement)), Fixes: define(a)})
	}
	if a.Invisible != b.Invisible {
		j.add(Finding{ID: "column_invisible", Side: SideBoth, Object: object, Found: j.both(visibility(a), visibility(b))})
	}
}

func (j *judge) sameFamily() bool { return j.old.Facts.IsMariaDB() == j.new.Facts.IsMariaDB() }

// spelled is a collation as a side names it: those of the three-byte charset
// were renamed in MySQL 8.0.30 and MariaDB 10.6.
func spelled(collation string, s *inspect.Side) string {
	_, rest, three := strings.Cut(cluster.CanonicalCollation(collation), "utf8mb3_")
	switch {
	case !three:
		return collation
	case s.Facts.IsMariaDB() && s.Facts.AtLeast(10, 6, 0), !s.Facts.IsMariaDB() && s.Facts.AtLeast(8, 0, 30):
		return "utf8mb3_" + rest
	}
	return "utf8_" + rest
}

// definition writes a column for ALTER TABLE on a side, as far as the facts go.
func definition(c *cluster.Column, on *inspect.Side) string {
	s := c.ColumnType
	switch {
	case c.JSONText:
		s = "JSON" // brings its check, and its charset, by itself
	case c.Charset != "":
		s += " CHARACTER SET " + c.Charset + " COLLATE " + spelled(c.Collation, on)
	}
	if c.Generated != "" {
		// information_schema of MySQL writes quotes as within a literal.
		return fmt.Sprintf("%s GENERATED ALWAYS AS (%s) %s", s, strings.ReplaceAll(c.GenerationExpr, `\'`, "'"), strings.ToUpper(string(c.Generated)))
	}
	if c.SRID != nil {
		s += fmt.Sprintf(" SRID %d", *c.SRID)
	}
	if c.Nullable {
		s += " NULL" // what a TIMESTAMP is not by itself on older versions
	} else {
		s += " NOT NULL"
	}
	if d := defaultText(c); d != "no default" {
		s += " " + d
	}
	if c.OnUpdate != "" {
		s += " ON UPDATE " + c.OnUpdate
	}
	if c.AutoIncrement {
		s += " AUTO_INCREMENT"
	}
	if c.Comment != "" {
		s += " COMMENT '" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(c.Comment) + "'"
	}
	return s
}

// inPrimary tells whether a column is a part of the primary key.
func inPrimary(t *inspect.Table, c *cluster.Column) bool {
	k := t.PrimaryKey()
	return k != nil && slices.ContainsFunc(k.Parts, func(p cluster.KeyPart) bool { return strings.EqualFold(p.Column, c.Name) })
}

// sameExpr compares two expressions as their servers wrote them. Servers of one
// version write one expression alike; others set other parentheses.
func (j *judge) sameExpr(a, b string) bool {
	if newer(j.old, j.new) == 0 && j.sameFamily() {
		return expression(a) == expression(b)
	}
	return plain(a) == plain(b)
}

func (j *judge) sameDefault(a, b *cluster.Column) bool {
	switch {
	case a.Default == nil || b.Default == nil:
		return a.Default == b.Default
	case a.DefaultExpr && b.DefaultExpr:
		return j.sameExpr(*a.Default, *b.Default)
	case a.DefaultExpr != b.DefaultExpr: // MariaDB keeps some literals as expressions
		return plain(defaultText(a)) == plain(defaultText(b))
	}
	return *a.Default == *b.Default
}

func generation(c *cluster.Column) string {
	if c.Generated == "" {
		return "not generated"
	}
	return fmt.Sprintf("%s as (%s)", c.Generated, c.GenerationExpr)
}

func nullText(c *cluster.Column) string {
	if c.Nullable {
		return "NULL"
	}
	return "NOT NULL"
}

func defaultText(c *cluster.Column) string {
	switch {
	case c.Default == nil:
		return "no default"
	case c.DefaultExpr && strings.HasPrefix(*c.Default, "CURRENT_TIMESTAMP"):
		return "DEFAULT " + *c.Default
	case c.DefaultExpr:
		return "DEFAULT (" + *c.Default + ")"
	}
	return "DEFAULT '" + strings.ReplaceAll(*c.Default, "'", "''") + "'"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return "ON UPDATE " + s
}

func yesNo(b bool) string {
	if b {
		return "AUTO_INCREMENT"
	}
	return "not AUTO_INCREMENT"
}

func visibility(c *cluster.Column) string {
	if c.Invisible {
		return "invisible"
	}
	return "visible"
}

var (
	intWidth = regexp.MustCompile(`^(tinyint|smallint|mediumint|int|bigint)\(\d+\)`)
	comment  = regexp.MustCompile(`/\*.*?\*/`)
	spaces   = regexp.MustCompile(`[\s()` + "`" + `]+`)
	blanks   = regexp.MustCompile("[\\s`]+")
)

// typeText is the type without what changes no value: display widths, which
// newer servers no longer show, and remarks.
func typeText(c *cluster.Column) string {
	s := strings.TrimSpace(comment.ReplaceAllString(c.ColumnType, ""))
	if len(c.Labels) > 0 {
		return c.DataType + "\x00" + strings.Join(c.Labels, "\x00")
	}
	s = strings.ToLower(s)
	s = intWidth.ReplaceAllString(s, "$1")
	if strings.HasPrefix(s, "year(") {
		s = "year"
	}
	if c.SRID != nil {
		s += fmt.Sprintf(" srid %d", *c.SRID)
	}
	return s
}

// typeShown is the type as the server writes it, with what it shows elsewhere.
func typeShown(c *cluster.Column) string {
	switch {
	case c.SRID != nil:
		return fmt.Sprintf("%s SRID %d", c.ColumnType, *c.SRID)
	case c.JSONText:
		return c.ColumnType + " with a check for JSON"
	}
	return c.ColumnType
}

// literal is a text within an expression, with the charset that some servers
// write before it.
var literal = regexp.MustCompile(`(?:_(?:utf8mb4|utf8mb3|utf8|latin1|ascii|binary)\s*)?\\?'((?:[^'\\]|\\[^']|'')*)\\?'`)

// plain writes an expression without what servers add when they store it. The
// literals in it stay as they are.
func plain(s string) string {
	return outside(s, func(t string) string { return strings.ToLower(spaces.ReplaceAllString(t, "")) })
}

// expression is plain, but for parentheses, which mean something.
func expression(s string) string {
	return outside(s, func(t string) string { return strings.ToLower(blanks.ReplaceAllString(t, "")) })
}

// outside changes what is not within literals, and writes those in one way.
func outside(s string, change func(string) string) string {
	var b strings.Builder
	at := 0
	for _, m := range literal.FindAllStringSubmatchIndex(s, -1) {
		b.WriteString(change(s[at:m[0]]) + "'" + s[m[2]:m[3]] + "'")
		at = m[1]
	}
	return b.String() + change(s[at:])
}

// charsets judges text columns, joined to one finding for a table that was
// converted as a whole. The table's own default counts only where its columns
// agree: it matters to columns that are added later.
func (j *judge) charsets(o, n *inspect.Table, charset, collation []pairOf) {
	if len(charset) > 0 {
		f := Finding{ID: "column_charset", Side: SideBoth, Object: objectOf(o, charset), Found: j.columnsText(charset, func(c *cluster.Column) string { return c.Charset }), Fixes: j.convert(o, n, charset)}
		for _, p := range charset {
			if p.old.OctetLen != p.new.OctetLen && (p.old.DataType == "char" || p.old.DataType == "varchar") && !j.converts(p, false) {
				f.Severity = Fatal // the lengths in bytes travel with the rows
			}
		}
		j.add(f)
	}
	if len(collation) > 0 {
		f := Finding{ID: "column_collation", Side: SideBoth, Object: objectOf(o, collation), Found: j.columnsText(collation, func(c *cluster.Column) string { return c.Collation }), Fixes: j.convert(o, n, collation)}
		if inUnique(o, collation) || inUnique(n, collation) {
			f.Severity = Lossy
			f.Why = "A unique key takes two texts for the same under one collation and not under the other: rows that one side accepts stop replication on the other, or two rows become one."
		}
		j.add(f)
	}
	if len(charset)+len(collation) == 0 && cluster.CanonicalCollation(o.Collation) != cluster.CanonicalCollation(n.Collation) {
		j.add(Finding{
			ID: "table_charset", Side: SideBoth, Object: o.FullName(), Found: j.both(o.Collation, n.Collation),
			Fixes: []Fix{{On: j.new.Label, SQL: "ALTER TABLE " + n.QuotedName() + " DEFAULT CHARACTER SET " + o.Charset + " COLLATE " + spelled(o.Collation, j.new)}},
		})
	}
}

// convert is how new's columns get old's charset: the table as a whole where
// that is its default on old and everything in it is to change, else each one.
func (j *judge) convert(o, n *inspect.Table, columns []pairOf) []Fix {
	texts := 0
	for i := range o.Columns {
		if o.Columns[i].Charset != "" {
			texts++
		}
	}
	if len(columns) == texts && !slices.ContainsFunc(columns, func(p pairOf) bool { return p.old.Collation != o.Collation }) {
		return j.altering(j.new, n, "ALTER TABLE "+n.QuotedName()+" CONVERT TO CHARACTER SET "+o.Charset+" COLLATE "+spelled(o.Collation, j.new))
	}
	parts := make([]string, len(columns))
	for i, p := range columns {
		parts[i] = "MODIFY COLUMN " + cluster.Quote(p.new.Name) + " " + definition(p.old, j.new)
	}
	return j.altering(j.new, n, "ALTER TABLE "+n.QuotedName()+" "+strings.Join(parts, ", "))
}

func objectOf(t *inspect.Table, columns []pairOf) string {
	if len(columns) == 1 {
		return t.FullName() + "." + columns[0].old.Name
	}
	return t.FullName()
}

func (j *judge) columnsText(columns []pairOf, of func(*cluster.Column) string) string {
	names := make([]string, len(columns))
	same := true
	for i, p := range columns {
		names[i] = p.old.Name
		same = same && of(p.old) == of(columns[0].old) && of(p.new) == of(columns[0].new)
	}
	if same {
		return list(names, "") + ": " + j.both(of(columns[0].old), of(columns[0].new))
	}
	for i, p := range columns {
		names[i] = fmt.Sprintf("%s (%s)", p.old.Name, j.both(of(p.old), of(p.new)))
	}
	return list(names, "")
}

func inUnique(t *inspect.Table, columns []pairOf) bool {
	for _, k := range t.Keys {
		for _, part := range k.Parts {
			if k.Unique && slices.ContainsFunc(columns, func(p pairOf) bool { return strings.EqualFold(p.old.Name, part.Column) }) {
				return true
			}
		}
	}
	return false
}
