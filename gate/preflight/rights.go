package preflight

import (
	"maps"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// held is where a privilege comes from: the account or role, and the pattern of schemas as it is stored.
type held struct{ by, pattern string }

// privileges are names with where each comes from.
type privileges map[string]held

func (p privileges) add(name string, h held) {
	if _, there := p[name]; !there {
		p[name] = h
	}
}

// schemaGrant is what one holder may do on schemas of a pattern.
type schemaGrant struct {
	held
	privileges privileges
}

// rights are what some accounts and roles together may do.
type rights struct {
	fold    bool // names in any letter case
	plain   bool // patterns of schemas are names: MySQL with partial_revokes
	global  privileges
	revoked []inspect.Grant
	schemas []schemaGrant
	things  map[inspect.Grant]privileges // tables, columns and routines, by a Grant without Privilege
}

// right is a privilege on something, and who holds it.
type right struct {
	inspect.Grant
	held held
}

func newRights(holders []*inspect.Account, fold, plain bool) *rights {
	r := &rights{fold: fold, plain: plain, global: privileges{}, things: map[inspect.Grant]privileges{}}
	for _, a := range holders {
		at := map[string]privileges{}
		r.revoked = append(r.revoked, a.Revoked...)
		for _, g := range a.Grants {
			p, h := g.Privilege, held{by: a.Name()}
			switch {
			case g.Schema == "":
				r.global.add(p, h)
			case g.Table == "" && g.Routine == "":
				s := r.name(g.Schema)
				if at[s] == nil {
					at[s] = privileges{}
				}
				at[s].add(p, held{a.Name(), g.Schema})
			default:
				g = r.thing(g)
				if r.things[g] == nil {
					r.things[g] = privileges{}
				}
				r.things[g].add(p, h)
			}
		}
		for _, s := range slices.Sorted(maps.Keys(at)) {
			r.schemas = append(r.schemas, schemaGrant{held{a.Name(), s}, at[s]})
		}
	}
	return r
}

func (r *rights) name(s string) string {
	if r.fold {
		return strings.ToLower(s)
	}
	return s
}

// thing is what a grant is on, in the spelling of the rights' keys: columns and routines have no letter case.
func (r *rights) thing(g inspect.Grant) inspect.Grant {
	return inspect.Grant{Schema: r.name(g.Schema), Table: r.name(g.Table), Column: strings.ToLower(g.Column), Routine: g.Routine}
}

// open tells whether a pattern names schemas that need not exist yet. A lone _ is taken for itself: it is in many names.
func (r *rights) open(p string) bool {
	return !r.plain && slices.ContainsFunc(pattern(p), func(t token) bool { return t.any })
}

func (r *rights) fits(p, schema string) bool {
	if r.plain {
		return p == schema
	}
	return meet(pattern(p), asIs(schema))
}

// specific orders patterns as the server does: names first, then those whose wildcard comes later.
func (r *rights) specific(p string) int {
	const names = 1 << 20
	if i := slices.IndexFunc(pattern(p), func(t token) bool { return t.any || t.one }); i >= 0 && !r.plain {
		return i
	}
	return names
}

// onSchema is what may be done on a whole schema. Of the patterns of one holder the server takes the first that fits.
func (r *rights) onSchema(schema string) privileges {
	out := maps.Clone(r.global)
	for _, g := range r.revoked {
		if r.name(g.Schema) == schema {
			delete(out, g.Privilege)
		}
	}
	best := map[string]schemaGrant{}
	for _, g := range r.schemas {
		if b, there := best[g.by]; r.fits(g.pattern, schema) && (!there || r.specific(g.pattern) > r.specific(b.pattern)) {
			best[g.by] = g
		}
	}
	for _, holder := range slices.Sorted(maps.Keys(best)) {
		for p, h := range best[holder].privileges {
			out.add(p, h)
		}
	}
	return out
}

// onPattern is what may be done on all schemas of a pattern.
func (r *rights) onPattern(p string) privileges {
	out := maps.Clone(r.global)
	for _, g := range r.schemas {
		if g.pattern == p {
			for name, h := range g.privileges {
				out.add(name, h)
			}
		}
	}
	return out
}

// onThing is what may be done on a table, column or routine.
func (r *rights) onThing(t inspect.Grant) privileges {
	out := r.onSchema(t.Schema)
	add := func(t inspect.Grant) {
		for p, h := range r.things[t] {
			out.add(p, h)
		}
	}
	add(t)
	if t.Column != "" {
		t.Column = ""
		add(t)
	}
	return out
}

// less is what a may do and b may not, on some schemas and in general, the widest first: what is missing on everything is not
// said of each schema again.
func less(a, b *rights, schemas []string, compared func(string) bool) []right {
	var out []right
	said := map[inspect.Grant]bool{}
	lacks := func(on inspect.Grant, have, others privileges, wider ...inspect.Grant) {
		for _, p := range slices.Sorted(maps.Keys(have)) {
			if _, there := others[p]; there || !compared(p) {
				continue
			}
			g := on
			g.Privilege = p
			if slices.ContainsFunc(wider, func(w inspect.Grant) bool { w.Privilege = p; return said[w] }) {
				continue
			}
			said[g] = true
			out = append(out, right{g, have[p]})
		}
	}
	everything := inspect.Grant{}
	lacks(everything, a.global, b.global)
	var patterns []string
	for _, g := range a.schemas {
		if a.open(g.pattern) && !slices.Contains(patterns, g.pattern) {
			patterns = append(patterns, g.pattern)
			lacks(inspect.Grant{Schema: g.pattern}, a.onPattern(g.pattern), b.onPattern(g.pattern), everything)
		}
	}
	around := func(schema string) []inspect.Grant {
		wider := []inspect.Grant{everything}
		for _, p := range patterns {
			if a.fits(p, schema) {
				wider = append(wider, inspect.Grant{Schema: p})
			}
		}
		return wider
	}
	for _, s := range schemas {
		s = a.name(s)
		lacks(inspect.Grant{Schema: exactly(s, a.plain)}, a.onSchema(s), b.onSchema(s), around(s)...)
	}
	for _, t := range sortedThings(a.things) {
		if !slices.ContainsFunc(schemas, func(s string) bool { return a.name(s) == t.Schema }) {
			continue
		}
		wider := append(around(t.Schema), inspect.Grant{Schema: exactly(t.Schema, a.plain)})
		if t.Column != "" {
			wider = append(wider, inspect.Grant{Schema: t.Schema, Table: t.Table})
		}
		lacks(t, a.things[t], b.onThing(t), wider...)
	}
	return out
}

func sortedThings(m map[inspect.Grant]privileges) []inspect.Grant {
	return slices.SortedFunc(maps.Keys(m), func(a, b inspect.Grant) int {
		key := func(g inspect.Grant) string {
			return strings.Join([]string{g.Schema, g.Table, g.Column, g.Routine}, "\x00")
		}
		return strings.Compare(key(a), key(b))
	})
}

// exactly is a schema's name as a pattern that fits nothing else.
func exactly(schema string, plain bool) string {
	if plain {
		return schema
	}
	return strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(schema)
}
