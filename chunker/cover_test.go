package chunker

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
	"pgregory.net/rapid"

	"crosscheck/cluster/rowstream"
)

// at is a bound on a BIGINT key; 0 stands for an open end.
func at(v uint64) Bound {
	if v == 0 {
		return nil
	}
	return Bound{{Type: mysql.MYSQL_TYPE_LONGLONG, Value: binary.LittleEndian.AppendUint64(nil, v)}}
}

func value(b Bound) uint64 {
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b[0].Value)
}

func sortBounds(b []Bound) ([]Bound, error) {
	slices.SortFunc(b, func(x, y Bound) int { return int(int64(value(x) - value(y))) })
	return b, nil
}

func TestCoverIsCompleteOnlyWhenRangesTile(t *testing.T) {
	tests := []struct {
		name   string
		ranges [][2]uint64
		ok     bool
	}{
		{"one range", [][2]uint64{{0, 0}}, true},
		{"in any order", [][2]uint64{{5, 9}, {0, 5}, {9, 0}}, true},
		{"nothing", nil, false},
		{"no start", [][2]uint64{{5, 0}}, false},
		{"no end", [][2]uint64{{0, 5}}, false},
		{"hole", [][2]uint64{{0, 5}, {6, 0}}, false},
		{"twice", [][2]uint64{{0, 5}, {0, 5}, {5, 0}}, false},
		{"overlap", [][2]uint64{{0, 5}, {5, 0}, {3, 4}}, false},
		{"circle", [][2]uint64{{0, 5}, {5, 7}, {7, 5}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Cover
			for _, r := range tt.ranges {
				c.Add(Range{Lo: at(r[0]), Hi: at(r[1])})
			}
			if err := c.Complete(); (err == nil) != tt.ok {
				t.Errorf("Complete() = %v, want ok=%v", err, tt.ok)
			}
		})
	}
}

// Whatever subset of a tiling is recorded, adding the gaps completes it, and each gap is one that was left out.
func TestGapsCompleteTheCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfNDistinct(rapid.Uint64Range(1, 1000), 0, 20, rapid.ID[uint64]).Draw(t, "cuts")
		slices.Sort(cuts)
		edges := append(append([]uint64{0}, cuts...), 0)
		var c Cover
		for i := range len(edges) - 1 {
			if rapid.Bool().Draw(t, "recorded") {
				c.Add(Range{Lo: at(edges[i]), Hi: at(edges[i+1])})
			}
		}
		gaps, err := c.Gaps(sortBounds)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range gaps {
			c.Add(g)
		}
		if err := c.Complete(); err != nil {
			t.Fatalf("edges %v: gaps %v do not complete the cover: %v", edges, gaps, err)
		}
	})
}

func TestBoundSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 5).Draw(t, "columns")
		var b Bound
		for range n {
			b = append(b, rowstream.Param{
				Type:     rapid.Byte().Draw(t, "type"),
				Unsigned: rapid.Bool().Draw(t, "unsigned"),
				Value:    rapid.SliceOf(rapid.Byte()).Draw(t, "value"),
			})
		}
		got, err := DecodeBound(b.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Encode()) != string(b.Encode()) || len(got) != len(b) {
			t.Fatalf("%v came back as %v", b, got)
		}
		if enc := b.Encode(); len(enc) > 1 {
			if _, err := DecodeBound(enc[:len(enc)-1]); err == nil {
				t.Fatal("a truncated bound was accepted")
			}
		}
	})
}
