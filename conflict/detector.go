package conflict

import (
	"fmt"

	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// Config shapes a Detector.
type Config struct {
	// Start are the positions from which the two streams are read.
	Start [2]gtid.Position
	// InOrder says per side that its applier commits in the order of the other
	// side's log: one worker, or several that preserve the order. The echo of a
	// transaction then proves that all earlier ones were passed. Without GTIDs it
	// is also what ties an echo to its original (see doc of anonymous matching).
	InOrder [2]bool
	// PerDomain says per side that its applier keeps that order within a domain of MariaDB only: several domains are
	// applied beside each other.
	PerDomain [2]bool
	// Apart says that the two positions of Start are not of one moment. Without GTIDs
	// nothing tells then whether the first transactions of a side arrived on the
	// other before its position: such rows come under doubt if they have no echo.
	Apart bool
	// WindowBytes bounds the memory of both windows; 0: 176 MiB. Images go first,
	// then the keys of the oldest transactions, which is reported as unjudged.
	WindowBytes int
	// ImageBytes bounds the row images alone; 0: a quarter of WindowBytes.
	ImageBytes int
}

const (
	defaultWindowBytes = 176 << 20
	// maxChain bounds how many values in one bucket are looked at per change, from the oldest on. Beyond it the change is
	// unjudged.
	maxChain = 1 << 16
)

// Detector is the pure core. It is for one goroutine.
type Detector struct {
	cfg     Config
	streams [2]*stream

	tables     map[string]*table
	namespaces []namespace
	nsByName   map[string]uint32
	layouts    layouts
	version    uint64 // of the definitions
	sources    []source
	sourceNum  map[source]uint32
	files      []string
	fileNum    map[string]uint32

	x        extractor
	between  []byte // see merge
	hits     []hit
	once     map[string]bool // unjudged findings that were made
	obscured map[string]bool // tables of which some collisions cannot be seen
	runs     []run           // see judge
	// What servers are asked about, see crowd.
	asked, open *batch // asked is nil while nothing is
	waiters     map[uint64]*waiter
	waiting     [2]map[uint32]uint64 // change in the window → waiter
	waiterBytes int
	lastWaiter  uint64
	tick        uint64
	suspects    map[uint64]*suspect
	stamp       uint64 // the last of Doubt.Stamp
	fresh       []Doubt
	cleared     []Doubt
	out         []Finding
	count       counters
}

// stream is the state of one side's stream.
type stream struct {
	win   *window
	held  []Event
	taken uint64 // events consumed
	// boundary is what taken was when no transaction was unfinished.
	boundary uint64
	seq      uint64
	pos      gtid.Position
	place    Place
	start    gtid.Position
	read     map[uint32]uint64 // per source of MariaDB, the highest number of its own transactions
	cur      uint32            // the original that is being assembled, in win
	echo     *echo             // the echo that is being assembled
	raw      contents          // of cur

	fences []fence // of this log, not yet reached in the other
	fenced bool    // the other side has reached the first of them
	first  uint64  // the first of this side's transactions whose echo was read
	voided uint64  // fences up to this number mean nothing: the log was begun anew

	step      Step
	tops      map[string]*tops // per table with a generated key
	clock     int64            // the latest second of what was written here
	sessions  map[uint64]Session
	through   Place
	blindFrom Place
	blinds    []Blind
	lost      uint64 // transactions up to this number were dropped whole; 0 none
	ddls      []*ddl
	orphan    bool // the head of held is known to have no original
	// keyless is the version of the definitions by which rows of echoes lack their table's key for good: none that could
	// come made a difference.
	keyless uint64
	// blurred is where echoes of this side's anonymous transactions that stand in a
	// gap of the other end; renumbered says that names may have been used before.
	blurred    gtid.Position
	renumbered bool
}

type fence struct {
	N   uint64
	Seq uint64
}

// source is who numbered a transaction.
type source struct {
	MySQL          gtid.Source
	Domain, Server uint32
	Maria          bool
}

// NewDetector makes a detector whose windows are empty.
func NewDetector(cfg Config) *Detector {
	if cfg.WindowBytes <= 0 {
		cfg.WindowBytes = defaultWindowBytes
	}
	if cfg.ImageBytes <= 0 {
		cfg.ImageBytes = cfg.WindowBytes / 4
	}
	d := &Detector{
		cfg: cfg, tables: map[string]*table{}, nsByName: map[string]uint32{}, sourceNum: map[source]uint32{},
		fileNum: map[string]uint32{}, once: map[string]bool{}, obscured: map[string]bool{}, open: &batch{}, waiters: map[uint64]*waiter{}, waiting: [2]map[uint32]uint64{{}, {}}, suspects: map[uint64]*suspect{},
		sources: make([]source, 1), files: make([]string, 1),
	}
	d.layouts.reset()
	for s := range d.streams {
		d.streams[s] = &stream{win: newWindow(), pos: cfg.Start[s], start: cfg.Start[s], sessions: map[uint64]Session{}, read: map[uint32]uint64{}}
		d.streams[s].win.gone = func(c uint32) { d.left(Side(s), c) }
	}
	return d
}

// Feed takes the next event of a side's stream. Findings that follow are in
// Take. An event that must wait for the other stream is held.
func (d *Detector) Feed(s Side, ev Event) {
	st := d.streams[s]
	switch e := ev.(type) {
	case SessionsSeen:
		d.sessionsSeen(s, e)
		return
	case TopKey:
		st.topsOf(e.Table).read(topAt{e.At, e.Key}, e.Again)
		return
	case NoOriginal:
		if len(st.held) > 0 && st.taken == e.Head {
			st.orphan = true
		}
	default:
		st.held = append(st.held, ev)
	}
	d.pump()
}

// SetInOrder says anew whether a side's applier keeps the order of commits
// (Config.InOrder, Config.PerDomain), from here on.
func (d *Detector) SetInOrder(s Side, inOrder, perDomain bool) {
	d.cfg.InOrder[s], d.cfg.PerDomain[s] = inOrder, perDomain
}

// pump consumes what need not wait.
func (d *Detector) pump() {
	for moved := true; moved; {
		moved = false
		for s, st := range d.streams {
			for len(st.held) > 0 && d.consume(Side(s), st.held[0]) {
				st.held[0] = nil
				st.held = st.held[1:]
				st.taken++
				if st.cur == 0 && st.echo == nil {
					st.boundary = st.taken
				}
				st.orphan = false
				moved = true
			}
			if len(st.held) == 0 {
				st.held = nil
			}
		}
	}
}

// Held is how many events of a side wait for the other side's stream. The
// caller should not read on from a side while it is more than a few.
func (d *Detector) Held(s Side) int { return len(d.streams[s].held) }

// Blocked tells that a side's stream waits for the other's: at an echo whose
// original has not come (echo), or at a fence. If the other stream is known to
// have come past any place where the original can stand, and Blocked still gives
// the same head, the caller answers with NoOriginal.
func (d *Detector) Blocked(s Side) (head uint64, isEcho, ok bool) {
	st := d.streams[s]
	if len(st.held) == 0 {
		return 0, false, false
	}
	_, isEcho = st.held[0].(Transaction)
	return st.taken, isEcho, true
}

// consume handles one event; false: it must wait.
func (d *Detector) consume(s Side, ev Event) bool {
	st := d.streams[s]
	switch e := ev.(type) {
	case Transaction:
		return d.transaction(s, e)
	case Definition:
		d.define(s, e)
	case FenceTaken:
		st.fences = append(st.fences, fence{N: e.N, Seq: st.seq})
	case FenceReached:
		return d.fenceReached(s, e.N)
	case Gap:
		d.gap(s, e)
	case StepInForce:
		st.step = e.Step
	case Restarted:
		st.restarted(e.At)
	default:
	}
	return true
}

func (d *Detector) transaction(s Side, e Transaction) bool {
	tx := e.Tx
	switch {
	case tx.Aborted:
		d.abort(s)
		return true
	case tx.Heartbeat:
		d.advance(s, tx)
		return true
	}
	switch e.Origin {
	case Origin(s):
		d.streams[s].clock = max(d.streams[s].clock, tx.CommitTime.Unix())
		d.original(s, tx)
		if tx.Last && tx.Mark.MariaDB.Seq > 0 {
			d.streams[s].read[d.identityOf(tx.Mark).source] = tx.Mark.MariaDB.Seq
		}
	case FromOther:
		d.third(s, tx)
	default:
		if !d.echoed(s, tx) {
			return false
		}
	}
	if len(tx.DDL) > 0 {
		d.streams[s].renew(tx)
		d.lives(s, tx)
	}
	if tx.Last {
		d.advance(s, tx)
	}
	return true
}

// advance moves the side's position past a complete transaction.
func (d *Detector) advance(s Side, tx *binlog.Transaction) {
	st := d.streams[s]
	st.pos = tx.Position
	place := Place{File: tx.Position.File, GTID: tx.GTID}
	if tx.Heartbeat {
		place.GTID = st.place.GTID
	}
	st.place = place
	if st.win.count == 0 {
		st.through = place
	}
}

// abort forgets the parts of a transaction that never came to be.
func (d *Detector) abort(s Side) {
	st := d.streams[s]
	if st.cur != 0 {
		st.dropDDL(st.cur)
		st.win.close(st.cur)
		st.cur = 0
	}
	st.echo, st.raw = nil, contents{}
}

// third notes rows of a server that is on neither side.
func (d *Detector) third(s Side, tx *binlog.Transaction) {
	d.count.Sides[s].Third += uint64(len(tx.Changes))
	if len(tx.Changes) > 0 || len(tx.DDL) > 0 {
		who := tx.OriginUUID
		if who == "" {
			who = fmt.Sprintf("server id %d", tx.ServerID)
		}
		d.unjudgedOnce(s, ReasonThirdSource, "", who, "transactions of "+who+", which is on neither side, are not judged", elsewhere(tx))
	}
}

// identityOf interns a transaction's name.
func (d *Detector) identityOf(m binlog.Mark) identity {
	var src source
	var number uint64
	switch {
	case m.MySQL.Number > 0:
		src, number = source{MySQL: m.MySQL.Source}, m.MySQL.Number
	case m.MariaDB.Seq > 0:
		src, number = source{Domain: m.MariaDB.Domain, Server: m.MariaDB.Server, Maria: true}, m.MariaDB.Seq
	default:
		return identity{}
	}
	n, ok := d.sourceNum[src]
	if !ok {
		n = uint32(len(d.sources))
		d.sources = append(d.sources, src)
		d.sourceNum[src] = n
	}
	return identity{n, number}
}

func (d *Detector) gtidOf(id identity) string {
	if id.source == 0 {
		return ""
	}
	src := d.sources[id.source]
	if src.Maria {
		return gtid.MariaGTID{Domain: src.Domain, Server: src.Server, Seq: id.number}.String()
	}
	return gtid.GTID{Source: src.MySQL, Number: id.number}.String()
}

func (d *Detector) file(name string) uint32 {
	if n, ok := d.fileNum[name]; ok {
		return n
	}
	n := uint32(len(d.files))
	d.files = append(d.files, name)
	d.fileNum[name] = n
	return n
}

// placeOf is where a window's transaction stands.
func (d *Detector) placeOf(t *txn) Place {
	p := Place{GTID: d.gtidOf(identity{t.source, t.number})}
	if t.pos > 0 {
		p.File = gtid.FilePos{File: d.files[t.file], Pos: t.pos}
	}
	return p
}

// Take returns the findings since the last Take, in the order in which they
// were made.
func (d *Detector) Take() []Finding {
	out := d.out
	d.out = nil
	return out
}

func (d *Detector) emit(f Finding) {
	if f.Advice == "" {
		f.Advice = advice(&f)
	}
	d.count.Findings[f.Kind]++
	d.out = append(d.out, f)
}
