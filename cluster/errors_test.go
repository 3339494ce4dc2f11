package cluster

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"
	pingcap "github.com/pingcap/errors"
)

func TestErrorKinds(t *testing.T) {
	num := func(n uint16) error { return &mysql.MySQLError{Number: n, Message: "m"} }
	raw := func(n uint16) error { return pingcap.Trace(&gomysql.MyError{Code: n, Message: "m"}) }
	dial := func(network string, err error) error {
		return &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", err)}
	}
	for _, c := range []struct {
		err                            error
		transient, timeout, permission bool
	}{
		{nil, false, false, false},
		{errors.New("other"), false, false, false},
		{context.Canceled, false, false, false},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), false, false, false},
		{num(1205), true, false, false},
		{raw(1213), true, false, false},
		{raw(1053), true, false, false},
		{num(1040), true, false, false},
		{num(1064), false, false, false},
		{num(1146), false, false, false},
		{raw(3024), false, true, false},
		{num(1969), false, true, false},
		{num(1045), false, false, true},
		{raw(1142), false, false, true},
		{raw(1227), false, false, true},
		{&PrivilegeError{}, false, false, true},
		{driver.ErrBadConn, true, false, false},
		{mysql.ErrInvalidConn, true, false, false},
		{pingcap.Wrapf(gomysql.ErrBadConn, "io.ReadFull(header) failed"), true, false, false},
		{fmt.Errorf("x: %w", io.ErrUnexpectedEOF), true, false, false},
		{dial("tcp", syscall.ECONNREFUSED), true, false, false},
		{dial("unix", syscall.ENOENT), true, false, false},
		{dial("unix", syscall.EACCES), false, false, false},
		{&net.DNSError{IsNotFound: true}, false, false, false},
		{&net.DNSError{IsTimeout: true}, true, false, false},
		{ErrNoTLS, false, false, false},
	} {
		for _, err := range []error{c.err, Explain("old", "a:1", "op", c.err)} {
			if IsTransient(err) != c.transient || IsTimeout(err) != c.timeout || IsPermission(err) != c.permission {
				t.Errorf("%v: transient %v, timeout %v, permission %v", err, IsTransient(err), IsTimeout(err), IsPermission(err))
			}
		}
	}
}

func TestExplain(t *testing.T) {
	cause := pingcap.Trace(&gomysql.MyError{Code: 1142, State: "42000", Message: "SELECT command denied\n to user 'u'@'h'"})
	err := explain("old", "db1:3306", "read table shop.orders", "u@%", cause)
	want := "old (db1:3306): read table shop.orders: SELECT command denied to user 'u'@'h' (error 1142); run on it: GRANT SELECT ON *.* TO 'u'@'%'"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if !errors.Is(err, cause) || ErrorNumber(err) != 1142 {
		t.Error("the cause is lost")
	}
	if again := Explain("new", "other", "later", fmt.Errorf("wrapped: %w", err)); strings.Count(again.Error(), "GRANT") != 1 {
		t.Errorf("explained twice: %v", again)
	}
	if err := Explain("old", "a", "op", context.Canceled); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), ";") {
		t.Errorf("got %v", err)
	}
	if Explain("old", "a", "op", nil) != nil {
		t.Error("nil is an error now")
	}
	if s := Explain("old", "a", "op", &mysql.MySQLError{Number: 1142, Message: "m"}).Error(); !strings.Contains(s, "CURRENT_USER()") {
		t.Errorf("without an account: %s", s)
	}
}

func TestParseGrants(t *testing.T) {
	for _, c := range []struct {
		lines string
		scope string
		has   []Privilege
		lacks []Privilege
	}{
		{"GRANT USAGE ON *.* TO `u`@`%`", "nothing", nil, []Privilege{PrivSelect, PrivProcess}},
		{
			"GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION", "everything",
			[]Privilege{PrivSelectAll, PrivProcess, PrivReplicaMonitor, PrivPerformanceSchema},
			nil,
		},
		{
			"GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*ON *.* TO'", "everything",
			[]Privilege{PrivReplicationClient, PrivReplicationSlave},
			[]Privilege{PrivReplicaMonitor, PrivProcess},
		},
		{"GRANT SELECT (`a`, `odd, ) ON x.* TO`), INSERT (`b`) ON `we.ird``s`.`t` TO `u`@`%`", "only some columns of `we.ird``s`.t", []Privilege{PrivSelect}, []Privilege{PrivSelectAll}},
		{"GRANT INSERT ON `a`.* TO `u`@`%`\nGRANT SELECT, INSERT ON `b\\_c%`.* TO `u`@`%`", "only b\\_c%.*", []Privilege{PrivSelect}, nil},
		{
			"GRANT EXECUTE ON PROCEDURE `a`.`SELECT` TO `u`@`%`\nGRANT PROXY ON ''@'' TO 'u'@'h'\nGRANT `reader`@`%` TO `u`@`%`\nSET DEFAULT ROLE `r` FOR `u`@`%`",
			"nothing", nil,
			[]Privilege{PrivSelect},
		},
		{"GRANT SELECT ON *.* TO `u`@`%`\nREVOKE SELECT ON `mysql`.* FROM `u`@`%`\nREVOKE INSERT ON `x`.* FROM `u`@`%`", "everything", []Privilege{PrivSelectAll}, nil},
		{"GRANT SELECT ON `*`.* TO `u`@`%`\nGRANT SELECT ON `a`.`*` TO `u`@`%`\nGRANT SELECT ON `a.b`.`c` TO `u`@`%`", "only *.*, `a.b`.c, a.*", []Privilege{PrivSelect}, []Privilege{PrivSelectAll}},
		{"GRANT SELECT ON `mysql`.* TO `u`@`%`\nGRANT SELECT ON `performance\\_schema`.* TO `u`@`%`", "nothing", []Privilege{PrivPerformanceSchema}, []Privilege{PrivSelect}},
	} {
		g := parseGrants(strings.Split(c.lines, "\n"))
		if got := g.scope().String(); got != c.scope {
			t.Errorf("%s: scope %q, want %q", c.lines, got, c.scope)
		}
		f := Facts{Flavor: FlavorMariaDB, Major: 11}
		for _, p := range c.has {
			if !g.has(p, f) {
				t.Errorf("%s: lacks %s", c.lines, p)
			}
		}
		for _, p := range c.lacks {
			if g.has(p, f) {
				t.Errorf("%s: has %s", c.lines, p)
			}
		}
	}
}

func TestFactsFrom(t *testing.T) {
	for version, want := range map[string]string{
		"8.0.41-32": "mysql 8.0.41", "10.11.14-MariaDB-deb12-log": "mariadb 10.11.14", "5.5.5-10.6.12-MariaDB": "mariadb 10.6.12",
		"5.6.24": "mysql 5.6.24", "9.7.4-debian": "mysql 9.7.4", "11.4.2-MariaDB": "mariadb 11.4.2",
	} {
		f := factsFrom(variables{"version": version})
		if got := fmt.Sprintf("%s %d.%d.%d", f.Flavor, f.Major, f.Minor, f.Patch); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
	base := variables{"version": "10.11.1-MariaDB", "server_id": "1", "hostname": "h", "port": "3306", "datadir": "/d"}
	id := factsFrom(base).ServerUUID
	for name, value := range map[string]string{"server_id": "2", "hostname": "i", "port": "3307", "datadir": "/e", "server_uid": "x"} {
		other := variables{}
		for k, v := range base {
			other[k] = v
		}
		other[name] = value
		if factsFrom(other).ServerUUID == id {
			t.Errorf("another %s has the same identity", name)
		}
	}
	f := factsFrom(variables{"version": "5.7.9", "expire_logs_days": "3.000000", "read_only": "OFF", "log_bin": "ON"})
	if f.BinlogExpireSeconds != 3*86400 || f.ReadOnly || f.BinlogFormat != "ROW" || !f.AtLeast(5, 7, 9) || f.AtLeast(5, 7, 10) || f.AtLeast(8, 0, 0) {
		t.Errorf("%+v", f)
	}
}

// TestEndsRun: only what is the server's or the account's ends a run; whatever else a server says of a table is the table's.
func TestEndsRun(t *testing.T) {
	for _, n := range []uint16{1205, 1213, 1317, 1412, 1142, 1143, 1044, 1146, 1356, 1017, 1016, 1194, 1030, 1690, 1271, 4079, 1210, 3024, 1969} {
		if err := fmt.Errorf("gave up: %w", &mysql.MySQLError{Number: n}); EndsRun(err) {
			t.Errorf("error %d of one table ends the run", n)
		}
	}
	for _, n := range []uint16{1045, 1227, 1053, 1040, 2013, 1927} {
		if err := fmt.Errorf("gave up: %w", &mysql.MySQLError{Number: n}); !EndsRun(err) {
			t.Errorf("error %d is taken for a table's", n)
		}
	}
	for _, err := range []error{io.ErrUnexpectedEOF, &ServerChangedError{}, &SettingError{}} {
		if !EndsRun(fmt.Errorf("read rows: %w", err)) {
			t.Errorf("%v is taken for a table's", err)
		}
	}
	if EndsRun(nil) || EndsRun(errors.New("a row that cannot be split")) {
		t.Error("what is no server's ends the run")
	}
}
