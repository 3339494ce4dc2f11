package report

import (
	"slices"
	"testing"

	"crosscheck/checksum"
)

// A row that differs on several copies is one row of the document, with what each holds where they differ.
func TestRowOfSeveralCopiesIsListedOnce(t *testing.T) {
	d := NewCheck(checkOfNodes(), Options{MaxDifferences: -1})
	orders := d.Tables[1]
	rows := map[string]Difference{}
	for _, row := range orders.Differences {
		key := *row.Key[0].Text
		if _, twice := rows[key]; twice {
			t.Errorf("the row %s is listed twice", key)
		}
		rows[key] = row
	}
	for key, want := range map[string][][]string{
		"42": {{"new", "new-1", "new-2"}}, "43": {{"new", "new-2"}, {"new-1"}}, "9001": {{"new-1"}}, "77": {{"new-2"}},
	} {
		var got [][]string
		row := rows[key]
		for _, f := range row.forms() {
			got = append(got, f.Nodes)
		}
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("row %s is on %v, want %v", key, got, want)
		}
	}
	if orders.Missing != 3 || orders.Extra != 1 || orders.Changed != 4 || orders.RowsOld != 1_536_000 {
		t.Errorf("the sums of the copies are %+v", orders.Counts)
	}
	if c := orders.copyOf("new-1"); c.Missing != 1 || c.Extra != 1 || c.Changed != 1 || len(c.Differences) != 3 || c.Verdict != checksum.Different {
		t.Errorf("the copy of new-1 is %+v", c)
	}
}

// Masks look alike where values differ: what joins rows are the values.
func TestRowsAreJoinedByTheirValues(t *testing.T) {
	for _, show := range []bool{false, true} {
		d := NewCheck(checkOfNodes(), Options{MaxDifferences: -1, ShowValues: show})
		for i := range d.Tables[1].Differences {
			if row := &d.Tables[1].Differences[i]; *row.Key[0].Text == "43" && len(row.Others) != 1 {
				t.Errorf("shown %v: %+v", show, row)
			}
		}
	}
}

// A table that one copy has no result for, and a node that came to no end, are never the same.
func TestNodeIsNoBetterThanItsTables(t *testing.T) {
	whole := Check{Copies: []Copy{copyOf("new", SideNew, RoleWriter, nil), copyOf("new-1", SideNew, RoleReplica, func(r *checksum.Result) {
		r.Tables = r.Tables[1:] // though the result calls itself the same
	})}}
	d := NewCheck(whole, Options{})
	if d.Verdict != checksum.Undecided || d.Tables[0].Verdict != checksum.Undecided || d.Tables[1].Verdict != checksum.Same {
		t.Errorf("%s: %s, %s", d.Verdict, d.Tables[0].Verdict, d.Tables[1].Verdict)
	}
	if d.Nodes[1].Verdict != "same" || d.Nodes[2].Verdict != "undecided" {
		t.Errorf("nodes: %s, %s", d.Nodes[1].Verdict, d.Nodes[2].Verdict)
	}
	if d := NewCheck(Check{Unread: []Unread{{Node: Node{Label: "new"}}}}, Options{}); d.Verdict != checksum.Undecided {
		t.Errorf("nothing was compared: %s", d.Verdict)
	}
}
