package conflict

import (
	"strings"

	"crosscheck/cluster/binlog"
)

// OriginalHeld tells whether the original of the echo at which a side's stream
// waits was fed and is itself held, behind what the other stream waits for. Then
// NoOriginal must not be said of it. Both streams cannot wait so for each other:
// what stands behind an echo was written after the echo's original. Without GTIDs
// one row that both have is enough to be taken for the original, as an applier may
// skip the others; if that seems to be so on both sides, all rows have to agree.
func (d *Detector) OriginalHeld(s Side) bool {
	return d.originalHeld(s, false) && (!d.originalHeld(s.Other(), false) || d.originalHeld(s, true))
}

func (d *Detector) originalHeld(s Side, all bool) bool {
	st, o := d.streams[s], d.streams[s.Other()]
	if len(st.held) == 0 {
		return false
	}
	head, ok := st.held[0].(Transaction)
	if !ok {
		return false
	}
	var rows map[string]bool
	for _, ev := range o.held {
		x, ok := ev.(Transaction)
		if !ok || x.Origin != Origin(s.Other()) {
			continue
		}
		if head.Tx.Mark.MySQL.Number > 0 || head.Tx.Mark.MariaDB.Seq > 0 {
			if x.Tx.Mark.MySQL == head.Tx.Mark.MySQL && x.Tx.Mark.MariaDB == head.Tx.Mark.MariaDB {
				return true
			}
			continue
		}
		if rows == nil {
			rows = map[string]bool{}
			for i := range head.Tx.Changes {
				rows[rowText(&head.Tx.Changes[i])] = true
			}
		}
		equal := 0
		for i := range x.Tx.Changes {
			if rows[rowText(&x.Tx.Changes[i])] {
				equal++
			}
		}
		if equal > 0 && (!all || equal == len(x.Tx.Changes) && equal == len(head.Tx.Changes)) {
			return true
		}
		if len(x.Tx.DDL) > 0 && len(head.Tx.DDL) > 0 {
			return true
		}
	}
	return false
}

// rowText names a row change by its table and what it leaves, or took away.
func rowText(c *binlog.Change) string {
	var b strings.Builder
	b.WriteString(c.Schema + "\x00" + c.Table)
	row := c.After
	if row == nil {
		row = c.Before
	}
	for _, v := range row {
		b.WriteByte(byte(v.State))
		b.Write(v.Text)
		b.WriteByte(0)
	}
	return b.String()
}
