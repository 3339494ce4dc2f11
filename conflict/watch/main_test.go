package watch

import (
	"bytes"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"crosscheck/cluster"
	"crosscheck/conflict"
	"crosscheck/fixtures"
)

func TestMain(m *testing.M) {
	// The tests mostly wait for replication: more of them at a time than there are processors.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	code := m.Run()
	for _, s := range shared.sets {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if code == 0 {
		ignored := []goleak.Option{goleak.IgnoreTopFunction("os/exec.(*Cmd).Wait")}
		// A cut proxy leaves the library's own goroutines of a link behind where one was handing data on to the next: ours
		// are still looked for.
		for _, f := range []string{".(*ToxicLink).read", ".(*ToxicLink).write", "/toxics.(*ToxicStub).Run"} {
			ignored = append(ignored, goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2"+f))
		}
		if err := goleak.Find(ignored...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// longWait is how long a test waits for what must come. It costs nothing where it comes, and the machine may be busy.
const longWait = 6 * time.Minute

// shared are dual sets that tests which neither restart nor purge share: each test has a database of its own.
var shared struct {
	mu   sync.Mutex
	sets map[string]*fixtures.Set
}

// kind is a family with a way to name transactions.
type kind struct {
	name   string
	family fixtures.Family
	gtid   fixtures.GTIDMode
}

func kinds() []kind {
	return []kind{
		{"mysql", fixtures.MySQL, fixtures.GTIDOn},
		{"mysql-file", fixtures.MySQL, fixtures.GTIDOff},
		{"mysql56", fixtures.MySQL56, fixtures.GTIDDefault},
		{"mariadb", fixtures.MariaDB, fixtures.GTIDDefault},
	}
}

func startDual(t testing.TB, k kind) *fixtures.Set {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	set, err := fixtures.Up(ctx, fixtures.Spec{
		Topology: fixtures.Dual, Old: k.family, New: k.family, GTID: k.gtid,
		Provision: fixtures.Options{Progress: func(l string) { t.Log(l) }},
	})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return set
}

func sharedDual(t testing.TB, k kind) *fixtures.Set {
	t.Helper()
	return keptDual(t, k.name, k)
}

// roughDual is a set whose servers are restarted and lose logs; the tests that do so come one after the other.
func roughDual(t testing.TB, k kind) *fixtures.Set {
	t.Helper()
	return keptDual(t, "rough "+k.name, k)
}

func keptDual(t testing.TB, name string, k kind) *fixtures.Set {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if s := shared.sets[name]; s != nil {
		return s
	}
	if shared.sets == nil {
		shared.sets = map[string]*fixtures.Set{}
	}
	s := startDual(t, k)
	shared.sets[name] = s
	return s
}

// memoryStore keeps an account in memory, as the ledger would in its file.
type memoryStore struct {
	mu         sync.Mutex
	seen       map[string]bool
	list       []conflict.Finding
	fates      map[string]Outcome // by the row's ID
	early      []string           // findings whose rows were not kept before them
	checkpoint *Checkpoint
	status     Status
}

var _ Store = (*memoryStore)(nil)

func (m *memoryStore) AddFindings(_ context.Context, list []conflict.Finding, _ time.Time) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := make([]bool, len(list))
	for i, f := range list {
		if m.seen == nil {
			m.seen = map[string]bool{}
		}
		fresh[i] = !m.seen[f.ID]
		if fresh[i] {
			m.list = append(m.list, f)
			doubt := f.Kind != conflict.WrongStepKey && f.Kind != conflict.StaleSession && f.Kind != conflict.Unjudged
			if doubt && slices.ContainsFunc(f.Rows(), func(r conflict.Row) bool { return m.fates[r.ID()] == "" }) {
				m.early = append(m.early, fmt.Sprint(f.Kind, " ", f.Table))
			}
		}
		m.seen[f.ID] = true
	}
	return fresh, nil
}

func (m *memoryStore) SaveFates(_ context.Context, list []Fate) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range list {
		if m.fates == nil {
			m.fates = map[string]Outcome{}
		}
		if id := f.ID(); !f.Again || m.fates[id] == "" {
			m.fates[id] = f.Outcome
		}
	}
	return nil
}

func (m *memoryStore) SaveCheckpoint(_ context.Context, c Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		return err
	}
	c.Snapshot, c.Write = b.Bytes(), nil
	m.checkpoint = &c
	return nil
}

func (m *memoryStore) SaveStatus(_ context.Context, s Status) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = s
	return nil
}

// counts are the findings by kind, with those in known taken out.
func (m *memoryStore) counts() map[conflict.Kind]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[conflict.Kind]uint64{}
	for _, f := range m.list {
		out[f.Kind]++
	}
	return out
}

// lines are the findings as "kind table key", sorted; those of sessions and keys without their numbers.
func (m *memoryStore) lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, f := range m.list {
		_, table, _ := cluster.SplitFullName(f.Table)
		key := make([]string, len(f.Key))
		for i, v := range f.Key {
			key[i] = v.String()
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Kind, table, strings.Join(key, ","))))
	}
	slices.Sort(out)
	return out
}

// recorder is an observer that remembers the last status.
type recorder struct {
	t      testing.TB
	mu     sync.Mutex
	status Status
}

func (r *recorder) Found(f conflict.Finding) {
	r.t.Logf("found %s %s %v %s old=%v new=%v", f.Kind, f.Table, f.Key, f.Detail, actText(f.Old), actText(f.New))
}

func actText(a *conflict.Act) string {
	if a == nil {
		return "-"
	}
	return fmt.Sprintf("%s %s thread %d", a.Place, a.Op, a.Thread)
}

func (r *recorder) Status(s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = s
}

func (r *recorder) Notice(text string) { r.t.Log(text) }

func (r *recorder) last() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// watching is a watch that runs beside a test.
type watching struct {
	t     testing.TB
	store *memoryStore
	seen  *recorder
	stop  context.CancelFunc
	began chan struct{} // closed at the first status
	done  chan struct{}
	final Status
	err   error
}

func open(t testing.TB, s *fixtures.Server, label string) *cluster.Server {
	t.Helper()
	return openAt(t, s, label, s.Addr())
}

// openAt opens a server that is reached by another address.
func openAt(t testing.TB, s *fixtures.Server, label, addr string) *cluster.Server {
	t.Helper()
	cfg := cluster.Config{
		Label: label, Net: "tcp", Addr: addr,
		User: string(fixtures.Crosscheck), Password: cluster.Secret(s.Password(fixtures.Crosscheck)),
	}
	srv, err := cluster.Open(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// watchSet starts to watch a database of a set, as the account with only the documented privileges.
func watchSet(t testing.TB, set *fixtures.Set, schema string, store *memoryStore, change func(*Options)) *watching {
	t.Helper()
	w := watchServers(t, Sides{open(t, set.Old, "old"), open(t, set.New, "new")}, schema, store, change)
	select {
	case <-w.began:
	case <-w.done:
		if w.err != nil {
			t.Fatalf("the watch did not begin: %v", w.err)
		}
	case <-time.After(longWait):
		t.Fatal("the watch did not begin")
	}
	return w
}

// watchServers starts to watch and closes the servers at the end.
func watchServers(t testing.TB, servers Sides, schema string, store *memoryStore, change func(*Options)) *watching {
	t.Helper()
	filter, err := cluster.NewFilter([]string{schema + ".*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{t: t, store: store, seen: &recorder{t: t}, done: make(chan struct{}), began: make(chan struct{})}
	opt := Options{
		Filter: filter, Store: store, From: store.checkpoint, Known: store.counts(),
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	var once sync.Once
	opt.Observer = beginning{w.seen, func() { once.Do(func() { close(w.began) }) }}
	if change != nil {
		change(&opt)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() {
		defer close(w.done)
		defer servers[0].Close()
		defer servers[1].Close()
		w.final, w.err = Run(ctx, servers[0], servers[1], opt)
	}()
	t.Cleanup(func() {
		w.end()
		if early := store.early; len(early) > 0 {
			t.Errorf("findings whose rows were not kept before them: %q", early)
		}
	})
	return w
}

// beginning tells when the first status comes.
type beginning struct {
	Observer
	began func()
}

func (b beginning) Status(s Status) {
	b.Observer.Status(s)
	b.began()
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// end stops the watch and returns its last status.
func (w *watching) end() Status {
	w.stop()
	select {
	case <-w.done:
	case <-time.After(longWait):
		w.t.Fatal("the watch did not end")
	}
	return w.final
}

// until waits for a status with a property.
func (w *watching) until(what string, ok func(Status) bool) Status {
	w.t.Helper()
	deadline := time.Now().Add(longWait)
	for time.Now().Before(deadline) {
		if s := w.seen.last(); ok(s) {
			return s
		}
		select {
		case <-w.done:
			if ok(w.final) {
				return w.final
			}
			w.t.Fatalf("the watch ended before: %s: %v %+v", what, w.err, w.final)
		case <-time.After(50 * time.Millisecond):
		}
	}
	w.t.Fatalf("not in time: %s; last: %s (%s) waiting %v", what, w.seen.last().Verdict, w.seen.last().Reason, w.seen.last().Account.Waiting)
	return Status{}
}

// quiet waits until all that was written has arrived and is judged. That both directions are proven anew means that both logs
// were read up to ends asked for since (engine.fence); what was read later waits.
func (w *watching) quiet() Status {
	w.t.Helper()
	begin := time.Now()
	return w.until("all has arrived", func(s Status) bool {
		return s.Sides[0].Arrived.After(begin) && s.Sides[1].Arrived.After(begin) && s.Account.Waiting == [2]int{} && s.Account.Questions == 0
	})
}

// database makes a database on old, waits until new has it, and returns one-connection pools on both.
func database(t testing.TB, set *fixtures.Set) (old, new *sql.DB, name string) {
	t.Helper()
	name = "w" + fmt.Sprint(time.Now().UnixNano())
	mustExec(t, set.Old.DB(), "CREATE DATABASE "+name+" DEFAULT CHARACTER SET utf8mb4")
	ctx, cancel := context.WithTimeout(context.Background(), longWait)
	defer cancel()
	if err := set.WaitCaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
	pools := [2]*sql.DB{}
	for i, s := range []*fixtures.Server{set.Old, set.New} {
		cfg := s.Config(fixtures.Admin)
		cfg.DBName, cfg.Collation, cfg.InterpolateParams = name, "utf8mb4_general_ci", true
		db, err := sql.Open("mysql", cfg.FormatDSN())
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		t.Cleanup(func() { db.Close() })
		pools[i] = db
	}
	return pools[0], pools[1], name
}

func mustExec(t testing.TB, db *sql.DB, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%.200s: %v", q, err)
		}
	}
}

func caughtUp(t testing.TB, set *fixtures.Set) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longWait)
	defer cancel()
	if err := set.WaitCaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
}

// replicaSQL is a statement about replication in a server's own words.
func replicaSQL(s *fixtures.Server, verb string) string {
	if s.Family() == fixtures.MySQL {
		return verb + " REPLICA"
	}
	return verb + " SLAVE"
}

// stopAppliers keeps both sides from applying what the other writes, startAppliers lets them go on.
func stopAppliers(t testing.TB, set *fixtures.Set) {
	t.Helper()
	for _, s := range []*fixtures.Server{set.Old, set.New} {
		mustExec(t, s.DB(), replicaSQL(s, "STOP"))
		variable := "slave_exec_mode"
		if s.Family() == fixtures.MySQL {
			variable = "replica_exec_mode"
		}
		mustExec(t, s.DB(), "SET GLOBAL "+variable+" = 'IDEMPOTENT'")
	}
}

func startAppliers(t testing.TB, set *fixtures.Set) {
	t.Helper()
	for _, s := range []*fixtures.Server{set.Old, set.New} {
		mustExec(t, s.DB(), replicaSQL(s, "START"))
	}
}
