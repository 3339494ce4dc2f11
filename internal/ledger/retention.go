package ledger

import (
	"context"
	"database/sql"
)

// keepRuns is how many checks are remembered with their results and differences; older ones are deleted. The runs of the
// copies of one check count once, and share its fate.
const keepRuns = 50

// prune bounds the file. Row images, and the chunks that would be trusted on resume, are kept of at most three runs:
// the current one, the newest that came to a decision (repair reads it), and the newest after it that did not (resume
// reads it). When the current run itself comes to a decision, it is the only one left with them. All others keep their
// verdict, table results and differences; beyond keepRuns runs those go as well. The file does not shrink, its freed
// pages are used again: its size is bounded by three times Options.MaxImageBytes plus keepRuns times the differences.
func prune(ctx context.Context, tx *sql.Tx, current int64) error {
	var decided, open int64
	err := tx.QueryRowContext(ctx, `SELECT ifnull(max(id), 0) FROM runs WHERE pruned = 0 AND finished IS NOT NULL
		AND NOT (`+resumable+`)`).Scan(&decided)
	if err != nil {
		return err
	}
	err = tx.QueryRowContext(ctx, `SELECT ifnull(max(id), 0) FROM runs WHERE id <> ? AND id > ? AND `+resumable,
		current, decided).Scan(&open)
	if err != nil {
		return err
	}
	for _, step := range []string{
		`DELETE FROM row_images WHERE difference_id IN (SELECT d.id FROM differences d JOIN tables t ON t.id = d.table_id
			JOIN runs r ON r.id = t.run_id WHERE r.pruned = 0 AND coalesce(r.group_id, r.id) NOT IN (SELECT coalesce(group_id, id) FROM runs WHERE id IN (?, ?, ?)))`,
		`UPDATE differences SET chunk_id = NULL WHERE chunk_id IS NOT NULL AND table_id IN (SELECT t.id FROM tables t
			JOIN runs r ON r.id = t.run_id WHERE r.pruned = 0 AND coalesce(r.group_id, r.id) NOT IN (SELECT coalesce(group_id, id) FROM runs WHERE id IN (?, ?, ?)))`,
		`DELETE FROM chunks WHERE table_id IN (SELECT t.id FROM tables t JOIN runs r ON r.id = t.run_id
			WHERE r.pruned = 0 AND coalesce(r.group_id, r.id) NOT IN (SELECT coalesce(group_id, id) FROM runs WHERE id IN (?, ?, ?)))`,
		`UPDATE runs SET pruned = 1, image_bytes = 0 WHERE pruned = 0 AND coalesce(group_id, id) NOT IN (SELECT coalesce(group_id, id) FROM runs WHERE id IN (?, ?, ?))`,
	} {
		if _, err = tx.ExecContext(ctx, step, current, decided, open); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM runs WHERE pruned = 1 AND coalesce(group_id, id) <
		(SELECT min(g) FROM (SELECT DISTINCT coalesce(group_id, id) AS g FROM runs ORDER BY g DESC LIMIT ?))`, keepRuns)
	return err
}
