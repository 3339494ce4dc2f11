package conflict

import (
	"fmt"
	"slices"

	"crosscheck/cluster/binlog"
)

// truth works out from the finished history, slowly and by definition, which
// findings there must be. It knows nothing of windows, streams or hashes.
type truth struct {
	s    *sim
	sees [2][]map[int]bool // per side and local transaction: the other side's it had seen
	nets [2][][]*simChange // their net changes
}

// simChange is the net change of one row in one transaction.
type simChange struct {
	simOp
	tx      *simTx
	ord     int
	between []simRow // what the row was between the changes that are made one here
}

func (c *simChange) precedes(o *simChange) bool {
	return c.tx.seq < o.tx.seq || c.tx.seq == o.tx.seq && c.ord < o.ord
}

func newTruth(s *sim) *truth {
	t := &truth{s: s}
	for side, srv := range s.srv {
		for _, tx := range srv.local {
			t.nets[side] = append(t.nets[side], netChanges(tx))
		}
		seen := map[int]bool{}
		covered := map[uint64]int{}
		for _, item := range s.srv[Side(side).Other()].log {
			if item.taken > 0 {
				n := 0
				for _, l := range s.srv[Side(side).Other()].local {
					if l.index < slices.IndexFunc(s.srv[Side(side).Other()].log, func(x simItem) bool { return x.taken == item.taken }) {
						n = l.seq
					}
				}
				covered[item.taken] = n
			}
		}
		for _, item := range s.srv[side].log {
			switch {
			case item.reached > 0:
				for q := 1; q <= covered[item.reached]; q++ {
					seen[q] = true
				}
			case item.tx == nil:
			case item.tx.origin != Side(side):
				seen[item.tx.seq] = true
				// An empty transaction may have been put there ahead of its turn.
				for q := 1; s.mode.inOrder && !item.tx.empty() && q <= item.tx.seq; q++ {
					if s.mode.domain(q) == s.mode.domain(item.tx.seq) {
						seen[q] = true
					}
				}
			default:
				clock := map[int]bool{}
				for q := range seen {
					clock[q] = true
				}
				t.sees[side] = append(t.sees[side], clock)
			}
		}
	}
	return t
}

// concurrent tells whether neither of old's a-th and new's b-th transaction had
// seen the other.
func (t *truth) concurrent(a, b *simTx) bool {
	return !t.sees[Old][a.seq-1][b.seq] && !t.sees[New][b.seq-1][a.seq]
}

// netChanges are the net changes of a transaction: a change goes on from the
// newest one before it that touched the key where it starts, if that left the row
// there.
func netChanges(tx *simTx) []*simChange {
	var out []*simChange
	for _, op := range tx.ops {
		start := op.before
		if start == nil {
			start = op.after
		}
		merged := false
		for i := len(out) - 1; i >= 0; i-- {
			p := out[i]
			if p.table != op.table || !has(p.before, start.id) && !has(p.after, start.id) {
				continue
			}
			switch {
			case op.before != nil && has(p.after, start.id) && (p.before != nil || op.after != nil),
				op.before == nil && p.after == nil:
				if p.after != nil {
					p.between = append(p.between, *p.after)
				}
				p.after, merged = op.after, true
			}
			break
		}
		if !merged {
			out = append(out, &simChange{simOp: op, tx: tx, ord: len(out)})
		}
	}
	return out
}

func has(r *simRow, id int) bool { return r != nil && r.id == id }

// simPair is a pair of concurrent changes and what they are to each other.
type simPair struct {
	a, b      *simChange // old's, new's
	kind      Kind
	key       string // the unique key, where that is what they share
	exact     bool   // the keys are equal byte by byte, and no other needs a server
	aftermath bool
}

// pairs lists all colliding pairs in the order of old's and new's logs.
func (t *truth) pairs() []simPair {
	var out []simPair
	for i, a := range t.s.srv[Old].local {
		for _, ca := range t.nets[Old][i] {
			for j, b := range t.s.srv[New].local {
				if !t.concurrent(a, b) {
					continue
				}
				for _, cb := range t.nets[New][j] {
					out = append(out, compareChanges(t.s.opts.alphabet, ca, cb)...)
				}
			}
		}
	}
	return out
}

// compareChanges says what two concurrent changes are to each other.
func compareChanges(al *simAlphabet, a, b *simChange) []simPair {
	if a.table != b.table {
		if orphan(a.simOp, b.simOp) || orphan(b.simOp, a.simOp) {
			return []simPair{{a: a, b: b, kind: ForeignKeyOrphan, exact: true}}
		}
		return nil
	}
	if k, after := rowKind(a, b); k != 0 {
		return []simPair{{a: a, b: b, kind: k, exact: true, aftermath: after}}
	}
	if a.table == "c" {
		return nil
	}
	code := func(r simRow) simText { return simText{text: r.code} }
	email := func(r simRow) simText { return r.email }
	p := simPair{a: a, b: b, exact: true}
	n := 0
	for _, k := range []struct {
		name string
		of   func(simRow) simText
	}{{"code", code}, {"email", email}} {
		equal := false
		for _, x := range a.takes(k.of) {
			for _, y := range b.takes(k.of) {
				if x == y || simEqual(x, y) {
					equal, p.exact = true, p.exact && x == y
				}
			}
		}
		if equal {
			if n++; n == 1 {
				p.key = k.name
			}
		}
	}
	for _, x := range a.takes(email) {
		for _, y := range b.takes(email) {
			p.exact = p.exact && (x.text == y.text || n == 0 || !al.asks(x.text, y.text))
		}
	}
	switch {
	case n == 0:
		return nil
	case n == 2:
		p.kind = MultipleUnique
	case a.kind() == binlog.Insert && b.kind() == binlog.Insert:
		p.kind = InsertInsertUnique
	default:
		p.kind = UpdateUnique
	}
	return []simPair{p}
}

// takes lists the values of a unique key that a row takes, for a while at least.
func (c *simChange) takes(of func(simRow) simText) []simText {
	var out []simText
	rows := c.between
	if c.after != nil {
		rows = append(slices.Clone(rows), *c.after)
	}
	for _, r := range rows {
		if v := of(r); v.text != "" && (c.before == nil || of(*c.before) != v) {
			out = append(out, v)
		}
	}
	return out
}

// passes tells whether a row had a primary key in between only.
func (c *simChange) passes(id int) bool {
	return !has(c.before, id) && !has(c.after, id) && slices.ContainsFunc(c.between, func(r simRow) bool { return r.id == id })
}

// roleAt says how a change has a primary key: 0 not at all, 1 in between, 2 before or after, 3 before and after.
func (c *simChange) roleAt(id int) int {
	switch {
	case c.passes(id):
		return 1
	case has(c.before, id) && has(c.after, id):
		return 3
	case has(c.before, id) || has(c.after, id):
		return 2
	}
	return 0
}

// meetsBetween tells whether two changes share a primary key that one of them has in between only, and whether one of
// them is an update that does not merely write the row in place under it.
func meetsBetween(a, b *simChange) (shared, moves bool) {
	for _, list := range [][]simRow{a.between, b.between} {
		for _, r := range list {
			x, y := a.roleAt(r.id), b.roleAt(r.id)
			if x*y == 0 || x != 1 && y != 1 {
				continue
			}
			shared = true
			moves = moves || a.kind() == binlog.Update && x != 3 || b.kind() == binlog.Update && y != 3
		}
	}
	return shared, moves
}

// inPlace tells whether one of two changes writes its row in place, under each key that they share.
func inPlace(a, b *simChange) bool {
	rows := slices.Clone(a.between) // a key that both have, one of a's rows has
	for _, r := range []*simRow{a.before, a.after} {
		if r != nil {
			rows = append(rows, *r)
		}
	}
	return !slices.ContainsFunc(rows, func(r simRow) bool {
		x, y := a.roleAt(r.id), b.roleAt(r.id)
		return x*y != 0 && x != 3 && y != 3
	})
}

// orphan tells whether the first change takes away the parent of the second.
func orphan(parent, child simOp) bool {
	return parent.table == "t" && parent.before != nil && (parent.after == nil || parent.after.id != parent.before.id) &&
		child.after != nil && child.after.n == parent.before.id && (child.before == nil || child.before.n != child.after.n)
}

func rowKind(x, y *simChange) (k Kind, aftermath bool) {
	between, moves := meetsBetween(x, y)
	a, b := x.simOp, y.simOp
	del := a.after == nil || b.after == nil
	ins := a.before == nil && b.before == nil
	moved := func(o simOp) bool { return o.before != nil && o.after != nil && o.before.id != o.after.id }
	same := func(x, y *simRow) bool { return x != nil && y != nil && x.id == y.id }
	switch {
	case same(a.before, b.before) && a.after == nil && b.after == nil:
		return DeleteDelete, false
	case same(a.before, b.before) && a.after == nil:
		return DeleteUpdate, false
	case same(a.before, b.before) && b.after == nil:
		return UpdateDelete, false
	case same(a.before, b.before) && *a.after == *b.after:
		return UpdateUpdateSame, false
	case same(a.before, b.before):
		return UpdateUpdate, false
	case !same(a.after, b.after) && !same(a.after, b.before) && !same(a.before, b.after):
		switch {
		case !between:
			return 0, false
		case del:
			return InsertDelete, false
		case moves:
			return UpdatePK, inPlace(x, y)
		}
		return InsertInsertPK, !ins
	case del:
		return InsertDelete, false
	case ins:
		return InsertInsertPK, false
	case moved(a) && leavesOrTakes(a, b), moved(b) && leavesOrTakes(b, a):
		return UpdatePK, inPlace(x, y)
	}
	return InsertInsertPK, true
}

// leavesOrTakes tells whether a moved row's old or new key is the shared one.
func leavesOrTakes(m, o simOp) bool {
	for _, x := range []*simRow{m.before, m.after} {
		for _, y := range []*simRow{o.before, o.after} {
			if y != nil && x.id == y.id {
				return true
			}
		}
	}
	return false
}

// findings are the pairs that must become findings.
func (t *truth) findings() map[string]bool {
	pairs := t.pairs()
	rows := []Kind{InsertInsertPK, UpdatePK, UpdateUpdate, UpdateDelete, DeleteUpdate, InsertDelete}
	out := map[string]bool{}
	kept := pairs[:0:0]
	earlier := func(list []simPair, p simPair, match func(simPair) bool) bool {
		return slices.ContainsFunc(list, func(q simPair) bool {
			return q.exact == p.exact && match(q) && (q.b == p.b && q.a.precedes(p.a) || q.a == p.a && q.b.precedes(p.b))
		})
	}
	for _, p := range pairs {
		if !p.aftermath {
			kept = append(kept, p)
		}
	}
	// An insert against an update counts only if nothing before explains it; what
	// counts can itself explain later ones, so the order of the logs matters.
	for _, p := range pairs {
		if p.aftermath && !t.emptied(p) && !earlier(kept, p, func(q simPair) bool { return slices.Contains(rows, q.kind) }) {
			kept = append(kept, p)
		}
	}
	for _, p := range kept {
		if !earlier(kept, p, func(q simPair) bool { return q.kind == p.kind && q.key == p.key }) {
			out[p.String()] = true
		}
	}
	t.races(out)
	return out
}

func (p simPair) String() string {
	part := func(c *simChange) string {
		r := c.after
		if r == nil {
			r = c.simOp.before
		}
		return fmt.Sprintf("%d:%s %s%d", c.tx.seq, c.kind(), c.table, r.id)
	}
	return fmt.Sprintf("%s old %s new %s", p.kind, part(p.a), part(p.b))
}

// collisionText is a finding in the same words.
func (s *sim) collisionText(f Finding) string {
	if f.Kind == DDLRace {
		return raceText(s.opts.names.model(f.Table), f.Old.Thread, f.New.Thread)
	}
	part := func(a *Act) string {
		return fmt.Sprintf("%d:%s %s%s", a.Thread, a.Op, s.opts.names.model(a.Table), a.Key[0].Text)
	}
	return fmt.Sprintf("%s old %s new %s", f.Kind, part(f.Old), part(f.New))
}
