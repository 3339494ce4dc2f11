package report

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// sampleTopology has a replica of a replica, one that is late, one that stands, one that is not reached, one that was
// written to, and two primaries of old.
func sampleTopology() TopologyDocument {
	at := func(n int64) *int64 { return &n }
	count := func(n int) *int { return &n }
	channel := func(source string, lag *int64) []TopologyChannel {
		return []TopologyChannel{{Source: source, Receiver: "runs", Applier: "runs", LagSeconds: lag}}
	}
	known := &TopologyErrant{Known: true}
	node := func(label, role, addr string, sources ...string) TopologyNode {
		return TopologyNode{
			Label: label, Role: role, Addr: addr, Found: "named", Named: true, Sources: sources, Reached: true,
			ServerUUID: "uuid-of-" + label, Product: "MySQL 9.7.4", ReadOnly: "on", LogBin: true, LogsUpdates: true, GTIDMode: "ON",
			Position: "mysql:aa:1-9", Step: "1/1", Sessions: count(3), ApplicationSessions: count(2),
		}
	}
	old, old1, old2 := node("old", "writer", "db1.example.com:3306"), node("old-1", "replica", "db2.example.com:3306", "old"), node("old-2", "replica", "db3.example.com:3306", "old-1")
	old.ReadOnly = "off"
	old1.Channels, old1.LagSeconds, old1.Errant = channel("db1.example.com:3306", at(0)), at(0), &TopologyErrant{Known: true, Set: "cc:1-2"}
	old2.Channels, old2.Errant = channel("db2.example.com:3306", nil), known
	old2.Channels[0].Applier, old2.Channels[0].Trouble = "stopped", "applier stopped with error 1062 (Duplicate entry '1' \x1b[31mfor key)"
	old2.ApplicationSessions, old2.Sessions = nil, nil
	old2.Unknown = []string{"the account crosscheck@% lacks the privilege PROCESS"}
	now, new1, new2 := node("new", "writer", "10.0.0.1:3306", "old"), node("new-1", "replica", "10.0.0.2:3306", "new"), node("new-2", "replica", "10.0.0.3:3306", "new", "old")
	now.ReadOnly, now.Product = "off", "MariaDB 11.8.3"
	now.Channels, now.LagSeconds = channel("db1.example.com:3306", at(1)), at(1)
	new1.Channels, new1.LagSeconds, new1.Errant = channel("10.0.0.1:3306", at(60)), at(60), &TopologyErrant{Why: "new writes transactions without GTIDs"}
	new1.Channels[0].DelaySeconds, new1.Channels[0].Filters, new1.LogsUpdates = 60, []string{"replicate-do-db=\"shop\""}, false
	new2.Channels, new2.LagSeconds, new2.Errant, new2.ReadOnly = append(channel("10.0.0.1:3306", at(0)), channel("db1.example.com:3306", at(0))...), at(0), known, "off"
	new2.Channels[1].Name = "from-old"
	new3 := TopologyNode{
		Label: "new-3", Role: "replica", Addr: "10.0.0.4:3306", Found: "replica of new", Sources: []string{"new"},
		Error: "connect: connection refused; is a server listening there?",
	}
	return TopologyDocument{
		Schema: TopologySchema, Taken: time.Date(2026, 11, 28, 16, 0, 0, 0, time.UTC), Application: true,
		Clusters: []TopologyCluster{
			{Side: "old", Nodes: []TopologyNode{old, old1, old2}, Unknown: []string{"old-2: which servers replicate from it is not known"}},
			{Side: "new", Nodes: []TopologyNode{now, new1, new2, new3}},
		},
		Gaps: []string{"old-2: which servers replicate from it is not known", "new-3 (10.0.0.4:3306, replica of new) could not be reached: connection refused"},
	}
}

func TestTopologyForms(t *testing.T) {
	for _, f := range []struct {
		name   string
		format Format
		opt    TermOptions
	}{
		{"topology.txt", FormatText, TermOptions{}},
		{"topology-color-140.ansi", FormatText, TermOptions{Color: true, Width: 140}},
		{"topology.json", FormatJSON, TermOptions{}},
		{"topology.dot", FormatDOT, TermOptions{}},
		{"topology.mmd", FormatMermaid, TermOptions{}},
	} {
		var b bytes.Buffer
		if err := RenderTopology(&b, f.format, sampleTopology(), f.opt); err != nil {
			t.Fatal(err)
		}
		golden(t, f.name, b.Bytes())
		if !f.opt.Color {
			for line := range strings.SplitSeq(b.String(), "\n") {
				if strings.Contains(line, "\x1b") || f.format == FormatText && width(line) > minWidth {
					t.Errorf("line of %d cells: %q", width(line), line)
				}
			}
		}
	}
	if err := RenderTopology(&bytes.Buffer{}, FormatHTML, sampleTopology(), TermOptions{}); err == nil {
		t.Error("a page was rendered")
	}
}

// TestTopologyTree: every node is drawn once, those of a ring and two primaries too.
func TestTopologyTree(t *testing.T) {
	for want, c := range map[string]TopologyCluster{
		"a,└─ b,   └─ c":      {Nodes: []TopologyNode{{Label: "c", Sources: []string{"b"}}, {Label: "a"}, {Label: "b", Sources: []string{"a"}}}},
		"a,├─ b,│  └─ d,└─ c": {Nodes: []TopologyNode{{Label: "a"}, {Label: "b", Sources: []string{"a"}}, {Label: "c", Sources: []string{"a"}}, {Label: "d", Sources: []string{"b"}}}},
		"a,b":                 {Nodes: []TopologyNode{{Label: "a", Role: "writer", Sources: []string{"b"}}, {Label: "b", Role: "writer", Sources: []string{"a"}}}},
		"a,└─ b":              {Nodes: []TopologyNode{{Label: "a", Sources: []string{"b"}}, {Label: "b", Sources: []string{"a"}}}},
		"a":                   {Nodes: []TopologyNode{{Label: "a", Sources: []string{"elsewhere"}}}},
	} {
		var got []string
		for _, n := range c.tree() {
			got = append(got, n.branch+n.Label)
		}
		if strings.Join(got, ",") != want {
			t.Errorf("drawn %q, want %q", got, want)
		}
	}
}
