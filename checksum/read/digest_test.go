package read

import (
	"testing"

	"github.com/zeebo/xxh3"
)

// The same change on an even number of rows, and values that change places, do not cancel in the digest.
func TestDigestDoesNotCancel(t *testing.T) {
	row := func(s string) xxh3.Uint128 { return xxh3.Hash128([]byte(s)) }
	sum := func(rows ...string) Digest {
		var d Digest
		for _, r := range rows {
			d.Add(row(r))
		}
		return d
	}
	base := sum("1paid", "2paid", "3open")
	for name, d := range map[string]Digest{
		"even change":    sum("1void", "2void", "3open"),
		"swapped values": sum("1open", "2paid", "3paid"),
		"twice the same": sum("1paid", "2paid", "3open", "3open", "3open"),
		"one missing":    sum("1paid", "2paid"),
	} {
		if d == base {
			t.Errorf("%s goes unseen", name)
		}
	}
	if sum("3open", "1paid", "2paid") != base {
		t.Error("the digest depends on the order")
	}
}
