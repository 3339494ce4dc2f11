// Package plan decides how a table is compared: which names of both sides are one table, which columns are a pair, in
// which form each pair is selected so that equal values give equal bytes, by which key rows are matched, and with which
// statements they are read. It is pure.
package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// Method is the way in which a table's rows are compared.
type Method string

// The methods, as reports name them.
const (
	KeyChunks     Method = "key chunks"     // both sides in key order, range by range
	HashedBuckets Method = "hashed buckets" // each side in its own order, rows in buckets by their key's hash
	RowMultiset   Method = "row multiset"   // no common key: each side's rows as a multiset
	Definition    Method = "definition"     // nothing to read
)

// Column is a pair of columns, as it is compared.
type Column struct {
	Old, New *cluster.Column
	Proj     Projection
	Key      bool
}

// Side is how one side of a table is read.
type Side struct {
	Table   *cluster.Table
	From    string   // quoted table with index hint
	List    string   // select list, key columns first
	Keys    []string // quoted key columns, for predicates and order
	Marks   []string // placeholders of their values
	newSide bool
}

// Table is how one table is compared. New makes it.
type Table struct {
	Name     string
	Method   Method
	Columns  []Column // in the order of the select list: key columns first
	NKey     int
	Old, New Side
	JSON     []int // columns whose JSON text is brought to a canonical form
	TextKey  bool  // keys that differ in bytes may be equal to the server
	MixedKey bool  // of two such keys one server may say that they are equal and the other that they are not
	Unpaged  bool  // rows can be found by key but not read in its order: each side is read in one statement
	Folded   bool  // rows are found by their keys only by reading the table
	Doubted  bool  // a row that was seen and is not found by its key is read by range before it counts as gone
	Lossy    []string
	Notes    []string
	Schema   string // a reason to call the table different whatever its rows say
	Shared   string // a reason not to call it different whatever its rows say; see NamePair
	Untold   string // a reason why the table cannot be called the same
	None     string // why there is nothing to read

	Extra   []int                 // of a plan that selects the columns' own values, too: which of them; see Bare
	Uniques map[string][]KeyShare // of new, by column in lower case, for repair; see learn
	NewOnly bool                  // new has columns that old lacks
	Needs   string                // one of these without a default

	types atomic.Pointer[[]rowstream.Column] // of the selected columns, once a statement has told
}

// KeyShare is the part that a column has in a unique key.
type KeyShare struct {
	Key    string
	Prefix int // 0: the whole column
}

// SeeTypes remembers how the selected columns stand in row packets.
func (p *Table) SeeTypes(columns []rowstream.Column) {
	if p.types.Load() == nil {
		c := slices.Clone(columns)
		p.types.CompareAndSwap(nil, &c)
	}
}

// ShareTypes takes over what another plan, by which the reference is read alike, has seen.
func (p *Table) ShareTypes(q *Table) { p.types.CompareAndSwap(nil, q.types.Load()) }

// TypesKnown reports whether checksum.keyTypes can be asked for.
func (p *Table) TypesKnown() bool { return p.types.Load() != nil }

// KeyTypes returns how the key columns stand in row packets. Keys exist only once rows were read.
func (p *Table) KeyTypes() []rowstream.Column { return (*p.types.Load())[:p.NKey] }

// Options change what is compared.
type Options struct {
	Virtual bool // compare virtual generated columns too
	Twin    bool // both sides are of one cluster: neither has columns that the other lacks
}

// New builds the plan for a table that exists on both sides.
func New(o, n *cluster.Table, opt Options) *Table {
	p := &Table{Name: o.FullName()}
	p.Old.Table, p.New.Table, p.New.newSide = o, n, true
	pairs := p.pair(o, n, opt)
	key := findKey(o, n, pairs)
	p.Method = RowMultiset
	if key != nil {
		p.Method = HashedBuckets
		if key.paged && key.ordered {
			p.Method = KeyChunks
		}
		pairs = keyFirst(pairs, key.columns)
		p.NKey, p.TextKey, p.MixedKey, p.Unpaged = len(key.columns), key.loose, key.mixed, !key.paged
		p.Folded, p.Doubted = key.folded, key.doubted
	}
	for i := range pairs {
		c := &pairs[i]
		if !c.Key {
			c.Proj = Project(c.Old, c.New)
		}
		if c.Proj.JSON {
			p.JSON = append(p.JSON, i)
		}
		p.remark(c.Proj)
	}
	p.Columns = pairs
	if len(pairs) == 0 {
		p.Method = Definition
		p.None = "old and new have no column in common that can be compared"
	}
	p.spell(key)
	p.learn(key)
	return p
}

// pair matches columns by name, as servers do: without regard to case.
func (p *Table) pair(o, n *cluster.Table, opt Options) []Column {
	byName := make(map[string]*cluster.Column, len(n.Columns))
	for i := range n.Columns {
		if c := &n.Columns[i]; !c.System {
			byName[strings.ToLower(c.Name)] = c
		}
	}
	var pairs []Column
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
		case !opt.Virtual && (c.Generated == cluster.GeneratedVirtual || m.Generated == cluster.GeneratedVirtual) &&
			c.Generated != cluster.GeneratedNone && m.Generated != cluster.GeneratedNone:
			skipped = append(skipped, c.Name)
		case ClassOf(c) == ClassSet && ClassOf(m) == ClassSet && !membersTold(c, m):
			untold = append(untold, c.Name)
		default:
			pairs = append(pairs, Column{Old: c, New: m})
		}
	}
	if len(skipped) > 0 {
		p.Notes = append(p.Notes, "virtual generated columns not compared (use --virtual): "+strings.Join(skipped, ", "))
	}
	if len(untold) > 0 {
		p.Untold = fmt.Sprintf("the members of SET %s cannot be told apart: the definitions show characters for which the catalog has no room, "+
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
	case len(added) > 0 && opt.Twin:
		schema = append(schema, "has column "+strings.Join(added, ", ")+", which the reference lacks")
	case len(added) > 0:
		p.Notes = append(p.Notes, "columns on new only, not compared: "+strings.Join(added, ", "))
	}
	if len(schema) > 0 {
		p.Schema = "new " + strings.Join(schema, " and ")
	}
	return pairs
}

func (p *Table) remark(pr Projection) {
	if pr.lossy != "" {
		p.Lossy = append(p.Lossy, pr.lossy)
	}
	if pr.note != "" {
		p.Notes = append(p.Notes, pr.note)
	}
}

// keyFirst moves the key's columns to the front, in the key's order.
func keyFirst(pairs, key []Column) []Column {
	out := slices.Clip(slices.Clone(key))
	for _, c := range pairs {
		if !slices.ContainsFunc(key, func(k Column) bool { return k.Old == c.Old }) {
			out = append(out, c)
		}
	}
	return out
}

// spell writes the SQL parts of both sides.
func (p *Table) spell(key *rowKey) {
	for _, side := range []*Side{&p.Old, &p.New} {
		list := make([]string, len(p.Columns))
		for i, c := range p.Columns {
			list[i] = c.Proj.Old
			name, mark := c.Old.Name, c.Proj.oldMark
			if side.newSide {
				list[i], name, mark = c.Proj.New, c.New.Name, c.Proj.newMark
			}
			if i < p.NKey {
				side.Keys = append(side.Keys, cluster.Quote(name))
				side.Marks = append(side.Marks, cmp.Or(mark, "?"))
			}
		}
		side.List = strings.Join(list, ",")
		side.From = side.Table.QuotedName()
		if key == nil || p.Unpaged {
			continue
		}
		index := key.old
		if side.newSide {
			index = key.new
		}
		side.From += " FORCE INDEX (" + cluster.Quote(index.Name) + ")"
	}
}

// Side returns the plan of one side.
func (p *Table) Side(newSide bool) *Side {
	if newSide {
		return &p.New
	}
	return &p.Old
}
