// Package plan is the plan of a migration: a TOML file that names the two
// clusters, the path, the tables and what counts as good enough. It is pure:
// text in, a Plan or an error with line and column out.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Path is a way to migrate; it decides which gates there are.
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

// The names of gates, as plans and command lines use them.
const (
	GatePreflight       = "preflight"
	GateReplicaInSync   = "replica-in-sync"
	GateReadsSwitched   = "reads-switched"
	GateStepsSet        = "steps-set"
	GateWritesSwitched  = "writes-switched"
	GateOldDrained      = "old-drained"
	GateStepRestored    = "step-restored"
	GateSignedOff       = "signed-off"
	GateCaughtUp        = "caught-up"
	GateReadOnly        = "read-only"
	GatePositionsEqual  = "positions-equal"
	GateGTIDOn          = "gtid-on"
	GateSwitched        = "switched"
	GateChainInSync     = "chain-in-sync"
	GateSingleConverter = "single-converter"
	GateDrained         = "drained"
	GateSchemaParity    = "schema-parity"
	GateConfigParity    = "config-parity"
	GateRestoredCopy    = "restored-copy-checked"
	GateRehearsal       = "rehearsal"
	GateHealth          = "health"
	GateNodesUpgraded   = "nodes-upgraded"
	GateWatchPeriod     = "watch-period"
)

// Gates lists the gates of a path in their order; nil for an unknown path.
func (p Path) Gates() []string {
	switch p {
	case DualWrite:
		return []string{
			GatePreflight, GateReplicaInSync, GateReadsSwitched, GateStepsSet, GateWritesSwitched, GateOldDrained,
			GateStepRestored, GateSignedOff,
		}
	case GTIDRestart:
		return []string{GatePreflight, GateCaughtUp, GateReadOnly, GatePositionsEqual, GateGTIDOn, GateSwitched}
	case GTIDConverter:
		return []string{GatePreflight, GateChainInSync, GateSingleConverter, GateReadOnly, GateDrained, GateSwitched}
	case RollingUpgrade:
		return []string{
			GatePreflight, GateSchemaParity, GateConfigParity, GateRestoredCopy, GateRehearsal, GateHealth, GateSwitched,
			GateWatchPeriod, GateSignedOff,
		}
	}
	return nil
}

// Gates lists the gates of the plan in their order: those of its path, and that of the nodes that a rolling upgrade goes through.
func (p Plan) Gates() []string {
	out := p.Path.Gates()
	if i := slices.Index(out, GateHealth); p.Rolling != nil && i >= 0 {
		out = slices.Insert(out, i+1, GateNodesUpgraded)
	}
	return out
}

// Rolling says that the nodes of old's cluster are upgraded one after another: new, which is one of them, first, then the replicas
// of old in their order, old itself last.
type Rolling struct {
	ReadsFor time.Duration `json:"reads_for"` // the application reads from each node for at least this long before the next one's turn
}

// Node is one server. DSN never holds a password.
type Node struct {
	DSN string `json:"dsn"`
	// Replicas are the addresses of the other nodes of its cluster, of old and new only; they have no password either.
	Replicas []string `json:"replicas,omitempty"`
	// ServerUUID binds the plan to one server; empty: the newest preflight says which servers they are.
	ServerUUID string `json:"server_uuid,omitempty"`
}

// Replica is a node of a cluster besides old and new themselves.
type Replica struct {
	Name string // "old-1", "new-2": by its place in the plan
	Side string // "old" or "new"
	DSN  string
	// Rolling: a rolling upgrade goes through it, from old's side to new's.
	Rolling bool
}

// Replicas are the nodes that the plan names besides old and new themselves, those of old first.
func (p Plan) Replicas() []Replica {
	var out []Replica
	for _, side := range []struct {
		name string
		node Node
	}{{"old", p.Old}, {"new", p.New}} {
		for i, dsn := range side.node.Replicas {
			out = append(out, Replica{Name: fmt.Sprintf("%s-%d", side.name, i+1), Side: side.name, DSN: dsn, Rolling: p.Rolling != nil && side.name == "old"})
		}
	}
	return out
}

// Ages are how old evidence of each sort may be.
type Ages struct {
	Check        time.Duration `json:"check"`     // full check; a watch that follows it keeps it fresh
	Watch        time.Duration `json:"watch"`     // status of a watch
	Preflight    time.Duration `json:"preflight"` // also parity of schema and configuration
	State        time.Duration `json:"state"`     // what is measured at a moment: replication, steps, sessions, GTID modes
	Health       time.Duration `json:"health"`
	RestoredCopy time.Duration `json:"restored_copy"`
	Rehearsal    time.Duration `json:"rehearsal"` // counted from the rehearsal's own certificate
}

// Limits are the plan's other thresholds.
type Limits struct {
	MaxLag         time.Duration `json:"max_lag"`
	WatchPeriod    time.Duration `json:"watch_period"`     // health of new is judged over at least this long
	QuietPeriod    time.Duration `json:"quiet_period"`     // nothing may have gone wrong, or been written, for this long
	Duration       time.Duration `json:"duration"`         // of the whole migration, for the retention of binary logs
	ReadOnlyWindow time.Duration `json:"read_only_window"` // the longest time without writes
}

// Accepted is a preflight finding or a difference that somebody knows of and accepts.
type Accepted struct {
	Name   string `json:"name"` // "id" or "id:object"
	Reason string `json:"reason"`
}

// Hook is a command that is run before a gate opens.
type Hook struct {
	Command []string      `json:"command"`
	Timeout time.Duration `json:"timeout"`
	Veto    bool          `json:"veto"` // the gate opens only if the command exits with 0
}

// Acknowledgement takes one limit of what can be proven as known. ID is one of Acknowledgeable.
type Acknowledgement struct {
	ID     string `json:"id"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// The reasons that a plan may acknowledge: limits of servers and of proofs, never a proven fault.
const (
	AckCheckLossy   = "check_lossy"
	AckNotPersisted = "step_not_persisted"
	// AckSessionsUnseen: all of the application's connections were made anew after the steps were set, on servers that do
	// not show other sessions' steps.
	AckSessionsUnseen = "stale_sessions_unseen"
)

// Acknowledgeable lists the reason ids that a plan may acknowledge.
func Acknowledgeable() []string { return []string{AckCheckLossy, AckNotPersisted, AckSessionsUnseen} }

// Plan is a parsed plan. The zero value is no valid plan.
type Plan struct {
	Path          Path              `json:"path"`
	Old           Node              `json:"old"`
	New           Node              `json:"new"`
	Converter     *Node             `json:"converter,omitempty"` // of the gtid-converter path
	Include       []string          `json:"include"`             // globs "schema.table"; empty: all
	Exclude       []string          `json:"exclude"`
	Ages          Ages              `json:"max_evidence_age"`
	Limits        Limits            `json:"limits"`
	Accept        []Accepted        `json:"accept"`
	Hooks         map[string]Hook   `json:"hooks"`    // by gate
	Accounts      []string          `json:"accounts"` // user@host patterns of the application
	RehearsalKeys []string          `json:"rehearsal_keys"`
	Acknowledge   []Acknowledgement `json:"acknowledge"`
	Replaced      []Replaced        `json:"replaced,omitempty"` // in the order in which it happened
	Rolling       *Rolling          `json:"rolling,omitempty"`  // of the rolling-upgrade path
}

// Hash is the SHA-256 of the plan's content in hexadecimal. Comments, order of keys and spelling of durations do not count.
func (p Plan) Hash() string {
	p.Include, p.Exclude = sorted(p.Include), sorted(p.Exclude)
	if p.New.Replicas = sorted(p.New.Replicas); p.Rolling == nil { // else their order is that of the upgrade
		p.Old.Replicas = sorted(p.Old.Replicas)
	}
	p.Accounts, p.RehearsalKeys = sorted(p.Accounts), sorted(p.RehearsalKeys)
	p.Accept = append([]Accepted{}, p.Accept...)
	slices.SortFunc(p.Accept, func(a, b Accepted) int { return strings.Compare(a.Name+"\x00"+a.Reason, b.Name+"\x00"+b.Reason) })
	p.Acknowledge = append([]Acknowledgement{}, p.Acknowledge...)
	slices.SortFunc(p.Acknowledge, func(a, b Acknowledgement) int { return strings.Compare(a.ID, b.ID) })
	if len(p.Hooks) == 0 {
		p.Hooks = nil
	}
	text, err := json.Marshal(p)
	if err != nil { // strings, numbers and maps of strings: it cannot fail
		return fmt.Sprintf("unhashable: %v", err)
	}
	sum := sha256.Sum256(append([]byte("crosscheck/plan/v1\n"), text...))
	return hex.EncodeToString(sum[:])
}

// sorted is a sorted copy that is never nil, so that an empty list and none hash alike.
func sorted(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return out
}

// Accepts tells whether the plan accepts a finding, by its id or by "id:object".
func (p Plan) Accepts(id, object string) bool {
	return slices.ContainsFunc(p.Accept, func(a Accepted) bool { return a.Name == id || object != "" && a.Name == id+":"+object })
}

// AcceptNames are the names of all accepted findings.
func (p Plan) AcceptNames() []string {
	out := make([]string, 0, len(p.Accept))
	for _, a := range p.Accept {
		out = append(out, a.Name)
	}
	return out
}

// Acknowledges tells whether the plan takes a limit as known.
func (p Plan) Acknowledges(id string) bool {
	return slices.ContainsFunc(p.Acknowledge, func(a Acknowledgement) bool { return a.ID == id })
}

// Application tells whether an account belongs to the application: whether a pattern "user@host" matches it, where % stands
// for any text and _ is a plain character, since names of accounts are full of it. Who comes over the loopback address has
// the account of localhost where the server resolves names, and is shown by the address.
func (p Plan) Application(user, host string) bool {
	loopback := host == "localhost" || host == "127.0.0.1" || host == "::1"
	return slices.ContainsFunc(p.Accounts, func(pattern string) bool {
		u, h, _ := strings.Cut(pattern, "@")
		return like(u, user) && (like(h, host) || loopback && h == "localhost")
	})
}

// like matches % against any text.
func like(pattern, text string) bool {
	parts := strings.Split(pattern, "%")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, last)
}

// DefaultAges are the ages of a plan that says nothing.
func DefaultAges() Ages {
	const day = 24 * time.Hour
	return Ages{
		Check: day, Watch: time.Minute, Preflight: day, State: time.Minute, Health: 10 * time.Minute,
		RestoredCopy: 7 * day, Rehearsal: 30 * day,
	}
}

// DefaultLimits are the limits of a plan that says nothing.
func DefaultLimits() Limits {
	return Limits{
		MaxLag: 5 * time.Second, WatchPeriod: time.Hour, QuietPeriod: 10 * time.Minute, Duration: 7 * 24 * time.Hour,
		ReadOnlyWindow: 5 * time.Minute,
	}
}

// DefaultReadsFor is how long the application reads from an upgraded node when the plan does not say: one day's load.
const DefaultReadsFor = 24 * time.Hour

// DefaultHookTimeout is how long a hook may take when the plan does not say.
const DefaultHookTimeout = 30 * time.Second
