package report

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"crosscheck/gate"
)

// GatesSchema names the document of a migration's gates.
const GatesSchema = "crosscheck/gates/v1"

// GatesDocument is how the gates of a migration stand.
type GatesDocument struct {
	Schema   string        `json:"schema"`
	State    string        `json:"state"` // "pass", "overridden", "unknown" or "fail": of Gate, or of all
	Gate     string        `json:"gate,omitempty"`
	Path     string        `json:"path"`
	Plan     string        `json:"plan"` // the file
	PlanHash string        `json:"plan_hash"`
	Old      GatesServer   `json:"old"`
	New      GatesServer   `json:"new"`
	At       time.Time     `json:"at"`
	Offline  bool          `json:"offline,omitempty"` // nothing was measured: judged by what is recorded
	Gates    []GateResult  `json:"gates"`             // in the path's order
	Actions  []GateAction  `json:"actions,omitempty"`
	Notes    []string      `json:"notes,omitempty"` // what could not be measured, and the like
	Override []GateWaiving `json:"overrides,omitempty"`
	// WayBack tells whether the application could go back to the old version; null where nobody looked.
	WayBack *gate.WayBack `json:"way_back,omitempty"`
}

// GatesServer is one side.
type GatesServer struct {
	ServerUUID string `json:"server_uuid"`
	DSN        string `json:"dsn"` // as the plan has it
}

// GateResult is one gate.
type GateResult struct {
	Gate  string `json:"gate"`
	State string `json:"state"`
	// AgeSeconds is the age of the oldest evidence that it was judged by and that ages; null without any.
	AgeSeconds *int64       `json:"age_seconds"`
	Evidence   []string     `json:"evidence"`                // ids of what it was judged by
	OpenSince  *time.Time   `json:"proven_at,omitempty"`     // of a gate that a later one keeps open: when it was proven last
	By         string       `json:"overridden_by,omitempty"` // who opened it without proof
	Reasons    []GateReason `json:"reasons"`                 // worst first
	// Nodes are those that a rolling upgrade goes through, in their order.
	Nodes []gate.NodeLine `json:"nodes,omitempty"`
}

// GateReason is why a gate is not open.
type GateReason struct {
	ID       string `json:"id"`
	State    string `json:"state"` // "fail" or "unknown"
	Text     string `json:"text"`
	Next     string `json:"next"` // the exact statement or command to go on with
	Evidence string `json:"evidence,omitempty"`
}

// GateAction is a change of a server: one that was made, or that --apply would make.
type GateAction struct {
	Name       string   `json:"name"`
	Applied    bool     `json:"applied"`
	Statements []string `json:"statements"`
	Error      string   `json:"error,omitempty"`
}

// GateWaiving is an override; all of them stay visible.
type GateWaiving struct {
	Gate    string    `json:"gate"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
	When    time.Time `json:"when"`
	InForce bool      `json:"in_force"`
}

// GatesOptions say what a status alone does not.
type GatesOptions struct {
	Plan           string // file
	OldDSN, NewDSN string
	Gate           string // only this one; "": all
	Offline        bool
	Command        func(next string) string // completes a reason's next step; nil: as it is
	Actions        []gate.Action
	Notes          []string
}

// NewGates makes the document of a status.
func NewGates(s gate.Status, o GatesOptions) GatesDocument {
	d := GatesDocument{
		Schema: GatesSchema, State: string(s.State), Gate: o.Gate, Path: string(s.Path), Plan: o.Plan, PlanHash: s.PlanHash,
		Old: GatesServer{ServerUUID: s.Old, DSN: o.OldDSN}, New: GatesServer{ServerUUID: s.New, DSN: o.NewDSN},
		At: s.At.UTC(), Offline: o.Offline, Gates: []GateResult{}, Notes: o.Notes, WayBack: s.WayBack,
	}
	for _, r := range s.Gates {
		if o.Gate != "" && o.Gate != r.Gate {
			continue
		}
		if o.Gate != "" {
			d.State = string(r.State)
		}
		d.Gates = append(d.Gates, gateResult(r, s.At, o.Command))
	}
	for _, a := range o.Actions {
		d.Actions = append(d.Actions, GateAction{Name: a.Name, Applied: a.Applied, Statements: append([]string{}, a.Statements...), Error: a.Error})
	}
	for _, w := range s.Overrides {
		if o.Gate == "" || o.Gate == w.Gate {
			d.Override = append(d.Override, GateWaiving{Gate: w.Gate, By: w.By, Why: w.Why, When: w.When.UTC(), InForce: w.InForce})
		}
	}
	return d
}

func gateResult(r gate.Result, at time.Time, command func(string) string) GateResult {
	out := GateResult{Gate: r.Gate, State: string(r.State), Evidence: []string{}, Reasons: []GateReason{}, Nodes: r.Nodes}
	if !r.Taken.IsZero() {
		age := int64(at.Sub(r.Taken) / time.Second)
		out.AgeSeconds = &age
	}
	if !r.Stays.IsZero() {
		since := r.Stays.UTC()
		out.OpenSince = &since
	}
	if r.Override != nil && r.State == gate.Overridden {
		out.By = r.Override.By
	}
	for _, id := range r.Rested {
		out.Evidence = append(out.Evidence, string(id))
	}
	for _, w := range r.Reasons {
		next := w.Next
		if command != nil {
			next = command(next)
		}
		out.Reasons = append(out.Reasons, GateReason{ID: w.ID, State: string(w.State), Text: w.Text, Next: next, Evidence: string(w.Evidence)})
	}
	return out
}

// GatesFormats lists the formats that gates can be rendered in.
func GatesFormats() []Format { return []Format{FormatTable, FormatJSON, FormatMarkdown} }

// RenderGates writes doc to w.
func RenderGates(w io.Writer, format Format, doc GatesDocument, opt TermOptions) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case FormatTable:
		err = renderGatesTerminal(out, &doc, opt)
	case FormatJSON:
		err = renderJSON(out, doc)
	case FormatMarkdown:
		err = renderGatesMarkdown(out, &doc)
	case FormatHTML, FormatJUnit:
		err = fmt.Errorf("gates have no such form: use table, json or markdown")
	default:
		_, err = ParseFormat(string(format))
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("render gates as %s: %w", format, err)
	}
	return nil
}

// Summary is how it stands in one sentence, beginning with the state.
func (d *GatesDocument) Summary() string {
	if d.Gate != "" {
		return fmt.Sprintf("%s: the gate %s of %s", d.State, d.Gate, d.Path)
	}
	open := 0
	for i := range d.Gates {
		if d.Gates[i].open() {
			open++
			continue
		}
		return fmt.Sprintf("%s: %d of %d gates of %s are open; next is %s", d.State, d.openGates(), len(d.Gates), d.Path, d.Gates[i].Gate)
	}
	return fmt.Sprintf("%s: all %d gates of %s are open", d.State, open, d.Path)
}

func (d *GatesDocument) openGates() (n int) {
	for i := range d.Gates {
		if d.Gates[i].open() {
			n++
		}
	}
	return n
}

func (r *GateResult) open() bool { return gate.State(r.State).Open() }

// age is the age of the evidence for people; "" without any.
func (r *GateResult) age() string {
	if r.AgeSeconds == nil {
		return ""
	}
	if *r.AgeSeconds < 60 { // whole seconds are all that is known
		return fmt.Sprintf("%d s", *r.AgeSeconds)
	}
	return duration(float64(*r.AgeSeconds))
}

// ids are the ids of the reasons, each once.
func (r *GateResult) ids() []string {
	var out []string
	seen := make(map[string]bool)
	for _, w := range r.Reasons {
		if !seen[w.ID] {
			seen[w.ID] = true
			out = append(out, w.ID)
		}
	}
	return out
}
