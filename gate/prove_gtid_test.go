package gate

import (
	"strings"
	"testing"

	"crosscheck/gate/plan"
)

// TestWordsOfTheServer: what to do next is told in the words of the server at hand, and can be run as it stands.
func TestWordsOfTheServer(t *testing.T) {
	node := func(mode string, enforced bool, l Ladder) GTID {
		return GTID{Nodes: []GTIDNode{
			{Name: "old", UUID: uuidOld, Reachable: true, Mode: "OFF", Anonymous: -1},
			{Name: "new", UUID: uuidNew, Reachable: true, Mode: mode, Enforced: enforced, Ladder: l},
		}}
	}
	assigns := func(names ...string) Converter {
		c := Converter{Compared: 1}
		for _, n := range []ConverterNode{{Name: "old", UUID: uuidOld}, {Name: "converter", UUID: uuidConv}, {Name: "new", UUID: uuidNew}} {
			n.Reachable, n.Assigns = true, strings.Contains(strings.Join(names, " "), n.Name)
			c.Nodes = append(c.Nodes, n)
		}
		return c
	}
	root := []Session{{ID: 12, User: "root", Host: "localhost"}, {ID: 15, User: "root", Host: "10.0.0.1"}}
	for _, c := range []struct {
		name  string
		gate  string
		judge func(*judge, Evidence) []Reason
		of    Content
		id    string
		state State
		next  string
	}{
		{"read only, MySQL 5.7 and later", plan.GateReadOnly, judgeReadOnly, ReadOnly{ReadOnly: true}, ReasonNotReadOnly, Fail, "on old: SET GLOBAL super_read_only = ON"},
		{"read only, others", plan.GateReadOnly, judgeReadOnly, ReadOnly{NoSuper: true}, ReasonNotReadOnly, Fail, "on old: SET GLOBAL read_only = ON"},
		{
			"sessions above it", plan.GateReadOnly, judgeReadOnly,
			ReadOnly{ReadOnly: true, NoSuper: true, Above: root},
			ReasonNotReadOnly, Fail,
			"on old: KILL 12; KILL 15",
		},
		{
			"not known who is above it", plan.GateReadOnly, judgeReadOnly,
			ReadOnly{ReadOnly: true, NoSuper: true, AboveUnseen: "no PROCESS"},
			ReasonSessionsUnseen, Unknown, "let the account see it, or end all other sessions with SUPER on old",
		},
		{"MySQL 8", plan.GateGTIDOn, judgeGTID, node("OFF", false, LadderPersist), ReasonGTIDOff, Fail, "on new: SET PERSIST enforce_gtid_consistency = ON; SET PERSIST gtid_mode = OFF_PERMISSIVE"},
		{"MySQL 8, half way", plan.GateGTIDOn, judgeGTID, node("OFF_PERMISSIVE", true, LadderPersist), ReasonGTIDOff, Fail, "on new: SET PERSIST gtid_mode = ON_PERMISSIVE"},
		{"not enforced", plan.GateGTIDOn, judgeGTID, node("ON_PERMISSIVE", false, LadderPersist), ReasonGTIDOff, Fail, "on new: SET PERSIST enforce_gtid_consistency = ON"},
		{
			"MySQL 5.7", plan.GateGTIDOn, judgeGTID, node("ON_PERMISSIVE", true, LadderGlobal), ReasonGTIDOff, Fail,
			"on new: SET GLOBAL gtid_mode = ON, and write it into the option file, or a restart loses it",
		},
		{
			"MySQL 5.6", plan.GateGTIDOn, judgeGTID, node("OFF", false, LadderRestart), ReasonGTIDOff, Fail,
			"write gtid_mode = ON, enforce_gtid_consistency = ON, log_bin and log_slave_updates into the option file of new, and restart it",
		},
		{"MariaDB", plan.GateGTIDOn, judgeGTID, node("", false, LadderNone), ReasonGTIDOff, Fail, "take another path: both servers of this one must be MySQL"},
		{
			"MySQL 5.6 that stopped", plan.GateCaughtUp, judgeOldToNew, stopped(WordsSlave), ReasonReplicationStopped, Fail, "on new: START SLAVE",
		},
		{
			"MariaDB that skips", plan.GateCaughtUp, judgeOldToNew, skipping(WordsMixed), ReasonReplicationSkips, Fail,
			"on new: SET GLOBAL slave_exec_mode = 'STRICT', and remove slave_skip_errors",
		},
		{
			"MySQL 8 that skips", plan.GateCaughtUp, judgeOldToNew, skipping(WordsReplica), ReasonReplicationSkips, Fail,
			"on new: SET GLOBAL replica_exec_mode = 'STRICT', and remove replica_skip_errors",
		},
		{
			"a second converter", plan.GateSingleConverter, judgeConverter, assigns("converter", "new"), ReasonConverterSecond, Fail,
			"on new: STOP REPLICA; CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = OFF; START REPLICA",
		},
		{
			"new converts", plan.GateSingleConverter, judgeConverter, assigns("new"), ReasonConverterWrong, Fail,
			"on new: STOP REPLICA; CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = OFF; START REPLICA",
		},
	} {
		path := plan.GTIDRestart
		if c.gate == plan.GateSingleConverter {
			path = plan.GTIDConverter
		}
		p := testPlan(path)
		j := &judge{plan: p, hash: p.Hash(), now: t0, old: uuidOld, new: uuidNew}
		got := c.judge(j, made(p, t0, c.of))
		if len(got) != 1 || got[0].ID != c.id || got[0].State != c.state || got[0].Next != c.next {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func judgeOldToNew(j *judge, e Evidence) []Reason {
	return judgeLinks(j, e, [][2]string{{"old", "new"}})
}

func stopped(w Words) Sync { return Sync{Links: []Link{{From: "old", To: "new", Words: w}}} }

func skipping(w Words) Sync {
	return Sync{Links: []Link{{From: "old", To: "new", Running: true, LagKnown: true, Skips: true, Words: w}}}
}

// TestRungsEndAtOn: whoever does what each rung says gets to ON, one rung at a time.
func TestRungsEndAtOn(t *testing.T) {
	for _, l := range []Ladder{"", LadderPersist, LadderGlobal} {
		n, steps := GTIDNode{Name: "new", Mode: "OFF", Ladder: l}, 0
		for ; n.Mode != "ON" || !n.Enforced; steps++ {
			next := n.rung()
			n.Enforced = n.Enforced || strings.Contains(next, "enforce_gtid_consistency = ON")
			if _, mode, ok := strings.Cut(next, "gtid_mode = "); ok {
				n.Mode, _, _ = strings.Cut(mode, ",")
			}
			if steps > 3 {
				t.Fatalf("%q does not get to ON: %s", l, next)
			}
		}
		if steps != 3 {
			t.Errorf("%q needs %d steps", l, steps)
		}
	}
}
