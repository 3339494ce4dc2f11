package ledger

import (
	"context"
	"database/sql"

	"crosscheck/gate/record"
)

// schemaMend keeps the mends that were written: which findings, by whom, what stays, and the hash of the files. Whether they
// were run is not in here: what the watch or a check sees afterwards tells.
const schemaMend = `
CREATE TABLE mends (
  id       INTEGER PRIMARY KEY,
  watch_id INTEGER NOT NULL REFERENCES watches(id) ON DELETE CASCADE,
  at       TEXT NOT NULL,
  by       TEXT NOT NULL,
  hash     TEXT NOT NULL                     -- SHA-256 over the files, in their order
);
CREATE TABLE mend_findings (
  mend_id    INTEGER NOT NULL REFERENCES mends(id) ON DELETE CASCADE,
  finding_id TEXT NOT NULL,
  keep       TEXT NOT NULL,                  -- old, new, both, or same where both sides held the same
  PRIMARY KEY (mend_id, finding_id)
) WITHOUT ROWID;
CREATE INDEX mends_by_watch ON mends (watch_id);
`

// AddMend keeps that a mend was written for findings of an account: what stays, by the finding's ID.
func (l *Ledger) AddMend(ctx context.Context, watch int64, m record.Mend, findings map[string]string) error {
	return l.inTx(ctx, "store the mend", func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO mends (watch_id, at, by, hash) VALUES (?, ?, ?, ?)`, watch, timeText(m.At), m.By, m.Hash)
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		for finding, keep := range findings {
			if _, err = tx.ExecContext(ctx, `INSERT INTO mend_findings (mend_id, finding_id, keep) VALUES (?, ?, ?)`, id, finding, keep); err != nil {
				return err
			}
		}
		return nil
	})
}

// mends are those of an account by finding, oldest first.
func (w *Watch) mends(ctx context.Context) (map[string][]record.Mend, error) {
	const op = "read the mends"
	rows, err := w.l.read.QueryContext(ctx, `SELECT f.finding_id, f.keep, m.at, m.by, m.hash FROM mends m
		JOIN mend_findings f ON f.mend_id = m.id WHERE m.watch_id = ? ORDER BY m.id`, w.id)
	if err != nil {
		return nil, classify(w.l.path, op, err)
	}
	defer rows.Close()
	out := map[string][]record.Mend{}
	for rows.Next() {
		var m record.Mend
		var finding, at string
		if err = rows.Scan(&finding, &m.Keep, &at, &m.By, &m.Hash); err != nil {
			return nil, classify(w.l.path, op, err)
		}
		if m.At, err = parseTime(at); err != nil {
			return nil, &Error{Kind: Corrupt, Path: w.l.path, Op: op, Err: err}
		}
		out[finding] = append(out[finding], m)
	}
	return out, classify(w.l.path, op, rows.Err())
}
