package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"crosscheck/checksum"
	"crosscheck/fixtures"
	"crosscheck/report"
)

// faultTables are the tables of the tests that disturb a run; all but the last have differences on new.
var faultTables = []string{"a", "b", "c", "d"}

const faultRows = 6_000

// plant tampers with new in all but the last of the tables.
func plant(t testing.TB, set *fixtures.Set, specs []fixtures.TableSpec) []fixtures.Fault {
	t.Helper()
	kinds := fixtures.FaultKinds()
	var all []fixtures.Fault
	for i, spec := range specs[:len(specs)-1] {
		faults, err := fixtures.Plant(t.Context(), set.New.DB(), spec, uint64(i), kinds[i*4:min(len(kinds), i*4+4)]...)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, faults...)
	}
	return all
}

// demandFaults demands that a document lists exactly the planted rows.
func demandFaults(t testing.TB, d report.CheckDocument, faults []fixtures.Fault) {
	t.Helper()
	want := make(map[string]bool)
	for _, f := range faults {
		for _, k := range f.Keys {
			want[fmt.Sprintf("%s %s %d", f.Table, f.Effect, k)] = true
		}
	}
	for _, table := range d.Tables {
		if table.Undecided > 0 {
			t.Errorf("%s: %d rows undecided: %s", table.Table, table.Undecided, table.Reason)
		}
		for _, diff := range table.Differences {
			row := fmt.Sprintf("%s %s %s", table.Table, diff.Kind, *diff.Key[0].Text)
			if !want[row] {
				t.Errorf("reported but not planted: %s (%s, %v)", row, diff.Proof, diff.Columns)
			}
			delete(want, row)
		}
	}
	for row := range want {
		t.Errorf("planted but not found: %s", row)
	}
}

// numbers are the parts of a document that must not depend on how often the run was disturbed.
func numbers(d report.CheckDocument) string {
	var b strings.Builder
	for _, t := range d.Tables {
		fmt.Fprintf(&b, "%s %s: %d/%d rows, %d missing, %d extra, %d changed, %d undecided\n",
			t.Table, t.Verdict, t.RowsOld, t.RowsNew, t.Missing, t.Extra, t.Changed, t.Undecided)
	}
	return fmt.Sprintf("%s\n%s", d.Verdict, &b)
}

// underWay waits until a run has proven something and is not at its end.
func underWay(t testing.TB, p *process, state string) {
	t.Helper()
	until(t, patience, "a chunk is proven", func() bool {
		select {
		case <-p.done:
			t.Fatalf("it ended too early\nstdout: %s\nstderr: %s", p.stdout.String(), p.stderr.String())
		default:
		}
		return readProven(t, state).chunks > 0
	})
}

func TestServerRestarts(t *testing.T) {
	for _, family := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(family), func(t *testing.T) {
			set := restartable(t, family)
			specs := fill(t, set, "restarted", faultRows, faultTables...)
			faults := plant(t, set, specs)
			way := map[fixtures.Family]string{fixtures.MariaDB: "restart", fixtures.MySQL: "kill"}[family]
			for _, side := range []fixtures.Side{fixtures.Old, fixtures.New} {
				t.Run(string(side)+" "+way, func(t *testing.T) {
					state := t.TempDir()
					hold(t, set.Server(side), "restarted.d") // the run cannot end before its server is restarted
					p := startCheck(t, set, "--table", "restarted.*", "--state", state, "--max-differences", "100", "--max-rows-per-second", "9000")
					underWay(t, p, state)
					if way == "kill" {
						if err := set.Server(side).Kill(); err != nil {
							t.Fatal(err)
						}
					}
					if err := set.Server(side).Restart(t.Context()); err != nil {
						t.Fatal(err)
					}
					d := p.document(exitDifferent)
					demandFaults(t, d, faults)
					if !strings.Contains(p.stderr.String(), "lost the server") {
						t.Errorf("nothing says that the server was lost:\n%s", p.stderr.String())
					}
					if d.Totals.RowsOld != faultRows*int64(len(faultTables)) {
						t.Errorf("%d rows of old were compared", d.Totals.RowsOld)
					}
				})
			}
		})
	}
}

// promptly is how soon an interrupt ends a run: before any of the limits by which it waits for servers, of which the
// shortest is 10 s. Undisturbed it takes far less.
const promptly = 8 * time.Second

func TestInterrupted(t *testing.T) {
	set := pool.get(t, mariaPair)
	fill(t, set, "interrupted", faultRows, faultTables...)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			state := t.TempDir()
			args := []string{"--table", "interrupted.*", "--state", state}
			p := startCheck(t, set, append(args, "--max-rows-per-second", "500")...) // all of it would take most of a minute
			underWay(t, p, state)
			_ = p.cmd.Process.Signal(sig)
			var d report.CheckDocument
			if took := timed(func() { d = p.document(exitUndecided) }); took > promptly {
				t.Errorf("it took %s to end", took)
			}
			if d.Verdict != checksum.Undecided || !d.Interrupted || d.Totals.RowsOld == 0 || d.Totals.RowsOld >= 4*faultRows {
				t.Errorf("verdict %s, interrupted %v, %d rows", d.Verdict, d.Interrupted, d.Totals.RowsOld)
			}
			before := readProven(t, state)
			whole := check(t, set, exitSame, append(args, "--resume")...)
			if whole.Totals.RowsOld != 4*faultRows || whole.Totals.ResumedChunks != before.chunks || before.chunks == 0 {
				t.Errorf("resumed: %d rows, %d of %d chunks taken over", whole.Totals.RowsOld, whole.Totals.ResumedChunks, before.chunks)
			}
		})
	}
}

// TestInterruptedWithDifferences: a difference is shown, but the exit code says that the run is not whole.
func TestInterruptedWithDifferences(t *testing.T) {
	set := pool.get(t, mariaPair)
	specs := fill(t, set, "interdiff", faultRows, faultTables...)
	unlogged(t, set.New, "DELETE FROM interdiff.a WHERE id < 200")
	state := t.TempDir()
	args := []string{"--table", "interdiff.*", "--state", state, "--max-differences", "1000"}
	_, free := hold(t, set.Old, "interdiff.d") // the run cannot come to its end
	p := startCheck(t, set, args...)
	until(t, patience, "a difference is proven", func() bool { return readProven(t, state).missing > 0 })
	_ = p.cmd.Process.Signal(os.Interrupt)
	d := p.document(exitUndecided)
	if d.Verdict != checksum.Different || !d.Interrupted || d.Totals.Missing != 174 {
		t.Errorf("verdict %s, interrupted %v, %d missing", d.Verdict, d.Interrupted, d.Totals.Missing)
	}
	free()
	whole := check(t, set, exitDifferent, append(args, "--resume")...)
	if whole.Totals.Missing != 174 || whole.Totals.RowsOld != faultRows*int64(len(specs)) {
		t.Errorf("resumed: %d missing of %d rows", whole.Totals.Missing, whole.Totals.RowsOld)
	}
}

// TestInterruptedWhileServerHangs: nothing of a frozen server may delay the end.
func TestInterruptedWhileServerHangs(t *testing.T) {
	set := pool.get(t, mariaPair)
	specs := fill(t, set, "frozen", faultRows, faultTables...)
	plant(t, set, specs)
	for _, side := range []fixtures.Side{fixtures.Old, fixtures.New} {
		for _, moment := range []string{"during the run", "while connecting"} {
			t.Run(string(side)+" "+moment, func(t *testing.T) {
				s := set.Server(side)
				state := t.TempDir()
				begin := func() *process {
					return startCheck(t, set, "--table", "frozen.*", "--state", state, "--max-rows-per-second", "500")
				}
				var p *process
				if moment == "during the run" {
					p = begin()
					underWay(t, p, state)
				}
				if err := s.Pause(); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := s.Resume(); err != nil {
						t.Error(err)
					}
				}()
				if p == nil {
					p = begin()
					until(t, patience, "it connects", func() bool { return connected(t, p.cmd.Process.Pid, s.Port()) })
				}
				time.Sleep(200 * time.Millisecond) // long enough to be stuck somewhere; where does not matter
				_ = p.cmd.Process.Signal(os.Interrupt)
				code := 0
				if took := timed(func() { code = p.wait(patience) }); took > promptly {
					t.Errorf("it took %s to end", took)
				}
				if code != exitUndecided {
					t.Errorf("exit code %d\n%s", code, p.stderr.String())
				}
			})
		}
	}
}

func TestStateIsLocked(t *testing.T) {
	set := pool.get(t, mariaPair)
	fill(t, set, "locked", faultRows)
	state := t.TempDir()
	p := startCheck(t, set, "--table", "locked.*", "--state", state, "--max-rows-per-second", "50") // all of it would take two minutes
	underWay(t, p, state)
	for _, args := range [][]string{
		{"check", "--old", "@old", "--new", "@new", "--table", "locked.*", "--state", state},
		{"repair", "--state", state},
		{"report", "--state", state},
	} {
		second := start(t, set, args...)
		if code := second.wait(patience); code != exitFailed {
			t.Errorf("%s: exit code %d", args[0], code)
		}
		if line := second.oneLineError(); !regexp.MustCompile(fmt.Sprintf(`process %d is using it`, p.cmd.Process.Pid)).MatchString(line) {
			t.Errorf("%s says %s", args[0], line)
		}
	}
	_ = p.cmd.Process.Signal(os.Interrupt)
	p.wait(patience)
}

// TestServerRestartsWhileRowsAreSettled: the fence and the rechecks survive a restart as reading does.
func TestServerRestartsWhileRowsAreSettled(t *testing.T) {
	for _, family := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		set := restartable(t, family)
		specs := fill(t, set, "settled", 2000, "a", "b")
		faults, err := fixtures.Plant(t.Context(), set.New.DB(), specs[0], 1, fixtures.FaultKinds()...)
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range []fixtures.Side{fixtures.Old, fixtures.New} {
			for _, after := range []time.Duration{50, 250} {
				t.Run(fmt.Sprintf("%s %s %d ms", family, side, after), func(t *testing.T) {
					p := startCheck(t, set, "--table", "settled.*", "--max-differences", "100")
					until(t, patience, "a table is begun", func() bool { return strings.Contains(p.stderr.String(), "started") })
					select {
					case <-p.done:
					case <-time.After(after * time.Millisecond): // the moments differ; none may matter
					}
					if err := set.Server(side).Kill(); err != nil {
						t.Fatal(err)
					}
					if err := set.Server(side).Restart(t.Context()); err != nil {
						t.Fatal(err)
					}
					demandFaults(t, p.document(exitDifferent), faults)
				})
			}
		}
	}
}
