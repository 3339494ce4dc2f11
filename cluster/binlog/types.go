package binlog

import (
	"bytes"
	"time"

	"crosscheck/cluster/gtid"
)

// State says what is known of a value.
type State uint8

// The states of a value. Missing and Partial exist because a row image need
// not be full: neither is NULL.
const (
	Present State = iota
	Null
	Missing // the image does not carry the column
	Partial // the image carries only a change of it (partial JSON)
	Opaque  // bytes as logged, of a character set that is not converted
)

// Value is one column's value in the comparable form that the package comment
// lists type by type. Text may share memory with other values of the same
// Transaction; Clone what is kept.
type Value struct {
	Text  []byte
	State State
}

// IsNull tells whether the value is SQL's NULL.
func (v Value) IsNull() bool { return v.State == Null }

// Known tells whether Text (or NULL) is the value itself.
func (v Value) Known() bool { return v.State == Present || v.State == Null }

// Equal compares two known values; values that are not known equal nothing.
func (v Value) Equal(w Value) bool {
	return v.Known() && v.State == w.State && bytes.Equal(v.Text, w.Text)
}

// String is the text, or a word in angle brackets.
func (v Value) String() string {
	switch v.State {
	case Null:
		return "<null>"
	case Missing:
		return "<missing>"
	case Partial:
		return "<partial>"
	default:
		return string(v.Text)
	}
}

// Row holds one value per column of Change.Def, in the table's order.
type Row []Value

// Clone copies the row with its own memory.
func (r Row) Clone() Row {
	if r == nil {
		return nil
	}
	n := 0
	for _, v := range r {
		n += len(v.Text)
	}
	out, buf := make(Row, len(r)), make([]byte, 0, n)
	for i, v := range r {
		out[i].State = v.State
		if v.Text != nil {
			start := len(buf)
			buf = append(buf, v.Text...)
			out[i].Text = buf[start:len(buf):len(buf)]
		}
	}
	return out
}

// Kind is what happened to a row.
type Kind uint8

// The kinds of change.
const (
	Insert Kind = iota + 1
	Update
	Delete
)

// String is the kind's name in reports.
func (k Kind) String() string {
	switch k {
	case Insert:
		return "insert"
	case Update:
		return "update"
	case Delete:
		return "delete"
	default:
		return "unknown"
	}
}

// Change is one row change.
type Change struct {
	Schema, Table string
	Def           *Table // columns as they were decoded; shared, read only
	Kind          Kind
	Before, After Row // nil where the kind has none
	// Began is when the statement that made it began, in Unix seconds of the server where it was made; a session can set
	// it (SET TIMESTAMP).
	Began int64
	// Partial says that an image lacks columns or holds partial JSON.
	Partial bool
	// Uncertain says that the table definition used for names, signs, character
	// sets and labels may not be the one that was valid at this position.
	Uncertain bool
	at        uint32 // where the row begins in raw
	// Sum is set where Options.Sums or Options.Raw ask for it: a hash of what was done and of the images as they were logged.
	// With one Layout and one sum two changes are the same bytes.
	Sum uint64
	raw *rawRows // of Options.Raw
}

// Layout is a hash of the types of the columns by which the change was logged.
func (c *Change) Layout() uint64 {
	if c.raw != nil {
		return c.raw.layout
	}
	return c.Def.layout
}

// Table is a definition as the decoder uses it.
type Table struct {
	Schema, Name string
	Columns      []Column
	layout       uint64 // of the table map that it was decoded by
}

// Column is one column of a Table.
type Column struct {
	Name      string
	DataType  string // information_schema's DATA_TYPE in lower case; "" where only the binlog is known
	Unsigned  bool
	Charset   string   // of strings, ENUM and SET; "binary" for bytes; "" unknown or none
	Collation string   // "" where only the binlog is known
	Labels    []string // of ENUM and SET
}

// Index is the position of a column by name, or -1.
func (t *Table) Index(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// IncidentKind says why a piece of the log cannot be judged.
type IncidentKind uint8

// The kinds of incident.
const (
	// Undecodable rows of one table were skipped.
	Undecodable IncidentKind = iota + 1
	// LostEvents is the server's own word for a gap in its log.
	LostEvents
	// StatementDML is a change logged as its statement: its rows are unknown.
	StatementDML
	// UnknownXA is the commit of an XA transaction that was prepared before the
	// tail began: its rows are unknown.
	UnknownXA
	// SchemaChange is a statement that may have changed or emptied the table.
	SchemaChange
)

// Incident is something in a transaction that leaves changes unseen. Schema and
// Table are empty where any table may be concerned.
type Incident struct {
	Kind          IncidentKind
	Schema, Table string
	Detail        string // one line, without row values
}

// XAState tells the steps of an XA transaction apart.
type XAState uint8

// The states: rows come with XAPrepared, their fate with one of the others.
const (
	NoXA XAState = iota
	XAPrepared
	XACommitted
	XARolledBack
)

// Transaction is one transaction, or a part of a large one: parts follow each
// other without others between them, the last has Last set. Changes of a part
// must be treated as not yet committed until Last arrives.
type Transaction struct {
	// Position is the tail's position after the transaction; zero unless Last.
	Position gtid.Position
	// GTID is the transaction's own name, "" for an anonymous one.
	GTID       string
	Mark       Mark // the same as numbers, for windows
	ServerID   uint32
	OriginUUID string // of MySQL's GTID
	ThreadID   uint64 // the writer's connection; 0 unknown
	// CommitTime is the commit's time on the server that is read; it has
	// microseconds where the server logs them (MySQL 8), else whole seconds.
	CommitTime time.Time
	// OriginTime is the commit's time where it was first made, where logged.
	OriginTime time.Time
	Changes    []Change
	DDL        []DDL
	Statement  bool // a data change was logged as its statement: unjudgeable
	RolledBack bool // ended in ROLLBACK: only non-transactional tables kept changes
	XA         XAState
	XID        string // of an XA transaction
	Incidents  []Incident
	Part       int // 0 for the first
	Last       bool
	// Aborted says that the parts delivered before never became a transaction
	// of this server (it lost them in a crash): forget them. Nothing else is set.
	Aborted bool
	// Heartbeat says that nothing happened up to Position.
	Heartbeat bool
	// Started is, in a heartbeat, when the server was started whose log begins there.
	Started time.Time
}

// Mark places a transaction with respect to a Position.
type Mark struct {
	MySQL   gtid.GTID
	MariaDB gtid.MariaGTID
	File    gtid.FilePos // end of the transaction; Pos 0 where the server does not say
}

// Before tells whether the marked transaction is contained in p. ok is false
// where the two cannot be compared.
func (m Mark) Before(p gtid.Position) (in, ok bool) {
	switch p.Kind {
	case gtid.MySQLGTID:
		if m.MySQL.Number > 0 {
			return p.MySQL.Has(m.MySQL), true
		}
	case gtid.MariaDBGTID:
		if m.MariaDB.Seq > 0 {
			last, found := p.MariaDB.Last(m.MariaDB.Domain)
			return found && last.Seq >= m.MariaDB.Seq, true
		}
	default:
	}
	if m.File.Pos == 0 || p.File.IsZero() {
		return false, false
	}
	c, err := m.File.Compare(p.File)
	return c <= 0, err == nil
}
