package conflict

import (
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
)

// Tables of MariaDB with system versioning keep rows that are gone, with the time when they ended. The log has a delete as
// an update of that time, and beside each other update the insert of the row as it was. Only rows of now are judged.

// endOfPeriod names the column with the end of the system period, in lower case: where the table does not name it, the log
// does so if it has names at all.
func endOfPeriod(t *cluster.Table) string {
	if t.Kind != cluster.TableVersioned {
		return ""
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.System && c.GenerationExpr == "ROW END" {
			return strings.ToLower(c.Name)
		}
	}
	if t.Column(hiddenEnd) != nil {
		return ""
	}
	return hiddenEnd
}

const hiddenEnd = "row_end"

// current is a change as the rows of now see it; ok is false for one of history only.
func (l *layout) current(c *binlog.Change) (_ *binlog.Change, ok bool) {
	if l.ends < 0 {
		return c, true
	}
	before, after := l.lives(c.Before), l.lives(c.After)
	switch {
	case c.Kind == binlog.Insert:
		return c, after
	case c.Kind == binlog.Delete:
		return c, before
	case before && after:
		return c, true
	case !before && !after:
		return nil, false
	}
	changed := *c
	if before {
		changed.Kind, changed.After = binlog.Delete, nil
	} else {
		changed.Kind, changed.Before = binlog.Insert, nil
	}
	return &changed, true
}

// lives tells whether a row has no end yet. An image without the column does not change it: rows that ended are written
// once and then only deleted, by all their key.
func (l *layout) lives(row binlog.Row) bool {
	if l.ends >= len(row) || row[l.ends].State != binlog.Present {
		return row != nil
	}
	switch string(row[l.ends].Text) {
	case "2038-01-19 03:14:07.999999", "2106-02-07 06:28:15.999999", "18446744073709551615":
		return true // the ends of TIMESTAMP, before and since MariaDB 11.5, and of transactions' numbers
	}
	return false
}
