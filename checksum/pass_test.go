package checksum

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"crosscheck/chunker"
	"crosscheck/cluster/rowstream"
)

// Whatever ranges the copies of a table need, the lanes give each copy exactly these, and no range to two lanes.
func TestLanesGiveEachCopyWhatItNeeds(t *testing.T) {
	const space = 20 // keys 1 to space; a bound stands behind its key
	bound := func(n int) chunker.Bound {
		if n == 0 || n == space {
			return nil
		}
		return chunker.Bound{rowstream.Uint64(uint64(n))}
	}
	place := func(b chunker.Bound, end int) int {
		for n := 1; n < space; n++ {
			if b != nil && string(b.Encode()) == string(bound(n).Encode()) {
				return n
			}
		}
		return end
	}
	rapid.Check(t, func(t *rapid.T) {
		var g laneGroup
		var want []string
		for range rapid.IntRange(1, 4).Draw(t, "copies") {
			cuts := rapid.SliceOfNDistinct(rapid.IntRange(0, space), 2, 6, func(n int) int { return n }).Draw(t, "cuts")
			slices.Sort(cuts)
			var gaps []chunker.Range
			need := make([]bool, space)
			for i := 0; i+1 < len(cuts); i += 2 {
				gaps = append(gaps, chunker.Range{Lo: bound(cuts[i]), Hi: bound(cuts[i+1])})
				for n := cuts[i]; n < cuts[i+1]; n++ {
					need[n] = true
				}
			}
			g.tables, g.gaps = append(g.tables, &tableRun{}), append(g.gaps, gaps)
			want = append(want, fmt.Sprint(need))
		}
		bounds, _ := g.bounds()
		slices.SortFunc(bounds, func(a, b chunker.Bound) int { return place(a, 0) - place(b, 0) })
		got := make([][]int, len(g.tables))
		for i := range got {
			got[i] = make([]int, space)
		}
		seen := make([]int, space)
		for _, l := range g.sweep(bounds) {
			for n := place(l.rng.Lo, 0); n < place(l.rng.Hi, space); n++ {
				seen[n]++
				for _, who := range l.tables {
					got[slices.Index(g.tables, who)][n]++
				}
			}
		}
		for i := range got {
			need := make([]bool, space)
			for n := range need {
				need[n] = got[i][n] == 1
				if got[i][n] > 1 || seen[n] > 1 {
					t.Fatalf("key %d is in %d lanes", n, seen[n])
				}
			}
			if fmt.Sprint(need) != want[i] {
				t.Fatalf("copy %d has %v, needs %v", i, need, want[i])
			}
		}
	})
}

// A copy that the others wait for no more may come back just when the reading is ended, because the last of them is lost:
// what it has not compared of the lane is left over, as if it were still away.
func TestWhatIsLeftOverOfALane(t *testing.T) {
	bound := chunker.Bound{rowstream.Uint64(5)}
	for read, want := range map[bool]int{false: 1, true: 0} {
		p := &pass{schedule: newSchedule(nil)}
		fs := &feeds{pass: p, read: read}
		for range 2 {
			f := &feed{table: &tableRun{}}
			f.ctx, f.cancel = context.WithCancelCause(t.Context())
			fs.list = append(fs.list, f)
		}
		back, lost := fs.list[0], fs.list[1]
		lost.dead = true
		fs.later(newLane([]*tableRun{back.table, lost.table}, chunker.Range{Lo: bound}))
		rest := p.schedule.rest()
		if len(rest) != want {
			t.Fatalf("read to the end %v: %d lanes are left over, want %d", read, len(rest), want)
		}
		for _, l := range rest {
			if len(l.tables) != 1 || l.tables[0] != back.table || string(l.rng.Lo.Encode()) != string(bound.Encode()) {
				t.Errorf("left over: %+v", l)
			}
		}
	}
}
