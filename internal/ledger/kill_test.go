package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"crosscheck/checksum"
)

// recorderDir makes the test binary a process that records until it is killed.
const recorderDir = "CROSSCHECK_TEST_RECORD_INTO"

// recordForever resumes the run in dir and records chunks behind those it finds, printing the number of each one that
// Record has returned for. It ends only by being killed.
func recordForever(dir string) {
	ctx := context.Background()
	l, err := Open(ctx, dir, Options{})
	exitIf(err)
	info := servers()
	info.Resume = true
	r, err := l.StartRun(ctx, info)
	exitIf(err)
	proven, _, err := r.Begin(ctx, checksum.TableIdentity{Table: "a.a", Fingerprint: "f"})
	exitIf(err)
	for i := len(proven); ; i++ {
		exitIf(r.Record(ctx, "a.a", chunk(i, i%7)))
		fmt.Println(i)
	}
}

func exitIf(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	confirmed := -1
	// Fifteen kills, and more of them on a machine that is too busy to record much between two.
	for round := 0; round < 15 || confirmed < 100 && round < 100; round++ {
		confirmed = max(confirmed, runAndKill(t, recorderDir+"="+dir, time.Duration(20+rand.IntN(180))*time.Millisecond))
		l, err := Open(t.Context(), dir, Options{MaxReturned: 1 << 30}) // a fast machine records more than the default returns
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		verifyAllComplete(t, l, confirmed)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if confirmed < 100 {
		t.Errorf("only %d chunks were recorded: the test has not tested", confirmed)
	}
	t.Logf("%d chunks confirmed", confirmed+1)
}

// runAndKill runs the test binary with env and returns the last number that it confirmed before kill -9.
func runAndKill(t *testing.T, env string, after time.Duration) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), env)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(after+100*time.Millisecond, func() { cmd.Process.Kill() })
	last, line, buf := -1, "", make([]byte, 4096)
	for {
		n, err := out.Read(buf)
		for _, b := range buf[:n] {
			if b != '\n' {
				line += string(b)
				continue
			}
			if last, err = strconv.Atoi(line); err != nil {
				t.Fatalf("the process said %q", line)
			}
			line = ""
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the process ended by itself: %v", cmd.ProcessState)
	}
	return last
}

func verifyAllComplete(t *testing.T, l *Ledger, confirmed int) {
	t.Helper()
	r := mustStart(t, l, true)
	proven, _ := mustBegin(t, r, "a.a", "f")
	if len(proven) <= confirmed {
		t.Errorf("chunk %d was confirmed, only %d are there", confirmed, len(proven))
	}
	if len(proven) > confirmed+2 {
		t.Errorf("%d chunks, but only 0…%d were confirmed", len(proven), confirmed)
	}
	differences := 0
	for i, c := range proven {
		want := chunk(i, i%7)
		if c.Counts != want.Counts || len(c.Differences) != len(want.Differences) {
			t.Fatalf("chunk %d is not complete: %+v with %d differences", i, c.Counts, len(c.Differences))
		}
		differences += len(want.Differences)
	}
	if n := count(t, l, "row_images"); n != differences {
		t.Errorf("%d images of %d differences", n, differences)
	}
	if got := r.stored.differences; got != int64(differences) {
		t.Errorf("counted %d differences, %d are there", got, differences)
	}
}
