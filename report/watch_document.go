package report

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"crosscheck/checksum"
	"crosscheck/conflict"
	"crosscheck/conflict/watch"
)

// WatchSchema names the document of one finding of a watch, WatchSummarySchema that of how things stand. Fields may be
// added under the same names; a changed meaning gets a new one.
const (
	WatchSchema        = "crosscheck/watch/v1"
	WatchSummarySchema = "crosscheck/watch-summary/v1"
)

// WatchFinding is one finding as JSON. Slices are never null.
type WatchFinding struct {
	Schema      string          `json:"schema"`
	ID          string          `json:"id"`
	Found       *time.Time      `json:"found"`
	Kind        conflict.Kind   `json:"kind"`
	Benign      bool            `json:"benign"` // both sides ended up equal
	Table       string          `json:"table"`  // "schema.table"; "" if none or any
	Index       []string        `json:"index"`  // columns of the key that collided
	Key         Key             `json:"key"`
	More        [][]string      `json:"more"` // further unique keys in which the same rows collide
	Old         *WatchAct       `json:"old"`  // null: this side has no part in it
	New         *WatchAct       `json:"new"`
	Session     *WatchSession   `json:"session"` // the writer, old's where both sides wrote, where it was seen alive
	Advice      string          `json:"advice"`
	Possible    bool            `json:"possible"` // rests on an echo that cannot be tied to one original for sure
	Reason      conflict.Reason `json:"reason"`
	Detail      string          `json:"detail"`
	ValuesShown bool            `json:"values_shown"`
}

// WatchAct is what one side did.
type WatchAct struct {
	Position string        `json:"position"` // file:position behind the transaction
	GTID     string        `json:"gtid"`
	Thread   uint64        `json:"thread"`            // 0 unknown
	Session  *WatchSession `json:"session,omitempty"` // that of the thread, where it was seen alive
	Time     *time.Time    `json:"time"`              // of the commit; null unknown
	Op       string        `json:"op"`                // "" for what is no row change
	Table    string        `json:"table"`
	Key      Key           `json:"key"` // of the row itself
	Before   Image         `json:"before"`
	After    Image         `json:"after"`
	Dropped  bool          `json:"images_dropped"` // for want of memory; they can be read again at the position
}

// Image is a row as an object of its columns, in the table's order; null if there is none. Unless values are shown, what
// is not part of a key is masked: only its kind and length are said.
type Image []KeyPart

// MarshalJSON implements json.Marshaler.
func (i Image) MarshalJSON() ([]byte, error) {
	if i == nil {
		return []byte("null"), nil
	}
	return Key(i).MarshalJSON()
}

// WatchSession is a live connection.
type WatchSession struct {
	Thread uint64    `json:"thread"`
	User   string    `json:"user"`
	Host   string    `json:"host"`
	Step   WatchStep `json:"step"`
}

// WatchStep is auto_increment_increment and auto_increment_offset.
type WatchStep struct {
	Increment uint64 `json:"increment"`
	Offset    uint64 `json:"offset"`
}

// WatchSummary is how things stand as JSON. Slices are never null.
type WatchSummary struct {
	Schema      string         `json:"schema"`
	Verdict     watch.Verdict  `json:"verdict"`
	Reason      string         `json:"reason"`
	Statement   string         `json:"statement"` // what is proven, in one sentence
	At          time.Time      `json:"at"`
	Started     time.Time      `json:"started"`
	Since       time.Time      `json:"since"` // beginning of the account; before started if it was continued
	Resumed     bool           `json:"resumed"`
	Final       bool           `json:"final"`
	Findings    KindCounts     `json:"findings"`
	Pairs       KindCounts     `json:"pairs"`   // concurrent pairs of changes; a run of them makes one finding
	Total       uint64         `json:"total"`   // all findings
	Failing     uint64         `json:"failing"` // those that make the account fail, whatever follows
	Benign      uint64         `json:"benign"`
	Old         WatchSide      `json:"old"`
	New         WatchSide      `json:"new"`
	Base        *WatchBase     `json:"base"`
	Scopes      []WatchScope   `json:"scopes"`
	Unverified  []string       `json:"unverified"`          // watched tables for whose rows the account does not speak
	Sequences   []string       `json:"sequences,omitempty"` // watched, but what they give next is not judged
	Changes     uint64         `json:"changes"`             // of both sides
	Verified    uint64         `json:"verified"`
	Waiting     int            `json:"waiting"`
	Questions   int            `json:"questions"`
	Doubts      int            `json:"doubts"`
	WindowBytes int            `json:"window_bytes"`
	Rechecks    WatchRechecks  `json:"rechecks"`
	Nodes       []WatchNode    `json:"nodes"`  // besides old and new
	Copies      []WatchCopy    `json:"copies"` // of the replicas that are watched, by their own logs
	Health      []WatchTrouble `json:"health"`
	Forecast    []string       `json:"forecast"`
	Blind       []string       `json:"blind"`
	NotWritten  int            `json:"findings_not_written"` // findings whose lines nobody took in time

	// Listed are the findings that the table and Markdown forms list; in JSON each has a line of its own.
	Listed []WatchFinding `json:"-"`
}

// KindCounts counts by kind. In JSON it is an object of all kinds in the order of reports.
type KindCounts map[conflict.Kind]uint64

// MarshalJSON implements json.Marshaler.
func (c KindCounts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, k := range conflict.Kinds() {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		fmt.Fprintf(&b, "%c%q:%d", sep, k, c[k])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// WatchSide is one side of a summary.
type WatchSide struct {
	Addr                  string         `json:"addr"`
	ServerUUID            string         `json:"server_uuid"`
	Version               string         `json:"version"`
	Position              string         `json:"position"` // end of what was read
	Through               string         `json:"through"`  // up to here all of its changes have arrived or are settled
	Reading               bool           `json:"reading"`
	LagSeconds            float64        `json:"lag_seconds"`
	TransactionsPerSecond float64        `json:"transactions_per_second"`
	ChangesPerSecond      float64        `json:"changes_per_second"`
	Reconnects            int            `json:"reconnects"`
	Step                  WatchStep      `json:"step"`
	Sessions              int            `json:"sessions"`
	Stale                 []WatchSession `json:"stale_sessions"`
	Applier               string         `json:"applier"`
	ApplierLagSeconds     *int64         `json:"applier_lag_seconds"`
	Waiting               int            `json:"waiting"` // changes that have not been seen to arrive
	Transactions          uint64         `json:"transactions"`
	Changes               uint64         `json:"changes"`
	Verified              uint64         `json:"verified"`
	Explained             uint64         `json:"explained"` // collided, or the echo differs or is missing because of a collision
	Unjudged              uint64         `json:"unjudged"`
	Echoes                uint64         `json:"echoes"`
	EchoedChanges         uint64         `json:"echoed_changes"`
	ThirdSource           uint64         `json:"third_source_changes"`
	ForeignEchoes         uint64         `json:"echoes_of_earlier"`
}

// WatchNode is a node besides old and new.
type WatchNode struct {
	Node       string   `json:"node"` // "new-1"
	Side       string   `json:"side"`
	Addr       string   `json:"addr"`
	ServerUUID string   `json:"server_uuid"`
	Version    string   `json:"version"`
	Watched    bool     `json:"watched"` // false: it was found, and is only named
	Reached    bool     `json:"reached"`
	Trouble    string   `json:"trouble"` // why it was not reached, or what stops its replication
	LagSeconds *int64   `json:"lag_seconds"`
	ReadOnly   bool     `json:"read_only"`
	Filters    []string `json:"filters"`
	Errant     string   `json:"errant"` // transactions that no node above it has
	Sessions   int      `json:"sessions"`
	Position   string   `json:"position"`
}

// WatchCopy is what a replica's own log says of its rows.
type WatchCopy struct {
	Node       string           `json:"node"`
	Side       string           `json:"side"`
	State      watch.CopyState  `json:"state"`  // verified, pending, doubted or not verified
	Reason     string           `json:"reason"` // why it is not verified
	Base       int64            `json:"base"`   // the run of the check that it builds on; 0: it speaks for changes only
	Verified   uint64           `json:"verified"`
	Waiting    int              `json:"waiting"` // transactions
	Through    *time.Time       `json:"through"` // what its side had logged by then has arrived
	Doubts     []WatchCopyDoubt `json:"doubts"`  // the first of them
	Doubted    int              `json:"doubted"` // all of them
	Unverified []string         `json:"unverified"`
}

// WatchCopyDoubt is a row of a copy that is not as its side logged it.
type WatchCopyDoubt struct {
	Table string `json:"table"` // "" if it is not known
	Key   Key    `json:"key"`   // empty if it is not known
	What  string `json:"what"`  // missing, differs or extra; or what could not be compared
	GTID  string `json:"gtid"`  // or where the transaction stands
	Rows  int    `json:"rows"`
}

// state is how the node is, in a few words.
func (n *WatchNode) state() string {
	switch {
	case !n.Watched:
		return "not watched"
	case !n.Reached:
		return "does not answer"
	case n.Trouble != "":
		return n.Trouble
	case n.Errant != "":
		return "has transactions of its own"
	case n.LagSeconds == nil:
		return "lag not known"
	}
	return number(*n.LagSeconds) + " s behind"
}

// WatchBase is the check that the account builds on.
type WatchBase struct {
	Run      int64     `json:"run"`
	Finished time.Time `json:"finished"`
	Tables   int       `json:"tables"`
	Rows     int64     `json:"rows"`
	Gap      string    `json:"gap"` // why the account does not reach back to it
}

// WatchScope is what was watched from a moment on, as patterns; no include pattern means all tables.
type WatchScope struct {
	Since   time.Time `json:"since"`
	Include []string  `json:"include"`
	Exclude []string  `json:"exclude"`
}

// WatchRechecks counts rows under doubt.
type WatchRechecks struct {
	Open    int `json:"open"`
	Equal   int `json:"equal"`
	Differ  int `json:"differ"`
	Unknown int `json:"unknown"`
}

// WatchTrouble is one thing that is wrong with replication or with the steps.
type WatchTrouble struct {
	ID     string     `json:"id"`
	Side   string     `json:"side"`
	Detail string     `json:"detail"`
	Advice string     `json:"advice"`
	Since  *time.Time `json:"since"`
}

// WatchTroubleSchema names the document of a trouble that begins or ends.
const WatchTroubleSchema = "crosscheck/watch-trouble/v1"

// WatchTroubleLine says that something that is no collision begins to be wrong, or ends.
type WatchTroubleLine struct {
	Schema string    `json:"schema"`
	Kind   string    `json:"kind"`  // the trouble's stable name
	State  string    `json:"state"` // "begins" or "ends"
	At     time.Time `json:"at"`
	Side   string    `json:"side"`
	Detail string    `json:"detail"`
	Advice string    `json:"advice"`
}

// NewWatchFinding builds the document of f, found at a time that may be zero.
func NewWatchFinding(f conflict.Finding, found time.Time, o Options) WatchFinding {
	d := WatchFinding{
		Schema: WatchSchema, ID: f.ID, Found: when(found), Kind: f.Kind, Benign: f.Kind.Benign(), Table: f.Table,
		Index: orEmpty(f.Index), Key: newKey(f.Index, f.Key), More: f.More, Old: newAct(f.Old, f.Index, o),
		New: newAct(f.New, f.Index, o), Advice: f.Advice, Possible: f.Possible, Reason: f.Reason, Detail: f.Detail,
		ValuesShown: o.ShowValues,
	}
	if d.More == nil {
		d.More = [][]string{}
	}
	if f.Session != nil {
		s := newSession(*f.Session)
		d.Session = &s
	}
	return d
}

func newAct(a *conflict.Act, index []string, o Options) *WatchAct {
	if a == nil {
		return nil
	}
	d := &WatchAct{
		Position: filePosition(a.Place), GTID: a.Place.GTID, Thread: a.Thread, Time: when(a.CommitTime), Table: a.Table,
		Key: newKey(a.KeyColumns, a.Key), Dropped: a.Dropped,
	}
	if a.Op != 0 {
		d.Op = a.Op.String()
	}
	if a.Session != nil {
		one := newSession(*a.Session)
		d.Session = &one
	}
	clear := func(column string) bool {
		return o.ShowValues || slices.Contains(a.KeyColumns, column) || slices.Contains(index, column)
	}
	d.Before, d.After = newImage(a.Columns, a.Before, clear), newImage(a.Columns, a.After, clear)
	return d
}

// logValue is a value of the binary log, by what this package needs of it.
type logValue interface {
	IsNull() bool
	Known() bool
	String() string
}

func newKey[V logValue](columns []string, values []V) Key {
	k := make(Key, 0, len(values))
	for i, v := range values {
		p := KeyPart{Column: fmt.Sprintf("#%d", i+1), Text: logText(v)}
		if i < len(columns) {
			p.Column = columns[i]
		}
		k = append(k, p)
	}
	return k
}

func newImage[V logValue](columns []string, row []V, clear func(column string) bool) Image {
	if row == nil {
		return nil
	}
	k := newKey(columns, row)
	for i := range k {
		if k[i].Text == nil {
			continue
		}
		var s string
		if clear(k[i].Column) {
			s = window(*k[i].Text, 0, maxValueBytes)
		} else if s = row[i].String(); row[i].Known() || s != "<missing>" && s != "<partial>" {
			s = mask(checksum.Value{Text: s})
		}
		k[i].Text = &s
	}
	return Image(k)
}

// logText is nil for NULL, and a word in angle brackets for what is not known.
func logText(v logValue) *string {
	if v.IsNull() {
		return nil
	}
	s := printable(v.String())
	return &s
}

func newSession(s conflict.Session) WatchSession {
	return WatchSession{Thread: s.Thread, User: s.User, Host: s.Host, Step: newStep(s.Step)}
}

func newStep(s conflict.Step) WatchStep { return WatchStep{Increment: s.Increment, Offset: s.Offset} }

// when is nil for an unknown time.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Microsecond)
	return &t
}

func filePosition(p conflict.Place) string {
	if p.File.IsZero() {
		return ""
	}
	return p.File.String()
}
