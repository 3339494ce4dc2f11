package conflict

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/binlog"
)

// Finding is one result. Its ID is made from what it is about, so a watcher that
// reads a piece of the logs twice gives the same ID again.
type Finding struct {
	ID    string // 32 hexadecimal digits
	Kind  Kind
	Table string // "schema.table", cluster.Table.FullName's form; "" if none or any
	// Index is the key that collided, as the columns it consists of, and Key its
	// value as one of the sides wrote it: old's where old has one.
	Index []string
	Key   []binlog.Value
	// More are the columns of further unique keys in which the same two rows collide.
	More [][]string
	// Old and New are what the sides did; nil for a side that has no part in it.
	Old, New *Act
	// Possible says that the collision rests on an echo that cannot be tied to one
	// original for sure (file:position replication).
	Possible bool
	// MaybeGiven says of a wrong_step_key that the application may have given the key: it is one of those that its table
	// held when they were first read, and its statement began before that.
	MaybeGiven bool
	Reason     Reason // of Unjudged and EchoMismatch
	Detail     string // one line, without row values
	// Session is the one that wrote it, old's where both sides have a part, where it was seen alive.
	Session *Session
	// Advice is one line: a statement that helps, such as "KILL 42", or what to do.
	Advice string
	// Others are rows that it puts under doubt besides those of its acts. Untold says that there are more than it names.
	Others []Row
	Untold bool
}

// maxOthers bounds the further rows that a finding names.
const maxOthers = 64

// Row names a row by its table and key.
type Row struct {
	Table   string
	Columns []string
	Key     []binlog.Value
	// Plain says that the key is of integers: its values have one form.
	Plain bool
}

// ID names the row in a few bytes that are the same in every process.
func (r Row) ID() string {
	b := binary.AppendUvarint(nil, uint64(len(r.Table)))
	b = append(b, r.Table...)
	sum := sha256.Sum256(append(b, tupleOf(r.Key)...))
	return string(sum[:16])
}

// Tells tells whether the rows that the finding names are all that it is about.
func (f *Finding) Tells() bool {
	some := false
	for _, a := range []*Act{f.Old, f.New} {
		if a != nil && a.Op != 0 && len(a.Key) == 0 {
			return false
		}
		some = some || a != nil && len(a.Key) > 0
	}
	return some && !f.Untold
}

// Rows are the rows that the finding names, each once.
func (f *Finding) Rows() []Row {
	var out []Row
	for _, a := range []*Act{f.Old, f.New} {
		if a == nil || len(a.Key) == 0 {
			continue
		}
		for _, k := range append([][]binlog.Value{a.Key}, a.OtherKeys...) {
			out = append(out, Row{a.Table, a.KeyColumns, k, a.PlainKey})
		}
	}
	out = append(out, f.Others...)
	seen := make(map[string]bool, len(out))
	return slices.DeleteFunc(out, func(r Row) bool {
		id := r.ID()
		again := seen[id]
		seen[id] = true
		return again
	})
}

// Act is one side's part in a finding.
type Act struct {
	Place      Place
	Thread     uint64   // 0 unknown, and of what was made elsewhere
	Session    *Session // that of Thread, where it was seen alive
	CommitTime time.Time
	Table      string      // of the row; differs from the finding's for a foreign key's child
	Op         binlog.Kind // 0 for what is no row change
	// Columns name the values of Before and After. The images are missing (nil)
	// where they had to be dropped to save memory; the place tells where to read
	// them again.
	Columns       []string
	Before, After binlog.Row
	Dropped       bool
	// Key is the row's own primary key (or what stands for it), after the change
	// where there is one.
	KeyColumns []string
	Key        []binlog.Value
	// OtherKeys are those that the row had before, or in between.
	OtherKeys [][]binlog.Value
	PlainKey  bool // as Row.Plain
}

// findingID hashes the parts that make a finding the same one.
func findingID(kind Kind, parts ...string) string {
	b := []byte(kind.String())
	for _, p := range parts {
		b = append(b, 0)
		b = append(b, p...)
	}
	h := xxh3.Hash128(b).Bytes()
	return hex.EncodeToString(h[:])
}
