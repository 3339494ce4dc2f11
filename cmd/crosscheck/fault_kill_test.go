package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"crosscheck/fixtures"
)

// readNext is how many rows a server has read in key order since it started.
func readNext(t testing.TB, s *fixtures.Server) int64 {
	t.Helper()
	var name string
	var n int64
	if err := s.DB().QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Handler_read_next'").Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestKilledAgainAndAgain(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaPair, mysqlPair} {
		t.Run(spec.Name, func(t *testing.T) {
			set := pool.get(t, spec)
			specs := fill(t, set, "killed", faultRows, faultTables...)
			faults := plant(t, set, specs)
			args := []string{"--table", "killed.*", "--max-differences", "100"}
			want := check(t, set, exitDifferent, args...)
			demandFaults(t, want, faults)

			state := t.TempDir()
			args = append(args, "--state", state, "--resume")
			_, free := hold(t, set.Old, "killed.d") // no attempt can come to its end
			kills := 0
			for kills < 12 {
				p := startCheck(t, set, append(args, "--max-rows-per-second", "3000")...)
				if kills%3 == 2 { // however slow the machine is, something gets proven
					had := readProven(t, state).chunks
					until(t, patience, "a further chunk is proven, or all but the last table's", func() bool {
						now := readProven(t, state)
						return now.chunks > had || now.rows >= 3*faultRows
					})
				} else {
					select {
					case <-p.done:
					case <-time.After(time.Duration(20+rand.IntN(400)) * time.Millisecond):
					}
				}
				_ = p.cmd.Process.Kill() // it may just have ended
				if code := p.wait(patience); code >= 0 {
					t.Fatalf("it ended with %d before it was killed often enough\n%s", code, p.stderr.String())
				}
				kills++
			}
			free()
			// Where old stands when the last process begins is not through where the first one's rows are proven.
			if _, err := set.Old.DB().ExecContext(t.Context(), "CREATE DATABASE killed_later"); err != nil {
				t.Fatal(err)
			}
			before, old, new := readProven(t, state), readNext(t, set.Old), readNext(t, set.New)
			p := startCheck(t, set, args...)
			got := p.document(exitDifferent)
			if numbers(got) != numbers(want) {
				t.Errorf("after %d kills:\n%s\nundisturbed:\n%s", kills, numbers(got), numbers(want))
			}
			demandFaults(t, got, faults)
			t.Logf("killed %d times; resumed with %d chunks, %d rows", kills, before.chunks, before.rows)
			if before.rows == 0 {
				t.Fatal("nothing was proven before the last attempt: the test proves nothing")
			}
			if before.began == "" || got.Nodes[0].Position != before.began {
				t.Errorf("a run that began at %s says it is proven as of %s", before.began, got.Nodes[0].Position)
			}
			if got.Totals.ResumedChunks != before.chunks || !strings.Contains(p.stderr.String(), fmt.Sprintf("trusting %d proven chunks", before.chunks)) {
				t.Errorf("%d chunks resumed, %d were proven\n%s", got.Totals.ResumedChunks, before.chunks, p.stderr.String())
			}
			// A little is read besides: the server's own tables, and differing rows by key.
			left := got.Totals.RowsOld - before.rows
			for side, n := range map[string]int64{"old": readNext(t, set.Old) - old, "new": readNext(t, set.New) - new} {
				if n > left+left/4+2000 {
					t.Errorf("%s: %d rows were read to prove the %d that were left", side, n, left)
				}
			}
		})
	}
}
