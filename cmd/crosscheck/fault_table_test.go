package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"crosscheck/checksum"
	"crosscheck/fixtures"
	"crosscheck/report"
)

// tableOf finds a table's part of a document.
func tableOf(t testing.TB, d report.CheckDocument, name string) report.Table {
	t.Helper()
	for _, table := range d.Tables {
		if table.Table == name {
			return table
		}
	}
	t.Fatalf("the document has no table %s", name)
	return report.Table{}
}

// halfway starts a run that is kept in the middle of a table: chunks are proven, and the next one of the table waits until
// free is called. conn, of old, can use the table.
func halfway(t testing.TB, set *fixtures.Set, table string, args ...string) (p *process, conn *sql.Conn, free func()) {
	t.Helper()
	for rate := 3000; rate > 10; rate /= 3 {
		state := t.TempDir()
		p = startCheck(t, set, append(args, "--state", state, "--max-rows-per-second", strconv.Itoa(rate))...)
		ended := func() bool {
			select {
			case <-p.done:
				return true
			default:
				return false
			}
		}
		until(t, patience, "a chunk is proven", func() bool { return ended() || readProven(t, state).chunks > 0 })
		conn, free = hold(t, set.Old, table)
		until(t, patience, "the run waits for the table", func() bool { return ended() || kept(t, set.Old, table) })
		if !ended() {
			return p, conn, free
		}
		free()
		p.document(exitSame) // it was through before the table was held: once more, and slower
	}
	t.Fatal("no run was caught halfway")
	return nil, nil, nil
}

// TestTableChangesUnderway: what happens to one table ends neither the run nor the others' verdicts.
func TestTableChangesUnderway(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaPair, mysqlPair} {
		for _, c := range []struct {
			name, statement string
			verdict         checksum.Verdict
			reason          string // a part of it
		}{
			{"dropped", "DROP TABLE changing.a", checksum.Undecided, "changing.a"},
			{"column dropped", "ALTER TABLE changing.a DROP COLUMN note", checksum.Undecided, "note"},
			{"column added", "ALTER TABLE changing.a ADD COLUMN more INT NOT NULL DEFAULT 5", checksum.Undecided, "its definition changed on "},
			{"renamed", "ALTER TABLE changing.a RENAME TO changing.z", checksum.Undecided, "changing.a"},
		} {
			if spec.Name == mysqlPair.Name && c.verdict == checksum.Undecided && c.name != "dropped" {
				continue // the servers do not differ in these
			}
			t.Run(spec.Name+" "+c.name, func(t *testing.T) {
				set := pool.get(t, spec)
				fill(t, set, "changing", 6000, "a", "b")
				p, conn, free := halfway(t, set, "changing.a", "--table", "changing.*")
				if _, err := conn.ExecContext(t.Context(), c.statement); err != nil {
					t.Fatal(err)
				}
				free()
				caughtUp(t, set)
				d := p.document(map[checksum.Verdict]int{checksum.Undecided: exitUndecided, checksum.Same: exitSame}[c.verdict])
				if b := tableOf(t, d, "changing.b"); b.Verdict != checksum.Same || b.RowsOld != 6000 {
					t.Errorf("the other table is %s: %s", b.Verdict, b.Reason)
				}
				a := tableOf(t, d, "changing.a")
				if a.Verdict != c.verdict || !strings.Contains(a.Reason, c.reason) || a.Missing+a.Extra+a.Changed > 0 {
					t.Errorf("the table is %s: %s (%d missing, %d extra, %d changed)", a.Verdict, a.Reason, a.Missing, a.Extra, a.Changed)
				}
			})
		}
	}
}

// TestDefinitionsInFlight: what old's definitions have and new's lack differs only once replication is known to have
// brought it, had there been any.
func TestDefinitionsInFlight(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaPair, mysqlPair} {
		t.Run(spec.Name, func(t *testing.T) {
			set := pool.get(t, spec)
			fill(t, set, "arriving", 100, "altered", "dropped", "plain")
			if err := set.StopReplication(t.Context(), fixtures.New); err != nil {
				t.Fatal(err)
			}
			exec1(t, set.Old, "ALTER TABLE arriving.altered ADD COLUMN more INT", "DROP TABLE arriving.dropped",
				"CREATE TABLE arriving.made (id INT NOT NULL PRIMARY KEY)", "INSERT INTO arriving.made VALUES (1)")
			args := []string{"--table", "arriving.*"}
			d := check(t, set, exitUndecided, args...)
			for name, reason := range map[string]string{
				"altered": "new lacks column more, but", "dropped": "table is missing on old, but", "made": "table is missing on new, but",
			} {
				r := tableOf(t, d, "arriving."+name)
				if r.Verdict != checksum.Undecided || !strings.Contains(r.Reason, reason) || r.Missing+r.Extra+r.Changed > 0 {
					t.Errorf("%s is %s: %s (%d missing, %d extra)", name, r.Verdict, r.Reason, r.Missing, r.Extra)
				}
			}
			if r := tableOf(t, d, "arriving.plain"); r.Verdict != checksum.Same {
				t.Errorf("plain is %s: %s", r.Verdict, r.Reason)
			}
			if err := set.StartReplication(t.Context(), fixtures.New); err != nil {
				t.Fatal(err)
			}
			caughtUp(t, set)
			check(t, set, exitSame, args...)
			unlogged(t, set.New, "ALTER TABLE arriving.altered DROP COLUMN more", "DROP TABLE arriving.made")
			d = check(t, set, exitDifferent, args...)
			for _, name := range []string{"altered", "made"} {
				if r := tableOf(t, d, "arriving."+name); r.Verdict != checksum.Different {
					t.Errorf("%s is %s: %s", name, r.Verdict, r.Reason)
				}
			}
		})
	}
}

// TestTableGrows: rows that are appended all the time keep a run neither from its end nor from its verdict.
func TestTableGrows(t *testing.T) {
	for _, spec := range []fixtures.Spec{mariaPair, mysqlPair} {
		t.Run(spec.Name, func(t *testing.T) {
			set := pool.get(t, spec)
			specs := fill(t, set, "growing", 5000)
			load, err := fixtures.Load{Workers: 3, Tables: specs, Kinds: []fixtures.WriteKind{fixtures.Insert}}.Start(context.Background(), set.Old.DB())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := load.Stop().Err(); err != nil {
					t.Error(err)
				}
				caughtUp(t, set)
			}()
			for range 2 {
				d := check(t, set, exitSame, "--table", "growing.*")
				t.Logf("%d rows, %d in flight, %.1f s", d.Totals.RowsOld, d.Totals.InFlight, d.ElapsedSeconds)
			}
		})
	}
}

// TestStateDiskFull: a full disk under the state is one line, and what was proven before goes on counting.
func TestStateDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("crosscheck-test", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skip("a small disk of its own needs root:", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	set := pool.get(t, mariaPair)
	fill(t, set, "diskfull", 4000)
	state := filepath.Join(dir, "state")
	args := []string{"--table", "diskfull.*", "--state", state}
	p := startCheck(t, set, append(args, "--max-rows-per-second", "200")...) // far from its end when the disk is filled
	underWay(t, p, state)
	ballast := filepath.Join(dir, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 1<<20), 0o600) // it takes what is left
	if code := p.wait(patience); code != exitFailed {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
	if line := p.oneLineError(); !strings.Contains(line, "no space left") || !strings.Contains(line, state) {
		t.Errorf("it says %s", line)
	}
	// From the start, too.
	p = startCheck(t, set, "--table", "diskfull.*", "--state", filepath.Join(dir, "other"))
	if code := p.wait(patience); code != exitFailed {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
	if line := p.oneLineError(); !strings.Contains(line, "no space left") {
		t.Errorf("it says %s", line)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	before := readProven(t, state)
	d := check(t, set, exitSame, append(args, "--resume")...)
	if d.Totals.RowsOld != 4000 || d.Totals.ResumedChunks != before.chunks || before.chunks == 0 {
		t.Errorf("resumed: %d rows, %d of %d chunks taken over", d.Totals.RowsOld, d.Totals.ResumedChunks, before.chunks)
	}
}

const mebi = 1 << 20

// TestMemory: the memory of a run does not depend on a table's size.
func TestMemory(t *testing.T) {
	set := pool.get(t, mariaPair)
	spec := fixtures.TableSpec{Kind: fixtures.Narrow, Database: "memory", Unlogged: true}
	rows, gone := int64(600_000), int64(40_000) // what is kept per row would show: 100 bytes are 60 MB
	if raceEnabled {
		rows, gone = 100_000, 10_000 // memory is not looked at, only the answers are
	}
	for _, s := range []*fixtures.Server{set.Old, set.New} {
		if err := fixtures.Generate(t.Context(), s.DB(), spec, rows, 1); err != nil {
			t.Fatal(err)
		}
		defer unlogged(t, s, "DROP DATABASE memory")
	}
	p := startCheck(t, set, "--table", "memory.*")
	d := p.document(exitSame)
	t.Logf("%d rows in %.1f s: %d MiB", d.Totals.RowsOld, d.ElapsedSeconds, p.maxRSS()/mebi)
	if d.Totals.RowsOld != rows {
		t.Errorf("%d rows", d.Totals.RowsOld)
	}
	if p.maxRSS() > 64*mebi && !raceEnabled {
		t.Errorf("%d MiB resident", p.maxRSS()/mebi)
	}
	// A long stretch is missing: what differs is kept in bounded lists, too.
	unlogged(t, set.New, fmt.Sprintf("DELETE FROM memory.narrow WHERE id BETWEEN %d AND %d", rows/2+1, rows/2+gone))
	p = startCheck(t, set, "--table", "memory.*")
	d = p.document(exitDifferent)
	t.Logf("%d missing in %.1f s: %d MiB", d.Totals.Missing, d.ElapsedSeconds, p.maxRSS()/mebi)
	if d.Totals.Missing != gone {
		t.Errorf("%d missing", d.Totals.Missing)
	}
	if p.maxRSS() > 256*mebi && !raceEnabled {
		t.Errorf("%d MiB resident", p.maxRSS()/mebi)
	}
}

func TestMemoryOfLargeRows(t *testing.T) {
	set := pool.get(t, mysqlPair)
	size := 20 // MiB of a blob
	if raceEnabled {
		size = 2 // it takes ten times as long to look at each byte, and memory is not looked at
	}
	statements := []string{
		"CREATE DATABASE large", "CREATE TABLE large.seq (n INT PRIMARY KEY)",
		"INSERT INTO large.seq VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
		"CREATE TABLE large.keyed (k VARBINARY(3000) PRIMARY KEY, v INT) ROW_FORMAT=DYNAMIC",
		"INSERT INTO large.keyed SELECT CONCAT(LPAD(a.n*1000+b.n*100+c.n*10+d.n, 10, '0'), REPEAT('x', 2980)), d.n FROM large.seq a, large.seq b, large.seq c, large.seq d WHERE a.n > 4",
		"CREATE TABLE large.blobs (id INT PRIMARY KEY, b LONGBLOB)",
		fmt.Sprintf("INSERT INTO large.blobs SELECT n, REPEAT(CHAR(65+n), %d*1024*1024) FROM large.seq WHERE n>5", size),
	}
	for _, s := range []*fixtures.Server{set.Old, set.New} {
		unlogged(t, s, statements...)
	}
	defer func() {
		for _, s := range []*fixtures.Server{set.Old, set.New} {
			unlogged(t, s, "DROP DATABASE large")
		}
	}()
	for _, table := range []string{"keyed", "blobs"} {
		p := startCheck(t, set, "--table", "large."+table)
		p.document(exitSame)
		t.Logf("%s, the same: %d MiB", table, p.maxRSS()/mebi)
		if p.maxRSS() > 64*mebi && !raceEnabled {
			t.Errorf("%s: %d MiB resident", table, p.maxRSS()/mebi)
		}
	}
	unlogged(t, set.New, "UPDATE large.blobs SET b=CONCAT(LEFT(b, LENGTH(b)-1), '!') WHERE id=7", "UPDATE large.keyed SET v=-1 WHERE k LIKE '0000005555%'")
	for _, table := range []string{"keyed", "blobs"} {
		p := startCheck(t, set, "--table", "large."+table)
		d := p.document(exitDifferent)
		t.Logf("%s: %d MiB", table, p.maxRSS()/mebi)
		if d.Totals.Changed != 1 {
			t.Errorf("%s: %d changed", table, d.Totals.Changed)
		}
		// A blob that differs is held in full, from both sides and as SQL, to show it and for its repair.
		if limit := map[string]int64{"keyed": 96 * mebi, "blobs": 1024 * mebi}[table]; p.maxRSS() > limit && !raceEnabled {
			t.Errorf("%s: %d MiB resident", table, p.maxRSS()/mebi)
		}
	}
}
