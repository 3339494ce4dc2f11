package conflict

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// simRowName names a row.
type simRowName struct{ table, id string }

// untold lists the transactions whose echo differs or is missing, though no finding tells of it and none of the rows in
// which it differs was ever under doubt.
func (s *sim) untold(list []Finding, doubts map[simRowName]bool) (out []string) {
	type name struct {
		side Side
		seq  int
	}
	told := map[name]bool{}
	for _, f := range list {
		if f.Kind == EchoMismatch || f.Kind == MissingEcho {
			for side, a := range []*Act{f.Old, f.New} {
				if a != nil && !s.isEcho(Side(side), a) {
					told[name{Side(side), int(a.Thread)}] = true
				}
			}
		}
	}
	for side, srv := range s.srv {
		echoes := map[int]*simTx{}
		for _, item := range s.srv[Side(side).Other()].log {
			if item.tx != nil && item.tx.origin == Side(side) {
				echoes[item.tx.seq] = item.tx
			}
		}
		for _, tx := range srv.local {
			rows := differing(tx, echoes[tx.seq])
			doubted := slices.ContainsFunc(rows, func(r simRowName) bool { _, ok := doubts[r]; return ok })
			if len(rows) > 0 && !doubted && !told[name{Side(side), tx.seq}] {
				out = append(out, fmt.Sprintf("neither told nor doubted: the echo of %s %d differs in %v", Side(side), tx.seq, rows))
			}
		}
	}
	return out
}

func (s *sim) rowName(x Doubt) simRowName {
	return simRowName{s.opts.names.model(x.Table), string(x.Key[0].Text)}
}

// apart lists the rows that are not the same on both servers in the end, and are not under doubt. What a cascade does to
// children is in no log: where it did not do the same on both sides, the parents differ. Which rows differ after a race of
// two statements nothing tells.
func (s *sim) apart(doubts map[simRowName]bool) (out []string) {
	for _, table := range []string{"t", "c"} {
		if table == "c" && (s.opts.silent != restricts || s.tangled) {
			break
		}
		a, b := s.srv[Old].rows[table], s.srv[New].rows[table]
		ids := maps.Clone(a)
		maps.Copy(ids, b)
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			x, inOld := a[id]
			y, inNew := b[id]
			if (inOld != inNew || x != y) && !doubts[simRowName{table, strconv.Itoa(id)}] && !s.planted[id] {
				out = append(out, fmt.Sprintf("not the same and not under doubt: %s %d, old %v %v, new %v %v", table, id, inOld, x, inNew, y))
			}
		}
	}
	return out
}

// differing are the rows in which a transaction and its echo, nil if there is none, do not come to the same.
func differing(tx, echo *simTx) (out []simRowName) {
	var theirs []*simChange
	mine := netChanges(tx)
	if echo != nil {
		theirs = netChanges(echo)
	}
	for _, pair := range [][2][]*simChange{{mine, theirs}, {theirs, mine}} {
		for _, o := range pair[0] {
			if slices.ContainsFunc(pair[1], func(x *simChange) bool { return x.equals(o) }) {
				continue
			}
			for _, r := range []*simRow{o.before, o.after} {
				if r != nil {
					out = append(out, simRowName{o.table, strconv.Itoa(r.id)})
				}
			}
		}
	}
	return out
}

// equals tells whether two net changes make the same of the same row.
func (c *simChange) equals(o *simChange) bool {
	same := func(x, y *simRow) bool { return x == y || x != nil && y != nil && *x == *y }
	return c.table == o.table && same(c.before, o.before) && same(c.after, o.after)
}
