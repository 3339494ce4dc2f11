package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

func TestWatchGolden(t *testing.T) {
	extensions := map[Format]string{FormatTable: "txt", FormatJSON: "json", FormatMarkdown: "md"}
	for name, doc := range watchSamples() {
		for format, ext := range extensions {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				var b bytes.Buffer
				if err := RenderWatch(&b, format, doc, TermOptions{}); err != nil {
					t.Fatal(err)
				}
				golden(t, "watch-"+name+"."+ext, b.Bytes())
			})
		}
	}
	for _, show := range []bool{false, true} {
		var b bytes.Buffer
		for _, f := range documents(sampleFindings(), Options{ShowValues: show}) {
			if err := WriteWatchFinding(&b, f); err != nil {
				t.Fatal(err)
			}
		}
		golden(t, fmt.Sprintf("watch-findings-shown-%v.jsonl", show), b.Bytes())
	}
}

// screenOf draws what a terminal would show.
func screenOf(status watch.Status, recent []conflict.Finding, width, height int, color bool) []string {
	sum := NewWatchSummary(status, nil)
	s := watchScreen{
		paint: newPaint(color), width: width, height: height, begun: status.Started, now: status.At, sum: &sum,
		recent: documents(recent, Options{}),
	}
	return s.frame()
}

func TestWatchScreens(t *testing.T) {
	many := sampleFindings()
	for range 4 {
		many = append(many, sampleFindings()...)
	}
	for name, lines := range map[string][]string{
		"clean-80x24":      screenOf(sampleStatus(), nil, 80, 24, false),
		"collisions-80x24": screenOf(failedStatus(), many, 80, 24, false),
		"collisions-140":   screenOf(failedStatus(), many, 140, 50, true),
		"collisions-40x12": screenOf(failedStatus(), many, 40, 12, false),
		"undecided-80x24":  screenOf(undecidedStatus(), nil, 80, 24, false),
		"hostile-80x24":    screenOf(hostileStatus(), hostileFindings(), 80, 24, false),
	} {
		golden(t, "watch-screen-"+name+".txt", []byte(strings.Join(lines, "\n")+"\n"))
	}
}

// TestWatchScreensFit tries all sizes: whatever the names, a frame stays within them.
func TestWatchScreensFit(t *testing.T) {
	long := failedStatus()
	long.Reason = strings.Repeat("很长", 200)
	long.Sides[0].Addr = strings.Repeat("名", 100)
	cases := map[string]struct {
		status watch.Status
		recent []conflict.Finding
	}{
		"clean": {sampleStatus(), nil}, "collisions": {failedStatus(), sampleFindings()},
		"hostile": {hostileStatus(), hostileFindings()}, "long": {long, sampleFindings()}, "nothing": {watch.Status{}, nil},
	}
	for name, c := range cases {
		for w := 1; w <= 130; w += 3 {
			for h := 1; h <= 60; h += 4 {
				lines := screenOf(c.status, c.recent, w, h, false)
				if len(lines) > max(h-1, 1) {
					t.Fatalf("%s at %d×%d: %d lines", name, w, h, len(lines))
				}
				for _, l := range lines {
					if width(l) > w-1 {
						t.Fatalf("%s at %d×%d: %d cells in %q", name, w, h, width(l), l)
					}
				}
			}
		}
	}
	lines := strings.Join(screenOf(failedStatus(), sampleFindings(), 80, 24, false), "\n")
	for _, want := range []string{"COLLISIONS", "update_update", "replication_stopped", "START REPLICA", "10001", "客户名单", "SQL thread"} {
		if !strings.Contains(lines, want) {
			t.Errorf("80×24 does not show %q:\n%s", want, lines)
		}
	}
}

// TestWatchColumnsAlign counts wide characters as two cells: what stands right of them stays in its column.
func TestWatchColumnsAlign(t *testing.T) {
	s := sampleStatus()
	s.Sides[0].Addr = "数据库主机.example:3306"
	var at []int
	for _, l := range screenOf(s, nil, 120, 30, false) {
		for _, mark := range []string{"new 10.0.0.2", "3 tx/s", "increment 2, offset 2"} {
			if i := strings.Index(l, mark); i >= 0 {
				at = append(at, width(l[:i]))
			}
		}
	}
	if len(at) != 3 || at[0] != at[1] || at[1] != at[2] {
		t.Errorf("the right column begins at %v", at)
	}
}

// controls finds characters that could steer a terminal.
func controls(s string, allowed string) string {
	for i, r := range s {
		if hidden(r) && !strings.ContainsRune(allowed, r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return fmt.Sprintf("%U in %q", r, s[max(0, i-20):min(len(s), i+20)])
		}
	}
	return ""
}

func TestWatchNeutralizesHostileData(t *testing.T) {
	for _, format := range WatchFormats() {
		var b bytes.Buffer
		if err := RenderWatch(&b, format, watchSamples()["hostile"], TermOptions{}); err != nil {
			t.Fatal(err)
		}
		if bad := controls(b.String(), "\n"); bad != "" {
			t.Errorf("%s: %s", format, bad)
		}
	}
	for _, l := range screenOf(hostileStatus(), hostileFindings(), 100, 60, false) {
		if bad := controls(l, ""); bad != "" {
			t.Errorf("screen: %s", bad)
		}
	}
	var plain, lines bytes.Buffer
	d := newPlainDisplay(&plain, started)
	for _, f := range documents(hostileFindings(), Options{ShowValues: true}) {
		d.event(watchEvent{finding: &f})
		if err := WriteWatchFinding(&lines, f); err != nil {
			t.Fatal(err)
		}
	}
	sum := NewWatchSummary(hostileStatus(), nil)
	d.tick(started, &sum)
	if n := strings.Count(plain.String(), "\n"); n != len(hostileFindings())+3 { // two troubles and the status
		t.Errorf("%d plain lines:\n%s", n, plain.String())
	}
	if n := strings.Count(lines.String(), "\n"); n != len(hostileFindings()) {
		t.Errorf("%d lines of JSON", n)
	}
	for _, s := range []string{plain.String(), lines.String()} {
		if bad := controls(s, "\n"); bad != "" {
			t.Error(bad)
		}
	}
}

func TestWatchValuesAreMasked(t *testing.T) {
	list := sampleFindings()
	list[0].Old.After[1].State = 4 // bytes of a character set that is not converted are a value, too
	for show, want := range map[bool]int{false: 0, true: 1} {
		line, err := jsonLine(NewWatchFinding(list[0], started, Options{ShowValues: show}))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(line), "Secret Name"); n != want {
			t.Errorf("values shown %v: found %d times in %s", show, n, line)
		}
		var doc struct {
			Schema string
			Key    map[string]*string
			Old    struct{ After map[string]*string }
			New    struct{ After map[string]*string }
		}
		if err := json.Unmarshal(line, &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Schema != WatchSchema || *doc.Key["id"] != "4711" || *doc.Old.After["id"] != "4711" || doc.Old.After["note"] != nil {
			t.Errorf("keys and NULL are said in either case: %s", line)
		}
		if got := *doc.New.After["note"]; show && got != "0xFFFE" || !show && got != bullets+" (2 bytes)" {
			t.Errorf("values shown %v: bytes are %q", show, got)
		}
	}
}

func TestWatchSummaryIsNotCleanerThanItsParts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *watch.Status)
		want   watch.Verdict
	}{
		"clean":     {func(*watch.Status) {}, watch.Clean},
		"benign":    {func(s *watch.Status) { s.Findings[conflict.DeleteDelete] = 3 }, watch.Clean},
		"collision": {func(s *watch.Status) { s.Findings[conflict.EchoMismatch] = 1 }, watch.Failed},
		"differs":   {func(s *watch.Status) { s.Rows.Differ = 1 }, watch.Failed},
		"unjudged":  {func(s *watch.Status) { s.Findings[conflict.Unjudged] = 1 }, watch.Undecided},
		"blind":     {func(s *watch.Status) { s.Blind = []string{"old: blind"} }, watch.Undecided},
		"failed":    {func(s *watch.Status) { s.Verdict = watch.Failed }, watch.Failed},
		"undecided": {func(s *watch.Status) { s.Verdict = watch.Undecided }, watch.Undecided},
	} {
		s := sampleStatus()
		c.change(&s)
		d := NewWatchSummary(s, nil)
		if d.Verdict != c.want {
			t.Errorf("%s: %s, want %s", name, d.Verdict, c.want)
		}
		if word, _, _ := strings.Cut(d.Summary(), ":"); word != strings.ToUpper(c.want.String()) {
			t.Errorf("%s: %s", name, d.Summary())
		}
	}
}

func TestPlainWatchLines(t *testing.T) {
	var b bytes.Buffer
	d := newPlainDisplay(&b, started)
	sum := NewWatchSummary(sampleStatus(), nil)
	d.tick(started, nil)
	for i := range 125 {
		if i == 70 { // a verdict that changes is said soon, but not each time it goes to and fro
			sum = NewWatchSummary(failedStatus(), nil)
		}
		d.tick(started.Add(time.Duration(i)*time.Second), &sum)
	}
	d.event(watchEvent{text: "note: hello"})
	for _, f := range documents(sampleFindings(), Options{}) {
		d.event(watchEvent{finding: &f})
	}
	sum = NewWatchSummary(sampleStatus(), nil)
	d.tick(started.Add(126*time.Second), &sum)
	golden(t, "watch-plain.txt", b.Bytes())
}
