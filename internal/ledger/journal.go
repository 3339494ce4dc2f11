package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"crosscheck/checksum"
	"crosscheck/chunker"
)

const (
	countColumns = `rows_old, rows_new, bytes_old, bytes_new, chunks, missing, extra, changed, in_flight, undecided`

	insertChunk = `INSERT OR REPLACE INTO chunks (table_id, lo, hi, lo_text, hi_text, proven_at, ` + countColumns + `,
		differences_stored) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertDifference = `INSERT INTO differences (table_id, chunk_id, kind, proof, count, key_json, columns_json)
		VALUES (?, ?, ?, ?, ?, ?, ?)`
	insertImage = `INSERT INTO row_images (difference_id, bytes, old_row, new_row) VALUES (?, ?, ?, ?)`
)

// countArgs are c's values in the order of countColumns; countInto are the places to scan them into.
func countArgs(c checksum.Counts) []any {
	return []any{
		c.RowsOld, c.RowsNew, c.BytesOld, c.BytesNew, c.Chunks, c.Missing, c.Extra, c.Changed, c.InFlight, c.Undecided,
	}
}

func countInto(c *checksum.Counts) []any {
	return []any{
		&c.RowsOld, &c.RowsNew, &c.BytesOld, &c.BytesNew, &c.Chunks, &c.Missing, &c.Extra, &c.Changed, &c.InFlight,
		&c.Undecided,
	}
}

// Begin implements checksum.Journal. The differences it returns have no OldRow and NewRow: the images stay in the file,
// where EachDifference finds them. At most Options.MaxReturned of a table come back; the counts are always complete.
// What an earlier attempt stored of the table outside of proven chunks is forgotten.
func (r *Run) Begin(ctx context.Context, id checksum.TableIdentity) ([]checksum.ProvenChunk, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, "", ErrClosed
	}
	var proven []checksum.ProvenChunk
	var refusal Refusal
	var t tableState
	next := r.stored
	err := r.l.inTx(ctx, "begin table "+id.Table, func(tx *sql.Tx) error {
		var print string
		err := tx.QueryRowContext(ctx, `SELECT id, fingerprint FROM tables WHERE run_id = ? AND name = ?`,
			r.id, id.Table).Scan(&t.id, &print)
		if errors.Is(err, sql.ErrNoRows) {
			return tx.QueryRowContext(ctx, `INSERT INTO tables (run_id, name, fingerprint) VALUES (?, ?, ?) RETURNING id`,
				r.id, id.Table, id.Fingerprint).Scan(&t.id)
		}
		if err != nil {
			return err
		}
		if print != id.Fingerprint {
			if refusal, err = refuse(ctx, tx, t.id, id); err != nil {
				return err
			}
		}
		if err = forgetResult(ctx, tx, t.id); err != nil {
			return err
		}
		if next, err = recount(ctx, tx, r.id, next); err != nil {
			return err
		}
		if err = tx.QueryRowContext(ctx, `SELECT count(*) FROM differences d JOIN row_images i ON i.difference_id = d.id
			WHERE d.table_id = ?`, t.id).Scan(&t.images); err != nil {
			return err
		}
		proven, err = r.load(ctx, tx, t.id)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	r.begun(id.Table, t, proven, refusal)
	r.stored = next
	return proven, refusal.Reason, nil
}

// begun updates what Trusted says.
func (r *Run) begun(table string, t tableState, proven []checksum.ProvenChunk, refusal Refusal) {
	for _, c := range proven {
		t.chunks++
		t.rows += c.Counts.RowsOld
	}
	before := r.tables[table]
	if before.chunks > 0 {
		r.trust.Tables--
	}
	if t.chunks > 0 {
		r.trust.Tables++
	}
	r.trust.Chunks += t.chunks - before.chunks
	r.trust.Rows += t.rows - before.rows
	if refusal.Reason != "" {
		r.trust.Refused = append(r.trust.Refused, refusal)
	}
	r.tables[table] = t
}

// refuse forgets the chunks of a table whose identity changed.
func refuse(ctx context.Context, tx *sql.Tx, table int64, id checksum.TableIdentity) (Refusal, error) {
	refusal := Refusal{Table: id.Table}
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM chunks WHERE table_id = ?`, table).Scan(&refusal.Chunks)
	if err != nil {
		return refusal, err
	}
	if refusal.Chunks > 0 {
		refusal.Reason = fmt.Sprintf("its definition, or an option that changes what is compared, is not what it was: "+
			"%d proven chunks of before are not trusted", refusal.Chunks)
	}
	if _, err = tx.ExecContext(ctx, `DELETE FROM differences WHERE table_id = ?`, table); err != nil {
		return refusal, err
	}
	if _, err = tx.ExecContext(ctx, `DELETE FROM chunks WHERE table_id = ?`, table); err != nil {
		return refusal, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE tables SET fingerprint = ? WHERE id = ?`, id.Fingerprint, table)
	return refusal, err
}

// forgetResult removes what is not bound to proven chunks.
func forgetResult(ctx context.Context, tx *sql.Tx, table int64) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM differences WHERE table_id = ? AND chunk_id IS NULL`, table); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM table_results WHERE table_id = ?`, table)
	return err
}

// recount sets the usage of the bounded things anew after some were deleted. What had been dropped of them is not known
// per table; the numbers of dropped ones stay, which errs on the side of saying so.
func recount(ctx context.Context, tx *sql.Tx, run int64, u usage) (usage, error) {
	err := tx.QueryRowContext(ctx, `SELECT ifnull(sum(i.bytes), 0), count(*) FROM tables t
		JOIN differences d ON d.table_id = t.id LEFT JOIN row_images i ON i.difference_id = d.id WHERE t.run_id = ?`,
		run).Scan(&u.imageBytes, &u.differences)
	if err != nil {
		return u, err
	}
	return u, u.save(ctx, tx, run)
}

// load reads a table's proven chunks with as many of their differences as MaxReturned allows.
func (r *Run) load(ctx context.Context, tx *sql.Tx, table int64) ([]checksum.ProvenChunk, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, lo, hi, proven_at, `+countColumns+` FROM chunks WHERE table_id = ?
		ORDER BY id`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []checksum.ProvenChunk
	index := map[int64]int{}
	for rows.Next() {
		var id int64
		var lo, hi sql.RawBytes
		var at string
		var c checksum.ProvenChunk
		if err = rows.Scan(append([]any{&id, &lo, &hi, &at}, countInto(&c.Counts)...)...); err != nil {
			return nil, err
		}
		if c.Range, c.At, err = r.decodeChunk(lo, hi, at); err != nil {
			return nil, err
		}
		index[id] = len(list)
		list = append(list, c)
	}
	if err = rows.Err(); err != nil {
		return nil, err
	}
	return list, r.loadDifferences(ctx, tx, table, list, index)
}

func (r *Run) decodeChunk(lo, hi []byte, at string) (rng chunker.Range, t time.Time, err error) {
	if rng.Lo, err = chunker.DecodeBound(lo); err == nil {
		if rng.Hi, err = chunker.DecodeBound(hi); err == nil {
			t, err = parseTime(at)
		}
	}
	if err != nil {
		return rng, t, &Error{Kind: Corrupt, Path: r.l.path, Op: "read a proven chunk", Err: err}
	}
	return rng, t, nil
}

func (r *Run) loadDifferences(ctx context.Context, tx *sql.Tx, table int64, list []checksum.ProvenChunk, index map[int64]int) error {
	rows, err := tx.QueryContext(ctx, `SELECT chunk_id, kind, proof, count, key_json, columns_json FROM differences
		WHERE table_id = ? AND chunk_id IS NOT NULL ORDER BY id LIMIT ?`, table, r.l.opts.MaxReturned)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var chunk int64
		var d checksum.Difference
		if err := r.l.scanDifference(rows, &d, &chunk); err != nil {
			return err
		}
		c := &list[index[chunk]]
		c.Differences = append(c.Differences, d)
	}
	return rows.Err()
}

// scanDifference reads a row that ends in kind, proof, count, key_json, columns_json after the columns for first.
func (l *Ledger) scanDifference(rows *sql.Rows, d *checksum.Difference, first ...any) error {
	var key, columns any
	if err := rows.Scan(slices.Concat(first, []any{&d.Kind, &d.Proof, &d.Count, &key, &columns})...); err != nil {
		return err
	}
	if err := errors.Join(decodeJSON(key, &d.Key), decodeJSON(columns, &d.Columns)); err != nil {
		return &Error{Kind: Corrupt, Path: l.path, Op: "read a difference", Err: err}
	}
	return nil
}

// Record implements checksum.Journal. A range that was recorded before is replaced. Of a chunk with undecided rows only
// the differences are stored, not bound to a proven chunk. Record does not keep anything of c.
func (r *Run) Record(ctx context.Context, table string, c checksum.ProvenChunk) error {
	proven := c.Counts.Undecided == 0
	lo, hi := c.Range.Lo.Encode(), c.Range.Hi.Encode()
	args := []any{
		int64(0), orEmpty(lo), orEmpty(hi), boundText(c.Range.Lo), boundText(c.Range.Hi), timeText(c.At),
	}
	args = append(args, countArgs(c.Counts)...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	t, ok := r.tables[table]
	if !ok {
		return fmt.Errorf("record a chunk of %s: the table was not begun", table)
	}
	args[0] = t.id
	next := r.stored
	err := r.l.inTx(ctx, "record a chunk of "+table, func(tx *sql.Tx) error {
		if c.Counts.Differences() > 0 || len(c.Differences) > 0 {
			if err := differed(ctx, tx, t.id, c.At); err != nil {
				return err
			}
		}
		if !proven {
			if err := r.insertAll(ctx, tx, &t, nil, c.Differences, &next); err != nil {
				return err
			}
			return next.save(ctx, tx, r.id)
		}
		room := max(0, min(int64(len(c.Differences)), r.l.opts.MaxDifferences-next.differences))
		insert := tx.StmtContext(ctx, r.l.stmts.chunk)
		defer insert.Close() //nolint:errcheck // it is the transaction's
		res, err := insert.ExecContext(ctx, append(args, room)...)
		if err != nil || len(c.Differences) == 0 {
			return err
		}
		chunk, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if err := r.insertAll(ctx, tx, &t, chunk, c.Differences, &next); err != nil {
			return err
		}
		return next.save(ctx, tx, r.id)
	})
	if err != nil {
		return err
	}
	r.warn(next)
	r.stored, r.tables[table] = next, t
	return nil
}

// differed keeps that a difference of a table was proven at a moment.
func differed(ctx context.Context, tx *sql.Tx, table int64, at time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE tables SET differed_at = max(differed_at, ?) WHERE id = ?", timeText(at), table)
	return err
}

// warn says once when a bound is reached.
func (r *Run) warn(next usage) {
	if r.stored.imagesDropped == 0 && next.imagesDropped > 0 {
		r.l.opts.Log.Warn("values of some differing rows are not kept, for a limit or because rows share a key: repair will leave them out",
			"run", r.id, "limit_rows_per_table", r.l.opts.MaxImages, "limit_bytes", r.l.opts.MaxImageBytes)
	}
	if r.stored.differencesDropped == 0 && next.differencesDropped > 0 {
		r.l.opts.Log.Warn("further differences are only counted", "run", r.id, "limit", r.l.opts.MaxDifferences)
	}
}

// orEmpty stores no bound as x”, because SQLite holds NULLs in a unique index to be all different.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Finish implements checksum.Journal. The result's samples of differences are not stored again.
func (r *Run) Finish(ctx context.Context, result checksum.TableResult) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	next := r.stored
	err := r.l.inTx(ctx, "store the result of "+result.Table, func(tx *sql.Tx) error {
		if err := r.finish(ctx, tx, result); err != nil {
			return err
		}
		return next.save(ctx, tx, r.id)
	})
	if err != nil {
		return err
	}
	r.stored = next
	return nil
}

func (r *Run) finish(ctx context.Context, tx *sql.Tx, result checksum.TableResult) error {
	t, err := r.tableOf(ctx, tx, result.Table)
	if err != nil {
		return err
	}
	lossy, err := json.Marshal(orEmptyList(result.Lossy))
	if err != nil {
		return err
	}
	notes, err := json.Marshal(orEmptyList(result.Notes))
	if err != nil {
		return err
	}
	switch {
	case result.Verdict == checksum.Different || result.Counts.Differences() > 0:
		err = differed(ctx, tx, t.id, r.l.opts.now())
	case result.Verdict == checksum.Same && result.Counts.Undecided == 0: // of all its rows, and later
		_, err = tx.ExecContext(ctx, "UPDATE tables SET differed_at = '' WHERE id = ? AND differed_at <> ''", t.id)
	}
	if err != nil {
		return err
	}
	args := []any{t.id, result.Verdict.String(), result.Reason, result.Method, string(lossy), string(notes)}
	args = append(args, countArgs(result.Counts)...)
	args = append(args, result.Resumed, int64(result.FirstChunk), int64(result.Elapsed))
	_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO table_results (table_id, verdict, reason, method, lossy_json,
		notes_json, `+countColumns+`, resumed, first_chunk_ns, elapsed_ns)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, args...)
	return err
}
