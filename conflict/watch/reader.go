package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// readAhead bounds, in bytes of the log, what a reader has read and the engine has not taken. Decoded rows take about
// four times as much memory.
const readAhead = 4 << 20

// item is one piece of a side's stream.
type item struct {
	tx    *binlog.Transaction
	bytes int64
	// mark is called by the engine when the stream has come to the place that it was set for.
	mark func()
	gap  *conflict.Gap
	err  error // the stream is at its end
}

// reader reads one side's binary log ahead of the engine.
type reader struct {
	side   conflict.Side
	server *cluster.Server
	peer   *cluster.Server // the other side's
	opt    binlog.Options
	out    chan item
	budget *semaphore.Weighted // of ahead bytes
	ahead  int64

	mu    sync.Mutex
	tail  *binlog.Tailer
	marks []mark
	done  chan struct{}
}

// mark asks to be told when the stream has come past a position.
type mark struct {
	at gtid.Position
	fn func()
}

// newReader reads what a tail gives.
func newReader(side conflict.Side, servers Sides, tail *binlog.Tailer, opt binlog.Options) *reader {
	return &reader{
		side: side, server: servers[side], peer: servers[side.Other()], opt: opt, tail: tail,
		out: make(chan item, 256), budget: semaphore.NewWeighted(readAhead), ahead: readAhead, done: make(chan struct{}),
	}
}

func (r *reader) current() *binlog.Tailer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tail
}

func (r *reader) identity() string    { return r.current().Identity() }
func (r *reader) stats() binlog.Stats { return r.current().Stats() }
func (r *reader) reached(p gtid.Position) bool {
	return past(r.current().Position(), p)
}

// past tells whether a tail at a position has read all that a server's position stands for. On MariaDB that may hold
// what was applied without leaving a trace in the log: the place in the log decides.
func past(at, p gtid.Position) bool {
	if in, err := at.Contains(p); err == nil && in {
		return true
	}
	if at.Kind != gtid.MariaDBGTID || at.File.IsZero() || p.File.IsZero() {
		return false
	}
	c, err := at.File.Compare(p.File)
	return err == nil && c >= 0
}

// when arranges that fn is called by the engine at the place of the stream where all up to p has been read.
func (r *reader) when(p gtid.Position, fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, mark{p, fn})
}

// run reads until ctx ends or the log cannot be read on.
func (r *reader) run(ctx context.Context) {
	defer close(r.done)
	for {
		before := r.stats().Bytes
		tx, err := r.current().Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			if err = r.mend(ctx, err); err != nil {
				r.send(ctx, item{err: err})
				return
			}
			continue
		}
		n := min(max(int64(r.stats().Bytes-before), 1), r.ahead)
		if r.budget.Acquire(ctx, n) != nil || !r.send(ctx, item{tx: tx, bytes: n}) {
			return
		}
		if (tx.Last || tx.Heartbeat) && !r.pass(ctx) {
			return
		}
	}
}

func (r *reader) send(ctx context.Context, it item) bool {
	select {
	case r.out <- it:
		return true
	case <-ctx.Done():
		return false
	}
}

// pass sends the marks that the stream has come past.
func (r *reader) pass(ctx context.Context) bool {
	r.mu.Lock()
	var fns []func()
	if len(r.marks) > 0 {
		at := r.tail.Position()
		rest := r.marks[:0]
		for _, m := range r.marks {
			if past(at, m.at) {
				fns = append(fns, m.fn)
			} else {
				rest = append(rest, m)
			}
		}
		clear(r.marks[len(rest):])
		r.marks = rest
	}
	r.mu.Unlock()
	for _, fn := range fns {
		if !r.send(ctx, item{mark: fn}) {
			return false
		}
	}
	return true
}

// mend goes on behind a piece of the log that is gone. Another server at the address is not gone on with: what it
// holds is not this account's.
func (r *reader) mend(ctx context.Context, cause error) error {
	if _, gone := goneLog(cause); !gone {
		return cause
	}
	from := r.current().Position()
	opt := r.opt
	opt.Tables = nil // what was valid before the gap need not be behind it
	if tail := resumed(ctx, r.server, from, r.identity(), opt, cause); tail != nil {
		r.mu.Lock()
		r.tail = tail
		r.mu.Unlock()
		return nil
	}
	tail, gap, err := beyond(ctx, r.server, r.peer, from, opt, cause)
	if err != nil {
		return errors.Join(cause, err)
	}
	r.mu.Lock()
	r.tail, r.marks = tail, nil // positions from before the gap may never be contained
	r.mu.Unlock()
	if !r.send(ctx, item{gap: &gap}) {
		return ctx.Err()
	}
	return nil
}

// A server sends a transaction when it is in the log, and names it in gtid_executed a moment later, when it is committed;
// under load, or where a commit waits for a replica's word, that takes a while. A tail that asks in between misses the
// newest transactions there, and takes the log for one that was begun anew.
const (
	aheadFor = time.Minute
	// As many transactions can be about to commit as there are connections.
	maxAhead = 4096
)

// resumed goes on with a log that was taken for a new one, if it is not; else nil.
func resumed(ctx context.Context, server *cluster.Server, from gtid.Position, identity string, opt binlog.Options, cause error) *binlog.Tailer {
	var reset *binlog.ResetError
	if !errors.As(cause, &reset) || from.Kind != gtid.MySQLGTID || !committed(ctx, server, from) {
		return nil
	}
	opt.Identity = identity
	tail, err := binlog.Tail(ctx, server, from, opt)
	if err != nil {
		return nil // the caller tries again from elsewhere, and tells why
	}
	return tail
}

// committed waits until a server has a position that it does not have yet, if only a few transactions are missing. It
// returns false for a log that was begun anew: that ends before the place, or has more to come than can be on its way.
func committed(ctx context.Context, server *cluster.Server, from gtid.Position) bool {
	for since := time.Now(); time.Since(since) < aheadFor; {
		at, err := server.Position(ctx)
		switch {
		case err != nil && !cluster.IsTransient(err):
			return false
		case err != nil:
		case at.File.IsZero() || from.File.IsZero() || behind(at.File, from.File):
			return false
		case at.MySQL.Contains(from.MySQL):
			return true
		case from.MySQL.Subtract(at.MySQL).Count() > maxAhead:
			return false
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return false
}

func behind(a, b gtid.FilePos) bool {
	c, err := a.Compare(b)
	return err == nil && c < 0
}

// beyond begins a tail at the present end of a log of which a piece is gone, and says what was not read. Servers that do
// not answer for a moment are waited for, no longer than a tail would.
func beyond(ctx context.Context, server, peer *cluster.Server, from gtid.Position, opt binlog.Options, cause error) (*binlog.Tailer, conflict.Gap, error) {
	gap := conflict.Gap{From: from, Detail: cause.Error()}
	var reset *binlog.ResetError
	gap.Reset = errors.As(cause, &reset)
	for since := time.Now(); ; {
		var tail *binlog.Tailer
		var err error
		if gap.To, err = server.Position(ctx); err == nil {
			tail, err = binlog.Tail(ctx, server, gap.To, opt)
		}
		if err == nil {
			if gap.Other, err = peer.Position(ctx); err == nil {
				return tail, gap, nil
			}
			tail.Close()
		}
		_, gone := goneLog(err)
		if ctx.Err() != nil || time.Since(since) > opt.MaxOutage || !gone && !cluster.IsTransient(err) {
			return nil, gap, err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return nil, gap, ctx.Err()
		}
	}
}

// close ends the reading; run has returned when it returns, provided its context has ended or the engine still takes.
func (r *reader) close() { r.current().Close() }
