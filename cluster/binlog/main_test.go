package binlog

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/fixtures"
)

// patience is how long a test waits for what must come. It costs nothing where it comes, and the machine may be busy.
const patience = 6 * time.Minute

// The servers are shared by the tests of this package: starting one costs
// seconds. Tests that restart or purge start their own.
var shared struct {
	mu      sync.Mutex
	servers map[fixtures.Family]*fixtures.Server
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range shared.servers {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreTopFunction("os/exec.(*Cmd).Wait")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// sharedServer is the running server of a family.
func sharedServer(t testing.TB, f fixtures.Family) *fixtures.Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if s := shared.servers[f]; s != nil {
		return s
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	in, err := fixtures.Provision(ctx, f, fixtures.Options{Progress: func(l string) { t.Log(l) }})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s, err := fixtures.Start(ctx, in, fixtures.ServerOptions{ServerID: 7})
	if err != nil {
		t.Fatal(err)
	}
	if shared.servers == nil {
		shared.servers = map[fixtures.Family]*fixtures.Server{}
	}
	shared.servers[f] = s
	return s
}

// eachFamily runs a test on a server of every family.
func eachFamily(t *testing.T, test func(t *testing.T, s *fixtures.Server)) {
	for _, f := range fixtures.Families() {
		t.Run(string(f), func(t *testing.T) { test(t, sharedServer(t, f)) })
	}
}

// open connects as the account that has only what crosscheck asks for.
func open(t testing.TB, s *fixtures.Server) *cluster.Server {
	t.Helper()
	cfg := cluster.Config{
		Label: string(s.Family()), Net: "tcp", Addr: s.Addr(),
		User: string(fixtures.Crosscheck), Password: cluster.Secret(s.Password(fixtures.Crosscheck)),
	}
	srv, err := cluster.Open(context.Background(), cfg, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return srv
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// database makes a fresh database and returns a one-connection pool on it.
func database(t testing.TB, s *fixtures.Server) (*sql.DB, string) {
	t.Helper()
	name := "d" + fmt.Sprint(time.Now().UnixNano())
	admin := s.DB()
	if _, err := admin.Exec("CREATE DATABASE " + name + " DEFAULT CHARACTER SET utf8mb4"); err != nil {
		t.Fatal(err)
	}
	cfg := s.Config(fixtures.Admin)
	cfg.DBName = name
	cfg.Collation = "utf8mb4_general_ci"
	cfg.InterpolateParams = true
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		db.Close()
		if _, err := admin.Exec("DROP DATABASE " + name); err != nil {
			t.Error(err)
		}
	})
	exec(t, db, "SET time_zone = '+00:00', sql_mode = ''")
	return db, name
}

func exec(t testing.TB, db *sql.DB, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%.200s: %v", q, err)
		}
	}
}

// tail starts a tail at "now".
func tail(t testing.TB, srv *cluster.Server, schema string, opt Options) *Tailer {
	t.Helper()
	return tailFrom(t, srv, schema, gtid.Position{}, opt)
}

func tailFrom(t testing.TB, srv *cluster.Server, schema string, from gtid.Position, opt Options) *Tailer {
	t.Helper()
	opt.Watch = func(s, _ string) bool { return s == schema }
	if opt.Tables == nil {
		filter, err := cluster.NewFilter([]string{schema + ".*"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if opt.Tables, err = cluster.LoadTables(context.Background(), srv, filter); err != nil {
			t.Fatal(err)
		}
	}
	tl, err := Tail(context.Background(), srv, from, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tl.Close)
	return tl
}

// until reads transactions until one holds an insert into the table named end,
// and returns all that came, parts joined, heartbeats and the end left out.
func until(t testing.TB, tl *Tailer, end string) []*Transaction {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out []*Transaction
	for {
		tx, err := tl.Next(ctx)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		if tx.Heartbeat {
			continue
		}
		for _, c := range tx.Changes {
			if c.Table == end {
				return out
			}
		}
		out = append(out, tx)
	}
}

// changes joins the changes of all transactions.
func changes(txs []*Transaction) []Change {
	var out []Change
	for _, tx := range txs {
		out = append(out, tx.Changes...)
	}
	return out
}

// texts shows rows for comparison.
func texts(r Row) string {
	parts := make([]string, len(r))
	for i, v := range r {
		parts[i] = v.String()
	}
	return strings.Join(parts, "|")
}
