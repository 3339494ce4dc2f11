package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crosscheck/conflict/watch"
	"crosscheck/fixtures"
	"crosscheck/report"
)

// copiesSummary is the part of a watch's summary that is looked at here.
type copiesSummary struct {
	Verdict   string             `json:"verdict"`
	Statement string             `json:"statement"`
	Copies    []report.WatchCopy `json:"copies"`
}

// watchCopies: a watch that builds on a check of all copies says of each, by its own log, whether it holds what its side wrote;
// what one replica lacks, has of its own or held otherwise is named there, and a check finds the same rows.
func watchCopies(t *testing.T, set *fixtures.Set, database string) {
	t.Helper()
	new1, new2, old1 := set.Server(copiesOfClusters[1]), set.Server(copiesOfClusters[2]), set.Server(copiesOfClusters[3])
	state := filepath.Join(t.TempDir(), "copies")
	args := []string{
		"--table", database + ".*", "--state", state, "--old", "@old", "--new", "@new", "--old-replica", "@old-1", "--new-replica", "@new-1", "--new-replica", "@new-2",
	}
	run := func(want ...string) copiesSummary {
		t.Helper()
		// All was written before: the watch ends when both logs and those of the copies were read.
		p := start(t, set, append([]string{"watch", "--for", "1ms", "--settle-for", "2m", "--format", "json"}, args...)...)
		p.wait(patience)
		lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
		var d copiesSummary
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &d); err != nil {
			t.Fatalf("%v\n%s", err, p.stderr.String())
		}
		var got []string
		for i := range d.Copies {
			c := &d.Copies[i]
			line := fmt.Sprintf("%s %s %d", c.Node, c.State, c.Verified)
			for _, x := range c.Doubts {
				key := ""
				for _, k := range x.Key {
					key += " " + k.Column + "=" + *k.Text
				}
				line += fmt.Sprintf(", %s%s %s", strings.TrimPrefix(x.Table, database+"."), key, x.What)
			}
			got = append(got, line)
		}
		if !slices.Equal(got, want) {
			t.Errorf("copies\n%s\nwant\n%s\nin %s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), d.Statement, p.stderr.String())
		}
		return d
	}
	write := func(from, to int) {
		for id := from; id < to; id++ {
			exec1(t, set.Old, fmt.Sprintf("INSERT INTO %s.plain VALUES (%d,'é')", database, id), fmt.Sprintf("UPDATE %s.plain SET v=CONCAT(v,'x') WHERE id=%d", database, id))
		}
	}
	check(t, set, exitSame, append([]string{"--quiet"}, args...)...)
	write(200, 210)
	caughtUp(t, set)
	d := run("old-1 verified 20", "new-1 verified 20", "new-2 verified 20")
	if want := "rows of 5 copies verified"; !strings.Contains(d.Statement, want) {
		t.Errorf("%q does not say %q", d.Statement, want)
	}

	// One has a row deleted, one skips a change, one held other bytes before.
	exec1(t, new2, "DELETE FROM "+database+".plain WHERE id=8")
	unlogged(t, old1, "UPDATE "+database+".plain SET v='other' WHERE id IN (7,9)")
	filterTable(t, new1, "'"+database+".unique%'")
	exec1(t, set.Old, "UPDATE "+database+".unique_ SET u=77 WHERE id=3", "UPDATE "+database+".plain SET v='w' WHERE id IN (6,7,9)")
	caughtUp(t, set)
	filterTable(t, new1, "")
	unlogged(t, old1, "UPDATE "+database+".plain SET v='other' WHERE id=9") // or it would be mended
	write(210, 212)
	caughtUp(t, set)
	d = run("old-1 doubted 26, plain id=7 differs, plain id=9 differs", "new-1 doubted 27, unique_ id=3 missing", "new-2 doubted 28, plain id=8 extra")
	if want := "rows of 2 copies verified"; d.Verdict != watch.Undecided.String() || !strings.Contains(d.Statement, want) {
		t.Errorf("%s: %q does not say %q", d.Verdict, d.Statement, want)
	}
	// A change that arrives as it was made shows that the row is equal again.
	exec1(t, set.Old, "UPDATE "+database+".plain SET v='again' WHERE id=7")
	caughtUp(t, set)
	run("old-1 doubted 27, plain id=9 differs", "new-1 doubted 28, unique_ id=3 missing", "new-2 doubted 29, plain id=8 extra")

	found := check(t, set, exitDifferent, append([]string{"--quiet"}, args...)...)
	var got []string
	for i := range found.Tables {
		for _, c := range found.Tables[i].Copies {
			if n := c.Missing + c.Extra + c.Changed; n > 0 {
				got = append(got, fmt.Sprintf("%s %s %d", strings.TrimPrefix(found.Tables[i].Table, database+"."), c.Node, n))
			}
		}
	}
	slices.Sort(got)
	if want := []string{"plain new-2 1", "plain old-1 1", "unique_ new-1 1"}; !slices.Equal(got, want) {
		t.Errorf("the check finds %v, want %v", got, want)
	}
}
