package gate_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"crosscheck/gate"
	"crosscheck/gate/plan"
	"crosscheck/gate/record"
)

// place is where a log ends: how often it began anew, and how many transactions it holds since.
type place struct{ epoch, at int }

func (p place) String() string { return fmt.Sprintf("%d.%d", p.epoch, p.at) }

func parsePlace(text string) (p place, ok bool) {
	epoch, at, ok := strings.Cut(text, ".")
	if !ok {
		return p, false
	}
	var errs [2]error
	p.epoch, errs[0] = strconv.Atoi(epoch)
	p.at, errs[1] = strconv.Atoi(at)
	return p, errors.Join(errs[:]...) == nil
}

// shrank tells that a log was seen to begin anew: what filled up again since then looks like one that grew.
func (p place) shrank(was place) bool { return p.epoch != was.epoch }

// own is a transaction of a node's own.
type own struct {
	at  place
	app bool // of a session of the application
}

// node is a server.
type node struct {
	log     place
	own     []own
	came    []place // transactions of other servers
	started time.Time
	conns   int64 // the highest connection id so far
}

func (n *node) write(app bool) {
	n.log.at++
	n.own = append(n.own, own{n.log, app})
}

// bring lets transactions of another server come.
func (n *node) bring(some int) {
	if some > 0 {
		n.log.at += some
		n.came = append(n.came, n.log)
	}
}

// cameSince tells whether any came after a place; known is false once the log began anew.
func (n *node) cameSince(from place) (came, known bool) {
	last := place{}
	if len(n.came) > 0 {
		last = n.came[len(n.came)-1]
	}
	return last.epoch == from.epoch && last.at > from.at, from.epoch == n.log.epoch
}

// ownSince counts what the node wrote itself after one of its places; known is false once its log began anew.
func (n *node) ownSince(from place) (all, app int64, known bool) {
	if from.epoch != n.log.epoch {
		return 0, 0, false
	}
	for _, o := range n.own {
		if o.at.epoch == from.epoch && o.at.at > from.at {
			all++
			if o.app {
				app++
			}
		}
	}
	return all, app, true
}

// way is one direction of replication.
type way struct {
	from, to          string
	running           bool
	receiver, applier int64
	began             time.Time // the younger of its threads
	applied           place     // of the log of from
}

// rows are what is wrong with the rows of a copy, by table: that something of old is lost, that somebody did harm, or that the
// application wrote there.
type rows map[string]map[string]bool

func (r rows) add(table, what string) {
	if r[table] == nil {
		r[table] = map[string]bool{}
	}
	r[table][what] = true
}

// has tells it of the plan's tables.
func (r rows) has(what string) bool {
	for _, t := range tables[:2] {
		if r[t][what] {
			return true
		}
	}
	return false
}

func (r rows) differ(table string) bool { return len(r[table]) > 0 }

// tables are those of both servers. The plan names the first two.
var tables = []string{"shop.a", "shop.b", "other.c"}

const replica = "new-1"

// world is what is really true of a migration, with what was recorded of it.
type world struct {
	p     plan.Plan
	hash  string
	kinds map[string][]gate.Kind // that gates need
	now   time.Time
	list  []gate.Evidence
	book  gate.Book
	told  []string // what happened

	nodes  map[string]*node
	ways   []*way
	rows   map[string]rows // of "new" and its replica, against old
	found  map[string]rows // what a stored check has found of that
	client bool            // some client has been connected for longer than each thread of replication
	keeps  bool            // old tells when it was set read only
	writer bool            // new's log tells who wrote

	shut      time.Time // old is read only since it was set last; zero: it is not
	window    time.Time // it began, and where old stood when it ended
	closedAt  place
	persisted bool
	app       app
	switches  // what was said, and what has become of it
	toggles   toggles
	dual      dual
	replicas  replicas
	rolling   rolling

	runs   []*record.Run            // of new, oldest first
	copies map[string][]*record.Run // of its replica
	fails  gate.Kind                // what the next look fails to measure
	stage  struct {
		at int // of a look, before which something happens
		do func()
	}
}

// app is where the application is.
type app struct{ onOld, writesOld, onNew, writesNew bool }

// switches are what is true of the switches.
type switches struct {
	wroteNew bool // the application has written to new since it came there
	over     bool // it was signed
	openedAt map[string]bool
}

// toggles are faults that come and go.
type toggles struct {
	worse, config, sick, second, gtidOff bool
	healthy                              time.Time // from when on new's health is counted; zero: from the next look
}

// rolling is what is true of the node that a rolling upgrade goes through, which stands at the replica's place and follows new, and of
// old.
type rolling struct{ upgraded, readers, oldUpgraded bool }

// releaseOf is the version of a node.
func releaseOf(upgraded bool) string {
	if upgraded {
		return "9.7.4"
	}
	return "8.4.6"
}

// replicas are what is true of new's replica, and of one that the plan does not name.
type replicas struct {
	gone, filtered, errant, late, unplanned bool
}

func newWorld(t *rapid.T, path plan.Path) *world {
	w := &world{
		nodes: map[string]*node{}, rows: map[string]rows{"new": {}, replica: {}}, found: map[string]rows{"new": {}, replica: {}},
		copies: map[string][]*record.Run{}, kinds: map[string][]gate.Kind{}, now: gate.T0, p: gate.TestPlan(path),
	}
	w.p.Ages.State, w.p.Ages.Watch, w.p.Ages.Health = 10*time.Minute, 10*time.Minute, time.Hour
	w.p.Limits.QuietPeriod, w.p.Limits.WatchPeriod, w.p.Limits.ReadOnlyWindow = time.Minute, time.Minute, 2*time.Hour
	w.client, w.keeps, w.writer = rapid.Bool().Draw(t, "an old client"), rapid.Bool().Draw(t, "settings have times"), rapid.Bool().Draw(t, "logs have writers")
	ends := []string{"old", "new"}
	switch path {
	case plan.GTIDConverter:
		ends = []string{"old", "converter", "new"}
	case plan.DualWrite, plan.GTIDRestart, plan.RollingUpgrade:
	}
	if rapid.IntRange(0, 2).Draw(t, "replicas") == 0 {
		w.p.New.Replicas = []string{"@new1"}
		ends = append(ends, replica)
	} else if path == plan.RollingUpgrade && rapid.Bool().Draw(t, "node by node") {
		w.p.Old.Replicas, w.p.Rolling = []string{"@old1"}, &plan.Rolling{ReadsFor: time.Minute}
		ends = append(ends, replica)
	}
	for _, name := range ends {
		w.nodes[name] = &node{started: w.now.Add(-100 * time.Hour), conns: 10, log: place{1, 100}}
	}
	for i := range ends[1:] {
		w.ways = append(w.ways, &way{from: ends[i], to: ends[i+1]})
	}
	if path == plan.DualWrite {
		w.ways = append(w.ways, &way{from: "new", to: "old"})
	}
	for _, x := range w.ways {
		x.applied = w.nodes[x.from].log
		w.start(x)
		x.began = w.now.Add(-99 * time.Hour)
	}
	w.app = app{onOld: true, writesOld: true}
	w.toggles.healthy = w.now.Add(-2 * time.Hour)
	w.dual = dual{through: w.now}
	w.openedAt = map[string]bool{}
	for _, k := range []gate.Kind{gate.KindPreflight, gate.KindRehearsal} {
		c := gate.Good(w.p, k, w.now)
		if f, ok := c.(gate.Preflight); ok {
			f.Tables = tables[:2]
			c = f
		}
		w.add(w.made(w.now, c))
	}
	return w
}

func (w *world) made(at time.Time, c gate.Content) gate.Evidence {
	if w.hash == "" {
		w.hash = w.p.Hash()
	}
	return gate.Evidence{Taken: at, Old: gate.UUIDOld, New: gate.UUIDNew, Plan: w.hash, Content: c}
}

// needs are the kinds that a gate needs.
func (w *world) needs(name string) []gate.Kind {
	if _, ok := w.kinds[name]; !ok {
		w.kinds[name] = gate.Needs(w.p, name)
	}
	return w.kinds[name]
}

func (w *world) add(e gate.Evidence) {
	if w.book.Add(e) {
		w.list = append(w.list, e)
	}
}

// pass lets time pass, in which the application works and replication brings what was written.
func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	if w.app.writesOld && w.app.onOld && w.shut.IsZero() {
		w.writeOld(true)
	}
	if w.app.writesNew && w.app.onNew {
		w.nodes["new"].write(true)
		w.wroteNew = true
		if w.p.Path != plan.DualWrite {
			w.rows["new"].add(tables[0], "app")
		}
	}
	w.flow()
}

// writeOld writes to old. What the application wrote to new before old does not have, if only one side is to take writes.
func (w *world) writeOld(app bool) {
	w.nodes["old"].write(app)
	w.dual.wrote = w.now
	for _, t := range tables {
		if w.rows["new"][t]["app"] || w.rows["new"][t]["early"] {
			w.rows["new"][t] = map[string]bool{"harm": true, "lost": w.rows["new"][t]["lost"]}
		}
	}
}

// flow lets the ways that run bring what there is.
func (w *world) flow() {
	for _, x := range w.ways {
		from := w.nodes[x.from].log
		if !x.running || x.applied == from {
			continue
		}
		if x.from != "new" || x.to != "old" { // it comes from there itself
			w.nodes[x.to].bring(max(from.at-x.applied.at, 0))
		}
		x.applied = from
	}
}

// pending tells that something of old is on its way.
func (w *world) pending() bool {
	return slices.ContainsFunc(w.ways, func(x *way) bool { return x.to != replica && x.from != "new" && x.applied != w.nodes[x.from].log })
}

func (w *world) way(to string) *way {
	for _, x := range w.ways {
		if x.to == to {
			return x
		}
	}
	return nil
}

// start starts both threads of a way.
func (w *world) start(x *way) {
	n := w.nodes[x.to]
	n.conns += 2
	x.receiver, x.applier, x.running, x.began = n.conns-1, n.conns, true, w.now
	w.flow()
}

// alone starts one of its threads anew.
func (w *world) alone(x *way, applier bool) {
	n := w.nodes[x.to]
	n.conns += 3
	if applier {
		x.applier = n.conns
	} else {
		x.receiver = n.conns
	}
	x.running, x.began = true, w.now
}

// restart starts a server anew: ids of connections begin where they did the last time.
func (w *world) restart(name string) {
	w.now = w.now.Add(20 * time.Second)
	n := w.nodes[name]
	n.started, n.conns = w.now, 10
	for _, x := range w.ways {
		if x.to == name {
			w.start(x)
		}
	}
	switch name {
	case "old":
		if n.log.at++; !w.persisted { // another file
			w.shut = time.Time{}
		}
		w.flow()
	case "new":
		w.toggles.healthy = time.Time{}
		if w.p.Path == plan.DualWrite {
			n.log.at++
		}
	}
}

// lose lets a transaction of old be lost on the way to a copy; on the way to new, only where there is one.
func (w *world) lose(to, table string) {
	switch {
	case to == replica:
		w.rows[replica].add(table, "lost")
	case w.shut.IsZero() || w.pending():
		w.writeOld(false)
		w.rows["new"].add(table, "lost")
	}
}

// differ tells whether a table of a copy differs from old's.
func (w *world) differ(copied, table string) bool {
	return w.rows["new"].differ(table) || w.rows[copied].differ(table) || w.dual.collidedIn(table)
}

// damaged tells whether a fault of rows of a copy is there that a stored check has found.
func (w *world) damaged(copied string) bool {
	for _, t := range tables[:2] {
		if w.found[copied].differ(t) && w.differ(copied, t) {
			return true
		}
	}
	return false
}

// mend makes the rows of new, and of its replica if it is named, what old's are.
func (w *world) mend(copied string) {
	if copied == "new" {
		w.dual.collided = time.Time{}
	}
	wrote := false
	for _, t := range tables {
		wrote = wrote || w.rows[copied].differ(t)
		delete(w.rows[copied], t)
		delete(w.found[copied], t)
	}
	if wrote && copied == "new" { // that is a write, too
		w.nodes["new"].write(false)
		w.flow()
	}
}

func (w *world) plans(table string) bool { return strings.HasPrefix(table, "shop.") }
