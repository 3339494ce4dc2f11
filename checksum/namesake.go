package checksum

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

// namePair is a table's name on both sides; the zero name where a side has none.
type namePair struct {
	old, new cluster.TableName
	// clash is why nobody can tell which table of the other side the name stands for there: it is not compared.
	clash string
	// shared is the same of a pair with equal names: it is compared, but rows that differ may be those of a namesake.
	shared string
}

// folding tells which sides do not tell the letter case of names apart (lower_case_table_names).
type folding struct{ old, new bool }

func foldingOf(old, new *cluster.Server) folding {
	return folding{old: old.Facts().LowerCaseTableNames != 0, new: new.Facts().LowerCaseTableNames != 0}
}

func (f folding) any() bool   { return f.old || f.new }
func (f folding) mixed() bool { return f.old != f.new }

// side tells whether a side folds.
func (f folding) side(newSide bool) bool {
	if newSide {
		return f.new
	}
	return f.old
}

// sides names the sides that fold.
func (f folding) sides() string {
	switch {
	case f.old && f.new:
		return "old and new take"
	case f.old:
		return "old takes"
	}
	return "new takes"
}

// pairNames pairs the names of both sides. Equal names are pairs before all others. Where a side folds letter case, names
// that differ by nothing else are a pair if each side has one of them; where one has more, those without a namesake of
// equal spelling clash.
func pairNames(olds, news []cluster.TableName, f folding) []namePair {
	there := make(map[cluster.TableName]bool, len(news))
	for _, n := range news {
		there[n] = true
	}
	groups := make(map[cluster.TableName]*namesakes)
	var order []*namesakes
	group := func(n cluster.TableName) *namesakes {
		id := n
		if f.any() {
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
	var out []namePair
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

func (g *namesakes) pairs(f folding) []namePair {
	var out []namePair
	why := g.clash(f)
	for _, n := range g.exact {
		p := namePair{old: n, new: n, shared: why}
		if g.several(f) && n != lower(n) { // asked for it, the side that folds reads its namesake in lower case
			p.clash, p.shared = why, ""
		}
		out = append(out, p)
	}
	if why == "" && len(g.old) == 1 && len(g.new) == 1 {
		return append(out, namePair{old: g.old[0], new: g.new[0]})
	}
	for _, o := range g.old {
		out = append(out, namePair{old: o, clash: why})
	}
	for _, n := range g.new {
		out = append(out, namePair{new: n, clash: why})
	}
	return out
}

// several tells whether a side that folds shows more than one of the names, as after its setting was changed.
func (g *namesakes) several(f folding) bool {
	return f.old && len(g.exact)+len(g.old) > 1 || f.new && len(g.exact)+len(g.new) > 1
}

// clash says why names cannot be told apart, "" if they can: one side has more of them than the other.
func (g *namesakes) clash(f folding) string {
	onOld, onNew := len(g.exact)+len(g.old), len(g.exact)+len(g.new)
	unlike := len(g.old)+len(g.new) > 0
	if !f.any() || !unlike && !g.several(f) || onOld == 0 || onNew == 0 || onOld == 1 && onNew == 1 {
		return ""
	}
	var names []string
	for _, n := range slices.Concat(g.exact, g.old, g.new) {
		if full := fullName(n); !slices.Contains(names, full) {
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

func fullName(n cluster.TableName) string {
	return (&cluster.Table{Schema: n.Schema, Name: n.Name}).FullName()
}

// named is the pair's name as both sides understand it: in the spelling of the side that tells letter case apart.
func (p namePair) named(f folding) cluster.TableName {
	switch {
	case p.old == (cluster.TableName{}), p.new != (cluster.TableName{}) && f.old && !f.new:
		return p.new
	}
	return p.old
}

// inScope tells whether patterns choose a pair: one side's name is enough to be named, and a pair is left out only if the
// names of all sides that have it are. Each side's letter case counts as that side counts it.
func (p namePair) inScope(patterns cluster.Filter, f folding) bool {
	included, left := false, false
	for i, n := range []cluster.TableName{p.old, p.new} {
		if n == (cluster.TableName{}) {
			continue
		}
		own := patterns.FoldCase(f.side(i == 1))
		included = included || own.Includes(n.Schema, n.Name)
		left = left || !own.Excludes(n.Schema, n.Name)
	}
	return included && left
}
