package ledger

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"crosscheck/conflict/watch"

	"github.com/google/go-cmp/cmp"

	"crosscheck/checksum"
)

func TestFilesAreForThisUserOnly(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "state?with#odd%20name")
	l := mustOpen(t, dir, Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "shop.orders", "f")
	mustRecord(t, r, "shop.orders", chunk(0, 1))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		seen[e.Name()] = true
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), info.Mode().Perm())
		}
	}
	for _, name := range []string{FileName, FileName + "-wal", checkLock} {
		if !seen[name] {
			t.Errorf("no %s in %v", name, seen)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("state directory: %v, %v", info.Mode(), err)
	}
}

func TestExistingFolderKeepsItsModeAndFileIsClosed(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, FileName), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, Options{})
	for path, want := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, FileName): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", path, info.Mode(), err, want)
		}
	}
}

func TestOneProcessPerStateDirectory(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	_, err := Open(t.Context(), dir, Options{})
	var e *Error
	if !errors.As(err, &e) || e.Kind != InUse || e.PID != os.Getpid() {
		t.Fatalf("got %v", err)
	}
	oneLine(t, err, dir, "process")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, Options{})
}

// TestCheckBesideWatch: a watch goes on for days, and what it asks for may be a check.
func TestCheckBesideWatch(t *testing.T) {
	dir := t.TempDir()
	watching, err := OpenForWatch(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Close()
	if _, err := OpenForWatch(t.Context(), dir, Options{}); err == nil {
		t.Error("two watches hold one state directory")
	}
	w := mustWatch(t, watching, watchInfo())
	const rounds = 20
	stored := make(chan error, 1)
	go func() {
		for range rounds {
			if err := w.SaveCheckpoint(t.Context(), watch.Checkpoint{Snapshot: make([]byte, 4<<20)}); err != nil {
				stored <- err
				return
			}
		}
		stored <- nil
	}()
	r := mustStart(t, mustOpen(t, dir, Options{}), false)
	mustBegin(t, r, "shop.orders", "f")
	for n := range 10 * rounds {
		mustRecord(t, r, "shop.orders", chunk(n, 1))
	}
	if err := <-stored; err != nil {
		t.Error(err)
	}
}

func oneLine(t *testing.T, err error, words ...string) {
	t.Helper()
	text := err.Error()
	if strings.Contains(text, "\n") {
		t.Errorf("more than one line: %q", text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
	t.Log(text)
}

func TestSqlite3ShellReadsIt(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("no sqlite3 shell on PATH")
	}
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "shop.orders", "f")
	mustRecord(t, r, "shop.orders", chunk(0, 2), chunk(1, 0))
	out, err := exec.CommandContext(t.Context(), shell, "-readonly", l.Path(),
		`SELECT run, "table", kind, "key", has_image FROM difference_list; SELECT lo_text, hi_text FROM chunks;
		SELECT "table", proven_chunks, rows_old, differences FROM run_progress; PRAGMA integrity_check;
		PRAGMA foreign_key_check`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := `1|shop.orders|missing|[{"column":"id","value":{"text":"0"}}]|1
1|shop.orders|missing|[{"column":"id","value":{"text":"1"}}]|1
0|1000
1000|2000
shop.orders|2|2000|2
ok
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Error(diff)
	}
}

func TestConcurrentRecord(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	var wg sync.WaitGroup
	for _, table := range []string{"a.a", "a.b", "a.c", "a.d"} {
		wg.Go(func() {
			mustBegin(t, r, table, "f")
			for i := range 50 {
				if err := r.Record(t.Context(), table, chunk(i, i%3)); err != nil {
					t.Error(err)
				}
				r.Trusted()
			}
			if err := r.Finish(t.Context(), checksum.TableResult{Table: table, Verdict: checksum.Different}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := l.EachDifference(t.Context(), r.ID(), nil, func(string, checksum.Difference) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	for _, table := range []string{"a.a", "a.d"} {
		if proven, _ := mustBegin(t, r, table, "f"); len(proven) != 50 {
			t.Errorf("%s: %d chunks", table, len(proven))
		}
	}
}

func TestCancelledRecordKeepsNothing(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Record(ctx, "a.a", chunk(0, 2)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if proven, _ := mustBegin(t, r, "a.a", "f"); len(proven) != 0 {
		t.Errorf("%d chunks", len(proven))
	}
	mustRecord(t, r, "a.a", chunk(0, 2))
	if err := r.Close(ctx, checksum.Result{Verdict: checksum.Different}); err != nil {
		t.Errorf("a cancelled run cannot be closed: %v", err)
	}
	if err := r.Record(t.Context(), "a.a", chunk(1, 0)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestRecordDoesNotTrustWhatIsUndecided(t *testing.T) {
	r := mustStart(t, mustOpen(t, t.TempDir(), Options{}), false)
	mustBegin(t, r, "a.a", "f")
	c := chunk(0, 2)
	c.Counts.Undecided = 1
	mustRecord(t, r, "a.a", c)
	n := 0
	count := func(string, checksum.Difference) error { n++; return nil }
	if err := r.l.EachDifference(t.Context(), r.ID(), nil, count); err != nil || n != 2 {
		t.Errorf("%d differences of an undecided chunk are kept, %v", n, err)
	}
	if proven, _ := mustBegin(t, r, "a.a", "f"); len(proven) > 0 {
		t.Error("an undecided chunk was trusted")
	}
	n = 0
	if err := r.l.EachDifference(t.Context(), r.ID(), nil, count); err != nil || n != 0 {
		t.Errorf("%d differences are left when the table is compared again, %v", n, err)
	}
	if err := r.Record(t.Context(), "a.b", chunk(0, 0)); err == nil {
		t.Error("a chunk of a table that was not begun was recorded")
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"root:geheim@tcp(127.0.0.1:3306)/":       "root:***@tcp(127.0.0.1:3306)/",
		"--old=root:g@h:e/im@unix(/tmp/s.sock)/": "--old=root:***@unix(/tmp/s.sock)/",
		"mysql://root:geheim@db.example:3306/":   "mysql://root:***@db.example:3306/",
		"mysql://root@db.example:3306/":          "mysql://root@db.example:3306/",
		"root@tcp(127.0.0.1:3306)/":              "root@tcp(127.0.0.1:3306)/",
		"--old-password=geheim":                  "--old-password=***",
		"-p=geheim":                              "-p=***",
		"shop.*":                                 "shop.*",
		"@old":                                   "@old",
	} {
		if got := redact([]string{in})[0]; got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestSecretsAreNotInTheFile(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	if err := r.Close(t.Context(), checksum.Result{}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), "geheim") {
		t.Error("the password is in the ledger")
	}
}

func TestRangeRecordedTwiceIsReplaced(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	open := chunk(0, 2)
	open.Range.Lo, open.Range.Hi = nil, nil
	again := chunk(0, 1)
	again.Range = open.Range
	mustRecord(t, r, "a.a", open, again)
	proven, _ := mustBegin(t, r, "a.a", "f")
	if len(proven) != 1 || len(proven[0].Differences) != 1 || proven[0].Counts.Missing != 1 {
		t.Errorf("got %+v", proven)
	}
	if proven[0].Range.Lo != nil || proven[0].Range.Hi != nil {
		t.Errorf("bounds of no bound: %+v", proven[0].Range)
	}
	if n := count(t, l, "row_images"); n != 1 {
		t.Errorf("%d images left", n)
	}
}

func count(t testing.TB, l *Ledger, table string) (n int) {
	t.Helper()
	if err := l.read.QueryRowContext(contextOf(t), "SELECT count(*) FROM "+table).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return n
}
