// Package ledger keeps what a check has proven, what a watch has found, and what gates rest on in the state directory, so
// that a later process can go on where an earlier one was killed, render its result again, and write the repair. It is
// one SQLite file; its layout is described in schema.go. One check, one watch and any number of gates use it at a time.
//
// A chunk and its differences are written in one transaction, so that whatever moment the process dies at, the file
// holds complete chunks only. Commits reach the kernel before Record returns and thereby survive the death of the
// process. They are not forced to the disk one by one (synchronous=NORMAL): after a power failure the last chunks may be
// forgotten, never half of one, and forgotten chunks are read again. The outcome of a run is forced to the disk.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"modernc.org/sqlite" // also the driver named "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// FileName is the ledger's name in the state directory.
const FileName = "ledger.db"

// Defaults of Options.
const (
	DefaultMaxImageBytes  = 256 << 20
	DefaultMaxImages      = 100_000
	DefaultMaxDifferences = 1_000_000
	DefaultMaxReturned    = 10_000
)

// Options of Open; the zero value is usable.
type Options struct {
	Log *slog.Logger // nil: nothing is logged

	// MaxImageBytes bounds the stored values of one run, row images and differing columns, in bytes after compression; 0
	// means DefaultMaxImageBytes. Differences beyond it are stored without values and counted.
	MaxImageBytes int64

	// MaxImages bounds the differences of one table that are stored with values; 0 means DefaultMaxImages. Where more rows
	// differ a table is copied anew rather than repaired; and else it is repaired in turns, with a check between them.
	MaxImages int64

	// MaxDifferences bounds the stored differences of one run; 0 means DefaultMaxDifferences. Those beyond it are only
	// counted. About 300 bytes of file each, without images.
	MaxDifferences int64

	// MaxReturned bounds the differences that Begin returns of a table, so that resuming a table without any row in
	// common does not fill the memory; 0 means DefaultMaxReturned. What the report lists per table is enough.
	MaxReturned int64

	// MustExist makes Open fail with Absent instead of creating a ledger: for commands that only read one.
	MustExist bool

	synchronous string           // of SQLite; set by benchmarks only
	now         func() time.Time // set by tests only
}

// Ledger is an open state directory. Its methods are safe for concurrent use.
type Ledger struct {
	opts Options
	dir  string
	path string
	lock *os.File // nil of a shared one

	write *sql.DB // one connection: SQLite has one writer, and waiting here is cheaper than in its busy handler
	read  *sql.DB
	stmts statements
}

// statements of the hot path, prepared on the writer.
type statements struct{ chunk, difference, image *sql.Stmt }

// Open takes the state directory dir for this process's check and opens or creates the ledger in it. dir is created if it
// does not exist, for this user only. Errors are *Error or the context's.
func Open(ctx context.Context, dir string, opts Options) (*Ledger, error) {
	return open(ctx, dir, opts, checkLock)
}

// OpenForWatch is Open for a watch: a check may go on beside it, another watch may not. Runs must not be begun in it.
func OpenForWatch(ctx context.Context, dir string, opts Options) (*Ledger, error) {
	return open(ctx, dir, opts, watchLock)
}

// OpenShared opens or creates the ledger beside whoever holds the state directory: to read what a check or a watch has
// stored so far, and to add evidence while they go on. Runs and accounts must not be begun in it. Errors are *Error or
// the context's.
func OpenShared(ctx context.Context, dir string, opts Options) (*Ledger, error) {
	return open(ctx, dir, opts, "")
}

func open(ctx context.Context, dir string, opts Options, lock string) (*Ledger, error) {
	opts = opts.withDefaults()
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, classify(dir, "open", err)
	}
	l := &Ledger{opts: opts, dir: abs, path: filepath.Join(abs, FileName)}
	if opts.MustExist {
		if _, err = os.Stat(l.path); errors.Is(err, os.ErrNotExist) {
			return nil, &Error{Kind: Absent, Path: abs, Op: "open"}
		}
	}
	if err = makeDir(abs); err != nil {
		return nil, classify(abs, "create the state directory", err)
	}
	if lock != "" {
		if l.lock, err = lockDir(abs, filepath.Join(abs, lock)); err != nil {
			return nil, err
		}
	}
	if err = l.open(ctx); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxImageBytes == 0 {
		o.MaxImageBytes = DefaultMaxImageBytes
	}
	if o.MaxImages == 0 {
		o.MaxImages = DefaultMaxImages
	}
	if o.MaxDifferences == 0 {
		o.MaxDifferences = DefaultMaxDifferences
	}
	if o.MaxReturned == 0 {
		o.MaxReturned = DefaultMaxReturned
	}
	if o.synchronous == "" {
		o.synchronous = "NORMAL"
	}
	if o.now == nil {
		o.now = time.Now
	}
	return o
}

// makeDir creates dir for this user only. A folder that exists keeps its mode: it may be one that others need, and the
// files in it are closed to others anyway.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &os.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Chmod(dir, 0o700) // a umask may have taken away our own rights
}

func (l *Ledger) open(ctx context.Context) error {
	if err := ownFile(l.path); err != nil {
		return classify(l.path, "open", err)
	}
	var err error
	if l.write, err = sql.Open("sqlite", l.dsn(false)); err != nil {
		return classify(l.path, "open", err)
	}
	l.write.SetMaxOpenConns(1)
	if err = l.migrate(ctx); err != nil {
		return err
	}
	if l.read, err = sql.Open("sqlite", l.dsn(true)); err != nil {
		return classify(l.path, "open", err)
	}
	l.read.SetMaxOpenConns(2)
	l.read.SetMaxIdleConns(1)
	return l.prepare(ctx)
}

// migrate brings the file to the newest layout. Several processes may open a new file at a time, and SQLite does not wait
// for the others where the journal's mode is changed.
func (l *Ledger) migrate(ctx context.Context) error {
	const patience, pause = 10 * time.Second, 20 * time.Millisecond
	for begin := time.Now(); ; {
		err := migrate(ctx, l.write, l.path)
		var lite *sqlite.Error
		if err == nil || !errors.As(err, &lite) || lite.Code()&0xff != sqlite3.SQLITE_BUSY || time.Since(begin) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return classify(l.path, "open", ctx.Err())
		case <-time.After(pause):
		}
	}
}

// dsn keeps both connections small: a check must fit into 64 MiB with everything else it does.
func (l *Ledger) dsn(readOnly bool) string {
	q := url.Values{}
	q["_pragma"] = []string{
		"busy_timeout(60000)", // a watch's checkpoint of a full window takes seconds, on a slow disk many
		"journal_mode(WAL)",
		"synchronous(" + l.opts.synchronous + ")",
		"foreign_keys(1)",
		"cache_size(-1024)",
		"temp_store(MEMORY)", // sorts are small, and a full /tmp is nothing to fail for
		"journal_size_limit(16777216)",
	}
	q.Set("_txlock", "immediate")
	q.Set("_dqs", "0")
	if readOnly {
		q.Set("_query_only", "1")
		q.Set("_txlock", "deferred")
	}
	return (&url.URL{Scheme: "file", Path: l.path, RawQuery: q.Encode()}).String()
}

func (l *Ledger) prepare(ctx context.Context) error {
	var errs [3]error
	l.stmts.chunk, errs[0] = l.write.PrepareContext(ctx, insertChunk)
	l.stmts.difference, errs[1] = l.write.PrepareContext(ctx, insertDifference)
	l.stmts.image, errs[2] = l.write.PrepareContext(ctx, insertImage)
	return classify(l.path, "open", errors.Join(errs[:]...))
}

// Path returns the ledger's file.
func (l *Ledger) Path() string { return l.path }

// Close closes the file and gives the state directory back if it was taken. An open run stays resumable.
func (l *Ledger) Close() error { return l.release() }

func (l *Ledger) release() error {
	var errs []error
	for _, s := range []*sql.Stmt{l.stmts.chunk, l.stmts.difference, l.stmts.image} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	for _, db := range []*sql.DB{l.read, l.write} { // the writer last: it leaves a file without a journal behind
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	err := classify(l.path, "close", errors.Join(errs...))
	if l.lock != nil {
		err = errors.Join(err, l.lock.Close())
	}
	return err
}

// inTx runs fn in one transaction of the writer. Nothing of it is kept if it fails.
func (l *Ledger) inTx(ctx context.Context, op string, fn func(tx *sql.Tx) error) error {
	tx, err := l.write.BeginTx(ctx, nil)
	if err != nil {
		return classify(l.path, op, err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing to do; before, its error adds nothing
	if err := fn(tx); err != nil {
		return classify(l.path, op, err)
	}
	if err := tx.Commit(); err != nil {
		return classify(l.path, op, err)
	}
	return nil
}

// timeText is how times are stored: sortable, and readable in the sqlite3 shell.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("stored time: %w", err)
	}
	return t, nil
}
