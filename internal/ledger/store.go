package ledger

import (
	"context"
	"database/sql"

	"crosscheck/checksum"
)

// insertAll stores differences, of a chunk or loose (chunk nil), as long as there is room. One at a time is encoded:
// a chunk in which all rows differ has tens of thousands of images.
//
// Values are kept of the first differences only. A row in full is some ten times its key, and what differs in more rows
// than that is not repaired row by row.
func (r *Run) insertAll(ctx context.Context, tx *sql.Tx, t *tableState, chunk any, list []checksum.Difference, u *usage) error {
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
		v, err := r.values(d, t, u)
		if err != nil {
			return err
		}
		res, err := difference.ExecContext(ctx, t.id, chunk, string(d.Kind), string(d.Proof), d.Count, key, v.columns)
		if err != nil {
			return err
		}
		u.differences++
		if v.old == nil && v.now == nil {
			u.imagesDropped++
			continue
		}
		u.imageBytes += v.size
		t.images++
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if _, err := image.ExecContext(ctx, id, v.size, v.old, v.now); err != nil {
			return err
		}
	}
	return nil
}

// values are a difference's as they are stored; old and now are nil where they are not to be kept.
type values struct {
	columns, old, now any
	size              int64
}

// noColumns is encodeJSON's empty list.
const noColumns = "[]"

func (r *Run) values(d checksum.Difference, t *tableState, u *usage) (v values, err error) {
	none := values{columns: noColumns}
	if u.imageBytes >= r.l.opts.MaxImageBytes || t.images >= r.l.opts.MaxImages {
		return none, nil
	}
	if d, err = d.Unpack(); err != nil { // the difference counts, and repair will name it
		r.l.opts.Log.Warn("a row image is not kept", "run", r.id, "error", err)
		return none, nil
	}
	var sizes [3]int
	if v.columns, sizes[0], err = encodeJSON(orEmptyList(d.Columns)); err != nil {
		return none, err
	}
	if v.old, sizes[1], err = encodeImage(d.OldRow); err == nil {
		v.now, sizes[2], err = encodeImage(d.NewRow)
	}
	if err != nil { // it cannot be stored as it is: the difference counts, repair will name it
		r.l.opts.Log.Warn("a row image is not kept", "run", r.id, "error", err)
		v.old, v.now = nil, nil
	}
	v.size = int64(sizes[0] + sizes[1] + sizes[2])
	if u.imageBytes+v.size > r.l.opts.MaxImageBytes {
		return none, nil
	}
	return v, nil
}

func orEmptyList[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
