package cluster

import (
	"context"
	"fmt"
	"strings"
)

// Privilege is something that the account may need.
type Privilege string

// The privileges that crosscheck can make use of.
const (
	// PrivSelect is SELECT on at least something; VisibleScope tells on what.
	PrivSelect Privilege = "SELECT"
	// PrivSelectAll is SELECT on every schema.
	PrivSelectAll Privilege = "SELECT on everything"
	// PrivReplicationClient shows binlog positions (BINLOG MONITOR on newer
	// MariaDB) and, but for newer MariaDB, the replication status.
	PrivReplicationClient Privilege = "REPLICATION CLIENT"
	// PrivReplicationSlave allows to tail the binlog.
	PrivReplicationSlave Privilege = "REPLICATION SLAVE"
	// PrivReplicaMonitor shows the replication status: SLAVE MONITOR on MariaDB
	// from 10.5 on, REPLICATION CLIENT elsewhere.
	PrivReplicaMonitor Privilege = "SLAVE MONITOR"
	// PrivReplicationMaster lists a server's replicas: REPLICATION MASTER ADMIN
	// on MariaDB from 10.5 on, REPLICATION SLAVE elsewhere.
	PrivReplicationMaster Privilege = "REPLICATION MASTER ADMIN"
	// PrivProcess shows other accounts' sessions.
	PrivProcess Privilege = "PROCESS"
	// PrivPerformanceSchema is SELECT on performance_schema.
	PrivPerformanceSchema Privilege = "SELECT on performance_schema"
)

// PrivilegeError names the first privilege that is missing and the statement
// that grants it.
type PrivilegeError struct {
	Label, Addr string
	Account     string // user@host as granted
	Missing     Privilege
	Grant       string
}

func (e *PrivilegeError) Error() string {
	return fmt.Sprintf("%s: the account %s lacks the privilege %s; run on it: %s", serverName(e.Label, e.Addr), e.Account, e.Missing, e.Grant)
}

// Scope is what the account may read. information_schema shows nothing else,
// so a report on "all tables" means all tables of the scope.
type Scope struct {
	Global  bool     // SELECT ON *.*
	Revoked []string // schemas taken out of a global SELECT (MySQL's partial revokes)
	Schemas []string // otherwise: schemas with SELECT, patterns as granted (% and _)
	Tables  []string // and single tables, by FullName
	Partial []string // and tables of which only some columns may be read: the server hides the others
}

// Complete tells whether nothing can be hidden from the account.
func (s Scope) Complete() bool { return s.Global && len(s.Revoked) == 0 }

// String says it in a line.
func (s Scope) String() string {
	switch {
	case s.Complete():
		return "everything"
	case s.Global:
		return "everything but " + strings.Join(s.Revoked, ", ")
	case len(s.Schemas)+len(s.Tables)+len(s.Partial) == 0:
		return "nothing"
	}
	parts := make([]string, 0, len(s.Schemas)+len(s.Tables))
	for _, p := range s.Schemas {
		parts = append(parts, p+".*")
	}
	parts = append(parts, s.Tables...)
	for _, p := range s.Partial {
		parts = append(parts, "some columns of "+p)
	}
	return "only " + strings.Join(parts, ", ")
}

// CheckPrivileges returns a *PrivilegeError for the first of need that the
// account, with the roles that are active in its sessions, does not have.
func (s *Server) CheckPrivileges(ctx context.Context, need ...Privilege) error {
	g, err := s.grants(ctx)
	if err != nil {
		return err
	}
	for _, p := range need {
		if g.has(p, s.facts) {
			continue
		}
		return &PrivilegeError{
			Label: s.cfg.Label, Addr: s.cfg.Addr, Account: s.facts.Account, Missing: p,
			Grant: s.grantFor(p),
		}
	}
	return nil
}

// VisibleScope tells what the account may read.
func (s *Server) VisibleScope(ctx context.Context) (Scope, error) {
	g, err := s.grants(ctx)
	if err != nil {
		return Scope{}, err
	}
	return g.scope(), nil
}

func (s *Server) grants(ctx context.Context) (*grants, error) {
	lines, err := s.column(ctx, "SHOW GRANTS")
	if err != nil {
		return nil, s.Explain("read the account's grants", err)
	}
	// MySQL lists roles by name only, unless told to look into them.
	if !s.facts.IsMariaDB() && s.facts.AtLeast(8, 0, 0) {
		roles, err := s.column(ctx, "SELECT CURRENT_ROLE()")
		if err != nil {
			return nil, s.Explain("read the account's roles", err)
		}
		if len(roles) == 1 && roles[0] != "" && !strings.EqualFold(roles[0], "NONE") {
			// CURRENT_ROLE's text is a list of quoted role names, as USING wants it.
			if lines, err = s.column(ctx, "SHOW GRANTS FOR CURRENT_USER() USING "+roles[0]); err != nil {
				return nil, s.Explain("read the roles' grants", err)
			}
		}
	}
	return parseGrants(lines), nil
}

// column runs a statement and returns its first column.
func (s *Server) column(ctx context.Context, query string) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func (s *Server) grantFor(p Privilege) string {
	switch p {
	case PrivSelect, PrivSelectAll:
		return grantStatement("SELECT", s.facts.Account)
	case PrivPerformanceSchema:
		return "GRANT SELECT ON performance_schema.* TO " + quoteAccount(s.facts.Account)
	case PrivReplicaMonitor:
		if !s.facts.hasReplicaMonitor() {
			p = PrivReplicationClient
		}
	case PrivReplicationMaster:
		if !s.facts.hasReplicationMaster() {
			p = PrivReplicationSlave
		}
	case PrivReplicationClient, PrivReplicationSlave, PrivProcess:
	}
	return grantStatement(string(p), s.facts.Account)
}

// hasReplicaMonitor tells whether the right to see the replication status is
// one of its own.
func (f Facts) hasReplicaMonitor() bool { return f.IsMariaDB() && f.AtLeast(10, 5, 9) }

// hasReplicationMaster tells whether the right to list the replicas is one of its own.
func (f Facts) hasReplicationMaster() bool { return f.IsMariaDB() && f.AtLeast(10, 5, 2) }

func grantStatement(privileges, account string) string {
	return fmt.Sprintf("GRANT %s ON *.* TO %s", privileges, quoteAccount(account))
}

// GrantSelect is the statement that lets the account read a table.
func (s *Server) GrantSelect(t *Table) string {
	return "GRANT SELECT ON " + t.QuotedName() + " TO " + quoteAccount(s.facts.Account)
}

// quoteAccount writes user@host with quotes; the host follows the last @.
func quoteAccount(account string) string {
	if account == "" {
		return "the account that SELECT CURRENT_USER() names"
	}
	i := strings.LastIndex(account, "@")
	if i < 0 {
		return quoteText(account)
	}
	return quoteText(account[:i]) + "@" + quoteText(account[i+1:])
}

// quoteText writes a string literal for sessions whose sql_mode is ours (empty).
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`).Replace(s) + "'"
}

// Access is what can be known of a table by its name.
type Access string

// The answers of TableAccess.
const (
	AccessReadable Access = "readable"
	AccessMissing  Access = "missing" // it does not exist, and the account would see it
	AccessDenied   Access = "denied"  // the account may not read it, whether it exists or not
	AccessBroken   Access = "broken"  // a view that exists and cannot be read
)

// TableAccess tells whether a table can be read, does not exist, or is hidden by
// want of privileges. information_schema cannot: it leaves out what the account
// may not see.
func (s *Server) TableAccess(ctx context.Context, schema, table string) (Access, error) {
	err := s.readNothing(ctx, "SELECT * FROM "+Quote(schema)+"."+Quote(table)+" LIMIT 0")
	if err == nil {
		return AccessReadable, nil
	}
	switch ErrorNumber(err) {
	case errNoSuchTable, errUnknownDatabase:
		return AccessMissing, nil
	case errDBAccessDenied, errTableAccessDenied, errColumnAccessDenied:
		return AccessDenied, nil
	case errViewInvalid:
		return AccessBroken, nil
	}
	return "", s.Explain("look at table "+schema+"."+table, err)
}

// readNothing runs a query whose rows do not matter.
func (s *Server) readNothing(ctx context.Context, query string) error {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		continue
	}
	return rows.Err()
}
