package gate_test

import (
	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// false says why the claim of a gate that passes is not true; "" if it is.
func (w *world) untrue(name string, s gate.Status) string {
	if w.over {
		return ""
	}
	after := w.wasSwitched(s)
	switch name {
	case plan.GateReplicaInSync, plan.GateCaughtUp, plan.GateChainInSync:
		return w.untrueData("new", true, after)
	case plan.GateRestoredCopy:
		return w.untrueData("new", false, after)
	case plan.GateHealth:
		if w.toggles.sick && !after {
			return "new is not well"
		}
		return w.untrueData("", true, after)
	case plan.GatePositionsEqual, plan.GateDrained:
		return w.untrueWindow(after)
	case plan.GateReadOnly:
		if w.shut.IsZero() && !after {
			return "old takes writes"
		}
	case plan.GateGTIDOn:
		if w.toggles.gtidOff && !after {
			return "new has no GTIDs"
		}
	case plan.GateSingleConverter:
		if w.toggles.second && !after {
			return "two nodes assign GTIDs"
		}
	case plan.GateSchemaParity:
		if w.toggles.worse && !after {
			return "the schemas differ"
		}
	case plan.GateConfigParity:
		if w.toggles.config && !after {
			return "the configurations differ"
		}
	case plan.GateNodesUpgraded:
		switch {
		case after:
		case !w.rolling.upgraded:
			return "the node runs the old version"
		case !w.rolling.readers:
			if c, _, _ := newest[gate.Nodes](w); c.Nodes[0].Readers > 0 {
				return "nobody reads from the node"
			}
		case w.rolling.oldUpgraded:
			return "old was upgraded before its turn"
		case w.rows[replica].has("lost"):
			return "a transaction is lost on the node"
		case w.damaged(replica):
			return "a check found that rows of the node differ"
		}
	case plan.GateSwitched:
		return w.untrueSwitch()
	case plan.GateWatchPeriod:
		if w.toggles.sick {
			return "new is not well"
		}
	default:
		return w.untrueDual(name, s)
	}
	return ""
}

// wasSwitched tells whether what was proven before the switch may stand: the application is on new, and nobody came back.
func (w *world) wasSwitched(s gate.Status) bool {
	r, _ := s.Gate(plan.GateSwitched)
	return r.State.Open() && w.untrueSwitch() == ""
}

func (w *world) untrueData(copied string, unbroken, after bool) string {
	switch {
	case unbroken && w.rows["new"].has("lost"):
		return "a transaction is lost"
	case w.damaged("new"):
		return "a check found that rows differ"
	case copied == "" || after || w.nodes[replica] == nil || w.p.Rolling != nil || w.app.onNew:
	case w.damaged(replica):
		return "a check found that rows of the replica differ"
	case w.rows[replica].has("lost"):
		return "a transaction is lost on the replica"
	}
	return ""
}

func (w *world) untrueWindow(after bool) string {
	switch {
	case w.rows["new"].has("lost"):
		return "a transaction is lost"
	case w.rows["new"].has("harm"):
		return "somebody wrote to new"
	case w.damaged("new"):
		return "a check found that rows differ"
	case w.shut.IsZero() && !after:
		return "old takes writes"
	case w.pending():
		return "not all has arrived"
	}
	return ""
}

func (w *world) untrueSwitch() string {
	_, when, _ := w.word(gate.KindWritesSwitch)
	switch {
	case w.app.onOld:
		return "the application is on old"
	case when.IsZero():
		return "nobody said it"
	case !w.app.onNew:
		return "the application is not on new"
	case w.writer && !w.wroteNew:
		return "the application did not write to new"
	case w.p.Path == plan.RollingUpgrade && w.pending():
		return "not all of old has arrived"
	}
	return ""
}

func (w *world) untrueDual(name string, s gate.Status) string {
	d := &w.dual
	drained, _ := s.Gate(plan.GateOldDrained)
	kept := drained.State.Open()
	reads, _, _ := w.word(gate.KindReadsSwitch)
	writes, _, _ := w.word(gate.KindWritesSwitch)
	switch name {
	case plan.GateReadsSwitched:
		if reads == "" || !w.app.onNew && !kept {
			return "nobody reads from new"
		}
	case plan.GateStepsSet:
		if !d.steps && !kept {
			return "the steps meet"
		}
	case plan.GateWritesSwitched:
		switch {
		case writes == "" || w.writer && !w.wroteNew:
			return "the application does not write to new"
		case w.rows["new"].has("lost"), !d.collided.IsZero(), w.damaged("new"):
			return "not all that was written is on both sides"
		}
	case plan.GateOldDrained:
		if w.app.onOld || w.now.Sub(d.wrote) < w.p.Limits.QuietPeriod || !d.collided.IsZero() {
			return "old is in use, or rows differ"
		}
	case plan.GateStepRestored:
		if !d.restored {
			return "new's step is not restored"
		}
	case plan.GateSignedOff:
		if _, _, ok := newest[gate.SignOff](w); !ok {
			return "nobody signed"
		}
	}
	return ""
}
