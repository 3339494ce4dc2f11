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

// refuted tells that the newest check was taken after a moment and found differences. What new takes by itself after a
// one-way switch is no difference that speaks against what was proven before it.
func (j *judge) refuted(passed time.Time) bool {
	e, ok := j.newest(KindCheck)
	c, isCheck := e.Content.(Check)
	if !ok || !isCheck || c.Verdict != Different || !e.Taken.After(passed) {
		return false
	}
	if j.plan.Path == plan.DualWrite {
		return true
	}
	s, _ := j.newest(KindWritesSwitch)
	said, _ := s.Content.(WritesSwitch)
	return said.Switched.IsZero() || e.from().Before(said.Switched) || j.flowsBack()
}

// flowsBack tells whether new replicates to old.
func (j *judge) flowsBack() bool {
	e, _ := j.newest(KindSync)
	c, _ := e.Content.(Sync)
	l, ok := c.link([2]string{"new", "old"})
	return ok && l.Running
}

// sameWindow tells that the read-only window that was open at a moment is open still: old has been read only since before,
// stands where it did, and nobody wrote to new but the application after its switch was declared.
func sameWindow(j *judge, passed time.Time) bool {
	newest, ok := j.latest(KindReadOnly)
	if !ok || j.now.Sub(newest.Taken) > j.plan.Ages.State || !j.inWindow(newest, passed) {
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
		(c.Extra == "" || j.declaredWithin(c.Since, e.Taken))
}

// declaredWithin tells whether a switch of the writes was declared between two moments.
func (j *judge) declaredWithin(from, to time.Time) bool {
	for _, p := range j.pieces[KindWritesSwitch] {
		c, ok := p.Content.(WritesSwitch)
		if ok && j.rejects(p) == "" && c.By != "" && !c.Switched.IsZero() && !c.Switched.Before(from) && !c.Switched.After(to) {
			return true
		}
	}
	return false
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

// notBack tells that nothing was seen to be written to old since a moment at which it was drained. A session that came back
// shuts the gate that is about sessions, for as long as it is there.
func notBack(j *judge, passed time.Time) bool {
	for _, p := range j.takenAfter(KindDrained, passed) {
		if c, ok := p.Content.(Drained); !ok || c.OldWrites > 0 {
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
