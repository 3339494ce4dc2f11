package measure

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/gate"
	"crosscheck/internal/fault"
)

// wayBack looks at what the application could go back to: nodes of the old version that follow new, and what they could not read.
// A node that does not answer is evidence itself.
func (m *measurement) wayBack(ctx context.Context) (gate.Content, error) {
	var out gate.WayBackSeen
	var err error
	if out.OldVersion, err = versionNow(ctx, m.old); err != nil {
		return nil, err
	}
	if out.NewVersion, err = versionNow(ctx, m.new); err != nil {
		return nil, err
	}
	nodes := []node{{nodeOld, m.old}}
	for _, r := range m.replicas {
		if !r.Rolling {
			continue
		}
		if r.Server == nil {
			out.Nodes = append(out.Nodes, gate.WayNode{Name: r.Name, Trouble: fault.Line(fmt.Sprint(r.Err))})
			continue
		}
		nodes = append(nodes, node{r.Name, r.Server})
	}
	var reader *cluster.Server // a node of the old version, which says what that can read
	for _, n := range nodes {
		w, old, failed := m.wayNode(ctx, n, out.NewVersion)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case failed != nil:
			w = gate.WayNode{Name: n.name, Trouble: fault.Line(failed.Error())}
		case old && reader == nil:
			reader = n.server
		}
		out.Nodes = append(out.Nodes, w)
	}
	if reader == nil {
		return out, nil
	}
	if out.Unreadable, out.Risks, err = unreadable(ctx, reader, m.new); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out.Unreadable, out.Risks, out.Unread = nil, nil, fault.Line(err.Error())
	}
	return out, nil
}

// wayNode is one node, and whether it runs an earlier version than new.
func (m *measurement) wayNode(ctx context.Context, n node, newVersion string) (w gate.WayNode, old bool, err error) {
	w.Name = n.name
	if err = n.server.SameServer(ctx); err != nil {
		return w, false, err
	}
	if w.Version, err = versionNow(ctx, n.server); err != nil || gate.AtLeast(w.Version, newVersion) {
		return w, false, err
	}
	rel, err := cluster.Relate(ctx, m.new, n.server)
	if err != nil || rel.OldToNew == nil {
		return w, true, err
	}
	l, err := m.link(ctx, hop{from: node{nodeNew, m.new}, to: n, link: rel.OldToNew})
	if err != nil {
		return w, true, err
	}
	w.Link = &l
	channels, err := n.server.Channels(ctx)
	for _, c := range channels {
		w.Filters = append(w.Filters, c.LeavesOut()...)
	}
	return w, true, err
}

// unreadable lists what new's tables and settings have that a server of the old version lacks, and what statements to come may
// bring to it that it cannot take.
func unreadable(ctx context.Context, old, fresh *cluster.Server) (lacking, risks []string, err error) {
	known, err := collations(ctx, old)
	if err != nil {
		return nil, nil, err
	}
	vars, err := variables(ctx, fresh, "collation_server", "character_set_collations", "binlog_transaction_compression", "binlog_row_value_options", "log_bin_compress")
	if err != nil {
		return nil, nil, err
	}
	list, err := query(ctx, fresh.DB(), "SELECT DATA_TYPE AS t, COLLATION_NAME AS c, MIN(CONCAT(TABLE_SCHEMA, '.', TABLE_NAME)) AS example, COUNT(DISTINCT TABLE_SCHEMA, TABLE_NAME) AS n "+
		"FROM information_schema.COLUMNS WHERE TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') GROUP BY DATA_TYPE, COLLATION_NAME")
	if err != nil {
		return nil, nil, fresh.Explain("look at the columns", err)
	}
	for _, r := range list {
		where := r["example"]
		if r["n"] != "1" {
			where += fmt.Sprintf(" and %s tables in all", r["n"])
		}
		if c := r["c"]; c != "" && !known[c] {
			lacking = append(lacking, where+": collation "+c)
		}
		if t := r["t"]; !hasType(old.Facts(), t) {
			lacking = append(lacking, where+": type "+t)
		}
	}
	schemas, err := query(ctx, fresh.DB(), "SELECT SCHEMA_NAME AS s, DEFAULT_COLLATION_NAME AS c FROM information_schema.SCHEMATA "+
		"WHERE SCHEMA_NAME NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')")
	if err != nil {
		return nil, nil, fresh.Explain("look at the schemas", err)
	}
	for _, r := range schemas {
		if !known[r["c"]] {
			lacking = append(lacking, r["s"]+": collation "+r["c"])
		}
	}
	slices.Sort(lacking)
	return lacking, risksOf(known, vars, old.Facts()), nil
}

// risksOf are settings of new by which statements to come stop a node of the old version. known are its collations.
func risksOf(known map[string]bool, vars map[string]string, old cluster.Facts) (risks []string) {
	if c := vars["collation_server"]; c != "" && !known[c] {
		risks = append(risks, "collation_server = "+c+", which the old version lacks")
	}
	for _, x := range strings.Split(vars["character_set_collations"], ",") {
		if _, c, ok := strings.Cut(x, "="); ok && !known[c] {
			risks = append(risks, "character_set_collations gives sessions "+c+", which the old version lacks")
			break
		}
	}
	switch {
	case old.IsMariaDB():
	case vars["binlog_transaction_compression"] == "ON" && !old.AtLeast(8, 0, 20):
		risks = append(risks, "binlog_transaction_compression = ON, which the old version cannot read")
	case vars["binlog_row_value_options"] != "" && !old.AtLeast(8, 0, 3):
		risks = append(risks, "binlog_row_value_options = "+vars["binlog_row_value_options"]+", which the old version cannot read")
	}
	return risks
}

// collations are those that a server has. MariaDB gives those of UCA 14 a full name in a column of its own.
func collations(ctx context.Context, s *cluster.Server) (map[string]bool, error) {
	list, err := query(ctx, s.DB(), "SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY")
	if err != nil {
		return nil, s.Explain("list the collations", err)
	}
	out := map[string]bool{}
	for _, r := range list {
		out[r["collation_name"]] = true
		if full := r["full_collation_name"]; full != "" {
			out[full] = true
		}
	}
	return out, nil
}

// hasType tells whether a version has a type of columns. Types that came after MySQL 5.5 and MariaDB 5.5 are listed, each with its
// first version; 99: none.
func hasType(f cluster.Facts, name string) bool {
	type first struct{ major, minor, patch int }
	since := map[string]struct{ mysql, maria first }{
		"json":    {mysql: first{5, 7, 8}, maria: first{99, 0, 0}}, // MariaDB shows longtext
		"vector":  {mysql: first{9, 0, 0}, maria: first{11, 7, 0}},
		"uuid":    {mysql: first{99, 0, 0}, maria: first{10, 7, 0}},
		"inet4":   {mysql: first{99, 0, 0}, maria: first{10, 10, 0}},
		"inet6":   {mysql: first{99, 0, 0}, maria: first{10, 5, 0}},
		"xmltype": {mysql: first{99, 0, 0}, maria: first{12, 3, 0}},
	}
	v, listed := since[strings.ToLower(name)]
	if !listed {
		return true
	}
	x := v.mysql
	if f.IsMariaDB() {
		x = v.maria
	}
	return f.AtLeast(x.major, x.minor, x.patch)
}
