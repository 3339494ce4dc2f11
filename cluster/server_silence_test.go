package cluster

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"crosscheck/cluster/rowstream"
	"crosscheck/fixtures"
)

// shortly is the quiet time of these tests, and loss how soon a loss must be known, on a busy machine.
const (
	shortly = 300 * time.Millisecond
	loss    = 20 * time.Second
)

// throughRelay opens a server with a relay before it. Its connections are soon quiet; what is to succeed may take its time.
func throughRelay(t *testing.T, srv *fixtures.Server) (*Server, *fixtures.Relay) {
	t.Helper()
	r := fixtures.NewRelay(t, srv.Addr())
	cfg := configOf(srv, fixtures.Crosscheck)
	cfg.Addr = r.Addr()
	s := openConfig(t, cfg)
	s.life.quiet = shortly
	return s, r
}

func wantLost(t *testing.T, began time.Time, err error) {
	t.Helper()
	if !IsTransient(err) {
		t.Errorf("silence is %v, and not a lost server", err)
	}
	if took := time.Since(began); took > loss {
		t.Errorf("it took %s to know", took)
	}
}

// longAnswer is more than all buffers between hold.
const longAnswer = "SELECT REPEAT('x', 1000) FROM information_schema.columns a JOIN information_schema.columns b LIMIT 40000"

func checkSilence(t *testing.T, srv *fixtures.Server) {
	t.Parallel()
	s, relay := throughRelay(t, srv)
	raw := func(t *testing.T) *rowstream.Conn {
		t.Helper()
		c, err := s.DialSame(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := rowstream.New(c)
		t.Cleanup(func() { r.Close() })
		return r
	}
	silent := func(_ int, down bool, _ int64, p []byte) ([]byte, bool) { return p[:0], down }
	t.Run("a slow statement is not silence", func(t *testing.T) {
		var got string
		if err := s.DB().QueryRowContext(t.Context(), "SELECT CONCAT(SLEEP(1.2), 'x')").Scan(&got); err != nil || got != "0x" {
			t.Errorf("%q, %v", got, err)
		}
		if err := readAll(raw(t), "SELECT SLEEP(1.2)"); err != nil {
			t.Error(err)
		}
	})
	t.Run("in rows, and the server answers others", func(t *testing.T) {
		c := raw(t)
		var come atomic.Int64
		relay.Set(func(_ int, down bool, offset int64, p []byte) ([]byte, bool) {
			if down && len(p) > 1000 && come.Add(int64(len(p))) > 1<<20 {
				return nil, true
			}
			return p, false
		})
		defer relay.Set(nil)
		began := time.Now()
		wantLost(t, began, readAll(c, longAnswer))
	})
	for name, down := range map[string]bool{"the answer": true, "the question": false} {
		t.Run(name+" is lost, and the server answers others", func(t *testing.T) {
			c := raw(t)
			var once atomic.Bool
			relay.Set(func(_ int, d bool, _ int64, p []byte) ([]byte, bool) {
				if d == down && once.CompareAndSwap(false, true) {
					return nil, true
				}
				return p, false
			})
			defer relay.Set(nil)
			began := time.Now()
			wantLost(t, began, readAll(c, "SELECT 1"))
		})
	}
	t.Run("all of it", func(t *testing.T) {
		c := raw(t)
		s.life.within, s.cfg.Quiet = shortly, shortly
		defer func() { s.life.within, s.cfg.Quiet = quietTime, 0 }()
		relay.Set(silent)
		defer relay.Set(nil)
		began := time.Now()
		_, err := s.Variables(t.Context())
		wantLost(t, began, err)
		began = time.Now()
		wantLost(t, began, readAll(c, "SELECT 1"))
		began = time.Now()
		_, err = s.DialSame(t.Context())
		wantLost(t, began, err)
	})
	t.Run("a context ends every wait", func(t *testing.T) {
		c := raw(t) // the question whether the server lives takes as long as is usual
		relay.Set(silent)
		defer relay.Set(nil)
		for name, wait := range map[string]func(context.Context) error{
			"pool": func(ctx context.Context) error { _, err := s.Variables(ctx); return err },
			"rows": func(ctx context.Context) error {
				defer c.Guard(ctx)()
				return readAll(c, "SELECT 1")
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 2*shortly)
			began := time.Now()
			if err := wait(ctx); err == nil {
				t.Errorf("%s: no error", name)
			}
			cancel()
			if took := time.Since(began); took > quietTime-time.Second {
				t.Errorf("%s: it took %s", name, took)
			}
		}
	})
}

func readAll(c *rowstream.Conn, query string) error {
	st, err := c.Prepare(query)
	if err != nil {
		return err
	}
	rows, err := st.Query()
	if err != nil {
		return err
	}
	for {
		if _, err := rows.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// checkSilentConnecting: at whatever byte a server falls silent while somebody connects, it is a lost server.
func checkSilentConnecting(t *testing.T, srv *fixtures.Server) {
	t.Parallel()
	s, relay := throughRelay(t, srv)
	s.cfg.Quiet, s.life.within = shortly, shortly
	for _, after := range []int64{0, 40, 90, 250} {
		relay.Set(func(_ int, down bool, offset int64, p []byte) ([]byte, bool) {
			if down && offset+int64(len(p)) > after {
				return p[:max(after-offset, 0)], true
			}
			return p, false
		})
		for name, connect := range map[string]func() error{
			"first": func() error {
				cfg := s.Config()
				cfg.TLS = ""
				n, err := Open(t.Context(), cfg, quiet())
				if err == nil {
					n.Close()
				}
				return err
			},
			"raw": func() error {
				c, err := s.DialSame(t.Context())
				if err == nil {
					c.Close()
				}
				return err
			},
			"pool": func() error {
				s.db.SetMaxIdleConns(0)
				return s.db.PingContext(t.Context())
			},
		} {
			t.Run(fmt.Sprintf("%s %d", name, after), func(t *testing.T) {
				began := time.Now()
				wantLost(t, began, connect())
			})
		}
	}
}

// checkCorruption: whatever stands in a server's packets, there is an answer or an error, and no panic.
func checkCorruption(t *testing.T, srv *fixtures.Server) {
	t.Parallel()
	s, relay := throughRelay(t, srv)
	ask := func(query string) (n int, err error) {
		rows, err := s.DB().QueryContext(t.Context(), query)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() {
			n++
		}
		return n, rows.Err()
	}
	// answer changes the answer to the next command.
	answer := func(change func(p []byte) []byte) {
		var once atomic.Bool
		relay.Set(func(_ int, down bool, _ int64, p []byte) ([]byte, bool) {
			if down && once.CompareAndSwap(false, true) {
				return change(append([]byte{}, p...)), false
			}
			return p, false
		})
	}
	const query = "SELECT 'aaaa', 'bbbb' UNION SELECT 'cccc', 'dddd'"
	defer relay.Set(nil)
	for name, change := range map[string]func([]byte) []byte{
		"2^63-1 columns":      func([]byte) []byte { return []byte{9, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f} },
		"2^36 columns":        func([]byte) []byte { return []byte{9, 0, 0, 1, 0xfe, 0, 0, 0, 0, 16, 0, 0, 0} },
		"2^24-1 columns":      func([]byte) []byte { return []byte{4, 0, 0, 1, 0xfd, 0xff, 0xff, 0xff} },
		"a count that is cut": func([]byte) []byte { return []byte{2, 0, 0, 1, 0xfc, 1} },
		"a cut string": func(p []byte) []byte { // in a row: it must not pass for the last one
			for i := range p {
				if string(p[i:min(i+4, len(p))]) == "bbbb" {
					if p[i-1] == 4 && string(p[i-6:i-1]) == "\x04aaaa" {
						p[i-1] = 0x44
					}
				}
			}
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			relay.Set(nil)
			if n, err := ask(query); n != 2 || err != nil {
				t.Fatalf("%d rows, %v", n, err)
			}
			answer(change)
			n, err := ask(query)
			if err == nil || IsTransient(err) {
				t.Errorf("%d rows, %v", n, err)
			}
			if text := s.Explain("read", err).Error(); !malformed(err) || len(text) > 1000 {
				t.Errorf("it says %q", text)
			}
		})
	}
	t.Run("any byte", func(t *testing.T) {
		for at := int64(0); at < 700; at += 11 {
			for _, b := range []byte{0xfe, 0x03} {
				relay.Set(func(_ int, down bool, offset int64, p []byte) ([]byte, bool) {
					if i := at - offset; down && i >= 0 && i < int64(len(p)) {
						p[i] = b
					}
					return p, false
				})
				cfg := s.Config()
				cfg.Quiet = 50 * time.Millisecond // a length that promises more than comes is silence
				n, err := Open(t.Context(), cfg, quiet())
				if err == nil {
					c, derr := n.DialRaw(t.Context())
					if derr == nil {
						c.Close()
					}
					_, _ = n.Variables(t.Context())
					n.Close()
				}
			}
		}
	})
	t.Run("an endless answer", func(t *testing.T) {
		relay.Set(nil)
		conn, err := s.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		err = conn.Raw(func(c any) error {
			d := c.(*driverConn)
			d.low.limits.answer = 1 << 20
			rows, qerr := d.QueryContext(t.Context(), longAnswer, nil)
			if qerr != nil {
				return qerr
			}
			var last error
			for row := make([]driver.Value, 1); last == nil; {
				last = rows.Next(row)
			}
			return last
		})
		if !malformed(err) {
			t.Errorf("it ends with %v", err)
		}
	})
}
