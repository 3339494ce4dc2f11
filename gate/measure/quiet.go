package measure

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/gate"
)

// quiet is from when on a link is known to have brought nothing but by one unbroken run, where its threads are not those of the
// look before: the log of its end holds nothing from elsewhere since that look. Zero: not known, or the threads are the same and
// always were.
func (m *measurement) quiet(ctx context.Context, h hop, now gate.Link) (time.Time, error) {
	for _, e := range slices.Backward(m.earlier) {
		c, isSync := e.Content.(gate.Sync)
		if !isSync {
			continue
		}
		was, ok := linkOf(c.Links, h)
		switch {
		case !ok: // it was not there: what it brought since the look before that is in the log all the same
			continue
		case now.Running && was.Running && sameThreads(was.Threads, now.Threads):
			return was.Quiet, nil
		case !was.Logs || !now.Logs:
			return time.Time{}, nil
		}
		came, known, err := m.cameFrom(ctx, h.to, at(e, h.to.name))
		switch {
		case err != nil || !known:
			return time.Time{}, err
		case came:
			return m.now(), nil
		case !was.Quiet.IsZero():
			return was.Quiet, nil
		case !was.Since.IsZero():
			return was.Since, nil
		}
		return e.Taken, nil
	}
	return time.Time{}, nil
}

// cameFrom tells whether a node's log holds anything that the node did not write itself, from a place of before up to now.
// known is false where the log does not tell.
func (m *measurement) cameFrom(ctx context.Context, n node, from gtid.Position) (came, known bool, err error) {
	to, ok, err := position(ctx, n.server)
	if err != nil || !ok || from.File.IsZero() || to.File.IsZero() {
		return false, false, err
	}
	if c, cmpErr := from.File.Compare(to.File); cmpErr != nil || c > 0 {
		return false, false, nil //nolint:nilerr // the log began anew: that is told elsewhere
	}
	files, err := query(ctx, n.server.DB(), "SHOW BINARY LOGS")
	if lacks(err) {
		return false, false, nil
	}
	if err != nil {
		return false, false, n.server.Explain("list the binary logs", err)
	}
	bounded, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	begun := false
	for _, row := range files {
		name := row["log_name"]
		begun = begun || name == from.File.File
		if !begun {
			continue
		}
		q := "SHOW BINLOG EVENTS IN '" + strings.ReplaceAll(name, "'", "''") + "'"
		if name == from.File.File {
			q += fmt.Sprintf(" FROM %d", from.File.Pos)
		}
		if came, err = foreign(bounded, n.server, q); came || err != nil {
			break
		}
		if name == to.File.File {
			break
		}
	}
	if err != nil { // purged or cut off in between, not to be listed by the account, or too long
		return false, false, ctx.Err()
	}
	return came, begun, nil
}

// foreign tells whether some event that a statement lists bears another server's id than the server's own.
func foreign(ctx context.Context, s *cluster.Server, list string) (bool, error) {
	rows, err := s.DB().QueryContext(ctx, list)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return false, err
	}
	var id uint32
	into := make([]any, len(names))
	for i, n := range names {
		if into[i] = new(sql.RawBytes); strings.EqualFold(n, "server_id") {
			into[i] = &id
		}
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return false, err
		}
		if id != s.Facts().ServerID {
			return true, nil
		}
	}
	return false, rows.Err()
}
