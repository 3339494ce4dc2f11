package preflight

import (
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// programs judges SQL that is stored in the schemas.
func (j *judge) programs() {
	index := map[string]*inspect.Program{}
	key := func(p *inspect.Program) string {
		k := string(p.Kind) + "\x00" + p.Schema + "\x00" + p.Name
		if p.Kind == inspect.Check { // their names are unique only within a table on MariaDB
			k += "\x00" + p.Table
		}
		return k
	}
	for i := range j.new.Programs {
		p := &j.new.Programs[i]
		index[key(p)] = p
	}
	for i := range j.old.Programs {
		o := &j.old.Programs[i]
		n := index[key(o)]
		delete(index, key(o))
		if n == nil {
			j.missingProgram(j.new, o)
			continue
		}
		j.programPair(o, n)
	}
	for i := range j.new.Programs {
		if n := &j.new.Programs[i]; index[key(n)] == n {
			j.missingProgram(j.old, n)
		}
	}
}

func programName(p *inspect.Program) string {
	if p.Kind == inspect.Check {
		return p.Schema + "." + p.Table + "." + p.Name
	}
	return p.Schema + "." + p.Name
}

// missingProgram reports what one side lacks, if that side shows all it has
// and has the schema and the table that it belongs to.
func (j *judge) missingProgram(lack *inspect.Side, p *inspect.Program) {
	if !lack.Sees[p.Kind] || !slices.ContainsFunc(lack.Schemas, func(s inspect.Schema) bool { return strings.EqualFold(s.Name, p.Schema) }) {
		return
	}
	if p.Table != "" && !j.tableOn(lack, inspect.ForeignKey{Schema: p.Schema, Table: p.Table}) {
		return
	}
	id := map[inspect.ProgramKind]string{
		inspect.Trigger: "trigger_missing", inspect.Event: "event_missing", inspect.Procedure: "routine_missing",
		inspect.Function: "routine_missing", inspect.View: "view_missing", inspect.Check: "check_missing",
	}[p.Kind]
	f := Finding{ID: id, Side: lack.Label, Object: programName(p), Found: fmt.Sprintf("%s: no %s %s", lack.Label, p.Kind, programName(p))}
	if p.Kind == inspect.Check && strings.Contains(strings.ToLower(p.Body), "json_valid") && !j.sameFamily() {
		return // that is MariaDB's JSON type
	}
	if p.Kind != inspect.Check {
		f.Fixes = []Fix{{On: j.other(lack).Label, SQL: fmt.Sprintf("SHOW CREATE %s %s.%s", strings.ToUpper(string(p.Kind)), cluster.Quote(p.Schema), cluster.Quote(p.Name))}}
	}
	if lack == j.old && !j.twoWay() {
		f.Severity = Info
	}
	j.add(f)
}

func (j *judge) programPair(o, n *inspect.Program) {
	object := programName(o)
	if o.Body != "" && n.Body != "" && j.sameFamily() && newer(j.old, j.new) == 0 && (body(o.Body) != body(n.Body) || o.Detail != n.Detail) {
		id := map[inspect.ProgramKind]string{
			inspect.Trigger: "trigger_differs", inspect.Event: "event_differs", inspect.Procedure: "routine_differs",
			inspect.Function: "routine_differs", inspect.View: "view_differs", inspect.Check: "check_differs",
		}[o.Kind]
		j.add(Finding{ID: id, Side: SideBoth, Object: object, Found: fmt.Sprintf("both have the %s %s, with different texts", o.Kind, object)})
		return
	}
	switch o.Kind {
	case inspect.Trigger:
		f := Finding{ID: "trigger_present", Side: SideBoth, Object: object, Found: fmt.Sprintf("both: %s on %s.%s", strings.ToLower(o.Detail), o.Schema, o.Table)}
		if !j.twoWay() {
			f.Severity = Info
		}
		j.add(f)
	case inspect.Event:
		if o.Status != "ENABLED" || n.Status != "ENABLED" {
			return
		}
		f := Finding{
			ID: "event_on_both", Side: SideBoth, Object: object, Found: "both: ENABLED",
			Fixes: []Fix{{On: SideNew, SQL: fmt.Sprintf("ALTER EVENT %s.%s DISABLE ON SLAVE", cluster.Quote(n.Schema), cluster.Quote(n.Name))}},
		}
		if !j.new.Facts.IsMariaDB() && j.new.Facts.AtLeast(8, 2, 0) {
			f.Fixes[0].SQL = strings.ReplaceAll(f.Fixes[0].SQL, "SLAVE", "REPLICA")
		}
		if !on(j.old, "event_scheduler") || !on(j.new, "event_scheduler") {
			f.Severity = Warning // it runs on one side at most, as long as nobody starts the scheduler
			f.Found += "; event_scheduler: " + both(text(j.old, "event_scheduler"), text(j.new, "event_scheduler"))
		}
		j.add(f)
	case inspect.Procedure, inspect.Function, inspect.View, inspect.Check:
	}
}

// body is a text without what servers lay out each in their own way.
func body(s string) string { return strings.Join(strings.Fields(s), " ") }

// words judges names and calls that the new version takes otherwise.
func (j *judge) words() {
	j.reserved()
	uses := map[string][]string{}
	var order []string
	use := func(what, sql string) {
		for _, f := range inspect.Calls(sql) {
			if j.new.Lacks[f] && !j.old.Lacks[f] {
				if uses[f] == nil {
					order = append(order, f)
				}
				uses[f] = append(uses[f], what)
			}
		}
	}
	for i := range j.old.Tables {
		t := &j.old.Tables[i]
		for _, c := range t.Columns {
			use("the column "+t.FullName()+"."+c.Name, c.GenerationExpr)
			if c.DefaultExpr && c.Default != nil {
				use("the default of "+t.FullName()+"."+c.Name, *c.Default)
			}
		}
		for _, k := range t.Keys {
			for _, p := range k.Parts {
				use("the key "+t.FullName()+"."+k.Name, p.Expression)
			}
		}
	}
	for i := range j.old.Programs {
		p := &j.old.Programs[i]
		use("the "+string(p.Kind)+" "+programName(p), p.Body)
	}
	for _, f := range order {
		j.add(Finding{
			ID: "function_removed", Side: SideNew, Object: strings.ToUpper(f),
			Found: fmt.Sprintf("new has no %s(), called by %s", strings.ToUpper(f), list(slices.Compact(uses[f]), "")),
		})
	}
}

// reserved judges names that must be quoted on new and need not on old.
func (j *judge) reserved() {
	check := func(kind, object, name string) {
		if low := strings.ToLower(name); j.new.Reserved[low] && !j.old.Reserved[low] {
			j.add(Finding{ID: "reserved_word", Side: SideNew, Object: object, Found: fmt.Sprintf("new: %s is a reserved word, old has %s %s", strings.ToUpper(name), kind, object)})
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

// plugins judges how accounts of old log in.
func (j *judge) plugins() {
	if !j.old.AccountsKnown || len(j.new.AuthPlugins) == 0 {
		return
	}
	users := map[string][]string{}
	var order []string
	for _, a := range j.old.Accounts {
		if j.new.AuthPlugins[a.Plugin] || a.Plugin == "mysql_no_login" {
			continue
		}
		if users[a.Plugin] == nil {
			order = append(order, a.Plugin)
		}
		users[a.Plugin] = append(users[a.Plugin], a.Name)
	}
	for _, p := range order {
		f := Finding{
			ID: "auth_plugin_missing", Side: SideNew, Object: p, Found: fmt.Sprintf("new has no %s, by which on old log in: %s", p, list(users[p], "")),
		}
		if !j.new.Facts.IsMariaDB() && j.new.AuthPlugins["caching_sha2_password"] {
			name := users[p][0]
			if i := slices.IndexFunc(users[p], func(u string) bool { return !strings.HasPrefix(u, "root@") }); i >= 0 {
				name = users[p][i] // an application's, rather
			}
			user, host, _ := strings.Cut(name, "@")
			f.Fixes = []Fix{{On: SideNew, SQL: fmt.Sprintf("CREATE USER '%s'@'%s' IDENTIFIED WITH caching_sha2_password BY '…'", user, host)}}
		}
		j.add(f)
	}
}

// size tells how much there is to copy, and whether it fits where that shows.
func (j *judge) size() {
	total := func(s *inspect.Side) (bytes int64, tables int) {
		for i := range s.Tables {
			if base(&s.Tables[i]) {
				bytes += s.Tables[i].DataBytes + s.Tables[i].IndexBytes
				tables++
			}
		}
		return bytes, tables
	}
	o, tables := total(j.old)
	n, _ := total(j.new)
	if tables == 0 {
		return
	}
	if free := j.new.FreeBytes; free > 0 && o-n > free {
		j.add(Finding{ID: "disk_space", Side: SideNew, Object: "data", Found: fmt.Sprintf("old holds %s, new %s and has %s free", size(o), size(n), size(free))})
		return
	}
	found := fmt.Sprintf("old: %s; new: %s (the servers' estimates)", size(o), size(n))
	if j.new.FreeBytes == 0 {
		found += "; new does not tell its free space"
	}
	j.add(Finding{ID: "size", Side: SideBoth, Object: "data", Found: found})
}

// size writes bytes for people.
func size(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	return fmt.Sprintf("%.3g %s", f, unit)
}
