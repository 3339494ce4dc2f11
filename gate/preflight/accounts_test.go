package preflight

import (
	"fmt"
	"slices"
	"testing"

	"crosscheck/cluster/inspect"
)

// sampleAccounts are an application's account and its role.
func sampleAccounts(maria bool) []inspect.Account {
	host := "%"
	if maria {
		host = ""
	}
	grants := func(schema string, privileges ...string) []inspect.Grant {
		var out []inspect.Grant
		for _, p := range privileges {
			out = append(out, inspect.Grant{Privilege: p, Schema: schema})
		}
		return out
	}
	return []inspect.Account{
		{
			User: "app", Host: "%", Plugins: []string{"caching_sha2_password"}, Secrets: []string{"s1"}, Limits: map[string]float64{},
			Grants: grants("shop", "SELECT", "INSERT", "UPDATE"), Roles: []string{"writer@" + host}, DefaultRoles: []string{"writer@" + host},
		},
		{User: "writer", Host: host, Role: true, Plugins: []string{"caching_sha2_password"}, Grants: grants("shop", "DELETE", "EXECUTE")},
	}
}

func account(s *inspect.Side, name string) *inspect.Account {
	i := slices.IndexFunc(s.Accounts, func(a inspect.Account) bool { return a.Name() == name })
	return &s.Accounts[i]
}

// onApp changes the application's account on new.
func onApp(do func(a *inspect.Account)) func(*inspect.Pair) {
	return func(p *inspect.Pair) { do(account(&p.New, "app@%")) }
}

// global gives privileges on everything in place of all others, on each side its own, and makes each side know what it has.
func global(old, new []string, known ...string) func(*inspect.Pair) {
	return func(p *inspect.Pair) {
		for s, list := range map[*inspect.Side][]string{&p.Old: old, &p.New: new} {
			a := account(s, "app@%")
			a.Grants, a.Roles, a.DefaultRoles = nil, nil, nil
			s.Privileges = map[string]bool{}
			for _, n := range append(list, known...) {
				s.Privileges[n] = true
			}
			for _, n := range list {
				a.Grants = append(a.Grants, inspect.Grant{Privilege: n})
			}
		}
	}
}

// zonesOf gives each side a zone, unless its offset is 0.
func zonesOf(old, new int) func(*inspect.Pair) {
	return func(p *inspect.Pair) {
		for s, offset := range map[*inspect.Side]int{&p.Old: old, &p.New: new} {
			s.Zones, s.ZonesKnown = map[string]inspect.Zone{}, true
			if offset != 0 {
				s.Zones["Europe/Berlin"] = inspect.Zone{Transitions: 1, Sum: fmt.Sprint(offset)}
			}
		}
	}
}

func accountCases() []wrong {
	m56, m80, ma := mysql(5, 6, 24), mysql(8, 0, 40), maria(10, 11, 14)
	native := func(p *inspect.Pair) {
		a := account(&p.Old, "app@%")
		a.Plugins, a.Roles, a.DefaultRoles = []string{"mysql_native_password"}, nil, nil
		n := account(&p.New, "app@%")
		n.Roles, n.DefaultRoles = nil, nil
		p.Old.Accounts, p.New.Accounts = []inspect.Account{*a}, []inspect.Account{*n}
	}
	more := func(a ...inspect.Account) func(*inspect.Pair) {
		return func(p *inspect.Pair) { p.New.Accounts = append(p.New.Accounts, a...) }
	}
	data := []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "TRIGGER", "EXECUTE", "LOCK TABLES"}
	with := func(names ...string) []string { return slices.Concat(data, names) }
	lacks := []string{"warning account_privilege_missing:app@% new"}
	extra := []string{"warning account_privilege_extra:app@% new"}
	unlike := []string{"info account_privilege_unlike:app@% new"}
	return []wrong{
		{name: "no time zones", do: zonesOf(3600, 0), want: []string{"warning time_zones_missing:mysql.time_zone_name new"}},
		{name: "other times", do: zonesOf(3600, 7200), want: []string{"info time_zones_differ:mysql.time_zone_name new"}},
		{name: "other times of the server's own", do: func(p *inspect.Pair) {
			zonesOf(3600, 7200)(p)
			p.New.UsedZones = []string{"europe/berlin"}
		}, want: []string{"warning time_zones_differ:mysql.time_zone_name new"}},
		{name: "more time zones", do: zonesOf(0, 3600)},
		{name: "named and there", accounts: []string{"app@10.0.0.5"}},
		{name: "named and not there", accounts: []string{"app@%", "shop@%"}, want: []string{"warning account_not_found:shop@% old"}},
		{name: "gone", do: func(p *inspect.Pair) { p.New.Accounts = p.New.Accounts[1:] }, want: []string{"warning account_missing:app@% new"}},
		{name: "gone and not named", accounts: []string{"other@%"}, do: func(p *inspect.Pair) {
			p.Old.Accounts = append(p.Old.Accounts, inspect.Account{User: "other", Host: "%", Plugins: []string{"caching_sha2_password"}})
			p.New.Accounts = []inspect.Account{{User: "other", Host: "%", Plugins: []string{"caching_sha2_password"}}}
		}},
		{name: "a reader is named", accounts: []string{"re%@%"}, do: func(p *inspect.Pair) {
			p.Old.Accounts = append(p.Old.Accounts, inspect.Account{User: "reader", Host: "10.%", Plugins: []string{"caching_sha2_password"}})
		}, want: []string{"warning account_missing:reader@10.% new"}},
		{name: "a reader that nobody named", do: func(p *inspect.Pair) {
			p.Old.Accounts = append(p.Old.Accounts, inspect.Account{User: "reader", Host: "10.%", Plugins: []string{"caching_sha2_password"}, Grants: []inspect.Grant{{Privilege: "SELECT"}}})
		}},
		{name: "crosscheck's own", do: func(p *inspect.Pair) {
			p.Old.Facts.Account = "cc@%"
			p.Old.Accounts = append(p.Old.Accounts, inspect.Account{User: "cc", Host: "%", Plugins: []string{"x"}, Grants: []inspect.Grant{{Privilege: "INSERT"}}})
			p.New.AuthPlugins = nil
		}},
		{name: "salted hash", do: onApp(func(a *inspect.Account) { a.Secrets = []string{"s2"} }), want: []string{"warning account_password_unknown:app@% new"}},
		{name: "granted to somebody, and logged in by", do: func(p *inspect.Pair) {
			for _, s := range []*inspect.Side{&p.Old, &p.New} {
				s.Accounts = append(s.Accounts, inspect.Account{User: "other", Host: "%", Plugins: []string{"caching_sha2_password"}, Roles: []string{"app@%"}})
			}
			account(&p.New, "app@%").Secrets = nil
		}, want: []string{"warning account_password:app@% new"}},
		{name: "two passwords, one of old", do: onApp(func(a *inspect.Account) { a.Secrets = []string{"s0", "s1"} })},
		{name: "native hash", old: ma, new: ma, do: func(p *inspect.Pair) {
			for _, s := range []*inspect.Side{&p.Old, &p.New} {
				account(s, "app@%").Plugins, s.AuthPlugins = []string{"mysql_native_password"}, nil
			}
			account(&p.New, "app@%").Secrets = []string{"s2"}
		}, want: []string{"warning account_password:app@% new"}},
		{name: "no password", do: onApp(func(a *inspect.Account) { a.Secrets = nil }), want: []string{"warning account_password:app@% new"}},
		{name: "plugin that new has", old: m80, new: m80, do: func(p *inspect.Pair) {
			native(p)
			p.New.AuthPlugins["mysql_native_password"] = true
		}, want: []string{"warning account_plugin:app@% new"}},
		{name: "plugin that new lacks", old: m80, new: m80, do: native, want: []string{"warning account_password_unknown:app@% new"}},
		{name: "one way in of two", old: ma, new: ma, do: func(p *inspect.Pair) {
			account(&p.Old, "app@%").Plugins = []string{"caching_sha2_password", "unix_socket"}
			p.New.AuthPlugins["unix_socket"] = true
		}, want: []string{"warning account_plugin:app@% new"}},
		{name: "locked", do: onApp(func(a *inspect.Account) { a.Locked = true }), want: []string{"warning account_locked:app@% new"}},
		{name: "expired", do: onApp(func(a *inspect.Account) { a.Expired = true }), want: []string{"warning account_locked:app@% new"}},
		{name: "TLS", do: onApp(func(a *inspect.Account) { a.TLS = "ANY" }), want: []string{"warning account_tls:app@% new"}},
		{name: "limit", do: onApp(func(a *inspect.Account) { a.Limits = map[string]float64{"MAX_QUERIES_PER_HOUR": 1} }), want: []string{"warning account_limits:app@% new"}},
		{name: "wider limit", do: func(p *inspect.Pair) {
			account(&p.Old, "app@%").Limits = map[string]float64{"MAX_QUERIES_PER_HOUR": 1}
			account(&p.New, "app@%").Limits = map[string]float64{"MAX_QUERIES_PER_HOUR": 2}
		}},
		{name: "shadow", do: more(inspect.Account{User: "app", Host: "10.%"}), want: []string{"warning account_shadowed:app@10.% new"}},
		{name: "nobody's shadow", do: more(inspect.Account{Host: "localhost"}), want: []string{"warning account_shadowed:@localhost new"}},
		{name: "nobody comes later", do: more(inspect.Account{Host: "%"}, inspect.Account{User: "other", Host: "localhost"})},
		{name: "role", do: onApp(func(a *inspect.Account) { a.Roles = nil }), want: []string{"warning account_role:app@% new"}},
		{name: "default role", do: onApp(func(a *inspect.Account) { a.DefaultRoles = nil }), want: []string{"warning account_default_roles:app@% new"}},
		{name: "role may less", do: func(p *inspect.Pair) { account(&p.New, "writer@%").Grants = account(&p.New, "writer@%").Grants[1:] }, want: []string{"warning account_privilege_missing:writer new"}},
		{name: "role within a role", do: func(p *inspect.Pair) {
			for _, s := range []*inspect.Side{&p.Old, &p.New} {
				s.Accounts = append(s.Accounts, inspect.Account{User: "deep", Host: "%", Role: true, Plugins: []string{"caching_sha2_password"}, Grants: []inspect.Grant{{Privilege: "ALTER", Schema: "shop"}}})
			}
			account(&p.Old, "writer@%").Roles = []string{"deep@%"}
		}, want: []string{"warning account_role:app@% new"}},
		{name: "two accounts of one role", do: func(p *inspect.Pair) {
			for _, s := range []*inspect.Side{&p.Old, &p.New} {
				b := *account(s, "app@%")
				b.User = "b"
				s.Accounts = append(s.Accounts, b)
			}
			account(&p.New, "writer@%").Grants = append(account(&p.New, "writer@%").Grants, inspect.Grant{Privilege: "TRIGGER", Schema: "shop"})
		}, want: []string{"warning account_privilege_extra:writer new"}},
		{name: "role to be set may less", do: func(p *inspect.Pair) {
			account(&p.Old, "app@%").DefaultRoles, account(&p.New, "app@%").DefaultRoles = nil, nil
			account(&p.New, "writer@%").Grants = nil
		}, want: []string{"warning account_privilege_missing:writer new"}},
		{name: "no roles on new", old: mysql(8, 0, 40), new: mysql(5, 7, 44), path: RollingUpgrade, do: func(p *inspect.Pair) {
			p.New.Accounts = p.New.Accounts[:1]
			account(&p.New, "app@%").Roles, account(&p.New, "app@%").DefaultRoles = nil, nil
		}, want: []string{"warning account_privilege_missing:app@% new", "warning replication_newer_to_older:old→new new"}},
		{name: "privilege", do: onApp(func(a *inspect.Account) { a.Grants = a.Grants[:2] }), want: lacks},
		{name: "privilege held more widely", do: onApp(func(a *inspect.Account) { a.Grants = append(a.Grants, inspect.Grant{Privilege: "SELECT"}) }), want: extra},
		{name: "taken out of what is held on everything", do: func(p *inspect.Pair) {
			global(data, data)(p)
			account(&p.New, "app@%").Revoked = []inspect.Grant{{Privilege: "INSERT", Schema: "shop"}}
		}, want: lacks},
		{name: "a schema that is not compared", do: onApp(func(a *inspect.Account) {
			a.Grants = append(a.Grants, inspect.Grant{Privilege: "SELECT", Schema: "other"})
		})},
		{name: "all of 5.6, all of 9.7", old: m56, path: GTIDConverter, do: func(p *inspect.Pair) {
			global(with("SUPER"), with("SUPER", "CREATE ROLE", "SET_ANY_DEFINER", "CONNECTION_ADMIN"))(p)
		}, want: slices.Concat([]string{"warning replication_skips_series:old→new new"}, unlike)},
		{name: "SUPER that was split", old: maria(10, 4, 30), new: ma, do: func(p *inspect.Pair) {
			global(with("SUPER"), with("READ_ONLY ADMIN", "CONNECTION ADMIN"), "SUPER")(p)
		}, want: append([]string{"warning replication_newer_to_older:new→old old"}, unlike...)},
		{name: "SUPER of one version", do: global(with("SUPER"), data, "SUPER"), want: lacks},
		{name: "of data, between the families", old: m56, new: ma, path: RollingUpgrade, do: func(p *inspect.Pair) {
			global(data, data[1:], data...)(p)
		}, want: append(lacks, "info replication_between_families:old→new new")},
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"%", "10.0.0.5", true},
		{"10.%", "10.0.0.5", true},
		{"10.%", "11.0.0.5", false},
		{"10.0._.5", "10.0.7.5", true},
		{"10.%", "%.example", true},
		{"db-%.example", "%-1.example", true},
		{"db%", "app%", false},
		{"localhost", "127.0.0.1", true},
		{"", "10.1.1.1", true},
		{"Web.example", "web.EXAMPLE", true},
		{"10.0.0.0/255.255.255.0", "10.0.0.9", true},
		{"10.0.0.0/255.255.255.0", "10.0.1.9", false},
		{"10.0.0.0/8", "10.9.0.0/16", true},
		{`a\_b`, "axb", false},
	} {
		if got := hostsMeet(c.a, c.b); got != c.want || hostsMeet(c.b, c.a) != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
	order := []string{"10.0.0.5", "10.0.0.0/255.255.255.0", "10.0.0.%", "10.%", "%", ""}
	for i := range len(order) - 1 {
		if hostOrder(order[i]) >= hostOrder(order[i+1]) {
			t.Errorf("%q is not before %q", order[i], order[i+1])
		}
	}
	for p, want := range map[string]bool{"app@%": true, "a%@10.%": true, "app@10.2.3.4": true, "app@11.2.3.4": false, "ap_@%": false, "app@localhost": false} {
		if got := namedBy(p, &inspect.Account{User: "app", Host: "10.%"}); got != want {
			t.Errorf("%s: %v", p, got)
		}
	}
}
