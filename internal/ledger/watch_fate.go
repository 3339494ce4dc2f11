package ledger

import (
	"context"
	"database/sql"
	"time"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
	"crosscheck/gate/record"
)

// unknownFate is the outcome of a row that was never looked at again.
const unknownFate = string(record.FateUnknown)

// findingRows ties findings to their rows.
type findingRows struct{ row, tie *sql.Stmt }

func prepareRows(ctx context.Context, tx *sql.Tx) (r findingRows, err error) {
	r.row, err = tx.PrepareContext(ctx, `INSERT INTO watch_rows (watch_id, row, table_name, key_json, plain, outcome)
		VALUES (?, ?, ?, ?, ?, '`+unknownFate+`') ON CONFLICT (watch_id, row) DO NOTHING`)
	if err != nil {
		return r, err
	}
	r.tie, err = tx.PrepareContext(ctx, `INSERT OR IGNORE INTO watch_finding_rows (finding, row_id)
		SELECT ?, id FROM watch_rows WHERE watch_id = ? AND row = ?`)
	return r, err
}

func (r findingRows) close() {
	_ = r.row.Close() // they are the transaction's
	_ = r.tie.Close()
}

// of stores the rows of a finding.
func (r findingRows) of(ctx context.Context, watch, seq int64, f *conflict.Finding) error {
	if f.Kind == conflict.StaleSession || f.Kind == conflict.WrongStepKey { // no row is under doubt because of it
		return nil
	}
	for _, row := range f.Rows() {
		id := []byte(row.ID())
		if _, err := r.row.ExecContext(ctx, watch, id, row.Table, keyObject(row.Columns, row.Key), row.Plain); err != nil {
			return err
		}
		if _, err := r.tie.ExecContext(ctx, seq, watch, id); err != nil {
			return err
		}
	}
	return nil
}

const upsertFate = `INSERT INTO watch_rows (watch_id, row, table_name, key_json, doubted, outcome, proof_id, differed, plain)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, iif(?6 = 'differs', ?5, ''), ?9)
	ON CONFLICT (watch_id, row) DO UPDATE SET outcome = ?6, proof_id = ?7,
		doubted = iif(?6 = 'open' AND ?8, ?5, doubted),
		differed = iif(?6 = 'differs', ?5, differed)`

// SaveFates implements watch.Store. All of the list is stored, or nothing.
func (w *Watch) SaveFates(ctx context.Context, list []watch.Fate) error {
	return w.inTx(ctx, "store what became of rows", func(tx *sql.Tx) error {
		row, err := tx.PrepareContext(ctx, upsertFate)
		if err != nil {
			return err
		}
		defer row.Close() //nolint:errcheck // it is the transaction's
		again, err := tx.PrepareContext(ctx, upsertFate+` WHERE outcome = '`+unknownFate+`'`)
		if err != nil {
			return err
		}
		defer again.Close() //nolint:errcheck // it is the transaction's
		settle, err := tx.PrepareContext(ctx, `UPDATE watch_finding_rows SET outcome = ?, proof_id = ?,
			differed = (SELECT differed FROM watch_rows WHERE id = row_id) WHERE outcome = ''
			AND row_id = (SELECT id FROM watch_rows WHERE watch_id = ? AND row = ?)
			AND (SELECT found_at FROM watch_findings WHERE seq = finding) < ?`)
		if err != nil {
			return err
		}
		defer settle.Close() //nolint:errcheck // it is the transaction's
		var last *watch.Proof
		var proof int64
		for i := range list {
			f := &list[i]
			if f.Proof != last {
				if proof, err = w.addProof(ctx, tx, f.Proof); err != nil {
					return err
				}
				last = f.Proof
			}
			stmt, at := row, timeText(f.Proof.At)
			if f.Again {
				stmt = again
			}
			id := []byte(f.ID())
			if _, err = stmt.ExecContext(ctx, w.id, id, f.Table, keyObject(f.Columns, f.Key), at, string(f.Outcome), proof, !f.Tried, f.Plain); err != nil {
				return err
			}
			if f.Outcome.Settled() {
				if _, err = settle.ExecContext(ctx, string(f.Outcome), proof, w.id, id, at); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *Watch) addProof(ctx context.Context, tx *sql.Tx, p *watch.Proof) (int64, error) {
	res, err := tx.ExecContext(ctx, `INSERT INTO watch_proofs (watch_id, at, old_position, new_position, reason) VALUES (?, ?, ?, ?, ?)`,
		w.id, timeText(p.At), p.Positions[conflict.Old], p.Positions[conflict.New], p.Reason)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

const fateColumns = `r.id, r.table_name, r.key_json, r.plain, r.doubted, ifnull(p.at, ''), ifnull(p.old_position, ''),
	ifnull(p.new_position, ''), ifnull(p.reason, '')`

// EachFate calls fn for the rows that came under doubt, or that findings name, one at a time in memory. An error of fn ends
// the walk and is returned as it is.
func (w *Watch) EachFate(ctx context.Context, fn func(record.Fate) error) error {
	const op = "read what became of rows"
	rows, err := w.l.read.QueryContext(ctx, `SELECT `+fateColumns+`, r.outcome, r.differed FROM watch_rows r
		LEFT JOIN watch_proofs p ON p.id = r.proof_id WHERE r.watch_id = ? ORDER BY r.id`, w.id)
	if err != nil {
		return classify(w.l.path, op, err)
	}
	defer rows.Close()
	for rows.Next() {
		f, err := w.scanFate(rows)
		if err != nil {
			return classify(w.l.path, op, err)
		}
		if err = fn(f); err != nil {
			return err
		}
	}
	return classify(w.l.path, op, rows.Err())
}

// EachFound calls fn for the findings with what became of their rows, in the order in which they were stored, one at a time
// in memory. An error of fn ends the walk and is returned as it is.
func (w *Watch) EachFound(ctx context.Context, fn func(record.Found) error) error {
	const op = "read what became of findings"
	rows, err := w.l.read.QueryContext(ctx, `SELECT seq, id, kind, table_name, key_json, found_at, rows_told FROM watch_findings
		WHERE watch_id = ? ORDER BY seq`, w.id)
	if err != nil {
		return classify(w.l.path, op, err)
	}
	defer rows.Close()
	for rows.Next() {
		var f record.Found
		var seq int64
		var kind, at string
		if err = rows.Scan(&seq, &f.ID, &kind, &f.Table, &f.Key, &at, &f.Told); err == nil {
			err = f.Kind.UnmarshalText([]byte(kind))
		}
		if err == nil {
			f.At, err = parseTime(at)
		}
		if err == nil {
			f.Rows, err = w.fatesOf(ctx, seq)
		}
		if err != nil {
			return classify(w.l.path, op, err)
		}
		if err = fn(f); err != nil {
			return err
		}
	}
	return classify(w.l.path, op, rows.Err())
}

// fatesOf are the rows of a finding.
func (w *Watch) fatesOf(ctx context.Context, seq int64) (out []record.Fate, err error) {
	rows, err := w.l.read.QueryContext(ctx, `SELECT `+fateColumns+`, iif(x.outcome <> '', x.outcome, r.outcome),
		iif(x.outcome <> '', x.differed, r.differed) FROM watch_finding_rows x JOIN watch_rows r ON r.id = x.row_id
		LEFT JOIN watch_proofs p ON p.id = iif(x.outcome <> '', x.proof_id, r.proof_id) WHERE x.finding = ? ORDER BY r.id`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		f, err := w.scanFate(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

func (w *Watch) scanFate(rows *sql.Rows) (f record.Fate, err error) {
	var id int64
	var outcome, doubted, at, differed string
	if err = rows.Scan(&id, &f.Table, &f.Key, &f.Plain, &doubted, &at, &f.Old, &f.New, &f.Reason, &outcome, &differed); err != nil {
		return f, err
	}
	f.Outcome = watch.Outcome(outcome)
	for _, t := range []struct {
		text string
		into *time.Time
	}{{doubted, &f.Doubted}, {at, &f.At}, {differed, &f.Differed}} {
		if t.text == "" {
			continue
		}
		if *t.into, err = parseTime(t.text); err != nil {
			return f, err
		}
	}
	return f, nil
}
