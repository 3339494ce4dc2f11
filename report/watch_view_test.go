package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crosscheck/conflict/watch"
)

// fakeTerminal follows the few sequences that the live view uses. It fails the test on any other, and on a line that
// would wrap.
type fakeTerminal struct {
	t             *testing.T
	width, height int
	rows          []string // from the first line ever written on
	top, y        int      // first row on the screen, row of the cursor
	writes        int
}

func (f *fakeTerminal) put(s string) {
	for len(f.rows) <= f.y {
		f.rows = append(f.rows, "")
	}
	f.rows[f.y] = s
	if width(s) >= f.width {
		f.t.Errorf("a line of %d cells: %q", width(s), s)
	}
}

func (f *fakeTerminal) Write(p []byte) (int, error) {
	f.writes++
	line := ""
	for s := string(p); s != ""; {
		switch {
		case s[0] == '\n':
			f.put(line)
			line = ""
			f.y++
			f.top = max(f.top, f.y-f.height+1)
			s = s[1:]
		case s[0] == '\r':
			s = s[1:]
		case strings.HasPrefix(s, "\x1b[K"):
			s = s[3:]
		case strings.HasPrefix(s, "\x1b[J"):
			f.rows = f.rows[:min(f.y, len(f.rows))]
			s = s[3:]
		case strings.HasPrefix(s, "\x1b[2J\x1b[H"):
			f.rows, f.y = f.rows[:f.top], f.top
			s = s[7:]
		case strings.HasPrefix(s, "\x1b["):
			end := strings.IndexByte(s, 'A')
			n, err := strconv.Atoi(s[2:max(end, 2)])
			if err != nil || f.y-n < f.top {
				f.t.Fatalf("sequence %q at row %d of %d", s[:min(len(s), 10)], f.y, f.top)
			}
			f.y -= n
			s = s[end+1:]
		default:
			end := strings.IndexAny(s, "\n\r\x1b")
			if end < 0 {
				end = len(s)
			}
			line += s[:end]
			s = s[end:]
		}
	}
	if line != "" {
		f.t.Errorf("the cursor stays behind %q", line)
	}
	return len(p), nil
}

func TestLiveViewDrawsInPlace(t *testing.T) {
	term := &fakeTerminal{t: t, width: 80, height: 24}
	d := newLiveDisplay(term, WatchOptions{Size: func() (int, int) { return term.width, term.height }}, started)
	now := started
	tick := func(s *watch.Status) {
		t.Helper()
		now = now.Add(watchFrame)
		var sum *WatchSummary
		if s != nil {
			x := NewWatchSummary(*s, nil)
			sum = &x
		}
		d.tick(now, sum)
		if got := term.rows[len(term.rows)-len(d.last):]; !slices.Equal(got, d.last) {
			t.Fatalf("on the screen:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(d.last, "\n"))
		}
	}
	clean, failed := sampleStatus(), failedStatus()
	tick(nil)
	d.event(watchEvent{text: "a line of the log"})
	tick(&clean)
	for _, f := range documents(sampleFindings(), Options{}) {
		d.event(watchEvent{finding: &f})
	}
	tick(&failed)
	if !slices.ContainsFunc(term.rows, func(l string) bool { return strings.Contains(l, "wrong_step_key") && strings.Contains(l, "10001") }) {
		t.Errorf("the findings are not on the screen:\n%s", strings.Join(term.rows, "\n"))
	}
	d.event(watchEvent{text: "note: two\nlines"})
	tick(&clean) // a smaller frame
	term.width, term.height = 60, 15
	tick(&failed)
	before := term.writes
	now = now.Add(-watchFrame)
	tick(&failed)
	if term.writes != before {
		t.Error("the same frame is drawn again")
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(term.rows, "\n"); strings.Contains(got, "COLLISIONS") || strings.Count(got, "a line of the log") > 1 {
		t.Errorf("the view left on the screen:\n%s", got)
	}
}

func TestWatchViewJSON(t *testing.T) {
	var out buffer
	v := NewWatchView(&out, WatchOptions{JSON: true})
	v.patience = patience
	v.Notice("nothing for machines")
	fmt.Fprintln(v, "nor this")
	list := sampleFindings()
	for i := range 500 {
		f := list[i%len(list)]
		f.ID = fmt.Sprint(i)
		v.Found(f)
	}
	v.Status(sampleStatus())
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v.Found(list[0])
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 500 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, l := range lines {
		var doc struct{ Schema, ID string }
		if err := json.Unmarshal([]byte(l), &doc); err != nil || doc.Schema != WatchSchema || doc.ID != fmt.Sprint(i) {
			t.Fatalf("line %d: %v %+v", i, err, doc)
		}
	}
}

// torn is an output that was closed.
type torn struct{}

func (torn) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWatchViewTellsWhatWasNotWritten(t *testing.T) {
	v := NewWatchView(torn{}, WatchOptions{JSON: true})
	v.patience = patience
	v.Found(sampleFindings()[0])
	if err := v.Close(); err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("JSON: %v", err)
	}
	v = NewWatchView(torn{}, WatchOptions{})
	v.Found(sampleFindings()[0])
	if err := v.Close(); err != nil {
		t.Errorf("lines for people: %v", err)
	}
}

func TestWatchViewNeverWaitsForOutput(t *testing.T) {
	for _, o := range []WatchOptions{{JSON: true}, {Terminal: true}, {}} {
		w := newStuck()
		v := NewWatchView(w, o)
		v.maxBytes = 1 << 20
		begun := time.Now()
		one := sampleFindings()[0]
		v.Found(one)
		<-w.reached // the display is stuck now
		for i := range 3 * maxQueued {
			v.Found(one)
			v.Notice("n")
			if i%100 == 0 {
				v.Status(sampleStatus())
			}
		}
		if took := time.Since(begun); took > patience {
			t.Errorf("%+v: observer calls took %v against a stopped output", o, took)
		}
		if v.Lost() == 0 {
			t.Errorf("%+v: nothing is told to be lost", o)
		}
		begun = time.Now()
		if err := v.Close(); o.JSON && err == nil {
			t.Error("findings were not written, and nobody says so")
		}
		if took := time.Since(begun); took > closeWait+patience {
			t.Errorf("%+v: Close took %v", o, took)
		}
		close(w.released)
		<-v.done
	}
}

func TestWatchViewShowsAll(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out buffer
		v := NewWatchView(&out, WatchOptions{Terminal: terminal})
		v.patience = patience
		v.Notice("about\x1b[2J")
		for _, f := range sampleFindings() {
			v.Found(f)
		}
		v.Status(failedStatus())
		if err := errors.Join(v.Close(), v.Close()); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"note: about␛[2J", "wrong_step_key", "COLLISIONS", "replication_stopped"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("terminal=%v: no %q", terminal, want)
			}
		}
	}
}

func TestRenderWatchRefusesOtherFormats(t *testing.T) {
	for _, f := range []Format{FormatHTML, FormatJUnit, "nonsense"} {
		var b bytes.Buffer
		if err := RenderWatch(&b, f, watchSamples()["clean"], TermOptions{}); err == nil || b.Len() > 0 {
			t.Errorf("%s: %v and %d bytes", f, err, b.Len())
		}
	}
}
