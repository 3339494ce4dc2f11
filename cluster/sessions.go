package cluster

import (
	"context"
	"net"
	"slices"
	"strconv"
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
	// MayBeOwn: the server does not know programs (performance_schema is off),
	// and the session comes from our account and host.
	MayBeOwn bool
}

// Sessions lists the connections of clients, replicas among them, without the
// server's own threads and without those that are known to be crosscheck's.
// Other accounts' sessions need PROCESS. The statements' texts are not asked
// for: they may hold data.
func (s *Server) Sessions(ctx context.Context) ([]Session, error) {
	r := reader{s}
	// All sources are read on one connection, whose own row tells who we are.
	const columns = "SELECT p.id AS id, p.user AS user, p.host AS host, p.db AS db, p.command AS command, p.time AS time, p.state AS state, " +
		"CONNECTION_ID() AS me FROM "
	from := "information_schema.processlist"
	if !s.facts.IsMariaDB() && s.facts.AtLeast(8, 0, 22) && s.facts.PerformanceSchema {
		// The older view takes a lock that all sessions need. Without performance_schema the newer one is empty.
		from = "performance_schema.processlist"
	}
	list, err := r.rows(ctx, columns+from+" p")
	if n := ErrorNumber(err); n != 0 && (n == errNoSuchTable || isDenied(err)) {
		from = "information_schema.processlist"
		list, err = r.rows(ctx, columns+from+" p")
	}
	if err != nil {
		return nil, r.fail(opSessions, err)
	}
	programs := r.programs(ctx)
	var me Session
	out := make([]Session, 0, len(list))
	for _, x := range list {
		c := sessionOf(x)
		c.Program = programs[c.ID]
		switch {
		case c.ID == x.uint("me"):
			me = c
		case c.User == "system user", c.User == "event_scheduler", c.Command == "Daemon", c.Program == programName:
		default:
			out = append(out, c)
		}
	}
	for i, c := range out {
		out[i].MayBeOwn = me.Program == "" && c.User == me.User && c.Host == me.Host
	}
	nameless := func(c Session) bool { return c.Program == "" && c.User == me.User && c.Host == me.Host }
	if me.Program == "" || !slices.ContainsFunc(out, nameless) {
		return out, nil
	}
	// One of ours that ended between the two looks has no program any more.
	list, err = r.rows(ctx, "SELECT p.id AS id FROM "+from+" p")
	if err != nil {
		return nil, r.fail(opSessions, err)
	}
	return slices.DeleteFunc(out, func(c Session) bool {
		return nameless(c) && !slices.ContainsFunc(list, func(x row) bool { return x.uint("id") == c.ID })
	}), nil
}

func sessionOf(x row) Session {
	c := Session{
		ID: x.uint("id"), User: x.str("user"), DB: x.str("db"), Command: x.str("command"), State: x.str("state"),
		Host: hostOnly(x.str("host")),
	}
	if sec := x.optInt("time"); sec != nil {
		c.Time = time.Duration(max(*sec, 0)) * time.Second
	}
	return c
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

// ThreadsRunning is the number of sessions that work right now, this one among
// them.
func (s *Server) ThreadsRunning(ctx context.Context) (int, error) {
	const op = "read Threads_running"
	x, err := reader{s}.strings(ctx, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
	if err != nil {
		return 0, s.Explain(op, err)
	}
	n, err := strconv.Atoi(x[len(x)-1])
	return n, s.Explain(op, err)
}

// HistoryLength is the count of undo records that InnoDB has not purged yet.
// ok is false where the server does not say, or not to us.
func (s *Server) HistoryLength(ctx context.Context) (n uint64, ok bool, err error) {
	r := reader{s}
	q := "SELECT count FROM information_schema.innodb_metrics WHERE name='trx_rseg_history_len' AND status='enabled'"
	if s.facts.IsMariaDB() {
		q = "SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'"
	}
	list, err := r.rows(ctx, q)
	switch {
	case isDenied(err) || ErrorNumber(err) == errNoSuchTable:
		return 0, false, nil
	case err != nil:
		return 0, false, r.fail(opHistory, err)
	case len(list) == 0:
		return 0, false, nil
	}
	return list[0].uint("count") + list[0].uint("value"), true, nil
}
