package conflict

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// snapshotVersion changes when the saved form does.
const snapshotVersion = 4

// ErrSnapshot is wrapped by errors about a snapshot that cannot be used.
var ErrSnapshot = errors.New("conflict: snapshot cannot be used")

type savedHead struct {
	Version    int
	Namespaces []namespace
	Names      map[string]uint32
	Tables     []savedTable
	Layouts    []*binlog.Table
	Shapes     []string // of Layouts
	Sources    []source
	Files      []string
	Once       []string
	Obscured   []string
	Tick       uint64
	Waiters    []*waiter
	LastWaiter uint64
	Batches    [2]*batch // that is being asked about, and the next
	Suspects   map[uint64]*suspect
	Fresh      []Doubt
	Out        []Finding
	Count      counters
	Streams    [2]savedStream
}

type savedTable struct {
	Side Side
	Def  *cluster.Table
	FKs  []ForeignKey
	Gone bool
}

type savedStream struct {
	Taken, Seq, Lost   uint64
	Pos, Start         string
	Place              Place
	Read               map[uint32]uint64
	Fences             []fence
	Fenced             bool
	Step               Step
	Tops               map[string]*tops
	Clock              int64
	Sessions           map[uint64]Session
	Through, BlindFrom Place
	Blinds             []Blind
	Txns               int
	Blurred            string
	Renumbered         bool
}

type savedTxn struct {
	Number, Seq, Pos, Thread, Content uint64
	Commit                            int64
	Source, File                      uint32
	Flags                             uint8
	Contents                          []byte
	Changes                           []savedChange
	DDL                               []ddl
}

type savedChange struct {
	Data, Image  []byte
	Layout, Bits uint32
	Ord          uint32
	Kind         uint8
}

// Snapshot writes the state as of the last transaction boundary that was
// consumed on each side. Held events and the parts of an unfinished transaction are
// not in it: the watcher goes on reading each side from Checkpoint. Fences that
// are held at the other side are lost, too, so new ones must be taken after a
// restart. Findings that were not taken are in it; those that were are not made again.
func (d *Detector) Snapshot(w io.Writer) error {
	enc := gob.NewEncoder(w)
	h := savedHead{
		Version: snapshotVersion, Namespaces: d.namespaces, Names: d.nsByName, Sources: d.sources, Files: d.files,
		Once: slices.Sorted(maps.Keys(d.once)), Obscured: slices.Sorted(maps.Keys(d.obscured)), Tick: d.tick, LastWaiter: d.lastWaiter, Suspects: d.suspects, Fresh: d.fresh, Out: d.out, Count: d.count,
	}
	for _, name := range slices.Sorted(maps.Keys(d.tables)) {
		t := d.tables[name]
		for s, def := range t.defs {
			if def != nil {
				h.Tables = append(h.Tables, savedTable{Side(s), def, t.fks[s], t.gone[s]})
			}
		}
	}
	for _, l := range d.layouts.list {
		h.Layouts, h.Shapes = append(h.Layouts, l.def), append(h.Shapes, l.shape)
	}
	for _, id := range slices.Sorted(maps.Keys(d.waiters)) {
		h.Waiters = append(h.Waiters, d.waiters[id])
	}
	h.Batches = [2]*batch{{}, d.open}
	if d.asked != nil {
		h.Batches[0] = d.asked
	}
	for s, st := range d.streams {
		h.Streams[s] = st.saved()
	}
	if err := enc.Encode(h); err != nil {
		return fmt.Errorf("conflict: write snapshot: %w", err)
	}
	for _, st := range d.streams {
		for i := st.win.head; i != 0; i = st.win.txns.at(i).next {
			if i == st.cur {
				continue
			}
			if err := enc.Encode(st.savedTxn(i)); err != nil {
				return fmt.Errorf("conflict: write snapshot: %w", err)
			}
		}
	}
	return nil
}

// Checkpoint is the position behind the last transaction of a side that was
// consumed, and how many events had been by then.
func (d *Detector) Checkpoint(s Side) (gtid.Position, uint64) {
	return d.streams[s].pos, d.streams[s].boundary
}

func (st *stream) saved() savedStream {
	out := savedStream{
		Taken: st.boundary, Seq: st.seq, Lost: st.lost, Pos: st.pos.String(), Start: st.start.String(), Place: st.place, Read: st.read,
		Fences: st.fences, Fenced: st.fenced, Step: st.step, Tops: st.tops, Clock: st.clock, Sessions: st.sessions, Through: st.through,
		BlindFrom: st.blindFrom, Blinds: st.blinds, Txns: st.win.count, Blurred: st.blurred.String(), Renumbered: st.renumbered,
	}
	if st.cur != 0 {
		out.Seq--
		out.Txns--
	}
	return out
}

func (st *stream) savedTxn(i uint32) savedTxn {
	w := st.win
	t := w.txns.at(i)
	out := savedTxn{
		Number: t.number, Seq: t.seq, Pos: t.pos, Thread: t.thread, Content: t.content, Commit: t.commit,
		Source: t.source, File: t.file, Flags: t.flags, Contents: w.data.get(t.contents),
	}
	for c := t.first; c != 0; c = w.changes.at(c).next {
		p := w.changes.at(c)
		out.Changes = append(out.Changes, savedChange{
			Data: w.data.get(p.data), Image: w.images.get(p.image), Layout: p.layout, Bits: p.bits, Ord: p.ord, Kind: p.kind,
		})
	}
	for _, x := range st.ddls {
		if x.Txn == i {
			out.DDL = append(out.DDL, *x)
		}
	}
	return out
}

// Restore reads a snapshot. Of the configuration, Start is taken from the snapshot.
// Errors wrap ErrSnapshot where the snapshot itself is the cause.
func Restore(r io.Reader, cfg Config) (*Detector, error) {
	dec := gob.NewDecoder(r)
	var h savedHead
	if err := dec.Decode(&h); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if h.Version != snapshotVersion {
		return nil, fmt.Errorf("%w: its version is %d, not %d", ErrSnapshot, h.Version, snapshotVersion)
	}
	d := NewDetector(cfg)
	d.namespaces, d.sources, d.files = h.Namespaces, h.Sources, h.Files
	d.fresh, d.out, d.count = h.Fresh, h.Out, h.Count
	d.restoreAsked(&h)
	if h.Names != nil {
		d.nsByName = h.Names
	}
	if h.Suspects != nil {
		d.suspects = h.Suspects
		for _, x := range d.suspects {
			d.stamp = max(d.stamp, x.Row.Stamp)
		}
		for _, x := range d.fresh {
			if have := d.suspects[x.Hash]; have != nil {
				have.told = true
			}
		}
	}
	for i := range d.sources[1:] {
		d.sourceNum[d.sources[i+1]] = uint32(i + 1)
	}
	for i := range d.files[1:] {
		d.fileNum[d.files[i+1]] = uint32(i + 1)
	}
	for _, id := range h.Once {
		d.once[id] = true
	}
	for _, table := range h.Obscured {
		d.obscured[table] = true
	}
	for _, t := range h.Tables {
		d.define(t.Side, Definition{Table: t.Def, ForeignKeys: t.FKs})
		d.tables[t.Def.FullName()].gone[t.Side] = t.Gone
	}
	for i, def := range h.Layouts {
		l := d.newLayout(def)
		if i < len(h.Shapes) && h.Shapes[i] != l.shape {
			l.shape = h.Shapes[i] // what is stored was read before its table changed
			continue
		}
		d.layouts.byText[layoutText(def)] = l
	}
	for s := range d.streams {
		if err := d.restoreStream(Side(s), &h.Streams[s], dec); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
	}
	d.rejoin()
	return d, nil
}

// restoreAsked takes over what servers are asked about; they are asked anew.
func (d *Detector) restoreAsked(h *savedHead) {
	d.tick, d.lastWaiter = h.Tick, h.LastWaiter
	for _, x := range h.Waiters {
		d.waiters[x.ID] = x
		d.waiterBytes += x.size()
	}
	for i, b := range h.Batches {
		if b == nil {
			b = &batch{}
		}
		b.byHash, b.joined = nil, nil
		for _, c := range b.Crowds {
			c.places = [2]map[string]uint32{{}, {}}
		}
		switch {
		case i == 1:
			d.open = b
		case len(b.Crowds) > 0:
			d.asked = b
			b.plan()
		}
	}
}

// rejoin ties the waiters to their changes in the restored windows, and the open batch to their keys.
func (d *Detector) rejoin() {
	type name struct {
		side Side
		seq  uint64
		ord  uint32
	}
	byName := map[name]*waiter{}
	for _, x := range d.waiters {
		if x.Leave == 0 {
			byName[name{x.Side, x.Seq, x.Ord}] = x
		}
	}
	for s, st := range d.streams {
		w := st.win
		for i := w.head; i != 0 && len(byName) > 0; i = w.txns.at(i).next {
			for c := w.txns.at(i).first; c != 0; c = w.changes.at(c).next {
				if x := byName[name{Side(s), w.txns.at(i).seq, w.changes.at(c).ord}]; x != nil {
					x.change, d.waiting[s][c] = c, x.ID
				}
			}
		}
	}
	// What is read from here on begins crowds of its own: those that stood are asked about first.
	if len(d.open.Crowds) > 0 && d.asked == nil {
		d.asked, d.open = d.open, &batch{Opened: d.tick}
		d.asked.plan()
	}
}

func (d *Detector) restoreStream(s Side, in *savedStream, dec *gob.Decoder) (err error) {
	st := d.streams[s]
	if st.pos, err = gtid.ParsePosition(in.Pos); err != nil {
		return err
	}
	if st.start, err = gtid.ParsePosition(in.Start); err != nil {
		return err
	}
	if st.blurred, err = gtid.ParsePosition(in.Blurred); err != nil {
		return err
	}
	st.renumbered = in.Renumbered
	st.taken, st.boundary, st.seq, st.place = in.Taken, in.Taken, in.Seq, in.Place
	st.fences, st.fenced, st.step, st.through, st.tops = in.Fences, in.Fenced, in.Step, in.Through, in.Tops
	st.clock, st.blindFrom, st.blinds, st.lost = in.Clock, in.BlindFrom, in.Blinds, in.Lost
	if in.Read != nil {
		st.read = in.Read
	}
	if in.Sessions != nil {
		st.sessions = in.Sessions
	}
	for range in.Txns {
		var t savedTxn
		if err = dec.Decode(&t); err != nil {
			return err
		}
		d.restoreTxn(st, &t)
	}
	return nil
}

func (d *Detector) restoreTxn(st *stream, in *savedTxn) {
	w := st.win
	i := w.open(txn{
		number: in.Number, seq: in.Seq, pos: in.Pos, thread: in.Thread, content: in.Content, commit: in.Commit,
		source: in.Source, file: in.File, flags: in.Flags,
	})
	if len(in.Contents) > 0 {
		w.txns.at(i).contents = w.data.put(in.Contents, in.Seq)
	}
	if in.Flags&txnBlind != 0 {
		w.blind++
	}
	if in.Flags&txnDDL != 0 {
		w.ddl++
	}
	for _, c := range in.Changes {
		rec := change{layout: c.Layout, bits: c.Bits, kind: c.Kind, data: w.data.put(c.Data, in.Seq)}
		if c.Image != nil {
			rec.image = w.images.put(c.Image, in.Seq)
		}
		n := w.add(i, rec)
		w.changes.at(n).ord = c.Ord
		w.link(n, d.hashesOf(c.Data))
	}
	for _, x := range in.DDL {
		x.Txn = i
		st.ddls = append(st.ddls, &x)
	}
}

// hashesOf computes the index hashes of stored entries anew.
func (d *Detector) hashesOf(data []byte) []uint32 {
	var out []uint32
	_, _, rest := prints(data)
	for len(rest) > 0 {
		var e entry
		e, rest = nextEntry(rest)
		folds := d.x.modes[:0]
		for _, t := range d.namespaces[e.ns].Text {
			folds = append(folds, foldOf(t))
		}
		d.x.modes = folds
		out = append(out, bucketOf(d.x.hash(e.ns, folds, e.tuple), e.role))
	}
	return out
}

// Definitions returns the definitions of a side that are in force, as Feed got
// them: after Restore those of the place where reading goes on.
func (d *Detector) Definitions(s Side) []Definition {
	var out []Definition
	for _, name := range slices.Sorted(maps.Keys(d.tables)) {
		if t := d.tables[name]; t.defs[s] != nil {
			out = append(out, Definition{Table: t.defs[s], ForeignKeys: t.fks[s]})
		}
	}
	return out
}
