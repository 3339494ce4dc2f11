package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"crosscheck/cluster/gtid"
)

// placeLimit is how long MariaDB may take to say where its log ends.
const placeLimit = 2 * time.Second

// Position is the position that covers everything that the server has
// committed until now; it never covers less. It may cover a little more: a
// place in the binary log includes transactions that are written but not yet
// visible.
//
// MySQL with gtid_mode=ON gives gtid_executed. With any other mode anonymous
// transactions may exist, so the place in the binary log is the proof, and the
// set, if there is one, only comes along. MariaDB gives, per domain, the later
// of gtid_binlog_pos (all that was logged here, written or replicated) and
// gtid_slave_pos (all that was replicated, logged or not). gtid_current_pos
// would not do: it leaves out what this server logged under an earlier
// server_id.
//
// The place in the binary log is read after the GTIDs, so it covers them.
//
// Without the privilege to read the place (REPLICATION CLIENT) a position with
// GTIDs comes without it. So it does while MariaDB does not say where its log
// ends, which is as long as a commit waits for its semi-sync acknowledgement
// and another one behind it. Errors are *PrivilegeError and *ServerError.
func (s *Server) Position(ctx context.Context) (gtid.Position, error) {
	r := reader{s}
	if s.facts.IsMariaDB() {
		return r.mariaPosition(ctx)
	}
	return r.mysqlPosition(ctx)
}

func (r reader) mysqlPosition(ctx context.Context) (gtid.Position, error) {
	mode, err := r.gtidMode(ctx)
	if err != nil {
		return gtid.Position{}, err
	}
	var p gtid.Position
	status, err := r.rows(ctx, r.facts.Words().ShowLogEnd)
	switch {
	case err != nil && isDenied(err) && mode == gtidOn:
		// gtid_executed needs no privilege; only the place stays unknown.
	case err != nil:
		return gtid.Position{}, r.fail(opPosition, err)
	case len(status) > 0:
		p.File = gtid.FilePos{File: status[0].str("file"), Pos: status[0].uint("position")}
		if p.MySQL, err = gtid.ParseSet(status[0].str("executed_gtid_set")); err != nil {
			return gtid.Position{}, r.fail(opPosition, err)
		}
	}
	switch {
	case mode == gtidOn && p.File.IsZero():
		p.Kind = gtid.MySQLGTID
		p.MySQL, err = r.executed(ctx)
	case mode == gtidOn:
		p.Kind = gtid.MySQLGTID
	case !p.File.IsZero():
		p.Kind = gtid.File
	default:
		err = r.noBinlog()
	}
	return p, err
}

func (r reader) noBinlog() error {
	return fmt.Errorf("%s (%s): %s: its binary log is off and it has no GTIDs, so nothing says how far it is; start it with log_bin",
		r.Label(), r.cfg.Addr, opPosition)
}

// executed reads gtid_executed.
func (r reader) executed(ctx context.Context) (gtid.Set, error) {
	text, err := r.strings(ctx, "SELECT @@global.gtid_executed")
	if err != nil {
		return gtid.Set{}, r.fail(opPosition, err)
	}
	set, err := gtid.ParseSet(text[0])
	if err != nil {
		return gtid.Set{}, r.fail(opPosition, err)
	}
	return set, nil
}

// Values of gtid_mode that matter here.
const (
	gtidOn  = "ON"
	gtidOff = "OFF"
)

// gtidMode is asked for each time, because it can be changed at any time.
// Servers before 5.6 have none.
func (r reader) gtidMode(ctx context.Context) (string, error) {
	if r.facts.GTIDMode == "" {
		return gtidOff, nil
	}
	mode, err := r.strings(ctx, "SELECT @@global.gtid_mode")
	if err != nil {
		return "", r.fail(opPosition, err)
	}
	return strings.ToUpper(mode[0]), nil
}

func (r reader) mariaPosition(ctx context.Context) (gtid.Position, error) {
	binlog, slave, err := r.mariaPositions(ctx)
	if err != nil {
		return gtid.Position{}, err
	}
	p := gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: binlog.Union(slave)}
	sctx, cancel := context.WithTimeout(ctx, placeLimit)
	defer cancel()
	status, err := r.rows(sctx, r.facts.Words().ShowLogEnd)
	silent := sctx.Err() != nil && ctx.Err() == nil
	if err != nil && !isDenied(err) && !silent {
		return gtid.Position{}, r.fail(opPosition, err)
	}
	if len(status) > 0 {
		p.File = gtid.FilePos{File: status[0].str("file"), Pos: status[0].uint("position")}
	}
	if err == nil && len(status) == 0 && p.MariaDB.IsEmpty() {
		return gtid.Position{}, r.noBinlog()
	}
	return p, nil
}

// mariaPositions reads what a MariaDB server has logged and what it has
// applied from elsewhere.
func (r reader) mariaPositions(ctx context.Context) (binlog, slave gtid.MariaPos, err error) {
	text, err := r.strings(ctx, "SELECT @@global.gtid_slave_pos, @@global.gtid_binlog_pos")
	if err != nil {
		return binlog, slave, r.fail(opPosition, err)
	}
	if slave, err = gtid.ParseMariaPos(text[0]); err == nil {
		binlog, err = gtid.ParseMariaPos(text[1])
	}
	if err != nil {
		err = r.fail(opPosition, err)
	}
	return binlog, slave, err
}
