package main

import (
	"strings"
	"testing"

	"crosscheck/fixtures"
)

func TestServerGoneForTooLong(t *testing.T) {
	for _, side := range []fixtures.Side{fixtures.Old, fixtures.New} {
		t.Run(string(side), func(t *testing.T) {
			set := restartable(t, fixtures.MariaDB)
			specs := fill(t, set, "gone", faultRows, faultTables...)
			faults := plant(t, set, specs)
			unlogged(t, set.New, "DELETE FROM gone.d WHERE id = 4")
			faults = append(faults, fixtures.Fault{Table: "gone.d", Effect: "missing", Keys: []int64{4}})
			state := t.TempDir()
			args := []string{"--table", "gone.*", "--state", state, "--max-differences", "100"}
			hold(t, set.Server(side), "gone.c") // the run cannot end before its server does
			p := startCheck(t, set, append(args, "--retry-for", "500ms")...)
			until(t, patience, "a difference is proven", func() bool { return readProven(t, state).missing > 0 })
			if err := set.Server(side).Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if code := p.wait(patience); code != exitFailed {
				t.Errorf("exit code %d\n%s", code, p.stderr.String())
			}
			if line := p.oneLineError(); !strings.Contains(line, string(side)+" (") || !strings.Contains(line, "gave up after 500ms") {
				t.Errorf("it says %s", line)
			}
			if p.stdout.String() != "" {
				t.Errorf("stdout has %s", p.stdout.String())
			}
			if err := set.Server(side).Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := readProven(t, state)
			d := check(t, set, exitDifferent, append(args, "--resume")...)
			demandFaults(t, d, faults)
			if d.Totals.ResumedChunks != before.chunks || before.chunks == 0 {
				t.Errorf("%d of %d proven chunks were taken over", d.Totals.ResumedChunks, before.chunks)
			}
		})
	}
}
