package watch

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"crosscheck/conflict"
	"crosscheck/fixtures"
)

// The keys are given by the writers, so that no step has a say.
const workTables = `CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, email VARCHAR(80), code BIGINT, n INT NOT NULL, pad VARCHAR(2000),
	UNIQUE KEY email (email), UNIQUE KEY code (code)) DEFAULT CHARACTER SET utf8 COLLATE utf8_general_ci`

// some are those kinds of servers on which a long test runs; all of them where CROSSCHECK_ALL_KINDS is set.
func some(names ...string) []kind {
	all := kinds()
	if os.Getenv("CROSSCHECK_ALL_KINDS") != "" {
		return all
	}
	return slices.DeleteFunc(all, func(k kind) bool { return !slices.Contains(names, k.name) })
}

// work writes to both sides: normal flow on keys of its own, and bursts of planted collisions, of which it keeps the
// truth.
type work struct {
	t        testing.TB
	set      *fixtures.Set
	old, new *sql.DB
	name     string
	next     int64
	want     []string
}

func newWork(t testing.TB, set *fixtures.Set) *work {
	t.Helper()
	old, new, name := database(t, set)
	w := &work{t: t, set: set, old: old, new: new, name: name, next: 1000}
	w.persist(old, workTables)
	caughtUp(t, set)
	return w
}

// another is a second connection to a server.
func (w *work) another(s *fixtures.Server) *sql.DB {
	w.t.Helper()
	cfg := s.Config(fixtures.Admin)
	cfg.DBName = w.name
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		w.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	w.t.Cleanup(func() { db.Close() })
	return db
}

// persist runs statements that may be run twice until the server has done them: it may be restarted meanwhile.
func (w *work) persist(db *sql.DB, queries ...string) {
	w.t.Helper()
	for _, q := range queries {
		deadline := time.Now().Add(longWait)
		for {
			_, err := db.Exec(q)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				w.t.Errorf("%.200s: %v", q, err)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// flow writes n rows on both sides at the same time, and changes each of them on the other side after it has arrived.
func (w *work) flow(n int) {
	w.t.Helper()
	base := w.next
	w.next += int64(2 * n)
	both := func(write func(db *sql.DB, first int64)) {
		var wg sync.WaitGroup
		wg.Go(func() { write(w.old, base) })
		wg.Go(func() { write(w.new, base+int64(n)) })
		wg.Wait()
	}
	both(func(db *sql.DB, first int64) {
		for i := range int64(n) {
			w.persist(db, fmt.Sprintf("INSERT INTO t (id, email, n) VALUES (%d, 'flow%[1]d', 0) ON DUPLICATE KEY UPDATE n = 0", first+i))
		}
	})
	w.settle()
	both(func(db *sql.DB, first int64) {
		w.persist(db, fmt.Sprintf("UPDATE t SET n = 5 WHERE id >= %d AND id < %d", first, first+int64(n)))
	})
	w.settle()
}

// settle waits until replication has brought all to both sides.
func (w *work) settle() {
	w.t.Helper()
	var err error
	for deadline := time.Now().Add(longWait); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err = w.set.WaitCaughtUp(ctx)
		cancel()
		if err == nil {
			return
		}
		var stopped *fixtures.ReplicationError
		switch {
		case !errors.As(err, &stopped) || stopped.IO == "Connecting":
		case stopped.Number == 2003: // the replica tried ten times and gave up while its source was restarted
			for _, s := range []*fixtures.Server{w.set.Old, w.set.New} {
				_, _ = s.DB().Exec(replicaSQL(s, "START"))
			}
		default:
			w.t.Errorf("replication: %v", err)
			return
		}
	}
	w.t.Errorf("replication: %v", err)
}

// burst plants one collision of each kind. It calls meanwhile when both sides have written and neither applies.
func (w *work) burst(meanwhile func()) {
	w.t.Helper()
	b := w.next
	w.next += 40
	at := func(q string) string {
		return fmt.Sprintf(strings.NewReplacer("@", "%[1]d").Replace(q), b)
	}
	var rows []string
	for i := range int64(10) {
		rows = append(rows, fmt.Sprintf("(%d, 'row%[1]d', NULL, 0)", b+i))
	}
	w.persist(w.old, "INSERT INTO t (id, email, code, n) VALUES "+strings.Join(rows, ",")+" ON DUPLICATE KEY UPDATE n = 0")
	w.settle()
	stopAppliers(w.t, w.set)
	w.persist(w.old, at("INSERT INTO t (id, n) VALUES (@ + 20, 1)"), at("UPDATE t SET n = 1 WHERE id = @ + 1"), at("UPDATE t SET n = 7 WHERE id = @ + 2"),
		at("UPDATE t SET n = 1 WHERE id = @ + 3"), at("DELETE FROM t WHERE id = @ + 4"), at("DELETE FROM t WHERE id = @ + 5"),
		at("INSERT INTO t (id, email, n) VALUES (@ + 21, 'Mail@', 1)"), at("UPDATE t SET code = @ WHERE id = @ + 6"),
		at("UPDATE t SET n = 1 WHERE id = @ + 8"))
	w.persist(w.new, at("INSERT INTO t (id, n) VALUES (@ + 20, 2)"), at("UPDATE t SET n = 2 WHERE id = @ + 1"), at("UPDATE t SET n = 7 WHERE id = @ + 2"),
		at("DELETE FROM t WHERE id = @ + 3"), at("UPDATE t SET n = 2 WHERE id = @ + 4"), at("DELETE FROM t WHERE id = @ + 5"),
		at("INSERT INTO t (id, email, n) VALUES (@ + 22, 'mail@', 1)"), at("UPDATE t SET code = @ WHERE id = @ + 7"),
		at("UPDATE t SET n = 2 WHERE id = @ + 9"))
	if meanwhile != nil {
		meanwhile()
	}
	startAppliers(w.t, w.set)
	w.settle()
	for _, x := range []struct {
		kind conflict.Kind
		key  string
	}{
		{conflict.InsertInsertPK, fmt.Sprint(b + 20)},
		{conflict.UpdateUpdate, fmt.Sprint(b + 1)},
		{conflict.UpdateUpdateSame, fmt.Sprint(b + 2)},
		{conflict.UpdateDelete, fmt.Sprint(b + 3)},
		{conflict.DeleteUpdate, fmt.Sprint(b + 4)},
		{conflict.DeleteDelete, fmt.Sprint(b + 5)},
		{conflict.InsertInsertUnique, fmt.Sprintf("Mail%d", b)},
		{conflict.UpdateUnique, fmt.Sprint(b)},
	} {
		w.want = append(w.want, x.kind.String()+" t "+x.key)
	}
}

// exactly compares what was found with what was planted.
func (w *work) exactly(store *memoryStore, more ...string) {
	w.t.Helper()
	want := slices.Sorted(slices.Values(append(slices.Clone(w.want), more...)))
	if diff := cmp.Diff(want, store.lines()); diff != "" {
		w.t.Errorf("findings (-planted +found):\n%s", diff)
	}
}

// errDead is what a store says after its process died.
var errDead = errors.New("the process is dead")

// mortalStore is a store whose process can die: nothing is stored after that.
type mortalStore struct {
	*memoryStore
	dead        atomic.Bool
	checkpoints atomic.Int64
}

func (m *mortalStore) AddFindings(ctx context.Context, list []conflict.Finding, at time.Time) ([]bool, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.memoryStore.AddFindings(ctx, list, at)
}

func (m *mortalStore) SaveFates(ctx context.Context, list []Fate) error {
	if m.dead.Load() {
		return errDead
	}
	return m.memoryStore.SaveFates(ctx, list)
}

func (m *mortalStore) SaveCheckpoint(ctx context.Context, c Checkpoint) error {
	if m.dead.Load() {
		return errDead
	}
	m.checkpoints.Add(1)
	return m.memoryStore.SaveCheckpoint(ctx, c)
}

// kill9 ends a watch whose store is mortal as if its process died.
func (w *watching) kill9(m *mortalStore) {
	m.dead.Store(true)
	w.stop()
	select {
	case <-w.done:
	case <-time.After(longWait):
		w.t.Fatal("the watch did not end")
	}
}

// proxy stands between the watcher and one server.
type proxy struct {
	*toxiproxy.Proxy
	t      testing.TB
	server *toxiproxy.ApiServer
}

func newProxy(t testing.TB, s *fixtures.Server) *proxy {
	t.Helper()
	p := &proxy{t: t, server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
	p.begin("127.0.0.1:0", s.Addr())
	t.Cleanup(func() { p.Stop() })
	return p
}

func (p *proxy) begin(listen, upstream string, toxics ...string) {
	p.t.Helper()
	p.Proxy = toxiproxy.NewProxy(p.server, "p", listen, upstream)
	for _, x := range toxics {
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(x)); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// toxics ends all connections and takes new ones, with these toxics only. It makes a proxy anew: one that adds a toxic to a connection
// that is being closed may wait for ever.
func (p *proxy) toxics(list ...string) {
	p.t.Helper()
	p.Stop()
	p.begin(p.Listen, p.Upstream, list...)
}

// cut ends all connections and takes new ones after the pause.
func (p *proxy) cut(pause time.Duration) {
	p.t.Helper()
	p.Stop()
	time.Sleep(pause)
	if err := p.Start(); err != nil {
		p.t.Error(err)
	}
}

// through opens both servers, each behind a proxy where there is one.
func through(t testing.TB, set *fixtures.Set, proxies [2]*proxy) Sides {
	t.Helper()
	var out Sides
	for i, s := range []*fixtures.Server{set.Old, set.New} {
		label, addr := conflict.Side(i).String(), s.Addr()
		if proxies[i] != nil {
			addr = proxies[i].Listen
		}
		out[i] = openAt(t, s, label, addr)
	}
	return out
}
