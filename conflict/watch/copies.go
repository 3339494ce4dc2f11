package watch

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
	"crosscheck/conflict"
)

// CopyState is what is known of a replica's copy. Its zero value claims nothing.
type CopyState uint8

// The states of a copy.
const (
	CopyNotVerified CopyState = iota
	CopyPending               // what its writer logged has not come to it, or was not read there
	CopyDoubted               // rows in its log are not those of its writer
	CopyVerified
)

// String returns the state's words as reports show them.
func (s CopyState) String() string {
	switch s {
	case CopyPending:
		return "pending"
	case CopyDoubted:
		return "doubted"
	case CopyVerified:
		return "verified"
	case CopyNotVerified:
	}
	return "not verified"
}

// MarshalText is String.
func (s CopyState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote; anything else claims nothing.
func (s *CopyState) UnmarshalText(text []byte) error {
	for _, x := range []CopyState{CopyPending, CopyDoubted, CopyVerified} {
		if string(text) == x.String() {
			*s = x
			return nil
		}
	}
	*s = CopyNotVerified
	return nil
}

// CopyStatus is how a replica's copy stands, by its own log.
type CopyStatus struct {
	Label, Addr string
	Side        conflict.Side
	State       CopyState
	Reason      string      // why it is not verified, in one line
	Base        int64       // the run of the check that its account builds on; 0: it speaks for changes only
	Verified    uint64      // row changes that arrived as its writer logged them
	Waiting     int         // transactions that have not been seen to arrive
	Through     time.Time   // what its writer had logged by then has arrived; zero: not known yet
	Doubts      []CopyDoubt // the first of them
	Doubted     int         // all of them
	Unverified  []string    // tables for which it does not speak, with why
}

const (
	shownDoubts = 20
	// From so many transactions on that wait for a copy, checkpoints are made seldom.
	manyCopied = 1 << 14
)

// prepareCopies makes what follows the replicas' copies, or takes it up again.
func (e *engine) prepareCopies() error {
	known := map[string]*copyMemory{}
	for _, raw := range e.mem.Copies {
		var m copyMemory
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("continue the account: what is known of a replica: %w", err)
		}
		known[m.Label] = &m
	}
	for _, r := range e.opt.Replicas {
		k := e.kins[r.Side]
		if k == nil {
			k = &kin{tables: map[string]*cluster.Table{}, digest: digester{within: e.within}, read: e.mem.Compared[r.Side], seen: -1}
			k.at = k.read
			e.kins[r.Side] = k
		}
		c := &followed{kin: k, waiting: map[txKey]*logged{}, early: map[txKey]*logged{}}
		if m := known[r.Label]; m != nil {
			c.restore(*m)
		} else {
			c.mem = copyMemory{Label: r.Label, Writer: e.start[r.Side], Whole: !e.resumed}
			if e.resumed { // what was compared before is not compared anew
				c.mem.Writer = later(e.start[r.Side], k.read)
			}
		}
		k.copies = append(k.copies, c)
		e.tails = append(e.tails, &copyTail{e: e, at: r, kin: k, c: c, poke: make(chan struct{}, 1)})
	}
	return nil
}

func later(a, b gtid.Position) gtid.Position {
	if in, err := b.Contains(a); err == nil && in {
		return b
	}
	return a
}

// restore takes up what another process knew of the copy.
func (c *followed) restore(m copyMemory) {
	for into, list := range map[*map[txKey]*logged][]*logged{&c.waiting: m.Waiting, &c.early: m.Early} {
		for i, l := range list {
			l.seq, l.holders = uint64(i+1), 1
			l.mark.MySQL, _ = gtid.ParseGTID(l.GTID) // it is of one of the two kinds, or of none
			l.mark.MariaDB, _ = gtid.ParseMariaGTID(l.GTID)
			(*into)[l.Key] = l
		}
		c.kin.seq, c.seq = max(c.kin.seq, uint64(len(list))), max(c.seq, uint64(len(list)))
	}
	m.Waiting, m.Early = nil, nil
	c.mem = m
}

// within tells whether a table is watched.
func (e *engine) within(schema, table string) bool {
	return !isSystem(schema) && e.opt.Filter.FoldCase(e.foldsCase()).Match(schema, table)
}

// copied gives what a side logged to the comparison with its copies.
func (e *engine) copied(s conflict.Side, it item) {
	k := e.kins[s]
	if k == nil {
		return
	}
	if d := e.defs[s]; d.version != k.seen {
		tables := maps.Clone(d.last)
		k.mu.Lock()
		k.tables, k.seen = tables, d.version
		k.mu.Unlock()
	}
	k.fromWriter(it.tx, it.bytes)
}

// keepCopies brings what is remembered of the copies up to date.
func (e *engine) keepCopies() error {
	if len(e.tails) == 0 {
		return nil // what an earlier process knew stays, for one that follows them again
	}
	e.mem.Copies = nil
	for s, k := range e.kins {
		if k == nil {
			continue
		}
		k.mu.Lock()
		e.mem.Compared[s] = later(k.read, k.at)
		for _, c := range k.copies {
			raw, err := json.Marshal(k.remember(c))
			if err != nil {
				k.mu.Unlock()
				return err
			}
			e.mem.Copies = append(e.mem.Copies, raw)
		}
		k.mu.Unlock()
	}
	return nil
}

// copiesWait is how many transactions wait for copies.
func (e *engine) copiesWait() (n int) {
	for _, t := range e.tails {
		t.kin.mu.Lock()
		n += len(t.c.waiting) + len(t.c.early)
		t.kin.mu.Unlock()
	}
	return n
}

func (e *engine) pokeCopies() {
	for _, t := range e.tails {
		select {
		case t.poke <- struct{}{}:
		default:
		}
	}
}

// copiesSettled tells whether all copies that keep up are compared up to a time.
func (e *engine) copiesSettled(at time.Time) bool {
	for _, t := range e.tails {
		t.kin.mu.Lock()
		c := t.c
		wait := c.mem.Lost == "" && t.unfit == "" && t.trouble == "" && (c.proven.Before(at) || time.Since(c.proven) > freshFor/2)
		t.kin.mu.Unlock()
		if wait {
			return false
		}
	}
	return true
}

// copyStatus is how the copies stand.
func (e *engine) copyStatus(now time.Time) []CopyStatus {
	var out []CopyStatus
	for _, t := range e.tails {
		t.kin.mu.Lock()
		out = append(out, t.status(now, e.mem.Base != nil && e.mem.Base.Gap == ""))
		t.kin.mu.Unlock()
	}
	return out
}

func (t *copyTail) status(now time.Time, based bool) CopyStatus {
	c := t.c
	m := &c.mem
	st := CopyStatus{
		Label: t.at.Label, Addr: t.at.Addr, Side: t.at.Side, Base: m.Base, Verified: m.Verified, Waiting: len(c.waiting), Through: c.proven,
		Doubts: slices.Clone(m.Doubts[:min(len(m.Doubts), shownDoubts)]), Doubted: len(m.Doubts) + m.More,
	}
	for _, table := range slices.Sorted(maps.Keys(m.Unverified)) {
		st.Unverified = append(st.Unverified, table+": "+m.Unverified[table])
	}
	switch {
	case st.Doubted > 0:
		st.State, st.Reason = CopyDoubted, m.Doubts[0].String()
		if st.Doubted > 1 {
			st.Reason = fmt.Sprintf("%d things are not as %s logged them, the first: %s", st.Doubted, t.at.Side, st.Reason)
		}
	case m.Lost != "":
		st.Reason = m.Lost
	case t.unfit != "":
		st.Reason = t.unfit
	case len(st.Unverified) > 0:
		st.Reason = "not all tables: " + strings.Join(st.Unverified[:min(len(st.Unverified), named)], ", ")
	case based && m.Base == 0 && m.Begun:
		st.Reason = "the check that the account builds on did not compare it"
	case c.proven.IsZero() || now.Sub(c.proven) > freshFor:
		if st.State, st.Reason = CopyPending, t.trouble; st.Reason == "" {
			st.Reason = "its log is not compared so far"
		}
	default:
		st.State = CopyVerified
	}
	return st
}
