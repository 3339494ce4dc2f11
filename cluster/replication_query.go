package cluster

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// reader is a server for the questions of this file and its neighbors, which
// speak the words of its version.
type reader struct{ *Server }

// isDenied tells whether a privilege is missing (not a password).
func isDenied(err error) bool {
	switch ErrorNumber(err) {
	case errSpecificAccess, errTableAccessDenied, errDBAccessDenied:
		return true
	}
	return false
}

// fail wraps an error with the server and the operation; where a privilege is
// missing it is a *PrivilegeError that names the one that the operation needs.
func (r reader) fail(op string, err error) error {
	missing := privilegeFor(op)
	if !isDenied(err) || missing == "" {
		return r.Explain(op, err)
	}
	switch {
	case missing == PrivReplicaMonitor && !r.facts.hasReplicaMonitor():
		missing = PrivReplicationClient
	case missing == PrivReplicationMaster && !r.facts.hasReplicationMaster():
		missing = PrivReplicationSlave
	}
	return &PrivilegeError{
		Label: r.Label(), Addr: r.cfg.Addr, Account: r.facts.Account, Missing: missing, Grant: r.grantFor(missing),
	}
}

// strings runs a query with one row and returns its values, NULL as "".
func (r reader) strings(ctx context.Context, q string) ([]string, error) {
	all, err := r.rows(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, sql.ErrNoRows
	}
	out := make([]string, len(all[0].names))
	for i, n := range all[0].names {
		out[i] = all[0].byName[n].String
	}
	return out, nil
}

// row is one row of a SHOW statement: names in lower case, in the old
// vocabulary (master, slave), whichever the server speaks.
type row struct {
	names  []string
	byName map[string]sql.NullString
}

// oldWord translates column and variable names of MySQL 8.0.22 and newer.
func oldWord(name string) string {
	name = strings.ToLower(name)
	if name == "log_replica_updates" {
		return "log_slave_updates"
	}
	name = strings.ReplaceAll(name, "replica_", "slave_")
	return strings.ReplaceAll(name, "source", "master")
}

func (r reader) rows(ctx context.Context, q string) ([]row, error) {
	rs, err := r.DB().QueryContext(ctx, q)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	names, err := rs.Columns()
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		names[i] = oldWord(n)
	}
	var out []row
	for rs.Next() {
		vals, ptrs := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err = rs.Scan(ptrs...); err != nil {
			return nil, err
		}
		r := row{names: names, byName: make(map[string]sql.NullString, len(names))}
		for i, n := range names {
			r.byName[n] = vals[i]
		}
		out = append(out, r)
	}
	return out, rs.Err()
}

func (r row) str(name string) string { return strings.TrimSpace(r.byName[name].String) }

func (r row) uint(name string) uint64 {
	n, err := strconv.ParseUint(r.str(name), 10, 64)
	if err != nil {
		return 0 // absent in this version, or NULL
	}
	return n
}

func (r row) optInt(name string) *int64 {
	n, err := strconv.ParseInt(r.str(name), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

func (r row) yes(name string) bool { return strings.EqualFold(r.str(name), "Yes") }

// list splits a comma-separated value.
func (r row) list(name string) []string { return splitList(r.str(name)) }

func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (r row) ids(name string) []uint32 {
	var out []uint32
	for _, s := range r.list(name) {
		if n, err := strconv.ParseUint(s, 10, 32); err == nil {
			out = append(out, uint32(n))
		}
	}
	return out
}

// Operations that need a privilege; they are also the words in errors.
const (
	opPosition  = "read the position"
	opChannels  = "read the replication channels"
	opSessions  = "read the process list"
	opHistory   = "read the history list length"
	opFence     = "read what has been applied"
	opCommitted = "read what is not committed yet"
	opIdentity  = "read the server's variables"
	opReplicas  = "list the replicas"
)

// privilegeFor names what an account needs for an operation, "" for nothing
// beyond a connection.
func privilegeFor(op string) Privilege {
	switch op {
	case opPosition:
		return PrivReplicationClient
	case opChannels, opFence:
		return PrivReplicaMonitor
	case opSessions, opHistory:
		return PrivProcess
	case opReplicas:
		return PrivReplicationMaster
	}
	return ""
}
