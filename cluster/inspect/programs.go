package inspect

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster"
)

func (s *Side) sees(kinds ...ProgramKind) {
	if s.Sees == nil {
		s.Sees = map[ProgramKind]bool{}
	}
	for _, k := range kinds {
		s.Sees[k] = true
	}
}

// readTriggers needs TRIGGER, which also allows to make triggers: crosscheck
// uses it where it is there and does not insist.
func (r *reader) readTriggers(ctx context.Context) error {
	held, err := r.holds(ctx, "TRIGGER")
	if err != nil {
		return err
	}
	if held {
		r.side.sees(Trigger)
	} else {
		r.hide("triggers", "TRIGGER")
		if err = r.readUsedTriggers(ctx); err != nil {
			return err
		}
	}
	return r.each(ctx, "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION), ACTION_STATEMENT "+
		"FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA "+notSystem, func(rows *sql.Rows) error {
		p := Program{Kind: Trigger}
		var body sql.NullString // NULL for accounts that may see the trigger and not its text
		err := rows.Scan(&p.Schema, &p.Name, &p.Table, &p.Detail, &body)
		p.Body = body.String
		if r.filter.Match(p.Schema, p.Table) {
			r.side.Programs = slices.DeleteFunc(r.side.Programs, func(x Program) bool { return x.Kind == Trigger && x.Schema == p.Schema && x.Name == p.Name })
			r.side.Programs = append(r.side.Programs, p)
		}
		return err
	})
}

// readUsedTriggers takes the names of triggers that have run since the server's
// start from where it counts their statements. That is not all of them, but
// those that the application uses.
func (r *reader) readUsedTriggers(ctx context.Context) error {
	names, err := r.used(ctx, Trigger)
	if err != nil {
		return err
	}
	for _, n := range names {
		there, known, err := r.hasTrigger(ctx, n)
		if err != nil {
			return err
		}
		if there && known {
			r.addTrigger(n)
		}
	}
	return nil
}

// findTriggers asks, by name, for triggers that the other side has.
func (r *reader) findTriggers(ctx context.Context, names []cluster.TableName) error {
	if r.side.Sees[Trigger] {
		return nil
	}
	return r.attempt(ctx, "triggers of the other side", func(ctx context.Context) error {
		r.side.NoTriggers = map[string]bool{}
		for _, n := range names {
			switch there, known, err := r.hasTrigger(ctx, n); {
			case err != nil:
				return err
			case known && there:
				r.addTrigger(n)
			case known:
				r.side.NoTriggers[n.Schema+"."+n.Name] = true
			}
		}
		return nil
	})
}

// hasTrigger tells whether there is a trigger of that name: an account that may
// not see it is told another thing than one that asks for nothing.
func (r *reader) hasTrigger(ctx context.Context, name cluster.TableName) (there, known bool, err error) {
	const errNoTrigger, errDenied = 1360, 1227
	err = r.each(ctx, "SHOW CREATE TRIGGER "+cluster.Quote(name.Schema)+"."+cluster.Quote(name.Name), func(*sql.Rows) error { return nil })
	switch n := cluster.ErrorNumber(err); {
	case err == nil, n == errDenied:
		return true, true, nil
	case n == errNoTrigger:
		return false, true, nil
	case n == 0:
		return false, false, err
	}
	return false, false, nil
}

// addTrigger notes a trigger of which only the name is known, if its schema has
// tables that were asked for.
func (r *reader) addTrigger(name cluster.TableName) {
	if slices.ContainsFunc(r.side.Programs, func(p Program) bool { return p.Kind == Trigger && p.Schema == name.Schema && p.Name == name.Name }) {
		return
	}
	if slices.ContainsFunc(r.side.Tables, func(t Table) bool { return t.Schema == name.Schema }) {
		r.side.Programs = append(r.side.Programs, Program{Kind: Trigger, Schema: name.Schema, Name: name.Name})
	}
}

// used are the programs of a kind that the server counts statements of.
func (r *reader) used(ctx context.Context, kind ProgramKind) ([]cluster.TableName, error) {
	if !on(r.side.Variables["performance_schema"]) {
		return nil, nil
	}
	var out []cluster.TableName
	err := r.each(ctx, "SELECT OBJECT_SCHEMA, OBJECT_NAME FROM performance_schema.events_statements_summary_by_program WHERE OBJECT_TYPE = "+
		quote(strings.ToUpper(string(kind)))+" AND OBJECT_SCHEMA "+notSystem, func(rows *sql.Rows) error {
		var n cluster.TableName
		err := rows.Scan(&n.Schema, &n.Name)
		out = append(out, n)
		return err
	})
	if n := cluster.ErrorNumber(err); n != 0 || cluster.IsPermission(err) {
		return nil, nil // an older server has no such table, or it is not for us
	}
	return out, err
}

func on(v string) bool { return strings.EqualFold(v, "ON") || v == "1" }

// readQueue looks at what the event scheduler waits for: that shows to PROCESS,
// and tells where events are hidden whether any is enabled.
func (r *reader) readQueue(ctx context.Context) error {
	if !on(r.side.Variables["event_scheduler"]) || r.lacks(cluster.PrivProcess) {
		return nil
	}
	states, err := r.strings(ctx, "SELECT STATE FROM information_schema.PROCESSLIST WHERE USER = 'event_scheduler' AND COMMAND = 'Daemon'")
	for _, s := range states {
		switch s {
		case "Waiting on empty queue":
			r.side.Queue = QueueEmpty
		case "Waiting for next activation":
			r.side.Queue = QueueWaiting
		}
	}
	if err != nil || r.side.Sees[Event] {
		return err
	}
	names, err := r.used(ctx, Event)
	r.side.UsedEvents = map[string]bool{}
	for _, n := range names {
		r.side.UsedEvents[n.Schema+"."+n.Name] = true
	}
	return err
}

// readEvents goes by the table where servers have one, which SELECT opens; the
// newer ones show events only to those who may make them.
func (r *reader) readEvents(ctx context.Context) error {
	add := func(rows *sql.Rows) error {
		p := Program{Kind: Event}
		var detail, body sql.NullString
		err := rows.Scan(&p.Schema, &p.Name, &p.Status, &detail, &body)
		p.Detail, p.Body = detail.String, body.String
		r.side.Programs = append(r.side.Programs, p)
		return err
	}
	if f := r.side.Facts; f.IsMariaDB() || !f.AtLeast(8, 0, 0) {
		err := r.each(ctx, "SELECT CONVERT(db USING utf8mb4), CONVERT(name USING utf8mb4), status, "+
			"CONCAT_WS(' ', execute_at, interval_value, interval_field), CONVERT(body_utf8 USING utf8mb4) FROM mysql.event", add)
		if err == nil {
			r.side.sees(Event)
			return nil
		}
		if !cluster.IsPermission(err) {
			return err
		}
	}
	held, err := r.holds(ctx, "EVENT")
	if err != nil {
		return err
	}
	if held {
		r.side.sees(Event)
	} else {
		r.hide("events", "EVENT")
	}
	return r.each(ctx, "SELECT EVENT_SCHEMA, EVENT_NAME, STATUS, CONCAT_WS(' ', EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD), EVENT_DEFINITION "+
		"FROM information_schema.EVENTS WHERE EVENT_SCHEMA "+notSystem, add)
}

// readRoutines sees all of them with SELECT on everything: on MySQL 8.0.20 and
// newer by rule, on others because that opens mysql.proc.
func (r *reader) readRoutines(ctx context.Context) error {
	if r.side.Scope.Complete() {
		r.side.sees(Procedure, Function)
	}
	first := len(r.side.Programs)
	err := r.each(ctx, "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, LOWER(ROUTINE_TYPE), ROUTINE_DEFINITION, CONCAT(IF(IS_DETERMINISTIC = 'YES', ' deterministic', ''), "+
		"' security ', LOWER(SECURITY_TYPE)) FROM information_schema.ROUTINES WHERE ROUTINE_TYPE IN ('PROCEDURE', 'FUNCTION') AND ROUTINE_SCHEMA "+notSystem,
		func(rows *sql.Rows) error {
			var p Program
			var body sql.NullString
			err := rows.Scan(&p.Schema, &p.Name, &p.Kind, &body, &p.Detail)
			p.Body = body.String
			r.side.Programs = append(r.side.Programs, p)
			return err
		})
	if err != nil || len(r.side.Programs) == first {
		return err
	}
	return r.readParameters(ctx, r.side.Programs[first:])
}

// readParameters completes the details of routines; the place 0 holds what a
// function returns.
func (r *reader) readParameters(ctx context.Context, routines []Program) error {
	type key struct {
		schema, name string
		kind         ProgramKind
	}
	parameters, returns := map[key][]string{}, map[key]string{}
	err := r.each(ctx, "SELECT SPECIFIC_SCHEMA, SPECIFIC_NAME, LOWER(ROUTINE_TYPE), ORDINAL_POSITION, CONCAT_WS(' ', PARAMETER_MODE, PARAMETER_NAME, DTD_IDENTIFIER) "+
		"FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA "+notSystem+" ORDER BY SPECIFIC_SCHEMA, SPECIFIC_NAME, ROUTINE_TYPE, ORDINAL_POSITION",
		func(rows *sql.Rows) error {
			var k key
			var place int
			var text string
			err := rows.Scan(&k.schema, &k.name, &k.kind, &place, &text)
			if place == 0 {
				returns[k] = " returns " + text
			} else {
				parameters[k] = append(parameters[k], text)
			}
			return err
		})
	for i := range routines {
		p := &routines[i]
		k := key{p.Schema, p.Name, p.Kind}
		p.Detail = "(" + strings.Join(parameters[k], ", ") + ")" + returns[k] + p.Detail
	}
	return err
}

// readViews takes the names from the tables, which SELECT shows, and the texts
// where SHOW VIEW allows it. Whether a view can be read is asked of itself.
func (r *reader) readViews(ctx context.Context) error {
	found := map[cluster.TableName]Program{}
	err := r.each(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION, CONCAT(CHECK_OPTION, ' ', SECURITY_TYPE) FROM information_schema.VIEWS WHERE TABLE_SCHEMA "+notSystem,
		func(rows *sql.Rows) error {
			var n cluster.TableName
			var body, detail sql.NullString
			err := rows.Scan(&n.Schema, &n.Name, &body, &detail)
			found[n] = Program{Body: body.String, Detail: detail.String}
			return err
		})
	if err != nil {
		return err
	}
	hidden := false
	for i := range r.side.Tables {
		t := &r.side.Tables[i]
		if t.Kind != cluster.TableView {
			continue
		}
		p := found[cluster.TableName{Schema: t.Schema, Name: t.Name}]
		p.Kind, p.Schema, p.Name = View, t.Schema, t.Name
		hidden = hidden || p.Body == ""
		switch n, err := r.prepare(ctx, "SELECT * FROM "+t.QuotedName()+" LIMIT 0"); {
		case n == errViewInvalid:
			p.Broken = err.Error()
		case n == errNoAccount || n == errNoLogin:
			p.Broken = fmt.Sprintf("the account that it is run as does not exist (%d)", n)
		case err != nil && n == 0:
			return err
		}
		r.side.Programs = append(r.side.Programs, p)
	}
	r.side.sees(View)
	if hidden {
		r.hide("the texts of views", "SHOW VIEW")
	}
	return nil
}

// What a server says of a view that it cannot open, by number: something that it
// names is gone, or the account that it is run as. The latter it calls a refused
// login to those who may not know of accounts.
const (
	errViewInvalid = 1356
	errNoAccount   = 1449
	errNoLogin     = 1045
)

// readChecks reads CHECK constraints where the version has them.
func (r *reader) readChecks(ctx context.Context) error {
	var query string
	switch f := r.side.Facts; {
	case f.IsMariaDB() && f.AtLeast(10, 3, 10):
		query = "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE, '' FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA " + notSystem
	case !f.IsMariaDB() && f.AtLeast(8, 0, 16):
		query = "SELECT c.CONSTRAINT_SCHEMA, t.TABLE_NAME, c.CONSTRAINT_NAME, c.CHECK_CLAUSE, IF(t.ENFORCED = 'NO', 'NOT ENFORCED', '') FROM information_schema.CHECK_CONSTRAINTS c " +
			"JOIN information_schema.TABLE_CONSTRAINTS t ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME " +
			"AND t.CONSTRAINT_TYPE = 'CHECK' WHERE c.CONSTRAINT_SCHEMA " + notSystem
	default:
		return nil
	}
	r.side.sees(Check)
	return r.each(ctx, query, func(rows *sql.Rows) error {
		p := Program{Kind: Check}
		var body sql.NullString
		err := rows.Scan(&p.Schema, &p.Table, &p.Name, &body, &p.Detail)
		p.Body = body.String
		if r.filter.Match(p.Schema, p.Table) {
			r.side.Programs = append(r.side.Programs, p)
		}
		return err
	})
}

func (r *reader) readPlugins(ctx context.Context) error {
	names, err := r.strings(ctx, "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'AUTHENTICATION' AND PLUGIN_STATUS = 'ACTIVE'")
	r.side.AuthPlugins = map[string]bool{}
	for _, n := range names {
		r.side.AuthPlugins[strings.ToLower(n)] = true
	}
	return err
}
