package measure

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"crosscheck/cluster/binlog"
)

// print tells a transaction by what every node's log keeps of it: the server where it was made, when it was committed
// there, and its rows.
type print struct {
	server uint32
	origin time.Time // zero: a server before MySQL 8.0 made it, which does not log that
	// shape hashes tables and types, body what was done and the rows after it, whole also the rows before it. A replica
	// logs its own rows before, so only shape and body must be alike everywhere.
	shape, body, whole [sha256.Size]byte
	exact              bool // all images are full
	rows               int
}

// full identifies a transaction; "" if it is not unique: without its time, the same change made twice looks alike, and so
// do those without rows.
func (p print) full() string {
	if p.origin.IsZero() || p.rows == 0 {
		return ""
	}
	return fmt.Sprintf("%d %d %x", p.server, p.origin.UnixMicro(), p.whole)
}

// differs says why two prints cannot be of one transaction; "" if they can. Bodies are compared only where both nodes have
// the same columns and log them whole: what replication converts on the way is not the converter's fault.
func (p print) differs(q print) string {
	switch {
	case p.server != q.server:
		return fmt.Sprintf("it was made on the server %d by one log and on %d by the other", p.server, q.server)
	case !p.origin.Equal(q.origin) && !p.origin.IsZero() && !q.origin.IsZero():
		return fmt.Sprintf("it was made at %s by one log and at %s by the other", p.origin.Format(time.RFC3339Nano), q.origin.Format(time.RFC3339Nano))
	case p.exact && q.exact && p.shape == q.shape && p.body != q.body:
		return "its rows differ"
	}
	return ""
}

// builder makes a print from the parts of a transaction.
type builder struct {
	shape, body, whole hash.Hash
	rows               int
	exact              bool
}

func newBuilder() builder {
	return builder{shape: sha256.New(), body: sha256.New(), whole: sha256.New(), exact: true}
}

func (b *builder) add(tx *binlog.Transaction) {
	b.exact = b.exact && !tx.Statement && len(tx.Incidents) == 0
	for i := range tx.Changes {
		c := &tx.Changes[i]
		b.rows++
		b.exact = b.exact && !c.Partial
		head := fmt.Sprintf("%q %q %d", c.Schema, c.Table, c.Kind)
		put(b.shape, []byte(head))
		put(b.body, []byte(head))
		put(b.whole, []byte(head))
		if c.Def != nil {
			for _, col := range c.Def.Columns {
				put(b.shape, fmt.Appendf(nil, "%s %v", col.DataType, col.Unsigned))
			}
		}
		b.exact = putRow(b.body, c.After) && b.exact
		b.exact = putRow(b.whole, c.Before) && b.exact
		b.exact = putRow(b.whole, c.After) && b.exact
	}
}

// put adds a text with its length, so that texts do not run into each other.
func put(h hash.Hash, text []byte) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(text)))
	h.Write(n[:])
	h.Write(text)
}

// putRow adds a row; false if a value of it is not known.
func putRow(h hash.Hash, r binlog.Row) bool {
	known := true
	put(h, fmt.Appendf(nil, "row of %d", len(r)))
	for _, v := range r {
		put(h, []byte{byte(v.State)})
		put(h, v.Text)
		known = known && v.Known()
	}
	return known
}

// print ends a transaction; ok is false for one without a GTID.
func (b *builder) print(tx *binlog.Transaction) (p print, ok bool) {
	if tx.GTID == "" {
		return p, false
	}
	p = print{server: tx.ServerID, origin: tx.OriginTime, exact: b.exact, rows: b.rows}
	b.shape.Sum(p.shape[:0])
	b.body.Sum(p.body[:0])
	b.whole.Sum(p.whole[:0])
	return p, true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
