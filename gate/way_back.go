package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/plan"
)

// WaySeen is what one look found of the way back to the old version.
type WaySeen struct {
	OldVersion string `json:"old_version"`
	NewVersion string `json:"new_version"`
	// Nodes are old, and the other nodes that the old version may run on.
	Nodes []WayNode `json:"nodes"`
	// Unreadable are things in new's tables and settings that the old version does not have, so that it cannot take what is
	// written to them: "shop.t: type uuid". Unread says why that was not found out; "": it was.
	Unreadable []string `json:"unreadable,omitempty"`
	Unread     string   `json:"unread,omitempty"`
	// Risks are settings of new that let statements to come stop a node of the old version.
	Risks []string `json:"risks,omitempty"`
}

// WayNode is a node that may run the old version.
type WayNode struct {
	Name    string   `json:"name"`
	Version string   `json:"version,omitempty"`
	Trouble string   `json:"trouble,omitempty"` // why it was not reached; "": it was
	Filters []string `json:"filters,omitempty"`
	// Link is the replication from new to it; nil: there is none.
	Link *Link `json:"link,omitempty"`
}

// WayBackSeen is a look at the way back.
type WayBackSeen struct {
	WaySeen
}

// Kind is KindWayBack.
func (WayBackSeen) Kind() Kind { return KindWayBack }

func (c WayBackSeen) problem(taken time.Time) string {
	names := make([]string, 0, len(c.Nodes))
	for _, n := range c.Nodes {
		if names = append(names, n.Name); n.Link != nil && n.Link.Since.After(taken) {
			return "a link runs from a later moment on"
		}
	}
	return namesProblem(names)
}

// WayLook is a look with its moment. Written tells that new had taken writes of its own by then.
type WayLook struct {
	At      time.Time
	Written bool
	WaySeen
}

// The states of a way back.
const (
	WayOpen    = "open"
	WayShut    = "shut"    // something that can be mended stands in it
	WayGone    = "gone"    // for good
	WayUnknown = "unknown" // it was not found out
)

// WayBack tells whether the application could go back to the old version without losing what was written since.
type WayBack struct {
	State string `json:"state"` // "open", "shut", "gone" or "unknown"
	// Since is the first of the looks without a break that found it so; At is the newest.
	Since  time.Time `json:"since"`
	At     time.Time `json:"at"`
	Over   []string  `json:"over,omitempty"`   // the nodes that it leads to
	Causes []string  `json:"causes,omitempty"` // why it is not open
	Risks  []string  `json:"risks,omitempty"`  // what may shut it
	// Written tells that new is known to have taken writes of its own; looks at the gate switched tell it.
	Written bool `json:"written"`
}

// JudgeWayBack judges looks, the oldest first, as of the newest one; nil without any. A way that is gone stays so. Which nodes are of
// before is told by their versions: where old ran the version of new from the first look on, nobody can tell.
func JudgeWayBack(looks []WayLook, maxLag time.Duration) *WayBack {
	var out *WayBack
	if len(looks) > 0 && !older(looks[0].OldVersion, looks[0].NewVersion) {
		return &WayBack{
			State: WayUnknown, Since: looks[0].At, At: looks[len(looks)-1].At,
			Causes: []string{"old ran the version of new when it was looked at first: which nodes are of before is not known"},
		}
	}
	for _, l := range looks {
		w := l.judge(maxLag)
		switch {
		case out != nil && out.State == WayGone:
			out.At = w.At
			continue
		case out != nil && out.State == w.State && (w.State == WayOpen || slices.Equal(out.Causes, w.Causes)):
			w.Since = out.Since
		}
		out = &w
	}
	return out
}

// judge judges one look by itself.
func (l WayLook) judge(maxLag time.Duration) WayBack {
	w := WayBack{Since: l.At, At: l.At, Risks: l.Risks, Written: l.Written}
	left, unseen := false, false
	for _, n := range l.Nodes {
		switch {
		case n.Trouble != "":
			unseen = true
			w.Causes = append(w.Causes, colon(n.Name+" was not reached", n.Trouble))
		case !older(n.Version, l.NewVersion):
		case !l.Written && n.Name == "old": // nothing has left it yet
			left = true
			w.Over = append(w.Over, n.Name)
		default:
			left = true
			if why := n.blocked(maxLag); why != "" {
				w.Causes = append(w.Causes, why)
			} else if l.Written {
				w.Over = append(w.Over, n.Name)
			}
		}
	}
	for _, x := range l.Unreadable {
		if l.Written {
			w.Causes = append(w.Causes, "the old version cannot read "+x)
		}
	}
	switch {
	case !left && !unseen:
		w.State, w.Causes = WayGone, []string{"no node of a version before " + shown(l.NewVersion) + " is left"}
	case l.Written && len(l.Unreadable) > 0:
		w.State, w.Over = WayShut, nil
	case len(w.Over) > 0 && l.Written && l.Unread != "":
		w.State, w.Causes = WayUnknown, append(w.Causes, l.Unread)
	case len(w.Over) > 0:
		w.State, w.Causes = WayOpen, nil
	case unseen:
		w.State = WayUnknown
	default:
		w.State = WayShut
	}
	if w.State == WayGone {
		w.Risks = nil
	}
	return w
}

// blocked says why what new takes does not come to a node of the old version; "" if it does.
func (n WayNode) blocked(maxLag time.Duration) string {
	l := n.Link
	switch {
	case l == nil:
		return n.Name + " does not replicate from new"
	case !l.Running || l.Error != "":
		return colon("replication new→"+n.Name+" does not run", l.Error)
	case l.Skips:
		return "replication new→" + n.Name + " skips errors, transactions or rows"
	case len(n.Filters) > 0:
		return n.Name + " leaves out changes: " + Some(n.Filters)
	case !l.LagKnown:
		return "how far " + n.Name + " is behind new is not known"
	case l.Lag > maxLag:
		return fmt.Sprintf("%s is %s behind new", n.Name, l.Lag)
	}
	return ""
}

// older tells that a version is not known to be at least another one: of two makers, each is the other's old version.
func older(a, b string) bool { return a != "" && !AtLeast(a, b) }

// wayBackAt lists the gates at which the way back is looked at.
func wayBackAt() []string {
	return []string{plan.GateHealth, plan.GateNodesUpgraded, plan.GateSwitched, plan.GateWatchPeriod, plan.GateSignedOff}
}

// wayBack judges the way back by all looks that count.
func (j *judge) wayBack() *WayBack {
	if j.why != nil {
		return nil
	}
	written := time.Time{} // when new was first seen to take writes of its own
	for _, p := range j.pieces[KindWritesSwitch] {
		if c, ok := p.Content.(WritesSwitch); ok && j.rejects(p) == "" && (c.NewWrites > 0 || !c.Switched.IsZero()) {
			written = p.Taken
			if !c.Switched.IsZero() && c.Switched.Before(written) {
				written = c.Switched
			}
		}
	}
	var looks []WayLook
	for _, p := range slices.Backward(j.pieces[KindWayBack]) {
		if c, ok := p.Content.(WayBackSeen); ok && j.rejects(p) == "" {
			looks = append(looks, WayLook{At: p.Taken, Written: !written.IsZero() && !p.Taken.Before(written), WaySeen: c.WaySeen})
		}
	}
	return JudgeWayBack(looks, j.plan.Limits.MaxLag)
}

// Line is the way back in one line.
func (w WayBack) Line() string {
	since := " since " + w.Since.UTC().Format("2006-01-02 15:04:05 UTC")
	var b strings.Builder
	switch b.WriteString("way back to old: " + w.State); w.State {
	case WayOpen:
		b.WriteString(since + ", over " + Some(w.Over))
		if !w.Written {
			b.WriteString(": new is not known to have taken writes of its own")
		}
	case WayGone:
		b.WriteString(" for good" + since + ": " + Some(w.Causes))
	default:
		b.WriteString(since + ": " + Some(w.Causes))
	}
	if len(w.Risks) > 0 {
		b.WriteString("; may shut: " + Some(w.Risks))
	}
	return b.String()
}
