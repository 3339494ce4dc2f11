package watch

import (
	"context"
	"time"

	"crosscheck/cluster"
	"crosscheck/conflict"
)

// Most logs name the thread that made a transaction. Who that is, the server's list of connections tells: as it was in the
// looks till now, and for a thread that is not in them, as it is when the finding is made.

const (
	// maxMet bounds the sessions of a side that are remembered.
	maxMet = 1 << 13
	// askTimeout and askEvery bound the asking for threads that no look has shown: the engine waits for it.
	askTimeout = 300 * time.Millisecond
	askEvery   = 250 * time.Millisecond
)

// meet remembers sessions.
func (x *sight) meet(list []cluster.Session) {
	if x.met == nil || len(x.met) > maxMet {
		x.met = make(map[uint64]cluster.Session, len(list))
	}
	for _, c := range list {
		x.met[c.ID] = c
	}
}

// nameAll ties the parts of findings to the sessions that made them.
func (e *engine) nameAll(ctx context.Context, list []conflict.Finding) {
	for i := range e.servers {
		s := conflict.Side(i)
		var acts []*conflict.Act
		unmet := false
		for k := range list {
			act := list[k].Old
			if s == conflict.New {
				act = list[k].New
			}
			if act != nil && act.Thread > 0 && act.Session == nil {
				acts = append(acts, act)
				_, met := e.sights[s].met[act.Thread]
				unmet = unmet || !met
			}
		}
		if unmet {
			e.askSessions(ctx, s)
		}
		for _, act := range acts {
			e.sights[s].name(act)
		}
	}
	for k := range list {
		f := &list[k]
		if f.Session == nil && f.Old != nil {
			f.Session = f.Old.Session
		}
		if f.Session == nil && f.New != nil {
			f.Session = f.New.Session
		}
	}
}

// askSessions asks for the connections of now, unless the server is known to be slow or was just asked.
func (e *engine) askSessions(ctx context.Context, s conflict.Side) {
	x, now := &e.sights[s], time.Now()
	if x.trouble != "" || x.seen.IsZero() || now.Sub(x.named) < max(askEvery, 20*x.naming) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := e.servers[s].Sessions(ctx)
	x.named = time.Now()
	x.naming = x.named.Sub(now)
	if err == nil {
		x.meet(list)
	}
}

// name ties an act to its session. Numbers of threads begin anew with a start of the server: what was written before the
// last one, nobody of now has written.
func (x *sight) name(act *conflict.Act) {
	c, ok := x.met[act.Thread]
	if !ok || isReplica(c) || !act.CommitTime.IsZero() && act.CommitTime.Before(x.upAt.Add(-x.uptime-2*time.Second)) {
		return
	}
	one := conflict.Session{Thread: c.ID, User: c.User, Host: c.Host}
	if own, known := x.steps.Sessions[c.ID]; known {
		one.Step = step(own)
	}
	act.Session = &one
}
