package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"crosscheck/checksum"
	"crosscheck/conflict"
)

// Write writes the SQL of one node. All of its rows are changed, or none.
func (p *MendPlan) Write(w io.Writer, f *MendFile) error {
	node := p.In.Nodes[f.Node]
	r := &repair{
		w: bufio.NewWriterSize(w, 64<<10), tables: map[string]bool{}, whole: true,
		opts: RepairOptions{New: node.Server, BatchSize: DefaultRepairBatch, SplitTable: p.In.SplitTable},
	}
	p.fileHeader(r, f)
	r.session()
	if f.stop != nil {
		r.stillStopped(f.stop, node.Server.Flavor)
	}
	if len(f.list) > 0 {
		if err := p.rows(r, f); err != nil {
			return err
		}
	}
	if f.stop != nil {
		r.pass(f.stop, node.Server)
	}
	r.printf("\n")
	r.comment("End of the mend of %s: %s.", quoted(node.Label), plural(r.counted, "row"))
	if err := errors.Join(r.err, r.w.Flush()); err != nil {
		return fmt.Errorf("write the mend: %w", err)
	}
	return nil
}

// rows writes the rows of a node in one transaction that is undone unless each statement did what it says.
func (p *MendPlan) rows(r *repair, f *MendFile) error {
	r.printf("\n")
	r.comment("Nothing of this enters the binary log: each node has a file of its own.")
	r.printf("SET SESSION sql_log_bin = 0;\nSET @crosscheck_rows = 0;\nSTART TRANSACTION;\n")
	err := r.steps(func(fn func(string, checksum.Difference) error) error {
		for i := range f.list {
			if err := fn(f.list[i].table, f.list[i].d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the mend: %w", err)
	}
	if r.sum.Skipped > 0 {
		return fmt.Errorf("no statement can be written for a row of %s: %s", p.In.Nodes[f.Node].Label, strings.Join(r.skips, "; "))
	}
	r.printf("\n")
	r.comment("Unless each statement changed its one row, this ends with error 1242, and the transaction is undone: a row is not as it was\n" +
		"seen any more, or a value that it is to get is taken. Then mend again: crosscheck mend reads the rows anew.")
	r.stopIf("row_is_not_as_it_was", fmt.Sprintf("@crosscheck_rows <> %d", r.counted))
	r.printf("COMMIT;\nSET SESSION sql_log_bin = 1;\n")
	return nil
}

// stopIf ends the client with error 1242 where a condition holds.
func (r *repair) stopIf(name, condition string) {
	r.printf("SET @crosscheck_guard = (SELECT n FROM (SELECT 1 AS n UNION ALL SELECT 2) AS %s WHERE %s);\n", name, condition)
}

// stillStopped ends the file where the applier has gone on since it was looked at.
func (r *repair) stillStopped(s *MendStop, flavor string) {
	r.printf("\n")
	switch {
	case flavor == "mariadb" && s.Passed != "":
		r.comment("Unless the applier is still stopped where it was seen, this ends with error 1242 and changes nothing.")
		r.stopIf("applier_moved", "@@GLOBAL.gtid_slave_pos <> "+sqlText(s.SlavePos))
	case flavor != "mariadb" && s.GTID != "":
		r.comment("If the transaction has been applied or passed since it was seen to wait, this ends with error 1242 and changes nothing.")
		r.stopIf("applier_moved", "GTID_SUBSET("+sqlText(s.GTID)+", @@GLOBAL.gtid_executed)")
	}
}

// sqlText is a GTID or a channel's name as SQL.
func sqlText(s string) string { return "_utf8mb4 X'" + fmt.Sprintf("%x", s) + "'" }

// plainText is text for where SQL takes no expression.
func plainText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''", "\n", "", "\r", "").Replace(s) + "'"
}

// pass leads the applier past exactly the transaction at which it is stopped.
func (r *repair) pass(s *MendStop, server checksum.EndpointInfo) {
	maria := server.Flavor == "mariadb"
	r.printf("\n")
	r.comment("The applier is stopped with error %d at transaction %s of %s (%s).\n"+
		"All rows that it changes are mended: by this file, or because what stays is here already. So exactly it is passed, and no other.",
		s.Errno, quoted(s.name()), quoted(s.Source), quoted(s.Place))
	switch {
	case maria && s.Passed != "":
		name := ""
		if s.Channel != "" {
			name = " " + plainText(s.Channel)
		}
		r.comment("All other connections of this server must be stopped for this statement, too (error 1198).")
		r.printf("STOP SLAVE%s;\n", name)
		r.stopIf("applier_moved", "@@GLOBAL.gtid_slave_pos <> "+sqlText(s.SlavePos))
		r.printf("SET GLOBAL gtid_slave_pos = %s;\nSTART SLAVE%s;\n", plainText(s.Passed), name)
	case !maria && s.GTID != "":
		r.printf("SET SESSION gtid_next = %s;\nSTART TRANSACTION;\nCOMMIT;\nSET SESSION gtid_next = 'AUTOMATIC';\n", plainText(s.GTID))
		words, channel := "REPLICA", ""
		if strings.HasPrefix(server.Version, "5.") || strings.HasPrefix(server.Version, "8.0.1") {
			words = "SLAVE"
		}
		if !strings.HasPrefix(server.Version, "5.6") {
			channel = " FOR CHANNEL " + plainText(s.Channel)
		}
		r.printf("START %s SQL_THREAD%s;\n", words, channel)
	default:
		show, start := "SHOW SLAVE STATUS", "START SLAVE"
		counter := "sql_slave_skip_counter"
		if !maria && !strings.HasPrefix(server.Version, "5.") && !strings.HasPrefix(server.Version, "8.0.1") {
			show, start, counter = "SHOW REPLICA STATUS", "START REPLICA", "sql_replica_skip_counter"
		}
		r.comment("BY HAND, for without GTIDs no statement can make sure of it: look at %s. Only if the applier is stopped by error\n"+
			"%d, and the place in the source's log up to which it has applied is exactly %s, run:\n"+
			"  SET GLOBAL %s = 1; %s;", show, s.Errno, quoted(s.Place), counter, start)
	}
}

func (p *MendPlan) fileHeader(r *repair, f *MendFile) {
	node := p.In.Nodes[f.Node]
	at := slices.IndexFunc(p.Files, func(x MendFile) bool { return x.Name == f.Name }) + 1
	var order []string
	for i := range p.Files {
		order = append(order, "  "+quoted(p.Files[i].Name)+" on "+quoted(p.In.Nodes[p.Files[i].Node].Label))
	}
	r.comment("Mend written by crosscheck, file %d of %d, by %s at %s: it gives rows of %s the version that was chosen.\n"+
		"  %s: %s  <- run it here\n\n"+
		"Run the files in this order, each on its own node and after the one before:\n%s\n\n"+
		"crosscheck has not executed any of this. Read it, then run it in a session of its own:\n\n"+
		"  mysql --comments --skip-reconnect --default-character-set=utf8mb4 --max-allowed-packet=1G --host=... < this-file\n\n"+
		"- It stops at the first error. All rows are changed in one transaction, or none: each statement acts only on a row that is\n"+
		"  still as it was seen in all its columns. Where it stops, no later file may be run: mend again.\n"+
		"- Triggers of the node fire. Foreign keys are not checked and do not cascade here.\n"+
		"- It holds row values in clear: keep it as you keep the data.",
		at, len(p.Files), quoted(p.In.By), stamp(p.In.Written), quoted(node.Label), quoted(node.Label), server(node.Server), strings.Join(order, "\n"))
	for _, u := range p.In.Unread {
		r.comment("\nWARNING: %s. It is not mended.", quoted(u))
	}
	r.accountText(&RepairFile{Node: node})
	for i := range p.Groups {
		if p.Groups[i].Left == "" {
			r.comment("\n%s", strings.Join(p.Groups[i].words(p, false), "\n"))
		}
	}
	for _, d := range p.dropped() {
		r.comment("\nDROPPED: the version of %s that %s had committed. It is kept in %s.", rowName(d.row.Row), quoted(sideName(d.side)), quoted(DroppedFile))
	}
}

// DroppedFile is the name of the file that keeps what is dropped.
const DroppedFile = "dropped.sql"

// droppedRow is a committed version of a row that a mend takes away.
type droppedRow struct {
	row  *MendRow
	side conflict.Side
	from int // the writer that holds it; -1: none
	act  *conflict.Act
}

// dropped lists the versions that no node holds after the mend.
func (p *MendPlan) dropped() []droppedRow {
	var out []droppedRow
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Left != "" || g.Both || g.Equal {
			continue
		}
		loser := g.Winner.Other()
		for _, r := range g.Rows {
			row := &p.In.Rows[r]
			stays, _ := p.source(g, r, g.Winner)
			d := droppedRow{row: row, side: loser, act: p.actOf(g, r, loser)}
			var ok bool
			if d.from, ok = p.source(g, r, loser); !ok {
				if d.from = -1; d.act == nil || len(d.act.After) == 0 {
					continue // a delete leaves nothing that could be kept
				}
				out = append(out, d)
				continue
			}
			if b := row.Beside[stays][d.from]; b.Kind != "" && b.Kind != checksum.Missing { // it is another one
				out = append(out, d)
			}
		}
	}
	return out
}

// actOf is what a side did to a row, by the findings of a group.
func (p *MendPlan) actOf(g *MendGroup, r int, s conflict.Side) *conflict.Act {
	for _, f := range g.Findings {
		a := p.In.Findings[f].Old
		if s == conflict.New {
			a = p.In.Findings[f].New
		}
		if a != nil && (conflict.Row{Table: a.Table, Key: a.Key}).ID() == p.In.Rows[r].ID() {
			return a
		}
	}
	return nil
}

// Dropped tells whether committed versions of rows are taken away.
func (p *MendPlan) Dropped() int { return len(p.dropped()) }

// WriteDropped writes what is dropped, as statements that are commented out.
func (p *MendPlan) WriteDropped(w io.Writer) error {
	r := &repair{w: bufio.NewWriter(w), tables: map[string]bool{}}
	r.comment("Versions of rows that the mend of %s by %s takes away. Nothing of this needs to be run: it is kept so that nothing is lost.\n"+
		"It holds row values in clear: keep it as you keep the data.", stamp(p.In.Written), quoted(p.In.By))
	for _, d := range p.dropped() {
		r.printf("\n")
		r.comment("%s as %s had it:", rowName(d.row.Row), quoted(sideName(d.side)))
		if d.from < 0 {
			r.comment("No node holds it any more. Its image in the log, in %s:", d.act.Place)
			for i, v := range d.act.After {
				name, value := fmt.Sprintf("#%d", i+1), "NULL"
				if i < len(d.act.Columns) {
					name = d.act.Columns[i]
				}
				if !v.IsNull() {
					value = quoted(string(v.Text))
				}
				r.comment("  %s = %s", quoted(name), value)
			}
			continue
		}
		var columns, literals []string
		for _, c := range d.row.Beside[d.from][d.from].OldRow {
			if !c.Generated {
				columns, literals = append(columns, quoteName(c.Column)), append(literals, c.Literal)
			}
		}
		schema, name, _ := p.In.SplitTable(d.row.Table)
		r.comment("%s", fmt.Sprintf("INSERT INTO %s.%s (%s) VALUES (%s);", quoteName(schema), quoteName(name), strings.Join(columns, ", "), strings.Join(literals, ", ")))
	}
	return errors.Join(r.err, r.w.Flush())
}
