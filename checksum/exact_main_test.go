package checksum

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/checksum/plan"
	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// servers are started once for all tests of the package, each when it is first asked for.
type serverPool struct {
	mu      sync.Mutex
	started map[string]*fixtures.Server
	failed  map[string]error
}

var pool = &serverPool{started: make(map[string]*fixtures.Server), failed: make(map[string]error)}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range pool.started {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close a fixture:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// folded is the role of a server that takes names in different letter case for one.
const folded = "folded"

// get returns the server with the given role of a family; two roles of one family are two servers.
func (p *serverPool) get(t testing.TB, f fixtures.Family, role string) *fixtures.Server {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	name := string(f) + " " + role
	if s := p.started[name]; s != nil {
		return s
	}
	if err := p.failed[name]; err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	in, err := fixtures.Provision(ctx, f, fixtures.Options{})
	if err == nil {
		var s *fixtures.Server
		id := uint32(10 + len(p.started))
		variables := map[string]string{"innodb_file_per_table": "1"}
		if role == folded {
			variables["lower_case_table_names"] = "1"
		}
		if s, err = fixtures.Start(ctx, in, fixtures.ServerOptions{
			ServerID: id, DomainID: id, BufferPoolMB: 128, RedoMB: 600, Variables: variables,
		}); err == nil {
			p.started[name] = s
			return s
		}
	}
	p.failed[name] = err
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
	return nil
}

// pair is two servers that do not replicate from each other.
type pair struct {
	name     string
	old, new *fixtures.Server
}

func (p pair) has(f fixtures.Family) bool { return p.old.Family() == f || p.new.Family() == f }

// familyPairs are the pairs of families that migrations lead between.
var familyPairs = [][2]fixtures.Family{
	{fixtures.MySQL56, fixtures.MariaDB},
	{fixtures.MySQL56, fixtures.MySQL},
	{fixtures.MariaDB, fixtures.MySQL},
	{fixtures.MariaDB, fixtures.MariaDB118},
	{fixtures.MySQL, fixtures.MySQL},
	{fixtures.MySQL, fixtures.MariaDB},
}

// forPairs runs a test on the first n pairs of families.
func forPairs(t *testing.T, n int, run func(t *testing.T, p pair)) {
	for _, f := range familyPairs[:n] {
		name := string(f[0]) + "→" + string(f[1])
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, pair{name: name, old: pool.get(t, f[0], "old"), new: pool.get(t, f[1], "new")})
		})
	}
}

// session is one connection for making a side's data: binary log off, everything allowed.
func dataSession(t testing.TB, s *fixtures.Server, database string) func(statement string) error {
	t.Helper()
	conn, err := s.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	exec := func(q string) error {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), q)
		return err
	}
	for _, q := range []string{
		"SET sql_log_bin=0", "SET NAMES utf8mb4", "SET time_zone='+00:00'", "SET foreign_key_checks=0",
		"SET sql_mode='ALLOW_INVALID_DATES'", "SET innodb_strict_mode=0",
		"DROP DATABASE IF EXISTS " + cluster.Quote(database),
		"CREATE DATABASE " + cluster.Quote(database) + " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
		"USE " + cluster.Quote(database),
		"CREATE TABLE zz_digits (d INT NOT NULL PRIMARY KEY)", "INSERT INTO zz_digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
		"CREATE TABLE seq (n INT NOT NULL PRIMARY KEY)",
		"INSERT INTO seq SELECT a.d+10*b.d+100*c.d+1000*e.d FROM zz_digits a, zz_digits b, zz_digits c, zz_digits e",
	} {
		if err := exec(q); err != nil {
			t.Fatalf("%s: %s: %v", s.Family(), q, err)
		}
	}
	return exec
}

// openSide connects as a user with the smallest rights would.
func openSide(t testing.TB, s *fixtures.Server, label string) *cluster.Server {
	t.Helper()
	c, err := cluster.Open(t.Context(), cluster.Config{
		Label: label, Net: "tcp", Addr: s.Addr(), User: string(fixtures.Crosscheck),
		Password: cluster.Secret(s.Password(fixtures.Crosscheck)),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// memoryJournal keeps what a check records.
type memoryJournal struct {
	mu     sync.Mutex
	chunks map[string][]ProvenChunk
}

func newJournal() *memoryJournal { return &memoryJournal{chunks: make(map[string][]ProvenChunk)} }

func (j *memoryJournal) Begin(context.Context, TableIdentity) ([]ProvenChunk, string, error) {
	return nil, "", nil
}

func (j *memoryJournal) Record(_ context.Context, table string, c ProvenChunk) error {
	c.Differences = slices.Clone(c.Differences)
	for i, d := range c.Differences { // new's server can be asked only while the check goes on
		var err error
		if c.Differences[i], err = d.Unpack(); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.chunks[table] = append(j.chunks[table], c)
	return nil
}

func (j *memoryJournal) Finish(context.Context, TableResult) error { return nil }

func (j *memoryJournal) differences(table string) []Difference {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Difference
	for _, c := range j.chunks[table] {
		out = append(out, c.Differences...)
	}
	return out
}

type quietObserver struct{}

func (quietObserver) TableStarted(string, int64, int64) {}
func (quietObserver) Progress(string, int64, int64)     {}
func (quietObserver) TableDone(TableResult)             {}
func (quietObserver) Notice(string)                     {}

// check compares the databases that the patterns select and returns the results by table.
func check(t testing.TB, p pair, opt Options, patterns ...string) (map[string]TableResult, *memoryJournal) {
	t.Helper()
	filter, err := cluster.NewFilter(patterns, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	o, n := openSide(t, p.old, "old"), openSide(t, p.new, "new")
	survey, err := Look(ctx, o, n)
	if err != nil {
		t.Fatal(err)
	}
	j := newJournal()
	opt.Filter, opt.Journal, opt.Observer = filter, j, quietObserver{}
	if opt.Log == nil && os.Getenv("EXACT_LOG") != "" {
		opt.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	r, err := Run(ctx, o, n, survey, opt)
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
	}
	out := make(map[string]TableResult, len(r.Tables))
	for _, tr := range r.Tables {
		out[tr.Table] = tr
	}
	return out, j
}

// exactCase is one table of both sides and what comparing it must say. In statements {t} stands for the table. Definitions
// and rows are the same on both sides, unless ddlNew says otherwise, before tamper runs on new.
type exactCase struct {
	name      string
	ddl       string // behind CREATE TABLE name
	ddlNew    string // "" for the same
	before    string // statements on both sides before the table is made
	rows      []string
	tamperOld []string
	tamper    []string

	missing, extra, changed int64
	verdict                 Verdict           // Undecided: what the numbers say
	method                  plan.Method       // "" for any
	lossy                   func(p pair) bool // nil: never
	undecided               bool
	fixed                   bool // new cannot be made like old: a definition or a type stands in the way
	only                    func(p pair) bool
}

func (c exactCase) want() Verdict {
	switch {
	case c.verdict != Undecided:
		return c.verdict
	case c.undecided:
		return Undecided
	case c.missing+c.extra+c.changed > 0:
		return Different
	}
	return Same
}

func (c exactCase) plant(t *testing.T, old, new func(string) error) bool {
	t.Helper()
	run := func(side string, exec func(string) error, statements ...string) bool {
		for _, q := range statements {
			if q == "" {
				continue
			}
			if err := exec(strings.ReplaceAll(q, "{t}", cluster.Quote(c.name))); err != nil {
				t.Errorf("%s on %s: %.300s: %v", c.name, side, q, err)
				return false
			}
		}
		return true
	}
	ddlNew := c.ddl
	if c.ddlNew != "" {
		ddlNew = c.ddlNew
	}
	return run("old", old, "CREATE TABLE {t} "+c.ddl) && run("new", new, "CREATE TABLE {t} "+ddlNew) &&
		run("old", old, c.rows...) && run("new", new, c.rows...) &&
		run("old", old, c.tamperOld...) && run("new", new, c.tamper...)
}

func (c exactCase) verify(t *testing.T, p pair, r TableResult) {
	t.Helper()
	got := fmt.Sprintf("%s missing %d extra %d changed %d undecided %d",
		r.Verdict, r.Counts.Missing, r.Counts.Extra, r.Counts.Changed, r.Counts.Undecided)
	want := fmt.Sprintf("%s missing %d extra %d changed %d undecided %d", c.want(), c.missing, c.extra, c.changed, 0)
	if got != want {
		t.Errorf("%s: got  %s\nwant %s\nmethod %q reason %q lossy %q notes %q\ndifferences %+v", c.name, got, want,
			r.Method, r.Reason, r.Lossy, r.Notes, r.Differences[:min(3, len(r.Differences))])
	}
	if c.method != "" && r.Method != string(c.method) {
		t.Errorf("%s: compared by %q, want %q", c.name, r.Method, c.method)
	}
	if want := c.lossy != nil && c.lossy(p); (len(r.Lossy) > 0) != want {
		t.Errorf("%s: lossy %q, want some: %v", c.name, r.Lossy, want)
	}
}

// runCases compares all cases of a pair in one run.
func runCases(t *testing.T, p pair, database string, cases []exactCase) {
	t.Helper()
	database += " " + p.name
	old, new := dataSession(t, p.old, database), dataSession(t, p.new, database)
	began := time.Now()
	var planted []exactCase
	for _, c := range cases {
		if (c.only == nil || c.only(p)) && c.plant(t, old, new) {
			planted = append(planted, c)
		}
	}
	t.Logf("%s: %d tables made in %s", p.name, len(planted), time.Since(began).Round(time.Millisecond))
	began = time.Now()
	results, journal := check(t, p, Options{}, cluster.Quote(database)+".*")
	count := func(s *fixtures.Server, table string) (n int64) {
		if err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	t.Logf("%s: compared in %s", p.name, time.Since(began).Round(time.Millisecond))
	for _, c := range planted {
		table := cluster.Table{Schema: database, Name: c.name}
		r, ok := results[table.FullName()]
		if !ok {
			t.Errorf("%s was not compared", c.name)
			continue
		}
		c.verify(t, p, r)
		if o, n := count(p.old, table.QuotedName()), count(p.new, table.QuotedName()); r.Counts.RowsOld != o || r.Counts.RowsNew != n {
			t.Errorf("%s: read %d and %d rows of %d and %d", c.name, r.Counts.RowsOld, r.Counts.RowsNew, o, n)
		}
	}
	repairCases(t, p, database, planted, journal, new)
}
