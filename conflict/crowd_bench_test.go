package conflict

import (
	"fmt"
	"testing"

	"crosscheck/cluster/binlog"
)

// BenchmarkCrowd has values of a script that the prefilter does not tell apart on both sides.
func BenchmarkCrowd(b *testing.B) {
	for b.Loop() {
		d := NewDetector(Config{})
		def := simTable("t")
		d.Feed(Old, Definition{Table: def})
		d.Feed(New, Definition{Table: def})
		plain := binlog.TableOf(def)
		const n = 1500
		for s := range 2 {
			for i := range n {
				c := insertOf(plain, s*n+i+1)
				c.After[1] = binlog.Value{Text: fmt.Appendf(nil, "%c%c%c", 0x1F600+i%40, 0x1F600+i/40%40, 0x1F600+s)}
				d.Feed(Side(s), localTx(Side(s), Side(s), uint64(i+1), c))
			}
		}
		asked := 0
		for list := d.Pending(1); len(list) > 0; list = d.Pending(1) {
			asked++
			d.Answer(Answer{ID: list[0].ID})
		}
		if n := len(d.Take()); n > 0 || asked == 0 {
			b.Fatal(n, "findings,", asked, "questions")
		}
		b.ReportMetric(float64(asked), "questions")
	}
}
