package report

import (
	"strings"
)

// nodeHeader says what a node's file is, when it is to be run, and what must be done around it.
func (r *repair) nodeHeader(p *RepairPlan, f *RepairFile) {
	o, ref := r.opts, p.in.Reference
	at := 0
	var order []string
	for i := range p.Files {
		if p.Files[i].Name == f.Name {
			at = i + 1
		}
		order = append(order, "  "+quoted(p.Files[i].Name)+" on "+quoted(p.Files[i].Node.Label))
	}
	r.comment("Repair written by crosscheck, file %d of %d: it makes %s like %s where run %s proved them to differ.\n"+
		"Checked %s, written %s.\n"+
		"  %s (reference): %s\n  %s: %s  <- run it here\n\n"+
		"Run the files in this order, each on its own node and after the one before:\n%s\n\n"+
		"crosscheck has not executed any of this. Read it, then run it in a session of its own:\n\n"+
		"  mysql --comments --skip-reconnect --default-character-set=utf8mb4 --max-allowed-packet=1G --host=... < this-file\n\n"+
		"- It stops at the first error, and what its open transaction did is undone. Statements on rows with a key can be\n"+
		"  run again: each acts only on a row that is still as the check saw it, and leaves a row alone that changed\n"+
		"  since. Those on tables without a key say so and must run once only.\n"+
		"- A row whose unique value another row still holds is left as it is: the next check shows it.\n"+
		"- Where a rule of the node's own refuses a row (a CHECK, a trigger, no partition, a unique key on an expression),\n"+
		"  take that statement out and run the file again.\n"+
		"- Triggers of the node fire. Foreign keys are not checked and do not cascade here: rows that a cascade would\n"+
		"  change have statements of their own if they differ.\n"+
		"- It holds row values in clear: keep it as you keep the data.\n"+
		"- Check all nodes again when the last file has run and the replicas have applied it.",
		at, len(p.Files), quoted(f.Node.Label), quoted(ref.Label), quoted(o.Run), stamp(o.Checked), stamp(o.Written),
		quoted(ref.Label), server(o.Old), quoted(f.Node.Label), server(o.New), strings.Join(order, "\n"))
	r.waysText(p, f)
	if f.counts[byItself] > 0 {
		r.accountText(f)
	}
	r.warnings(p, f)
	r.session()
}

// waysText says which rows are mended how, and why.
func (r *repair) waysText(p *RepairPlan, f *RepairFile) {
	r.comment("\nA row goes through the writer's binary log only if it differs alike on all nodes of new that were compared. A row\n" +
		"event for a row that a replica has not, or has already, would stop its applier (1032, 1062). All other rows are\n" +
		"mended on each node by itself, with sql_log_bin = 0: that makes no transaction of the node's own, and no GTID.")
	r.comment("In this file: %s by itself, %s through the binary log.", plural(f.counts[byItself], "row"), plural(f.counts[logged], "row"))
	if n := f.counts[elsewhere]; n > 0 {
		r.comment("Not in it: %s that the file of %s mends and that then arrive by replication.", plural(n, "row"), quoted(p.writer.Node.Label))
	}
}

// accountText says which account the statements need. Nobody knows whether the node is read only when the file is run, so
// nothing is switched here.
func (r *repair) accountText(f *RepairFile) {
	if f.Node.Server.Flavor == "mariadb" {
		r.comment("\nThe account needs SUPER, or BINLOG ADMIN from 10.5 on, for sql_log_bin; where read_only is ON also READ_ONLY ADMIN\n" +
			"(before 10.11 SUPER is enough). Without it, run before and after this file:\n" +
			"  SET GLOBAL read_only = OFF;\n  SET GLOBAL read_only = ON;")
		return
	}
	r.comment("\nThe account needs SUPER, or from 8.0 on SYSTEM_VARIABLES_ADMIN for sql_log_bin and CONNECTION_ADMIN to write where\n" +
		"read_only is ON. super_read_only, which 5.6 does not have, stops every account. Where it is ON, run before and\n" +
		"after this file, and leave read_only ON:\n" +
		"  SET GLOBAL super_read_only = OFF;\n  SET GLOBAL super_read_only = ON;")
}

func (r *repair) warnings(p *RepairPlan, f *RepairFile) {
	if p.in.TwoWay && f.Node.Side == SideNew {
		r.comment("\nold replicates from new: a row event of new would find another row on old. So nothing of this goes through a\n" +
			"binary log. Nodes of new that were not compared are not mended.")
	}
	if f.counts[logged] > 0 {
		r.unreadText()
	}
	if ref := p.in.Reference; ref.Role == RoleReplica && !p.comparedOldWriter() {
		r.comment("\nWARNING: %s is a replica, and old's writer was not compared with it. If it is the one that is wrong, this file\n"+
			"makes new wrong too: check with old's writer as the reference first.", quoted(ref.Label))
	}
}

func (p *RepairPlan) comparedOldWriter() bool {
	for i := range p.in.Copies {
		if oldWriter(p.in.Copies[i].Node) {
			return true
		}
	}
	return false
}

func nodeLabels(nodes []Node) string {
	var out []string
	for _, n := range nodes {
		out = append(out, quoted(n.Label))
	}
	return strings.Join(out, ", ")
}
