package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// sampleGates is a migration half-way: one gate kept open, one overridden, one that fails, one that waits.
func sampleGates() GatesDocument {
	at := time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)
	evil := "app\x1b[31m|<b>\n# x"
	s := gate.Status{
		Path: plan.DualWrite, PlanHash: "hash", Old: "old-uuid", New: "new-uuid", At: at, State: gate.Fail,
		Gates: []gate.Result{
			{Gate: "preflight", State: gate.Pass, Taken: at.Add(-time.Hour), Stays: at.Add(-time.Minute), Rested: []gate.EvidenceID{"e1"}},
			{
				Gate: "replica-in-sync", State: gate.Overridden, Override: &gate.OverrideNote{Gate: "replica-in-sync", By: "ann", Why: evil},
				Reasons: []gate.Reason{{ID: gate.ReasonEvidenceMissing, State: gate.Unknown, Text: "none", Next: "crosscheck check"}},
			},
			{Gate: "steps-set", State: gate.Fail, Taken: at.Add(-3 * time.Second), Reasons: []gate.Reason{
				{ID: gate.ReasonStaleSessions, State: gate.Fail, Text: "2 sessions: 7 " + evil, Next: "on old: KILL 7; KILL 8"},
				{ID: gate.ReasonStaleSessions, State: gate.Fail, Text: "on new too", Next: "on new: KILL 9"},
			}},
			{Gate: "writes-switched", State: gate.Unknown, Reasons: []gate.Reason{{ID: gate.ReasonEarlierGate, State: gate.Unknown, Text: "waits", Next: "wait"}}},
		},
		Overrides: []gate.OverrideNote{
			{Gate: "replica-in-sync", By: "ann", Why: evil, When: at, InForce: true}, {Gate: "steps-set", By: "bob", Why: "of old", When: at},
		},
	}
	return NewGates(s, GatesOptions{
		Plan: "m.toml", OldDSN: "@old", NewDSN: "@new", Command: func(next string) string { return strings.ReplaceAll(next, "wait", "WAIT") },
		Actions: []gate.Action{{Name: "kill-stale-sessions", Statements: []string{"old: KILL 7"}}}, Notes: []string{"health was not measured: " + evil},
	})
}

func gatesText(t *testing.T, f Format, d GatesDocument, o TermOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := RenderGates(&b, f, d, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGatesOnATerminal(t *testing.T) {
	plain := gatesText(t, FormatTable, sampleGates(), TermOptions{Width: 80})
	for _, want := range []string{
		"preflight", "✓ pass", "proven at 2026-01-31 23:58:59", "! overridden", "opened by ann: evidence_missing", "✗ steps-set",
		"→ on old: KILL 7; KILL 8", "--apply kill-stale-sessions would run", "override of steps-set by bob", "(not in\n",
		"fail: 2 of 4 gates of dual-write are open; next is steps-set",
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
	if strings.Contains(plain, "→ WAIT") || strings.Contains(plain, "crosscheck check") {
		t.Errorf("gates behind the first shut one, or open ones, say what to do:\n%s", plain)
	}
	if strings.ContainsAny(plain, "\x1b\r") {
		t.Errorf("escape sequences:\n%q", plain)
	}
	long := sampleGates()
	long.Plan, long.Offline = strings.Repeat("long/", 20)+"m.toml", true
	late := int64(640)
	for i := range long.Gates {
		long.Gates[i].Gate, long.Gates[i].AgeSeconds = "restored-copy-checked", &late
	}
	for line := range strings.Lines(plain + gatesText(t, FormatTable, long, TermOptions{Width: 80})) {
		if width(strings.TrimRight(line, "\n")) > 80 || strings.HasSuffix(line, " \n") {
			t.Errorf("too long, or blanks at the end: %q", line)
		}
	}
	painted := gatesText(t, FormatTable, sampleGates(), TermOptions{Width: 80, Color: true})
	if !strings.Contains(painted, "\x1b[31m✗ fail\x1b[0m") {
		t.Errorf("a failing gate is not red:\n%q", painted)
	}
}

func TestGatesAsJSON(t *testing.T) {
	var d GatesDocument
	if err := json.Unmarshal([]byte(gatesText(t, FormatJSON, sampleGates(), TermOptions{})), &d); err != nil {
		t.Fatal(err)
	}
	switch {
	case d.Schema != GatesSchema, d.State != "fail", len(d.Gates) != 4, d.Gates[0].AgeSeconds == nil, *d.Gates[0].AgeSeconds != 3600,
		d.Gates[3].AgeSeconds != nil, d.Gates[3].Reasons[0].Next != "WAIT", d.Gates[1].By != "ann", d.Gates[2].By != "",
		len(d.Gates[2].Reasons) != 2, len(d.Override) != 2, d.Override[1].InForce:
		t.Errorf("%+v", d)
	}
}

func TestGatesAsMarkdown(t *testing.T) {
	text := gatesText(t, FormatMarkdown, sampleGates(), TermOptions{})
	if !strings.Contains(text, "| steps-set | ❌ fail | 3 s |") || strings.Contains(text, "\n# x") || strings.Contains(text, "<b>") || strings.Contains(text, "\x1b") {
		t.Errorf("\n%s", text)
	}
}

func TestOneGate(t *testing.T) {
	s := gate.Status{Path: plan.DualWrite, State: gate.Fail, Gates: []gate.Result{
		{Gate: "preflight", State: gate.Fail}, {Gate: "steps-set", State: gate.Unknown, Reasons: []gate.Reason{{ID: "x", Text: "why", Next: "do"}}},
	}}
	d := NewGates(s, GatesOptions{Gate: "steps-set"})
	if d.State != "unknown" || len(d.Gates) != 1 || d.Summary() != "unknown: the gate steps-set of dual-write" {
		t.Errorf("%+v: %s", d, d.Summary())
	}
	if text := gatesText(t, FormatTable, d, TermOptions{}); !strings.Contains(text, "→ do") {
		t.Errorf("\n%s", text)
	}
}
