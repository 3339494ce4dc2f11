package binlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
)

// Error numbers that decide.
const (
	errAccessDenied   = 1045 // older servers say so for a missing REPLICATION SLAVE
	errFatalDump      = 1236 // the server cannot send its log from there: many causes
	errSpecificAccess = 1227
)

// verify checks on a new connection that it leads to the same server and that
// the server's log still contains what was read.
func (t *Tailer) verify(sess *session) error {
	id, err := sess.identity()
	if err != nil {
		return err
	}
	t.mu.Lock()
	was := t.identity
	if was == "" {
		t.identity = id
	}
	t.mu.Unlock()
	if was != "" && was != id {
		return &IdentityError{Server: t.srv.Label(), Was: was, Is: id}
	}
	pos := t.asm.pos
	switch pos.Kind {
	case gtid.MySQLGTID:
		executed, err := sess.set("gtid_executed")
		if err != nil {
			return err
		}
		if !executed.Contains(pos.MySQL) {
			return &ResetError{Server: t.srv.Label(), Had: pos, Detail: "gtid_executed lacks " + pos.MySQL.Subtract(executed).String()}
		}
	case gtid.MariaDBGTID:
		binlog, applied, err := sess.mariaPositions()
		if err != nil {
			return err
		}
		// A caller's position may hold domains that were applied without being
		// logged; what came from the log must still be in it.
		if !binlog.Contains(t.asm.loggedPos()) || !binlog.Union(applied).Contains(pos.MariaDB) {
			return &ResetError{Server: t.srv.Label(), Had: pos, Detail: "gtid_binlog_pos is '" + binlog.String() + "'"}
		}
	case gtid.File:
		end, err := sess.status()
		if err != nil {
			return err
		}
		if c, err := end.Compare(pos.File); err != nil || c < 0 {
			return &ResetError{Server: t.srv.Label(), Had: pos, Detail: "its log ends at " + end.String()}
		}
	default:
	}
	return t.verifyEnd(sess, pos)
}

// verifyEnd finds a reset after which the same names were given again: the log
// ends before the place that was read.
func (t *Tailer) verifyEnd(sess *session, pos gtid.Position) error {
	if pos.Kind == gtid.File || pos.File.IsZero() {
		return nil
	}
	end, err := sess.status()
	if err != nil {
		return err
	}
	if c, err := end.Compare(pos.File); err == nil && c < 0 {
		return &ResetError{Server: t.srv.Label(), Had: pos, Detail: "its log ends at " + end.String()}
	}
	return nil
}

// patrolEvery is how often an idle tail looks whether its server is still the
// one it was.
const patrolEvery = 5 * time.Second

// patrol finds a reset that the dump does not show: a server may go on serving
// a log file that it has deleted, and stay silent about the new one. It is
// called at heartbeats, which come only when nothing else does.
func (t *Tailer) patrol(ctx context.Context) error {
	place := t.asm.pos.File
	if c, err := place.Compare(t.expect); err == nil && c < 0 && t.asm.pos.Kind == gtid.File {
		return errBackward // it says that all is sent, and had logged more even before
	}
	if time.Since(t.patrolled) < patrolEvery {
		return nil
	}
	t.patrolled = time.Now()
	ctx, cancel := context.WithTimeout(ctx, patrolEvery)
	defer cancel()
	sess, err := dial(ctx, t.srv)
	if err != nil {
		return nil // the dump is alive; if it ends, reconnecting will tell why
	}
	defer sess.close(false)
	defer sess.bound(ctx)()
	err = t.verify(sess)
	var other *IdentityError
	var reset *ResetError
	if errors.As(err, &other) || errors.As(err, &reset) {
		return err
	}
	if end, err := sess.status(); err == nil {
		t.expect = end
	}
	return nil
}

// resolve turns the caller's position into one that the log can be read from.
func (s *session) resolve(from gtid.Position) (gtid.Position, error) {
	switch {
	case from.Kind == gtid.None:
		return s.now()
	case from.Kind == gtid.File && s.maria():
		// MariaDB's transactions always have GTIDs, and only by them can reading
		// go on safely where events carry no positions (11.4 and later).
		row, err := s.one(fmt.Sprintf("SELECT BINLOG_GTID_POS('%s', %d)", strings.ReplaceAll(from.File.File, "'", "''"), from.File.Pos))
		if err != nil {
			return from, err
		}
		pos, err := gtid.ParseMariaPos(row[0])
		return gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: pos, File: from.File}, err
	case (from.Kind == gtid.MariaDBGTID) != s.maria() && from.Kind != gtid.File:
		return from, fmt.Errorf("a position of kind %s is none of this server", from.Kind)
	}
	return from, nil
}

func (s *session) collations() (collations, error) {
	out := collations{}
	queries := []string{"SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE ID IS NOT NULL"}
	if s.maria() {
		// Since 10.10 only this table has the ids of the newest collations; older
		// servers lack its ID column.
		queries = append(queries, "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID IS NOT NULL")
	}
	for i, q := range queries {
		rows, err := s.rows(q)
		if err != nil && i == 0 {
			return nil, err
		}
		for _, r := range rows {
			var id uint64
			if _, err := fmt.Sscan(r[0], &id); err == nil && r[1] != "" {
				out[id] = r[1]
			}
		}
	}
	return out, nil
}

// explain gives an error of a connection or of the dump its type.
func (t *Tailer) explain(ctx context.Context, pos gtid.Position, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch n := cluster.ErrorNumber(err); n {
	case 0:
		return err
	case errSpecificAccess, errAccessDenied:
		return &PrivilegeError{Server: t.srv.Label(), Privilege: "REPLICATION SLAVE", Account: t.account(), Err: err}
	case errFatalDump:
		if purged := t.purged(ctx, pos, err); purged != nil {
			return purged
		}
		return &DumpError{Server: t.srv.Label(), From: pos, Number: n, Err: err}
	default:
		if cluster.IsTransient(err) {
			return err
		}
		return t.srv.Explain("read the binary log", err)
	}
}

// account is the account as a GRANT names it.
func (t *Tailer) account() string {
	user, host, ok := strings.Cut(t.srv.Facts().Account, "@")
	if !ok {
		return ""
	}
	return "'" + user + "'@'" + host + "'"
}

// purgedTimeout is long: without an answer, a log that is gone is taken for a refusal that nothing mends.
const purgedTimeout = time.Minute

// purged finds out whether the log that is needed is gone. The server's error
// number alone does not tell.
func (t *Tailer) purged(ctx context.Context, pos gtid.Position, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, purgedTimeout)
	defer cancel()
	sess, err := dial(ctx, t.srv)
	if err != nil {
		return nil
	}
	defer sess.close(false)
	defer sess.bound(ctx)()
	logs, err := sess.rows("SHOW BINARY LOGS")
	if err != nil || len(logs) == 0 {
		return nil
	}
	e := &PurgedError{Server: t.srv.Label(), Need: pos, Err: cause}
	switch pos.Kind {
	case gtid.MySQLGTID:
		gone, err := sess.set("gtid_purged")
		if err != nil || pos.MySQL.Contains(gone) {
			return nil
		}
		e.Missing = gone.Subtract(pos.MySQL).String()
		return e
	case gtid.MariaDBGTID:
		row, err := sess.one(fmt.Sprintf("SELECT BINLOG_GTID_POS('%s', 4)", strings.ReplaceAll(logs[0][0], "'", "''")))
		if err != nil {
			return nil
		}
		first, err := gtid.ParseMariaPos(row[0])
		if err != nil || pos.MariaDB.Contains(first) {
			return nil
		}
		e.Missing = "up to " + first.String()
		return e
	default:
		for _, l := range logs {
			if l[0] == pos.File.File {
				return nil
			}
		}
		newest := gtid.FilePos{File: logs[len(logs)-1][0], Pos: pos.File.Pos}
		if c, err := newest.Compare(pos.File); err == nil && c < 0 { // its numbers began anew
			return &ResetError{Server: t.srv.Label(), Had: pos, Detail: "its newest log file is " + newest.File}
		}
		e.Missing = pos.File.File + "; the oldest is " + logs[0][0]
		return e
	}
}

// loadTable reads a table's present definition, then the position at which it is surely valid. A server that does not
// answer is asked again as long as it may be gone: without the definition, its rows could not be judged for good.
func (t *Tailer) loadTable(schema, table string) (def *Table, pos gtid.Position, err error) {
	err = untilDone(t.life, t.opt.MaxOutage, func() error {
		def, pos, err = t.loadNow(schema, table)
		return err
	})
	return def, pos, err
}

// untilDone does what may succeed later until it does, or the patience ends.
func untilDone(ctx context.Context, patience time.Duration, do func() error) error {
	begin := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := do()
		if err == nil || !retriable(err) || time.Since(begin) > patience {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

func (t *Tailer) loadNow(schema, table string) (*Table, gtid.Position, error) {
	ctx, cancel := context.WithTimeout(t.life, 15*time.Second)
	defer cancel()
	def, err := cluster.LoadTable(ctx, t.srv, schema, table)
	if err != nil {
		return nil, gtid.Position{}, err
	}
	if def == nil {
		return nil, gtid.Position{}, errors.New("no such table")
	}
	sess, err := dial(ctx, t.srv)
	if err != nil {
		return nil, gtid.Position{}, err
	}
	defer sess.close(false)
	defer sess.bound(ctx)()
	pos, err := sess.now()
	return TableOf(def), pos, err
}

// TableOf is the part of a definition that the decoder uses.
func TableOf(t *cluster.Table) *Table {
	out := &Table{Schema: t.Schema, Name: t.Name, Columns: make([]Column, 0, len(t.Columns))}
	for i := range t.Columns {
		c := &t.Columns[i]
		col := Column{
			Name: c.Name, DataType: c.DataType, Unsigned: c.Unsigned, Charset: c.Charset, Collation: c.Collation, Labels: c.Labels,
		}
		switch c.DataType {
		case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
			col.Charset = "binary"
		}
		out.Columns = append(out.Columns, col)
	}
	if t.Kind == cluster.TableVersioned && !slices.ContainsFunc(t.Columns, func(c cluster.Column) bool { return c.System }) {
		// Where a table does not name the period of its rows, MariaDB shows it nowhere and logs it behind all columns.
		for _, name := range []string{"row_start", "row_end"} {
			out.Columns = append(out.Columns, Column{Name: name, DataType: "timestamp"})
		}
	}
	return out
}

func tablesOf(list []cluster.Table) []*Table {
	out := make([]*Table, len(list))
	for i := range list {
		out[i] = TableOf(&list[i])
	}
	return out
}
