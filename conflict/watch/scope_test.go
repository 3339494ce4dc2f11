package watch

import (
	"slices"
	"strings"
	"testing"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
)

// scoped makes a watch of whole databases.
func scoped(t *testing.T, databases ...string) func(*Options) {
	t.Helper()
	var patterns []string
	for _, name := range databases {
		patterns = append(patterns, name+".*")
	}
	filter, err := cluster.NewFilter(patterns, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *Options) { o.Filter, o.Scope = filter, Scope{Include: patterns} }
}

// unverified is the tables that a status names, without the databases' names.
func unverified(s Status, databases ...string) string {
	out := strings.Join(s.Unverified, " ")
	for i, name := range databases {
		out = strings.ReplaceAll(out, name, string(rune('a'+i)))
	}
	return out
}

// An account speaks for the tables that its check compared and for those that were made since, whatever becomes of their
// names.
func TestOnlyWhatTheCheckCovered(t *testing.T) {
	for _, k := range some("mysql", "mariadb") {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			set := sharedDual(t, k)
			old, _, a := database(t, set)
			_, _, b := database(t, set)
			for _, table := range []string{a + ".t", b + ".t", b + ".`x``y`"} {
				mustExec(t, old, "CREATE TABLE "+table+" (id INT PRIMARY KEY)", "INSERT INTO "+table+" VALUES (1)")
			}
			caughtUp(t, set)
			var start [2]gtid.Position
			for i, s := range []*cluster.Server{open(t, set.Old, "old"), open(t, set.New, "new")} {
				var err error
				if start[i], err = s.Position(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.Close()
			}
			mustExec(t, old, "CREATE TABLE "+a+".since (id INT PRIMARY KEY)", "CREATE TABLE "+b+".born (id INT PRIMARY KEY)")
			caughtUp(t, set)
			w := watchSet(t, set, a, &memoryStore{}, func(o *Options) {
				scoped(t, a, b)(o)
				o.Base, o.BaseStart = &Base{Run: 1, Tables: 1, Rows: 1}, start
				o.Covered = &Coverage{Tables: map[string]bool{a + ".t": true}, Scope: &Scope{Include: []string{a + ".*"}}}
			})
			stands := func(want string) {
				t.Helper()
				st := w.until(want, func(s Status) bool { return unverified(s, a, b) == want && (s.Verdict == Clean) == (want == "") })
				if want != "" && (st.Verdict != Undecided || !strings.HasPrefix(st.Reason, "not verified") && st.Account.Questions+st.Rows.Open == 0 &&
					!strings.Contains(st.Reason, "not known to have arrived")) {
					t.Errorf("%s: %s", st.Verdict, st.Reason)
				}
			}
			stands("b.`x``y` b.t")
			mustExec(t, old, "CREATE TABLE "+b+".u (id INT PRIMARY KEY)", "TRUNCATE "+b+".`x``y`")
			stands("b.t")
			mustExec(t, old, "RENAME TABLE "+b+".t TO "+a+".v, "+a+".t TO "+b+".w")
			stands("a.v")
			caughtUp(t, set)
			w.quiet()
			stands("a.v") // the echo changes nothing
			mustExec(t, old, "DROP TABLE "+a+".v")
			stands("")
			w.end()
		})
	}
}

// What a process watches for the first time was not watched before: the account that goes on says so, and remembers.
func TestScopeGrows(t *testing.T) {
	k := kinds()[0]
	set := sharedDual(t, k)
	old, _, a := database(t, set)
	_, _, b := database(t, set)
	mustExec(t, old, "CREATE TABLE "+a+".t (id INT PRIMARY KEY)", "CREATE TABLE "+b+".t (id INT PRIMARY KEY)")
	caughtUp(t, set)
	store := &memoryStore{}
	for _, step := range []struct {
		databases []string
		want      string
		scopes    int
	}{
		{[]string{a, b}, "", 1},
		{[]string{a}, "", 2},
		{[]string{a}, "", 2},
		{[]string{a, b}, "b.t", 3},
		{[]string{a, b}, "b.t", 3},
	} {
		w := watchSet(t, set, a, store, scoped(t, step.databases...))
		st := w.until("it is judged", func(s Status) bool {
			return s.Verdict == Clean || strings.HasPrefix(s.Reason, "not verified")
		})
		if unverified(st, a, b) != step.want || (st.Verdict == Clean) != (step.want == "") || len(st.Scopes) != step.scopes {
			t.Errorf("%q: %s (%s), scopes %v", step.databases, st.Verdict, st.Reason, st.Scopes)
		}
		if last := st.Scopes[len(st.Scopes)-1]; !slices.Equal(last.Include, []string{a + ".*", b + ".*"}[:len(step.databases)]) {
			t.Errorf("%q: recorded %v", step.databases, last)
		}
		w.end()
	}
}
