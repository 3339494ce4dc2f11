package preflight

import (
	"maps"
	"slices"

	"crosscheck/cluster/inspect"
)

// hiddenEvents goes by what the schedulers wait for, and what they have run,
// where the events themselves are hidden on a side.
func (j *judge) hiddenEvents() {
	if j.old.Sees[inspect.Event] && j.new.Sees[inspect.Event] || j.has("event_on_both") {
		return
	}
	var runs [2]map[string]bool // by name, as far as names are known
	for i, s := range j.sides() {
		runs[i] = maps.Clone(s.UsedEvents)
		enabled := false
		for k := range s.Programs {
			if p := &s.Programs[k]; p.Kind == inspect.Event && p.Status == "ENABLED" && on(s, "event_scheduler") {
				if enabled = true; runs[i] == nil {
					runs[i] = map[string]bool{}
				}
				runs[i][programName(p)] = true
			}
		}
		if s.Queue != inspect.QueueWaiting && !enabled {
			return
		}
	}
	f := Finding{
		ID: "event_on_both", Severity: Info, Side: SideBoth, Object: "events",
		Found: "both: the scheduler waits for the time of an event; which one, and whether it is enabled still, is hidden from the account",
		Do: "Give EVENT for the time of the preflight: it shows the events by name. Disable what is enabled on both on the side that is not to run it. " +
			"(A scheduler waits on for an event that was dropped or disabled, until its time comes.)",
	}
	for _, name := range slices.Sorted(maps.Keys(runs[0])) {
		if runs[1][name] {
			f.Severity, f.Object, f.Found = Warning, name, "both have run it since they were started, and their schedulers wait for the time of an event; what is enabled is hidden from the account"
			break
		}
	}
	for _, s := range j.sides() {
		for _, g := range s.Hidden {
			if g.What == "events" {
				f.Fixes = append(f.Fixes, Fix{On: s.Label, SQL: g.Grant})
			}
		}
	}
	j.add(f)
}

// brokenViews judges views that cannot be read on new. Where something is
// missing that is named already, that is why.
func (j *judge) brokenViews() {
	if j.has("schema_missing", "table_missing", "column_missing", "routine_missing", "view_missing", "function_removed", "syntax_removed") {
		return
	}
	broken := map[string]bool{}
	for i := range j.old.Programs {
		if p := &j.old.Programs[i]; p.Broken != "" {
			broken[programName(p)] = true
		}
	}
	for i := range j.new.Programs {
		p := &j.new.Programs[i]
		if p.Broken == "" {
			continue
		}
		f := Finding{ID: "view_broken", Side: j.new.Label, Object: programName(p), Found: j.new.Label + ": " + p.Broken}
		if broken[programName(p)] {
			f.Side, f.Severity, f.Found = SideBoth, Info, "both: "+p.Broken
		}
		j.add(f)
	}
}
