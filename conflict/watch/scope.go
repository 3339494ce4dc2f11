package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/conflict"
)

// An account speaks for tables whose rows it knows from somewhere: the check that it builds on compared them in full, or
// they were made while their table was watched. All others that it watches are named as not verified, and it is not clean
// before a new one was begun on a check of them.

// Scope is what a process of an account watched, as patterns of cluster.NewFilter.
type Scope struct {
	Since   time.Time `json:"since"` // when the first process with it began
	Include []string  `json:"include,omitempty"`
	Exclude []string  `json:"exclude,omitempty"`
}

// matcher tells of tables' names whether they are in the scope; nil has none.
func (s *Scope) matcher(fold bool) func(schema, table string) bool {
	if s != nil {
		if filter, err := cluster.NewFilter(s.Include, s.Exclude); err == nil {
			return filter.FoldCase(fold).Match
		}
	}
	return func(string, string) bool { return false }
}

func (s *Scope) equal(o *Scope) bool {
	return slices.Equal(s.Include, o.Include) && slices.Equal(s.Exclude, o.Exclude)
}

// String prints "'ra.*', 'rb.*' without 'rb.log'".
func (s *Scope) String() string {
	quoted := func(list []string) string { return "'" + strings.Join(list, "', '") + "'" }
	out := "all tables"
	if len(s.Include) > 0 {
		out = quoted(s.Include)
	}
	if len(s.Exclude) > 0 {
		out += " without " + quoted(s.Exclude)
	}
	return out
}

// Coverage is what the check that an account builds on compared.
type Coverage struct {
	// Tables are those that it found the same, every row, by cluster.Table.FullName; in lower case where a side folds case.
	Tables map[string]bool
	// Scope is what it was asked for, nil if that is not known: a table of old in it that it did not list was made after it
	// began, and is in the logs with all its rows.
	Scope *Scope
}

// maxScopes bounds the changes of scope that are remembered, the first and the newest.
const maxScopes = 16

// found is a table that a process finds on the servers when it begins.
type found struct {
	cluster.TableName
	sides [2]bool
}

// cover works out at the start which tables the account does not speak for.
func (e *engine) cover(tables map[string]*found) {
	now := Scope{Since: e.started, Include: e.opt.Scope.Include, Exclude: e.opt.Scope.Exclude}
	n := len(e.mem.Scopes)
	switch {
	case e.resumed && n > 0 && !e.mem.Scopes[n-1].equal(&now):
		before := e.mem.Scopes[n-1]
		watched, stays := before.matcher(e.foldsCase()), now.matcher(e.foldsCase())
		for full, t := range tables {
			if !watched(t.Schema, t.Name) {
				e.unverified(full)
			}
		}
		e.mem.Begun = slices.DeleteFunc(e.mem.Begun, func(full string) bool { // what becomes of them now is not seen
			schema, name, ok := cluster.SplitFullName(full)
			return !ok || !stays(schema, name)
		})
		if n == maxScopes {
			e.mem.Scopes, e.mem.ScopeLost = slices.Delete(e.mem.Scopes, 1, 2), true
		}
		e.opt.Observer.Notice(fmt.Sprintf("the account watched %s until now, and %s from here on", before.String(), now.String()))
	case e.resumed && n > 0:
		return
	case e.mem.Base != nil && e.opt.Covered != nil:
		e.mem.Checked = e.opt.Covered.Scope
		for _, full := range uncovered(tables, e.opt.Covered, e.foldsCase()) {
			e.unverified(full)
		}
	}
	e.mem.Scopes = append(e.mem.Scopes, now)
}

// always tells whether a name was in the scope of the check and of each process so far: a table of that name that is not in
// Unverified is one whose rows are known. Of any other name the rows are known only of a table that was begun since.
func (e *engine) always(t binlog.TableName) bool {
	fold := e.foldsCase()
	if e.mem.ScopeLost || !e.mem.Checked.matcher(fold)(t.Schema, t.Table) {
		return false
	}
	return !slices.ContainsFunc(e.mem.Scopes, func(s Scope) bool { return !s.matcher(fold)(t.Schema, t.Table) })
}

// uncovered lists the tables of which a check does not know all rows.
func uncovered(tables map[string]*found, c *Coverage, fold bool) []string {
	var out []string
	listed := c.Scope.matcher(fold)
	for full, t := range tables {
		key := full
		if fold {
			key = strings.ToLower(full)
		}
		begun := t.sides[conflict.Old] && listed(t.Schema, t.Name)
		if !c.Tables[key] && !begun {
			out = append(out, full)
		}
	}
	return out
}

func (e *engine) unverified(full string) {
	if at, have := slices.BinarySearch(e.mem.Unverified, full); !have {
		e.mem.Unverified = slices.Insert(e.mem.Unverified, at, full)
	}
}

// follow keeps up with tables that are made, emptied, dropped or moved. What is read again after a restart counts once: a
// name that was given away may have been taken anew.
func (e *engine) follow(s conflict.Side, tx *binlog.Transaction) {
	if at := tx.Mark.File; !at.IsZero() {
		if c, err := at.Compare(e.mem.Followed[s]); err == nil && !e.mem.Followed[s].IsZero() && c <= 0 {
			return
		}
		e.mem.Followed[s] = at
	}
	for i := range tx.DDL {
		effect := tx.DDL[i].Effect()
		for _, t := range effect.Begun() {
			e.verified(t)
			e.begun(t, true)
		}
		if e.mem.Base == nil {
			continue // it says nothing of rows that were there before
		}
		for _, m := range effect.Moves() {
			known := e.speaksFor(m.From)
			if m.Both && (!known || !e.speaksFor(m.To)) {
				e.set(m.From, false)
				e.set(m.To, false)
			} else if !m.Both {
				e.set(m.From, true) // it is gone
				e.set(m.To, known)
				e.begun(m.From, false)
			}
		}
	}
}

// begun remembers which tables are known since they were begun, where their names do not tell that.
func (e *engine) begun(t binlog.TableName, known bool) {
	full := fullName(t)
	e.mem.Begun = slices.DeleteFunc(e.mem.Begun, func(have string) bool { return e.sameName(have, full) })
	if known && e.mem.Base != nil && e.watches(t) && !e.always(t) {
		e.mem.Begun = append(e.mem.Begun, full)
	}
}

// speaksFor tells whether the account knows a table's rows.
func (e *engine) speaksFor(t binlog.TableName) bool {
	if !e.always(t) && !slices.ContainsFunc(e.mem.Begun, func(have string) bool { return e.sameName(have, fullName(t)) }) {
		return false // it may have come to its name unseen
	}
	return e.watches(t) && !slices.ContainsFunc(e.mem.Unverified, func(have string) bool { return e.sameName(have, fullName(t)) })
}

// sameName compares names as the servers do.
func (e *engine) sameName(a, b string) bool {
	return a == b || e.foldsCase() && strings.EqualFold(a, b)
}

func (e *engine) set(t binlog.TableName, known bool) {
	switch {
	case known:
		e.verified(t)
		e.begun(t, true)
	case e.watches(t):
		e.unverified(fullName(t))
	}
}

func (e *engine) verified(t binlog.TableName) {
	e.mem.Unverified = slices.DeleteFunc(e.mem.Unverified, func(have string) bool { return e.sameName(have, fullName(t)) })
}

func fullName(t binlog.TableName) string {
	return (&cluster.Table{Schema: t.Schema, Name: t.Table}).FullName()
}

func (e *engine) watches(t binlog.TableName) bool {
	return e.opt.Filter.FoldCase(e.foldsCase()).Match(t.Schema, t.Table)
}

// foldsCase tells whether the case of letters in names does not count on one of the sides.
func (e *engine) foldsCase() bool {
	return slices.ContainsFunc(e.servers[:], func(s *cluster.Server) bool { return s.Facts().LowerCaseTableNames != 0 })
}

// named is how many tables are named in one line.
const named = 5

// notVerified is a line about the tables that the account does not speak for; "" if there are none.
func notVerified(list []string) string {
	if len(list) == 0 {
		return ""
	}
	more := ""
	if len(list) > named {
		more = fmt.Sprintf(" and %d others", len(list)-named)
	}
	return "not verified, since the check that the account builds on did not cover them or they were not watched before: " +
		strings.Join(list[:min(len(list), named)], ", ") + more + " (check them, then watch --fresh)"
}
