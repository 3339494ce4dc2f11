package conflict

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
)

// The simulated pair holds two tables: t(id PRIMARY KEY, email UNIQUE NULL, code
// UNIQUE NULL, n), in which email compares without case, and c(id PRIMARY KEY,
// pid NULL REFERENCES t(id)), whose unused columns are NULL.

type simRow struct {
	id          int
	email, code string // "" is NULL
	n           int    // of c: pid, 0 is NULL
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

// simTx is a transaction as one log holds it.
type simTx struct {
	origin Side
	seq    int // of its origin's local transactions, from 1
	ops    []simOp
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
	injected int // transactions skipped by an empty one of their name
	opts     simOptions
}

type simOptions struct {
	steps     int
	ids       int  // the key space
	localRate int  // local transactions against applied ones, in percent
	disjoint  bool // the sides write rows of their own
	plant     bool
	inject    bool // transactions are skipped by an empty one of their name
}

func newSim(rng *rand.Rand, mode simMode, opts simOptions) *sim {
	s := &sim{rng: rng, mode: mode, opts: opts}
	for i := range s.srv {
		s.srv[i] = &simServer{rows: map[string]map[int]simRow{"t": {}, "c": {}}}
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
		if op, ok := s.pick(side); ok && srv.accepts(op) {
			srv.do(op)
			tx.ops = append(tx.ops, op)
		}
	}
	if len(tx.ops) == 0 {
		return
	}
	srv.local = append(srv.local, tx)
	srv.append(tx)
	s.srv[side.Other()].inbox = append(s.srv[side.Other()].inbox, tx)
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
	if r.IntN(6) == 0 {
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

func (s *sim) email(side Side) string {
	switch n := s.rng.IntN(s.opts.ids + 2); {
	case n < 2:
		return ""
	case s.opts.disjoint:
		return fmt.Sprintf("%s%d@x", side, n)
	case s.rng.IntN(4) == 0:
		return fmt.Sprintf("BOB%d@x", n)
	default:
		return fmt.Sprintf("bob%d@x", n)
	}
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

func simEqual(a, b string) bool { return a != "" && b != "" && strings.EqualFold(a, b) }

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
	if op.before != nil && (op.after == nil || op.after.id != op.before.id) && op.table == "t" {
		for _, c := range srv.rows["c"] {
			if c.n == op.before.id {
				return false
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

func (srv *simServer) do(op simOp) {
	if op.before != nil {
		delete(srv.rows[op.table], op.before.id)
	}
	if op.after != nil {
		srv.rows[op.table][op.after.id] = *op.after
	}
}

// apply lets a side's applier execute one transaction of the other side: the next
// one, or with parallel workers one of the next that depends on none before it.
func (s *sim) apply(side Side) {
	srv := s.srv[side]
	if len(srv.inbox) == 0 {
		return
	}
	at := 0
	if !s.mode.inOrder || s.mode.domains > 1 {
		for try := s.rng.IntN(min(8, len(srv.inbox))); try > 0; try-- {
			if s.mayOvertake(srv.inbox[:try], srv.inbox[try]) {
				at = try
				break
			}
		}
	}
	if s.opts.inject && s.mode.flavor == "mysql" && s.rng.IntN(40) == 0 { // an empty transaction of that name, ahead of its turn
		at = s.rng.IntN(len(srv.inbox))
		tx := srv.inbox[at]
		srv.inbox = slices.Delete(slices.Clone(srv.inbox), at, at+1)
		srv.append(&simTx{origin: tx.origin, seq: tx.seq})
		s.injected++
		srv.reach()
		return
	}
	tx := srv.inbox[at]
	srv.inbox = slices.Delete(slices.Clone(srv.inbox), at, at+1)
	echo := &simTx{origin: tx.origin, seq: tx.seq}
	for _, op := range tx.ops {
		logged := srv.idempotent(op)
		if len(logged) == 0 {
			s.skips++
		}
		echo.ops = append(echo.ops, logged...)
	}
	if len(echo.ops) > 0 || s.mode.flavor == "mysql" {
		srv.append(echo)
	}
	srv.reach()
}

// mayOvertake tells whether a transaction may be applied before earlier ones.
func (s *sim) mayOvertake(earlier []*simTx, tx *simTx) bool {
	same := func(e *simTx) bool { return s.mode.domain(e.seq) == s.mode.domain(tx.seq) }
	return free(earlier, tx) && (!s.mode.inOrder || !slices.ContainsFunc(earlier, same))
}

// free tells whether a transaction shares no key with earlier ones.
func free(earlier []*simTx, tx *simTx) bool {
	for _, e := range earlier {
		for _, a := range e.ops {
			for _, b := range tx.ops {
				if depends(a, b) {
					return false
				}
			}
		}
	}
	return true
}

func depends(a, b simOp) bool {
	for _, x := range []*simRow{a.before, a.after} {
		for _, y := range []*simRow{b.before, b.after} {
			if x == nil || y == nil {
				continue
			}
			if a.table != b.table && (a.table == "c" && x.n == y.id || b.table == "c" && y.n == x.id) ||
				a.table == b.table && (x.id == y.id || simEqual(x.email, y.email) || x.code != "" && x.code == y.code) {
				return true
			}
		}
	}
	return false
}

// idempotent applies a change as slave_exec_mode=IDEMPOTENT does, and returns
// what is logged.
func (srv *simServer) idempotent(op simOp) []simOp {
	var logged []simOp
	run := func(o simOp) {
		srv.do(o)
		logged = append(logged, o)
	}
	if op.before == nil {
		if op.table == "t" {
			for _, id := range srv.clash(*op.after, op.after.id) {
				gone := srv.rows["t"][id]
				run(simOp{table: "t", before: &gone})
			}
		}
		o := simOp{table: op.table, after: op.after}
		if have, ok := srv.rows[op.table][op.after.id]; ok {
			o.before = &have
		}
		run(o)
		return logged
	}
	have, ok := srv.rows[op.table][op.before.id]
	if !ok {
		return nil
	}
	if op.after != nil {
		if _, taken := srv.rows[op.table][op.after.id]; taken && op.after.id != op.before.id {
			return nil
		}
		if op.table == "t" && len(srv.clash(*op.after, op.before.id)) > 0 {
			return nil
		}
	}
	run(simOp{table: op.table, before: &have, after: op.after})
	return logged
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
		return
	}
}

func simColumns() []cluster.Column {
	return []cluster.Column{
		{Name: "id", DataType: "int"},
		{Name: "email", DataType: "varchar", Nullable: true, Charset: "utf8mb4", Collation: "utf8mb4_general_ci"},
		{Name: "code", DataType: "int", Nullable: true},
		{Name: "n", DataType: "int", Nullable: true},
	}
}

func simTable(name string) *cluster.Table {
	t := &cluster.Table{Schema: "s", Name: name, Columns: simColumns(), Keys: []cluster.Key{
		{Name: "PRIMARY", Primary: true, Unique: true, Parts: []cluster.KeyPart{{Column: "id"}}},
	}}
	if name == "t" {
		t.Keys = append(
			t.Keys, cluster.Key{Name: "code", Unique: true, Parts: []cluster.KeyPart{{Column: "code"}}},
			cluster.Key{Name: "email", Unique: true, Parts: []cluster.KeyPart{{Column: "email"}}},
		)
	}
	return t
}

func simValue(s string) binlog.Value {
	if s == "" {
		return binlog.Value{State: binlog.Null}
	}
	return binlog.Value{Text: []byte(s)}
}

func simImage(table string, r *simRow) binlog.Row {
	if r == nil {
		return nil
	}
	n := strconv.Itoa(r.n)
	if table == "c" && r.n == 0 {
		n = ""
	}
	return binlog.Row{simValue(strconv.Itoa(r.id)), simValue(r.email), simValue(r.code), simValue(n)}
}

// simUUID is a side's server_uuid.
func simUUID(s Side) gtid.UUID { return gtid.UUID{15: byte(s) + 1} }

// events turns a side's log into the events of its stream. Each tail has its own
// table definitions.
func (s *sim) events(side Side) []Event {
	defs := map[string]*binlog.Table{}
	var out []Event
	for _, name := range []string{"t", "c"} {
		t := simTable(name)
		d := Definition{Table: t}
		if name == "c" {
			d.ForeignKeys = []ForeignKey{{Name: "fk", Columns: []string{"n"}, RefSchema: "s", RefTable: "t", RefColumns: []string{"id"}}}
		}
		defs[name] = binlog.TableOf(t)
		out = append(out, d)
	}
	var set gtid.Set
	rng := rand.New(rand.NewPCG(uint64(len(s.srv[side].log)), uint64(side)))
	for i, item := range s.srv[side].log {
		switch {
		case item.taken > 0:
			out = append(out, FenceTaken{item.taken})
		case item.reached > 0:
			out = append(out, FenceReached{item.reached})
		default:
			out = append(out, s.parts(side, item.tx, uint64(i)+1, defs, &set, rng)...)
		}
	}
	return out
}

func (s *sim) parts(side Side, tx *simTx, pos uint64, defs map[string]*binlog.Table, set *gtid.Set, rng *rand.Rand) []Event {
	base := binlog.Transaction{ServerID: uint32(tx.origin) + 1, ThreadID: uint64(tx.seq)}
	switch s.mode.flavor {
	case "mysql":
		base.Mark.MySQL = gtid.GTID{Source: gtid.Source{UUID: simUUID(tx.origin)}, Number: uint64(tx.seq)}
		base.GTID = base.Mark.MySQL.String()
		set.Add(base.Mark.MySQL)
	case "mariadb":
		base.Mark.MariaDB = gtid.MariaGTID{Domain: uint32(tx.origin) + 2*uint32(s.mode.domain(tx.seq)), Server: uint32(tx.origin) + 1, Seq: uint64(tx.seq)}
		base.GTID = base.Mark.MariaDB.String()
	}
	var out []Event
	last := base
	for _, op := range tx.ops {
		last.Changes = append(last.Changes, binlog.Change{
			Schema: "s", Table: op.table, Def: defs[op.table], Kind: op.kind(),
			Before: simImage(op.table, op.before), After: simImage(op.table, op.after),
		})
		if rng.IntN(8) == 0 {
			part := last
			out = append(out, Transaction{Origin: Origin(tx.origin), Tx: &part})
			last = base
			last.Part = part.Part + 1
		}
	}
	last.Last = true
	last.Mark.File = gtid.FilePos{File: fmt.Sprintf("%s.000001", side), Pos: pos * 100}
	last.Position = gtid.Position{Kind: gtid.File, MySQL: set.Clone(), File: last.Mark.File}
	return append(out, Transaction{Origin: Origin(tx.origin), Tx: &last})
}
