package checksum

import (
	"slices"
	"testing"
)

func TestCompareKeys(t *testing.T) {
	key := func(texts ...string) (k []Field) {
		for _, s := range texts {
			k = append(k, Field{Value: Value{Text: s}})
		}
		return k
	}
	sorted := [][]Field{
		key(), key("-10", "b"), key("-9", "a"), key("-9", "aa"), key("-9", "b"), key("0"), key("0.5"), key("9"), key("10"),
		key("18446744073709551614"), key("18446744073709551615"), key("2024-01-01"), key("2024-01-02"), key("a"), key("ab"), key("b"),
	}
	for i := range sorted {
		for j := range sorted {
			want := min(1, max(-1, i-j))
			if got := compareKeys(sorted[i], sorted[j]); got != want {
				t.Errorf("%v and %v: %d, want %d", sorted[i], sorted[j], got, want)
			}
		}
	}
	if !slices.IsSortedFunc(sorted, compareKeys) {
		t.Error("not sorted")
	}
}
