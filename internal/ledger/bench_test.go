package ledger

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"crosscheck/checksum"
)

func BenchmarkRecord(b *testing.B) {
	for _, mode := range []string{"NORMAL", "FULL"} {
		b.Run(mode, func(b *testing.B) {
			r := mustStart(b, mustOpen(b, b.TempDir(), Options{synchronous: mode}), false)
			mustBegin(b, r, "a.a", "f")
			n := 0
			for b.Loop() {
				if err := r.Record(b.Context(), "a.a", chunk(n, 0)); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkRecordDifferences(b *testing.B) {
	r := mustStart(b, mustOpen(b, b.TempDir(), Options{}), false)
	mustBegin(b, r, "a.a", "f")
	n := 0
	for b.Loop() {
		if err := r.Record(b.Context(), "a.a", chunk(n, 100)); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "differences/s")
}

// BenchmarkBegin resumes a table of 20,000 chunks and 100,000 differences and prints the memory that costs.
func BenchmarkBegin(b *testing.B) {
	r := mustStart(b, mustOpen(b, b.TempDir(), Options{MaxReturned: 100_000}), false)
	mustBegin(b, r, "a.a", "f")
	for i := range 20_000 {
		mustRecord(b, r, "a.a", chunk(i, 5))
	}
	b.ReportAllocs()
	var proven []checksum.ProvenChunk
	runtime.GC()
	before := rss(b)
	for b.Loop() {
		proven, _ = mustBegin(b, r, "a.a", "f")
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-heap-held")
	b.ReportMetric(float64(before)/1024, "MiB-RSS-before")
	b.ReportMetric(float64(rss(b))/1024, "MiB-RSS-after")
	if len(proven) != 20_000 {
		b.Errorf("%d chunks", len(proven))
	}
}

// rss returns the resident set of this process in KiB, 0 where /proc does not say.
func rss(b *testing.B) int {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	return 0
}
