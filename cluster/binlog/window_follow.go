package binlog

import (
	"context"
	"slices"

	"crosscheck/cluster/gtid"
	"crosscheck/internal/fault"
)

// match is a change of a watched key in a transaction that is not whole yet.
type match struct {
	key    *watched
	change Change
}

// pending is what the parts of one transaction have shown so far.
type pending struct {
	matches  []match
	troubles []Incident
	ddl      []DDL
	changes  []Change // of an XA transaction, which commits later
}

// follow reads the log until it ends.
func (w *Window) follow(ctx context.Context) {
	defer fault.Guard()
	defer close(w.done)
	var p pending
	for {
		tx, err := w.tail.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				err = ErrClosed
			}
			w.mu.Lock()
			w.err = err
			w.signal()
			w.mu.Unlock()
			return
		}
		w.take(&p, tx)
	}
}

func (w *Window) signal() {
	close(w.moved)
	w.moved = make(chan struct{})
}

// take adds a part of a transaction, and settles the whole when it is the last.
func (w *Window) take(p *pending, tx *Transaction) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if tx.Aborted {
		*p = pending{}
		return
	}
	for i := range tx.Changes {
		w.judge(p, &tx.Changes[i])
	}
	if tx.XID != "" && tx.XA == XAPrepared || tx.XID != "" && !tx.Last {
		for i := 0; i < len(tx.Changes) && len(p.changes) <= maxPrepared; i++ {
			c := tx.Changes[i]
			c.Before, c.After = c.Before.Clone(), c.After.Clone()
			p.changes = append(p.changes, c)
		}
	}
	p.troubles = append(p.troubles, tx.Incidents...)
	p.ddl = append(p.ddl, tx.DDL...)
	if !tx.Last {
		return
	}
	w.settleXA(p, tx)
	for _, m := range p.matches {
		m.key.add(Seen{Change: m.change, GTID: tx.GTID, ServerID: tx.ServerID, ThreadID: tx.ThreadID, Time: tx.CommitTime, mark: tx.Mark})
	}
	for _, i := range p.troubles {
		w.addTrouble(trouble{what: i, mark: tx.Mark})
	}
	for _, d := range p.ddl {
		w.settleDDL(d, tx.Mark)
	}
	*p = pending{}
	w.position = tx.Position
	w.signal()
}

// judge looks whether a change is one of a watched key.
func (w *Window) judge(p *pending, c *Change) {
	t := w.tables[tableName{c.Schema, c.Table}]
	if t == nil {
		return
	}
	if c.Uncertain {
		p.blind(Incident{Kind: Undecodable, Schema: c.Schema, Table: c.Table, Detail: "the table's definition at that time is not known"})
	}
	index, known := t.index[c.Def]
	if !known {
		if len(t.index) > 64 { // one per definition that the stream has shown
			clear(t.index)
		}
		index = indexOf(c.Def, t.key)
		t.index[c.Def] = index
	}
	var found []*watched
	for _, row := range []Row{c.Before, c.After} {
		if row == nil {
			continue
		}
		key, ok := keyOf(index, row, c.Before)
		if !ok {
			p.blind(Incident{Kind: Undecodable, Schema: c.Schema, Table: c.Table, Detail: "a row's key is not in the log in a readable form"})
			continue
		}
		if len(t.buckets) == 0 {
			continue
		}
		for _, k := range t.buckets[foldKey(key, t.how)] {
			if !slices.Contains(found, k) && equalKeys(t.how, k.key, key) {
				found = append(found, k)
			}
		}
	}
	for _, k := range found {
		clone := *c
		clone.Before, clone.After = c.Before.Clone(), c.After.Clone()
		p.matches = append(p.matches, match{k, clone})
	}
}

func (p *pending) blind(i Incident) {
	if !slices.Contains(p.troubles, i) {
		p.troubles = append(p.troubles, i)
	}
}

func indexOf(def *Table, key []string) []int {
	index := make([]int, len(key))
	for i, name := range key {
		if index[i] = def.index(name); index[i] < 0 {
			return nil
		}
	}
	return index
}

// keyOf takes the key out of a row; an after image may leave out columns that
// did not change.
func keyOf(index []int, row, before Row) ([]Value, bool) {
	if index == nil {
		return nil, false
	}
	key := make([]Value, len(index))
	for i, at := range index {
		key[i] = row[at]
		if key[i].State == Missing && before != nil {
			key[i] = before[at]
		}
		if !key[i].Known() {
			return nil, false
		}
	}
	return key, true
}

func equalKeys(how []comparison, a, b []Value) bool {
	for i := range a {
		if !mayEqual(how[i], a[i], b[i]) {
			return false
		}
	}
	return true
}

// settleXA keeps the changes of a prepared XA transaction until its commit,
// which is when others see them.
func (w *Window) settleXA(p *pending, tx *Transaction) {
	switch tx.XA {
	case XAPrepared:
		w.prepared[tx.XID] = p.changes
	case XACommitted:
		list, known := w.prepared[tx.XID]
		delete(w.prepared, tx.XID)
		if !known || len(list) > maxPrepared {
			p.blind(Incident{Kind: UnknownXA, Detail: "an XA transaction was committed whose rows were logged too long before"})
			return
		}
		for i := range list {
			w.judge(p, &list[i])
		}
	case XARolledBack:
		delete(w.prepared, tx.XID)
	default:
	}
}

func (w *Window) settleDDL(d DDL, mark Mark) {
	effect := d.Effect()
	if effect.Nothing() {
		return
	}
	for name, t := range w.tables {
		touch := effect.Touches(name.schema, name.table)
		tr := trouble{what: Incident{Kind: SchemaChange, Schema: name.schema, Table: name.table, Detail: effect.Words + " may concern the table"}, mark: mark}
		switch {
		case touch&Defines != 0 && t.altered == nil:
			t.altered = &tr
		case touch&(Defines|Renews) == Renews:
			w.addTrouble(tr)
		}
	}
}

func (w *Window) addTrouble(t trouble) {
	w.trouble = append(w.trouble, t)
	if len(w.trouble) > maxTrouble {
		// The two oldest become one that concerns every table up to the second.
		w.trouble[1].what.Schema, w.trouble[1].what.Table, w.trouble[1].sweeping = "", "", true
		w.trouble = w.trouble[1:]
	}
}

func (k *watched) add(s Seen) {
	k.seen = append(k.seen, s)
	if len(k.seen) > maxSeen {
		k.forgotten = append(k.forgotten[:0], k.seen[0].mark)
		k.seen = slices.Delete(k.seen, 0, 1)
		k.dropped++
	}
}

// between tells whether a transaction lies after from and not after to. What
// cannot be compared counts as between.
func (m Mark) between(from, to gtid.Position) bool {
	if in, ok := m.Before(from); ok && in {
		return false
	}
	if in, ok := m.Before(to); ok && !in {
		return false
	}
	return true
}

// after tells whether a transaction lies after from, as far as that can be told.
func (m Mark) after(from gtid.Position) bool {
	in, ok := m.Before(from)
	return !ok || !in
}

func (i Incident) concerns(schema, table string) bool {
	return (i.Schema == "" || i.Schema == schema) && (i.Table == "" || i.Table == table)
}

// Changed waits until the window has read everything up to to, and then tells
// what happened to a watched key after from and up to to. Errors: the tail's,
// ctx's, ErrNotWatched, ErrClosed, or that the positions cannot be compared.
func (w *Window) Changed(ctx context.Context, schema, table string, key []Value, from, to gtid.Position) (Answer, error) {
	if err := w.Wait(ctx, to); err != nil {
		return Answer{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t, fold, err := w.locate(schema, table, key)
	if err != nil {
		return Answer{}, err
	}
	k := t.find(fold, key)
	if k == nil {
		return Answer{}, ErrNotWatched
	}
	var a Answer
	for _, s := range k.seen {
		if s.mark.between(from, to) {
			a.Changes = append(a.Changes, s)
			a.Count++
		}
	}
	for _, m := range k.forgotten {
		if m.after(from) { // this one or one before it
			a.Count += k.dropped
		}
	}
	for _, tr := range w.trouble {
		if tr.what.concerns(schema, table) && (tr.mark.between(from, to) || tr.sweeping && tr.mark.after(from)) {
			a.Unjudged = append(a.Unjudged, tr.what)
		}
	}
	if t.altered != nil {
		if in, ok := t.altered.mark.Before(to); in || !ok {
			a.Unjudged = append(a.Unjudged, t.altered.what)
		}
	}
	return a, nil
}

// Wait returns when the window has read everything up to p.
func (w *Window) Wait(ctx context.Context, p gtid.Position) error {
	for {
		w.mu.Lock()
		at, err, moved := w.position, w.err, w.moved
		w.mu.Unlock()
		if reached, cmpErr := at.Contains(p); cmpErr != nil {
			return cmpErr
		} else if reached {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Position is how far the window has read.
func (w *Window) Position() gtid.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.position
}

// Forget frees what the window remembers of transactions up to p. Questions
// must then begin at p or later.
func (w *Window) Forget(p gtid.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	past := func(m Mark) bool { in, ok := m.Before(p); return ok && in }
	w.trouble = slices.DeleteFunc(w.trouble, func(t trouble) bool { return past(t.mark) })
	for _, t := range w.tables {
		for _, bucket := range t.buckets {
			for _, k := range bucket {
				k.seen = slices.DeleteFunc(k.seen, func(s Seen) bool { return past(s.mark) })
				if k.forgotten = slices.DeleteFunc(k.forgotten, past); len(k.forgotten) == 0 {
					k.dropped = 0
				}
			}
		}
	}
}
