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
		case cluster.CanonicalCollation(a.Collation) != cluster.CanonicalCollation(b.Collation) && a.Charset != "" && b.Charset != "":
			collation = append(collation, p)
		}
		j.column(o.FullName()+"."+a.Name, n, p)
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
		j.add(Finding{ID: "column_order", Side: SideBoth, Object: o.FullName(), Found: both(list(oldOrder, ""), list(newOrder, ""))})
	}
	j.charsets(o, n, charset, collation)
	return common
}

// pairOf is one column on old and on new.
type pairOf struct{ old, new *cluster.Column }

func (j *judge) missingColumn(lack *inspect.Side, has, without *inspect.Table, c *cluster.Column) {
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
		Fixes: []Fix{{On: lack.Label, SQL: fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", without.QuotedName(), cluster.Quote(c.Name), c.ColumnType)}},
	}
	switch {
	case !last:
		f.Severity = Fatal
	case lack == j.old && !j.twoWay():
		f.Severity = Warning // new fills it with its default
	}
	j.add(f)
}

// column compares one column that both sides have.
func (j *judge) column(object string, n *inspect.Table, p pairOf) {
	a, b := p.old, p.new
	define := func(c *cluster.Column) []Fix {
		return []Fix{{On: SideNew, SQL: fmt.Sprintf("ALTER TABLE %s MODIFY COLUMN %s %s", n.QuotedName(), cluster.Quote(b.Name), definition(c))}}
	}
	if a.Generated != b.Generated || plain(a.GenerationExpr) != plain(b.GenerationExpr) && j.sameFamily() {
		j.add(Finding{ID: "column_generated", Side: SideBoth, Object: object, Found: both(generation(a), generation(b))})
		return
	}
	if typeText(a) != typeText(b) || a.JSONText != b.JSONText && !j.sameFamily() {
		severity, why := j.judgeType(p)
		j.add(Finding{ID: "column_type", Severity: severity, Side: SideBoth, Object: object, Found: both(a.ColumnType, b.ColumnType) + why, Fixes: define(a)})
	}
	if a.Nullable != b.Nullable && !a.AutoIncrement {
		f := Finding{ID: "column_null", Side: SideBoth, Object: object, Found: both(nullText(a), nullText(b)), Fixes: define(a)}
		if b.Nullable && !j.twoWay() {
			f.Severity = Warning
		}
		j.add(f)
	} else if plain(defaultText(a)) != plain(defaultText(b)) && a.Generated == "" {
		j.add(Finding{ID: "column_default", Side: SideBoth, Object: object, Found: both(defaultText(a), defaultText(b)), Fixes: define(a)})
	}
	if a.OnUpdate != b.OnUpdate {
		j.add(Finding{ID: "column_on_update", Side: SideBoth, Object: object, Found: both(orNone(a.OnUpdate), orNone(b.OnUpdate)), Fixes: define(a)})
	}
	if a.AutoIncrement != b.AutoIncrement {
		j.add(Finding{ID: "column_auto_increment", Side: SideBoth, Object: object, Found: both(yesNo(a.AutoIncrement), yesNo(b.AutoIncrement)), Fixes: define(a)})
	}
	if a.Invisible != b.Invisible {
		j.add(Finding{ID: "column_invisible", Side: SideBoth, Object: object, Found: both(visibility(a), visibility(b))})
	}
}

func (j *judge) sameFamily() bool { return j.old.Facts.IsMariaDB() == j.new.Facts.IsMariaDB() }

// definition writes a column for ALTER TABLE, as far as the facts go.
func definition(c *cluster.Column) string {
	s := c.ColumnType
	if c.Charset != "" {
		s += " CHARACTER SET " + c.Charset + " COLLATE " + c.Collation
	}
	if !c.Nullable {
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
	return s
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
	charsets = regexp.MustCompile(`_(utf8mb4|utf8mb3|utf8|latin1|ascii|binary)\s*\\?'`)
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
	return s
}

// plain writes an expression without what servers add when they store it.
func plain(s string) string {
	s = charsets.ReplaceAllString(s, "'")
	s = strings.ReplaceAll(s, `\'`, "'")
	return strings.ToLower(spaces.ReplaceAllString(s, ""))
}

// charsets judges text columns, joined to one finding for a table that was
// converted as a whole. The table's own default counts only where its columns
// agree: it matters to columns that are added later.
func (j *judge) charsets(o, n *inspect.Table, charset, collation []pairOf) {
	convert := []Fix{{On: SideNew, SQL: "ALTER TABLE " + n.QuotedName() + " CONVERT TO CHARACTER SET " + o.Charset + " COLLATE " + o.Collation}}
	if len(charset) > 0 {
		f := Finding{ID: "column_charset", Side: SideBoth, Object: objectOf(o, charset), Found: columnsText(charset, func(c *cluster.Column) string { return c.Charset }), Fixes: convert}
		for _, p := range charset {
			if p.old.OctetLen != p.new.OctetLen && (p.old.DataType == "char" || p.old.DataType == "varchar") && !j.converts(p, false) {
				f.Severity = Fatal // the lengths in bytes travel with the rows
			}
		}
		j.add(f)
	}
	if len(collation) > 0 {
		f := Finding{ID: "column_collation", Side: SideBoth, Object: objectOf(o, collation), Found: columnsText(collation, func(c *cluster.Column) string { return c.Collation }), Fixes: convert}
		if inUnique(o, collation) || inUnique(n, collation) {
			f.Severity = Lossy
			f.Why = "A unique key takes two texts for the same under one collation and not under the other: rows that one side accepts stop replication on the other, or two rows become one."
		}
		j.add(f)
	}
	if len(charset)+len(collation) == 0 && cluster.CanonicalCollation(o.Collation) != cluster.CanonicalCollation(n.Collation) {
		j.add(Finding{
			ID: "table_charset", Side: SideBoth, Object: o.FullName(), Found: both(o.Collation, n.Collation),
			Fixes: []Fix{{On: SideNew, SQL: "ALTER TABLE " + n.QuotedName() + " DEFAULT CHARACTER SET " + o.Charset + " COLLATE " + o.Collation}},
		})
	}
}

func objectOf(t *inspect.Table, columns []pairOf) string {
	if len(columns) == 1 {
		return t.FullName() + "." + columns[0].old.Name
	}
	return t.FullName()
}

func columnsText(columns []pairOf, of func(*cluster.Column) string) string {
	names := make([]string, len(columns))
	same := true
	for i, p := range columns {
		names[i] = p.old.Name
		same = same && of(p.old) == of(columns[0].old) && of(p.new) == of(columns[0].new)
	}
	if same {
		return list(names, "") + ": " + both(of(columns[0].old), of(columns[0].new))
	}
	for i, p := range columns {
		names[i] = fmt.Sprintf("%s (%s)", p.old.Name, both(of(p.old), of(p.new)))
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
