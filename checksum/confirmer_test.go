package checksum

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"crosscheck/chunker"
	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// ddlJournal runs statements when a table's first chunk is recorded or, where an earlier run is said to have proven
// the whole table, when the table begins.
type ddlJournal struct {
	*memoryJournal
	t       *testing.T
	resumed map[string]bool
	ddl     map[string]func()
	once    sync.Map
}

func (j *ddlJournal) change(table string) {
	if _, done := j.once.LoadOrStore(table, true); !done && j.ddl[table] != nil {
		j.ddl[table]()
	}
}

func (j *ddlJournal) Begin(ctx context.Context, id TableIdentity) ([]ProvenChunk, string, error) {
	if !j.resumed[id.Table] {
		return j.memoryJournal.Begin(ctx, id)
	}
	j.change(id.Table)
	return []ProvenChunk{{Range: chunker.Range{}, Counts: Counts{RowsOld: 3, RowsNew: 3, Chunks: 1}, At: time.Now()}}, "", nil
}

func (j *ddlJournal) Record(ctx context.Context, table string, c ProvenChunk) error {
	j.change(table)
	return j.memoryJournal.Record(ctx, table, c)
}

// TestDefinitionChangesUnderway: what a table was compared by must still stand at its end, on both sides.
func TestDefinitionChangesUnderway(t *testing.T) {
	cases := []struct {
		name    string
		ddlOld  []string // while it is compared
		ddlNew  []string
		tamper  string // before, on new
		resumed bool
		same    bool
		reason  string // a part of it
	}{
		{name: "quiet", same: true},
		{name: "resumed quiet", resumed: true, same: true},
		{
			name:   "column added",
			ddlOld: []string{"ADD COLUMN w INT NOT NULL DEFAULT 1"}, ddlNew: []string{"ADD COLUMN w INT NOT NULL DEFAULT 2"},
			reason: "changed on old and new",
		},
		{name: "column added on new", ddlNew: []string{"ADD COLUMN w INT NOT NULL DEFAULT 2"}, reason: "changed on new"},
		{
			name: "resumed column", resumed: true,
			ddlOld: []string{"ADD COLUMN w INT NOT NULL DEFAULT 1"}, reason: "changed on old while",
		},
		{name: "column dropped", ddlOld: []string{"DROP COLUMN v"}, reason: "changed on old while"},
		{name: "widened", ddlNew: []string{"MODIFY v BIGINT NOT NULL"}, reason: "changed on new while"},
		{
			name: "widened on both", ddlOld: []string{"MODIFY v BIGINT NOT NULL"}, ddlNew: []string{"MODIFY v BIGINT NOT NULL"},
			reason: "changed on old and new",
		},
		{name: "collation", ddlNew: []string{"MODIFY s VARCHAR(20) COLLATE utf8mb4_bin"}, reason: "changed on new while"},
		{
			name: "widened with a difference", tamper: "UPDATE {t} SET v=v+1 WHERE id=3",
			ddlNew: []string{"MODIFY v BIGINT NOT NULL"}, reason: "changed on new while",
		},
		{name: "key dropped", ddlOld: []string{"DROP PRIMARY KEY"}, reason: "changed on old while"},
		{name: "key moved", ddlNew: []string{"DROP PRIMARY KEY, ADD PRIMARY KEY (v, id)"}, reason: "changed on new while"},
		{name: "dropped on old", ddlOld: []string{"DROP"}, reason: "dropped or renamed, or hidden from the account, on old while"},
		{name: "dropped on new", ddlNew: []string{"DROP"}, reason: "dropped or renamed, or hidden from the account, on new while"},
		{
			name: "harmless", same: true,
			ddlOld: []string{"ADD INDEX by_v (v)", "COMMENT 'a table'", "ADD UNIQUE INDEX u (s, id)"},
			ddlNew: []string{"ALTER COLUMN v SET DEFAULT 7", "MODIFY s VARCHAR(20) AFTER id"},
		},
	}
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(f), func(t *testing.T) {
			p := pair{name: string(f), old: pool.get(t, f, "old"), new: pool.get(t, f, "new")}
			const database = "redefined"
			old, new := dataSession(t, p.old, database), dataSession(t, p.new, database)
			must := func(exec func(string) error, q string) {
				if err := exec(q); err != nil {
					t.Errorf("%s: %v", q, err)
				}
			}
			j := &ddlJournal{memoryJournal: newJournal(), t: t, resumed: map[string]bool{}, ddl: map[string]func(){}}
			var running sync.Mutex // the data sessions are one connection each
			for _, c := range cases {
				table := cluster.Quote(c.name)
				for _, exec := range []func(string) error{old, new} {
					must(exec, "CREATE TABLE "+table+" (id INT NOT NULL PRIMARY KEY, v INT NOT NULL, s VARCHAR(20)) ENGINE=InnoDB")
					must(exec, "INSERT INTO "+table+" SELECT a.n*4+b.d, a.n, 'x' FROM seq a, zz_digits b WHERE b.d<4")
				}
				if c.tamper != "" {
					must(new, strings.ReplaceAll(c.tamper, "{t}", table))
				}
				full := (&cluster.Table{Schema: database, Name: c.name}).FullName()
				j.resumed[full] = c.resumed
				j.ddl[full] = func() {
					running.Lock()
					defer running.Unlock()
					for _, side := range []struct {
						exec func(string) error
						ddl  []string
					}{{old, c.ddlOld}, {new, c.ddlNew}} {
						for _, q := range side.ddl {
							if q == "DROP" {
								must(side.exec, "DROP TABLE "+table)
								continue
							}
							must(side.exec, "ALTER TABLE "+table+" "+q)
						}
					}
				}
			}
			results := checkWith(t, p, j, database+".*")
			for _, c := range cases {
				r := results[(&cluster.Table{Schema: database, Name: c.name}).FullName()]
				want := Undecided
				if c.same {
					want = Same
				}
				if r.Verdict != want || !strings.Contains(r.Reason, c.reason) || r.Counts.Differences() != 0 || len(r.Differences) != 0 {
					t.Errorf("%s: %s (%s), %+v", c.name, r.Verdict, r.Reason, r.Counts)
				}
				t.Logf("%s: %s %s", c.name, r.Verdict, r.Reason)
			}
		})
	}
}

// checkWith compares with a journal of the test's own.
func checkWith(t *testing.T, p pair, j Journal, patterns ...string) map[string]TableResult {
	t.Helper()
	r, err := checkPair(t, p, Options{Journal: j, Observer: quietObserver{}}, patterns...)
	if err != nil {
		t.Error(err)
	}
	out := make(map[string]TableResult, len(r.Tables))
	for _, tr := range r.Tables {
		out[tr.Table] = tr
	}
	return out
}

// checkPair compares the tables that the patterns choose.
func checkPair(t *testing.T, p pair, opt Options, patterns ...string) (Result, error) {
	t.Helper()
	return checkPairUntil(t.Context(), t, p, opt, patterns...)
}

// checkPairUntil is checkPair until ctx ends.
func checkPairUntil(ctx context.Context, t *testing.T, p pair, opt Options, patterns ...string) (Result, error) {
	t.Helper()
	filter, err := cluster.NewFilter(patterns, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, n := openSide(t, p.old, "old"), openSide(t, p.new, "new")
	survey, err := Look(t.Context(), o, n)
	if err != nil {
		t.Fatal(err)
	}
	opt.Filter = filter
	return Run(ctx, o, n, survey, opt)
}

// TestManyTablesConfirmed: the second reading of many definitions is shared.
func TestManyTablesConfirmed(t *testing.T) {
	if testing.Short() {
		t.Skip("makes many tables")
	}
	const n = 400
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(f), func(t *testing.T) {
			p := pair{name: string(f), old: pool.get(t, f, "old"), new: pool.get(t, f, "new")}
			const database = "manytables"
			for _, s := range []*fixtures.Server{p.old, p.new} {
				exec := dataSession(t, s, database)
				for i := range n {
					if err := exec(fmt.Sprintf("CREATE TABLE t%d (id INT NOT NULL PRIMARY KEY, v INT)", i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			began := time.Now()
			results := checkWith(t, p, newJournal(), database+".*")
			t.Logf("%d tables in %s", len(results), time.Since(began).Round(time.Millisecond))
			for name, r := range results {
				if r.Verdict != Same {
					t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
				}
			}
		})
	}
}
