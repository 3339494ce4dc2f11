package checksum

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// method is the way in which a table's rows are compared.
type method string

// The methods, as reports name them.
const (
	methodChunks   method = "key chunks"     // both sides in key order, range by range
	methodBuckets  method = "hashed buckets" // each side in its own order, rows in buckets by their key's hash
	methodMultiset method = "row multiset"   // no common key: each side's rows as a multiset
	methodNone     method = "definition"     // nothing to read
)

// planColumn is one column pair of a plan.
type planColumn struct {
	old, new *cluster.Column
	proj     projection
	key      bool
}

// sidePlan is how one side of a table is read.
type sidePlan struct {
	table   *cluster.Table
	from    string   // quoted table with index hint
	list    string   // select list, key columns first
	keys    []string // quoted key columns, for predicates and order
	marks   []string // placeholders of their values
	newSide bool
}

// tablePlan is how one table is compared.
type tablePlan struct {
	name     string
	method   method
	columns  []planColumn // in the order of the select list: key columns first
	nKey     int
	old, new sidePlan
	json     []int // columns whose JSON text is brought to a canonical form
	textKey  bool  // keys that differ in bytes may be equal to the server
	mixedKey bool  // of two such keys one server may say that they are equal and the other that they are not
	unpaged  bool  // rows can be found by key but not read in its order: each side is read in one statement
	folded   bool  // rows are found by their keys only by reading the table
	doubted  bool  // a row that was seen and is not found by its key is read by range before it counts as gone
	lossy    []string
	notes    []string
	schema   string // a reason to call the table different whatever its rows say
	shared   string // a reason not to call it different whatever its rows say; see namePair
	untold   string // a reason why the table cannot be called the same
	none     string // why there is nothing to read

	extra   []int                 // of a plan that selects the columns' own values, too: which of them; see bare
	uniques map[string][]keyShare // of new, by column in lower case, for repair; see learn
	newOnly bool                  // new has columns that old lacks
	needs   string                // one of these without a default

	types atomic.Pointer[[]rowstream.Column] // of the selected columns, once a statement has told
}

// keyShare is the part that a column has in a unique key.
type keyShare struct {
	key    string
	prefix int // 0: the whole column
}

// seeTypes remembers how the selected columns stand in row packets.
func (p *tablePlan) seeTypes(columns []rowstream.Column) {
	if p.types.Load() == nil {
		c := slices.Clone(columns)
		p.types.CompareAndSwap(nil, &c)
	}
}

// keyTypes returns how the key columns stand in row packets. Keys exist only once rows were read.
func (p *tablePlan) keyTypes() []rowstream.Column { return (*p.types.Load())[:p.nKey] }

// planOptions change what is compared.
type planOptions struct {
	virtual bool // compare virtual generated columns too
	twin    bool // both sides are of one cluster: neither has columns that the other lacks
}

// newPlan builds the plan for a table that exists on both sides.
func newPlan(o, n *cluster.Table, opt planOptions) *tablePlan {
	p := &tablePlan{name: o.FullName()}
	p.old.table, p.new.table, p.new.newSide = o, n, true
	pairs := p.pair(o, n, opt)
	key := findKey(o, n, pairs)
	p.method = methodMultiset
	if key != nil {
		p.method = methodBuckets
		if key.paged && key.ordered {
			p.method = methodChunks
		}
		pairs = keyFirst(pairs, key.columns)
		p.nKey, p.textKey, p.mixedKey, p.unpaged = len(key.columns), key.loose, key.mixed, !key.paged
		p.folded, p.doubted = key.folded, key.doubted
	}
	for i := range pairs {
		c := &pairs[i]
		if !c.key {
			c.proj = project(c.old, c.new)
		}
		if c.proj.json {
			p.json = append(p.json, i)
		}
		p.remark(c.proj)
	}
	p.columns = pairs
	if len(pairs) == 0 {
		p.method = methodNone
		p.none = "old and new have no column in common that can be compared"
	}
	p.spell(key)
	p.learn(key)
	return p
}

// pair matches columns by name, as servers do: without regard to case.
func (p *tablePlan) pair(o, n *cluster.Table, opt planOptions) []planColumn {
	byName := make(map[string]*cluster.Column, len(n.Columns))
	for i := range n.Columns {
		if c := &n.Columns[i]; !c.System {
			byName[strings.ToLower(c.Name)] = c
		}
	}
	var pairs []planColumn
	var missing, skipped, untold []string
	for i := range o.Columns {
		c := &o.Columns[i]
		if c.System {
			continue
		}
		m, ok := byName[strings.ToLower(c.Name)]
		delete(byName, strings.ToLower(c.Name))
		switch {
		case !ok:
			missing = append(missing, c.Name)
		case !opt.virtual && (c.Generated == cluster.GeneratedVirtual || m.Generated == cluster.GeneratedVirtual) &&
			c.Generated != cluster.GeneratedNone && m.Generated != cluster.GeneratedNone:
			skipped = append(skipped, c.Name)
		case classOf(c) == classSet && classOf(m) == classSet && !membersTold(c, m):
			untold = append(untold, c.Name)
		default:
			pairs = append(pairs, planColumn{old: c, new: m})
		}
	}
	if len(skipped) > 0 {
		p.notes = append(p.notes, "virtual generated columns not compared (use --virtual): "+strings.Join(skipped, ", "))
	}
	if len(untold) > 0 {
		p.untold = fmt.Sprintf("the members of SET %s cannot be told apart: the definitions show characters for which the catalog has no room, "+
			"as outside the BMP, as question marks", strings.Join(untold, ", "))
	}
	var added []string
	for i := range n.Columns {
		if _, left := byName[strings.ToLower(n.Columns[i].Name)]; left {
			added = append(added, n.Columns[i].Name)
		}
	}
	var schema []string
	if len(missing) > 0 {
		schema = append(schema, "lacks column "+strings.Join(missing, ", "))
	}
	switch {
	case len(added) > 0 && opt.twin:
		schema = append(schema, "has column "+strings.Join(added, ", ")+", which the reference lacks")
	case len(added) > 0:
		p.notes = append(p.notes, "columns on new only, not compared: "+strings.Join(added, ", "))
	}
	if len(schema) > 0 {
		p.schema = "new " + strings.Join(schema, " and ")
	}
	return pairs
}

func (p *tablePlan) remark(pr projection) {
	if pr.lossy != "" {
		p.lossy = append(p.lossy, pr.lossy)
	}
	if pr.note != "" {
		p.notes = append(p.notes, pr.note)
	}
}

// keyFirst moves the key's columns to the front, in the key's order.
func keyFirst(pairs, key []planColumn) []planColumn {
	out := slices.Clip(slices.Clone(key))
	for _, c := range pairs {
		if !slices.ContainsFunc(key, func(k planColumn) bool { return k.old == c.old }) {
			out = append(out, c)
		}
	}
	return out
}

// spell writes the SQL parts of both sides.
func (p *tablePlan) spell(key *rowKey) {
	for _, side := range []*sidePlan{&p.old, &p.new} {
		list := make([]string, len(p.columns))
		for i, c := range p.columns {
			list[i] = c.proj.old
			name, mark := c.old.Name, c.proj.oldMark
			if side.newSide {
				list[i], name, mark = c.proj.new, c.new.Name, c.proj.newMark
			}
			if i < p.nKey {
				side.keys = append(side.keys, cluster.Quote(name))
				side.marks = append(side.marks, cmp.Or(mark, "?"))
			}
		}
		side.list = strings.Join(list, ",")
		side.from = side.table.QuotedName()
		if key == nil || p.unpaged {
			continue
		}
		index := key.old
		if side.newSide {
			index = key.new
		}
		side.from += " FORCE INDEX (" + cluster.Quote(index.Name) + ")"
	}
}

// side returns the plan of one side.
func (p *tablePlan) side(newSide bool) *sidePlan {
	if newSide {
		return &p.new
	}
	return &p.old
}
