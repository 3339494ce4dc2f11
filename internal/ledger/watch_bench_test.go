package ledger

import (
	"math/rand/v2"
	"testing"
	"time"

	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

func BenchmarkAddFindings(b *testing.B) {
	w := mustWatch(b, mustOpen(b, b.TempDir(), Options{}), watchInfo())
	n := 0
	for b.Loop() {
		var list []conflict.Finding
		for range 1000 {
			n++
			list = append(list, finding(n))
		}
		if _, err := w.AddFindings(b.Context(), list, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "findings/s")
}

// BenchmarkSaveCheckpoint stores a window's worth of hashes and counters.
func BenchmarkSaveCheckpoint(b *testing.B) {
	w := mustWatch(b, mustOpen(b, b.TempDir(), Options{}), watchInfo())
	snapshot := make([]byte, 100<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(snapshot); i += 16 {
		for j := range 8 {
			snapshot[i+j] = byte(rng.Uint32())
		}
	}
	b.SetBytes(int64(len(snapshot)))
	for b.Loop() {
		if err := w.SaveCheckpoint(b.Context(), watch.Checkpoint{Snapshot: snapshot}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSaveFates stores rows that come under doubt, what they are found by, and what becomes of them.
func BenchmarkSaveFates(b *testing.B) {
	w := mustWatch(b, mustOpen(b, b.TempDir(), Options{}), watchInfo())
	n := 0
	for b.Loop() {
		var list []conflict.Finding
		var open, equal []watch.Fate
		begin, end := proofAt(2*n), proofAt(2*n+2)
		for range 1000 {
			n++
			list = append(list, keyed(n, n))
			open, equal = append(open, fateOf(n, watch.OutcomeOpen, begin)), append(equal, fateOf(n, watch.OutcomeEqual, end))
		}
		if err := w.SaveFates(b.Context(), open); err != nil {
			b.Fatal(err)
		}
		if _, err := w.AddFindings(b.Context(), list, begin.At); err != nil {
			b.Fatal(err)
		}
		if err := w.SaveFates(b.Context(), equal); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}
