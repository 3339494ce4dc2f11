package report

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"crosscheck/checksum"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come, however busy the machine is.
const patience = time.Minute

// buffer is a writer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestProgressFromManyGoroutines(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		t.Run(fmt.Sprintf("terminal=%v", terminal), func(t *testing.T) {
			var out buffer
			var view progressView = newLineView(&out, time.Now(), time.Hour)
			if terminal {
				view = newBarView(&out, newPaint(false), time.Now())
			}
			p := showProgress(view, patience)
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					table := fmt.Sprintf("shop.t%d", i)
					p.TableStarted(table, 1000, 100)
					for range 500 {
						p.Progress(table, 2, 100)
						time.Sleep(time.Millisecond)
					}
					for begun := time.Now(); terminal && !strings.Contains(out.String(), "rows/s") && time.Since(begun) < patience; {
						time.Sleep(progressTick / 10) // until a frame shows the bars
					}
					p.Notice("about " + table)
					p.TableDone(checksum.TableResult{
						Table: table, Verdict: checksum.Same, Elapsed: time.Second,
						Counts: checksum.Counts{RowsOld: 1100, RowsNew: 1100},
					})
				})
			}
			wg.Wait()
			fmt.Fprintln(p, "a line of the log")
			p.TableDone(checksum.TableResult{Table: "shop.gone", Verdict: checksum.Different, Reason: "not on new\x1b[2J"})
			p.Close()
			p.Close()
			p.TableStarted("late", 1, 0)
			got := out.String()
			for i := range 8 {
				for _, want := range []string{
					fmt.Sprintf("✓ shop.t%d  1,100 rows in 1.00 s  same", i), fmt.Sprintf("note: about shop.t%d", i),
				} {
					if !strings.Contains(got, want) {
						t.Errorf("no %q in output", want)
					}
				}
			}
			for _, want := range []string{"a line of the log", "✗ shop.gone  different (not on new␛[2J)"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in output", want)
				}
			}
			if bars := strings.Contains(got, "rows/s"); bars != terminal {
				t.Errorf("bars drawn: %v, terminal: %v", bars, terminal)
			}
			if strings.Contains(got, "100 %") {
				t.Error("shows 100 % of an estimate")
			}
		})
	}
}

// stuck is a terminal that was stopped with Ctrl-S. It tells when something is first written to it.
type stuck struct{ reached, released chan struct{} }

func newStuck() stuck { return stuck{make(chan struct{}, 1), make(chan struct{})} }

func (s stuck) Write(p []byte) (int, error) {
	select {
	case s.reached <- struct{}{}:
	default:
	}
	<-s.released
	return len(p), nil
}

func TestProgressNeverWaitsForOutput(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		w := newStuck()
		p := NewProgress(w, ProgressOptions{Terminal: terminal})
		begun := time.Now()
		for i := range 3 * maxQueued {
			p.Notice("n")
			if i%100 == 0 {
				table := fmt.Sprint(i)
				p.TableStarted(table, 10, 0)
				p.Progress(table, 1, 1)
				p.TableDone(checksum.TableResult{Table: table})
			}
		}
		if took := time.Since(begun); took > patience {
			t.Errorf("terminal=%v: observer calls took %v against a stopped terminal", terminal, took)
		}
		begun = time.Now()
		p.Close()
		if took := time.Since(begun); took > closeWait+patience {
			t.Errorf("terminal=%v: Close took %v", terminal, took)
		}
		close(w.released)
		<-p.done
	}
}

func TestMeter(t *testing.T) {
	now := started
	m := newMeter("t", 1000, 100, now)
	if r := m.read(); r.percent != 10 || r.left != 0 || r.rows != 100 {
		t.Errorf("before the first rows: %+v", r)
	}
	for range 10 {
		m.add(10)
		now = now.Add(time.Second)
		m.tick(now)
	}
	if r := m.read(); r.percent != 20 || r.speed < 9 || r.speed > 11 || r.left < 70*time.Second || r.left > 90*time.Second {
		t.Errorf("steady at 10 rows/s with 800 to go: %+v", r)
	}
	m.tick(now) // the clock did not move
	m.tick(now.Add(-time.Second))
	m.add(5000) // the estimate was far off
	now = now.Add(time.Second)
	m.tick(now)
	if r := m.read(); r.percent != 99 || r.left != 0 {
		t.Errorf("beyond the estimate: %+v", r)
	}
	for _, estimate := range []int64{0, -1} {
		m = newMeter("t", estimate, 0, now)
		m.add(5)
		if r := m.read(); r.percent != -1 || r.left != 0 || r.rows != 5 {
			t.Errorf("estimate %d: %+v", estimate, r)
		}
	}
	m = newMeter("t", 1<<62, 0, now)
	m.add(1)
	m.tick(now.Add(time.Hour))
	if r := m.read(); r.left < 0 || r.percent != 0 {
		t.Errorf("an end beyond all times: %+v", r)
	}
}

func TestPlainLines(t *testing.T) {
	var b bytes.Buffer
	v := newLineView(&b, started, 5*time.Second)
	m := newMeter("shop.orders", 1_536_000, 36_000, started)
	v.start(m)
	for i := range 21 { // 4.2 s: too early for a line
		now := started.Add(time.Duration(i) * progressTick)
		m.add(20_000)
		m.tick(now)
		v.tick(now)
	}
	now := started.Add(5200 * time.Millisecond)
	m.add(100_000)
	m.tick(now)
	v.tick(now)
	v.tick(now.Add(progressTick))
	want := "[0.00 s] shop.orders  started, about 1,536,000 rows, 36,000 proven by an earlier run\n" +
		"[5.20 s] shop.orders  556,000 rows (36 %), 99,400 rows/s, about 10 s left\n"
	if b.String() != want {
		t.Errorf("got:\n%swant:\n%s", b.String(), want)
	}
	v.finish(m, &Table{Table: "shop.orders"}, now)
	if len(v.running) != 0 {
		t.Error("a finished table still runs")
	}
}
