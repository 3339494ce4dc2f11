package preflight

import (
	"maps"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// book is the accounts of one side by name, with what its server adds to their roles.
type book struct {
	side     *inspect.Side
	accounts map[string]*inspect.Account
	// mandatory roles are everybody's; all tells that a session begins with all of its account's roles.
	mandatory []string
	all       bool
	fold      bool
	plain     bool
}

// public is the role that every account of MariaDB has.
const public = "PUBLIC@"

func newBook(s *inspect.Side, fold bool) *book {
	b := &book{
		side: s, accounts: map[string]*inspect.Account{}, all: on(s, "activate_all_roles_on_login"), fold: fold, plain: on(s, "partial_revokes"),
	}
	for i := range s.Accounts {
		b.accounts[s.Accounts[i].Name()] = &s.Accounts[i]
	}
	for _, r := range strings.Split(text(s, "mandatory_roles"), ",") {
		if r = strings.NewReplacer("`", "", "'", "", `"`, "", " ", "").Replace(r); r != "" {
			if !strings.Contains(r, "@") {
				r += "@%"
			}
			b.mandatory = append(b.mandatory, r)
		}
	}
	return b
}

// copied is a book whose accounts can be changed.
func (b *book) copied() *book {
	out := *b
	out.accounts = make(map[string]*inspect.Account, len(b.accounts))
	for name, a := range b.accounts {
		c := *a
		c.Grants, c.Roles, c.DefaultRoles = slices.Clone(a.Grants), slices.Clone(a.Roles), slices.Clone(a.DefaultRoles)
		out.accounts[name] = &c
	}
	return &out
}

// here is the name that a role of another server has on this one.
func (b *book) here(role string) string {
	user, host := cutName(role)
	switch {
	case b.side.Facts.IsMariaDB():
		return user + "@"
	case host == "":
		return user + "@%"
	}
	return role
}

// hasRoles tells whether the version knows roles.
func (b *book) hasRoles() bool {
	return b.side.Facts.IsMariaDB() && b.side.Facts.AtLeast(10, 0, 5) || !b.side.Facts.IsMariaDB() && b.side.Facts.AtLeast(8, 0, 0)
}

// granted are the roles of an account, and the roles of these.
func (b *book) granted(names ...string) []string {
	var out []string
	for len(names) > 0 {
		a := b.accounts[names[0]]
		names = names[1:]
		if a == nil {
			continue
		}
		for _, r := range a.Roles {
			if b.accounts[r] != nil && !slices.Contains(out, r) {
				out, names = append(out, r), append(names, r)
			}
		}
	}
	return out
}

// active are the roles that a session of an account begins with.
func (b *book) active(a *inspect.Account) []string {
	first := slices.Clone(a.DefaultRoles)
	if b.all {
		first = slices.Concat(a.Roles, b.mandatory)
	}
	if b.side.Facts.IsMariaDB() {
		first = append(first, public)
	}
	var out []string
	for _, r := range slices.Concat(first, b.granted(first...)) {
		if b.accounts[r] != nil && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// rights are what sessions of some accounts and roles may do.
func (b *book) rights(names ...string) *rights {
	var holders []*inspect.Account
	for _, n := range names {
		if a := b.accounts[n]; a != nil {
			holders = append(holders, a)
		}
	}
	return newRights(holders, b.fold, b.plain)
}

// login are the rights that a session of an account begins with.
func (b *book) login(a *inspect.Account) *rights {
	return b.rights(append([]string{a.Name()}, b.active(a)...)...)
}

// isRole tells whether an account is there to be granted to others, and nobody logs in by it.
func (b *book) isRole(a *inspect.Account) bool {
	if a.Role || !a.Locked {
		return a.Role
	}
	for _, x := range b.accounts {
		if slices.Contains(x.Roles, a.Name()) {
			return true
		}
	}
	return slices.Contains(b.mandatory, a.Name())
}

func (b *book) names() []string { return slices.Sorted(maps.Keys(b.accounts)) }

func cutName(name string) (user, host string) {
	i := strings.LastIndex(name, "@")
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

// written is an account or role in a statement.
func (b *book) written(name string) string {
	quoted := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'" }
	user, host := cutName(name)
	if b.side.Facts.IsMariaDB() && host == "" {
		if name == public {
			return "PUBLIC"
		}
		return quoted(user)
	}
	return quoted(user) + "@" + quoted(host)
}
