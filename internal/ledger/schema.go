package ledger

import (
	"context"
	"database/sql"
	"fmt"
)

// The file is an ordinary SQLite database and meant to be read with the sqlite3 shell, also while a check runs:
//
//	sqlite3 -readonly STATE/ledger.db "SELECT * FROM difference_list WHERE kind = 'missing'"
//
// Times are text in UTC ("2026-01-31T23:59:59.123Z"), durations are nanoseconds in columns ending in _ns, lists and
// keys are JSON. Tables:
//
//	runs           a check of one copy: when, of which servers, with what outcome. finished is NULL while it goes on, and stays so
//	               if the process was killed. pruned is 1 once its chunks and row images were given up (retention.go).
//	tables         the tables of a run that were begun, with the fingerprint under which their chunks may be trusted.
//	               differed_at is when a difference was last proven; '' if none was, or all rows were found the same since.
//	chunks         proven key ranges (lo, hi] and their numbers. lo and hi are chunker.Bound.Encode, x'' for no bound;
//	               lo_text and hi_text say the same for people, shortened.
//	differences    proven differences. chunk_id is NULL for those that came with a table's result and not with a proven
//	               chunk: the table is read again before they are trusted. key_json is [{column, value}], columns_json
//	               [{column, old, new}]; TEXT is plain JSON, a BLOB is the same, gzipped.
//	row_images     both images of a differing row for repair, [{c, l, g, k, x}] as in checksum.Cell, TEXT or gzipped
//	               BLOB. Values are in here in clear.
//	table_results  the outcome per table
//
// Of watches:
//
//	watches            an account: what was watched between two servers since when, over any number of processes.
//	                   status_json is the newest status (TEXT, or gzipped BLOB). finished is NULL while a process
//	                   watches, and stays so if it was killed.
//	watch_findings     collisions and the like. key_json is {column: value}, bytes that are no UTF-8 as 0x…;
//	                   finding_json is the whole finding (TEXT or gzipped BLOB, fields in watch_finding.go), with row
//	                   images in clear.
//	watch_rows         rows that came under doubt, and those that findings are about, each with what became of it: unknown
//	                   (never looked at again), open, differs, equal, or superseded by a later change that arrived.
//	                   row is conflict.Row.ID, key_json as in watch_findings. differed is when it was proven different last.
//	watch_finding_rows the rows of each finding. outcome and proof_id are set for good once the row is settled: what comes
//	                   later is another finding's. Of findings with rows_told = 0 not all rows are known.
//	watch_proofs       when and through which ends of the logs outcomes became known
//	watch_checkpoints  from where another process goes on; the detector's state is in watch_snapshots, in pieces
//
//	mends              SQL that was written to mend findings, and by whom; mend_findings: of which, and what stays
//
// Of gates:
//
//	evidence       what gates are judged by, and every decision: rows are added and never changed or removed. id is the
//	               SHA-256 of json, which is gate.Evidence. gate is the gate that it was recorded for, '' for none.
//
// scope_json of runs and watches is Scope, key_space_json of runs is KeySpaces, links_json [gate.Link]; NULL where it was not recorded.
//
// Views: difference_list (differences with run and table name), run_progress (what is proven of each table),
// finding_list (findings without their images), finding_outcomes (what became of their rows).
//
//	sqlite3 -readonly STATE/ledger.db "SELECT kind, count(*) FROM watch_findings GROUP BY kind"
//
// A change of meaning or layout is a new entry of migrations; entries that were released are never edited.
const applicationID = 0x63726f73 // "cros", so that file(1) and we tell a ledger from other SQLite files

// migrations bring a file from user_version i to i+1.
func migrations() []string {
	return []string{schemaV1, schemaV2, schemaV3, schemaV4, schemaV5, schemaV6, schemaMend}
}

const schemaV1 = `
CREATE TABLE runs (
  id                  INTEGER PRIMARY KEY AUTOINCREMENT,
  started             TEXT NOT NULL,
  attempt_started     TEXT NOT NULL,              -- of the last process that worked on it
  attempts            INTEGER NOT NULL DEFAULT 1, -- 1 + number of times it was resumed
  finished            TEXT,
  args_json           TEXT NOT NULL,              -- command line without secrets
  relation            TEXT NOT NULL,
  old_uuid            TEXT NOT NULL, old_addr TEXT NOT NULL, old_version TEXT NOT NULL,
  old_flavor          TEXT NOT NULL, old_position TEXT NOT NULL, old_tls TEXT NOT NULL,
  new_uuid            TEXT NOT NULL, new_addr TEXT NOT NULL, new_version TEXT NOT NULL,
  new_flavor          TEXT NOT NULL, new_position TEXT NOT NULL, new_tls TEXT NOT NULL,
  verdict             TEXT,
  reason              TEXT NOT NULL DEFAULT '',
  notes_json          TEXT NOT NULL DEFAULT '[]',
  interrupted         INTEGER NOT NULL DEFAULT 0,
  elapsed_ns          INTEGER NOT NULL DEFAULT 0,
  first_chunk_ns      INTEGER NOT NULL DEFAULT 0,
  repair_capped       INTEGER NOT NULL DEFAULT 0,
  image_bytes         INTEGER NOT NULL DEFAULT 0, -- in row_images
  images_dropped      INTEGER NOT NULL DEFAULT 0, -- differences kept without images for want of room
  differences_stored  INTEGER NOT NULL DEFAULT 0,
  differences_dropped INTEGER NOT NULL DEFAULT 0, -- differences that are only counted, for want of room
  pruned              INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE tables (
  id          INTEGER PRIMARY KEY,
  run_id      INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  name        TEXT NOT NULL,                      -- "db.name"
  fingerprint TEXT NOT NULL,
  UNIQUE (run_id, name)
);

CREATE TABLE chunks (
  id                 INTEGER PRIMARY KEY,
  table_id           INTEGER NOT NULL REFERENCES tables(id) ON DELETE CASCADE,
  lo                 BLOB NOT NULL,
  hi                 BLOB NOT NULL,
  lo_text            TEXT NOT NULL,
  hi_text            TEXT NOT NULL,
  proven_at          TEXT NOT NULL,
  rows_old           INTEGER NOT NULL, rows_new  INTEGER NOT NULL,
  bytes_old          INTEGER NOT NULL, bytes_new INTEGER NOT NULL,
  chunks             INTEGER NOT NULL,
  missing            INTEGER NOT NULL, extra     INTEGER NOT NULL, changed INTEGER NOT NULL,
  in_flight          INTEGER NOT NULL, undecided INTEGER NOT NULL,
  differences_stored INTEGER NOT NULL,            -- entries of differences that belong to it
  UNIQUE (table_id, lo, hi)
);

CREATE TABLE differences (
  id           INTEGER PRIMARY KEY,
  table_id     INTEGER NOT NULL REFERENCES tables(id) ON DELETE CASCADE,
  chunk_id     INTEGER REFERENCES chunks(id) ON DELETE CASCADE,
  kind         TEXT NOT NULL,
  proof        TEXT NOT NULL,
  count        INTEGER NOT NULL,
  key_json     NOT NULL,
  columns_json NOT NULL
);
CREATE INDEX differences_by_table ON differences (table_id, id);
CREATE INDEX differences_by_chunk ON differences (chunk_id);

CREATE TABLE row_images (
  difference_id INTEGER PRIMARY KEY REFERENCES differences(id) ON DELETE CASCADE,
  bytes         INTEGER NOT NULL,                 -- stored size of both
  old_row,
  new_row
);

CREATE TABLE table_results (
  table_id       INTEGER PRIMARY KEY REFERENCES tables(id) ON DELETE CASCADE,
  verdict        TEXT NOT NULL,
  reason         TEXT NOT NULL,
  method         TEXT NOT NULL,
  lossy_json     TEXT NOT NULL,
  notes_json     TEXT NOT NULL,
  rows_old       INTEGER NOT NULL, rows_new  INTEGER NOT NULL,
  bytes_old      INTEGER NOT NULL, bytes_new INTEGER NOT NULL,
  chunks         INTEGER NOT NULL,
  missing        INTEGER NOT NULL, extra     INTEGER NOT NULL, changed INTEGER NOT NULL,
  in_flight      INTEGER NOT NULL, undecided INTEGER NOT NULL,
  resumed        INTEGER NOT NULL,                -- chunks trusted from an earlier attempt
  first_chunk_ns INTEGER NOT NULL,
  elapsed_ns     INTEGER NOT NULL
);

CREATE VIEW difference_list AS
  SELECT t.run_id AS run, t.name AS "table", d.kind, d.key_json AS "key", d.columns_json AS columns, d.count, d.proof,
         d.chunk_id IS NOT NULL AS in_proven_chunk, i.difference_id IS NOT NULL AS has_image, d.id
  FROM differences d JOIN tables t ON t.id = d.table_id LEFT JOIN row_images i ON i.difference_id = d.id;

CREATE VIEW run_progress AS
  SELECT t.run_id AS run, t.name AS "table", count(c.id) AS proven_chunks, ifnull(sum(c.rows_old), 0) AS rows_old,
         ifnull(sum(c.rows_new), 0) AS rows_new, ifnull(sum(c.missing + c.extra + c.changed), 0) AS differences, r.verdict
  FROM tables t LEFT JOIN chunks c ON c.table_id = t.id LEFT JOIN table_results r ON r.table_id = t.id
  GROUP BY t.id;
`

// schemaV2 adds watching. began_old_position and began_new_position are those of a run's first process: what it proved
// is proven as of then, while old_position and new_position are of the last process that worked on the run. A trigger
// fills them, so that no statement that takes a run over can touch them; of runs that were resumed before this layout
// they are not known.
const schemaV2 = `
ALTER TABLE runs ADD COLUMN began_old_position TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN began_new_position TEXT NOT NULL DEFAULT '';
UPDATE runs SET began_old_position = old_position, began_new_position = new_position WHERE attempts = 1;
CREATE TRIGGER run_began AFTER INSERT ON runs BEGIN
  UPDATE runs SET began_old_position = NEW.old_position, began_new_position = NEW.new_position WHERE id = NEW.id;
END;

CREATE TABLE watches (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  since           TEXT NOT NULL,              -- when its first process began
  attempt_started TEXT NOT NULL,              -- of the last process that worked on it
  attempts        INTEGER NOT NULL DEFAULT 1,
  finished        TEXT,
  args_json       TEXT NOT NULL,              -- command line without secrets
  old_uuid        TEXT NOT NULL, old_addr TEXT NOT NULL, old_version TEXT NOT NULL,
  old_flavor      TEXT NOT NULL, old_start TEXT NOT NULL, old_tls TEXT NOT NULL,
  new_uuid        TEXT NOT NULL, new_addr TEXT NOT NULL, new_version TEXT NOT NULL,
  new_flavor      TEXT NOT NULL, new_start TEXT NOT NULL, new_tls TEXT NOT NULL,
  verdict         TEXT NOT NULL DEFAULT 'undecided',
  reason          TEXT NOT NULL DEFAULT '',
  status_at       TEXT,
  old_position    TEXT NOT NULL DEFAULT '',   -- ends of what was read, at status_at
  new_position    TEXT NOT NULL DEFAULT '',
  status_json
);

CREATE TABLE watch_findings (
  seq          INTEGER PRIMARY KEY,           -- the order in which they were found
  watch_id     INTEGER NOT NULL REFERENCES watches(id) ON DELETE CASCADE,
  id           TEXT NOT NULL,
  found_at     TEXT NOT NULL,
  kind         TEXT NOT NULL,
  benign       INTEGER NOT NULL,
  possible     INTEGER NOT NULL,
  table_name   TEXT NOT NULL,                 -- "db.name"
  index_json   TEXT NOT NULL,
  key_json     TEXT NOT NULL,
  old_position TEXT, old_gtid TEXT, old_thread INTEGER, old_time TEXT, old_op TEXT, -- NULL: this side has no part in it
  new_position TEXT, new_gtid TEXT, new_thread INTEGER, new_time TEXT, new_op TEXT,
  reason       TEXT NOT NULL,
  detail       TEXT NOT NULL,
  advice       TEXT NOT NULL,
  finding_json NOT NULL,
  UNIQUE (watch_id, id)
);
CREATE INDEX watch_findings_by_kind ON watch_findings (watch_id, kind);

CREATE TABLE watch_checkpoints (
  watch_id       INTEGER PRIMARY KEY REFERENCES watches(id) ON DELETE CASCADE,
  saved_at       TEXT NOT NULL,
  old_position   TEXT NOT NULL, new_position TEXT NOT NULL,
  old_identity   TEXT NOT NULL, new_identity TEXT NOT NULL,
  engine_json    TEXT,
  snapshot_bytes INTEGER                      -- NULL: the checkpoint has none
);

CREATE TABLE watch_snapshots (
  watch_id INTEGER NOT NULL REFERENCES watch_checkpoints(watch_id) ON DELETE CASCADE,
  piece    INTEGER NOT NULL,
  bytes    BLOB NOT NULL,
  PRIMARY KEY (watch_id, piece)
);

CREATE VIEW finding_list AS
  SELECT watch_id AS watch, found_at, kind, benign, table_name AS "table", key_json AS "key", old_op, old_position,
         old_thread, old_time, new_op, new_position, new_thread, new_time, reason, detail, advice, possible, id
  FROM watch_findings;
`

// schemaV3 adds the evidence of gates, and what checks and watches cover.
const schemaV3 = `
ALTER TABLE runs ADD COLUMN scope_json TEXT;
ALTER TABLE watches ADD COLUMN scope_json TEXT;

CREATE TABLE evidence (
  id        TEXT PRIMARY KEY,
  kind      TEXT NOT NULL,
  taken     TEXT NOT NULL,
  from_time TEXT,
  old_uuid  TEXT NOT NULL,
  new_uuid  TEXT NOT NULL,
  plan      TEXT NOT NULL,
  gate      TEXT NOT NULL,
  json      TEXT NOT NULL,
  added     TEXT NOT NULL
);
CREATE INDEX evidence_by_kind ON evidence (kind, taken);
CREATE TRIGGER evidence_unchanged BEFORE UPDATE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is never changed'); END;
CREATE TRIGGER evidence_kept BEFORE DELETE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is never removed'); END;
`

// schemaV4 adds what is known of generated keys when a check begins, by which a watch that builds on it judges keys.
const schemaV4 = `ALTER TABLE runs ADD COLUMN key_space_json TEXT;`

// schemaV5 adds when a difference of a table was last proven, which outlives what is read again when a run is resumed and what
// is given up for newer runs: only a table whose every row was found the same has none. And the channels' threads of when a
// check began. It adds checks of several copies, too: each has a run of its own, and group_id, the id of the first one's, ties
// those of one command together; NULL stands for the run's own id. place is the copy's in the command. node_json is the copy's
// Node, reference_json the reference's, unread_json the nodes that were seen and not compared (of the first run).
const schemaV5 = `
ALTER TABLE tables ADD COLUMN differed_at TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN links_json TEXT;
ALTER TABLE runs ADD COLUMN group_id INTEGER;
ALTER TABLE runs ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN node_json TEXT;
ALTER TABLE runs ADD COLUMN reference_json TEXT;
ALTER TABLE runs ADD COLUMN unread_json TEXT;
`

// schemaV6 adds what became of each finding. Of those that are there already the rows were not kept: what became of them is not
// known, but by a later check.
const schemaV6 = `
ALTER TABLE watch_findings ADD COLUMN rows_told INTEGER NOT NULL DEFAULT 0;

CREATE TABLE watch_proofs (
  id           INTEGER PRIMARY KEY,
  watch_id     INTEGER NOT NULL REFERENCES watches(id) ON DELETE CASCADE,
  at           TEXT NOT NULL,
  old_position TEXT NOT NULL, new_position TEXT NOT NULL,
  reason       TEXT NOT NULL
);
CREATE INDEX watch_proofs_by_watch ON watch_proofs (watch_id);

CREATE TABLE watch_rows (
  id         INTEGER PRIMARY KEY,
  watch_id   INTEGER NOT NULL REFERENCES watches(id) ON DELETE CASCADE,
  row        BLOB NOT NULL,
  table_name TEXT NOT NULL,                   -- "db.name"
  key_json   TEXT NOT NULL,
  doubted    TEXT NOT NULL DEFAULT '',        -- when it came under doubt last
  outcome    TEXT NOT NULL,
  proof_id   INTEGER,
  differed   TEXT NOT NULL DEFAULT '',
  plain      INTEGER NOT NULL,                -- the key is of integers
  UNIQUE (watch_id, row)
);

CREATE TABLE watch_finding_rows (
  finding  INTEGER NOT NULL REFERENCES watch_findings(seq) ON DELETE CASCADE,
  row_id   INTEGER NOT NULL REFERENCES watch_rows(id) ON DELETE CASCADE,
  outcome  TEXT NOT NULL DEFAULT '',
  proof_id INTEGER,
  differed TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (finding, row_id)
) WITHOUT ROWID;
CREATE INDEX watch_finding_rows_by_row ON watch_finding_rows (row_id);

CREATE VIEW finding_outcomes AS
  SELECT f.watch_id AS watch, f.id, f.kind, r.table_name AS "table", r.key_json AS "key",
         iif(x.outcome <> '', x.outcome, r.outcome) AS outcome, p.at, p.old_position, p.new_position, p.reason
  FROM watch_findings f JOIN watch_finding_rows x ON x.finding = f.seq JOIN watch_rows r ON r.id = x.row_id
  LEFT JOIN watch_proofs p ON p.id = iif(x.outcome <> '', x.proof_id, r.proof_id);
`

// migrate brings the file to the newest layout, one transaction per step, and refuses files that are not ours or that
// a newer crosscheck wrote.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	var version, app, objects int
	// In one statement: another process may be making the file.
	err := db.QueryRowContext(ctx, `SELECT (SELECT user_version FROM pragma_user_version),
		(SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)`).Scan(&version, &app, &objects)
	if err != nil {
		return classify(path, "open", err)
	}
	steps := migrations()
	switch {
	case app != applicationID && (objects > 0 || version > 0):
		return &Error{Kind: Foreign, Path: path, Op: "open"}
	case version > len(steps):
		return &Error{Kind: Newer, Path: path, Op: "open", Err: fmt.Errorf("layout %d, newest known %d", version, len(steps))}
	}
	for ; version < len(steps); version++ {
		if err := migrateOne(ctx, db, steps[version], version+1); err != nil {
			return classify(path, "create its tables", err)
		}
	}
	return nil
}

func migrateOne(ctx context.Context, db *sql.DB, step string, version int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do; before, its error adds nothing
	mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, version)
	var now int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&now); err != nil || now >= version {
		return err // another process was first: a shared ledger is not locked
	}
	if _, err := tx.ExecContext(ctx, step+mark); err != nil {
		return err
	}
	return tx.Commit()
}
