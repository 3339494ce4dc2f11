package main

import (
	"context"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// logStatements changes a table of its own on old, each change logged as its statement, which names no rows, until the
// returned function is called.
func logStatements(t testing.TB, set *fixtures.Set) (stop func()) {
	t.Helper()
	exec1(t, set.Old, "DROP DATABASE IF EXISTS by_statement", "CREATE DATABASE by_statement",
		"CREATE TABLE by_statement.n (id INT NOT NULL PRIMARY KEY, v INT NOT NULL)", "INSERT INTO by_statement.n VALUES (1, 0)")
	conn, err := set.Old.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "SET SESSION binlog_format='STATEMENT'"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := conn.ExecContext(context.WithoutCancel(ctx), "UPDATE by_statement.n SET v=v+1"); err != nil {
				t.Errorf("write by statement: %v", err)
				return
			}
			time.Sleep(2 * time.Millisecond) // replication has other work as well
		}
	}()
	end := func() {
		cancel()
		<-done
	}
	t.Cleanup(end)
	return func() {
		end()
		if _, err := conn.ExecContext(context.Background(), "SET SESSION binlog_format=DEFAULT"); err != nil {
			t.Errorf("log rows again: %v", err)
		}
		_ = conn.Close()
		exec1(t, set.Old, "DROP DATABASE by_statement")
	}
}
