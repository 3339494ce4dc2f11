package preflight_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"crosscheck/fixtures"
	"crosscheck/gate/preflight"
)

// accountFault is one thing that is wrong with one account of new.
type accountFault struct {
	name string   // of the account, and what is wrong with it
	old  []string // beyond CREATE USER and its grants, logged
	new  []string
	want string
}

// accountFaults are faults of accounts 'NAME'@'10.%', which are ACCOUNT in the statements.
func accountFaults(family fixtures.Family) []accountFault {
	out := []accountFault{
		{name: "gone", old: []string{"GRANT GRANT OPTION ON shop.* TO ACCOUNT"}, new: []string{"DROP USER ACCOUNT"}, want: "account_missing"},
		{name: "less", new: []string{"REVOKE INSERT ON shop.* FROM ACCOUNT"}, want: "account_privilege_missing"},
		{name: "lesstable", new: []string{"REVOKE DELETE ON shop.t FROM ACCOUNT"}, want: "account_privilege_missing"},
		{name: "lesscolumn", new: []string{"REVOKE UPDATE (v) ON shop.t FROM ACCOUNT"}, want: "account_privilege_missing"},
		{name: "lessroutine", new: []string{"REVOKE EXECUTE ON PROCEDURE shop.pay FROM ACCOUNT"}, want: "account_privilege_missing"},
		{name: "lesspattern", old: []string{"GRANT SELECT, DROP ON `tenant\\_%`.* TO ACCOUNT"}, new: []string{"REVOKE DROP ON `tenant\\_%`.* FROM ACCOUNT"}, want: "account_privilege_missing"},
		{name: "lessall", old: []string{"GRANT CREATE USER ON *.* TO ACCOUNT"}, new: []string{"REVOKE CREATE USER ON *.* FROM ACCOUNT"}, want: "account_privilege_missing"},
		{name: "more", new: []string{"GRANT ALTER, GRANT OPTION ON shop.* TO ACCOUNT"}, want: "account_privilege_extra"},
		{name: "wider", new: []string{"GRANT SELECT ON *.* TO ACCOUNT", "REVOKE SELECT ON shop.* FROM ACCOUNT"}, want: "account_privilege_extra"},
		{name: "samewise", new: []string{"GRANT SELECT, INSERT ON `sho_`.* TO ACCOUNT", "REVOKE ALL ON shop.* FROM ACCOUNT"}}, // it may what it may on old
		{name: "tls", new: []string{"GRANT USAGE ON *.* TO ACCOUNT REQUIRE X509"}, want: "account_tls"},
		{name: "limit", old: []string{"GRANT USAGE ON *.* TO ACCOUNT WITH MAX_USER_CONNECTIONS 9"}, new: []string{"GRANT USAGE ON *.* TO ACCOUNT WITH MAX_USER_CONNECTIONS 3"}, want: "account_limits"},
		{name: "shadow", new: []string{"CREATE USER 'shadow'@'10.1.%'"}, want: "account_shadowed"},
		{name: "password", new: []string{"SET PASSWORD FOR ACCOUNT = PASSWORD('another')"}, want: "account_password"},
		{name: "expired", new: []string{"ALTER USER ACCOUNT PASSWORD EXPIRE"}, want: "account_locked"},
	}
	if family == fixtures.MySQL56 {
		return out
	}
	out = append(out,
		accountFault{name: "locked", new: []string{"ALTER USER ACCOUNT ACCOUNT LOCK"}, want: "account_locked"},
		accountFault{name: "norole", new: []string{"REVOKE seller FROM ACCOUNT", "DROP ROLE seller"}, old: []string{"GRANT seller TO ACCOUNT", "SET DEFAULT ROLE seller TO ACCOUNT"}, want: "account_role"},
		accountFault{name: "nodefault", new: []string{"SET DEFAULT ROLE NONE TO ACCOUNT"}, old: []string{"GRANT buyer TO ACCOUNT", "SET DEFAULT ROLE buyer TO ACCOUNT"}, want: "account_default_roles"},
		accountFault{name: "lessrole", new: []string{"REVOKE DROP ON shop.* FROM lender"}, old: []string{"GRANT lender TO ACCOUNT", "SET DEFAULT ROLE lender TO ACCOUNT"}, want: "account_privilege_missing"},
	)
	if family.IsMariaDB() {
		out = append(out, accountFault{
			name: "slow", old: []string{"ALTER USER ACCOUNT WITH MAX_STATEMENT_TIME 2.5"}, new: []string{"ALTER USER ACCOUNT WITH MAX_STATEMENT_TIME 1"}, want: "account_limits",
		})
	}
	for i := range out {
		f := &out[i]
		for _, list := range [][]string{f.old, f.new} {
			for k := range list {
				if family.IsMariaDB() {
					if strings.HasPrefix(list[k], "SET DEFAULT ROLE") {
						list[k] = strings.Replace(list[k], " TO ", " FOR ", 1)
					}
					continue
				}
				list[k] = strings.Replace(list[k], "= PASSWORD('another')", "= 'another'", 1)
				if strings.HasPrefix(list[k], "GRANT USAGE ON *.* TO ACCOUNT ") {
					list[k] = strings.Replace(list[k], "GRANT USAGE ON *.* TO ACCOUNT", "ALTER USER ACCOUNT", 1)
				}
			}
		}
		if f.name == "password" && !family.IsMariaDB() {
			f.want = "account_password_unknown" // it may be the same
		}
	}
	return out
}

// accounts plants a fault in each of many accounts: each is found, by its own id and nothing else, and is gone once what the
// finding says was done.
func (r *rig) accounts(family fixtures.Family) {
	r.Helper()
	faults := accountFaults(family)
	var setup, undo, broken []string
	setup = append(setup, "CREATE PROCEDURE shop.pay() DELETE FROM shop.t WHERE at < CONVERT_TZ(NOW(), 'UTC', 'Test/Used')")
	undo = append(undo, "DROP PROCEDURE shop.pay")
	if family != fixtures.MySQL56 {
		for _, role := range []string{"seller", "buyer", "lender"} {
			setup = append(setup, "CREATE ROLE "+role, "GRANT DROP, CREATE VIEW ON shop.* TO "+role)
			undo = append(undo, "DROP ROLE "+role)
		}
	}
	want := []string{}
	for _, f := range faults {
		account := fmt.Sprintf("'%s'@'10.%%'", f.name)
		for _, q := range append([]string{
			"CREATE USER ACCOUNT IDENTIFIED BY 'Its own 1'", "GRANT SELECT, INSERT ON shop.* TO ACCOUNT", "GRANT DELETE ON shop.t TO ACCOUNT",
			"GRANT UPDATE (v) ON shop.t TO ACCOUNT", "GRANT EXECUTE ON PROCEDURE shop.pay TO ACCOUNT",
		}, f.old...) {
			setup = append(setup, strings.ReplaceAll(q, "ACCOUNT", account))
		}
		for _, q := range f.new {
			q = strings.ReplaceAll(strings.ReplaceAll(q, "ALTER USER ACCOUNT ACCOUNT", "ALTER USER \x00 ACCOUNT"), "\x00 ACCOUNT", account+" \x00")
			q = strings.ReplaceAll(strings.ReplaceAll(q, "ACCOUNT", account), "\x00", "ACCOUNT")
			broken = append(broken, q)
		}
		undo = append(undo, "DROP USER "+account)
		if f.want != "" {
			object := f.name + "@10.%"
			switch f.name {
			case "lessrole":
				object = "lender" // what a role lacks is said of it once
			case "shadow":
				object = "shadow@10.1.%"
			}
			want = append(want, "warning "+f.want+":"+object+" new")
		}
	}
	want = append(want, "warning time_zones_differ:mysql.time_zone_name new", "warning time_zones_missing:mysql.time_zone_name new")
	slices.Sort(want)
	r.run(r.set.Old, true, setup...)
	r.run(r.set.Old, false, zones(map[string]int{"Test/Gone": 3600, "Test/Used": 3600})...)
	r.run(r.set.New, false, zones(map[string]int{"Test/Gone": 3600, "Test/Used": 3600})...)
	defer func() {
		r.run(r.set.Old, false, zones(nil)...)
		r.run(r.set.New, false, zones(nil)...)
		r.run(r.set.Old, true, undo...)
		if err := r.set.WaitCaughtUp(context.WithoutCancel(r.Context())); err != nil {
			r.Error(err)
		}
	}()
	if got := open(r.judge(false, preflight.Options{})); len(got) > 0 {
		r.Errorf("accounts that came by replication: %q", got)
	}
	r.run(r.set.New, false, broken...)
	r.run(r.set.New, false, zones(map[string]int{"Test/Used": 7200})...)
	res := r.judge(false, preflight.Options{})
	got := open(res)
	if slices.Sort(got); !slices.Equal(got, want) {
		r.Errorf("accounts: got %q, want %q", got, want)
	}
	r.follow(res)
	r.run(r.set.New, false, zones(map[string]int{"Test/Gone": 3600, "Test/Used": 3600})...)
	r.hiddenAccounts()
	left := r.judge(false, preflight.Options{})
	for i := range left.Findings {
		if x := &left.Findings[i]; x.Counts() {
			r.Errorf("after all was done that was said: %s: %s: %q", x.Name(), x.Found, x.Fixes)
		}
	}
}

// hiddenAccounts looks with an account that may read the application's tables only: what it may not read is not taken for equal,
// and the GRANTs that are named show it.
func (r *rig) hiddenAccounts() {
	r.Helper()
	account := "'" + string(fixtures.Crosscheck) + "'@'%'"
	r.run(r.set.New, false, "REVOKE SELECT ON *.* FROM "+account, "GRANT SELECT ON shop.* TO "+account)
	before := r.new
	defer func() {
		r.new = before
		r.run(r.set.New, false, "GRANT SELECT ON *.* TO "+account)
		r.reconnect()
	}()
	r.new, _ = openBoth(r.T, r.set.New, "new") // what a session may do on everything is decided as it begins
	res := r.judge(false, preflight.Options{})
	const missing = "warning privilege_missing:SELECT on everything new"
	if got, want := open(res), []string{"warning not_found_out:accounts new", "warning not_found_out:time zones new", missing}; !slices.Equal(got, want) || res.Verdict != preflight.Unknown {
		r.Errorf("accounts that are hidden: %s %q, want %q", res.Verdict, got, want)
	}
	res.Findings = slices.DeleteFunc(res.Findings, func(f preflight.Finding) bool { return f.ID == "privilege_missing" })
	r.follow(res)
	if got := open(r.judge(false, preflight.Options{})); !slices.Equal(got, []string{missing}) {
		r.Errorf("after the grants that were named: %q", got)
	}
}

// zones puts time zones with one transition each in place of those of before.
func zones(offsets map[string]int) []string {
	var out []string
	for _, t := range []string{"time_zone", "time_zone_name", "time_zone_transition", "time_zone_transition_type"} {
		out = append(out, "DELETE FROM mysql."+t+" WHERE Time_zone_id > 9000")
	}
	id := 9000
	for name, offset := range offsets {
		id++
		out = append(out, fmt.Sprintf("INSERT INTO mysql.time_zone VALUES (%d, 'N')", id), fmt.Sprintf("INSERT INTO mysql.time_zone_name VALUES ('%s', %d)", name, id),
			fmt.Sprintf("INSERT INTO mysql.time_zone_transition VALUES (%d, 1000, 0)", id),
			fmt.Sprintf("INSERT INTO mysql.time_zone_transition_type VALUES (%d, 0, %d, 0, 'X')", id, offset))
	}
	return out
}

var storedHash = regexp.MustCompile(`(?:AS|PASSWORD|USING) (0x[0-9A-F]+|'[^']+')`)

// follow runs the statements of findings about accounts and what is not known of them, each with the hash that the one for old shows.
func (r *rig) follow(res preflight.Result) {
	r.Helper()
	for i := range res.Findings {
		f := &res.Findings[i]
		if !f.Counts() || !strings.HasPrefix(f.ID, "account_") && f.ID != "not_found_out" {
			continue
		}
		hash := ""
		statements := map[string][]string{}
		for k, x := range f.Fixes {
			if strings.HasPrefix(x.SQL, "SHOW ") {
				conn, err := r.set.Old.DB().Conn(r.Context())
				if err != nil {
					r.Fatal(err)
				}
				if k > 0 {
					if _, err := conn.ExecContext(r.Context(), f.Fixes[k-1].SQL); err != nil {
						r.Fatal(err)
					}
				}
				var text string
				if err := conn.QueryRowContext(r.Context(), x.SQL).Scan(&text); err != nil {
					r.Fatal(err)
				}
				conn.Close()
				if m := storedHash.FindStringSubmatch(text); m != nil {
					hash = m[1]
				} else {
					r.Errorf("%s: the statement %s shows no hash", f.Name(), x.SQL)
				}
				continue
			}
			if x.On != "old" {
				statements[x.On] = append(statements[x.On], strings.NewReplacer("'…'", hash, "0x…", hash).Replace(x.SQL))
			}
		}
		r.run(r.set.New, true, statements["new"]...)
	}
	if err := r.set.WaitCaughtUp(r.Context()); err != nil {
		r.Errorf("after what findings said was done: %v", err)
	}
}
