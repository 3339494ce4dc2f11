package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"
)

// Error numbers of MySQL and MariaDB that decide what to do.
const (
	errDBAccessDenied      = 1044
	errAccessDenied        = 1045
	errUnknownDatabase     = 1049
	errTableAccessDenied   = 1142
	errColumnAccessDenied  = 1143
	errNoSuchTable         = 1146
	errUnknownVariable     = 1193
	errSpecificAccess      = 1227
	errViewInvalid         = 1356
	errAccessDeniedNoPw    = 1698 // MariaDB, when no password was sent
	errStatementTimeoutMDB = 1969
	errQueryTimeout        = 3024
	errSecureTransport     = 3159
)

// ServerError is what went wrong between us and one server, in one line, with
// what to do about it. It unwraps to the driver's error.
type ServerError struct {
	Label, Addr string
	Op          string // what was being done: "connect", "read table shop.orders"
	Number      uint16 // the server's error number; 0 if it did not answer
	Hint        string
	Err         error
}

func (e *ServerError) Error() string {
	s := fmt.Sprintf("%s: %s: %s", serverName(e.Label, e.Addr), e.Op, causeText(e.Err))
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// serverName names a server for people: "old (db1:3306)".
func serverName(label, addr string) string {
	if label == "" {
		return addr
	}
	return label + " (" + addr + ")"
}

func (e *ServerError) Unwrap() error { return e.Err }

// Errors of our own about a connection.
var (
	// ErrNoTLS is the refusal to go on without encryption.
	ErrNoTLS = errors.New("the server offers no TLS")
	// ErrNotMySQL is an answer that no MySQL server gives.
	ErrNotMySQL = errors.New("what answers there does not speak the MySQL protocol")
	// ErrNoGreeting is a connection that was accepted and then closed or left silent.
	ErrNoGreeting = errors.New("the connection was accepted, but no server greeting came")
	// ErrNoVariables is an answer to SHOW VARIABLES without any.
	ErrNoVariables = errors.New("the server answered the question for its variables without naming any; try again")
)

// ErrorNumber returns the server's error number in err's chain, or 0.
func ErrorNumber(err error) uint16 {
	var a *mysql.MySQLError
	if errors.As(err, &a) {
		return a.Number
	}
	var b *gomysql.MyError
	if errors.As(err, &b) {
		return b.Code
	}
	return 0
}

// IsPermission tells whether the server refused for want of a privilege or of
// the right password.
func IsPermission(err error) bool {
	var p *PrivilegeError
	if errors.As(err, &p) {
		return true
	}
	switch ErrorNumber(err) {
	case errDBAccessDenied, errAccessDenied, errTableAccessDenied, errColumnAccessDenied, errSpecificAccess, errAccessDeniedNoPw,
		1130, // this host may not connect
		1370, // routine
		1820, // the password must be changed first
		1862, // the password has expired
		3118, // the account is locked
		4151: // the same on MariaDB
		return true
	}
	return false
}

// IsTimeout tells whether the server ended a statement because it ran too
// long: the same again would end the same way; ask for less.
func IsTimeout(err error) bool {
	switch ErrorNumber(err) {
	case errQueryTimeout, errStatementTimeoutMDB:
		return true
	}
	return false
}

// IsTransient tells whether the same may succeed later on a new connection: the
// connection was lost or refused, the server is restarting or full, or a lock
// was not had in time. The end of the caller's own context is not transient.
func IsTransient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if n := ErrorNumber(err); n != 0 {
		return transientNumber(n)
	}
	if malformed(err) {
		return false
	}
	for _, lost := range []error{
		io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, mysql.ErrInvalidConn, gomysql.ErrBadConn, net.ErrClosed,
		os.ErrDeadlineExceeded, ErrNoGreeting, ErrNoVariables, // with them ErrSilent
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return !dns.IsNotFound
	}
	var op *net.OpError
	if errors.As(err, &op) {
		// A socket file is missing while its server restarts.
		return op.Timeout() || (op.Net == "unix" && errors.Is(err, syscall.ENOENT))
	}
	return false
}

// IsLost tells whether a server was reached, so that something is there, and then lost: a transient error that is not a
// refusal to let anybody connect.
func IsLost(err error) bool {
	var op *net.OpError
	if !IsTransient(err) || errors.As(err, &op) && op.Op == "dial" {
		return false
	}
	var dns *net.DNSError
	return ErrorNumber(err) == 0 && !errors.As(err, &dns)
}

// EndsRun tells whether an error of a statement about one table is that of the server, or of the account, rather than of
// the table: the server is lost, is another one or
// breaks the protocol, or the account may do nothing there. Every other answer of a server
// (a lock that was not had, a definition that cannot be read, damaged or denied rows) concerns the table alone, and so
// does what came of reading it.
func EndsRun(err error) bool {
	if err == nil {
		return false
	}
	var config *ConfigError
	var setting *SettingError
	if IsServerChanged(err) || errors.As(err, &config) || errors.As(err, &setting) || malformed(err) {
		return true
	}
	switch n := ErrorNumber(err); n {
	case 1205, 1213, // lock wait, deadlock
		1317,       // somebody ends its statements, one after the other
		1412, 1615, // it changes all the time
		errDBAccessDenied, errTableAccessDenied, errColumnAccessDenied,
		1370: // a routine that a view calls
		return false
	default:
		return IsTransient(err) || IsPermission(err)
	}
}

func transientNumber(n uint16) bool {
	switch n {
	case 1040, 1203, // too many connections, of all or of this account
		1047,                   // a Galera node that is not ready
		1053, 1077, 1079, 1080, // the server is going down
		1152, 1153, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, // the connection was lost
		1205, 1213, // lock wait, deadlock
		1317, 1927, 3169, // somebody killed the statement or the connection
		1412, 1615, // the table changed under the statement
		2002, 2003, 2006, 2013, 2055, // as proxies report a lost server
		3032, // offline mode
		4031: // closed for idleness
		return true
	}
	return false
}

// Explain returns err as a *ServerError with a hint. A *ServerError, a
// *ConfigError, a *PrivilegeError or the end of a context comes back unchanged
// but for the operation.
func Explain(label, addr, op string, err error) error {
	return explain(label, addr, op, "", err)
}

// Explain is like the function Explain, and knows the account, so that a
// missing privilege's hint is the statement that gives it.
func (s *Server) Explain(op string, err error) error {
	return explain(s.cfg.Label, s.cfg.Addr, op, s.facts.Account, err)
}

func explain(label, addr, op, account string, err error) error {
	if err == nil {
		return nil
	}
	var known *ServerError
	var config *ConfigError
	var privilege *PrivilegeError
	var changed *ServerChangedError
	switch {
	case errors.As(err, &known), errors.As(err, &config), errors.As(err, &privilege), errors.As(err, &changed):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %s: %w", serverName(label, addr), op, err)
	}
	n := ErrorNumber(err)
	hint := numberHint(n, label, account)
	if n == 0 {
		hint = networkHint(addr, err)
	}
	return &ServerError{Label: label, Addr: addr, Op: op, Number: n, Hint: hint, Err: err}
}

func numberHint(n uint16, label, account string) string {
	switch n {
	case errAccessDenied, errAccessDeniedNoPw:
		return fmt.Sprintf("check the user and the password (option file, %s, or prompt), and that the account may connect from this host", PasswordEnv(label))
	case errDBAccessDenied, errTableAccessDenied, errColumnAccessDenied:
		return "run on it: " + grantStatement("SELECT", account)
	case errSpecificAccess:
		return "run on it: " + grantStatement("SELECT, REPLICATION CLIENT, REPLICATION SLAVE, PROCESS", account)
	case errUnknownDatabase, errNoSuchTable:
		return "check the name, letter case included, and that this is the right server"
	case 1040, 1203:
		return "wait, raise max_connections or max_user_connections, or use fewer workers"
	case 1129:
		return "run FLUSH HOSTS on it (TRUNCATE TABLE performance_schema.host_cache on MySQL 8 and newer)"
	case 1130:
		return "create the account for this host, or connect from an allowed one"
	case 1205, 1213:
		return "something holds a lock for long: look for it in SHOW PROCESSLIST"
	case 1820, 1862:
		return "set a new password for the account with ALTER USER"
	case 3118, 4151:
		return "unlock the account with ALTER USER … ACCOUNT UNLOCK"
	case errQueryTimeout, errStatementTimeoutMDB:
		return "the server is too busy, or its limit for statements is too short"
	case errSecureTransport:
		return "the server demands TLS: write tls=required in the DSN"
	case errViewInvalid:
		return "the view refers to something that is missing or that its definer may not read"
	case 1461:
		return "raise max_prepared_stmt_count on it"
	case 1053, 1077, 1079, 2002, 2003, 2006, 2013:
		return "see whether the server is running, and its error log"
	}
	return ""
}

func networkHint(addr string, err error) string {
	var dns *net.DNSError
	var name x509.HostnameError
	var cert *tls.CertificateVerificationError
	var shake *handshakeError
	var op *net.OpError
	switch {
	case errors.Is(err, ErrNoTLS):
		return "enable TLS on the server, or write tls=preferred or tls=disabled in the DSN"
	case errors.As(err, &name):
		return "write the name that the certificate carries as server-name=NAME in the DSN, or tls=verify-ca to check the authority only"
	case errors.As(err, &cert):
		return "give the authority that signed the server's certificate with ssl-ca=FILE, or write tls=required to encrypt without checking it"
	case errors.As(err, &shake):
		return "both sides may have no TLS version in common, or the server wants a client certificate (ssl-cert, ssl-key); write tls=preferred to go on without encryption where it fails"
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return "check the name"
		}
		return "the name service does not answer: check the network"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check host and port, and that the server runs and listens on that address"
	case errors.Is(err, syscall.ENOENT) && strings.HasPrefix(addr, "/"):
		return "there is no such socket: check the path, and that the server runs"
	case errors.Is(err, syscall.EACCES) && strings.HasPrefix(addr, "/"):
		return "this user may not open the socket"
	case errors.Is(err, ErrNoGreeting):
		return "check that the port is the server's own and that no proxy stands before a stopped server"
	case malformed(err):
		return "see what stands between, and whether that is a MySQL or MariaDB server"
	case errors.Is(err, ErrNotMySQL):
		return "check the port: the classic protocol's is mostly 3306"
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return "no answer: check the address and the firewalls between"
	case errors.Is(err, mysql.ErrUnknownPlugin), errors.Is(err, mysql.ErrOldPassword), errors.Is(err, mysql.ErrCleartextPassword):
		return "use an account with mysql_native_password, caching_sha2_password, sha256_password or ed25519"
	case errors.Is(err, ErrSilent):
		return "see whether the server is frozen, or what stands between drops connections"
	case IsTransient(err):
		return "the connection was lost: see whether the server is running, and its error log"
	}
	return ""
}

// causeText is the shortest line that still tells the cause: the server's own
// message with its number, or the innermost network error.
func causeText(err error) string {
	var a *mysql.MySQLError
	if errors.As(err, &a) {
		return fmt.Sprintf("%s (error %d)", oneLine(a.Message), a.Number)
	}
	var b *gomysql.MyError
	if errors.As(err, &b) {
		return fmt.Sprintf("%s (error %d)", oneLine(b.Message), b.Code)
	}
	if errors.Is(err, gomysql.ErrBadConn) && !malformed(err) {
		return "no answer came" // the library's words are about its own reading
	}
	if malformed(err) && !errors.Is(err, ErrMalformed) {
		return ErrMalformed.Error() + " (" + oneLine(err.Error()) + ")"
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Err // the name is already in the line
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error() // and so is the address
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return oneLine(op.Err.Error())
	}
	return oneLine(err.Error())
}

// oneLine folds whitespace and bounds the length.
func oneLine(s string) string {
	const limit = 500
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "…"
	}
	return s
}
