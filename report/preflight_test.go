package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"crosscheck/gate/preflight"
)

// samplePreflight has one of everything, and many of one.
func samplePreflight() preflight.Result {
	r := preflight.Result{
		Path: preflight.DualWrite, Duration: preflight.DefaultDuration, Taken: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Verdict: preflight.Fail,
		Old:      preflight.Server{Addr: "10.0.0.1:3306", UUID: "u-1", Version: "5.6.24-log", Flavor: "mysql", Account: "ro@%", ServerID: 1, Tables: 12, Bytes: 3 << 40},
		New:      preflight.Server{Addr: "10.0.1.1:3306", UUID: "mariadb-2", Version: "10.11.14-MariaDB-log", Flavor: "mariadb", Account: "ro@%", ServerID: 1, Tables: 12, Bytes: 1 << 30, FreeBytes: 5},
		Relation: "new replicates from old (10.0.0.1:3306), proof by file and position",
		Unused:   []string{"engine:shop.gone"},
	}
	r.Findings = []preflight.Finding{
		{
			ID: "server_id_same", Severity: preflight.Fatal, Side: preflight.SideBoth, Object: "server_id", Found: "both: server_id 1", Why: "It is dropped.",
			Do: "Change it.", Fixes: []preflight.Fix{{On: "new", SQL: "SET GLOBAL server_id = 2"}},
		},
		{ID: "replica_skip_errors", Severity: preflight.Lossy, Side: preflight.SideNew, Object: "slave_skip_errors", Found: "new: errors skipped: 1062", Why: "Rows are lost.", Do: "Remove it from the configuration file."},
		{
			ID: "privilege_missing", Severity: preflight.Warning, Side: preflight.SideOld, Object: "PROCESS", Found: "old: ro@% lacks PROCESS", Why: "It is not seen.",
			Do: "Grant it.", Fixes: []preflight.Fix{{On: "old", SQL: "GRANT PROCESS ON *.* TO 'ro'@'%'"}}, Unseen: true,
		},
	}
	for i := range 11 {
		r.Findings = append(r.Findings, preflight.Finding{
			ID: "table_without_key", Severity: preflight.Warning, Side: preflight.SideBoth, Object: fmt.Sprintf("shop.log_%d", i), Found: "both: no key", Why: "It is slow.",
			Do: "Add one.", Fixes: []preflight.Fix{{On: "old", SQL: fmt.Sprintf("ALTER TABLE `shop`.`log_%d` ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY", i)}},
		})
	}
	return preflightTail(r)
}

func preflightTail(r preflight.Result) preflight.Result {
	r.Findings = append(r.Findings,
		preflight.Finding{ID: "config_sql_mode", Severity: preflight.Warning, Side: preflight.SideBoth, Object: "sql_mode", Found: "only new: A, B", Why: "Other values.", Do: "Set it.", Accepted: true},
		preflight.Finding{ID: "size", Severity: preflight.Info, Side: preflight.SideBoth, Object: "data", Found: "old: 3 TiB\x1b[31m|<b>", Why: "Time.", Do: "Nothing."},
	)
	return r
}

func TestPreflightForms(t *testing.T) {
	doc := NewPreflight(samplePreflight())
	for _, f := range []struct {
		name   string
		format Format
		opt    TermOptions
	}{
		{"preflight.txt", FormatTable, TermOptions{}},
		{"preflight-color-120.ansi", FormatTable, TermOptions{Color: true, Width: 120}},
		{"preflight.json", FormatJSON, TermOptions{}},
		{"preflight.md", FormatMarkdown, TermOptions{}},
	} {
		var b bytes.Buffer
		if err := RenderPreflight(&b, f.format, doc, f.opt); err != nil {
			t.Fatal(err)
		}
		golden(t, f.name, b.Bytes())
		if f.format == FormatTable && !f.opt.Color {
			for line := range strings.SplitSeq(b.String(), "\n") {
				if width(line) > minWidth || strings.Contains(line, "\x1b") {
					t.Errorf("line of %d cells: %q", width(line), line)
				}
			}
		}
	}
	for _, f := range []Format{FormatHTML, FormatJUnit, "yaml"} {
		if err := RenderPreflight(&bytes.Buffer{}, f, doc, TermOptions{}); err == nil {
			t.Errorf("%s was rendered", f)
		}
	}
}

func TestPreflightCounts(t *testing.T) {
	r := samplePreflight()
	doc := NewPreflight(r)
	want := PreflightCounts{Fatal: 1, Lossy: 1, Warning: 12, Info: 1, Unseen: 1, Accepted: 1}
	if doc.Counts != want {
		t.Errorf("%+v, want %+v", doc.Counts, want)
	}
	if s := doc.Summary(); s != "fail: 1 fatal, 1 lossy, 11 warnings to mend or accept before dual-write; 1 thing could not be found out; 1 accepted" {
		t.Error(s)
	}
	r.Verdict, r.Findings = preflight.Unknown, r.Findings[2:3]
	doc = NewPreflight(r)
	if s := doc.Summary(); s != "unknown: 1 thing could not be found out" {
		t.Error(s)
	}
	r.Verdict, r.Findings = preflight.Pass, nil
	doc = NewPreflight(r)
	if s := doc.Summary(); s != "pass: nothing stands in the way of dual-write" {
		t.Error(s)
	}
	hidden := doc
	hidden.Findings = []PreflightFinding{{ID: preflight.NotVisible, Object: "triggers", Severity: "info"}}
	if s := hidden.Summary(); s != "pass: nothing stands in the way of dual-write; not judged: triggers" {
		t.Error(s)
	}
	if raw, err := json.Marshal(doc); err != nil || !strings.Contains(string(raw), `"findings":[]`) {
		t.Errorf("%s %v", raw, err)
	}
}
