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
		if n == nil && o.Kind == inspect.Check {
			n = j.sameCheck(o)
		}
		if n == nil {
			j.missingProgram(j.new, o)
			continue
		}
		delete(index, key(n))
		j.programPair(o, n)
	}
	for i := range j.new.Programs {
		if n := &j.new.Programs[i]; index[key(n)] == n {
			j.missingProgram(j.old, n)
		}
	}
}

// sameCheck is new's check of the same table that asks for the same under a name
// that old has no check of: each family names those without a name in its way.
func (j *judge) sameCheck(o *inspect.Program) *inspect.Program {
	of := func(p *inspect.Program) bool {
		return p.Kind == inspect.Check && p.Schema == o.Schema && p.Table == o.Table
	}
	i := slices.IndexFunc(j.new.Programs, func(n inspect.Program) bool {
		return of(&n) && plain(n.Body) == plain(o.Body) && n.Detail == o.Detail &&
			!slices.ContainsFunc(j.old.Programs, func(p inspect.Program) bool { return of(&p) && strings.EqualFold(p.Name, n.Name) })
	})
	if i < 0 {
		return nil
	}
	return &j.new.Programs[i]
}

// called is a program as findings call it.
func called(p *inspect.Program) string { return "the " + string(p.Kind) + " " + programName(p) }

func programName(p *inspect.Program) string {
	if p.Kind == inspect.Check {
		return p.Schema + "." + p.Table + "." + p.Name
	}
	return p.Schema + "." + p.Name
}

// missingProgram reports what one side lacks, if that side shows all it has
// and has the schema and the table that it belongs to.
func (j *judge) missingProgram(lack *inspect.Side, p *inspect.Program) {
	if !lack.Sees[p.Kind] && (p.Kind != inspect.Trigger || !lack.NoTriggers[p.Schema+"."+p.Name]) || !slices.ContainsFunc(lack.Schemas, func(s inspect.Schema) bool { return strings.EqualFold(s.Name, p.Schema) }) {
		return
	}
	if lack == j.new && j.unusable[called(p)] {
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
	if p.Kind == inspect.Check && strings.Contains(strings.ToLower(p.Body), "json_valid") && (!j.sameFamily() || columnNamed(lack, p)) {
		return // that is MariaDB's JSON type, which the column's finding is about
	}
	if p.Kind != inspect.Check {
		f.Fixes = []Fix{{On: j.other(lack).Label, SQL: fmt.Sprintf("SHOW CREATE %s %s.%s", strings.ToUpper(string(p.Kind)), cluster.Quote(p.Schema), cluster.Quote(p.Name))}}
	}
	if lack == j.old && !j.twoWay() {
		f.Severity = Info
	}
	j.add(f)
}

// columnNamed tells whether a check bears the name of a column, as those do that
// MariaDB makes by itself.
func columnNamed(s *inspect.Side, check *inspect.Program) bool {
	t := s.Table(check.Schema, check.Table)
	return t != nil && t.Column(check.Name) != nil
}

func (j *judge) programPair(o, n *inspect.Program) {
	object := programName(o)
	if j.sameFamily() && newer(j.old, j.new) == 0 && differ(o, n) {
		id := map[inspect.ProgramKind]string{
			inspect.Trigger: "trigger_differs", inspect.Event: "event_differs", inspect.Procedure: "routine_differs",
			inspect.Function: "routine_differs", inspect.View: "view_differs", inspect.Check: "check_differs",
		}[o.Kind]
		found := fmt.Sprintf("both have the %s %s, with different texts", o.Kind, object)
		if o.Detail != n.Detail && o.Detail+n.Detail != "" {
			found = j.both(orWord(o.Detail, "plain"), orWord(n.Detail, "plain"))
		}
		j.add(Finding{ID: id, Side: SideBoth, Object: object, Found: found})
		return
	}
	switch o.Kind {
	case inspect.Trigger:
		if j.inside {
			return
		}
		f := Finding{ID: "trigger_present", Side: SideBoth, Object: object}
		if seen := seenOf(o, n); seen.Table == "" {
			f.Found = "both have the trigger " + object + "; what it does is hidden from the account"
		} else {
			f.Found = fmt.Sprintf("both: %s on %s.%s", strings.ToLower(seen.Detail), seen.Schema, seen.Table)
		}
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
			Fixes: []Fix{{On: j.new.Label, SQL: fmt.Sprintf("ALTER EVENT %s.%s DISABLE ON SLAVE", cluster.Quote(n.Schema), cluster.Quote(n.Name))}},
		}
		if !j.new.Facts.IsMariaDB() && j.new.Facts.AtLeast(8, 2, 0) {
			f.Fixes[0].SQL = strings.ReplaceAll(f.Fixes[0].SQL, "SLAVE", "REPLICA")
		}
		if !on(j.old, "event_scheduler") || !on(j.new, "event_scheduler") {
			f.Severity = Warning // it runs on one side at most, as long as nobody starts the scheduler
			f.Found += "; event_scheduler: " + j.both(text(j.old, "event_scheduler"), text(j.new, "event_scheduler"))
		}
		j.add(f)
	case inspect.Procedure, inspect.Function, inspect.View, inspect.Check:
	}
}

// differ tells whether two programs of one name do other things, as far as the
// accounts may see.
func differ(o, n *inspect.Program) bool {
	switch o.Kind {
	case inspect.Trigger, inspect.Event:
		if o.Body == "" || n.Body == "" { // hidden, and with it what stands beside
			return false
		}
	case inspect.Procedure, inspect.Function, inspect.View, inspect.Check:
	}
	return o.Detail != n.Detail || o.Body != "" && n.Body != "" && body(o.Body) != body(n.Body)
}

// seenOf is the one of two equal programs that its side shows.
func seenOf(o, n *inspect.Program) *inspect.Program {
	if o.Table == "" {
		return n
	}
	return o
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

// body is a text without what servers lay out each in their own way.
func body(s string) string { return strings.Join(strings.Fields(s), " ") }

// plugins judges how accounts of old log in that are not on new yet. One that is there has a plugin of new's.
func (j *judge) plugins() {
	if !j.old.AccountsKnown || !j.new.AccountsKnown || len(j.new.AuthPlugins) == 0 {
		return
	}
	users := map[string][]*inspect.Account{}
	var order []string
	for i := range j.old.Accounts {
		a := &j.old.Accounts[i]
		p := a.Plugins[0]
		there := slices.ContainsFunc(j.new.Accounts, func(n inspect.Account) bool { return n.User == a.User && n.Host == a.Host })
		if j.new.AuthPlugins[p] || p == "mysql_no_login" || a.Role || there || strings.HasPrefix(a.User, "mysql.") || a.User == "mariadb.sys" {
			continue
		}
		if users[p] == nil {
			order = append(order, p)
		}
		users[p] = append(users[p], a)
	}
	for _, p := range order {
		var names []string
		f := Finding{ID: "auth_plugin_missing", Side: j.new.Label, Object: p}
		b := newBook(j.new, false)
		for _, a := range users[p] {
			names = append(names, a.Name())
			if !j.new.Facts.IsMariaDB() && j.new.AuthPlugins["caching_sha2_password"] {
				f.Fixes = append(f.Fixes, Fix{On: j.new.Label, SQL: "CREATE USER IF NOT EXISTS " + b.written(a.Name()) + " IDENTIFIED WITH caching_sha2_password BY '…'"})
			}
		}
		f.Found = fmt.Sprintf("%s has no %s, by which on %s log in: %s", j.new.Label, p, j.old.Label, list(names, ""))
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
		j.add(Finding{ID: "disk_space", Side: j.new.Label, Object: "data", Found: fmt.Sprintf("%s holds %s, %s %s and has %s free", j.old.Label, size(o), j.new.Label, size(n), size(free))})
		return
	}
	found := fmt.Sprintf("%s: %s; %s: %s (the servers' estimates)", j.old.Label, size(o), j.new.Label, size(n))
	if j.new.FreeBytes == 0 {
		found += "; " + j.new.Label + " does not tell its free space"
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
