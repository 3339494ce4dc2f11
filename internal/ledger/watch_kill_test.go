package ledger

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// watcherDir makes the test binary a process that watches until it is killed.
const watcherDir = "CROSSCHECK_TEST_WATCH_INTO"

// findingsPerStep is how many findings each step of watchForever makes; half of them are those of the step before, as
// when a piece of the logs is read twice.
const findingsPerStep = 20

// watchForever continues the account in dir behind what it finds, printing each step that is stored. It ends only by
// being killed.
func watchForever(dir string) {
	ctx := context.Background()
	l, err := Open(ctx, dir, Options{})
	exitIf(err)
	info := watchInfo()
	w, err := l.OpenWatch(ctx, WatchInfo{Old: info.Old, New: info.New})
	exitIf(err)
	c, ok, err := w.Checkpoint(ctx)
	exitIf(err)
	first := 0
	if ok {
		first, err = strconv.Atoi(c.Positions[0])
		exitIf(err)
		first++
	}
	for step := first; ; step++ {
		var list []conflict.Finding
		for i := range findingsPerStep {
			list = append(list, finding(step*findingsPerStep/2+i))
		}
		_, err := w.AddFindings(ctx, list, time.Now())
		exitIf(err)
		fmt.Println(2 * step)
		exitIf(w.SaveCheckpoint(ctx, stepCheckpoint(step)))
		fmt.Println(2*step + 1)
	}
}

// stepCheckpoint has several pieces, of which the first and the last tell their step.
func stepCheckpoint(step int) watch.Checkpoint {
	n := strconv.Itoa(step)
	noise := make([]byte, pieceBytes+step%1000)
	seed := [32]byte{byte(step), byte(step >> 8)}
	rand.NewChaCha8(seed).Read(noise)
	return watch.Checkpoint{
		Snapshot:  append(noise, bytes.Repeat([]byte(n+" "), 100_000)...),
		Positions: [2]string{n, n}, Identity: [2]string{"old", "new"}, Engine: []byte(n),
	}
}

func TestWatchKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	confirmed := -1
	for round := 0; round < 12 || confirmed < 40; round++ { // each but every third confirms something, however busy the machine is
		last, err := runAndKill(t, watcherDir+"="+dir, killAt(round, time.Second))
		if err != nil {
			t.Fatal(err)
		}
		confirmed = max(confirmed, last)
		l, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		verifyAccount(t, l, confirmed)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d steps confirmed", confirmed+1)
}

func verifyAccount(t *testing.T, l *Ledger, confirmed int) {
	t.Helper()
	w := mustWatch(t, l, watchInfo())
	seen := map[string]bool{}
	for _, f := range walk(t, w) {
		if seen[f.ID] {
			t.Errorf("finding %s is there twice", f.ID)
		}
		seen[f.ID] = true
	}
	for n := range (confirmed/2 + 2) * findingsPerStep / 2 {
		if confirmed >= 0 && !seen[finding(n).ID] {
			t.Fatalf("finding %d of step %d is lost; %d was confirmed", n, 2*n/findingsPerStep, confirmed)
		}
	}
	counts, err := w.FindingCounts(t.Context())
	if err != nil || counts[conflict.UpdateUpdate] != uint64(len(seen)) {
		t.Errorf("counted %v of %d, %v", counts, len(seen), err)
	}
	c, ok, err := w.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		if confirmed > 0 {
			t.Fatalf("no checkpoint, %d was confirmed", confirmed)
		}
		return
	}
	step, err := strconv.Atoi(c.Positions[0])
	if err != nil || step < (confirmed-1)/2 || step > confirmed/2+1 {
		t.Fatalf("a checkpoint of step %q, %d was confirmed", c.Positions[0], confirmed)
	}
	want := stepCheckpoint(step)
	if !bytes.Equal(c.Snapshot, want.Snapshot) || string(c.Engine) != string(want.Engine) || c.Positions != want.Positions {
		t.Errorf("the checkpoint of step %d is not whole", step)
	}
}
