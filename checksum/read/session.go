// Package read reads one side's rows over a raw connection: ranges in key order, rows by their keys, whole tables; and says
// of keys whether the server reads them as what they are. Rows come as packets, keys and hashes, none is decoded.
package read

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"crosscheck/checksum/packet"
	"crosscheck/checksum/plan"
	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/cluster/rowstream"
)

// ErrTimeLimit reports that a statement was ended by a time limit of the server: the caller asks for less.
var ErrTimeLimit = errors.New("statement ended by the server's time limit")

// Session reads one side's rows on one raw connection, which it opens when it is first needed and opens again when it
// breaks. It belongs to one goroutine.
type Session struct {
	Server  *cluster.Server
	NewSide bool // of plans: it reads new's part
	pace    *Pace
	log     *slog.Logger
	retry   time.Duration // how long a lost server is tried again before the error counts

	conn   *rowstream.Conn
	narrow bool     // a connection was lost over rowstream's Widen
	peer   *Session // of the other side, for questions about keys; nil where none come up

	Strays int64 // rows that a lookup found although their key is none of those asked for; see Rechecker

	table string // the table that stmts are for
	stmts map[string]*rowstream.Stmt
}

// NewSession returns a session that connects when it is first used.
func NewSession(s *cluster.Server, newSide bool, p *Pace, retry time.Duration, log *slog.Logger) *Session {
	return &Session{Server: s, NewSide: newSide, pace: p, log: log, retry: retry}
}

// LinkPeers lets each of two sides' sessions ask the other one about keys.
func LinkPeers(a, b *Session) { a.peer, b.peer = b, a }

// AtMost bounds the rows of a statement so that a paced run's statements stay short.
func (s *Session) AtMost(rows int) int { return s.pace.maxRows(rows) }

// Close closes the connection; the session opens another one when it is used again.
func (s *Session) Close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
	s.conn, s.stmts = nil, nil
}

// Do runs op, and again after transient failures, on a fresh connection where the old one broke. op must start from
// scratch each time. The server that answers must be the one the run began with.
func (s *Session) Do(ctx context.Context, what string, op func() error) error {
	var deadline time.Time
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, 3*time.Second
	for {
		err := s.once(ctx, op)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			s.Close()
			return ctx.Err()
		case cluster.IsTimeout(err):
			return fmt.Errorf("%w: %w", ErrTimeLimit, err)
		case !cluster.IsTransient(err):
			if cluster.ErrorNumber(err) == 0 {
				s.Close() // an answer that was not read to its end; the next table begins on another connection
			}
			return s.Server.Explain(what, err)
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(s.retry)
			message := "lost the server, trying again"
			if !cluster.EndsRun(err) {
				message = "the server refuses for now, trying again"
			}
			s.log.Warn(message, "side", s.Server.Label(), "while", what, "err", err, "for", s.retry)
		}
		s.Close()
		if now.After(deadline) {
			err = s.Server.Explain(what, err)
			return fmt.Errorf("gave up after %s: %w", s.retry, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait.NextBackOff()):
		}
	}
}

func (s *Session) once(ctx context.Context, op func() error) error {
	if s.conn == nil || s.conn.Broken() {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	release := s.conn.Guard(ctx)
	defer release()
	return op()
}

func (s *Session) connect(ctx context.Context) error {
	s.Close()
	c, err := s.Server.DialSame(ctx)
	if err != nil {
		return err
	}
	s.conn, s.stmts = rowstream.New(c), make(map[string]*rowstream.Stmt)
	if s.narrow {
		return nil
	}
	release := s.conn.Guard(ctx)
	defer release()
	err = s.conn.Widen(s.Server.Facts().MaxAllowedPacket)
	s.narrow = err != nil // the next connection does without
	return err
}

// stmt returns the prepared statement for query. Statements of the table before are freed when another table begins.
func (s *Session) stmt(table, query string) (*rowstream.Stmt, error) {
	if s.table != table {
		for _, st := range s.stmts {
			if err := st.Close(); err != nil {
				return nil, err
			}
		}
		clear(s.stmts)
		s.table = table
	}
	if st, ok := s.stmts[query]; ok {
		return st, nil
	}
	st, err := s.conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	s.stmts[query] = st
	return st, nil
}

// Visitor is called for each row with its key, its packet's beginning and the rows it belongs to; for a row that is
// larger than the read buffer it must call rows.Rest or rows.Whole if it needs the remainder.
type Visitor func(key, head []byte, rows *rowstream.Rows) error

// query runs one statement of p and hands its rows to visit.
func (s *Session) query(ctx context.Context, p *plan.Table, query string, params []rowstream.Param, visit Visitor) error {
	st, err := s.stmt(p.Name, query)
	if err != nil {
		return err
	}
	rows, err := st.Query(params...)
	if err != nil {
		return err
	}
	p.SeeTypes(rows.Columns())
	keys := packet.NewKeySlicer(rows.Columns(), p.NKey)
	before, n := s.conn.BytesRead(), int64(0)
	for {
		head, err := rows.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = s.pace.spent(ctx, n, s.conn.BytesRead()-before)
			}
			return err
		}
		key, err := keys.Slice(head)
		if err != nil {
			return err
		}
		if err := visit(key, head, rows); err != nil {
			return err
		}
		n++
	}
}

// ReadRange fills list with the rows of r, at most limit of them (0 for all). The last key read, as a bound, is
// returned when limit was reached, else r.Hi. Rows behind the last key that can be a bound are left to the next range; a
// *plan.KeyError tells that there is none.
func (s *Session) ReadRange(ctx context.Context, p *plan.Table, r chunker.Range, limit int, list *List) (hi chunker.Bound, full bool, err error) {
	side := p.Side(s.NewSide)
	query := side.RangeQuery(len(r.Lo), len(r.Hi), limit > 0)
	params := r.Hi.Params(r.Lo.Params(nil))
	if limit > 0 {
		params = append(params, rowstream.Uint64(uint64(limit)))
	}
	h := NewHasher(p)
	err = s.Do(ctx, "read rows of "+p.Name, func() error {
		list.reset()
		return s.query(ctx, p, query, params, func(key, head []byte, rows *rowstream.Rows) error {
			if rows.More() { // hashing the remainder overwrites the buffer that key lies in
				key = bytes.Clone(key)
			}
			sum, size, herr := h.Hash(head, rows)
			if herr != nil {
				return herr
			}
			list.Add(key, sum, size)
			return nil
		})
	})
	if err != nil || limit == 0 || list.Len() < limit {
		return r.Hi, false, err
	}
	// At the range's own end there is no rest: a range (hi, hi] would stand beside the one that begins there.
	if last := p.KeyBound(list.Key(list.Len() - 1)); r.Hi != nil && bytes.Equal(last.Encode(), r.Hi.Encode()) {
		return r.Hi, false, nil
	}
	if hi, err = s.cutSure(ctx, p, list); err == nil && hi == nil {
		if limit < maxUnbound {
			return s.ReadRange(ctx, p, r, maxUnbound, list)
		}
		err = p.UnsureKey(plan.ReasonNoBound)
	}
	return hi, true, err
}

// maxUnbound is how many rows are read at once where fewer hold no key that can be a bound.
const maxUnbound = 2 * MaxChunkRows

// eachUint reads a result of one BIGINT UNSIGNED column.
func eachUint(rows *rowstream.Rows, visit func(uint64)) error {
	slicer := packet.NewKeySlicer(rows.Columns(), 1)
	for {
		head, err := rows.Next()
		if err != nil {
			return ignoreEOF(err)
		}
		raw, err := slicer.Slice(head)
		if err != nil {
			return err
		}
		visit(littleEndian(raw))
	}
}

// ignoreEOF turns the end of the rows into success.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func littleEndian(raw []byte) uint64 {
	var v uint64
	for i := len(raw) - 1; i >= 0; i-- {
		v = v<<8 | uint64(raw[i])
	}
	return v
}

// EndsRun reports whether an error, met while one table was read, ends the run: the server or the account is lost, or the
// run itself has ended. Every other one is the table's own.
func EndsRun(err error) bool {
	return cluster.EndsRun(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
