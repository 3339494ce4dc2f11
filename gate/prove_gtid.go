package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"crosscheck/gate/plan"
)

func judgeReadOnly(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(ReadOnly)
	if !ok {
		return j.wrongType(e)
	}
	if !c.ReadOnly || !c.SuperReadOnly {
		return []Reason{*j.takesWrites(c)} // there is no window whose beginning or positions could be judged
	}
	var out []Reason
	again := j.measure(plan.GateReadOnly, KindReadOnly)
	if c.T1.IsZero() || c.Since.IsZero() || c.Since.After(c.T1) {
		out = append(out, *j.unknown(ReasonWindowUnmeasured, "old is not known to have been read only when the window began", again))
	} else {
		out = append(out, j.window(e.Taken.Sub(c.Since))...)
	}
	switch {
	case c.OldT1 == "" || c.OldT2 == "":
		out = append(out, *j.unknown(ReasonPositionsUnknown, "old's position is not known", again))
	case c.OldT1 != c.OldT2:
		out = append(out, *j.fail(ReasonPositionMoved, fmt.Sprintf("old's position was %s at the beginning of the window and is %s", c.OldT1, c.OldT2),
			"find who writes to old; on old: SHOW PROCESSLIST; begin a new window; on old: SET GLOBAL read_only = OFF; "+again+"; on old: SET GLOBAL "+c.shutBy()+" = ON"))
	}
	return out
}

// shutBy is the setting by which old refuses writes.
func (c ReadOnly) shutBy() string {
	if c.NoSuper {
		return "read_only"
	}
	return "super_read_only"
}

// takesWrites says what keeps old from being read only, in the words of its version.
func (j *judge) takesWrites(c ReadOnly) *Reason {
	switch {
	case !c.NoSuper:
		return j.fail(ReasonNotReadOnly, "old takes writes, at least of accounts with SUPER", "on old: SET GLOBAL super_read_only = ON")
	case !c.ReadOnly:
		return j.fail(ReasonNotReadOnly, "old takes writes", "on old: SET GLOBAL read_only = ON")
	case len(c.Above) > 0:
		return j.fail(ReasonNotReadOnly, "old is read only, but some sessions may write all the same, by SUPER or READ ONLY ADMIN: "+
			people(c.Above), "on old: "+kill(c.Above))
	case c.AboveUnseen != "":
		return j.unknown(ReasonSessionsUnseen, "old is read only, but has no super_read_only, and whether somebody may write all the same is not known: "+
			c.AboveUnseen, cmp.Or(c.AboveGrant, "end all other sessions with SUPER on old"))
	}
	return j.fail(ReasonNotReadOnly, "old is not known to refuse writes of accounts with SUPER", "on old: end all sessions with SUPER")
}

// judgePositions demands all of the window, and that new has applied exactly old's position.
func judgePositions(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(ReadOnly)
	if !ok {
		return j.wrongType(e)
	}
	out := judgeReadOnly(j, e)
	switch {
	case c.NewApplied == "":
		out = append(out, *j.unknown(ReasonPositionsUnknown, "how far new has applied old's log is not known",
			"on new: "+Words("").show()))
	case c.OldT2 != "" && c.NewApplied != c.OldT2:
		out = append(out, *j.fail(ReasonPositionsDiffer, fmt.Sprintf("new has applied %s, old stands at %s", c.NewApplied, c.OldT2), "wait until new has caught up"))
	}
	if c.Extra != "" {
		out = append(out, *j.fail(ReasonExtraTransactions, "new has transactions that old does not have: "+c.Extra,
			"find what wrote to new and undo it; "+j.measure("", KindCheck)))
	}
	check, _ := j.newest(KindCheck)
	if on := j.reset(check.from()); len(on) > 0 {
		out = append(out, *j.unknown(ReasonPositionsUnknown, "the log of "+strings.Join(on, " and of ")+" was reset: what was written there before that is not known",
			"check the data again: "+j.measure("", KindCheck)))
	}
	return out
}

// nodes are the names that a chain of the plan's path has, with the server_uuid where it is known.
func (j *judge) nodes() map[string]string {
	out := map[string]string{"old": j.old, "new": j.new}
	if j.plan.Converter != nil {
		out["converter"] = j.plan.Converter.ServerUUID
	}
	return out
}

// reached judges that every node of the chain, and every other node that was asked, answered as itself.
func (j *judge) reached(gate string, kind Kind, names, uuids []string, reachable []bool) []Reason {
	var out []Reason
	left := j.nodes()
	for i, name := range names {
		want, known := left[name]
		delete(left, name)
		switch {
		case !reachable[i]:
			out = append(out, *j.unknown(ReasonNodeMissing, "the node "+name+" was not reached", j.measure(gate, kind)))
		case uuids[i] == "" || known && want != "" && uuids[i] != want:
			out = append(out, *j.unknown(ReasonForeignServer, fmt.Sprintf("the node %s is the server %q, not %q", name, uuids[i], want), j.measure(gate, kind)))
		}
	}
	for _, name := range []string{"old", "converter", "new"} {
		if _, ok := left[name]; ok {
			out = append(out, *j.unknown(ReasonNodeMissing, "the node "+name+" was not asked", j.measure(gate, kind)))
		}
	}
	return out
}

func judgeGTID(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(GTID)
	if !ok {
		return j.wrongType(e)
	}
	var names, uuids []string
	var reachable []bool
	for _, n := range c.Nodes {
		names, uuids, reachable = append(names, n.Name), append(uuids, n.UUID), append(reachable, n.Reachable)
	}
	out := j.reached(plan.GateGTIDOn, KindGTID, names, uuids, reachable)
	for _, n := range c.Nodes {
		if n.Reachable {
			out = append(out, j.gtidNode(n)...)
		}
	}
	return out
}

// rung is the next step up the ladder of a node.
func (n GTIDNode) rung() string {
	if n.Ladder == LadderRestart {
		return fmt.Sprintf("write gtid_mode = ON, enforce_gtid_consistency = ON, log_bin and log_slave_updates into the option file of %s, and restart it", n.Name)
	}
	set, kept := "SET GLOBAL ", ""
	switch n.Ladder {
	case LadderPersist:
		set = "SET PERSIST "
	case LadderGlobal:
		kept = ", and write it into the option file, or a restart loses it"
	case LadderRestart, LadderNone:
	}
	var next string
	switch {
	case !n.Enforced:
		next = set + "enforce_gtid_consistency = ON"
		if n.Mode == "" || n.Mode == "OFF" {
			next += "; " + set + "gtid_mode = OFF_PERMISSIVE"
		}
	case n.Mode == "OFF_PERMISSIVE":
		next = set + "gtid_mode = ON_PERMISSIVE"
	case n.Mode == "ON_PERMISSIVE":
		next = set + "gtid_mode = ON"
	default:
		next = set + "gtid_mode = OFF_PERMISSIVE"
	}
	return "on " + n.Name + ": " + next + kept
}

func (j *judge) gtidNode(n GTIDNode) []Reason {
	var out []Reason
	off := n.Name == "new" && (n.Mode != "ON" || !n.Enforced)
	if off {
		text := fmt.Sprintf("%s has gtid_mode %s, enforce_gtid_consistency %v", n.Name, n.Mode, n.Enforced)
		if n.Ladder == LadderNone {
			return append(out, *j.fail(ReasonGTIDOff, n.Name+" has no gtid_mode: it is no MySQL", "take another path: both servers of this one must be MySQL"))
		}
		out = append(out, *j.fail(ReasonGTIDOff, text, n.rung()))
	}
	switch {
	case n.Anonymous > 0:
		out = append(out, *j.fail(ReasonAnonymous, Many(n.Anonymous, "anonymous transaction is", "anonymous transactions are")+" under way on "+n.Name,
			"wait; on "+n.Name+": SHOW GLOBAL STATUS LIKE 'Ongoing_anonymous_transaction_count'"))
	case n.Anonymous < 0 && off && n.Ladder == LadderRestart: // its restart drains it
	case n.Anonymous < 0 && (n.Name != "old" || n.Mode != "OFF"): // an old server that is read only and has no such counter
		out = append(out, *j.unknown(ReasonAnonymousUnseen, "whether anonymous transactions are under way on "+n.Name+" is not known",
			"on "+n.Name+": SHOW GLOBAL STATUS LIKE 'Ongoing_anonymous_transaction_count'"))
	}
	return out
}

// skipped says which part of the logs could not be compared.
func (c Converter) skipped() string {
	text := ""
	for _, n := range c.Nodes {
		if at := c.From[n.Name]; at != "" {
			text += "; the log of " + n.Name + " holds anonymous transactions, which it does not send, and is read from behind them at " + at
		}
	}
	return text
}

// stopAssigning are the statements after which a node assigns no GTIDs. Where it has several channels, each must be named. A
// channel that brings anonymous transactions to a server that has GTIDs stops without the setting: it must go.
func (n ConverterNode) stopAssigning() string {
	const off = "CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = OFF"
	if n.Of < 2 && len(n.FromOld) == 0 && !slices.ContainsFunc(n.Channels, func(c string) bool { return c != "" }) {
		return "on " + n.Name + ": STOP REPLICA; " + off + "; START REPLICA"
	}
	var out []string
	for _, c := range n.Channels {
		of := " FOR CHANNEL '" + strings.ReplaceAll(c, "'", "''") + "'"
		if slices.Contains(n.FromOld, c) {
			out = append(out, "STOP REPLICA"+of, "RESET REPLICA ALL"+of)
		} else {
			out = append(out, "STOP REPLICA"+of, off+of, "START REPLICA"+of)
		}
	}
	return "on " + n.Name + ": " + strings.Join(out, Then)
}

func judgeConverter(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Converter)
	if !ok {
		return j.wrongType(e)
	}
	var names, uuids, assigning []string
	var reachable []bool
	for _, n := range c.Nodes {
		names, uuids, reachable = append(names, n.Name), append(uuids, n.UUID), append(reachable, n.Reachable)
		if n.Assigns {
			assigning = append(assigning, n.Name)
		}
	}
	out := j.reached(plan.GateSingleConverter, KindConverter, names, uuids, reachable)
	// The setting is refused while the channel runs, and beside SOURCE_AUTO_POSITION, which anonymous transactions cannot have.
	assign := func(node, to string) string {
		return "on " + node + ": STOP REPLICA; CHANGE REPLICATION SOURCE TO " + to + "; START REPLICA"
	}
	off := func(names ...string) string {
		var out []string
		for _, n := range c.Nodes {
			if slices.Contains(names, n.Name) {
				out = append(out, n.stopAssigning())
			}
		}
		return strings.Join(out, "; ")
	}
	switch {
	case len(assigning) == 0:
		out = append(out, *j.fail(ReasonConverterMissing, "no node assigns GTIDs",
			assign("converter", "SOURCE_AUTO_POSITION = 0, ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = LOCAL, SOURCE_LOG_FILE = FILE, SOURCE_LOG_POS = POSITION")+
				"; FILE and POSITION are where in old's log the converter stands: on converter: SHOW REPLICA STATUS"))
	case len(assigning) > 1:
		others := slices.DeleteFunc(slices.Clone(assigning), func(n string) bool { return n == "converter" })
		out = append(out, *j.fail(ReasonConverterSecond, "these nodes assign GTIDs: "+Some(assigning), off(others...)))
	case assigning[0] != "converter":
		out = append(out, *j.fail(ReasonConverterWrong, assigning[0]+" assigns GTIDs, not the converter", off(assigning[0])))
	}
	if len(c.Alarms) > 0 {
		out = append(out, *j.fail(ReasonConverterAlarm, Some(c.Alarms), "stop replication to new, and rebuild it from the converter"))
	}
	if c.Compared == 0 {
		out = append(out, *j.unknown(ReasonConverterUnseen, "no transactions were compared by their fingerprints"+c.skipped(), "wait until rows were written on old; "+j.measure(plan.GateSingleConverter, KindConverter)))
	}
	return out
}
