package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crosscheck/checksum"
	"crosscheck/internal/ledger"
	"crosscheck/report"
)

// TestStateHoldsAllCopies: report and repair are of all copies of the newest check in a state folder.
func TestStateHoldsAllCopies(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	book, err := ledger.Open(t.Context(), state, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ref := ledger.Node{Label: "old", Side: report.SideOld, Role: report.RoleWriter}
	var group int64
	for i, n := range []ledger.Node{
		{Label: "new", Side: report.SideNew, Role: report.RoleWriter},
		{Label: "new-1", Side: report.SideNew, Role: report.RoleReplica},
		{Label: "old-1", Side: report.SideOld, Role: report.RoleReplica},
	} {
		server := func(label string) checksum.EndpointInfo {
			return checksum.EndpointInfo{Addr: label + ":3306", ServerUUID: "uuid-" + label, Version: "9.7.4", Flavor: "mysql"}
		}
		info := ledger.RunInfo{Old: server("old"), New: server(n.Label), Relation: "old→new", Group: group, Place: i, Node: n, Reference: ref}
		if i == 0 {
			info.Unread = []ledger.Unread{{Node: ledger.Node{Label: "new-2", Side: report.SideNew, Role: report.RoleReplica}, Addr: "new-2:3306", Why: "seen only"}}
		}
		run, err := book.StartRun(t.Context(), info)
		if err != nil {
			t.Fatal(err)
		}
		group = run.Group()
		v := checksum.Same
		if i == 1 {
			v = checksum.Undecided
		}
		table := checksum.TableResult{Table: "s.t", Verdict: v, Method: "key chunks"}
		if err := run.Close(t.Context(), checksum.Result{Old: info.Old, New: info.New, Verdict: v, Tables: []checksum.TableResult{table}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "report", "--state", state, "--format", "json")
	p.wait(patience)
	var d report.CheckDocument
	if err := json.Unmarshal([]byte(p.stdout.String()), &d); err != nil {
		t.Fatalf("%v\n%s", err, p.stderr.String())
	}
	var got []string
	for _, n := range d.Nodes {
		got = append(got, fmt.Sprintf("%s %s %s", n.Label, n.Role, n.Verdict))
	}
	want := "old writer reference, new writer same, new-1 replica undecided, old-1 replica same, new-2 replica not compared"
	if text := strings.Join(got, ", "); text != want || d.Verdict != checksum.Undecided || len(d.Tables) != 1 || len(d.Tables[0].Copies) != 3 {
		t.Errorf("%s: %s; tables %+v", d.Verdict, text, d.Tables)
	}
	p = start(t, nil, "repair", "--state", state, "--node", "new-7")
	if code := p.wait(patience); code != exitUsage || !strings.Contains(p.oneLineError(), "new, new-1, old-1") {
		t.Errorf("an unknown node: %d, %s", code, p.stderr.String())
	}
}

// TestRepairFolder: files of another repair in the folder would be run along with these.
func TestRepairFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := []report.RepairFile{{Name: "1-new-1.sql"}, {Name: "2-new.sql"}}
	for _, c := range []struct {
		name string
		ok   bool
	}{{"notes.txt", true}, {"1-new-1.sql", true}, {"3-new.sql", false}} {
		if err := os.WriteFile(filepath.Join(dir, c.name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := repairFolder(dir, files); (err == nil) != c.ok {
			t.Errorf("beside %s: %v", c.name, err)
		}
	}
	if err := repairFolder(filepath.Join(dir, "notes.txt"), files); err == nil {
		t.Error("a file was taken for a folder")
	}
	made := filepath.Join(dir, "a", "b")
	if err := repairFolder(made, files); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode: %v, %v", info, err)
	}
}
