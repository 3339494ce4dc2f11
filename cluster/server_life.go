package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"crosscheck/internal/fault"
)

const (
	// quietTime is how long a connection may be silent before its server is asked over another one; the question may take
	// as long again. A lost server is thus known within half a minute, while a statement may take its time.
	quietTime = 10 * time.Second
	// silentAtMost is longer than a statement can run; see statementSeconds.
	silentAtMost = (statementSeconds + 60) * time.Second
)

// quiet is how long the server may be silent, while connecting, too.
func (s *Server) quiet() time.Duration {
	if s.cfg.Quiet > 0 {
		return s.cfg.Quiet
	}
	return quietTime
}

// setUpLimit bounds what a new connection runs first, so that a frozen server cannot hang whoever connects.
func (s *Server) setUpLimit() time.Duration { return 3 * s.quiet() }

// SilentFor is how long a stream on which something must come all the time may be silent.
func (s *Server) SilentFor() time.Duration { return s.quiet() * 3 / 2 }

// life tells whether a server lives, for connections on which nothing comes.
type life struct {
	quiet  time.Duration
	within time.Duration // how long a question may take
	ask    func(ctx context.Context) (threads map[uint32]bool, err error)

	ctx context.Context //nolint:containedctx // ends a question that nobody waits for
	end context.CancelFunc

	mu   sync.Mutex
	look *look // under way
}

// look is one question to a server.
type look struct {
	done    chan struct{}
	threads map[uint32]bool
	err     error
}

func newLife(quiet time.Duration, ask func(context.Context) (map[uint32]bool, error)) *life {
	l := &life{quiet: quiet, within: quiet, ask: ask}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// begin asks the server; whoever comes while a question is under way shares its answer.
func (l *life) begin() *look {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.look != nil {
		return l.look
	}
	k := &look{done: make(chan struct{})}
	l.look = k
	go func() {
		defer fault.Guard()
		ctx, cancel := context.WithTimeout(l.ctx, l.within)
		defer cancel()
		k.threads, k.err = l.ask(ctx)
		l.mu.Lock()
		l.look = nil
		l.mu.Unlock()
		close(k.done)
	}()
	return k
}

// silence is one wait for a server's bytes.
type silence struct {
	since time.Time
	idle  int
}

// judge is called when nothing came for the quiet time. It returns why the connection is lost; nil if it is worth to go
// on waiting, or the caller wants something else of it.
func (s *silence) judge(c *conn) error {
	if s.since.IsZero() {
		s.since = time.Now().Add(-c.life.quiet)
	}
	if !c.wanted() {
		return nil
	}
	k := c.life.begin()
	select {
	case <-k.done:
	case <-c.poke:
		return nil
	}
	busy, listed := k.threads[c.id]
	switch {
	case time.Since(s.since) > max(silentAtMost, 3*c.life.quiet):
		return fmt.Errorf("nothing came for %s: %w", time.Since(s.since).Round(time.Second), ErrSilent)
	case k.err != nil && ErrorNumber(k.err) == 0:
		return fmt.Errorf("nothing came for %s, and another connection failed (%s): %w", time.Since(s.since).Round(time.Second), oneLine(k.err.Error()), ErrSilent)
	case k.threads == nil, busy: // it lives; what it does for us is not known, or it is at work
		s.idle = 0
		return nil
	}
	// What was just sent may be on its way. The second time it is not.
	if s.idle++; s.idle < 2 {
		return nil
	}
	what := "the server waits for us"
	if !listed {
		what = "the server does not know the connection any more"
	}
	return fmt.Errorf("nothing came for %s, and %s: %w", time.Since(s.since).Round(time.Second), what, ErrSilent)
}

// askThreads lists the server's threads that this account may see, and whether each is at work. It returns nil if they
// are not to be known: another server answers, or a proxy stands between that gives connections ids of its own.
func (s *Server) askThreads(ctx context.Context) (map[uint32]bool, error) {
	c, low, err := s.dial(ctx, nil)
	if err != nil {
		return nil, err
	}
	stop := hangUp(ctx, c)
	defer func() {
		stop()
		_ = c.Close()
	}()
	low.limits.answer = poolAnswer
	_ = c.SetDeadline(time.Now().Add(s.setUpLimit())) // ctx ends sooner
	if _, err = c.Execute("SET " + first); err != nil {
		return nil, err
	}
	v, err := pairs(c, identityQuery)
	if err != nil {
		return nil, err
	}
	if s.same(v) != nil {
		return nil, nil
	}
	r, err := c.Execute("SHOW PROCESSLIST")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	column := map[string]int{}
	for i, f := range r.Fields {
		column[strings.ToLower(string(f.Name))] = i
	}
	out := map[uint32]bool{}
	for i := range r.RowNumber() {
		var text [3]string
		for j, name := range []string{"id", "command", "state"} {
			if text[j], err = r.GetString(i, column[name]); err != nil {
				return nil, err
			}
		}
		if id, err := strconv.ParseUint(text[0], 10, 32); err == nil {
			out[uint32(id)] = atWork(text[1], text[2])
		}
	}
	if _, ok := out[low.id]; !ok || low.id == 0 {
		return nil, nil
	}
	return out, nil
}

// atWork tells whether a thread does something whose answer is still to come. One that writes to a connection on which
// nothing arrives is not.
func atWork(command, state string) bool {
	switch strings.ToLower(command) {
	case "sleep", "connect", "killed", "quit", "reset connection":
		return false
	}
	switch strings.ToLower(state) {
	case "sending to client", "writing to net", "reading from net", "receiving from client", "login":
		return false
	}
	return true
}
