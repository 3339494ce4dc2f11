package gate_test

import (
	"slices"
	"time"

	"crosscheck/gate"
	"crosscheck/gate/plan"
)

// readOnly is the window.
func (w *world) readOnly() gate.ReadOnly {
	at := w.nodes["old"].log.String()
	var c gate.ReadOnly
	if !w.shut.IsZero() {
		c.ReadOnly, c.SuperReadOnly = true, true
		c.Since = w.shutSince(at)
		if was, _, ok := newest[gate.ReadOnly](w); ok && was.ReadOnly && !c.Since.After(was.T1) {
			c.T1, c.OldT1 = was.T1, was.OldT1
		} else {
			c.T1, c.OldT1 = w.now, at
		}
	}
	c.NewApplied, c.Extra, c.NewThrough = w.applied()
	c.OldT2 = at
	return c
}

func (w *world) shutSince(at string) time.Time {
	since, started := w.now, w.nodes["old"].started
	known := w.keeps && w.shut.After(started)
	if known {
		since = w.shut
	}
	c, e, ok := newest[gate.ReadOnly](w)
	switch {
	case !ok || !c.ReadOnly || c.Since.IsZero():
	case known && since.After(c.Since):
		if c.OldT1 == c.OldT2 && c.OldT2 == at && started.Before(e.Taken) {
			since = c.Since
		}
	case !known && started.After(e.Taken):
	default:
		since = c.Since
	}
	return since
}

// applied is how far new has come, and what it and what is before it have besides.
func (w *world) applied() (applied, extra, through string) {
	own, ok := w.ownOf("new")
	if w.p.Path == plan.GTIDConverter {
		conv, okConv := w.ownOf("converter")
		own, ok = w.extraGTIDs()+conv, okConv
	}
	first, lastWay := w.ways[0], w.way("new")
	if own > 0 {
		extra = "its own"
	} else if _, _, confirmed := w.word(gate.KindWritesSwitch); ok && !confirmed {
		through = w.nodes["new"].log.String()
	}
	if applied = first.applied.String(); !ok || !first.running && first.applied == w.nodes["old"].log {
		applied = "" // the place is reached, and whether it is committed is not known
	}
	if applied != "" && lastWay.applied != w.nodes[lastWay.from].log {
		applied += " without some"
	}
	return applied, extra, through
}

// extraGTIDs counts what new has in its set and what is before it has not, since the newest check that proves something began.
func (w *world) extraGTIDs() int64 {
	at, _, _ := w.settled("new")
	n, _, known := w.nodes["new"].ownSince(at)
	if !known {
		n, _, _ = w.nodes["new"].ownSince(place{w.nodes["new"].log.epoch, -1})
	}
	return n
}

// settled is where a node stood when the newest check began that found all the same.
func (w *world) settled(name string) (at place, began time.Time, ok bool) {
	for _, e := range w.list {
		if e.Kind() == gate.KindCheck && gate.Proves(w.p, e, w.list) && !e.Taken.Before(began) {
			began = e.From
			at, ok = parsePlace(e.Positions[name])
		}
	}
	if began.IsZero() || ok {
		return at, began, ok
	}
	for _, e := range w.list {
		if p, has := parsePlace(e.Positions[name]); has && !e.Taken.After(began) {
			at, ok = p, true
		}
	}
	return at, began, ok
}

// ownOf is what a node has written itself since it was seen first, or since the newest check that found all the same; of new, since
// where an earlier look ended that found nothing.
func (w *world) ownOf(name string) (n int64, known bool) {
	if _, _, confirmed := w.word(gate.KindWritesSwitch); confirmed && name == "new" {
		return 0, true
	}
	var base place
	there := false
	at, began, settled := w.settled(name)
	for _, e := range w.list {
		if p, ok := parsePlace(e.Positions[name]); ok && !there {
			if base, there = p, true; settled {
				base = at
			}
		}
		if c, ok := e.Content.(gate.ReadOnly); ok && name == "new" && c.NewThrough != "" && !e.Taken.Before(began) {
			base, there = parsePlace(c.NewThrough)
		}
	}
	if !there {
		return 0, true
	}
	n, _, known = w.nodes[name].ownSince(base)
	return n, known
}

// word is the declaration that counts, and whether the application was seen to follow it.
func (w *world) word(k gate.Kind) (by string, when time.Time, confirmed bool) {
	left := false
	var back, window time.Time
	for _, e := range w.list {
		var said time.Time
		var who string
		var t gate.Traffic
		switch c := e.Content.(type) {
		case gate.ReadsSwitch:
			who, said, t = c.By, c.Switched, c.Traffic
		case gate.WritesSwitch:
			who, said, t = c.By, c.Switched, c.Traffic
		case gate.ReadOnly:
			if k == gate.KindWritesSwitch {
				window = c.Since
			}
		}
		if e.Kind() != k {
			continue
		}
		late := when.Before(window) && !said.Before(window)
		if who != "" && said.After(back) && (when.IsZero() || (!confirmed || late) && said.After(when)) {
			by, when, confirmed, left = who, said, false, false
		}
		seen := t.AppOnNew > 0 && (k == gate.KindReadsSwitch || t.NewWrites > 0 && (!t.WritersTold || t.NewByApp > 0))
		confirmed = confirmed || !when.IsZero() && seen
		if k == gate.KindReadsSwitch || w.p.Path == plan.DualWrite || !confirmed {
			continue
		}
		onOld := len(t.AppOnOld) > 0 || t.OldWrites > 0
		if left = left || !onOld; left && onOld {
			by, when, confirmed, left, back = "", time.Time{}, false, false, e.Taken
		}
	}
	return by, when, confirmed
}

func (w *world) switched(k gate.Kind, by string, said time.Time) gate.Content {
	who, when, confirmed := w.word(k)
	ro, _, window := newest[gate.ReadOnly](w)
	if by != "" && (!confirmed || window && k == gate.KindWritesSwitch && when.Before(ro.Since)) {
		who, when = by, said
	}
	t := w.traffic(when)
	if k == gate.KindReadsSwitch {
		return gate.ReadsSwitch{By: who, Switched: when, Traffic: t}
	}
	return gate.WritesSwitch{By: who, Switched: when, Traffic: t}
}

// traffic is who uses the servers, since a word was given as far as looks are fresh.
func (w *world) traffic(since time.Time) gate.Traffic {
	t := gate.Traffic{SessionsSeen: true, AppOnOld: w.sessions(), WritersTold: w.writer}
	if w.app.onNew {
		t.AppOnNew = 1
	}
	began, old, fresh := w.now, w.nodes["old"].log, w.nodes["new"].log
	for _, e := range w.list {
		o, okOld := parsePlace(e.Positions["old"])
		n, okNew := parsePlace(e.Positions["new"])
		if !since.IsZero() && okOld && okNew && e.From.IsZero() && !old.shrank(o) && !fresh.shrank(n) && !e.Taken.Before(since) && w.now.Sub(e.Taken) <= w.p.Ages.State {
			began, old, fresh = e.Taken, o, n
			break
		}
	}
	w.pass(time.Second)
	before, e, ok := newest[gate.WritesSwitch](w)
	if p, has := parsePlace(e.Positions["old"]); ok && has && e.Taken.After(began) {
		old = p
	}
	var okOld, okNew bool
	t.OldWrites, _, okOld = w.nodes["old"].ownSince(old)
	t.NewWrites, t.NewByApp, okNew = w.nodes["new"].ownSince(fresh)
	if ok && !since.IsZero() && !e.Taken.Before(since) && w.now.Sub(e.Taken) <= w.p.Ages.State {
		t.NewByApp = max(t.NewByApp, before.NewByApp)
	}
	if t.WritesSeen, t.Window = okOld && okNew, w.now.Sub(began); !w.writer {
		t.NewByApp = 0
	}
	return t
}

func (w *world) sessions() []gate.Session {
	if w.app.onOld {
		return []gate.Session{{ID: 4, User: "app", Host: "h"}}
	}
	return nil
}

// drained goes on where the look before it ended.
func (w *world) drained() gate.Content {
	n := w.nodes["old"]
	from, since := n.log, w.now
	if c, e, ok := newest[gate.Drained](w); ok && c.OldThrough != "" {
		from, _ = parsePlace(c.OldThrough)
		if since = c.Since; c.OldWrites > 0 || c.Since.IsZero() {
			since = e.Taken
		}
	}
	w.pass(time.Second)
	d := gate.Drained{SessionsSeen: true, AppOnOld: w.sessions(), Since: since, OldThrough: n.log.String()}
	var known bool
	if d.OldWrites, _, known = n.ownSince(from); !known {
		d.Since = time.Time{}
	}
	d.EchoesComplete = !w.pending() && !slices.ContainsFunc(w.ways, func(x *way) bool { return x.to != replica && x.from != "new" && !x.running })
	return d
}

// whose settles whose the writes on new were that came within a window before anybody looked: of the application, which is switched
// before that is said, or of somebody else. Nobody can tell.
func (w *world) whose(said bool) {
	for _, t := range tables {
		if !w.rows["new"][t]["early"] {
			continue
		}
		delete(w.rows["new"][t], "early")
		if said {
			w.rows["new"].add(t, "app")
		} else {
			w.rows["new"].add(t, "harm")
		}
	}
}
