package inspect

import (
	"context"
	"database/sql"
	"fmt"
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
	}
	return r.each(ctx, "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION), ACTION_STATEMENT "+
		"FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA "+notSystem, func(rows *sql.Rows) error {
		p := Program{Kind: Trigger}
		var body sql.NullString // NULL for accounts that may see the trigger and not its text
		err := rows.Scan(&p.Schema, &p.Name, &p.Table, &p.Detail, &body)
		p.Body = body.String
		if r.filter.Match(p.Schema, p.Table) {
			r.side.Programs = append(r.side.Programs, p)
		}
		return err
	})
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
	return r.each(ctx, "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, LOWER(ROUTINE_TYPE), ROUTINE_DEFINITION FROM information_schema.ROUTINES "+
		"WHERE ROUTINE_TYPE IN ('PROCEDURE', 'FUNCTION') AND ROUTINE_SCHEMA "+notSystem, func(rows *sql.Rows) error {
		var p Program
		var body sql.NullString
		err := rows.Scan(&p.Schema, &p.Name, &p.Kind, &body)
		p.Body = body.String
		r.side.Programs = append(r.side.Programs, p)
		return err
	})
}

// readViews takes the names from the tables, which SELECT shows, and the texts
// where SHOW VIEW allows it.
func (r *reader) readViews(ctx context.Context) error {
	bodies := map[cluster.TableName]string{}
	err := r.each(ctx, "SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA "+notSystem,
		func(rows *sql.Rows) error {
			var n cluster.TableName
			var body sql.NullString
			err := rows.Scan(&n.Schema, &n.Name, &body)
			bodies[n] = body.String
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
		body := bodies[cluster.TableName{Schema: t.Schema, Name: t.Name}]
		hidden = hidden || body == ""
		r.side.Programs = append(r.side.Programs, Program{Kind: View, Schema: t.Schema, Name: t.Name, Body: body})
	}
	r.side.sees(View)
	if hidden {
		r.hide("the texts of views", "SHOW VIEW")
	}
	return nil
}

// readChecks reads CHECK constraints where the version has them.
func (r *reader) readChecks(ctx context.Context) error {
	var query string
	switch f := r.side.Facts; {
	case f.IsMariaDB() && f.AtLeast(10, 3, 10):
		query = "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA " + notSystem
	case !f.IsMariaDB() && f.AtLeast(8, 0, 16):
		query = "SELECT c.CONSTRAINT_SCHEMA, t.TABLE_NAME, c.CONSTRAINT_NAME, c.CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS c " +
			"JOIN information_schema.TABLE_CONSTRAINTS t ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME " +
			"AND t.CONSTRAINT_TYPE = 'CHECK' WHERE c.CONSTRAINT_SCHEMA " + notSystem
	default:
		return nil
	}
	r.side.sees(Check)
	return r.each(ctx, query, func(rows *sql.Rows) error {
		p := Program{Kind: Check}
		var body sql.NullString
		err := rows.Scan(&p.Schema, &p.Table, &p.Name, &body)
		p.Body = body.String
		if r.filter.Match(p.Schema, p.Table) {
			r.side.Programs = append(r.side.Programs, p)
		}
		return err
	})
}

// readAccounts reads how accounts log in, where mysql.user may be read.
func (r *reader) readAccounts(ctx context.Context) error {
	err := r.each(ctx, "SELECT CONCAT(User, '@', Host), plugin FROM mysql.user WHERE User NOT LIKE 'mysql.%' AND User <> 'mariadb.sys'", func(rows *sql.Rows) error {
		var a Account
		var plugin sql.NullString
		err := rows.Scan(&a.Name, &plugin)
		if a.Plugin = strings.ToLower(plugin.String); a.Plugin == "" {
			a.Plugin = "mysql_native_password" // what servers before 5.7 take an empty name for
		}
		r.side.Accounts = append(r.side.Accounts, a)
		return err
	})
	if cluster.IsPermission(err) {
		user, host := cutAccount(r.side.Facts.Account)
		r.side.Hidden = append(r.side.Hidden, Gap{
			What: "accounts", Why: "the account may not read mysql.user",
			Grant: fmt.Sprintf("GRANT SELECT ON mysql.user TO %s@%s", quote(user), quote(host)),
		})
		return nil
	}
	r.side.AccountsKnown = err == nil
	return err
}

func (r *reader) readPlugins(ctx context.Context) error {
	names, err := r.strings(ctx, "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'AUTHENTICATION' AND PLUGIN_STATUS = 'ACTIVE'")
	r.side.AuthPlugins = map[string]bool{}
	for _, n := range names {
		r.side.AuthPlugins[strings.ToLower(n)] = true
	}
	return err
}
