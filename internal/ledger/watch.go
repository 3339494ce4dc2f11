package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// ErrWatchClosed is returned by the methods of a Watch after Watch.Close.
var ErrWatchClosed = errors.New("the watch account is closed")

// keepWatches is how many accounts are remembered with their findings; older ones are deleted.
const keepWatches = 20

// WatchInfo describes a process that begins to watch.
type WatchInfo struct {
	Old, New checksum.EndpointInfo // Position is where the account begins; of a continued account it is not looked at
	Args     []string              // of the command; passwords in DSNs are taken out before they are stored
	Scope    *Scope                // nil: not recorded
	Fresh    bool                  // begin a new account even if there is one to continue
}

// Watch is the account of one pair of servers. It implements watch.Store. Its methods are safe for concurrent use; what
// one of them stored before it returned nil survives the death of the process.
type Watch struct {
	l       *Ledger
	id      int64
	since   time.Time
	resumed bool
	closed  atomic.Bool
}

var _ watch.Store = (*Watch)(nil)

// AccountChangedError says that a watch account cannot be continued because it is of other servers.
type AccountChangedError struct {
	Watch    int64
	Old, New *Change // nil where the side is the same server
}

// Error implements error.
func (e *AccountChangedError) Error() string {
	text := fmt.Sprintf("cannot continue watch account %d", e.Watch)
	for _, side := range []struct {
		name string
		c    *Change
	}{{"old", e.Old}, {"new", e.New}} {
		if side.c != nil {
			text += fmt.Sprintf(": %s is another server (was %s, now %s)", side.name, side.c.Was, side.c.Now)
		}
	}
	return text + "; connect to the same servers, name another folder with --state, or begin a new account with --fresh"
}

// OpenWatch continues the newest account of the same two servers, or begins one if the ledger holds none at all or
// info.Fresh is set. If it holds accounts of other servers only, the error is an *AccountChangedError.
func (l *Ledger) OpenWatch(ctx context.Context, info WatchInfo) (*Watch, error) {
	w := &Watch{l: l}
	var other *AccountChangedError
	err := l.inTx(ctx, "open the watch account", func(tx *sql.Tx) error {
		if !info.Fresh {
			var err error
			if other, err = w.resume(ctx, tx, info); err != nil || other != nil || w.resumed {
				return err
			}
		}
		return w.insert(ctx, tx, info)
	})
	if err == nil && other != nil {
		err = other
	}
	if err != nil {
		return nil, err
	}
	l.opts.Log.Debug("watch account opened", "watch", w.id, "resumed", w.resumed)
	return w, nil
}

func (w *Watch) insert(ctx context.Context, tx *sql.Tx, info WatchInfo) error {
	args, err := json.Marshal(redact(info.Args))
	if err != nil {
		return err
	}
	scope, err := scopeText(info.Scope)
	if err != nil {
		return err
	}
	w.since = w.l.opts.now().UTC().Truncate(time.Microsecond) // as it will be read again
	now := timeText(w.since)
	res, err := tx.ExecContext(ctx, `INSERT INTO watches (since, attempt_started, args_json, scope_json,
		old_uuid, old_addr, old_version, old_flavor, old_start, old_tls,
		new_uuid, new_addr, new_version, new_flavor, new_start, new_tls) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		slices.Concat([]any{now, now, string(args), scope}, endpoint(info.Old), endpoint(info.New))...)
	if err != nil {
		return err
	}
	if w.id, err = res.LastInsertId(); err != nil {
		return err
	}
	// A checkpoint of the same servers that a fresh account left behind is of no use, and may be large.
	_, err = tx.ExecContext(ctx, `DELETE FROM watch_checkpoints WHERE watch_id IN (SELECT id FROM watches
		WHERE id <> ? AND iif(old_uuid = '', old_addr, old_uuid) = ? AND iif(new_uuid = '', new_addr, new_uuid) = ?)`,
		w.id, identity(info.Old.ServerUUID, info.Old.Addr), identity(info.New.ServerUUID, info.New.Addr))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM watches WHERE id <= ? - ?`, w.id, keepWatches)
	return err
}

// resume takes the newest account of the servers over; resumed says whether there was one. other is the newest account
// of other servers, if there are only such.
func (w *Watch) resume(ctx context.Context, tx *sql.Tx, info WatchInfo) (other *AccountChangedError, err error) {
	list, err := accounts(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		e := &AccountChangedError{
			Watch: c.id, Old: changed(c.oldUUID, c.oldAddr, info.Old), New: changed(c.newUUID, c.newAddr, info.New),
		}
		if e.Old == nil && e.New == nil {
			return nil, w.takeOver(ctx, tx, c, info)
		}
		if other == nil {
			other = e
		}
	}
	return other, nil
}

func accounts(ctx context.Context, tx *sql.Tx) ([]candidate, error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT id, since, old_uuid, old_addr, new_uuid, new_addr FROM watches ORDER BY id DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []candidate
	for rows.Next() {
		var c candidate
		if err := rows.Scan(&c.id, &c.started, &c.oldUUID, &c.oldAddr, &c.newUUID, &c.newAddr); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

func (w *Watch) takeOver(ctx context.Context, tx *sql.Tx, c candidate, info WatchInfo) error {
	args, err := json.Marshal(redact(info.Args))
	if err != nil {
		return err
	}
	scope, err := scopeText(info.Scope)
	if err != nil {
		return err
	}
	o, n := info.Old, info.New // old_start and new_start stay: they are of the account
	_, err = tx.ExecContext(ctx, `UPDATE watches SET attempt_started = ?, attempts = attempts + 1, finished = NULL,
		args_json = ?, scope_json = ?, old_uuid = ?, old_addr = ?, old_version = ?, old_flavor = ?, old_tls = ?,
		new_uuid = ?, new_addr = ?, new_version = ?, new_flavor = ?, new_tls = ? WHERE id = ?`,
		timeText(w.l.opts.now()), string(args), scope, o.ServerUUID, o.Addr, o.Version, o.Flavor, o.TLS,
		n.ServerUUID, n.Addr, n.Version, n.Flavor, n.TLS, c.id)
	if err != nil {
		return err
	}
	w.id, w.resumed = c.id, true
	w.since, err = parseTime(c.started)
	return err
}

// ID returns the account's id, watches.id in the file.
func (w *Watch) ID() int64 { return w.id }

// Since is when the account's first process began.
func (w *Watch) Since() time.Time { return w.since }

// Resumed says whether an earlier process's account is continued.
func (w *Watch) Resumed() bool { return w.resumed }

// Close forces what is stored to the disk. It works with a cancelled ctx too, for a bounded time.
func (w *Watch) Close(ctx context.Context) error {
	if w.closed.Swap(true) {
		return ErrWatchClosed
	}
	if ctx.Err() != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		ctx = bounded
	}
	if _, err := w.l.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return classify(w.l.path, "force the watch account to the disk", err)
	}
	return nil
}

// inTx is Ledger.inTx for an account that is open.
func (w *Watch) inTx(ctx context.Context, op string, fn func(tx *sql.Tx) error) error {
	if w.closed.Load() {
		return ErrWatchClosed
	}
	return w.l.inTx(ctx, op, fn)
}

// storedStatus spells the verdict out, which watch.Verdict can write but not read.
type storedStatus struct {
	watch.Status
	Verdict string
}

// SaveStatus implements watch.Store. A final status ends the account until it is continued.
func (w *Watch) SaveStatus(ctx context.Context, s watch.Status) error {
	for i := range s.Sides { // JSON has no words for a rate without a span
		s.Sides[i].TransactionsPerSecond = finite(s.Sides[i].TransactionsPerSecond)
		s.Sides[i].ChangesPerSecond = finite(s.Sides[i].ChangesPerSecond)
	}
	text, _, err := encodeJSON(storedStatus{Status: s, Verdict: s.Verdict.String()})
	if err != nil {
		return fmt.Errorf("encode the watch status: %w", err)
	}
	return w.inTx(ctx, "store the watch status", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE watches SET verdict = ?, reason = ?, status_at = ?, old_position = ?,
			new_position = ?, status_json = ?, finished = iif(?, ?, NULL) WHERE id = ?`,
			s.Verdict.String(), s.Reason, timeText(s.At), s.Sides[conflict.Old].Position, s.Sides[conflict.New].Position,
			text, s.Final, timeText(w.l.opts.now()), w.id)
		return err
	})
}

func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// LastStatus returns the newest status that was saved, by this process or an earlier one; ok is false if there is none.
func (w *Watch) LastStatus(ctx context.Context) (s watch.Status, ok bool, err error) {
	const op = "read the watch status"
	var stored any
	err = w.l.read.QueryRowContext(ctx, `SELECT status_json FROM watches WHERE id = ?`, w.id).Scan(&stored)
	if err != nil {
		return s, false, classify(w.l.path, op, err)
	}
	if stored == nil {
		return s, false, nil
	}
	var read storedStatus
	if err = decodeJSON(stored, &read); err == nil {
		read.Status.Verdict, err = verdictOf(read.Verdict)
	}
	if err != nil {
		return s, false, &Error{Kind: Corrupt, Path: w.l.path, Op: op, Err: err}
	}
	return read.Status, true, nil
}

func verdictOf(word string) (watch.Verdict, error) {
	for _, v := range []watch.Verdict{watch.Undecided, watch.Clean, watch.Failed} {
		if v.String() == word {
			return v, nil
		}
	}
	return watch.Undecided, fmt.Errorf("no verdict is called %q", word)
}
