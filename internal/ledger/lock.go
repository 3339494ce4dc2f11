package ledger

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// The files whose locks stand for the state directory, one for each use that must be alone of its sort. They are never
// removed: whoever waits for a lock of a removed file would hold nothing.
const (
	checkLock = "ledger.lock"
	watchLock = "watch.lock"
)

// lockDir takes a lock of the state directory for this process. The kernel gives it back when the process ends, however it does.
func lockDir(dir, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, classify(path, "lock the state directory", err)
	}
	err = flock(f)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid := holder(f)
		return nil, errors.Join(&Error{Kind: InUse, Path: dir, Op: "lock", PID: pid}, f.Close())
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, classify(path, "lock the state directory", errors.Join(err, f.Close()))
	}
	return f, nil
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// holder reads the pid that the lock's owner wrote; 0 if it has not come to that yet.
func holder(f *os.File) int {
	text := make([]byte, 32)
	n, _ := f.ReadAt(text, 0) // a short read is the rule, and nothing is not a number
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return 0
	}
	return pid
}

// ownFile makes sure that path exists and that only this user can read it, whatever the umask. SQLite gives its -wal
// and -shm files the same mode.
func ownFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err == nil && info.Mode().Perm() != 0o600 {
		err = f.Chmod(0o600)
	}
	return errors.Join(err, f.Close())
}
