package measure

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/gate"
)

// thread is a row of the server's list of threads.
type thread struct {
	id      int64 // connection ids rise: a higher one began later
	user    string
	command string
	state   string
	seconds int64
}

// system tells whether it is a thread of replication. The time of its applier is that of the event it is at, not its own.
func (t thread) system() bool { return t.user == "system user" || t.user == "" }

// stateWidth is how many characters of a state the list of threads holds: MySQL 5.6 says more of an idle applier.
const stateWidth = 64

// does tells whether the thread is in a state that the server names elsewhere in full.
func (t thread) does(state string) bool {
	full := []rune(state)
	return t.state != "" && t.state == string(full[:min(len(full), stateWidth)])
}

// clockStep is by how much servers overstate an age: they subtract whole seconds.
const clockStep = time.Second

// threadsAge is for how long both threads of a channel have run at least. known is false where the server does not tell.
//
// The receiver's time in the list of threads is its age. The applier's is not, but START REPLICA makes both with
// neighboring ids: if they are neighbors, they have one age. Else the applier is at least as old as what connected after it.
// ids are those of the two threads; nil where they are not told, either.
func threadsAge(ctx context.Context, s *cluster.Server, c cluster.ReplicaChannel) (age time.Duration, known bool, ids *gate.Threads, err error) {
	const op = "read the ages of the replication threads"
	ok, err := seesAll(ctx, s)
	if err != nil || !ok {
		return 0, false, nil, err
	}
	const tries = 3 // a thread's state may change between two looks
	for range tries {
		list, readErr := threads(ctx, s)
		if readErr != nil {
			return 0, false, nil, s.Explain(op, readErr)
		}
		receiver, applier, found, readErr := ofChannel(ctx, s, c, list)
		if readErr != nil {
			return 0, false, nil, s.Explain(op, readErr)
		}
		if found {
			age, known = agesOf(list, receiver, applier)
			ids = &gate.Threads{Receiver: receiver.id, Applier: applier.id}
			break
		}
	}
	if ids == nil {
		return 0, false, nil, nil
	}
	up, err := uptime(ctx, s)
	ids.Started = time.Now().Add(-up).UTC().Truncate(time.Second)
	return min(age, up), known, ids, err
}

// agesOf is the age of the younger of two threads, at least.
func agesOf(list []thread, receiver, applier thread) (time.Duration, bool) {
	age := time.Duration(receiver.seconds)*time.Second - clockStep
	if applier.id != receiver.id+1 {
		later, ok := time.Duration(0), false
		for _, t := range list {
			if d := time.Duration(t.seconds)*time.Second - clockStep; t.id > applier.id && !t.system() && d > 0 {
				later, ok = max(later, d), true
			}
		}
		if !ok {
			return 0, false
		}
		age = min(age, later)
	}
	return max(age, 0), true
}

func threads(ctx context.Context, s *cluster.Server) ([]thread, error) {
	list, err := query(ctx, s.DB(), "SELECT id AS id, user AS user, command AS command, state AS state, time AS seconds FROM information_schema.processlist")
	if err != nil {
		return nil, err
	}
	out := make([]thread, 0, len(list))
	for _, r := range list {
		t := thread{user: r["user"], command: r["command"], state: r["state"]}
		var ok bool
		if t.id, ok = r.int("id"); !ok {
			return nil, fmt.Errorf("a thread has the id %q", r["id"])
		}
		t.seconds, _ = r.int("seconds")
		out = append(out, t)
	}
	return out, nil
}

// ofChannel finds the two threads of a channel.
func ofChannel(ctx context.Context, s *cluster.Server, c cluster.ReplicaChannel, list []thread) (receiver, applier thread, found bool, err error) {
	f := s.Facts()
	if !f.IsMariaDB() && f.AtLeast(5, 7, 0) && f.PerformanceSchema {
		return instrumented(ctx, s, c, list)
	}
	all, err := s.Channels(ctx)
	if err != nil || len(all) != 1 {
		return receiver, applier, false, err // whose threads they are is not told
	}
	var io, sql []thread
	for _, t := range list {
		switch {
		case !t.system():
		case f.IsMariaDB() && t.command == "Slave_IO", !f.IsMariaDB() && t.does(all[0].IOState):
			io = append(io, t)
		case f.IsMariaDB() && t.command == "Slave_SQL", !f.IsMariaDB() && t.does(all[0].SQLState):
			sql = append(sql, t)
		}
	}
	if len(io) != 1 || len(sql) != 1 {
		return receiver, applier, false, nil
	}
	return io[0], sql[0], true, nil
}

// instrumented asks performance_schema, which knows the channels' threads.
func instrumented(ctx context.Context, s *cluster.Server, c cluster.ReplicaChannel, list []thread) (receiver, applier thread, found bool, err error) {
	// With parallel appliers the coordinator is the applier, else the only worker.
	const q = "SELECT 'io' AS kind, t.PROCESSLIST_ID AS id FROM performance_schema.replication_connection_status s " +
		"JOIN performance_schema.threads t ON t.THREAD_ID = s.THREAD_ID WHERE s.CHANNEL_NAME = ? UNION ALL " +
		"SELECT 'coordinator', t.PROCESSLIST_ID FROM performance_schema.replication_applier_status_by_coordinator s " +
		"JOIN performance_schema.threads t ON t.THREAD_ID = s.THREAD_ID WHERE s.CHANNEL_NAME = ? UNION ALL " +
		"SELECT 'worker', t.PROCESSLIST_ID FROM performance_schema.replication_applier_status_by_worker s " +
		"JOIN performance_schema.threads t ON t.THREAD_ID = s.THREAD_ID WHERE s.CHANNEL_NAME = ?"
	rows, err := query(ctx, s.DB(), q, c.Name, c.Name, c.Name)
	if err != nil {
		if lacks(err) {
			err = nil
		}
		return receiver, applier, false, err
	}
	ids := map[string][]int64{}
	for _, r := range rows {
		if id, ok := r.int("id"); ok {
			ids[r["kind"]] = append(ids[r["kind"]], id)
		}
	}
	first := ids["coordinator"]
	if len(first) == 0 {
		first = ids["worker"]
	}
	if len(ids["io"]) != 1 || len(first) != 1 {
		return receiver, applier, false, nil
	}
	receiver, okIO := find(list, ids["io"][0])
	applier, okSQL := find(list, first[0])
	return receiver, applier, okIO && okSQL, nil
}

func find(list []thread, id int64) (thread, bool) {
	i := slices.IndexFunc(list, func(t thread) bool { return t.id == id })
	if i < 0 {
		return thread{}, false
	}
	return list[i], true
}

// replicaCommand tells whether a connection is another server's, which fetches the binary log.
func replicaCommand(command string) bool { return strings.HasPrefix(command, "Binlog Dump") }

// sameThreads tells whether two looks saw the same threads: ids rise under one start of a server, so that threads that were
// stopped and started have others.
func sameThreads(a, b *gate.Threads) bool {
	const jitter = 5 * time.Second // a start is told by an age in whole seconds, and a machine may be busy
	return a != nil && b != nil && a.Receiver == b.Receiver && a.Applier == b.Applier && a.Started.Sub(b.Started).Abs() <= jitter
}
