package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// hold keeps everybody else from a table, until free is called or its server is gone. A run that comes to the table waits
// there, and asks again for as long as --retry-for says: what a test does meanwhile happens in the middle of the run,
// however slow or fast the machine is. Only conn can use the table.
func hold(t testing.TB, s *fixtures.Server, table string) (conn *sql.Conn, free func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := s.DB().Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	free = sync.OnceFunc(func() {
		_, _ = conn.ExecContext(context.Background(), "UNLOCK TABLES") // it fails where the server was restarted
		_ = conn.Close()
	})
	t.Cleanup(free)
	if _, err := conn.ExecContext(ctx, "LOCK TABLES "+table+" WRITE"); err != nil {
		t.Fatal(err)
	}
	return conn, free
}

// kept reports whether a session of crosscheck waits for a table that hold has.
func kept(t testing.TB, s *fixtures.Server, table string) bool {
	t.Helper()
	rows, err := s.DB().QueryContext(t.Context(), "SHOW FULL PROCESSLIST")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	quoted := "`" + strings.ReplaceAll(table, ".", "`.`") + "`"
	found := false
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		user, state, info := values[1].String, values[6].String, values[7].String
		found = found || user == string(fixtures.Crosscheck) && strings.Contains(state, "metadata lock") && strings.Contains(info, quoted)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// connected reports whether a process has a TCP connection to a port of this machine, also one that nobody has accepted.
func connected(t testing.TB, pid, port int) bool {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return false // it has ended
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	own := make(map[string]bool)
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil {
			own[to] = true
		}
	}
	for line := range strings.Lines(string(table)) {
		// Number, local address, remote address, state (01 is connected), queues, timer, retransmits, user, timeout, inode.
		f := strings.Fields(line)
		if len(f) > 9 && f[2] == fmt.Sprintf("0100007F:%04X", port) && f[3] == "01" && own["socket:["+f[9]+"]"] {
			return true
		}
	}
	return false
}

// timed runs fn and returns how long it took, without the time in which nothing at all went on: where the machine
// stands still, a limit says nothing about the program.
func timed(fn func()) time.Duration {
	const tick, still = 10 * time.Millisecond, 200 * time.Millisecond
	var lost time.Duration
	done := make(chan struct{})
	var clock sync.WaitGroup
	clock.Go(func() {
		for last, more := time.Now(), true; more; {
			select {
			case <-done:
				more = false
			case <-time.After(tick):
			}
			now := time.Now()
			if gap := now.Sub(last); gap > still {
				lost += gap
			}
			last = now
		}
	})
	begin := time.Now()
	fn()
	took := time.Since(begin)
	close(done)
	clock.Wait()
	return took - lost
}
