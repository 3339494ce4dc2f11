package preflight

// Entry explains one id.
type Entry struct {
	ID       string
	Severity Severity // where nothing makes it better or worse
	Title    string   // what is wrong, in a few words
	Means    string   // why it matters
	Do       string   // what to do
}

// Lookup returns the entry of an id.
func Lookup(id string) (Entry, bool) {
	for _, e := range Catalog() {
		if e.ID == id {
			return e, true
		}
	}
	return Entry{}, false
}

// Section is a part of the catalog.
type Section struct {
	Title   string
	Entries []Entry
}

// Catalog lists everything that a preflight can find.
func Catalog() []Entry {
	var out []Entry
	for _, s := range Sections() {
		out = append(out, s.Entries...)
	}
	return out
}

// Sections is the catalog in the order of the page docs/what-if-preflight.md.
func Sections() []Section {
	config := make([]Entry, 0, len(settings()))
	for _, s := range settings() {
		config = append(config, Entry{
			ID: s.id(), Severity: s.severity, Title: s.names[0] + " differs", Means: s.why,
			Do: "Give both sides one value, or accept it by name if the application is ready for new's: --accept " + s.id() + ".",
		})
	}
	return []Section{
		{"Servers and access", accessEntries()},
		{"Replication", replicationEntries()},
		{"Schemas", schemaEntries()},
		{"Stored programs, names and accounts", programEntries()},
		{"The application's accounts", accountEntries()},
		{"Settings", append(config, configEntries()...)},
	}
}

func accessEntries() []Entry {
	return []Entry{
		{
			"privilege_missing", Warning, "the account lacks a privilege", "What the privilege shows cannot be judged, and what is not seen is not proven.",
			"Run the GRANT on the side that is named. crosscheck asks for nothing that writes.",
		},
		{
			"not_found_out", Warning, "something could not be found out", "A check that did not run says nothing: the pair may be fine or not.",
			"Mend what the message says and run preflight again.",
		},
		{
			NotVisible, Info, "something is hidden from the account", "Triggers and events show only to accounts that may make them, so crosscheck does not ask for that by itself: what is hidden was not judged.",
			"Give the privilege for the time of the preflight, or look with an account that has it.",
		},
		{
			"same_server", Fatal, "both addresses lead to one server", "A server agrees with itself always: every check would pass and prove nothing.",
			"Check the two addresses, and what stands between (a proxy, a DNS name that was switched already).",
		},
		{
			"server_uuid_same", Fatal, "server_uuid is the same on both", "The data directory was copied with its auto.cnf. Replication refuses such a pair (1593), and GTIDs of the two cannot be told apart.",
			"Stop new, delete auto.cnf in its data directory, and start it again.",
		},
		{
			"server_id_same", Fatal, "server_id is the same on both", "A replica drops transactions that bear its own server_id, and refuses to start (1593).",
			"Give new a number that no server of either cluster has, also in its configuration file, and restart its replication.",
		},
		{
			"server_id_zero", Fatal, "server_id is 0", "A server without an id neither serves nor becomes a replica.",
			"Set server_id in the configuration file and restart.",
		},
		{
			"clock_skew", Warning, "the clocks differ", "NOW() writes other times on either side, lag is computed wrongly, and retention and logs do not line up.",
			"Mend the time service (NTP) on the side that is off.",
		},
		{
			"size", Info, "how much there is to copy", "It tells how long the copy and the first check take.", "Nothing.",
		},
		{
			"disk_space", Warning, "new has too little free space", "The copy does not fit: a full disk stops the server in the middle of it.", "Give new more space first.",
		},
	}
}

func replicationEntries() []Entry {
	return []Entry{
		{
			"replication_unsupported", Fatal, "the versions cannot replicate", "The direction that is named cannot run natively, so neither the path nor its way back works.",
			"Choose another path, put a server of a version between that both sides understand, or upgrade in steps.",
		},
		{
			"replication_skips_series", Warning, "the versions are far apart", "Replication is supported between neighboring release series only: it may work and nobody answers for it.",
			"Put an intermediate version between, or rehearse the path with the real load and accept it.",
		},
		{
			"replication_newer_to_older", Warning, "a newer server replicates to an older one", "What only the newer version knows (collations, types, events of the binary log) stops the older one.",
			"Use nothing new until the way back is no longer needed; rehearse it, then accept it.",
		},
		{
			"replication_between_families", Info, "MySQL and MariaDB replicate within limits", "Positions are by file, GTIDs do not carry over, and each family has types and collations that the other lacks.",
			"Keep to what both families know until the migration is over.",
		},
		{
			"replication_absent", Info, "no replication in a direction that the path needs", "Nothing flows that way yet. The gate replica-in-sync opens only when it does.",
			"Set the replication up after the copy.",
		},
		{
			"node_not_named", Warning, "a node of a cluster that nobody named", "It serves rows, and nobody compares it, watches it or judges it: the gates open without it.",
			"Name it: replicas of [old] or [new] in the plan, or --old-replica and --new-replica. One that no reader uses can be accepted.",
		},
		{
			"node_not_reached", Warning, "a node that was named does not answer", "Nothing of it was judged: it may lack a table, skip errors or be writable.",
			"Start it, or mend its address or the account, and run preflight again; or take it out of the nodes that are named.",
		},
		{
			"node_version", Warning, "a node is of another version than its side's own server", "It has other defaults, plans and limits; once it is promoted, it writes what nodes of the older version may not read.",
			"Bring the nodes of a cluster to one version, or accept it while they are upgraded one by one.",
		},
		{
			"replica_writable", Warning, "a replica takes writes", "An application that is led to it by mistake is not refused: the node diverges, and its transactions are nowhere else.",
			"Set read_only, also in the configuration file.",
		},
		{
			"replication_stopped", Warning, "replication is set up and does not run", "The sides drift apart until it runs again.", "Mend what the message says and start the replica.",
		},
		{
			"binlog_off", Fatal, "the binary log is off", "Nothing can replicate from this side, and crosscheck sees none of its changes.", "Set log_bin in the configuration file and restart.",
		},
		{
			"binlog_format", Lossy, "binlog_format is not ROW", "Statements are run again on the other side and may give other rows there; crosscheck cannot see which rows they changed.",
			"Set it to ROW, also in the configuration file; sessions keep the old format until they reconnect.",
		},
		{
			"binlog_row_image", Lossy, "binlog_row_image is not FULL", "Row events lack columns: lost updates and diverged rows cannot be found in the binary log.",
			"Set it to FULL, also in the configuration file; sessions keep the old image until they reconnect.",
		},
		{
			"binlog_row_value_options", Warning, "JSON values are logged in part", "An update of a JSON column leaves only the difference in the binary log, so after-images cannot be compared.",
			"Switch it off for the time of the migration.",
		},
		{
			"log_replica_updates", Lossy, "replicated changes do not enter the binary log", "Echoes are missing: crosscheck cannot prove what arrived, and replicas behind this server miss it altogether.",
			"Set log_replica_updates (log_slave_updates before MySQL 8.0.26 and on MariaDB) in the configuration file and restart.",
		},
		{
			"binlog_retention", Warning, "binary logs are purged before the migration ends", "A replica or a watch that pauses too long finds its place gone (1236) and must begin anew.",
			"Keep them for the whole migration.",
		},
		{
			"binlog_filter", Lossy, "the binary log leaves schemas out", "Changes of those schemas reach no replica and no watch.", "Remove binlog-do-db and binlog-ignore-db from the configuration file and restart.",
		},
		{
			"replication_filter", Lossy, "a replication filter is set", "Changes that the filter drops are missing on this side, without an error.",
			"Remove the filter (CHANGE REPLICATION FILTER, or the configuration file), or leave its tables out of the plan and accept it.",
		},
		{
			"replica_skip_errors", Lossy, "replication passes over errors", "A row that could not be applied is skipped without a word: the sides diverge and replication looks healthy.",
			"Remove skip_errors from the configuration file and restart.",
		},
		{
			"replica_exec_mode", Lossy, "replication runs in IDEMPOTENT mode", "Duplicate keys are overwritten and missing rows ignored: collisions and lost rows leave no trace.",
			"Set it to STRICT, also in the configuration file.",
		},
		{
			"replication_delay", Warning, "replication is delayed on purpose", "What old commits arrives so much later: no check sees new up to date, and every wait for it ends without proof.",
			"Take the delay away for the time of the migration.",
		},
		{
			"replica_max_allowed_packet", Warning, "the applier takes smaller packets than the other side", "A row that the other side may write does not get through: replication stops (1153).",
			"Give it at least the other side's max_allowed_packet.",
		},
		{
			"binlog_compression", Fatal, "the other side cannot read a compressed binary log", "Replication stops at the first compressed transaction.", "Switch the compression off; sessions keep it until they reconnect.",
		},
		{
			"replica_type_conversions", Lossy, "replication may shorten values", "ALL_LOSSY lets the applier cut a value that does not fit its column.", "Take ALL_LOSSY away once the column types agree.",
		},
		{
			"replica_runs_triggers", Lossy, "the applier runs triggers", "What a trigger wrote on the source arrives as rows and is written again by the trigger on this side.", "Set it to NO.",
		},
		{
			"gtid_mode", Fatal, "the gtid_modes do not go together", "A replica with gtid_mode=ON refuses transactions without a GTID, one with OFF those that have one. A return channel from a server with GTIDs needs old at OFF_PERMISSIVE or higher.",
			"Go up the ladder OFF, OFF_PERMISSIVE, ON_PERMISSIVE, ON one step at a time on all servers of a cluster.",
		},
		{
			"enforce_gtid_consistency", Warning, "statements that GTIDs cannot name are allowed", "Such a statement works on one side and is refused on the other, or stops the way to GTIDs.",
			"Set WARN, watch the error log for a while, then set ON.",
		},
		{
			"gtid_domain_same", Fatal, "gtid_domain_id is the same on both", "Two servers that both take writes count in one domain: their sequence numbers mix, and a position no longer says what has arrived.",
			"Give new a domain of its own, also in its configuration file, before it takes a write.",
		},
		{
			"step_overlap", Warning, "both sides generate the same keys", "As soon as both are written to, two rows get one key: replication stops with 1062, or one row is lost.",
			"Set offset before increment on both sides, also in the configuration files; sessions keep the old step until they reconnect.",
		},
		{
			"step_offset_ignored", Warning, "auto_increment_offset is larger than the increment", "The server ignores such an offset without a word: the side generates keys that belong to the other.",
			"Set an offset within the increment that the other side does not have, or the increment at least as large as the largest offset.",
		},
		{
			"step_differs", Warning, "generated keys go in other steps", "After the switch new leaves gaps that old did not, or generates keys of a rest that is not its own.", "Give both sides one step, unless it was set on purpose.",
		},
		{
			"galera_step_control", Warning, "Galera sets the step itself", "Each change of the cluster's size sets another increment and offset, over those that the migration needs.",
			"Switch it off on every node, then set the steps by hand so that no two nodes of either cluster share one.",
		},
		{
			"galera_changes_return", Lossy, "changes of a Galera node come back", "What is written on a further node of the cluster goes to the other side by this side's log, and comes back from there: only the server's own server_id is dropped. It is applied a second time: a row that was changed meanwhile gets its older values, or replication stops (1062).",
			"Let the channel into the cluster ignore the server_ids of all its nodes, in every node that may come to hold the channel.",
		},
		{
			"group_replication_step_control", Warning, "Group Replication sets the step itself", "In multi-primary mode the plugin sets increment and offset when it starts, over those that the migration needs.",
			"Use single-primary mode for the time of the migration, or set the steps again after every start of the group.",
		},
		{
			"auto_increment_headroom", Warning, "generated keys near the end of their type", "Steps of two use the rest up twice as fast; at the end every insert fails (1062 or 167).", "Widen the column on both sides before the migration.",
		},
	}
}

func schemaEntries() []Entry {
	return []Entry{
		{
			"schema_missing", Fatal, "a schema is on one side only", "The first change of one of its tables stops replication (1146, 1049).", "Copy the schema, or leave it out of the plan and out of replication.",
		},
		{
			"schema_charset", Warning, "a schema's default charset differs", "Tables made in it from now on get other charsets on either side. Existing ones are not touched.", "Give both the same default.",
		},
		{
			"table_missing", Fatal, "a table is on one side only", "The first change of it stops replication (1146).", "Make the table where it is missing, from the statement of the other side, and copy its rows.",
		},
		{
			"table_without_key", Warning, "a table has no key", "The applier searches the whole table for each row, equal rows cannot be told apart, and no collision in it can be seen.", "Add a primary key.",
		},
		{
			"table_partitions", Warning, "partitions differ", "Rows are the same; but a row that has no partition on one side stops replication (1526), and dropping a partition drops other rows.", "Partition both alike.",
		},
		{
			"table_row_format", Info, "a table's row format differs", "The rows are the same. Space, and how long keys and rows may be, are not.", "Give both the same ROW_FORMAT if the space matters.",
		},
		{
			"table_versioning", Warning, "system versioning differs", "One side keeps the history of rows, the other does not.", "Version the table on both sides or on neither.",
		},
		{
			"table_charset", Warning, "a table's default charset differs", "Harmless to the rows that are there: its columns agree. Columns added from now on will not.", "Give both the same default.",
		},
		{
			"engine", Warning, "a table is not in InnoDB", "Without transactions a failed statement stays half done, on one side only, and nothing can be read consistently while it is written.", "Convert the table on both sides.",
		},
		{
			"primary_key", Lossy, "primary keys differ", "The applier finds rows by key: with another one it changes other rows, or scans the table, and takes duplicates that the other side refuses.", "Give both the same primary key.",
		},
		{
			"unique_key_missing", Lossy, "a unique key is on one side only", "One side takes rows that the other refuses: replication stops there (1062), or duplicates stay.", "Add the key where it is missing, after looking for duplicates.",
		},
		{
			"index_missing", Warning, "an index is on one side only", "Harmless to the rows. Queries on that side, and its applier where it has no better key, scan instead.", "Add the index where it is missing.",
		},
		{
			"index_invisible", Warning, "an index is hidden from the optimizer on one side only", "Harmless to the rows. Queries on that side do not use it.", "Show it, or hide it on both sides.",
		},
		{
			"foreign_key_missing", Warning, "a foreign key is on one side only", "One side takes orphans that the other refuses, and replication stops there (1452).", "Add the constraint where it is missing, after looking for orphans.",
		},
		{
			"foreign_key_differs", Lossy, "a foreign key differs", "Deleting or changing a parent does other things to the children on either side.", "Make both alike.",
		},
		{
			"foreign_key_cascade", Warning, "a foreign key changes rows by itself", "Rows changed by a cascade are in no binary log of most versions: the watch cannot see them collide.", "Check the child table again before the switch (crosscheck check --table), or write the cascades in the application.",
		},
		{
			"column_missing", Lossy, "a column is on one side only", "Row events go by place: a column at the end is dropped in silence, one before others shifts them and stops replication or writes into the wrong one.", "Add the column where it is missing, in its place.",
		},
		{
			"column_order", Fatal, "columns stand in another order", "Row events go by place: values land in the wrong columns wherever the types allow it.", "Bring the columns into one order (ALTER TABLE … MODIFY … AFTER).",
		},
		{
			"column_type", Warning, "a column's type differs", "The applier converts only what replica_type_conversions allows and stops otherwise (1677); signs and labels of ENUM and SET are not even noticed.", "Give both the same type.",
		},
		{
			"column_charset", Lossy, "a text column's charset differs", "Row events carry bytes: the other side takes them for other characters, or stops where the lengths differ (1677).", "Convert both to one charset.",
		},
		{
			"column_collation", Warning, "a text column's collation differs", "The bytes are the same; comparisons, ORDER BY and GROUP BY are not.", "Convert both to one collation.",
		},
		{
			"column_null", Lossy, "a column takes NULL on one side only", "A NULL that arrives where none may be becomes 0 or an empty text, or stops replication (1048).", "Make both alike.",
		},
		{
			"column_default", Warning, "a column's default differs", "Replicated rows are complete and safe. Rows written on either side without the column get other values.", "Make both alike.",
		},
		{
			"column_on_update", Warning, "ON UPDATE of a column differs", "Replicated rows are safe. Updates on one side leave the old time.", "Make both alike.",
		},
		{
			"column_auto_increment", Lossy, "a column generates keys on one side only", "Inserts without the key fail or get 0 on the other side.", "Make both alike.",
		},
		{
			"column_generated", Lossy, "a generated column differs", "The two sides compute other values from the same row, or one stores what the other computes.", "Make both alike.",
		},
		{
			"column_invisible", Warning, "a column is invisible on one side only", "SELECT * and INSERT without columns mean other columns.", "Make both alike.",
		},
	}
}

func programEntries() []Entry {
	return []Entry{
		{
			"trigger_present", Warning, "a trigger writes by itself", "Appliers of row events run no triggers, so nothing is written twice. But rows that triggers on both sides keep (counters, sums) collide although no statement of the application names them.",
			"Look at what the trigger writes; accept it if both sides can never write the same row.",
		},
		{
			"trigger_missing", Warning, "a trigger is on one side only", "Writes to that side do not do what the trigger does.", "Create it there before the side takes writes.",
		},
		{
			"trigger_differs", Warning, "a trigger differs", "The same write does other things on either side.", "Make both alike.",
		},
		{
			"event_on_both", Lossy, "an event is enabled on both sides", "It runs twice: what it inserts, sums or deletes happens twice, and is replicated on top.", "Disable it on the side that is not to run it.",
		},
		{
			"event_missing", Warning, "an event is on one side only", "It stops running when the other side takes over.", "Create it there, disabled until the switch.",
		},
		{
			"event_differs", Warning, "an event differs", "It will do something else after the switch.", "Make both alike.",
		},
		{
			"routine_missing", Warning, "a routine is on one side only", "Calls of it fail there (1305).", "Create it there.",
		},
		{
			"routine_differs", Warning, "a routine differs", "The same call does other things on either side.", "Make both alike.",
		},
		{
			"view_missing", Warning, "a view is on one side only", "Queries of it fail there (1146).", "Create it there.",
		},
		{
			"view_differs", Warning, "a view differs", "The same query gives other rows on either side.", "Make both alike.",
		},
		{
			"view_broken", Warning, "a view cannot be read on new", "It names something, or runs as an account, that new does not have: queries of it fail (1356, 1449).",
			"Make what it needs on new, or the account that is its definer; or make the view anew there.",
		},
		{
			"check_missing", Warning, "a CHECK constraint is on one side only", "One side takes rows that the other refuses when the application writes them.", "Add it where it is missing.",
		},
		{
			"check_differs", Warning, "a CHECK constraint differs", "One side takes rows that the other refuses.", "Make both alike.",
		},
		{
			"function_removed", Fatal, "a function is gone in the new version", "What calls it fails on new with 1305: generated columns and defaults cannot even be created, views and routines break when used.", "Rewrite it on old first, with functions that both versions have (SHA2 for MD5 and SHA1).",
		},
		{
			"syntax_removed", Fatal, "a construct of SQL is gone in the new version", "Views and routines that use it cannot be made on new, or break when used (1064).",
			"Rewrite it on old first, in a way that both versions read (ORDER BY for the direction of GROUP BY).",
		},
		{
			"reserved_word", Warning, "a name is a reserved word on new", "Statements that use it without quotes fail on new with 1064.", "Quote it in the application's statements, or rename it on old first.",
		},
		{
			"auth_plugin_missing", Warning, "accounts log in by a plugin that new does not have", "These accounts cannot be carried over: their password hashes mean nothing to new.", "Make them on new with a plugin that it has and with new passwords, and see that the clients' drivers know it.",
		},
	}
}

func configEntries() []Entry {
	const load = "Load them from one version of the zone files on both: mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql mysql (mariadb-tzinfo-to-sql); on a replica in a session with sql_log_bin = 0."
	return []Entry{
		{
			"time_zones_missing", Warning, "named time zones of old are not on new", "SET time_zone fails there (1298), and CONVERT_TZ gives NULL, which is stored without an error.", load,
		},
		{
			"time_zones_differ", Warning, "named time zones mean other times", "The same moment is stored or shown as another time, in the years in which the zone files differ.", load,
		},
		{
			"removed_variable", Warning, "a variable that old sets is gone", "What it changed on old cannot be had on new; a configuration file that still names it keeps new from starting.", "Find out what it was set for; leave it out of new's configuration file.",
		},
		{
			"config_other", Info, "other variables differ", "None of them changes a result; sizes of caches and the like.", "Nothing, unless the load is to be the same.",
		},
	}
}
