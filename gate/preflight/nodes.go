package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// aNode stands for a node's label while it is judged: what is found on several
// nodes alike reads alike, and is said once for all of them.
const aNode = "\x00node\x00"

// nodes judges the nodes besides old and new: each against its side's own
// server, and all of them for what must be theirs alone.
func (j *judge) nodes() {
	j.unique()
	if j.path == DualWrite {
		j.changesReturn()
	}
	merged := map[string]int{}
	for i := range j.pair.Nodes {
		n := &j.pair.Nodes[i]
		if n.Lost != "" {
			j.add(Finding{
				ID: "node_not_reached", Side: n.Cluster, Nodes: []string{n.Label}, Object: n.Label, Unseen: true,
				Found: fmt.Sprintf("%s (%s): %s", n.Label, n.Addr, n.Lost),
			})
			continue
		}
		for _, f := range j.node(n) {
			key := strings.Join([]string{f.ID, f.Object, string(f.Severity), f.Side}, "\x00")
			at, there := merged[key]
			if !there {
				merged[key] = len(j.findings)
				j.findings = append(j.findings, f)
				continue
			}
			j.findings[at].join(f)
		}
	}
	for i := range j.findings {
		j.findings[i].named()
	}
}

// join takes in the same finding of another node.
func (f *Finding) join(g Finding) {
	if f.Found != g.Found || f.Do != g.Do { // it is not alike: each has its own words
		one := g.Nodes
		f.named()
		g.named()
		f.Found += "; " + g.Found
		if f.Do != g.Do {
			f.Do += " " + g.Do
		}
		g.Nodes = one
	}
	f.Nodes = append(f.Nodes, g.Nodes...)
	f.Fixes = append(f.Fixes, g.Fixes...)
}

// named writes the labels of a finding's nodes where the mark stands for them.
func (f *Finding) named() {
	labels := strings.Join(f.Nodes, ", ")
	f.Found = strings.ReplaceAll(f.Found, aNode, labels)
	f.Do = strings.ReplaceAll(f.Do, aNode, labels)
}

// node judges one node as a replica of its side's own server.
func (j *judge) node(n *inspect.Node) []Finding {
	primary := j.old
	if n.Cluster == j.new.Label {
		primary = j.new
	}
	side := n.Side
	side.Label = aNode
	k := &judge{pair: j.pair, old: primary, new: &side, path: RollingUpgrade, duration: j.duration, application: j.application, inside: true, unusable: map[string]bool{}}
	k.replica()
	if j.path == DualWrite {
		k.galeraSteps(j.other(primary))
	}
	out := slices.DeleteFunc(k.findings, func(f Finding) bool {
		return f.Side == SideBoth && slices.Contains([]string{"view_broken", "size"}, f.ID) // as on the side's own server
	})
	for i := range out {
		f := &out[i]
		f.Side, f.Nodes = n.Cluster, []string{n.Label}
		f.Object = strings.ReplaceAll(f.Object, aNode, "replicas")
		switch {
		case strings.Contains(f.Found, aNode):
		case strings.HasPrefix(f.Found, primary.Label+": no "):
			f.Found += ", which " + aNode + " has"
		default: // "both have the view …"
			f.Found = aNode + " and " + primary.Label + ": " + strings.TrimPrefix(f.Found, "both: ")
		}
		f.Fixes = onNode(f, n, primary)
	}
	return out
}

// onNode names the node in statements. Those that change its schema stay out of
// its binary log: they would be transactions of its own.
func onNode(f *Finding, n *inspect.Node, primary *inspect.Side) []Fix {
	var out []Fix
	changes := func(x Fix) bool {
		return slices.ContainsFunc([]string{
			"ALTER ", "CREATE DATABASE ", "SET SESSION foreign_key_checks", "CREATE USER ", "DROP USER ", "GRANT ", "REVOKE ", "CREATE ROLE ", "SET DEFAULT ROLE ",
		}, func(p string) bool { return strings.HasPrefix(x.SQL, p) })
	}
	if slices.ContainsFunc(f.Fixes, func(x Fix) bool { return changes(x) && x.On == primary.Label }) {
		f.Do = "Make " + aNode + " as " + primary.Label + " is; or change " + primary.Label + " with SET SESSION sql_log_bin = 0, so that it does not go over to those that have it."
		return nil
	}
	locked := on(&n.Side, "super_read_only")
	schema := slices.ContainsFunc(f.Fixes, changes)
	if schema {
		if locked {
			out = append(out, Fix{On: n.Label, SQL: "SET GLOBAL super_read_only = OFF"})
		}
		out = append(out, Fix{On: n.Label, SQL: "SET SESSION sql_log_bin = 0"})
	}
	for _, x := range f.Fixes {
		out = append(out, Fix{On: strings.ReplaceAll(x.On, aNode, n.Label), SQL: x.SQL})
	}
	if schema && locked {
		out = append(out, Fix{On: n.Label, SQL: "SET GLOBAL super_read_only = ON"})
	}
	return out
}

// replica asks all that concerns a node of a cluster.
func (j *judge) replica() {
	j.seen()
	if number(j.new, "server_id") == 0 {
		j.add(Finding{ID: "server_id_zero", Side: j.new.Label, Object: "server_id", Found: j.new.Label + ": server_id 0"})
	}
	j.versions()
	j.sameVersion()
	j.ownLog()
	j.replicaSettings(j.new)
	j.gtid()
	if on(j.new, "wsrep_on") && len(j.new.Channels) > 0 { // what keeps it from its cluster is one of them
		j.replicates()
	}
	if !member(j.new) {
		j.replicates()
		j.writable()
		j.sameSteps()
	}
	j.schemas()
	j.programs()
	j.config()
	j.zones()
	j.brokenViews()
	j.accounts()
}

// member tells whether a node is one of a group whose members are equals.
func member(s *inspect.Side) bool { return s.Facts.GroupReplication || on(s, "wsrep_on") }

// seen says what the node does not show and its side's own server does: grants
// come by replication, so those that both lack are one cause.
func (j *judge) seen() {
	for _, m := range j.new.Missing {
		if !slices.ContainsFunc(j.old.Missing, func(o inspect.Missing) bool { return o.Privilege == m.Privilege }) {
			j.lacks(j.new, m)
		}
	}
	for _, g := range j.new.Unknown {
		if !slices.ContainsFunc(j.old.Unknown, func(o inspect.Gap) bool { return o.What == g.What }) {
			j.unknown(j.new, g)
		}
	}
	var more []inspect.Gap
	for _, g := range j.new.Hidden {
		if !slices.ContainsFunc(j.old.Hidden, func(o inspect.Gap) bool { return o.What == g.What }) {
			more = append(more, g)
		}
	}
	only := *j.new
	only.Hidden = more
	j.hidden([]*inspect.Side{&only})
}

// sameVersion: a node of another version does other things with the same statement.
func (j *judge) sameVersion() {
	o, n := product(j.old), product(j.new)
	if o == n || j.has("replication_unsupported", "replication_skips_series", "replication_newer_to_older", "replication_between_families") {
		return
	}
	f := Finding{ID: "node_version", Side: j.new.Label, Object: "version", Found: j.new.Label + ": " + n + "; " + j.old.Label + ": " + o}
	if j.old.Facts.Major == j.new.Facts.Major && j.old.Facts.Minor == j.new.Facts.Minor {
		f.Severity = Info
	}
	j.add(f)
}

// ownLog judges the binary log of a node that logs what it applies. One that
// does not is a replica like others, as long as nobody builds on it.
func (j *judge) ownLog() {
	if on(j.new, "log_bin") && on(j.new, "log_replica_updates", "log_slave_updates") {
		j.binlog(j.new)
		return
	}
	j.add(Finding{
		ID: "log_replica_updates", Severity: Info, Side: j.new.Label, Object: "log_replica_updates",
		Found: j.new.Label + ": what it replicates does not enter its own binary log",
		Do:    "Nothing, unless it is to be promoted, or to be followed by a replica or a watch: then set log_bin and log_replica_updates.",
	})
}

// replicates judges the node's channels.
func (j *judge) replicates() {
	if slices.ContainsFunc(j.new.Missing, func(m inspect.Missing) bool {
		return m.Privilege == cluster.PrivReplicaMonitor || m.Privilege == cluster.PrivReplicationClient
	}) || slices.ContainsFunc(j.new.Unknown, func(g inspect.Gap) bool { return g.What == "replication channels" }) {
		return // it does not show them, which is said
	}
	if len(j.new.Channels) == 0 {
		j.add(Finding{
			ID: "replication_absent", Severity: Warning, Side: j.new.Label, Object: j.there(), Found: j.new.Label + ": it replicates from no server",
			Do: "Set its replication up, or take it out of the nodes that are named.",
		})
		return
	}
	if j.has("replication_unsupported", "gtid_mode") {
		return // that is why
	}
	var trouble []string
	for _, c := range j.new.Channels {
		if t := c.Trouble(); t != "" {
			trouble = append(trouble, strings.TrimPrefix(orWord(c.Name, "")+": "+t, ": "))
		}
	}
	if len(trouble) > 0 {
		j.add(Finding{ID: "replication_stopped", Side: j.new.Label, Object: j.there(), Found: j.new.Label + ": " + strings.Join(trouble, "; ")})
	}
}

// writable judges whether an application that takes a replica for a writer is
// refused.
func (j *judge) writable() {
	if v, ok := j.new.Value("read_only"); ok && slices.Contains([]string{"OFF", "0", ""}, strings.ToUpper(v)) {
		j.add(Finding{
			ID: "replica_writable", Side: j.new.Label, Object: "read_only", Found: j.new.Label + ": read_only OFF",
			Fixes: []Fix{set(j.new, "read_only", "ON")},
		})
	}
}

// sameSteps: a node that is promoted goes on with its own steps.
func (j *judge) sameSteps() {
	o, n := stepOf(j.old), stepOf(j.new)
	if o == n {
		return
	}
	f := Finding{
		ID: "step_differs", Side: j.new.Label, Object: "auto_increment_increment", Found: j.both(o.String(), n.String()),
		Why: "A replica that is promoted generates keys with its own steps: they meet those of the other side, or leave gaps.",
		Do:  "Give the replica the steps of its side's own server.",
	}
	f.Fixes = []Fix{
		set(j.new, "auto_increment_offset", strconv.FormatInt(o.offset, 10)), set(j.new, "auto_increment_increment", strconv.FormatInt(o.increment, 10)),
	}
	j.add(f)
}

// galeraSteps: each node of a Galera cluster takes writes, so each one's steps must keep clear of the other side's.
func (j *judge) galeraSteps(other *inspect.Side) {
	if !on(j.new, "wsrep_on") {
		return
	}
	own, o, n := stepOf(j.old), stepOf(other), stepOf(j.new)
	switch {
	case on(j.new, "wsrep_auto_increment_control"):
		j.stepControl(j.new)
	case n.effective().meets(o.effective()) && !own.effective().meets(o.effective()):
		j.add(Finding{
			ID: "step_overlap", Side: j.new.Label, Object: "auto_increment_offset",
			Found: fmt.Sprintf("%s: %s; %s: %s", j.new.Label, n, other.Label, o),
			Fixes: []Fix{
				set(j.new, "auto_increment_offset", strconv.FormatInt(own.offset, 10)), set(j.new, "auto_increment_increment", strconv.FormatInt(own.increment, 10)),
			},
		})
	}
}

// changesReturn: two-way, the channel into a Galera cluster must drop what the cluster's other nodes have written. MySQL does it
// by GTID.
func (j *judge) changesReturn() {
	for _, s := range j.sides() {
		if !on(s, "wsrep_on") || !s.Facts.IsMariaDB() {
			continue
		}
		for _, c := range s.Channels {
			if c.Group || slices.Contains(c.IgnoreDomains, uint32(number(s, "gtid_domain_id"))) {
				continue
			}
			var ids, all []string
			for _, id := range c.IgnoreServers {
				all = append(all, strconv.FormatUint(uint64(id), 10))
			}
			for _, id := range j.galeraMates(s) {
				if text := strconv.FormatUint(uint64(id), 10); !slices.Contains(all, text) {
					ids, all = append(ids, text), append(all, text)
				}
			}
			if len(ids) == 0 {
				continue
			}
			name := ""
			if c.Name != "" {
				name = " '" + c.Name + "'"
			}
			j.add(Finding{
				ID: "galera_changes_return", Side: s.Label, Object: "ignore_server_ids",
				Found: fmt.Sprintf("%s: its channel from %s takes transactions of server_id %s, which its own cluster has made", s.Label, c.Source(), strings.Join(ids, ", ")),
				Fixes: []Fix{
					{On: s.Label, SQL: "STOP SLAVE" + name},
					{On: s.Label, SQL: fmt.Sprintf("CHANGE MASTER%s TO IGNORE_SERVER_IDS = (%s)", name, strings.Join(all, ", "))},
					{On: s.Label, SQL: "START SLAVE" + name},
				},
			})
		}
	}
}

// galeraMates are the server_ids of the other nodes of a side's Galera cluster, but for those that it has itself.
func (j *judge) galeraMates(s *inspect.Side) []uint32 {
	var out []uint32
	for i := range j.pair.Nodes {
		n := &j.pair.Nodes[i]
		id := number(&n.Side, "server_id")
		if n.Cluster == s.Label && on(&n.Side, "wsrep_on") && id != 0 && id != number(s, "server_id") && !slices.Contains(out, uint32(id)) {
			out = append(out, uint32(id))
		}
	}
	return out
}

// unique judges what each server of both clusters must have for itself. That
// old and new have the same is found with the pair.
func (j *judge) unique() {
	type place struct {
		label, cluster string
		side           *inspect.Side
		node           bool
	}
	var all []place
	for _, s := range j.sides() {
		all = append(all, place{s.Label, s.Label, s, false})
	}
	next := int64(0)
	for i := range j.pair.Nodes {
		if n := &j.pair.Nodes[i]; len(n.Variables) > 0 { // also of one that was lost later
			all = append(all, place{n.Label, n.Cluster, &n.Side, true})
		}
	}
	for _, p := range all {
		next = max(next, number(p.side, "server_id")+1)
	}
	same := func(id string, of func(place) string) {
		done := map[string]bool{}
		for _, p := range all {
			v := of(p)
			if v == "" || v == "0" || done[v] {
				continue
			}
			done[v] = true
			f := Finding{ID: id, Object: "server_id", Side: p.cluster}
			if id == "server_uuid_same" {
				f.Object = v
			}
			var labels []string
			galera := id == "server_id_same"
			for _, q := range all {
				if of(q) != v {
					continue
				}
				galera = galera && q.cluster == p.cluster && on(q.side, "wsrep_on")
				if labels = append(labels, q.label); q.cluster != f.Side {
					f.Side = SideBoth
				}
				if !q.node {
					continue
				}
				f.Nodes = append(f.Nodes, q.label)
				if id == "server_id_same" && len(labels) > 1 {
					f.Fixes = append(f.Fixes, set(q.side, "server_id", strconv.FormatInt(next, 10)))
					next++
				}
			}
			// The nodes of one Galera cluster may have one server_id: none replicates from another.
			if len(labels) > 1 && len(f.Nodes) > 0 && !galera {
				f.Found = fmt.Sprintf("%s: %s %s", strings.Join(labels, ", "), strings.TrimSuffix(id, "_same"), v)
				f.Do = "Give each node a number of its own, also in its configuration file, and restart its replication."
				if id == "server_uuid_same" {
					f.Do = "Stop all of these but one, delete auto.cnf in their data directories, and start them again."
				}
				j.add(f)
			}
		}
	}
	same("server_id_same", func(p place) string { return strconv.FormatInt(number(p.side, "server_id"), 10) })
	same("server_uuid_same", func(p place) string { return p.side.Facts.ServerUUID })
}
