package inspect

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// columnPrivilege is a privilege that a column "…_priv" stands for, as GRANT calls it.
func columnPrivilege(column string) string {
	name := strings.ToUpper(strings.TrimSuffix(strings.ToLower(column), "_priv"))
	switch name {
	case "CREATE_TMP_TABLE":
		return "CREATE TEMPORARY TABLES"
	case "SHOW_DB":
		return "SHOW DATABASES"
	case "REPL_SLAVE":
		return "REPLICATION SLAVE"
	case "REPL_CLIENT":
		return "REPLICATION CLIENT"
	case "GRANT":
		return "GRANT OPTION"
	}
	return strings.ReplaceAll(name, "_", " ")
}

// setPrivilege is a member of the sets in tables_priv, columns_priv and procs_priv as GRANT calls it.
func setPrivilege(member string) string {
	switch name := strings.ToUpper(member); name {
	case "GRANT":
		return "GRANT OPTION"
	case "DELETE VERSIONING ROWS":
		return "DELETE HISTORY"
	default:
		return name
	}
}

// granted are the privileges of a row's columns "…_priv", on what g names.
func granted(row map[string]string, g Grant) []Grant {
	var out []Grant
	for _, c := range slices.Sorted(maps.Keys(row)) {
		if strings.HasSuffix(c, "_priv") && row[c] == "Y" {
			g.Privilege = columnPrivilege(c)
			out = append(out, g)
		}
	}
	return out
}

// accessNames are the bits of MariaDB's global privileges, in order.
func accessNames() []string {
	return []string{
		"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "RELOAD", "SHUTDOWN", "PROCESS", "FILE", "GRANT OPTION", "REFERENCES", "INDEX", "ALTER",
		"SHOW DATABASES", "SUPER", "CREATE TEMPORARY TABLES", "LOCK TABLES", "EXECUTE", "REPLICATION SLAVE", "REPLICATION CLIENT", "CREATE VIEW", "SHOW VIEW",
		"CREATE ROUTINE", "ALTER ROUTINE", "CREATE USER", "EVENT", "TRIGGER", "CREATE TABLESPACE", "DELETE HISTORY", "SET USER", "FEDERATED ADMIN",
		"CONNECTION ADMIN", "READ_ONLY ADMIN", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "BINLOG ADMIN", "BINLOG REPLAY", "SLAVE MONITOR",
		"SHOW CREATE ROUTINE",
	}
}

// accessBits reads MariaDB's global privileges. What an older version wrote has no bits of those that SUPER was split into;
// the server takes SUPER for them.
func accessBits(access, version string) []Grant {
	const firstSplit, lastSplit, splitVersion = 30, 38, 100502
	bits, err := strconv.ParseUint(access, 10, 64)
	if err != nil {
		return nil
	}
	names := accessNames()
	if v, _ := strconv.Atoi(version); v < splitVersion && bits&(1<<uint(slices.Index(names, "SUPER"))) != 0 {
		for i := firstSplit; i <= lastSplit; i++ {
			bits |= 1 << uint(i)
		}
	}
	var out []Grant
	for i, n := range names {
		if bits&(1<<uint(i)) != 0 {
			out = append(out, Grant{Privilege: n})
		}
	}
	return out
}

// restrictions reads MySQL's partial revokes.
func restrictions(text string) []Grant {
	var list []struct {
		Database   string
		Privileges []string
	}
	if json.Unmarshal([]byte(text), &list) != nil { // there are none
		return nil
	}
	var out []Grant
	for _, x := range list {
		for _, p := range x.Privileges {
			out = append(out, Grant{Privilege: strings.ToUpper(p), Schema: x.Database})
		}
	}
	return out
}

// grants reads what accounts may do below everything, and MySQL's dynamic privileges.
func (a *accountReader) grants(ctx context.Context) error {
	to := func(x map[string]string, set string, g Grant) {
		acc := a.account(x["user"], x["host"])
		if acc == nil {
			return
		}
		for _, p := range strings.Split(x[set], ",") {
			if g.Privilege = setPrivilege(p); p != "" {
				acc.Grants = append(acc.Grants, g)
			}
		}
	}
	for _, q := range []struct {
		query string
		do    func(map[string]string)
	}{
		{"SELECT * FROM mysql.db", func(x map[string]string) {
			if acc := a.account(x["user"], x["host"]); acc != nil {
				acc.Grants = append(acc.Grants, granted(x, Grant{Schema: x["db"]})...)
			}
		}},
		{"SELECT User, Host, Db, Table_name, Table_priv FROM mysql.tables_priv", func(x map[string]string) {
			to(x, "table_priv", Grant{Schema: x["db"], Table: x["table_name"]})
		}},
		{"SELECT User, Host, Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv", func(x map[string]string) {
			to(x, "column_priv", Grant{Schema: x["db"], Table: x["table_name"], Column: x["column_name"]})
		}},
		{"SELECT User, Host, Db, Routine_name, Routine_type, Proc_priv FROM mysql.procs_priv", func(x map[string]string) {
			to(x, "proc_priv", Grant{Schema: x["db"], Routine: x["routine_type"] + " " + x["routine_name"]})
		}},
	} {
		if err := a.rows(ctx, q.query, q.do); err != nil {
			return err
		}
	}
	if a.columns["global_grants"] == nil {
		return nil
	}
	return a.rows(ctx, "SELECT USER, HOST, PRIV FROM mysql.global_grants", func(x map[string]string) { to(x, "priv", Grant{}) })
}

// roles reads which roles are granted to whom.
func (a *accountReader) roles(ctx context.Context) error {
	grant := func(x map[string]string) {
		if acc := a.account(x["user"], x["host"]); acc != nil {
			acc.Roles = append(acc.Roles, x["role"])
		}
	}
	if a.columns["roles_mapping"] != nil {
		return a.rows(ctx, "SELECT User AS user, Host AS host, CONCAT(Role, '@') AS role FROM mysql.roles_mapping", grant)
	}
	if a.columns["role_edges"] == nil {
		return nil
	}
	err := a.rows(ctx, "SELECT TO_USER AS user, TO_HOST AS host, CONCAT(FROM_USER, '@', FROM_HOST) AS role FROM mysql.role_edges", grant)
	if err != nil {
		return err
	}
	return a.rows(ctx, "SELECT USER AS user, HOST AS host, CONCAT(DEFAULT_ROLE_USER, '@', DEFAULT_ROLE_HOST) AS role FROM mysql.default_roles", func(x map[string]string) {
		if acc := a.account(x["user"], x["host"]); acc != nil {
			acc.DefaultRoles = append(acc.DefaultRoles, x["role"])
		}
	})
}

// readPrivilegeNames reads which privileges the version knows.
func (r *reader) readPrivilegeNames(ctx context.Context) error {
	r.side.Privileges = map[string]bool{}
	return r.each(ctx, "SHOW PRIVILEGES", func(rows *sql.Rows) error {
		var name string
		var context, comment sql.NullString
		err := rows.Scan(&name, &context, &comment)
		switch name = strings.ToUpper(name); name {
		case "BINLOG MONITOR":
			name = "REPLICATION CLIENT"
		case "REPLICATION REPLICA":
			name = "REPLICATION SLAVE"
		case "DELETE VERSIONING ROWS":
			name = "DELETE HISTORY"
		case "REPLICA MONITOR":
			name = "SLAVE MONITOR"
		}
		r.side.Privileges[name] = true
		return err
	})
}
