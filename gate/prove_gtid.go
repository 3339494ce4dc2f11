package gate

import (
	"fmt"

	"crosscheck/gate/plan"
)

func judgeReadOnly(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(ReadOnly)
	if !ok {
		return j.wrongType(e)
	}
	var out []Reason
	again := j.measure(plan.GateReadOnly, KindReadOnly)
	if !c.ReadOnly || !c.SuperReadOnly {
		out = append(out, *j.fail(ReasonNotReadOnly, "old takes writes, at least of accounts with SUPER",
			"on old: SET GLOBAL read_only = ON; SET GLOBAL super_read_only = ON (where there is none, end the sessions with SUPER)"))
	}
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
			"find who writes to old: on old: SHOW PROCESSLIST; then begin a new window"))
	}
	return out
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
		out = append(out, *j.unknown(ReasonPositionsUnknown, "how far new has applied old's log is not known", "on new: SHOW REPLICA STATUS"))
	case c.OldT2 != "" && c.NewApplied != c.OldT2:
		out = append(out, *j.fail(ReasonPositionsDiffer, fmt.Sprintf("new has applied %s, old stands at %s", c.NewApplied, c.OldT2), "wait until new has caught up"))
	}
	if c.Extra != "" {
		out = append(out, *j.fail(ReasonExtraTransactions, "new has transactions that old does not have: "+c.Extra,
			"find what wrote to new, and check the data again: "+j.measure("", KindCheck)))
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

func (j *judge) gtidNode(n GTIDNode) []Reason {
	var out []Reason
	if n.Name == "new" && (n.Mode != "ON" || !n.Enforced) {
		next := map[string]string{
			"":               "SET GLOBAL enforce_gtid_consistency = ON; SET GLOBAL gtid_mode = OFF_PERMISSIVE",
			"OFF":            "SET GLOBAL enforce_gtid_consistency = ON; SET GLOBAL gtid_mode = OFF_PERMISSIVE",
			"OFF_PERMISSIVE": "SET GLOBAL gtid_mode = ON_PERMISSIVE",
			"ON_PERMISSIVE":  "SET GLOBAL gtid_mode = ON",
			"ON":             "SET GLOBAL enforce_gtid_consistency = ON",
		}[n.Mode]
		out = append(out, *j.fail(ReasonGTIDOff, fmt.Sprintf("%s has gtid_mode %s, enforce_gtid_consistency %v", n.Name, n.Mode, n.Enforced), "on "+n.Name+": "+next))
	}
	switch {
	case n.Anonymous > 0:
		out = append(out, *j.fail(ReasonAnonymous, fmt.Sprintf("%d anonymous transactions are under way on %s", n.Anonymous, n.Name),
			"wait; on "+n.Name+": SHOW GLOBAL STATUS LIKE 'Ongoing_anonymous_transaction_count'"))
	case n.Anonymous < 0 && (n.Name != "old" || n.Mode != "OFF"): // an old server that is read only and has no such counter
		out = append(out, *j.unknown(ReasonAnonymousUnseen, "whether anonymous transactions are under way on "+n.Name+" is not known",
			"on "+n.Name+": SHOW GLOBAL STATUS LIKE 'Ongoing_anonymous_transaction_count'"))
	}
	return out
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
	off := "CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = OFF"
	switch {
	case len(assigning) == 0:
		out = append(out, *j.fail(ReasonConverterMissing, "no node assigns GTIDs",
			"on converter: CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = LOCAL"))
	case len(assigning) > 1:
		out = append(out, *j.fail(ReasonConverterSecond, "these nodes assign GTIDs: "+some(assigning), "on all but converter: "+off))
	case assigning[0] != "converter":
		out = append(out, *j.fail(ReasonConverterWrong, assigning[0]+" assigns GTIDs, not the converter", "on "+assigning[0]+": "+off))
	}
	if len(c.Alarms) > 0 {
		out = append(out, *j.fail(ReasonConverterAlarm, some(c.Alarms), "stop replication to new, and rebuild it from the converter"))
	}
	if c.Compared == 0 {
		out = append(out, *j.unknown(ReasonConverterUnseen, "no transactions were compared by their fingerprints", j.measure(plan.GateSingleConverter, KindConverter)))
	}
	return out
}
