package report

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"crosscheck/checksum"
)

// changedRow is a row in which v differs.
func changedRow(id, now string) checksum.Difference {
	key := keyCell(id)
	return checksum.Difference{
		Kind: checksum.Changed, Key: rowKey(id), Count: 1, Columns: []checksum.ColumnDiff{{Column: "v"}},
		OldRow: []checksum.Cell{key, textCell("v", "old")}, NewRow: []checksum.Cell{key, textCell("v", now)},
	}
}

func repairNode(label, side, role string, rows ...checksum.Difference) RepairCopy {
	var list []tableDifference
	for _, d := range rows {
		list = append(list, tableDifference{"s.t", d})
	}
	return RepairCopy{Node: Node{Label: label, Side: side, Role: role}, Run: "7", Each: over(list...)}
}

// filesOf returns the statements of each file, with those of the settings of the binary log.
func filesOf(t *testing.T, in CopiesRepair) (names []string, files map[string]string, sums map[string]RepairSummary) {
	t.Helper()
	plan, err := PlanRepair(&in)
	if err != nil {
		t.Fatal(err)
	}
	files, sums = map[string]string{}, map[string]RepairSummary{}
	for i := range plan.Files {
		var b bytes.Buffer
		sum, err := plan.Write(&b, &plan.Files[i])
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, plan.Files[i].Name)
		files[plan.Files[i].Node.Label], sums[plan.Files[i].Node.Label] = b.String(), sum
	}
	return names, files, sums
}

// logs tells whether the statement that holds text goes through the binary log; false too if there is none.
func logs(file, text string) bool {
	before, _, found := strings.Cut(file, text)
	return found && strings.LastIndex(before, "sql_log_bin = 1;") > strings.LastIndex(before, "sql_log_bin = 0;")
}

func TestRowsThatDifferAlikeGoThroughTheLog(t *testing.T) {
	alike, here, there := changedRow("1", "alike"), changedRow("2", "here"), changedRow("2", "there")
	writerOnly := changedRow("3", "writer")
	in := CopiesRepair{Copies: []RepairCopy{
		repairNode("new", SideNew, RoleWriter, alike, here, writerOnly), repairNode("new-1", SideNew, RoleReplica, alike, there),
		repairNode("old-1", SideOld, RoleReplica, changedRow("1", "of old")),
	}}
	names, files, sums := filesOf(t, in)
	if want := []string{"1-old-1.sql", "2-new-1.sql", "3-new.sql"}; !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	for _, c := range []struct {
		node, text    string
		there, logged bool
	}{
		{"new", "'alike'", true, true},
		{"new", "'here'", true, false},
		{"new", "'writer'", true, false},
		{"new-1", "'alike'", false, false},
		{"new-1", "'there'", true, false},
		{"old-1", "'of old'", true, false},
	} {
		hex := textCell("v", strings.Trim(c.text, "'")).Guard
		if got := strings.Contains(files[c.node], hex); got != c.there || logs(files[c.node], hex) != c.logged {
			t.Errorf("%s on %s: there %v, logged %v\n%s", c.text, c.node, got, logs(files[c.node], hex), files[c.node])
		}
	}
	if sums["new"].Updates != 3 || sums["new-1"].Updates != 1 || sums["old-1"].Updates != 1 {
		t.Errorf("%+v", sums)
	}
}

// TestWhatARepairLeavesAlone: where a statement could make a right row wrong, or stop a node, there is none.
func TestWhatARepairLeavesAlone(t *testing.T) {
	row := changedRow("1", "x")
	noImage := changedRow("1", "x")
	noImage.OldRow, noImage.NewRow = nil, nil
	for _, c := range []struct {
		name    string
		in      CopiesRepair
		skipped map[string]int64 // of each file that is written
		logged  bool             // on new
	}{
		{
			name: "a reference that old's writer refutes", skipped: map[string]int64{"new": 1},
			in: CopiesRepair{Reference: Node{Label: "old-1", Side: SideOld, Role: RoleReplica}, Copies: []RepairCopy{
				repairNode("old", SideOld, RoleWriter, changedRow("1", "y")), repairNode("new", SideNew, RoleWriter, row),
			}},
		},
		{
			name: "members of a group that differ", skipped: map[string]int64{"new": 1},
			in: CopiesRepair{Copies: []RepairCopy{repairNode("new", SideNew, RoleWriter, row), repairNode("new-1", SideNew, "member")}},
		},
		{
			name: "members of a group that differ alike", skipped: map[string]int64{"new": 0}, logged: true,
			in: CopiesRepair{Copies: []RepairCopy{repairNode("new", SideNew, RoleWriter, row), repairNode("new-1", SideNew, "member", row)}},
		},
		{
			name: "two writers that differ", skipped: map[string]int64{"new": 1},
			in: CopiesRepair{Copies: []RepairCopy{repairNode("new", SideNew, RoleWriter, row), repairNode("new-1", SideNew, RoleWriter)}},
		},
		{
			name: "old replicates from new", skipped: map[string]int64{"new": 0, "new-1": 0},
			in: CopiesRepair{RepairOptions: RepairOptions{TwoWay: true}, Copies: []RepairCopy{
				repairNode("new", SideNew, RoleWriter, row), repairNode("new-1", SideNew, RoleReplica, row),
			}},
		},
		{
			name: "a replica without the row's image", skipped: map[string]int64{"new": 0, "new-1": 1},
			in: CopiesRepair{Copies: []RepairCopy{repairNode("new", SideNew, RoleWriter, row), repairNode("new-1", SideNew, RoleReplica, noImage)}},
		},
		{
			name: "a writer that was not compared", skipped: map[string]int64{"new-1": 0},
			in: CopiesRepair{Copies: []RepairCopy{repairNode("new-1", SideNew, RoleReplica, row)}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, files, sums := filesOf(t, c.in)
			if len(files) != len(c.skipped) {
				t.Errorf("%d files", len(files))
			}
			for node, want := range c.skipped {
				if got := sums[node]; got.Skipped != want || got.Statements() != 1-want {
					t.Errorf("%s: %+v\n%s", node, got, files[node])
				}
				if node == "new" && logs(files[node], "UPDATE `s`") != c.logged {
					t.Errorf("logged %v\n%s", !c.logged, files[node])
				}
			}
		})
	}
}

// TestRepairHeadersSayTheirPlace: each file names its node and the order of all.
func TestRepairHeadersSayTheirPlace(t *testing.T) {
	row := changedRow("1", "x")
	in := CopiesRepair{
		RepairOptions: RepairOptions{Unread: []Node{{Label: "new-9\n; DROP"}}},
		Copies:        []RepairCopy{repairNode("new", SideNew, RoleWriter, row), repairNode("new-1", SideNew, RoleReplica, changedRow("2", "x"))},
	}
	in.Copies[1].Node.Server.Flavor = "mysql"
	in.Copies[1].Each, in.Copies[0].Each = over(tableDifference{"s.t", row}, tableDifference{"s.t", changedRow("2", "x")}), over(tableDifference{"s.t", row})
	_, files, _ := filesOf(t, in)
	for node, wants := range map[string][]string{
		"new":   {"file 2 of 2", "\"2-new.sql\" on \"new\"", "nobody compared \"new-9\\n; DROP\"", "1 row through the binary log"},
		"new-1": {"file 1 of 2", "SET GLOBAL super_read_only = OFF;", "1 row more of this node differs", "that the file of \"new\" mends"},
	} {
		for _, want := range wants {
			if !strings.Contains(files[node], want) {
				t.Errorf("%s does not say %q:\n%s", node, want, files[node])
			}
		}
	}
}
