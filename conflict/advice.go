package conflict

// advice says in one line what helps against a finding, where nobody knows a statement that does.
func advice(f *Finding) string {
	if f.Kind == Unjudged {
		return reasonAdvice[f.Reason]
	}
	return kindAdvice[f.Kind]
}

var kindAdvice = map[Kind]string{
	InsertInsertPK:     "give one of the two rows a new key on both sides; find out why one side made a key that is not its own",
	InsertInsertUnique: "change or delete one of the two rows on both sides; let one side only write such values",
	UpdateUnique:       "change or delete one of the two rows on both sides; let one side only write such values",
	MultipleUnique:     "look at all rows that have one of the values: an applier that overwrites deletes them; change or delete rows on both sides until each value is one row's",
	UpdatePK:           "look at both keys on both sides, then move or insert the rows again; let one side only change keys",
	UpdateUpdate:       "decide which value counts and set it on one side: it replicates; let one side only update such rows",
	UpdateUpdateSame:   "nothing: both sides hold the same",
	UpdateDelete:       "look at the row on both sides, then delete it or insert it again",
	DeleteUpdate:       "look at the row on both sides, then delete it or insert it again",
	DeleteDelete:       "nothing: the row is gone on both sides",
	InsertDelete:       "look at the row on both sides, then delete it or insert it again",
	ForeignKeyOrphan:   "insert the parent again, or delete the child, on both sides",
	DDLRace:            "stop writes on one side during schema changes; crosscheck check --table of this table",
	WrongStepKey:       "find the session that has another auto_increment_increment or auto_increment_offset, and KILL it; if the application gives such keys, let it give each side its own",
	StaleSession:       "KILL the session, or restart the application's connection pool",
	EchoMismatch:       "crosscheck check --table of this table, then crosscheck repair; find who wrote to the replica with sql_log_bin = 0",
	MissingEcho:        "crosscheck check --table of this table, then crosscheck repair; look for filters and skipped errors of the other side's applier",
}

var reasonAdvice = map[Reason]string{
	ReasonNoTable:     "grant SELECT on the table, or exclude it",
	ReasonNoKey:       "give the table a key; until then crosscheck check --table of this table",
	ReasonImage:       "set binlog_row_image = FULL on both sides, also in sessions, and the same keys on both sides; crosscheck check --table of this table",
	ReasonCharset:     "crosscheck check --table of this table; convert the key's columns to utf8mb4",
	ReasonExpression:  "compare the values of the key's expression by a query on both sides",
	ReasonCrowded:     "let replication arrive, then crosscheck check --table of this table",
	ReasonCollation:   "compare the two keys by hand: SELECT 'one' = 'other' with the column's collation",
	ReasonStatement:   "set binlog_format = ROW, also in sessions; crosscheck check --table of what the statement wrote",
	ReasonIncident:    "crosscheck check of all tables, then crosscheck watch --fresh",
	ReasonGap:         "crosscheck check of all tables, then crosscheck watch --fresh; keep binary logs for longer",
	ReasonWindowFull:  "mend replication, then crosscheck check of all tables and crosscheck watch --fresh",
	ReasonThirdSource: "name the server with --old-member or --new-member",
	ReasonNoOriginal:  "find out whether the other side's log was reset, or sql_log_bin used; crosscheck check of all tables",
	ReasonMisfit:      "set binlog_row_metadata = FULL, then crosscheck watch --fresh; until then crosscheck check --table of this table",
	ReasonUncertain:   "set binlog_row_metadata = FULL, or keep the watch running during schema changes; crosscheck check --table of this table",
}
