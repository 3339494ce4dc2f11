package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"crosscheck/checksum"
)

func kindOf(t *testing.T, err error) Kind {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not an *Error: %v", err)
	}
	return e.Kind
}

// edit runs a statement on a closed ledger.
func edit(t *testing.T, dir, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		opts    Options
		want    Kind
		say     string
	}{
		{"not a database", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, FileName), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, Options{}, Corrupt, "damaged"},
		{"another program's database", func(t *testing.T, dir string) { edit(t, dir, "CREATE TABLE t (a)") }, Options{}, Foreign, "not a ledger"},
		{"a newer layout", func(t *testing.T, dir string) {
			l, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			edit(t, dir, "PRAGMA user_version = 99")
		}, Options{}, Newer, "newer crosscheck"},
		{"a lost table", func(t *testing.T, dir string) {
			l, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			edit(t, dir, "DROP TABLE chunks")
		}, Options{}, Corrupt, "damaged; move it away and start again without --resume (no such table"},
		{"nothing there", func(*testing.T, string) {}, Options{MustExist: true}, Absent, "check"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.prepare(t, dir)
			_, err := Open(t.Context(), dir, c.opts)
			if err == nil {
				t.Fatal("opened")
			}
			if got := kindOf(t, err); got != c.want {
				t.Errorf("kind %q, want %q", got, c.want)
			}
			oneLine(t, err, dir, c.say)
		})
	}
}

func TestStateIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path, Options{})
	if kindOf(t, err) != ReadOnly {
		t.Errorf("got %v", err)
	}
	oneLine(t, err, path)
}

func TestDamagedPagesAreCorrupt(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	for i := range 300 {
		mustRecord(t, r, "a.a", chunk(i, 1))
	}
	l.Close()
	path := filepath.Join(dir, FileName)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(content) / 4; i < len(content); i++ {
		content[i] = 0x5a
	}
	if err = os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err = Open(t.Context(), dir, Options{})
	if err == nil {
		defer l.Close()
		info := servers()
		info.Resume = true
		if r, err = l.StartRun(t.Context(), info); err == nil {
			_, _, err = r.Begin(t.Context(), checksum.TableIdentity{Table: "a.a", Fingerprint: "f"})
		}
	}
	if err == nil || kindOf(t, err) != Corrupt {
		t.Errorf("got %v", err)
	}
}

func TestFullByPageCount(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Options{})
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	if _, err := l.write.Exec("PRAGMA max_page_count = 60"); err != nil {
		t.Fatal(err)
	}
	good := recordUntilFull(t, r)
	if _, err := l.write.Exec("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	proven, _ := mustBegin(t, r, "a.a", "f")
	if len(proven) != good {
		t.Errorf("%d chunks were recorded, %d are there", good, len(proven))
	}
	mustRecord(t, r, "a.a", chunk(good, 3))
}

func recordUntilFull(t *testing.T, r *Run) int {
	t.Helper()
	for i := range 20_000 {
		err := r.Record(t.Context(), "a.a", chunk(i, 3))
		if err == nil {
			continue
		}
		if kindOf(t, err) != Full {
			t.Fatalf("got %v", err)
		}
		oneLine(t, err, r.l.path, "no space left", "--resume")
		return i
	}
	t.Fatal("never full")
	return 0
}

// tmpfs mounts a file system of some size, or skips.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := mount(dir, 0, "size="+size); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

func mount(dir string, flags uintptr, data string) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", flags, data)
}

func TestFullDisk(t *testing.T) {
	dir := tmpfs(t, "600k")
	l, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := mustStart(t, l, false)
	mustBegin(t, r, "a.a", "f")
	good := recordUntilFull(t, r)
	l.Close()
	if err = mount(dir, syscall.MS_REMOUNT, "size=50m"); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	proven, _ := mustBegin(t, mustStart(t, l, true), "a.a", "f")
	if len(proven) != good {
		t.Errorf("%d chunks were recorded, %d are there", good, len(proven))
	}
}

func TestDiskFullFromTheStart(t *testing.T) {
	for _, size := range []string{"4k", "16k", "64k"} {
		t.Run(size, func(t *testing.T) {
			dir := tmpfs(t, size)
			_, err := Open(t.Context(), dir, Options{})
			if err == nil || kindOf(t, err) != Full {
				t.Fatalf("got %v", err)
			}
			oneLine(t, err, dir, "no space left")
		})
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := tmpfs(t, "1m")
	if err := mount(dir, syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "new")} {
		_, err := Open(t.Context(), path, Options{})
		if err == nil || kindOf(t, err) != ReadOnly {
			t.Fatalf("got %v", err)
		}
		oneLine(t, err, path, "--state")
	}
}

func TestClassifyKeepsCauses(t *testing.T) {
	for errno, want := range map[syscall.Errno]Kind{
		syscall.ENOSPC: Full, syscall.EDQUOT: Full, syscall.EROFS: ReadOnly, syscall.EACCES: ReadOnly, syscall.EIO: Failed,
	} {
		err := classify("/x", "write", fmt.Errorf("layer: %w", &os.PathError{Op: "write", Path: "/x", Err: errno}))
		if kindOf(t, err) != want || !errors.Is(err, errno) {
			t.Errorf("%v: got %v", errno, err)
		}
	}
}
