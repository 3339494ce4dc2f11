package gate_test

import (
	"slices"
	"strings"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// advised is what the operator does who reads a part of an advice. The first whose words are in it counts.
type advised struct {
	words string
	do    func()
}

func (w *world) advice(name string) []advised {
	look := func(by string) func() {
		return func() { w.look(name, by) }
	}
	nothing := func() {}
	d := &w.dual
	return []advised{
		{"and let it replicate from new", func() { w.upgrade(true) }},
		{"find out why it went back", nothing},
		{"upgrade it again", func() { w.upgrade(true) }},
		{"put old back", func() { w.upgradeOld(false) }},
		{"upgrade no further node", nothing},
		{"let new pass", nothing},
		{"let the application read from", func() { w.rolling.readers = w.rolling.upgraded; w.look(name, ""); w.pass(70 * time.Second) }},
		{"end who writes to old-1", nothing},
		{"on old-1: STOP", nothing},
		{"on old-1: START REPLICA", func() { w.start(w.way(replica)) }},
		{"crosscheck repair --state APART", func() { w.mend(replica) }},
		{"--state APART", nothing}, // it compares a node of new with new
		{"crosscheck repair", func() { w.mend("new"); w.mend(replica) }},
		{"crosscheck check ", func() { w.check(w.p.Include, -1, "whole") }},
		{"--fresh", func() { w.beginWatch(true) }},
		{"crosscheck watch ", func() {
			if d.running = true; d.watch.IsZero() {
				w.beginWatch(true)
			}
		}},
		{"crosscheck preflight", func() { w.look(plan.GatePreflight, "") }},
		{"--by NAME", look("ann")},
		{"crosscheck gate ", look("")},
		{"on old: SET GLOBAL super_read_only = ON", w.close},
		{"on old: SET GLOBAL read_only = OFF", w.open},
		{"go back", w.back},
		{"on old: KILL", func() { w.app.onOld, w.app.writesOld = false, false }},
		{"point the application's reads at new", func() { w.app.onNew = true }},
		{"point the application's writes at new", w.pointWrites},
		{"point the application's reads and writes at new", w.pointWrites},
		{"find what wrote to new and undo it", func() { w.mend("new"); w.nodes["new"].write(false); w.flow() }},
		{"end who writes to new-1", nothing},
		{"find who writes to old", nothing},
		{"SHOW PROCESSLIST", nothing},
		{"end it", nothing},
		{"begin a new window", nothing},
		{"see that the plan names all", nothing},
		{"SHOW REPLICA STATUS", nothing},
		{"check the data again:", nothing},
		{"on new-1: STOP", nothing},
		{"on new-1: START REPLICA", func() { w.start(w.way(replica)) }},
		{"START REPLICA", w.startAll},
		{"CHANGE REPLICATION FILTER", func() { w.replicas.filtered = false }},
		{"has no filter", func() { w.replicas.filtered = false }},
		{"SET GLOBAL Replicate_", func() { w.replicas.filtered = false }},
		{"SET gtid_next = 'AUTOMATIC'", func() { w.replicas.errant = false }},
		{"SET gtid_next", nothing},
		{"BEGIN", nothing},
		{"COMMIT", nothing},
		{"see that it runs", func() { w.replicas.gone = false }},
		{"a node that is gone for good", nothing},
		{"measure again", look("")},
		{"write it in the plan", func() { w.replicas.unplanned = false }},
		{"until it has caught up", func() { w.replicas.late = false; w.pass(time.Minute) }},
		{"wait until new has caught up", func() { w.startAll(); w.pass(time.Minute) }},
		{"wait for a watch period", func() { w.pass(2 * time.Minute) }},
		{"until the watch has checked them again", func() { w.pass(2 * time.Minute) }},
		{"find its cause on new", func() { w.toggles.sick = false }},
		{"mend its cause", func() { d.collided = time.Time{} }},
		{"wait", func() { w.pass(2 * time.Minute) }},
		{"ALTER TABLE", func() { w.toggles.worse = false }},
		{"sql_mode", func() { w.toggles.config = false }},
		{"gtid_mode = ON", func() { w.toggles.gtidOff = false }},
		{"STOP REPLICA", nothing},
		{"ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS = OFF", func() { w.toggles.second = false }},
		{"auto_increment_increment = 1", func() { d.restored, d.steps = true, false }},
		{"auto_increment_offset = 1", nothing},
		{"auto_increment_offset = 2", nothing},
		{"auto_increment_increment = 2", func() { d.steps, d.restored = true, false }},
	}
}

func (w *world) pointWrites() {
	if w.p.Path != plan.DualWrite {
		w.app.onOld, w.app.writesOld = false, false
	}
	w.arrive(true)
	w.pass(time.Second)
}

func (w *world) startAll() {
	for _, x := range w.ways {
		if !x.running {
			w.start(x)
		}
	}
}

// follow does once what all reasons of a shut gate advise. It returns what it did not understand.
func (w *world) follow(r gate.Result) string {
	var done []string
	for _, reason := range r.Reasons {
		for part := range strings.SplitSeq(reason.Next, gate.Then) {
			if slices.Contains(done, part) && !strings.HasPrefix(part, "SET ") {
				continue
			}
			done = append(done, part)
			list := w.advice(r.Gate)
			i := slices.IndexFunc(list, func(a advised) bool { return strings.Contains(part, a.words) })
			if i < 0 {
				return reason.ID + ": " + part
			}
			w.pass(time.Second)
			list[i].do()
		}
	}
	return ""
}
