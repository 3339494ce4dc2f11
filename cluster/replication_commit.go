package cluster

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"crosscheck/cluster/gtid"
)

// WaitCommitted is the fence in the other direction: it returns nil as soon as
// `from` shows in its own tables all that `to` may have applied of it so far.
//
// A server writes a transaction to its binary log before the engine commits
// it. In between, which takes as long as a replica's semi-sync acknowledgement
// (wait point AFTER_SYNC) or the disk does, the transaction travels on, and
// `to` shows rows that `from` does not show yet. What tells of such
// transactions:
//
//   - MySQL with GTIDs: gtid_owned, which has a transaction from before it is
//     logged until it is committed. Those that `to` lacks do not matter.
//   - MySQL from 5.7.6 on without: the number of ongoing anonymous
//     transactions, counted from just before the log until the commit.
//   - MariaDB: Binlog_snapshot_file and _position, up to which the log is
//     committed, against the log's end. Without the privilege to see that end:
//     the number of sessions that wait for an acknowledgement.
//
// MySQL 5.6 without GTIDs shows nothing of the kind; its semi-sync commits
// before it waits.
//
// Otherwise the error is a *FenceError with FenceUncommitted, or that of a
// query.
func (l *Link) WaitCommitted(ctx context.Context, opt WaitOptions) error {
	opt = opt.withDefaults()
	outer := ctx
	if opt.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opt.Timeout)
		defer cancel()
	}
	o := ongoing{l: l}
	for pause := firstPoll; ; pause = min(pause*3/2+time.Millisecond/2, opt.Poll) {
		what, err := o.look(ctx)
		if err == nil && what == "" {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			o.what = what
		}
		select {
		case <-ctx.Done():
			return o.expired(outer, opt)
		case <-time.After(pause):
		}
	}
}

// ongoing is what WaitCommitted has seen so far.
type ongoing struct {
	l     *Link
	begun bool
	what  string       // that is not committed, in words
	owned gtid.Set     // MySQL: of these the rest
	end   gtid.FilePos // MariaDB: of the log; zero where it is not known
	queue drain
}

func (o *ongoing) look(ctx context.Context) (what string, err error) {
	defer func() { o.begun = o.begun || err == nil }()
	if o.l.proof == ByGalera {
		return o.galera(ctx)
	}
	if o.l.from.facts.IsMariaDB() {
		return o.maria(ctx)
	}
	return o.mysql(ctx)
}

func (o *ongoing) mysql(ctx context.Context) (string, error) {
	from := o.l.from
	if from.facts.GTIDMode == "" {
		return "", nil
	}
	now, err := from.strings(ctx, "SELECT @@global.gtid_mode, @@global.gtid_owned")
	if err != nil {
		return "", from.fail(opCommitted, err)
	}
	owned, err := parseOwned(now[1])
	if err != nil {
		return "", from.fail(opCommitted, err)
	}
	if !o.begun {
		if o.owned, err = o.l.applied(ctx, owned); err != nil {
			return "", err
		}
	}
	if o.owned = o.owned.Intersect(owned); !o.owned.IsEmpty() {
		return brief(o.owned), nil
	}
	if now[0] == gtidOn || !from.facts.AtLeast(5, 7, 6) {
		return "", nil
	}
	return o.counted(ctx, "Ongoing_anonymous_transaction_count", "transactions without a GTID")
}

// parseOwned reads gtid_owned, in which each number is followed by the threads
// that own it: "uuid:5#12:4#10".
func parseOwned(text string) (gtid.Set, error) {
	return gtid.ParseSet(owners.ReplaceAllString(text, ""))
}

var owners = regexp.MustCompile(`#[0-9]+`)

// applied is the part of a set that `to` may have applied.
func (l *Link) applied(ctx context.Context, set gtid.Set) (gtid.Set, error) {
	if set.IsEmpty() || !l.bothOn() {
		return set, nil
	}
	left, err := l.missingMySQL(ctx, gtid.Position{Kind: gtid.MySQLGTID, MySQL: set})
	if err != nil || left == nil {
		return set, err
	}
	return set.Subtract(left.MySQL), nil
}

func (o *ongoing) maria(ctx context.Context) (string, error) {
	from := o.l.from
	if !o.begun {
		// With one commit waiting and another one behind it, the server answers this only when they are done.
		status, err := from.rows(ctx, from.facts.Words().ShowLogEnd)
		if err != nil && !isDenied(err) {
			return "", from.fail(opCommitted, err)
		}
		if len(status) > 0 {
			o.end = gtid.FilePos{File: status[0].str("file"), Pos: status[0].uint("position")}
		}
	}
	if o.end.IsZero() {
		return o.waiting(ctx)
	}
	v, err := from.variables(ctx, "SHOW GLOBAL STATUS LIKE 'Binlog_snapshot%'")
	if err != nil {
		return "", from.fail(opCommitted, err)
	}
	at, err := gtid.ParseFilePos(v["binlog_snapshot_file"] + ":" + v["binlog_snapshot_position"])
	if err != nil {
		return o.waiting(ctx) //nolint:nilerr // a server that does not have these
	}
	if order, err := at.Compare(o.end); err != nil || order >= 0 {
		return "", nil //nolint:nilerr // another name is that of a newer log
	}
	return fmt.Sprintf("its log from %s to %s", at, o.end), nil
}

// waiting goes by the sessions that wait for an acknowledgement.
func (o *ongoing) waiting(ctx context.Context) (string, error) {
	return o.counted(ctx, waitSessions, "transactions that wait for a semi-sync acknowledgement")
}

const waitSessions = "Rpl_semi_sync_%wait_sessions" // master_ or source_

// counted waits until all those are done that a counter shows at first.
func (o *ongoing) counted(ctx context.Context, counter, of string) (string, error) {
	n, err := o.l.from.counter(ctx, counter)
	if err != nil {
		return "", o.l.from.fail(opCommitted, err)
	}
	if o.queue.look(n) {
		return "", nil
	}
	return fmt.Sprintf("%d %s", o.queue.left(), of), nil
}

// counter reads a status variable, 0 where there is none.
func (r reader) counter(ctx context.Context, like string) (n int, err error) {
	v, err := r.variables(ctx, "SHOW GLOBAL STATUS LIKE '"+like+"'")
	for _, text := range v {
		_, _ = fmt.Sscan(text, &n) // the server's own number
	}
	return n, err
}

// drain tells when all that stood in a queue at the first look has left it, by
// the queue's length alone: who came first leaves first, so each one less than
// at the look before is one of those. On a busy server it is never empty.
type drain struct {
	begun            bool
	first, last, out int
}

func (d *drain) look(n int) (done bool) {
	if !d.begun {
		d.begun, d.first, d.last = true, n, n
	}
	d.out += max(0, d.last-n)
	d.last = n
	return n == 0 || d.out >= d.first
}

func (d *drain) left() int { return d.first - d.out }

// expired says why the time was not enough.
func (o *ongoing) expired(outer context.Context, opt WaitOptions) error {
	from, to := o.l.From(), o.l.To()
	if err := outer.Err(); err != nil {
		return fmt.Errorf("wait until %s has committed what it has logged: %w", from, err)
	}
	e := &FenceError{From: from, To: to, Cause: FenceUncommitted, Hint: hintUncommitted}
	if o.what == "" {
		o.what = "the end of its log, for which it does not answer"
	}
	e.Detail = fmt.Sprintf("%s after %s", o.what, opt.Timeout)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(outer), queryLimit)
	defer cancel()
	if n, err := o.l.from.counter(ctx, waitSessions); err == nil && n > 0 {
		e.Detail += fmt.Sprintf(", %d sessions wait for a semi-sync acknowledgement", n)
	}
	return e
}

const hintUncommitted = "see to the replicas that acknowledge (Rpl_semi_sync_…_clients) and to the disk, and run again"
