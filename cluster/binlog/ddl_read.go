package binlog

import "strings"

// ddlReader finds the tables in a statement's tokens. It reads the grammars of MySQL and MariaDB as far as they name
// tables that the statement changes; it stops at what it does not expect.
type ddlReader struct {
	tokens []token
	schema string
	effect Effect
}

// peek is the next token as a keyword in upper case, or a sign; "" at the end and for names in quotes.
func (r *ddlReader) peek() string { return r.peekAt(0) }

func (r *ddlReader) peekAt(i int) string {
	if i >= len(r.tokens) {
		return ""
	}
	switch t := r.tokens[i]; t.kind {
	case tokenWord:
		return strings.ToUpper(t.text)
	case tokenSign:
		return t.text
	default:
		return ""
	}
}

func (r *ddlReader) skip(n int) { r.tokens = r.tokens[min(n, len(r.tokens)):] }

// take skips the words if all of them stand next.
func (r *ddlReader) take(words ...string) bool {
	for i, w := range words {
		if r.peekAt(i) != w {
			return false
		}
	}
	r.skip(len(words))
	return true
}

// takeAny skips any of the words, as often as they come.
func (r *ddlReader) takeAny(words ...string) {
	for again := true; again; {
		again = false
		for _, w := range words {
			again = r.take(w) || again
		}
	}
}

func (r *ddlReader) end() bool { return len(r.tokens) == 0 || r.peek() == ";" }

// table reads a table's name and notes what is done to it.
func (r *ddlReader) table(change Touch) bool {
	schema, name, ok := r.name()
	if ok {
		r.effect.tables = append(r.effect.tables, effectOn{schema: schema, name: name, change: change})
	}
	return ok
}

// name reads "name" or "schema.name".
func (r *ddlReader) name() (schema, name string, ok bool) {
	schema = r.schema
	r.take(".")
	if name, ok = r.identifier(); !ok {
		return "", "", false
	}
	if r.take(".") {
		schema = name
		name, ok = r.identifier()
	}
	return schema, name, ok
}

func (r *ddlReader) identifier() (string, bool) {
	if len(r.tokens) == 0 || r.tokens[0].kind != tokenWord && r.tokens[0].kind != tokenName {
		return "", false
	}
	name := r.tokens[0].text
	r.skip(1)
	return name, name != ""
}

// statement reads the whole. It returns false where the statement is not understood.
func (r *ddlReader) statement() bool {
	r.takeAny(";", "(")
	if r.take("SET", "STATEMENT") { // MariaDB: SET STATEMENT variable = value, … FOR statement
		if !r.find("FOR") {
			return false
		}
	}
	verb := r.peek()
	r.skip(1)
	r.effect.Words = verb
	switch verb {
	case "CREATE":
		return r.create()
	case "ALTER":
		return r.alter()
	case "DROP":
		return r.drop()
	case "RENAME":
		return r.rename()
	case "TRUNCATE":
		r.take("TABLE")
		r.effect.Words = "TRUNCATE TABLE"
		return r.table(Races|Renews|Empties) && r.trails()
	case "GRANT", "REVOKE", "FLUSH", "ANALYZE", "OPTIMIZE", "REPAIR", "SET", "INSTALL", "UNINSTALL", "CHECK":
		return true
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH", "CALL", "DO", "SELECT", "HANDLER":
		r.effect.dml = true
		return true
	}
	return false
}

func (r *ddlReader) says(what string) { r.effect.Words += " " + what }

// create reads CREATE …
func (r *ddlReader) create() bool {
	replaced := r.take("OR", "REPLACE")
	if r.take("TEMPORARY") {
		r.says("TEMPORARY TABLE")
		return true
	}
	what := r.peek()
	if what == "ONLINE" || what == "OFFLINE" {
		r.skip(1)
		what = r.peek()
	}
	r.says(what)
	switch what {
	case "TABLE", "SEQUENCE":
		r.skip(1)
		change := allTouches
		if r.take("IF", "NOT", "EXISTS") {
			change = Defines // what is there already stays as it is
		}
		return r.table(change)
	case "DATABASE", "SCHEMA":
		if !replaced {
			return true
		}
		r.skip(1)
		return r.database()
	case "UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "INDEX":
		return r.onTable()
	}
	return r.object()
}

// object skips what holds no rows, whose text may name tables: views and programs, accounts, places for files.
func (r *ddlReader) object() bool {
	for !r.end() {
		switch r.peek() {
		case "VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE", "USER", "ROLE", "SERVER", "TABLESPACE", "LOGFILE",
			"RESOURCE", "REFERENCE", "LIBRARY", "UNDO", "INSTANCE":
			return true
		case "ALGORITHM", "=", "DEFINER", "@", "SQL", "AGGREGATE", "SPATIAL", "(", ")", "JSON", "MATERIALIZED", "MASKING":
		case "TABLE", "DATABASE", "SCHEMA", "SEQUENCE", "INDEX":
			return false
		}
		r.skip(1)
	}
	return false
}

// onTable reads the table of CREATE INDEX and DROP INDEX.
func (r *ddlReader) onTable() bool {
	if r.peek() == "SPATIAL" && r.peekAt(1) == "REFERENCE" {
		return true
	}
	r.takeAny("UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR")
	if !r.take("INDEX") {
		return false
	}
	if !r.take("IF", "NOT", "EXISTS") {
		r.take("IF", "EXISTS")
	}
	if _, ok := r.identifier(); !ok {
		return false
	}
	return r.find("ON") && r.table(Defines|Races) // USING BTREE may stand before it
}

func (r *ddlReader) database() bool {
	if !r.take("IF", "NOT", "EXISTS") {
		r.take("IF", "EXISTS")
	}
	name, ok := r.identifier()
	r.effect.schemas = append(r.effect.schemas, name)
	return ok
}

// drop reads DROP …
func (r *ddlReader) drop() bool {
	if r.take("TEMPORARY") {
		r.says("TEMPORARY TABLE")
		return true
	}
	what := r.peek()
	r.says(what)
	switch what {
	case "TABLE", "TABLES", "SEQUENCE":
		r.skip(1)
		r.take("IF", "EXISTS")
		for {
			if !r.table(allTouches) {
				return false
			}
			if !r.take(",") {
				return r.trails()
			}
		}
	case "DATABASE", "SCHEMA":
		r.skip(1)
		return r.database()
	case "INDEX", "ONLINE", "OFFLINE":
		r.takeAny("ONLINE", "OFFLINE")
		return r.onTable()
	case "PREPARE":
		return true
	}
	return r.object()
}

// rename reads RENAME TABLE a TO b, c TO d.
func (r *ddlReader) rename() bool {
	what := r.peek()
	r.says(what)
	if what == "USER" {
		return true
	}
	if !r.take("TABLE") && !r.take("TABLES") {
		return false
	}
	r.take("IF", "EXISTS")
	for {
		if !r.table(allTouches) {
			return false
		}
		r.wait()
		if !r.take("TO") || !r.table(allTouches) {
			return false
		}
		n := len(r.effect.tables)
		r.effect.moves = append(r.effect.moves, move{from: n - 2, to: n - 1})
		if !r.take(",") {
			return r.end()
		}
	}
}

// trails skips what may stand behind the tables of a statement, and tells whether it ends there.
func (r *ddlReader) trails() bool {
	r.wait()
	r.takeAny("RESTRICT", "CASCADE", "DROP", "REUSE", "STORAGE")
	return r.end()
}

// wait skips MariaDB's WAIT n and NOWAIT.
func (r *ddlReader) wait() {
	if r.take("WAIT") {
		r.skip(1)
	}
	r.take("NOWAIT")
}

// alter reads ALTER …
func (r *ddlReader) alter() bool {
	r.takeAny("ONLINE", "OFFLINE", "IGNORE")
	what := r.peek()
	r.says(what)
	switch what {
	case "TABLE":
		r.skip(1)
		return r.alterTable()
	case "SEQUENCE":
		r.skip(1)
		r.take("IF", "EXISTS")
		return r.table(allTouches)
	case "DATABASE", "SCHEMA":
		return true // what it sets is for tables to come
	}
	return r.object()
}

// alterTable reads the table and the others that its clauses change: the new name, the table of an exchanged partition,
// the parent of a new foreign key, whose rows may not go any more.
func (r *ddlReader) alterTable() bool {
	r.take("IF", "EXISTS")
	at := len(r.effect.tables)
	if !r.table(Defines | Races) {
		return false
	}
	r.wait()
	depth := 0
	for first := true; !r.end(); first = false {
		word := r.peek()
		switch {
		case word == "(":
			depth++
		case word == ")":
			depth--
		case word == "REFERENCES":
			r.skip(1)
			if !r.table(Races) {
				return false
			}
			continue
		case depth > 0:
		case first || word == ",":
			if !first {
				r.skip(1)
			}
			found, ok := r.clause(at)
			if !ok {
				return false
			}
			if found || !first {
				continue
			}
		case word == "AUTO_INCREMENT" && (r.peekAt(1) == "=" || strings.Trim(r.peekAt(1), "0123456789") == "" && r.peekAt(1) != ""):
			r.effect.tables[at].change |= Renews
		}
		r.skip(1)
	}
	return depth == 0
}

// clause reads a clause of ALTER TABLE that moves rows elsewhere or drops them, if one begins here. ok is false where it
// was not understood.
func (r *ddlReader) clause(at int) (found, ok bool) {
	of, second := &r.effect.tables[at], r.peekAt(1)
	both := r.peek() != "RENAME"
	switch r.peek() {
	case "RENAME":
		if second == "COLUMN" || second == "INDEX" || second == "KEY" {
			return false, true
		}
		r.skip(1)
		if r.peek() == "=" || second == "TO" || second == "AS" {
			r.skip(1)
		}
	case "EXCHANGE":
		if !r.find("WITH", "TABLE") {
			return true, false
		}
	case "CONVERT": // MariaDB: CONVERT TABLE t TO PARTITION …, CONVERT PARTITION p TO TABLE t
		switch {
		case second == "TABLE":
			r.skip(2)
		case second != "PARTITION":
			return false, true
		case !r.find("TO", "TABLE"):
			return true, false
		}
	case "AUTO_INCREMENT":
		of.change |= Renews
		return false, true
	case "DROP", "TRUNCATE", "DISCARD", "IMPORT":
		if second == "PARTITION" || second == "TABLESPACE" || second == "IF" {
			of.change |= Renews | Empties
		}
		return false, true
	default:
		return false, true
	}
	of.change = allTouches
	r.effect.moves = append(r.effect.moves, move{from: at, to: len(r.effect.tables), both: both})
	return true, r.table(allTouches)
}

// find skips until behind the words.
func (r *ddlReader) find(words ...string) bool {
	for !r.take(words...) {
		if r.end() {
			return false
		}
		r.skip(1)
	}
	return true
}
