package gate

import (
	"slices"
	"strings"
	"time"
)

func (c Preflight) problem(time.Time) string { return findingsProblem(c.Findings) }
func (c Check) problem(time.Time) string     { return c.Coverage.problem(c.Verdict) }
func (c RestoredCopy) problem(time.Time) string {
	if c.Copy == "" {
		return "it does not say which server the copy is"
	}
	return c.Coverage.problem(c.Verdict)
}

func (c Coverage) problem(verdict string) string {
	switch {
	case !slices.Contains([]string{Same, Different, Undecided}, verdict):
		return "it has no verdict"
	case c.Tables < 0 || c.Rows < 0:
		return "it has counts below zero"
	case c.Complete && len(c.Missed) > 0:
		return "it calls itself complete and names tables that it missed"
	}
	return ""
}

func (c Sync) problem(taken time.Time) string {
	seen := make(map[string]bool)
	for _, l := range c.Links {
		switch key := l.From + "→" + l.To; {
		case l.From == "" || l.To == "":
			return "a link has no ends"
		case seen[key]:
			return "it tells of " + key + " twice"
		case l.Lag < 0:
			return "a lag is below zero"
		case l.Since.After(taken):
			return "a link runs from a later moment on"
		default:
			seen[key] = true
		}
	}
	return ""
}

func (c Steps) problem(time.Time) string        { return "" }
func (c StepRestored) problem(time.Time) string { return "" }

func (c Watch) problem(taken time.Time) string {
	switch {
	case c.Since.IsZero() || c.Since.After(taken):
		return "it does not say from when on it watches"
	case c.LastFailure.After(taken):
		return "it tells of a finding after its end"
	case len(c.Failures) > 0 && c.LastFailure.IsZero():
		return "it counts findings and does not say when the last was"
	case c.Differ < 0 || c.Open < 0:
		return "it has counts below zero"
	}
	return ""
}

func (c ReadsSwitch) problem(taken time.Time) string { return c.Traffic.problem(c.Switched, taken) }

func (c WritesSwitch) problem(taken time.Time) string { return c.Traffic.problem(c.Switched, taken) }

func (c Traffic) problem(switched, taken time.Time) string {
	switch {
	case switched.After(taken):
		return "it tells of a switch after its end"
	case c.AppOnNew < 0 || c.ReadersOnNew < 0 || c.OldWrites < 0 || c.NewWrites < 0 || c.NewByApp < 0 || c.Window < 0:
		return "it has counts below zero"
	}
	return ""
}

func (c Drained) problem(taken time.Time) string {
	switch {
	case c.Since.After(taken):
		return "it tells of a time after its end"
	case c.OldWrites < 0:
		return "it has counts below zero"
	}
	return ""
}

func (c ReadOnly) problem(taken time.Time) string {
	if c.Since.After(taken) || c.T1.After(taken) {
		return "old is read only from a later moment on"
	}
	return ""
}

func (c GTID) problem(time.Time) string {
	names := make([]string, 0, len(c.Nodes))
	for _, n := range c.Nodes {
		names = append(names, n.Name)
	}
	return namesProblem(names)
}

func (c Converter) problem(time.Time) string {
	if c.Compared < 0 {
		return "it has counts below zero"
	}
	names := make([]string, 0, len(c.Nodes))
	for _, n := range c.Nodes {
		names = append(names, n.Name)
	}
	return namesProblem(names)
}

func namesProblem(names []string) string {
	slices.Sort(names)
	switch {
	case slices.Contains(names, ""):
		return "a node has no name"
	case len(slices.Compact(slices.Clone(names))) < len(names):
		return "it tells of a node twice"
	}
	return ""
}

func (c Schema) problem(time.Time) string { return findingsProblem(c.Differences) }
func (c Config) problem(time.Time) string { return findingsProblem(c.Differences) }

func (c Rehearsal) problem(taken time.Time) string {
	switch {
	case c.Issued.IsZero() || c.Issued.After(taken):
		return "it does not say when the rehearsal's certificate was issued"
	case c.Certificate == "":
		return "it does not say which certificate"
	}
	return ""
}

func (c Health) problem(taken time.Time) string {
	if c.Since.IsZero() || c.Since.After(taken) {
		return "it does not say from when on"
	}
	return ""
}

func (c SignOff) problem(time.Time) string {
	if strings.TrimSpace(c.By) == "" {
		return "it does not say who signs"
	}
	return ""
}

func (c Override) problem(time.Time) string {
	if c.Gate == "" || strings.TrimSpace(c.By) == "" || strings.TrimSpace(c.Why) == "" {
		return "it does not say which gate, who and why"
	}
	return ""
}

func (c Hook) problem(time.Time) string {
	if c.Gate == "" {
		return "it does not say of which gate"
	}
	return ""
}

func (c Action) problem(time.Time) string { return "" }

func (c Unmeasured) problem(time.Time) string {
	if c.Of == "" {
		return "it does not say of what"
	}
	return ""
}

func (c Decision) problem(time.Time) string {
	if c.Gate == "" {
		return "it does not say of which gate"
	}
	return ""
}
