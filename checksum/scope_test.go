package checksum

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// plant runs statements on one server without its log, and drops databases before and after.
func plant(t *testing.T, s *fixtures.Server, databases []string, statements ...string) {
	t.Helper()
	conn, err := s.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	all := []string{"SET sql_log_bin=0"}
	for _, d := range databases {
		drop := "DROP DATABASE IF EXISTS " + cluster.Quote(d)
		all = append(all, drop, "CREATE DATABASE "+cluster.Quote(d))
		t.Cleanup(func() { _, _ = s.DB().Exec(drop) })
	}
	for _, q := range append(all, statements...) {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %s: %v", s.Family(), q, err)
		}
	}
}

// rows are statements that make a table with the given keys.
func rows(table string, ids ...int) []string {
	out := []string{"CREATE TABLE " + table + " (id INT NOT NULL PRIMARY KEY)"}
	for _, id := range ids {
		out = append(out, fmt.Sprintf("INSERT INTO %s VALUES (%d)", table, id))
	}
	return out
}

// account makes an account that may read what the grants say.
func account(t *testing.T, s *fixtures.Server, name string, grants ...string) {
	t.Helper()
	user := "'" + name + "'@'%'"
	status := "REPLICATION CLIENT"
	if s.Family() != fixtures.MySQL {
		status += ", SLAVE MONITOR"
	}
	list := []string{"CREATE USER " + user + " IDENTIFIED BY 'blind'", "GRANT " + status + " ON *.* TO " + user}
	for _, g := range grants {
		list = append(list, "GRANT SELECT ON "+g+" TO "+user)
	}
	t.Cleanup(func() { _, _ = s.DB().Exec("DROP USER " + user) })
	plant(t, s, nil, list...)
}

// runScope compares what patterns choose.
func runScope(t *testing.T, servers [2]*cluster.Server, include, exclude []string, o Observer) (Result, error) {
	t.Helper()
	filter, err := cluster.NewFilter(include, exclude)
	if err != nil {
		t.Fatal(err)
	}
	survey, err := Look(t.Context(), servers[0], servers[1])
	if err != nil {
		t.Fatal(err)
	}
	return Run(t.Context(), servers[0], servers[1], survey, Options{Filter: filter, Journal: newJournal(), Observer: o})
}

// inWords writes a result as "verdict: table verdict, …".
func inWords(r Result) string {
	tables := map[string]string{}
	for _, x := range r.Tables {
		tables[x.Table] = x.Verdict.String()
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		list = append(list, strings.TrimPrefix(name, "scope_")+" "+tables[name])
	}
	return r.Verdict.String() + ": " + strings.Join(list, ", ")
}

// said is all that a result says besides numbers.
func said(r Result) string {
	text := r.Reason
	for _, x := range r.Tables {
		text += "\n" + x.Table + ": " + x.Reason
	}
	return text
}

// TestScope: what the patterns name on either side is compared, or is not the same.
func TestScope(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(f), func(t *testing.T) {
			both := []*fixtures.Server{pool.get(t, f, "old"), pool.get(t, f, "new")}
			var full, blind, some [2]*cluster.Server
			for i, s := range both {
				label := []string{"old", "new"}[i]
				databases := []string{"scope_c", "scope_d", "scope_h", []string{"scope_o", "scope_n"}[i]}
				statements := slices.Concat(rows("scope_c.t", 1), rows("scope_d.t", 1, 2), rows("scope_d.u", i), rows("scope_h.t", i),
					[][]string{rows("scope_o.t"), slices.Concat(rows("scope_n.t"), rows("scope_c.extra", 1))}[i])
				plant(t, s, databases, statements...)
				account(t, s, "scope_blind", "scope_c.*", "scope_d.*")
				account(t, s, "scope_some", "scope_d.t")
				full[i], blind[i], some[i] = openSide(t, s, label), openBlind(t, s, label, "scope_blind"), openBlind(t, s, label, "scope_some")
			}
			onlyOldBlind, onlyNewBlind := [2]*cluster.Server{blind[0], full[1]}, [2]*cluster.Server{full[0], blind[1]}
			for _, c := range []struct {
				name             string
				servers          [2]*cluster.Server
				include, exclude string // separated by spaces
				want             string
				says             string // a part of what the result says, or of the error
			}{
				{"a table of new only", full, "scope_c.extra scope_d.t", "", "different: c.extra different, d.t same", "is missing on old"},
				{"a glob of one", full, "scope_c.e* scope_d.t", "", "different: c.extra different, d.t same", "is missing on old"},
				{
					"the rest excluded", full, "scope_*.*", "scope_c.t scope_d.u scope_h.* scope_o.* scope_n.*",
					"different: c.extra different, d.t same", "is missing on old",
				},
				{"a database of new only", full, "scope_d.t scope_n.*", "", "different: d.t same, n.t different", "is missing on old"},
				{"a database of old only", full, "scope_d.t scope_o.*", "", "different: d.t same, o.t different", "is missing on new"},
				{"hidden on old", onlyOldBlind, "scope_d.t scope_h.*", "", "undecided: d.t same, h.t undecided", "GRANT SELECT ON `scope_h`"},
				{"hidden on new", onlyNewBlind, "scope_d.t scope_h.*", "", "undecided: d.t same, h.t undecided", "GRANT SELECT ON `scope_h`"},
				{"hidden on both", blind, "scope_d.t scope_h.*", "", "", `no table matches "scope_h.*"`},
				{"hidden on both behind a glob", blind, "scope_d.t scope_?.t", "", "undecided: c.t same, d.t same", `"scope_?.t"`},
				{"a database read as a whole", blind, "scope_c.*", "scope_c.extra", "same: c.t same", ""},
				{"single tables of a database", some, "scope_d.*", "", "undecided: d.t same", "GRANT SELECT ON `scope_d`.*"},
				{"the single table", some, "scope_d.t", "", "same: d.t same", ""},
				{"nothing but what is excluded", full, "scope_c.extra scope_d.t", "scope_c.*", "", `all tables that match "scope_c.extra" are excluded`},
				{"a name of new only, misspelt", full, "scope_c.extar scope_d.t", "", "", `did you mean "scope_c.extra"?`},
			} {
				r, err := runScope(t, c.servers, strings.Fields(c.include), strings.Fields(c.exclude), quietObserver{})
				var filter *cluster.FilterError
				switch {
				case err != nil && (c.want != "" || !errors.As(err, &filter) || !strings.Contains(err.Error(), c.says)):
					t.Errorf("%s: %v, want %s (%s)", c.name, err, c.want, c.says)
				case err == nil && (inWords(r) != c.want || !strings.Contains(said(r), c.says)):
					t.Errorf("%s: %s, want %s\n%s\nwant %s", c.name, inWords(r), c.want, said(r), c.says)
				}
			}
			late := &lateTable{make: func() { plant(t, both[1], nil, rows("scope_d.late", 1)...) }}
			r, err := runScope(t, full, []string{"scope_d.*"}, []string{"*.u"}, late)
			if err != nil || inWords(r) != "undecided: d.late undecided, d.t same" || !strings.Contains(said(r), "was not among the tables when the check began") {
				t.Errorf("a table that appears: %v %s\n%s", err, inWords(r), said(r))
			}
		})
	}
}

// lateTable makes a table once the tables have been listed.
type lateTable struct {
	quietObserver
	once sync.Once
	make func()
}

func (l *lateTable) TableStarted(string, int64, int64) { l.once.Do(l.make) }

// TestScopeOfOddNames: names are told apart by their characters, whatever they look like to a pattern or a reader.
func TestScopeOfOddNames(t *testing.T) {
	both := []*fixtures.Server{pool.get(t, fixtures.MySQL56, "old"), pool.get(t, fixtures.MariaDB, "new")}
	const odd = "scope_q.`*" // one with what patterns, quotes and documents use
	var servers [2]*cluster.Server
	for i, s := range both {
		statements := slices.Concat(rows("`scope_q.``*`.`a.b c?`", 1), rows("`MySQL`.`t`", i), rows("scope_u.`"+[]string{"\u00e9", "e\u0301"}[i]+"`", 1),
			rows("scope_u.`\u00c9`", 1), rows("scope_u.e", 1))
		plant(t, s, []string{odd, "MySQL", "scope_u"}, statements...)
		servers[i] = openSide(t, s, []string{"old", "new"}[i])
	}
	for _, c := range []struct{ include, want string }{
		{"`scope_q.``*`.*", "same: `scope_q.``*`.`a.b c?` same"},
		{"scope_????.*c?", "same: `scope_q.``*`.`a.b c?` same"},
		{"scope_q???.`a.b c?`", "same: `scope_q.``*`.`a.b c?` same"},
		{"MySQL.*", "different: MySQL.t different"}, // with lower_case_table_names=0 a database of the user's
		{"scope_u.*", "different: u.e same, u.e\u0301 different, u.\u00c9 same, u.\u00e9 different"},
	} {
		r, err := runScope(t, servers, []string{c.include}, nil, quietObserver{})
		if got := inWords(r); err != nil || got != c.want {
			t.Errorf("%s: %v %s, want %s", c.include, err, got, c.want)
		}
	}
}

// TestNamesInLetterCase: where a side takes names in different letter case for one, equal names are paired first, and what
// then collides is undecided, and not repaired.
func TestNamesInLetterCase(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(f), func(t *testing.T) {
			plain, fold := pool.get(t, f, "old"), pool.get(t, f, folded)
			plant(t, plain, []string{"scope_lc", "scope_Lc"}, slices.Concat(
				rows("scope_lc.Orders", 1, 2, 3), rows("scope_lc.orders", 4, 5, 6), rows("scope_lc.Single", 1),
				rows("scope_lc.Twin", 1), rows("scope_lc.twin", 2), rows("scope_lc.A1", 1), rows("scope_lc.a1", 1), rows("scope_Lc.b", 7),
				[]string{"CREATE VIEW scope_lc.Vw AS SELECT id FROM scope_lc.Single"})...)
			plant(t, fold, []string{"scope_lc"}, slices.Concat(
				rows("scope_lc.orders", 4, 5, 6), rows("scope_lc.single", 1), rows("scope_lc.twin", 1, 2), rows("scope_lc.b", 7),
				[]string{"CREATE VIEW scope_lc.vw AS SELECT id FROM scope_lc.single"})...)
			sides := func(old, new *fixtures.Server) [2]*cluster.Server {
				return [2]*cluster.Server{openSide(t, old, "old"), openSide(t, new, "new")}
			}
			foldedNew, foldedOld := sides(plain, fold), sides(fold, plain)
			const clash = "(lower_case_table_names)"
			for _, c := range []struct {
				name             string
				servers          [2]*cluster.Server
				include, exclude string
				want, says       string
			}{
				{"new folds", foldedNew, "scope_lc.orders", "", "same: lc.orders same", ""},
				{"new folds, glob", foldedNew, "scope_lc.?rders", "", "undecided: lc.Orders undecided, lc.orders same", clash},
				{"new folds, the other name", foldedNew, "scope_lc.Orders", "", "undecided: lc.Orders undecided, lc.orders same", clash},
				{"new folds, excluded", foldedNew, "scope_lc.?rders", "scope_lc.Orders", "same: lc.orders same", ""},
				{"new folds, rows of both", foldedNew, "scope_lc.?win", "", "undecided: lc.Twin undecided, lc.twin undecided", clash},
				{"new folds, one name", foldedNew, "SCOPE_LC.SINGLE", "", "same: lc.Single same", ""},
				{"new folds, a view", foldedNew, "scope_lc.Vw", "", "same: lc.Vw same", ""},
				{"new folds, missing there", foldedNew, "scope_lc.?1", "", "different: lc.A1 different, lc.a1 different", "is missing on new"},
				{"new folds, a database", foldedNew, "scope_?c.b", "", "same: Lc.b same", ""},
				{"old folds", foldedOld, "scope_lc.?rders", "", "undecided: lc.Orders undecided, lc.orders same", clash},
				{"old folds, rows of both", foldedOld, "scope_lc.?win", "", "undecided: lc.Twin undecided, lc.twin undecided", clash},
				{"old folds, one name", foldedOld, "scope_lc.single", "", "same: lc.Single same", ""},
			} {
				r, err := runScope(t, c.servers, strings.Fields(c.include), strings.Fields(c.exclude), quietObserver{})
				if err != nil || inWords(r) != c.want || !strings.Contains(said(r), c.says) {
					t.Errorf("%s: %v %s, want %s\n%s", c.name, err, inWords(r), c.want, said(r))
				}
				for _, x := range r.Tables {
					if x.Verdict == Undecided && (len(x.Differences) > 0 || x.Counts.Differences() > 0) {
						t.Errorf("%s: %s is undecided and has differences", c.name, x.Table)
					}
				}
			}
		})
	}
}
