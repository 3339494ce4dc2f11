package measure

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/gate"
	"crosscheck/gate/plan"
	"crosscheck/gate/preflight"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

const (
	uuidC = "cccccccc-0000-0000-0000-000000000003"
	uuidN = "bbbbbbbb-0000-0000-0000-000000000002"
)

// tx is a transaction of one row.
func tx(server uint32, micro int64, kind binlog.Kind, before, after string) *binlog.Transaction {
	row := func(s string) binlog.Row {
		if s == "" {
			return nil
		}
		return binlog.Row{{Text: []byte(s)}}
	}
	def := &binlog.Table{Schema: "shop", Name: "t", Columns: []binlog.Column{{Name: "v", DataType: "int"}}}
	return &binlog.Transaction{
		GTID: "x", ServerID: server, OriginTime: time.UnixMicro(micro), Last: true,
		Changes: []binlog.Change{{Schema: "shop", Table: "t", Def: def, Kind: kind, Before: row(before), After: row(after)}},
	}
}

func printOf(t *testing.T, x *binlog.Transaction) print {
	t.Helper()
	b := newBuilder()
	b.add(x)
	p, ok := b.print(x)
	if !ok {
		t.Fatal("no print")
	}
	return p
}

func TestFingerprints(t *testing.T) {
	executed, err := gtid.ParseSet(uuidC + ":1-9")
	if err != nil {
		t.Fatal(err)
	}
	base := tx(1, 1000, binlog.Update, "1", "2")
	older := tx(1, 0, binlog.Update, "1", "2")
	older.OriginTime = time.Time{}
	wider := tx(1, 1000, binlog.Update, "1", "3")
	wider.Changes[0].Def = &binlog.Table{Columns: []binlog.Column{{DataType: "bigint"}}}
	partial := tx(1, 1000, binlog.Update, "1", "3")
	partial.Changes[0].Partial = true
	c5, c6, n7 := uuidC+":5", uuidC+":6", uuidN+":7"
	for _, c := range []struct {
		name      string
		conv, new map[string]*binlog.Transaction
		compared  int64
		want      []string // parts of the alarms
	}{
		{name: "alike", conv: map[string]*binlog.Transaction{c5: base}, new: map[string]*binlog.Transaction{c5: base}, compared: 1},
		{name: "not on new yet", conv: map[string]*binlog.Transaction{c5: base, c6: tx(1, 1001, binlog.Insert, "", "3")}, new: map[string]*binlog.Transaction{c5: base}, compared: 1},
		{name: "two GTIDs", conv: map[string]*binlog.Transaction{c5: base, c6: base}, want: []string{"two GTIDs"}},
		{name: "second converter", conv: map[string]*binlog.Transaction{c5: base}, new: map[string]*binlog.Transaction{n7: base}, want: []string{"two GTIDs", "does not have"}},
		{name: "second converter of an old server", conv: map[string]*binlog.Transaction{c5: older}, new: map[string]*binlog.Transaction{n7: older}, want: []string{"does not have"}},
		{name: "the same change twice on an old server", conv: map[string]*binlog.Transaction{c5: older, c6: older}},
		{name: "new's own", new: map[string]*binlog.Transaction{n7: tx(2, 5, binlog.Insert, "", "9")}},
		{name: "other rows", conv: map[string]*binlog.Transaction{c5: base}, new: map[string]*binlog.Transaction{c5: tx(1, 1000, binlog.Update, "1", "3")}, compared: 1, want: []string{"its rows differ"}},
		{name: "other time", conv: map[string]*binlog.Transaction{c5: base}, new: map[string]*binlog.Transaction{c5: tx(1, 1001, binlog.Update, "1", "2")}, compared: 1, want: []string{"it was made at"}},
		{name: "other server", conv: map[string]*binlog.Transaction{c5: base}, new: map[string]*binlog.Transaction{c5: tx(4, 1000, binlog.Update, "1", "2")}, compared: 1, want: []string{"on the server 1"}},
		{name: "a replica's own row before", conv: map[string]*binlog.Transaction{c5: base}, new: map[string]*binlog.Transaction{c5: tx(1, 1000, binlog.Update, "7", "2")}, compared: 1},
		{name: "other types", conv: map[string]*binlog.Transaction{c5: base}, new: map[string]*binlog.Transaction{c5: wider}, compared: 1},
		{name: "not whole", conv: map[string]*binlog.Transaction{c5: base}, new: map[string]*binlog.Transaction{c5: partial}, compared: 1},
	} {
		b := book{old: 1, conv: logOf{}, new: logOf{}}
		for name, x := range c.conv {
			b.conv[name] = printOf(t, x)
		}
		for name, x := range c.new {
			b.new[name] = printOf(t, x)
		}
		compared, alarms := b.judge(executed)
		if compared != c.compared || len(alarms) != len(c.want) {
			t.Errorf("%s: %d compared, %q", c.name, compared, alarms)
			continue
		}
		for _, want := range c.want {
			if !slices.ContainsFunc(alarms, func(a string) bool { return strings.Contains(a, want) }) {
				t.Errorf("%s: %q lack %q", c.name, alarms, want)
			}
		}
	}
}

func TestDeclared(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(min int) time.Time { return t0.Add(time.Duration(min) * time.Minute) }
	of := plan.Plan{Path: plan.RollingUpgrade}
	said := func(min int, by string, when int, app int, writes int64) gate.Evidence {
		c := gate.WritesSwitch{By: by, Traffic: gate.Traffic{SessionsSeen: true, AppOnNew: app, WritesSeen: true, NewWrites: writes}}
		if by != "" {
			c.Switched = at(when)
		}
		return gate.Evidence{Taken: at(min), Plan: of.Hash(), Content: c}
	}
	window := gate.Evidence{Taken: at(5), Content: gate.ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: at(5)}}
	another := func(e gate.Evidence) gate.Evidence {
		e.Plan = "another"
		return e
	}
	back := func(min int) gate.Evidence {
		e := said(min, "ann", 0, 1, 1)
		c, _ := e.Content.(gate.WritesSwitch)
		c.AppOnOld = []gate.Session{{ID: 1}}
		e.Content = c
		return e
	}
	shut := func(min int) gate.Evidence {
		return gate.Evidence{Taken: at(min + 1), Content: gate.ReadOnly{ReadOnly: true, SuperReadOnly: true, Since: at(min), T1: at(min)}}
	}
	for _, c := range []struct {
		name    string
		earlier []gate.Evidence
		by      string
		want    declaration
	}{
		{name: "nobody"},
		{name: "now", by: "ann", want: declaration{"ann", at(59)}},
		{name: "before", earlier: []gate.Evidence{said(1, "ann", 0, 1, 1)}, want: declaration{"ann", at(0)}},
		{name: "said again", earlier: []gate.Evidence{said(1, "ann", 0, 1, 1), said(9, "ann", 0, 1, 0)}, by: "bob", want: declaration{"ann", at(0)}},
		{name: "said too early", earlier: []gate.Evidence{said(1, "ann", 0, 1, 0)}, by: "bob", want: declaration{"bob", at(59)}},
		{name: "corrected before", earlier: []gate.Evidence{said(1, "ann", 0, 0, 0), said(5, "bob", 5, 1, 1), said(6, "", 0, 1, 1)}, want: declaration{"bob", at(5)}},
		{name: "said before the window", earlier: []gate.Evidence{said(1, "ann", 0, 1, 1), shut(5)}, by: "bob", want: declaration{"bob", at(59)}},
		{name: "said before the window, and not again", earlier: []gate.Evidence{said(1, "ann", 0, 1, 1), shut(5)}, want: declaration{"ann", at(0)}},
		{name: "said in the window, and again", earlier: []gate.Evidence{shut(5), said(8, "ann", 7, 1, 1)}, by: "bob", want: declaration{"ann", at(7)}},
		{name: "back on old", earlier: []gate.Evidence{said(1, "ann", 0, 1, 1), back(5), said(6, "ann", 0, 1, 1)}},
		{name: "back on old, and said anew", earlier: []gate.Evidence{said(1, "ann", 0, 1, 1), back(5)}, by: "bob", want: declaration{"bob", at(59)}},
		{name: "not all of it had left old", earlier: []gate.Evidence{back(1), back(2)}, by: "bob", want: declaration{"ann", at(0)}},
		{name: "said for another plan", earlier: []gate.Evidence{another(said(1, "ann", 0, 1, 1))}},
		{name: "said for another plan, and for this", earlier: []gate.Evidence{another(said(1, "ann", 0, 1, 1))}, by: "bob", want: declaration{"bob", at(59)}},
		{name: "older than the window, and said again", earlier: []gate.Evidence{said(1, "ann", 0, 1, 1), window, said(7, "bob", 7, 0, 0)}, want: declaration{"bob", at(7)}},
		{name: "older than the window", earlier: []gate.Evidence{said(1, "ann", 0, 1, 1), window, said(7, "ann", 0, 1, 1)}, want: declaration{"ann", at(0)}},
		{name: "of the window, and said again", earlier: []gate.Evidence{window, said(6, "ann", 6, 1, 1), said(7, "bob", 7, 1, 1)}, want: declaration{"ann", at(6)}},
		{name: "used before it was said", earlier: []gate.Evidence{said(1, "", 0, 1, 1)}, by: "ann", want: declaration{"ann", at(59)}},
	} {
		m := &measurement{r: Request{By: c.by, Said: at(59), Plan: of}, now: func() time.Time { return at(60) }, earlier: c.earlier}
		if got := m.declared(gate.KindWritesSwitch); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestAges(t *testing.T) {
	io := thread{id: 10, user: "system user", seconds: 100}
	for _, c := range []struct {
		name  string
		list  []thread
		sql   thread
		want  time.Duration
		known bool
	}{
		{name: "made together", sql: thread{id: 11}, want: 99 * time.Second, known: true},
		{name: "applier alone, nothing later", sql: thread{id: 20}},
		{name: "applier alone, a session later", sql: thread{id: 20}, list: []thread{{id: 25, user: "app", seconds: 40}, {id: 5, user: "app", seconds: 900}}, want: 39 * time.Second, known: true},
		{name: "the time of replication's threads is not theirs", sql: thread{id: 20}, list: []thread{{id: 25, user: "system user", seconds: 900}}},
		{name: "the receiver is younger", sql: thread{id: 5}, list: []thread{{id: 7, user: "app", seconds: 900}}, want: 99 * time.Second, known: true},
	} {
		if got, known := agesOf(c.list, io, c.sql); known != c.known || got != c.want {
			t.Errorf("%s: %s, %v", c.name, got, known)
		}
	}
}

func TestHolders(t *testing.T) {
	got := holders([]row{{"grantee": "'root'@'localhost'"}, {"grantee": "'dba'@''"}, {"grantee": "'o''neil'@'%'"}},
		[]row{{"user": "ann", "role": "team"}, {"user": "team", "role": "dba"}, {"user": "bob", "role": "other"}})
	if want := []string{"ann", "dba", "o'neil", "root", "team"}; !slices.Equal(sortedKeys(got), want) {
		t.Errorf("got %q", sortedKeys(got))
	}
}

func TestRights(t *testing.T) {
	kill := Statement{SQL: "KILL 1", Session: &gate.Session{ID: 1}}
	set := Statement{SQL: "SET GLOBAL x = 1"}
	maria, my := cluster.Facts{Flavor: cluster.FlavorMariaDB, Major: 10, Minor: 11}, cluster.Facts{Flavor: cluster.FlavorMySQL, Major: 9, Minor: 7}
	old := cluster.Facts{Flavor: cluster.FlavorMySQL, Major: 5, Minor: 6}
	for _, c := range []struct {
		f     cluster.Facts
		st    Statement
		grant string
		want  bool
	}{
		{my, set, "GRANT SELECT, SYSTEM_VARIABLES_ADMIN ON *.* TO `c`@`%`", true},
		{my, set, "GRANT CONNECTION_ADMIN ON *.* TO `c`@`%`", false},
		{my, kill, "GRANT CONNECTION_ADMIN ON *.* TO `c`@`%`", true},
		{my, set, "GRANT SUPER ON *.* TO `c`@`%`", true},
		{my, set, "GRANT ALL PRIVILEGES ON `shop`.* TO `c`@`%`", false},
		{maria, kill, "GRANT CONNECTION ADMIN ON *.* TO `c`@`%`", true},
		{maria, set, "GRANT CONNECTION ADMIN ON *.* TO `c`@`%`", false},
		{old, kill, "GRANT ALL PRIVILEGES ON *.* TO 'c'@'%' WITH GRANT OPTION", true},
		{old, kill, "GRANT PROCESS ON *.* TO 'c'@'%'", false},
	} {
		if got := holds([]string{"GRANT USAGE ON *.* TO `c`@`%`", c.grant}, rights(c.f, c.st)); got != c.want {
			t.Errorf("%s for %s on %s %d: %v", c.grant, c.st.SQL, c.f.Flavor, c.f.Major, got)
		}
	}
}

func TestSections(t *testing.T) {
	s, c := sections(schemaParts()), sections(configParts())
	if !s["column_type"] || !s["trigger_present"] || s["config_sql_mode"] || !c["config_sql_mode"] || !c["removed_variable"] || c["column_type"] || s["binlog_format"] {
		t.Errorf("schema %d ids, config %d ids", len(s), len(c))
	}
	got := of([]preflight.Finding{{ID: "binlog_format"}, {ID: "sql_mode"}, {ID: "privilege_missing", Unseen: true, Severity: preflight.Warning}, {ID: "column_type"}}, s)
	if len(got) != 2 || !got[0].Unseen || got[1].ID != "column_type" {
		t.Errorf("got %+v", got)
	}
	fs := Findings([]preflight.Finding{
		{ID: "a", Side: "old", Fixes: []preflight.Fix{{On: "old", SQL: "X"}}}, {ID: "b", Side: "both", Fixes: []preflight.Fix{{On: "old", SQL: "X"}, {On: "new", SQL: "Y"}}},
	})
	if fs[0].Fix != "X" || fs[0].Side != "old" || fs[1].Fix != "on old: X; on new: Y" || fs[1].Side != "" {
		t.Errorf("got %+v", fs)
	}
}

// TestSettledByACheck: what new wrote itself counts until a check that found all the same began after it.
func TestSettledByACheck(t *testing.T) {
	pos := func(text string) gtid.MariaPos {
		p, err := gtid.ParsePosition("mariadb:" + text)
		if err != nil {
			t.Fatal(err)
		}
		return p.MariaDB
	}
	old, has := pos("0-1-100"), pos("0-1-100,2-2-7")
	for settled, want := range map[string]string{"0-1-90": "domain 2: all up to 7", "0-1-90,2-2-6": "domain 2: all up to 7", "0-1-90,2-2-7": ""} {
		if _, extra := appliedMaria(old, has, pos("0-1-100"), pos(settled)); extra != want {
			t.Errorf("settled at %s, and: %q, want %q", settled, extra, want)
		}
	}
	// New wrote in old's domain: that is its own until a check settles it, and old's last has arrived besides, or has not.
	for _, has := range []string{"0-2-103", "0-2-100"} {
		for came, want := range map[string]string{"0-1-100": "mariadb:0-1-100", "0-1-99": "mariadb:" + has} {
			for settled, clean := range map[string]bool{"0-1-99": false, has: true} {
				applied, extra := appliedMaria(old, pos(has), pos(came), pos(settled))
				if applied != want || want == "mariadb:0-1-100" && (extra == "") != clean {
					t.Errorf("has %s, came %s, settled at %s: %s, %q", has, came, settled, applied, extra)
				}
			}
		}
	}
}

// TestPeriodOfAPlan: a changed plan is another one, whose watch periods begin anew.
func TestPeriodOfAPlan(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := plan.Plan{Path: plan.RollingUpgrade, Limits: plan.DefaultLimits()}
	changed := p
	changed.Limits.MaxLag++
	look := func(ago time.Duration, p plan.Plan) gate.Evidence {
		return gate.Evidence{Taken: now.Add(-ago), Plan: p.Hash(), Content: gate.Health{Metrics: []gate.Metric{{Name: counterPrefix + counterQuestions, New: 5, Measured: true}}}}
	}
	m := &measurement{r: Request{Plan: changed}, earlier: []gate.Evidence{look(2*time.Hour, p), look(time.Minute, changed)}}
	_, since, ok := m.healthBase(now, counters{counterUptime: 1e6, counterQuestions: 9})
	if !ok || !since.Equal(now.Add(-time.Minute)) {
		t.Errorf("the period begins at %s", since)
	}
	m.earlier = m.earlier[:1]
	if _, since, ok = m.healthBase(now, counters{counterUptime: 1e6, counterQuestions: 9}); ok {
		t.Errorf("looks for another plan: since %s", since)
	}
}
