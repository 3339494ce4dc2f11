package gate

import (
	"fmt"
	"slices"
	"time"
)

// Finding is one finding of a preflight, or one difference of schema or configuration.
type Finding struct {
	ID       string `json:"id"`
	Object   string `json:"object,omitempty"`
	Side     string `json:"side,omitempty"`
	Severity string `json:"severity"` // "fatal", "lossy", "warning" or "info"; info does not count
	Found    string `json:"found,omitempty"`
	Fix      string `json:"fix,omitempty"`    // the exact statement, where there is one
	Unseen   bool   `json:"unseen,omitempty"` // something needed could not be found out
	// Accepted is what the preflight said. Gates go by the plan, so that a plan that changed its mind counts.
	Accepted bool `json:"accepted,omitempty"`
}

// name is what plans accept.
func (f Finding) name() string {
	if f.Object == "" {
		return f.ID
	}
	return f.ID + ":" + f.Object
}

func findingsProblem(list []Finding) string {
	for _, f := range list {
		if f.ID == "" {
			return "a finding has no id"
		}
		switch f.Severity {
		case "fatal", "lossy", "warning", "info":
		default:
			return fmt.Sprintf("finding %s has the severity %q", f.ID, f.Severity)
		}
	}
	return ""
}

// Preflight is a judged pair.
type Preflight struct {
	Path     string        `json:"path"`
	Duration time.Duration `json:"duration"` // that retention was judged against, in nanoseconds
	Findings []Finding     `json:"findings"`
	// Tables are the names that either side showed of the plan's tables, in lower case if a side takes names in different
	// letter case for one (Folds).
	Tables []string `json:"tables,omitempty"`
	Folds  bool     `json:"folds,omitempty"`
	// Aside are the tables that the plan does not choose; nil: not known.
	Aside *Aside `json:"aside,omitempty"`
}

// MaxAside bounds the names in Aside.
const MaxAside = 50

// Aside are tables and views of either side that were not looked at.
type Aside struct {
	Total  int      `json:"total"`
	Tables []string `json:"tables"` // the first of them, as in Preflight.Tables
}

// Verdicts of checks.
const (
	Same      = "same"
	Different = "different"
	Undecided = "undecided"
)

// Coverage is what a check compared.
type Coverage struct {
	Include []string `json:"include"` // globs; empty: all tables
	Exclude []string `json:"exclude"`
	Tables  int      `json:"tables"` // compared
	Rows    int64    `json:"rows"`   // compared, of old
	// Complete says that every table in scope was compared to its end, and that the account sees all tables.
	Complete bool     `json:"complete"`
	Lossy    []string `json:"lossy,omitempty"` // columns compared through a conversion that loses information
	Missed   []string `json:"missed,omitempty"`
	// Names are the tables that were in the check, "db.name"; empty: not known.
	Names []string `json:"names,omitempty"`
}

// Check is a full check.
type Check struct {
	Run     string `json:"run"` // the ledger's name of it; a watch that builds on it names it
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	// Links are the ways of replication as they were when its first process began.
	Links []Link `json:"links,omitempty"`
	Coverage
}

// Link is one direction of replication between two nodes.
type Link struct {
	From     string        `json:"from"` // "old", "new", "converter"
	To       string        `json:"to"`
	Running  bool          `json:"running"`
	Lag      time.Duration `json:"lag"`
	LagKnown bool          `json:"lag_known"`
	Error    string        `json:"error,omitempty"`
	Skips    bool          `json:"skips,omitempty"`  // errors or transactions are skipped, or rows applied idempotently
	Strict   []string      `json:"strict,omitempty"` // what ends that: statements at To, or words
	// Since is from when on the link is known to have run without a break; zero: not known.
	Since time.Time `json:"since,omitzero"`
	// Threads are the ids of its receiver and its applier at To, with when that server was started: the same ids of the same
	// start are an unbroken run. nil: not known.
	Threads *Threads `json:"threads,omitempty"`
	// Quiet is from when on To's own log tells that nothing came over the link but by one unbroken run. It is looked for where
	// the threads are not those of the look before. Zero: not known, or they are the same.
	Quiet time.Time `json:"quiet,omitzero"`
	// Logs says that what comes over the link is in To's own log. It takes a new start of To to change that.
	Logs  bool   `json:"logs,omitempty"`
	Grant string `json:"grant,omitempty"` // lets the account see them at To; "" if it lacks no privilege
	Words Words  `json:"words,omitempty"` // of the server at To
}

// Threads are the connection ids of a channel's threads.
type Threads struct {
	Receiver int64     `json:"receiver"`
	Applier  int64     `json:"applier"`
	Started  time.Time `json:"started"` // of the server, to a second or so
}

// Sync is the state of replication at a moment.
type Sync struct {
	Links []Link `json:"links"`
}

// Step is auto_increment_increment with auto_increment_offset.
type Step struct {
	Increment int `json:"increment"`
	Offset    int `json:"offset"`
}

// Session is a live connection.
type Session struct {
	ID   uint64 `json:"id"`
	User string `json:"user"`
	Host string `json:"host"`
	// Node is the replica that it is connected to; "": it is old or new itself.
	Node string `json:"node,omitempty"`
}

// BusySession is a live connection that is at a statement.
type BusySession struct {
	Session
	Seconds int64 `json:"seconds"`
}

// StepSide is one side's step.
type StepSide struct {
	Global         Step  `json:"global"`
	Persisted      *Step `json:"persisted,omitempty"` // nil: not persisted
	PersistedKnown bool  `json:"persisted_known"`     // the server can persist, and tells
	SessionsSeen   bool  `json:"sessions_seen"`       // the step of each live session is known
	// Stale are sessions that have another step than Global. Where the server shows no session's step, they are those that
	// may have: they began before Global was seen first.
	Stale []Session `json:"stale,omitempty"`
	// Hidden: the server shows no session's step. Mark is the highest connection id of when Global was seen first: who
	// has a higher one began with it. 0: nobody began with another one, or it is not known.
	Hidden     bool   `json:"hidden,omitempty"`
	Mark       uint64 `json:"mark,omitempty"`
	Overridden string `json:"overridden,omitempty"` // what sets the step besides us, such as Galera
	// Busy are sessions that did not show their step, since they are at a statement, with how long they have been.
	Busy []BusySession `json:"busy,omitempty"`
	// Grant is the statement that lets the account see the steps; "" if it lacks no privilege.
	Grant string `json:"grant,omitempty"`
}

// Steps are both sides' steps.
type Steps struct {
	Old StepSide `json:"old"`
	New StepSide `json:"new"`
	// Nodes are the other nodes of the sides' Galera clusters and replication groups, which take writes as old and new do, or
	// may as soon as the group chooses another primary.
	Nodes []StepNode `json:"nodes,omitempty"`
	// Unplanned says of a side that its Galera cluster or group has nodes that the plan does not name.
	Unplanned []string `json:"unplanned,omitempty"`
}

// StepNode is the step of a further node that takes writes or may.
type StepNode struct {
	Name    string `json:"name"`              // as the plan names it
	Side    string `json:"side"`              // "old" or "new"
	Trouble string `json:"trouble,omitempty"` // why it was not reached
	StepSide
}

// node is what is known of a further node that takes writes.
func (c Steps) node(name string) (StepNode, bool) {
	i := slices.IndexFunc(c.Nodes, func(n StepNode) bool { return n.Name == name })
	if i < 0 {
		return StepNode{}, false
	}
	return c.Nodes[i], true
}

// Mark is StepSide.Mark and Global of a server by its name; false where there is none.
func (c Steps) Mark(name string) (mark uint64, global Step, ok bool) {
	switch name {
	case "old":
		return c.Old.Mark, c.Old.Global, true
	case "new":
		return c.New.Mark, c.New.Global, true
	}
	n, ok := c.node(name)
	return n.Mark, n.Global, ok
}

// StepRestored is the step of new, and of its nodes that the plan names, after old was drained.
type StepRestored struct {
	New       StepSide   `json:"new"`
	Nodes     []StepNode `json:"nodes,omitempty"`
	Unplanned []string   `json:"unplanned,omitempty"` // as in Steps
}

// Watch is the status of a running watch.
type Watch struct {
	Running     bool           `json:"running"`
	Since       time.Time      `json:"since"`                 // the account is without a gap from here on
	BaseRun     string         `json:"base_run,omitempty"`    // Check.Run of the check that the account builds on without a gap
	LastFailure time.Time      `json:"last_failure,omitzero"` // of the newest finding that fails; zero: none
	Failures    map[string]int `json:"failures,omitempty"`    // findings that fail, by kind
	Differ      int            `json:"differ"`                // rows proven different and not found equal since
	Open        int            `json:"open"`                  // rows under doubt
	Blind       []string       `json:"blind,omitempty"`       // pieces of the logs that were not judged
	Troubles    []string       `json:"troubles,omitempty"`    // of replication and steps, now
	Mend        []string       `json:"mend,omitempty"`        // statements with their sides that mend troubles, as far as there are
	OldThrough  string         `json:"old_through,omitempty"` // verified through these positions
	NewThrough  string         `json:"new_through,omitempty"`
}

// Traffic is who uses the servers, over the Window before the evidence was taken.
type Traffic struct {
	SessionsSeen bool      `json:"sessions_seen"` // the account sees all sessions on both sides
	AppOnOld     []Session `json:"app_on_old"`    // on old and on its replicas
	AppOnNew     int       `json:"app_on_new"`
	// ReadersOnNew are its sessions on replicas of new, and Unreached the replicas whose sessions are not known.
	ReadersOnNew int      `json:"readers_on_new,omitempty"`
	Unreached    []string `json:"unreached,omitempty"`
	WritesSeen   bool     `json:"writes_seen"` // the counts of writes were measured
	OldWrites    int64    `json:"old_writes"`  // transactions of old's own
	NewWrites    int64    `json:"new_writes"`
	// WritersTold says that new's log tells which session wrote, and NewByApp counts what sessions of the application wrote,
	// as far as they were seen.
	WritersTold bool          `json:"writers_told,omitempty"`
	NewByApp    int64         `json:"new_by_app,omitempty"`
	Window      time.Duration `json:"window"` // nanoseconds
	// Grants are the statements, each with its side, that let the account see the sessions that it does not, Count what lets
	// writes be counted that were not.
	Grants []string `json:"grants,omitempty"`
	Count  []string `json:"count,omitempty"`
}

// ReadsSwitch is somebody's word that the application reads from new, with what was seen.
type ReadsSwitch struct {
	By       string    `json:"by"`
	Switched time.Time `json:"switched"`
	Traffic
}

// WritesSwitch is somebody's word that the application writes to new, with what was seen.
type WritesSwitch struct {
	By       string    `json:"by"`
	Switched time.Time `json:"switched"`
	Traffic
}

// Drained tells whether anything comes from old still.
type Drained struct {
	Since        time.Time `json:"since"` // no write of old's own from here on
	SessionsSeen bool      `json:"sessions_seen"`
	AppOnOld     []Session `json:"app_on_old"`          // on old and on its replicas
	Unreached    []string  `json:"unreached,omitempty"` // replicas of old whose sessions are not known
	OldWrites    int64     `json:"old_writes"`          // since then; above 0 contradicts Since
	// EchoesComplete says that all of old's transactions through OldThrough are known to have been applied on new.
	EchoesComplete bool     `json:"echoes_complete"`
	OldThrough     string   `json:"old_through"`
	Grants         []string `json:"grants,omitempty"` // that let the account see the sessions that it does not, each with its side
}

// ReadOnly is a window in which old takes no writes, with both servers' positions. Its t2 is
// Evidence.Taken; it is measured again and again while the window is open.
type ReadOnly struct {
	T1            time.Time `json:"t1,omitzero"`     // when the window was first measured
	ReadOnly      bool      `json:"read_only"`       // old's read_only at t1 and at t2
	SuperReadOnly bool      `json:"super_read_only"` // or the server has none and no account with SUPER was connected
	// NoSuper says that the server has no super_read_only. Then Above are the sessions that may write in spite of read_only,
	// and AboveUnseen says why they are not known; "" if they are.
	NoSuper     bool      `json:"no_super,omitempty"`
	Above       []Session `json:"above,omitempty"`
	AboveUnseen string    `json:"above_unseen,omitempty"`
	AboveGrant  string    `json:"above_grant,omitempty"` // with its side: lets the account see them
	Since       time.Time `json:"since"`                 // old is known to be read only from here on
	OldT1       string    `json:"old_t1"`                // old's position at t1
	OldT2       string    `json:"old_t2"`
	// NewApplied is how far new has applied old's log at t2, in the form of OldT2, so that equal texts mean equal positions.
	NewApplied string `json:"new_applied"`
	// Extra are transactions on new that old does not have; "" if none.
	Extra string `json:"extra,omitempty"`
	// NewThrough is new's position up to which its log is known to hold no transaction of its own; "" where that was not
	// read from its log.
	NewThrough string `json:"new_through,omitempty"`
}

// GTIDNode is one node on the way to GTIDs.
type GTIDNode struct {
	Name      string `json:"name"` // "old", "new", "converter", or an address
	UUID      string `json:"uuid"`
	Reachable bool   `json:"reachable"`
	Mode      string `json:"mode"` // gtid_mode: OFF, OFF_PERMISSIVE, ON_PERMISSIVE, ON
	Enforced  bool   `json:"enforced"`
	Anonymous int64  `json:"anonymous"` // Ongoing_anonymous_transaction_count; below 0: not known
	Ladder    Ladder `json:"ladder,omitempty"`
}

// Ladder is how a server's gtid_mode is changed.
type Ladder string

// The ladders. "" says that it is not known.
const (
	LadderPersist Ladder = "persist" // while it runs, and kept by SET PERSIST
	LadderGlobal  Ladder = "global"  // while it runs; only the option file keeps it
	LadderRestart Ladder = "restart" // only by a restart
	LadderNone    Ladder = "none"    // there is no such mode
)

// GTID is the GTID mode of every node.
type GTID struct {
	Nodes []GTIDNode `json:"nodes"`
}

// ConverterNode is one node that may assign GTIDs.
type ConverterNode struct {
	Name      string `json:"name"`
	UUID      string `json:"uuid"`
	Reachable bool   `json:"reachable"`
	Assigns   bool   `json:"assigns"` // one of its channels has ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS other than OFF
	// Channels are the names of those that have, with how many channels the node has at all.
	Channels []string `json:"channels,omitempty"`
	Of       int      `json:"of,omitempty"`
	FromOld  []string `json:"from_old,omitempty"` // of Channels, those of another node than the converter that read from old itself
}

// Converter is the proof that one node alone assigns GTIDs.
type Converter struct {
	Nodes []ConverterNode `json:"nodes"`
	// Compared is how many transactions were compared by fingerprint; Alarms are those that have two GTIDs, and the GTIDs
	// that name two.
	Compared int64    `json:"compared"`
	Alarms   []string `json:"alarms,omitempty"`
	// From is where the reading of nodes' logs went on, by name, behind anonymous transactions, which a server that has GTIDs
	// does not send. What is between the first of them and there was not compared.
	From map[string]string `json:"from,omitempty"`
}

// Schema is how the two schemas compare.
type Schema struct {
	Tables      int       `json:"tables"`
	Complete    bool      `json:"complete"`
	Differences []Finding `json:"differences"`
}

// Config is how the two configurations compare.
type Config struct {
	Variables   int       `json:"variables"`
	Complete    bool      `json:"complete"`
	Differences []Finding `json:"differences"`
}

// RestoredCopy is a check of a server that was restored from a backup in the new version.
type RestoredCopy struct {
	Copy    string `json:"copy"` // its server_uuid; new's where new is that copy
	Version string `json:"version"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	Coverage
}

// Rehearsal is the certificate of another run.
type Rehearsal struct {
	Certificate string `json:"certificate"` // SHA-256 of the file
	Key         string `json:"key"`         // fingerprint of the key that signed it
	Verified    bool   `json:"verified"`
	Path        string `json:"path"`
	// Verdict is "pass" if all gates of the certificate's path passed, and Overrides counts what was overridden. A rehearsal
	// has none before it, so that its own gate of that name may be overridden and does not count.
	Verdict   string    `json:"verdict"`
	Overrides int       `json:"overrides"`
	Issued    time.Time `json:"issued"`
}

// Metric is one measure of health. Bad is the judgment of who measured, by new's value against old's baseline.
type Metric struct {
	Name     string  `json:"name"`
	Old      float64 `json:"old"`
	New      float64 `json:"new"`
	Limit    float64 `json:"limit"`
	Bad      bool    `json:"bad"`
	Measured bool    `json:"measured"`
	Need     string  `json:"need,omitempty"` // what would make it measurable; "": a later look
}

// Health is new's health from Since to when the evidence was taken.
type Health struct {
	Since   time.Time `json:"since"`
	Metrics []Metric  `json:"metrics"`
}

// SignOff is somebody's signature under the migration.
type SignOff struct {
	By   string `json:"by"`
	Note string `json:"note,omitempty"`
}

// Override opens a gate without its proof.
type Override struct {
	Gate string `json:"gate"`
	By   string `json:"by"`
	Why  string `json:"why"`
}

// Hook is how a gate's hook ended.
type Hook struct {
	Gate     string   `json:"gate"`
	Command  []string `json:"command"`
	Exit     int      `json:"exit"`
	TimedOut bool     `json:"timed_out,omitempty"`
	Output   string   `json:"output,omitempty"` // its last line
}

// Action is a change that crosscheck made to a server, or would have made.
type Action struct {
	Name       string   `json:"name"`    // "set-steps", "kill-stale-sessions", "restore-step"
	Applied    bool     `json:"applied"` // false: a dry run
	Statements []string `json:"statements"`
	Error      string   `json:"error,omitempty"`
}

// Decision records that a gate was judged. It proves nothing: Judge goes back to its time and judges anew what there was.
type Decision struct {
	Gate   string       `json:"gate"`
	State  State        `json:"state"`
	Rested []EvidenceID `json:"rested"`
}

// Unmeasured says that evidence of a kind was to be taken and could not be.
type Unmeasured struct {
	Of  Kind   `json:"of"`
	Why string `json:"why"`
	Do  string `json:"do,omitempty"` // the statement with its node that lets it be taken; "": not known
}

// The kinds of the contents.
func (Preflight) Kind() Kind    { return KindPreflight }
func (Check) Kind() Kind        { return KindCheck }
func (Sync) Kind() Kind         { return KindSync }
func (Steps) Kind() Kind        { return KindSteps }
func (StepRestored) Kind() Kind { return KindStepRestored }
func (Watch) Kind() Kind        { return KindWatch }
func (ReadsSwitch) Kind() Kind  { return KindReadsSwitch }
func (WritesSwitch) Kind() Kind { return KindWritesSwitch }
func (Drained) Kind() Kind      { return KindDrained }
func (ReadOnly) Kind() Kind     { return KindReadOnly }
func (GTID) Kind() Kind         { return KindGTID }
func (Converter) Kind() Kind    { return KindConverter }
func (Schema) Kind() Kind       { return KindSchema }
func (Config) Kind() Kind       { return KindConfig }
func (RestoredCopy) Kind() Kind { return KindRestoredCopy }
func (Rehearsal) Kind() Kind    { return KindRehearsal }
func (Health) Kind() Kind       { return KindHealth }
func (SignOff) Kind() Kind      { return KindSignOff }
func (Override) Kind() Kind     { return KindOverride }
func (Hook) Kind() Kind         { return KindHook }
func (Action) Kind() Kind       { return KindAction }
func (Decision) Kind() Kind     { return KindDecision }
func (Unmeasured) Kind() Kind   { return KindUnmeasured }
