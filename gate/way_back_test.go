package gate

import (
	"strings"
	"testing"
	"time"
)

// TestWayBack walks looks at the way back: what each finds, and since when.
func TestWayBack(t *testing.T) {
	const written = true
	follows := func() *Link { return &Link{From: "new", Running: true, LagKnown: true} }
	look := func(written bool, change func(l *WaySeen)) WayLook {
		l := WayLook{Written: written, WaySeen: WaySeen{OldVersion: oldRelease, NewVersion: newRelease, Nodes: []WayNode{
			{Name: "old", Version: oldRelease, Link: follows()}, {Name: "old-1", Version: newRelease}, {Name: "old-2", Version: oldRelease},
		}}}
		if change != nil {
			change(&l.WaySeen)
		}
		return l
	}
	well := look(written, nil)
	upgraded := look(written, func(l *WaySeen) { l.Nodes[0].Version, l.Nodes[2].Version = newRelease, newRelease })
	stopped := look(written, func(l *WaySeen) { l.Nodes[0].Link.Running, l.Nodes[0].Link.Error = false, "1115 Unknown character set" })
	for _, c := range []struct {
		name  string
		looks []WayLook
		state string
		since int // the look
		says  string
	}{
		{"before the switch", []WayLook{look(false, func(l *WaySeen) { l.Nodes[0].Link = nil })}, WayOpen, 0, "over old"},
		{"nothing was written that could not be read", []WayLook{look(false, func(l *WaySeen) { l.Unreadable = []string{"shop.t: type uuid"} })}, WayOpen, 0, "over old"},
		{"old follows", []WayLook{look(false, nil), well, well}, WayOpen, 0, "over old"},
		{"old follows nobody", []WayLook{look(false, nil), look(written, func(l *WaySeen) { l.Nodes[0].Link = nil })}, WayShut, 1, "old does not replicate from new"},
		{"replication broke", []WayLook{well, stopped, stopped}, WayShut, 1, "Unknown character set"},
		{"and goes on", []WayLook{well, stopped, well, well}, WayOpen, 2, "over old"},
		{"another node follows", []WayLook{look(written, func(l *WaySeen) { l.Nodes[0].Link, l.Nodes[2].Link = nil, follows() })}, WayOpen, 0, "over old-2"},
		{"an upgraded node is no way back", []WayLook{look(written, func(l *WaySeen) { l.Nodes[0].Link, l.Nodes[1].Link = nil, follows() })}, WayShut, 0, "old does not replicate"},
		{"late", []WayLook{look(written, func(l *WaySeen) { l.Nodes[0].Link.Lag = time.Minute })}, WayShut, 0, "behind"},
		{"lag unknown", []WayLook{look(written, func(l *WaySeen) { l.Nodes[0].Link.LagKnown = false })}, WayShut, 0, "is not known"},
		{"skips", []WayLook{look(written, func(l *WaySeen) { l.Nodes[0].Link.Skips = true })}, WayShut, 0, "skips"},
		{"filters", []WayLook{look(written, func(l *WaySeen) { l.Nodes[0].Filters = []string{"replicate-do-db=shop"} })}, WayShut, 0, "leaves out"},
		{"a type that old lacks", []WayLook{well, look(written, func(l *WaySeen) { l.Unreadable = []string{"shop.t: type uuid"} })}, WayShut, 1, "cannot read shop.t: type uuid"},
		{"nobody could look", []WayLook{look(written, func(l *WaySeen) { l.Unread = "denied" })}, WayUnknown, 0, "denied"},
		{"not reached", []WayLook{look(written, func(l *WaySeen) { l.Nodes = l.Nodes[:2]; l.Nodes[0] = WayNode{Name: "old", Trouble: "refused"} })}, WayUnknown, 0, "refused"},
		{"all are upgraded", []WayLook{well, upgraded, upgraded}, WayGone, 1, "for good"},
		{"all are upgraded before the switch", []WayLook{look(false, func(l *WaySeen) { l.Nodes[0].Version, l.Nodes[2].Version = newRelease, newRelease })}, WayGone, 0, "is left"},
		{"gone is gone", []WayLook{upgraded, well}, WayGone, 0, "for good"},
		{"old runs new's version all along", []WayLook{look(written, func(l *WaySeen) { l.OldVersion = newRelease }), well}, WayUnknown, 0, "is not known"},
		{"a risk", []WayLook{look(written, func(l *WaySeen) { l.Risks = []string{"collation_server = uca1400_ai_ci"} })}, WayOpen, 0, "may shut: collation_server"},
	} {
		for i := range c.looks {
			c.looks[i].At = t0.Add(time.Duration(i) * time.Minute)
		}
		got := JudgeWayBack(c.looks, time.Second)
		last := c.looks[len(c.looks)-1].At
		if got.State != c.state || !got.Since.Equal(c.looks[c.since].At) || !got.At.Equal(last) || !strings.Contains(got.Line(), c.says) {
			t.Errorf("%s: %+v: %s", c.name, got, got.Line())
		}
	}
	if JudgeWayBack(nil, time.Second) != nil {
		t.Error("nobody looked, and it was judged")
	}
}
