package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/inspect"
)

// verdict of one direction of native replication.
type compat struct {
	id  string // "": fine
	why string
}

// versions judges the directions that the path needs; both directions that
// fail for one reason give one finding.
func (j *judge) versions() {
	there := direct(j.old, j.new)
	if j.path == GTIDConverter && there.id == "replication_unsupported" && !j.old.Facts.IsMariaDB() && !j.new.Facts.IsMariaDB() &&
		newer(j.old, j.new) <= 0 {
		there = compat{id: "replication_skips_series", why: "the two cannot replicate directly; the converter between them must be of a version that can read old and that new can read"}
	}
	back := compat{}
	if j.twoWay() {
		back = direct(j.new, j.old)
	}
	found := j.old.Label + ": " + product(j.old) + "; " + j.new.Label + ": " + product(j.new)
	add := func(c compat, object, side string) {
		j.add(Finding{ID: c.id, Side: side, Object: object, Found: found + ": " + c.why})
	}
	worst := func(a, b compat) bool {
		ea, _ := Lookup(a.id)
		eb, _ := Lookup(b.id)
		return ea.Severity.rank() <= eb.Severity.rank()
	}
	switch {
	case there.id == "" && back.id == "":
	case back.id == "":
		add(there, j.there(), j.new.Label)
	case there.id == "":
		add(back, j.back(), j.old.Label)
	case worst(there, back):
		add(there, j.there(), SideBoth)
	default:
		add(back, j.back(), SideBoth)
	}
}

// series are MySQL's release series that matter to replication, which is
// supported from one to the next.
func series(f cluster.Facts) int {
	switch {
	case f.AtLeast(9, 0, 0):
		return 5
	case f.AtLeast(8, 1, 0):
		return 4
	case f.AtLeast(8, 0, 0):
		return 3
	case f.AtLeast(5, 7, 0):
		return 2
	case f.AtLeast(5, 6, 0):
		return 1
	}
	return 0
}

// newer compares two servers of one family: positive if a is newer.
func newer(a, b *inspect.Side) int {
	if a.Facts.IsMariaDB() {
		return (a.Facts.Major-b.Facts.Major)*1000 + a.Facts.Minor - b.Facts.Minor
	}
	return series(a.Facts) - series(b.Facts)
}

// direct says whether to can replicate from from.
func direct(from, to *inspect.Side) compat {
	f, t := from.Facts, to.Facts
	switch {
	case f.IsMariaDB() && t.IsMariaDB():
		if newer(from, to) > 0 {
			return compat{"replication_newer_to_older", fmt.Sprintf("%s may write what %s cannot read", from.Label, to.Label)}
		}
		return compat{}
	case f.IsMariaDB() && t.AtLeast(8, 0, 0):
		return compat{"replication_unsupported", "MySQL " + shortVersion(t) + " cannot read MariaDB's binary log"}
	case f.IsMariaDB():
		return compat{"replication_between_families", "MySQL " + shortVersion(t) + " reads MariaDB's binary log by file and position only, without sequences, system versioning and MariaDB's own types"}
	case t.IsMariaDB() && f.AtLeast(9, 0, 0):
		return compat{"replication_unsupported", "MariaDB cannot read the binary log of MySQL " + shortVersion(f)}
	case t.IsMariaDB() && f.AtLeast(8, 0, 0) && !readsMySQL8(t):
		return compat{"replication_unsupported", "only MariaDB 10.6.21, 10.11.11, 11.4.5 and newer read the binary log of MySQL 8"}
	case t.IsMariaDB():
		return compat{"replication_between_families", "MariaDB reads MySQL's binary log by file and position only, and not its JSON type"}
	}
	return betweenMySQL(from, to)
}

func readsMySQL8(t cluster.Facts) bool {
	switch {
	case t.Major == 10 && t.Minor == 6:
		return t.Patch >= 21
	case t.Major == 10 && t.Minor == 11:
		return t.Patch >= 11
	}
	return t.AtLeast(11, 4, 5)
}

func betweenMySQL(from, to *inspect.Side) compat {
	f, t := from.Facts, to.Facts
	gap := newer(to, from)
	switch {
	case gap > 0 && t.AtLeast(9, 0, 0) && !f.AtLeast(5, 7, 0):
		return compat{"replication_unsupported", "MySQL 9 has no mysql_native_password and cannot log in to a 5.6 source"}
	case gap > 1:
		return compat{"replication_skips_series", "replication is supported from one release series to the next, and these are " + fmt.Sprint(gap) + " apart"}
	case gap < -1:
		return compat{"replication_unsupported", fmt.Sprintf("%s is %d release series older than its source %s", to.Label, -gap, from.Label)}
	case gap < 0:
		return compat{"replication_newer_to_older", fmt.Sprintf("%s may write what %s cannot read", from.Label, to.Label)}
	}
	return compat{}
}

func shortVersion(f cluster.Facts) string { return fmt.Sprintf("%d.%d", f.Major, f.Minor) }

// binlog judges what a side writes into its binary log. Where it writes none,
// nothing else about it matters.
func (j *judge) binlog(s *inspect.Side) {
	severity := Fatal
	if s == j.new && !j.twoWay() {
		severity = Warning // nothing flows back; but there is no way back either
	}
	if !on(s, "log_bin") {
		j.add(Finding{ID: "binlog_off", Severity: severity, Side: s.Label, Object: "log_bin", Found: s.Label + ": log_bin OFF"})
		return
	}
	if severity == Fatal {
		severity = Lossy
	}
	if v, ok := s.Value("binlog_format"); ok && !strings.EqualFold(v, "ROW") {
		j.add(Finding{
			ID: "binlog_format", Severity: severity, Side: s.Label, Object: "binlog_format", Found: s.Label + ": binlog_format " + v,
			Fixes: stopped(s, set(s, "binlog_format", "ROW")),
		})
	} else if v := text(s, "binlog_row_image"); v != "" && !strings.EqualFold(v, "FULL") && !strings.EqualFold(v, "FULL_NODUP") {
		j.add(Finding{
			ID: "binlog_row_image", Severity: severity, Side: s.Label, Object: "binlog_row_image", Found: s.Label + ": binlog_row_image " + v,
			Fixes: []Fix{set(s, "binlog_row_image", "FULL")},
		})
	}
	if v := text(s, "binlog_row_value_options"); v != "" {
		j.add(Finding{
			ID: "binlog_row_value_options", Side: s.Label, Object: "binlog_row_value_options", Found: s.Label + ": binlog_row_value_options " + v,
			Fixes: []Fix{set(s, "binlog_row_value_options", "")},
		})
	}
	if !on(s, "log_replica_updates", "log_slave_updates") && (j.twoWay() || s == j.new || j.path == GTIDConverter) {
		j.add(Finding{
			ID: "log_replica_updates", Side: s.Label, Object: "log_replica_updates",
			Found: s.Label + ": what it replicates does not enter its own binary log",
		})
	}
	j.retention(s)
	j.compression(s)
	if len(s.BinlogFilters) > 0 {
		j.add(Finding{ID: "binlog_filter", Side: s.Label, Object: strings.Join(s.BinlogFilters, ","), Found: s.Label + ": " + strings.Join(s.BinlogFilters, ", ")})
	}
}

// retention compares how long a binary log is kept with the migration's time.
func (j *judge) retention(s *inspect.Side) {
	name, kept := "binlog_expire_logs_seconds", time.Duration(number(s, "binlog_expire_logs_seconds"))*time.Second
	if kept == 0 {
		days := text(s, "expire_logs_days")
		var n float64
		_, _ = fmt.Sscanf(days, "%g", &n) // an absent one leaves 0
		if kept = time.Duration(n * 24 * float64(time.Hour)); kept > 0 || text(s, name) == "" {
			name = "expire_logs_days"
		}
	}
	if v, ok := s.Value("binlog_expire_logs_auto_purge"); ok && strings.EqualFold(v, "OFF") {
		kept = 0
	}
	if kept == 0 || kept >= j.duration {
		return
	}
	value := fmt.Sprint(int64(j.duration / time.Second))
	if name == "expire_logs_days" {
		value = fmt.Sprint(int64((j.duration + 24*time.Hour - 1) / (24 * time.Hour)))
	}
	j.add(Finding{
		ID: "binlog_retention", Side: s.Label, Object: name,
		Found: fmt.Sprintf("%s: kept for %s, the migration is to last %s", s.Label, span(kept), span(j.duration)), Fixes: []Fix{set(s, name, value)},
	})
}

// span writes a time for people: in days where it is that long.
func span(d time.Duration) string {
	if day := 24 * time.Hour; d >= 2*day {
		return fmt.Sprintf("%.3g days", d.Hours()/24)
	}
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// applier is how a side applies what it receives, from its variables and its
// channels, which repeat each other.
type applier struct{ modes, skips, filters []string }

// applierOf leaves the server_ids of own out of the filters: a side has their changes already.
func applierOf(s *inspect.Side, own ...uint32) applier {
	var a applier
	note := func(list *[]string, v string) {
		if v != "" && !slices.Contains(*list, v) {
			*list = append(*list, v)
		}
	}
	if v := text(s, "replica_exec_mode", "slave_exec_mode"); strings.EqualFold(v, "IDEMPOTENT") {
		note(&a.modes, "IDEMPOTENT")
	}
	if v := text(s, "replica_skip_errors", "slave_skip_errors"); !strings.EqualFold(v, "OFF") {
		note(&a.skips, v)
	}
	for _, c := range s.Channels {
		if strings.EqualFold(c.ExecMode, "IDEMPOTENT") {
			note(&a.modes, "IDEMPOTENT")
		}
		if len(a.skips) == 0 {
			note(&a.skips, strings.Join(c.SkipErrors, ","))
		}
		for _, f := range c.LeavesOut(own...) {
			note(&a.filters, f)
		}
	}
	for _, f := range s.GlobalFilters {
		note(&a.filters, f)
	}
	for _, name := range []string{"do_db", "ignore_db", "do_table", "ignore_table", "wild_do_table", "wild_ignore_table"} {
		if v := text(s, "replicate_"+name); v != "" {
			note(&a.filters, "replicate-"+strings.ReplaceAll(name, "_", "-")+"="+v)
		}
	}
	return a
}

// replicaSettings judges how a side applies what it receives.
func (j *judge) replicaSettings(s *inspect.Side) {
	if s == j.old && !j.twoWay() {
		return
	}
	prefix := "slave_"
	if _, ok := s.Variables["replica_exec_mode"]; ok {
		prefix = "replica_"
	}
	a := applierOf(s, j.galeraMates(s)...)
	if len(a.modes) > 0 {
		j.add(Finding{
			ID: "replica_exec_mode", Side: s.Label, Object: prefix + "exec_mode", Found: s.Label + ": " + prefix + "exec_mode IDEMPOTENT",
			Fixes: []Fix{set(s, prefix+"exec_mode", "STRICT")},
		})
	}
	if len(a.skips) > 0 {
		j.add(Finding{ID: "replica_skip_errors", Side: s.Label, Object: prefix + "skip_errors", Found: s.Label + ": errors skipped: " + strings.Join(a.skips, ",")})
	}
	if len(a.filters) > 0 {
		j.add(Finding{ID: "replication_filter", Side: s.Label, Object: strings.Join(a.filters, ","), Found: s.Label + ": " + strings.Join(a.filters, ", ")})
	}
	j.arrival(s, prefix)
	if v := text(s, "replica_type_conversions", "slave_type_conversions"); strings.Contains(strings.ToUpper(v), "ALL_LOSSY") {
		j.add(Finding{
			ID: "replica_type_conversions", Side: s.Label, Object: prefix + "type_conversions", Found: s.Label + ": " + prefix + "type_conversions " + v,
			Fixes: []Fix{set(s, prefix+"type_conversions", "")},
		})
	}
	if v := text(s, "slave_run_triggers_for_rbr"); v != "" && !strings.EqualFold(v, "NO") {
		j.add(Finding{
			ID: "replica_runs_triggers", Side: s.Label, Object: "slave_run_triggers_for_rbr", Found: s.Label + ": slave_run_triggers_for_rbr " + v,
			Fixes: []Fix{set(s, "slave_run_triggers_for_rbr", "NO")},
		})
	}
}

// stopped puts a statement between those that stop and start the appliers, where
// the server refuses it else.
func stopped(s *inspect.Side, fix Fix) []Fix {
	if s.Facts.IsMariaDB() || !s.Facts.AtLeast(8, 0, 0) || !slices.ContainsFunc(s.Channels, func(c cluster.ReplicaChannel) bool { return c.SQLRunning }) {
		return []Fix{fix}
	}
	word := s.Facts.Words().Replica
	return []Fix{{On: s.Label, SQL: "STOP " + word + " SQL_THREAD"}, fix, {On: s.Label, SQL: "START " + word + " SQL_THREAD"}}
}

// arrival judges what keeps back what the other side writes.
func (j *judge) arrival(s *inspect.Side, prefix string) {
	for _, c := range s.Channels {
		if c.DelaySeconds == 0 {
			continue
		}
		f := Finding{
			ID: "replication_delay", Side: s.Label, Object: orWord(c.Name, "channel"),
			Found: fmt.Sprintf("%s: applies what it receives %s later", s.Label, span(time.Duration(c.DelaySeconds)*time.Second)),
		}
		stop, change, start := "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = 0", "START SLAVE"
		if !s.Facts.IsMariaDB() && s.Facts.AtLeast(8, 0, 23) {
			stop, change, start = "STOP REPLICA SQL_THREAD", "CHANGE REPLICATION SOURCE TO SOURCE_DELAY = 0", "START REPLICA SQL_THREAD"
			if c.Name != "" {
				change += " FOR CHANNEL '" + c.Name + "'"
			}
		}
		for _, sql := range []string{stop, change, start} {
			f.Fixes = append(f.Fixes, Fix{On: s.Label, SQL: sql})
		}
		j.add(f)
	}
	sends := number(j.other(s), "max_allowed_packet")
	if takes := number(s, prefix+"max_allowed_packet"); takes > 0 && takes < sends {
		j.add(Finding{
			ID: "replica_max_allowed_packet", Side: s.Label, Object: prefix + "max_allowed_packet",
			Found: fmt.Sprintf("%s: %smax_allowed_packet %s; %s: max_allowed_packet %s", s.Label, prefix, size(takes), j.other(s).Label, size(sends)),
			Fixes: []Fix{set(s, prefix+"max_allowed_packet", fmt.Sprint(sends))},
		})
	}
}

// compression judges binary logs that a side writes in a form that the other
// cannot read.
func (j *judge) compression(s *inspect.Side) {
	to := j.other(s).Facts
	name, reads := "log_bin_compress", to.IsMariaDB() && to.AtLeast(10, 2, 3)
	if !s.Facts.IsMariaDB() {
		name, reads = "binlog_transaction_compression", !to.IsMariaDB() && to.AtLeast(8, 0, 20)
	}
	if reads || !on(s, name) || s == j.new && !j.twoWay() || j.has("replication_unsupported") {
		return
	}
	j.add(Finding{
		ID: "binlog_compression", Side: s.Label, Object: name, Found: fmt.Sprintf("%s: %s ON; %s is %s", s.Label, name, j.other(s).Label, product(j.other(s))),
		Fixes: []Fix{set(s, name, "OFF")},
	})
}

// channels judges how replication stands, where no cause of its trouble is
// named already.
func (j *judge) channels() {
	r := j.pair.Relation
	if !r.Known {
		return
	}
	// The two ends of a chain by file and position do not name each other.
	chained := j.path == GTIDConverter && len(j.new.Channels) > 0
	if r.Mode == cluster.Independent && !chained || (r.Mode == cluster.OneWay && j.twoWay()) || r.Mode == cluster.Reverse {
		missing := j.there()
		if r.Mode == cluster.OneWay {
			missing = j.back()
		}
		j.add(Finding{ID: "replication_absent", Side: SideBoth, Object: missing, Found: "nothing replicates " + missing + " yet"})
	}
	if j.has("server_id_same", "server_uuid_same", "server_id_zero", "replication_unsupported", "binlog_off", "gtid_mode", "binlog_compression") {
		return
	}
	for _, l := range r.Links {
		if !l.Running {
			j.add(Finding{ID: "replication_stopped", Side: l.To, Object: l.From + "→" + l.To, Found: l.To + ": " + l.Trouble})
		}
	}
}
