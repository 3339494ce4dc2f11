package conflict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
)

// class says what a key's values mean for other rows.
type class uint8

const (
	classRow    class = iota + 1 // identifies the row: primary key, or what stands for it
	classUnique                  // another unique key
	classRef                     // columns that a foreign key refers to
)

// role says what a change did with a value of a key.
type role uint8

const (
	roleBefore  role = 1 << iota // the row had it before (classRow)
	roleAfter                    // the row has it after (classRow)
	roleClaim                    // the row takes it (classUnique)
	roleGone                     // the referenced row gives it up (classRef)
	roleRefer                    // the row refers to it now (classRef)
	roleTransit                  // the row had it in between, within the transaction (classRow)
)

// namespace is a key within which values are compared, whichever side or
// table they come from. Both sides' definitions of a key share one.
type namespace struct {
	Table   string
	Columns []string // lower case, with "(n)" for a prefix
	Class   class
	// Period says that the last two parts are the start and the end of a period. Values meet if the others are equal and the
	// periods overlap.
	Period bool
	// Text tells, per part and side, the column's charset and collation; "" for
	// values that are compared by their bytes.
	Text [][2]textType
	// Plain says that all parts are integers.
	Plain bool
}

type textType struct{ Charset, Collation string }

// keyDef is a key of a table as one or both sides define it.
type keyDef struct {
	ns      uint32
	roles   class // classRef with fk set: the referring end
	fk      bool
	period  bool // see namespace
	columns []string
	prefix  []int
}

// table is what is known of a table from both sides' definitions.
type table struct {
	name  string
	defs  [2]*cluster.Table
	fks   [2][]ForeignKey
	gone  [2]bool  // dropped or moved away since a side's definition was given, or not surely there
	keys  []keyDef // the row's identity first, if it has one
	hasID bool
	// expression names a unique key with an expression, which no image holds.
	expression string
	auto       string
	// ends is the column in which MariaDB keeps the end of a row's system period, in lower case; "" without system
	// versioning.
	ends string
	// sequence says that it is a sequence of MariaDB: what its rows say of the next value is not judged.
	sequence bool
	shared   []string // columns that both sides have in comparable types
	// lacking is, per side, a row that could not be judged because its table has not
	// the columns of one of the other's keys. While a schema change is on its way
	// that says nothing: the row's echo tells, see settleLacking.
	lacking [2]*binlog.Transaction
}

func fullName(schema, name string) string {
	return (&cluster.Table{Schema: schema, Name: name}).FullName()
}

// define takes over a table's definition from one side.
func (d *Detector) define(s Side, def Definition) {
	name := def.Table.FullName()
	d.version++
	t := d.tables[name]
	if t == nil {
		t = &table{name: name}
		d.tables[name] = t
	}
	t.defs[s], t.fks[s], t.gone[s] = def.Table, def.ForeignKeys, false
	d.relate(t)
	for _, fk := range def.ForeignKeys {
		if parent := d.tables[fullName(fk.RefSchema, fk.RefTable)]; parent != nil && parent != t {
			d.relate(parent)
		}
	}
	d.layouts.reset()
}

// relate works out the keys of a table anew.
func (d *Detector) relate(t *table) {
	t.keys, t.hasID, t.expression, t.auto = nil, false, "", ""
	main := t.defs[Old]
	if main == nil {
		main = t.defs[New]
	}
	if id := identityKey(main); id != nil {
		t.hasID = true
		d.addKey(t, id, classRow)
	}
	for _, def := range t.defs {
		if def == nil {
			continue
		}
		for i := range def.Keys {
			switch k := &def.Keys[i]; {
			case k.Overlaps:
				d.addPeriod(t, k)
			case k.Unique || k.Primary:
				d.addKey(t, k, classUnique)
			}
		}
		for _, c := range def.Columns {
			if c.AutoIncrement {
				t.auto = c.Name
			}
		}
	}
	for _, fk := range slices.Concat(t.fks[Old], t.fks[New]) {
		d.addRef(t, fk.Columns, fullName(fk.RefSchema, fk.RefTable), fk.RefColumns, true)
	}
	for _, child := range d.tables {
		for _, fk := range slices.Concat(child.fks[Old], child.fks[New]) {
			if fullName(fk.RefSchema, fk.RefTable) == t.name {
				d.addRef(t, fk.RefColumns, t.name, fk.RefColumns, false)
			}
		}
	}
	t.shared = sharedColumns(t.defs)
	t.ends, t.sequence = "", true
	for _, def := range t.defs {
		if def != nil {
			t.ends = cmp.Or(t.ends, endOfPeriod(def))
			t.sequence = t.sequence && def.Kind == cluster.TableSequence
		}
	}
}

// identityKey is the primary key, or the first unique key that no NULL and no
// prefix weakens.
func identityKey(t *cluster.Table) *cluster.Key {
	if k := t.PrimaryKey(); k != nil {
		return k
	}
	for i := range t.Keys {
		k := &t.Keys[i]
		whole := k.Unique && !slices.ContainsFunc(k.Parts, func(p cluster.KeyPart) bool {
			c := t.Column(p.Column)
			return p.Expression != "" || p.Prefix > 0 || c == nil || c.Nullable
		})
		if whole {
			return k
		}
	}
	return nil
}

func (d *Detector) addKey(t *table, k *cluster.Key, c class) {
	kd := keyDef{roles: c}
	var names []string
	for _, p := range k.Parts {
		if p.Expression != "" {
			t.expression = k.Name
			return
		}
		name := strings.ToLower(p.Column)
		kd.columns, kd.prefix = append(kd.columns, name), append(kd.prefix, p.Prefix)
		if p.Prefix > 0 {
			name += fmt.Sprintf("(%d)", p.Prefix)
		}
		names = append(names, name)
	}
	// A later definition of the same columns is the same key: two kinds of order
	// or another name make no other uniqueness.
	for _, have := range t.keys {
		if !have.fk && !have.period && have.roles != classRef && slices.Equal(have.columns, kd.columns) && slices.Equal(have.prefix, kd.prefix) {
			return
		}
	}
	kd.ns = d.namespace(t, t.name, names, kd.columns, c, false)
	t.keys = append(t.keys, kd)
}

func (d *Detector) addRef(t *table, columns []string, parent string, refColumns []string, fk bool) {
	kd := keyDef{roles: classRef, fk: fk, prefix: make([]int, len(columns))}
	var names []string
	for i := range columns {
		kd.columns = append(kd.columns, strings.ToLower(columns[i]))
		names = append(names, strings.ToLower(refColumns[i]))
	}
	for _, have := range t.keys {
		if have.roles == classRef && have.fk == fk && slices.Equal(have.columns, kd.columns) &&
			d.namespaces[have.ns].Table == parent && slices.Equal(d.namespaces[have.ns].Columns, names) {
			return
		}
	}
	of := t
	if p := d.tables[parent]; p != nil {
		of = p
	}
	kd.ns = d.namespace(of, parent, names, names, classRef, false)
	t.keys = append(t.keys, kd)
}

// namespace interns a key. Its types follow the newest definitions.
func (d *Detector) namespace(t *table, name string, names, columns []string, c class, period bool) uint32 {
	group := "key"
	switch {
	case c == classRef:
		group = "ref"
	case period:
		group = "period"
	}
	id := group + "|" + name + "|" + strings.Join(names, ",")
	ns, ok := d.nsByName[id]
	if !ok {
		ns = uint32(len(d.namespaces))
		d.nsByName[id] = ns
		d.namespaces = append(d.namespaces, namespace{})
	}
	text, plain := make([][2]textType, len(columns)), len(columns) > 0
	for i, col := range columns {
		for s, def := range t.defs {
			if def == nil {
				continue
			}
			k := def.Column(col)
			plain = plain && k != nil && strings.HasSuffix(k.DataType, "int")
			if k != nil && k.Charset != "" && k.Charset != "binary" {
				text[i][s] = textType{k.Charset, k.Collation}
			}
		}
	}
	d.namespaces[ns] = namespace{Table: name, Columns: names, Class: c, Period: period, Text: text, Plain: plain}
	return ns
}

// sharedColumns are the columns that stand in both definitions in types whose
// values can be compared byte by byte.
func sharedColumns(defs [2]*cluster.Table) []string {
	main, second := defs[Old], defs[New]
	if main == nil {
		main, second = second, nil
	}
	var out []string
	for i := range main.Columns {
		c := &main.Columns[i]
		if second != nil {
			o := second.Column(c.Name)
			if o == nil || !sameText(c, o) {
				continue
			}
		}
		if c.Generated == cluster.GeneratedVirtual || c.System {
			continue // not in every server's images
		}
		out = append(out, strings.ToLower(c.Name))
	}
	slices.Sort(out)
	return out
}

// sameText tells whether equal values of two columns have equal texts.
func sameText(a, b *cluster.Column) bool {
	integer := func(t string) bool { return strings.HasSuffix(t, "int") }
	text := func(c *cluster.Column) bool {
		return c.DataType == "varchar" || strings.HasSuffix(c.DataType, "text")
	}
	switch {
	case integer(a.DataType) && integer(b.DataType):
		return true
	case text(a) && text(b):
		return true
	case a.DataType != b.DataType, a.JSONText != b.JSONText:
		return false
	}
	return a.Scale == b.Scale && a.FracSeconds == b.FracSeconds && (a.DataType != "binary" || a.OctetLen == b.OctetLen)
}
