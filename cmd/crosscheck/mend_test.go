package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"crosscheck/conflict"
	"crosscheck/fixtures"
	"crosscheck/gate/record"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// mendTest is a pair of servers that replicate to each other, with a watch's account.
type mendTest struct {
	*testing.T
	set   *fixtures.Set
	state string
	runs  int
}

// TestMend: collisions of keys and a lost update, which stop both appliers, are found by a watch, mended by the files alone, and
// told as mended.
func TestMend(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaDual, {
		Name: "mysql-dual-nodes", Topology: fixtures.Dual, Old: fixtures.MySQL, OldReplicas: make([]fixtures.ReplicaSpec, 1), NewReplicas: make([]fixtures.ReplicaSpec, 1),
	}} {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			m := &mendTest{T: t, set: pool.get(t, spec), state: filepath.Join(t.TempDir(), "state")}
			m.story()
		})
	}
}

func (m *mendTest) story() {
	old, new := m.set.Old, m.set.New
	exec1(m, old, "DROP DATABASE IF EXISTS mendx", "CREATE DATABASE mendx",
		"CREATE TABLE mendx.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(30) CHARACTER SET latin1, u INT UNIQUE, b VARBINARY(30), at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3))",
		"CREATE TABLE mendx.child (id INT PRIMARY KEY, t BIGINT, FOREIGN KEY (t) REFERENCES mendx.t (id))",
		"INSERT INTO mendx.t (id, v, u) VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)")
	caughtUp(m, m.set)
	m.Cleanup(func() {
		exec1(m, old, "DROP DATABASE mendx")
		caughtUp(m, m.set)
	})
	w := start(m, m.set, "watch", "--old", "@old", "--new", "@new", "--table", "mendx.*", "--state", m.state, "--format", "json")
	until(m, patience, "the watch sees a change", func() bool {
		exec1(m, old, "UPDATE mendx.t SET b = NOW() + 0 WHERE id = 1")
		return strings.Contains(w.stdout.String()+w.stderr.String(), `"type":"status"`) || m.watching()
	})
	caughtUp(m, m.set)
	m.applying(false)
	// The lost update comes first, so that it arrives; then both sides give the key 51, and the value 60, with a further row in
	// the transaction of new that must not be lost when that is passed.
	exec1(m, old, "UPDATE mendx.t SET v = 'old''s é' WHERE id = 2", "INSERT INTO mendx.t (id, v, u) VALUES (51, 'from old', 50)")
	exec1(m, new, "UPDATE mendx.t SET v = 'new''s ü' WHERE id = 2")
	m.inOne(new, "INSERT INTO mendx.t (id, v, u) VALUES (51, 'from new', 51)", "INSERT INTO mendx.t (id, v, u) VALUES (52, 'beside', 52)",
		"INSERT INTO mendx.child VALUES (1, 52)")
	// What comes behind stops them again: one value of two rows, or an update of a row that is gone.
	second, choice := "insert_insert_unique", "new"
	if old.Family().IsMariaDB() {
		exec1(m, old, "INSERT INTO mendx.t (id, v, u) VALUES (61, 'u of old', 60)")
		exec1(m, new, "INSERT INTO mendx.t (id, v, u) VALUES (62, 'u of new', 60)")
	} else {
		second = "update_delete"
		exec1(m, old, "UPDATE mendx.t SET v = 'given up' WHERE id = 3")
		exec1(m, new, "DELETE FROM mendx.t WHERE id = 3")
	}
	m.applying(true)
	m.stopped(1062)
	until(m, patience, "all collisions are found", func() bool {
		out := w.stdout.String()
		return strings.Contains(out, "insert_insert_pk") && strings.Contains(out, `"`+second+`"`) && strings.Contains(out, `"update_update"`)
	})
	_ = w.cmd.Process.Signal(syscall.SIGINT)
	w.wait(patience)

	if said := m.mend(exitUndecided); !strings.Contains(said, "nobody chose") || !strings.Contains(said, "••••") || strings.Contains(said, "from old") {
		m.Errorf("without a choice:\n%s", said)
	}
	said := m.mend(exitUndecided, "--keep", "update_update=old", "--keep", "insert_insert_pk=both", "--keep", second+"="+choice)
	for _, want := range []string{"both stay: old's row keeps the key", `"mendx.child" (t)`, "let them arrive and mend again", "passes exactly that one"} {
		if !strings.Contains(said, want) {
			m.Errorf("the first mend does not say %q:\n%s", want, said)
		}
	}
	m.run()
	want := []string{"2:old's é:2", "51:from old:50", "52:beside:52", ":from new:51"}
	if old.Family().IsMariaDB() {
		m.stopped(1062)
		want = append(want, "62:u of new:60")
	} else {
		m.stopped(1032)
		if said = m.mend(exitUndecided, "--keep", "old"); !strings.Contains(said, "on neither writer as it was committed") {
			m.Errorf("what is only in the log is mended:\n%s", said)
		}
	}
	m.mend(exitSame, "--keep", choice)
	m.run()
	if kept, err := os.ReadFile(filepath.Join(m.folder(), report.DroppedFile)); err != nil || !strings.Contains(string(kept), "given up") == !old.Family().IsMariaDB() {
		m.Errorf("what is dropped is not kept: %v\n%s", err, kept)
	}
	caughtUp(m, m.set)
	const rows = "SELECT COALESCE(GROUP_CONCAT(CONCAT_WS(':', id, v, u, at) ORDER BY id SEPARATOR ' '), '') FROM mendx.t WHERE id > 1"
	got := text(m, old, rows)
	for _, s := range slices.Concat([]*fixtures.Server{new}, m.set.Replicas(fixtures.Old), m.set.Replicas(fixtures.New)) {
		until(m, patience, "all nodes hold the same", func() bool { return text(m, s, rows) == got })
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			m.Errorf("no %s in %s", w, got)
		}
	}
	if strings.Contains(got, "u of old") || strings.Contains(got, "given up") {
		m.Errorf("both rows stay of which one was to: %s", got)
	}
	if child := text(m, old, "SELECT COUNT(*) FROM mendx.child"); child != "1" {
		m.Errorf("a row of the transaction that was passed is lost: %s", child)
	}
	check(m, m.set, exitSame, "--table", "mendx.*", "--state", filepath.Join(m.TempDir(), "other"))
	m.mended(second)
}

func (m *mendTest) watching() bool {
	book, err := ledger.OpenShared(context.Background(), m.state, ledger.Options{MustExist: true})
	if err != nil {
		return false
	}
	defer book.Close()
	w, err := book.ReadWatch(context.Background(), 0)
	if err != nil {
		return false
	}
	s, ok, err := w.LastStatus(context.Background())
	return err == nil && ok && s.Account.Sides[conflict.Old].Changes > 0
}

// applying stops or starts the appliers of both sides.
func (m *mendTest) applying(on bool) {
	for _, s := range []*fixtures.Server{m.set.Old, m.set.New} {
		word := "STOP"
		if on {
			word = "START"
		}
		q := word + " REPLICA SQL_THREAD"
		if s.Family().IsMariaDB() {
			q = word + " SLAVE SQL_THREAD"
		}
		exec1(m, s, q)
	}
}

// stopped waits until both appliers are stopped by an error; by one of a row that is not there, new's.
func (m *mendTest) stopped(errno int) {
	m.Helper()
	both := []*fixtures.Server{m.set.New, m.set.Old}
	if errno == 1032 {
		both = both[:1]
	}
	for _, s := range both {
		q := "SHOW REPLICA STATUS"
		until(m, patience, fmt.Sprintf("the applier stops with %d", errno), func() bool { return column(m, s, q, "Last_SQL_Errno") == fmt.Sprint(errno) })
	}
}

func (m *mendTest) inOne(s *fixtures.Server, statements ...string) {
	tx, err := s.DB().BeginTx(context.Background(), nil)
	if err != nil {
		m.Fatal(err)
	}
	for _, q := range statements {
		if _, err = tx.ExecContext(context.Background(), q); err != nil {
			m.Fatal(err)
		}
	}
	if err = tx.Commit(); err != nil {
		m.Fatal(err)
	}
}

// mend writes the files of a mend into a folder of their own and returns what it says.
func (m *mendTest) mend(want int, args ...string) string {
	m.Helper()
	m.runs++
	all := []string{"mend", "--old", "@old", "--new", "@new", "--state", m.state}
	if len(args) > 0 {
		all = append(all, "--by", "tester", "--output", m.folder())
	}
	p := start(m, m.set, append(all, args...)...)
	if got := p.wait(patience); got != want {
		m.Fatalf("exit code %d, want %d\n%s\n%s", got, want, p.stdout.String(), p.stderr.String())
	}
	return p.stdout.String()
}

func (m *mendTest) folder() string {
	return filepath.Join(filepath.Dir(m.state), fmt.Sprintf("mend-%d", m.runs))
}

// run runs the files of the last mend in their order, each on its node.
func (m *mendTest) run() {
	m.Helper()
	files, err := filepath.Glob(filepath.Join(m.folder(), "[0-9]*.sql"))
	if err != nil || len(files) == 0 {
		m.Fatal(files, err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			m.Fatal(err)
		}
		if info, serr := os.Stat(f); serr != nil || info.Mode().Perm() != 0o600 {
			m.Errorf("%s: %v %v", f, info.Mode(), serr)
		}
		_, label, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".sql"), "-")
		s := m.set.Server(fixtures.Side(label))
		config := s.Config(fixtures.Admin)
		config.MultiStatements = true
		if err = runScript(config, string(content)); err != nil {
			m.Fatalf("%s: %v\n%s", f, err, content)
		}
		// A second run changes nothing and says so.
		if err = runScript(config, string(content)); err == nil {
			m.Errorf("%s can be run twice", f)
		}
	}
}

// mended: a watch that goes on finds the rows equal, and the findings are mended.
func (m *mendTest) mended(second string) {
	w := start(m, m.set, "watch", "--old", "@old", "--new", "@new", "--table", "mendx.*", "--state", m.state, "--for", "1ms", "--format", "json")
	w.wait(patience)
	book, err := ledger.OpenShared(m.Context(), m.state, ledger.Options{MustExist: true})
	if err != nil {
		m.Fatal(err)
	}
	defer book.Close()
	account, err := book.ReadWatch(m.Context(), 0)
	if err != nil {
		m.Fatal(err)
	}
	tally := record.Tally{Damage: &record.Damage{Whole: func(record.Run) bool { return false }}}
	if err = account.EachFound(m.Context(), tally.Found); err != nil {
		m.Fatal(err)
	}
	found := tally.Watched().Findings
	for _, f := range found {
		want := uint64(0)
		switch f.Kind {
		case "insert_insert_pk", second, "update_update":
			want = 1
		}
		if f.Outcomes.Mended < want || f.Unsettled > 0 {
			m.Errorf("%s: %+v\n%s", f.Kind, f, w.stderr.String())
		}
		for _, x := range f.SettledBy {
			if want > 0 && !strings.Contains(x.By, "tester wrote mend") {
				m.Errorf("%s: %s", f.Kind, x.By)
			}
		}
	}
	if len(found) < 3 {
		m.Errorf("%d kinds of findings", len(found))
	}
}

// runScript runs a file as the client does: in one session, up to the first error.
func runScript(config *mysql.Config, content string) error {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	_, err = db.ExecContext(context.Background(), content)
	return err
}

// text is the one value of a query.
func text(t testing.TB, s *fixtures.Server, query string) (out string) {
	t.Helper()
	if err := s.DB().QueryRowContext(context.Background(), query).Scan(&out); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// column is one column of the first row of a statement that shows something.
func column(t testing.TB, s *fixtures.Server, query, name string) string {
	t.Helper()
	rows, err := s.DB().QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		t.Fatal(query, err)
	}
	values := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err = errors.Join(rows.Scan(into...), rows.Err()); err != nil {
		t.Fatal(err)
	}
	return values[slices.Index(names, name)].String
}
