package checksum

import (
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
