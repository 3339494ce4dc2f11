package plan

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// NamePair is a table's name on both sides; the zero name where a side has none.
type NamePair struct {
	Old, New cluster.TableName
	// Clash is why nobody can tell which table of the other side the name stands for there: it is not compared.
	Clash string
	// Shared is the same of a pair with equal names: it is compared, but rows that differ may be those of a namesake.
	Shared string
}

// Folding tells which sides do not tell the letter case of names apart (lower_case_table_names).
type Folding struct{ old, new bool }

func FoldingOf(old, new *cluster.Server) Folding {
	return Folding{old: old.Facts().LowerCaseTableNames != 0, new: new.Facts().LowerCaseTableNames != 0}
}

func (f Folding) Any() bool   { return f.old || f.new }
func (f Folding) Mixed() bool { return f.old != f.new }

// Side tells whether a side folds.
func (f Folding) Side(newSide bool) bool {
	if newSide {
		return f.new
	}
	return f.old
}

// sides names the sides that fold.
func (f Folding) sides() string {
	switch {
	case f.old && f.new:
		return "old and new take"
	case f.old:
		return "old takes"
	}
	return "new takes"
}

// PairNames pairs the names of both sides. Equal names are pairs before all others. Where a side folds letter case, names
// that differ by nothing else are a pair if each side has one of them; where one has more, those without a namesake of
// equal spelling clash.
func PairNames(olds, news []cluster.TableName, f Folding) []NamePair {
	there := make(map[cluster.TableName]bool, len(news))
	for _, n := range news {
		there[n] = true
	}
	groups := make(map[cluster.TableName]*namesakes)
	var order []*namesakes
	group := func(n cluster.TableName) *namesakes {
		id := n
		if f.Any() {
			id = lower(n)
		}
		g := groups[id]
		if g == nil {
			g = &namesakes{}
			groups[id] = g
			order = append(order, g)
		}
		return g
	}
	for _, o := range olds {
		g := group(o)
		if there[o] {
			g.exact = append(g.exact, o)
			delete(there, o)
		} else {
			g.old = append(g.old, o)
		}
	}
	for _, n := range news {
		if there[n] {
			g := group(n)
			g.new = append(g.new, n)
		}
	}
	var out []NamePair
	for _, g := range order {
		out = append(out, g.pairs(f)...)
	}
	return out
}

// namesakes are names that a side that folds takes for one.
type namesakes struct {
	exact    []cluster.TableName // on both sides
	old, new []cluster.TableName // on one side only
}

func (g *namesakes) pairs(f Folding) []NamePair {
	var out []NamePair
	why := g.clash(f)
	for _, n := range g.exact {
		p := NamePair{Old: n, New: n, Shared: why}
		if g.several(f) && n != lower(n) { // asked for it, the side that folds reads its namesake in lower case
			p.Clash, p.Shared = why, ""
		}
		out = append(out, p)
	}
	if why == "" && len(g.old) == 1 && len(g.new) == 1 {
		return append(out, NamePair{Old: g.old[0], New: g.new[0]})
	}
	for _, o := range g.old {
		out = append(out, NamePair{Old: o, Clash: why})
	}
	for _, n := range g.new {
		out = append(out, NamePair{New: n, Clash: why})
	}
	return out
}

// several tells whether a side that folds shows more than one of the names, as after its setting was changed.
func (g *namesakes) several(f Folding) bool {
	return f.old && len(g.exact)+len(g.old) > 1 || f.new && len(g.exact)+len(g.new) > 1
}

// clash says why names cannot be told apart, "" if they can: one side has more of them than the other.
func (g *namesakes) clash(f Folding) string {
	onOld, onNew := len(g.exact)+len(g.old), len(g.exact)+len(g.new)
	unlike := len(g.old)+len(g.new) > 0
	if !f.Any() || !unlike && !g.several(f) || onOld == 0 || onNew == 0 || onOld == 1 && onNew == 1 {
		return ""
	}
	var names []string
	for _, n := range slices.Concat(g.exact, g.old, g.new) {
		if full := FullName(n); !slices.Contains(names, full) {
			names = append(names, full)
		}
	}
	slices.Sort(names)
	return fmt.Sprintf("%s %s for one name (lower_case_table_names): which of them its table stands for cannot be told; rename all but one",
		f.sides(), strings.Join(names, " and "))
}

func lower(n cluster.TableName) cluster.TableName {
	return cluster.TableName{Schema: strings.ToLower(n.Schema), Name: strings.ToLower(n.Name)}
}

func FullName(n cluster.TableName) string {
	return (&cluster.Table{Schema: n.Schema, Name: n.Name}).FullName()
}

// Named is the pair's name as both sides understand it: in the spelling of the side that tells letter case apart.
func (p NamePair) Named(f Folding) cluster.TableName {
	switch {
	case p.Old == (cluster.TableName{}), p.New != (cluster.TableName{}) && f.old && !f.new:
		return p.New
	}
	return p.Old
}

// InScope tells whether patterns choose a pair: one side's name is enough to be named, and a pair is left out only if the
// names of all sides that have it are. Each side's letter case counts as that side counts it.
func (p NamePair) InScope(patterns cluster.Filter, f Folding) bool {
	included, left := false, false
	for i, n := range []cluster.TableName{p.Old, p.New} {
		if n == (cluster.TableName{}) {
			continue
		}
		own := patterns.FoldCase(f.Side(i == 1))
		included = included || own.Includes(n.Schema, n.Name)
		left = left || !own.Excludes(n.Schema, n.Name)
	}
	return included && left
}
