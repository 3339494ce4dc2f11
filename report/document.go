// Package report builds the versioned documents of crosscheck's commands and renders them for people and machines.
// Documents are plain data with stable field names and order; renderers add nothing that the document does not say.
package report

import (
	"math"
	"strings"
	"time"

	"crosscheck/checksum"
)

// CheckSchema names the document of a check. Fields may be added under the same name; a changed meaning gets a new one.
const CheckSchema = "crosscheck/check/v2"

// Options say what of a result enters the document.
type Options struct {
	// ShowValues puts both values of each column that differs into the document. Without it only the kind and length
	// of a value are said. Keys are always shown: they name the row that somebody has to look at.
	ShowValues bool
	// MaxDifferences bounds the differences listed per table; 0 lists none, a negative number lists all.
	MaxDifferences int
}

// CheckDocument is the outcome of a check as JSON. Slices are never null.
type CheckDocument struct {
	Schema            string           `json:"schema"`
	Verdict           checksum.Verdict `json:"verdict"` // of all copies together
	Reason            string           `json:"reason"`
	Nodes             []NodeEntry      `json:"nodes"` // the reference first
	Started           time.Time        `json:"started"`
	ElapsedSeconds    float64          `json:"elapsed_seconds"`
	FirstChunkSeconds float64          `json:"first_chunk_seconds"`
	Interrupted       bool             `json:"interrupted"` // of any copy
	ValuesShown       bool             `json:"values_shown"`
	Notes             []string         `json:"notes"`
	Totals            Totals           `json:"totals"`
	Tables            []Table          `json:"tables"`
}

// Server is the server that a node is.
type Server struct {
	ServerUUID string `json:"server_uuid"`
	Version    string `json:"version"`
	Flavor     string `json:"flavor"`
	Position   string `json:"position"` // when the check began
	Addr       string `json:"addr"`
	TLS        string `json:"tls"` // cipher; "" if the connection is not encrypted
}

// Totals are the sums over all tables.
type Totals struct {
	Tables          int `json:"tables"`
	TablesSame      int `json:"tables_same"`
	TablesDifferent int `json:"tables_different"`
	TablesUndecided int `json:"tables_undecided"`
	checksum.Counts
	ResumedChunks int64 `json:"resumed_chunks"`
	RowsPerSecond int64 `json:"rows_per_second"` // 0 if not known, as after a resume
}

// Table is the outcome for one table: that of all its copies together. The counts are sums over the copies, so a row that
// differs on two of them counts twice; but rows, bytes and chunks of the reference, which is read once, count once.
type Table struct {
	Table   string           `json:"table"`
	Verdict checksum.Verdict `json:"verdict"`
	checksum.Counts
	Copies             []CopyEntry  `json:"copies"` // in the order of the nodes
	Lossy              []string     `json:"lossy"`
	Reason             string       `json:"reason"`
	Notes              []string     `json:"notes"`
	Method             string       `json:"method"`
	ResumedChunks      int64        `json:"resumed_chunks"`
	ElapsedSeconds     float64      `json:"elapsed_seconds"`
	RowsPerSecond      int64        `json:"rows_per_second"` // 0 if not known, as after a resume
	Differences        []Difference `json:"differences"`
	DifferencesOmitted int64        `json:"differences_omitted"` // rows proven to differ that are not listed
}

// Difference is one row, or several equal rows of a table without a key, proven to differ on one copy or on several.
type Difference struct {
	Key Key `json:"key"` // {} for tables without a key
	Form
	Others []Form `json:"others,omitempty"` // where the row differs in another way
}

// Form is how a row differs on some copies, which hold the same of it.
type Form struct {
	Nodes   []string       `json:"nodes"`
	Kind    checksum.Kind  `json:"kind"`
	Columns []string       `json:"columns"` // of a changed row: those that differ; without a key: all, to name the row
	Proof   checksum.Proof `json:"proof"`
	Count   int64          `json:"count"`
	Values  []ValueDiff    `json:"values,omitempty"` // only when values are shown
	Masked  []MaskedDiff   `json:"masked,omitempty"` // only when they are not
}

// forms are all ways in which the row differs.
func (d *Difference) forms() []Form { return append([]Form{d.Form}, d.Others...) }

// ValueDiff holds both values of a column; nil is NULL. Values longer than 16 KiB are cut to the part around the first
// byte that differs.
type ValueDiff struct {
	Column string  `json:"column"`
	Old    *string `json:"old"`
	New    *string `json:"new"`
	Nature string  `json:"nature,omitempty"` // in what way they differ, if that is easily overlooked
	Cut    bool    `json:"cut,omitempty"`
}

// oldText is what old holds, empty if the row is not there.
func (d *Form) oldText(v ValueDiff) string {
	if d.Kind == checksum.Extra {
		return ""
	}
	return textOf(v.Old)
}

// newText is the same of new.
func (d *Form) newText(v ValueDiff) string {
	if d.Kind == checksum.Missing {
		return ""
	}
	return textOf(v.New)
}

// MaskedDiff says of both values of a column only what they are, never a part of them.
type MaskedDiff struct {
	Column string `json:"column"`
	Old    string `json:"old"`
	New    string `json:"new"`
	Nature string `json:"nature,omitempty"`
}

// NewCheck builds the document of c. Tables are in order of their names, differences in the order they were given.
// A result that calls itself the same although a part of it is not becomes what that part is.
func NewCheck(c Check, o Options) CheckDocument {
	d := CheckDocument{
		Schema: CheckSchema, Nodes: newNodes(c), ValuesShown: o.ShowValues, Tables: newTables(c, o),
	}
	notes, reasons := said{copies: len(c.Copies)}, said{copies: len(c.Copies)}
	var elapsed time.Duration
	for i, copied := range c.Copies {
		r, label := copied.Result, copied.Node.Label
		if d.Verdict = d.Verdict.And(r.Verdict); i == 0 {
			d.Verdict, d.Started, d.FirstChunkSeconds = r.Verdict, r.Started, seconds(r.FirstChunk)
		}
		if r.Started.Before(d.Started) {
			d.Started = r.Started
		}
		if first := seconds(r.FirstChunk); first > 0 && (first < d.FirstChunkSeconds || d.FirstChunkSeconds == 0) {
			d.FirstChunkSeconds = first
		}
		d.Interrupted = d.Interrupted || r.Interrupted
		elapsed = max(elapsed, r.Elapsed)
		notes.add(label, r.Notes...)
		if r.Reason != "" {
			reasons.add(label, r.Reason)
		}
	}
	d.Started, d.ElapsedSeconds = d.Started.UTC().Truncate(time.Millisecond), seconds(elapsed)
	d.Notes, d.Reason = notes.list(), strings.Join(reasons.list(), "; ")
	d.Totals = newTotals(d.Tables, elapsed)
	d.weaken()
	return d
}

// reference is the node that the others were compared with.
func (d *CheckDocument) reference() *NodeEntry { return &d.Nodes[0] }

// compared are the nodes that have a verdict.
func (d *CheckDocument) compared() []*NodeEntry {
	var out []*NodeEntry
	for i := range d.Nodes {
		if d.Nodes[i].compared() {
			out = append(out, &d.Nodes[i])
		}
	}
	return out
}

// single tells a check of one pair, whose forms need no matrix.
func (d *CheckDocument) single() bool { return len(d.compared()) <= 1 }

// shown are the nodes that a list of servers shows: of a pair these two, and the others have a note.
func (d *CheckDocument) shown() []NodeEntry {
	if !d.single() {
		return d.Nodes
	}
	out := d.Nodes[:1:1]
	for _, n := range d.compared() {
		out = append(out, *n)
	}
	return out
}

// unread are the nodes that nobody compared.
func (d *CheckDocument) unread() []NodeEntry {
	var out []NodeEntry
	for _, n := range d.Nodes {
		if n.Verdict == NotCompared {
			out = append(out, n)
		}
	}
	return out
}

// weaken takes a "same" back that the document's own parts do not support: a wrong yes costs data.
func (d *CheckDocument) weaken() {
	for i := range d.Nodes {
		d.weakenNode(&d.Nodes[i])
	}
	if d.Verdict != checksum.Same {
		return
	}
	var why string
	switch {
	case len(d.compared()) == 0:
		d.Verdict, why = checksum.Undecided, "no node was compared with the reference"
	case d.Interrupted:
		d.Verdict, why = checksum.Undecided, "the check was stopped before its end"
	case len(d.Tables) == 0:
		d.Verdict, why = checksum.Undecided, "no table was compared"
	}
	for i := range d.Tables {
		d.Verdict = d.Verdict.And(d.Tables[i].Verdict)
	}
	if d.Reason == "" {
		d.Reason = why
	}
}

func (d *CheckDocument) weakenNode(n *NodeEntry) {
	if n.Verdict.verdict() != checksum.Same {
		return
	}
	v := checksum.Same
	if n.Interrupted || len(d.Tables) == 0 {
		v = checksum.Undecided
	}
	for i := range d.Tables {
		for k := range d.Tables[i].Copies {
			if c := &d.Tables[i].Copies[k]; c.Node == n.Label {
				v = v.And(c.Verdict)
			}
		}
	}
	n.Verdict = NodeVerdict(v.String())
}

func newServer(e checksum.EndpointInfo) Server {
	return Server{
		ServerUUID: e.ServerUUID, Version: e.Version, Flavor: e.Flavor, Position: e.Position, Addr: e.Addr, TLS: e.TLS,
	}
}

func newDifference(r checksum.Difference, show bool) Difference {
	d := Difference{Key: make(Key, 0, len(r.Key)), Form: Form{
		Nodes: []string{}, Kind: r.Kind, Columns: make([]string, 0, len(r.Columns)), Proof: r.Proof, Count: max(r.Count, 1),
	}}
	for _, f := range r.Key {
		part := KeyPart{Column: f.Column}
		if !f.Value.Null {
			text := printable(f.Value.Text)
			part.Text = &text
		}
		d.Key = append(d.Key, part)
	}
	for _, c := range r.Columns {
		d.Columns = append(d.Columns, c.Column)
		switch {
		case show:
			d.Values = append(d.Values, showDiff(c))
		case r.Kind == checksum.Changed: // of a row on one side only, masked values tell nothing
			d.Masked = append(d.Masked, maskDiff(c))
		}
	}
	return d
}

func newTotals(tables []Table, elapsed time.Duration) Totals {
	t := Totals{Tables: len(tables)}
	var rows int64
	for i := range tables {
		t.Add(tables[i].Counts)
		rows += tables[i].passRows()
		t.ResumedChunks += tables[i].ResumedChunks
		switch tables[i].Verdict {
		case checksum.Same:
			t.TablesSame++
		case checksum.Different:
			t.TablesDifferent++
		default:
			t.TablesUndecided++
		}
	}
	if t.ResumedChunks == 0 {
		t.RowsPerSecond = perSecond(rows, elapsed)
	}
	return t
}

func perSecond(rows int64, elapsed time.Duration) int64 {
	if elapsed <= 0 {
		return 0
	}
	return int64(float64(rows) / elapsed.Seconds())
}

func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
