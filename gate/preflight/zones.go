package preflight

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// zones compares the named time zones: those of old must be on new, and mean the same.
func (j *judge) zones() {
	if !j.old.ZonesKnown || !j.new.ZonesKnown {
		return // which is said where it was not found out
	}
	used := map[string]bool{}
	for _, s := range j.sides() {
		for _, z := range usedZones(s) {
			used[z] = true
		}
	}
	var missing, other, otherUsed []string
	for _, name := range slices.Sorted(maps.Keys(j.old.Zones)) {
		n, there := j.new.Zones[name]
		switch {
		case !there:
			missing = append(missing, name)
		case n == j.old.Zones[name]:
		case used[strings.ToLower(name)]:
			otherUsed = append(otherUsed, name)
		default:
			other = append(other, name)
		}
	}
	add := func(id, found string, severity Severity, names ...string) {
		slices.SortStableFunc(names, func(a, b string) int { // those that are used first
			return boolOrder(used[strings.ToLower(b)]) - boolOrder(used[strings.ToLower(a)])
		})
		j.add(Finding{ID: id, Severity: severity, Side: j.new.Label, Object: "mysql.time_zone_name", Found: j.new.Label + ": " + found + list(names, "")})
	}
	switch {
	case len(missing) > 0 && len(j.new.Zones) == 0:
		add("time_zones_missing", fmt.Sprintf("no time zones, %s has %d: ", j.old.Label, len(j.old.Zones)), Warning, missing...)
	case len(missing) > 0:
		add("time_zones_missing", "lacks time zones of "+j.old.Label+": ", Warning, missing...)
	}
	if len(otherUsed) > 0 {
		add("time_zones_differ", "other times than on "+j.old.Label+" in zones that are used: ", Warning, otherUsed...)
	} else if len(other) > 0 {
		add("time_zones_differ", "other times than on "+j.old.Label+" in zones that nothing was seen to use: ", Info, other...)
	}
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// zoneText is what may be the name of a zone in a text of SQL.
var zoneText = regexp.MustCompile(`['"]([A-Za-z][A-Za-z0-9_+/-]*)['"]`)

// usedZones are the zones that a server uses, as far as it shows: its own, its sessions', its events', and those that programs
// name. In lower case.
func usedZones(s *inspect.Side) []string {
	var out []string
	for _, z := range s.UsedZones {
		out = append(out, strings.ToLower(z))
	}
	for i := range s.Programs {
		for _, m := range zoneText.FindAllStringSubmatch(s.Programs[i].Body, -1) {
			out = append(out, strings.ToLower(m[1]))
		}
	}
	return out
}
