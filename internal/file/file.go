// Package file reads files that the user names: of bounded size, and secret ones only if they are.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Limit is far above any plan, option file, key or certificate.
const Limit = 64 << 20

// ErrShared is why a file with a secret is not used.
var ErrShared = errors.New("others on this machine may read it, and it holds a secret")

// Read returns what a file holds. Pipes are read as well; one that never ends, or a file that is too large, is refused.
func Read(path string) ([]byte, error) {
	text, _, err := ReadInfo(path)
	return text, err
}

// ReadSecret is Read for a file of which others may read nothing.
func ReadSecret(path string) ([]byte, error) {
	text, info, err := ReadInfo(path)
	if err != nil {
		return nil, err
	}
	return text, Private(path, info)
}

// Private refuses a regular file that others may read.
func Private(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: %w (mode %04o): chmod 600 %[1]s", path, ErrShared, info.Mode().Perm())
	}
	return nil
}

// ReadInfo is Read with what is known of the file that was read.
func ReadInfo(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, Limit+1))
	if err == nil && len(text) > Limit {
		err = fmt.Errorf("%s: it is larger than %d MiB, so it is not what is needed here", path, Limit>>20)
	}
	return text, info, err
}
