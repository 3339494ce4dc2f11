package preflight

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// foreignKeys judges constraints that change rows by themselves, and those
// that one side lacks. One that does the same under another name is not missing.
func (j *judge) foreignKeys() {
	left := slices.Clone(j.new.ForeignKeys)
	take := func(match func(inspect.ForeignKey) bool) (inspect.ForeignKey, bool) {
		i := slices.IndexFunc(left, match)
		if i < 0 {
			return inspect.ForeignKey{}, false
		}
		k := left[i]
		left = slices.Delete(left, i, i+1)
		return k, true
	}
	var alone []inspect.ForeignKey
	for _, o := range j.old.ForeignKeys {
		if n, ok := take(func(k inspect.ForeignKey) bool { return constraintName(k) == constraintName(o) }); ok {
			j.foreignKey(o, n)
		} else {
			alone = append(alone, o)
		}
	}
	for _, o := range alone {
		if n, ok := take(func(k inspect.ForeignKey) bool { return reference(k) == reference(o) }); ok {
			j.foreignKey(o, n)
			continue
		}
		j.missingForeignKey(j.new, o)
	}
	for _, n := range left {
		j.missingForeignKey(j.old, n)
	}
}

func constraintName(k inspect.ForeignKey) string {
	return strings.ToLower(k.Schema + "." + k.Table + "." + k.Name)
}

// reference is which columns lead where.
func reference(k inspect.ForeignKey) string {
	return strings.ToLower(fmt.Sprintf("%s.%s (%s) references %s (%s)", k.Schema, k.Table, strings.Join(k.Columns, ", "), k.References, strings.Join(k.RefColumns, ", ")))
}

func (j *judge) missingForeignKey(lack *inspect.Side, k inspect.ForeignKey) {
	if !j.tableOn(lack, k) {
		return
	}
	object := k.Schema + "." + k.Table + "." + k.Name
	j.add(Finding{ID: "foreign_key_missing", Side: lack.Label, Object: object, Found: lack.Label + ": no constraint " + object})
}

// foreignKey judges a constraint that both sides have.
func (j *judge) foreignKey(o, n inspect.ForeignKey) {
	object := o.Schema + "." + o.Table + "." + o.Name
	rule := func(k inspect.ForeignKey) string {
		return fmt.Sprintf("(%s) references %s (%s), on delete %s, on update %s", strings.Join(k.Columns, ", "), k.References, strings.Join(k.RefColumns, ", "),
			orWord(k.OnDelete, "NO ACTION"), orWord(k.OnUpdate, "NO ACTION"))
	}
	switch {
	case reference(o) != reference(n) || action(o.OnDelete) != action(n.OnDelete) || action(o.OnUpdate) != action(n.OnUpdate):
		j.add(Finding{ID: "foreign_key_differs", Side: SideBoth, Object: object, Found: j.both(rule(o), rule(n))})
	case !j.inside && (action(o.OnDelete) != "" || action(o.OnUpdate) != ""):
		f := Finding{ID: "foreign_key_cascade", Side: SideBoth, Object: object, Found: "both: " + rule(o)}
		if !j.twoWay() {
			f.Severity = Info
		}
		j.add(f)
	}
}

// altering is a statement that changes columns of a table. Servers refuse that
// where a foreign key leads from or to the table, unless they do not look.
func (j *judge) altering(s *inspect.Side, t *inspect.Table, sql string) []Fix {
	fix := Fix{On: s.Label, SQL: sql}
	if len(referring(s, t)) > 0 || slices.ContainsFunc(s.ForeignKeys, func(k inspect.ForeignKey) bool { return k.Schema == t.Schema && k.Table == t.Name }) {
		return []Fix{{On: s.Label, SQL: "SET SESSION foreign_key_checks = 0"}, fix}
	}
	return []Fix{fix}
}

// referring are the columns by which other tables refer to one, as
// "schema.table.column".
func referring(s *inspect.Side, t *inspect.Table) []string {
	var out []string
	for _, k := range s.ForeignKeys {
		if strings.EqualFold(k.References, t.Schema+"."+t.Name) {
			for _, c := range k.Columns {
				out = append(out, k.Schema+"."+k.Table+"."+c)
			}
		}
	}
	return out
}

// action is what a rule does to other rows; RESTRICT and NO ACTION do nothing.
func action(rule string) string {
	switch r := strings.ToUpper(rule); r {
	case "RESTRICT", "NO ACTION", "":
		return ""
	default:
		return r
	}
}
