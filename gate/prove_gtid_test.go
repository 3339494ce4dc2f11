package gate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"crosscheck/gate/plan"
)

// TestStepsByTheirStatements: whoever runs what the gate says, in its order, comes to steps that open it.
func TestStepsByTheirStatements(t *testing.T) {
	p := testPlan(plan.DualWrite)
	j := &judge{plan: p, hash: p.Hash(), now: t0, old: uuidOld, new: uuidNew}
	for _, pair := range [][2]Step{
		{{1, 1}, {1, 1}}, {{2, 1}, {2, 1}}, {{2, 2}, {2, 2}}, {{2, 3}, {2, 1}}, {{4, 2}, {6, 4}}, {{2, 2}, {1, 1}}, {{3, 3}, {3, 3}}, {{0, 0}, {2, 1}},
	} {
		side := func(s Step) StepSide { return StepSide{Global: s, PersistedKnown: true, SessionsSeen: true} }
		c := Steps{Old: side(pair[0]), New: side(pair[1])}
		for round := 0; ; round++ {
			reasons := judgeSteps(j, made(p, t0, c))
			if len(reasons) == 0 {
				break
			}
			if round == 3 {
				t.Errorf("from %v: still %+v", pair, reasons)
				break
			}
			for _, r := range reasons {
				name, statements, _ := strings.Cut(strings.TrimPrefix(r.Next, "on "), ": ")
				of := map[string]*StepSide{"old": &c.Old, "new": &c.New}[name]
				var to Step
				if n, err := fmt.Sscanf(statements, "SET PERSIST auto_increment_offset = %d; SET PERSIST auto_increment_increment = %d",
					&to.Offset, &to.Increment); n != 2 || of == nil {
					t.Fatalf("%q: %v", r.Next, err)
				}
				of.Global, of.Persisted = to, &to
			}
		}
	}
	maria := judgeSteps(j, made(p, t0, Steps{Old: StepSide{Global: Step{1, 1}, SessionsSeen: true}, New: StepSide{Global: Step{1, 1}, SessionsSeen: true}}))
	for i, want := range []string{
		"on old: SET GLOBAL auto_increment_offset = 1; SET GLOBAL auto_increment_increment = 2",
		"write auto_increment_offset = 1 and auto_increment_increment = 2 into old's option file; ",
		"on new: SET GLOBAL auto_increment_offset = 2; SET GLOBAL auto_increment_increment = 2",
		"write auto_increment_offset = 2 and auto_increment_increment = 2 into new's option file; ",
	} {
		if len(maria) != 4 || !strings.HasPrefix(maria[i].Next, want) {
			t.Errorf("where nothing can be persisted: %+v, want %s", maria, want)
		}
	}
}

// TestReplicationThatNewRefuses: new with GTIDs does not go on by START REPLICA alone.
func TestReplicationThatNewRefuses(t *testing.T) {
	p := windowed(testPlan(plan.GTIDRestart))
	for mode, want := range map[string]string{"ON": "on new: SET GLOBAL gtid_mode = ON_PERMISSIVE; START REPLICA", "ON_PERMISSIVE": "on new: START REPLICA"} {
		g := good(p, KindGTID, t0).(GTID)
		g.Nodes[1].Mode = mode
		list := replaced(replaced(world(p), KindGTID, made(p, t0, g)), KindSync, made(p, t0, stopped(WordsReplica)))
		r := mustGate(t, Judge(p, list, t0), "caught-up")
		if !slices.ContainsFunc(r.Reasons, func(x Reason) bool { return x.ID == ReasonReplicationStopped && x.Next == want }) {
			t.Errorf("gtid_mode %s: %+v", mode, r.Reasons)
		}
	}
}

// TestSessionAtAStatement: a session that shows no step since it is at a statement is named, with its age.
func TestSessionAtAStatement(t *testing.T) {
	p := testPlan(plan.DualWrite)
	j := &judge{plan: p, hash: p.Hash(), now: t0, old: uuidOld, new: uuidNew}
	c := good(p, KindSteps, t0).(Steps)
	c.New.SessionsSeen, c.New.Busy = false, []BusySession{{Session{ID: 7, User: "app", Host: "h"}, 300}}
	got := judgeSteps(j, made(p, t0, c))
	if len(got) != 1 || got[0].ID != ReasonStaleSessionsUnseen || !strings.Contains(got[0].Text, "7 app@h for 5m0s") || got[0].Next != "wait until it has ended, or end it; on new: KILL 7" {
		t.Errorf("%+v", got)
	}
}

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
	second := assigns("converter", "new")
	second.Nodes[2].Channels, second.Nodes[2].Of = []string{"it's"}, 2
	straight := assigns("converter", "new")
	straight.Nodes[2].Channels, straight.Nodes[2].Of, straight.Nodes[2].FromOld = []string{"it's"}, 2, []string{"it's"}
	without := node("OFF", false, LadderRestart)
	without.Nodes[1].Anonymous = -1
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
			ReadOnly{ReadOnly: true, NoSuper: true, AboveUnseen: "no PROCESS", AboveGrant: "on old: GRANT PROCESS ON *.* TO 'c'@'%'"},
			ReasonSessionsUnseen, Unknown, "on old: GRANT PROCESS ON *.* TO 'c'@'%'",
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
		{
			"MySQL 5.6, which has no counter", plan.GateGTIDOn, judgeGTID, without, ReasonGTIDOff, Fail,
			"write gtid_mode = ON, enforce_gtid_consistency = ON, log_bin and log_slave_updates into the option file of new, and restart it",
		},
		{"MariaDB", plan.GateGTIDOn, judgeGTID, node("", false, LadderNone), ReasonGTIDOff, Fail, "take another path: both servers of this one must be MySQL"},
		{
			"MySQL 5.6 that stopped", plan.GateCaughtUp, judgeOldToNew, stopped(WordsSlave), ReasonReplicationStopped, Fail, "on new: START SLAVE",
		},
		{
			"MariaDB that skips", plan.GateCaughtUp, judgeOldToNew, skipping(WordsMixed), ReasonReplicationSkips, Fail,
			"on new: SET GLOBAL slave_exec_mode = 'STRICT'; remove slave_skip_errors from the option file and restart it",
		},
		{
			"MySQL 8 that skips", plan.GateCaughtUp, judgeOldToNew, skipping(WordsReplica), ReasonReplicationSkips, Fail,
			"on new: SET GLOBAL replica_exec_mode = 'STRICT'; remove replica_skip_errors from the option file and restart it",
		},
		{
			"a second converter", plan.GateSingleConverter, judgeConverter, assigns("converter", "new"), ReasonConverterSecond, Fail,
			"on new: STOP REPLICA; CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = OFF; START REPLICA",
		},
		{
			"a second converter with two channels", plan.GateSingleConverter, judgeConverter, second, ReasonConverterSecond, Fail,
			"on new: STOP REPLICA FOR CHANNEL 'it''s'; CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = OFF FOR CHANNEL 'it''s'; " +
				"START REPLICA FOR CHANNEL 'it''s'",
		},
		{
			"and one of them from old", plan.GateSingleConverter, judgeConverter, straight, ReasonConverterSecond, Fail,
			"on new: STOP REPLICA FOR CHANNEL 'it''s'; RESET REPLICA ALL FOR CHANNEL 'it''s'",
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

// TestLooksAtWhatKeeps: a look at one gate measures the later gates that may keep it, or one before it, and no others.
func TestLooksAtWhatKeeps(t *testing.T) {
	for _, c := range []struct {
		path          plan.Path
		name, decided string
		want          string
	}{
		{plan.GTIDRestart, plan.GateCaughtUp, "", "preflight caught-up"},
		{plan.GTIDRestart, plan.GateCaughtUp, "gtid-on", "preflight caught-up"},
		{plan.GTIDRestart, plan.GateCaughtUp, "positions-equal", "preflight caught-up positions-equal"},
		{plan.GTIDRestart, plan.GateCaughtUp, "positions-equal switched", "preflight caught-up positions-equal switched"},
		{plan.GTIDRestart, plan.GateReadOnly, "switched", "preflight caught-up read-only switched"},
		{plan.GTIDConverter, plan.GateChainInSync, "drained", "preflight chain-in-sync drained"},
		{plan.DualWrite, plan.GateReplicaInSync, "old-drained step-restored", "preflight replica-in-sync old-drained step-restored"},
		{plan.RollingUpgrade, plan.GatePreflight, "switched", "preflight switched"},
		{plan.GTIDRestart, "", "", strings.Join(plan.GTIDRestart.Gates(), " ")},
	} {
		open := strings.Fields(c.decided)
		got := strings.Join(Looks(plan.Plan{Path: c.path}, c.name, func(gate string) bool { return slices.Contains(open, gate) }), " ")
		if got != c.want {
			t.Errorf("%s %s with %q open: %s, want %s", c.path, c.name, c.decided, got, c.want)
		}
	}
}
