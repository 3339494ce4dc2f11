package binlog

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"

	"crosscheck/cluster/gtid"
)

const (
	// partBytes is how much of a transaction is delivered at once, in bytes of
	// the log. Decoded rows take about four times as much memory.
	partBytes = 1 << 20
	// valueChunk is how many Values are allocated at once.
	valueChunk = 2048
	// maxGrow is for how many changes there is room made at once.
	maxGrow = 1024
)

// mapped is a table map of the current connection with its plan.
type mapped struct {
	body    []byte // of the event, to see that it is the same as before
	tm      *tableMap
	watched bool
	plan    *plan // nil until rows come
	epoch   int   // of the schema that the plan was made with
}

// assembler turns events into transactions. It does no I/O; definitions come
// from a schema that its owner fills.
type assembler struct {
	mariaDB bool
	exact   bool // see Options.ExactNames
	watch   func(schema, table string) bool
	sums    bool // see Options.Sums
	raw     bool // see Options.Raw
	schema  *schemaCache

	fmt    format
	tables map[uint64]*mapped
	file   string // the log file that events come from
	pos    gtid.Position

	cur    *Transaction // nil between transactions
	opened bool         // cur has seen its BEGIN
	alone  bool         // cur ends with its first statement
	xaEnd  bool
	bytes  int // of the log in cur since the last part
	rows   int // row changes seen in cur, delivered or not
	skip   int // row changes of cur that were delivered before a reconnect
	parts  int // parts of cur delivered

	values []Value
	text   arena
	inner  *payload

	ready []*Transaction
	// lastEvent is when the newest event was logged, for reports of the lag.
	lastEvent uint32
	// logged is what was read from a MariaDB's log itself: its position may hold
	// domains besides that were never logged.
	logged  map[uint32]gtid.MariaGTID // by domain
	resume  *resume
	created map[string]uint32 // per log file, when it was made
}

// errBackward is the sign that the server's log was reset under the connection.
var errBackward = errors.New("the log's position moved backward")

// feed takes one event as it came off the wire. Finished parts are in ready.
func (a *assembler) feed(raw []byte) error {
	e, err := parseEvent(raw, a.fmt.checksum)
	if err != nil {
		return err
	}
	if err = a.handle(e); err != nil {
		return fmt.Errorf("%s event ending at %s:%d: %w", e.typ, a.file, e.logPos, err)
	}
	return nil
}

// feedInner takes the next event of a compressed transaction; more tells
// whether there are others.
func (a *assembler) feedInner() (more bool, err error) {
	raw, err := a.inner.next()
	if err != nil {
		a.inner.close()
		a.inner = nil
		if isEOF(err) {
			return false, nil
		}
		return false, err
	}
	e, err := parseEvent(raw, false)
	if err != nil {
		return false, err
	}
	e.logPos = a.inner.logPos
	if err = a.handle(e); err != nil {
		return false, fmt.Errorf("%s event inside a compressed transaction ending at %s:%d: %w", e.typ, a.file, e.logPos, err)
	}
	return true, nil
}

func (a *assembler) handle(e event) error {
	if e.timestamp != 0 && !e.artificial() {
		a.lastEvent = e.timestamp
	}
	if kind, _, _ := rowsKind(e.typ); kind != 0 {
		return a.rowsEvent(e)
	}
	switch e.typ {
	case replication.TABLE_MAP_EVENT:
		return a.tableMapEvent(e)
	case replication.GTID_EVENT, replication.ANONYMOUS_GTID_EVENT, replication.GTID_TAGGED_LOG_EVENT:
		return a.open(e, parseMySQLGTID)
	case replication.MARIADB_GTID_EVENT:
		return a.open(e, parseMariaGTID)
	case replication.QUERY_EVENT, replication.MARIADB_QUERY_COMPRESSED_EVENT:
		return a.queryEvent(e)
	case replication.XID_EVENT:
		a.commit(e)
		return nil
	case replication.XA_PREPARE_LOG_EVENT:
		return a.xaPrepareEvent(e)
	case replication.TRANSACTION_PAYLOAD_EVENT:
		p, err := openPayload(e)
		a.inner = p
		return err
	default:
		return a.otherEvent(e)
	}
}

// otherEvent handles what is no part of a normal transaction.
func (a *assembler) otherEvent(e event) error {
	switch e.typ {
	case replication.FORMAT_DESCRIPTION_EVENT:
		f, err := parseFormat(e)
		if err != nil {
			return err
		}
		a.fmt = f
		if f.started > 0 && a.cur == nil {
			a.ready = append(a.ready, &Transaction{Position: a.position(), Heartbeat: true, Last: true, Started: time.Unix(int64(f.started), 0).UTC()})
		}
		return a.sameFile(f)
	case replication.ROTATE_EVENT:
		return a.rotate(e)
	case replication.HEARTBEAT_EVENT, replication.HEARTBEAT_LOG_EVENT_V2:
		return a.heartbeat(e)
	case replication.INCIDENT_EVENT:
		a.begin(e)
		a.incident(Incident{Kind: LostEvents, Detail: "the server logged an incident: events may be missing here"})
		if !a.opened {
			a.commit(e)
		}
		return nil
	case replication.INTVAR_EVENT, replication.RAND_EVENT, replication.USER_VAR_EVENT,
		replication.BEGIN_LOAD_QUERY_EVENT, replication.APPEND_BLOCK_EVENT:
		return nil // the statement itself follows
	case replication.EXECUTE_LOAD_QUERY_EVENT:
		a.begin(e)
		a.statement("LOAD DATA")
		if !a.opened {
			a.commit(e)
		}
		return nil
	default:
		a.advance(e)
	}
	return nil
}

// advance moves the position past an event between transactions.
func (a *assembler) advance(e event) {
	if a.cur == nil && e.logPos > 0 && !e.artificial() {
		a.moveTo(gtid.FilePos{File: a.file, Pos: uint64(e.logPos)})
	}
}

// moveTo sets the place in the log, but never backward: a dump by GTID begins
// with the head of a file that was read long ago.
func (a *assembler) moveTo(place gtid.FilePos) {
	if c, err := place.Compare(a.pos.File); a.pos.File.IsZero() || err == nil && c > 0 {
		a.pos.File = place
	}
}

func (a *assembler) rotate(e event) error {
	if len(e.body) < 9 {
		return errShort
	}
	name, at := string(e.body[8:]), littleEndian(e.body[:8])
	if i := bytes.IndexByte(e.body[8:], 0); i >= 0 {
		name = name[:i]
	}
	a.file = name
	if a.cur == nil {
		a.moveTo(gtid.FilePos{File: name, Pos: at})
	}
	return nil
}

// heartbeat says that the server has nothing more to send. It carries the place
// up to which everything was sent.
func (a *assembler) heartbeat(e event) error {
	if a.cur != nil {
		return nil
	}
	name := a.file
	h := &replication.HeartbeatEvent{Version: 1}
	if e.typ == replication.HEARTBEAT_LOG_EVENT_V2 {
		h.Version = 2
	}
	if err := guard(h.Decode, e.body); err != nil {
		return err
	}
	at := uint64(e.logPos)
	if h.Version == 2 {
		at = h.Offset
	}
	if h.Filename != "" {
		name = h.Filename
	}
	place := gtid.FilePos{File: name, Pos: at}
	if at > 0 && name == a.file && !a.pos.File.IsZero() {
		c, err := place.Compare(a.pos.File)
		switch {
		case err == nil && c < 0 && a.pos.Kind == gtid.File:
			return errBackward
		case err == nil && c > 0:
			a.pos.File = place
		}
	}
	a.ready = append(a.ready, &Transaction{Position: a.position(), Heartbeat: true, Last: true})
	return nil
}

// position is a copy of the tail's position that later events do not change.
func (a *assembler) position() gtid.Position {
	p := a.pos
	p.MySQL = p.MySQL.Clone()
	return p
}

// open starts a transaction with its GTID.
func (a *assembler) open(e event, parse func(event) (begin, error)) error {
	b, err := parse(e)
	if err != nil {
		return err
	}
	a.fresh(e)
	t := a.cur
	t.GTID, t.Mark, t.OriginUUID, t.ThreadID = b.name, b.mark, b.origin, b.thread
	a.opened, a.alone = b.opens, b.standalone
	if !b.commitTime.IsZero() {
		t.CommitTime = b.commitTime
	}
	t.OriginTime = b.originTime
	a.match()
	return nil
}

// begin makes sure that there is a current transaction.
func (a *assembler) begin(e event) {
	if a.cur == nil {
		a.fresh(e)
		a.match()
	}
}

func (a *assembler) fresh(e event) {
	a.cur = &Transaction{ServerID: e.serverID, CommitTime: time.Unix(int64(e.timestamp), 0).UTC()}
	a.opened, a.alone, a.xaEnd, a.bytes, a.rows, a.parts = false, false, false, 0, 0, 0
	a.skip = 0
}

func (a *assembler) queryEvent(e event) error {
	q, err := parseQuery(e.body, e.typ == replication.MARIADB_QUERY_COMPRESSED_EVENT)
	if err != nil {
		return err
	}
	class := classify(q.text)
	a.begin(e)
	if a.cur.ThreadID == 0 {
		a.cur.ThreadID = uint64(q.thread)
	}
	a.bytes += e.size
	switch class {
	case classBegin:
		a.opened = true
	case classInside, classXAEnd:
	case classCommit:
		a.commit(e)
	case classRollback:
		a.cur.RolledBack = true
		a.commit(e)
	case classXAStart:
		a.opened = true
		a.cur.XID = xidOf(q.text)
	case classXACommit, classXARollback:
		a.cur.XID, a.cur.XA = xidOf(q.text), XACommitted
		if class == classXARollback {
			a.cur.XA = XARolledBack
		}
		a.commit(e)
	case classDML:
		a.statement(q.text)
		if !a.opened {
			a.commit(e)
		}
	case classOther:
		a.ddl(q)
		if !a.opened {
			e.timestamp += q.took // it bears the time of its begin, and may have waited for others
			a.commit(e)
		}
	}
	return nil
}

// ddl records a statement that may change tables.
func (a *assembler) ddl(q query) {
	d := DDL{Schema: q.schema, Statement: q.text, Modes: q.vars.modes, Known: q.vars.known, Exact: a.exact}
	if q.vars.inCharset {
		d.Charset = a.schema.names[uint64(q.vars.charset)]
	}
	if e := d.Effect(); e.dml { // MariaDB: SET STATEMENT … FOR one that changes rows
		a.statement(q.text)
		return
	}
	a.cur.DDL = append(a.cur.DDL, d)
	a.schema.changed(&d)
}

// statement records a change that was logged as its statement. The text stays
// out of the incident: it holds values.
func (a *assembler) statement(text string) {
	a.cur.Statement = true
	word, _ := nextWord(text)
	a.incident(Incident{Kind: StatementDML, Detail: word + " was logged as its statement, not as rows"})
}

func (a *assembler) incident(i Incident) {
	for _, old := range a.cur.Incidents {
		if old == i {
			return
		}
	}
	a.cur.Incidents = append(a.cur.Incidents, i)
}

func (a *assembler) xaPrepareEvent(e event) error {
	onePhase, xid, err := xaPrepare(e.body)
	if err != nil {
		return err
	}
	a.begin(e)
	if a.cur.XID == "" {
		a.cur.XID = xid
	}
	if !onePhase {
		a.cur.XA = XAPrepared
	}
	a.commit(e)
	return nil
}

// commit ends the current transaction and moves the position past it.
func (a *assembler) commit(e event) {
	a.begin(e)
	t := a.cur
	if e.logPos > 0 {
		t.Mark.File = gtid.FilePos{File: a.file, Pos: uint64(e.logPos)}
		a.pos.File = t.Mark.File
	}
	if t.CommitTime.Nanosecond() == 0 && e.timestamp > 0 && t.OriginTime.IsZero() {
		t.CommitTime = time.Unix(int64(e.timestamp), 0).UTC()
	}
	if a.pos.Kind != gtid.File || !a.pos.MySQL.IsEmpty() {
		a.pos.MySQL.Add(t.Mark.MySQL)
	}
	if t.Mark.MariaDB.Seq > 0 {
		a.pos.MariaDB = a.pos.MariaDB.With(t.Mark.MariaDB)
		if a.logged == nil {
			a.logged = map[uint32]gtid.MariaGTID{}
		}
		a.logged[t.Mark.MariaDB.Domain] = t.Mark.MariaDB
	}
	t.Position, t.Last, t.Part = a.position(), true, a.parts
	a.ready = append(a.ready, t)
	a.cur, a.skip = nil, 0
}

// loggedPos is what was read from a MariaDB's log itself, as a position.
func (a *assembler) loggedPos() (p gtid.MariaPos) {
	for _, g := range a.logged {
		p = p.With(g)
	}
	return p
}

// split delivers a part of a large transaction.
func (a *assembler) split() {
	t := *a.cur
	t.Part = a.parts
	a.parts++
	a.ready = append(a.ready, &t)
	a.cur.Changes, a.cur.DDL, a.cur.Incidents, a.cur.Statement = nil, nil, nil, false
	a.bytes = 0
}
