package measure

import (
	"context"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// ownWrites counts the transactions that a server itself logged after one of its positions and up to a later one. known is
// false where they cannot be counted: without a binary log, after it was reset or purged, or without the privilege.
//
// MySQL numbers its own by its UUID; MariaDB keeps the last number of each writer in each domain; by file and position,
// and where others number with the server's UUID too, the log itself is read.
func ownWrites(ctx context.Context, s *cluster.Server, from, to gtid.Position) (n int64, known bool, err error) {
	f := s.Facts()
	if !f.LogBin || from.IsZero() || to.IsZero() {
		return 0, false, nil
	}
	switch {
	case f.IsMariaDB():
		return ownMaria(ctx, s, from, to)
	case from.Kind == gtid.MySQLGTID && to.Kind == gtid.MySQLGTID && !f.GroupReplication:
		if !to.MySQL.Contains(from.MySQL) {
			return 0, false, nil // the log was reset
		}
		a, err := assigns(ctx, s)
		if err != nil {
			return 0, false, err
		}
		u, err := gtid.ParseUUID(f.ServerUUID)
		if err == nil && a == assignsNot {
			return int64(to.MySQL.Subtract(from.MySQL).Of(u).Count()), true, nil
		}
	}
	return ownInLog(ctx, s, from, to)
}

func ownMaria(ctx context.Context, s *cluster.Server, from, to gtid.Position) (int64, bool, error) {
	if !to.MariaDB.Contains(from.MariaDB) {
		return 0, false, nil
	}
	list, err := query(ctx, s.DB(), "SELECT @@global.gtid_binlog_state AS state")
	if err != nil || len(list) == 0 {
		return 0, false, s.Explain("read gtid_binlog_state", err)
	}
	state, err := gtid.ParseMariaState(list[0]["state"])
	if err != nil {
		return 0, false, s.Explain("read gtid_binlog_state", err)
	}
	var own int64
	mixed := false
	for _, g := range state {
		last, _ := from.MariaDB.Last(g.Domain)
		if g.Server != s.Facts().ServerID || g.Seq <= last.Seq {
			continue
		}
		own += int64(g.Seq - last.Seq)
		for _, other := range state {
			mixed = mixed || other.Domain == g.Domain && other.Server != g.Server && other.Seq > last.Seq
		}
	}
	if mixed { // the numbers in between are not all its own
		return ownInLog(ctx, s, from, to)
	}
	return own, true, nil
}

// logLimit bounds the reading of a piece of log. What takes longer is not known.
const logLimit = 20 * time.Second

// ownInLog reads the log and counts the transactions that bear the server's own id.
func ownInLog(ctx context.Context, s *cluster.Server, from, to gtid.Position) (int64, bool, error) {
	var n int64
	known, err := readLog(ctx, s, from, to, func(string, string) bool { return false }, func(tx *binlog.Transaction) error {
		if tx.Last && tx.ServerID == s.Facts().ServerID {
			n++
		}
		return nil
	})
	return n, known, err
}

// writtenBy counts the transactions that a server logged between two of its positions and that sessions of some ids wrote.
// known is false where the log does not tell the writers' ids, or cannot be read: then read is false, too.
func writtenBy(ctx context.Context, s *cluster.Server, from, to gtid.Position, ids map[uint64]bool) (n int64, known, read bool, err error) {
	if !s.Facts().LogBin || from.IsZero() || to.IsZero() {
		return 0, false, false, nil
	}
	own, told := 0, 0
	read, err = readLog(ctx, s, from, to, func(string, string) bool { return false }, func(tx *binlog.Transaction) error {
		if !tx.Last || tx.ServerID != s.Facts().ServerID {
			return nil
		}
		if own++; tx.ThreadID != 0 {
			told++
		}
		if tx.ThreadID != 0 && ids[tx.ThreadID] {
			n++
		}
		return nil
	})
	return n, read && (own == 0 || told > 0), read, err
}

// readLog gives each transaction between two positions, heartbeats aside. ok is false if the log could not be read to the
// end; errors are those of another server at the address, of the context, and of visit.
func readLog(ctx context.Context, s *cluster.Server, from, to gtid.Position, watch func(schema, table string) bool, visit func(*binlog.Transaction) error) (ok bool, err error) {
	return readLogFor(ctx, s, from, to, logLimit, watch, visit)
}

// readLogFor is readLog with a limit for how long nothing may come: a server that refuses a transaction takes each new
// connection and refuses it again.
func readLogFor(ctx context.Context, s *cluster.Server, from, to gtid.Position, idle time.Duration, watch func(schema, table string) bool,
	visit func(*binlog.Transaction) error,
) (ok bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	t, err := binlog.Tail(bounded, s, from, binlog.Options{Watch: watch, AnyFormat: true, MaxOutage: logLimit})
	if err != nil {
		return false, ofLog(ctx, err)
	}
	defer t.Close()
	late := time.AfterFunc(idle, cancel)
	defer late.Stop()
	for {
		done, err := t.CaughtUpTo(to)
		if err != nil || done {
			return done, ofLog(ctx, err)
		}
		tx, err := t.Next(bounded)
		if err != nil {
			return false, ofLog(ctx, err)
		}
		late.Reset(idle)
		if tx.Heartbeat {
			continue
		}
		if err := visit(tx); err != nil {
			return false, err
		}
	}
}

// ofLog keeps the errors that end a measurement; others only mean that the log is not known.
func ofLog(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if cluster.IsServerChanged(err) || isIdentity(err) {
		return err
	}
	return nil
}
