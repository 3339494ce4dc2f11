package cluster

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// endpoint is what positions, channels, fences and sessions need of a server.
type endpoint interface {
	DB() *sql.DB
	Label() string // "old" or "new", for messages
}

// Numbers of server errors that this file and its neighbors tell apart.
const (
	errnoUnknownVariable = 1193
	errnoAccessDenied    = 1227 // a global privilege is missing
	errnoTableDenied     = 1142
	errnoDatabaseDenied  = 1044
	errnoNoSuchTable     = 1146
	errnoParse           = 1064
)

// errno is the server's error number, 0 for errors that no server sent.
func errno(err error) uint16 {
	var m *mysql.MySQLError
	if errors.As(err, &m) {
		return m.Number
	}
	return 0
}

func isDenied(err error) bool {
	return slices.Contains([]uint16{errnoAccessDenied, errnoTableDenied, errnoDatabaseDenied}, errno(err))
}

// isTransient tells whether trying again on a new connection may help.
func isTransient(err error) bool {
	const (
		tooManyConnections = 1040
		shutdown           = 1053
		queryInterrupted   = 1317
		mariaKilled        = 1927
		inactivity         = 4031
		killedByAdmin      = 3169
		offlineMode        = 3032
	)
	switch errno(err) {
	case 0:
	case tooManyConnections, shutdown, queryInterrupted, mariaKilled, inactivity, killedByAdmin, offlineMode:
		return true
	default:
		return false
	}
	var ne net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne)
}

// reader wraps one server for reading what it says of itself.
type reader struct{ endpoint }

// fail wraps an error with the server, the operation and, where a privilege is
// missing, its name and the GRANT.
func (r reader) fail(op string, err error, v vocabulary) error {
	if !isDenied(err) {
		return fmt.Errorf("%s: %s: %w", r.Label(), op, err)
	}
	priv := v.privilegeFor(op)
	return fmt.Errorf("%s: %s: the account lacks %s; as an administrator run: GRANT %s ON *.* TO <this account>: %w",
		r.Label(), op, priv, priv, err)
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

// vocabulary is what statements and privileges are called on a version.
type vocabulary struct {
	maria               bool
	major, minor, patch int
}

func parseVocabulary(version string) vocabulary {
	v := vocabulary{maria: strings.Contains(strings.ToLower(version), "mariadb")}
	// A replication-compatibility prefix of older MariaDB: "5.5.5-10.3.1-MariaDB".
	if v.maria {
		version = strings.TrimPrefix(version, "5.5.5-")
	}
	// A short or odd version leaves zeros, which compare as "older".
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &v.major, &v.minor, &v.patch)
	return v
}

func (v vocabulary) atLeast(major, minor, patch int) bool {
	return slices.Compare([]int{v.major, v.minor, v.patch}, []int{major, minor, patch}) >= 0
}

func (v vocabulary) binlogStatus() string {
	if !v.maria && v.atLeast(8, 2, 0) {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

func (v vocabulary) replicaStatus() string {
	switch {
	case v.maria:
		return "SHOW ALL SLAVES STATUS"
	case v.atLeast(8, 0, 22):
		return "SHOW REPLICA STATUS"
	default:
		return "SHOW SLAVE STATUS"
	}
}

// Operations that need a privilege; they are also the words in errors.
const (
	opPosition = "read the position"
	opChannels = "read the replication channels"
	opSessions = "read the process list"
	opHistory  = "read the history list length"
	opFence    = "read what has been applied"
	opIdentity = "read the server's variables"
)

// privilegeFor names what an account needs for an operation.
func (v vocabulary) privilegeFor(op string) string {
	split := v.maria && v.atLeast(10, 5, 0)
	switch op {
	case opPosition:
		if split {
			return "BINLOG MONITOR"
		}
		return "REPLICATION CLIENT"
	case opChannels, opFence:
		if split {
			return "SLAVE MONITOR"
		}
		return "REPLICATION CLIENT"
	case opSessions, opHistory:
		return "PROCESS"
	default:
		return "SELECT"
	}
}

// vocabulary asks the server for its version.
func (r reader) vocabulary(ctx context.Context) (vocabulary, error) {
	v, err := r.strings(ctx, "SELECT VERSION()")
	if err != nil {
		return vocabulary{}, r.fail("read the version", err, vocabulary{})
	}
	return parseVocabulary(v[0]), nil
}
