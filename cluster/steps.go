package cluster

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// StepPair is auto_increment_increment with auto_increment_offset.
type StepPair struct{ Increment, Offset uint64 }

// Steps is how a server generates keys now.
type Steps struct {
	Global StepPair
	// Durable is what the server would have after a restart; nil where it does not tell.
	Durable *StepPair
	// Sessions maps connection ids to the steps of live sessions; nil where the
	// server does not tell (MySQL before 5.7, MariaDB).
	Sessions map[uint64]StepPair
	// Driver names the setting by which a cluster's software sets the step
	// itself: "wsrep_auto_increment_control=ON", or "" for none. A multi-primary group sets the step of a member that
	// joins with 1, 1, and leaves any other one alone.
	Driver string
}

// Steps asks for the global step and, where the server knows them, for those of
// all sessions. Errors are *PrivilegeError and *ServerError.
func (s *Server) Steps(ctx context.Context) (Steps, error) {
	const op = "read the auto_increment step"
	r := reader{s}
	var out Steps
	list, err := r.rows(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('auto_increment_increment','auto_increment_offset',"+
		"'wsrep_auto_increment_control','wsrep_on','group_replication_auto_increment_increment','group_replication_group_name',"+
		"'group_replication_single_primary_mode')")
	if err != nil {
		return out, r.fail(op, err)
	}
	set := map[string]string{}
	for _, x := range list {
		set[strings.ToLower(x.str("variable_name"))] = x.str("value")
		switch strings.ToLower(x.str("variable_name")) {
		case "auto_increment_increment":
			out.Global.Increment = x.uint("value")
		case "auto_increment_offset":
			out.Global.Offset = x.uint("value")
		}
	}
	switch {
	case s.facts.Galera && isOn(set["wsrep_auto_increment_control"]):
		out.Driver = "wsrep_auto_increment_control=ON"
	case s.facts.GroupReplication && !isOn(set["group_replication_single_primary_mode"]) && set["group_replication_auto_increment_increment"] != "":
		if out.Driver, err = r.groupStep(ctx, out.Global, set["group_replication_auto_increment_increment"]); err != nil {
			return out, r.fail(op, err)
		}
	}
	if out.Durable, err = r.durableStep(ctx, out.Global); err != nil {
		return out, r.fail(op, err)
	}
	if !s.facts.IsMariaDB() && s.facts.AtLeast(5, 7, 0) && s.facts.PerformanceSchema {
		out.Sessions, err = r.sessionSteps(ctx, out.Global)
	}
	return out, r.fail(op, err)
}

// groupStep is the setting by which a multi-primary group gives a member its step; "" for one that has its own.
func (r reader) groupStep(ctx context.Context, now StepPair, increment string) (string, error) {
	driver := "group_replication_auto_increment_increment=" + increment
	if now == (StepPair{1, 1}) {
		return driver, nil // as soon as it joins
	}
	id := uint64(r.facts.ServerID)
	if strconv.FormatUint(now.Increment, 10) != increment || now.Offset != id && id <= maxOffset {
		return "", nil
	}
	kept, err := r.rows(ctx, "SELECT VARIABLE_NAME FROM performance_schema.persisted_variables WHERE VARIABLE_NAME IN ('auto_increment_increment','auto_increment_offset')")
	if isDenied(err) || ErrorNumber(err) == errNoSuchTable {
		return driver, nil
	}
	if len(kept) == 2 {
		driver = "" // it was set by hand, to the same
	}
	return driver, err
}

// maxOffset is the highest auto_increment_offset.
const maxOffset = 65535

func isOn(v string) bool { return strings.EqualFold(v, "ON") || v == "1" }

// sessionSteps reads each session's own values. The view is asked per thread:
// its index spares the server to list all variables of all sessions.
//
// MySQL 8 and newer set the step of a session to 1 for moments while they write the data dictionary for it, as a schema
// change does. So a session that shows this step, and not the global one, is left out while it is at work on anything but
// rows: its own step shows when it is done.
func (r reader) sessionSteps(ctx context.Context, global StepPair) (map[uint64]StepPair, error) {
	first, doubt, err := r.sessionStepsNow(ctx, global)
	if err != nil || !doubt {
		return first, err
	}
	// What a session does and its step are not of one moment: it must show the same again.
	second, _, err := r.sessionStepsNow(ctx, global)
	if err != nil || second == nil {
		return second, err
	}
	for id, step := range first {
		if now, ok := second[id]; step.odd(global) && (!ok || now != step) {
			delete(first, id)
		}
	}
	return first, nil
}

// odd tells whether a session's step may be one for the data dictionary.
func (p StepPair) odd(global StepPair) bool { return p != global && p.Increment == 1 }

// sessionStepsNow reads once. doubt tells whether there are odd ones among them.
func (r reader) sessionStepsNow(ctx context.Context, global StepPair) (out map[uint64]StepPair, doubt bool, err error) {
	list, err := r.rows(ctx, "SELECT t.PROCESSLIST_ID AS id, i.VARIABLE_VALUE AS inc, o.VARIABLE_VALUE AS off, "+
		"t.PROCESSLIST_COMMAND AS command, LEFT(t.PROCESSLIST_INFO, 20) AS info FROM performance_schema.threads t "+
		"JOIN performance_schema.variables_by_thread i ON i.THREAD_ID = t.THREAD_ID AND i.VARIABLE_NAME = 'auto_increment_increment' "+
		"JOIN performance_schema.variables_by_thread o ON o.THREAD_ID = t.THREAD_ID AND o.VARIABLE_NAME = 'auto_increment_offset' "+
		"WHERE t.PROCESSLIST_ID IS NOT NULL")
	if isDenied(err) || ErrorNumber(err) == errNoSuchTable {
		return nil, false, nil // the server does not tell us, documented at Steps
	}
	if err != nil {
		return nil, false, err
	}
	out = make(map[uint64]StepPair, len(list))
	for _, x := range list {
		step := StepPair{x.uint("inc"), x.uint("off")}
		odd := step.odd(global)
		if !odd || ownStep(x.str("command"), x.str("info")) {
			out[x.uint("id")] = step
			doubt = doubt || odd
		}
	}
	return out, doubt, nil
}

// ownStep tells whether a session's step is its own and not one for the data dictionary, by what it is doing.
func ownStep(command, statement string) bool {
	if command == "Sleep" {
		return true
	}
	words := strings.Fields(strings.ToUpper(statement))
	return len(words) > 0 && slices.Contains([]string{"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD"}, words[0])
}

// durableStep is the step after a restart: a value that was only SET GLOBAL is
// lost then.
func (r reader) durableStep(ctx context.Context, now StepPair) (*StepPair, error) {
	switch {
	case r.facts.IsMariaDB():
		return r.durable(ctx, now, "SELECT VARIABLE_NAME AS name, GLOBAL_VALUE_ORIGIN = 'SQL' AS volatile, DEFAULT_VALUE AS later "+
			"FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME IN ('AUTO_INCREMENT_INCREMENT','AUTO_INCREMENT_OFFSET')")
	case r.facts.AtLeast(8, 0, 0) && r.facts.PerformanceSchema:
		return r.durable(ctx, now, "SELECT i.VARIABLE_NAME AS name, i.VARIABLE_SOURCE IN ('DYNAMIC', 'COMPILED') AS volatile, "+
			// What a group has set counts as compiled in.
			"COALESCE(p.VARIABLE_VALUE, IF(i.VARIABLE_SOURCE = 'COMPILED', 1, NULL)) AS later FROM performance_schema.variables_info i "+
			"LEFT JOIN performance_schema.persisted_variables p ON p.VARIABLE_NAME = i.VARIABLE_NAME "+
			"WHERE i.VARIABLE_NAME IN ('auto_increment_increment','auto_increment_offset')")
	}
	return nil, nil //nolint:nilnil // older servers do not tell
}

// durable reads name, whether the present value was set at run time only, and
// the value that takes its place.
func (r reader) durable(ctx context.Context, now StepPair, query string) (*StepPair, error) {
	list, err := r.rows(ctx, query)
	if isDenied(err) || ErrorNumber(err) == errNoSuchTable {
		return nil, nil //nolint:nilnil // the server does not tell us
	}
	if err != nil || len(list) < 2 {
		return nil, err
	}
	later := now
	for _, x := range list {
		if x.uint("volatile") == 0 {
			continue
		}
		if x.str("later") == "" {
			// MySQL calls the source dynamic after any session has set its own, too: what a file says is not known then.
			return nil, nil //nolint:nilnil // the server does not tell
		}
		if strings.EqualFold(x.str("name"), "auto_increment_increment") {
			later.Increment = x.uint("later")
		} else {
			later.Offset = x.uint("later")
		}
	}
	return &later, nil
}
