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

// setUp prepares a session, and verifies that it is prepared.
func (s *Server) setUp(c *client.Conn, raw bool) error {
	for _, q := range s.setup.statements(raw) {
		if _, err := c.Execute(q); err != nil {
			return fmt.Errorf("set up the session: %w", err)
		}
	}
	r, err := c.Execute(s.setup.question())
	if err != nil {
		return fmt.Errorf("read back how the session is set up: %w", err)
	}
	defer r.Close()
	if r.RowNumber() == 0 {
		return s.setup.answer(nil)
	}
	values := make([]string, r.ColumnNumber())
	for i := range values {
		if values[i], err = r.GetString(0, i); err != nil {
			return fmt.Errorf("read back how the session is set up: %w", err)
		}
	}
	return s.setup.answer(values)
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
	db := sql.OpenDB(&connector{Connector: inner, setup: &s.setup, same: s.same, limit: s.setUpLimit()})
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxIdle)
	db.SetConnMaxLifetime(sessionLife)
	return db, nil
}

// A server tells a session of most privileges as they were when it began. So sessions of the pool do not grow old: what is granted
// while a long run goes on is known soon.
const sessionLife = 15 * time.Second

// maxIdle bounds the sessions of the pool that are kept for the next statement.
const maxIdle = maxConns / 2

// Renew has the statements that follow run in new sessions, which have the privileges of now.
func (s *Server) Renew() {
	s.db.SetMaxIdleConns(0)
	s.db.SetMaxIdleConns(maxIdle)
}

// connector sets up each session of the pool. Behind a load balancer each
// connection may lead elsewhere, so each is asked which server it reaches
// before any statement of a caller runs on it.
type connector struct {
	driver.Connector
	setup *setup
	limit time.Duration
	same  func(variables) error // judges what identityQuery returned
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
	for _, q := range c.setup.statements(false) {
		if _, err = conn.ExecContext(ctx, q, nil); err != nil {
			break
		}
	}
	if err == nil {
		err = c.prepared(ctx, conn)
	}
	if err != nil {
		err = fmt.Errorf("set up the session: %w", err)
	}
	// Another server may refuse the set-up for its own version's sake: that it is another one is what counts.
	if verr := c.verify(ctx, conn); err == nil || IsServerChanged(verr) {
		err = verr
	}
	if err != nil {
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

// prepared reads the settings of a fresh connection back.
func (c *connector) prepared(ctx context.Context, conn driver.QueryerContext) error {
	answered := false
	err := each(ctx, conn, c.setup.question(), func(row []string) error {
		answered = true
		return c.setup.answer(row)
	})
	if err == nil && !answered {
		err = c.setup.answer(nil)
	}
	return err
}

// verify asks a fresh connection for its server's identity. The error is a
// *ServerChangedError if it is another one than Open met.
func (c *connector) verify(ctx context.Context, conn driver.QueryerContext) error {
	v := variables{}
	err := each(ctx, conn, identityQuery, func(row []string) error {
		if len(row) == 2 {
			v[strings.ToLower(row[0])] = row[1]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for the server's identity: %w", err)
	}
	return c.same(v)
}

// each runs a query on a connection that is not the pool's yet.
func each(ctx context.Context, conn driver.QueryerContext, query string, see func(row []string) error) error {
	rows, err := conn.QueryContext(ctx, query, nil)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // whatever it says, Next said it before
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		text := make([]string, len(row))
		for i, v := range row {
			text[i] = driverText(v)
		}
		if err := see(text); err != nil {
			return err
		}
	}
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
