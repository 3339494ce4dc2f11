package binlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
)

// Options shape a tail. The zero value watches all tables of all schemas.
type Options struct {
	// Watch says which tables' rows are decoded; others cost next to nothing.
	// Nil: all.
	Watch func(schema, table string) bool
	// Tables are definitions that are valid at the start position. Tables that
	// are missing here are read when their first rows come, and those rows are
	// Uncertain unless the log itself carries the definition
	// (binlog_row_metadata=FULL).
	Tables []cluster.Table
	// HeartbeatPeriod is how soon an idle server tells how far it is; 0: 1 s.
	HeartbeatPeriod time.Duration
	// ReadTimeout is how long a server may send nothing at all; 0: the
	// server's own, 15 s.
	ReadTimeout time.Duration
	// MaxOutage is how long reconnecting may take; 0: 2 minutes.
	MaxOutage time.Duration
	// Identity is what Tailer.Identity returned earlier, when a tail goes on
	// where another process ended; "": whoever answers is right.
	Identity string
	// AnyFormat lets a server through whose binlog_format is not ROW: sessions
	// may set their own, and statements are reported where they come.
	AnyFormat bool
	// ExactNames says that letter case counts in names of databases and tables on all servers that are concerned.
	ExactNames bool
	// Sums asks for Change.Sum and Change.Layout.
	Sums bool
	// Raw leaves rows as they were logged, with their sums: Before and After are nil until Change.Decode. No definition is
	// read, and a row costs a fraction of what decoding it does.
	Raw bool
	Log *slog.Logger // nil: none
}

func (o Options) withDefaults() Options {
	if o.HeartbeatPeriod <= 0 {
		o.HeartbeatPeriod = time.Second
	}
	o.ReadTimeout = max(o.ReadTimeout, 3*o.HeartbeatPeriod)
	if o.MaxOutage <= 0 {
		o.MaxOutage = 2 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Tailer reads one server's binary log from a position on, over as many
// connections as it takes. Next is for one goroutine; the other methods may be
// called from any.
type Tailer struct {
	srv      *cluster.Server
	opt      Options
	identity string
	life     context.Context //nolint:containedctx // ends the connection's goroutine and schema reads
	end      context.CancelFunc

	// Of Next's goroutine.
	asm     *assembler
	batch   [][]byte
	failed  error
	created map[string]uint32 // per log file: when it was made, to notice a reset
	// The last look at an idle server, and the end of its log then.
	patrolled time.Time
	expect    gtid.FilePos

	mu       sync.Mutex
	sess     *session
	position gtid.Position // after the last whole transaction that Next gave out
	closed   bool
	stats    Stats
}

// Stats count what a tail has done.
type Stats struct {
	Events, Bytes, Transactions, Changes uint64
	Reconnects                           int
	// LastEvent is the server's own time of the newest event read.
	LastEvent time.Time
}

// Tail starts reading srv's log after the position from; an unknown position
// (gtid.None) means now. The log is read by GTID or by file:position as the
// position's kind says, on MariaDB always by GTID. ctx bounds the start only.
//
// Errors, here and from Next: *PrivilegeError, *UnusableError (binary log off
// or not ROW), *PurgedError, *IdentityError, *ResetError, *DumpError,
// *LostError, *FormatError, a *cluster.ServerError for a failed first
// connection, or ctx's.
func Tail(ctx context.Context, srv *cluster.Server, from gtid.Position, opt Options) (*Tailer, error) {
	if opt.ReadTimeout <= 0 {
		opt.ReadTimeout = srv.SilentFor()
	}
	opt = opt.withDefaults()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	t := &Tailer{srv: srv, opt: opt, identity: opt.Identity, life: life, end: end, created: map[string]uint32{}}
	if err := t.beginPatiently(ctx, from); err != nil {
		end()
		return nil, err
	}
	return t, nil
}

// beginPatiently is begin, again where the server is lost meanwhile, as it is when it is lost later.
func (t *Tailer) beginPatiently(ctx context.Context, from gtid.Position) error {
	for since, pause := time.Now(), firstPause; ; pause = min(2*pause, longPause) {
		err := t.begin(ctx, from)
		if err == nil || !cluster.IsLost(err) && !errors.Is(err, errSilent) || ctx.Err() != nil {
			return err
		}
		err = t.srv.Explain("begin to read its binary log", err)
		if time.Since(since) > t.opt.MaxOutage {
			return fmt.Errorf("gave up after %s: %w", t.opt.MaxOutage, err)
		}
		t.opt.Log.Warn("lost the server while beginning to read its binary log, trying again", "server", t.srv.Label(), "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *Tailer) begin(ctx context.Context, from gtid.Position) error {
	if err := t.usable(); err != nil {
		return err
	}
	sess, err := dial(ctx, t.srv)
	if err != nil {
		return err
	}
	release := sess.bound(ctx)
	defer release()
	names, err := sess.collations()
	if err == nil {
		from, err = sess.resolve(from)
	}
	if err != nil {
		sess.close(false)
		return t.explain(ctx, from, err)
	}
	t.asm = &assembler{mariaDB: t.srv.Facts().IsMariaDB(), exact: t.opt.ExactNames, watch: t.opt.Watch, sums: t.opt.Sums, raw: t.opt.Raw, tables: map[uint64]*mapped{}, pos: from}
	t.asm.schema = newSchemaCache(names, tablesOf(t.opt.Tables))
	t.asm.schema.load = t.loadTable
	t.asm.created = t.created
	t.asm.pos.MySQL = from.MySQL.Clone()
	t.position = t.asm.position()
	return t.attach(ctx, sess)
}

// usable checks what would make every try fail.
func (t *Tailer) usable() error {
	f := t.srv.Facts()
	switch {
	case !f.LogBin:
		return &UnusableError{Server: t.srv.Label(), Setting: "log_bin", Value: "OFF", Want: "log_bin=ON"}
	case f.BinlogFormat != "ROW" && !t.opt.AnyFormat:
		return &UnusableError{Server: t.srv.Label(), Setting: "binlog_format", Value: f.BinlogFormat, Want: "binlog_format=ROW"}
	}
	return nil
}

// attach checks the server behind a connection, starts the dump on it and
// waits for the first event, so that a refusal is known here.
func (t *Tailer) attach(ctx context.Context, sess *session) error {
	release := sess.bound(ctx)
	err := t.verify(sess)
	if err == nil {
		err = sess.start(t.asm.pos, t.opt, sess.pickServerID())
	}
	if !release() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		sess.close(false)
		return t.explain(ctx, t.asm.pos, err)
	}
	go sess.run(t.opt.ReadTimeout)
	t.asm.connected()
	first, err := sess.queue.pop(ctx)
	if err != nil {
		sess.close(true)
		return t.explain(ctx, t.asm.pos, err)
	}
	t.batch = first
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		sess.close(true)
		return ErrClosed
	}
	t.sess = sess
	return nil
}

// Next returns the next transaction or part of one, or a Heartbeat. It blocks
// until there is one; a context that ends leaves the tail usable. After any
// other error the tail is at its end and returns the same error again.
func (t *Tailer) Next(ctx context.Context) (*Transaction, error) {
	if t.failed != nil {
		return nil, t.failed
	}
	for len(t.asm.ready) == 0 {
		if err := t.advance(ctx); err != nil {
			if ctx.Err() == nil {
				t.failed = err
				t.Close()
			}
			return nil, err
		}
	}
	tx := t.asm.ready[0]
	t.asm.ready = t.asm.ready[1:]
	if tx.Heartbeat {
		if err := t.watchful(ctx); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	if tx.Last {
		t.position = tx.Position
		t.stats.Transactions++
	}
	t.stats.Changes += uint64(len(tx.Changes))
	t.stats.LastEvent = time.Unix(int64(t.asm.lastEvent), 0).UTC()
	t.mu.Unlock()
	return tx, nil
}

// watchful patrols; a doubt about the connection ends it.
func (t *Tailer) watchful(ctx context.Context) error {
	err := t.patrol(ctx)
	if errors.Is(err, errBackward) {
		t.expect = gtid.FilePos{}
		err = t.reconnect(ctx, err)
	}
	if err != nil && ctx.Err() == nil {
		t.failed = err
		t.Close()
	}
	return err
}

// advance takes one event, or the connection's end.
func (t *Tailer) advance(ctx context.Context) error {
	if t.asm.inner != nil {
		_, err := t.asm.feedInner()
		return t.broken(err)
	}
	if len(t.batch) == 0 {
		batch, err := t.sess.queue.pop(ctx)
		switch {
		case err == nil:
			t.batch = batch
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			return t.reconnect(ctx, err)
		}
	}
	ev := t.batch[0]
	t.batch[0] = nil
	t.batch = t.batch[1:]
	t.mu.Lock()
	t.stats.Events++
	t.stats.Bytes += uint64(len(ev))
	t.mu.Unlock()
	err := t.asm.feed(ev)
	if errors.Is(err, errBackward) {
		return t.reconnect(ctx, err) // the check of the new connection finds out why
	}
	return t.broken(err)
}

func (t *Tailer) broken(err error) error {
	if err == nil {
		return nil
	}
	var reset *ResetError
	if errors.As(err, &reset) {
		reset.Server = t.srv.Label()
		return reset
	}
	return &FormatError{Server: t.srv.Label(), At: t.asm.pos, Err: err}
}

const (
	firstPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
)

// reconnect goes on with the last whole transaction on a new connection.
func (t *Tailer) reconnect(ctx context.Context, cause error) error {
	t.sess.close(true)
	if t.life.Err() != nil {
		return ErrClosed
	}
	t.batch, t.expect = nil, gtid.FilePos{}
	t.asm.interrupted()
	if final := t.final(ctx, cause); final != nil {
		return final
	}
	since, last, pause := time.Now(), cause, firstPause
	for tries := 1; ; tries++ {
		t.opt.Log.Warn("binlog connection lost, reconnecting", "server", t.srv.Label(), "position", t.asm.pos.String(), "try", tries, "cause", oneLine(last))
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return t.resumable(ctx, last)
		case <-t.life.Done():
			return ErrClosed
		}
		err := t.again(ctx)
		if err == nil {
			t.mu.Lock()
			t.stats.Reconnects++
			t.mu.Unlock()
			return nil
		}
		switch {
		case t.life.Err() != nil:
			return ErrClosed
		case ctx.Err() != nil:
			return t.resumable(ctx, err)
		case !retriable(err):
			return err
		case time.Since(since) > t.opt.MaxOutage:
			return &LostError{Server: t.srv.Label(), Since: since, Tries: tries, Err: err}
		}
		last, pause = err, min(2*pause, longPause)
	}
}

// resumable leaves the tail so that the next Next tries to connect again.
func (t *Tailer) resumable(ctx context.Context, cause error) error {
	t.mu.Lock()
	t.sess = closed(fmt.Errorf("not connected: %w", cause))
	t.mu.Unlock()
	return ctx.Err()
}

func (t *Tailer) again(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.opt.ReadTimeout)
	defer cancel()
	stop := context.AfterFunc(t.life, cancel)
	defer stop()
	sess, err := dial(ctx, t.srv)
	if err != nil {
		return err
	}
	return t.attach(ctx, sess)
}

// final asks whether the end of a stream is one that no reconnect mends.
func (t *Tailer) final(ctx context.Context, cause error) error {
	if cluster.ErrorNumber(cause) == 0 {
		return nil
	}
	err := t.explain(ctx, t.asm.pos, cause)
	if retriable(err) {
		return nil
	}
	// A refusal in the middle of a stream may have had a passing cause (another
	// replica with our id): the new connection's first event decides.
	var dump *DumpError
	if errors.As(err, &dump) {
		return nil
	}
	return err
}

// retriable tells whether another try may succeed.
func retriable(err error) bool {
	var silent interface{ Timeout() bool }
	return cluster.IsTransient(err) || errors.Is(err, errSilent) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.As(err, &silent) && silent.Timeout()
}

// Position is the position after the last whole transaction or heartbeat that
// Next returned: where another tail would go on.
func (t *Tailer) Position() gtid.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.position
}

// CaughtUpTo tells whether Next has returned everything up to p.
func (t *Tailer) CaughtUpTo(p gtid.Position) (bool, error) { return t.Position().Contains(p) }

// Identity names the server, for Options.Identity.
func (t *Tailer) Identity() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.identity
}

// Stats is a snapshot of the counters.
func (t *Tailer) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

// Close ends the tail; a Next that waits returns ErrClosed. It may be called
// more than once.
func (t *Tailer) Close() {
	t.mu.Lock()
	sess, was := t.sess, t.closed
	t.closed = true
	t.mu.Unlock()
	t.end()
	if sess != nil && !was {
		sess.close(true)
	}
}
