package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/checksum"
)

// The sides and the roles of nodes as results name them. A role that is none of these belongs to a cluster of another kind.
const (
	SideOld     = "old"
	SideNew     = "new"
	RoleWriter  = "writer"
	RoleReplica = "replica"
)

// Node is a server that a check knows.
type Node struct {
	Label  string // "new", "new-1", "old-2"
	Side   string // SideOld or SideNew
	Role   string // RoleWriter, RoleReplica, another word, or "" if it is not known
	Server checksum.EndpointInfo
}

// Copy is a node's comparison with the reference: Result.Old is the reference, Result.New the node.
type Copy struct {
	Node   Node
	Result checksum.Result
}

// Unread is a node that was seen and not compared.
type Unread struct {
	Node Node
	Why  string
}

// Check is what a check found: one reference, and every copy that was compared with it.
type Check struct {
	Reference Node
	Copies    []Copy
	Unread    []Unread
}

// Pair is the check of one old and one new server.
func Pair(r checksum.Result) Check {
	return Check{
		Reference: Node{Label: SideOld, Side: SideOld, Server: r.Old},
		Copies:    []Copy{{Node: Node{Label: SideNew, Side: SideNew, Server: r.New}, Result: r}},
	}
}

// NodeEntry is a node in the document. The reference stands first.
type NodeEntry struct {
	Label    string      `json:"label"`
	Side     string      `json:"side"`
	Role     string      `json:"role"`    // "writer", "replica", "member"; "" if it is not known
	Verdict  NodeVerdict `json:"verdict"` // of its copy as a whole
	Reason   string      `json:"reason"`
	Relation string      `json:"relation"` // how it and the reference replicate; "" of the reference
	Server
	Interrupted   bool   `json:"interrupted"`
	ResumedFrom   string `json:"resumed_from"`
	RepairCapped  bool   `json:"repair_capped"`            // the ledger lacks row images of some differences
	WithoutValues int64  `json:"without_values,omitempty"` // so many, as far as it knows
}

// NodeVerdict is the word of a checksum.Verdict, or one of the words for a node that has none.
type NodeVerdict string

// The words for nodes that have no verdict.
const (
	IsReference NodeVerdict = "reference"    // all others were compared with it
	NotCompared NodeVerdict = "not compared" // seen only: nothing is said of its rows
)

func (n *NodeEntry) compared() bool { return n.Verdict != IsReference && n.Verdict != NotCompared }

func (v NodeVerdict) verdict() checksum.Verdict {
	for _, w := range []checksum.Verdict{checksum.Same, checksum.Different} {
		if string(v) == w.String() {
			return w
		}
	}
	return checksum.Undecided
}

// CopyEntry is one copy of a table.
type CopyEntry struct {
	Node               string           `json:"node"`
	Verdict            checksum.Verdict `json:"verdict"`
	Reason             string           `json:"reason"`
	Rows               int64            `json:"rows"`
	Bytes              int64            `json:"bytes"`
	Missing            int64            `json:"missing"`
	Extra              int64            `json:"extra"`
	Changed            int64            `json:"changed"`
	InFlight           int64            `json:"in_flight"`
	Undecided          int64            `json:"undecided"`
	Differences        []Difference     `json:"differences"`
	DifferencesOmitted int64            `json:"differences_omitted"` // rows proven to differ that are not listed
}

func (c *CopyEntry) counts() checksum.Counts {
	return checksum.Counts{Missing: c.Missing, Extra: c.Extra, Changed: c.Changed, InFlight: c.InFlight, Undecided: c.Undecided}
}

// outcome is a copy's verdict with its counts: "different: 2 missing, 1 extra".
func (c *CopyEntry) outcome() string { return outcomeOf(c.Verdict, c.counts()) }

func newNode(n Node, seen checksum.EndpointInfo, v NodeVerdict) NodeEntry {
	if seen.Addr != "" || seen.ServerUUID != "" {
		n.Server = seen
	}
	return NodeEntry{Label: n.Label, Side: n.Side, Role: n.Role, Verdict: v, Server: newServer(n.Server)}
}

// newNodes lists the nodes: the reference, the copies in their order, those that were only seen.
func newNodes(c Check) []NodeEntry {
	var seen checksum.EndpointInfo
	if len(c.Copies) > 0 {
		seen = c.Copies[0].Result.Old
	}
	nodes := []NodeEntry{newNode(c.Reference, seen, IsReference)}
	for _, copied := range c.Copies {
		r := copied.Result
		n := newNode(copied.Node, r.New, NodeVerdict(r.Verdict.String()))
		n.Reason, n.Relation, n.Interrupted, n.ResumedFrom = r.Reason, r.Relation, r.Interrupted, r.ResumedFrom
		n.RepairCapped, n.WithoutValues = r.RepairCapped, r.WithoutValues
		nodes = append(nodes, n)
	}
	for _, u := range c.Unread {
		n := newNode(u.Node, checksum.EndpointInfo{}, NotCompared)
		n.Reason = u.Why
		nodes = append(nodes, n)
	}
	return nodes
}

// said gives the texts that several copies have of one thing: once where all say it, otherwise with the copy's label.
type said struct {
	copies int
	texts  []string
	by     map[string][]string
}

func (s *said) add(label string, texts ...string) {
	if s.by == nil {
		s.by = map[string][]string{}
	}
	for _, t := range texts {
		if s.by[t] == nil {
			s.texts = append(s.texts, t)
		}
		if !slices.Contains(s.by[t], label) {
			s.by[t] = append(s.by[t], label)
		}
	}
}

func (s *said) list() []string {
	out := make([]string, 0, len(s.texts))
	for _, t := range s.texts {
		if by := s.by[t]; len(by) < s.copies {
			t = strings.Join(by, ", ") + ": " + t
		}
		out = append(out, t)
	}
	return out
}

// newTables joins the copies' results table by table. A copy that has no result for a table that another one has is
// undecided there: nobody has compared it.
func newTables(c Check, o Options) []Table {
	var names []string
	results := map[string][]*checksum.TableResult{}
	for i := range c.Copies {
		tables := c.Copies[i].Result.Tables
		for k := range tables {
			list := results[tables[k].Table]
			if list == nil {
				list = make([]*checksum.TableResult, len(c.Copies))
				results[tables[k].Table] = list
				names = append(names, tables[k].Table)
			}
			list[i] = &tables[k]
		}
	}
	slices.Sort(names)
	out := make([]Table, 0, len(names))
	for _, name := range names {
		out = append(out, newTable(name, c, results[name], o))
	}
	return out
}

func newTable(name string, c Check, results []*checksum.TableResult, o Options) Table {
	t := Table{Table: name, Verdict: checksum.Same, Copies: make([]CopyEntry, 0, len(results))}
	n := len(results)
	reasons, lossy, notes, methods := said{copies: n}, said{copies: n}, said{copies: n}, said{copies: 1}
	var elapsed time.Duration
	rows := newRowList(o)
	for i, r := range results {
		label := c.Copies[i].Node.Label
		if r == nil {
			r = &checksum.TableResult{Table: name, Reason: orElse(c.Copies[i].Result.Reason, "nobody compared it here")}
		}
		entry := newCopy(label, r)
		listed := rows.add(label, r)
		entry.Differences = listed
		entry.DifferencesOmitted = omitted(r, listed)
		t.Verdict = t.Verdict.And(entry.Verdict)
		t.Copies = append(t.Copies, entry)
		t.addCounts(r.Counts)
		t.DifferencesOmitted += entry.DifferencesOmitted
		t.ResumedChunks = max(t.ResumedChunks, r.Resumed)
		elapsed = max(elapsed, r.Elapsed)
		if r.Reason != "" {
			reasons.add(label, r.Reason)
		}
		if r.Method != "" {
			methods.add("", r.Method)
		}
		lossy.add(label, r.Lossy...)
		notes.add(label, r.Notes...)
	}
	t.Reason, t.Method = strings.Join(reasons.list(), "; "), strings.Join(methods.list(), ", ")
	t.Lossy, t.Notes = lossy.list(), notes.list()
	t.ElapsedSeconds = seconds(elapsed)
	t.Differences = rows.rows
	if t.ResumedChunks == 0 {
		t.RowsPerSecond = perSecond(t.passRows(), elapsed)
	}
	return t
}

func newCopy(label string, r *checksum.TableResult) CopyEntry {
	e := CopyEntry{
		Node: label, Verdict: r.Verdict, Reason: r.Reason, Rows: r.Counts.RowsNew, Bytes: r.Counts.BytesNew,
		Missing: r.Counts.Missing, Extra: r.Counts.Extra, Changed: r.Counts.Changed,
		InFlight: r.Counts.InFlight, Undecided: r.Counts.Undecided,
	}
	if e.Verdict == checksum.Same {
		e.Verdict = e.Verdict.And(r.Counts.Verdict())
	}
	return e
}

// addCounts adds a copy's numbers. The reference is read once for all copies, so its own do not add up.
func (t *Table) addCounts(c checksum.Counts) {
	rows, bytes, chunks := max(t.RowsOld, c.RowsOld), max(t.BytesOld, c.BytesOld), max(t.Chunks, c.Chunks)
	t.Add(c)
	t.RowsOld, t.BytesOld, t.Chunks = rows, bytes, chunks
}

// passRows counts a row once although the reference and all copies were read.
func (t *Table) passRows() int64 {
	rows := t.RowsOld
	for i := range t.Copies {
		rows = max(rows, t.Copies[i].Rows)
	}
	return rows
}

// omitted is the number of differing rows beyond those listed.
func omitted(r *checksum.TableResult, listed []Difference) int64 {
	if len(listed) == 0 && r.Method == "definition" {
		return 0 // the table as a whole is the difference
	}
	n := r.Counts.Differences()
	for i := range listed {
		n -= listed[i].Count
	}
	return max(n, 0)
}

// rowList joins the rows that copies list: a row that differs on several of them is listed once.
type rowList struct {
	o    Options
	rows []Difference
	at   map[string]int // of a row's identity
	full map[string]int // of a row and what it holds on a copy: index into rows, then into its forms
}

func newRowList(o Options) *rowList {
	return &rowList{o: o, rows: []Difference{}, at: map[string]int{}, full: map[string]int{}}
}

// add takes a copy's differences and returns them as a list of its own.
func (l *rowList) add(label string, r *checksum.TableResult) []Difference {
	listed := r.Differences
	if l.o.MaxDifferences >= 0 && len(listed) > l.o.MaxDifferences {
		listed = listed[:l.o.MaxDifferences]
	}
	own := make([]Difference, 0, len(listed))
	for _, d := range listed {
		doc := newDifference(d, l.o.ShowValues)
		doc.Nodes = []string{label}
		own = append(own, doc)
		l.join(label, d, doc)
	}
	return own
}

func (l *rowList) join(label string, d checksum.Difference, doc Difference) {
	doc.Nodes = []string{label}
	key, whole := rowIdentity(d)
	i, known := l.at[key]
	if !known {
		l.at[key], l.full[whole] = len(l.rows), 0
		l.rows = append(l.rows, doc)
		return
	}
	row := &l.rows[i]
	form, known := l.full[whole]
	if !known {
		l.full[whole] = len(row.Others) + 1
		row.Others = append(row.Others, doc.Form)
		return
	}
	into := &row.Form
	if form > 0 {
		into = &row.Others[form-1]
	}
	if slices.Contains(into.Nodes, label) { // the copy has such a row once more
		l.rows = append(l.rows, doc)
		return
	}
	into.Nodes = append(into.Nodes, label)
}

// rowIdentity returns what names a row, and that with all that is known of how it differs: by the values, not by what a
// document shows of them.
func rowIdentity(d checksum.Difference) (key, whole string) {
	var b strings.Builder
	value := func(column string, v checksum.Value) {
		for _, s := range []string{column, v.Text} {
			b.WriteString(s)
			b.WriteByte(0)
		}
		if v.Null {
			b.WriteString("null\x00")
		}
	}
	for _, f := range d.Key {
		value(f.Column, f.Value)
	}
	key = b.String()
	if len(d.Key) == 0 { // rows of a table without a key are named by all they hold
		b.WriteString(string(d.Kind))
		b.WriteByte(0)
	}
	b.WriteString(string(d.Kind))
	b.WriteByte(1)
	for _, c := range d.Columns {
		value(c.Column, c.Old)
		value("", c.New)
	}
	whole = b.String()
	if len(d.Key) == 0 {
		key = whole
	}
	return key, fmt.Sprintf("%s\x01%d", whole, d.Count)
}
