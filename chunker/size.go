package chunker

import "time"

// Sizer chooses the number of rows of the next chunk so that a statement takes about Target, and so that a chunk stays
// within MaxRows and, by the row size seen, within MaxBytes. Statements of that length are short enough to be stopped,
// repeated and paced, and long enough that their fixed cost does not count. Where that cost alone, as of a distant or a
// busy server, takes longer than Target, fewer rows would not be faster: chunks stay above lowShare of MaxRows, or lowBytes.
type Sizer struct {
	Target   time.Duration
	MaxRows  int
	MaxBytes int64
	rows     int
	limited  bool // by the server's own time limit: then nothing is too small
}

// First chunk: small enough to be compared within a second on the slowest server and the widest row.
const firstRows = 512

// Growth is bounded so that one lucky statement (all pages cached) does not make the next one far too long.
const maxGrowth = 4

// So small a share of MaxRows, and so few bytes, are no reason for a statement to take long.
const (
	lowShare = 4
	lowBytes = 1 << 20
)

// Rows returns the number of rows to ask for, at least 1.
func (s *Sizer) Rows() int {
	if s.rows == 0 {
		s.rows = firstRows
	}
	return max(1, min(s.rows, s.MaxRows))
}

// Observe tells how long a full chunk of rows rows and bytes bytes took on the slower side.
func (s *Sizer) Observe(rows int, bytes int64, took time.Duration) {
	if rows <= 0 {
		return
	}
	want, low, perRow := s.MaxRows, s.MaxRows/lowShare, bytes/int64(rows)
	if perRow > 0 {
		low = min(low, int(lowBytes/perRow))
	}
	if s.limited {
		low = 1
	}
	if took > 0 {
		want = min(want, max(low, int(float64(rows)*float64(s.Target)/float64(took))))
	}
	if perRow > 0 {
		want = min(want, int(s.MaxBytes/perRow))
	}
	s.rows = max(1, min(want, s.Rows()*maxGrowth))
}

// Shrink reacts to a statement that a server's time limit ended: it halves the size and reports whether that was
// still possible.
func (s *Sizer) Shrink() bool {
	if s.Rows() == 1 {
		return false
	}
	s.rows, s.limited = s.Rows()/2, true
	return true
}
