package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

func hooked(t *testing.T, command ...string) (*migration, plan.Hook) {
	t.Helper()
	m := &migration{log: slog.New(slog.DiscardHandler), hash: "the-hash", dir: "/state", flags: gateFlags{file: "plan.toml"}}
	m.plan.Path, m.plan.Old.DSN = plan.DualWrite, "@old"
	return m, plan.Hook{Command: command, Timeout: time.Minute, Veto: true}
}

func TestHookEndsAsItsCommand(t *testing.T) {
	for _, c := range []struct {
		name    string
		command []string
		want    gate.Hook
	}{
		{"allows", []string{"sh", "-c", "echo first; echo; echo last >&2"}, gate.Hook{Output: "last"}},
		{"vetoes", []string{"sh", "-c", "printf 'not today'; exit 3"}, gate.Hook{Exit: 3, Output: "not today"}},
		{"no shell", []string{"printf", "%s", "$HOME;`id`"}, gate.Hook{Output: "$HOME;`id`"}},
		{"no command", []string{"/no/such/program"}, gate.Hook{Exit: -1, Output: "fork/exec /no/such/program: no such file or directory"}},
		{"killed", []string{"sh", "-c", "kill -9 $$"}, gate.Hook{Exit: -1, Output: "signal: killed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, h := hooked(t, c.command...)
			got, err := m.runHook(t.Context(), h, gate.Result{Gate: "steps-set"})
			if err != nil || got.Exit != c.want.Exit || got.Output != c.want.Output || got.TimedOut || got.Gate != "steps-set" {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

// TestHookIsToldAndNotTrusted: it gets the gate, and no address or password of a server.
func TestHookIsToldAndNotTrusted(t *testing.T) {
	t.Setenv("CROSSCHECK_OLD_PASSWORD", "geheim")
	t.Setenv("CROSSCHECK_NEW_DSN", "root:geheim@tcp(h:1)/")
	t.Setenv("MYSQL_PWD", "geheim")
	file := filepath.Join(t.TempDir(), "told")
	m, h := hooked(t, "sh", "-c", "env > "+file+"; cat >> "+file)
	if _, err := m.runHook(t.Context(), h, gate.Result{Gate: "steps-set", State: gate.Unknown}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"CROSSCHECK_GATE=steps-set\n", "CROSSCHECK_PATH=dual-write\n", "CROSSCHECK_PLAN_HASH=the-hash\n", "CROSSCHECK_STATE=/state\n",
		"CROSSCHECK_OLD_DSN=@old\n", "/plan.toml\n", `{"gate":"steps-set","state":"unknown"}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "geheim") {
		t.Error("the hook was told a password")
	}
}

func TestHookThatDoesNotEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alive")
	m, h := hooked(t, "sh", "-c", "trap '' TERM; (while :; do date > "+file+"; sleep 0.1; done) & wait; sleep 60")
	// On a busy machine two seconds may not be enough for it to begin.
	for h.Timeout = 2 * time.Second; ; h.Timeout *= 2 {
		begin := time.Now()
		got, err := m.runHook(t.Context(), h, gate.Result{Gate: "steps-set"})
		if err != nil || !got.TimedOut || time.Since(begin) > h.Timeout+40*time.Second {
			t.Errorf("%+v, %v after %s", got, err, time.Since(begin))
		}
		if err = os.Remove(file); err == nil {
			break
		}
		if h.Timeout > time.Minute {
			t.Fatal("it did not run:", err)
		}
	}
	time.Sleep(500 * time.Millisecond)
	if _, err := os.Stat(file); err == nil {
		t.Error("what the hook started lives on")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.runHook(ctx, h, gate.Result{}); err == nil {
		t.Error("an interrupt is no result of a hook")
	}
}

func TestHookRunsWhenOnlyItIsMissing(t *testing.T) {
	m, h := hooked(t, "true")
	missing := []gate.Reason{{ID: gate.ReasonHookNotRun, State: gate.Unknown}}
	other := append([]gate.Reason{{ID: gate.ReasonStepWrong, State: gate.Fail}}, missing...)
	decided := gate.Evidence{Plan: m.hash, Taken: time.Now(), Content: gate.Decision{Gate: "g", State: gate.Pass}}
	for _, c := range []struct {
		name     string
		veto     bool
		r        gate.Result
		evidence []gate.Evidence
		want     bool
	}{
		{"veto, nothing else missing", true, gate.Result{Gate: "g", State: gate.Unknown, Reasons: missing}, nil, true},
		{"veto, more missing", true, gate.Result{Gate: "g", State: gate.Fail, Reasons: other}, nil, false},
		{"veto, open", true, gate.Result{Gate: "g", State: gate.Pass}, nil, false},
		{"no veto, open for the first time", false, gate.Result{Gate: "g", State: gate.Pass}, nil, true},
		{"no veto, open before", false, gate.Result{Gate: "g", State: gate.Pass}, []gate.Evidence{decided}, false},
		{"no veto, shut", false, gate.Result{Gate: "g", State: gate.Fail, Reasons: other}, nil, false},
		{"no veto, kept open", false, gate.Result{Gate: "g", State: gate.Pass, Stays: time.Now()}, nil, false},
	} {
		h.Veto, m.evidence = c.veto, gate.Book{}
		for _, e := range c.evidence {
			m.evidence.Add(e)
		}
		if got := m.wantsHook(h, c.r); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
