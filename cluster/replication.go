package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crosscheck/cluster/gtid"
)

// ReplicaChannel is one configured source of a replica, running or not.
type ReplicaChannel struct {
	Name           string // "" for the default channel
	SourceHost     string
	SourcePort     int
	SourceUUID     string // MySQL sources only, and once connected
	SourceServerID uint32 // 0 until once connected since the last start

	IORunning, SQLRunning bool // both true: it replicates
	IOConnecting          bool // the receiver tries to reach its source
	IOErrno, SQLErrno     int  // 0: no error
	IOError, SQLError     string
	IOState, SQLState     string // what the threads say they are doing

	LagSeconds   *int64 // nil: unknown, as while a thread is stopped
	DelaySeconds int64  // configured delay

	// Read is how far the receiver is in the source's binary log, Exec how far
	// the applier is. With parallel appliers Exec is a low-water mark: all
	// before it is committed, some after it may be.
	Read, Exec gtid.FilePos
	// Retrieved is what the receiver has fetched, Executed what the server has
	// applied (of MySQL: everything in gtid_executed). Zero without GTIDs.
	Retrieved, Executed gtid.Position

	AutoPosition  bool     // the place is found by GTID, not by file
	Filters       []string // "replicate-do-db=shop", …
	IgnoreServers []uint32 // transactions of these server ids are dropped
	DoDomains     []uint32 // MariaDB: only these domains, if any
	IgnoreDomains []uint32 // MariaDB: not these domains
	SkipErrors    []string // error numbers the applier passes over, or "all"
	ExecMode      string   // "STRICT" or "IDEMPOTENT", which hides differences
	Workers       int      // parallel appliers; 0: one thread
	CommitOrder   bool     // parallel appliers commit in the source's order
	Group         bool     // it brings what its replication group certifies: it has no one source
	GroupTrouble  string   // what keeps the group from it; "" for nothing
}

// Running tells whether both threads run.
func (c ReplicaChannel) Running() bool { return c.IORunning && c.SQLRunning }

// Source is "host:port", or words for a group.
func (c ReplicaChannel) Source() string {
	if c.Name == galeraChannel && c.Group {
		return "its Galera cluster"
	}
	if c.Group {
		return "its replication group"
	}
	return fmt.Sprintf("%s:%d", c.SourceHost, c.SourcePort)
}

// LeavesOut lists what the channel does not apply of what its source logs: "replicate-do-db=shop", "ignore-server-ids=3,4". own
// are server ids that it has to ignore, if given.
func (c ReplicaChannel) LeavesOut(own ...uint32) []string {
	out := slices.Clone(c.Filters)
	ignored := slices.DeleteFunc(slices.Clone(c.IgnoreServers), func(id uint32) bool { return slices.Contains(own, id) })
	for _, x := range []struct {
		what string
		ids  []uint32
	}{{"ignore-server-ids", ignored}, {"do-domain-ids", c.DoDomains}, {"ignore-domain-ids", c.IgnoreDomains}} {
		if len(x.ids) > 0 {
			out = append(out, x.what+"="+strings.Trim(strings.ReplaceAll(fmt.Sprint(x.ids), " ", ","), "[]"))
		}
	}
	return out
}

// Trouble says in one phrase what stops the channel; "" while it runs.
func (c ReplicaChannel) Trouble() string {
	var parts []string
	if c.GroupTrouble != "" {
		parts = append(parts, c.GroupTrouble)
	}
	if c.Name == galeraChannel && c.Group {
		return strings.Join(parts, ", ") // it has no threads that anybody could start
	}
	if !c.SQLRunning {
		parts = append(parts, threadTrouble("applier", "stopped", c.SQLErrno, c.SQLError))
	}
	if !c.IORunning {
		word := "stopped"
		if c.IOConnecting {
			word = "connecting"
		}
		parts = append(parts, threadTrouble("receiver", word, c.IOErrno, c.IOError))
	}
	return strings.Join(parts, ", ")
}

func threadTrouble(thread, word string, no int, text string) string {
	if no == 0 {
		return thread + " " + word
	}
	const limit = 300 // applier errors repeat a whole statement
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return fmt.Sprintf("%s %s with error %d (%s)", thread, word, no, text)
}

// Channels lists the configured sources of a server, running or not; none for
// a server that replicates from nowhere. Errors are *PrivilegeError and
// *ServerError.
func (s *Server) Channels(ctx context.Context) ([]ReplicaChannel, error) {
	r := reader{s}
	status, err := r.rows(ctx, r.facts.Words().ShowChannels)
	if err != nil {
		return nil, r.fail(opChannels, err)
	}
	status, group, err := r.withGroup(ctx, status)
	if err == nil {
		group, err = r.withGalera(ctx, group)
	}
	if err != nil || len(status)+len(group) == 0 {
		return nil, err
	}
	vars, err := r.some(ctx, applierVariables...)
	if err != nil {
		return nil, err
	}
	out := make([]ReplicaChannel, 0, len(status)+len(group))
	for _, x := range status {
		out = append(out, channelOf(x, s.facts.IsMariaDB()))
	}
	out = append(out, group...)
	for i := range out {
		out[i].setVariables(vars, s.facts.IsMariaDB())
	}
	return out, nil
}

func channelOf(s row, maria bool) ReplicaChannel {
	c := ReplicaChannel{
		Name:           s.str("channel_name") + s.str("connection_name"),
		SourceHost:     s.str("master_host"),
		SourcePort:     int(s.uint("master_port")),
		SourceUUID:     strings.ToLower(s.str("master_uuid")),
		SourceServerID: uint32(s.uint("master_server_id")),
		IORunning:      s.yes("slave_io_running"),
		SQLRunning:     s.yes("slave_sql_running"),
		IOErrno:        int(s.uint("last_io_errno")),
		SQLErrno:       int(s.uint("last_sql_errno")),
		IOError:        s.str("last_io_error"),
		SQLError:       s.str("last_sql_error"),
		IOState:        s.str("slave_io_state"),
		SQLState:       s.str("slave_sql_running_state"),
		LagSeconds:     s.optInt("seconds_behind_master"),
		DelaySeconds:   int64(s.uint("sql_delay")),
		Read:           gtid.FilePos{File: s.str("master_log_file"), Pos: s.uint("read_master_log_pos")},
		Exec:           gtid.FilePos{File: s.str("relay_master_log_file"), Pos: s.uint("exec_master_log_pos")},
		AutoPosition:   s.uint("auto_position") == 1,
		IgnoreServers:  s.ids("replicate_ignore_server_ids"),
		DoDomains:      s.ids("replicate_do_domain_ids"),
		IgnoreDomains:  s.ids("replicate_ignore_domain_ids"),
	}
	// "Connecting", and MariaDB's "Preparing".
	c.IOConnecting = !c.IORunning && !strings.EqualFold(s.str("slave_io_running"), "No")
	for _, f := range []string{
		"replicate_do_db", "replicate_ignore_db", "replicate_do_table", "replicate_ignore_table",
		"replicate_wild_do_table", "replicate_wild_ignore_table", "replicate_rewrite_db",
	} {
		if val := s.str(f); val != "" {
			c.Filters = append(c.Filters, strings.ReplaceAll(f, "_", "-")+"="+val)
		}
	}
	if maria {
		c.AutoPosition = !strings.EqualFold(s.str("using_gtid"), "No")
		c.Retrieved, c.Executed = mariaPosition(s.str("gtid_io_pos")), mariaPosition(s.str("gtid_slave_pos"))
		return c
	}
	c.Retrieved, c.Executed = mysqlPosition(s.str("retrieved_gtid_set")), mysqlPosition(s.str("executed_gtid_set"))
	return c
}

func mariaPosition(text string) gtid.Position {
	p, err := gtid.ParseMariaPos(text)
	if err != nil || p.IsEmpty() {
		return gtid.Position{}
	}
	return gtid.Position{Kind: gtid.MariaDBGTID, MariaDB: p}
}

func mysqlPosition(text string) gtid.Position {
	set, err := gtid.ParseSet(text)
	if err != nil || set.IsEmpty() {
		return gtid.Position{}
	}
	return gtid.Position{Kind: gtid.MySQLGTID, MySQL: set}
}

// applierVariables are asked for in all vocabularies at once.
var applierVariables = []string{
	"slave_exec_mode", "replica_exec_mode", "slave_skip_errors", "replica_skip_errors",
	"slave_parallel_workers", "replica_parallel_workers", "slave_parallel_threads",
	"slave_preserve_commit_order", "replica_preserve_commit_order", "slave_parallel_mode",
}

func (c *ReplicaChannel) setVariables(vars map[string]string, maria bool) {
	c.ExecMode = vars["slave_exec_mode"]
	if skip := vars["slave_skip_errors"]; skip != "" && !strings.EqualFold(skip, "OFF") {
		c.SkipErrors = splitList(skip)
	}
	workers := vars["slave_parallel_workers"]
	if maria {
		workers = vars["slave_parallel_threads"]
	}
	_, _ = fmt.Sscan(workers, &c.Workers) // none on old servers: 0
	// MariaDB's appliers always commit in order within a domain.
	c.CommitOrder = maria || c.Workers == 0 || strings.EqualFold(vars["slave_preserve_commit_order"], "ON") ||
		vars["slave_preserve_commit_order"] == "1"
}

// some reads a few global variables by name; those that the server lacks are
// left out. Keys are in the old vocabulary.
func (r reader) some(ctx context.Context, names ...string) (map[string]string, error) {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "'" + n + "'"
	}
	rows, err := r.rows(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("+strings.Join(quoted, ",")+")")
	if err != nil {
		return nil, r.fail(opIdentity, err)
	}
	out := make(map[string]string, len(rows))
	for _, x := range rows {
		out[oldWord(x.str("variable_name"))] = x.str("value")
	}
	return out, nil
}

// findChannel looks a channel up by name, which no server lists twice.
func findChannel(list []ReplicaChannel, name string) (ReplicaChannel, bool) {
	i := slices.IndexFunc(list, func(c ReplicaChannel) bool { return c.Name == name })
	if i < 0 {
		return ReplicaChannel{}, false
	}
	return list[i], true
}
