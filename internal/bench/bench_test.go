package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"crosscheck/fixtures"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == launcherArg {
		os.Exit(launcher(context.Background(), os.Args[2:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestSmallBenchmark runs all of it on real servers, with few rows: the figures mean nothing, but each is there.
func TestSmallBenchmark(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	o := options{rows: 3000, secondRows: 500, reps: 1, only: "check", families: []fixtures.Family{fixtures.MariaDB}}
	missingPT := false
	rep, err := benchmark(ctx, o, func(line string) {
		t.Log(line)
		missingPT = missingPT || strings.Contains(line, "percona-toolkit is not available")
	})
	var un *fixtures.UnavailableError
	if errors.As(err, &un) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if missingPT && os.Getenv("CI") == "true" {
		t.Error("pt-table-checksum was not measured")
	}
	f := rep.Families[0]
	for _, name := range []string{checkWall, checksumWall, checkCPU, checkClientCPU, checkRSS, secondRSS, firstChunk} {
		if s := f.measure(name); len(s.Values) != 1 || s.Median <= 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := f.measure(ptWall); !missingPT && (len(s.Values) != 1 || s.Median <= 0) {
		t.Errorf("%s: %+v", ptWall, s)
	}
	var out bytes.Buffer
	if err := rep.writeJSON(&out); err != nil || !strings.Contains(out.String(), `"wall_vs_checksum_table"`) {
		t.Errorf("JSON: %v\n%s", err, out.String())
	}
}

// TestWrongAnswerIsNoMeasurement plants a difference: a quick check that overlooks rows would look good here.
func TestWrongAnswerIsNoMeasurement(t *testing.T) {
	set := fixtures.ForTest(t, fixtures.Spec{})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	p := &pair{
		set: set, work: t.TempDir(), o: options{rows: 1000, secondRows: 100, binary: t.TempDir() + "/crosscheck"}, say: func(l string) { t.Log(l) },
		table: fixtures.TableSpec{Kind: fixtures.Orders, Table: "orders", Unlogged: true},
		small: fixtures.TableSpec{Kind: fixtures.Orders, Table: "second", Unlogged: true},
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", p.o.binary, "crosscheck/cmd/crosscheck").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := p.fill(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := p.check(ctx, p.table, 1000); err != nil {
		t.Errorf("equal tables: %v", err)
	}
	if _, err := p.check(ctx, p.table, 1001); err == nil {
		t.Error("a row too few was taken for an answer")
	}
	if _, err := set.New.DB().ExecContext(ctx, "UPDATE shop.orders SET note = 'x' WHERE id = 500"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.check(ctx, p.table, 1000); err == nil || !strings.Contains(err.Error(), "different") {
		t.Errorf("check of different tables: %v", err)
	}
	if _, err := p.checksumTables(ctx); err == nil {
		t.Error("CHECKSUM TABLE of different tables gave no error")
	}
}

// TestLaunchDoesNotCountOurMemory holds memory that a program started from here directly would have counted as its own.
func TestLaunchDoesNotCountOurMemory(t *testing.T) {
	ballast := bytes.Repeat([]byte{1}, 512<<20)
	l, err := launch(context.Background(), "/bin/sh", []string{"-c", "echo out; echo err >&2; exit 7"})
	if err != nil {
		t.Fatal(err)
	}
	if l.Exit != 7 || l.Stdout != "out\n" || l.Stderr != "err\n" || l.Wall <= 0 {
		t.Errorf("launched: %+v", l)
	}
	if l.MaxRSS <= 0 || l.MaxRSS > int64(len(ballast))/2 {
		t.Errorf("peak memory of a shell: %d bytes", l.MaxRSS)
	}
}

func TestLaunchSaysWhatCannotRun(t *testing.T) {
	if _, err := launch(context.Background(), "/no/such/program", nil); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("error: %v", err)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.in, got, c.want)
		}
	}
}

func TestParseStat(t *testing.T) {
	// The name holds what looks like the end of a name.
	got, err := parseStat([]byte("42 (my) sql) S 1 42 42 0 -1 4194560 5 0 0 0 150 25 0 0 20 0 40 0 100 1 2 3\n"))
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("got %s, %v", got, err)
	}
	for _, bad := range []string{"", "42 (x) S 1 2", "42 (x) S 1 42 42 0 -1 4194560 5 0 0 0 a b 0"} {
		if _, err = parseStat([]byte(bad)); err == nil {
			t.Errorf("%q gave no error", bad)
		}
	}
	begin, err := processCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	x, end := 0.5, begin
	for t0 := time.Now(); err == nil && end == begin && time.Since(t0) < time.Minute; { // work, not time, must show
		for range 10_000_000 {
			x = math.Sqrt(x + 1)
		}
		end, err = processCPU(os.Getpid())
	}
	if err != nil || end <= begin {
		t.Errorf("work took no processor time: %s to %s, %v (%v)", begin, end, err, x)
	}
}

func TestGoals(t *testing.T) {
	one := func(name string, v float64) series {
		return newSeries(name, []usage{{}}, func(usage) float64 { return v })
	}
	r := familyReport{Measures: []series{
		one(checkWall, 3), one(checksumWall, 2.1), one(ptWall, 5), one(checkCPU, 4), one(checksumCPU, 2), one(checkRSS, 65), one(secondRSS, 60),
		newSeries(firstChunk, []usage{{}, {}, {}}, func() func(usage) float64 {
			n := 0.0
			return func(usage) float64 { n += 0.4; return n } // the last one is too late
		}()),
	}}
	for family, want := range map[fixtures.Family]map[string]bool{
		fixtures.MySQL: {
			"wall_vs_checksum_table": true, "wall_vs_pt": false, "cpu_vs_checksum_table": false, "peak_rss": false,
			"peak_rss_second": true, "first_chunk": false,
		},
		fixtures.MariaDB: {"wall_vs_checksum_table": true, "cpu_vs_checksum_table": true},
	} {
		got := map[string]bool{}
		for _, g := range goals(family, r) {
			got[g.Name] = g.Met
		}
		for name, met := range want {
			if v, ok := got[name]; !ok || v != met {
				t.Errorf("%s %s: met %v (known %v), want %v", family, name, v, ok, met)
			}
		}
	}
}

// TestCopiesGoals has each figure of the copies once within its limit and once beyond it; the own processor time of a
// further copy is against the pair's run of the same turn.
func TestCopiesGoals(t *testing.T) {
	run := func(old, each, own time.Duration, sent, rss int64) usage {
		u := usage{clientCPU: own, oldSent: sent << 20, maxRSS: rss << 20, nodeCPU: map[fixtures.Side]time.Duration{fixtures.Old: old}}
		for _, side := range comparedCopies() {
			u.nodeCPU[side] = each
		}
		return u
	}
	const s = time.Second
	plain := []usage{run(10*s, 10*s, 10*s, 100, 50), run(10*s, 10*s, 20*s, 100, 50), run(10*s, 10*s, 10*s, 100, 50)}
	for _, c := range []struct {
		copies []usage
		met    bool
	}{
		{[]usage{run(11*s, 11*s, 18*s, 110, 96), run(11*s, 11*s, 28*s, 110, 96), run(11*s, 11*s, 18*s, 110, 96)}, true},
		{[]usage{run(12*s, 12*s, 20*s, 112, 50), run(12*s, 12*s, 30*s, 112, 97), run(12*s, 12*s, 20*s, 112, 50)}, false},
	} {
		got := goals(fixtures.MySQL, familyReport{Measures: copiesMeasures(plain, c.copies)})
		if len(got) != 7 {
			t.Errorf("%d goals: %+v", len(got), got)
		}
		for _, g := range got {
			if g.Met != c.met {
				t.Errorf("met %v, want %v: %+v", g.Met, c.met, g)
			}
		}
	}
}

func TestTableMarksMissedGoals(t *testing.T) {
	r := report{LoadBefore: 3, Families: []familyReport{{Family: "mysql", Goals: []goal{
		judge(goal{What: "one", Value: 2, Limit: 1}), judge(goal{What: "two", Value: 1, Limit: 2, Unit: "s"}), judge(goal{What: "three", Value: 1}),
	}}}}
	var out bytes.Buffer
	if err := r.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		switch f := strings.Fields(line); {
		case len(f) == 0:
		case f[0] == "one" && f[len(f)-1] != "MISSED", f[0] == "two" && f[len(f)-1] != "met", f[0] == "three" && f[len(f)-1] != "-":
			t.Errorf("wrong mark: %s", line)
		}
	}
	if !strings.Contains(out.String(), "not quiet") || strings.Count(out.String(), "MISSED") != 1 {
		t.Errorf("table:\n%s", out.String())
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"--rows", "8000", "--families", "mariadb, mysql56", "--", "--workers", "4"}, io.Discard)
	if err != nil || o.secondRows != 2000 || len(o.families) != 2 || strings.Join(o.checkArgs, " ") != "--workers 4" {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, bad := range [][]string{{"--families", "oracle"}, {"--rows", "5"}, {"--reps", "0"}, {"--only", "all"}, {"--no-such-flag"}} {
		if code := run(context.Background(), bad, io.Discard, io.Discard); code != exitUsage {
			t.Errorf("%v: exit code %d", bad, code)
		}
	}
}

func TestJSONHasNoInfinities(t *testing.T) {
	r := familyReport{Measures: []series{newSeries(checkWall, []usage{{wall: 1}}, func(usage) float64 { return 1 }), newSeries(checksumWall, []usage{{}}, func(usage) float64 { return 0 })}}
	if _, err := json.Marshal(goals(fixtures.MySQL, r)); err != nil {
		t.Errorf("a ratio to nothing: %v", err)
	}
}
