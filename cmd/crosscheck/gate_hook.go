package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
	"crosscheck/internal/fault"
)

const (
	hookPause   = 10 * time.Second // between two runs of one hook by one waiting command
	hookGrace   = 2 * time.Second  // for a hook to end after it was told to
	hookOutput  = 64 << 10         // bytes of its output that are looked at
	hookMessage = 300              // characters of its last line that are recorded
)

// runHooks runs the hooks of gates that are open but for them, up to the named gate, or all if it is "". A hook with a
// veto runs as soon as nothing else is missing; one without, once the gate was not open before. It says whether there is
// new evidence.
func (m *migration) runHooks(ctx context.Context, s gate.Status, name string) (bool, error) {
	for _, r := range s.Gates {
		h, ok := m.plan.Hooks[r.Gate]
		if ok && m.wantsHook(h, r) && time.Since(m.hookRuns[r.Gate]) > hookPause {
			m.hookRuns[r.Gate] = time.Now()
			c, err := m.runHook(ctx, h, r)
			if err != nil {
				return false, err
			}
			e, err := m.make(s, c)
			if err != nil {
				return false, err
			}
			m.keep(e, false)
			return true, nil
		}
		if r.Gate == name {
			break
		}
	}
	return false, nil
}

func (m *migration) wantsHook(h plan.Hook, r gate.Result) bool {
	if h.Veto { // a no is asked about again: it may have been about the hour
		return r.WantsHook() || len(r.Reasons) == 1 && r.Reasons[0].ID == gate.ReasonHookVetoed
	}
	if r.State != gate.Pass || !r.Stays.IsZero() {
		return false
	}
	for e := range m.evidence.Backward() {
		d, ok := e.Content.(gate.Decision)
		run, isHook := e.Content.(gate.Hook)
		if e.Plan == m.hash && (ok && d.Gate == r.Gate && d.State.Open() || isHook && run.Gate == r.Gate) {
			return false
		}
	}
	return true
}

// runHook runs a hook's command, without a shell. The gate's result is its input, as JSON. The error is the context's.
func (m *migration) runHook(ctx context.Context, h plan.Hook, r gate.Result) (gate.Hook, error) {
	out := gate.Hook{Gate: r.Gate, Command: h.Command}
	input, err := json.Marshal(r)
	if err != nil {
		return out, fmt.Errorf("input of the hook of %s: %w", r.Gate, err)
	}
	limited, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	cmd := exec.CommandContext(limited, h.Command[0], h.Command[1:]...) //nolint:gosec // the plan names it
	said := &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), said, said
	cmd.Env = m.hookEnv(r)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // and all that it started
	cmd.WaitDelay = hookGrace
	m.log.Info("run the hook", "gate", r.Gate, "command", h.Command[0])
	err = cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what would not end
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return out, ctx.Err()
	case limited.Err() != nil:
		out.TimedOut, out.Exit = true, -1
	case err == nil:
	case errors.As(err, &exit):
		if out.Exit = exit.ExitCode(); out.Exit < 0 { // a signal ended it, which it had no time to tell
			said.last, said.part = []byte(exit.Error()), nil
		}
	default: // it could not be run
		out.Exit = -1
		said.last = []byte(fault.Line(err.Error()))
	}
	out.Output = said.line()
	return out, nil
}

// hookEnv is the environment of a hook: ours without addresses and passwords of servers, and what the hook is about.
func (m *migration) hookEnv(r gate.Result) []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "CROSSCHECK_") && name != "MYSQL_PWD" {
			out = append(out, kv)
		}
	}
	for _, v := range []struct{ name, value string }{
		{"GATE", r.Gate},
		{"PATH", string(m.plan.Path)},
		{"PLAN", m.absPlan()},
		{"PLAN_HASH", m.hash},
		{"STATE", m.dir},
		{"OLD_DSN", m.plan.Old.DSN},
		{"NEW_DSN", m.plan.New.DSN},
		{"OLD_UUID", m.plan.Old.ServerUUID},
		{"NEW_UUID", m.plan.New.ServerUUID},
	} {
		out = append(out, fmt.Sprintf("CROSSCHECK_%s=%s", v.name, v.value))
	}
	return out
}

// tail keeps the last line that is written to it.
type tail struct {
	last, part []byte
}

// Write implements io.Writer; it never fails, so that a talkative hook does not die of a full pipe.
func (t *tail) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n':
			if len(bytes.TrimSpace(t.part)) > 0 {
				t.last = t.part
			}
			t.part = nil
		case len(t.part) < hookOutput:
			t.part = append(t.part, c)
		}
	}
	return len(p), nil
}

func (t *tail) line() string {
	last := t.last
	if len(bytes.TrimSpace(t.part)) > 0 {
		last = t.part
	}
	text := []rune(strings.ToValidUTF8(strings.TrimSpace(string(last)), "�"))
	if len(text) > hookMessage {
		text = append(text[:hookMessage-1], '…')
	}
	return string(text)
}
