package cluster

import (
	"testing"

	"pgregory.net/rapid"
)

func TestFullNameReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching("[a-zé.`]{1,6}")
		want := Table{Schema: part.Draw(t, "schema"), Name: part.Draw(t, "name")}
		schema, name, ok := SplitFullName(want.FullName())
		if !ok || schema != want.Schema || name != want.Name {
			t.Fatalf("%q split into %q, %q, %v", want.FullName(), schema, name, ok)
		}
	})
	for _, bad := range []string{"", "a", "a.b.c", "`a.b", "`a`b.c", ".b", "a."} {
		if _, _, ok := SplitFullName(bad); ok {
			t.Errorf("%q was split", bad)
		}
	}
}
