package cluster

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"crosscheck/fixtures"
)

// balance listens on an address that leads each new connection to where target points then.
func balance(t *testing.T, target *atomic.Value) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", target.Load().(string))
			if err != nil {
				_ = in.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				work.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					_ = in.Close()
					_ = out.Close()
				})
			}
		}
	})
	return l.Addr().String()
}

// TestDialSame: behind a load balancer the pool's connection says nothing of the one that is dialled, and a new one of
// the pool's must not answer for another server either.
func TestDialSame(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(f), func(t *testing.T) {
			srv := fixtures.ServerForTest(t, f, fixtures.ServerOptions{ServerID: 1})
			stranger := fixtures.ServerForTest(t, f, fixtures.ServerOptions{ServerID: 2})
			password := srv.Password(fixtures.Crosscheck)
			set := "ALTER USER 'crosscheck'@'%%' IDENTIFIED BY '%s'"
			if _, err := stranger.DB().ExecContext(t.Context(), fmt.Sprintf(set, password)); err != nil {
				t.Fatal(err)
			}
			var target atomic.Value
			target.Store(srv.Addr())
			s, err := Open(t.Context(), Config{
				Label: "old", Net: "tcp", Addr: balance(t, &target), User: string(fixtures.Crosscheck), Password: Secret(password),
			}, quiet())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			dial := func() error {
				c, err := s.DialSame(t.Context())
				if err == nil {
					_ = c.Close()
				}
				return err
			}
			if err := dial(); err != nil {
				t.Fatal(err)
			}
			target.Store(stranger.Addr())
			if err := s.SameServer(t.Context()); err != nil {
				t.Fatalf("the pool's own connection: %v", err)
			}
			if err := dial(); !IsServerChanged(err) || IsTransient(err) {
				t.Errorf("dialled to another server: %v", err)
			} else {
				t.Log(err)
			}
			s.DB().SetMaxIdleConns(-1) // from here on each statement has a connection of its own
			for what, ask := range map[string]func() error{
				"position":  func() error { _, err := s.Position(t.Context()); return err },
				"variables": func() error { _, err := s.Variables(t.Context()); return err },
				"identity":  func() error { return s.SameServer(t.Context()) },
				"tables":    func() error { _, err := LoadTable(t.Context(), s, "shop", "t"); return err },
				"statement": func() error { _, err := s.DB().ExecContext(t.Context(), "SELECT 1"); return err },
			} {
				if err := ask(); !IsServerChanged(err) || IsTransient(err) {
					t.Errorf("%s asked of another server: %v", what, err)
				}
			}
			target.Store(srv.Addr())
			if err := dial(); err != nil {
				t.Errorf("back at the right server: %v", err)
			}
			if _, err := s.Position(t.Context()); err != nil {
				t.Errorf("back at the right server, the pool: %v", err)
			}
		})
	}
}
