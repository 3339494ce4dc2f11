package preflight

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// accountJudge holds accounts of old against those of new.
type accountJudge struct {
	*judge
	oldBook, newBook *book
	schemas          []string // whose privileges are compared
}

// accounts judges whether the application meets on new what it has on old: its accounts, how they log in and what they may do.
func (j *judge) accounts() {
	if !j.old.AccountsKnown || !j.new.AccountsKnown {
		return // which is said where it was not found out
	}
	fold := j.old.Facts.LowerCaseTableNames != 0 || j.new.Facts.LowerCaseTableNames != 0
	a := &accountJudge{judge: j, oldBook: newBook(j.old, fold), newBook: newBook(j.new, fold).copied()}
	for _, s := range j.old.Schemas {
		a.schemas = append(a.schemas, s.Name)
	}
	if j.sameFamily() {
		a.schemas = append(a.schemas, "mysql", "performance_schema", "sys")
	}
	if !j.inside {
		for _, p := range j.application {
			if !slices.ContainsFunc(j.old.Accounts, func(x inspect.Account) bool { return namedBy(p, &x) }) {
				j.add(Finding{ID: "account_not_found", Side: j.old.Label, Object: p, Found: j.old.Label + ": no account is of " + p + ", which the plan says is the application's"})
			}
		}
	}
	chosen := a.chosen()
	a.sharedRoles(chosen)
	for _, o := range chosen {
		a.judgeAccount(o)
	}
	a.shadowed(chosen)
}

// sharedRoles compares what roles may do, each once. What they lack on new they have from here on in its book, so that nothing of
// it is said of each account again.
func (a *accountJudge) sharedRoles(chosen []*inspect.Account) {
	seen := map[string]bool{}
	for _, o := range chosen {
		for _, r := range slices.Concat(a.oldBook.granted(o.Name()), a.oldBook.active(o)) {
			n := a.newBook.accounts[a.newBook.here(r)]
			if n == nil || seen[r] {
				continue
			}
			seen[r] = true
			old, now := a.oldBook.rights(r), func() *rights { return a.newBook.rights(n.Name()) }
			missing := less(old, now(), a.schemas, a.compared)
			a.compareRights(shortRoles([]string{r})[0], n, a.newBook, old, now)
			for _, m := range missing {
				n.Grants = append(n.Grants, m.Grant)
			}
		}
	}
}

// chosen are the accounts of old that count: those that the plan names, else all that may write; of a replica besides those by
// which others replicate, for it may be promoted.
func (a *accountJudge) chosen() []*inspect.Account {
	var out []*inspect.Account
	for _, name := range a.oldBook.names() {
		x := a.oldBook.accounts[name]
		if a.oldBook.isRole(x) || a.ours(name) {
			continue
		}
		named := slices.ContainsFunc(a.application, func(p string) bool { return namedBy(p, x) })
		if named || len(a.application) == 0 && !serverOwn(x) && a.writes(x) || a.inside && a.serves(x) {
			out = append(out, x)
		}
	}
	return out
}

// ours tells whether crosscheck looks by the account, on either side.
func (a *accountJudge) ours(name string) bool {
	return name == a.pair.Old.Facts.Account || name == a.pair.New.Facts.Account
}

// serverOwn are accounts that come with a server, or are nobody's in particular.
func serverOwn(x *inspect.Account) bool {
	return x.User == "" || strings.HasPrefix(x.User, "mysql.") || slices.Contains([]string{"root", "mariadb.sys", "debian-sys-maint"}, x.User) || x.Locked
}

// writes tells whether an account may change rows or tables of the compared schemas, with any of its roles.
func (a *accountJudge) writes(x *inspect.Account) bool {
	r := a.oldBook.rights(slices.Concat([]string{x.Name()}, a.oldBook.granted(x.Name()))...) // what everybody may do makes no writer
	may := func(p privileges) bool {
		for name := range p {
			if slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "EXECUTE"}, name) {
				return true
			}
		}
		return false
	}
	if may(r.global) {
		return true
	}
	for _, s := range a.old.Schemas {
		if may(r.onSchema(r.name(s.Name))) {
			return true
		}
		for t, p := range r.things {
			if t.Schema == r.name(s.Name) && may(p) {
				return true
			}
		}
	}
	return false
}

// serves tells whether replicas may log in by an account.
func (a *accountJudge) serves(x *inspect.Account) bool {
	_, there := a.oldBook.login(x).global["REPLICATION SLAVE"]
	return there && !serverOwn(x)
}

// onNewSide is the account of new that has the name of one of old.
func (a *accountJudge) onNewSide(o *inspect.Account) *inspect.Account {
	n := a.newBook.accounts[o.Name()]
	if same := map[string]string{"%": "", "": "%"}; n == nil && (o.Host == "" || o.Host == "%") { // no host is any
		n = a.newBook.accounts[o.User+"@"+same[o.Host]]
	}
	return n
}

func (a *accountJudge) judgeAccount(o *inspect.Account) {
	n := a.onNewSide(o)
	if n == nil {
		a.missingAccount(o)
		return
	}
	a.logsIn(o, n)
	a.conditions(o, n)
	a.privilegesOf(o, n)
}

// addAccount adds a finding about an account of new.
func (a *accountJudge) addAccount(id, name, found string, fixes []Fix, more ...func(*Finding)) {
	f := Finding{ID: id, Side: a.new.Label, Object: name, Found: a.new.Label + ": " + found, Fixes: fixes}
	for _, m := range more {
		m(&f)
	}
	if !a.inside && on(a.new, "super_read_only") && slices.ContainsFunc(fixes, func(x Fix) bool { return x.On == a.new.Label }) {
		f.Fixes = slices.Concat([]Fix{{a.new.Label, "SET GLOBAL super_read_only = OFF"}}, fixes, []Fix{{a.new.Label, "SET GLOBAL super_read_only = ON"}})
	}
	a.add(f)
}

// missingAccount says how to make an account as it is on old.
func (a *accountJudge) missingAccount(o *inspect.Account) {
	show, login := a.asOnOld(o)
	fixes := slices.Concat(show, []Fix{{a.new.Label, a.create(o, login)}})
	sim := a.newBook.copied()
	made := *o
	made.Grants, made.Revoked, made.Roles, made.DefaultRoles = nil, nil, nil, nil
	sim.accounts[o.Name()] = &made
	more, _ := a.bringRoles(o, &made, sim)
	fixes = append(fixes, more...)
	fixes = append(fixes, a.statements("GRANT", " TO ", sim, a.onNew(&made, sim, less(a.oldBook.login(o), sim.login(&made), a.schemas, a.compared)))...)
	a.addAccount("account_missing", o.Name(), "no account "+o.Name(), fixes)
}

// shadowed finds accounts of new that the server would take in place of others, and that old does not have.
func (a *accountJudge) shadowed(chosen []*inspect.Account) {
	for _, name := range a.newBook.names() {
		x := a.newBook.accounts[name]
		if a.oldBook.accounts[name] != nil || a.newBook.isRole(x) {
			continue
		}
		var behind []string
		for _, o := range chosen {
			if n := a.onNewSide(o); n != nil && n != x && (x.User == n.User || x.User == "") && before(x, n) && hostsMeet(x.Host, n.Host) {
				behind = append(behind, o.Name())
			}
		}
		if len(behind) > 0 {
			a.addAccount("account_shadowed", name, fmt.Sprintf("%s, which %s does not have, is taken for clients that it fits in place of %s", name, a.old.Label, list(behind, "")),
				[]Fix{{a.new.Label, "DROP USER " + a.newBook.written(name)}})
		}
	}
}

// privilegesOf compares roles and privileges.
func (a *accountJudge) privilegesOf(o, n *inspect.Account) {
	sim := a.newBook.copied()
	if a.has("config_activate_all_roles_on_login") {
		sim.all = a.oldBook.all // which is said once
	}
	n = sim.accounts[n.Name()]
	a.rolesOf(o, n, sim)
	a.compareRights(o.Name(), n, sim, a.oldBook.login(o), func() *rights { return sim.login(n) })
}

// rolesOf compares which roles an account has and begins with, and brings the book of new to what it will be.
func (a *accountJudge) rolesOf(o, n *inspect.Account, sim *book) {
	begins := shortRoles(n.DefaultRoles)
	fixes, missing := a.bringRoles(o, n, sim)
	switch {
	case len(missing) > 0:
		a.addAccount("account_role", o.Name(), fmt.Sprintf("%s lacks roles that it has on %s: %s", o.Name(), a.old.Label, list(missing, "")), fixes)
	case len(fixes) > 0:
		a.addAccount("account_default_roles", o.Name(), fmt.Sprintf("a session of %s begins with %s, on %s with %s", o.Name(),
			orWord(list(begins, ""), "no role"), a.old.Label, orWord(list(shortRoles(o.DefaultRoles), ""), "no role")), fixes)
	}
}

// shortRoles are the names of roles for people.
func shortRoles(names []string) []string {
	var out []string
	for _, n := range names {
		user, host := cutName(n)
		if host != "" && host != "%" {
			user = n
		}
		out = append(out, user)
	}
	return out
}

// bringRoles gives an account on new the roles that it has on old, in the book, and says how. Where the version knows no roles,
// what they give is missing as privileges.
func (a *accountJudge) bringRoles(o, n *inspect.Account, sim *book) (fixes []Fix, missing []string) {
	if !sim.hasRoles() {
		return nil, nil
	}
	run := func(sql string) { fixes = append(fixes, Fix{a.new.Label, sql}) }
	var give func(from, to *inspect.Account)
	done := map[string]bool{}
	give = func(from, to *inspect.Account) {
		for _, r := range from.Roles {
			x, here := a.oldBook.accounts[r], sim.here(r)
			if x != nil && slices.Contains(to.Roles, here) && sim.accounts[here] != nil && !done[r] {
				done[r] = true
				give(x, sim.accounts[here])
			}
			if x == nil || slices.Contains(to.Roles, here) {
				continue
			}
			missing = append(missing, shortRoles([]string{r})...)
			if sim.accounts[here] == nil {
				user, host := cutName(here)
				made := &inspect.Account{User: user, Host: host, Role: true}
				sim.accounts[here] = made
				run("CREATE ROLE IF NOT EXISTS " + sim.written(here))
				got := less(a.oldBook.rights(r), sim.rights(), a.schemas, a.compared)
				for i := range got {
					got[i].held.by = here
					made.Grants = append(made.Grants, got[i].Grant)
				}
				fixes = append(fixes, a.statements("GRANT", " TO ", sim, got)...)
				give(x, made)
			}
			to.Roles = append(to.Roles, here)
			run("GRANT " + sim.written(here) + " TO " + sim.written(to.Name()))
		}
	}
	give(o, n)
	var defaults []string
	for _, r := range o.DefaultRoles {
		defaults = append(defaults, sim.here(r))
	}
	slices.Sort(defaults)
	allAlike := a.oldBook.all && sim.all
	if !allAlike && !slices.Equal(defaults, slices.Sorted(slices.Values(n.DefaultRoles))) {
		n.DefaultRoles = defaults
		run(sim.setDefault(defaults, n.Name()))
	}
	return fixes, missing
}

// setDefault is the statement that sets an account's default roles.
func (b *book) setDefault(roles []string, name string) string {
	var written []string
	for _, r := range roles {
		written = append(written, b.written(r))
	}
	word := " TO "
	if b.side.Facts.IsMariaDB() {
		word = " FOR "
	}
	return "SET DEFAULT ROLE " + orWord(strings.Join(written, ", "), "NONE") + word + b.written(name)
}
