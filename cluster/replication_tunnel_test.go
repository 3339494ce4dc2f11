package cluster

import (
	"fmt"
	"io"
	"net"
	"testing"

	"crosscheck/fixtures"
)

// tunnel forwards a port of its own to a server until the test ends.
func tunnel(t *testing.T, srv *fixtures.Server) (port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp4", srv.Addr())
			if err != nil {
				in.Close()
				return
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// MariaDB shows no UUID of its source. Through a tunnel the address does not
// fit either; then the server_id and the end of the log tell, and another
// server with the same server_id is not taken for old.
func TestRelateThroughTunnel(t *testing.T) {
	t.Parallel()
	set, o, n := serverPair(t, fixtures.MariaDB)
	twin := fixtures.ServerForTest(t, fixtures.MariaDB, fixtures.ServerOptions{ServerID: 1, DomainID: 1})
	run(t, set.Old, "CREATE DATABASE only_on_old", "CREATE DATABASE also_only_on_old")
	// The twin's GTIDs look like old's: domain 1, server 1, small numbers.
	run(t, twin, "CREATE DATABASE only_on_twin")
	for _, c := range []struct {
		source *fixtures.Server
		want   Mode
	}{{twin, Independent}, {set.Old, OneWay}} {
		run(t, set.New, "STOP ALL SLAVES", "RESET SLAVE ALL", "RESET MASTER", "SET GLOBAL gtid_slave_pos=''",
			"DROP DATABASE IF EXISTS only_on_twin", "RESET MASTER")
		run(t, set.New, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_USE_GTID=slave_pos",
			tunnel(t, c.source), fixtures.Replicator, c.source.Password(fixtures.Replicator)), "START SLAVE")
		var err error
		if c.source == twin {
			err = waitCount(t, set.New, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='only_on_twin'")
		} else {
			err = waitCount(t, set.New, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='also_only_on_old'")
		}
		if err != nil {
			t.Fatal(err)
		}
		rel := relate(t, o, n, c.want)
		if c.want == OneWay {
			wantProof(t, rel.OldToNew, ByMariaDBGTID, true)
			if err = rel.OldToNew.Wait(t.Context(), positionOf(t, o), waitOpt); err != nil {
				t.Fatal(err)
			}
		}
	}
}
