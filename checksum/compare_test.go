package checksum

import (
	"fmt"
	"slices"
	"testing"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"

	"crosscheck/checksum/read"
)

func listOf(rows map[string]uint64) *read.List {
	var keys []string
	for k := range rows {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	l := &read.List{}
	for _, k := range keys {
		l.Add([]byte(k), xxh3.HashString128(fmt.Sprint(k, rows[k])), 10)
	}
	return l
}

// compareLists names exactly the rows that differ, for any two sets of rows, however far apart they are.
func TestDiffIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		olds, news := map[string]uint64{}, map[string]uint64{}
		want := map[string]Kind{}
		next := 0
		key := func() string { next++; return fmt.Sprintf("%06d", next) }
		for range rapid.IntRange(0, 30).Draw(t, "runs") {
			n := rapid.IntRange(1, 80).Draw(t, "rows") // longer than the lookahead at times
			kind := rapid.SampledFrom([]Kind{"", "", Missing, Extra, Changed}).Draw(t, "kind")
			for range n {
				k := key()
				switch kind {
				case Missing:
					olds[k] = 1
				case Extra:
					news[k] = 1
				case Changed:
					olds[k], news[k] = 1, 2
				default:
					olds[k], news[k] = 1, 1
				}
				if kind != "" {
					want[k] = kind
				}
			}
		}
		got := map[string]Kind{}
		o, n := listOf(olds), listOf(news)
		compareLists(o, n, func(kind Kind, key []byte) {
			if _, twice := got[string(key)]; twice {
				t.Fatalf("%s reported twice", key)
			}
			got[string(key)] = kind
		})
		if len(got) != len(want) {
			t.Fatalf("%d rows reported, %d differ", len(got), len(want))
		}
		for k, kind := range want {
			if got[k] != kind {
				t.Fatalf("%s: %q, want %q", k, got[k], kind)
			}
		}
		if o.Equal(n) != (len(want) == 0) {
			t.Fatal("the digests disagree with the rows")
		}
	})
}
