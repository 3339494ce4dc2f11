package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

// declared judges what all switches have in common: who says so, and whether the sessions were seen.
func (j *judge) declared(gate, what, by string, switched time.Time, t Traffic) []Reason {
	var out []Reason
	if strings.TrimSpace(by) == "" || switched.IsZero() {
		out = append(out, *j.unknown(ReasonNotDeclared, "nobody said when the "+what+" were switched", j.measure(gate, KindWritesSwitch)))
	}
	out = append(out, j.sessions(t.SessionsSeen, t.Grants)...)
	out = append(out, j.unreachedNodes(t.Unreached)...)
	if t.SessionsSeen && t.AppOnNew == 0 && (t.ReadersOnNew == 0 || what == "writes") {
		out = append(out, *j.fail(ReasonNoAppOnNew, "the application has no session on new", "point the application's "+what+" at new"))
	}
	return out
}

// sessions judges whether the application's sessions can be told at all.
func (j *judge) sessions(seen bool, grants []string) []Reason {
	var out []Reason
	if len(j.plan.Accounts) == 0 {
		out = append(out, *j.unknown(ReasonAccountsUnknown, "the plan does not name the application's accounts",
			`write into the plan: [application] with accounts = ["app@%"]`))
	}
	if !seen {
		out = append(out, *j.unknown(ReasonSessionsUnseen, "the account cannot see other accounts' sessions",
			cmp.Or(strings.Join(grants, Then), "measure again")))
	}
	return out
}

func judgeReads(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(ReadsSwitch)
	if !ok {
		return j.wrongType(e)
	}
	out := j.declared(plan.GateReadsSwitched, "reads", c.By, c.Switched, c.Traffic)
	if left := readers(c.AppOnOld); len(left) > 0 {
		out = append(out, *j.fail(ReasonAppOnOld, "the application has "+Many(len(left), "session", "sessions")+" on replicas of old: "+people(left),
			"point its reads at new, then "+ends(left, "old")))
	}
	return out
}

// judgeWrites judges the switch of writes while both sides still take them.
func judgeWrites(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(WritesSwitch)
	if !ok {
		return j.wrongType(e)
	}
	out := append(j.declared(plan.GateWritesSwitched, "writes", c.By, c.Switched, c.Traffic), j.newWritten(c.Traffic)...)
	watch, there := j.newest(KindWatch)
	w, isWatch := watch.Content.(Watch)
	if there && isWatch && w.Since.After(c.Switched) && !j.basedAfter(w, c.Switched) {
		out = append(out, *j.unknown(ReasonWatchLate, fmt.Sprintf("writes were switched at %s, the watch began at %s: collisions in between were not seen",
			moment(c.Switched), moment(w.Since)), j.afresh()))
	}
	return out
}

// basedAfter tells that the watch builds on a check that began after a moment, so that it knows of all before. It need not be the
// newest.
func (j *judge) basedAfter(w Watch, t time.Time) bool {
	return w.BaseRun != "" && slices.ContainsFunc(j.pieces[KindCheck], func(p piece) bool {
		c, ok := p.Content.(Check)
		return ok && c.Run == w.BaseRun && j.rejects(p) == "" && c.Verdict == Same && !p.from().Before(t)
	})
}

// newWritten judges whether new takes writes.
func (j *judge) newWritten(t Traffic) []Reason {
	switch {
	case !t.WritesSeen || t.Window <= 0:
		return []Reason{*j.unknown(ReasonWritesUnseen, "the writes on both sides were not counted",
			cmp.Or(strings.Join(t.Count, Then), "measure again"))}
	case t.NewWrites == 0:
		return []Reason{*j.unknown(ReasonNoWritesOnNew, fmt.Sprintf("new took no write within %s", t.Window.Round(time.Millisecond)), "point the application's writes at new; wait")}
	case t.WritersTold && t.NewByApp == 0:
		return []Reason{*j.unknown(ReasonNoWritesOnNew, fmt.Sprintf("new took %s within %s, none of them by a session of the application that was seen",
			Many(t.NewWrites, "write", "writes"), t.Window.Round(time.Millisecond)), "point the application's writes at new; see that the plan names all of its accounts under [application]")}
	}
	return nil
}

func (j *judge) offOld(sessions []Session, writes int64, since string) []Reason {
	var out []Reason
	if len(sessions) > 0 {
		out = append(out, *j.fail(ReasonAppOnOld, "the application has "+Many(len(sessions), "session", "sessions")+" on old: "+people(sessions), ends(sessions, "old")))
	}
	if writes > 0 {
		out = append(out, *j.fail(ReasonOldWritten, "old took "+Many(writes, "write", "writes")+" of its own "+since, "find who writes to old; on old: SHOW PROCESSLIST; end it; wait"))
	}
	return out
}

// judgeSwitched judges a switch after which nothing uses old.
func judgeSwitched(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(WritesSwitch)
	if !ok {
		return j.wrongType(e)
	}
	out := j.offOld(c.AppOnOld, c.OldWrites, "up to "+moment(e.Taken)+", since it was looked at before")
	out = append(out, j.declared(plan.GateSwitched, "reads and writes", c.By, c.Switched, c.Traffic)...)
	return append(out, j.newWritten(c.Traffic)...)
}

// judgeSwitchedInWindow also holds the switch against the read-only window, t1 to the switch.
func judgeSwitchedInWindow(j *judge, e Evidence) []Reason {
	out := judgeSwitched(j, e)
	c, ok := e.Content.(WritesSwitch)
	w, there := j.newest(KindReadOnly)
	window, isWindow := w.Content.(ReadOnly)
	if !ok || c.Switched.IsZero() {
		return out
	}
	switch {
	case !there || !isWindow || window.Since.IsZero():
		return append(out, *j.unknown(ReasonWindowUnmeasured, "old is not known to have been read only before the switch", j.measure(plan.GateReadOnly, KindReadOnly)))
	case window.Since.After(c.Switched):
		return append(out, *j.unknown(ReasonNotDeclared, fmt.Sprintf("the switch was declared at %s, before old was read only at %s",
			moment(c.Switched), moment(window.Since)), j.measure(plan.GateSwitched, KindWritesSwitch)))
	}
	return append(out, j.window(c.Switched.Sub(window.Since))...)
}

func (j *judge) window(lasted time.Duration) []Reason {
	if lasted <= j.plan.Limits.ReadOnlyWindow {
		return nil
	}
	return []Reason{*j.fail(ReasonWindowExceeded, fmt.Sprintf("old was read only for %s; the plan allows %s", lasted.Round(time.Second), j.plan.Limits.ReadOnlyWindow),
		"go back; on old: SET GLOBAL read_only = OFF")}
}

func judgeDrained(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Drained)
	if !ok {
		return j.wrongType(e)
	}
	out := judgeDrainedReadOnly(j, e)
	if quiet := e.Taken.Sub(c.Since); !c.Since.IsZero() && c.OldWrites == 0 && quiet < j.plan.Limits.QuietPeriod {
		out = append(out, *j.unknown(ReasonDrainedShort, fmt.Sprintf("old has taken no write for %s; the plan's quiet period is %s",
			quiet.Round(time.Second), j.plan.Limits.QuietPeriod), "wait"))
	}
	return out
}

// judgeDrainedReadOnly judges the same without a time of quiet: on a server that cannot be written, or where nothing but the
// switch is asked for, there is nothing to wait for.
func judgeDrainedReadOnly(j *judge, e Evidence) []Reason {
	c, ok := e.Content.(Drained)
	if !ok {
		return j.wrongType(e)
	}
	out := append(j.offOld(c.AppOnOld, c.OldWrites, "up to "+moment(e.Taken)+", since it was looked at before"), j.sessions(c.SessionsSeen, c.Grants)...)
	out = append(out, j.unreachedNodes(c.Unreached)...)
	if c.Since.IsZero() {
		out = append(out, *j.unknown(ReasonWritesUnseen, "since when old takes no write is not known", j.measure("", KindWatch)))
	}
	if !c.EchoesComplete || c.OldThrough == "" {
		out = append(out, *j.unknown(ReasonEchoes, "not all of old's transactions are known to have arrived on new", "wait; on new: "+Words("").show()))
	}
	return out
}

// proofSignOff is a signature that was given after the last proof of a kind.
func proofSignOff(last Kind) proof {
	return proof{kind: KindSignOff, judge: func(j *judge, e Evidence) []Reason {
		proof, ok := j.newest(last)
		if ok && !e.Taken.Before(proof.Taken) {
			return nil
		}
		return []Reason{*j.unknown(ReasonSignOffEarly, "it was signed before the last proof, that of "+describe(last), j.measure(plan.GateSignedOff, KindSignOff))}
	}}
}
