// Package inspect collects what is to be known of a pair of servers before a
// migration begins: settings, schemas, stored programs, accounts, replication
// and clocks. It only reads and it judges nothing: package gate/preflight does,
// from these values alone.
package inspect

import (
	"time"

	"crosscheck/cluster"
)

// Pair is what was found on both sides of a migration.
type Pair struct {
	Old, New Side
	// Same: the two addresses lead to what calls itself one server.
	Same     bool
	Relation Relation
	Clock    Clock
	Taken    time.Time // when, by our own clock
}

// Relation is how the two replicate at this moment.
type Relation struct {
	Known  bool // false: it could not be found out; the sides' Unknown say why
	Mode   cluster.Mode
	Reason string
	Links  []Link
}

// Link is one direction that has a channel, running or not.
type Link struct {
	From, To string // "old" or "new"
	Running  bool
	Trouble  string // why it does not run
	Errno    int
}

// Clock is how far new's clock is ahead of old's.
type Clock struct {
	Known  bool
	Offset time.Duration // negative: new is behind
	Bound  time.Duration // the truth is within Offset ± Bound: half the round trips
}

// Side is what was found on one server. Names are as the server spells them.
type Side struct {
	Label, Addr string
	Facts       cluster.Facts     // identity and version; settings are in Variables
	Variables   map[string]string // global, by lower-case name
	// Set names the variables that somebody set; SetKnown is false where the
	// server does not tell (before MySQL 8.0).
	Set      map[string]bool
	SetKnown bool

	Missing []Missing // privileges that crosscheck needs and the account lacks
	Scope   cluster.Scope
	Unknown []Gap // what failed to be found out though it is needed
	Hidden  []Gap // what the account may not see and crosscheck does not ask for by itself

	Schemas     []Schema
	Tables      []Table
	ForeignKeys []ForeignKey
	Programs    []Program
	// Sees tells for which kinds of programs the lists are complete.
	Sees map[ProgramKind]bool

	Accounts      []Account
	AccountsKnown bool
	AuthPlugins   map[string]bool // that can be used

	Channels      []cluster.ReplicaChannel
	BinlogFilters []string // "binlog-do-db=shop"

	// Reserved are those of both schemas' names that this server takes for
	// words of the language; Lacks are the functions that both sides' programs
	// call and this server does not have. Both in lower case.
	Reserved map[string]bool
	Lacks    map[string]bool

	FreeBytes int64 // on the file system of the data; 0: not told
}

// Missing is a privilege that the account lacks.
type Missing struct {
	Privilege cluster.Privilege
	Grant     string // the statement that gives it
}

// Gap is something that was not seen.
type Gap struct {
	What  string // "triggers"
	Why   string
	Grant string // the statement that would show it; may be empty
}

// Schema is a database and what new tables in it get.
type Schema struct{ Name, Charset, Collation string }

// Table is a table with what only its statistics tell.
type Table struct {
	cluster.Table
	NextAutoIncrement uint64 // 0: none
	IndexBytes        int64
}

// ForeignKey is a foreign key constraint.
type ForeignKey struct {
	Schema, Table, Name string
	References          string // "schema.table"
	OnDelete, OnUpdate  string // "CASCADE", "RESTRICT", …
}

// ProgramKind is a kind of thing that holds SQL text in a schema.
type ProgramKind string

// The kinds.
const (
	Trigger   ProgramKind = "trigger"
	Event     ProgramKind = "event"
	Procedure ProgramKind = "procedure"
	Function  ProgramKind = "function"
	View      ProgramKind = "view"
	Check     ProgramKind = "check"
)

// Program is SQL text stored in a schema.
type Program struct {
	Kind         ProgramKind
	Schema, Name string
	Table        string // of a trigger or a check
	Detail       string // of a trigger "BEFORE INSERT"; of an event its schedule
	Body         string // "" where the account may not see it
	Status       string // of an event: ENABLED, DISABLED, SLAVESIDE_DISABLED, REPLICA_SIDE_DISABLED
}

// Account is a user of the server.
type Account struct {
	Name   string // user@host
	Plugin string
}

// Table returns the table of that name, or nil.
func (s *Side) Table(schema, name string) *Table {
	for i := range s.Tables {
		if s.Tables[i].Schema == schema && s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// Value returns the first of the names that the server has as a variable.
func (s *Side) Value(names ...string) (string, bool) {
	for _, n := range names {
		if v, ok := s.Variables[n]; ok {
			return v, true
		}
	}
	return "", false
}
