package binlog

import (
	"errors"
	"fmt"
	"time"

	"crosscheck/cluster/gtid"
	"crosscheck/internal/fault"
)

// ErrClosed is returned by methods of a Tailer or Window after Close.
var ErrClosed = errors.New("the binlog tail is closed")

// PurgedError says that the server no longer has the log from where the tail
// must read.
type PurgedError struct {
	Server  string
	Need    gtid.Position // where the tail must go on
	Missing string        // what is gone, as far as the server tells
	Err     error
}

func (e *PurgedError) Error() string {
	msg := fmt.Sprintf("%s: its binary log no longer reaches back to %s", e.Server, e.Need)
	if e.Missing != "" {
		msg += " (gone: " + e.Missing + ")"
	}
	return msg + "; keep logs longer (binlog_expire_logs_seconds or expire_logs_days) and start again"
}

func (e *PurgedError) Unwrap() error { return e.Err }

// IdentityError says that another server answers at the address.
type IdentityError struct {
	Server  string
	Was, Is string
}

func (e *IdentityError) Error() string {
	return fmt.Sprintf("%s: another server answers there now: it was %s and is %s; check what stands behind the address and start again", e.Server, e.Was, e.Is)
}

// ResetError says that the server's log does not contain what the tail has
// already read: it was reset, or the server lost transactions in a crash.
type ResetError struct {
	Server string
	Had    gtid.Position
	Detail string
}

func (e *ResetError) Error() string {
	return fmt.Sprintf("%s: its binary log no longer holds what was read from it up to %s (%s): it was reset or restored, or lost transactions; start again", e.Server, e.Had, e.Detail)
}

// PrivilegeError says which privilege is missing and how to give it.
type PrivilegeError struct {
	Server    string
	Privilege string
	Account   string // 'user'@'host' as the server matched it, "" unknown
	Err       error
}

func (e *PrivilegeError) Error() string {
	account := e.Account
	if account == "" {
		account = "the account"
	}
	return fmt.Sprintf("%s: reading the binary log needs %s: GRANT %s ON *.* TO %s", e.Server, e.Privilege, e.Privilege, account)
}

func (e *PrivilegeError) Unwrap() error { return e.Err }

// UnusableError says that the server's settings do not allow a tail.
type UnusableError struct {
	Server, Setting, Value, Want string
}

func (e *UnusableError) Error() string {
	return fmt.Sprintf("%s: %s is %s; a tail of its binary log needs %s", e.Server, e.Setting, e.Value, e.Want)
}

// DumpError says that the server refused to send its log from a position.
type DumpError struct {
	Server string
	From   gtid.Position
	Number uint16 // the server's error number
	Err    error
}

func (e *DumpError) Error() string {
	return fmt.Sprintf("%s: it does not send its binary log from %s: %v", e.Server, e.From, oneLine(e.Err))
}

func (e *DumpError) Unwrap() error { return e.Err }

// LostError says that the connection could not be had again in time.
type LostError struct {
	Server string
	Since  time.Time
	Tries  int
	Err    error // the last failure
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s: no connection to its binary log since %s (%d tries): %v", e.Server, e.Since.UTC().Format("15:04:05"), e.Tries, oneLine(e.Err))
}

func (e *LostError) Unwrap() error { return e.Err }

// FormatError says that the log holds something that cannot be read.
type FormatError struct {
	Server string
	At     gtid.Position
	Err    error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: its binary log cannot be read after %s: %v", e.Server, e.At, oneLine(e.Err))
}

func (e *FormatError) Unwrap() error { return e.Err }

func oneLine(err error) string {
	if err == nil {
		return "unknown cause"
	}
	return fault.Line(err.Error())
}
