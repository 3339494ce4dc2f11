package report

import (
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"crosscheck/checksum"
)

func rendered(t *testing.T, f Format, doc CheckDocument, opt TermOptions) string {
	t.Helper()
	var b strings.Builder
	if err := Render(&b, f, doc, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestNothingSteersATerminal(t *testing.T) {
	for name, doc := range samples() {
		for _, f := range Formats() {
			out := rendered(t, f, doc, TermOptions{})
			if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && hidden(r) }); i >= 0 {
				t.Errorf("%s as %s holds %q", name, f, out[max(0, i-10):min(len(out), i+10)])
			}
		}
	}
	// With colour, escape sequences are ours alone.
	out := rendered(t, FormatTable, samples()["hostile"], TermOptions{Color: true})
	p := newPaint(true)
	for _, own := range []string{p.reset, p.bold, p.dim, p.red, p.green, p.yellow} {
		out = strings.ReplaceAll(out, own, "")
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("a foreign escape sequence is left in %q", out)
	}
}

func TestTerminalFitsItsWidth(t *testing.T) {
	for name, doc := range samples() {
		for _, w := range []int{0, 60, 80, 90, 100, 132, 200} {
			for l := range strings.Lines(rendered(t, FormatTable, doc, TermOptions{Width: w, Color: w == 100})) {
				if got := width(strings.TrimSuffix(l, "\n")); got > cmp.Or(w, 80) {
					t.Errorf("%s in %d cells: a line of %d: %q", name, w, got, l)
				}
			}
		}
	}
}

// A row of a table without a key is named by its values: where it is missing nothing is said of the side that lacks it.
func TestOneSidedValues(t *testing.T) {
	three := "three"
	differences := []Difference{
		{Form: Form{Kind: checksum.Missing, Columns: []string{"a", "b"}, Values: []ValueDiff{{Column: "a"}, {Column: "b", Old: &three}}}},
		{Form: Form{Kind: checksum.Extra, Columns: []string{"c"}, Values: []ValueDiff{{Column: "c", New: &three}}}},
	}
	doc := NewCheck(Pair(checksum.Result{}), Options{ShowValues: true})
	doc.Tables = []Table{{
		Table: "s.t", Verdict: checksum.Different, Differences: differences,
		Copies: []CopyEntry{{Node: "new", Verdict: checksum.Different, Differences: differences}},
	}}
	for _, f := range []Format{FormatTable, FormatMarkdown, FormatJUnit} {
		out := rendered(t, f, doc, TermOptions{})
		if strings.Count(out, "NULL") != 1 || strings.Count(out, "three") != 2 || strings.Contains(out, "→ NULL") || strings.Contains(out, "NULL →") {
			t.Errorf("%s:\n%s", f, out)
		}
	}
}

func TestTerminalColumnsAlign(t *testing.T) {
	out := rendered(t, FormatTable, samples()["different-masked"], TermOptions{Width: 120})
	var at []int
	for l := range strings.Lines(out) {
		for _, verdict := range []string{"✓ same\n", "✗ different\n"} {
			if strings.HasPrefix(l, " ") && strings.HasSuffix(l, verdict) {
				at = append(at, width(strings.TrimSuffix(l, verdict)))
			}
		}
	}
	if len(at) != 7 {
		t.Fatalf("%d lines with a verdict", len(at))
	}
	for _, n := range at {
		if n != at[0] {
			t.Errorf("verdicts begin at %v", at)
			break
		}
	}
}

func TestHTMLIsInert(t *testing.T) {
	out := strings.ToLower(rendered(t, FormatHTML, samples()["hostile"], TermOptions{}))
	for _, bad := range []string{"<script", "http://", "https://", "src=", "@import", "url(", "zgotmplz"} {
		if strings.Contains(out, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if !strings.Contains(out, "&lt;script&gt;") {
		t.Error("the hostile name is not shown at all")
	}
}

func TestMarkdownKeepsItsTables(t *testing.T) {
	for name, doc := range samples() {
		columns := 0
		for l := range strings.Lines(rendered(t, FormatMarkdown, doc, TermOptions{})) {
			if !strings.HasPrefix(l, "|") {
				columns = 0
				continue
			}
			n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|")
			if columns != 0 && n != columns {
				t.Errorf("%s: %d bars where the table's head has %d: %s", name, n, columns, l)
			}
			columns = n
		}
	}
}

func TestJUnitTurnsNoPipelineGreen(t *testing.T) {
	for name, doc := range samples() {
		var got junitSuites
		dec := xml.NewDecoder(strings.NewReader(rendered(t, FormatJUnit, doc, TermOptions{})))
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if green := got.Failures+got.Errors == 0; green != (doc.Verdict == checksum.Same) {
			t.Errorf("%s: %v with %d failures and %d errors", name, doc.Verdict, got.Failures, got.Errors)
		}
		want := 0
		for _, table := range doc.Tables {
			for _, c := range table.Copies {
				if c.Verdict == checksum.Different {
					want++
				}
			}
		}
		if got.Failures != want {
			t.Errorf("%s: %d failures, %d copies of tables differ", name, got.Failures, want)
		}
		if got.Tests != len(got.Suite.Cases) {
			t.Errorf("%s: says %d tests, has %d", name, got.Tests, len(got.Suite.Cases))
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range Formats() {
		if got, err := ParseFormat(string(f)); err != nil || got != f {
			t.Errorf("ParseFormat(%q) = %q, %v", f, got, err)
		}
	}
	_, err := ParseFormat("yaml")
	if err == nil || err.Error() != `unknown format "yaml": use one of table, json, markdown, html, junit` {
		t.Errorf("got %v", err)
	}
	if err := Render(io.Discard, "yaml", CheckDocument{}, TermOptions{}); err == nil {
		t.Error("an unknown format was rendered")
	}
}

func TestRenderReportsAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	for _, f := range Formats() {
		if err = Render(full, f, samples()["many"], TermOptions{}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", f, err)
		}
	}
	err = WriteFile("/dev/full", func(w io.Writer) error { return Render(w, FormatJSON, CheckDocument{}, TermOptions{}) })
	if !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "\n") {
		t.Errorf("WriteFile: %v", err)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.txt")
	write := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			if _, werr := io.WriteString(w, text); werr != nil {
				return werr
			}
			return err
		}
	}
	private := func() {
		t.Helper()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, and others may read it: %v", err, info.Mode())
		}
	}
	if err := WriteFile(path, write("first", nil)); err != nil {
		t.Fatal(err)
	}
	private()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if err := WriteFile(path, write("half", boom)); !errors.Is(err, boom) {
		t.Errorf("the renderer's error became %v", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(link); string(got) != "first" {
		t.Errorf("a failed write left %q", got)
	}
	if err := WriteFile(link, write("second", nil)); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "second" {
		t.Errorf("through the link came %q", got)
	}
	private()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	for bad, want := range map[string]error{filepath.Join(dir, "no", "file"): os.ErrNotExist, dir: nil} {
		err := WriteFile(bad, write("x", nil))
		if err == nil || want != nil && !errors.Is(err, want) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestTextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]rune("ab .日ü\u0301\x1b\u202e_-"))
		a := rapid.StringOfN(letters, 0, 300, -1).Draw(t, "a")
		b := rapid.StringOfN(letters, 0, 300, -1).Draw(t, "b")
		common := rapid.StringOfN(letters, 0, 300, -1).Draw(t, "common")
		n := rapid.IntRange(20, 100).Draw(t, "n")
		a, b = visible(common+a), visible(common+b)
		if strings.ContainsFunc(a, hidden) {
			t.Fatalf("visible left %q", a)
		}
		x, y := shortenPair(a, b, n)
		for _, s := range []string{x, y, shorten(a, n)} {
			if width(s) > n || !utf8.ValidString(s) {
				t.Fatalf("%q has %d cells, want at most %d", s, width(s), n)
			}
		}
		if strings.Join(breakWord(a, n), "") != a {
			t.Fatalf("breakWord changed %q", a)
		}
		for _, l := range append(wrap(a, n), breakWord(a, n)...) {
			if width(l) > n {
				t.Fatalf("a line of %d cells, want at most %d: %q", width(l), n, l)
			}
		}
	})
}

func TestShortenPairKeepsTheDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z ]{30,400}`).Draw(t, "text")
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		n := rapid.IntRange(12, 60).Draw(t, "n")
		for _, other := range []string{text[:at] + "#" + text[at+1:], text[:at] + text[at+1:], text[:at]} {
			if x, y := shortenPair(text, other, n); x == y && text != other {
				t.Fatalf("%q for both %q and %q", x, text, other)
			}
		}
	})
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", 9_999_999: "9,999,999", 10_000_000: "10.0 M", 99_949_999: "99.9 M",
		99_950_000: "100 M", 700_000_000: "700 M", 1_254_329_330: "1,254 M", -1500: "-1,500",
	} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %q, want %q", n, got, want)
		}
	}
	for seconds, want := range map[float64]string{
		0: "0.00 s", 0.412: "0.41 s", 14.2: "14.2 s", 59.999: "60.0 s", 192: "3 min 12 s", 3599.6: "60 min 00 s", 7500: "2 h 05 min",
	} {
		if got := duration(seconds); got != want {
			t.Errorf("duration(%v) = %q, want %q", seconds, got, want)
		}
	}
}
