package conflict

import (
	"slices"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
)

// SideCount counts what became of one side's transactions.
type SideCount struct {
	Transactions uint64 // made here, with changes to judge
	Changes      uint64 // row changes made here; those of one row in one transaction count as one
	Echoes       uint64 // echoes of the other side's transactions read here
	Echoed       uint64 // their row changes
	Verified     uint64 // changes made here whose echo shows the same row before and after, and that collided with nothing
	Explained    uint64 // changes made here that collided, or whose echo differs or is missing because of a collision
	Unjudged     uint64 // changes made here that could not be judged
	Third        uint64 // changes by servers that are on neither side
	Foreign      uint64 // echoes read here whose originals were made before the start
}

type counters struct {
	Sides    [2]SideCount
	Pairs    [kinds]uint64
	Findings [kinds]uint64
	// Untracked counts how often a row came under doubt while too many others were.
	Untracked uint64
}

// Blind is a piece of a side's log whose changes were not judged completely.
type Blind struct {
	Side     Side
	From, To Place // To is zero while it lasts
	Gap      bool  // not read; else keys were dropped to stay within memory
}

// Summary is the state of the account.
type Summary struct {
	Sides [2]SideCount
	// Findings and Pairs count by kind. Pairs counts all pairs of changes, Findings
	// those that became a finding.
	Findings, Pairs map[Kind]uint64
	// Waiting is how many net row changes of a side have not been seen to arrive.
	Waiting [2]int
	// Through is the place up to which all of a side's transactions have arrived or
	// are settled.
	Through [2]Place
	// At is the end of what was read.
	At        [2]Place
	Blind     []Blind
	Questions int // questions to servers that wait for an answer
	Doubts    int // rows that may differ
	// Untracked counts how often another row came under doubt while there were so many that it is not kept which: what became
	// of them stays unknown.
	Untracked uint64
	Memory    int // bytes of windows and images
}

// Summary tells how things stand.
func (d *Detector) Summary() Summary {
	out := Summary{
		Sides: d.count.Sides, Findings: map[Kind]uint64{}, Pairs: map[Kind]uint64{},
		Questions: d.questions(), Doubts: len(d.suspects), Untracked: d.count.Untracked, Memory: d.memory() + d.imageMemory() + d.waiterBytes,
	}
	for k := range kinds {
		if d.count.Findings[k] > 0 {
			out.Findings[k] = d.count.Findings[k]
		}
		if d.count.Pairs[k] > 0 {
			out.Pairs[k] = d.count.Pairs[k]
		}
	}
	for s, st := range d.streams {
		out.Waiting[s], out.Through[s], out.At[s] = st.win.rows, st.through, st.place
		out.Blind = append(out.Blind, st.blinds...)
		if !st.blindFrom.IsZero() {
			out.Blind = append(out.Blind, Blind{Side: Side(s), From: st.blindFrom})
		}
	}
	return out
}

func (d *Detector) memory() int {
	return d.streams[Old].win.memory() + d.streams[New].win.memory()
}

func (d *Detector) imageMemory() int {
	return d.streams[Old].win.images.held + d.streams[New].win.images.held
}

// enforce keeps the windows within their memory: images go first, then the keys
// of the oldest transactions.
func (d *Detector) enforce() {
	room := max(d.cfg.WindowBytes-d.memory(), 0)
	for d.imageMemory() > min(room, d.cfg.ImageBytes) {
		st := d.streams[Old]
		if d.streams[New].win.images.held > st.win.images.held {
			st = d.streams[New]
		}
		if !st.win.images.dropOldest() {
			break
		}
	}
	for d.memory() > d.cfg.WindowBytes {
		st := d.streams[Old]
		if d.streams[New].win.memory() > st.win.memory() {
			st = d.streams[New]
		}
		i := st.win.sighted()
		switch {
		case i != 0:
			d.goBlind(st, i)
		case st.win.head != st.cur:
			st.drop(st.win.head)
		default:
			return
		}
	}
}

// drop forgets a transaction that has lost its keys already. Its echo will be one
// of those that need no original; the blind interval lasts until a fence or a later
// echo shows that it has been passed.
func (st *stream) drop(i uint32) {
	st.lost = st.win.txns.at(i).seq
	if st.win.txns.at(i).source == 0 {
		st.fenced = false
	}
	st.dropDDL(i)
	st.win.close(i)
}

// sees ends the blind interval once nothing without keys is left in the window.
func (st *stream) sees(s Side) {
	if st.win.blind == 0 && st.lost == 0 && !st.blindFrom.IsZero() {
		st.blinds = append(st.blinds, Blind{Side: s, From: st.blindFrom, To: st.place})
		st.blindFrom = Place{}
	}
}

// goBlind drops a transaction's keys and says so.
func (d *Detector) goBlind(st *stream, i uint32) {
	s := Old
	if d.streams[New] == st {
		s = New
	}
	t := st.win.txns.at(i)
	if t.flags&txnBlind != 0 {
		return
	}
	d.count.Sides[s].Unjudged += uint64(t.rows)
	place := d.placeOf(t)
	if place.File.IsZero() {
		place = st.place
	}
	st.win.dropRows(i)
	t.flags |= txnBlind
	st.win.blind++
	if !st.blindFrom.IsZero() {
		return
	}
	st.blindFrom = place
	f := Finding{
		Kind: Unjudged, Reason: ReasonWindowFull,
		Detail: "the window is full: from here on changes of " + s.Other().String() + " are not compared with the oldest of " + s.String(),
	}
	act := &Act{Place: place, Thread: t.thread}
	if s == Old {
		f.Old = act
	} else {
		f.New = act
	}
	f.ID = findingID(Unjudged, string(f.Reason), s.String(), place.id())
	d.emit(f)
}

// incidents reports what the log itself leaves unseen.
func (d *Detector) incidents(s Side, tx *binlog.Transaction, isEcho bool) {
	if isEcho && len(tx.Incidents) > 0 {
		of := *tx
		of.ThreadID = 0
		tx = &of
	}
	for _, i := range tx.Incidents {
		table := ""
		if i.Table != "" {
			table = fullName(i.Schema, i.Table)
		}
		reason := ReasonIncident
		switch i.Kind {
		case binlog.StatementDML:
			if isEcho {
				continue // told where it was made
			}
			reason = ReasonStatement
		case binlog.SchemaChange:
			continue // DDL is judged by itself
		case binlog.Undecodable, binlog.LostEvents, binlog.UnknownXA:
		}
		d.unjudgedAt(s, reason, table, i.Detail, tx)
	}
}

// unjudgedOnce reports something that will repeat, once per side.
func (d *Detector) unjudgedOnce(s Side, r Reason, table, what, detail string, tx *binlog.Transaction) {
	id := findingID(Unjudged, string(r), s.String(), table, what)
	if !d.once[id] {
		d.once[id] = true
		d.obscure(r, table)
		d.unjudged(s, id, r, table, detail, tx)
	}
}

// obscure notes that collisions of a table's rows may go unseen, so that a row which differs later has a cause that is known:
// it is put under doubt and told by a comparison of the row, not as one that had diverged before. What is only uncertain
// may turn out to be judged.
func (d *Detector) obscure(r Reason, table string) {
	if table != "" && r != ReasonUncertain {
		d.obscured[table] = true
	}
}

// unjudgedAt reports something for one transaction.
func (d *Detector) unjudgedAt(s Side, r Reason, table, detail string, tx *binlog.Transaction) {
	d.unjudged(s, findingID(Unjudged, string(r), s.String(), table, detail, placeOfTx(tx).id()), r, table, detail, tx)
}

func (d *Detector) unjudged(s Side, id string, r Reason, table, detail string, tx *binlog.Transaction) {
	f := Finding{ID: id, Kind: Unjudged, Reason: r, Table: table, Detail: detail}
	act := &Act{Place: placeOfTx(tx), Thread: tx.ThreadID, CommitTime: tx.CommitTime}
	if s == Old {
		f.Old = act
	} else {
		f.New = act
	}
	d.emit(f)
}

func placeOfTx(tx *binlog.Transaction) Place { return Place{File: tx.Mark.File, GTID: tx.GTID} }

func splitName(full string) (schema, table string, ok bool) { return cluster.SplitFullName(full) }

// dropDDL forgets the schema changes of a transaction.
func (st *stream) dropDDL(i uint32) {
	st.ddls = slices.DeleteFunc(st.ddls, func(x *ddl) bool { return x.Txn == i })
}
