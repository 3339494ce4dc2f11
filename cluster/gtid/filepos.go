package gtid

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrIncomparable is wrapped by errors that say that two positions cannot be
// put in order.
var ErrIncomparable = errors.New("positions cannot be compared")

// FilePos is a place in one server's binary log: a file and the byte after the
// last event. It has a meaning only on the server that it was read from.
type FilePos struct {
	File string
	Pos  uint64
}

// IsZero tells whether no place is known.
func (p FilePos) IsZero() bool { return p.File == "" }

// String prints "binlog.000003:157".
func (p FilePos) String() string { return p.File + ":" + strconv.FormatUint(p.Pos, 10) }

// ParseFilePos reads "binlog.000003:157". The file needs a numeric suffix.
func ParseFilePos(text string) (FilePos, error) {
	text = strings.TrimSpace(text)
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return FilePos{}, fmt.Errorf("%s is not file:position", shorten(text))
	}
	n, err := strconv.ParseUint(text[i+1:], 10, 64)
	if err != nil {
		return FilePos{}, fmt.Errorf("%s is not file:position", shorten(text))
	}
	p := FilePos{File: text[:i], Pos: n}
	if _, _, ok := p.split(); !ok {
		return FilePos{}, fmt.Errorf("%s is not file:position: the file has no numeric suffix", shorten(text))
	}
	return p, nil
}

// split takes the numeric suffix off the file's name. Servers count past
// .999999 with more digits, so names are not in alphabetic order.
func (p FilePos) split() (base string, number uint64, ok bool) {
	i := strings.LastIndexByte(p.File, '.')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(p.File[i+1:], 10, 64)
	if err != nil {
		return "", 0, false
	}
	return p.File[:i], n, true
}

// Compare is -1, 0 or +1 as p is before, at or after q. Names with different
// bases are of different logs: an error that wraps ErrIncomparable.
func (p FilePos) Compare(q FilePos) (int, error) {
	pb, pn, ok1 := p.split()
	qb, qn, ok2 := q.split()
	if !ok1 || !ok2 || pb != qb {
		return 0, fmt.Errorf("%w: %s and %s are not of one binary log", ErrIncomparable, p, q)
	}
	if c := cmp.Compare(pn, qn); c != 0 {
		return c, nil
	}
	return cmp.Compare(p.Pos, q.Pos), nil
}
