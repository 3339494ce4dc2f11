package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// salted plugins give one password another hash each time.
func salted(plugin string) bool {
	return slices.Contains([]string{"caching_sha2_password", "sha256_password", "parsec"}, plugin)
}

// logsIn judges whether the application's password is taken on new.
func (a *accountJudge) logsIn(o, n *inspect.Account) {
	show, login := a.asOnOld(o)
	fixes := slices.Concat(show, []Fix{{a.new.Label, a.alter(n, login)}})
	name, by := o.Name(), strings.Join(o.Plugins, " or ")
	unseen := func(f *Finding) { f.Unseen = true }
	lost := slices.DeleteFunc(slices.Clone(o.Plugins), func(p string) bool { return slices.Contains(n.Plugins, p) })
	switch {
	case len(lost) > 0 && !a.knowsPlugin(lost[0]):
		a.addAccount("account_password_unknown", name, fmt.Sprintf("%s logs in by %s, on %s by %s, which %s does not have: their hashes cannot be compared", name,
			strings.Join(n.Plugins, " or "), a.old.Label, by, a.new.Label), nil, unseen, func(f *Finding) {
			f.Do = "Log in to new with the application's own password and driver; if that works, accept this: --accept account_password_unknown:" + name + "."
		})
	case len(lost) > 0:
		a.addAccount("account_plugin", name, fmt.Sprintf("%s logs in by %s, on %s by %s", name, strings.Join(n.Plugins, " or "), a.old.Label, by), fixes)
	case !slices.ContainsFunc(o.Secrets, func(s string) bool { return !slices.Contains(n.Secrets, s) }) && (len(o.Secrets) > 0) == (len(n.Secrets) > 0):
	case len(o.Secrets) > 0 && len(n.Secrets) > 0 && salted(o.Plugins[0]):
		a.addAccount("account_password_unknown", name, fmt.Sprintf("the hash of %s's password is another one than on %s, and %s salts each anew: whether the password is the same cannot be told",
			name, a.old.Label, by), fixes, unseen)
	case len(n.Secrets) == 0:
		a.addAccount("account_password", name, fmt.Sprintf("%s has no password, on %s it has one", name, a.old.Label), fixes)
	default:
		a.addAccount("account_password", name, fmt.Sprintf("%s has another password than on %s", name, a.old.Label), fixes)
	}
}

func (a *accountJudge) knowsPlugin(p string) bool {
	return len(a.new.AuthPlugins) == 0 || a.new.AuthPlugins[p]
}

// modern tells whether a version has CREATE USER, ALTER USER and SHOW CREATE USER with all that they can say.
func modern(s *inspect.Side) bool {
	if s.Facts.IsMariaDB() {
		return s.Facts.AtLeast(10, 2, 0)
	}
	return s.Facts.AtLeast(5, 7, 6)
}

// asOnOld is how the operator sees an account's hash on old, and the clause that gives it to new. The hash itself is never here.
func (a *accountJudge) asOnOld(o *inspect.Account) (show []Fix, login string) {
	run := func(sql string) { show = append(show, Fix{a.old.Label, sql}) }
	plugin, secret, maria := o.Plugins[0], "'…'", a.new.Facts.IsMariaDB()
	if !a.knowsPlugin(plugin) { // the hash means nothing to new
		if maria || !a.new.AuthPlugins["caching_sha2_password"] {
			return nil, "IDENTIFIED BY '…'"
		}
		return nil, "IDENTIFIED WITH caching_sha2_password BY '…'"
	}
	if len(o.Secrets) > 0 {
		if !a.old.Facts.IsMariaDB() && a.old.Facts.AtLeast(8, 0, 17) && salted(plugin) {
			run("SET SESSION print_identified_with_as_hex = ON")
			secret = "0x…"
		}
		if modern(a.old) {
			run("SHOW CREATE USER " + a.oldBook.written(o.Name()))
		} else {
			run("SHOW GRANTS FOR " + a.oldBook.written(o.Name()))
		}
	}
	switch {
	case !modern(a.new) && len(o.Secrets) > 0:
		return show, "IDENTIFIED BY PASSWORD '…'"
	case !modern(a.new):
		return show, ""
	case len(o.Secrets) == 0 && plugin == "mysql_native_password":
		return show, "IDENTIFIED BY ''"
	case maria:
		login = "IDENTIFIED VIA " + plugin
		if len(o.Secrets) > 0 {
			login += " USING '…'"
		}
		for _, p := range o.Plugins[1:] {
			if login += " OR " + p; slices.Contains([]string{"mysql_native_password", "ed25519", "parsec"}, p) {
				login += " USING '…'"
			}
		}
		return show, login
	case len(o.Secrets) == 0:
		return show, "IDENTIFIED WITH " + plugin
	}
	return show, "IDENTIFIED WITH " + plugin + " AS " + secret
}

// required is the clause of what the connection must be.
func required(tls string) string {
	switch tls {
	case "":
		return "NONE"
	case "ANY":
		return "SSL"
	}
	return tls
}

// limited is the clause of limits, in order; those of names are written even where they are 0.
func limited(o *inspect.Account, names ...string) string {
	for n := range o.Limits {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var out strings.Builder
	for _, n := range names {
		fmt.Fprintf(&out, " %s %v", n, o.Limits[n])
	}
	if out.Len() == 0 {
		return ""
	}
	return " WITH" + out.String()
}

// create is the statement that makes an account on new.
func (a *accountJudge) create(o *inspect.Account, login string) string {
	rest := ""
	if o.TLS != "" {
		rest = " REQUIRE " + required(o.TLS)
	}
	rest += limited(o)
	name := a.newBook.written(o.Name()) + " " + login
	if !modern(a.new) {
		return strings.TrimRight("GRANT USAGE ON *.* TO "+name, " ") + rest
	}
	return "CREATE USER IF NOT EXISTS " + name + rest
}

// alter changes an account of new.
func (a *accountJudge) alter(n *inspect.Account, clause string) string {
	if modern(a.new) {
		return "ALTER USER " + a.newBook.written(n.Name()) + " " + clause
	}
	return "GRANT USAGE ON *.* TO " + a.newBook.written(n.Name()) + " " + clause
}

// conditions judges on what terms an account is let in.
func (a *accountJudge) conditions(o, n *inspect.Account) {
	name := o.Name()
	if n.Locked && !o.Locked {
		a.addAccount("account_locked", name, name+" is locked", []Fix{{a.new.Label, a.alter(n, "ACCOUNT UNLOCK")}})
	}
	if n.Expired && !o.Expired {
		show, login := a.asOnOld(o)
		a.addAccount("account_locked", name, "the password of "+name+" has expired", append(show, Fix{a.new.Label, a.alter(n, login)}))
	}
	if o.TLS != n.TLS {
		a.addAccount("account_tls", name, fmt.Sprintf("%s is let in with REQUIRE %s, on %s with REQUIRE %s", name, required(n.TLS), a.old.Label, required(o.TLS)),
			[]Fix{{a.new.Label, a.alter(n, "REQUIRE "+required(o.TLS))}})
	}
	var lower []string
	for _, l := range slices.Sorted(maps.Keys(n.Limits)) {
		if was := o.Limits[l]; was == 0 || n.Limits[l] < was {
			lower = append(lower, l)
		}
	}
	if len(lower) > 0 {
		var said []string
		for _, l := range lower {
			was := "none"
			if o.Limits[l] != 0 {
				was = fmt.Sprint(o.Limits[l])
			}
			said = append(said, fmt.Sprintf("%s %v, on %s %s", l, n.Limits[l], a.old.Label, was))
		}
		a.addAccount("account_limits", name, name+" is limited: "+strings.Join(said, "; "), []Fix{{a.new.Label, a.alter(n, strings.TrimPrefix(limited(o, lower...), " "))}})
	}
}
