package conflict

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster/binlog"
)

// layout says where a table's keys stand in the rows of one binlog.Table.
type layout struct {
	id     uint32
	def    *binlog.Table
	table  *table // nil: not defined
	keys   []keyPlan
	shared []int // columns of images that count in fingerprints
	// shape names those columns. Fingerprints of different shapes say nothing about
	// each other: a column came or went between the two.
	shape  string
	absent bool // some key has columns that the table has not
	// misfit says that the rows of the log do not fit the definition that the server shows: their columns have no names.
	misfit bool
	// ordered says that appliers which keep the order of commits keep it for this table.
	ordered bool
	auto    int // the AUTO_INCREMENT column, or -1
	ends    int // the column with the end of the system period, or -1
	names   []string
}

type keyPlan struct {
	ns      uint32
	roles   class
	fk      bool
	period  bool
	columns []int
	prefix  []int
	chars   []bool // the prefix counts characters
	fold    []foldMode
}

// layouts finds the layout of a change. Numbers stay valid for as long as the
// detector lives, because stored images refer to them.
type layouts struct {
	list   []*layout
	byDef  map[*binlog.Table]*layout
	byText map[string]*layout
}

func (l *layouts) reset() {
	l.byDef, l.byText = map[*binlog.Table]*layout{}, map[string]*layout{}
}

func (d *Detector) layoutOf(def *binlog.Table) *layout {
	if l := d.layouts.byDef[def]; l != nil {
		return l
	}
	if len(d.layouts.byDef) > 4096 { // a tail makes new definitions when it reconnects
		d.layouts.byDef = map[*binlog.Table]*layout{}
	}
	text := layoutText(def)
	l := d.layouts.byText[text]
	if l == nil {
		l = d.newLayout(def)
		d.layouts.byText[text] = l
	}
	d.layouts.byDef[def] = l
	return l
}

func layoutText(def *binlog.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q", def.Schema, def.Name)
	for i := range def.Columns {
		c := &def.Columns[i]
		fmt.Fprintf(&b, " %q %q", c.Name, c.Charset)
	}
	return b.String()
}

func (d *Detector) newLayout(def *binlog.Table) *layout {
	l := &layout{id: uint32(len(d.layouts.list)), def: def, auto: -1, ends: -1, table: d.tables[fullName(def.Schema, def.Name)]}
	d.layouts.list = append(d.layouts.list, l)
	at := map[string]int{}
	for i := range def.Columns {
		l.names = append(l.names, def.Columns[i].Name)
		at[strings.ToLower(def.Columns[i].Name)] = i
	}
	if l.table == nil {
		return l
	}
	l.misfit, l.ordered = nameless(def), keepsOrder(l.table)
	if i, ok := at[strings.ToLower(l.table.auto)]; ok && l.table.auto != "" {
		l.auto = i
	}
	if i, ok := at[l.table.ends]; ok && l.table.ends != "" {
		l.ends = i
	}
	l.shape = strings.Join(l.table.shared, "\x00")
	for _, name := range l.table.shared {
		if i, ok := at[name]; ok {
			l.shared = append(l.shared, i)
		} else {
			l.shared = append(l.shared, -1)
		}
	}
	for _, k := range l.table.keys {
		p := keyPlan{ns: k.ns, roles: k.roles, fk: k.fk, period: k.period, prefix: k.prefix}
		for i, name := range k.columns {
			c, ok := at[name]
			if !ok {
				c, l.absent = -1, true
			}
			p.columns = append(p.columns, c)
			p.fold = append(p.fold, d.namespaces[k.ns].fold(i))
			p.chars = append(p.chars, c >= 0 && def.Columns[c].Charset != "" && def.Columns[c].Charset != "binary")
		}
		l.keys = append(l.keys, p)
	}
	return l
}

// foreign tells whether the rows lack columns of the key that the newest definitions name: these are of another time, or
// the two sides' tables differ.
func (l *layout) foreign() bool {
	return !l.misfit && len(l.keys) > 0 && l.keys[0].roles == classRow && slices.Contains(l.keys[0].columns, -1)
}

// nameless tells whether a decoder had no definition that fits its rows: MariaDB logs columns that it shows nowhere, or
// the table was changed after the rows were written.
func nameless(def *binlog.Table) bool {
	for i := range def.Columns {
		if c := &def.Columns[i]; c.DataType != "" || c.Name != fmt.Sprintf("@%d", i+1) {
			return false
		}
	}
	return len(def.Columns) > 0
}

// keepsOrder tells whether appliers that keep the order of commits do so for a table: what cannot be rolled back is
// logged when it is done, whatever stands before it.
func keepsOrder(t *table) bool {
	for _, def := range t.defs {
		if def == nil {
			continue
		}
		switch strings.ToLower(def.Engine) {
		case "myisam", "aria", "memory", "csv", "archive", "blackhole", "mrg_myisam", "federated":
			return false
		}
	}
	return true
}
