package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"crosscheck/cluster"
	"crosscheck/cluster/binlog"
	"crosscheck/cluster/gtid"
	"crosscheck/internal/fault"
)

const (
	copyAhead       = 1 << 20               // see readAhead
	copyRetry       = 5 * time.Second       // between two tries to follow a copy
	earlyPause      = 20 * time.Millisecond // between two looks whether its writer's log has come along
	definitionLooks = 3
	copyFence       = 2 * time.Second  // between two proofs
	copyWait        = 30 * time.Second // of one try of a proof; the next one waits for the same place
)

// copyTail reads one copy's log and proves how far it is compared. Its goroutines are its own; what they find out goes into kin.
type copyTail struct {
	e    *engine
	at   Replica
	kin  *kin
	c    *followed
	poke chan struct{} // a proof is wanted at once

	server *cluster.Server
	reader *reader
	link   *cluster.Link
	// Guarded by kin.mu.
	unfit   string // why its log cannot be followed
	trouble string // why it is not followed now, or not proven
	matched bool   // its definitions were compared with those of its writer
	looks   int    // at them
}

// errUnfit is why a copy cannot be followed, however often it is tried.
type errUnfit struct{ why string }

func (e errUnfit) Error() string { return e.why }

func (t *copyTail) say(unfit, trouble string) {
	t.kin.mu.Lock()
	defer t.kin.mu.Unlock()
	if t.trouble = trouble; unfit != "" {
		t.unfit = unfit
	}
}

// run follows the copy until ctx ends or it cannot be followed any more. A copy that is gone is tried again.
func (t *copyTail) run(ctx context.Context) {
	for {
		err := t.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		var unfit errUnfit
		var identity *binlog.IdentityError
		var privilege *binlog.PrivilegeError
		var denied *cluster.PrivilegeError
		var unusable *binlog.UnusableError
		switch {
		case err == nil: // it is lost, and says why
			return
		case errors.As(err, &unfit), errors.As(err, &privilege), errors.As(err, &denied), errors.As(err, &unusable):
			t.say(fault.Line(err.Error()), "")
		case errors.As(err, &identity):
			t.lose(fault.Line(err.Error()))
			return
		default:
			t.say("", fault.Line(err.Error()))
		}
		select {
		case <-time.After(copyRetry):
		case <-ctx.Done():
			return
		}
	}
}

func (t *copyTail) lose(why string) {
	t.kin.mu.Lock()
	defer t.kin.mu.Unlock()
	t.kin.lose(t.c, why)
}

// follow connects to the copy and compares its log; nil means that it is lost for good.
func (t *copyTail) follow(ctx context.Context) error {
	server, err := t.at.Open(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	t.server, t.link = server, nil
	if err = t.usable(ctx); err != nil {
		return err
	}
	if err = t.begin(ctx); err != nil {
		return err
	}
	opt := t.e.tailOptions(t.at.Side, t.c.mem.Identity)
	opt.Raw = true
	tail, err := binlog.Tail(ctx, server, t.c.mem.Read, opt)
	if missing, gone := goneLog(err); gone {
		if tail = resumed(ctx, server, t.c.mem.Read, t.c.mem.Identity, opt, err); tail == nil {
			t.lose("its log from where it is compared is gone: " + missing)
			return nil
		}
	} else if err != nil {
		return err
	}
	t.reader = &reader{
		side: t.at.Side, server: server, peer: t.e.servers[t.at.Side], opt: opt, tail: tail, out: make(chan item, 64),
		budget: semaphore.NewWeighted(copyAhead), ahead: copyAhead, done: make(chan struct{}),
	}
	t.kin.mu.Lock()
	t.c.mem.Identity, t.unfit, t.trouble = tail.Identity(), "", ""
	t.kin.mu.Unlock()
	return t.compare(ctx)
}

// usable tells why the copy's log cannot be compared with its writer's; nil if it can.
func (t *copyTail) usable(ctx context.Context) error {
	f, w := t.server.Facts(), t.e.servers[t.at.Side].Facts()
	switch {
	case f.ServerUUID == w.ServerUUID:
		return errUnfit{"it is " + t.at.Side.String() + " itself"}
	case !f.LogBin:
		return errUnfit{"its binary log is off"}
	case !f.LogReplicaUpdates:
		return errUnfit{"it does not log what it applies (log_replica_updates is off)"}
	case f.BinlogFormat == "STATEMENT":
		return errUnfit{"it logs statements (binlog_format=STATEMENT)"}
	case f.BinlogRowImage != "" && f.BinlogRowImage != w.BinlogRowImage:
		return errUnfit{fmt.Sprintf("it logs other images of rows than %s (binlog_row_image=%s and %s)", t.at.Side, f.BinlogRowImage, w.BinlogRowImage)}
	case f.IsMariaDB() != w.IsMariaDB():
		return errUnfit{"it is of another family than " + t.at.Side.String()}
	}
	if err := t.server.CheckPrivileges(ctx, cluster.PrivReplicationClient, cluster.PrivReplicationSlave); err != nil {
		return err
	}
	rel, err := cluster.Relate(ctx, t.e.servers[t.at.Side], t.server)
	if err != nil {
		return err
	}
	if t.link = rel.OldToNew; t.link == nil {
		return errUnfit{fmt.Sprintf("it does not replicate from %s: %s", t.at.Side, rel.Reason)}
	}
	return nil
}

// begin says where the copy's log begins to be compared: where the check that the account builds on began to read the copy, or
// here.
func (t *copyTail) begin(ctx context.Context) error {
	t.kin.mu.Lock()
	begun := t.c.mem.Begun
	t.kin.mu.Unlock()
	if begun {
		return nil
	}
	now, err := t.server.Position(ctx)
	if err != nil {
		return err
	}
	var base *CopyBase
	if t.at.Base != nil && t.e.mem.Base != nil && t.c.mem.Whole && now.Kind != gtid.File { // without GTIDs nothing ties the two places of a check
		if base, err = t.at.Base(ctx, t.e.mem.Base.Run, t.server); err != nil {
			return err
		}
	}
	var applied, level gtid.FilePos
	if now.Kind == gtid.File {
		ch, err := t.link.Channel(ctx)
		switch {
		case !t.link.Direct():
			return errUnfit{"without GTIDs only replicas of " + t.at.Side.String() + " itself can be followed"}
		case err != nil:
			return err
		}
		applied = ch.Exec
		end, err := t.server.Position(ctx)
		if err != nil {
			return err
		}
		level = end.File
	}
	start := now
	if base != nil {
		start = base.Start
	}
	if start.Kind == gtid.MariaDBGTID { // a position there holds all that is numbered below
		for _, d := range start.MariaDB.Domains() {
			if last, ok := start.MariaDB.Last(d); ok && last.Server == t.server.Facts().ServerID {
				return errUnfit{fmt.Sprintf("the newest transaction of domain %d is its own (%s), so that those of %s cannot be told apart", d, last, t.at.Side)}
			}
		}
	}
	t.kin.mu.Lock()
	defer t.kin.mu.Unlock()
	c := t.c
	c.mem.Start, c.mem.Read, c.mem.Server = start, start, t.server.Facts().ServerID
	c.applied, c.level = applied, level
	if base != nil {
		c.mem.Base = base.Run
		for _, table := range uncovered(t.e.found, &base.Coverage, t.e.foldsCase()) {
			c.unverified(table, "the check did not find it the same there")
		}
	}
	t.kin.begin(c)
	return nil
}

// compare reads the copy's log until it ends; nil means that the copy is lost.
func (t *copyTail) compare(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	defer func() {
		stop()
		t.reader.close()
		<-t.reader.done
		<-done
	}()
	go func() {
		defer fault.Guard()
		t.reader.run(ctx)
	}()
	go func() {
		defer fault.Guard()
		defer close(done)
		t.prove(ctx)
	}()
	d := digester{within: t.e.within}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case it := <-t.reader.out:
			switch {
			case it.err != nil:
				return it.err
			case it.gap != nil:
				t.lose("a piece of its log is gone: " + it.gap.Detail)
				return nil
			case it.mark != nil:
				it.mark()
				continue
			}
			l := d.add(it.tx, it.bytes)
			t.reader.budget.Release(it.bytes)
			if it.tx.Last || it.tx.Heartbeat {
				t.kin.fromCopy(t.c, l, it.tx.Position)
			}
			for t.kin.full(t.c) {
				select {
				case <-time.After(earlyPause):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
	}
}

// prove shows again and again that the copy holds all that its writer had logged at a moment.
func (t *copyTail) prove(ctx context.Context) {
	for {
		switch err := t.proof(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.say("", fault.Line(err.Error()))
		default:
			t.say("", "")
			t.matchDefinitions(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.poke:
		case <-time.After(copyFence):
		}
	}
}

func (t *copyTail) proof(ctx context.Context) error {
	writer, s := t.e.servers[t.at.Side], t.at.Side
	own := t.kin.place(t.c)
	begin := time.Now()
	from, err := writer.Position(ctx)
	if err != nil {
		return err
	}
	var seq uint64
	if err = reach(ctx, t.e.readers[s], from, func() { seq = t.kin.allKnown(t.c, own) }); err != nil {
		return err
	}
	for {
		err = t.link.Wait(ctx, from, cluster.WaitOptions{Timeout: copyWait})
		var fence *cluster.FenceError
		if err == nil || ctx.Err() != nil {
			break
		} else if !errors.As(err, &fence) {
			return err
		}
		t.say("", fmt.Sprintf("what %s wrote %s ago has not arrived: %s", s, time.Since(begin).Round(time.Second), fence.Detail))
	}
	if err != nil {
		return err
	}
	to, err := t.server.Position(ctx)
	if err != nil {
		return err
	}
	return reach(ctx, t.reader, to, func() { t.kin.allArrived(t.c, seq, begin) })
}

// reach waits until a stream has come to a place of its log, and has fn called there.
func reach(ctx context.Context, r *reader, p gtid.Position, fn func()) error {
	if !p.File.IsZero() { // a transaction may be in the log, and be sent, before it counts as executed
		p = gtid.Position{Kind: gtid.File, File: p.File}
	}
	there := make(chan struct{})
	r.when(p, func() {
		fn()
		close(there)
	})
	select {
	case <-there:
		return nil
	case <-time.After(markTimeout):
		return fmt.Errorf("the log of %s is not read to %s", r.server.Label(), p)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// matchDefinitions compares the tables' definitions on the copy with its writer's, once: rows are the same bytes, and these must
// mean the same.
func (t *copyTail) matchDefinitions(ctx context.Context) {
	t.kin.mu.Lock()
	done := t.matched
	t.kin.mu.Unlock()
	if done {
		return
	}
	tables, err := cluster.LoadTables(ctx, t.server, t.e.opt.Filter)
	if err != nil {
		t.say("", fault.Line(err.Error()))
		return
	}
	t.kin.mu.Lock()
	defer t.kin.mu.Unlock()
	have := map[string]*cluster.Table{}
	for i := range tables {
		have[tables[i].FullName()] = &tables[i]
	}
	looks := t.looks + 1
	differ := map[string]string{}
	for name, w := range t.kin.tables {
		switch x := have[name]; {
		case x == nil:
			differ[name] = "it has no such table"
		case !sameColumns(w, x):
			differ[name] = "its definition is another there"
		}
	}
	if t.looks = looks; len(differ) > 0 && looks < definitionLooks {
		return // a statement may be on its way
	}
	t.matched = true
	for name, why := range differ {
		t.c.unverified(name, why)
	}
}

// sameColumns tells whether the bytes of rows mean the same in two tables.
func sameColumns(a, b *cluster.Table) bool {
	x, y := binlog.TableOf(a).Columns, binlog.TableOf(b).Columns
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		p, q := x[i], y[i]
		if !strings.EqualFold(p.Name, q.Name) || p.DataType != q.DataType || p.Unsigned != q.Unsigned || p.Charset != q.Charset || !slices.Equal(p.Labels, q.Labels) {
			return false
		}
	}
	return true
}
