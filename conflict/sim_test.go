package conflict

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	simHistories = flag.Int("histories", 10000, "histories that the simulation runs")
	simFirst     = flag.Uint64("first", 1, "the seed of the first of them")
	simSeed      = flag.Uint64("seed", 0, "run only the history of this seed")
)

var simModes = []simMode{{"mysql", true, 1}, {"mysql", false, 1}, {"mariadb", true, 1}, {"anonymous", true, 1}, {"mariadb", true, 2}}

// simulate makes the history of a seed. size scales its length.
func simulate(seed uint64, steps int) *sim {
	rng := rand.New(rand.NewPCG(seed, 77))
	opts := simOptions{
		steps: 20 + rng.IntN(100), ids: 2 + rng.IntN(12), localRate: 15 + rng.IntN(70),
		disjoint: rng.IntN(6) == 0, plant: rng.IntN(5) == 0, inject: rng.IntN(6) == 0,
		cascade: rng.IntN(3) == 0, ddl: rng.IntN(3) == 0, alphabet: &simAlphabets[rng.IntN(len(simAlphabets))], names: &simNamings[rng.IntN(len(simNamings))],
	}
	if steps > 0 {
		opts.steps = steps
	}
	if !opts.cascade {
		opts.silent = simCascade(max(0, rng.IntN(6)-3))
	}
	s := newSim(rng, simModes[seed%uint64(len(simModes))], opts)
	s.run()
	return s
}

// simRun is one way of feeding a history to detectors.
type simRun struct {
	order   func() Side // the side to read from next
	restart func() bool // whether to restart the watcher now
	answer  func() bool
}

// watch feeds a history to a detector and returns all findings, and the rows that ever came under doubt: true for those
// that are at the end.
func watch(t testing.TB, s *sim, run simRun) ([]Finding, map[simRowName]bool, Summary) {
	t.Helper()
	doubts := map[simRowName]bool{}
	doubted := func(d *Detector) {
		for _, x := range d.TakeDoubts() {
			doubts[s.rowName(x)] = false
		}
	}
	d := NewDetector(Config{InOrder: [2]bool{s.mode.inOrder, s.mode.inOrder}, PerDomain: [2]bool{s.mode.domains > 1, s.mode.domains > 1}})
	events := s.streams()
	var next [2]uint64
	var out []Finding
	for int(next[Old]+next[New]) < len(events[Old])+len(events[New]) {
		side := run.order()
		if int(next[side]) == len(events[side]) {
			side = side.Other()
		}
		d.Feed(side, events[side][next[side]])
		next[side]++
		if run.answer() {
			s.answerAll(d)
		}
		if run.restart() {
			out = append(out, d.Take()...)
			doubted(d)
			var b bytes.Buffer
			if err := d.Snapshot(&b); err != nil {
				t.Fatal(err)
			}
			var err error
			if d, err = Restore(&b, d.cfg); err != nil {
				t.Fatal(err)
			}
			_, next[Old] = d.Checkpoint(Old)
			_, next[New] = d.Checkpoint(New)
		}
	}
	s.answerAll(d)
	// Without GTIDs an echo of which the applier skipped some changes of one row may
	// be like no original. The tails know that they are at the end.
	for s.vague() {
		head, isEcho, ok := d.Blocked(Old)
		side := Old
		if !ok || !isEcho {
			side = New
			head, isEcho, ok = d.Blocked(New)
		}
		if !ok || !isEcho {
			break
		}
		d.Feed(side, NoOriginal{head})
	}
	s.answerAll(d)
	for side := range events {
		if head, _, ok := d.Blocked(Side(side)); ok {
			t.Fatalf("%v %+v: the stream of %s is stuck at %d\n%s", s.mode, s.opts, Side(side), head, s)
		}
	}
	doubted(d)
	for _, x := range d.Doubts() {
		doubts[s.rowName(x)] = true
	}
	return append(out, d.Take()...), doubts, d.Summary()
}

// answerAll answers as two servers with the history's collation would.
func (s *sim) answerAll(d *Detector) {
	for list := d.Pending(3); len(list) > 0; list = d.Pending(3) {
		for _, q := range list {
			d.Answer(Answer{ID: q.ID, Pairs: q.pairs(func(_, a, b string) bool { return a == b || s.classes[a] != 0 && s.classes[a] == s.classes[b] })})
		}
	}
}

// pairs compares all values of a question.
func (q *Question) pairs(equal func(part, a, b string) bool) (out [][2]int) {
	for i, x := range q.Values[Old] {
		for j, y := range q.Values[New] {
			same := true
			for k := range x {
				same = same && equal(q.Parts[k].Column, x[k], y[k])
			}
			if same {
				out = append(out, [2]int{i, j})
			}
		}
	}
	return out
}

func randomRun(rng *rand.Rand) simRun {
	bias := rng.IntN(101)
	restarts := b2i(rng.IntN(4) == 0) * (2 + rng.IntN(10))
	answers := rng.IntN(100)
	left := 1 + rng.IntN(2) // a restart costs more than the history, and what was held is read again
	return simRun{
		order: func() Side { return Side(b2i(rng.IntN(100) < bias)) },
		restart: func() bool {
			if left == 0 || rng.IntN(100) >= restarts {
				return false
			}
			left--
			return true
		},
		answer: func() bool { return rng.IntN(100) < answers },
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkHistory compares what the detector finds with the truth, and two ways of
// reading the history with each other. It returns what is wrong, or "".
func checkHistory(t testing.TB, s *sim, seed uint64, want map[string]bool) string {
	rng := rand.New(rand.NewPCG(seed, 99))
	var first map[string]Finding
	for try := range 2 {
		run := randomRun(rng)
		if try == 1 {
			side := Side(rng.IntN(2)) // one tail far ahead of the other
			run.order = func() Side { return side }
		}
		list, doubts, sum := watch(t, s, run)
		if msg := compareFindings(s, want, list, doubts); msg != "" {
			return fmt.Sprintf("run %d: %s", try, msg)
		}
		if sum.Waiting != [2]int{} {
			return fmt.Sprintf("run %d: %v changes still wait after the last fence", try, sum.Waiting)
		}
		byID := map[string]Finding{}
		for _, f := range list {
			if _, ok := byID[f.ID]; ok {
				return fmt.Sprintf("run %d: finding doubled: %s %s", try, f.Kind, f.ID)
			}
			byID[f.ID] = f
		}
		if try == 0 {
			first = byID
		} else if s.vague() {
			// A row that was skipped differs until a change of either side mends it; whether another change's echo is read
			// before that is known depends on how far the streams are.
			continue
		} else if a, b := slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(byID)); !slices.Equal(a, b) {
			return fmt.Sprintf("the two ways of reading differ:\n%s\n%s", describe(first, byID), describe(byID, first))
		}
	}
	return ""
}

func describe(a, but map[string]Finding) string {
	var out []string
	for id, f := range a {
		if _, ok := but[id]; !ok {
			out = append(out, fmt.Sprintf("%s %s %s old %+v new %+v", f.Kind, f.Table, f.Detail, f.Old, f.New))
		}
	}
	return strings.Join(out, "\n")
}

// compareFindings checks the collisions against the truth and the echo findings
// against the logs.
func compareFindings(s *sim, want map[string]bool, list []Finding, doubts map[simRowName]bool) string {
	got := map[string]bool{}
	var wrong []string
	for _, f := range list {
		switch f.Kind {
		case EchoMismatch, MissingEcho:
			if !s.vague() && !s.diverged(f) {
				wrong = append(wrong, fmt.Sprintf("invented: %s of %s, old %+v new %+v", f.Kind, f.Table, f.Old, f.New))
			}
		case Unjudged:
			if s.vague() && f.Reason == ReasonNoOriginal {
				continue
			}
			wrong = append(wrong, fmt.Sprintf("unjudged: %s %s", f.Reason, f.Detail))
		default:
			text := s.collisionText(f)
			if got[text] {
				wrong = append(wrong, "doubled: "+text)
			}
			got[text] = true
		}
	}
	for text := range want {
		if !got[text] && (!s.vague() || !hidden(text, got)) {
			wrong = append(wrong, "missed: "+text)
		}
	}
	for text := range got {
		if !want[text] && !s.vague() {
			wrong = append(wrong, "invented: "+text)
		}
	}
	if !s.vague() {
		wrong = append(wrong, s.untold(list, doubts)...)
		wrong = append(wrong, s.apart(doubts)...)
	}
	slices.Sort(wrong)
	return strings.Join(wrong, "\n")
}

// hidden tells whether a finding that was not to be expected stands for the
// wanted one, as the first of its run: same kind, and one of the two changes.
func hidden(want string, got map[string]bool) bool {
	kind, rest, _ := strings.Cut(want, " old ")
	old, new, _ := strings.Cut(rest, " new ")
	for text := range got {
		if strings.HasPrefix(text, kind+" ") && (strings.Contains(text, " old "+old+" ") || strings.HasSuffix(text, " new "+new)) {
			return true
		}
	}
	return false
}

// vague tells whether an applier without GTIDs skipped changes: an echo may then be
// like no original or like an earlier one, so that a transaction counts as unseen
// longer than it was. Nothing may be missed, but more may be found.
func (s *sim) vague() bool { return s.mode.flavor == "anonymous" && s.skips > 0 }

// diverged tells whether the logs bear out an echo finding: there is an original
// of which the other log has no echo, or one with another image or row.
func (s *sim) diverged(f Finding) bool {
	side, a := Old, f.Old
	if f.Old == nil || f.New != nil && s.isEcho(Old, f.Old) {
		side, a = New, f.New
	}
	orig := s.srv[side].local[a.Thread-1]
	for _, item := range s.srv[side.Other()].log {
		if item.tx != nil && item.tx.origin == side && item.tx.seq == orig.seq {
			if item.tx.empty() { // all of it was skipped
				return f.Kind == MissingEcho
			}
			return f.Kind == EchoMismatch && opsText(item.tx) != opsText(orig)
		}
	}
	return true
}

func (s *sim) isEcho(side Side, a *Act) bool {
	i := int(a.Place.File.Pos/100) - 1
	return s.srv[side].log[i].tx.origin != side
}

func opsText(tx *simTx) string {
	var out []string
	if tx.ddl != nil {
		out = append(out, tx.ddl.text.Statement)
	}
	for _, o := range tx.ops {
		out = append(out, opText(o))
	}
	return strings.Join(out, ";")
}

func opText(o simOp) string { return fmt.Sprintf("%s %+v %+v", o.table, o.before, o.after) }

// TestSimulation runs histories of two servers that replicate to each other, and
// shrinks the first one that fails.
func TestSimulation(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // short-lived histories: a fifth of the time would go into collecting them
	from, to := *simFirst, *simFirst+uint64(*simHistories)-1
	if *simSeed > 0 {
		from, to = *simSeed, *simSeed
	}
	kindsSeen := map[Kind]int{}
	var mu sync.Mutex
	var failed, next atomic.Uint64
	next.Store(from)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := next.Add(1) - 1; seed <= to && failed.Load() == 0; seed = next.Add(1) - 1 {
				s := simulate(seed, 0)
				want := newTruth(s).findings()
				if checkHistory(t, s, seed, want) != "" {
					failed.CompareAndSwap(0, seed)
					return
				}
				mu.Lock()
				for text := range want {
					var k Kind
					_ = k.UnmarshalText([]byte(strings.Fields(text)[0]))
					kindsSeen[k]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if seed := failed.Load(); seed != 0 {
		s := simulate(seed, 0)
		msg := checkHistory(t, s, seed, newTruth(s).findings())
		for steps := 2; steps <= s.opts.steps; steps++ {
			small := simulate(seed, steps)
			if m := checkHistory(t, small, seed, newTruth(small).findings()); m != "" {
				s, msg = small, m
				break
			}
		}
		t.Fatalf("seed %d (%+v, %+v):\n%s\n\n%s", seed, s.mode, s.opts, msg, s)
	}
	t.Logf("collisions found by kind: %v", kindsSeen)
	for k := InsertInsertPK; k <= DDLRace && to-from > 1000; k++ {
		if kindsSeen[k] == 0 {
			t.Errorf("no history had a %s: the simulation does not try it", k)
		}
	}
}

// String prints both logs.
func (s *sim) String() string {
	var b strings.Builder
	for side, srv := range s.srv {
		fmt.Fprintf(&b, "%s:\n", Side(side))
		for _, item := range srv.log {
			switch {
			case item.taken > 0:
				fmt.Fprintf(&b, "  fence %d taken\n", item.taken)
			case item.reached > 0:
				fmt.Fprintf(&b, "  fence %d reached\n", item.reached)
			default:
				fmt.Fprintf(&b, "  %s %d:", item.tx.origin, item.tx.seq)
				for _, o := range item.tx.ops {
					fmt.Fprintf(&b, " %s %s %v -> %v;", o.kind(), o.table, o.before, o.after)
				}
				if x := item.tx.ddl; x != nil {
					fmt.Fprintf(&b, " %s", x.text.Statement)
				}
				fmt.Fprintln(&b)
			}
		}
	}
	return b.String()
}
