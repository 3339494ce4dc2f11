package conflict

import (
	"math"
	"time"
)

// MaxKey is the highest value of an AUTO_INCREMENT column of a type in lower case
// ("int", "bigint" …); 0 for types that have none.
func MaxKey(dataType string, unsigned bool) uint64 {
	bits := map[string]uint{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}[dataType]
	switch {
	case bits == 0:
		return 0
	case unsigned:
		return math.MaxUint64 >> (64 - bits)
	}
	return 1<<(bits-1) - 1
}

// NextKey is the key that a server generates after current: the least
// offset + n × increment above it. An offset above the increment is ignored.
func NextKey(current uint64, s Step) uint64 {
	if s.Increment < 2 {
		return current + 1
	}
	off := s.Offset
	if off > s.Increment || off == 0 {
		off = s.Increment // residue 0
	}
	if current < off {
		return off
	}
	return off + ((current-off)/s.Increment+1)*s.Increment
}

// Overlap tells whether two steps can generate one key: their residues agree
// modulo the greatest common divisor of the increments.
func Overlap(a, b Step) bool {
	g := gcd(max(a.Increment, 1), max(b.Increment, 1))
	return a.residueForOverlap()%g == b.residueForOverlap()%g
}

func (s Step) residueForOverlap() uint64 {
	if r, ok := s.Residue(); ok {
		return r
	}
	return 0 // everything with an increment of 1; multiples where the offset is ignored
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// IgnoredOffset tells whether the servers ignore the step's offset.
func (s Step) IgnoredOffset() bool { return s.Increment > 0 && s.Offset > s.Increment }

// Headroom is what is left of a table's key space.
type Headroom struct {
	Keys uint64 // that can still be generated with the step
	// Lasts is how long that is at the given rate; the longest Duration where
	// nothing is written or it lasts longer than that.
	Lasts time.Duration
}

// HeadroomOf computes it for a table at its current AUTO_INCREMENT maximum, a
// step, and the rows inserted per second on this side and on the other. Each row
// moves its side's maximum on by a whole increment, and the maximum of the faster
// side, replicated, moves the slower one along.
func HeadroomOf(current, maxKey uint64, s Step, ownPerSecond, otherPerSecond float64) Headroom {
	inc := max(s.Increment, 1)
	if current >= maxKey {
		return Headroom{}
	}
	h := Headroom{Keys: (maxKey - current) / inc, Lasts: math.MaxInt64}
	// The faster side drags the maximum along by one step per row.
	if rate := max(ownPerSecond, otherPerSecond); rate > 0 {
		if sec := float64(h.Keys) / rate; sec < math.MaxInt64/float64(time.Second) {
			h.Lasts = time.Duration(sec * float64(time.Second))
		}
	}
	return h
}

// StaleWriter is a session with another step than its server's, and how many rows
// with generated keys it inserts per second.
type StaleWriter struct {
	Session   Session
	PerSecond float64
}

// Forecast says what stale sessions will do if nothing is done.
type Forecast struct {
	Sessions int
	// WrongPerSecond is how many wrong-step keys come per second.
	WrongPerSecond float64
	// First is when the first one is to be expected: the mean waiting time; the
	// longest Duration where no session writes.
	First time.Duration
}

// ForecastOf multiplies stale sessions by their write rates. Of the keys that a
// session with step x generates, those fit the step in force that its residue hits
// by chance: of an increment of 1 against 2, every second.
func ForecastOf(inForce Step, stale []StaleWriter) Forecast {
	f := Forecast{Sessions: len(stale), First: math.MaxInt64}
	for _, w := range stale {
		f.WrongPerSecond += w.PerSecond * (1 - fitting(inForce, w.Session.Step))
	}
	if f.WrongPerSecond > 0 {
		if sec := 1 / f.WrongPerSecond; sec < math.MaxInt64/float64(time.Second) {
			f.First = time.Duration(sec * float64(time.Second))
		}
	}
	return f
}

// fitting is the share of a session's keys that fit a step.
func fitting(inForce, session Step) float64 {
	if _, ok := inForce.Residue(); !ok {
		return 1
	}
	if !Overlap(inForce, session) {
		return 0
	}
	inc := max(session.Increment, 1)
	return float64(gcd(inForce.Increment, inc)) / float64(inForce.Increment)
}
