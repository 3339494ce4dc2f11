package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"crosscheck/gate/preflight"
)

// PreflightSchema names the document of a preflight.
const PreflightSchema = "crosscheck/preflight/v1"

// PreflightDocument is a preflight as it is published.
type PreflightDocument struct {
	Schema          string             `json:"schema"`
	Verdict         string             `json:"verdict"` // "pass", "fail" or "unknown"
	Path            string             `json:"path"`
	DurationSeconds int64              `json:"duration_seconds"` // of the migration, as planned
	Taken           time.Time          `json:"taken"`
	Old             PreflightServer    `json:"old"`
	New             PreflightServer    `json:"new"`
	Nodes           []PreflightNode    `json:"nodes,omitempty"` // besides old and new
	Relation        string             `json:"relation,omitempty"`
	Counts          PreflightCounts    `json:"counts"`
	Findings        []PreflightFinding `json:"findings"`                 // worst first
	Unused          []string           `json:"unused_accepts,omitempty"` // accepted names that no finding has
}

// PreflightServer is one side.
type PreflightServer struct {
	Addr       string `json:"addr"`
	ServerUUID string `json:"server_uuid"`
	ServerID   uint32 `json:"server_id"`
	Version    string `json:"version"`
	Flavor     string `json:"flavor"`
	Account    string `json:"account"`
	Tables     int    `json:"tables"`
	Bytes      int64  `json:"bytes"` // data and indexes, estimated
	FreeBytes  int64  `json:"free_bytes,omitempty"`
}

// PreflightNode is a node of a side besides old and new.
type PreflightNode struct {
	Node string `json:"node"` // "new-1"
	Side string `json:"side"`
	Lost string `json:"lost,omitempty"` // why it was not judged
	PreflightServer
}

// PreflightCounts are open findings by severity, and those that are accepted.
type PreflightCounts struct {
	Fatal    int `json:"fatal"`
	Lossy    int `json:"lossy"`
	Warning  int `json:"warning"`
	Info     int `json:"info"`
	Unseen   int `json:"unseen"` // of the open ones, those that say that something could not be found out
	Accepted int `json:"accepted"`
}

// PreflightFinding is one finding.
type PreflightFinding struct {
	ID       string         `json:"id"`
	Severity string         `json:"severity"`
	Side     string         `json:"side"`            // "old", "new" or "both"
	Nodes    []string       `json:"nodes,omitempty"` // nodes of the side that it is about, besides old and new
	Object   string         `json:"object,omitempty"`
	Found    string         `json:"found"`
	Why      string         `json:"why"`
	Do       string         `json:"do"`
	Fixes    []PreflightFix `json:"fixes,omitempty"`
	Unseen   bool           `json:"unseen,omitempty"`
	Accepted bool           `json:"accepted,omitempty"`
}

// PreflightFix is a statement and the side, or the node, to run it on.
type PreflightFix struct {
	On  string `json:"on"`
	SQL string `json:"sql"`
}

// NewPreflight makes the document of a result.
func NewPreflight(r preflight.Result) PreflightDocument {
	d := PreflightDocument{
		Schema: PreflightSchema, Verdict: string(r.Verdict), Path: string(r.Path), DurationSeconds: int64(r.Duration / time.Second),
		Taken: r.Taken.UTC().Truncate(time.Second), Old: preflightServer(r.Old), New: preflightServer(r.New), Relation: r.Relation,
		Findings: make([]PreflightFinding, len(r.Findings)), Unused: r.Unused,
	}
	for _, n := range r.Nodes {
		d.Nodes = append(d.Nodes, PreflightNode{Node: n.Label, Side: n.Side, Lost: n.Lost, PreflightServer: preflightServer(n.Server)})
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		out := PreflightFinding{
			ID: f.ID, Severity: string(f.Severity), Side: f.Side, Nodes: f.Nodes, Object: f.Object, Found: f.Found, Why: f.Why, Do: f.Do,
			Unseen: f.Unseen, Accepted: f.Accepted,
		}
		for _, x := range f.Fixes {
			out.Fixes = append(out.Fixes, PreflightFix(x))
		}
		d.Findings[i] = out
		d.Counts.add(f)
	}
	return d
}

func (c *PreflightCounts) add(f *preflight.Finding) {
	if f.Accepted {
		c.Accepted++
		return
	}
	if f.Unseen {
		c.Unseen++
	}
	switch f.Severity {
	case preflight.Fatal:
		c.Fatal++
	case preflight.Lossy:
		c.Lossy++
	case preflight.Warning:
		c.Warning++
	case preflight.Info:
		c.Info++
	}
}

func preflightServer(s preflight.Server) PreflightServer {
	return PreflightServer{
		Addr: s.Addr, ServerUUID: s.UUID, ServerID: s.ServerID, Version: s.Version, Flavor: s.Flavor, Account: s.Account,
		Tables: s.Tables, Bytes: s.Bytes, FreeBytes: s.FreeBytes,
	}
}

// PreflightFormats lists the formats that a preflight can be rendered in.
func PreflightFormats() []Format { return []Format{FormatTable, FormatJSON, FormatMarkdown} }

// RenderPreflight writes doc to w.
func RenderPreflight(w io.Writer, format Format, doc PreflightDocument, opt TermOptions) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case FormatTable:
		err = renderPreflightTerminal(out, &doc, opt)
	case FormatJSON:
		err = renderJSON(out, doc)
	case FormatMarkdown:
		err = renderPreflightMarkdown(out, &doc)
	case FormatHTML, FormatJUnit:
		err = fmt.Errorf("a preflight has no such form: use table, json or markdown")
	default:
		_, err = ParseFormat(string(format))
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("render preflight as %s: %w", format, err)
	}
	return nil
}

// Summary is the outcome in one sentence, beginning with the verdict.
func (d *PreflightDocument) Summary() string {
	c := d.Counts
	var parts []string
	for _, x := range []struct {
		n    int
		what string
	}{{c.Fatal, "fatal"}, {c.Lossy, "lossy"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	if n := c.Warning - c.Unseen; n > 0 {
		parts = append(parts, plural(int64(n), "warning"))
	}
	tail := ""
	if c.Accepted > 0 {
		tail = fmt.Sprintf("; %d accepted", c.Accepted)
	}
	switch preflight.Verdict(d.Verdict) {
	case preflight.Pass:
		if hidden := d.hidden(); len(hidden) > 0 {
			tail += "; not judged: " + strings.Join(hidden, ", ")
		}
		return "pass: nothing stands in the way of " + d.Path + tail
	case preflight.Unknown:
		return fmt.Sprintf("unknown: %s could not be found out%s", plural(int64(c.Unseen), "thing"), tail)
	case preflight.Fail:
	}
	if c.Unseen > 0 {
		tail = fmt.Sprintf("; %s could not be found out%s", plural(int64(c.Unseen), "thing"), tail)
	}
	return fmt.Sprintf("fail: %s to mend or accept before %s%s", strings.Join(parts, ", "), d.Path, tail)
}

// where is the side of a finding, or the nodes that it is about.
func (f *PreflightFinding) where() string {
	if len(f.Nodes) > 0 {
		return strings.Join(f.Nodes, ", ")
	}
	return f.Side
}

// servers are old, new and their nodes, each with its label.
func (d *PreflightDocument) servers() []PreflightNode {
	return append([]PreflightNode{{Node: "old", PreflightServer: d.Old}, {Node: "new", PreflightServer: d.New}}, d.Nodes...)
}

// severityTitle says what a group of findings has in common.
func severityTitle(s preflight.Severity) string {
	switch s {
	case preflight.Fatal:
		return "replication stops, or cannot begin"
	case preflight.Lossy:
		return "data is lost or altered without an error"
	case preflight.Warning:
		return "to be mended, or accepted by name"
	case preflight.Info:
		return "nothing to decide"
	}
	return ""
}

// hidden lists what the account could not see, and so was not judged.
func (d *PreflightDocument) hidden() []string {
	var out []string
	for i := range d.Findings {
		if f := &d.Findings[i]; f.ID == preflight.NotVisible && !f.Accepted && !slices.Contains(out, f.Object) {
			out = append(out, f.Object)
		}
	}
	return out
}
