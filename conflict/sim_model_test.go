package conflict

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"crosscheck/cluster/binlog"
)

// The simulated pair holds two tables: t(id PRIMARY KEY, email UNIQUE NULL, code
// UNIQUE NULL, n), in which email compares by a collation, and c(id PRIMARY KEY,
// pid NULL REFERENCES t(id)), whose unused columns are NULL. Their names are those
// of simNames.

type simRow struct {
	id    int
	email simText
	code  string // "" is NULL
	n     int    // of c: pid, 0 is NULL
}

type simOp struct {
	table         string // "t" or "c"
	before, after *simRow
}

func (o simOp) kind() binlog.Kind {
	switch {
	case o.before == nil:
		return binlog.Insert
	case o.after == nil:
		return binlog.Delete
	}
	return binlog.Update
}

// simTx is a transaction as one log holds it: row changes, or a statement.
type simTx struct {
	origin Side
	seq    int // of its origin's local transactions, from 1
	ops    []simOp
	ddl    *simDDL
	index  int // in the log
}

// simItem is a piece of a log: a transaction, or a fence.
type simItem struct {
	tx      *simTx
	taken   uint64
	reached uint64
}

type simServer struct {
	rows    map[string]map[int]simRow
	log     []simItem
	local   []*simTx
	inbox   []*simTx // of the other side, not yet applied
	pending []simFence
	silent  simCascade
	gone    bool                      // there is no table c
	asides  map[string]map[int]simRow // rows of tables that were c
}

type simFence struct {
	n    uint64
	upTo int // the other side's transactions that it covers
}

// simMode is how the servers replicate.
type simMode struct {
	flavor  string // "mysql", "mariadb", "anonymous"
	inOrder bool
	domains int // of each side; they are applied beside each other
}

// domain is that of a transaction.
func (m simMode) domain(seq int) int { return seq % max(m.domains, 1) }

type sim struct {
	rng      *rand.Rand
	mode     simMode
	srv      [2]*simServer
	fences   uint64
	skips    int // changes that an applier skipped
	plants   int
	planted  map[int]bool // rows of t that were changed so
	tangled  bool         // both sides changed the life of a table beside each other, or one was passed over
	injected int          // transactions skipped by an empty one of their name
	opts     simOptions
	classes  map[string]int // of the texts that were written
	read     [2][]Event     // of both logs, once the history is over
}

type simOptions struct {
	steps     int
	ids       int  // the key space
	localRate int  // local transactions against applied ones, in percent
	disjoint  bool // the sides write rows of their own
	cascade   bool // of the foreign key; servers log what it deletes
	silent    simCascade
	ddl       bool
	alphabet  *simAlphabet
	names     *simNames
	plant     bool
	inject    bool // transactions are skipped by an empty one of their name
}

// simCascade is what a foreign key does to children without logging it.
type simCascade uint8

const (
	restricts simCascade = iota
	deletesToo
	setsNull
)

func newSim(rng *rand.Rand, mode simMode, opts simOptions) *sim {
	s := &sim{rng: rng, mode: mode, opts: opts, classes: map[string]int{}, planted: map[int]bool{}}
	for i := range s.srv {
		s.srv[i] = &simServer{silent: opts.silent, rows: map[string]map[int]simRow{"t": {}, "c": {}}, asides: map[string]map[int]simRow{}}
	}
	s.fence(Old)
	s.fence(New)
	return s
}

// run lets the history happen and comes to rest.
func (s *sim) run() {
	for range s.opts.steps {
		side := Side(s.rng.IntN(2))
		switch p := s.rng.IntN(100); {
		case p < s.opts.localRate && s.opts.ddl && s.rng.IntN(15) == 0:
			s.define(side)
		case p < s.opts.localRate:
			s.write(side)
		case p < 97:
			s.apply(side)
		case p == 97 && s.opts.plant:
			s.plantOn(side)
		default:
			s.fence(side)
		}
	}
	for len(s.srv[Old].inbox)+len(s.srv[New].inbox) > 0 {
		s.apply(Old)
		s.apply(New)
	}
	s.fence(Old)
	s.fence(New)
}

// write makes a local transaction of a few changes that the server accepts.
func (s *sim) write(side Side) {
	srv := s.srv[side]
	tx := &simTx{origin: side, seq: len(srv.local) + 1}
	for range 1 + s.rng.IntN(3)*s.rng.IntN(2) {
		op, ok := s.pick(side)
		if !ok {
			continue
		}
		list := []simOp{op}
		if s.opts.cascade && op.table == "t" && op.after == nil {
			list = append(srv.children(op.before.id), op)
		}
		for _, op := range list {
			if srv.accepts(op) {
				srv.do(op)
				tx.ops = append(tx.ops, op)
			}
		}
	}
	if len(tx.ops) == 0 {
		return
	}
	srv.local = append(srv.local, tx)
	srv.append(tx)
	s.srv[side.Other()].inbox = append(s.srv[side.Other()].inbox, tx)
}

// children are deletes of the rows that refer to a row.
func (srv *simServer) children(id int) (out []simOp) {
	for _, at := range slices.Sorted(maps.Keys(srv.rows["c"])) {
		if row := srv.rows["c"][at]; row.n == id {
			out = append(out, simOp{table: "c", before: &row})
		}
	}
	return out
}

func (srv *simServer) append(tx *simTx) {
	tx.index = len(srv.log)
	srv.log = append(srv.log, simItem{tx: tx})
}

func (s *sim) id(side Side) int {
	n := 1 + s.rng.IntN(s.opts.ids)
	if s.opts.disjoint {
		return 2*n + int(side)
	}
	return n
}

// pick chooses a change.
func (s *sim) pick(side Side) (simOp, bool) {
	r, srv := s.rng, s.srv[side]
	table := "t"
	if r.IntN(6) == 0 && !srv.gone {
		table = "c"
	}
	id := s.id(side)
	have, exists := srv.rows[table][id]
	if !exists {
		row := simRow{id: id, n: r.IntN(3)}
		if table == "t" {
			row.email, row.code = s.email(side), s.code(side)
		} else {
			row.n = s.id(side) * r.IntN(2)
		}
		return simOp{table: table, after: &row}, true
	}
	before, after := have, have
	switch p := r.IntN(10); {
	case p < 3:
		return simOp{table: table, before: &before}, true
	case table == "c":
		after.n = s.id(side) * r.IntN(2)
	case p < 6:
		after.n = r.IntN(4)
	case p < 7:
		after.email = s.email(side)
	case p < 8:
		after.code = s.code(side)
	default:
		after.id = s.id(side)
	}
	return simOp{table: table, before: &before, after: &after}, before != after
}

func (s *sim) email(side Side) simText {
	n := s.rng.IntN(s.opts.ids + 2)
	if n < 2 {
		return simText{}
	}
	if s.opts.disjoint {
		n = 2*n + int(side)
	}
	out := s.opts.alphabet.word(s.rng, n)
	s.classes[out.text] = out.class
	return out
}

func (s *sim) code(side Side) string {
	n := s.rng.IntN(s.opts.ids * 2)
	if n > s.opts.ids {
		return ""
	}
	if s.opts.disjoint {
		n = 2*n + int(side)
	}
	return strconv.Itoa(n)
}

func simEqual(a, b simText) bool { return a.class != 0 && a.class == b.class }

// clash lists the other rows that a row of t is not allowed beside.
func (srv *simServer) clash(row simRow, but int) []int {
	var out []int
	for _, id := range slices.Sorted(maps.Keys(srv.rows["t"])) {
		o := srv.rows["t"][id]
		if id != but && (simEqual(o.email, row.email) || o.code != "" && o.code == row.code) {
			out = append(out, id)
		}
	}
	return out
}

// accepts tells whether a change made here keeps all constraints.
func (srv *simServer) accepts(op simOp) bool {
	if op.leaves() && srv.silent == restricts {
		for _, rows := range append(slices.Collect(maps.Values(srv.asides)), srv.rows["c"]) { // a table that was moved refers on
			for _, c := range rows {
				if c.n == op.before.id {
					return false
				}
			}
		}
	}
	if op.after == nil {
		return true
	}
	but := 0
	if op.before != nil {
		but = op.before.id
	}
	if _, taken := srv.rows[op.table][op.after.id]; taken && op.after.id != but {
		return false
	}
	if op.table == "c" {
		_, ok := srv.rows["t"][op.after.n]
		return ok || op.after.n == 0
	}
	return len(srv.clash(*op.after, but)) == 0
}

// leaves tells whether a row of t gives its key up.
func (o simOp) leaves() bool {
	return o.table == "t" && o.before != nil && (o.after == nil || o.after.id != o.before.id)
}

func (srv *simServer) do(op simOp) {
	if op.leaves() && srv.silent != restricts {
		for _, rows := range append(slices.Collect(maps.Values(srv.asides)), srv.rows["c"]) {
			srv.follow(rows, op)
		}
	}
	if op.before != nil {
		delete(srv.rows[op.table], op.before.id)
	}
	if op.after != nil {
		srv.rows[op.table][op.after.id] = *op.after
	}
}

// follow does to children what the foreign key says, which nothing logs.
func (srv *simServer) follow(rows map[int]simRow, op simOp) {
	for id, c := range rows {
		switch {
		case c.n != op.before.id:
		case op.after != nil:
			c.n = op.after.id
			rows[id] = c
		case srv.silent == setsNull:
			c.n = 0
			rows[id] = c
		default:
			delete(rows, id)
		}
	}
}

// fence takes a fence of a side's log.
func (s *sim) fence(side Side) {
	s.fences++
	srv, o := s.srv[side], s.srv[side.Other()]
	srv.log = append(srv.log, simItem{taken: s.fences})
	o.pending = append(o.pending, simFence{n: s.fences, upTo: len(srv.local)})
	o.reach()
}

// reach writes down which fences a server has reached.
func (srv *simServer) reach() {
	for len(srv.pending) > 0 {
		f := srv.pending[0]
		if slices.ContainsFunc(srv.inbox, func(tx *simTx) bool { return tx.seq <= f.upTo }) {
			return
		}
		srv.log = append(srv.log, simItem{reached: f.n})
		srv.pending = srv.pending[1:]
	}
}

// plantOn changes a row without logging it.
func (s *sim) plantOn(side Side) {
	rows := s.srv[side].rows["t"]
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		row := rows[id]
		row.n += 1000
		rows[id] = row
		s.plants++
		s.planted[id] = true
		return
	}
}
