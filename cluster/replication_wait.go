package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crosscheck/cluster/gtid"
)

// WaitOptions bound a Wait. Zero values mean the defaults.
type WaitOptions struct {
	FailFast  bool          // a lost connection ends the wait with its error instead of being tried again
	Timeout   time.Duration // whole wait; 0: until the context ends
	StopGrace time.Duration // how long a stopped channel may take to come back; 0: 3 s
	Poll      time.Duration // longest pause between two looks; 0: 50 ms
}

const (
	defaultStopGrace = 3 * time.Second
	defaultPoll      = 50 * time.Millisecond
	firstPoll        = time.Millisecond
	// Looking at the channel costs more than looking at the position, and a
	// quarter of a second is soon enough to notice that it has stopped.
	lookEvery = 250 * time.Millisecond
	// A server that is frozen or cut off does not answer; then the query is
	// given up and tried again on a new connection.
	queryLimit   = 5 * time.Second
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = time.Second
)

// Wait returns nil as soon as `to` has applied everything up to p. Otherwise
// it returns a *FenceError, or the context's error when that ends first:
// FenceStopped when the channel has been stopped for StopGrace (counted from
// when the link first saw it in that state, so that a thousand waits on a dead
// channel do not take a thousand graces) and cannot get there with what it has
// received;
// FenceMissing when some of p never arrives; FenceTimeout; FenceUnreachable
// when `to` did not answer until Timeout. Lost connections are tried again.
func (l *Link) Wait(ctx context.Context, p gtid.Position, opt WaitOptions) error {
	w := &waiter{l: l, want: p, left: &p, opt: opt.withDefaults(), pause: firstPoll, backoff: firstBackoff}
	outer := ctx
	if opt.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opt.Timeout)
		defer cancel()
	}
	for {
		done, err := w.look(ctx)
		if done || err != nil {
			if err != nil && ctx.Err() != nil {
				if IsTransient(err) {
					w.lost = err
				}
				return w.expired(outer)
			}
			return err
		}
		select {
		case <-ctx.Done():
			return w.expired(outer)
		case <-time.After(w.pause):
		}
		if w.lost == nil {
			w.pause = min(w.pause*3/2+time.Millisecond/2, w.opt.Poll)
		}
	}
}

func (o WaitOptions) withDefaults() WaitOptions {
	if o.StopGrace <= 0 {
		o.StopGrace = defaultStopGrace
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	return o
}

// waiter is the state of one Wait.
type waiter struct {
	l        *Link
	want     gtid.Position
	left     *gtid.Position // what is still missing
	opt      WaitOptions
	pause    time.Duration
	backoff  time.Duration
	lastLook time.Time
	lost     error // last connection error, nil while connected
	missing  time.Time
}

// look asks once how far `to` is and, now and then, whether it still moves.
func (w *waiter) look(ctx context.Context) (done bool, err error) {
	qctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	left, err := w.l.missing(qctx, *w.left)
	if err == nil && left == nil {
		w.l.running()
		return true, nil
	}
	if err == nil {
		w.left = left
		if time.Since(w.lastLook) >= lookEvery || w.l.wasStopped() {
			w.lastLook = time.Now()
			err = w.checkChannels(qctx)
		}
	}
	switch {
	case err == nil:
		w.lost, w.backoff = nil, firstBackoff
		if w.pause > w.opt.Poll {
			w.pause = w.opt.Poll
		}
		return false, nil
	case ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || IsTransient(err) && !w.opt.FailFast):
		w.lost, w.pause = err, w.backoff
		w.backoff = min(w.backoff*2, maxBackoff)
		return false, nil
	}
	return false, err
}

// expired says why the time was not enough.
func (w *waiter) expired(outer context.Context) error {
	if err := outer.Err(); err != nil {
		return fmt.Errorf("wait until %s has applied what %s had committed: %w", w.l.To(), w.l.From(), err)
	}
	if w.lost != nil {
		return &FenceError{
			From: w.l.From(), To: w.l.To(), Cause: FenceUnreachable, Err: w.lost,
			Detail: fmt.Sprintf("no answer within %s: %v", w.opt.Timeout, w.lost),
		}
	}
	// The diagnosis has a little time of its own.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(outer), queryLimit)
	defer cancel()
	detail, cause := w.l.explain(ctx, *w.left)
	e := &FenceError{From: w.l.From(), To: w.l.To(), Cause: cause, Detail: fmt.Sprintf("after %s %s", w.opt.Timeout, detail)}
	if cause == FenceTimeout {
		e.Hint = "wait for the lag to shrink, or allow more time"
	} else {
		e.Hint = hintMissing
	}
	return e
}

// running notes that the channel has been seen at work.
func (l *Link) running() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stoppedSince, l.trouble = time.Time{}, ""
}

func (l *Link) wasStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.stoppedSince.IsZero()
}

// stopped notes that the channel is not at work and returns for how long. When
// the trouble changes, as from stopped to connecting, somebody is at work on
// it, and the time begins again.
func (l *Link) stopped(trouble string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stoppedSince.IsZero() || l.trouble != trouble {
		l.stoppedSince, l.trouble = time.Now(), trouble
	}
	return time.Since(l.stoppedSince)
}

// checkChannels returns a *FenceError when what is left cannot arrive as
// things stand, and have stood for the grace time.
func (w *waiter) checkChannels(ctx context.Context) error {
	l := w.l
	list, err := l.onTheWay(ctx)
	var gone *FenceError
	switch {
	case errors.As(err, &gone):
		if l.stopped(gone.Detail) < w.opt.StopGrace {
			return nil
		}
		return gone
	case err != nil:
		return err
	}
	trouble := stuck(list, *w.left, l.proof)
	if trouble == "" {
		l.running()
		return w.checkMissing(ctx, list)
	}
	if l.stopped(trouble) < w.opt.StopGrace {
		return nil
	}
	return &FenceError{
		From: l.From(), To: l.To(), Cause: FenceStopped,
		Detail: fmt.Sprintf("replication on %s has stopped: %s", l.To(), trouble),
		Hint:   "mend the cause and run " + l.to.startWord(list),
	}
}

// startWord is the statement that starts channels that have stopped.
func (r reader) startWord(list []ReplicaChannel) string {
	if slices.ContainsFunc(list, func(c ReplicaChannel) bool { return c.Group && !c.Running() }) {
		if r.facts.Galera {
			return "SHOW STATUS LIKE 'wsrep%' to see how it stands with its cluster"
		}
		return "START GROUP_REPLICATION"
	}
	return r.facts.Words().Start
}

// onTheWay lists the channels over which from's changes can come.
func (l *Link) onTheWay(ctx context.Context) ([]ReplicaChannel, error) {
	switch {
	case l.direct:
		c, err := l.current(ctx)
		return []ReplicaChannel{c}, err
	case l.proof == ByGalera:
		c, err := l.fromGalera(ctx)
		return []ReplicaChannel{c}, err
	case l.group:
		c, err := l.fromGroup(ctx)
		return []ReplicaChannel{c}, err
	}
	return l.to.Channels(ctx)
}

// stuck tells why none of the channels can bring what is left; "" if one can.
// A channel whose receiver has stopped still can, if it has received all of
// it. Without channels nothing is known to stop.
func stuck(list []ReplicaChannel, left gtid.Position, by Proof) string {
	var why string
	for _, c := range list {
		if c.Running() || (c.SQLRunning && c.received(left, by)) {
			return ""
		}
		if why != "" {
			why += "; "
		}
		why += c.Trouble()
	}
	return why
}

// received tells whether everything left is in the channel's relay log.
func (c ReplicaChannel) received(left gtid.Position, by Proof) bool {
	if by == ByFilePos {
		order, err := c.Read.Compare(left.File)
		return err == nil && order >= 0
	}
	have, err := c.Retrieved.Contains(left)
	return err == nil && have
}
