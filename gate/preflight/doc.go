// Package preflight judges, from facts alone, what stands in the way of a
// migration between two servers. It does no I/O: package cluster/inspect
// collects the facts.
//
// Every finding has a stable id, listed by Catalog and explained one by one in
// docs/what-if-preflight.md. One cause gives one finding: what only follows
// from a cause that is named already is left out.
package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster/inspect"
)

// Path is a way to migrate; it decides what matters.
type Path string

// The paths.
const (
	DualWrite      Path = "dual-write"
	GTIDRestart    Path = "gtid-restart"
	GTIDConverter  Path = "gtid-converter"
	RollingUpgrade Path = "rolling-upgrade"
)

// Paths lists all paths.
func Paths() []Path { return []Path{DualWrite, GTIDRestart, GTIDConverter, RollingUpgrade} }

// ParsePath reads a path's name.
func ParsePath(s string) (Path, error) {
	if slices.Contains(Paths(), Path(s)) {
		return Path(s), nil
	}
	return "", fmt.Errorf("unknown path %q: use dual-write, gtid-restart, gtid-converter or rolling-upgrade", s)
}

// Severity says what happens if nobody does anything.
type Severity string

// The severities, worst first.
const (
	Fatal   Severity = "fatal"   // replication stops, or cannot begin
	Lossy   Severity = "lossy"   // data is lost or altered without an error
	Warning Severity = "warning" // somebody must decide: mend it, or accept it
	Info    Severity = "info"    // nothing to decide
)

// Severities lists all severities, worst first.
func Severities() []Severity { return []Severity{Fatal, Lossy, Warning, Info} }

// NotVisible is the id of the finding that says what the account could not see.
const NotVisible = "not_visible"

const notFoundOut = "not_found_out"

// rank orders severities: 0 is worst.
func (s Severity) rank() int { return slices.Index(Severities(), s) }

// worse returns the worse of two.
func worse(a, b Severity) Severity {
	if a.rank() < b.rank() {
		return a
	}
	return b
}

// Where a finding is.
const (
	SideOld  = "old"
	SideNew  = "new"
	SideBoth = "both"
)

// Fix is one statement that mends something, and where to run it.
type Fix struct {
	On  string // "old" or "new", or a node: "new-1"
	SQL string
}

// Finding is one thing that somebody should know before the migration begins.
type Finding struct {
	ID       string
	Severity Severity
	Side     string // SideOld, SideNew or SideBoth
	// Nodes are the nodes of the side that it is about, "new-1", where these are not old and new themselves.
	Nodes  []string
	Object string // a table, variable, account, …; may be empty
	Found  string // what was found where, one line
	Why    string // why it matters
	Do     string // what to do, in words
	Fixes  []Fix  // the exact statements, where there are any
	// Unseen marks a finding that something needed could not be found out.
	Unseen   bool
	Accepted bool // by Options.Accept; it stays listed and does not count
}

// Counts tells whether the finding keeps the verdict from Pass.
func (f *Finding) Counts() bool { return !f.Accepted && f.Severity != Info }

// OfAccounts tells whether the finding is about accounts alone, also where they could not be found out.
func (f *Finding) OfAccounts() bool {
	return f.ID == notFoundOut && f.Object == inspect.Accounts || slices.ContainsFunc(accountEntries(), func(e Entry) bool { return e.ID == f.ID })
}

// Name is "id" or "id:object": what --accept takes.
func (f *Finding) Name() string {
	if f.Object == "" {
		return f.ID
	}
	return f.ID + ":" + f.Object
}

// Verdict is the outcome of a preflight.
type Verdict string

// The verdicts.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"    // something counts
	Unknown Verdict = "unknown" // nothing else counts, but something needed could not be found out
)

// DefaultDuration is how long a migration is taken to last when nobody says.
const DefaultDuration = 7 * 24 * time.Hour

// Options are what the plan says.
type Options struct {
	Path     Path          // empty: DualWrite
	Duration time.Duration // of the whole migration; 0: DefaultDuration
	Accept   []string      // names of findings that are known and accepted: id, or id:object
	Accounts []string      // patterns "user@host" of the application's accounts, as in a plan; none: all accounts that may write
	// Unnamed are nodes of the two clusters that were found besides those that are named.
	Unnamed []Node
}

// Node is a node of one cluster.
type Node struct{ Side, Addr, Found string }

// Result is a judged pair.
type Result struct {
	Path     Path
	Duration time.Duration
	Taken    time.Time
	Old, New Server
	Nodes    []NodeResult // besides old and new
	Relation string       // how they replicate now, one line
	Verdict  Verdict
	Findings []Finding // worst first, then by id and object
	// Tables are the names of all that either side shows, in lower case if a side takes names in different letter case for
	// one (Folds).
	Tables []string
	Folds  bool
	// Aside are the names of all tables and views that either side shows and that were not looked at, as in Tables; nil: not
	// known.
	Aside []string
	// Unused are accepted names that no finding has: mended, or mistyped.
	Unused []string
}

// Server names one side.
type Server struct {
	Addr, UUID, Version, Flavor, Account string
	ServerID                             uint32
	Tables                               int
	Bytes                                int64 // data and indexes, the server's estimate
	FreeBytes                            int64 // 0: not told
}

// NodeResult names a node besides old and new.
type NodeResult struct {
	Label, Side string
	Lost        string // why it was not judged; "" where it was
	Server
}

// CheckAccept returns an error for the first name whose id does not exist.
func CheckAccept(names []string) error {
	for _, n := range names {
		id, _, _ := strings.Cut(n, ":")
		if _, ok := Lookup(id); !ok {
			return fmt.Errorf("no finding has the id %q: docs/what-if-preflight.md lists them", id)
		}
	}
	return nil
}

// Judge says what stands in the way. It is a pure function of its arguments.
func Judge(pair inspect.Pair, opt Options) Result {
	if opt.Path == "" {
		opt.Path = DualWrite
	}
	if opt.Duration <= 0 {
		opt.Duration = DefaultDuration
	}
	j := &judge{pair: &pair, old: &pair.Old, new: &pair.New, path: opt.Path, duration: opt.Duration, application: opt.Accounts}
	j.run()
	for _, n := range opt.Unnamed {
		j.add(Finding{ID: "node_not_named", Side: n.Side, Object: n.Addr, Found: fmt.Sprintf("%s: %s, %s", n.Side, n.Addr, n.Found)})
	}
	r := Result{
		Path: opt.Path, Duration: opt.Duration, Taken: pair.Taken, Old: server(&pair.Old), New: server(&pair.New),
		Relation: pair.Relation.Reason, Findings: j.findings,
	}
	for i := range pair.Nodes {
		n := &pair.Nodes[i]
		r.Nodes = append(r.Nodes, NodeResult{Label: n.Label, Side: n.Cluster, Lost: n.Lost, Server: server(&n.Side)})
	}
	r.Tables, r.Folds = j.tables()
	r.Aside = j.aside(r.Folds)
	r.accept(opt.Accept)
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if d := a.Severity.rank() - b.Severity.rank(); d != 0 {
			return d
		}
		return strings.Compare(a.ID+"\x00"+a.Object+"\x00"+a.Side, b.ID+"\x00"+b.Object+"\x00"+b.Side)
	})
	r.Verdict = r.verdict()
	return r
}

func (r *Result) accept(names []string) {
	for _, n := range names {
		used := false
		for i := range r.Findings {
			if f := &r.Findings[i]; n == f.ID || n == f.Name() {
				f.Accepted, used = true, true
			}
		}
		if !used {
			r.Unused = append(r.Unused, n)
		}
	}
}

func (r *Result) verdict() Verdict {
	v := Pass
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case !f.Counts():
		case f.Unseen:
			v = Unknown
		default:
			return Fail
		}
	}
	return v
}

func server(s *inspect.Side) Server {
	out := Server{
		Addr: s.Addr, UUID: s.Facts.ServerUUID, Version: s.Facts.Version, Flavor: string(s.Facts.Flavor), Account: s.Facts.Account,
		ServerID: s.Facts.ServerID, FreeBytes: s.FreeBytes,
	}
	for i := range s.Tables {
		if base(&s.Tables[i]) {
			out.Tables++
		}
		out.Bytes += s.Tables[i].DataBytes + s.Tables[i].IndexBytes
	}
	return out
}
