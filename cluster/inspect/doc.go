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
	Nodes    []Node    // of the two clusters, besides the two
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

	Schemas []Schema
	Tables  []Table
	// Aside are the tables and views that the filter does not choose; nil: not known.
	Aside       []cluster.TableName
	ForeignKeys []ForeignKey
	Programs    []Program
	// Sees tells for which kinds of programs the lists are complete.
	Sees map[ProgramKind]bool

	Accounts      []Account // roles among them
	AccountsKnown bool
	AuthPlugins   map[string]bool // that can be used
	Privileges    map[string]bool // that the version knows, in the words of Grant

	Zones      map[string]Zone // named time zones, but for posix/… and right/…
	ZonesKnown bool
	UsedZones  []string // time zones of the server, of sessions and events, as far as they show; named or not

	Channels      []cluster.ReplicaChannel
	BinlogFilters []string // "binlog-do-db=shop"
	// GlobalFilters are those that a channel will get when it is made, as
	// "replicate-do-db=shop"; MySQL 8.0 and newer. MariaDB has variables for it.
	GlobalFilters []string

	// Queue is what the event scheduler waits for; UsedEvents are names
	// "schema.event" that have run since the server's start, where events are
	// hidden.
	Queue      EventQueue
	UsedEvents map[string]bool
	// NoTriggers are names "schema.trigger" that were asked for one by one and
	// are not there, on a server that does not list its triggers.
	NoTriggers map[string]bool

	// Reserved are those of both schemas' names that this server takes for
	// words of the language; Lacks are the functions that both sides' programs
	// call and this server does not have; Grammar are those of these functions
	// that are words of its language instead. All in lower case.
	Reserved map[string]bool
	Lacks    map[string]bool
	Grammar  map[string]bool
	// Refuses are the constructs, of those that both sides' programs use, that
	// this server cannot read.
	Refuses map[Construct]bool

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
	Grant string   // the statement that would show it; may be empty
	More  []string // further statements that it takes
}

// Two things that may be a Gap and that no table depends on.
const (
	Accounts  = "accounts"
	TimeZones = "time zones"
	// Grants are what accounts may do, and their roles: without them accounts are known by name and login only.
	Grants = "grants"
)

// Schema is a database and what new tables in it get.
type Schema struct{ Name, Charset, Collation string }

// Table is a table with what only its statistics tell.
type Table struct {
	cluster.Table
	NextAutoIncrement uint64 // 0: none
	IndexBytes        int64
	// Scheme is how the table is partitioned: the methods and expressions first,
	// then each partition with what it holds. Nil if it is not.
	Scheme []string
	// PartitionBy are the expressions of the scheme.
	PartitionBy []string
}

// ForeignKey is a foreign key constraint.
type ForeignKey struct {
	Schema, Table, Name string
	Columns             []string
	References          string // "schema.table"
	RefColumns          []string
	OnDelete, OnUpdate  string // "CASCADE", "RESTRICT", …; "" is NO ACTION
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
	// Detail is what stands beside the body: of a trigger "BEFORE INSERT", of an
	// event its schedule, of a routine its parameters and what it returns, of a
	// view its check option, of a check "NOT ENFORCED".
	Detail string
	Body   string // "" where the account may not see it
	Status string // of an event: ENABLED, DISABLED, SLAVESIDE_DISABLED, REPLICA_SIDE_DISABLED
	// Broken is why a view cannot be read.
	Broken string
}

// EventQueue is what the event scheduler says of itself to those who may not
// see the events.
type EventQueue string

// The answers; QueueUnknown also where the scheduler does not run. Waiting may
// be for an event that was dropped or disabled since: servers notice that only
// when its time comes.
const (
	QueueUnknown EventQueue = ""
	QueueEmpty   EventQueue = "empty"
	QueueWaiting EventQueue = "waiting"
)

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
