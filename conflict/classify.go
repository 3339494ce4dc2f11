package conflict

import (
	"bytes"
	"cmp"
	"slices"

	"crosscheck/cluster/binlog"
)

// sharedKey is a key value that two changes share. Index 0 is old's.
type sharedKey struct {
	NS    uint32
	Role  [2]role
	Tuple [2][]byte
}

// sharedOf turns a hit round so that old's part comes first, with its own memory.
func (d *Detector) sharedOf(s Side, h hit) sharedKey {
	k := sharedKey{NS: h.mine.ns}
	k.Role[s], k.Role[s.Other()] = h.mine.role, h.theirs.role
	k.Tuple[s], k.Tuple[s.Other()] = append([]byte{}, h.mine.tuple...), append([]byte{}, h.theirs.tuple...)
	return k
}

// maxHits is how many shared keys of one pair are looked at.
const maxHits = 256

// pairCase is a pair of concurrent row changes, old's first.
type pairCase struct {
	Ops      [2]binlog.Kind
	Same     bool // equal after-images
	Possible bool
	Hits     []sharedKey
	Acts     [2]*Act
	Seqs     [2]uint64 // of the two transactions
}

// verdict is one finding that a pair gives.
type verdict struct {
	kind Kind
	by   sharedKey
	more []uint32
	// aftermath says that the kind holds only if neither an earlier collision of the two changes nor a statement that
	// emptied the table explains it.
	aftermath bool
}

// verdicts classifies a pair by the keys that it surely shares. It is pure.
func (p *pairCase) verdicts() []verdict {
	var out []verdict
	var row *sharedKey
	var unique []sharedKey
	for i := range p.Hits {
		h := &p.Hits[i]
		switch all := h.Role[Old] | h.Role[New]; {
		case all&(roleGone|roleRefer) != 0:
			if len(out) == 0 {
				out = append(out, verdict{kind: ForeignKeyOrphan, by: *h})
			}
		case all&roleClaim != 0:
			if len(unique) == 0 || unique[len(unique)-1].NS != h.NS { // they stand together
				unique = append(unique, *h)
			}
		case row == nil || p.rank(h) > p.rank(row):
			row = h
		}
	}
	switch {
	case row != nil:
		v := p.rowVerdict(row)
		for _, u := range unique {
			v.more = append(v.more, u.NS)
		}
		out = append(out, v)
	case len(unique) > 1:
		v := verdict{kind: MultipleUnique, by: unique[0]}
		for _, u := range unique[1:] {
			v.more = append(v.more, u.NS)
		}
		out = append(out, v)
	case len(unique) == 1 && p.Ops == [2]binlog.Kind{binlog.Insert, binlog.Insert}:
		out = append(out, verdict{kind: InsertInsertUnique, by: unique[0]})
	case len(unique) == 1:
		out = append(out, verdict{kind: UpdateUnique, by: unique[0]})
	}
	return out
}

func (k *sharedKey) bothBefore() bool { return k.Role[Old]&k.Role[New]&roleBefore != 0 }

// rank orders the primary keys that two changes share: that of a row which both
// found tells most, then one that both rows end with.
func (p *pairCase) rank(k *sharedKey) int {
	switch {
	case (k.Role[Old]|k.Role[New])&roleTransit != 0 && (p.moves(k, Old) || p.moves(k, New)):
		return -1
	case (k.Role[Old]|k.Role[New])&roleTransit != 0:
		return -2
	case k.bothBefore():
		return 3
	case k.Role[Old]&k.Role[New]&roleAfter != 0:
		return 2
	case k.Role[Old]&roleAfter != 0:
		return 1
	}
	return 0
}

// rowVerdict classifies two changes that share a primary key.
func (p *pairCase) rowVerdict(k *sharedKey) verdict {
	v := verdict{by: *k}
	old, new := p.Ops[Old], p.Ops[New]
	switch {
	case k.bothBefore():
		v.kind = sameRowKind(old, new, p.Same)
	case p.moves(k, Old) || p.moves(k, New):
		v.kind = UpdatePK
		if old == binlog.Delete || new == binlog.Delete {
			v.kind = InsertDelete
		}
		v.aftermath = v.kind == UpdatePK && p.inPlace()
	case old == binlog.Delete || new == binlog.Delete:
		v.kind = InsertDelete
	default:
		v.kind = InsertInsertPK
		v.aftermath = old != new // an insert and an update
	}
	return v
}

// sort puts the keys in an order that does not depend on which of the two changes was read first.
func (p *pairCase) sort() {
	slices.SortStableFunc(p.Hits, func(a, b sharedKey) int {
		return cmp.Or(cmp.Compare(a.NS, b.NS), bytes.Compare(a.Tuple[Old], b.Tuple[Old]))
	})
}

// inPlace tells whether each primary key that the changes share is one of a row which one of them writes in place. The
// other side cannot give such a key to another row unless one of the two sides had changed before whose the key is, and
// that tells it.
func (p *pairCase) inPlace() bool {
	for i := range p.Hits {
		r := p.Hits[i].Role
		if (r[Old]|r[New])&(roleBefore|roleAfter|roleTransit) != 0 && r[Old] != roleBefore|roleAfter && r[New] != roleBefore|roleAfter {
			return false
		}
	}
	return true
}

// moves tells whether a side's change is an update that leaves or takes this key.
func (p *pairCase) moves(k *sharedKey, s Side) bool {
	return p.Ops[s] == binlog.Update && k.Role[s] != roleBefore|roleAfter
}

// sameRowKind is the kind of two changes of a row that both found.
func sameRowKind(old, new binlog.Kind, same bool) Kind {
	switch {
	case old == binlog.Delete && new == binlog.Delete:
		return DeleteDelete
	case old == binlog.Delete:
		return DeleteUpdate
	case new == binlog.Delete:
		return UpdateDelete
	case same:
		return UpdateUpdateSame
	}
	return UpdateUpdate
}
