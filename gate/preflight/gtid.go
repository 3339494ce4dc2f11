package preflight

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster/inspect"
)

// gtidLevel is how far a MySQL server is on the ladder to GTIDs.
func gtidLevel(s *inspect.Side) int {
	return slices.Index([]string{"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"}, strings.ToUpper(text(s, "gtid_mode")))
}

// gtid judges the naming of transactions. Where the versions cannot replicate
// at all, names do not matter.
func (j *judge) gtid() {
	if j.has("replication_unsupported") {
		return
	}
	switch o, n := j.old.Facts.IsMariaDB(), j.new.Facts.IsMariaDB(); {
	case o && n:
		j.domains()
	case !o && !n:
		j.gtidModes()
	}
}

func (j *judge) domains() {
	a, b := text(j.old, "gtid_domain_id"), text(j.new, "gtid_domain_id")
	if !j.twoWay() || a != b || a == "" {
		return
	}
	next := number(j.new, "gtid_domain_id") + 1
	j.add(Finding{
		ID: "gtid_domain_same", Side: SideBoth, Object: "gtid_domain_id", Found: "both: gtid_domain_id " + a,
		Fixes: []Fix{set(j.new, "gtid_domain_id", fmt.Sprint(next))},
	})
}

// takes tells whether a replica at one level can apply what a source at
// another writes: anonymous transactions are refused by ON, named ones by OFF.
func takes(source, replica int) bool {
	switch replica {
	case 0:
		return source <= 1
	case 3:
		return source >= 2
	}
	return true
}

func (j *judge) gtidModes() {
	o, n := gtidLevel(j.old), gtidLevel(j.new)
	if o < 0 || n < 0 {
		return // older than GTIDs, or not told
	}
	found := j.both("gtid_mode "+text(j.old, "gtid_mode"), "gtid_mode "+text(j.new, "gtid_mode"))
	there, back := takes(o, n) || j.path == GTIDConverter, !j.twoWay() || takes(n, o)
	switch {
	case !there:
		f := Finding{ID: "gtid_mode", Side: SideBoth, Object: "gtid_mode", Found: found + ": " + j.new.Label + " cannot apply what " + j.old.Label + " writes"}
		if n == 3 {
			f.Fixes = []Fix{set(j.new, "gtid_mode", "ON_PERMISSIVE")}
			f.Fixes[0].SQL = strings.ReplaceAll(f.Fixes[0].SQL, "'", "")
		} else {
			f.Fixes = j.permissive(j.new)
		}
		j.add(f)
	case !back:
		j.add(Finding{ID: "gtid_mode", Side: SideBoth, Object: "gtid_mode", Found: found + ": " + j.old.Label + " cannot apply what comes back from " + j.new.Label, Fixes: j.wayBack(o, n)})
	default:
		j.consistency(o, n)
	}
}

// wayBack is how old is made to take what new writes: one that refuses unnamed
// transactions must not go down the ladder, new must go up.
func (j *judge) wayBack(o, n int) []Fix {
	if o < 3 {
		return j.permissive(j.old)
	}
	var out []Fix
	for _, mode := range []string{"OFF_PERMISSIVE", "ON_PERMISSIVE"}[n:] {
		f := set(j.new, "gtid_mode", mode)
		f.SQL = strings.ReplaceAll(f.SQL, "'", "")
		out = append(out, f)
	}
	return out
}

// permissive is how a server is made to take named transactions; before 5.7
// that needs a restart of everything.
func (j *judge) permissive(s *inspect.Side) []Fix {
	if !s.Facts.AtLeast(5, 7, 6) {
		return nil
	}
	out := []Fix{set(s, "enforce_gtid_consistency", "ON"), set(s, "gtid_mode", "OFF_PERMISSIVE")}
	if gtidLevel(j.other(s)) == 3 || strings.EqualFold(text(s, "enforce_gtid_consistency"), "ON") {
		out = out[1:]
		if !strings.EqualFold(text(s, "enforce_gtid_consistency"), "ON") {
			out = append([]Fix{set(s, "enforce_gtid_consistency", "ON")}, out...)
		}
	}
	for i := range out {
		out[i].SQL = strings.ReplaceAll(out[i].SQL, "'", "")
	}
	return out
}

// consistency: statements that cannot be named must be refused on both sides
// alike as soon as transactions are named on one.
func (j *judge) consistency(o, n int) {
	a, b := enforces(j.old), enforces(j.new)
	plan := j.path == GTIDRestart || j.path == GTIDConverter
	f := Finding{
		ID: "enforce_gtid_consistency", Object: "enforce_gtid_consistency",
		Found: j.both("enforce_gtid_consistency "+text(j.old, "enforce_gtid_consistency"), "enforce_gtid_consistency "+text(j.new, "enforce_gtid_consistency")),
	}
	for _, s := range j.sides() {
		if !enforces(s) && s.Facts.AtLeast(5, 7, 6) {
			f.Fixes = append(f.Fixes, Fix{On: s.Label, SQL: strings.ReplaceAll(set(s, "enforce_gtid_consistency", "WARN").SQL, "'", "")})
		}
	}
	switch {
	case a && b:
		return
	case a != b:
		f.Side = map[bool]string{true: j.new.Label, false: j.old.Label}[a]
	case o > 0 || n > 0:
		f.Side = SideBoth
	case plan:
		f.Side, f.Severity = SideBoth, Info // the next thing to do on the way, not a mistake
	default:
		return
	}
	if j.path == GTIDConverter && a != b && n == 3 {
		f.Severity = Info // old names nothing; the converter does
	}
	j.add(f)
}

func enforces(s *inspect.Side) bool {
	v := strings.ToUpper(text(s, "enforce_gtid_consistency"))
	return v == "ON" || v == "1"
}
