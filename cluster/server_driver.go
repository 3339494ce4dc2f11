package cluster

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"crosscheck/cluster/rowstream"
)

// noPanic runs what parses a server's packets in a library. Neither library checks all lengths that it reads, so a packet
// that is cut or invented ends in a panic; here it is an error. A panic of our own goes on.
func noPanic(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if !libraryPanicked(string(debug.Stack())) {
				panic(p)
			}
			err = fmt.Errorf("%w (%v)", ErrMalformed, p)
		}
	}()
	return fn()
}

// libraryPanicked tells whether the innermost function of a panicking stack that is not Go's own is one of the libraries
// that speak the protocol.
func libraryPanicked(stack string) bool {
	_, below, ok := strings.Cut(stack, "\npanic(")
	if !ok {
		return false
	}
	for _, line := range strings.Split(below, "\n")[1:] {
		if strings.HasPrefix(line, "\t") || !strings.Contains(line, "(") || strings.HasPrefix(line, "panic(") ||
			!strings.Contains(strings.SplitN(line, "(", 2)[0], "/") {
			continue // a place in a file, or Go's own
		}
		if std := strings.SplitN(line, "/", 2)[0]; !strings.Contains(std, ".") && std != "crosscheck" {
			continue // a package of Go's own with a slash in its name
		}
		return strings.HasPrefix(line, "github.com/go-sql-driver/") || strings.HasPrefix(line, "github.com/go-mysql-org/")
	}
	return false
}

// Parse runs what reads answers through a library: those that break the protocol are ErrMalformed.
func Parse(fn func() error) error { return cutShort(noPanic(fn)) }

// cutShort makes an error of a string that is longer than its packet, which the libraries report as an end. A connection
// that ends comes with errors of their own.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, gomysql.ErrBadConn) {
		return fmt.Errorf("%w: it ends before its content does", ErrMalformed)
	}
	return err
}

// malformed are the libraries' own words for packets that break the protocol.
func malformed(err error) bool {
	for _, e := range []error{ErrMalformed, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul, gomysql.ErrMalformPacket, rowstream.ErrProtocol} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// driverConn is a connection of the pool. Through it, what the driver makes of a packet that it does not understand, and
// of a connection that we gave up, becomes an error with the cause, in database/sql's own goroutines, too.
type driverConn struct {
	mysqlConn
	low *conn
}

// mysqlConn is what the driver's connections can do.
type mysqlConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

// run calls the driver. A connection that broke the protocol is closed: nobody knows where in the stream it stands.
func (c *driverConn) run(fn func() error) error {
	err := c.low.explain(Parse(fn))
	if malformed(err) {
		return c.low.giveUp(err)
	}
	return err
}

func (c *driverConn) PrepareContext(ctx context.Context, query string) (st driver.Stmt, err error) {
	err = c.run(func() (err error) {
		st, err = c.mysqlConn.PrepareContext(ctx, query)
		return err
	})
	if err != nil {
		return nil, err
	}
	s, ok := st.(mysqlStmt)
	if !ok {
		return nil, fmt.Errorf("the driver's %T runs no queries", st)
	}
	return &driverStmt{mysqlStmt: s, conn: c}, nil
}

func (c *driverConn) BeginTx(ctx context.Context, opts driver.TxOptions) (tx driver.Tx, err error) {
	err = c.run(func() (err error) {
		tx, err = c.mysqlConn.BeginTx(ctx, opts)
		return err
	})
	return tx, err
}

func (c *driverConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	err = c.run(func() (err error) {
		r, err = c.mysqlConn.ExecContext(ctx, query, args)
		return err
	})
	return r, err
}

func (c *driverConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.run(func() (err error) {
		rows, err = c.mysqlConn.QueryContext(ctx, query, args)
		return err
	})
	return c.rows(rows, err)
}

func (c *driverConn) Ping(ctx context.Context) error {
	return c.run(func() error { return c.mysqlConn.Ping(ctx) })
}

// IsValid tells the pool whether the connection can be used again.
func (c *driverConn) IsValid() bool { return c.low.given() == nil && c.mysqlConn.IsValid() }

func (c *driverConn) rows(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	return &driverRows{Rows: rows, conn: c}, nil
}

// driverStmt is a prepared statement of a driverConn.
type driverStmt struct {
	mysqlStmt
	conn *driverConn
}

type mysqlStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

func (s *driverStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	err = s.conn.run(func() (err error) {
		r, err = s.mysqlStmt.ExecContext(ctx, args)
		return err
	})
	return r, err
}

func (s *driverStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = s.conn.run(func() (err error) {
		rows, err = s.mysqlStmt.QueryContext(ctx, args)
		return err
	})
	return s.conn.rows(rows, err)
}

// driverRows are the rows of an answer.
type driverRows struct {
	driver.Rows
	conn *driverConn
}

// Next returns io.EOF behind the last row only. The driver returns it for a row that is cut, too, which would pass for the
// last one.
func (r *driverRows) Next(dest []driver.Value) error {
	end := false
	err := r.conn.run(func() error {
		err := r.Rows.Next(dest)
		if errors.Is(err, io.EOF) && allRead(r.Rows) {
			end = true
			return nil
		}
		return err
	})
	if end && err == nil {
		return io.EOF
	}
	return err
}

// allRead tells whether the driver has seen the packet behind the last row. It does not say so but by letting go of the
// connection.
func allRead(rows driver.Rows) bool {
	v := reflect.Indirect(reflect.ValueOf(rows))
	if v.Kind() != reflect.Struct {
		return false
	}
	held := v.FieldByName("mc")
	return held.Kind() == reflect.Pointer && held.IsNil()
}

func (r *driverRows) Close() error { return r.conn.run(r.Rows.Close) }
