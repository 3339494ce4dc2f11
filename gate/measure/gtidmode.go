package measure

import (
	"context"
	"strconv"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/gate"
)

// gtidModes asks every node. Anonymous transactions that are on their way to a node count as well: where they may be, and
// the node has not applied all that its source has logged, their number is not known.
func (m *measurement) gtidModes(ctx context.Context) (gate.Content, error) {
	var out gate.GTID
	for _, n := range m.nodes() {
		g, err := gtidNode(ctx, n)
		if err != nil {
			return nil, err
		}
		out.Nodes = append(out.Nodes, g)
	}
	if m.conv == nil && m.given != nil {
		out.Nodes = append(out.Nodes, gate.GTIDNode{Name: nodeConverter, UUID: m.given.Facts().ServerUUID, Anonymous: -1})
	}
	hops, err := m.hops(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range hops {
		if h.link == nil || modeOf(out, h.from.name) == "ON" {
			continue
		}
		done, err := m.drainedInto(ctx, h)
		if err != nil {
			return nil, err
		}
		for i := range out.Nodes {
			if out.Nodes[i].Name == h.to.name && !done && out.Nodes[i].Anonymous == 0 {
				out.Nodes[i].Anonymous = -1
			}
		}
	}
	return out, nil
}

func modeOf(g gate.GTID, name string) string {
	for _, n := range g.Nodes {
		if n.Name == name {
			return n.Mode
		}
	}
	return ""
}

func gtidNode(ctx context.Context, n node) (gate.GTIDNode, error) {
	f := n.server.Facts()
	out := gate.GTIDNode{Name: n.name, UUID: f.ServerUUID, Reachable: true, Anonymous: -1, Ladder: ladder(f)}
	if out.Ladder == gate.LadderNone {
		return out, nil // its GTIDs have no modes
	}
	v, err := variables(ctx, n.server, "gtid_mode", "enforce_gtid_consistency")
	if err != nil {
		return out, err
	}
	// A server before 5.6 has no such mode: none of its transactions has a GTID.
	if out.Mode = strings.ToUpper(v["gtid_mode"]); out.Mode == "" {
		out.Mode = "OFF"
	}
	out.Enforced = isOn(v["enforce_gtid_consistency"])
	st, err := status(ctx, n.server, "Ongoing_anonymous_transaction_count")
	if err != nil {
		return out, err
	}
	text, counts := st["ongoing_anonymous_transaction_count"]
	if count, err := strconv.ParseInt(text, 10, 64); err == nil {
		out.Anonymous = count
	} else if !counts && out.Mode == "ON" && !f.AtLeast(5, 7, 6) {
		out.Anonymous = 0 // it does not count them, and was started in a mode in which there are none
	}
	return out, nil
}

func ladder(f cluster.Facts) gate.Ladder {
	switch {
	case f.IsMariaDB():
		return gate.LadderNone
	case f.AtLeast(8, 0, 0):
		return gate.LadderPersist
	case f.AtLeast(5, 7, 6):
		return gate.LadderGlobal
	}
	return gate.LadderRestart
}

// drainedInto tells whether nothing that its source has logged is still on its way over a hop.
func (m *measurement) drainedInto(ctx context.Context, h hop) (bool, error) {
	p, known, err := position(ctx, h.from.server)
	if err != nil || !known {
		return false, err
	}
	return reaches(ctx, h.link, p, 3*time.Second)
}
