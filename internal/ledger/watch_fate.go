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

const fateColumns = `r.table_name, r.key_json, r.plain, r.doubted, p.at, p.old_position, p.new_position, p.reason`

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
		var t fateText
		if err = rows.Scan(t.into()...); err != nil {
			return classify(w.l.path, op, err)
		}
		f, err := t.fate()
		if err != nil {
			return &Error{Kind: Corrupt, Path: w.l.path, Op: op, Err: err}
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
	mends, err := w.mends(ctx)
	if err != nil {
		return err
	}
	rows, err := w.l.read.QueryContext(ctx, `SELECT f.seq, f.id, f.kind, f.table_name, f.key_json, f.found_at, f.rows_told,
		x.row_id IS NOT NULL, `+fateColumns+`, iif(x.outcome <> '', x.outcome, r.outcome), iif(x.outcome <> '', x.differed, r.differed)
		FROM watch_findings f LEFT JOIN watch_finding_rows x ON x.finding = f.seq LEFT JOIN watch_rows r ON r.id = x.row_id
		LEFT JOIN watch_proofs p ON p.id = iif(x.outcome <> '', x.proof_id, r.proof_id) WHERE f.watch_id = ? ORDER BY f.seq, x.row_id`, w.id)
	if err != nil {
		return classify(w.l.path, op, err)
	}
	defer rows.Close()
	var last int64
	var f record.Found
	for rows.Next() {
		var seq int64
		var next record.Found
		if seq, next, err = scanFound(rows); err != nil {
			return classify(w.l.path, op, err)
		}
		if seq == last {
			f.Rows = append(f.Rows, next.Rows...)
			continue
		}
		if last != 0 {
			if err = fn(f); err != nil {
				return err
			}
		}
		last, f = seq, next
		f.Mends = mends[f.ID]
	}
	if err = rows.Err(); err != nil || last == 0 {
		return classify(w.l.path, op, err)
	}
	return fn(f)
}

// scanFound reads a finding with one of its rows, if it has any.
func scanFound(rows *sql.Rows) (seq int64, f record.Found, err error) {
	var kind, at string
	var has bool
	var t fateText
	into := []any{&seq, &f.ID, &kind, &f.Table, &f.Key, &at, &f.Told, &has}
	if err = rows.Scan(append(into, t.into()...)...); err != nil {
		return 0, f, err
	}
	if err = f.Kind.UnmarshalText([]byte(kind)); err != nil {
		return 0, f, err
	}
	if f.At, err = parseTime(at); err != nil || !has {
		return seq, f, err
	}
	row, err := t.fate()
	f.Rows = []record.Fate{row}
	return seq, f, err
}

// fateText is a row as fateColumns, its outcome and when it differed give it; NULL where a finding has none.
type fateText struct {
	table, key, doubted, at, old, new, reason, outcome, differed sql.NullString
	plain                                                        sql.NullBool
}

func (t *fateText) into() []any {
	return []any{&t.table, &t.key, &t.plain, &t.doubted, &t.at, &t.old, &t.new, &t.reason, &t.outcome, &t.differed}
}

func (t *fateText) fate() (record.Fate, error) {
	f := record.Fate{
		Table: t.table.String, Key: t.key.String, Plain: t.plain.Bool, Outcome: watch.Outcome(t.outcome.String), Old: t.old.String,
		New: t.new.String, Reason: t.reason.String,
	}
	for _, x := range []struct {
		text string
		into *time.Time
	}{{t.doubted.String, &f.Doubted}, {t.at.String, &f.At}, {t.differed.String, &f.Differed}} {
		if x.text == "" {
			continue
		}
		var err error
		if *x.into, err = parseTime(x.text); err != nil {
			return f, err
		}
	}
	return f, nil
}
