package cluster

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-sql-driver/mysql"
)

const programName = "crosscheck"

// setup is what every session runs first. None of it needs a privilege.
type setup struct {
	utf8only   bool // no utf8mb4 on this server
	statements []string
}

const (
	// lockWaitSeconds is short because no read of ours is worth making a
	// writer's metadata lock queue behind it.
	lockWaitSeconds = 5
	// statementSeconds is a backstop against runaway statements; chunks are
	// sized to run far shorter.
	statementSeconds = 600
	// idleSeconds covers pauses of ours between statements (pacing, fences)
	// and inside results (a busy reader).
	idleSeconds    = 7 * 24 * 3600
	networkSeconds = 3600
)

// build composes the statements from the variables that the server has, which
// is surer than version numbers of three families.
func (u *setup) build(vars variables) {
	set := []string{"autocommit = 1", "time_zone = '+00:00'", "sql_mode = ''"}
	add := func(name string, value any) {
		if vars.has(name) {
			set = append(set, fmt.Sprintf("%s = %v", name, value))
		}
	}
	add("lock_wait_timeout", lockWaitSeconds)
	add("innodb_lock_wait_timeout", lockWaitSeconds)
	add("wait_timeout", idleSeconds)
	add("net_read_timeout", networkSeconds)
	add("net_write_timeout", networkSeconds)
	add("sql_select_limit", uint64(1<<64-1))
	add("sql_big_selects", 1) // else max_join_size may refuse long ranges
	add("sql_auto_is_null", 0)
	add("sql_quote_show_create", 1)
	add("max_execution_time", statementSeconds*1000) // MySQL, milliseconds
	add("show_gipk_in_create_table_and_information_schema", "ON")
	if vars.has("max_statement_time") && strings.Contains(vars["version"], "MariaDB") {
		add("max_statement_time", statementSeconds) // Percona's 5.6 has the name, too, in milliseconds
	}
	level := "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
	if vars.has("transaction_read_only") || vars.has("tx_read_only") {
		level += ", READ ONLY"
	}
	charset := "utf8mb4"
	if u.utf8only {
		charset = "utf8"
	}
	u.statements = []string{"SET NAMES " + charset, "SET " + strings.Join(set, ", "), level}
}

// setUpRaw prepares a raw session: results come in each column's own charset,
// so that not a byte is converted.
func (s *Server) setUpRaw(c *client.Conn) error {
	for _, q := range append(s.setup.statements[:len(s.setup.statements):len(s.setup.statements)], "SET character_set_results = NULL") {
		if _, err := c.Execute(q); err != nil {
			return fmt.Errorf("set up the session with %q: %w", q, err)
		}
	}
	return nil
}

// openPool makes the pool for statements.
func (s *Server) openPool() (*sql.DB, error) {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd = s.cfg.Net, s.cfg.Addr, s.cfg.User, s.cfg.Password.Reveal()
	c.Timeout = 0                      // openConn has its own limit
	c.Collation = "utf8mb4_general_ci" // known to every server since 5.5.3
	if s.setup.utf8only {
		c.Collation = "utf8_general_ci"
	}
	c.MaxAllowedPacket = 1 << 30 // the servers' own limit
	c.ConnectionAttributes = "program_name:" + programName
	c.Logger = driverLogger{s.log}
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		low, err := openConn(ctx, network, addr, s.quiet(), s.life)
		if err != nil {
			return nil, err
		}
		low.limits.answer = poolAnswer
		if into, ok := ctx.Value(dialled{}).(**conn); ok {
			*into = low
		}
		return low, nil
	}
	if s.tls.config != nil {
		c.TLS = s.tls.config
		c.AllowFallbackToPlaintext = s.cfg.TLS == TLSPreferred
	}
	inner, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(&connector{Connector: inner, statements: s.setup.statements, same: s.same, limit: s.setUpLimit()})
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns / 2)
	return db, nil
}

// connector sets up each session of the pool. Behind a load balancer each
// connection may lead elsewhere, so each is asked which server it reaches
// before any statement of a caller runs on it.
type connector struct {
	driver.Connector
	statements []string
	limit      time.Duration
	same       func(variables) error // judges what identityQuery returned
}

// Connect ends within its limit. Its own end of patience is not that of the
// caller's context, so that it counts as transient.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	conn, err := c.connect(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("the server did not let us in within %s: %w", c.limit, os.ErrDeadlineExceeded)
	}
	return conn, err
}

func (c *connector) connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range c.statements {
		if _, err := conn.ExecContext(ctx, q, nil); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("set up the session with %q: %w", q, err)
		}
	}
	if err := c.verify(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// dialled is the key under which a context carries where to put the connection that the driver dials.
type dialled struct{}

func (c *connector) dial(ctx context.Context) (*driverConn, error) {
	var low *conn
	var opened driver.Conn
	err := noPanic(func() (err error) {
		opened, err = c.Connector.Connect(context.WithValue(ctx, dialled{}, &low))
		return err
	})
	if err != nil {
		if low != nil {
			_ = low.Close()
		}
		return nil, low.explain(err)
	}
	inner, ok := opened.(mysqlConn)
	if !ok || low == nil {
		_ = opened.Close()
		return nil, fmt.Errorf("set up a session: the driver's %T is not known here", opened)
	}
	return &driverConn{mysqlConn: inner, low: low}, nil
}

// verify asks a fresh connection for its server's identity. The error is a
// *ServerChangedError if it is another one than Open met.
func (c *connector) verify(ctx context.Context, conn driver.QueryerContext) error {
	rows, err := conn.QueryContext(ctx, identityQuery, nil)
	if err != nil {
		return fmt.Errorf("ask for the server's identity: %w", err)
	}
	defer rows.Close() //nolint:errcheck // whatever it says, Next said it before
	v := variables{}
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("ask for the server's identity: %w", err)
		}
		if len(row) == 2 {
			v[strings.ToLower(driverText(row[0]))] = driverText(row[1])
		}
	}
	return c.same(v)
}

// driverText is a value as the text protocol brings it.
func driverText(v driver.Value) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

// driverLogger takes what the driver would print to stderr; the errors
// themselves come back to callers, so this is for debugging only.
type driverLogger struct{ log *slog.Logger }

func (l driverLogger) Print(v ...any) { l.log.Debug("driver: " + strings.TrimSpace(fmt.Sprint(v...))) }
