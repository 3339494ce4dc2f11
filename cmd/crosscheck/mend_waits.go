package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/cluster/topology"
	"crosscheck/conflict"
	"crosscheck/internal/fault"
	"crosscheck/report"
)

const (
	// waitsFor bounds the reading of what waits for one applier.
	waitsFor = time.Minute
	// maxWaitingRows bounds the rows of a transaction that is passed.
	maxWaitingRows = 500
)

// waits reads what waits for the appliers of a node: what is behind, and where one is stopped, the transaction at which.
func (m *mender) waits(ctx context.Context, n int) error {
	node := m.nodes[n]
	channels, err := node.Server.Channels(ctx)
	if err != nil {
		return err
	}
	for i := range channels {
		c := &channels[i]
		s := report.MendStop{Node: n, Source: c.Source(), Channel: c.Name, Place: c.Exec.String()}
		if !c.SQLRunning {
			s.Errno = c.SQLErrno
		}
		src := m.source(c)
		switch {
		case c.Group || node.Server.Facts().Galera:
			s.Why = "a node of a group cannot be mended by itself: change the row on one of its nodes by hand"
		case src == nil:
			s.Why = "its source " + c.Source() + " is none of the nodes that are known"
		default:
			s.Source = src.Label
			if src.Side == topology.New {
				s.Side = conflict.New
			}
			short, cancel := context.WithTimeout(ctx, waitsFor)
			err = m.queue(short, node.Server, src.Server, c, &s)
			cancel()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.Why = fault.Line(err.Error())
			}
		}
		m.in.Stops = append(m.in.Stops, s)
	}
	return nil
}

// source is the node that a channel leads to.
func (m *mender) source(c *cluster.ReplicaChannel) *topology.Node {
	for _, n := range m.nodes {
		f := n.Server.Facts()
		switch {
		case c.SourceUUID != "" && f.ServerUUID == c.SourceUUID, n.Server.Config().Addr == c.Source():
			return n
		case c.SourceUUID == "" && c.SourceServerID != 0 && f.ServerID == c.SourceServerID:
			return n
		}
	}
	return nil
}

// from is the place from which the source's log holds all that waits.
func (m *mender) from(ctx context.Context, src *cluster.Server, c *cluster.ReplicaChannel) (from, end gtid.Position, err error) {
	if end, err = src.Position(ctx); err != nil {
		return from, end, err
	}
	if !src.Facts().IsMariaDB() {
		return gtid.Position{Kind: gtid.File, File: c.Exec}, end, nil
	}
	at := end.MariaDB
	for _, d := range at.Domains() {
		// A domain that never came this way would be read from its beginning, and the source need not have all of the node's own.
		last, _ := at.Last(d)
		if applied, ok := c.Executed.MariaDB.Last(d); ok && applied.Seq < last.Seq {
			at = at.With(applied)
		}
	}
	return gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: at}, end, nil
}

// queue reads what the source has logged and the node has not applied.
func (m *mender) queue(ctx context.Context, node, src *cluster.Server, c *cluster.ReplicaChannel, s *report.MendStop) error {
	from, end, err := m.from(ctx, src, c)
	if err != nil {
		return err
	}
	if at, cerr := c.Exec.Compare(end.File); cerr == nil && at >= 0 {
		return nil
	}
	tail, err := binlog.Tail(ctx, src, from, binlog.Options{AnyFormat: true, HeartbeatPeriod: 200 * time.Millisecond})
	if err != nil {
		return err
	}
	defer tail.Close()
	q := waiting{m: m, s: s, src: src, node: node, channel: c}
	for {
		tx, err := tail.Next(ctx)
		if err != nil {
			return fmt.Errorf("what waits could not be read to its end: %w", err)
		}
		if !tx.Heartbeat && !tx.Aborted && !q.applied(tx) {
			if err = q.take(ctx, tx); err != nil {
				return err
			}
		}
		at := tail.Position().File
		if place, cerr := at.Compare(end.File); cerr == nil && place >= 0 {
			return q.named(ctx)
		}
	}
}

// waiting takes in what waits.
type waiting struct {
	m         *mender
	s         *report.MendStop
	src, node *cluster.Server
	channel   *cluster.ReplicaChannel
	past      bool // the transaction at which it is stopped has ended
}

// applied tells whether the node has a transaction already, or made it itself.
func (q *waiting) applied(tx *binlog.Transaction) bool {
	f := q.node.Facts()
	if tx.ServerID == f.ServerID {
		return true
	}
	if f.IsMariaDB() || tx.GTID == "" {
		return false
	}
	set, err := gtid.ParseSet(tx.GTID)
	return err == nil && q.channel.Executed.MySQL.Contains(set)
}

func (q *waiting) take(ctx context.Context, tx *binlog.Transaction) error {
	stopped := q.s.Errno != 0 && !q.past
	if stopped {
		if q.s.GTID == "" {
			q.s.GTID = tx.GTID
			q.position(tx)
		}
		q.past = tx.Last
	}
	if tx.Statement || len(tx.DDL) > 0 || len(tx.Incidents) > 0 {
		q.s.Why = "a schema change or a statement waits (" + tx.GTID + "), which no rows are known of"
		return nil
	}
	for i := range tx.Changes {
		ch := &tx.Changes[i]
		rows, err := q.m.rowsOf(ctx, q.src, ch, stopped, q.s.Side.Other())
		if err != nil {
			if stopped {
				q.s.Why = err.Error()
			}
			continue
		}
		into := &q.s.Later
		if stopped {
			into = &q.s.Rows
		}
		for _, r := range rows {
			if !slices.Contains(*into, r) {
				*into = append(*into, r)
			}
		}
	}
	if len(q.s.Rows) > maxWaitingRows {
		q.s.Why = fmt.Sprintf("it changes more than %d rows", maxWaitingRows)
	}
	return nil
}

// position is what MariaDB's gtid_slave_pos is when exactly this transaction is passed.
func (q *waiting) position(tx *binlog.Transaction) {
	if !q.node.Facts().IsMariaDB() || !q.channel.AutoPosition || tx.GTID == "" {
		return
	}
	var text string
	if err := q.node.DB().QueryRow("SELECT @@GLOBAL.gtid_slave_pos").Scan(&text); err != nil { //nolint:noctx // a moment
		return
	}
	p, err := gtid.ParseMariaPos(text)
	if err != nil {
		return
	}
	q.s.SlavePos, q.s.Passed = text, p.With(tx.Mark.MariaDB).String()
}

// named makes sure that the applier itself names the transaction that was found, where the server tells.
func (q *waiting) named(ctx context.Context) error {
	if q.s.Errno == 0 || q.s.Why != "" {
		return nil
	}
	switch q.s.Errno {
	case 1062, 1032:
	default:
		q.s.Why = fmt.Sprintf("error %d is none of a collision", q.s.Errno)
		return nil
	}
	if !q.past {
		q.s.Why = "it is not in the source's log"
		return nil
	}
	if q.node.Facts().IsMariaDB() || q.s.GTID == "" {
		return nil
	}
	rows, err := q.node.DB().QueryContext(ctx, "SELECT APPLYING_TRANSACTION FROM performance_schema.replication_applier_status_by_worker "+
		"WHERE CHANNEL_NAME = ? AND LAST_ERROR_NUMBER = ? AND APPLYING_TRANSACTION <> ''", q.s.Channel, q.s.Errno)
	if err != nil {
		return nil //nolint:nilerr // servers before 8.0 do not tell
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err = rows.Scan(&name); err != nil {
			return err
		}
		if !strings.EqualFold(name, q.s.GTID) && !strings.EqualFold(name, "ANONYMOUS") {
			q.s.Why = fmt.Sprintf("the applier names %s, and the log %s comes first", name, q.s.GTID)
		}
	}
	return rows.Err()
}

// rowsOf finds the rows of a change among those that are looked at, by the keys before and after it; with add they are
// added, and what the change found there is remembered: a node of side that holds something else has a version of its own.
func (m *mender) rowsOf(ctx context.Context, src *cluster.Server, ch *binlog.Change, add bool, side conflict.Side) ([]int, error) {
	name := (&cluster.Table{Schema: ch.Schema, Name: ch.Table}).FullName()
	columns := m.keys[name]
	if columns == nil {
		if !add {
			return nil, nil
		}
		t, err := cluster.LoadTable(ctx, src, ch.Schema, ch.Table)
		if err != nil {
			return nil, err
		}
		if t == nil || t.WalkKey() == nil {
			return nil, fmt.Errorf("%s has no key by which its rows are found", name)
		}
		for _, p := range t.WalkKey().Parts {
			columns = append(columns, p.Column)
		}
		m.keys[name] = columns
	}
	var out []int
	for _, image := range []binlog.Row{ch.Before, ch.After} {
		if image == nil {
			continue
		}
		row := conflict.Row{Table: name, Columns: columns}
		for _, c := range columns {
			at := ch.Def.Index(c)
			if at < 0 || at >= len(image) || !image[at].Known() {
				return nil, fmt.Errorf("the log does not hold the key of a row of %s", name)
			}
			row.Key = append(row.Key, image[at])
		}
		i, ok := m.index[row.ID()]
		if !ok && add {
			i, ok = m.add(row), true
			found := &binlog.Change{Def: ch.Def, Partial: ch.Partial}
			if len(out) == 0 && ch.Before != nil { // else there was no row of this key
				found.After = ch.Before
			}
			m.before[i] = [2]*binlog.Change{}
			b := m.before[i]
			b[side] = found
			m.before[i] = b
		}
		if ok && !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	return out, nil
}
