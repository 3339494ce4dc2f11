package watch

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// TestAccountClaimsWhatItKnows walks through processes of one account, each with a scope of its own, and through tables that are
// made, emptied, dropped and moved while one runs and between two. The account claims no table whose rows nobody can know by the
// check and by what was read; and without moves it claims each that is known.
func TestAccountClaimsWhatItKnows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newScopeWalk(t)
		mem := memory{Base: &Base{Run: 1}}
		for process := range rapid.IntRange(1, 4).Draw(t, "processes") {
			now := w.scope("scope")
			if process > 0 && rapid.Bool().Draw(t, "as before") {
				now.Include = mem.Scopes[len(mem.Scopes)-1].Include
			}
			filter, err := cluster.NewFilter(now.Include, nil)
			if err != nil {
				t.Fatal(err)
			}
			e := &engine{
				opt: Options{Filter: filter, Scope: now, Covered: &w.covered, Observer: nobody{}}, mem: mem, resumed: process > 0,
				servers: [2]*cluster.Server{new(cluster.Server), new(cluster.Server)},
			}
			w.begin(e, now)
			for range rapid.IntRange(0, 3).Draw(t, "statements under watch") {
				w.change()
			}
			w.readAll(e, now)
			mem = e.mem
			w.judge(e, now)
			for range rapid.IntRange(0, 3).Draw(t, "statements unwatched") {
				w.change()
			}
		}
	})
}

// scopeWalk is the truth. A statement counts for it when it is read.
type scopeWalk struct {
	*rapid.T

	covered Coverage
	exists  map[string]bool // on the servers
	knows   map[string]bool // of the tables as of what was read
	log     [][3]string     // statement, table, new name
	read    int
	moved   bool
}

var scopeNames = []string{"a", "b", "c", "d"}

func (w *scopeWalk) scope(what string) Scope {
	var s Scope
	for _, n := range scopeNames {
		if rapid.IntRange(0, 3).Draw(w.T, what) > 0 {
			s.Include = append(s.Include, "s."+n)
		}
	}
	if len(s.Include) == 0 {
		s.Include = []string{"s.a"}
	}
	return s
}

func within(s Scope, name string) bool { return slices.Contains(s.Include, "s."+name) }

func newScopeWalk(t *rapid.T) *scopeWalk {
	w := &scopeWalk{T: t, exists: map[string]bool{}, knows: map[string]bool{}}
	checked := w.scope("the check's scope")
	w.covered = Coverage{Tables: map[string]bool{}, Scope: &checked}
	for _, n := range scopeNames {
		if rapid.Bool().Draw(t, n) {
			w.exists[n], w.knows[n] = true, within(checked, n)
			if w.knows[n] {
				w.covered.Tables["s."+n] = true
			}
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "statements since the check") {
		w.change()
	}
	return w
}

// change executes a statement on the servers.
func (w *scopeWalk) change() {
	n, m := rapid.SampledFrom(scopeNames).Draw(w.T, "table"), rapid.SampledFrom(scopeNames).Draw(w.T, "name")
	switch does := rapid.IntRange(0, 3).Draw(w.T, "does"); {
	case !w.exists[n]:
		w.log = append(w.log, [3]string{"CREATE TABLE " + n + " (id INT)", n})
		w.exists[n] = true
	case does == 0:
		w.log = append(w.log, [3]string{"DROP TABLE " + n, n})
		delete(w.exists, n)
	case does == 1:
		w.log = append(w.log, [3]string{"TRUNCATE TABLE " + n, n})
	case n != m && !w.exists[m]:
		w.log = append(w.log, [3]string{"RENAME TABLE " + n + " TO " + m, n, m})
		w.exists[m], w.moved = true, true
		delete(w.exists, n)
	case n != m:
		w.log = append(w.log, [3]string{"RENAME TABLE " + n + " TO x, " + m + " TO " + n + ", x TO " + m, n, m})
		w.moved = true
	}
}

// begin begins a process: what is not in its scope becomes unknown.
func (w *scopeWalk) begin(e *engine, now Scope) {
	for n := range w.knows {
		w.knows[n] = w.knows[n] && within(now, n)
	}
	tables := map[string]*found{}
	for n := range w.exists {
		if within(now, n) {
			tables["s."+n] = &found{cluster.TableName{Schema: "s", Name: n}, [2]bool{true, true}}
		}
	}
	e.cover(tables)
}

// readAll reads the log to its end.
func (w *scopeWalk) readAll(e *engine, now Scope) {
	for ; w.read < len(w.log); w.read++ {
		x := w.log[w.read]
		e.follow(conflict.Old, &binlog.Transaction{
			Mark: binlog.Mark{File: gtid.FilePos{File: "b.1", Pos: uint64(w.read + 1)}},
			DDL:  []binlog.DDL{{Schema: "s", Statement: x[0], Known: true, Charset: "utf8mb4"}},
		})
		n, m := x[1], x[2]
		there, both := w.knows[n], within(now, n) && within(now, m)
		other, taken := w.knows[m]
		switch {
		case m != "" && taken:
			w.knows[n], w.knows[m] = other && both, there && both
		case m != "":
			delete(w.knows, n)
			w.knows[m] = there && both
		case x[0][:4] == "DROP":
			delete(w.knows, n)
		default:
			w.knows[n] = within(now, n)
		}
	}
}

// judge holds what the account claims against the truth.
func (w *scopeWalk) judge(e *engine, now Scope) {
	for n := range w.exists {
		claimed := within(now, n) && !slices.Contains(e.mem.Unverified, "s."+n)
		if claimed && !w.knows[n] {
			w.Errorf("%s is claimed, and nobody knows its rows: check %q, scopes %v, log %q", n, w.covered.Scope.Include, e.mem.Scopes, w.log)
		}
		if !claimed && w.knows[n] && !w.moved {
			w.Errorf("%s is not claimed: check %q, scopes %v, log %q", n, w.covered.Scope.Include, e.mem.Scopes, w.log)
		}
	}
}

// nobody is told what a watch tells.
type nobody struct{ Observer }

func (nobody) Notice(string) {}
