package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crosscheck/cluster/inspect"
)

// setting is a variable whose difference somebody must know of. Its finding's
// id is "config_" and the first name.
type setting struct {
	names    []string
	severity Severity
	why      string // what another value does
	// absent is what a version without the variable does; "" if it has nothing
	// to compare.
	absent string
	// smaller: only a smaller value on new is worth a warning.
	smaller bool
}

func (s *setting) id() string { return "config_" + s.names[0] }

// settings are the variables whose difference changes results, or what
// applications meet. Others are only listed, by config_other.
func settings() []setting {
	v := func(why string, names ...string) setting { return setting{names: names, severity: Warning, why: why} }
	or := func(absent, why string, names ...string) setting {
		return setting{names: names, severity: Warning, why: why, absent: absent}
	}
	small := func(why string, names ...string) setting {
		return setting{names: names, severity: Warning, why: why, smaller: true}
	}
	return []setting{
		v("The same statement is refused on one side and stores a cut or zero value on the other, or groups and quotes otherwise.", "sql_mode"),
		v("NOW(), TIMESTAMP columns as clients see them, and events follow it: the same statement writes another moment.", "time_zone"),
		v("Schemas, tables and columns made without a charset get another one.", "character_set_server"),
		v("Schemas, tables and columns made without a collation sort and compare otherwise.", "collation_server"),
		{names: []string{"lower_case_table_names"}, severity: Fatal, why: "Names of tables meet on one side and not on the other: statements and replication fail with 1146, or hit another table."},
		v("A text is taken for another collation when the statement names its charset only.", "character_set_collations"),
		v("Transactions read other rows and take other locks.", "transaction_isolation", "tx_isolation"),
		v("Sessions begin read only on one side.", "transaction_read_only", "tx_read_only"),
		v("A row or statement that fits on one side is refused on the other, and stops its replication.", "max_allowed_packet"),
		v("TIMESTAMP columns made without NULL and DEFAULT get other attributes.", "explicit_defaults_for_timestamp"),
		v("CREATE and ALTER TABLE options that one side refuses are changed in silence on the other.", "innodb_strict_mode"),
		v("Bulk inserts get other generated keys, with gaps and out of order under 2.", "innodb_autoinc_lock_mode"),
		v("Tables made without ROW_FORMAT get another one, with other limits on keys and rows.", "innodb_default_row_format"),
		v("After a lock wait timeout one side rolls back the statement, the other the transaction.", "innodb_rollback_on_timeout"),
		v("Statements give up waiting for locks sooner or later than the application expects.", "innodb_lock_wait_timeout"),
		v("A crash loses commits on one side that the other would keep.", "innodb_flush_log_at_trx_commit"),
		v("A crash of the machine loses binary log that replicas may have had already.", "sync_binlog"),
		v("Pages torn by a crash are mended on one side only.", "innodb_doublewrite"),
		or("ON", "Deadlocks end at once on one side and by timeout on the other.", "innodb_deadlock_detect"),
		v("Rows and keys have other limits of length.", "innodb_page_size"),
		v("Keys over long columns that one side takes are refused, or shortened, on the other.", "innodb_large_prefix"),
		v("Tables made compressed or with long keys on one side get another form on the other.", "innodb_file_format"),
		v("Compressed tables can be written on one side and only read on the other.", "innodb_read_only_compressed"),
		v("Tables without a primary key are refused on one side.", "innodb_force_primary_key"),
		v("Tables made without saying so are encrypted on one side only.", "default_table_encryption"),
		v("Tables share a file on one side: space is never given back.", "innodb_file_per_table"),
		v("LOCK TABLES takes InnoDB's locks on one side only.", "innodb_table_locks"),
		or("OFF", "Repeatable reads end in error 1020 on one side where the other goes on.", "innodb_snapshot_isolation"),
		or("OFF", "One side takes no gap locks and lets phantoms in.", "innodb_locks_unsafe_for_binlog"),
		v("Full-text search finds other words.", "innodb_ft_min_token_size"),
		v("Full-text search finds other words.", "innodb_ft_max_token_size"),
		v("Full-text search finds other words.", "innodb_ft_enable_stopword"),
		or("2", "Full-text search finds other words.", "ngram_token_size"),
		v("Full-text search finds other words.", "innodb_ft_server_stopword_table"),
		v("Full-text search finds other words.", "ft_stopword_file"),
		v("The signs of full-text searches in boolean mode mean something else.", "ft_boolean_syntax"),
		v("Full-text search of MyISAM and Aria tables finds other words.", "ft_min_word_len"),
		v("Full-text search of MyISAM and Aria tables finds other words.", "ft_max_word_len"),
		{names: []string{"group_concat_max_len"}, severity: Warning, why: "GROUP_CONCAT cuts its result at another length."},
		v("Divisions have another number of digits.", "div_precision_increment"),
		v("WEEK() counts otherwise.", "default_week_format"),
		or("", "Regular expressions find other text.", "default_regex_flags"),
		or("ON", "Sums and averages over windows are rounded otherwise.", "windowing_use_high_precision"),
		v("Names of days and months come in another language.", "lc_time_names"),
		v("Values that agree in so many first bytes sort by chance.", "max_sort_length"),
		v("Sessions commit each statement on one side only.", "autocommit"),
		v("COMMIT and ROLLBACK begin a new transaction, or end the session, on one side only.", "completion_type"),
		v("Each session of an application begins with another statement.", "init_connect"),
		or("aes-128-ecb", "AES_ENCRYPT and AES_DECRYPT give other bytes.", "block_encryption_mode"),
		v("Tables made without an engine get another one.", "default_storage_engine"),
		v("Text without a collation, as in SET NAMES utf8mb4, compares otherwise.", "default_collation_for_utf8mb4"),
		v("Constraints are checked on one side only.", "foreign_key_checks"),
		v("Unique keys are checked fully on one side only.", "unique_checks"),
		v("CHECK constraints are checked on one side only.", "check_constraint_checks"),
		or("OFF", "Tables without a primary key are refused on one side.", "sql_require_primary_key"),
		or("OFF", "Tables without a primary key get a hidden one on one side: their columns differ.", "sql_generate_invisible_primary_key"),
		v("UPDATE and DELETE without a key are refused on one side.", "sql_safe_updates"),
		v("SELECTs that read more rows than this are refused on one side.", "max_join_size"),
		v("Long SELECTs are refused on one side.", "sql_big_selects"),
		v("SELECTs without a LIMIT end after so many rows, without a word.", "sql_select_limit"),
		v("Updates of a view through a LIMIT are refused on one side.", "updatable_views_with_limit"),
		v("LOAD DATA LOCAL is refused on one side.", "local_infile"),
		or("OFF", "Foreign keys that lead to part of a key, or to one that is not unique, are refused on one side.", "restrict_fk_on_non_standard_key"),
		or("OFF", "The rights of an account's roles hold in its sessions by themselves on one side only.", "activate_all_roles_on_login"),
		v("Procedures that call themselves are refused at another depth.", "max_sp_recursion_depth"),
		v("Recursive queries end with an error at another depth.", "cte_max_recursion_depth", "max_recursive_iterations"),
		v("Statements give up waiting for tables that are altered or locked sooner or later than the application expects.", "lock_wait_timeout"),
		v("A session that leaves a transaction idle is closed after another time.", "idle_transaction_timeout"),
		v("A session that leaves a transaction idle after a write is closed after another time.", "idle_write_transaction_timeout"),
		v("A session that leaves a transaction idle after reads is closed after another time.", "idle_readonly_transaction_timeout"),
		v("A comparison of a generated key with NULL finds a row on one side.", "sql_auto_is_null"),
		v("Stored functions can be made without declaring what they do on one side only.", "log_bin_trust_function_creators"),
		or("OFF", "Clients without TLS are refused on one side.", "require_secure_transport"),
		v("Accounts that are granted by host name fit on one side only.", "skip_name_resolve"),
		{names: []string{"event_scheduler"}, severity: Info, why: "Events run on one side only. That is right as long as one side only is to run them."},
		v("MariaDB behaves as an older version in some statement.", "old_mode"),
		v("One side refuses GTIDs out of order, the other takes them.", "gtid_strict_mode"),
		v("Tables are made in another engine than the statement says.", "enforce_storage_engine"),
		or("0", "Queries are ended after a time on one side.", "max_execution_time"),
		v("Queries are ended after a time on one side.", "max_statement_time"),
		small("New lets fewer clients in than old.", "max_connections"),
		small("Tables in memory are full sooner on new (1114).", "max_heap_table_size"),
		small("New closes idle connections sooner than old; pools find them dead.", "wait_timeout"),
		small("New closes idle interactive connections sooner than old.", "interactive_timeout"),
	}
}

// config compares settings by name.
func (j *judge) config() {
	charset := false
	known := map[string]bool{}
	for _, st := range settings() {
		for _, n := range st.names {
			known[n] = true
		}
		a, b, ok := j.values(&st)
		if !ok || normal(st.names[0], a, j.old) == normal(st.names[0], b, j.new) || st.names[0] == "max_execution_time" && !j.sameFamily() {
			continue
		}
		switch st.names[0] {
		case "character_set_server":
			charset = true
		case "collation_server":
			if charset {
				continue // another charset has another collation
			}
		case "sql_big_selects":
			if j.has("config_max_join_size") {
				continue // the server sets it with that
			}
		case "innodb_autoinc_lock_mode":
			if on(j.old, "wsrep_on") != on(j.new, "wsrep_on") {
				continue // Galera works with 2 only, and its logs hold rows
			}
		}
		j.configFinding(&st, a, b)
	}
	j.others(known)
}

func (j *judge) configFinding(st *setting, a, b string) {
	name := st.names[0]
	f := Finding{ID: st.id(), Severity: st.severity, Side: SideBoth, Object: name, Found: j.both(shown(name, a, j.old), shown(name, b, j.new))}
	if name == "sql_mode" {
		f.Found = j.modesText(modes(a, nil), modes(b, nil))
	}
	if st.smaller {
		x, _ := strconv.ParseInt(a, 10, 64)
		y, _ := strconv.ParseInt(b, 10, 64)
		if y > x {
			f.Severity = Info
		}
		if j.inside {
			f.Why = strings.NewReplacer("New ", "The replica ", "new", "the replica", "old", "its primary").Replace(st.why)
		}
	}
	if j.new.SetKnown && !slices.ContainsFunc(st.names, func(n string) bool { return j.new.Set[n] }) && newer(j.old, j.new) != 0 {
		f.Found += " (" + j.new.Label + "'s own default)"
	}
	here := name
	for _, n := range st.names {
		if _, ok := j.new.Variables[n]; ok {
			here = n
			break
		}
	}
	if name == "event_scheduler" {
		f.Do = "Start it on the side that is to run the events, once the other no longer does."
	} else if _, there := j.new.Value(st.names...); there && !startOnly(name) {
		value := a
		if name == "sql_mode" {
			value = strings.Join(modes(a, j.new), ",")
		}
		f.Fixes = []Fix{set(j.new, here, value)}
	} else if there {
		f.Do = fmt.Sprintf("Set %s=%s in the configuration file of %s and restart it, or accept it: --accept %s.", here, a, j.new.Label, st.id())
	}
	j.add(f)
}

// modesText says which modes one side has and the other has not.
func (j *judge) modesText(a, b []string) string {
	only := func(x, y []string) string {
		rest := slices.DeleteFunc(slices.Clone(x), func(m string) bool { return slices.Contains(y, m) })
		return list(rest, "")
	}
	switch x, y := only(a, b), only(b, a); {
	case x == "":
		return "only " + j.new.Label + ": " + y
	case y == "":
		return "only " + j.old.Label + ": " + x
	default:
		return "only " + j.old.Label + ": " + x + "; only " + j.new.Label + ": " + y
	}
}

// startOnly variables are read at the start, some only when the data directory
// is made.
func startOnly(name string) bool {
	return slices.Contains([]string{
		"lower_case_table_names", "innodb_autoinc_lock_mode", "innodb_rollback_on_timeout", "innodb_page_size", "innodb_doublewrite",
		"innodb_ft_min_token_size", "innodb_ft_max_token_size", "ngram_token_size", "ft_min_word_len", "ft_max_word_len",
		"skip_name_resolve", "innodb_locks_unsafe_for_binlog", "ft_stopword_file",
	}, name)
}

// values are both sides' values of a setting.
func (j *judge) values(st *setting) (a, b string, ok bool) {
	a, hasOld := j.old.Value(st.names...)
	b, hasNew := j.new.Value(st.names...)
	if st.absent != "" {
		if !hasOld {
			a = st.absent
		}
		if !hasNew {
			b = st.absent
		}
		return a, b, hasOld || hasNew
	}
	return a, b, hasOld && hasNew
}

// normal is a value in one spelling for all versions.
func normal(name, v string, s *inspect.Side) string {
	switch name {
	case "sql_mode":
		return strings.Join(modes(v, nil), ",")
	case "time_zone":
		return zone(v, s)
	case "character_set_server":
		if strings.EqualFold(v, "utf8") {
			return "UTF8MB3"
		}
	case "collation_server":
		return strings.Replace(strings.ToUpper(v), "UTF8_", "UTF8MB3_", 1)
	}
	if n, err := strconv.Atoi(v); name == "lock_wait_timeout" && err == nil && n >= 3600 {
		return "an hour or more" // nobody waits so long; versions differ in how much longer
	}
	switch v = strings.ToUpper(v); v {
	case "1", "YES", "TRUE":
		return "ON"
	case "0", "NO", "FALSE":
		return "OFF"
	}
	return v
}

// modes are the members of an sql_mode in order, without those that no longer
// mean anything. Given a side, also without those that it does not know.
func modes(v string, s *inspect.Side) []string {
	var out []string
	for m := range strings.SplitSeq(strings.ToUpper(v), ",") {
		// Since GRANT makes no accounts on MySQL 8 and newer, the mode is gone.
		unknown := s != nil && !s.Facts.IsMariaDB() && s.Facts.AtLeast(8, 0, 0) &&
			slices.Contains([]string{"NO_AUTO_CREATE_USER", "DB2", "MAXDB", "MSSQL", "MYSQL323", "MYSQL40", "ORACLE", "POSTGRESQL", "NO_FIELD_OPTIONS", "NO_KEY_OPTIONS", "NO_TABLE_OPTIONS"}, m)
		if m != "" && m != "NO_AUTO_CREATE_USER" && !unknown {
			out = append(out, m)
		}
	}
	slices.Sort(out)
	return out
}

// zone is what a time zone means: SYSTEM is the machine's own.
func zone(v string, s *inspect.Side) string {
	if strings.EqualFold(v, "SYSTEM") {
		v = text(s, "system_time_zone")
	}
	if slices.Contains([]string{"UTC", "GMT", "ETC/UTC", "+00:00", "-00:00", "UCT", "Z"}, strings.ToUpper(v)) {
		return "UTC"
	}
	return strings.ToUpper(v)
}

func shown(name, v string, s *inspect.Side) string {
	switch {
	case name == "time_zone" && strings.EqualFold(v, "SYSTEM"):
		return "SYSTEM (" + text(s, "system_time_zone") + ")"
	case v == "":
		return "''"
	}
	return v
}

// others lists what else differs between two servers of one version, in one
// finding: none of it changes a result.
func (j *judge) others(known map[string]bool) {
	if !j.sameFamily() || newer(j.old, j.new) != 0 {
		return
	}
	var names []string
	for name, a := range j.old.Variables {
		b, there := j.new.Variables[name]
		if there && a != b && !known[name] && !own(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	j.add(Finding{ID: "config_other", Side: SideBoth, Object: "variables", Found: "different on both: " + list(names, "")})
}

// own tells variables that each server has for itself, and those that other
// findings are about.
func own(name string) bool {
	for _, part := range []string{
		"dir", "file", "port", "socket", "uuid", "hostname", "server_id", "server_uid", "gtid", "auto_increment", "timestamp", "report_", "version",
		"binlog", "log_bin", "log_slave", "log_replica", "replicate_", "slave_", "replica_", "read_only", "bind_address", "ssl_", "tls_",
		"character_set", "collation", "wsrep", "group_replication", "pseudo_", "rand_seed", "insert_id", "identity", "license", "system_time_zone",
		"expire_logs", "basename", "performance_schema", "in_transaction", "mysqlx", "admin_", "log_error", "general_log", "slow_query_log",
		"last_insert_id", "debug", "proxy", "external_user", "default_master", "storage_engine", "statement_id", "error_count", "warning_count",
		"large_page", "relay_log", "innodb_version", "aria_sync", "sql_log", "transaction_", "tx_", "old_alter_table",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// removed judges variables that somebody set on old and that new does not have.
func (j *judge) removed() {
	if j.sameFamily() && newer(j.old, j.new) == 0 && j.old.Facts.Minor == j.new.Facts.Minor {
		return // plugins of one side aside, the same version has the same variables
	}
	var names []string
	for name := range j.old.Variables {
		if _, there := j.new.Variables[name]; !there && j.wasSet(name) && !renamed(name, j.new) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		f := Finding{ID: "removed_variable", Side: j.new.Label, Object: name, Found: j.old.Label + ": " + name + " = " + shown(name, text(j.old, name), j.old) + "; " + j.new.Label + " has no such variable"}
		if harmless(name) {
			f.Severity = Info
		}
		j.add(f)
	}
}

// wasSet tells whether somebody gave a variable of old another value than its
// default. Servers before MySQL 8.0 do not tell: for them it goes by the
// defaults of the variables that later versions removed.
func (j *judge) wasSet(name string) bool {
	if j.old.SetKnown {
		return j.old.Set[name] && !own(name)
	}
	def, known := defaults56()[name]
	return known && normal(name, text(j.old, name), j.old) != normal(name, def, j.old)
}

// defaults56 are defaults of MySQL 5.6 and 5.7 for variables that are gone.
func defaults56() map[string]string {
	return map[string]string{
		"query_cache_type": "OFF", "query_cache_limit": "1048576", "query_cache_min_res_unit": "4096", "query_cache_wlock_invalidate": "OFF",
		"innodb_file_format": "Antelope", "innodb_file_format_check": "ON", "innodb_large_prefix": "OFF", "innodb_locks_unsafe_for_binlog": "OFF",
		"innodb_support_xa": "ON", "innodb_use_sys_malloc": "ON", "innodb_additional_mem_pool_size": "8388608", "innodb_mirrored_log_groups": "1",
		"old_passwords": "0", "secure_auth": "ON", "sync_frm": "ON", "log_warnings": "1", "max_tmp_tables": "32", "multi_range_count": "256",
		"timed_mutexes": "OFF", "thread_concurrency": "10", "metadata_locks_cache_size": "1024", "metadata_locks_hash_instances": "8",
		"binlog_max_flush_queue_time": "0", "ignore_db_dirs": "", "show_old_temporals": "OFF", "avoid_temporal_upgrade": "OFF",
		"innodb_undo_logs": "128", "innodb_stats_sample_pages": "8", "myisam_repair_threads": "1", "tx_isolation": "REPEATABLE-READ",
		"old_alter_table": "OFF", "bdb_cache_size": "", "internal_tmp_disk_storage_engine": "InnoDB", "max_write_lock_count": "18446744073709551615",
	}
}

// renamed variables live on under another name, and are compared there.
func renamed(name string, s *inspect.Side) bool {
	to := map[string]string{
		"tx_isolation": "transaction_isolation", "tx_read_only": "transaction_read_only", "innodb_log_file_size": "innodb_redo_log_capacity",
		"innodb_log_files_in_group": "innodb_redo_log_capacity", "storage_engine": "default_storage_engine", "max_statement_time": "max_execution_time",
		"transaction_isolation": "tx_isolation", "transaction_read_only": "tx_read_only", "innodb_redo_log_capacity": "innodb_log_file_size",
		"innodb_undo_logs": "innodb_rollback_segments",
	}[name]
	_, there := s.Variables[to]
	return to != "" && there
}

// harmless removals: what they asked for is what newer versions always do, or
// they touch speed only.
func harmless(name string) bool {
	if strings.HasPrefix(name, "query_cache") || strings.HasPrefix(name, "innodb_") {
		return name != "innodb_locks_unsafe_for_binlog" && !strings.HasPrefix(name, "innodb_ft_") && name != "innodb_snapshot_isolation"
	}
	return slices.Contains([]string{
		"sync_frm", "timed_mutexes", "thread_concurrency", "metadata_locks_cache_size", "metadata_locks_hash_instances",
		"binlog_max_flush_queue_time", "log_warnings", "max_tmp_tables", "multi_range_count", "thread_pool_size", "thread_handling", "secure_auth",
	}, name)
}
