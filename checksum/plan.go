package checksum

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"crosscheck/chunker"
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
	lossy    []string
	notes    []string
	schema   string // a reason to call the table different whatever its rows say

	types atomic.Pointer[[]rowstream.Column] // of the selected columns, once a statement has told
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

// planOptions are the user's choices that change what is compared.
type planOptions struct {
	virtual bool // compare virtual generated columns too
}

// newPlan builds the plan for a table that exists on both sides.
func newPlan(o, n *cluster.Table, opt planOptions) *tablePlan {
	p := &tablePlan{name: o.FullName()}
	p.old.table, p.new.table, p.new.newSide = o, n, true
	pairs := p.pair(o, n, opt)
	key, keyNew := commonKey(o, n)
	p.method = methodMultiset
	if key != nil {
		p.method = methodChunks
		pairs = keyFirst(pairs, key)
		p.nKey = len(key.Parts)
	}
	pageable := true
	for i := range pairs {
		c := &pairs[i]
		c.key = i < p.nKey
		c.proj = project(c.old, c.new)
		if c.key {
			pageable = keyProjection(c) && pageable
			p.textKey = p.textKey || classOf(c.old) == classText
			if !c.proj.ordered {
				p.method = methodBuckets
			}
		}
		if c.proj.json {
			p.json = append(p.json, i)
		}
		p.remark(c.proj)
	}
	if p.method != methodMultiset && (!pageable || !indexed(key) || !indexed(keyNew)) {
		p.method, p.nKey = methodMultiset, 0
	}
	p.columns = pairs
	p.spell(key, keyNew)
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
	var missing, skipped []string
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
		default:
			pairs = append(pairs, planColumn{old: c, new: m})
		}
	}
	if len(missing) > 0 {
		p.schema = fmt.Sprintf("new lacks column %s", strings.Join(missing, ", "))
	}
	if len(skipped) > 0 {
		p.notes = append(p.notes, "virtual generated columns not compared (use --virtual): "+strings.Join(skipped, ", "))
	}
	var added []string
	for i := range n.Columns {
		if _, left := byName[strings.ToLower(n.Columns[i].Name)]; left {
			added = append(added, n.Columns[i].Name)
		}
	}
	if len(added) > 0 {
		p.notes = append(p.notes, "columns on new only, not compared: "+strings.Join(added, ", "))
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

// commonKey returns the key that rows are matched by: old's walk key, provided that new has a unique key over the same
// columns, else nil.
func commonKey(o, n *cluster.Table) (old, new *cluster.Key) {
	key := o.WalkKey()
	if key == nil {
		return nil, nil
	}
	for i := range n.Keys {
		k := &n.Keys[i]
		if !k.Unique && !k.Primary || len(k.Parts) != len(key.Parts) {
			continue
		}
		same := true
		for j, part := range k.Parts {
			same = same && part.Prefix == 0 && part.Expression == "" &&
				strings.EqualFold(part.Column, key.Parts[j].Column) && notNull(n, part.Column)
		}
		if same {
			return key, k
		}
	}
	return nil, nil
}

func notNull(t *cluster.Table, column string) bool {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, column) {
			return !t.Columns[i].Nullable
		}
	}
	return false
}

// indexed reports whether an index can be read in key order.
func indexed(k *cluster.Key) bool { return k.Type == "BTREE" || k.Type == "" }

// keyFirst moves the key's columns to the front, in the key's order.
func keyFirst(pairs []planColumn, key *cluster.Key) []planColumn {
	out := make([]planColumn, 0, len(pairs))
	inKey := make(map[string]bool, len(key.Parts))
	for _, part := range key.Parts {
		inKey[strings.ToLower(part.Column)] = true
		for _, c := range pairs {
			if strings.EqualFold(c.old.Name, part.Column) {
				out = append(out, c)
			}
		}
	}
	for _, c := range pairs {
		if !inKey[strings.ToLower(c.old.Name)] {
			out = append(out, c)
		}
	}
	return out
}

// keyProjection adapts a key column's projection so that the selected value, sent back as a parameter, compares with
// the bare column in the column's own order. It reports whether that is possible.
func keyProjection(c *planColumn) bool {
	switch classOf(c.old) {
	case classEnum, classSet:
		if classOf(c.new) != classOf(c.old) || !equalLabels(c.old.Labels, c.new.Labels) {
			return false
		}
		c.proj = numbers(c.old, c.new, "UNSIGNED") // members sort by their number
		c.proj.ordered = true
	case classBit:
		if classOf(c.new) != classBit {
			return true // already a decimal
		}
		c.proj = numbers(c.old, c.new, "UNSIGNED")
		c.proj.ordered = true
	case classText:
		if classOf(c.new) != classText {
			return classOf(c.new) == classUUID || classOf(c.new) == classInet
		}
		// A parameter is taken as utf8mb4.
		for _, side := range []struct {
			col  *cluster.Column
			expr *string
		}{{c.old, &c.proj.old}, {c.new, &c.proj.new}} {
			if !utf8Bytes(charset(side.col)) {
				*side.expr = "CONVERT(" + cluster.Quote(side.col.Name) + " USING utf8mb4)"
			}
		}
	case classFixedBytes:
		return classOf(c.new) == classFixedBytes && c.old.CharLen == c.new.CharLen
	case classBytes:
		return classOf(c.new) == classBytes
	case classJSON, classGeometry, classOther:
		return false
	case classInt, classYear, classDecimal, classFloat, classDate, classTime, classUUID, classInet:
	}
	return true
}

// spell writes the SQL parts of both sides.
func (p *tablePlan) spell(key, keyNew *cluster.Key) {
	for _, side := range []struct {
		plan *sidePlan
		key  *cluster.Key
	}{{&p.old, key}, {&p.new, keyNew}} {
		list := make([]string, len(p.columns))
		for i, c := range p.columns {
			list[i] = c.proj.old
			name := c.old.Name
			if side.plan.newSide {
				list[i], name = c.proj.new, c.new.Name
			}
			if i < p.nKey {
				side.plan.keys = append(side.plan.keys, cluster.Quote(name))
			}
		}
		side.plan.list = strings.Join(list, ",")
		side.plan.from = side.plan.table.QuotedName()
		if p.nKey > 0 {
			side.plan.from += " FORCE INDEX (" + cluster.Quote(side.key.Name) + ")"
		}
	}
}

// side returns the plan of one side.
func (p *tablePlan) side(newSide bool) *sidePlan {
	if newSide {
		return &p.new
	}
	return &p.old
}

// rangeQuery is the statement that reads a key range in key order; nLo and nHi are the lengths of its bounds. limited
// adds a LIMIT parameter.
func (s *sidePlan) rangeQuery(nLo, nHi int, limited bool) string {
	var b strings.Builder
	b.WriteString("SELECT " + s.list + " FROM " + s.from)
	glue := " WHERE "
	if nLo > 0 {
		b.WriteString(glue + chunker.Below(s.keys, nLo))
		glue = " AND "
	}
	if nHi > 0 {
		b.WriteString(glue + chunker.Above(s.keys, nHi))
	}
	b.WriteString(" ORDER BY " + strings.Join(s.keys, ","))
	if limited {
		b.WriteString(" LIMIT ?")
	}
	return b.String()
}

// keysQuery is the statement that reads n rows by their keys.
func (s *sidePlan) keysQuery(n int) string {
	var b strings.Builder
	b.WriteString("SELECT " + s.list + " FROM " + s.from + " WHERE ")
	if len(s.keys) == 1 {
		b.WriteString(s.keys[0] + " IN (?" + strings.Repeat(",?", n-1) + ")")
		return b.String()
	}
	one := "(" + strings.Join(s.keys, "=? AND ") + "=?)"
	b.WriteString(one + strings.Repeat(" OR "+one, n-1))
	return b.String()
}

// scanQuery is the statement that reads the whole table in whatever order is cheapest.
func (s *sidePlan) scanQuery() string { return "SELECT " + s.list + " FROM " + s.from }

// fingerprint identifies everything that decides which bytes are compared: recorded chunks are trusted only under the
// same one.
func (p *tablePlan) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s|%s|%s|%s|%d", p.method, p.old.rangeText(), p.new.rangeText(), p.schema, p.nKey)
	for _, c := range p.columns {
		fmt.Fprintf(h, "|%s %s %s|%s %s %s", c.old.Name, c.old.ColumnType, c.old.Collation,
			c.new.Name, c.new.ColumnType, c.new.Collation)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

func (s *sidePlan) rangeText() string { return s.scanQuery() + strings.Join(s.keys, ",") }

// keyNames returns the names of the key columns on the old side.
func (p *tablePlan) keyNames() []string {
	names := make([]string, 0, p.nKey)
	for _, c := range p.columns[:p.nKey] {
		names = append(names, c.old.Name)
	}
	return slices.Clip(names)
}
