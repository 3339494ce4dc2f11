package binlog

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"

	"crosscheck/cluster/gtid"
)

// event is one event with its header read and its checksum cut off.
type event struct {
	typ       replication.EventType
	timestamp uint32
	serverID  uint32
	logPos    uint32 // end of the event in its file; 0 where the server does not say
	size      int
	flags     uint16
	body      []byte
}

func (e *event) artificial() bool { return e.flags&replication.LOG_EVENT_ARTIFICIAL_F != 0 }

// parseEvent reads an event's header.
func parseEvent(raw []byte, checksum bool) (event, error) {
	if len(raw) < replication.EventHeaderSize {
		return event{}, errShort
	}
	r := &reader{b: raw}
	e := event{timestamp: uint32(r.uint(4)), typ: replication.EventType(r.byte()), serverID: uint32(r.uint(4))}
	e.size = int(r.uint(4))
	e.logPos, e.flags = uint32(r.uint(4)), uint16(r.uint(2))
	e.body = r.b
	if !checksum || e.typ == replication.FORMAT_DESCRIPTION_EVENT { // that one says itself
		return e, nil
	}
	cut := len(e.body) - replication.BinlogChecksumLength
	if cut < 0 {
		return event{}, errShort
	}
	sum := uint32(littleEndian(e.body[cut:]))
	e.body = e.body[:cut]
	// Events that the server makes up for us need not carry a right one.
	if !e.artificial() && e.logPos > 0 && crc32.ChecksumIEEE(raw[:len(raw)-replication.BinlogChecksumLength]) != sum {
		return event{}, fmt.Errorf("%s event ending at %d: %w", e.typ, e.logPos, errChecksum)
	}
	return e, nil
}

// errChecksum is an event that was damaged on the server's disk or on the way.
var errChecksum = errors.New("its checksum is wrong")

// format is what a FORMAT_DESCRIPTION event says about the events after it.
type format struct {
	checksum bool
	idSize   int // bytes of a table id
	created  uint32
	started  uint32 // when the server was started, in the first file after that; else 0
}

func parseFormat(e event) (format, error) {
	fde := &replication.FormatDescriptionEvent{}
	// The library indexes without looking: version(2), name(50), time(4), length(1).
	if len(e.body) < 57+int(replication.TABLE_MAP_EVENT)+5 {
		return format{}, errShort
	}
	if err := fde.Decode(e.body); err != nil {
		return format{}, err
	}
	f := format{idSize: 6, created: e.timestamp, started: uint32(littleEndian(e.body[52:56]))}
	f.checksum = fde.ChecksumAlgorithm == replication.BINLOG_CHECKSUM_ALG_CRC32
	if i := int(replication.TABLE_MAP_EVENT) - 1; i < len(fde.EventTypeHeaderLengths) && fde.EventTypeHeaderLengths[i] == 6 {
		f.idSize = 4
	}
	return f, nil
}

// guard turns the index errors of the library's decoders, which trust their
// input, into ordinary errors.
func guard(decode func([]byte) error, body []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errShort, r)
		}
	}()
	return decode(body)
}

// query is a QUERY event.
type query struct {
	thread uint32
	took   uint32 // seconds
	schema string
	text   string
	code   uint16
	vars   sessionVars
}

// sessionVars are the settings of the session that decide how its statement is read.
type sessionVars struct {
	modes     uint64 // sql_mode, if known
	known     bool
	charset   uint16 // number of a collation of its character set, if inCharset
	inCharset bool
}

// Kinds of settings in a QUERY event, in the order in which servers write them.
const (
	varFlags2    = 0 // 4 bytes
	varSQLMode   = 1 // 8 bytes
	varCatalog   = 2 // a text and a zero byte
	varStep      = 3 // 4 bytes
	varCharset   = 4 // 6 bytes, the client's first
	varTimeZone  = 5 // a text
	varCatalogNZ = 6 // a text
)

// parseVars reads as far as it knows; what it looks for comes first.
func parseVars(b []byte) (v sessionVars) {
	for r := (&reader{b: b}); len(r.b) > 0 && r.err == nil; {
		switch r.byte() {
		case varFlags2, varStep:
			r.bytes(4)
		case varSQLMode:
			v.modes = r.uint(8)
			v.known = r.err == nil
		case varCatalog:
			r.bytes(int(r.byte()) + 1)
		case varTimeZone, varCatalogNZ:
			r.bytes(int(r.byte()))
		case varCharset:
			v.charset = uint16(r.uint(2))
			r.bytes(4)
			v.inCharset = r.err == nil
			return v
		default:
			return v
		}
	}
	return v
}

// maxTook bounds the seconds that are believed of a statement: a session may set its own clock.
const maxTook = 30 * 24 * 60 * 60

func parseQuery(body []byte, compressed bool) (query, error) {
	r := &reader{b: body}
	q := query{thread: uint32(r.uint(4))}
	if took := uint32(r.uint(4)); took < maxTook {
		q.took = took
	}
	n := int(r.byte())
	q.code = uint16(r.uint(2))
	q.vars = parseVars(r.bytes(int(r.uint(2))))
	q.schema = string(r.bytes(n))
	r.bytes(1)
	if r.err != nil {
		return q, fmt.Errorf("query event: %w", r.err)
	}
	text := r.b
	if compressed {
		var err error
		if text, err = decompressMariaDB(text); err != nil {
			return q, fmt.Errorf("query event: %w", err)
		}
	}
	q.text = string(text)
	return q, nil
}

// begin is what the first event of a transaction says.
type begin struct {
	mark       Mark
	name       string
	origin     string
	thread     uint64
	commitTime time.Time
	originTime time.Time
	standalone bool // MariaDB: one statement without an end of its own
	opens      bool // MariaDB: the event is the BEGIN, too
}

func parseMySQLGTID(e event) (begin, error) {
	var g replication.GTIDEvent
	tag := ""
	if e.typ == replication.GTID_TAGGED_LOG_EVENT {
		tagged := &replication.GtidTaggedLogEvent{}
		if err := guard(tagged.Decode, e.body); err != nil {
			return begin{}, fmt.Errorf("GTID event: %w", err)
		}
		g, tag = tagged.GTIDEvent, tagged.Tag.String()
	} else if err := guard(g.Decode, e.body); err != nil {
		return begin{}, fmt.Errorf("GTID event: %w", err)
	}
	b := begin{commitTime: microTime(g.ImmediateCommitTimestamp), originTime: microTime(g.OriginalCommitTimestamp)}
	if e.typ == replication.ANONYMOUS_GTID_EVENT {
		return b, nil
	}
	if len(g.SID) != 16 || g.GNO <= 0 {
		return begin{}, errors.New("GTID event without a GTID")
	}
	src := gtid.Source{UUID: gtid.UUID(g.SID), Tag: tag}
	b.mark.MySQL = gtid.GTID{Source: src, Number: uint64(g.GNO)}
	b.name, b.origin = b.mark.MySQL.String(), src.UUID.String()
	return b, nil
}

func microTime(us uint64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(us)).UTC()
}

// Flags of MariaDB's GTID event.
const (
	mariaStandalone  = 1
	mariaGroupCommit = 2
	mariaPreparedXA  = 64
	mariaCompletedXA = 128

	mariaExtraMultiEngine = 1
	mariaExtraAlter       = 4 | 8 // COMMIT ALTER, ROLLBACK ALTER
	mariaExtraThread      = 16
)

func parseMariaGTID(e event) (begin, error) {
	r := &reader{b: e.body}
	g := gtid.MariaGTID{Server: e.serverID, Seq: r.uint(8), Domain: uint32(r.uint(4))}
	flags := r.byte()
	if r.err != nil {
		return begin{}, fmt.Errorf("GTID event: %w", r.err)
	}
	b := begin{name: g.String(), standalone: flags&mariaStandalone != 0}
	b.opens = !b.standalone
	b.mark.MariaDB = g
	b.thread = mariaThread(r, flags)
	return b, nil
}

// mariaThread reads on to the thread's id, which servers log since 11.5.
func mariaThread(r *reader, flags byte) uint64 {
	if flags&mariaGroupCommit != 0 {
		r.bytes(8)
	}
	if flags&(mariaPreparedXA|mariaCompletedXA) != 0 {
		r.bytes(4)
		r.bytes(int(r.byte()) + int(r.byte()))
	}
	extra := r.byte()
	if extra&mariaExtraMultiEngine != 0 {
		r.bytes(1)
	}
	if extra&mariaExtraAlter != 0 {
		r.bytes(8)
	}
	if extra&mariaExtraThread == 0 {
		return 0
	}
	return r.uint(4)
}

// xaPrepare reads an XA_PREPARE event: whether it commits in one phase, and the
// transaction's name in the form of xidOf.
func xaPrepare(body []byte) (onePhase bool, xid string, err error) {
	r := &reader{b: body}
	onePhase = r.byte() != 0
	formatID, g, b := r.uint(4), int(r.uint(4)), int(r.uint(4))
	gtrid, bqual := r.bytes(g), r.bytes(b)
	if r.err != nil {
		return false, "", fmt.Errorf("XA event: %w", r.err)
	}
	return onePhase, fmt.Sprintf("X'%x',X'%x',%d", gtrid, bqual, formatID), nil
}

// Fields of a TRANSACTION_PAYLOAD event.
const (
	payloadEnd         = 0
	payloadCompression = 2
	payloadZstd        = 0
	payloadNone        = 255
)

// payload reads the events inside a compressed transaction one by one, so that
// a large one is never in memory as a whole.
type payload struct {
	src    io.Reader
	zstd   *zstd.Decoder
	logPos uint32 // of the event around them
}

// zstdWindow bounds the decoder's memory; servers use the library's default
// window, which is at most 8 MiB at their highest level.
const zstdWindow = 64 << 20

func openPayload(e event) (*payload, error) {
	r := &reader{b: e.body}
	compression := uint64(payloadNone)
	for {
		field := r.lenenc()
		if field == payloadEnd || r.err != nil {
			break
		}
		v := r.lenencBytes()
		if field == payloadCompression {
			compression = (&reader{b: v}).lenenc()
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("compressed transaction: %w", r.err)
	}
	p := &payload{src: bytes.NewReader(r.b), logPos: e.logPos}
	switch compression {
	case payloadNone:
		return p, nil
	case payloadZstd:
		d, err := zstd.NewReader(p.src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, fmt.Errorf("compressed transaction: %w", err)
		}
		p.src, p.zstd = d, d
		return p, nil
	}
	return nil, fmt.Errorf("compressed transaction: compression %d is not known", compression)
}

// next returns io.EOF after the last event.
func (p *payload) next() ([]byte, error) {
	var head [replication.EventHeaderSize]byte
	if _, err := io.ReadFull(p.src, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("compressed transaction: %w", err)
	}
	size := littleEndian(head[9:13])
	if size < uint64(len(head)) {
		return nil, fmt.Errorf("compressed transaction: %w", errShort)
	}
	// Grown while it is read: the size is only a claim.
	buf := bytes.NewBuffer(make([]byte, 0, min(size, 1<<20)))
	buf.Write(head[:])
	if _, err := io.CopyN(buf, p.src, int64(size)-int64(len(head))); err != nil {
		return nil, fmt.Errorf("compressed transaction: %w", errors.Join(errShort, err))
	}
	return buf.Bytes(), nil
}

func (p *payload) close() {
	if p.zstd != nil {
		p.zstd.Close()
	}
}
