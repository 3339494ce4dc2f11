package report

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// meterMemory is the time after which a change of speed is mostly believed: shorter, and time left jumps with every
// chunk; longer, and a table that got slow still promises its old end.
const meterMemory = 4 * time.Second

// meter counts a running table's rows and estimates its speed and end. add may be called from many goroutines and
// never waits; the rest belongs to the display.
type meter struct {
	table    string
	estimate int64 // rows; 0 or less if not known
	resumed  int64 // rows proven by an earlier run: done, but they say nothing of the speed
	started  time.Time
	rows     atomic.Int64

	mu       sync.Mutex
	lastTime time.Time
	lastRows int64
	speed    float64 // rows per second
}

func newMeter(table string, estimate, resumed int64, now time.Time) *meter {
	return &meter{table: table, estimate: estimate, resumed: max(resumed, 0), started: now, lastTime: now}
}

func (m *meter) add(rows int64) { m.rows.Add(rows) }

// tick takes what was added since the last tick into the speed.
func (m *meter) tick(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	span := now.Sub(m.lastTime)
	if span <= 0 {
		return
	}
	rows := m.rows.Load()
	current := float64(rows-m.lastRows) / span.Seconds()
	// From the start the average counts, so that the first numbers are not pulled down by a speed of zero.
	weight := max(1-math.Exp(-span.Seconds()/meterMemory.Seconds()), span.Seconds()/max(now.Sub(m.started).Seconds(), span.Seconds()))
	m.speed += (current - m.speed) * weight
	m.lastTime, m.lastRows = now, rows
}

// reading is what a display shows of a meter.
type reading struct {
	rows    int64
	percent int           // 0 to 99; -1 if not known: an estimate can be wrong by a lot, and only the end is the end
	speed   int64         // rows per second, in three digits: more of them only flicker
	left    time.Duration // never negative; 0 if not known
}

func (m *meter) read() reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := reading{rows: m.resumed + max(m.rows.Load(), 0), percent: -1, speed: threeDigits(max(m.speed, 0))}
	if m.estimate <= 0 {
		return r
	}
	r.percent = int(min(float64(r.rows)/float64(m.estimate)*100, 99))
	if rest := m.estimate - r.rows; rest > 0 && r.speed > 0 {
		seconds := float64(rest) / m.speed
		if seconds < 1000*time.Hour.Seconds() { // beyond that nobody believes it, and a Duration overflows
			r.left = time.Duration(seconds * float64(time.Second))
		}
	}
	return r
}

func threeDigits(f float64) int64 {
	if f < 1000 {
		return int64(math.Round(f))
	}
	unit := math.Pow(10, math.Floor(math.Log10(f))-2)
	return int64(math.Round(f/unit) * unit)
}
