package watch

import (
	"context"
	"errors"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

func newEngine(ctx context.Context, servers Sides, opt Options) (*engine, error) {
	e := &engine{
		servers: servers, opt: opt, origins: originsOf(servers, opt.Members), async: make(chan func(), 64),
		started: time.Now(), counts: opt.Known, boundary: [2]bool{true, true},
	}
	if e.opt.Since.IsZero() {
		e.opt.Since = e.started
	}
	e.health.since, e.kept.at = map[string]time.Time{}, e.started
	e.nodes.servers = map[string]*cluster.Server{}
	if err := e.prepare(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// prepare finds out all that is needed before the first event.
func (e *engine) prepare(ctx context.Context) error {
	for _, s := range e.servers {
		err := s.CheckPrivileges(ctx, cluster.PrivReplicationClient, cluster.PrivReplicationSlave, cluster.PrivReplicaMonitor)
		if err != nil {
			return err
		}
	}
	rel, err := cluster.Relate(ctx, e.servers[conflict.Old], e.servers[conflict.New])
	if err != nil {
		return err
	}
	e.links = [2]*cluster.Link{rel.OldToNew, rel.NewToOld}
	if err = e.restore(ctx); err != nil {
		return err
	}
	if err = e.prepareCopies(); err != nil {
		return err
	}
	tables, all := 0, map[string]*found{}
	for i := range e.servers {
		n, err := e.openSide(ctx, conflict.Side(i), all)
		if err != nil {
			for _, r := range e.readers[:i] {
				r.close()
			}
			return err
		}
		tables += n
	}
	if tables == 0 {
		for _, r := range e.readers {
			r.close()
		}
		return ErrNothingToWatch
	}
	e.found = all
	e.cover(all)
	return nil
}

// openSide gives the detector a side's tables, adds them to all, and begins to read its log.
func (e *engine) openSide(ctx context.Context, s conflict.Side, all map[string]*found) (tables int, err error) {
	server := e.servers[s]
	defs, list, known, err := loadDefinitions(ctx, server, e.opt.Filter, e.opt.RetryFor)
	if err != nil {
		return 0, err
	}
	for full, name := range defs.given {
		if all[full] == nil {
			all[full] = &found{TableName: name}
		}
		all[full].sides[s] = true
	}
	if e.resumed { // those of where reading goes on; what changed since is in the log
		list = e.det.Definitions(s)
		known = defs.resume(list, e.mem.Stale[s])
	} else {
		for _, d := range list {
			e.feed(s, d)
		}
	}
	e.defs[s] = defs
	opt := e.tailOptions(s, e.identity[s])
	opt.Tables, opt.Sums = known, e.kins[s] != nil
	tail, err := binlog.Tail(ctx, server, e.start[s], opt)
	if missing, gone := goneLog(err); gone {
		tail, err = e.beginAfterGap(ctx, s, opt, missing, err)
	}
	if err == nil {
		e.readers[s] = newReader(s, e.servers, tail, opt)
	}
	return len(list), err
}

// tailOptions are those of a tail of a server of a side.
func (e *engine) tailOptions(s conflict.Side, identity string) binlog.Options {
	filter := e.opt.Filter.FoldCase(e.servers[s].Facts().LowerCaseTableNames != 0)
	return binlog.Options{
		Watch:     func(schema, table string) bool { return !isSystem(schema) && filter.Match(schema, table) },
		MaxOutage: e.opt.RetryFor, Identity: identity, AnyFormat: true, ExactNames: !e.foldsCase(), Log: e.opt.Log,
	}
}

// goneLog tells whether a tail cannot go on because its server's log no longer holds what it needs.
func goneLog(err error) (missing string, gone bool) {
	var purged *binlog.PurgedError
	var reset *binlog.ResetError
	switch {
	case errors.As(err, &purged):
		return purged.Missing, true
	case errors.As(err, &reset):
		return reset.Detail, true
	}
	return "", false
}

// beginAfterGap begins where the log still is, and says what is not judged: of an account that goes on, a gap; of a
// new one that was to build on a check, that it cannot.
func (e *engine) beginAfterGap(ctx context.Context, s conflict.Side, opt binlog.Options, missing string, cause error) (*binlog.Tailer, error) {
	opt.Tables = nil // what was valid before the gap need not be behind it
	if tail := resumed(ctx, e.servers[s], e.start[s], e.identity[s], opt, cause); tail != nil {
		return tail, nil
	}
	if e.mem.Base != nil && !e.resumed {
		e.mem.Base.Gap = s.String() + "'s log from the check's beginning is gone: " + missing
	}
	tail, gap, err := beyond(ctx, e.servers[s], e.servers[s.Other()], e.start[s], opt, cause)
	if err != nil {
		return nil, err
	}
	e.lose(s, gap)
	return tail, nil
}

// lose tells the detector of a piece of the log that was not read, and forgets what was waited for in it.
func (e *engine) lose(s conflict.Side, gap conflict.Gap) {
	e.defs[s].doubtAll()
	if e.kins[s] != nil {
		e.kins[s].loseAll("a piece of " + s.String() + "'s log was not read")
	}
	e.feed(s, gap)
	e.releaseSide(s)
	// The names of files may be used again, and behind the gap nothing stands before the account's beginning.
	e.sights[s].first = gtid.Position{}
	if s == conflict.Old {
		e.mem.Begin, e.begins = "", gtid.Position{}
	}
	// The reader has dropped its marks. A fence that was taken of a log which was begun anew proves nothing any more.
	e.boundary[s], e.fences[s.Other()].busy, e.fences[s.Other()].fed, e.alone[s.Other()] = true, false, false, alone{}
	if gap.Reset {
		e.mem.Followed[s] = gtid.FilePos{}
		e.fences[s].busy, e.fences[s].fed, e.fences[s].number = false, false, 0
	}
}

func isSystem(schema string) bool {
	switch schema {
	case "mysql", "information_schema", "performance_schema", "sys":
		return true
	}
	return false
}
