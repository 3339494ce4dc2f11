package preflight

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// user is something of old that holds SQL text, and the table that cannot be
// made without it.
type user struct{ what, table, sql string }

// users lists all of old's.
func (j *judge) users() []user {
	var out []user
	for i := range j.old.Tables {
		t := &j.old.Tables[i]
		name := t.FullName()
		for _, c := range t.Columns {
			out = append(out, user{"the column " + name + "." + c.Name, name, c.GenerationExpr})
			if c.DefaultExpr && c.Default != nil {
				out = append(out, user{"the default of " + name + "." + c.Name, name, *c.Default})
			}
		}
		for _, k := range t.Keys {
			for _, p := range k.Parts {
				out = append(out, user{"the key " + name + "." + k.Name, name, p.Expression})
			}
		}
		for _, by := range t.PartitionBy {
			out = append(out, user{"the partitions of " + name, name, by})
		}
	}
	for i := range j.old.Programs {
		p := &j.old.Programs[i]
		u := user{what: called(p), sql: p.Body}
		if p.Kind == inspect.Check {
			u.table = (&cluster.Table{Schema: p.Schema, Name: p.Table}).FullName()
		}
		out = append(out, u)
	}
	return out
}

// words judges names, calls and constructs that the new version takes
// otherwise.
func (j *judge) words() {
	j.reserved()
	j.unusable = map[string]bool{}
	var functions, constructs uses
	for _, u := range j.users() {
		for _, f := range inspect.Calls(u.sql) {
			if j.new.Lacks[f] && !j.old.Lacks[f] && !j.old.Grammar[f] {
				functions.note(f, u.what)
				j.unusable[u.what], j.unusable["the table "+u.table] = true, true
			}
		}
		for _, c := range inspect.Constructs(u.sql) {
			if j.new.Refuses[c] && !j.old.Refuses[c] {
				constructs.note(string(c), u.what)
				j.unusable[u.what] = true
			}
		}
	}
	for _, f := range functions.order {
		name := strings.ToUpper(f)
		j.add(Finding{ID: "function_removed", Side: j.new.Label, Object: name, Found: fmt.Sprintf("%s has no %s(), called by %s", j.new.Label, name, list(functions.by[f], ""))})
	}
	for _, c := range constructs.order {
		j.add(Finding{ID: "syntax_removed", Side: j.new.Label, Object: c, Found: fmt.Sprintf("%s cannot read %s, used by %s", j.new.Label, c, list(constructs.by[c], ""))})
	}
}

// uses are users by what they use, in the order of the first of each.
type uses struct {
	order []string
	by    map[string][]string
}

func (u *uses) note(what, by string) {
	if u.by == nil {
		u.by = map[string][]string{}
	}
	if u.by[what] == nil {
		u.order = append(u.order, what)
	}
	if !slices.Contains(u.by[what], by) {
		u.by[what] = append(u.by[what], by)
	}
}

// reserved judges names that must be quoted on new and need not on old.
func (j *judge) reserved() {
	check := func(kind, object, name string) {
		if low := strings.ToLower(name); j.new.Reserved[low] && !j.old.Reserved[low] {
			j.add(Finding{ID: "reserved_word", Side: j.new.Label, Object: object, Found: fmt.Sprintf("%s: %s is a reserved word, %s has %s %s", j.new.Label, strings.ToUpper(name), j.old.Label, kind, object)})
		}
	}
	for _, s := range j.old.Schemas {
		check("the schema", s.Name, s.Name)
	}
	for i := range j.old.Tables {
		t := &j.old.Tables[i]
		check("the table", t.FullName(), t.Name)
		for _, c := range t.Columns {
			check("the column", t.FullName()+"."+c.Name, c.Name)
		}
	}
	for i := range j.old.Programs {
		if p := &j.old.Programs[i]; p.Kind == inspect.Procedure || p.Kind == inspect.Function {
			check("the "+string(p.Kind), programName(p), p.Name)
		}
	}
}
