package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster/rowstream"
	"crosscheck/fixtures"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// configOf is how a user with only crosscheck's rights reaches a fixture.
func configOf(srv *fixtures.Server, user fixtures.User) Config {
	c := Config{Label: "old", Net: "tcp", Addr: srv.Addr(), User: string(user), Password: Secret(srv.Password(user))}
	if user == fixtures.Admin {
		c.Net, c.Addr = "unix", srv.Socket()
	}
	return c
}

func openFixture(t testing.TB, srv *fixtures.Server) *Server {
	t.Helper()
	return openConfig(t, configOf(srv, fixtures.Crosscheck))
}

func openConfig(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Open(t.Context(), cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func execAll(t testing.TB, srv *fixtures.Server, statements ...string) {
	t.Helper()
	conn, err := srv.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range append([]string{"SET sql_log_bin=0, SESSION sql_mode='', NAMES utf8mb4"}, statements...) {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func forFamilies(t *testing.T, opts fixtures.ServerOptions, run func(t *testing.T, srv *fixtures.Server)) {
	for _, f := range fixtures.Families() {
		t.Run(string(f), func(t *testing.T) { run(t, fixtures.ServerForTest(t, f, opts)) })
	}
}

func TestConnect(t *testing.T) {
	forFamilies(t, fixtures.ServerOptions{ServerID: 77, PerformanceSchema: true}, func(t *testing.T, srv *fixtures.Server) {
		s := openFixture(t, srv)
		t.Run("facts", func(t *testing.T) { checkFacts(t, srv, s) })
		t.Run("sessions", func(t *testing.T) { checkSessionSetUp(t, s) })
		t.Run("attributes", func(t *testing.T) { checkAttributes(t, srv, s) })
		t.Run("socket", func(t *testing.T) {
			u := openConfig(t, configOf(srv, fixtures.Admin))
			if u.Facts().ServerUUID != s.Facts().ServerUUID {
				t.Errorf("identity by socket %s, by TCP %s", u.Facts().ServerUUID, s.Facts().ServerUUID)
			}
		})
		t.Run("cancel", func(t *testing.T) { checkCancel(t, srv, s) })
		t.Run("errors", func(t *testing.T) { checkConnectErrors(t, srv) })
		t.Run("prompt", func(t *testing.T) { checkPrompt(t, srv) })
		t.Run("silence", func(t *testing.T) { checkSilence(t, srv) })
		if srv.Family() == fixtures.MySQL {
			t.Run("silent connecting", func(t *testing.T) { checkSilentConnecting(t, srv) })
			t.Run("corruption", func(t *testing.T) { checkCorruption(t, srv) })
		}
		t.Run("restart", func(t *testing.T) { checkReopen(t, srv, s) })
	})
}

func checkFacts(t *testing.T, srv *fixtures.Server, s *Server) {
	f := s.Facts()
	t.Logf("%s %+v", f, f)
	want := map[fixtures.Family]Flavor{fixtures.MariaDB: FlavorMariaDB, fixtures.MySQL: FlavorMySQL, fixtures.MySQL56: FlavorMySQL}
	if f.Flavor != want[srv.Family()] || fmt.Sprintf("%d.%d.%d", f.Major, f.Minor, f.Patch) != srv.Version() {
		t.Errorf("facts %s, server %s %s", f, srv.Family(), srv.Version())
	}
	if f.ServerID != 77 || f.Port != srv.Port() || !f.LogBin || f.BinlogFormat != "ROW" || f.BinlogRowImage != "FULL" ||
		!f.LogReplicaUpdates || f.ReadOnly || f.MaxAllowedPacket != 1<<30 || f.Account != "crosscheck@%" || f.AutoIncrementIncrement != 1 {
		t.Errorf("facts: %+v", f)
	}
	if wantMode := map[fixtures.Family]string{fixtures.MySQL: "ON", fixtures.MySQL56: "OFF"}[srv.Family()]; f.GTIDMode != wantMode {
		t.Errorf("GTIDMode %q, want %q", f.GTIDMode, wantMode)
	}
	if f.TLS != "" {
		t.Errorf("TLS %q over loopback, for an account that does not require it", f.TLS)
	}
	if err := s.SameServer(t.Context()); err != nil {
		t.Error(err)
	}
	checkNoVariables(t, s)
	// What is plain over loopback is not for that plain to another machine.
	if c := s.ConfigAt("old-1", "db2", 3307); c.TLS == TLSDisabled || c.Addr != "db2:3307" || c.User != s.cfg.User || c.Password != s.cfg.Password {
		t.Errorf("the same login elsewhere: %+v", c)
	}
	if c := s.Lend(Config{User: s.cfg.User, Addr: "db2:3307"}); c.TLS == TLSDisabled || c.Password != s.cfg.Password || c.Addr != "db2:3307" {
		t.Errorf("lent: %+v", c)
	}
	if c := s.Lend(Config{User: "somebody", Addr: "db2:3307"}); c.Password != "" {
		t.Error("lent to another user")
	}
}

// checkSessionSetUp reads the session's variables back over both kinds of connection.
func checkSessionSetUp(t *testing.T, s *Server) {
	want := map[string]string{
		"time_zone": "+00:00", "sql_mode": "", "autocommit": "ON", "character_set_client": "utf8mb4",
		"character_set_connection": "utf8mb4", "lock_wait_timeout": "5", "innodb_lock_wait_timeout": "5",
		"sql_select_limit": "18446744073709551615", "max_execution_time": "600000", "max_statement_time": "600.000000",
		"transaction_isolation": "REPEATABLE-READ", "tx_isolation": "REPEATABLE-READ", "tx_read_only": "ON",
		"transaction_read_only": "ON", "show_gipk_in_create_table_and_information_schema": "ON", "net_write_timeout": "3600",
	}
	check := func(kind, results string, have variables) {
		t.Helper()
		for name, value := range want {
			if have.has(name) && have[name] != value {
				t.Errorf("%s: %s = %q, want %q", kind, name, have[name], value)
			}
		}
		if have["character_set_results"] != results {
			t.Errorf("%s: character_set_results %q, want %q", kind, have["character_set_results"], results)
		}
	}
	have, err := s.variables(t.Context(), "SHOW SESSION VARIABLES")
	if err != nil {
		t.Fatal(err)
	}
	check("pool", "utf8mb4", have)
	raw, err := s.DialRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	have, err = pairs(raw, "SHOW SESSION VARIABLES")
	if err != nil {
		t.Fatal(err)
	}
	check("raw", "", have)
	_, err = s.DB().Exec("CREATE TABLE mysql.crosscheck_may_not (a INT)")
	if n := ErrorNumber(err); n != 1792 && n != errTableAccessDenied && n != errDBAccessDenied {
		t.Errorf("a write gave %v", err)
	}
	conn := rowstream.New(raw)
	stmt, err := conn.Prepare("SELECT 1")
	if err != nil {
		t.Fatalf("rowstream on a raw connection: %v", err)
	}
	_ = stmt
}

func checkAttributes(t *testing.T, srv *fixtures.Server, s *Server) {
	raw, err := s.DialRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := s.DB().Ping(); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := srv.DB().QueryRow("SELECT COUNT(DISTINCT PROCESSLIST_ID) FROM performance_schema.session_connect_attrs " +
		"WHERE ATTR_NAME = 'program_name' AND ATTR_VALUE = 'crosscheck'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n < 2 {
		t.Errorf("%d connections are named crosscheck, want the pool's and the raw one", n)
	}
}

func checkCancel(t *testing.T, srv *fixtures.Server, s *Server) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := s.DB().ExecContext(ctx, "DO SLEEP(60)")
	if err == nil || time.Since(begin) > 30*time.Second {
		t.Errorf("a cancelled statement gave %v after %s", err, time.Since(begin))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := s.DialRaw(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("DialRaw with an ended context gave %v", err)
	}
	// A context that ends at any moment of the set-up; the race detector sees who else holds the connection.
	for i := range 80 {
		for name, op := range map[string]func(context.Context) (io.Closer, error){
			"DialRaw": func(ctx context.Context) (io.Closer, error) { return s.DialRaw(ctx) },
			"Open":    func(ctx context.Context) (io.Closer, error) { return Open(ctx, s.Config(), quiet()) },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			stop := time.AfterFunc(time.Duration(i)*200*time.Microsecond, cancel)
			c, err := op(ctx)
			switch {
			case err == nil:
				_ = c.Close()
			case !errors.Is(err, context.Canceled):
				t.Errorf("%s, ended after %d times 0.2 ms: %v", name, i, err)
			}
			stop.Stop()
			cancel()
		}
	}
	if err := srv.Pause(); err != nil {
		t.Fatal(err)
	}
	defer srv.Resume()
	for name, op := range map[string]func(context.Context) error{
		"DialRaw":    func(ctx context.Context) error { _, err := s.DialRaw(ctx); return err },
		"SameServer": s.SameServer,
		"Open":       func(ctx context.Context) error { _, err := Open(ctx, s.Config(), quiet()); return err },
	} {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := op(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > quietTime-time.Second {
			t.Errorf("%s to a frozen server: %v after %s", name, err, time.Since(begin))
		}
		cancel()
	}
}

// checkNoVariables has the server answer the question who it is with no row: that is not another server.
func checkNoVariables(t *testing.T, s *Server) {
	s.DB().SetMaxOpenConns(1)
	defer s.DB().SetMaxOpenConns(0)
	if _, err := s.DB().ExecContext(t.Context(), "SET sql_select_limit = 0"); err != nil {
		t.Fatal(err)
	}
	if err := s.SameServer(t.Context()); !errors.Is(err, ErrNoVariables) || !IsTransient(err) || IsServerChanged(err) {
		t.Errorf("a server that names no variable: %v", err)
	}
	if v, err := s.Variables(t.Context()); !errors.Is(err, ErrNoVariables) {
		t.Errorf("%d variables, %v", len(v), err)
	}
	if _, err := s.DB().ExecContext(t.Context(), "SET sql_select_limit = "+noLimit); err != nil {
		t.Fatal(err)
	}
}

func checkConnectErrors(t *testing.T, srv *fixtures.Server) {
	for _, c := range []struct {
		name      string
		change    func(*Config)
		number    uint16
		transient bool
		contains  string
	}{
		{"wrong password", func(c *Config) { c.Password = "wrong-secret" }, 1045, false, "check the user and the password"},
		{"wrong user", func(c *Config) { c.User = "nobody" }, 1045, false, "check the user and the password"},
		{"refused", func(c *Config) { c.Addr = "127.0.0.1:1" }, 0, true, "nothing listens there"},
		{"unknown host", func(c *Config) { c.Addr = "no-such-host.invalid:3306" }, 0, false, "check the name"},
		{"no socket", func(c *Config) { c.Net, c.Addr = "unix", "/nonexistent/mysql.sock" }, 0, true, "no such socket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := configOf(srv, fixtures.Crosscheck)
			c.change(&cfg)
			_, err := Open(t.Context(), cfg, quiet())
			var e *ServerError
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			t.Log(err)
			if c.name == "unknown host" && strings.Contains(err.Error(), "name service does not answer") {
				t.Skip("this machine's name service does not answer")
			}
			if e.Number != c.number || !strings.Contains(err.Error(), c.contains) || IsTransient(err) != c.transient {
				t.Errorf("number %d, transient %v: %v", e.Number, IsTransient(err), err)
			}
			if strings.ContainsAny(err.Error(), "\n\r") || strings.Contains(err.Error(), "wrong-secret") {
				t.Errorf("not one line without a password: %q", err)
			}
		})
	}
}

func checkPrompt(t *testing.T, srv *fixtures.Server) {
	cfg := configOf(srv, fixtures.Crosscheck)
	cfg.Password = ""
	asked := 0
	cfg.Prompt = func(user, addr string) (string, error) {
		asked++
		if user != cfg.User || addr != cfg.Addr {
			t.Errorf("asked for %s at %s", user, addr)
		}
		return srv.Password(fixtures.Crosscheck), nil
	}
	s, err := Open(t.Context(), cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if asked != 1 || s.Config().Password.Reveal() != srv.Password(fixtures.Crosscheck) {
		t.Errorf("asked %d times", asked)
	}
	cfg.Prompt = func(string, string) (string, error) { return "", io.EOF }
	if _, err := Open(t.Context(), cfg, quiet()); ErrorNumber(err) != 1045 {
		t.Errorf("a refused prompt gave %v", err)
	}
}

func checkReopen(t *testing.T, srv *fixtures.Server, s *Server) {
	raw, err := s.DialRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err = srv.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = raw.Execute("SELECT 1")
	if !IsTransient(err) {
		t.Errorf("a raw connection to a stopped server: %v is not transient", err)
	}
	if err = s.SameServer(t.Context()); !IsTransient(err) {
		t.Errorf("a stopped server: %v is not transient", err)
	}
	t.Log(err)
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.SameServer(t.Context()); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	s.facts.ServerUUID = "another"
	if err := s.SameServer(t.Context()); !IsServerChanged(err) {
		t.Errorf("another server: %v", err)
	}
}
