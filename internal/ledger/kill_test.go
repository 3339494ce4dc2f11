package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
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
	for round := 0; round < 15 || confirmed < 100; round++ { // each but every third confirms something, however busy the machine is
		last, err := runAndKill(t, recorderDir+"="+dir, killAt(round, 200*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		confirmed = max(confirmed, last)
		l, err := Open(t.Context(), dir, Options{MaxReturned: 1 << 30}) // a fast machine records more than the default returns
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		verifyAllComplete(t, l, confirmed)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d chunks confirmed", confirmed+1)
}

// moment is when a process is killed: so long after its start or, where it is to have confirmed something, after its
// first number.
type moment struct {
	after     time.Duration
	confirmed bool
}

// killAt is a random moment: every third time possibly before the process has come to anything, else up to so long after
// its first number.
func killAt(round int, within time.Duration) moment {
	if round%3 == 0 {
		return moment{after: 20*time.Millisecond + rand.N(300*time.Millisecond)}
	}
	return moment{after: rand.N(within), confirmed: true}
}

// runAndKill runs the test binary with env, kills it at the moment given, and returns the last number that it confirmed.
func runAndKill(t *testing.T, env string, when moment) (last int, err error) {
	t.Helper()
	ctx, kill := context.WithTimeout(t.Context(), 3*time.Minute) // for one that confirms nothing at all
	defer kill()
	if !when.confirmed {
		defer time.AfterFunc(when.after, kill).Stop()
	}
	last, err = runUntil(ctx, env, func(first bool) {
		if first && when.confirmed {
			time.AfterFunc(when.after, kill)
		}
	})
	if err == nil && when.confirmed && last < 0 {
		err = errors.New("the process confirmed nothing")
	}
	return last, err
}

// runUntil runs the test binary with env, kills it with -9 when ctx ends, and returns the last number that it confirmed;
// each is told to said. An error says that the process ended by itself.
func runUntil(ctx context.Context, env string, said func(first bool)) (last int, err error) {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), env)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return -1, err
	}
	if err = cmd.Start(); err != nil {
		if ctx.Err() != nil { // killed before it began
			err = nil
		}
		return -1, err
	}
	last = -1
	// Only whole lines count: of the last one the kill may have left a part.
	for lines := bufio.NewReader(out); ; {
		line, rerr := lines.ReadString('\n')
		if rerr != nil {
			break
		}
		n, nerr := strconv.Atoi(strings.TrimSpace(line))
		if nerr != nil {
			err = fmt.Errorf("the process said %q", line)
			_ = cmd.Process.Kill() // Wait tells what became of it
			break
		}
		said(last < 0)
		last = n
	}
	werr := cmd.Wait()
	if err == nil && (werr == nil || cmd.ProcessState.Exited()) {
		err = fmt.Errorf("the process ended by itself: %v", cmd.ProcessState)
	}
	return last, err
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
