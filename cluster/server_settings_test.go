package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"crosscheck/fixtures"
)

// hostile are values under which a server returns something else than its tables hold, refuses to return it, or is slow
// about it. Each is set by SET GLOBAL, and by init_connect.
var hostile = map[string]string{
	"autocommit": "0", "sql_mode": "'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'", "sql_select_limit": "1",
	"sql_big_selects": "0", "time_zone": "'+09:00'", "sql_auto_is_null": "1", "sql_safe_updates": "1",
	"sql_quote_show_create": "0", "sql_buffer_result": "1", "lock_wait_timeout": "1", "innodb_lock_wait_timeout": "1",
	"wait_timeout": "5", "net_read_timeout": "1", "net_write_timeout": "1", "max_execution_time": "1", "max_statement_time": "0.000001",
	"transaction_isolation": "'READ-UNCOMMITTED'", "tx_isolation": "'READ-UNCOMMITTED'", "transaction_read_only": "0", "tx_read_only": "0",
	"div_precision_increment": "0", "group_concat_max_len": "4", "default_week_format": "3", "lc_time_names": "'ja_JP'",
	"lc_messages": "'de_DE'", "completion_type": "'CHAIN'", "sort_buffer_size": "32768", "max_sort_length": "8",
	"range_optimizer_max_mem_size": "1", "show_gipk_in_create_table_and_information_schema": "OFF", "show_create_table_verbosity": "1",
	"show_old_temporals": "1", "terminology_use_previous": "'BEFORE_8_0_26'", "default_collation_for_utf8mb4": "'utf8mb4_general_ci'",
	"system_versioning_asof": "'2010-01-01 00:00:00'", "max_session_mem_used": "8192", "tmp_disk_table_size": "1024",
	"in_predicate_conversion_threshold": "2", "old_mode": "'ZERO_DATE_TIME_CAST'", "default_regex_flags": "'EXTENDED'",
	"character_set_collations": "'utf8mb4=utf8mb4_bin'", "wsrep_dirty_reads": "1",
	"profiling": "1", "query_cache_type": "0", "optimizer_trace": "'enabled=on'", "old": "1",
}

// sessionOnly have no global value.
var sessionOnly = map[string]string{
	"timestamp": "1000000000", "use_secondary_engine": "'FORCED'", "resultset_metadata": "'FULL'", "max_join_size": "1, sql_big_selects = 0",
}

// TestSettings: no setting of a server reaches a session of ours, whatever way it comes and whatever way the session is
// opened; and each setting that a server has is known to be harmless or is set.
func TestSettings(t *testing.T) {
	forFamilies(t, fixtures.ServerOptions{}, func(t *testing.T, srv *fixtures.Server) {
		admin, err := srv.DB().Conn(t.Context()) // opened before anything is hostile
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		exec := func(q string) error {
			_, err := admin.ExecContext(t.Context(), q)
			return err
		}
		globals := len(openFixture(t, srv).vars)
		ours := make(map[string]bool)
		for _, s := range settings() {
			ours[s.name] = true
			if hostile[s.name] == "" && sessionOnly[s.name] == "" {
				t.Errorf("no hostile value of %s is known", s.name)
			}
		}
		try := func(how string) {
			t.Helper()
			s, err := Open(t.Context(), configOf(srv, fixtures.Crosscheck), quiet())
			if err != nil {
				t.Errorf("%s: %v", how, err)
				return
			}
			defer s.Close()
			if n := len(s.vars); n != globals {
				t.Errorf("%s: %d global variables were read of %d", how, n, globals)
			}
			if err := s.SameServer(t.Context()); err != nil {
				t.Errorf("%s: pool: %v", how, err)
			}
			for _, dial := range []func() error{
				func() error { c, err := s.DialRaw(t.Context()); return closeAfter(c, err) },
				func() error { c, err := s.DialSame(t.Context()); return closeAfter(c, err) },
			} {
				if err := dial(); err != nil {
					t.Errorf("%s: raw: %v", how, err)
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(hostile)) {
			var before string
			if err := admin.QueryRowContext(t.Context(), "SELECT @@global."+name).Scan(&before); err != nil {
				continue // this family has it not
			}
			if err := exec("SET GLOBAL " + name + " = " + hostile[name]); err != nil {
				t.Logf("%s: %v", name, err)
				continue
			}
			try(name + " set globally")
			if exec("SET GLOBAL "+name+" = '"+before+"'") != nil {
				if err := exec("SET GLOBAL " + name + " = " + strings.NewReplacer("ON", "1", "OFF", "0").Replace(before)); err != nil {
					t.Fatalf("set %s back to %s: %v", name, before, err)
				}
			}
		}
		all := maps.Clone(hostile)
		maps.Copy(all, sessionOnly)
		var init []string
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if exec("SET SESSION "+name+" = @@session."+name) == nil || name == "system_versioning_asof" && exec("SET "+name+" = DEFAULT") == nil {
				init = append(init, "SET "+name+" = "+all[name])
			}
		}
		// max_statement_time would end the rest of init_connect itself.
		init = slices.DeleteFunc(init, func(q string) bool {
			return strings.Contains(q, "max_statement_time") || strings.Contains(q, "max_session_mem_used") || strings.Contains(q, "query_cache")
		})
		init = append(init, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
		for _, q := range append(init, strings.Join(init, "; ")) {
			if err := exec("SET GLOBAL init_connect = \"" + q + "\""); err != nil {
				t.Fatal(err)
			}
			try("init_connect: " + q)
		}
		_ = exec("SET GLOBAL init_connect = ''")
		inventory(t, exec, openFixture(t, srv), ours)
	})
}

func closeAfter(c interface{ Close() error }, err error) error {
	if err != nil {
		return err
	}
	return c.Close()
}

// inventory finds settings that nobody has thought about yet.
func inventory(t *testing.T, exec func(string) error, s *Server, ours map[string]bool) {
	has, err := s.variables(t.Context(), "SHOW SESSION VARIABLES")
	if err != nil {
		t.Fatal(err)
	}
	var unknown []string
	for name := range has {
		if ours[name] || slices.Contains(harmless, name) || strings.HasPrefix(name, "debug") {
			continue
		}
		if err := exec("SET SESSION " + name + " = DEFAULT"); err == nil || !slices.Contains([]uint16{1193, 1228, 1229, 1238}, ErrorNumber(err)) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	if len(unknown) > 0 {
		t.Errorf("sessions have settings that are neither set nor known to change nothing that is read: %s", fmt.Sprint(unknown))
	}
}

// harmless are the settings of sessions that change how fast a row is read, or what is written, created, logged, traced or
// explained, but no row, value or name that is read, and that refuse no reading of ours. character_set_client and its like
// are set by SET NAMES; max_join_size does nothing beside sql_big_selects; max_allowed_packet cannot be set in a session.
var harmless = strings.Fields(`
	alter_algorithm analyze_max_length analyze_sample_percentage aria_repair_threads aria_sort_buffer_size
	aria_stats_method auto_increment_increment auto_increment_offset big_tables binlog_alter_two_phase
	binlog_annotate_row_events binlog_direct_non_transactional_updates binlog_format binlog_row_image
	binlog_row_value_options binlog_rows_query_log_events binlog_transaction_compression
	binlog_transaction_compression_level_zstd block_encryption_mode bulk_insert_buffer_size character_set_client
	character_set_connection character_set_database character_set_filesystem character_set_results character_set_server
	check_constraint_checks collation_connection collation_database collation_server column_compression_threshold
	column_compression_zlib_level column_compression_zlib_strategy column_compression_zlib_wrap
	connection_memory_chunk_size connection_memory_limit cte_max_recursion_depth deadlock_search_depth_long
	deadlock_search_depth_short deadlock_timeout_long deadlock_timeout_short default_master_connection
	default_storage_engine default_table_encryption default_tmp_storage_engine enable_cascade_triggers
	enable_secondary_engine_statistics end_markers_in_json enforce_storage_engine eq_range_index_dive_limit
	expensive_subquery_limit explain_format explain_json_format_version explicit_defaults_for_timestamp
	external_table_secondary_storage_engine external_table_storage_engine foreign_key_checks
	generated_random_password_length global_connection_memory_tracking group_replication_consistency gtid_domain_id
	gtid_next gtid_seq_no histogram_generation_max_mem_size histogram_size histogram_type identity
	idle_readonly_transaction_timeout idle_transaction_timeout idle_write_transaction_timeout immediate_server_version
	information_schema_stats_expiry innodb_compression_default innodb_ddl_buffer_size innodb_ddl_threads
	innodb_default_encryption_key_id innodb_ft_enable_stopword innodb_ft_user_stopword_table innodb_parallel_read_threads
	innodb_snapshot_isolation innodb_strict_mode innodb_support_xa innodb_table_locks innodb_tmpdir insert_id
	interactive_timeout internal_tmp_mem_storage_engine join_buffer_size join_buffer_space_limit join_cache_level
	keep_files_on_create last_insert_id log_disabled_statements log_queries_not_using_indexes log_slow_admin_statements
	log_slow_disabled_statements log_slow_filter log_slow_max_warnings log_slow_min_examined_row_limit log_slow_query
	log_slow_query_time log_slow_rate_limit log_slow_slave_statements log_slow_verbosity log_warnings long_query_time
	low_priority_updates max_allowed_packet max_delayed_threads max_error_count max_heap_table_size
	max_insert_delayed_threads max_join_size max_length_for_sort_data max_points_in_geometry max_recursive_iterations
	max_relay_log_size max_rowid_filter_size max_seeks_for_key max_sp_recursion_depth max_tmp_tables max_user_connections
	min_examined_row_limit mrr_buffer_size multi_range_count myisam_repair_threads myisam_sort_buffer_size
	myisam_stats_method net_buffer_length net_retry_count new note_verbosity old_alter_table old_passwords
	optimizer_adjust_secondary_key_costs optimizer_extra_pruning_depth optimizer_join_limit_pref_ratio
	optimizer_max_sel_arg_weight optimizer_max_sel_args optimizer_max_subgraph_pairs optimizer_prune_level
	optimizer_search_depth optimizer_selectivity_sampling_limit optimizer_switch optimizer_trace_features
	optimizer_trace_limit optimizer_trace_max_mem_size optimizer_trace_offset optimizer_use_condition_selectivity
	original_commit_timestamp original_server_version parser_max_mem_size preload_buffer_size
	print_identified_with_as_hex profiling_history_size progress_report_time pseudo_replica_mode pseudo_slave_mode
	pseudo_thread_id query_alloc_block_size query_cache_strip_comments query_cache_wlock_invalidate query_prealloc_size
	rand_seed1 rand_seed2 range_alloc_block_size rbr_exec_mode read_buffer_size read_rnd_buffer_size require_row_format
	restrict_fk_on_non_standard_key rowid_merge_buff_size secondary_engine_cost_threshold select_into_buffer_size
	select_into_disk_sync select_into_disk_sync_delay server_id session_track_gtids session_track_schema
	session_track_state_change session_track_system_variables session_track_transaction_info set_operations_buffer_size
	show_create_table_skip_secondary_engine skip_parallel_replication skip_replication slow_query_log
	sql_generate_invisible_primary_key sql_if_exists sql_log_bin sql_log_off sql_notes sql_require_primary_key
	sql_slave_skip_counter sql_warnings standard_compliant_cte storage_engine system_versioning_alter_history
	system_versioning_insert_history tcp_nodelay thread_pool_priority tmp_memory_table_size tmp_table_size
	transaction_alloc_block_size transaction_allow_batching transaction_prealloc_size unique_checks
	updatable_views_with_limit use_stat_tables windowing_use_high_precision wsrep_causal_reads wsrep_gtid_seq_no wsrep_on
	wsrep_osu_method wsrep_retry_autocommit wsrep_sync_wait wsrep_trx_fragment_size wsrep_trx_fragment_unit
	xa_detach_on_prepare
`)
