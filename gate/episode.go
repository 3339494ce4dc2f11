package gate

import (
	"slices"
	"time"

	"crosscheck/gate/plan"
)

// What is kept is bound to one unbroken episode: one read-only window, one switch, one draining. Evidence that says that it
// ended ends it for good, whatever comes later: what was proven before must be proven anew.

// takenAfter lists what was taken of a kind after a moment and counts, newest first.
func (j *judge) takenAfter(k Kind, t time.Time) []piece {
	var out []piece
	for _, p := range j.pieces[k] {
		if p.Taken.After(t) && j.rejects(p) == "" {
			out = append(out, p)
		}
	}
	return out
}

// refuted tells that what was proven up to a moment is contradicted by what was found after it: the newest check, of new or of
// the copy, or the newest watch holds differences. Nobody can tell a row that was lost before a switch from one that new
// changed by itself after it, so that a check speaks against all that is kept, whatever was switched.
func (j *judge) refuted(passed time.Time) bool {
	for _, k := range []Kind{KindCheck, KindRestoredCopy, KindWatch} {
		newest, ok := j.newest(k)
		if !ok {
			continue
		}
		for _, p := range j.takenAfter(k, passed) {
			if !p.Taken.Before(newest.from()) && differs(p.Content) {
				return true
			}
		}
	}
	return j.copiesDiffer(passed)
}

// reset lists the nodes whose log was seen to begin anew after a moment: nobody knows what was written on them before.
func (j *judge) reset(since time.Time) []string {
	var out []string
	for _, list := range j.pieces {
		for _, p := range list {
			if p.Taken.After(since) && j.rejects(p) == "" {
				out = append(out, p.Reset...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// differs tells whether evidence says that rows are proven different.
func differs(c Content) bool {
	switch c := c.(type) {
	case Check:
		return c.Verdict == Different
	case RestoredCopy:
		return c.Verdict == Different
	case Watch:
		return c.Differ > 0
	}
	return false
}

// sameWindow tells that the read-only window that was open at a moment is open still: old has been read only since before,
// stands where it did, and nobody wrote to new but the application after its switch was declared, nor did replication.
func sameWindow(j *judge, passed time.Time) bool {
	newest, ok := j.latest(KindReadOnly)
	if !ok || j.now.Sub(newest.Taken) > j.plan.Ages.State || !j.inWindow(newest, passed) || !j.steady(passed) {
		return false
	}
	for _, p := range j.takenAfter(KindReadOnly, passed) {
		if !j.inWindow(p.Evidence, passed) {
			return false
		}
	}
	return true
}

// inWindow tells whether one look found the window open that was open at a moment.
func (j *judge) inWindow(e Evidence, passed time.Time) bool {
	c, ok := e.Content.(ReadOnly)
	return ok && c.ReadOnly && c.SuperReadOnly && !c.Since.IsZero() && !c.Since.After(passed) &&
		!c.T1.IsZero() && !c.T1.After(passed) && c.OldT1 != "" && c.OldT1 == c.OldT2 &&
		(c.NewApplied == "" || c.NewApplied == c.OldT2) && // what had been applied once can only be less by going back
		(c.Extra == "" || j.declaredWithin(c.Since, e.Taken))
}

// steady tells that replication brought nothing to new since a moment at which all of old had arrived there: old wrote nothing
// since, so that it could only be something of before, for a second time. A link that stands brings nothing.
func (j *judge) steady(passed time.Time) bool {
	for _, p := range j.takenAfter(KindSync, passed) {
		c, ok := p.Content.(Sync)
		if !ok || slices.ContainsFunc(c.Links, func(l Link) bool { return l.From != "new" && l.ranAnew(passed) }) {
			return false
		}
	}
	return true
}

// ranAnew tells that a link may have brought something since a moment by other threads than those of then.
func (l Link) ranAnew(since time.Time) bool {
	switch {
	case l.Running && !l.Since.IsZero() && !l.Since.After(since):
		return false
	case !l.Quiet.IsZero():
		return l.Quiet.After(since)
	}
	return l.Running
}

// declaredWithin tells whether a switch of the writes was declared between two moments, and stood at the later one by the first look
// from then on: who was seen on new and then back on old needs a new word.
func (j *judge) declaredWithin(from, to time.Time) bool {
	var word, void time.Time
	left := false
	for _, p := range slices.Backward(j.pieces[KindWritesSwitch]) {
		c, ok := p.Content.(WritesSwitch)
		if !ok || j.rejects(p) != "" {
			continue
		}
		if c.By == "" || !c.Switched.Equal(word) {
			word, left = time.Time{}, false
		}
		if c.By != "" && !c.Switched.Equal(void) {
			word = c.Switched
		}
		switch onOld := len(c.AppOnOld) > 0 || c.OldWrites > 0; {
		case onOld && left:
			word, void, left = time.Time{}, c.Switched, false
		case !onOld && c.AppOnNew > 0:
			left = true
		}
		if !p.Taken.Before(to) {
			break
		}
	}
	return !word.IsZero() && !word.Before(from) && !word.After(to)
}

// sameSwitch tells that the switch that was declared at a moment is the one that is declared now, and that nobody was seen
// to come back to old since.
func sameSwitch(j *judge, passed time.Time) bool {
	now, ok := j.newest(KindWritesSwitch)
	w, isSwitch := now.Content.(WritesSwitch)
	if !ok || !isSwitch || w.Switched.IsZero() || w.Switched.After(passed) {
		return false
	}
	for _, p := range j.takenAfter(KindWritesSwitch, passed) {
		c, isSwitch := p.Content.(WritesSwitch)
		if !isSwitch || !c.Switched.Equal(w.Switched) || len(c.AppOnOld) > 0 || c.OldWrites > 0 {
			return false
		}
	}
	stood := ""
	for _, p := range slices.Backward(j.pieces[KindReadOnly]) { // on paths with a window, old stands where it did
		c, isWindow := p.Content.(ReadOnly)
		if !isWindow || j.rejects(p) != "" {
			continue
		}
		if !p.Taken.After(passed) {
			stood = c.OldT2
		} else if !c.ReadOnly && c.OldT2 != stood {
			return false
		}
	}
	return notBack(j, passed)
}

// notBack tells that nothing was written to old since a moment at which it was drained, and nothing of it written to new again: each
// look since counted all of its writes from before that moment on, and there was none. A session that came back
// shuts the gate that is about sessions, for as long as it is there.
func notBack(j *judge, passed time.Time) bool {
	counted := passed // up to the last look before
	for _, p := range j.pieces[KindDrained] {
		if !p.Taken.After(passed) && j.rejects(p) == "" {
			counted = p.Taken
			break
		}
	}
	for _, p := range j.takenAfter(KindDrained, passed) {
		if c, ok := p.Content.(Drained); !ok || c.OldWrites > 0 || c.Since.IsZero() || c.Since.After(counted) {
			return false
		}
	}
	return j.steady(passed) && (j.plan.Path != plan.DualWrite || j.followed(passed))
}

// followed tells that no replica of new was seen to follow by other threads than at a moment. New takes writes all the time, and what a
// replica passed over no later look tells; while both sides hold the same, a check does. After a switch without a way back to old
// nothing would, so that there it is asked at the switch only.
func (j *judge) followed(since time.Time) bool {
	for _, p := range j.takenAfter(KindNodes, since) {
		c, ok := p.Content.(Nodes)
		if !ok || slices.ContainsFunc(c.Nodes, func(n ClusterNode) bool {
			return n.Planned && n.Side == "new" && n.Link != nil && n.Link.Running && (n.Link.Since.IsZero() || n.Link.Since.After(since))
		}) {
			return false
		}
	}
	return true
}

// stillDrained tells the same of a draining that is measured still.
func stillDrained(j *judge, passed time.Time) bool {
	e, ok := j.latest(KindDrained)
	c, isDrained := e.Content.(Drained)
	return ok && isDrained && c.SessionsSeen && len(c.AppOnOld) == 0 && c.OldWrites == 0 && !c.Since.IsZero() &&
		!c.Since.After(passed) && j.now.Sub(e.Taken) <= j.plan.Ages.State && notBack(j, passed)
}
