// Package checksum compares tables of two servers exactly while both are live: digests of row packets chunk by chunk,
// rows that differ located in the same pass, and each of them proven by the fence rule before it counts.
package checksum

import (
	"fmt"
	"time"
)

// Verdict is the answer for a row set. Its zero value is Undecided: what nobody proved is not the same.
type Verdict uint8

// The three answers.
const (
	Undecided Verdict = iota
	Same
	Different
)

// String returns the verdict's word as reports show it.
func (v Verdict) String() string {
	switch v {
	case Same:
		return "same"
	case Different:
		return "different"
	default:
		return "undecided"
	}
}

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *Verdict) UnmarshalText(text []byte) error {
	for _, c := range []Verdict{Undecided, Same, Different} {
		if c.String() == string(text) {
			*v = c
			return nil
		}
	}
	return fmt.Errorf("unknown verdict %q", text)
}

// And combines the verdicts of two row sets into that of their union: one difference makes it different; otherwise
// one undecided part makes it undecided.
func (v Verdict) And(w Verdict) Verdict {
	switch {
	case v == Different || w == Different:
		return Different
	case v == Undecided || w == Undecided:
		return Undecided
	default:
		return Same
	}
}

// Kind says in which way a row differs.
type Kind string

// The kinds of difference.
const (
	Missing Kind = "missing" // on old, not on new
	Extra   Kind = "extra"   // on new, not on old
	Changed Kind = "changed" // on both, with different values
)

// Proof says by which rule a difference was proven.
type Proof string

// The rules, strongest first (docs/design.md, "The fence rule").
const (
	ProofBinlog Proof = "binlog" // stable over several fences, and old's binlog shows no change of the row meanwhile
	ProofRounds Proof = "rounds" // stable over several fences with growing delays; old's binlog could not be read
	ProofGrace  Proof = "grace"  // the servers do not replicate from each other: stable on both across a grace time
)

// Value is a column's value in a report: text as a person would write it, or NULL.
type Value struct {
	Text string `json:"text"`
	Null bool   `json:"null,omitempty"`
}

// Field is a named value.
type Field struct {
	Column string `json:"column"`
	Value  Value  `json:"value"`
}

// ColumnDiff is one column of a changed row, as both sides hold it. A side without the row counts as NULL.
type ColumnDiff struct {
	Column string `json:"column"`
	Old    Value  `json:"old"`
	New    Value  `json:"new"`
}

// Difference is one proven difference.
type Difference struct {
	Kind    Kind         `json:"kind"`
	Key     []Field      `json:"key"`               // empty for tables without a key
	Columns []ColumnDiff `json:"columns,omitempty"` // of a changed row: those that differ; without a key: the whole row
	Proof   Proof        `json:"proof"`
	Count   int64        `json:"count"` // rows it stands for: 1, or more for duplicates in a table without a key

	// OldRow and NewRow are the images of a missing and of an extra row, and of a changed one the key and the columns
	// that differ, or all of them where another row may want one of its unique values, for guarded repair; nil where a
	// side has no such row or it is too large to keep. They go to the ledger only, never into a report.
	OldRow []Cell `json:"-"`
	NewRow []Cell `json:"-"`

	// Packed is what Unpack makes Columns, OldRow and NewRow of; nil if they are made.
	Packed *PackedRows `json:"-"`
}

// Cell is a column's value in SQL, for repair. Both rows are written for new's column.
type Cell struct {
	Column    string       `json:"c"`           // unquoted name
	Literal   string       `json:"l"`           // expression that yields exactly this value when stored in the new side's column
	Guard     string       `json:"g"`           // of new's row: predicate that only its value passes; of old's: that a row with its key is there
	Key       bool         `json:"k,omitempty"` // part of the walk key
	Generated bool         `json:"x,omitempty"` // computed by the server: never written
	Lax       bool         `json:"z,omitempty"` // strict mode refuses the literal: an ENUM's number 0, which is no label
	Why       string       `json:"w,omitempty"` // why the row must not be repaired
	Unique    []UniquePart `json:"u,omitempty"` // new's other unique keys that the column is part of
	Partial   bool         `json:"p,omitempty"` // of old's first: new's row holds more than this
}

// UniquePart says that a column belongs to a unique key.
type UniquePart struct {
	Key    string `json:"k"`
	Prefix int    `json:"p,omitempty"` // 0: the whole column
	Like   string `json:"e,omitempty"` // hash that all values share which new may call equal; "" for NULL
}

// Counts are the numbers of a table or of a part of it. Rows and bytes are those of the pass that compared them.
type Counts struct {
	RowsOld   int64 `json:"rows_old"`
	RowsNew   int64 `json:"rows_new"`
	BytesOld  int64 `json:"bytes_old"`
	BytesNew  int64 `json:"bytes_new"`
	Chunks    int64 `json:"chunks"`
	Missing   int64 `json:"missing"`
	Extra     int64 `json:"extra"`
	Changed   int64 `json:"changed"`
	InFlight  int64 `json:"in_flight"` // differed at first and were proven to be replication on its way
	Undecided int64 `json:"undecided"` // rows that could not be proven either way
}

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	c.RowsOld += d.RowsOld
	c.RowsNew += d.RowsNew
	c.BytesOld += d.BytesOld
	c.BytesNew += d.BytesNew
	c.Chunks += d.Chunks
	c.Missing += d.Missing
	c.Extra += d.Extra
	c.Changed += d.Changed
	c.InFlight += d.InFlight
	c.Undecided += d.Undecided
}

// Differences returns the number of rows proven to differ.
func (c Counts) Differences() int64 { return c.Missing + c.Extra + c.Changed }

// Verdict returns what the numbers alone say of a fully covered row set.
func (c Counts) Verdict() Verdict {
	switch {
	case c.Differences() > 0:
		return Different
	case c.Undecided > 0:
		return Undecided
	default:
		return Same
	}
}

// TableResult is the outcome for one table.
type TableResult struct {
	Table       string // "db.name"
	Verdict     Verdict
	Counts      Counts
	Method      string   // "key chunks", "hashed buckets", "row multiset", "definition"; empty if nothing was read
	Lossy       []string // column pairs compared through a conversion that loses information
	Reason      string   // why the verdict is what it is, where the numbers do not say it
	Notes       []string // what the reader should know besides, such as columns that exist on new only
	Differences []Difference
	Resumed     int64 // chunks trusted from an earlier run of the same state directory
	FirstChunk  time.Duration
	Elapsed     time.Duration
}

// EndpointInfo says which server a side of a result is.
type EndpointInfo struct {
	Addr       string // "host:port" or socket path; never a credential
	ServerUUID string
	Version    string
	Flavor     string
	Position   string // of the side when the check began
	TLS        string // cipher, or "" for none
}

// Result is the outcome of a check.
type Result struct {
	Label         string // of the copy, beside others
	Old, New      EndpointInfo
	Relation      string // a cluster.Mode: "old→new", "new→old", "old⇄new", "independent"
	Verdict       Verdict
	Reason        string // why the whole is undecided or different where no table says it (interrupted, no table, …)
	Tables        []TableResult
	Notes         []string // of the whole run: limits of the account's view, proofs used, …
	Started       time.Time
	Elapsed       time.Duration
	FirstChunk    time.Duration // from the start of the first connection to the first compared chunk
	Interrupted   bool
	ResumedFrom   string // id of the run that was continued
	RepairCapped  bool   // more differences than the ledger keeps images of
	WithoutValues int64  // so many more: it keeps their keys, or only the number
}
