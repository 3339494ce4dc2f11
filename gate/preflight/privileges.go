package preflight

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// compared tells whether a privilege means the same on both sides. A version that does not know it has split or renamed it, or
// has never had it; SUPER is another right in each version that gave a part of it away.
func (j *judge) compared(p string) bool {
	knows := func(s *inspect.Side) bool { return len(s.Privileges) == 0 || s.Privileges[p] }
	if p == "SUPER" && superOf(j.old) != superOf(j.new) {
		return false
	}
	return knows(j.old) && knows(j.new)
}

// superOf names what SUPER is on a server.
func superOf(s *inspect.Side) string {
	f := s.Facts
	switch {
	case f.IsMariaDB() && f.AtLeast(11, 0, 1):
		return "MariaDB 11"
	case f.IsMariaDB() && f.AtLeast(10, 5, 2):
		return "MariaDB 10.5"
	case !f.IsMariaDB() && f.AtLeast(8, 0, 0):
		return "MySQL 8"
	}
	return "everything"
}

// compareRights judges what an account or role of new may do against what it may do on old. now gives its rights as the book has
// them.
func (a *accountJudge) compareRights(name string, n *inspect.Account, sim *book, old *rights, now func() *rights) {
	new := now()
	if missing := less(old, new, a.schemas, a.compared); len(missing) > 0 {
		a.addAccount("account_privilege_missing", name, fmt.Sprintf("%s lacks %s", name, a.told(missing)),
			a.statements("GRANT", " TO ", sim, a.onNew(n, sim, missing)))
	}
	if extra := less(new, old, a.schemas, a.compared); len(extra) > 0 {
		fixes := a.statements("REVOKE", " FROM ", sim, extra)
		// What is held more widely than on old is taken away there, so what old has comes first.
		without(sim, extra)
		first := less(old, now(), a.schemas, a.compared)
		first = slices.DeleteFunc(first, func(r right) bool {
			return slices.ContainsFunc(less(old, new, a.schemas, a.compared), func(m right) bool { return m.Grant == r.Grant })
		})
		fixes = append(a.statements("GRANT", " TO ", sim, a.onNew(n, sim, first)), fixes...)
		a.addAccount("account_privilege_extra", name, fmt.Sprintf("%s may more than on %s: %s", name, a.old.Label, a.told(extra)), fixes)
	}
	var unlike []string
	for label, p := range map[string][2]privileges{a.old.Label: {old.global, new.global}, a.new.Label: {new.global, old.global}} {
		var names []string
		for name := range p[0] {
			if _, both := p[1][name]; !both && !a.compared(name) {
				names = append(names, name)
			}
		}
		if slices.Sort(names); len(names) > 0 {
			unlike = append(unlike, "only "+label+": "+list(names, ""))
		}
	}
	if slices.Sort(unlike); len(unlike) > 0 {
		slices.Reverse(unlike)
		a.addAccount("account_privilege_unlike", name, name+" has privileges that are not comparable between the two versions: "+strings.Join(unlike, "; "), nil)
	}
}

// without takes privileges away in the book.
func without(b *book, extra []right) {
	for _, r := range extra {
		if x := b.accounts[r.held.by]; x != nil {
			x.Grants = slices.DeleteFunc(x.Grants, func(g inspect.Grant) bool {
				same := g.Privilege == r.Privilege && g.Table == r.Table && strings.EqualFold(g.Column, r.Column) && g.Routine == r.Routine
				return same && (g.Schema == r.Schema || g.Schema == r.held.pattern && r.Table == "" && r.Routine == "")
			})
		}
	}
}

// onNew names who is to hold what on new: the role that holds it on old, where the account has that role, else the account itself.
func (a *accountJudge) onNew(n *inspect.Account, sim *book, list []right) []right {
	roles := append(sim.granted(n.Name()), sim.active(n)...)
	out := slices.Clone(list)
	for i := range out {
		by := n.Name()
		if here := sim.here(out[i].held.by); here != sim.here(n.Name()) && slices.Contains(roles, here) {
			by = here
		}
		out[i].held = held{by: by}
	}
	return out
}

// place is what a privilege is on, as statements write it.
func (a *accountJudge) place(r right, verb string) string {
	name := func(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
	schema := r.Schema
	switch {
	case verb == "REVOKE" && r.held.pattern != "":
		schema = r.held.pattern
	case a.newBook.plain && r.Table == "" && r.Routine == "":
		schema = unescaped(schema)
	}
	switch {
	case r.Schema == "":
		return "*.*"
	case r.Table != "":
		return name(schema) + "." + name(r.Table)
	case r.Routine != "":
		kind, routine, _ := strings.Cut(r.Routine, " ")
		if body, ok := strings.CutPrefix(r.Routine, "PACKAGE BODY "); ok {
			kind, routine = "PACKAGE BODY", body
		}
		return kind + " " + name(schema) + "." + name(routine)
	}
	return name(schema) + ".*"
}

// words is the privilege as statements write it.
func (r right) words() string {
	if r.Column != "" {
		return r.Privilege + " (`" + strings.ReplaceAll(r.Column, "`", "``") + "`)"
	}
	return r.Privilege
}

// grouped joins privileges of one place and holder, in order.
func (a *accountJudge) grouped(list []right, verb string, do func(place, holder string, names []string)) {
	type key struct{ place, holder string }
	names := map[key][]string{}
	var order []key
	for _, r := range list {
		k := key{a.place(r, verb), r.held.by}
		if names[k] == nil {
			order = append(order, k)
		}
		names[k] = append(names[k], r.words())
	}
	for _, k := range order {
		do(k.place, k.holder, names[k])
	}
}

// statements give or take privileges on new.
func (a *accountJudge) statements(verb, to string, b *book, list []right) []Fix {
	var out []Fix
	a.grouped(list, verb, func(place, holder string, names []string) {
		out = append(out, Fix{a.new.Label, verb + " " + strings.Join(names, ", ") + " ON " + place + to + b.written(holder)})
	})
	return out
}

// unescaped is a pattern for people, and a name where patterns are names.
func unescaped(pattern string) string {
	return strings.NewReplacer(`\_`, "_", `\%`, "%", `\\`, `\`).Replace(pattern)
}

// told lists privileges for people.
func (a *accountJudge) told(rights []right) string {
	rights = slices.Clone(rights)
	for i := range rights {
		rights[i].Schema = unescaped(rights[i].Schema)
	}
	var out []string
	a.grouped(rights, "", func(place, _ string, names []string) {
		out = append(out, list(names, "")+" on "+strings.ReplaceAll(place, "`", ""))
	})
	return strings.Join(out, "; ")
}
