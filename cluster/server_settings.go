package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// A server can be told, for all sessions (SET GLOBAL) or for each as it begins (init_connect), to return other rows,
// other columns or other values than the table holds, or to refuse what it should return. So before the first statement
// of every session all settings that do so are set to values of our own, without a look at what they are, and then read
// back: a server on which one does not hold is refused.

const (
	// lockWaitSeconds is short because no read of ours is worth making a
	// writer's metadata lock queue behind it.
	lockWaitSeconds = 5
	// statementSeconds is a backstop against runaway statements; chunks are
	// sized to run far shorter.
	statementSeconds = 600
	// idleSeconds covers pauses of ours between statements (pacing, fences)
	// and inside results (a busy reader).
	idleSeconds    = 7 * 24 * 3600
	networkSeconds = 3600

	noLimit = "18446744073709551615"
)

// setting is one variable of a session.
type setting struct {
	name  string
	value string // as SQL
	holds string // what it must read afterwards; "" if that is not looked at
	maria bool   // to be set on MariaDB only: elsewhere the name means another thing
	ours  bool   // it makes nothing wrong: a server that refuses to set it may keep its own
}

// first are the settings that every server has and that cut or refuse what the set-up itself asks for. autocommit is
// set twice because that ends a transaction that init_connect left open: all reads would be of its snapshot.
const first = "autocommit = 0, autocommit = 1, sql_mode = '', sql_select_limit = " + noLimit + ", sql_big_selects = 1"

// opening takes off the limits of MariaDB's sessions that may end even the set-up; it must be short itself.
const opening = "SET max_session_mem_used = 9223372036854775807, max_statement_time = 0"

// settings are those that a server may have besides, each with the reason where it is not plain.
func settings() []setting {
	number := func(name string, n uint64) setting {
		text := strconv.FormatUint(n, 10)
		return setting{name: name, value: text, holds: text}
	}
	text := func(name, value string) setting {
		return setting{name: name, value: "'" + value + "'", holds: value}
	}
	list := []setting{
		number("autocommit", 1),
		{name: "sql_mode", value: "''"}, // the server adds what it cannot do without
		{name: "sql_select_limit", value: noLimit, holds: noLimit},
		number("sql_big_selects", 1), // else max_join_size may refuse long ranges
		text("time_zone", "+00:00"),
		number("sql_auto_is_null", 0),
		number("sql_safe_updates", 0),
		number("sql_quote_show_create", 1),
		number("sql_buffer_result", 0), // a whole result would be written to a file first, and end where that is full
		number("lock_wait_timeout", lockWaitSeconds),
		number("innodb_lock_wait_timeout", lockWaitSeconds),
		number("wait_timeout", idleSeconds),
		number("net_read_timeout", networkSeconds),
		number("net_write_timeout", networkSeconds),
		number("max_execution_time", statementSeconds*1000), // MySQL, milliseconds
		{name: "max_statement_time", value: strconv.Itoa(statementSeconds), holds: strconv.Itoa(statementSeconds), maria: true},
		text("transaction_isolation", "REPEATABLE-READ"),
		text("tx_isolation", "REPEATABLE-READ"),
		number("transaction_read_only", 1),
		number("tx_read_only", 1),
		number("div_precision_increment", 4),
		number("group_concat_max_len", 1<<20),
		number("default_week_format", 0),
		text("lc_time_names", "en_US"),
		text("lc_messages", "en_US"),
		text("completion_type", "NO_CHAIN"),
		// Only so many bytes of a value decide its place where the server sorts: rows would not come in their order. It
		// must hold a number of such values at a time.
		number("sort_buffer_size", 1<<20),
		number("max_sort_length", 8192),
		number("range_optimizer_max_mem_size", 8<<20), // beyond it a lookup reads the whole table
		{name: "profiling", value: "0", ours: true},
		{name: "timestamp", value: "DEFAULT", ours: true}, // what NOW() says
		{name: "optimizer_trace", value: "'enabled=off'", ours: true},
		{name: "query_cache_type", value: "0", ours: true},            // a server without the cache refuses even that
		number("show_gipk_in_create_table_and_information_schema", 1), // else such keys are hidden
		number("show_create_table_verbosity", 0),
		number("show_old_temporals", 0), // else types are written with a comment
		text("terminology_use_previous", "NONE"),
		text("use_secondary_engine", "OFF"), // its copy of the rows may be old
		text("resultset_metadata", "FULL"),
		text("default_collation_for_utf8mb4", "utf8mb4_0900_ai_ci"),
	}
	maria := []setting{
		{name: "system_versioning_asof", value: "DEFAULT", holds: "DEFAULT"},
		number("max_session_mem_used", 1<<63-1),
		{name: "tmp_disk_table_size", value: noLimit, holds: noLimit},
		number("in_predicate_conversion_threshold", 0), // lists of keys would be compared under other collations
		{name: "old", value: "0", ours: true},
		text("old_mode", ""),
		text("default_regex_flags", ""),
		text("character_set_collations", ""),
		number("wsrep_dirty_reads", 0), // a node that lost its cluster must refuse
	}
	for _, s := range maria {
		s.maria = true
		list = append(list, s)
	}
	return list
}

// setup is what every session runs first. None of it needs a privilege.
type setup struct {
	utf8only bool // no utf8mb4 on this server
	list     []setting
	names    string // SET NAMES … without its SET
	opening  string // what goes before; "" where the server has no such limits
}

// choose composes the set-up from the variables that a session has, which is surer than version numbers of three
// families.
func (u *setup) choose(vars variables) {
	maria := strings.Contains(strings.ToLower(vars["version"]+vars["version_comment"]), "mariadb")
	u.list = nil
	for _, s := range settings() {
		if vars.has(s.name) && (maria || !s.maria) {
			u.list = append(u.list, s)
		}
	}
	u.names = "NAMES utf8mb4 COLLATE utf8mb4_general_ci"
	switch {
	case u.utf8only:
		u.names = "NAMES utf8 COLLATE utf8_general_ci"
	case vars.has("default_collation_for_utf8mb4"):
		u.names = "NAMES utf8mb4 COLLATE utf8mb4_0900_ai_ci"
	}
}

// statements set everything; raw sessions get text in each column's own charset, so that not a byte is converted.
func (u *setup) statements(raw bool) []string {
	parts := []string{u.names, first}
	for _, s := range u.list {
		parts = append(parts, s.name+" = "+s.value)
	}
	if raw {
		parts = append(parts, "character_set_results = NULL")
	}
	set := []string{"SET " + strings.Join(parts, ", ")}
	if u.opening != "" {
		set = append([]string{u.opening}, set...)
	}
	return set
}

// question asks for everything that must hold.
func (u *setup) question() string {
	var parts []string
	for _, s := range u.list {
		if s.holds != "" || s.value == "''" {
			parts = append(parts, "@@session."+s.name)
		}
	}
	return "SELECT " + strings.Join(parts, ", ")
}

// SettingError says that a server's sessions cannot be made to return what its tables hold.
type SettingError struct {
	Name, Want, Have string
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("the session's %s is %q, although it was set to %q: what the server returns cannot be relied upon; "+
		"connect to the server itself, without a proxy that rewrites statements", e.Name, e.Have, e.Want)
}

// answer judges what the server returned for question.
func (u *setup) answer(values []string) error {
	i := 0
	for _, s := range u.list {
		if s.holds == "" && s.value != "''" {
			continue
		}
		if i >= len(values) {
			return &SettingError{Name: s.name, Want: s.holds}
		}
		if have := values[i]; !holds(have, s.holds) && s.name != "sql_mode" {
			return &SettingError{Name: s.name, Want: s.holds, Have: have}
		} else if s.name == "sql_mode" && changesRows(have) {
			return &SettingError{Name: s.name, Have: have}
		}
		i++
	}
	return nil
}

// holds compares a variable's text with what it should be: numbers by value.
func holds(have, want string) bool {
	if strings.EqualFold(have, want) {
		return true
	}
	switch strings.ToUpper(have) {
	case "ON", "YES":
		have = "1"
	case "OFF", "NO":
		have = "0"
	}
	if have == want {
		return true
	}
	a, errA := strconv.ParseFloat(have, 64)
	b, errB := strconv.ParseFloat(want, 64)
	return errA == nil && errB == nil && a == b && len(want) < 16 // a float tells longer ones not apart
}

// changesRows tells whether a mode is on under which our statements mean, or return, something else.
func changesRows(mode string) bool {
	for m := range strings.SplitSeq(strings.ToUpper(mode), ",") {
		switch m {
		case "ANSI_QUOTES", "ANSI", "PAD_CHAR_TO_FULL_LENGTH", "NO_BACKSLASH_ESCAPES", "REAL_AS_FLOAT", "PIPES_AS_CONCAT",
			"IGNORE_SPACE", "HIGH_NOT_PRECEDENCE", "NO_UNSIGNED_SUBTRACTION", "ORACLE", "MSSQL", "DB2", "POSTGRESQL", "MAXDB",
			"EMPTY_STRING_IS_NULL", "TIME_ROUND_FRACTIONAL", "TIME_TRUNCATE_FRACTIONAL", "SIMULTANEOUS_ASSIGNMENT", "ONLY_FULL_GROUP_BY":
			return true
		}
	}
	return false
}

// try runs the statements, and where the server refuses it finds out which settings it is: those that make nothing wrong
// are left out from then on.
func (u *setup) try(run func(query string) error) error {
	all := func() (err error) {
		for _, q := range u.statements(false) {
			if err = run(q); err != nil {
				break
			}
		}
		return err
	}
	if err := all(); err == nil || !refusesSetting(err) {
		return err
	}
	var kept []setting
	for _, s := range u.list {
		err := run("SET " + s.name + " = " + s.value)
		switch {
		case err == nil:
			kept = append(kept, s)
		case !refusesSetting(err) || !s.ours:
			return fmt.Errorf("set %s to %s: %w", s.name, s.value, err)
		}
	}
	u.list = kept
	return all()
}

// refusesSetting tells whether a server refused to set a variable: it has none of that name, or not for sessions, or not
// that value, or not for this account.
func refusesSetting(err error) bool {
	switch ErrorNumber(err) {
	case errUnknownVariable, errSpecificAccess, 1228, 1229, 1231, 1232, 1238, 1290, 1651:
		return true
	}
	return false
}
