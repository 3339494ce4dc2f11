package binlog

import (
	"slices"
	"strings"
)

// DDL is a statement in the log that is no row change.
type DDL struct {
	Schema    string // the session's default database
	Statement string // in the session's character set
	// Modes is the session's sql_mode, if Known. Charset is its character set ("utf8mb4"); "" where the log does not tell.
	Modes   uint64
	Known   bool
	Charset string
	// Exact says that letter case counts in names of databases and tables.
	Exact bool
}

// Effect is what a statement does to tables, as far as its text tells. What was not understood touches every table.
type Effect struct {
	// Words name the statement: "ALTER TABLE".
	Words   string
	opaque  bool     // not understood
	schemas []string // whole databases
	tables  []effectOn
	dml     bool // it changes rows
	moves   []move
	// charset is that of the names, where it is not UTF-8. Servers write some names in UTF-8 whatever the session has.
	charset *charset
	exact   bool
}

// effectOn is a table and what a statement does to it.
type effectOn struct {
	schema, name string
	change       Touch
}

// move is that of a table, by places in tables.
type move struct {
	from, to int
	both     bool
}

// Touch says what a statement does to a table; 0: nothing.
type Touch uint8

const (
	// Defines: the table's definition may be another behind the statement.
	Defines Touch = 1 << iota
	// Races: a row of the table that was written beside it may get another fate, because the table's definition or its rows
	// changed. A table that is only read or looked at is not concerned.
	Races
	// Renews: what stood in the table is gone, or its keys begin anew.
	Renews
	// Empties: what stood in the table is gone, all of it or a part.
	Empties

	allTouches = Defines | Races | Renews | Empties
)

// Touches tells what the statement does to a table.
func (e *Effect) Touches(schema, table string) Touch {
	if e.opaque {
		return allTouches
	}
	if slices.ContainsFunc(e.schemas, func(s string) bool { return e.names(s, schema) }) {
		return allTouches
	}
	var out Touch
	for i := range e.tables {
		if t := &e.tables[i]; e.names(t.schema, schema) && e.names(t.name, table) {
			out |= t.change
		}
	}
	return out
}

// names tells whether a name in the statement is that of a database or a table. Servers differ in whether case counts.
func (e *Effect) names(written, name string) bool {
	equal := strings.EqualFold
	if e.exact {
		equal = func(a, b string) bool { return a == b }
	}
	return equal(written, name) || e.charset != nil && equal(e.utf8(written), name)
}

// Nothing tells whether the statement touches no table at all.
func (e *Effect) Nothing() bool { return !e.opaque && len(e.schemas) == 0 && len(e.tables) == 0 }

// Within tells whether the statement may touch a table that match chooses. A statement on a whole database may.
func (e *Effect) Within(match func(schema, table string) bool) bool {
	return e.opaque || len(e.schemas) > 0 || slices.ContainsFunc(e.tables, func(t effectOn) bool {
		return match(t.schema, t.name) || match(t.schema, e.utf8(t.name))
	})
}

// TableName names a table in a statement.
type TableName struct{ Schema, Table string }

// Move is a table whose rows are those of another one behind a statement; Both: and the other way round.
type Move struct {
	From, To TableName
	Both     bool
}

// Begun lists the tables that have no rows from before the statement: it made, emptied or dropped them.
func (e *Effect) Begun() []TableName {
	var out []TableName
	for i := range e.tables {
		t := &e.tables[i]
		if e.Words == "CREATE TABLE" && t.change&Renews != 0 || e.Words == "DROP TABLE" || e.Words == "TRUNCATE TABLE" {
			out = append(out, TableName{t.schema, e.utf8(t.name)})
		}
	}
	return out
}

// Begins tells whether a table is one of those.
func (e *Effect) Begins(schema, table string) bool {
	return slices.ContainsFunc(e.Begun(), func(t TableName) bool {
		return e.names(t.Schema, schema) && e.names(t.Table, table)
	})
}

// Stands tells whether a table that the statement touches surely is there behind it: not where it was dropped or moved
// away, or was made by what is not understood.
func (e *Effect) Stands(schema, table string) bool {
	if e.opaque || slices.ContainsFunc(e.schemas, func(s string) bool { return e.names(s, schema) }) {
		return false
	}
	stands := !strings.HasPrefix(e.Words, "DROP ")
	for _, m := range e.moves {
		is := func(at int) bool {
			return e.names(e.tables[at].schema, schema) && e.names(e.tables[at].name, table)
		}
		stands = (stands && (m.both || !is(m.from))) || is(m.to)
	}
	return stands
}

// Moves lists the tables that it moved, in order.
func (e *Effect) Moves() []Move {
	out := make([]Move, len(e.moves))
	for i, at := range e.moves {
		from, to := &e.tables[at.from], &e.tables[at.to]
		out[i] = Move{TableName{from.schema, e.utf8(from.name)}, TableName{to.schema, e.utf8(to.name)}, at.both}
	}
	return out
}

func (e *Effect) utf8(name string) string {
	if e.charset == nil {
		return name
	}
	return string(e.charset.appendUTF8(nil, []byte(name)))
}

// Effect reads the statement as the server did, with the session's own sql_mode and character set. It knows the
// statements that servers log as such; of one that it does not know it says that it touches everything.
func (d *DDL) Effect() Effect {
	single, plain := d.readable()
	if !plain {
		return Effect{opaque: true, Words: firstWords(d.Statement)}
	}
	read := func(optional bool) (Effect, int) {
		tokens, doubtful, ok := lex(d.Statement, d.Modes, d.Known, optional)
		r := ddlReader{tokens: tokens, schema: d.Schema, effect: Effect{charset: single, exact: d.Exact}}
		if !ok || !r.statement() {
			return Effect{opaque: true, Words: r.effect.Words}, doubtful
		}
		return r.effect, doubtful
	}
	with, doubtful := read(true)
	if doubtful == 0 {
		return with
	}
	without, _ := read(false)
	if with.equal(&without) {
		return with
	}
	if doubtful > 1 || with.opaque != without.opaque || len(with.moves)+len(without.moves) > 0 {
		return Effect{opaque: true, Words: with.Words}
	}
	with.schemas, with.tables = append(with.schemas, without.schemas...), append(with.tables, without.tables...)
	with.dml = with.dml || without.dml
	return with
}

func (e *Effect) equal(o *Effect) bool {
	return e.opaque == o.opaque && e.dml == o.dml && slices.Equal(e.schemas, o.schemas) && slices.Equal(e.tables, o.tables)
}

// readable tells whether the bytes of the statement can be cut as ASCII is, and how its names become UTF-8: in some
// character sets of Asia a quote or a backslash may be the second byte of a character.
func (d *DDL) readable() (single *charset, ok bool) {
	if ascii(d.Statement) {
		return nil, true
	}
	cs, known := lookupCharset(d.Charset)
	return cs, known && d.Charset != "" && (cs == nil || cs.one != nil)
}

func firstWords(q string) string {
	word, rest := nextWord(q)
	second, _ := nextWord(rest)
	return strings.TrimSpace(word + " " + second)
}
