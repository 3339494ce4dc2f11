package conflict

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster/binlog"
)

// simDDL is a statement on tables, and what it is to them: the text is what the detector learns.
type simDDL struct {
	text    binlog.DDL
	table   string // "t" or "c"; "" if the rows and definitions of both stay as they are
	empties bool
}

const (
	simANSI     = 1 << 2  // sql_mode ANSI_QUOTES
	simNoEscape = 1 << 20 // sql_mode NO_BACKSLASH_ESCAPES
)

// statement makes a statement, in one of the ways in which it can be written.
func (s *sim) statement() *simDDL {
	r, names := s.rng, s.opts.names
	modes := uint64(r.IntN(2)*simANSI | r.IntN(2)*simNoEscape)
	x := &simDDL{table: []string{"t", "c"}[r.IntN(2)]}
	quote := func(name string) string {
		if modes&simANSI != 0 && r.IntN(2) == 0 {
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
		return "`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	full := func(n binlog.TableName) string {
		if n.Schema == names.t.Schema && r.IntN(2) == 0 {
			return quote(n.Table) // in the session's database
		}
		return quote(n.Schema) + []string{".", " . ", "./* ` \" ' */"}[r.IntN(3)] + quote(n.Table)
	}
	at := full(names.of(x.table))
	other := full(binlog.TableName{Schema: "elsewhere", Table: names.of(x.table).Table})
	texts := []string{
		"ALTER TABLE %s ADD KEY (n)", "/* ' */ alter table %s COMMENT 'it''s `x`', ADD KEY (n)", "CREATE INDEX i ON %s (n)", "ALTER TABLE %s AUTO_INCREMENT = 7",
	}
	if modes&simNoEscape != 0 {
		texts = append(texts, `ALTER TABLE %s COMMENT 'a\', ADD KEY (n)`)
	} else {
		texts = append(texts, `ALTER TABLE %s COMMENT 'a\'', ADD KEY (n)`)
	}
	text := fmt.Sprintf(texts[r.IntN(len(texts))], at)
	switch r.IntN(4) {
	case 0: // nothing refers to c
		x.table, x.empties = "c", true
		text = []string{"TRUNCATE TABLE ", "truncate ", "TRUNCATE -- `\n"}[r.IntN(3)] + full(names.c)
	case 1:
		x.table = ""
		text = fmt.Sprintf([]string{
			"CREATE VIEW elsewhere.v AS SELECT * FROM %[1]s", "CREATE TABLE elsewhere.x LIKE %[1]s", "ALTER DATABASE %[3]s CHARACTER SET latin1",
			"ALTER TABLE %[2]s ADD COLUMN %[4]s INT", "TRUNCATE %[2]s", "DROP TABLE IF EXISTS %[2]s /* `t`, c */", "RENAME TABLE %[2]s TO elsewhere.y",
		}[r.IntN(7)], at, other, quote(names.t.Schema), quote(names.t.Table))
	}
	x.text = binlog.DDL{Schema: names.t.Schema, Statement: text, Modes: modes, Known: true, Charset: "utf8mb4"}
	return x
}

// define runs a statement on a side.
func (s *sim) define(side Side) {
	srv := s.srv[side]
	tx := &simTx{origin: side, seq: len(srv.local) + 1, ddl: s.statement()}
	srv.execute(tx.ddl)
	srv.local = append(srv.local, tx)
	srv.append(tx)
	s.srv[side.Other()].inbox = append(s.srv[side.Other()].inbox, tx)
}

func (srv *simServer) execute(x *simDDL) {
	if x != nil && x.empties {
		clear(srv.rows[x.table])
	}
}

func (tx *simTx) empty() bool { return len(tx.ops) == 0 && tx.ddl == nil }

// races are the schema changes beside which the other side wrote rows of that table, each with the first of them, and
// those beside which it changed the table, too.
func (t *truth) races(out map[string]bool) {
	text := func(side Side, table string, x, y *simTx) {
		if side == New {
			x, y = y, x
		}
		out[raceText(table, uint64(x.seq), uint64(y.seq))] = true
	}
	met := map[*simTx]bool{}
	for _, side := range []Side{Old, New} {
		for _, x := range t.s.srv[side].local {
			if x.ddl == nil || x.ddl.table == "" {
				continue
			}
			rows := false
			for _, y := range t.s.srv[side.Other()].local {
				a, b := x, y
				if side == New {
					a, b = y, x
				}
				if !t.concurrent(a, b) {
					continue
				}
				switch {
				case y.ddl != nil && side == Old && y.ddl.table == x.ddl.table && !met[x] && !met[y]:
					met[x], met[y] = true, true
					text(side, x.ddl.table, x, y)
				case y.ddl == nil && !rows && slices.ContainsFunc(t.nets[side.Other()][y.seq-1], func(c *simChange) bool { return c.table == x.ddl.table }):
					rows = true
					text(side, x.ddl.table, x, y)
				}
			}
		}
	}
}

// emptied tells whether one of two changes is an update of a row in a table that the other side emptied, beside it, before
// its own change.
func (t *truth) emptied(p simPair) bool {
	by := func(up, o *simChange) bool {
		return up.kind() == binlog.Update && slices.ContainsFunc(t.s.srv[o.tx.origin].local[:o.tx.seq-1], func(x *simTx) bool {
			if x.ddl == nil || !x.ddl.empties || x.ddl.table != o.table {
				return false
			}
			if o.tx.origin == Old {
				return t.concurrent(x, up.tx)
			}
			return t.concurrent(up.tx, x)
		})
	}
	return by(p.a, p.b) || by(p.b, p.a)
}

func raceText(table string, old, new uint64) string {
	return fmt.Sprintf("%s old %d:%s new %d:", DDLRace, old, table, new)
}
