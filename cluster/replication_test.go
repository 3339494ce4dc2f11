package cluster

import (
	"strings"
	"testing"

	"crosscheck/cluster/gtid"
)

func TestOldWord(t *testing.T) {
	for in, want := range map[string]string{
		"Replica_IO_Running": "slave_io_running", "Relay_Source_Log_File": "relay_master_log_file", "Seconds_Behind_Source": "seconds_behind_master",
		"Replicate_Do_DB": "replicate_do_db", "log_replica_updates": "log_slave_updates", "Slave_IO_Running": "slave_io_running",
		"Source_UUID": "master_uuid", "replica_exec_mode": "slave_exec_mode",
	} {
		if got := oldWord(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func TestTrouble(t *testing.T) {
	c := ReplicaChannel{IORunning: true, SQLErrno: 1062, SQLError: "Duplicate entry\n'1' " + strings.Repeat("x", 1000)}
	got := c.Trouble()
	if !strings.HasPrefix(got, "applier stopped with error 1062 (Duplicate entry '1' xxx") || len(got) > 400 || strings.Contains(got, "\n") {
		t.Errorf("got %q", got)
	}
	c = ReplicaChannel{SQLRunning: true, IOConnecting: true}
	if got = c.Trouble(); got != "receiver connecting" {
		t.Errorf("got %q", got)
	}
	if got = (ReplicaChannel{IORunning: true, SQLRunning: true}).Trouble(); got != "" {
		t.Errorf("got %q", got)
	}
}

func place(s string) gtid.FilePos {
	p, err := gtid.ParseFilePos(s)
	if err != nil {
		panic(err)
	}
	return p
}

func TestStuck(t *testing.T) {
	left := gtid.Position{Kind: gtid.File, File: place("b.000002:100")}
	runs := ReplicaChannel{IORunning: true, SQLRunning: true}
	dead := ReplicaChannel{}
	drains := ReplicaChannel{SQLRunning: true, Read: place("b.000002:100")}
	short := ReplicaChannel{SQLRunning: true, Read: place("b.000002:99")}
	for name, c := range map[string]struct {
		list  []ReplicaChannel
		stuck bool
	}{
		"no channel":                        {nil, false},
		"running":                           {[]ReplicaChannel{runs}, false},
		"dead":                              {[]ReplicaChannel{dead}, true},
		"receiver stopped, all is received": {[]ReplicaChannel{drains}, false},
		"receiver stopped, a byte is not":   {[]ReplicaChannel{short}, true},
		"one of two runs":                   {[]ReplicaChannel{dead, runs}, false},
		"both are dead":                     {[]ReplicaChannel{dead, short}, true},
	} {
		if got := stuck(c.list, left, ByFilePos); (got != "") != c.stuck {
			t.Errorf("%s: %q", name, got)
		}
	}
	left = mariaPosition("0-1-100")
	drains = ReplicaChannel{SQLRunning: true, Retrieved: mariaPosition("0-1-100")}
	if got := stuck([]ReplicaChannel{drains}, left, ByMariaDBGTID); got != "" {
		t.Errorf("all is received: %q", got)
	}
	if got := stuck([]ReplicaChannel{{SQLRunning: true}}, left, ByMariaDBGTID); got == "" {
		t.Error("nothing is received, and no trouble")
	}
}

// Who stood in a queue at first is known to have left it when so many have gone since; who came later does not count.
func TestDrain(t *testing.T) {
	for _, c := range []struct {
		name string
		seen []int
		want bool // after the last look; before it never
	}{
		{"nobody", []int{0}, true},
		{"one waits", []int{1, 1, 1}, false},
		{"one went", []int{1, 1, 0}, true},
		{"others come", []int{2, 5, 7, 7}, false},
		{"one of two went, others come", []int{2, 3, 2, 4}, false},
		{"two went, others came", []int{2, 3, 2, 4, 3}, true},
		{"never empty", []int{3, 2, 3, 2, 3, 2}, true},
	} {
		var d drain
		for i, n := range c.seen {
			if got, want := d.look(n), c.want && i == len(c.seen)-1; got != want {
				t.Errorf("%s: look %d says %v", c.name, i+1, got)
			}
		}
	}
}

func TestParseOwned(t *testing.T) {
	const u = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	for text, want := range map[string]string{
		"": "", u + ":5#12:4#10": u + ":4-5", u + ":7#3#4,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1#9": u + ":7,4e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1",
	} {
		if got, err := parseOwned(text); err != nil || got.String() != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestLeadsTo(t *testing.T) {
	const u1, u2 = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"
	source := identity{uuid: u1, serverID: 1, hosts: []string{"db1", "192.0.2.7"}, ports: []int{3306}}
	maria := identity{maria: true, serverID: 1, hosts: source.hosts, ports: source.ports}
	near, far := identity{hosts: []string{"db1"}}, identity{hosts: []string{"db2"}}
	for name, c := range map[string]struct {
		channel         ReplicaChannel
		source, replica identity
		want            kinship
	}{
		"same UUID, through a proxy":    {ReplicaChannel{SourceUUID: u1, SourceHost: "proxy", SourcePort: 1}, source, far, certain},
		"another UUID, same address":    {ReplicaChannel{SourceUUID: u2, SourceServerID: 1, SourceHost: "db1", SourcePort: 3306}, source, far, stranger},
		"never connected, address":      {ReplicaChannel{SourceHost: "db1", SourcePort: 3306}, source, far, certain},
		"never connected, other port":   {ReplicaChannel{SourceHost: "db1", SourcePort: 3307}, source, far, stranger},
		"no UUID, id and address":       {ReplicaChannel{SourceServerID: 1, SourceHost: "192.0.2.7", SourcePort: 3306}, maria, far, certain},
		"no UUID, other id":             {ReplicaChannel{SourceServerID: 2, SourceHost: "192.0.2.7", SourcePort: 3306}, maria, far, stranger},
		"no UUID, id, another address":  {ReplicaChannel{SourceServerID: 1, SourceHost: "192.0.2.8", SourcePort: 3306}, maria, far, likely},
		"loopback on the same machine":  {ReplicaChannel{SourceServerID: 1, SourceHost: "127.0.0.1", SourcePort: 3306}, maria, near, certain},
		"loopback on another machine":   {ReplicaChannel{SourceServerID: 1, SourceHost: "127.0.0.1", SourcePort: 3306}, maria, far, likely},
		"loopback, never connected":     {ReplicaChannel{SourceHost: "localhost", SourcePort: 3306}, maria, far, stranger},
		"letter case of names":          {ReplicaChannel{SourceServerID: 1, SourceHost: "DB1", SourcePort: 3306}, maria, far, certain},
		"default id of an unknown host": {ReplicaChannel{SourceServerID: 1, SourceHost: "192.0.2.9", SourcePort: 3307}, maria, far, likely},
	} {
		if got := c.channel.leadsTo(t.Context(), c.source, c.replica); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
