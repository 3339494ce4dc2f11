package inspect

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crosscheck/cluster"
)

// Account is a user of the server, or a role.
type Account struct {
	User, Host string // of a role of MariaDB no host
	Role       bool   // it can only be granted; MySQL's roles are accounts like others, without a login
	// Plugins are what it can log in by, in lower case; on MariaDB there may be several.
	Plugins []string
	// Secrets are keyed digests of what the server keeps of its passwords, made by the server: they can be compared within one
	// collection and mean nothing else. None: no password.
	Secrets         []string
	Locked, Expired bool
	TLS             string             // what it demands of the connection: "", "ANY", "X509", or the details of a certificate
	Limits          map[string]float64 // per hour, or at a time, as "MAX_QUERIES_PER_HOUR", or in seconds; only what is limited
	Grants          []Grant            // its own, without those of its roles
	Revoked         []Grant            // schemas taken out of a global privilege
	Roles           []string           // names of granted roles
	DefaultRoles    []string
}

// Name is user@host.
func (a *Account) Name() string { return a.User + "@" + a.Host }

// Grant is one privilege on one thing; an empty Schema is everything.
type Grant struct {
	Privilege             string // as GRANT takes it: "CREATE TEMPORARY TABLES", "BINLOG_ADMIN"
	Schema, Table, Column string // Schema is a pattern where Table and Routine are empty
	Routine               string // "PROCEDURE p"
}

func newNonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // documented never to fail
	return hex.EncodeToString(b)
}

// grantTables are where a server keeps accounts and what they may do, its accounts first.
func (r *reader) grantTables() []string {
	tables := []string{"user", "db", "tables_priv", "columns_priv", "procs_priv"}
	switch f := r.side.Facts; {
	case f.IsMariaDB():
		if f.AtLeast(10, 4, 0) {
			tables[0] = "global_priv"
		}
		tables = append(tables, "roles_mapping")
	case f.AtLeast(8, 0, 0):
		tables = append(tables, "global_grants", "role_edges", "default_roles")
	}
	return tables
}

// readAccounts reads accounts, how they log in and what they may do. Without SELECT on one of the tables nothing of it is
// known: a part would make one server look like another.
func (r *reader) readAccounts(ctx context.Context) error {
	user, host := cutAccount(r.side.Facts.Account)
	var lacking []string
	columns := map[string][]string{}
	for _, t := range r.grantTables() {
		list, err := r.columnsOf(ctx, "mysql."+t)
		switch {
		case cluster.IsPermission(err):
			lacking = append(lacking, fmt.Sprintf("GRANT SELECT ON mysql.%s TO %s@%s", t, quote(user), quote(host)))
		case err != nil:
			return err
		}
		columns[t] = list
	}
	if len(lacking) > 0 {
		r.side.Unknown = append(r.side.Unknown, Gap{
			What: Accounts, Why: "the account may not read all tables of mysql that hold accounts and their privileges", Grant: lacking[0], More: lacking[1:],
		})
		return nil
	}
	a := accountReader{reader: r, columns: columns, at: map[string]int{}}
	read := a.users
	if columns["global_priv"] != nil {
		read = a.globalPriv
	}
	if err := read(ctx); err != nil {
		return err
	}
	if !slices.Contains(r.without, Grants) {
		if err := a.grants(ctx); err != nil {
			return err
		}
		if err := a.roles(ctx); err != nil {
			return err
		}
	}
	r.side.Accounts, r.side.AccountsKnown = a.list, true
	return nil
}

// columnsOf are a table's columns. All of them must be readable.
func (r *reader) columnsOf(ctx context.Context, table string) ([]string, error) {
	rows, err := r.DB().QueryContext(ctx, "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	return list, rows.Err()
}

// accountReader collects accounts by name.
type accountReader struct {
	*reader
	columns map[string][]string
	list    []Account
	at      map[string]int
}

// rows reads a query as maps by lower-case column; NULL is "".
func (a *accountReader) rows(ctx context.Context, query string, do func(map[string]string)) error {
	return a.each(ctx, query, func(rows *sql.Rows) error {
		names, err := rows.Columns()
		if err != nil {
			return err
		}
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := make(map[string]string, len(names))
		for i, n := range names {
			row[strings.ToLower(n)] = values[i].String
		}
		do(row)
		return nil
	})
}

func (a *accountReader) add(acc Account) *Account {
	a.at[acc.Name()] = len(a.list)
	a.list = append(a.list, acc)
	return &a.list[len(a.list)-1]
}

// account is one that was read; nil for rows of accounts that are no more.
func (a *accountReader) account(user, host string) *Account {
	i, ok := a.at[user+"@"+host]
	if !ok {
		return nil
	}
	return &a.list[i]
}

// digest is SQL for what stands in place of a stored hash. The hash does not leave the server.
func (a *accountReader) digest(hash string) string {
	return fmt.Sprintf("IF(COALESCE(%[1]s, '') = '', '', SHA2(CONCAT('%[2]s', HEX(%[1]s)), 256))", hash, a.nonce)
}

func native(plugin string) string {
	if plugin == "" {
		return "mysql_native_password" // what servers before 5.7 take an empty name for
	}
	return strings.ToLower(plugin)
}

func secrets(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// users reads mysql.user.
func (a *accountReader) users(ctx context.Context) error {
	has := map[string]bool{}
	list := []string{"User", "Host"}
	for _, c := range a.columns["user"] {
		has[strings.ToLower(c)] = true
		if strings.HasSuffix(strings.ToLower(c), "_priv") {
			list = append(list, c)
		}
	}
	for _, c := range []string{
		"plugin", "ssl_type", "ssl_cipher", "x509_issuer", "x509_subject", "max_questions", "max_updates", "max_connections", "max_user_connections",
		"max_statement_time", "password_expired", "account_locked", "is_role", "default_role",
	} {
		if has[c] {
			list = append(list, c)
		}
	}
	hash := "authentication_string"
	if has["password"] { // until 5.7, and on MariaDB, the native ones are here
		hash = "IF(COALESCE(Password, '') <> '', Password, authentication_string)"
	}
	list = append(list, a.digest(hash)+" AS secret")
	if has["user_attributes"] {
		list = append(list, a.digest("JSON_UNQUOTE(JSON_EXTRACT(User_attributes, '$.additional_password'))")+" AS second",
			"JSON_EXTRACT(User_attributes, '$.Restrictions') AS restrictions", "JSON_EXTRACT(User_attributes, '$.multi_factor_authentication[*].plugin') AS factors")
	}
	return a.rows(ctx, "SELECT "+strings.Join(list, ", ")+" FROM mysql.user", func(x map[string]string) {
		acc := a.add(Account{
			User: x["user"], Host: x["host"], Role: x["is_role"] == "Y", Plugins: []string{native(x["plugin"])}, Secrets: secrets(x["secret"], x["second"]),
			Locked: x["account_locked"] == "Y", Expired: x["password_expired"] == "Y",
			TLS: tls(x["ssl_type"], x["ssl_cipher"], x["x509_issuer"], x["x509_subject"]), Limits: limits(x),
			Grants: granted(x, Grant{}), Revoked: restrictions(x["restrictions"]),
		})
		for _, p := range jsonNames(x["factors"]) {
			acc.Plugins[0] += " and " + p
		}
		if d := x["default_role"]; d != "" {
			acc.DefaultRoles = []string{d + "@"}
		}
	})
}

// jsonNames reads a list of names.
func jsonNames(text string) []string {
	var out []string
	for p := range strings.SplitSeq(strings.Trim(text, "[]"), ",") {
		if p = strings.Trim(p, ` "`); p != "" {
			out = append(out, native(p))
		}
	}
	return out
}

// globalPriv reads MariaDB's accounts from 10.4 on.
func (a *accountReader) globalPriv(ctx context.Context) error {
	v := func(key string) string { return "JSON_VALUE(Priv, '$." + key + "') AS " + key }
	list := []string{
		"User", "Host", v("plugin"), v("access"), v("version_id"), v("ssl_type"), v("ssl_cipher"), v("x509_issuer"), v("x509_subject"), v("max_questions"),
		v("max_updates"), v("max_connections"), v("max_user_connections"), v("max_statement_time"), v("account_locked"), v("is_role"), v("default_role"), v("password_last_changed"),
		"JSON_EXTRACT(Priv, '$.auth_or[*].plugin') AS others", a.digest("JSON_VALUE(Priv, '$.authentication_string')") + " AS secret",
		a.digest("JSON_EXTRACT(Priv, '$.auth_or[*].authentication_string')") + " AS second",
	}
	return a.rows(ctx, "SELECT "+strings.Join(list, ", ")+" FROM mysql.global_priv", func(x map[string]string) {
		kind, _ := strconv.Atoi(x["ssl_type"])
		acc := a.add(Account{
			User: x["user"], Host: x["host"], Role: isTrue(x["is_role"]), Plugins: []string{native(x["plugin"])}, Secrets: secrets(x["secret"], x["second"]),
			Locked: isTrue(x["account_locked"]), Expired: x["password_last_changed"] == "0",
			TLS:    tls([]string{"", "ANY", "X509", "SPECIFIED"}[min(max(kind, 0), 3)], x["ssl_cipher"], x["x509_issuer"], x["x509_subject"]),
			Limits: limits(x), Grants: accessBits(x["access"], x["version_id"]),
		})
		acc.Plugins = append(acc.Plugins, jsonNames(x["others"])...)
		if d := x["default_role"]; d != "" {
			acc.DefaultRoles = []string{d + "@"}
		}
	})
}

func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

func tls(kind, cipher, issuer, subject string) string {
	if !strings.EqualFold(kind, "SPECIFIED") {
		return strings.ToUpper(kind)
	}
	var out []string
	for _, p := range [][2]string{{"SUBJECT", subject}, {"ISSUER", issuer}, {"CIPHER", cipher}} {
		if p[1] != "" {
			out = append(out, p[0]+" "+quote(p[1]))
		}
	}
	return strings.Join(out, " AND ")
}

func limits(x map[string]string) map[string]float64 {
	out := map[string]float64{}
	for column, name := range map[string]string{
		"max_questions": "MAX_QUERIES_PER_HOUR", "max_updates": "MAX_UPDATES_PER_HOUR", "max_connections": "MAX_CONNECTIONS_PER_HOUR",
		"max_user_connections": "MAX_USER_CONNECTIONS", "max_statement_time": "MAX_STATEMENT_TIME",
	} {
		if n, err := strconv.ParseFloat(x[column], 64); err == nil && n != 0 {
			out[name] = n
		}
	}
	return out
}
