package binlog

import (
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// rowsEvent is the head of a WRITE, UPDATE or DELETE ROWS event.
type rowsEvent struct {
	tableID uint64
	stmtEnd bool
	kind    Kind
	columns int
	first   []byte // which columns the (first) image carries
	second  []byte // which the after image of an update carries
	partial bool   // PARTIAL_UPDATE: after images begin with a list of partial columns
	images  []byte
}

// rowsKind tells what a rows event of a type does and how it is laid out.
func rowsKind(t replication.EventType) (kind Kind, v2, compressed bool) {
	switch t {
	case replication.WRITE_ROWS_EVENTv0, replication.WRITE_ROWS_EVENTv1:
		return Insert, false, false
	case replication.UPDATE_ROWS_EVENTv0, replication.UPDATE_ROWS_EVENTv1:
		return Update, false, false
	case replication.DELETE_ROWS_EVENTv0, replication.DELETE_ROWS_EVENTv1:
		return Delete, false, false
	case replication.WRITE_ROWS_EVENTv2:
		return Insert, true, false
	case replication.UPDATE_ROWS_EVENTv2, replication.PARTIAL_UPDATE_ROWS_EVENT:
		return Update, true, false
	case replication.DELETE_ROWS_EVENTv2:
		return Delete, true, false
	case replication.MARIADB_WRITE_ROWS_COMPRESSED_EVENT_V1:
		return Insert, false, true
	case replication.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1:
		return Update, false, true
	case replication.MARIADB_DELETE_ROWS_COMPRESSED_EVENT_V1:
		return Delete, false, true
	default:
		return 0, false, false
	}
}

// rowsTableID peeks at the table's id, so that rows of unwatched tables cost
// nothing more.
func rowsTableID(body []byte, idSize int) (id uint64, stmtEnd bool) {
	r := &reader{b: body}
	id = r.uint(idSize)
	return id, r.uint(2)&replication.RowsEventStmtEndFlag != 0
}

// parseRows reads the body of a rows event.
func parseRows(t replication.EventType, body []byte, idSize int) (rowsEvent, error) {
	kind, v2, compressed := rowsKind(t)
	r := &reader{b: body}
	ev := rowsEvent{kind: kind, tableID: r.uint(idSize), partial: t == replication.PARTIAL_UPDATE_ROWS_EVENT}
	ev.stmtEnd = r.uint(2)&replication.RowsEventStmtEndFlag != 0
	if v2 {
		r.bytes(int(r.uint(2)) - 2) // extra data: NDB's, or the partition
	}
	n := r.lenenc()
	if n > maxColumns {
		return ev, fmt.Errorf("rows event with %d columns", n)
	}
	ev.columns = int(n)
	ev.first = r.bytes((ev.columns + 7) / 8)
	if kind == Update {
		ev.second = r.bytes((ev.columns + 7) / 8)
	}
	if r.err != nil {
		return ev, fmt.Errorf("rows event: %w", r.err)
	}
	ev.images = r.b
	if compressed {
		var err error
		if ev.images, err = decompressMariaDB(r.b); err != nil {
			return ev, fmt.Errorf("rows event: %w", err)
		}
	}
	return ev, nil
}

// maxRatio is above what deflate can reach (1032); a size beyond it is a lie
// that must not be allocated.
const maxRatio = 1100

// decompressMariaDB unpacks the zlib data of a compressed event, after checks
// that the library leaves out.
func decompressMariaDB(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errShort
	}
	n := int(b[0] & 0x07)
	if n > 4 || len(b) < 1+n {
		return nil, errShort
	}
	if size := bigEndian(b[1 : 1+n]); size > uint64(len(b))*maxRatio {
		return nil, fmt.Errorf("compressed data that claims %d bytes", size)
	}
	return mysql.DecompressMariadbData(b)
}

func bit(bitmap []byte, i int) bool { return bitmap[i>>3]&(1<<(i&7)) != 0 }
