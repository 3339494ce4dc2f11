package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"crosscheck/checksum"
)

// RunSummary is a run as a list of runs shows it.
type RunSummary struct {
	ID                         int64
	Started, Attempt, Finished time.Time // first start, start of the last process, end; zero while it has not ended
	Attempts                   int
	// Old and New are the servers, with their positions of when the first process began: what it proved is proven as of
	// then, and not as of when another one went on. "" if they are not known.
	Old, New            checksum.EndpointInfo
	Relation            string
	Args                []string
	Scope               *Scope           // of the last process; nil: not known
	Verdict             checksum.Verdict // Undecided while it has not ended
	Reason              string
	Notes               []string
	Interrupted         bool
	Elapsed, FirstChunk time.Duration
	RepairCapped        bool // repair will miss rows: images or differences were dropped or given up
	Pruned              bool // row images and chunks were given up for newer runs
	ImageBytes          int64
	ImagesDropped       int64
	Differences         int64 // stored
	DifferencesDropped  int64 // only counted

	Group           int64 // that the runs of one check share
	Node, Reference Node  // zero where the run is of a pair
	Unread          []Unread
}

// Ended says whether the run came to its end, be it an interruption; a killed one did not.
func (s RunSummary) Ended() bool { return !s.Finished.IsZero() }

const summaryColumns = `id, started, attempt_started, ifnull(finished, ''), attempts, relation, args_json,
	old_uuid, old_addr, old_version, old_flavor, began_old_position, old_tls,
	new_uuid, new_addr, new_version, new_flavor, began_new_position, new_tls,
	ifnull(verdict, 'undecided'), reason, notes_json, interrupted, elapsed_ns, first_chunk_ns, repair_capped, pruned,
	image_bytes, images_dropped, differences_stored, differences_dropped, scope_json,
	coalesce(group_id, id), node_json, reference_json, ifnull(unread_json, '[]')`

// Runs returns all runs that the ledger remembers, newest first.
func (l *Ledger) Runs(ctx context.Context) ([]RunSummary, error) {
	return l.summaries(ctx, `SELECT `+summaryColumns+` FROM runs ORDER BY id DESC`)
}

// LastRun returns the newest run, or ErrNoRun.
func (l *Ledger) LastRun(ctx context.Context) (RunSummary, error) {
	return one(l.summaries(ctx, `SELECT `+summaryColumns+` FROM runs ORDER BY id DESC LIMIT 1`))
}

// GroupOf returns the runs of the check that a run belongs to, in the order of its copies. Those of copies that a resumed
// check left out are not among them.
func (l *Ledger) GroupOf(ctx context.Context, s RunSummary) ([]RunSummary, error) {
	return l.summaries(ctx, `SELECT `+summaryColumns+` FROM runs WHERE coalesce(group_id, id) = ?
		AND attempt_started >= (SELECT attempt_started FROM runs WHERE id = ?) ORDER BY place, id`, s.Group, s.Group)
}

// FindRun returns one run, or ErrNoRun.
func (l *Ledger) FindRun(ctx context.Context, id int64) (RunSummary, error) {
	s, err := one(l.summaries(ctx, `SELECT `+summaryColumns+` FROM runs WHERE id = ?`, id))
	if errors.Is(err, ErrNoRun) {
		err = fmt.Errorf("run %d: %w", id, err)
	}
	return s, err
}

func one(list []RunSummary, err error) (RunSummary, error) {
	if err != nil {
		return RunSummary{}, err
	}
	if len(list) == 0 {
		return RunSummary{}, ErrNoRun
	}
	return list[0], nil
}

func (l *Ledger) summaries(ctx context.Context, query string, args ...any) ([]RunSummary, error) {
	const op = "read the runs"
	rows, err := l.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, classify(l.path, op, err)
	}
	defer rows.Close()
	var list []RunSummary
	for rows.Next() {
		s, err := scanSummary(rows)
		if err != nil {
			return nil, classify(l.path, op, err)
		}
		list = append(list, s)
	}
	return list, classify(l.path, op, rows.Err())
}

func scanSummary(rows *sql.Rows) (s RunSummary, err error) {
	var started, attempt, finished, args, verdict, notes string
	var scope, node, ref sql.NullString
	var unread string
	o, n := &s.Old, &s.New
	err = rows.Scan(&s.ID, &started, &attempt, &finished, &s.Attempts, &s.Relation, &args,
		&o.ServerUUID, &o.Addr, &o.Version, &o.Flavor, &o.Position, &o.TLS,
		&n.ServerUUID, &n.Addr, &n.Version, &n.Flavor, &n.Position, &n.TLS,
		&verdict, &s.Reason, &notes, &s.Interrupted, &s.Elapsed, &s.FirstChunk, &s.RepairCapped, &s.Pruned,
		&s.ImageBytes, &s.ImagesDropped, &s.Differences, &s.DifferencesDropped, &scope,
		&s.Group, &node, &ref, &unread)
	if err != nil {
		return s, err
	}
	for _, t := range []struct {
		text string
		into *time.Time
	}{{started, &s.Started}, {attempt, &s.Attempt}, {finished, &s.Finished}} {
		if t.text == "" {
			continue
		}
		if *t.into, err = parseTime(t.text); err != nil {
			return s, err
		}
	}
	s.RepairCapped = s.RepairCapped || s.ImagesDropped > 0 || s.DifferencesDropped > 0
	if s.Scope, err = scopeOf(scope); err != nil {
		return s, err
	}
	for _, n := range []struct {
		text sql.NullString
		into *Node
	}{{node, &s.Node}, {ref, &s.Reference}} {
		if n.text.Valid {
			err = errors.Join(err, decodeJSON(n.text.String, n.into))
		}
	}
	return s, errors.Join(err, decodeJSON(unread, &s.Unread), s.Verdict.UnmarshalText([]byte(verdict)),
		decodeJSON(args, &s.Args), decodeJSON(notes, &s.Notes))
}

// LoadResult returns a run's outcome to render it again, with at most maxDifferences differences per table and without
// row images; a negative number means all. Of a run that did not end it returns what is proven so far, undecided.
func (l *Ledger) LoadResult(ctx context.Context, run int64, maxDifferences int) (checksum.Result, error) {
	s, err := l.FindRun(ctx, run)
	if err != nil {
		return checksum.Result{}, err
	}
	r := checksum.Result{
		Old: s.Old, New: s.New, Relation: s.Relation, Verdict: s.Verdict, Label: s.Node.Label, Reason: s.Reason, Notes: s.Notes,
		Started: s.Attempt, Elapsed: s.Elapsed, FirstChunk: s.FirstChunk, Interrupted: s.Interrupted,
		RepairCapped: s.RepairCapped, WithoutValues: s.ImagesDropped + s.DifferencesDropped,
	}
	if s.Attempts > 1 {
		r.ResumedFrom = fmt.Sprint(s.ID)
	}
	tables, err := l.loadTables(ctx, s)
	if err != nil {
		return checksum.Result{}, err
	}
	for _, t := range tables {
		if !s.takenBack(t) {
			if t.result.Differences, err = l.sample(ctx, t.id, maxDifferences); err != nil {
				return checksum.Result{}, err
			}
		}
		if !s.Ended() {
			r.Verdict = r.Verdict.And(t.result.Verdict)
		}
		r.Tables = append(r.Tables, t.result)
	}
	if !s.Ended() {
		r.Interrupted = true
		r.Reason = "the run did not end: this is what was proven until its process died"
	}
	return r, nil
}

// takenBack tells whether a table's outcome no longer holds the differences that were stored with its chunks: its
// definition changed, or nobody can tell which table it was compared with.
func (s RunSummary) takenBack(t loadedTable) bool {
	return s.Ended() && t.result.Counts.Differences() == 0
}

type loadedTable struct {
	id     int64
	result checksum.TableResult
}

// loadTables returns the tables with a result; of a run that did not end the begun ones as well, with the sums of their
// chunks.
func (l *Ledger) loadTables(ctx context.Context, s RunSummary) ([]loadedTable, error) {
	const op = "read the tables' results"
	rows, err := l.read.QueryContext(ctx, `SELECT t.id, t.name, verdict, reason, method, lossy_json, notes_json, `+
		countColumns+`, resumed, first_chunk_ns, elapsed_ns
		FROM tables t JOIN table_results ON table_id = t.id WHERE t.run_id = ?
		UNION ALL
		SELECT t.id, t.name, 'undecided', 'not compared to the end', '', '[]', '[]',
		ifnull(sum(c.rows_old), 0), ifnull(sum(c.rows_new), 0), ifnull(sum(c.bytes_old), 0), ifnull(sum(c.bytes_new), 0),
		ifnull(sum(c.chunks), 0), ifnull(sum(c.missing), 0), ifnull(sum(c.extra), 0), ifnull(sum(c.changed), 0),
		ifnull(sum(c.in_flight), 0), ifnull(sum(c.undecided), 0), 0, 0, 0
		FROM tables t LEFT JOIN chunks c ON c.table_id = t.id
		WHERE t.run_id = ? AND ? AND t.id NOT IN (SELECT table_id FROM table_results) GROUP BY t.id
		ORDER BY 2`, s.ID, s.ID, !s.Ended())
	if err != nil {
		return nil, classify(l.path, op, err)
	}
	defer rows.Close()
	var list []loadedTable
	for rows.Next() {
		t, err := scanTable(rows)
		if err != nil {
			return nil, classify(l.path, op, err)
		}
		list = append(list, t)
	}
	return list, classify(l.path, op, rows.Err())
}

func scanTable(rows *sql.Rows) (t loadedTable, err error) {
	r := &t.result
	var verdict, lossy, notes string
	into := slices.Concat([]any{&t.id, &r.Table, &verdict, &r.Reason, &r.Method, &lossy, &notes}, countInto(&r.Counts),
		[]any{&r.Resumed, &r.FirstChunk, &r.Elapsed})
	if err = rows.Scan(into...); err != nil {
		return t, err
	}
	err = errors.Join(r.Verdict.UnmarshalText([]byte(verdict)),
		decodeJSON(lossy, &r.Lossy), decodeJSON(notes, &r.Notes))
	if r.Counts.Differences() > 0 {
		r.Verdict = checksum.Different
	}
	return t, err
}

func (l *Ledger) sample(ctx context.Context, table int64, limit int) ([]checksum.Difference, error) {
	const op = "read differences"
	rows, err := l.read.QueryContext(ctx, `SELECT kind, proof, count, key_json, columns_json FROM differences
		WHERE table_id = ? ORDER BY id LIMIT ?`, table, limit)
	if err != nil {
		return nil, classify(l.path, op, err)
	}
	defer rows.Close()
	var list []checksum.Difference
	for rows.Next() {
		var d checksum.Difference
		if err := l.scanDifference(rows, &d); err != nil {
			return nil, classify(l.path, op, err)
		}
		list = append(list, d)
	}
	return list, classify(l.path, op, rows.Err())
}

// EachDifference calls fn for the stored differences of a run, table by table, with row images where they are kept.
// match chooses tables by "db.name"; nil takes all. Of a run that ended, tables without a result are left out, and those
// whose result does not stand by what was found in them. One difference is in memory at a time. An error of fn ends the walk and is returned as it is. fn may read the ledger.
func (l *Ledger) EachDifference(ctx context.Context, run int64, match func(table string) bool,
	fn func(table string, d checksum.Difference) error,
) error {
	s, err := l.FindRun(ctx, run)
	if err != nil {
		return err
	}
	list, err := l.loadTables(ctx, s)
	if err != nil {
		return err
	}
	for _, t := range list {
		if match != nil && !match(t.result.Table) {
			continue
		}
		if s.takenBack(t) {
			continue
		}
		if err := l.eachOf(ctx, t, fn); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) eachOf(ctx context.Context, t loadedTable, fn func(table string, d checksum.Difference) error) error {
	const op = "read differences"
	rows, err := l.read.QueryContext(ctx, `SELECT i.old_row, i.new_row, d.kind, d.proof, d.count, d.key_json, d.columns_json
		FROM differences d LEFT JOIN row_images i ON i.difference_id = d.id WHERE d.table_id = ? ORDER BY d.id`, t.id)
	if err != nil {
		return classify(l.path, op, err)
	}
	defer rows.Close()
	for rows.Next() {
		var d checksum.Difference
		var old, now any
		if err := l.scanDifference(rows, &d, &old, &now); err != nil {
			return classify(l.path, op, err)
		}
		if err := errors.Join(decodeJSON(old, &d.OldRow), decodeJSON(now, &d.NewRow)); err != nil {
			return &Error{Kind: Corrupt, Path: l.path, Op: "read a row image", Err: err}
		}
		if err := fn(t.result.Table, d); err != nil {
			return err
		}
	}
	return classify(l.path, op, rows.Err())
}
