package checksum

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"crosscheck/cluster"
	"crosscheck/fixtures"
)

// TestHiddenColumns: what an account may not read is undecided, and neither the same nor different: the server shows such
// an account a table without the columns that it may not see, and a table that it may only write to.
func TestHiddenColumns(t *testing.T) {
	for _, f := range []fixtures.Family{fixtures.MariaDB, fixtures.MySQL} {
		t.Run(string(f), func(t *testing.T) {
			p := pair{name: string(f), old: pool.get(t, f, "old"), new: pool.get(t, f, "new")}
			const database = "hidden"
			blind := map[string][]string{
				"columns": {"GRANT SELECT(id,a) ON hidden.columns_only"},
				"writes":  {"GRANT INSERT ON hidden.columns_only"},
				"nothing": nil,
			}
			for i, s := range []*fixtures.Server{p.old, p.new} {
				exec := dataSession(t, s, database)
				statements := []string{
					"CREATE TABLE columns_only (id INT NOT NULL PRIMARY KEY, a INT, b INT)",
					fmt.Sprintf("INSERT INTO columns_only VALUES (1,1,%d)", i),
				}
				status := "REPLICATION CLIENT"
				if f == fixtures.MariaDB {
					status += ", SLAVE MONITOR"
				}
				for name, grants := range blind {
					user := " TO blind_" + name + "@'%'"
					statements = append(statements, "CREATE USER"+strings.TrimPrefix(user, " TO")+" IDENTIFIED BY 'blind'", "GRANT "+status+" ON *.*"+user)
					for _, g := range grants {
						statements = append(statements, g+user)
					}
					t.Cleanup(func() { _ = exec("DROP USER" + strings.TrimPrefix(user, " TO")) })
				}
				for _, q := range statements {
					if err := exec(q); err != nil {
						t.Fatal(q, err)
					}
				}
			}
			full := [2]*cluster.Server{openSide(t, p.old, "old"), openSide(t, p.new, "new")}
			for name := range blind {
				for side, label := range []string{"old", "new"} {
					t.Run(name+" on "+label, func(t *testing.T) {
						servers := full
						servers[side] = openBlind(t, []*fixtures.Server{p.old, p.new}[side], label, "blind_"+name)
						r, err := compareTables(t, servers, database+".*")
						var missing *cluster.PrivilegeError
						if name == "nothing" && errors.As(err, &missing) && strings.Contains(missing.Grant, "GRANT SELECT") {
							return
						}
						if err != nil {
							t.Fatal(err)
						}
						for _, got := range r.Tables {
							if got.Table != "hidden.columns_only" {
								continue
							}
							if got.Verdict != Undecided || !strings.Contains(got.Reason, "GRANT SELECT ON `hidden`.`columns_only` TO 'blind_"+name+"'@'%'") {
								t.Errorf("%s (%s)", got.Verdict, got.Reason)
							}
							return
						}
						t.Errorf("the table is not in the result, and there was no error")
					})
				}
			}
		})
	}
}

func compareTables(t *testing.T, servers [2]*cluster.Server, pattern string) (Result, error) {
	t.Helper()
	filter, err := cluster.NewFilter([]string{pattern}, nil)
	if err != nil {
		t.Fatal(err)
	}
	survey, err := Look(t.Context(), servers[0], servers[1])
	if err != nil {
		return Result{}, err
	}
	return Run(t.Context(), servers[0], servers[1], survey, Options{Filter: filter, Journal: newJournal(), Observer: quietObserver{}})
}

func openBlind(t *testing.T, s *fixtures.Server, label, user string) *cluster.Server {
	t.Helper()
	c, err := cluster.Open(t.Context(), cluster.Config{
		Label: label, Net: "tcp", Addr: s.Addr(), User: user, Password: cluster.Secret("blind"),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
