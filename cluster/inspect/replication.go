package inspect

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
)

func (r *reader) readChannels(ctx context.Context) error {
	if r.lacks(cluster.PrivReplicaMonitor) || r.lacks(cluster.PrivReplicationClient) {
		return nil // Missing says so
	}
	var err error
	r.side.Channels, err = r.Channels(ctx)
	return err
}

func (r *reader) lacks(p cluster.Privilege) bool {
	for _, m := range r.side.Missing {
		if m.Privilege == p {
			return true
		}
	}
	return false
}

// readBinlogFilters reads what the server keeps out of its own binary log.
func (r *reader) readBinlogFilters(ctx context.Context) error {
	if on := r.side.Variables["log_bin"]; r.lacks(cluster.PrivReplicationClient) || (on != "ON" && on != "1") {
		return nil
	}
	return r.each(ctx, r.side.Facts.Words().ShowLogEnd, func(rows *sql.Rows) error {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, c := range columns {
			name := strings.ReplaceAll(strings.ToLower(c), "_", "-")
			if (name == "binlog-do-db" || name == "binlog-ignore-db") && values[i].String != "" {
				r.side.BinlogFilters = append(r.side.BinlogFilters, name+"="+values[i].String)
			}
		}
		return nil
	})
}

// readGlobalFilters reads the filters that every new channel gets, where no
// channel shows them yet.
func (r *reader) readGlobalFilters(ctx context.Context) error {
	if f := r.side.Facts; f.IsMariaDB() || !f.AtLeast(8, 0, 11) || len(r.side.Channels) > 0 {
		return nil
	}
	err := r.each(ctx, "SELECT FILTER_NAME, FILTER_RULE FROM performance_schema.replication_applier_global_filters", func(rows *sql.Rows) error {
		var name, rule string
		err := rows.Scan(&name, &rule)
		if rule != "" {
			r.side.GlobalFilters = append(r.side.GlobalFilters, strings.ReplaceAll(strings.ToLower(name), "_", "-")+"="+rule)
		}
		return err
	})
	if cluster.IsPermission(err) {
		return nil // without SELECT on everything, which is said
	}
	return err
}

// relate finds out how the two replicate now.
func relate(ctx context.Context, readers []*reader, pair *Pair) error {
	for _, r := range readers {
		if r.lacks(cluster.PrivReplicaMonitor) || r.lacks(cluster.PrivReplicationClient) {
			return nil
		}
	}
	return readers[1].attempt(ctx, "replication between the two", func(ctx context.Context) error {
		rel, err := cluster.Relate(ctx, readers[0].Server, readers[1].Server)
		if errors.Is(err, cluster.ErrSameServer) {
			pair.Same = true
			return nil
		}
		if err != nil {
			return err
		}
		pair.Relation = Relation{Known: true, Mode: rel.Mode, Reason: rel.Reason}
		for _, l := range []*cluster.Link{rel.OldToNew, rel.NewToOld} {
			if l == nil {
				continue
			}
			state, err := stateOf(ctx, l, readers)
			if err != nil {
				return err
			}
			pair.Relation.Links = append(pair.Relation.Links, Link{
				From: l.From(), To: l.To(), Running: state.Running, Trouble: state.Trouble, Errno: state.Errno,
			})
			if state.Running {
				labeled(readers, l.From()).settle(ctx, l)
			}
		}
		return nil
	})
}

func labeled(readers []*reader, label string) *reader {
	return readers[slices.IndexFunc(readers, func(r *reader) bool { return r.Label() == label })]
}

// stateOf is how a link is doing. A receiver that was started a moment ago and
// has met no error yet is given the time to connect.
func stateOf(ctx context.Context, l *cluster.Link, readers []*reader) (cluster.LinkState, error) {
	const tries, pause = 100, 100 * time.Millisecond
	for i := 0; ; i++ {
		state, err := l.State(ctx)
		if err != nil || state.Running || state.Errno != 0 || i == tries {
			return state, err
		}
		channels, err := labeled(readers, l.To()).Channels(ctx)
		if err != nil {
			return state, err
		}
		if !slices.ContainsFunc(channels, func(c cluster.ReplicaChannel) bool { return c.IOConnecting && c.IOErrno == 0 }) {
			return state, nil
		}
		select {
		case <-ctx.Done():
			return state, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// settleTimeout is how long replication may take to bring over what was there
// when we came, on busy servers too: a table that was made a moment ago is not
// missing. A replica that is further behind shows its differences.
const settleTimeout = 15 * time.Second

func (r *reader) settle(ctx context.Context, l *cluster.Link) {
	p, err := r.Position(ctx)
	if err == nil {
		err = l.Wait(ctx, p, cluster.WaitOptions{FailFast: true, Timeout: settleTimeout, StopGrace: 100 * time.Millisecond})
	}
	if err != nil {
		r.log.Debug("schemas are compared though replication has not arrived", "from", l.From(), "to", l.To(), "error", err)
	}
}

// clockSamples is how often each clock is read; the fastest answer counts,
// because the server's moment lies somewhere within the round trip.
const clockSamples = 5

// compareClocks measures both clocks against ours.
func compareClocks(ctx context.Context, readers []*reader) (Clock, error) {
	var offset, bound [2]time.Duration
	for i, r := range readers {
		known := false
		err := r.attempt(ctx, "clock", func(ctx context.Context) error {
			var err error
			offset[i], bound[i], err = r.clock(ctx)
			known = err == nil
			return err
		})
		if err != nil || !known {
			return Clock{}, err
		}
	}
	return Clock{Known: true, Offset: offset[1] - offset[0], Bound: bound[0] + bound[1]}, nil
}

func (r *reader) clock(ctx context.Context) (offset, bound time.Duration, err error) {
	conn, err := r.DB().Conn(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	for i := range clockSamples {
		var text string
		before := time.Now()
		if err := conn.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&text); err != nil {
			return 0, 0, err
		}
		trip := time.Since(before)
		at, err := time.Parse("2006-01-02 15:04:05.000000", text)
		if err != nil {
			return 0, 0, err
		}
		if i == 0 || trip/2 < bound {
			offset, bound = at.Sub(before.Add(trip/2)), trip/2
		}
	}
	return offset, bound, nil
}

// readFree reads the free space where MariaDB's plugin DISKS shows it; no other
// server tells.
func (r *reader) readFree(ctx context.Context) error {
	dir := strings.TrimSuffix(r.side.Facts.DataDir, "/")
	best := ""
	err := r.each(ctx, "SELECT Path, Available FROM information_schema.DISKS", func(rows *sql.Rows) error {
		var path string
		var kib int64
		if err := rows.Scan(&path, &kib); err != nil {
			return err
		}
		mount := strings.TrimSuffix(path, "/")
		if (dir == mount || strings.HasPrefix(dir, mount+"/")) && (best == "" || len(mount) > len(best)) {
			best, r.side.FreeBytes = mount+"/", kib*1024
		}
		return nil
	})
	if n := cluster.ErrorNumber(err); n != 0 || cluster.IsPermission(err) {
		return nil // no such view, or not for us: the estimate has one number less
	}
	return err
}
