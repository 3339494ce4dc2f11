package record

import (
	"testing"

	"crosscheck/gate"
	"crosscheck/gate/certificate"
	"crosscheck/gate/plan"
)

// TestRehearsed: a rehearsal passed if all of its gates did; its own gate of that name, which no first rehearsal can pass, may
// have been overridden.
func TestRehearsed(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    map[string]gate.State // gates that did not pass
		drop      string
		overrides []string
		want      gate.State
		count     int
	}{
		{name: "all passed", want: gate.Pass},
		{name: "its own overridden", change: map[string]gate.State{plan.GateRehearsal: gate.Overridden}, overrides: []string{plan.GateRehearsal}, want: gate.Pass},
		{name: "its own shut", change: map[string]gate.State{plan.GateRehearsal: gate.Unknown}, want: gate.Unknown},
		{
			name: "another overridden", change: map[string]gate.State{plan.GateHealth: gate.Overridden}, overrides: []string{plan.GateHealth, plan.GateRehearsal},
			want: gate.Overridden, count: 1,
		},
		{name: "an override that was not needed", overrides: []string{plan.GateHealth}, want: gate.Pass, count: 1},
		{name: "failed", change: map[string]gate.State{plan.GateHealth: gate.Fail, plan.GateSignedOff: gate.Unknown}, want: gate.Fail},
		{name: "a gate is not told of", drop: plan.GateHealth, want: gate.Unknown},
	} {
		d := certificate.Document{Path: plan.RollingUpgrade}
		for _, name := range d.Path.Gates() {
			g := certificate.Gate{Result: gate.Result{Gate: name, State: gate.Pass}}
			if state, ok := c.change[name]; ok {
				g.State = state
			}
			if name != c.drop {
				d.Gates = append(d.Gates, g)
			}
		}
		for _, name := range c.overrides {
			d.Overrides = append(d.Overrides, gate.OverrideNote{Gate: name})
		}
		if got, n := rehearsed(d); got != c.want || n != c.count {
			t.Errorf("%s: %s with %d overrides, want %s with %d", c.name, got, n, c.want, c.count)
		}
	}
	if got, _ := rehearsed(certificate.Document{}); got == gate.Pass {
		t.Error("nothing at all passed")
	}
}
