package report

import (
	"fmt"

	"crosscheck/checksum"
)

// copyOf is a node's comparison in which everything is the same, but for what change does to it.
func copyOf(label, side, role string, change func(r *checksum.Result)) Copy {
	r := sampleResult(checksum.Same)
	r.New.Addr = label + ".db.example:3306"
	r.New.ServerUUID = fmt.Sprintf("3e11fa47-71ca-11e1-9e33-%012x", label)[:36]
	r.Tables = []checksum.TableResult{
		sameTable("shop.customers", 120_000), sameTable("shop.orders", 1_536_000),
		sameTable("warehouse_of_the_north.stock_movements_by_month_and_article", 48_210_993),
	}
	if change != nil {
		change(&r)
	}
	return Copy{Node: Node{Label: label, Side: side, Role: role}, Result: r}
}

func ordersDiffer(differences ...checksum.Difference) func(r *checksum.Result) {
	return func(r *checksum.Result) {
		r.Verdict = checksum.Different
		t := &r.Tables[1]
		t.Verdict, t.Differences = checksum.Different, differences
		for _, d := range differences {
			switch d.Kind {
			case checksum.Missing:
				t.Counts.Missing++
			case checksum.Extra:
				t.Counts.Extra++
			default:
				t.Counts.Changed++
			}
		}
	}
}

// checkOfNodes has rows that differ on all nodes of new alike, on some, on one, and in another way on each.
func checkOfNodes() Check {
	id := func(n string) []checksum.Field { return []checksum.Field{field("id", n)} }
	gone := checksum.Difference{Kind: checksum.Missing, Key: id("42"), Proof: checksum.ProofBinlog, Count: 1}
	late := changed(id("43"), diff("status", "shipped", "packed"))
	later := changed(id("43"), diff("status", "shipped", "ordered"))
	own := checksum.Difference{Kind: checksum.Extra, Key: id("9001"), Proof: checksum.ProofBinlog, Count: 1}
	long := changed(id("77"), diff("a_column_with_quite_a_long_name", "Zürich", "Zu\u0308rich"))
	return Check{
		Reference: Node{Label: "old", Side: SideOld, Role: RoleWriter},
		Copies: []Copy{
			copyOf("new", SideNew, RoleWriter, ordersDiffer(gone, late)),
			copyOf("new-1", SideNew, RoleReplica, ordersDiffer(gone, later, own)),
			copyOf("new-2", SideNew, RoleReplica, ordersDiffer(gone, late, long)),
			copyOf("old-1", SideOld, RoleReplica, nil),
			copyOf("old-2", SideOld, RoleReplica, func(r *checksum.Result) {
				r.Verdict, r.Interrupted = checksum.Undecided, true
				r.Reason = "the server went away and was not back within 1 min: dial tcp 10.20.30.42:3306: connection refused"
				r.Tables = r.Tables[:1]
			}),
		},
		Unread: []Unread{{
			Node: Node{Label: "new-3", Side: SideNew, Role: RoleReplica, Server: checksum.EndpointInfo{Addr: "new-3.db.example:3306", Version: "9.7.4", Flavor: "mysql"}},
			Why:  "seen in new's list of replicas; --new-replica compares it",
		}},
	}
}

func manyNodes() Check {
	c := Check{Reference: Node{Label: "old", Side: SideOld, Role: RoleWriter}}
	for i := range 16 {
		c.Copies = append(c.Copies, copyOf(fmt.Sprintf("new-frankfurt-%d", i), SideNew, RoleReplica, nil))
	}
	ordersDiffer(checksum.Difference{Kind: checksum.Extra, Key: []checksum.Field{field("id", "1")}, Count: 1})(&c.Copies[7].Result)
	return c
}

func sameNodes() Check {
	return Check{
		Reference: Node{Label: "old", Side: SideOld, Role: RoleWriter},
		Copies:    []Copy{copyOf("new", SideNew, RoleWriter, nil), copyOf("new-1", SideNew, RoleReplica, nil)},
	}
}

func hostileNodes() Check {
	r := resultHostile()
	c := Pair(r)
	c.Reference.Role = hostile
	c.Copies[0].Node = Node{Label: hostile, Side: hostile, Role: hostile}
	c.Copies = append(c.Copies, Copy{Node: Node{Label: hostile + "2", Side: hostile, Role: hostile}, Result: r})
	c.Unread = []Unread{{Node: Node{Label: hostile, Side: hostile, Role: hostile}, Why: hostile}}
	return c
}

// pairOfClusters is one pair, where others were seen.
func pairOfClusters() Check {
	c := sameNodes()
	c.Copies, c.Unread = c.Copies[:1], checkOfNodes().Unread
	return c
}
