package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"crosscheck/checksum"
	"crosscheck/conflict/watch"
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

// BaseCheck returns the newest check of the two servers that came to a decision, if it found them the same; ok is false
// if there is none, or if differences were the newest that was found. A run that was resumed counts from its first
// process. It may have compared some tables only: FindRun and LoadResult tell which.
func (l *Ledger) BaseCheck(ctx context.Context, old, new checksum.EndpointInfo) (base BaseRun, ok bool, err error) {
	const op = "look for a check to build on"
	var finished, verdict string
	var keys sql.Null[string]
	err = l.read.QueryRowContext(ctx, `SELECT r.id, r.finished, r.verdict, r.began_old_position, r.began_new_position,
		r.key_space_json, count(t.id), ifnull(sum(x.rows_old), 0)
		FROM runs r LEFT JOIN tables t ON t.run_id = r.id LEFT JOIN table_results x ON x.table_id = t.id
		WHERE r.id = (SELECT max(id) FROM runs WHERE finished IS NOT NULL AND interrupted = 0
			AND verdict IN ('same', 'different')
			AND iif(old_uuid = '', old_addr, old_uuid) = ? AND iif(new_uuid = '', new_addr, new_uuid) = ?)
		GROUP BY r.id`, identity(old.ServerUUID, old.Addr), identity(new.ServerUUID, new.Addr)).
		Scan(&base.Run, &finished, &verdict, &base.OldPosition, &base.NewPosition, &keys, &base.Tables, &base.Rows)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return BaseRun{}, false, nil
	case err != nil:
		return BaseRun{}, false, classify(l.path, op, err)
	case verdict != checksum.Same.String() || base.OldPosition == "" || base.NewPosition == "":
		return BaseRun{}, false, nil
	}
	if base.Finished, err = parseTime(finished); err != nil {
		return BaseRun{}, false, &Error{Kind: Corrupt, Path: l.path, Op: op, Err: err}
	}
	if keys.Valid {
		if err = json.Unmarshal([]byte(keys.V), &base.Keys); err != nil {
			return BaseRun{}, false, &Error{Kind: Corrupt, Path: l.path, Op: op, Err: err}
		}
	}
	return base, true, nil
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
