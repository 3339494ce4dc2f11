// Package diff holds proven differences between the rows of both sides: what reports show of them, and the rows as SQL that a
// repair of new stores and is guarded by.
package diff

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

	// Whole says that the images are of all columns, and that a statement may act only where all of them are as they were.
	Whole bool `json:"-"`

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
