package preflight

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// tables are the names of all tables that either side shows, see Result.
func (j *judge) tables() (names []string, folds bool) {
	folds = number(j.old, "lower_case_table_names") != 0 || number(j.new, "lower_case_table_names") != 0
	for _, s := range j.sides() {
		for i := range s.Tables {
			name := s.Tables[i].FullName()
			if folds {
				name = strings.ToLower(name)
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), folds
}

// aside are the names of all that either side shows and that were not looked at; nil if a side's are not known.
func (j *judge) aside(folds bool) []string {
	names := []string{}
	for _, s := range j.sides() {
		if s.Aside == nil {
			return nil
		}
		for _, n := range s.Aside {
			name := (&cluster.Table{Schema: n.Schema, Name: n.Name}).FullName()
			if folds {
				name = strings.ToLower(name)
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// schemas judges the tables one by one. Where a side folds letter case, names
// are compared without it.
func (j *judge) schemas() {
	fold := func(s string) string { return s }
	if number(j.old, "lower_case_table_names") != 0 || number(j.new, "lower_case_table_names") != 0 {
		fold = strings.ToLower
	}
	gone := j.databases(fold)
	key := func(t *inspect.Table) string { return fold(t.Schema) + "\x00" + fold(t.Name) }
	index := map[string]*inspect.Table{}
	for i := range j.new.Tables {
		index[key(&j.new.Tables[i])] = &j.new.Tables[i]
	}
	for i := range j.old.Tables {
		o := &j.old.Tables[i]
		n := index[key(o)]
		delete(index, key(o))
		switch {
		case gone[fold(o.Schema)] || o.Kind == cluster.TableView:
		case n == nil:
			j.missingTable(j.new, o)
		case n.Kind == cluster.TableView || base(o) != base(n):
			j.missingTable(j.new, o)
		case base(o):
			j.compare(o, n)
		}
	}
	for i := range j.new.Tables {
		n := &j.new.Tables[i]
		if index[key(n)] != nil && !gone[fold(n.Schema)] && n.Kind != cluster.TableView {
			j.missingTable(j.old, n)
		}
	}
	j.foreignKeys()
}

// databases judges whole schemas and tells which are on one side only.
func (j *judge) databases(fold func(string) string) map[string]bool {
	gone := map[string]bool{}
	for _, s := range j.sides() {
		other := map[string]inspect.Schema{}
		for _, d := range j.other(s).Schemas {
			other[fold(d.Name)] = d
		}
		for _, d := range s.Schemas {
			o, there := other[fold(d.Name)]
			if !there {
				gone[fold(d.Name)] = true
				if empty(s, d.Name) {
					continue // nothing in it that could be missed
				}
				lack := j.other(s)
				j.add(Finding{
					ID: "schema_missing", Severity: j.missing(lack), Side: lack.Label, Object: d.Name, Found: lack.Label + ": no schema " + d.Name,
					Fixes: []Fix{{On: lack.Label, SQL: "CREATE DATABASE " + cluster.Quote(d.Name) + " CHARACTER SET " + d.Charset}},
				})
				continue
			}
			if s == j.old && (d.Charset != o.Charset || cluster.CanonicalCollation(d.Collation) != cluster.CanonicalCollation(o.Collation)) {
				j.add(Finding{
					ID: "schema_charset", Side: SideBoth, Object: d.Name, Found: j.both(d.Collation, o.Collation),
					Fixes: []Fix{{On: j.new.Label, SQL: "ALTER DATABASE " + cluster.Quote(o.Name) + " COLLATE " + spelled(d.Collation, j.new)}},
				})
			}
		}
	}
	return gone
}

func empty(s *inspect.Side, schema string) bool {
	return !slices.ContainsFunc(s.Tables, func(t inspect.Table) bool { return t.Schema == schema })
}

// missing is how bad it is that one side lacks a table.
func (j *judge) missing(lack *inspect.Side) Severity {
	switch {
	case lack == j.new:
		return Fatal
	case j.twoWay():
		return Fatal // what new writes to it stops the way back
	case j.inside:
		return Warning // somebody made it on the replica alone
	}
	return Info
}

func (j *judge) missingTable(lack *inspect.Side, t *inspect.Table) {
	if lack == j.new && j.unusable["the table "+t.FullName()] {
		return
	}
	j.add(Finding{
		ID: "table_missing", Severity: j.missing(lack), Side: lack.Label, Object: t.FullName(), Found: lack.Label + ": no table " + t.FullName(),
		Fixes: []Fix{{On: j.other(lack).Label, SQL: "SHOW CREATE TABLE " + t.QuotedName()}},
	})
}

// compare judges one table that both sides have.
func (j *judge) compare(o, n *inspect.Table) {
	name := o.FullName()
	j.engine(o, n)
	common := j.columns(o, n)
	j.keys(o, n, common)
	if !slices.Equal(o.Partitions, n.Partitions) {
		j.add(Finding{ID: "table_partitions", Side: SideBoth, Object: name, Found: j.both(list(o.Partitions, "not partitioned"), list(n.Partitions, "not partitioned"))})
	} else if a, b := unlike(o.Scheme, n.Scheme); a != b {
		j.add(Finding{ID: "table_partitions", Side: SideBoth, Object: name, Found: j.both(a, b)})
	}
	if a, b := rowFormat(o), rowFormat(n); a != b && !strings.EqualFold(o.RowFormat, n.RowFormat) && strings.EqualFold(o.Engine, n.Engine) {
		j.add(Finding{ID: "table_row_format", Side: SideBoth, Object: name, Found: j.both(o.RowFormat, n.RowFormat)})
	}
	if o.Kind != n.Kind {
		j.add(Finding{ID: "table_versioning", Side: SideBoth, Object: name, Found: j.both(string(o.Kind), string(n.Kind))})
	}
}

// unlike is the first part of two partition schemes that differs, if any does.
func unlike(o, n []string) (a, b string) {
	for i := range max(len(o), len(n)) {
		a, b = "nothing", "nothing"
		if i < len(o) {
			a = o[i]
		}
		if i < len(n) {
			b = n[i]
		}
		if plain(a) != plain(b) {
			return a, b
		}
	}
	return "", ""
}

// rowFormat is what somebody asked for; what a server takes by itself changes
// with the version.
func rowFormat(t *inspect.Table) string {
	_, after, _ := strings.Cut(strings.ToLower(t.CreateOptions), "row_format=")
	word, _, _ := strings.Cut(after, " ")
	return word
}

func list(names []string, none string) string {
	switch {
	case len(names) == 0:
		return none
	case len(names) > 8:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:8], ", "), len(names)-8)
	}
	return strings.Join(names, ", ")
}

func (j *judge) engine(o, n *inspect.Table) {
	var who []*inspect.Side
	for s, t := range map[*inspect.Side]*inspect.Table{j.old: o, j.new: n} {
		if !strings.EqualFold(t.Engine, "InnoDB") {
			who = append(who, s)
		}
	}
	if len(who) == 0 || j.inside && strings.EqualFold(o.Engine, n.Engine) {
		return
	}
	side := SideBoth
	if len(who) == 1 {
		side = who[0].Label
	}
	f := Finding{ID: "engine", Side: side, Object: o.FullName(), Found: j.both("engine "+o.Engine, "engine "+n.Engine)}
	if side != j.new.Label {
		f.Fixes = append(f.Fixes, Fix{On: j.old.Label, SQL: "ALTER TABLE " + o.QuotedName() + " ENGINE=InnoDB"})
	}
	if side != j.old.Label {
		f.Fixes = append(f.Fixes, Fix{On: j.new.Label, SQL: "ALTER TABLE " + n.QuotedName() + " ENGINE=InnoDB"})
	}
	j.add(f)
}

// keys compares the keys of one table. Keys over columns that only one side
// has follow from that and are left out.
func (j *judge) keys(o, n *inspect.Table, common map[string]bool) {
	name := o.FullName()
	usable := func(k cluster.Key) bool {
		return !slices.ContainsFunc(k.Parts, func(p cluster.KeyPart) bool { return p.Column != "" && !common[strings.ToLower(p.Column)] })
	}
	a, b := primary(o), primary(n)
	if a != b && (o.PrimaryKey() == nil || usable(*o.PrimaryKey())) && (n.PrimaryKey() == nil || usable(*n.PrimaryKey())) {
		f := Finding{ID: "primary_key", Side: SideBoth, Object: name, Found: j.both(a, b)}
		if n.PrimaryKey() == nil {
			f.Fixes = []Fix{{On: j.new.Label, SQL: "ALTER TABLE " + n.QuotedName() + " ADD " + a}}
		}
		j.add(f)
	} else if o.WalkKey() == nil && n.WalkKey() == nil && !j.inside {
		j.add(Finding{
			ID: "table_without_key", Side: SideBoth, Object: name, Found: "both: no primary key and no unique key without NULLs",
			Fixes: []Fix{{On: j.old.Label, SQL: "ALTER TABLE " + o.QuotedName() + " ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"}},
		})
	}
	for _, s := range j.sides() {
		mine, other := o, n
		if s == j.new {
			mine, other = n, o
		}
		lack := j.other(s)
		for _, k := range mine.Keys {
			j.invisible(s, mine, k, other)
			if k.Primary || !usable(k) || slices.ContainsFunc(other.Keys, func(x cluster.Key) bool { return sameKey(k, x) }) {
				continue
			}
			// A key that differs is there under its name on both sides: said once.
			if i := slices.IndexFunc(other.Keys, func(x cluster.Key) bool { return strings.EqualFold(x.Name, k.Name) }); i >= 0 {
				if s == j.old {
					j.add(j.keyFinding(k, SideBoth, name, j.both(keyText(k), keyText(other.Keys[i])), k.Unique || other.Keys[i].Unique))
				}
				continue
			}
			if lack == j.new && j.unusable["the key "+name+"."+k.Name] {
				continue
			}
			f := j.keyFinding(k, lack.Label, name, lack.Label+": no "+keyText(k), k.Unique)
			f.Fixes = []Fix{{On: lack.Label, SQL: "ALTER TABLE " + other.QuotedName() + " ADD " + keyText(k)}}
			if k.Unique && lack == j.old && !j.twoWay() {
				f.Severity = Fatal // old may hold what new refuses
			}
			j.add(f)
		}
	}
}

// invisible judges a key that the optimizer may not use on one side.
func (j *judge) invisible(s *inspect.Side, mine *inspect.Table, k cluster.Key, other *inspect.Table) {
	if k.Visible || !slices.ContainsFunc(other.Keys, func(x cluster.Key) bool { return x.Visible && sameKey(k, x) }) {
		return
	}
	show := "VISIBLE"
	if s.Facts.IsMariaDB() {
		show = "NOT IGNORED"
	}
	j.add(Finding{
		ID: "index_invisible", Side: s.Label, Object: mine.FullName() + "." + k.Name, Found: s.Label + ": " + keyText(k) + " is invisible",
		Fixes: []Fix{{On: s.Label, SQL: "ALTER TABLE " + mine.QuotedName() + " ALTER INDEX " + cluster.Quote(k.Name) + " " + show}},
	})
}

func (j *judge) keyFinding(k cluster.Key, side, table, found string, unique bool) Finding {
	id := "index_missing"
	if unique {
		id = "unique_key_missing"
	}
	return Finding{ID: id, Side: side, Object: table + "." + k.Name, Found: found}
}

func primary(t *inspect.Table) string {
	if k := t.PrimaryKey(); k != nil {
		return keyText(*k)
	}
	return "no primary key"
}

// keyText writes a key as ALTER TABLE … ADD takes it.
func keyText(k cluster.Key) string {
	parts := make([]string, len(k.Parts))
	for i, p := range k.Parts {
		parts[i] = cluster.Quote(p.Column)
		if p.Column == "" {
			parts[i] = "(" + p.Expression + ")"
		}
		if p.Prefix > 0 {
			parts[i] += fmt.Sprintf("(%d)", p.Prefix)
		}
		if p.Descending {
			parts[i] += " DESC"
		}
	}
	head := "KEY " + cluster.Quote(k.Name)
	switch {
	case k.Primary:
		head = "PRIMARY KEY"
	case k.Unique:
		head = "UNIQUE " + head
	case k.Type == "FULLTEXT" || k.Type == "SPATIAL":
		head = k.Type + " " + head
	}
	return head + " (" + strings.Join(parts, ", ") + ")"
}

// sameKey tells whether two keys do the same, whatever their names.
func sameKey(a, b cluster.Key) bool {
	return a.Unique == b.Unique && a.Primary == b.Primary && a.Type == b.Type && slices.EqualFunc(a.Parts, b.Parts, func(p, q cluster.KeyPart) bool {
		return strings.EqualFold(p.Column, q.Column) && p.Prefix == q.Prefix && p.Descending == q.Descending && plain(p.Expression) == plain(q.Expression)
	})
}

// tableOn tells whether a side has the constraint's table; else that is what
// is missing.
func (j *judge) tableOn(s *inspect.Side, k inspect.ForeignKey) bool {
	return slices.ContainsFunc(s.Tables, func(t inspect.Table) bool {
		return strings.EqualFold(t.Schema, k.Schema) && strings.EqualFold(t.Name, k.Table)
	})
}
