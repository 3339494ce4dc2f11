package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// ErrNoWatch says that the ledger holds no such watch account.
var ErrNoWatch = errors.New("no such watch account in the ledger")

// WatchSummary is an account as a list of accounts shows it.
type WatchSummary struct {
	ID                       int64
	Since, Attempt, Finished time.Time // first start, start of the last process, its end; zero while it goes on or if it was killed
	Attempts                 int
	Old, New                 checksum.EndpointInfo // Position is where the account begins
	Args                     []string
	Scope                    *Scope        // of the last process; nil: not known
	Verdict                  watch.Verdict // of the newest status
	Reason                   string
	StatusAt                 time.Time // zero: there is none
	Findings                 uint64    // benign ones included
}

// Watches returns all accounts that the ledger remembers, newest first.
func (l *Ledger) Watches(ctx context.Context) ([]WatchSummary, error) {
	const op = "read the watch accounts"
	rows, err := l.read.QueryContext(ctx, `SELECT id, since, attempt_started, ifnull(finished, ''), attempts, args_json,
		old_uuid, old_addr, old_version, old_flavor, old_start, old_tls,
		new_uuid, new_addr, new_version, new_flavor, new_start, new_tls, verdict, reason, ifnull(status_at, ''),
		(SELECT count(*) FROM watch_findings f WHERE f.watch_id = w.id), scope_json FROM watches w ORDER BY id DESC`)
	if err != nil {
		return nil, classify(l.path, op, err)
	}
	defer rows.Close()
	var list []WatchSummary
	for rows.Next() {
		s, err := scanWatch(rows.Scan)
		if err != nil {
			return nil, classify(l.path, op, err)
		}
		list = append(list, s)
	}
	return list, classify(l.path, op, rows.Err())
}

func scanWatch(scan func(into ...any) error) (s WatchSummary, err error) {
	var since, attempt, finished, args, verdict, statusAt string
	var scope sql.NullString
	o, n := &s.Old, &s.New
	err = scan(&s.ID, &since, &attempt, &finished, &s.Attempts, &args,
		&o.ServerUUID, &o.Addr, &o.Version, &o.Flavor, &o.Position, &o.TLS,
		&n.ServerUUID, &n.Addr, &n.Version, &n.Flavor, &n.Position, &n.TLS, &verdict, &s.Reason, &statusAt, &s.Findings, &scope)
	if err != nil {
		return s, err
	}
	for _, t := range []struct {
		text string
		into *time.Time
	}{{since, &s.Since}, {attempt, &s.Attempt}, {finished, &s.Finished}, {statusAt, &s.StatusAt}} {
		if t.text == "" {
			continue
		}
		if *t.into, err = parseTime(t.text); err != nil {
			return s, err
		}
	}
	if s.Scope, err = scopeOf(scope); err != nil {
		return s, err
	}
	if s.Verdict, err = verdictOf(verdict); err != nil {
		return s, err
	}
	return s, decodeJSON(args, &s.Args)
}

// ReadWatch returns an account to be read only, whatever its servers: methods that store return ErrWatchClosed. With id
// 0 it is the newest one. The error is ErrNoWatch if there is none.
func (l *Ledger) ReadWatch(ctx context.Context, id int64) (*Watch, error) {
	list, err := l.Watches(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if id == 0 || s.ID == id {
			w := &Watch{l: l, id: s.ID, since: s.Since, resumed: true}
			w.closed.Store(true)
			return w, nil
		}
	}
	if id != 0 {
		return nil, fmt.Errorf("watch account %d: %w", id, ErrNoWatch)
	}
	return nil, ErrNoWatch
}

// LastFound returns when the newest finding of any of these kinds was found; zero if there is none.
func (w *Watch) LastFound(ctx context.Context, kinds ...conflict.Kind) (time.Time, error) {
	const op = "read the findings"
	if len(kinds) == 0 {
		return time.Time{}, nil
	}
	args := []any{w.id}
	for _, k := range kinds {
		args = append(args, k.String())
	}
	var at string
	err := w.l.read.QueryRowContext(ctx, `SELECT ifnull(max(found_at), '') FROM watch_findings WHERE watch_id = ? AND kind IN (?`+
		strings.Repeat(", ?", len(kinds)-1)+`)`, args...).Scan(&at)
	if err != nil || at == "" {
		return time.Time{}, classify(w.l.path, op, err)
	}
	t, err := parseTime(at)
	if err != nil {
		return t, &Error{Kind: Corrupt, Path: w.l.path, Op: op, Err: err}
	}
	return t, nil
}
