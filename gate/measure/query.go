package measure

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"crosscheck/cluster"
)

// Numbers of errors that mean that a server does not have what was asked for.
const (
	errUnknownColumn = 1054
	errNoSuchTable   = 1146
	errUnknownTable  = 1109 // in information_schema
)

// row is one row of a result: values by lower-case column name, NULL as "".
type row map[string]string

func (r row) int(name string) (int64, bool) {
	n, err := strconv.ParseInt(r[name], 10, 64)
	return n, err == nil
}

// querier is a pool or one connection of it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func query(ctx context.Context, db querier, q string, args ...any) ([]row, error) {
	rs, err := db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	names, err := rs.Columns()
	if err != nil {
		return nil, err
	}
	var out []row
	for rs.Next() {
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rs.Scan(into...); err != nil {
			return nil, err
		}
		r := row{}
		for i, n := range names {
			r[strings.ToLower(n)] = values[i].String
		}
		out = append(out, r)
	}
	return out, rs.Err()
}

// lacks tells that the server has no such thing, or does not show it to the account: what was asked for is not known.
func lacks(err error) bool {
	switch cluster.ErrorNumber(err) {
	case errUnknownColumn, errNoSuchTable, errUnknownTable:
		return true
	}
	return cluster.IsPermission(err)
}

// optional is query for what a server may not have: then it returns nothing.
func optional(ctx context.Context, s *cluster.Server, op, q string) ([]row, error) {
	list, err := query(ctx, s.DB(), q)
	if err != nil && !lacks(err) {
		return nil, s.Explain(op, err)
	}
	return list, nil
}

// status reads global status counters by lower-case name; those that the server lacks are left out.
func status(ctx context.Context, s *cluster.Server, names ...string) (map[string]string, error) {
	return named(ctx, s, "SHOW GLOBAL STATUS", names)
}

// variables is the same for global variables.
func variables(ctx context.Context, s *cluster.Server, names ...string) (map[string]string, error) {
	return named(ctx, s, "SHOW GLOBAL VARIABLES", names)
}

func named(ctx context.Context, s *cluster.Server, show string, names []string) (map[string]string, error) {
	list, err := query(ctx, s.DB(), show+" WHERE Variable_name IN ('"+strings.Join(names, "','")+"')")
	if err != nil {
		return nil, s.Explain("run "+show, err)
	}
	out := map[string]string{}
	for _, r := range list {
		out[strings.ToLower(r["variable_name"])] = r["value"]
	}
	return out, nil
}

func isOn(v string) bool { return strings.EqualFold(v, "ON") || v == "1" }

// uptime is how long a server has run, to the second, rounded down.
func uptime(ctx context.Context, s *cluster.Server) (time.Duration, error) {
	got, err := status(ctx, s, "Uptime")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(got["uptime"], 10, 64)
	if err != nil {
		return 0, s.Explain("read how long it runs", err)
	}
	return time.Duration(n) * time.Second, nil
}

// seesAll tells whether the account sees other accounts' sessions.
func seesAll(ctx context.Context, s *cluster.Server) (bool, error) {
	err := s.CheckPrivileges(ctx, cluster.PrivProcess)
	var missing *cluster.PrivilegeError
	if errors.As(err, &missing) {
		return false, nil
	}
	return err == nil, err
}

// pause waits; it ends early with the context.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
