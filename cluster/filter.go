package cluster

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Filter chooses tables by patterns "schema.table". The zero Filter matches
// every table. It is immutable.
type Filter struct {
	include, exclude []pattern
	fold             bool
}

// FilterError is a pattern that cannot be read or matches nothing; one line.
type FilterError struct {
	Pattern string
	Problem string
	Mend    string
}

func (e *FilterError) Error() string { return e.Problem + "; " + e.Mend }

type pattern struct {
	text          string
	schema, table glob
}

// glob is a sequence of literal characters and wildcards.
type glob []globItem

type globItem struct {
	char rune
	kind globKind
}

type globKind uint8

const (
	globChar globKind = iota
	globAny           // ?
	globMany          // *
)

// NewFilter reads patterns "schema.table" in which * stands for any run of
// characters and ? for one. Between backquotes every character, dots and
// wildcards too, stands for itself, and two backquotes for one. With no
// include pattern every table is included; exclude patterns win. An error is a
// *FilterError.
func NewFilter(include, exclude []string) (Filter, error) {
	var f Filter
	var err error
	if f.include, err = parsePatterns(include); err != nil {
		return Filter{}, err
	}
	if f.exclude, err = parsePatterns(exclude); err != nil {
		return Filter{}, err
	}
	return f, nil
}

func parsePatterns(texts []string) ([]pattern, error) {
	out := make([]pattern, 0, len(texts))
	for _, t := range texts {
		p, err := parsePattern(t)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func parsePattern(text string) (pattern, error) {
	p := pattern{text: text}
	fail := func(problem, mend string) (pattern, error) {
		return pattern{}, &FilterError{Pattern: text, Problem: fmt.Sprintf("the table pattern %q %s", text, problem), Mend: mend}
	}
	part, dots, quoted := &p.schema, 0, false
	runes := []rune(strings.TrimSpace(text))
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '`' && quoted && i+1 < len(runes) && runes[i+1] == '`':
			*part = append(*part, globItem{char: r})
			i++
		case r == '`':
			quoted = !quoted
		case !quoted && r == '.':
			dots++
			part = &p.table
		case !quoted && r == '*':
			*part = append(*part, globItem{kind: globMany})
		case !quoted && r == '?':
			*part = append(*part, globItem{kind: globAny})
		default:
			*part = append(*part, globItem{char: r})
		}
	}
	switch {
	case quoted:
		return fail("has an open backquote", "close it; a backquote in a name is written twice")
	case dots == 0 && len(p.schema) == 0:
		return fail("is empty", "write 'schema.table', for example 'shop.*'")
	case dots == 0:
		return fail("names no schema", fmt.Sprintf("write '%s.*' for a whole schema or '*.%s' for that table in every schema", text, text))
	case dots > 1:
		return fail("has more than one dot", "write names that contain dots between backquotes: '`we.ird`.`name`'")
	case len(p.schema) == 0 || len(p.table) == 0:
		return fail("lacks a name beside the dot", "write 'schema.table', for example 'shop.*'")
	}
	return p, nil
}

// FoldCase returns the filter that ignores letter case if fold is true: for
// servers whose lower_case_table_names is not 0.
func (f Filter) FoldCase(fold bool) Filter {
	f.fold = fold
	return f
}

// Wide returns a filter that chooses all that f would choose in whatever letter
// case, and what its exclude patterns leave out as well.
func (f Filter) Wide() Filter {
	f.exclude, f.fold = nil, true
	return f
}

// Match tells whether the table is chosen.
func (f Filter) Match(schema, table string) bool {
	return f.Includes(schema, table) && !f.Excludes(schema, table)
}

// Includes tells whether an include pattern names the table, or there is none.
func (f Filter) Includes(schema, table string) bool {
	return len(f.include) == 0 || f.names(f.include, schema, table)
}

// Excludes tells whether an exclude pattern names the table.
func (f Filter) Excludes(schema, table string) bool { return f.names(f.exclude, schema, table) }

func (f Filter) names(list []pattern, schema, table string) bool {
	return slices.ContainsFunc(list, func(p pattern) bool { return p.match(schema, table, f.fold) })
}

func (p pattern) match(schema, table string, fold bool) bool {
	return p.schema.match(schema, fold) && p.table.match(table, fold)
}

// match walks the text once; after a mismatch it lets the last * take one
// character more.
func (g glob) match(text string, fold bool) bool {
	s := []rune(text)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(g) && g[i].kind == globMany:
			star, mark = i, j
			i++
		case i < len(g) && (g[i].kind == globAny || sameRune(g[i].char, s[j], fold)):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(g) && g[i].kind == globMany {
		i++
	}
	return i == len(g)
}

func sameRune(a, b rune, fold bool) bool {
	return a == b || (fold && unicode.ToLower(a) == unicode.ToLower(b))
}

// literal returns the text of a glob without wildcards.
func (g glob) literal() (string, bool) {
	var b strings.Builder
	for _, item := range g {
		if item.kind != globChar {
			return "", false
		}
		b.WriteRune(item.char)
	}
	return b.String(), true
}

// TableName is a schema and a table.
type TableName struct{ Schema, Name string }

// Unmatched returns the include patterns that match none of the tables, in the
// order in which they were given.
func (f Filter) Unmatched(tables []TableName) []string {
	var out []string
	for _, p := range f.include {
		if !slices.ContainsFunc(tables, func(t TableName) bool { return p.match(t.Schema, t.Name, f.fold) }) {
			out = append(out, p.text)
		}
	}
	return out
}

// NoMatch returns the *FilterError of an include pattern that no table of a
// scope matches. Of candidates, which are all tables that there are, it tells
// whether the exclude patterns took them out, or which is the nearest.
func (f Filter) NoMatch(text string, candidates []TableName) error {
	e := &FilterError{Pattern: text, Problem: fmt.Sprintf("no table matches %q", text)}
	for _, p := range f.include {
		if p.text != text {
			continue
		}
		if slices.ContainsFunc(candidates, func(t TableName) bool { return p.match(t.Schema, t.Name, f.fold) }) {
			e.Problem = fmt.Sprintf("all tables that match %q are excluded", text)
			e.Mend = "leave the pattern out, or exclude less"
			return e
		}
		e.Mend = p.mend(candidates)
	}
	return e
}

func (p pattern) mend(candidates []TableName) string {
	if s, ok := p.schema.literal(); ok && isSystemSchema(s) {
		return "the server's own schemas are not compared"
	}
	best, bestDistance := "", 0
	want := strings.ToLower(strings.ReplaceAll(p.text, "`", ""))
	for _, c := range candidates {
		have := c.Schema + "." + c.Name
		if _, ok := p.table.literal(); !ok {
			have = c.Schema + ".*"
		}
		d := editDistance(want, strings.ToLower(have))
		if best == "" || d < bestDistance {
			best, bestDistance = have, d
		}
	}
	// Further away than this it is another name, not a slip.
	if best != "" && bestDistance <= max(2, len([]rune(want))/4) {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "check the name, letter case included; a table that the account may not read does not show"
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(y)]
}

// isSystemSchema tells the server's own schemas. With lower_case_table_names 0
// a schema MySQL or SYS is the user's; where it is not, names are in lower case.
func isSystemSchema(name string) bool {
	switch name {
	case "mysql", "performance_schema", "sys":
		return true
	}
	return strings.EqualFold(name, "information_schema")
}
