package cluster

import (
	"errors"
	"strings"
	"testing"

	"crosscheck/fixtures"
)

func TestPrivileges(t *testing.T) {
	forFamilies(t, fixtures.ServerOptions{PerformanceSchema: true}, func(t *testing.T, srv *fixtures.Server) {
		all := []Privilege{PrivSelect, PrivSelectAll, PrivReplicationClient, PrivReplicaMonitor, PrivReplicationSlave, PrivProcess, PrivPerformanceSchema}
		execAll(t, srv, "CREATE DATABASE shop", "CREATE DATABASE hidden", "CREATE TABLE shop.a (i INT)", "CREATE TABLE shop.b (i INT, j INT)",
			"CREATE TABLE hidden.h (i INT)", "CREATE TABLE shop.gone (i INT)", "CREATE VIEW shop.broken AS SELECT * FROM shop.gone", "DROP TABLE shop.gone")
		as := func(t *testing.T, user string, grants ...string) *Server {
			execAll(t, srv, append([]string{"CREATE USER " + quoteText(user) + "@'%' IDENTIFIED BY 'pw'"}, grants...)...)
			cfg := configOf(srv, fixtures.Crosscheck)
			cfg.User, cfg.Password = user, "pw"
			return openConfig(t, cfg)
		}
		t.Run("all", func(t *testing.T) {
			s := openFixture(t, srv)
			checkScope(t, s, "everything", true)
			if err := s.CheckPrivileges(t.Context(), all...); err != nil {
				t.Error(err)
			}
			checkAccess(t, s, map[string]Access{
				"shop.a": AccessReadable, "shop.none": AccessMissing, "none.none": AccessMissing, "hidden.h": AccessReadable, "shop.broken": AccessBroken,
			})
		})
		t.Run("nothing", func(t *testing.T) {
			s := as(t, "o'none")
			checkScope(t, s, "nothing", false)
			checkMissing(t, s, PrivSelect, "GRANT SELECT ON *.* TO 'o''none'@'%'")
			checkMissing(t, s, PrivReplicationSlave, "GRANT REPLICATION SLAVE ON *.* TO 'o''none'@'%'")
			checkMissing(t, s, PrivPerformanceSchema, "GRANT SELECT ON performance_schema.* TO 'o''none'@'%'")
			monitor := "GRANT REPLICATION CLIENT ON *.* TO 'o''none'@'%'"
			if s.Facts().IsMariaDB() {
				monitor = "GRANT SLAVE MONITOR ON *.* TO 'o''none'@'%'"
			}
			checkMissing(t, s, PrivReplicaMonitor, monitor)
			checkAccess(t, s, map[string]Access{"shop.a": AccessDenied, "shop.none": AccessDenied, "none.none": AccessDenied})
		})
		t.Run("parts", func(t *testing.T) {
			s := as(t, "parts", "GRANT SELECT ON shop.* TO parts", "GRANT SELECT (i) ON hidden.h TO parts", "GRANT PROCESS ON *.* TO parts")
			checkScope(t, s, "only shop.*, some columns of hidden.h", false)
			checkMissing(t, s, PrivSelectAll, "GRANT SELECT ON *.* TO 'parts'@'%'")
			if err := s.CheckPrivileges(t.Context(), PrivSelect, PrivProcess); err != nil {
				t.Error(err)
			}
			checkAccess(t, s, map[string]Access{"shop.a": AccessReadable, "shop.none": AccessMissing, "hidden.none": AccessDenied})
		})
		t.Run("everything", func(t *testing.T) {
			s := as(t, "almighty", "GRANT ALL ON *.* TO almighty")
			checkScope(t, s, "everything", true)
			if err := s.CheckPrivileges(t.Context(), all...); err != nil {
				t.Error(err)
			}
		})
		if srv.Family() != fixtures.MySQL56 {
			t.Run("role", func(t *testing.T) { checkRole(t, srv, as) })
		}
		if srv.Family() == fixtures.MySQL {
			t.Run("revoked", func(t *testing.T) {
				execAll(t, srv, "SET GLOBAL partial_revokes = ON")
				s := as(t, "partly", "GRANT SELECT ON *.* TO partly", "REVOKE SELECT ON hidden.* FROM partly", "REVOKE SELECT ON mysql.* FROM partly")
				checkScope(t, s, "everything but hidden", false)
				checkMissing(t, s, PrivSelectAll, "GRANT SELECT ON *.* TO 'partly'@'%'")
				checkAccess(t, s, map[string]Access{"shop.a": AccessReadable, "hidden.h": AccessDenied})
			})
		}
	})
}

// checkRole gives everything through a role that is active by default, and in
// one more step through another role.
func checkRole(t *testing.T, srv *fixtures.Server, as func(*testing.T, string, ...string) *Server) {
	grants := []string{
		"CREATE ROLE reader, `odd role`", "GRANT SELECT, PROCESS ON *.* TO reader", "GRANT REPLICATION SLAVE ON *.* TO `odd role`",
		"GRANT `odd role` TO reader", "GRANT reader TO viarole", "SET DEFAULT ROLE reader TO viarole",
	}
	if srv.Family() == fixtures.MariaDB {
		grants[len(grants)-1] = "SET DEFAULT ROLE reader FOR viarole"
	}
	s := as(t, "viarole", grants...)
	checkScope(t, s, "everything", true)
	if err := s.CheckPrivileges(t.Context(), PrivSelectAll, PrivProcess, PrivReplicationSlave); err != nil {
		t.Error(err)
	}
	checkMissing(t, s, PrivReplicationClient, "GRANT REPLICATION CLIENT ON *.* TO 'viarole'@'%'")
	checkAccess(t, s, map[string]Access{"shop.a": AccessReadable, "shop.none": AccessMissing})
}

func checkScope(t *testing.T, s *Server, want string, complete bool) {
	t.Helper()
	got, err := s.VisibleScope(t.Context())
	if err != nil || got.String() != want || got.Complete() != complete {
		t.Errorf("scope %q (%+v), %v, want %q", got, got, err, want)
	}
}

func checkMissing(t *testing.T, s *Server, p Privilege, grant string) {
	t.Helper()
	err := s.CheckPrivileges(t.Context(), p)
	var e *PrivilegeError
	if !errors.As(err, &e) || e.Missing != p || e.Grant != grant || !IsPermission(err) || !strings.HasSuffix(err.Error(), grant) {
		t.Errorf("got %v, want %s", err, grant)
	}
}

func checkAccess(t *testing.T, s *Server, want map[string]Access) {
	t.Helper()
	for name, access := range want {
		schema, table, _ := strings.Cut(name, ".")
		got, err := s.TableAccess(t.Context(), schema, table)
		if err != nil || got != access {
			t.Errorf("%s: %q %v, want %q", name, got, err, access)
		}
	}
	_, err := s.DB().ExecContext(t.Context(), "SELECT * FROM hidden.none")
	if want["hidden.h"] == AccessDenied || want["hidden.none"] == AccessDenied {
		err = s.Explain("read", err)
		if !IsPermission(err) || !strings.Contains(err.Error(), "GRANT SELECT ON *.* TO '") {
			t.Errorf("got %v", err)
		}
	}
}
