package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// judge collects the findings of one run.
type judge struct {
	pair     *inspect.Pair
	old, new *inspect.Side
	path     Path
	duration time.Duration
	findings []Finding
	// application are the plan's patterns of the application's accounts; none: all that may write.
	application []string
	inside      bool // of one cluster: new is a replica of old, and what they have alike is found on old
	// unusable is what of old cannot be made on new because of what it uses, as
	// findings call it: "the view shop.v". That new lacks it follows from that.
	unusable map[string]bool
}

// run asks everything, causes before what may follow from them.
func (j *judge) run() {
	if j.sameServer() {
		return // everything else would compare a server with itself
	}
	j.privileges()
	j.identity()
	j.versions()
	for _, s := range j.sides() {
		j.binlog(s)
		j.replicaSettings(s)
	}
	j.gtid()
	j.steps()
	j.channels()
	j.clocks()
	j.words()
	j.schemas()
	j.programs()
	j.config()
	j.zones()
	j.removed()
	j.hiddenEvents()
	j.brokenViews()
	j.accounts()
	j.plugins()
	j.size()
	j.keepToOneSide()
	j.nodes()
}

// keepToOneSide puts the switch before statements that bring one side's schema
// in line with the other's: logged, they would go over to the side that needs
// none of it, and stop its replication.
func (j *judge) keepToOneSide() {
	for i := range j.findings {
		f := &j.findings[i]
		if f.ID == "table_without_key" || f.ID == "auto_increment_headroom" { // these are meant for both
			continue
		}
		var fixes []Fix
		off := map[string]bool{}
		for _, x := range f.Fixes {
			changes := slices.ContainsFunc([]string{"ALTER ", "CREATE DATABASE ", "REVOKE ", "DROP USER "}, func(p string) bool { return strings.HasPrefix(x.SQL, p) })
			flows := slices.ContainsFunc(j.pair.Relation.Links, func(l inspect.Link) bool { return l.From == x.On })
			if (changes || strings.HasPrefix(x.SQL, "SET SESSION foreign_key_checks")) && flows && !off[x.On] {
				off[x.On] = true
				fixes = append(fixes, Fix{On: x.On, SQL: "SET SESSION sql_log_bin = 0"})
			}
			fixes = append(fixes, x)
		}
		f.Fixes = fixes
	}
}

func (j *judge) sides() []*inspect.Side { return []*inspect.Side{j.old, j.new} }

func (j *judge) other(s *inspect.Side) *inspect.Side {
	if s == j.old {
		return j.new
	}
	return j.old
}

// twoWay tells whether the path needs changes to flow back.
func (j *judge) twoWay() bool { return j.path == DualWrite }

// add completes a finding from the catalog and keeps it.
func (j *judge) add(f Finding) {
	e, ok := Lookup(f.ID)
	if !ok { // a mistake in this package; its tests refuse findings that explain nothing
		e.Severity = Warning
	}
	if f.Severity == "" {
		f.Severity = e.Severity
	}
	if f.Why == "" {
		f.Why = e.Means
	}
	if f.Do == "" {
		f.Do = e.Do
	}
	j.findings = append(j.findings, f)
}

// has tells whether a finding of one of the ids is there.
func (j *judge) has(ids ...string) bool {
	return slices.ContainsFunc(j.findings, func(f Finding) bool { return slices.Contains(ids, f.ID) })
}

// on tells whether a switch is on.
func on(s *inspect.Side, names ...string) bool {
	v, _ := s.Value(names...)
	switch strings.ToUpper(v) {
	case "ON", "1", "YES", "TRUE":
		return true
	}
	return false
}

func text(s *inspect.Side, names ...string) string {
	v, _ := s.Value(names...)
	return v
}

func number(s *inspect.Side, names ...string) int64 {
	v, _ := s.Value(names...)
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return n
	}
	f, _ := strconv.ParseFloat(v, 64) // MariaDB writes some with decimals
	return int64(f)
}

// set is the statement that sets a variable, for good where the server can.
func set(s *inspect.Side, name, value string) Fix {
	word := "SET GLOBAL "
	if !s.Facts.IsMariaDB() && s.Facts.AtLeast(8, 0, 0) {
		word = "SET PERSIST "
	}
	if _, err := strconv.ParseFloat(value, 64); err != nil && !slices.Contains([]string{"ON", "OFF", "FULL", "ROW", "STRICT", "DEFAULT"}, value) {
		value = "'" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	return Fix{On: s.Label, SQL: word + name + " = " + value}
}

func product(s *inspect.Side) string {
	name := "MySQL"
	if s.Facts.IsMariaDB() {
		name = "MariaDB"
	}
	return fmt.Sprintf("%s %d.%d.%d", name, s.Facts.Major, s.Facts.Minor, s.Facts.Patch)
}

// both says what the two sides have, as "old: A; new: B", or "both: A".
func (j *judge) both(a, b string) string {
	if a == b {
		return "both: " + a
	}
	return j.old.Label + ": " + a + "; " + j.new.Label + ": " + b
}

// there and back are the directions of replication.
func (j *judge) there() string { return j.old.Label + "→" + j.new.Label }

func (j *judge) back() string { return j.new.Label + "→" + j.old.Label }

func (j *judge) sameServer() bool {
	o, n := j.old.Facts, j.new.Facts
	if !j.pair.Same && (o.ServerUUID == "" || o.ServerUUID != n.ServerUUID) {
		return false
	}
	if o.Hostname == n.Hostname && o.Port == n.Port && o.DataDir == n.DataDir {
		j.add(Finding{ID: "same_server", Side: SideBoth, Object: o.ServerUUID, Found: fmt.Sprintf("%s and %s are one server, %s", j.old.Addr, j.new.Addr, o.ServerUUID)})
		return true
	}
	j.add(Finding{
		ID: "server_uuid_same", Side: SideBoth, Object: o.ServerUUID,
		Found: fmt.Sprintf("both: server_uuid %s; %s in %s, %s in %s", o.ServerUUID, j.old.Label, o.DataDir, j.new.Label, n.DataDir),
	})
	return false
}

func (j *judge) privileges() {
	for _, s := range j.sides() {
		for _, m := range s.Missing {
			j.lacks(s, m)
		}
		for _, g := range s.Unknown {
			j.unknown(s, g)
		}
	}
	j.hidden(j.sides())
}

func (j *judge) lacks(s *inspect.Side, m inspect.Missing) {
	j.add(Finding{
		ID: "privilege_missing", Side: s.Label, Object: string(m.Privilege), Unseen: true,
		Found: fmt.Sprintf("%s: %s lacks %s", s.Label, s.Facts.Account, m.Privilege), Fixes: []Fix{{On: s.Label, SQL: m.Grant}},
	})
}

func (j *judge) unknown(s *inspect.Side, g inspect.Gap) {
	f := Finding{ID: notFoundOut, Side: s.Label, Object: g.What, Unseen: true, Found: s.Label + ": " + g.Why}
	if g.Grant != "" {
		f.Fixes = []Fix{{On: s.Label, SQL: g.Grant}}
	}
	for _, sql := range g.More {
		f.Fixes = append(f.Fixes, Fix{On: s.Label, SQL: sql})
	}
	j.add(f)
}

// hidden joins what several sides do not show into one finding.
func (j *judge) hidden(sides []*inspect.Side) {
	var whats []string
	by := map[string][]*inspect.Side{}
	grants := map[string][]Fix{}
	why := map[string]string{}
	for _, s := range sides {
		for _, g := range s.Hidden {
			if by[g.What] == nil {
				whats = append(whats, g.What)
			}
			by[g.What] = append(by[g.What], s)
			why[g.What] = g.Why
			grants[g.What] = append(grants[g.What], Fix{On: s.Label, SQL: g.Grant})
		}
	}
	for _, what := range whats {
		side := SideBoth
		if len(by[what]) == 1 {
			side = by[what][0].Label
		}
		j.add(Finding{ID: NotVisible, Side: side, Object: what, Found: side + ": " + why[what] + ", so " + what + " were not judged", Fixes: grants[what]})
	}
}

func (j *judge) identity() {
	o, n := number(j.old, "server_id"), number(j.new, "server_id")
	if o == n && o != 0 {
		j.add(Finding{
			ID: "server_id_same", Side: SideBoth, Object: "server_id", Found: fmt.Sprintf("both: server_id %d", o),
			Fixes: []Fix{set(j.new, "server_id", strconv.FormatInt(o+1, 10))},
		})
	}
	for _, s := range j.sides() {
		if number(s, "server_id") == 0 {
			j.add(Finding{ID: "server_id_zero", Side: s.Label, Object: "server_id", Found: s.Label + ": server_id 0"})
		}
	}
}

func (j *judge) clocks() {
	c := j.pair.Clock
	off := c.Offset.Abs()
	if !c.Known || off-c.Bound <= time.Second { // a second is what DATETIME without fractions can tell
		return
	}
	const tick = 100 * time.Microsecond // finer nobody wants to read; rounded up, for nothing is exact
	word := "ahead of"
	if c.Offset < 0 {
		word = "behind"
	}
	j.add(Finding{
		ID: "clock_skew", Side: SideBoth, Object: "clock",
		Found: fmt.Sprintf("%s is %s %s %s, ± %s", j.new.Label, off.Round(time.Millisecond), word, j.old.Label, (c.Bound + tick - 1).Truncate(tick)),
	})
}

func base(t *inspect.Table) bool {
	return t.Kind == cluster.TableBase || t.Kind == cluster.TableVersioned
}
