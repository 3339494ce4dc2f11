package measure

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/gate"
)

// The actions: all that crosscheck may change.
const (
	ActionSetSteps    = "set-steps"
	ActionKillStale   = "kill-stale-sessions"
	ActionRestoreStep = "restore-step"
)

// Actions lists them.
func Actions() []string { return []string{ActionSetSteps, ActionKillStale, ActionRestoreStep} }

// ErrUnknownAction is returned for any other name.
var ErrUnknownAction = errors.New("crosscheck does not make this change")

// Statement is one statement and the side that it is for, "old" or "new".
type Statement struct {
	Side string
	SQL  string
	// Session is whom a KILL is meant for; nil for other statements.
	Session *gate.Session

	older bool // it is meant for being older than the step, not for the step that it shows
}

// Change is what an action would do now.
type Change struct {
	Name       string
	Statements []Statement
	// Notes say what could not be known, and so is left alone.
	Notes []string

	servers map[string]*cluster.Server
}

// Prepare finds out what an action would do now. It changes nothing and needs no privilege beyond those for reading.
// Errors: ErrUnknownAction, a *cluster.ServerChangedError, those of asking, and that something else controls the step.
func Prepare(ctx context.Context, s Servers, action string, r Request) (Change, error) {
	m, err := begin(ctx, s, r)
	if err != nil {
		return Change{}, err
	}
	c := Change{Name: action, servers: map[string]*cluster.Server{nodeOld: m.old, nodeNew: m.new}}
	switch action {
	case ActionSetSteps:
		// The values that the gate advises: old makes odd keys, new makes even ones.
		if err = c.setStep(ctx, nodeOld, gate.Step{Increment: 2, Offset: 1}); err == nil {
			err = c.setStep(ctx, nodeNew, gate.Step{Increment: 2, Offset: 2})
		}
	case ActionRestoreStep:
		err = c.setStep(ctx, nodeNew, gate.Step{Increment: 1, Offset: 1})
	case ActionKillStale:
		if err = c.killStale(ctx, m, nodeOld); err == nil {
			err = c.killStale(ctx, m, nodeNew)
		}
	default:
		err = fmt.Errorf("%w: %q; it makes %s", ErrUnknownAction, action, strings.Join(Actions(), ", "))
	}
	if err == nil {
		err = m.same(ctx)
	}
	return c, err
}

// setStep adds the statements that give a side a step; none if it has it for good already.
func (c *Change) setStep(ctx context.Context, side string, want gate.Step) error {
	s := c.servers[side]
	st, err := s.Steps(ctx)
	if err != nil {
		return err
	}
	if st.Driver != "" {
		return fmt.Errorf("%s: %s: the step is set by %s: turn that off on it first", side, c.Name, st.Driver)
	}
	now := stepOf(st.Global)
	kept, _, err := persisted(ctx, s, now)
	if err != nil {
		return err
	}
	word, keeps, safe := "SET GLOBAL ", !s.Facts().IsMariaDB() && s.Facts().AtLeast(8, 0, 0), kept != nil && *kept == want
	switch {
	case keeps:
		word = "SET PERSIST "
	case !safe:
		c.Notes = append(c.Notes, fmt.Sprintf("%s does not keep over a restart what is set at run time: see that its option file gives auto_increment_offset = %d and auto_increment_increment = %d",
			side, want.Offset, want.Increment))
	}
	if now == want && (safe || !keeps) {
		return nil
	}
	offset := Statement{Side: side, SQL: word + "auto_increment_offset = " + strconv.Itoa(want.Offset)}
	increment := Statement{Side: side, SQL: word + "auto_increment_increment = " + strconv.Itoa(want.Increment)}
	if want.Increment > 1 {
		// Offset first: a session that starts in between must not get the pair of the other side.
		c.Statements = append(c.Statements, offset, increment)
	} else {
		// And here increment first: an offset above the increment is ignored, the old increment with offset 1 is old's pair.
		c.Statements = append(c.Statements, increment, offset)
	}
	return nil
}

// killStale adds a KILL for each session that has another step than its server, or may have.
func (c *Change) killStale(ctx context.Context, m *measurement, side string) error {
	s := c.servers[side]
	v, err := lookAtSteps(ctx, s)
	if err != nil {
		return err
	}
	if v.hidden {
		return c.killOlder(ctx, m, side)
	}
	for _, x := range v.stale {
		still, err := stillStale(ctx, s, s.DB(), session(x))
		if err != nil {
			return err
		}
		if !still {
			continue // it ended meanwhile, or belongs to the server
		}
		if x.MayBeOwn {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: session %d of %s@%s may be crosscheck's own", side, x.ID, x.User, x.Host))
			continue
		}
		c.kill(side, session(x), false)
	}
	return nil
}

// killOlder is killStale for a server that shows no session's step: by the last evidence of the steps, as the gate said.
func (c *Change) killOlder(ctx context.Context, m *measurement, side string) error {
	now, err := m.stepSide(ctx, c.servers[side])
	if err != nil {
		return err
	}
	last, _, ok := newest[gate.Steps](m)
	before := last.Old
	if side == nodeNew {
		before = last.New
	}
	if now.Mark == 0 || !ok || before.Mark != now.Mark {
		if now.Mark > 0 {
			c.Notes = append(c.Notes, side+" does not show the steps of its sessions: judge the gate first, which finds out who may have another one")
		}
		return nil
	}
	for _, who := range now.Stale {
		still, err := stillThere(ctx, c.servers[side], nil, who)
		if err != nil {
			return err
		}
		if still {
			c.kill(side, who, true)
		} else {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: session %d of %s@%s has ended, or may be crosscheck's own", side, who.ID, who.User, who.Host))
		}
	}
	return nil
}

func (c *Change) kill(side string, who gate.Session, older bool) {
	c.Statements = append(c.Statements, Statement{Side: side, SQL: fmt.Sprintf("KILL %d", who.ID), Session: &who, older: older})
}

// Apply makes the change. Each side is asked for the privilege before anything is changed on any, and whether it is still
// the server that Prepare saw. A session is killed only if it is still the same one and still stale.
//
// The action lists the statements that were run; after an error it tells what was done before it. It is Applied unless
// Apply failed before the first statement.
func (c Change) Apply(ctx context.Context) (gate.Action, error) {
	out := gate.Action{Name: c.Name, Statements: []string{}}
	conns, err := c.open(ctx)
	for _, conn := range conns {
		defer conn.Close()
	}
	if err != nil {
		out.Error = err.Error()
		return out, err
	}
	out.Applied = true
	killed := map[string][]uint64{}
	for _, st := range c.Statements {
		done, err := c.run(ctx, conns[st.Side], st)
		if done {
			out.Statements = append(out.Statements, st.Side+": "+st.SQL)
		}
		if err != nil {
			out.Error = err.Error()
			return out, err
		}
		if done && st.Session != nil {
			killed[st.Side] = append(killed[st.Side], st.Session.ID)
		}
	}
	if err := c.gone(ctx, killed); err != nil {
		out.Error = err.Error()
		return out, err
	}
	return out, nil
}

// gone waits until the sessions that were killed, by side, have ended, which a server does in its own time: who looks at them
// next shall not take them for alive. One that has much to undo takes longer than this waits, and is still there.
func (c Change) gone(ctx context.Context, killed map[string][]uint64) error {
	const patience, between = 10 * time.Second, 20 * time.Millisecond
	for end := time.Now().Add(patience); len(killed) > 0 && time.Now().Before(end); {
		for side, ids := range killed {
			list, err := c.servers[side].Sessions(ctx)
			if err != nil {
				return err
			}
			there := func(x cluster.Session) bool { return slices.Contains(ids, x.ID) }
			if !slices.ContainsFunc(list, there) {
				delete(killed, side)
			}
		}
		if len(killed) > 0 {
			if err := pause(ctx, between); err != nil {
				return err
			}
		}
	}
	return nil
}

// open gets one connection for each side that is changed, to the server that is meant, with the right to change it.
func (c Change) open(ctx context.Context) (map[string]*sql.Conn, error) {
	out := map[string]*sql.Conn{}
	for _, st := range c.Statements {
		if out[st.Side] != nil {
			continue
		}
		s := c.servers[st.Side]
		conn, err := s.DB().Conn(ctx)
		if err != nil {
			return out, s.Explain(c.Name, err)
		}
		out[st.Side] = conn
		if err := sameOn(ctx, s, conn); err != nil {
			return out, err
		}
		if err := allowed(ctx, s, conn, st); err != nil {
			return out, err
		}
	}
	return out, nil
}

// sameOn asks one connection whether it leads to the server that was opened: behind a load balancer each may lead elsewhere.
func sameOn(ctx context.Context, s *cluster.Server, conn *sql.Conn) error {
	if err := s.SameServer(ctx); err != nil {
		return err
	}
	f := s.Facts()
	list, err := query(ctx, conn, "SELECT @@global.server_id AS id, @@global.hostname AS host, @@global.port AS port, @@global.datadir AS dir")
	if err != nil || len(list) != 1 {
		return s.Explain("ask for the server's identity", err)
	}
	r := list[0]
	if r["id"] != strconv.FormatUint(uint64(f.ServerID), 10) || r["host"] != f.Hostname || r["port"] != strconv.Itoa(f.Port) || r["dir"] != f.DataDir {
		return &cluster.ServerChangedError{Label: s.Label(), Addr: s.Config().Addr, Want: f.ServerUUID, Got: fmt.Sprintf("server_id %s on %s:%s", r["id"], r["host"], r["port"])}
	}
	return nil
}

// run runs one statement; done is false where it was not needed any more.
func (c Change) run(ctx context.Context, conn *sql.Conn, st Statement) (done bool, err error) {
	s := c.servers[st.Side]
	if st.Session != nil {
		look := stillStale
		if st.older {
			look = stillThere
		}
		still, lookErr := look(ctx, s, conn, *st.Session)
		if lookErr != nil || !still {
			return false, lookErr
		}
	}
	_, err = conn.ExecContext(ctx, st.SQL)
	const noSuchThread = 1094 // it went by itself
	if st.Session != nil && cluster.ErrorNumber(err) == noSuchThread {
		return false, nil
	}
	if err != nil && cluster.IsPermission(err) || cluster.ErrorNumber(err) == errKillDenied {
		return false, denied(s, st, refusedRight(s.Facts(), st))
	}
	return true, s.Explain(c.Name+": "+st.SQL, err)
}

// stillStale looks again, right before the KILL: the session is there, of the same account and host, is no thread of the
// server nor of replication nor ours, and has another step than the server.
func stillStale(ctx context.Context, s *cluster.Server, db querier, who gate.Session) (bool, error) {
	const q = "SELECT t.NAME AS name, t.PROCESSLIST_USER AS user, t.PROCESSLIST_HOST AS host, t.PROCESSLIST_COMMAND AS command, t.TYPE AS type, " +
		"COALESCE(a.ATTR_VALUE, '') AS program, t.PROCESSLIST_ID = CONNECTION_ID() AS me, " +
		"i.VARIABLE_VALUE <> @@global.auto_increment_increment OR o.VARIABLE_VALUE <> @@global.auto_increment_offset AS stale " +
		"FROM performance_schema.threads t " +
		"JOIN performance_schema.variables_by_thread i ON i.THREAD_ID = t.THREAD_ID AND i.VARIABLE_NAME = 'auto_increment_increment' " +
		"JOIN performance_schema.variables_by_thread o ON o.THREAD_ID = t.THREAD_ID AND o.VARIABLE_NAME = 'auto_increment_offset' " +
		"LEFT JOIN performance_schema.session_connect_attrs a ON a.PROCESSLIST_ID = t.PROCESSLIST_ID AND a.ATTR_NAME = 'program_name' " +
		"WHERE t.PROCESSLIST_ID = ?"
	list, err := query(ctx, db, q, who.ID)
	if err != nil {
		return false, s.Explain(fmt.Sprintf("look at session %d again", who.ID), err)
	}
	if len(list) != 1 {
		return false, nil
	}
	r := list[0]
	if r["name"] == "thread/sql/event_worker" || strings.HasPrefix(r["user"], "mysql.") {
		return false, nil // an event, or one of the server's own accounts
	}
	return r["user"] == who.User && r["host"] == who.Host && r["type"] == "FOREGROUND" && r["me"] == "0" && r["stale"] == "1" &&
		!replicaCommand(r["command"]) && r["command"] != "Daemon" && r["program"] != ownProgram, nil
}

// stillThere is stillStale for a server that shows no session's step. Connection ids are not given again, so whoever has it
// is as old as it was.
func stillThere(ctx context.Context, s *cluster.Server, _ querier, who gate.Session) (bool, error) {
	list, err := s.Sessions(ctx) // without the server's own threads
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(list, func(c cluster.Session) bool {
		return session(c) == who && !c.MayBeOwn && !replicaCommand(c.Command)
	}), nil
}

// ownProgram is the name by which crosscheck's connections call themselves.
const ownProgram = "crosscheck"

// Texts are the statements with their sides, as gate.Action lists them.
func (c Change) Texts() []string {
	out := make([]string, 0, len(c.Statements))
	for _, st := range c.Statements {
		out = append(out, st.Side+": "+st.SQL)
	}
	return out
}
