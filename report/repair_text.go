package report

import (
	"strings"
	"time"

	"crosscheck/checksum"
)

// The session's modes: each value is stored exactly, or the statement fails; but for those that strict mode refuses.
const (
	laxMode    = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
	strictMode = "NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,ALLOW_INVALID_DATES"
)

// header says what the file is.
func (r *repair) header() {
	o := r.opts
	r.comment("Repair written by crosscheck: it makes NEW like OLD where run %s proved them to differ.\n"+
		"Checked %s, written %s.\n"+
		"  old: %s\n  new: %s  <- run it here\n\n"+
		"crosscheck has not executed any of this. Read it, then run it on NEW in a session of its own:\n\n"+
		"  mysql --comments --skip-reconnect --default-character-set=utf8mb4 --max-allowed-packet=1G --host=... < this-file\n\n"+
		"- It stops at the first error, and what its open transaction did is undone. Statements on rows with a key can be\n"+
		"  run again: each acts only on a row that is still as the check saw it, and leaves a row alone that changed\n"+
		"  since. Those on tables without a key say so and must run once only.\n"+
		"- A row whose unique value another row of new still holds is left as it is: the next check shows it.\n"+
		"- Where a rule of new's own refuses a row (a CHECK, a trigger, no partition, a unique key on an expression), take\n"+
		"  that statement out and run the file again.\n"+
		"- It goes through new's binlog, so that new's own replicas follow.\n"+
		"- Triggers of new fire. Foreign keys are not checked and do not cascade here: rows that a cascade would change\n"+
		"  have statements of their own if they differ.\n"+
		"- It holds row values in clear: keep it as you keep the data.\n"+
		"- Check again afterwards.",
		quoted(o.Run), stamp(o.Checked), stamp(o.Written), server(o.Old), server(o.New))
	if o.TwoWay {
		r.comment("\nWARNING: old replicates from new. Rows that are missing on new are there on old, and rows that are extra on new\n" +
			"may be missing there: their replicated copies would stop old's applier (1062, 1032) or change old. Before you run\n" +
			"this, SET SESSION sql_log_bin = 0 and run it on each server of new, or stop that replication and skip it.")
	}
	r.unreadText()
	r.session()
}

// unreadText warns of replicas whose rows nobody knows: a row event that does not fit them stops their applier.
func (r *repair) unreadText() {
	if len(r.opts.Unread) > 0 {
		r.comment("\nWARNING: nobody compared %s. Where a row there is other than on the node that this file\n"+
			"is for, what goes through the binary log may stop its applier (1032, 1062): compare it too, then write the repair again.",
			nodeLabels(r.opts.Unread))
	}
}

// session sets the session up so that each value is stored exactly, and on the server only that was checked.
func (r *repair) session() {
	o := r.opts
	r.printf("\nSET NAMES utf8mb4;\n"+
		"SET SESSION time_zone = '+00:00', SESSION foreign_key_checks = 0, SESSION unique_checks = 1,\n"+
		"  SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1, SESSION sql_mode = '%s';\n", strictMode)
	if o.New.Flavor == "mariadb" {
		r.printf("/*M!100304 SET SESSION system_versioning_asof = DEFAULT, SESSION max_statement_time = 0 */;\n")
	}
	if o.New.Flavor == "mysql" && isUUID(o.New.ServerUUID) {
		r.comment("On any other server than the one that was checked this ends with error 1242. Take it out only if you know why.")
		r.printf("SET @crosscheck_server = (SELECT n FROM (SELECT 1 AS n UNION ALL SELECT 2) AS wrong_server WHERE @@server_uuid <> '%s');\n", o.New.ServerUUID)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func server(e checksum.EndpointInfo) string {
	return quoted(e.Addr) + ", " + quoted(e.Version) + ", server " + quoted(e.ServerUUID)
}

// isUUID reports whether s is safe to be written into a statement as a server's uuid.
func isUUID(s string) bool { return len(s) == 36 && strings.Trim(s, "0123456789abcdefABCDEF-") == "" }

// trailer says what is in the file and what is not.
func (r *repair) trailer() {
	s := r.sum
	r.printf("\n")
	r.comment("End of the repair: %d DELETE, %d UPDATE and %d INSERT statements in %d transactions over %d tables.",
		s.Deletes, s.Updates, s.Inserts, s.Transactions, len(r.tables))
	if s.Skipped == 0 {
		return
	}
	r.comment("NOT in it: %d differing rows (%d without an image in the ledger, %d where nothing can be written, %d in tables whose\n"+
		"name can be read in two ways). They remain as they are:", s.Skipped, s.NoImage, s.NotWritable, s.Ambiguous)
	for _, line := range r.skips {
		r.comment("  %s", line)
	}
	if len(r.skips) == maxRepairSkips {
		r.comment("  ... only the first %d are named", maxRepairSkips)
	}
}
