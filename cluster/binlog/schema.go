package binlog

import "crosscheck/cluster/gtid"

// schemaCache holds the table definitions for what the log itself does not
// carry. It is filled by load, which reads the server's present definition; a
// definition is valid for a row only if no DDL came between them, which the
// stream itself shows.
type schemaCache struct {
	// load reads a table's present definition and then the server's present
	// position. Nil: only what was given at the start is known.
	load  func(schema, table string) (*Table, gtid.Position, error)
	names collations

	epoch  int // grows when definitions change
	tables map[tableName]*definition
}

type tableName struct{ schema, table string }

// definition is a table's, as read at a moment.
type definition struct {
	def *Table // nil: none could be had
	// from is the position after which it is the valid one; zero: from the
	// start of the tail on.
	from gtid.Position
}

func newSchemaCache(names collations, known []*Table) *schemaCache {
	s := &schemaCache{names: names, tables: map[tableName]*definition{}}
	for _, t := range known {
		s.tables[tableName{t.Schema, t.Name}] = &definition{def: t}
	}
	return s
}

// plan makes the plan for a table map. A definition that does not fit is read
// anew once: the table may have been changed before the tail began.
func (s *schemaCache) plan(tm *tableMap) *plan {
	key := tableName{tm.schema, tm.table}
	d := s.tables[key]
	if p := s.try(tm, d); p.complete || d != nil && (p.fits || !d.from.IsZero()) || s.load == nil {
		return p
	}
	def, at, err := s.load(tm.schema, tm.table)
	if err != nil {
		def = nil // rows are then decoded without names, and marked uncertain
	}
	d = &definition{def: def, from: at}
	s.tables[key] = d
	return s.try(tm, d)
}

func (s *schemaCache) try(tm *tableMap, d *definition) *plan {
	if d == nil {
		return newPlan(tm, nil, s.names)
	}
	return newPlan(tm, d.def, s.names)
}

// valid tells whether the definition that is held for a table is surely the one
// of an event at the given place, in a transaction that begins at pos.
func (s *schemaCache) valid(schema, table string, pos gtid.Position, at gtid.FilePos) bool {
	d := s.tables[tableName{schema, table}]
	if d == nil || d.def == nil {
		return false
	}
	if d.from.IsZero() {
		return true
	}
	if in, err := pos.Contains(d.from); err == nil && in {
		d.from = gtid.Position{} // reached: no need to look again
		return true
	}
	if c, err := at.Compare(d.from.File); err == nil && c > 0 {
		return true
	}
	return false
}

// changed forgets the definitions that a statement may have changed.
func (s *schemaCache) changed(ddl *DDL) {
	effect := ddl.Effect()
	if effect.Nothing() {
		return
	}
	s.epoch++
	for key := range s.tables {
		if effect.Touches(key.schema, key.table)&Defines != 0 {
			delete(s.tables, key)
		}
	}
}
