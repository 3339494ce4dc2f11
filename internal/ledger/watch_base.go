package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"crosscheck/checksum"
	"crosscheck/conflict/watch"
	"crosscheck/gate/record"
)

// BaseRun is a check that a watch can build on.
type BaseRun struct {
	watch.Base
	// OldPosition and NewPosition are where the sides were when the check's first process began: what was changed since
	// must be watched.
	OldPosition, NewPosition string
	// Keys are what both sides said of generated keys when that process began; zero if that is not known.
	Keys KeySpaces
}

// BaseCheck returns the check of the two servers that a watch can build on, as record.Base chooses it; ok is false if there
// is none. It may have compared some tables only: FindRun and LoadResult tell which.
func (l *Ledger) BaseCheck(ctx context.Context, old, new checksum.EndpointInfo) (base BaseRun, ok bool, err error) {
	runs, err := l.Stored(ctx, old, new, record.Run.Decided)
	if err != nil {
		return BaseRun{}, false, err
	}
	run, ok := record.Base(runs)
	if !ok {
		return BaseRun{}, false, nil
	}
	base.Run, base.Finished, base.Tables = run.ID, run.Finished, len(run.Tables)
	base.OldPosition, base.NewPosition = run.Old.Position, run.New.Position
	for i := range run.Tables {
		base.Rows += run.Tables[i].Counts.RowsOld
	}
	const op = "look for a check to build on"
	var keys sql.Null[string]
	if err = l.read.QueryRowContext(ctx, "SELECT key_space_json FROM runs WHERE id = ?", run.ID).Scan(&keys); err != nil {
		return BaseRun{}, false, classify(l.path, op, err)
	}
	if keys.Valid {
		if err = json.Unmarshal([]byte(keys.V), &base.Keys); err != nil {
			return BaseRun{}, false, &Error{Kind: Corrupt, Path: l.path, Op: op, Err: err}
		}
	}
	return base, true, nil
}

// CopyRun returns the run by which the check of a run compared another node; ok is false if it did not, or did not come to its end.
func (l *Ledger) CopyRun(ctx context.Context, run int64, node checksum.EndpointInfo) (copied RunSummary, ok bool, err error) {
	list, err := l.Runs(ctx)
	if err != nil {
		return copied, false, err
	}
	of := slices.IndexFunc(list, func(s RunSummary) bool { return s.ID == run })
	if of < 0 {
		return copied, false, nil
	}
	for _, s := range list {
		if s.Group == list[of].Group && s.Ended() && !s.Interrupted && identity(s.New.ServerUUID, s.New.Addr) == identity(node.ServerUUID, node.Addr) {
			return s, true, nil
		}
	}
	return copied, false, nil
}

// SameTable is a table that a run found the same.
type SameTable struct {
	Name string // "db.name"
	Rows int64  // of old
}

// SameTables lists the tables of which a run found every row the same.
func (l *Ledger) SameTables(ctx context.Context, run int64) ([]SameTable, error) {
	const op = "read what a check compared"
	rows, err := l.read.QueryContext(ctx, `SELECT t.name, x.rows_old FROM tables t JOIN table_results x ON x.table_id = t.id
		WHERE t.run_id = ? AND x.verdict = ? AND x.undecided = 0`, run, checksum.Same.String())
	if err != nil {
		return nil, classify(l.path, op, err)
	}
	defer rows.Close()
	var out []SameTable
	for rows.Next() {
		var t SameTable
		if err := rows.Scan(&t.Name, &t.Rows); err != nil {
			return nil, classify(l.path, op, err)
		}
		out = append(out, t)
	}
	return out, classify(l.path, op, rows.Err())
}

// Stored returns what is kept of the runs of two servers, newest first, up to one that is enough. Runs that go on and those
// that were killed are among them. None that is older was worked on since: a decision ends what could be resumed before it.
func (l *Ledger) Stored(ctx context.Context, old, new checksum.EndpointInfo, enough func(record.Run) bool) ([]record.Run, error) {
	list, err := l.Runs(ctx)
	if err != nil {
		return nil, err
	}
	var out []record.Run
	for _, s := range list {
		if identity(s.Old.ServerUUID, s.Old.Addr) != identity(old.ServerUUID, old.Addr) ||
			identity(s.New.ServerUUID, s.New.Addr) != identity(new.ServerUUID, new.Addr) {
			continue
		}
		r, err := l.stored(ctx, s)
		if err != nil {
			return nil, err
		}
		if out = append(out, r); enough(r) {
			break
		}
	}
	return out, nil
}

// StoredRun returns what is kept of one run, or ErrNoRun.
func (l *Ledger) StoredRun(ctx context.Context, id int64) (record.Run, error) {
	s, err := l.FindRun(ctx, id)
	if err != nil {
		return record.Run{}, err
	}
	return l.stored(ctx, s)
}

func (l *Ledger) stored(ctx context.Context, s RunSummary) (record.Run, error) {
	r := record.Run{
		ID: s.ID, Began: s.Started, Attempt: s.Attempt, Finished: s.Finished, Interrupted: s.Interrupted, Verdict: s.Verdict,
		Reason: s.Reason, Old: s.Old, New: s.New, Scope: s.Scope,
	}
	var links any
	err := l.read.QueryRowContext(ctx, "SELECT links_json FROM runs WHERE id = ?", s.ID).Scan(&links)
	if err == nil {
		err = decodeJSON(links, &r.Links)
	}
	if err != nil {
		return r, classify(l.path, "read how replication ran", err)
	}
	tables, err := l.loadTables(ctx, s)
	if err != nil {
		return r, err
	}
	for _, t := range tables {
		r.Tables = append(r.Tables, t.result)
	}
	r.Differs, err = l.differing(ctx, s.ID)
	return r, err
}

// differing lists the tables of which a run holds a difference, be it in a proven chunk, beside one, or in a table's result,
// and those of which it held one that was to be read again, and was not found the same since.
func (l *Ledger) differing(ctx context.Context, run int64) ([]record.Differing, error) {
	const op = "read which tables differ"
	rows, err := l.read.QueryContext(ctx, `SELECT t.name, ifnull(max(x.at), '') FROM tables t JOIN (
			SELECT table_id, proven_at AS at FROM chunks WHERE missing + extra + changed > 0
			UNION ALL SELECT id, differed_at FROM tables WHERE differed_at <> ''
			UNION ALL SELECT table_id, NULL FROM differences
			UNION ALL SELECT table_id, NULL FROM table_results WHERE verdict = 'different' OR missing + extra + changed > 0
		) x ON x.table_id = t.id WHERE t.run_id = ? GROUP BY t.id ORDER BY t.name`, run)
	if err != nil {
		return nil, classify(l.path, op, err)
	}
	defer rows.Close()
	var out []record.Differing
	for rows.Next() {
		var d record.Differing
		var at string
		if err = rows.Scan(&d.Table, &at); err != nil {
			return nil, classify(l.path, op, err)
		}
		if at != "" {
			if d.At, err = parseTime(at); err != nil {
				return nil, &Error{Kind: Corrupt, Path: l.path, Op: op, Err: err}
			}
		}
		out = append(out, d)
	}
	return out, classify(l.path, op, rows.Err())
}
