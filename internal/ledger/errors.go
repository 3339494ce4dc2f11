package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Kind is the cause of an Error: one cause, one mend.
type Kind string

// The causes.
const (
	Full     Kind = "full"      // no space or quota left
	ReadOnly Kind = "read-only" // the folder or a file in it cannot be written
	Corrupt  Kind = "corrupt"   // not a readable database, or one with impossible content
	Foreign  Kind = "foreign"   // an SQLite file that is not a ledger
	Newer    Kind = "newer"     // written by a newer crosscheck
	InUse    Kind = "in use"    // another process holds the state directory
	Absent   Kind = "absent"    // Options.MustExist and there is none
	Failed   Kind = "failed"    // any other failure of the file system or of SQLite
)

// Error is a failure of the state directory. Its text is one line with the path and what to do about it.
type Error struct {
	Kind Kind
	Path string // file or folder
	Op   string // what was being done
	PID  int    // InUse: the process that holds it; 0 if it did not say
	Err  error  // cause; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	head := fmt.Sprintf("state %s: %s: ", e.Path, e.Op)
	switch e.Kind {
	case Full:
		return head + "no space left; free some there, or name a folder with more room with --state (what is proven so far is kept: --resume)"
	case ReadOnly:
		return head + "it cannot be written; give this user write permission, or name another folder with --state" + e.cause()
	case Corrupt:
		return head + "it is damaged; move it away and start again without --resume" + e.cause()
	case Foreign:
		return head + "this SQLite file is not a ledger of crosscheck; name another folder with --state"
	case Newer:
		return head + "a newer crosscheck wrote it; use that version, or name another folder with --state" + e.cause()
	case InUse:
		holder := "another process"
		if e.PID > 0 {
			holder = fmt.Sprintf("process %d", e.PID)
		}
		return head + holder + " is using it; wait for it to end, or name another folder with --state"
	case Absent:
		return head + "there is no ledger; run crosscheck check with this --state first"
	default:
		return head + "input or output failed" + e.cause()
	}
}

func (e *Error) cause() string {
	if e.Err == nil {
		return ""
	}
	first, _, _ := strings.Cut(e.Err.Error(), "\n") // joined errors of one cause
	return " (" + strings.TrimPrefix(first, "SQL logic error: ") + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ServerChangedError says that a run cannot be resumed because it compared other servers.
type ServerChangedError struct {
	Run      int64
	Old, New *Change // nil where the side is the same server
}

// Change is a side's server then and now: its server_uuid, with the address for people.
type Change struct{ Was, Now string }

// Error implements error.
func (e *ServerChangedError) Error() string {
	text := fmt.Sprintf("cannot resume run %d", e.Run)
	for _, side := range []struct {
		name string
		c    *Change
	}{{"old", e.Old}, {"new", e.New}} {
		if side.c != nil {
			text += fmt.Sprintf(": %s is another server (was %s, now %s)", side.name, side.c.Was, side.c.Now)
		}
	}
	return text + "; connect to the same servers, or start without --resume"
}

// Errors of use.
var (
	ErrNoRun  = errors.New("no such run in the ledger") // LastRun of an empty ledger, or an unknown run
	ErrClosed = errors.New("the run is closed")         // a method of Run after Run.Close
)

// classify gives a failure of SQLite or of the file system its Kind. What has a type of this package
// stays as it is, and anything else, such as a cancelled context, is only wrapped.
func classify(path, op string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	var other *ServerChangedError
	var lite *sqlite.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &known), errors.As(err, &other):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("state %s: %s: %w", path, op, err)
	case errors.As(err, &lite):
		return &Error{Kind: kindOfCode(path, lite.Code()), Path: path, Op: op, Err: err}
	case errors.As(err, &errno):
		return &Error{Kind: kindOfErrno(err), Path: path, Op: op, Err: err}
	default:
		return fmt.Errorf("state %s: %s: %w", path, op, err)
	}
}

func kindOfCode(path string, code int) Kind {
	switch code & 0xff {
	case sqlite3.SQLITE_FULL:
		return Full
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_ERROR: // our statements are right: a table or column is gone
		return Corrupt
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return ReadOnly
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		// SQLite does not hand out the errno: a quota, and no room for the shared memory file, look like any I/O error.
		return probe(filepath.Dir(path))
	}
	return Failed
}

// probeBytes is more than a file system's last partly used block can take.
const probeBytes = 64 << 10

// probe learns from a file of its own why a folder cannot be written. It returns Failed if it can be.
func probe(dir string) Kind {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return kindOfErrno(err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // a left probe is empty and harmless
	_, err = f.Write(make([]byte, probeBytes))
	if err == nil {
		err = f.Sync()
	}
	return kindOfErrno(errors.Join(err, f.Close()))
}

func kindOfErrno(err error) Kind {
	for kind, list := range map[Kind][]syscall.Errno{
		Full:     {syscall.ENOSPC, syscall.EDQUOT},
		ReadOnly: {syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.ENOTDIR},
	} {
		for _, errno := range list {
			if errors.Is(err, errno) {
				return kind
			}
		}
	}
	return Failed
}
