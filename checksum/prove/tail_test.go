package prove

import (
	"slices"
	"testing"

	"crosscheck/checksum/plan"
	"crosscheck/cluster"
)

func intColumns(names ...string) []cluster.Column {
	out := make([]cluster.Column, len(names))
	for i, n := range names {
		out[i] = cluster.Column{Name: n, Ordinal: i + 1, DataType: "int", ColumnType: "int(11)", Precision: 10}
	}
	return out
}

func uniqueKey(name string, primary bool, parts ...cluster.KeyPart) cluster.Key {
	return cluster.Key{Name: name, Primary: primary, Unique: true, Visible: true, Type: "BTREE", Parts: parts}
}

// The log is asked for rows by the key that they are matched by, which need not be the one that a side stores them in.
func TestWindowTables(t *testing.T) {
	part := func(name string) cluster.KeyPart { return cluster.KeyPart{Column: name} }
	down := func(name string) cluster.KeyPart { return cluster.KeyPart{Column: name, Descending: true} }
	table := func(keys ...cluster.Key) *cluster.Table {
		return &cluster.Table{Schema: "s", Name: "t", Columns: intColumns("a", "b"), Keys: keys}
	}
	cases := []struct {
		name     string
		old, new *cluster.Table
		newSide  bool
		want     []string
	}{
		{
			name: "primary", old: table(uniqueKey("PRIMARY", true, part("a"), part("b"))),
			new: table(uniqueKey("PRIMARY", true, part("a"), part("b"))), want: []string{"a", "b"},
		},
		{
			name: "in two directions", old: table(uniqueKey("PRIMARY", true, down("a"), part("b"))),
			new: table(uniqueKey("PRIMARY", true, down("a"), part("b"))), want: []string{"a", "b"},
		},
		{
			name: "new has it in another order", old: table(uniqueKey("PRIMARY", true, part("a"), part("b"))),
			new: table(uniqueKey("PRIMARY", true, part("b"), part("a"))), newSide: true, want: []string{"a", "b"},
		},
		{
			name: "new lacks old's primary key", old: table(uniqueKey("PRIMARY", true, part("a")), uniqueKey("u", false, part("b"))),
			new: table(uniqueKey("u", false, part("b"))), want: []string{"b"},
		},
		{name: "no common key", old: table(uniqueKey("PRIMARY", true, part("a"))), new: table(uniqueKey("PRIMARY", true, part("b")))},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := windowTables([][2]*cluster.Table{{c.old, c.new}}, c.newSide, plan.Options{})
			if c.want == nil {
				if len(got) != 0 {
					t.Fatalf("watched by %v", got[0].Key)
				}
				return
			}
			if len(got) != 1 || !slices.Equal(got[0].Key, c.want) {
				t.Fatalf("got %+v, want the key %v", got, c.want)
			}
		})
	}
}
