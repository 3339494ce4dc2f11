package gate_test

import (
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// moves are what may happen in a migration, whoever does it.
func (w *world) moves() map[string]func() {
	out := map[string]func(){
		"nothing":               func() {},
		"a while":               func() { w.pass(2 * time.Minute) },
		"half an hour":          func() { w.pass(30 * time.Minute) },
		"a day":                 func() { w.pass(25 * time.Hour) },
		"check":                 func() { w.check(w.p.Include, -1, "whole") },
		"check all tables":      func() { w.check(nil, -1, "whole") },
		"check of one table":    func() { w.check(tables[:1], -1, "whole") },
		"killed check":          func() { w.check(w.p.Include, 1, "killed") },
		"killed narrow check":   func() { w.check(tables[1:2], -1, "killed") },
		"interrupted check":     func() { w.check(w.p.Include, 1, "interrupted") },
		"resume the check":      func() { w.resume(-1, "whole") },
		"resume and kill again": func() { w.resume(1, "killed") },
		"repair":                func() { w.mend("new") },
	}
	for _, list := range []map[string]func(){w.ofServers(), w.ofWays(), w.ofPeople(), w.ofPath(), w.ofReplicas()} {
		for name, do := range list {
			out[name] = do
		}
	}
	return out
}

func (w *world) ofServers() map[string]func() {
	reset := func(name string) func() {
		return func() {
			n := w.nodes[name]
			n.log = place{n.log.epoch + 1, 0}
			if w.dual.blind = w.dual.blind || !w.dual.watch.IsZero(); name == w.ways[0].from {
				w.flow() // what was on its way is lost
				if w.ways[0].applied != n.log {
					w.start(w.ways[0])
				}
			}
			for _, x := range w.ways {
				if x.from == name {
					x.applied = n.log
					w.start(x)
				}
			}
		}
	}
	return map[string]func(){
		"new is started anew":   func() { w.restart("new") },
		"old is started anew":   func() { w.restart("old") },
		"old's log begins anew": reset("old"),
		"new's log begins anew": reset("new"),
		"somebody writes on new, whose log begins anew": func() {
			w.ofPeople()["somebody writes on new"]()
			reset("new")()
		},
		"old is opened, one is lost, and it is read only again": func() {
			w.open()
			w.ofWays()["a transaction is skipped"]()
			w.close()
		},
		"old is read only": w.close,
		"old is read only for good": func() {
			w.close()
			w.persisted = true
		},
		"old takes writes": w.open,
	}
}

func (w *world) ofWays() map[string]func() {
	in := func() *way { return w.way("new") }
	return map[string]func(){
		"replication is started anew": func() { w.start(in()) },
		"replication stops":           func() { in().running = false },
		"the applier is started anew": func() { w.alone(in(), true) },
		"the receiver is started anew": func() {
			w.alone(in(), false)
		},
		"a transaction is skipped": func() {
			w.lose("new", tables[0])
			w.dual.lost = w.now
			w.alone(in(), true)
		},
		"an empty transaction instead of one of old's": func() {
			w.lose("new", tables[1])
			w.dual.lost = w.now
			w.start(in())
		},
		"replication goes on at a later place": func() {
			w.lose("new", tables[0])
			w.lose("new", tables[1])
			w.dual.lost = w.now
			w.start(in())
		},
		"replication goes on at an earlier place": func() { // what was deleted since comes back
			w.rows["new"].add(tables[1], "lost")
			w.dual.lost = w.now
			w.nodes["new"].bring(1)
			w.start(in())
		},
		"the first hop is started anew": func() { w.start(w.ways[0]) },
		"the first hop skips": func() {
			w.lose("new", tables[1])
			w.dual.lost = w.now
			w.start(w.ways[0])
		},
	}
}

func (w *world) ofPeople() map[string]func() {
	return map[string]func(){
		"somebody writes on new": func() {
			if w.p.Path == plan.DualWrite { // behind its log
				w.rows["new"].add(tables[1], "harm")
				return
			}
			w.nodes["new"].write(false)
			w.strange(tables[1])
			w.flow()
		},
		"somebody writes another table on new": func() {
			w.rows["new"].add(tables[2], "harm")
			w.nodes["new"].write(false)
			w.flow()
		},
		"somebody writes harmlessly on new": func() {
			w.nodes["new"].write(false)
			w.flow()
		},
		"somebody writes on old": func() {
			if w.shut.IsZero() {
				w.writeOld(false)
				w.flow()
			}
		},
		"the application idles on new":  func() { w.arrive(false) },
		"the application writes on new": func() { w.arrive(true) },
		"the application leaves old":    func() { w.app.onOld, w.app.writesOld = false, false },
		"the application moves": func() {
			w.app.onOld, w.app.writesOld = false, false
			w.arrive(true)
		},
		"the application is back on old": w.back,
		"one is lost, and old is read only": func() { // nobody looked in between
			w.ofWays()["a transaction is skipped"]()
			w.app.onOld, w.app.writesOld = false, false
			w.close()
		},
		"one is lost, and the application moves": func() {
			w.ofWays()["a transaction is skipped"]()
			w.app.onOld, w.app.writesOld = false, false
			w.arrive(true)
		},
		"all back": func() {
			w.open()
			w.back()
		},
	}
}

// arrive lets the application come to new. On a path with one writer it writes there only once it has left old.
func (w *world) arrive(writes bool) {
	w.app.onNew, w.app.writesNew = true, writes && (w.p.Path == plan.DualWrite || !w.app.writesOld)
}

// back lets the application come back to old.
func (w *world) back() {
	if w.p.Path != plan.DualWrite {
		w.app.onNew, w.app.writesNew, w.wroteNew = false, false, false
	}
	w.app.onOld, w.app.writesOld = true, true
	w.pass(time.Millisecond)
}

// close sets old read only. Where nothing was written since it was before, that is one window.
func (w *world) close() {
	if w.shut.IsZero() && w.nodes["old"].log != w.closedAt {
		w.window = w.now
	}
	w.shut = w.now
	w.flow()
}

func (w *world) open() {
	if !w.shut.IsZero() {
		w.closedAt = w.nodes["old"].log
	}
	w.shut, w.persisted = time.Time{}, false
}

// strange is a write of somebody on new: once the switch was declared, it is as good as one of the application.
func (w *world) strange(table string) {
	switch {
	case w.saidInWindow():
		w.rows["new"].add(table, "app")
	case !w.shut.IsZero():
		w.rows["new"].add(table, "early")
	default:
		w.rows["new"].add(table, "harm")
	}
}

// saidInWindow tells that the switch was declared in a window after which nobody wrote to old.
func (w *world) saidInWindow() bool {
	_, when, _ := w.word(gate.KindWritesSwitch)
	if when.IsZero() {
		return false
	}
	if w.app.onNew && !w.app.onOld && when.After(w.dual.wrote) {
		return true
	}
	return (!w.shut.IsZero() || w.nodes["old"].log == w.closedAt) && !when.Before(w.window)
}

func (w *world) ofPath() map[string]func() {
	x, d := &w.toggles, &w.dual
	switch w.p.Path {
	case plan.RollingUpgrade:
		out := map[string]func(){
			"new's schema": func() { x.worse = !x.worse }, "new's configuration": func() { x.config = !x.config }, "new's health": func() { x.sick = !x.sick },
		}
		if w.p.Rolling != nil {
			out["the node is upgraded"], out["the node goes back"] = func() { w.upgrade(true) }, func() { w.upgrade(false) }
			out["readers come or go"] = func() { w.rolling.readers = w.rolling.upgraded && !w.rolling.readers }
			out["old is upgraded"] = func() { w.upgradeOld(true) }
		}
		return out
	case plan.GTIDRestart:
		return map[string]func(){"new's gtid_mode": func() { x.gtidOff = !x.gtidOff }}
	case plan.GTIDConverter:
		return map[string]func(){
			"new's gtid_mode": func() { x.gtidOff = !x.gtidOff }, "a second converter": func() { x.second = !x.second },
			"the converter is started anew": func() { w.restart("converter") },
			"somebody writes on the converter": func() {
				w.nodes["converter"].write(false)
				w.strange(tables[0])
				w.flow()
			},
		}
	case plan.DualWrite:
	}
	return map[string]func(){
		"both sides change one row": func() {
			if w.app.writesOld && w.app.writesNew {
				d.collided = w.now
			}
		},
		"watch": func() { w.beginWatch(true) },
		"watch for a while": func() {
			w.beginWatch(true)
			w.pass(2 * time.Minute)
		},
		"watch without a base": func() {
			w.beginWatch(false)
			w.pass(2 * time.Minute)
		},
		"the watch is killed": func() {
			if d.running {
				d.running, d.died = false, w.now
			}
		},
		"the watch is resumed": func() { d.running = !d.watch.IsZero() },
		"steps are set":        func() { d.steps, d.restored = true, false },
		"steps are lost":       func() { d.steps = false },
		"the step is restored": func() { d.restored, d.steps = true, false },
		"one is lost, and the application leaves": func() { // nobody looked in between
			w.moves()["a transaction is skipped"]()
			w.app.onOld, w.app.writesOld = false, false
		},
	}
}

// upgrade gives the node at the replica's place the new version, or takes it away. It is restarted.
func (w *world) upgrade(up bool) {
	if w.rolling.upgraded != up {
		w.rolling.upgraded, w.rolling.readers = up, false
		w.restart(replica)
	}
}

func (w *world) upgradeOld(up bool) {
	if w.rolling.oldUpgraded != up {
		w.rolling.oldUpgraded = up
		w.restart("old")
	}
}

func (w *world) ofReplicas() map[string]func() {
	if w.nodes[replica] == nil {
		return nil
	}
	r := &w.replicas
	return map[string]func(){
		"the replica loses a transaction": func() {
			if w.shut.IsZero() { // else there is none of old
				w.rows[replica].add(tables[0], "lost")
			}
			w.start(w.way(replica))
		},
		"somebody writes on the replica": func() {
			w.rows[replica].add(tables[1], "harm")
			r.errant = true
		},
		"the replica stops":                 func() { w.way(replica).running = false },
		"the replica's applier starts anew": func() { w.alone(w.way(replica), true) },
		"the replica is started anew":       func() { w.restart(replica) },
		"the replica is late":               func() { r.late = !r.late },
		"the replica is gone":               func() { r.gone = !r.gone },
		"the replica leaves out a table":    func() { r.filtered = true },
		"a replica that the plan lacks":     func() { r.unplanned = !r.unplanned },
		"the replica is mended":             func() { w.mend(replica) },
	}
}
