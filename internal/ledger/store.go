package ledger

import (
	"context"
	"database/sql"

	"crosscheck/checksum"
)

// insertAll stores differences, of a chunk or loose (chunk nil), as long as there is room. One at a time is encoded:
// a chunk in which all rows differ has tens of thousands of images.
func (r *Run) insertAll(ctx context.Context, tx *sql.Tx, table int64, chunk any, list []checksum.Difference, u *usage) error {
	difference := tx.StmtContext(ctx, r.l.stmts.difference)
	defer difference.Close() //nolint:errcheck // it is the transaction's
	image := tx.StmtContext(ctx, r.l.stmts.image)
	defer image.Close() //nolint:errcheck // it is the transaction's
	for _, d := range list {
		if u.differences >= r.l.opts.MaxDifferences {
			u.differencesDropped++
			continue
		}
		key, _, err := encodeJSON(orEmptyList(d.Key))
		if err != nil {
			return err
		}
		columns, _, err := encodeJSON(orEmptyList(d.Columns))
		if err != nil {
			return err
		}
		res, err := difference.ExecContext(ctx, table, chunk, string(d.Kind), string(d.Proof), d.Count, key, columns)
		if err != nil {
			return err
		}
		u.differences++
		if d.OldRow == nil && d.NewRow == nil {
			continue
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if err := r.insertImage(ctx, image, id, d, u); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) insertImage(ctx context.Context, stmt *sql.Stmt, id int64, d checksum.Difference, u *usage) error {
	if u.imageBytes >= r.l.opts.MaxImageBytes {
		u.imagesDropped++
		return nil
	}
	old, oldBytes, err := encodeImage(d.OldRow)
	if err != nil {
		return r.refuseImage(err, u)
	}
	now, newBytes, err := encodeImage(d.NewRow)
	if err != nil {
		return r.refuseImage(err, u)
	}
	size := int64(oldBytes + newBytes)
	if u.imageBytes+size > r.l.opts.MaxImageBytes {
		u.imagesDropped++
		return nil
	}
	u.imageBytes += size
	_, err = stmt.ExecContext(ctx, id, size, old, now)
	return err
}

// refuseImage leaves an image out that cannot be stored as it is: the difference counts, repair will name it.
func (r *Run) refuseImage(err error, u *usage) error {
	r.l.opts.Log.Warn("a row image is not kept", "run", r.id, "error", err)
	u.imagesDropped++
	return nil
}

func orEmptyList[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
