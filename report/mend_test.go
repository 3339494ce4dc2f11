package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
)

// mendCells are an image of a row of two columns; "" stands for no row.
func mendCells(id, v string) []checksum.Cell {
	if v == "" {
		return nil
	}
	return []checksum.Cell{
		{Column: "id", Literal: id, Guard: "`id` = " + id, Key: true},
		{Column: "v", Literal: "'" + v + "'", Guard: "`v` <=> '" + v + "'"},
	}
}

// mendRowKey names a row of shop.t; the type of the values is of a package that report does not import.
func mendRowKey(values ...string) (r conflict.Row) {
	r.Table, r.Columns, r.Plain = "shop.t", []string{"id"}, true
	r.Key = slices.Grow(r.Key, len(values))[:len(values)]
	for i, v := range values {
		r.Key[i].Text = []byte(v)
	}
	return r
}

// mendBeside is what stands beside each other where a and b hold v.
func mendBeside(id, a, b string) checksum.Beside {
	d := checksum.Difference{Whole: true, Count: 1, OldRow: mendCells(id, a), NewRow: mendCells(id, b)}
	switch {
	case a == b:
	case a == "":
		d.Kind = checksum.Extra
	case b == "":
		d.Kind = checksum.Missing
	default:
		d.Kind = checksum.Changed
	}
	if a != b {
		d.Columns = []checksum.ColumnDiff{{Column: "v", Old: checksum.Value{Text: a}, New: checksum.Value{Text: b}}}
	}
	return checksum.Beside{Difference: d}
}

// mendRowOf is a row as the nodes old, new, new-1 hold it. was are what old and new committed, in the sides' order.
func mendRowOf(id string, nodes [3]string, was [2]string) MendRow {
	r := MendRow{Row: mendRowKey(id)}
	for side := range 2 {
		for _, v := range nodes {
			r.Beside[side] = append(r.Beside[side], mendBeside(id, nodes[side], v))
		}
	}
	for s, w := range was {
		if r.Acted[s] = w != "-"; r.Acted[s] {
			r.Beside[0][1].Holds[s] = [2]bool{nodes[0] == w, nodes[1] == w}
		}
	}
	return r
}

func mendInput(kind conflict.Kind, keep Keep, rows []MendRow, stops ...MendStop) *MendInput {
	in := &MendInput{
		By: "me", Rows: rows, Stops: stops,
		Nodes: []Node{
			{Label: "old", Side: SideOld, Role: RoleWriter, Server: checksum.EndpointInfo{Flavor: "mysql", Version: "9.7.0"}},
			{Label: "new", Side: SideNew, Role: RoleWriter, Server: checksum.EndpointInfo{Flavor: "mysql", Version: "9.7.0"}},
			{Label: "new-1", Side: SideNew, Role: RoleReplica, Server: checksum.EndpointInfo{Flavor: "mysql", Version: "9.7.0"}},
		},
	}
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	f := MendFinding{Keep: keep}
	f.ID, f.Kind, f.Table = strings.Repeat("a", 32), kind, "shop.t"
	f.Old, f.New = &conflict.Act{CommitTime: at}, &conflict.Act{CommitTime: at.Add(time.Second)}
	for i := range rows {
		f.Rows = append(f.Rows, i)
	}
	in.Findings = []MendFinding{f}
	return in
}

// mendSQL are the statements that change rows, node by node.
func mendSQL(t *testing.T, p *MendPlan) (out []string) {
	t.Helper()
	for i := range p.Files {
		var b bytes.Buffer
		if err := p.Write(&b, &p.Files[i]); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			for _, word := range []string{"INSERT", "UPDATE", "DELETE", "SET SESSION gtid_next = '", "SET GLOBAL gtid_slave_pos"} {
				if strings.HasPrefix(line, word) && !strings.Contains(line, "AUTOMATIC") {
					out = append(out, p.In.Nodes[p.Files[i].Node].Label+": "+strings.TrimSuffix(strings.TrimSpace(line), ";"))
				}
			}
		}
	}
	return out
}

const (
	toA = "UPDATE `shop`.`t` SET `v` = 'a' WHERE `id` = 5 AND `v` <=> 'b'"
	toB = "UPDATE `shop`.`t` SET `v` = 'b' WHERE `id` = 5 AND `v` <=> 'a'"
	noB = "DELETE FROM `shop`.`t` WHERE `id` = 5 AND `v` <=> 'b' LIMIT 1"
	inA = "INSERT INTO `shop`.`t` (`id`, `v`) SELECT 5, 'a' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `shop`.`t` WHERE `id` = 5)"
	inB = "INSERT INTO `shop`.`t` (`id`, `v`) SELECT 5, 'b' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `shop`.`t` WHERE `id` = 5)"
)

func TestMendPlan(t *testing.T) {
	apart := mendRowOf("5", [3]string{"a", "b", "b"}, [2]string{"a", "b"}) // each side holds its own
	swapped := mendRowOf("5", [3]string{"b", "a", "a"}, [2]string{"a", "b"})
	later := mendRowOf("5", [3]string{"c", "b", "b"}, [2]string{"a", "b"})
	oldOnly := mendRowOf("5", [3]string{"a", "", ""}, [2]string{"a", ""})
	newOnly := mendRowOf("5", [3]string{"", "b", "b"}, [2]string{"", "b"})
	gone := mendRowOf("5", [3]string{"", "", ""}, [2]string{"a", ""})
	behind := mendRowOf("5", [3]string{"a", "b", "a"}, [2]string{"a", "b"}) // new's replica already holds old's
	fresh := apart
	fresh.Fresh = [2]string{"105", "106"}
	beside := mendRowOf("7", [3]string{"", "x", "x"}, [2]string{"", "-"}) // what the transaction found there, nothing, is there still
	own := mendRowOf("7", [3]string{"y", "x", "x"}, [2]string{"", "-"})
	stop := func(rows ...int) MendStop {
		return MendStop{Node: 0, Side: conflict.New, Source: "new", Errno: 1062, GTID: "u:7", Rows: rows}
	}
	waits := func(rows ...int) MendStop { return MendStop{Node: 0, Side: conflict.New, Source: "new", Later: rows} }
	unknown := apart
	unknown.Beside[1] = []checksum.Beside{{}, {}, {Why: "it changed while it was read"}}
	for _, c := range []struct {
		name    string
		in      *MendInput
		sql     string // joined by "; "
		left    string
		dropped int
	}{
		{name: "one key, keep old", in: mendInput(conflict.InsertInsertPK, KeepOld, []MendRow{apart}), sql: "new-1: " + toA + "; new: " + toA, dropped: 1},
		{name: "one key, keep new", in: mendInput(conflict.InsertInsertPK, KeepNew, []MendRow{apart}), sql: "old: " + toB, dropped: 1},
		{name: "newer", in: mendInput(conflict.UpdateUpdate, KeepNewer, []MendRow{apart}), sql: "old: " + toB, dropped: 1},
		{
			name: "one key, both", in: mendInput(conflict.InsertInsertPK, KeepBoth, []MendRow{fresh}),
			sql: "new-1: " + toA + "; new-1: " + strings.ReplaceAll(inB, "5", "106") + "; new: " + toA + "; new: " + strings.ReplaceAll(inB, "5", "106") + "; old: " + strings.ReplaceAll(inB, "5", "106"),
		},
		{name: "one key, both, no step", in: mendInput(conflict.InsertInsertPK, KeepBoth, []MendRow{apart}), left: "keep both is not to be had"},
		{name: "both of one row", in: mendInput(conflict.UpdateUpdate, KeepBoth, []MendRow{apart}), left: "it is one row"},
		{name: "both of a value", in: mendInput(conflict.InsertInsertUnique, KeepBoth, []MendRow{oldOnly}), left: "the application's to say"},
		{name: "a value, keep old", in: mendInput(conflict.InsertInsertUnique, KeepOld, []MendRow{oldOnly}), sql: "new-1: " + inA + "; new: " + inA},
		{name: "a value, keep new", in: mendInput(conflict.UpdateUnique, KeepNew, []MendRow{newOnly}), sql: "old: " + inB},
		{name: "a value, the other one goes", in: mendInput(conflict.MultipleUnique, KeepOld, []MendRow{newOnly}), sql: "new-1: " + noB + "; new: " + noB, dropped: 1},
		{name: "a moved key", in: mendInput(conflict.UpdatePK, KeepOld, []MendRow{apart}), sql: "new-1: " + toA + "; new: " + toA, dropped: 1},
		// Each writer applied the other's change: what old committed is on new.
		{name: "swapped, keep old", in: mendInput(conflict.UpdateUpdate, KeepOld, []MendRow{swapped}), sql: "old: " + toA, dropped: 1},
		{name: "swapped, keep new", in: mendInput(conflict.UpdateUpdate, KeepNew, []MendRow{swapped}), sql: "new-1: " + toB + "; new: " + toB, dropped: 1},
		{name: "changed since", in: mendInput(conflict.UpdateUpdate, KeepOld, []MendRow{later}), left: "on neither writer as it was committed"},
		{name: "one deletes, keep the row", in: mendInput(conflict.UpdateDelete, KeepOld, []MendRow{oldOnly}), sql: "new-1: " + inA + "; new: " + inA},
		{name: "one deletes, keep the delete", in: mendInput(conflict.DeleteUpdate, KeepOld, []MendRow{newOnly}), sql: "new-1: " + noB + "; new: " + noB, dropped: 1},
		{name: "insert and delete", in: mendInput(conflict.InsertDelete, KeepNew, []MendRow{newOnly}), sql: "old: " + inB},
		{name: "orphan", in: mendInput(conflict.ForeignKeyOrphan, KeepNew, []MendRow{newOnly}), sql: "old: " + inB},
		{name: "a replica has it", in: mendInput(conflict.UpdateUpdate, KeepOld, []MendRow{behind}), sql: "new: " + toA, dropped: 1},
		{name: "both the same", in: mendInput(conflict.UpdateUpdateSame, "", []MendRow{mendRowOf("5", [3]string{"a", "a", "b"}, [2]string{"a", "a"})}), sql: "new-1: " + toA},
		{name: "both gone", in: mendInput(conflict.DeleteDelete, "", []MendRow{mendRowOf("5", [3]string{"", "", ""}, [2]string{"", ""})})},
		{name: "an echo", in: mendInput(conflict.EchoMismatch, KeepOld, []MendRow{later}), sql: "new-1: " + strings.ReplaceAll(toA, "'a'", "'c'") + "; new: " + strings.ReplaceAll(toA, "'a'", "'c'"), dropped: 1},
		{name: "an echo, newer", in: mendInput(conflict.MissingEcho, KeepNewer, []MendRow{later}), left: "which one is newer"},
		{name: "in doubt", in: mendInput(0, KeepNew, []MendRow{apart}), sql: "old: " + toB, dropped: 1},
		{name: "unjudged", in: mendInput(conflict.Unjudged, KeepNew, []MendRow{apart}), sql: "old: " + toB, dropped: 1},
		{name: "unjudged, no row", in: mendInput(conflict.Unjudged, KeepNew, nil), left: "only by hand"},
		{name: "a schema", in: mendInput(conflict.DDLRace, KeepNew, nil), left: "only by hand"},
		{name: "a step", in: mendInput(conflict.WrongStepKey, KeepNew, nil), left: "nothing to mend"},
		{name: "a session", in: mendInput(conflict.StaleSession, KeepNew, nil), left: "nothing to mend"},
		{name: "no choice", in: mendInput(conflict.UpdateUpdate, "", []MendRow{apart}), left: "nobody chose"},
		{name: "not known", in: mendInput(conflict.UpdateUpdate, KeepOld, []MendRow{unknown}), left: "changed while it was read"},
		// An applier is stopped at the other side's change.
		{name: "passed", in: mendInput(conflict.InsertInsertPK, KeepOld, []MendRow{apart}, stop(0)), sql: "new-1: " + toA + "; new: " + toA + "; old: SET SESSION gtid_next = 'u:7'", dropped: 1},
		{name: "passed with what else it changed", in: func() *MendInput {
			in := mendInput(conflict.InsertInsertPK, KeepOld, []MendRow{apart, beside}, stop(0, 1))
			in.Findings[0].Rows = []int{0}
			return in
		}(), sql: "new-1: " + toA + "; new: " + toA + "; old: INSERT INTO `shop`.`t` (`id`, `v`) SELECT 7, 'x' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `shop`.`t` WHERE `id` = 7); old: SET SESSION gtid_next = 'u:7'", dropped: 1},
		{name: "not passed, for what else it changed", in: func() *MendInput {
			bad := beside
			bad.Beside[1] = []checksum.Beside{{Why: "x"}, {}, {}}
			in := mendInput(conflict.InsertInsertPK, KeepOld, []MendRow{apart, bad}, stop(0, 1))
			in.Findings[0].Rows = []int{0}
			return in
		}(), left: "must not be passed"},
		{name: "not passed, for another row is old's own", in: func() *MendInput {
			in := mendInput(conflict.InsertInsertPK, KeepOld, []MendRow{apart, own}, stop(0, 1))
			in.Findings[0].Rows = []int{0}
			return in
		}(), left: "not there as that transaction found it"},
		{name: "not passed, for it is not known", in: mendInput(conflict.InsertInsertPK, KeepOld, []MendRow{apart}, MendStop{Node: 0, Side: conflict.New, Errno: 1062, Rows: []int{0}, Why: "a statement waits"}), left: "a statement waits"},
		{name: "more of it waits", in: mendInput(conflict.UpdateUpdate, KeepOld, []MendRow{apart}, waits(0)), left: "let them arrive"},
		{name: "more of what stays waits", in: mendInput(conflict.UpdateUpdate, KeepNew, []MendRow{apart}, waits(0)), sql: "old: " + toB, dropped: 1},
		// Old deleted nothing, new did; both have no row now, and old's update is only in the log.
		{name: "stopped at what is lost", in: mendInput(conflict.UpdateDelete, KeepOld, []MendRow{gone},
			MendStop{Node: 1, Side: conflict.Old, Source: "old", Errno: 1032, GTID: "u:7", Rows: []int{0}}), left: "on neither writer as it was committed"},
		{name: "stopped at what is given up", in: mendInput(conflict.UpdateDelete, KeepNew, []MendRow{gone},
			MendStop{Node: 1, Side: conflict.Old, Source: "old", Errno: 1032, GTID: "u:7", Rows: []int{0}}), sql: "new: SET SESSION gtid_next = 'u:7'", dropped: 1},
	} {
		for i := range c.in.Findings {
			if r := c.in.Rows; len(r) > 0 { // old's act is of the first row
				c.in.Findings[i].Old.Table, c.in.Findings[i].Old.Key, c.in.Findings[i].Old.After = "shop.t", r[0].Key, mendRowKey("5", "a").Key
			}
		}
		p := PlanMend(c.in)
		left := p.Groups[0].Left
		if !strings.Contains(left, c.left) || (left == "") != (c.left == "") {
			t.Errorf("%s: left %q", c.name, left)
		}
		if got := strings.Join(mendSQL(t, p), "; "); got != c.sql {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.sql)
		}
		if n := p.Dropped(); n != c.dropped {
			t.Errorf("%s: %d versions dropped, want %d", c.name, n, c.dropped)
		}
		if err := p.Tell(new(bytes.Buffer), false); err != nil {
			t.Error(err)
		}
	}
}

// TestMendDrops: what a choice takes away is named by its key in each file, kept with its values in one of its own, and nowhere
// shown that is not asked for.
func TestMendDrops(t *testing.T) {
	p := PlanMend(mendInput(conflict.UpdateUpdate, KeepOld, []MendRow{mendRowOf("5", [3]string{"secret-a", "secret-b", "secret-b"}, [2]string{"secret-a", "secret-b"})}))
	var kept, told, shown bytes.Buffer
	for w, f := range map[*bytes.Buffer]func() error{
		&kept: func() error { return p.WriteDropped(&kept) }, &told: func() error { return p.Tell(&told, false) }, &shown: func() error { return p.Tell(&shown, true) },
	} {
		if err := f(); err != nil {
			t.Fatal(err, w)
		}
	}
	if want := "-- INSERT INTO `shop`.`t` (`id`, `v`) VALUES (5, 'secret-b');"; !strings.Contains(kept.String(), want) {
		t.Errorf("no %s in\n%s", want, kept.String())
	}
	if strings.Contains(told.String(), "secret") || !strings.Contains(shown.String(), "secret-b") {
		t.Errorf("%s\n%s", told.String(), shown.String())
	}
	var file bytes.Buffer
	if err := p.Write(&file, &p.Files[0]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`-- DROPPED: the version of "shop.t" ("id" = "5") that "new" had committed`, "SET SESSION sql_log_bin = 0;", "WHERE @crosscheck_rows <> 1);\nCOMMIT;"} {
		if !strings.Contains(file.String(), want) {
			t.Errorf("no %q in\n%s", want, file.String())
		}
	}
}

// TestMendPasses: each way past a transaction holds only where the applier is as it was seen.
func TestMendPasses(t *testing.T) {
	row := mendRowOf("5", [3]string{"a", "b", "b"}, [2]string{"a", "b"})
	for _, c := range []struct {
		flavor, version string
		stop            MendStop
		want            []string
	}{
		{"mysql", "9.7.0", MendStop{GTID: "u:7"}, []string{"applier_moved WHERE GTID_SUBSET(", "SET SESSION gtid_next = 'u:7';\nSTART TRANSACTION;\nCOMMIT;", "START REPLICA SQL_THREAD FOR CHANNEL '';"}},
		{"mysql", "5.6.24", MendStop{GTID: "u:7"}, []string{"START SLAVE SQL_THREAD;"}},
		{"mariadb", "10.11", MendStop{GTID: "2-2-7", SlavePos: "2-2-6", Passed: "2-2-7", Channel: "c'x"}, []string{"applier_moved WHERE @@GLOBAL.gtid_slave_pos <> ", "STOP SLAVE 'c''x';\n", "SET GLOBAL gtid_slave_pos = '2-2-7';\nSTART SLAVE 'c''x';"}},
		{"mariadb", "10.11", MendStop{GTID: "2-2-7", Place: "log.1:99"}, []string{"BY HAND", `exactly "log.1:99"`, "--   SET GLOBAL sql_slave_skip_counter = 1; START SLAVE;"}},
		{"mysql", "9.7.0", MendStop{Place: "log.1:99"}, []string{"--   SET GLOBAL sql_replica_skip_counter = 1; START REPLICA;"}},
	} {
		c.stop.Side, c.stop.Errno, c.stop.Rows = conflict.New, 1062, []int{0}
		in := mendInput(conflict.InsertInsertPK, KeepOld, []MendRow{row}, c.stop)
		in.Nodes[0].Server = checksum.EndpointInfo{Flavor: c.flavor, Version: c.version}
		p := PlanMend(in)
		var b bytes.Buffer
		for i := range p.Files {
			if p.Files[i].Node == 0 {
				if err := p.Write(&b, &p.Files[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s %s: no %q in\n%s", c.flavor, c.version, want, b.String())
			}
		}
	}
}

func TestMendChoices(t *testing.T) {
	in := mendInput(conflict.UpdateUpdate, "", nil)
	var b bytes.Buffer
	if err := WriteChoices(&b, in.Findings); err != nil {
		t.Fatal(err)
	}
	got, err := ParseChoices(b.Bytes())
	if id := in.Findings[0].ID; err != nil || len(got) != 2 || got[id] != "" || got["update_update"] != "" {
		t.Errorf("%v %v in\n%s", got, err, b.String())
	}
	for _, bad := range []string{"[kind]\nx = \"old\"", "[kind]\nupdate_update = \"mine\"", "[other]\n", "x"} {
		if got, err = ParseChoices([]byte(bad)); err == nil {
			t.Errorf("%q is taken: %v", bad, got)
		}
	}
	for _, k := range conflict.Kinds() {
		if keeps, why := mendChoices(k); len(keeps) == 0 && why == "" {
			t.Error(fmt.Sprint(k), "has neither a choice nor a reason")
		}
	}
}
