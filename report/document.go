// Package report builds the versioned documents of crosscheck's commands and renders them for people and machines.
// Documents are plain data with stable field names and order; renderers add nothing that the document does not say.
package report

import (
	"math"
	"slices"
	"strings"
	"time"

	"crosscheck/checksum"
)

// CheckSchema names the document of a check. Fields may be added under the same name; a changed meaning gets a new one.
const CheckSchema = "crosscheck/check/v1"

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
	Verdict           checksum.Verdict `json:"verdict"`
	Reason            string           `json:"reason"`
	Old               Server           `json:"old"`
	New               Server           `json:"new"`
	Relation          string           `json:"relation"`
	Started           time.Time        `json:"started"`
	ElapsedSeconds    float64          `json:"elapsed_seconds"`
	FirstChunkSeconds float64          `json:"first_chunk_seconds"`
	Interrupted       bool             `json:"interrupted"`
	ResumedFrom       string           `json:"resumed_from"`
	RepairCapped      bool             `json:"repair_capped"`            // the ledger lacks row images of some differences
	WithoutValues     int64            `json:"without_values,omitempty"` // so many, as far as it knows
	ValuesShown       bool             `json:"values_shown"`
	Notes             []string         `json:"notes"`
	Totals            Totals           `json:"totals"`
	Tables            []Table          `json:"tables"`
}

// Server is one side of the comparison.
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

// Table is the outcome for one table.
type Table struct {
	Table   string           `json:"table"`
	Verdict checksum.Verdict `json:"verdict"`
	checksum.Counts
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

// Difference is one row, or several equal rows of a table without a key, proven to differ.
type Difference struct {
	Kind    checksum.Kind  `json:"kind"`
	Key     Key            `json:"key"`     // {} for tables without a key
	Columns []string       `json:"columns"` // of a changed row: those that differ; without a key: all, to name the row
	Proof   checksum.Proof `json:"proof"`
	Count   int64          `json:"count"`
	Values  []ValueDiff    `json:"values,omitempty"` // only when values are shown
	Masked  []MaskedDiff   `json:"masked,omitempty"` // only when they are not
}

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
func (d *Difference) oldText(v ValueDiff) string {
	if d.Kind == checksum.Extra {
		return ""
	}
	return textOf(v.Old)
}

// newText is the same of new.
func (d *Difference) newText(v ValueDiff) string {
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

// NewCheck builds the document of r. Tables are in order of their names, differences in the order they were given.
// A result that calls itself the same although a part of it is not becomes what that part is.
func NewCheck(r checksum.Result, o Options) CheckDocument {
	d := CheckDocument{
		Schema:            CheckSchema,
		Verdict:           r.Verdict,
		Reason:            r.Reason,
		Old:               newServer(r.Old),
		New:               newServer(r.New),
		Relation:          r.Relation,
		Started:           r.Started.UTC().Truncate(time.Millisecond),
		ElapsedSeconds:    seconds(r.Elapsed),
		FirstChunkSeconds: seconds(r.FirstChunk),
		Interrupted:       r.Interrupted,
		ResumedFrom:       r.ResumedFrom,
		RepairCapped:      r.RepairCapped,
		WithoutValues:     r.WithoutValues,
		ValuesShown:       o.ShowValues,
		Notes:             orEmpty(r.Notes),
		Tables:            make([]Table, 0, len(r.Tables)),
	}
	for _, t := range r.Tables {
		d.Tables = append(d.Tables, newTable(t, o))
	}
	slices.SortStableFunc(d.Tables, func(a, b Table) int { return strings.Compare(a.Table, b.Table) })
	d.Totals = newTotals(d.Tables, r.Elapsed)
	d.weaken()
	return d
}

// weaken takes a "same" back that the document's own parts do not support: a wrong yes costs data.
func (d *CheckDocument) weaken() {
	if d.Verdict != checksum.Same {
		return
	}
	var why string
	switch {
	case d.Interrupted:
		d.Verdict, why = checksum.Undecided, "the check was stopped before its end"
	case len(d.Tables) == 0:
		d.Verdict, why = checksum.Undecided, "no table was compared"
	}
	for _, t := range d.Tables {
		d.Verdict = d.Verdict.And(t.Verdict)
	}
	if d.Reason == "" {
		d.Reason = why
	}
}

func newServer(e checksum.EndpointInfo) Server {
	return Server{
		ServerUUID: e.ServerUUID, Version: e.Version, Flavor: e.Flavor, Position: e.Position, Addr: e.Addr, TLS: e.TLS,
	}
}

func newTable(r checksum.TableResult, o Options) Table {
	t := Table{
		Table:          r.Table,
		Verdict:        r.Verdict,
		Counts:         r.Counts,
		Lossy:          orEmpty(r.Lossy),
		Reason:         r.Reason,
		Notes:          orEmpty(r.Notes),
		Method:         r.Method,
		ResumedChunks:  r.Resumed,
		ElapsedSeconds: seconds(r.Elapsed),
		Differences:    []Difference{},
	}
	if t.Verdict == checksum.Same {
		t.Verdict = t.Verdict.And(t.Counts.Verdict())
	}
	if r.Resumed == 0 {
		t.RowsPerSecond = perSecond(t.Counts, r.Elapsed)
	}
	listed := r.Differences
	if o.MaxDifferences >= 0 && len(listed) > o.MaxDifferences {
		listed = listed[:o.MaxDifferences]
	}
	t.DifferencesOmitted = t.Counts.Differences()
	for _, d := range listed {
		t.Differences = append(t.Differences, newDifference(d, o.ShowValues))
		t.DifferencesOmitted -= max(d.Count, 1)
	}
	t.DifferencesOmitted = max(t.DifferencesOmitted, 0)
	if len(listed) == 0 && r.Method == "definition" {
		t.DifferencesOmitted = 0 // the table as a whole is the difference
	}
	return t
}

func newDifference(r checksum.Difference, show bool) Difference {
	d := Difference{
		Kind: r.Kind, Key: make(Key, 0, len(r.Key)), Columns: make([]string, 0, len(r.Columns)),
		Proof: r.Proof, Count: max(r.Count, 1),
	}
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
	for i := range tables {
		t.Add(tables[i].Counts)
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
		t.RowsPerSecond = perSecond(t.Counts, elapsed)
	}
	return t
}

// perSecond counts a row once although both sides read it.
func perSecond(c checksum.Counts, elapsed time.Duration) int64 {
	if elapsed <= 0 {
		return 0
	}
	return int64(float64(max(c.RowsOld, c.RowsNew)) / elapsed.Seconds())
}

func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
