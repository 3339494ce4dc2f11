package conflict

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"crosscheck/cluster/binlog"
)

// Without GTIDs nothing in the log names the original of an echo: a replica keeps
// the origin's server id and the rows, nothing else that every version logs. What
// can be proven is this:
//
//   - The echo was made by some transaction of that server, in its order if the
//     applier keeps the order, and two transactions that touch one row are
//     applied in order in any case.
//   - An echo whose rows are those of an original (or some of them, where the
//     applier skipped rows) is taken for the echo of the earliest such original.
//     If it belongs to a later one with the same rows, the earliest has been
//     passed before that, because both touch the same rows. So a transaction is
//     never taken for seen before it was; it may be taken for unseen longer than
//     it was, until a later echo or a fence passes it. That can invent a
//     collision, never hide one, and only after an applier skipped a whole
//     transaction whose rows another one repeats.
//   - A collision can leave an echo with rows that its original lacks: the row was
//     found by a key that is equal by collation only, or a foreign key's cascade met
//     children that the other side had inserted. What fits no original, when all
//     that can be its original was read, is taken for the echo of the earliest one
//     that collided and concerns one of its rows.
//   - Until the other side has reached the first fence, echoes of transactions
//     from before the start cannot be told from echoes of later ones with the same
//     rows: collisions with what was read by then are marked Possible.

// rowContent is what a row change leaves behind: the row's key and its fingerprint,
// which is 0 for a row that is gone.
func rowContent(hash, after uint64) uint64 {
	var b [16]byte
	for i := range 8 {
		b[i], b[8+i] = byte(hash>>(8*i)), byte(after>>(8*i))
	}
	return xxh3.Hash(b[:])
}

// contents are those of a transaction's row changes, before they are merged, so
// that an applier which skips some of them leaves a part of the list.
type contents struct {
	list  []uint64
	stays []bool // there is an after-image
	sum   uint64
}

func (c *contents) add(x *extractor, kind binlog.Kind) {
	if !x.identity {
		return
	}
	h := rowContent(x.rowHash, x.after)
	c.list, c.stays = append(c.list, h), append(c.stays, kind != binlog.Delete)
	c.sum += h
}

func (c *contents) bytes() []byte {
	out := make([]byte, 0, 8*len(c.list))
	for _, h := range c.list {
		out = binary.LittleEndian.AppendUint64(out, h)
	}
	return out
}

// matchContent finds the earliest original in a side's window that an echo
// without a GTID can be the echo of, or 0.
func (d *Detector) matchContent(s Side, e *echo) uint32 {
	st := d.streams[s]
	w := st.win
	for i := w.head; i != 0; i = w.txns.at(i).next {
		t := w.txns.at(i)
		if t.source != 0 || t.flags&txnOpen != 0 || t.seq <= e.scanned {
			continue
		}
		e.scanned = t.seq // what does not fit now never will
		switch {
		case t.content == e.raw.sum+e.ddl:
			return i
		case t.flags&txnDDL != 0 || e.ddl != 0:
			continue
		}
		if covers(w.data.get(t.contents), &e.raw) || d.sameRows(w, i, e) {
			return i
		}
	}
	return 0
}

// covers tells whether an original has all rows of an echo, of which it may have
// more: rows that the applier skipped. Deletes may be the echo's own, made to get a
// row out of the way.
func covers(original []byte, e *contents) bool {
	if len(original) == 8 && len(e.list) == 1 {
		return false // equal ones have equal sums
	}
	have := make(map[uint64]bool, len(original)/8)
	for ; len(original) >= 8; original = original[8:] {
		have[binary.LittleEndian.Uint64(original)] = true
	}
	met := false
	for i, h := range e.list {
		if !have[h] && e.stays[i] {
			return false
		}
		met = met || have[h]
	}
	return met
}

// matchCollided finds the earliest original that collided and that an echo, whose content fits none, can be the echo of,
// or 0: its rows that did not collide are those of the echo, and at least one of its rows is.
func (d *Detector) matchCollided(s Side, e *echo) uint32 {
	w := d.streams[s].win
	for i := w.head; i != 0 && e.ddl == 0; i = w.txns.at(i).next {
		if t := w.txns.at(i); t.source != 0 || t.flags&(txnOpen|txnDDL) != 0 {
			continue
		}
		collided, met, fits := false, false, true
		for c := w.txns.at(i).first; c != 0 && fits; c = w.changes.at(c).next {
			p := w.changes.at(c)
			concerns := d.concerns(w, p, e)
			collided, met = collided || p.bits != 0, met || concerns
			fits = concerns || p.bits != 0
		}
		if collided && met && fits {
			return i
		}
	}
	return 0
}

// concerns tells whether an echo has a change of the kind and the row of an original's, by a key that a server may call
// equal.
func (d *Detector) concerns(w *window, p *change, e *echo) bool {
	mine, ok := rowEntry(w.data.get(p.data))
	if !ok {
		return false
	}
	for at := range e.rows {
		r := &e.rows[at]
		l := d.layouts.list[r.layout]
		if r.kind == binlog.Kind(p.kind) && len(l.keys) > 0 && l.keys[0].ns == mine.ns && d.mayEqual(mine, entry{ns: mine.ns, tuple: r.tuple}) {
			return true
		}
	}
	return false
}
