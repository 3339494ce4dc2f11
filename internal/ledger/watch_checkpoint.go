package ledger

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// pieceBytes is how much of a snapshot goes into one row. A snapshot can have 100 MB, and SQLite holds a value in memory
// as a whole, some of them twice. They are not compressed: that takes longer than writing them, and the tails
// wait meanwhile.
const pieceBytes = 1 << 20

// SaveCheckpoint implements watch.Store: the file holds this checkpoint as a whole, or the one before as a whole.
func (w *Watch) SaveCheckpoint(ctx context.Context, c watch.Checkpoint) error {
	return w.inTx(ctx, "store the watch checkpoint", func(tx *sql.Tx) error {
		// Deleting takes the pieces along.
		if _, err := tx.ExecContext(ctx, `DELETE FROM watch_checkpoints WHERE watch_id = ?`, w.id); err != nil {
			return err
		}
		var size, engine any
		if c.Snapshot != nil {
			size = len(c.Snapshot)
		}
		if c.Engine != nil {
			engine = string(c.Engine)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO watch_checkpoints (watch_id, saved_at, old_position, new_position,
			old_identity, new_identity, engine_json, snapshot_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			w.id, timeText(c.At), c.Positions[conflict.Old], c.Positions[conflict.New], c.Identity[conflict.Old],
			c.Identity[conflict.New], engine, size)
		if err != nil {
			return err
		}
		if c.Write == nil {
			c.Write = func(to io.Writer) error { _, err := to.Write(c.Snapshot); return err }
			if c.Snapshot == nil {
				return nil
			}
		}
		return w.savePieces(ctx, tx, c.Write)
	})
}

func (w *Watch) savePieces(ctx context.Context, tx *sql.Tx, write func(io.Writer) error) error {
	stmt, err := tx.PrepareContext(ctx, `INSERT INTO watch_snapshots (watch_id, piece, bytes) VALUES (?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }() // it is the transaction's
	p := &pieces{store: func(i int, piece []byte) error {
		_, serr := stmt.ExecContext(ctx, w.id, i, piece)
		return serr
	}}
	buffered := bufio.NewWriterSize(p, pieceBytes)
	if err = write(buffered); err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE watch_checkpoints SET snapshot_bytes = ? WHERE watch_id = ?`, p.size, w.id)
	return err
}

// pieces stores what is written in pieces.
type pieces struct {
	store func(i int, piece []byte) error
	n     int
	size  int64
}

// Write implements io.Writer.
func (p *pieces) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		piece := b[done:min(done+pieceBytes, len(b))]
		if err := p.store(p.n, piece); err != nil {
			return done, err
		}
		done += len(piece)
		p.size += int64(len(piece))
		p.n++
	}
	return len(b), nil
}

// Checkpoint returns the last checkpoint of the account; ok is false if there is none.
func (w *Watch) Checkpoint(ctx context.Context) (c watch.Checkpoint, ok bool, err error) {
	const op = "read the watch checkpoint"
	tx, err := w.l.read.BeginTx(ctx, nil) // the pieces must be of the same checkpoint
	if err != nil {
		return c, false, classify(w.l.path, op, err)
	}
	defer tx.Rollback() //nolint:errcheck // it has only read
	var saved string
	var engine sql.NullString
	var size sql.NullInt64
	err = tx.QueryRowContext(ctx, `SELECT saved_at, old_position, new_position, old_identity, new_identity, engine_json,
		snapshot_bytes FROM watch_checkpoints WHERE watch_id = ?`, w.id).Scan(&saved, &c.Positions[conflict.Old],
		&c.Positions[conflict.New], &c.Identity[conflict.Old], &c.Identity[conflict.New], &engine, &size)
	if errors.Is(err, sql.ErrNoRows) {
		return c, false, nil
	}
	if err != nil {
		return c, false, classify(w.l.path, op, err)
	}
	if engine.Valid {
		c.Engine = []byte(engine.String)
	}
	if c.At, err = parseTime(saved); err != nil {
		return watch.Checkpoint{}, false, &Error{Kind: Corrupt, Path: w.l.path, Op: op, Err: err}
	}
	if size.Valid {
		if c.Snapshot, err = w.loadPieces(ctx, tx, size.Int64); err != nil {
			return watch.Checkpoint{}, false, classify(w.l.path, op, err)
		}
	}
	return c, true, nil
}

func (w *Watch) loadPieces(ctx context.Context, tx *sql.Tx, size int64) ([]byte, error) {
	corrupt := func(err error) error {
		return &Error{Kind: Corrupt, Path: w.l.path, Op: "read the watch checkpoint", Err: err}
	}
	if size < 0 || size > 1<<40 {
		return nil, corrupt(fmt.Errorf("a snapshot of %d bytes", size))
	}
	rows, err := tx.QueryContext(ctx, `SELECT bytes FROM watch_snapshots WHERE watch_id = ? ORDER BY piece`, w.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	snapshot := bytes.NewBuffer(make([]byte, 0, min(size, 1<<30)))
	for rows.Next() {
		var piece sql.RawBytes
		if err := rows.Scan(&piece); err != nil {
			return nil, err
		}
		snapshot.Write(piece)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if int64(snapshot.Len()) != size {
		return nil, corrupt(fmt.Errorf("the snapshot has %d bytes of %d", snapshot.Len(), size))
	}
	return snapshot.Bytes(), nil
}
