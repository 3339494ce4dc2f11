package preflight_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
	"crosscheck/fixtures"
	"crosscheck/gate/preflight"
)

// TestOneWrongStartSetting has what servers read at their start only.
func TestOneWrongStartSetting(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	type start struct {
		name      string
		variables map[string]string
		gtid      fixtures.GTIDMode
		id        uint32
		want      []string
	}
	for _, family := range fixtures.Families() {
		t.Run(string(family), func(t *testing.T) {
			t.Parallel()
			old := fixtures.ServerForTest(t, family, fixtures.ServerOptions{ServerID: 1, DomainID: 1})
			_, root := openBoth(t, old, "old")
			updates, skip := "log_slave_updates", "slave_skip_errors"
			if family == fixtures.MySQL {
				updates, skip = "log_replica_updates", "replica_skip_errors"
			}
			cases := []start{
				{name: "healthy"},
				{name: "no binlog", variables: map[string]string{"skip_log_bin": ""}, want: []string{"fatal binlog_off:log_bin new"}},
				{name: "updates", variables: map[string]string{updates: "0"}, want: []string{"lossy log_replica_updates:log_replica_updates new"}},
				{name: "skip", variables: map[string]string{skip: "1062"}, want: []string{"lossy replica_skip_errors:" + skip + " new"}},
			}
			switch family {
			case fixtures.MySQL:
				cases = append(cases, start{name: "gtid", gtid: fixtures.GTIDOff, want: []string{"fatal gtid_mode:gtid_mode both"}},
					start{name: "filter of channels to come", variables: map[string]string{"replicate_ignore_table": "shop.tmp", "performance_schema": "ON"}, want: []string{"lossy replication_filter:replicate-ignore-table=shop.tmp new"}},
					start{name: "binlog filter", variables: map[string]string{"binlog_do_db": "shop"}, want: []string{"lossy binlog_filter:binlog-do-db=shop new"}},
					start{name: "tokens", variables: map[string]string{"innodb_ft_min_token_size": "2"}, want: []string{"warning config_innodb_ft_min_token_size:innodb_ft_min_token_size both"}},
					start{name: "ignored names", variables: map[string]string{"replicate_wild_do_table": "shop.%", "performance_schema": "ON"}, want: []string{"lossy replication_filter:replicate-wild-do-table=shop.% new"}})
			case fixtures.MySQL56:
				cases = append(cases, start{name: "gtid", gtid: fixtures.GTIDOn, want: []string{"fatal gtid_mode:gtid_mode both"}},
					start{name: "timestamps", variables: map[string]string{"explicit_defaults_for_timestamp": "0"}, want: []string{"warning config_explicit_defaults_for_timestamp:explicit_defaults_for_timestamp both"}})
			case fixtures.MariaDB, fixtures.MariaDB105, fixtures.MariaDB118: // and what all families do alike
				cases = append(cases, []start{
					{name: "binlog filter", variables: map[string]string{"binlog_ignore_db": "tmp"}, want: []string{"lossy binlog_filter:binlog-ignore-db=tmp new"}},
					{name: "same id", id: 1, want: []string{"fatal server_id_same:server_id both"}},
					{name: "names", variables: map[string]string{"lower_case_table_names": "1"}, want: []string{"fatal config_lower_case_table_names:lower_case_table_names both"}},
					{name: "autoinc", variables: map[string]string{"innodb_autoinc_lock_mode": "0"}, want: []string{"warning config_innodb_autoinc_lock_mode:innodb_autoinc_lock_mode both"}},
					{name: "charset", variables: map[string]string{"character_set_server": "latin1", "collation_server": "latin1_swedish_ci"}, want: []string{"warning config_character_set_server:character_set_server both"}},
				}...)
				cases = append(cases, start{name: "triggers", variables: map[string]string{"slave_run_triggers_for_rbr": "YES"}, want: []string{"lossy replica_runs_triggers:slave_run_triggers_for_rbr new"}})
			}
			got := make([][]string, len(cases))
			var g errgroup.Group
			g.SetLimit(3)
			for i, c := range cases {
				g.Go(func() error {
					id := c.id
					if id == 0 {
						id = 2
					}
					srv := fixtures.ServerForTest(t, family, fixtures.ServerOptions{ServerID: id, DomainID: 2, GTID: c.gtid, Variables: c.variables})
					defer srv.Close()
					_, newRoot := openBoth(t, srv, "new")
					pair, err := inspect.Collect(t.Context(), root, newRoot, inspect.Options{})
					if err != nil {
						return err
					}
					got[i] = open(preflight.Judge(pair, ownPasswords()))
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			for i, c := range cases {
				if !slices.Equal(got[i], append([]string{}, c.want...)) {
					t.Errorf("%s: got %q, want %q", c.name, got[i], c.want)
				}
			}
		})
	}
}

// ownPasswords: servers that are started by themselves have each its own.
func ownPasswords() preflight.Options {
	return preflight.Options{Accept: []string{"account_password", "account_password_unknown"}}
}

// TestCopiedServer meets a server under two addresses, and one whose data
// directory was copied with its identity.
func TestCopiedServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	old := fixtures.ServerForTest(t, fixtures.MySQL, fixtures.ServerOptions{ServerID: 1})
	srv := fixtures.ServerForTest(t, fixtures.MySQL, fixtures.ServerOptions{ServerID: 2})
	plain, root := openBoth(t, old, "old")
	sameAddr, _ := openBoth(t, old, "new")
	judge := func(o, n *cluster.Server) []string {
		pair, err := inspect.Collect(t.Context(), o, n, inspect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return open(preflight.Judge(pair, ownPasswords()))
	}
	uuid := plain.Facts().ServerUUID
	for _, o := range []*cluster.Server{plain, root} { // by TCP and by socket
		if got := judge(o, sameAddr); !slices.Equal(got, []string{"fatal same_server:" + uuid + " both"}) {
			t.Errorf("one server twice: %q", got)
		}
	}
	var dir string
	if err := srv.DB().QueryRowContext(t.Context(), "SELECT @@datadir").Scan(&dir); err != nil {
		t.Fatal(err)
	}
	if err := srv.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "auto.cnf"), []byte("[auto]\nserver-uuid="+uuid+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, copied := openBoth(t, srv, "new")
	if got := judge(root, copied); !slices.Equal(got, []string{"fatal server_uuid_same:" + uuid + " both"}) {
		t.Errorf("a copied data directory: %q", got)
	}
}
