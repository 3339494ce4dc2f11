package cluster

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Session is one live connection of a server.
type Session struct {
	ID      uint64
	User    string
	Host    string // without the port
	DB      string
	Command string // "Query", "Sleep", "Binlog Dump", …
	State   string
	Time    time.Duration // since the state began, to the second
	Program string        // program_name of the client, where the server knows it
}

// readSessions lists the connections of clients, without the server's own
// threads and without those in own. The statement's text is not asked for: it
// may hold data.
func readSessions(ctx context.Context, r reader, v vocabulary, own map[uint64]bool) ([]Session, error) {
	from := "information_schema.processlist"
	if !v.maria && v.atLeast(8, 0, 22) {
		// The older view takes a lock that all sessions need.
		from = "performance_schema.processlist"
	}
	q := "SELECT p.id AS id, p.user AS user, p.host AS host, p.db AS db, p.command AS command, p.time AS time, p.state AS state FROM " + from + " p"
	list, err := r.rows(ctx, q)
	if errno(err) == errnoNoSuchTable || (isDenied(err) && strings.HasPrefix(from, "performance_schema")) {
		q = strings.Replace(q, from, "information_schema.processlist", 1)
		list, err = r.rows(ctx, q)
	}
	if err != nil {
		return nil, r.fail(opSessions, err, v)
	}
	programs := r.programs(ctx)
	var out []Session
	for _, x := range list {
		s := Session{
			ID: x.uint("id"), User: x.str("user"), DB: x.str("db"), Command: x.str("command"), State: x.str("state"),
			Host: hostOnly(x.str("host")), Program: programs[x.uint("id")],
		}
		if s.User == "system user" || s.User == "event_scheduler" || s.Command == "Daemon" || own[s.ID] {
			continue
		}
		if sec := x.optInt("time"); sec != nil {
			s.Time = time.Duration(max(*sec, 0)) * time.Second
		}
		out = append(out, s)
	}
	return out, nil
}

func hostOnly(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return s
}

// programs maps connection ids to the clients' program names. It is empty
// where the server does not keep them, or does not show them to us.
func (r reader) programs(ctx context.Context) map[uint64]string {
	list, err := r.rows(ctx, "SELECT processlist_id, attr_value FROM performance_schema.session_connect_attrs WHERE attr_name='program_name'")
	if err != nil {
		return nil
	}
	out := make(map[uint64]string, len(list))
	for _, x := range list {
		out[x.uint("processlist_id")] = x.str("attr_value")
	}
	return out
}

// readThreadsRunning is the number of sessions that work right now, this one
// among them.
func readThreadsRunning(ctx context.Context, r reader, v vocabulary) (int, error) {
	x, err := r.strings(ctx, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
	if err != nil {
		return 0, r.fail("read Threads_running", err, v)
	}
	n, err := strconv.Atoi(x[len(x)-1])
	if err != nil {
		return 0, fmt.Errorf("%s: read Threads_running: %w", r.Label(), err)
	}
	return n, nil
}

// readHistoryLength is the count of undo records that InnoDB has not purged
// yet. ok is false where the server does not say, or not to us.
func readHistoryLength(ctx context.Context, r reader, v vocabulary) (n uint64, ok bool, err error) {
	q := "SELECT count FROM information_schema.innodb_metrics WHERE name='trx_rseg_history_len' AND status='enabled'"
	if v.maria {
		q = "SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'"
	}
	list, err := r.rows(ctx, q)
	switch {
	case isDenied(err) || errno(err) == errnoNoSuchTable:
		return 0, false, nil
	case err != nil:
		return 0, false, r.fail(opHistory, err, v)
	case len(list) == 0:
		return 0, false, nil
	}
	return list[0].uint("count") + list[0].uint("value"), true, nil
}
