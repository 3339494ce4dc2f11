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
